#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# inside.sh VERSION OLD - run in a clean tree: the packages of /packages installed, upgraded, removed and purged. Each step says what it
# found; any that is not as it should be fails the whole.
set -uo pipefail
version=$1 old=$2
failed=0
packages="rdmaregd librdmareg0 librdmareg-dev rdmareg-dkms rdmareg-slurm"

check() { # NAME COMMAND...
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok $name"
	else
		failed=1
		echo "not ok $name"
		sed 's/^/    /' <<<"$*: $output"
	fi
}
debs() { find "/packages/$1" -name '*.deb' ! -name '*-dbgsym_*'; }
install() { debs "$1" | xargs dpkg -i; }
kernels() { find /usr/lib/modules /lib/modules/ -maxdepth 2 -name build -printf '%h\n' 2>/dev/null | sed 's|.*/||' | sort -u; }
says() { [ "$(rdmaregctl --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" = "$1" ]; }
built() { for k in $(kernels); do dkms build -m rdmareg -v "$1" -k "$k" && dkms install --force -m rdmareg -v "$1" -k "$k" || return 1; done; }
module() { find "/lib/modules/$1/" -name 'rdmareg.ko*'; }
module_is() { [ "$(modinfo -F version "$(module "$1")")" = "$2" ]; }
mode() { [ "$(stat -c %a "$1")" = "$2" ]; }
kept() { grep -qx '# the administrator was here' /etc/rdmareg/rdmaregd.conf && [ -e /etc/rdmareg/conf.d/50-site.conf ]; }
none_of() { local what; for what; do [ ! -e "$what" ] || { echo "$what is there"; return 1; }; done; }
# All files but those of package management, which keeps books of its own. depmod's indexes belong to who installs kernels.
files() {
	find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /tmp -o -path /packages -o -path /tests -o -path /modules -o -path /var/lib/dpkg \
		-o -path /var/cache -o -path /var/log -o -path /var/lib/dkms \) -prune -o ! -name 'modules.*' ! -name 'ld.so.cache' \
		! -path '/etc/group*' ! -path '/etc/gshadow*' -print | sort
}
# What systemd's units have to do with the scripts that debhelper made
touches_nothing_else() {
	local scripts
	scripts=$(find /var/lib/dpkg/info \( -name 'rdmareg*' -o -name 'librdmareg*' \) \( -name '*.postinst' -o -name '*.prerm' -o -name '*.postrm' -o -name '*.preinst' \))
	[ -n "$scripts" ] || return 1
	# shellcheck disable=SC2086
	! grep -hE '^[^#]*(deb-systemd-invoke|deb-systemd-helper|systemctl|invoke-rc\.d)' $scripts | grep -vE \
		"'rdmaregd\.service'|-x .?/usr/bin/deb-systemd|reload dbus\.service|daemon-reload|list-units|: systemctl stop rdmareg\.slice\$"
}

files >/tmp/before
check "the older version is installed" install "$old"
check "rdmaregctl is of that version" says "$old"
check "the group of the device is there" getent group rdmareg
check "the folder of the keepers' sockets is root's alone" mode /run/rdmareg/keepers 700
check "the keeper's program is not readable" mode /usr/libexec/rdmareg/rdmareg-keeper 711
check "the settings are accepted" /usr/libexec/rdmareg/rdmaregd --check-config
check "maintainer scripts have to do with rdmaregd.service and no other unit" touches_nothing_else
check "DKMS has the module of that version" test -e "/usr/src/rdmareg-$old/dkms.conf"
check "a program builds against the library, and runs" sh /packages/smoke
echo '# the administrator was here' >>/etc/rdmareg/rdmaregd.conf
printf '[limits]\n' >/etc/rdmareg/conf.d/50-site.conf

check "the newer version is installed over it" install "$version"
check "rdmaregctl is of that version" says "$version"
check "the administrator's settings are as they were" kept
check "the older module's source is gone" none_of "/usr/src/rdmareg-$old"
[ -n "$(kernels)" ] || { echo "not ok there are kernels to build for"; failed=1; }
check "DKMS builds the module for all kernels" built "$version"
for k in $(kernels); do
	check "$k: its version is the product's" module_is "$k" "$version"
	m=$(module "$k")
	mkdir -p "/modules/$k"
	case $m in
	*.xz) xz -dc "$m" >"/modules/$k/rdmareg.ko" ;;
	*.zst) zstd -qdc "$m" >"/modules/$k/rdmareg.ko" ;;
	*) cp "$m" "/modules/$k/rdmareg.ko" ;;
	esac
done

# shellcheck disable=SC2086
check "the packages are removed" dpkg -r $packages
check "programs and modules are gone" none_of /usr/bin/rdmaregctl /usr/libexec/rdmareg /usr/src/rdmareg-* $(for k in $(kernels); do module "$k"; done)
check "the administrator's settings are still there" kept
# shellcheck disable=SC2086
check "the packages are purged" dpkg -P $packages
files >/tmp/after
check "nothing is left that was not there before" diff /tmp/before /tmp/after
exit $failed
