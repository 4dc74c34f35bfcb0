# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What scenarios and the demo do with regions, in words of one line each. Sourced after lib.sh.
#
# Peers run on node b (on_b). A region's description is the JSON of rdmaregctl, kept in a variable and asked with `field`.

MIB=$((1 << 20))

# Two ordinary users who have nothing in common. Their ids are no scenario's own. As words before a command that a function gets:
# timed $AS_GOOD truncate ...
AS_GOOD="setpriv --reuid=good --regid=good --init-groups"
AS_MALLORY="setpriv --reuid=mallory --regid=mallory --init-groups"
as_good() { $AS_GOOD "$@"; }
as_mallory() { $AS_MALLORY "$@"; }
users_up() {
	getent passwd good >/dev/null || useradd --no-create-home --uid 2101 good
	getent passwd mallory >/dev/null || useradd --no-create-home --uid 2102 mallory
}

# goods FILE... - they are good's, and nobody else may open them.
goods() { chown good:good "$@" && chmod 600 "$@"; }

# zeroes FILE MIB - a file with all its blocks; on DAX written through the mapping, so that it is really there.
zeroes() { head -c $(($2 * MIB)) /dev/zero >"$1" && sync "$1"; }

# noise FILE MIB - a file that looks like no other.
noise() { head -c $(($2 * MIB)) /dev/urandom >"$1"; }

# register FILE [OPTION...] - prints the region's JSON.
register() { rdmaregctl --json register "$@"; }

# field NAME JSON - one member of a region's description. A plain word or number is read here: jq takes longer to start than rdmaregctl to
# answer. What has a member inside of a member before it, an escape in it, or is something else, is jq's.
field() {
	local value plain='^[[:space:]]*\{[^{}]*"'$1'":[[:space:]]*("[^"\]*"|-?[0-9]+|true|false)[[:space:]]*[,}]'
	if [[ $1 =~ ^[a-z_]+$ && $2 =~ $plain ]]; then
		value=${BASH_REMATCH[1]#\"}
		printf '%s\n' "${value%\"}"
	else
		jq -r ".$1" <<<"$2"
	fi
}

# region ID - the JSON of a region as it is now.
region() { rdmaregctl --json show "$1"; }

# region_is ID NAME VALUE - for wait_for and check.
region_is() { [ "$(field "$2" "$(region "$1")")" = "$3" ]; }

# settled ID LENGTH - peers can reach so many bytes of it.
settled() { region_is "$1" state live && region_is "$1" valid_length "$2"; }

# region_gone ID - it is not found any more.
region_gone() {
	local status=0
	rdmaregctl show "$1" >/dev/null 2>&1 || status=$?
	[ $status = 3 ]
}

# The sum of a file's content as the filesystem has it, caches dropped.
sum_on_disk() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sha256sum <"$1" | cut -d' ' -f1
}

# How many memory regions the adapter of node a has.
mr_count() { rdma resource show mr 2>/dev/null | grep -c "dev rxea" || :; }

# uptime_msec - CLOCK_BOOTTIME, for durations.
uptime_msec() {
	local up
	read -r up _ </proc/uptime
	echo "${up/./}0"
}

# timed COMMAND... - how long it took is in $took (ms).
timed() {
	local start status=0
	start=$(uptime_msec)
	timeout 60 "$@" || status=$?
	took=$(($(uptime_msec) - start))
	return $status
}

# truncate_file FILE LENGTH [AS_USER...] - timed, and has to succeed.
truncate_file() { timed "${@:3}" truncate -s "$2" "$1" || not_ok "truncate of $1"; }

# in_log FILE PATTERN - for wait_for.
in_log() { grep -q -- "$2" "$1"; }

# start_peer LOG COMMAND... - a peer on node b in the background; its process id is in $PEER.
start_peer() {
	local log=$1
	shift
	ip netns exec b "$@" >"$log" 2>&1 </dev/null &
	PEER=$!
}

# wait_peer - waits for the peer; how it ended is in $PEER_STATUS. (Not a substitution: a subshell cannot wait for its parent's child.)
wait_peer() {
	PEER_STATUS=0
	wait "$PEER" || PEER_STATUS=$?
}

# end_peer - has a peer that writes for ever come to its end.
end_peer() {
	kill "$PEER" 2>/dev/null
	wait_peer
}

# keeper_pids - of all tenants.
keeper_pids() { pgrep -x rdmareg-keeper; }

# no_keeper_mappings - no keeper maps one of our test files any more.
no_keeper_mappings() {
	local pid
	for pid in $(keeper_pids); do
		! grep -q ' /mnt/' "/proc/$pid/maps" || return 1
	done
}
