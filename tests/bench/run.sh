#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh [--quick] [NAME...] - the figures inside the lab's guest (./run bench): all, or those whose name is a NAME (P1, p10, ...).
#
# Rows (bench.h) go to /share/rows.tsv, what the machine is to /share/machine, what programs say besides to standard error. A figure that fails or takes
# too long leaves a row that says so, and the next one is measured; the status is then 1. /share/over has a line for each that is over. Both sides of each comparison run in the same boot, in turn.
. /lab/guest/lib.sh
. /lab/guest/regions.sh

OUT=${BENCH_OUT:-/share}
QUICK=
[ "${1:-}" != --quick ] || { QUICK=--quick; shift; }
FIGURES=(P4 P2 P6 P7 P10 P5 P3 P1 P9)
# Seconds for a figure.
BENCH_LIMIT=${BENCH_LIMIT:-2400}

program() { "$RDMAREG_TESTS/bench-$1" "${@:2}" $QUICK; }

# perftest BANDWIDTH-OPTION... - MiB/s between the nodes as Mellanox's own benchmark sees it
perftest() {
	local log=/tmp/perftest.log
	ib_write_bw -d rxea -s 1048576 -D 2 -F "$@" >$log 2>&1 &
	wait_for listening 18515
	timeout 60 ip netns exec b ib_write_bw -d rxeb -s 1048576 -D 2 -F "$LAB_ADDR_A" 2>&1 | awk '$1 == 1048576 { print $4 }'
	wait $!
}
listening() { ss -Hltn "sport = :$1" | grep -q .; }

# How perftest's own two ways compare, beside ours.
perftest_rows() {
	local pinned odp n sorted
	for ((n = 0; n < 5; n++)); do
		pinned=$(perftest)
		odp=$(perftest --odp)
		[ -n "$pinned" ] && [ -n "$odp" ] || { printf 'P10\tperftest\tib_write_bw, --odp / pinned\tdid not run\t-\t-\t0\t-\t-\n'; return; }
		awk "BEGIN { print $odp / $pinned }"
	done | sort -g >/tmp/perftest
	if grep -q perftest /tmp/perftest; then grep perftest /tmp/perftest; return; fi
	mapfile -t sorted </tmp/perftest
	printf 'P10\tperftest\tib_write_bw of 1 MiB, --odp / pinned\t%.4g\t%.4g\t%.4g\t5\tratio\t-\n' "${sorted[2]}" "${sorted[1]}" "${sorted[3]}"
}

# Debian's fio is asked, not assumed.
fio_rows() {
	local engine
	for engine in librpma_gpspm_client librpma_apm_client; do
		if fio --enghelp | grep -qw "$engine"; then word="present, not driven here"; else word="not in this fio"; fi
		printf 'P10\tfio %s\tengine %s\t%s\t-\t-\t0\t-\t-\n' "$(fio --version)" $engine "$word"
	done
}

# The module's self-test has a storm that counts what is lost. How many it has a second is the emulator's doing and no row.
storm_rows() {
	local where lost
	"$RDMAREG_TESTS/kmod-selftest" --tmpfs /mnt/tmpfs --only storm | tee /dev/stderr |
		sed -nE 's/^# storm\/([a-z]*): [0-9]+ invalidations seen by watches \([0-9]+ a second\) in [0-9]+ reports; lost ([0-9]+)$/\2 \1/p' |
		while read -r lost where; do
			printf 'P4\tstorm, %s\toperations in no report\t%s\t-\t-\t1\toperations\t<= 0\n' "${where:-memory}" "$lost"
		done
}

figure_P1() { program p1-acquire rxea memfd /mnt/xfs /mnt/xfsdax; }
figure_P2() { program p2-first-access "$LAB_ADDR_A" memfd /mnt/xfs $([ -n "$QUICK" ] || echo /mnt/ext4 /mnt/xfsdax); }
figure_P3() { program p3-sync "$LAB_ADDR_A" /mnt/xfs vdb $([ -n "$QUICK" ] || echo /mnt/ext4 vda /mnt/xfsdax -); }
figure_P4() {
	program p4-events || return
	[ -n "$QUICK" ] || storm_rows
}
figure_P5() {
	insmod "$RDMAREG_TESTS/$(uname -r)/rdmareg-fault-cost.ko" 2>/dev/null || [ -d /sys/module/rdmareg_fault_cost ] || return
	program p5-fault "$LAB_ADDR_A" /mnt/xfs vdb
}
figure_P6() { program p6-truncate /mnt/xfs auto /mnt/xfsdax auto /mnt/ext4 pre-content; }
figure_P7() { program p7-cache "$LAB_ADDR_A" memfd $([ -n "$QUICK" ] || echo anonymous /mnt/xfs) /mnt/xfsdax; }
figure_P9() { if [ -n "$QUICK" ]; then program p9-populate 4 4; else program p9-populate 64 16 && program p9-populate 64 64 1; fi; }
# Each device has a session; the address of the second is listened on from then on.
rails_rows() {
	local status=0
	rail_up && rdmaregctl reload >&2 && rdmaregctl session create left --device rxea >&2 && rdmaregctl session create right --device rxea2 >&2 &&
		program p10-rails left right || status=1
	rdmaregctl session release left --grace 0 >&2
	rdmaregctl session release right --grace 0 >&2
	rail_down
	return $status
}
figure_P10() {
	program p10-steady bandwidth "$LAB_ADDR_A" && program p10-steady write /mnt/xfs /mnt/xfsdax /mnt/ext4 /mnt/tmpfs && rails_rows || return
	[ -n "$QUICK" ] || { perftest_rows; fio_rows; }
}

# one FIGURE - with the product started anew, in a process of its own that ends when it takes too long.
one() {
	local name=$1 start=$EPOCHSECONDS status=0
	product_down
	lab_reset
	product_up >&2 || return 1
	timeout -k 5 "$BENCH_LIMIT" bash "${BASH_SOURCE[0]}" ${QUICK:+$QUICK} --figure "$name" >"/tmp/$name.tsv" </dev/null || status=$?
	cat "/tmp/$name.tsv" >>"$OUT/rows.tsv"
	if [ $status != 0 ]; then
		printf '%s\t-\tthe whole figure\tfailed\t-\t-\t0\t-\t-\n' "$name" >>"$OUT/rows.tsv"
		product_log | tail -n 5 >&2
	fi
	echo "$name: $([ $status = 0 ] && echo "measured" || echo "FAILED ($status)"), $((EPOCHSECONDS - start)) s, $(wc -l <"/tmp/$name.tsv") rows" >&2
	echo "$name $status" >>"$OUT/over"
	return $status
}

wanted() { # FIGURE NAME...
	local figure=$1 name
	shift
	[ $# -gt 0 ] || return 0
	for name; do [ "${name^^}" != "$figure" ] || return 0; done
	return 1
}

main() {
	local name failed=0
	lab_setup || return
	mkdir -p "$OUT"
	: >"$OUT/rows.tsv"
	{
		echo "kernel	$(uname -r)"
		echo "processors	$(nproc), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
		echo "memory	$(awk '/MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)"
		echo "adapter	soft-RoCE (rdma_rxe), two nodes in one machine"
		echo "rdma-core	$(dpkg-query -W -f '${Version}' libibverbs1)"
	} >"$OUT/machine"
	for name in "${FIGURES[@]}"; do
		! wanted "$name" "$@" || one "$name" || failed=1
	done
	product_down
	return $failed
}

case ${1:-} in
--figure) set -o pipefail; lab_setup && "figure_$2" ;;
*) main "$@" ;;
esac
