#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-torture-played.sh PROGRAM - the file exerciser (tests/lab/src/torture/main.c) with regions that are played: where all is right it
# finds nothing, a peer's write that goes astray it finds in either form, and the tape that it leaves shows the fault again. A file of the
# size of a page of one is the device. Actors are played as well.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# status WANT OPTION... - of a run in which peers are in this network
status() {
	local want=$1 got=0
	shift
	"$program" --peers '' "$@" "${subject[@]}" >"$folder/said" 2>&1 || got=$?
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
FAKE_REGIONS=dies
status 1 --stamps 1
grep -q 'a peer or the actor died' "$folder/said"
unset FAKE_REGIONS
status 0 --replay "$folder/tape"

# actors that are played: what they do to the file is found
cat >"$folder/actor" <<'EOF'
#!/bin/sh
echo "$@" >>"${0%/*}/acted"
case $1 in
kill-keeper | remount | storage-mends) touch "$FAKE_REGIONS_END" ;;
stop-keeper) exit 77 ;;
kill-daemon) [ ! -e "${0%/*}/harm" ] || printf x | dd of="${0%/*}/a" bs=1 seek=100 conv=notrunc status=none ;;
esac
if [ -e "${0%/*}/loses" ]; then
	case $1 in
	storage-fails) cp "${0%/*}/a" "${0%/*}/a.old"; cp "${0%/*}/b" "${0%/*}/b.old" ;;
	storage-mends) cp "${0%/*}/a.old" "${0%/*}/a"; cp "${0%/*}/b.old" "${0%/*}/b" ;;
	esac
fi
EOF
chmod +x "$folder/actor"
export FAKE_REGIONS_END=$folder/ended
subject=(xfs "$folder")
status 0 --operations 1000 --actors "$folder/actor"
for what in kill-daemon stop-daemon upgrade kill-gate stop-keeper kill-keeper remount link-down storage-hangs storage-fails storage-mends; do
	grep -q "^$what [0-9]* xfs$" "$folder/acted" || { echo "no $what"; exit 1; }
done
! grep -q '^xfs: stop-keeper' "$folder/said" || { echo "what could not happen counts"; exit 1; }
touch "$folder/loses"
status 1 --operations 1000 --actors "$folder/actor" --tries 0
grep -q 'of what was written and synced is lost' "$folder/said"
rm "$folder/loses"
touch "$folder/harm"
status 1 --operations 1000 --actors "$folder/actor" --tape "$folder/tape" --tries 40
grep -q 'byte 100 ' "$folder/said"
status 2 --replay "$folder/tape"
grep -q 'give --actors as well' "$folder/said"
unset FAKE_REGIONS_END
truncate -s 2M "$folder/device"
subject=(device-dax "$folder/device")
status 0 --operations 500
! grep -q ' 0 writes' "$folder/said" || { cat "$folder/said"; exit 1; }
