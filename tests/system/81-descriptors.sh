#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tenantqd with few descriptors: what it keeps for tenants whose jobs don't run is given up before a launch fails.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

TENANTS=40

d_init ""
d_start
for ((t = 0; t < TENANTS; t++)); do
        d_tenant "t$t" $((61100 + t))
done
in_use() {
        find "/proc/$(d_pid)/fd" -type l | wc -l
}
# Four of each tenant, and its own; an eighth is for launches.
limit=$(((4 * TENANTS + 55) * 8 / 7))
printf '#!/bin/sh\nulimit -n %s\nexec "$@"\n' "$limit" >"$D/bin/few"
chmod 0755 "$D/bin/few"

each_runs() {
        local t job
        d_stop
        D_WRAP=$D/bin/few d_start
        for ((t = 0; t < TENANTS; t++)); do
                job=$(ctl run -t "t$t" -- /bin/true)
                t_eq "$(verdict "$job")" "exit 0" "t$t"
        done
        t_eq "$(ctl --json events -n 1000 --kind launch-failed | d_json 'len(j["events"])')" 0 "launches that failed"
        [ "$(in_use)" -le "$limit" ] || t_fail "$(in_use) descriptors of $limit"
}

d_case "a job of each of $TENANTS tenants, with $limit descriptors" each_runs
d_report
t_summary
