# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Keepers that run, one a line: the process, and its unit where it has one. dh_installdeb puts this into the scripts that ask (#KEEPERS#).
# They are found by their program: those that rdmaregd started itself (spawn=direct) have no unit, and there may be no systemd.
keepers() {
	find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname '/usr/libexec/rdmareg/rdmareg-keeper*' 2>/dev/null | while read -r exe; do
		pid=${exe#/proc/}
		pid=${pid%/exe}
		unit=$(sed -n 's|^0::.*/\(rdmareg-keeper-[A-Za-z0-9_.-]*\.service\)$|, \1|p' "/proc/$pid/cgroup" 2>/dev/null || true)
		printf '  process %s%s\n' "$pid" "$unit"
	done
}
