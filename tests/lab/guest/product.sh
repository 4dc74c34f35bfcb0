# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Starting and stopping the installed product, under either kind of boot. The names below are the only place that knows
# where things are installed.

RDMAREGD=${RDMAREGD:-/usr/libexec/rdmareg/rdmaregd}
RDMAREGD_ARGS=${RDMAREGD_ARGS:-}
RDMAREG_UNIT=${RDMAREG_UNIT:-rdmaregd.service}
RDMAREG_BUS_NAME=${RDMAREG_BUS_NAME:-org.rdmareg.Registry1}
RDMAREG_KEEPER=${RDMAREG_KEEPER:-rdmareg-keeper}
RDMAREG_TESTS=${RDMAREG_TESTS:-/usr/libexec/rdmareg/tests}
RDMAREG_RUNDIR=${RDMAREG_RUNDIR:-/run/rdmareg}
RDMAREG_CONFDIR=${RDMAREG_CONFDIR:-/etc/rdmareg/conf.d}
DAEMON_LOG=/run/lab/rdmaregd.log

product_installed() { [ -x "$RDMAREGD" ]; }

# dbus_up - a system bus, with the policy files that are installed. systemd boots have one (dbus-broker).
dbus_up() {
	[ -d /run/systemd/system ] || [ -e /run/lab/dbus.pid ] && return 0
	mkdir -p /run/dbus
	dbus-daemon --system --fork --nopidfile --print-pid >/run/lab/dbus.pid
}

bus_has() { busctl --system --no-pager --no-legend list | grep -q "^$1 "; }

bus_has_owner() {
	[ "$(busctl --system call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus NameHasOwner s "$1" \
		2>/dev/null)" = "b true" ]
}

# module_up - the helper module, where the product has one built for this kernel.
module_up() { modprobe rdmareg 2>/dev/null; }

# product_up - bus, module (when there is one), daemon; returns when the daemon owns its name.
product_up() {
	dbus_up
	module_up || echo "# no helper module for this kernel"
	if [ -d /run/systemd/system ]; then
		# One that dies while it starts fails the job, although it is started again.
		wait_for systemctl start "$RDMAREG_UNIT"
	else
		# shellcheck disable=SC2086
		"$RDMAREGD" $RDMAREGD_ARGS >>"$DAEMON_LOG" 2>&1 &
		echo $! >/run/lab/rdmaregd.pid
		disown
	fi
	wait_for bus_has_owner "$RDMAREG_BUS_NAME" || {
		echo "# the daemon does not appear on the bus"
		product_log | tail -n 20
		return 1
	}
}

# product_log - what the daemon has said since the boot.
product_log() {
	if [ -d /run/systemd/system ]; then
		journalctl --no-pager -q -u "$RDMAREG_UNIT"
	else
		cat "$DAEMON_LOG" 2>/dev/null
	fi
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# pids_named NAME... - processes that are called so. No program is started for it: this is asked often, and in the emulator that takes longest.
pids_named() {
	local file name
	for file in /proc/[0-9]*/comm; do
		read -r name <"$file" && [[ " $* " = *" $name "* ]] && file=${file%/comm} && echo "${file#/proc/}"
	done
	return 0
} 2>/dev/null

no_process() { [ -z "$(pids_named "$1")" ]; }

# product_down - stops the daemon, then what outlives it by design (keepers), then the module. Never fails.
product_down() {
	local pid keepers
	if [ -d /run/systemd/system ]; then
		systemctl stop "$RDMAREG_UNIT" 'rdmareg-keeper-*.service' 2>/dev/null
		systemctl reset-failed 2>/dev/null
	elif [ -e /run/lab/rdmaregd.pid ]; then
		pid=$(cat /run/lab/rdmaregd.pid)
		rm -f /run/lab/rdmaregd.pid
		kill "$pid" 2>/dev/null
		WAIT_SEC=5 wait_for gone "$pid" || kill -9 "$pid" 2>/dev/null
	fi
	mapfile -t keepers < <(pids_named "$RDMAREG_KEEPER")
	if [ ${#keepers[@]} != 0 ]; then
		kill "${keepers[@]}" 2>/dev/null
		WAIT_SEC=5 wait_for no_process "$RDMAREG_KEEPER" || pkill -9 -x "$RDMAREG_KEEPER"
	fi
	[ ! -d /sys/module/rdmareg ] || WAIT_SEC=5 wait_for rmmod rdmareg || echo "# module rdmareg cannot be unloaded"
	! compgen -G "$RDMAREG_RUNDIR/*" >/dev/null || rm -rf "${RDMAREG_RUNDIR:?}"/*
	return 0
}

# nothing_left - after everything has been let go: no registration, no keeper, no mapped file.
nothing_left() {
	local left
	left=$(rdma resource show mr) || { echo "rdma(8) does not tell of registrations"; return 1; }
	[ -z "$left" ] || { echo "registrations left: $left"; return 1; }
	no_process "$RDMAREG_KEEPER" || { echo "keepers left: $(pgrep -ax "$RDMAREG_KEEPER")"; return 1; }
}
