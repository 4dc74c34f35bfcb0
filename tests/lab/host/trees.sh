#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# trees.sh rootfs|dev - makes one of the two Debian trixie trees: the guest's userland (build/lab/trees/rootfs, from
# packages.rootfs) or the build chroot (build/lab/dev, from packages.dev).
#
# A tree is made aside and moved into place when whole, while no guest runs on the old one.
. "$(dirname "$0")/common.sh"
. "$host/apt.sh"

make_tree() { # TREE LIST
	local tree=$1 packages new=$1.new
	packages=$(list "$2" | paste -sd,)
	rm -rf --one-file-system "$new"
	mkdir -p "$(dirname "$tree")"
	sources trixie trixie-updates trixie-security | mmdebstrap --mode=root --variant=minbase \
		--aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
		--aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--include="$packages" trixie "$new" -
}

replace() { # TREE: waits for running guests
	exec 8>"$lab/in-use"
	flock 8
	[ ! -e "$1" ] || { mv "$1" "$1.old"; rm -rf --one-file-system "$1.old"; }
	mv "$1.new" "$1"
}

# What belongs to a machine rather than to a package: the guest has no fstab and a fixed identity, so that first-boot
# work is never done.
personalize_guest() {
	local r=$1
	: >"$r/etc/fstab"
	echo lab >"$r/etc/hostname"
	echo 127.0.0.1 localhost lab >"$r/etc/hosts"
	echo 0123456789abcdef0123456789abcdef >"$r/etc/machine-id"
	ln -sf /lib/systemd/system/multi-user.target "$r/etc/systemd/system/default.target"
	mkdir -p "$r"/{lab,share,bench}
}

need_root
case ${1:-} in
rootfs)
	make_tree "$lab/trees/rootfs" "$top/tests/lab/packages.rootfs"
	personalize_guest "$lab/trees/rootfs.new"
	replace "$lab/trees/rootfs"
	;;
dev)
	make_tree "$lab/dev" "$top/tests/lab/packages.dev"
	replace "$lab/dev"
	;;
*) die "usage: trees.sh rootfs|dev" ;;
esac
