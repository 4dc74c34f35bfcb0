#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Translations are brought back after writeback, and at what price: a peer writes to a part of a region all the time while sync runs. What
# reaches the disk is counted by the block layer. Mode write, which writes the whole region for ever, shows that the count can tell.
# boot: plain
# timeout: 480
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.17 || skip_all "no prefetching in this kernel's rdma_rxe"
product_up || exit 1

device=$(basename "$(findmnt -no SOURCE /mnt/xfs)")
noise /tmp/part.0 8
noise /tmp/part.1 8
noise /tmp/whole 64
zeroes /mnt/xfs/file 64

# MiB the disk was given to write so far.
written() {
	local s
	read -r -a s <"/sys/block/$device/stat"
	echo $((s[6] / 2048))
}

# wake_ups - how often the keepers' loops were woken so far.
wake_ups() {
	local pid
	for pid in $(keeper_pids); do sed -n 's/^voluntary_ctxt_switches:\t//p' "/proc/$pid/status"; done | awk '{ n += $1 } END { print n + 0 }'
}

# busy MODE - a peer writes all 64 MiB once, then 8 of them again and again, other bytes each time, and everything is synced; leaves the region's
# JSON in $R, and in $PER_ROUND the MiB that were written to the disk per round. With adaptive there are more rounds until a block was
# proven to be written: on a busy machine reports fold, and a folded one proves nothing.
ROUNDS=8
MOST_ROUNDS=64
BY= # or an ordinary user
busy() {
	local r id ticket before woken round=0
	r=$($BY rdmaregctl --json register /mnt/xfs/file --access rw --export --warm-mode "$1")
	id=$(field id "$r")
	ticket=$(field ticket "$r")
	expect_equal "mode $1: shown" "$1" "$(field warm_mode "$(region "$id")")"
	check "mode $1: put everything" on_b rdmaregctl put /tmp/whole "$ticket"
	sync
	before=$(written)
	woken=$(wake_ups)
	R=
	while [ $round -lt $ROUNDS ] || { [ "$1" = adaptive ] && [ $round -lt $MOST_ROUNDS ] && [ "$(field bytes_redirtied "$R")" = 0 ]; }; do
		on_b rdmaregctl put /tmp/part.$((round % 2)) "$ticket" >/dev/null || { not_ok "mode $1: put"; break; }
		sync
		round=$((round + 1))
		[ $round -lt $ROUNDS ] || R=$(region "$id")
	done
	PER_ROUND=$((($(written) - before) / round))
	WOKEN=$(($(wake_ups) - woken))
	R=$(region "$id")
	echo "# mode $1: $round rounds, $PER_ROUND MiB per round, $WOKEN wake-ups of the keeper, $(field writebacks "$R") writebacks, $(field bytes_warmed "$R") bytes warmed, $(field bytes_redirtied "$R") dirtied"
	check "mode $1: release" rdmaregctl release "$id"
}

busy off
off=$PER_ROUND
expect_equal "mode off dirties nothing" 0 "$(field bytes_redirtied "$R")"
# where pages are written back one by one; what the peer's connections cost is among it
check "mode off: its keeper is not woken for each writeback" test "$WOKEN" -lt "$(field writebacks "$R")"
busy read
expect_equal "mode read dirties nothing" 0 "$(field bytes_redirtied "$R")"
check "mode read writes what mode off does" test "$PER_ROUND" -le $((off + 1))
users_up
goods /mnt/xfs/file
BY=$AS_GOOD
busy adaptive
BY=
check "mode adaptive brings written blocks back for writing" test "$(field bytes_redirtied "$R")" -gt 0
check "mode adaptive writes what mode off does, within an eighth" test "$PER_ROUND" -le $((off + off / 8 + 1))
busy write
check "mode write writes everything again and again" test "$PER_ROUND" -ge $((3 * off))

# a snapshot: freezing writes everything back, and what is to be brought back for writing then waits for the thaw: it, and nothing else of
# its keeper
freeze_waits() { product_log | grep -q "takes writes again: it is frozen"; }
more_dirtied() { [ "$(field bytes_redirtied "$(region "$id")")" -gt "$before" ]; }
zeroes /mnt/xfs/frozen 8
zeroes /mnt/ext4/beside 4
r=$(register /mnt/xfs/frozen --access rw --export --warm-mode write)
id=$(field id "$r")
beside=$(field id "$(register /mnt/ext4/beside --access rw --export)")
check "frozen: put before" on_b rdmaregctl put /tmp/part.0 "$(field ticket "$r")"
before=$(field bytes_redirtied "$(region "$id")")
fsfreeze -f /mnt/xfs || not_ok "freeze"
check "frozen: a prefetch for writing waits" wait_for freeze_waits
truncate_file /mnt/ext4/beside 1M
check "frozen: meanwhile a region of another filesystem is revoked, and settles" wait_for settled "$beside" "$MIB"
check "frozen: and can be released" rdmaregctl release "$beside"
check "frozen: the region itself stays live" region_is "$id" state live
fsfreeze -u /mnt/xfs
check "thawed: it is brought back for writing" wait_for more_dirtied
check "thawed: the peer goes on" on_b rdmaregctl put /tmp/part.1 "$(field ticket "$r")"
check "release" rdmaregctl release "$id"
rm /mnt/xfs/frozen /mnt/ext4/beside

# what reclaim took is not pulled back; nothing is dirty, so that nothing is written back meanwhile
sync
r=$(register /mnt/xfs/file --export --warm-mode read)
id=$(field id "$r")
before=$(field bytes_warmed "$r")
removed() {
	echo 64M >/sys/fs/cgroup/memory.reclaim
	[ "$(field removals "$(region "$id")")" -gt 0 ]
} 2>/dev/null
check "reclaim takes pages" wait_for removed
sync
expect_equal "reclaim: nothing is brought back" "$before" "$(field bytes_warmed "$(region "$id")")"

# a file in memory that peers could fill until the keeper is killed
check "release" rdmaregctl release "$id"
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/small
keeper_pids >/tmp/keepers
while read -r pid; do echo "$pid" >/sys/fs/cgroup/small/cgroup.procs; done </tmp/keepers
current=$(cat /sys/fs/cgroup/small/memory.current)
echo $((current + 48 * MIB)) >/sys/fs/cgroup/small/memory.max
truncate -s 64M /mnt/tmpfs/large
truncate -s 8M /mnt/tmpfs/fits
expect_status 1 "a memory file beyond memory.max is refused" rdmaregctl register /mnt/tmpfs/large
check "with the cgroup and what to do" grep -q "small has .* left; raise its memory.max" <(rdmaregctl register /mnt/tmpfs/large 2>&1)
r=$(register /mnt/tmpfs/fits)
check "one that fits is not" rdmaregctl release "$(field id "$r")"
echo max >/sys/fs/cgroup/small/memory.max
r=$(register /mnt/tmpfs/large --no-warm)
check "without the limit neither is the large one" rdmaregctl release "$(field id "$r")"

r=$(register /mnt/xfs/file --export --warm-mode read)
id=$(field id "$r")

# while the kernel says that memory is short nothing is brought back, and afterwards what waited is
memory_is() { product_log | grep -o 'memory is .*short' | tail -n 1 | grep -qx "memory is $1"; }
no_more_warm() { ! more_warm; }
more_warm() { [ "$(field bytes_warmed "$(region "$id")")" -gt "$before" ]; }
mkdir /sys/fs/cgroup/hog
echo 12M >/sys/fs/cgroup/hog/memory.max
zeroes /mnt/ext4/hog 20
dd if=/mnt/ext4/hog iflag=nocache count=0 status=none # or its pages stay this shell's
hogs=
rm -f /tmp/enough
for n in 1 2 3 4; do
	(
		echo "$BASHPID" >/sys/fs/cgroup/hog/cgroup.procs
		while [ ! -e /tmp/enough ]; do cat /mnt/ext4/hog >/dev/null; done
	) &
	hogs+=" $!"
done
check "the kernel's report is heard" wait_for memory_is short
sync
before=$(field bytes_warmed "$(region "$id")")
on_b rdmaregctl put /tmp/part.0 "$(field ticket "$r")" >/dev/null
sync
check "nothing is brought back meanwhile" no_more_warm
check "memory is still short" memory_is short
touch /tmp/enough
wait $hogs
check "that it is over is heard, too" wait_for memory_is "not short"
check "what waited is brought back then" wait_for more_warm
rm /tmp/enough

# the mode outlives the daemon, and can be changed
check "set" rdmaregctl set "$id" --warm-mode read
expect_status 2 "an unknown mode is refused" rdmaregctl set "$id" --warm-mode hot
kill "$(cat /run/lab/rdmaregd.pid)"
wait_for gone "$(cat /run/lab/rdmaregd.pid)"
product_up || exit 1
wait_for region_is "$id" warm_mode read
expect_equal "the mode after a restart" read "$(field warm_mode "$(region "$id")")"
check "release" rdmaregctl release "$id"
finish
