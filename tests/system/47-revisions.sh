#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Limits as versions: history, differences, going back, for some time only, tried before they are changed; and who
# changed what, as a chain.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # none are wanted
d_init
d_start
d_tenant acme 61051 '[limits]' concurrency=4 weight=7
d_tenant globex 61052

# value TENANT LIMIT: what holds.
value() {
        ctl limits get --json "$1" | d_json "[r['value'] for r in j['limits'] if r['limit'] == '$2' and not r['queue']][0]"
}

holds() {
        [ "$(value "$1" "$2")" = "$3" ]
}

revision() {
        ctl limits get --json "$1" | d_json 'j["limits"][0]["tenant_revision"]'
}

# History -----------------------------------------------------------------------------------------

one_change_one_revision() {
        local before
        t_match "$(ctl limits set -m 'plan 4711' acme weight=9 etl/concurrency=2 queue_depth=50)" \
                'acme: weight 7 -> 9 \(revision 1\)
acme/etl: concurrency unset -> 2 \(revision 1\)
acme: queue_depth unset -> 50 \(revision 1\)'
        t_match "$(ctl limits get acme)" 'revision 1 of acme \(limits history acme\)'
        ctl limits set acme weight=11 >/dev/null
        ctl limits set globex weight=2 >/dev/null
        t_eq "$(revision acme) $(revision globex)" "2 3" "each tenant's last"
        t_match "$(ctl limits history acme)" "REVISION +TIME .*
2 .* acme +- +weight +9 +11 +- +root +- +-
1 .* acme +- +queue_depth +- +50 +- +root +plan 4711 +-
1 .* acme +etl +concurrency +- +2 +- +root +plan 4711 +-
1 .* acme +- +weight +7 +9 +- +root +plan 4711 +-"
        t_eq "$(ctl limits history --noheadings -o revision -n 2 | tr '\n' ' ')" "3 2 " "the newest of all tenants"
        t_eq "$(ctl limits log --json acme)" "$(ctl limits history --json acme)" "limits log"
        before=$(revision acme)
        t_match "$(ctl limits set acme weight=11)" '\(as it was\)$'
        t_eq "$(revision acme)" "$before" "what stands so already makes none"
        d_status 2 ctl limits set acme globex 2>"$D/said"
        t_match "$(cat "$D/said")" 'nothing to change: expected KEY=VALUE'
        d_status 3 ctl limits set acme 'no such/concurrency=2' 2>"$D/said"
        t_match "$(cat "$D/said")" 'no such: not a queue'
        d_status 3 ctl limits set acme/etl web/concurrency=2 2>"$D/said"
        t_match "$(cat "$D/said")" 'about queue etl was said already'
        d_status 3 ctl limits set -m "$(printf '%01001d' 0)" acme weight=3 2>"$D/said"
        t_match "$(cat "$D/said")" 'longer than 1000 bytes'
}

differences() {
        d_status 0 ctl limits diff acme 2
        d_status 1 ctl limits diff acme 1 2 >"$D/said"
        t_match "$(cat "$D/said")" 'QUEUE +LIMIT +THEN +NOW
- +weight +9 +11'
        d_status 1 ctl limits diff --json acme 0 >"$D/said"
        t_eq "$(d_json 'len(j["limits"])' <"$D/said")" 3 "since the beginning"
        d_status 5 ctl limits diff acme 3 2>"$D/said"
        t_match "$(cat "$D/said")" 'no such revision of acme \(limits history acme\)'
        d_status 5 ctl limits diff nobody 1 2>"$D/said"
        d_status 2 ctl limits diff acme one 2>"$D/said"
        t_match "$(cat "$D/said")" '"one": expected the number of a revision'
}

back() {
        local before
        before=$(revision acme)
        t_match "$(ctl limits rollback --to 1 --dry-run acme)" '^acme: weight 11 -> 9 \(not done: --dry-run\)$'
        t_eq "$(value acme weight) $(revision acme)" "11 $before" "after a trial"
        t_match "$(ctl limits rollback --to 1 -m oops acme)" '^acme: weight 11 -> 9 \(revision 4\)$'
        t_match "$(ctl limits history -n 1 acme)" 'weight +11 +9 +- +root +oops +back to revision 1'
        t_match "$(ctl limits rollback --to 0 acme)" 'acme: queue_depth 50 -> unset'
        t_eq "$(ctl limits get --json acme/etl | d_json 'j["limits"]')" "[]" "a queue's"
        t_eq "$(value acme weight)" 7 "the file's value holds"
        t_match "$(ctl limits rollback --to 0 acme)" 'what was set at revision 0 is set now'
        t_match "$(ctl limits rollback --to 4 acme)" 'acme/etl: concurrency unset -> 2'
        d_restart
        t_eq "$(value acme weight)" 9 "over a restart"
        d_status 5 ctl limits rollback --to 3 acme 2>/dev/null
        d_status 2 ctl limits rollback acme 2>"$D/said"
        t_match "$(cat "$D/said")" '--to: expected the revision'
        ctl limits rollback --to 0 acme >/dev/null
}

compare_and_set() {
        local at
        at=$(revision acme)
        d_status 10 ctl limits set --if-revision $((at - 1)) acme weight=3 2>"$D/said"
        t_match "$(cat "$D/said")" "acme is at revision $at, not $((at - 1)); nothing was changed"
        ctl limits set --if-revision "$at" acme weight=3 >/dev/null
        d_status 10 ctl limits set --if-revision "$at" acme weight=4 2>/dev/null
        d_status 10 ctl limits rollback --if-revision "$at" --to 0 acme 2>/dev/null
        d_status 10 ctl limits unset --if-revision "$at" acme weight 2>/dev/null
        ctl limits unset --if-revision $((at + 1)) acme weight >/dev/null
}

# Twenty at once that have all seen the same: one of them does it.
compare_and_set_races() {
        local at i
        at=$(revision acme)
        for i in {1..20}; do
                ctl limits set --if-revision "$at" acme "weight=$((i + 10))" >>"$D/won" 2>/dev/null &
        done
        wait
        t_eq "$(wc -l <"$D/won")" 1 "changes"
        ctl limits unset acme weight >/dev/null
}

several() {
        t_match "$(ctl limits set acme globex weight=5)" 'acme: weight 7 -> 5 .*
globex: weight 2 -> 5'
        d_status 5 ctl limits set acme nobody weight=6 2>"$D/said"
        t_match "$(cat "$D/said")" 'no tenant "nobody"'
        t_eq "$(value acme weight)" 5 "nothing was changed of the others"
        d_status 2 ctl limits set --if-revision 1 acme globex weight=5 2>/dev/null
        d_status 2 ctl limits set weight=5 acme 2>"$D/said"
        ctl limits set acme etl/concurrency=2 >/dev/null
        ctl limits set globex queue_depth=9 >/dev/null
        t_match "$(ctl limits copy --dry-run acme globex)" 'globex: queue_depth 9 -> unset \(not done: --dry-run\)'
        t_match "$(ctl limits copy -m 'as acme' acme globex)" 'globex/etl: concurrency unset -> 2'
        t_eq "$(value globex concurrency) $(value globex queue_depth)" "4 null" "also what its file says"
        t_match "$(ctl limits copy acme globex)" '\(as it was\)'
        # What is so for some time only is not copied, but what stands behind it, here of its file.
        ctl limits unset acme weight >/dev/null
        ctl limits set --for 1h acme weight=99 >/dev/null
        t_match "$(ctl limits copy --dry-run acme globex)" 'globex: weight [0-9a-z]+ -> 7 '
        t_match "$(ctl policy export acme)" 'weight = 7'
        # Back to what was set before ends it.
        ctl limits set acme weight=15 >/dev/null
        local revision
        revision=$(ctl limits history --noheadings -o revision -n 1 acme)
        ctl limits set --for 1h acme weight=99 >/dev/null
        t_match "$(ctl limits diff acme "$revision" || true)" 'weight .*15 .*99'
        t_match "$(ctl limits rollback --to "$revision" acme)" 'weight 99 -> 15'
        t_eq "$(value acme weight)" 15
        ctl limits set acme weight=7 >/dev/null
        ctl limits rollback --to 0 globex >/dev/null
        ctl limits rollback --to 0 acme >/dev/null
}

# What runs ---------------------------------------------------------------------------------------

less_than_runs() {
        local job jobs=()
        for _ in 1 2 3; do
                job=$(ctl run -t acme -- /bin/sleep 60)
                jobs+=("$job")
        done
        for job in "${jobs[@]}"; do t_wait 10 d_state_is "$job" running; done
        d_status 4 ctl limits set acme concurrency=1 2>"$D/said"
        t_match "$(cat "$D/said")" 'concurrency: 1 is less than the 3 of its jobs that run: nothing of it starts until 3 of them have ended; --force does it nevertheless; nothing was changed'
        d_status 4 ctl limits set --dry-run acme concurrency=1 2>/dev/null
        t_match "$(ctl limits set --dry-run --force acme concurrency=1)" 'concurrency 4 -> 1 \(not done: --dry-run\)'
        t_eq "$(value acme concurrency)" 4 "nothing was changed"
        ctl limits set acme concurrency=3 >/dev/null
        t_match "$(ctl limits set --force acme concurrency=1)" 'concurrency 3 -> 1'
        # Raised, if not above what runs.
        ctl limits set acme concurrency=2 >/dev/null
        # Unset, as what the file says is more.
        ctl limits unset acme concurrency >/dev/null
        sleep 1.1
        d_status 4 ctl limits set acme runtime=1s 2>"$D/said"
        t_match "$(cat "$D/said")" 'runtime: 1s is less than what 3 of its jobs have run: they would be stopped at once; --force'
        ctl limits set acme runtime=10min >/dev/null
        ctl limits unset acme runtime >/dev/null
        ctl cancel "${jobs[@]}"
        ctl wait "${jobs[@]}" >/dev/null || true
}

# For some time -------------------------------------------------------------------------------------

for_some_time() {
        local from
        ctl limits set acme weight=5 >/dev/null
        from=$(now_ms)
        t_match "$(ctl limits set --for 2s -m burst acme weight=50 queue_depth=8)" 'acme: weight 5 -> 50, until 20[-0-9]+ [:0-9]+.*, then 5 \(revision'
        t_match "$(ctl limits get acme)" 'weight +- +50 +set +20[-0-9]+ [:0-9]+ .*5'
        t_eq "$(ctl limits get --json acme | d_json '[(r["then"], r["until_usec"] > 0) for r in j["limits"] if r["limit"] == "weight"]')" '[["5", true]]'
        t_wait 5 holds acme weight 5
        in_range $(($(now_ms) - from)) 1900 3200 "ms until it was back"
        t_eq "$(value acme queue_depth)" null "what was not set before is not set again"
        t_match "$(ctl limits history -n 2 acme)" 'weight +50 +5 .*tenantq +- +its time is over'
        t_match "$(ctl limits history -n 4 acme)" 'weight +5 +50 +20[-0-9]+ [:0-9]+ +root +burst'
        # To go back, it counts as what stood behind it.
        ctl limits set --for 1h acme weight=90 >/dev/null
        d_status 1 ctl limits diff acme "$(($(revision acme) - 1))" >"$D/said"
        t_match "$(cat "$D/said")" 'weight +5 +90'
        t_match "$(ctl limits rollback --to "$(revision acme)" acme)" 'weight 90 -> 5 '
        t_match "$(ctl limits history -n 1 acme)" 'weight +90 +5 '
        d_status 2 ctl limits set --for never acme weight=5 2>"$D/said"
        t_match "$(cat "$D/said")" '--for "never": expected a time span from 1s, such as 2h'
        d_status 2 ctl limits set --for 0 acme weight=5 2>/dev/null
}

# Whatever is killed meanwhile, and whoever starts anew behind the time.
over_a_restart() {
        local from
        ctl limits set --for 3s acme weight=50 >/dev/null
        kill -KILL "$(d_pid)"
        from=$(now_ms)
        d_start
        t_eq "$(value acme weight)" 50 "until then"
        t_wait 6 holds acme weight 5
        in_range $(($(now_ms) - from)) 1500 4200 "ms until it was back"
        ctl limits set --for 1s acme weight=50 >/dev/null
        d_stop
        sleep 1.2
        d_start
        t_wait 2 holds acme weight 5
}

# What is set for good stays; what is set for some time again has the first one's way back.
for_good() {
        ctl limits set --for 2s acme weight=50 >/dev/null
        ctl limits set --for 1h acme weight=60 >/dev/null
        sleep 2.2
        t_eq "$(value acme weight)" 60 "a longer time"
        ctl limits set --for 1s acme weight=70 >/dev/null
        t_wait 3 holds acme weight 5
        ctl limits set --for 1s acme weight=50 >/dev/null
        ctl limits set acme weight=50 >/dev/null
        sleep 1.3
        t_eq "$(value acme weight)" 50 "set for good meanwhile"
        ctl limits unset --for 1s acme weight >/dev/null
        t_eq "$(value acme weight)" 7 "unset for some time"
        t_wait 3 holds acme weight 50
        ctl limits unset acme weight >/dev/null
}

# row TARGET LIMIT QUEUE: value, source, whether it ends by itself, and what then.
row() {
        ctl --json limits get "$1" | d_json "[[r['value'], r['source'], r['until_usec'] is not None, r['then']]
                for r in j['limits'] if r['limit'] == '$2' and r['queue'] == $3]"
}

# What is unset for some time says so, also where there is no value that it could stand beside.
unset_for_some_time() {
        ctl limits set acme weight=50 etl/concurrency=3 >/dev/null
        ctl limits unset --for 1h acme weight etl/concurrency >/dev/null
        t_eq "$(row acme weight None)" '[["7", "file", true, "50"]]' "of a tenant, with a value of its file"
        t_eq "$(row acme concurrency "'etl'")" '[[null, "unset", true, "3"]]' "of a queue, without a value"
        t_eq "$(row acme/etl concurrency "'etl'")" '[[null, "unset", true, "3"]]' "of that queue alone"
        t_eq "$(row acme/web concurrency "'etl'")" '[]' "of another queue"
        t_match "$(ctl limits get acme)" 'concurrency +etl +- +unset +[0-9-]+ [0-9:]+ +3 ' "for people"
        ctl limits set acme weight=50 etl/concurrency=3 >/dev/null
        ctl limits unset acme weight etl/concurrency >/dev/null
        t_eq "$(row acme concurrency "'etl'")" '[]' "unset for good"
}

# Who changed what ----------------------------------------------------------------------------------

who() {
        SUDO_USER=olga ctl limits set -m 'on call' acme weight=8 >/dev/null
        t_match "$(ctl limits history -n 1 acme)" 'weight +7 +8 +- +olga \(sudo\) +on call'
        t_eq "$(ctl audit list --json -n 1 | d_json '[(r["uid"], r["sudo_user"], r["kind"], r["why"]) for r in j["audit"]]')" \
                '[[0, "olga", "limits", "on call"]]'
        as_user 61059 env SUDO_USER=root "$D/bin/tenantqctl" limits set acme weight=9 2>/dev/null && t_fail "a stranger may"
        ctl pause -m 'kernel update' host
        ctl resume host
        ctl reload
        t_match "$(ctl audit list -n 3)" 'reload +- .*
.*resume +- .*
.*pause +- .* root +kernel update'
        t_match "$(ctl events -n 4)" 'pause +- +- +0 +state open -> paused by root: kernel update
.*limits +acme +- +0 +weight 7 -> 8 by olga \(sudo\): on call'
        ctl limits unset acme weight >/dev/null
}

sql() {
        "$D_PYTHON" -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
print("\n".join("|".join(map(str, r)) for r in c.execute(sys.argv[2])))' "$@"
}

the_chain() {
        local rows hash
        t_match "$(ctl audit verify)" '^the ledger: rows 1 to [0-9]+ are as they were written
hash of the last: [0-9a-f]{64}$'
        hash=$(ctl audit verify | sed -n 's/^hash of the last: //p')
        ctl limits set acme weight=8 >/dev/null
        ctl limits unset acme weight >/dev/null
        ctl audit verify --mark "$hash" >/dev/null
        d_status 1 ctl audit verify --mark "$(printf '%064d' 0)" >"$D/said" 2>&1
        t_match "$(cat "$D/said")" 'no row has the hash of --mark'
        d_status 2 ctl audit verify --mark abc 2>/dev/null
        ctl ledger backup "$D/copy" >/dev/null
        rows=$(sql "$D/copy" 'SELECT max(id) FROM audit')
        damaged "UPDATE audit SET uid = 1000 WHERE id = 3" 'row 3 was changed'
        damaged "DELETE FROM audit WHERE id = 4" 'row 4 is missing'
        damaged "DELETE FROM audit WHERE id = $rows" "row $rows is missing"
        damaged "UPDATE audit SET id = id + 1000 WHERE id = 5" 'row 5 is missing'
        t_eq "$(ctl audit verify --json "$D/copy" | d_json '(j["problems"], j["rows"], j["last"])')" "[[], $rows, $rows]"
}

# damaged STATEMENT SAYS: what somebody with sqlite3 has done to a copy is found and named.
damaged() {
        cp "$D/copy" "$D/damaged"
        sql "$D/damaged" "$1" >/dev/null
        d_status 1 ctl audit verify "$D/damaged" >"$D/said" 2>&1
        t_match "$(cat "$D/said")" "$2"
        d_status 1 ctl ledger check "$D/damaged" >"$D/said" 2>&1
        t_match "$(cat "$D/said")" "audit: .*"
}

in_order() {
        t_match "$(ctl ledger check)" 'in order'
        t_match "$(ctl limits verify)" 'the kernel holds what it should'
        t_eq "$(ctl limits verify --json acme | d_json 'j["drift"]')" "[]"
        d_status 5 ctl limits verify nobody 2>/dev/null
        # Somebody takes a slice away: that it is made again when a job needs it is another matter.
        rmdir "$D_CGROUP/globex.slice"
        d_status 1 ctl limits verify globex >"$D/said" 2>&1
        t_match "$(cat "$D/said")" "globex +globex.slice +nothing +the tenant's slice"
        ctl reload
        t_wait 5 ctl limits verify globex >/dev/null
}

not_for_everybody() {
        d_status 6 as_user 61051 "$D/bin/tenantqctl" limits history 2>/dev/null
        d_status 6 as_user 61051 "$D/bin/tenantqctl" audit list 2>/dev/null
        d_status 6 as_user 61051 "$D/bin/tenantqctl" limits rollback --to 0 acme 2>/dev/null
        d_status 6 as_user 61051 "$D/bin/tenantqctl" limits diff acme 0 2>/dev/null
        d_status 6 as_user 61051 "$D/bin/tenantqctl" limits verify 2>/dev/null
        as_user 61051 "$D/bin/tenantqctl" limits get acme >/dev/null
}

t_case "a change of several limits is one revision" one_change_one_revision
t_case "what differs between two revisions" differences
t_case "back to a revision" back
t_case "only if nobody else has changed it" compare_and_set
t_case "twenty that have seen the same" compare_and_set_races
t_case "several tenants, and one as another" several
t_case "less than what runs" less_than_runs
t_case "for some time" for_some_time
t_case "for some time, over a kill and a stop" over_a_restart
t_case "for some time, and for good meanwhile" for_good
t_case "what is unset for some time" unset_for_some_time
t_case "who it was" who
t_case "the chain" the_chain
t_case "ledger against kernel" in_order
t_case "not for everybody" not_for_everybody
d_report
t_summary
