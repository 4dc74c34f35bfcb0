#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests.sh [NAME...] - all tests, or those whose name contains a NAME: the builds, what meson knows (plain and under the
# sanitizers), the scenarios of the lab. One line each; the last line is "N passed, N failed, N skipped", and the status
# is non-zero when a test failed or none ran.
#
# Always holds: a part that could not be built or started counts as a failure of its own, and the others still run.
. "$(dirname "$0")/common.sh"
. "$host/compile.sh"

# one at a time: the builds, logs and counts are shared
exec 5>"$build/test.lock"
if ! flock -n 5; then
	say "another test run is going on: waiting for it"
	flock 5
fi
results=$logs/results
: >"$results"

niced=()
# All result lines pass through here: shown and kept for the count.
record() { tee -a "$results"; }

# try NAME FUNCTION - a build as a test. In a process of its own, where an error ends it whoever asks for the status.
try() {
	local name=$1 function=$2 status=0
	set +e
	"${niced[@]}" bash -c '. "$1/common.sh"; . "$1/compile.sh"; "$2"' - "$host" "$function" >"$logs/try-$name.log" 2>&1
	status=$?
	set -e
	if [ $status = 0 ]; then
		echo "ok $name/build"
	else
		echo "not ok $name/build"
		sed 's/^/# /' "$logs/try-$name.log"
	fi | record
	return $status
}

unit() { # NAME PATTERN...
	local name=$1
	shift
	python3 "$host/unit.py" "$build/$name" "$name" "$@" 2>"$logs/unit-$name.log" | record ||
		{ echo "not ok $name/meson: $(tail -n 1 "$logs/unit-$name.log")" | record; }
}

wanted() { # NAME PATTERN...
	local name=$1 pattern
	shift
	[ $# -gt 0 ] || return 0
	for pattern; do
		case $name in *"$pattern"*) return 0 ;; esac
	done
	return 1
}

# Names that only scenarios have spare the builds for this machine, as far as the last build tells.
host_wanted() { # PATTERN...
	local pattern
	if [ $# = 0 ] || [ -z "$(RUN_LIST=boots "$host/scenarios.sh" "$@")" ]; then return 0; fi
	for pattern; do
		! meson test -C "$build/host" --no-rebuild --list 2>/dev/null | sed 's|.* / |host/asan/|' | grep -qF -e "$pattern" || return 0
	done
	return 1
}

# Would the tests of the core notice if it were wrong? A sample, the same one as long as the core and its tests are the same;
# ./run mutants asks for all.
mutants_sample() {
	if "${niced[@]}" python3 -B "$top/tests/mutants/mutants.py" --budget 80 >"$logs/mutants.log" 2>&1; then
		echo "ok host/mutants: $(tail -n 1 "$logs/mutants.log")"
	else
		echo "not ok host/mutants: $(tail -n 1 "$logs/mutants.log")"
		sed 's/^/# /' "$logs/mutants.log"
	fi | record
}

# part COMMAND... - and how long it took.
part() {
	local start=$EPOCHSECONDS status=0
	"$@" || status=$?
	echo "# $*: $((EPOCHSECONDS - start)) s" | record
	return $status
}

# beside COMMAND... - a part that computes, beside one that mostly waits: it takes what the tests leave of the processors.
beside() {
	niced=(nice -n 10)
	part "$@"
}

sample_and_clang() {
	beside mutants_sample
	beside try clang compile_clang || true
}

host_tests() {
	local built=0 job
	say "tests on this machine"
	part try host compile_host || built=$?
	beside try asan compile_asan &
	job=$!
	[ $built != 0 ] || part unit host "$@"
	built=0
	wait $job || built=$?
	job=
	[ $# -gt 0 ] || { sample_and_clang & job=$!; }
	[ $built != 0 ] || part unit asan "$@"
	[ -z "$job" ] || wait $job
}

# The lab is made while the tests on this machine run: it waits for downloads where they wait for processors.
lab_begin() {
	local kernels
	# all three for a full run: the module must build on kernels that nothing boots, too
	if [ $# -gt 0 ]; then kernels=$(RUN_LIST=boots "$host/scenarios.sh" "$@"); else kernels="7 6.12 6.1"; fi
	[ -n "$kernels" ] || return 0
	# shellcheck disable=SC2086
	"$host/prepare.sh" $(printf '%s\n' 7 $kernels | sort -u) 5>&- &
	lab_job=$!
}

lab_tests() {
	local prepared=0
	[ -n "$lab_job" ] || return 0
	wait "$lab_job" || prepared=$?
	say "tests in the lab"
	if [ $prepared = 0 ]; then
		echo "ok lab/build"
		"$host/scenarios.sh" "$@"
	else
		echo "not ok lab/build"
	fi | record
}

count() { grep -cE "^$1 " "$results" || true; }

lab_job=
lab_begin "$@"
if host_wanted "$@"; then host_tests "$@"; fi
lab_tests "$@"
passed=$(count ok) failed=$(count 'not ok') skipped=$(count skip)
if [ "$failed" -gt 0 ]; then
	echo
	grep '^not ok ' "$results"
	echo "logs: build/logs, build/logs/lab"
fi
say "all of build/logs/results:"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
