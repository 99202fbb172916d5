#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All that a payload has and sees (T42), byte for byte, under each profile, and as root: golden/payload-*.txt. The
# daemon is started by somebody whose own surroundings are other ones, each of them; none reaches a job.
#
# What is this host's is put into words: its CPUs, its file systems, its name, its own namespaces. A limit that is lower
# than it should be since the daemon's own is, and the test's root may not raise it (no CAP_SYS_RESOURCE), counts as what
# it should be.
#
# TENANTQ_GOLDEN_UPDATE=1: writes the files.

# shellcheck source=contained.sh
. "$(dirname "$0")/contained.sh"

# shellcheck disable=SC2016 # of the wrapper
C_BEFORE=(
        'ulimit -S -n 512; ulimit -S -c unlimited; ulimit -S -s 1024; ulimit -S -t 100000; ulimit -S -f 100000000'
        'umask 0; cd /tmp'
        'export EVIL=1 TENANTQ_JOB=99 NOTIFY_SOCKET=/run/nobody LISTEN_FDS=2 LD_LIBRARY_PATH=/evil'
        "trap '' HUP INT QUIT USR1 USR2 PIPE ALRM TERM TSTP TTIN TTOU XFSZ RTMIN+3"
        'renice -n 5 -p $$ >/dev/null; ionice -c 2 -n 7 -p $$; chrt -b -p 0 $$; taskset -p -c 0 $$ >/dev/null'
        'echo 77 >/proc/self/oom_score_adj; echo 777777 >/proc/self/timerslack_ns; echo 0xff >/proc/self/coredump_filter'
        'exec 7</etc/passwd 8>/dev/null'
)
c_init
cat >"$D/odd.py" <<'END'
import ctypes, os, signal, sys
libc = ctypes.CDLL(None)
# Dispositions and the mask, also of the two signals that the C library keeps to itself.
ignore = (ctypes.c_ulong * 4)(1, 0, 0, 0)
for sig in range(1, 65):
    if sig not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):
        libc.syscall(13, sig, ctypes.byref(ignore), 0, 8)
all_but_one = ctypes.c_ulong(~1 & (1 << 64) - 1)
libc.syscall(14, 2, ctypes.byref(all_but_one), 0, 8)
libc.prctl(41, 1, 0, 0, 0) # PR_SET_THP_DISABLE
libc.prctl(33, 1, 1, 0, 0) # PR_MCE_KILL
libc.prctl(67, 1, 0, 0, 0) # PR_SET_MEMORY_MERGE
libc.prctl(36, 1, 0, 0, 0) # PR_SET_CHILD_SUBREAPER
os.setgroups([0, 1, 61999])
os.execvp("setpriv", ["setpriv", "--inh-caps=+sys_admin,+kill", "--securebits=+no_setuid_fixup", "setarch", "-R"] + sys.argv[1:])
END
# shellcheck disable=SC2016 # of the wrapper
C_BEFORE+=("set -- $D_PYTHON $D/odd.py "'"$@"')
c_wrap
c_build audit.c audit || d_skip_all "no compiler"
c_start
golden=$(cd "$(dirname "$0")" && pwd)/golden

cat >"$D/normal.py" <<'END'
"""normal.py DIR DAEMON UID: what audit.c printed, without what is this host's or this run's."""
import os, re, sys

top, daemon, uid = sys.argv[1:]
KEEP = """Umask Tgid Pid PPid TracerPid Uid Gid Groups NStgid NSpid NSpgid NSsid CoreDumping Threads SigPnd ShdPnd SigBlk SigIgn
SigCgt CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters""".split()
# tenantq.job(5), RESOURCE LIMITS
LIMITS = {"CORE": (0, 0), "NOFILE": (1024, 524288), "STACK": (8 << 20, -1), "MEMLOCK": (8 << 20, 8 << 20),
          "SIGPENDING": (65536, 65536), "MSGQUEUE": (819200, 819200), "NICE": (0, 0), "RTPRIO": (0, 0)}
NAMES = {"CPU": "cpu time", "FSIZE": "file size", "DATA": "data size", "STACK": "stack size", "CORE": "core file size",
         "RSS": "resident set", "NPROC": "processes", "NOFILE": "open files", "MEMLOCK": "locked memory", "AS": "address space",
         "LOCKS": "file locks", "SIGPENDING": "pending signals", "MSGQUEUE": "msgqueue size", "NICE": "nice priority",
         "RTPRIO": "realtime priority", "RTTIME": "realtime timeout"}

def number(word):
    return -1 if word == "unlimited" else int(word)

def least(a, b):
    return a if b == -1 else b if a == -1 else min(a, b)

hard = {}
for line in open(f"/proc/{daemon}/limits"):
    if line.startswith("Max "):
        name, _, most = re.split("  +", line[4:])[:3]
        hard[name] = number(most)

def limit(name, soft, most):
    """As it should be, if that is what can be had here."""
    want = LIMITS.get(name, (-1, -1))
    here = least(want[1], hard[NAMES[name]])
    return want if (int(soft), int(most)) == (least(want[0], here), here) else (soft, most)

covers = temporary = None

def mount(line):
    """Of the host's own file systems only the root."""
    global covers, temporary
    field = line.split()
    device, source, target, flags, kind = field[2], field[3], field[4], field[5], field[field.index("-") + 1]
    if target == "/dev":
        covers = device
    if target == "/tmp" and source == "/":
        temporary = device
    if target.startswith("/proc/") and target != "/proc/sys":
        assert "ro" in flags.split(","), line
        return None
    if target == "/":
        kind = "host's"
    elif target.startswith(top):
        kind = kind if device == covers else "host's"
    elif device not in (covers, temporary) and kind not in ("proc", "sysfs", "devpts", "cgroup2"):
        assert {"ro", "nosuid", "nodev"} <= set(flags.split(",")), line
        return None
    if kind == "host's": # which are how they are mounted there
        flags = ",".join(f for f in flags.split(",") if f in ("ro", "rw", "nosuid", "nodev", "noexec"))
    options = "" if kind == "host's" else " " + re.sub(r"size=\d+k?", "size=N", re.sub(r",nr_inodes=\d+k?", "", field[-1]))
    return f"mount {target}: {kind} {flags}{options}"

def normal(line):
    name, _, value = line.partition(": ")
    if name.startswith("RLIMIT_"):
        return "{}: {} {}".format(name, *limit(name[7:], *value.split()))
    if name == "CPUs":
        return "CPUs: " + ("all" if int(value) == len(os.sched_getaffinity(0)) else value)
    if name == "host":
        domain = open("/proc/sys/kernel/domainname").read().strip()
        return "host: " + ("as outside" if value == f"{os.uname().nodename} {domain}" else value)
    if name == "merges pages": # where the kernel can
        return name + ": " + value.replace("EINVAL", "0")
    if name == "memory error":
        return name + ": " + {"2": "by default"}.get(value, value)
    if name.startswith("/proc/self/ns/"):
        return name + ": " + ("the host's" if value == os.readlink(name) else "its own")
    if name == "/proc/self/status":
        key, _, value = value.partition(":\t")
        return f"{key}: {' '.join(value.split())}" if key in KEEP else None
    if name == "/proc/self/cgroup":
        return line if value.startswith("0::") else None
    if name == "/proc/self/mountinfo":
        return mount(value)
    if name == "/proc/self/net/dev":
        return "interface " + value.split(":")[0].strip() if ":" in value else None
    if name == "/proc/self/autogroup":
        return name + ": " + value.partition(" ")[2]
    if name == "/proc/keys":
        # Root's own, of the host, are seen by root's payload.
        return "key " + " ".join(value.split()[4:]) if "keyring _ses:" in value else None
    if name.startswith("/proc/sysvipc/"):
        return None if "key" in value else line
    return " ".join(line.split()) if "map" in name or "offsets" in name else line

out = dict.fromkeys(n for n in map(normal, sys.stdin.read().splitlines()) if n is not None)
text = "\n".join(out) + "\n"
text = text.replace(top, "DIR").replace("TENANTQ_JOB=" + os.environ["JOB"], "TENANTQ_JOB=N")
print(re.sub(rf"\b{uid}\b", "USER", text), end="")
END

# audited NAME TENANT PROFILE: golden/payload-NAME.txt
audited() {
        local gate job pid file=$D/stage/audit
        gate=$(d_gate_make gate)
        printf '[Job]\nExecStart=%s %s "two words" ""\nEnvironment=STAGE=prod "GREETING=hello you"\n[Sandbox]\nProfile=%s\n' \
                "$D/payload/audit" "$gate" "$3" >"$D/stage/job"
        job=$(ctl submit -t "$2" "$D/stage/job")
        t_wait 5 has_printed "$job" "$2"
        pid=$(payload_of "$job")
        {
                cat "$D/logs/$2/$job.1.out"
                # What it may not ask for itself under each profile.
                echo "from outside: I/O $(ionice -p "$pid"), $(chrt -p "$pid" | sed 's/.*current //' | tr '\n' ',')"
        } | JOB=$job "$D_PYTHON" "$D/normal.py" "$D" "$(d_pid)" "$C_WIDE" >"$file"
        d_gate_open gate
        t_eq "$(verdict "$job") $(cat "$D/logs/$2/$job.1.err")" "exit 0 "
        if [ -n "${TENANTQ_GOLDEN_UPDATE:-}" ]; then
                cp "$file" "$golden/payload-$1.txt"
        fi
        diff -u --label "golden/payload-$1.txt" "$golden/payload-$1.txt" --label got "$file"
}

has_printed() {
        grep -q '^/proc/self/ns/uts' "$D/logs/$2/$1.1.out" 2>/dev/null || { d_state_is "$1" "done" && t_fail "$(verdict "$1")"; }
}

# Otherwise the rest would prove little.
surroundings_are_odd() {
        local pid core
        pid=$(d_pid)
        t_eq "$(ps -o ni= -p "$pid" | tr -d ' ') $(cat "/proc/$pid/oom_score_adj")" "5 77"
        core=unlimited
        [ -z "${SAN:-}" ] || core=0 # a sanitizer's own doing
        t_eq "$(awk '/core file|stack size/ { print $(NF - 2) }' "/proc/$pid/limits" | xargs)" "1048576 $core"
        t_eq "$(cat "/proc/$pid/coredump_filter")" 000000ff
        t_eq "$(awk '/^CapInh/ { print $2 }' "/proc/$pid/status")" 0000000000200020
        t_match "$(taskset -p -c "$pid")" ': 0$'
        t_match "$(ionice -p "$pid")" 'best-effort: prio 7'
        t_match "$(tr '\0' '\n' <"/proc/$pid/environ")" EVIL=1
        t_eq "$(readlink "/proc/$pid/fd/7")" /etc/passwd
}

d_case "what started the daemon is odd" surroundings_are_odd
for profile in strict no-network default debug permissive; do
        d_case "all that a payload has, under $profile (T42)" audited "$profile" wide "$profile"
done
d_case "all that root's payload has (T42)" audited root ops default
d_case "nothing is left over" no_leftovers
d_report
t_summary
