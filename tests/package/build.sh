#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# build.sh RELEASE - the packages of this tree for a Debian release, in build/package/RELEASE/VERSION, built in a clean tree of that release
# with the packages of Build-Depends and no others; the same once more as an older version, to upgrade from. lintian has nothing to
# say about them.
. "$(dirname "$0")/common.sh"

release=${1:?usage: build.sh RELEASE}
tree=$package/$release/builder
control=$top/packaging/debian/control

# Alternatives of Build-Depends: what a release has. trixie split systemd.
build_packages() {
	local name
	for name in $(sed -n '/^Build-Depends:/,/^[A-Z]/p' "$control" | sed -e 's/^Build-Depends://' -e '/^[A-Z]/d' | tr -d '\n' | first_names); do
		case $release:$name in
		*:debhelper-compat) echo debhelper ;;
		*:dh-sequence-dkms) echo dh-dkms ;;
		*:dh-sequence-installsysusers) ;;
		bookworm:systemd-dev) echo systemd; echo udev ;;
		*) echo "$name" ;;
		esac
	done | sort -u
}

mapfile -t names < <(build_packages)
names+=(build-essential ccache lintian)
key="${names[*]}"
if ! [ -d "$tree" ] || ! stamped "package-builder-$release" "$key"; then
	make_tree "$tree" "$release" "${names[@]}"
	stamp "package-builder-$release" "$key"
fi

# The packages name no address yet: who publishes them puts their own there. lintian looks at all else.
#
# Both versions are compiled at the same place: what does not name the version is compiled once.
mkdir -p "$package/ccache"
for v in "$version" "$old_version"; do
	rm -rf "${tree:?}/build" "$package/$release/${v:?}"
	mkdir "$tree/build"
	"$top/packaging/source.sh" "${tree:?}/build/source" "$v"
	in_tree "$tree" --bind "$package/ccache" /ccache bash -ec '
		cd /build/source
		export PATH=/usr/lib/ccache:$PATH CCACHE_DIR=/ccache DEB_BUILD_OPTIONS="parallel=$(nproc) terse"
		dpkg-buildpackage -us -uc
		[ "$1" != lint ] || lintian --allow-root --fail-on error,warning --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog ../*.changes' - "$([ "$v" != "$version" ] || echo lint)"
	rm -rf "${tree:?}/build/source"
	mv "$tree/build" "$package/$release/$v"
done
