#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The disk of the ledger fails, once or for good, becomes read-only (T67, T70), or takes seconds for what others do in
# milliseconds (T77). Planted in the engine, below SQLite.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

d_init ""
build=${BUILD:-build}
[[ $build = /* ]] || build=$D_TOP/$build

build_engine() {
        local -a libs
        read -ra libs <<<"$(make -s --no-print-directory -C "$D_TOP" libs)"
        # shellcheck disable=SC2046 # words
        gcc -std=gnu17 -D_GNU_SOURCE -O1 ${SAN:+-fsanitize="$SAN"} "$(dirname "$0")/faulty_disk.c" \
                $(find "$build/engine" -name '*.o') "$build"/libtq-{ipc,sim,store,kernel,conf,core,base}.a "${libs[@]}" \
                -o "$D/bin/tenantq-engine"
}

# disk CALL ERROR TIMES DELAY-MS: from now on; CALL is read, write or flush, ERROR a number of errno(3) or 0.
disk() {
        "$D_PYTHON" - "$D/state/ledger/disk" "$@" <<'PY'
import struct, sys
path, call, *numbers = sys.argv[1:]
error, times, delay = map(int, numbers)
with open(path, "r+b") as f:
    f.write(struct.pack("5i", ["read", "write", "flush"].index(call), error, times, delay, 0))
PY
}

# How often it was so.
failures() {
        "$D_PYTHON" -c 'import struct, sys; print(struct.unpack("5i", open(sys.argv[1], "rb").read())[4])' "$D/state/ledger/disk"
}

command -v gcc >/dev/null || d_skip_all "no compiler"
build_engine || exit 1
mkdir -p "$D/state/ledger"
head -c 20 /dev/zero >"$D/state/ledger/disk"
chown "$D_ENGINE_UID" "$D/state/ledger/disk"
d_start
d_tenant acme 61651
d_tenant globex 61652
d_tenant initech 61653 # end_all() is about it, too
limit acme concurrency=20

is_degraded() {
        [ "$(ctl --json status | d_json 'j["pools"][0]["state"]')" = degraded ]
}

EIO=5
EROFS=30
FOR_EVER=1000000000

# fails CALL ERROR TIMES WORDS: with jobs that run, and one that waits.
fails() {
        local gate ends waits status=0 i
        gate=$(d_gate_make "fails$1$2")
        : >"$D/witness/acme"
        chown 61651 "$D/witness/acme"
        ends=$(put acme "ExecStart=/bin/sh -c \"echo 1 >>$D/witness/acme; read x <$gate; exit 7\"")
        t_wait 5 runs acme 1
        waits=$(put globex "StartAfter=$(at 3)")
        : >"$D/log"
        # What was acknowledged is there in the end, whatever the disk said of it.
        for i in 1 2 3; do
                put acme StartAfter="$(at 600)" >>"$D/stage/accepted"
        done
        disk "$1" "$2" "$3" 0
        for ((i = 0; i < 50; i++)); do
                ! is_degraded || break
                put acme StartAfter="$(at 600)" >>"$D/stage/accepted" 2>/dev/null || true
        done
        is_degraded || t_fail "not degraded after $(failures) failures"
        t_match "$(cat "$D/log")" "DEGRADED: .*$4"
        t_match "$(ctl status)" "degraded"
        # Nothing is taken, what runs goes on and is ended, and nothing starts; it does not become well by itself.
        ctl run -t globex -- /bin/true 2>"$D/stage/refusal" || status=$?
        t_eq "$status" 4 "exit code of a refusal"
        say_hello dropped | drop globex dropped
        d_gate_open "fails$1$2"
        sleep 4
        is_degraded || t_fail "it has become well by itself"
        # A failed write is not tried again: nothing is written any more.
        disk "$1" "$2" "$FOR_EVER" 0
        put acme StartAfter="$(at 600)" 2>/dev/null || true
        sleep 1
        t_eq "$(failures)" 0 "writes that were tried"
        t_eq "$(why "$waits")" recovery "why the one waits whose time has come"
        test -e "$D/spool/globex/dropped.job" || t_fail "the file was taken"
        ctl tenants >/dev/null
        ctl ps >/dev/null
        disk read 0 0 0
        d_restart
        t_eq "$(verdict "$ends")" "exit 7" "one that ended meanwhile"
        t_eq "$(verdict "$waits")" "exit 0" "one that waited"
        t_eq "$(verdict "$(job_of globex dropped)")" "exit 0" "a file"
        t_eq "$(cat "$D/witness/acme")" 1 "how often it ran"
        while read -r i; do
                t_eq "$(ctl --json status "$i" | d_json 'j["jobs"][0]["state"]')" scheduled "job $i"
                ctl cancel "$i" >/dev/null
        done <"$D/stage/accepted"
        rm -f "$D/stage/accepted"
        d_stop
        "$D/bin/tenantqctl" ledger check "$D/state/ledger/ledger.db" >/dev/null
        d_start
}

# The answer of one question fails; nobody else's.
reads_fail() {
        local status
        d_stop
        # More than the cache holds.
        "$D_PYTHON" - "$D/state/ledger/ledger.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.executemany("INSERT INTO jobs(id, tenant, queue, name, state, priority, submitted_usec, submitter_uid, spec, outcome, code, verdict,"
              " ended_usec, attempt) VALUES(?, 1, 'default', 'read', 'done', 0, ?, 0, zeroblob(3000), 'exit', 0, 'exit 0', ?, 1)",
              [(i, i, 10**15) for i in range(1001, 11001)])
c.commit()
c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
PY
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D/state/ledger/ledger.db"
        d_start
        disk read "$EIO" 1 0
        status=0
        ctl ps -a -n 10000 >/dev/null 2>"$D/stage/refusal" || status=$?
        t_eq "$status" 1 "exit status of the question"
        t_match "$(cat "$D/stage/refusal")" "can't be read: (it is damaged, or its disk fails|Input/output error)"
        t_eq "$(failures)" 1 "reads that failed"
        disk read 0 0 0
        t_eq "$(ctl run -t acme -w -- /bin/echo on)" on
        t_match "$(ctl ps -a)" read
}

# Two seconds for each flush: answers that need no disk come at once, and what runs is seen to.
slow() {
        local ends waits start most=0 took i
        waits=$(put globex StartAfter="$(at 600)")
        ends=$(put acme RuntimeMaxSec=2s "ExecStart=/bin/sleep 100")
        t_wait 5 runs acme 1
        disk flush 0 "$FOR_EVER" 2000
        put acme StartAfter="$(at 600)" >/dev/null &
        put globex StartAfter="$(at 600)" >/dev/null &
        for ((i = 0; i < 30; i++)); do
                start=$(now_ms)
                ctl tenants >/dev/null
                ctl explain "$waits" >/dev/null
                took=$((($(now_ms) - start) / 2))
                [ "$took" -le "$most" ] || most=$took
                sleep 0.1
        done
        [ "$(failures)" -ge 1 ] || t_fail "nothing was flushed meanwhile"
        wait
        disk flush 0 0 0
        in_range "$most" 0 100 "ms for an answer meanwhile"
        t_eq "$(verdict "$ends")" "timeout (job)"
        # Why it is stopped is recorded first: behind the flush that is under way.
        in_range "$(ctl --json status "$ends" | d_json 'j["jobs"][0]["run_usec"] // 1000')" 1900 6500 "ms that it ran"
        end_all
}

# A ledger that takes long to be brought to a new version: as long as that works, systemd is asked for more time, and
# no longer.
takes_long() {
        d_stop
        rm -f "$D/notify" "$D/stage/notified"
        "$D_PYTHON" - "$D/notify" "$D/stage/notified" <<'PY' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
with open(sys.argv[2], "w") as f:
    while True:
        f.write(s.recv(65536).decode() + "\n")
        f.flush()
PY
        listener=$!
        trap 'kill "$listener"' EXIT
        t_wait 5 test -S "$D/notify"
        disk "$1" 0 1 "$2"
        NOTIFY_SOCKET=$D/notify d_launch
        t_wait 30 grep -q READY=1 "$D/stage/notified"
        in_range "$(grep -c EXTEND_TIMEOUT_USEC=60000000 "$D/stage/notified" || true)" "$3" "$4" "how often more time was asked for"
        [ "$3" -eq 0 ] || t_match "$(cat "$D/stage/notified")" "STATUS=The ledger is being read, or brought to this version: 1[0-9] s till now."
        disk read 0 0 0
        d_restart
}

q_case "a flush fails once (T67)" fails flush "$EIO" 1 "Input/output error"
q_case "writes fail (T67)" fails write "$EIO" "$FOR_EVER" "Input/output error"
q_case "it is read-only (T70)" fails write "$EROFS" "$FOR_EVER" "Read-only file system|Input/output error"
q_case "a read fails (T67)" reads_fail
q_case "flushes take two seconds (T77)" slow
q_case "a start that works for 12 s" takes_long read -12000 2 2
q_case "a start that does nothing for 12 s" takes_long read 12000 0 1
d_report
t_summary
