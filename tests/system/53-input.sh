#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run -w -i: a job reads what its client reads, while both run; and what becomes of that when one of them, or what is
# between them, goes away.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init
ERR=$D/stage/err

# Descriptors of the engine that are pipes.
pipes() {
        find "/proc/$(d_engine)/fd" -lname 'pipe:*' | wc -l
}
PIPES=$(pipes)

pipes_are_closed() {
        [ "$(pipes)" -eq "$PIPES" ]
}

# fed NAME COMMAND…: run -w -i of acme in the background, which reads the fifo $D/stage/NAME.in; the job's number.
fed() {
        local name=$1
        shift
        mkfifo "$D/stage/$name.in"
        "$D/bin/tenantqctl" run -t acme -w -i -- "$@" <"$D/stage/$name.in" >"$D/stage/$name.out" 2>"$D/stage/$name.err" &
        echo $! >"$D/stage/$name.pid"
}

fed_job() {
        t_wait 5 grep -q '^job' "$D/stage/$1.err"
        sed -n 's/^job //p' "$D/stage/$1.err"
}

# fed_ends NAME STATUS
fed_ends() {
        d_status "$2" wait "$(cat "$D/stage/$1.pid")"
}

holds_line() {
        [ "$(tail -n 1 "$1")" = "$2" ]
}

# While they run -----------------------------------------------------------------------------------

line_by_line() {
        fed lines sh -c 'while read -r x; do echo "got $x"; done; echo end'
        exec 7>"$D/stage/lines.in"
        for x in one two three; do
                echo "$x" >&7
                t_wait 5 holds_line "$D/stage/lines.out" "got $x"
        done
        exec 7>&-
        fed_ends lines 0
        t_eq "$(tr '\n' ' ' <"$D/stage/lines.out")" 'got one got two got three end ' output
}

more_than_fits() {
        local data=$D/stage/data
        head -c 50000000 /dev/urandom >"$data"
        t_eq "$(ctl run -t acme -w -i --quiet -- sha256sum <"$data")" "$(sha256sum <"$data")" "50 MB, any bytes"
        rm "$data"
}

opens_it_again() {
        t_eq "$(echo x | ctl run -t acme -w -i --quiet -- cat /dev/stdin)" x /dev/stdin
        t_match "$(ctl run -t acme -w -i --quiet -- readlink /proc/self/fd/0 <"$D/stage")" '^pipe:' "never what the caller has"
}

# A client that goes on writing ends all the same.
is_not_read() {
        local status=0
        timeout 20 "$D/bin/tenantqctl" run -t acme -w -i --quiet -- true </dev/zero || status=$?
        t_eq "$status" 0 "its exit status"
        status=0
        timeout 20 "$D/bin/tenantqctl" run -t acme -w -i --quiet -- sh -c 'exec <&-; sleep 0.2; exit 3' </dev/zero || status=$?
        t_eq "$status" 3 "of one that closes it"
}

client_goes() {
        local job
        fed goes sh -c 'cat >/dev/null; echo "all read"'
        exec 7>"$D/stage/goes.in"
        job=$(fed_job goes)
        t_wait 5 d_state_is "$job" running
        kill -KILL "$(cat "$D/stage/goes.pid")"
        exec 7>&-
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job")" "all read"
        wait "$(cat "$D/stage/goes.pid")" 2>/dev/null || true
}

# Before it starts ---------------------------------------------------------------------------------

waits_with_it() {
        local job
        ctl pause acme -m test
        fed early cat
        printf 'said early' >"$D/stage/early.in"
        job=$(fed_job early)
        d_state_is "$job" queued || t_fail "it is not queued"
        t_eq "$(pipes)" $((PIPES + 1)) "pipes meanwhile"
        ctl resume acme
        fed_ends early 0
        t_eq "$(cat "$D/stage/early.out")" "said early"
        t_wait 5 pipes_are_closed
}

is_cancelled() {
        local job
        ctl pause acme -m test
        fed off cat
        exec 7>"$D/stage/off.in"
        job=$(fed_job off)
        ctl cancel "$job"
        fed_ends off 99
        exec 7>&-
        ctl resume acme
        t_wait 5 pipes_are_closed
}

# It is not run with another input than its client's.
engine_goes() {
        local job
        ctl pause acme -m test
        fed lost cat
        exec 7>"$D/stage/lost.in"
        echo something >&7
        job=$(fed_job lost)
        kill -KILL "$(d_engine)"
        t_wait 10 d_answers
        ctl resume acme
        t_eq "$(verdict "$job")" "spawn (input: a restart of the daemon has lost what its client gives it)"
        fed_ends lost 99
        exec 7>&-
        t_eq "$(ctl --json status "$job" | d_json "j['jobs'][0]['started_usec']")" null "when it started"
        PIPES=$(pipes)
}

# One tenant's leave room for others.
is_bounded() {
        local i busy=0 taken=0 name pids=()
        ctl pause acme -m test
        ctl pause globex -m test
        for i in $(seq 40); do
                mkfifo "$D/stage/many$i"
                "$D/bin/tenantqctl" run -t acme -w -i -- cat <"$D/stage/many$i" >/dev/null 2>"$D/stage/many$i.err" &
                pids+=($!)
                exec 7>"$D/stage/many$i"
                t_wait 5 test -s "$D/stage/many$i.err"
                exec 7>&-
        done
        for i in $(seq 40); do
                name=$D/stage/many$i.err
                if grep -q '^job' "$name"; then
                        taken=$((taken + 1))
                elif grep -q 'too many jobs with StandardInput=client wait' "$name"; then
                        busy=$((busy + 1))
                fi
        done
        t_eq "$taken $busy" "32 8" "taken and refused"
        t_eq "$(pipes)" $((PIPES + 32)) "pipes"
        t_eq "$(ctl run -t globex -w -i --dry-run -- cat </dev/null)" "it would be accepted" "a trial"
        mkfifo "$D/stage/globex"
        "$D/bin/tenantqctl" run -t globex -w -i -- cat <"$D/stage/globex" >"$D/stage/globex.out" 2>/dev/null &
        pids+=($!)
        echo theirs >"$D/stage/globex"
        ctl resume acme
        ctl resume globex
        wait "${pids[@]}" || true
        t_eq "$(cat "$D/stage/globex.out")" theirs "another tenant's"
        t_wait 5 pipes_are_closed
}

# Where there is none ------------------------------------------------------------------------------

has_no_client() {
        local text='StandardInput: expected null, since nobody gives this job its input: that is for tenantqctl run -w -i'
        job StandardInput=client ExecStart=/bin/cat >"$D/stage/own.job"
        d_status 3 ctl submit -t acme "$D/stage/own.job" 2>"$ERR"
        t_eq "$(cat "$ERR")" "tenantqctl: $D/stage/own.job:2: $text" submitted
        chown 61601 "$D/stage/own.job"
        mv "$D/stage/own.job" "$D/spool/acme/own.job"
        t_wait 5 test -e "$D/spool/acme/rejected/own.reason"
        t_match "$(cat "$D/spool/acme/rejected/own.reason")" "line 2: $text" dropped
        rm -r "$D/spool/acme/rejected"
        job StandardInput=terminal | d_status 3 ctl submit -t acme - 2>"$ERR"
        t_match "$(cat "$ERR")" 'StandardInput: expected null or client' "another value"
        t_eq "$(verdict "$(put acme StandardInput=null)")" "exit 0" null
        job StandardInput=client >"$D/stage/retried.job"
        printf '[Retry]\nMaxAttempts=2\n' >>"$D/stage/retried.job"
        d_status 3 ctl validate "$D/stage/retried.job" 2>"$ERR" >&2
        t_match "$(cat "$ERR")" 'StandardInput: expected no .Retry. or OnLost=requeue beside client' "with attempts"
}

is_not_read_twice() {
        local job
        fed again cat
        exec 7>"$D/stage/again.in"
        job=$(fed_job again)
        t_wait 5 d_state_is "$job" running
        d_status 3 ctl requeue "$job" 2>"$ERR"
        t_match "$(cat "$ERR")" "job $job reads what a client gives it, once" requeue
        exec 7>&-
        fed_ends again 0
        d_status 3 ctl rerun "$job" 2>"$ERR"
        t_match "$(cat "$ERR")" 'nobody gives this job its input' rerun
}

d_case "line by line, as it comes" line_by_line
d_case "more than any buffer has room for" more_than_fits
d_case "a pipe that is the tenant's" opens_it_again
d_case "a job that does not read" is_not_read
d_case "a client that is killed is the end of the input" client_goes
d_case "what is given before the job starts" waits_with_it
d_case "a job that is cancelled before it starts" is_cancelled
d_case "an engine that is killed before the job starts" engine_goes
d_case "as many as there is room for" is_bounded
d_case "no job without a client" has_no_client
d_case "no second attempt" is_not_read_twice
d_report
t_summary
