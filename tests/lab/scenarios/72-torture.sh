#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A budget of ./run torture: whatever is done to files, by system calls and by a peer, one after another and at the same time, they have the
# bytes that they must have.
# boot: plain
# timeout: 400
. /lab/guest/lib.sh
. /lab/guest/torture.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
for fs in xfs-dax ext4; do
	check "$fs: each byte, operation by operation" torture $fs --operations 80 --each 80 --tries 20
done
check "xfs: each page, at the same time" torture xfs --stamps 3
check "nothing is left" wait_for eval '[ "$(rdmaregctl --json list | jq length)" = 0 ]'
finish
