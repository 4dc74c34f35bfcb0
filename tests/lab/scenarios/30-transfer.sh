#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a remote peer puts is what the filesystem has, and what it gets is what the filesystem had, byte for byte; also in parts, and
# also while the filesystem writes back all the time. So it is for an ordinary user, whose file nobody else can open.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1

users_up
noise /tmp/sent 16
sum=$(sha256sum </tmp/sent | cut -d' ' -f1)
head -c 1M /tmp/sent >/tmp/mib
mib=$(sha256sum </tmp/mib)
for fs in ext4 xfs ext4dax xfsdax; do
	zeroes /mnt/$fs/file 16
	r=$(register /mnt/$fs/file --export) || { not_ok "$fs: register"; continue; }
	ticket=$(field ticket "$r")
	check "$fs: put" on_b rdmaregctl put /tmp/sent "$ticket"
	expect_equal "$fs: the filesystem has it" "$sum" "$(sum_on_disk /mnt/$fs/file)"
	check "$fs: get" on_b rdmaregctl get "$ticket" /tmp/got
	expect_equal "$fs: the same comes back" "$sum" "$(sha256sum </tmp/got | cut -d' ' -f1)"
	check "$fs: release" rdmaregctl release "$(field id "$r")"
	# both ends are an ordinary user's; what it writes by write(2) meanwhile is what its peer gets
	zeroes /mnt/$fs/own 2 && goods /mnt/$fs/own
	r=$(as_good rdmaregctl --json register /mnt/$fs/own --access rw --export) || { not_ok "$fs: register as a user"; continue; }
	ticket=$(field ticket "$r")
	check "$fs: a user's put" on_b $AS_GOOD rdmaregctl put /tmp/mib "$ticket"
	expect_equal "$fs: the user reads it" "$mib" "$(as_good head -c 1M /mnt/$fs/own | sha256sum)"
	check "$fs: the user writes" as_good dd if=/tmp/mib of=/mnt/$fs/own bs=1M seek=1 conv=notrunc,fsync status=none
	expect_equal "$fs: and its peer gets it" "$mib" "$(on_b $AS_GOOD rdmaregctl get "$ticket" - --offset 1M --length 1M | sha256sum)"
	check "$fs: a user's release" as_good rdmaregctl release "$(field id "$r")"
done

# parts, at the end of a file whose length is no multiple of a page
head -c $((3 * MIB + 777)) /tmp/sent >/mnt/xfs/odd
r=$(register /mnt/xfs/odd --export)
ticket=$(field ticket "$r")
head -c 4096 /tmp/sent >/tmp/page
check "put of one page in the middle" on_b rdmaregctl put /tmp/page "$ticket" --offset 2M
cmp -s <(dd if=/mnt/xfs/odd bs=4096 skip=512 count=1 status=none) /tmp/page && ok "it is there" || not_ok "it is there"
check "get of a part" on_b rdmaregctl get "$ticket" /tmp/part --offset 1M --length 1M
cmp -s /tmp/part <(dd if=/mnt/xfs/odd bs=1M skip=1 count=1 status=none) && ok "it is that part" || not_ok "it is that part"
check "get of everything" on_b rdmaregctl get "$ticket" /tmp/all
expect_equal "up to the odd end" $((3 * MIB + 777)) "$(stat -c %s /tmp/all)"
cmp -s /tmp/all /mnt/xfs/odd && ok "with its bytes" || not_ok "with its bytes"
expect_status 1 "get beyond the end is refused" on_b rdmaregctl get "$ticket" /tmp/all --offset 3200K
cmp -s /tmp/all /mnt/xfs/odd && ok "and leaves its file alone" || not_ok "and leaves its file alone"
expect_status 1 "put beyond the end is refused" on_b rdmaregctl put /tmp/sent "$ticket"
expect_status 1 "an unaligned offset is refused, not misplaced" on_b rdmaregctl put /tmp/page "$ticket" --offset 100
cmp -s /tmp/all /mnt/xfs/odd && ok "neither wrote anything" || not_ok "neither wrote anything"
check "release" rdmaregctl release "$(field id "$r")"

# continuous writeback under continuous writing: each round's bytes arrive
zeroes /mnt/xfs/busy 8
head -c $((8 * MIB)) /tmp/sent >/tmp/busy
r=$(register /mnt/xfs/busy --export)
start_peer /tmp/peer.log rdmaregctl put /tmp/busy "$(field ticket "$r")" --repeat 12
while kill -0 "$PEER" 2>/dev/null; do sync /mnt/xfs/busy; done
wait_peer
expect_equal "writing through 12 rounds of writeback" 0 "$PEER_STATUS"
expect_equal "nothing was lost" "$(sha256sum </tmp/busy)" "$(sum_on_disk /mnt/xfs/busy)  -"
check "the keeper saw the writebacks" test "$(field writebacks "$(region "$(field id "$r")")")" -gt 0
check "release" rdmaregctl release "$(field id "$r")"
finish
