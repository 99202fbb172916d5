#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The ledger of the version before is taken over: what waited, what ran and what had ended is as it was.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# What version 2 has added is taken away again.
older_ledger() {
        "$D_PYTHON" - "$D/state/ledger/ledger.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("DROP TABLE switches")
for name in ("jobs_live_by_tenant", "jobs_by_name"):
    c.execute("DROP INDEX " + name)
for name in ("held", "deadline_usec", "after", "runtime_usec", "stop_usec", "memory_bytes"):
    c.execute("ALTER TABLE jobs DROP COLUMN " + name)
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

q_case "a ledger of version 1" migrates
d_report
t_summary
