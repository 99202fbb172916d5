#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Limits of many tenants as a file: looked at, planned, applied as a unit, kept as versions.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

N=${TENANTQ_TEST_TENANTS:-1000}

# shellcheck disable=SC2119 # none are wanted
d_init
d_start
d_tenant acme 61055 '[limits]' concurrency=4 weight=7
d_tenant globex 61056

P=$D/policy.ini

value() {
        ctl limits get --json "$1" | d_json "[r['value'] for r in j['limits'] if r['limit'] == '$2' and not r['queue']][0]"
}

# What is exported holds: nothing is to be done, and nothing is pinned.
exported() {
        ctl limits set acme weight=9 etl/concurrency=2 >/dev/null
        ctl policy export >"$P"
        t_match "$(cat "$P")" '^\[tenant acme\]
.*weight = 9
.*\[queue acme/etl\]
concurrency = 2

\[tenant globex\]'
        ctl policy check "$P"
        d_status 0 ctl policy plan "$P" >"$D/said"
        t_match "$(cat "$D/said")" 'all of it holds: nothing to change'
        t_match "$(ctl policy apply -m again "$P")" 'nothing to change'
        t_match "$(ctl policy history)" 'no policy was applied'
        t_eq "$(ctl policy export acme | grep -c globex || true)" 0 "of one tenant"
}

# What a ceiling makes of it holds until the ceiling is another one; what is said is what is exported.
said() {
        d_config '[ceilings]' concurrency=2
        ctl reload -m lower
        t_eq "$(value acme concurrency)" 2 "what holds"
        ctl policy export acme >"$D/said.ini"
        t_match "$(cat "$D/said.ini")" 'concurrency = 4' "what is said"
        t_match "$(ctl policy plan "$D/said.ini")" 'nothing to change'
        d_config
        ctl reload -m back
        t_eq "$(value acme concurrency)" 4 "what holds again"
        t_match "$(ctl policy plan "$D/said.ini")" 'nothing to change'
}

# More queues than there is room for, of its file and set together: none is taken for all.
too_many_queues() {
        local i
        for i in $(seq 20); do
                ctl limits set "globex/a$i" concurrency=2 >/dev/null
        done
        {
                printf '[tenant]\nread_write_paths=%s\n' "$D/witness"
                for i in $(seq 20); do
                        printf '[queue b%s]\nconcurrency=3\n' "$i"
                done
        } >"$D/etc/tenants.d/globex.conf"
        ctl reload -m many >/dev/null 2>&1 || true
        d_status 4 ctl policy export globex 2>"$D/err"
        t_eq "$(cat "$D/err")" "tenantqctl: tenant globex: more than 32 with limits, of its file and set together (limits get globex shows them all)"
        t_match "$(ctl export)" '# its queues: more than 32'
        t_eq "$(ctl limits get globex --json | d_json 'len({r["queue"] for r in j["limits"] if r["queue"]})')" 40 "queues that are shown"
        t_eq "$(ctl limits get globex/b7 --json | d_json 'len(j["limits"])')" 1 "one of them"
        for i in $(seq 20); do
                ctl limits unset "globex/a$i" concurrency >/dev/null
        done
        d_tenant_file globex
        ctl reload -m few
        t_wait 5 d_tenant_is globex ready
}

applied() {
        printf '# the fleet\n[tenant acme]\nweight=20\nconcurrency=4\n[queue acme/web]\nconcurrency=3\n[tenant globex]\nqueue_depth=9\n' >"$P"
        d_status 1 ctl policy plan "$P" >"$D/said"
        t_match "$(cat "$D/said")" 'acme/etl: concurrency 2 -> unset \(not done: --dry-run\)'
        t_match "$(cat "$D/said")" 'acme: weight 9 -> 20 \(not done: --dry-run\)'
        t_eq "$(value acme weight)" 9 "after a plan"
        d_status 2 ctl policy apply "$P" 2>"$D/said"
        t_match "$(cat "$D/said")" '-m: expected why it is applied'
        t_match "$(ctl policy apply --dry-run "$P")" 'acme: weight 9 -> 20 \(not done: --dry-run\)'
        ctl policy apply -m 'ticket 9' "$P" >"$D/said"
        t_match "$(cat "$D/said")" 'acme: weight 9 -> 20 \(revision'
        t_match "$(cat "$D/said")" 'policy 1: 4 changes'
        t_eq "$(value acme weight) $(value globex queue_depth)" "20 9"
        t_eq "$(ctl limits get acme/etl --json | d_json 'len(j["limits"])')" 0 "what it does not name"
        t_match "$(ctl audit list -n 4 --json | d_json '{(r["policy"], r["why"]) for r in j["audit"]} == {(1, "ticket 9")}')" true
        t_match "$(ctl policy history)" '1 +20[-0-9]+ [:0-9]+ +2 +root +- +ticket 9'
        t_eq "$(ctl policy show)" "$(cat "$P")" "the text that was applied"
        t_match "$(ctl policy apply -m 'ticket 9' "$P")" 'nothing to change'
        t_eq "$(ctl policy history --noheadings -o policy)" 1 "versions"
        # concurrency=4 was the file's already.
        t_match "$(ctl limits get acme)" 'concurrency +- +4 +file'
}

# wrong LINE MESSAGE TEXT: refused, by check, plan and apply, with the line; nothing is changed.
wrong() {
        printf '%b' "$3" >"$D/wrong.ini"
        d_status "${4:-3}" ctl policy check "$D/wrong.ini" 2>"$D/said"
        [ "${4:-3}" -ne 3 ] || t_match "$(cat "$D/said")" "wrong.ini:$1: $2"
        d_status 2 ctl policy plan "$D/wrong.ini" 2>"$D/said"
        t_match "$(cat "$D/said")" "wrong.ini:$1: $2"
        d_status 3 ctl policy apply -m x "$D/wrong.ini" 2>"$D/said"
        t_match "$(cat "$D/said")" "wrong.ini:$1: $2"
        t_eq "$(value acme weight)" 20 "nothing is changed"
}

wrongs() {
        wrong 2 'wieght: unknown' '[tenant acme]\nwieght=3\n'
        wrong 3 'weight: ' '[tenant acme]\n\nweight=none\n'
        wrong 1 'key before the first' 'weight=3\n'
        wrong 1 'section \[pool big\]: expected' '[pool big]\nslots=3\n'
        wrong 2 'pool: no limit, but a key of \[tenant\] in tenants.d/acme.conf' '[tenant acme]\npool=big\n'
        wrong 3 'acme: this tenant has a section already, in line 1' '[tenant acme]\nweight=3\n[tenant acme]\n'
        wrong 2 'globex/q: expected TENANT/QUEUE behind' '[tenant acme]\n[queue globex/q]\nconcurrency=1\n'
        wrong 1 'nobody: no such tenant' '[tenant nobody]\nweight=3\n[tenant acme]\nweight=3\n' 0
        wrong 3 'weight: given twice' '[tenant acme]\nweight=3\nweight=4\n' 0
        d_status 1 ctl policy check "$D/not-there" 2>/dev/null
        t_match "$(ctl policy plan - <"$P")" 'nothing to change'
}

# One that can't be, of many: none is made, whoever comes first.
all_or_nothing() {
        printf '[tenant acme]\nweight=33\n[tenant globex]\nweight=34\nreserved=99999\n' >"$P.bad"
        d_status 3 ctl policy apply -m x "$P.bad" 2>"$D/said"
        t_match "$(cat "$D/said")" 'globex: reserved: asks for 99999.*nothing was changed'
        printf '[tenant globex]\nweight=34\ncpu=1\n[tenant acme]\nweight=33\n' >"$P.bad"
        d_status 3 ctl policy apply -m x "$P.bad" 2>"$D/said"
        t_match "$(cat "$D/said")" 'globex: cpu: .*nothing was changed'
        t_eq "$(value acme weight) $(value globex weight)" "20 null"
        ctl limits set acme weight=21 >/dev/null
        ctl limits set acme weight=20 >/dev/null
        # Both together have what is there, and no more.
        printf '[tenant acme]\nreserved=300\n[tenant globex]\nreserved=300\n' >"$P.bad"
        d_status 3 ctl policy apply -m x "$P.bad" 2>"$D/said"
        t_match "$(cat "$D/said")" 'globex: reserved: asks for 300, but only 200 of'
        printf '[tenant acme]\nreserved=300\n[tenant globex]\nreserved=200\n' >"$P.bad"
        ctl policy apply -m x "$P.bad" >/dev/null
        # The slots move from one to the other.
        printf '[tenant globex]\nreserved=100\n[tenant acme]\nreserved=400\n' >"$P.bad"
        ctl policy apply -m x "$P.bad" >/dev/null
        t_eq "$(value acme reserved) $(value globex reserved)" "400 100"
        # And back, though who takes them comes first.
        printf '[tenant globex]\nreserved=450\n[tenant acme]\nreserved=50\n' >"$P.bad"
        ctl policy apply -m x "$P.bad" >/dev/null
        t_eq "$(value acme reserved) $(value globex reserved)" "50 450"
        printf '[tenant acme]\nreserved=400\n[tenant globex]\nreserved=100\n' >"$P.bad"
        ctl policy apply -m x "$P.bad" >/dev/null
}

back() {
        local before
        before=$(ctl policy history --noheadings -o policy -n 1)
        t_match "$(ctl policy rollback --to 1 --dry-run)" 'acme: reserved 400 -> unset \(not done: --dry-run\)'
        t_match "$(ctl policy rollback --to 1 -m oops globex)" 'globex: queue_depth unset -> 9'
        t_eq "$(value acme reserved)" 400 "the other tenant"
        # What the new version says of the others is what the last one said.
        t_match "$(ctl policy show)" 'reserved=400'
        d_status 5 ctl policy rollback --to 1 -m oops nobody 2>"$D/said"
        t_match "$(cat "$D/said")" 'version 1 says nothing of nobody'
        t_match "$(ctl policy rollback --to 1 -m oops)" 'acme: weight unset -> 20|acme: weight 7 -> 20'
        t_eq "$(value acme reserved)" null
        t_match "$(ctl policy history -n 1)" "$((before + 2)) .* back to policy 1 +oops"
        d_status 5 ctl policy rollback --to 99 2>"$D/said"
        t_match "$(cat "$D/said")" 'no such version of the policy \(policy history\)'
        d_restart
        t_match "$(ctl policy rollback --to 1)" 'nothing to change'
        t_match "$(ctl audit verify)" 'as they were written'
}

# A thousand tenants: one commit, and in time.
many() {
        local i from took
        for ((i = 0; i < N; i++)); do
                printf '[tenant t%d]\nconcurrency=%d\nweight=%d\nqueue_depth=%d\n[queue t%d/etl]\nconcurrency=1\n' "$i" $((i % 7 + 1)) $((i % 90 + 2)) $((i + 10)) "$i"
        done >"$P.many"
        "$D_PYTHON" - "$D/stage" "$D/spool" "$N" <<'PY'
import os, sys
for i in range(int(sys.argv[3])):
    os.mkdir(f"{sys.argv[1]}/t{i}", 0o700)
    os.chown(f"{sys.argv[1]}/t{i}", 62000 + i, 62000 + i)
    os.rename(f"{sys.argv[1]}/t{i}", f"{sys.argv[2]}/t{i}")
PY
         t_wait 60 all_are_there
        from=$(now_ms)
        ctl policy apply -m many "$P.many" >"$D/said"
        took=$(($(now_ms) - from))
        t_match "$(tail -n 1 "$D/said")" "policy [0-9]+: $((4 * N)) changes"
        t_note "policy apply of $N tenants, $((4 * N)) changes: $took ms"
        [ -n "${SAN-}" ] || [ "$took" -le 2000 ] || t_fail "it took $took ms"
        from=$(now_ms)
        t_match "$(ctl policy apply -m many "$P.many")" 'nothing to change'
        t_note "the same again: $(($(now_ms) - from)) ms"
        t_eq "$(value t$((N - 1)) queue_depth)" $((N + 9))
}

all_are_there() {
        [ "$(ctl tenants --noheadings -o tenant,state | grep -c '^t[0-9].*ready')" -eq "$N" ]
}

t_note() {
        printf '# %s\n' "$1"
}

# Those that come while another one is being applied are told to try again, and each that was is a version of its own.
at_once() {
        local i before pids=() well=0
        before=$(ctl policy history --noheadings -o policy -n 1)
        for i in 1 2 3 4 5 6 7 8; do
                printf '[tenant %s]\nweight=%s\n' "$([ $((i % 2)) = 0 ] && echo acme || echo globex)" $((100 + i)) >"$P.$i"
                "$D/bin/tenantqctl" policy apply -m "$i" "$P.$i" >"$D/said.$i" 2>&1 &
                pids+=($!)
        done
        for i in "${!pids[@]}"; do
                if wait "${pids[i]}"; then
                        well=$((well + 1))
                else
                        t_match "$(cat "$D/said.$((i + 1))")" 'another policy is being applied; try again|another change of .* is under way; try again'
                fi
        done
        [ "$well" -gt 0 ]
        t_eq "$(ctl policy history --noheadings -o policy -n 1)" $((before + well)) "versions"
        ctl limits set acme weight=7 >/dev/null # it is not degraded
}

# A block of changes that goes on and off as a unit, and leaves alone what it does not name.
flags() {
        printf '[tenant acme]\nweight=20\n[tenant globex]\nqueue_depth=9\n[flag burst]\ntenants=acme globex\nweight=90\netl/concurrency=5\n' >"$P"
        ctl policy apply -m base "$P" >/dev/null
        t_match "$(ctl policy flag)" 'burst +off +acme,globex +weight=90 etl/concurrency=5'
        ctl limits set acme queue_depth=77 >/dev/null
        t_match "$(ctl policy flag burst on --dry-run)" 'acme: weight 20 -> 90 \(not done: --dry-run\)'
        t_eq "$(value acme weight)" 20 "after a trial"
        ctl policy flag burst on -m 'month end' >"$D/said"
        t_match "$(cat "$D/said")" 'globex/etl: concurrency unset -> 5'
        t_eq "$(value acme weight) $(value globex weight) $(value acme queue_depth)" "90 90 77" "on"
        t_match "$(ctl policy flag)" 'burst +on '
        t_match "$(ctl policy history -n 1)" 'flag burst on +month end'
        t_match "$(ctl policy flag burst on)" 'nothing to change'
        d_restart
        t_match "$(ctl policy flag)" 'burst +on '
        ctl policy flag burst off >"$D/said"
        t_match "$(cat "$D/said")" 'globex/etl: concurrency 5 -> unset'
        t_eq "$(value acme weight) $(value acme queue_depth)" "20 77" "off"
        d_status 5 ctl policy flag other on 2>"$D/said"
        t_match "$(cat "$D/said")" 'the policy has no \[flag other\]'
        # One that changes nothing is known all the same.
        printf '[tenant acme]\nweight=20\nqueue_depth=77\n[tenant globex]\nqueue_depth=9\n[flag calm]\ntenants=acme\nweight=20\n' >"$P"
        ctl policy apply -m calm "$P" >/dev/null
        t_match "$(ctl policy flag)" 'calm +off +acme +weight=20'
        ctl policy flag calm on >/dev/null
        t_match "$(ctl policy flag)" 'calm +on '
        t_match "$(ctl policy apply -m calm "$P")" 'nothing to change'
        t_match "$(ctl policy flag)" 'calm +off '
}

t_case "what is exported holds" exported
t_case "what is exported is what is said, before ceilings" said
t_case "more queues than there is room for" too_many_queues
t_case "applied" applied
t_case "what is wrong is told with its line" wrongs
t_case "all or nothing" all_or_nothing
t_case "back to a version" back
t_case "several at once" at_once
t_case "flags" flags
t_case "$N tenants" many
d_report
t_summary
