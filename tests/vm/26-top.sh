#!/bin/bash
# tests/vm/26-top.sh - what top and ps say of tenants and jobs, against the kernel's own files.

. "$(dirname "$0")/machine.sh"

SLICE=$V_JOBS/acme.slice

# of_acme COLUMN: of the last reading in /tmp/lines.
of_acme() {
        grep '"tenant":"acme"' /tmp/lines | tail -n 1 | sed -n "s/.*\"$1\":\\([^,}]*\\).*/\\1/p"
}

# at_least COLUMN NUMBER [NUMBER]: and at most.
at_least() {
        local value
        value=$(of_acme "$1")
        v_note "$1: $value"
        [[ $value =~ ^[0-9]+$ ]] || t_fail "$1 is $value"
        [ "$value" -ge "$2" ] || t_fail "$1 is $value, less than $2"
        [ $# -lt 3 ] || [ "$value" -le "$3" ] || t_fail "$1 is $value, more than $3"
}

# It may have half a CPU, and would have a whole one.
a_hog() {
        local share job
        # shellcheck disable=SC2016 # the job's
        job=$(v_run acme -- /bin/sh -c 'while :; do :; done')
        sleep 2
        tenantqctl top -b --json -n 2 -d 10 >/tmp/lines &
        share=$(v_share "$SLICE" 10)
        wait $!
        v_near "$(of_acme cpu_permille)" "$share" 15 "the share of a CPU, in thousandths"
        at_least cpu_permille 400 560
        at_least cpu_max_permille 500 500
        at_least throttled_permille 700 1000
        at_least cpu_pressure_permille 100 1000
        at_least memory_bytes 1000 209715200
        at_least memory_max_bytes 209715200 209715200
        at_least pids 2 20
        at_least memory_pressure_permille 0 1000
        at_least io_pressure_permille 0 1000
        at_least oom_kills 0 0
        t_eq "$(of_acme running)/$(of_acme waiting)" 1/0 "running/waiting"
        # Another one has nothing of it.
        t_eq "$(grep '"tenant":"globex"' /tmp/lines | tail -n 1 | grep -o '"cpu_permille":[0-9]*')" '"cpu_permille":0' "of globex"
        t_match "$(tenantqctl top --noheadings -o tenant,cpu_max_permille | tr -s ' ')" 'acme 0\.50
globex 1\.00' "as text, by CPU"
        # The job's own.
        t_match "$(setpriv --reuid acme --regid acme --clear-groups tenantqctl ps --noheadings -o job,memory_bytes,memory_peak_bytes,run_usec,cpu_usec | tr -s ' ')" \
                "^$job [0-9.]+[KM] [0-9.]+[KM] ([0-9]+min )?[0-9.]+s [0-9.]+s\$" "ps of what runs, as its user"
        tenantqctl cancel "$job"
        t_eq "$(v_verdict "$job")" cancelled verdict
}

writes_and_dies() {
        local job
        # shellcheck disable=SC2016 # the job's
        job=$(v_run acme -- /bin/sh -c 'while :; do dd if=/dev/zero of=$HOME/data bs=64K count=16 oflag=direct 2>/dev/null; done')
        tenantqctl top -b --json -n 2 -d 4 >/tmp/lines
        at_least io_write_bytes_per_sec 65536
        at_least io_bytes_per_sec 65536
        tenantqctl cancel "$job"
        v_verdict "$job" >/dev/null
        # shellcheck disable=SC2016 # the job's
        job=$(tenantqctl run -t acme -- /usr/bin/python3 -c 'x = bytearray(300 << 20)')
        t_eq "$(v_verdict "$job")" "oom (tenant)" verdict
        tenantqctl top -b --json >/tmp/lines
        at_least oom_kills 1
}

v_start
v_tenant acme cpu=0.5 memory=200M swap=0 concurrency=4
v_tenant globex
v_case "a tenant that wants more than it may have" a_hog
v_case "I/O, and memory that is not there" writes_and_dies
v_clean
t_summary
