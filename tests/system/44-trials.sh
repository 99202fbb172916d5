#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What would be done is said by --dry-run and changes nothing; what is done is kept with who and why.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # none are wanted
d_init
d_start
d_tenant acme 61053
d_tenant empty 61054
ctl limits set acme concurrency=2 >/dev/null

# A job that runs, two that wait, one of them held, and a dead letter.
make_jobs() {
        dead=$(printf '[Job]\nExecStart=/bin/false\n[Retry]\nMaxAttempts=1\n' | ctl submit -t acme -)
        ctl wait "$dead" >/dev/null || true
        ended=$(ctl run -t acme -- /bin/true)
        ctl wait "$ended" >/dev/null
        runs=$(ctl run -t acme -- /bin/sleep 1000)
        t_wait 10 d_is "$runs" running
        ctl pause acme
        waits=$(ctl run -t acme -q etl -- /bin/true)
        held=$(ctl run -t acme -q etl -- /bin/true)
        ctl hold "$held"
}

d_is() {
        [ "$(ctl --json status "$1" | d_json "j['jobs'][0]['state']")" = "$2" ]
}

# All that is recorded, without what `status` and copies note.
state() {
        ctl ledger export | grep -v '"table":"\(meta\|chain\|audit\|standings\|sums\)"'
        ctl limits get acme --json
        ctl tenants --json | d_json '[(t["tenant"], t["running"], t["waiting"]) for t in j["tenants"]]'
}

# tries WANTED ARGUMENT…: it says that, and nothing has changed by it.
tries() {
        local want=$1 said
        shift
        said=$(ctl "$@" --dry-run 2>&1) || t_fail "tenantqctl $*: $said"
        t_eq "$said" "$want" "$*"
}

nothing_is_done() {
        local before after
        before=$(state)
        tries "job $runs: would be cancelled" cancel "$runs"
        tries "job $waits: would be held" hold "$waits"
        tries "job $held: would be released" release "$held"
        tries "acme: 3 jobs would be cancelled" cancel acme
        tries "acme/etl: 2 jobs would be cancelled" cancel acme/etl
        tries "acme: 1 job would be held" hold acme
        tries "acme/etl: 1 job would be released" release acme/etl
        tries "acme: would be resumed; 2 jobs wait there now" resume acme
        tries "acme/etl: would be paused; 2 jobs wait there now" pause acme/etl
        tries "host: would be drained; 2 jobs wait there now" drain host
        tries "job $dead: would be tried again" dead retry "$dead"
        tries "acme: 1 job would be taken out" dead purge acme
        tries "job $ended: a copy would be accepted" rerun "$ended"
        tries "empty: would be user nobody's" tenant chown empty nobody
        t_eq "$(printf '[Job]\nExecStart=/bin/true\n' | ctl submit --dry-run -t acme -)" "it would be accepted" submit
        t_eq "$(ctl run --dry-run -t acme -- /bin/true)" "it would be accepted" run
        t_eq "$(ctl run --dry-run --json -t acme -- /bin/true)" '{"schema":"tenantq.submit.v1","job":null}' "run --json"
        after=$(state)
        t_eq "$after" "$before" "what is recorded and what runs"
}

# A trial refuses what the change would.
refused() {
        local said
        d_status 3 ctl hold --dry-run "$held" 2>"$D/said" || true
        said=$(cat "$D/said")
        t_match "$said" "job $held is held already"
        d_status 5 ctl cancel --dry-run "$ended" 2>"$D/said"
        d_status 3 ctl abandon --dry-run "$runs" 2>"$D/said"
        t_match "$(cat "$D/said")" "only one that was told to stop"
        d_status 3 ctl dead retry --dry-run "$ended" 2>"$D/said"
        d_status 3 ctl run --dry-run -t acme -l concurrency=9 -- /bin/true 2>"$D/said"
        d_status 3 ctl tenant keep --dry-run acme 2>"$D/said"
        t_match "$(cat "$D/said")" "it is not being removed"
        d_status 4 ctl tenant chown --dry-run acme nobody 2>"$D/said"
        t_match "$(cat "$D/said")" "of its jobs run"
        ctl limits set acme queue_depth=2 >/dev/null
        d_status 8 ctl run --dry-run -t acme -- /bin/true 2>"$D/said"
        t_match "$(cat "$D/said")" 'queue_depth'
        ctl limits unset acme queue_depth >/dev/null
}

# Whoever does it may say why, and both are kept; before and after of a switch too.
why() {
        ctl audit list --json -n 100 >/dev/null
        ctl resume -m 'window over' acme
        ctl cancel -m 'ticket 1' "$runs"
        ctl rerun -m 'ticket 2' "$ended" >/dev/null
        ctl dead purge -m 'ticket 3' "$dead"
        ctl reload -m 'ticket 4'
        ctl hold -m 'ticket 5' acme/etl >/dev/null
        t_eq "$(ctl audit list --json -n 7 | d_json '[(a["kind"], a["queue"], a["limit"], a["old"], a["new"], a["text"], a["why"]) for a in reversed(j["audit"])]')" \
                "$(printf '%s' "[[\"resume\", null, \"state\", \"paused\", \"open\", null, \"window over\"], " \
                        "[\"cancel\", null, null, null, null, \"cancelled\", \"ticket 1\"], " \
                        "[\"rerun\", null, null, null, null, \"as job $((held + 1))\", \"ticket 2\"], " \
                        "[\"dead-purge\", null, null, null, null, null, \"ticket 3\"], " \
                        "[\"reload\", null, null, null, null, null, \"ticket 4\"], " \
                        "[\"hold\", \"etl\", null, null, null, \"all jobs there\", \"ticket 5\"], " \
                        "[\"hold\", \"etl\", null, null, null, \"done: 0 jobs\", \"ticket 5\"]]")" "rows"
        d_status 3 ctl cancel -m "$(printf 'x%.0s' {1..1001})" "$held" 2>"$D/said"
        t_match "$(cat "$D/said")" 'the reason is longer than 1000 bytes'
}

# rows N: the newest ones of the audit, the oldest first, without those of reloads and of what tests ask.
rows() {
        ctl audit list --json -n 50 | d_json "[(a['kind'], a['tenant'], a['queue'], a['limit'], a['old'], a['new'], a['uid'], a['why']) for a in reversed([a for a in j['audit'] if a['kind'] == 'files'][:$1])]"
}

# A file of root's that says something else: who had it read, or nobody; also what was changed while nobody was here.
files() {
        d_tenant_file acme '[limits]' memory=512M concurrency=4 '[queue etl]' concurrency=2
        ctl reload -m 'ticket 6'
        t_eq "$(rows 3)" "$(printf '%s' '[["files", "acme", null, "memory", null, "512M", 0, "ticket 6"], ' \
                '["files", "acme", null, "concurrency", null, "4", 0, "ticket 6"], ' \
                '["files", "acme", "etl", "concurrency", null, "2", 0, "ticket 6"]]')" "by a reload"
        D_GRANTS=/mnt d_tenant_file acme '[limits]' memory=512M concurrency=4 '[queue etl]' concurrency=2
        ctl reload -m 'ticket 7'
        t_match "$(rows 1)" '"acme", null, "grants", "[0-9a-f]{8}", "[0-9a-f]{8}", 0, "ticket 7"'
        d_tenant_file acme '[limits]' memory=512M concurrency=4 '[queue etl]' concurrency=2
        ctl reload -m 'ticket 6'
        mkdir "$D/etc/profiles"
        ctl profile show default | sed 's/^rank.*/rank = no-network/' >"$D/etc/profiles/ours"
        ctl reload -m 'ticket 8'
        t_match "$(rows 1)" 'null, null, "profiles/", null, "[0-9a-f]{8}", 0, "ticket 8"'
        # Two that change in the same way are two changes, not none.
        cp "$D/etc/profiles/ours" "$D/etc/profiles/more"
        ctl reload -m 'ticket 8b'
        sed -i 's/^otherwise = .*/otherwise = kill/' "$D"/etc/profiles/*
        ctl reload -m 'ticket 8c'
        t_match "$(rows 1)" '"profiles/", "[0-9a-f]{8}", "[0-9a-f]{8}", 0, "ticket 8c"'
        d_config 'log_max=1M'
        ctl reload -m 'ticket 9'
        t_match "$(rows 1)" 'null, null, "\[host\] others", "[0-9a-f]{8}", "[0-9a-f]{8}", 0, "ticket 9"'
        rm -r "$D/etc/profiles"
        d_config
        ctl reload -m 'ticket 6'
        ctl reload -m 'nothing new'
        t_eq "$(rows 1 | grep -c 'ticket 6')" 1 "the last one, after a reload of the same"
        d_stop
        d_tenant_file acme '[limits]' memory=256M concurrency=4
        d_config '[defaults]' runtime=2h
        d_start
        t_eq "$(rows 3)" "$(printf '%s' '[["files", null, null, "[defaults] runtime", null, "2h", null, null], ' \
                '["files", "acme", "etl", "concurrency", "2", null, null, null], ' \
                '["files", "acme", null, "memory", "512M", "256M", null, null]]')" "while it was stopped"
        d_restart
        t_eq "$(rows 1 | grep -c 256M)" 1 "the last one, after a restart"
        d_tenant_file acme '[limits]' memory=nonsense
        ! ctl reload 2>/dev/null || t_fail "a bad file was taken"
        t_eq "$(rows 1 | grep -c 256M)" 1 "the last one, after a reload that was refused"
        d_tenant_file acme '[limits]' memory=1G concurrency=4
        kill -HUP "$(d_pid)"
        t_wait 5 says_files 1G
        ctl audit verify
}

says_files() {
        rows 1 | grep -q "$1"
}

# What a job is given by the command line, byte by byte; what its caller does not have is no empty variable.
named() {
        local job
        # shellcheck disable=SC2016 # the job's shell expands it
        job=$(ODD=$' a "b" \\c\n\td ' ctl run -t acme --name nightly -e ODD -e 'EMPTY=' -e 'X=1 2' -- /bin/sh -c 'printf "%s|%s|%s" "$ODD" "$EMPTY" "$X"')
        ctl wait "$job" >/dev/null
        t_eq "$(ctl logs "$job"; echo .)" "$(printf ' a "b" \\c\n\td ||1 2.')" "its variables"
        t_eq "$(ctl --json status "$job" | d_json "j['jobs'][0]['name']")" nightly
        d_status 2 ctl run -t acme -e NOWHERE -- /bin/true 2>"$D/said"
        t_match "$(cat "$D/said")" '--env NOWHERE: the caller has no such variable'
        d_status 3 ctl run -t acme -e TENANTQ_JOB=1 -- /bin/true 2>"$D/said"
        d_status 3 ctl run -t acme --name $'a\nb' -- /bin/true 2>"$D/said"
}

# What a newer client may mean by a flag, this daemon does not know: nothing is done.
unknown_flags() {
        local before
        before=$(state)
        t_eq "$(PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$D_PYTHON" -c '
from bus import *
bus, job = Bus(), int(sys.argv[1])
for member, signature, values in (("Cancel", "tsu", (job, "", 8)), ("Hold", "tbsu", (job, 0, "", 9)),
                                  ("Switch", "sssu", ("acme", "drain", "", 2)), ("Reload", "su", ("", 16))):
    try:
        print(member, bus.ask(member, signature, *values))
    except Error as e:
        print(e)' "$held" | sort -u)" "org.freedesktop.DBus.Error.InvalidArgs" "answers"
        t_eq "$(state)" "$before" "what is recorded and what runs"
}

# A word of a file, a list or a command line is explained from the table that it is read by.
explained() {
        t_match "$(ctl explain memory_high)" 'memory\.high of the cgroup, controller memory'
        t_match "$(ctl explain io_read@/dev/vda)" 'io\.max of the cgroup'
        t_match "$(ctl explain MaxAttempts)" 'how often it is started at most
  a key of \[Retry\] of a job file; tenantq.job\(5\)'
        t_match "$(ctl explain audit_age)" 'a key of \[history\] of tenantq.conf'
        t_match "$(ctl explain tenant-concurrency)" 'a reason for which a job waits'
        t_match "$(ctl explain drift)" 'a kind of tenantqctl events'
        d_status 5 ctl explain meory 2>"$D/said"
        t_match "$(cat "$D/said")" 'did you mean memory\?'
}

unknown_kind() {
        d_status 2 ctl events --kind limit 2>"$D/said"
        t_match "$(cat "$D/said")" '--kind limit: there is no such kind; did you mean limits\? \(tenantqctl\(1\) lists them\)'
}

make_jobs
t_case "nothing is done" nothing_is_done
t_case "a trial refuses what the change would" refused
t_case "flags that are not known" unknown_flags
t_case "who does it may say why" why
t_case "a name and variables" named
t_case "what files say, and who had them read" files
t_case "what a word means" explained
t_case "a kind that there is not" unknown_kind
d_report
t_summary
