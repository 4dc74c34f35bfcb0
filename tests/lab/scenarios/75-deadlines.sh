#!/bin/bash
# boot: plain
# timeout: 600
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every operation comes back, whoever is silent, stopped or dead, root's and an ordinary user's. A few of each here, fewer of the user's,
# with the distribution printed; a thousand with ./run deadlines. That they come back at all is the check: the emulator's clock is no
# judge of milliseconds.
. /lab/guest/lib.sh
. /lab/guest/deadlines.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
product_up || exit 1
for uid in 0 2101; do
	export PROBE_UID=$uid
	deadlines $((uid ? 1 : 4)) >/tmp/table
	status=$?
	sed 's/^/# /' /tmp/table
	expect_equal "user $uid: every operation came back, in every way of going wrong" 0 $status
	expect_equal "user $uid: all thirteen were tried" 14 "$(wc -l </tmp/table)"
done
finish
