#!/bin/bash
# tests/vm/50-idle.sh - idle means idle: without work, tenantqd and the engine wake up for the watchdog only; and while
# a job runs and others wait, tenantqd looks besides whether there is room for what it may write.
#
# The watchdog's share: WatchdogSec=30, so a ping each 15 s at the latest, four in a minute and five if one falls on an
# edge. For each, tenantqd wakes for its timer and for the engine's answer, and the engine for the question; a wake-up
# may be counted twice where a thread also waits for a lock or for its socket. The room is looked at each 10 s, seven
# times with one on an edge. Hence the bounds: 5 × 3 for tenantqd, and 7; 5 × 2 for the engine's main thread; nothing
# for its worker and for the launcher. (A tick of 1 Hz would be 60.)

. "$(dirname "$0")/machine.sh"

SECONDS_IDLE=60
PINGS=5
LOOKS=7

# The child of tenantqd that forks jobs: not one of these, which have another number in a namespace of theirs.
launcher_pid() {
        local pid
        for pid in $(pgrep --parent "$1" --exact tenantq-exec); do
                awk -v pid="$pid" '/^NSpid:/ && NF == 2 { print pid }' "/proc/$pid/status"
        done
}

wakeups() {
        v_wakeups tenantqd "$1"
        v_wakeups engine "$2"
        v_wakeups launcher "$3"
}

# quiet LOOKS: for so long.
quiet() {
        local main engine launcher before after name bound n
        main=$(v_main_pid)
        engine=$(v_engine_pid)
        launcher=$(launcher_pid "$main")
        t_match "$launcher" '^[0-9]+$' "the launcher"
        sleep 4 # the status line may lag a second
        before=$(wakeups "$main" "$engine" "$launcher")
        sleep "$SECONDS_IDLE"
        after=$(wakeups "$main" "$engine" "$launcher")
        t_eq "$(v_main_pid) $(v_engine_pid) $(launcher_pid "$main")" "$main $engine $launcher" "the processes"
        for name in tenantqd:$((PINGS * 3 + $1)) engine:$((PINGS * 2)) worker:0 launcher:0; do
                bound=${name#*:}
                name=${name%:*}
                n=$(($(v_sum "$name" "$after") - $(v_sum "$name" "$before")))
                v_note "$name: $n wake-ups in $SECONDS_IDLE s (bound $bound)"
                [ "$n" -le "$bound" ] || t_fail "$name woke up $n times, more than $bound"
                # Else the wrong thing was counted.
                [ "$bound" -eq 0 ] || [ "$n" -ge 2 ] || t_fail "$name: no pings were seen"
        done
}

# One has run, and one waits for its time: nothing is due within the minute.
nothing_runs() {
        tenantqctl run --wait -t acme -- /bin/true
        printf '[Job]\nExecStart=/bin/true\nStartAfter=2099-01-01 00:00\n' >/tmp/later.job
        tenantqctl submit -t globex /tmp/later.job
        quiet 0
}

# And two wait behind one that runs.
one_runs() {
        v_run acme -l runtime=1h -- /bin/sleep 1000
        tenantqctl run -t acme -- /bin/true
        tenantqctl run -t acme -- /bin/true
        quiet "$LOOKS"
}

v_start
v_tenant acme
v_tenant globex
v_case "a minute without work" nothing_runs
v_case "a minute in which a job runs" one_runs
v_clean
t_summary
