#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# inside.sh VERSION OLD - run in a clean tree: the packages of /packages installed, upgraded, removed and purged. Each step says what it
# found; any that is not as it should be fails the whole.
set -uo pipefail
version=$1 old=$2
failed=0
packages="rdmaregd librdmareg0 librdmareg-dev rdmareg-dkms rdmareg-slurm python3-rdmareg"

check() { # NAME COMMAND...
	local name=$1 status=0
	shift
	output=$("$@" 2>&1) || status=$?
	if [ "$status" = 0 ]; then
		echo "ok $name"
	else
		failed=1
		echo "not ok $name"
		sed 's/^/    /' <<<"$*: $output"
	fi
}
said() { grep -qF "$1" <<<"$output"; } # the check before this one
debs() { find "/packages/$1" -name '*.deb' ! -name '*-dbgsym_*'; }
# as who keeps settings that were changed, which dpkg asks about when the package's changed, too
install() { debs "$1" | xargs dpkg --force-confdef --force-confold -i; }
kernels() { find /usr/lib/modules /lib/modules/ -maxdepth 2 -name build -printf '%h\n' 2>/dev/null | sed 's|.*/||' | sort -u; }
says() { [ "$(rdmaregctl --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" = "$1" ]; }
built() { for k in $(kernels); do dkms build -m rdmareg -v "$1" -k "$k" && dkms install --force -m rdmareg -v "$1" -k "$k" || return 1; done; }
again() { dkms unbuild -m rdmareg -v "$1" -k "$2" && dkms install --force -m rdmareg -v "$1" -k "$2"; }
module() { find "/lib/modules/$1/" -name 'rdmareg.ko*'; }
module_is() { [ "$(modinfo -F version "$(module "$1")")" = "$2" ]; }
mode() { [ "$(stat -c %a "$1")" = "$2" ]; }
kept() { grep -qx '# the administrator was here' /etc/rdmareg/rdmaregd.conf && [ -e /etc/rdmareg/conf.d/50-site.conf ]; }
none_of() { local what; for what; do [ ! -e "$what" ] || { echo "$what is there"; return 1; }; done; }
# All files but those of package management, which keeps books of its own. depmod's indexes belong to who installs kernels.
files() {
	find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /tmp -o -path /packages -o -path /tests -o -path /modules -o -path /var/lib/dpkg \
		-o -path /var/cache -o -path /var/log -o -path /var/lib/dkms -o -path /var/lib/apt -o -path /run/mount \) -prune -o ! -name 'modules.*' ! -name 'ld.so.cache' \
		! -path '/etc/group*' ! -path '/etc/gshadow*' -print | sort
}
# what sign-file appended to a module, checked with the key that DKMS says it is
signed_by() { # MODULE CERTIFICATE
	local module=$1 certificate=$2 total length
	total=$(stat -c %s "$module")
	# "~Module signature appended~\n" is the end, before it is the signature's length
	[ "$(tail -c 28 "$module")" = "~Module signature appended~" ] || { echo "$module has no signature"; return 1; }
	length=$((0x$(tail -c 32 "$module" | head -c 4 | od -An -tx1 | tr -d ' \n')))
	head -c $((total - 40 - length)) "$module" >/tmp/content
	tail -c $((length + 40)) "$module" | head -c "$length" >/tmp/signature
	openssl x509 -inform DER -in "$certificate" -out /tmp/certificate.pem &&
		openssl cms -verify -inform DER -in /tmp/signature -content /tmp/content -binary -certfile /tmp/certificate.pem -nointern -noverify \
			-out /dev/null
}
is_signed() { # KERNEL CERTIFICATE SIGNER
	[ "$(modinfo -F signer "$(module "$1")")" = "$3" ] || { echo "signer: $(modinfo -F signer "$(module "$1")")"; return 1; }
	plain "$1" && signed_by /tmp/plain.ko "$2"
}
plain() { # KERNEL: the module, not compressed
	local m
	m=$(module "$1")
	case $m in
	*.xz) xz -dc "$m" ;;
	*.zst) zstd -qdc "$m" ;;
	*) cat "$m" ;;
	esac >/tmp/plain.ko
}
site_key() {
	cp -p /etc/dkms/framework.conf /tmp/framework.conf && openssl req -new -x509 -nodes -days 1 -subj "/CN=the site" -newkey rsa:2048 -keyout /tmp/site.key \
		-outform DER -out /tmp/site.pub && printf 'mok_signing_key=/tmp/site.key\nmok_certificate=/tmp/site.pub\n' >>/etc/dkms/framework.conf
}
keeper() { cat /tmp/keeper.pid; }
end_keeper() { kill "$(keeper)" && for _ in $(seq 300); do [ -e "/proc/$(keeper)/exe" ] || return 0; sleep 0.1; done; return 1; }
# A keeper as rdmaregd starts one with spawn=direct: without systemd, and without an adapter.
start_keeper() {
	perl -MSocket -e 'socket(S, AF_UNIX, SOCK_SEQPACKET, 0) && bind(S, sockaddr_un($ARGV[0])) && open(STDIN, "<&S") or die $!;
		exec "/usr/libexec/rdmareg/rdmareg-keeper", "--idle-exit-sec", "0"' /run/rdmareg/keepers/1000-0 >/tmp/keeper.log 2>&1 &
	echo $! >/tmp/keeper.pid
	for _ in $(seq 300); do
		case $(readlink "/proc/$(keeper)/exe") in */rdmareg-keeper) return 0 ;; esac
		kill -0 "$(keeper)" || break
		sleep 0.1
	done
	cat /tmp/keeper.log
	return 1
}

files >/tmp/before
check "the older version is installed" install "$old"
check "rdmaregctl is of that version" says "$old"
check "the group of the device is there" getent group rdmareg
check "the folder of the keepers' sockets is root's alone" mode /run/rdmareg/keepers 700
check "the keeper's program is not readable" mode /usr/libexec/rdmareg/rdmareg-keeper 711
check "the settings are accepted" /usr/libexec/rdmareg/rdmaregd --check-config
check "DKMS has the module of that version" test -e "/usr/src/rdmareg-$old/dkms.conf"
echo '# the administrator was here' >>/etc/rdmareg/rdmaregd.conf
printf '[limits]\n' >/etc/rdmareg/conf.d/50-site.conf

check "the newer version is installed over it" install "$version"
check "rdmaregctl is of that version" says "$version"
check "the administrator's settings are as they were" kept
check "maintainer scripts ask for what their table says, in each way that they are called" bash /tests/scripts.sh
check "a program builds against the library, and runs; Python has the module" sh /packages/tests/smoke
check "the older module's source is gone" none_of "/usr/src/rdmareg-$old"
[ -n "$(kernels)" ] || { echo "not ok there are kernels to build for"; failed=1; }
check "DKMS builds the module for all kernels" built "$version"
for k in $(kernels); do
	check "$k: its version is the product's" module_is "$k" "$version"
	check "$k: it is signed with the machine's key" is_signed "$k" /var/lib/dkms/mok.pub "DKMS module signing key"
	mkdir -p "/modules/$k"
	plain "$k"
	cp /tmp/plain.ko "/modules/$k/rdmareg.ko"
done
check "a site has a key of its own" site_key
for k in $(kernels); do
	check "$k: DKMS builds it anew" again "$version" "$k"
	check "$k: it is signed with the site's key" is_signed "$k" /tmp/site.pub "the site"
done

cp -p /tmp/framework.conf /etc/dkms/framework.conf
# The tests that the source package brings, as Debian's own machines run them
# but the one that wants systemd, which the lab's running machine has
check "autopkgtest is content" env PYTHONDONTWRITEBYTECODE=1 autopkgtest --no-built-binaries --test-name=smoke "/packages/$version"/*.deb \
	"/packages/$version"/*.dsc -- null

check "a keeper runs" start_keeper
# an old file of metrics, that nobody would renew
mkdir -p /var/lib/prometheus/node-exporter
echo 'rdmareg_up 1' >/var/lib/prometheus/node-exporter/rdmareg.prom
# shellcheck disable=SC2086
check "the packages are removed" dpkg -r $packages
check "removing says which keeper goes on" said "process $(keeper)"
check "the file of metrics is gone" none_of /var/lib/prometheus/node-exporter/rdmareg.prom
rm -rf /var/lib/prometheus
check "programs and modules are gone" none_of /usr/bin/rdmaregctl /usr/libexec/rdmareg /usr/src/rdmareg-* $(for k in $(kernels); do module "$k"; done)
check "the administrator's settings are still there" kept
# shellcheck disable=SC2086
check "the packages are purged while the keeper lives" dpkg -P $packages
check "that is said" said "process $(keeper)"
check "the keeper lives, and its socket is there" test -S /run/rdmareg/keepers/1000-0 -a -e "/proc/$(keeper)/status"
check "it ends when it is told to" end_keeper
check "installed again" install "$version"
# shellcheck disable=SC2086
check "the packages are purged" dpkg -P $packages
files >/tmp/after
check "nothing is left that was not there before" diff /tmp/before /tmp/after
exit $failed
