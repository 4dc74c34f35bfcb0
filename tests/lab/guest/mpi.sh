#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mpi.sh - an MPI program of an ordinary user with a rank on each node (examples/mpi-checkpoint.c; /share is what mpi.sh
# of the host made): each writes into the file of the other, and what is there after the filesystem was unmounted is
# compared. Called by `./run mpi`.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
lab_setup && product_up || exit 1
users_up
no_regions() { [ "$(mr_count)" = 0 ]; }

export LD_LIBRARY_PATH=/share/usr/lib/x86_64-linux-gnu
# Nothing of MPI's own traffic goes over the adapters, which are what is tested.
export UCX_TLS=self,tcp,posix UCX_NET_DEVICES=all

# ranks WRITE-OR-VERIFY PREFIX - two ranks, one in each node's name space. They are processes of one machine to MPI.
ranks() {
	local one=(timeout 240 /share/mpi-checkpoint "$1" "$2" 8)
	/share/usr/bin/mpiexec.hydra -launcher fork -hosts localhost -n 1 $AS_GOOD "${one[@]}" : \
		-n 1 ip netns exec b $AS_GOOD "${one[@]}"
}

fails() { ! "$@"; }
device_of() { findmnt -n -o SOURCE "/mnt/$1"; }

for fs in xfs ext4; do
	mkdir -m 700 /mnt/$fs/job && chown good /mnt/$fs/job
	check "$fs: two ranks write their checkpoints" ranks write /mnt/$fs/job/checkpoint
	check "$fs: no region is left" wait_for no_regions
	expect_equal "$fs: the files are their user's alone" "600 good
600 good" "$(stat -c '%a %U' /mnt/$fs/job/checkpoint.0 /mnt/$fs/job/checkpoint.1)"
	check "$fs: two ranks find the checkpoint of the other in memory" ranks verify /mnt/$fs/job/checkpoint
	device=$(device_of $fs)
	check "$fs: unmount" wait_for umount /mnt/$fs
	check "$fs: mount" mount "$device" /mnt/$fs
	check "$fs: and on storage" ranks verify /mnt/$fs/job/checkpoint
	# the comparison can fail
	printf x | dd of=/mnt/$fs/job/checkpoint.1 bs=1 seek=1M conv=notrunc status=none
	check "$fs: one byte that differs is noticed" fails ranks verify /mnt/$fs/job/checkpoint
done
finish
