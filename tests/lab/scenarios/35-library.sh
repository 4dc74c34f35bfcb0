#!/bin/bash
# boot: plain
# timeout: 720
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

# examples/numpy-checkpoint.py, of ordinary users: an array of the other node is written into the file, from its own memory, and read back
checkpoint="timeout 120 $AS_GOOD python3 -B /usr/share/doc/rdmareg/examples/numpy-checkpoint.py"
checksum='import sys, zlib; print("%08x" % zlib.crc32(open(sys.argv[1], "rb").read()))'
rm -f $file && truncate -s 0 $file && goods $file
$checkpoint serve $file 4 >/tmp/ticket 2>/tmp/serve.log &
serving=$!
check "numpy: the file is served" wait_for grep -q ^rdmareg:// /tmp/ticket
saved=$(on_b $checkpoint save "$(cat /tmp/ticket)" 4)
check "numpy: an array is written" grep -qxE '[0-9a-f]{8}' <<<"$saved"
expect_equal "numpy: the file is the array" "$saved" "$(python3 -c "$checksum" $file)"
as_good fallocate -p -o 2M -l 1M $file
check "numpy: who serves the file was asked" wait_for grep -q 'asked for' /tmp/serve.log
expect_equal "numpy: what is read back is the file" "$(python3 -c "$checksum" $file)" \
	"$(on_b $checkpoint load "$(cat /tmp/ticket)" 4)"
kill -INT $serving
wait $serving
check "numpy: the region ends with who serves it" wait_for no_regions

# A launcher for machines without a scheduler: root's session of an ordinary user, whose file nobody else may open. The command is
# there as long as somebody has the pipe open.
no_sessions() { [ "$(rdmaregctl session list --json)" = '[]' ] && no_regions; }
no_folder() { [ ! -e "$(head -n 1 /tmp/folder)" ]; }
begin_run() { # OPTION... : the folder with its tickets is in /tmp/folder, the launcher is $launcher
	rm -f /tmp/hold /tmp/folder
	mkfifo /tmp/hold
	sleep infinity >/tmp/hold &
	holder=$!
	"$@" -- sh -c 'echo $RDMAREG_TICKET_FOLDER; id -un; exec cat' </tmp/hold >/tmp/folder 2>/tmp/run.log &
	launcher=$!
	wait_for grep -q good /tmp/folder || cat /tmp/run.log
}
begin_run rdmaregctl session run --uid good --session job.7 --max-regions 4 --file "$file:rw,warm,name=model"
check "session run: the session is there, with its region" test "$(field regions "$(rdmaregctl --json session show job.7 --uid good)")" = 1
check "session run: a peer with its ticket" on_b rdmaregctl put /tmp/part "@$(head -n 1 /tmp/folder)/model"
expect_status 1 "session run: nobody else reads the ticket" as_mallory cat "$(head -n 1 /tmp/folder)/model"
kill $holder
wait $launcher
expect_equal "session run: its status is the command's" 0 $?
check "session run: nothing is left" wait_for no_sessions
check "session run: the folder neither" wait_for no_folder
begin_run rdmaregctl session run --uid good --file "$file:rw,name=model"
kill -9 $launcher
wait $launcher 2>/dev/null
check "session run, killed: nothing is left" wait_for no_sessions
check "session run, killed: the folder neither" wait_for no_folder
kill $holder
begin_run as_good rdmaregctl session run --file "$file:rw,name=model"
check "session run of an ordinary user: a peer with its ticket" on_b rdmaregctl put /tmp/part "@$(head -n 1 /tmp/folder)/model"
kill $holder
wait $launcher
check "session run of an ordinary user: nothing is left" wait_for no_sessions
finish
