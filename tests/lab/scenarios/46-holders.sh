#!/bin/bash
# boot: plain
# timeout: 900
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who uses a file and is asked about it: owners, programs that joined, peers, two tenants with the same file. What an administrator can do: look,
# close a region for a while, sync it, change its policy alive, empty a filesystem.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
users_up
noise /tmp/sent 4
sent=$(sha256sum </tmp/sent)

open_region() {
	r=$(register "$@" --export) || { not_ok "register $*"; return 1; }
	id=$(field id "$r") ticket=$(field ticket "$r")
}
# who_is FILE KIND COUNT
who_is() { [ "$(rdmaregctl --json who "$1" | jq "[.[] | select(.kind == \"$2\")] | length")" = "$3" ]; }

# --- who
zeroes /mnt/xfs/file 8
open_region /mnt/xfs/file --grace 2s
check "a region that nobody holds is listed" who_is /mnt/xfs/file none 1
rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
join=$!
start_peer /tmp/peer.log rdmaregctl --json put /tmp/sent "$ticket" --repeat forever --timeline
peer=$PEER
check "who: the program that joined" wait_for who_is /mnt/xfs/file client 1
check "who: the peer" wait_for who_is /mnt/xfs/file peer 1
rdmaregctl --json who /mnt/xfs/file >/tmp/who.json
expect_equal "who: its process" $join "$(jq '.[] | select(.kind == "client") | .pid' /tmp/who.json)"
check "who: where the peer is" grep -q "$LAB_ADDR_B" /tmp/who.json
check "who: not of another file" test "$(zeroes /mnt/xfs/other 1; rdmaregctl --json who /mnt/xfs/other | jq length)" = 0

# --- one that joined and stays silent costs the grace, and nobody else a connection
timed truncate -s 4M /mnt/xfs/file
expect_equal "a silent local holder: the truncate waits for the grace" 0 $?
check "and not longer than any deadline ($took ms)" test $took -ge 1800 -a $took -lt 20000
check "settled" wait_for settled "$id" $((4 * MIB))
check "it was asked" in_log /tmp/join.log truncate
kill $join $peer
wait $join $peer 2>/dev/null
check "who: they have left" wait_for who_is /mnt/xfs/file none 1
check "release" rdmaregctl release "$id"

# --- what waits together with a taker: a freeze of the filesystem, and a write over the same overlay mount; not longer than it
overlay=/mnt/xfs/overlay
mkdir -p $overlay/{lower,upper,work,all}
zeroes $overlay/upper/file 8
mount -t overlay -o lowerdir=$overlay/lower,upperdir=$overlay/upper,workdir=$overlay/work overlay $overlay/all
open_region $overlay/upper/file --grace 3s
rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
join=$!
wait_for region_is "$id" clients 1
fallocate -p -o 4M -l 1M $overlay/all/file &
punch=$!
check "overlay: whoever punches over it is asked about" wait_for in_log /tmp/join.log fallocate
dd if=/tmp/sent of=$overlay/all/file bs=64k count=1 conv=notrunc status=none &
write=$!
timed fsfreeze -f /mnt/xfs
status=$?
fsfreeze -u /mnt/xfs
expect_equal "a freeze waits for whoever waits for the holders" 0 $status
check "and not longer than any deadline ($took ms)" test $took -lt 20000
check "so does a write over the overlay mount" wait $write
check "the punch is done" wait $punch
kill $join
wait $join 2>/dev/null
check "release" rdmaregctl release "$id"
umount $overlay/all

# --- XFS lets no signal end the wait: a truncate that is killed ends because the region is fenced at once
zeroes /mnt/xfs/file 8
open_region /mnt/xfs/file --grace 10s
rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
join=$!
check "who: it joined" wait_for who_is /mnt/xfs/file client 1
truncate -s 4M /mnt/xfs/file &
truncate=$!
check "it is asked" wait_for in_log /tmp/join.log truncate
killed=$(uptime_msec)
kill -KILL $truncate
wait $truncate 2>/dev/null
took=$(($(uptime_msec) - killed))
check "a truncate that is killed does not wait for the grace ($took ms)" test $took -lt 9500
check "the region opens again" wait_for region_is "$id" state live
kill $join
wait $join 2>/dev/null
check "release" rdmaregctl release "$id"

# --- two tenants, one file: both are asked, the slower one decides, both keep their peers
zeroes /mnt/xfsdax/file 8
open_region /mnt/xfsdax/file --grace 10s --session one
one=$id one_ticket=$ticket
open_region /mnt/xfsdax/file --grace 10s --session two
start_peer /tmp/one.log rdmaregctl --json put /tmp/sent "$one_ticket" --length 1M --repeat forever --timeline
first=$PEER
start_peer /tmp/two.log rdmaregctl --json put /tmp/sent "$ticket" --length 1M --repeat forever --timeline
second=$PEER
wait_for region_is "$one" peers 1
wait_for region_is "$id" peers 1
timed truncate -s 4M /mnt/xfsdax/file
expect_equal "two tenants: the truncate" 0 $?
check "two tenants: sooner than the deadline ($took ms)" test $took -lt 9500
check "two tenants: settled" wait_for settled "$id" $((4 * MIB))
check "two tenants: the other as well" wait_for region_is "$one" valid_length $((4 * MIB))
for log in one two; do check "tenant $log was asked" wait_for in_log /tmp/$log.log asked; done
check "both kept their peers" test "$(field peers "$(region "$one")")$(field peers "$(region "$id")")" = 11
kill $first $second
wait $first $second 2>/dev/null
check "release" rdmaregctl release "$one" "$id"

# --- revoke: closed while a command runs, and only then
zeroes /mnt/ext4/file 8
open_region /mnt/ext4/file --grace 5s
start_peer /tmp/peer.log rdmaregctl --json put /tmp/sent "$ticket" --repeat forever --timeline
wait_for region_is "$id" peers 1
check "revoke: the command runs with the region closed" rdmaregctl revoke "$id" -- \
	bash -c ". /lab/guest/lib.sh; . /lab/guest/regions.sh; region_is $id state fenced; s=\$(sha256sum </mnt/ext4/file); sleep 1; [ \"\$s\" = \"\$(sha256sum </mnt/ext4/file)\" ]"
check "revoke: open again afterwards" wait_for region_is "$id" state live
expect_equal "revoke: the command's status is handed on" 7 "$(rdmaregctl revoke "$id" -- sh -c 'exit 7' >/dev/null 2>&1; echo $?)"
check "revoke: part of it" rdmaregctl revoke "$id" --range 6M:1M -- true
check "revoke: for a time" rdmaregctl revoke "$id" --for 1s
check "revoke: then open" wait_for region_is "$id" state live
end_peer
expect_equal "revoke: the peer went on to its end" 0 "$PEER_STATUS"

# --- sync: a point in time, with a peer that writes on
start_peer /tmp/peer.log rdmaregctl --json put /tmp/sent "$ticket" --repeat forever --timeline
wait_for region_is "$id" peers 1
rdmaregctl --json sync "$id" >/tmp/sync.json
expect_equal "sync while a peer writes" 0 $?
expect_equal "sync: what is durable" storage "$(jq -r .durable /tmp/sync.json)"
end_peer
expect_equal "sync: the peer went on to its end" 0 "$PEER_STATUS"
check "sync: twice" rdmaregctl sync "$id"
check "release" rdmaregctl release "$id"

# --- policy changed alive
zeroes /mnt/xfs/file 8
open_region /mnt/xfs/file --grace 10s
rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
join=$!
wait_for who_is /mnt/xfs/file client 1
check "set: follow" rdmaregctl set "$id" --policy follow
timed truncate -s 6M /mnt/xfs/file
expect_equal "follow: nobody is waited for" 0 $?
check "follow: not for the grace ($took ms)" test $took -lt 9500
check "settled" wait_for settled "$id" $((6 * MIB))
check "set: hold" rdmaregctl set "$id" --policy hold
check "hold: it refuses now" region_is "$id" refuses true
marked="cat /proc/\$(pgrep -x rdmareg-gate)/fdinfo/* 2>/dev/null | grep -q '^fanotify ino'"
check "hold: the file is marked" sh -c "$marked"
check "hold: truncate fails" sh -c '! truncate -s 1M /mnt/xfs/file 2>/tmp/refused'
check "hold: with ETXTBSY" grep -q "Text file busy" /tmp/refused
check "hold: fallocate fails" sh -c '! fallocate -p -o 0 -l 1M /mnt/xfs/file 2>/dev/null'
chmod 666 /mnt/xfs/file
check "hold: an ordinary user's truncate fails, too" sh -c "! $AS_MALLORY truncate -s 1M /mnt/xfs/file 2>/tmp/refused"
check "hold: with the same error" grep -q "Text file busy" /tmp/refused
check "hold: an ordinary user reads, and writes in place" as_mallory sh -c \
	"dd if=/mnt/xfs/file of=/dev/null bs=64k status=none && dd if=/tmp/sent of=/mnt/xfs/file bs=64k count=1 conv=notrunc status=none"
chmod 600 /mnt/xfs/file
check "hold: reading and writing go on" dd if=/tmp/sent of=/mnt/xfs/file bs=1M count=1 conv=notrunc status=none
expect_equal "hold: nothing was taken" $((6 * MIB)) "$(stat -c %s /mnt/xfs/file)"
check "set: yield again" rdmaregctl set "$id" --policy yield --grace 1s
check "yield: it no longer refuses" region_is "$id" refuses false
expect_equal "yield: the events that hold needed are over" layout-lease "$(field arbitration_mode "$(region "$id")")"
check "yield: and their mark is gone" wait_for sh -c "! $marked"
timed truncate -s 1M /mnt/xfs/file
expect_equal "yield: the truncate goes on" 0 $?
check "settled" wait_for settled "$id" $MIB
kill $join
wait $join 2>/dev/null
check "release" rdmaregctl release "$id"

# --- the same by an ordinary user, for a file of its own
zeroes /mnt/xfs/own 4 && goods /mnt/xfs/own
r=$(as_good rdmaregctl --json register /mnt/xfs/own --access rw --export --grace 8s) || not_ok "a user's: register"
id=$(field id "$r")
$AS_GOOD rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
join=$!
wait_for region_is "$id" clients 1
expect_equal "a user's: who of its own program" 1 "$(as_good rdmaregctl --json who /mnt/xfs/own | jq '[.[] | select(.kind == "client")] | length')"
expect_status 3 "a user's: another one cannot join" as_mallory rdmaregctl join "$id"
expect_status 3 "a user's: nor revoke" as_mallory rdmaregctl revoke "$id" --for 1s
expect_status 3 "a user's: nor change anything" as_mallory rdmaregctl set "$id" --policy follow
check "a user's: hold" as_good rdmaregctl set "$id" --policy hold
check "a user's: its own truncate fails" sh -c "! $AS_GOOD truncate -s 1M /mnt/xfs/own 2>/dev/null"
check "a user's: it reads" as_good timeout 8 dd if=/mnt/xfs/own of=/dev/null bs=64k status=none
check "a user's: yield again" as_good rdmaregctl set "$id" --policy yield --grace 1s --arbitration auto
timed $AS_GOOD truncate -s 1M /mnt/xfs/own
expect_equal "a user's: the truncate goes on at the deadline ($took ms)" 0 $?
check "a user's: settled" wait_for settled "$id" $MIB
kill $join
wait $join 2>/dev/null
check "a user's: revoke" as_good rdmaregctl revoke "$id" -- true
check "a user's: sync" as_good rdmaregctl sync "$id"
check "a user's: release" as_good rdmaregctl release "$id"

# --- again and again: who acknowledges keeps the connection each time
for fs in xfs xfsdax; do
	zeroes /mnt/$fs/file 8
	open_region /mnt/$fs/file --grace 10s
	start_peer /tmp/peer.log rdmaregctl --json put /tmp/sent "$ticket" --length 1M --repeat forever --timeline
	wait_for region_is "$id" peers 1
	kept=0
	for round in $(seq 8); do
		fallocate -p -o 4M -l 1M /mnt/$fs/file
		wait_for region_is "$id" state live
		[ "$(field peers "$(region "$id")")" != 1 ] || kept=$((kept + 1))
	done
	expect_equal "$fs: the connection was kept, of 8 revocations" 8 $kept
	check "$fs: it was the same one all the time" test "$(rdmaregctl --json who /mnt/$fs/file | jq '[.[] | select(.kind == "peer")] | length')" = 1 -a -d /proc/$PEER
	check "$fs: and was asked each time" test "$(grep -c '"asked"' /tmp/peer.log)" -ge 8
	kill $PEER
	wait $PEER 2>/dev/null
	check "$fs: release" rdmaregctl release "$id"
done

# --- takers who never stop: who obeys writes between each two fences, and keeps the connection
asked_often() {
	local log
	for log in /tmp/one.log /tmp/two.log; do [ "$(grep -c '"asked"' $log)" -gt 1 ] || return 1; done
}
# again_and_again COMMAND - for four seconds, and until both writers were asked more than once, as often as possible; prints how often
again_and_again() {
	local n=0 end=$((SECONDS + 4)) last=$((SECONDS + 60))
	while { [ $SECONDS -lt $end ] || { [ $SECONDS -lt $last ] && ! asked_often; }; } && "$@" >/dev/null 2>&1; do n=$((n + 1)); done
	echo $n
}
take() { truncate -s 4M "$1" && truncate -s 8M "$1" && fallocate -p -o 2M -l 1M "$1"; }
# an ordinary user, who can only read the file
deduplicate() { as_mallory xfs_io -c "dedupe $1 0 0 65536" /mnt/xfs/mallory/own; }
mkdir -p /mnt/xfs/mallory
zeroes /mnt/xfs/mallory/own 1
chown -R mallory /mnt/xfs/mallory
# storm NAME ARBITRATION COMMAND
storm() {
	local writer other summary
	local -A pid
	zeroes /mnt/xfs/file 8
	chmod 644 /mnt/xfs/file
	open_region /mnt/xfs/file --grace 4s --arbitration "$2"
	for writer in one two; do
		start_peer /tmp/$writer.log rdmaregctl --json put /tmp/sent "$ticket" --length 64K --repeat forever --timeline
		pid[$writer]=$PEER
	done
	check "storm, $1: both write" wait_for region_is "$id" peers 2
	again_and_again "$3" /mnt/xfs/file >/tmp/taken.1 &
	other=$!
	again_and_again "$3" /mnt/xfs/file >/tmp/taken.2
	wait $other
	check "storm, $1: open again" wait_for settled "$id" $((8 * MIB))
	kill "${pid[@]}"
	wait "${pid[@]}" 2>/dev/null
	for writer in one two; do
		summary=$(grep '"summary"' /tmp/$writer.log)
		echo "# storm, $1: $(cat /tmp/taken.1 /tmp/taken.2 | xargs) times; writer $writer: $(field operations "$summary") writes," \
			"asked $(field revocations "$summary") times"
		check "storm, $1: writer $writer was asked" test "$(field revocations "$summary")" -gt 1
		check "storm, $1: writer $writer has more writes than questions" \
			test "$(field operations "$summary")" -gt "$(field revocations "$summary")"
		expect_equal "storm, $1: writer $writer kept its connection" true "$(field connected "$summary")"
	done
	check "storm, $1: release" rdmaregctl release "$id"
}
storm "layout lease" auto take
storm "pre-content events" pre-content take
storm "a reader" auto deduplicate

# --- evict: everything on a filesystem lets go, so that it can be unmounted
modprobe loop
truncate -s 320M /mnt/tmpfs/evict.image
mkfs.xfs -q /mnt/tmpfs/evict.image
mkdir -p /mnt/evict
mount -o loop /mnt/tmpfs/evict.image /mnt/evict
zeroes /mnt/evict/a 2
zeroes /mnt/evict/b 2
open_region /mnt/evict/a --grace 5s
start_peer /tmp/peer.log rdmaregctl --json put /tmp/sent "$ticket" --length 1M --repeat forever --timeline
a=$id
wait_for region_is "$a" peers 1
open_region /mnt/evict/b --session other --policy hold
check "umount is refused while regions are there" sh -c '! umount /mnt/evict 2>/dev/null'
expect_equal "evict: how many" 2 "$(rdmaregctl --json evict /mnt/evict | jq '.regions? // .')"
check "evict: now it can be unmounted" umount /mnt/evict
check "evict: the peer was asked first" in_log /tmp/peer.log unmount
check "evict: the regions are gone" sh -c "! rdmaregctl show $a $id >/dev/null 2>&1"
wait_peer

# a btrfs is all its subvolumes, although each has a device number of its own
modprobe btrfs
truncate -s 256M /mnt/tmpfs/evict.image
mkfs.btrfs -q -f /mnt/tmpfs/evict.image
mount -o loop /mnt/tmpfs/evict.image /mnt/evict
btrfs -q subvolume create /mnt/evict/sub
zeroes /mnt/evict/a 2
zeroes /mnt/evict/sub/b 2
check "btrfs: two device numbers" test "$(stat -c %d /mnt/evict/a)" != "$(stat -c %d /mnt/evict/sub/b)"
open_region /mnt/evict/a --grace 5s
a=$id
open_region /mnt/evict/sub/b --session other
rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
join=$!
wait_for region_is "$id" clients 1
rdmaregctl --json evict /mnt/evict >/tmp/evicted &
evict=$!
check "btrfs: the holder in the subvolume is asked" wait_for in_log /tmp/join.log unmount
check "btrfs: nothing is registered there meanwhile" sh -c '! rdmaregctl register /mnt/evict/a >/tmp/refused 2>&1 && grep -q "being taken down" /tmp/refused'
kill $join
wait $evict
expect_equal "btrfs: how many" 2 "$(jq '.regions? // .' /tmp/evicted)"
check "btrfs: now it can be unmounted" umount /mnt/evict
wait $join 2>/dev/null
finish
