#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# torture-actor.sh WHAT MSEC FILESYSTEM - something happens to a part of the product, or to what it stands on, while ./run torture plays a tape
# (tests/lab/src/torture/actors.h). Returns when it has happened; what lasts ends by itself after MSEC. Status 77: there was nothing that it could
# happen to.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/torture.sh

what=$1 msec=$2 fs=$3
dir=/mnt/${fs/-/}
disk=torture-$fs

# later COMMAND... - after MSEC, in the background.
later() {
	(
		printf -v msec '%d.%03d' $((msec / 1000)) $((msec % 1000))
		read -rt "$msec" -u "$LAB_NEVER" || :
		"$@"
	) </dev/null >/dev/null 2>&1 &
	disown
}

stop() { # PROCESS... - for MSEC
	[ $# -gt 0 ] || return 77
	kill -STOP "$@" && later kill -CONT "$@"
}

kill_all() { # NAME
	local status=0
	pkill -KILL -x "$1" || status=$?
	[ $status != 1 ] || status=77
	return $status
}

off_bus() { ! bus_has_owner "$RDMAREG_BUS_NAME"; }

# The daemon ends, and another one takes its regions over.
another_daemon() { # SIGNAL
	torture_note
	kill "-$1" "$(cat /run/lab/rdmaregd.pid)"
	wait_for off_bus || { echo "the daemon does not end"; return 1; }
	if [ -e /run/lab/torture.next ]; then
		RDMAREGD=$RDMAREG_TESTS/next/rdmaregd RDMAREGD_ARGS="--keeper $RDMAREG_TESTS/next/rdmareg-keeper"
	fi
	product_up
}

# By one of another version, or back.
upgrade() {
	rdmaregctl drain --reason torture || return 1
	if [ -e /run/lab/torture.next ]; then
		rm /run/lab/torture.next
	else
		touch /run/lab/torture.next
	fi
	another_daemon TERM && rdmaregctl undrain
}

# No filesystem is unmounted under a region; without regions it is, and mounted again.
remount() {
	local source type options regions
	read -r source type options < <(findmnt -no SOURCE,FSTYPE,OPTIONS "$dir")
	regions=$(rdmaregctl --json list | jq length) && [ -n "$regions" ] || return 1
	if [ "$regions" != 0 ] && umount "$dir" 2>/dev/null; then
		echo "$dir could be unmounted under a region"
		return 1
	fi
	rdmaregctl evict "$dir" && umount "$dir" && mount -t "$type" -o "$options" "$source" "$dir"
}

# disk_is TABLE - what is behind the disk changes, whatever is under way there.
disk_is() {
	dmsetup suspend --noflush --nolockfs "$disk" && dmsetup load "$disk" --table "$1" && dmsetup resume --noudevsync "$disk"
}

case $what in
kill-daemon) another_daemon KILL ;;
stop-daemon) stop "$(cat /run/lab/rdmaregd.pid)" ;;
upgrade) upgrade ;;
kill-gate) kill_all rdmareg-gate ;;
stop-keeper) stop $(keeper_pids) ;;
kill-keeper) kill_all "$RDMAREG_KEEPER" ;;
remount) remount ;;
link-down) lose_packets && later find_way ;;
storage-hangs) dmsetup suspend --noflush --nolockfs "$disk" && later dmsetup resume --noudevsync "$disk" ;;
storage-fails)
	dmsetup table "$disk" >"/run/lab/$disk"
	disk_is "0 $(cut -d' ' -f2 "/run/lab/$disk") error" &&
		! dd if="/dev/mapper/$disk" of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null
	;;
storage-mends) disk_is "$(cat "/run/lab/$disk")" && remount ;;
*)
	echo "torture-actor.sh: unknown actor '$what'"
	false
	;;
esac
