#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A ledger of a size that nobody wants to fill through the door: what waits in it, and what has ended, cost the others
# nothing. The figures are printed. Logs are in memory: to make their files costs more or less from minute to minute.
#
# TENANTQ_TEST_MILLION: jobs (default 50000), TENANTQ_TEST_ROUNDS: measurements of each kind (default 3),
# TENANTQ_TEST_RATE: jobs a second meanwhile (default 200: near what the machine can, queueing is all that one would see)

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

N=${TENANTQ_TEST_MILLION:-50000}
ROUNDS=${TENANTQ_TEST_ROUNDS:-3}
RATE=${TENANTQ_TEST_RATE:-200}
FEW=1000

# fill STATE LAST: jobs of acme's with the numbers 1001 to LAST, in the ledger of the daemon that is stopped.
fill() {
        "$D_PYTHON" - "$D/state/ledger/ledger.db" "$@" <<'PY'
import sqlite3, sys, time
path, state, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
c = sqlite3.connect(path)
c.execute("PRAGMA synchronous = OFF")
now, spec = int(time.time() * 1e6), b"[Job]\nExecStart=/bin/true\n"
tenant, = c.execute("SELECT id FROM tenants WHERE name = 'acme'").fetchone()
for i in range(1001, last + 1):
    came = now - (last - i) * 1000
    how = ("exit", 0, "exit 0", came, 1) if state == "done" else (None, None, None, None, 0)
    c.execute("INSERT INTO jobs(id, tenant, queue, name, state, priority, submitted_usec, submitter_uid, spec, outcome, code, verdict,"
              " ended_usec, attempt) VALUES(?, ?, 'default', 'n', ?, 0, ?, 61601, ?, ?, ?, ?, ?, ?)", (i, tenant, state, came, spec, *how))
    if state == "done":
        c.execute("INSERT INTO attempts(job, attempt, boot, released_usec, run_usec, cpu_usec, io_read_bytes)"
                  " VALUES(?, 1, x'00', 1, 5, 7, 9)", (i,))
c.commit()
c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
PY
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D/state/ledger/ledger.db"
}

# asks QUERY: the first row, of the ledger as it is now; it fails where the ledger changed while it was copied.
asks() {
        cp "$D"/state/ledger/ledger.db* "$D/stage/"
        "$D_PYTHON" -c 'import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone())' "$D/stage/ledger.db" "$1"
}

# note WORD…: a figure, printed at the end.
note() {
        echo "# $*" >>"$D/figures"
}

# middle FILE [COLUMN]: the median.
middle() {
        sort -n -k "${2:-1}" "$1" | awk -v c="${2:-1}" '{ a[NR] = $c } END { print a[int((NR + 1) / 2)] }'
}

# What waits ----------------------------------------------------------------------------------

# Microseconds of CPU that both processes have used.
cpu_usec() {
        awk '{ sum += $14 + $15 } END { printf "%d", sum * 10000 }' "/proc/$(d_pid)/stat" "/proc/$(d_engine)/stat"
}

# begin_with LEDGER
begin_with() {
        d_stop
        cp -p "$D/$1.db" "$D/state/ledger/ledger.db"
        rm -f "$D"/state/ledger/ledger.db-wal
        D_TIMEOUT=60 d_start
}

has_at_most() {
        [ "$(waiting acme)" -le "$1" ]
}

# CPU of both processes for each of some thousand jobs, in microseconds: there are as many more behind them.
cost() {
        local before cpu
        before=$(waiting acme)
        cpu=$(cpu_usec)
        ctl resume acme
        t_wait 60 has_at_most $((before - FEW))
        ctl pause acme
        t_wait 5 runs acme 0
        echo $((($(cpu_usec) - cpu) / (before - $(waiting acme))))
}

waits() {
        local start few many
        ctl pause acme
        limit acme concurrency=4
        d_stop
        cp -p "$D/state/ledger/ledger.db" "$D/empty.db"
        fill queued $((1000 + 2 * FEW))
        mv "$D/state/ledger/ledger.db" "$D/few.db"
        cp -p "$D/empty.db" "$D/state/ledger/ledger.db"
        fill queued $((1000 + N))
        cp -p "$D/state/ledger/ledger.db" "$D/many.db"
        d_start
        for ((i = 0; i < ROUNDS; i++)); do
                begin_with few
                cost >>"$D/stage/few"
                start=$(now_ms)
                begin_with many
                echo $(($(now_ms) - start)) >>"$D/stage/start"
                cost >>"$D/stage/many"
        done
        t_eq "$(waiting acme)" "$(asks "SELECT count(*) FROM jobs WHERE state = 'queued'")" "jobs that wait"
        few=$(middle "$D/stage/few") many=$(middle "$D/stage/many")
        note "stop and start with $N queued: $(middle "$D/stage/start") ms;" \
                "$(awk '/^VmRSS/ { print $2 }' "/proc/$(d_engine)/status") KiB of the engine"
        note "CPU of a job of $FEW: $few us; of $N: $many us; ratio $((many * 100 / few)) %"
        [ -n "${SAN-}" ] || in_range $((many * 100 / few)) 0 130 "% of the CPU that a job costs alone"
        within 1000 ctl explain $((1000 + N))
        within 1000 ctl ps acme
        within 1000 ctl queue
        begin_with empty
        ctl resume acme
        unlimit acme concurrency
}

# What has ended ------------------------------------------------------------------------------

# load SECONDS QUEUE: so many files a second; the job's name says when it was put there.
load() {
        "$D_PYTHON" - "$D" "$@" "$RATE" <<'PY'
import os, sys, time
d, seconds, queue, rate = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
start = time.monotonic()
for i in range(rate * seconds):
    time.sleep(max(0, start + i / rate - time.monotonic()))
    fd = os.open(d + "/stage/file", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, b"[Job]\nExecStart=/bin/true\nQueue=%s\nName=%d\n" % (queue.encode(), time.time_ns() // 1000))
    os.fchown(fd, 61602, 61602)
    os.close(fd)
    os.rename(d + "/stage/file", "%s/spool/globex/%s-%d.job" % (d, queue, i))
PY
        t_wait 20 none_left globex
        t_wait 20 d_is_idle
}

# latency QUEUE: median and p99 from the name to the start, in microseconds, and how many they were.
latency() {
        cp "$D"/state/ledger/ledger.db* "$D/stage/"
        "$D_PYTHON" - "$D/stage/ledger.db" "$1" <<'PY'
import sqlite3, sys
a = sorted(s - int(n) for s, n in sqlite3.connect(sys.argv[1]).execute(
    "SELECT a.started_usec, j.name FROM jobs j JOIN attempts a ON a.job = j.id WHERE j.queue = ?", (sys.argv[2],)))
print(a[len(a) // 2], a[len(a) * 99 // 100], len(a))
PY
}

# keep JOBS: of each tenant, from now on.
keep() {
        D_SCHEDULER=$(printf '%s\n' max_jobs=500 '[history]' "jobs=$1" "jobs_total=$((2 * N + 100000))") d_config
        ctl reload
}

SUMS="SELECT jobs, attempts, run_usec, cpu_usec, io_read_bytes FROM (SELECT tenant, sum(jobs) AS jobs, sum(attempts) AS attempts,
sum(run_usec) AS run_usec, sum(cpu_usec) AS cpu_usec, sum(io_read_bytes) AS io_read_bytes FROM sums GROUP BY tenant)
WHERE tenant = (SELECT id FROM tenants WHERE name = 'acme')"
ROWS="SELECT count(*) FROM jobs WHERE tenant = (SELECT id FROM tenants WHERE name = 'acme')"

is_pruned() {
        sleep 1 # a copy of the ledger
        [ "$(asks "$ROWS")" -le "$1" ]
}

has_ended() {
        local size left ratio50 ratio99
        keep $((2 * N))
        d_stop
        rm -f "$D"/state/ledger/ledger.db-wal
        fill "done" $((1000 + N))
        size=$(stat -c %s "$D/state/ledger/ledger.db")
        D_TIMEOUT=60 d_start
        limit globex concurrency=8
        load 2 warm
        for ((i = 0; i < ROUNDS; i++)); do
                keep $((2 * N))
                load 5 alone$i
                latency alone$i >>"$D/stage/alone"
                left=$(asks "$ROWS")
                keep $((N / 10))
                load 5 beside$i
                keep $((2 * N))
                sleep 0.5
                latency beside$i >>"$D/stage/beside"
                [ "$(asks "$ROWS")" -lt "$left" ] || [ "$left" -eq $((N / 10)) ] || t_fail "nothing was pruned in round $i"
        done
        note "median and p99 from a file to its start, us: $(middle "$D/stage/alone") $(middle "$D/stage/alone" 2) at $RATE jobs a second;" \
                "$(middle "$D/stage/beside") $(middle "$D/stage/beside" 2) while history goes"
        # What history costs, it costs in every round; what the machine does besides, in some.
        ratio50=$(paste "$D/stage/alone" "$D/stage/beside" | awk '{ r = $4 * 100 / $1; if (NR == 1 || r < m) m = r } END { printf "%d", m }')
        ratio99=$(($(middle "$D/stage/beside" 2) * 100 / $(middle "$D/stage/alone" 2)))
        # A machine of two cores is nearly full with a few hundred jobs a second: p99 of one and the same differs by half.
        [ -n "${SAN-}" ] || in_range "$ratio50" 0 130 "% of the median"
        [ -n "${SAN-}" ] || in_range "$ratio99" 0 200 "% of p99"
        t_eq "$(awk '{ print $3 }' "$D/stage/alone" "$D/stage/beside" | sort -u)" $((5 * RATE)) "jobs that ran"
        keep $((N / 10))
        t_wait 600 is_pruned $((N / 10))
        t_eq "$(asks "$ROWS")" $((N / 10)) "jobs that are kept"
        t_eq "$(asks "$SUMS")" "$N $N $((N * 5)) $((N * 7)) $((N * 9))" "sums"
        size=$(($(stat -c %s "$D/state/ledger/ledger.db") - size))
        note "the ledger has grown by $size bytes"
        [ "$size" -le $((16 << 20)) ] || t_fail "the ledger has grown by $size bytes"
}

q_init
mount -t tmpfs tmpfs "$D/logs" || d_skip_all "no tmpfs"
q_case "$N that wait (T88)" waits
q_case "$N that have ended" has_ended
cat "$D/figures"
d_report
d_stop
umount "$D/logs"
t_summary
