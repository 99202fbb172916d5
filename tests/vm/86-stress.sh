#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/vm/86-stress.sh - stress-ng's classes as jobs, with the shipped defaults: they end as they should, whatever they
# met; another tenant's job is served meanwhile; nothing is left. And a fork bomb (T21), orphans (T31), files without
# number (T27).

. "$(dirname "$0")/machine.sh"

no_leaves() {
        [ -z "$(v_leaves)" ]
}

# served_beside JOB: another tenant's job, while that one runs.
served_beside() {
        local begin=$SECONDS
        t_eq "$(tenantqctl run -w -t globex -- echo served 2>/dev/null)" served "the other tenant's job"
        [ $((SECONDS - begin)) -le 20 ] || t_fail "it waited $((SECONDS - begin)) s"
}

# stress OPTION…: 5 seconds of it. Stressors that may not do what they do end by themselves, and say so by their code: 0
# all was done, 2 some failed, 3 some could not be tried, 4 none is there.
stress() {
        local job verdict
        job=$(v_run acme -- /usr/bin/stress-ng --temp-path /home/acme --timeout 5 --no-rand-seed "$@")
        served_beside "$job"
        verdict=$(v_verdict "$job")
        v_note "stress-ng $*: $verdict"
        t_match "$verdict" '^(exit [0234]|oom \((job|tenant)\))$' "its verdict"
        t_wait 30 no_leaves
        t_eq "$(pgrep -u acme || true)" "" "processes of it"
}

# Counted where the fork was tried.
refuses_forks() {
        grep -q 'max [1-9]' "$(v_leaf acme "$1")/pids.events"
}

# T21: what a bomb of a tenant can have, others do not miss; a cancel ends it.
fork_bomb() {
        local job begin
        # shellcheck disable=SC2016 # the job's shell expands it
        job=$(v_run acme -- /bin/sh -c 'f() { f | f & }; f; sleep 100')
        t_wait 60 refuses_forks "$job"
        served_beside "$job"
        begin=$SECONDS
        tenantqctl cancel "$job" >/dev/null
        t_eq "$(v_verdict "$job")" cancelled
        t_wait 30 no_leaves
        v_note "a fork bomb was gone $((SECONDS - begin)) s after its cancel"
}

# T31: orphans of a job are its init's, which reaps them; those that live end with it.
orphans() {
        local job
        job=$(v_run acme -- /usr/bin/python3 -c '
import os
for _ in range(3000):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
for _ in range(50):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sleep", ["sleep", "1000"])
        os._exit(0)
    os.wait()')
        t_eq "$(v_verdict "$job")" "exit 0"
        t_wait 30 no_leaves
        t_eq "$(pgrep -u acme || true)" "" "processes of it"
}

# T27: names without number in /tmp end with its room for them, and go with the job.
many_files() {
        local job
        job=$(v_run acme -l memory=64M -- /usr/bin/python3 -c '
import errno, os
n = 0
try:
    while True:
        os.close(os.open(f"/tmp/{n}", os.O_CREAT | os.O_WRONLY))
        n += 1
except OSError as e:
    print(n, errno.errorcode[e.errno])')
        served_beside "$job"
        t_eq "$(v_verdict "$job")" "exit 0"
        t_match "$(tenantqctl logs "$job")" '^8[0-9]{3} ENOSPC$' "names in /tmp of a job with memory=64M"
        t_wait 30 no_leaves
}

# One that failed leaves the next one its slot.
stress_case() {
        echo 1 >"$(v_slice acme)/cgroup.kill"
        t_wait 30 no_leaves
        "$@"
}

v_start
v_tenant acme
v_tenant globex
v_case "cpu" stress_case stress --cpu 4
v_case "vm" stress_case stress --vm 4 --vm-bytes 512M
v_case "fork" stress_case stress --fork 4 --clone 2 --vfork 2
v_case "iomix" stress_case stress --iomix 2
v_case "sock" stress_case stress --sock 2 --udp 1
v_case "hdd" stress_case stress --hdd 2 --hdd-bytes 64M
v_case "system calls" stress_case stress --enosys 1 --sysinval 1 --syscall 1
v_case "kernel's tables" stress_case stress --msg 1 --sem-sysv 1 --shm-sysv 1 --mq 1 --pty 1 --aio 1 --key 1
v_case "a fork bomb (T21)" stress_case fork_bomb
v_case "orphans (T31)" stress_case orphans
v_case "files without number (T27)" stress_case many_files
t_summary
