#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Registering, listing, showing, releasing, on every filesystem of the lab, by root and by an ordinary user; and that nothing is left of any of it.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/left.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1

users_up
declare -A mode=([ext4]=notify-only [xfs]=layout-lease [ext4dax]=notify-only [xfsdax]=layout-lease [tmpfs]=notify-only)
baseline=$(mr_count)
for fs in ext4 xfs ext4dax xfsdax tmpfs; do
	zeroes /mnt/$fs/file 8
	r=$(register /mnt/$fs/file --export) || { not_ok "$fs: register"; continue; }
	id=$(field id "$r")
	expect_equal "$fs: arbitration mode" ${mode[$fs]} "$(field arbitration_mode "$r")"
	check "$fs: the reason is said" test -n "$(field arbitration_reason "$r")"
	expect_equal "$fs: length" $((8 * MIB)) "$(field length "$r")"
	expect_equal "$fs: valid length" $((8 * MIB)) "$(field valid_length "$r")"
	expect_equal "$fs: path" /mnt/$fs/file "$(field path "$r")"
	check "$fs: has a ticket" grep -q '^rdmareg://10.99.0.1:' <<<"$(field ticket "$r")"
	check "$fs: every promised member" jq -e 'has("id") and has("state") and has("arbitration_mode") and
		has("arbitration_reason") and has("policy") and has("path") and has("offset") and has("length") and
		has("valid_length") and has("rkey") and has("generation") and has("ticket")' <<<"$(region "$id")"
	check "$fs: in the list" grep -qx "$id" <<<"$(rdmaregctl --json list | jq -r '.. | .id? // empty')"
	check "$fs: a memory region of the adapter" test "$(mr_count)" -gt "$baseline"
	check "$fs: release" rdmaregctl release "$id"
	check "$fs: not found afterwards" region_gone "$id"
	# an ordinary user's own file, and one that it only may read
	goods /mnt/$fs/file
	r=$(as_good rdmaregctl --json register /mnt/$fs/file --access rw --export) || { not_ok "$fs: register as a user"; continue; }
	id=$(field id "$r")
	expect_equal "$fs: a user's own file: arbitration mode" ${mode[$fs]} "$(field arbitration_mode "$r")"
	expect_equal "$fs: a user's own file: nothing is missing" "" "$(field degraded "$r")"
	expect_status 4 "$fs: another user cannot register it" as_mallory rdmaregctl register /mnt/$fs/file --access r
	expect_status 3 "$fs: nor find the region" as_mallory rdmaregctl show "$id"
	expect_status 3 "$fs: nor release it" as_mallory rdmaregctl release "$id"
	chmod 644 /mnt/$fs/file
	expect_status 4 "$fs: who only may read cannot register it for writing" as_mallory rdmaregctl register /mnt/$fs/file --access rw
	r=$(as_mallory rdmaregctl --json register /mnt/$fs/file --access r) && check "$fs: but for reading" as_mallory rdmaregctl release "$(field id "$r")" ||
		not_ok "$fs: who only may read registers it for reading"
	check "$fs: a user's release" as_good rdmaregctl release "$id"
done
chown root: /mnt/xfs/file
part=$(register /mnt/xfs/file --offset 1M --length 2M --access r --policy follow)
expect_equal "part: offset" $MIB "$(field offset "$part")"
expect_equal "part: length" $((2 * MIB)) "$(field length "$part")"
expect_equal "part: access" r "$(field access "$part")"
expect_equal "part: policy" follow "$(field policy "$part")"
expect_equal "part: warm when it was registered" $((2 * MIB)) "$(field bytes_warmed "$(region "$(field id "$part")")")"
check "part: release" rdmaregctl release "$(field id "$part")"
r=$(register /mnt/xfs/file --grace 250ms)
expect_equal "grace" 250000 "$(field grace_usec "$r")"
check "grace: release" rdmaregctl release "$(field id "$r")"

# the module lets nobody have a lease for a moment after it was broken: registering waits for that
tried=0
for fs in xfs xfsdax; do
	for n in 1 2 3; do
		zeroes /mnt/$fs/broken 4
		r=$(register /mnt/$fs/broken) && truncate -s 2M /mnt/$fs/broken && other=$(register /mnt/$fs/broken) || break
		tried=$((tried + 1))
		rdmaregctl release "$(field id "$r")" "$(field id "$other")"
	done
done
expect_equal "a file can be registered right after it was truncated under a region" 6 $tried

zeroes /mnt/tmpfs/dev 1
if [ -n "$LAB_DEVDAX" ]; then
	r=$(register "$LAB_DEVDAX" --length 4M) && check "device-dax: release" rdmaregctl release "$(field id "$r")"
	expect_equal "device-dax: valid length" $((4 * MIB)) "$(field valid_length "$r")"
fi

# the kernel's limit on mappings: what peers need is kept, and the message names the limit
r=$(register /mnt/tmpfs/dev --export)
limit=$(sysctl -n vm.max_map_count)
own=$(wc -l <"/proc/$(keeper_pids | head -n 1)/maps")
sysctl -qw vm.max_map_count=$(((own + 40) * 4 / 3))
ids=()
for n in $(seq 100); do
	said=$(rdmaregctl --json register /mnt/tmpfs/dev 2>&1) || break
	ids+=("$(field id "$said")")
done
check "mappings: the message names the limit and what is needed" grep -q 'vm.max_map_count is [0-9]*, .* need [0-9]' <<<"$said"
check "mappings: some could be registered before (${#ids[@]})" test "${#ids[@]}" -ge 1
check "mappings: peers find room" on_b rdmaregctl get "$(field ticket "$r")" /tmp/got
check "mappings: a part can be revoked" rdmaregctl revoke "$(field id "$r")" --range 4096:4096 -- true
check "mappings: and the region lives" wait_for region_is "$(field id "$r")" state live
sysctl -qw vm.max_map_count="$limit"
rdmaregctl release "$(field id "$r")" "${ids[@]}"

# no space for what is written into a hole: who prefetches hears it, as an ordinary user; and a fact that the documents state: an adapter's own
# fault is the kernel's, and takes blocks of ext4 that are kept for root
user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
no_space() { user rdmaregctl prefetch "$1" --write 2>&1 | grep -q "no space left"; }
modprobe loop
mkdir -p /mnt/small
truncate -s 32M /mnt/tmpfs/small.image
mkfs.ext4 -q -F -m 30 /mnt/tmpfs/small.image
mount -o loop /mnt/tmpfs/small.image /mnt/small
chmod 1777 /mnt/small
user truncate -s 4M /mnt/small/holes
r=$(user rdmaregctl --json register /mnt/small/holes --export)
user dd if=/dev/zero of=/mnt/small/fill bs=64k status=none 2>/dev/null
sync -f /mnt/small
check "full: less than a MiB is left for users" test "$(stat -f -c %a /mnt/small)" -lt 1024 # blocks of 1 KiB
check "full: prefetch --write says it" no_space "$(field id "$r")"
noise /tmp/sent 4
before=$(stat -f -c %f /mnt/small)
if on_b rdmaregctl put /tmp/sent "$(field ticket "$r")" 2>/tmp/said; then
	sync -f /mnt/small
	echo "# a peer's writes took $((before - $(stat -f -c %f /mnt/small))) blocks that are kept for root"
else
	echo "# a peer's write was refused: $(cat /tmp/said)"
	check "full: the peer hears of it" grep -q "no space" /tmp/said
fi
user rdmaregctl release "$(field id "$r")"
wait_for umount /mnt/small

# a disk quota, whose owner has nothing left of it. ext4 asks for the capabilities of who faults, which is a worker of the kernel: its limit is
# passed, and the blocks are counted. XFS asks nobody for capabilities: its limit holds for peers, too. Both are facts that the documents state
quota_spent() { ! as_good dd if=/dev/zero of=/mnt/quota/fill bs=64k oflag=append conv=notrunc,fsync status=none 2>/tmp/spent && grep -q quota /tmp/spent; }
no_quota() { as_good rdmaregctl prefetch "$1" --write 2>&1 | grep -q "quota"; }
declare -A passed=([ext4]="0 $((4 * MIB))" [xfs]="1 0")
mkdir -p /mnt/quota
for fs in ext4 xfs; do
	truncate -s 320M /mnt/tmpfs/quota.image
	case $fs in
	ext4)
		modprobe quota_v2
		mkfs.ext4 -q -F -O quota -E quotatype=usrquota /mnt/tmpfs/quota.image
		mount -o loop,usrquota /mnt/tmpfs/quota.image /mnt/quota
		;;
	xfs)
		mkfs.xfs -q -f /mnt/tmpfs/quota.image
		mount -o loop,uquota /mnt/tmpfs/quota.image /mnt/quota
		;;
	esac || { not_ok "quota on $fs: a filesystem"; continue; }
	chmod 1777 /mnt/quota
	xfs_quota -f -x -c "limit -u bhard=2m $(id -u good)" /mnt/quota
	as_good truncate -s 4M /mnt/quota/holes
	r=$(as_good rdmaregctl --json register /mnt/quota/holes --access rw --export)
	check "quota on $fs: the user has spent it" quota_spent
	check "quota on $fs: prefetch --write says it" no_quota "$(field id "$r")"
	allocated=$(stat -c %b /mnt/quota/holes)
	expect_equal "quota on $fs: neither that nor registering has taken a block" 0 "$allocated"
	status=0
	on_b rdmaregctl put /tmp/sent "$(field ticket "$r")" 2>/tmp/said || status=$?
	sync -f /mnt/quota
	expect_equal "quota on $fs: a peer's put, its status and how many bytes have blocks now" "${passed[$fs]}" \
		"$status $((($(stat -c %b /mnt/quota/holes) - allocated) * 512))"
	[ $status = 0 ] || check "quota on $fs: the peer hears of it" grep -q "full\|quota" /tmp/said
	as_good rdmaregctl release "$(field id "$r")"
	check "quota on $fs: unmount" wait_for umount /mnt/quota
done

# what the driver looks for after each scenario is found when it is there
zeroes /mnt/tmpfs/stays 1
r=$(register /mnt/tmpfs/stays)
check "a daemon that runs is seen" daemon_runs
expect_equal "a region that stays is found" "region $(field id "$r")" "$(left_up)"
check "it can be let go" let_go
check "and nothing else is left" wait_for nothing_up
check "no memory region left" wait_for test "$(mr_count)" -le "$baseline"
check "no mapping left" wait_for no_keeper_mappings
check "no region listed" test "$(rdmaregctl --json list | jq '[.. | .id? // empty] | length')" = 0
finish
