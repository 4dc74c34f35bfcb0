# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Debian archive as the lab sees it: the mirror that this machine's own apt uses, other releases, and a package
# index of its own that never touches the machine's. No host name and no exact version is written down anywhere.

apt_dir=$lab/apt

# archives - "CODENAME|ADDRESS" of each Debian archive that apt on this machine is configured for and has seen.
archives() {
	apt-get indextargets --format '$(ORIGIN)|$(COMPONENT)|$(CODENAME)|$(REPO_URI)' 'Created-By: Packages' |
		sed -n 's/^Debian|main|//p'
}

# mirror main|security - the address of Debian's archive, as configured on this machine.
mirror() {
	local want=$1 codename uri
	while IFS='|' read -r codename uri; do
		case $want:$codename in
		main:*-*) ;;
		main:* | security:*-security) echo "$uri"; return 0 ;;
		esac
	done < <(archives)
	[ "$want" = security ] || die "apt on this machine knows no Debian archive: look at /etc/apt/sources.list*"
}

# sources SUITE... - sources.list lines; security suites are left out where this machine has no security archive.
sources() {
	local suite uri key keyring=
	for key in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		[ ! -e "$key" ] || keyring=$key
	done
	[ -n "$keyring" ] || die "no keyring: apt-get install debian-archive-keyring"
	for suite; do
		case $suite in
		*-security) uri=$(mirror security) ;;
		*) uri=$(mirror main) ;;
		esac
		[ -z "$uri" ] || echo "deb [signed-by=$keyring] $uri $suite main"
	done
}

# lab_apt COMMAND... - apt-get or apt-cache on the lab's own index (releases of all kernels that are tested).
lab_apt() {
	local tool=$1
	shift
	"$tool" -qq -o Dir::Etc::sourcelist="$apt_dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State="$apt_dir/state" -o Dir::State::status="$apt_dir/status" -o Dir::Cache="$apt_dir/cache" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

lab_apt_update() {
	mkdir -p "$apt_dir"/state/lists/partial "$apt_dir"/cache/archives/partial
	: >"$apt_dir/status"
	sources trixie trixie-updates trixie-security trixie-backports bookworm bookworm-security >"$apt_dir/sources.list"
	lab_apt apt-get update
}
