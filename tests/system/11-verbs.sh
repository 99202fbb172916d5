#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every verb of tenantqctl answers: what it prints, in columns and in JSON, and with which status it exits.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61001
d_tenant globex 61002

# Jobs ----------------------------------------------------------------------------------------

submits() {
        local job
        say_hello submitted >"$D/stage/submitted"
        job=$(ctl submit -t acme "$D/stage/submitted")
        t_eq "$(verdict "$job")" "exit 0"
        job=$(ctl --json submit -t acme - <"$D/stage/submitted" | d_json 'j["job"]')
        t_eq "$(verdict "$job")" "exit 0"
        printf '[Job]\nExecStart=relative\n' >"$D/stage/wrong"
        d_status 3 ctl submit -t acme "$D/stage/wrong"
        d_status 5 ctl submit -t nobody-there "$D/stage/submitted"
        d_status 1 ctl submit -t acme "$D/stage/not-there"
}

runs_and_waits() {
        local out status=0
        out=$(ctl run -t acme -w -- sh -c 'echo out; echo err >&2; exit 7' 2>"$D/stage/err") || status=$?
        t_eq "$status" 7 "exit status"
        t_eq "$out" out "standard output"
        # The number comes first, so that the job can be found whatever becomes of us.
        t_match "$(head -n 1 "$D/stage/err")" '^job [0-9]+$' "the first line of standard error"
        t_eq "$(tail -n +2 "$D/stage/err")" err "standard error"
        # So does the verdict, if the exit code is not all of it.
        # shellcheck disable=SC2016 # the job's
        d_status 137 ctl run -t acme --wait -- sh -c 'kill -9 $$' 2>"$D/stage/err"
        t_match "$(tail -n 1 "$D/stage/err")" '^job [0-9]+: signal 9 \(KILL\)$'
        d_status 99 ctl run -t acme --wait -- /no/such/program 2>"$D/stage/err"
        t_match "$(tail -n 1 "$D/stage/err")" '^job [0-9]+: spawn \(exec: '
        d_status 159 ctl run -t acme --wait --profile strict -- unshare true 2>"$D/stage/err"
        t_match "$(tail -n 1 "$D/stage/err")" '^job [0-9]+: seccomp \(unshare\)$'
        d_status 2 ctl run -t acme -- ./relative
        d_status 2 ctl run -t acme -- no-such-program-in-path
        # Words arrive as they were typed.
        # shellcheck disable=SC1003,SC2016 # meant so
        t_eq "$(ctl run -t acme -w -- printf '%s|' 'a b' '"' \' '\' '$HOME' ' ;#' '' 'ä')" 'a b|"|'\''|\|$HOME| ;#||ä|' words
        t_eq "$(ctl run -t acme -w -C /tmp -q quick -- pwd)" /tmp directory
}

waits_for_many() {
        local a b
        a=$(ctl run -t acme -- sh -c 'exit 3')
        b=$(ctl run -t acme -- true)
        d_status 1 ctl wait "$a" "$b"
        d_status 3 ctl wait "$a"
        d_status 0 ctl wait "$b"
        d_status 5 ctl wait 999999
        d_status 2 ctl wait nonsense
}

# Of what runs, from its cgroup; the daemon says where that is.
measures() {
        local job out
        job=$(ctl run -t acme -q measured -- sh -c 'while :; do :; done')
        t_wait 5 d_state_is "$job" running
        sleep 1
        t_eq "$(ctl --json tenants acme | d_json 'j["tenants"][0]["cgroup"]')" "$D_CGROUP/acme.slice" cgroup
        out=$(ctl --json ps acme)
        # A second of one CPU, or what others leave of it; not more than it ran.
        t_eq "$(d_json "[50000 < r['cpu_usec'] <= r['run_usec'] * 1.1 for r in j['jobs'] if r['job'] == $job]" <<<"$out")" '[true]' "CPU time"
        t_eq "$(d_json "[900000 < r['run_usec'] < 20000000 for r in j['jobs'] if r['job'] == $job]" <<<"$out")" '[true]' "elapsed"
        t_match "$(ctl ps acme --noheadings -o job,run_usec,cpu_usec | tr -s ' ')" "(^|
) ?$job [0-9.]+s [0-9.]+m?s" "ps, a line"
        t_match "$(ctl status "$job")" 'CPU time: [0-9.]+m?s' "status of what runs"
        # Whoever may not see the tenant is not told, and the tenant's own user reads it too.
        t_eq "$(ctl_as 61001 61001 --json ps | d_json "[r['cpu_usec'] > 0 for r in j['jobs'] if r['job'] == $job]")" '[true]' "as its user"
        ctl cancel "$job"
        t_eq "$(verdict "$job")" cancelled
}

lists() {
        local gate job waiting
        gate=$(d_gate_make list)
        job=$(ctl run -t acme -q listed -- sh -c "read x <$gate; exit 5")
        waiting=$(ctl run -t acme -q listed -- true)
        t_wait 5 d_state_is "$job" running
        t_match "$(ctl ps acme)" "$job +acme +listed +sh +running" ps
        t_match "$(ctl ps)" "$waiting +acme +listed +true +queued +queue-concurrency" "ps of one that waits"
        t_eq "$(ctl --json ps acme | d_json "[r['state'] for r in j['jobs'] if r['job'] == $job][0]")" running json
        t_eq "$(ctl --json ps globex | d_json 'len(j["jobs"])')" 0 "jobs of another tenant"
        t_match "$(ctl status "$job")" 'State: running' status
        t_match "$(ctl status)" 'acme .* ready' "status of everything"
        t_match "$(ctl status acme)" concurrency "status of a tenant"
        t_eq "$(ctl --json tenants | d_json "[r['running'] for r in j['tenants'] if r['tenant'] == 'acme'][0]")" 1 running
        t_eq "$(ctl --json status "$waiting" | d_json 'j["jobs"][0]["wait_reason"]')" queue-concurrency reason
        d_gate_open list
        t_eq "$(verdict "$job")" "exit 5"
        t_eq "$(verdict "$waiting")" "exit 0"
        t_eq "$(ctl --json ps acme | d_json "[r['job'] for r in j['jobs'] if r['job'] == $job]")" "[]" "an ended job in ps"
        t_match "$(ctl ps -a acme)" "$job +acme .*exit 5" "ps -a"
        t_eq "$(ctl --json ps -a -n 2 acme | d_json 'len(j["jobs"])')" 2 "rows with -n"
        d_status 5 ctl ps nobody-there
        d_status 5 ctl status 999999
}

# Where the error is: in a file with its name and line, and not in a line of a file that there is not.
errors_have_a_place() {
        printf '[Job]\nExecStart=/bin/true\n\nNname=x\n' >"$D/stage/wrong.job"
        t_match "$(ctl submit -t acme "$D/stage/wrong.job" 2>&1 || true)" "^tenantqctl: $D/stage/wrong.job:4: Nname: unknown key .*did you mean Name"
        d_status 3 ctl submit -t acme "$D/stage/wrong.job"
        ctl limits set acme runtime=1h >/dev/null
        t_match "$(ctl run -t acme -l runtime=2h -- true 2>&1 || true)" '^tenantqctl: runtime: '
        ctl limits unset acme runtime >/dev/null
        t_match "$(ctl limits set acme network=host 2>&1 || true)" \
                'network: no limit, but a key of \[tenant\] in tenants.d/acme.conf; then systemctl reload tenantq'
        d_status 3 ctl limits set acme/etl on_full=wait
        d_status 3 ctl limits set acme networks=host
}

lists_one_tenant() {
        t_eq "$(ctl tenants acme --noheadings -o tenant)" acme
        t_eq "$(ctl tenants -t acme --noheadings -o tenant)" acme
        t_eq "$(ctl --json tenants globex | d_json 'len(j["tenants"])')" 1
        d_status 5 ctl tenants nobody-there
        d_status 2 ctl tenants -t acme globex
        t_match "$(ctl status "$(ctl run -t acme -- true)")" $'\n  ExecStart="/[a-z/]*true"$'
}

# An error is not the end of the output.
logs_fail() {
        local job status=0
        command -v strace >/dev/null || t_skip "no strace"
        job=$(ctl run -t acme -- echo first)
        ctl wait "$job" >/dev/null
        # LeakSanitizer can't work in a traced program.
        ASAN_OPTIONS=detect_leaks=0 strace -qq -o "$D/stage/strace" -P "$D/logs/acme/$job.1.out" -e trace=read -e inject=read:error=EIO \
                "$D/bin/tenantqctl" logs "$job" >"$D/stage/out" 2>"$D/stage/err" || status=$?
        t_eq "$status $(cat "$D/stage/out" "$D/stage/err")" "1 tenantqctl: the output can't be read: Input/output error"
}

shows_logs() {
        local gate job status
        gate=$(d_gate_make log)
        job=$(ctl run -t acme -- sh -c "echo first; read x <$gate; echo second; echo third >&2; exit 4")
        t_wait 5 test -s "$D/logs/acme/$job.1.out"
        t_eq "$(ctl logs "$job")" first "output so far"
        ctl logs -f "$job" >"$D/stage/follow" 2>"$D/stage/follow.err" &
        t_wait 5 grep -q first "$D/stage/follow"
        d_gate_open log
        wait $! || t_fail "logs -f ended with $?"
        t_eq "$(cat "$D/stage/follow")" $'first\nsecond' followed
        t_eq "$(cat "$D/stage/follow.err")" third "followed errors"
        t_eq "$(ctl logs -f "$job" 2>&1)" $'first\nsecond\nthird' "logs -f of an ended job"
        d_status 5 ctl logs 999999
        # Who reads has enough before the job has ended.
        job=$(ctl run -t acme -- sh -c 'echo 1; echo 2; sleep 1; echo 3; sleep 1; echo 4; sleep 20')
        {
                status=0
                ctl logs -f "$job" 2>"$D/stage/follow.err" || status=$?
                echo "$status" >"$D/stage/follow.status"
        } | head -n 2 >/dev/null
        t_eq "$(cat "$D/stage/follow.status")" 1 "exit status of logs -f without a reader"
        t_eq "$(cat "$D/stage/follow.err")" "" "what it says of that"
        ctl cancel "$job" >/dev/null
}

cancels() {
        local job waiting
        job=$(ctl run -t acme -q c -- sleep 300)
        waiting=$(ctl run -t acme -q c -- sleep 300)
        t_wait 5 d_state_is "$job" running
        ctl cancel "$waiting"
        t_eq "$(verdict "$waiting")" cancelled "verdict of a waiting one"
        ctl cancel "$job"
        t_eq "$(verdict "$job")" cancelled
        d_status 99 ctl wait "$job"
        d_status 5 ctl cancel "$job"
        d_status 5 ctl cancel 999999
        d_status 2 ctl cancel
}

# A queue's worth of queues: more are refused for now.
too_many_queues() {
        local gate i
        gate=$(d_gate_make queues)
        for ((i = 1; i <= 64; i++)); do
                printf '[Job]\nName=q\nQueue=q%s\nExecStart=/bin/sh -c "read x <%s"\n' "$i" "$gate" | drop globex "q$i"
        done
        t_wait 10 d_has_leaves 64
        d_status 8 ctl run -t globex -q one-more -- true
        printf '[Job]\nQueue=one-more\nExecStart=/bin/true\n' | drop globex one-more
        refused globex one-more 'TENANT_LIMIT_EXCEEDED: tenant globex has reached its queues: current 64, maximum 64'
        d_gate_open queues
        t_wait 10 d_is_idle
        d_status 0 ctl run -w -t globex -q one-more -- true
}

# Any verb ------------------------------------------------------------------------------------

answers_json() {
        local words
        for words in "ps -a" "status" "tenants" "limits get acme" "limits set acme runtime=1h" "limits unset acme runtime" \
                "status acme" "ps"; do
                # shellcheck disable=SC2086 # words
                ctl --json $words | d_json 'j["schema"]' | grep -q '^tenantq\..*\.v1$' || t_fail "--json $words"
        done
        # A name that breaks naive JSON.
        printf '[Job]\nName=a"b\\c\td\nExecStart=/bin/true\n' >"$D/stage/json"
        ctl --json wait "$(ctl submit -t acme "$D/stage/json")" | d_json 'j["jobs"][0]["name"]' >"$D/stage/name"
        t_eq "$(cat "$D/stage/name")" $'a"b\\c\td' name
}

has_exit_codes() {
        d_status 2 ctl
        d_status 2 ctl no-such-verb
        d_status 2 ctl ps --no-such-option
        d_status 2 ctl limits get
        d_status 3 ctl limits set acme concurrency=many
        d_status 5 ctl limits get nobody-there
        d_status 7 ctl --socket "$D/none" ps
        d_status 0 ctl --help
        d_status 0 ctl --version
        d_status 1 ctl --help >/dev/full
        d_status 1 ctl --json ps -a >/dev/full
}

colours_on_a_terminal() {
        local show
        # shellcheck disable=SC2016 # Python's
        show='import os, pty, sys
data = b""
def read(fd):
    global data
    d = os.read(fd, 65536)
    data += d
    return d
pty.spawn(sys.argv[1:], read, lambda fd: b"")
sys.exit(3 if b"\x1b" in data else 0)'
        ctl run -t acme -w -- false || true
        d_status 3 env -u NO_COLOR TERM=xterm "$D_PYTHON" -c "$show" "$D/bin/tenantqctl" ps -a acme >/dev/null
        d_status 0 env NO_COLOR=1 TERM=xterm "$D_PYTHON" -c "$show" "$D/bin/tenantqctl" ps -a acme >/dev/null
        d_status 0 env TERM=dumb "$D_PYTHON" -c "$show" "$D/bin/tenantqctl" ps -a acme >/dev/null
        [[ "$(ctl ps -a acme)" != *$'\e'* ]] || t_fail "colour in a pipe"
}

# Configuration and limits --------------------------------------------------------------------

validates() {
        local file=$D/stage/validate
        say_hello valid >"$file"
        t_eq "$(ctl --socket "$D/none" validate "$file")" "" "what is said about a good file"
        printf '[Job]\nExecStart=/bin/true\n[Retry]\nRestartSec=3\n' >"$file"
        t_match "$(ctl validate "$file")" "^$file:4: note: RestartSec .*no effect without MaxAttempts=" note
        printf '[Job]\nExecStart=/bin/true\n\n[Limts]\n' >"$file"
        d_status 3 ctl validate "$file"
        t_match "$(ctl validate "$file" || true)" "^$file:4: .*Limts.*Limits" place
        d_status 3 ctl validate "$D/stage/validate" /dev/null
}

reloads() {
        local conf=$D/etc/tenants.d/initech.conf
        d_tenant initech 61005
        printf '[limits]\nconcurrency=3\n' >"$conf"
        ctl reload
        t_wait 5 d_concurrency initech 3
        printf '[limits]\nconcurrency=wrong\n' >"$conf"
        d_status 3 ctl reload
        t_match "$(ctl reload 2>&1 || true)" 'initech\.conf:2.*old configuration stays' "why not"
        d_concurrency initech 3 || t_fail "a reload that failed changed something"
        d_tenant_is initech ready || t_fail "a reload that failed disabled a tenant"
        rm "$conf"
        # SIGHUP is the same.
        kill -HUP "$(d_pid)"
        t_wait 5 d_concurrency initech "1 per queue"
}

d_concurrency() {
        [ "$(ctl --json tenants | d_json "[r['concurrency'] for r in j['tenants'] if r['tenant'] == '$1'][0]")" = "$2" ]
}

set_is_all_or_nothing() {
        d_status 3 ctl limits set acme concurrency=5 no_such_limit=1
        t_match "$(ctl limits set acme concurency=5 2>&1 || true)" 'did you mean concurrency' hint
        t_match "$(ctl limits get acme)" 'concurrency +- +- +unset' "limits get"
        # Not enforceable here: an error that names the controller, never a limit that isn't one.
        if grep -qw cpu "$D_CGROUP/cgroup.controllers"; then
                ctl limits set acme cpu=1 >/dev/null
                ctl limits unset acme cpu >/dev/null
        else
                t_match "$(ctl limits set acme cpu=1 2>&1 || true)" 'cpu.*controller|controller.*cpu' "the controller"
                t_match "$(ctl limits get acme)" 'cpu +- +- +unset' "limits get"
        fi
        d_status 0 ctl run -w -t acme -- true
}

d_case "submit" submits
d_case "run, and its exit code and output" runs_and_waits
d_case "wait" waits_for_many
d_case "ps, status and tenants" lists
d_case "ps of what runs: elapsed time, CPU time" measures
d_case "logs" shows_logs
d_case "where an error is" errors_have_a_place
d_case "one of the tenants" lists_one_tenant
d_case "logs of a disk that fails" logs_fail
d_case "cancel" cancels
d_case "--json" answers_json
d_case "exit codes" has_exit_codes
d_case "too many queues are refused for now" too_many_queues
d_case "colour, and NO_COLOR" colours_on_a_terminal
d_case "validate" validates
d_case "reload" reloads
d_case "limits set is all or nothing" set_is_all_or_nothing
d_case "nothing is left over" no_leftovers
d_report
t_summary
