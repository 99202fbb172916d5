#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Attempts that fail are repeated as the job's file says, over restarts too, and what fails for good is a dead letter.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# fails CODE [GATES]: writes that it runs; waits at GATES.ATTEMPT if there is one; exits with CODE, or by a signal.
payload fails <<END >/dev/null
#!/bin/sh
echo "\$TENANTQ_JOB \$TENANTQ_ATTEMPT" >>"$D/witness/\$TENANTQ_TENANT"
[ ! -p "\${2:-/}.\$TENANTQ_ATTEMPT" ] || read -r _ <"\$2.\$TENANTQ_ATTEMPT"
case \$1 in
*[!0-9]*) kill -s "\$1" \$\$ ;;
*) exit "\$1" ;;
esac
END
fails="ExecStart=$D/payload/fails"

# failing CODE LINE…: hands in a job of acme's with these lines of [Retry]; those of [Job] come before a --.
failing() {
        local code=$1 lines=()
        shift
        while [ $# -gt 0 ] && [ "$1" != -- ]; do
                lines+=("$1")
                shift
        done
        shift || true
        { job "$fails $code" "${lines[@]}" && printf '[Retry]\n' && printf '%s\n' "$@"; } | ctl submit -t acme -
}

# The numbers of its attempts that have run: whatever the daemon says.
ran() {
        awk -v j="$1" '$1 == j { printf "%s%s", n++ ? " " : "", $2 }' "$D/witness/acme"
}

has_run() {
        [ "$(ran "$1")" = "$2" ]
}

# attempts JOB FIELD: of each that the ledger has.
attempts() {
        ctl --json status "$1" | d_json "' '.join(str(a['$2']) for a in j['attempts'])"
}

# field JOB COLUMN
field() {
        ctl --json status "$1" | d_json "j['jobs'][0]['$2']"
}

# The numbers of the dead letters of a target.
dead() {
        ctl --json dead list "$@" | d_json '" ".join(str(r["job"]) for r in sorted(j["jobs"], key=lambda r: r["job"]))'
}

# Milliseconds from the end of each attempt to the start of the next one.
delays() {
        ctl --json status "$1" | d_json '" ".join(str((b["started_usec"] - a["ended_usec"]) // 1000)
        for a, b in zip(j["attempts"], j["attempts"][1:]))'
}

# Each of the delays is one of these, within a tenth; starting takes a little.
delays_are() {
        local -a got want=("${@:2}")
        local i
        read -ra got <<<"$(delays "$1")"
        t_eq "${#got[@]}" "${#want[@]}" "delays of job $1"
        for i in "${!want[@]}"; do
                in_range "${got[i]}" $((want[i] * 9 / 10)) $((want[i] * 11 / 10 + 700)) "delay $((i + 1)) of job $1"
        done
}

clear_letters() {
        ctl dead purge acme >/dev/null
        t_eq "$(dead acme)" "" "dead letters"
}

# Attempts ------------------------------------------------------------------------------------

three_attempts() {
        local fixed growing
        fixed=$(failing 9 Queue=a Name=fixed -- MaxAttempts=3 Backoff=fixed RestartSec=600ms)
        growing=$(failing 9 Queue=b CorrelationId=req-7 -- MaxAttempts=4 RestartSec=300ms RestartMaxSec=900ms)
        t_eq "$(verdict "$fixed")" "exit 9"
        t_eq "$(verdict "$growing")" "exit 9"
        t_eq "$(ran "$fixed")" "1 2 3" "attempts that ran"
        t_eq "$(ran "$growing")" "1 2 3 4" "attempts that ran"
        t_eq "$(attempts "$fixed" attempt)" "1 2 3"
        t_eq "$(attempts "$fixed" verdict)" "exit 9 exit 9 exit 9"
        delays_are "$fixed" 600 600
        delays_are "$growing" 300 600 900
        t_eq "$(field "$fixed" failures) $(field "$fixed" attempt) $(field "$fixed" dead)" "2 3 1" "failures before, attempt and dead"
        t_eq "$(dead acme)" "$fixed $growing" "dead letters"
        t_eq "$(dead acme/a)" "$fixed" "dead letters of a queue"
        t_eq "$(dead globex)" "" "dead letters of another tenant"
        t_match "$(ctl dead list acme)" "$fixed +acme +a +fixed +3 .* exit 9"
        t_match "$(ctl dead show "$fixed")" "Dead letter: tenantqctl dead retry $fixed "
        t_eq "$(ctl dead show "$fixed" | sed -n '/^Attempts:/,/^$/p' | grep -c 'exit 9')" 3 "attempts that are shown"
        t_eq "$(ctl logs "$fixed")" "" "its output"
        clear_letters
}

# The second attempt does what the first did not: it is no dead letter.
second_is_well() {
        local job
        # shellcheck disable=SC2016 # the job's shell expands it
        job=$({ job 'ExecStart=/bin/sh -c "echo attempt $TENANTQ_ATTEMPT; exit $((2 - TENANTQ_ATTEMPT))"' &&
                printf '[Retry]\nMaxAttempts=5\nRestartSec=200ms\n'; } | ctl submit -t acme -)
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(attempts "$job" verdict)" "exit 1 exit 0"
        t_eq "$(ctl logs "$job")" "attempt 2" "output"
        t_eq "$(dead acme)" "" "dead letters"
}

# which CODE WANT LINE…: how often it runs that may run twice.
which() {
        local job
        job=$(failing "$1" "Queue=w$((n_which++ % 8))" -- MaxAttempts=2 RestartSec=0 "${@:3}")
        whiches+=("$job $2 $*")
}

ends_that_are_named() {
        local row job want text n_which=0 whiches=()
        which 1 "1 2"
        which 1 1 RetryOn=2-9
        which 2 "1 2" RetryOn=2-9
        which 9 "1 2" RetryOn=2-9
        which 10 1 RetryOn=2-9
        which 75 1 NoRetryOn=75
        which 74 "1 2" NoRetryOn=75
        which SEGV "1 2"
        which SEGV "1 2" RetryOn=SIGSEGV
        which SEGV 1 RetryOn=KILL
        which KILL "1 2" "RetryOn=exit KILL"
        which 9 1 RetryOn=signal
        which KILL 1 RetryOn=signal NoRetryOn=KILL
        which KILL 1 RetryOn=lost,oom
        which 0 1
        for row in "${whiches[@]}"; do
                job=${row%% *} text=${row#* }
                verdict "$job" >/dev/null
                want=${text%% *}
                [[ $text != "1 2 "* ]] || want="1 2"
                t_eq "$(ran "$job")" "$want" "attempts that ran of: $text"
        done
        clear_letters
}

timeouts() {
        local job
        job=$({ job "ExecStart=/bin/sleep 20" RuntimeMaxSec=300ms && printf '[Retry]\nMaxAttempts=2\nRestartSec=100ms\n'; } |
                ctl submit -t acme -)
        t_eq "$(verdict "$job")" "timeout (job)"
        t_eq "$(attempts "$job" verdict)" "timeout (job) timeout (job)"
        # Without its words it is not one to be repeated.
        job=$({ job "ExecStart=/bin/sleep 20" RuntimeMaxSec=300ms && printf '[Retry]\nMaxAttempts=2\nRetryOn=exit\n'; } |
                ctl submit -t acme -)
        t_eq "$(verdict "$job")" "timeout (job)"
        t_eq "$(attempts "$job" attempt)" 1 "attempts"
        clear_letters
}

# A program that is not there never runs, and is a failure all the same.
launches() {
        local job
        job=$({ job "ExecStart=/nowhere" && printf '[Retry]\nMaxAttempts=3\nRestartSec=100ms\n'; } | ctl submit -t acme -)
        t_match "$(verdict "$job")" '^spawn \(exec: No such file'
        t_eq "$(attempts "$job" attempt)" "1 2 3" "attempts"
        clear_letters
}

# While it waits ------------------------------------------------------------------------------

waits_and_says_so() {
        local job out
        job=$(failing 4 Queue=slow -- MaxAttempts=3 RestartSec=1h)
        t_wait 5 d_state_is "$job" retrying
        t_match "$(ctl ps acme)" "$job +acme +slow +.* retrying .*retry"
        t_eq "$(why "$job")" retry "reasons"
        out=$(ctl explain "$job")
        t_match "$out" "job $job of acme, queue slow: retrying"
        t_match "$out" "retry: 1 of its 3 attempts failed \(exit 4\); the next one comes at 20"
        t_match "$out" "change: tenantqctl requeue $job, to have it at once; tenantqctl cancel $job"
        t_eq "$(ctl --json queue acme | d_json '[(q["queue"], q["reason"], q["jobs"]) for q in j["queues"]]')" \
                '[["slow", "retry", 1]]' "counts of the queue"
        t_eq "$(field "$job" failures)" 1 "failures"
        in_range "$(($(field "$job" retry_usec) / 1000000 - $(date +%s)))" 3200 3970 "seconds until the next attempt"
        t_eq "$(waiting acme)" 1 "waiting jobs"
        # The same after a restart.
        out=$(field "$job" retry_usec)
        d_restart
        d_state_is "$job" retrying || t_fail "$(d_field "$job" State) after a restart"
        t_eq "$(field "$job" retry_usec)" "$out" "when the next one comes, after a restart"
        t_match "$(ctl explain "$job")" "1 of its 3 attempts failed \(exit 4\)"
        # Held, and not started when it is let go.
        ctl hold "$job"
        t_eq "$(why "$job")" "held retry" "reasons"
        ctl release "$job"
        t_eq "$(why "$job")" retry "reasons"
        ctl cancel "$job"
        t_eq "$(verdict "$job")" cancelled
        t_eq "$(field "$job" retry_usec)" null "when it is tried again"
        t_eq "$(attempts "$job" verdict)" "exit 4"
        t_eq "$(dead acme)" "" "dead letters"
}

cancelled_while_it_runs() {
        local job
        d_gate_make cancel.1 >/dev/null
        job=$(failing "4 $D/gate.cancel" -- MaxAttempts=3 RestartSec=0)
        t_wait 5 has_run "$job" 1
        t_wait 5 d_state_is "$job" running
        ctl cancel "$job"
        t_eq "$(verdict "$job")" cancelled
        t_eq "$(ran "$job")" 1 "attempts that ran"
        t_eq "$(dead acme)" "" "dead letters"
        d_gate_open cancel.1
}

# It is being stopped for its time, and would have another attempt.
cancelled_while_it_stops() {
        local job
        job=$({ job "ExecStart=/bin/sh -c \"trap '' TERM; sleep 30 & wait; wait; sleep 30\"" RuntimeMaxSec=300ms TimeoutStopSec=2 &&
                printf '[Retry]\nMaxAttempts=3\nRestartSec=0\n'; } | ctl submit -t acme -)
        t_wait 5 d_state_is "$job" stopping
        ctl cancel "$job"
        t_eq "$(verdict "$job")" cancelled
        t_eq "$(attempts "$job" attempt)" 1 "attempts"
        t_eq "$(dead acme)" "" "dead letters"
}

# Nothing is waited for that would come too late.
deadline_comes_first() {
        local job
        job=$(failing 4 "Deadline=$(at 60)" -- MaxAttempts=3 RestartSec=2min)
        t_eq "$(verdict "$job")" "exit 4"
        t_eq "$(ran "$job")" 1 "attempts that ran"
        t_eq "$(dead acme)" "$job" "dead letters"
        clear_letters
}

# Another job waits for it, not for its attempt.
after_waits_on() {
        local first second
        # shellcheck disable=SC2016 # the job's shell expands it
        first=$({ job Name=first 'ExecStart=/bin/sh -c "exit $((2 - TENANTQ_ATTEMPT))"' &&
                printf '[Retry]\nMaxAttempts=2\nRestartSec=500ms\n'; } | ctl submit -t acme -)
        second=$(put acme Queue=other After=first)
        t_wait 5 d_state_is "$first" retrying
        t_eq "$(why "$second")" after "reasons"
        t_eq "$(verdict "$second")" "exit 0"
}

# Kills ---------------------------------------------------------------------------------------

engine_is_another() {
        [ -n "$(d_engine)" ] && [ "$(d_engine)" != "$1" ] && d_answers
}

disturb() {
        local engine
        engine=$(d_engine)
        d_kill9 "$1"
        if [ "$1" = engine ]; then t_wait 10 engine_is_another "$engine"; else d_start; fi
}

# Between any two steps: the attempts are those of the file, and none runs twice.
killed() {
        local how=$1 job
        d_gate_make "$how.1" >/dev/null
        d_gate_make "$how.2" >/dev/null
        job=$(failing "3 $D/gate.$how" -- MaxAttempts=3 Backoff=fixed RestartSec=4s)
        t_wait 5 has_run "$job" 1
        t_wait 5 d_state_is "$job" running
        disturb "$how"
        d_state_is "$job" running || t_fail "$(d_field "$job" State) after the first kill"
        d_gate_open "$how.1"
        t_wait 5 d_state_is "$job" retrying
        disturb "$how"
        d_state_is "$job" retrying || t_fail "$(d_field "$job" State) after the second kill"
        t_wait 10 has_run "$job" "1 2"
        t_wait 5 d_state_is "$job" running
        disturb "$how"
        d_gate_open "$how.2"
        t_wait 5 d_state_is "$job" retrying
        t_eq "$(verdict "$job")" "exit 3"
        t_eq "$(ran "$job")" "1 2 3" "attempts that ran"
        t_eq "$(attempts "$job" verdict)" "exit 3 exit 3 exit 3"
        delays_are "$job" 4000 4000
        t_eq "$(dead acme)" "$job" "dead letters"
        clear_letters
        no_leftovers
}

# Nobody knows what became of them: their cgroups and records have gone.
lost() {
        local again for_good i
        d_gate_make lost.1 >/dev/null
        again=$(failing "0 $D/gate.lost" Queue=a OnLost=requeue -- RestartSec=500ms)
        for_good=$(failing "0 $D/gate.lost" Queue=b -- MaxAttempts=3 RestartSec=0)
        i=$(put acme Queue=c "$fails 0 $D/gate.lost")
        for job in "$again" "$for_good" "$i"; do
                t_wait 5 has_run "$job" 1
                t_wait 5 d_state_is "$job" running
        done
        d_kill9 both
        for job in "$D_CGROUP"/acme.slice/*.job; do
                echo 1 >"$job/cgroup.kill"
        done
        t_wait 5 leaves_go
        find "$D/state/results" -type f -delete
        d_start
        t_eq "$(verdict "$for_good")" lost
        t_eq "$(verdict "$i")" lost
        t_eq "$(verdict "$again")" "exit 0"
        t_eq "$(ran "$again")" "1 2" "attempts that ran"
        t_eq "$(attempts "$again" verdict)" "lost exit 0"
        t_eq "$(ran "$for_good") $(ran "$i")" "1 1" "attempts that ran"
        t_eq "$(dead acme)" "$for_good $i" "dead letters"
        d_gate_open lost.1
        # One that was lost is tried again by hand, also without [Retry].
        ctl dead retry "$i"
        t_eq "$(verdict "$i")" "exit 0"
        t_eq "$(attempts "$i" verdict)" "lost exit 0"
        clear_letters
}

leaves_go() {
        rmdir "$D_CGROUP"/acme.slice/*.job 2>/dev/null
        [ -z "$(find "$D_CGROUP/acme.slice" -name '*.job')" ]
}

# Dead letters --------------------------------------------------------------------------------

retried_by_hand() {
        local job submitted
        job=$(failing 5 Queue=r CorrelationId=req-7 -- MaxAttempts=2 RestartSec=100ms)
        t_eq "$(verdict "$job")" "exit 5"
        submitted=$(field "$job" submitted_usec)
        ctl pause acme
        ctl dead retry "$job"
        t_eq "$(dead acme)" "" "dead letters"
        d_state_is "$job" queued || t_fail "$(d_field "$job" State) after dead retry"
        t_eq "$(why "$job")" tenant-paused "reasons"
        d_status 3 ctl dead retry "$job" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "job $job has not ended"
        d_restart
        d_state_is "$job" queued || t_fail "$(d_field "$job" State) after a restart"
        ctl resume acme
        t_eq "$(verdict "$job")" "exit 5"
        t_eq "$(ran "$job")" "1 2 3 4" "attempts that ran"
        t_eq "$(attempts "$job" attempt)" "1 2 3 4" "attempts"
        t_eq "$(field "$job" submitted_usec) $(field "$job" correlation_id)" "$submitted req-7" "what it was handed in as"
        t_eq "$(dead acme)" "$job" "dead letters"
        t_match "$(ctl events -n 50)" "dead-retry +acme +$job .*by root"
        clear_letters
}

purged() {
        local job other
        job=$(failing 5 Queue=a -- MaxAttempts=1)
        other=$(failing 5 Queue=b -- MaxAttempts=1)
        t_eq "$(verdict "$job") $(verdict "$other")" "exit 5 exit 5" verdicts
        ctl dead purge "$job"
        t_eq "$(dead acme)" "$other" "dead letters"
        d_status 3 ctl dead purge "$job" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "job $job is no dead letter"
        d_status 3 ctl dead retry "$job" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "job $job is no dead letter .*rerun"
        t_eq "$(field "$job" verdict) $(attempts "$job" attempt)" "exit 5 1" "its history"
        t_match "$(ctl events -n 50)" "dead-purge +acme +$job "
        t_eq "$(ctl dead purge acme)" "acme: 1 job taken out"
        t_eq "$(ctl dead list acme 2>&1)" "no dead letters"
        d_restart
        t_eq "$(dead acme)" "" "dead letters after a restart"
}

many_at_once() {
        local i a=() b=()
        for i in 1 2 3; do
                a+=("$(failing 5 Queue=a -- MaxAttempts=1)")
                b+=("$(failing 5 Queue=b -- MaxAttempts=1)")
        done
        t_wait 10 holds acme 0
        t_wait 10 d_is_idle
        t_eq "$(dead acme)" "$(printf '%s\n' "${a[@]}" "${b[@]}" | sort -n | paste -sd' ')" "dead letters"
        t_eq "$(ctl dead list acme -n 2 | grep -c 'exit 5')" 2 "rows of -n 2"
        ctl pause acme
        t_eq "$(ctl dead retry acme/b)" "acme/b: 3 jobs tried again"
        t_eq "$(dead acme)" "${a[*]}" "dead letters"
        t_eq "$(waiting acme)" 3 "waiting jobs"
        ctl resume acme
        t_wait 10 d_is_idle
        for i in "${b[@]}"; do
                t_eq "$(ran "$i")" "1 2" "attempts that ran"
        done
        clear_letters
}

# What has passed its Deadline= has no attempt that could be tried.
not_after_its_deadline() {
        local job
        job=$(failing 5 "Deadline=$(at 2)" -- MaxAttempts=1)
        t_eq "$(verdict "$job")" "exit 5"
        sleep 2.2
        d_status 4 ctl dead retry "$job" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "Deadline= has passed"
        d_status 4 ctl rerun "$job" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "Deadline= has passed"
        t_eq "$(dead acme)" "$job" "dead letters"
        t_none dead-retry "events of a retry that was refused" ctl events -n 1
        clear_letters
}

# A job has an end, however often it is tried again.
not_for_ever() {
        local job
        job=$(failing 5 -- MaxAttempts=1)
        t_eq "$(verdict "$job")" "exit 5"
        d_stop
        "$D_PYTHON" -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("UPDATE jobs SET attempt = 1001 WHERE id = ?", (int(sys.argv[2]),))
c.commit()
c.execute("PRAGMA wal_checkpoint(TRUNCATE)")' "$D/state/ledger/ledger.db" "$job"
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
        d_start
        d_status 4 ctl dead retry "$job" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "job $job has had 1001 attempts: rerun hands in a copy of it"
        t_eq "$(verdict "$(ctl rerun "$job")")" "exit 5"
        t_eq "$(dead acme | wc -w)" 2 "dead letters"
        clear_letters
}

# A tenant's user deals with its own letters; to others they are not there.
own_letters() {
        local job verb
        job=$(failing 5 -- MaxAttempts=1)
        t_eq "$(verdict "$job")" "exit 5"
        for verb in "dead show" "dead retry" "dead purge" rerun; do
                # shellcheck disable=SC2086 # words
                d_status 5 ctl_as 61602 61602 $verb "$job" 2>"$D/stage/err"
                # shellcheck disable=SC2086 # words
                t_eq "$(ctl_as 61602 61602 $verb 987654 2>&1 | sed 's/987654/N/')" "$(sed "s/$job/N/" "$D/stage/err")" "$verb"
        done
        d_status 5 ctl_as 61602 61602 dead list acme 2>/dev/null
        d_status 5 ctl_as 61602 61602 dead list acme/default 2>/dev/null
        d_status 5 ctl_as 61602 61602 dead retry acme 2>/dev/null
        d_status 5 ctl_as 61602 61602 dead purge acme/default 2>/dev/null
        t_eq "$(ctl_as 61602 61602 --json dead list | d_json 'j["jobs"]')" "[]" "another tenant's letters"
        t_eq "$(dead acme)" "$job" "dead letters"
        t_eq "$(ctl_as 61601 61601 --json dead list | d_json '[r["job"] for r in j["jobs"]]')" "[$job]" "its own"
        ctl_as 61601 61601 dead retry "$job"
        t_eq "$(verdict "$job")" "exit 5"
        ctl_as 61601 61601 dead purge "$job"
        t_eq "$(dead acme)" "" "dead letters"
}

rerun() {
        local job copy live
        job=$({ job "Name=again" "$fails 0" '# a comment,   with blanks' CorrelationId=req-7 && printf '\n[Retry]\nMaxAttempts = 1\n\n'; } |
                ctl submit -t acme -)
        t_eq "$(verdict "$job")" "exit 0"
        copy=$(ctl rerun "$job")
        [ "$copy" -gt "$job" ] || t_fail "the copy is job $copy"
        t_eq "$(verdict "$copy")" "exit 0"
        t_eq "$(ran "$job") $(ran "$copy")" "1 1" "attempts that ran"
        t_eq "$(field "$copy" spec)" "$(field "$job" spec)" "its file"
        t_eq "$(ctl_as 61601 61601 --json rerun "$copy" | d_json 'j["schema"]')" tenantq.submit.v1
        t_wait 5 d_is_idle
        d_gate_make rerun.1 >/dev/null
        live=$(put acme "$fails 0 $D/gate.rerun")
        d_status 3 ctl rerun "$live" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "job $live has not ended"
        d_status 5 ctl rerun 987654 2>/dev/null
        # As a submission: what a limit refuses is refused.
        limit acme queue_depth=0
        d_status 8 ctl rerun "$job" 2>/dev/null
        unlimit acme queue_depth
        d_gate_open rerun.1
        t_eq "$(verdict "$live")" "exit 0"
}

q_case "three attempts, each after its delay" three_attempts
q_case "the second attempt is well" second_is_well
q_case "RetryOn= and NoRetryOn=" ends_that_are_named
q_case "timeouts" timeouts
q_case "launches that fail for good" launches
q_case "what is said of one that waits" waits_and_says_so
q_case "cancelled while it runs" cancelled_while_it_runs
q_case "cancelled while it stops" cancelled_while_it_stops
q_case "Deadline= comes first" deadline_comes_first
q_case "After= waits on" after_waits_on
q_case "the engine is killed between the steps" killed engine
q_case "both are killed between the steps" killed both
q_case "lost jobs" lost
q_case "dead retry" retried_by_hand
q_case "dead purge" purged
q_case "the letters of a queue at once" many_at_once
q_case "dead retry after the Deadline=" not_after_its_deadline
q_case "a dead letter is tried again, but not for ever" not_for_ever
q_case "letters are their tenant's" own_letters
q_case "rerun" rerun
d_report
t_summary
