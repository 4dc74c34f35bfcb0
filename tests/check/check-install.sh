#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-install.sh SOURCE BUILD MESON... - "meson install" into an empty folder brings everything; a second time it leaves the administrator's
# settings alone, also where they are a link to elsewhere. The folders that are chosen when it is built (rundir, cachedir) reach the units.
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
for what in rdmaregd rdmareg-keeper rdmaregctl librdmareg.so.1 rdmaregd.service org.rdmareg.Registry1.policy rdmareg.h rdmaregd.8; do
	[ -n "$(find "$root/image" -name "$what*")" ] || wrong "$what is not installed"
done
echo "[limits]" >"$root/image/$conf"
install "$@"
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
