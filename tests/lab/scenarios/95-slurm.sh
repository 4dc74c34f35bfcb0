#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A real Slurm of two nodes: jobs of an ordinary user.
# boot: systemd
# timeout: 300
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/slurm.sh
kernel_at_least 7.0 || skip_all "this kernel's rdma_rxe listens in one network namespace only"
trap slurm_down EXIT
users_up
slurm_up || { slurm_log; sinfo; not_ok "slurmctld and two slurmd run"; finish; }
ok "slurmctld and two slurmd run"
expect_equal "a job of an ordinary user runs on both" "node-a node-b" \
	"$(as_good srun -D /tmp -N2 -l printenv SLURMD_NODENAME 2>&1 | sort -n | sed 's/^[0-9]*: //' | paste -sd' ')"
check "each in its own network" sh -c \
	"setpriv --reuid=good --regid=good --init-groups srun -D /tmp -N1 -w node-b ip -o -4 addr show dev veth-b | grep -q $LAB_ADDR_B"
finish
