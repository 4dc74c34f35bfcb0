#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scenarios.sh [NAME...] - runs the lab's scenarios (those whose name contains a NAME; default all) and prints one line
# per check: "ok", "not ok" or "skip", then BOOT/SCENARIO and the check; after a scenario, a line with the seconds it took.
# Logs: build/logs/lab/BOOT/.
#
# A scenario's header says where it runs, once per line: "# boot: plain", "# boot: systemd", "# boot: plain kernel=6.12".
# All scenarios of one kind of boot share a boot, or two where there are many ("plain-7", "plain-7+2"). Boots run beside each
# other, one more than there are processors, since they also wait (take_slot of boot.sh).
#
# When a guest dies, the scenario it was in has failed and the rest goes on in a new boot. One death is the emulator's
# own: an "Oops: int3", where it ran into code that the kernel was patching. That scenario is run again, at most twice
# per kind of boot, and the number of such boots is told.
. "$(dirname "$0")/common.sh"

results=$logs/lab
trouble=$top/tests/lab/kernel-trouble

boots_of() { # FILE: lines such as "plain-7"
	local kind rest found=
	while read -r kind rest; do
		found=1
		case $rest in
		'') echo "$kind-7" ;;
		kernel=*) echo "$kind-${rest#kernel=}" ;;
		*) die "$1: cannot read '# boot: $kind $rest'" ;;
		esac
	done < <(sed -n 's/^# boot: *//p' "$1")
	[ -n "$found" ] || echo plain-7
}

wanted() { # NAME BOOT PATTERN...
	local name=$1 boot=$2 pattern
	shift 2
	[ $# -gt 0 ] || return 0
	for pattern; do
		case $boot/$name in *"$pattern"*) return 0 ;; esac
	done
	return 1
}

timeout_of() { # NAME
	local seconds
	seconds=$(sed -n 's/^# timeout: *//p' "$top/tests/lab/scenarios/$1.sh" | head -n 1)
	echo "${seconds:-300}"
}

limit_of() { # NAME...: seconds for a boot that runs these
	local name total=180
	for name; do total=$((total + $(timeout_of "$name") + 20)); done
	echo $total
}

# Names for two boots, about equally long as far as their timeouts tell; each in the order given.
split() { # NAME...
	local name first=0 second=0
	halves=('' '')
	for name; do
		if [ $first -le $second ]; then
			halves[0]+=" $name" first=$((first + $(timeout_of "$name")))
		else
			halves[1]+=" $name" second=$((second + $(timeout_of "$name")))
		fi
	done
}

show_failure() { # DIR NAME
	{
		tail -n 40 "$1/$2.log"
		[ ! -s "$1/$2.daemon.log" ] || { echo "--- the product's log"; tail -n 15 "$1/$2.daemon.log"; }
	} | sed 's/^/#   /'
}

# What the driver says, as result lines; in the file "finished", the names of scenarios that reached their end; in
# "current", the one that began last.
translate() { # BOOT DIR
	local word rest line failed=
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		'@ begin '*) echo "${line#@ begin }" >"$2/current" ;;
		'@ end '*)
			read -r _ _ word rest <<<"$line"
			echo "$word" >>"$2/finished"
			echo "# $1/$word: $rest s"
			: >"$2/current"
			[ -z "$failed" ] || show_failure "$2" "$word"
			failed=
			;;
		'@ ok '*) echo "ok $1/${line#@ ok }" ;;
		'@ not ok '*)
			echo "not ok $1/${line#@ not ok }"
			failed=1
			;;
		'@ skip '*) echo "skip $1/${line#@ skip }" ;;
		*) echo "$line" >>"$2/output.log" ;;
		esac
	done
}

died_of() { # DIR STATUS
	local why
	why=$(grep -aE -m 1 'Oops|Kernel panic|kernel BUG' "$1/console.log" | tr -d '\r' || true)
	[ "$2" != 124 ] || why=${why:-the whole boot took too long}
	echo "${why:-boot.sh status $2}"
}

run_boot() { # BOOT[+PART] NAME...
	local boot=${1%+*} dir=$results/$1 status current why retries=0 left name
	shift
	left=("$@")
	while [ ${#left[@]} -gt 0 ]; do
		[ ! -e "$dir" ] || mv "$dir" "$(mktemp -d "$dir.earlier-XXX")/"
		mkdir -p "$dir"
		: >"$dir/finished"
		: >"$dir/current"
		status=0
		"$host/boot.sh" $([ "${boot%%-*}" != systemd ] || echo --systemd) --kernel "${boot#*-}" --out "$dir" \
			--timeout "$(limit_of "${left[@]}")" -- bash /lab/guest/driver.sh "${left[@]}" 2>"$dir/boot.log" </dev/null |
			translate "$boot" "$dir" || status=${PIPESTATUS[0]}
		[ $status != 0 ] || break
		current=$(cat "$dir/current")
		why=$(died_of "$dir" $status)
		if grep -aq 'Oops: int3' "$dir/console.log" && [ $((retries += 1)) -le 2 ]; then
			echo "# $boot: the emulator tripped (Oops: int3), boot $retries repeated"
			current=
		elif [ -n "$current" ]; then
			echo "not ok $boot/$current: the guest survives ($why)"
			echo "$current" >>"$dir/finished"
			show_failure "$dir" "$current"
			tail -n 40 "$dir/console.log" | tr -d '\r' | sed 's/^/#   console: /'
		else
			for name in "${left[@]}"; do
				grep -qx "$name" "$dir/finished" || echo "not ok $boot/$name: the guest comes up ($why)"
			done
			tail -n 15 "$dir/output.log" "$dir/boot.log" 2>/dev/null | sed 's/^/#   /'
			return 0
		fi
		mapfile -t left < <(printf '%s\n' "${left[@]}" | grep -vxF -f "$dir/finished" || true)
	done
	if grep -aE -f "$trouble" "$dir/console.log" >"$dir/trouble"; then
		echo "not ok $boot/kernel log of the whole boot: $(head -n 1 "$dir/trouble" | tr -d '\r')"
	else
		echo "ok $boot/kernel log of the whole boot"
	fi
}

declare -A plan=()
for file in "$top"/tests/lab/scenarios/*.sh; do
	name=$(basename "$file" .sh)
	for boot in $(boots_of "$file"); do
		! wanted "$name" "$boot" "$@" || plan[$boot]+=" $name"
	done
done

case ${RUN_LIST:-} in
boots) for boot in "${!plan[@]}"; do echo "${boot#*-}"; done | sort -u; exit 0 ;;
esac

rm -rf "$results"
mkdir -p "$results"
running=0
for boot in "${!plan[@]}"; do
	read -ra names <<<"${plan[$boot]}"
	if [ ${#names[@]} -gt 10 ]; then
		split "${names[@]}"
		plan[$boot]=${halves[0]} plan[$boot+2]=${halves[1]}
	fi
done
# The longest begin, so that they are not left to themselves in the end.
# shellcheck disable=SC2086
longest_first() { for boot in "${!plan[@]}"; do echo "$(limit_of ${plan[$boot]}) $boot"; done | sort -rn | cut -d' ' -f2; }
for boot in $(longest_first); do
	if [ $running -gt "$(nproc)" ]; then
		wait -n
		running=$((running - 1))
	fi
	# shellcheck disable=SC2086
	run_boot "$boot" ${plan[$boot]} &
	running=$((running + 1))
done
wait
