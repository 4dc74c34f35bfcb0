#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scripts.sh - run in a clean tree with the packages installed: each maintainer script in each way that dpkg calls it, as under systemd.
# Whatever talks to the service manager or the kernel is a recorder here, so the table below is all that the scripts ever ask for.
# Nothing ever touches rdmareg.slice or a keeper.
set -uo pipefail
[ "${1:-}" = apart ] || exec unshare -m bash "$0" apart
# What they remove and make is thrown away with this mount name space.
mount -t tmpfs tmpfs /run
for dir in etc var; do
	mkdir -p "/run/layer/$dir" "/run/work/$dir"
	mount -t overlay overlay -o "lowerdir=/$dir,upperdir=/run/layer/$dir,workdir=/run/work/$dir" "/$dir" || exit 1
done
record=$(mktemp -d)
trap 'rm -rf "$record"' EXIT
mkdir -p /run/systemd/system
for name in deb-systemd-invoke systemctl deb-systemd-helper modprobe rmmod udevadm dkms systemd-sysusers systemd-tmpfiles; do
	cat >"$record/$name" <<-EOF
		#!/bin/sh
		case "$name \$*" in
		*was-enabled*rdmaregd.service) exit 0 ;;
		*was-enabled*) exit 1 ;;
		"dkms status"*) exit 0 ;;
		"deb-systemd-invoke "* | "systemctl "* | "modprobe "* | "rmmod "*) echo "$name \$*" >>"$record/calls" ;;
		esac
	EOF
	chmod +x "$record/$name"
done

# script and arguments | what it asks for
expected() {
	cat <<'EOF'
rdmaregd.postinst configure             | reload dbus.service; daemon-reload; start rdmaregd.service; daemon-reload; start rdmareg-metrics.timer
rdmaregd.postinst configure 0.0.9       | reload dbus.service; daemon-reload; restart rdmaregd.service; daemon-reload; restart rdmareg-metrics.timer
rdmaregd.postinst abort-upgrade 0.0.9   | daemon-reload; restart rdmaregd.service; daemon-reload; restart rdmareg-metrics.timer
rdmaregd.postinst abort-remove          | daemon-reload; start rdmaregd.service; daemon-reload; start rdmareg-metrics.timer
rdmaregd.postinst abort-deconfigure     | daemon-reload; start rdmaregd.service; daemon-reload; start rdmareg-metrics.timer
rdmaregd.postinst triggered             | nothing
rdmaregd.prerm upgrade 0.1.0            | nothing
rdmaregd.prerm failed-upgrade 0.0.9     | nothing
rdmaregd.prerm deconfigure              | nothing
rdmaregd.prerm remove                   | stop rdmareg-metrics.timer; stop rdmaregd.service; stop rdmareg-metrics.service rdmareg-selftest@*.service rdmareg-standing@*.service
rdmaregd.postrm upgrade 0.1.0           | nothing
rdmaregd.postrm failed-upgrade 0.0.9    | nothing
rdmaregd.postrm abort-install           | nothing
rdmaregd.postrm abort-upgrade 0.1.0     | nothing
rdmaregd.postrm disappear               | nothing
rdmaregd.postrm remove                  | daemon-reload; daemon-reload
rdmaregd.postrm purge                   | nothing
rdmareg-dkms.postinst configure         | modprobe rdmareg
rdmareg-dkms.postinst abort-remove      | nothing
rdmareg-dkms.prerm upgrade 0.1.0        | nothing
rdmareg-dkms.prerm remove               | nothing
EOF
}

status=0
while IFS='|' read -r call want; do
	read -r script action <<<"$call"
	rm -f "$record/calls"
	# shellcheck disable=SC2086 # arguments of their own
	PATH=$record:$PATH sh "/var/lib/dpkg/info/$script" $action </dev/null >"$record/output" 2>&1 ||
		{ echo "$script $action: failed"; cat "$record/output"; status=1; }
	got=$(sed -E -e "s/^(deb-systemd-invoke|systemctl) (--system )?//" -e 's/modprobe -q/modprobe/' "$record/calls" 2>/dev/null | paste -sd';' | sed 's/;/; /g')
	[ "${got:-nothing}" = "${want# }" ] || { printf '%s %s\n  asks for: %s\n  not:      %s\n' "$script" "$action" "${got:-nothing}" "${want# }"; status=1; }
done < <(expected)

# There is no script but those of the table, so none that could do anything else.
others=$(find /var/lib/dpkg/info -regextype egrep -regex '.*/(lib)?rdmareg[^/]*\.(preinst|postinst|prerm|postrm)' -printf '%f\n' | sort |
	grep -vxF "$(expected | cut -d' ' -f1 | sort -u)")
[ -z "$others" ] || { echo "scripts that are in no table: $others"; status=1; }
exit $status
