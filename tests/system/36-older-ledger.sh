#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The ledger of the version before is taken over: what waited, what ran and what had ended is as it was.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# All that version 1 did not have is taken away again.
older_ledger() {
        "$D_PYTHON" - "$D/state/ledger/ledger.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
had = ["tenants", "jobs", "attempts", "events", "jobs_by_tenant", "jobs_live", "limits"]
columns = """id claim tenant queue name state priority submitted_usec submitter_uid start_after_usec correlation_id labels
    stop attempt spec outcome level stage code verdict ended_usec""".split()
for kind in ("trigger", "view", "index", "table"):
    for (name,) in c.execute("SELECT name FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL", (kind,)).fetchall():
        if name not in had:
            c.execute(f"DROP {kind} {name}")
for (name,) in c.execute("SELECT name FROM pragma_table_info('jobs')").fetchall():
    if name not in columns:
        c.execute(f"ALTER TABLE jobs DROP COLUMN {name}")
c.execute("ALTER TABLE attempts DROP COLUMN silent")
c.execute("DROP TABLE limits")
c.execute("""CREATE TABLE limits(revision INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, uid INTEGER NOT NULL,
    tenant INTEGER NOT NULL REFERENCES tenants, queue TEXT NOT NULL, name TEXT NOT NULL, old_value TEXT, new_value TEXT,
    kernel TEXT, why TEXT) STRICT""")
c.execute("CREATE INDEX limits_by_name ON limits(tenant, queue, name, revision)")
c.execute("PRAGMA user_version = 1")
c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
c.close()
PY
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
}

migrates() {
        local gate waits runs ended i jobs=()
        gate=$(d_gate_make migrate)
        ended=$(put acme)
        t_eq "$(verdict "$ended")" "exit 0"
        runs=$(put acme "$(waits 7)")
        t_wait 5 runs acme 1
        for i in 0 5 0; do
                jobs+=("$(put acme RuntimeMaxSec=300ms ExecStart="/bin/sleep $i")")
        done
        waits=$(put acme "StartAfter=$(at 2)" Queue=other)
        d_stop
        older_ledger
        d_start
        t_match "$(cat "$D/log")" "the ledger, of version 1, was brought to this version's"
        t_eq "$(verdict "$ended")" "exit 0" "one that had ended"
        d_gate_open migrate
        t_eq "$(verdict "$runs")" "exit 7" "one that ran"
        t_eq "$(verdict "${jobs[0]}")" "exit 0" "one that waited"
        t_eq "$(verdict "${jobs[1]}")" "timeout (job)" "one that waited, and whose bound is in its file only"
        t_eq "$(verdict "${jobs[2]}")" "exit 0" "one that waited"
        t_eq "$(verdict "$waits")" "exit 0" "one that was to start later"
        ctl pause acme
        d_restart
        i=$(put acme)
        t_eq "$(why "$i")" tenant-paused "the new table"
        ctl resume acme
        t_eq "$(verdict "$i")" "exit 0"
}

# An engine that is killed at its N-th write begins again where it was (T84).
is_killed_often() {
        [ "$(grep -c 'the engine ended .signal 9' "$D/log")" -ge 2 ]
}

has_come_so_far() {
        is_killed_often || grep -q '>ready$' "$D/log"
}

killed_meanwhile() {
        local at ended waits kills=0
        command -v strace >/dev/null || t_skip "no strace"
        ended=$(put acme)
        t_eq "$(verdict "$ended")" "exit 0"
        ctl pause acme
        for at in 1 2 3 4 6 9 14 21 32; do
                waits=$(put acme "ExecStart=/bin/sh -c 'exit $at'")
                d_stop
                older_ledger
                payload killed-at <<END >/dev/null
#!/bin/sh
exec strace -f -o /dev/null -P $D/state/ledger/ledger.db -P $D/state/ledger/ledger.db-wal -e trace=pwrite64 -e inject=pwrite64:signal=KILL:when=$at "\$@"
END
                : >"$D/log"
                D_WRAP=$D/payload/killed-at d_launch
                t_wait 20 has_come_so_far
                ! is_killed_often || kills=$((kills + 1))
                kill -KILL "$(pgrep -P "$(d_pid)" -x tenantqd)"
                t_wait 10 d_is_gone "$(d_pid)"
                d_start
                # What was paused is a table of later versions.
                t_eq "$(verdict "$waits")" "exit $at" "after a kill at write $at"
                t_eq "$(verdict "$ended")" "exit 0" "one that had ended"
                ctl pause acme
        done
        ctl resume acme
        in_range "$kills" 5 9 "starts that were killed"
}

q_case "a ledger of version 1" migrates
q_case "killed while it is brought up (T84)" killed_meanwhile
d_report
t_summary
