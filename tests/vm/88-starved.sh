#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/vm/88-starved.sh - a tenant whose own jobs leave its next launches hardly any CPU or I/O: those are slow, and
# nobody else's.

. "$(dirname "$0")/machine.sh"

# job QUEUE LIMIT COMMAND: of acme's.
job() {
        printf '[Job]\nQueue=%s\nExecStart=%s\nRuntimeMaxSec=5min\n[Limits]\n%s\n' "$1" "$3" "$2" >/run/starved.job
        tenantqctl submit -t acme /run/starved.job
}

no_leaves() {
        [ -z "$(v_leaves)" ]
}

# served WHAT SECONDS: another tenant's job takes at most so long, from its submission to its end.
served() {
        local t0 t1
        v_now t0
        t_eq "$(timeout 60 tenantqctl run -w -t globex -- echo served 2>/dev/null)" served "the other tenant's job, $1"
        v_now t1
        v_note "another tenant's job, $1: $(((t1 - t0) / 1000)) ms"
        [ $((t1 - t0)) -le $(($2 * 1000000)) ] || t_fail "$1: it took $(((t1 - t0) / 1000)) ms"
}

is_undisturbed() {
        t_eq "$(v_main_pid) $(systemctl show --value --property=NRestarts tenantq)" "$1 0" "the daemon"
}

# Hogs have all of its 5 % of a CPU; its further launches get a thousandth of what is left. There are slots for others.
cpu() {
        local pid stream
        pid=$(v_main_pid)
        served alone 10
        tenantqctl limits set acme cpu=0.05 concurrency=24 >/dev/null
        for _ in 1 2 3 4 5 6; do
                job hogs cpu_weight=10000 '/bin/sh -c "while :; do :; done & while :; do :; done & while :; do :; done"' >/dev/null
        done
        sleep 3
        (for _ in $(seq 60); do job small cpu_weight=1 /bin/true >/dev/null; done) &
        stream=$!
        for _ in 1 2 3 4 5; do
                served "beside launches without CPU" 10
                sleep 1
        done
        is_undisturbed "$pid"
        kill "$stream" 2>/dev/null || true
        wait "$stream" || true
        tenantqctl limits set --force acme concurrency=0 >/dev/null
        tenantqctl cancel acme >/dev/null
        t_wait 120 no_leaves
        tenantqctl limits unset acme cpu concurrency >/dev/null
        is_undisturbed "$pid"
}

# What each launch reads is dropped from memory, and read by one who may read two bytes a second.
io() {
        local pid device job
        pid=$(v_main_pid)
        device=/dev/$(basename "$(readlink -f "/sys/dev/block/$(stat -c %Hd:%Ld /usr/libexec/tenantq/tenantq-exec)")")
        setpriv --reuid=acme --clear-groups python3 -c '
import os
os.posix_fadvise(os.open("/usr/libexec/tenantq/tenantq-exec", os.O_RDONLY), 0, 0, os.POSIX_FADV_DONTNEED)'
        job=$(job slow "io_read@$device=2" /bin/true)
        sleep 2
        for _ in 1 2 3; do
                served "beside a launch without I/O" 10
        done
        is_undisturbed "$pid"
        tenantqctl cancel "$job" >/dev/null || true
        t_wait 60 no_leaves
}

v_start
v_tenant acme
v_tenant globex
v_case "launches of a tenant without CPU" cpu
v_case "launches of a tenant without I/O" io
t_summary
