#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The daemon dies and comes back while peers write; a keeper dies; owners vanish. Regions survive the first, are honestly lost with the second, and
# end with the third unless they are detached. The next version takes over the regions, and makes them anew. Daemon and keeper stand still,
# while the filesystem takes blocks of ordinary users' regions.
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

# docs/upgrade.md: a daemon of the next package over the keepers that are there, while peers write and read and users ask; then keepers are
# replaced. Whatever was acknowledged to the peer is in the file.
u=$(register /mnt/xfs/a --export --grace 500ms --name upgraded)
start_peer /tmp/peer.log "$RDMAREG_TESTS/counting-peer" use "$(field ticket "$u")" 1
wait_for region_is "$(field id "$u")" peers 1
keepers=$(keeper_pids)
next() { RDMAREGD=$RDMAREG_TESTS/next/rdmaregd RDMAREGD_ARGS="--keeper $RDMAREG_TESTS/next/rdmareg-keeper" product_up; }
kept() { rdmaregctl --json keeper list | jq -e "[.[] | select(.state == \"driven\")] | length == 1 and all(.current == $1 and .program == \"$2\")" >/dev/null; }
version=$(rdmaregctl --json keeper list | jq -r '.[0].program')
for round in 1 2; do
	kill -9 "$(cat /run/lab/rdmaregd.pid)"
	next || not_ok "round $round: the next version comes up"
	check "round $round: it drives the keeper of the version before" wait_for kept false "$version"
	check "round $round: exports" rdmaregctl export "$(field id "$u")"
	new=$(register /mnt/xfs/a) && ok "round $round: registers" || not_ok "round $round: registers"
	check "round $round: writes back" rdmaregctl sync "$(field id "$u")"
	check "round $round: releases" rdmaregctl release "$(field id "$new")"
	[ $round = 2 ] && break
	kill -9 "$(cat /run/lab/rdmaregd.pid)"
	product_up || not_ok "the version before comes back"
	check "and drives it as before" wait_for kept true "$version"
done
expect_equal "the keeper is the one it was" "$keepers" "$(keeper_pids)"
check "no operation of the peer has failed" kill -0 "$PEER"
replaced=$(rdmaregctl keeper replace --all-old) && ok "replaced: $replaced" || not_ok "replaced: $replaced"
check "by one of the next version" wait_for kept true 99.0.0
wait_peer
expect_equal "its peer was cut off" 1 "$PEER_STATUS"
read -r last _ asked _ </tmp/peer.log
check "after it was asked, and $last numbers were acknowledged" test "$asked" -ge 1 -a "$last" -ge 100
check "all of them are in the file" "$RDMAREG_TESTS/counting-peer" check /mnt/xfs/a "$last"
now=$(rdmaregctl --json show default/upgraded)
for member in id path arbitration_mode length valid_length policy grace_usec; do
	expect_equal "replaced: $member" "$(field $member "$u")" "$(field $member "$now")"
done
expect_equal "replaced: live, without a ticket" "live " "$(field state "$now") $(field ticket "$now")"
expect_equal "replaced: the history says by which" "0-default" \
	"$(rdmaregctl --json history "$(field id "$u")" | jq -r '.events[] | select(.kind == "replaced" and .keeper != .keeper_before) | .keeper' | cut -d- -f1,2)"
check "replaced: and it is counted" grep -q 'rdmareg_keeper_replacements_total{outcome="whole"} 1$' <(rdmaregctl metrics)
refused() { ! "$@"; }
check "the old ticket admits nobody" refused on_b timeout 60 rdmaregctl put /tmp/sent "$(field ticket "$u")" --timeout 2s
start_peer /tmp/peer.log "$RDMAREG_TESTS/counting-peer" use "$(rdmaregctl export "$(field id "$u")")" $((last + 1))
check "the new one does" wait_for region_is "$(field id "$u")" peers 1
# what is not there yet when the region ends, the peer has not been told
check "release, by the name" rdmaregctl release default/upgraded
wait_peer
read -r last _ </tmp/peer.log
check "and all $last numbers are in the file" "$RDMAREG_TESTS/counting-peer" check /mnt/xfs/a "$last"
kill -9 "$(cat /run/lab/rdmaregd.pid)"
product_up || not_ok "the version before comes back"

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
lost_line() { product_log | grep "lost with [1-9][0-9]* regions of uid 0: its process [0-9]* (.*user id [0-9]*) was killed by signal 9, SIGKILL: see "; }
check "the log says whose it was, which process, and how that ended" lost_line
wait_peer
expect_equal "its peer ends with an error" 1 "$PEER_STATUS"
check "truncate of its file does not wait" timeout 5 truncate -s 0 /mnt/xfs/d
check "no memory region is left" wait_for nothing_left
d=$(register /mnt/xfs/a) && ok "a new keeper is made when it is needed" || not_ok "a new keeper is made when it is needed"
check "release" rdmaregctl release "$(field id "$d")"

# The daemon stands still while the pages of 200 regions of one user are written back, and the filesystem takes blocks of them all, again and
# again; and while another user's guarded file is truncated. No operation waits for it; afterwards it knows all of it.
MANY=200
users_up
noise /tmp/pages 1
head -c 16384 /tmp/pages >/mnt/xfs/many && goods /mnt/xfs/many
many() { rdmaregctl --json list | jq "[.[] | select(.path == \"/mnt/xfs/many\" and $1)] | length"; }
many_are() { [ "$(many "$1")" = $MANY ]; }
$AS_GOOD "$RDMAREG_TESTS/crowd" regions /mnt/xfs/many $MANY 300 >/tmp/crowd.log 2>&1 &
crowd=$!
WAIT_SEC=120 check "$MANY regions of a user" wait_for in_log /tmp/crowd.log ready
check "$MANY regions: all live" many_are '.state == "live" and .valid_length == 16384'
zeroes /mnt/ext4/guarded 4 && chown mallory: /mnt/ext4/guarded && chmod 600 /mnt/ext4/guarded
guarded=$(as_mallory rdmaregctl --json register /mnt/ext4/guarded --access rw --export --arbitration pre-content --grace 300ms)
start_peer /tmp/bad.log $AS_MALLORY "$RDMAREG_TESTS/unruly-peer" "$(field ticket "$guarded")" hammer
wait_for region_is "$(field id "$guarded")" peers 1
daemon=$(cat /run/lab/rdmaregd.pid)
lines=$(wc -l <"$DAEMON_LOG")
kill -STOP "$daemon"
check "daemon stopped: writing back" timed $AS_GOOD sync /mnt/xfs/many
for round in 1 2 3 4 5; do
	check "daemon stopped: punch, round $round" timed $AS_GOOD fallocate -p -o 4K -l 4K /mnt/xfs/many
done
check "daemon stopped: truncate" timed $AS_GOOD truncate -s 8K /mnt/xfs/many
check "daemon stopped: a truncate of the guarded file goes on" timed $AS_MALLORY truncate -s 2M /mnt/ext4/guarded
check "daemon stopped: and a reader of it" as_mallory timeout 20 dd if=/mnt/ext4/guarded of=/dev/null bs=64k status=none
kill -CONT "$daemon"
check "daemon goes on: all $MANY regions are as the filesystem left them" wait_for many_are '.state == "live" and .valid_length == 8192'
expect_equal "daemon goes on: writing back was noticed in each" $MANY "$(many '.writebacks > 0')"
said_late() { tail -n +$((lines + 1)) "$DAEMON_LOG" | grep -q "went on at its deadline"; }
check "daemon goes on: what ran out meanwhile is told" wait_for said_late
check "daemon goes on: the guarded file's region is settled" wait_for settled "$(field id "$guarded")" $((2 * MIB))
expect_equal "daemon goes on: it is the one it was" "$daemon" "$(pgrep -x rdmaregd)"
wait_peer
timed $AS_GOOD truncate -s 4K /mnt/xfs/many
check "what happens from now on is told as ever" wait_for many_are '.state == "live" and .valid_length == 4096'
kill $crowd
wait $crowd 2>/dev/null
none_left() { [ "$(many true)" = 0 ]; }
check "all of them end with their owner" wait_for none_left

# A keeper stands still: the kernel gives the blocks back in time, another tenant notices nothing, and it goes on where it was
keeper_of() { grep -l " $1\$" /proc/[0-9]*/maps 2>/dev/null | cut -d/ -f3; }
zeroes /mnt/xfs/own 4 && goods /mnt/xfs/own
own=$(as_good rdmaregctl --json register /mnt/xfs/own --access rw --export --grace 500ms)
start_peer /tmp/peer.log $AS_MALLORY rdmaregctl put /tmp/pages "$(field ticket "$guarded")" --repeat forever
wait_for region_is "$(field id "$guarded")" peers 1
keeper=$(keeper_of /mnt/xfs/own)
kill -STOP $keeper
timed $AS_GOOD truncate -s 2M /mnt/xfs/own
check "keeper stopped: a truncate goes on at the kernel's deadline ($took ms)" test $took -lt 15000
check "keeper stopped: another tenant's truncate is settled" timed $AS_MALLORY truncate -s 1M /mnt/ext4/guarded
check "keeper stopped: with its region" wait_for settled "$(field id "$guarded")" $MIB
check "keeper stopped: its peer goes on" kill -0 "$PEER"
check "keeper stopped: it registers and lists" as_mallory timeout 20 sh -c "rdmaregctl register /mnt/ext4/guarded --access r && rdmaregctl list"
doctor_says() { rdmaregctl --json doctor | jq -e --arg kind "$1" '[.findings[] | select(.kind == $kind)] | length == 1' >/dev/null; }
check "keeper stopped: doctor says so" doctor_says keeper-stopped
expect_equal "keeper stopped: the region is not taken for lost" 1 "$(as_good rdmaregctl --json list | jq length)"
kill -CONT $keeper
check "keeper goes on: its region is settled" wait_for settled "$(field id "$own")" $((2 * MIB))
check "keeper goes on: and used" on_b $AS_GOOD rdmaregctl put /tmp/pages "$(field ticket "$own")"
expect_equal "keeper goes on: it is the one it was" "$keeper" "$(keeper_of /mnt/xfs/own)"
kill "$PEER"
wait_peer
check "release" as_good rdmaregctl release "$(field id "$own")"
check "and the other's" as_mallory rdmaregctl release "$(field id "$guarded")"
finish
