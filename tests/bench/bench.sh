#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench.sh [NAME...] - ./run bench: measures all figures, or those named (P1, P3, ...), and makes docs/benchmarks.md of the rows.
# bench.sh --compare REV [--pairs N] [NAME...] - measures this tree and another revision in turn and says what differs: against.sh.
#
# Always holds: a figure that fails is told in its row and in the exit status, and the others are measured all the same. When the guest dies (with
# several emulated processors in parallel it can, see tests/lab/README.md) what was measured is kept and the rest goes on in a new boot.
. "$(dirname "$0")/../lab/host/common.sh"

out=$build/bench
figures=(P8 P4 P2 P6 P7 P10 P5 P3 P1 P9)
left=() failed=0 other='' pairs=12
while [[ ${1:-} = --* ]]; do
	case $1 in
	--compare) other=${2:?--compare wants a revision} ;;
	--pairs) pairs=${2:?--pairs wants a number} ;;
	*) die "bench: unknown option '$1'; see ./run help" ;;
	esac
	shift 2
done

for name; do
	[[ " ${figures[*]} " == *" ${name^^} "* ]] || die "bench: there is no figure '$name', only ${figures[*]}"
done
for name in "${figures[@]}"; do
	[ $# = 0 ] || [[ " ${*^^} " == *" $name "* ]] || continue
	left+=("$name")
done
"$host/prepare.sh" 7
[ -z "$other" ] || exec "$top/tests/bench/against.sh" "$other" "$pairs" "${left[@]}"
rm -rf "$out"
mkdir -p "$out"

# P8 needs no lab: the core and the daemon, on this machine, before a guest makes it busy.
if [[ " ${left[*]} " == *" P8 "* ]]; then
	say "P8: half a million regions, on this machine"
	meson test -C "$build/host" --no-rebuild --benchmark -v bench-growth >"$logs/bench-growth.log" 2>&1 || failed=1
	{
		"$build/host/tests/bench/bench-p8-registry"
		grep $'^P8\t' "$logs/bench-growth.log" || printf 'P8\tdaemon\tListRegions\tfailed\t-\t-\t0\t-\t-\n'
	} >"$out/host.tsv"
	mapfile -t left < <(printf '%s\n' "${left[@]}" | grep -vx -e P8)
fi

for ((boot = 1; boot <= 4 && ${#left[@]} > 0; boot++)); do
	share=$out/boot$boot
	mkdir -p "$share"
	say "boot $boot: ${left[*]}"
	"$host/boot.sh" --systemd --threads multi --memory 8G --timeout 5400 --share "$share" --out "$logs/bench$boot" -- \
		bash /bench/run.sh "${left[@]}" </dev/null 2>&1 | tr -d '\r' | tee "$logs/bench$boot.log" |
		sed -un 's/^\(P[0-9]*: [a-zA-Z].*\)$/      \1/p' || true
	touch "$share/rows.tsv" "$share/over"
	[ -s "$share/over" ] || say "the guest did not come up, or died: $(tail -n 1 "$logs/bench$boot.log")"
	while read -r name status; do
		[ "$status" = 0 ] || failed=1
		mapfile -t left < <(printf '%s\n' "${left[@]}" | grep -vx -e "$name" -e "")
	done <"$share/over"
done
for name in "${left[@]}"; do
	printf '%s\t-\tthe whole figure\tfailed\t-\t-\t0\t-\t-\n' "$name"
	failed=1
done >"$out/left.tsv"

cat "$out"/{host,left}.tsv "$out"/boot*/rows.tsv >"$out/rows.tsv" 2>/dev/null || true
[ -s "$out/rows.tsv" ] || die "bench: nothing was measured"
if [ ! -s "$out/boot1/machine" ]; then # P8 alone: of the lab's machine nothing is known
	cp "$top/tests/bench/machine" "$out/machine"
	python3 -B "$top/tests/bench/table.py" --take "$out"
	exit $failed
fi
cat "$out"/boot1/machine >"$out/machine"
printf 'emulated by\t%s, %s emulated processors in parallel, on %s processors of %s\n' \
	"$("$host/in-dev" qemu-system-x86_64 --version | sed -n 's/^\(QEMU.*version [0-9.]*\).*/\1/p') ($(cat "$build/stamps/accelerator"))" 2 \
	"$(nproc)" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" >>"$out/machine"
python3 -B "$top/tests/bench/table.py" --take "$out"
[ $failed = 0 ] || say "some figures failed: see build/logs/bench*.log"
exit $failed
