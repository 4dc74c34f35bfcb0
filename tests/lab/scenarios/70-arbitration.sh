#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What docs/arbitration-table.md says is what happens: the most telling operations of each filesystem are run again
# and compared with the table (./run table makes all of it anew). A row that differs is tried twice more, since a busy
# machine can make an operation look as if it had waited. Where the kernel tells who does what, an ordinary user is tried, too.
# Linux 6.1 stands for 6.12, about which the table says the same.
# boot: plain
# boot: plain kernel=6.1
# timeout: 900
. /lab/guest/lib.sh
. /lab/guest/table.sh

expected=/lab/table/${LAB_KERNEL%.*}.tsv
[ -e "$expected" ] || expected=/lab/table/$LAB_KERNEL.tsv
FILESYSTEMS="xfs xfsdax ext4 ext4dax btrfs tmpfs"
OPERATIONS="truncate open-truncate punch reflink-from write"

# rows_match FILESYSTEM OPERATION
rows_match() {
	local got want
	got=$(table_rows "$1" "$2") || return 1
	want=$(awk -F'\t' -v fs="$1" -v op="$2" -v by="${PROBE_UID:+user}" '$1 == fs && $2 == op && $3 == (by ? by : "root")' "$expected" | cut -f1-8)
	[ -n "$want" ] && [ "$got" = "$want" ] && return 0
	echo "# $1 $2: the table says, and this happened:"
	diff <(echo "$want") <(echo "$got")
	return 1
}

three_times() { "$@" || "$@" || "$@"; }

# rows_of TABLE - what it says of these, without kernel and day.
rows_of() {
	awk -F'\t' -v filesystems="$FILESYSTEMS" -v operations="$OPERATIONS" '
		BEGIN { n = split(filesystems, f, " "); while (n) tried[f[n--]]; n = split(operations, o, " "); while (n) tried[o[n--]] }
		$1 in tried && $2 in tried' "$1" | cut -f1-8
}
same_table() { [ -n "$(rows_of "$1")" ] && diff <(rows_of "$1") <(rows_of "$2"); }

check "the product runs on this kernel" table_up || exit 1
for fs in $FILESYSTEMS; do
	for operation in $OPERATIONS; do
		check "$fs, $operation: as in the table" three_times rows_match $fs $operation
	done
done
if kernel_at_least 6.14; then
	for fs in xfs ext4 btrfs; do
		for operation in punch write; do
			check "$fs, $operation by an ordinary user: the same" three_times env PROBE_UID=2101 bash -c \
				". /lab/guest/lib.sh; . /lab/guest/table.sh; $(declare -f rows_match); expected=$expected; rows_match $fs $operation"
		done
	done
fi
[ "$LAB_KERNEL" != 6.1 ] || check "what the table says of 6.12 is the same" same_table "$expected" /lab/table/6.12.tsv
! mountpoint -q /mnt/exchange || check "exchange-range: as in the table" three_times rows_match exchange exchange
table_down
