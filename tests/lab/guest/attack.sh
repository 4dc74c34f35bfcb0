# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What one hostile user costs the others: a good tenant registers, transfers and reads, first alone, then beside each of the ways
# of tests/lab/src/hostile.c. Its operations must never fail. How much slower its slowest hundredth became is printed as two
# ratios: to the rounds without an attack, and to those beside a user who only takes processor time, which nobody can prevent.
# Sourced after lib.sh and regions.sh; as a program (./run attack [SECONDS]) it prints a table and fails if anything of the good
# tenant's did.

ATTACK_WAYS="busy subscribers list register unread threads punch descriptors keepers nonsense"
ATTACK_DIR=/mnt/ext4/attack

attack_begin() {
	users_up
	mkdir -p $ATTACK_DIR
	zeroes $ATTACK_DIR/good 4
	zeroes $ATTACK_DIR/guarded 4
	zeroes $ATTACK_DIR/owner 1
	zeroes $ATTACK_DIR/mallory 4
	chown -R good:good $ATTACK_DIR
	chown mallory:mallory $ATTACK_DIR/mallory
	chmod 711 $ATTACK_DIR
	chmod 600 $ATTACK_DIR/*
	ATTACK_GOOD=$(as_good rdmaregctl --json register $ATTACK_DIR/good --access rw --export) || return 1
	ATTACK_GUARDED=$(as_good rdmaregctl --json register $ATTACK_DIR/guarded --access rw \
		--arbitration pre-content) || return 1
	ATTACK_TICKET=$(field ticket "$ATTACK_GOOD")
}

attack_end() {
	as_good rdmaregctl release "$(field id "$ATTACK_GOOD")" "$(field id "$ATTACK_GUARDED")" >/dev/null
	rm -rf $ATTACK_DIR
}

# attack_rounds NAME SECONDS - the good tenant at work; one line "NAME ROLE rounds failures median p99 most" for each of its roles.
attack_rounds() {
	local name=$1 seconds=$2 role status=0 pids=()
	as_good "$RDMAREG_TESTS/good-tenant" owner $ATTACK_DIR/owner "$seconds" >/tmp/good.owner 2>/tmp/good.owner.err &
	pids+=($!)
	on_b setpriv --reuid=good --regid=good --clear-groups "$RDMAREG_TESTS/good-tenant" peer "$ATTACK_TICKET" "$seconds" \
		>/tmp/good.peer 2>/tmp/good.peer.err &
	pids+=($!)
	as_good "$RDMAREG_TESTS/good-tenant" reader $ATTACK_DIR/guarded "$seconds" >/tmp/good.reader 2>/tmp/good.reader.err &
	pids+=($!)
	for role in "${pids[@]}"; do wait "$role" || status=1; done
	for role in owner peer reader; do
		echo "$name $role $(cat /tmp/good.$role)"
		[ ! -s /tmp/good.$role.err ] || sed "s/^/# $name $role: /" /tmp/good.$role.err
	done
	return $status
}

nothing_of_mallory() { ! pgrep -u mallory -x hostile >/dev/null; }

# attack_way NAME SECONDS - the same beside an attack. What the attack did is in /tmp/hostile.NAME.
attack_way() {
	local name=$1 status=0 hostile
	as_mallory "$RDMAREG_TESTS/hostile" "$name" $ATTACK_DIR/mallory >"/tmp/hostile.$name" 2>&1 &
	hostile=$!
	attack_rounds "$name" "$2" || status=1
	pkill -TERM -u mallory -x hostile
	WAIT_SEC=10 wait_for nothing_of_mallory || pkill -KILL -u mallory -x hostile
	WAIT_SEC=60 wait_for nothing_of_mallory || { echo "# $name: the hostile user's processes do not end"; status=1; }
	wait "$hostile" 2>/dev/null
	sed "s/^/# $name: /" "/tmp/hostile.$name"
	return $status
}

# attack_ratios FILE - the lines of attack_rounds as a table, p99 against those of "quiet" and "busy".
attack_ratios() {
	awk '
		/^#/ { next }
		$1 == "quiet" { quiet[$2] = $6 }
		$1 == "busy" { busy[$2] = $6 }
		{
			printf "%-12s %-7s %8d %9d %11.1f %11.1f", $1, $2, $3, $4, $5 / 1000, $6 / 1000
			if ($1 != "quiet" && quiet[$2]) printf " %9.1f", $6 / quiet[$2]
			if ($1 != "quiet" && $1 != "busy" && busy[$2]) printf " %9.1f", $6 / busy[$2]
			printf "\n"
		}' "$1"
}

attack_main() { # SECONDS
	local seconds=$1 way status=0 daemon
	attack_begin || return 1
	daemon=$(systemctl show -P MainPID "$RDMAREG_UNIT")
	attack_rounds quiet "$seconds" >/tmp/rounds || status=1
	for way in $ATTACK_WAYS; do
		attack_way "$way" "$seconds" >>/tmp/rounds || status=1
	done
	attack_rounds afterwards "$seconds" >>/tmp/rounds || status=1
	printf '%-12s %-7s %8s %9s %11s %11s %9s %9s\n' attack tenant rounds failures 'median, ms' 'p99, ms' 'to quiet' 'to busy'
	attack_ratios /tmp/rounds
	sed -n '/^#/p' /tmp/rounds
	[ "$(systemctl show -P MainPID "$RDMAREG_UNIT")" = "$daemon" ] || { echo "# the daemon is not the one it was"; status=1; }
	attack_end || status=1
	return $status
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	. /lab/guest/lib.sh
	. /lab/guest/regions.sh
	lab_setup >&2 && product_up >&2 || exit 1
	echo "# Linux $(uname -r), $(nproc) processors, $((${1:-10})) seconds each"
	attack_main "${1:-10}"
fi
