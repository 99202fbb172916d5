#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What goes away under the daemon while it runs (7): directories, sockets, file systems and the ledger. It makes them
# anew or says what is wrong, and what was accepted is not lost.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61001 '[limits]' concurrency=64
d_tenant globex 61002

fault_of() {
        d_answers || t_fail "no daemon answers"
        ctl --json tenants | d_json "[t['fault'] or '' for t in j['tenants'] if t['tenant'] == '$1'][0]"
}

# lives_on NAME BACK: a job of acme's runs, and its output can be read. Or what has gone can't be mended: then the
# tenant has a fault, the job waits, and runs when BACK has put it back.
lives_on() {
        local job
        say_hello "$1" | drop acme "$1"
        if ! (t_wait 6 has_ended acme "$1"); then
                t_match "$(fault_of acme)" . "the tenant's fault"
                echo "fault: $(fault_of acme)"
                "$2"
                t_wait 10 has_ended acme "$1"
        fi
        job=$(d_find acme "$1")
        t_eq "$(d_field "$job" Verdict)" "exit 0" "verdict"
        t_eq "$(ctl logs "$job")" hello output
}

# vanishes NAME FUNCTION [ARG…]: a case, after which a new daemon makes good what this one could not.
vanishes() {
        local failed=$t_failed
        t_case "$@"
        [ "$t_failed" -eq "$failed" ] || {
                (d_restart) >/dev/null 2>&1
                d_sweep
        }
}

# Logs, sockets, directories ------------------------------------------------------------------

log_directory_back() {
        install -d -m 2750 -o 0 -g 61001 "$D/logs/acme"
}

log_directory() {
        rm -rf "$D/logs/acme"
        lives_on without-log log_directory_back
}

all_logs_back() {
        install -d -m 0755 "$D/logs"
}

all_logs() {
        rm -rf "$D/logs"
        lives_on without-logs all_logs_back
        t_eq "$(ctl run -w -t globex -- echo too)" too "output of the other tenant"
}

# A new one with tenants in it, and no logs: as one that is put back from an archive.
spool_and_logs() {
        rm -rf "$D/logs"
        mv "$D/spool" "$D/spool.bak"
        cp -a "$D/spool.bak" "$D/spool"
        lives_on put-back all_logs_back
        rm -rf "$D/spool.bak"
}

# The directory of one becomes another's: what is dropped there is noticed, whoever had it before.
directory_moves() {
        trap 'd_tenant_file moved; [ ! -d "$D/spool/moved" ] || mv "$D/spool/moved" "$D/spool/globex"' EXIT
        d_tenant_file moved "$(printf '[tenant]\nuser=61099\n')"
        mv "$D/spool/globex" "$D/spool/moved"
        t_wait 10 d_tenant_is moved ready
        t_wait 10 d_tenant_is globex gone
        sleep 1
        echo 61099 >"$D/uids/moved"
        say_hello noticed | drop moved noticed
        t_wait 5 has_ended moved noticed
        mv "$D/spool/moved" "$D/spool/globex"
        t_wait 10 d_tenant_is globex ready
}

# Its log directory gets another name: what is written from then on is where it is looked for.
logs_move() {
        mv "$D/logs/acme" "$D/logs/acme.bak"
        lives_on moved-logs true
        rm -rf "$D/logs/acme.bak"
}

control_socket() {
        rm "$D/run/control.sock"
        lives_on without-socket true
        t_eq "$(stat -c %a "$D/run/control.sock")" 666 "mode of the socket"
        # As anybody.
        t_match "$(ctl_as 61001 61001 ps -a)" without-socket "what the tenant's user sees"
}

run_directory() {
        rm -rf "$D/run"
        lives_on without-run true
        t_eq "$(stat -c '%u %a' "$D/run")" "0 755" "owner and mode of the directory"
}

claims_directory_back() {
        install -d -m 0700 "$D/spool/.claims"
}

claims_directory() {
        rm -rf "$D/spool/.claims"
        lives_on without-claims claims_directory_back
        t_eq "$(stat -c '%u %a' "$D/spool/.claims")" "0 700" "owner and mode of the directory"
        # It is what a new daemon looks into.
        d_restart
        lives_on after-claims claims_directory_back
}

results_directory_back() {
        install -d -m 0700 "$D/state/results"
}

# More jobs at the same time than there have been, so that new records are needed.
results_directory() {
        local gate jobs=() n i
        n=$(find "$D/state/results" -type f | wc -l)
        rm -rf "$D/state/results"
        gate=$(d_gate_make results)
        for ((i = 0; i <= n; i++)); do
                jobs+=("$(printf '[Job]\nQueue=q%s\nName=gated\nExecStart=/bin/sh -c "read x <%s; exit 0"\n' "$i" "$gate" | ctl submit -t acme /dev/stdin)")
        done
        lives_on without-results results_directory_back
        d_gate_open results
        for i in "${jobs[@]}"; do
                t_eq "$(verdict "$i")" "exit 0" "a job that ran with a new record, or with an old one"
        done
        # Records that a new daemon finds.
        gate=$(d_gate_make again)
        i=$(ctl run -t acme -- sh -c "read x <$gate; exit 7")
        t_wait 5 d_state_is "$i" running
        d_stop
        d_gate_open again
        t_wait 5 nothing_runs
        d_start
        t_eq "$(verdict "$i")" "exit 7" "what ended between two daemons"
}

nothing_runs() {
        ! grep -q "populated 1" "$D_CGROUP"/*.slice/*.job/cgroup.events 2>/dev/null
}

cgroup_slice_back() {
        mkdir -p "$D_CGROUP/acme.slice"
}

cgroup_slice() {
        t_wait 5 d_has_leaves 0
        rmdir "$D_CGROUP/acme.slice"
        lives_on without-slice cgroup_slice_back
        [ -d "$D_CGROUP/acme.slice" ] || t_fail "there is no slice"
}

# File systems over them ----------------------------------------------------------------------

# A file system is mounted over the spool, and goes again: what is seen by its path counts.
spool_is_hidden() {
        mount -t tmpfs tmpfs "$D/spool"
        mkdir -m 0700 "$D/spool/globex"
        chown 61002:61002 "$D/spool/globex"
        t_wait 5 test -d "$D/spool/.claims"
        say_hello hidden | drop globex hidden
        t_wait 5 taken globex hidden
        t_eq "$(stat -c '%u %a' "$D/spool/.claims")" "0 700" "owner and mode of .claims there"
        umount -l "$D/spool"
        say_hello seen | drop globex seen
        t_wait 5 taken globex seen
        lives_on after-mount true
}

taken() {
        [ ! -e "$D/spool/$1/$2.job" ] && ctl ps -a -n 20 "$1" | grep -qw "$2"
}

# A file system over a tenant's directory.
tenant_is_hidden() {
        mount -t tmpfs -o mode=0700,uid=61002,gid=61002 tmpfs "$D/spool/globex"
        t_wait 5 d_tenant_is globex disabled
        t_match "$(fault_of globex)" 'file system'
        umount -l "$D/spool/globex"
        t_wait 5 d_tenant_is globex ready
}

# hang PLACE: one that answers nobody, not even root, is mounted there.
hang() {
        python3 "$D_TOP/tests/hang.py" "$1" >"$D/hang.out" &
        HANG=$!
        t_wait 5 grep -q ready "$D/hang.out"
}

unhang() {
        kill "$HANG"
        wait "$HANG" || true
        umount -l "$1"
}

says_of() {
        fault_of "$1" | grep -F -- "$2" >/dev/null
}

can_mount() {
        mkdir -p "$D/stage/mountpoint"
        hang "$D/stage/mountpoint" && unhang "$D/stage/mountpoint"
}

# acme_is_served NAME
acme_is_served() {
        say_hello "$1" | drop acme "$1"
        t_wait 5 taken acme "$1"
}

# A tenant who may let root into a FUSE of its own (user_allow_other of fuse.conf(5)) mounts it where the supervisor
# looks: over its directory, over rejected/, over a job file.
mounts_of_a_tenant() {
        local place
        can_mount 2>/dev/null || t_skip "can't mount a FUSE here"
        place=$D/spool/globex
        hang "$place"
        t_wait 5 d_tenant_is globex disabled
        t_match "$(fault_of globex)" 'a file system is mounted on the directory'
        acme_is_served beside-directory
        unhang "$place"
        t_wait 5 d_tenant_is globex ready
        install -d -o 61002 -g 61002 -m 0700 "$place/rejected"
        hang "$place/rejected"
        echo wrong | drop globex wrong
        acme_is_served beside-rejected
        t_wait 5 test ! -e "$place/wrong.job"
        unhang "$place/rejected"
        # Until it is closed it is not taken.
        exec 9>"$place/file.job"
        chown 61002:61002 "$place/file.job"
        hang "$place/file.job"
        exec 9>&-
        sleep 1
        acme_is_served beside-file
        t_wait 5 says_of globex "file file.job can't be taken"
        unhang "$place/file.job"
        rm "$place/file.job"
}

# The ledger ----------------------------------------------------------------------------------

# Its log alone: what is in it is not in the database yet.
ledger_log() {
        local before after
        before=$(ctl run -t acme -- /bin/true)
        rm "$D/state/ledger/ledger.db-wal"
        after=$(ctl run -w -t acme -- /bin/true && ctl --json ps --state 'done' -n 1 acme | d_json 'j["jobs"][0]["job"]')
        t_match "$(tail -n 5 "$D/log")" "the ledger's log .*ledger.db-wal. had gone; nothing of it is lost"
        [ -s "$D/state/ledger/ledger.db-wal" ] || t_fail "there is no log"
        # As after a power cut: no clean close.
        d_kill9 both
        d_start
        t_eq "$(d_field "$before" Verdict) $(d_field "$after" Verdict)" "exit 0 exit 0" "verdicts after a crash"
}

ledger() {
        local gate job status=0
        gate=$(d_gate_make ledger)
        job=$(ctl run -t acme -- sh -c "read x <$gate; exit 0")
        t_wait 5 d_state_is "$job" running
        rm "$D"/state/ledger/ledger.db*
        sleep 1
        ctl run -t globex -- /bin/true >"$D/stage/refusal" 2>&1 || status=$?
        t_eq "$status" 4 "exit status of a submission without a ledger ($(cat "$D/stage/refusal"))"
        t_match "$(ctl status; cat "$D/stage/refusal")" 'ledger.*(gone|removed|missing|written)|degraded' "what is said"
        say_hello unledgered | drop globex unledgered
        sleep 1
        [ -e "$D/spool/globex/unledgered.job" ] || t_fail "a file was taken without a ledger"
        # What runs is supervised to its end.
        t_eq "$(d_leaves)" 1 "running jobs"
        d_gate_open ledger
        t_wait 5 d_has_leaves 0
}

vanishes "a tenant's log directory goes" log_directory
vanishes "the directory of all logs goes" all_logs
vanishes "the spool is another one, and the logs are gone" spool_and_logs
vanishes "a tenant's directory is another's now" directory_moves
vanishes "the control socket goes" control_socket
vanishes "the run directory goes" run_directory
vanishes ".claims goes" claims_directory
vanishes "a file system over the spool" spool_is_hidden
umount -l "$D/spool" 2>/dev/null || true # the case may have failed in the middle
vanishes "the directory of result records goes" results_directory
vanishes "a tenant's slice goes" cgroup_slice
# The one that has no memory of jobs, outside of their cgroups.
launcher() {
        local pid
        for pid in $(pgrep -P "$(d_pid)" -x tenantq-exec); do
                # Not what is dead already.
                grep -qs '^State:.[RSD]' "/proc/$pid/status" || continue
                grep -qs '^0::.*\.job$' "/proc/$pid/cgroup" || echo "$pid"
        done
}

runs_well() {
        t_eq "$(ctl run -w -t acme -- /bin/echo "$1" 2>/dev/null)" "$1" "a job"
}

has_no_zombies() {
        ! pgrep -P "$(d_pid)" -r Z >/dev/null
}

# It forks, and can't say so.
launcher_is_mute() {
        local tracer job
        runs_well before
        strace -qq -o /dev/null -e trace=sendmsg -e inject=sendmsg:error=ENOBUFS:when=1 -p "$(launcher)" &
        tracer=$!
        sleep 0.5
        job=$(ctl run -t acme -- /bin/echo late)
        wait "$tracer" || true
        t_eq "$(ctl wait "$job" 2>&1 | tail -n 1 | grep -c 'exit 0')" 1 "$(ctl explain "$job" 2>&1)"
        t_eq "$(ctl logs "$job")" late output
        t_wait 5 d_is_idle
        t_wait 5 has_no_zombies
}

# Whoever traces it keeps it from being reaped.
launcher_is_traced() {
        local tracer before
        runs_well before
        before=$(launcher)
        strace -qq -o /dev/null -p "$before" &
        tracer=$!
        sleep 0.5
        kill -STOP "$tracer"
        kill -KILL "$before"
        runs_well meanwhile
        kill -KILL "$tracer"
        wait "$tracer" 2>/dev/null || true
        # It is dead, and goes when the next one begins.
        kill -KILL "$(launcher)"
        runs_well after
        t_wait 5 has_no_zombies
}

launcher_is_killed() {
        local i killer
        (
                while sleep 0.0"$((RANDOM % 10))"; do
                        # shellcheck disable=SC2046 # words
                        kill -KILL $(launcher) 2>/dev/null || true
                done
        ) &
        killer=$!
        for i in {1..40}; do
                ctl run -t acme -- /bin/true >/dev/null
        done
        sleep 3
        kill "$killer"
        wait "$killer" || true
        t_wait 30 d_is_idle
        runs_well after
        t_wait 5 has_no_zombies
        ! grep -q 'File exists' "$D/log" || t_fail "$(grep 'File exists' "$D/log")"
}

no_stdio() {
        d_stop
        printf '%s\n' '#!/bin/sh' 'exec "$@" 0<&- 1>&- 2>&-' >"$D/stage/bare"
        chmod +x "$D/stage/bare"
        D_WRAP=$D/stage/bare d_start
        runs_well silence
        t_eq "$(readlink "/proc/$(launcher)/fd/0")" /dev/null "its descriptor 0"
        d_restart
}

d_case "a file system over a tenant's directory" tenant_is_hidden
umount -l "$D/spool/globex" 2>/dev/null || true
d_case "a file system of a tenant's that does not answer" mounts_of_a_tenant
pkill -f "tests/hang.py $D" || true
for place in /rejected /file.job ""; do umount -l "$D/spool/globex$place" 2>/dev/null || true; done
vanishes "a log directory gets another name" logs_move
d_case "a launcher's answer is lost" launcher_is_mute
d_case "a launcher that is traced goes" launcher_is_traced
d_case "a launcher is killed, again and again" launcher_is_killed
d_case "no descriptor 0, 1 and 2" no_stdio
d_case "the ledger's log goes" ledger_log
d_case "the ledger goes" ledger
d_report
t_summary
