#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The helper module alone, without RDMA: its own self-test on every file system, its parameters and totals, and
# that it lets go of the file systems and of itself, also a moment after its users were killed. Its storms are short here; after a
# change of how reports are kept or folded: ./run lab --timeout 3600 --kernel 6.12 -- bash -c '. /lab/guest/lib.sh; lab_setup; module_up;
# $RDMAREG_TESTS/kmod-selftest --xfs /mnt/xfs --xfsdax /mnt/xfsdax --tmpfs /mnt/tmpfs --only storm --times 6'
# boot: plain
# boot: plain kernel=6.12
# boot: plain kernel=6.1
# timeout: 1200
. /lab/guest/lib.sh
lab_setup

# unused - the module's count of users is down to nothing. Files are released a moment after their owner is
# gone.
unused() { [ "$(cat /sys/module/rdmareg/refcnt)" = 0 ]; }
parameter() { cat "/sys/module/rdmareg/parameters/$1"; }
reload() { modprobe -r rdmareg && modprobe rdmareg "$@"; }
refused_in_use() { ! modprobe -r rdmareg 2>/run/lab/refused && grep "in use" /run/lab/refused; }
described() { modinfo -p rdmareg | sed -n 's/^\([a-z_]*\):[^ ].*/\1/p' | sort; }
existing() { (cd /sys/module/rdmareg/parameters && printf '%s\n' * | sort); }
total() { cat "/sys/class/misc/rdmareg/totals/$1"; }
# The file's watchers are killed while it is being broken; nothing is waited for but that unloading succeeds.
kill_and_unload() {
	for _ in 1 2 3 4 5; do
		if ! "$RDMAREG_TESTS/kmod-selftest" --xfs /mnt/xfs --only layout-killed-watcher >/run/lab/killed ||
			! grep -q ^ok /run/lab/killed; then
			cat /run/lab/killed
			return 1
		fi
		wait_for modprobe -r rdmareg && modprobe rdmareg || return
	done
}
remount() { umount /mnt/$1 && mount -o "$3" "$2" /mnt/$1; }

# Each call that the module makes while it is loaded fails once in turn: it is not there then.
each_load_fails() {
	local n=0 left=0 nth=/sys/module/rdmareg_fail_calls/parameters
	echo Y >$nth/everybody
	while [ "$left" = 0 ]; do
		n=$((n + 1))
		echo $n >$nth/nth
		! modprobe rdmareg 2>/run/lab/refused || break
		read -r left <$nth/nth
		[ "$left" = 0 ] && grep -q "Cannot allocate memory" /run/lab/refused && [ ! -e /dev/rdmareg ] || break
	done
	echo N >$nth/everybody
	[ -c /dev/rdmareg ] && read -r left <$nth/nth && [ "$left" -gt 0 ] && [ $n -gt 1 ]
}

modprobe loop
check "calls can be made to fail" insmod "$RDMAREG_TESTS/$(uname -r)/rdmareg-fail-calls.ko"
check "each call while it is loaded fails once" each_load_fails
modprobe -r rdmareg
check "the module loads" module_up
check "the device is there, for its owner and group only" test "$(stat -c %a:%F /dev/rdmareg)" = "660:character special file"

# the self-test says ok, not ok and skip itself
"$RDMAREG_TESTS/kmod-selftest" --ext4 /mnt/ext4 --xfs /mnt/xfs --xfsdax /mnt/xfsdax --tmpfs /mnt/tmpfs || LAB_FAILED=1
expect_equal "each function that needs memory has failed" "" "$(cat /sys/module/rdmareg_fail_calls/parameters/never)"

check "nobody uses the module afterwards" wait_for unused
check "the file systems can be unmounted" remount xfs /dev/vdb rw
check "with DAX too" remount xfsdax "$(findmnt -n -o SOURCE /mnt/xfsdax)" dax=always

for what in openers ranges layouts; do
	expect_equal "no $what are left" 0 "$(total $what)"
done
expect_equal "no lease is left" "" "$(grep LAYOUT /proc/locks)"

exec {device}<>/dev/rdmareg
check "it is not unloaded while open" refused_in_use
exec {device}>&-
check "unloaded a moment after breaks were going on" kill_and_unload
expect_equal "modinfo describes every parameter" "$(existing)" "$(described)"
check "loads with parameters" reload max_watches=100 max_watches_per_file=20 max_openers=2 max_deadline_ms=3000
expect_equal "parameters are taken" "100 20 2 3000" \
	"$(parameter max_watches) $(parameter max_watches_per_file) $(parameter max_openers) $(parameter max_deadline_ms)"
check "and kept to" "$RDMAREG_TESTS/kmod-selftest" --xfs /mnt/xfs --only limit
wait_for unused # the test's processes may be on their way out
for bad in max_watches=0 max_watches=1048577 max_total_watches=0 max_total_watches=16777217 max_watches_per_file=0 max_watches_per_file=65537 max_openers=0 max_openers=65537 max_deadline_ms=0 max_deadline_ms=60001; do
	wait_for modprobe -r rdmareg
	expect_status 1 "refused: $bad" modprobe rdmareg $bad
done
check "loads again" modprobe rdmareg
check "kernel log clean" kernel_log_clean
finish
