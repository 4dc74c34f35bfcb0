#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# package.sh [RELEASE...] - ./run package: builds the packages for each Debian release (bookworm and trixie).
. "$(dirname "$0")/common.sh"

need_root
releases=("$@")
[ $# -gt 0 ] || releases=(bookworm trixie)
for release in "${releases[@]}"; do
	step "$release: packages" "package-build-$release" "$top/tests/package/build.sh" "$release"
	say "$release: build/package/$release/$version"
done
