#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mpi.sh - makes build/lab/mpi: MPICH, unpacked (packages.mpi), and examples/mpi-checkpoint, compiled against it and the
# library that the lab has. It is what `./run mpi` shares with the guest.
. "$(dirname "$0")/common.sh"
. "$host/apt.sh"

mpi=$lab/mpi
key=$(hash tests/lab/packages.mpi tests/lab/host/mpi.sh)

unpack() {
	local names deb
	mapfile -t names < <(list "$top/tests/lab/packages.mpi")
	rm -rf "$mpi" "$mpi.new"
	mkdir -p "$mpi.new/debs"
	lab_apt_update
	(cd "$mpi.new/debs" && lab_apt apt-get download -t trixie "${names[@]}")
	for deb in "$mpi.new"/debs/*.deb; do dpkg-deb -x "$deb" "$mpi.new"; done
	rm -r "$mpi.new/debs"
	mv "$mpi.new" "$mpi"
}

need_root
if ! stamped mpi "$key"; then
	unpack
	stamp mpi "$key"
fi
libraries=/lab/mpi/usr/lib/x86_64-linux-gnu
"$host/in-dev" gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow -Werror -o /lab/mpi/mpi-checkpoint \
	/src/examples/mpi-checkpoint.c -isystem "$libraries/mpich/include" -I/lab/product-root/usr/include \
	-L/lab/product-root/usr/lib/x86_64-linux-gnu -L"$libraries" -Wl,-rpath-link,"$libraries" -lrdmareg -lmpich
