# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random steps against a tenantqd of the test's own; 80-random.sh starts it and judges.

    python3 -I random.py DIR SEED STEPS    (-I: this file's name is a module's of the library)

DIR is $D of daemon.sh, with a daemon that runs and the tenants r1, r2 and r3. Each step is one thing that root, an
administrator, a tenant or a stranger does to the control socket, the spool or the configuration; every hundred steps
or so the daemon, its engine or both end, politely or not, and what was acknowledged before is looked for afterwards.
The order of the steps comes from the seed; what each of them meets depends on how fast jobs run.

What is wrong is written to DIR/random/CHECK, one file for each of the checks of 80-random.sh, with the last 20 steps;
figures go to DIR/random/figures. 85-hostile-pair.sh uses the first part, the wire, too.
"""

import contextlib
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import traceback
from collections import Counter, deque

# The wire: D-Bus, peer to peer ---------------------------------------------------------------

U32 = struct.Struct("<I")
I64 = struct.Struct("<q")
FIXED = {"y": ("<B", 1), "b": ("<I", 4), "u": ("<I", 4), "t": ("<Q", 8), "x": ("<q", 8), "h": ("<I", 4)}
AUTH = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"


class Closed(Exception):
    """The other side closed the connection."""


class Error(Exception):
    """The method's answer is an error."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name.rsplit(".", 1)[-1]
        self.full = name
        self.text = text


class User:
    def __init__(self, name, uid, gid=None, groups=(), tenant=None, is_admin=False):
        self.name, self.uid, self.gid, self.groups = name, uid, uid if gid is None else gid, list(groups)
        self.tenant, self.is_admin = tenant, is_admin


@contextlib.contextmanager
def acting_as(user):
    """With the user's effective ids: the kernel tells a server those that connect(2) was called with."""
    if user.uid == 0:
        yield
        return
    os.setgroups(user.groups)
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])


def descriptors(pid):
    """How many descriptors a process has of each kind: what its links say, without numbers."""
    kinds = Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            kinds[re.sub(r"[0-9]+", "N", os.readlink(f"/proc/{pid}/fd/{fd}"))] += 1
    return kinds


def padded(b, n):
    return b + b"\0" * (-len(b) % n)


def string(s):
    b = s if isinstance(s, bytes) else s.encode()
    return U32.pack(len(b)) + b + b"\0"


def marshal(signature, args):
    """Strings, numbers, `as` and `ay`: what our methods take."""
    out, i = b"", 0
    for value in args:
        kind = signature[i]
        if kind == "a":
            i += 1
            if signature[i] == "y":
                out = padded(out, 4) + U32.pack(len(value)) + value
            else:
                items = b""
                for item in value:
                    items = padded(items, 4) + string(item)
                out = padded(out, 4) + U32.pack(len(items)) + items
        elif kind in "so":
            out = padded(out, 4) + string(value)
        else:
            form, size = FIXED[kind]
            out = padded(out, size) + struct.pack(form, value)
        i += 1
    return out


def message(serial, member, signature, body, path="/org/tenantq", interface="org.tenantq.Manager1"):
    fields = b""
    for code, kind, value in ((1, b"o", path), (2, b"s", interface), (3, b"s", member)):
        fields = padded(fields, 8) + bytes([code, 1]) + kind + b"\0" + string(value)
    sig = signature.encode()
    fields = padded(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(sig)]) + sig + b"\0"
    head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields))
    return padded(head + fields, 8) + body


class Table:
    """Columns by name, rows as tuples."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.at = {name: i for i, name in enumerate(columns)}

    def dict(self, i):
        return dict(zip(self.columns, self.rows[i]))

    def dicts(self):
        return [dict(zip(self.columns, row)) for row in self.rows]


def read_text(b, at):
    n = U32.unpack_from(b, at)[0]
    return b[at + 4 : at + 4 + n].decode(errors="replace"), at + n + 5


def read_rows(b, at, end):
    rows = []
    while at < end:
        at = at + 3 & ~3
        last = at + 4 + U32.unpack_from(b, at)[0]
        at += 4
        row = []
        while at < last:
            kind = b[at + 1]
            if kind == 120:  # x
                at = at + 10 & ~7
                row.append(I64.unpack_from(b, at)[0])
                at += 8
            elif kind == 115:  # s
                text, at = read_text(b, at + 6 & ~3)
                row.append(text)
            else:  # an empty ay: null
                at = at + 7 & ~3
                at += 4 + U32.unpack_from(b, at)[0]
                row.append(None)
        rows.append(tuple(row))
    return rows


def unmarshal(signature, b, fds):
    """A table (asaav) is one value."""
    values, i, at = [], 0, 0
    while i < len(signature):
        if signature.startswith("asaav", i):
            end = at + 4 + U32.unpack_from(b, at)[0]
            columns, at = [], at + 4
            while at < end:
                name, at = read_text(b, at + 3 & ~3)
                columns.append(name)
            at = at + 3 & ~3
            end = at + 4 + U32.unpack_from(b, at)[0]
            values.append(Table(columns, read_rows(b, at + 4, end)))
            i, at = i + 5, end
        elif signature[i] in "so":
            text, at = read_text(b, at + 3 & ~3)
            values.append(text)
            i += 1
        else:
            form, size = FIXED[signature[i]]
            at = at + size - 1 & -size
            value = struct.unpack_from(form, b, at)[0]
            values.append(fds[value] if signature[i] == "h" else value)
            i, at = i + 1, at + size
    return values


class Reply:
    """Header and body of one message."""

    def __init__(self, b, fds):
        self.kind = b[1]
        self.serial = self.error = None
        self.signature = ""
        self.fds = fds
        at, end = 16, 16 + U32.unpack_from(b, 12)[0]
        while at < end:
            at = at + 7 & ~7
            code, kind = b[at], b[at + 2]
            at += 4
            if kind in b"so":
                text, at = read_text(b, at + 3 & ~3)
                if code == 4:
                    self.error = text
            elif kind == 103:  # g
                n = b[at]
                if code == 8:
                    self.signature = b[at + 1 : at + 1 + n].decode()
                at += n + 2
            else:
                at = at + 3 & ~3
                if code == 5:
                    self.serial = U32.unpack_from(b, at)[0]
                at += 4
        self.body = b[end + 7 & ~7 :]

    def values(self):
        return unmarshal(self.signature, self.body, self.fds)


class Bus:
    """One connection, made as a user. One call at a time, unless send() and receive() are used."""

    def __init__(self, path, user, timeout=5.0):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        self.serial = 0
        self.used = time.monotonic()
        self.fds = []
        self.buf = b""
        try:
            end = time.monotonic() + timeout
            while not self.connect(path, user):
                if time.monotonic() > end:
                    raise TimeoutError("nobody takes the connection")
                time.sleep(0.003)
            self.s.sendall(AUTH)
            while self.buf.count(b"\r\n") < 3:
                self.fill()
            # OK of the handshake, the empty DATA, and descriptors.
            words = self.buf.split(b"\r\n", 3)
            self.buf = words[3]
        except BaseException:
            self.s.close()
            raise

    def connect(self, path, user):
        try:
            with acting_as(user):
                self.s.connect(path)
        except BlockingIOError:
            return False  # many are waiting to be let in
        return True

    def close(self):
        self.s.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def fill(self):
        try:
            data, fds, _, _ = socket.recv_fds(self.s, 1 << 18, 16)
        except (ConnectionError, BrokenPipeError) as e:
            raise Closed(str(e)) from e
        self.fds += fds
        if not data:
            raise Closed("end of file")
        self.buf += data

    def send(self, member, signature="", *args):
        self.serial += 1
        self.used = time.monotonic()
        try:
            self.s.sendall(message(self.serial, member, signature, marshal(signature, args)))
        except (ConnectionError, BrokenPipeError) as e:
            raise Closed(str(e)) from e
        return self.serial

    def take(self):
        """The first whole message that has come, or None."""
        if len(self.buf) < 16:
            return None
        body, _, fields = struct.unpack_from("<III", self.buf, 4)
        size = 16 + fields + (-fields % 8) + body
        if len(self.buf) < size:
            return None
        one, self.buf = self.buf[:size], self.buf[size:]
        fds, self.fds = self.fds, []
        return Reply(one, fds)

    def receive(self):
        while True:
            reply = self.take()
            if reply:
                return reply
            self.fill()

    def call(self, member, signature="", *args, timeout=None):
        if timeout:
            self.s.settimeout(timeout)
        serial = self.send(member, signature, *args)
        while True:
            reply = self.receive()
            if reply.serial == serial:
                break
        self.used = time.monotonic()
        if reply.kind == 3:
            values = reply.values()
            raise Error(reply.error or "?", values[0] if values else "")
        return reply.values()


# Values --------------------------------------------------------------------------------------

SCHEDULER_LIMITS = {
    "concurrency": ["0", "1", "2", "3", "8", "100", "1000000", "max", "infinity"],
    "enqueue_rate": ["0/s", "10/s", "1000/s", "100/min", "5/h", "100000/h", "max"],
    "queue_depth": ["0", "5", "40", "1000", "100000"],
    "scheduled_jobs": ["0", "3", "50", "max"],
    "spool_bytes": ["0", "2K", "64K", "1M", "1E", "max"],
    "weight": ["1", "50", "100", "200", "10000"],
    "reserved": ["0", "1", "2", "10%", "0%", "12.5%"],
    "runtime": ["1s", "20s", "90", "1min", "1h 30min", "500ms", "max", "infinity"],
}
QUEUE_LIMITS = ["concurrency", "enqueue_rate", "queue_depth"]
KERNEL_LIMITS = {
    "cpu": ["0.01", "0.5", "2", "100000", "max"],
    "cpu_weight": ["1", "100", "10000"],
    "cpus": ["0", "0-1", "0,1"],
    "memory": ["64M", "1G", "max"],
    "memory_high": ["64M", "max"],
    "memory_low": ["0", "1M"],
    "swap": ["0", "1G", "max"],
    "pids": ["64", "4194304", "max"],
    "io_read": ["1", "10M", "max"],
    "io_write": ["1", "10M", "max"],
    "io_riops": ["1", "500", "4294967295"],
    "io_wiops": ["1", "2K", "max"],
    "io_weight": ["1", "100"],
    "CPUQuota": ["150%", "1%"],
    "CPUWeight": ["100"],
    "AllowedCPUs": ["0"],
    "MemoryMax": ["1G"],
    "MemoryHigh": ["1G"],
    "MemoryLow": ["1M"],
    "MemorySwapMax": ["0"],
    "TasksMax": ["512"],
    "IOReadBandwidthMax": ["/dev/vda 10M"],
    "IOWriteBandwidthMax": ["8:0 10M"],
    "IOReadIOPSMax": ["/dev/vdb 10"],
    "IOWriteIOPSMax": ["/dev/sda 10"],
    "IOWeight": ["100"],
}
DEVICE_LIMITS = ["io_read", "io_write", "io_riops", "io_wiops"]
DEVICES = [f"/dev/vd{c}" for c in "abcdefghijkl"] + ["8:0", "252:16", "/dev/mapper/a-b"]
BAD_VALUES = ["", "-1", " 5", "5 ", "1e9", "0x10", "\u0663", "18446744073709551616", "9" * 40, "nan", "x" * 400,
              "5%%", "1\n2", "1,2", "max max", "=", "1=2"]
BAD_NAMES = ["", "concurency", "Concurrency", "cpu_burst", "a" * 300, "host", "weight@/dev/vda", "io_read@",
             "io_read@vda", "io_read@/dev/../etc", "io_read@1:2:3", "\u0440", "name with blanks"]
QUEUES = ["default", "etl", "web", "nightly", "a-b", "a.b"]
BAD_QUEUES = ["", "-x", "a b", "x" * 49, "a/b", "..", "\u0444"]

BAD_JOBS = [
    "",
    "[Job]\n",
    "[Job]\nName=n\n",
    "ExecStart=/bin/true\n",
    "[Job]\nExecStart=true\n",
    "[Job]\nExecStart=/bin/true\nExecStart=/bin/true\n",
    "[Job]\nExecStart=/bin/true\n[Job]\nName=x\n",
    "[Jobs]\nExecStart=/bin/true\n",
    "[Job]\nExecStart=/bin/true\n Name=x\n",
    "[Job]\nExecStart=/bin/true\r\n",
    "\ufeff[Job]\nExecStart=/bin/true\n",
    "[Job]\nExecStart=/bin/true\0\n",
    b"[Job]\nExecStart=/bin/true \xff\xfe\n",
    b"[Job]\nExecStart=/bin/true\nName=\xc0\xaf\n",
    "[Job]\nExecStart=/bin/true\nName=\n",
    "[Job]\nExecStart=/bin/true\nName=" + "n" * 129 + "\n",
    "[Job]\nExecStart=/bin/true\nQueue=a/b\n",
    "[Job]\nExecStart=/bin/true\nQueue=" + "q" * 49 + "\n",
    "[Job]\nExecStart=/bin/true\nPriority=101\n",
    "[Job]\nExecStart=/bin/true\nPriority=+1\n",
    "[Job]\nExecStart=/bin/true\nPriority=1e1\n",
    "[Job]\nExecStart=/bin/true\nStartAfter=someday\n",
    "[Job]\nExecStart=/bin/true\nStartAfter=2026-13-01\n",
    "[Job]\nExecStart=/bin/true\nDeadline=2026-02-30\n",
    "[Job]\nExecStart=/bin/true\nAfter=\n",
    "[Job]\nExecStart=/bin/true\nAfter=0\n",
    "[Job]\nExecStart=/bin/true\nAfter=9223372036854775808\n",
    "[Job]\nExecStart=/bin/true\nAfter=" + " ".join(f"j{i}" for i in range(65)) + "\n",
    "[Job]\nExecStart=/bin/true\nRuntimeMaxSec=soon\n",
    "[Job]\nExecStart=/bin/true\nRuntimeMaxSec=1s\n[Limits]\nruntime=1s\n",
    "[Job]\nExecStart=/bin/true\nTimeoutStopSec=2h\n",
    "[Job]\nExecStart=/bin/true\nCorrelationId=\n",
    "[Job]\nExecStart=/bin/true\nCorrelationId=two words\n",
    "[Job]\nExecStart=/bin/true\nLabels=novalue\n",
    "[Job]\nExecStart=/bin/true\nLabels=a-b=c\n",
    "[Job]\nExecStart=/bin/true\nLabels=a=b a=c\n",
    "[Job]\nExecStart=/bin/true\nTraceParent=00-0-0-00\n",
    "[Job]\nExecStart=/bin/true\nParent=\n",
    "[Job]\nExecStart=/bin/true\nInputs=\n",
    "[Job]\nExecStart=/bin/true\nOutputs=" + "x" * 256 + "\n",
    "[Job]\nExecStart=/bin/true\nOnLost=maybe\n",
    "[Job]\nExecStart=/bin/true\nStandardInput=client\n",
    "[Job]\nExecStart=/bin/true\nStandardInput=\n",
    "[Job]\nExecStart=/bin/true\nEnvironment=TENANTQ_JOB=1\n",
    "[Job]\nExecStart=/bin/true\nEnvironment=1A=2\n",
    "[Job]\nExecStart=/bin/true\nWorkingDirectory=tmp\n",
    "[Job]\nExecStart=/bin/true 'open\n",
    "[Job]\nExecStart=/bin/true \\q\n",
    "[Job]\nExecStart=/bin/true\n[Sandbox]\nProfile=none\n",
    "[Job]\nExecStart=/bin/true\n[Sandbox]\nPrivateTmp=perhaps\n",
    "[Job]\nExecStart=/bin/true\n[Sandbox]\nReadOnlyPaths=etc\n",
    "[Job]\nExecStart=/bin/true\n[Retry]\nMaxAttempts=0\n",
    "[Job]\nExecStart=/bin/true\n[Retry]\nBackoff=never\n",
    "[Job]\nExecStart=/bin/true\n[Limits]\nconcurrency=1\n",
    "[Job]\nExecStart=/bin/true\n[Limits]\nmemory=1\n",
    "[Job]\nExecStart=/bin/true\n[Limits]\nnothing=1\n",
    "[Job]\nExecStart=/bin/true\n#" + "x" * 65536 + "\n",
    "garbage\n" * 50,
    "\x1b[31m[Job]\n",
]

TENANT_FILES = [  # (content, how it is: good, fault (the tenant is disabled), bad (a reload is refused))
    ("", "good"),
    ("[limits]\nconcurrency=4\n", "good"),
    ("[limits]\nconcurrency=2\nqueue_depth=200\nweight=300\nruntime=1min\n", "good"),
    ("[tenant]\non_full=hold\n[limits]\nqueue_depth=30\nconcurrency=3\n", "good"),
    ("[tenant]\npool=small\n[limits]\nreserved=1\n", "good"),
    ("[tenant]\nsubmitters=61850 61804\n[limits]\nscheduled_jobs=40\nspool_bytes=1M\nreserved=10%\n", "good"),
    ("[queue etl]\nconcurrency=2\nqueue_depth=50\n[queue web]\nenqueue_rate=100/min\n", "good"),
    ("[limits]\nconcurrency=3\n" + "".join(f"[queue q{i}]\nconcurrency={i % 3 + 1}\n" for i in range(32)), "good"),
    ("[limits]\nconcurrency=3\n" + "".join(f"[queue q{i}]\nqueue_depth={i + 50}\n" for i in range(20, 40)), "good"),
    ("[tenant]\npool=nowhere\n", "fault"),
    ("[limits]\nreserved=1000\n", "fault"),
    ("[limits]\ncpu=2\n", "fault"),
    ("[limits]\nio_write@/dev/vdb=50M\nio_read@8:0=1M\n", "fault"),
    ("[tenant]\nsubmitters=no-such-user-here\n", "fault"),
    ("[limits]\nconcurrency=\n", "bad"),
    ("[limits]\nconcurrency=1\nconcurrency=2\n", "bad"),
    ("[limit]\n", "bad"),
    ("[tenant]\non_full=maybe\n", "bad"),
    ("[limits]\nqueue_depth=100001\nqueue_depth\n", "bad"),
    ("[queue a/b]\nconcurrency=1\n", "bad"),
    ("[limits]\ncpu_burst=1ms\n", "bad"),
    ("".join(f"[queue q{i}]\nconcurrency=1\n" for i in range(33)), "bad"),
]

HOST_FILES = [  # [scheduler] and what follows
    ("max_jobs=12\nmemory=1G\nlane_slots=1\n[pool small]\nslots=3\n", True),
    ("max_jobs=16\nmemory=1G\nlane_slots=10%\nhalf_life=10min\n[pool small]\nslots=25%\n", True),
    ("max_jobs=10\nmemory=max\nio=500M\ndebt=1min\n[pool small]\nslots=2\n[pool other]\nslots=1\n", True),
    ("max_jobs=0\n", False),
    ("max_jobs=4\n[pool small]\nslots=4\n", False),
    ("max_jobs=4\nlane_slots=4\n[pool small]\nslots=1\n", False),
    ("max_jobs=8\n[pool shared]\nslots=1\n", False),
]

OURS = {"Failed", "Invalid", "Refused", "Limit", "NotFound", "Denied"}
STATIC = ("tenant", "queue", "name", "priority", "submitted_usec", "start_after_usec", "correlation_id", "labels",
          "submitter_uid", "deadline_usec", "after")
VOLATILE = ("wait_reason", "spec")


class Job:
    def __init__(self, number, tenant=None, spec=None):
        self.number, self.tenant, self.spec = number, tenant, spec
        self.static = self.final = self.verdict = self.held = None


class Fatal(Exception):
    """No sense in going on."""


# The world -----------------------------------------------------------------------------------


class World:
    def __init__(self, d, seed, steps):
        self.d, self.seed, self.steps = d, seed, steps
        self.path = f"{d}/run/control.sock"
        self.out = f"{d}/random"
        self.slow = float(os.environ.get("TENANTQ_SLOWER", "1"))  # sanitizers
        self.limit = 1.0 * self.slow
        self.rss_limit = int(float(os.environ.get("TENANTQ_RSS_MIB", "64")) * (1 << 20))
        self.tenants = ["r1", "r2", "r3"]
        self.extras = ["x1", "x2"]
        uids = {"r1": 61801, "r2": 61802, "r3": 61803, "x1": 61804, "x2": 61805}
        self.uid = uids
        self.root = User("root", 0, is_admin=True)
        self.users = [self.root, User("admin", 61890, groups=[64992], is_admin=True)]
        self.users += [User(t, uids[t], tenant=t) for t in self.tenants] + [User("stranger", 61850)]
        self.buses = {}
        self.methods = set()
        self.times = {}  # member → of each call
        self.daemon = int(open(f"{d}/pid").read())
        self.child = None  # the daemon, if it is ours to reap
        self.engine = None
        self.n = 0
        self.last = deque(maxlen=20)
        self.trace = open(f"{d}/random/trace", "w", buffering=1 << 16)
        self.failed = {}
        self.figures = dict.fromkeys(("restarts", "calls", "engine", "tenantqd", "answer", "recovery"), 0)
        # What was acknowledged.
        self.jobs = {}
        self.waiting = []  # at the last look
        self.limits = {}  # tenant → {(queue or None, limit): value}
        self.excused = set()  # (tenant, queue, limit) that was found wrong; told once
        self.switches = {}  # target → [paused, draining]
        self.spans = []  # [target, is_drain, since, until]: that it was so is certain
        # What was done to the spool and to the files.
        self.dirs = {t: "ok" for t in self.tenants} | {t: "gone" for t in self.extras}
        self.files = {t: "good" for t in self.tenants}
        self.changed = {}  # tenant → the step that last changed its directory
        self.sections = {}  # tenant → of queues in its file, or in one before
        self.host_is_good = True
        self.is_dirty = False  # configuration was changed and not reloaded
        self.drops = {}  # name → "must" become a job or a refused file, "may", must be "refused", is "never" a job
        self.seen_refused = set()  # names in files that were in rejected/
        self.seen_removed = set()  # names in files that were removed with their directory
        self.by_name = {}
        self.open_files = []
        self.n_dirs = 0
        with open(f"{d}/cgroup") as f:
            self.cgroup = f.read().strip()
        with open(f"{self.cgroup}/cgroup.controllers") as f:
            self.has_controllers = f.read().strip() != ""
        self.witness = f"{d}/payload/witness"

    # Saying ----------------------------------------------------------------------------------

    def note(self, text):
        line = f"{self.n}: {text}"
        self.last.append(line)
        self.trace.write(line + "\n")

    def fail(self, check, text):
        seen = self.failed.setdefault(check, [])
        seen.append(text)
        self.note(f"FAILED {check}: {text}")
        if len(seen) > 5:
            return
        with open(f"{self.out}/{check}", "a") as f:
            f.write(f"seed {self.seed}, step {self.n}: {text}\n")
            if len(seen) == 1:
                f.write("".join(f"    {line[:300]}\n" for line in self.last))

    # Processes -------------------------------------------------------------------------------

    @staticmethod
    def stat_of(pid):
        """State and parent, or None."""
        try:
            with open(f"/proc/{pid}/stat") as f:
                words = f.read().rsplit(") ", 1)[1].split()
            return None if words[0] in "ZX" else (words[0], int(words[1]))
        except (OSError, IndexError):
            return None

    def find_engine(self):
        try:
            with open(f"/proc/{self.daemon}/task/{self.daemon}/children") as f:
                children = f.read().split()
        except OSError:
            return None
        for pid in children:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe") == f"{self.d}/bin/tenantq-engine" and self.stat_of(pid):
                    return int(pid)
        return None

    def check_processes(self):
        for what, pid in (("tenantqd", self.daemon), ("engine", self.engine)):
            if not self.stat_of(pid):
                self.fail("alive", f"{what} (pid {pid}) has ended; nobody killed it")
                self.recover()
                return
            with open(f"/proc/{pid}/statm") as f:
                rss = int(f.read().split()[1]) * 4096
            if rss > self.figures[what]:
                self.figures[what] = rss
                if rss > self.rss_limit:
                    self.fail("memory", f"{what} uses {rss >> 20} MiB")

    def recover(self):
        """Something ended by itself: bring it back, to see what comes after."""
        if self.stat_of(self.daemon):
            self.await_answer(time.monotonic())
        else:
            self.start()

    def drop_buses(self):
        for bus in self.buses.values():
            bus.close()
        self.buses.clear()

    def await_answer(self, since):
        self.drop_buses()
        deadline = since + 15 * self.slow
        while True:
            try:
                Bus(self.path, self.root, timeout=10).call("ListTenants")
                break
            except (OSError, Closed) as e:
                if time.monotonic() > deadline:
                    self.fail("alive", f"no answer within 15 s after a start: {e}")
                    raise Fatal from e
                time.sleep(0.01)
            if self.child and self.child.poll() is not None:
                self.fail("alive", f"tenantqd did not start: status {self.child.returncode}")
                raise Fatal
        self.engine = self.find_engine()
        if not self.engine:
            self.fail("alive", "an answer, but no engine")
            raise Fatal
        self.figures["recovery"] = max(self.figures["recovery"], time.monotonic() - since)

    def start(self):
        since = time.monotonic()
        with open(f"{self.d}/log", "a") as log:
            self.child = subprocess.Popen(
                [f"{self.d}/bin/tenantqd", "--config", f"{self.d}/etc", "--helpers", f"{self.d}/bin"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.daemon = self.child.pid
        with open(f"{self.d}/pid.new", "w") as f:
            f.write(f"{self.daemon}\n")
        os.rename(f"{self.d}/pid.new", f"{self.d}/pid")
        self.await_answer(since)

    def await_end(self, pid, seconds):
        deadline = time.monotonic() + seconds
        while self.stat_of(pid):
            if time.monotonic() > deadline:
                self.fail("alive", f"pid {pid} did not end within {seconds} s of its signal")
                raise Fatal
            time.sleep(0.002)
        if self.child and pid == self.child.pid:
            self.child.wait()

    # Calls -----------------------------------------------------------------------------------

    def bus(self, user):
        bus = self.buses.get(user.name)
        # Who says nothing for a minute is disconnected.
        if bus and time.monotonic() - bus.used > 45:
            bus.close()
            bus = None
        if not bus:
            bus = self.buses[user.name] = Bus(self.path, user)
            bus.step = self.n
        return bus

    def call(self, user, member, signature="", *args, quiet=False):
        """The values of the answer, or an Error (returned, not raised); None if there was no answer."""
        began = time.monotonic()
        self.figures["calls"] += 1
        try:
            answer = self.bus(user).call(member, signature, *args, timeout=10 * self.slow)
        except Error as e:
            answer = e
        except (Closed, OSError) as e:
            was_nobody = not user.is_admin and self.was_nobody(user)
            self.drop_buses()
            # Of users who were nobody here when they connected, long calls are not read.
            if signature == "say" and len(args[1]) > 3000 and was_nobody:
                self.note(f"{user.name}: {member} of {len(args[1])} bytes: closed")
                return None
            if self.stat_of(self.daemon) and self.stat_of(self.engine):
                self.fail("answers", f"{user.name}: {member}{args!r:.200}: no answer: {type(e).__name__} {e}")
            else:
                self.check_processes()
            return None
        took = time.monotonic() - began
        self.times.setdefault(member, []).append(took)
        if took > self.figures["answer"]:
            self.figures["answer"] = took
        if took > self.limit:
            load = os.getloadavg()[0]
            self.fail("answers", f"{user.name}: {member}{args!r:.200}: took {took:.2f} s (load {load:.1f})")
        if isinstance(answer, Error):
            if not answer.full.startswith("org.tenantq.Error.") or answer.name not in OURS or answer.name == "Failed":
                self.fail("errors", f"{user.name}: {member}{args!r:.200}: {answer}")
            elif "ledger" in answer.text:
                self.fail("errors", f"{user.name}: {member}{args!r:.200}: {answer}")
        if not quiet:
            self.note(f"{user.name}: {member}{args!r:.160} → {self.short(answer)}")
        return answer

    def was_nobody(self, user):
        """Its directory is not in order, or was not, not long before it connected."""
        bus = self.buses.get(user.name)
        made = bus.step if bus else self.n
        return self.dirs.get(user.tenant) != "ok" or made < self.changed.get(user.tenant, 0) + 50

    @staticmethod
    def short(answer):
        if isinstance(answer, Error):
            return f"{answer.name}: {answer.text:.100}"
        return ", ".join(f"{len(v.rows)} rows" if isinstance(v, Table) else f"{v!r:.60}" for v in answer) or "ok"

    def ask(self, member, signature="", *args):
        """As root, and it must be answered."""
        answer = self.call(self.root, member, signature, *args, quiet=True)
        if answer is None:
            answer = self.call(self.root, member, signature, *args, quiet=True)
        if answer is None or isinstance(answer, Error):
            self.fail("answers", f"root: {member}{args!r:.200}: {answer}")
            raise Fatal
        return answer

    def list_jobs(self, tenant="", all_jobs=True, user=None, pages=100, method="ListJobs"):
        """All rows, whether the daemon gives them in pages or not."""
        rows, before, columns = [], 0, []
        for _ in range(pages):
            if method == "ListJobs":
                args = (method, "sbtu", tenant, int(all_jobs), before, 10000)
            else:
                args = (method, "stu", tenant, before, 10000)
            answer = self.call(user, *args) if user else self.ask(*args)
            if user and not isinstance(answer, list):
                return answer
            columns = answer[0].columns
            rows += answer[0].rows
            if len(answer) > 1:
                before = answer[1]
            else:
                before = answer[0].rows[-1][0] if len(answer[0].rows) == 10000 else 0
            if before == 0:
                break
        return Table(columns, rows)

    def ctl(self, user, *args, stdin=None):
        """Status and standard output of the real thing."""
        began = time.monotonic()
        try:
            done = subprocess.run(
                [f"{self.d}/bin/tenantqctl", *args], input=stdin, capture_output=True, timeout=10 * self.slow,
                user=user.uid, group=user.gid, extra_groups=user.groups, check=False)
        except subprocess.TimeoutExpired:
            self.fail("ctl", f"{user.name}: tenantqctl {args!r:.200}: no end within 10 s")
            return 124, b""
        took = time.monotonic() - began
        self.note(f"{user.name}: tenantqctl {args!r:.160} → {done.returncode} {done.stderr[-100:]!r}")
        if took > 2 * self.limit:
            self.fail("answers", f"{user.name}: tenantqctl {args!r:.200}: took {took:.2f} s")
        if done.returncode < 0 or (done.returncode == 1 and args[0] != "wait") or done.returncode == 7:
            self.fail("ctl", f"{user.name}: tenantqctl {args!r:.200}: status {done.returncode}: {done.stderr[-300:]!r}")
        return done.returncode, done.stdout

    # Who, whose ------------------------------------------------------------------------------

    def someone(self, rng, tenant=None):
        """Mostly one who may."""
        x = rng.random()
        if x < 0.4 or (tenant is None and x < 0.5):
            return self.users[0]
        if x < 0.55 or (tenant is None and x < 0.9):
            return self.users[1]
        if x < 0.92 and tenant in self.tenants:
            return self.users[2 + self.tenants.index(tenant)]
        return rng.choice(self.users[2:])

    @staticmethod
    def may(user, tenant):
        return user.is_admin or (user.tenant is not None and user.tenant == tenant)

    def foul(self, user, what):
        self.fail("authority", f"{user.name} was allowed: {what}")

    def a_job(self, rng, waits=False):
        """A number: of a recent job, any job, or none; or, mostly, of one that waited lately."""
        x = rng.random()
        if waits and self.waiting and rng.random() < 0.6:
            return rng.choice(self.waiting)
        if not self.jobs or x < 0.05:
            return rng.choice([1, 0, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 987654321])
        numbers = self.numbers
        if x < 0.75:
            return numbers[-1 - min(int(rng.expovariate(0.08)), len(numbers) - 1)]
        return rng.choice(numbers)

    @staticmethod
    def numbered(number):
        """One that a job could have."""
        return number if 0 < number < 2**63 else 1

    @property
    def numbers(self):
        return list(self.jobs)

    def owner(self, number):
        job = self.jobs.get(number)
        return job.tenant if job else None

    def a_queue(self, rng):
        x = rng.random()
        if x < 0.6:
            return rng.choice(QUEUES)
        if x < 0.97:
            return f"q{rng.randrange(46)}"
        return rng.choice(BAD_QUEUES)

    # Jobs ------------------------------------------------------------------------------------

    def job_text(self, rng, name):
        """A job file that is right, unless the tenant's limits say otherwise."""
        x, w = rng.random(), self.witness
        lines = [f"Name={name}"]
        if x < 0.6:
            lines.append(f"ExecStart={w} {rng.choice([0, 0, 0, 0, 1, 3, 77])}")
        elif x < 0.72:
            lines.append(f"ExecStart={w} {rng.choice([0, 5])} / 0.{rng.randrange(1, 40):02}")
        elif x < 0.8:
            lines.append("ExecStart=/bin/true " + rng.choice(["", "'a b' \"c\\n\" \\x41", "x" * 2000]))
        elif x < 0.85:
            lines.append("ExecStart=" + rng.choice(["/no/such/program", "/etc/passwd", "/", "/bin/true/x"]))
        elif x < 0.89:
            lines += [f"ExecStart=/bin/sleep {rng.choice([2, 30])}"]
        elif x < 0.91:
            lines += [f"ExecStart={self.d}/payload/stubborn", "TimeoutStopSec=1s", "RuntimeMaxSec=3s"]
        elif x < 0.95:
            lines.append(f"ExecStart={w} 0 / 2")
        else:
            lines.append('ExecStart=/bin/sh -c "echo out; echo err >&2; kill -9 $$"')
        if rng.random() < 0.5:
            lines.append(f"Queue={rng.choice(QUEUES) if rng.random() < 0.7 else 'q%d' % rng.randrange(70)}")
        some = [
            lambda: f"Priority={rng.randint(-100, 100)}",
            lambda: "WorkingDirectory=" + rng.choice(["/", "/tmp", "/no/such/directory", "/root"]),
            lambda: "Environment=A=1 'B=2 3' \"C=\\x20\"",
            lambda: "Environment=" + " ".join(f"V{i}={'v' * 20}" for i in range(rng.randrange(1, 60))),
            lambda: f"CorrelationId=c-{name}",
            lambda: f"Labels=team=t{rng.randrange(9)} kind='x y'",
            lambda: f"Inputs=in{rng.randrange(5)} '\u00e4 \u20ac'",
            lambda: f"Outputs=in{rng.randrange(5)}",
            lambda: "Parent=" + rng.choice([name, "7", f"s{self.n - 1}", "some text"]),
            lambda: f"TraceParent=00-{rng.getrandbits(127) + 1:032x}-{rng.getrandbits(63) + 1:016x}-01",
            lambda: "StandardInput=null",
            lambda: "OnLost=" + rng.choice(["fail", "requeue"]),
            lambda: "StartAfter=" + rng.choice(["2020-01-01", "2038-01-01 00:00", self.clock(rng.randrange(6))]),
            lambda: "Deadline=" + rng.choice(["2020-01-01 UTC", "2038-01-01 00:00:00 UTC", self.clock(rng.randrange(9))]),
            lambda: f"After={self.numbered(self.a_job(rng))}",
            lambda: "After=" + " ".join(rng.sample(["never", name, f"s{self.n - 1}", f"d{self.n + 1}"], rng.choice([1, 3]))),
        ]
        for one in rng.sample(some, rng.choice([0, 0, 0, 1, 1, 2, 3, 5])):
            lines.append(one())
        if any(line.startswith("StartAfter=2038") for line in lines) and rng.random() < 0.7:
            lines = [line for line in lines if not line.startswith("StartAfter")]
        rng.shuffle(lines)
        text = "[Job]\n" + "\n".join(lines) + "\n"
        if "RuntimeMaxSec" not in text and rng.random() < 0.2:
            text += rng.choice(["RuntimeMaxSec=20s\n", "RuntimeMaxSec=infinity\n",
                                "[Limits]\nruntime=30s\n", "[Limits]\nRuntimeMaxSec=5s\n"])
        if rng.random() < 0.1:
            text += f"[Sandbox]\nProfile=default\nPrivateTmp=yes\nReadWritePaths=/tmp {self.d}/witness\n"
            text += "[Retry]\nMaxAttempts=3\nBackoff=fixed\n"
        if rng.random() < 0.1:
            text = "# a comment \u2713\n; another\n\n" + text + "[X-More]\nAnything=1\n"
        if rng.random() < 0.03:
            text += "#" + "x" * rng.choice([1000, 20000, 60000]) + "\n"
        return text.encode()

    @staticmethod
    def clock(seconds):
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + seconds))

    def bad_job(self, rng):
        bad = list(BAD_JOBS)
        if not self.has_controllers:
            key = rng.choice(sorted(KERNEL_LIMITS))
            bad += [f"[Job]\nExecStart=/bin/true\n[Limits]\n{key}={KERNEL_LIMITS[key][0]}\n"] * 5
        text = rng.choice(bad)
        return text if isinstance(text, bytes) else text.encode()

    def accepted(self, number, tenant, spec=None):
        if number in self.jobs:
            self.fail("jobs", f"the number {number} was given a second time")
        self.jobs[number] = Job(number, tenant, spec)

    def step_submit(self, rng):
        tenant = rng.choice(self.tenants * 9 + self.extras * 2 + ["nobody", "", "host", "a/b"])
        user = self.someone(rng, tenant)
        named = "" if user.tenant == tenant and rng.random() < 0.5 else tenant
        whose = named or user.tenant
        if rng.random() < 0.15:
            text, is_good = self.bad_job(rng), False
        else:
            text, is_good = self.job_text(rng, f"s{self.n}"), True
        if rng.random() < 0.03:
            return self.ctl_submit(user, named, whose, text, is_good)
        answer = self.call(user, "Submit", "say", named, text)
        if answer is None:
            return None
        if isinstance(answer, Error):
            if is_good and answer.name == "Invalid" and "above the" not in answer.text:
                self.fail("jobfiles", f"a good file was refused: {answer.text}: {text[:600]!r}")
            return None
        if not self.may(user, whose):
            self.foul(user, f"Submit for {whose}")
        if not is_good:
            self.fail("jobfiles", f"a bad file was taken: {text[:600]!r}")
        if answer[0] > 0:
            self.accepted(answer[0], whose, text)
            queue = re.search(rb"^Queue=(.*)$", text, re.M)
            queue = queue[1].decode() if queue else "default"
            for target in ("host", whose, f"{whose}/{queue}"):
                if self.switches.get(target, [False, False])[1]:
                    self.fail("switches", f"job {answer[0]} was taken by {target}, which is drained")
        return None

    def ctl_submit(self, user, named, whose, text, is_good):
        whom = ["-t", named] if named else []
        if is_good and self.n % 2:
            status, out = self.ctl(user, "run", *whom, "-q", "etl", "--", self.witness, "0")
        else:
            status, out = self.ctl(user, "submit", *whom, "-", stdin=text)
        if status == 0:
            if not self.may(user, whose) or not is_good:
                self.foul(user, f"tenantqctl submit for {whose} of {text[:200]!r}")
            self.accepted(int(out.split()[0]), whose)

    def step_cancel(self, rng):
        number = self.a_job(rng, waits=rng.random() < 0.3)
        user = self.someone(rng, self.owner(number))
        if rng.random() < 0.02 and 0 < number < 2**63:
            status, _ = self.ctl(user, "cancel", str(number))
            done = status == 0
        else:
            done = isinstance(self.call(user, "Cancel", "tsu", number, "", 0), list)
        if done and number in self.jobs and not self.may(user, self.owner(number)):
            self.foul(user, f"Cancel of {self.owner(number)}'s job {number}")

    def step_hold(self, rng):
        number, hold = self.a_job(rng, waits=True), rng.random() < 0.45
        user = self.someone(rng, self.owner(number))
        job = self.jobs.get(number)
        answer = self.call(user, "Hold", "tbsu", number, int(hold), rng.choice(["", "why \u00e4", "x" * 500]), 0)
        if not isinstance(answer, list) or not job:
            return
        if not self.may(user, job.tenant) or (job.held == "admin" and not hold and not user.is_admin):
            self.foul(user, f"Hold({hold}) of {job.tenant}'s job {number}, held by {job.held}")
        job.held = ("admin" if user.is_admin else "own") if hold else ""

    # Switches --------------------------------------------------------------------------------

    def a_target(self, rng):
        x = rng.random()
        tenant = rng.choice(self.tenants * 6 + self.extras + ["nobody"])
        if x < 0.15:
            return "host"
        if x < 0.5:
            return tenant
        if x < 0.95:
            return f"{tenant}/{rng.choice(QUEUES)}"
        return rng.choice(["", "/", "host/etl", f"{tenant}/", f"{tenant}/{rng.choice(BAD_QUEUES)}", "x" * 300, "*"])

    def switch(self, user, target, verb, why="", by_ctl=False):
        asked = time.time()
        if by_ctl:
            status, _ = self.ctl(user, verb, *(["-m", why] if why else []), "--", target)
            done = status == 0
        else:
            done = isinstance(self.call(user, "Switch", "sssu", target, verb, why, 0), list)
        if not done:
            return False
        if not user.is_admin:
            self.foul(user, f"{verb} {target}")
        if verb in ("hold", "release"):
            # Which jobs it met is known from what is listed now.
            tenant = "" if target == "host" else target.split("/")[0]
            table = self.list_jobs(tenant, all_jobs=False)
            for row in table.rows:
                job = self.jobs.get(row[0])
                if job:
                    job.held = "?" if row[table.at["held"]] else ""
            return True
        now = self.switches.setdefault(target, [False, False])
        if verb == "resume":
            del self.switches[target]
            for span in self.spans:
                if span[0] == target and span[3] is None:
                    span[3] = asked
        elif not now[verb == "drain"]:
            now[verb == "drain"] = True
            self.spans.append([target, verb == "drain", time.time(), None])
        return True

    def check_spans(self, table):
        """Nothing started where it was paused, nothing was taken where it was drained."""
        for row in table.dicts():
            places = ("host", row["tenant"], f"{row['tenant']}/{row['queue']}")
            for target, is_drain, since, until in self.spans:
                at = row["submitted_usec" if is_drain else "started_usec"]
                # What was under way when it was said: a moment.
                if target in places and at and since + 0.3 * self.slow < at / 1e6 < (until or 1e12):
                    what = "taken while it was drained" if is_drain else "started while it was paused"
                    late = at / 1e6 - since
                    self.fail("switches", f"job {row['job']} was {what}: {target}, {late:.3f} s after it was said")

    def step_switch(self, rng):
        verb = rng.choice(["pause", "drain", "resume", "resume", "resume", "hold", "release", "release"])
        target = self.a_target(rng)
        user = self.someone(rng)
        if verb in ("pause", "drain", "hold") and target == "host" and rng.random() < 0.5:
            target = "r1"
        by_ctl = rng.random() < 0.02 and "\0" not in target and target != ""
        self.switch(user, target, verb, rng.choice(["", "because", "\u20ac" * 100]), by_ctl)

    def step_switch_nonsense(self, rng):
        user = rng.choice(self.users)
        target, verb = rng.choice(["host", "r1", "r1/etl"]), rng.choice(["", "stop", "PAUSE", "x" * 999])
        answer = self.call(user, "Switch", "sssu", target, verb, "", 0)
        if isinstance(answer, list):
            self.foul(user, "a verb that there is not")

    # Limits ----------------------------------------------------------------------------------

    def an_assignment(self, rng, for_queue):
        """KEY=VALUE, and whether it is right: "good", "kernel" or "bad"."""
        x = rng.random()
        if x < 0.12:
            name = rng.choice(sorted(SCHEDULER_LIMITS) + sorted(KERNEL_LIMITS))
            # Lists of CPUs have blanks and commas.
            value = rng.choice(BAD_VALUES if name not in ("cpus", "AllowedCPUs") else ["-1", "0x10", "x", "1025"])
            return f"{name}={value}", "bad"
        if x < 0.2:
            return f"{rng.choice(BAD_NAMES)}={rng.choice(['1', 'max', '10M'])}", "bad"
        if x < 0.22:
            return rng.choice(["concurrency", "", "=", "=1"]), "bad"
        if for_queue:
            name = rng.choice(QUEUE_LIMITS) if x < 0.95 else rng.choice(sorted(SCHEDULER_LIMITS))
            return f"{name}={rng.choice(SCHEDULER_LIMITS[name])}", "good" if name in QUEUE_LIMITS else "bad"
        if x < 0.33:
            return f"{rng.choice(DEVICE_LIMITS)}@{rng.choice(DEVICES)}={rng.choice(['1', '10M', 'max'])}", "kernel"
        if x < 0.4:
            name = rng.choice(sorted(KERNEL_LIMITS))
            return f"{name}={rng.choice(KERNEL_LIMITS[name])}", "kernel"
        if x < 0.45:
            return f"RuntimeMaxSec={rng.choice(SCHEDULER_LIMITS['runtime'])}", "good"
        name = rng.choice(sorted(SCHEDULER_LIMITS))
        return f"{name}={rng.choice(SCHEDULER_LIMITS[name])}", "good"

    def set_limits(self, user, target, words, unsets, why):
        """For good, at any revision, whatever runs."""
        return self.call(user, "SetLimits", "sasasstxu", target, words, unsets, why, 0, -1, 2)

    def step_limits(self, rng):
        tenant = rng.choice(self.tenants * 6 + self.extras + ["nobody"])
        queue = self.a_queue(rng) if rng.random() < 0.4 else None
        target = tenant if queue is None else f"{tenant}/{queue}"
        user = self.someone(rng)
        held = self.limits.setdefault(tenant, {})
        own = [name for where, name in held if where == queue]
        if own and (rng.random() < 0.45 or any(held[queue, n] in ("0", "0/s") for n in own)):
            sets, unsets = [], rng.sample(own, rng.randint(1, len(own)))
        elif rng.random() < 0.04:
            sets, unsets = [], [rng.choice(sorted(SCHEDULER_LIMITS) + BAD_NAMES + ["io_read@/dev/vda", "CPUQuota"])]
        else:
            sets = [self.an_assignment(rng, queue is not None) for _ in range(rng.choice([1, 1, 1, 2, 3, 12]))]
            if rng.random() < 0.5:
                # Else hardly a long one is right.
                sets = [one for one in sets if one[1] == "good"] or sets
            unsets = [rng.choice(own)] if own and rng.random() < 0.1 else []
        kinds = {kind for _, kind in sets}
        words = [one for one, _ in sets]
        if rng.random() < 0.02 and words and not unsets and all(w.isprintable() for w in words):
            return self.ctl_limits(user, tenant, queue, target, words, kinds)
        answer = self.set_limits(user, target, words, unsets, rng.choice(["", "month end"]))
        if answer is None:
            return None
        if isinstance(answer, Error):
            if tenant in self.tenants or held:
                self.check_limits(tenant, "after a change that was refused")
            return None
        if not user.is_admin:
            self.foul(user, f"SetLimits of {target}")
        if "bad" in kinds:
            self.fail("refusals", f"SetLimits took {words!r:.400}")
        if "kernel" in kinds and not self.has_controllers:
            wrong = [word for word, kind in sets if kind == "kernel"]
            self.fail("kernel", f"{target}: {wrong!r:.300} can't be enforced here, and was set "
                      f"(the tenant is {self.state_of(tenant)})")
        self.note_changes(tenant, answer[0])
        self.check_limits(tenant, "after a change")
        return None

    def ctl_limits(self, user, tenant, queue, target, words, kinds):
        status, out = self.ctl(user, "--json", "limits", "set", "--force", "-m", "by hand", "--", target, *words)
        if status == 0:
            if not user.is_admin or "bad" in kinds:
                self.foul(user, f"tenantqctl limits set {target} {words!r:.300}")
            for one in re.findall(rb'"queue":(null|"[^"]*"),"limit":"([^"]*)".*?"new":(null|"[^"]*")', out, re.S):
                name = one[1].decode()
                if one[2] == b"null":
                    self.limits[tenant].pop((queue, name), None)
                else:
                    self.limits[tenant][queue, name] = one[2].decode().strip('"')
            self.check_limits(tenant, "after limits set by hand")

    def note_changes(self, tenant, table):
        held = self.limits.setdefault(tenant, {})
        for row in table.dicts():
            key = (row["queue"], row["limit"])
            self.excused.discard((tenant, *key))
            if row["new"] is None:
                held.pop(key, None)
            else:
                held[key] = row["new"]

    def check_limits(self, tenant, when):
        """What was set is what is shown as set, no more and no less."""
        answer = self.call(self.root, "GetLimits", "s", tenant, quiet=True)
        if isinstance(answer, Error) or answer is None:
            if self.limits.get(tenant):
                self.fail("limits", f"{when}: limits get {tenant}: {answer}")
            return
        rows = answer[0].dicts()
        # None are shown of a tenant whose file and changes together have too many; it is disabled.
        if not any(r["queue"] for r in rows) and (
                self.sections.get(tenant, 0) >= 20 or "queues with limits" in self.state_of(tenant)):
            return
        got = {(r["queue"], r["limit"]): r["value"] for r in rows if r["source"] in ("set", "ceiling")}
        want = self.limits.get(tenant, {})
        ceiling = {(None, "queue_depth")}  # [ceilings] of 80-random.sh
        for key in sorted(set(got) | set(want), key=str):
            if (tenant, *key) in self.excused or (key in ceiling and key not in want):
                continue
            if got.get(key) != want.get(key):
                self.fail("limits", f"{when}: {tenant} {key[0] or ''} {key[1]}: set to {want.get(key)}, "
                          f"shown {got.get(key)} ({len({r['queue'] for r in rows if r['queue']})} queues are shown)")
                self.excused.add((tenant, *key))

    def step_get_limits(self, rng):
        tenant = rng.choice(self.tenants + self.extras + ["nobody", "r1/etl", "r1/a b"])
        user = self.someone(rng, tenant)
        answer = self.call(user, "GetLimits", "s", tenant)
        if isinstance(answer, list):
            if not self.may(user, tenant.split("/")[0]):
                self.foul(user, f"GetLimits of {tenant}")
            elif "/" not in tenant:
                self.check_limits(tenant, "later")

    # Questions -------------------------------------------------------------------------------

    def step_list(self, rng):
        tenant = rng.choice(["", "", ""] + self.tenants + ["nobody"])
        user = self.someone(rng, tenant)
        method = "ListActive" if "ListActive" in self.methods and rng.random() < 0.3 else "ListJobs"
        table = self.list_jobs(tenant, rng.random() < 0.3, user, 3, method)
        if not isinstance(table, Table):
            return
        foreign = {row[1] for row in table.rows if not self.may(user, row[1])}
        if foreign or (user.name == "stranger"):
            self.foul(user, f"{method} of {tenant!r}: rows of {foreign}")

    def step_status(self, rng):
        number = self.a_job(rng)
        user = self.someone(rng, self.owner(number))
        answer = self.call(user, "GetJob", "t", number)
        job = self.jobs.get(number)
        if isinstance(answer, list):
            if not self.may(user, self.owner(number)) and job:
                self.foul(user, f"GetJob {number} of {self.owner(number)}")
            if not job:
                self.learn(answer[0])
            else:
                self.check_row(job, answer[0], 0, "now")
        elif job and answer is not None and self.may(user, job.tenant) and user.is_admin:
            self.fail("jobs", f"GetJob of the accepted job {number}: {answer}")

    def step_explain(self, rng):
        number = self.a_job(rng, waits=True)
        user = self.someone(rng, self.owner(number))
        answer = self.call(user, "Explain", "t", number)
        if isinstance(answer, list) and number in self.jobs and not self.may(user, self.owner(number)):
            self.foul(user, f"Explain {number} of {self.owner(number)}")

    def step_queue(self, rng):
        tenant = rng.choice(self.tenants + ["", "nobody"])
        user = self.someone(rng, tenant)
        answer = self.call(user, "Queue", "s", tenant)
        if isinstance(answer, list) and not self.may(user, tenant) and not (user.tenant and tenant == ""):
            self.foul(user, f"Queue of {tenant!r}")

    def step_ask_host(self, rng):
        user = rng.choice(self.users)
        what = rng.choice(["ListEvents", "Export", "ListPools", "ListTenants"])
        if what == "ListEvents":
            answer = self.call(user, what, "tu", rng.choice([0, 0, 100, 2**63]), rng.choice([1, 10, 100, 10000]))
            if isinstance(answer, list) and not user.is_admin:
                self.foul(user, what)
            return
        answer = self.call(user, what)
        if user.is_admin or not isinstance(answer, list):
            return
        if what == "Export":
            foreign = [t for t in self.tenants + self.extras if t != user.tenant and f"[tenant {t}]" in answer[0]]
            if foreign or "[scheduler]" in answer[0]:
                self.foul(user, f"Export: {answer[0]:.300}")
        elif what == "ListTenants" and any(row[0] != user.tenant for row in answer[0].rows):
            self.foul(user, f"ListTenants: {answer[0].rows!r:.300}")

    def step_wait(self, rng):
        number = self.a_job(rng)
        job = self.jobs.get(number)
        user = self.someone(rng, self.owner(number))
        # One that may be long in coming, or a file's, whose number we have not heard of yet: ask, and go away.
        if job.verdict is None if job else 0 < number <= 1000000:
            with contextlib.suppress(Closed, OSError):
                bus = Bus(self.path, user)
                bus.send("WaitStart" if "WaitStart" in self.methods and rng.random() < 0.3 else "Wait", "t", number)
                bus.close()
            self.note(f"{user.name}: Wait {number}, without patience")
            return
        answer = self.call(user, "Wait", "t", number)
        if isinstance(answer, list) and job:
            if not self.may(user, job.tenant):
                self.foul(user, f"Wait {number} of {job.tenant}")
            self.check_row(job, answer[0], 0, "by Wait")

    def step_logs(self, rng):
        number = self.a_job(rng)
        user = self.someone(rng, self.owner(number))
        answer = self.call(user, "OpenLog", "ts", number, rng.choice(["out", "err", "", "both"]))
        if isinstance(answer, list):
            os.close(answer[0])
            if number in self.jobs and not self.may(user, self.owner(number)):
                self.foul(user, f"OpenLog {number} of {self.owner(number)}")

    def step_ctl(self, rng):
        tenant = rng.choice(self.tenants)
        number = str(self.numbered(self.a_job(rng)))
        user = self.someone(rng, tenant)
        how = rng.choice([["ps"], ["ps", "-a", "-n", "50"], ["ps", tenant], ["status"], ["status", number], ["status", tenant],
                          ["logs", number], ["explain", number], ["queue", tenant], ["tenants"], ["limits", "get", tenant],
                          ["events", "-n", "5"], ["export"], ["hold"], ["nonsense"], ["--json", "ps", "-a"],
                          ["validate", "/etc/passwd"], ["cancel", "x"]])
        status, out = self.ctl(user, *how)
        if user.name == "stranger" and status == 0 and how[0] not in ("tenants", "status"):
            self.foul(user, f"tenantqctl {how}: {out[:200]!r}")

    def step_nonsense(self, rng):
        """Calls that there are not; on a connection of its own."""
        user = rng.choice(self.users)
        with contextlib.suppress(Closed, OSError):
            bus = Bus(self.path, user, timeout=5 * self.slow)
            member = rng.choice(["Nothing", "Submit", "Cancel", "SetLimits", "ListJobs", "Switch"])
            signature = rng.choice(["", "s", "tt", "sbtu", "sasass", "sss", "say"])
            body = rng.randbytes(rng.choice([0, 0, rng.randrange(64)]))
            whole = message(1, member, signature, body)
            bus.s.sendall(whole if rng.random() < 0.7 else whole[: rng.randrange(1, len(whole))])
            bus.s.settimeout(0.01)
            with contextlib.suppress(Closed, OSError):
                bus.receive()
            bus.close()
        self.note(f"{user.name}: nonsense")

    # The spool -------------------------------------------------------------------------------

    def stage(self, text, uid, mode=0o600):
        path = f"{self.d}/stage/s{self.n}.{len(self.drops)}"
        with open(path, "wb") as f:
            f.write(text)
        os.chown(path, uid, uid)
        os.chmod(path, mode)
        return path

    def put(self, source, target):
        try:
            os.rename(source, target)
            return True
        except OSError as e:
            self.note(f"mv to {target}: {e}")
            with contextlib.suppress(OSError):
                os.unlink(source)
            return False

    def step_drop(self, rng):
        """A good file: by rename, and what may happen to it then."""
        tenant = rng.choice(self.tenants * 4 + self.extras)
        if self.dirs[tenant] == "gone":
            return
        name = f"d{self.n}"
        uid = rng.choice([self.uid[tenant]] * 8 + [0])
        path = self.stage(self.job_text(rng, name), uid, 0o644 if uid == 0 else 0o600)
        target = f"{self.d}/spool/{tenant}/{name}.job"
        if not self.put(path, target):
            return
        self.drops[name] = "must"
        x, what = rng.random(), "left"
        with contextlib.suppress(FileNotFoundError):
            if x < 0.05:
                self.drops[name], what = "may", "removed"
                os.unlink(target)
            elif x < 0.1:
                what = "renamed"
                os.rename(target, f"{self.d}/spool/{tenant}/{name}-again.job")
            elif x < 0.13:
                self.drops[name], what = "may", "renamed to no job"
                os.rename(target, f"{self.d}/spool/{tenant}/{name}.txt")
            elif x < 0.16 and uid != 0:
                # One of root's would stay: whoever copied it may be about to chmod it.
                what = "chmod 0"
                os.chmod(target, 0)
            elif x < 0.19:
                # Two refused files of one name: one of them is kept.
                self.drops[name], what = "may", "replaced"
                other = self.stage(self.job_text(rng, f"d{self.n}r"), self.uid[tenant])
                if self.put(other, target):
                    self.drops[f"d{self.n}r"] = "may"
            elif x < 0.21:
                # The second name may be met when the first is a job already and has gone: two jobs.
                del self.drops[name]
                what = "linked"
                os.link(target, f"{self.d}/spool/{tenant}/{name}-link.job")
        self.note(f"drop {tenant}/{name}.job of {uid}, {what}")

    def step_drop_in_place(self, rng):
        """The tenant writes it where it is to be, now or over some steps."""
        tenant = rng.choice(self.tenants)
        if self.dirs[tenant] == "gone":
            return
        name = f"i{self.n}"
        text = self.job_text(rng, name)
        path = f"{self.d}/spool/{tenant}/{name}.job"
        try:
            with acting_as(self.users[2 + self.tenants.index(tenant)]):
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as e:
            self.note(f"open {path}: {e}")
            return
        at = rng.randrange(len(text))
        os.write(fd, text[:at])
        self.drops[name] = "must"
        if rng.random() < 0.3:
            self.open_files.append((fd, text[at:], name, tenant))
            self.note(f"open {tenant}/{name}.job")
            return
        os.write(fd, text[at:])
        os.close(fd)
        self.note(f"write {tenant}/{name}.job")

    def step_close(self, rng):
        if self.open_files:
            fd, rest, name, _ = self.open_files.pop(rng.randrange(len(self.open_files)))
            os.write(fd, rest)
            os.close(fd)
            self.note(f"close {name}")

    def step_drop_bad(self, rng):
        tenant = rng.choice(self.tenants)
        if self.dirs[tenant] == "gone":
            return
        base = f"{self.d}/spool/{tenant}/"
        uid, name = self.uid[tenant], f"b{self.n}"
        good = f"[Job]\nName={name}\nExecStart={self.witness} 0\n".encode()
        self.drops[name] = "never"
        kinds = ["content"] * 6 + ["huge", "sparse", "symlink", "dangling", "hardlink", "fifo", "directory", "socket", "owner",
                                   "name", "hidden", "notjob", "long", "bytes"]
        kind = rng.choice(kinds)
        if kind in ("content", "huge", "owner", "hardlink"):
            self.drops[name] = "refused"
        with contextlib.suppress(OSError):
            if kind == "content":
                os.rename(self.stage(self.bad_job(rng) + f"\n#Name={name}\n".encode(), uid), base + name + ".job")
            elif kind == "huge":
                os.rename(self.stage(good + b"#" + b"x" * rng.choice([65536, 300000]), uid), base + name + ".job")
            elif kind == "sparse":
                path = self.stage(good, uid)
                os.truncate(path, 1 << 40)
                os.rename(path, base + name + ".job")
            elif kind == "symlink":
                where = rng.choice(["/etc/passwd", "..", f"{self.d}/etc/tenantq.conf", name + ".job"])
                os.symlink(where, base + name + ".job")
            elif kind == "dangling":
                os.symlink("/no/such/file", base + name + ".job")
            elif kind == "hardlink":
                path = self.stage(good, uid)
                os.link(path, base + name + ".job")
                time.sleep(0.005)
            elif kind == "fifo":
                os.mkfifo(base + name + ".job")
            elif kind == "directory":
                os.mkdir(base + name + ".job")
                os.chown(base + name + ".job", uid, uid)
            elif kind == "socket":
                with socket.socket(socket.AF_UNIX) as s:
                    s.bind(base + name + ".job")
            elif kind == "owner":
                os.rename(self.stage(good, 61899), base + name + ".job")
            elif kind == "hidden":
                os.rename(self.stage(good, uid), base + "." + name + ".job")
            elif kind == "notjob":
                os.rename(self.stage(good, uid), base + name + rng.choice(["", ".jobs", ".JOB", ".job~", ".txt"]))
            elif kind == "name":
                self.drops[name] = "must"
                odd = rng.choice(["a b", "-rf", "\x1b[31m", "a\nb", "$(id)", "x..", "\u20ac"])
                os.rename(self.stage(good, uid), base + odd + name + ".job")
            elif kind == "long":
                self.drops[name] = "must"
                os.rename(self.stage(good, uid), base + name + "l" * (251 - len(name)) + ".job")
            else:
                self.drops[name] = "must"
                os.rename(os.fsencode(self.stage(good, uid)), os.fsencode(base + name) + b"\xff\xfe.job")
        self.note(f"drop {kind} {tenant}/{name}")

    def names_in(self, directory):
        """Name= of all files there."""
        found = set()
        for top, _, files in os.walk(directory):
            for one in files:
                path = os.path.join(top, one)
                with contextlib.suppress(OSError):
                    st = os.lstat(path)
                    if stat.S_ISREG(st.st_mode) and st.st_size < 1 << 20 and not one.endswith(".reason"):
                        with open(path, "rb") as f:
                            found.update(m.decode() for m in re.findall(rb"^#?Name=([dib]\d+r?)$", f.read(), re.M))
        return found

    def doubt(self):
        """What is on its way, from a directory or to rejected/ in it, when that is removed or closed: nobody can say."""
        for name in list(self.drops)[-40:]:
            if name not in self.by_name:
                self.drops[name] = {"must": "may", "refused": "never"}.get(self.drops[name], self.drops[name])

    def take_away(self, tenant):
        self.n_dirs += 1
        gone = f"{self.d}/stage/gone{self.n_dirs}"
        self.seen_refused |= self.names_in(f"{self.d}/spool/{tenant}/rejected")
        os.rename(f"{self.d}/spool/{tenant}", gone)
        self.dirs[tenant] = "gone"
        self.seen_removed |= self.names_in(gone)
        for _, _, name, whose in self.open_files:
            if whose == tenant:
                self.drops[name] = "may"
        self.doubt()
        while True:
            with contextlib.suppress(OSError):
                shutil.rmtree(gone)
            if not os.path.exists(gone):
                break

    def make_directory(self, tenant, files=()):
        path = f"{self.d}/stage/new{self.n}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.d}/spool/{tenant}")  # a link or a file in its place
        os.mkdir(path, 0o700)
        for source, name in files:
            os.rename(source, f"{path}/{name}.job")
        os.chown(path, self.uid[tenant], self.uid[tenant])
        os.rename(path, f"{self.d}/spool/{tenant}")
        self.dirs[tenant] = "ok"
        self.changed[tenant] = self.n

    def step_directory(self, rng):
        tenant = rng.choice(self.tenants + self.extras)
        path = f"{self.d}/spool/{tenant}"
        if self.dirs[tenant] == "gone":
            name = f"d{self.n}"
            self.drops[name] = "must"
            self.make_directory(tenant, [(self.stage(self.job_text(rng, name), self.uid[tenant]), name)])
            self.note(f"make {tenant} with {name}.job in it")
            return
        if self.dirs[tenant] == "bad" and rng.random() < 0.8:
            self.mend(tenant)
            return
        x = rng.random()
        if x < 0.4:
            self.take_away(tenant)
            self.note(f"remove {tenant}")
            if rng.random() < 0.3:
                self.make_directory(tenant)
                self.note(f"and make {tenant} again")
            elif rng.random() < 0.2:
                os.symlink("/tmp" if rng.random() < 0.5 else "r1", path)
                self.note(f"a link in place of {tenant}")
            elif rng.random() < 0.1:
                open(path, "w").close()
                self.note(f"a file in place of {tenant}")
        elif x < 0.85:
            mode = rng.choice([0o700, 0o730, 0o755, 0o777, 0o500, 0, 0o1777])
            with acting_as(self.root if self.dirs[tenant] == "bad" else User(tenant, self.uid[tenant])):
                os.chmod(path, mode)
            is_ok = mode in (0o700, 0o730) and os.stat(path).st_uid == self.uid[tenant]
            self.dirs[tenant] = "ok" if is_ok else "bad"
            self.changed[tenant] = self.n
            self.doubt()
            self.note(f"chmod {mode:04o} {tenant}")
        else:
            os.chown(path, 0, 0)
            self.dirs[tenant] = "bad"
            self.doubt()
            self.note(f"chown 0 {tenant}")

    def mend(self, tenant):
        path = f"{self.d}/spool/{tenant}"
        if self.dirs[tenant] == "gone":
            self.make_directory(tenant)
        else:
            os.chown(path, self.uid[tenant], self.uid[tenant])
            os.chmod(path, 0o700)
            self.dirs[tenant] = "ok"
            self.changed[tenant] = self.n
        self.note(f"mend {tenant}")

    # Files of root ---------------------------------------------------------------------------

    def write_tenant_file(self, tenant, content, kind):
        path = f"{self.d}/etc/tenants.d/{tenant}.conf"
        with open(path + ".new", "w") as f:
            f.write(content + f"\n[tenant]\nread_write_paths={self.d}/witness\n")
        os.rename(path + ".new", path)
        self.files[tenant] = kind
        self.sections[tenant] = max(content.count("[queue "), self.sections.get(tenant, 0) - 1)
        self.is_dirty = True
        self.note(f"tenants.d/{tenant}.conf: {kind}: {content[:60]!r}")

    def write_host_file(self, content, is_good):
        path = f"{self.d}/etc/tenantq.conf"
        with open(path) as f:
            head = f.read().split("[scheduler]\n")[0]
        with open(path + ".new", "w") as f:
            f.write(head + "[scheduler]\n" + content)
        os.rename(path + ".new", path)
        self.host_is_good = is_good
        self.is_dirty = True
        self.note(f"tenantq.conf: {is_good}: {content!r}")

    def reload(self, user):
        answer = self.call(user, "Reload", "su", "", 0)
        good = self.host_is_good and "bad" not in self.files.values()
        if isinstance(answer, list):
            if not user.is_admin:
                self.foul(user, "Reload")
            elif not good:
                self.fail("reload", f"files with an error were loaded: {self.files}, tenantq.conf: {self.host_is_good}")
            self.is_dirty = False
        elif isinstance(answer, Error) and good and user.is_admin:
            self.fail("reload", f"good files were refused: {answer.text}")
        return answer

    def step_reload(self, rng):
        if rng.random() < 0.85:
            kinds = [one for one in TENANT_FILES if one[1] == "good" or rng.random() < 0.4]
            self.write_tenant_file(rng.choice(self.tenants), *rng.choice(kinds))
        if rng.random() < 0.1:
            self.write_host_file(*rng.choice(HOST_FILES))
        if rng.random() < 0.8:
            self.reload(self.users[rng.choice([0, 0, 0, 1, 1, 2, 5])])
        if rng.random() < 0.05:
            # Nobody is told when it is done: what it changes may come at any later step.
            os.kill(self.daemon, signal.SIGHUP)
            self.is_dirty = True
            self.note("SIGHUP to tenantqd")

    def mend_files(self):
        for tenant, kind in self.files.items():
            if kind == "bad":
                self.write_tenant_file(tenant, "[limits]\nconcurrency=4\n", "good")
        if not self.host_is_good:
            self.write_host_file(*HOST_FILES[0])

    def step_repair(self, rng):
        """Without it, in the end nothing would run."""
        x = rng.random()
        zeros = [(t, k) for t, held in self.limits.items() for k, v in held.items() if v in ("0", "0/s")]
        paused = [t for t in self.switches if rng.random() < 0.5 or t == "host"]
        if x < 0.25 and zeros:
            tenant, (queue, name) = rng.choice(zeros)
            target = f"{tenant}/{queue}" if queue else tenant
            answer = self.set_limits(self.root, target, [], [name], "")
            if isinstance(answer, list):
                self.note_changes(tenant, answer[0])
        elif x < 0.6 and paused:
            self.switch(self.root, rng.choice(paused), "resume")
        elif x < 0.7:
            bad = [t for t, state in self.dirs.items() if state != "ok" and t in self.tenants]
            if bad:
                self.mend(rng.choice(bad))
        elif x < 0.8:
            self.switch(self.root, rng.choice(self.tenants), "release")
        elif x < 0.9:
            faulty = [t for t, kind in self.files.items() if kind != "good"]
            if faulty:
                self.write_tenant_file(rng.choice(faulty), "", "good")
                self.mend_files()
                self.reload(self.root)

    # Looking back ----------------------------------------------------------------------------

    def check_row(self, job, table, i, when):
        """A job that was seen before has not changed."""
        row, at = table.rows[i], table.at
        static = tuple(row[at[c]] for c in STATIC)
        if job.static and job.static != static:
            self.fail("jobs", f"{when}: job {job.number} was {job.static}, is {static}")
        if job.tenant and job.tenant != row[at["tenant"]]:
            self.fail("jobs", f"{when}: job {job.number} of {job.tenant} is {row[at['tenant']]}'s")
        job.static, job.tenant = static, row[at["tenant"]]
        verdict = row[at["verdict"]]
        if row[at["state"]] != "done":
            if job.verdict is not None:
                self.fail("jobs", f"{when}: job {job.number} had the verdict {job.verdict}, and is {row[at['state']]}")
            return
        final = tuple(row[i] for c, i in at.items() if c not in VOLATILE)
        if job.final and job.final != final:
            self.fail("jobs", f"{when}: the ended job {job.number} was {job.final}, is {final}")
        job.final, job.verdict = final, verdict
        spec = row[at["spec"]] if "spec" in at else None
        if job.spec is not None and spec is not None and spec.encode() != job.spec:
            self.fail("jobs", f"{when}: job {job.number}: another file than was submitted: {spec!r:.300}")

    def learn(self, table, i=0):
        """A job that was seen for the first time in a list: from the spool, or submitted without an answer."""
        row = table.rows[i]
        job = self.jobs[row[0]] = Job(row[0], row[table.at["tenant"]])
        self.check_row(job, table, i, "at first")
        return job

    def check_jobs(self, when):
        table = self.list_jobs()
        at, seen = table.at, {}
        self.waiting = [row[0] for row in table.rows if row[at["state"]] in ("scheduled", "held", "queued")]
        for i, row in enumerate(table.rows):
            if row[0] in seen:
                self.fail("jobs", f"{when}: job {row[0]} is listed twice")
            seen[row[0]] = row
            job = self.jobs.get(row[0])
            if job:
                self.check_row(job, table, i, when)
            else:
                job = self.learn(table, i)
            held = bool(row[at["held"]])
            if row[at["state"]] in ("running", "stopping"):
                # Held while it was starting: that came too late.
                if held:
                    self.fail("holds", f"{when}: a held job runs: {table.dict(i)}")
                job.held = ""
            elif row[at["state"]] in ("scheduled", "held", "queued"):
                if job.held is not None and bool(job.held) != held:
                    self.fail("holds", f"{when}: job {row[0]}: held was {job.held!r}, is {held}: {table.dict(i)}")
                job.held = ("?" if held else "") if job.held is None or bool(job.held) != held else job.held
            name = row[at["name"]]
            if name in self.drops and self.by_name.setdefault(name, row[0]) != row[0]:
                self.fail("files", f"{when}: the file {name} became the jobs {self.by_name[name]} and {row[0]}")
        for number in self.jobs:
            if number not in seen:
                self.fail("jobs", f"{when}: the accepted job {number} of {self.owner(number)} is not listed")
        return table

    def check_each(self, when):
        for number, job in self.jobs.items():
            answer = self.call(self.root, "GetJob", "t", number, quiet=True)
            if isinstance(answer, list):
                self.check_row(job, answer[0], 0, when)
            else:
                self.fail("jobs", f"{when}: GetJob of the accepted job {number}: {answer}")

    def tenant_rows(self):
        return {row["tenant"]: row for row in self.ask("ListTenants")[0].dicts()}

    def state_of(self, tenant):
        row = self.tenant_rows().get(tenant)
        return f"{row['state']}: {row['fault']}" if row else "unknown"

    def check_switches(self, when):
        said = self.ask("ListPools")[0].dicts()[0]["state"]
        words = {(True, True): "paused, draining", (True, False): "paused", (False, True): "draining"}
        words[False, False] = "ready"
        want = words[tuple(self.switches.get("host", (False, False)))]
        if said != want:
            self.fail("switches", f"{when}: the host is {said}, was {want}")
        for name, row in self.tenant_rows().items():
            if row["state"] in ("disabled", "gone"):
                continue
            want = words[tuple(self.switches.get(name, (False, False)))]
            if row["state"] != want:
                self.fail("switches", f"{when}: {name} is {row['state']}, was {want}")
            fault = row["fault"] or ""
            if len(fault) > 480:
                continue
            said = set(re.findall(r"queue (\S+) is ([^;]*)", fault))
            want = {(t.split("/")[1], words[tuple(s)]) for t, s in self.switches.items() if t.startswith(name + "/")}
            if said != want:
                self.fail("switches", f"{when}: queues of {name}: shown {sorted(said)}, were {sorted(want)}")

    def check_directories(self, when):
        """What became of the directories is known, soon."""
        deadline = time.monotonic() + 2 * self.slow
        while True:
            wrong = []
            rows = self.tenant_rows()
            for tenant, state in self.dirs.items():
                row = rows.get(tenant, {"state": "gone", "fault": ""})
                if state == "gone":
                    if row["state"] != "gone":
                        wrong.append(f"{tenant} has no directory and is {row['state']}")
                elif state == "bad":
                    if row["state"] != "disabled":
                        wrong.append(f"the directory of {tenant} is not in order, and it is {row['state']}")
                elif row["state"] == "gone":
                    wrong.append(f"{tenant} has a directory and is gone")
                elif row["state"] == "disabled" and not self.is_dirty and self.files.get(tenant, "good") == "good":
                    # Whose reservation finds room, and limits that were set while nobody could apply them.
                    if not re.search(r"reserved|limits can't be applied|more than", row["fault"] or ""):
                        wrong.append(f"{tenant} is in order and disabled: {row['fault']}")
            if not wrong:
                return
            if time.monotonic() > deadline:
                for one in wrong:
                    self.fail("directories", f"{when}: {one}")
                return
            time.sleep(0.02)

    # Restarts --------------------------------------------------------------------------------

    def restart(self, rng):
        self.figures["restarts"] += 1
        kind = rng.choice(["stop", "stop", "daemon", "daemon", "engine", "engine", "both", "both", "term-all"])
        if self.is_dirty or rng.random() < 0.7:
            # Which comes after any SIGHUP that is still on its way.
            self.mend_files()
            self.reload(self.root)
        if rng.random() < 0.5:
            for tenant in self.tenants:
                if self.dirs[tenant] == "gone":
                    self.mend(tenant)
        self.check_directories("before a restart")
        before = self.ask("Export")[0]
        known = self.known_users()
        pending = self.submit_in_flight(rng) if rng.random() < 0.5 else []
        self.note(f"restart: {kind}")
        since = time.monotonic()
        if kind in ("stop", "term-all"):
            if kind == "term-all":  # as who signals all of a unit does: the engine waits to be told by the daemon
                os.kill(self.engine, signal.SIGTERM)
            os.kill(self.daemon, signal.SIGTERM)
            self.await_end(self.daemon, 15 * self.slow)
            self.start()
        elif kind == "engine":
            os.kill(self.engine, signal.SIGKILL)
            self.await_end(self.engine, 5)
            self.await_answer(since)
        else:
            if kind == "both":
                os.kill(self.engine, signal.SIGKILL)
            os.kill(self.daemon, signal.SIGKILL)
            self.await_end(self.daemon, 5)
            self.await_end(self.engine, 10)
            self.start()
        self.land(pending)
        when = f"after {kind}"
        self.compare_exports(when, before, self.ask("Export")[0])
        for name, tenant in self.known_users().items():
            if tenant != known[name]:
                self.fail("gone" if self.dirs[name] == "gone" else "users",
                          f"{when}: user {name} was told of {known[name]}, and is of {tenant}: {self.state_of(name)}")
        self.check_switches(when)
        for tenant in self.tenants + self.extras:
            self.check_limits(tenant, when)
        self.check_jobs(when)
        self.check_each(when)
        self.check_directories(when)

    def known_users(self):
        """Who is told which tenant is his."""
        found = {}
        for user in self.users:
            if user.tenant:
                answer = self.call(user, "ListTenants", quiet=True)
                found[user.name] = [row[0] for row in answer[0].rows] if isinstance(answer, list) else answer
        return found

    def compare_exports(self, when, before, after):
        """By sections; those of tenants without a directory are judged apart."""
        a, b = [re.split(r"^\[", re.sub(r"^#.*\n", "", text, flags=re.M), flags=re.M) for text in (before, after)]
        parts = [{part.split("\n", 1)[0]: part.strip() for part in one} for one in (a, b)]
        differ = False
        for name in sorted(set(parts[0]) | set(parts[1])):
            x, y = [one.get(name, "").splitlines() for one in parts]
            if x != y:
                tenant = re.split(r"[ /\]]", name + "] ")[1]
                # A start has read a file with more of them than fit beside what is set; none is shown.
                if name.startswith("queue ") and (
                        self.sections.get(tenant, 0) >= 20 or "queues with limits" in self.state_of(tenant)):
                    differ = True
                    continue
                self.fail("gone" if self.dirs.get(tenant) == "gone" else "export",
                          f"{when}: [{name} before: {[line for line in x if line not in y]}, "
                          f"after: {[line for line in y if line not in x]}")
                differ = True
        if before != after and not differ:
            x, y = [[name for name in one if name] for one in parts]
            moved = [(m, n) for m, n in zip(x, y) if m != n]
            first = moved[0] if moved else ("blank lines",) * 2
            self.fail("order", f"{when}: [{first[0]} before, [{first[1]} after: {len(moved)} sections moved")

    def submit_in_flight(self, rng):
        """Submissions whose answers nobody waits for; those that came all the same hold."""
        pending = []
        for _ in range(rng.randrange(1, 5)):
            tenant = rng.choice(self.tenants)
            with contextlib.suppress(Closed, OSError):
                bus = Bus(self.path, self.root)
                text = self.job_text(rng, f"s{self.n}")
                bus.send("Submit", "say", tenant, text)
                pending.append((bus, tenant, text))
        time.sleep(rng.choice([0, 0, 0.001, 0.003, 0.01]))
        return pending

    def land(self, pending):
        for bus, tenant, text in pending:
            with contextlib.suppress(Closed, OSError):
                bus.s.settimeout(0.05)
                reply = bus.receive()
                if reply.kind == 2:
                    number = reply.values()[0]
                    self.note(f"in flight: job {number}")
                    if number > 0:
                        self.accepted(number, tenant, text)
            bus.close()

    # The end ---------------------------------------------------------------------------------

    def undo(self):
        """All that keeps jobs from running."""
        for fd, rest, *_ in self.open_files:
            os.write(fd, rest)
            os.close(fd)
        self.open_files = []
        for tenant in self.tenants + self.extras:
            self.mend(tenant)
        for tenant in self.tenants:
            self.write_tenant_file(tenant, "[limits]\nconcurrency=4\n", "good")
        self.write_host_file(*HOST_FILES[0])
        self.reload(self.root)
        for target in list(self.switches):
            self.switch(self.root, target, "resume")
        for tenant, held in self.limits.items():
            for queue in {q for q, _ in held}:
                names = [n for q, n in held if q == queue]
                target = f"{tenant}/{queue}" if queue else tenant
                answer = self.set_limits(self.root, target, [], names, "")
                if not isinstance(answer, list):
                    self.fail("limits", f"at the end: unset {tenant} {queue} {names}: {answer}")
        self.switch(self.root, "host", "release")

    def await_idle(self):
        cancel_at = time.monotonic() + 3 * self.slow
        deadline = time.monotonic() + 40 * self.slow
        was_cancelled = set()
        while True:
            rows = self.tenant_rows().values()
            left = self.left_in_spool()
            if not left and not any(r["running"] or r["waiting"] for r in rows):
                if not self.list_jobs(all_jobs=False).rows:
                    return
            now = time.monotonic()
            if now > deadline:
                live = self.list_jobs(all_jobs=False)
                busy = [tuple(r.values()) for r in rows]
                self.fail("end", f"not idle within 40 s: {busy}; files {left[:10]}; {live.dicts()[:3]}")
                return
            if now > cancel_at:
                for row in self.list_jobs(all_jobs=False).rows:
                    if row[0] not in was_cancelled:
                        was_cancelled.add(row[0])
                        self.call(self.root, "Cancel", "tsu", row[0], "", 0)
            time.sleep(0.1)

    def left_in_spool(self):
        left = []
        for tenant in self.tenants + self.extras:
            for one in os.scandir(f"{self.d}/spool/{tenant}"):
                if one.name.endswith(".job") and not one.name.startswith("."):
                    left.append(f"{tenant}/{one.name}")
        return left + [f".claims/{one}" for one in os.listdir(f"{self.d}/spool/.claims")]

    def check_files(self):
        """Each dropped file is one job or one refused file."""
        for tenant in self.tenants + self.extras:
            self.seen_refused |= self.names_in(f"{self.d}/spool/{tenant}/rejected")
        for name, fate in self.drops.items():
            is_job, is_refused = name in self.by_name, name in self.seen_refused
            if fate in ("never", "refused") and is_job:
                self.fail("files", f"the bad file {name} became job {self.by_name[name]}")
            elif fate == "refused" and not is_refused and name not in self.seen_removed:
                self.fail("files", f"the bad file {name} is not among those that were refused")
            elif fate == "must" and not is_job and not is_refused and name not in self.seen_removed:
                self.fail("files", f"the file {name} is neither a job nor refused")
            elif is_job and is_refused and fate != "may":
                self.fail("files", f"the file {name} is job {self.by_name[name]}, and refused")

    def check_witnesses(self):
        table = self.check_jobs("at the end")
        starts, ends = {}, {}
        for one in os.scandir(f"{self.d}/witness"):
            with open(one.path) as f:
                for line in f:
                    what, number = line.split()[:2]
                    count = starts if what == "start" else ends
                    count[int(number)] = count.get(int(number), 0) + 1
        self.figures["witnessed"] = len(starts)
        failures = {row["job"]: row["failures"] for row in table.dicts()}
        for number, n in starts.items():
            if n > 1 + failures.get(number, 0):
                self.fail("once", f"job {number} started {n} times")
            if number not in self.jobs:
                self.fail("once", f"job {number} ran, and nobody knows of it")
        for row in table.dicts():
            job, outcome = row["job"], row["outcome"]
            if row["state"] != "done":
                self.fail("end", f"job {job} is {row['state']}")
            if outcome in ("spawn", "deadline", "dependency") and job in starts and row["failures"] == 0:
                self.fail("once", f"job {job} ran, and its verdict is {row['verdict']}")
            if outcome == "lost":
                self.fail("once", f"job {job} is lost, and the host never went down")
            spec = self.jobs[job].spec
            if spec and outcome == "exit" and f"ExecStart={self.witness} ".encode() in spec:
                if not 1 <= starts.get(job, 0) <= 1 + row["failures"]:
                    self.fail("once", f"job {job} ended with {row['verdict']} and started {starts.get(job, 0)} times")
                if row["stop"] is None and not 1 <= ends.get(job, 0) <= 1 + row["failures"]:
                    self.fail("once", f"job {job} ended with {row['verdict']} and {ends.get(job, 0)} ends")
        self.check_spans(table)
        self.figures["jobs"] = len(table.rows)

    # -----------------------------------------------------------------------------------------

    WEIGHTS = {
        "submit": 26, "cancel": 8, "hold": 4, "switch": 5, "switch_nonsense": 0.5, "limits": 12, "get_limits": 2, "list": 2,
        "status": 7, "explain": 3, "queue": 1, "ask_host": 3, "wait": 3, "logs": 3, "ctl": 0.8, "nonsense": 1, "drop": 9,
        "drop_in_place": 3, "close": 2, "drop_bad": 5, "directory": 2, "reload": 2.5, "repair": 7,
    }

    def find_methods(self):
        """Of the younger ones: which this daemon has."""
        for method, signature, args in (("ListActive", "stu", ("", 0, 1)), ("WaitStart", "t", (2**62,))):
            try:
                self.bus(self.root).call(method, signature, *args)
                self.methods.add(method)
            except Error as e:
                if e.full.startswith("org.tenantq."):
                    self.methods.add(method)

    def run(self):
        names, weights = list(self.WEIGHTS), list(self.WEIGHTS.values())
        self.engine = self.find_engine()
        self.find_methods()
        next_restart = 60
        parent = os.getppid()
        for self.n in range(1, self.steps + 1):
            rng = random.Random(f"{self.seed} {self.n}")
            step = rng.choices(names, weights)[0]
            began = time.monotonic()
            getattr(self, "step_" + step)(rng)
            self.times.setdefault("step " + step, []).append(time.monotonic() - began)
            self.check_processes()
            if self.n >= next_restart:
                began = time.monotonic()
                self.restart(rng)
                self.times.setdefault("restart", []).append(time.monotonic() - began)
                next_restart = self.n + rng.randint(50, 150)
            if os.getppid() != parent:
                raise Fatal
        self.n += 1
        self.undo()
        self.await_idle()
        self.check_processes()
        self.check_witnesses()
        self.check_each("at the end")
        self.check_files()
        self.check_switches("at the end")
        self.check_processes()
        for what, pid in (("tenantqd", self.daemon), ("engine", self.engine)):
            kinds = descriptors(pid)
            # Slots of results are kept as many as attempts ran, or waited to be forgotten, at an instant.
            slots = sum(n for kind, n in kinds.items() if "/state/results/" in kind)
            others = sum(kinds.values()) - slots
            if slots > 32 or others > 72:
                self.fail("memory", f"{what} has {others} descriptors and {slots} results when nothing runs: {kinds}")


def main():
    d, seed, steps = sys.argv[1:]
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    os.setgroups([])
    os.umask(0o022)
    began = time.monotonic()
    world = World(d, seed, int(steps))
    done = "no"
    try:
        world.run()
        done = "yes"
    except Fatal:
        pass
    except Exception:
        world.fail("test", traceback.format_exc())
    finally:
        f = world.figures
        world.trace.close()
        with open(f"{d}/random/times", "w") as out:
            for member, times in sorted(world.times.items()):
                times.sort()
                out.write(f"{member}: {len(times)} calls, {sum(times):.2f} s, median {times[len(times) // 2] * 1e3:.2f} ms, "
                          f"p99 {times[len(times) * 99 // 100] * 1e3:.2f} ms\n")
        with open(f"{d}/random/figures", "w") as out:
            out.write(
                f"ended {done}, seed {seed}, steps {world.n}, {time.monotonic() - began:.0f} s, calls {f['calls']}, "
                f"restarts {f['restarts']}, "
                f"jobs {f.get('jobs', len(world.jobs))}, files {len(world.drops)}, "
                f"witnessed {f.get('witnessed', 0)}, longest answer {f['answer'] * 1000:.0f} ms, "
                f"longest recovery {f['recovery'] * 1000:.0f} ms, engine {f['engine'] >> 20} MiB, "
                f"tenantqd {f['tenantqd'] >> 20} MiB\n")


if __name__ == "__main__":
    main()
