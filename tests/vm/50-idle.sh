#!/bin/bash
# tests/vm/50-idle.sh - idle means idle: in a minute without work, tenantqd and the engine wake up for the watchdog only.
#
# The watchdog's share: WatchdogSec=30, so a ping each 15 s, four in a minute and five if one falls on an edge. For each,
# tenantqd wakes for its timer and for the engine's answer, and the engine for the question; a wake-up may be counted
# twice where a thread also waits for a lock or for its socket. Hence the bounds: 5 × 3 for tenantqd, 5 × 2 for the
# engine's main thread, nothing for its worker. (A tick of 1 Hz would be 60.)

. "$(dirname "$0")/machine.sh"

DAEMON_BOUND=15
ENGINE_BOUND=10
WORKER_BOUND=0
SECONDS_IDLE=60

idle() {
        local main engine before after name bound n
        # One job runs, two wait behind it, one for its time: nothing is due within the minute.
        v_run acme -l runtime=1h -- /bin/sleep 1000
        tenantqctl run -t acme -- /bin/true
        tenantqctl run -t acme -- /bin/true
        printf '[Job]\nExecStart=/bin/true\nStartAfter=2099-01-01 00:00\n' >/tmp/later.job
        tenantqctl submit -t globex /tmp/later.job
        main=$(v_main_pid)
        engine=$(v_engine_pid)
        sleep 4 # the status line may lag a second
        before=$(v_wakeups tenantqd "$main" && v_wakeups engine "$engine")
        sleep "$SECONDS_IDLE"
        after=$(v_wakeups tenantqd "$main" && v_wakeups engine "$engine")
        t_eq "$(v_main_pid) $(v_engine_pid)" "$main $engine" "the processes"
        for name in tenantqd:$DAEMON_BOUND engine:$ENGINE_BOUND worker:$WORKER_BOUND; do
                bound=${name#*:}
                name=${name%:*}
                n=$(($(v_sum "$name" "$after") - $(v_sum "$name" "$before")))
                v_note "$name: $n wake-ups in $SECONDS_IDLE s (bound $bound)"
                [ "$n" -le "$bound" ] || t_fail "$name woke up $n times, more than $bound"
                # Else the wrong thing was counted.
                [ "$bound" -eq 0 ] || [ "$n" -ge 2 ] || t_fail "$name: no pings were seen"
        done
}

v_start
v_tenant acme
v_tenant globex
v_case "a minute without work" idle
v_clean
t_summary
