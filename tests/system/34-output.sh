#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is kept of jobs' output: bounds by bytes, files and age that hold while jobs write; Keep=; the floor of the
# disk; a disk of logs that is full, read-only, out of inodes or gone. None of it keeps a job from running, and what is
# dropped is counted and told once. What is not ours is left alone.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

d_init "" log_max=4M
mkdir -p "$D"/{logs,spool}
D_LOGS=$D/logs/acme

# history LINE…: the section, at once.
history() {
        scheduler max_jobs=500 '[history]' "$@"
}

# Nothing of the case before: neither files nor bounds.
fresh() {
        limit acme concurrency=50
        rm -rf "$D"/logs/{acme,globex}/*
        look
}

# mount_logs OPTIONS: a file system of its own.
mount_logs() {
        mount -t tmpfs -o "mode=755,$1" tmpfs "$D/logs" || t_skip "can't mount a tmpfs"
        trap umount_logs EXIT
        t_wait 10 directory_is_there
}

umount_logs() {
        trap - EXIT
        umount -l "$D/logs"
        t_wait 10 directory_is_there
}

# It is seen that another file system is there: output comes to be in it.
directory_is_there() {
        local job
        job=$(ctl run -t acme -- /bin/echo)
        ctl wait "$job" >/dev/null
        [ -e "$D/logs/acme/$job.1.out" ]
}

bytes_of() {
        find "$D/logs/$1" -maxdepth 1 -type f -printf '%s\n' 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'
}

disk_of() {
        find "$D/logs/$1" -maxdepth 1 -type f -printf '%b\n' 2>/dev/null | awk '{ n += $1 } END { print n * 512 + 0 }'
}

files_of() {
        find "$D/logs/$1" -maxdepth 1 -name '[!.]*.[oe][ur][tr]' | wc -l
}

has_files() {
        [ "$(files_of acme)" -le "$1" ]
}

is_absent() {
        [ ! -e "$1" ]
}

fault() {
        ctl --json tenants | d_json "[t['fault'] or '' for t in j['tenants'] if t['tenant'] == '$1'][0]"
}

has_fault() {
        [[ "$(fault "$1")" =~ $2 ]]
}

has_no_fault() {
        [ -z "$(fault "$1")" ]
}

# How often the journal has it, and the events.
said_times() {
        grep -c "$1" "$D/log" || true
}

events_about() {
        ctl --json events -n 1000 | d_json "len([e for e in j['events'] if '$1' in (e['text'] or '')])"
}

dropped() {
        ctl --json status "$1" | d_json 'j["jobs"][0]["dropped_bytes"] or 0'
}

# writes BYTES [CODE]: what a job writes, in lines of 100.
writes() {
        echo "ExecStart=/bin/sh -c \"yes $(printf 'x%.0s' {1..99}) | head -c $1; exit ${2:-0}\""
}

# old_files DIRECTORY FROM TO BYTES DATE: output of jobs that were, long ago or not.
old_files() {
        "$D_PYTHON" - "$@" <<'PY'
import os, sys, time
d, first, last, size, age = sys.argv[1], *map(int, sys.argv[2:])
for i in range(first, last + 1):
    for s in ("out", "err"):
        path = "%s/%d.1.%s" % (d, i, s)
        with open(path, "w") as f:
            f.write("x" * size)
        t = time.time() - age + (i - first) * 0.001
        os.utime(path, (t, t))
PY
}

# A look at all directories: the bounds are less than they were.
look() {
        history output_floor=0% output=max output_files=max output_age=max output_total=max keep_max=max
        history output_floor=0% "$@"
}

# Bounds --------------------------------------------------------------------------------------

# Ten at once, that want ten times as much as there is; the sum is looked at meanwhile.
bytes_at_once() {
        local i=0 gate end job sum=0 most=0 total=0
        fresh
        history output_floor=0% output=1M
        gate=$(d_gate_make bytes) end=$(d_gate_make bytes-end)
        for i in {1..10}; do
                put acme "ExecStart=/bin/sh -c \"read x <$gate; yes $(printf 'x%.0s' {1..99}) | head -c 1048576; echo $i >>$D/witness/acme; read x <$end; exit $i\"" \
                        >>"$D/stage/ten"
        done
        t_wait 10 runs acme 10
        : >"$D/witness/acme"
        d_gate_open bytes
        while [ "$(wc -l <"$D/witness/acme")" -lt 10 ]; do
                sum=$(disk_of acme)
                [ "$sum" -le "$most" ] || most=$sum
        done
        # One page a file, and the mark of the owner.
        [ "$most" -le $((1048576 + 21 * 4096)) ] || t_fail "at most $most bytes of the disk"
        t_eq "$(find "$D_LOGS" -name '*.out' -printf '%s\n' | awk '{ n += $1 } END { print n }')" 1048576 bytes
        t_wait 12 has_fault acme "as much as it may .1M"
        d_gate_open bytes-end
        i=0
        while read -r job; do
                t_eq "$(verdict "$job")" "exit $((++i))" "job $job"
                total=$((total + $(dropped "$job")))
        done <"$D/stage/ten"
        job=$(tail -n 1 "$D/stage/ten")
        t_eq "$total" $((10 * 1048576 - 1048576)) "bytes dropped"
        t_match "$(d_field "$(head -n 1 "$D/stage/ten")" "Output dropped")" "[0-9]"
        # Told once: nothing may go while they run, and when they have ended there is room again.
        t_eq "$(events_about "output of jobs is dropped")" 1 events
        t_eq "$(said_times "acme: output of jobs is dropped")" 1 "lines of the journal"
        t_wait 40 has_no_fault acme || t_fail "$(fault acme)"
        t_eq "$(ctl run -t acme -w -- /bin/echo again)" again
        in_range "$(bytes_of acme)" 0 $((1048576 * 15 / 16)) "what is left"
}

# The end of one makes room. What another lost before was told then, and is no news at its end.
bytes_of_two() {
        local gate jobs=() job before
        fresh
        history output_floor=0% output=1M
        before=$(events_about "output of jobs is dropped")
        for job in 0 1; do
                gate=$(d_gate_make "two$job")
                jobs+=("$(put acme "ExecStart=/bin/sh -c \"yes | head -c 1048576; read x <$gate\"")")
        done
        t_wait 10 runs acme 2
        t_wait 12 has_fault acme "as much as it may .1M"
        d_gate_open two0
        t_eq "$(verdict "${jobs[0]}")" "exit 1"
        t_wait 12 has_no_fault acme || t_fail "$(fault acme)"
        d_gate_open two1
        t_eq "$(verdict "${jobs[1]}")" "exit 1"
        t_eq "$(($(dropped "${jobs[0]}") + $(dropped "${jobs[1]}")))" 1048576 "bytes dropped"
        t_eq "$(fault acme)" "" fault
        t_eq "$(($(events_about "output of jobs is dropped") - before))" 1 events
}

oldest_by_bytes() {
        fresh
        old_files "$D_LOGS" 900001 900020 50000 3600
        look output=1M # of 2 000 000 bytes, to three quarters
        t_wait 10 is_absent "$D_LOGS/900012.1.out"
        sleep 0.5
        t_eq "$(find "$D_LOGS" -name '9000*' | wc -l)" 14 files
        ls "$D_LOGS"/900014.1.{out,err} || t_fail "one that is younger has gone"
        is_absent "$D_LOGS/900013.1.err" || t_fail "one that is older is there"
}

oldest_by_files() {
        local job i
        fresh
        old_files "$D_LOGS" 900001 900020 10 3600
        look output_files=24 # of 40, to eighteen
        t_wait 10 has_files 18
        t_eq "$(files_of acme)" 18 files
        is_absent "$D_LOGS/900011.1.out" || t_fail "not the oldest have gone"
        # It stays so, whatever comes.
        for i in {1..30}; do
                ctl run -t acme -w -- /bin/echo "$i" >/dev/null
                has_files 24 || t_fail "$(files_of acme) files"
        done
        job=$(put acme ExecStart="/bin/echo young")
        t_eq "$(verdict "$job")" "exit 0"
        t_wait 5 has_files 24
}

# More than may be at once, that all write: the rest runs without.
files_at_once() {
        local gate i=0 job before
        fresh
        before=$(events_about "as many files")
        history output_floor=0% output_files=10
        gate=$(d_gate_make files)
        : >"$D/stage/eight"
        for i in {1..8}; do
                put acme "ExecStart=/bin/sh -c \"echo hello; read x <$gate; exit $i\"" >>"$D/stage/eight"
        done
        t_wait 10 runs acme 8
        t_eq "$(files_of acme)" 10 files
        has_fault acme "as many files as it may .10." || t_fail "not told: $(fault acme)"
        d_gate_open files
        i=0
        while read -r job; do
                t_eq "$(verdict "$job")" "exit $((++i))" "job $job"
        done <"$D/stage/eight"
        job=$(tail -n 1 "$D/stage/eight")
        t_eq "$(dropped "$job")" 6 "dropped of the last"
        t_match "$(ctl logs "$job" 2>&1 || true)" "dropped"
        t_wait 40 has_no_fault acme || t_fail "$(fault acme)"
        t_eq "$(ctl run -t acme -w -- /bin/echo again)" again
        t_eq "$(events_about "as many files")" $((before + 1)) events
}

by_age() {
        local status=0 job
        fresh
        job=$(put acme ExecStart="/bin/echo old")
        t_eq "$(verdict "$job")" "exit 0"
        old_files "$D_LOGS" 900001 900010 10 864000
        old_files "$D_LOGS" 900011 900012 10 3600
        touch -d "10 days ago" "$D_LOGS/$job".1.{out,err}
        look output_age=7d
        t_wait 10 is_absent "$D_LOGS/900010.1.err"
        t_wait 10 is_absent "$D_LOGS/$job.1.err"
        t_eq "$(find "$D_LOGS" -name '9000*' | wc -l)" 4 files
        ctl logs "$job" >"$D/stage/said" 2>&1 || status=$?
        [ "$status" -ne 0 ] || t_fail "logs of what was removed ended well"
        t_match "$(cat "$D/stage/said")" "removed"
}

# What wrote nothing leaves no file, and is known to have written nothing; its files are the next one's, but not where
# somebody reads them.
silent() {
        local job before i reader gate
        fresh
        before=$(files_of acme)
        for i in {1..20}; do
                job=$(ctl run -t acme -- /bin/true)
                t_eq "$(ctl wait "$job" >/dev/null && ctl --json status "$job" | d_json 'j["jobs"][0]["silent"]')" 1 "job $i"
        done
        t_eq "$(files_of acme)" "$before" "files of those that wrote nothing"
        t_eq "$(ctl logs "$job" 2>&1)" "" "its output"
        t_eq "$(ctl logs -n 5 "$job" 2>&1)" "" "the last lines of its output"
        # Of the same files, from the beginning.
        t_eq "$(ctl run -t acme -w -- /bin/echo heard)" heard
        t_eq "$(files_of acme)" $((before + 2)) "files of one that wrote"
        gate=$(d_gate_make silent)
        job=$(put acme "ExecStart=/bin/sh -c \"read x <$gate; exit 0\"")
        t_wait 5 runs acme 1
        exec {reader}<"$D_LOGS/$job.1.out"
        d_gate_open silent
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl run -t acme -w -- /bin/echo another)" another
        t_eq "$(cat <&"$reader")" "" "what is read there"
        exec {reader}<&-
        # Its age is its own.
        job=$(put acme ExecStart=/bin/true Keep=30d)
        t_eq "$(verdict "$job")" "exit 0"
        [ -e "$D_LOGS/$job.1.out" ] || t_fail "what is marked is gone"
}

# How often a job's output can't be shown while it ends: prints what was said then.
silent_shown() {
        local i job
        for i in {1..15}; do
                job=$(ctl run -t acme -- /bin/sleep 0.0$((i % 10)))
                ctl logs -f "$job" 2>&1 || true
                job=$(ctl run -t acme -- /bin/sleep 0.05)
                ctl wait "$job" >/dev/null &
                for _ in {1..8}; do
                        ctl logs "$job" 2>&1 || true
                done
                wait "$!"
        done
}

silent_at_its_end() {
        fresh
        silent_shown >"$D/stage/one" &
        silent_shown >"$D/stage/two"
        wait "$!"
        t_eq "$(cat "$D/stage/one" "$D/stage/two")" "" "what is said of outputs"
}

# Whose watcher was killed with it has said nothing of whether it wrote.
silent_is_not_guessed() {
        local job
        fresh
        history output=64K output_floor=0%
        t_eq "$(verdict "$(put acme "$(writes 70000)" Keep=30d)")" "exit 0"
        job=$(put acme 'ExecStart=/bin/sh -c "trap : TERM; echo important; while :; do sleep 1; done"' TimeoutStopSec=1)
        t_wait 5 runs acme 1
        sleep 0.5
        ctl cancel "$job" >/dev/null
        t_eq "$(verdict "$job")" cancelled
        t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["silent"]')" 0 "known to be silent"
        # What somebody else has emptied was written.
        history
        job=$(put acme 'ExecStart=/bin/sh -c "echo important; sleep 1"')
        t_wait 5 test -s "$D_LOGS/$job.1.out"
        truncate -s 0 "$D_LOGS/$job.1.out"
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["silent"]')" 0 "silent, emptied"
        [ -e "$D_LOGS/$job.1.out" ] || t_fail "what was emptied is gone"
}

# The end is recorded before its files go: killed in between, the next daemons know it.
silent_over_a_stopped_engine() {
        local gate job
        fresh
        gate=$(d_gate_make stopped)
        job=$(put acme "ExecStart=/bin/sh -c \"read x <$gate; exit 0\"")
        t_wait 5 runs acme 1
        kill -STOP "$(d_engine)"
        d_gate_open stopped
        t_wait 5 leaf_is_gone "$job"
        d_kill9 both
        d_start
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job" 2>&1)" "" output
        t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["silent"]')" 1 silent
}

leaf_is_gone() {
        [ ! -e "$D_CGROUP/acme.slice/$1.1.job" ]
}

# What was set aside, nobody knows of after a crash: it does no harm, and does not add up.
silent_over_crashes() {
        local job i
        fresh
        for i in {1..4}; do
                job=$(ctl run -t acme -- /bin/true)
                ctl wait "$job" >/dev/null
                d_kill9 both
                d_start
        done
        t_eq "$(ctl logs "$job" 2>&1)" "" "its output"
        [ "$(find "$D_LOGS" -name '.spare-*' | wc -l)" -le 2 ] || t_fail "$(ls -A "$D_LOGS")"
        t_eq "$(ctl run -t acme -w -- /bin/echo heard)" heard
        look output_age=7d
        t_wait 10 has_no_spares
}

has_no_spares() {
        [ -z "$(find "$D_LOGS" -name '.spare-*')" ]
}

# One that runs is not old, however long ago it has written.
live() {
        local gate job
        fresh
        gate=$(d_gate_make live)
        job=$(put acme "ExecStart=/bin/sh -c \"echo begin; read x <$gate; echo end\"")
        t_wait 5 runs acme 1
        t_wait 5 test -s "$D_LOGS/$job.1.out"
        touch -d "10 days ago" "$D_LOGS/$job".1.{out,err}
        old_files "$D_LOGS" 900001 900001 10 864000
        look output_age=7d output_files=10
        t_wait 10 is_absent "$D_LOGS/900001.1.out"
        d_gate_open live
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job")" $'begin\nend' output
}

keeps() {
        local kept other
        fresh
        kept=$(put acme ExecStart="/bin/echo kept" Keep=30d)
        other=$(put acme ExecStart="/bin/echo other")
        t_eq "$(verdict "$kept") $(verdict "$other")" "exit 0 exit 0"
        getfattr --only-values -n trusted.tenantq.keep "$D_LOGS/$kept.1.out" >"$D/stage/keep" 2>/dev/null &&
                t_eq "$(cat "$D/stage/keep")" 2592000 "the attribute"
        touch -d "10 days ago" "$D_LOGS"/{"$kept","$other"}.1.{out,err}
        look output_age=7d
        t_wait 10 is_absent "$D_LOGS/$other.1.out"
        t_eq "$(ctl logs "$kept")" kept "by age"
        old_files "$D_LOGS" 900001 900020 10 3600
        look output_files=12
        t_wait 10 has_files 9
        t_eq "$(ctl logs "$kept")" kept "by files"
        # As long as keep_max allows.
        look output_age=7d keep_max=8d
        t_wait 10 is_absent "$D_LOGS/$kept.1.out"
}

# All that is left is kept: then what is new is dropped.
keeps_without_bound() {
        local i job
        fresh
        history output_floor=0% output=256K
        for i in {1..3}; do
                job=$(put acme "$(writes 100000)" Keep=30d)
                t_eq "$(verdict "$job")" "exit 0"
        done
        in_range "$(bytes_of acme)" 250000 266240 "bytes"
        job=$(put acme "$(writes 5000 7)")
        t_eq "$(verdict "$job")" "exit 7"
        in_range "$(dropped "$job")" 4900 5000 "dropped"
        has_fault acme "as much as it may .256K" || t_fail "not told: $(fault acme)"
        history output_floor=0% output=1M
        t_eq "$(ctl run -t acme -w -- /bin/echo again)" again
}

total() {
        fresh
        old_files "$D/logs/acme" 900001 900040 50000 3600
        old_files "$D/logs/globex" 800001 800004 50000 3600
        look output_total=2M
        t_wait 15 is_absent "$D_LOGS/900020.1.out"
        sleep 1
        t_eq "$(find "$D/logs/globex" -name '8000*' | wc -l)" 8 "files of who has little"
        in_range $(($(bytes_of acme) + $(bytes_of globex))) 1500000 2097152 "bytes of both"
}

# What is not ours ----------------------------------------------------------------------------

not_ours() {
        fresh
        touch -d "100 days ago" "$D_LOGS"/{note.txt,900001.1.out.1,900001.1.out.gz,900001.1,.hidden,0900002.1.out}
        mkdir -p "$D_LOGS/900003.1.out"
        ln -sfn /etc/passwd "$D_LOGS/900004.1.out"
        old_files "$D_LOGS" 900009 900009 10 8640000
        look output_age=7d output_files=10
        t_wait 10 is_absent "$D_LOGS/900009.1.out"
        t_eq "$(find "$D_LOGS" -mindepth 1 -maxdepth 1 ! -name .owner -printf '%f\n' | grep -v '^[0-9]*\.1\.[oe][ur][tr]$' | sort | tr '\n' ' ')" \
                ".hidden 900001.1 900001.1.out.1 900001.1.out.gz note.txt " "what is left"
        ls -d "$D_LOGS"/{0900002,900003,900004}.1.out || t_fail "something of somebody's has gone"
        rm -rf "$D_LOGS"/{note.txt,900001*,.hidden,0900002.1.out,900003.1.out,900004.1.out}
}

# By logrotate where there is one; else what it does, by hand.
rotate() {
        local how=$1 file=$2
        if command -v logrotate >/dev/null; then
                printf '%s {\n\tsu root root\n\trotate 3\n\t%s\n}\n' "$file" "$how" >"$D/stage/rotate"
                logrotate -f -s "$D/stage/rotate.state" "$D/stage/rotate"
        elif [ "$how" = copytruncate ]; then
                cp -p "$file" "$file.1"
                : >"$file"
        else
                mv "$file" "$file.1"
        fi
}

rotates() {
        local gate job
        fresh
        gate=$(d_gate_make "$1")
        job=$(put acme "ExecStart=/bin/sh -c \"echo one; read x <$gate; echo two\"")
        t_wait 5 runs acme 1
        t_wait 5 test -s "$D_LOGS/$job.1.out"
        rotate "$1" "$D_LOGS/$job.1.out"
        d_gate_open "$1"
        t_eq "$(verdict "$job")" "exit 0"
        if [ "$1" = copytruncate ]; then
                t_eq "$(cat "$D_LOGS/$job.1.out.1") $(cat "$D_LOGS/$job.1.out")" "one two" output
                t_eq "$(ctl logs "$job")" two "what is left for tenantqctl"
        else
                t_eq "$(cat "$D_LOGS/$job.1.out.1")" $'one\ntwo' "it goes on where the file is"
        fi
        t_eq "$(dropped "$job")" 0 dropped
        rm -f "$D_LOGS/$job.1.out.1"
}

former_and_gone() {
        local dir
        fresh
        d_tenant umbrella 61604
        say_hello one | drop umbrella one
        t_eq "$(verdict "$(job_of umbrella one)")" "exit 0"
        for dir in umbrella.former-1 umbrella.former-7; do
                install -d -m 0700 "$D/logs/$dir"
                echo "61699 " >"$D/logs/$dir/.owner"
                old_files "$D/logs/$dir" 700001 700003 10 864000
        done
        old_files "$D/logs/umbrella.former-7" 700004 700004 10 3600
        install -d -m 0700 "$D/logs/archive" "$D/logs/notes"
        old_files "$D/logs/archive" 700001 700001 10 3600
        touch -d "100 days ago" "$D/logs/notes"
        rm -rf "$D/spool/umbrella"
        t_wait 5 d_tenant_is umbrella gone || true
        touch -d "10 days ago" "$D/logs/umbrella"/*.{out,err}
        look output_age=7d
        t_wait 10 is_absent "$D/logs/umbrella.former-1"
        t_wait 10 is_absent "$D/logs/umbrella/1.1.out"
        t_eq "$(find "$D/logs/umbrella.former-7" -name '7*' | wc -l)" 2 "what is not old"
        [ -e "$D/logs/umbrella/.owner" ] || t_fail "whose it was is forgotten at once"
        ls -d "$D"/logs/{notes,archive/700001.1.out} || t_fail "a directory of root's has gone"
        touch -d "10 days ago" "$D/logs/umbrella"
        look output_age=7d
        t_wait 10 is_absent "$D/logs/umbrella"
        # A tenant that there is keeps its directory, though nothing is in it.
        rm -f "$D/logs/initech"/*
        touch -d "100 days ago" "$D/logs/initech"
        look output_age=7d
        sleep 0.5
        [ -d "$D/logs/initech" ] || t_fail "a tenant's directory has gone"
        rm -rf "$D"/logs/{archive,notes,umbrella.former-7}
}

# The disk ------------------------------------------------------------------------------------

floor() {
        local job before
        fresh
        before=$(said_times "less than output_floor")
        mount_logs size=16m
        history output_floor=50%
        dd if=/dev/zero of="$D/logs/fill" bs=1M count=9 status=none
        job=$(put acme "$(writes 5000 7)")
        t_eq "$(verdict "$job")" "exit 7"
        t_eq "$(dropped "$job")" 5000 dropped
        job=$(put acme "$(writes 300 3)")
        t_eq "$(verdict "$job")" "exit 3"
        has_fault acme "make room on the file system" || t_fail "not told: $(fault acme)"
        t_eq "$(events_about "make room on the file system of $D/logs")" 1 events
        t_eq "$(said_times "less than output_floor")" $((before + 1)) "lines of the journal"
        rm "$D/logs/fill"
        # By itself, without a job.
        t_wait 15 has_no_fault acme
        t_eq "$(ctl run -t acme -w -- /bin/echo again)" again
        t_match "$(tail -n 3 "$D/log")" "is kept again"
        umount_logs
}

# While a job runs: what comes in between is missing, and where is said.
floor_meanwhile() {
        local gate gate2 job
        fresh
        mount_logs size=16m
        history output_floor=50%
        gate=$(d_gate_make low) gate2=$(d_gate_make high)
        job=$(put acme "ExecStart=/bin/sh -c \"echo one; read x <$gate; echo two; read x <$gate2; echo three\"")
        t_wait 5 runs acme 1
        dd if=/dev/zero of="$D/logs/fill" bs=1M count=9 status=none
        t_wait 5 has_said_low
        d_gate_open low
        sleep 0.3
        rm "$D/logs/fill"
        t_wait 5 has_said_high
        d_gate_open high
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job")" $'one\n\n[tenantq: 4 bytes dropped]\nthree\n\n[tenantq: output truncated, 4 bytes dropped]' output
        t_eq "$(dropped "$job")" 4 dropped
        umount_logs
}

# However fast one writes, what is to stay free stays so; and the next job's output is kept when there is room.
floor_holds() {
        local i free
        fresh
        mount_logs size=32m
        history output_floor=25% output=max
        for i in {1..16}; do
                put acme "$(writes 3000000)" >/dev/null
        done
        t_wait 20 d_is_idle
        free=$(df -k --output=avail "$D/logs" | tail -n 1)
        [ "$free" -ge $((32 * 1024 / 4 - 512)) ] || t_fail "$free KiB are free of 32 MiB"
        [ "$(bytes_of acme)" -ge 12000000 ] || t_fail "only $(bytes_of acme) bytes were kept"
        umount_logs
}

# What may be written until the floor is looked at again is less than what there is: the rest is dropped, and that is told.
floor_is_told() {
        local job before i
        fresh
        mount_logs size=8m
        history output_floor=5% output=max
        t_wait 15 has_no_fault acme || t_fail "$(fault acme)" # of the case before
        before=$(events_about "written faster than that was looked at")
        job=$(put acme "$(writes 20000000)")
        verdict "$job" >/dev/null
        [ "$(dropped "$job")" -gt 10000000 ] || t_fail "only $(dropped "$job") bytes were dropped"
        [ "$(df -k --output=avail "$D/logs" | tail -n 1)" -gt 1000 ] || t_fail "it is low"
        t_wait 5 has_more_events "written faster than that was looked at" "$before"
        # Shown for some time, whatever begins meanwhile, and told once.
        t_wait 5 has_fault acme "written faster"
        for i in 1 2 3; do
                verdict "$(put acme "$(writes 20000000)")" >/dev/null
        done
        t_eq "$(events_about "written faster than that was looked at")" $((before + 1)) events
        t_wait 15 has_no_fault acme || t_fail "$(fault acme)"
        umount_logs
}

has_more_events() {
        [ "$(events_about "$1")" -gt "$2" ]
}

# Many that begin, one after the other or in turn, while one runs: what each may write until the floor is looked at again
# comes back when it ends.
floor_lends() {
        local gate i tenant
        fresh
        history output_floor=5%
        gate=$(d_gate_make lends)
        put initech "ExecStart=/bin/sh -c \"read x <$gate\"" >/dev/null
        t_wait 5 runs initech 1
        for i in {1..60}; do
                for tenant in acme globex; do
                        t_eq "$(ctl run -t $tenant -w -- /bin/echo "hello $i")" "hello $i" "$tenant"
                done
        done
        d_gate_open lends
        [ -z "$(fault acme)$(fault globex)" ] || t_fail "$(fault acme) $(fault globex)"
}

# Who writes since before a restart is bounded by the floor that the next tenantqd finds, and by its bound.
floor_over_a_restart() {
        local gate job
        fresh
        mount_logs size=16m
        history output_floor=50%
        gate=$(d_gate_make restarted)
        job=$(put acme "ExecStart=/bin/sh -c \"echo one; while read x; do echo \$x; [ \$x != end ] || exit 0; done <$gate\"")
        t_wait 5 runs acme 1
        exec 9<>"$gate"
        dd if=/dev/zero of="$D/logs/fill" bs=1M count=9 status=none
        t_wait 5 has_said_low
        d_restart
        sleep 2
        echo two >&9
        sleep 0.5
        rm "$D/logs/fill"
        t_wait 15 has_said_high
        echo three >&9
        sleep 0.5
        dd if=/dev/zero of="$D/logs/fill" bs=1M count=9 status=none
        t_wait 5 has_said_low
        echo four >&9
        echo end >&9
        exec 9>&-
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(grep -vx '' "$D/logs/acme/$job.1.out" | grep -v '^.tenantq' | xargs)" "one three" output
        umount_logs
}

# A tenant that holds its output open holds nothing of the disk that went.
held_open() {
        local job i held
        fresh
        history output_floor=0% output=2M
        # shellcheck disable=SC2016 # python's
        as_user 61601 "$D_PYTHON" -c 'import os, sys, time
directory, held, end = sys.argv[1], {}, time.time() + 30
while time.time() < end:
    for name in os.listdir(directory):
        if name.endswith(".out") and name not in held:
            try: held[name] = os.open(directory + "/" + name, os.O_RDONLY)
            except OSError: pass
    gone = [s for s in map(os.fstat, held.values()) if s.st_nlink == 0]
    print(len(gone), sum(s.st_blocks * 512 for s in gone), flush=True)
    time.sleep(0.05)' "$D/logs/acme" >"$D/stage/held" &
        # shellcheck disable=SC2064 # this very process
        trap "kill $!" EXIT
        for i in {1..12}; do
                job=$(put acme "$(writes 1000000)")
                t_eq "$(verdict "$job")" "exit 0" "$i"
                sleep 0.3
        done
        sleep 0.5
        # The last line that is whole.
        held=$(tail -n 2 "$D/stage/held" | head -n 1)
        [ "${held% *}" -ge 5 ] || t_fail "nothing went: $held"
        t_eq "${held#* }" 0 "bytes of disk of files that went"
}

# One file that can't be removed keeps no other from going, nor new output from being kept.
immutable() {
        local i
        fresh
        old_files "$D_LOGS" 930001 930020 10 3600
        chattr +i "$D_LOGS/930001.1.out" 2>/dev/null || t_skip "no immutable files here"
        # shellcheck disable=SC2064 # this very file
        trap "chattr -i '$D_LOGS/930001.1.out'" EXIT
        look output_files=24 output_age=60s
        t_wait 10 has_files 12
        for i in 1 2 3; do
                t_eq "$(ctl run -t acme -w -- /bin/echo "hello $i")" "hello $i"
        done
        t_match "$(cat "$D/log")" "can't be removed in $D/logs/acme: Operation not permitted .immutable"
}

has_said_low() {
        [[ "$(grep -e "less than output_floor" -e "is kept again" "$D/log" | tail -n 1)" = *"less than"* ]]
}

has_said_high() {
        [[ "$(grep -e "less than output_floor" -e "is kept again" "$D/log" | tail -n 1)" = *"kept again"* ]]
}

# Twenty jobs run, then PREPARE is done to the disk of the logs; twenty more must start and end at once; then MEND.
# trouble OPTIONS PREPARE MEND REGEX [RUNNING]
trouble() {
        local name=trouble$RANDOM gate i job running=${5-20}
        fresh
        mount_logs "$1"
        : >"$D/stage/twenty"
        gate=$(d_gate_make $name)
        for ((i = 1; i <= running; i++)); do
                put acme "ExecStart=/bin/sh -c \"read x <$gate; echo hello; exit $i\"" >>"$D/stage/twenty"
        done
        t_wait 15 runs acme "$running"
        "$2"
        for ((; i <= 40; i++)); do
                put acme "ExecStart=/bin/sh -c \"echo hello; exit $i\"" >>"$D/stage/twenty"
        done
        t_wait 10 runs acme "$running"
        d_gate_open $name
        i=0
        while read -r job; do
                t_eq "$(verdict "$job")" "exit $((++i))" "job $job"
                t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["attempt"]')" 1 "attempts of $job"
        done <"$D/stage/twenty"
        job=$(tail -n 1 "$D/stage/twenty")
        if [ -n "$4" ]; then
                t_match "$(dropped "$job")" "^[1-9]"
                has_fault acme "$4" || t_fail "not told: $(fault acme)"
        fi
        "$3"
        t_eq "$(ctl run -t acme -w -- /bin/echo again)" again
        t_wait 5 has_no_fault acme
        umount_logs
}

fill_logs() {
        dd if=/dev/zero of="$D/logs/fill" bs=4k status=none 2>/dev/null || true
}

use_up_inodes() {
        while (echo x >"$D/logs/inode.$RANDOM$RANDOM") 2>/dev/null; do :; done
}

empty_logs() {
        find "$D/logs" -maxdepth 1 -type f -delete
}

freeze_logs() {
        mount -o remount,ro "$D/logs"
}

thaw_logs() {
        mount -o remount,rw "$D/logs"
}

remove_logs() {
        rm -rf "$D/logs/acme"
}

# A reload and a new daemon meanwhile: no tenant is disabled by it.
freeze_and_restart() {
        freeze_logs
        ctl reload
        d_restart
        d_tenant_is acme ready || t_fail "acme: $(fault acme)"
}

fill_and_kill() {
        fill_logs
        d_kill9 both
        d_start
        d_tenant_is acme ready || t_fail "acme: $(fault acme)"
}

# Restarts ------------------------------------------------------------------------------------

# What runs goes on writing; what it and others have is known to the next one.
restarts() {
        local gate job other
        fresh
        history output_floor=0% output=256K
        gate=$(d_gate_make "restart-$1")
        job=$(put acme "ExecStart=/bin/sh -c \"echo one; read x <$gate; echo two\"")
        other=$(put acme "$(writes 200000)")
        t_wait 5 runs acme 1
        t_eq "$(verdict "$other")" "exit 0"
        if [ "$1" = kill ]; then
                d_kill9 both
                d_start
        else
                d_restart
        fi
        d_gate_open "restart-$1"
        other=$(put acme "$(writes 200000)")
        t_eq "$(verdict "$job") $(verdict "$other")" "exit 0 exit 0"
        t_eq "$(ctl logs "$job")" $'one\ntwo' output
        [ "$(bytes_of acme)" -le 270000 ] || t_fail "$(bytes_of acme) bytes"
        in_range "$(dropped "$other")" 130000 200000 dropped
}

# A prune of many files, and launches meanwhile.
# starts NAME PERCENT: how long so many of the jobs of that name waited at most.
starts() {
        ctl --json ps -a -n 300 acme | d_json 'sorted(r["started_usec"] - r["submitted_usec"] for r in j["jobs"] if r["name"] == "'"$1"'")[int(2 * '"$2"')]'
}

many_files() {
        local i before during
        fresh
        for i in {1..200}; do put acme Name=before >/dev/null; done
        t_wait 20 none_waits acme
        before="$(starts before 50) $(starts before 99)"
        old_files "$D_LOGS" 900001 910000 10 864000
        look output_age=7d output_files=max
        for i in {1..200}; do put acme Name=during >/dev/null; done
        t_wait 20 none_waits acme
        during="$(starts during 50) $(starts during 99)"
        echo "p50 and p99 of a start: $before usec before, $during usec while 20,000 files go" >&2
        t_wait 30 is_absent "$D_LOGS/910000.1.err"
        # The file system's own lock is held for each of them: one launch in a hundred meets it.
        [ -n "${SAN-}" ] || [ "${during% *}" -le $((${before% *} * 2 + 5000)) ] || t_fail "p50 of a start: $before usec, and $during meanwhile"
        [ -n "${SAN-}" ] || [ "${during#* }" -le $((${before#* } + 100000)) ] || t_fail "p99 of a start: $before usec, and $during meanwhile"
}

d_start
d_tenant acme 61601
d_tenant globex 61602
d_tenant initech 61603
limit acme concurrency=50

q_case "bytes: ten that write at once" bytes_at_once
q_case "bytes: told once, whoever ends later" bytes_of_two
q_case "bytes: the oldest goes" oldest_by_bytes
q_case "files: the oldest goes" oldest_by_files
q_case "files: more than may be at once" files_at_once
q_case "age" by_age
q_case "what runs is kept" live
q_case "who wrote nothing" silent
q_case "who wrote nothing, over crashes" silent_over_crashes
q_case "who wrote nothing, at its end" silent_at_its_end
q_case "who wrote nothing, as far as anybody knows" silent_is_not_guessed
q_case "who wrote nothing, and an engine that does not listen" silent_over_a_stopped_engine
q_case "Keep=" keeps
q_case "Keep= is within the bound" keeps_without_bound
q_case "of all tenants" total
q_case "what is not ours" not_ours
q_case "rotated by copytruncate" rotates copytruncate
q_case "rotated by rename" rotates nocopytruncate
q_case "former owners and tenants that are gone" former_and_gone
q_case "the floor" floor
q_case "the floor, while a job runs" floor_meanwhile
q_case "the floor, whoever writes fast" floor_holds
q_case "the floor, and a loss before it is met" floor_is_told
q_case "the floor, and many that begin" floor_lends
q_case "the floor, over a restart" floor_over_a_restart
q_case "held open by its reader" held_open
q_case "one that can't be removed" immutable
q_case "the disk is full" trouble size=1m fill_logs empty_logs "could not be written"
q_case "the disk is full, and all is killed" trouble size=1m fill_and_kill empty_logs "could not be written"
q_case "no inodes" trouble size=64m,nr_inodes=200 use_up_inodes empty_logs "No space left"
q_case "read-only" trouble size=16m freeze_logs thaw_logs "Read-only" 0
q_case "read-only, and a restart" trouble size=16m freeze_and_restart thaw_logs "Read-only" 0
q_case "removed" trouble size=16m remove_logs true ""
q_case "a restart" restarts restart
q_case "all is killed" restarts kill
q_case "a prune of 20,000 files" many_files
(d_stop)
d_report
t_summary
