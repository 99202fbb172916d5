#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/vm/80-contained.sh - what contains a job here, with real controllers: doctor, selftest, and what a job can
# fill.

. "$(dirname "$0")/machine.sh"

doctor() {
        local out
        echo '254:0 enable=1' >/sys/fs/cgroup/io.cost.qos
        out=$(tenantqctl doctor) || t_fail "$out"
        v_note "$(tail -n 1 <<<"$out")"
        t_match "$out" 'ok +holder' holder
        t_match "$out" 'ok +delegation' delegation
        ! grep '^FAIL' <<<"$out" || t_fail "something fails"
        tenantqctl --json doctor | python3 -c 'import json, sys; assert all(c["grade"] for c in json.load(sys.stdin)["checks"])'
        echo '254:0 enable=0' >/sys/fs/cgroup/io.cost.qos
        t_match "$(tenantqctl doctor)" 'warn +io .*has no weights' "without io.cost"
        chmod 0777 "$V_SPOOL"
        out=$(tenantqctl doctor) && t_fail "modes"
        t_match "$out" 'FAIL +modes .*0777' modes
        chmod 0755 "$V_SPOOL"
        sysctl -q kernel.core_pattern='|/bin/false %p'
        t_match "$(tenantqctl doctor)" 'warn +core dumps +/bin/false %p dumps the jobs that crash, as root'
        sysctl -q kernel.core_pattern=core
        t_match "$(tenantqctl doctor)" 'ok +core dumps'
}

selftest() {
        local out
        out=$(tenantqctl selftest) || t_fail "$out"
        v_note "$out"
        t_eq "$(tail -n 1 <<<"$out")" "0 do not hold, 0 could not be tried"
        [ ! -e "$V_SPOOL/tenantq-selftest" ] || t_fail "its directory is left"
        t_eq "$(find /var/cache -name 'tenantq-selftest*')" "" "its file"
}

# Shows what it is for: with the limits taken away behind the daemon's back, it says so.
selftest_can_fail() {
        local out status=0
        (
                t_wait 20 test -e "$V_SPOOL/tenantq-selftest"
                while [ -e "$V_SPOOL/tenantq-selftest" ]; do
                        echo max >"$V_JOBS/tenantq-selftest.slice/cpu.max"
                        sleep 0.1
                done 2>/dev/null
        ) &
        out=$(tenantqctl selftest) || status=$?
        wait
        t_eq "$status" 1 "exit status"
        t_match "$out" 'FAIL +cpu'
}

verdict_of() {
        v_verdict "$(tenantqctl run -t acme "$@")"
}

# T22, T26: /tmp is the job's memory, and bounded before that.
temporary_files() {
        t_eq "$(verdict_of -l memory=64M -- /bin/sh -c 'head -c 100M /dev/zero >/tmp/x')" "exit 1"
        tenantqctl limits set acme memory=64M >/dev/null
        t_eq "$(verdict_of -- /bin/sh -c 'head -c 40M /dev/zero >/tmp/x')" "exit 1" "its tenant's memory"
        tenantqctl limits unset acme memory >/dev/null
        t_eq "$(verdict_of -l memory=64M -- /bin/sh -c 'head -c 30M /dev/zero >/tmp/x; head -c 30M /dev/zero >/dev/shm/y')" "exit 1"
        t_match "$(verdict_of -l memory=64M -- /usr/bin/python3 -c 'b = bytearray(80 << 20)')" '^oom \(job\)'
}

# T22: what a job left is not charged to the next one.
no_debts() {
        local before now
        before=$(cat "$V_JOBS/acme.slice/memory.current")
        for _ in 1 2 3; do
                t_eq "$(verdict_of -- /usr/bin/python3 -c 'import ctypes
l = ctypes.CDLL(None)
s = l.shmget(0, 20 << 20, 0o1600)
l.shmat.restype = ctypes.c_void_p
ctypes.memset(l.shmat(s, None, 0), 1, 20 << 20)
open("/dev/shm/left", "wb").write(bytes(20 << 20))
open("/tmp/left", "wb").write(bytes(20 << 20))')" "exit 0"
        done
        sleep 1
        now=$(cat "$V_JOBS/acme.slice/memory.current")
        v_note "memory of the tenant before three jobs that leave 60 MiB each, and after: $((before >> 10)) $((now >> 10)) KiB"
        [ "$now" -lt $((before + (40 << 20))) ] || t_fail "it is charged for what has gone"
}

# T32: the tree that a job sees is its own cgroup, which it can't change.
cgroup_of_a_job() {
        local out
        # shellcheck disable=SC2016 # the job's shell expands it
        out=$(tenantqctl run -t acme -w -- sh -c 'cat /proc/self/cgroup; cat /sys/fs/cgroup/pids.max; ls -d /sys/fs/cgroup/*.slice
                for f in cgroup.procs memory.max pids.max cgroup.kill; do (echo 1 >/sys/fs/cgroup/$f) 2>/dev/null && echo wrote $f; done
                mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; echo end' 2>/dev/null)
        t_match "$out" '^0::/
(max|[0-9]+)
end$'
}

# T23: above memory_high it gets nowhere, and nobody kills it: so its end is ours, and says why. A process that holds
# more than that, without swap, and touches it again and again.
stalled() {
        local job begin=$SECONDS
        job=$(tenantqctl run -t acme -l memory=400M -l memory_high=20M -- /usr/bin/python3 -c 'b = bytearray(60 << 20)
while True:
    for i in range(0, len(b), 4096): b[i] = 1
    b = bytearray(60 << 20)')
        t_eq "$(timeout 200 tenantqctl wait "$job" | sed 's/^[0-9]*: //')" "stalled (job)"
        v_note "a job that needs 60M where memory_high=20M was ended after $((SECONDS - begin)) s"
        # The tenant's own limit slows all of its jobs, those that run already as well.
        job=$(tenantqctl run -t acme -- /usr/bin/python3 -c 'while True: b = bytearray(60 << 20)')
        t_wait 20 v_is_running "$job"
        tenantqctl limits set --force acme memory_high=20M >/dev/null
        t_eq "$(timeout 200 tenantqctl wait "$job" | sed 's/^[0-9]*: //')" "stalled (tenant)"
        tenantqctl limits unset acme memory_high >/dev/null
        tenantqctl limits set acme memory_high=20M >/dev/null
        job=$(tenantqctl run -t acme -- /usr/bin/python3 -c 'while True: b = bytearray(60 << 20)')
        t_eq "$(timeout 200 tenantqctl wait "$job" | sed 's/^[0-9]*: //')" "stalled (tenant)"
        tenantqctl limits unset acme memory_high >/dev/null
}

v_start
v_tenant acme
v_case "doctor" doctor
v_case "selftest" selftest
v_case "selftest sees what does not hold" selftest_can_fail
v_case "temporary files are the job's memory (T22, T26)" temporary_files
v_case "what a job left is not charged to the next (T22)" no_debts
v_case "a job that memory_high stalls is ended (T23)" stalled
v_case "a job's view of the cgroup tree (T32)" cgroup_of_a_job
t_summary
