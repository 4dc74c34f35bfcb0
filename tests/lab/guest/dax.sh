# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that write(2) to a registered file with direct access, under reading peers or none: whatever its blocks are, a peer reads what was
# written before, and nothing of another file (tests/lab/src/dax-writes.c). Sourced after lib.sh and regions.sh; as a program (./run dax
# [SECONDS]) it tries each kind of block so long, prints what it counted, and fails if anything was wrong.

# dax_writes FILESYSTEM KIND ACCESS SECONDS READERS - the counts are in $DAX_SAID, the region as it was registered in $DAX_REGION.
dax_writes() {
	local file=/mnt/$1/writes status=0
	"$RDMAREG_TESTS/dax-writes" make "$2" "$file" || return 1
	DAX_REGION=$(register "$file" --export --access "$3") || return 1
	DAX_SAID=$(on_b "$RDMAREG_TESTS/dax-writes" run "$2" "$file" "$(field ticket "$DAX_REGION")" "$4" "$5" 2>&1) || status=1
	rdmaregctl release "$(field id "$DAX_REGION")" >/dev/null || status=1
	rm -f "$file" "$file".*
	return $status
}

[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

. /lab/guest/lib.sh
. /lab/guest/regions.sh
lab_setup && product_up || exit 1
failed=0
for what in xfsdax:{shared,unwritten,hole,plain}:{r,rw} ext4dax:{unwritten,hole,plain}:{r,rw}; do
	IFS=: read -r fs kind access <<<"$what"
	for readers in 2 0; do
		dax_writes "$fs" "$kind" "$access" "${1:-20}" $readers || failed=1
		printf '%-8s %-10s %-3s readers %s  %s\n' "$fs" "$kind" "$access" "$((readers + 1))" "$DAX_SAID"
	done
done
exit $failed
