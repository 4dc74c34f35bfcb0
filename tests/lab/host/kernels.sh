#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kernels.sh fetch SERIES... - finds the newest Debian kernel of each series (7, 6.12, 6.1, or a full version) and
#     downloads it with its headers. The choice is recorded in build/lab/kernels and kept until `run clean`.
# kernels.sh install SERIES... - makes bootable trees of them (needs both trees of trees.sh):
#     trees/kernel/VERSION    the modules named in tests/lab/modules and what they depend on, unpacked
#     boot/VERSION            vmlinux, initramfs
#     dev                     gets the headers, at the places where their own symbolic links look for each other
#
# Debian splits a kernel since 7.0 (linux-binary, linux-modules); before, linux-image has it all. The packages are
# unpacked rather than installed: installing would bring tools that build an initramfs nobody here boots.
. "$(dirname "$0")/common.sh"
. "$host/apt.sh"

record=$lab/kernels
debs=$lab/debs

# Names of packages that exist, out of those given (the index also knows names that others merely mention).
existing() { [ $# = 0 ] || lab_apt apt-cache show --no-all-versions "$@" 2>/dev/null | sed -n 's/^Package: //p'; }

# newest SERIES - version of the newest plain amd64 kernel of a series that can be booted and built for.
newest() {
	local series=$1 names v
	mapfile -t names < <(lab_apt apt-cache pkgnames linux- |
		grep -E -- "^linux-(binary|image)-${series//[.+]/[.+]}([.].*)?$" | grep -E -- '-amd64$' |
		grep -Ev -- '-(rt|cloud)-|[+~](deb12|bpo12)')
	while read -r v; do
		if [ -n "$(existing "linux-headers-$v")" ]; then
			echo "$v"
			return 0
		fi
	done < <(existing "${names[@]}" | sed -E 's/^linux-(binary|image)-//' | sort -ruV)
	die "no kernel '$series' in the package index"
}

# version_of SERIES - as recorded; fails when the series has not been fetched.
version_of() { awk -v s="$1" '$1 == s || $2 == s { print $2; found = 1; exit } END { exit !found }' "$record" 2>/dev/null; }

fetch() {
	local series v kbuild packages dir
	lab_apt_update
	for series; do
		v=$(newest "$series")
		kbuild=$(lab_apt apt-cache show --no-all-versions "linux-headers-$v" |
			sed -n 's/^Depends:.*\(linux-kbuild-[^ ,]*\).*/\1/p')
		packages=("linux-headers-$v" "linux-headers-${v%-amd64}-common" "$kbuild")
		if [ -n "$(existing "linux-binary-$v")" ]; then
			packages+=("linux-base-$v" "linux-binary-$v" "linux-modules-$v")
		else
			packages+=("linux-image-$v")
		fi
		dir=$debs/$v
		mkdir -p "$dir"
		(cd "$dir" && lab_apt apt-get download "${packages[@]}")
		version_of "$series" >/dev/null || echo "$series $v" >>"$record"
	done
}

# unpack DIR DEB... - into a tree whose top-level directories may be symbolic links.
unpack() {
	local dir=$1 deb
	shift
	for deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$dir"; done
}

# closure DIR NAME... - the module files below DIR that hold the named modules and their dependencies, dependencies
# first, one per line.
closure() {
	local dir=$1
	shift
	python3 - "$dir" "$@" <<'PY'
import os, subprocess, sys
top, names = sys.argv[1], sys.argv[2:]
files = {}
for where, _, entries in os.walk(top):
    for e in entries:
        if ".ko" in e:
            files[e.split(".ko")[0].replace("-", "_")] = os.path.join(where, e)
done = []
def add(name):
    name = name.replace("-", "_")
    if name not in files or files[name] in done:
        return
    out = subprocess.run(["modinfo", "-F", "depends", files[name]], stdout=subprocess.PIPE, check=True, text=True).stdout
    for dep in out.strip().split(","):
        if dep:
            add(dep)
    done.append(files[name])
for n in names:
    add(n)
print("\n".join(done))
PY
}

# copy_module FILE TO - without compression: unpacking inside an emulated kernel is the slowest part of loading one.
copy_module() {
	mkdir -p "$(dirname "$2")"
	case $1 in
	*.xz) xz -dc "$1" >"${2%.xz}" ;;
	*.zst) zstd -qdc "$1" >"${2%.zst}" ;;
	*) cp "$1" "$2" ;;
	esac
}

# The ELF image inside a bzImage, which QEMU can enter without any firmware.
extract_vmlinux() { # BZIMAGE TO
	python3 - "$1" "$2" <<'PY'
import subprocess, sys
data = open(sys.argv[1], "rb").read()
for magic, tool in (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\x00", "xz"):
    at = data.find(magic)
    while at >= 0:
        out = subprocess.run([tool, "-dc"], input=data[at:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        if out[:4] == b"\x7fELF":
            open(sys.argv[2], "wb").write(out)
            sys.exit(0)
        at = data.find(magic, at + 1)
sys.exit("no kernel found inside " + sys.argv[1])
PY
}

install_tree() { # VERSION UNPACKED
	local v=$1 from=$2 tree=$lab/trees/kernel/$1 new=$lab/kernel.new mods file files names
	mods=$from/usr/lib/modules/$v
	[ -d "$mods" ] || mods=$from/lib/modules/$v
	rm -rf "$new"
	mkdir -p "$new/usr/lib/modules/$v" "$lab/boot/$v" "$lab/trees/kernel"
	mapfile -t names < <(list "$top/tests/lab/modules")
	files=$(closure "$mods" "${names[@]}")
	for file in $files; do copy_module "$file" "$new/usr/lib/modules/$v/${file#"$mods"/}"; done
	cp "$mods"/modules.{order,builtin,builtin.modinfo} "$new/usr/lib/modules/$v/"
	ln -s usr/lib "$new/lib"
	"$host/in-dev" depmod -b "/lab/kernel.new" "$v"
	if [ -e "$mods/vmlinuz" ]; then file=$mods/vmlinuz; else file=$from/boot/vmlinuz-$v; fi
	extract_vmlinux "$file" "$lab/boot/$v/vmlinux"
	rm -rf "$tree"
	mv "$new" "$tree"
}

# What mounts the root file system: busybox, our /init, the modules that it has to load, in order.
install_initramfs() { # VERSION
	local v=$1 mods=$lab/trees/kernel/$1/usr/lib/modules/$1 dir=$lab/boot/$1/initramfs.d file files
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,modules,proc,dev,root}
	cp "$lab/trees/rootfs/usr/bin/busybox" "$dir/bin/busybox"
	install -m755 "$top/tests/lab/guest/initramfs-init" "$dir/init"
	files=$(closure "$mods" virtio_pci virtiofs overlay)
	for file in $files; do
		cp "$file" "$dir/modules/"
		echo "/modules/$(basename "$file")" >>"$dir/modules/order"
	done
	"$host/in-dev" sh -c "cd /lab/boot/$v/initramfs.d && find . | cpio -o -H newc --quiet >../initramfs"
	rm -rf "$dir"
}

install_kernels() {
	local series v dir modules
	need_root
	modules=$(hash tests/lab/modules tests/lab/host/kernels.sh)
	exec 8>"$lab/in-use"
	flock 8
	for series; do
		v=$(version_of "$series") || die "kernel $series has not been fetched"
		dir=$debs/$v
		[ -e "$lab/dev/usr/src/linux-headers-$v" ] || unpack "$lab/dev" "$dir"/linux-{headers,kbuild}-*.deb
		if [ "$(cat "$lab/boot/$v/modules" 2>/dev/null)" != "$modules" ]; then
			[ -n "$(echo "$dir"/linux-modules-* "$dir"/linux-image-*)" ] || fetch "$v"
			rm -rf "$dir/unpacked"
			mkdir -p "$dir/unpacked"
			unpack "$dir/unpacked" "$dir"/linux-{image,base,binary,modules}-*.deb
			install_tree "$v" "$dir/unpacked"
			echo "$modules" >"$lab/boot/$v/modules"
		fi
		install_initramfs "$v"
		rm -rf "$dir/unpacked" "$dir"/linux-{image,base,binary,modules}-*.deb
	done
}

shopt -s nullglob
verb=${1:-}
shift || true
case $verb in
fetch) fetch "$@" ;;
install) install_kernels "$@" ;;
version) version_of "$1" ;;
*) die "usage: kernels.sh fetch|install|version SERIES..." ;;
esac
