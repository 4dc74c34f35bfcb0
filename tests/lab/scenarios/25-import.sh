#!/bin/bash
# boot: plain
# timeout: 400
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What only mlx5 has, on soft-RoCE. Page faults are not counted. Importing a region where it cannot be had: the administrator has not allowed it, or the adapter is soft-RoCE. And that an adapter for
# which all this was tried still prefetches regions for reading. With an mlx5 adapter nobody has run it: see docs/adapters.md.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1

import() {
	busctl --system call org.rdmareg.Registry1 "/org/rdmareg/Registry1/region/$1" org.rdmareg.Registry1.Region Import 'a{sv}' 0 2>&1
}
refused() { # WORDS ID
	local said status=0
	said=$(import "$2") || status=$?
	echo "# $said"
	[ $status != 0 ] && grep -q "$1" <<<"$said"
}
descriptors() { ls /proc/"$(pgrep -x rdmaregd)"/fd | wc -l; }

zeroes /mnt/xfs/import 4
r=$(register /mnt/xfs/import --access r)
id=$(field id "$r")
expect_equal "a region for reading is warm" $((4 * MIB)) "$(field bytes_warmed "$(region "$id")")"
expect_equal "soft-RoCE counts no faults" null "$(field faults "$(region "$id")")"
check "and it is said" grep -q "not counted by this adapter" <<<"$(rdmaregctl show "$id")"
check "off unless the administrator says so" refused "import = on" "$id"
conf=/etc/rdmareg/conf.d/50-import.conf
mkdir -p "${conf%/*}"
printf '[keepers]\nimport = on\n' >"$conf"
pkill -HUP -x rdmaregd
before=$(descriptors)
check "soft-RoCE: said clearly, with the device's name" wait_for refused "device rxea cannot share its context" "$id"
check "and what to do instead" refused "Map the file" "$id"
check "no such region" refused "no region" 999999
expect_equal "no descriptor stays with the daemon" "$before" "$(descriptors)"
check "the region is as before" region_is "$id" state live
check "released" rdmaregctl release "$id"
rm -f "$conf"
finish
