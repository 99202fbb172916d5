#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An operator's first hour: twelve stories, each by the commands that one would type from README.md and the manual, and
# by what they print.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

D_SCHEDULER='max_jobs=4
lane_slots=1
lane_runtime=1min'
# shellcheck disable=SC2119 # none are wanted
d_init
d_start
d_tenant acme 61901
d_tenant globex 61902
d_tenant initech 61903

# says REGEX COMMAND…: it succeeds, and what it prints matches.
says() {
        local said
        said=$("${@:2}" 2>&1) || t_fail "exit status $? of ${*:2}: $said"
        t_match "$said" "$1" "${*:2}"
}

# fails CODE REGEX COMMAND…: it exits with that, and says so.
fails() {
        local said status=0
        said=$("${@:3}" 2>&1) || status=$?
        t_eq "$status" "$1" "exit status of ${*:3}, which says '$said',"
        t_match "$said" "$2" "${*:3}"
}

# on_terminal [STEP…] -- ARG…: tenantqctl on a terminal of 80 columns, without colour; what it got, without \r.
on_terminal() {
        local -a steps=()
        while [ "$1" != -- ]; do
                steps+=("$1")
                shift
        done
        # shellcheck disable=SC2016 # the inner shell's
        env NO_COLOR=1 TERM=xterm "$D_PYTHON" "$D_TOP/tests/system/terminal.py" "${steps[@]}" -- \
                sh -c 'stty cols 80 rows 24; exec "$0" "$@"' "$D/bin/tenantqctl" "${@:2}" | tr -d '\r'
}

# fits ARG…: no line of it is wider than the terminal.
fits() {
        local said
        said=$(on_terminal -- "$@")
        t_eq "$(LC_ALL=C.UTF-8 awk 'length($0) > 80' <<<"$said")" "" "lines of $* that are too long"
}

ps_says() {
        [[ "$(ctl ps -o job,wait_reason --noheadings)" =~ (^|$'\n')$1\ +$2($|$'\n') ]]
}

# waits_for JOB REASON TEXT: ps and explain say so, and what would help or who is in the way.
waits_for() {
        t_wait 8 ps_says "$1" "$2"
        says "  $2: .*$3" ctl explain "$1"
        says "(^|[[:space:]])$2: .*a reason for which a job waits" ctl explain "$2"
}

# sleeper TENANT [ARG…]: a job that does not end by itself; its number.
sleeper() {
        ctl run -t "$1" "${@:2}" -- /bin/sleep 1000
}

is_running() {
        d_state_is "$1" running
}

all_end() {
        ctl resume host acme globex
        ctl cancel host >/dev/null
        t_wait 10 d_is_idle
}

# fifty FIRST LAST: so many more tenants, t1, t2, …
fifty() {
        local i
        for ((i = $1; i <= $2; i++)); do
                install -d -m 0700 -o $((63000 + i)) -g $((63000 + i)) "$D/spool/t$i"
        done
        t_wait 10 d_tenant_is "t$2" ready
        t_wait 10 all_ready
}

all_ready() {
        [ "$(ctl tenants --noheadings -o state | sort -u | tr -d ' \n')" = ready ]
}

# 1. Is this host fit? doctor names what is not, with the mend below it, and how many there are.
host_is_fit() {
        local said
        said=$(ctl doctor --config "$D/etc" 2>&1) || true
        t_match "$said" 'ok +kernel .*ok +configuration .*ok +tenants +3, none of them disabled.*ok +daemon'
        t_match "$said" '[0-9]+ ok, [0-9]+ to look at, [0-9]+ to mend|[0-9]+ ok'
        t_eq "$(grep -cE '^(warn|FAIL)' <<<"$said")" "$(grep -cE '^ +→ ' <<<"$said")" "a mend for each"
        # A typo in a tenant's file, before the reload.
        echo wieght=200 >>"$D/etc/tenants.d/globex.conf"
        fails 1 'FAIL +configuration +.*globex.conf:[0-9]+: .*wieght.*→' ctl doctor --config "$D/etc"
        sed -i '/wieght/d' "$D/etc/tenants.d/globex.conf"
        says '^$' "$D/bin/tenantqd" --check --config "$D/etc"
        says 'host +ready +4 ' ctl status
}

# 2. Why does it not start? Each cause by its word in ps, and with what would help in explain.
why_it_does_not_start() {
        local first job short gone
        first=$(sleeper acme --name first)
        t_wait 5 is_running "$first"

        job=$(sleeper acme)
        waits_for "$job" queue-concurrency "who: +job $first.*change: tenantqctl limits set acme/default concurrency=2"
        job=$(sleeper acme)
        waits_for "$job" queue-concurrency 1
        says 'behind: 1 job' ctl explain "$job"
        ctl hold -m 'wait for the mail' "$job"
        waits_for "$job" held "an administrator.*change: tenantqctl release $job"

        ctl limits set acme concurrency=1 >/dev/null
        job=$(sleeper acme -q other)
        waits_for "$job" tenant-concurrency "1 of 1.*change: tenantqctl limits set acme concurrency=2"
        ctl limits unset acme concurrency >/dev/null

        job=$(say_hello later 'StartAfter=2099-01-01 03:00' | ctl submit -t globex -)
        waits_for "$job" start-after '2099-01-01 0[23]:' # rounded, as it is
        job=$(say_hello next "After=$first" Queue=n | ctl submit -t acme -)
        waits_for "$job" after "who: +job $first"
        job=$(printf '[Job]\nExecStart=/bin/false\n[Retry]\nMaxAttempts=3\nRestartSec=1h\n' | ctl submit -t initech -)
        waits_for "$job" retry '1 of its 3 attempts failed \(exit 1\)'
        ctl requeue "$job" # "has it at once"

        ctl pause -m 'a look at it' globex
        job=$(sleeper globex)
        waits_for "$job" tenant-paused 'change: tenantqctl resume globex'
        ctl pause host
        waits_for "$job" host-paused 'change: tenantqctl resume host'
        ctl resume globex host
        t_wait 5 is_running "$job"

        # Three slots for long jobs, and one for short ones: RuntimeMaxSec is what would help.
        job=$(sleeper initech -q long)
        waits_for "$job" lane 'change: RuntimeMaxSec=1min'
        short=$(printf '[Job]\nExecStart=/bin/sleep 50\nRuntimeMaxSec=1min\n' | ctl submit -t initech -)
        t_wait 5 is_running "$short"
        waits_for "$job" slots '4 of the 4 slots'
        says 'slots +1 ' ctl queue initech

        ctl drain -m 'kernel update' globex
        fails 8 'DRAINING: tenant globex is being drained' ctl run -t globex -- /bin/true
        says 'globex .*draining' ctl tenants
        all_end

        chmod 0777 "$D/spool/globex"
        t_wait 10 d_tenant_is globex disabled
        says 'globex .*disabled .*mode 0777.*chmod 0700' ctl tenants
        job=$(ctl run -t globex -- /bin/true) # it is taken, and waits
        waits_for "$job" tenant-disabled 'mode 0777'
        chmod 0700 "$D/spool/globex"
        t_wait 10 d_tenant_is globex ready

        # A path that was granted and is gone: its jobs wait, and it is said which.
        gone=$D/payload/gone
        mkdir "$gone"
        D_GRANTS=$gone d_tenant_file globex
        ctl reload
        rmdir "$gone"
        job=$(ctl run -t globex -- /bin/true)
        waits_for "$job" launch-retry "$gone"
        says "globex .*$gone" ctl tenants
        mkdir "$gone"
        fails 0 "$job: exit 0" ctl wait "$job"
        d_tenant_file globex
        ctl reload
        if grep -qw memory "$D_CGROUP/cgroup.controllers"; then
                fails 8 'HOST_LIMIT_EXCEEDED' ctl run -t globex -l memory=1E -- /bin/true
        else
                fails 3 "memory: can't be enforced here" ctl run -t globex -l memory=1G -- /bin/true
        fi
}

# 3. Who uses the host now? The one that burns a processor is the first of top; ps has its job with its CPU time.
who_uses_the_host() {
        local busy
        sleeper globex >/dev/null
        busy=$(ctl run -t acme --name burner -- /bin/sh -c 'while :; do :; done')
        t_wait 5 is_running "$busy"
        sleep 1
        t_match "$(ctl top -b | sed -n 2p)" '^acme +1 +0 +[01]\.[0-9]+ ' "the first of top"
        t_eq "$(ctl top -b -n 2 -d 0.2 | grep -c '^globex ')" 2 "readings"
        t_match "$(ctl ps --sort -cpu_usec | sed -n 2p)" "^$busy +acme +default +burner +running" ps
        says "CPU time: +[0-9.]+(s|ms)" ctl status "$busy"
        says '^TENANT .*acme +61901 .*ready +1 +0 .*globex .*ready +1 +0' ctl tenants
        says '^POOL .*host +ready +4 +2 .*burner' ctl status
        all_end
}

# 4. More for two hours: until when is said, who did it and why is kept, and it can be undone.
more_for_two_hours() {
        local before
        ctl limits set acme weight=150 >/dev/null
        before=$(ctl --json limits get acme | d_json 'j["limits"][0]["tenant_revision"]')
        says 'would|not done: --dry-run' ctl limits set --dry-run --for 2h acme concurrency=4
        says 'concurrency unset -> 4, until 20.*, then unset \(revision' \
                ctl limits set --for 2h -m 'ticket 4711' acme concurrency=4
        says 'concurrency +- +4 +set +20' ctl limits get acme
        says 'concurrency .* 4 .*root +.*ticket 4711' ctl limits history acme
        t_eq "$(ctl limits log acme)" "$(ctl limits history acme)" "limits log"
        says 'limits +acme .*concurrency +- +4 +20.* root +ticket 4711' ctl audit list acme
        says 'concurrency' ctl events --kind limits --since 1h
        # To end it before its time, what stood before is set.
        says 'concurrency 4 -> unset' ctl limits unset acme concurrency
        # One that holds for good: what differs, and back.
        says 'weight 150 -> 400' ctl limits set -m oops acme weight=400
        fails 1 'weight +150 +400' ctl limits diff acme "$before"
        says 'weight 400 -> 150 \(not done' ctl limits rollback --to "$before" --dry-run acme
        says 'weight 400 -> 150 \(rev' ctl limits rollback --to "$before" -m 'ticket 4712' acme
        says '^$' ctl limits diff acme "$before"
        says "ticket 4712 +back to revision $before" ctl limits history -n 1 acme
        fails 10 '' ctl limits set --if-revision "$before" acme weight=1
        fails 3 'wieght: unknown limit; did you mean weight\?; nothing was changed' ctl limits set acme wieght=1
        fails 5 'no tenant "acne"' ctl limits set acne weight=1
        says 'they should|^$|[0-9]' ctl audit verify
}

# 5. As acme has it, and fifty at once: as a file that is planned, applied as a whole, and looked after.
fifty_at_once() {
        local file=$D/policy.ini
        ctl limits set acme weight=200 etl/concurrency=2 >/dev/null
        says 'globex: weight unset -> 200 \(not done.*initech/etl: concurrency' \
                ctl limits copy --dry-run acme globex initech
        says 'globex/etl: concurrency unset -> 2' ctl limits copy -m 'as acme' acme globex initech
        says 'weight +- +200 +set' ctl limits get initech

        fifty 1 50
        says 't50' ctl limits copy acme $(seq -f 't%g' 50)
        ctl policy export >"$file"
        says '^all of it holds: nothing to change$' ctl policy plan "$file"
        sed -i '/^\[tenant t/,/^$/s/^weight *=.*/weight=300/' "$file"
        says '^$' ctl policy check "$file"
        fails 1 't50: weight 200 -> 300' ctl policy plan "$file"
        fails 2 'why' ctl policy apply "$file"
        says 't50: weight 200 -> 300 .*policy 1: 50 changes' ctl policy apply -m 'ticket 4713' "$file"
        says 'ticket 4713' ctl policy history
        says '^all of it holds' ctl policy plan "$file"
        # A line that is wrong changes nobody.
        sed 's/^weight=300/weight=0/' "$file" >"$file.bad"
        fails 2 'policy.ini.bad:[0-9]+: .*weight' ctl policy plan "$file.bad"
        fails 3 'policy.ini.bad:[0-9]+: .*weight' ctl policy apply -m x "$file.bad"
        sed -i 's/^weight=300/weight=400/' "$file"
        says 'policy 2: 50 changes' ctl policy apply --watch 2s -m 'ticket 4714' "$file"
        says 'looked after \(--watch\)' ctl limits get t7
        t_wait 10 is_kept t7
        says 't50: weight 400 -> 300 .*policy 3' ctl policy rollback --to 1 -m 'ticket 4715'
}

is_kept() {
        [[ "$(ctl events --kind rollout -t "$1")" =~ stays ]]
}

# 6. What failed last night? With the last lines of each, and once more what is worth it.
what_failed() {
        local bad flaky again
        bad=$(ctl run -t acme --name nightly -- /bin/sh -c 'echo one; echo two; echo no such table >&2; exit 3')
        flaky=$(printf '[Job]\nName=flaky\nExecStart=/bin/false\n[Retry]\nMaxAttempts=2\nRestartSec=1s\n' |
                ctl submit -t globex -)
        fails 3 '^' ctl wait "$bad"
        fails 1 '^' ctl wait "$flaky"
        says "$flaky +globex .*flaky .*exit 1.*$bad +acme .*nightly .*exit 3" ctl ps --failed --since 12h --sort -job
        says "$bad .*nightly" ctl ps --failed --since 12h --name 'night*' acme
        says '^no such jobs$' ctl ps --failed --since 12h --name 'night*' initech
        t_eq "$(ctl logs -n 1 "$bad" 2>/dev/null)" two "the last line of its output"
        t_eq "$(ctl logs "$bad" 2>&1 >/dev/null)" "no such table" "its standard error"
        says "$flaky +globex .*flaky +2 .*exit 1" ctl dead list
        says "Dead letter: tenantqctl dead retry $flaky.*ATTEMPT.* 1 .* 2 " ctl dead show "$flaky"
        again=$(ctl rerun -m 'the table is there' "$bad")
        fails 3 "$again: exit 3" ctl wait "$again"
        fails 3 "job $bad has ended; tenantqctl rerun $bad" ctl requeue "$bad"
        says '^globex: 1 job would be tried again$' ctl dead retry --dry-run globex
        ctl dead retry "$flaky"
        fails 1 '^' ctl wait "$flaky"
        ctl dead purge globex
        says '^no dead letters$' ctl dead list
        # One that runs, and hangs: begun anew, as the same one.
        bad=$(sleeper acme)
        t_wait 5 is_running "$bad"
        ctl requeue -m 'the mount was stale' "$bad"
        t_wait 10 has_attempt "$bad" 2
        says "$bad .*requeue|requeue .*$bad.*the mount was stale" ctl events --kind requeue
        all_end
}

has_attempt() {
        [ "$(d_field "$1" Attempt)" = "$2" ] && is_running "$1"
}

# 7. A tenant writes until its bound is full: others keep theirs, and it is said where one would look.
output_is_bounded() {
        local loud quiet
        quiet=$(ctl run -t globex -w --quiet -- /bin/echo of globex 2>/dev/null) # before, and stays
        t_eq "$quiet" "of globex"
        printf '[history]\noutput=64K\n' >>"$D/etc/tenantq.conf"
        ctl reload -m 'a small bound'
        loud=$(ctl run -t acme --name loud -- \
                /bin/sh -c 'yes | head -c 300000; sleep 1; yes | head -c 9000; sleep 2')
        t_wait 10 is_dropping acme
        says 'output of jobs is dropped.*64K' ctl events -t acme
        quiet=$(ctl run -t globex -- /bin/echo still here)
        says 'exit 0' ctl wait "$quiet"
        says '^still here$' ctl logs "$quiet"
        says "$loud: exit 0" ctl wait "$loud"
        says 'Output dropped: [0-9.]+K' ctl status "$loud"
        t_match "$(ctl ps -a --sort -dropped_bytes -o job,name,dropped_bytes | sed -n 2p)" "^$loud +loud" "lost most"
        says 'bytes of output' ctl explain output
        sed -i '/^\[history\]/,$d' "$D/etc/tenantq.conf"
        ctl reload
        says 'files +.*output +65536 +1073741824 +- +root' ctl audit list
}

is_dropping() {
        [[ "$(ctl events -t "$1")" =~ output\ of\ jobs\ is\ dropped ]]
}

# 8. An upgrade, and worse: jobs that run and wait, waiters and followers go over a restart and over a kill.
restart_loses_nothing() {
        local ticks waits late out=$D/stage/ticks
        # shellcheck disable=SC2016 # the job's shell
        ticks='i=0; while [ $i -lt 12 ]; do echo $i; i=$((i + 1)); sleep 0.5; done; exit 4'
        ticks=$(ctl run -t acme --name ticks -- /bin/sh -c "$ticks")
        waits=$(ctl run -t acme -- /bin/echo second)
        t_wait 5 is_running "$ticks"
        ctl logs -f "$ticks" >"$out" &
        ctl wait "$ticks" "$waits" >"$out.verdicts" &
        d_stop
        fails 7 'no daemon answers.*systemctl status tenantq' ctl ps
        say_hello late | drop acme late # a file that comes meanwhile
        d_start
        says "$ticks .*running" ctl ps acme
        d_kill9 both
        d_start
        says "$ticks .*running" ctl ps acme
        t_wait 15 has_verdicts "$out.verdicts"
        t_eq "$(cat "$out.verdicts")" "$ticks: exit 4"$'\n'"$waits: exit 0" "what the waiter said"
        wait
        t_eq "$(tr '\n' ' ' <"$out")" "$(seq -s ' ' 0 11) " "what the follower said"
        t_eq "$(d_field "$ticks" Attempt)" 1 "attempts"
        late=$(job_of acme late)
        says "$late: exit 0" ctl wait "$late"
        says 'weight +- +200 +set' ctl limits get acme
        says 'in order' ctl ledger check
}

has_verdicts() {
        [ "$(wc -l <"$1")" -eq 2 ]
}

# 9. A customer leaves: what would go is counted, what there was is kept, and nobody else notices.
tenant_goes() {
        local job archive=$D/archive
        job=$(ctl run -t initech -- /bin/echo bill)
        says 'exit 0' ctl wait "$job"
        sleeper initech >/dev/null
        says '1 jobs? that runs?.*files of output' ctl tenant remove --dry-run --config "$D/etc" initech
        fails 124 'waits for its jobs: 1 running.*--cancel' \
                timeout 2 "$D/bin/tenantqctl" tenant remove --config "$D/etc" --archive "$archive" initech
        says 'initech .*removing .*waits for its jobs' ctl tenants
        says "initech: removed.*$archive" \
                ctl tenant remove --config "$D/etc" --cancel -m 'contract ended' --archive "$archive" initech
        t_lacks "$(ctl tenants)" initech tenants
        t_eq "$(cat "$archive/output/$job.1.out")" bill "its output"
        t_match "$(grep '"table":"jobs"' "$archive/ledger.jsonl")" "\"job\":$job|\"id\":$job" "its history"
        fails 5 'no job' ctl status "$job"
        says 'tenant-removed +initech.*contract ended' ctl events
        fails 5 'no tenant "initech"' ctl tenant remove --config "$D/etc" initech
        says 'acme .*ready' ctl tenants
}

# 10. In scripts: exit codes, JSON, pipes that are closed early, ^C, and how far it is on a terminal.
in_scripts() {
        local file=$D/stage/three.job job said
        printf '[Job]\nName=three\nExecStart=/bin/sh -c "exit 3"\n' >"$file"
        says '^it would be accepted$' ctl submit --dry-run -t acme "$file"
        fails 3 ': exit 3' ctl submit -t acme --wait "$file"
        fails 1 ': exit 3.*: exit 3' ctl submit -t acme --wait "$file" "$file"
        job=$(ctl --json submit -t acme "$file" | d_json 'j["job"]')
        fails 3 '"verdict":"exit 3"' ctl --json wait "$job"
        t_eq "$(ctl --json status "$job" | d_json '[j["schema"], j["jobs"][0]["code"]]')" \
                '["tenantq.jobs.v1", 3]' status
        fails 5 'no job 999999' ctl wait 999999
        fails 2 'unknown verb' ctl sbumit "$file"
        fails 2 'usage: tenantqctl submit' ctl submit
        fails 1 'No such file' ctl submit -t acme "$file.not"
        echo hello >"$file.bad"
        fails 3 'three.job.bad:1: expected key=value' ctl validate "$file.bad"
        fails 0 'ab' ctl run -t acme -w -- /bin/echo ab
        fails 99 'spawn \(exec: No such file' ctl run -t acme -w -- /no/such
        fails 137 'signal 9 \(KILL\)' ctl run -t acme -w -- /bin/sh -c 'kill -9 $$'
        fails 6 '' ctl_as 61901 61901 limits set acme weight=2
        fails 7 'no daemon answers' ctl --socket "$D/none" ps

        # Whoever has seen enough: nothing is said on standard error, and nothing hangs.
        said=$({ ctl ps -a | head -n 1 >/dev/null; } 2>&1) || t_fail "ps | head"
        t_eq "$said" "" "ps | head"
        said=$({ ctl --json ps -a | head -c 5 >/dev/null; } 2>&1) || true
        t_eq "$said" "" "ps --json | head"
        job=$({ ctl run -t acme -w -- /bin/sh -c 'yes; sleep 100' | head -n 1 >/dev/null; } 2>&1) || true
        says 'running' ctl status "${job#job }" # goes on without us
        ctl cancel "${job#job }"

        # ^C asks; y cancels. Of several, a terminal sees how many have ended.
        said=$(on_terminal 'wait=job [0-9]+' 'sleep=0.3' 'type=\x03' 'wait=Cancel job [0-9]+\?' 'type=y\n' -- \
                run -t globex -w -- /bin/sleep 100) || true
        t_match "$said" 'Cancel job [0-9]+\?' '^C'
        job=$(sed -n 's/^job \([0-9]*\)$/\1/p' <<<"$said")
        fails 99 'cancelled' ctl wait "$job"
        job=$(ctl run -t globex -q p1 -- /bin/false)
        said=$(on_terminal -- wait "$job" "$(ctl run -t globex -q p2 --name slow -- /bin/sleep 2)") || true
        t_match "$said" '1/2, 1 failed, 1 runs: [0-9]+ slow.*: exit 0' progress
        all_end
}

# in_time MS COMMAND…: it succeeds within that.
in_time() {
        local start
        start=$(now_ms)
        "${@:2}" >"$D/stage/said" || t_fail "exit status $? of ${*:2}"
        in_range $(($(now_ms) - start)) 0 "$1" "milliseconds of ${*:2}"
}

# 11. A hundred tenants with a thousand jobs, on 80 columns: each list is there at once, and no line is broken.
many_on_80_columns() {
        local i
        fifty 1 100
        ctl pause host
        mkdir "$D/stage/many"
        for ((i = 0; i < 10; i++)); do
                printf '[Job]\nName=nightly-%d\nExecStart=/bin/sleep 1000\n' "$i" >"$D/stage/many/$i.job"
        done
        for ((i = 1; i <= 100; i++)); do
                ctl submit -t "t$i" "$D"/stage/many/*.job >/dev/null
        done
        ctl resume host
        in_time 3000 ctl ps
        t_match "$(tail -n 1 "$D/stage/said")" 'the first 100; more with -n' "the last line of ps"
        in_time 5000 ctl ps -n 10000
        t_eq "$(grep -c '^[0-9]' "$D/stage/said")" 1000 "jobs of ps"
        in_time 3000 ctl tenants
        in_time 3000 ctl queue
        in_time 4000 ctl top -b
        in_time 3000 ctl status
        fits ps
        fits ps -a
        fits tenants
        fits queue
        fits status
        fits top -b -n 1
        fits status t7
        fits limits history
        t_eq "$(ctl ps --name nightly-7 --filter queue=default -n 10000 --noheadings | wc -l)" 100 "filtered"
        says 't9 +default +behind +9 ' ctl queue t9
        says '^host: 1000 jobs would be cancelled$' ctl cancel --dry-run host
        all_end
}

# 12. What would happen if …? A dry run, a trial of a job, and yesterday's jobs with other weights.
what_if() {
        local before after
        before=$(ctl limits get acme)
        says 'weight 200 -> 500 \(not done: --dry-run\)' ctl limits set --dry-run acme weight=500
        t_wait 5 is_running "$(sleeper acme)"
        says 'queue-concurrency' ctl run --test-only -t acme -- /bin/true
        says '^before: .*acme .*after: .*acme ' ctl simulate --since 1d --set acme.weight=500
        fails 3 '"nosuch"' ctl simulate --since 1d --set nosuch.weight=2
        says '^before: .*web .*after: .*web ' \
                ctl simulate --workload "$D_TOP/tests/sim/mixed.workload" --set web.reserved=2 --svg "$D/web.svg"
        t_match "$(head -c 200 "$D/web.svg")" '<svg'
        says '^acme: 1 job would be cancelled$' ctl cancel --dry-run acme
        says '^host: would be drained; 0 jobs wait there now$' ctl drain --dry-run host
        after=$(ctl limits get acme)
        t_eq "$after" "$before" "limits"
        all_end
}

d_case "1: is the host fit?" host_is_fit
d_case "2: why does it not start?" why_it_does_not_start
d_case "3: who uses the host now?" who_uses_the_host
d_case "4: more for two hours, who changed what, back" more_for_two_hours
d_case "5: as another one, and fifty tenants at once" fifty_at_once
d_case "6: what failed last night, and once more" what_failed
d_case "7: a tenant's output fills its bound" output_is_bounded
d_case "8: over a restart and a kill" restart_loses_nothing
d_case "9: a tenant is removed, and archived" tenant_goes
d_case "10: in scripts" in_scripts
d_case "11: many tenants and jobs on 80 columns" many_on_80_columns
d_case "12: what would happen if" what_if
d_report
t_summary
