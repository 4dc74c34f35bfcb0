#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# slurm-jobs.sh [PART...] - what can happen to jobs with regions, on the Slurm of two nodes: `./run slurm`; all of it, or some parts. The
# scenario 95-slurm has what fits into continuous integration. After each part nothing is left on either node.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/slurm.sh
# How long nothing may happen before a part gives up. No part ends by it: the guest is emulated, and others may run beside it.
export WAIT_SEC=600
lab_setup || exit 1
users_up

# the region that devices are made of, free
modprobe -a device_dax dax_hmem
hmem() { compgen -G '/sys/devices/platform/hmem_platform.0/hmem.*'; }
wait_for hmem || not_ok "there is a dynamic DAX region"
for device in "$(hmem)"/dax[0-9]*; do
	daxctl disable-device "${device##*/}" >/dev/null 2>&1
	daxctl destroy-device "${device##*/}" >/dev/null 2>&1
done

check "rdmaregd runs on both nodes" slurm_product_up
slurm_up || { slurm_log; sinfo; not_ok "slurmctld and two slurmd run"; finish; }
slurm_jobs_dir
zeroes /mnt/xfs/model 4
goods /mnt/xfs/model

nothing_is_left() { check "$1: nothing is left" wait_for slurm_nothing_left; }
id_of() { rdmaregctl --json list | jq -r ".[] | select(.name == \"$1\") | .id"; }
lines_of() { grep -c -- "$2" "$1"; } # FILE PATTERN
names_of() { awk '$5 ~ /^rdmareg:/ { print $3 }' "$1" | paste -sd' '; } # of regions in a ticket file

cat >$RDMAREG_JOBS/hold.sh <<'EOS'
cp $RDMAREG_TICKETS $RDMAREG_JOBS/tickets.$SLURM_PROCID
[ $SLURM_PROCID = 1 ] || rdmaregctl --json list | jq '.[0].bytes_warmed' >$RDMAREG_JOBS/warmed
EOS
# a batch job that shows the tickets of each of its runs
cat >$RDMAREG_JOBS/again.sh <<'EOS'
#!/bin/sh
srun sh -c 'cp "$RDMAREG_TICKETS" $RDMAREG_JOBS/again.${SLURM_RESTART_COUNT:-0}.$SLURM_PROCID; exec sleep 1000'
EOS
# hold_nodes PART [SPEC] - an allocation of both nodes with regions but without a process of its user; its number is in $job.
hold_nodes() {
	job=$(as_good salloc --no-shell -D /tmp -N2 2>&1 | sed -n 's/.*Granted job allocation //p')
	as_good srun -D /tmp --jobid="$job" -N2 --rdmareg="${2:-/mnt/xfs/model:rw},name=model,required" sh $RDMAREG_JOBS/hold.sh ||
		not_ok "$1: a step registers"
	expect_equal "$1: each node has a region, which stays when the step is over" 2 "$(regions_of_jobs)"
	TICKET=$(awk '$1 == 0 && $3 == "model" { print $5 }' $RDMAREG_JOBS/tickets.0)
}

# end_job PART - and all that is left of it.
end_job() {
	as_good scancel "$job"
	nothing_is_left "$1"
}

first_access() { # OPTION BYTES: the ratio of the 99th percentiles is in $p99, that of all together in $all
	local turn
	# beside other guests a page may come from storage later than soft-RoCE tries again: then nothing was measured
	for turn in 1 2 3; do
		echo 3 >/proc/sys/vm/drop_caches
		hold_nodes "first access$1" "/mnt/xfs/large:r$1"
		expect_equal "first access$1: bytes prefetched when tasks begin" "$2" "$(cat $RDMAREG_JOBS/warmed)"
		read -r p99 all < <(on_b "$RDMAREG_TESTS/first-access" "$TICKET")
		end_job "first access$1"
		[ -z "$all" ] || return 0
	done
	not_ok "first access$1: measured in one of $turn turns"
}

# warm: what a peer reads first costs what it costs again
part_warm() {
	zeroes /mnt/xfs/large 16
	goods /mnt/xfs/large
	first_access "" 0
	cold=$p99 all_cold=$all
	first_access ,warm $((16 * MIB))
	echo "# first accesses to second ones, 99th percentile: $p99 with warm, $cold without; all together: $all with warm, $all_cold without"
	rm /mnt/xfs/large
}

array_moves() { squeue -h -j "$array" -o '%i %T'; ls $RDMAREG_JOBS; rdmaregctl --json list | jq -c 'map([.id, .state])'; }

# twenty tasks of an array, of one user
part_array() {
	cat >$RDMAREG_JOBS/array.sh <<'EOS'
#!/bin/sh
srun sh -c 'grep -c " rdmareg://" "$RDMAREG_TICKETS" >$RDMAREG_JOBS/array.$SLURM_ARRAY_TASK_ID'
EOS
	array=$(as_good sbatch --parsable -D /tmp -o "$RDMAREG_JOBS/array-log.%a" --array=1-20 -N1 -n1 --rdmareg=/mnt/xfs/model:rw,required $RDMAREG_JOBS/array.sh)
	check "array: all of it ends" wait_while_it_moves array_moves job_over "$array"
	expect_equal "array: each of 20 had its ticket" 20 "$(cat $RDMAREG_JOBS/array.* | grep -cx 1)"
	# of those that had none, the reason
	for i in $(seq 20); do
		[ "$(cat "$RDMAREG_JOBS/array.$i" 2>/dev/null)" = 1 ] || sed "s/^/# array task $i: /" "$RDMAREG_JOBS/array-log.$i"
	done
	nothing_is_left array
}

# the ways to have a job: what is said to salloc and in a batch script reaches the steps; a step may say otherwise
part_ways() {
	cat >$RDMAREG_JOBS/ways.sh <<'EOS'
#!/bin/sh
#SBATCH -N2 --rdmareg=/mnt/xfs/model:rw,name=first,required
#SBATCH --rdmareg=memfd:1M,name=second,required
srun sh -c 'cp $RDMAREG_TICKETS $RDMAREG_JOBS/script.$SLURM_PROCID'
srun --rdmareg=/mnt/xfs/model,name=third,required sh -c 'cp $RDMAREG_TICKETS $RDMAREG_JOBS/other.$SLURM_PROCID'
srun --rdmareg=none sh -c 'echo "${RDMAREG_TICKETS-nothing}" >$RDMAREG_JOBS/none.$SLURM_PROCID'
EOS
	job=$(as_good sbatch --parsable -D /tmp -o $RDMAREG_JOBS/ways.log $RDMAREG_JOBS/ways.sh)
	check "ways: a batch script with its options inside ends" wait_for job_over "$job"
	expect_equal "ways: its steps have its regions, of both nodes" "first second first second" "$(names_of $RDMAREG_JOBS/script.1)"
	expect_equal "ways: a step that asks itself has these" "third third" "$(names_of $RDMAREG_JOBS/other.1)"
	expect_equal "ways: one that wants none has none" nothing "$(cat $RDMAREG_JOBS/none.1)"
	nothing_is_left "ways: batch"
	as_good salloc -D /tmp -N2 --rdmareg=/mnt/xfs/model:rw,name=model,required \
		srun -D /tmp sh -c 'cp $RDMAREG_TICKETS $RDMAREG_JOBS/salloc.$SLURM_PROCID' >/run/lab/salloc 2>&1
	expect_equal "ways: a step below salloc succeeds" 0 $?
	expect_equal "ways: with the tickets of both nodes" "model model" "$(names_of $RDMAREG_JOBS/salloc.1)"
	nothing_is_left "ways: salloc"
}

# the commands of docs/slurm.md that start jobs
part_documents() {
	local command n=0
	noise /mnt/xfs/model 4
	while read -r command; do
		check "documents: $command" as_good bash -c "${command//\/home\/alice\/model.bin//mnt/xfs/model}" </dev/null
		n=$((n + 1))
	done < <(sed -n 's/^# runuser -u alice -- srun/srun/p' /usr/share/doc/rdmareg/slurm.md)
	expect_equal "documents: so many commands start jobs" 3 $n
	check "documents: what each node has of the other is right" sh -c 'cmp /tmp/copy.0 /mnt/xfs/model && cmp /tmp/copy.1 /mnt/xfs/model'
	rm -f /tmp/copy.[01]
	nothing_is_left documents
}

# components of a heterogeneous job are like jobs: each has a session, and tickets of its own nodes. What they ask for is asked for all.
part_components() {
	cat >$RDMAREG_JOBS/component.sh <<'EOS'
cp $RDMAREG_TICKETS $RDMAREG_JOBS/component.$SLURM_PROCID
echo $RDMAREG_SESSION >$RDMAREG_JOBS/component.session.$SLURM_PROCID
EOS
	as_good srun -D /tmp -N1 -w node-a --rdmareg=/mnt/xfs/model:rw,name=model,required sh $RDMAREG_JOBS/component.sh : \
		-N1 -w node-b sh $RDMAREG_JOBS/component.sh >/run/lab/components 2>&1
	expect_equal "components: the job succeeds" 0 $?
	expect_equal "components: each has the ticket of its own node" "node-a model;node-b model" \
		"$(awk '{ print $2, $3 }' $RDMAREG_JOBS/component.[01] | paste -sd';')"
	check "components: and a session of its own" sh -c "! cmp $RDMAREG_JOBS/component.session.[01]"
	nothing_is_left components
}

# requeued: the number of the job stays, its tickets do not
part_requeue() {
	job=$(as_good sbatch --parsable --requeue -D /tmp -o /dev/null -N2 --rdmareg=/mnt/xfs/model:rw,required $RDMAREG_JOBS/again.sh)
	check "requeue: it runs" wait_for test -s $RDMAREG_JOBS/again.0.0 -a -s $RDMAREG_JOBS/again.0.1
	check "requeue" as_good scontrol requeue "$job"
	check "requeue: it runs again" wait_for test -s $RDMAREG_JOBS/again.1.0 -a -s $RDMAREG_JOBS/again.1.1
	check "requeue: with tickets of its own" sh -c "! cmp -s $RDMAREG_JOBS/again.0.0 $RDMAREG_JOBS/again.1.0"
	expect_equal "requeue: of both nodes" 2 "$(lines_of $RDMAREG_JOBS/again.1.0 ' rdmareg://')"
	end_job requeue
}

# Slurm takes a job's nodes for one of a higher priority, in each of its ways. Both want all processors, so they never run at a time.
part_preempted() {
	local mode
	cp /etc/slurm/slurm.conf /run/lab/slurm.conf
	{
		printf 'PreemptType=preempt/partition_prio\nPreemptMode=SUSPEND,GANG\n'
		for mode in requeue cancel suspend; do echo "PartitionName=$mode Nodes=ALL PriorityTier=1 PreemptMode=$mode"; done
		echo 'PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=off'
	} >>/etc/slurm/slurm.conf
	slurm_stop lab-slurmctld
	start_slurmctld
	check "preempted: slurmctld has the partitions" wait_for nodes_idle
	cat >$RDMAREG_JOBS/urgent.sh <<'EOS'
rdmaregctl --json list | jq -r '.[].session' >$RDMAREG_JOBS/found.$SLURM_PROCID
echo "$RDMAREG_SESSION" >$RDMAREG_JOBS/found.own.$SLURM_PROCID
squeue -h -j "$PREEMPTED" -o %T >$RDMAREG_JOBS/found.state
EOS
	# "requeue" is what sbatch allows, the partition decides
	for mode in requeue cancel suspend; do
		rm -f $RDMAREG_JOBS/again.[0-9]* $RDMAREG_JOBS/found.*
		job=$(as_good sbatch --parsable --requeue -p $mode -D /tmp -o /dev/null -N2 -n2 -c24 --mem=100 \
			--rdmareg=/mnt/xfs/model:rw,name=model,required $RDMAREG_JOBS/again.sh)
		check "preempted, $mode: the job runs" wait_for test -s $RDMAREG_JOBS/again.0.0 -a -s $RDMAREG_JOBS/again.0.1
		TICKET=$(awk '$1 == 0 && $3 == "model" { print $5 }' $RDMAREG_JOBS/again.0.0)
		check "preempted, $mode: its region is reachable" on_b rdmaregctl get "$TICKET" /tmp/got
		as_good env PREEMPTED="$job" srun -p urgent -D /tmp -N2 -n2 -c24 --mem=100 --rdmareg=/mnt/xfs/model:rw,required sh $RDMAREG_JOBS/urgent.sh \
			>/run/lab/urgent 2>&1
		expect_equal "preempted, $mode: the urgent job runs" 0 $?
		sed 's/^/# /' /run/lab/urgent
		preempted_by_$mode
	done
	mv /run/lab/slurm.conf /etc/slurm/slurm.conf
	slurm_stop lab-slurmctld
	start_slurmctld
	check "preempted: all is as it was" wait_for nodes_idle
}

# the epilog of the preempted job was over on each node before the urgent one began
alone() {
	cmp $RDMAREG_JOBS/found.0 $RDMAREG_JOBS/found.own.0 && cmp $RDMAREG_JOBS/found.1 $RDMAREG_JOBS/found.own.1
}
preempted_by_requeue() {
	check "preempted, requeue: the urgent job finds nothing of it on either node" alone
	check "preempted, requeue: it runs again" wait_for test -s $RDMAREG_JOBS/again.1.0 -a -s $RDMAREG_JOBS/again.1.1
	check "preempted, requeue: its old ticket is worth nothing" sh -c "! ip netns exec b rdmaregctl get '$TICKET' /tmp/got"
	TICKET=$(awk '$1 == 0 && $3 == "model" { print $5 }' $RDMAREG_JOBS/again.1.0)
	check "preempted, requeue: its new one is good" on_b rdmaregctl get "$TICKET" /tmp/got
	end_job "preempted, requeue"
}
preempted_by_cancel() {
	check "preempted, cancel: the urgent job finds nothing of it on either node" alone
	check "preempted, cancel: it is over" wait_for job_over "$job"
	nothing_is_left "preempted, cancel"
}
preempted_by_suspend() {
	expect_equal "preempted, suspend: it was suspended" SUSPENDED "$(cat $RDMAREG_JOBS/found.state)"
	expect_equal "preempted, suspend: its regions stayed" "1 1" "$(lines_of $RDMAREG_JOBS/found.0 "^slurm\.$job\$") $(lines_of $RDMAREG_JOBS/found.1 "^slurm\.$job\$")"
	check "preempted, suspend: it goes on" wait_for job_is "$job" RUNNING
	check "preempted, suspend: with its region" on_b rdmaregctl get "$TICKET" /tmp/got
	end_job "preempted, suspend"
}

# the time limit
part_time_limit() {
	as_good srun -D /tmp -N2 --time=1 --rdmareg=/mnt/xfs/model:rw,required sh -c 'cp $RDMAREG_TICKETS $RDMAREG_JOBS/limit.$SLURM_PROCID; exec sleep 100000' \
		>/run/lab/limit 2>&1
	check "time limit: the job is ended by it" grep "DUE TO TIME LIMIT" /run/lab/limit
	expect_equal "time limit: its tasks ran, with the tickets of both nodes" "2 2" \
		"$(lines_of $RDMAREG_JOBS/limit.0 ' rdmareg://') $(lines_of $RDMAREG_JOBS/limit.1 ' rdmareg://')"
	nothing_is_left "time limit"
}

# rdmaregd does not run on one node: the prolog there fails softly, and so does the job, unless it needs the region
part_no_daemon() {
	systemctl stop lab-rdmaregd-b
	as_good srun -D /tmp -N2 --rdmareg=/mnt/xfs/model:rw,name=model sh -c 'cp $RDMAREG_TICKETS $RDMAREG_JOBS/half.$SLURM_PROCID'
	expect_equal "prolog without a daemon: the job runs on both nodes, with the ticket of one" "1 1" \
		"$(lines_of $RDMAREG_JOBS/half.0 ' rdmareg://') $(lines_of $RDMAREG_JOBS/half.1 ' rdmareg://')"
	check "prolog without a daemon: and with the reason of the other" grep "^# node 1 of the step, node-b: region model failed: ." $RDMAREG_JOBS/half.0
	as_good srun -D /tmp -N2 --rdmareg=/mnt/xfs/model:rw,required touch $RDMAREG_JOBS/ran.required >/run/lab/required 2>&1
	check "prolog without a daemon: what requires both does not run" test ! -e $RDMAREG_JOBS/ran.required
	expect_equal "prolog without a daemon: and says so, on both" 2 "$(lines_of /run/lab/required 'requires a region that is missing')"
	check "prolog without a daemon: no node is drained" wait_for nodes_idle
	check "prolog without a daemon: the daemon is started" start_rdmaregd_b
	nothing_is_left "prolog without a daemon"
}

drained() { sinfo -h -N -n node-b -o %T | grep -q drain; }

# the site's own prolog fails on one node: Slurm drains it, and puts the job back
part_broken_prolog() {
	touch $SLURM_STATE/broken.node-b
	job=$(as_good sbatch --parsable --requeue -D /tmp -o /dev/null -N2 --rdmareg=/mnt/xfs/model:rw,required $RDMAREG_JOBS/again.sh)
	check "broken prolog: the node is drained" wait_for drained
	nothing_is_left "broken prolog"
	rm $SLURM_STATE/broken.node-b
	as_good scancel "$job"
	check "broken prolog: the job is gone" wait_for job_over "$job"
	scontrol update nodename=node-b state=resume
	check "broken prolog: both nodes are there again" wait_for nodes_idle
	nothing_is_left "broken prolog, mended"
}

# more memory than the session may have: it follows the job's
part_memory() {
	slurm_plugin memory=100%
	as_good srun -D /tmp -N1 -w node-a --mem=64 --rdmareg=memfd:512M,name=much --rdmareg=memfd:1M,name=little \
		sh -c 'cp $RDMAREG_TICKETS $RDMAREG_JOBS/memory; rdmaregctl --json session show $RDMAREG_SESSION >$RDMAREG_JOBS/memory.session; rdmaregctl list >/dev/null' >/run/lab/memory 2>&1
	expect_equal "memory: the task runs" 0 $?
	check "memory: what does not fit is refused, and named" grep "region much failed: .*MemoryMax" $RDMAREG_JOBS/memory
	check "memory: what fits is there, so no keeper was killed" grep " little rw rdmareg://" $RDMAREG_JOBS/memory
	expect_equal "memory: the session has what the job has" $((64 * MIB)) "$(jq .max_memory_bytes $RDMAREG_JOBS/memory.session)"
	check "memory: nobody was killed" sh -c '! journalctl -q -b -k | grep -i "killed process"'
	slurm_plugin wait=300s
	nothing_is_left memory
}

free_bytes() { cat "$(hmem)"/dax_region/available_size; }
all_is_free() { [ "$(free_bytes)" = "$whole" ]; }

# a device of persistent memory
part_dax() {
	printf '[limits]\ndax_bytes_per_tenant = 8M\n' >"$RDMAREG_CONFDIR/60-dax.conf"
	rdmaregctl reload
	whole=$(free_bytes)
	noise $RDMAREG_JOBS/sent 4
	cat >$RDMAREG_JOBS/dax.sh <<'EOS'
readlink /proc/self/fd/$RDMAREG_FD_fast
t=$(awk '$3 == "fast" { print $5 }' "$RDMAREG_TICKETS")
rdmaregctl put $RDMAREG_JOBS/sent "$t" && rdmaregctl get "$t" $RDMAREG_JOBS/got
EOS
	as_good srun -D /tmp -N1 -w node-a --rdmareg=dax:4M:rw,required,warm,name=fast sh $RDMAREG_JOBS/dax.sh >/run/lab/dax 2>&1
	expect_equal "dax: the job succeeds" 0 $?
	check "dax: its task has the device" grep -x "/dev/dax[0-9.]*" /run/lab/dax
	check "dax: peers wrote and read it" cmp $RDMAREG_JOBS/sent $RDMAREG_JOBS/got
	nothing_is_left dax
	check "dax: the device, too" wait_for all_is_free
	rm "$RDMAREG_CONFDIR/60-dax.conf"
}

# Another kind of site: node-b has no settings of Slurm of its own (configless), and each job has a /tmp of its own, which no hook sees.
part_site() {
	cp -a /etc/slurm /run/lab/slurm-settings
	slurm_stop slurmd-node-a slurmd-node-b lab-slurmctld
	printf 'SlurmctldParameters=enable_configless\nJobContainerType=job_container/tmpfs\n' >>/etc/slurm/slurm.conf
	for node in $SLURM_NODES; do
		mkdir -p "/mnt/xfs/private-$node"
		echo "NodeName=$node AutoBasePath=true BasePath=/mnt/xfs/private-$node Shared=true"
	done >/etc/slurm/job_container.conf
	# what plugstack.conf includes does not get there, what is in it does
	mv /etc/slurm/plugstack.conf.d/rdmareg.conf /etc/slurm/plugstack.conf
	node_b mount -t tmpfs none /etc/slurm
	start_slurmctld
	start_slurmd_a
	start_slurmd node-b nsenter --target "$(cat $SLURM_STATE/node-b.pid)" --mount --net -- /usr/sbin/slurmd -D -N node-b --conf-server "$LAB_ADDR_A"
	check "site: both nodes are there" wait_for nodes_idle
	check "site: one of them without settings of its own" sh -c "[ -z \"\$(nsenter --target $(cat $SLURM_STATE/node-b.pid) --mount ls /etc/slurm)\" ]"
	cat >$RDMAREG_JOBS/site.sh <<'EOS'
#!/bin/sh
srun dd if=/dev/zero of=/tmp/private bs=1M count=1 status=none
srun --rdmareg=/tmp/private:rw,name=private,required sh -c 'cp $RDMAREG_TICKETS $RDMAREG_JOBS/site.$SLURM_PROCID'
EOS
	job=$(as_good sbatch --parsable -D /mnt/tmpfs/jobs -o $RDMAREG_JOBS/site.log -N2 --rdmareg=/mnt/xfs/model:rw,name=model,required $RDMAREG_JOBS/site.sh)
	check "site: a job ends" wait_for job_over "$job"
	sed 's/^/# /' $RDMAREG_JOBS/site.log
	expect_equal "site: files of the job's own /tmp are regions, on both nodes" "private private" "$(names_of $RDMAREG_JOBS/site.1)"
	check "site: which are nowhere else" sh -c "! test -e /tmp/private"
	nothing_is_left site
	slurm_stop slurmd-node-a slurmd-node-b lab-slurmctld
	node_b umount /etc/slurm
	rm -rf /etc/slurm
	mv /run/lab/slurm-settings /etc/slurm
	start_slurmctld
	start_slurmd_a
	start_slurmd_b
	check "site: all is as it was" wait_for nodes_idle
}

slurmd_b_gone() { ! systemctl is-active -q slurmd-node-b; }
no_regions_a() { [ "$(rdmaregctl --json list)" = "[]" ] && [ "$(sessions_of_jobs)" = 0 ]; }

# slurmd is killed
part_slurmd_killed() {
	hold_nodes "slurmd killed"
	systemctl kill -s KILL --kill-whom=main slurmd-node-b
	check "slurmd killed: it is gone" wait_for slurmd_b_gone
	expect_equal "slurmd killed: regions stay" 2 "$(regions_of_jobs)"
	check "slurmd killed: another one is started" start_slurmd_b
	end_job "slurmd killed"
}

# a node fails: Slurm gives its job up, and what was there ends when the node is back
part_node_failed() {
	hold_nodes "node failed"
	systemctl kill -s KILL --kill-whom=main slurmd-node-b
	check "node failed: its slurmd is gone" wait_for slurmd_b_gone
	scontrol update nodename=node-b state=down reason=failed
	check "node failed: the job is over" wait_for job_over "$job"
	check "node failed: the other node has nothing left" wait_for no_regions_a
	expect_equal "node failed: its own region stays until it is back" 1 "$(regions_of_jobs)"
	start_slurmd_b
	check "node failed: it is back" wait_for nodes_idle
	nothing_is_left "node failed"
}

# rdmaregd is restarted
part_restart() {
	hold_nodes "rdmaregd restarted"
	check "rdmaregd restarted" systemctl restart rdmaregd
	check "rdmaregd restarted: a new step finds the regions" as_good srun -D /tmp --jobid="$job" -N2 --rdmareg=/mnt/xfs/model:rw,name=model,required true
	expect_equal "rdmaregd restarted: no region is made anew" 2 "$(regions_of_jobs)"
	check "rdmaregd restarted: an old ticket is good" on_b rdmaregctl get "$TICKET" /tmp/got
	end_job "rdmaregd restarted"
}

# all processes of the user are killed, as many sites do in their epilog
part_pkill() {
	hold_nodes pkill
	pkill -KILL -U good
	expect_equal "pkill: the regions of a job stay" 2 "$(regions_of_jobs)"
	check "pkill: and are reachable" on_b rdmaregctl get "$TICKET" /tmp/got
	end_job pkill
}

# the epilog runs while the job does, and again
part_early_epilog() {
	hold_nodes "early epilog"
	check "early epilog: on one node, twice" slurm_hook job_epilog 2 "$job"
	expect_equal "early epilog: the other node's region stays" 1 "$(regions_of_jobs)"
	end_job "early epilog"
}

held() { region_is "$(id_of model)" clients 1; }
# Slurm stops the processes first, and freezes them two seconds after it has said that they are suspended
holder_is_frozen() { grep -qx "frozen 1" "/sys/fs/cgroup$(cut -d: -f3 "/proc/$(pgrep -u good -x rdmaregctl)/cgroup")/cgroup.events"; }
frozen_is_known() { product_log | grep -q "is frozen and cannot answer"; }

# a job that is suspended: its regions stay, and nobody waits for its holders
part_suspended() {
	job=$(as_good sbatch --parsable -D /tmp -o /dev/null -N1 -w node-a --rdmareg=/mnt/xfs/model:rw,grace=10s,name=model \
		--wrap 'srun sh -c "exec rdmaregctl join $RDMAREG_SESSION/model --ignore-revocations"')
	check "suspended: it runs, and holds its region" wait_for held
	check "suspended" scontrol suspend "$job"
	check "suspended: Slurm says so" wait_for job_is "$job" SUSPENDED
	check "suspended: and freezes it" wait_for holder_is_frozen
	# shellcheck disable=SC2086
	truncate_file /mnt/xfs/model 1M $AS_GOOD
	check "suspended: the truncate did not wait for it ($took ms)" wait_for frozen_is_known
	expect_equal "suspended: the region stays" 1 "$(rdmaregctl --json list | jq length)"
	scontrol resume "$job"
	check "suspended: it goes on" wait_for job_is "$job" RUNNING
	end_job suspended
}

# took_usec NAME COMMAND... - one more time in a file of that name, and what the hook itself took in NAME.inside.
took_usec() {
	local name=$1 begin
	shift
	begin=$(date +%s%N)
	"$@" >/run/lab/said 2>&1 || not_ok "hooks: $name: $(cat /run/lab/said)"
	echo $((($(date +%s%N) - begin) / 1000)) >>"/run/lab/took.$name"
	sed -n 's/.* times: \([0-9]*\) us at most$/\1/p' /run/lab/said >>"/run/lab/took.$name.inside"
}
median() { sort -n "/run/lab/took.$1" | sed -n 5p; }
ratio() { jq -n "$(median "$1") * 100 / $(median "$2") | round / 100"; }
prolog_of() { SPANK_RDMAREG=1 slurm_hook job_prolog 1 "$1"; }

# what the hooks cost, as ratios: a process that loads the plugin and calls one, to a process that loads it and calls none; in turns, because
# the machine may be busy with other things
part_hooks() {
	local job hook
	rm -f /run/lab/took.*
	for job in 901 902 903 904 905 906 907 908 909; do
		took_usec nothing slurm_hook nothing 1 $job
		took_usec prolog prolog_of $job
		[ "$(sessions_of_jobs)" = 1 ] || not_ok "hooks: the prolog of job $job has made its session"
		took_usec epilog slurm_hook job_epilog 1 $job
		[ "$(sessions_of_jobs)" = 0 ] || not_ok "hooks: the epilog of job $job has ended its session"
		took_usec idle slurm_hook job_epilog 1 $job
	done
	# apart: what a job leaves to be done when srun has returned would be counted to what comes next
	for job in 1 2 3 4 5 6 7 8 9; do
		took_usec plain as_good srun -D /tmp -N2 true
		took_usec with as_good srun -D /tmp -N2 --rdmareg=/mnt/xfs/model:rw true
	done
	echo "# a process with a hook that does nothing: 1"
	echo "# with the prolog of a job with regions: $(ratio prolog nothing); of one without: it does nothing"
	echo "# with the epilog of such a job: $(ratio epilog nothing); of one without: $(ratio idle nothing)"
	echo "# in the hook, medians, us: prolog $(median prolog.inside), epilog $(median epilog.inside), epilog without regions $(median idle.inside)"
	echo "# srun of two nodes without a region: 1; with one: $(ratio with plain)"
	for hook in prolog epilog idle; do
		check "hooks: $hook takes a part of what a job without regions takes" test "$(median $hook)" -lt "$(median plain)"
	done
	nothing_is_left "measured jobs"
}

parts="ways documents components site warm array requeue preempted time_limit no_daemon broken_prolog memory dax slurmd_killed node_failed restart pkill early_epilog suspended hooks"
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $parts
for part; do
	[[ " $parts " = *" $part "* ]] || { not_ok "there is no part '$part'; there are: $parts"; continue; }
	echo "# $part"
	part_$part
done
[ "$LAB_FAILED" = 0 ] || slurm_log 200 | sed 's/^/# /'
slurm_down
finish
