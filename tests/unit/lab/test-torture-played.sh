#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-torture-played.sh PROGRAM - the file exerciser (tests/lab/src/torture/main.c) with regions that are played: where all is right it
# finds nothing, a peer's write that goes astray it finds in either form, and the tape that it leaves shows the fault again. A file of the
# size of a page of one is the device.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# status WANT OPTION... - of a run in which peers are in this network
status() {
	local want=$1 got=0
	shift
	"$program" --peers '' "$@" "${subject[@]}" >"$folder/said" || got=$?
	[ $got = "$want" ] || { echo "$*: status $got, expected $want"; cat "$folder/said"; exit 1; }
}

program=$1
subject=(tmpfs "$folder")
status 2 --each 0
status 0 --operations 500
grep -q '^tmpfs: [0-9]* operations, seeds 1 to 2; ' "$folder/said"
status 0 --operations 200 --local
status 0 --stamps 1
export FAKE_REGIONS=astray
status 1 --operations 500 --tape "$folder/tape"
grep -q ' must be ' "$folder/said"
[ "$(wc -l <"$folder/tape")" -lt 40 ]
status 1 --replay "$folder/tape" --tries 0
status 1 --stamps 30
grep -q '^wrong: ' "$folder/said"
unset FAKE_REGIONS
status 0 --replay "$folder/tape"
truncate -s 2M "$folder/device"
subject=(device-dax "$folder/device")
status 0 --operations 500
! grep -q ' 0 writes' "$folder/said" || { cat "$folder/said"; exit 1; }
