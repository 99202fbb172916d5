#!/bin/bash
# tests/vm/10-service.sh - the units: start, status, reload, watchdog; and what the daemon refuses.

. "$(dirname "$0")/machine.sh"

field() {
        sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

starts() {
        local main engine uid
        t_eq "$(systemctl show --value --property=Type tenantq)" notify Type
        t_eq "$(systemctl is-active tenantq tenantq-jobs | sort -u)" active state
        t_eq "$(systemctl show --value --property=StatusText tenantq)" "0 running, 0 waiting, 0 tenants" STATUS
        t_eq "$(systemctl show --value --property=WatchdogUSec tenantq)" 30s WatchdogUSec
        t_eq "$(systemctl show --value --property=NRestarts tenantq)" 0 NRestarts
        main=$(v_main_pid)
        engine=$(v_engine_pid)
        uid=$(id -u tenantq)
        t_eq "$(cut -d: -f3 "/proc/$main/cgroup")" /tenantq.slice/tenantq.service "tenantqd's cgroup"
        # No process in an inner node of the delegated tree.
        t_eq "$(cat "$V_JOBS/cgroup.procs")" "" "processes in tenantq-jobs.service"
        t_eq "$(cat "$V_JOBS/holder/cgroup.procs")" "$(systemctl show --value --property=MainPID tenantq-jobs)" holder
        # The engine: no privilege at all, and a filter.
        t_eq "$(field "$engine" Uid | tr '\t' ' ')" "$uid $uid $uid $uid" "the engine's uid"
        t_eq "$(field "$engine" CapPrm)$(field "$engine" CapBnd)" 00000000000000000000000000000000 "its capabilities"
        t_eq "$(field "$engine" NoNewPrivs) $(field "$engine" Seccomp)" "1 2" "its no_new_privs and filter"
}

units_are_clean() {
        t_eq "$(systemd-analyze verify --man=no /usr/lib/systemd/system/tenantq{.service,-jobs.service,.slice} 2>&1)" "" verify
}

has_status() {
        [ "$(systemctl show --value --property=StatusText tenantq)" = "$1" ]
}

directory_is_a_tenant() {
        useradd --create-home acme
        install -d -o acme -m 0700 "$V_SPOOL/acme"
        t_wait 10 v_is_ready acme
        t_eq "$(cat "$V_JOBS/acme.slice/cpu.max")" "100000 100000" "[defaults] cpu"
        t_eq "$(cat "$V_JOBS/acme.slice/memory.max")" 1073741824 "[defaults] memory"
}

job_is_in_its_slice() {
        local out number
        # It sees its own cgroup as the root of all.
        out=$(tenantqctl run -t acme --wait -- /bin/sh -c 'cat /proc/self/cgroup; id -un; exec /bin/true')
        t_eq "$out" "0::/
acme" "the job's output"
        number=$(tenantqctl run -t acme -- /bin/sleep 60)
        t_wait 5 grep -q . "$V_JOBS/acme.slice/$number.1.job/cgroup.procs"
        tenantqctl cancel "$number"
        tenantqctl wait "$number" || :
        # Counted where nothing runs, so within the second that the status line may lag.
        t_wait 5 has_status "0 running, 0 waiting, 1 tenants"
}

has_ended() {
        tenantqctl ps -a | grep " $1 .* $2\$"
}

dropped_file_runs() {
        printf '[Job]\nName=dropped\nExecStart=/bin/sh -c "exit 7"\n' >/tmp/dropped.job
        cp /tmp/dropped.job "$V_SPOOL/acme/"
        t_wait 10 has_ended dropped "exit 7"
        [ ! -e "$V_SPOOL/acme/dropped.job" ] || t_fail "the file is still there"
}

prints_json() {
        local what
        for what in tenants "ps -a" "limits get acme" "status 1"; do
                # shellcheck disable=SC2086 # words
                tenantqctl --json $what | python3 -c 'import json, sys; assert "schema" in json.load(sys.stdin)'
        done
}

reloads() {
        printf '[limits]\nmemory=300M\nconcurrency=3\n' >"$V_CONF/tenants.d/acme.conf"
        systemctl reload tenantq
        t_wait 10 grep -qx 314572800 "$V_JOBS/acme.slice/memory.max"
        tenantqctl limits get acme | grep -E '^concurrency +- +3 +file'
        # What can't be understood changes nothing.
        printf '[limits]\nmemory=400M\nmemroy_high=1G\n' >"$V_CONF/tenants.d/acme.conf"
        ! tenantqctl reload 2>/tmp/refusal || t_fail "reload of a bad file succeeded"
        grep -F 'acme.conf:3: memroy_high: unknown' /tmp/refusal
        grep -F 'old configuration stays' /tmp/refusal
        t_eq "$(cat "$V_JOBS/acme.slice/memory.max")" 314572800 "memory.max after a refused reload"
        rm "$V_CONF/tenants.d/acme.conf"
        tenantqctl reload
        t_wait 10 grep -qx 1073741824 "$V_JOBS/acme.slice/memory.max"
}

# entries FIELD=VALUE…: what the journal has of these, since the machine's start.
entries() {
        journalctl --sync
        journalctl -b -q -o cat -u tenantq "$@"
}

has_entry() {
        [ -n "$(entries "$@")" ]
}

# What both daemons say has fields, not only words: the engine too, under its filter.
journal_has_fields() {
        install -d -o root -m 0700 "$V_SPOOL/rootly"
        t_wait 10 has_entry MESSAGE_ID=705c6ad43e194d08990fc68ad8fce980 TENANTQ_TENANT=rootly
        rmdir "$V_SPOOL/rootly"
        t_match "$(entries MESSAGE_ID=d446b3b0a2464c7fa0549d604ec471e7)" ready "the entry of the start"
        date -s "$(date)" >/dev/null
        t_wait 10 has_entry _TRANSPORT=journal _COMM=tenantq-engine
        t_match "$(entries _TRANSPORT=journal _COMM=tenantq-engine)" 'clock of the day was set' "the engine's entry"
        t_eq "$(entries _TRANSPORT=stdout)" "" "lines that went by standard error"
}

# refuses ASSIGNMENT… -- TEXT…: the message holds each TEXT, and nothing is changed.
refuses() {
        local -a assignments=()
        local before after status=0
        while [ "$1" != -- ]; do
                assignments+=("$1")
                shift
        done
        shift
        before=$(v_attrs "$V_JOBS/acme.slice" && tenantqctl limits get acme)
        tenantqctl limits set acme "${assignments[@]}" 2>/tmp/refusal || status=$?
        t_eq "$status" 3 "exit status of: limits set acme ${assignments[*]}"
        for text in "$@" "nothing was changed"; do
                grep -F -- "$text" /tmp/refusal || t_fail "no '$text' in: $(cat /tmp/refusal)"
        done
        after=$(v_attrs "$V_JOBS/acme.slice" && tenantqctl limits get acme)
        t_eq "$after" "$before" "the slice after a refused change"
}

unenforceable_limits() {
        local disk
        disk=$(mountpoint --fs-devno /)
        refuses io_weight=50 -- io_weight "$disk" io.cost.qos
        refuses io_read@/dev/nope=1M -- /dev/nope
        refuses io_read@/dev/null=1M -- /dev/null "not a block device"
        # All or nothing: the first would have been possible.
        refuses cpu=0.7 pids=99 io_write@240:7=1M -- 240:7
        refuses cpu=0.7 cpus=400 -- cpu
        refuses cpu_burst=10ms -- cpu_burst "not enforced"
}

weight_with_io_cost() {
        local disk
        disk=$(mountpoint --fs-devno /)
        echo "$disk enable=1" >/sys/fs/cgroup/io.cost.qos
        tenantqctl limits set acme io_weight=50 | grep -E 'io_weight unset -> 50 .*kernel: default 50$'
        t_eq "$(head -n 1 "$V_JOBS/acme.slice/io.weight")" "default 50" io.weight
        tenantqctl limits unset acme io_weight
        t_eq "$(head -n 1 "$V_JOBS/acme.slice/io.weight")" "default 100" "io.weight, unset"
        echo "$disk enable=0" >/sys/fs/cgroup/io.cost.qos
}

has_restarted() {
        [ "$(systemctl show --value --property=NRestarts tenantq)" -ge 1 ] && v_answers
}

# An engine that hangs: systemd ends both and starts them again, and the job doesn't notice.
watchdog_bites() {
        local job pids
        v_drop_in tenantq.service '[Service]' WatchdogSec=5
        systemctl restart tenantq
        job=$(v_run acme -- /bin/sh -c 'sleep 1000; exit 1')
        pids=$(sort -n "$(v_leaf acme "$job")/cgroup.procs")
        kill -STOP "$(v_engine_pid)"
        t_wait 30 has_restarted
        v_log "Watchdog timeout"
        t_eq "$(sort -n "$(v_leaf acme "$job")/cgroup.procs")" "$pids" "the job's processes"
        t_eq "$(v_state "$job")" running "its state"
        tenantqctl cancel "$job"
        t_eq "$(v_verdict "$job")" cancelled verdict
}

# Stopping the holder's unit ends all jobs; stopping tenantq none.
stopping() {
        local job leaf
        job=$(v_run acme -- /bin/sleep 1000)
        leaf=$(v_leaf acme "$job")
        systemctl stop tenantq
        t_eq "$(systemctl is-active tenantq-jobs)" active tenantq-jobs
        grep -qx 'populated 1' "$leaf/cgroup.events"
        systemctl stop tenantq-jobs
        [ ! -e "$leaf" ] || t_fail "the job outlived tenantq-jobs.service"
        systemctl start tenantq
        # systemd's SIGTERM; the record was written while no supervisor ran.
        t_eq "$(v_verdict "$job")" "signal 15 (TERM)" verdict
}

# Without a controller that is required: no start, and a word about it.
missing_controller() {
        v_clean
        v_drop_in tenantq-jobs.service '[Service]' Delegate= "Delegate=cpu memory pids"
        ! systemctl start tenantq || t_fail "started without the io controller"
        systemctl stop tenantq
        v_log 'controller "io" is not available in'
        # Taken out of the requirement, it starts, and refuses the limits that need it.
        sed -i 's/^\[host\]$/&\nrequired_controllers=cpu memory pids/' "$V_CONF/tenantq.conf"
        systemctl reset-failed tenantq || true
        systemctl start tenantq
        v_tenant acme
        refuses_without_io io_write=1M io
        refuses_without_io io_read@/dev/vda=1M io
        refuses_without_io cpus=0 cpuset
        tenantqctl limits set acme memory=100M >/dev/null
        t_eq "$(cat "$V_JOBS/acme.slice/memory.max")" 104857600 memory.max
}

refuses_without_io() {
        local status=0
        tenantqctl limits set acme "$1" 2>/tmp/refusal || status=$?
        t_eq "$status" 3 "exit status of: limits set acme $1"
        grep -F "controller \"$2\" is not available" /tmp/refusal
        grep -F "${1%%[=@]*}" /tmp/refusal
}

# By the daemon's own configuration, as the manual prints it.
ends_tenants() {
        v_tenant former
        tenantqctl run -t former -w -- true
        t_eq "$(tenantqctl tenant rename -m 'new name' former renamed)" "former: called renamed now"
        id -u chowned >/dev/null 2>&1 || useradd --no-create-home chowned
        t_eq "$(tenantqctl tenant chown renamed chowned)" "renamed: user chowned's now"
        t_eq "$(tenantqctl tenant remove renamed)" "renamed: removed"
        [ ! -e "$V_SPOOL/renamed" ] || t_fail "its directory is there"
}

v_clean
t_case "systemctl start: ready, with its status and privileges as they should be" eval 'systemctl start tenantq; starts'
t_case "systemd-analyze verify has nothing to say" units_are_clean
t_case "a directory that appears is a tenant with the defaults" directory_is_a_tenant
t_case "a job runs in its tenant's slice, as its user" job_is_in_its_slice
t_case "a dropped file runs" dropped_file_runs
t_case "--json is JSON" prints_json
t_case "systemctl reload, and a refused reload" reloads
t_case "the journal's entries have fields and ids" journal_has_fields
t_case "limits that can't be enforced are refused by name, and nothing is changed" unenforceable_limits
t_case "io_weight with io.cost" weight_with_io_cost
t_case "the watchdog ends an engine that hangs, and no job" watchdog_bites
t_case "another name, another owner, and the end of a tenant" ends_tenants
t_case "stopping tenantq leaves jobs alone, stopping tenantq-jobs ends them" stopping
t_case "a required controller that is missing" missing_controller
v_clean
t_summary
