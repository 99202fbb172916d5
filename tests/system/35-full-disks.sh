#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A disk that is full for some seconds (T12, T66, T116): the one of the ledger, of the result records, of the spool or
# of the output, with twenty jobs running. Nothing that was accepted is lost, no job is burnt, it is said wherever one
# looks, and all goes on by itself.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

d_init ""
mkdir -p "$D"/{state/ledger,state/results,logs,spool}
# mount_at NAME SIZE
mount_at() {
        mount -t tmpfs -o "size=$2,mode=755" tmpfs "$D/$1" || d_skip_all "can't mount a tmpfs"
}
# D_MOUNTS: taken off again, also after a failure.
take_off() {
        umount "$D"/{state/ledger,state/results,logs,spool} 2>/dev/null
        d_cleanup
}
trap take_off EXIT
mount_at state/ledger 40m
mount_at state/results 256k
mount_at spool 2m
mount_at logs 2m
d_start
d_tenant acme 61601
d_tenant globex 61602
d_tenant initech 61603
limit acme concurrency=50
limit globex concurrency=50

fill() {
        dd if=/dev/zero of="$D/$1/fill" bs=4k 2>/dev/null || true
}

# Twenty jobs that wait, each with an exit code of its own.
# run_twenty GATE
run_twenty() {
        local i=0 gate
        rm -f "$D/witness/jobs" "$D/witness/acme"
        install -m 0620 -o 0 -g 61601 /dev/null "$D/witness/acme"
        gate=$(d_gate_make "$1")
        for i in {1..20}; do
                put acme "ExecStart=/bin/sh -c \"echo $i >>$D/witness/acme; read x <$gate; exit $i\"" >>"$D/witness/jobs"
        done
        t_wait 15 runs acme 20
}

# Each ended as it was to, and ran once.
twenty_are_well() {
        local i=0 job
        while read -r job; do
                t_eq "$(verdict "$job")" "exit $((++i))" "job $job"
        done <"$D/witness/jobs"
        t_eq "$i" 20 jobs
        t_eq "$(sort -n "$D/witness/acme" | tr '\n' ' ')" "$(seq -s' ' 20) " "what ran"
}

host_is() {
        [ "$(ctl --json status | d_json 'j["pools"][0]["state"]')" = "$1" ]
}

is_refused() {
        ! ctl run -t globex -- /bin/true >/dev/null 2>"$D/stage/refusal"
}

is_taken() {
        ! test -e "$D/spool/$1/$2.job"
}

# It is full, and takes what there is of the reserve.
fill_ledger() {
        fill state/ledger
        t_wait 20 is_refused
}

ledger() {
        local first verb status=0
        run_twenty "${FUNCNAME[0]}"
        first=$(put globex ExecStart=/bin/true StartAfter="$(at 2)")
        fill_ledger
        t_match "$(cat "$D/stage/refusal")" "the ledger's disk is full: make room there"
        ctl run -t globex -- /bin/true 2>/dev/null || status=$?
        t_eq "$status" 4 "exit code of a refusal"
        host_is full || t_fail "status does not say so"
        t_match "$(cat "$D/log")" "FULL: the ledger's disk is full"
        say_hello dropped | drop globex dropped
        # What ends is recorded, from the reserve, and is shown as ended.
        d_gate_open "${FUNCNAME[0]}"
        t_wait 10 runs acme 0
        twenty_are_well
        sleep 2.5
        t_eq "$(ctl --json status "$first" | d_json 'j["jobs"][0]["state"]')" queued "one whose time has come"
        t_eq "$(why "$first")" recovery
        t_match "$(explains "$first" recovery text)" "the ledger's disk is full"
        test -e "$D/spool/globex/dropped.job" || t_fail "the file is not where it was"
        ! test -e "$D/spool/globex/rejected" || t_fail "a file was rejected"
        status=0
        ctl limits set acme concurrency=3 2>/dev/null || status=$?
        t_eq "$status" 4 "exit code of limits set"
        # What changes something would pile up until there is room.
        for verb in "hold $first" "pause globex" "drain host"; do
                # shellcheck disable=SC2086 # words
                ! ctl $verb 2>"$D/stage/refusal" || t_fail "$verb was taken"
                t_match "$(cat "$D/stage/refusal")" "nothing was changed: the ledger's disk is full: make room there"
        done
        sleep 5
        rm "$D/state/ledger/fill"
        t_wait 10 host_is ready
        t_eq "$(verdict "$first")" "exit 0"
        t_eq "$(verdict "$(job_of globex dropped)")" "exit 0"
        t_eq "$(ctl run -t globex -w -- /bin/echo again)" again
        t_match "$(cat "$D/log")" "the ledger's disk has room again"
        t_match "$(ctl events)" "ledger-room .*was full for"
}

# Somebody takes the reserve, too: nothing can be recorded, and what is decided waits, but for what can't.
no_reserve() {
        local job
        run_twenty "${FUNCNAME[0]}"
        job=$(put globex "ExecStart=/bin/sleep 1000" TimeoutStopSec=500ms)
        t_wait 5 runs globex 1
        fill_ledger
        fill state/ledger # the reserve's room
        d_gate_open "${FUNCNAME[0]}"
        # Until the log of the ledger has no place left either.
        for _ in {1..40}; do ctl events >/dev/null; done
        t_wait 10 runs acme 0
        (ctl cancel "$job" >/dev/null 2>&1) &
        t_wait 10 runs globex 0
        ctl ps -a >/dev/null
        t_eq "$(ctl --json status "$job" | d_json '[j["jobs"][0][k] for k in ("state", "verdict", "outcome")]')" \
                '["ending", "cancelled", null]' "what is known of one whose end is not recorded"
        rm -f "$D/state/ledger/fill"
        t_wait 10 host_is ready
        twenty_are_well
        t_eq "$(verdict "$job")" cancelled
        wait
}

# Killed while it is full: the next one begins as full, and records what ended meanwhile.
killed() {
        run_twenty "${FUNCNAME[0]}"
        fill_ledger
        d_kill9 both
        d_gate_open "${FUNCNAME[0]}"
        sleep 1
        d_start
        host_is full || t_fail "not full: $(ctl status)"
        rm "$D/state/ledger/fill"
        t_wait 10 host_is ready
        twenty_are_well
}

# A record for each job at a time is made ahead; more of them wait.
records() {
        local job
        run_twenty "${FUNCNAME[0]}"
        fill state/results
        job=$(for _ in {1..30}; do put globex "ExecStart=/bin/sleep 4"; done | tail -n 1)
        sleep 2
        t_eq "$(why "$job")" launch-retry
        t_match "$(explains "$job" launch-retry text)" "result-record: No space left"
        d_gate_open "${FUNCNAME[0]}"
        twenty_are_well
        rm "$D/state/results/fill"
        t_eq "$(verdict "$job")" "exit 0"
}

# The spool's: whoever writes there is told by the kernel; what waits there is taken.
spool() {
        local status=0
        run_twenty "${FUNCNAME[0]}"
        say_hello one | drop globex one
        t_wait 5 is_taken globex one
        fill spool
        as_user 61602 bash -c "echo x >$D/spool/globex/two.job" 2>"$D/stage/said" || status=$?
        t_match "$(cat "$D/stage/said")" "No space left"
        rm -f "$D/spool/globex/two.job"
        ctl run -w -t globex -- /bin/echo by socket >/dev/null
        d_gate_open "${FUNCNAME[0]}"
        twenty_are_well
        rm -f "$D/spool/fill"
        say_hello three | drop globex three
        t_eq "$(verdict "$(job_of globex three)")" "exit 0"
}

q_case "of the ledger" ledger
q_case "of the ledger, and the reserve is gone" no_reserve
q_case "of the ledger, and all is killed" killed
q_case "of the records" records
q_case "of the spool" spool
(d_stop)
d_report
t_summary
