#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What there is of a tenant is kept, whole, before the first of it goes; or it does not go: whoever else is at it meanwhile,
# whatever fails, and whatever is killed.

# shellcheck source=ends.sh
. "$(dirname "$0")/ends.sh"

to="$D/stage/archive of acme"

archive() {
        tenant remove acme --archive "$to" "$@"
}

# slowly CALL ARG…: archive, by a tenantqctl that each such call of takes 4 s.
slowly() {
        ASAN_OPTIONS=detect_leaks=0 strace -o /dev/null -e "trace=$1" -e "inject=$1:delay_enter=4s" "$D/bin/tenantqctl" \
                tenant remove acme --config "$D/etc" --archive "$to" "${@:2}"
}

# The ledger is in it, and the output is looked for: slowly getdents64; or that is in it, too, and is brought to the disk.
calls_are_begun() {
        compgen -G "$to.*/ledger.jsonl" >/dev/null && sleep 1 # of 4 s: it is whole by then
}

output_is_there() {
        compgen -G "$to.*/output/$job.1.out" >/dev/null
}

nothing_is_left_of_it() {
        t_eq "$(find "$D/stage" -name 'archive*')$(ls -A "$D/state/orders")" "" "half an archive, or an order, ${1:-}"
}

# A tenant with a job that has ended: $job.
fresh() {
        command -v strace >/dev/null || t_skip "no strace"
        rm -rf "$to"
        again acme 61501
        job=$(ctl run -t acme -- echo kept-for-later)
        t_eq "$(verdict "$job")" "exit 0"
}

# rows EXPRESSION: of the archive's ledger.
rows() {
        "$D_PYTHON" -c 'import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
print(json.dumps(eval(sys.argv[2])))' "$to/ledger.jsonl" "$1"
}

is_of() {
        [ "$(ctl --json tenants | d_json "[t['uid'] for t in j['tenants'] if t['tenant'] == '$1'][0]")" = "$2" ]
}

# Where it can't be written, or is something already, nothing is drained.
no_place() {
        local i
        fresh
        d_status 1 tenant remove acme --archive "$D/stage" 2>"$D/stage/refusal"
        t_match "$(cat "$D/stage/refusal")" "is there already"
        d_status 1 tenant remove acme --archive "$D/none/there" 2>/dev/null
        d_status 6 ctl_as 61501 61501 tenant remove acme --archive "$D/stage/theirs" 2>/dev/null
        state_is acme ready || t_fail "acme: $(ctl tenants)"
        for i in "$D/spool/acme" "$D/logs" "$D/state/ledger"; do
                d_status 2 tenant remove acme --archive "$i/archive" 2>"$D/stage/refusal"
                t_match "$(cat "$D/stage/refusal")" "expected a place outside of"
        done
        # Where somebody else could put something in its place, or root's would be led elsewhere.
        mkdir "$D/stage/theirs" "$D/stage/sticky"
        chown 61501 "$D/stage/theirs"
        chmod 1777 "$D/stage/sticky"
        ln -s "$D/stage" "$D/stage/theirs/link"
        chown -h 61501 "$D/stage/theirs/link"
        for i in "$D/stage/theirs" "$D/stage/sticky"; do
                d_status 2 tenant remove acme --archive "$i/archive" 2>"$D/stage/refusal"
                t_match "$(cat "$D/stage/refusal")" "expected a directory of root's that nobody else can write: $i is not"
        done
        d_status 1 tenant remove acme --archive "$D/stage/theirs/link/archive" 2>/dev/null
        state_is acme ready || t_fail "acme: $(ctl tenants)"
        nothing_is_left_of_it
        rm -r "$D/stage/theirs" "$D/stage/sticky"
}

# On a full disk it is said which, in one line, however many files there are.
no_room() {
        local i
        fresh
        for i in {1..30}; do
                ctl run -t acme -- head -c 20000 /dev/zero >/dev/null
        done
        t_wait 20 d_is_idle
        mkdir -p "$D/stage/full"
        mount -t tmpfs -o mode=700,size=256k none "$D/stage/full"
        d_status 1 tenant remove acme --archive "$D/stage/full/archive" 2>"$D/stage/refusal"
        t_match "$(cat "$D/stage/refusal")" "tenantqctl: $D/stage/full/archive: .*No space left on device .and more."
        t_eq "$(grep -c "No space" "$D/stage/refusal")" 1 "lines that say so"
        head -c 250000 /dev/zero >"$D/stage/full/fill" || true
        d_status 1 tenant remove acme --archive "$D/stage/full/archive" 2>"$D/stage/refusal"
        t_match "$(cat "$D/stage/refusal")" "$D/stage/full/archive/ledger.jsonl: No space left on device"
        t_eq "$(ls "$D/stage/full")" fill "what is left there"
        umount "$D/stage/full"
        rmdir "$D/stage/full"
        t_eq "$(ctl logs "$job")" kept-for-later "its output"
}

whole() {
        local gate
        fresh
        ctl run -t globex -w -- echo of-another >/dev/null
        ctl limits set acme weight=77 -m "why it has that" >/dev/null
        gate=$(d_gate_make archive)
        ctl run -t acme -- sh -c "read x <$gate; echo the-last" >/dev/null
        # Interrupted, it waits, and is kept.
        d_status 124 timeout 2 "$D/bin/tenantqctl" tenant remove acme --config "$D/etc" --archive "$to" 2>"$D/stage/said"
        t_match "$(cat "$D/stage/said")" "waits for its jobs: 1 running"
        rm -f "$D/state/orders/.acme.lock" # of one that was killed
        nothing_is_left_of_it
        ctl tenant keep acme >/dev/null
        state_is acme ready || t_fail "acme: $(ctl tenants)"
        # Over a restart of the daemon.
        (sleep 1 && d_restart && sleep 1 && d_gate_open archive) &
        t_match "$(archive -m archived 2>"$D/stage/said")" "acme: removed
what there was of it is in $to"
        wait
        t_lacks "$(cat "$D/stage/said")" "order is not there" "what was asked for"
        nothing_of acme
        t_eq "$(stat -c %a "$to")" 700 "mode of the archive"
        t_eq "$(rows '[r["id"] for r in rows if r["table"] == "jobs"] == sorted(r["id"] for r in rows if r["table"] == "jobs")')" true order
        t_eq "$(cat "$to/output/$job.1.out")" kept-for-later output
        t_eq "$(find "$to/output" -name '*.out' | wc -l)" 2 "files of output"
        t_eq "$(rows 'sorted({r["table"] for r in rows})')" '["attempts", "audit", "files", "jobs", "ledger", "limits", "standings", "tenants"]'
        t_eq "$(rows '[r["spec"].count("kept-for-later") for r in rows if r["table"] == "jobs" and r["id"] == '"$job"']')" "[1]" "its job file"
        t_eq "$(rows '[(r["new_value"], r["why"]) for r in rows if r["table"] == "audit" and r["name"] == "weight"]')" '[["77", "why it has that"]]'
        t_eq "$(rows '{r["name"] for r in rows if r["table"] == "tenants"} == {"acme"}')" true "whose it is"
        t_lacks "$(cat "$to/ledger.jsonl")" of-another "another tenant's"
}

# What fails, or is interrupted, leaves nothing, and the tenant; a file system without flags of rename has it.
fails() {
        local i
        fresh
        for i in renameat2:error=EIO getdents64:signal=TERM syncfs:error=EIO; do
                ASAN_OPTIONS=detect_leaks=0 d_status 1 strace -o /dev/null -e "trace=${i%%:*}" -e "inject=$i" "$D/bin/tenantqctl" tenant remove acme \
                        --config "$D/etc" --archive "$to" 2>"$D/stage/said"
                t_match "$(cat "$D/stage/said")" "acme: takes nothing, and nothing of it was deleted"
                nothing_is_left_of_it "$i"
                t_eq "$(ctl logs "$job")" kept-for-later "its output after $i"
        done
        ASAN_OPTIONS=detect_leaks=0 strace -o /dev/null -e trace=renameat2 -e inject=renameat2:error=EINVAL "$D/bin/tenantqctl" tenant remove acme \
                --config "$D/etc" --archive "$to" >/dev/null
        nothing_of acme
        t_eq "$(cat "$to/output/$job.1.out")" kept-for-later output
}

# Killed, it leaves half an archive under another name, and a tenant that is removed or kept as before.
is_killed() {
        local pid
        fresh
        slowly getdents64 2>/dev/null &
        t_wait 5 calls_are_begun
        pid=$(pgrep -f "tenantqctl tenant remove acme --config $D/etc" | tail -n 1)
        kill -KILL "$pid"
        wait $! || true
        [ ! -e "$to" ] || t_fail "it has the name of a whole one"
        t_eq "$(ctl logs "$job")" kept-for-later "its output"
        rm -rf "$to".*
        archive >/dev/null
        nothing_of acme
        t_eq "$(cat "$to/output/$job.1.out")" kept-for-later output
}

# One that was started with nohup(1) goes on when the terminal goes.
hangup() {
        local pid
        fresh
        (
                trap '' HUP
                slowly getdents64 >"$D/stage/said" 2>&1
        ) &
        t_wait 5 calls_are_begun
        pid=$(pgrep -f "^$D/bin/tenantqctl tenant remove acme --config $D/etc")
        kill -HUP "$pid"
        wait $! || t_fail "$(cat "$D/stage/said")"
        t_eq "$(cat "$to/output/$job.1.out")" kept-for-later output
        nothing_of acme
}

# Two at a time: the second waits for its turn, and is refused if that takes long.
two_at_once() {
        fresh
        archive >"$D/stage/said" 2>&1
        t_match "$(cat "$D/stage/said")" "acme: removed
what there was of it is in $to"
        t_lacks "$(cat "$D/stage/said")" "order" "what one that nothing is in the way of says"
        fresh
        slowly getdents64 >"$D/stage/said" 2>&1 &
        t_wait 5 calls_are_begun
        d_status 4 tenant remove acme 2>"$D/stage/refusal"
        t_match "$(cat "$D/stage/refusal")" "acme: another tenantqctl has to do with it"
        wait $! || t_fail "$(cat "$D/stage/said")"
        t_eq "$(cat "$to/output/$job.1.out")" kept-for-later output
        nothing_of acme
        # One that goes already is not archived, however far that got: what was archived could be half of it.
        fresh
        mkdir "$D/spool/acme/mnt"
        mount -t tmpfs none "$D/spool/acme/mnt"
        tenant remove acme >/dev/null 2>&1 &
        t_wait 5 is_begun
        d_status 4 archive 2>"$D/stage/refusal"
        t_match "$(cat "$D/stage/refusal")" "acme: what there is of it goes already"
        umount "$(findmnt -rno TARGET | grep "^$D/spool/.*/mnt$")" # moved aside by now
        wait $!
        nothing_of acme
        nothing_is_left_of_it
}

is_begun() {
        [ -e "$D/state/orders/acme.begun" ]
}

# Kept while it is archived, or while that is brought to the disk, it is kept, with all that has run since.
is_kept() {
        local call late status
        for call in getdents64 syncfs; do
                fresh
                slowly "$call" >/dev/null 2>"$D/stage/said" &
                if [ "$call" = syncfs ]; then
                        t_wait 5 output_is_there
                else
                        t_wait 5 calls_are_begun
                fi
                ctl tenant keep acme >/dev/null
                late=$(ctl run -t acme -- echo late)
                t_eq "$(verdict "$late")" "exit 0"
                status=0
                wait $! || status=$?
                t_eq "$status" 4 "exit status, kept at $call"
                t_match "$(cat "$D/stage/said")" "acme: .*(kept it meanwhile|was not done|was taken back)"
                t_lacks "$(cat "$D/stage/said")" "takes nothing" "which is not so"
                state_is acme ready || t_fail "acme: $(ctl tenants)"
                t_eq "$(ctl logs "$late")" late "its output, kept at $call"
                t_eq "$(ls -A "$D/state/orders")" "" "orders, kept at $call"
        done
        tenant remove acme >/dev/null
}

# That the daemon is away for a moment is nobody's word.
daemon_is_away() {
        local pid
        fresh
        slowly getdents64 >"$D/stage/said" 2>&1 &
        pid=$!
        t_wait 5 calls_are_begun
        d_stop
        sleep 5
        d_start
        wait "$pid" || t_fail "$(cat "$D/stage/said")"
        t_eq "$(cat "$to/output/$job.1.out")" kept-for-later output
        nothing_of acme
}

# With jobs that would not end; and with a former owner's that still run.
of_jobs() {
        fresh
        ctl run -t acme -- sleep 1000 >/dev/null
        archive --cancel >/dev/null 2>&1
        nothing_of acme
        t_eq "$(rows '[r["verdict"] for r in rows if r["table"] == "jobs"]')" '["exit 0", "cancelled"]'
        fresh
        job=$(ctl run -t acme -- sh -c "trap 'echo last; exit 0' TERM; echo first; while :; do sleep 0.1; done")
        t_wait 5 d_state_is "$job" running
        chown 61512:61512 "$D/spool/acme"
        t_wait 5 is_of acme 61512
        archive --cancel >/dev/null 2>&1
        nothing_of acme
        t_eq "$(rows '[(r["state"], r["verdict"]) for r in rows if r["table"] == "jobs"][-1]')" '["done", "exit 0"]'
        t_eq "$(cat "$to"/output*/"$job".1.out)" "first
last" "what it wrote"
}

# Jobs of a former owner are the name's, wherever it is asked for.
of_formers() {
        local said
        fresh
        ctl pause acme >/dev/null
        ctl run -t acme -- true >/dev/null
        chown 61512:61512 "$D/spool/acme"
        t_wait 5 is_of acme 61512
        t_match "$(tenant remove acme --dry-run)" "1 jobs that wait
1 jobs that have ended"
        said=$(timeout 2 "$D/bin/tenantqctl" tenant remove acme --config "$D/etc" 2>&1) || true
        t_match "$said" "waits for its jobs: 0 running, 1 waiting .1 of them former owners', which end when cancelled.; tenant remove --cancel ends them"
        ctl tenant keep acme >/dev/null
        tenant remove acme --cancel >/dev/null 2>&1
        # One that runs: another name is refused, and it is said where to look.
        fresh
        job=$(ctl run -t acme -- sleep 1000)
        t_wait 5 d_state_is "$job" running
        chown 61512:61512 "$D/spool/acme"
        t_wait 5 is_of acme 61512
        d_status 4 tenant rename acme other --dry-run 2>/dev/null
        d_status 4 tenant rename acme other 2>"$D/stage/refusal"
        said=$(sed -n 's/.*(tenantqctl ps \([^;)]*\).*/\1/p' "$D/stage/refusal")
        t_match "$(ctl ps "$said")" "$job"
        tenant remove acme --cancel >/dev/null 2>&1
}

# That root's order can't be read is not that there is none.
order_not_read() {
        local pid
        fresh
        pid=$(cat "$D/pid")
        strace -qq -f -p "$pid" -o /dev/null -e trace=openat -P "$D/state/orders/acme" -P "$D/state/orders/acme.begun" \
                -e inject=openat:error=EMFILE:when=1..2 2>/dev/null &
        sleep 0.5
        t_eq "$(tenant remove acme 2>&1)" "acme: removed"
        kill %%
        wait $! || true
        nothing_of acme
}

d_case "no place for it" no_place
d_case "no room for it" no_room
d_case "it is whole" whole
d_case "it fails" fails
d_case "it is killed" is_killed
d_case "it goes on without a terminal" hangup
d_case "two at once" two_at_once
d_case "kept meanwhile" is_kept
d_case "the daemon is away" daemon_is_away
d_case "jobs that would not end" of_jobs
d_case "jobs of a former owner" of_formers
d_case "the order can't be read" order_not_read

d_report
t_summary
