#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rpm.sh - the RPM spec with Debian's tools: rpmspec reads it, rpmbuild makes packages by it of this tree, whose files and modes are as they
# should be. Requirements are Debian's own here, so they are not looked at.
. "$(dirname "$0")/common.sh"

work=$package/rpm
rm -rf "$work"
mkdir -p "$work/SOURCES"
rpmspec -P "$top/packaging/rpm/rdmaregd.spec" >"$work/read"
"$top/packaging/source.sh" "$work/rdmaregd-$version"
tar -C "$work" -cJf "$work/SOURCES/rdmaregd-$version.tar.xz" "rdmaregd-$version"
# where Debian has what RPM's macros name
places=(--define "_libdir /usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
	--define "_unitdir $(pkg-config --variable=systemdsystemunitdir systemd)"
	--define "_udevrulesdir $(pkg-config --variable=udevdir udev || echo /usr/lib/udev)/rules.d")
rpmbuild -bb --nodeps --define "_topdir $work" "${places[@]}" \
	"$top/packaging/rpm/rdmaregd.spec"
for name in rdmaregd librdmareg librdmareg-devel rdmareg-dkms rdmareg-slurm; do
	[ -n "$(find "$work/RPMS" -name "$name-$version-*.rpm")" ] || die "there is no package $name"
done
rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$work"/RPMS/*/rdmaregd-"$version"-*.rpm >"$work/files"
grep -q '^-rwx--x--x .*/rdmareg-keeper$' "$work/files" || die "the keeper's program is readable"
grep -q ' /etc/rdmareg/rdmaregd.conf$' <(rpm -qpc "$work"/RPMS/*/rdmaregd-"$version"-*.rpm | sed 's/^/ /') || die "settings are no configuration file"
