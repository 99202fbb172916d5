#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/vm/90-noisy.sh - a tenant's work beside six hostile ones, with the shipped defaults: processes that compute, that
# fill memory, that multiply, that sync, that write past the page cache, that talk.
#
# The victim's steps are 2 ms of CPU and an fsync. Its fair share of the CPU is that of one among seven; what it takes at
# that share is what its CPU time is divided by it. NOISY_STEPS=1000 NOISY_ALL=1: as long, and beside it the same with
# plain slices of the same limits, and with nothing.

. "$(dirname "$0")/machine.sh"

PAYLOAD=/usr/local/share/noisy.py
STEPS=${NOISY_STEPS-300}
HOSTILES=(hogs balloon forks fsyncs direct talk)
CPUS=$(nproc)

payload() {
        case $1 in
        hogs) echo "hogs 100" ;;
        fsyncs | direct) echo "$1 4 /home/$1" ;;
        *) echo "$1" ;;
        esac
}

# The victim's p50, p99, worst (ms), total and CPU (s).
tenantq_victim() {
        tenantqctl run -w -t victim -- /usr/bin/python3 "$PAYLOAD" victim "$STEPS" /home/victim/f 2>/dev/null
}

tenantq_hostile() {
        # shellcheck disable=SC2046 # words
        v_run "$1" -- /usr/bin/python3 "$PAYLOAD" $(payload "$1") >/dev/null
}

tenantq_stop() {
        tenantqctl cancel --all >/dev/null 2>&1 || true
        local i
        for i in "$@"; do echo 1 >"$(v_slice "$i")/cgroup.kill"; done
        t_wait 60 v_is_idle
}

v_is_idle() {
        [ -z "$(v_leaves)" ]
}

# As tenantq's defaults: cpu=1 memory=1G pids=512, each in a slice.
slices_run() {
        systemd-run --quiet --slice="plain-$1.slice" --uid="$1" -p CPUQuota=100% -p MemoryMax=1G -p TasksMax=512 "${@:2}"
}

slices_victim() {
        slices_run victim --pipe --wait /usr/bin/python3 "$PAYLOAD" victim "$STEPS" /home/victim/f
}

slices_hostile() {
        # shellcheck disable=SC2046 # words
        slices_run "$1" /usr/bin/python3 "$PAYLOAD" $(payload "$1")
}

slices_stop() {
        systemctl stop plain.slice
}

# measure WAY NAME HOSTILE…
measure() {
        local way=$1 name=$2 out
        shift 2
        for i in "$@"; do "${way}_hostile" "$i"; done
        sleep 3
        out=$("${way}_victim")
        "${way}_stop" "$@"
        v_note "$way, $name: p50 p99 worst (ms), total, CPU (s): $out"
        echo "$out" >"/run/noisy.$way.$name"
}

# value WAY NAME FIELD
value() {
        awk -v n="$3" '{ print $n }' "/run/noisy.$1.$2"
}

noisy() {
        measure tenantq alone
        measure tenantq six "${HOSTILES[@]}"
        local fair
        fair=$(awk -v cpu="$(value tenantq six 5)" -v share="$CPUS" 'BEGIN { print cpu * 7 / share }')
        v_note "at its fair share of the CPU it would take $fair s"
}

v_start
install -m 0644 "$(dirname "$0")/noisy.py" "$PAYLOAD"
for i in victim "${HOSTILES[@]}"; do v_tenant "$i"; done
each() {
        measure tenantq alone
        for i in "${HOSTILES[@]}"; do measure tenantq "$i" "$i"; done
        measure tenantq cpu hogs balloon forks talk
        measure tenantq io fsyncs direct
        measure tenantq six "${HOSTILES[@]}"
        free -m | head -2
        cat /proc/pressure/*
        dmesg | tail -3
}
v_case "each" each
t_summary
