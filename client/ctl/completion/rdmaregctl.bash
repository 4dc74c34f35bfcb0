# bash completion for rdmaregctl                           -*- shell-script -*-
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Verbs and options are written out here; tests/unit/client/test-client-completion.sh compares them with what --help says.

_rdmaregctl_ids() {
	rdmaregctl list --no-legend 2>/dev/null | awk '{ print $1 }'
}

_rdmaregctl_keepers() {
	rdmaregctl keeper list --no-legend 2>/dev/null | awk '{ print $1 }'
}

_rdmaregctl_sessions() {
	rdmaregctl session list --no-legend 2>/dev/null | awk '{ print $2 }'
}

_rdmaregctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb="" word
	local -A options=(
		[register]='--offset --length --access --policy --grace --arbitration --warm-mode --export --session --rails --uid --name --atomic --no-warm --standing'
		[list]='--session --state'
		[show]=''
		[set]='--policy --grace --arbitration --warm-mode'
		[release]='--session --grace --if-exists'
		[export]='--access --expires --uses'
		[prefetch]='--offset --length --write'
		[revoke]='--grace --range --for'
		[sync]='--grace --limit'
		[evict]='--containing --grace'
		[enforce-limits]='--grace'
		[reload]=''
		[metrics]='--regions --openmetrics --output --socket'
		[config]='check show'
		[config show]='--changed'
		[config check]=''
		[top]='--once --sort --filter'
		[status]=''
		[doctor]='--timeout'
		[drain]='--reason'
		[undrain]=''
		[who]=''
		[history]='--follow --svg --revocation'
		[devices]=''
		[dax-create]='--region'
		[dax-destroy]=''
		[join]='--ignore-revocations'
		[watch]=''
		[put]='--offset --length --repeat --duration --clip --persist --ignore-revocations --source --timeout --settle-timeout --stripe --first --timeline'
		[keeper]='list replace'
		[keeper list]='--uid --session --state'
		[keeper replace]='--all-old --grace'
		[standing]='list remove restore'
		[standing list]='--uid --waiting'
		[standing remove]=''
		[standing restore]='--due'
		[session]='create list show set drain release run'
		[session create]='--uid --device --max-regions --max-bytes --max-peers --max-tickets --max-memory'
		[session list]='--uid --state'
		[session show]='--uid'
		[session set]='--uid --max-regions --max-bytes --max-peers --max-tickets --max-memory'
		[session drain]='--uid'
		[session release]='--uid --grace --limit --if-exists'
		[session run]='--file --uid --keep-env --session --device --max-regions --max-bytes --max-peers --max-tickets --max-memory --grace --limit'
		[selftest]='--directory --cache --no-save --if-stale'
		[get]='--offset --length --source --timeout --settle-timeout --stripe --first --timeline'
	)
	local common='--json --no-legend --no-pager --help'

	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [[ $verb == @(revoke|dax-create|'session run') && $word == -- ]]; then
			COMPREPLY=()
			compopt -o default # the command's own arguments
			return
		fi
		if [[ -z $verb && -n ${options[$word]+set} ]]; then
			verb=$word
		elif [[ $verb == @(config|keeper|session|standing) && -n ${options[$verb $word]+set} ]]; then
			verb="$verb $word"
		fi
	done
	COMPREPLY=()
	case $previous in
	--access) mapfile -t COMPREPLY < <(compgen -W 'r rw' -- "$current"); return ;;
	--policy) mapfile -t COMPREPLY < <(compgen -W 'follow yield hold' -- "$current"); return ;;
	--warm-mode) mapfile -t COMPREPLY < <(compgen -W 'off read adaptive write' -- "$current"); return ;;
	--arbitration) mapfile -t COMPREPLY < <(compgen -W 'auto pre-content' -- "$current"); return ;;
	--state)
		if [[ $verb == keeper* ]]; then
			mapfile -t COMPREPLY < <(compgen -W 'starting driven stuck foreign ending' -- "$current")
			return
		fi
		if [[ $verb == session* ]]; then
			mapfile -t COMPREPLY < <(compgen -W 'active draining ended' -- "$current")
			return
		fi
		mapfile -t COMPREPLY < <(compgen -W 'registering live warming draining fenced closing' -- "$current")
		return ;;
	--file)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return ;;
	--device) mapfile -t COMPREPLY < <(cd /sys/class/infiniband 2>/dev/null && compgen -G "$current*"); return ;;
	--uid) mapfile -t COMPREPLY < <(compgen -u -- "$current"); return ;;
	--sort) mapfile -t COMPREPLY < <(compgen -W 'invalidations writebacks removals warmed faults peers id' -- "$current"); return ;;
	--repeat) mapfile -t COMPREPLY < <(compgen -W 'forever' -- "$current"); return ;;
	--offset | --length | --grace | --session | --rails | --stripe | --name | --expires | --uses | --duration | --source | --timeout | --settle-timeout | \
		--range | --for | --filter | --reason | --limit | --region | --max-regions | --max-bytes | --max-peers | --max-tickets | --max-memory) return ;;
	esac
	[[ $verb != @(metrics|top) ]] || common=${common#--json } # refused
	if [[ -z $verb ]]; then
		for word in "${!options[@]}"; do # not those of a group
			[[ $word == *' '* ]] || verb+=" $word"
		done
		mapfile -t COMPREPLY < <(compgen -W "$verb $common --version" -- "$current")
	elif [[ $verb == @(config|keeper|session|standing) ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${options[$verb]} $common" -- "$current")
	elif [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${options[$verb]} $common" -- "$current")
	else
		case $verb in
		show | set | release | export | prefetch | revoke | sync | join | watch)
			mapfile -t COMPREPLY < <(compgen -W "$(_rdmaregctl_ids)" -- "$current") ;;
		'session run') ;;
		'keeper replace')
			mapfile -t COMPREPLY < <(compgen -W "$(_rdmaregctl_keepers)" -- "$current") ;;
		session*)
			mapfile -t COMPREPLY < <(compgen -W "$(_rdmaregctl_sessions)" -- "$current") ;;
		selftest)
			mapfile -t COMPREPLY < <(compgen -W "$(ls /sys/class/infiniband 2>/dev/null)" -- "$current") ;;
		register | put | get | who | history | evict | config*)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
		esac
	fi
}

complete -F _rdmaregctl rdmaregctl
