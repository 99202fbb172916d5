#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Two tenants do their worst, each as fast as it can: one on the control socket, one in its spool directory. A third
# one hands in single jobs (T103, T105, T107): how long from there to their start, what root waits for an answer, and
# what the pair has cost in memory, disk and lines.
#
# TENANTQ_HOSTILE_SECONDS: how long (default 30; 300 to be thorough)
# TENANTQ_HOSTILE: socket, spool or none, to see what one of them does (default both)

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

seconds=${TENANTQ_HOSTILE_SECONDS:-30}
who=${TENANTQ_HOSTILE:-both}

# All slots are taken by jobs of 0.7 to 1 s, as soon as the pair has got going; of different lengths, or they would
# all end in the same instant.
D_SCHEDULER='max_jobs=8' d_init log_max=64K '[defaults]' concurrency=8 queue_depth=10000
cp "$(dirname "$0")/random.py" "$D/payload/wire.py"
chmod 644 "$D/payload/wire.py"
payload stamp >/dev/null <<END
#!/bin/sh
echo "\$1 \$(date +%s%N)" >>$D/witness/victim
END

# On the socket. Nothing here waits: what can't be sent or read now is left for the next round.
cat >"$D/payload/talker.py" <<'PY'
import os, random, socket, struct, sys, time
sys.path.insert(0, os.path.dirname(__file__))
import wire

path, until = sys.argv[1], time.monotonic() + float(sys.argv[2])
rng = random.Random(1)
null = os.open("/dev/null", os.O_RDONLY)
KINDS = ["list"] * 16 + ["deaf"] * 8 + ["verbs"] * 14 + ["wait"] * 8 + ["large"] * 3 + ["slow"] * 3 + ["descriptors"] * 4 + ["garbage"] * 2
said = dict.fromkeys(KINDS + ["flash"], 0)
newest = 1

def verb(serial):
    job = rng.choice([newest, rng.randrange(1, newest + 2), 2**64 - 1])
    tenant = rng.choice(["", "noisy", "spool", "victim", "host"])
    text = b"[Job]\nName=n\nExecStart=/bin/sleep 0.%d\nQueue=q%d\n" % (rng.randrange(70, 100), rng.randrange(70))
    if rng.random() < 0.1:
        text += b"#" + b"x" * 65000 + b"\n"
    member, signature, args = rng.choice([
        ("Submit", "say", ("", text)), ("Submit", "say", ("", text)), ("Submit", "say", (tenant, b"[Job]\nrubbish\n")),
        ("Cancel", "tsu", (job, "", 0)), ("Cancel", "tsu", (job, "", 0)), ("Hold", "tbsu", (job, serial & 1, "x" * 900, 0)),
        ("GetJob", "t", (job,)), ("Explain", "t", (job,)), ("Queue", "s", (tenant,)), ("OpenLog", "ts", (job, "out")),
        ("ListTenants", "", ()), ("ListPools", "", ()), ("Export", "", ()), ("Reload", "su", ("", 0)), ("GetLimits", "s", (tenant,)),
        ("SetLimits", "sasasstxu", ("noisy", ["cpu=1"] * 50, [], "", 0, -1, 0)), ("Switch", "sssu", (tenant, "pause", "x" * 5000, 0)),
        ("ListEvents", "tu", (0, 10000)), ("Wait", "t", (job,)), ("Nothing", "s", ("\n" * 500,))])
    return wire.message(serial, member, signature, wire.marshal(signature, args))

class Connection:
    def __init__(self, kind):
        self.kind, self.s, self.out, self.serial, self.later = kind, None, b"", 0, 0.0

    def open(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.setblocking(False)
        self.s.connect(path)
        self.out, self.serial = wire.AUTH, 0

    def more(self):
        self.serial += 1
        kind = self.kind
        if kind in ("list", "deaf"):
            return wire.message(self.serial, "ListJobs", "sbtu", wire.marshal("sbtu", ("", 1, 0, 10000)))
        if kind == "verbs":
            return verb(self.serial)
        if kind == "wait":
            return wire.message(self.serial, "Wait", "t", struct.pack("<Q", newest))
        if kind == "large":
            return wire.message(1, "Submit", "say", b"")[:4] + struct.pack("<I", 127 << 20) if self.serial == 1 else b"\0" * (1 << 16)
        if kind == "garbage":
            return rng.randbytes(rng.randrange(1, 3000))
        whole = wire.message(1, "ListTenants", "", b"")
        if kind == "slow":
            self.later = time.monotonic() + 0.5
            return whole[self.serial - 1 : self.serial] or b"\0"
        return whole

    def step(self):
        if not self.s:
            self.open()
        if self.out == b"" and time.monotonic() >= self.later:
            self.out = self.more()
            said[self.kind] += 1
        if self.out:
            if self.kind == "descriptors" and self.serial > 0:
                n = socket.send_fds(self.s, [self.out], [null] * 250)
            else:
                n = self.s.send(self.out)
            self.out = self.out[n:]
        if self.kind != "deaf" and self.s.recv(1 << 18) == b"":
            raise ConnectionError

    def close(self):
        if self.s:
            self.s.close()
        self.s = None

def learn():
    """A number to ask about."""
    try:
        bus = wire.Bus(path, wire.User("me", 0), timeout=2)
        values = bus.call("Submit", "say", "", b"[Job]\nName=n\nExecStart=/bin/sleep 0.9\n")
        bus.close()
        return values[0] or newest
    except (wire.Closed, wire.Error, OSError):
        return newest

connections = [Connection(kind) for kind in KINDS]
rounds = 0
while time.monotonic() < until:
    rounds += 1
    if rounds % 500 == 1:
        newest = max(newest, learn())
    for c in connections:
        try:
            c.step()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            c.close()
    # Comes, says a little and goes.
    try:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        s.connect(path)
        s.send(wire.AUTH[: rng.randrange(len(wire.AUTH))])
        said["flash"] += 1
    except OSError:
        pass
    s.close()
print(sum(said.values()), *(f"{k}={n}" for k, n in said.items()), file=open(sys.argv[3], "w"))
PY

# In the spool.
cat >"$D/payload/dropper.py" <<'PY'
import os, random, shutil, socket, sys, time
os.chdir(sys.argv[1])
here = os.open(".", os.O_RDONLY)
until = time.monotonic() + float(sys.argv[2])
rng = random.Random(2)
good, bad = b"[Job]\nName=s\nExecStart=/bin/sleep 0.%d\n", b"[Job]\nrubbish\n"
n, made, held = 0, 0, []

def write(name, text):
    global made
    fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, text % rng.randrange(70, 100) if text is good else text)
    os.close(fd)
    made += 1

def many():
    for i in range(2000):
        write(f"m{n}.{i}" + rng.choice([".job", ""]), b"")

def crowd():
    for i in range(300):
        write(f"c{n}.{i}.job", rng.choice([good, bad]))

def hold():
    if len(held) < 200:
        fd = os.open(f"h{n}.job", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, good % 99)
        held.append(fd)
    else:
        os.close(held.pop(rng.randrange(200)))

def shuffle():
    write("r.tmp", good)
    for i in range(50):
        os.rename("r.tmp" if i == 0 else f"r{i - 1}.job", f"r{i}.job")

def reject():
    what = rng.randrange(5)
    if what == 0:
        os.rename("rejected", f"was{n}")
        if n % 8:
            shutil.rmtree(f"was{n}", ignore_errors=True)
    elif what == 1:
        write("rejected", b"")
    elif what == 2:
        os.unlink("rejected")
    elif what == 3:
        os.symlink("/etc", "rejected")
    else:
        os.chmod("rejected", rng.choice([0, 0o700]))

def modes():
    for mode in (0o755, 0o700, 0o000, 0o700, 0o730, 0o700):
        os.fchmod(here, mode)

def sparse():
    write(f"l{n}.job", good)
    os.truncate(f"l{n}.job", rng.choice([65537, 1 << 40]))

def clear():
    for one in os.listdir("."):
        if one != "rejected" and not one.startswith("h") and rng.random() < 0.7:
            if os.path.isdir(one) and not os.path.islink(one):
                shutil.rmtree(one, ignore_errors=True)
            else:
                os.unlink(one)

todo = [lambda: write(f"g{n}.job", good)] * 6 + [lambda: write(f"b{n}.job", bad)] * 6 + [shuffle, hold, hold, hold, reject, modes, modes, sparse,
        lambda: os.symlink("/etc/passwd", f"s{n}.job"), lambda: os.symlink(f"s{n}.job", f"s{n}.job"),
        lambda: (write(f"x{n}", good), os.link(f"x{n}", f"x{n}.job")), lambda: os.mkfifo(f"p{n}.job"),
        lambda: os.makedirs(f"d{n}.job/" + "a/" * 50), lambda: write("same.job", good), lambda: os.unlink("same.job"),
        lambda: write(f"\x1b[31m\n{n}.job", good), lambda: write("z" * 251 + ".job", bad)]
while time.monotonic() < until:
    n += 1
    try:
        if n % 3000 == 1000:
            many()
        elif n % 3000 == 2000:
            crowd()
        elif n % 9000 == 0:
            clear()
        else:
            rng.choice(todo)()
    except OSError:
        pass
print(n, made, file=open(sys.argv[3], "w"))
PY

# The third one, and root. Prints figures.
cat >"$D/payload/victim.py" <<'PY'
import json, os, sys, time
sys.path.insert(0, os.path.dirname(__file__))
import wire

d, seconds = sys.argv[1], float(sys.argv[2])
path = d + "/run/control.sock"
victim, root = wire.User("victim", 61853), wire.User("root", 0)
delays = {"drop": [], "call": []}
answers, wrong = [], []
until = time.monotonic() + seconds
n = 0

def started(n, limit=20):
    """When job n said that it runs."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with open(d + "/witness/victim") as f:
            for line in f.read().splitlines()[-3:]:
                if line.split()[0] == str(n):
                    return int(line.split()[1])
        time.sleep(0.003)
    return None

def call(text):
    try:
        bus = wire.Bus(path, victim, timeout=20)
        number = bus.call("Submit", "say", "", text)[0]
        row = bus.call("Wait", "t", number)[0].dicts()[0]
        bus.close()
        if row["verdict"] != "exit 0":
            wrong.append(f"job {n}: {row['verdict']}")
    except (OSError, wire.Closed, wire.Error) as e:
        wrong.append(f"job {n}: {type(e).__name__} {e}")
        return False
    return True

while time.monotonic() < until:
    n += 1
    text = f"[Job]\nName=v{n}\nExecStart={d}/payload/stamp {n}\n".encode()
    kind = "drop" if n % 2 else "call"
    began = time.time_ns()
    if kind == "drop":
        stage = f"{d}/stage/v{n}"
        with open(stage, "wb") as f:
            f.write(text)
        os.chown(stage, victim.uid, victim.uid)
        began = time.time_ns()
        os.rename(stage, f"{d}/spool/victim/v{n}.job")
        at = started(n)
    else:
        at = started(n) if call(text) else None
    if at is None:
        wrong.append(f"job {n} ({kind}) did not start")
    delays[kind].append(20000 if at is None else max(0, at - began) / 1e6)
    began = time.monotonic()
    try:
        bus = wire.Bus(path, root, timeout=20)
        bus.call("ListTenants")
        bus.close()
    except (OSError, wire.Closed, wire.Error) as e:
        wrong.append(f"root: {type(e).__name__} {e}")
    answers.append((time.monotonic() - began) * 1e3)

def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))] if values else -1

both = delays["drop"] + delays["call"]
figures = {"jobs": n, "wrong": wrong[:5], "wrongs": len(wrong), "median": percentile(both, 50), "p99": percentile(both, 99),
           "max": max(both), "drop": percentile(delays["drop"], 99), "call": percentile(delays["call"], 99),
           "answer": percentile(answers, 50), "answer_max": max(answers, default=-1)}
with open(d + "/stage/figures.new", "w") as f:
    json.dump(figures, f)
os.rename(d + "/stage/figures.new", d + "/figures")
PY

d_start
d_tenant noisy 61851
d_tenant spool 61852
d_tenant victim 61853
engine=$(d_engine)
daemon=$(d_pid)
log_before=$(wc -l <"$D/log")

as() {
        setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

touch "$D/stage/noisy" "$D/stage/spool"
chown 61851 "$D/stage/noisy"
chown 61852 "$D/stage/spool"
pair=()
if [[ $who =~ ^(both|socket)$ ]]; then
        as 61851 "$D_PYTHON" "$D/payload/talker.py" "$TENANTQ_SOCKET" "$seconds" "$D/stage/noisy" &
        pair+=($!)
fi
if [[ $who =~ ^(both|spool)$ ]]; then
        as 61852 "$D_PYTHON" "$D/payload/dropper.py" "$D/spool/spool" "$seconds" "$D/stage/spool" &
        pair+=($!)
fi
# Not before they have got going.
sleep 1.5
"$D_PYTHON" "$D/payload/victim.py" "$D" "$(awk -v s="$seconds" 'BEGIN { print s - 2 }')" &
victim=$!
wait "$victim" || true
cp "/proc/$engine/status" "$D/stage/engine.status" 2>/dev/null
cp "/proc/$daemon/status" "$D/stage/daemon.status" 2>/dev/null
engine_after=$(d_engine)
daemon_after=$(pgrep -x tenantqd -g "$daemon" 2>/dev/null | head -n 1)
[ ${#pair[@]} -eq 0 ] || wait "${pair[@]}" || true

figure() {
        "$D_PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$D/figures" "$1"
}

# peak engine|daemon: the most resident memory ever, in KiB.
peak() {
        awk '/^VmHWM:/ { print $2 }' "$D/stage/$1.status"
}

bytes_in() {
        find "$1" -type f -printf '%s\n' 2>/dev/null | awk '{ n += $1 } END { printf "%.0f\n", n }'
}

at_most() {
        awk -v a="$1" -v b="$2" 'BEGIN { exit !(a >= 0 && a <= b) }' || t_fail "$3: $1, more than $2"
}

# Job numbers are given in order: the next one says how many were accepted.
for _ in {1..10}; do
        accepted=$(D_TIMEOUT=20 ctl submit -t victim - <<<$'[Job]\nExecStart=/bin/true') && break
        accepted=-1
        sleep 1
done
ledger=$(bytes_in "$D/state/ledger")
logs=$(bytes_in "$D/logs")
log_files=$(find "$D/logs" -type f | wc -l)
lines=$(($(wc -l <"$D/log") - log_before))

starts_in_time() {
        t_eq "$(figure wrongs)" 0 "things that went wrong, such as $(figure wrong)"
        at_most "$(figure p99)" 1000 "p99 of the delay, ms"
        at_most "$(figure max)" 3000 "the longest delay, ms"
}

root_is_answered() {
        at_most "$(figure answer_max)" 1000 "the longest answer to root, ms"
}

memory_is_bounded() {
        at_most "$(peak engine)" $((${SAN:+9}96 * 1024)) "KiB of the engine" # a sanitizer keeps what is freed
        at_most "$(peak daemon)" $((96 * 1024)) "KiB of tenantqd"
}

disk_is_bounded() {
        [ "$accepted" -gt 0 ] || t_fail "no job is taken any more"
        at_most "$ledger" $((64 * 1024 * 1024 + 2048 * accepted)) "bytes of the ledger, with $accepted jobs"
        # Two files for each job that could run: 8 slots, 1 s each, and what was cancelled at once.
        at_most "$log_files" $((2 * accepted + 10)) "files of output"
        at_most "$logs" $((16 * 1024 * 1024)) "bytes of output"
}

lines_are_bounded() {
        [ "$lines" -lt 1000 ] || t_fail "$lines lines, mostly: $(sed 's/[0-9]\+/N/g' "$D/log" | sort | uniq -c | sort -rn | head -n 5)"
}

nobody_died() {
        t_eq "$engine_after" "$engine" "pid of the engine"
        t_eq "$daemon_after" "$daemon" "pid of tenantqd"
}

is_well_afterwards() {
        local start
        start=$(date +%s%N)
        D_TIMEOUT=10 ctl run -w -t victim -q afterwards -- true
        start=$((($(date +%s%N) - start) / 1000000))
        at_most "$start" 3000 "ms for a job afterwards"
        start=$(date +%s%N)
        d_stop
        start=$((($(date +%s%N) - start) / 1000000))
        echo "$start" >"$D/stage/stop"
        at_most "$start" 5000 "ms to stop"
}

t_case "a third tenant's jobs start within one job's length (T103, T105)" starts_in_time
t_case "root is answered within 1 s (T103)" root_is_answered
t_case "memory is bounded (T103)" memory_is_bounded
t_case "ledger and output are bounded (T107)" disk_is_bounded
t_case "the journal is bounded (T107)" lines_are_bounded
t_case "neither engine nor tenantqd was restarted" nobody_died
t_case "all is well afterwards" is_well_afterwards
printf '%s s: %s jobs of the victim, delay median %.0f p99 %.0f (drop %.0f, call %.0f) max %.0f ms; root answered in %.0f, at most %.0f ms; ' \
        "$seconds" "$(figure jobs)" "$(figure median)" "$(figure p99)" "$(figure drop)" "$(figure call)" "$(figure max)" \
        "$(figure answer)" "$(figure answer_max)"
printf '%s calls and %s changes of the spool (%s files) by the pair; %s jobs accepted; ledger %d KiB, output %d KiB in %d files, %d lines; engine %s KiB, tenantqd %s KiB\n' \
        "$(cut -d' ' -f1 "$D/stage/noisy")" "$(cut -d' ' -f1 "$D/stage/spool")" "$(cut -d' ' -f2 "$D/stage/spool")" "$accepted" $((ledger / 1024)) $((logs / 1024)) "$log_files" "$lines" \
        "$(peak engine)" "$(peak daemon)"
d_report
t_summary
