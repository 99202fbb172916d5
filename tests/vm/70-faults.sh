#!/bin/bash
# What needs users that come and go, a root that runs jobs, a clock that is set, and the kernel's own limits.

. "$(dirname "$0")/machine.sh"

SLICE=$V_JOBS/acme.slice

fault_is() {
        [[ "$(tenantqctl tenants | awk -v t="$1" '$1 == t')" =~ $2 ]]
}

# A user is deleted, and its number given to somebody else (T109, T111).
deleted_user() {
        local uid secret waits
        v_tenant leaver
        uid=$(id -u leaver)
        secret=$(tenantqctl run -t leaver -- echo secret-of-leaver)
        t_eq "$(v_verdict "$secret")" "exit 0"
        tenantqctl pause leaver >/dev/null
        waits=$(tenantqctl run -t leaver -- echo waits)
        userdel leaver
        t_wait 10 fault_is leaver 'does not exist any more'
        t_match "$(tenantqctl status leaver)" 'does not exist any more' "what status says"
        tenantqctl resume leaver >/dev/null
        sleep 1
        t_eq "$(v_state "$waits")" queued "a job of a user that is deleted"
        # What lies in the directory isn't the next one's.
        printf '[Job]\nExecStart=/usr/bin/id\n' >/var/tmp/left.job
        chown "$uid" /var/tmp/left.job
        mv /var/tmp/left.job "$V_SPOOL/leaver/"
        useradd --no-create-home --shell /usr/sbin/nologin --uid "$uid" comer
        t_wait 10 fault_is leaver 'is comer now'
        [ -e "$V_SPOOL/leaver/left.job" ] || t_fail "the file of the deleted user was taken"
        t_eq "$(v_state "$waits")" queued "a job of the number's former user"
        t_match "$(setpriv --reuid "$uid" --clear-groups tenantqctl ps -a 2>&1 || true)" "neither root" "ps of the new user"
        ! setpriv --reuid "$uid" --clear-groups tenantqctl logs "$secret" 2>/dev/null || t_fail "the new user reads the output"
        ! setpriv --reuid "$uid" --clear-groups cat "/var/log/tenantq/leaver/$secret.1.out" 2>/dev/null ||
                t_fail "the new user reads the file"
        userdel comer
        useradd --no-create-home --shell /usr/sbin/nologin --uid "$uid" leaver
        t_eq "$(v_verdict "$waits")" "exit 0" "the job of the user that is back"
        tenantqctl logs "$secret" | grep -qx secret-of-leaver
}

# Groups that change are there at the next launch, however many (T115).
groups_at_the_launch() {
        local i
        v_tenant acme
        for i in {1..100}; do
                echo "many$i:x:$((62000 + i)):acme"
        done >>/etc/group
        t_wait 10 has_groups 101
        sed -i '/^many/d' /etc/group
        # As many as there may be (setgroups(2)), and one more.
        cp /etc/group /etc/group.before
        seq 1 65535 | awk '{ printf "many%d:x:%d:acme\n", $1, 100000 + $1 }' >>/etc/group
        t_wait 20 has_groups 65536
        echo "many65536:x:165536:acme" >>/etc/group
        t_wait 20 tells_of_groups
        mv /etc/group.before /etc/group
        t_wait 10 has_groups 1
}

tells_of_groups() {
        tenantqctl run -t acme -- true >/dev/null
        tenantqctl tenants | grep -q 'acme .*groups'
}

has_groups() {
        [ "$(tenantqctl run -t acme -w -- id -G 2>/dev/null | wc -w)" -eq "$1" ]
}

# A limit is the payload's (T113).
small_limits() {
        local job
        t_eq "$(v_verdict "$(tenantqctl run -t acme -l pids=1 -- /bin/true)")" "exit 0" "pids=1"
        # Either it fits besides the watcher, or that is its verdict; it is never begun again.
        job=$(tenantqctl run -t acme -l memory=4K -- /bin/true)
        t_match "$(v_verdict "$job")" '^(exit 0|oom \(job\))$' "memory=4K"
        t_none launch-failed "launches that failed" tenantqctl events
        tenantqctl limits set acme memory=1M pids=2 >/dev/null
        job=$(tenantqctl run -t acme -- /bin/true)
        t_match "$(v_verdict "$job")" '^(exit 0|oom .*)$' "the smallest tenant's job"
        tenantqctl limits unset acme memory pids >/dev/null
}

# What is accepted loads (T102).
many_devices() {
        local i before refused=0
        local devices=(/dev/vda /dev/vdb /dev/vdc)
        for i in {0..11}; do
                key=$(cut -d' ' -f$((i % 4 + 1)) <<<"io_read io_write io_riops io_wiops")@${devices[i / 4]}
                tenantqctl limits set acme "$key=$((i + 1))M" >>/tmp/set 2>/tmp/refused || {
                        refused=$((refused + 1))
                        t_match "$(cat /tmp/refused)" '8 .*@' "the refusal"
                }
        done
        t_eq "$refused" 4 "refused of twelve"
        before=$(tenantqctl export)
        systemctl restart tenantq
        t_wait 20 v_is_ready acme
        t_eq "$(tenantqctl export)" "$before" "after a restart"
        t_eq "$(tenantqctl run -t acme -w -- echo runs 2>/dev/null)" runs
        for ((i = 0; i < 12; i++)); do
                key=$(cut -d' ' -f$((i % 4 + 1)) <<<"io_read io_write io_riops io_wiops")@${devices[i / 4]}
                tenantqctl limits unset acme "$key" >/dev/null 2>&1 || true
        done
}

# The kernel's bounds are in the table (T115).
bounds_of_io() {
        local refusal
        for value in io_write=1 io_riops=4294967295 io_riops=1; do
                ! refusal=$(tenantqctl limits set acme "$value" 2>&1) || t_fail "$value is accepted: $refusal"
                t_match "$refusal" "${value%%=*}" "the error of $value"
        done
        tenantqctl limits set acme io_riops=4294967294 io_write=2 >/dev/null
        t_match "$(cat "$SLICE/io.max")" 'wbps=2 riops=4294967294' io.max
        tenantqctl limits unset acme io_riops io_write >/dev/null
}

# Root's jobs are jobs (T110).
root_jobs() {
        local job leaf out
        printf '[tenant]\nallow_root=yes\n' >"$V_CONF/tenants.d/rooty.conf"
        tenantqctl reload
        install -d -m 0700 "$V_SPOOL/rooty"
        t_wait 10 v_is_ready rooty
        tenantqctl limits set rooty memory=300M concurrency=2 >/dev/null
        # shellcheck disable=SC2016 # the job's shell expands it
        out=$(tenantqctl run -t rooty -w -- sh -c '
                own=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
                for what in "echo max >$own/memory.max" "echo max >$own/../memory.max" "mkdir $own/below" \
                        "echo 0 >$own/../cgroup.procs" "echo $$ >/sys/fs/cgroup/cgroup.procs" \
                        "umount /sys/fs/cgroup" "mount -o remount,rw /sys/fs/cgroup" \
                        "mkdir /tmp/cg && mount -t cgroup2 none /tmp/cg && echo $$ >/tmp/cg/cgroup.procs" \
                        "nsenter -t 1 -m true" "echo max >/proc/1/root$own/memory.max"; do
                        if (eval "$what") 2>/dev/null; then echo "done: $what"; fi
                done
                echo end' 2>/dev/null)
        t_eq "$out" end "what root's job could do"
        t_eq "$(cat "$V_JOBS/rooty.slice/memory.max")" $((300 << 20)) memory.max
        # A cgroup below a leaf, made by whoever: it goes with the leaf, and the slot is free (T110).
        job=$(v_run rooty -- /bin/sleep 1000)
        leaf=$(v_leaf rooty "$job")
        mkdir -p "$leaf/a/b" "$leaf/c"
        tenantqctl cancel "$job"
        t_eq "$(v_verdict "$job")" cancelled
        t_wait 10 eval "[ ! -e $leaf ]"
        job=$(v_run rooty -- /bin/sleep 1000)
        tenantqctl cancel "$job"
        t_eq "$(v_verdict "$job")" cancelled
        rm "$V_CONF/tenants.d/rooty.conf"
        rm -rf "${V_SPOOL:?}/rooty" /tmp/cg
        tenantqctl reload
}

# Whoever kills the holder takes the jobs with it, and nothing else (T111).
holder_is_killed() {
        local job
        job=$(v_run acme -- /bin/sleep 1000)
        kill -KILL "$(systemctl show --value --property=MainPID tenantq-jobs)"
        sleep 1
        t_wait 30 v_answers
        t_match "$(v_verdict "$job")" '^(signal|interrupted)' "the running job"
        t_wait 30 v_is_ready acme
        t_eq "$(timeout 60 tenantqctl run -t acme -w -- echo again 2>/dev/null)" again
}

# starts_after TIME: a job that must not start before.
starts_after() {
        printf '[Job]\nExecStart=/bin/true\nStartAfter=%s\n' "$(date -d "$1" '+%F %T')" >/tmp/later.job
        tenantqctl submit -t acme /tmp/later.job
}

# Times of day follow the clock that is set, durations don't (T103).
clock_is_set() {
        local early late lasting
        timedatectl set-ntp false 2>/dev/null || true
        # Back: StartAfter= stays ahead.
        early=$(starts_after '+8 seconds')
        late=$(starts_after '+2 hours')
        date -s "@$(($(date +%s) - 3600))" >/dev/null
        sleep 12
        t_eq "$(v_state "$early")" scheduled "set back by an hour"
        lasting=$(v_run acme -l runtime=30s -- /bin/sleep 1000)
        date -s "@$(($(date +%s) + 3600))" >/dev/null
        t_eq "$(v_verdict "$early")" "exit 0" "set forward again"
        t_eq "$(v_state "$late")" scheduled "two hours ahead"
        date -s "@$(($(date +%s) + 7200))" >/dev/null
        t_eq "$(timeout 10 tenantqctl wait "$late" | sed 's/^[0-9]*: //')" "exit 0" "set forward by two hours"
        t_eq "$(v_state "$lasting")" running "a job of 30 s, over hours of the clock"
        t_match "$(v_verdict "$lasting")" timeout
        date -s "@$(($(date +%s) - 7200))" >/dev/null
}

# What a file with an error does (T116).
reload_fails() {
        printf '[limits]\nmemory=4x\n' >"$V_CONF/tenants.d/acme.conf"
        ! systemctl reload tenantq 2>/tmp/refused || t_fail "systemctl reload succeeded"
        v_log "acme.conf"
        ! /usr/sbin/tenantqd --check 2>/tmp/checked || t_fail "--check succeeded"
        grep -q 'acme.conf:2: memory' /tmp/checked || t_fail "--check says: $(cat /tmp/checked)"
        rm "$V_CONF/tenants.d/acme.conf"
        systemctl reload tenantq
        /usr/sbin/tenantqd --check
        t_eq "$(systemctl is-active tenantq)" active
}

# Of the two processes, the one that parses what tenants write isn't protected from the OOM killer (T107).
memory_of_the_units() {
        t_eq "$(systemctl show --value -p MemoryMax tenantq)" $((2 << 30)) MemoryMax
        t_eq "$(cat "/proc/$(v_engine_pid)/oom_score_adj")" 0 "the engine's oom_score_adj"
        t_eq "$(cat "/proc/$(v_main_pid)/oom_score_adj")" -1000 "tenantqd's"
        t_eq "$(stat -c '%a %U' /var/lib/tenantq/lock/*)" "600 root" "what is locked"
        t_eq "$(stat -c '%a %U' /var/lib/tenantq/lock)" "700 root" "where it is"
}

v_start
v_tenant acme concurrency=4
v_case "a user is deleted, and its number given away (T109, T111)" deleted_user
v_case "groups are those of the launch (T115)" groups_at_the_launch
v_case "pids=1 and memory=4K (T113)" small_limits
v_case "twelve limits with a device (T102)" many_devices
v_case "bounds of io limits (T115)" bounds_of_io
v_case "root's jobs stay in their cgroup (T110)" root_jobs
v_case "the holder is killed (T111)" holder_is_killed
v_case "the clock is set (T69, T103)" clock_is_set
v_case "systemctl reload and tenantqd --check (T116)" reload_fails
v_case "memory of the units (T107)" memory_of_the_units
v_clean
t_summary
