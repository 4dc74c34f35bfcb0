# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The builds for this machine: build/host (what `run build` leaves), build/asan (the same under the sanitizers),
# build/clang (by the other compiler, which says as much without optimizing, and nobody runs it). Warnings are errors where no sanitizer
# confuses the compiler.

# configure NAME MESON-OPTION... - build/NAME, when its options changed.
configure() {
	local name=$1 dir=$build/$1 key
	shift
	key="$* ${CC:-}"
	if [ ! -e "$dir/build.ninja" ] || ! stamped "meson-$name" "$key"; then
		rm -rf "$dir"
		step "configure build/$name" "$name-setup" meson setup "$@" "$dir" "$top"
		stamp "meson-$name" "$key"
	fi
}

# compile NAME MESON-OPTION... - configures build/NAME, builds it.
compile() {
	configure "$@"
	step "compile build/$1" "$1-compile" ninja -C "$build/$1"
}

compile_host() { compile host -Dtests=true --werror; }
compile_asan() { compile asan -Dtests=true -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debug; }
compile_clang() { CC=clang compile clang -Dtests=true --werror -Doptimization=0 -Ddebug=false; }

# Fuzz targets: for libFuzzer, and to see what their corpora reach. No more of the tree than they are made of.
compile_fuzz() {
	# an empty array may be at NULL
	CC=clang configure fuzz -Dtests=true -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debug -Doptimization=1 \
		-Dc_args=-fno-sanitize=pointer-overflow
	step "compile build/fuzz" fuzz-compile ninja -C "$build/fuzz" fuzzers
	CC=clang configure fuzz-coverage -Dtests=true -Db_lundef=false --buildtype=debug \
		-Dc_args='-fprofile-instr-generate -fcoverage-mapping' -Dc_link_args=-fprofile-instr-generate
	step "compile build/fuzz-coverage" fuzz-coverage-compile ninja -C "$build/fuzz-coverage" fuzz-replays
}

# With gcov: what the tests reach is counted as they run.
compile_coverage() { compile coverage -Dtests=true -Db_coverage=true -Db_lundef=false --buildtype=debug; }
