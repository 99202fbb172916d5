#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# requeue: a job begins anew as the same one, and whoever crashes meanwhile does not forget it.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# again GATES [CODE]: writes that it runs; waits at GATES.ATTEMPT if there is one; exits with CODE. On SIGTERM, with 0
# if there is GATES.well, not at all if there is GATES.deaf.
payload again <<'END' >/dev/null
#!/bin/sh
trap '[ ! -e "$1.well" ] || exit 0; [ -e "$1.deaf" ] || exit 143' TERM
echo "$TENANTQ_ATTEMPT" >>"$1.ran"
echo "attempt $TENANTQ_ATTEMPT"
while [ -p "$1.$TENANTQ_ATTEMPT" ] && ! read -r _ <"$1.$TENANTQ_ATTEMPT"; do :; done
exit "${2:-0}"
END

# begin NAME [LINE…]: a job of acme's that runs its first attempt and stays in it; its number.
begin() {
        local job gates=$D/witness/$1
        : >"$gates.ran"
        chmod 666 "$gates.ran"
        mkfifo -m 666 "$gates.1"
        job=$(put acme "Queue=$1" "ExecStart=$D/payload/again $gates" "${@:2}")
        t_wait 10 ran "$1" 1
        t_wait 5 d_state_is "$job" running
        echo "$job"
}

ran() {
        [ "$(tr '\n' ' ' <"$D/witness/$1.ran")" = "$2 " ]
}

# attempts JOB FIELD: of each that the ledger has.
attempts() {
        ctl --json status "$1" | d_json "' '.join(str(a['$2']) for a in j['attempts'])"
}

# said COMMAND…: its standard error, and its exit status.
said_of() {
        local status=0
        "$@" 2>&1 || status=$?
        echo "$status"
}

# Requeued -------------------------------------------------------------------------------------

one_that_runs() {
        local job
        job=$(begin runs)
        t_eq "$(ctl requeue --dry-run "$job")" "job $job: would be requeued" "what would be done"
        d_state_is "$job" running || t_fail "it was not meant"
        t_eq "$(ctl requeue -m 'a stale mount' "$job")" "" "what is said"
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(attempts "$job" verdict)" "requeued exit 0" verdicts
        t_eq "$(attempts "$job" attempt)" "1 2" attempts
        ran runs "1 2" || t_fail "ran: $(cat "$D/witness/runs.ran")"
        t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["failures"], j["jobs"][0]["dead"], j["jobs"][0]["stop"]')" \
                '[0, 0, null]' "failures, dead letter, stop"
        t_eq "$(ctl logs "$job")" "attempt 2" "its output"
        t_eq "$(ctl --json audit list acme | d_json '[(r["kind"], r["job"], r["why"], r["text"]) for r in j["audit"]][0]')" \
                '["requeue", '"$job"', "a stale mount", "requeued"]' "its row of the audit"
}

# What it does of SIGTERM makes no difference.
whatever_it_does() {
        local job
        : >"$D/witness/polite.well"
        job=$(begin polite)
        ctl requeue "$job"
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(attempts "$job" verdict)" "exit 0 exit 0" "verdicts of one that ends well"
        : >"$D/witness/stubborn.deaf"
        job=$(begin stubborn TimeoutStopSec=1)
        ctl requeue "$job"
        t_wait 5 d_state_is "$job" stopping
        t_eq "$(said_of ctl requeue "$job")" "tenantqctl: job $job is being requeued already
3"
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(attempts "$job" verdict)" "requeued exit 0" "verdicts of one that is killed"
}

one_that_waits_for_a_retry() {
        local job
        job=$({ job "ExecStart=$D/payload/again $D/witness/waits 3" && printf '[Retry]\nMaxAttempts=3\nRestartSec=1h\n'; } |
                ctl submit -t acme -)
        : >"$D/witness/waits.ran"
        chmod 666 "$D/witness/waits.ran"
        t_wait 10 d_state_is "$job" retrying
        ctl pause acme
        ctl requeue "$job"
        t_wait 5 d_state_is "$job" queued
        t_eq "$(said_of ctl requeue "$job")" "tenantqctl: job $job is queued: there is nothing to requeue (tenantqctl explain says what it waits for)
3"
        # That it is due is in the ledger.
        d_kill9 both
        d_start
        t_wait 10 d_answers
        d_state_is "$job" queued || t_fail "it waits again: $(ctl status "$job")"
        ctl resume acme
        t_wait 10 d_state_is "$job" retrying
        t_eq "$(attempts "$job" verdict)" "exit 3 exit 3" verdicts
        ctl requeue "$job"
        t_eq "$(verdict "$job")" "exit 3"
        t_eq "$(attempts "$job" verdict)" "exit 3 exit 3 exit 3" verdicts
}

# Refused --------------------------------------------------------------------------------------

not_that_one() {
        local job waiting held ended
        job=$(begin not)
        waiting=$(put acme Queue=not)
        held=$(put acme Queue=not)
        ctl hold "$held"
        ended=$(put acme)
        verdict "$ended" >/dev/null
        t_eq "$(said_of ctl requeue "$waiting")" "tenantqctl: job $waiting is queued: there is nothing to requeue (tenantqctl explain says what it waits for)
3"
        t_match "$(said_of ctl requeue "$held")" "^tenantqctl: job $held is held: there is nothing to requeue "
        t_match "$(said_of ctl requeue --dry-run "$held")" "^tenantqctl: job $held is held: "
        t_eq "$(said_of ctl requeue "$ended")" "tenantqctl: job $ended has ended; tenantqctl rerun $ended hands in a copy of it
3"
        t_eq "$(said_of ctl requeue 999999)" "tenantqctl: no job 999999
5"
        t_eq "$(said_of ctl requeue acme)" 'tenantqctl: "acme": expected a job'"'"'s number
2'
        t_eq "$(said_of ctl_as 61602 61602 requeue "$job")" "tenantqctl: no job $job
5"
        # One that can't is no reason to leave the others.
        t_eq "$(said_of ctl requeue "$ended" "$job" | tail -n 1)" 3 "exit status"
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(attempts "$job" verdict)" "requeued exit 0" verdicts
        ctl release "$held"
        t_eq "$(verdict "$waiting") $(verdict "$held")" "exit 0 exit 0"
}

a_cancel_wins() {
        local job before
        : >"$D/witness/first.deaf"
        job=$(begin first TimeoutStopSec=1)
        ctl cancel "$job"
        t_eq "$(said_of ctl requeue "$job")" "tenantqctl: job $job is being cancelled
4"
        t_eq "$(verdict "$job")" cancelled
        : >"$D/witness/second.deaf"
        before=$(begin second TimeoutStopSec=1)
        ctl requeue "$before"
        ctl cancel "$before"
        t_eq "$(verdict "$before")" cancelled
        t_eq "$(attempts "$before" attempt)" 1 attempts
}

its_own_user() {
        local job
        job=$(begin own)
        ctl_as 61601 61601 requeue "$job"
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(attempts "$job" verdict)" "requeued exit 0" verdicts
        t_match "$(ctl events -n 20)" "requeue +acme +$job .*requeued by user 61601"
}

not_of_one_that_is_removed() {
        local job
        d_tenant umbrella 61604
        : >"$D/witness/umbrella.ran"
        chmod 666 "$D/witness/umbrella.ran"
        mkfifo -m 666 "$D/witness/umbrella.1"
        job=$(put umbrella "ExecStart=$D/payload/again $D/witness/umbrella")
        t_wait 10 ran umbrella 1
        ctl --config "$D/etc" tenant remove umbrella >/dev/null 2>&1 &
        t_wait 10 refused_for_removal "$job"
        ctl cancel "$job"
        wait $! || t_fail "the removal failed: $?"
}

refused_for_removal() {
        [ "$(said_of ctl requeue --dry-run "$1")" = "tenantqctl: tenant umbrella is being removed or changed: its jobs begin no more \
(tenantqctl tenants says what it waits for)
4" ]
}

# Crashes --------------------------------------------------------------------------------------

# crash WHO: between the answer and the end of the attempt.
crash() {
        local job name=crash-$1
        : >"$D/witness/$name.deaf"
        job=$(begin "$name" TimeoutStopSec=2)
        ctl requeue "$job"
        d_kill9 "$1"
        [ "$1" = engine ] || d_start
        t_wait 10 d_tenant_is acme ready
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(attempts "$job" verdict)" "requeued exit 0" "verdicts"
        ran "$name" "1 2" || t_fail "ran: $(cat "$D/witness/$name.ran")"
}

# The attempt ends while nobody is there.
ends_meanwhile() {
        local job pid
        : >"$D/witness/alone.deaf"
        job=$(begin alone TimeoutStopSec=60)
        pid=$(d_pids "$job" | tail -n 1)
        ctl requeue "$job"
        d_kill9 both
        kill -9 "$pid"
        t_wait 10 d_is_gone "$pid"
        d_start
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(attempts "$job" verdict)" "requeued exit 0" "verdicts"
}

d_case "one that runs" one_that_runs
d_case "whatever it does when it is stopped" whatever_it_does
d_case "one that waits for a retry has it at once" one_that_waits_for_a_retry
d_case "what there is nothing to requeue of" not_that_one
d_case "a cancel wins" a_cancel_wins
d_case "its tenant's own user" its_own_user
d_case "not while its tenant is removed" not_of_one_that_is_removed
d_case "the engine is killed meanwhile" crash engine
d_case "tenantqd is killed meanwhile" crash daemon
d_case "both are killed meanwhile" crash both
d_case "it ends while nobody is there" ends_meanwhile
d_case "nothing is left over" no_leftovers
d_report
t_summary
