#!/bin/bash
# tests/vm/40-restart.sh - running jobs while tenantqd, the engine and systemd are restarted and killed.
#
# Jobs of two tenants wait for a word (a FIFO each) and then end with a code of their own. After each disturbance those
# that still wait must be the same processes in the same cgroups under the same limits; some get their word while nobody
# looks, and their codes must be recorded all the same.
#
# TENANTQ_TEST_JOBS: how many (default 20); TENANTQ_TEST_RESTARTS: how often all that is done first, without a pause
# (default 6)

. "$(dirname "$0")/machine.sh"

N=${TENANTQ_TEST_JOBS:-20}
RESTARTS=${TENANTQ_TEST_RESTARTS:-6}
WORDS=/srv/words # where jobs see it
STATE=$(mktemp -d) # of the cases, which are subshells: jobs (lines "NUMBER WORD CODE"), alive, pids, attrs

take_pids() {
        local leaf
        v_leaves | while read -r leaf; do
                echo "$leaf: $(sort -n "$leaf/cgroup.procs" | tr '\n' ' ')"
        done
}

attrs() {
        local tenant
        for tenant in acme globex; do
                echo "$tenant"
                v_attrs "$V_JOBS/$tenant.slice"
                cat "$V_JOBS/$tenant.slice/cgroup.subtree_control"
        done
        cat "$V_JOBS/cgroup.subtree_control"
}

begin() {
        local tenant i code word job
        mkdir "$WORDS"
        sed -i "/^\\[scheduler\\]/a max_jobs=$((N + 12))" "$V_CONF/tenantq.conf"
        systemctl restart tenantq
        v_tenant acme concurrency=$((N / 2)) cpu=1.5 memory=300M pids=200 io_write=50M
        v_tenant globex concurrency=$((N / 2)) cpu_weight=50 cpus=0-1 memory=200M memory_low=8M io_riops@/dev/vda=5000
        for ((i = 0; i < N; i++)); do
                tenant=acme
                [ $((i % 2)) -eq 0 ] || tenant=globex
                code=$((i * 7 % 100))
                word=$WORDS/$i
                mkfifo -m 0666 "$word"
                job=$(tenantqctl run -t "$tenant" -- /bin/sh -c "read word <$word; exit $code")
                echo "$job $word $code" >>"$STATE/jobs"
        done
        t_wait 60 all_run
        # The shells wait in open(2): from here on no process is made in the jobs.
        cp "$STATE/jobs" "$STATE/alive"
        take_pids >"$STATE/pids"
        attrs >"$STATE/attrs"
        t_eq "$(wc -l <"$STATE/pids")" "$N" "job cgroups"
        # tenantq-exec and the shell.
        t_eq "$(awk '{ print NF - 1 }' "$STATE/pids" | sort -u)" 2 "processes of a job"
}

all_run() {
        local running
        running=$(tenantqctl ps | grep -c ' running ') || true
        [ "$running" -eq "$N" ]
}

# One after the other, a hundred if need be (T83): nothing of a job is touched, and no cgroup is gone or in the way when a
# unit starts.
again_and_again() {
        local i main
        : >"$STATE/released"
        for ((i = 0; i < RESTARTS; i++)); do
                main=$(v_main_pid)
                case $((i % 6)) in
                0) systemctl restart tenantq ;;
                1) systemctl stop tenantq && systemctl start tenantq ;;
                2) kill -KILL "$main" ;;
                3) kill -KILL "$(v_engine_pid)" ;;
                4) systemctl daemon-reload && systemctl restart systemd-journald ;;
                5) systemctl daemon-reexec && systemctl restart tenantq ;;
                esac
                [ $((i % 6)) -ne 2 ] || t_wait 30 has_new_main_pid "$main"
                # Both processes, before the next one is killed.
                t_wait 60 eval 'v_answers && v_engine_pid >/dev/null'
                t_eq "$(take_pids)" "$(cat "$STATE/pids")" "processes of the running jobs, after $((i + 1))"
        done
        undisturbed
        ! journalctl -b -o cat -u tenantq -u tenantq-jobs | grep -E '219/CGROUP|status=219' || t_fail "219/CGROUP"
        t_none launch-failed "launches that failed" tenantqctl events -n 1000
}

# Gives their word to the next so many jobs.
release() {
        local job word code
        head -n "$1" "$STATE/alive" >"$STATE/released"
        sed -i "1,$1d" "$STATE/alive"
        while read -r job word code; do
                echo go >"$word"
                sed -i "\\,/$job\\.1\\.job:,d" "$STATE/pids"
        done <"$STATE/released"
}

# What must hold when the dust has settled.
undisturbed() {
        local job word code
        t_wait 60 v_answers
        while read -r job word code; do
                t_eq "$(v_verdict "$job")" "exit $code" "verdict of job $job"
        done <"$STATE/released"
        t_eq "$(take_pids)" "$(cat "$STATE/pids")" "processes of the running jobs"
        t_eq "$(tenantqctl ps | awk '$5 == "running" { print $1 }' | sort)" "$(cut -d' ' -f1 "$STATE/alive" | sort)" \
                "the running jobs"
        t_eq "$(attrs)" "$(cat "$STATE/attrs")" "the slices' limits"
        t_eq "$(systemctl is-active tenantq tenantq-jobs | sort -u)" active units
}

restart() {
        systemctl restart tenantq
        release 2
        undisturbed
}

# Their codes are in result records that nobody has read when the daemon starts.
stop_and_start() {
        systemctl stop tenantq
        release 3
        sleep 1
        systemctl start tenantq
        undisturbed
}

has_new_main_pid() {
        local pid
        pid=$(v_main_pid)
        [ "$pid" != 0 ] && [ "$pid" != "$1" ]
}

kill_tenantqd() {
        local main
        main=$(v_main_pid)
        kill -KILL "$main"
        release 3
        t_wait 30 has_new_main_pid "$main"
        undisturbed
}

has_new_engine() {
        local pid
        pid=$(v_engine_pid) && [ "$pid" != "$1" ]
}

kill_engine() {
        local main engine
        main=$(v_main_pid)
        engine=$(v_engine_pid)
        kill -KILL "$engine"
        release 3
        t_wait 30 has_new_engine "$engine"
        undisturbed
        t_eq "$(v_main_pid)" "$main" "tenantqd, which needn't be restarted for that,"
}

kill_both_twice() {
        local main i
        for i in 1 2; do
                main=$(v_main_pid)
                kill -KILL "$(v_engine_pid)" "$main"
                t_wait 30 has_new_main_pid "$main"
                t_wait 60 v_answers
        done
        release 1
        undisturbed
}

daemon_reload() {
        systemctl daemon-reload
        systemctl set-property --runtime tenantq-jobs.service CPUWeight=200
        systemctl set-property --runtime tenantq.slice MemoryHigh=1800M
        systemctl daemon-reload
        release 2
        undisturbed
}

daemon_reexec() {
        systemctl daemon-reexec
        release 2
        undisturbed
}

leaves_are() {
        [ "$(v_leaves | wc -l)" -eq "$1" ]
}

nothing_leaks() {
        local i
        local -a jobs=()
        release "$N"
        undisturbed
        t_wait 10 leaves_are 0
        t_eq "$(pgrep --count tenantq-exec || true)" 0 "tenantq-exec processes"
        t_eq "$(tenantqctl tenants | awk 'NR > 1 { print $1, $5, $6 }')" "acme 0 0
globex 0 0" "running and waiting"
        # All slots are free again: as many at the same time as before.
        for i in {1..10}; do
                jobs+=("$(tenantqctl run -t acme -- /bin/sh -c 'sleep 8; exit 3')")
        done
        t_wait 6 leaves_are 10
        for i in "${jobs[@]}"; do
                t_eq "$(v_verdict "$i")" "exit 3" "verdict of new job $i"
        done
        t_wait 10 leaves_are 0
        t_eq "$(find /var/lib/tenantq/results -type f -size +1M)" "" "oversized files of result records"
}

none_twice() {
        # One attempt each: nothing was started a second time.
        tenantqctl --json ps -a -n 1000 | python3 -c '
import json, sys
jobs = json.load(sys.stdin)["jobs"]
assert len(jobs) == int(sys.argv[1]) + 10, len(jobs)
again = [job["job"] for job in jobs if job["attempt"] != 1]
assert not again, again
' "$N"
        ! v_log DEGRADED
}

v_start
rm -rf "$WORDS"
t_case "$N jobs run" begin
t_case "restarts, stops and kills without a pause: $RESTARTS (T83)" again_and_again
t_case "systemctl restart" restart
t_case "systemctl stop, ends meanwhile, systemctl start" stop_and_start
t_case "SIGKILL of tenantqd" kill_tenantqd
t_case "SIGKILL of the engine" kill_engine
t_case "SIGKILL of both, twice" kill_both_twice
t_case "daemon-reload and set-property" daemon_reload
t_case "daemon-reexec" daemon_reexec
t_case "no slot leaks, and all can be used again" nothing_leaks
t_case "nothing was started twice" none_twice
rm -rf "$WORDS" "$STATE"
systemctl revert tenantq.slice tenantq-jobs.service 2>/dev/null
v_clean
t_summary
