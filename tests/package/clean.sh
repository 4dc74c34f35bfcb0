#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# clean.sh RELEASE - the packages of build.sh in a clean tree of that release, which has what they depend on, and the headers of its kernels:
# installed as the older version, upgraded, removed, purged, and a look at what is left (inside.sh). Nothing runs there, as no
# systemd does; the lab has that. Modules that DKMS built are kept in build/package/RELEASE/modules.
. "$(dirname "$0")/common.sh"

release=${1:?usage: clean.sh RELEASE}
tree=$package/$release/clean
case $release in
bookworm) kernels=6.1 ;;
*) kernels="6.12 7" ;;
esac

# What the packages want, of others. Debian's dbus package is the default of those that are a system bus.
dependencies() {
	local deb
	for deb in "$package/$release/$version"/*.deb; do
		case $deb in *-dbgsym_*) ;; *) dpkg-deb -f "$deb" Depends; echo ;; esac
	done | first_names | sed 's/^default-dbus-system-bus$/dbus/' | grep -Ev '^(rdmareg|librdmareg)' | sort -u
}

mapfile -t wanted < <(dependencies)
versions=$(for k in $kernels; do "$host/kernels.sh" version "$k"; done)
case $release in
bookworm) wanted+=(libelf1 libssl3) ;;
*) wanted+=(libelf1t64 libssl3t64) ;;
esac
wanted+=(systemd udev gcc libc6-dev make pkgconf pahole openssl xz-utils zstd autopkgtest)
key="${wanted[*]} ${versions//$'\n'/ }"
if ! [ -d "$tree" ] || ! stamped "package-clean-$release" "$key"; then
	make_tree "$tree" "$release" "${wanted[@]}"
	for v in $versions; do
		for deb in "$lab/debs/$v"/linux-{headers,kbuild}-*.deb; do
			dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$tree"
		done
	done
	stamp "package-clean-$release" "$key"
fi

# Every change goes into a layer that is thrown away.
rm -rf "$package/$release/modules"
mkdir -p "$package/$release/modules"
rm -rf "$package/$release/tests"
cp -R "$top/packaging/debian/tests" "$package/$release/tests"
scratch=$(mktemp -d "$package/$release/scratch.XXXXXX")
trap 'rm -rf --one-file-system "$scratch"' EXIT
mkdir "$scratch"/{upper,work,root}
unshare -m bash -ec '
	. "$1/tests/package/common.sh"
	mount -t overlay overlay -o "lowerdir=$2,upperdir=$3/upper,workdir=$3/work" "$3/root"
	in_tree "$3/root" --bind "$package/$4" /packages --bind "$1/tests/package" /tests --bind "$package/$4/modules" /modules \
		bash /tests/inside.sh "$version" "$old_version"' - "$top" "$tree" "$scratch" "$release"
