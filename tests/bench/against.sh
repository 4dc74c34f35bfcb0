#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# against.sh REVISION PAIRS NAME... - the host's half of ./run bench --compare: builds the product of that revision, has the guest measure it and
# this tree's in turn (compare.sh), and prints what differs (compare.py, whose exit status is that of this).
# against.sh build SHA - only the first part.
#
# P8 needs no lab and is measured on this machine, in the build chroot, whose libraries the programs were linked with.
#
# What always holds: this tree's programs measure both, so that a difference is the product's and not that of who measures; documents stay as they
# are; nothing is left of the other tree but the product, in build/compare/old.
. "$(dirname "$0")/../lab/host/common.sh"

tree=$build/compare/tree
out=$build/compare

remove_tree() {
	git -C "$top" worktree remove --force "$tree" 2>/dev/null || rm -rf "$tree"
	git -C "$top" worktree prune
}

# What the lab has already is lent to the other tree, in a mount name space that ends with the build.
build_other() { # SHA
	remove_tree
	git -C "$top" worktree add --quiet --detach "$tree" "$1"
	rm -rf "$tree/tests/bench"
	cp -a "$top/tests/bench" "$tree/tests/"
	mkdir -p "$tree/build/lab"/{dev,trees} "$tree/build/stamps"
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare -m bash -ec 'for dir in dev trees; do mount --rbind "$1/$dir" "$2/$dir"; done; "$3" build' - \
		"$lab" "$tree/build/lab" "$tree/tests/lab/host/product.sh"
	rm -rf "$out/old"
	mv "$tree/build/lab/product-root" "$out/old"
	# a module that only the programs need, and that an older tree does not build
	cp -an "$lab/product-root/usr/libexec/rdmareg/tests/." "$out/old/usr/libexec/rdmareg/tests/"
	remove_tree
}

# on_this_machine PAIRS - P8 of both sides in turn, as compare.sh has it in the guest
on_this_machine() {
	local i side sides
	for ((i = 1; i <= $1; i++)); do
		sides=(old new)
		[ $((i % 2)) = 1 ] || sides=(new old)
		for side in "${sides[@]}"; do
			mkdir -p "$out/$side.$i"
			RDMAREG_BENCH_SHARE=$1 "$host/in-dev" --bind "$out" "$out/$side/usr/libexec/rdmareg/tests/bench-p8-registry" \
				>>"$out/$side.$i/rows.tsv"
		done
	done
}

measure() { # REVISION PAIRS NAME...
	local sha status=0 name figures=()
	sha=$(git -C "$top" rev-parse --verify --quiet "$1^{commit}") || die "bench: there is no revision '$1'"
	rm -rf "$out"
	mkdir -p "$out"
	TAIL_LINES=40 step "the product of $1, with the programs of this tree that measure" bench-other "$0" build "$sha"
	cp -a "$lab/product-root" "$out/new"
	for name in "${@:3}"; do [ "$name" = P8 ] || figures+=("$name"); done
	[ ${#figures[@]} = 0 ] || "$host/boot.sh" --systemd --threads multi --memory 8G --timeout 14400 --share "$out" --out "$logs/bench-compare" -- \
		bash /bench/compare.sh "$2" "${figures[@]}" </dev/null 2>&1 | tr -d '\r' | tee "$logs/bench-compare.log" |
		sed -un 's/^\(pair .*\)$/      \1/p' || true
	[[ " ${*:3} " != *" P8 "* ]] || on_this_machine "$2"
	"$top/tests/bench/compare.py" "$1 ($(git -C "$top" log -1 --format=%h "$sha"))" \
		"this tree ($(git -C "$top" describe --always --dirty))" "$out" || status=$?
	exit $status
}

case ${1:-} in
build) build_other "$2" ;;
*) measure "$@" ;;
esac
