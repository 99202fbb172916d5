#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# When a job starts: one at a time in a queue, as many as concurrency says, by priority, in order, not before its time.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61001
d_tenant globex 61002

# sleepers TENANT N [LINE…]: prints the numbers of N jobs that wait at the gate $gate.
sleepers() {
        local tenant=$1 n=$2 i
        shift 2
        for ((i = 0; i < n; i++)); do
                {
                        printf '[Job]\nExecStart=/bin/sh -c "read x <%s"\n' "$gate"
                        [ $# -eq 0 ] || printf '%s\n' "$@"
                } >"$D/stage/sleeper"
                ctl submit -t "$tenant" "$D/stage/sleeper"
        done
}

runs_now() {
        [ "$(ctl --json tenants | d_json "[r['running'] for r in j['tenants'] if r['tenant'] == '$1'][0]")" = "$2" ]
}

one_at_a_time() {
        local gate jobs
        gate=$(d_gate_make one)
        d_sampler_start
        jobs=$(sleepers acme 3)
        sleepers acme 2 Queue=other >/dev/null
        t_wait 5 runs_now acme 2
        d_gate_open one
        t_wait 10 d_is_idle
        for gate in {1..20}; do
                ctl run -t globex -- true >/dev/null
        done
        t_wait 10 d_is_idle
        d_sampler_stop
        t_eq "$(d_peak acme)" 2 "most jobs at the same time in two queues"
        t_eq "$(d_peak globex)" 1 "most jobs at the same time in one queue"
        t_eq "$(wc -w <<<"$jobs")" 3
}

concurrency_takes_effect_at_once() {
        local gate
        gate=$(d_gate_make raise)
        d_sampler_start
        sleepers acme 8 >/dev/null
        t_wait 5 runs_now acme 1
        t_match "$(ctl limits set acme concurrency=4)" 'acme: concurrency unset -> 4 \(revision [0-9]+\)' answer
        t_wait 2 runs_now acme 4
        ctl limits set -m "a reason" acme concurrency=6 | grep -q '4 -> 6' || t_fail "old -> new"
        t_wait 2 runs_now acme 6
        t_match "$(ctl limits get acme)" 'concurrency +- +6 +set' "limits get"
        # Lowered: those that run go on, no other starts.
        ctl limits set --force acme concurrency=1 >/dev/null
        runs_now acme 6 || t_fail "lowering ended a job"
        ctl limits unset acme concurrency >/dev/null
        t_match "$(ctl limits get acme)" 'concurrency +- +- +unset' "limits get after unset"
        d_gate_open raise
        t_wait 10 d_is_idle
        d_sampler_stop
        t_eq "$(d_peak acme)" 6 "most jobs at the same time"
}

concurrency_of_a_queue() {
        local gate
        gate=$(d_gate_make queue)
        d_sampler_start
        ctl limits set acme/etl concurrency=3 >/dev/null
        sleepers acme 5 Queue=etl >/dev/null
        t_wait 5 runs_now acme 3
        ctl limits set --force acme concurrency=2 >/dev/null
        sleepers acme 3 Queue=web >/dev/null
        runs_now acme 3 || t_fail "more than the tenant's own concurrency"
        d_gate_open queue
        t_wait 10 d_is_idle
        d_sampler_stop
        ctl limits unset acme/etl concurrency >/dev/null
        ctl limits unset acme concurrency >/dev/null
        t_eq "$(d_peak acme)" 3 "most jobs at the same time"
}

by_priority_then_in_order() {
        local gate payload i
        payload=$(payload order <<<"#!/bin/sh
echo \"\$1\" >>$D/witness/acme")
        : >"$D/witness/acme"
        gate=$(d_gate_make order)
        sleepers acme 1 >/dev/null
        t_wait 5 runs_now acme 1
        for i in 0:a 5:b 0:c -3:d 5:e 100:f; do
                printf '[Job]\nExecStart=%s %s\nPriority=%s\n' "$payload" "${i#*:}" "${i%:*}" >"$D/stage/p"
                ctl submit -t acme "$D/stage/p" >/dev/null
        done
        d_gate_open order
        t_wait 10 d_is_idle
        t_eq "$(tr -d '\n' <"$D/witness/acme")" fbeacd order
}

starts_after() {
        local job early
        early=$(($(date +%s) + 2))
        printf '[Job]\nExecStart=/bin/date +%%s\nStartAfter=%s UTC\n' "$(date -u -d "@$early" '+%Y-%m-%d %H:%M:%S')" >"$D/stage/after"
        job=$(ctl submit -t acme "$D/stage/after")
        d_state_is "$job" scheduled || t_fail "not scheduled: $(ctl status "$job")"
        t_eq "$(d_field "$job" "Waits for")" start-after reason
        # It holds no slot meanwhile.
        d_status 0 ctl run -w -t acme -- true
        d_state_is "$job" scheduled || t_fail "started early"
        t_eq "$(verdict "$job")" "exit 0"
        [ "$(ctl logs "$job")" -ge "$early" ] || t_fail "started early: $(ctl logs "$job") < $early"
        [ "$(ctl logs "$job")" -le $((early + 1)) ] || t_fail "started late: $(ctl logs "$job") > $early"
}

d_case "one job at a time in a queue" one_at_a_time
d_case "limits set concurrency takes effect at once" concurrency_takes_effect_at_once
d_case "concurrency of a queue" concurrency_of_a_queue
d_case "priority, then the order of arrival" by_priority_then_in_order
d_case "StartAfter=" starts_after
d_case "nothing is left over" no_leftovers
d_report
t_summary
