#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a hostile tenant can ask of its jobs (T17-T20): commands that are none, more than its user has, an environment
# for others, privileges, limits and profiles beyond its due.

# shellcheck source=hostile.sh
. "$(dirname "$0")/hostile.sh"

h_init

# Commands (T17) ------------------------------------------------------------------------------

commands() {
        local files=$D/payload
        # gives COMMAND VERDICT
        gives() {
                t_eq "$(verdict "$(ctl run -t acme -- "$1")")" "$2" "verdict of $1"
        }
        # An ELF of another machine: 183 is EM_AARCH64.
        "$D_PYTHON" -c 'import struct, sys
sys.stdout.buffer.write(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 4096))' | payload foreign-elf >/dev/null
        head -c 30 /bin/true | payload cut-elf >/dev/null
        echo 'echo no interpreter line' | payload plain-text >/dev/null
        printf '#!/no/such/interpreter\n' | payload no-interpreter >/dev/null
        payload empty </dev/null >/dev/null
        mkdir -p "$files/directory"
        ln -sf loop "$files/loop"
        install -m 0755 -o 61022 /bin/true "$D/spool/globex/hidden-program"
        gives "$files/foreign-elf" "spawn (exec: Exec format error)"
        gives "$files/cut-elf" "spawn (exec: Exec format error)"
        gives "$files/plain-text" "spawn (exec: Exec format error)"
        gives "$files/empty" "spawn (exec: Exec format error)"
        gives "$files/no-interpreter" "spawn (interpreter: the program is there, its interpreter is not)"
        gives "$files/directory" "spawn (exec: Permission denied)"
        gives "$files/loop" "spawn (exec: Too many levels of symbolic links)"
        gives "$D/spool/globex/hidden-program" "spawn (exec: No such file or directory)" # out of sight
        gives "$D/vault/0" "spawn (exec: Permission denied)"
        gives "/$(printf '%0300d' 0)" "spawn (exec: File name too long)"
        rm "$D/spool/globex/hidden-program"
        no_leftovers
        others_are_served
}

# Neither what a file's mode says nor where it lies gives a payload more than its tenant has.
setuid_has_no_effect() {
        local job
        install -m 4755 "$(readlink -f "$(command -v id)")" "$D/payload/setuid-id"
        install -m 2755 "$(readlink -f "$(command -v id)")" "$D/payload/setgid-id"
        job=$(ctl run -t acme -- "$D/payload/setuid-id" -u)
        t_eq "$(verdict "$job") $(ctl logs "$job")" "exit 0 61021" "setuid"
        job=$(ctl run -t acme -- "$D/payload/setgid-id" -g)
        t_eq "$(verdict "$job") $(ctl logs "$job")" "exit 0 61021" "setgid"
        if command -v setcap >/dev/null; then
                install -m 0755 /bin/cat "$D/payload/capable"
                if setcap cap_dac_override+ep "$D/payload/capable" 2>/dev/null; then
                        ! ctl run -w -t acme -- "$D/payload/capable" "$D/vault/0" || t_fail "a file's capability had an effect"
                fi
        fi
        d_status 1 ctl run -w -t acme -- cat "$D/vault/0"
        d_status 1 ctl run -w -t acme -- cat "$D/vault/61022"
        not_leaked
}

noexec_mount() {
        mkdir -p "$D/mnt"
        mount -t tmpfs -o noexec,mode=0755 tmpfs "$D/mnt" 2>/dev/null || t_skip "can't mount a tmpfs here"
        install -m 0755 /bin/true "$D/mnt/true"
        t_eq "$(verdict "$(ctl run -t acme -- "$D/mnt/true")")" "spawn (exec: Permission denied)"
        umount "$D/mnt"
}

# Environment (T18) ---------------------------------------------------------------------------

environment() {
        local name job gate pid environment
        for name in NOTIFY_SOCKET LISTEN_FDS LISTEN_PID INVOCATION_ID JOURNAL_STREAM WATCHDOG_USEC MAINPID TENANTQ_JOB TENANTQ_ANYTHING; do
                printf '[Job]\nExecStart=/bin/true\nEnvironment=%s=1\n' "$name" >"$D/stage/reserved"
                d_status 3 ctl submit -t acme "$D/stage/reserved"
        done
        for name in '=1' '1A=1' 'A B=1' 'A' '"A B=1"' 'A-B=1' 'Ä=1' '"A=1'; do
                printf '[Job]\nExecStart=/bin/true\nEnvironment=%s\n' "$name" >"$D/stage/malformed"
                d_status 3 ctl submit -t acme "$D/stage/malformed"
        done
        # What it may set reaches its own program and nobody else.
        gate=$(d_gate_make env)
        printf '[Job]\nName=injects\nExecStart=/bin/sh -c "read x <%s; exit 0"\nEnvironment=LD_PRELOAD=/tmp/evil.so LD_AUDIT=/tmp/evil.so GLIBC_TUNABLES=glibc.malloc.check=3 PATH=/evil BASH_ENV=/evil ENV=/evil\n' "$gate" | drop acme injects
        job=$(job_of acme injects)
        t_wait 5 d_state_is "$job" running
        for pid in $(d_pids "$job"); do
                if [[ "$(readlink "/proc/$pid/exe")" = "$D/bin/tenantq-exec" ]]; then
                        t_eq "$(tr -d '\0' <"/proc/$pid/environ")" "" "environment of tenantq-exec"
                else
                        tr '\0' '\n' <"/proc/$pid/environ" | grep -qx PATH=/evil || t_fail "the job's own environment"
                fi
        done
        t_eq "$(tr -d '\0' <"/proc/$(d_engine)/environ")" "" "environment of the engine"
        environment=$(tr '\0' '\n' <"/proc/$(d_pid)/environ")
        t_lacks "$environment" evil "the daemon's environment"
        d_gate_open env
        t_eq "$(verdict "$job")" "exit 0"
}

# More than is its due (T19, T20) -------------------------------------------------------------

more_than_its_due() {
        local line gate job
        gate=
        for line in User=root Group=root DynamicUser=no Slice=x.slice Delegate=yes Nice=-5 CPUSchedulingPolicy=fifo IOSchedulingClass=realtime \
                OOMScoreAdjust=-1000 LimitNOFILE=1000000 AmbientCapabilities=CAP_SYS_ADMIN RootDirectory=/ NoNewPrivileges=no PAMName=login; do
                printf '[Job]\nExecStart=/bin/true\n%s\n' "$line" >"$D/stage/more"
                d_status 3 ctl submit -t acme "$D/stage/more"
        done
        ctl limits set acme runtime=10min >/dev/null
        printf '[Job]\nName=long\nExecStart=/bin/true\nRuntimeMaxSec=1h\n' >"$D/stage/long"
        d_status 3 ctl submit -t acme "$D/stage/long"
        drop acme long <"$D/stage/long"
        refused acme long 'RuntimeMaxSec|runtime: asks for 1h, above the 10min of tenant acme'
        ctl limits unset acme runtime >/dev/null
        # Accepted, and only then lowered: what counts is what is in force when it runs.
        gate=$(d_gate_make due)
        ctl run -t acme -- sh -c "read x <$gate" >/dev/null
        printf '[Job]\nExecStart=/bin/sleep 30\nRuntimeMaxSec=1h\n' >"$D/stage/long"
        job=$(ctl submit -t acme "$D/stage/long")
        ctl limits set acme runtime=400ms >/dev/null
        d_gate_open due
        t_eq "$(verdict "$job")" "timeout (tenant)"
        ctl limits unset acme runtime >/dev/null
        # A limit that can't be enforced here is never silently none.
        if ! grep -qw memory "$D_CGROUP/cgroup.controllers"; then
                printf '[Job]\nName=limited\nExecStart=/bin/true\n[Limits]\nmemory=64M\n' >"$D/stage/limited"
                job=$(ctl submit -t acme "$D/stage/limited" 2>"$D/stage/why") || job=
                if [ -n "$job" ]; then
                        t_match "$(verdict "$job")" '^spawn \((limits|cgroup)' "verdict of a job with a limit that is none"
                else
                        t_match "$(cat "$D/stage/why")" 'memory' "why it was refused"
                fi
        fi
        others_are_served
}

profiles() {
        local profile
        for profile in permissive debug strict no-network none unconfined engine watch groups '' 'default ' '../default' DEFAULT; do
                printf '[Job]\nExecStart=/bin/true\n[Sandbox]\nProfile=%s\n' "$profile" >"$D/stage/profile"
                case $profile in # blanks at the end of a line are none
                strict | no-network | 'default ') d_status 0 ctl submit -t acme "$D/stage/profile" ;;
                *) d_status 3 ctl submit -t acme "$D/stage/profile" ;;
                esac
        done
        printf '[Job]\nExecStart=/bin/true\n[Sandbox]\nProfile=permissive\n' | drop acme permissive
        refused acme permissive "Profile: expected default, which is tenant acme's, or a stricter one"
}

d_case "commands that can't be executed (T17)" commands
d_case "setuid has no effect (T17)" setuid_has_no_effect
d_case "a noexec mount (T17)" noexec_mount
d_case "environment (T18)" environment
d_case "more than is its due (T19)" more_than_its_due
d_case "profiles (T20)" profiles
d_case "nothing is left over" no_leftovers
d_report
t_summary
