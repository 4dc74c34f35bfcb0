#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-client-completion.sh RDMAREGCTL FOLDER PAGE - what can be completed is what exists: every verb and option that --help names is
# offered by both completions, and bash offers nothing else. The manual page has each verb, with each of its options.
set -u
ctl=$1 dir=$2 page=$3 status=0

wrong() { echo "$*" >&2; status=1; }
words() { tr -s ' \n' '\n' | sort -u; }

# offered WORD... - what bash would offer behind this command line.
offered() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_rdmaregctl
	printf '%s\n' "${COMPREPLY[@]}" | words
}

# Called by what is sourced.
# shellcheck disable=SC2317
complete() { :; }
# shellcheck disable=SC2317
compopt() { :; }
# shellcheck disable=SC2317
rdmaregctl() { [ "$1" = session ] && printf 'root 7 active\nroot 12 ended\n' || printf ' 7 live\n12 lost\n'; }
# shellcheck source=/dev/null
. "$dir/rdmaregctl.bash"

verbs=$("$ctl" --help | sed -n 's/^  \([a-z-]*\) .*/\1/p' | words)
[ "$(wc -w <<<"$verbs")" -ge 15 ] || wrong "--help names too few verbs: $verbs"
[ "$(offered rdmaregctl '' | grep -v '^-')" = "$verbs" ] || wrong "bash: not the verbs of --help"
of_groups=()
for group in config keeper session standing; do
	of_group=$("$ctl" "$group" --help | sed -n "s/^  $group \([a-z-]*\) .*/\1/p")
	[ -n "$of_group" ] || wrong "$group --help names no verbs"
	[ "$(offered rdmaregctl "$group" '' | grep -v '^-')" = "$(words <<<"$of_group")" ] || wrong "bash: not the verbs of $group --help"
	for verb in $of_group; do
		[[ $(grep -- "'1:verb:([a-z ]*)' '2:name:_*" "$dir/_rdmaregctl") == *[\(\ ]"$verb"[\)\ ]* ]] || wrong "zsh: no verb $group $verb"
		of_groups+=("$group $verb")
	done
done
mapfile -t verbs < <(grep -vxE 'config|keeper|session|standing' <<<"$verbs"; printf '%s\n' "${of_groups[@]}")
for verb in "${verbs[@]}"; do
	grep -q "'${verb%% *}:" "$dir/_rdmaregctl" || wrong "zsh: no verb $verb"
	read -ra line <<<"$verb"
	options=$("$ctl" "${line[@]}" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p')
	[ "$(offered rdmaregctl "${line[@]}" -- | words)" = "$(words <<<"$options")" ] || wrong "bash: $verb: not the options of --help"
	# from the verb's line to the next verb or section; what put and get have in common stands below both
	entry=$(awk -v verb="*$verb*" '/^(\*[a-z -]+\*( |$)|#)/ { here = index($0 " ", verb " ") == 1 } here' "$page")
	[ -n "$entry" ] || wrong "manual page: no verb $verb"
	case $verb in put | get) entry+=$(sed -n '/^Options of both verbs:/,/^# /p' "$page") ;; esac
	for option in $options; do
		case $option in --json | --no-legend | --no-pager | --help) ;; *)
			[[ $entry == *"*$option*"* ]] || wrong "manual page: $verb has no $option" ;;
		esac
		grep -q -- "$option\[" "$dir/_rdmaregctl" || wrong "zsh: no option $option"
	done
done
[ "$(offered rdmaregctl show '' | xargs)" = "12 7" ] || wrong "bash: show does not offer the regions"
[ "$(offered rdmaregctl --json register f --policy h)" = hold ] || wrong "bash: --policy h is not hold"
[ "$(offered rdmaregctl set 7 --arbitration p)" = pre-content ] || wrong "bash: --arbitration p is not pre-content"
[ "$(offered rdmaregctl sync '' | xargs)" = "12 7" ] || wrong "bash: sync does not offer the regions"
[ -z "$(offered rdmaregctl session run --uid root -- ls --)" ] || wrong "bash: the options of the command behind session run -- are not ours"
[ -z "$(offered rdmaregctl revoke 7 -- ls --)" ] || wrong "bash: the options of the command behind -- are not ours"
[ "$(offered rdmaregctl show put --js)" = --json ] || wrong "bash: an argument that is called like a verb is taken for one"
[ "$(offered rdmaregctl session list --state '' | xargs)" = "active draining ended" ] || wrong "bash: not the states of sessions"
[ "$(offered rdmaregctl --json session show '' | xargs)" = "12 7" ] || wrong "bash: session show does not offer the sessions"
if command -v zsh >/dev/null; then
	zsh -n "$dir/_rdmaregctl" || wrong "zsh: does not parse"
fi
exit $status
