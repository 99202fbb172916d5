#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What happened and what was changed, as one list: chosen, and followed while it goes on.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # none are wanted
d_init
d_start
d_tenant acme 61053
d_tenant globex 61054

chosen() {
        local job
        ctl limits set acme weight=3 >/dev/null
        ctl limits set globex weight=4 >/dev/null
        ctl pause acme
        drop acme bad 'no job file'
        t_wait 5 happened refused
        t_match "$(ctl events --kind limits)" 'limits +globex .*weight unset -> 4 by root
.*limits +acme .*weight unset -> 3 by root'
        t_eq "$(ctl events --kind limits --noheadings -o tenant | tr '\n' ' ')" "globex acme " "of a kind"
        t_eq "$(ctl events -t acme --noheadings -o kind | tr '\n' ' ')" "refused pause limits files " "of a tenant"
        t_eq "$(ctl events -t acme --kind limits --json | d_json '[(e["audit"] > 0, e["event"]) for e in j["events"]]')" '[[true, null]]'
        t_eq "$(ctl events --since 1h --noheadings -o kind -n 1)" refused "since"
        t_match "$(ctl events --since '2100-01-01')" 'no events'
        sleep 1.1
        ctl resume acme
        t_eq "$(ctl events --since 1s --noheadings -o kind)" resume "in the last second"
        t_match "$(ctl events --since tomorrow)" 'no events'
        t_eq "$(ctl events --since '1h ago' --noheadings -o kind -n 1)" resume "since an hour ago"
        t_eq "$(ctl events --since yesterday --noheadings -o kind -n 1)" resume "since yesterday"
        d_status 2 ctl events --since never 2>"$D/said"
        t_match "$(cat "$D/said")" '--since "never": expected a time span such as 2h, or a time such as'
        job=$(ctl run -t globex -- /bin/true)
        ctl wait "$job" >/dev/null
        t_match "$(ctl events --kind drift)" 'no events'
}

happened() {
        [ -n "$(ctl events --kind "$1" --noheadings -o kind)" ]
}

says() {
        grep -Eq "$2" "$1"
}

# Each thing once, in the order in which it happened, also over a restart of the daemon.
followed() {
        local pid i
        "$D/bin/tenantqctl" events -f -n 1 >"$D/followed" 2>"$D/err" &
        pid=$!
        t_wait 5 says "$D/followed" 'resume'
        t_eq "$(wc -l <"$D/followed")" 1 "lines before anything happens"
        for i in 1 2 3; do ctl limits set acme "weight=$((20 + i))" >/dev/null; done
        t_wait 5 says "$D/followed" 'weight 22 -> 23 by root'
        d_restart
        ctl limits set acme weight=30 >/dev/null
        t_wait 10 says "$D/followed" 'weight 23 -> 30 by root'
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        t_eq "$(grep -c 'weight' "$D/followed")" 4 "changes, each once"
        t_match "$(cat "$D/followed")" 'weight 3 -> 21 .*
.*weight 21 -> 22 .*
.*weight 22 -> 23 '
        t_eq "$(cat "$D/err")" "" "errors"
}

followed_as_json() {
        local pid
        "$D/bin/tenantqctl" events -f --json -t globex --kind limits >"$D/followed" &
        pid=$!
        t_wait 5 says "$D/followed" globex
        ctl limits set acme weight=31 >/dev/null
        ctl limits set globex weight=31 >/dev/null
        t_wait 5 says "$D/followed" '4 -> 31'
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        t_eq "$("$D_PYTHON" -c 'import json, sys
print([(e["kind"], e["tenant"]) for e in map(json.loads, open(sys.argv[1]))])' "$D/followed")" \
                "[('limits', 'globex'), ('limits', 'globex')]" "a line each"
}

# Who reads has enough: nothing is said, nor waited for.
reader_goes() {
        local job since=$SECONDS
        ctl limits set acme weight=40 >/dev/null
        D_TIMEOUT=30 ctl events -f 2>"$D/err" | head -n 1 >/dev/null || true
        t_eq "$(cat "$D/err")" "" "what is said"
        job=$(ctl run -t acme -- sh -c 'echo 1; exec sleep 60')
        t_wait 5 d_state_is "$job" running
        D_TIMEOUT=30 ctl logs -f "$job" 2>"$D/err" | head -n 1 >/dev/null || true
        t_eq "$(cat "$D/err")" "" "what logs says"
        ctl cancel "$job"
        [ $((SECONDS - since)) -lt 15 ] || t_fail "it took $((SECONDS - since)) s"
}

# It waits without asking.
idle() {
        local pid before after
        "$D/bin/tenantqctl" events -f >/dev/null &
        pid=$!
        sleep 2
        before=$(cut -d' ' -f14-15 "/proc/$(d_engine)/stat")
        after=$(awk '/ctxt/ { n += $2 } END { print n }' "/proc/$pid/status")
        sleep 3
        t_eq "$(awk '/ctxt/ { n += $2 } END { print n }' "/proc/$pid/status")" "$after" "wake-ups of tenantqctl in 3 s"
        t_eq "$(cut -d' ' -f14-15 "/proc/$(d_engine)/stat")" "$before" "ticks of the engine in 3 s"
        kill "$pid"
}

t_case "chosen by tenant, kind and time" chosen
t_case "followed, also over a restart" followed
t_case "followed as lines of JSON" followed_as_json
t_case "whoever reads goes" reader_goes
t_case "it waits without asking" idle
d_report
t_summary
