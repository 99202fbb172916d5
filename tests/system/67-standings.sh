#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What tenants have used is remembered over a restart, however the daemon ended; and remembering costs an idle one nothing.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# restart stop|daemon|engine|both: ordered, or killed.
restart() {
        if [ "$1" = stop ]; then
                d_stop
        else
                d_kill9 "$1"
        fi
        # tenantqd starts another engine by itself.
        [ "$1" = engine ] || d_start
        t_wait 10 d_answers
}

# The names of all jobs since number $1, as they started.
started() {
        ctl --json ps -a -n 100 | d_json \
                "' '.join(x['name'] for x in sorted(j['jobs'], key=lambda x: x['started_usec'] or 0) if x['job'] >= $1)"
}

# sleeps TENANT NAME…: a job of each name that holds its slot for a while.
sleeps() {
        local tenant=$1 name
        shift
        for name in "$@"; do put "$tenant" "Name=$name" ExecStart="/bin/sleep 0.7" >/dev/null; done
}

# One slot. acme's job holds it for so long, then another's does, and there is a restart: what acme has used is held
# against it, and globex is before it until it has used as much.
has_used() {
        local how=$1 first gate
        scheduler max_jobs=1
        gate=$(d_gate_make "used-a-$how")
        first=$(put acme Name=a1 "$(waits 0)")
        t_wait 5 runs acme 1
        gate=$(d_gate_make "used-b-$how")
        sleeps acme a2 a3
        put globex Name=b1 "$(waits 0)" >/dev/null
        sleeps globex b2 b3 b4
        # Longer than a row may be old.
        sleep 6
        d_gate_open "used-a-$how"
        t_wait 5 runs globex 1
        restart "$how"
        t_wait 5 runs globex 1
        d_gate_open "used-b-$how"
        t_wait 15 d_is_idle
        t_match "$(started "$first")" "^a1 b1 b2 b3 b4 a2 a3$" "order of starts"
        scheduler max_jobs=500
}

# The same while that job still runs: nothing was written since it started.
uses() {
        local how=$1 first gate
        scheduler max_jobs=1
        gate=$(d_gate_make "uses-$how")
        first=$(put acme Name=a1 "$(waits 0)")
        t_wait 5 runs acme 1
        sleeps acme a2 a3
        sleeps globex b1 b2 b3
        sleep 4
        restart "$how"
        t_wait 5 runs acme 1
        d_gate_open "uses-$how"
        t_wait 15 d_is_idle
        t_match "$(started "$first")" "^a1 b1 b2 b3 a2 a3$" "order of starts"
        scheduler max_jobs=500
}

files_of_the_ledger() {
        stat -c '%n %s %y %i' "$D"/state/ledger/*
}

# question SQL: of a copy, while the daemon has stopped.
question() {
        "$D_PYTHON" - "$D/state/ledger/ledger.db" "$1" <<'PY'
import sqlite3, sys
c = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True)
print(" ".join(str(x) for row in c.execute(sys.argv[2]) for x in row))
PY
}

# What changed last waits for the next commit, and there is none of its own.
idle_writes_nothing() {
        local before
        d_restart
        t_eq "$(verdict "$(put acme ExecStart="/bin/sleep 0.2")")" "exit 0"
        t_eq "$(verdict "$(put globex)")" "exit 0"
        sleep 1
        before=$(files_of_the_ledger)
        sleep 7
        t_eq "$(files_of_the_ledger)" "$before" "the ledger's files"
        d_stop
        t_eq "$(question "SELECT name FROM standings JOIN tenants ON id = tenant WHERE averages NOT NULL ORDER BY id")" \
                "acme globex" "tenants that are remembered"
        t_eq "$(question "SELECT presence FROM standings WHERE tenant > 0")" "idle idle" "as what"
        t_eq "$(question "SELECT name FROM pools")" shared pools
        before=$(files_of_the_ledger)
        d_start
        sleep 1
        d_stop
        t_eq "$(question "SELECT count(*) FROM standings")" 3 "rows of two tenants and the host"
        d_start
}

for how in stop both engine; do
        q_case "a tenant has used much: $how" has_used "$how"
done
q_case "a tenant uses much: stop" uses stop
q_case "a tenant uses much: both" uses both
q_case "an idle daemon writes nothing" idle_writes_nothing
d_report
t_summary
