#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/vm/90-noisy.sh - a tenant's work beside six hostile ones, with the shipped defaults: a hundred processes that
# compute, one that fills memory, some that multiply, that sync, that write past the page cache, that talk.
#
# The victim's steps are 2 ms of CPU and an fsync. Its fair share of the CPU is that of one among seven; at that share,
# its CPU time takes so much longer, and its disk as long as when it is alone.
#
# NOISY_STEPS: how many steps (300). NOISY_ALL: also beside each of them alone, and the same with plain slices of the same limits, and without any.

. "$(dirname "$0")/machine.sh"

PAYLOAD=/usr/local/share/noisy.py
STEPS=${NOISY_STEPS-300}
HOSTILES=(hogs balloon forks fsyncs direct talk)

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
        local i
        for i in "${HOSTILES[@]}"; do echo 1 >"$(v_slice "$i")/cgroup.kill"; done
        t_wait 60 nothing_runs
}

nothing_runs() {
        [ -z "$(v_leaves)" ]
}

# What tenantq.conf gives to a tenant, for a user in a slice.
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
        echo 1 >/sys/fs/cgroup/plain.slice/cgroup.kill
        systemctl stop plain.slice
}

# Nothing at all bounds them; a fork bomb and memory without a bound would end the machine.
nothing_victim() {
        setpriv --reuid=victim --clear-groups /usr/bin/python3 "$PAYLOAD" victim "$STEPS" /home/victim/f
}

nothing_hostile() {
        [ "$1" != forks ] && [ "$1" != balloon ] || return 0
        # shellcheck disable=SC2046 # words
        setpriv --reuid="$1" --clear-groups /usr/bin/python3 "$PAYLOAD" $(payload "$1") >/dev/null 2>&1 &
}

nothing_stop() {
        pkill -KILL -f "^/usr/bin/python3 $PAYLOAD"
}

# measure WAY NAME HOSTILE…
measure() {
        local way=$1 name=$2 out i
        shift 2
        for i in "$@"; do "${way}_hostile" "$i"; done
        sleep 3
        out=$("${way}_victim")
        [ $# -eq 0 ] || "${way}_stop"
        v_note "$way, $name: p50 p99 worst (ms), total, CPU (s): $out"
        echo "$out" >"/run/noisy.$way.$name"
}

# value WAY NAME FIELD
value() {
        awk -v n="$3" '{ print $n }' "/run/noisy.$1.$2"
}

# less A B: A is less than B, both with decimals.
less() {
        awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'
}

# The processor is emulated, and whoever measures is emulated too: the bound is what plain limits do, twice over.
noisy() {
        local fair
        measure tenantq alone
        measure tenantq six "${HOSTILES[@]}"
        fair=$(awk -v total="$(value tenantq alone 4)" -v alone="$(value tenantq alone 5)" -v cpu="$(value tenantq six 5)" \
                -v cpus="$(nproc)" 'BEGIN { print total - alone + cpu * 7 / cpus }')
        v_note "at its fair share of the CPU: total $fair s"
        less "$(value tenantq six 4)" "$(awk -v f="$fair" 'BEGIN { print 3 * f }')" || t_fail "it took more than three times that"
}

others() {
        local i
        for i in "${HOSTILES[@]}"; do measure tenantq "$i" "$i"; done
        measure slices six "${HOSTILES[@]}"
        measure nothing four "${HOSTILES[@]}"
}

v_start
install -m 0644 "$(dirname "$0")/noisy.py" "$PAYLOAD"
for i in victim "${HOSTILES[@]}"; do v_tenant "$i"; done
v_case "beside six hostile tenants" noisy
[ -z "${NOISY_ALL-}" ] || v_case "beside each, with plain slices, and with nothing" others
t_summary
