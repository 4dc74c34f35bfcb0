#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Storage that checksums its data: a peer writes without a pause while the file is written back without a pause. A page that changed
# while it was being written would have a wrong checksum on disk; btrfs finds each of them when everything is read again.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
modprobe -a btrfs loop
truncate -s 512M /mnt/tmpfs/sums.image
mkfs.btrfs -q /mnt/tmpfs/sums.image
mkdir -p /mnt/sums
mount -o loop /mnt/tmpfs/sums.image /mnt/sums
product_up || exit 1
users_up
writebacks_seen() { [ "$(field writebacks "$(region "$id")")" -ge 1 ]; }
noise /tmp/sent 4
zeroes /mnt/sums/file 4
goods /mnt/sums/file # an ordinary user's; root and the user write it back in turn
r=$(as_good rdmaregctl --json register /mnt/sums/file --access rw --export)
id=$(field id "$r")
start_peer /tmp/peer.log $AS_GOOD rdmaregctl put /tmp/sent "$(field ticket "$r")" --repeat forever
wait_for region_is "$id" peers 1
for round in $(seq 20); do
	sync /mnt/sums/file
	as_good sync /mnt/sums/file
done
check "with writebacks seen by the keeper" wait_for writebacks_seen
end_peer
expect_equal "the peer wrote all the time" 0 "$PEER_STATUS"
check "a sync of the region" rdmaregctl sync "$id"
check "and by the user" as_good rdmaregctl sync "$id"
check "release" as_good rdmaregctl release "$id"
umount /mnt/sums
mount -o loop /mnt/tmpfs/sums.image /mnt/sums
expect_equal "what is on storage is what the peer wrote" "$(sha256sum </tmp/sent)" "$(sha256sum </mnt/sums/file)"
check "scrub finds nothing" btrfs scrub start -B /mnt/sums
expect_equal "no checksum error was ever counted" 0 "$(btrfs device stats /mnt/sums | awk '/corruption_errs/ { n += $2 } END { print n }')"
umount /mnt/sums
finish
