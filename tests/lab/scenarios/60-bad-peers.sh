#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tickets that are wrong, expired or used up, requests and messages that are garbage, peers that vanish: each gets a clear refusal, costs nobody
# else anything, and leaves nothing behind.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
unruly=$RDMAREG_TESTS/unruly-peer
noise /tmp/sent 1
zeroes /mnt/xfs/file 4
r=$(register /mnt/xfs/file --export)
id=$(field id "$r") ticket=$(field ticket "$r")
start_peer /tmp/good.log rdmaregctl put /tmp/sent "$ticket" --repeat forever
good=$PEER
wait_for region_is "$id" peers 1

# MODE REASON: enum wire_refusal of proto/rdmareg-wire.h
while read -r mode reason; do
	out=$(on_b timeout 30 "$unruly" "$ticket" "$mode" 2>&1)
	check "$mode is refused with its reason ($out)" grep -q "^refused $reason ." <<<"$out"
done <<-END
	no-data 1
	garbage 1
	bad-magic 1
	bad-version 1
	bad-region 2
	bad-token 2
	no-rights 3
END
for mode in short-message long-message bad-message sync-flood; do
	out=$(on_b timeout 60 "$unruly" "$ticket" $mode 2>&1)
	expect_equal "$mode ends that connection" disconnected "$out"
done
out=$(on_b timeout 30 "$unruly" "$ticket" early-ack 2>&1)
expect_equal "an acknowledgement nobody asked for harms nobody" connected "$out"
for i in 1 2 3 4 5 6 7 8; do
	on_b timeout 30 "$unruly" "$ticket" vanish >/dev/null
	on_b timeout 30 "$unruly" "$ticket" half-open >/dev/null
done
check "those that vanished are gone" env WAIT_SEC=60 bash -c '. /lab/guest/lib.sh; . /lab/guest/regions.sh; wait_for region_is '"$id"' peers 1'
check "the good peer never noticed" kill -0 $good

# the same to a region of an ordinary user, by peers that are nobody's
users_up
zeroes /mnt/xfs/own 4 && goods /mnt/xfs/own
own=$(as_good rdmaregctl --json register /mnt/xfs/own --access rw --export)
for mode in no-data bad-region bad-token no-rights; do
	out=$(on_b $AS_MALLORY timeout 30 "$unruly" "$(field ticket "$own")" $mode 2>&1)
	check "a user's region: $mode is refused ($out)" grep -q "^refused [123] ." <<<"$out"
done
out=$(on_b $AS_MALLORY timeout 60 "$unruly" "$(field ticket "$own")" bad-message 2>&1)
expect_equal "a user's region: bad-message ends that connection" disconnected "$out"
check "a user's region: it is live" region_is "$(field id "$own")" state live
check "a user's region: its own peer writes" on_b $AS_GOOD rdmaregctl put /tmp/sent "$(field ticket "$own")"
check "a user's region: release" as_good rdmaregctl release "$(field id "$own")"

once=$(rdmaregctl --json export "$id" --uses 1 | jq -r .ticket)
check "a ticket for one use: once" on_b rdmaregctl put /tmp/sent "$once"
expect_status 4 "and not twice" on_b rdmaregctl put /tmp/sent "$once"
short=$(rdmaregctl --json export "$id" --expires 1ms | jq -r .ticket)
expect_status 4 "an expired ticket" on_b rdmaregctl put /tmp/sent "$short"
read_only=$(rdmaregctl --json export "$id" --access r | jq -r .ticket)
check "a ticket for reading reads" on_b rdmaregctl get "$read_only" /tmp/got --length 1M
expect_status 4 "and does not write" on_b rdmaregctl put /tmp/sent "$read_only"
for bad in "rdmareg://10.99.0.1" "http://10.99.0.1:1/1?00" "rdmareg://10.99.0.1:99999/1?00112233445566778899aabbccddeeff" \
	"rdmareg://10.99.0.1:1/x?00112233445566778899aabbccddeeff" "${ticket%?}" "${ticket}0" ""; do
	expect_status 2 "malformed ticket '$bad'" on_b rdmaregctl put /tmp/sent "$bad"
done
kill $good
wait $good 2>/dev/null

# A peer that is none of ours, and does no more than it has to: no receive buffers, no messages, no RNR retries. The keeper finds out that it lives.
foreign=$RDMAREG_TESTS/foreign-peer
received() { cat /sys/class/infiniband/rxea/ports/1/hw_counters/rcvd_pkts; }
has_received() { test "$(received)" -ge "$1"; }
mkfifo /tmp/typed
exec {typed}<>/tmp/typed
ip netns exec b "$foreign" "$ticket" idle </tmp/typed >/tmp/foreign.log 2>&1 &
PEER=$!
check "a foreign peer writes and reads" wait_for grep -q idle /tmp/foreign.log
check "it is asked, twice, and answers" wait_for has_received $(($(received) + 2))
expect_equal "it stays a peer" 1 "$(rdmaregctl --json show "$id" | jq .peers)"
echo >&$typed
wait_peer
expect_equal "and writes again" "0 worked 1" "$PEER_STATUS $(tail -n 1 /tmp/foreign.log)"
expect_equal "64 at a time" "worked 64" "$(on_b timeout 120 "$foreign" "$ticket" at-once 64 2>&1)"
expect_equal "many, one after the other" "worked 100" "$(on_b timeout 120 "$foreign" "$ticket" one-by-one 100 2>&1)"
on_b ip link set veth-b mtu 1500
out=$(on_b timeout 60 "$foreign" "$ticket" one-by-one 1 2>&1)
check "a small MTU is refused in words ($out)" grep -q "^refused 6 1 ." <<<"$out"
on_b ip link set veth-b mtu 4200
own=$(as_good rdmaregctl --json register /mnt/xfs/own --access rw --export)
expect_equal "with 64 KiB of locked memory" "worked 1" \
	"$(on_b $AS_GOOD bash -c 'ulimit -l 64; exec timeout 60 "$@"' - "$foreign" "$(field ticket "$own")" one-by-one 1 2>&1)"
check "and so does rdmaregctl" on_b $AS_GOOD bash -c 'ulimit -l 64; exec "$@"' - rdmaregctl put /tmp/sent "$(field ticket "$own")"
check "that region is released" as_good rdmaregctl release "$(field id "$own")"
check "those who left are gone" wait_for region_is "$id" peers 0

# A stopped process is a peer, since its adapter answers for it. A machine that is gone without a word is none: nobody waits for its answer, and it
# does not count for ever; that is known before anybody wants anything of it.
is_quiet() {
	local now
	now=$(received)
	if [ "$now" = "$seen" ]; then quiet=$((quiet + 1)); else quiet=0; fi
	seen=$now
	[ $quiet -ge 20 ]
}
start_peer /tmp/idle.log rdmaregctl put /tmp/sent "$ticket" --repeat forever
check "a peer whose machine will be gone" wait_for region_is "$id" peers 1
pkill -STOP -P $PEER 2>/dev/null
kill -STOP $PEER
seen=0 quiet=0
wait_for is_quiet # what was under way
check "its adapter answers the keeper while it is stopped" wait_for has_received $((seen + 2))
expect_equal "a stopped peer is a peer" 1 "$(rdmaregctl --json show "$id" | jq .peers)"
on_b ip link set veth-b down
check "a peer whose machine is gone is found out" env WAIT_SEC=120 bash -c '. /lab/guest/lib.sh; . /lab/guest/regions.sh; wait_for region_is '"$id"' peers 0'
rdmaregctl history "$id" >/tmp/history
check "the history says why" grep "left: peer $LAB_ADDR_B: its adapter does not answer any more" /tmp/history
check "and before a revocation" bash -c '! sed "1,/does not answer any more/d" /tmp/history | grep -q revocation'
on_b ip link set veth-b up
kill -KILL $PEER
wait $PEER 2>/dev/null
check "its link is back" wait_for on_b ping -c 1 -W 1 $LAB_ADDR_A
check "and so are peers" on_b rdmaregctl put /tmp/sent "$ticket"

# The machine loses the address that tickets name: that is said, and no ticket names it. When it is back, tickets made before are good again.
is_degraded() { [[ $(field degraded "$(region "$1")") == *"$2"* ]]; }
is_sound() { [ -z "$(field degraded "$(region "$1")")" ]; }
ip addr del $LAB_ADDR_A/24 dev veth-a
check "an address that is gone is said" wait_for is_degraded "$id" "no peer can connect: $LAB_ADDR_A"
expect_status 77 "no ticket names it" rdmaregctl export "$id"
ip addr add $LAB_ADDR_A/24 dev veth-a
check "it is back" wait_for is_sound "$id"
check "a ticket of before is good again" wait_for on_b rdmaregctl put /tmp/sent "$ticket"

# The same where the machine has another address, which new tickets name from then on: those of before are good again all the same.
ip addr add 10.98.0.1/24 dev veth-a
on_b ip addr add 10.98.0.2/24 dev veth-b
new_ticket() { rdmaregctl --json export "$id" | jq -r .ticket; }
new_ticket_names() { [[ $(new_ticket) == rdmareg://$1:* ]]; }
ip addr del $LAB_ADDR_A/24 dev veth-a
check "a ticket names the other address" wait_for new_ticket_names 10.98.0.1
check "by which a peer comes" wait_for on_b rdmaregctl put /tmp/sent "$(new_ticket)"
check "nothing is the matter" wait_for is_sound "$id"
ip addr add $LAB_ADDR_A/24 dev veth-a
check "the first one is good again" wait_for on_b rdmaregctl put /tmp/sent "$ticket"
check "new tickets go on naming the other" new_ticket_names 10.98.0.1
ip addr del 10.98.0.1/24 dev veth-a
check "until that is gone" new_ticket_names $LAB_ADDR_A
on_b ip addr del 10.98.0.2/24 dev veth-b
check "release" rdmaregctl release "$id"
check "no memory region left" wait_for test "$(mr_count)" = 0

# Several addresses, IPv6 and IPv4: tickets name both in the order of the setting, and a peer comes by the first that works.
ip -6 addr add fd00:99::1/64 dev veth-a nodad
on_b ip -6 addr add fd00:99::2/64 dev veth-b nodad
mkdir -p /etc/rdmareg/conf.d
printf '[keepers]\nlisten_address = fd00:99::1,%s\n' $LAB_ADDR_A >/etc/rdmareg/conf.d/60-addresses.conf
check "two addresses are taken" rdmaregctl reload
r=$(register /mnt/xfs/file --session several --export)
id=$(field id "$r") ticket=$(field ticket "$r")
check "a ticket names both ($ticket)" bash -c '[[ $1 =~ ^rdmareg://\[fd00:99::1\]:[0-9]+,$2:[0-9]+/ ]]' - "$ticket" "$LAB_ADDR_A"
came_by() { rdmaregctl history "$id" | grep -q "holder joined: peer $1"; }
check "a peer" on_b rdmaregctl put /tmp/sent "$ticket"
check "came by IPv6" came_by fd00:99::2
ip -6 addr del fd00:99::1/64 dev veth-a
check "the one that is gone is said" wait_for is_degraded "$id" "fd00:99::1: No interface"
check "new tickets name the other" bash -c '[[ $(rdmaregctl --json export "$1" | jq -r .ticket) == rdmareg://$2:* ]]' - "$id" "$LAB_ADDR_A"
check "with the old ticket a peer" on_b rdmaregctl put /tmp/sent "$ticket"
check "came by IPv4" came_by "$LAB_ADDR_B"
ip -6 addr add fd00:99::1/64 dev veth-a nodad
check "it is back in tickets" wait_for is_sound "$id"
check "the region is released" rdmaregctl release "$id"
rm /etc/rdmareg/conf.d/60-addresses.conf
check "one address again" rdmaregctl reload
finish
