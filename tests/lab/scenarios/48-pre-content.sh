#!/bin/bash
# boot: plain
# timeout: 900
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Pre-content events with the whole product: a filesystem without layout leases asks before it takes blocks, and only the range it takes is closed;
# who ignores it lands no byte in the blocks that were freed; the daemon dead, stopped, started anew in the middle. What an ordinary user
# does to a file that nobody else may open, on every filesystem that has these events.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/table.sh
. /lab/guest/servers.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
noise /tmp/sent 8
unruly=$RDMAREG_TESTS/unruly-peer

open_region() {
	local fs=$1
	shift
	zeroes /mnt/$fs/file 8
	r=$(register /mnt/$fs/file --export --arbitration pre-content "$@") || { not_ok "$fs: register"; return 1; }
	id=$(field id "$r") ticket=$(field ticket "$r")
}
as_user() { setpriv --reuid=12345 --regid=12345 --clear-groups "$@"; }
gate_pid() { pgrep -x rdmareg-gate; }
daemon_gone() { ! kill -0 "$1" 2>/dev/null; }

# Nobody can open a file of an NFS server for its first ten seconds, so it is begun here and used at the end.
modprobe -a loop overlay
truncate -s 64M /mnt/tmpfs/exported.image && mkfs.ext4 -q -F /mnt/tmpfs/exported.image && mkdir -p /mnt/exported &&
	mount -o loop /mnt/tmpfs/exported.image /mnt/exported && nfs_up /mnt/exported || not_ok "an NFS server"

zeroes /mnt/ext4/file 1
id=$(field id "$(register /mnt/ext4/file)")
expect_equal "nobody has asked for these events: the kernel is not asked for them" "" "$(gate_pid)"
check "release" rdmaregctl release "$id"
r=$(register /mnt/ext4/file --session first --policy hold) || r='{}'
expect_equal "the first region of a session, which has no keeper yet, can hold" true "$(field refuses "$r")"
check "release" rdmaregctl release "$(field id "$r")"

for fs in ext4 ext4dax; do
	# who behaves keeps the connection; nobody outside of the range is disturbed
	open_region $fs --grace 10s || continue
	expect_equal "$fs: mode" pre-content "$(field arbitration_mode "$r")"
	start_peer /tmp/low.log rdmaregctl --json put /tmp/sent "$ticket" --length 1M --repeat forever --timeline
	low=$PEER
	start_peer /tmp/high.log rdmaregctl --json put /tmp/sent "$ticket" --offset 5M --length 1M --repeat forever --timeline
	high=$PEER
	wait_for region_is "$id" peers 2
	truncate_file /mnt/$fs/file 4M
	check "$fs: an acknowledged truncate does not wait for the deadline ($took ms)" test $took -lt 9500
	check "$fs: settled" wait_for settled "$id" $((4 * MIB))
	check "$fs: they were asked, with the range" grep -q '"offset": *4194304' /tmp/low.log
	check "$fs: and told when it was over" wait_for in_log /tmp/low.log settled
	PEER=$low
	end_peer
	expect_equal "$fs: who writes below the new end goes on to its end" 0 "$PEER_STATUS"
	kill $high 2>/dev/null
	wait $high 2>/dev/null
	check "$fs: release" rdmaregctl release "$id"

	# who ignores everything lands nothing in the freed blocks
	open_region $fs --grace 1s || continue
	start_peer /tmp/bad.log "$unruly" "$ticket" hammer
	wait_for region_is "$id" peers 1
	truncate_file /mnt/$fs/file 4M
	check "$fs: silent peer: the truncate goes on at the deadline ($took ms)" test $took -ge 900 -a $took -lt 15000
	wait_peer
	check "$fs: its writes failed" in_log /tmp/bad.log '^failed after'
	head -c $((4 * MIB)) /dev/zero >/mnt/$fs/next
	expect_equal "$fs: no byte of it in the freed blocks" 0 "$(grep -c -a -P '\xbd{64}' /mnt/$fs/next)"
	rm /mnt/$fs/next
	check "$fs: settled" wait_for settled "$id" $((4 * MIB))

	# ordinary input and output is not held up
	check "$fs: read and write at once" timeout 10 sh -c \
		"dd if=/mnt/$fs/file of=/dev/null bs=64k status=none && dd if=/tmp/sent of=/mnt/$fs/file bs=64k count=16 conv=notrunc status=none"
	chmod 666 /mnt/$fs/file
	check "$fs: an ordinary user's, too" as_user timeout 10 sh -c \
		"dd if=/mnt/$fs/file of=/dev/null bs=64k status=none && dd if=/tmp/sent of=/mnt/$fs/file bs=64k count=16 conv=notrunc status=none"
	check "$fs: none of them asked anybody" settled "$id" $((4 * MIB))
	check "$fs: release" rdmaregctl release "$id"
done

# An ordinary user's own file: who reads it, or writes in place, is refused nothing and asks nobody, with either policy; who takes blocks is
# refused, or asks. Somebody else who may only read is treated alike. The holder acknowledges nothing, so what is taken for a demand waits.
in_place() { # FILE
	as_good timeout 8 sh -c "dd if=$1 of=/dev/null bs=64k status=none &&
		dd if=/dev/zero of=$1 bs=64k count=1 conv=notrunc status=none &&
		xfs_io -c 'pread 4k 64k' -c 'pwrite 8k 4k' $1 >/dev/null" && as_mallory timeout 8 dd if="$1" of=/dev/null bs=64k status=none
}
busy() { ! timeout 20 "$@" 2>/tmp/busy && grep -q "Text file busy" /tmp/busy; }
users_up
setup_btrfs || not_ok "a btrfs"
for fs in ext4 xfs btrfs ext4dax xfsdax; do
	own=/mnt/$fs/own
	zeroes $own 4 && goods $own
	r=$(as_good rdmaregctl --json register $own --access rw --policy hold) || { not_ok "$fs: a user's own file: register"; continue; }
	id=$(field id "$r")
	expect_equal "$fs: a user's own file is held, and nothing is missing" "true " "$(field refuses "$r") $(field degraded "$r")"
	chmod 644 $own
	case $fs in
	xfs*) # keepers open the file again in the module: the gate knows them all, whoever holds the file
		check "$fs: hold: the filesystem asks as well" grep -q "also, xfs asks before" <<<"$(field arbitration_reason "$r")"
		for who in as_good as_mallory ""; do
			s=$($who rdmaregctl --json register $own --access r --session fresh-$fs) || s='{}'
			expect_equal "$fs: hold: another session's region ($who) has a lease" layout-lease "$(field arbitration_mode "$s")"
			check "release" $who rdmaregctl release "$(field id "$s")"
		done
		s=$(as_good rdmaregctl --json register $own --access rw --session held-$fs --policy hold) || s='{}'
		check "$fs: hold: so has the first of a session that holds, too" grep -q "also, xfs asks before" <<<"$(field arbitration_reason "$s")"
		check "release" as_good rdmaregctl release "$(field id "$s")"
		;;
	esac
	check "$fs: hold: it is read and written in place" in_place $own
	check "$fs: hold: its owner's truncate is refused" busy $AS_GOOD truncate -s 1M $own
	check "$fs: hold: so is punching" busy $AS_GOOD fallocate -p -o 1M -l 1M $own
	case $fs in
	ext4*) ;;
	*) check "$fs: hold: so is a reflink by who may only read" busy $AS_MALLORY cp --reflink=always $own /mnt/$fs/copy ;;
	esac
	check "$fs: set: yield" as_good rdmaregctl set "$id" --policy yield --grace 10s --arbitration pre-content
	$AS_GOOD rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
	join=$!
	wait_for region_is "$id" clients 1
	check "$fs: yield: it is read and written in place" in_place $own
	expect_equal "$fs: yield: which asked nobody" 0 "$(grep -c asked /tmp/join.log)"
	$AS_GOOD timeout 60 truncate -s 1M $own &
	waiting=$!
	check "$fs: yield: its owner's truncate asks" wait_for region_is "$id" state draining
	kill $join
	wait $join 2>/dev/null
	wait $waiting && ok "$fs: yield: and goes on when nobody is left to ask" || not_ok "$fs: yield: the truncate goes on"
	check "$fs: yield: settled" wait_for settled "$id" $MIB
	check "$fs: a user's own file: release" as_good rdmaregctl release "$id"
	rm -f $own /mnt/$fs/copy
done
umount /mnt/btrfs

# the daemon is killed while somebody waits: he goes on, and the next daemon guards the file again
open_region ext4 --grace 8s
rdmaregctl join "$id" --ignore-revocations >/dev/null 2>&1 &
join=$!
wait_for region_is "$id" clients 1
timeout 60 truncate -s 4M /mnt/ext4/file &
waiting=$!
wait_for region_is "$id" state draining
kill -9 "$(cat /run/lab/rdmaregd.pid)"
wait $waiting && ok "daemon killed: the truncate goes on" || not_ok "daemon killed: the truncate goes on"
kill $join
wait $join 2>/dev/null
product_up || not_ok "the daemon comes back"
check "daemon killed: settled" wait_for settled "$id" $((4 * MIB))
check "the new daemon guards the file again" wait_for region_is "$id" arbitration_mode pre-content
expect_equal "and is not degraded" "" "$(field degraded "$(region "$id")")"
check "set: hold" rdmaregctl set "$id" --policy hold
check "and refuses" sh -c '! truncate -s 1M /mnt/ext4/file 2>/dev/null'
chmod 666 /mnt/ext4/file
check "and an ordinary user" sh -c '! setpriv --reuid=12345 --regid=12345 --clear-groups truncate -s 1M /mnt/ext4/file 2>/dev/null'
check "who may read it all the same" as_user timeout 10 dd if=/mnt/ext4/file of=/dev/null bs=64k status=none
for call in write read; do
	for operation in punch truncate; do
		expect_status 1 "and refuses a ring's worker that was made in $call(2): $operation" \
			as_user timeout 20 "$RDMAREG_TESTS/ring-take" /mnt/ext4/file $call $operation
	done
done

# the daemon is stopped: the gate is a process of its own, answers who reads, and refuses by itself
pid=$(cat /run/lab/rdmaregd.pid)
gate=$(gate_pid)
kill -STOP "$pid"
check "daemon stopped: a reader goes on" timeout 20 dd if=/mnt/ext4/file of=/dev/null bs=4k count=1 status=none
check "and an ordinary user" as_user timeout 20 dd if=/mnt/ext4/file of=/dev/null bs=4k count=1 status=none
check "and hold refuses" sh -c '! timeout 20 truncate -s 1M /mnt/ext4/file 2>/dev/null'
kill -CONT "$pid"
check "set: yield" rdmaregctl set "$id" --policy yield --grace 500ms
kill -STOP "$pid"
check "daemon stopped: with yield a truncate goes on at its deadline" timeout 20 truncate -s 3M /mnt/ext4/file
kill -CONT "$pid"
check "set: hold again" rdmaregctl set "$id" --policy hold

# the gate is stopped: everybody who reads or writes the file would wait for it, so the kernel's timer kills it
kill -STOP "$gate"
as_user timeout 30 dd if=/mnt/ext4/file of=/dev/null bs=4k count=1 status=none &
reading=$!
check "gate stopped: a reader goes on, at last" timeout 30 dd if=/mnt/ext4/file of=/dev/null bs=4k count=1 status=none
wait $reading && ok "gate stopped: an ordinary user, too" || not_ok "gate stopped: an ordinary user, too"
check "because it was killed" wait_for daemon_gone "$gate"
check "which the daemon says" wait_for in_log "$DAEMON_LOG" "rdmareg-gate (process $gate) was killed"
check "another one guards the file" wait_for region_is "$id" refuses true
# but the truncate that the stopped daemon could not ask about, unless it came to ask in time for the keeper to see one for the other
expect_equal "and nothing else is missing" "" "$(field degraded "$(region "$id")" | sed 's/^blocks were freed without asking holders (1 so far); the last: the file became shorter.*//')"
check "it refuses" sh -c '! truncate -s 1M /mnt/ext4/file 2>/dev/null'
check "the region is there" wait_for region_is "$id" state live
check "release" rdmaregctl release "$id"

# many at once on one region: each waits until it is fenced, and nobody for a deadline, since nobody holds it
open_region ext4 --grace 10s
chmod 666 /mnt/ext4/file
crowd=$RDMAREG_TESTS/crowd
unfenced() { tail -n +$((lines + 1)) "$DAEMON_LOG" | grep -c 'went on at its deadline'; }
lines=$(wc -l <"$DAEMON_LOG")
start_peer /tmp/crowd.log rdmaregctl get "$ticket" /tmp/crowd
wait_peer
for i in $(seq 32); do
	as_user timeout 60 fallocate --punch-hole --offset $((i * 128))KiB --length 64KiB /mnt/ext4/file &
	punching+=($!)
done
failed=0
for pid in "${punching[@]}"; do wait "$pid" || failed=$((failed + 1)); done
expect_equal "32 who punch one region at once: all go on" 0 "$failed"
expect_equal "none of them unfenced" 0 "$(unfenced)"
check "and the region is open again" wait_for settled "$id" $((8 * MIB))
check "release" rdmaregctl release "$id"

# threads of one process of an ordinary user's: with nobody to ask, and with a peer that ignores everything, which holds them up until the
# deadline of the region, and writes nothing into any of the holes
for fs in ext4 xfs; do
	open_region $fs --grace 10s
	chmod 666 /mnt/$fs/file
	out=$(as_good timeout 60 "$crowd" punch /mnt/$fs/file 32)
	expect_equal "$fs: 32 threads punch one region at once: all go on ($out)" "32 punched, 0 failed" "${out%, longest*}"
	expect_equal "$fs: none of them unfenced" 0 "$(unfenced)"
	check "$fs: the region is open again" wait_for settled "$id" $((8 * MIB))
	check "$fs: set" rdmaregctl set "$id" --grace 2s
	start_peer /tmp/bad.log "$unruly" "$ticket" hammer
	wait_for region_is "$id" peers 1
	out=$(timed $AS_GOOD "$crowd" punch /mnt/$fs/file 32)
	expect_equal "$fs: beside a silent peer: all go on ($out)" "32 punched, 0 failed" "${out%, longest*}"
	wait_peer
	check "$fs: the peer's writes failed" in_log /tmp/bad.log '^failed after'
	expect_equal "$fs: none of them unfenced" 0 "$(unfenced)"
	expect_equal "$fs: no byte of the peer in the holes" 0 "$(for i in $(seq 0 31); do dd if=/mnt/$fs/file bs=4096 skip=$((2 * i)) count=1 status=none; done | tr -d '\0' | wc -c)"
	check "$fs: the region is open again" wait_for settled "$id" $((8 * MIB))
	check "$fs: release" rdmaregctl release "$id"
done

# a keeper that speaks none of the daemon's versions, and cannot be asked for its file: what it held stays held
kill "$(cat /run/lab/rdmaregd.pid)"
wait_for gone "$(cat /run/lab/rdmaregd.pid)"
RDMAREGD_ARGS="--keeper $RDMAREG_TESTS/keeper-form-5" product_up || not_ok "the daemon comes back"
zeroes /mnt/ext4/file 4
chmod 666 /mnt/ext4/file
id=$(field id "$(register /mnt/ext4/file --session form-later --policy hold)")
check "a keeper of another form holds" region_is "$id" refuses true
kill -9 "$(cat /run/lab/rdmaregd.pid)"
product_up || not_ok "the daemon comes back"
check "keeper of no common version: its region is listed, and held" wait_for region_is "$id" refuses true
check "with both versions" grep -q "versions 1000 to 1001 .* this rdmaregd speaks" <<<"$(field degraded "$(region "$id")")"
check "a truncate is refused" sh -c '! truncate -s 1M /mnt/ext4/file 2>/dev/null'
check "an ordinary user's, too" sh -c '! setpriv --reuid=12345 --regid=12345 --clear-groups truncate -s 1M /mnt/ext4/file 2>/dev/null'
# its file is removed, and another one gets the number: that one is held for nobody
inode=$(stat -c %i /mnt/ext4/file)
kill -9 "$(cat /run/lab/rdmaregd.pid)"
wait_for no_process rdmareg-gate
rm /mnt/ext4/file
for n in $(seq 200); do
	zeroes "/mnt/ext4/again$n" 4
	[ "$(stat -c %i "/mnt/ext4/again$n")" != "$inode" ] || mv "/mnt/ext4/again$n" /mnt/ext4/file
	[ ! -e /mnt/ext4/file ] || break
done
rm -f /mnt/ext4/again*
product_up || not_ok "the daemon comes back"
expect_equal "another file with the number of the first" "$inode" "$(stat -c %i /mnt/ext4/file)"
another_there() { grep -q "another one is where it was" <<<"$(field degraded "$(region "$id")")"; }
check "is not taken for it" wait_for another_there
check "the release of all that it has" rdmaregctl release "$id"
check "ended it" wait_for no_process keeper-form-5
check "a truncate goes on" timeout 10 truncate -s 1M /mnt/ext4/file

# more threads of one user than there are places for operations that wait (pre_content_waiters, 1024): what another user holds stays as it is
zeroes /mnt/ext4/wide 16
zeroes /mnt/ext4/held 1
chmod 666 /mnt/ext4/wide /mnt/ext4/held
held=$(field id "$(register /mnt/ext4/held --policy hold)")
r=$(register /mnt/ext4/wide --access rw --arbitration pre-content --grace 10s --export)
id=$(field id "$r")
ticket=$(field ticket "$r")
start_peer /tmp/bad.log "$unruly" "$ticket" hammer
wait_for region_is "$id" peers 1
(ulimit -n 4096; as_good "$crowd" punch /mnt/ext4/wide 1100 >/tmp/wide.log 2>&1) &
wide=$!
more_than_places() { [ "$(pgrep -x crowd | xargs -I{} ls /proc/{}/task | wc -l)" -gt 1024 ]; }
check "a user has 1100 threads at work on a file of his own" wait_for more_than_places
check "which wait" wait_for region_is "$id" state draining
gate=$(gate_pid)
refused=0
for i in 1 2 3; do as_user timeout 60 truncate -s 0 /mnt/ext4/held 2>/dev/null || refused=$((refused + 1)); done
expect_equal "what another one holds is refused meanwhile, each time" 3 "$refused"
expect_equal "and as long as it was" 1048576 "$(stat -c %s /mnt/ext4/held)"
expect_equal "with the same gate" "$gate" "$(gate_pid)"
wait $wide
wait_peer
check "the region is open again" wait_for settled "$id" $((16 * MIB))
check "release" rdmaregctl release "$id" "$held"

# the daemon's own settings are guarded: it reads them like anybody
kill "$(cat /run/lab/rdmaregd.pid)"
wait_for gone "$(cat /run/lab/rdmaregd.pid)"
cp /etc/rdmareg/rdmaregd.conf /mnt/ext4/rdmaregd.conf
RDMAREGD_ARGS="--config /mnt/ext4/rdmaregd.conf" product_up || not_ok "the daemon comes back"
id=$(field id "$(register /mnt/ext4/rdmaregd.conf --policy hold)")
check "the settings are held" region_is "$id" refuses true
lines=$(wc -l <"$DAEMON_LOG")
kill -HUP "$(cat /run/lab/rdmaregd.pid)"
settings_read() { tail -n +$((lines + 1)) "$DAEMON_LOG" | grep -q "settings read again"; }
check "and read again all the same" wait_for settings_read
check "release" rdmaregctl release "$id"

# Who takes blocks past the gate: a loop device on the file discards, a container truncates what is an overlay's upper file, root or an ordinary
# user. Nothing asks before, so the region names who could, and says afterwards what was taken; peers hear of it.
degraded_names() { grep -q -- "$2" <<<"$(field degraded "$(region "$1")")"; }
open_region ext4 --grace 1s
sync /mnt/ext4/file
loop=$(losetup --show -f /mnt/ext4/file)
check "loop: it is named" wait_for degraded_names "$id" "${loop#/dev/} has the file as its image"
start_peer /tmp/loop.log rdmaregctl --json put /tmp/sent "$ticket" --length 64K --repeat forever --timeline
wait_for region_is "$id" peers 1
check "loop: it discards" blkdiscard -o $MIB -l $MIB "$loop"
check "loop: the region says that blocks were taken" wait_for region_is "$id" bypasses 1
check "loop: which" degraded_names "$id" "$MIB bytes of blocks between $MIB and $((2 * MIB))"
check "loop: the peer hears of it" wait_for in_log /tmp/loop.log '"event": *"bypassed"'
check "loop: and goes on" kill "$PEER"
wait_peer
losetup -d "$loop"
no_longer_named() { ! degraded_names "$@"; }
check "loop: detached, it is named no more" wait_for no_longer_named "$id" "has the file as its image"
check "release" rdmaregctl release "$id"

mkdir -p /mnt/ext4/{upper,work,lower} /tmp/merged
zeroes /mnt/ext4/upper/file 8
chmod 666 /mnt/ext4/upper/file
check "an overlay" mount -t overlay overlay -o lowerdir=/mnt/ext4/lower,upperdir=/mnt/ext4/upper,workdir=/mnt/ext4/work /tmp/merged
r=$(register /mnt/ext4/upper/file --arbitration pre-content)
id=$(field id "$r")
check "overlay: it is named" wait_for degraded_names "$id" "overlay mounted on /tmp/merged"
check "overlay: a user truncates there" as_user truncate -s 4M /tmp/merged/file
check "overlay: the region says so" wait_for region_is "$id" bypasses 1
check "overlay: and its length" settled "$id" $((4 * MIB))
check "release" rdmaregctl release "$id"
umount /tmp/merged

# A storage target of the kernel's, whose threads make no system call: what they punch is seen all the same, and what they write passes.
open_region ext4 --grace 10s
if target_up /mnt/ext4/file; then
	check "target: a write passes" timeout 15 dd if=/dev/urandom of=/dev/nvme0n1 bs=64k count=1 oflag=direct status=none
	rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
	join=$!
	wait_for region_is "$id" clients 1
	timeout 60 blkdiscard -o $MIB -l $MIB /dev/nvme0n1 &
	waiting=$!
	check "target: a discard asks" wait_for region_is "$id" state draining
	check "target: about its range" grep -q "fallocate of 1M at 1M" /tmp/join.log
	kill $join
	wait $join 2>/dev/null
	wait $waiting && ok "target: and goes on when nobody is left to ask" || not_ok "target: the discard goes on"
	check "target: settled" wait_for settled "$id" $((8 * MIB))
	expect_equal "target: nothing passed unseen" 0 "$(field bypasses "$(region "$id")")"
	check "set: hold" rdmaregctl set "$id" --policy hold
	check "target: with hold a discard is refused" sh -c "! timeout 60 blkdiscard -o 2M -l $MIB /dev/nvme0n1 2>/dev/null"
	check "target: and nothing was taken" region_is "$id" bypasses 0
	# one that opens the file while nobody watches raises no event later
	check "release" rdmaregctl release "$id"
	target_down
	sync /mnt/ext4/file
	target_up /mnt/ext4/file || not_ok "the storage target again"
	id=$(field id "$(register /mnt/ext4/file --arbitration pre-content)")
	check "target: one from before is named" wait_for degraded_names "$id" "nvmet has the file as the image of namespace 1"
	check "target: its discard passes" timeout 60 blkdiscard -o 4M -l $MIB /dev/nvme0n1
	check "target: the region says so" wait_for region_is "$id" bypasses 1
	target_down
else
	not_ok "a storage target"
fi
check "release" rdmaregctl release "$id"

# The NFS server: what its clients punch is seen by the stack of its threads, what they write passes, and what they truncate is noticed.
open_region exported --grace 10s
check "nfs: it is named" wait_for degraded_names "$id" "NFS server exports /mnt/exported:"
check "nfs: a client reads and writes" timeout 60 sh -c \
	"dd if=/tmp/nfs/file of=/dev/null bs=64k count=4 status=none && dd if=/tmp/sent of=/tmp/nfs/file bs=64k count=4 conv=notrunc,fsync status=none"
rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
join=$!
wait_for region_is "$id" clients 1
timeout 60 fallocate --punch-hole --offset 1MiB --length 1MiB /tmp/nfs/file &
waiting=$!
check "nfs: a client's punch asks" wait_for region_is "$id" state draining
kill $join
wait $join 2>/dev/null
wait $waiting && ok "nfs: and goes on when nobody is left to ask" || not_ok "nfs: the punch goes on"
check "nfs: settled" wait_for settled "$id" $((8 * MIB))
settled_at=$(date +%s)
check "set: hold" rdmaregctl set "$id" --policy hold
check "nfs: with hold a punch is refused" sh -c '! timeout 60 fallocate --punch-hole --offset 2MiB --length 1MiB /tmp/nfs/file 2>/dev/null'
expect_equal "nfs: nothing passed unseen so far" 0 "$(field bypasses "$(region "$id")")"
# what comes within a second of a revocation's end is taken for the doing of whom that let go on
wait_for eval '[ "$(date +%s)" -gt $((settled_at + 1)) ]'
check "nfs: a client truncates, which nobody can refuse" timeout 60 truncate -s 4M /tmp/nfs/file
check "nfs: the region says so" wait_for region_is "$id" bypasses 1
check "release" rdmaregctl release "$id"
check "nfs: the server ends" nfs_down
umount /mnt/exported

# a descriptor from before the watch: it is said, not hidden
zeroes /mnt/ext4/file 8
sleep 1000 3<>/mnt/ext4/file &
holder=$!
r=$(register /mnt/ext4/file --arbitration pre-content)
check "a writer from before is named" grep -q "process $holder" <<<"$(field degraded "$r")"
kill $holder
wait $holder 2>/dev/null
check "release" rdmaregctl release "$(field id "$r")"

# where the kernel cannot: registered all the same, and said
r=$(rdmaregctl --json register /mnt/tmpfs/file --arbitration pre-content 2>/dev/null || { zeroes /mnt/tmpfs/file 1; register /mnt/tmpfs/file --policy hold; })
check "tmpfs: hold can neither refuse nor delay, and says so" grep -q "neither refuse nor delay" <<<"$(field degraded "$r")"
expect_equal "tmpfs: it does not claim to" false "$(field refuses "$r")"
check "release" rdmaregctl release "$(field id "$r")"
finish
