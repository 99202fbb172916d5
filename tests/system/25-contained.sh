#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Jobs that try to get out by what they are: their descriptors, their processes, the calls that they make, their output
# (T25, T28-T31, T33-T36, T40, T43).
#
# TENANTQ_GOLDEN_UPDATE=1: what each profile makes of each call (T33) is written down anew, in golden/calls-*.txt.

# shellcheck source=contained.sh
. "$(dirname "$0")/contained.sh"

c_init
c_build calls.c calls || d_skip_all "no compiler"
c_build foreign.c foreign
c_build flood.c flood
# shellcheck disable=SC2016 # the program's
echo 'void _start(void) { __asm__ volatile("int $0x80" : : "a"(1), "b"(7)); }' |
        gcc -m32 -nostdlib -static -ffreestanding -x c -o "$D/payload/i386" - 2>/dev/null
c_start
golden=$(cd "$(dirname "$0")" && pwd)/golden

# Descriptors ---------------------------------------------------------------------------------

descriptors_of_daemon() {
        find "/proc/$(d_pid)/fd" "/proc/$(d_engine)/fd" -mindepth 1 | wc -l
}

exhausts_descriptors() {
        local before job
        before=$(descriptors_of_daemon)
        job=$(intrude_until files acme files)
        served
        go files
        t_eq "$(verdict "$job")" "exit 0"
        in_range "$(descriptors_of_daemon)" 1 $((before + 2)) "descriptors of the daemon"
        says "$(ctl logs "$job")" <<'END'
soft: 1024
as many as it may: 0
a higher bound: EINVAL
then: 0 EMFILE
END
}

has_three_descriptors() {
        cat >"$D/stage/descriptors" <<'END'
open: 0 1 2
listed: 0 1 2
numbers above: EBADF
above 0: ENOTDIR
in the directory 0: ENOTDIR
mode 0: crw-rw-rw-
above 1: ENOTDIR
in the directory 1: ENOTDIR
mode 1: prw-------
above 2: ENOTDIR
in the directory 2: ENOTDIR
mode 2: prw-------
input: b''
reading the output: EBADF
reading the errors: EBADF
sending on one: ENOTSOCK
position of the output: ESPIPE
flags of the input: 0o2 0
END
        says "$(intrude acme descriptors)" <"$D/stage/descriptors"
        # What one makes of its input, no other one finds: neither its tenant's, nor another's, nor root's.
        says "$(intrude ops mark-input)" <<'END'
flags: 0
owner: 0
lock: done
mode: EROFS
END
        says "$(intrude acme mark-input | head -n 3)" <<'END'
flags: 0
owner: 0
lock: done
END
        says "$(intrude acme descriptors)" <"$D/stage/descriptors"
        says "$(intrude globex descriptors)" <"$D/stage/descriptors"
}

# A path of the job's own file is opened by tenantq, before the job's program runs.
binds_no_descriptor() {
        local fd job
        install -m 0644 -o "$C_ACME" /dev/null "$D/home/acme/f"
        # They have the numbers there that they have in tenantqd, or low ones.
        for fd in {0..9} $(find "/proc/$(d_pid)/fd" -mindepth 1 -printf '%f '); do
                printf '[Job]\nExecStart=/bin/true\n[Sandbox]\nBindPaths=/proc/self/fd/%s:%s\n' "$fd" "$D/home/acme/f" |
                        ctl submit -t acme -
        done >"$D/stage/jobs"
        while read -r job; do
                t_match "$(verdict "$job")" '^spawn \(paths: (No such file or directory|Invalid argument|Permission denied)\)$' \
                        "$(ctl logs "$job" 2>&1)"
        done <"$D/stage/jobs"
}

# Processes -----------------------------------------------------------------------------------

signals_stay_inside() {
        local mine other victim
        other=$(intrude_until other acme nothing)
        mine=$(payload_of "$other")
        victim=$(outside "$C_ACME")
        # shellcheck disable=SC2046 # words
        says "$(intrude acme signals "$(d_pid)" "$(d_engine)" $(d_pids "$other") "$victim")" <<'END'
those of the host: ESRCH
all numbers, signal 15: ESRCH
all numbers, signal 19: ESRCH
all numbers, signal 18: ESRCH
all numbers, signal 1: ESRCH
all numbers, signal 0: ESRCH
init, each signal: EPERM
init, sigqueue: EPERM
init, tgkill: EPERM
init, pidfd: EPERM
pidfd of those of the host: ESRCH
signals of files to those of the host: ESRCH
priority of init: EPERM
CPUs of init: EPERM
policy of init: EPERM
limits of init: EPERM
group of init: ESRCH
priority of the user's: done
all, to be stopped: done
all, to be killed: done
the child: 9
END
        for pid in "$victim" "$mine"; do
                t_eq "$(ps -o stat=,ni= -p "$pid" | awk '{ print substr($1, 1, 1), $2 }')" "S 0" "state and nice value of $pid"
        done
        go other
        t_eq "$(verdict "$other")" "exit 0" "the tenant's other job"
        served
}

# Cancelled, with a second to end by themselves.
ends_all_the_same() {
        local how jobs=() start job
        for how in ignores blocks sleeps waits-for-its-child is-traced forks; do
                jobs+=("$(with debug wide "$D_PYTHON" "$D/payload/intruder.py" stubborn "$how")")
        done
        jobs+=("$(with default wide /bin/sleep 100)")
        for job in "${jobs[@]}"; do
                t_wait 5 d_state_is "$job" running
        done
        sleep 0.5
        # The last one is frozen.
        echo 1 >"$(echo "$D_CGROUP"/*.slice/"${jobs[-1]}".*.job/cgroup.freeze)"
        start=$(now_ms)
        ctl cancel "${jobs[@]}" >/dev/null
        for job in "${jobs[@]}"; do
                t_eq "$(verdict "$job")" cancelled
        done
        in_range $(($(now_ms) - start)) 900 2500 "ms until the last one had ended"
}

leaves_no_process() {
        local size
        t_eq "$(intrude acme daemonise "$D/shared/beat")" started
        t_wait 2 d_has_leaves 0
        size=$(stat -c %s "$D/shared/beat")
        sleep 0.1
        t_eq "$(stat -c %s "$D/shared/beat")" "$size" "what it wrote"
        # Who could start something for it later isn't there.
        says "$(ctl run -w -t acme -- sh -c 'ls -d /run/systemd /run/dbus /run/user 2>&1' 2>/dev/null)" <<'END'
ls: cannot access '/run/systemd': No such file or directory
ls: cannot access '/run/dbus': No such file or directory
ls: cannot access '/run/user': No such file or directory
END
}

# Of the numbers that the host has, a third.
init_reaps() {
        local n=$(($(cat /proc/sys/kernel/pid_max) / 3)) start
        n=$((n < 20000 ? n : 20000))
        start=$(now_ms)
        t_eq "$(ctl run -w -t acme -- "$D/payload/flood" zombies "$n" 2>/dev/null)" "$n" zombies
        t_eq "$(ctl run -w -t acme -- "$D/payload/flood" orphans 5000 2>/dev/null)" 0 "orphans that are left"
        in_range $(($(now_ms) - start)) 0 20000 ms
        served
}

# What its own job can do to it is part of the cases above and below: nothing. Who can kill it ends the job.
init_is_safe() {
        local job
        job=$(intrude_until init acme nothing)
        kill -KILL "$(watcher_of "$job")"
        t_eq "$(verdict "$job")" "signal 9 (KILL)"
        served
}

# Other processes' memory ---------------------------------------------------------------------

traces_nobody() {
        local own other victim job
        own=$(intrude_until own wide nothing)
        other=$(intrude_until other acme nothing)
        victim=$(outside "$C_WIDE")
        # shellcheck disable=SC2046 # words
        job=$(with debug wide "$D_PYTHON" "$D/payload/intruder.py" trace "$(d_pid)" "$(d_engine)" \
                $(d_pids "$own") $(d_pids "$other") "$victim")
        t_eq "$(verdict "$job")" "exit 0" "$(ctl logs "$job")"
        says "$(ctl logs "$job")" <<'END'
others seen:
mem: of the host ENOENT, of init ENOENT
environ: of the host ENOENT, of init ENOENT
maps: of the host ENOENT, of init ENOENT
root: of the host ENOENT, of init ENOENT
cwd: of the host ENOENT, of init ENOENT
exe: of the host ENOENT, of init ENOENT
fd: of the host ENOENT, of init ENOENT
ns: of the host ENOENT, of init ENOENT
fdinfo: of the host ENOENT, of init ENOENT
map_files: of the host ENOENT, of init ENOENT
stack: of the host ENOENT, of init ENOENT
syscall: of the host ENOENT, of init ENOENT
auxv: of the host ENOENT, of init ENOENT
io: of the host ENOENT, of init ENOENT
writing init's memory: ENOENT
ptrace: of the host ESRCH, of init EPERM
process_vm_readv: of the host ESRCH, of init EPERM
process_vm_writev: of the host ESRCH, of init EPERM
pidfd: of the host: ESRCH
descriptors of init: EPERM
mount namespace of init: EACCES
net namespace of init: EACCES
pid namespace of init: EACCES
user namespace of init: EACCES
a child: 0
END
        go own
        go other
        t_eq "$(verdict "$own") $(verdict "$other")" "exit 0 exit 0"
}

# Calls ---------------------------------------------------------------------------------------

# golden NAME: it says what standard input says; or will, from now on.
is_golden() {
        if [ -n "${TENANTQ_GOLDEN_UPDATE:-}" ]; then
                cat >"$golden/$1"
        else
                diff -u --label "golden/$1" "$golden/$1" --label got -
        fi
}

calls_of() {
        local job name
        if [ "$1" = strict ]; then
                # A call that it has not ends the job.
                "$D/payload/calls" | while read -r name; do
                        job=$(with strict wide "$D/payload/calls" "'$name'")
                        echo "$job $name"
                done >"$D/stage/calls"
                while read -r job name; do
                        if [ "$(verdict "$job")" = "exit 0" ]; then
                                ctl logs "$job" 2>&1
                        else
                                echo "$name: $(verdict "$job")"
                        fi
                done <"$D/stage/calls"
        else
                job=$(with "$1" wide "$D/payload/calls" all)
                t_eq "$(verdict "$job")" "exit 0"
                ctl logs "$job" 2>/dev/null
        fi
}

# Whether the kernel has a family of sockets says nothing of us.
calls_end_as_written() {
        calls_of "$1" >"$D/stage/outcomes"
        sed 's/: EAFNOSUPPORT$/: done/' "$D/stage/outcomes" | is_golden "calls-$1.txt"
}

foreign_calls_end_the_job() {
        local profile
        for profile in default permissive strict; do
                t_eq "$(verdict "$(with "$profile" wide "$D/payload/foreign" i386)")" "seccomp (i386 getpid)" "$profile"
                t_eq "$(verdict "$(with "$profile" wide "$D/payload/foreign" x32)")" "seccomp (x32 getpid)" "$profile"
                t_eq "$(verdict "$(with "$profile" wide "$D/payload/foreign" unknown)")" "seccomp (x32 number 1000)" "$profile"
        done
}

foreign_programs_end_the_job() {
        [ -x "$D/payload/i386" ] || t_skip "gcc can't make one"
        t_match "$(verdict "$(ctl run -t acme -- "$D/payload/i386")")" '^seccomp \(i386 [a-z_]+\)$'
}

# Output --------------------------------------------------------------------------------------

output_does_not_matter() {
        local job before after start
        before=$(awk '/^VmRSS/ { print $2 }' "/proc/$(d_engine)/status")
        start=$(now_ms)
        # A lot, without a line's end; bytes one by one; what it closes and opens again; and more than a pipe's room,
        # from processes that stay.
        job=$(ctl run -t acme -- sh -c 'head -c 500M /dev/zero')
        t_eq "$(verdict "$job")" "exit 0"
        in_range "$(stat -c %s "$D/logs/acme/$job.1.out")" 65000 65536 "bytes of output"
        t_match "$(tail -n 1 "$D/logs/acme/$job.1.out")" 'output truncated, 52[0-9]+ bytes dropped'
        job=$(ctl run -t acme -- dd if=/dev/zero bs=1 count=200000)
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl run -w -t acme -- sh -c 'exec >&-; exec >/proc/self/fd/2; echo a; exec 2>/dev/stdout; echo b >&2' 2>&1 |
                grep -v '^job')" $'a\nb'
        job=$(ctl run -t acme -- sh -c 'yes & yes >&2 & sleep 0.2; echo end >&2; exit 3')
        t_eq "$(verdict "$job")" "exit 3"
        in_range $(($(now_ms) - start)) 0 10000 ms
        after=$(awk '/^VmRSS/ { print $2 }' "/proc/$(d_engine)/status")
        in_range "$after" 0 $((before + 4096)) "KiB of the engine"
        served
}

c_case "descriptors are exhausted (T25)" exhausts_descriptors
c_case "three descriptors, of its own (T40)" has_three_descriptors
c_case "no descriptor of tenantq's by a path of the job's file (T40)" binds_no_descriptor
c_case "signals stay inside (T28)" signals_stay_inside
c_case "what does not end when it is asked to (T29)" ends_all_the_same
c_case "what goes on in the background (T30)" leaves_no_process
c_case "zombies and orphans (T31)" init_reaps
for profile in strict no-network default debug permissive; do
        c_case "calls that lead out, under $profile (T33)" calls_end_as_written "$profile"
done
c_case "calls of other architectures (T34)" foreign_calls_end_the_job
c_case "a program of another architecture (T34)" foreign_programs_end_the_job
c_case "other processes' memory (T35)" traces_nobody
c_case "the job's init is killed (T36)" init_is_safe
c_case "output without end (T43)" output_does_not_matter
d_case "nothing is left over" no_leftovers
d_report
t_summary
