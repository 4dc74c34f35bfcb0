#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Rails: the same file over two devices, one reached by IPv4 and one by IPv6. Each byte is right, whatever happens to a rail in the middle: a
# truncate under both, a rail that is cut off, a link that goes down, an address and a device that go away.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"

rail_up || { rail_down; exit 1; }
trap 'product_down; rail_down' EXIT
product_up || exit 1

noise /tmp/rails 32
new_file() { rm -f /mnt/xfs/rails && zeroes /mnt/xfs/rails 32; }
new_file
check "a session on the first device" rdmaregctl session create left --device rxea
check "and one on the second" rdmaregctl session create right --device rxea2
rails=$(register /mnt/xfs/rails --rails left,right --grace 10s --export)
tickets=$(jq -r .ticket <<<"$rails")
left=$(jq -r '.regions[0].id' <<<"$rails") right=$(jq -r '.regions[1].id' <<<"$rails")
names() { [[ $1 =~ ^rdmareg://$LAB_ADDR_A:[0-9]+/[^\ ]+\ rdmareg://\[$LAB_RAIL_A\]:[0-9]+/[^\ ]+$ ]]; }
check "a list of tickets names both" names "$tickets"

# Each device has its part, and each byte is right.
rail_mark
check "written over both" on_b rdmaregctl put /tmp/rails "$tickets"
check "each had its part" rail_has_part 1000
check "each byte is right" cmp /tmp/rails /mnt/xfs/rails
check "read over both" on_b rdmaregctl get "$tickets" /tmp/back
check "each byte is right again" cmp /tmp/rails /tmp/back

# A truncate waits for both rails, and each is asked and answers.
start_peer /tmp/truncated.log rdmaregctl put /tmp/rails "$tickets" --repeat forever --clip --timeline
check "a peer by the first" wait_for region_is "$left" peers 1
check "and by the second" wait_for region_is "$right" peers 1
truncate_file /mnt/xfs/rails 16M
check "settled on the first" wait_for settled "$left" $((16 * MIB))
check "and on the second" wait_for settled "$right" $((16 * MIB))
rail_mark
check "both go on" wait_for rail_has_part 100
check "no rail was lost" bash -c '! grep -q disconnected /tmp/truncated.log'

# One of them is cut off, and comes back by itself.
check "one region is revoked, without a grace" rdmaregctl revoke "$right" --grace 0 -- true
check "its rail is cut off" wait_for in_log /tmp/truncated.log '"disconnected","rail":1,'
check "and is there again" wait_for in_log /tmp/truncated.log '"reconnected","rail":1,'
rail_mark
check "and has its part again" wait_for rail_has_part 100
end_peer
expect_equal "and end well" 0 "$PEER_STATUS"
for rail in 0 1; do
	check "rail $rail acknowledged" grep -q "\"acknowledged\",\"rail\":$rail," /tmp/truncated.log
done
check "the other was never lost" bash -c '! grep -q "\"disconnected\",\"rail\":0," /tmp/truncated.log'
check "each byte that is left is right" cmp -n $((16 * MIB)) /tmp/rails /mnt/xfs/rails

# A link goes down in the middle. While that is found out, the address of that device goes, too.
truncate_file /mnt/xfs/rails 32M
check "for the first" wait_for settled "$left" $((32 * MIB))
check "for the second" wait_for settled "$right" $((32 * MIB))
rail_mark
start_peer /tmp/down.log rdmaregctl put /tmp/rails "$tickets" --timeline
check "in the middle of a transfer" wait_for rail_has_part 100
on_b ip link set veth-b2 down
ip -6 addr del "$LAB_RAIL_A/64" dev veth-a2
is_degraded() { [[ $(field degraded "$(region "$1")") == *"$2"* ]]; }
check "an address that is gone is said" wait_for is_degraded "$right" "no peer can connect: $LAB_RAIL_A"
list=$(rdmaregctl register /mnt/xfs/rails --rails left,right --json --export 2>/tmp/left-out)
names_first() { [[ $1 =~ ^rdmareg://$LAB_ADDR_A:[^\ ]+$ ]]; }
check "a new list names the other alone" names_first "$(jq -r .ticket <<<"$list")"
check "and says so" grep -q "1 of 2 tickets: .*$LAB_RAIL_A" /tmp/left-out
wait_peer
expect_equal "the transfer ends well" 0 "$PEER_STATUS"
check "with one rail less" grep -q '"disconnected","rail":1,' /tmp/down.log
check "nothing was lost" cmp /tmp/rails /mnt/xfs/rails
ip -6 addr add "$LAB_RAIL_A/64" dev veth-a2 nodad
on_b ip link set veth-b2 up
is_sound() { [ -z "$(field degraded "$(region "$1")")" ]; }
check "its address is back" wait_for is_sound "$right"

# The device of one rail is removed while a peer has tickets of both: that region is gone, and the peer goes on over the other. (It may be
# connected by that alone: the link that was down can leave a device that connects no more, see docs/adapters.md.)
start_peer /tmp/removed.log rdmaregctl put /tmp/rails "$tickets" --repeat forever --timeline
check "a peer by the first" wait_for region_is "$left" peers 1
check "the device is removed" timeout 60 rdma link delete rxea2
check "its region is gone" wait_for region_gone "$right"
check "which has no ticket any more" bash -c '! rdmaregctl export "$1"' - "$right"
check "the other is live" region_is "$left" state live
RAIL_BEFORE=$(rail_received rxea)
goes_on() { [ "$(rail_received rxea)" -gt $((RAIL_BEFORE + 1000)) ]; }
check "the peer goes on over it" wait_for goes_on
end_peer
expect_equal "and ends well" 0 "$PEER_STATUS"
check "without losing it" bash -c '! grep -q "\"disconnected\",\"rail\":0," /tmp/removed.log'
check "and each byte is right" cmp /tmp/rails /mnt/xfs/rails
check "the list reaches what is there" on_b rdmaregctl put /tmp/rails "$tickets" --timeout 1s
expect_status 1 "a file for both is refused" rdmaregctl register /mnt/xfs/rails --rails left,right --name again
check "and nothing of it stays" region_gone left/again
rdma link add rxea2 type rxe netdev veth-a2
registered_again() { rdmaregctl register /mnt/xfs/rails --rails left,right --name again; }
check "with the device back it is not" wait_for registered_again
for session in left right; do
	check "session $session is released" rdmaregctl session release $session --grace 0
done
check "no memory region left" wait_for test "$(mr_count)" = 0
finish
