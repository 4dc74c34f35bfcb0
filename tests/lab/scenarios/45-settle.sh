#!/bin/bash
# boot: plain
# timeout: 900
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What else can happen to a file and what is below it: unlinked, renamed, remounted, its filesystem full, its disk broken or hanging, its filesystem
# silent or shut down, the adapter forbidden or taken away. Each has one outcome, and what is registered can be released after all of them.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
modprobe -a loop dm_mod fuse
product_up || exit 1
noise /tmp/sent 4
sent=$(sha256sum </tmp/sent)

# open_region FILE [OPTION...] - exported; sets r, id, ticket
open_region() {
	r=$(register "$@" --export) || { not_ok "register $1"; return 1; }
	id=$(field id "$r") ticket=$(field ticket "$r")
}
available() { stat -f -c '%a' "$1"; }
grew_back() { [ "$(available "$1")" -ge "$2" ]; }
as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
put_fails() { ! on_b rdmaregctl put /tmp/sent "$ticket" >/tmp/put.log 2>&1; }

# made_of IMAGE DIRECTORY MIB MKFS... - a small filesystem in a file
made_of() {
	local image=$1 dir=$2 mib=$3
	shift 3
	truncate -s "${mib}M" "$image" && "$@" "$image" >/dev/null && mkdir -p "$dir" && mount -o loop "$image" "$dir"
}

for fs in xfs ext4; do
	# unlinked: it lives on while it is registered, and its blocks come back afterwards
	before=$(available /mnt/$fs)
	zeroes /mnt/$fs/file 64
	open_region /mnt/$fs/file
	rm /mnt/$fs/file
	check "$fs: the region says that its file is deleted" wait_for region_is "$id" path_state deleted
	check "$fs: an unlinked file can be written" on_b rdmaregctl put /tmp/sent "$ticket"
	on_b rdmaregctl get "$ticket" /tmp/got --length 4M
	expect_equal "$fs: and read" "$sent" "$(sha256sum </tmp/got)"
	check "$fs: its state is live" region_is "$id" state live
	check "$fs: release" rdmaregctl release "$id"
	check "$fs: its blocks are free again" wait_for grew_back /mnt/$fs $((before - 2048))

	# renamed: the region is the file's, not the name's
	zeroes /mnt/$fs/file 4
	open_region /mnt/$fs/file
	mv /mnt/$fs/file /mnt/$fs/other
	check "$fs: the region says where its file is" wait_for region_is "$id" path_now /mnt/$fs/other
	check "$fs: a renamed file can be written" on_b rdmaregctl put /tmp/sent "$ticket"
	expect_equal "$fs: under its new name" "$sent" "$(sync /mnt/$fs/other; sha256sum </mnt/$fs/other)"

	# read-only: not while somebody may write to it
	check "$fs: a remount read-only is refused while a rw region is there" \
		sh -c "! mount -o remount,ro /mnt/$fs 2>/dev/null"
	check "$fs: and nothing has happened" on_b rdmaregctl put /tmp/sent "$ticket"
	check "$fs: release" rdmaregctl release "$id"
	check "$fs: now it can be remounted" wait_for mount -o remount,ro /mnt/$fs
	open_region /mnt/$fs/other --access r
	check "$fs: a region to read can be had of it" region_is "$id" access r
	check "$fs: and be read" on_b rdmaregctl get "$ticket" /tmp/got
	check "$fs: release" rdmaregctl release "$id"
	mount -o remount,rw /mnt/$fs
done

# an ordinary user's checkpoint, written beside the old one and renamed over it
mkdir -p /mnt/ext4/theirs && chown 65534:65534 /mnt/ext4/theirs
as_user sh -c 'head -c 1M /dev/zero >/mnt/ext4/theirs/checkpoint'
theirs=$(field id "$(as_user rdmaregctl --json register /mnt/ext4/theirs/checkpoint)")
as_user sh -c 'echo >/mnt/ext4/theirs/new && mv /mnt/ext4/theirs/new /mnt/ext4/theirs/checkpoint'
check "a user's checkpoint that was replaced is said to be" wait_for region_is "$theirs" path_state deleted
check "also in the list" sh -c "rdmaregctl list | grep -q 'theirs/checkpoint (deleted)'"
check "release" as_user rdmaregctl release "$theirs"

# a full filesystem: the write that needs a block fails, and only that
check "a small ext4" made_of /mnt/tmpfs/small.image /mnt/small 32 mkfs.ext4 -q -F
truncate -s 4M /mnt/small/sparse
open_region /mnt/small/sparse
head -c 64M /dev/zero >/mnt/small/filler 2>/dev/null
check "full: a peer's write fails" put_fails
check "full: it says what happened ($(head -c 200 /tmp/put.log))" grep -q "no space left" /tmp/put.log
check "full: the region lives" region_is "$id" state live
rm /mnt/small/filler
sync -f /mnt/small
check "with room again the same write works" on_b rdmaregctl put /tmp/sent "$ticket"
expect_equal "and the bytes are there" "$sent" "$(sync /mnt/small/sparse; sha256sum </mnt/small/sparse)"
check "full: release" rdmaregctl release "$id"
umount /mnt/small

# a disk that breaks: reads that need it fail, writing back says so
truncate -s 64M /mnt/tmpfs/disk.image
loop=$(losetup --show -f /mnt/tmpfs/disk.image)
sectors=$(blockdev --getsz "$loop")
dmsetup create lab-disk --table "0 $sectors linear $loop 0"
mkfs.ext4 -q -F /dev/mapper/lab-disk
mkdir -p /mnt/disk
mount /dev/mapper/lab-disk /mnt/disk
noise /mnt/disk/file 4
sync -f /mnt/disk
echo 3 >/proc/sys/vm/drop_caches
open_region /mnt/disk/file --no-warm
head -c 4096 /dev/urandom | dd of=/mnt/disk/file conv=notrunc bs=4096 status=none # what will never be written back
dmsetup suspend --noflush --nolockfs lab-disk # which would write it back
dmsetup load lab-disk --table "0 $sectors error"
dmsetup resume lab-disk
# the kernel may try such a page again and again (7.3 does, for ever): who waits is told, and nobody else is held up
check "broken disk: prefetching fails" sh -c "! rdmaregctl prefetch $id >/tmp/prefetch.log 2>&1"
check "broken disk: it says why ($(head -n 1 /tmp/prefetch.log | cut -c 1-150))" grep -q "Input/output\|Bad address\|storage" /tmp/prefetch.log
check "broken disk: a peer's read fails" sh -c "! ip netns exec b rdmaregctl get '$ticket' /tmp/got >/dev/null 2>&1"
check "broken disk: the region is still there" region_is "$id" state live
zeroes /mnt/xfs/neighbour 4
neighbour=$(register /mnt/xfs/neighbour --export)
check "broken disk: another region of the same keeper works" on_b rdmaregctl put /tmp/sent "$(field ticket "$neighbour")"
check "broken disk: and can be truncated" truncate -s 0 /mnt/xfs/neighbour
check "broken disk: sync says so" sh -c "! rdmaregctl sync $id 2>/tmp/sync.log && grep -qi 'cannot be written back\|Input/output' /tmp/sync.log"
check "broken disk: release" rdmaregctl release "$id"
dmsetup suspend --noflush lab-disk
dmsetup load lab-disk --table "0 $sectors linear $loop 0"
dmsetup resume lab-disk
check "broken disk: nothing holds it" wait_for umount /mnt/disk

# Storage that does not answer at all, under regions of an ordinary user who has one of another filesystem besides. That one is not disturbed, by
# calls or peers, and lives on in the same keeper.
others_go_on() {
	check "$1: the other region's peer" on_b rdmaregctl put /tmp/sent "$own_ticket"
	check "$1: the other region is truncated" truncate -s 2M /mnt/xfs/own
	check "$1: and grows" truncate -s 4M /mnt/xfs/own
	check "$1: the other region is synced" as_user rdmaregctl sync "$own"
	check "$1: a new region" as_user rdmaregctl register /mnt/xfs/own
	check "$1: the other region lives" region_is "$own" state live
}
user_region() {
	r=$(as_user rdmaregctl --json register "$@" --export) || { not_ok "register $1 as a user"; return 1; }
	id=$(field id "$r") ticket=$(field ticket "$r")
}
says() {
	local words=$1
	shift
	! "$@" >/tmp/says.log 2>&1 && grep -qi -- "$words" /tmp/says.log || { cat /tmp/says.log; return 1; }
}
zeroes /mnt/xfs/own 4
chmod 666 /mnt/xfs/own
user_region /mnt/xfs/own
own=$id own_ticket=$ticket

# a disk that hangs in fsync(2), and when pages are read
fsck.ext4 -p /dev/mapper/lab-disk >/dev/null 2>&1
mount /dev/mapper/lab-disk /mnt/disk
zeroes /mnt/disk/hung 4
chmod 666 /mnt/disk/hung
user_region /mnt/disk/hung
check "hung disk: a peer writes" on_b rdmaregctl put /tmp/sent "$ticket"
noise /mnt/disk/cold 4
chmod 666 /mnt/disk/cold
sync -f /mnt/disk
cold=$(field id "$(as_user rdmaregctl --json register /mnt/disk/cold --no-warm)")
echo 1 >/proc/sys/vm/drop_caches
dmsetup suspend --noflush --nolockfs lab-disk
check "hung disk: prefetching fails" says "does not answer" as_user rdmaregctl prefetch "$cold"
check "hung disk: sync gives up" says "longer than" as_user rdmaregctl sync "$id" --limit 2s
others_go_on "hung disk"
# the step that has not ended, when it has lasted for timeout_msec
not_ended() { field degraded "$(region "$1")" | grep -q "has not ended within"; }
check "hung disk: peers are kept out of the region whose pages do not come" wait_for region_is "$cold" state fenced
check "hung disk: it says why" not_ended "$cold"
check "hung disk: nothing more is begun there" says "fenced, not live" as_user rdmaregctl prefetch "$cold"
check "hung disk: release is answered" as_user rdmaregctl release "$id"
check "hung disk: the region is gone" region_gone "$id"
others_go_on "hung disk, released"
dmsetup resume lab-disk
check "hung disk: it answers, and the region is live" wait_for region_is "$cold" state live
check "hung disk: a truncate of its file ends" timed truncate -s 1M /mnt/disk/cold
check "hung disk: the region has followed" wait_for settled "$cold" $MIB
check "hung disk: and is released" as_user rdmaregctl release "$cold"
check "hung disk: nothing holds it when it answers" wait_for umount /mnt/disk
dmsetup remove lab-disk
losetup -d "$loop"

# a FUSE server that answers nothing any more
mkdir -p /mnt/silent
"$RDMAREG_TESTS/silent-fs" /mnt/silent &
server=$!
check "a FUSE filesystem" wait_for test -e /mnt/silent/file
user_region /mnt/silent/file --no-warm
kill -USR1 $server
as_user rdmaregctl register /mnt/silent/file >/tmp/register.log 2>&1 &
registering=$!
others_go_on "silent"
status=0
wait $registering || status=$?
expect_equal "silent: registering fails" 1 $status
check "silent: it says why ($(head -c 200 /tmp/register.log))" grep -qi "answer" /tmp/register.log
check "silent: prefetching fails" says "does not answer" as_user rdmaregctl prefetch "$id"
check "silent: a peer's read fails" sh -c "! ip netns exec b timeout 60 rdmaregctl get '$ticket' /tmp/got >/dev/null 2>&1"
others_go_on "silent, and a peer reads"
check "silent: peers are kept out" wait_for region_is "$id" state fenced
check "silent: it says why" not_ended "$id"
check "silent: release is answered" as_user rdmaregctl release "$id"
check "silent: the region is gone" region_gone "$id"
others_go_on "silent, released"
kill -USR2 $server
check "answering again: it is registered" as_user rdmaregctl register /mnt/silent/file
kill -KILL $server

# a keeper that may not open the adapter's nodes says so
chmod 600 /dev/infiniband/*
check "forbidden nodes: registering says why" says "NoAdapter\|may not open" setpriv --reuid=1 --regid=1 --clear-groups rdmaregctl register /mnt/xfs/own
chmod 666 /dev/infiniband/*
check "with permission it works" setpriv --reuid=1 --regid=1 --clear-groups rdmaregctl register /mnt/xfs/own
# a filesystem that was shut down
check "an XFS to break" made_of /mnt/tmpfs/broken.image /mnt/broken 320 mkfs.xfs -q
zeroes /mnt/broken/file 4
open_region /mnt/broken/file --no-warm
xfs_io -x -c shutdown /mnt/broken
check "shut down: a peer's write fails" put_fails
check "shut down: and it hears why ($(head -c 200 /tmp/put.log))" grep -q "storage there" /tmp/put.log
check "shut down: release" rdmaregctl release "$id"
check "shut down: it can be unmounted" wait_for umount /mnt/broken

# the adapter's address changes: new tickets have the new one, and the region stays
zeroes /mnt/xfs/file 4
open_region /mnt/xfs/file
ip addr del $LAB_ADDR_A/24 dev veth-a
ip addr add 10.99.0.7/24 dev veth-a
moved() { rdmaregctl export "$id" | grep -q "//10.99.0.7:"; }
check "another address: a new ticket has it" wait_for moved
ticket=$(rdmaregctl export "$id")
check "another address: a peer comes there" wait_for on_b rdmaregctl put /tmp/sent "$ticket"
ip addr del 10.99.0.7/24 dev veth-a
ip addr add $LAB_ADDR_A/24 dev veth-a
check "another address: release" rdmaregctl release "$id"

# the adapter goes: regions are lost, honestly, and with the adapter back there can be new ones
zeroes /mnt/xfs/file 4
open_region /mnt/xfs/file
rdma link delete rxea
check "without an adapter the region is gone" wait_for region_gone "$id"
rdma link add rxea type rxe netdev veth-a
registered_again() { rdmaregctl register /mnt/xfs/file >/tmp/again.log 2>&1; }
check "with one there are regions again" wait_for registered_again
finish
