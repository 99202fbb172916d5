#!/bin/bash
# The daemon ends, politely or not, and starts again: no job is disturbed, lost, run twice or forgotten.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
tenants=(t1 t2 t3 t4)
for i in 1 2 3 4; do
        d_tenant "t$i" $((61010 + i)) '[limits]' concurrency=5
done
witness=$(witness_payload)
n_jobs=20

# drop_witness TENANT NAME CODE [GATE [SECONDS]]
drop_witness() {
        printf '[Job]\nName=%s\nExecStart=%s\n' "$2" "$witness $3 ${4:-} ${5:-}" | drop "$1" "$2"
}

forget_witnesses() {
        local t
        for t in "${tenants[@]}"; do
                : >"$D/witness/$t"
        done
}

# Whoever wants to know what a job's processes are compares these: pid and time of start.
fingerprints() {
        local pid
        cat "$D_CGROUP"/*.slice/*.job/cgroup.procs | while read -r pid; do
                sed 's/.*) //' "/proc/$pid/stat" | awk -v p="$pid" '{ print p, $20 }'
        done | sort
}

# The ledger's rows of all jobs: NUMBER TENANT NAME STATE VERDICT.
rows() {
        ctl --json ps -a -n 10000 | d_json '"\n".join(" ".join(str(r[k]) for k in ("job", "tenant", "name", "state", "verdict"))
        for r in j["jobs"])'
}

running() {
        ctl --json tenants | d_json 'sum(r["running"] for r in j["tenants"])'
}

restarted_engine_answers() {
        [ -n "$(d_engine)" ] && [ "$(d_engine)" != "$1" ] && d_answers
}

# disturb HOW: ends the daemon in this way and brings it back.
disturb() {
        local engine
        case $1 in
        stop)
                d_restart
                ;;
        engine)
                engine=$(d_engine)
                d_kill9 engine
                t_wait 5 restarted_engine_answers "$engine"
                ;;
        *)
                d_kill9 "$1"
                d_start
                ;;
        esac
}

undisturbed() {
        local how=$1 gate before i t code
        forget_witnesses
        gate=$(d_gate_make "$how")
        d_sampler_start
        for ((i = 0; i < n_jobs; i++)); do
                drop_witness "t$((i % 4 + 1))" "$how-$i" $((i + 10)) "$gate"
        done
        t_wait 10 witness_has start "$n_jobs"
        # They wait behind those that run.
        for t in "${tenants[@]}"; do
                drop_witness "$t" "$how-queued-$t" 3
                job_of "$t" "$how-queued-$t" >/dev/null
        done
        before=$(fingerprints)
        t_eq "$(wc -l <<<"$before")" $((2 * n_jobs)) "processes of $n_jobs jobs"

        disturb "$how"

        t_eq "$(fingerprints)" "$before" "processes of the jobs"
        t_eq "$(running)" "$n_jobs" "running jobs after the restart"
        t_eq "$(witness_count start)" "$n_jobs" "jobs that have started"
        # Nothing that the daemon has told to stay may hang on the old one.
        t_eq "$(ctl --json ps | d_json "sum(r['state'] == 'queued' for r in j['jobs'])")" 4 "waiting jobs"
        d_gate_open "$how"
        t_wait 15 d_is_idle
        d_sampler_stop

        rows >"$D/stage/rows"
        for ((i = 0; i < n_jobs; i++)); do
                code=$(awk -v n="$how-$i" '$3 == n { print $4, $5, $6; n_rows++ } END { if (n_rows != 1) print "rows:", n_rows + 0 }' "$D/stage/rows")
                t_eq "$code" "done exit $((i + 10))" "the ledger on $how-$i"
        done
        for t in "${tenants[@]}"; do
                t_eq "$(grep -c " $how-queued-$t done exit 3$" "$D/stage/rows")" 1 "the job that waited"
                [ "$(d_peak "$t")" -le 5 ] || t_fail "$t ran $(d_peak "$t") jobs at the same time"
        done
        t_eq "$(witness_count start)" $((n_jobs + 4)) "starts"
        t_eq "$(witness_count end)" $((n_jobs + 4)) "ends"
        t_eq "$(cat "$D"/witness/* | awk '$1 == "start" { print $2 }' | sort | uniq -d)" "" "jobs that started twice"
        no_slot_leaked
}

# All slots are free and can be had again.
no_slot_leaked() {
        local gate i
        no_leftovers
        t_eq "$(running)" 0 "running jobs"
        gate=$(d_gate_make "slots")
        for ((i = 0; i < 5; i++)); do
                ctl run -t t1 -- "$witness" 0 "$gate" >/dev/null
        done
        t_wait 5 d_has_leaves 5
        d_gate_open slots
        t_wait 10 d_is_idle
        no_leftovers
}

# What ends while nobody looks is known afterwards.
ends_unseen() {
        local gate jobs=() i
        gate=$(d_gate_make unseen)
        for i in 1 2 3 4 5; do
                jobs+=("$(ctl run -t t1 -- "$witness" "$i" "$gate")")
        done
        t_wait 5 d_has_leaves 5
        t_wait 5 all_run "${jobs[@]}"
        d_kill9 both
        d_gate_open unseen
        t_wait 5 all_unpopulated
        d_start
        for i in 1 2 3 4 5; do
                t_eq "$(verdict "${jobs[i - 1]}")" "exit $i"
        done
        no_leftovers
}

# So do those that wait for it, by name or by number.
waits_for_unseen() {
        local gate well ill name job
        gate=$(d_gate_make unseen2)
        well=$(ctl run -t t1 --name well -- "$witness" 0 "$gate")
        ill=$(ctl run -t t1 --name ill -- "$witness" 3 "$gate")
        for name in well "$well" ill "$ill"; do
                printf '[Job]\nName=after-%s\nExecStart=/bin/true\nAfter=%s\n' "$name" "$name" >"$D/stage/after"
                ctl submit -t t1 "$D/stage/after"
        done >"$D/stage/afters"
        t_wait 5 all_run "$well" "$ill"
        d_kill9 both
        d_gate_open unseen2
        t_wait 5 all_unpopulated
        d_start
        for name in "exit 0" "exit 0" dependency dependency; do
                read -r job
                t_eq "$(verdict "$job")" "$name"
        done <"$D/stage/afters"
        no_leftovers
}

all_run() {
        local job
        for job in "$@"; do
                d_state_is "$job" running || return 1
        done
}

all_unpopulated() {
        ! grep -q "populated 1" "$D_CGROUP"/*.slice/*.job/cgroup.events
}

# The engine dies while many start: none is lost, none runs twice, and nobody waits for the dead.
engine_dies_while_many_start() {
        local round engine
        d_tenant_file t3 "$(printf '[limits]\nconcurrency=200\n')"
        ctl reload
        for round in {1..4}; do
                ctl pause t3
                "$D_PYTHON" - "$D" "$round" "$(d_uid t3)" <<'PY'
import os, sys
d, n, uid = sys.argv[1:]
for i in range(120):
    path = "%s/stage/many%d" % (d, i)
    with open(path, "w") as f:
        f.write("[Job]\nName=many%s-%d\nExecStart=%s/payload/says-n %s-%d\n" % (n, i, d, n, i))
    os.chown(path, int(uid), -1)
    os.rename(path, "%s/spool/t3/many%d.job" % (d, i))
PY
                t_wait 15 waiting_are t3 120
                engine=$(d_engine)
                ctl resume t3 &
                sleep "0.0$((round * 2))"
                kill -KILL "$engine"
                wait $! 2>/dev/null || true
                t_wait 20 d_answers
                ctl resume t3 # the first one may not have been recorded
                t_wait 40 d_is_idle
        done
        t_eq "$(ctl --json ps -a -n 10000 t3 | d_json '" ".join(sorted({x["verdict"] for x in j["jobs"] if x["name"].startswith("many")}))')" "exit 0" "verdicts"
        t_eq "$(sort "$D/witness/many" | uniq -d)" "" "jobs that ran twice"
        t_eq "$(wc -l <"$D/witness/many")" 480 "jobs that ran"
        t_eq "$(pgrep -c -r Z -P "$(d_pid)" || true)" 0 "dead that nobody waits for"
        d_tenant_file t3
        ctl reload
}

waiting_are() {
        [ "$(ctl --json tenants | d_json "[x['waiting'] for x in j['tenants'] if x['tenant'] == '$1'][0]")" = "$2" ]
}

# The boot of all records was an earlier one: the file's first 64 bytes, see store/result.h.
of_an_earlier_boot() {
        "$D_PYTHON" - "$D"/state/results/* <<'PY'
import struct, sys
def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return ~crc & 0xFFFFFFFF
for path in sys.argv[1:]:
    with open(path, "r+b") as f:
        record = bytearray(f.read(124))
        if any(record[:4]):
            record[48:56] = b"earlier!"
            f.seek(0)
            f.write(record + struct.pack("<I", crc32c(record)))
PY
}

leaves_go() {
        rmdir "$D_CGROUP"/t1.slice/*.job 2>/dev/null
        [ -z "$(find "$D_CGROUP/t1.slice" -name '*.job')" ]
}

# The host is shut down: tenantqd ends first, then the jobs are told to. What they had used is known all the same.
shut_down() {
        local boot=$1 want=$2 job
        # shellcheck disable=SC2016 # the job's shell expands it
        job=$(ctl run -t t1 -- bash -c 'while [ $SECONDS -lt 2 ]; do :; done; echo used; exec sleep 1000')
        t_wait 5 grep -q used "$D/logs/t1/$job.1.out"
        d_stop
        # shellcheck disable=SC2046 # one word a process
        kill -TERM $(cat "$D_CGROUP"/t1.slice/*.job/cgroup.procs)
        t_wait 5 leaves_go
        [ "$boot" != earlier ] || of_an_earlier_boot
        d_start
        t_eq "$(verdict "$job")" "$want"
        [ "$(ctl --json status "$job" | d_json 'j["jobs"][0]["cpu_usec"]')" -ge 100000 ] || t_fail "its CPU time is not known"
}

# A cgroup that can't be removed is given up.
given_up() {
        local job leaf
        job=$(ctl run -t t2 -l runtime=1h -- sleep 1000)
        t_wait 5 d_state_is "$job" running
        d_status 3 ctl abandon "$job" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "only one that was told to stop can be given up; cancel it first"
        leaf=$(echo "$D_CGROUP/t2.slice/$job".*.job)
        # What something is mounted on can't be removed (rmdir(2), EBUSY).
        mkdir "$leaf/held"
        mount -t tmpfs tmpfs "$leaf/held"
        # shellcheck disable=SC2064 # this one
        trap "umount -l '$leaf/held' 2>/dev/null || true" EXIT
        ctl cancel "$job"
        t_wait 20 has_fault "its cgroup can't be removed"
        t_eq "$(ctl ps t2 | grep -c stopping)" 1 "jobs that stop"
        ctl abandon "$job"
        t_eq "$(verdict "$job")" cancelled
        t_eq "$(ctl run -w -t t2 -- echo next)" next "the next job"
        d_restart
        t_eq "$(ctl run -w -t t2 -- echo next)" next "after a restart"
        t_wait 20 has_fault "what is left of a launch of job $job can't be removed"
        umount "$leaf/held"
        t_wait 65 is_gone "$leaf"
        t_wait 10 has_no_fault
}

has_fault() {
        ctl tenants | grep -q "$1"
}

has_no_fault() {
        local shown
        shown=$(ctl tenants) && [[ $shown != *"can't be removed"* ]]
}

is_gone() {
        [ ! -e "$1" ]
}

# Cancelled before the restart, still dying after it; and cancelled only after it.
cancels_across_restart() {
        local stubborn slow
        payload stubborn >/dev/null <<<'#!/bin/sh
trap "" TERM
echo ready
while :; do sleep 0.2; done'
        printf '[Job]\nExecStart=%s\nTimeoutStopSec=2s\n' "$D/payload/stubborn" >"$D/stage/stubborn"
        stubborn=$(ctl submit -t t1 "$D/stage/stubborn")
        slow=$(ctl run -t t1 -- sleep 300)
        t_wait 5 test -s "$D/logs/t1/$stubborn.1.out"
        t_wait 5 d_state_is "$slow" running
        ctl cancel "$stubborn"
        d_kill9 both
        d_start
        t_eq "$(verdict "$stubborn")" cancelled
        ctl cancel "$slow"
        t_eq "$(verdict "$slow")" cancelled
        no_leftovers
}

# A runtime bound goes on counting.
runtime_across_restart() {
        local job start
        start=$(date +%s%N)
        printf '[Job]\nExecStart=/bin/sleep 300\nRuntimeMaxSec=2s\n' >"$D/stage/bound"
        job=$(ctl submit -t t1 "$D/stage/bound")
        t_wait 5 d_state_is "$job" running
        d_kill9 both
        d_start
        t_eq "$(verdict "$job")" "timeout (job)"
        start=$((($(date +%s%N) - start) / 1000000))
        [ "$start" -le 3500 ] || t_fail "the bound of 2 s ended it after $start ms"
}

# So does what follows it, and what was killed after a restart has run as long as it has.
stop_across_restart() {
        local job start
        start=$(date +%s%N)
        printf '[Job]\nExecStart=%s\nRuntimeMaxSec=1s\nTimeoutStopSec=4s\n' "$D/payload/stubborn" >"$D/stage/bound"
        job=$(ctl submit -t t1 "$D/stage/bound")
        t_wait 5 d_state_is "$job" stopping
        sleep 2
        d_kill9 both
        d_start
        t_eq "$(verdict "$job")" "timeout (job)"
        start=$((($(date +%s%N) - start) / 1000000))
        if [ "$start" -lt 5000 ] || [ "$start" -gt 6500 ]; then
                t_fail "5 s were $start ms"
        fi
        t_match "$(ctl status "$job" | grep Ran:)" 'Ran: +5\.'
}

# killed_at_random N_JOBS ROUNDS WHAT…: short jobs flow while one of these is killed at random moments.
killed_at_random() {
        local n=$1 rounds=$2 i how t names flow
        shift 2
        local storm=storm$n
        forget_witnesses
        d_restart # an engine that ends often comes back later and later
        {
                for ((i = 0; i < n; i++)); do
                        drop_witness "t$((i % 4 + 1))" "$storm-$i" $((i % 100)) "" 0.1
                        sleep 0.03
                done
        } &
        flow=$!
        for ((i = 1; i <= rounds; i++)); do
                sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
                how=$(shuf -n 1 -e "$@")
                # The engine comes back by itself, each time a little later.
                [ -n "$(d_engine)" ] || t_wait 12 d_answers
                echo "round $i: $how"
                d_kill9 "$how"
                [ "$how" = engine ] || d_start
        done
        wait "$flow"
        t_wait 12 d_answers
        t_wait 12 spool_is_empty
        t_wait 20 d_is_idle

        rows | awk -v p="^$storm-" '$3 ~ p' >"$D/stage/rows"
        # A claim whose own name was lost with the process is still the same job: Name= says it.
        names=$(awk '{ print $3 }' "$D/stage/rows" | sort)
        t_eq "$(wc -l <<<"$names")" "$n" "jobs in the ledger (refused: $(cat "$D"/spool/*/rejected/*.reason 2>/dev/null))"
        t_eq "$(uniq -d <<<"$names")" "" "jobs that were accepted twice"
        for ((i = 0; i < n; i++)); do
                t=$(awk -v n="$storm-$i" '$3 == n { print $4, $5, $6 }' "$D/stage/rows")
                t_eq "$t" "done exit $((i % 100))" "the ledger on $storm-$i"
        done
        t_eq "$(cat "$D"/witness/* | awk '$1 == "start" { print $2 }' | sort | uniq -d)" "" "jobs that started twice"
        t_eq "$(witness_count start)" "$n" "starts"
        t_eq "$(witness_count end)" "$n" "ends"
        no_slot_leaked
}

spool_is_empty() {
        [ -z "$(find "$D/spool" -type f -not -path '*/rejected/*')" ]
}

second_daemon_leaves() {
        local status=0
        timeout 10 "$D/bin/tenantqd" --config "$D/etc" --helpers "$D/bin" >"$D/stage/second" 2>&1 || status=$?
        t_eq "$status" 75 "exit status"
        t_match "$(cat "$D/stage/second")" "another tenantqd is running, process $(d_pid) " message
        d_answers || t_fail "the first daemon does not answer any more"
        t_eq "$(ctl run -w -t t1 -- echo fine)" fine output
}

# A crash between the claim and the ledger: what is in .claims is a job all the same.
claims_are_recovered() {
        local job
        d_stop
        printf '[Job]\nName=claimed\nExecStart=%s 8\n' "$witness" >"$D/spool/.claims/900001.t1"
        chown 61011:61011 "$D/spool/.claims/900001.t1"
        printf '[Job]\nName=broken\n' >"$D/spool/.claims/900002.t1"
        chown 61011:61011 "$D/spool/.claims/900002.t1"
        d_start
        job=$(job_of t1 claimed)
        t_eq "$(verdict "$job")" "exit 8"
        refused t1 claim-900002 'ExecStart'
        # The number goes on behind them.
        printf '[Job]\nName=behind\nExecStart=%s 0\n' "$witness" | drop t1 behind
        t_eq "$(verdict "$(job_of t1 behind)")" "exit 0"
        d_restart
        t_eq "$(ctl ps -a t1 | grep -cw claimed)" 1 "jobs of one claim"
        no_leftovers
}

# Accepted and recorded, but the file was not removed any more: not a second job.
claim_is_not_taken_twice() {
        local before claim
        printf '[Job]\nName=once\nExecStart=%s 0\n' "$witness" >"$D/stage/once"
        cp "$D/stage/once" "$D/stage/once.copy"
        drop t1 once <"$D/stage/once"
        t_eq "$(verdict "$(job_of t1 once)")" "exit 0"
        claim=$("$D_PYTHON" -c 'import sqlite3, sys
print(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute("SELECT max(claim) FROM jobs").fetchone()[0])' "$D/state/ledger/ledger.db" 2>/dev/null) || claim=
        d_stop
        [ -n "$claim" ] || claim=$("$D_PYTHON" -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT max(claim) FROM jobs").fetchone()[0])' "$D/state/ledger/ledger.db")
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
        install -m 0600 -o 61011 -g 61011 "$D/stage/once.copy" "$D/spool/.claims/$claim.t1"
        before=$(ctl ps -a t1 2>/dev/null | grep -cw once || true)
        d_start
        d_status 0 ctl run -w -t t1 -- true
        t_eq "$(ctl ps -a t1 | grep -cw once)" 1 "jobs of one claim (before the start: $before)"
        no_leftovers
}

limits_survive() {
        local how
        ctl limits set t1 concurrency=2 runtime=1h >/dev/null
        ctl limits set t1/etl concurrency=4 >/dev/null
        for how in stop both engine; do
                disturb "$how"
                t_match "$(ctl limits get t1)" 'concurrency +- +2 +set' "limits get"
                t_match "$(ctl limits get t1)" 'concurrency +etl +4 +set' "limits get"
                t_match "$(ctl limits get t1)" 'runtime +- +1h +set' "limits get"
        done
        ctl limits unset t1 concurrency runtime >/dev/null
        ctl limits unset t1/etl concurrency >/dev/null
        d_restart
        t_match "$(ctl limits get t1)" 'concurrency +- +5 +file' "limits get after unset"
}

# Whoever signals a whole group of processes, or all at a shutdown, signals the engine too. It leaves when tenantqd says
# so, and closes its ledger: of what is open a log is left.
signals_to_both() {
        local daemon engine sig
        engine=$(d_engine)
        for sig in TERM INT HUP; do
                kill "-$sig" "$engine"
        done
        ctl limits set t1 runtime=1h >/dev/null
        t_eq "$(d_engine)" "$engine" "the engine after signals"
        daemon=$(d_pid)
        kill -TERM "$engine" "$daemon"
        t_wait 15 d_is_gone "$daemon"
        t_wait 1 d_is_gone "$engine"
        t_eq "$(cd "$D/state/ledger" && echo *)" "ledger.db ledger.db-reserve" "what is left of the ledger"
        d_start
        t_match "$(ctl limits get t1)" 'runtime +- +1h +set' "limits get"
        ctl limits unset t1 runtime >/dev/null
}

# A tenant's directory goes while its job runs.
directory_goes() {
        local gate job
        gate=$(d_gate_make goes)
        job=$(ctl run -t t4 -- "$witness" 6 "$gate")
        t_wait 5 d_state_is "$job" running
        mv "$D/spool/t4" "$D/stage/t4"
        t_wait 5 d_tenant_is t4 gone
        d_restart
        t_eq "$(running)" 1 "running jobs"
        d_gate_open goes
        t_eq "$(verdict "$job")" "exit 6"
        mv "$D/stage/t4" "$D/spool/t4"
        t_wait 5 d_tenant_is t4 ready
        t_eq "$(ctl run -w -t t4 -- echo back)" back output
}

d_case "20 running jobs and systemctl restart" undisturbed stop
d_case "20 running jobs and SIGKILL of tenantqd" undisturbed daemon
d_case "20 running jobs and SIGKILL of the engine" undisturbed engine
d_case "20 running jobs and SIGKILL of both" undisturbed both
d_case "jobs that end while nobody looks" ends_unseen
d_case "what waits for these does not wait for ever" waits_for_unseen
payload says-n >/dev/null <<END
#!/bin/sh
echo "\$1" >>$D/witness/many
END
install -m 0666 /dev/null "$D/witness/many"
d_case "the engine dies while many start" engine_dies_while_many_start
d_case "the host is shut down" shut_down earlier interrupted
d_case "jobs are told to end while nobody looks" shut_down same "signal 15 (TERM)"
d_case "a cgroup that can't be removed is given up" given_up
d_case "cancel across a restart" cancels_across_restart
d_case "RuntimeMaxSec= across a restart" runtime_across_restart
d_case "TimeoutStopSec= across a restart" stop_across_restart
d_case "60 jobs while the processes are killed at random" killed_at_random 60 5 daemon engine
d_case "120 jobs while the engine is killed at random" killed_at_random 120 6 engine
d_case "a second tenantqd leaves with 75" second_daemon_leaves
d_case "claims that were left are recovered" claims_are_recovered
d_case "a recorded claim is not taken twice" claim_is_not_taken_twice
d_case "limits set survive" limits_survive
d_case "signals to the engine too" signals_to_both
d_case "a tenant's directory goes while its job runs" directory_goes
d_case "nothing is left over" no_leftovers
d_report
t_summary
