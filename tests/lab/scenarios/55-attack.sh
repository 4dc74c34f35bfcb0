#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Hostile users beside a good one, each way for a moment (./run attack takes longer and prints what it cost): nothing of the good
# tenant's fails, and the daemon that served before serves afterwards.
# boot: systemd
# timeout: 600
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/attack.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"

product_up || exit 1
daemon=$(systemctl show -P MainPID "$RDMAREG_UNIT")
attack_begin && ok "a good tenant has regions" || not_ok "a good tenant has regions"
for way in $ATTACK_WAYS; do
	check "$way: nothing of the good tenant's fails" attack_way "$way" 2
done
expect_equal "the daemon is the one it was" "$daemon" "$(systemctl show -P MainPID "$RDMAREG_UNIT")"
check "the good tenant lets go" attack_end
finish
