#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# survival.sh CELLS - plays each line of the file CELLS (tests/lab/host/survival.py --cells) and prints a row for it: "cell", its number,
# actor, harm, state, the seconds, and "ok" or what was lost that may not be (docs/survival.md). What a cell said is in /share/survival.log.
#
# In each cell the region LOAD is written by a peer that knows what was acknowledged, CELL is the one that the state is about;
# both are detached, on XFS, of one keeper. What was done is undone before anything is looked at.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/left.sh
. /lab/guest/torture.sh

LOAD=/mnt/xfs/load CELL=/mnt/xfs/cell OTHER=/mnt/xfs/other
GRACE=1s
LOST='' # what this cell lost that it may not

lost() { LOST+="${LOST:+; }$*"; }

# pause_sec N - the harm's own duration.
pause_sec() { read -rt "$1" -u "$LAB_NEVER" || :; }

daemon_up() {
	if [ -e /run/lab/dbus.pid ] && gone "$(cat /run/lab/dbus.pid)"; then
		rm -f /run/lab/dbus.pid /run/dbus/pid
		# rdmaregd ends without a bus
		WAIT_SEC=20 wait_for gone "$(cat /run/lab/rdmaregd.pid)" || lost "rdmaregd stays without a bus"
	fi
	[ -e /run/lab/rdmaregd.pid ] && gone "$(cat /run/lab/rdmaregd.pid)" && rm -f /run/lab/rdmaregd.pid
	if [ ! -e /run/lab/rdmaregd.pid ] || ! timeout 10 rdmaregctl list >/dev/null 2>&1; then product_up; fi
}

# load_up, load_down - the peer that writes; how it ended is in $peer_status, what was acknowledged in $last.
load_up() {
	load=$(register $LOAD --export) || { lost "the load's region cannot be registered"; return 1; }
	start_peer /tmp/load.log "$RDMAREG_TESTS/counting-peer" use "$(field ticket "$load")" 1
	load_peer=$PEER
	wait_for region_is "$(field id "$load")" peers 1 || { lost "its peer does not connect"; return 1; }
}
load_down() {
	kill "$load_peer" 2>/dev/null
	peer_status=0
	wait "$load_peer" 2>/dev/null || peer_status=$?
	last=
	read -r last _ </tmp/load.log
}

# end_all PROCESS... - a cell that does not get rid of them costs its time alone.
end_all() {
	local pid
	kill "$@" 2>/dev/null
	for pid; do
		WAIT_SEC=10 wait_for gone "$pid" || kill -9 "$pid"
	done
}

# A function for each state brings the cell's region there; what goes on then runs in the background, in $jobs.
begin_idle() { :; }
begin_registering() { for _ in 1 2 3; do register $OTHER; done >/tmp/job.log 2>&1 & jobs+=($!); }
begin_exporting() { for _ in 1 2 3 4; do rdmaregctl export "$id"; done >/tmp/job.log 2>&1 & jobs+=($!); }
begin_truncate() {
	start_peer /tmp/unruly.log "$RDMAREG_TESTS/unruly-peer" "$(field ticket "$cell")" hammer
	jobs+=("$PEER")
	wait_for region_is "$id" peers 1 || return 1
	truncate -s 2M $CELL &
	taker=$!
}
begin_asked() { begin_truncate && wait_for region_is "$id" state draining; }
begin_giving-back() { begin_asked && WAIT_SEC=10 wait_for region_left draining; }
begin_settling() { begin_truncate && wait "$taker"; }
region_left() { ! region_is "$id" state "$1"; }
begin_fenced() { rdmaregctl revoke "$id" --for 5s -- sleep 3 >/tmp/job.log 2>&1 & jobs+=($!); WAIT_SEC=10 wait_for region_is "$id" state fenced; }
begin_releasing() { rdmaregctl release "$id" >/tmp/job.log 2>&1 & jobs+=($!); released=1; }
begin_warming() { rdmaregctl prefetch "$(field id "$big")" >/tmp/job.log 2>&1 & jobs+=($!); }
begin_adopting() { kill_all "$(cat /run/lab/rdmaregd.pid)" && daemon_up >/dev/null; }
kill_all() {
	local pid
	kill -9 "$@"
	for pid; do wait_for gone "$pid" || return 1; done
}

# pids_of ACTOR
pids_of() {
	case $1 in
	daemon) cat /run/lab/rdmaregd.pid ;;
	keeper) keeper_pids ;;
	peer) echo "$load_peer" ;;
	holder) echo "$holder" ;;
	gate) pgrep -x rdmareg-gate ;;
	bus) cat /run/lab/dbus.pid ;;
	esac
}

limit_for() { # RESOURCE PIDS...: no more than it has now
	local resource=$1 pid now before
	shift
	for pid; do
		case $resource in
		nofile) now=$(find "/proc/$pid/fd" -mindepth 1 | wc -l) ;;
		as) now=$(($(awk '/VmSize/ { print $2 }' "/proc/$pid/status") * 1024)) ;;
		esac
		before=$(prlimit --pid "$pid" "--$resource" --output SOFT --noheadings | xargs)
		prlimit --pid "$pid" "--$resource=$now:"
		limited+=("$pid $before")
	done
}

# harm ACTOR HARM - and undoes what ends by being undone.
harm() {
	local pids limited=() one sec=${2##*-} resource=nofile
	mapfile -t pids < <(pids_of "$1")
	case $1 in
	daemon | keeper | gate | peer | holder | bus) [ ${#pids[@]} -gt 0 ] || { lost "there was nobody to harm"; return; } ;;
	esac
	case $2 in
	kill) kill_all "${pids[@]}" ;;
	stop-*) kill -STOP "${pids[@]}"; pause_sec "$sec"; kill -CONT "${pids[@]}" ;;
	oom)
		for one in "${pids[@]}"; do echo 1000 >"/proc/$one/oom_score_adj"; done
		for one in "${pids[@]}"; do echo f >/proc/sysrq-trigger; WAIT_SEC=20 wait_for gone "$one"; done
		;;
	descriptors | memory)
		[ "$2" = descriptors ] || resource=as
		limit_for $resource "${pids[@]}"
		pause_sec 2
		for one in "${limited[@]}"; do prlimit --pid "${one% *}" "--$resource=${one#* }:" 2>/dev/null; done
		;;
	lost-*) lose_packets; pause_sec "$sec"; find_way ;;
	hangs-*) dmsetup suspend --noflush --nolockfs torture-xfs; pause_sec "$sec"; dmsetup resume --noudevsync torture-xfs ;;
	freeze-*) fsfreeze -f /mnt/xfs; pause_sec "$sec"; fsfreeze -u /mnt/xfs ;;
	forward) date -s '+1 hour' >/dev/null; pause_sec 1; date -s '-1 hour' >/dev/null ;;
	back) date -s '-1 hour' >/dev/null; pause_sec 1; date -s '+1 hour' >/dev/null ;;
	esac
}

# reason_of ID - why it is not there any more, as the history of this daemon has it.
reason_of() { rdmaregctl --json history "$1" 2>/dev/null | jq -r '[.events[] | select(.kind == "removed")][-1].reason // empty'; }
usable() { region_is "$1" state live; }
# over ID - it is usable, or gone, and no keeper is left that could still say that it has it.
over() { usable "$1" || { region_gone "$1" && ! rdmaregctl keeper list --no-legend | grep -q ' starting '; }; }

# look_at NAME ID MAY - a region after the harm.
look_at() {
	local reason
	WAIT_SEC=90 wait_for over "$2"
	if usable "$2"; then
		return
	elif region_gone "$2"; then
		reason=$(reason_of "$2")
		[ "$3" = lost ] || lost "$1 is gone ($reason)"
		# a daemon that began later knows of no reason
		[ -n "$reason" ] || [ "$state" = adopting ] || lost "$1 is gone without a reason"
	else
		lost "$1 is $(field state "$(region "$2")")"
	fi
}

# works - what a user does, from the beginning.
works() {
	local r
	zeroes $OTHER 1
	wait_for registers || { lost "nothing can be registered"; return; }
	r=$(<"/tmp/new.json")
	on_b timeout 60 rdmaregctl put /tmp/page "$(field ticket "$r")" >/dev/null 2>/tmp/put.log || lost "a new peer fails: $(head -n 1 /tmp/put.log)"
	rdmaregctl release "$(field id "$r")" >/dev/null || lost "a new region is not released"
}
registers() { register $OTHER --export >/tmp/new.json; }

cell_up() {
	local options=()
	daemon_up >/dev/null || { lost "the daemon does not come up"; return 1; }
	zeroes $LOAD 1 && zeroes $CELL 4 && zeroes $OTHER 1
	load_up || return 1
	[ "$actor" != gate ] || options=(--arbitration pre-content)
	cell=$(register $CELL --export --grace $GRACE "${options[@]}") || { lost "the cell's region cannot be registered"; return 1; }
	id=$(field id "$cell")
	[ "$1" != warming ] || { truncate -s 64M /mnt/xfs/big; big=$(register /mnt/xfs/big --no-warm); }
	rdmaregctl join "$(field id "$load")" >/tmp/holder.log 2>&1 &
	holder=$!
	jobs+=("$holder")
	wait_for region_is "$(field id "$load")" clients 1
}

play() { # ACTOR HARM STATE REGION PEER
	local jobs=() released='' taker='' left
	LOST=''
	if cell_up "$3"; then
		"begin_$3" || lost "the state is not reached"
		harm "$1" "$2"
		daemon_up >/dev/null || lost "the daemon does not come up again"
		[ -z "$taker" ] || timeout 60 tail --pid="$taker" -f /dev/null || lost "a truncate does not return"
		look_at "the load's region" "$(field id "$load")" "$4"
		[ -n "$released" ] || look_at "the cell's region" "$id" "$4"
		load_down
		[ "$peer_status" = 0 ] || [ "$5" = lost ] || lost "the peer ended: $(paste -sd " " /tmp/load.log)"
		# who was killed has told nobody what it was acknowledged
		[ -z "$last" ] || "$RDMAREG_TESTS/counting-peer" check $LOAD "$last" >/dev/null || lost "acknowledged bytes"
		works
	fi
	[ -z "$taker" ] || jobs+=("$taker")
	end_all "${jobs[@]}"
	let_go
	WAIT_SEC=30 wait_for nothing_up || { left=$(left_up | head -n 2); [ -z "$left" ] || lost "left: $left"; }
	rm -f $LOAD $CELL $OTHER /mnt/xfs/big
}

kernel_at_least 7.0 || skip_all "rxe serves other name spaces from Linux 7.0 on"
lab_setup
torture_disk xfs /dev/vdb mkfs.xfs -q -f -K && product_up || exit 1
noise /tmp/page 1
printf 'kernel\t%s\n' "$(uname -r)"
# no descriptor of ours is open while a daemon is started
mapfile -t cells <"$1"
for line in "${cells[@]}"; do
	read -r n actor harm state may_region may_peer <<<"$line"
	echo "<5>lab: survival $n" >/dev/kmsg
	start=$(uptime_msec)
	play "$actor" "$harm" "$state" "$may_region" "$may_peer" >/tmp/survival.log 2>&1
	kernel_trouble "lab: survival $n\$" >/tmp/trouble && lost "kernel: $(head -n 1 /tmp/trouble)"
	printf 'cell\t%s\t%s\t%s\t%s\t%d\t%s\n' "$n" "$actor" "$harm" "$state" $((($(uptime_msec) - start) / 1000)) "${LOST:-ok}"
	[ -z "$LOST" ] || { echo "--- $n $actor $harm $state: $LOST"; cat /tmp/survival.log; tail -n 30 "$DAEMON_LOG"; } >>/share/survival.log
done
