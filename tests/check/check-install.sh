#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-install.sh SOURCE BUILD MESON... - "meson install" into an empty folder brings everything; a second time it leaves the administrator's
# settings alone, also where they are a link to elsewhere. The keeper's program is readable for root alone, also where files are made with a
# narrow or wide umask. The folders that are chosen when it is built (rundir, cachedir) reach the units.
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
for what in rdmaregd rdmareg-keeper rdmaregctl librdmareg.so.0 rdmaregd.service org.rdmareg.Registry1.policy rdmareg.h rdmaregd.8; do
	[ -n "$(find "$root/image" -name "$what*")" ] || wrong "$what is not installed"
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
"$@" setup -Dtests=false --prefix=/usr -Drundir=/run/other/place -Dcachedir=/var/cache/else/where "$root/build" "$source" >"$root/log" 2>&1 ||
	{ cat "$root/log"; exit 1; }
has() { grep -q -- "$2" "$root/build/$1" || wrong "$1 has no line '$2'"; }
has config.h '#define RUNDIR "/run/other/place"'
has systemd/rdmaregd.service '^RuntimeDirectory=other/place$'
has systemd/tmpfiles.conf '^d /run/other/place/keepers '
has config.h '#define CACHEDIR "/var/cache/else/where"'
has systemd/rdmareg-selftest@.service '^CacheDirectory=else/where$'
if "$@" configure -Drundir=/srv/rdmareg "$root/build" >"$root/log" 2>&1 && "$@" setup --reconfigure "$root/build" >>"$root/log" 2>&1; then
	wrong "a runtime directory that is not below /run is accepted, and no unit can have it"
fi
exit $status
