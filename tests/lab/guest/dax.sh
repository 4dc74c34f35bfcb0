# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that write(2) to a registered file with direct access, under reading peers or none: whatever its blocks are, a peer reads what was
# written before, and nothing of another file (tests/lab/src/dax-writes.c). Sourced after lib.sh and regions.sh; as a program (./run dax
# [SECONDS]) it tries each kind of block so long, prints what it counted, and fails if anything was wrong.

# dax_writes FILESYSTEM KIND ACCESS SECONDS READERS [ARBITRATION] - the counts are in $DAX_SAID, the region as it was registered in $DAX_REGION.
dax_writes() {
	local file=/mnt/$1/writes status=0
	"$RDMAREG_TESTS/dax-writes" make "$2" "$file" || return 1
	DAX_REGION=$(register "$file" --export --access "$3" --arbitration "${6:-auto}") || return 1
	DAX_SAID=$(on_b "$RDMAREG_TESTS/dax-writes" run "$2" "$file" "$(field ticket "$DAX_REGION")" "$4" "$5" 2>&1) || status=1
	rdmaregctl release "$(field id "$DAX_REGION")" >/dev/null || status=1
	rm -f "$file" "$file".*
	return $status
}

# dax_stays - an ordinary user stays in write(2), since what he writes lies on a filesystem that fell silent, while the region of his file is to be
# opened. Peers are kept out, which is said, until he has left.
dax_stays() {
	local file=/mnt/xfsdax/stays id server writer status=1 WAIT_SEC=120
	mkdir -p /mnt/silent
	"$RDMAREG_TESTS/silent-fs" /mnt/silent &
	server=$!
	zeroes $file 1 && goods $file && cp --reflink=always $file $file.copy && wait_for test -e /mnt/silent/file || return 1
	id=$(field id "$(as_good rdmaregctl --json register $file --grace 1s)") || return 1
	kill -USR1 $server
	as_good "$RDMAREG_TESTS/dax-writes" stay $file /mnt/silent/file &
	writer=$!
	wait_for eval "field degraded \"\$(region $id)\" | grep -q 'stays in write(2)'" && region_is "$id" state fenced && status=0
	kill -USR2 $server
	wait $writer && wait_for settled "$id" $MIB && wait_for region_is "$id" degraded "" || status=1
	[ $status = 0 ] || region "$id"
	kill -KILL $server
	as_good rdmaregctl release "$id"
	rm $file $file.copy
	return $status
}

[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

. /lab/guest/lib.sh
. /lab/guest/regions.sh
lab_setup && product_up || exit 1
failed=0
for what in xfsdax:{shared,unwritten,hole,plain}:{r,rw} ext4dax:{unwritten,hole,plain}:{r,rw} ext4dax:unwritten:{r,rw}:pre-content; do
	IFS=: read -r fs kind access arbitration <<<"$what"
	for readers in 2 0; do
		dax_writes "$fs" "$kind" "$access" "${1:-20}" $readers "$arbitration" || failed=1
		printf '%-8s %-10s %-3s readers %s  %s%s\n' "$fs" "$kind" "$access" "$((readers + 1))" "$DAX_SAID" "${arbitration:+ ($arbitration)}"
	done
done
users_up
dax_stays && echo "xfsdax: who stays in write(2) keeps peers out, and that is said" || { echo "xfsdax: who stays in write(2): not as it should be"; failed=1; }
exit $failed
