#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# boot.sh [OPTION...] -- COMMAND... - boots the guest, runs the command there (one word: a shell line; several: a
# program and its arguments), passes its output on as it comes, returns its exit status.
#
#   --systemd         boot to a running systemd and dbus-broker first (default: a few lines of shell as process 1)
#   --kernel SERIES   7 (default), 6.12, 6.1 or a full version; prepared beforehand
#   --share DIR       DIR of the host is /share in the guest
#   --out DIR         where the guest leaves results (/lab/out there) and the kernel's log (console.log) is kept
#   --timeout SEC     limit of the whole boot (default 300); 124 is returned when it is passed
#   --threads N       multi: emulate processors in parallel, faster and less exact; single (default) for tests
#   --memory SIZE     of the guest (default 6G; 6G at least, the persistent memory is a part of it)
#   --bare            without the product
#   --tree NAME       the userland: rootfs (default), or bookworm, which ./run package makes
#   --accel NAME      kvm or tcg, whatever was found to work; RDMAREG_LAB_ACCEL does the same
#   --probe           only see whether the emulator reaches /init, which then says "alive"
#
# Other statuses of its own: 125 when the guest ended without leaving a status.
# Always holds: runs do not share anything they write, so any number may run at a time; nothing is left behind.
. "$(dirname "$0")/common.sh"

mode=plain series=7 share='' out='' limit=300 threads=single memory=6G accel='' bare='' root=rootfs
while [ $# -gt 0 ]; do
	case $1 in
	--systemd) mode=systemd ;;
	--probe) mode=probe ;;
	--bare) bare=1 ;;
	--tree) root=$2; shift ;;
	--kernel) series=$2; shift ;;
	--share) share=$(cd "$2" && pwd); shift ;;
	--out) mkdir -p "$2"; out=$(cd "$2" && pwd); shift ;;
	--timeout) limit=$2; shift ;;
	--threads) threads=$2; shift ;;
	--memory) memory=$2; shift ;;
	--accel) accel=$2; shift ;;
	--) shift; break ;;
	*) die "boot.sh: unknown option $1" ;;
	esac
	shift
done
need_root
version=$("$host/kernels.sh" version "$series") || die "kernel $series is not prepared"

exec 8>"$lab/in-use"
flock -s 8
work=$(mktemp -d /tmp/rdmareg-lab.XXXXXX)
terminal=
[ ! -t 0 ] || terminal=$(stty -g)
pids=()
cleanup() {
	[ -z "$terminal" ] || stty "$terminal"
	local i
	# the emulator first: it complains about file servers that go away under it
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill "${pids[i]}" 2>/dev/null || true
		wait "${pids[i]}" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# The top layer of the guest's root: the product as a package would install it, the lab's own scripts and units.
make_layer() {
	local tree=$work/tree unit
	mkdir -p "$tree"/{lab,share,bench,etc/systemd/system/multi-user.target.wants}
	exec 7>"$lab/product.lock"
	flock -s 7
	[ -n "$bare" ] || [ ! -d "$lab/product-root" ] || cp -a "$lab/product-root/." "$tree/"
	exec 7>&-
	cp -a "$top/tests/lab/." "$tree/lab/"
	[ ! -d "$top/tests/bench" ] || cp -a "$top/tests/bench/." "$tree/bench/"
	mkdir -p "$tree/lab/out"
	cp "$tree/lab/guest/lab.service" "$tree/etc/systemd/system/"
	ln -s ../lab.service "$tree/etc/systemd/system/multi-user.target.wants/"
	while read -r unit; do
		[ -e "$tree/etc/systemd/system/$unit" ] || ln -s /dev/null "$tree/etc/systemd/system/$unit"
	done < <(list "$tree/lab/guest/masked-units")
}


write_command() {
	[ -n "$out" ] || { out=$work/out; mkdir "$out"; }
	[ -n "$share" ] || { share=$work/share; mkdir "$share"; }
	rm -f "$out/status"
	if [ $# = 1 ]; then echo "$1"; else printf '%q ' "$@"; echo; fi >"$out/command"
}

serve() { # TAG DIR CACHE
	"$host/in-dev" --bind "$2" /usr/libexec/virtiofsd --socket-path="$work/$1.sock" --shared-dir="$2" --cache="$3" \
		--sandbox=none >"$work/$1.log" 2>&1 &
	pids+=($!)
	devices+=(-chardev "socket,id=fs-$1,path=$work/$1.sock" -device "vhost-user-fs-pci,chardev=fs-$1,tag=$1")
}

wait_for_servers() {
	local tries=0 tag
	for tag; do
		until [ -S "$work/$tag.sock" ]; do
			[ $((tries += 1)) -lt 400 ] || die "file server '$tag' did not start: $(cat "$work/$tag.log")"
			sleep 0.05
		done
	done
}

# Under emulation one thread for all processors is the only mode in which guests were never seen to trip over code
# that the kernel patches while running; real virtualization is used where it has been seen to work (prepare.sh).
#
# What costs an emulator time and is worth nothing there is left out, but not for benchmarks, which speak of real processors: mitigations are
# against attacks that it does not know, and made a fork take twice as long, a small program a third longer; "rep movsb" and "rep stosb",
# which the kernel prefers where a processor calls them fast (erms, fsrm), go byte by byte.
choose_accelerator() {
	if [ -z "$accel" ]; then accel=${RDMAREG_LAB_ACCEL:-$(cat "$build/stamps/accelerator" 2>/dev/null || echo tcg)}; fi
	cpu=max mitigations=auto tsc=unstable
	case $accel in
	tcg)
		accel=tcg,thread=$threads
		# it is this machine's, and asking for the time is a tenth of what a guest does otherwise
		! grep -qx tsc /sys/devices/system/clocksource/clocksource0/current_clocksource || tsc=reliable
		[ "$threads" != single ] || cpu=max,erms=off,fsrm=off mitigations=off
		;;
	esac
}

# no_timer_check: on a busy machine the emulator is late with the first interrupts of the timer, and the kernel panics.
emulate() {
	# persistent memory three times, and a dynamic DAX region, which the driver kmem must not take for ordinary memory
	local pmem="memmap=512M!4G memmap=512M!4608M memmap=512M!5G memmap=256M%5632M-1+0xefffffff modprobe.blacklist=kmem"
	truncate -s 1G "$work/disk0" "$work/disk1"
	[ -z "$terminal" ] || stty raw -echo
	exec timeout --foreground -k 5 "$limit" "$host/in-dev" --bind "$out" /usr/bin/qemu-system-x86_64 \
		-accel "$accel" -cpu "$cpu" -M q35 -smp 2 -m "$memory" \
		-object "memory-backend-memfd,id=mem,size=$memory,share=on" -numa node,memdev=mem "${devices[@]}" \
		-drive "file=$work/disk0,if=virtio,format=raw,cache=unsafe" \
		-drive "file=$work/disk1,if=virtio,format=raw,cache=unsafe" \
		-nodefaults -no-reboot -display none \
		-chardev stdio,id=out,signal=off -serial chardev:out -serial "file:$out/console.log" \
		-kernel "$lab/boot/$version/vmlinux" -initrd "$lab/boot/$version/initramfs" \
		-append "console=ttyS1 panic=-1 mitigations=$mitigations no_timer_check tsc=$tsc oops=panic log_buf_len=4M loglevel=5 systemd.show_status=error lab.mode=$mode lab.tree=$root $pmem"
}

# Guests beyond one per processor (and one more, since they also wait) only make each other slow, until deadlines
# pass that have nothing to do with what is tested: they queue.
take_slot() {
	local i told=
	while :; do
		for ((i = 0; i < ${RDMAREG_LAB_GUESTS:-$(($(nproc) + 1))}; i++)); do
			exec 6>"$lab/slot.$i"
			! flock -n 6 || return 0
		done
		[ -n "$told" ] || say "other guests are running: waiting for them" >&2
		told=1
		sleep 0.5
	done
}

choose_accelerator
take_slot
devices=()
write_command "$@"
if [ $mode != probe ]; then
	make_layer
	serve base "$lab/trees" always
	serve run "$work/tree" always
	serve out "$out" auto
	serve share "$share" auto
	wait_for_servers base run out share
fi
# Beside this shell rather than in front of it: a signal then ends the emulator at once, too.
status=0
if [ -n "$terminal" ]; then emulate </dev/stdin & else emulate </dev/null & fi
pids+=($!)
wait $! || status=$?
if [ $mode = probe ]; then exit $status; fi
if [ $status = 0 ]; then
	status=125
	[ ! -s "$out/status" ] || exit "$(cat "$out/status")"
fi
{
	echo "the guest ended without a status of its command ($status); last lines of its kernel log:"
	tail -n 20 "$out/console.log" | tr -d '\r' | sed 's/^/  | /'
} >&2
exit $status
