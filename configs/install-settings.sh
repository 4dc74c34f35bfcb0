#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# install-settings.sh FILE FOLDER - the settings are the administrator's: the file is installed where there is none, and never over one that is
# there. Into an empty DESTDIR, as packages are made, it always goes; a package then has it as a configuration file of its own.
# Called by "meson install", with DESTDIR in the environment.
set -eu
target=${DESTDIR:-}$2/$(basename "$1")
if [ -e "$target" ] || [ -L "$target" ]; then
	[ -n "${MESON_INSTALL_QUIET:-}" ] || echo "$target is there and stays as it is"
	exit 0
fi
mkdir -p "$(dirname "$target")"
install -m 0644 "$1" "$target"
