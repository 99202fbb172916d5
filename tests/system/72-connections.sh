#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Connections to the control socket that harm nobody: more than there are places, by many users, by strangers who come
# and go, and by more than the engine has descriptors for.

# shellcheck source=socket.sh
. "$(dirname "$0")/socket.sh"

s_init
later_jobs "${crowd[@]}"

# A stranger who connects and goes, again and again, fills the backlog; nobody's call fails for it.
strangers_who_come_and_go() {
        local i slowest=0
        no_trail
        for i in 1 2; do
                start_abuse "come$i" "$stranger" '
say("begun")
while not os.path.exists(os.environ["RELEASE"]):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(path)
    except OSError:
        pass
    s.close()'
        done
        for i in {1..40}; do
                within 2000 ctl tenants
                [ "$(cat "$D/stage/took")" -le "$slowest" ] || slowest=$(cat "$D/stage/took")
        done
        note "the slowest of 40 calls of root: $slowest ms"
        within 2000 as quiet run -w -q load -- true
        end_abuse come1
        end_abuse come2
}

# Two tenants wait with all that they can get, and so does root; everybody is served.
waits_of_all() {
        local name
        no_trail
        for name in t2 t3; do
                start_abuse "$name" "${uid[$name]}" '
held = []
for i in range(256):
    b = Bus()
    b.send("Wait", "t", int(sys.argv[1]))
    held.append(b)
time.sleep(1)
say(len(held) - len(closed([b.socket for b in held])), "wait")
until_released()' "$(cat "$D/stage/later.$name")"
        done
        start_abuse root 0 '
held = []
for i in range(4):
    b = Bus()
    b.send("Wait", "t", int(sys.argv[1]))
    held.append(b)
time.sleep(0.5)
say(len(closed([b.socket for b in held])), "refused")
until_released()' "$(cat "$D/stage/later.t2")"
        t_eq "$(said root)" "0 refused" "of root's waits"
        within 1000 ctl tenants
        within 1000 as quiet tenants
        within 2000 as quiet run -w -q load -- true
        for name in t2 t3 root; do end_abuse "$name"; done
        t_wait 5 serves as t2 tenants
}

# Seven users take whatever they get, of both kinds; that leaves places for everybody else.
seven_users() {
        local name users=()
        no_trail
        for name in "${crowd[@]}"; do
                users+=("${uid[$name]}:$(cat "$D/stage/later.$name")")
        done
        start_abuse seven 0 '
held = []
for user in sys.argv[1:]:
    uid, job = map(int, user.split(":"))
    waiting = [b for b in (place(uid) for i in range(200)) if b and not b.send("Wait", "t", job)]
    time.sleep(0.1)
    idle = [b for b in (place(uid) for i in range(200)) if b]
    held += [(len(idle), len(waiting), idle, waiting)]
say(" ".join("%d+%d" % places[:2] for places in held))
until_released()' "${users[@]}"
        note "each of the seven has so many, idle and waiting: $(said seven)"
        # As far as the host's descriptors go, but some for each.
        t_eq "$(said seven | tr ' ' '\n' | awk -F+ '$1 + $2 < 4 || $1 > 64')" "" "places of some of the seven"
        others_are_served 1000
        # Four at once for each of those.
        abuse 0 '
for uid in 61708, 0:
    held = [place(uid) for i in range(4)]
    assert all(held), uid' || t_fail "not four places for each"
        for name in "${crowd[@]}"; do
                is_busy as "$name" tenants || t_fail "one more connection of $name"
        done
        end_abuse seven
        for name in "${crowd[@]}"; do
                t_wait 5 serves as "$name" tenants
        done
}

# Who is nobody here gets no more than 16 places, under whatever names.
strangers() {
        local status=0
        no_trail
        start_abuse strangers 0 '
def served(b):
    try:
        return bool(b.ask("ListTenants"))
    except (Gone, Error):
        return False
held = []
for i in range(48):
    try:
        held.append(Bus(61750 + i))
    except Gone:
        pass
say("there")
until_released()
n = sum(map(served, held))
say(n, "of 48 strangers were served")
sys.exit(n < 1 or n > 16)'
        is_busy ctl_as 61799 61799 ps || t_fail "one more stranger"
        others_are_served 1000
        end_abuse strangers
        note "$(said strangers | tail -n 1)"
        t_wait 5 serves ctl_as "$stranger" "$stranger" tenants
        ctl_as "$stranger" "$stranger" ps 2>/dev/null || status=$?
        t_eq "$status" 6 "a stranger's ps"
}

# Descriptors that nobody reads are on their way for as long as a socket is open, on the engine's account: whoever hoards
# them hoards his own places, and others' are handed over as before.
hoarded() {
        local job mine
        no_trail
        job=$(as quiet run -w -q out -- echo output >/dev/null && ctl --json ps --state 'done' -n 1 quiet | d_json 'j["jobs"][0]["job"]')
        mine=$(as t2 run -w -q out -- echo mine >/dev/null && ctl --json ps --state 'done' -n 1 t2 | d_json 'j["jobs"][0]["job"]')
        start_abuse hoard "${uid[t2]}" '
import select
held = []
n = 0
for i in range(400):
    try:
        b = Bus()
        b.send("OpenLog", "ts", int(sys.argv[1]), "out")
        if select.select([b.socket], [], [], 5)[0]:
            b.socket.shutdown(socket.SHUT_WR)
            held.append(b)
    except (Gone, OSError):
        pass
# Who was told that there is no place for him has no descriptor.
for b in held:
    s = b.socket
    data, fds, *_ = socket.recv_fds(s, 65536, 4, socket.MSG_PEEK)
    n += len(fds)
    for fd in fds:
        os.close(fd)
say(n, "descriptors unread, of", len(held))
until_released()' "$mine"
        note "$(said hoard)"
        in_range "$(said hoard | cut -d' ' -f1)" 30 64 "descriptors on their way"
        t_eq "$(as quiet logs "$job")" output "another tenant's log meanwhile"
        t_eq "$(ctl logs "$job")" output "of root"
        end_abuse hoard
        t_wait 15 serves as t2 tenants
        t_eq "$(as t2 logs "$mine")" mine "his own, when he has gone"
}

# Descriptors of the engine itself ------------------------------------------------------------

# CPU time in units of 10 ms.
engine_cpu() {
        sed 's/.*) //' "/proc/$engine/stat" | awk '{ print $12 + $13 }'
}

# It has no descriptor left for any more: then it neither burns time nor falls.
exhausted() {
        local job ends status=0 cpu limit=128
        no_trail
        job=$(as quiet run -w -q out -- echo output >/dev/null && ctl --json ps --state 'done' -n 1 quiet | d_json 'j["jobs"][0]["job"]')
        # Not less: tenantq-exec needs the numbers up to 103 while it becomes the engine.
        d_stop
        (
                ulimit -n "$limit"
                d_start
        )
        engine=$(d_engine)
        ends=$(as quiet run -- sh -c 'sleep 3; exit 3')
        t_match "$(awk '/^Max open files/ { print $4 }' "/proc/$engine/limits")" "^$limit\$" "the engine's limit"
        start_abuse out 0 '
first = Bus()
held = []
for i in range(40):
    for uid in range(61701, 61708):
        try:
            held.append(connect(uid, 0))
            held[-1].send(AUTH + call("ListTenants"))
        except (Gone, OSError):
            pass
say(len(held), "connected")
time.sleep(3)
# Its answer would bring the engine a descriptor.
try:
    first.ask("OpenLog", "ts", int(sys.argv[1]), "out", timeout=5)
    say("log: opened")
except (Error, Gone) as e:
    say("log:", type(e).__name__, e)
except TimeoutError:
    say("log: no answer")
until_released()' "$job"
        sleep 0.5
        cpu=$(engine_cpu)
        sleep 2
        cpu=$(($(engine_cpu) - cpu))
        note "$(said out | head -n 1) at a limit of $limit descriptors; CPU time in 2 s: ${cpu}0 ms"
        [ "$cpu" -lt 50 ] || t_fail "it took ${cpu}0 ms of CPU time in 2 s"
        t_wait 10 grep -q log: "$D/stage/said.out"
        note "$(said out | tail -n 1)"
        t_match "$(said out)" 'log: (opened|Error|Gone)' "what became of a call that was made before"
        D_TIMEOUT=8 ctl logs "$job" || status=$?
        note "logs of root meanwhile: exit status $status"
        [ "$status" -ne 124 ] || t_fail "no answer is no answer"
        t_eq "$(d_engine)" "$engine" "pid of the engine"
        end_abuse out
        t_wait 10 serves as quiet tenants
        t_eq "$(as quiet logs "$job")" output "the log afterwards"
        t_eq "$(verdict "$ends") $(ctl --json status "$ends" | d_json 'j["jobs"][0]["attempt"]')" "exit 3 1" \
                "one that ended meanwhile, and its attempt"
        others_are_served 1000
}

s_case "strangers who come and go" strangers_who_come_and_go
s_case "two tenants and root wait" waits_of_all
s_case "seven users with all that they can get" seven_users
s_case "strangers have few places" strangers
s_case "descriptors that nobody reads" hoarded
s_case "an engine without descriptors (T55)" exhausted
s_report
t_summary
