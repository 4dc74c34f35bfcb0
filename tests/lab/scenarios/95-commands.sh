#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The commands that the documents show and no host can run without the module, systemd, an adapter or a device-dax: each succeeds as it stands
# there, as root or as an ordinary user, with this machine's names in place of the document's (tests/check/commands.py says which they are).
# boot: systemd
# timeout: 480
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
# a keeper that starts beside other guests may take its time
printf '[keepers]\ntimeout_msec = 300000\n' >"$RDMAREG_CONFDIR/50-commands.conf"
product_up || exit 1
users_up
zeroes /mnt/xfs/file 8
zeroes /mnt/xfs/model.bin 8
goods /mnt/xfs/model.bin
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
		-e "s|mlx5_0|rxea|; s,(/srv)?/data\b,/mnt/xfs,; s|region 7:|region $id:|; s|\balice\b|good|" <<<"$1"
}

# run WHO COMMAND - sets status and output
run() {
	local as=
	[ "$1" = '#' ] || as=as_good
	status=0
	output=$($as bash -c "$(translate "$2")" 2>&1 </dev/null) || status=$?
}

made=
while IFS=$'\t' read -r where who command; do
	run "$who" "$command"
	# a check that a busy machine does not complete in time counts as not run
	[ $status = 0 ] || [[ $command != *selftest* ]] || run "$who" "$command"
	if [ $status = 0 ]; then
		ok "$where: $command"
	else
		not_ok "$where: $command: status $status"
		sed 's/^/    /' <<<"$output"
	fi
	[[ $output != /dev/dax* ]] || made=$output
done <"$RDMAREG_TESTS/documented-commands"
finish
