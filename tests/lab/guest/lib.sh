# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The guest's shell library, sourced by every scenario: `. /lab/guest/lib.sh`.
#
# What a scenario finds after lab_setup (idempotent; the test driver has called it before the first scenario):
#
#   node a  this name space, 10.99.0.1, RDMA device rxea           node b  on_b CMD..., 10.99.0.2, RDMA device rxeb
#   /mnt/ext4 /mnt/xfs       on virtio disks, page cache           /mnt/ext4dax /mnt/xfsdax  on pmem, dax=always
#   /mnt/tmpfs               memory                                $LAB_DEVDAX               device-dax, 2 MiB pages
#   $LAB_KERNEL  6.1, 6.12, 7.2 ...     $LAB_BOOT  plain or systemd
#
# Nothing in here sleeps for a fixed time: wait_for polls a condition with a bound.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LAB_KERNEL=$(uname -r | grep -oE '^[0-9]+\.[0-9]+')
LAB_ADDR_A=10.99.0.1 LAB_ADDR_B=10.99.0.2
if [ -d /run/systemd/system ]; then LAB_BOOT=systemd; else LAB_BOOT=plain; fi
export LAB_KERNEL LAB_BOOT LAB_ADDR_A LAB_ADDR_B
LAB_STATE=/run/lab
mkdir -p "$LAB_STATE"

. /lab/guest/assert.sh
. /lab/guest/product.sh

on_b() { ip netns exec b "$@"; }

# kernel_at_least 6.15 - for what only newer kernels can do: kernel_at_least 6.15 || skip_all "no ODP in rxe".
kernel_at_least() { [ "$(printf '%s\n%s\n' "$1" "$LAB_KERNEL" | sort -V | head -n 1)" = "$1" ]; }

# Whether RDMA works between the nodes: rxe used to listen in the first name space only. Where it does not, node a can
# still connect to itself.
lab_two_nodes() { kernel_at_least 7.0; }

setup_nodes() {
	modprobe -a veth rdma_rxe ib_uverbs rdma_ucm
	ip netns add b
	ip link add veth-a mtu 4200 type veth peer name veth-b mtu 4200 netns b
	ip addr add $LAB_ADDR_A/24 dev veth-a
	on_b ip addr add $LAB_ADDR_B/24 dev veth-b
	ip link set veth-a up
	on_b ip link set lo up
	on_b ip link set veth-b up
	rdma link add rxea type rxe netdev veth-a
	on_b rdma link add rxeb type rxe netdev veth-b
	wait_for on_b ping -c 1 -W 1 $LAB_ADDR_A
	wait_for ping -c 1 -W 1 $LAB_ADDR_B
}

# Packets between the nodes go nowhere, as where a switch fails. Without a link there would be no route either, and what soft-RoCE's queue pair
# for connecting sends then stops that for good (docs/lab.md).
lose_packets() {
	on_b ip neigh replace "$LAB_ADDR_A" lladdr 02:00:00:00:00:01 dev veth-b nud permanent &&
		ip neigh replace "$LAB_ADDR_B" lladdr 02:00:00:00:00:01 dev veth-a nud permanent
}
find_way() {
	on_b ip neigh del "$LAB_ADDR_A" dev veth-b
	ip neigh del "$LAB_ADDR_B" dev veth-a
}

# pmem_number 1|2|3 - of the first, second or third range of persistent memory. They are numbered together with the dynamic DAX region,
# so it depends on whose driver came first.
pmem_number() {
	wait_for pmem_is_complete >&2
	printf '%s\n' /sys/bus/nd/devices/region[0-9]* | sed 's/.*region//' | sort -n | sed -n "$1p"
}
pmem_is_complete() { [ "$(printf '%s\n' /sys/bus/nd/devices/region[0-9]* | wc -l)" = 3 ]; }

# rail_up - a second device on each node, rxea2 and rxeb2, which reach each other by IPv6; keepers that start from now on, or daemons that are
# told to reload, listen on both. rail_down - as before; never fails.
LAB_RAIL_A=fd00:97::1 LAB_RAIL_B=fd00:97::2
rail_up() {
	ip link add veth-a2 mtu 4200 type veth peer name veth-b2 mtu 4200 netns b &&
		ip link set veth-a2 up &&
		on_b ip link set veth-b2 up &&
		ip -6 addr add $LAB_RAIL_A/64 dev veth-a2 nodad &&
		on_b ip -6 addr add $LAB_RAIL_B/64 dev veth-b2 nodad &&
		rdma link add rxea2 type rxe netdev veth-a2 &&
		on_b rdma link add rxeb2 type rxe netdev veth-b2 &&
		wait_for on_b ping -c 1 -W 1 $LAB_RAIL_A &&
		mkdir -p "$RDMAREG_CONFDIR" &&
		printf '[keepers]\nlisten_address = %s,%s\n' $LAB_ADDR_A $LAB_RAIL_A >"$RDMAREG_CONFDIR/rail.conf"
}
rail_down() {
	rdma link delete rxea2
	on_b rdma link delete rxeb2
	ip link del veth-a2
	rm -f "$RDMAREG_CONFDIR/rail.conf"
	return 0
} 2>/dev/null

# rail_mark - from here on: rail_has_part N - each of node A's devices has received more than N packets.
rail_received() { cat "/sys/class/infiniband/$1/ports/1/hw_counters/rcvd_pkts"; }
rail_mark() { RAIL_BEFORE=$(rail_received rxea) RAIL_BEFORE2=$(rail_received rxea2); }
rail_has_part() {
	[ "$(rail_received rxea)" -gt $((RAIL_BEFORE + $1)) ] && [ "$(rail_received rxea2)" -gt $((RAIL_BEFORE2 + $1)) ]
}

setup_pmem() {
	local third
	modprobe -a nd_e820 nd_pmem device_dax dax_pmem
	third=$(pmem_number 3)
	wait_for test -e "/sys/bus/nd/devices/namespace$third.0" -o -e "/sys/bus/nd/devices/namespace$third.1"
	ndctl create-namespace -f -e "namespace$third.0" -m devdax -a 2M -M mem >"$LAB_STATE/devdax.json"
	jq -r '"/dev/" + .daxregion.devices[0].chardev' "$LAB_STATE/devdax.json" >"$LAB_STATE/devdax"
}

# setup_fs NAME DEVICE OPTIONS MKFS... - makes, mounts and checks one file system.
setup_fs() {
	local dir=/mnt/$1 dev=$2 options=$3
	shift 3
	mkdir -p "$dir"
	wait_for test -b "$dev" || { echo "$dev does not appear"; return 1; }
	"$@" "$dev" >/dev/null
	mount -o "$options" "$dev" "$dir"
	chmod 1777 "$dir"
}

setup_filesystems() {
	local dir
	modprobe -a virtio_blk
	mkdir -p /mnt/tmpfs
	mount -t tmpfs -o size=3G,mode=1777 tmpfs /mnt/tmpfs
	# loading xfs takes seconds under emulation: the others go beside it
	setup_fs xfs /dev/vdb rw mkfs.xfs -q -f -K &
	setup_fs ext4 /dev/vda rw mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=1 &
	setup_fs ext4dax "/dev/pmem$(pmem_number 2)" dax=always mkfs.ext4 -q -F -b 4096 -E nodiscard &
	setup_fs xfsdax "/dev/pmem$(pmem_number 1)" dax=always mkfs.xfs -q -f -K -m "reflink=1" &
	wait
	for dir in xfs ext4 xfsdax ext4dax; do mountpoint "/mnt/$dir"; done
}

# lab_setup - everything above, once per boot. A part that fails is named; the first scenario then looks closer.
lab_setup() {
	local part pids=() pid failed=0
	[ ! -e "$LAB_STATE/ready" ] || { LAB_DEVDAX=$(cat "$LAB_STATE/devdax"); export LAB_DEVDAX; return 0; }
	pidof -q systemd-udevd || /usr/lib/systemd/systemd-udevd --daemon 2>/dev/null
	modprobe xfs & modprobe ext4 &
	for part in setup_nodes setup_pmem setup_filesystems; do
		(set -e; WAIT_SEC=120; $part) >"$LAB_STATE/$part.log" 2>&1 &
		pids+=("$!:$part")
	done
	for pid in "${pids[@]}"; do
		wait "${pid%%:*}" || { echo "lab: ${pid#*:} failed:"; cat "$LAB_STATE/${pid#*:}.log"; failed=1; }
	done
	wait
	ulimit -l unlimited
	LAB_DEVDAX=$(cat "$LAB_STATE/devdax")
	export LAB_DEVDAX
	[ $failed = 1 ] || touch "$LAB_STATE/ready"
	return $failed
}

# lab_reset - back to a clean state between two scenarios: no product, no processes of ours, no settings, empty file systems.
lab_reset() {
	local dir
	product_down
	ip link set veth-a up
	on_b ip link set veth-b up # a scenario that was ended in its middle may have left it down
	[ ! -e /sys/class/net/veth-a2 ] || rail_down
	rm -f "$DAEMON_LOG" "$RDMAREG_CONFDIR"/*
	for dir in ext4 xfs ext4dax xfsdax tmpfs; do
		find "/mnt/$dir" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +
	done
	dmesg -n 5
}
