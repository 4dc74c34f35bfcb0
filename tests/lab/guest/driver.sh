#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# driver.sh NAME... - in the guest: runs scenarios one after another, each from a clean state, and tells the host.
#
# The host reads lines that start with "@" from the first serial line: "@ begin NAME", then "@ ok NAME: CHECK",
# "@ not ok NAME: CHECK", "@ skip NAME: WHY", then "@ end NAME SECONDS". A scenario without checks of its own counts as
# one. Everything a scenario printed is in /lab/out/NAME.log, what the product
# logged in NAME.daemon.log. What is left behind (left.sh) fails it. A kernel log with trouble in it fails the scenario during
# which it appeared, unless the scenario's header names that trouble as expected ("# kernel-noise: REGEX").

. /lab/guest/lib.sh
. /lab/guest/left.sh

header() { sed -n "s/^# $1: *//p" "/lab/scenarios/$2.sh" | head -n 1; }

report_checks() { # NAME LOG STATUS SECONDS
	local name=$1 log=$2 status=$3 seconds=$4 checks
	checks=$(sed -nE 's/^(# subtest )?(ok|not ok|skip) /\2 /p' "$log" | tr -d '\r')
	if [ -n "$checks" ]; then sed -E "s/^(ok|not ok|skip) /@ \1 $name: /" <<<"$checks"; fi
	case $status in
	0) [ -n "$checks" ] || echo "@ ok $name" ;;
	77) echo "@ skip $name: $(tail -n 1 "$log")" ;;
	124 | 137) echo "@ not ok $name: finished within ${seconds} s" ;;
	*) grep -q '^not ok' <<<"$checks" || echo "@ not ok $name: exit status $status" ;;
	esac
}

report_kernel() { # NAME LOG
	local noise trouble
	noise=$(header kernel-noise "$1")
	trouble=$(kernel_trouble "lab: begin $1" | grep -Ev "${noise:-^$}")
	[ -n "$trouble" ] || return 0
	echo "@ not ok $1: kernel log clean: $(head -n 1 <<<"$trouble")"
	{ echo "--- kernel log"; dmesg | sed "1,/lab: begin $1/d" | tail -n 200; } >>"$2"
}

# A scenario after which something is left has failed, whatever it said itself.
report_left() { # NAME LOG
	local left
	left=$(left 2>>"$2")
	[ -n "$left" ] || return 0
	echo "@ not ok $1: nothing is left: $(head -n 1 <<<"$left")"
	{ echo "--- left"; echo "$left"; } >>"$2"
}

run_scenario() { # NAME
	local name=$1 log=/lab/out/$1.log limit status=0 start=$EPOCHSECONDS
	limit=$(header timeout "$name")
	limit=${limit:-300}
	lab_reset >"$log" 2>&1
	echo "lab: begin $name" >/run/lab/mark
	echo "<5>lab: begin $name" >/dev/kmsg
	echo "@ begin $name"
	timeout -k 5 "$limit" bash "/lab/scenarios/$name.sh" >>"$log" 2>&1 </dev/null || status=$?
	echo "--- exit status $status" >>"$log"
	product_log >"/lab/out/$name.daemon.log"
	report_left "$name" "$log"
	report_checks "$name" "$log" $status "$limit"
	report_kernel "$name" "$log"
	echo "@ end $name $((EPOCHSECONDS - start))"
}

lab_setup || exit 3
left_before
for name; do run_scenario "$name"; done
