#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Care of the ledger (T75, T76): copies while jobs run, what is checked and exported, and what a start refuses. It never
# begins anew with an empty one.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # none are wanted
d_init
mkdir "$D/mnt"
mount -t tmpfs -o size=56m tmpfs "$D/mnt" || d_skip_all "can't mount a tmpfs"
sed -i "s|^state=.*|state=$D/mnt|" "$D/etc/tenantq.conf"
ledger=$D/mnt/ledger
d_start
d_tenant acme 61001 '[limits]' concurrency=8
d_tenant globex 61002

# sql FILE STATEMENT: what a person could do to it.
sql() {
        "$D_PYTHON" -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
print("\n".join("|".join(map(str, r)) for r in c.execute(sys.argv[2])))' "$@"
}

n_jobs() {
        ctl ledger check --json "$@" | d_json 'j["jobs"]'
}

# Backup --------------------------------------------------------------------------------------

load() {
        local i
        for ((i = 0; i < 120; i++)); do
                ctl run -t acme -q "q$((i % 8))" -- /bin/true >/dev/null
        done
        touch "$D/loaded"
}

all_ended() {
        [ "$(ctl ps --noheadings -o job)" = "" ]
}

under_load() {
        local n=0 jobs before=0
        load &
        while [ ! -e "$D/loaded" ] || [ "$n" -lt 3 ]; do
                n=$((n + 1))
                ctl ledger backup "$D/under-load.$n" >"$D/said"
                t_match "$(cat "$D/said")" "^$D/under-load.$n: [0-9.]+[KM]"
                t_match "$(ctl ledger check "$D/under-load.$n")" "in order: version"
                jobs=$(n_jobs "$D/under-load.$n")
                [ "$jobs" -ge "$before" ] || t_fail "fewer jobs than in the copy before"
                before=$jobs
        done
        wait
        t_wait 20 all_ended
        ctl ledger backup "$D/under-load.last" >/dev/null
        t_eq "$(n_jobs "$D/under-load.last")" 120 "jobs in the last copy"
        t_eq "$(stat -c '%u %a %h' "$D/under-load.last")" "0 600 1" "owner, mode and names of a copy"
        t_eq "$(sql "$D/under-load.last" 'PRAGMA journal_mode')" delete "a copy is whole without a log"
        t_eq "$(cd "$ledger" && echo *)" "ledger.db ledger.db-open ledger.db-reserve ledger.db-wal" "what is left beside the ledger"
        t_eq "$(find "$D" -maxdepth 1 -name 'under-load.*.*')" "" "what is left beside the copies"
        echo "$n copies"
}

never_replaces() {
        local file=$D/there
        echo precious >"$file"
        ln -s nowhere "$D/link"
        d_status 1 ctl ledger backup "$file" 2>"$D/said"
        t_match "$(cat "$D/said")" "is there already"
        d_status 1 ctl ledger backup "$D/link" 2>/dev/null
        d_status 1 ctl ledger backup "$D/no/such/directory" 2>/dev/null
        t_eq "$(cat "$file")" precious
        t_eq "$(find "$D" -maxdepth 1 -name 'there.*')" ""
}

# Of many at the same time some are told to come again; each that is made is whole.
many_at_once() {
        local i made=0 status pids=()
        for ((i = 0; i < 8; i++)); do
                ctl ledger backup "$D/many.$i" >/dev/null 2>&1 &
                pids+=($!)
        done
        for ((i = 0; i < 8; i++)); do
                status=0
                wait "${pids[i]}" || status=$?
                [ "$status" = 0 ] || [ "$status" = 9 ] || t_fail "exit status $status"
                if [ "$status" = 0 ]; then
                        made=$((made + 1))
                        t_match "$(ctl ledger check "$D/many.$i")" "in order"
                elif [ -e "$D/many.$i" ]; then
                        t_fail "a file without a copy"
                fi
        done
        [ "$made" -gt 0 ] || t_fail "none was made"
}

administrators_only() {
        local dir=$D/stage/open verb
        install -d -m 1777 "$dir"
        for verb in "backup $dir/x" check export; do
                # shellcheck disable=SC2086 # words
                d_status 6 ctl_as 61001 61001 ledger $verb 2>/dev/null
                # shellcheck disable=SC2086 # words
                d_status 6 ctl_as 65534 65534 ledger $verb 2>/dev/null
        done
        [ ! -e "$dir/x" ] || t_fail "a file was made"
        t_eq "$(find "$dir" -name 'x*')" "" "left"
        for verb in "backup $dir/y" check export; do
                # shellcheck disable=SC2086 # words
                d_status 0 ctl_as 61099 "61099,$D_ADMIN_GID" ledger $verb >/dev/null
        done
        t_eq "$(stat -c '%u %a' "$dir/y")" "61099 600"
        t_match "$(ctl events)" "backup +- +- +61099"
}

# The copy finds no room, and leaves the ledger what that needs.
no_room() {
        dd if=/dev/zero of="$D/mnt/fill" bs=1M count=25 2>/dev/null
        d_status 4 ctl ledger backup "$D/no-room" 2>"$D/said"
        t_match "$(cat "$D/said")" "no room for a copy beside the ledger"
        [ ! -e "$D/no-room" ] || t_fail "a file was made"
        t_eq "$(ctl run -t acme -w -- /bin/echo on)" on "a job"
        # A tenant whose archive needs that copy stays, and what to do is said.
        d_status 4 ctl tenant remove acme --config "$D/etc" --archive "$D/no-archive" 2>"$D/said"
        t_match "$(cat "$D/said")" "no room for a copy beside the ledger"
        t_match "$(cat "$D/said")" "acme: takes nothing, and nothing of it was deleted: remove it again, or tenantqctl tenant keep acme"
        t_eq "$(find "$D" -maxdepth 1 -name 'no-archive*')" "" "what is left"
        ctl tenant keep acme >/dev/null
        t_eq "$(ctl run -t acme -w -- /bin/echo on)" on "a job"
        ! grep -q DEGRADED "$D/log" || t_fail degraded
        rm "$D/mnt/fill"
        ctl ledger backup "$D/room" >/dev/null
}

# Where the caller keeps it.
target_is_full() {
        mkdir -p "$D/small"
        mount -t tmpfs -o size=16k tmpfs "$D/small"
        d_status 1 ctl ledger backup "$D/small/x" 2>"$D/said"
        t_eq "$(ls "$D/small")" "" "left"
        umount "$D/small"
        t_match "$(cat "$D/said")" "No space left"
}

# Check and export ----------------------------------------------------------------------------

in_use() {
        d_status 1 ctl ledger check "$ledger/ledger.db" 2>"$D/said"
        t_match "$(cat "$D/said")" "is in use: its daemon runs"
        d_status 1 ctl ledger export "$ledger/ledger.db" 2>/dev/null
        t_match "$(ctl ledger check)" "^the ledger: in order: version [0-9]+, 2 tenants"
}

# planted STATEMENT WANT
planted() {
        cp "$D/under-load.last" "$D/planted"
        sql "$D/planted" "$1" >/dev/null
        d_status 1 ctl ledger check "$D/planted" >"$D/said"
        t_match "$(cat "$D/said")" "$2" "after $1"
        t_eq "$(ctl ledger check --json "$D/planted" | d_json '[p["text"] for p in j["problems"]]' | wc -l)" 1
}

damage_is_named() {
        planted "UPDATE jobs SET state = 'x' WHERE id = 7" 'job 7: unknown state "x"'
        planted "UPDATE jobs SET outcome = 'x' WHERE id = 7" 'job 7: unknown outcome "x"'
        planted "UPDATE jobs SET stop = 'x' WHERE id = 7" 'job 7: unknown reason to stop'
        planted "UPDATE jobs SET tenant = 99 WHERE id = 7" 'jobs 7: its row of tenants is not there'
        planted "DELETE FROM jobs WHERE id = 7" 'attempt 1 of job 7: there is no such job'
        planted "UPDATE jobs SET verdict = NULL WHERE id = 7" 'job 7: it has ended and has no verdict'
        planted "UPDATE attempts SET attempt = -1 WHERE job = 7" 'attempts are numbered from 1'
        planted "UPDATE jobs SET state = 'running', attempt = 2, verdict = NULL, outcome = NULL WHERE id = 7" \
                'job 7: it runs, and its attempt 2 is not recorded'
        planted "UPDATE jobs SET state = 'queued', dead = 1, verdict = NULL, outcome = NULL WHERE id = 7" \
                'job 7: a dead letter that has not ended'
        planted "PRAGMA user_version = 99" 'schema version 99'
        planted "PRAGMA application_id = 1" 'not a ledger of tenantq'
        t_eq "$(ctl ledger check --json "$D/under-load.last" | d_json '[j["schema"], j["problems"], j["jobs"]]')" \
                '["tenantq.ledger.v1", [], 120]'
        head -c 20000 "$D/under-load.last" >"$D/cut"
        d_status 1 ctl ledger check "$D/cut" >/dev/null
        d_status 1 ctl ledger export "$D/cut" >/dev/null 2>&1
        d_status 1 ctl ledger check /etc/passwd >/dev/null
}

exported() {
        local counts
        ctl ledger export >"$D/export"
        counts=$("$D_PYTHON" - "$D/export" <<'END'
import base64, collections, json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert rows[0]["schema"] == "tenantq.export.v1", rows[0]
jobs = [r for r in rows if r["table"] == "jobs"]
assert all(r["spec"].startswith("[Job]\n") for r in jobs)
assert all(len(base64.b64decode(r["boot"]["base64"])) == 24 for r in rows if r["table"] == "attempts")
assert [r["id"] for r in jobs] == sorted(r["id"] for r in jobs)
n = collections.Counter(r["table"] for r in rows)
print(n["tenants"], n["jobs"] == n["attempts"], n["jobs"], n["audit"] > 0)
END
        )
        t_eq "$counts" "2 True $(n_jobs) True" "rows"
        t_eq "$(ctl ledger export "$D/under-load.last" | grep -c '^{"table":"jobs"')" 120 "jobs of a backup"
}

# Restore -------------------------------------------------------------------------------------

# As the manual says it.
bring_back() {
        rm -f "$ledger"/ledger.db*
        cp "$1" "$ledger/ledger.db"
        chown --reference="$ledger" "$ledger/ledger.db"
}

restored() {
        local before after
        before=$(ctl ledger export "$D/under-load.last" | grep -E '"table":"(jobs|attempts|limits|switches)"')
        d_stop
        bring_back "$D/under-load.last"
        d_start
        after=$(ctl ledger export | grep -E '"table":"(jobs|attempts|limits|switches)"')
        [ "$before" = "$after" ] || t_fail "$(diff <(echo "$before") <(echo "$after") | head -n 5)"
        t_eq "$(ctl run -t acme -w -- /bin/echo on)" on "a job"
        t_match "$(ctl ledger check)" "121 jobs"
}

# Of a daemon that was killed the log counts too; looking changes nothing.
of_a_killed_one() {
        local sums n
        n=$(n_jobs)
        d_kill9 both
        sums=$(cd "$ledger" && sha256sum ./*)
        t_eq "$(n_jobs "$ledger/ledger.db")" "$n" "jobs"
        t_eq "$(cd "$ledger" && sha256sum ./*)" "$sums" "the files"
        t_eq "$(find /var/tmp -maxdepth 1 -name 'tenantq-ledger.*')" "" "what is left of the copy"
        d_start
        t_eq "$(n_jobs)" "$n" "jobs"
}

# What a crash may leave.
leftover() {
        d_kill9 both
        echo x >"$ledger/ledger.db-backup"
        d_start
        [ ! -e "$ledger/ledger.db-backup" ] || t_fail "it is still there"
}

# A start that is refused ---------------------------------------------------------------------

# refused_start WANT [WHAT]: and nothing was made anew.
refused_start() {
        local status=0
        timeout -k 1 20 "$D/bin/tenantqd" --config "$D/etc" --helpers "$D/bin" >"$D/said" 2>&1 || status=$?
        cat "$D/said" >>"$D/log"
        t_eq "$status" 1 "exit status ${2:-}: $(cat "$D/said")"
        t_match "$(cat "$D/said")" "$1" "what is said ${2:-}"
        t_match "$(cat "$D/said")" "ledger: .*(ledger backup.*tenantqd\(8\)|tenantqd\(8\)|chown)" "what to do ${2:-}"
        t_match "$(cat "$D/said")" "the engine can't start"
}

# The ledger of a stopped daemon, and of a killed one, are kept to begin from.
keep_both() {
        d_stop
        cp -a "$ledger" "$D/stopped"
        d_start
        ctl run -t acme -w -- /bin/true
        d_kill9 both
        cp -a "$ledger" "$D/killed"
        [ -s "$D/killed/ledger.db-wal" ] || t_fail "no log"
}

# from stopped|killed: copied in place; as if nobody had, what was marked is not.
from() {
        rm -rf "$ledger"
        cp -a "$D/$1" "$ledger"
        "$D_PYTHON" - "$ledger" <<'END'
import os, subprocess, sys
mark = sys.argv[1] + "/ledger.db-open"
if os.path.exists(mark):
    inode, birth = subprocess.check_output(["stat", "-c", "%i %.9W", sys.argv[1] + "/ledger.db"], text=True).split()
    with open(mark, "w") as f:
        f.write(f"{inode} {birth}\n")
END
}

refusals() {
        from killed && rm "$ledger/ledger.db"
        refused_start "is missing"
        from killed && : >"$ledger/ledger.db"
        refused_start "is empty"
        from stopped && rm "$ledger/ledger.db"
        refused_start "it is missing, and there was one"
        from stopped && : >"$ledger/ledger.db"
        refused_start "it is empty, and there was one"
        rm -rf "$ledger"
        refused_start "it is missing, and there was one" "of a disk that is not mounted"
        from killed && rm "$ledger/ledger.db-wal"
        refused_start "log .* is gone"
        from killed && cp "$D/under-load.1" "$ledger/ledger.db"
        refused_start "it is a backup, and the log beside it"
        from killed && mv "$ledger/ledger.db" "$ledger/x" && cp -a "$D/stopped/ledger.db" "$ledger/ledger.db"
        refused_start "another file than the one whose log"
        from stopped && truncate -s 20480 "$ledger/ledger.db"
        refused_start "damaged"
        from stopped && truncate -s 50 "$ledger/ledger.db"
        refused_start "damaged"
        from stopped && head -c 8192 /dev/urandom >"$ledger/ledger.db"
        refused_start "damaged"
        from stopped && sql "$ledger/ledger.db" "PRAGMA user_version = 99" >/dev/null
        refused_start "schema version 99"
        from stopped && sql "$ledger/ledger.db" "PRAGMA application_id = 1" >/dev/null
        refused_start "not a ledger of tenantq"
        from stopped && chown 0:0 "$ledger/ledger.db"
        refused_start "chown --reference="
}

# flip FILE OFFSET
flip() {
        "$D_PYTHON" -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([b ^ 16]))' "$@"
}

# A bit of each third page, in its header and in the midst of it: `check` names it, and of a header a start refuses; or it
# is within what a job is called or the like, which nothing can tell, and all jobs are there.
flipped_pages() {
        local n pages page at refused=0 named=0 unseen=0
        from stopped
        n=$(n_jobs "$ledger/ledger.db")
        pages=$(($(stat -c %s "$ledger/ledger.db") / 4096))
        for ((page = 0; page < pages; page += 3)); do
                for at in $((page * 4096 + (page ? 3 : 103))) $((page * 4096 + 3000)); do
                        from stopped
                        flip "$ledger/ledger.db" "$at"
                        if ! ctl ledger check "$ledger/ledger.db" >"$D/said" 2>&1; then
                                named=$((named + 1))
                        elif [ $((at % 4096)) != 3000 ]; then
                                t_fail "byte $at: not seen"
                        else
                                unseen=$((unseen + 1))
                                t_eq "$(n_jobs "$ledger/ledger.db")" "$n" "jobs after a change of byte $at"
                        fi
                done
                # One start in four pages: they take their time.
                [ $((page % 4)) = 0 ] || continue
                from stopped
                flip "$ledger/ledger.db" $((page * 4096 + (page ? 3 : 103)))
                refused_start "damaged" "page $page"
                refused=$((refused + 1))
        done
        in_range "$named" 1 "$pages" "changes named"
        in_range "$refused" 1 "$pages" "starts refused"
        echo "$pages pages: $named changes named, $unseen of content that can't be, $refused starts refused"
}

# And one that is whole is taken, as is one begun anew on purpose.
starts_again() {
        from killed
        d_start
        t_match "$(ctl ledger check)" "in order"
        d_stop
        from stopped
        d_start
        t_eq "$(ctl run -t acme -w -- /bin/echo on)" on "a job"
        d_stop
        rm -rf "$ledger" "$D/mnt/ledger.made"
        d_start
        t_eq "$(n_jobs)" 0 "jobs of a new ledger"
        d_restart
        t_eq "$(ctl run -t acme -w -- /bin/echo on)" on "a job"
}

second_daemon() {
        local status=0
        timeout -k 1 20 "$D/bin/tenantqd" --config "$D/etc" --helpers "$D/bin" >"$D/said" 2>&1 || status=$?
        t_eq "$status" 75 "exit status"
        t_match "$(cat "$D/said")" "another tenantqd is running"
        t_eq "$(ctl run -t acme -w -- /bin/echo on)" on "a job of the first"
}

d_case "backups while jobs run" under_load
d_case "a backup replaces nothing" never_replaces
d_case "many at once" many_at_once
d_case "administrators only" administrators_only
d_case "no room beside the ledger: said, and not degraded" no_room
d_case "no room where it is kept" target_is_full
d_case "a ledger in use is not read by its file" in_use
d_case "planted damage is named" damage_is_named
d_case "export" exported
d_case "a backup is brought back: nothing of it is missing" restored
d_case "the ledger of a killed daemon" of_a_killed_one
d_case "what a crash left of a backup is removed" leftover
d_case "ledgers to damage" keep_both
d_case "a start is refused, and says what to do" refusals
d_case "flipped pages" flipped_pages
d_case "whole ones are taken" starts_again
d_case "a second daemon" second_daemon
(d_stop)
d_report
t_summary
