#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run -w -i: a job reads what its client reads, while both run; and what becomes of that when one of them, or what is
# between them, goes away.

# shellcheck disable=SC2016 # the jobs' shells expand it
# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init
ERR=$D/stage/err

# Descriptors of the engine.
fds() {
        find "/proc/$(d_engine)/fd" -mindepth 1 | wc -l
}
FDS=$(fds)

fds_are_closed() {
        [ "$(fds)" -le "$FDS" ]
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
        t_match "$(ctl run -t acme -w -i --quiet -- readlink /proc/self/fd/0 </dev/zero)" '^pipe:' "never what the caller has"
}

# What can't be read is not taken for its end.
is_not_to_be_read() {
        d_status 1 ctl run -t acme -w -i --quiet -- cat <"$D/stage" 2>"$ERR"
        t_match "$(cat "$ERR")" 'standard input: Is a directory: the job has got only a part'
}

# On a terminal ^C is not asked about: what is typed is the job's.
on_a_terminal() {
        local said job
        said=$("$D_PYTHON" "$(dirname "$0")/terminal.py" wait='job (\d+)' type='hello\n' wait='got hello' type='\x03' -- \
                "$D/bin/tenantqctl" run -t acme -w -i -- sh -c 'read x; echo "got $x"; cat; echo end' || true)
        t_match "$said" 'job [0-9]+ goes on: tenantqctl logs -f'
        job=$(grep -o 'job [0-9]*' <<<"$said" | head -n 1 | cut -d' ' -f2)
        t_eq "$(verdict "$job")" "exit 0"
        t_match "$(ctl logs "$job")" end "its input has ended with us"
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
        ctl resume acme
        fed_ends early 0
        t_eq "$(cat "$D/stage/early.out")" "said early"
        t_wait 5 fds_are_closed
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
        t_wait 5 fds_are_closed
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
        t_eq "$(verdict "$job")" "spawn (input: its client has gone, the daemon was started anew, or a first launch failed)"
        fed_ends lost 99
        exec 7>&-
        t_eq "$(ctl --json status "$job" | d_json "j['jobs'][0]['started_usec']")" null "when it started"
        FDS=$(fds)
}

# Many that wait, and another tenant's beside.
many_wait() {
        local i pids=()
        ctl pause acme -m test
        for i in $(seq 20); do
                "$D/bin/tenantqctl" run -t acme -w -i --quiet -- cat <<<"$i" >"$D/stage/many$i" &
                pids+=($!)
        done
        t_wait 10 waits_for acme 20
        t_eq "$(echo theirs | ctl run -t globex -w -i --quiet -- cat)" theirs "another tenant's"
        limit acme concurrency=8
        ctl resume acme
        wait "${pids[@]}"
        unlimit acme concurrency
        for i in $(seq 20); do
                t_eq "$(cat "$D/stage/many$i")" "$i" "output"
        done
        t_wait 10 fds_are_closed
}

# A launch that fails for now comes again, with the same input; who has gone meanwhile is counted no more, and his job
# does not run without him.
launched_again() {
        local slice=$D_CGROUP/acme.slice job
        t_eq "$(ctl run -t acme -w --quiet -- echo there)" there "a slice"
        echo 0 >"$slice/cgroup.max.descendants"
        fed later cat
        exec 7>"$D/stage/later.in"
        job=$(fed_job later)
        fed never cat
        exec 8>"$D/stage/never.in"
        fed_job never >/dev/null
        sleep 1
        kill -KILL "$(cat "$D/stage/never.pid")"
        wait "$(cat "$D/stage/never.pid")" 2>/dev/null || true
        exec 8>&-
        echo max >"$slice/cgroup.max.descendants"
        echo late >&7
        exec 7>&-
        fed_ends later 0
        t_eq "$(cat "$D/stage/later.out")" late "output"
        t_eq "$(verdict "$(fed_job never)")" "spawn (input: its client has gone, the daemon was started anew, or a first launch failed)" "without a client"
        t_wait 10 fds_are_closed
}

# What a limit refuses takes no number from others.
refused_beside() {
        limit acme queue_depth=0
        ctl pause globex -m test
        d_status 8 ctl run -t acme -w -i --quiet -- cat </dev/null 2>"$ERR"
        t_match "$(cat "$ERR")" queue_depth
        unlimit acme queue_depth
        ctl resume globex
        t_eq "$(echo x | ctl run -t globex -w -i --quiet -- cat)" x "another's, with the same number"
}

waits_for() {
        [ "$(ctl ps -n 1000 --noheadings -o job "$1" | wc -l)" -eq "$2" ]
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

# What would not be read is not taken.
other_text() {
        local client
        client=$("$D_PYTHON" -c '
import os, sys
sys.path.insert(0, sys.argv[1])
import bus
b = bus.Bus()
try:
    b.ask("SubmitInput", "say", "acme", b"[Job]\nExecStart=/bin/true\n")
    print("taken")
except bus.Error as e:
    print(e)' "$(dirname "$0")" 2>&1) || true
        t_eq "$client" org.tenantq.Error.Invalid
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
d_case "what can't be read" is_not_to_be_read
d_case "on a terminal" on_a_terminal
d_case "a job that does not read" is_not_read
d_case "a client that is killed is the end of the input" client_goes
d_case "what is given before the job starts" waits_with_it
d_case "a job that is cancelled before it starts" is_cancelled
d_case "an engine that is killed before the job starts" engine_goes
d_case "many at once" many_wait
d_case "a launch that is tried again" launched_again
d_case "what is refused" refused_beside
d_case "no job without a client" has_no_client
d_case "no job that does not want it" other_text
d_case "no second attempt" is_not_read_twice
d_report
t_summary
