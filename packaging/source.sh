#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# source.sh FOLDER [VERSION] - makes a source package's tree of this one in FOLDER, which does not exist yet: without what was built, and with
# debian/ at its place, where its copyright file follows .reuse/dep5. With VERSION the same product under another version (tests of
# upgrades). This tree is not written to.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
target=${1:?usage: source.sh FOLDER [VERSION]} version=${2:-}

mkdir -p "$(dirname "$target")"
mkdir "$target"
tar -C "$top" --exclude=./build --exclude=./.git --exclude=__pycache__ -c . | tar -C "$target" -x
cd "$target"
cp -R packaging/debian debian
{
	sed 's/ WITH Linux-syscall-note/ with Linux-syscall-note exception/' .reuse/dep5
	for licence in GPL-2.0-or-later:GPL-2 GPL-2.0-only:GPL-2 LGPL-2.1-or-later:LGPL-2.1; do
		printf '\nLicense: %s\n On Debian systems its text is in /usr/share/common-licenses/%s.\n' "${licence%:*}" "${licence#*:}"
	done
	printf '\nLicense: GPL-2.0-only with Linux-syscall-note exception\n'
	expand LICENSES/Linux-syscall-note.txt | sed -e 's/^$/./' -e 's/^/ /'
	printf ' .\n On Debian systems the text of the GPL is in /usr/share/common-licenses/GPL-2.\n'
} >debian/copyright
if [ -n "$version" ]; then
	old=$(sed -n "s/^  version: '\(.*\)',$/\1/p" meson.build)
	sed -i "s/^  version: '$old',/  version: '$version',/" meson.build
	sed -i "s/MODULE_VERSION(\"$old\")/MODULE_VERSION(\"$version\")/" kmod-helper/main.c
	sed -i "1s/($old)/($version)/" debian/changelog
fi
