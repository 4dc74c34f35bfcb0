#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# prepare.sh [--bare] SERIES... - brings the lab up to date for the given kernels: the two trees, the kernels, what
# accelerates the emulator, and (unless --bare) the built product. Does nothing, quickly, when nothing changed.
#
# One at a time: others wait for the lock. Independent downloads run side by side.
. "$(dirname "$0")/common.sh"
. "$host/apt.sh"

bare=
[ "${1:-}" != --bare ] || { bare=1; shift; }
need_root
exec 9>"$lab/lock"
if ! flock -n 9; then
	say "another run is preparing the lab: waiting for it"
	flock 9
fi

jobs=()
start() { step "$@" 9>&- & jobs+=($!); }
join() {
	local job failed=0
	for job in "${jobs[@]}"; do wait "$job" || failed=1; done
	jobs=()
	[ $failed = 0 ] || die "the lab could not be prepared; logs are in build/logs"
}

tree_key() { hash "tests/lab/packages.$1" tests/lab/host/trees.sh; }
kernel_key() { hash tests/lab/modules tests/lab/guest/initramfs-init tests/lab/host/kernels.sh; }

kernel_ready() { # SERIES
	local v
	v=$("$host/kernels.sh" version "$1") && stamped "kernel-$v" "$(kernel_key)" && [ -e "$lab/boot/$v/initramfs" ] &&
		[ -e "$lab/dev/usr/src/linux-headers-$v" ]
}

prepare_trees_and_kernels() {
	local tree series stale=() unknown=()
	for tree in rootfs dev; do
		stamped "tree-$tree" "$(tree_key $tree)" || stale+=("$tree")
	done
	for series; do
		"$host/kernels.sh" version "$series" >/dev/null || unknown+=("$series")
	done
	# an image whose package lists were removed does not know where they come from until they are read again
	if [ ${#stale[@]} -gt 0 ] || [ ${#unknown[@]} -gt 0 ]; then
		[ -n "$(archives)" ] || step "apt-get update" apt-update apt-get -q update
	fi
	for tree in "${stale[@]}"; do start "lab: tree $tree" "lab-$tree" "$host/trees.sh" $tree; done
	[ ${#unknown[@]} = 0 ] || start "lab: download of kernels ${unknown[*]}" lab-fetch "$host/kernels.sh" fetch "${unknown[@]}"
	join
	for tree in "${stale[@]}"; do stamp "tree-$tree" "$(tree_key $tree)"; done

	stale=()
	for series; do kernel_ready "$series" || stale+=("$series"); done
	[ ${#stale[@]} -gt 0 ] || return 0
	start "lab: kernels ${stale[*]}" lab-kernels "$host/kernels.sh" install "${stale[@]}"
	join
	for series in "${stale[@]}"; do stamp "kernel-$("$host/kernels.sh" version "$series")" "$(kernel_key)"; done
}

# /dev/kvm is often there and yet boots nothing (inside another virtual machine): only a boot that reached our /init
# counts. Asked once for each boot of this machine.
choose_accelerator() {
	local key result=tcg
	key=$(cat /proc/sys/kernel/random/boot_id)
	! stamped accelerator-asked "$key" || return 0
	if [ -e /dev/kvm ] && "$host/boot.sh" --probe --accel kvm --timeout 20 >"$logs/lab-kvm.log" 2>&1 &&
		grep -q alive "$logs/lab-kvm.log"; then
		result=kvm
	fi
	stamp accelerator $result
	stamp accelerator-asked "$key"
	say "lab: the guest runs under $result"
}

prepare_product() {
	if [ ! -e "$top/meson.build" ]; then
		say "lab: no product yet"
	elif "$host/product.sh" stale; then
		start "lab: product and kernel modules" lab-product "$host/product.sh" build
		join
	fi
}

prepare_trees_and_kernels "$@"
choose_accelerator 9>&-
[ -n "$bare" ] || prepare_product
