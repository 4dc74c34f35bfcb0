#!/bin/bash
# boot: plain
# timeout: 240
# SPDX-License-Identifier: GPL-2.0-or-later
#
# librdmareg's own test programs, which skip on machines without an adapter: the peer side against a real keeper, with transfers, zero copy,
# flush, and a revocation answered by hand, by the library, and not at all; the owner side as a local holder who is asked.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
no_regions() { [ "$(mr_count)" = 0 ]; }

for fs in xfs xfsdax; do
	file=/mnt/$fs/file
	zeroes $file 8
	r=$(register $file --export --grace 2s)
	check "$fs: the peer side" on_b timeout 120 "$RDMAREG_TESTS/test-client-peer" "$(field ticket "$r")" "fallocate -p -o 2M -l 1M $file"
	check "$fs: release" rdmaregctl release "$(field id "$r")"
	zeroes $file 8
	check "$fs: the owner side" timeout 120 "$RDMAREG_TESTS/test-client-owner" $file "truncate -s 4M $file"
done
# and as an ordinary user, with a file that nobody else may open
users_up
file=/mnt/xfs/own
zeroes $file 8 && goods $file
r=$(as_good rdmaregctl --json register $file --access rw --export --grace 2s)
check "an ordinary user's peer" on_b $AS_GOOD timeout 120 "$RDMAREG_TESTS/test-client-peer" "$(field ticket "$r")" "fallocate -p -o 2M -l 1M $file"
check "an ordinary user's: release" as_good rdmaregctl release "$(field id "$r")"
zeroes $file 8
check "an ordinary user as owner" as_good timeout 120 "$RDMAREG_TESTS/test-client-owner" $file "truncate -s 4M $file"
check "a region ends with its owner's connection" wait_for no_regions

# the example of README.md, in C as it stands there: an ordinary user's, with a peer, and a truncate that it acknowledges
zeroes $file 8
head -c $MIB /dev/urandom >/tmp/part
$AS_GOOD "$RDMAREG_TESTS/readme-program" $file >/tmp/ticket 2>/tmp/readme.log &
program=$!
check "README's example: prints a ticket" wait_for grep -q ^rdmareg:// /tmp/ticket
check "README's example: a peer writes into its file" on_b rdmaregctl put /tmp/part @/tmp/ticket
rdmaregctl watch --json >/tmp/watch &
watching=$!
check "README's example: watched" wait_for grep -q present /tmp/watch
as_good truncate -s 4M $file
check "README's example: the truncate is settled" wait_for grep -q revocation-settled /tmp/watch
check "README's example: the file has what the peer wrote" cmp -n $MIB /tmp/part $file
kill $program $watching
wait $program $watching
check "README's example: its region ends with it" wait_for no_regions
finish
