#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The commands that the documents show and no host can run without the module, systemd, an adapter or a device-dax: each succeeds as it stands
# there, with this machine's names in place of the document's (tests/check/commands.py says which they are).
# boot: systemd
# timeout: 240
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"
modprobe -a device_dax dax_hmem
hmem() { compgen -G '/sys/devices/platform/hmem_platform.0/hmem.*'; }
wait_for hmem || { not_ok "the DAX region is there"; finish; }
dir=$(hmem)
# at boot one device has all of the region
for first in "$dir"/dax[0-9]*; do
	first=${first##*/}
	daxctl disable-device "$first" >/dev/null 2>&1
	daxctl destroy-device "$first" >/dev/null 2>&1
done
trap 'rm -rf /var/cache/rdmareg; echo 0 >/sys/kernel/tracing/events/rdmareg/enable' EXIT
product_up || exit 1
zeroes /mnt/xfs/file 8
# on a busy machine a keeper may need longer than it has to start: then, as the message says, once more
registered() { id=$(field id "$(register /mnt/xfs/file)") && [ -n "$id" ]; }
wait_for registered || { not_ok "a region"; finish; }
truncate -s 4M /mnt/xfs/file # the journal has something of it
whole=$(rdmaregctl dax-create 128M)

cd /tmp || exit 1
# what dax-create runs: its device is the descriptor that it was told of
printf '#!/bin/sh\n[ -c /proc/self/fd/$RDMAREG_DAX_FD ]\n' >program
chmod +x program
# translate COMMAND - with this machine's names
translate() {
	sed -E -e "s|/dev/dax0\.1|MADE|; s|/dev/dax0\.0|$whole|; s|MADE|$made|; s|--region 0|--region $(<"$dir"/dax_region/id)|" \
		-e "s|mlx5_0|rxea|; s|/srv/data|/mnt/xfs|; s|region 7:|region $id:|" <<<"$1"
}

# run COMMAND - sets status and output
run() {
	status=0
	output=$(bash -c "$(translate "$1")" 2>&1 </dev/null) || status=$?
}

made=
while IFS=$'\t' read -r where command; do
	run "$command"
	# a check that a busy machine does not complete in time counts as not run
	[ $status = 0 ] || [[ $command != *selftest* ]] || run "$command"
	if [ $status = 0 ]; then
		ok "$where: $command"
	else
		not_ok "$where: $command: status $status"
		sed 's/^/    /' <<<"$output"
	fi
	[[ $output != /dev/dax* ]] || made=$output
done <"$RDMAREG_TESTS/documented-commands"
finish
