# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The builds for this machine: build/host (what `run build` leaves), build/asan (the same under the sanitizers),
# build/clang (by the other compiler, which says as much without optimizing, and nobody runs it). Warnings are errors where no sanitizer
# confuses the compiler.

# compile NAME MESON-OPTION... - configures build/NAME when its options changed, builds it.
compile() {
	local name=$1 dir=$build/$1 key
	shift
	key="$* ${CC:-}"
	if [ ! -e "$dir/build.ninja" ] || ! stamped "meson-$name" "$key"; then
		rm -rf "$dir"
		step "configure build/$name" "$name-setup" meson setup "$@" "$dir" "$top"
		stamp "meson-$name" "$key"
	fi
	step "compile build/$name" "$name-compile" ninja -C "$dir"
}

compile_host() { compile host -Dtests=true --werror; }
compile_asan() { compile asan -Dtests=true -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debug; }
compile_clang() { CC=clang compile clang -Dtests=true --werror -Doptimization=0 -Ddebug=false; }
