#!/bin/bash
# tests/vm/25-revisions.sh - limits for some time only, what would take from jobs what they have, and what somebody
# else has written: with the kernel's own controllers.

. "$(dirname "$0")/machine.sh"

SLICE=$V_JOBS/acme.slice

v_start
v_tenant acme cpu=0.3 memory=512M pids=200 concurrency=8

# share_over SECONDS: in thousandths of a CPU.
share_over() {
        local t0 t1 u0 u1
        v_now t0
        v_cpu_usec u0 "$SLICE"
        sleep "$1"
        v_now t1
        v_cpu_usec u1 "$SLICE"
        echo $(((u1 - u0) * 1000 / (t1 - t0)))
}

# back_by TIME: the share is what it was before, within a second of that time: prints the milliseconds.
back_by() {
        local due=$1 t0 t1 u0 u1 share
        while v_now t0 && [ "$t0" -lt "$due" ]; do sleep 0.1; done
        v_now t0
        v_cpu_usec u0 "$SLICE"
        while :; do
                sleep 0.2
                v_now t1
                v_cpu_usec u1 "$SLICE"
                share=$(((u1 - u0) * 1000 / (t1 - t0)))
                if [ "$share" -le 360 ] && [ "$share" -ge 240 ]; then
                        echo $(((t0 - due) / 1000))
                        return
                fi
                [ $((t1 - due)) -lt 10000000 ] || t_fail "the share is still $share"
                t0=$t1
                u0=$u1
        done
}

hogs() {
        v_run acme -- /bin/sh -c 'while :; do :; done'
        v_run acme -- /bin/sh -c 'while :; do :; done'
}

# A hog under load has more for twenty seconds; then, within a second, what it had before.
for_some_time() {
        local asked took job
        mapfile -t jobs < <(hogs)
        sleep 1
        v_near "$(share_over 3)" 300 20 "the share before, in thousandths of a CPU"
        v_now asked
        t_match "$(tenantqctl limits set --for 20s acme cpu=1)" '^acme: cpu 0.3 -> 1, until .*, then 0.3 \(revision [0-9]+\); kernel: 100000 100000$'
        sleep 3
        v_near "$(share_over 5)" 1000 20 "the share meanwhile"
        t_match "$(tenantqctl limits get acme)" 'cpu +- +1 +set +20'
        took=$(back_by $((asked + 20000000)))
        v_note "limits set --for 20s: the share was back $took ms after 20 s"
        [ "$took" -le 1000 ] || t_fail "it took $took ms"
        t_eq "$(cat "$SLICE/cpu.max")" "30000 100000" cpu.max
        for job in "${jobs[@]}"; do tenantqctl cancel "$job"; done
        for job in "${jobs[@]}"; do v_verdict "$job"; done
}

# tenantqd is killed in between.
for_some_time_killed() {
        local asked took job
        mapfile -t jobs < <(hogs)
        v_now asked
        tenantqctl limits set --for 20s acme cpu=1
        sleep 5
        systemctl kill -s KILL tenantq
        t_wait 30 v_is_ready acme
        v_near "$(share_over 3)" 1000 20 "the share after the kill"
        took=$(back_by $((asked + 20000000)))
        v_note "the same with tenantqd killed in between: $took ms after 20 s"
        [ "$took" -le 1000 ] || t_fail "it took $took ms"
        for job in "${jobs[@]}"; do tenantqctl cancel "$job"; done
        for job in "${jobs[@]}"; do v_verdict "$job"; done
}

uses_more() {
        [ "$(cat "$SLICE/memory.current")" -gt $((100 << 20)) ]
}

is_full() {
        [ "$(tenantqctl logs "$1")" = full ]
}

# Less memory than is used: refused with the numbers, as a whole; by force it is done, and the kernel kills.
less_than_is_used() {
        local job out
        job=$(v_run acme -- /usr/bin/python3 -c 'x = bytearray(120 << 20); print("full", flush=True); import time; time.sleep(1000)')
        t_wait 60 is_full "$job"
        if out=$(tenantqctl limits set acme memory=64M pids=100 2>&1); then t_fail "it was done: $out"; fi
        t_match "$out" 'memory: 64M is less than the 1[0-9.]+M that its jobs use now: the kernel would take it back at once, and kill for it; --force does it nevertheless; nothing was changed'
        t_eq "$(cat "$SLICE/memory.max") $(cat "$SLICE/pids.max")" "536870912 200" "memory.max and pids.max"
        if tenantqctl limits set --dry-run acme memory=64M 2>/dev/null; then t_fail "the trial says that it could be"; fi
        t_match "$(tenantqctl limits set --dry-run acme memory=256M)" 'memory 512M -> 256M \(not done: --dry-run\)'
        t_eq "$(cat "$SLICE/memory.max")" 536870912 "memory.max after a trial"
        tenantqctl limits set acme memory=256M
        tenantqctl limits set --force acme memory=64M
        v_verdict "$job" | grep -q oom || t_fail "it still runs: $(tenantqctl status "$job")"
        tenantqctl limits set acme memory=512M
}

# What the kernel can have back at once is not used: a tenant's cache of files is in nobody's way.
cache_is_not_use() {
        tenantqctl run -t acme -w -- /bin/dd if=/dev/zero of=/home/acme/big bs=1M count=150 conv=fsync status=none
        uses_more
        v_note "in memory.current: $(($(cat "$SLICE/memory.current") >> 20)) MiB, without the cache: $(awk -v all="$(cat "$SLICE/memory.current")" '/^(in)?active_file|^slab_reclaimable/ { all -= $2 } END { print int(all / 1048576) }' "$SLICE/memory.stat") MiB"
        tenantqctl limits set acme memory=64M
        tenantqctl limits set acme memory=512M
        rm /home/acme/big
}

# Who writes into a slice is found by `limits verify`, and by the daemon when a job ends, which mends it.
drift() {
        tenantqctl limits verify
        tenantqctl run -t acme -w -- /bin/true
        echo "max 100000" >"$SLICE/cpu.max"
        echo 77 >"$SLICE/pids.max"
        if tenantqctl limits verify acme >/tmp/said 2>&1; then t_fail "nothing was found"; fi
        t_match "$(cat /tmp/said)" 'acme +cpu.max +max 100000 +30000 100000'
        t_match "$(cat /tmp/said)" 'acme +pids.max +77 +200'
        tenantqctl reload
        t_eq "$(cat "$SLICE/cpu.max") $(cat "$SLICE/pids.max")" "30000 100000 200" "after a reload"
        tenantqctl limits verify
        # By itself, at most once a minute.
        echo "max 100000" >"$SLICE/cpu.max"
        sleep 61
        tenantqctl run -t acme -w -- /bin/true
        t_wait 10 is_mended
        t_match "$(tenantqctl events -n 5)" 'drift +acme .*cpu.max max 100000 -> 30000 100000 written again by tenantq'
        t_match "$(journalctl -u tenantq MESSAGE_ID=f4231320ef23434d8931306ee42b91a3 -o cat)" 'tenant acme: somebody else has changed its cgroup'
}

is_mended() {
        [ "$(cat "$SLICE/cpu.max")" = "30000 100000" ]
}

# What somebody has done is found in the journal by the tenant, the kind and the number of the message.
journal() {
        SUDO_USER=olga tenantqctl limits set -m 'on call' acme cpu=0.4
        t_match "$(journalctl -u tenantq MESSAGE_ID=f66aed56727c42b6bfe71002b5d253a0 TENANTQ_TENANT=acme TENANTQ_LIMIT=cpu -o cat -n 1)" \
                '^limits: acme cpu 0.3 -> 0.4 by user 0 \(olga, sudo\): on call$'
        t_eq "$(journalctl -u tenantq TENANTQ_WHY='on call' TENANTQ_OLD=0.3 -o json -n 1 | python3 -c 'import json, sys
e = json.load(sys.stdin)
print(e["TENANTQ_NEW"], e["TENANTQ_KIND"], e["TENANTQ_BY"])')" "0.4 limits 0"
        journalctl --update-catalog
        t_match "$(journalctl -x TENANTQ_TENANT=acme -n 1)" 'Subject: Somebody has changed something: limits'
}

# run_jobs NUMBER COMMAND…: and their ends.
run_jobs() {
        local i
        local -a all=()
        for ((i = 0; i < $1; i++)); do
                all+=("$(tenantqctl run -t acme -- "${@:2}")")
        done
        tenantqctl wait "${all[@]}" >/dev/null || true
}

is_set() {
        tenantqctl limits get --json acme | python3 -c 'import json, sys
sys.exit([r["value"] for r in json.load(sys.stdin)["limits"] if r["limit"] == sys.argv[1]][0] != sys.argv[2])' "$1" "$2"
}

says() {
        tenantqctl events -t acme --noheadings -o text | grep -Eq -- "$1"
}

watched() {
        # shellcheck disable=SC2016 # the job's shell
        local busy='i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done'
        tenantqctl limits set --force acme cpu=2 memory=512M concurrency=8 >/dev/null
        run_jobs 6 /bin/sh -c "$busy"
        tenantqctl limits set --watch 60s -m 'planted' acme cpu=0.1 >/dev/null
        run_jobs 6 /bin/sh -c "$busy"
        t_wait 60 is_set cpu 2
        tenantqctl limits history -n 1 acme
        t_match "$(tenantqctl limits history -n 1 acme)" 'taken back: (throttled for [0-9]+ % of the time that it wanted CPU, before that [0-9]+ %|95 % of the waits)'

        # Each takes 40M; they have to do with 24M.
        run_jobs 6 python3 -c 'b"x" * (40 << 20)'
        tenantqctl limits set --watch 60s -m 'planted' acme memory=24M >/dev/null
        run_jobs 6 python3 -c 'b"x" * (40 << 20)'
        t_wait 60 is_set memory 512M
        t_match "$(tenantqctl limits history -n 1 acme)" 'taken back: [0-9]+ of [0-9]+ were killed for want of memory, before that 0 of'

        tenantqctl limits set --watch 10s -m 'planted, and good' acme cpu=1.5 >/dev/null
        run_jobs 6 /bin/true
        t_wait 30 says 'stays: '
        is_set cpu 1.5
}

# What follows a job is in what the journal says of it, while it waits and when it has ended: each label by itself.
trail() {
        local job trace=4bf92f3577b34da6a3ce929d0e0e4736
        job=$(TRACEPARENT=00-$trace-00f067aa0ba902b7-01 tenantqctl run -t acme --label team=billing --label 'kind=a b' -- /bin/false)
        tenantqctl wait "$job" >/dev/null || true
        tenantqctl rerun -m 'once more' "$job" >/dev/null
        t_match "$(journalctl -u tenantq TENANTQ_LABEL=team=billing -o cat -n 1)" "^rerun: acme job $job .*: once more\$"
        t_eq "$(journalctl -u tenantq TENANTQ_JOB="$job" TENANTQ_TRACE_ID=$trace -o json -n 1 | python3 -c 'import json, sys
print(json.load(sys.stdin)["TENANTQ_LABEL"])')" "['team=billing', 'kind=a b']"
        tenantqctl pause acme
        job=$(printf '%s\n' '[Job]' ExecStart=/bin/true CorrelationId=req-7 | tenantqctl submit -t acme -)
        tenantqctl hold "$job"
        t_match "$(journalctl -u tenantq TENANTQ_CORRELATION_ID=req-7 -o cat -n 1)" "^hold: acme job $job by user 0"
        tenantqctl cancel "$job"
        t_match "$(journalctl -u tenantq TENANTQ_CORRELATION_ID=req-7 -o cat -n 1)" "^cancel: acme job $job cancelled by user 0"
        job=$(printf '%s\n' '[Job]' ExecStart=/bin/true | tenantqctl submit -t acme -)
        tenantqctl cancel "$job"
        t_eq "$(journalctl -u tenantq TENANTQ_JOB="$job" -o json -n 1 | grep -c 'TENANTQ_\(LABEL\|TRACE_ID\|CORRELATION_ID\)')" 0 "of a job that says nothing"
        tenantqctl resume acme
}

t_case "--for 20s on hogs: the share is back within a second" for_some_time
t_case "the same, with tenantqd killed in between" for_some_time_killed
t_case "less than its jobs use" less_than_is_used
t_case "a cache of files is not used memory" cache_is_not_use
t_case "drift is found, said and mended" drift
t_case "the journal says who changed what" journal
t_case "what follows a job is in the journal" trail
t_case "--watch: what throttles or kills goes back, what does not stays" watched
t_summary
