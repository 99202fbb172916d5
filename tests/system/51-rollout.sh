#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Changes that are looked after: one that makes a tenant's figures worse goes back by itself, another one stays.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # none are wanted
d_init
d_start
d_tenant acme 61057 '[limits]' concurrency=8
d_tenant globex 61058 '[limits]' concurrency=8
d_tenant hooli 61061 '[limits]' concurrency=8

value() {
        ctl limits get --json "$1" | d_json "[r['value'] for r in j['limits'] if r['limit'] == '$2' and not r['queue']][0]"
}

# run_jobs TENANT NUMBER SECONDS: that many, and their end.
run_jobs() {
        local i
        local -a all=()
        for ((i = 0; i < $2; i++)); do
                all+=("$(ctl run -t "$1" -- /bin/sleep "$3")")
        done
        ctl wait "${all[@]}" >/dev/null || true
}

# is_back TENANT LIMIT VALUE
is_back() {
        [ "$(value "$1" "$2")" = "$3" ]
}

says() {
        ctl events -t "$1" --kind "$2" --noheadings -o text | grep -Eq -- "$3"
}

# Jobs are stopped by it: as soon as five have been, what was set before holds again.
bad() {
        run_jobs acme 6 0.2
        ctl limits set acme runtime=1h >/dev/null
        t_match "$(ctl limits set --watch 30s -m 'ticket 1' acme runtime=300ms weight=60)" 'runtime 1h -> 300ms'
        t_match "$(ctl limits get acme 2>&1)" 'until .* it is looked after \(--watch\)'
        t_match "$(ctl events -t acme --kind rollout)" 'revision 2 is looked after for 30s, at 200 %.* by root: ticket 1'
        run_jobs acme 6 2
        t_wait 10 is_back acme runtime 1h
        t_eq "$(value acme weight)" null "what was set with it"
        t_match "$(ctl limits history -n 2 acme)" '3 .* acme .*runtime +300ms +1h .*revision 2 is taken back: 6 of 6 failed, before that 0 of 6'
        [[ "$(ctl limits get acme 2>&1)" != *"looked after"* ]] || t_fail "it is looked after still"
        # A new daemon does not begin anew with it.
        d_restart
        sleep 2
        t_eq "$(value acme runtime)" 1h "after a restart"
        t_match "$(ctl audit verify)" 'as they were written'
}

# Nothing was worse at the end; what nobody can tell stays, too.
good() {
        run_jobs globex 6 0.1
        ctl limits set --watch 3s -m 'ticket 2' globex weight=50 >/dev/null
        run_jobs globex 6 0.1
        t_wait 10 says globex rollout 'stays: 6 waited, 95 % of them up to .*; of 6 that ended 0 failed, 0 for want of memory'
        t_eq "$(value globex weight)" 50
        d_tenant initech 61059
        ctl limits set --watch 1s initech runtime=100ms >/dev/null
        run_jobs initech 6 1
        t_wait 10 says initech rollout 'stays: .* of 6 that ended 6 failed'
        t_eq "$(value initech runtime)" 100ms "of one that did nothing before"
}

# What holds back five jobs for a second each makes the waits longer, though none fails.
waits() {
        run_jobs globex 6 0.1
        ctl limits set --watch 60s globex concurrency=1 >/dev/null
        run_jobs globex 8 0.8 &
        t_wait 30 is_back globex concurrency 8
        t_match "$(ctl limits history -n 1 globex)" 'taken back: 95 % of the waits are up to [0-9.]+s, before that up to '
        wait
}

# Whoever changes the tenant's limits again has looked at it.
again() {
        ctl limits set --watch 30s globex weight=60 >/dev/null
        ctl limits set globex weight=70 >/dev/null
        t_wait 10 says globex rollout 'not looked after any more: the limits were changed again'
        t_eq "$(value globex weight)" 70
        # Another one that is looked after takes its place.
        ctl limits set --watch 30s globex weight=80 >/dev/null
        ctl limits set --watch 2s globex weight=90 >/dev/null
        t_wait 10 says globex rollout 'stays'
        t_eq "$(value globex weight)" 90
}

# Killed in between, both of them.
killed() {
        d_tenant umbrella 61060 '[limits]' concurrency=8
        run_jobs umbrella 6 0.1
        ctl limits set --watch 60s umbrella runtime=300ms >/dev/null
        d_kill9 both
        d_start
        t_match "$(ctl limits get umbrella 2>&1)" 'looked after'
        run_jobs umbrella 6 2
        t_wait 15 is_back umbrella runtime null
}

# Each tenant's change of a policy by itself.
policy() {
        printf '[tenant hooli]\nruntime=300ms\n[tenant globex]\nweight=33\n' >"$D/policy"
        run_jobs hooli 6 0.1
        run_jobs globex 6 0.1
        ctl policy apply --watch 20s -m 'ticket 3' "$D/policy" >/dev/null
        run_jobs hooli 6 2
        run_jobs globex 6 0.1
        t_wait 15 is_back hooli runtime null
        t_eq "$(value globex weight)" 33
        t_wait 30 says globex rollout 'stays'
        t_eq "$(value globex weight)" 33
        ctl policy plan "$D/policy" >"$D/said" && t_fail "the plan knows nothing of it"
        t_match "$(cat "$D/said")" 'hooli: runtime (unset|null) -> 300ms'
}

wrong() {
        d_status 2 ctl limits set --for 2h --watch 1h acme weight=3 2>"$D/said"
        t_match "$(cat "$D/said")" 'what ends by itself needs nobody to take it back'
        d_status 2 ctl limits set --watch soon acme weight=3 2>"$D/said"
        t_match "$(cat "$D/said")" '--watch "soon": expected a time span from 1s'
        d_status 2 ctl policy apply --watch 0 -m x "$D/policy" 2>/dev/null
        ctl limits set --dry-run --watch 1h acme weight=3 >/dev/null
        [[ "$(ctl limits get acme 2>&1)" != *"looked after"* ]] || t_fail "a trial is looked after"
}

t_case "a bad one goes back" bad
t_case "a good one stays" good
t_case "longer waits" waits
t_case "changed again" again
t_case "killed in between" killed
t_case "of a policy" policy
t_case "what can't be meant" wrong
d_report
t_summary
