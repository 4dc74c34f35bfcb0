#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-systemd.sh - the units, rules and snippets of systemd/, as installed, are accepted by systemd's own tools.
# Skipped (77) where those are not installed. Nothing here needs a running service manager.
#
#   check-systemd.sh BUILD-FOLDER
set -euo pipefail
build=$1
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is not installed"; exit 77; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

here=$(cd "$(dirname "$0")/../../systemd" && pwd)
units=$root/units
mkdir -p "$units"
cp "$here"/*.slice "$units"
# The program is not installed yet: any that exists will do for the check.
sed -E "s|^(ExecStart\|ExecReload)=.*|\1=/bin/true|; /^Documentation=/d" "$build/systemd/rdmaregd.service" >"$units/rdmaregd.service"
sed -E "s|^ExecStart=.*|ExecStart=/bin/true|; /^Documentation=/d" "$build/systemd/rdmareg-selftest@.service" \
	>"$units/rdmareg-selftest@.service"
sed -E "s|^ExecStart=.*|ExecStart=/bin/true|; /^Documentation=/d" "$build/systemd/rdmareg-metrics.service" \
	>"$units/rdmareg-metrics.service"
sed -E "s|^ExecStart=.*|ExecStart=/bin/true|; /^Documentation=/d" "$build/systemd/rdmareg-standing@.service" \
	>"$units/rdmareg-standing@.service"
sed "s|^ExecStart=/bin/sh |ExecStart=/bin/true |; /^Documentation=/d" "$here/../examples/standing-ticket.service" >"$units/standing-ticket.service"
cp "$here"/*.timer "$units"
sed -i "/^Documentation=/d" "$units"/*.slice "$units"/*.timer

echo "units"
SYSTEMD_UNIT_PATH=$units: systemd-analyze verify --man=no "$units"/rdmaregd.service "$units"/rdmareg.slice "$units"/rdmareg-selftest@rxe0.service \
	"$units"/rdmareg-standing@0.service "$units"/standing-ticket.service "$units"/rdmareg-metrics.service "$units"/rdmareg-metrics.timer

echo "sandbox: exposure at most 3.0 of 10"
systemd-analyze security --offline=yes --threshold=30 --no-pager "$units/rdmaregd.service" >"$root/security" ||
	{ cat "$root/security"; exit 1; }
tail -1 "$root/security"

if command -v journalctl >/dev/null; then
	echo "catalog: systemd reads each text"
	mkdir -p "$root/usr/lib/systemd/catalog" "$root/var/lib/systemd/catalog"
	cp "$here/rdmareg.catalog" "$root/usr/lib/systemd/catalog"
	journalctl --root="$root" --update-catalog
	journalctl --root="$root" --list-catalog >"$root/listed"
	while read -r id; do
		grep -q "^$id rdmaregd: " "$root/listed" || { echo "$id is not in the catalog" >&2; exit 1; }
	done < <(sed -n 's/^	X(.*"\([0-9a-f]*\)").*/\1/p' "$here/../daemon/util/log-messages.h")
fi
if command -v systemd-sysusers >/dev/null; then
	echo "group"
	mkdir -p "$root/etc"
	systemd-sysusers --root="$root" "$here/sysusers.conf"
	grep '^rdmareg:' "$root/etc/group"
fi
if command -v udevadm >/dev/null && udevadm verify --help >/dev/null 2>&1; then # since systemd 254
	echo "udev rules"
	udevadm verify "$here/60-rdmareg.rules"
fi
