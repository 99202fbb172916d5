#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Why a job waits: what explain, queue and ps say, that it is all of it, that what they propose helps, and that nobody is
# told of others (T51).

# shellcheck disable=SC2119 # waits may have none
# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# has_change JOB REASON CHANGE: explain says so, and the job starts when it is done.
has_change() {
        local job=$1 reason=$2 change=$3
        t_match " $(why "$job") " " $reason " reasons
        t_eq "$(explains "$job" "$reason" change)" "$change" "what would help"
        # shellcheck disable=SC2086 # words
        ctl ${change#tenantqctl } >/dev/null
        t_wait 5 d_state_is "$job" running
}

changes_help() {
        local gate job first
        gate=$(d_gate_make change)
        first=$(put acme Queue=q "$(waits)")
        t_wait 5 runs acme 1
        job=$(put acme Queue=q "$(waits)")
        t_eq "$(d_field "$job" "Waits for")" queue-concurrency status
        t_match "$(ctl ps acme)" "$job .*queued +queue-concurrency" ps
        t_match "$(explains "$job" queue-concurrency blocker)" "job $first" who
        has_change "$job" queue-concurrency "tenantqctl limits set acme/q concurrency=2"
        limit acme concurrency=2
        job=$(put acme Queue=r "$(waits)")
        t_eq "$(explains "$job" tenant-concurrency blocker)" "job $first, $((first + 1))" who
        t_eq "$(explains "$job" tenant-concurrency current) $(explains "$job" tenant-concurrency maximum)" "2 2" numbers
        has_change "$job" tenant-concurrency "tenantqctl limits set acme concurrency=3"
        unlimit acme concurrency
        unlimit acme/q concurrency
        # Several at once: all are said.
        job=$(put acme Queue=s "StartAfter=$(at 3)" "$(waits)")
        ctl hold "$job"
        ctl pause acme
        t_eq "$(why "$job")" "held start-after tenant-paused" reasons
        ctl resume acme
        has_change "$job" held "tenantqctl release $job"
        d_gate_open change
        t_wait 8 d_is_idle
}

# Of three on two slots: mine, whose turn is later, and the other tenant's.
slots_and_shares() {
        local gate job mine
        scheduler max_jobs=2
        limit acme concurrency=9
        limit globex concurrency=9
        gate=$(d_gate_make share)
        put acme "$(waits)" >/dev/null
        put acme "$(waits)" >/dev/null
        t_wait 5 runs acme 2
        mine=$(put acme "$(waits)")
        job=$(put globex "$(waits)")
        t_eq "$(why "$job")" slots reasons
        t_eq "$(explains "$job" slots current) $(explains "$job" slots maximum)" "2 2" numbers
        t_eq "$(explains "$job" slots blocker)" "tenant acme (2)" who
        t_match "$(explains "$job" slots change)" '^max_jobs=3 ' "what would help"
        t_eq "$(why "$mine")" "slots share" "reasons of whose turn is later"
        t_match "$(explains "$mine" share blocker)" "job $job of tenant globex" who
        t_match "$(explains "$(put acme "$(waits)")" behind blocker)" "job $mine is first" "who is before it"
        t_eq "$(ctl --json queue | d_json '[[r["tenant"], r["reason"], r["jobs"]] for r in j["queues"]]')" \
                '[["acme", "behind", 1], ["acme", "slots", 1], ["globex", "slots", 1]]' counts
        t_match "$(ctl ps globex)" "$job +globex .*queued +slots" ps
        scheduler max_jobs=3
        t_wait 5 d_state_is "$job" running
        d_state_is "$mine" queued || t_fail "not the one whose turn it was"
        scheduler max_jobs=4
        t_wait 5 d_state_is "$mine" running
        d_gate_open share
        t_wait 5 d_is_idle
        end_all
}

# Zero is a number; and what would be refused is not proposed.
at_the_ceiling() {
        local gate job
        limit acme concurrency=0
        job=$(put acme)
        t_eq "$(explains "$job" tenant-concurrency current) $(explains "$job" tenant-concurrency maximum)" "0 0" numbers
        t_eq "$(explains "$job" tenant-concurrency change)" "tenantqctl limits set acme concurrency=1" "what would help"
        unlimit acme concurrency
        t_eq "$(verdict "$job")" "exit 0"
        d_config '[ceilings]' concurrency=1
        ctl reload
        gate=$(d_gate_make ceiling)
        put acme "$(waits)" >/dev/null
        t_wait 5 runs acme 1
        job=$(put acme "$(waits)")
        t_match "$(explains "$job" tenant-concurrency change)" '^concurrency= in \[ceilings\] of tenantq.conf' "at a ceiling"
        d_config
        ctl reload
        d_gate_open ceiling
        t_wait 5 d_is_idle
}

others_see_nothing() {
        local gate job
        scheduler max_jobs=1
        gate=$(d_gate_make blind)
        job=$(put acme "$(waits)")
        t_wait 5 runs acme 1
        d_status 5 ctl_as 61602 61602 explain "$job" 2>"$D/stage/a"
        d_status 5 ctl_as 61602 61602 explain 987654 2>"$D/stage/b"
        t_eq "$(sed "s/$job/N/" "$D/stage/a")" "$(sed s/987654/N/ "$D/stage/b")" "another tenant's job, and none"
        d_status 5 ctl_as 61602 61602 queue acme 2>/dev/null
        t_eq "$(ctl_as 61602 61602 queue)" "no job waits" "queue of one who has none"
        job=$(put globex)
        t_match "$(ctl_as 61602 61602 explain "$job")" '1 of the 1 slots' explain
        # Not who the others are.
        ctl_as 61602 61602 explain "$job" >"$D/stage/seen"
        d_gate_open blind
        t_wait 5 d_is_idle
        scheduler max_jobs=500
        ! grep acme "$D/stage/seen" || t_fail "a tenant is told the name of another"
}

q_case "explain: what it proposes helps" changes_help
q_case "explain: slots, shares and counts" slots_and_shares
q_case "explain: zeros and ceilings" at_the_ceiling
q_case "explain: nothing of others (T51)" others_see_nothing
d_report
t_summary
