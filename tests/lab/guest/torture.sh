# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Files that everything is done to, by local system calls and by a peer, each byte of which is known (tests/lab/src/torture/main.c). Sourced
# after lib.sh; as a program (./run torture) it plays tapes on each filesystem, prints how many operations were done, and fails if one of them
# did what it must not.

TORTURE_FILESYSTEMS="xfs xfs-dax ext4 ext4-dax btrfs tmpfs"

# torture_up - a btrfs in a file on tmpfs, since the disks are taken, and patience with a busy machine.
torture_up() {
	mkdir -p "$RDMAREG_CONFDIR"
	printf '[keepers]\ntimeout_msec = 60000\n' >"$RDMAREG_CONFDIR/50-torture.conf"
	modprobe -a btrfs loop && truncate -s 512M /mnt/tmpfs/torture.image && mkfs.btrfs -q /mnt/tmpfs/torture.image &&
		mkdir -p /mnt/btrfs && mount -o loop /mnt/tmpfs/torture.image /mnt/btrfs && product_up
}

# torture FILESYSTEM [OPTION...] - tapes on it.
torture() {
	local folder=/mnt/${1/-/}/torture
	mkdir -p "$folder" && "$RDMAREG_TESTS/torture" "${@:2}" "$1" "$folder"
}

[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

. /lab/guest/lib.sh
filesystems=() options=()
for word; do
	case " $TORTURE_FILESYSTEMS " in
	*" $word "*) filesystems+=("$word") ;;
	*) options+=("$word") ;;
	esac
done
lab_setup && torture_up || exit 1
failed=0
read -ra filesystems <<<"${filesystems[*]:-$TORTURE_FILESYSTEMS}"
for fs in "${filesystems[@]}"; do
	torture "$fs" --tape "/share/$fs.tape" "${options[@]}" || { failed=1; product_log | tail -n 20; }
done
kernel_trouble && failed=1
exit $failed
