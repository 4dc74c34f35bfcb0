# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A Slurm cluster of two nodes inside the guest, for scenarios and the demo: sourced after lib.sh and regions.sh, on either kind of boot.
# With systemd each daemon is a unit, and jobs have control groups; without, daemons are plain processes and Slurm finds a job's by their parents.
#
# node-a is the guest itself. node-b is the network namespace b with a mount namespace of its own: what makes a machine one of
# its own for rdmareg (system bus, /run/rdmareg, settings) is private there, the filesystems below /mnt are shared, as a
# cluster's are. Each node has its slurmd; munge and slurmctld run on node-a. Nothing of it starts by itself (masked-units).

SLURM_STATE=/run/lab/slurm
SLURM_TICKETS=/mnt/tmpfs/tickets
# where jobs leave what they saw; exported, since they have the environment of their submission
export RDMAREG_JOBS=/mnt/tmpfs/jobs
SLURM_PLUGIN=/usr/lib/x86_64-linux-gnu/rdmareg/spank_rdmareg.so
SLURM_NODES="node-a node-b"

# slurm_service NAME "PROPERTY..." COMMAND... - a daemon, started and not waited for. What it says: slurm_log.
slurm_service() {
	local name=$1 property properties=()
	for property in $2; do properties+=(-p "$property"); done
	shift 2
	if [ $LAB_BOOT = systemd ]; then
		systemd-run -q --collect --unit="$name" "${properties[@]}" "$@"
		return
	fi
	mkdir -p $SLURM_STATE
	setsid sh -c 'echo $$ >"$0"; exec "$@"' "$SLURM_STATE/$name.service" "$@" >>"$SLURM_STATE/$name.log" 2>&1 </dev/null &
	disown
}

# node_b COMMAND... - on node-b, as root there.
node_b() { nsenter --target "$(cat $SLURM_STATE/node-b.pid)" --mount --net -- "$@"; }

# What is private to node-b. ip netns exec has given it a /sys of its own, which lacks the control groups.
start_node_b() {
	mkdir -p $SLURM_STATE
	cat >$SLURM_STATE/node-b.sh <<-'EOF'
		set -e
		mount -t cgroup2 none /sys/fs/cgroup
		mkdir -p /run/dbus /run/rdmareg /var/cache/rdmareg /etc/rdmareg/conf.d
		for dir in /run/dbus /run/rdmareg /var/cache/rdmareg /etc/rdmareg/conf.d; do mount -t tmpfs -o mode=755 node-b $dir; done
		echo $$ >/run/lab/slurm/node-b.pid
		exec sleep infinity
	EOF
	slurm_service lab-node-b "" ip netns exec b sh $SLURM_STATE/node-b.sh
	wait_for test -s $SLURM_STATE/node-b.pid
}

slurm_conf() {
	local track=proctrack/linuxproc task=task/none
	[ $LAB_BOOT != systemd ] || track=proctrack/cgroup task=task/cgroup
	cat <<-EOF
		ClusterName=lab
		SlurmctldHost=lab($LAB_ADDR_A)
		SlurmUser=slurm
		AuthType=auth/munge
		CredType=cred/munge
		StateSaveLocation=/var/lib/slurm/ctld
		SlurmdSpoolDir=/var/lib/slurm/%n
		SlurmctldPidFile=$SLURM_STATE/slurmctld.pid
		SlurmdPidFile=$SLURM_STATE/slurmd-%n.pid
		SlurmdParameters=config_overrides
		SelectType=select/cons_tres
		SelectTypeParameters=CR_Core_Memory
		DefMemPerCPU=40
		ProctrackType=$track
		TaskPlugin=$task
		JobAcctGatherType=jobacct_gather/none
		MpiDefault=none
		MailProg=/bin/true
		PrologFlags=Alloc,Contain
		Prolog=$SLURM_STATE/prolog.sh
		ReturnToService=2
		KillWait=12
		UnkillableStepTimeout=180
		SlurmdTimeout=300
		MessageTimeout=300
		BatchStartTimeout=600
		InactiveLimit=0
		NodeName=node-a NodeHostname=lab NodeAddr=$LAB_ADDR_A Port=17001 CPUs=24 RealMemory=1000
		NodeName=node-b NodeHostname=lab NodeAddr=$LAB_ADDR_B Port=17002 CPUs=24 RealMemory=1000
		PartitionName=lab Nodes=ALL Default=YES MaxTime=120 State=UP
	EOF
}

# start_slurmd NODE COMMAND... - slurmd, by way of a command that enters the node.
start_slurmd() {
	local node=$1
	shift
	mkdir -p "/var/lib/slurm/$node"
	slurm_service "slurmd-$node" "Delegate=yes KillMode=process LimitMEMLOCK=infinity" "$@"
}

start_slurmd_a() { start_slurmd node-a /usr/sbin/slurmd -D -N node-a; }
start_slurmd_b() { start_slurmd node-b nsenter --target "$(cat $SLURM_STATE/node-b.pid)" --mount --net -- /usr/sbin/slurmd -D -N node-b; }
start_slurmctld() { slurm_service lab-slurmctld "" setpriv --reuid=slurm --regid=slurm --clear-groups /usr/sbin/slurmctld -D; }

node_is() { [ "$(sinfo -h -N -n "$1" -o %T | head -n 1)" = "$2" ]; }
nodes_idle() {
	local node
	for node in $SLURM_NODES; do node_is "$node" idle || return 1; done
}

# The daemon of node-b, with a bus of its own. Its keepers are its children, so the unit leaves them alone when it is stopped.
start_rdmaregd_b() {
	printf '[keepers]\nspawn = direct\nidle_exit_sec = 2\ntimeout_msec = 300000\nlisten_address = %s\n' "$LAB_ADDR_B" |
		node_b tee /etc/rdmareg/conf.d/node-b.conf >/dev/null
	slurm_service lab-rdmaregd-b "KillMode=process LimitMEMLOCK=infinity" \
		nsenter --target "$(cat $SLURM_STATE/node-b.pid)" --mount --net -- "$RDMAREGD"
	wait_for node_b rdmaregctl list
}

# slurm_plugin [ARGUMENT...] - as the administrator has it from now on, for jobs and steps to come.
slurm_plugin() {
	mkdir -p /etc/slurm/plugstack.conf.d
	echo "optional $SLURM_PLUGIN directory=$SLURM_TICKETS $*" >/etc/slurm/plugstack.conf.d/rdmareg.conf
}

# slurm_product_up - rdmaregd on both nodes, and the plugin, which is found when slurm_up starts Slurm.
slurm_product_up() {
	# emulated, twenty keepers that start at once take longer than ten seconds, and beside other guests minutes
	printf '[keepers]\nidle_exit_sec = 2\ntimeout_msec = 300000\n' >"$RDMAREG_CONFDIR/50-slurm.conf"
	product_up || return 1
	slurm_node_b_up
}

# slurm_node_b_up - the second half of it: node-b and its rdmaregd, and the plugin.
slurm_node_b_up() {
	mkdir -p $SLURM_TICKETS
	slurm_plugin wait=300s
	start_node_b || return 1
	node_b dbus-daemon --system --fork --nopidfile --print-pid >$SLURM_STATE/dbus-b.pid
	start_rdmaregd_b
}

# Slurm's own names of states, for wait_for.
job_is() { [ "$(squeue -h -j "$1" -o %T 2>/dev/null)" = "$2" ]; }
job_over() {
	local states
	states=$(squeue -h -j "$1" -o %T) && [ -z "$states" ]
}

# wait_while_it_moves SHOW COMMAND... - until the command succeeds; fails when what SHOW prints has been the same for WAIT_SEC (60) seconds.
wait_while_it_moves() {
	local show=$1 was is end=$((EPOCHSECONDS + ${WAIT_SEC:-60}))
	shift
	until "$@" >/dev/null 2>&1; do
		is=$($show 2>&1)
		[ "$is" = "$was" ] || end=$((EPOCHSECONDS + ${WAIT_SEC:-60}))
		was=$is
		[ "$EPOCHSECONDS" -lt "$end" ] || return 1
		read -rt 1 -u "$LAB_NEVER" || :
	done
}

slurm_jobs_dir() {
	mkdir -p $RDMAREG_JOBS
	chmod 1777 $RDMAREG_JOBS
}

# slurm_hook HOOK N JOB - the plugin's hook N times, as slurmd on node-a calls it for a job of good.
slurm_hook() {
	env SLURMD_NODENAME=node-a "$RDMAREG_TESTS/slurm-played" $SLURM_PLUGIN "$1" "$2" "$3" "$(id -u good)" 0 1 0 directory=$SLURM_TICKETS
}

# regions_of_jobs - how many there are on both nodes.
regions_of_jobs() { { rdmaregctl --json list; node_b rdmaregctl --json list; } | jq -s 'add | length'; }

# sessions_of_jobs [COMMAND...] - how many sessions there are as objects on a node.
sessions_of_jobs() {
	"$@" busctl --json=short call org.rdmareg.Registry1 /org/rdmareg/Registry1 org.rdmareg.Registry1.Manager ListSessions 'a{sv}' 0 |
		jq '.data[0] | length'
}

# slurm_nothing_left - after the last job: no session or region on either node, no keeper, no registration, no unit, no ticket file.
slurm_nothing_left() {
	local left
	[ "$(regions_of_jobs)" = 0 ] || { echo "regions left: $(regions_of_jobs)"; return 1; }
	left="$(sessions_of_jobs) $(sessions_of_jobs node_b)"
	[ "$left" = "0 0" ] || { echo "sessions left: $left"; return 1; }
	left=$(find $SLURM_TICKETS -mindepth 2) # users' own directories stay
	[ -z "$left" ] || { echo "ticket files left: $left"; return 1; }
	if [ $LAB_BOOT = systemd ]; then
		left=$(systemctl list-units --all --no-legend --plain 'rdmareg-keeper-*')
		[ -z "$left" ] || { echo "units left: $left"; return 1; }
	fi
	nothing_left
}

# slurm_up - returns when both nodes are idle. The site's own prolog fails on a node while there is $SLURM_STATE/broken.NODE.
slurm_up() {
	mkdir -p /etc/slurm /var/lib/slurm/ctld $SLURM_STATE
	chown slurm: /var/lib/slurm/ctld
	chmod 755 $SLURM_STATE
	slurm_conf >/etc/slurm/slurm.conf
	printf '#!/bin/sh\n[ ! -e %s/broken.$SLURMD_NODENAME ]\n' $SLURM_STATE >$SLURM_STATE/prolog.sh
	chmod 755 $SLURM_STATE/prolog.sh
	if [ $LAB_BOOT = systemd ]; then
		printf 'CgroupPlugin=cgroup/v2\nIgnoreSystemd=yes\nEnableControllers=yes\nConstrainRAMSpace=no\n' >/etc/slurm/cgroup.conf
	else
		echo CgroupPlugin=disabled >/etc/slurm/cgroup.conf
	fi
	install -d -o munge -g munge /run/munge /var/lib/munge /var/log/munge
	slurm_service lab-munged "" setpriv --reuid=munge --regid=munge --clear-groups /usr/sbin/munged --foreground
	wait_for sh -c 'munge -n | unmunge' || return 1
	[ -s $SLURM_STATE/node-b.pid ] || start_node_b || return 1
	start_slurmctld
	start_slurmd_a
	start_slurmd_b
	WAIT_SEC=${WAIT_SEC:-120} wait_for nodes_idle
}

slurm_log() {
	if [ $LAB_BOOT != systemd ]; then
		tail -n "${1:-60}" $SLURM_STATE/*.log
		return
	fi
	journalctl --no-pager -q -b -u lab-slurmctld -u 'slurmd-*' -u lab-munged | tail -n "${1:-60}"
}

slurm_stop() { # NAME...
	local name pid
	if [ $LAB_BOOT = systemd ]; then
		systemctl stop "$@" 2>/dev/null
		return
	fi
	for name; do
		pid=$(cat "$SLURM_STATE/$name.service" 2>/dev/null) || continue
		kill "$pid" 2>/dev/null
		WAIT_SEC=10 wait_for gone "$pid" || kill -9 "$pid" 2>/dev/null
	done
}

# slurm_down - jobs, daemons and node-b. Never fails.
slurm_down() {
	scancel --state=PENDING --state=RUNNING -u good 2>/dev/null
	slurm_stop slurmd-node-a slurmd-node-b lab-slurmctld lab-munged lab-rdmaregd-b
	pkill -KILL -x slurmstepd
	[ ! -s $SLURM_STATE/dbus-b.pid ] || kill "$(cat $SLURM_STATE/dbus-b.pid)"
	slurm_stop lab-node-b
	rm -rf $SLURM_STATE /var/lib/slurm/* /etc/slurm/plugstack.conf.d/rdmareg.conf
	return 0
}
