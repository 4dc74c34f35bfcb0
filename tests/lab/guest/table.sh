# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The facts behind docs/arbitration-table.md: what happens when somebody takes blocks of a registered file, on each filesystem of the
# running kernel. Sourced after lib.sh; run as a program it prints all rows (./run table does that).
#
# Where soft-RoCE has no on-demand paging the daemon runs with a keeper that has no adapter: module, filesystems and
# arbitration are the real ones all the same.

TABLE_GRACE_MSEC=400

[ "${BASH_SOURCE[0]}" != "$0" ] || . /lab/guest/lib.sh

# shellcheck disable=SC2034
if ! kernel_at_least 6.15; then
	RDMAREGD_ARGS="--keeper $RDMAREG_TESTS/rdmareg-keeper-adapterless"
	RDMAREG_KEEPER='rdmareg-keeper.' # a process name has 15 characters, and so may a pattern
fi

# table_up - the product, on any kernel.
table_up() {
	# where hold cannot refuse it holds up for as long as is allowed: no need for ten seconds of that each time
	mkdir -p "$RDMAREG_CONFDIR"
	printf '[regions]\nmax_grace_msec = 1000\n' >"$RDMAREG_CONFDIR/50-table.conf"
	setup_btrfs && setup_exchange && product_up
}

# In a file on tmpfs: the disks are taken.
setup_btrfs() {
	modprobe -a btrfs loop && truncate -s 256M /mnt/tmpfs/btrfs.image && mkfs.btrfs -q /mnt/tmpfs/btrfs.image &&
		mkdir -p /mnt/btrfs && mount -o loop /mnt/tmpfs/btrfs.image /mnt/btrfs && chmod 1777 /mnt/btrfs
}

# XFS with exchange-range, which mkfs.xfs has to be asked for (Linux 6.10).
setup_exchange() {
	kernel_at_least 6.10 || return 0
	truncate -s 400M /mnt/tmpfs/exchange.image && mkfs.xfs -q -i exchange=1 /mnt/tmpfs/exchange.image &&
		mkdir -p /mnt/exchange && mount -o loop /mnt/tmpfs/exchange.image /mnt/exchange
}

table_down() {
	local dir
	product_down
	for dir in btrfs exchange; do
		! mountpoint -q /mnt/$dir || umount /mnt/$dir
	done
}

# table_rows FILESYSTEM [OPERATION...]
table_rows() {
	local fs=$1 directory=/mnt/$1
	shift
	"$RDMAREG_TESTS/arbitration-probe" table "$fs" "$directory" $TABLE_GRACE_MSEC "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	echo "# $(uname -r)"
	lab_setup >&2 && table_up >&2 || exit 1
	for fs in xfs xfsdax ext4 ext4dax btrfs tmpfs; do
		table_rows $fs || { product_log | tail -n 20 >&2; exit 1; }
	done
	! mountpoint -q /mnt/exchange || table_rows exchange exchange
	table_down >&2
fi
