#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who is let in: the limits of a queue's and a tenant's backlog, what is said at them and near them, and files that wait
# for room (on_full=wait).

# shellcheck disable=SC2119 # waits may have none
# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# Refused, and a warning before ---------------------------------------------------------------

# refuses LIMIT CURRENT MAXIMUM LINE…: by all three ways, in the same words.
refuses() {
        local limit=$1 current=$2 maximum=$3 words json
        shift 3
        words="TENANT_LIMIT_EXCEEDED: .* has reached its $limit: current $current, maximum $maximum"
        d_status 8 put acme "$@" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "$words" stderr
        json=$(job "$@" | ctl --json submit -t acme - 2>/dev/null) || true
        t_eq "$(d_json 'j["error"]["code"] + " " + j["error"]["limit"]' <<<"$json")" "TENANT_LIMIT_EXCEEDED $limit" json
        t_eq "$(d_json '" ".join(sorted(j["error"]))' <<<"$json")" "code current limit maximum message retry_after" json
        rm -f "$D/spool/acme/rejected"/over*
        job Name=over "$@" | drop acme over
        refused acme over "$words.*retry_after [0-9]+ s"
}

queue_depth() {
        local gate i
        gate=$(d_gate_make depth)
        limit acme queue_depth=3
        put acme "$(waits)" >/dev/null
        t_wait 5 runs acme 1
        for i in 1 2 3; do
                put acme >/dev/null
        done
        refuses queue_depth 3 3
        limit acme queue_depth=4
        put acme >/dev/null 2>&1
        limit acme queue_depth=0
        refuses queue_depth 4 0
        unlimit acme queue_depth
        d_gate_open depth
        t_wait 5 d_is_idle
}

depth_of_a_queue() {
        local gate
        gate=$(d_gate_make own)
        limit acme/own queue_depth=1
        put acme Queue=own "$(waits)" >/dev/null
        t_wait 5 runs acme 1
        put acme Queue=own >/dev/null
        d_status 8 put acme Queue=own 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'queue acme/own has reached its queue_depth: current 1, maximum 1' said
        put acme Queue=another >/dev/null
        d_gate_open own
        t_wait 5 d_is_idle
        d_status 0 put acme Queue=own
        unlimit acme/own queue_depth
}

scheduled_jobs() {
        local i job
        limit acme scheduled_jobs=2
        for i in 1 2; do
                job=$(put acme "StartAfter=$(at 60)")
        done
        refuses scheduled_jobs 2 2 "StartAfter=$(at 60)"
        refuses scheduled_jobs 2 2 After=whatever
        put acme >/dev/null
        ctl cancel "$job"
        put acme "StartAfter=$(at 60)" >/dev/null
        end_all
}

spool_bytes() {
        local size
        ctl pause acme
        size=$(job | wc -c)
        limit acme spool_bytes=$((2 * size))
        put acme >/dev/null
        put acme >/dev/null
        refuses spool_bytes $((2 * size)) $((2 * size))
        unlimit acme spool_bytes
        ctl resume acme
        t_wait 5 d_is_idle
}

enqueue_rate() {
        local json after
        limit acme enqueue_rate=2/s
        put acme >/dev/null
        put acme >/dev/null
        json=$(job | ctl --json submit -t acme - 2>/dev/null) || true
        t_eq "$(d_json 'j["error"]["limit"]' <<<"$json")" enqueue_rate json
        # In the unit of the words: what current and maximum say can be read.
        t_eq "$(d_json '[j["error"]["current"], j["error"]["maximum"]]' <<<"$json")" '[2, 2]' "numbers for 2/s"
        after=$(d_json 'j["error"]["retry_after"]' <<<"$json")
        in_range "$after" 1 1 retry_after
        sleep "$after"
        put acme >/dev/null
        put acme >/dev/null
        job Name=over | drop acme over-rate
        refused acme over-rate 'reached its enqueue_rate: current 2/s, maximum 2/s; retry_after 1 s'
        unlimit acme enqueue_rate
        t_wait 5 d_is_idle
}

warns_when_near() {
        local i words="warning: TENANT_LIMIT_NEAR: tenant acme is near its queue_depth"
        ctl pause acme
        limit acme queue_depth=10
        for ((i = 1; i <= 10; i++)); do
                put acme >/dev/null 2>"$D/stage/err"
                if [ $i -ge 8 ]; then
                        t_match "$(cat "$D/stage/err")" "$words: current $i, maximum 10" "what is said of job $i"
                else
                        t_eq "$(cat "$D/stage/err")" "" "what is said of job $i"
                fi
        done
        ctl resume acme
        t_wait 5 d_is_idle
        unlimit acme queue_depth
}

# on_full=wait --------------------------------------------------------------------------------

no_files() {
        [ -z "$(find "$D/spool/$1" "$D/spool/.claims" -name '*.job' -o -name "*.$1")" ]
}

# What ran: each number once, none lost; "again" ten times.
each_ran_once() {
        "$D_PYTHON" - "$D/witness/initech" <<'PY'
import sys
words = open(sys.argv[1]).read().split()
numbers = [int(w) for w in words if w != "again"]
assert len(set(numbers)) == len(numbers), "twice: %s" % numbers
assert set(range(100, 150)) <= set(numbers), "lost: %s" % (set(range(100, 150)) - set(numbers))
assert words.count("again") == 10, words
PY
}

# 60 files of a tenant whose room is for three; meanwhile a restart, names used again, another tenant.
files_are_held() {
        d_tenant_file initech "$(printf '[tenant]\non_full=wait\n[limits]\nqueue_depth=3\n')"
        ctl reload
        ctl pause initech
        : >"$D/witness/initech"
        files initech held 100 159 "$(printf '[Job]\nName=held@\nExecStart=%s @\n_' "$D/payload/says" | head -c -1)"
        t_wait 5 holds initech 3
        sleep 0.3
        t_eq "$(waiting initech)" 3 "jobs that were taken"
        t_eq "$(($(find "$D/spool/initech" -name '*.job' | wc -l) + $(at_door initech)))" 57 "files that wait"
        t_match "$(ctl tenants | grep initech)" "files wait for room: $(at_door initech) at the door" tenants
        within 1000 ctl run -w -t globex -- true
        d_restart
        ctl resume initech
        # Names again, of files that are there, or out for a moment to be looked at: those replace, these do not.
        sleep 0.1
        files initech held 150 159 "$(printf '[Job]\nName=again\nExecStart=%s again\n_' "$D/payload/says" | head -c -1)"
        t_wait 15 no_files initech
        t_wait 10 d_is_idle
        each_ran_once
        t_eq "$(find "$D/spool/initech/rejected" -name '*.reason' 2>/dev/null | wc -l)" 0 "refused files"
        # Names are kept.
        t_eq "$(ctl --json ps -a -n 10000 initech |
                d_json 'len({r["name"] for r in j["jobs"]} & {"held%d" % i for i in range(100, 150)})')" 50 names
}

# What stays is the tenant's: it can take it back.
held_files_are_the_tenants() {
        local held
        ctl pause initech
        files initech mine 1 20 $'[Job]\nName=mine\nExecStart=/bin/true\n'
        t_wait 5 holds initech 3
        sleep 0.3
        files initech late 1 100 $'[Job]\nName=mine\nExecStart=/bin/true\n'
        sleep 0.3
        held=$(at_door initech)
        [ "$held" -le 64 ] || t_fail "$held files were taken out of the tenant's directory"
        rm "$D"/spool/initech/*.job
        ctl resume initech
        t_wait 5 no_files initech
        t_wait 5 d_is_idle
        t_eq "$(ctl ps -a -n 10000 initech | grep -cw mine)" $((3 + held)) "jobs of files that were not removed"
        no_files initech || t_fail "files came back: $(ls "$D/spool/initech")"
}

# One full queue: the tenant's other queues go on, and waiting costs the ledger nothing.
full_queue_and_others() {
        local waited before
        d_tenant_file initech "$(printf '[tenant]\non_full=hold\n[queue full]\nqueue_depth=1\n')"
        ctl reload
        ctl pause initech/full
        files initech full 1 50 $'[Job]\nQueue=full\nExecStart=/bin/true\n'
        t_wait 5 holds initech 1
        sleep 0.3
        before=$(now_ms)
        job Name=open Queue=open | drop initech open
        t_wait 15 d_exists initech open
        waited=$(($(now_ms) - before))
        ctl resume initech/full
        t_wait 15 no_files initech
        d_tenant_file initech
        ctl reload
        [ "$waited" -lt 1000 ] || t_fail "a file for a queue with room waited $waited ms behind those of a full one"
}

# A file that no room is large enough for is refused, and keeps nobody waiting; nor does one whose tenant waits no more.
nothing_waits_for_ever() {
        d_tenant_file initech "$(printf '[tenant]\non_full=wait\n[limits]\nspool_bytes=2K\n[queue full]\nqueue_depth=1\n')"
        ctl reload
        { job Name=large && printf '#%3000s\n' ''; } | drop initech large
        refused initech large 'spool_bytes: current .*, maximum 2K'
        job Name=small | drop initech small
        t_wait 5 d_exists initech small
        ctl pause initech/full
        files initech behind 1 3 $'[Job]\nQueue=full\nExecStart=/bin/true\n'
        t_wait 5 is_at_door 2 initech
        sed -i /on_full/d "$D/etc/tenants.d/initech.conf"
        ctl reload
        refused initech behind3 'queue_depth'
        t_wait 5 is_at_door 0 initech
        ctl resume initech/full
        t_wait 5 d_is_idle
        d_tenant_file initech
        ctl reload
}

q_case "queue_depth" queue_depth
q_case "queue_depth of a queue" depth_of_a_queue
q_case "scheduled_jobs" scheduled_jobs
q_case "spool_bytes" spool_bytes
q_case "enqueue_rate" enqueue_rate
q_case "a warning near a limit" warns_when_near
q_case "on_full=wait" files_are_held
q_case "on_full=wait: the files stay the tenant's" held_files_are_the_tenants
q_case "on_full=wait: a full queue and others" full_queue_and_others
q_case "on_full=wait: nothing waits for ever" nothing_waits_for_ever
d_report
t_summary
