#!/bin/bash
# boot: plain
# timeout: 480
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The self-test finds soft-RoCE's faults by itself, and nothing that is not one; what it found is kept, obeyed by the next keeper instead of trying
# again, and not believed when it is stale, broken or somebody else's. Reads from inside a page are right all the same.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
cache=/var/cache/rdmareg file=/var/cache/rdmareg/rxea.quirks
conf=/etc/rdmareg/conf.d/50-selftest.conf
rm -rf $cache
trap 'rm -rf $cache $conf; rdma link del rxec 2>/dev/null; ip link del veth-c 2>/dev/null' EXIT

# verdict_of NAME REPORT
verdict_of() { jq -r ".checks[] | select(.name == \"$1\").verdict" <<<"$2"; }
# keeper_restarts - the keeper is gone, and with the next registration there is another, whose log is new.
keeper_restarts() {
	pkill -x rdmareg-keeper
	wait_for no_process rdmareg-keeper
	: >"$DAEMON_LOG"
	id=$(field id "$(register /mnt/xfs/file)") && rdmaregctl release "$id"
}
log_has() { product_log | grep -q -- "$1"; }
log_has_not() { ! log_has "$1"; }

# --- what it finds, on each filesystem
faults='alignment mtu bounds'
if kernel_at_least 7.4; then faults=''; fi
for fs in xfs ext4 xfsdax ext4dax; do
	report=$(rdmaregctl selftest rxea --json --no-save --directory /mnt/$fs)
	expect_equal "$fs: exit status" 0 $?
	[ -z "$faults" ] || expect_equal "$fs: its quirks are those that are known of it" "$(xargs -n1 <<<"$faults" | sort)" \
		"$(jq -r '.checks[] | select(.verdict == "quirk").name' <<<"$report" | sort)"
	expect_equal "$fs: nothing failed, and nothing was left out" "" \
		"$(jq -r '.checks[] | select(.verdict == "failed" or .verdict == "not-run").name' <<<"$report")"
	for check in rights fence writeback truncate rnr silence atomics windows; do
		expect_equal "$fs: $check" ok "$(verdict_of $check "$report")"
	done
done
# --- what the kernel does wrong with direct access, which no device can help
fault_of() { jq -r ".kernel_faults[] | select(.path == \"/mnt/$1\").$2" <<<"$report"; }
expect_equal "the kernel's fault: where" "/mnt/ext4dax /mnt/xfsdax" "$(jq -r '.kernel_faults[].path' <<<"$report" | sort | xargs)"
check "xfsdax: by the words of the kernel's log" grep -q dax_disassociate_entry <<<"$(fault_of xfsdax fault)"
expect_equal "xfsdax: it is not tried, since that does harm" "" "$(fault_of xfsdax tried)"
check "ext4dax: tried, and seen" grep -q '[1-9].* pages showed what was there before' <<<"$(fault_of ext4dax tried)"
expect_equal "alignment is the page" 4096 "$(field alignment "$report")"
expect_equal "the smallest MTU" 4096 "$(field minimum_mtu "$report")"
report=$(rdmaregctl selftest rxea --json --no-save --directory -)
expect_equal "in memory: writeback cannot be tried" not-run "$(verdict_of writeback "$report")"
check "nothing was kept" test ! -e $file
check "nothing is left of it" test "$(rdma resource show mr | wc -l)" = 0
out=$(rdmaregctl selftest rxea --no-save)
check "for people: the table" grep -qE '^fence +ok' <<<"$out"
check "for people: the kernel's fault, and how to avoid it" grep -q '^/mnt/xfsdax (xfs): .*reflink=0' <<<"$out"
check "and the sentence" grep -q '^rxea can be used: .*multiples of 4096' <<<"$out"

# --- devices that cannot be used
expect_status 77 "a device that is not there" rdmaregctl selftest nothing0
expect_status 2 "too many arguments" rdmaregctl selftest rxea rxeb
ip link add veth-c type veth peer name veth-d
ip link set veth-c up mtu 1500
ip link set veth-d up mtu 1500
ip addr add 10.98.0.1/24 dev veth-c
rdma link add rxec type rxe netdev veth-c
out=$(rdmaregctl selftest rxec 2>&1)
expect_equal "a port with a small MTU cannot be used as it is" 1 $?
check "it says which, and what to do" grep -q "MTU of 1024 bytes.*raise the interface's MTU to 4200" <<<"$out"
check "this is not kept: it will be different tomorrow" test ! -e $cache/rxec.quirks
ip link set veth-c down
expect_status 1 "a port that is down" rdmaregctl selftest rxec

# --- as an ordinary user
out=$(setpriv --reuid 65534 --regid 65534 --clear-groups rdmaregctl selftest rxea 2>&1)
expect_equal "anybody who may open the device can try it" 0 $?
check "and is told that keeping it requires root" grep -q "requires root" <<<"$out"
uverbs=/dev/infiniband/$(basename /sys/class/infiniband/rxea/device/infiniband_verbs/* 2>/dev/null)
[ -c "$uverbs" ] || uverbs=$(grep -lx rxea /sys/class/infiniband_verbs/*/ibdev | sed 's|.*/\(uverbs[0-9]*\)/.*|/dev/infiniband/\1|')
chmod 600 "$uverbs"
out=$(setpriv --reuid 65534 --regid 65534 --clear-groups rdmaregctl selftest rxea 2>&1)
expect_equal "one who may not: denied" 4 $?
check "with the name of the node and what is needed" grep -q "$uverbs.*Permission denied" <<<"$out"
chmod 666 "$uverbs"

# --- kept, and obeyed
mkdir -p $(dirname $conf)
printf '[keepers]\nrnr_timer_usec = 1280\nretries = 4\n' >$conf
product_up || exit 1
zeroes /mnt/xfs/file 8
keeper_restarts
check "nothing known: the keeper tries it out" log_has 'trying out what is needed most'
check "and the daemon says how to know" log_has 'see rdmaregctl selftest rxea'
check "test and keep" rdmaregctl selftest rxea --if-stale
check "the file is there" grep -q '^alignment = 4096' $file
before=$(stat -c %i $file)
check "not again when it is current" rdmaregctl selftest rxea --if-stale
expect_equal "not touched" "$before" "$(stat -c %i $file)"
keeper_restarts
check "known: the keeper obeys" log_has 'quirks known from its self-test'
check "and tries nothing out" log_has_not 'trying out'
check "the settings are in force" log_has 'RNR timer 1280 us, 7 RNR retries (for ever), 4 retries'
check "peers are held to it" log_has 'multiples of 4096 and a path MTU of 4096'
sed -i '0,/^alignment = .*/s//alignment = 8192/' $file
keeper_restarts
check "it is the file that is obeyed" log_has 'multiples of 8192'
cp $file /tmp/right

# bad LOG [SED] - a file that is not to be believed
bad() {
	keeper_restarts
	check "$1: not believed" log_has 'trying out what is needed most'
	check "$1: with the reason" log_has "$2"
	cp /tmp/right $file.new && mv $file.new $file
}
sed -i 's/^kernel = .*/kernel = 6.99.0/' $file
bad "of another kernel" 'of another kernel'
sed -i 's/^fence = .*/fence = maybe/' $file
bad "broken" 'rxea.quirks:.*not understood'
head -c 100 /dev/urandom >$file
bad "garbage" 'rxea.quirks'
: >$file
bad "empty" 'not complete'
chown 65534 $file
bad "somebody else's" 'only root may write'
chmod 666 $file
bad "writable for everybody" 'only root may write'
sed -i 's/^kernel = .*/kernel = 6.99.0/' $file
check "a stale one is redone" rdmaregctl selftest rxea --if-stale
check "for this kernel" grep -qx "kernel = $(uname -r)" $file

# --- a device that failed is not used; one that does not keep rights apart gives no lesser tickets
sed -i 's/^fence = .*/fence = failed/' $file
keeper_restarts
out=$(rdmaregctl register /mnt/xfs/file 2>&1)
expect_equal "a device that failed: no adapter" 77 $?
check "and why" grep -q 'failed its self-test (fence)' <<<"$out"
sed -i 's/^fence = .*/fence = ok/; s/^rights = .*/rights = quirk/' $file
keeper_restarts
id=$(field id "$(register /mnt/xfs/file)")
check "rights not enforced: a ticket for all of it" rdmaregctl export "$id" --access rw
out=$(rdmaregctl export "$id" --access r 2>&1)
check "and none for less, with the reason" grep -q 'cannot restrict a peer to less' <<<"$out"
check "release" rdmaregctl release "$id"
check "as it was" rdmaregctl selftest rxea

# --- reads from inside a page
keeper_restarts
noise /mnt/xfs/file 4
r=$(register /mnt/xfs/file --export)
ticket=$(field ticket "$r")
while read -r offset length; do
	check "get $length bytes at $offset" on_b rdmaregctl get "$ticket" /tmp/part --offset "$offset" --length "$length"
	cmp -s /tmp/part <(tail -c +$((offset + 1)) /mnt/xfs/file | head -c "$length") && ok "its bytes" || not_ok "its bytes"
done <<-END
	1 1
	4095 2
	100 4096
	12345 1000000
	4194303 1
END
check "release" rdmaregctl release "$(field id "$r")"
# --- and shown
rdmaregctl selftest rxea --directory /mnt/xfs >/dev/null
adapter() { rdmaregctl --json devices | jq -r ".[] | select(.kind == \"adapter\" and .name == \"$1\") | .$2"; }
expect_equal "devices: the adapter's interface and MTU" "active veth-a 4200" "$(adapter rxea mode) $(adapter rxea netdev) $(adapter rxea mtu)"
check "devices: what was seen to work" grep -q 'on-demand paging, prefetch, atomics' <<<"$(adapter rxea abilities)"
if [ -n "$faults" ]; then
	expect_equal "devices: its quirks" "addresses multiples of 4096, path MTU 4096 or more, memory windows not bounded" "$(adapter rxea quirks)"
fi
expect_equal "devices: it can be used" "" "$(adapter rxea unusable)"
check "devices: one that was not tested says so" grep -q '^unknown' <<<"$(adapter rxeb quirks)"
check "devices: for people" grep -qE '^rxea +active +veth-a +4200' <<<"$(rdmaregctl devices)"

finish
