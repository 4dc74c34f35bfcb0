# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `run` and the lab's host side share: where things are, how progress is told, when work can be left out.
#
# Always holds: everything generated is below build/; a stamp says "done" only after the work is whole, so an
# interrupted step is simply done again. Work that may fail runs as a program of its own (never as a function called
# from a condition, where the shell would ignore errors).

set -euo pipefail
umask 022
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
build=$top/build
lab=$build/lab
logs=$build/logs
host=$top/tests/lab/host
mkdir -p "$logs" "$build/stamps" "$lab"
: "${RUN_START:=$EPOCHSECONDS}"
export RUN_START

say() { printf '%4ds  %s\n' $((EPOCHSECONDS - RUN_START)) "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The lines of a list file that are neither empty nor comment.
list() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@"; }

# hash FILE... - one word that changes when any of the files, or its name, does.
hash() { (cd "$top" && for f; do echo "$f"; cat -- "$f"; done) | sha256sum | cut -c1-16; }

# hash_tree DIR... - the same for everything below directories of the repository.
hash_tree() {
	local files
	mapfile -t files < <(cd "$top" && find "$@" -type f | sort)
	hash "${files[@]}"
}

stamped() { [ "$(cat "$build/stamps/$1" 2>/dev/null)" = "$2" ]; }
stamp() { echo "$2" >"$build/stamps/$1"; }

# tail_of LOG - the end of a log, indented, for the person who has to act on it.
tail_of() {
	echo "  --- last lines of ${1#"$top"/}"
	tail -n "${TAIL_LINES:-25}" "$1" | sed 's/^/  | /'
}

# step WHAT LOG COMMAND... - runs a program with its output in build/logs/LOG.log and says how long it took.
step() {
	local what=$1 log=$logs/$2.log start=$EPOCHSECONDS
	shift 2
	if "$@" >"$log" 2>&1 </dev/null; then
		say "$what ($((EPOCHSECONDS - start)) s)"
	else
		say "$what FAILED ($((EPOCHSECONDS - start)) s)"
		tail_of "$log"
		return 1
	fi
}

need_root() { [ "$(id -u)" = 0 ] || die "the lab makes mounts and chroots: run this as root"; }
