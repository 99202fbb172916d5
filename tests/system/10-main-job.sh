#!/bin/bash
# The main job on a machine in order: a file is dropped and its job runs, every verb answers, every verdict is right.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init log_max=4K
d_start
d_tenant acme 61001
d_tenant globex 61002

# Says hello; what the plain cases run.
say_hello() {
        printf '[Job]\nName=%s\nExecStart=/bin/echo hello\n' "$1"
}

ran_well() {
        t_eq "$(verdict "$(job_of "$1" "$2")")" "exit 0" "verdict of $2"
}

# The spool -----------------------------------------------------------------------------------

by_mv() {
        local job
        say_hello by-mv | drop acme by-mv
        job=$(job_of acme by-mv)
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job")" hello output
        [ ! -e "$D/spool/acme/by-mv.job" ] || t_fail "an accepted file is still in the spool"
}

by_cp() {
        say_hello by-cp >"$D/stage/by-cp"
        cp "$D/stage/by-cp" "$D/spool/acme/by-cp.job"
        ran_well acme by-cp
        say_hello by-tenant >"$D/stage/by-tenant"
        setpriv --reuid 61001 --regid 61001 --clear-groups cp "$D/stage/by-tenant" "$D/spool/acme/by-tenant.job"
        ran_well acme by-tenant
        # Made with root's owner and mode first, and only then the tenant's. It may be taken between its chown and
        # its chmod, which install(1) then complains about.
        say_hello by-install >"$D/stage/by-install"
        install -m 0600 -o 61001 -g 61001 "$D/stage/by-install" "$D/spool/acme/by-install.job" || true
        ran_well acme by-install
        t_eq "$(ctl ps -a acme | grep -cw by-install)" 1 "jobs of one file"
}

written_slowly() {
        local fd
        exec {fd}>"$D/spool/acme/slow.job"
        printf '[Job]\nName=slow\n' >&"$fd"
        sleep 0.3
        # Everything that may wake it up: a rename of it, another file, a restart.
        mv "$D/spool/acme/slow.job" "$D/spool/acme/slower.job"
        say_hello beside-slow | drop acme beside-slow
        ran_well acme beside-slow
        [ -e "$D/spool/acme/slower.job" ] || t_fail "a file that is being written was taken"
        [ -z "$(d_find acme slow)" ] || t_fail "half a job was accepted"
        d_restart
        sleep 0.3
        [ -e "$D/spool/acme/slower.job" ] || t_fail "a file that is being written was taken after a restart"
        printf 'ExecStart=/bin/echo complete\n' >&"$fd"
        exec {fd}>&-
        ran_well acme slow
        t_eq "$(ctl logs "$(d_find acme slow)")" complete output
}

not_job_files() {
        say_hello hidden >"$D/stage/hidden"
        cp "$D/stage/hidden" "$D/spool/acme/.hidden.job"
        cp "$D/stage/hidden" "$D/spool/acme/hidden.tmp"
        say_hello beside-hidden | drop acme beside-hidden
        ran_well acme beside-hidden
        [ -z "$(d_find acme hidden)" ] || t_fail "a file that is no job file was accepted"
        rm "$D/spool/acme/.hidden.job" "$D/spool/acme/hidden.tmp"
}

bad_file_is_explained() {
        printf '[Job]\nName=bad\nExecStat=/bin/true\n' | drop acme bad
        refused acme bad 'bad\.job: .*3.*ExecStat.*did you mean ExecStart'
        t_eq "$(stat -c %u "$D/spool/acme/rejected/bad.reason")" 61001 "owner of the reason"
        [ -e "$D/spool/acme/rejected/bad.job" ] || t_fail "the refused file is not kept"
}

new_tenant_works_at_once() {
        mkdir -m 0700 "$D/spool/fresh"
        echo 61003 >"$D/uids/fresh"
        t_wait 5 d_tenant_is fresh disabled
        t_match "$(ctl tenants)" 'fresh .*belongs to root; chown it' "the fault and its mend"
        say_hello early >"$D/spool/fresh/early.job"
        chown 61003:61003 "$D/spool/fresh"
        ran_well fresh early
        say_hello late | drop fresh late
        ran_well fresh late
        t_eq "$(ctl run -t fresh -w -- id -u)" 61003 "who it runs as"
}

# Between mkdir(2) and chown(2) it is root's.
tenants_say() {
        [[ "$(ctl tenants)" =~ $1 ]]
}

open_directory_is_refused() {
        local job
        install -d -m 0755 -o 61004 -g 61004 "$D/spool/open"
        echo 61004 >"$D/uids/open"
        t_wait 5 tenants_say 'open .*mode 0755.*chmod 0700'
        say_hello open | drop open open
        say_hello beside-open | drop acme beside-open
        ran_well acme beside-open
        [ -e "$D/spool/open/open.job" ] || t_fail "a file of a disabled tenant was taken"
        chmod 0700 "$D/spool/open"
        ran_well open open
        # And back again, while it works.
        chmod 0777 "$D/spool/open"
        t_wait 5 d_tenant_is open disabled
        # What comes by the socket waits until that is mended.
        job=$(ctl run -t open -- true)
        t_eq "$(d_field "$job" "Waits for")" tenant-disabled reason
        chmod 0700 "$D/spool/open"
        t_eq "$(verdict "$job")" "exit 0"
}

same_user_is_refused() {
        install -d -m 0700 -o 61001 -g 61001 "$D/spool/twin"
        t_wait 5 tenants_say 'twin .*already is another tenant'
        rmdir "$D/spool/twin"
        t_wait 5 d_tenant_is twin gone
        d_tenant_is acme ready
}

# The verbs -----------------------------------------------------------------------------------

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
        d_status 137 ctl run -t acme --wait -- sh -c 'kill -9 $$'
        d_status 99 ctl run -t acme --wait -- /no/such/program
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
        t_eq "$(ctl ps acme | grep -cw "$job" || true)" 0 "an ended job in ps"
        t_match "$(ctl ps -a acme)" "$job +acme .*exit 5" "ps -a"
        t_eq "$(ctl --json ps -a -n 2 acme | d_json 'len(j["jobs"])')" 2 "rows with -n"
        d_status 5 ctl ps nobody-there
        d_status 5 ctl status 999999
}

shows_logs() {
        local gate job
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

validates() {
        local file=$D/stage/validate
        say_hello valid >"$file"
        t_eq "$(ctl --socket "$D/none" validate "$file")" "" "what is said about a good file"
        printf '[Job]\nExecStart=/bin/true\n[Retry]\nMaxAttempts=3\n' >"$file"
        t_match "$(ctl validate "$file")" "^$file:4: note: MaxAttempts .*no effect" note
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

# Limits of the scheduler ---------------------------------------------------------------------

# sleepers TENANT N [LINE…]: prints the numbers of N jobs that wait at the gate $gate.
sleepers() {
        local tenant=$1 n=$2 i
        shift 2
        for ((i = 0; i < n; i++)); do
                {
                        printf '[Job]\nExecStart=/bin/sh -c "read x <%s"\n' "$gate"
                        [ $# -eq 0 ] || printf '%s\n' "$@"
                } >"$D/stage/sleeper"
                ctl submit -t "$tenant" "$D/stage/sleeper"
        done
}

runs_now() {
        [ "$(ctl --json tenants | d_json "[r['running'] for r in j['tenants'] if r['tenant'] == '$1'][0]")" = "$2" ]
}

one_at_a_time() {
        local gate jobs
        gate=$(d_gate_make one)
        d_sampler_start
        jobs=$(sleepers acme 3)
        sleepers acme 2 Queue=other >/dev/null
        t_wait 5 runs_now acme 2
        d_gate_open one
        t_wait 10 d_is_idle
        for gate in {1..20}; do
                ctl run -t globex -- true >/dev/null
        done
        t_wait 10 d_is_idle
        d_sampler_stop
        t_eq "$(d_peak acme)" 2 "most jobs at the same time in two queues"
        t_eq "$(d_peak globex)" 1 "most jobs at the same time in one queue"
        t_eq "$(wc -w <<<"$jobs")" 3
}

concurrency_takes_effect_at_once() {
        local gate
        gate=$(d_gate_make raise)
        d_sampler_start
        sleepers acme 8 >/dev/null
        t_wait 5 runs_now acme 1
        t_match "$(ctl limits set acme concurrency=4)" 'acme: concurrency unset -> 4 \(revision [0-9]+\)' answer
        t_wait 2 runs_now acme 4
        ctl limits set -m "a reason" acme concurrency=6 | grep -q '4 -> 6' || t_fail "old -> new"
        t_wait 2 runs_now acme 6
        t_match "$(ctl limits get acme)" 'concurrency +- +6 +set' "limits get"
        # Lowered: those that run go on, no other starts.
        ctl limits set acme concurrency=1 >/dev/null
        runs_now acme 6 || t_fail "lowering ended a job"
        ctl limits unset acme concurrency >/dev/null
        t_match "$(ctl limits get acme)" 'concurrency +- +- +unset' "limits get after unset"
        d_gate_open raise
        t_wait 10 d_is_idle
        d_sampler_stop
        t_eq "$(d_peak acme)" 6 "most jobs at the same time"
}

concurrency_of_a_queue() {
        local gate
        gate=$(d_gate_make queue)
        d_sampler_start
        ctl limits set acme/etl concurrency=3 >/dev/null
        sleepers acme 5 Queue=etl >/dev/null
        t_wait 5 runs_now acme 3
        ctl limits set acme concurrency=2 >/dev/null
        sleepers acme 3 Queue=web >/dev/null
        runs_now acme 3 || t_fail "more than the tenant's own concurrency"
        d_gate_open queue
        t_wait 10 d_is_idle
        d_sampler_stop
        ctl limits unset acme/etl concurrency >/dev/null
        ctl limits unset acme concurrency >/dev/null
        t_eq "$(d_peak acme)" 3 "most jobs at the same time"
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

by_priority_then_in_order() {
        local gate payload i
        payload=$(payload order <<<"#!/bin/sh
echo \"\$1\" >>$D/witness/acme")
        : >"$D/witness/acme"
        gate=$(d_gate_make order)
        sleepers acme 1 >/dev/null
        t_wait 5 runs_now acme 1
        for i in 0:a 5:b 0:c -3:d 5:e 100:f; do
                printf '[Job]\nExecStart=%s %s\nPriority=%s\n' "$payload" "${i#*:}" "${i%:*}" >"$D/stage/p"
                ctl submit -t acme "$D/stage/p" >/dev/null
        done
        d_gate_open order
        t_wait 10 d_is_idle
        t_eq "$(tr -d '\n' <"$D/witness/acme")" fbeacd order
}

starts_after() {
        local job early
        early=$(($(date +%s) + 2))
        printf '[Job]\nExecStart=/bin/date +%%s\nStartAfter=%s UTC\n' "$(date -u -d "@$early" '+%Y-%m-%d %H:%M:%S')" >"$D/stage/after"
        job=$(ctl submit -t acme "$D/stage/after")
        d_state_is "$job" scheduled || t_fail "not scheduled: $(ctl status "$job")"
        t_eq "$(d_field "$job" "Waits for")" start-after reason
        # It holds no slot meanwhile.
        d_status 0 ctl run -w -t acme -- true
        d_state_is "$job" scheduled || t_fail "started early"
        t_eq "$(verdict "$job")" "exit 0"
        [ "$(ctl logs "$job")" -ge "$early" ] || t_fail "started early: $(ctl logs "$job") < $early"
        [ "$(ctl logs "$job")" -le $((early + 1)) ] || t_fail "started late: $(ctl logs "$job") > $early"
}

now_ms() {
        echo $(($(date +%s%N) / 1000000))
}

# in_range VALUE LOW HIGH WHAT
in_range() {
        [ "$2" -le "$1" ] && [ "$1" -le "$3" ] && return
        t_fail "$4: got $1, want $2 to $3"
}

runtime_is_bounded() {
        local start job
        start=$(now_ms)
        printf '[Job]\nExecStart=/bin/sleep 300\nRuntimeMaxSec=500ms\n' >"$D/stage/runtime"
        job=$(ctl submit -t acme "$D/stage/runtime")
        t_eq "$(verdict "$job")" "timeout (job)"
        start=$(($(now_ms) - start))
        in_range "$start" 500 1500 "milliseconds until the end"
        ctl limits set acme runtime=300ms >/dev/null
        t_eq "$(verdict "$(ctl run -t acme -- sleep 300)")" "timeout (tenant)"
        ctl limits unset acme runtime >/dev/null
}

term_is_ignored() {
        local start job script
        script=$(payload stubborn <<<'#!/bin/sh
trap "" TERM INT HUP
echo ready
while :; do sleep 1; done')
        printf '[Job]\nExecStart=%s\nTimeoutStopSec=700ms\n' "$script" >"$D/stage/stubborn"
        job=$(ctl submit -t acme "$D/stage/stubborn")
        t_wait 5 test -s "$D/logs/acme/$job.1.out"
        start=$(now_ms)
        ctl cancel "$job"
        d_state_is "$job" stopping || t_fail "not stopping: $(d_field "$job" State)"
        t_eq "$(verdict "$job")" cancelled
        start=$(($(now_ms) - start))
        in_range "$start" 700 1700 "milliseconds until the end"
        # One that cleans up on SIGTERM gets the time to, and its exit code counts.
        printf '[Job]\nExecStart=/bin/sh -c "trap '\''echo cleaned; exit 0'\'' TERM; echo ready; while :; do sleep 0.05; done"\n' >"$D/stage/tidy"
        job=$(ctl submit -t acme "$D/stage/tidy")
        t_wait 5 test -s "$D/logs/acme/$job.1.out"
        ctl cancel "$job"
        t_eq "$(verdict "$job")" "exit 0"
        t_match "$(ctl logs "$job")" cleaned output
}

# The payload's surroundings ------------------------------------------------------------------

output_is_capped() {
        local job file size
        job=$(ctl run -t acme -- sh -c 'head -c 100000 /dev/zero | tr "\0" x; head -c 50000 /dev/zero >&2; exit 3')
        t_eq "$(verdict "$job")" "exit 3" "verdict: the job isn't concerned"
        file=$D/logs/acme/$job.1.out
        size=$(stat -c %s "$file")
        in_range "$size" 3500 4096 size
        t_match "$(tail -n 1 "$file")" 'tenantq: output truncated, [0-9]+ bytes dropped' marker
        t_eq "$(grep -a -o '[0-9]* bytes dropped' "$file" | grep -o '[0-9]*')" $((100000 - $(head -n 1 "$file" | tr -d '\n' | wc -c))) dropped
        t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["dropped_bytes"] > 140000')" true "dropped bytes in the ledger"
        # Below the cap nothing is marked.
        job=$(ctl run -t acme -- sh -c 'head -c 3900 /dev/zero')
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(stat -c %s "$D/logs/acme/$job.1.out")" 3900 size
}

payload_has_nothing() {
        local script out
        script=$(payload audit <<END
#!$D_PYTHON
import os, stat, signal, resource, json
s = dict(l.rstrip("\\n").split(":\\t", 1) for l in open("/proc/self/status") if ":\\t" in l)
def kind(fd):
    m = os.fstat(fd)
    return [stat.S_IFMT(m.st_mode), m.st_rdev, os.get_blocking(fd), os.isatty(fd)]
fds = [fd for fd in range(1024) if os.path.exists(f"/proc/self/fd/{fd}")]
def works(fd):
    try:
        os.fstat(fd)
        return True
    except OSError:
        return False
print(json.dumps(dict(
    status=s, ids=[os.getresuid(), os.getresgid(), os.getgroups()], open=[fd for fd in range(1024) if works(fd)],
    kinds=[kind(0), kind(1), kind(2)], cwd=os.getcwd(), umask=os.umask(0), env=dict(os.environ),
    sid=os.getsid(0) == os.getpid(), pgrp=os.getpgrp() == os.getpid(), nice=os.nice(0), policy=os.sched_getscheduler(0),
    nofile=resource.getrlimit(resource.RLIMIT_NOFILE), core=resource.getrlimit(resource.RLIMIT_CORE),
    argv=open("/proc/self/cmdline").read(), cgroup=open("/proc/self/cgroup").read())))
END
)
        printf '[Job]\nExecStart=%s one "two words"\nEnvironment=STAGE=prod "GREETING=hello you" HOME=/h\n' "$script" >"$D/stage/audit"
        out=$(ctl submit -t acme "$D/stage/audit")
        t_eq "$(verdict "$out")" "exit 0" "verdict: $(ctl logs "$out" 2>&1)"
        ctl logs "$out" >"$D/stage/audit.json"
        has() {
                t_eq "$(d_json "$1" <"$D/stage/audit.json")" "$2" "$1"
        }
        has 'j["status"]["Uid"]' $'61001\t61001\t61001\t61001'
        has 'j["status"]["Gid"]' $'61001\t61001\t61001\t61001'
        has 'j["ids"][2]' '[61001]'
        has '[j["status"][c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == ["0" * 16] * 5' true
        has 'j["status"]["NoNewPrivs"]' 1
        has 'j["status"]["Seccomp"]' 2
        has 'j["status"]["SigBlk"]' 0000000000000000
        # Python itself ignores SIGPIPE and SIGXFSZ.
        has 'hex(int(j["status"]["SigIgn"], 16) & ~0x1001000)' 0x0
        has 'j["open"]' '[0, 1, 2]'
        has 'j["kinds"][0][:2] == [0o020000, 0x103]' true
        has 'j["kinds"][1][0] == j["kinds"][2][0] == 0o010000' true
        has 'j["kinds"][1][2] and j["kinds"][2][2]' true
        has 'j["sid"] and j["pgrp"]' true
        has 'j["cwd"]' /
        has 'j["umask"]' 18
        has '[j["nice"], j["policy"]]' '[0, 0]'
        has 'j["core"]' '[0, 0]'
        has 'j["nofile"][0]' 1024
        has 'j["argv"].split("\0")[2:]' '["one", "two words", ""]'
        has 'sorted(j["env"])' '["GREETING", "HOME", "LANG", "PATH", "SHELL", "STAGE", "TENANTQ_ATTEMPT", "TENANTQ_JOB", "TENANTQ_TENANT"]'
        has '[j["env"][k] for k in ("STAGE", "GREETING", "HOME", "TENANTQ_TENANT", "TENANTQ_ATTEMPT")]' '["prod", "hello you", "/h", "acme", "1"]'
        has 'j["env"]["TENANTQ_JOB"]' "$out"
}

standard_streams() {
        local script
        # shellcheck disable=SC2016 # expanded by the job
        d_status 0 ctl run -w -t acme -- sh -c '[ "$(readlink /proc/self/fd/0)" = /dev/null ] && ! read x'
        t_eq "$(ctl run -w -t acme -- sh -c 'echo again >/dev/stdout; echo no >/dev/stderr' 2>/dev/null)" again /dev/stdout
        t_eq "$(ctl run -w -t acme -- sh -c 'echo no >/dev/stdout; echo again >/dev/stderr' 2>&1 >/dev/null | tail -n +2)" again /dev/stderr
        # Who reads nothing back: the ends are the writing ones.
        script=$(payload read-back <<END
#!$D_PYTHON
import os, sys
for fd in 1, 2:
    try:
        os.read(fd, 1)
        sys.exit(1)
    except OSError:
        pass
END
)
        d_status 0 ctl run -w -t acme -- "$script"
        d_status 1 ctl run -w -t acme -- sh -c '(: </dev/tty) 2>/dev/null && exit 0; exit 1'
}

outputs_are_private() {
        local job
        job=$(ctl run -t acme -- echo secret)
        verdict "$job" >/dev/null
        d_status 0 setpriv --reuid 61001 --regid 61001 --clear-groups cat "$D/logs/acme/$job.1.out"
        d_status 1 setpriv --reuid 61002 --regid 61002 --clear-groups cat "$D/logs/acme/$job.1.out"
        # Nor can the payload change what it has said.
        d_status 1 setpriv --reuid 61001 --regid 61001 --clear-groups tee -a "$D/logs/acme/$job.1.out"
        d_status 1 setpriv --reuid 61001 --regid 61001 --clear-groups rm -f "$D/logs/acme/$job.1.out"
}

# Ends ----------------------------------------------------------------------------------------

exit_codes() {
        local code job
        for code in 0 1 2 42 99 126 127 128 200 255; do
                job=$(ctl run -t acme -- sh -c "exit $code")
                t_eq "$(verdict "$job")" "exit $code"
                t_eq "$(ctl --json status "$job" | d_json '[j["jobs"][0]["outcome"], j["jobs"][0]["code"]]')" "[\"exit\", $code]" json
        done
}

signals() {
        local name number
        for name in HUP INT QUIT ABRT KILL SEGV PIPE TERM USR1 XCPU; do
                number=$(kill -l "$name")
                t_eq "$(verdict "$(ctl run -t acme -- sh -c "kill -$name \$\$; sleep 5")")" "signal $number ($name)"
        done
        d_status 143 ctl run -w -t acme -- sh -c 'kill -TERM $$; sleep 5'
}

stopped_and_continued() {
        local job
        job=$(ctl run -t acme -- sh -c '(sleep 0.3; kill -CONT $$) & kill -STOP $$; exit 6')
        t_eq "$(verdict "$job")" "exit 6"
}

children_end_with_main() {
        local script pids pid job
        script=$(payload brood <<END
#!/bin/sh
for i in 1 2 3; do setsid sh -c 'trap "" TERM HUP; while :; do sleep 0.1; echo x >>$D/witness/acme; done' & done
nohup sleep 300 >/dev/null 2>&1 &
sleep 0.3
exit 9
END
)
        job=$(ctl run -t acme -- "$script")
        t_wait 5 d_state_is "$job" running
        sleep 0.15
        pids=$(d_pids "$job" 2>/dev/null || true)
        [ "$(wc -w <<<"$pids")" -ge 4 ] || t_fail "no children: $pids"
        t_eq "$(verdict "$job")" "exit 9"
        for pid in $pids; do
                [ ! -e "/proc/$pid" ] || t_fail "process $pid outlived its job"
        done
        [ ! -e "$D_CGROUP/acme.slice/$job.1.job" ] || t_fail "the cgroup outlived its job"
        : >"$D/witness/acme"
        sleep 0.3
        [ ! -s "$D/witness/acme" ] || t_fail "something of the job still runs"
}

not_executed() {
        echo not-a-program | payload plain >/dev/null
        chmod 644 "$D/payload/plain"
        t_eq "$(verdict "$(ctl run -t acme -- /no/such/program)")" "spawn (exec: No such file or directory)"
        t_eq "$(verdict "$(ctl run -t acme -- "$D/payload/plain")")" "spawn (exec: Permission denied)"
        t_eq "$(verdict "$(ctl run -t acme -C /no/such/dir -- true)")" "spawn (chdir: No such file or directory)"
        t_eq "$(verdict "$(ctl run -t acme -C "$D/spool/globex" -- true)")" "spawn (chdir: Permission denied)"
        t_eq "$(verdict "$(ctl run -t acme -- true)")" "exit 0" "verdict of the next one"
}

seccomp_denies() {
        # Refused, not killed: unshare of a user namespace.
        d_status 1 ctl run -w -t acme -- unshare -U true
        t_eq "$(ctl run -w -t acme -- "$D_PYTHON" -c 'import ctypes
l = ctypes.CDLL(None, use_errno=True)
r = [l.syscall(n, 0, 0, 0, 0, 0) for n in (321, 165, 425)]
print(r)')" "[-1, -1, -1]" "bpf, mount, io_uring_setup"
}

d_case "a file moved into the spool runs" by_mv
d_case "a file copied into the spool runs, whoever copies" by_cp
d_case "a file that is being written is left alone" written_slowly
d_case "other names are no job files" not_job_files
d_case "a bad file is set aside with its reason" bad_file_is_explained
d_case "a new tenant works at once, a root-owned directory does not" new_tenant_works_at_once
d_case "a directory that others may enter is refused" open_directory_is_refused
d_case "a second tenant with the same user is refused" same_user_is_refused
d_case "submit" submits
d_case "run, and its exit code and output" runs_and_waits
d_case "wait" waits_for_many
d_case "ps, status and tenants" lists
d_case "logs" shows_logs
d_case "cancel" cancels
d_case "--json" answers_json
d_case "exit codes" has_exit_codes
d_case "too many queues are refused for now" too_many_queues
d_case "colour, and NO_COLOR" colours_on_a_terminal
d_case "validate" validates
d_case "reload" reloads
d_case "one job at a time in a queue" one_at_a_time
d_case "limits set concurrency takes effect at once" concurrency_takes_effect_at_once
d_case "concurrency of a queue" concurrency_of_a_queue
d_case "limits set is all or nothing" set_is_all_or_nothing
d_case "priority, then the order of arrival" by_priority_then_in_order
d_case "StartAfter=" starts_after
d_case "RuntimeMaxSec=" runtime_is_bounded
d_case "TimeoutStopSec= and a job that ignores SIGTERM" term_is_ignored
d_case "output is capped and the cut is marked (T43)" output_is_capped
d_case "the payload's credentials, descriptors and environment (T40, T42)" payload_has_nothing
d_case "standard input, output and error" standard_streams
d_case "output is for its tenant only" outputs_are_private
d_case "exit codes of jobs (T48)" exit_codes
d_case "signals (T48)" signals
d_case "stopped and continued (T48)" stopped_and_continued
d_case "children end with the main process (T48)" children_end_with_main
d_case "what can't be executed (T48)" not_executed
d_case "denied system calls are refused" seccomp_denies
d_case "nothing is left over" no_leftovers
d_report
t_summary
