#!/bin/bash
# boot: plain
# timeout: 1200
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The hardware kit (./run hardware) with soft-RoCE in the place of an adapter: what it tries of regions holds, figures that open the device have rows, the report
# is whole, and the machine is as before: no module, no process, no file, and an rdmaregd in service does not notice. What numbers it gives does not matter here.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
out=/run/lab/kit
kit() { python3 -B /bench/hardware/hardware.py --installed --device rxea --directory /mnt/xfs "$@"; }
told() { jq -r ".steps[] | select(.step | startswith(\"$1\")).$2" $out/report.json; }
rm -rf $out $out.tar.gz

# one is in service, with a region
product_up || exit 1
zeroes /mnt/ext4/served 4
r=$(register /mnt/ext4/served)

said=$(kit --quick)
check "without --yes it tells what it would do" grep -q 'Nothing was done' <<<"$said"
expect_status 77 "a machine without that device" kit --device nothing0
check "and does nothing" test ! -e $out
check "it runs" kit --yes --quick --out $out --only selftest --only transfer --only revoke --only silent --only restart --only p2 --only p4 --only p10
for step in selftest transfer revoke silent restart P2 P4 P10; do
	expect_equal "$step" ok "$(told "$step" verdict)"
	echo "# $(told "$step" text)"
done
expect_equal "what was not asked for is told" "it was not asked for (--only)" "$(told P9 text)"
check "the checksums" sh -c "cd $out && sha256sum --check --quiet --strict SHA256SUMS"
check "the archive" sh -c "tar -tzf $out.tar.gz | grep -q report.txt"
check "pictures" test -s $out/p2.svg -a -s $out/p10.svg
check "the report names the adapter's paging" grep -q 'rc_odp_caps' $out/report.txt
expect_equal "nothing is left behind" nothing "$(jq -r '.made["left behind"]' $out/report.json)"
check "no directory" sh -c '! ls -d /tmp/rdmareg-kit.* /mnt/xfs/rdmareg-kit.* 2>/dev/null'
check "the region in service is as before" region_is "$(field id "$r")" state live
expect_equal "and is the only one that the adapter has" 1 "$(mr_count)"
check "released" rdmaregctl release "$(field id "$r")"
product_down

# without the module, which is loaded for the run and unloaded
rm -rf $out $out.tar.gz
check "the module is loaded when that is asked for" kit --yes --quick --load-module --out $out --only p4
expect_equal "P4, with the module" ok "$(told P4 verdict)"
check "and is gone" test ! -d /sys/module/rdmareg
finish
