#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# product.sh build - builds the product in the build chroot and installs it, as a package would, into
#     build/lab/product-root, together with the kernel module for every prepared kernel.
# product.sh stale - succeeds when there is something to build.
#
# Always holds: product-root is replaced as a whole, under a lock; the source tree is never written to; a compiler
# warning in the kernel module is an error.
. "$(dirname "$0")/common.sh"

root=$lab/product-root
meson_options=(-Dprefix=/usr -Dsysconfdir=/etc -Dlocalstatedir=/var -Dlibdir=lib/x86_64-linux-gnu -Dtests=true -Dlab_tests=true
	-Ddebug=false)

# Names, sizes and times of all that the product is made of: enough to see that nothing changed, in some milliseconds.
fingerprint() {
	(cd "$top" && find . \( -path ./build -o -path ./.git -o -path ./tests/lab/scenarios -o -path ./tests/lab/guest \
		-o -path ./tests/lab/host \) -prune -o -type f -printf '%P %s %T@\n' | sort
	hash tests/lab/host/product.sh
	ls "$lab/trees/kernel") | sha256sum
}

# What is installed, and not the tests of this machine, which the lab does not run.
build_programs() {
	local installed
	[ -e "$lab/product/build.ninja" ] || "$host/in-dev" meson setup "${meson_options[@]}" /lab/product /src
	"$host/in-dev" ninja -C /lab/product build.ninja
	mapfile -t installed < <(jq -r '.[] | select(.installed) | .filename[] | ltrimstr("/lab/product/")' \
		"$lab/product/meson-info/intro-targets.json")
	"$host/in-dev" ninja -C /lab/product "${installed[@]}"
	"$host/in-dev" meson install -C /lab/product --no-rebuild --destdir /lab/product-root.new
}

# The compiler that a kernel's headers ask for. Debian built 6.1 with gcc 12.
compiler_for() {
	case $1 in
	6.1.*) echo gcc-12 ;;
	*) echo gcc ;;
	esac
}

# The kernel's own extra warnings, with its look at the comments of functions, where the kernel is newest.
extra_checks_for() {
	case $1 in
	6.*) ;;
	*) echo W=1 ;;
	esac
}

# Warnings of a module build. That kernel and module were compiled by two releases of the same compiler is no news: the
# build chroot is of another Debian release than the 6.1 kernel.
module_warnings() { grep -E 'warning:|WARNING' "$1" | grep -v 'the compiler differs from the one used to build the kernel'; }

# compile_module VERSION NAME PLACE FOLDER... - FOLDER/NAME.ko of the first folder, installed in PLACE; the others are beside it.
compile_module() {
	local v=$1 name=$2 place=$3 work=$lab/kmod/$1 key log folder
	shift 3
	key=$v.$(hash_tree "$@")
	if ! stamped "kmod-$name-$v" "$key"; then
		mkdir -p "$work"
		for folder; do
			rm -rf "${work:?}/${folder##*/}"
			cp -a "$top/$folder" "$work/"
		done
		log=$work/$name.log
		"$host/in-dev" make -C "/lib/modules/$v/build" M="/lab/kmod/$v/${1##*/}" CC="$(compiler_for "$v")" \
			$(extra_checks_for "$v") modules \
			2>&1 | tee "$log"
		if module_warnings "$log"; then die "the kernel module $name for $v has warnings"; fi
		stamp "kmod-$name-$v" "$key"
	fi
	install -D -m644 "$work/${1##*/}/$name.ko" "$root.new/$place/$name.ko"
}

# The product's module, and those of tests and benchmarks, which are found by their paths alone. Benchmarks run on the newest
# kernel, and older ones have other names for what theirs calls.
build_modules() { # VERSION
	compile_module "$1" rdmareg "usr/lib/modules/$1/updates" kmod-helper proto
	compile_module "$1" rdmareg-fail-calls "usr/libexec/rdmareg/tests/$1" tests/lab/fail-calls
	case $1 in
	6.*) ;;
	*) compile_module "$1" rdmareg-fault-cost "usr/libexec/rdmareg/tests/$1" tests/lab/fault-cost ;;
	esac
}

# depmod over what the guest will see as one directory: the kernel's own modules and the one of the product. The mount
# is private to the chroot's mount name space.
index_modules() { # VERSION
	"$host/in-dev" bash -ec '
		v=$1 root=/lab/product-root.new
		dir=$root/usr/lib/modules/$v own=/lab/trees/kernel/$v/usr/lib/modules/$v
		mkdir "$dir/kernel"
		mount --bind "$own/kernel" "$dir/kernel"
		cp "$own"/modules.{order,builtin,builtin.modinfo} "$dir/"
		ln -s usr/lib "$root/lib"
		depmod -b "$root" "$v"
		umount "$dir/kernel"
		rmdir "$dir/kernel"
		rm "$root/lib"' - "$1"
}

build() {
	local before version
	before=$(fingerprint)
	rm -rf "$root.new"
	mkdir "$root.new"
	build_programs
	if [ -e "$top/kmod-helper/Kbuild" ]; then
		for version in "$lab"/trees/kernel/*; do
			version=${version##*/}
			# without headers: not asked for since the chroot was made anew, which took them along
			[ -L "$lab/dev/lib/modules/$version/build" ] || continue
			build_modules "$version"
			index_modules "$version"
		done
	fi
	exec 7>"$lab/product.lock"
	flock 7
	rm -rf "$root"
	mv "$root.new" "$root"
	exec 7>&-
	stamp product "$before"
}

case ${1:-} in
build) build ;;
stale) ! { [ -d "$root" ] && stamped product "$(fingerprint)"; } ;;
*) die "usage: product.sh build|stale" ;;
esac
