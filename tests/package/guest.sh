#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# guest.sh - the userland of the lab's guest once more, of Debian 12: build/lab/trees/bookworm. It has the same packages as the lab's own, and
# is the same machine.
. "$(dirname "$0")/common.sh"

tree=$lab/trees/bookworm
key=$(hash tests/lab/packages.rootfs tests/package/guest.sh tests/package/common.sh)
[ ! -d "$tree" ] || ! stamped tree-bookworm "$key" || exit 0
# libraries are not named after the size of time_t there
mapfile -t names < <(list "$top/tests/lab/packages.rootfs" | sed 's/t64$//')
make_tree "$tree" bookworm "${names[@]}"
for file in fstab hostname hosts machine-id systemd/system/default.target; do
	cp -a --remove-destination "$lab/trees/rootfs/etc/$file" "$tree/etc/$file"
done
mkdir -p "$tree"/{lab,share,bench}
stamp tree-bookworm "$key"
