#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# package.sh VERSION OLD - the packages of /share on a running machine, under systemd: the older version installed, regions of two users
# made and read by peers, the newer version installed over them, the packages removed and purged. Regions, keepers and transfers go on
# through all of it, until somebody ends them who means it. `./run package` calls it.
. /lab/guest/lib.sh
. /lab/guest/regions.sh
version=$1 old=$2
lab_setup || exit 1
users_up

unit() { systemctl show -P "$2" "$1"; }
packages() { local p; for p in rdmaregd librdmareg0; do echo "/share/$1/${p}"_*.deb; done; }
# as who keeps settings that were changed, which dpkg asks about when the package's changed, too
# shellcheck disable=SC2046
install() { dpkg --force-unsafe-io --force-confdef --force-confold -i $(packages "$1"); }
says() { [ "$(/usr/bin/rdmaregctl --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" = "$1" ]; }
running() { readlink "/proc/$(unit rdmaregd MainPID)/exe"; }
is_new_program() { [ "$(running)" = /usr/libexec/rdmareg/rdmaregd ]; }
keepers() { systemctl list-units --plain --no-legend --state=active 'rdmareg-keeper-*' | awk '{ print $1 }' | sort | while read -r u; do echo "$u $(unit "$u" MainPID) $(unit "$u" InvocationID)"; done; }
slice() { unit rdmareg.slice InvocationID; }
ids() { rdmaregctl --json list | jq -c '[.[].id] | sort'; }
is_inactive() { [ "$(systemctl is-active "$1")" = inactive ]; }
# broken VERSION: the package as a version whose preinst fails, so that dpkg takes the upgrade back
broken() {
	rm -rf /run/lab/broken
	dpkg-deb -R /share/"$1"/rdmaregd_*.deb /run/lab/broken
	printf '#!/bin/sh\nexit 1\n' >/run/lab/broken/DEBIAN/preinst
	chmod 755 /run/lab/broken/DEBIAN/preinst
	sed -i 's/^Version: .*/Version: 99/' /run/lab/broken/DEBIAN/control
	dpkg-deb -Znone -b /run/lab/broken /run/lab/broken.deb
}
refused() { ! dpkg --force-unsafe-io -i /run/lab/broken.deb && [ "$(dpkg-query -Wf '${db:Status-Status} ${Version}' rdmaregd)" = "installed $1" ]; }
prom=/var/lib/prometheus/node-exporter/rdmareg.prom
none_of() { local what; for what; do [ ! -e "$what" ] || { echo "$what is there"; return 1; }; done; }

# the module that DKMS built for this kernel, where it would have put it
dir=/usr/lib/modules/$(uname -r)/updates/dkms
mkdir -p "$dir"
cp "/share/modules/$(uname -r)/rdmareg.ko" "$dir/" && depmod
check "the older packages are installed" install "$old"
check "the module that DKMS built is loaded" modprobe rdmareg
expect_equal "and is of the newer version" "$version" "$(cat /sys/module/rdmareg/version)"
check "the daemon runs, and is on the bus" wait_for bus_has_owner "$RDMAREG_BUS_NAME"
check "it starts at boot" systemctl is-enabled rdmaregd
# an emulated machine beside others may take its time
printf '[daemon]\nadopt_timeout_msec = 60000\n[keepers]\ntimeout_msec = 300000\n' >/etc/rdmareg/conf.d/50-lab.conf
check "settings are read again" systemctl reload rdmaregd
check "rdmaregctl is of that version" says "$old"
cp /usr/bin/rdmaregctl /run/lab/peerctl

check "nobody enabled the timer of the metrics" is_inactive rdmareg-metrics.timer
mkdir -p "${prom%/*}"
check "the administrator enables it" systemctl enable --now rdmareg-metrics.timer
check "metrics are written" wait_for test -s "$prom"

noise /mnt/xfs/roots 4
noise /mnt/xfs/goods 4
goods /mnt/xfs/goods
r=$(register /mnt/xfs/roots --access rw --export) || not_ok "root registers"
g=$(as_good rdmaregctl --json register /mnt/xfs/goods --export) || not_ok "a user registers"
ticket=$(field ticket "$g")
expect_equal "with the module's arbitration" layout-lease "$(field arbitration_mode "$g")"
keepers_before=$(keepers) slice_before=$(slice) ids_before=$(ids) daemon_before=$(unit rdmaregd MainPID)
expect_equal "two keepers hold them" 2 "$(wc -l <<<"$keepers_before")"

# a peer that reads again and again until it is told to stop, and counts
cat >/run/lab/read.sh <<'EOF'
n=0 failed=0
while [ ! -e /run/lab/stop ]; do
	if /run/lab/peerctl get "$1" /run/lab/got && cmp -s /run/lab/got /mnt/xfs/goods; then n=$((n + 1)); else failed=$((failed + 1)); fi
	echo "$n $failed" >/run/lab/count.new && mv /run/lab/count.new /run/lab/count
done
EOF
count() { cut -d' ' -f1 /run/lab/count; }
has_read_more() { [ "$(count)" -gt "$(($1 + 1))" ]; }
start_peer /run/lab/read.log bash /run/lab/read.sh "$ticket"
check "a peer reads" wait_for has_read_more 0

# --- an upgrade that fails and is taken back: the older version runs, and nothing else has changed
check "a broken package is made" broken "$version"
check "it is refused, the older version is installed" refused "$old"
check "the daemon is on the bus" wait_for bus_has_owner "$RDMAREG_BUS_NAME"
expect_equal "the same keepers run" "$keepers_before" "$(keepers)"
daemon_before=$(unit rdmaregd MainPID)

echo '# the administrator was here' >>/etc/rdmareg/rdmaregd.conf
at=$(count)
check "the newer packages are installed over running regions" install "$version"
check "rdmaregctl is of that version" says "$version"
check "the daemon was started again" test "$(unit rdmaregd MainPID)" != "$daemon_before"
check "from the new program" wait_for is_new_program
check "and is on the bus" wait_for bus_has_owner "$RDMAREG_BUS_NAME"
expect_equal "the same keepers run" "$keepers_before" "$(keepers)"
expect_equal "in the same slice" "$slice_before" "$(slice)"
expect_equal "the same regions are there" "$ids_before" "$(ids)"
expect_equal "and live" live "$(field state "$(region "$(field id "$g")")")"
check "the administrator's settings are kept" grep -qx '# the administrator was here' /etc/rdmareg/rdmaregd.conf
check "the peer went on reading" wait_for has_read_more "$at"
goods_truncate() { as_good truncate -s 1M /mnt/xfs/roots.small && rm /mnt/xfs/roots.small; }
check "the timer of the metrics runs" systemctl is-active rdmareg-metrics.timer
check "files are as usable as before" goods_truncate

# --- removed while regions live
at=$(count)
dpkg -r rdmaregd >/run/lab/removed 2>&1 || not_ok "the package is removed"
check "removing says which keepers go on" grep -q "$(head -n 1 <<<"$keepers_before" | cut -d' ' -f1)" /run/lab/removed
check "and how to end them" grep -q 'systemctl stop rdmareg.slice' /run/lab/removed
expect_equal "they do" "$keepers_before" "$(keepers)"
check "and the peer reads" wait_for has_read_more "$at"
expect_equal "nothing runs that was removed" inactive "$(systemctl is-active rdmaregd)"
check "nor the timer of the metrics" is_inactive rdmareg-metrics.timer
check "and their file is gone, which nobody would renew" none_of "$prom"
check "settings stay" test -e /etc/rdmareg/rdmaregd.conf
check "installed again" install "$version"
check "the daemon has its regions again" wait_for bus_has_owner "$RDMAREG_BUS_NAME"
expect_equal "all of them" "$ids_before" "$(ids)"
check "metrics are written as before" wait_for test -s "$prom"
touch /run/lab/stop
check "the peer ends" wait_for gone "$PEER"
expect_equal "and never failed" 0 "$(cut -d' ' -f2 /run/lab/count)"
echo "# the peer read $(count) times"

# --- purged while regions live, and when they do not
dpkg -P rdmaregd >/run/lab/purged 2>&1 || not_ok "the package is purged"
expect_equal "purging ends no keeper" "$keepers_before" "$(keepers)"
check "their sockets stay, and that is said" grep -q '/run/rdmareg stays' /run/lab/purged
check "settings are gone" none_of /etc/rdmareg /var/cache/rdmareg /usr/libexec/rdmareg
check "the administrator ends the keepers" systemctl stop rdmareg.slice
expect_equal "none is left" "" "$(keepers)"
check "installed once more" install "$version"
check "it runs" wait_for bus_has_owner "$RDMAREG_BUS_NAME"
expect_equal "without regions" "[]" "$(ids)"
check "what autopkgtest runs under systemd is content" sh /share/tests/service
check "purged" dpkg -P rdmaregd librdmareg0
check "nothing is enabled that is not there" none_of /etc/systemd/system/*.wants/rdmareg*
check "nothing is left" none_of "$prom" /etc/rdmareg /var/cache/rdmareg /run/rdmareg /usr/libexec/rdmareg /usr/bin/rdmaregctl
check "the module goes" rmmod rdmareg
[ "$LAB_FAILED" = 0 ] || journalctl --no-pager -q -b -u rdmaregd -u 'rdmareg-keeper-*' | tail -n 100 | sed 's/^/# /'
finish
