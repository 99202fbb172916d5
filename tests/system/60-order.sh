#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which of a tenant's jobs is next, and which may not start yet or not any more: Priority=, StartAfter=, Deadline=, After=.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init
witness=$(witness_payload)

# Order and times -----------------------------------------------------------------------------

# Ten jobs behind a gate: their priorities, and the order in which they must speak.
by_priority_then_arrival() {
        local gate p n=0
        : >"$D/witness/acme"
        gate=$(d_gate_make "order$1")
        put acme "$(waits)" >/dev/null
        t_wait 5 runs acme 1
        for p in 0 100 -100 0 5 5 -1 0 100 -100; do
                put acme "Priority=$p" "$(says $n)" >/dev/null
                n=$((n + 1))
        done
        [ "$1" = stays ] || d_restart
        d_gate_open "order$1"
        t_wait 5 d_is_idle
        t_eq "$(said acme)" 1845037629 order
}

not_before_its_time() {
        local early job
        early=$(($(date +%s) + 2))
        job=$(put acme "StartAfter=$(at 2)" ExecStart="/bin/date +%s")
        t_eq "$(why "$job")" start-after reason
        t_eq "$(ctl --json queue acme | d_json '[[r["reason"], r["jobs"]] for r in j["queues"]]')" '[["start-after", 1]]' count
        d_status 0 ctl run -w -t acme -- true
        t_eq "$(verdict "$job")" "exit 0"
        [ "$(ctl logs "$job")" -ge "$early" ] || t_fail "early: $(ctl logs "$job") before $early"
        [ "$(ctl logs "$job")" -le $((early + 1)) ] || t_fail "late: $(ctl logs "$job") after $early"
}

not_after_its_deadline() {
        local gate first late held in_time scheduled
        gate=$(d_gate_make deadline)
        first=$(put acme "Deadline=$(at 2)" "$(waits)")
        t_wait 5 d_state_is "$first" running
        late=$(put acme "Deadline=$(at 1)")
        held=$(put acme "Deadline=$(at 2)")
        ctl hold "$held"
        scheduled=$(put acme "StartAfter=$(at 3600)" "Deadline=$(at 2)" Queue=other)
        in_time=$(put acme "Deadline=$(at 3600)")
        t_eq "$(verdict "$(put acme "Deadline=2020-01-01 00:00")")" deadline "verdict of one whose time is past"
        d_restart
        t_eq "$(verdict "$late")" deadline verdict
        t_eq "$(verdict "$held")" deadline "verdict of a held one"
        t_eq "$(verdict "$scheduled")" deadline "verdict of one that was to start later"
        t_eq "$(d_field "$first" State)" running "one that has started"
        d_gate_open deadline
        t_eq "$(verdict "$first") $(verdict "$in_time")" "exit 0 exit 0"
}

# deadline_ends DEADLINE [LINE…]: prints the job's number if it ended so.
deadline_ends() {
        local job deadline=$1
        shift
        {
                printf '[Job]\nName=late\nExecStart=%s 0\nDeadline=%s\n' "$witness" "$deadline"
                [ $# -eq 0 ] || printf '%s\n' "$@"
        } >"$D/stage/late"
        job=$(ctl submit -t globex "$D/stage/late")
        t_eq "$(verdict "$job")" deadline "verdict of a job with Deadline=$deadline $*"
}

deadlines_that_have_passed() {
        local engine i just
        engine=$(d_engine)
        t_eq "$(ctl run -w -t globex -- echo before)" before output
        : >"$D/witness/globex"
        for ((i = 0; i < 50; i++)); do
                just=$(date -u -d '-1 second' '+%F %T UTC')
                case $((i % 5)) in
                0) deadline_ends "2001-01-01" ;;
                1) deadline_ends "$just" ;;
                2) deadline_ends "$just" After=never-comes ;;
                3) deadline_ends "2001-01-01 00:00" After=echo ;;
                4) deadline_ends "$just" "StartAfter=2001-01-01" ;;
                esac
        done
        t_eq "$(witness_count start)" 0 "jobs that ran"
        t_eq "$(d_engine)" "$engine" "pid of the engine"
}

# 0 is a time too.
deadline_at_the_epoch() {
        local text
        : >"$D/witness/globex"
        for text in "1970-01-01 UTC" "1970-01-01 00:00 UTC" "1970-01-01 00:00:00 UTC"; do
                deadline_ends "$text"
        done
        t_eq "$(witness_count start)" 0 "jobs that ran"
}

# After= --------------------------------------------------------------------------------------

after_others() {
        local gate a b c d e f
        gate=$(d_gate_make after)
        a=$(put acme Name=first Queue=a "$(waits)")
        b=$(put acme Name=second Queue=b "$(waits 3)")
        c=$(put acme "After=$a")
        d=$(put acme After=first "After=$a" Queue=d)
        e=$(put acme "After=$a second" Queue=e)
        f=$(put acme "After=$e" Queue=f)
        t_eq "$(why "$c") $(why "$d") $(why "$e") $(why "$f")" "after after after after" reasons
        t_eq "$(explains "$d" after maximum)" 2 conditions
        d_gate_open after
        t_eq "$(verdict "$c") $(verdict "$d")" "exit 0 exit 0"
        t_eq "$(verdict "$b") $(verdict "$e") $(verdict "$f")" "exit 3 dependency dependency"
        # They have ended; nothing is waited for.
        t_eq "$(verdict "$(put acme "After=$a first")")" "exit 0" "after those that ended well"
        t_eq "$(verdict "$(put acme After=second)")" dependency "after one that failed"
        t_eq "$(verdict "$(put acme "After=$((f + 1000000))")")" dependency "after a number that never was"
        t_eq "$(verdict "$(put globex "After=$a")")" dependency "after another tenant's job"
        d_status 3 put acme "After=$(printf 'w%s ' {1..65})"
}

latest_of_a_name() {
        local gate old
        gate=$(d_gate_make latest)
        put acme Name=n ExecStart=/bin/false >/dev/null
        old=$(put acme Name=n Queue=x "$(waits 4)")
        t_eq "$(verdict "$(put acme Name=n Queue=y)")" "exit 0"
        t_eq "$(verdict "$(put acme After=n Queue=y)")" "exit 0" "after the latest; an older one still runs"
        d_gate_open latest
        t_eq "$(verdict "$old")" "exit 4"
}

# An older job of the name ends between the acceptance and the look into the ledger.
older_one_ends_meanwhile() {
        local gate old new job
        gate=$(d_gate_make older)
        old=$(put acme Name=m Queue=x "$(waits 4)")
        gate=$(d_gate_make newer)
        new=$(put acme Name=m Queue=y "$(waits)")
        t_wait 5 runs acme 2
        kill -STOP "$(d_engine)"
        job Name=after-m After=m | drop acme after-m
        sleep 0.3
        d_gate_open older
        sleep 0.3
        kill -CONT "$(d_engine)"
        job=$(job_of acme after-m)
        t_eq "$(verdict "$old")" "exit 4"
        t_eq "$(d_field "$job" State)" scheduled "after the latest, which runs"
        d_gate_open newer
        t_eq "$(verdict "$new") $(verdict "$job")" "exit 0 exit 0"
}

# None has come yet: the first to come, not the first to end.
first_to_come() {
        local gate job first
        gate=$(d_gate_make come)
        job=$(put acme After=comes)
        first=$(put acme Name=comes Queue=x "$(waits)")
        t_eq "$(verdict "$(put acme Name=comes Queue=y)")" "exit 0"
        t_eq "$(d_field "$job" State)" scheduled "after the first to come, which runs"
        d_gate_open come
        t_eq "$(verdict "$first") $(verdict "$job")" "exit 0 exit 0"
}

met_before_a_restart() {
        local job
        job=$(put acme After=met)
        ctl hold "$job"
        t_eq "$(verdict "$(put acme Name=met)")" "exit 0"
        t_eq "$(why "$job")" held "reasons when its condition was met"
        d_restart
        t_eq "$(why "$job")" held "reasons after a restart"
        ctl release "$job"
        t_eq "$(verdict "$job")" "exit 0"
}

# chain CODE VERDICT: of twenty, each after the one before; the first exits with CODE.
chain() {
        local gate job first i chain=()
        gate=$(d_gate_make "chain$1")
        first=$(put acme Queue=first "$(waits "$1")")
        job=$first
        for ((i = 0; i < 20; i++)); do
                job=$(put acme "After=$job")
                chain+=("$job")
        done
        d_kill9 engine
        t_wait 5 d_answers
        d_gate_open "chain$1"
        t_eq "$(verdict "$first")" "exit $1"
        for job in "${chain[@]}"; do
                t_eq "$(verdict "$job")" "$2" "verdict in the chain"
        done
}

hostile_after() {
        local a x y many state
        a=$(put acme Name=me After=me)
        x=$(put acme Name=x After=y)
        y=$(put acme Name=y After=x)
        many=$(put acme "After=$(printf 'w %.0s' {1..64})")
        t_eq "$(why "$a") $(why "$x") $(why "$y") $(why "$many")" "after after after after" reasons
        t_eq "$(explains "$a" after blocker)" "the next job with Name=me" "a name that has not come"
        t_eq "$(explains "$x" after blocker)" "job $y (scheduled) that waits for this one" "a circle"
        t_eq "$(explains "$y" after change)" "tenantqctl cancel $y: they wait for each other" "a circle"
        put acme Name=w >/dev/null
        t_eq "$(verdict "$many")" "exit 0" "64 times the same name"
        many=$(put acme "After=$(printf 'w%s ' {1..64})")
        t_eq "$(explains "$many" after maximum)" 64 conditions
        # After itself, by the number that it will have: it can't end before it has started.
        many=$((many + 1))
        t_eq "$(put acme "After=$many")" "$many" "the number foreseen"
        d_restart
        ctl cancel "$a" "$y"
        t_eq "$(verdict "$a") $(verdict "$y") $(verdict "$x")" "cancelled cancelled dependency" verdicts
        d_status 0 ctl run -w -t globex -- true
        state=$(d_field "$many" State)
        end_all
        t_eq "$state" "done" "one that waits for itself"
}

q_case "priority, then the order of arrival" by_priority_then_arrival stays
q_case "the same over a restart" by_priority_then_arrival restarts
q_case "StartAfter=" not_before_its_time
q_case "Deadline=" not_after_its_deadline
q_case "deadlines that have passed" deadlines_that_have_passed
q_case "a deadline at the epoch" deadline_at_the_epoch
q_case "After= by number and by name" after_others
q_case "After= a name: the latest before it" latest_of_a_name
q_case "After= a name: an older one ends meanwhile" older_one_ends_meanwhile
q_case "After= a name: the first to come" first_to_come
q_case "After= that was met before a restart" met_before_a_restart
q_case "After= in a chain of 20" chain 0 "exit 0"
q_case "After= in a chain of 20 whose first fails" chain 9 dependency
q_case "After= that can't be met" hostile_after
d_report
t_summary
