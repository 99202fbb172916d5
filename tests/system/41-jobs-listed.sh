#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which jobs are listed and in which order, what is shown of one, and the pager.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# said_of COMMAND…: its standard error, and its exit status.
said_of() {
        local status=0
        { "$@" >/dev/null; } 2>&1 || status=$?
        echo "$status"
}

# numbers ARG…: the jobs that ps lists, in its order.
numbers() {
        ctl ps --noheadings -o job "$@" | paste -sd' '
}

# Order ----------------------------------------------------------------------------------------

# What runs, the oldest first; then by turn, then what waits for something else, then what has ended.
in_order() {
        local gate old new first second urgent other later held a b
        gate=$(d_gate_make order)
        a=$(put acme)
        verdict "$a" >/dev/null
        b=$(put acme)
        verdict "$b" >/dev/null
        old=$(put acme Queue=q "$(waits 0)")
        new=$(put globex Queue=q "$(waits 0)")
        t_wait 10 d_state_is "$old" running
        t_wait 10 d_state_is "$new" running
        later=$(put acme Queue=q "StartAfter=$(at 3600)")
        held=$(put acme Queue=q)
        ctl hold "$held"
        first=$(put acme Queue=q)
        second=$(put acme Queue=q)
        urgent=$(put acme Queue=q Priority=5)
        other=$(put acme Queue=r "$(waits 0)")
        t_wait 10 d_state_is "$other" running
        t_eq "$(numbers acme)" "$old $other $urgent $first $second $held $later" "jobs of acme"
        t_eq "$(numbers -n 4 acme)" "$old $other $urgent $first" "the first of them"
        t_eq "$(ctl ps -n 4 acme | tail -n 1)" "(the first 4; more with -n)" "what is said of the rest"
        t_eq "$(numbers -a acme)" "$old $other $urgent $first $second $held $later $b $a" "all of acme"
        t_eq "$(numbers)" "$old $new $other $urgent $first $second $held $later" "jobs of all"
        t_eq "$(ctl --json ps -a acme | d_json '" ".join(str(r["job"]) for r in j["jobs"])')" "$(numbers -a acme)" "as JSON"
        ctl cancel "$later" "$held"
        d_gate_open order
        t_wait 10 d_is_idle
}

# The tenants take turns, and those that are paused come last.
by_turns() {
        local gate i a=() b=() c=() runs
        gate=$(d_gate_make turns)
        scheduler max_jobs=1
        runs=$(put initech Queue=r "$(waits 0)")
        t_wait 10 d_state_is "$runs" running
        for i in 1 2 3; do
                a+=("$(put acme Queue=q)")
                b+=("$(put globex Queue=q)")
                c+=("$(put initech Queue=q)")
        done
        ctl pause acme
        t_eq "$(numbers)" "$runs ${b[0]} ${c[0]} ${b[1]} ${c[1]} ${b[2]} ${c[2]} ${a[0]} ${a[1]} ${a[2]}" order
        ctl resume acme
        d_gate_open turns
        scheduler max_jobs=500
        t_wait 10 d_is_idle
}

# Filters --------------------------------------------------------------------------------------

# Each way of asking, and what comes of it; ok, bad, odd, run and hold stand for the jobs.
filters() {
        local ok bad odd run held gate row want args name
        declare -A job
        gate=$(d_gate_make filters)
        d_tenant umbrella 61604
        ok=$(put umbrella Name=nightly-a Queue=etl "Labels=team=billing kind=export")
        bad=$(put umbrella Name=nightly-b Queue=etl Labels=team=web "ExecStart=/bin/false")
        verdict "$ok" >/dev/null
        verdict "$bad" >/dev/null
        odd=$(put umbrella Name=cancelled Queue=web "StartAfter=$(at 3600)")
        ctl cancel "$odd"
        verdict "$odd" >/dev/null
        run=$(put umbrella Name=nightly-c Queue=etl 'Labels="team=the web"' "$(waits 0)")
        t_wait 10 d_state_is "$run" running
        ctl pause umbrella/web
        held=$(put umbrella Name=weekly Queue=web)
        ctl hold "$held"
        ctl resume umbrella/web
        job=([ok]=$ok [bad]=$bad [odd]=$odd [run]=$run [held]=$held)
        while IFS='|' read -r want args; do
                row=
                for name in $want; do row+=" ${job[$name]}"; done
                # shellcheck disable=SC2086 # words
                t_eq "$(numbers $args umbrella)" "${row# }" "ps $args"
        done <<'END'
run held|
run held odd bad ok|-a
run|--state running
run held|--state running,held
held|--filter state=held
odd bad ok|--state done
run odd bad ok|--state done,running
bad|--failed
bad|--filter failed=yes
ok|--filter failed=no
run|--name nightly-*
run bad ok|-a --name nightly-*
bad|-a --name nightly-[ab] --failed
run|--name nightly-c
|--name nightly
run bad ok|-a --filter queue=etl
held odd|-a --filter queue=w*
run bad ok|-a --filter label=team
ok|-a --filter label=team=billing
run bad|-a --filter label=team=*web
ok|-a --filter label=team --filter label=kind=export
|-a --filter label=export
run held odd bad ok|--since 1h
run held|--since 2100-01-01
bad|--since 1h --failed --filter queue=etl
bad|--failed --filter name=nightly-b
END
        t_eq "$(ctl ps --name nobody umbrella)" "no such jobs" "nothing"
        t_eq "$(ctl --json ps --name nobody umbrella | d_json 'j["jobs"]')" "[]" "nothing, as JSON"
        ctl release "$held"
        d_gate_open filters
        t_wait 10 d_is_idle
}

# What is left out makes no room for itself: those that match are found behind many others.
behind_many() {
        local first
        first=$(put globex Name=needle ExecStart=/bin/false)
        verdict "$first" >/dev/null
        ctl pause globex
        client submit globex 1200 $'[Job]\nName=hay@\nExecStart=/bin/true\n' >/dev/null
        t_eq "$(numbers -n 1 --name hay0 globex | wc -w)" 1 "the first in line"
        t_eq "$(numbers -n 1 --name hay1199 globex | wc -w)" 1 "the last in line"
        t_eq "$(numbers -n 3 -a --failed globex | awk '{ print $1 }')" "$first" "one that has ended"
        t_eq "$(numbers -n 10000 globex | wc -w)" 1200 "all"
        t_eq "$(numbers -n 10000 globex | tr ' ' '\n' | sort -un | wc -l)" 1200 "each once"
        ctl cancel globex >/dev/null
        ctl resume globex
        t_wait 20 d_is_idle
}

wrong_filters() {
        local words="scheduled, held, queued, starting, running, stopping, done, retrying, ending"
        t_eq "$(said_of ctl ps --state runing)" "tenantqctl: state \"runing\": there is no such one; did you mean running?; there are $words
2"
        t_eq "$(said_of ctl ps --state running,)" "tenantqctl: state \"\": there is no such one; there are $words
2"
        t_eq "$(said_of ctl ps --filter stat=running)" \
                'tenantqctl: --filter "stat": there is no such one; did you mean state?; there are failed, label, name, queue, since, state
2'
        t_eq "$(said_of ctl ps --filter running)" 'tenantqctl: --filter "running": expected FIELD=VALUE
2'
        t_eq "$(said_of ctl ps --filter failed=1)" 'tenantqctl: failed "1": expected yes or no
2'
        t_match "$(said_of ctl ps --since never)" '^tenantqctl: --since "never": expected a time span such as 2h'
        t_match "$(said_of ctl tenants --state ready)" '^tenantqctl: tenants takes no --state; usage: '
        t_match "$(said_of ctl ps -n 0)" '^tenantqctl: --lines "0": expected a number from 1 to 10000'
}

# One job --------------------------------------------------------------------------------------

# logs -n N prints what tail(1) does, whatever the end looks like.
last_lines() {
        local text n job
        printf '%s' "$(seq 3000)" >"$D/stage/long"
        for text in '' '\n' 'a' 'a\n' 'a\nb' 'a\n\nb\n' '\n\n\n' 'one\ntwo\nthree\n' "$(sed 's/$/\\n/' "$D/stage/long" | tr -d '\n')"; do
                # shellcheck disable=SC2016 # the job's shell
                job=$(ctl run -t acme -- sh -c 'printf "$0"; printf "$0" >&2' "$text")
                verdict "$job" >/dev/null
                # shellcheck disable=SC2059 # meant so
                printf "$text" >"$D/stage/text"
                for n in 1 2 3 10 2999 3000 10000; do
                        tail -n "$n" "$D/stage/text" >"$D/stage/want"
                        ctl logs -n "$n" "$job" >"$D/stage/out" 2>"$D/stage/err"
                        cmp "$D/stage/want" "$D/stage/out" || t_fail "logs -n $n of $(head -c 40 <<<"$text")"
                        cmp "$D/stage/want" "$D/stage/err" || t_fail "logs -n $n of $(head -c 40 <<<"$text"), errors"
                done
        done
        d_status 2 ctl logs -n 0 "$job" 2>/dev/null
        d_status 2 ctl logs -n many "$job" 2>/dev/null
}

# Process $1 has been to the end of what there is.
watches() {
        [[ "$(readlink /proc/"$1"/fd/*)" = *inotify* ]]
}

# With -f they are the beginning of what follows.
last_lines_followed() {
        local gate job
        gate=$(d_gate_make followed)
        job=$(ctl run -t acme -- sh -c "seq 5; read x <$gate; echo more")
        t_wait 10 grep -q 5 "$D/logs/acme/$job.1.out"
        "$D/bin/tenantqctl" logs -f -n 2 "$job" >"$D/stage/two" &
        t_wait 10 watches $!
        "$D/bin/tenantqctl" logs -f -n 0 "$job" >"$D/stage/none" &
        t_wait 10 watches $!
        d_gate_open followed
        wait
        t_eq "$(paste -sd' ' "$D/stage/two")" "4 5 more" "logs -f -n 2"
        t_eq "$(cat "$D/stage/none")" more "logs -f -n 0"
}

# As it was handed in, to the byte; on a terminal what it says is not done.
spec() {
        local job
        printf '# \342\200\256red\n[Job]\n\nName=sp\303\244t  \nExecStart=/bin/true\n# %01000d\n# the end' 7 >"$D/stage/spec"
        job=$(ctl submit -t acme "$D/stage/spec")
        ctl status --spec "$job" >"$D/stage/got"
        cmp "$D/stage/spec" "$D/stage/got" || t_fail "another file"
        ctl_as 61601 61601 status --spec "$job" | cmp "$D/stage/spec" - || t_fail "another file, to its own user"
        t_eq "$(script -qec "$D/bin/tenantqctl status --spec $job" /dev/null | tr -d '\r')" \
                "$(sed 's/\xe2\x80\xae/\\xe2\\x80\\xae/' "$D/stage/spec")" "on a terminal"
        t_eq "$(said_of ctl_as 61602 61602 status --spec "$job")" "tenantqctl: no job $job
5"
        t_eq "$(said_of ctl status --spec 999999)" "tenantqctl: no job 999999
5"
        t_eq "$(said_of ctl status --spec acme)" "tenantqctl: --spec: expected a job's number
2"
        t_eq "$(said_of ctl status --spec)" "tenantqctl: --spec: expected a job's number
2"
        t_eq "$(said_of ctl --json status --spec "$job")" "tenantqctl: --spec prints the job file as it is: without --json
2"
        verdict "$job" >/dev/null
        ctl status --spec "$job" | cmp "$D/stage/spec" - || t_fail "another file, of one that has ended"
}

# The pager ------------------------------------------------------------------------------------

# on_terminal WORD…: tenantqctl on a terminal of 80 columns and 24 lines, whose keys come from standard input.
on_terminal() {
        script -qec "stty cols 80 rows 24; $D/bin/tenantqctl $*" /dev/null | tr -d '\r'
}

# A pager that tells what it got.
pager_of_ours() {
        payload pager <<END
#!/bin/sh
{ echo "$1 LESS=\$LESS secure=\$LESSSECURE \$*"; cat; } >"$D/stage/paged"
END
}

paged() {
        local pager want verb
        client submit acme 40 $'[Job]\nName=page@\nExecStart=/bin/true\n' >/dev/null
        t_wait 20 d_is_idle
        pager=$(pager_of_ours ours)
        export TERM=xterm NO_COLOR=1 TENANTQ_PAGER="$pager with  words" PAGER=false
        for verb in "ps -a acme" tenants "limits history" "audit list" "events -n 30" "status acme" "ps --json -a"; do
                rm -f "$D/stage/paged"
                t_eq "$(on_terminal "$verb")" "" "the terminal, of $verb"
                t_eq "$(head -n 1 "$D/stage/paged")" "ours LESS=FRSXMK secure=1 with words" "its surroundings, of $verb"
                want=$(on_terminal --no-pager "$verb")
                t_eq "$(tail -n +2 "$D/stage/paged")" "$want" "what it got of $verb"
                [ "$(wc -L <<<"$want")" -le 80 ] || [[ $verb = *json* ]] || t_fail "wider than the terminal: $verb"
        done
        rm "$D/stage/paged"
        on_terminal run -w -t acme -- true >/dev/null
        on_terminal --no-pager ps -a >/dev/null
        ctl ps -a >/dev/null
        TENANTQ_PAGER='' on_terminal ps -a >/dev/null
        TENANTQ_PAGER='cat' on_terminal ps -a >/dev/null
        TERM=dumb on_terminal ps -a >/dev/null
        [ ! -e "$D/stage/paged" ] || t_fail "a pager, where there is to be none"
        unset TENANTQ_PAGER
        PAGER=$pager on_terminal ps -a acme
        t_match "$(head -n 1 "$D/stage/paged")" ^ours "\$PAGER"
        d_status 2 ctl --no-pager submit -t acme /dev/null 2>/dev/null
}

# Whoever leaves it has seen enough; its own exit code is nobody's.
pager_ends_early() {
        local status=0
        export TERM=xterm NO_COLOR=1
        TENANTQ_PAGER=false script -qec "$D/bin/tenantqctl --json ps -a -n 10000" /dev/null >"$D/stage/out" || status=$?
        t_eq "$status $(cat "$D/stage/out")" "0 " "what is said"
        status=0
        TENANTQ_PAGER='cat' script -qec "$D/bin/tenantqctl ps nobody-there" /dev/null >"$D/stage/want" || status=$?
        TENANTQ_PAGER=true script -qec "$D/bin/tenantqctl ps nobody-there" /dev/null >"$D/stage/out" || t_eq "$?" "$status" "exit status"
        cmp "$D/stage/want" "$D/stage/out" || t_fail "another error"
        t_eq "$status" 5 "exit status"
}

# less(1): what fits it leaves at once, the rest by q and by ^C; nothing is left running.
less_is_used() {
        local key
        command -v less >/dev/null || t_skip "no less"
        export TERM=xterm NO_COLOR=1 D_CTL=$D/bin/tenantqctl
        unset TENANTQ_PAGER PAGER
        t_match "$(on_terminal tenants </dev/null)" acme "a short table"
        # One that there is none of is no reason to show nothing.
        t_match "$(TENANTQ_PAGER=$D/none on_terminal tenants </dev/null)" acme "without the pager that was asked for"
        for key in q '\x03'; do
                "$D_PYTHON" - "$key" <<'PY' || t_fail "less, $key: $?"
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execv(os.environ["D_CTL"], ["tenantqctl", "ps", "-a", "acme"])
before = termios.tcgetattr(fd)
said = b""
end = time.time() + 20
while b"\n:" not in said and b"lines" not in said:
    if time.time() > end or not select.select([fd], [], [], 20)[0]:
        sys.exit("less says " + repr(said))
    said += os.read(fd, 65536)
if said.count(b"\n") > 30:
    sys.exit("more than a screen: " + repr(said))
# What is typed while less still reads may only end that: again, as one would.
key = sys.argv[1].encode().decode("unicode_escape").encode()
try:
    while time.time() < end:
        os.write(fd, key)
        while select.select([fd], [], [], 2)[0]:
            if not os.read(fd, 65536):
                raise OSError
    sys.exit("it does not end")
except OSError:
    pass
status = os.waitpid(pid, 0)[1]
if status != 0:
    sys.exit("it ended with %d" % status)
PY
        done
}

q_case "ps: what runs, what waits, what has ended" in_order
q_case "ps: by turns" by_turns
q_case "ps: filters" filters
q_case "ps: filters look behind what they leave out" behind_many
q_case "ps: wrong filters" wrong_filters
q_case "logs -n is tail -n" last_lines
q_case "logs -f -n" last_lines_followed
q_case "status --spec" spec
q_case "a pager" paged
q_case "a pager that ends early" pager_ends_early
q_case "less" less_is_used
q_case "nothing is left over" no_leftovers
d_report
t_summary
