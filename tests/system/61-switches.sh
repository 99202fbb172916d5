#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hold, pause and drain, of a job, a queue, a tenant and the host: over restarts and crashes, and back again in order.

# shellcheck disable=SC2119 # waits may have none
# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# Hold ----------------------------------------------------------------------------------------

holds_and_releases() {
        local target=$1 gate a b c
        : >"$D/witness/acme"
        gate=$(d_gate_make "hold-${target/\//-}")
        put acme "$(waits)" >/dev/null
        t_wait 5 runs acme 1
        a=$(put acme "$(says a)")
        b=$(put acme "$(says b)")
        c=$(put acme "$(says c)")
        if [ "$target" = job ]; then
                ctl hold "$b"
                d_status 3 ctl hold "$b"
        else
                t_eq "$(ctl hold "$target")" "$target: 3 jobs held"
                t_eq "$(why "$a") $(why "$c")" "held queue-concurrency held queue-concurrency" reasons
                # What comes later is not held.
                put acme "$(says d)" >/dev/null
        fi
        t_match "$(explains "$b" held change)" "tenantqctl release $b" "what would help"
        d_restart
        d_gate_open "hold-${target/\//-}"
        t_wait 5 runs acme 0
        t_eq "$(why "$b")" held reasons
        if [ "$target" = job ]; then
                ctl release "$b"
                d_status 5 ctl hold 999999
        else
                t_eq "$(ctl release "$target")" "$target: 3 jobs released"
        fi
        t_wait 5 d_is_idle
        if [ "$target" = job ]; then
                t_eq "$(said acme)" acb order
        else
                t_eq "$(said acme)" dabc order
        fi
}

# Held jobs start in the order in which they came, after a restart too.
release_keeps_the_order() {
        local i
        : >"$D/witness/acme"
        ctl pause acme
        for i in {a..p}; do
                put acme "$(says "$i")" >/dev/null
        done
        ctl hold acme >/dev/null
        d_restart
        ctl release acme >/dev/null
        ctl resume acme
        t_wait 5 d_is_idle
        t_eq "$(said acme)" abcdefghijklmnop order
}

# Pause ---------------------------------------------------------------------------------------

# The same over a SIGKILL of the engine and a restart; other targets are not concerned.
pauses() {
        local target=$1 reason=$2 job
        ctl pause -m "for a test" "$target"
        job=$(put acme Queue=p)
        t_eq "$(why "$job")" "$reason" reason
        [ "$target" = host ] || d_status 0 ctl run -w -t globex -- true
        [ "$target" != acme/p ] || d_status 0 ctl run -w -t acme -q other -- true
        d_kill9 engine
        t_wait 5 d_answers
        t_eq "$(why "$job")" "$reason" "reason after SIGKILL of the engine"
        d_restart
        t_eq "$(why "$job")" "$reason" "reason after a restart"
        t_eq "$(explains "$job" "$reason" change)" "tenantqctl resume $target" "what would help"
        ctl resume "$target"
        t_eq "$(verdict "$job")" "exit 0"
}

# Drain ---------------------------------------------------------------------------------------

# all_ran NAME N: jobs of acme
all_ran() {
        [ "$(ctl --json ps -a -n 10000 acme |
                d_json "sum(r['name'] == '$1' and r['verdict'] == 'exit 0' for r in j['jobs'])")" -eq "$2" ]
}

says_draining() {
        local line
        d_status 8 put acme Queue=p 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'DRAINING: .* is being drained' "what is said"
        line=$(job Queue=p | ctl --json submit -t acme - 2>/dev/null) || true
        t_eq "$(d_json '[j["error"]["code"], j["error"]["limit"], j["error"]["retry_after"]]' <<<"$line")" \
                '["DRAINING", "drain", null]' json
}

# What waits still runs; no new job is taken, files stay.
drains() {
        local target=$1 name=drained-${1/\//-} gate job
        gate=$(d_gate_make "$name")
        put acme Queue=p "$(waits)" >/dev/null
        job=$(put acme Queue=p)
        ctl drain "$target"
        says_draining
        files acme "$name" 1 5 "$(job "Name=$name" Queue=p)"
        d_gate_open "$name"
        t_eq "$(verdict "$job")" "exit 0" "one that was taken before"
        [ "$target" = host ] || d_status 0 ctl run -w -t globex -- true
        d_restart
        sleep 0.2
        # Of a queue they wait at the door: whose they are, only the engine can tell.
        if [ "$target" = acme/p ]; then
                t_eq "$(at_door acme)" 5 "files that wait"
        else
                t_eq "$(find "$D/spool/acme" -name "${name}[1-5].job" | wc -l)" 5 "files that stay"
        fi
        [ -z "$(d_find acme "$name")" ] || t_fail "a file was taken"
        ctl resume "$target"
        t_wait 5 all_ran "$name" 5
        t_eq "$(find "$D/spool/acme" -name '*.job' | wc -l)" 0 "files that are left"
        [ ! -e "$D/spool/acme/rejected/${name}1.reason" ] || t_fail "refused: $(reason acme "${name}1")"
}

others_of_a_drained_queue() {
        local status=0
        ctl drain acme/p
        files acme closed 1 3 "$(job Name=closed Queue=p)"
        sleep 0.2
        job Name=beside Queue=other | drop acme beside
        (t_wait 2 d_exists acme beside) || status=$?
        ctl resume acme/p
        t_wait 5 all_ran closed 3
        t_eq "$status" 0 "a file for a queue that is open was taken"
}

# Killed while the engine has a file that it would hold: it is still not taken.
drain_holds_over_a_crash() {
        ctl drain acme
        kill -STOP "$(d_engine)"
        job Name=in-flight | drop acme in-flight
        sleep 0.3
        d_kill9 both
        d_start
        sleep 0.3
        [ -z "$(d_find acme in-flight)" ] || t_fail "a drained tenant's file was taken"
        ctl resume acme
        t_eq "$(verdict "$(job_of acme in-flight)")" "exit 0"
}

# Targets -------------------------------------------------------------------------------------

bad_targets() {
        local job
        d_status 5 ctl pause nobody-there
        d_status 3 ctl pause 'acme/a b'
        d_status 2 ctl pause
        d_status 6 ctl_as 61601 61601 pause acme
        job=$(put acme "StartAfter=$(at 60)")
        d_status 5 ctl_as 61602 61602 hold "$job"
        d_status 0 ctl_as 61601 61601 hold "$job"
        ctl cancel "$job"
}

q_case "hold and release of a job" holds_and_releases job
q_case "hold and release of a tenant" holds_and_releases acme
q_case "hold and release of a queue" holds_and_releases acme/default
q_case "hold and release of the host" holds_and_releases host
q_case "release keeps the order over a restart" release_keeps_the_order
q_case "pause of the host" pauses host host-paused
q_case "pause of a tenant" pauses acme tenant-paused
q_case "pause of a queue" pauses acme/p queue-paused
q_case "drain of the host" drains host
q_case "drain of a tenant" drains acme
q_case "drain of a queue" drains acme/p
q_case "drain of a queue leaves the others" others_of_a_drained_queue
q_case "drain and a crash" drain_holds_over_a_crash
q_case "targets" bad_targets
d_report
t_summary
