#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-install.sh SOURCE BUILD MESON... - "meson install" into an empty folder brings everything; a second time it leaves the administrator's
# settings alone, also where they are a link to elsewhere. The keeper's program is readable for root alone, also where files are made with a
# narrow or wide umask. The folders that are chosen when it is built (rundir, cachedir, statedir) reach the units. A program that is built at another
# place is the same.
set -euo pipefail
source=$1 build=$2
shift 2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
status=0
wrong() { echo "$*" >&2; status=1; }

# --- an installation, and one over it
install() { DESTDIR=$root/image "$@" install -C "$build" --no-rebuild --quiet >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }; }
install "$@"
conf=$(cd "$root/image" && find . -path '*/etc/rdmareg/rdmaregd.conf')
[ -n "$conf" ] || { wrong "no settings are installed"; exit 1; }
cmp -s "$root/image/$conf" "$source/configs/rdmaregd.conf" || wrong "the settings are not those of the source"
[ "$(stat -c %a "$root/image/$conf")" = 644 ] || wrong "the settings have mode $(stat -c %a "$root/image/$conf")"
[ -d "$root/image/${conf%/*}/conf.d" ] || wrong "there is no conf.d"
for what in rdmaregd rdmareg-keeper rdmaregctl librdmareg.so.0 rdmaregd.service org.rdmareg.Registry1.policy rdmareg.h rdmaregd.8 org.rdmareg.Registry1.5 \
	rdmareg_register.3 rdmareg-owner.3; do
	[ -n "$(find "$root/image" -name "$what*")" ] || wrong "$what is not installed"
done
# DKMS gets a folder that says which version it is
dkms=$(find "$root/image" -name dkms.conf)
folder=${dkms%/dkms.conf}
grep -qx "PACKAGE_VERSION=\"${folder##*/src/rdmareg-}\"" "${dkms:-/dev/null}" || wrong "${dkms#"$root/image"} is not of the version that its folder names"
[ -e "$folder/proto/rdmareg-uapi.h" ] && [ -e "$folder/kmod-helper/Kbuild" ] || wrong "the module's source is not complete"
for what in README.md LICENSES/LGPL-2.1-or-later.txt examples/mpi-checkpoint.c troubleshooting.md; do
	[ -n "$(find "$root/image" -path "*/share/doc/rdmareg/$what")" ] || wrong "share/doc/rdmareg/$what is not installed"
done
# mode 0711: who can read a program can trace it (docs/security.md); the others are everybody's
modes_are_right() {
	local program want
	for program in rdmareg-keeper:711 rdmaregd:755 rdmareg-gate:755 rdmaregctl:755; do
		want=${program#*:} program=$(find "$root/image" -type f -name "${program%:*}" -perm /111)
		[ "$(stat -c %a "${program:-/nonexistent}")" = "$want" ] || wrong "$1: ${program#"$root/image"} is not of mode $want"
	done
}
modes_are_right "installed"
echo "[limits]" >"$root/image/$conf"
(umask 077 && install "$@")
modes_are_right "installed again with umask 077"
[ "$(<"$root/image/$conf")" = "[limits]" ] || wrong "an installation has overwritten the settings"
mv "$root/image/$conf" "$root/elsewhere"
ln -s "$root/elsewhere" "$root/image/$conf"
install "$@"
[ -L "$root/image/$conf" ] && [ "$(<"$root/elsewhere")" = "[limits]" ] || wrong "an installation has replaced a link to the settings"
rm "$root/image/$conf" "$root/elsewhere"
install "$@"
[ -s "$root/image/$conf" ] || wrong "settings that were removed are not installed again"

# --- other folders
"$@" setup -Dtests=false --prefix=/usr -Drundir=/run/other/place -Dcachedir=/var/cache/else/where -Dstatedir=/var/lib/third/place "$root/build" "$source" >"$root/log" 2>&1 ||
	{ cat "$root/log"; exit 1; }
has() { grep -q -- "$2" "$root/build/$1" || wrong "$1 has no line '$2'"; }
has config.h '#define RUNDIR "/run/other/place"'
has systemd/rdmaregd.service '^RuntimeDirectory=other/place$'
has systemd/tmpfiles.conf '^d /run/other/place/keepers '
has config.h '#define CACHEDIR "/var/cache/else/where"'
has systemd/rdmareg-selftest@.service '^CacheDirectory=else/where$'
has config.h '#define STATEDIR "/var/lib/third/place"'
has systemd/rdmaregd.service '^StateDirectory=third/place$'
# --- the same source elsewhere, built below itself
mkdir -p "$root/longer/place"
tar -C "$source" --exclude=./build --exclude=./.git -c . | tar -C "$root/longer/place" -x
"$@" setup -Dtests=false --prefix=/usr -Drundir=/run/other/place -Dcachedir=/var/cache/else/where -Dstatedir=/var/lib/third/place "$root/longer/place/b" "$root/longer/place" \
	>"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
for place in "$root/build" "$root/longer/place/b"; do
	CCACHE_DISABLE=1 ninja -C "$place" daemon/dax/rdmareg-dax >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
done
cmp "$root/build/daemon/dax/rdmareg-dax" "$root/longer/place/b/daemon/dax/rdmareg-dax" || wrong "what is built at two places differs"

if "$@" configure -Drundir=/srv/rdmareg "$root/build" >"$root/log" 2>&1 && "$@" setup --reconfigure "$root/build" >>"$root/log" 2>&1; then
	wrong "a runtime directory that is not below /run is accepted, and no unit can have it"
fi
exit $status
