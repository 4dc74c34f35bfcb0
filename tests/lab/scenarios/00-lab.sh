#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The lab itself: what the other scenarios take for granted is really there.
# boot: plain
# boot: systemd
# boot: plain kernel=6.12
# boot: plain kernel=6.1
. /lab/guest/lib.sh
. /lab/guest/left.sh
lab_setup

map_sync_works() { xfs_io -f -c "truncate 1m" -c "mmap -S 0 1m" -c "mwrite 0 4k" "$1/probe" && rm "$1/probe"; }

listening() { rdma resource show cm_id | grep -q LISTEN; }

# rping_to ADDRESS SERVER-PREFIX...: the server runs on the node that has the address, the client on node a.
rping_to() {
	local address=$1
	shift
	"$@" timeout 40 rping -s -a "$address" -C 2 &
	wait_for listening || return 1
	timeout 30 rping -c -a "$address" -C 2 && wait $!
}

check "node a reaches node b" ping -c 1 -W 5 $LAB_ADDR_B
check "node b reaches node a" on_b ping -c 1 -W 5 $LAB_ADDR_A
check "an RC connection of node a to itself carries data" rping_to $LAB_ADDR_A
if lab_two_nodes; then
	check "an RC connection between the nodes carries data" rping_to $LAB_ADDR_B on_b
else
	skip "an RC connection between the nodes" "rxe of Linux $LAB_KERNEL does not listen in other name spaces"
fi
for fs in ext4dax xfsdax; do
	check "/mnt/$fs is DAX: MAP_SYNC mappings work" map_sync_works /mnt/$fs
done
for fs in ext4 xfs; do
	expect_status 1 "/mnt/$fs is not DAX" map_sync_works /mnt/$fs
done
check "a device-dax exists" test -c "$LAB_DEVDAX"
check "debugging aids are mounted" test -d /sys/kernel/debug/tracing
check "kernel log clean so far" kernel_log_clean
check "nothing is registered" nothing_left
if [ "$LAB_BOOT" = systemd ]; then
	check "the system bus is dbus-broker" systemctl is-active dbus-broker.service
	expect_equal "no unit failed" "" "$(systemctl --failed --no-legend --plain)"
else
	check "a system bus starts" dbus_up
	check "and answers" bus_has_owner org.freedesktop.DBus
fi
# what the driver looks for after each scenario is found when it is there
left_has() { left_down | grep -q "$1"; }
expect_equal "nothing is left behind" "" "$(left_down)"
cp "$(command -v sleep)" /tmp/rdmareg-keeper
/tmp/rdmareg-keeper 600 &
stray=$!
check "a keeper that stays is found" wait_for left_has '^process .*rdmareg-keeper'
rping -s -a $LAB_ADDR_A &
peer=$!
check "what stays on an adapter is found" wait_for left_has "^cm_id: .*pid $peer "
if module_up; then
	check "the module that stays is found" left_has '^module: .*refcnt:0'
	rmmod rdmareg
fi
kill $stray $peer
wait $stray $peer 2>/dev/null
check "and nothing else" wait_for nothing_down
if [ -e /usr/lib/sysusers.d/rdmareg.conf ]; then
	check "the product's group exists" getent group rdmareg
fi
finish
