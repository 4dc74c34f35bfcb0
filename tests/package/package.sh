#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# package.sh [RELEASE...] - ./run package: builds the packages for each Debian release (bookworm and trixie), tries them in a clean tree of
# it, with the module built by DKMS for its kernels, and those of trixie on the running machine of the lab: upgraded, removed and purged
# over live regions. The RPM spec is read by rpmspec, and rpmbuild makes packages of it, as far as Debian's tools go.
. "$(dirname "$0")/common.sh"

need_root
releases=("$@")
[ $# -gt 0 ] || releases=(bookworm trixie)
"$host/prepare.sh" --bare 6.1 6.12 7
for release in "${releases[@]}"; do
	step "$release: packages" "package-build-$release" "$top/tests/package/build.sh" "$release"
	step "$release: installed, upgraded, removed, purged; modules by DKMS" "package-clean-$release" "$top/tests/package/clean.sh" "$release"
	grep -E '^(not )?ok ' "$logs/package-clean-$release.log"
done
if [ -d "$package/trixie/modules" ]; then
	# the lab has a kernel with on-demand paging in soft-RoCE: the newest
	status=0
	"$host/boot.sh" --bare --systemd --timeout 1800 --share "$package/trixie" -- \
		bash /lab/guest/package.sh "$version" "$old_version" >"$logs/package-lab.log" 2>&1 </dev/null || status=$?
	grep -E '^(not ok|    |# )' "$logs/package-lab.log" || true
	[ $status = 0 ] || die "lab: the packages fail on a running machine; see build/logs/package-lab.log"
	say "lab: upgraded, removed and purged over live regions ($(grep -c '^ok ' "$logs/package-lab.log") checks)"
fi
step "RPM spec" package-rpm "$top/tests/package/rpm.sh"
say "packages: build/package/RELEASE/$version"
