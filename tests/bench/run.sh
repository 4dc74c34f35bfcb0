#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh - the benchmarks, inside the lab's guest (`./run bench`). Both sides of every comparison run in the same boot, in turn; what counts are
# the ratios. Nothing here passes or fails.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
lab_setup && product_up || exit 1

echo "kernel $(uname -r), $(nproc) emulated processors, soft-RoCE; medians"
for dir in /mnt/tmpfs /mnt/xfs /mnt/xfsdax; do
	echo
	echo "making memory reachable, files in $dir"
	"$RDMAREG_TESTS/bench-acquire" rxea $dir
done

# bandwidth RUNS TICKET FILE - median MiB/s of putting FILE
bandwidth() {
	local n start
	for ((n = 0; n < $1; n++)); do
		start=$(uptime_msec)
		on_b rdmaregctl put "$3" "$2" --repeat 4 >/dev/null
		echo $((4 * $(stat -c %s "$3") * 1000 / MIB / ($(uptime_msec) - start)))
	done | sort -n | sed -n $((($1 + 1) / 2))p
}

echo
echo "put of 16 MiB, four times over one connection, in MiB/s; quiet, and under a sync(1) loop"
noise /tmp/sent 16
for fs in tmpfs ext4 xfs ext4dax xfsdax; do
	zeroes /mnt/$fs/file 16
	r=$(register /mnt/$fs/file --export)
	quiet=$(bandwidth 3 "$(field ticket "$r")" /tmp/sent)
	(while :; do sync /mnt/$fs/file; done) &
	busy=$(bandwidth 3 "$(field ticket "$r")" /tmp/sent)
	kill $!
	wait $! 2>/dev/null
	printf '%-8s quiet %4d  under sync %4d  ratio %s\n' $fs "$quiet" "$busy" "$(jq -n "$busy / $quiet * 100 | floor / 100")"
	rdmaregctl release "$(field id "$r")" >/dev/null
done
product_down
