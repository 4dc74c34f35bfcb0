#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rpm.sh - the RPM spec with Debian's tools: rpmspec reads it, rpmbuild makes packages by it of this tree. Each file that "meson install"
# brings is in exactly one of them, with the same mode, and each folder of the product belongs to one. Then rpm installs them into an
# empty root, over themselves, and erases them, and the administrator's settings are kept. What they require has Debian's own names here,
# so that is not looked at. Packages are not built again without a change.
. "$(dirname "$0")/common.sh"

work=$package/rpm
key=$(source_key tests/package/rpm.sh)
packages=(rdmaregd librdmareg librdmareg-devel rdmareg-dkms rdmareg-slurm python3-rdmareg)

build() {
	rm -rf "$work"
	mkdir -p "$work/SOURCES"
	rpmspec -P "$top/packaging/rpm/rdmaregd.spec" >"$work/read"
	"$top/packaging/source.sh" "$work/rdmaregd-$version"
	tar -C "$work" -cJf "$work/SOURCES/rdmaregd-$version.tar.xz" "rdmaregd-$version"
	# where Debian has what RPM's macros name
	rpmbuild -bb --noclean --nodeps --define "_topdir $work" --define "_libdir /usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)" \
		--define "_unitdir $(pkg-config --variable=systemdsystemunitdir systemd)" \
		--define "_udevrulesdir $(pkg-config --variable=udevdir udev || echo /usr/lib/udev)/rules.d" "$top/packaging/rpm/rdmaregd.spec"
	DESTDIR=$work/image meson install --quiet --no-rebuild -C "$(find "$work/BUILD" -type d -name redhat-build)"
	rm -rf "$work/BUILD" "$work/BUILDROOT" "$work/rdmaregd-$version"
	stamp package-rpm "$key"
}
[ -d "$work/RPMS" ] && stamped package-rpm "$key" || build

rpms=()
for name in "${packages[@]}"; do
	rpms+=("$(find "$work/RPMS" -name "$name-$version-*.rpm" | grep .)") || die "there is no package $name"
done

# --- files: rpmbuild strips and compresses, so the names and modes are compared
have() { rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "${rpms[@]}" | grep -v /usr/lib/.build-id; }
have | sort >"$work/packed"
find "$work/image" -mindepth 1 \( ! -type d -o -empty -o -name '*rdmareg*' -o -path '*rdmareg*/*' \) -printf '%M /%P\n' | sort >"$work/installed"
diff <(grep -v '^d' "$work/installed") <(grep -v '^d' "$work/packed") || die "the packages have not the files of meson install (left)"
diff <(grep '^d' "$work/installed") <(grep '^d' "$work/packed") || die "the product's folders (left) are not those that belong to a package"
twice=$(cut -d' ' -f2 "$work/packed" | sort | uniq -d)
[ -z "$twice" ] || die "in two packages: $twice"
[ "$(rpm -qpc "${rpms[@]}")" = /etc/rdmareg/rdmaregd.conf ] || die "configuration files are: $(rpm -qpc "${rpms[@]}")"

# --- installed, again over themselves, and erased; scriptlets run in that root, without systemd
root=$work/root
rm -rf --one-file-system "$root"
mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
ln -s usr/{bin,sbin,lib,lib64} "$root"
for program in /bin/sh /bin/rm /sbin/ldconfig; do
	{ echo "$program"; ldd "$program" | grep -o '/[^ ]*' || true; } | while read -r file; do cp --parents -Lu "/usr${file#/usr}" "$root"; done
done
in_root() { rpm --root "$root" --nodeps "$@"; }
in_root -i "${rpms[@]}"
grep -q . "$root/etc/rdmareg/rdmaregd.conf" || die "no settings are installed"
echo '# the administrator was here' >>"$root/etc/rdmareg/rdmaregd.conf"
mkdir -p "$root/var/lib/prometheus/node-exporter"
touch "$root/var/lib/prometheus/node-exporter/rdmareg.prom"
in_root -U --force "${rpms[@]}"
grep -qx '# the administrator was here' "$root/etc/rdmareg/rdmaregd.conf" || die "an upgrade overwrites settings"
[ -e "$root/var/lib/prometheus/node-exporter/rdmareg.prom" ] || die "an upgrade removes metrics"
in_root -e "${packages[@]}"
left=$(cd "$root" && find . ! -type d -name '*rdmareg*')
[ "$left" = ./etc/rdmareg/rdmaregd.conf.rpmsave ] || die "erased, they leave: $left"
rm -rf --one-file-system "$root"
