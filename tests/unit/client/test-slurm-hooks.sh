#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-slurm-hooks.sh PLAYED PLUGIN - the plugin's hooks without Slurm, and without a bus: what is read where a job is submitted, and that
# nothing fails that did not ask for it.
set -eu
played=$1 plugin=$2
dir=$(mktemp -d /tmp/test-slurm-hooks.XXXXXX)
trap 'rm -rf "$dir"' EXIT
export RDMAREG_BUS_ADDRESS=unix:path="$dir/none" SLURMD_NODENAME=n1
failed() { echo "FAILED: $*"; cat "$dir"/err; exit 1; }
uid=$(id -u)
hook() { "$played" "$plugin" "$@" "directory=$dir" wait=0 >"$dir/out" 2>"$dir/err"; }

# submission
[ "$("$played" "$plugin" option /a:rw,warm memfd:1M 2>"$dir/err")" = "/a:rw,warm;memfd:1M" ] || failed "a list of two"
grep -qx SPANK_RDMAREG=1 "$dir/err" || failed "the prolog is told that there are some"
"$played" "$plugin" option /a,rails /b >/dev/null 2>"$dir/err" || failed "rails"
grep -qx SPANK_RDMAREG=rails "$dir/err" || failed "and of rails"
SLURM_RDMAREG="/a;/b,rails" "$played" "$plugin" option 2>"$dir/err" >/dev/null || failed "a job in a job"
grep -qx SPANK_RDMAREG=rails "$dir/err" || failed "also of those that a job in a job has"
[ "$("$played" "$plugin" option /a none 2>"$dir/err")" = none ] || failed "none"
[ ! -s "$dir/err" ] || failed "the prolog is told of none"
[ "$("$played" "$plugin" option)" = "" ] || failed "no option, no variable"
! "$played" "$plugin" option /a b 2>"$dir/err" || failed "a bad option is refused"
grep -q "^--rdmareg=b: 'b' is neither an absolute path" "$dir/err" || failed "with a reason"

# in a job: what Slurm repeats is not what somebody typed
inside() { 2>"$dir/err" SLURM_RDMAREG="/a;/b" SLURM_SPANK__SLURM_SPANK_OPTION_rdmareg_rdmareg=/b "$played" "$plugin" option "$@"; }
[ "$(inside /b)" = "/a;/b" ] || failed "a step has the job's"
[ "$(inside /b /b)" = /b ] || failed "or its own, also if that is the job's last"
[ "$(inside /b none)" = none ] || failed "or none"
[ "$(inside /c)" = /c ] || failed "a step of a job without"

# a job without the option
hook task_init 1 7 "$uid" 0 1 0 || failed "a task of a job that asks for nothing"
[ ! -e "$dir/$uid/7" ] || failed "has no directory"
! grep -q = "$dir/out" || failed "has nothing in its environment"

# a step finds what is its own, not what its caller had
stale="RDMAREG_TICKETS=/x RDMAREG_MISSING=0 RDMAREG_FD_a=5 RDMAREG_FD_b_c=6"
for list in none /etc/passwd; do
	(for pair in $stale SLURM_RDMAREG=$list RDMAREG_FDX=1; do export "${pair?}"; done; hook task_init 1 6 "$uid" 0 1 0) || failed "a task in a task: $list"
	for variable in $stale; do
		grep -qx -e "-${variable%%=*}" "$dir/out" || failed "$list: $variable stays"
	done
	! grep -q RDMAREG_FDX "$dir/out" || failed "$list: what is the user's stays"
done
grep -qx "RDMAREG_SESSION=slurm.6" "$dir/out" || failed "the job's session"
"$played" "$plugin" job_epilog 1 6 "$uid" 0 1 0 "directory=$dir" >/dev/null 2>&1

# no daemon: the task runs, and finds why
export SLURM_RDMAREG="/etc/passwd;memfd:4096,name=m"
hook task_init 1 7 "$uid" 0 2 0 || failed "a task without a daemon"
grep -qx RDMAREG_MISSING=1 "$dir/out" || failed "the other node is missing"
tickets=$(sed -n s/^RDMAREG_TICKETS=//p "$dir/out")
[ "$(stat -c %a "$tickets")" = 600 ] || failed "mode of the file"
grep -q "^# node 0 of the step, n1: region r1 failed: " "$tickets" || failed "a reason for r1"
grep -q "^# node 0 of the step, n1: region m failed: " "$tickets" || failed "a reason for m"
grep -qx "# node 1 of the step: no tickets in time" "$tickets" || failed "a line for the other node"

# required: the task ends, and nobody else
status=0
SLURM_RDMAREG=/etc/passwd,required hook task_init 1 8 "$uid" 0 1 0 || status=$?
[ $status = 1 ] || failed "a task that requires it"
grep -q "requires a region that is missing" "$dir/err" || failed "says so"

# what the environment has is the user's
for list in x "" "/a;;" "$(printf '/a\tb')" "$(head -c 5000 /dev/zero | tr '\0' /)"; do
	SLURM_RDMAREG=$list hook task_init 1 9 "$uid" 0 1 0 || failed "a list that is none: $list"
	grep -q "SLURM_RDMAREG" "$dir/err" || failed "is said: $list"
	[ ! -e "$dir/$uid/9" ] || failed "makes nothing: $list"
done
SLURM_RDMAREG="$(printf '/a\t\033[2J\\')" hook task_init 1 9 "$uid" 0 1 0 || failed "a list with control characters"
grep -qF 'SLURM_RDMAREG=/a\x09\x1b[2J\x5c: ' "$dir/err" || failed "is not logged as it is"
SLURMD_NODENAME=../../x hook task_init 1 10 "$uid" 0 1 0 || failed "a node's name that is a path"
[ ! -e "$dir/$uid/10" ] || failed "makes nothing"

# the beginning
SPANK_RDMAREG=1 hook job_prolog 2 7 "$uid" 0 2 0 || failed "a prolog without a daemon"
grep -q "job 7: creating session slurm.7: " "$dir/err" || failed "says what failed"
hook job_prolog 1 7 "$uid" 0 2 0 || failed "a prolog of another job"
[ ! -s "$dir/err" ] || failed "has nothing to do"

# the end, again and again, also of what never was
hook job_epilog 2 7 "$uid" 0 2 0 || failed "an epilog without a daemon"
hook job_epilog 1 8 "$uid" 0 2 0 || failed "an epilog"
hook job_epilog 1 9 "$uid" 0 2 0 || failed "an epilog"
hook job_epilog 2 4294967294 "$uid" 0 1 0 || failed "an epilog of no job"
[ -z "$(find "$dir" -mindepth 2)" ] || failed "nothing is left: $(find "$dir")"
