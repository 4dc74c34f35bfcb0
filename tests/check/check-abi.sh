#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-abi.sh SOURCE LIBRARY CACHE - programs that were built with the last release run with this library: abidiff compares it
# with the one that the last tag (v0.1.0, say) builds. Only a release that may break the ABI by its number (CONTRIBUTING.md,
# "Versions and the ABI") may differ incompatibly, and then by another soname or version of its symbols: old programs do not start.
# Skipped (77) while nothing is tagged. CACHE keeps the library of that tag.
set -euo pipefail
source=$1 library=$2 cache=$3
git() { command git -c "safe.directory=$source" -C "$source" "$@"; }

command -v abidiff >/dev/null || { echo "abidiff is not installed (abigail-tools)"; exit 77; }
tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) || { echo "nothing is tagged yet"; exit 77; }
now=$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$source/meson.build")

# What has to be equal for the ABI to be: 0.MINOR before 1.0, MAJOR from then on.
promise() { # VERSION
	local major minor rest
	IFS=. read -r major minor rest <<<"$1"
	if [ "$major" = 0 ]; then echo "0.$minor"; else echo "$major"; fi
}
soname() { objdump -p "$1" | sed -n 's/^ *SONAME *//p'; }
stanzas() { nm -D --with-symbol-versions "$1" | sed -n 's/.*@@\(RDMAREG_[0-9.]*\)$/\1/p' | sort -u; }

old=$cache/$(git rev-parse "$tag^{commit}")
if [ ! -e "$old/librdmareg.so" ]; then
	rm -rf "$old"
	mkdir -p "$old/source"
	git archive "$tag" | tar -x -C "$old/source"
	{ meson setup -Dtests=false "$old/build" "$old/source" && meson compile -C "$old/build" rdmareg:shared_library; } >"$old/log" 2>&1 ||
		{ tail -n 20 "$old/log"; exit 1; }
	cp -L "$old/build/client/librdmareg.so" "$old/librdmareg.so"
	rm -rf "$old/build"
fi

status=0
abidiff --no-added-syms "$old/librdmareg.so" "$library" >"$old/report" 2>&1 || status=$?
[ $((status & 3)) = 0 ] || { cat "$old/report"; exit 1; } # abidiff itself failed
# Structures may grow at their end (rdmareg.h). abidiff calls that a change, as it does these, which break programs.
broken='parameter .* was (added|removed)|return type changed|offset changed|type name changed|(member|enumerator) deletion|from value '
if [ $((status & 8)) = 0 ] && ! grep -qE "$broken" "$old/report"; then
	echo "as $tag, or more"
elif [ "$(promise "${tag#v}")" = "$(promise "$now")" ]; then
	cat "$old/report"
	echo "$now promises the ABI of $tag"
	exit 1
elif [ "$(soname "$old/librdmareg.so")" = "$(soname "$library")" ] &&
	[ -n "$(comm -12 <(stanzas "$old/librdmareg.so") <(stanzas "$library"))" ]; then
	echo "the ABI of $tag is broken, and librdmareg.sym has not renamed its stanza: programs of $tag would start and fail"
	exit 1
fi
