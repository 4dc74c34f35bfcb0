# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the parts of ./run package share: the trees of Debian releases below build/package, and how a command runs in one.
. "$(dirname "${BASH_SOURCE[0]}")/../lab/host/common.sh"
. "$host/apt.sh"

package=$build/package
old_version=0.0.9
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$top/meson.build")

# make_tree TREE RELEASE PACKAGE... - a Debian of that release with these packages, made aside and moved into place when it is whole.
make_tree() {
	local tree=$1 release=$2
	shift 2
	rm -rf --one-file-system "$tree.new"
	mkdir -p "$(dirname "$tree")"
	sources "$release" "$release-updates" "$release-security" | mmdebstrap --mode=root --variant=minbase \
		--aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
		--dpkgopt=force-unsafe-io --include="$(IFS=,; echo "$*")" "$release" "$tree.new" -
	rm -rf --one-file-system "$tree"
	mv "$tree.new" "$tree"
}

# in_tree TREE [--bind FROM TO]... COMMAND... - runs a command in it, as this very process.
in_tree() {
	local tree=$1 binds=()
	shift
	while [ "$1" = --bind ]; do
		binds+=("$2" "$3")
		shift 3
	done
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive unshare -m bash -ec '
		tree=$1 n=$2; shift 2
		while [ "$n" -gt 0 ]; do
			mkdir -p "$tree$2"
			mount --bind "$1" "$tree$2"
			shift 2
			n=$((n - 1))
		done
		mount -t proc proc "$tree/proc"
		mount --rbind /dev "$tree/dev"
		exec chroot "$tree" "$@"' - "$tree" $((${#binds[@]} / 2)) "${binds[@]}" "$@"
}

# source_key FILE... - changes with what packages are made of, and with these files, which make them. What else is below tests/ is in no
# binary package.
source_key() {
	local files
	mapfile -t files < <(cd "$top" && find . \( -path ./build -o -path ./.git -o -path ./tests -o -name __pycache__ \) -prune -o -type f -print | sort)
	hash "${files[@]}" "$@" tests/package/common.sh
}

# first_names < DEPENDS - the names in a field like Depends, of alternatives the first: one a line.
first_names() { tr ',' '\n' | sed -E 's/\([^)]*\)//g; s/\|.*//; s/:any//; s/[[:space:]]//g' | grep -v '^$'; }
