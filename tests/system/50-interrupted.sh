#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Interruptions at the worst moments, and tenants who press where it hurts: each of these was a fault once.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

later='StartAfter=2030-01-01 00:00'

claims() {
        find "$D/spool/.claims" -type f | wc -l
}

no_claims() {
        [ "$(claims)" -eq 0 ]
}

count() {
        ctl ps -n 10000 "$1" | grep -cw "$2" || true
}

has_count() {
        [ "$(count "$1" "$2")" -eq "$3" ]
}

# A tenant with jobs in as many queues as it may have, and one more claimed when both processes die.
full_queues_do_not_stop_a_start() {
        local i
        for ((i = 1; i <= 64; i++)); do
                printf '[Job]\nName=full\nQueue=q%d\nExecStart=/bin/true\n%s\n' "$i" "$later" | drop queues "q$i"
        done
        t_wait 5 has_count queues full 64
        kill -STOP "$(d_engine)"
        printf '[Job]\nName=more\nQueue=another\nExecStart=/bin/true\n' | drop queues more
        sleep 0.3
        d_kill9 both
        d_start
        t_eq "$(count queues full)" 64 "jobs after the start"
        t_wait 5 no_claims
        ctl ps -n 10000 queues | awk '$1 ~ /^[0-9]+$/ { print $1 }' | xargs "$D/bin/tenantqctl" cancel
}

# Beyond what is kept in memory, a start reads the job back from the ledger: a stop in between is no failure.
polite_restarts_lose_nothing() {
        local i
        "$D_PYTHON" - "$D" <<'END'
import os, sys
d = sys.argv[1]
for i in range(600):
    path = "%s/stage/p%d.job" % (d, i)
    with open(path, "w") as f:
        f.write("[Job]\nName=polite\nExecStart=/bin/true\n")
    os.chown(path, 61542, -1)
    os.rename(path, "%s/spool/polite/p%d.job" % (d, i))
END
        for ((i = 0; i < 4; i++)); do
                sleep 0.3
                d_restart
        done
        t_wait 30 d_is_idle
        t_eq "$(ctl --json ps -a -n 10000 polite |
                d_json 'sorted((v, sum(r["verdict"] == v for r in j["jobs"])) for v in {r["verdict"] for r in j["jobs"]})')" \
                '[["exit 0", 600]]' verdicts
}

# Files that arrive while the engine is dead wait for the next one, and nobody waits behind them.
engine_dies_while_files_arrive() {
        local daemon engine i
        daemon=$(d_pid)
        engine=$(d_engine)
        for ((i = 0; i < 40; i++)); do
                printf '[Job]\nName=arrives\nExecStart=/bin/true\n%s\n' "$later" >"$D/stage/a$i"
                chown 61543 "$D/stage/a$i"
        done
        kill -STOP "$daemon"
        for ((i = 0; i < 40; i++)); do
                mv "$D/stage/a$i" "$D/spool/arrives/a$i.job"
        done
        kill -KILL "$engine"
        sleep 0.1
        kill -CONT "$daemon"
        t_wait 5 has_count arrives arrives 40
        t_wait 5 no_claims
        ctl ps -n 10000 arrives | awk '$1 ~ /^[0-9]+$/ { print $1 }' | xargs "$D/bin/tenantqctl" cancel
}

# A launch is at its barrier: the cancel is answered when it holds, or not at all.
cancel_of_a_launch_holds() {
        local job status=0
        kill -STOP "$(d_pid)"
        printf '[Job]\nName=launch\nExecStart=/bin/sh -c "echo ran >>%s"\n' "$D/witness/launch" >"$D/stage/launch"
        job=$(ctl submit -t launch "$D/stage/launch")
        D_TIMEOUT=2 ctl cancel "$job" 2>/dev/null || status=$?
        d_kill9 both
        d_start
        verdict "$job" >"$D/stage/verdict"
        # Answered with success means that it never ran.
        [ "$status" -ne 0 ] || t_eq "$(cat "$D/witness/launch")" "" "witness of a cancelled job"
}

# A claim of a tenant whose directory is open to all when stock is taken waits until that is mended.
claim_of_a_disabled_tenant() {
        kill -STOP "$(d_engine)"
        printf '[Job]\nName=held\nExecStart=/bin/true\n' | drop held held
        sleep 0.3
        d_kill9 both
        chmod 0755 "$D/spool/held"
        d_start
        t_wait 5 d_tenant_is held disabled
        t_eq "$(claims)" 1 "claims kept"
        chmod 0700 "$D/spool/held"
        t_wait 5 d_exists held held
        t_eq "$(verdict "$(d_find held held)")" "exit 0"
        t_wait 5 no_claims
}

disabled_tenant_sees_its_own() {
        local job
        job=$(ctl run -t held -- /bin/sleep 60)
        t_wait 5 d_state_is "$job" running
        chmod 0755 "$D/spool/held"
        t_wait 5 d_tenant_is held disabled
        t_match "$(ctl_as 61545 61545 ps)" sleep
        d_status 0 ctl_as 61545 61545 cancel "$job"
        t_eq "$(verdict "$job")" cancelled
        chmod 0700 "$D/spool/held"
        t_wait 5 d_tenant_is held ready
}

# Made, but not yet open: the instant between the two halves of open(2), drawn out with mknod(2).
made_and_filled_later() {
        setpriv --reuid 61547 --regid 61547 --clear-groups "$D_PYTHON" -c '
import os, stat, sys, time
os.mknod(sys.argv[1], stat.S_IFREG | 0o600)
time.sleep(0.4)
with open(sys.argv[1], "w") as f:
    f.write("[Job]\nName=filled\nExecStart=/bin/true\n")' "$D/spool/calm/filled.job"
        t_eq "$(verdict "$(job_of calm filled)")" "exit 0"
        [ ! -e "$D/spool/calm/rejected/filled.job" ] || t_fail "it was refused while it was empty"
}

# A tenant changes its directory's mode without end; another one's file is taken all the same.
chmod_storm() {
        local storm start
        setpriv --reuid 61546 --regid 61546 --clear-groups "$D_PYTHON" -c '
import os, sys, time
end = time.time() + 6
while time.time() < end:
    os.chmod(sys.argv[1], 0o700)
    os.chmod(sys.argv[1], 0o710)
    os.chmod(sys.argv[1], 0o700)' "$D/spool/storm" &
        storm=$!
        sleep 0.5
        start=$(date +%s%N)
        printf '[Job]\nName=calm\nExecStart=/bin/true\n' | drop calm calm
        t_eq "$(verdict "$(job_of calm calm)")" "exit 0"
        start=$((($(date +%s%N) - start) / 1000000))
        kill "$storm"
        wait "$storm" || true
        [ "$start" -lt 2000 ] || t_fail "it took $start ms"
}

# shellcheck disable=SC2119 # none are wanted
d_init
d_start
d_tenant queues 61541
d_tenant polite 61542 '[limits]' concurrency=8
d_tenant arrives 61543
d_tenant launch 61544
d_tenant held 61545
d_tenant storm 61546
d_tenant calm 61547

d_case "64 full queues don't stop a start" full_queues_do_not_stop_a_start
d_case "restarts with a backlog lose nothing" polite_restarts_lose_nothing
d_case "files that arrive while the engine is dead" engine_dies_while_files_arrive
d_case "a cancel that was answered holds" cancel_of_a_launch_holds
d_case "a claim of a disabled tenant is kept" claim_of_a_disabled_tenant
d_case "a disabled tenant's user sees and cancels its jobs" disabled_tenant_sees_its_own
d_case "a file that is made and filled a moment later" made_and_filled_later
d_case "a storm of chmod starves nobody" chmod_storm
d_report
t_summary
