#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# build.sh RELEASE - the packages of this tree for a Debian release, in build/package/RELEASE/VERSION, built in a clean tree of that release
# with the packages of Build-Depends and no others; an older version, to upgrade from, beside them. lintian has nothing to say about
# them, and built again of their source package, at another place, without what was compiled before, they are the same.
#
# The older version is the revision that RDMAREG_PACKAGE_FROM names, else the last tag, else this tree; its number is always 0.0.9.
# What was built is not built again without a change of its source, or of how it is built.
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
		*:dh-sequence-python3) echo dh-python ;;
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


# revision - what to upgrade from; empty is this tree.
revision() {
	if [ -n "${RDMAREG_PACKAGE_FROM:-}" ]; then
		git -C "$top" rev-parse --verify --quiet "$RDMAREG_PACKAGE_FROM^{commit}" || die "there is no revision $RDMAREG_PACKAGE_FROM"
	else
		git -C "$top" rev-list -n 1 "$(git -C "$top" describe --tags --abbrev=0 2>/dev/null)" 2>/dev/null || true
	fi
}

# build WHERE SOURCE VERSION [SETTING...] - a source package's tree of SOURCE, which is a tree like this or such a package, built at
# /build/WHERE; the packages are then in $tree/build. Both versions are compiled at the same place: what does not name the version is
# compiled once.
build() {
	local where=$1 from=$2 v=$3
	shift 3
	rm -rf "${tree:?}/build"
	if [ -d "$from" ]; then
		"$from/packaging/source.sh" "$tree/build/$where" "$v"
	else
		mkdir -p "$tree/build/$where"
		tar -C "$tree/build/$where" --strip-components=1 -xf "$from"
	fi
	in_tree "$tree" --bind "$package/ccache" /ccache env PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin CCACHE_DIR=/ccache \
		DEB_BUILD_OPTIONS="parallel=$(nproc) terse" "$@" sh -ec 'cd "/build/$1"; dpkg-buildpackage -us -uc' - "$where"
	rm -rf "${tree:?}/build/$where"
}
sums() { (cd "$1" && sha256sum -- *.deb); }

mkdir -p "$package/ccache"
key=$(source_key tests/package/build.sh):$key
if ! [ -d "$package/$release/$version" ] || ! stamped "package-built-$release" "$key"; then
	rm -rf "${package:?}/$release/${version:?}"
	build source "$top" "$version"
	# The packages name no address yet: who publishes them puts their own there. lintian looks at all else.
	in_tree "$tree" sh -ec 'cd /build
		lintian --allow-root --fail-on error,warning --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog *.changes'
	mv "$tree/build" "$package/$release/$version"

	build another/place "$package/$release/$version/rdmaregd_$version.tar.xz" "$version" CCACHE_DISABLE=1 TZ=Asia/Tokyo LC_ALL=C
	diff <(sums "$package/$release/$version") <(sums "$tree/build/another") || die "$release: what is built again is not the same"
	echo "reproducible: $(sums "$package/$release/$version" | wc -l) packages"
	stamp "package-built-$release" "$key"
fi

old=$(revision)
[ -z "$old" ] || key=$old
if ! [ -d "$package/$release/$old_version" ] || ! stamped "package-old-$release" "$key"; then
	rm -rf "${package:?}/$release/${old_version:?}"
	from=$top
	if [ -n "$old" ]; then
		from=$package/$release/from
		rm -rf "$from"
		mkdir -p "$from"
		git -C "$top" archive "$old" | tar -x -C "$from"
	fi
	build source "$from" "$old_version"
	mv "$tree/build" "$package/$release/$old_version"
	[ "$from" = "$top" ] || rm -rf "$from"
	stamp "package-old-$release" "$key"
fi
