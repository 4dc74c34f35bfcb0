#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# slurm-jobs.sh - what can happen to jobs with regions, on the Slurm of two nodes: `./run slurm`. The scenario 95-slurm has what fits into
# continuous integration. After each part nothing is left on either node.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/slurm.sh
lab_setup || exit 1
users_up
check "rdmaregd runs on both nodes" slurm_product_up
slurm_up || { slurm_log; sinfo; not_ok "slurmctld and two slurmd run"; finish; }
slurm_jobs_dir
zeroes /mnt/xfs/model 4
goods /mnt/xfs/model

one_region() { [ "$(rdmaregctl --json list | jq length)" = 1 ]; }
nothing_is_left() { WAIT_SEC=120 check "$1: nothing is left" wait_for slurm_nothing_left; }
step_runs() { [ "$(squeue -h -s -j "$1" -o %i 2>/dev/null | grep -c "$1\.0")" = 1 ]; }

# hold_nodes - an allocation of both nodes with regions but without a process of its user; its number is in $job.
hold_nodes() {
	job=$(as_good salloc --no-shell -D /tmp -N2 2>&1 | sed -n 's/.*Granted job allocation //p')
	as_good srun -D /tmp --jobid="$job" -N2 --rdmareg=/mnt/xfs/model:rw,name=model,required true ||
		not_ok "$1: a step registers"
	expect_equal "$1: each node has a region, which stays when the step is over" 2 "$(regions_of_jobs)"
}

# --- twenty tasks of an array, of one user
cat >$RDMAREG_JOBS/array.sh <<'EOF'
#!/bin/sh
srun sh -c 'grep -c " rdmareg://" "$RDMAREG_TICKETS" >$RDMAREG_JOBS/array.$SLURM_ARRAY_TASK_ID'
EOF
array=$(as_good sbatch --parsable -D /tmp -o "$RDMAREG_JOBS/array-log.%a" --array=1-20 -N1 -n1 --rdmareg=/mnt/xfs/model:rw,required $RDMAREG_JOBS/array.sh)
WAIT_SEC=400 check "array: all of it ends" wait_for job_over "$array"
expect_equal "array: each of 20 had its ticket" 20 "$(cat $RDMAREG_JOBS/array.* | grep -cx 1)"
# of those that had none, the reason
for i in $(seq 20); do
	[ "$(cat "$RDMAREG_JOBS/array.$i" 2>/dev/null)" = 1 ] || sed "s/^/# array task $i: /" "$RDMAREG_JOBS/array-log.$i"
done
nothing_is_left array

# --- requeued: the number of the job stays, its tickets do not
cat >$RDMAREG_JOBS/again.sh <<'EOF'
#!/bin/sh
srun sh -c 'cp "$RDMAREG_TICKETS" $RDMAREG_JOBS/again.${SLURM_RESTART_COUNT:-0}.$SLURM_PROCID; exec sleep 1000'
EOF
job=$(as_good sbatch --parsable --requeue -D /tmp -o /dev/null -N2 --rdmareg=/mnt/xfs/model:rw,required $RDMAREG_JOBS/again.sh)
check "requeue: it runs" wait_for test -s $RDMAREG_JOBS/again.0.0 -a -s $RDMAREG_JOBS/again.0.1
check "requeue" as_good scontrol requeue "$job"
WAIT_SEC=300 check "requeue: it runs again" wait_for test -s $RDMAREG_JOBS/again.1.0 -a -s $RDMAREG_JOBS/again.1.1
check "requeue: with tickets of its own" sh -c "! cmp -s $RDMAREG_JOBS/again.0.0 $RDMAREG_JOBS/again.1.0"
expect_equal "requeue: of both nodes" 2 "$(grep -c ' rdmareg://' $RDMAREG_JOBS/again.1.0)"
as_good scancel "$job"
nothing_is_left requeue

# --- the time limit
as_good srun -D /tmp -N2 --time=1 --rdmareg=/mnt/xfs/model:rw sleep 1000 >/dev/null 2>&1
nothing_is_left "time limit"

# --- slurmd is killed
hold_nodes "slurmd killed"
systemctl kill -s KILL --kill-whom=main slurmd-node-b
expect_equal "slurmd killed: regions stay" 2 "$(regions_of_jobs)"
systemctl stop slurmd-node-b
check "slurmd killed: another one is started" start_slurmd_b
as_good scancel "$job"
nothing_is_left "slurmd killed"

# --- rdmaregd is restarted
hold_nodes "rdmaregd restarted"
check "rdmaregd restarted" systemctl restart rdmaregd
check "rdmaregd restarted: a new step finds the regions" as_good srun -D /tmp --jobid="$job" -N2 --rdmareg=/mnt/xfs/model:rw,name=model true
expect_equal "rdmaregd restarted: no region is made anew" 2 "$(regions_of_jobs)"
as_good scancel "$job"
nothing_is_left "rdmaregd restarted"

# --- all processes of the user are killed, as many sites do in their epilog
hold_nodes pkill
pkill -KILL -U good
expect_equal "pkill: the regions of a job stay" 2 "$(regions_of_jobs)"
check "pkill: and are reachable" on_b rdmaregctl get \
	"$(rdmaregctl --json list | jq -r .[0].ticket)" /tmp/got
as_good scancel "$job"
nothing_is_left pkill

# --- the epilog runs while the job does, and again
hold_nodes "early epilog"
check "early epilog: on one node, twice" slurm_hook job_epilog 2 "$job"
expect_equal "early epilog: the other node's region stays" 1 "$(regions_of_jobs)"
as_good scancel "$job"
nothing_is_left "early epilog"

# --- a job that is suspended: its regions stay, and nobody waits longer than the grace
job=$(as_good sbatch --parsable -D /tmp -o /dev/null -N1 --rdmareg=/mnt/xfs/model:rw,grace=1s $RDMAREG_JOBS/again.sh)
check "suspended: it runs" wait_for step_runs "$job"
check "suspended: with its region" wait_for one_region
check "suspended" scontrol suspend "$job"
truncate_file /mnt/xfs/model 1M as_good
check "suspended: a truncate waits for the grace at most ($took ms)" test "$took" -lt 30000
expect_equal "suspended: the region stays" 1 "$(rdmaregctl --json list | jq length)"
scontrol resume "$job"
as_good scancel "$job"
nothing_is_left suspended

# --- what the hooks cost, as ratios: a process that loads the plugin and calls it, to one that calls nothing
median_usec() { # COMMAND...
	local i begin
	for i in 1 2 3 4 5 6 7; do
		begin=$(date +%s%N)
		"$@" >/dev/null 2>&1
		echo $((($(date +%s%N) - begin) / 1000))
	done | sort -n | sed -n 4p
}
nothing=$(median_usec slurm_hook nothing 1 7)
epilog=$(median_usec slurm_hook job_epilog 1 7)
echo "# a process with a hook that does nothing: 1"
echo "# with the epilog of a job without regions: $(jq -n "$epilog * 100 / $nothing | round / 100")"
plain=$(median_usec as_good srun -D /tmp -N2 true)
with=$(median_usec as_good srun -D /tmp -N2 --rdmareg=/mnt/xfs/model:rw true)
echo "# srun of two nodes without a region: 1; with one: $(jq -n "$with * 100 / $plain | round / 100")"
nothing_is_left "measured jobs"
slurm_down
finish
