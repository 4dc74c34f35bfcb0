#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A real Slurm of two nodes with the plugin: regions that an ordinary user's job asks for are there when its tasks begin, reachable
# from the other node, and gone when the job is, however it ends. `./run slurm` has the rest.
# boot: systemd
# timeout: 840
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/slurm.sh
kernel_at_least 7.0 || skip_all "this kernel's rdma_rxe listens in one network namespace only"
rail_up || { rail_down; exit 1; }
trap 'slurm_down; rail_down' EXIT
users_up
check "rdmaregd runs on both nodes" slurm_product_up
slurm_up || { slurm_log; sinfo; not_ok "slurmctld and two slurmd run"; finish; }
ok "slurmctld and two slurmd run"
slurm_jobs_dir

expect_equal "a job of an ordinary user runs on both" "node-a node-b" \
	"$(as_good srun -D /tmp -N2 -l printenv SLURMD_NODENAME 2>&1 | sort -n | sed 's/^[0-9]*: //' | paste -sd' ')"

# --- a job on two nodes: the rank on one writes into the region of the other
noise $RDMAREG_JOBS/sent 2
zeroes /mnt/xfs/model 4
goods /mnt/xfs/model
cat >$RDMAREG_JOBS/rank.sh <<'EOF'
echo "$SLURM_PROCID $RDMAREG_MISSING $(stat -c %a.%U "$RDMAREG_TICKETS") $(grep -c ' model rw rdmareg://' "$RDMAREG_TICKETS")"
[ "$SLURM_PROCID" = 1 ] || exit 0
exec rdmaregctl put $RDMAREG_JOBS/sent "$(awk '$1 == 0 && $3 == "model" { print $5 }' "$RDMAREG_TICKETS")"
EOF
as_good srun -D /tmp -N2 --rdmareg=/mnt/xfs/model:rw,warm,required,name=model sh $RDMAREG_JOBS/rank.sh >/run/lab/ranks 2>&1
expect_equal "two nodes: the job succeeds" 0 $?
expect_equal "two nodes: each rank has a file of mode 0600 with both nodes' tickets" "0 0 600.good 2;1 0 600.good 2" \
	"$(grep '^[01] ' /run/lab/ranks | sort | paste -sd';')"
check "two nodes: the file has what the other node's rank wrote" cmp -n $((2 * MIB)) $RDMAREG_JOBS/sent /mnt/xfs/model
check "two nodes: nothing is left" wait_for slurm_nothing_left

# --- refused where it is submitted
refused() { # WORDS COMMAND...
	local words=$1
	shift
	! as_good "$@" >/run/lab/refused 2>&1 && grep -q "$words" /run/lab/refused
}
check "srun refuses a region that cannot be, and says why" refused "neither r nor rw" srun -D /tmp --rdmareg=/mnt/xfs/model:x true
check "so does sbatch" refused "no size" sbatch -D /tmp --rdmareg=memfd:much --wrap true
check "two names with one variable, too" refused "share the variable RDMAREG_FD_a_b" srun -D /tmp --rdmareg=/x,name=a.b --rdmareg=/y,name=a-b true
check "so does salloc" refused "given twice" salloc -D /tmp --rdmareg=/x,warm,warm true

# --- what is not there
cat >$RDMAREG_JOBS/reason.sh <<'EOF'
exec grep "^# node 0 .* r1 failed: /mnt/xfs/none: No such file" "$RDMAREG_TICKETS"
EOF
as_good srun -D /tmp --rdmareg=/mnt/xfs/none sh $RDMAREG_JOBS/reason.sh >/run/lab/none 2>&1
expect_equal "a file that is not there: the task runs, and finds the reason" 0 $?
as_good srun -D /tmp --rdmareg=/mnt/xfs/none,required touch $RDMAREG_JOBS/ran >/run/lab/required 2>&1
check "required: the task does not run" test ! -e $RDMAREG_JOBS/ran
check "required: and says why" grep -q "requires a region that is missing" /run/lab/required

# --- an ordinary user makes the directory for another one's tickets
theirs=$SLURM_TICKETS/$(id -u good)
expect_equal "good's directory for tickets is good's alone" "700 good" "$(stat -c '%a %U' "$theirs")"
check "which is empty when its jobs are over" wait_for rmdir "$theirs"
check "a thief cannot make it where only root may write" as_mallory sh -c "! mkdir $theirs 2>/dev/null"
chmod 1777 $SLURM_TICKETS
as_mallory mkdir -m 777 "$theirs"
as_good srun -D /tmp --rdmareg=/mnt/xfs/model,required touch $RDMAREG_JOBS/ran >/run/lab/thief 2>&1
check "where everybody may, the thief's is not used" test ! -e $RDMAREG_JOBS/ran
check "which is said" grep -q "$theirs belongs to user id $(id -u mallory), not to the job's" /run/lab/thief
check "and root did nothing to it" as_mallory rmdir "$theirs"
chmod 755 $SLURM_TICKETS

# --- a batch job with steps, cancelled
cat >$RDMAREG_JOBS/batch.sh <<'EOF'
#!/bin/sh
srun true
srun sh -c 'cp "$RDMAREG_TICKETS" $RDMAREG_JOBS/cancelled.$SLURM_PROCID; exec sleep 1000'
EOF
job=$(as_good sbatch --parsable -D /tmp -o /dev/null -N2 --rdmareg=/mnt/xfs/model:rw --rdmareg=memfd:4M,name=scratch $RDMAREG_JOBS/batch.sh)
check "batch: its steps run" wait_for test -s $RDMAREG_JOBS/cancelled.0 -a -s $RDMAREG_JOBS/cancelled.1
expect_equal "batch: both options reach the steps, on both nodes" "0 r1;0 scratch;1 r1;1 scratch" \
	"$(awk '$5 ~ /^rdmareg:/ { print $1, $3 }' $RDMAREG_JOBS/cancelled.0 | paste -sd';')"
expect_equal "batch: a file has one region on each node, whatever steps there are" 2 \
	"$({ rdmaregctl --json list; node_b rdmaregctl --json list; } | jq -s --arg s "slurm.$job" \
		'add | map(select(.session == $s and .path == "/mnt/xfs/model")) | length')"
expect_equal "batch: each node has the job's session" "1 1" "$(sessions_of_jobs) $(sessions_of_jobs node_b)"
check "scancel" as_good scancel "$job"
check "scancel: the job ends" wait_for job_over "$job"
check "scancel: nothing is left" wait_for slurm_nothing_left
check "the epilog runs again, twice" slurm_hook job_epilog 2 "$job"
check "both nodes are there" wait_for nodes_idle

# --- rails: a region on each device that the site names, and a list of tickets for a peer of all of them
slurm_plugin wait=300s device=rxea,rxea2
cat >$RDMAREG_JOBS/rails.sh <<'EOF'
#!/bin/sh
cp "$RDMAREG_TICKETS" $RDMAREG_JOBS/rails.new
mv $RDMAREG_JOBS/rails.new $RDMAREG_JOBS/rails
exec sleep 1000
EOF
zeroes /mnt/xfs/model 4
job=$(as_good sbatch --parsable -D /tmp -o /dev/null -w node-a --rdmareg=/mnt/xfs/model:rw,required,rails,name=model $RDMAREG_JOBS/rails.sh)
check "rails: the job has its tickets" wait_for test -s $RDMAREG_JOBS/rails
expect_equal "rails: a session for each device" 2 "$(sessions_of_jobs)"
tickets=$(sed -n 's/^0 node-a model rw //p' $RDMAREG_JOBS/rails)
names_both() { [[ $1 =~ ^rdmareg://$LAB_ADDR_A:[^\ ]+\ rdmareg://\[$LAB_RAIL_A\]:[^\ ]+$ ]]; }
check "rails: a line with a ticket for each" names_both "$tickets"
rail_mark
check "rails: a peer writes" node_b rdmaregctl put $RDMAREG_JOBS/sent "$tickets"
check "rails: over both" rail_has_part 30
check "rails: each byte is right" cmp -n $((2 * MIB)) $RDMAREG_JOBS/sent /mnt/xfs/model
check "rails: the job is cancelled" as_good scancel "$job"
check "rails: it ends" wait_for job_over "$job"
check "rails: nothing is left" wait_for slurm_nothing_left
finish
