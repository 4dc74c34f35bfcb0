#!/bin/bash
# boot: plain
# timeout: 300
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The daemon dies and comes back while peers write; a keeper dies; owners vanish. Regions survive the first, are honestly lost with the second, and
# end with the third unless they are detached.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
noise /tmp/sent 4

zeroes /mnt/xfs/a 4
zeroes /mnt/xfsdax/b 4
a=$(register /mnt/xfs/a --export)
b=$(register /mnt/xfsdax/b)
keepers=$(keeper_pids)
start_peer /tmp/peer.log rdmaregctl put /tmp/sent "$(field ticket "$a")" --repeat 24
wait_for region_is "$(field id "$a")" peers 1
for round in 1 2 3; do
	kill -9 "$(cat /run/lab/rdmaregd.pid)"
	product_up || not_ok "round $round: the daemon comes back"
done
wait_peer
expect_equal "the peer noticed nothing" 0 "$PEER_STATUS"
expect_equal "the keepers are the same" "$keepers" "$(keeper_pids)"
for r in "$a" "$b"; do
	now=$(region "$(field id "$r")")
	for member in path arbitration_mode length valid_length rkey generation policy ticket address; do
		expect_equal "region $(field id "$r"): $member" "$(field $member "$r")" "$(field $member "$now")"
	done
done
new=$(register /mnt/xfs/a)
check "a new region has a new number" test "$(field id "$new")" -gt "$(field id "$b")"
check "regions found again can be released" rdmaregctl release "$(field id "$a")" "$(field id "$b")" "$(field id "$new")"

# killed in the middle of a revocation: the truncate ends at the deadline all the same, and the new daemon finds out
zeroes /mnt/xfs/c 4
c=$(register /mnt/xfs/c --export --grace 2s)
start_peer /tmp/bad.log "$RDMAREG_TESTS/unruly-peer" "$(field ticket "$c")" hammer
wait_for region_is "$(field id "$c")" peers 1
timeout 60 truncate -s 1M /mnt/xfs/c &
waiting=$!
wait_for region_is "$(field id "$c")" state draining
kill -9 "$(cat /run/lab/rdmaregd.pid)"
product_up || not_ok "the daemon comes back in the middle of a revocation"
wait $waiting && ok "the truncate ended" || not_ok "the truncate ended"
check "and is seen settled" wait_for region_is "$(field id "$c")" valid_length $MIB
check "live again" wait_for region_is "$(field id "$c")" state live
wait_peer

# the keeper dies: the region is gone, peers learn it, nothing is left
zeroes /mnt/xfs/d 4
d=$(register /mnt/xfs/d --export)
start_peer /tmp/peer.log rdmaregctl put /tmp/sent "$(field ticket "$d")" --repeat forever
wait_for region_is "$(field id "$d")" peers 1
kill -9 $(keeper_pids)
check "the region of a dead keeper is gone" wait_for region_gone "$(field id "$d")"
wait_peer
expect_equal "its peer ends with an error" 1 "$PEER_STATUS"
check "truncate of its file does not wait" timeout 5 truncate -s 0 /mnt/xfs/d
check "no memory region is left" wait_for nothing_left
d=$(register /mnt/xfs/a) && ok "a new keeper is made when it is needed" || not_ok "a new keeper is made when it is needed"
check "release" rdmaregctl release "$(field id "$d")"
finish
