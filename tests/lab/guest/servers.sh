# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel's own servers on this machine, for who takes blocks of a file by their way: an NFS server with a client of it, and a storage target
# (nvmet) with an initiator. Sourced by scenarios; needs wait_for (lib.sh).

command -v wait_for >/dev/null || . /lab/guest/lib.sh

# The kernel's NFS server without the programs that it has beside it elsewhere: what it would ask them is told before. Nobody can open a file of
# it for its first ten seconds (nfs_ready).
server=/proc/fs/nfsd
nfs_up() { # FOLDER [MOUNT [OPTIONS]] - exported; it is mounted on /tmp/nfs
	local until=$(($(date +%s) + 86400)) on=${2:-/tmp/nfs}
	modprobe -a nfsd nfsv4 && { mountpoint -q $server || mount -t nfsd nfsd $server; } && echo 10 >$server/nfsv4gracetime &&
		echo "-3 +4 +4.1 +4.2" >$server/versions && echo "nfsd 127.0.0.1 $until lab" >/proc/net/rpc/auth.unix.ip/channel &&
		echo "lab 1 \\x00000000 $until $1" >/proc/net/rpc/nfsd.fh/channel &&
		echo "lab $1 $until 9218 65534 65534 0" >/proc/net/rpc/nfsd.export/channel &&
		echo "tcp 2049" >$server/portlist && echo 4 >$server/threads && mkdir -p "$on" &&
		timeout 60 mount -i -t nfs4 -o "vers=4.2,sec=sys,proto=tcp,port=2049,addr=127.0.0.1,clientaddr=127.0.0.1${3:+,$3}" 127.0.0.1:/ "$on"
}
nfs_ready() { timeout 120 touch "$1/.opened" && rm "$1/.opened"; } # MOUNT
nfs_down() { umount "${1:-/tmp/nfs}" && echo 0 >$server/threads && umount $server; }

# A storage target whose threads make no system call, and its initiator's disk, /dev/nvme0n1.
nvmet=/sys/kernel/config/nvmet
target_up() { # FILE
	modprobe -a nvmet nvme_loop && { mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; } &&
		mkdir -p $nvmet/subsystems/lab/namespaces/1 $nvmet/ports/1 && echo 1 >$nvmet/subsystems/lab/attr_allow_any_host &&
		echo -n "$1" >$nvmet/subsystems/lab/namespaces/1/device_path && echo 1 >$nvmet/subsystems/lab/namespaces/1/buffered_io &&
		echo 1 >$nvmet/subsystems/lab/namespaces/1/enable && echo loop >$nvmet/ports/1/addr_trtype &&
		ln -s $nvmet/subsystems/lab $nvmet/ports/1/subsystems/lab && echo transport=loop,nqn=lab >/dev/nvme-fabrics &&
		wait_for test -b /dev/nvme0n1
}
target_down() {
	echo 1 >/sys/class/nvme/nvme0/delete_controller
	rm $nvmet/ports/1/subsystems/lab && echo 0 >$nvmet/subsystems/lab/namespaces/1/enable
	rmdir $nvmet/subsystems/lab/namespaces/1 $nvmet/subsystems/lab $nvmet/ports/1
}

# Modules that the guest does not have, which `./run table` shares.
taker_modules() { modprobe -d /share -a "$@"; }

# LIO with a file, and its initiator's disk, /dev/sda. Without targetcli nobody writes to udev_path. A disk of tcm_loop shows no page of
# its provisioning, so its initiator discards by WRITE SAME with UNMAP, which the target only takes with emulate_tpws.
lio=/sys/kernel/config/target
lio_up() { # FILE
	local tpg=$lio/loopback/naa.5001405000000001/tpgt_1
	taker_modules target_core_file tcm_loop sd_mod &&
		{ mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; } &&
		mkdir -p $lio/core/fileio_0/lab && echo "fd_dev_name=$1,fd_dev_size=$(stat -c %s "$1"),fd_buffered_io=1" >$lio/core/fileio_0/lab/control &&
		echo 1 >$lio/core/fileio_0/lab/enable && echo 1 >$lio/core/fileio_0/lab/attrib/emulate_tpu && echo 1 >$lio/core/fileio_0/lab/attrib/emulate_tpws &&
		mkdir -p $lio/loopback && mkdir -p $tpg/lun/lun_0 && echo naa.5001405000000002 >$tpg/nexus &&
		ln -s $lio/core/fileio_0/lab $tpg/lun/lun_0/lab && wait_for test -b /dev/sda
}
lio_down() {
	local tpg=$lio/loopback/naa.5001405000000001/tpgt_1
	rm $tpg/lun/lun_0/lab
	wait_for test ! -e /dev/sda
	rmdir $tpg/lun/lun_0 $tpg $lio/loopback/naa.5001405000000001 $lio/core/fileio_0/lab $lio/core/fileio_0
}

# The kernel's SMB server, with a user and a share for each of two users: rows-UID is the folder of that name, mounted on MOUNT/rows-UID as
# that user (username=: mount(8) keeps user= for itself). What it and its client ask for by name (ciphers, hashes) the kernel has to find, too.
shared_program() { # NAME ARGUMENT...
	local name=$1
	shift
	LD_LIBRARY_PATH=/share/usr/lib/x86_64-linux-gnu "/share/usr/sbin/$name" "$@"
}
smb_up() { # FOLDER MOUNT UID
	local uid folder=$1 on=$2
	mount --bind "/share/lib/modules/$(uname -r)" "/lib/modules/$(uname -r)"
	modprobe -a ksmbd cifs && mkdir -p /etc/ksmbd && grep -q "^smb$3:" /etc/passwd || echo "smb$3:x:$3:$3::/:/bin/sh" >>/etc/passwd
	printf '[global]\nsmb2 leases = no\noplocks = no\n' >/etc/ksmbd/ksmbd.conf
	for uid in 0 "$3"; do
		mkdir -p "$folder/rows-$uid" "$on/rows-$uid" && chown "$uid" "$folder/rows-$uid"
		printf '[rows-%s]\npath = %s\nread only = no\nguest ok = no\n' "$uid" "$folder/rows-$uid" >>/etc/ksmbd/ksmbd.conf
		shared_program ksmbd.adduser -a -p secret "$([ "$uid" = 0 ] && echo root || echo "smb$uid")"
	done
	shared_program ksmbd.mountd && wait_for grep -q running /sys/class/ksmbd-control/stats
	for uid in 0 "$3"; do
		timeout 60 mount -i -t cifs "//127.0.0.1/rows-$uid" "$on/rows-$uid" -o \
			"ip=127.0.0.1,vers=3.1.1,username=$([ "$uid" = 0 ] && echo root || echo "smb$uid"),password=secret,cache=none,uid=$uid" || return 1
	done
}
smb_down() { # MOUNT UID
	umount "$1/rows-0" "$1/rows-$2"
	shared_program ksmbd.control --shutdown
	umount -l "/lib/modules/$(uname -r)" # a worker of the kernel may look for a module there
}

# A disk of zones, in memory; /dev/nullb0.
zones_up() {
	local disk=/sys/kernel/config/nullb/nullb0
	modprobe -d /share null_blk nr_devices=0
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
	mkdir -p $disk && echo 1024 >$disk/size && echo 4096 >$disk/blocksize && echo 1 >$disk/memory_backed && echo 1 >$disk/zoned &&
		echo 16 >$disk/zone_size && echo 1 >$disk/power && wait_for test -b /dev/nullb0
}
