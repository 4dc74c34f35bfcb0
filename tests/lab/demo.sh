#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh - what rdmaregd does, on a real kernel, told as it happens. `./run demo` runs it in the lab.
#
# Every claim is checked; the table at the end says which held, and the exit status is 0 only if all did.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
. /lab/guest/slurm.sh

SIZE_MIB=64
FS="xfsdax xfs ext4dax ext4"
declare -A ticket id
table=()
all_held=0

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
tell() { printf '   %s\n' "$*"; }
# held WHAT COMMAND... - one row of the table.
held() {
	local what=$1
	shift
	if "$@" >/dev/null 2>&1; then
		table+=("yes  $what")
	else
		table+=("NO   $what")
		all_held=1
		tell "(this did not hold: $what)"
	fi
}
equal() { [ "$1" = "$2" ]; }

start() {
	title "a. Daemon and module, and a 64 MiB file on each of four filesystems, registered for remote peers"
	lab_setup && product_up || exit 1
	tell "kernel $(uname -r), adapters: $(rdma link | grep -o 'rxe[ab]' | tr '\n' ' ')(soft-RoCE), two nodes: 10.99.0.1 and 10.99.0.2"
	local fs r
	for fs in $FS; do
		zeroes /mnt/$fs/demo $SIZE_MIB
		r=$(register /mnt/$fs/demo --export --grace 3s) || { held "register on $fs" false; continue; }
		ticket[$fs]=$(field ticket "$r") id[$fs]=$(field id "$r")
		printf '   %-8s region %-3s %-13s %s\n' $fs "${id[$fs]}" "$(field arbitration_mode "$r")" "$(field arbitration_reason "$r")"
		held "$fs: registered without a pin" equal "$(field state "$r")" live
	done
}

transfers() {
	title "b. A peer on the other node puts $SIZE_MIB MiB into each; what the filesystem has after dropping its caches is compared"
	local fs want got
	noise /tmp/sent $SIZE_MIB
	want=$(sha256sum </tmp/sent | cut -d' ' -f1)
	for fs in $FS; do
		on_b rdmaregctl put /tmp/sent "${ticket[$fs]}" >/tmp/put.log 2>&1
		got=$(sum_on_disk /mnt/$fs/demo)
		on_b rdmaregctl get "${ticket[$fs]}" /tmp/got >/tmp/get.log 2>&1
		tell "$fs: sent ${want:0:16}  on disk ${got:0:16}  read back $(sha256sum </tmp/got | cut -c1-16)"
		held "$fs: the filesystem has what the peer put" equal "$want" "$got"
		held "$fs: get returns the same" cmp -s /tmp/sent /tmp/got
	done
}

daemon_pid() { if [ $LAB_BOOT = systemd ]; then systemctl show -P MainPID rdmaregd; else cat /run/lab/rdmaregd.pid; fi; }
no_mr() { [ "$(mr_count)" = 0 ]; }

# timeline START TOOK WATCH PEER - what the daemon published and what the peer saw, by the machine's clock since START (us), and the return of the
# system call after TOOK (ms). What somebody says twice in a row is said once.
timeline() {
	jq -rn --argjson start "$1" --argjson took "$2" --slurpfile watch "$3" --slurpfile peer "$4" '
		[($watch[] | . + {who: "rdmaregd"}), ($peer[] | . + {who: "peer"})] |
		map(select(.boottime_usec >= $start)) | sort_by(.boottime_usec) |
		map({at: ((.boottime_usec - $start) / 1000 | floor), who, what:
			(if .event == "revocation-requested" then "\(.revocation.cause) wants blocks, \(.revocation.length / 1048576) MiB of them"
			elif .event == "revocation-settled" then "settled: \(.outcome), \(.valid_length / 1048576) MiB valid"
			elif .event == "changed" then "state: \(.region.state)"
			elif .event == "settled" then "told: \(.outcome), \(.valid_length / 1048576) MiB valid"
			elif .event == "summary" then "\(.operations) operations, connection kept: \(.connected)"
			else .event end)}) |
		. + [{at: $took, who: "truncate", what: "has its blocks, returns"}] | sort_by(.at) |
		reduce .[] as $e ({last: {}, out: []}; if .last[$e.who] == $e.what then . else .last[$e.who] = $e.what | .out += [$e] end) |
		.out[] | "\(.at) ms\t\(.who)\t\(.what)"' |
		while IFS=$'\t' read -r at who what; do printf '   %9s  %-9s %s\n' "$at" "$who" "$what"; done
}

truncate_asked() {
	title "c. A peer keeps writing to the XFS-DAX file while somebody truncates it to half"
	local log=/tmp/peer.log start took watcher half=$((SIZE_MIB / 2 * MIB))
	rdmaregctl --json watch "${id[xfsdax]}" >/tmp/watch.log 2>/dev/null &
	watcher=$!
	start_peer $log rdmaregctl --json put /tmp/sent "${ticket[xfsdax]}" --length 16M --duration 12s --timeline
	wait_for region_is "${id[xfsdax]}" peers 1
	start=$(uptime_msec)
	truncate -s $half /mnt/xfsdax/demo
	took=$(($(uptime_msec) - start))
	wait_for region_is "${id[xfsdax]}" valid_length $half
	wait_peer
	kill $watcher 2>/dev/null
	wait $watcher 2>/dev/null
	timeline $((start * 1000)) $took /tmp/watch.log $log
	held "truncate: the peer was asked and acknowledged" in_log $log '"acknowledged"'
	held "truncate: the peer was told the new length" in_log $log '"settled"'
	held "truncate: the peer went on over the same connection, to its end" \
		jq -se 'any(.event == "summary" and .connected and .revocations >= 1)' $log
	held "truncate: no operation of the peer failed" equal 0 "$PEER_STATUS"
	held "truncate: the region is live with half the length" region_is "${id[xfsdax]}" state live
	held "truncate: the file is half as long" equal $half "$(stat -c %s /mnt/xfsdax/demo)"
}

truncate_ignored() {
	title "d. The same with a peer that never answers: the deadline is 3 s, then it loses its connection, nobody else"
	local start took good
	start_peer /tmp/good.log rdmaregctl put /tmp/sent "${ticket[xfsdax]}" --length 1M --repeat forever
	good=$PEER
	start_peer /tmp/bad.log "$RDMAREG_TESTS/unruly-peer" "${ticket[xfsdax]}" hammer
	wait_for region_is "${id[xfsdax]}" peers 2
	start=$(uptime_msec)
	truncate -s $((SIZE_MIB / 4))M /mnt/xfsdax/demo
	took=$(($(uptime_msec) - start))
	held "deadline: the truncate returned at it ($took ms)" test $took -ge 2700 -a $took -lt 20000
	wait_peer
	tell "the truncate returned after $took ms; the peer that ignored it: $(tail -n 1 /tmp/bad.log)"
	held "deadline: the silent peer lost its connection" in_log /tmp/bad.log '^failed after'
	head -c $((SIZE_MIB / 2 * MIB)) /dev/zero >/mnt/xfsdax/next
	held "deadline: not one byte of it in the file that got the blocks" equal 0 "$(grep -c -a -P '\xbd{64}' /mnt/xfsdax/next)"
	wait_for region_is "${id[xfsdax]}" state live
	held "deadline: the other peer still writes over its first connection" kill -0 $good
	kill $good
	wait $good 2>/dev/null
}

contrast() {
	title "e. What a plain, pinned registration does on this kernel"
	local fs result
	for fs in ext4 xfs ext4dax xfsdax; do
		zeroes /mnt/$fs/plain 1
		result=$("$RDMAREG_TESTS/pinned" rxea register /mnt/$fs/plain)
		tell "$fs: ibv_reg_mr() for writing: $result"
		case $fs in
		*dax) held "plain registration on $fs is refused" equal EOPNOTSUPP "$result" ;;
		*) held "plain registration on $fs is refused" equal EFAULT "$result" ;;
		esac
	done
	result=$("$RDMAREG_TESTS/pinned" rxea lose)
	tell "tmpfs, where pins are allowed, truncated and grown again: $result"
	held "plain registration loses data silently where it is allowed" grep -q '256 of 256 writes completed, [1-9]' <<<"$result"
}

survival() {
	title "f. rdmaregd is killed while a peer writes"
	local before after daemon
	before=$(rdmaregctl --json list | jq -c '[.. | objects | select(has("id")) | {id, path, rkey, ticket}]')
	start_peer /tmp/peer.log rdmaregctl put /tmp/sent "${ticket[ext4]}" --length 16M --duration 12s
	wait_for region_is "${id[ext4]}" peers 1
	daemon=$(daemon_pid)
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null
	product_up
	after=$(rdmaregctl --json list | jq -c '[.. | objects | select(has("id")) | {id, path, rkey, ticket}]')
	wait_peer
	tell "the peer: $(tail -n 1 /tmp/peer.log)"
	held "restart: no operation of the peer failed" equal 0 "$PEER_STATUS"
	held "restart: the same regions are listed" equal "$before" "$after"
}

release_all() {
	local fs
	for fs in $FS; do rdmaregctl release "${id[$fs]}" >/dev/null; done
}

job() {
	title "g. A job of Slurm on two nodes: srun -N2 --rdmareg=/mnt/xfs/model:rw,warm,required,name=model"
	local line
	users_up
	if ! { slurm_node_b_up && slurm_up; } >/tmp/slurm.log 2>&1; then
		tail -n 20 /tmp/slurm.log
		slurm_log 20
		held "job: slurmctld and two slurmd run" false
		return
	fi
	slurm_jobs_dir
	noise $RDMAREG_JOBS/sent 2
	zeroes /mnt/xfs/model 4
	goods /mnt/xfs/model
	cat >$RDMAREG_JOBS/rank.sh <<-'EOF'
		echo "rank $SLURM_PROCID runs on $SLURMD_NODENAME; of region model it has tickets of $(awk '$3 == "model" { printf " %s", $2 }' "$RDMAREG_TICKETS")"
		[ $SLURM_PROCID = 1 ] || exit 0
		exec rdmaregctl put $RDMAREG_JOBS/sent "$(awk '$1 == 0 && $3 == "model" { print $5 }' "$RDMAREG_TICKETS")"
	EOF
	as_good srun -D /tmp -N2 --rdmareg=/mnt/xfs/model:rw,warm,required,name=model sh $RDMAREG_JOBS/rank.sh >/tmp/job.log 2>&1
	held "job: both ranks of an ordinary user succeed" equal 0 $?
	while read -r line; do tell "$line"; done < <(sort /tmp/job.log)
	held "job: each rank has the tickets of both nodes" equal 2 "$(grep -c 'model it has tickets of  node-a node-b$' /tmp/job.log)"
	held "job: the file on one node has what the other node's rank wrote" cmp -n $((2 * MIB)) $RDMAREG_JOBS/sent /mnt/xfs/model
	held "job: when it is over, nothing is left on either node" wait_for slurm_nothing_left
	slurm_down
}

finish_demo() {
	title "What held"
	local row
	held "nothing is left: no memory region of the adapter" wait_for no_mr
	product_down
	held "the kernel's log is clean" kernel_log_clean
	for row in "${table[@]}"; do printf '   %s\n' "$row"; done
	echo
	tell "Not shown here: all the ways in which a job can end. See ./run slurm, and docs/slurm.md."
	if [ $all_held = 0 ]; then echo "All of it held."; else echo "Something did not hold."; fi
	exit $all_held
}

start
transfers
truncate_asked
truncate_ignored
contrast
survival
release_all
job
finish_demo
