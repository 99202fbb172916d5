#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who gets the host's slots: max_jobs, weights, reservations, pools and the lane; and what the host's own history would
# have come to with other ones (simulate --since).

# shellcheck disable=SC2119 # waits may have none
# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# One pool ------------------------------------------------------------------------------------

max_jobs_holds() {
        local tenant
        scheduler max_jobs=3
        d_sampler_start
        for tenant in acme globex initech; do
                limit $tenant concurrency=20
                client submit $tenant 20 $'[Job]\nExecStart=/bin/sleep 0.03\n' >/dev/null
        done
        t_wait 20 d_is_idle
        d_sampler_stop
        t_eq "$(d_peak '*')" 3 "most jobs at the same time"
        end_all
}

# slot_time SECONDS: of globex, in percent of both, while both have a backlog.
slot_time() {
        local from
        from=$(date +%s%6N)
        sleep "$1"
        ctl --json ps -a -n 10000 >"$D/stage/rows"
        "$D_PYTHON" - "$D/stage/rows" "$from" "$(date +%s%6N)" <<'PY'
import json, sys
jobs, a, b = json.load(open(sys.argv[1]))["jobs"], int(sys.argv[2]), int(sys.argv[3])
held = {}
for j in jobs:
    if j["started_usec"]:
        time = max(0, min(j["ended_usec"] or b, b) - max(j["started_usec"], a))
        held[j["tenant"]] = held.get(j["tenant"], 0) + time
print(round(100 * held["globex"] / (held["acme"] + held["globex"])))
PY
}

shares_follow_weights() {
        local share
        scheduler max_jobs=4
        ctl pause host
        limit acme concurrency=20 weight=100
        limit globex concurrency=20 weight=300
        client submit acme 1000 $'[Job]\nExecStart=/bin/sleep 0.05\n' >/dev/null
        client submit globex 1000 $'[Job]\nExecStart=/bin/sleep 0.05\n' >/dev/null
        ctl resume host
        share=$(slot_time 2)
        in_range "$share" 68 82 "percent of the slots for weight 300 of 400"
        limit globex weight=100
        limit acme weight=300
        share=$(slot_time 2)
        in_range "$share" 18 32 "percent of the slots for weight 100 of 400"
        end_all
}

wait_ms() {
        ctl --json status "$1" | d_json 'j["jobs"][0]["wait_usec"] // 1000'
}

flood_of_files() {
        local job
        scheduler max_jobs=2
        limit acme concurrency=100
        files acme flood 1 5000 $'[Job]\nName=flood@\nExecStart=/bin/sleep 0.4\n'
        t_wait 15 holds_at_least acme 3000
        within 1000 put globex
        job=$(cat "$D/stage/within")
        t_eq "$(verdict "$job")" "exit 0"
        in_range "$(wait_ms "$job")" 0 500 "ms until it started"
        t_wait 15 holds_at_least acme 4900
        end_all
}

holds_at_least() {
        [ "$(waiting "$1")" -ge "$2" ]
}

# The one who borrowed all slots gives two back as its jobs end, and no third: the weight entitles to next to nothing.
reserved_comes_first() {
        local i jobs=()
        scheduler max_jobs=4
        limit acme concurrency=20 weight=10000
        limit globex concurrency=20 weight=1 reserved=2
        for ((i = 0; i < 12; i++)); do
                put acme ExecStart="/bin/sleep 0.8" >/dev/null
        done
        t_wait 5 runs acme 4
        for i in 1 2 3; do
                jobs+=("$(put globex ExecStart="/bin/sleep 1.5")")
        done
        t_wait 5 runs globex 2
        for i in 0 1; do
                in_range "$(wait_ms "${jobs[i]}")" 0 1000 "ms until a reserved slot was met"
        done
        t_eq "$(running acme) $(running globex)" "2 2" "jobs that run"
        end_all
}

reservations_fit() {
        local a b i
        scheduler max_jobs=4
        limit acme reserved=3
        d_status 3 ctl limits set globex reserved=2 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'reserved: asks for 2, but only 1 of the .* slots are left' "what is said"
        d_status 3 ctl limits set globex reserved=50% 2>/dev/null
        limit globex reserved=25%
        d_tenant_is globex ready
        unlimit globex reserved
        unlimit acme reserved
        # Two at once: one is refused, and no tenant is disabled by a change that was answered.
        for i in {1..10}; do
                a=0 b=0
                ctl limits set globex reserved=3 >/dev/null 2>&1 &
                ctl limits set acme reserved=3 >/dev/null 2>&1 || a=$?
                wait $! || b=$?
                t_none disabled "disabled tenants; exit statuses $a, $b; round $i" ctl tenants
                unlimit globex reserved
                unlimit acme reserved
        done
        scheduler max_jobs=500
}

# Pools and lanes -----------------------------------------------------------------------------

pools() {
        local gate i gold
        scheduler max_jobs=3 '[pool gold]' slots=1
        d_tenant_file initech "$(printf '[tenant]\npool=gold\n')"
        ctl reload
        limit acme concurrency=20
        limit initech concurrency=20
        gate=$(d_gate_make pool)
        for i in 1 2 3 4; do
                put acme "$(waits)" >/dev/null
        done
        t_wait 5 runs acme 2
        put initech "$(waits)" >/dev/null
        gold=$(put initech "$(waits)")
        t_wait 5 runs initech 1
        t_eq "$(running acme) $(running initech)" "2 1" "jobs that run"
        t_match "$(explains "$gold" slots text)" '1 of the 1 slots of pool gold' "why the pool's job waits"
        t_match "$(explains "$gold" slots change)" 'slots=2 in .pool gold.' "what would help"
        scheduler max_jobs=4 '[pool gold]' slots=2
        t_wait 5 d_state_is "$gold" running
        t_eq "$(running acme)" 2 "jobs of the shared pool"
        # The shared pool's slots are idle, and not the pool's tenants' to use.
        d_gate_open pool
        t_wait 5 d_is_idle
        d_sampler_start
        for i in {1..8}; do
                put initech ExecStart="/bin/sleep 0.1" >/dev/null
        done
        t_wait 5 d_is_idle
        d_sampler_stop
        t_eq "$(d_peak initech)" 2 "most jobs of the pool"
        end_all
}

unknown_pool() {
        local job
        d_tenant_file initech "$(printf '[tenant]\npool=golf\n')"
        scheduler max_jobs=4 '[pool gold]' slots=2
        t_wait 5 d_tenant_is initech disabled
        t_match "$(ctl tenants)" 'initech .*pool=golf: tenantq.conf has no \[pool golf\]' fault
        job=$(put initech)
        t_eq "$(why "$job")" tenant-disabled reason
        t_match "$(explains "$job" tenant-disabled change)" 'tenantqctl tenants' "what would help"
        d_tenant_file initech "$(printf '[tenant]\nuser=nosuchuser\n')"
        ctl reload >/dev/null 2>&1 || true
        t_eq "$(explains "$job" tenant-disabled change)" "correct tenants.d/initech.conf; systemctl reload tenantq"
        d_status 0 ctl run -w -t globex -- true
        d_tenant_file initech "$(printf '[tenant]\npool=gold\n')"
        ctl reload
        t_eq "$(verdict "$job")" "exit 0"
        # The same when it is the pool that goes.
        scheduler max_jobs=500
        (t_wait 1 d_tenant_is initech disabled) || job=
        d_tenant_file initech
        ctl reload
        [ -n "$job" ] || t_fail "a tenant whose pool has gone is ready, and waits for ever"
}

lane() {
        local gate i long
        scheduler max_jobs=3 lane_slots=1 lane_runtime=10s
        limit acme concurrency=20
        gate=$(d_gate_make lane)
        for i in 1 2 3; do
                long=$(put acme "$(waits)")
        done
        t_wait 5 runs acme 2
        t_eq "$(why "$long")" lane reason
        t_eq "$(explains "$long" lane change)" RuntimeMaxSec=10s "what would help"
        t_eq "$(verdict "$(put acme RuntimeMaxSec=10s)")" "exit 0" "a short one"
        t_eq "$(running acme)" 2 "long ones"
        t_match "$(why "$(put acme RuntimeMaxSec=11s)")" behind "reasons of one that is just too long"
        d_gate_open lane
        t_wait 5 d_is_idle
        end_all
}

# The history of all of the above -------------------------------------------------------------

# The daemon's own history through the scheduler.
simulates_its_history() {
        ctl --json simulate --since 1h --slots 2 >"$D/stage/since"
        t_eq "$(d_json '[j["schema"], j["slots"], j["jobs"] > 100, j["idle_while_eligible_s"],
                sorted(t["tenant"] for t in j["tenants"]) == ["acme", "globex", "initech"]]' <"$D/stage/since")" \
                '["tenantq.simulate.v1", 2, true, 0.0, true]' report
        # Without --slots it is the daemon's own picture: what is exported is what is computed with.
        scheduler max_jobs=7 lane_slots=2 "[pool gold]" slots=3
        limit acme concurrency=3 weight=250
        limit acme/etl queue_depth=9
        ctl pause -m "disk swap" host
        t_eq "$(ctl --json events -n 1 | d_json '[[e["kind"], e["uid"], "disk swap" in e["text"]] for e in j["events"]]')" \
                '[["pause", 0, true]]' "who paused it, and why"
        t_match "$(ctl events -n 3 | head -1 | tr -s ' ')" 'TIME EVENT TENANT JOB UID TEXT' "the list of events"
        t_eq "$(ctl --json status | d_json '[[p[k] for k in ("pool", "state", "slots", "running", "lane_slots")] for p in j["pools"]]')" \
                '[["host", "paused", 7, 0, null], ["shared", null, 4, 0, 2], ["gold", null, 3, 0, 0]]' "the host in status"
        ctl resume host
        ctl pause acme/etl
        ctl drain acme/etl
        t_eq "$(ctl --json tenants | d_json '[t["fault"] for t in j["tenants"] if t["tenant"] == "acme"][0]')" \
                "queue etl is paused, draining" "a queue that is switched off"
        job Queue=etl | drop acme stays
        t_wait 5 eval 'ctl tenants | grep -q "files wait for room"'
        ctl resume acme/etl
        t_wait 10 is_at_door 0 acme
        t_wait 5 d_is_idle
        t_match "$(ctl status | head -2 | tr -s ' ' | paste -sd ';')" 'POOL STATE SLOTS RUNNING.*;host ready 7 0' "the host in status"
        t_eq "$(ctl_as "$(d_uid acme)" "$(d_uid acme)" --json status | d_json 'j["pools"]')" "[]" "the host, seen by a tenant's user"
        ctl export >"$D/stage/export"
        t_match "$(cat "$D/stage/export")" 'max_jobs = 7' export
        for want in 'lane_slots = 2' '\[pool gold\]' 'slots = 3' '\[tenant acme\]' 'weight = 250' '\[queue acme/etl\]' 'queue_depth = 9'; do
                grep -q "^$want$" "$D/stage/export" || t_fail "not exported: $want"
        done
        ctl --json simulate --since 1h >"$D/stage/since"
        t_eq "$(d_json 'j["slots"]' <"$D/stage/since")" 7 "slots of the daemon"
        ctl simulate --workload tests/sim/mixed.workload --tenants "$D/stage/export" >/dev/null
        ctl_as "$(d_uid acme)" "$(d_uid acme)" export >"$D/stage/export"
        t_eq "$(grep -c '^\[tenant\|^\[scheduler\|^\[pool' "$D/stage/export")" 1 "what a tenant's user sees"
        unlimit acme concurrency weight
        unlimit acme/etl queue_depth
        scheduler max_jobs=500
        t_eq "$(ctl --json simulate --since 1h --set acme.concurrency=1 | d_json '"before" in j')" true "what was before"
        d_status 2 ctl simulate --since never 2>/dev/null
        d_status 7 ctl --socket "$D/none" simulate --since 1h 2>/dev/null
}

q_case "max_jobs at every sample" max_jobs_holds
q_case "shares follow weights, and their change" shares_follow_weights
q_case "a flood of 5,000 files" flood_of_files
q_case "a reservation is met under a borrowed host" reserved_comes_first
q_case "reservations fit" reservations_fit
q_case "pools" pools
q_case "a pool that is not there" unknown_pool
q_case "the lane" lane
q_case "simulate --since" simulates_its_history
d_report
t_summary
