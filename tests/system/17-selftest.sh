#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# selftest: that it ends, on whatever host, and what it leaves. What it finds is tried in the virtual machine.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # it has no lines of its own
d_init
d_start
d_tenant acme 61001

selftest() {
        D_TIMEOUT=120 ctl selftest --config "$D/etc"
}

# Nothing of it waits or runs; its directory is gone.
is_clean() {
        t_eq "$(ctl --json ps | d_json '[r["job"] for r in j["jobs"]]')" "[]" "jobs"
        [ ! -e "$D/spool/tenantq-selftest" ] || t_fail "its directory is left"
}

runs() {
        local i
        for i in 1 2; do
                selftest >"$D/stage/said" || t_fail "$(cat "$D/stage/said")"
                t_match "$(tail -n 1 "$D/stage/said")" '^0 do not hold, '
                t_match "$(cat "$D/stage/said")" 'files of the host that could be written: none'
                is_clean
                t_eq "$(find "$D/logs" -maxdepth 1 -name 'tenantq-selftest*' -printf '%f\n')" tenantq-selftest "logs, time $i"
                t_eq "$(ctl --json tenants | d_json '[r["state"] for r in j["tenants"] if "selftest" in r["tenant"]]')" '["gone"]'
                # As the next one begins.
                ! ctl export | sed -n '/selftest/,/^\[tenant/p' | grep -E '^(cpu|memory|pids|io_read)=' || t_fail "limits are left"
        done
}

refused() {
        ctl pause host
        d_status 4 selftest 2>"$D/stage/said"
        t_match "$(cat "$D/stage/said")" 'the host is paused: nothing can be tried; tenantqctl resume host'
        is_clean
        ctl resume host
        ctl drain host
        d_status 4 selftest 2>"$D/stage/said"
        t_match "$(cat "$D/stage/said")" 'the host is draining'
        ctl resume host
        d_status 7 ctl --socket "$D/none" selftest --config "$D/etc"
        is_clean
}

# While a job of it waits.
interrupted() {
        local pid
        "$D/bin/tenantqctl" selftest --config "$D/etc" >"$D/stage/out" 2>"$D/stage/said" &
        pid=$!
        t_wait 10 test -s "$D/stage/out"
        ctl pause host
        sleep 0.5
        kill -TERM "$pid"
        wait "$pid" && t_fail "exit 0"
        t_match "$(cat "$D/stage/said")" '^tenantqctl: interrupted: job [0-9]+ is cancelled'
        t_wait 5 d_is_idle
        is_clean
        ctl resume host
}

d_case "it ends, and what it leaves" runs
d_case "a host on which nothing starts" refused
d_case "it is interrupted" interrupted
d_case "nothing is left over" no_leftovers
d_report
t_summary
