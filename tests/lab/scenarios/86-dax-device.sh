#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices made of a dynamic DAX region (soft-reserved memory): cleared, registered, written by a peer, never taken from under a user, gone with the
# connection that asked, and without a trace of the last tenant in the next one; all that in the service's sandbox.
# boot: plain
# boot: systemd
# timeout: 400
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
modprobe -a device_dax dax_hmem
hmem() { compgen -G '/sys/devices/platform/hmem_platform.0/hmem.*'; }
wait_for hmem || { not_ok "the region is there"; finish; }
dir=$(hmem)
# at boot one device has all of the region
for first in "$dir"/dax[0-9]*; do
	first=${first##*/}
	daxctl disable-device "$first" >/dev/null 2>&1
	daxctl destroy-device "$first" >/dev/null 2>&1
done
region=$(<"$dir"/dax_region/id)
whole=$(<"$dir"/dax_region/size)
product_up || exit 1

free_bytes() { cat "$dir"/dax_region/available_size; }
all_is_free() { # no process of its own, for who looks again and again
	local free
	read -r free <"$dir"/dax_region/available_size
	[ "$free" = "$whole" ]
}
refused() { # PATTERN COMMAND...
	local pattern=$1 said
	shift
	said=$("$@" 2>&1) && { echo "it was not refused: $said"; return 1; }
	grep -q -- "$pattern" <<<"$said" || { echo "it said: $said"; return 1; }
}
# is_zero DEVICE BYTES - through a mapping of its own.
is_zero() { "$RDMAREG_TESTS/dax-read" "$1" 0 "$2" | cmp -n "$2" - /dev/zero; }

check "all of it is free" all_is_free
device=$(rdmaregctl dax-create 3M --region "$region") || { not_ok "a device is made"; finish; }
expect_equal "rounded up to the alignment" $((4 * MIB)) $((whole - $(free_bytes)))
expect_equal "the node is root's alone" "0 600" "$(stat -c '%u %a' "$device")"
check "it is zero" is_zero "$device" $((4 * MIB))
noise /tmp/sent 4
r=$(register "$device" --export)
check "a peer writes" on_b rdmaregctl put /tmp/sent "$(field ticket "$r")"
check "and it is there" cmp <("$RDMAREG_TESTS/dax-read" "$device" 0 $((4 * MIB))) /tmp/sent
check "not destroyed under a region" refused "open or mapped" rdmaregctl dax-destroy "$device"
check "which is still served" on_b rdmaregctl get "$(field ticket "$r")" /tmp/got
check "with its bytes" cmp /tmp/sent /tmp/got
check "release" rdmaregctl release "$(field id "$r")"
check "destroyed" wait_for rdmaregctl dax-destroy "$device"
check "all of it is free again" all_is_free
expect_equal "nothing is recorded" "" "$(ls /run/rdmareg/dax)"

# the same memory again
again=$(rdmaregctl dax-create 4M)
check "nothing of the last tenant is in it" is_zero "$again" $((4 * MIB))
check "destroyed, too" wait_for rdmaregctl dax-destroy "$again"

check "a device for a command" rdmaregctl dax-create 2M -- bash -c \
	'[ -c "$RDMAREG_DAX_PATH" ] && [ "$(readlink /proc/self/fd/$RDMAREG_DAX_FD)" = "$RDMAREG_DAX_PATH" ]'
check "ends with it" wait_for all_is_free
expect_status 7 "its status is the command's" rdmaregctl dax-create 2M -- bash -c 'exit 7'
check "ends with it, too" wait_for all_is_free

# killed while a device is made for somebody: nobody knows of the device, so there is none
for n in 1 2 3; do
	daemon=$(pgrep -x rdmaregd)
	rdmaregctl dax-create 200M >/tmp/lost.log 2>&1 &
	lost=$!
	until ! all_is_free || gone $lost; do :; done # it is there, and being cleared
	kill -9 $daemon
	wait $lost && not_ok "who asked is told that it failed ($(head -n 1 /tmp/lost.log))"
	wait_for gone "$daemon"
	product_up || not_ok "the daemon comes back" # the service manager may have been faster
	check "a daemon that was killed leaves no device behind ($n)" wait_for all_is_free
done

check "more than there is" refused "bytes are free" rdmaregctl dax-create 1T
check "no such region" refused "no dynamic region" rdmaregctl dax-create 2M --region 4000000
check "not one that others made" refused "no device that was made" rdmaregctl dax-destroy "$LAB_DEVDAX"
check "a user without a limit" refused "dax_bytes_per_tenant" setpriv --reuid 65534 --regid 65534 --clear-groups \
	rdmaregctl dax-create 2M
check "nothing is lost by all that" wait_for all_is_free

# an ordinary user with a limit: the descriptor is its right, to the device and to a region on it
users_up
printf '[limits]\ndax_bytes_per_tenant = 4M\n' >"$RDMAREG_CONFDIR/50-dax.conf"
check "a limit for users" rdmaregctl reload
check "a user has a device for a command" as_good rdmaregctl dax-create 2M -- bash -c \
	'[ "$(readlink /proc/self/fd/$RDMAREG_DAX_FD)" = "$RDMAREG_DAX_PATH" ] && ! : 2>/dev/null <"$RDMAREG_DAX_PATH"'
check "which ends with it" wait_for all_is_free
check "not beyond the limit" refused "dax_bytes_per_tenant" as_good rdmaregctl dax-create 6M
device=$(as_good rdmaregctl dax-create 2M)
check "another user cannot destroy it" refused "" as_mallory rdmaregctl dax-destroy "$device"
check "its user can" wait_for as_good rdmaregctl dax-destroy "$device"
check "all of it is free after that" wait_for all_is_free
rm "$RDMAREG_CONFDIR/50-dax.conf"
finish
