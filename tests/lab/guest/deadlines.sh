# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How long a filesystem operation really waits: the same truncate many times, with everybody silent, and with the daemon or the keeper
# stopped, killed, or starting anew in the middle. Sourced after lib.sh; as a program (./run deadlines [N]) it prints a table.
#
# Wait is: took - what it takes without a registration - the deadline that holds then. The deadline is the grace; with the keeper stopped it is
# the kernel's (grace and margin); with the daemon stopped and pre-content events it is the gate's (the same), and with the gate stopped the
# watchdog that kills it. $PROBE_UID: whose the takers are.

DEADLINE_GRACE=200
DAEMON_PID=/run/lab/rdmaregd.pid

# deadline_runs NAME N DIRECTORY ARBITRATION DEADLINE-MSEC [BEFORE AFTER] - prints a row; fails if an operation did not come back.
deadline_runs() {
	local name=$1 n=$2 dir=$3 arbitration=$4 deadline=$5
	PROBE_BEFORE=${6:-true} PROBE_AFTER=${7:-true} \
		"$RDMAREG_TESTS/arbitration-probe" runs "$dir" truncate "$arbitration" $DEADLINE_GRACE "$n" >/tmp/runs || return 1
	awk -v deadline="$deadline" '$3 == "ok" { print ($1 - $2) / 1000 - deadline }' /tmp/runs | sort -g >/tmp/waits
	deadline_row "$name" "$n"
}

# deadline_row NAME N - of /tmp/waits, in order; fails if there are not N.
deadline_row() {
	awk -v name="$1" -v wanted="$2" '
		{ wait[NR] = $1; late += $1 > 100 }
		END {
			printf "%-52s %5d %9.1f %9.1f %9.1f %9.1f %6d\n", name, NR, wait[1], wait[int((NR + 1) / 2)],
				wait[int(NR * 0.99 + 0.99)], wait[NR], late
			exit NR != wanted
		}' /tmp/waits
}

# deadline_crowd NAME N DIRECTORY ARBITRATION THREADS [SIGNAL-MSEC] - the same for the longest wait of several who punch one file together, which
# nobody holds but a program that stays silent.
deadline_crowd() {
	local name=$1 n=$2 file=$3/crowd arbitration=$4 threads=$5 signal=${6:-} id mode join i
	local as=(setpriv --reuid="${PROBE_UID:-0}" --clear-groups)
	head -c $((threads * 8192)) /dev/zero >$file && chmod 666 $file
	id=$(rdmaregctl --json register $file --access rw --export --arbitration "$arbitration" \
		--grace ${DEADLINE_GRACE}ms | jq -r .id) || return 1
	rdmaregctl join "$id" --ignore-revocations >/dev/null 2>&1 &
	join=$!
	wait_for sh -c "[ \$(rdmaregctl --json show $id | jq -r .clients) = 1 ]" || return 1
	mode=$(rdmaregctl --json show "$id" | jq -r .arbitration_mode)
	for ((i = 0; i < n; i++)); do
		# shellcheck disable=SC2086
		"${as[@]}" "$RDMAREG_TESTS/crowd" punch $file "$threads" $signal || break
		# a system call that lasts can leave a region without a lease for a while, which it says
		wait_for sh -c "[ \"\$(rdmaregctl --json show $id | jq -r '.state, .arbitration_mode' | xargs)\" = 'live $mode' ]" || break
	done >/tmp/crowds
	kill $join
	wait $join 2>/dev/null
	rdmaregctl release "$id" >/dev/null
	awk -v grace="$DEADLINE_GRACE" '/, 0 failed, / { print $(NF - 1) - grace }' /tmp/crowds | sort -g >/tmp/waits
	deadline_row "$name" "$n"
}

deadlines() { # N
	local n=$1 stop="kill -STOP \$(cat $DAEMON_PID)" go="kill -CONT \$(cat $DAEMON_PID)"
	local again="bash -c '. /lab/guest/lib.sh; product_up >/dev/null'" kill="kill -9 \$(cat $DAEMON_PID)"
	local there="bash -c '. /lab/guest/lib.sh; wait_for bus_has_owner $RDMAREG_BUS_NAME'"
	local watchdog=5000 margin=500
	printf '%-52s %5s %9s %9s %9s %9s %6s\n' "milliseconds beyond the deadline" runs least median p99 most '>100'
	deadline_runs "layout-lease, holders silent" "$n" /mnt/xfs auto $DEADLINE_GRACE || return 1
	deadline_runs "layout-lease on DAX, holders silent" "$n" /mnt/xfsdax auto $DEADLINE_GRACE || return 1
	deadline_runs "pre-content (ext4), holders silent" "$n" /mnt/ext4 pre-content $DEADLINE_GRACE || return 1
	deadline_runs "layout-lease, daemon stopped" "$n" /mnt/xfs auto $DEADLINE_GRACE "$stop" "$go" || return 1
	deadline_runs "layout-lease, daemon killed" $((n / 4 + 1)) /mnt/xfs auto $DEADLINE_GRACE "$kill" "$again" || return 1
	deadline_runs "layout-lease, daemon starting anew" $((n / 4 + 1)) /mnt/xfs auto $DEADLINE_GRACE \
		"$kill; $again &" "$there" || return 1
	deadline_runs "layout-lease, keeper stopped" $((n / 4 + 1)) /mnt/xfs auto $((DEADLINE_GRACE + margin)) \
		"kill -STOP \$(pgrep -x rdmareg-keeper)" "kill -CONT \$(pgrep -x rdmareg-keeper)" || return 1
	DEADLINE_GRACE=10000 deadline_runs "layout-lease, keeper stopped, grace 10 s" $((n / 50 + 1)) /mnt/xfs auto $((10000 + margin)) \
		"kill -STOP \$(pgrep -x rdmareg-keeper)" "kill -CONT \$(pgrep -x rdmareg-keeper)" || return 1
	deadline_runs "pre-content, daemon killed (lets go at once)" $((n / 4 + 1)) /mnt/ext4 pre-content 0 "$kill" "$again" || return 1
	deadline_runs "pre-content, daemon stopped" $((n / 4 + 1)) /mnt/ext4 pre-content $((DEADLINE_GRACE + margin)) "$stop" "$go" || return 1
	deadline_crowd "layout-lease, holders silent, 8 takers at once" $((n / 4 + 1)) /mnt/xfs auto 8 || return 1
	deadline_crowd "layout-lease, a signal every 10 ms" $((n / 4 + 1)) /mnt/xfs auto 1 10 || return 1
	deadline_runs "pre-content, gate stopped (watchdog)" $((n / 50 + 1)) /mnt/ext4 pre-content $watchdog \
		"kill -STOP \$(pgrep -x rdmareg-gate)"
}

# What takes too long for each test: the longest grace that there is, larger crowds, signals that come all the time.
deadlines_long() { # N
	local n=$(($1 / 50 + 1)) crowds=$(($1 / 4 + 1)) margin=500
	local stop="kill -STOP \$(cat $DAEMON_PID)" go="kill -CONT \$(cat $DAEMON_PID)"
	DEADLINE_GRACE=10000 deadline_runs "layout-lease, holders silent, grace 10 s" $n /mnt/xfs auto 10000 || return 1
	DEADLINE_GRACE=10000 deadline_runs "pre-content, holders silent, grace 10 s" $n /mnt/ext4 pre-content 10000 || return 1
	DEADLINE_GRACE=10000 deadline_runs "pre-content, daemon stopped, grace 10 s" $n /mnt/ext4 pre-content $((10000 + margin)) \
		"$stop" "$go" || return 1
	DEADLINE_GRACE=10000 deadline_crowd "layout-lease, a signal every 10 ms, grace 10 s" $n /mnt/xfs auto 1 10 || return 1
	DEADLINE_GRACE=10000 deadline_crowd "layout-lease, 32 takers, grace 10 s" $n /mnt/xfs auto 32 || return 1
	deadline_crowd "layout-lease, 32 takers at once" $crowds /mnt/xfs auto 32 || return 1
	deadline_crowd "layout-lease on DAX, 8 takers at once" $crowds /mnt/xfsdax auto 8 || return 1
	deadline_crowd "layout-lease, 8 takers, a signal every 1 ms" $crowds /mnt/xfs auto 8 1 || return 1
	deadline_crowd "pre-content (ext4), 32 takers at once" $crowds /mnt/ext4 pre-content 32 || return 1
	deadline_crowd "pre-content (ext4), a signal every 10 ms" $crowds /mnt/ext4 pre-content 1 10 || return 1
	deadline_crowd "pre-content and lease (XFS), 8 takers" $crowds /mnt/xfs pre-content 8
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	. /lab/guest/lib.sh
	lab_setup >&2 && product_up >&2 || exit 1
	for PROBE_UID in 0 2101; do
		export PROBE_UID
		n=${1:-1000}
		[ $PROBE_UID = 0 ] || n=$((n / 4))
		echo "# Linux $(uname -r), $(nproc) processors, grace $DEADLINE_GRACE ms; takers: user $PROBE_UID"
		deadlines $n && deadlines_long $n || exit 1
	done
fi
