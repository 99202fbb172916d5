#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tenantqctl as somebody has it at a terminal, or in a script: a command that is run and watched, ^C, many files and
# many jobs, scripts as jobs, and what would become of a job.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61001

# on_terminal STEP… -- ARG…: tenantqctl there; see terminal.py. What it says, without carriage returns.
on_terminal() {
        local steps=()
        while [ "$1" != -- ]; do
                steps+=("$1")
                shift
        done
        "$D_PYTHON" "$D_TOP/tests/system/terminal.py" "${steps[@]}" -- "$D/bin/tenantqctl" "${@:2}" | tr -d '\r'
}

# run -w ---------------------------------------------------------------------------------------

streams_while_it_runs() {
        local gate pid
        gate=$(d_gate_make stream)
        ctl run -t acme -w -- sh -c "echo first; echo oops >&2; read x <$gate; echo second; exit 6" >"$D/stage/out" 2>"$D/stage/err" &
        pid=$!
        t_wait 5 grep -q first "$D/stage/out"
        t_wait 5 grep -q oops "$D/stage/err"
        t_match "$(head -n 1 "$D/stage/err")" '^job [0-9]+$' "the number comes first"
        t_eq "$(ctl ps acme --noheadings -o state)" running
        d_gate_open stream
        d_status 6 wait "$pid"
        t_eq "$(cat "$D/stage/out")" $'first\nsecond'
        t_eq "$(tail -n +2 "$D/stage/err")" oops
        # Before it has started, and with much of it.
        t_eq "$(ctl run -t acme -w -- head -c 5000000 /dev/zero 2>/dev/null | wc -c)" 5000000
}

is_quiet() {
        d_status 0 ctl run -t acme -w --quiet -- true 2>"$D/stage/err"
        t_eq "$(cat "$D/stage/err")" ""
        # shellcheck disable=SC2016 # the job's
        d_status 143 ctl run -t acme -w --quiet -- sh -c 'kill $$' 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" '^job [0-9]+: signal 15 \(TERM\)$' "the verdict, once"
        d_status 99 ctl run -t acme -w --quiet -- /no/such/program 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" '^job [0-9]+: spawn \([^)]*\)$' "of one that has no output"
}

survives_a_restart() {
        local gate pid
        gate=$(d_gate_make restart)
        ctl run -t acme -w -- sh -c "echo first; read x <$gate; echo second; exit 3" >"$D/stage/restarted" 2>"$D/stage/restarted.err" &
        pid=$!
        t_wait 5 grep -q first "$D/stage/restarted"
        d_kill9 both
        d_gate_open restart
        d_start
        d_status 3 wait "$pid"
        t_eq "$(cat "$D/stage/restarted")" $'first\nsecond'
}

# Who is an administrator and not root has the output by the daemon's descriptors only.
# Each attempt has output of its own; the last one's is not to be missed, nor is its code.
follows_the_last() {
        local pid job status=0
        # shellcheck disable=SC2016 # the job's shell
        ctl run -t acme -w -- sh -c 'echo attempt $TENANTQ_ATTEMPT; sleep 2; echo end of $TENANTQ_ATTEMPT; exit 4' >"$D/out" 2>"$D/err" &
        pid=$!
        t_wait 10 grep -q 'attempt 1' "$D/out"
        job=$(sed -n 's/[^0-9]*\([0-9][0-9]*\).*/\1/p' "$D/err" | head -n 1)
        ctl requeue "$job"
        wait "$pid" || status=$?
        t_eq "$status" 4 "its code"
        t_eq "$(cat "$D/out")" "attempt 1
attempt 2
end of 2" "what it printed"
}

streams_to_admins() {
        local gate job pid
        gate=$(d_gate_make admin)
        ctl_as 61099 "61099,$D_ADMIN_GID" run -t acme -w -- sh -c "echo first; read x <$gate; echo second; exit 2" >"$D/stage/admin" 2>"$D/stage/admin.err" &
        pid=$!
        t_wait 5 grep -q first "$D/stage/admin"
        job=$(sed -n 's/^job //p' "$D/stage/admin.err")
        ctl_as 61099 "61099,$D_ADMIN_GID" logs -f "$job" >"$D/stage/admin.logs" &
        t_wait 5 grep -q first "$D/stage/admin.logs"
        d_gate_open admin
        d_status 2 wait "$pid"
        wait $!
        t_eq "$(cat "$D/stage/admin")" $'first\nsecond'
        t_eq "$(cat "$D/stage/admin.logs")" $'first\nsecond'
}

# shellcheck disable=SC2016 # meant so
gets_input() {
        t_eq "$(printf 'b\na "q" \\ $x\n' | ctl run -t acme -w -i -- sort 2>/dev/null)" $'a "q" \\ $x\nb'
        t_eq "$(printf 'no newline' | ctl run -t acme -w -i -- cat 2>/dev/null)" 'no newline'
        t_eq "$(ctl run -t acme -w -i -- wc -c 2>/dev/null </dev/null)" 0 "of nothing"
        t_eq "$(ctl --json run -t acme -w -i -- /bin/cat <<<x 2>/dev/null | d_json 'j["jobs"][0]["name"]')" cat "its name"
        t_eq "$(printf x | ctl run -t acme -w -i -- printf '%s|' 'a b' '' '$1' 2>/dev/null)" 'a b||$1|' words
        printf 'a\0b' | d_status 3 ctl run -t acme -i -- cat 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'standard input: expected text, without bytes of 0'
        head -c 70000 /dev/zero | tr '\0' x | d_status 3 ctl run -t acme -i -- cat 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'standard input: expected at most 65536 bytes'
        # Without it a caller's input is its own.
        t_eq "$(printf '1\n2\n' | while read -r n; do ctl run -t acme -w --quiet -- echo "$n"; done | tr '\n' ' ')" '1 2 '
}

# The job goes on, and it is said how it is found.
detaches() {
        local signal=$1 status=$2 pid job
        "$D/bin/tenantqctl" run -t acme -w -- sleep 60 2>"$D/stage/detached.$signal.err" >"$D/stage/detached.$signal" </dev/null &
        pid=$!
        t_wait 5 grep -q '^job' "$D/stage/detached.$signal.err"
        job=$(sed -n 's/^job //p' "$D/stage/detached.$signal.err")
        t_wait 5 d_state_is "$job" running
        kill "-$signal" "$pid"
        d_status "$status" wait "$pid"
        t_eq "$(tail -n 1 "$D/stage/detached.$signal.err")" "job $job goes on: tenantqctl logs -f $job"
        t_eq "$(d_field "$job" State)" running
        ctl cancel "$job"
        t_match "$(verdict "$job")" cancelled
}

# A shell's background ignores SIGINT; setsid's child does not.
detaches_by_int() {
        local pid job
        "$D_PYTHON" - "$D/bin/tenantqctl" >"$D/stage/out" 2>"$D/stage/err" <<'END'
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
p = subprocess.Popen([sys.argv[1], "run", "-t", "acme", "-w", "--", "sh", "-c", "echo up; exec sleep 60"],
                     stdout=subprocess.PIPE, start_new_session=True)
assert p.stdout.readline() == b"up\n"
p.send_signal(signal.SIGINT)
print(p.wait(10))
END
        t_eq "$(cat "$D/stage/out")" 130
        job=$(sed -n 's/^job \([0-9]*\)$/\1/p' "$D/stage/err")
        t_eq "$(tail -n 1 "$D/stage/err")" "job $job goes on: tenantqctl logs -f $job"
        t_eq "$(d_field "$job" State)" running
        ctl cancel "$job"
}

asks_whether_to_cancel() {
        local said status=0
        said=$(on_terminal wait=up 'type=\x03' 'wait=Cancel job [0-9]+\? \[y/N' 'type=y\n' -- \
                run -t acme -w -- sh -c 'echo up; exec sleep 60') || status=$?
        t_eq "$status" 99 "exit status"
        t_match "$said" 'job [0-9]+: cancelled' "the verdict"
        # Not this time; then ^C at the question.
        status=0
        said=$(on_terminal wait=up 'type=\x03' 'wait=Cancel job' 'type=\n' sleep=0.3 'type=\x03' 'wait=Cancel job' 'type=\x03' wait='goes on' -- \
                run -t acme -w -- sh -c 'echo up; exec sleep 60') || status=$?
        t_eq "$status" 130 "exit status"
        t_match "$said" 'job ([0-9]+) goes on'
        t_eq "$(d_field "${BASH_REMATCH[1]}" State)" running
        ctl cancel "${BASH_REMATCH[1]}"
        # By its letter, before the job has started.
        ctl pause acme
        status=0
        said=$(on_terminal 'wait=job [0-9]+' sleep=0.3 'type=\x03' 'wait=Cancel job' 'type=d\n' -- run -t acme -w -- true) || status=$?
        ctl resume acme
        t_eq "$status" 130 "exit status"
        t_match "$said" 'job [0-9]+ goes on'
        # The job ends while the question stands.
        status=0
        said=$(on_terminal wait=up 'type=\x03' 'wait=Cancel job' -- run -t acme -w -- sh -c 'echo up; sleep 1; echo down; exit 4') || status=$?
        t_eq "$status" 4 "exit status"
        t_match "$said" down
}

nobody_reads() {
        local status
        {
                status=0
                ctl run -t acme -w --quiet -- sh -c 'echo 1; echo 2; sleep 0.3; echo 3; sleep 0.3; echo 4; exec sleep 30' 2>"$D/stage/err" || status=$?
                echo "$status" >"$D/stage/status"
        } | head -n 1 >/dev/null
        t_eq "$(cat "$D/stage/status")" 1 "exit status"
        t_eq "$(cat "$D/stage/err")" "" "what it says of that"
        d_live | xargs -r "$D/bin/tenantqctl" cancel
}

# submit, wait ---------------------------------------------------------------------------------

submits_many() {
        local out status=0
        say_hello one >"$D/stage/one"
        printf '[Job]\nExecStart=/bin/sh -c "exit 5"\n' >"$D/stage/five"
        printf '[Job]\nExecStart=/bin/true\nNname=x\n' >"$D/stage/wrong"
        out=$(ctl submit -t acme "$D/stage/one" "$D/stage/five")
        t_match "$out" $'^[0-9]+\n[0-9]+$' "a number for each"
        # shellcheck disable=SC2086 # words
        d_status 1 ctl wait $out
        # One that is wrong keeps none of the others.
        out=$(ctl submit -t acme "$D/stage/one" "$D/stage/wrong" "$D/stage/none" "$D/stage/one" 2>"$D/stage/err") || status=$?
        t_eq "$status" 1 "exit status: of the last that failed"
        t_match "$out" $'^[0-9]+\n[0-9]+$' "numbers of the others"
        t_match "$(cat "$D/stage/err")" "^tenantqctl: $D/stage/wrong:3: Nname: unknown key"
        t_match "$(cat "$D/stage/err")" "$D/stage/none: No such file"
        # A limit, and which file it refuses.
        ctl limits set acme queue_depth=1 >/dev/null
        ctl pause acme
        d_status 8 ctl submit -t acme "$D/stage/one" "$D/stage/five" >"$D/stage/numbers" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "^tenantqctl: $D/stage/five: .*queue_depth"
        ctl resume acme
        ctl limits unset acme queue_depth >/dev/null
        ctl wait "$(cat "$D/stage/numbers")"
}

submits_and_waits() {
        local out
        d_status 5 ctl submit -t acme --wait "$D/stage/five" >"$D/stage/out5"
        t_match "$(tr '\n' ' ' <"$D/stage/out5")" '^([0-9]+) ([0-9]+): exit 5 $'
        t_eq "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
        d_status 1 ctl submit -t acme --wait "$D/stage/one" "$D/stage/five" >"$D/stage/out1" 2>"$D/stage/err1"
        t_match "$(tr '\n' ' ' <"$D/stage/out1")" '^[0-9]+ [0-9]+ [0-9]+: exit 0 [0-9]+: exit 5 $'
        t_eq "$(cat "$D/stage/err1")" "" "without a terminal nothing is drawn"
        d_status 0 ctl submit -t acme --wait "$D/stage/one" "$D/stage/one" >/dev/null
        d_status 3 ctl submit -t acme --wait "$D/stage/one" "$D/stage/wrong" >/dev/null 2>&1
        out=$(ctl submit -t acme --wait --dry-run "$D/stage/one" "$D/stage/five" | grep accepted)
        t_eq "$out" "$D/stage/one: it would be accepted"$'\n'"$D/stage/five: it would be accepted"
}

# Drawn on a terminal only, and gone at the end.
draws_a_bar() {
        local gate jobs said status=0
        ctl limits set acme default/concurrency=4 >/dev/null
        gate=$(d_gate_make bar)
        jobs=$(ctl run -t acme --name slow -- sh -c "read x <$gate; true"; ctl run -t acme -- false; ctl run -t acme -- true)
        (sleep 2; d_gate_open bar) &
        # shellcheck disable=SC2086 # words
        said=$(TERM=xterm on_terminal -- wait $jobs) || status=$?
        ctl limits unset acme default/concurrency >/dev/null
        t_eq "$status" 1 "exit status"
        t_match "$said" '\[#############\.\.\.\.\.\.\.\] 2/3, 1 failed, 1 runs: [0-9]+ slow' "the bar"
        t_match "$said" $'\e\\[K[0-9]+: exit 0\n[0-9]+: exit 1\n[0-9]+: exit 0$' "the verdicts behind it"
        # shellcheck disable=SC2086 # words
        t_lacks "$(TERM=dumb on_terminal -- wait $jobs || true)" '[' "of a dumb terminal"
        # shellcheck disable=SC2086 # words
        t_lacks "$(ctl wait $jobs 2>&1 || true)" '[' "without a terminal"
}

# Scripts --------------------------------------------------------------------------------------

# script NAME: standard input becomes a file that is no job file; prints its path.
script() {
        cat >"$D/stage/$1"
        echo "$D/stage/$1"
}

takes_scripts() {
        local file job
        file=$(script nightly.sh <<'END'
#!/bin/sh -u
# What it needs:
#TENANTQ runtime=1h Name=night Queue=etl

#TENANTQ 'Environment="GREETING=good morning" B=2' Environment=C=3
#TENANTQX pids=1
echo "$0 $# $GREETING $B $C" 'it''s "quoted" \ $HOME'
#TENANTQ nonsense is no comment of the beginning
cat <<X
	tab, ä, $-
X
exit 7
END
        )
        job=$(ctl submit -t acme "$file")
        echo "exit 0" >"$file" # the job has its own
        t_eq "$(verdict "$job")" "exit 7"
        t_match "$(ctl logs "$job")" "^/tmp/nightly.sh 0 good morning 2 3 it.?s \"quoted\" .* \\\$HOME"$'\n\ttab, ä, [a-z]*u' output
        t_eq "$(d_field "$job" Name) $(d_field "$job" Queue)" "night etl"
        t_match "$(ctl status "$job")" $'\n  runtime=1h'
        # Another interpreter, by standard input; its name is of the file.
        file=$(script count.py <<'END'
#! /usr/bin/env python3 
import sys
print(sys.argv, 1 + 1)
END
        )
        t_eq "$(ctl logs "$(ctl submit --wait -t acme "$file" | sed -n 's/: exit 0//p')")" "['/tmp/count.py'] 2"
        t_eq "$(ctl ps -a acme -n 1 --noheadings -o name)" count.py
        ctl submit --wait -t acme - <"$file" >/dev/null
        t_eq "$(ctl ps -a acme -n 1 --noheadings -o name)" script
}

# script_fails WHERE-AND-WHAT: the script on standard input is refused with that, by submit and validate.
script_fails() {
        local file
        file=$(script bad.sh)
        d_status 3 ctl submit -t acme "$file" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "^tenantqctl: $D/stage/bad.sh:$1"
        d_status 3 ctl validate "$file" >"$D/stage/out3"
        t_match "$(cat "$D/stage/out3")" "^$D/stage/bad.sh:$1"
}

refuses_scripts() {
        script_fails '3: memry: unknown key; did you mean memory\?' <<<$'#!/bin/sh\n\n#TENANTQ cpu=1 memry=4G\n'
        script_fails '2: Nme: unknown key; did you mean Name\?' <<<$'#!/bin/sh\n#TENANTQ Nme=x'
        script_fails '3: Name: given twice; first on line 2' <<<$'#!/bin/sh\n#TENANTQ Name=x\n#TENANTQ Name=y'
        script_fails '4: memory: ' <<<$'#!/bin/sh\n#TENANTQ Name=x\n\n#TENANTQ memory=lots'
        script_fails '3: MemoryMax: given twice' <<<$'#!/bin/sh\n#TENANTQ memory=1G\n#TENANTQ MemoryMax=2G'
        script_fails '2: weight: ' <<<$'#!/bin/sh\n#TENANTQ weight=3'
        script_fails '2: ExecStart: it is the script' <<<$'#!/bin/sh\n#TENANTQ ExecStart=/bin/true'
        script_fails '2: "cpu": expected KEY=VALUE' <<<$'#!/bin/sh\n#TENANTQ cpu'
        script_fails '2: expected KEY=VALUE words, quoted' <<<$'#!/bin/sh\n#TENANTQ Name="x'
        script_fails '2: Name: expected a value that' <<<$'#!/bin/sh\n#TENANTQ Name='
        script_fails '1: expected #!/path/to/interpreter' <<<$'#!/bin/sh\r\n'
        # What the daemon knows is told in the same place.
        ctl limits set acme runtime=1h >/dev/null
        file=$(script bad.sh <<<$'#!/bin/sh\n# x\n#TENANTQ runtime=2h')
        d_status 3 ctl submit -t acme "$file" 2>"$D/stage/err"
        ctl limits unset acme runtime >/dev/null
        t_match "$(cat "$D/stage/err")" "^tenantqctl: $D/stage/bad.sh:3: runtime: "
        printf '#!/bin/sh\necho "a\0b"\n' >"$D/stage/bad.sh"
        d_status 3 ctl submit -t acme "$D/stage/bad.sh" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "a script has no bytes of 0"
        { printf '#!/bin/sh\n' && head -c 64000 /dev/zero | tr '\0' '"'; } >"$D/stage/bad.sh"
        d_status 3 ctl submit -t acme "$D/stage/bad.sh" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "as a job file it takes 1[0-9]+ bytes: expected at most 65536"
}

# What would become of it ----------------------------------------------------------------------

would() {
        ctl run --test-only -t acme "$@" -- true
}

says_when_it_would_start() {
        local before gate job at
        before=$(ctl --json ps -a -n 1 | d_json 'j["jobs"][0]["job"]')
        t_eq "$(would)" $'it would be accepted\nit would start at once'
        t_eq "$(ctl run --dry-run -t acme -- true)" "it would be accepted"
        say_hello one 'StartAfter=+2h' >"$D/stage/later"
        at=$(date -d '+2 hours' '+%Y-%m-%d %H:%M')
        t_match "$(ctl submit -t acme --test-only "$D/stage/later")" \
                $'^it would be accepted\nit would wait:\n  start-after: its time is '"$(date -d '+2 hours' '+.*%H:%M')|$at"
        in_range "$(ctl --json submit -t acme --test-only "$D/stage/later" | d_json 'j["reasons"][0]["until_usec"] // 1000000')" \
                $(($(date +%s) + 7190)) $(($(date +%s) + 7200)) "when"
        gate=$(d_gate_make would)
        job=$(ctl run -t acme -q full -- sh -c "read x <$gate; true")
        t_match "$(would -q full)" "^it would be accepted"$'\nit would wait:\n  queue-concurrency: the queue runs as many jobs .*: 1 of 1$'
        ctl run -t acme -q full -- true >"$D/stage/second"
        t_match "$(would -q full)" $'\n  behind: 1 jobs of its queue come before it$'
        t_eq "$(would -q other)" $'it would be accepted\nit would start at once'
        ctl pause acme
        t_match "$(would -q other)" $'it would wait:\n  tenant-paused: tenant acme is paused$'
        ctl resume acme
        say_hello one "After=$job" >"$D/stage/after"
        t_match "$(ctl submit -t acme --test-only "$D/stage/after" "$D/stage/one")" \
                "^$D/stage/after: it would be accepted"$'\nit would wait:\n  after: whether .* looked up when it is handed in\n'"$D/stage/one: it would be accepted"$'\nit would start at once$'
        say_hello one 'Deadline=1h ago' >"$D/stage/late"
        t_match "$(ctl submit -t acme --test-only "$D/stage/late")" 'its Deadline= has passed: it would end unrun'
        d_gate_open would
        ctl wait "$job" "$(cat "$D/stage/second")"
        t_eq "$(ctl --json ps -a -n 1 | d_json 'j["jobs"][0]["job"]')" $((before + 2)) "nothing was handed in"
}

would_be_refused() {
        ctl limits set acme enqueue_rate=1/h >/dev/null
        ctl run -t acme -w --quiet -- true
        d_status 8 would >"$D/stage/would" 2>&1
        t_match "$(cat "$D/stage/would")" 'enqueue_rate'
        t_eq "$(ctl --json run --test-only -t acme -- true 2>/dev/null | d_json 'j["error"]["retry_after"] > 3000')" true "when to try again"
        ctl limits unset acme enqueue_rate >/dev/null
}

# Times in the usual ways, as the daemon has taken them.
takes_times() {
        local job want
        for want in '23:00' '+2h' 'tomorrow' "@$(($(date +%s) + 600))"; do
                say_hello timed "StartAfter=$want" "Deadline=+2d" >"$D/stage/timed"
                job=$(ctl submit -t acme "$D/stage/timed")
                t_eq "$(d_field "$job" State)" scheduled "with $want"
                ctl cancel "$job"
        done
        say_hello timed "StartAfter=@$(($(date +%s) + 1))" >"$D/stage/timed"
        job=$(ctl submit -t acme "$D/stage/timed")
        t_eq "$(verdict "$job")" "exit 0"
        say_hello timed "StartAfter=soon" >"$D/stage/timed"
        d_status 3 ctl submit -t acme "$D/stage/timed" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" ':4: StartAfter: expected a time such as "2026-11-28 12:00", 23:00'
        # An hour is one of when it was accepted, also for the daemon that reads it again.
        say_hello timed "StartAfter=+1h" >"$D/stage/timed"
        job=$(ctl submit -t acme "$D/stage/timed")
        want=$(d_field "$job" "Not before")
        sleep 1.1
        d_restart
        t_eq "$(d_field "$job" "Not before")" "$want"
        ctl cancel "$job"
}

d_case "run -w: output while it runs" streams_while_it_runs
d_case "run -w of several attempts" follows_the_last
d_case "run -w --quiet" is_quiet
d_case "run -w goes on over a restart" survives_a_restart
d_case "an administrator follows" streams_to_admins
d_case "run -i hands on standard input" gets_input
d_case "SIGTERM detaches" detaches TERM 143
d_case "SIGINT without a terminal detaches" detaches_by_int
d_case "^C asks" asks_whether_to_cancel
d_case "run -w without a reader" nobody_reads
d_case "submit of many files" submits_many
d_case "submit --wait" submits_and_waits
d_case "wait draws a bar" draws_a_bar
d_case "scripts are jobs" takes_scripts
d_case "what is wrong in a script" refuses_scripts
d_case "--test-only says when it would start" says_when_it_would_start
d_case "--test-only of what is refused" would_be_refused
d_case "times in the usual ways" takes_times

d_report
t_summary
