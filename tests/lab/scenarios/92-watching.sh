#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an operator sees where systemd runs the machine: fields and explanations in the journal, the level of the log, the metrics and the file
# for node_exporter, the module's tracepoints. One truncate is looked for in all of them.
# boot: systemd
# timeout: 360
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"

PAGES=/var/lib/prometheus/node-exporter
TRACE=/sys/kernel/tracing
trap 'rm -rf $PAGES /var/cache/rdmareg; echo 0 >$TRACE/events/rdmareg/enable' EXIT
product_up || exit 1
# entries FIELD=VALUE... - as JSON, a line each
entries() { journalctl -q --no-pager -b -o json "$@"; }
has_entry() { [ -n "$(entries "$@")" ]; }
# of the page that was read
counted() { awk -v s="$1" '$1 == s && $2 >= 1 { found = 1 } END { exit !found }' /tmp/page; }
level() { systemctl service-log-level rdmaregd; }

echo >$TRACE/trace
echo 1 >$TRACE/events/rdmareg/enable
evil=$'/mnt/xfs/evil\n<0>region 4711: forged\nREGION=4711'
zeroes /mnt/xfs/watched 4
zeroes "$evil" 1
r=$(register /mnt/xfs/watched)
id=$(field id "$r")
evil_id=$(field id "$(register "$evil")")
bash -c 'echo $$ >/tmp/truncator; exec truncate -s 1M /mnt/xfs/watched'
check "the region has settled" wait_for settled "$id" $((1 * MIB))

# --- the journal
check "the daemon's line about the truncate is found by its fields" wait_for has_entry -u rdmaregd "REGION=$id" CAUSE=truncate
line=$(entries -u rdmaregd "REGION=$id" CAUSE=truncate | head -1)
expect_equal "who asked" "$(</tmp/truncator)" "$(jq -r .PID <<<"$line")"
expect_equal "whose region it is" 0/default "$(jq -r .TENANT <<<"$line")"
expect_equal "of which file" /mnt/xfs/watched "$(jq -r .FILE <<<"$line")"
expect_equal "by the daemon" rdmaregd.service "$(jq -r ._SYSTEMD_UNIT <<<"$line")"
check "so is the keeper's" has_entry -n 1 "REGION=$id" _COMM=rdmareg-keeper
check "the catalog is taken" journalctl --update-catalog
check "and explains it" bash -c "journalctl -q --no-pager -b -x -u rdmaregd REGION=$id CAUSE=truncate | grep -q 'Its holders are asked'"
check "the file with a hostile name is registered" has_entry -n 1 "REGION=$evil_id"
expect_equal "and made no line of its own" "" "$(entries REGION=4711)$(journalctl -q --no-pager -b -o cat _COMM=rdmaregd | grep '^region 4711')"
check "the level is set" systemctl service-log-level rdmaregd debug
expect_equal "and shown" debug "$(level)"
check "not by others" bash -c '! setpriv --reuid=nobody --clear-groups busctl --system set-property org.rdmareg.Registry1 \
	/org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel s emerg'
check "the settings count again" rdmaregctl reload
expect_equal "after a reload" info "$(level)"

# --- metrics
check "they can be read" bash -c 'rdmaregctl metrics >/tmp/page'
check "the revocation is counted" counted 'rdmareg_revocations_total{cause="truncate",outcome="truncated",mode="layout-lease"}'
check "so is how long truncate waited" counted 'rdmareg_filesystem_wait_seconds_count{arbiter="layout-lease"}'
check "there are two regions" grep -qxF 'rdmareg_regions{state="live",mode="layout-lease"} 2' /tmp/page
check "others are not given them" bash -c '! setpriv --reuid=nobody --clear-groups rdmaregctl metrics'
check "without node_exporter the timer's service does nothing" systemctl start rdmareg-metrics.service
mkdir -p $PAGES
check "with it" systemctl start rdmareg-metrics.service
check "its file is there" grep -q '^rdmareg_registered_bytes 5242880$' $PAGES/rdmareg.prom
check "release" rdmaregctl release "$id" "$evil_id"
check "the daemon is stopped" systemctl stop rdmaregd
check "the service fails" bash -c '! systemctl start rdmareg-metrics.service'
check "and the file is gone" test ! -e $PAGES/rdmareg.prom
systemctl reset-failed rdmareg-metrics.service
systemctl start rdmaregd

# --- tracepoints
echo 0 >$TRACE/events/rdmareg/enable
for event in rdmareg_invalidate rdmareg_break rdmareg_give_back; do
	check "the module's tracepoint $event" grep -q "$event: .*cookie=$id " $TRACE/trace
done
rm -f /mnt/xfs/watched "$evil" /tmp/truncator /tmp/page
finish
