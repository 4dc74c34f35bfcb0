# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The facts behind docs/arbitration-table.md: what happens when somebody takes blocks of a registered file, on each filesystem of the
# running kernel. Sourced after lib.sh; run as a program (./run table does that) it prints the rows of one filesystem, all or those of
# some operations, each as soon as it is known:
#   table.sh FILESYSTEM [OPERATION...]
#
# Where soft-RoCE has no on-demand paging the daemon runs with a keeper that has no adapter: module, filesystems and
# arbitration are the real ones all the same.

TABLE_GRACE_MSEC=400

[ "${BASH_SOURCE[0]}" != "$0" ] || . /lab/guest/lib.sh
. /lab/guest/servers.sh

TABLE_USER=2101 # whose operations are an ordinary user's
# where there are no such events "pre-content" is "auto"
kernel_at_least 6.14 || export PROBE_NO_EVENTS=1

# shellcheck disable=SC2034
if ! kernel_at_least 6.15; then
	RDMAREGD_ARGS="--keeper $RDMAREG_TESTS/rdmareg-keeper-adapterless"
	RDMAREG_KEEPER=rdmareg-keeper- # a process name has 15 characters
fi

# table_up - the product, on any kernel.
table_up() {
	# where hold cannot refuse it holds up for as long as is allowed: no need for ten seconds of that each time
	mkdir -p "$RDMAREG_CONFDIR"
	# and a busy machine starts keepers late
	printf '[keepers]\ntimeout_msec = 60000\n[regions]\nmax_grace_msec = 1000\n' >"$RDMAREG_CONFDIR/50-table.conf"
	setup_btrfs && setup_exchange && product_up
}

# In a file on tmpfs: the disks are taken.
setup_btrfs() {
	modprobe -a btrfs loop && truncate -s 256M /mnt/tmpfs/btrfs.image && mkfs.btrfs -q /mnt/tmpfs/btrfs.image &&
		mkdir -p /mnt/btrfs && mount -o loop /mnt/tmpfs/btrfs.image /mnt/btrfs && chmod 1777 /mnt/btrfs
}

# XFS with exchange-range (Linux 6.10) and the map of owners that online repair takes, for which mkfs.xfs has to be asked.
setup_exchange() {
	kernel_at_least 6.10 || return 0
	truncate -s 400M /mnt/tmpfs/exchange.image && mkfs.xfs -q -i exchange=1 -m rmapbt=1 /mnt/tmpfs/exchange.image &&
		mkdir -p /mnt/exchange && mount -o loop /mnt/tmpfs/exchange.image /mnt/exchange && chmod 1777 /mnt/exchange
}

table_down() {
	local dir
	product_down
	for dir in btrfs exchange; do
		! mountpoint -q /mnt/$dir || umount /mnt/$dir
	done
}

# table_rows FILESYSTEM [OPERATION...] - by $PROBE_UID, or root, in a folder of their own.
table_rows() {
	local fs=$1 folder=/mnt/$1/rows-${PROBE_UID:-0}
	shift
	mkdir -p "$folder" && chown "${PROBE_UID:-0}" "$folder" || return 1
	PROBE_SERVED=${SERVED:+$SERVED/rows-${PROBE_UID:-0}} PROBE_BENEATH=${BENEATH:+$BENEATH/rows-${PROBE_UID:-0}} \
		"$RDMAREG_TESTS/arbitration-probe" table "$fs" "$folder" $TABLE_GRACE_MSEC "$@"
}

# The same by root and by an ordinary user, at the same time.
table_rows_of_both() {
	local pid status=0
	table_rows "$@" &
	pid=$!
	PROBE_UID=$TABLE_USER table_rows "$@" || status=1
	wait $pid || status=1
	return $status
}

# What clients of an NFS server do while it exports the filesystem.
table_rows_served() { # FILESYSTEM OPERATION...
	local status=0 SERVED=/tmp/nfs
	nfs_up "/mnt/$1" $SERVED noac,lookupcache=none >&2 && nfs_ready $SERVED || return 1
	table_rows_of_both "$@" || status=1
	nfs_down $SERVED >&2 || status=1
	return $status
}

# What clients of an SMB server do while it shares the filesystem.
table_rows_shared() { # FILESYSTEM OPERATION...
	local status=0 SERVED=/tmp/smb
	smb_up "/mnt/$1" $SERVED $TABLE_USER >&2 || { dmesg | grep -iE 'smb|cifs' >&2; return 1; }
	table_rows_of_both "$@" || status=1
	smb_down $SERVED $TABLE_USER >&2 || status=1
	return $status
}

# An ordinary filesystem: what is done to the file itself, and what is done by way of a server.
table_rows_all() { # FILESYSTEM [OPERATION...]
	local fs=$1 name direct=() nfs=() smb=() status=0
	shift
	for name; do
		case $name in
		nfs-*) nfs+=("$name") ;;
		smb-*) smb+=("$name") ;;
		*) direct+=("$name") ;;
		esac
	done
	[ $# -gt 0 ] || { nfs=(nfs-truncate nfs-punch nfs-clone nfs-write) smb=(smb-truncate smb-punch smb-old-punch smb-clone smb-write); }
	if [ $# = 0 ] || [ ${#direct[@]} -gt 0 ]; then table_rows_of_both "$fs" "${direct[@]}" || status=1; fi
	[ ${#nfs[@]} = 0 ] || table_rows_served "$fs" "${nfs[@]}" || status=1
	[ ${#smb[@]} = 0 ] || table_rows_shared "$fs" "${smb[@]}" || status=1
	return $status
}

# f2fs, in a file on tmpfs; an NFS or SMB server above it is left out.
table_rows_f2fs() { # [OPERATION...]
	local status=0
	taker_modules f2fs >&2 && modprobe loop && truncate -s 256M /mnt/tmpfs/f2fs.image && shared_program mkfs.f2fs -q /mnt/tmpfs/f2fs.image >&2 &&
		mkdir -p /mnt/f2fs && mount -o loop /mnt/tmpfs/f2fs.image /mnt/f2fs && chmod 1777 /mnt/f2fs || return 1
	table_rows_of_both f2fs "$@" || status=1
	umount /mnt/f2fs || status=1
	return $status
}

# btrfs on a disk of zones, whose reclaim moves files' blocks as relocation does.
table_rows_zoned() { # [OPERATION...]
	local status=0
	[ $# -gt 0 ] || set -- relocate truncate punch reflink-from reflink-into write direct-write
	zones_up >&2 && mkdir -p /mnt/zoned && mkfs.btrfs -q -f -O zoned -d single -m single /dev/nullb0 >&2 &&
		mount /dev/nullb0 /mnt/zoned && chmod 1777 /mnt/zoned || return 1
	table_rows_of_both zoned "$@" || status=1
	umount /mnt/zoned || status=1
	return $status
}

# A file on an NFS mount.
table_rows_mounted() { # [OPERATION...]
	local status=0 BENEATH=/mnt/ext4
	nfs_up $BENEATH /mnt/nfs >&2 && nfs_ready /mnt/nfs || return 1
	table_rows_of_both nfs "$@" || status=1
	nfs_down /mnt/nfs >&2 || status=1
	return $status
}

table_rows_exchange() { # [OPERATION...]
	[ $# -gt 0 ] || set -- exchange rebuild
	! mountpoint -q /mnt/exchange || table_rows_of_both exchange "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	fs=${1:?table.sh FILESYSTEM [OPERATION...]}
	shift
	echo "# $(uname -r)"
	lab_setup >&2 && table_up >&2 || exit 1
	status=0
	case $fs in
	exchange | zoned | f2fs) "table_rows_$fs" "$@" ;;
	nfs) table_rows_mounted "$@" ;;
	*) table_rows_all "$fs" "$@" ;;
	esac || { echo "$fs: rows are missing" >&2; product_log | tail -n 20 >&2; status=1; }
	table_down >&2
	[ $status != 0 ] || [ $# -gt 0 ] || echo "# whole"
	exit $status
fi
