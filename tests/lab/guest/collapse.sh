# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Blocks of registered files are taken while peers write to them, khugepaged looks without a pause, memory is short and pages are dropped: every
# operation ends. Two files on ext4, one on XFS and one on btrfs, each with a region of two ordinary users.
#
#   collapse.sh [SECONDS] [huge]      huge: keepers do not keep khugepaged away, as they did not once
#
# Without on-demand paging in soft-RoCE (before 6.15) keepers have no adapter, and there are no peers. Exits 1 and prints the stacks of who waits
# if an operation has not ended for a minute. `./run collapse` runs it.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/table.sh

SECONDS_OF_LOOP=${1:-1500}
STILL_SECONDS=60
thp=/sys/kernel/mm/transparent_hugepage

quick_khugepaged() {
	echo always >$thp/enabled
	echo 1 >$thp/khugepaged/defrag
	echo 10 >$thp/khugepaged/scan_sleep_millisecs
	echo 10 >$thp/khugepaged/alloc_sleep_millisecs
	echo 16384 >$thp/khugepaged/pages_to_scan
}

# What is left is little more than the files need. The image of the btrfs gets its pages before.
fill_memory() {
	local available
	fallocate -l 256M /mnt/tmpfs/btrfs.image || return 1
	available=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	[ "$available" -lt 600 ] || head -c $((available - 400))M /dev/zero >/mnt/tmpfs/filler 2>/dev/null || :
}

# peer TICKET - writes to the half that no truncate takes, again whenever it was cut off.
peer() {
	local n=0
	while [ -e /run/lab/looping ]; do
		! on_b rdmaregctl put /tmp/sent "$1" --repeat 100 >/dev/null 2>&1 || n=$((n + 1))
	done
	echo "$n" >>/run/lab/puts
}

# A file and its two regions, with a ticket each if the adapter has on-demand paging.
populate() {
	local user r
	zeroes "$1" 8 && chmod 666 "$1" || return 1
	for user in as_good as_mallory; do
		r=$($user rdmaregctl --json register "$1" --access rw --grace 100ms) || return 1
		kernel_at_least 6.15 || continue
		tickets+=("$($user rdmaregctl export "$(field id "$r")")")
	done
}

lab_setup >&2 || exit 1
users_up
[ "${2:-}" != huge ] || echo "$RDMAREG_TESTS/huge-anyway.so" >/etc/ld.so.preload
table_up >&2 || exit 1
quick_khugepaged
head -c 256K /dev/urandom >/tmp/sent
touch /run/lab/looping
files=(/mnt/ext4/1 /mnt/ext4/2 /mnt/xfs/1 /mnt/btrfs/1) tickets=()
for file in "${files[@]}"; do
	populate "$file" >&2 || { product_log | tail -n 20 >&2; exit 1; }
done
fill_memory || exit 1
for ticket in "${tickets[@]}"; do
	peer "$ticket" &
done
echo "# Linux $(uname -r), ${#files[@]} files, ${2:-as keepers do}: $(rdmaregctl --json list | jq length) regions, ${#tickets[@]} peers"
status=0
"$RDMAREG_TESTS/take-loop" "$SECONDS_OF_LOOP" $STILL_SECONDS "${files[@]}" || status=$?
rm /run/lab/looping
if [ $status = 0 ]; then wait; fi
[ ! -e /run/lab/puts ] || echo "# puts of 25 MiB that ended well: $(awk '{ n += $1 } END { print n }' /run/lab/puts)"
echo "# khugepaged: $(cat $thp/khugepaged/full_scans) full scans, $(cat $thp/khugepaged/pages_collapsed) collapsed;" \
	"regions left: $(timeout 20 rdmaregctl --json list | jq length)"
timeout 20 rdmaregctl --json list | jq -c '.[] | { path, state, invalidations, degraded }' | cut -c 1-200
dmesg | grep "blocked for more than\|likely owned by" || :
[ $status = 0 ] || dmesg | sed -n '/Show Blocked State/,$p' | grep -v '^$'
exit $status
