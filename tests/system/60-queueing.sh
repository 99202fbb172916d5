#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who waits, for how long, and why: order, conditions, switches, slots, shares, reservations, pools, lanes, admission,
# and what a tenant can do to spoil it (T10, T56, T88). Memory needs a controller: the virtual machine has it.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# job LINE…: a job file. Without ExecStart= it does nothing, well.
job() {
        printf '[Job]\n'
        printf '%s\n' "$@"
        [[ "$*" = *ExecStart=* ]] || echo ExecStart=/bin/true
}

# put TENANT LINE…: submits it; prints its number.
put() {
        local tenant=$1
        shift
        job "$@" | ctl submit -t "$tenant" -
}

# Waits at gate $gate, then exits with $1.
waits() {
        echo "ExecStart=/bin/sh -c \"read x <$gate; exit ${1:-0}\""
}

# Writes its word to the file $D/witness/TENANT.
says() {
        echo "ExecStart=$D/payload/says $1"
}

said() {
        tr -d '\n' <"$D/witness/$1"
}

why() {
        ctl --json explain "$1" | d_json '" ".join(r["reason"] for r in j["reasons"])'
}

waits_for() {
        [ "$(d_field "$1" "Waits for")" = "$2" ]
}

# explains JOB REASON FIELD: what explain says.
explains() {
        ctl --json explain "$1" | d_json "[r['$3'] for r in j['reasons'] if r['reason'] == '$2'][0]"
}

running() {
        ctl --json tenants | d_json "[t['running'] for t in j['tenants'] if t['tenant'] == '$1'][0]"
}

waiting() {
        ctl --json tenants | d_json "[t['waiting'] for t in j['tenants'] if t['tenant'] == '$1'][0]"
}

runs() {
        [ "$(running "$1")" = "$2" ]
}

holds() {
        [ "$(waiting "$1")" = "$2" ]
}

limit() {
        ctl limits set "$@" >/dev/null
}

unlimit() {
        ctl limits unset "$@" >/dev/null
}

# scheduler LINE…: the lines of [scheduler], and of what follows it, at once.
scheduler() {
        D_SCHEDULER=$(printf '%s\n' "$@") d_config
        ctl reload
}

# within MILLISECONDS COMMAND…: it succeeds, in that time.
within() {
        local limit=$1${SAN:+0} start
        shift
        start=$(now_ms)
        "$@" >"$D/stage/within" || t_fail "exit status $? of: $*"
        start=$(($(now_ms) - start))
        [ "$start" -le "$limit" ] || t_fail "took $start ms, more than $limit: $*"
}

# at SECONDS: a time of day so far ahead.
at() {
        date -u -d "@$(($(date +%s) + $1))" '+%Y-%m-%d %H:%M:%S UTC'
}

# A file of a tenant's, for each of FROM … TO: @ stands for the number.
files() {
        "$D_PYTHON" - "$D" "$(d_uid "$1")" "$@" <<'PY'
import os, sys
d, uid, tenant, prefix, first, last, text = sys.argv[1:]
for i in range(int(first), int(last) + 1):
    path = "%s/stage/%s%d" % (d, prefix, i)
    with open(path, "w") as f:
        f.write(text.replace("@", str(i)))
    os.chown(path, int(uid), -1)
    os.rename(path, "%s/spool/%s/%s%d.job" % (d, tenant, prefix, i))
PY
}

# client submit TENANT N TEXT | client cancel FROM TO: many calls on one connection. Prints how many went well.
# client longest JOB FILE: holds and releases the job until the file is there. Prints the longest answer in ms.
client() {
        "$D_PYTHON" "$D/client.py" "$@"
}

write_client() {
        cat >"$D/client.py" <<'PY'
import os, socket, struct, sys, time

def pad(b, n):
    return b + b"\0" * (-len(b) % n)

def string(s):
    return struct.pack("<I", len(s)) + s + b"\0"

# A method call (D-Bus specification, "Message Protocol").
def message(serial, member, signature, body):
    fields = b""
    for code, kind, value in ((1, b"o", b"/org/tenantq"), (2, b"s", b"org.tenantq.Manager1"), (3, b"s", member)):
        fields = pad(fields, 8) + bytes([code, 1]) + kind + b"\0" + string(value)
    fields = pad(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature + b"\0"
    head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields))
    return pad(head + fields, 8) + body

class Client:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(os.environ["TENANTQ_SOCKET"])
        self.s.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
        self.buf = b""
        while self.buf.count(b"\r\n") < 2:
            self.buf += self.s.recv(4096)
        self.buf = self.buf.split(b"\r\n", 2)[2]

    # Whether the next answer is no error.
    def reply(self):
        while True:
            if len(self.buf) >= 16:
                body, _, fields = struct.unpack_from("<III", self.buf, 4)
                size = 16 + fields + (-fields % 8) + body
                if len(self.buf) >= size:
                    kind, self.buf = self.buf[1], self.buf[size:]
                    return kind == 2
            data = self.s.recv(1 << 20)
            if not data:
                sys.exit("the daemon closed the connection")
            self.buf += data

    def calls(self, member, signature, bodies):
        out, serial, pending, well = [], 0, 0, 0
        for body in bodies:
            serial += 1
            pending += 1
            out.append(message(serial, member, signature, body))
            if len(out) == 100:
                self.s.sendall(b"".join(out))
                out = []
            if pending > 200:
                well += self.reply()
                pending -= 1
        self.s.sendall(b"".join(out))
        return well + sum(self.reply() for _ in range(pending))

def submission(tenant, text, i):
    data = text.replace("@", str(i)).encode()
    return pad(string(tenant.encode()), 4) + struct.pack("<I", len(data)) + data

def longest(job, file):
    c, most = Client(), 0
    while not os.path.exists(file):
        for hold in (1, 0):
            start = time.monotonic()
            assert c.calls(b"Hold", b"tbs", [struct.pack("<QI", job, hold) + string(b"")]) == 1
            most = max(most, time.monotonic() - start)
        time.sleep(0.002)
    return round(most * 1000)

verb, a, b, *text = sys.argv[1:]
if verb == "longest":
    print(longest(int(a), b))
elif verb == "submit":
    print(Client().calls(b"Submit", b"say", (submission(a, text[0], i) for i in range(int(b)))))
else:
    print(Client().calls(b"Cancel", b"t", (struct.pack("<Q", i) for i in range(int(a), int(b) + 1))))
PY
}

# shellcheck disable=SC2119 # no lines of its own
d_init
write_client
payload says <<END >/dev/null
#!/bin/sh
echo "\$1" >>$D/witness/\$TENANTQ_TENANT
END
d_start
d_tenant acme 61601
d_tenant globex 61602
d_tenant initech 61603

# For the last case, meanwhile.
nice -n 19 "$D_PYTHON" - "$D/stage/flooded" <<'PY' &
import os, sys
os.mkdir(sys.argv[1], 0o700)
os.chdir(sys.argv[1])
for i in range(100000):
    fd = os.open("f%d.job" % i, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, b"[Job]\nExecStart=/bin/true\nStartAfter=2038-01-01 00:00\n")
    os.fchown(fd, 61604, 61604)
    os.close(fd)
os.chown(".", 61604, 61604)
open("../flood.made", "w").close()
PY

# Order ---------------------------------------------------------------------------------------

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

# Switches ------------------------------------------------------------------------------------

holds_and_releases() {
        local target=$1 gate a b c
        : >"$D/witness/acme"
        gate=$(d_gate_make "hold-${target/\//-}")
        put acme "$(waits)" >/dev/null
        t_wait 5 runs acme 1
        a=$(put acme "$(says a)")
        b=$(put acme "$(says b)")
        c=$(put acme "$(says c)")
        if [ "$target" = job ]; then
                ctl hold "$b"
                d_status 3 ctl hold "$b"
        else
                t_eq "$(ctl hold "$target")" "$target: 3 jobs held"
                t_eq "$(why "$a") $(why "$c")" "held queue-concurrency held queue-concurrency" reasons
                # What comes later is not held.
                put acme "$(says d)" >/dev/null
        fi
        t_match "$(explains "$b" held change)" "tenantqctl release $b" "what would help"
        d_restart
        d_gate_open "hold-${target/\//-}"
        t_wait 5 runs acme 0
        t_eq "$(why "$b")" held reasons
        if [ "$target" = job ]; then
                ctl release "$b"
                d_status 5 ctl hold 999999
        else
                t_eq "$(ctl release "$target")" "$target: 3 jobs released"
        fi
        t_wait 5 d_is_idle
        if [ "$target" = job ]; then
                t_eq "$(said acme)" acb order
        else
                t_eq "$(said acme)" dabc order
        fi
}

# Held jobs start in the order in which they came, after a restart too.
release_keeps_the_order() {
        local i
        : >"$D/witness/acme"
        ctl pause acme
        for i in {a..p}; do
                put acme "$(says "$i")" >/dev/null
        done
        ctl hold acme >/dev/null
        d_restart
        ctl release acme >/dev/null
        ctl resume acme
        t_wait 5 d_is_idle
        t_eq "$(said acme)" abcdefghijklmnop order
}

# The same over a SIGKILL of the engine and a restart; other targets are not concerned.
pauses() {
        local target=$1 reason=$2 job
        ctl pause -m "for a test" "$target"
        job=$(put acme Queue=p)
        t_eq "$(why "$job")" "$reason" reason
        [ "$target" = host ] || d_status 0 ctl run -w -t globex -- true
        [ "$target" != acme/p ] || d_status 0 ctl run -w -t acme -q other -- true
        d_kill9 engine
        t_wait 5 d_answers
        t_eq "$(why "$job")" "$reason" "reason after SIGKILL of the engine"
        d_restart
        t_eq "$(why "$job")" "$reason" "reason after a restart"
        t_eq "$(explains "$job" "$reason" change)" "tenantqctl resume $target" "what would help"
        ctl resume "$target"
        t_eq "$(verdict "$job")" "exit 0"
}

# all_ran NAME N: jobs of acme
all_ran() {
        [ "$(ctl --json ps -a -n 10000 acme |
                d_json "sum(r['name'] == '$1' and r['verdict'] == 'exit 0' for r in j['jobs'])")" -eq "$2" ]
}

says_draining() {
        local line
        d_status 8 put acme Queue=p 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'DRAINING: .* is being drained' "what is said"
        line=$(job Queue=p | ctl --json submit -t acme - 2>/dev/null) || true
        t_eq "$(d_json '[j["error"]["code"], j["error"]["limit"], j["error"]["retry_after"]]' <<<"$line")" \
                '["DRAINING", "drain", null]' json
}

# What waits still runs; no new job is taken, files stay.
# Files of a tenant's that were taken aside, and wait for room.
at_door() {
        find "$D/spool/.claims" -name "*.$1" | wc -l
}

is_at_door() {
        [ "$(at_door "$2")" = "$1" ]
}

drains() {
        local target=$1 name=drained-${1/\//-} gate job
        gate=$(d_gate_make "$name")
        put acme Queue=p "$(waits)" >/dev/null
        job=$(put acme Queue=p)
        ctl drain "$target"
        says_draining
        files acme "$name" 1 5 "$(job "Name=$name" Queue=p)"
        d_gate_open "$name"
        t_eq "$(verdict "$job")" "exit 0" "one that was taken before"
        [ "$target" = host ] || d_status 0 ctl run -w -t globex -- true
        d_restart
        sleep 0.2
        # Of a queue they wait at the door: whose they are, only the engine can tell.
        if [ "$target" = acme/p ]; then
                t_eq "$(at_door acme)" 5 "files that wait"
        else
                t_eq "$(find "$D/spool/acme" -name "${name}[1-5].job" | wc -l)" 5 "files that stay"
        fi
        [ -z "$(d_find acme "$name")" ] || t_fail "a file was taken"
        ctl resume "$target"
        t_wait 5 all_ran "$name" 5
        t_eq "$(find "$D/spool/acme" -name '*.job' | wc -l)" 0 "files that are left"
        [ ! -e "$D/spool/acme/rejected/${name}1.reason" ] || t_fail "refused: $(reason acme "${name}1")"
}

others_of_a_drained_queue() {
        local status=0
        ctl drain acme/p
        files acme closed 1 3 "$(job Name=closed Queue=p)"
        sleep 0.2
        job Name=beside Queue=other | drop acme beside
        (t_wait 2 d_exists acme beside) || status=$?
        ctl resume acme/p
        t_wait 5 all_ran closed 3
        t_eq "$status" 0 "a file for a queue that is open was taken"
}

# Killed while the engine has a file that it would hold: it is still not taken.
drain_holds_over_a_crash() {
        ctl drain acme
        kill -STOP "$(d_engine)"
        job Name=in-flight | drop acme in-flight
        sleep 0.3
        d_kill9 both
        d_start
        sleep 0.3
        [ -z "$(d_find acme in-flight)" ] || t_fail "a drained tenant's file was taken"
        ctl resume acme
        t_eq "$(verdict "$(job_of acme in-flight)")" "exit 0"
}

bad_targets() {
        local job
        d_status 5 ctl pause nobody-there
        d_status 3 ctl pause 'acme/a b'
        d_status 2 ctl pause
        d_status 6 ctl_as 61601 61601 pause acme
        job=$(put acme "StartAfter=$(at 60)")
        d_status 5 ctl_as 61602 61602 hold "$job"
        d_status 0 ctl_as 61601 61601 hold "$job"
        ctl cancel "$job"
}

# Slots ---------------------------------------------------------------------------------------

# Ends all jobs and takes all limits back.
end_all() {
        local last tenant
        last=$(ctl --json ps -a -n 1 | d_json 'j["jobs"][0]["job"]')
        ctl pause host
        client cancel 1 "$last" >/dev/null
        ctl resume host
        t_wait 10 d_is_idle
        for tenant in acme globex initech; do
                unlimit $tenant concurrency weight reserved queue_depth scheduled_jobs
        done
        scheduler max_jobs=500
}

max_jobs_holds() {
        local tenant
        scheduler max_jobs=3
        d_sampler_start
        for tenant in acme globex initech; do
                limit $tenant concurrency=20
                client submit $tenant 20 $'[Job]\nExecStart=/bin/sleep 0.03\n' >/dev/null
        done
        t_wait 20 d_is_idle
        d_sampler_stop
        t_eq "$(d_peak '*')" 3 "most jobs at the same time"
        end_all
}

# slot_time SECONDS: of globex, in percent of both, while both have a backlog.
slot_time() {
        local from
        from=$(date +%s%6N)
        sleep "$1"
        ctl --json ps -a -n 10000 >"$D/stage/rows"
        "$D_PYTHON" - "$D/stage/rows" "$from" "$(date +%s%6N)" <<'PY'
import json, sys
jobs, a, b = json.load(open(sys.argv[1]))["jobs"], int(sys.argv[2]), int(sys.argv[3])
held = {}
for j in jobs:
    if j["started_usec"]:
        time = max(0, min(j["ended_usec"] or b, b) - max(j["started_usec"], a))
        held[j["tenant"]] = held.get(j["tenant"], 0) + time
print(round(100 * held["globex"] / (held["acme"] + held["globex"])))
PY
}

shares_follow_weights() {
        local share
        scheduler max_jobs=4
        ctl pause host
        limit acme concurrency=20 weight=100
        limit globex concurrency=20 weight=300
        client submit acme 1000 $'[Job]\nExecStart=/bin/sleep 0.05\n' >/dev/null
        client submit globex 1000 $'[Job]\nExecStart=/bin/sleep 0.05\n' >/dev/null
        ctl resume host
        share=$(slot_time 2)
        in_range "$share" 68 82 "percent of the slots for weight 300 of 400"
        limit globex weight=100
        limit acme weight=300
        share=$(slot_time 2)
        in_range "$share" 18 32 "percent of the slots for weight 100 of 400"
        end_all
}

wait_ms() {
        ctl --json status "$1" | d_json 'j["jobs"][0]["wait_usec"] // 1000'
}

flood_of_files() {
        local job
        scheduler max_jobs=2
        limit acme concurrency=100
        files acme flood 1 5000 $'[Job]\nName=flood@\nExecStart=/bin/sleep 0.4\n'
        within 1000 put globex
        job=$(cat "$D/stage/within")
        t_eq "$(verdict "$job")" "exit 0"
        in_range "$(wait_ms "$job")" 0 500 "ms until it started"
        [ "$(waiting acme)" -gt 3000 ] || t_fail "no flood: $(waiting acme) jobs"
        t_wait 15 holds_at_least acme 4900
        end_all
}

holds_at_least() {
        [ "$(waiting "$1")" -ge "$2" ]
}

# The one who borrowed all slots gives two back as its jobs end, and no third: the weight entitles to next to nothing.
reserved_comes_first() {
        local i jobs=()
        scheduler max_jobs=4
        limit acme concurrency=20 weight=10000
        limit globex concurrency=20 weight=1 reserved=2
        for ((i = 0; i < 12; i++)); do
                put acme ExecStart="/bin/sleep 0.8" >/dev/null
        done
        t_wait 5 runs acme 4
        for i in 1 2 3; do
                jobs+=("$(put globex ExecStart="/bin/sleep 1.5")")
        done
        t_wait 5 runs globex 2
        for i in 0 1; do
                in_range "$(wait_ms "${jobs[i]}")" 0 1000 "ms until a reserved slot was met"
        done
        t_eq "$(running acme) $(running globex)" "2 2" "jobs that run"
        end_all
}

reservations_fit() {
        local a b i
        scheduler max_jobs=4
        limit acme reserved=3
        d_status 3 ctl limits set globex reserved=2 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'reserved: asks for 2, but only 1 of the .* slots are left' "what is said"
        d_status 3 ctl limits set globex reserved=50% 2>/dev/null
        limit globex reserved=25%
        d_tenant_is globex ready
        unlimit globex reserved
        unlimit acme reserved
        # Two at once: one is refused, and no tenant is disabled by a change that was answered.
        for i in {1..10}; do
                a=0 b=0
                ctl limits set globex reserved=3 >/dev/null 2>&1 &
                ctl limits set acme reserved=3 >/dev/null 2>&1 || a=$?
                wait $! || b=$?
                t_eq "$(ctl tenants | grep -c disabled || true)" 0 "disabled tenants; exit statuses $a, $b; round $i"
                unlimit globex reserved
                unlimit acme reserved
        done
        scheduler max_jobs=500
}

pools() {
        local gate i gold
        scheduler max_jobs=3 '[pool gold]' slots=1
        printf '[tenant]\npool=gold\n' >"$D/etc/tenants.d/initech.conf"
        ctl reload
        limit acme concurrency=20
        limit initech concurrency=20
        gate=$(d_gate_make pool)
        for i in 1 2 3 4; do
                put acme "$(waits)" >/dev/null
        done
        t_wait 5 runs acme 2
        put initech "$(waits)" >/dev/null
        gold=$(put initech "$(waits)")
        t_wait 5 runs initech 1
        t_eq "$(running acme) $(running initech)" "2 1" "jobs that run"
        t_match "$(explains "$gold" slots text)" '1 of the 1 slots of pool gold' "why the pool's job waits"
        t_match "$(explains "$gold" slots change)" 'slots=2 in .pool gold.' "what would help"
        scheduler max_jobs=4 '[pool gold]' slots=2
        t_wait 5 d_state_is "$gold" running
        t_eq "$(running acme)" 2 "jobs of the shared pool"
        # The shared pool's slots are idle, and not the pool's tenants' to use.
        d_gate_open pool
        t_wait 5 d_is_idle
        d_sampler_start
        for i in {1..8}; do
                put initech ExecStart="/bin/sleep 0.1" >/dev/null
        done
        t_wait 5 d_is_idle
        d_sampler_stop
        t_eq "$(d_peak initech)" 2 "most jobs of the pool"
        end_all
}

unknown_pool() {
        local job
        printf '[tenant]\npool=golf\n' >"$D/etc/tenants.d/initech.conf"
        scheduler max_jobs=4 '[pool gold]' slots=2
        t_wait 5 d_tenant_is initech disabled
        t_match "$(ctl tenants)" 'initech .*pool=golf: tenantq.conf has no \[pool golf\]' fault
        job=$(put initech)
        t_eq "$(why "$job")" tenant-disabled reason
        d_status 0 ctl run -w -t globex -- true
        printf '[tenant]\npool=gold\n' >"$D/etc/tenants.d/initech.conf"
        ctl reload
        t_eq "$(verdict "$job")" "exit 0"
        # The same when it is the pool that goes.
        scheduler max_jobs=500
        (t_wait 1 d_tenant_is initech disabled) || job=
        rm -f "$D/etc/tenants.d/initech.conf"
        ctl reload
        [ -n "$job" ] || t_fail "a tenant whose pool has gone is ready, and waits for ever"
}

lane() {
        local gate i long
        scheduler max_jobs=3 lane_slots=1 lane_runtime=10s
        limit acme concurrency=20
        gate=$(d_gate_make lane)
        for i in 1 2 3; do
                long=$(put acme "$(waits)")
        done
        t_wait 5 runs acme 2
        t_eq "$(why "$long")" lane reason
        t_eq "$(explains "$long" lane change)" RuntimeMaxSec=10s "what would help"
        t_eq "$(verdict "$(put acme RuntimeMaxSec=10s)")" "exit 0" "a short one"
        t_eq "$(running acme)" 2 "long ones"
        t_match "$(why "$(put acme RuntimeMaxSec=11s)")" behind "reasons of one that is just too long"
        d_gate_open lane
        t_wait 5 d_is_idle
        end_all
}

# Admission -----------------------------------------------------------------------------------

# refuses LIMIT CURRENT MAXIMUM LINE…: by all three ways, in the same words.
refuses() {
        local limit=$1 current=$2 maximum=$3 words json
        shift 3
        words="TENANT_LIMIT_EXCEEDED: .* has reached its $limit: current $current, maximum $maximum"
        d_status 8 put acme "$@" 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "$words" stderr
        json=$(job "$@" | ctl --json submit -t acme - 2>/dev/null) || true
        t_eq "$(d_json 'j["error"]["code"] + " " + j["error"]["limit"]' <<<"$json")" "TENANT_LIMIT_EXCEEDED $limit" json
        t_eq "$(d_json '" ".join(sorted(j["error"]))' <<<"$json")" "code current limit maximum message retry_after" json
        rm -f "$D/spool/acme/rejected"/over*
        job Name=over "$@" | drop acme over
        refused acme over "$words.*retry_after [0-9]+ s"
}

queue_depth() {
        local gate i
        gate=$(d_gate_make depth)
        limit acme queue_depth=3
        put acme "$(waits)" >/dev/null
        t_wait 5 runs acme 1
        for i in 1 2 3; do
                put acme >/dev/null
        done
        refuses queue_depth 3 3
        limit acme queue_depth=4
        put acme >/dev/null 2>&1
        limit acme queue_depth=0
        refuses queue_depth 4 0
        unlimit acme queue_depth
        d_gate_open depth
        t_wait 5 d_is_idle
}

depth_of_a_queue() {
        local gate
        gate=$(d_gate_make own)
        limit acme/own queue_depth=1
        put acme Queue=own "$(waits)" >/dev/null
        t_wait 5 runs acme 1
        put acme Queue=own >/dev/null
        d_status 8 put acme Queue=own 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'queue acme/own has reached its queue_depth: current 1, maximum 1' said
        put acme Queue=another >/dev/null
        d_gate_open own
        t_wait 5 d_is_idle
        d_status 0 put acme Queue=own
        unlimit acme/own queue_depth
}

scheduled_jobs() {
        local i job
        limit acme scheduled_jobs=2
        for i in 1 2; do
                job=$(put acme "StartAfter=$(at 60)")
        done
        refuses scheduled_jobs 2 2 "StartAfter=$(at 60)"
        refuses scheduled_jobs 2 2 After=whatever
        put acme >/dev/null
        ctl cancel "$job"
        put acme "StartAfter=$(at 60)" >/dev/null
        end_all
}

spool_bytes() {
        local size
        ctl pause acme
        size=$(job | wc -c)
        limit acme spool_bytes=$((2 * size))
        put acme >/dev/null
        put acme >/dev/null
        refuses spool_bytes $((2 * size)) $((2 * size))
        unlimit acme spool_bytes
        ctl resume acme
        t_wait 5 d_is_idle
}

enqueue_rate() {
        local json after
        limit acme enqueue_rate=2/s
        put acme >/dev/null
        put acme >/dev/null
        json=$(job | ctl --json submit -t acme - 2>/dev/null) || true
        t_eq "$(d_json 'j["error"]["limit"]' <<<"$json")" enqueue_rate json
        # In the unit of the words: what current and maximum say can be read.
        t_eq "$(d_json '[j["error"]["current"], j["error"]["maximum"]]' <<<"$json")" '[2, 2]' "numbers for 2/s"
        after=$(d_json 'j["error"]["retry_after"]' <<<"$json")
        in_range "$after" 1 1 retry_after
        sleep "$after"
        put acme >/dev/null
        put acme >/dev/null
        job Name=over | drop acme over-rate
        refused acme over-rate 'reached its enqueue_rate: current 2/s, maximum 2/s; retry_after 1 s'
        unlimit acme enqueue_rate
        t_wait 5 d_is_idle
}

warns_when_near() {
        local i words="warning: TENANT_LIMIT_NEAR: tenant acme is near its queue_depth"
        ctl pause acme
        limit acme queue_depth=10
        for ((i = 1; i <= 10; i++)); do
                put acme >/dev/null 2>"$D/stage/err"
                if [ $i -ge 8 ]; then
                        t_match "$(cat "$D/stage/err")" "$words: current $i, maximum 10" "what is said of job $i"
                else
                        t_eq "$(cat "$D/stage/err")" "" "what is said of job $i"
                fi
        done
        ctl resume acme
        t_wait 5 d_is_idle
        unlimit acme queue_depth
}

# on_full=hold --------------------------------------------------------------------------------

no_files() {
        [ -z "$(find "$D/spool/$1" "$D/spool/.claims" -name '*.job' -o -name "*.$1")" ]
}

# What ran: each number once, none lost; "again" ten times.
each_ran_once() {
        "$D_PYTHON" - "$D/witness/initech" <<'PY'
import sys
words = open(sys.argv[1]).read().split()
numbers = [int(w) for w in words if w != "again"]
assert len(set(numbers)) == len(numbers), "twice: %s" % numbers
assert set(range(100, 150)) <= set(numbers), "lost: %s" % (set(range(100, 150)) - set(numbers))
assert words.count("again") == 10, words
PY
}

# 60 files of a tenant whose room is for three; meanwhile a restart, names used again, another tenant.
files_are_held() {
        printf '[tenant]\non_full=hold\n[limits]\nqueue_depth=3\n' >"$D/etc/tenants.d/initech.conf"
        ctl reload
        ctl pause initech
        : >"$D/witness/initech"
        files initech held 100 159 "$(printf '[Job]\nName=held@\nExecStart=%s @\n_' "$D/payload/says" | head -c -1)"
        t_wait 5 holds initech 3
        sleep 0.3
        t_eq "$(waiting initech)" 3 "jobs that were taken"
        t_eq "$(($(find "$D/spool/initech" -name '*.job' | wc -l) + $(at_door initech)))" 57 "files that wait"
        t_match "$(ctl tenants | grep initech)" "$(at_door initech) files wait for room" tenants
        within 1000 ctl run -w -t globex -- true
        d_restart
        ctl resume initech
        # Names again, of files that are there, or out for a moment to be looked at: those replace, these do not.
        sleep 0.1
        files initech held 150 159 "$(printf '[Job]\nName=again\nExecStart=%s again\n_' "$D/payload/says" | head -c -1)"
        t_wait 15 no_files initech
        t_wait 10 d_is_idle
        each_ran_once
        t_eq "$(find "$D/spool/initech/rejected" -name '*.reason' 2>/dev/null | wc -l)" 0 "refused files"
        # Names are kept.
        t_eq "$(ctl --json ps -a -n 10000 initech |
                d_json 'len({r["name"] for r in j["jobs"]} & {"held%d" % i for i in range(100, 150)})')" 50 names
}

# What stays is the tenant's: it can take it back.
held_files_are_the_tenants() {
        local held
        ctl pause initech
        files initech mine 1 20 $'[Job]\nName=mine\nExecStart=/bin/true\n'
        t_wait 5 holds initech 3
        sleep 0.3
        files initech late 1 100 $'[Job]\nName=mine\nExecStart=/bin/true\n'
        sleep 0.3
        held=$(at_door initech)
        [ "$held" -le 64 ] || t_fail "$held files were taken out of the tenant's directory"
        rm "$D"/spool/initech/*.job
        ctl resume initech
        t_wait 5 no_files initech
        t_wait 5 d_is_idle
        t_eq "$(ctl ps -a -n 10000 initech | grep -cw mine)" $((3 + held)) "jobs of files that were not removed"
        no_files initech || t_fail "files came back: $(ls "$D/spool/initech")"
}

# One full queue: the tenant's other queues go on, and waiting costs the ledger nothing.
full_queue_and_others() {
        local waited before
        printf '[tenant]\non_full=hold\n[queue full]\nqueue_depth=1\n' >"$D/etc/tenants.d/initech.conf"
        ctl reload
        ctl pause initech/full
        files initech full 1 50 $'[Job]\nQueue=full\nExecStart=/bin/true\n'
        t_wait 5 holds initech 1
        sleep 0.3
        before=$(now_ms)
        job Name=open Queue=open | drop initech open
        t_wait 15 d_exists initech open
        waited=$(($(now_ms) - before))
        ctl resume initech/full
        t_wait 15 no_files initech
        rm "$D/etc/tenants.d/initech.conf"
        ctl reload
        [ "$waited" -lt 1000 ] || t_fail "a file for a queue with room waited $waited ms behind those of a full one"
}

# Reasons -------------------------------------------------------------------------------------

# has_change JOB REASON CHANGE: explain says so, and the job starts when it is done.
has_change() {
        local job=$1 reason=$2 change=$3
        t_match " $(why "$job") " " $reason " reasons
        t_eq "$(explains "$job" "$reason" change)" "$change" "what would help"
        # shellcheck disable=SC2086 # words
        ctl ${change#tenantqctl } >/dev/null
        t_wait 5 d_state_is "$job" running
}

changes_help() {
        local gate job first
        gate=$(d_gate_make change)
        first=$(put acme Queue=q "$(waits)")
        t_wait 5 runs acme 1
        job=$(put acme Queue=q "$(waits)")
        t_eq "$(d_field "$job" "Waits for")" queue-concurrency status
        t_match "$(ctl ps acme)" "$job .*queued +queue-concurrency" ps
        t_match "$(explains "$job" queue-concurrency blocker)" "job $first" who
        has_change "$job" queue-concurrency "tenantqctl limits set acme/q concurrency=2"
        limit acme concurrency=2
        job=$(put acme Queue=r "$(waits)")
        t_eq "$(explains "$job" tenant-concurrency blocker)" "job $first, $((first + 1))" who
        t_eq "$(explains "$job" tenant-concurrency current) $(explains "$job" tenant-concurrency maximum)" "2 2" numbers
        has_change "$job" tenant-concurrency "tenantqctl limits set acme concurrency=3"
        unlimit acme concurrency
        unlimit acme/q concurrency
        # Several at once: all are said.
        job=$(put acme Queue=s "StartAfter=$(at 3)" "$(waits)")
        ctl hold "$job"
        ctl pause acme
        t_eq "$(why "$job")" "held start-after tenant-paused" reasons
        ctl resume acme
        has_change "$job" held "tenantqctl release $job"
        d_gate_open change
        t_wait 8 d_is_idle
}

# Of three on two slots: mine, whose turn is later, and the other tenant's.
slots_and_shares() {
        local gate job mine
        scheduler max_jobs=2
        limit acme concurrency=9
        limit globex concurrency=9
        gate=$(d_gate_make share)
        put acme "$(waits)" >/dev/null
        put acme "$(waits)" >/dev/null
        t_wait 5 runs acme 2
        mine=$(put acme "$(waits)")
        job=$(put globex "$(waits)")
        t_eq "$(why "$job")" slots reasons
        t_eq "$(explains "$job" slots current) $(explains "$job" slots maximum)" "2 2" numbers
        t_eq "$(explains "$job" slots blocker)" "tenant acme (2)" who
        t_match "$(explains "$job" slots change)" '^max_jobs=3 ' "what would help"
        t_eq "$(why "$mine")" "slots share" "reasons of whose turn is later"
        t_match "$(explains "$mine" share blocker)" "job $job of tenant globex" who
        t_match "$(explains "$(put acme "$(waits)")" behind blocker)" "job $mine is first" "who is before it"
        t_eq "$(ctl --json queue | d_json '[[r["tenant"], r["reason"], r["jobs"]] for r in j["queues"]]')" \
                '[["acme", "behind", 1], ["acme", "slots", 1], ["globex", "slots", 1]]' counts
        t_match "$(ctl ps globex)" "$job +globex .*queued +slots" ps
        scheduler max_jobs=3
        t_wait 5 d_state_is "$job" running
        d_state_is "$mine" queued || t_fail "not the one whose turn it was"
        scheduler max_jobs=4
        t_wait 5 d_state_is "$mine" running
        d_gate_open share
        t_wait 5 d_is_idle
        end_all
}

others_see_nothing() {
        local gate job
        scheduler max_jobs=1
        gate=$(d_gate_make blind)
        job=$(put acme "$(waits)")
        t_wait 5 runs acme 1
        d_status 5 ctl_as 61602 61602 explain "$job" 2>"$D/stage/a"
        d_status 5 ctl_as 61602 61602 explain 987654 2>"$D/stage/b"
        t_eq "$(sed "s/$job/N/" "$D/stage/a")" "$(sed s/987654/N/ "$D/stage/b")" "another tenant's job, and none"
        d_status 5 ctl_as 61602 61602 queue acme 2>/dev/null
        t_eq "$(ctl_as 61602 61602 queue)" "no job waits" "queue of one who has none"
        job=$(put globex)
        t_match "$(ctl_as 61602 61602 explain "$job")" '1 of the 1 slots' explain
        # Not who the others are.
        ctl_as 61602 61602 explain "$job" >"$D/stage/seen"
        d_gate_open blind
        t_wait 5 d_is_idle
        scheduler max_jobs=500
        ! grep acme "$D/stage/seen" || t_fail "a tenant is told the name of another"
}

# The daemon's own history through the scheduler.
simulates_its_history() {
        ctl --json simulate --since 1h --slots 2 >"$D/stage/since"
        t_eq "$(d_json '[j["schema"], j["slots"], j["jobs"] > 100, j["idle_while_eligible_s"],
                sorted(t["tenant"] for t in j["tenants"]) == ["acme", "globex", "initech"]]' <"$D/stage/since")" \
                '["tenantq.simulate.v1", 2, true, 0.0, true]' report
        # Without --slots it is the daemon's own picture: what is exported is what is computed with.
        scheduler max_jobs=7 lane_slots=2 "[pool gold]" slots=3
        limit acme concurrency=3 weight=250
        limit acme/etl queue_depth=9
        ctl pause -m "disk swap" host
        t_eq "$(ctl --json events -n 1 | d_json '[[e["kind"], e["uid"], "disk swap" in e["text"]] for e in j["events"]]')" \
                '[["pause", 0, true]]' "who paused it, and why"
        t_match "$(ctl events -n 3 | head -1 | tr -s ' ')" 'TIME EVENT TENANT JOB UID TEXT' "the list of events"
        t_eq "$(ctl --json status | d_json '[[p[k] for k in ("pool", "state", "slots", "running", "lane_slots")] for p in j["pools"]]')" \
                '[["host", "paused", 7, 0, null], ["shared", null, 4, 0, 2], ["gold", null, 3, 0, 0]]' "the host in status"
        ctl resume host
        ctl pause acme/etl
        ctl drain acme/etl
        t_eq "$(ctl --json tenants | d_json '[t["fault"] for t in j["tenants"] if t["tenant"] == "acme"][0]')" \
                "queue etl is paused, draining" "a queue that is switched off"
        job Queue=etl | drop acme stays
        t_wait 5 eval 'ctl tenants | grep -q "files wait for room"'
        ctl resume acme/etl
        t_wait 10 is_at_door 0 acme
        t_wait 5 d_is_idle
        t_match "$(ctl status | head -2 | tr -s ' ' | paste -sd ';')" 'POOL STATE SLOTS RUNNING.*;host ready 7 0' "the host in status"
        t_eq "$(ctl_as "$(d_uid acme)" "$(d_uid acme)" --json status | d_json 'j["pools"]')" "[]" "the host, seen by a tenant's user"
        ctl export >"$D/stage/export"
        t_match "$(cat "$D/stage/export")" 'max_jobs = 7' export
        for want in 'lane_slots = 2' '\[pool gold\]' 'slots = 3' '\[tenant acme\]' 'weight = 250' '\[queue acme/etl\]' 'queue_depth = 9'; do
                grep -q "^$want$" "$D/stage/export" || t_fail "not exported: $want"
        done
        ctl --json simulate --since 1h >"$D/stage/since"
        t_eq "$(d_json 'j["slots"]' <"$D/stage/since")" 7 "slots of the daemon"
        ctl simulate --workload tests/sim/mixed.workload --tenants "$D/stage/export" >/dev/null
        ctl_as "$(d_uid acme)" "$(d_uid acme)" export >"$D/stage/export"
        t_eq "$(grep -c '^\[tenant\|^\[scheduler\|^\[pool' "$D/stage/export")" 1 "what a tenant's user sees"
        unlimit acme concurrency weight
        unlimit acme/etl queue_depth
        scheduler max_jobs=500
        t_eq "$(ctl --json simulate --since 1h --set acme.concurrency=1 | d_json '"before" in j')" true "what was before"
        d_status 2 ctl simulate --since never 2>/dev/null
        d_status 7 ctl --socket "$D/none" simulate --since 1h 2>/dev/null
}

# Hostile use ---------------------------------------------------------------------------------

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

# A hundred thousand jobs of one tenant: questions are answered, everything can be held, released and cancelled.
backlog() {
        local last
        ctl pause acme
        t_eq "$(client submit acme "$N_BACKLOG" $'[Job]\nName=b@\nExecStart=/bin/true\n')" "$N_BACKLOG" "jobs taken"
        last=$(ctl --json ps -n 1 acme | d_json 'j["jobs"][0]["job"]')
        within 1000 ctl explain "$last"
        t_match "$(cat "$D/stage/within")" "position $N_BACKLOG in its queue" explain
        within 1000 ctl ps acme
        within 1000 ctl queue
        within 1000 ctl tenants
        d_restart
        within 1000 ctl run -w -t globex -- true
        t_eq "$(waiting acme)" "$N_BACKLOG" "jobs after a restart"
        # Each is answered when it is recorded: as fast as the disk, one after the other.
        within 10000 client cancel $((last - N_BACKLOG / 2 + 1)) $((last - N_BACKLOG / 2 + 10000))
        t_eq "$(cat "$D/stage/within")" 10000 "jobs cancelled"
        meanwhile within 10000 ctl hold acme
        meanwhile within 10000 ctl release acme
        t_match "$(cat "$D/stage/within")" "$((N_BACKLOG - 10000)) jobs released" release
        t_eq "$(client cancel $((last - N_BACKLOG + 1)) "$last")" $((N_BACKLOG - 10000)) "jobs cancelled"
        ctl resume acme
        t_wait 5 d_is_idle
}

# meanwhile COMMAND…: and another tenant's calls are answered; the bound is some commits of a part each.
meanwhile() {
        local other asking
        other=$(put globex "StartAfter=$(at 600)")
        rm -f "$D/stage/enough"
        client longest "$other" "$D/stage/enough" >"$D/stage/longest" &
        asking=$!
        "$@"
        touch "$D/stage/enough"
        wait "$asking"
        in_range "$(cat "$D/stage/longest")" 0 300 "ms for another's call during: $*"
        ctl cancel "$other"
}

waits_for_nobody() {
        t_wait 30 holds_none acme
}

holds_none() {
        [ "$(waiting "$1")" -eq 0 ]
}

# All of a crowd wait for one job, and end with it.
crowd_behind_one() {
        local head n=30000
        head=$(put acme "StartAfter=$(at 600)")
        t_eq "$(client submit acme "$n" $'[Job]\nAfter='"$head"$'\nExecStart=/bin/true\n')" "$n" "jobs taken"
        t_eq "$(waiting acme)" "$((n + 1))" "jobs that wait"
        ctl cancel "$head"
        meanwhile waits_for_nobody
        t_eq "$(verdict $((head + n - 1)))" dependency "verdict of one of them"
        end_all
}

# A directory with 100,000 files appears at once (a million take too long to make here).
flooded_directory() {
        t_wait 30 test -e "$D/stage/flood.made"
        mv "$D/stage/flooded" "$D/spool/flooded"
        sleep 0.2
        within 2000 ctl run -w -t globex -- true
        job Name=beside-flood | drop globex beside-flood
        within 2000 verdict "$(job_of globex beside-flood)"
        within 1000 ctl explain "$(put globex "StartAfter=$(at 60)")"
        [ "$(waiting flooded)" -gt 100 ] || t_fail "no flood: $(waiting flooded) jobs"
        [ "$(awk '/^VmRSS/ { print $2 }' "/proc/$(d_pid)/status")" -lt 16384 ] || d_is_sanitized || t_fail "memory of tenantqd"
        mv "$D/spool/flooded" "$D/stage/flooded"
}

# The ledger of the version before ------------------------------------------------------------

# What version 2 has added is taken away again.
older_ledger() {
        "$D_PYTHON" - "$D/state/ledger/ledger.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("DROP TABLE switches")
for name in ("jobs_live_by_tenant", "jobs_by_name"):
    c.execute("DROP INDEX " + name)
for name in ("held", "deadline_usec", "after", "runtime_usec", "stop_usec", "memory_bytes"):
    c.execute("ALTER TABLE jobs DROP COLUMN " + name)
c.execute("PRAGMA user_version = 1")
c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
c.close()
PY
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
}

migrates() {
        local gate waits runs ended i jobs=()
        gate=$(d_gate_make migrate)
        ended=$(put acme)
        t_eq "$(verdict "$ended")" "exit 0"
        runs=$(put acme "$(waits 7)")
        t_wait 5 runs acme 1
        for i in 0 5 0; do
                jobs+=("$(put acme RuntimeMaxSec=300ms ExecStart="/bin/sleep $i")")
        done
        waits=$(put acme "StartAfter=$(at 2)" Queue=other)
        d_stop
        older_ledger
        d_start
        t_eq "$(verdict "$ended")" "exit 0" "one that had ended"
        d_gate_open migrate
        t_eq "$(verdict "$runs")" "exit 7" "one that ran"
        t_eq "$(verdict "${jobs[0]}")" "exit 0" "one that waited"
        t_eq "$(verdict "${jobs[1]}")" "timeout (job)" "one that waited, and whose bound is in its file only"
        t_eq "$(verdict "${jobs[2]}")" "exit 0" "one that waited"
        t_eq "$(verdict "$waits")" "exit 0" "one that was to start later"
        ctl pause acme
        d_restart
        i=$(put acme)
        t_eq "$(why "$i")" tenant-paused "the new table"
        ctl resume acme
        t_eq "$(verdict "$i")" "exit 0"
}

# After a case that failed: nothing is switched off or limited for the next one.
reset() {
        local target
        rm -f "$D/etc/tenants.d/initech.conf"
        scheduler max_jobs=500
        for target in acme globex initech; do
                ctl resume $target $target/p $target/full
                unlimit $target concurrency weight reserved queue_depth scheduled_jobs spool_bytes enqueue_rate
                unlimit $target/q concurrency
                unlimit $target/own queue_depth
        done
        ctl resume host
        end_all
        rm -f "$D"/spool/{acme,globex,initech}/*.job
}

# q_case NAME FUNCTION [ARG…]: d_case, and order among the switches and limits.
# shellcheck disable=SC2154 # t_failed: lib.sh
q_case() {
        local failed=$t_failed
        d_case "$@"
        [ "$t_failed" -eq "$failed" ] || reset >/dev/null 2>&1
}

N_BACKLOG=${TENANTQ_TEST_BACKLOG:-100000}
q_case "priority, then the order of arrival" by_priority_then_arrival stays
q_case "the same over a restart" by_priority_then_arrival restarts
q_case "StartAfter=" not_before_its_time
q_case "Deadline=" not_after_its_deadline
q_case "After= by number and by name" after_others
q_case "After= a name: the latest before it" latest_of_a_name
q_case "After= a name: an older one ends meanwhile" older_one_ends_meanwhile
q_case "After= a name: the first to come" first_to_come
q_case "After= that was met before a restart" met_before_a_restart
q_case "After= in a chain of 20" chain 0 "exit 0"
q_case "After= in a chain of 20 whose first fails" chain 9 dependency
q_case "hold and release of a job" holds_and_releases job
q_case "hold and release of a tenant" holds_and_releases acme
q_case "hold and release of a queue" holds_and_releases acme/default
q_case "hold and release of the host" holds_and_releases host
q_case "release keeps the order over a restart" release_keeps_the_order
q_case "pause of the host" pauses host host-paused
q_case "pause of a tenant" pauses acme tenant-paused
q_case "pause of a queue" pauses acme/p queue-paused
q_case "drain of the host" drains host
q_case "drain of a tenant" drains acme
q_case "drain of a queue" drains acme/p
q_case "drain of a queue leaves the others" others_of_a_drained_queue
q_case "drain and a crash" drain_holds_over_a_crash
q_case "targets" bad_targets
q_case "max_jobs at every sample" max_jobs_holds
q_case "shares follow weights, and their change" shares_follow_weights
q_case "a flood of 5,000 files" flood_of_files
q_case "a reservation is met under a borrowed host" reserved_comes_first
q_case "reservations fit" reservations_fit
q_case "pools" pools
q_case "a pool that is not there" unknown_pool
q_case "the lane" lane
q_case "queue_depth" queue_depth
q_case "queue_depth of a queue" depth_of_a_queue
q_case "scheduled_jobs" scheduled_jobs
q_case "spool_bytes" spool_bytes
q_case "enqueue_rate" enqueue_rate
q_case "a warning near a limit" warns_when_near
q_case "on_full=hold" files_are_held
q_case "on_full=hold: the files stay the tenant's" held_files_are_the_tenants
q_case "on_full=hold: a full queue and others" full_queue_and_others
q_case "explain: what it proposes helps" changes_help
q_case "explain: slots, shares and counts" slots_and_shares
q_case "explain: nothing of others (T51)" others_see_nothing
q_case "simulate --since" simulates_its_history
q_case "After= that can't be met" hostile_after
q_case "a ledger of version 1" migrates
q_case "$N_BACKLOG jobs (T88)" backlog
q_case "30,000 jobs that wait for one" crowd_behind_one
q_case "a directory of 100,000 files (T10)" flooded_directory
d_report
t_summary
