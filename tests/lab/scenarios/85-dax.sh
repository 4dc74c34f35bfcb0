#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Direct access: what peers write to a window of a device-dax is seen through another mapping of the device, and nothing beside it; a bad
# window is refused with the alignment; fsdax is mapped MAP_SYNC and keeps the bytes over a remount; mappings lie so that huge pages fit.
# boot: plain
# timeout: 800
# kernel-noise: Memory failure: 0x[0-9a-f]+: Sending SIGBUS to (rdmareg-keeper|memory-failure):
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/dax.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1

# dax_sum OFFSET LENGTH - of the device, through a mapping of its own.
dax_sum() { "$RDMAREG_TESTS/dax-read" "$LAB_DEVDAX" "$1" "$2" | sha256sum | cut -d' ' -f1; }

# keeper_map NAME - what the kernel says of the keeper's mappings of a file, summed over them.
keeper_map() { # FILE FIELD
	local pid
	for pid in $(keeper_pids); do
		awk -v file="$1" -v field="$2:" '/^[0-9a-f]+-[0-9a-f]+ / { on = $6 == file } on && $1 == field { print $2 }' "/proc/$pid/smaps"
	done | awk '{ sum += $1 } END { print sum + 0 }'
}

# keeper_flags FILE - VmFlags of the keeper's mappings of a file.
keeper_flags() {
	local pid
	for pid in $(keeper_pids); do
		awk -v file="$1" '/^[0-9a-f]+-[0-9a-f]+ / { on = $6 == file } on && $1 == "VmFlags:"' "/proc/$pid/smaps"
	done
}

# refused PATTERN ARGUMENT... - registering fails, and the message says so.
refused() {
	local pattern=$1 said
	shift
	said=$(rdmaregctl register "$@" 2>&1) && { echo "it was registered"; return 1; }
	grep -q -- "$pattern" <<<"$said" || { echo "it said: $said"; return 1; }
}

# --- device-dax
node=$(stat -c '%t:%T' "$LAB_DEVDAX")
sys=/sys/dev/char/$((16#${node%:*})):$((16#${node#*:}))
size=$(<"$sys/size") align=$(<"$sys/align")
expect_equal "the device's alignment" $((2 * MIB)) "$align"
noise /tmp/sent 4
sum=$(sha256sum </tmp/sent | cut -d' ' -f1)
before=$(dax_sum 0 $((4 * MIB)))
after=$(dax_sum $((8 * MIB)) $((4 * MIB)))
r=$(register "$LAB_DEVDAX" --offset 4M --length 4M --export)
id=$(field id "$r")
expect_equal "device: translations as large as its pages" "$align" "$(field translation_bytes "$r")"
expect_equal "device: the mapping consists of them" 2048 "$(keeper_map "$LAB_DEVDAX" KernelPageSize)"
check "device: put" on_b rdmaregctl put /tmp/sent "$(field ticket "$r")"
expect_equal "device: another mapping sees it" "$sum" "$(dax_sum $((4 * MIB)) $((4 * MIB)))"
expect_equal "device: nothing before the window was touched" "$before" "$(dax_sum 0 $((4 * MIB)))"
expect_equal "device: nothing after it" "$after" "$(dax_sum $((8 * MIB)) $((4 * MIB)))"
check "device: get" on_b rdmaregctl get "$(field ticket "$r")" /tmp/got
check "device: the same comes back" cmp /tmp/sent /tmp/got
check "device: release" rdmaregctl release "$id"
expect_equal "device: it is there without the region" "$sum" "$(dax_sum $((4 * MIB)) $((4 * MIB)))"
check "device: unaligned offset" refused "alignment $align" "$LAB_DEVDAX" --offset 4K --length 2M
check "device: unaligned length" refused "alignment $align" "$LAB_DEVDAX" --length 4K
check "device: beyond its end" refused "$size bytes" "$LAB_DEVDAX" --offset $((size - 2 * MIB)) --length 4M
check "device: after its end" refused "$size bytes" "$LAB_DEVDAX" --offset "$size" --length 2M
r=$(register "$LAB_DEVDAX" --offset $((size - 4 * MIB)))
expect_equal "device: length 0 is the rest" $((4 * MIB)) "$(field length "$r")"
check "device: release of the rest" rdmaregctl release "$(field id "$r")"

# --- what the machine has
devices=$(rdmaregctl --json devices)
device() { jq -r ".[] | select(.path == \"$LAB_DEVDAX\") | .$1" <<<"$devices"; }
expect_equal "devices: size as in sysfs" "$size" "$(device bytes)"
expect_equal "devices: alignment" "$align" "$(device alignment)"
expect_equal "devices: it can be used" "devdax:" "$(device mode):$(device unusable)"
expect_equal "devices: of persistent memory, so not dynamic" false "$(device dynamic)"
expect_equal "devices: with its region" "$(device dax_region)" \
	"$(jq -r ".[] | select(.kind == \"dax-region\" and .dax_region == $(device dax_region)) | .dax_region" <<<"$devices")"
expect_equal "devices: as many as daxctl knows" "$(daxctl list -D -i | jq 'flatten | length')" \
	"$(jq '[.[] | select(.kind == "dax-device")] | length' <<<"$devices")"
name=${LAB_DEVDAX##*/}
check "devices: a driver taken away" daxctl disable-device "$name"
expect_equal "devices: and it is said, with what to do" 1 "$(rdmaregctl devices | grep -w "$name" | grep -c enable-device)"
check "devices: the driver given back" daxctl enable-device "$name"
check "devices: usable again" wait_for test -z "$(rdmaregctl --json devices | jq -r ".[] | select(.name == \"$name\") | .unusable")"

# --- fsdax
remount() { # NAME
	local device
	device=$(findmnt -n -o SOURCE "/mnt/$1")
	umount "/mnt/$1" && mount -o dax=always "$device" "/mnt/$1"
}
for fs in ext4dax xfsdax; do
	zeroes /mnt/$fs/file 4
	r=$(register /mnt/$fs/file --export) || { not_ok "$fs: register"; continue; }
	check "$fs: mapped MAP_SYNC" grep -qw sf <<<"$(keeper_flags "/mnt/$fs/file")"
	check "$fs: put" on_b rdmaregctl put /tmp/sent "$(field ticket "$r")"
	check "$fs: release" rdmaregctl release "$(field id "$r")"
	check "$fs: remount" wait_for remount $fs
	expect_equal "$fs: the bytes are there" "$sum" "$(sha256sum </mnt/$fs/file | cut -d' ' -f1)"
done
zeroes /mnt/xfs/file 1
r=$(register /mnt/xfs/file)
check "page cache: no MAP_SYNC" test -z "$(keeper_flags /mnt/xfs/file | grep -w sf)"
check "page cache: release" rdmaregctl release "$(field id "$r")"

# --- blocks that write(2) replaces, under reading peers: they read what was written, and nothing of another file
# writes FILESYSTEM KIND ACCESS SECONDS DEGRADED PATTERN [ARBITRATION] - DEGRADED: 1: it is said that such blocks have their dangers.
writes() {
	dax_writes "$1" "$2" "$3" "$4" 2 "${7:-}" || :
	echo "$1, $2, $3: $DAX_SAID"
	check "$1, $2, $3: peers read what was written" grep -q "$6" <<<"$DAX_SAID"
	expect_equal "$1, $2, $3: what is said of it" "$5" "$(field degraded "$DAX_REGION" | grep -c 'a write replaces')"
}
writes xfsdax shared r 4 0 'late 0 stale 0 foreign 0 failed 0$'
writes ext4dax unwritten rw 0 0 'late 0 stale 0 foreign 0 failed 0$'
writes ext4dax unwritten rw 0 0 'late 0 stale 0 foreign 0 failed 0$' pre-content
# ./run dax writes to one that may only be read: the kernel warns of that, whoever has it mapped (docs/upstream/dax-stale-mapping.md)
"$RDMAREG_TESTS/dax-writes" make unwritten /mnt/ext4dax/file
for arbitration in auto pre-content; do
	r=$(register /mnt/ext4dax/file --access r --arbitration $arbitration)
	expect_equal "ext4dax, unwritten, r, $arbitration: it is said" 1 "$(field degraded "$r" | grep -c 'never written')"
	check "ext4dax, unwritten, r, $arbitration: release" rdmaregctl release "$(field id "$r")"
done

# --- who writes to blocks that are shared is a taker, whoever it is: holders are asked, and a silent one costs the grace; others ask nobody
# holder_asked ID USER... - somebody who joined it and stays silent is asked about a write(2) by that user; it is in $took, and the log in $asked
holder_asked() {
	local id=$1 join status=0
	shift
	wait_for settled "$id" $((4 * MIB))
	rdmaregctl join "$id" --ignore-revocations >/tmp/join.log 2>&1 &
	join=$!
	wait_for region_is "$id" clients 1
	timed "$@" dd if=/tmp/sent of=/mnt/xfsdax/own bs=4k count=1 conv=notrunc status=none || not_ok "a write by: $*"
	kill $join
	wait $join 2>/dev/null
	in_log /tmp/join.log 'write'
}
not_asked() { ! holder_asked "$@"; }
users_up
zeroes /mnt/xfsdax/own 4 && goods /mnt/xfsdax/own
own=$(field id "$(as_good rdmaregctl --json register /mnt/xfsdax/own --access r --grace 2s)")
check "xfsdax: who writes to blocks of the file alone asks nobody" not_asked "$own" $AS_GOOD
cp --reflink=always /mnt/xfsdax/own /mnt/xfsdax/own.copy
wait_for settled "$own" $((4 * MIB))
check "xfsdax: blocks that are shared: it is said that writes are asked" wait_for eval 'field arbitration_reason "$(region "$own")" | grep -q "each write(2)"'
for who in "$AS_GOOD" "env"; do
	# not by check, which would keep $took for itself
	if holder_asked "$own" $who; then ok "xfsdax: who writes to them asks (${who%% *})"; else not_ok "xfsdax: who writes to them asks (${who%% *})"; fi
	check "xfsdax: and waits for a silent holder, not longer than any deadline ($took ms)" test "$took" -ge 1800 -a "$took" -lt 20000
done
check "xfsdax: release" as_good rdmaregctl release "$own"
check "xfsdax: who stays in write(2) keeps peers out for as long, and that is said" dax_stays
rm /mnt/xfsdax/own*

# --- an XFS made without reflink has no such blocks: nothing is asked, nothing is missing, with a lease or without
disk=$(findmnt -n -o SOURCE /mnt/xfsdax)
wait_for umount /mnt/xfsdax && mkfs.xfs -q -f -K -m reflink=0 "$disk" && mount -o dax=always "$disk" /mnt/xfsdax && chmod 1777 /mnt/xfsdax ||
	not_ok "an XFS without reflink"
zeroes /mnt/xfsdax/own 4
for leases in 1 0; do
	sysctl -qw fs.leases-enable=$leases
	r=$(register /mnt/xfsdax/own)
	expect_equal "xfsdax without reflink, leases $leases: nothing is said of shared blocks" "0 0" \
		"$(field degraded "$r" | grep -c 'a write replaces\|shared') $(field arbitration_reason "$r" | grep -c 'write(2)')"
	[ $leases = 0 ] || check "xfsdax without reflink: who writes asks nobody" not_asked "$(field id "$r")" env
	check "xfsdax without reflink: release" rdmaregctl release "$(field id "$r")"
done
sysctl -qw fs.leases-enable=1
# it says so without a device, too
expect_equal "the self-test names where the kernel's fault is, and no XFS without reflink" "/mnt/ext4dax" \
	"$(rdmaregctl selftest nothing0 2>/dev/null | sed -n 's/^\(\/mnt\/[^ ]*\) (.*/\1/p')"

# --- huge pages: wherever the range begins, each whole 2 MiB of the file in it can be one page of the mapping
mkdir -p /tmp/huge
mount -t tmpfs -o huge=always,size=64M tmpfs /tmp/huge
zeroes /tmp/huge/file 16
for offset in 0 1; do
	r=$(register /tmp/huge/file --offset ${offset}M --length 8M)
	expect_equal "huge, from $offset MiB: the largest translation" $((2 * MIB)) "$(field translation_bytes "$r")"
	expect_equal "huge, from $offset MiB: pages of 2 MiB, in KiB" $((8192 - offset * 2048)) "$(keeper_map /tmp/huge/file ShmemPmdMapped)"
	check "huge, from $offset MiB: release" rdmaregctl release "$(field id "$r")"
done
r=$(register /tmp/huge/file --offset 1M --length 2M)
expect_equal "huge: a range without a whole one" $MIB "$(field translation_bytes "$r")"
check "huge: release" rdmaregctl release "$(field id "$r")"
check "huge: unmount" wait_for umount /tmp/huge

# --- memory that fails under regions of an ordinary user: they are told, and nothing ends
user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
damaged() { [ -n "$(field degraded "$(region "$1")")" ]; }
keeper_of_user() { pgrep -u 65534 -x rdmareg-keeper; }
# file NAME - of 2 MiB, the user's; it is in $path
user_file() { path=/mnt/$1/poison-$2; user cp /tmp/two "$path" && sync "$path"; }
noise /tmp/two 2
chmod 644 /tmp/two
user_file tmpfs bystander
bystander=$(user rdmaregctl --json register "$path" --export)
keeper=$(keeper_of_user)
dmesg -n 3 # the kernel calls it hardware memory corruption, which is for the scenario's own log
for fs in tmpfs ext4dax xfsdax; do
	user_file $fs hurt
	r=$(user rdmaregctl --json register "$path" --export) || { not_ok "$fs: register"; continue; }
	id=$(field id "$r")
	"$RDMAREG_TESTS/memory-failure" "$path" 8192 || not_ok "$fs: the failure is made"
	check "$fs: it is told" wait_for damaged "$id"
	expect_equal "$fs: with its range" 1 "$(field degraded "$(region "$id")" | grep -cF '[8192, 12288)')"
	expect_equal "$fs: the region lives" live "$(field state "$(region "$id")")"
	expect_equal "$fs: so does the keeper" "$keeper" "$(keeper_of_user)"
	check "$fs: and it can be released" user rdmaregctl release "$id"
	rm "$path"
done
dmesg -n 5

# --- a device taken away under its region; the name may be another's soon
chown 65534 "$LAB_DEVDAX"
r=$(user rdmaregctl --json register "$LAB_DEVDAX" --length 4M --export)
id=$(field id "$r")
check "device taken away: the driver goes" daxctl disable-device "$name"
check "device taken away: it is told" wait_for damaged "$id"
expect_equal "device taken away: with the cause" 1 "$(field degraded "$(region "$id")" | grep -c 'device was taken away')"
expect_equal "device taken away: the keeper lives" "$keeper" "$(keeper_of_user)"
check "device taken away: the driver comes back" daxctl enable-device "$name"
check "device taken away: it stays said" damaged "$id"
check "device taken away: release" user rdmaregctl release "$id"
chown 0 "$LAB_DEVDAX"

check "the other region is served" on_b rdmaregctl get "$(field ticket "$bystander")" /tmp/got
check "with its bytes" cmp /tmp/two /tmp/got
expect_equal "and nothing is said of it" "" "$(field degraded "$(region "$(field id "$bystander")")")"
check "release of the other" user rdmaregctl release "$(field id "$bystander")"
finish
