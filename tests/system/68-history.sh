#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What has ended is forgotten in the end, by age and by number, and what it has used stays in the sums of its day; dead
# letters, what is to be kept and what a key stands for stay; no number is given out twice.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# Python with the ledger of the daemon that is stopped: c is the connection, now is in microseconds.
ledger() {
        "$D_PYTHON" - "$D/state/ledger/ledger.db" <<PY
import sqlite3, sys, time
c = sqlite3.connect(sys.argv[1])
now = int(time.time() * 1e6)
day = 86400 * 10**6
$(cat)
c.commit()
c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
PY
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
}

# asks QUERY: the first number of its first row, of the ledger as it is now.
asks() {
        cp "$D"/state/ledger/ledger.db* "$D/stage/"
        "$D_PYTHON" -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])' "$D/stage/ledger.db" "$1"
}

asks_is() {
        [ "$(asks "$1")" = "$2" ]
}

# history LINE…: the section, at once.
history() {
        D_SCHEDULER=$(printf '%s\n' max_jobs=500 '[history]' "$@") d_config
        ctl reload
}

# 3,000 jobs of each of two tenants, one each minute until now, two attempts each; some special ones among the oldest.
fill() {
        ledger <<'PY'
rows = []
for i in range(1, 6001):
    ended = now - (6001 - i) * 60 * 10**6
    rows.append((i, 1 + i % 2, ended - 10**6, i % 3, ended))
c.executemany("INSERT INTO jobs(id, tenant, queue, name, state, priority, submitted_usec, submitter_uid, spec, outcome,"
              " code, verdict, ended_usec, attempt) VALUES(?, ?, 'q', 'n', 'done', 0, ?, 0, x'61', 'exit', ?, 'exit', ?, 2)", rows)
for a in (1, 2):
    c.executemany("INSERT INTO attempts(job, attempt, boot, released_usec, run_usec, cpu_usec, io_read_bytes)"
                  " VALUES(?, ?, x'00', 1, ?, 7, 9)", [(i, a, i) for i in range(1, 6001)])
c.execute("UPDATE jobs SET dead = 1 WHERE id = 11")                        # a dead letter
c.execute("UPDATE jobs SET dead = 1, ended_usec = ? WHERE id = 13", (now - 400 * day,)) # one whom nobody wants
c.execute("UPDATE jobs SET keep_usec = ? WHERE id = 15", (90 * day,))      # to be kept
c.execute("UPDATE jobs SET keep_usec = ? WHERE id = 17", (10**6,))         # was
c.execute("UPDATE jobs SET key = 'k' WHERE id = 19")                       # within the window
c.executemany("INSERT INTO events(time_usec, kind, text) VALUES(?, 'old', '')", [(now - (2000 - i) * 3600 * 10**6,) for i in range(2000)])
c.execute("CREATE TABLE before AS SELECT * FROM sums")
PY
}

sums_are_as_before() {
        t_eq "$(asks "SELECT count(*) FROM (SELECT * FROM before WHERE day < date('now') EXCEPT SELECT * FROM sums)")" 0 "sums that differ"
        [ "$(asks "SELECT count(*) FROM before")" -ge 8 ] || t_fail "no sums"
}

by_number() {
        d_stop
        fill
        D_SCHEDULER=$(printf '%s\n' max_jobs=500 '[history]' jobs=1000 key_window=30d) d_config
        d_start
        ctl reload # at once, not minutes after the start
        t_wait 40 asks_is "SELECT count(*) FROM jobs WHERE tenant = 1" 1000
        t_wait 40 asks_is "SELECT count(*) FROM jobs WHERE tenant = 2" 1003 # a dead letter, a kept one and one with a key besides
        t_eq "$(asks "SELECT group_concat(id) FROM jobs WHERE id < 2000")" 11,15,19 "that stay"
        t_eq "$(asks "SELECT count(*) FROM attempts")" 4006 attempts
        sums_are_as_before
}

by_age() {
        history jobs_age=10h key_window=30d
        t_wait 40 asks_is "SELECT count(*) BETWEEN 600 AND 603 FROM jobs" 1
        t_eq "$(asks "SELECT count(*) FROM jobs WHERE id < 5000")" 3 "special ones"
        sums_are_as_before
}

by_total() {
        history jobs_total=100 key_window=1h
        t_wait 40 asks_is "SELECT count(*) FROM jobs" 102
        t_eq "$(asks "SELECT count(*) FROM jobs WHERE key = 'k'")" 0 "whose window is over"
        sums_are_as_before
}

# Dead letters and what is to be kept are counted by themselves: the oldest go first.
by_kept() {
        history jobs_kept=1 key_window=1h
        t_wait 20 asks_is "SELECT count(*) FROM jobs WHERE id IN (11, 15)" 1
        t_eq "$(asks "SELECT count(*) FROM jobs WHERE id = 11")" 0 "the dead letter, which is the older one"
        t_eq "$(asks "SELECT count(*) FROM jobs")" 101 "the others stay"
        history jobs_kept=0 key_window=1h
        t_wait 20 asks_is "SELECT count(*) FROM jobs" 100
        sums_are_as_before
}

# However long it is: keep_max holds.
kept_for_ever() {
        local keep
        for keep in 300000y 292471y 30y; do
                put acme "Keep=$keep" >/dev/null
        done
        put acme >/dev/null # the newest stays
        t_wait 20 d_is_idle
        history jobs=100 jobs_kept=0 key_window=1h
        t_wait 20 asks_is "SELECT count(*) FROM jobs WHERE keep_usec IS NOT NULL" 0
}

# 26 of 40,000 bytes are as many as 1 MiB holds: the newest of each tenant.
by_bytes() {
        local newest
        newest=$(asks "SELECT max(id) FROM jobs")
        d_stop
        ledger <<<'c.execute("UPDATE jobs SET spec = zeroblob(40000)")'
        d_start
        history jobs_bytes=1M key_window=1h
        t_wait 20 asks_is "SELECT count(*) FROM jobs" 52
        t_eq "$(asks "SELECT group_concat(n) FROM (SELECT count(*) AS n FROM jobs GROUP BY tenant)")" 26,26
        t_eq "$(asks "SELECT max(id) FROM jobs")" "$newest" "the newest stays"
        sums_are_as_before
}

# What a tenant had that was removed counts no more: nobody else's history goes for it.
by_total_without_the_removed() {
        local i
        d_tenant brief 61803
        for i in {1..30}; do
                put brief >/dev/null
        done
        t_wait 20 d_is_idle
        history jobs_total=140 key_window=1h
        t_wait 20 asks_is "SELECT count(*) FROM jobs" 130
        rm -f "$D/etc/tenants.d/brief.conf"
        ctl tenant remove brief --config "$D/etc" >/dev/null
        t_wait 10 asks_is "SELECT count(*) FROM jobs" 100
        for i in {1..20}; do
                put acme >/dev/null
        done
        t_wait 20 d_is_idle
        ctl reload
        sleep 2
        t_eq "$(asks "SELECT count(*) FROM jobs")" 120 "jobs of those that are left"
}

of_events() {
        history events=1000
        t_wait 20 asks_is "SELECT count(*) FROM events" 1000
        history events_age=100h
        t_wait 20 asks_is "SELECT count(*) BETWEEN 99 AND 101 FROM events WHERE kind = 'old'" 1
}

# The newest job stays, whatever is said, and so no number is given out again, after restarts either.
numbers() {
        local before after
        history jobs=0 jobs_total=0 dead_age=1h keep_max=0 key_window=1s
        before=$(put acme)
        t_eq "$(verdict "$before")" "exit 0"
        say_hello by-file | drop globex by-file
        t_wait 5 none_left globex
        t_wait 5 d_is_idle
        sleep 1.1
        history jobs=0 jobs_total=0 dead_age=1h keep_max=0 key_window=1s
        t_wait 20 asks_is "SELECT count(*) FROM jobs" 1
        d_restart
        after=$(put acme)
        [ "$after" -gt "$((before + 1))" ] || t_fail "job $after after $before"
        d_status 5 ctl status "$before" 2>/dev/null
        sums_are_as_before
}

# What a waiting job was told of another one is asked for again by the next start.
awaited() {
        local number name waits both
        number=$(put acme Name=p)
        t_eq "$(verdict "$number")" "exit 0"
        name=$(put acme Name=q)
        t_eq "$(verdict "$name")" "exit 0"
        waits=$(put acme "After=$number")
        t_eq "$(verdict "$waits")" "exit 0"
        ctl pause acme
        both=$(put acme "After=$number q")
        put globex >/dev/null
        history jobs=0 jobs_total=0
        t_wait 10 asks_is "SELECT count(*) FROM jobs WHERE id = $waits" 0
        d_restart
        t_eq "$(why "$both")" tenant-paused
        ctl resume acme
        t_eq "$(verdict "$both")" "exit 0"
        ctl reload
        t_wait 10 asks_is "SELECT count(*) FROM jobs WHERE id IN ($number, $name)" 0
}

# A claim whose file can't be removed is found again by the next start: its job is known as long.
stuck_claim() {
        history jobs=0 jobs_total=0
        d_stop
        payload no-unlink <<END >/dev/null
#!/bin/sh
exec strace -f -o $D/stage/strace -P $D/spool/.claims -e trace=unlinkat -e 'inject=unlinkat:error=EROFS' "\$@"
END
        D_WRAP=$D/payload/no-unlink d_start
        job "ExecStart=$D/payload/says x" Name=stuck | drop acme stuck
        t_wait 5 test -s "$D/witness/acme"
        t_wait 10 asks_is "SELECT count(*) FROM jobs WHERE name = 'stuck' AND state = 'done' AND keep_usec = -1" 1
        put globex >/dev/null
        t_wait 10 d_is_idle
        ctl reload
        sleep 1
        kill -TERM "$(pgrep -P "$(d_pid)" -x tenantqd)"
        t_wait 10 d_is_gone "$(d_pid)"
        t_eq "$(at_door acme)$(find "$D/spool/.claims" -type f | wc -l)" 11 "what is left"
        d_start
        t_wait 5 eval "[ -z \"\$(find '$D/spool/.claims' -type f)\" ]"
        d_is_idle
        t_eq "$(said acme)" x "how often it ran"
}

command -v strace >/dev/null || d_skip_all "no strace"
q_case "by number" by_number
q_case "by age" by_age
q_case "by the sum of all" by_total
q_case "what is kept for longer" by_kept
q_case "by the sum of all, without one that was removed" by_total_without_the_removed
q_case "by the bytes of job files" by_bytes
q_case "a Keep= that never ends" kept_for_ever
q_case "of events" of_events
q_case "numbers go on" numbers
q_case "what a waiting job waits for" awaited
q_case "a claim that can't be removed" stuck_claim
d_report
t_summary
