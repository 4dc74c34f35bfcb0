# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Saying what held and what did not. A scenario prints one line per check ("ok NAME", "not ok NAME", "skip NAME: why");
# the driver counts them. Each check goes on after a failure; `finish` at the end turns failures into the exit status.

LAB_FAILED=0

ok() { echo "ok $*"; }
not_ok() { LAB_FAILED=1; echo "not ok $*"; }
skip() { echo "skip $1: ${2:-}"; }
finish() { exit "$LAB_FAILED"; }
skip_all() { echo "$*"; exit 77; }

# check NAME COMMAND... - ok when the command succeeds; its output is only shown when it does not.
check() {
	local name=$1 output status=0
	shift
	output=$("$@" 2>&1) || status=$?
	if [ $status = 0 ]; then
		ok "$name"
	else
		not_ok "$name"
		echo "    $*: status $status"
		sed 's/^/    /' <<<"$output"
	fi
}

# expect_status N NAME COMMAND... - ok when the command ends with just that status.
expect_status() {
	local want=$1 name=$2 output status=0
	shift 2
	output=$("$@" 2>&1) || status=$?
	if [ "$status" = "$want" ]; then
		ok "$name"
	else
		not_ok "$name"
		echo "    $*: status $status, expected $want"
		sed 's/^/    /' <<<"$output"
	fi
}

# expect_equal NAME WANT GOT
expect_equal() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1"; echo "    expected '$2', got '$3'"; fi
}

# A pipe that nobody writes to: reading from it with a limit is a pause without starting a program.
exec {LAB_NEVER}<> <(:)

# wait_for COMMAND... - polls until the command succeeds, at most WAIT_SEC (60) seconds. The status tells. It looks less and less often, down to
# five times a second: what it looks with takes processor time from what it waits for.
wait_for() {
	local end=$((EPOCHSECONDS + ${WAIT_SEC:-60})) pause=50 limit
	until "$@" >/dev/null 2>&1; do
		[ "$EPOCHSECONDS" -lt "$end" ] || return 1
		printf -v limit 0.%03d $pause
		read -rt $limit -u "$LAB_NEVER" || :
		pause=$((pause < 160 ? pause * 5 / 4 : 200))
	done
}

# kernel_trouble [MARK] - prints what means that the kernel is in trouble (patterns: /lab/kernel-trouble) since a line
# that contains MARK, or since boot; succeeds when there is any.
kernel_trouble() {
	if [ -n "${1:-}" ]; then dmesg | sed "1,/$1/d"; else dmesg; fi | grep -E -f /lab/kernel-trouble
}

# kernel_log_clean - for use in the middle of a scenario; the driver looks after each anyway.
kernel_log_clean() { ! kernel_trouble "$(cat /run/lab/mark 2>/dev/null)"; }
