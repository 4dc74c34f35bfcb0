#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The product as an installed system service: started by the first call, keepers as units of their own under user ids of their own,
# tenants that do not see each other, and regions that outlive restart, crash, hang and stop of the daemon.
# boot: systemd
# timeout: 1800
. /lab/guest/lib.sh
. /lab/guest/regions.sh
kernel_at_least 6.15 || skip_all "no on-demand paging in this kernel's rdma_rxe"

DROPINS=/run/systemd/system/rdmaregd.service.d
CONF=/etc/rdmareg/conf.d/50-test.conf
rm -rf /var/cache/rdmareg
trap 'rm -rf $DROPINS $CONF; systemctl daemon-reload' EXIT

as_tenant() { setpriv --reuid=tenant --regid=tenant --init-groups "$@"; }
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
unit() { systemctl show -P "$2" "$1"; }
unit_is() { [ "$(unit "$1" "$2")" = "$3" ]; }
main_pid() { unit "$1" MainPID; }
restarted_since() { ! unit_is rdmaregd NRestarts "$1" && bus_has_owner "$RDMAREG_BUS_NAME"; }
# status PID FIELD - the first value of a line of /proc/PID/status
status() { awk -v f="$2:" '$1 == f { print $2 }' "/proc/$1/status"; }
in_group() { grep -qE "^Groups:.*\b$(getent group rdmareg | cut -d: -f3)\b" "/proc/$1/status"; }
no_crowd() { [ -z "$(systemctl list-units --all --no-legend --plain 'rdmareg-keeper-1000-crowd*' 'rdmareg-keeper-1000-stuck*')" ]; }
is_dynamic() { [ "$1" -ge 61184 ] && [ "$1" -le 65519 ]; }
ids_of() { "$@" rdmaregctl --json list | jq -c '[.[].id]'; }
device_is_guarded() { [ "$(stat -c '%U:%G %a' /dev/rdmareg)" = "root:rdmareg 660" ]; }
manager() { busctl --system get-property org.rdmareg.Registry1 /org/rdmareg/Registry1 org.rdmareg.Registry1.Manager "$1"; }
manager_is() { [ "$(manager "$1")" = "$2" ]; }
journal_has() { journalctl -q --no-pager -b -u "$1" | grep -q -- "$2"; }

getent passwd tenant >/dev/null || useradd --uid 1000 --no-create-home tenant
mkdir -p "$(dirname $CONF)"
# emulated, beside other guests, a keeper may take its time to start
printf '[keepers]\nidle_exit_sec = 2\ntimeout_msec = 300000\n' >$CONF

# --- installation and activation
check "systemd accepts the units" systemd-analyze verify --man=no rdmaregd.service rdmareg.slice rdmareg-selftest@rxea.service rdmareg-standing@1000.service
check "the module loads" module_up
check "/dev/rdmareg is root:rdmareg 0660" wait_for device_is_guarded
expect_equal "the daemon is not running yet" inactive "$(systemctl is-active rdmaregd)"
check "the first call, of an ordinary user, starts it" as_tenant rdmaregctl list
expect_equal "from within its sandbox the daemon sees the device-dax" "$LAB_DEVDAX" \
	"$(as_tenant rdmaregctl --json devices | jq -r '.[] | select(.kind == "dax-device" and .unusable == "") | .path')"
expect_equal "and the adapter's MTU is told, though the sandbox has no network" 4200 \
	"$(as_tenant rdmaregctl --json devices | jq -r '.[] | select(.name == "rxea") | .mtu')"
expect_equal "it runs now" active "$(systemctl is-active rdmaregd)"
daemon=$(main_pid rdmaregd)
expect_equal "sandbox: no new privileges" 1 "$(status "$daemon" NoNewPrivs)"
expect_equal "sandbox: system calls are filtered" 2 "$(status "$daemon" Seccomp)"
expect_equal "sandbox: no capabilities but to end keepers (KILL) and for pre-content events (DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN)" \
	0000000000280024 "$(status "$daemon" CapEff)"
check "the bus lets no ordinary user own the name" bash -c \
	'! setpriv --reuid=nobody --clear-groups busctl --system call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.rdmareg.Registry1 4'
check "and passes no words that are not ours" bash -c \
	'busctl --system call org.rdmareg.Registry1 / org.freedesktop.Words Say 2>&1 | grep -qi "denied\|not allowed\|policy"'
check "anybody may introspect it" as_nobody busctl --system introspect org.rdmareg.Registry1 /org/rdmareg/Registry1

# --- what only the bus and systemd can know, said by a user
daemon=$(main_pid rdmaregd)
forge() { as_nobody busctl --system emit --destination=org.rdmareg.Registry1 "$@"; }
forge /org/freedesktop/DBus org.freedesktop.DBus NameLost s org.rdmareg.Registry1
while :; do
	forge /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager JobRemoved uoss 1 /org/freedesktop/systemd1/job/1 \
		rdmareg-keeper-0-forged-1.service failed
done &
forging=$!
noise /mnt/xfs/forged 1
check "a unit that somebody says has failed starts" rdmaregctl register /mnt/xfs/forged --session forged
kill $forging
expect_equal "a daemon whose name somebody says is lost goes on" "$daemon" "$(main_pid rdmaregd)"
check "release" rdmaregctl release "$(rdmaregctl --json list --session forged | jq '.[].id')"

# --- a tenant's region and keeper
noise /mnt/xfs/tenants 4
chown tenant: /mnt/xfs/tenants
chmod 600 /mnt/xfs/tenants
r=$(as_tenant rdmaregctl --json register /mnt/xfs/tenants --access rw --export) || not_ok "a tenant registers its own file"
id=$(field id "$r") ticket=$(field ticket "$r")
keeper_unit=rdmareg-keeper-1000-default-1.service
expect_equal "a tenant's region is live" live "$(field state "$r")"
expect_equal "and arbitrated: the keeper may open the module's device" layout-lease "$(field arbitration_mode "$r")"
expect_equal "its keeper is a unit of its own" active "$(systemctl is-active $keeper_unit)"
expect_equal "in the user's slice" rdmareg-1000.slice "$(unit $keeper_unit Slice)"
keeper=$(main_pid $keeper_unit)
check "the keeper runs under an id of its own" is_dynamic "$(status "$keeper" Uid)"
expect_equal "nobody but root may read its program" 711 "$(stat -c %a "$(unit $keeper_unit ExecStart | sed 's/.* path=\([^ ]*\).*/\1/')")"
check "with the group of the device" in_group "$keeper"
expect_equal "without capabilities, now or ever" 0000000000000000 "$(status "$keeper" CapBnd)"
check "a peer gets what the file has" on_b rdmaregctl get "$ticket" /tmp/got
check "byte for byte" cmp /tmp/got /mnt/xfs/tenants
check "an adapter of which nothing is known is tested, by a service of its own" wait_for test -s /var/cache/rdmareg/rxea.quirks
expect_equal "with success" success "$(unit rdmareg-selftest@rxea Result)"

# --- a tenant and its keeper
check "the tenant cannot signal its keeper" as_tenant sh -c "! kill -KILL $keeper 2>/dev/null && ! kill -STOP $keeper 2>/dev/null"
check "nor look into it" as_tenant sh -c "! ls /proc/$keeper/fd 2>/dev/null && ! cat /proc/$keeper/maps 2>/dev/null"
check "nor change its limits" as_tenant sh -c "! prlimit --pid $keeper --nofile=1:1 2>/dev/null"
pkill -KILL -U tenant
expect_equal "killing all of the tenant's processes ends no region" live "$(field state "$(region "$id")")"
check "and a peer still gets what the file has" on_b rdmaregctl get "$ticket" /tmp/got
# two jobs of one user, whose regions a launcher that is root registers; the epilog of the first kills all that the user has
launch() { rdmaregctl --json register /mnt/xfs/tenants --uid tenant --session "job.$1" --name model --export; }
first=$(launch first) second=$(launch second) || not_ok "root registers for the user of two jobs"
expect_equal "the region is the user's" 1000 "$(field uid "$first")"
expect_equal "who finds it by its name" "$(field id "$first")" "$(field id "$(as_tenant rdmaregctl --json show job.first/model)")"
expect_status 3 "as nobody else does" as_nobody rdmaregctl show tenant:job.first/model
noise /mnt/xfs/secret 1
chmod 600 /mnt/xfs/secret
expect_status 4 "what the user may not open, root does not open for it" rdmaregctl register /mnt/xfs/secret --uid tenant
second_keeper=$(main_pid rdmareg-keeper-1000-job.second-1)
epilog() {
	pkill -KILL -U tenant
	pkill -KILL -u tenant
	killall -q -9 -u tenant
	rdmaregctl release --session tenant:job.first --if-exists
}
check "epilog of the first job" epilog
check "the epilog runs twice" epilog
expect_status 3 "its region is gone" rdmaregctl show "$(field id "$first")"
expect_equal "the other job's is not" live "$(field state "$(region "$(field id "$second")")")"
expect_equal "and has the keeper that it had" "$second_keeper" "$(main_pid rdmareg-keeper-1000-job.second-1)"
check "from which a peer gets what the file has" on_b rdmaregctl get "$(field ticket "$second")" /tmp/got
check "byte for byte" cmp /tmp/got /mnt/xfs/tenants
check "the second job ends as well" rdmaregctl release tenant:job.second/model
# a unit of the name that the next keeper would have, which does not end
systemd-run -q --collect --unit=rdmareg-keeper-1000-stuck-1 sleep 1000
stuck=$(as_tenant rdmaregctl --json register /mnt/xfs/tenants --session stuck) || not_ok "a unit that does not end locks the tenant out"
expect_equal "the next instance has the next number" active "$(systemctl is-active rdmareg-keeper-1000-stuck-2)"
check "under another id" [ "$(status "$(main_pid rdmareg-keeper-1000-stuck-2)" Uid)" != "$(status "$keeper" Uid)" ]
as_tenant rdmaregctl release "$(field id "$stuck")"
systemctl stop rdmareg-keeper-1000-stuck-1
# keepers are started a few at a time, and all get ready
for i in $(seq 8); do
	as_tenant rdmaregctl register /mnt/xfs/tenants --session "crowd$i" --json >"/tmp/crowd.$i" &
	crowd[i]=$!
done
started=0
for i in $(seq 8); do
	wait "${crowd[i]}" && started=$((started + 1))
done
expect_equal "eight keepers that are wanted at once get ready" 8 $started
systemctl stop 'rdmareg-keeper-1000-crowd*'
check "and end when they are stopped" wait_for no_crowd

# --- tenants do not see each other
zeroes /mnt/xfs/roots 1
root_id=$(field id "$(register /mnt/xfs/roots)")
expect_equal "root sees both regions" "[$id,$root_id]" "$(ids_of)"
expect_equal "the tenant sees its own" "[$id]" "$(ids_of as_tenant)"
expect_equal "nobody sees none" "[]" "$(ids_of as_nobody)"
expect_status 3 "root's region does not exist for the tenant" as_tenant rdmaregctl show "$root_id"
expect_status 3 "and cannot be released by it" as_tenant rdmaregctl release "$root_id"
expect_status 4 "a file that cannot be opened cannot be registered" as_nobody rdmaregctl register /mnt/xfs/tenants
expect_equal "two tenants, two keepers" 2 "$(keeper_pids | wc -l)"

# --- sessions that root creates for a user, as a scheduler does for jobs
session_path() { echo "/org/rdmareg/Registry1/session/1000_$1"; }
create_session() { manager_call CreateSession 'usa{sv}' 1000 "$@"; }
manager_call() { busctl --system call org.rdmareg.Registry1 /org/rdmareg/Registry1 org.rdmareg.Registry1.Manager "$@"; }
session_call() { busctl --system --timeout=60 call org.rdmareg.Registry1 "$(session_path "$1")" org.rdmareg.Registry1.Session "${@:2}"; }
session_value() { busctl --system get-property org.rdmareg.Registry1 "$(session_path "$1")" org.rdmareg.Registry1.Session "$2" | cut -d' ' -f2; }
session_slice='rdmareg-1000-job\x2d7.slice'
no_slice() { [ -z "$(systemctl list-units --all --no-legend --plain "${1:-rdmareg-1000-*.slice}")" ]; }
# eight_times COMMAND - COMMAND 1 to COMMAND 8, at once
eight_times() {
	local n pids=() failed=0
	for n in $(seq 8); do "$@" "$n" & pids+=($!); done
	for n in "${pids[@]}"; do wait "$n" || failed=1; done
	return $failed
}
create_one() { create_session "array$1" 0; }
register_array() { as_tenant rdmaregctl register /mnt/xfs/tenants --session "array$1" >/dev/null; }
release_one() { session_call "array$1" Release 'a{sv}' 0; }
check "a session is created, with a limit of its memory" create_session job-7 1 MaxMemory t $((256 * MIB))
check "which the same call again does not change" create_session job-7 1 MaxMemory t $((256 * MIB))
check "and another one is refused" sh -c "! busctl --system call org.rdmareg.Registry1 /org/rdmareg/Registry1 org.rdmareg.Registry1.Manager CreateSession 'usa{sv}' 1000 job-7 0"
expect_equal "it has a slice" active "$(systemctl is-active "$session_slice")"
expect_equal "with that limit" $((256 * MIB)) "$(unit "$session_slice" MemoryMax)"
check "its user may not release it" sh -c "! setpriv --reuid=tenant --regid=tenant --init-groups busctl --system call org.rdmareg.Registry1 $(session_path job_2d7) org.rdmareg.Registry1.Session Release 'a{sv}' 0"
r=$(as_tenant rdmaregctl --json register /mnt/xfs/tenants --session job-7 --access rw) || not_ok "its user registers in it"
expect_equal "the keeper is in the session's slice" "$session_slice" "$(unit "rdmareg-keeper-1000-job-7-1.service" Slice)"
check "whose memory shows" [ "$(session_value job_2d7 MemoryCurrent)" -gt 0 ]
expect_equal "the limit shows, too" $((256 * MIB)) "$(session_value job_2d7 MaxMemory)"
truncate -s 1G /dev/shm/large
chown tenant: /dev/shm/large
check "more memory than the session has is refused" sh -c '! setpriv --reuid=tenant --regid=tenant --init-groups rdmaregctl register /dev/shm/large --session job-7 2>/run/large.log'
check "in words" grep -q MemoryMax /run/large.log
expect_equal "and nobody is killed" active "$(systemctl is-active rdmareg-keeper-1000-job-7-1.service)"
check "the limit is raised" session_call job_2d7 SetLimits 'a{sv}' 1 MaxMemory t $((1200 * MIB))
expect_equal "of the slice" $((1200 * MIB)) "$(unit "$session_slice" MemoryMax)"
check "a slice of an ended session is left by an earlier daemon" busctl --system call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
	org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' rdmareg-1000-left.slice replace 1 \
	Description s "Memory registered for RDMA, of one session" 0
check "the daemon is restarted" systemctl restart rdmaregd
expect_equal "the session is there, with its region" 1 "$(session_value job_2d7 Regions)"
expect_equal "with its limit" $((1200 * MIB)) "$(unit "$session_slice" MemoryMax)"
check "the slice that was left goes" wait_for no_slice rdmareg-1000-left.slice
rm /dev/shm/large
check "it is released" session_call job_2d7 Release 'a{sv}' 1 GraceUSec t 0
check "with its region" region_gone "$(field id "$r")"
check "and its slice" wait_for no_slice
check "eight sessions are created at once" eight_times create_one
check "and registered in" eight_times register_array
expect_equal "each has a keeper" 8 "$(systemctl list-units --state=running --no-legend --plain 'rdmareg-keeper-1000-array*' | wc -l)"
check "and released" eight_times release_one
check "their slices go" wait_for no_slice
no_array() { [ -z "$(systemctl list-units --all --no-legend --plain 'rdmareg-keeper-1000-array*')" ]; }
check "their keepers, too" no_array

# --- a holder that is frozen, as a suspended job is
frozen=$(field id "$(as_tenant rdmaregctl --json register /mnt/xfs/tenants --grace 10s)")
systemd-run -q --collect --unit=frozen-holder --uid=tenant rdmaregctl join "$frozen" --ignore-revocations
check "somebody joins a region" wait_for region_is "$frozen" clients 1
check "and is frozen" systemctl freeze frozen-holder
check "the region is released" as_tenant rdmaregctl release "$frozen"
check "and the frozen one not waited for" wait_for journal_has rdmaregd "is frozen and cannot answer"
systemctl thaw frozen-holder
systemctl stop frozen-holder 2>/dev/null

# --- the daemon comes and goes
before=$(rdmaregctl --json list | jq -c 'map({id, path, rkey, ticket, uid})')
keepers=$(keeper_pids | sort)
same_regions() { [ "$(rdmaregctl --json list | jq -c 'map({id, path, rkey, ticket, uid})')" = "$before" ]; }
same_keepers() { [ "$(keeper_pids | sort)" = "$keepers" ]; }
start_peer /tmp/peer.log rdmaregctl put /tmp/got "$ticket" --repeat forever
peer_runs() { kill -0 "$PEER"; }
wait_for region_is "$id" peers 1

check "restart" systemctl restart rdmaregd
check "restart: the same regions" same_regions
check "restart: the same keepers" same_keepers
check "restart: the peer goes on" peer_runs

n=$(unit rdmaregd NRestarts)
systemctl kill -s KILL --kill-whom=main rdmaregd
check "killed: it is started again" wait_for restarted_since "$n"
check "killed: the same regions" same_regions
check "killed: the same keepers" same_keepers

# More often than the service manager's own limit has it, some while they start: it comes back every time.
last=$(main_pid rdmaregd)
main_pid_is_new() { [ "$(main_pid rdmaregd)" != 0 ] && [ "$(main_pid rdmaregd)" != "$last" ]; }
for _ in 1 2 3 4 5 6; do
	kill -KILL "$last"
	wait_for main_pid_is_new || break
	last=$(main_pid rdmaregd)
done
check "killed again and again: it is started again" wait_for bus_has_owner "$RDMAREG_BUS_NAME"
check "killed again and again: the same regions" same_regions

mkdir -p $DROPINS
printf '[Service]\nWatchdogSec=5s\n' >$DROPINS/watchdog.conf
expect_equal "the watchdog is on" 30s "$(unit rdmaregd WatchdogUSec)"
systemctl daemon-reload
systemctl restart rdmaregd
n=$(unit rdmaregd NRestarts)
kill -STOP "$(main_pid rdmaregd)"
WAIT_SEC=60 check "hung: the watchdog has it started again" wait_for restarted_since "$n"
check "hung: the same regions" same_regions
check "hung: the peer goes on" peer_runs

check "stop" systemctl stop rdmaregd
check "stop: the same keepers" same_keepers
check "stop: the peer goes on" peer_runs
check "stop: a new peer gets in with its ticket" on_b rdmaregctl get "$ticket" /tmp/again
expect_equal "stop: nobody has started it for that" inactive "$(systemctl is-active rdmaregd)"
check "and the next call brings all regions back" same_regions

# --- settings
printf '[limits]\nregions_per_tenant = many\n' >>$CONF
check "a reload with an error fails" bash -c '! systemctl reload rdmaregd 2>/dev/null'
check "and names file and line" wait_for journal_has rdmaregd "$CONF:5"
check "so does one that is refused by the daemon" bash -c "! rdmaregctl reload 2>/run/refusal; grep -q '$CONF:5' /run/refusal"
check "and the daemon goes on" systemctl is-active rdmaregd
check "and changes nothing" manager_is MaxRegionsPerTenant "u 1024"
sed -i 's/many/7/' $CONF
check "a reload succeeds when the settings are right" systemctl reload rdmaregd
check "and has changed them when it returns" manager_is MaxRegionsPerTenant "u 7"

# --- the end
kill "$PEER"
wait "$PEER" 2>/dev/null
# pre-content events from within the sandbox, in a process of their own
zeroes /mnt/ext4/held 4
held=$(rdmaregctl --json register /mnt/ext4/held --policy hold)
expect_equal "hold under systemd: it refuses" true "$(field refuses "$held")"
check "hold: truncate fails" sh -c '! truncate -s 1M /mnt/ext4/held 2>/dev/null'
check "hold: a tenant that neither owns the file nor is authorized may not" bash -c \
	'chmod 666 /mnt/ext4/held; ! setpriv --reuid=nobody --clear-groups rdmaregctl register /mnt/ext4/held --policy hold 2>/dev/null'
check "hold: an ordinary user reads it" as_nobody timeout 30 dd if=/mnt/ext4/held of=/dev/null bs=64k status=none
check "hold: and writes it" as_nobody timeout 30 dd if=/dev/zero of=/mnt/ext4/held bs=64k count=1 conv=notrunc status=none
check "hold: its truncate fails, too" bash -c '! setpriv --reuid=nobody --clear-groups truncate -s 1M /mnt/ext4/held 2>/dev/null'
# an ordinary user's file that nobody else may read; nobody acknowledges, so what is taken for a demand waits
zeroes /mnt/ext4/own 4
chown tenant: /mnt/ext4/own
chmod 600 /mnt/ext4/own
own=$(as_tenant rdmaregctl --json register /mnt/ext4/own --access rw --arbitration pre-content --grace 10s) ||
	not_ok "a tenant has its own file of mode 0600 guarded"
own_id=$(field id "$own")
expect_equal "own file: mode" pre-content "$(field arbitration_mode "$own")"
expect_equal "own file: nothing is missing" "" "$(field degraded "$own")"
setpriv --reuid=tenant --regid=tenant --init-groups rdmaregctl join "$own_id" --ignore-revocations >/dev/null 2>&1 &
join=$!
wait_for region_is "$own_id" clients 1
check "own file: its owner's read and write ask nobody" as_tenant timeout 8 sh -c \
	"dd if=/mnt/ext4/own of=/dev/null bs=64k status=none && dd if=/dev/zero of=/mnt/ext4/own bs=64k count=1 conv=notrunc status=none"
as_tenant timeout 60 truncate -s 1M /mnt/ext4/own &
waiting=$!
check "own file: its owner's truncate does" wait_for region_is "$own_id" state draining
kill $join
wait $join 2>/dev/null
wait $waiting && ok "own file: and goes on when nobody is left to ask" || not_ok "own file: the truncate goes on"
check "own file: release" as_tenant rdmaregctl release "$own_id"
setpriv --reuid=tenant --regid=tenant --init-groups sh -c 'exec 3<>/mnt/ext4/own; exec sleep 1000' &
writer=$!
wait_for test -e "/proc/$writer/fd/3"
own=$(as_tenant rdmaregctl --json register /mnt/ext4/own --access rw --arbitration pre-content)
check "own file: a writer of an ordinary user from before is named" grep -q "process $writer" <<<"$(field degraded "$own")"
kill $writer
wait $writer 2>/dev/null
check "own file: release" as_tenant rdmaregctl release "$(field id "$own")"
gate=$(pgrep -x rdmareg-gate)
expect_equal "the gate is a process of the daemon's unit" "$(cat "/proc/$(main_pid rdmaregd)/cgroup")" "$(cat "/proc/$gate/cgroup")"
expect_equal "with its capabilities" "$(status "$(main_pid rdmaregd)" CapEff)" "$(status "$gate" CapEff)"
stopped=$(main_pid rdmaregd)
kill -STOP "$stopped"
check "hold: with the daemon stopped a reader goes on" as_nobody timeout 20 dd if=/mnt/ext4/held of=/dev/null bs=4k count=1 status=none
check "hold: and truncate fails" sh -c '! timeout 20 truncate -s 1M /mnt/ext4/held 2>/dev/null'
kill -CONT "$stopped"
kill -KILL "$gate"
gate_is_new() { [ -n "$(pgrep -x rdmareg-gate)" ] && [ "$(pgrep -x rdmareg-gate)" != "$gate" ]; }
check "hold: a gate that is killed is started anew" wait_for gate_is_new
check "hold: which is said" wait_for journal_has rdmaregd "rdmareg-gate (process $gate) was killed"
check "hold: the new one refuses again" wait_for region_is "$(field id "$held")" refuses true
check "hold: truncate fails again" sh -c '! truncate -s 1M /mnt/ext4/held 2>/dev/null'
systemctl kill -s KILL --kill-whom=main rdmaregd
daemon_is_new() { [ "$(main_pid rdmaregd)" != 0 ] && [ "$(main_pid rdmaregd)" != "$stopped" ]; }
check "hold: the daemon is killed, and started anew" wait_for daemon_is_new
check "hold: the new one's gate refuses again" wait_for region_is "$(field id "$held")" refuses true
check "hold: release" rdmaregctl release "$(field id "$held")"

# --- a tenant's file whose server falls silent (it answers the bus, which closes descriptors, too)
mkdir -p /mnt/silent
"$RDMAREG_TESTS/silent-fs" /mnt/silent &
silent=$!
wait_for test -e /mnt/silent/file
stuck=$(main_pid rdmaregd)
kill -USR1 $silent
check "silent file: it may take twenty seconds to examine" sh -c "sed -i 's/^timeout_msec = .*/timeout_msec = 20000/' $CONF && systemctl reload rdmaregd"
setpriv --reuid=tenant --regid=tenant --init-groups rdmaregctl register /mnt/silent/file --access rw --arbitration pre-content \
	>/run/register.log 2>&1 &
registering=$!
a_thread_sleeps() { cat "/proc/$stuck"/task/*/stack | grep -q fuse_; }
check "silent file: a thread of the daemon waits for its server" wait_for a_thread_sleeps
check "silent file: others list" as_nobody timeout 20 rdmaregctl list
check "silent file: and register" timeout 60 rdmaregctl register /mnt/xfs/roots
check "silent file: its user lists" as_tenant timeout 20 rdmaregctl list
wait $registering && not_ok "silent file: it is not registered" || ok "silent file: it is not registered"
check "silent file: for a reason" grep -q "has not answered within .*; nothing was registered" /run/register.log
sed -i 's/^timeout_msec = .*/timeout_msec = 300000/' $CONF
kill -KILL "$stuck"
all_threads_killed() { ! grep -L "^SigPnd:.*[1-9a-f]..$" "/proc/$stuck"/task/*/status | xargs grep -L "^State:.Z" | grep -q .; }
check "silent file: the daemon is killed" wait_for all_threads_killed
check "silent file: and cannot end" kill -0 "$stuck"
check "silent file: another one is started" timeout 120 systemctl restart rdmaregd
check "silent file: which serves, while the first one sleeps on" sh -c "timeout 20 rdmaregctl list && kill -0 $stuck"
check "silent file: and has all regions" region_is "$id" state live
kill $silent
check "silent file: the first one ends with the server" wait_for gone "$stuck"
check "silent file: the other goes on" as_tenant timeout 20 rdmaregctl list
umount /mnt/silent
rdmaregctl --json list | jq -r '.[] | select(.path == "/mnt/xfs/roots") | .id' | while read -r n; do
	[ "$n" = "$root_id" ] || rdmaregctl release "$n"
done

check "the tenant releases its region" as_tenant rdmaregctl release "$id"
check "root releases the other" rdmaregctl release "$root_id"
check "idle keepers end, and their units with them" wait_for nothing_left
expect_equal "no unit is left or failed" "" "$(systemctl list-units --all --no-legend --plain 'rdmareg-keeper-*')"

# --- standing regions; a reboot is here that keepers, daemon and runtime directory are gone
zeroes /mnt/xfs/standing 4 && chown tenant: /mnt/xfs/standing && chmod 600 /mnt/xfs/standing
check "standing: a tenant registers" as_tenant rdmaregctl register /mnt/xfs/standing --standing --name model
# the example's unit, which a boot would start when it starts the daemon, for this user and this file
sed 's|^User=.*|User=tenant|; s|TICKET=.*|TICKET=/run/tickets/model|' /usr/share/doc/rdmareg/examples/standing-ticket.service \
	>/run/systemd/system/standing-ticket.service
check "standing: systemd accepts the example's unit" systemd-analyze verify --man=no standing-ticket.service
install -d -o tenant /run/tickets
gone_as_after_a_reboot() {
	systemctl stop rdmaregd 'rdmareg-keeper-*' 'rdmareg-standing@*'
	rm -rf "${RDMAREG_RUNDIR:?}"/*
	$1
	systemctl start rdmaregd
	systemctl start --no-block standing-ticket
}
is_there() { as_tenant rdmaregctl --json show default/model >/run/standing.json 2>/dev/null; }
gone_as_after_a_reboot true
check "standing: it is made again" wait_for is_there
check "standing: by the tenant's own unit" wait_for journal_has rdmareg-standing@1000 "default/model: region "
expect_equal "standing: in the tenant's keeper" "rdmareg-1000.slice" "$(unit "$(rdmaregctl --json keeper list --uid tenant | jq -r '.[0].unit')" Slice)"
noise /tmp/part 1
check "standing: the example's unit makes a ticket" wait_for test -s /run/tickets/model
expect_equal "standing: for its user alone" "tenant 600" "$(stat -c '%U %a' /run/tickets/model)"
check "standing: with it a peer writes" on_b rdmaregctl put /tmp/part @/run/tickets/model
expect_equal "standing: into the file" "$(sha256sum </tmp/part)" "$(head -c $MIB /mnt/xfs/standing | sha256sum)"
other_file() { cp -p /mnt/xfs/standing /mnt/xfs/other && mv /mnt/xfs/other /mnt/xfs/standing; }
gone_as_after_a_reboot other_file
check "standing: another file is not registered" wait_for journal_has rdmaregd "/mnt/xfs/standing is not the file that was registered as 'model'"
check "standing: and it is said in the status" grep -q "standing regions are not there" <(rdmaregctl status)
check "standing: and with what to do" bash -c 'journalctl --update-catalog && journalctl -q -b -x -u rdmaregd | grep -q "rdmaregctl standing list"'
check "standing: it is not there" bash -c '! rdmaregctl show tenant:default/model'
check "standing: taken off" as_tenant rdmaregctl standing remove default/model
expect_equal "standing: no record is left" "" "$(ls /var/lib/rdmareg/standing)"
systemctl stop 'rdmareg-standing@*' standing-ticket && systemctl reset-failed
rm /run/systemd/system/standing-ticket.service

# --- keepers that the daemon starts itself, with the drop-in as rdmaregd.conf(5) has it
mkdir -p $DROPINS
sed -n '/^\[Service\]/,/^\.fi/p' /usr/share/man/man5/rdmaregd.conf.5 | sed '/^\./d; s/\\//g' >$DROPINS/direct.conf
printf '[keepers]\nspawn = direct\nidle_exit_sec = 2\n' >$CONF
systemctl daemon-reload
check "direct: the daemon starts with the drop-in" systemctl restart rdmaregd
noise /tmp/part 1
r=$(as_tenant rdmaregctl --json register /mnt/xfs/tenants --access rw --export)
id=$(field id "$r")
expect_equal "direct: a region is live, and its keeper has the module's device" "live layout-lease" "$(field state "$r") $(field arbitration_mode "$r")"
check "direct: and the adapter: a peer writes" on_b rdmaregctl put /tmp/part "$(field ticket "$r")"
keeper=$(pgrep -x rdmareg-keeper)
expect_equal "direct: the keeper runs under an id of keeper_uids" 1 "$(($(status "$keeper" Uid) >= 60706 && $(status "$keeper" Uid) <= 61183))"
expect_equal "direct: without capabilities" 0000000000000000 "$(status "$keeper" CapEff)"
check "direct: the daemon is restarted" systemctl restart rdmaregd
check "direct: the region stays" region_is "$id" state live
check "direct: and is served" on_b rdmaregctl put /tmp/part "$(field ticket "$r")"
check "direct: release" as_tenant rdmaregctl release "$id"
check "direct: the keeper ends" wait_for no_process rdmareg-keeper
finish
