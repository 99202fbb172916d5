#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a payload finds around it: credentials, descriptors, environment, a cap on its output; and what it may not do.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init log_max=4K
d_start
d_tenant acme 61001
d_tenant globex 61002

output_is_capped() {
        local job file size
        job=$(ctl run -t acme -- sh -c 'head -c 100000 /dev/zero | tr "\0" x; head -c 50000 /dev/zero >&2; exit 3')
        t_eq "$(verdict "$job")" "exit 3" "verdict: the job isn't concerned"
        file=$D/logs/acme/$job.1.out
        size=$(stat -c %s "$file")
        in_range "$size" 3500 4096 size
        t_match "$(tail -n 1 "$file")" 'tenantq: output truncated, [0-9]+ bytes dropped' marker
        t_eq "$(grep -a -o '[0-9]* bytes dropped' "$file" | grep -o '[0-9]*')" $((100000 - $(head -n 1 "$file" | tr -d '\n' | wc -c))) dropped
        t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["dropped_bytes"] > 140000')" true "dropped bytes in the ledger"
        # Below the cap nothing is marked.
        job=$(ctl run -t acme -- sh -c 'head -c 3900 /dev/zero')
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(stat -c %s "$D/logs/acme/$job.1.out")" 3900 size
}

payload_has_nothing() {
        local script out
        script=$(payload audit <<END
#!$D_PYTHON
import os, stat, signal, resource, json
s = dict(l.rstrip("\\n").split(":\\t", 1) for l in open("/proc/self/status") if ":\\t" in l)
def kind(fd):
    m = os.fstat(fd)
    return [stat.S_IFMT(m.st_mode), m.st_rdev, os.get_blocking(fd), os.isatty(fd)]
fds = [fd for fd in range(1024) if os.path.exists(f"/proc/self/fd/{fd}")]
def works(fd):
    try:
        os.fstat(fd)
        return True
    except OSError:
        return False
print(json.dumps(dict(
    status=s, ids=[os.getresuid(), os.getresgid(), os.getgroups()], open=[fd for fd in range(1024) if works(fd)],
    kinds=[kind(0), kind(1), kind(2)], cwd=os.getcwd(), umask=os.umask(0), env=dict(os.environ),
    sid=os.getsid(0) == os.getpid(), pgrp=os.getpgrp() == os.getpid(), nice=os.nice(0), policy=os.sched_getscheduler(0),
    nofile=resource.getrlimit(resource.RLIMIT_NOFILE), core=resource.getrlimit(resource.RLIMIT_CORE),
    argv=open("/proc/self/cmdline").read(), cgroup=open("/proc/self/cgroup").read())))
END
)
        printf '[Job]\nExecStart=%s one "two words"\nEnvironment=STAGE=prod "GREETING=hello you" HOME=/h\n' "$script" >"$D/stage/audit"
        out=$(ctl submit -t acme "$D/stage/audit")
        t_eq "$(verdict "$out")" "exit 0" "verdict: $(ctl logs "$out" 2>&1)"
        ctl logs "$out" >"$D/stage/audit.json"
        has() {
                t_eq "$(d_json "$1" <"$D/stage/audit.json")" "$2" "$1"
        }
        has 'j["status"]["Uid"]' $'61001\t61001\t61001\t61001'
        has 'j["status"]["Gid"]' $'61001\t61001\t61001\t61001'
        has 'j["ids"][2]' '[61001]'
        has '[j["status"][c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == ["0" * 16] * 5' true
        has 'j["status"]["NoNewPrivs"]' 1
        has 'j["status"]["Seccomp"]' 2
        has 'j["status"]["SigBlk"]' 0000000000000000
        # Python itself ignores SIGPIPE and SIGXFSZ.
        has 'hex(int(j["status"]["SigIgn"], 16) & ~0x1001000)' 0x0
        has 'j["open"]' '[0, 1, 2]'
        has 'j["kinds"][0][:2] == [0o020000, 0x103]' true
        has 'j["kinds"][1][0] == j["kinds"][2][0] == 0o010000' true
        has 'j["kinds"][1][2] and j["kinds"][2][2]' true
        has 'j["sid"] and j["pgrp"]' true
        has 'j["cwd"]' /
        has 'j["umask"]' 18
        has '[j["nice"], j["policy"]]' '[0, 0]'
        has 'j["core"]' '[0, 0]'
        has 'j["nofile"][0]' 1024
        has 'j["argv"].split("\0")[2:]' '["one", "two words", ""]'
        has 'sorted(j["env"])' '["GREETING", "HOME", "LANG", "PATH", "SHELL", "STAGE", "TENANTQ_ATTEMPT", "TENANTQ_JOB", "TENANTQ_QUEUE", "TENANTQ_TENANT"]'
        has '[j["env"][k] for k in ("STAGE", "GREETING", "HOME", "TENANTQ_TENANT", "TENANTQ_ATTEMPT")]' '["prod", "hello you", "/h", "acme", "1"]'
        has 'j["env"]["TENANTQ_JOB"]' "$out"
}

standard_streams() {
        local script
        # shellcheck disable=SC2016 # expanded by the job
        d_status 0 ctl run -w -t acme -- sh -c '[ "$(readlink /proc/self/fd/0)" = /dev/null ] && ! read x'
        t_eq "$(ctl run -w -t acme -- sh -c 'echo again >/dev/stdout; echo no >/dev/stderr' 2>/dev/null)" again /dev/stdout
        t_eq "$(ctl run -w -t acme -- sh -c 'echo no >/dev/stdout; echo again >/dev/stderr' 2>&1 >/dev/null | tail -n +2)" again /dev/stderr
        # Who reads nothing back: the ends are the writing ones.
        script=$(payload read-back <<END
#!$D_PYTHON
import os, sys
for fd in 1, 2:
    try:
        os.read(fd, 1)
        sys.exit(1)
    except OSError:
        pass
END
)
        d_status 0 ctl run -w -t acme -- "$script"
        d_status 1 ctl run -w -t acme -- sh -c '(: </dev/tty) 2>/dev/null && exit 0; exit 1'
}

outputs_are_private() {
        local job
        job=$(ctl run -t acme -- echo secret)
        verdict "$job" >/dev/null
        d_status 0 setpriv --reuid 61001 --regid 61001 --clear-groups cat "$D/logs/acme/$job.1.out"
        d_status 1 setpriv --reuid 61002 --regid 61002 --clear-groups cat "$D/logs/acme/$job.1.out"
        # Nor can the payload change what it has said.
        d_status 1 setpriv --reuid 61001 --regid 61001 --clear-groups tee -a "$D/logs/acme/$job.1.out"
        d_status 1 setpriv --reuid 61001 --regid 61001 --clear-groups rm -f "$D/logs/acme/$job.1.out"
}

seccomp_denies() {
        # Refused, not killed: unshare of a user namespace.
        d_status 1 ctl run -w -t acme -- unshare -U true
        t_eq "$(ctl run -w -t acme -- "$D_PYTHON" -c 'import ctypes
l = ctypes.CDLL(None, use_errno=True)
r = [l.syscall(n, 0, 0, 0, 0, 0) for n in (321, 165, 425)]
print(r)')" "[-1, -1, -1]" "bpf, mount, io_uring_setup"
}

d_case "output is capped and the cut is marked (T43)" output_is_capped
d_case "the payload's credentials, descriptors and environment (T40, T42)" payload_has_nothing
d_case "standard input, output and error" standard_streams
d_case "output is for its tenant only" outputs_are_private
d_case "denied system calls are refused" seccomp_denies
d_case "nothing is left over" no_leftovers
d_report
t_summary
