#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Messages on the control socket that harm nobody: those that are announced and never sent, too long, slow, with
# descriptors, before or after their turn.

# shellcheck source=socket.sh
. "$(dirname "$0")/socket.sh"

s_init
later_jobs t2 t3

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

engine_fds() {
        find "/proc/$engine/fd" -mindepth 1 2>/dev/null | wc -l
}

fds_at_most() {
        [ "$(engine_fds)" -le "$1" ]
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

s_case "16 of a stranger's messages are announced and not sent" announces "$stranger" 16
s_case "64 of a tenant's" announces "${uid[many]}" 64
s_case "how long a message may be" sizes
s_case "a greeting that was refused" refused_greeting
s_case "who is slow is sent away" slow_senders
s_case "descriptors with calls" descriptors
s_case "one call after another" one_after_another
s_report
t_summary
