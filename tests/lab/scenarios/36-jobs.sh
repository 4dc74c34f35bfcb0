#!/bin/bash
# boot: plain
# timeout: 480
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A long prefetch over soft-RoCE: it is seen to come further, given up by a signal with the region as it was, and told honestly when the region or
# the daemon ends under it. The region is writable and its file sparse, on tmpfs: each page that is prefetched for writing has to be made.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.17 || skip_all "nothing can be prefetched with this kernel's rdma_rxe"
product_up || exit 1
noise /tmp/sent 4
ALL=$((512 * MIB))

# fresh NAME - a region of 512 MiB that nothing was done to; its description is in $r, its number in $id.
fresh() {
	truncate -s $ALL "/mnt/tmpfs/$1"
	r=$(register "/mnt/tmpfs/$1" --export --no-warm) || not_ok "$1: register"
	id=$(field id "$r")
}

warmed() { field bytes_warmed "$(region "$id")"; }
some_warmed() { [ "$(warmed)" -gt 0 ]; }

# begin - prefetches the region in the background; what is said goes to /tmp/said, the JSON to /tmp/json.
begin() {
	rdmaregctl prefetch "$id" --write --json >/tmp/json 2>/tmp/said &
	PREFETCH=$!
}

# ended - how it ended is in $PREFETCH_STATUS.
ended() {
	PREFETCH_STATUS=0
	wait $PREFETCH || PREFETCH_STATUS=$?
	echo "# $(cat /tmp/said)"
}

# stopped_short STATE - it ended so, before all was done.
stopped_short() { jq -e --arg state "$1" '.state == $state and .done < .total' /tmp/json; }

usable() { on_b timeout 60 rdmaregctl put /tmp/sent "$(field ticket "$r")"; }

fresh shown
script -qec "stty cols 120; TERM=linux rdmaregctl prefetch $id --write" /tmp/typescript >/dev/null </dev/null
expect_equal "on a terminal: status" 0 $?
percents=$(tr '\r' '\n' </tmp/typescript | sed -n 's/^ *\([0-9]*\)% .* of 512M, .*\/s, .* left.*/\1/p' | sort -n | uniq | wc -l)
check "on a terminal: seen to come further ($percents steps)" test "$percents" -ge 2
check "all of it is warm" wait_for region_is "$id" bytes_warmed $ALL
check "release" rdmaregctl release "$id"
rm /mnt/tmpfs/shown

fresh given-up
begin
check "it has begun" wait_for some_warmed
kill -INT $PREFETCH
ended
expect_equal "given up: status" 130 "$PREFETCH_STATUS"
check "given up: the rest was not done" stopped_short cancelled
check "given up: it says how far it came" grep -q "^rdmaregctl: region $id: .* of 512M prefetched; stopped as asked, the region stays" /tmp/said
check "given up: the region is live" region_is "$id" state live
check "given up: a peer writes" usable
before=$(warmed)
check "given up: and writes" usable
expect_equal "given up: no more is warmed meanwhile" "$before" "$(warmed)"
check "given up: less than all" test "$before" -lt $ALL
check "it can be begun again" rdmaregctl prefetch "$id" --length 8M
check "release" rdmaregctl release "$id"
rm /mnt/tmpfs/given-up

fresh released
begin
check "it has begun" wait_for some_warmed
check "released under it" rdmaregctl release "$id"
ended
expect_equal "released: status" 1 "$PREFETCH_STATUS"
check "released: the reason is said" grep -q "prefetch of region $id: .*released meanwhile" /tmp/said
check "released: failed" stopped_short failed
rm /mnt/tmpfs/released

# the filesystem takes blocks back in the middle: it does not wait for the rest, and what is left can be warmed
truncate -s $ALL /mnt/xfs/cut
r=$(register /mnt/xfs/cut --export --no-warm --grace 10s) id=$(field id "$r")
begin
check "it has begun" wait_for some_warmed
truncate_file /mnt/xfs/cut 8M
check "cut: the truncate waits for no deadline ($took ms)" test $took -lt 9500
ended
expect_equal "cut: status" 1 "$PREFETCH_STATUS"
check "cut: failed, with how far it came" stopped_short failed
check "cut: settled" wait_for settled "$id" $((8 * MIB))
check "cut: what is left can be prefetched" rdmaregctl prefetch "$id" --write
check "cut: and written" usable
check "release" rdmaregctl release "$id"
rm /mnt/xfs/cut

# an ordinary user's: nobody else can begin or give up anything of it
users_up
truncate -s 64M /mnt/tmpfs/own
goods /mnt/tmpfs/own
r=$(as_good rdmaregctl --json register /mnt/tmpfs/own --access rw --export --no-warm) id=$(field id "$r")
expect_status 3 "a user's: another one cannot prefetch it" as_mallory rdmaregctl prefetch "$id" --write
expect_equal "a user's: nothing was done" 0 "$(warmed)"
check "a user's: prefetched" as_good rdmaregctl prefetch "$id" --write --length 16M
check "a user's: it is warm" wait_for region_is "$id" bytes_warmed $((16 * MIB))
check "a user's: a peer writes" usable
check "a user's: release" as_good rdmaregctl release "$id"
rm /mnt/tmpfs/own

fresh restarted
begin
check "it has begun" wait_for some_warmed
kill -9 "$(cat /run/lab/rdmaregd.pid)"
ended
product_up || not_ok "the daemon comes back"
expect_equal "restarted: status" 1 "$PREFETCH_STATUS"
check "restarted: it is said" grep -q "rdmaregd stopped" /tmp/said
check "restarted: failed" stopped_short failed
check "restarted: the region is live" wait_for region_is "$id" state live
check "restarted: a peer writes" usable
check "restarted: nothing goes on for nobody" test "$(warmed)" -lt $ALL
check "restarted: it can be begun again" rdmaregctl prefetch "$id" --length 8M
check "release" rdmaregctl release "$id"
finish
