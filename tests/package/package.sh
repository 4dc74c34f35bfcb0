#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# package.sh [--from REVISION] [RELEASE...] - ./run package: builds the packages for each Debian release (bookworm and trixie), tries them in
# a clean tree of it, with the module built by DKMS for its kernels, and on the running machine of the lab, under the release's systemd:
# upgraded, removed and purged over live regions. The RPM spec is read by rpmspec, and rpmbuild makes packages of it, as far as Debian's tools go.
. "$(dirname "$0")/common.sh"

need_root
if [ "${1:-}" = --from ]; then
	export RDMAREG_PACKAGE_FROM=${2:?--from wants a revision}
	shift 2
fi
releases=("$@")
[ $# -gt 0 ] || releases=(bookworm trixie)
"$host/prepare.sh" --bare 6.1 6.12 7
for release in "${releases[@]}"; do
	step "$release: packages" "package-build-$release" "$top/tests/package/build.sh" "$release"
	step "$release: installed, upgraded, removed, purged; modules by DKMS" "package-clean-$release" "$top/tests/package/clean.sh" "$release"
	grep -E '^(not )?ok ' "$logs/package-clean-$release.log"
done
# The lab has a kernel with on-demand paging in soft-RoCE, the newest, which Debian 12 has not: its userland runs on that of trixie.
for release in "${releases[@]}"; do
	tree=rootfs
	if [ "$release" = bookworm ]; then
		tree=bookworm
		step "lab: tree $tree" "lab-$tree" "$top/tests/package/guest.sh"
	fi
	newest=$("$host/kernels.sh" version 7)
	[ -e "$package/trixie/modules/$newest/rdmareg.ko" ] || die "$release: no module for $newest yet, which trixie's packages make: ./run package trixie"
	[ "$release" = trixie ] || cp -R "$package/trixie/modules/$newest" "$package/$release/modules/"
	status=0
	"$host/boot.sh" --bare --systemd --tree "$tree" --timeout 1800 --share "$package/$release" -- \
		bash /lab/guest/package.sh "$version" "$old_version" >"$logs/package-lab-$release.log" 2>&1 </dev/null || status=$?
	grep -E '^(not ok|    |# )' "$logs/package-lab-$release.log" || true
	[ $status = 0 ] || die "$release: the packages fail on a running machine; see build/logs/package-lab-$release.log"
	say "$release: upgraded, removed and purged over live regions, in the lab ($(grep -c '^ok ' "$logs/package-lab-$release.log") checks)"
done
step "RPM spec" package-rpm "$top/tests/package/rpm.sh"
say "packages: build/package/RELEASE/$version"
