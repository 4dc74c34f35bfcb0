#!/bin/bash
# boot: plain
# timeout: 1200
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A filesystem takes blocks back while peers write: who acknowledges keeps its connection, who does not loses it at the deadline, the
# filesystem always gets its blocks, and nobody writes into them afterwards. Also with the daemon stopped or dead, and with the keeper
# stopped: then the kernel's own deadline holds. The same for an ordinary user, and for one who may only read the file.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
unruly=$RDMAREG_TESTS/unruly-peer
noise /tmp/sent 8

# open_region FS [OPTION...] - 8 MiB, exported; sets r, id, ticket
open_region() {
	local fs=$1
	shift
	zeroes /mnt/$fs/file 8
	r=$(register /mnt/$fs/file --export "$@") || { not_ok "$fs: register"; return 1; }
	id=$(field id "$r") ticket=$(field ticket "$r")
}
# open_own FS [OPTION...] - the same for an ordinary user
open_own() {
	local fs=$1
	shift
	zeroes /mnt/$fs/own 8 && goods /mnt/$fs/own
	r=$(as_good rdmaregctl --json register /mnt/$fs/own --access rw --export "$@") || { not_ok "$fs: register as a user"; return 1; }
	id=$(field id "$r") ticket=$(field ticket "$r")
}
written_again() { # FS - what the punch took
	sync /mnt/$1/file
	cmp -s <(head -c 2M /tmp/sent) <(dd if=/mnt/$1/file bs=1M skip=2 count=2 status=none)
}
close_region() { check "$1: release" rdmaregctl release "$id"; }

for fs in xfsdax xfs; do
	# a peer that behaves
	open_region $fs --grace 10s || continue
	start_peer /tmp/peer.log rdmaregctl --json put /tmp/sent "$ticket" --repeat forever --timeline
	wait_for region_is "$id" peers 1
	truncate_file /mnt/$fs/file 4M
	check "$fs: an acknowledged truncate does not wait for the deadline ($took ms)" test $took -lt 9500
	check "$fs: settled with the new length" wait_for settled "$id" $((4 * MIB))
	expect_equal "$fs: the file has it too" $((4 * MIB)) "$(stat -c %s /mnt/$fs/file)"
	check "$fs: the peer was asked" wait_for in_log /tmp/peer.log asked
	check "$fs: the peer was told the end" wait_for in_log /tmp/peer.log settled
	wait_peer
	check "$fs: the peer says that its data no longer fits, over a connection that was kept" test "$PEER_STATUS" = 1
	truncate_file /mnt/$fs/file 8M
	check "$fs: a file that grows again is usable again" wait_for settled "$id" $((8 * MIB))
	check "$fs: and is" on_b rdmaregctl put /tmp/sent "$ticket"
	close_region "$fs"

	# a punched hole: same length, everything goes on
	open_region $fs --grace 10s || continue
	start_peer /tmp/peer.log rdmaregctl --json put /tmp/sent "$ticket" --offset 2M --length 2M --repeat forever --timeline
	wait_for region_is "$id" peers 1
	check "$fs: punch while a peer writes" timeout 60 fallocate -p -o 2M -l 2M /mnt/$fs/file
	check "$fs: it writes all of that again" wait_for written_again $fs
	end_peer
	expect_equal "$fs: the peer carries on to its end" 0 "$PEER_STATUS"
	check "$fs: it was asked once at least" in_log /tmp/peer.log '"asked"'
	check "$fs: and what it wrote after the punch is there" written_again $fs
	rdmaregctl history /mnt/$fs/file --no-legend >/tmp/history.log
	check "$fs: the history says who punched" in_log /tmp/history.log ' asked: fallocate of .*, by pid [0-9]* (fallocate) of uid 0'
	check "$fs: and that the peer answered, and how long it took" in_log /tmp/history.log ' answered: peer [0-9]'
	check "$fs: and how long the punch waited" in_log /tmp/history.log ' given-back: whoever asked waited [0-9]'
	close_region "$fs: punch"

	# a peer that ignores everything, and beside it one that behaves
	open_region $fs --grace 1s || continue
	start_peer /tmp/good.log rdmaregctl put /tmp/sent "$ticket" --length 1M --repeat forever --timeline
	good=$PEER
	start_peer /tmp/bad.log "$unruly" "$ticket" hammer
	wait_for region_is "$id" peers 2
	truncate_file /mnt/$fs/file 4M
	check "$fs: the truncate returns at the deadline ($took ms)" test $took -ge 900 -a $took -lt 15000
	wait_peer
	expect_equal "$fs: the unruly peer has ended" 0 "$PEER_STATUS"
	check "$fs: because its writes failed" in_log /tmp/bad.log '^failed after'
	# the blocks go to the next file: not one byte of the unruly peer may be in it
	head -c $((4 * MIB)) /dev/zero >/mnt/$fs/next
	expect_equal "$fs: no byte of it in the freed blocks" 0 "$(grep -c -a -P '\xbd{64}' /mnt/$fs/next)"
	check "$fs: settled" wait_for settled "$id" $((4 * MIB))
	check "$fs: the other peer kept its connection" test "$(field peers "$(region "$id")")" = 1 -a -d /proc/$good
	kill $good
	wait $good 2>/dev/null
	close_region "$fs: unruly"

	# nobody holds it: no waiting
	open_region $fs --grace 10s || continue
	truncate_file /mnt/$fs/file 4M
	check "$fs: without holders nobody waits ($took ms)" test $took -lt 9500
	wait_for settled "$id" $((4 * MIB))
	check "$fs: write(2) by others is not held up" timeout 9 dd if=/tmp/sent of=/mnt/$fs/file bs=1M count=1 conv=notrunc status=none
	close_region "$fs: nobody"

	# the daemon stopped: the keeper carries it through
	open_region $fs --grace 1s || continue
	start_peer /tmp/bad.log "$unruly" "$ticket" hammer
	wait_for region_is "$id" peers 1
	kill -STOP "$(cat /run/lab/rdmaregd.pid)"
	truncate_file /mnt/$fs/file 4M
	check "$fs: with the daemon stopped, at the deadline ($took ms)" test $took -lt 15000
	kill -CONT "$(cat /run/lab/rdmaregd.pid)"
	check "$fs: the daemon catches up" wait_for settled "$id" $((4 * MIB))
	wait_peer
	close_region "$fs: stopped daemon"

	# the keeper stopped: the kernel gives the blocks back
	open_region $fs --grace 1s || continue
	keeper=$(keeper_pids)
	kill -STOP $keeper
	truncate_file /mnt/$fs/file 4M
	check "$fs: with the keeper stopped, at the kernel's deadline ($took ms)" test $took -lt 15000
	kill -CONT $keeper
	check "$fs: the keeper catches up" wait_for settled "$id" $((4 * MIB))
	close_region "$fs: stopped keeper"
done

users_up
for fs in xfsdax xfs; do
	# the owner of the file takes blocks; then somebody who may only read it does, for a file of his own
	open_own $fs --grace 10s || continue
	start_peer /tmp/peer.log $AS_GOOD rdmaregctl --json put /tmp/sent "$ticket" --repeat forever --length 1M --timeline
	wait_for region_is "$id" peers 1
	truncate_file /mnt/$fs/own 4M $AS_GOOD
	check "$fs: a user's acknowledged truncate does not wait for the deadline ($took ms)" test $took -lt 9500
	check "$fs: a user's: settled" wait_for settled "$id" $((4 * MIB))
	check "$fs: a user's: punch" timed $AS_GOOD fallocate -p -o 2M -l 1M /mnt/$fs/own
	check "$fs: a user's: settled again" wait_for settled "$id" $((4 * MIB))
	chmod 644 /mnt/$fs/own
	asked=$(grep -c '"asked"' /tmp/peer.log)
	check "$fs: who may only read: reading" timed $AS_MALLORY dd if=/mnt/$fs/own of=/dev/null bs=64k status=none
	expect_equal "$fs: who may only read: reading asks nobody" "$asked" "$(grep -c '"asked"' /tmp/peer.log)"
	check "$fs: who may only read: reflink of its blocks" timed $AS_MALLORY cp --reflink=always /mnt/$fs/own /mnt/$fs/copy
	check "$fs: who may only read: which does not wait for the deadline ($took ms)" test $took -lt 9500
	check "$fs: who may only read: settled" wait_for settled "$id" $((4 * MIB))
	check "$fs: a user's peer was asked each time, and kept its connection" test "$(field peers "$(region "$id")")" = 1 -a -d /proc/$PEER
	kill $PEER
	wait_peer
	rm /mnt/$fs/copy
	check "$fs: a user's: release" as_good rdmaregctl release "$id"

	# nobody acknowledges; then the daemon, then the keeper is stopped
	open_own $fs --grace 1s || continue
	start_peer /tmp/bad.log $AS_MALLORY "$unruly" "$ticket" hammer
	wait_for region_is "$id" peers 1
	truncate_file /mnt/$fs/own 6M $AS_GOOD
	check "$fs: a user's truncate returns at the deadline ($took ms)" test $took -ge 900 -a $took -lt 15000
	wait_peer
	check "$fs: because its unruly peer is gone" in_log /tmp/bad.log '^failed after'
	head -c $((2 * MIB)) /dev/zero >/mnt/$fs/next
	expect_equal "$fs: no byte of it in the freed blocks" 0 "$(grep -c -a -P '\xbd{64}' /mnt/$fs/next)"
	check "$fs: a user's: settled at the deadline" wait_for settled "$id" $((6 * MIB))
	kill -STOP "$(cat /run/lab/rdmaregd.pid)"
	truncate_file /mnt/$fs/own 4M $AS_GOOD
	check "$fs: a user's, with the daemon stopped, at the deadline ($took ms)" test $took -lt 15000
	kill -CONT "$(cat /run/lab/rdmaregd.pid)"
	check "$fs: a user's: the daemon catches up" wait_for settled "$id" $((4 * MIB))
	kill -STOP $(keeper_pids)
	truncate_file /mnt/$fs/own 2M $AS_GOOD
	check "$fs: a user's, with the keeper stopped, at the kernel's deadline ($took ms)" test $took -lt 15000
	kill -CONT $(keeper_pids)
	check "$fs: a user's: the keeper catches up" wait_for settled "$id" $((2 * MIB))
	check "$fs: a user's: release" as_good rdmaregctl release "$id"
done

for fs in ext4 ext4dax tmpfs; do
	open_region $fs || continue
	truncate_file /mnt/$fs/file 4M
	check "$fs: told after the fact: the valid length follows" wait_for settled "$id" $((4 * MIB))
	close_region "$fs"
	open_own $fs || continue
	truncate_file /mnt/$fs/own 4M $AS_GOOD
	check "$fs: a user's: so it does" wait_for settled "$id" $((4 * MIB))
	check "$fs: a user's: release" as_good rdmaregctl release "$id"
done
finish
