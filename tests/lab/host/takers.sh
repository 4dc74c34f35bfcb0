#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# takers.sh VERSION... - makes build/lab/takers: all modules of these kernels (full versions), and the programs of packages.takers. The
# guest has but what tests take; `./run table` shares this directory with it, for the servers and devices that only the table knows.
. "$(dirname "$0")/common.sh"
. "$host/apt.sh"

takers=$lab/takers

# Debian splits a kernel since 7.0.
package_of_modules() { # VERSION
	if [ -n "$(lab_apt apt-cache show --no-all-versions "linux-modules-$1" 2>/dev/null)" ]; then
		echo "linux-modules-$1"
	else
		echo "linux-image-$1"
	fi
}

# unpack VERSION - what is a link in the guest (/lib) is one here.
unpack() {
	local deb work=$lab/takers.debs
	rm -rf "$work"
	mkdir -p "$work" "$takers/usr/lib"
	[ -e "$takers/lib" ] || ln -s usr/lib "$takers/lib"
	(cd "$work" && lab_apt apt-get download "$(package_of_modules "$1")")
	for deb in "$work"/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$takers"; done
	rm -rf "$work"
	"$host/in-dev" depmod -b /lab/takers "$1"
}

# Programs that the guest's own system does not need: unpacked, not installed.
unpack_programs() {
	local names deb work=$lab/takers.debs
	mapfile -t names < <(list "$top/tests/lab/packages.takers")
	rm -rf "$work"
	mkdir -p "$work" "$takers/usr"
	lab_apt_update
	(cd "$work" && lab_apt apt-get download -t trixie "${names[@]}")
	for deb in "$work"/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$takers"; done
	rm -rf "$work"
}

need_root
programs=$(hash tests/lab/packages.takers)
if ! stamped takers "$programs" || [ ! -e "$takers" ]; then
	unpack_programs
	stamp takers "$programs"
fi
updated=
for version; do
	[ ! -e "$takers/lib/modules/$version/modules.dep" ] || continue
	[ -n "$updated" ] || lab_apt_update
	updated=1
	unpack "$version"
done
