#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# pmem-unbind.sh ext4dax|xfsdax idle|mapped|region - takes the driver of persistent memory away under a mounted filesystem, and tells what
# became of the machine. Nobody has a file open (idle), a program that is not ours maps one (mapped), or a region is on one (region: needs
# the product). For the first two: ./run lab --bare -- bash /lab/guest/pmem-unbind.sh ext4dax mapped
#
# The kernel may not survive it, whoever maps the file, and says why as its last words: so this is no scenario (docs/dax.md has the answers).
. /lab/guest/lib.sh
. /lab/guest/regions.sh
fs=$1 user=$2
PATIENCE=60

say() {
	echo "$*"
	echo "<4>pmem-unbind: $*" >/dev/kmsg
}
lab_setup || exit 1
zeroes "/mnt/$fs/file" 4
case $user in
idle) ;;
mapped)
	mkfifo /tmp/words
	stdbuf -oL xfs_io "/mnt/$fs/file" </tmp/words >/tmp/xfs_io.log 2>&1 &
	user_pid=$!
	exec 3>/tmp/words
	printf 'mmap -rw 0 4m\nmwrite 0 4m\nmread 0 4m\nmmap\n' >&3
	WAIT_SEC=20 wait_for grep -q '^\[000\]' /tmp/xfs_io.log || { echo "xfs_io does not map the file: $(cat /tmp/xfs_io.log)"; exit 1; }
	;;
region)
	product_up || exit 1
	r=$(register "/mnt/$fs/file") || exit 1
	id=$(field id "$r") user_pid=$(keeper_pids)
	;;
*) echo "see the head of pmem-unbind.sh"; exit 2 ;;
esac
device=$(basename "$(findmnt -n -o SOURCE "/mnt/$fs")")
namespace=$(basename "$(readlink -f "/sys/block/$device/device")")
say "Linux $(uname -r), $fs on $device ($namespace), file: $user"
dmesg -n 7
(echo "$namespace" >/sys/bus/nd/drivers/nd_pmem/unbind) &
unbinding=$!
if WAIT_SEC=$PATIENCE wait_for gone $unbinding; then say "unbind returned"; else
	say "unbind has not returned in $PATIENCE s; it is in:"
	grep State: "/proc/$unbinding/status"
	cat "/proc/$unbinding/stack"
fi
[ -z "${user_pid:-}" ] || if gone "$user_pid"; then say "the user of the file ended"; else say "the user of the file lives"; fi
[ $user != region ] || timeout 30 rdmaregctl show "$id"
timeout 30 cat "/mnt/$fs/file" >/dev/null 2>/tmp/read.log && say "the file is still read" || say "reading the file: $(cat /tmp/read.log)"
timeout 30 umount "/mnt/$fs" && say "unmounted" || say "not unmounted"
gone $unbinding || WAIT_SEC=10 wait_for gone $unbinding && say "unbind is over" || say "unbind is still in the kernel"
dmesg | sed '1,/pmem-unbind: Linux/d' | grep -E 'WARNING|BUG|Oops|RIP:|Call Trace|hung|Memory failure|EXT4-fs|XFS' | head -n 30
