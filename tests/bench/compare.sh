#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# compare.sh PAIRS [NAME...] - in the guest, for ./run bench --compare: the figures once with each of two products, PAIRS times.
#
# One boot holds both, one at a time: the product is taken down, module and all, the files of the other one are laid over it, and it is
# started. The order changes from pair to pair (old new, new old, ...). Both are measured by the programs of the new tree, which against.sh
# built for the old one (build_other). /share/old and /share/new are the products; rows go to /share/old.1, /share/new.1 and so on.
. /lab/guest/lib.sh

pairs=$1
shift
lab_setup || exit

# lay SIDE - nothing of the product runs
lay() {
	cp -a --remove-destination "/share/$1/." / && ldconfig || return
	[ ! -e /run/lab/dbus.pid ] || busctl --system call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig
}

for ((i = 1; i <= pairs; i++)); do
	sides=(old new)
	[ $((i % 2)) = 1 ] || sides=(new old)
	for side in "${sides[@]}"; do
		product_down
		lay "$side" || { echo "the files of the $side product cannot be laid over the other's" >&2; exit 1; }
		mkdir -p "/share/$side.$i"
		RDMAREG_BENCH_SHARE=$pairs BENCH_OUT=/share/$side.$i bash /bench/run.sh "$@"
		echo "pair $i of $pairs: $side" >&2
	done
done
