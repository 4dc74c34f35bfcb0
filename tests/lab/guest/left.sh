# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a scenario leaves behind. The driver looks after each of them, in two steps: with the daemon still up, what there is
# is released by the product's own means, and rdmaregctl doctor finds nothing that is wrong; then the product is ended, and
# nothing of it is there any more. Each function prints what is left, a line for each thing, and nothing if all is gone.
#
# Where all is as it should be, two programs are started, and the doctor its own: in the emulator that costs more than what they do.

LEFT_SEC=${LEFT_SEC:-30}

STANDING=/var/lib/rdmareg/standing

# daemon_runs - by the number in its lock, which is before the time of its start.
daemon_runs() {
	local pid name
	read -r pid _ <"$RDMAREG_RUNDIR/lock" && read -r name <"/proc/$pid/comm" && [ "$name" = rdmaregd ]
} 2>/dev/null

# files_in DIRECTORY...
files_in() (
	shopt -s globstar nullglob dotglob
	for dir; do
		for file in "$dir"/**; do [ ! -f "$file" ] || echo "$file"; done
	done
)

# ids - of all regions. (jq would take longer to start than rdmaregctl to answer.)
ids() {
	local id
	rdmaregctl list --no-legend | while read -r id _; do echo "$id"; done
}

# are_watched - is anything? Each region is, where the module is loaded; true where that is not known.
are_watched() {
	local n
	read -r n <"/sys/class/misc/rdmareg/totals/ranges" || return 0
	[ "$n" != 0 ]
} 2>/dev/null

# each_is KIND - every line that comes is one of these.
each_is() {
	local line
	while read -r line; do echo "$1 $line"; done
}

# let_go - everything that is registered is released, as an administrator would. Keepers that a scenario killed are no units that have
# failed by themselves.
let_go() {
	local all words
	if [ -n "$(files_in "$RDMAREG_RUNDIR/sessions")" ]; then
		rdmaregctl --json session list | jq -r '.[] | "--uid \(.uid) \(.name)"' | while read -ra words; do
			timeout "$LEFT_SEC" rdmaregctl session release "${words[@]}" --if-exists
		done
	fi
	mapfile -t all < <(ids)
	[ ${#all[@]} = 0 ] || timeout "$LEFT_SEC" rdmaregctl release "${all[@]}" --if-exists
	if [ -n "$(files_in $STANDING)" ]; then
		mapfile -t all < <(rdmaregctl --json standing list | jq -r '.[] | "\(.uid):\(.reference)"')
		[ ${#all[@]} = 0 ] || timeout "$LEFT_SEC" rdmaregctl standing remove "${all[@]}"
	fi
	[ "$LAB_BOOT" != systemd ] || systemctl reset-failed 'rdmareg-*'
} >&2

# left_up - with the daemon up: regions, files of regions and sessions, which are gone with them, and if there are none, what the doctor
# finds. What status tells of this machine is no leak: a scenario may have drained it, or have no module.
left_up() {
	local there found wrong=''
	there=$(! are_watched || ids | each_is region; files_in "$RDMAREG_RUNDIR/sessions" "$RDMAREG_RUNDIR/dax" $STANDING | each_is file)
	if [ -n "$there" ]; then
		echo "$there"
		return
	fi
	found=$(rdmaregctl --json doctor) || wrong=1
	if [ -n "$wrong" ] || [[ $found = *daemon-files* ]]; then
		jq -r '.findings[] | select(.level == "wrong" and .kind != "problem" or .kind == "daemon-files") |
			"\(.kind): \(.subject): \(.detail)"' <<<"$found"
	fi
}

# adapter_use - a line for each adapter: how much of each kind there is on it, the kernel's own as well.
adapter_use() { rdma resource show || echo "rdma(8) does not tell"; }

# left_before - to be called before the first scenario: what of adapters is the kernel's own.
left_before() { adapter_use >"$LAB_STATE/adapter-use"; }

# left_on_adapters - first all that has a process, which the kernel's own have not.
left_on_adapters() {
	local before line kind
	before=$(<"$LAB_STATE/adapter-use")
	adapter_use | while read -r line; do
		# an adapter that was made anew has another number
		[[ $before != *"${line#*: }"* ]] || continue
		for kind in mr pd qp cm_id; do rdma resource show $kind | grep -E ' pid [0-9]+' | each_is "$kind:"; done
		each_is adapter: <<<"$line"
	done
}

# left_down - with the product ended. "rdmareg-keeper-" is what can be read of the name of one without an adapter.
left_down() {
	local line pid
	pids_named rdmaregd rdmareg-{keeper,keeper-,gate,spawner,dax} | while read -r pid; do echo "process $pid $(<"/proc/$pid/comm")"; done
	left_on_adapters
	while read -r line; do [[ $line != *': '@(LAYOUT|LEASE)' '* ]] || echo "lease: $line"; done </proc/locks
	if [ -d /sys/module/rdmareg ]; then
		grep -H . /sys/class/misc/rdmareg/totals/{openers,ranges,layouts} /sys/module/rdmareg/refcnt | each_is module:
	fi
	[ "$LAB_BOOT" != systemd ] || systemctl --no-legend --plain --no-pager list-units 'rdmareg*.service' | each_is unit
}

nothing_up() { [ -z "$(left_up)" ]; }
nothing_down() { [ -z "$(left_down)" ]; }

# left - what stays after each was given time to go; the product is ended.
left() {
	if daemon_runs && ! nothing_up; then
		let_go
		WAIT_SEC=$LEFT_SEC wait_for nothing_up || left_up
	fi
	product_down
	WAIT_SEC=$LEFT_SEC wait_for nothing_down || left_down
}
