#!/bin/bash
# boot: plain
# boot: plain kernel=6.12
# timeout: 1200
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Pre-content events without the daemon: on each filesystem that has them, who takes blocks is asked about and who does not is not; who waits is refused,
# let through, or noticed when killed; a gate that is stopped holds nobody up. What io_uring does, and what is said when a capability or the
# kernel is missing.
. /lab/guest/lib.sh
drive=$RDMAREG_TESTS/gate-drive log=/run/lab/gate.log

# refused NAME TEXT COMMAND... - the gate cannot be had, and the reason contains TEXT
refused() {
	local name=$1 text=$2
	shift 2
	timeout 60 "$@" >"$log" 2>&1
	check "$name: $(cat "$log")" grep -qF "$text" "$log"
}

echo content >/mnt/ext4/file
if ! kernel_at_least 6.14; then
	refused "an older kernel has none, and that is said" "this kernel has no pre-content events" "$drive" serve /mnt/ext4/file
	finish
fi
refused "without CAP_SYS_ADMIN" CAP_SYS_ADMIN setpriv --bounding-set=-sys_admin "$drive" serve /mnt/ext4/file
refused "without CAP_SYS_PTRACE" CAP_SYS_PTRACE setpriv --bounding-set=-sys_ptrace "$drive" serve /mnt/ext4/file
refused "without CAP_DAC_READ_SEARCH, though root's processes could be read" CAP_DAC_READ_SEARCH \
	setpriv --bounding-set=-dac_read_search,-dac_override "$drive" serve /mnt/ext4/file

# what the gate sees of processes and descriptors is the same on all: it is tried with the page cache, and with DAX
for fs in ext4 xfsdax; do "$drive" $fs /mnt/$fs /mnt/tmpfs || LAB_FAILED=1; done
for fs in ext4dax xfs; do "$drive" $fs /mnt/$fs || LAB_FAILED=1; done

modprobe -a btrfs
modprobe brd rd_nr=1 rd_size=262144
check "a btrfs" setup_fs btrfs /dev/ram0 rw mkfs.btrfs -q -f
"$drive" btrfs /mnt/btrfs || LAB_FAILED=1
umount /mnt/btrfs
rmmod brd

# io_uring: what a ring does cannot be seen, so all of it is asked about
head -c 1M /dev/zero >/mnt/ext4/ring
"$drive" serve /mnt/ext4/ring >"$log" 2>&1 &
serving=$!
check "a gate for a ring" wait_for grep -q ready "$log"
check "a ring reads and writes" timeout 120 fio --name=ring --filename=/mnt/ext4/ring --ioengine=io_uring --rw=randrw --bs=4k --size=1M \
	--io_size=64k --direct=1 --output=/run/lab/fio.log
check "that is taken for writing" grep -q '^wanted write' "$log"
check "and the end of each is noticed" wait_for eval '[ "$(grep -c ^wanted "$log")" = "$(grep -c ^over "$log")" ]'
kill $serving
wait $serving 2>/dev/null
check "with the gate gone everybody goes on" timeout 60 truncate -s 0 /mnt/ext4/ring
finish
