# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Files that everything is done to, by local system calls and by a peer, each byte of which is known (tests/lab/src/torture/main.c). Sourced
# after lib.sh; as a program (./run torture) it plays tapes on each filesystem, prints how many operations were done, and fails if one of them
# did what it must not.

TORTURE_FILESYSTEMS="xfs xfs-dax ext4 ext4-dax btrfs tmpfs device-dax"

# torture_up - a btrfs in a file on tmpfs, since the disks are taken, and patience with a busy machine.
torture_up() {
	mkdir -p "$RDMAREG_CONFDIR" /mnt/btrfs
	printf '[keepers]\ntimeout_msec = 60000\n' >"$RDMAREG_CONFDIR/50-torture.conf"
	modprobe -a btrfs loop && truncate -s 512M /mnt/tmpfs/torture.image && losetup /dev/loop0 /mnt/tmpfs/torture.image || return 1
	torture_disk btrfs /dev/loop0 mkfs.btrfs -q && torture_disk xfs /dev/vdb mkfs.xfs -q -f -K &&
		torture_disk ext4 /dev/vda mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=1 && product_up
}

# torture_disk FILESYSTEM DEVICE MKFS... - has that filesystem on a disk that can be made to hang and to fail (torture-actor.sh).
torture_disk() {
	local fs=$1 device=$2
	shift 2
	! mountpoint -q "/mnt/$fs" || umount "/mnt/$fs"
	modprobe dm_mod && dmsetup create "torture-$fs" --noudevsync --table "0 $(blockdev --getsz "$device") linear $device 0" &&
		dmsetup mknodes "torture-$fs" && "$@" "/dev/mapper/torture-$fs" >/dev/null && mount "/dev/mapper/torture-$fs" "/mnt/$fs"
}

# torture_note - what the daemon has counted, before another one begins anew.
torture_note() { timeout 10 rdmaregctl metrics >>/run/lab/torture.metrics; }

# torture FILESYSTEM [OPTION...] - tapes on it.
torture() {
	local folder=/mnt/${1/-/}/torture
	if [ "$1" = device-dax ]; then folder=$LAB_DEVDAX; else mkdir -p "$folder"; fi
	"$RDMAREG_TESTS/torture" "${@:2}" "$1" "$folder"
}

# torture_counts FILESYSTEM - what the daemons have counted since the last time: by which way operations were held up, revocations by the mode of
# their region, what the gate did with operations on marked files, who was late.
torture_counts() {
	torture_note
	awk -v name="$1" '
		/^rdmareg_(filesystem_wait_seconds_count|revocations_total|fence_seconds_count|pre_content_operations_total|deadlines_total)/ ||
		/^rdmareg_(late_holders|bypasses|invalidations|removals)_total/ {
			what = $1
			gsub(/^rdmareg_|_total|_seconds_count|(cause|outcome)="[^"]*"|[a-z]+=|[{}",]/, " ", what)
			gsub(/ +/, " ", what)
			sum[what] += $2
		}
		END { for (what in sum) if (sum[what]) printf "%s:%s %d\n", name, what, sum[what] }' /run/lab/torture.metrics | sort
	rm /run/lab/torture.metrics
}

[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

. /lab/guest/lib.sh
filesystems=() options=()
for word; do
	case " $TORTURE_FILESYSTEMS " in
	*" $word "*) filesystems+=("$word") ;;
	*) if [ "$word" = --actors ]; then options+=(--actors /lab/guest/torture-actor.sh); else options+=("$word"); fi ;;
	esac
done
lab_setup && torture_up || exit 1
failed=0
read -ra filesystems <<<"${filesystems[*]:-$TORTURE_FILESYSTEMS}"
for fs in "${filesystems[@]}"; do
	torture "$fs" --tape "/share/$fs.tape" "${options[@]}" || { failed=1; product_log | tail -n 20; }
	torture_counts "$fs"
	product_down && rm -f /run/lab/torture.next && product_up
done
kernel_trouble && failed=1
exit $failed
