#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a completed write is worth, on each kind of memory, proved on what the medium has: the filesystems of this scenario stand on files
# (loop devices), whose copy at any moment is what a power cut would leave. The copy is mounted, its journal replayed, its bytes compared;
# with the kernel's own write-back turned off, so that the same check fails where nobody asked for durability.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
modprobe loop
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
users_up
noise /tmp/sent 2
sum=$(sha256sum </tmp/sent | cut -d' ' -f1)

# after_power_cut MEDIUM FILE OPTIONS - the sum of FILE's first 2 MiB as a machine would find it that lost its memory now.
after_power_cut() {
	local at=/mnt/tmpfs/after status=0
	mkdir -p $at
	cp --sparse=always "$1" $at.image && mount -o "loop,$3" $at.image $at || return 1
	head -c 2M "$at/$2" | sha256sum | cut -d' ' -f1 || status=1
	umount $at
	rm $at.image
	return $status
}

# put_and_persist TICKET - prints the JSON of the summary.
put_and_persist() { on_b rdmaregctl --json put /tmp/sent "$1" --persist; }

# persists_while_punched FS FILE TICKET ID - each put is durable in the end, however often the filesystem wants blocks meanwhile.
persists_while_punched() {
	local n failed=0 punches
	rm -f /tmp/enough /tmp/punches
	(
		while [ ! -e /tmp/enough ]; do
			fallocate -p -o 2M -l 2M "$2" && echo >>/tmp/punches
			fallocate -o 2M -l 2M "$2"
		done
	) &
	punches=$!
	for n in 1 2 3 4 5 6; do
		on_b rdmaregctl --json put /tmp/sent "$3" --persist >/tmp/persist.log 2>&1 &&
			[ "$(jq -r .persisted </tmp/persist.log)" = true ] || { failed=$((failed + 1)); cat /tmp/persist.log; }
	done
	touch /tmp/enough
	wait $punches
	wait_for region_is "$4" state live # librpma knows of no revocations
	expect_equal "$1: puts that were not durable, of 6, with $(wc -l </tmp/punches) holes punched meanwhile" 0 $failed
}

for fs in ext4 xfs; do
	case $fs in
	ext4) size=64M options=rw make="mkfs.ext4 -q -F" ;;
	xfs) size=320M options=nouuid make="mkfs.xfs -q -f" ;;
	esac
	medium=/mnt/tmpfs/$fs.image
	truncate -s $size $medium && $make $medium && mkdir -p /mnt/on-$fs && mount -o loop $medium /mnt/on-$fs ||
		{ not_ok "$fs: a filesystem on a file"; continue; }
	zeroes /mnt/on-$fs/file 4
	r=$(register /mnt/on-$fs/file --export) || { not_ok "$fs: register"; continue; }
	ticket=$(field ticket "$r")
	expect_equal "$fs: page cache" page-cache "$(field durability "$r")"
	check "$fs: put" on_b rdmaregctl put /tmp/sent "$ticket"
	expect_equal "$fs: the filesystem has it" "$sum" "$(head -c 2M /mnt/on-$fs/file | sha256sum | cut -d' ' -f1)"
	[ "$(after_power_cut $medium file $options)" != "$sum" ] && ok "$fs: the medium does not" || not_ok "$fs: the medium does not"
	out=$(put_and_persist "$ticket")
	expect_equal "$fs: put --persist says so" "page-cache true" "$(jq -r '"\(.durability) \(.persisted)"' <<<"$out")"
	expect_equal "$fs: the medium has it" "$sum" "$(after_power_cut $medium file $options)"
	check "$fs: librpma writes, flushes, reads" on_b "$RDMAREG_TESTS/rpma-client" "$ticket" /tmp/sent visible
	expect_status 3 "$fs: and has no persistent flush here" on_b "$RDMAREG_TESTS/rpma-client" "$ticket" /tmp/sent persistent
	zeroes /mnt/on-$fs/own 2 && goods /mnt/on-$fs/own
	own=$(as_good rdmaregctl --json register /mnt/on-$fs/own --access rw --export)
	expect_equal "$fs: a user's put --persist says so" true \
		"$(on_b $AS_GOOD rdmaregctl --json put /tmp/sent "$(field ticket "$own")" --persist | jq .persisted)"
	expect_equal "$fs: a user's: the medium has it" "$sum" "$(after_power_cut $medium own $options)"
	check "$fs: a user's: release" as_good rdmaregctl release "$(field id "$own")"
	[ $fs = ext4 ] || persists_while_punched "$fs" "/mnt/on-$fs/file" "$ticket" "$(field id "$r")"
	out=$(on_b timeout 60 "$RDMAREG_TESTS/unruly-peer" "$ticket" sync-flood 2>&1)
	expect_equal "$fs: a flood of requests for nothing ends that connection" disconnected "$out"
	check "$fs: release" rdmaregctl release "$(field id "$r")"
	check "$fs: unmount" umount /mnt/on-$fs
done

# fsdax: a sparse file, so that metadata would be missing if MAP_SYNC did not see to it
for fs in ext4dax xfsdax; do
	truncate -s 4M /mnt/$fs/sparse && sync /mnt/$fs/sparse
	r=$(register /mnt/$fs/sparse --export)
	ticket=$(field ticket "$r")
	expect_equal "$fs: flush" flush "$(field durability "$r")"
	out=$(on_b rdmaregctl put /tmp/sent "$ticket" --persist)
	check "$fs: put --persist by FLUSH ($out)" grep -q "durable by RDMA FLUSH" <<<"$out"
	device=$(findmnt -no SOURCE /mnt/$fs) options=rw
	[ $fs = ext4dax ] || options=nouuid
	dd if="$device" of=/mnt/tmpfs/pmem.image bs=1M iflag=direct conv=sparse status=none
	expect_equal "$fs: the medium has it" "$sum" "$(after_power_cut /mnt/tmpfs/pmem.image sparse $options)"
	rm /mnt/tmpfs/pmem.image
	[ $fs = ext4dax ] || persists_while_punched $fs /mnt/$fs/sparse "$ticket" "$(field id "$r")"
	noise /tmp/other 2
	check "$fs: librpma writes, flushes for persistence, reads" on_b "$RDMAREG_TESTS/rpma-client" "$ticket" /tmp/other persistent
	check "$fs: release" rdmaregctl release "$(field id "$r")"
	check "$fs: mount it anew" bash -c "umount /mnt/$fs && mount -o dax=always $device /mnt/$fs"
	expect_equal "$fs: the file has what librpma wrote" "$(sha256sum </tmp/other)" "$(head -c 2M /mnt/$fs/sparse | sha256sum)"
done

r=$(register "$LAB_DEVDAX" --length 2M --export)
ticket=$(field ticket "$r")
expect_equal "device-dax: flush" flush "$(field durability "$r")"
out=$(on_b rdmaregctl put /tmp/sent "$ticket" --persist)
check "device-dax: put --persist by FLUSH ($out)" grep -q "durable by RDMA FLUSH" <<<"$out"
check "device-dax: get" on_b rdmaregctl get "$ticket" /tmp/got
expect_equal "device-dax: the same comes back" "$sum" "$(sha256sum </tmp/got | cut -d' ' -f1)"
check "device-dax: release" rdmaregctl release "$(field id "$r")"

zeroes /mnt/tmpfs/file 2
r=$(register /mnt/tmpfs/file --export)
expect_equal "tmpfs: volatile" volatile "$(field durability "$r")"
out=$(on_b rdmaregctl put /tmp/sent "$(field ticket "$r")" --persist 2>&1)
expect_equal "tmpfs: put --persist fails" 1 $?
check "tmpfs: with the reason ($out)" grep -q "volatile memory" <<<"$out"
check "tmpfs: release" rdmaregctl release "$(field id "$r")"
finish
