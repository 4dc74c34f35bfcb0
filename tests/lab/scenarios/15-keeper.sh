#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A keeper without a daemon, on every kind of file system: transfers, rights, revocations with peers that answer and peers that do not, a
# keeper that is killed and one that is told to stop, and, last, an adapter that goes away.
. /lab/guest/lib.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
lab_two_nodes || skip_all "this kernel's rdma_rxe does not reach the other node"
module_up || echo "# no helper module for this kernel"
keeper=/usr/libexec/rdmareg/rdmareg-keeper drive=$RDMAREG_TESTS/keeper-drive
"$drive" $keeper b || LAB_FAILED=1
check "nothing is left" nothing_left
"$drive" $keeper b removal || LAB_FAILED=1
rdma link add rxea type rxe netdev veth-a
check "nothing is left of that either" nothing_left
finish
