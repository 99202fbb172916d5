#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whoever waits on the control socket keeps waiting: as many as there may be, and whatever becomes of the daemon.

# shellcheck source=socket.sh
. "$(dirname "$0")/socket.sh"

s_init

# As many as there may be ---------------------------------------------------------------------

# Each wait is a connection, and there may be 256 of them beside all else that the user does.
waits() {
        local who=$1 job i status pids=()
        no_trail
        ctl pause t5/waits
        job=$(as t5 run -q waits -- sh -c 'exit 3')
        start_abuse waits "$who" '
job = int(sys.argv[1])
probe = Bus()
held = []
def add():
    # How many do not wait yet is bounded too, so ask the engine how far it has got.
    for i in range(100):
        try:
            b = Bus()
            b.send("Wait", "t", job)
            probe.ask("ListTenants")
            if not closed([b.socket]):
                held.append(b)
                return
        except Gone:
            pass
        time.sleep(0.02)
    raise Exception("no place for a wait after %d" % len(held))
while len(held) < 64:
    add()
say(64)
while not os.path.exists(os.environ["RELEASE"]):
    time.sleep(0.02)
os.environ["RELEASE"] += ".all"
while len(held) < 256:
    add()
time.sleep(0.3)
# None of them has been told anything.
assert not select.select([b.socket for b in held], [], [], 0)[0]
say(256)
try:
    b = Bus()
    b.send("Wait", "t", job)
    say(b.read(2) and "answered")
except Error as e:
    say(str(e))
say("that is all")
until_released()
os.environ["RELEASE"] += ".end"
# Six places for others.
for b in held[250:]:
    b.socket.close()
del held[250:]
say("less")
assert [b.read(30).table()[0]["verdict"] for b in held] == ["exit 3"] * 250
say("told")' "$job"
        t_eq "$(said waits)" 64 "waits of user $who"
        within 1000 ctl_as "$who" "$who" ps
        within 1000 ctl_as "$who" "$who" run -t t5 -w -q beside -- true
        touch "$D/stage/release.waits"
        t_wait 20 has_said_or_ended waits "that is all"
        t_eq "$(said waits | sed -n 2,3p | paste -sd' ')" "256 org.tenantq.Error.Busy" "256 waits and one more"
        within 1000 ctl_as "$who" "$who" ps
        within 1000 ctl_as "$who" "$who" run -t t5 -q beside -- true
        is_busy ctl_as "$who" "$who" wait "$job" || t_fail "the 257th wait"
        others_are_served 1000
        touch "$D/stage/release.waits.all"
        t_wait 5 has_said_or_ended waits less
        for i in {1..6}; do
                ctl_as "$who" "$who" wait "$job" >"$D/stage/wait.$i" 2>&1 &
                pids+=($!)
        done
        # There is no seeing that they wait; when not, they are told the same.
        sleep 0.5
        ctl resume t5/waits
        for i in "${!pids[@]}"; do
                status=0
                wait "${pids[i]}" || status=$?
                t_eq "$status $(cat "$D/stage/wait.$((i + 1))")" "3 $job: exit 3" "one of six waits"
        done
        wait "$(cat "$D/stage/abuser.waits")" || t_fail "waits ended with $?"
        others_are_served 1000
}

# Whatever becomes of the daemon --------------------------------------------------------------

# The clients of the case: name → pid; started NAME COMMAND [ARG…]
started() {
        local name=$1
        shift
        D_TIMEOUT=60 "$@" >"$D/stage/$name.out" 2>"$D/stage/$name.err" &
        echo $! >"$D/stage/$name.pid"
}

still_waits() {
        local name
        for name in "$@"; do
                kill -0 "$(cat "$D/stage/$name.pid")" 2>/dev/null ||
                        t_fail "$name has ended: $(tail -n 1 "$D/stage/$name.out" "$D/stage/$name.err")"
        done
}

# ends_with NAME STATUS OUTPUT
ends_with() {
        local status=0
        wait "$(cat "$D/stage/$1.pid")" || status=$?
        t_match "$status" "^($2)\$" "exit status of $1 ($(tail -n 1 "$D/stage/$1.err"))"
        t_eq "$(cat "$D/stage/$1.out")" "$3" "output of $1"
}

# restart | kill
interrupt() {
        case $1 in
        restart) d_restart ;;
        kill)
                d_kill9 engine
                t_wait 10 d_answers
                ;;
        esac
        engine=$(d_engine)
        # Time to notice that it was interrupted.
        sleep 0.7
}

waits_over() {
        local gate job
        no_trail
        gate=$(d_gate_make "over-$1")
        started run as t6 run -w -q over -- sh -c "echo before; read x <$gate; echo after; exit 7"
        t_wait 5 has_run_job t6 over
        job=$(as t6 ps t6 | awk '$3 == "over" { print $1 }')
        started wait as t6 wait "$job"
        started logs as t6 logs -f "$job"
        t_wait 5 grep -qs before "$D/stage/logs.out"
        interrupt "$1"
        still_waits run wait logs
        d_gate_open "over-$1"
        # Who is interrupted must be able to find its job again.
        t_match "$(head -n 1 "$D/stage/run.err")" "^job $job\$" "the first that run -w says"
        ends_with run 7 $'before\nafter'
        ends_with wait 7 "$job: exit 7"
        # It has followed the output to its end, which is what it was asked for.
        ends_with logs '0|7' $'before\nafter'
}

has_run_job() {
        [ -n "$(as "$1" ps "$1" 2>/dev/null | awk -v q="$2" '$3 == q && $5 == "running"')" ]
}

logs_of_a_waiting_job() {
        local job
        no_trail
        ctl pause t7
        job=$(as t7 run -q late -- echo late)
        started logs as t7 logs -f "$job"
        sleep 0.7
        still_waits logs
        interrupt restart
        still_waits logs
        interrupt kill
        still_waits logs
        ctl resume t7
        ends_with logs 0 late
}

# Of another's job nothing is told, not even whether there is one.
foreign_jobs_are_none() {
        local running ended answers
        running=$(as t6 run -q hidden -- sleep 20)
        ended=$(as t6 run -q ended -- true)
        t_wait 5 has_run_job t6 hidden
        t_eq "$(as t6 wait "$ended" >/dev/null; echo $?)" 0 "its end"
        answers=$(abuse "${uid[t7]}" '
for job in sys.argv[1:]:
    for method in "Wait", "WaitStart":
        try:
            Bus().ask(method, "t", int(job))
            say(method, "an answer")
        except Exception as e:
            say(method, str(e).split(":")[0])' "$running" "$ended" 999999)
        t_eq "$(sort <<<"$answers" | uniq -c | awk '{ print $1, $2 }')" $'3 Wait\n3 WaitStart' "answers: $answers"
        t_eq "$(grep -c NotFound <<<"$answers")" 6 "answers: $answers"
        as t6 cancel "$running" >/dev/null
}

s_case "waits for others' jobs (T51)" foreign_jobs_are_none
s_case "waits of a tenant" waits "${uid[t5]}"
s_case "waits of root" waits 0
s_case "waits go on over a restart" waits_over restart
s_case "waits go on over the death of the engine" waits_over kill
s_case "logs -f of a job that still waits" logs_of_a_waiting_job
s_report
t_summary
