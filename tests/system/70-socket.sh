#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Nobody harms others by the control socket: not with messages that are announced and never sent, not with
# answers that are never read, not with descriptors, waits, connections or slowness. What each may have is
# bounded, and who wants more is told so.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# `many` has a long list to ask for. All but `quiet` do mischief; `quiet` is the one that must not notice.
case_name=
crowd=(many t2 t3 t4 t5 t6 t7)
declare -A uid=([many]=61701 [t2]=61702 [t3]=61703 [t4]=61704 [t5]=61705 [t6]=61706 [t7]=61707 [quiet]=61708)
stranger=61750
n_many=2000
later='StartAfter=2099-01-01 00:00'

# Tools ---------------------------------------------------------------------------------------

# The control socket by hand: `from bus import *`. A caller that is root may connect as anybody.
bus_module() {
        cat >"$D/payload/bus.py" <<'END'
import array, os, re, resource, select, socket, struct, sys, time

path = os.environ["TENANTQ_SOCKET"]
AUTH = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
if os.geteuid() == 0:
    hard = max(hard, 8192)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

class Gone(Exception):
    """The other side has closed the connection."""

class Error(Exception):
    """An error was the answer; str() is its name."""

def connect(uid=None, patience=2):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False) # never wait for a place in the backlog
    if uid is not None:
        os.setgroups([])
        os.setegid(uid)
        os.seteuid(uid)
    try:
        end = time.monotonic() + patience
        while True:
            try:
                s.connect(path)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Gone("the backlog is full") from None
            except (ConnectionRefusedError, FileNotFoundError):
                raise Gone("no daemon") from None
            time.sleep(0.01)
    finally:
        if uid is not None:
            os.seteuid(0)
            os.setegid(0)
    s.settimeout(5)
    return s

def closed(sockets):
    """Which of them the other side has closed, read or not."""
    poll = select.poll()
    for s in sockets:
        poll.register(s, 0)
    hung = {fd for fd, events in poll.poll(0) if events & (select.POLLHUP | select.POLLERR)}
    return [s for s in sockets if s.fileno() in hung]

def pad(data, n):
    return data + b"\0" * (-len(data) % n)

def marshal(signature, values):
    data = b""
    for kind, value in zip(signature.replace("ay", "A"), values):
        if kind == "s":
            data = pad(data, 4) + struct.pack("<I", len(value)) + value.encode() + b"\0"
        elif kind == "A":
            data = pad(data, 4) + struct.pack("<I", len(value)) + value
        elif kind == "t":
            data = pad(data, 8) + struct.pack("<Q", value)
        else: # b, u
            data = pad(data, 4) + struct.pack("<I", value)
    return data

def call(method, signature="", *values, serial=1, n_fds=0):
    """The bytes of a call."""
    fields = b""
    for code, kind, value in ((1, b"o", "/org/tenantq"), (2, b"s", "org.tenantq.Manager1"),
                              (3, b"s", method), (8, b"g", signature), (9, b"u", n_fds)):
        if not value:
            continue
        fields = pad(fields, 8) + bytes([code, 1]) + kind + b"\0"
        if kind == b"u":
            fields += struct.pack("<I", value)
        elif kind == b"g":
            fields += bytes([len(value)]) + value.encode() + b"\0"
        else:
            fields += struct.pack("<I", len(value)) + value.encode() + b"\0"
    body = marshal(signature, values)
    return pad(struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields)) + fields, 8) + body

def announce(size, in_fields=False):
    """The header of a call that is said to be so long; in_fields: and most of that before its body."""
    n = min(size, 1 << 26) - 64 if in_fields else 24
    return struct.pack("<cBBBIII", b"l", 1, 0, 1, size - 16 - n, 1, n)

class Message:
    def __init__(self, data):
        kind, length, self.serial, n = struct.unpack_from("<xBxxIII", data)
        self.is_error = kind == 3
        self.data = data
        self.at = 16
        fields = {}
        while self.at < 16 + n:
            self.align(8)
            code = data[self.at]
            self.at += 1
            fields[code] = self.variant()
        self.reply_to = fields.get(5)
        self.signature = fields.get(8, "")
        self.error = fields.get(4)
        self.at = 16 + n
        self.align(8)
        self.data = data[self.at:]
        self.at = 0

    def next(self):
        """What a list says last: where the next page begins. From a daemon without pages: 0."""
        return struct.unpack("<Q", self.data[-8:])[0] if self.signature.endswith("t") else 0

    def align(self, n):
        self.at += -self.at % n

    def number(self, format, n):
        self.align(n)
        self.at += n
        return struct.unpack_from(format, self.data, self.at - n)[0]

    def text(self, n):
        self.at += n + 1
        return bytes(self.data[self.at - n - 1:self.at - 1]).decode()

    def variant(self):
        self.at += 1
        return self.value(self.text(self.data[self.at - 1]))

    def value(self, signature):
        kind = signature[0]
        if kind == "v":
            return self.variant()
        if kind in "so":
            return self.text(self.number("<I", 4))
        if kind == "g":
            self.at += 1
            return self.text(self.data[self.at - 1])
        if kind == "y":
            self.at += 1
            return self.data[self.at - 1]
        if kind in "ub":
            return self.number("<I", 4)
        if kind in "xt":
            return self.number("<q" if kind == "x" else "<Q", 8)
        n = self.number("<I", 4) # an array
        self.align(8 if signature[1] in "xt" else 1)
        end, items = self.at + n, []
        while self.at < end:
            items.append(self.value(signature[1:]))
        return items

    def table(self):
        columns, rows = self.value("as"), self.value("aav")
        return [dict(zip(columns, row)) for row in rows]

class Bus:
    def __init__(self, uid=None):
        self.buffer = bytearray()
        self.serial = 0
        self.socket = connect(uid)
        self.send_bytes(AUTH)
        while not (m := re.search(rb"(AGREE_UNIX_FD|ERROR[^\r]*)\r\n", self.buffer)):
            self.receive(5)
        del self.buffer[:m.end()]

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone() from None

    def receive(self, timeout):
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Gone()
        self.buffer += data

    def send(self, method, signature="", *values):
        self.serial += 1
        self.send_bytes(call(method, signature, *values, serial=self.serial))

    def take(self):
        """A message that is there already, or nothing."""
        if len(self.buffer) < 16:
            return None
        length, serial, n = struct.unpack_from("<4xIII", self.buffer)
        size = 16 + n + -n % 8 + length
        if len(self.buffer) < size:
            return None
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return Message(data)

    def read(self, timeout=10):
        while not (m := self.take()):
            self.receive(timeout)
        if m.is_error:
            raise Error(m.error)
        return m

    def ask(self, method, signature="", *values, timeout=10):
        self.send(method, signature, *values)
        return self.read(timeout)

    def says_nothing(self, seconds):
        try:
            m = self.read(seconds)
        except TimeoutError:
            return True
        raise Exception("an answer that should not be there: %s" % m.data[:200])

def place(uid=None):
    """A connection that is served, or None: whoever has no place is told so by its first call."""
    try:
        b = Bus(uid)
        b.ask("ListTenants")
        return b
    except (Gone, Error):
        return None

def outcome(*question):
    """What a call comes to: answered, an error's name, or closed."""
    try:
        Bus().ask(*question)
        return "answered"
    except Error as e:
        return str(e)
    except Gone:
        return "closed"

def memory(pid):
    with open("/proc/%s/status" % pid) as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])

def say(*words):
    print(*words, flush=True)

def until_released(seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not os.path.exists(os.environ["RELEASE"]):
        time.sleep(0.05)
END
}

# abuse UID SCRIPT [ARG…]: Python as that user.
abuse() {
        local who=$1 script=$2
        shift 2
        PYTHONPATH=$D/payload PYTHONDONTWRITEBYTECODE=1 timeout "${D_TIMEOUT:-60}" \
                setpriv --reuid "$who" --regid "$who" --clear-groups \
                "$D_PYTHON" -c "from bus import *
$script" "$@"
}

# What a case leaves in the background ends with it, also when it fails; but not a daemon that it has started.
no_trail() {
        rm -f "$D"/stage/{release,said}.* "$D"/stage/*.{out,err,pid}
        trap end_trail EXIT
}

end_trail() {
        local pid daemon
        daemon=$(d_pid)
        for pid in $(jobs -p); do
                [ "$pid" != "$daemon" ] || continue
                kill "$pid" 2>/dev/null || true
                wait "$pid" || true
        done
}

# start_abuse NAME UID SCRIPT [ARG…]: in the background, until_released; returns when it has said something.
start_abuse() {
        local name=$1
        shift
        RELEASE=$D/stage/release.$name abuse "$@" >"$D/stage/said.$name" &
        echo $! >"$D/stage/abuser.$name"
        t_wait 40 has_spoken "$name"
}

has_spoken() {
        [ -s "$D/stage/said.$1" ] || ! kill -0 "$(cat "$D/stage/abuser.$1")" 2>/dev/null
}

said() {
        cat "$D/stage/said.$1"
}

# It must end well, too.
end_abuse() {
        touch "$D/stage/release.$1"
        wait "$(cat "$D/stage/abuser.$1")" || t_fail "the caller $1 ended with $?"
}

# For the end of the script: what was measured, also when all is well.
note() {
        echo "$case_name: $*" | tee -a "$D/notes"
}

# within MS COMMAND [ARG…]: it succeeds, and that soon. What it says is in $D/stage/within.
within() {
        local limit=$1 start took
        shift
        start=$(now_ms)
        "$@" >"$D/stage/within" 2>&1 || t_fail "exit status $? of: $* ($(tail -n 1 "$D/stage/within"))"
        took=$(($(now_ms) - start))
        [ "$took" -lt "$limit" ] || t_fail "it took $took ms: $*"
        echo "$took" >"$D/stage/took"
}

as() {
        local name=$1
        shift
        ctl_as "${uid[$name]}" "${uid[$name]}" "$@"
}

admin() {
        ctl_as 61799 "61799,$D_ADMIN_GID" "$@"
}

# others_are_served MS: and with the same engine.
others_are_served() {
        within "$1" as quiet run -w -q served -- true
        within "$1" ctl ps quiet
        within "$1" admin ps quiet
        t_eq "$(d_engine)" "$engine" "pid of the engine"
}

serves() {
        "$@" >/dev/null 2>&1
}

engine_fds() {
        find "/proc/$engine/fd" -mindepth 1 2>/dev/null | wc -l
}

fds_at_most() {
        [ "$(engine_fds)" -le "$1" ]
}

# CPU time in units of 10 ms.
engine_cpu() {
        sed 's/.*) //' "/proc/$engine/stat" | awk '{ print $12 + $13 }'
}

# The most memory that it had since mark_memory, beyond what it had then.
mark_memory() {
        echo 5 >"/proc/$engine/clear_refs"
        awk '/^VmHWM/ { print $2 }' "/proc/$engine/status" >"$D/stage/memory"
}

# memory_grew_less_than MIB
memory_grew_less_than() {
        local peak grown
        peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$engine/status")
        grown=$(((peak - $(cat "$D/stage/memory")) / 1024))
        note "the engine had $grown MiB more for a time (at most $1)"
        d_is_sanitized || [ "$grown" -lt "$1" ] || t_fail "the engine grew by $grown MiB"
}

# The cases share jobs (so not d_case). What a failed one did to the daemon is not the next one's to bear.
s_case() {
        local failed=$t_failed
        case_name=$1
        t_case "$@"
        [ "$t_failed" -eq "$failed" ] || (start_afresh)
        engine=$(d_engine)
}

# Also if it has fallen, or if an engine that died with much memory has the lock on the ledger for a while.
start_afresh() {
        ! d_is_ours "$(d_pid)" || (d_stop)
        (d_start) || {
                sleep 5
                d_start
        }
}

# Messages ------------------------------------------------------------------------------------

# Announced is much, sent as much as is taken. Stops early once the harm is plain.
announced=$(
        cat <<'END'
n, pid = int(sys.argv[1]), sys.argv[2]
before = memory(pid)
left, start, chunk = {}, time.monotonic(), bytes(1 << 16)
for i in range(n):
    s = connect()
    s.setblocking(False)
    left[s] = 20 << 20
    try:
        s.sendall(AUTH + announce(127 << 20, i % 2 == 1))
    except OSError:
        pass
while time.monotonic() < start + 3 and memory(pid) < before + (64 << 10) and len(closed(left)) < n:
    for s in [s for s in left if left[s] > 0]:
        try:
            left[s] -= s.send(chunk)
        except BlockingIOError:
            pass
        except OSError:
            left[s] = 0
say(len(closed(left)), "closed after %.1f s" % (time.monotonic() - start))
END
)

# announces UID N
announces() {
        local said
        mark_memory
        said=$(abuse "$1" "$announced" "$2" "$engine")
        note "$2 messages of 127 MiB by $1: $said"
        memory_grew_less_than 16
        t_eq "${said%% *}" "$2" "connections that were closed"
        others_are_served 1000
        t_wait 5 serves as many tenants
}

# A message may be as long as a job file needs; more ends the connection by the
# header alone, long before it would end for being unfinished.
sizes() {
        local script='
for size in map(int, sys.argv[1:]):
    s = connect()
    s.sendall(AUTH)
    heard = b""
    while b"\nAGREE" not in heard:
        heard += s.recv(4096)
    s.sendall(announce(size))
    time.sleep(1)
    say("closed" if closed([s]) else "open")
    s.close()
for size in map(int, sys.argv[1:]):
    say(outcome("Submit", "say", "no-such-tenant", b"x" * (size - 200)))'
        t_eq "$(abuse "${uid[many]}" "$script" 120000 136000 | paste -sd' ')" \
                "open closed org.tenantq.Error.NotFound closed" "what became of a tenant's messages"
        t_eq "$(abuse "$stranger" "$script" 120000 136000 | paste -sd' ')" \
                "open closed org.tenantq.Error.NotFound closed" "what became of a stranger's messages"
        # The largest job file that there may be.
        "$D_PYTHON" -c 'print("[Job]\nExecStart=/bin/true\n#" + "x" * (65536 - 30))' >"$D/stage/large"
        chmod 644 "$D/stage/large"
        within 2000 as t2 submit "$D/stage/large"
}

# Who was not let in is not let in by a call either: in its midst would be another greeting, and more calls.
refused_greeting() {
        t_eq "$(abuse "${uid[many]}" '
for greeting in (b"\0\r\n", b"\0AUTH EXTERNAL 30\r\n", b"\0AUTH NONSENSE\r\n", b"\0DATA\r\n"):
    s = connect()
    s.sendall(greeting)
    s.sendall(b"BEGIN\r\n")
    inner = b"\r\nAUTH ANONYMOUS\r\nBEGIN\r\n" + call("ListTenants") + call("ListTenants", serial=2)
    try:
        s.sendall(b"l\1\0\1" + len(inner).to_bytes(4, "little") + b"\1\0\0\0" + bytes(4) + inner)
    except (BrokenPipeError, ConnectionResetError):
        pass
    time.sleep(0.3)
    say("closed" if closed([s]) else "open")
    s.close()' | sort | uniq -c | tr -s ' ')" " 4 closed" "connections that the bus did not let in"
        serves as many tenants
}

# By a byte a second, or none: whoever does not come to the point is sent away after 5 s.
slow_senders() {
        no_trail
        start_abuse slow "${uid[t2]}" '
half = call("ListTenants")
slow = {}
for i in range(16):
    s = connect()
    # Nothing at all; half a handshake; half a header; half of what is behind it.
    done, rest = [(b"", b""), (b"", AUTH), (AUTH, half), (AUTH + half[:24], half[24:])][i % 4]
    s.sendall(done)
    slow[s] = rest
say("there")
start, ends, ticks = time.monotonic(), {}, 0
while len(ends) < 16 and time.monotonic() < start + 12:
    for s in closed([s for s in slow if s not in ends]):
        ends[s] = time.monotonic() - start
    if time.monotonic() > start + ticks:
        for s in slow:
            try:
                s.send(slow[s][ticks:ticks + 1])
            except OSError:
                pass
        ticks += 1
    time.sleep(0.05)
say("%d ended after %.1f to %.1f s" % (len(ends), min(ends.values(), default=0), max(ends.values(), default=0)))
sys.exit(len(ends) < 16 or min(ends.values()) < 3.5 or max(ends.values()) > 9)'
        others_are_served 1000
        within 1000 as t2 tenants
        wait "$(cat "$D/stage/abuser.slow")" || t_fail "$(said slow)"
        note "$(said slow | tail -n 1)"
}

# Descriptors are what a process runs out of first. They are nothing that a call needs.
descriptors() {
        local before name
        no_trail
        before=$(engine_fds)
        # With and without the header field that announces them: sd-bus treats them differently.
        for name in t2 t3; do
                start_abuse "$name" "${uid[$name]}" '
null = array.array("i", [os.open("/dev/null", os.O_RDONLY)] * 253)
n_fds = 253 if sys.argv[2] == "t2" else 0
b = Bus()
b.socket.setblocking(False)
sent, end = 0, time.monotonic() + 3
while sent < 2073 and time.monotonic() < end:
    try:
        b.socket.sendmsg([call("Wait", "t", int(sys.argv[1]), serial=sent + 1, n_fds=n_fds)],
                         [(socket.SOL_SOCKET, socket.SCM_RIGHTS, null)])
        sent += 1
    except (BrokenPipeError, ConnectionResetError):
        break
    except OSError: # the buffer is full, or there are too many in flight
        time.sleep(0.01)
say(sent, "calls")
until_released()' "$(cat "$D/stage/later.$name")" "$name"
                note "$(said "$name") with descriptors; the engine has $(engine_fds) instead of $before"
        done
        fds_at_most $((before + 63)) || t_fail "the engine has $(engine_fds) descriptors instead of $before"
        within 1000 ctl ps
        others_are_served 1000
        end_abuse t2
        end_abuse t3
        t_wait 5 fds_at_most $((before + 4))
}

# One call at a time: what comes behind a wait is answered behind it, and in order.
one_after_another() {
        local job
        no_trail
        ctl pause t4/line
        job=$(as t4 run -q line -- true)
        start_abuse line "${uid[t4]}" '
b = Bus()
for i in range(20):
    b.send("ListTenants")
assert [b.read().reply_to for i in range(20)] == list(range(1, 21))
b.send("Wait", "t", int(sys.argv[1]))
for i in range(20):
    b.send("ListTenants")
b.says_nothing(0.5)
say("waits")
assert b.read().table()[0]["verdict"] == "exit 0"
assert [b.read().reply_to for i in range(20)] == list(range(22, 42))' "$job"
        t_eq "$(said line)" waits
        ctl resume t4/line
        end_abuse line
}

# Answers -------------------------------------------------------------------------------------

# A list comes in pages of at most 500 rows and 128 KiB, and each says where the next one begins.
pages() {
        local n_events script='
import json
b = Bus()
def pages(limit, method, signature, *question):
    sizes, rows, before = [], [], 0
    while not sizes or before:
        m = b.ask(method, signature, *question, before, limit)
        sizes.append(len(m.table()))
        m.at = 0
        rows += m.table()
        before = m.next()
    return sizes, rows
method, signature, key, *question = json.loads(sys.argv[1])
sizes, rows = pages(10000, method, signature, *question)
few, some = pages(300, method, signature, *question)
say(max(sizes), max(few))
say(len(rows), len({json.dumps(r) for r in rows}), len(some))
keys = [r[key] for r in rows]
say(keys == sorted(keys, reverse=True))'
        n_events=$(ctl --json events -n 10000 | d_json 'len(j["events"])')
        [ "$n_events" -gt 500 ] || t_fail "too few events: $n_events"
        t_eq "$(abuse "${uid[many]}" "$script" '["ListJobs", "sbtu", "job", "", 0]' | paste -sd' ')" \
                "104 104 $n_many $n_many $n_many True" "pages of jobs of 1.2 KB"
        t_eq "$(abuse 0 "$script" '["ListEvents", "tu", "event"]' | paste -sd' ')" \
                "500 300 $n_events $n_events $n_events True" "pages of events"
        # The client puts them together again, and takes no more than it was asked for.
        t_eq "$(as many ps -n 10000 | grep -c '^ *[0-9]')" "$n_many" "rows of ps"
        t_eq "$(as many --json ps -n 1234 | d_json 'len(j["jobs"])')" 1234 "rows of ps -n 1234"
        t_eq "$(ctl --json events -n 10000 | d_json 'len(j["events"])')" "$n_events" "events"
}

shows_all_rows() {
        local n
        n=$(D_TIMEOUT=10 ctl ps -n 10000 many | grep -c '^ *[0-9]') || true
        [ "$n" -eq "$n_many" ] || {
                echo "$n rows of $n_many"
                return 1
        }
}

# Large answers to all the connections that one may have, and none of them read.
unread_answers() {
        local unloaded
        no_trail
        within 2000 as quiet run -w -q load -- true
        unloaded=$(cat "$D/stage/took")
        mark_memory
        start_abuse unread "${uid[many]}" '
pid = sys.argv[1]
before = memory(pid)
question = b"".join(call("ListJobs", "sbtu", "", 0, 0, 10000, serial=i) for i in range(1, 21))
greedy = [Bus().socket for i in range(64)]
for s in greedy:
    s.setblocking(False)
    s.send(question)
say(len(greedy), "ask")
end = time.monotonic() + 9
while time.monotonic() < end:
    # Enough is enough: the case has failed by then.
    if memory(pid) > before + (100 << 10) and sys.argv[2] == "plain":
        sys.exit("the engine has %d MiB more" % ((memory(pid) - before) >> 10))
    time.sleep(0.1)
say(len(closed(greedy)), "ended")
until_released()' "$engine" "$(d_is_sanitized && echo sanitized || echo plain)"
        t_eq "$(said unread)" "64 ask"
        within 5000 shows_all_rows
        note "ps of $n_many rows meanwhile: $(cat "$D/stage/took") ms"
        within 2000 as quiet run -w -q load -- true
        note "a job of another tenant: $unloaded ms without load, $(cat "$D/stage/took") ms with it"
        others_are_served 2000
        t_wait 15 has_said_or_ended unread ended
        memory_grew_less_than 32
        note "of 64 connections that read nothing: $(said unread | tail -n 1)"
        [ "$(said unread | awk '/ended/ { print $1 }')" -gt 0 ] || t_fail "nobody minds that answers are not read"
        end_abuse unread
        t_wait 10 serves as many ps
}

# An answer with a descriptor that is not read counts against what all callers may have in flight (unix(7)).
unread_descriptors() {
        local job
        no_trail
        job=$(as quiet run -w -q out -- echo output >/dev/null && ctl --json ps -a -n 1 quiet | d_json 'j["jobs"][0]["job"]')
        start_abuse unread 0 '
greedy = [Bus() for i in range(16)]
for b in greedy:
    for i in range(20):
        b.send("OpenLog", "ts", int(sys.argv[1]), "out")
time.sleep(2)
opened, refused = 0, set()
for b in greedy:
    for i in range(20):
        try:
            b.read()
            opened += 1
        except Error as e:
            refused.add(str(e))
say(opened, "opened", *refused)
say("then:", type(greedy[0].ask("OpenLog", "ts", int(sys.argv[1]), "out")).__name__)
until_released()' "$job"
        t_wait 15 has_said_or_ended unread then:
        t_eq "$(said unread)" $'16 opened org.tenantq.Error.Busy\nthen: Message' "what 16 connections got that read nothing"
        end_abuse unread
        t_eq "$(as quiet logs "$job")" output "the log"
}

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

# A text that is cut is cut at a character's end: what a tenant writes spoils no list.
texts_that_are_cut() {
        local job i
        ctl pause t4/cut
        job=$(as t4 run -q cut -- true)
        for i in "" x xy; do
                as t4 hold -m "$i$(printf 'é%.0s' {1..300})" "$job"
                as t4 release -m "$i$(printf 'é%.0s' {1..300})" "$job"
                ctl hold -m "$i$(printf '€%.0s' {1..300})" t4/cut >/dev/null
                ctl release t4/cut >/dev/null
                ctl limits set -m "$i$(printf 'é%.0s' {1..300})" t4 concurrency=7 >/dev/null
                ctl limits unset t4 concurrency >/dev/null
                ctl events -n 10000 >/dev/null
                ctl --json events -n 10000 | "$D_PYTHON" -m json.tool >/dev/null
        done
        printf '[Job]\nExecStart=/bin/true\nQueue=cut\nAfter=%s\n' "$(for i in {1..9}; do printf 'x%s%d ' "$(printf 'é%.0s' {1..40})" "$i"; done)" |
                ctl submit -t t4 /dev/stdin >"$D/stage/after"
        within 1000 ctl explain "$(cat "$D/stage/after")"
        ctl cancel "$job" "$(cat "$D/stage/after")"
        ctl resume t4/cut
}

# Sixteen who ask for everything, read it and ask again.
readers_in_a_loop() {
        local i slowest=0
        no_trail
        start_abuse loop "${uid[many]}" '
def ask(b, before):
    b.send("ListJobs", "sbtu", "", 0, before, 10000)
poll, readers, pages = select.poll(), {}, 0
for i in range(16):
    b = Bus()
    readers[b.socket.fileno()] = b
    poll.register(b.socket, select.POLLIN)
    ask(b, 0)
say("ask")
end = time.monotonic() + 40
while time.monotonic() < end and not os.path.exists(os.environ["RELEASE"]):
    for fd, events in poll.poll(100):
        b = readers[fd]
        b.receive(5)
        while m := b.take():
            if m.is_error:
                raise Error(m.error)
            pages += 1
            ask(b, m.next())
say(pages, "answers")'
        sleep 1
        for i in {1..10}; do
                within 1000 as quiet run -w -q loop -- true
                [ "$(cat "$D/stage/took")" -le "$slowest" ] || slowest=$(cat "$D/stage/took")
        done
        note "the slowest of 10 jobs of another tenant: $slowest ms"
        others_are_served 1000
        end_abuse loop
        note "$(said loop | tail -n 1)"
}

# Connections ---------------------------------------------------------------------------------

# is_busy COMMAND [ARG…]: the client says what is used up.
is_busy() {
        local status=0 words
        words=$("$@" 2>&1 >/dev/null) || status=$?
        [ "$status" -eq 9 ] || {
                echo "exit status $status instead of 9: $words" >&2
                return 1
        }
        t_match "$words" '(connection|wait|caller)' "what it says"
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

# Waits ---------------------------------------------------------------------------------------

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

has_said_or_ended() {
        grep -q "$2" "$D/stage/said.$1" || ! kill -0 "$(cat "$D/stage/abuser.$1")" 2>/dev/null
}

# Whoever waits keeps waiting, whatever becomes of the daemon. ---------------------------------

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

# Descriptors of the engine itself -------------------------------------------------------------

# It has no descriptor left for any more: then it neither burns time nor falls.
exhausted() {
        local job status=0 cpu limit=128
        no_trail
        job=$(as quiet run -w -q out -- echo output >/dev/null && ctl --json ps -a -n 1 quiet | d_json 'j["jobs"][0]["job"]')
        # Not less: tenantq-exec needs the numbers up to 103 while it becomes the engine.
        d_stop
        (
                ulimit -n "$limit"
                d_start
        )
        engine=$(d_engine)
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
        others_are_served 1000
}

# What all of them need -------------------------------------------------------------------------

# many_files TENANT N TEXT: N job files at once.
many_files() {
        "$D_PYTHON" - "$D" "$1" "${uid[$1]}" "$2" "$3" <<'END'
import os, sys
d, tenant, uid, n, text = sys.argv[1:]
for i in range(int(n)):
    path = "%s/stage/m%d.job" % (d, i)
    with open(path, "w") as f:
        f.write(text)
    os.chown(path, int(uid), -1)
    os.rename(path, "%s/spool/%s/m%d.job" % (d, tenant, i))
END
}

has_jobs() {
        [ "$(ctl queue "$1" | awk '{ n += $2 } END { print n + 0 }')" -ge "$2" ]
}

spool_is_empty() {
        [ -z "$(find "$D/spool/$1" -maxdepth 1 -name '*.job' -print -quit)" ] &&
                [ -z "$(find "$D/spool/.claims" -type f -print -quit)" ]
}

prepare() {
        local name
        many_files many "$n_many" "$(printf '[Job]\nName=long\nExecStart=/bin/true\n%s\nLabels=l=%01000d' "$later" 0)"
        many_files t2 550 "no job"
        for name in "${crowd[@]}" quiet; do
                printf '[Job]\nExecStart=/bin/true\n%s\n' "$later" >"$D/stage/later"
                [ "$name" = many ] || ctl submit -t "$name" "$D/stage/later" >"$D/stage/later.$name"
        done
        t_wait 30 spool_is_empty many
        t_wait 30 spool_is_empty t2
        t_wait 10 shows_all_rows
        ctl ps -n 1 many | awk '$1 ~ /^[0-9]+$/ { print $1 }' >"$D/stage/later.many"
        # What root does is all in the events.
        ctl ps -n 300 many | awk '$1 ~ /^[0-9]+$/ { print $1 }' >"$D/stage/held"
        xargs -a "$D/stage/held" "$D/bin/tenantqctl" hold >/dev/null
        xargs -a "$D/stage/held" "$D/bin/tenantqctl" release >/dev/null
}

# shellcheck disable=SC2119 # none are wanted
d_init
bus_module
d_start
for name in "${crowd[@]}" quiet; do
        d_tenant "$name" "${uid[$name]}"
done
engine=$(d_engine)

t_case "much to ask for" prepare
s_case "16 of a stranger's messages are announced and not sent" announces "$stranger" 16
s_case "64 of a tenant's" announces "${uid[many]}" 64
s_case "how long a message may be" sizes
s_case "a greeting that was refused" refused_greeting
s_case "who is slow is sent away" slow_senders
s_case "descriptors with calls" descriptors
s_case "one call after another" one_after_another
s_case "lists come in pages" pages
s_case "answers that nobody reads" unread_answers
s_case "descriptors that nobody takes" unread_descriptors
s_case "strangers who come and go" strangers_who_come_and_go
s_case "two tenants and root wait" waits_of_all
s_case "texts that are cut" texts_that_are_cut
s_case "readers in a loop" readers_in_a_loop
s_case "seven users with all that they can get" seven_users
s_case "strangers have few places" strangers
s_case "waits of a tenant" waits "${uid[t5]}"
s_case "waits of root" waits 0
s_case "waits go on over a restart" waits_over restart
s_case "waits go on over the death of the engine" waits_over kill
s_case "logs -f of a job that still waits" logs_of_a_waiting_job
s_case "an engine without descriptors" exhausted
[ ! -s "$D/notes" ] || sed 's/^/# /' "$D/notes"
d_report
t_summary
