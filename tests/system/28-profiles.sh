#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Profiles: which one a job runs under, what becomes of a call that it does not allow, and how one is learned.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # it has no lines of its own
d_init
d_start
d_tenant acme 61001
d_tenant globex 61002 audit=yes
cat >"$D/call.c" <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* call NUMBER: its errno, or 0; call i386 NUMBER. */
int main(int argc, char **argv) {
        if (argc == 3) {
                __asm__ volatile("int $0x80" ::"a"(atoi(argv[2])) : "memory");
                return 77;
        }
        if (syscall(strtol(argv[1], NULL, 0), -1, -1, -1, -1, -1, -1) < 0)
                puts(strerrorname_np(errno));
        return 0;
}
END
gcc -O1 -o "$D/payload/call" "$D/call.c" || d_skip_all "no C compiler"

# under PROFILE TENANT ARG…: the output and the verdict of a call.
under() {
        local job
        job=$(ctl run --profile "$1" -t "$2" -- "$D/payload/call" "${@:3}")
        verdict "$job" >"$D/stage/verdict"
        ctl logs "$job" 2>/dev/null | cat - "$D/stage/verdict" | xargs
}

# ptrace 101, mount 165, socket 41, clone3 435, getpid 39
decisions() {
        t_eq "$(under default acme 101)" "EPERM exit 0" "denied"
        t_eq "$(under default acme 435)" "ENOSYS exit 0" "absent"
        t_eq "$(under default acme 1000)" "ENOSYS exit 0" "unknown"
        t_eq "$(under default acme 41)" "ENOSYS exit 0" "socket of no family that is allowed"
        t_eq "$(under strict acme 101)" "seccomp (ptrace)" "killed"
        t_eq "$(under strict acme 1000)" "seccomp (number 1000)" "killed, of a number without a name"
        t_eq "$(under strict acme 41)" "EPERM exit 0" "denied by strict"
        t_eq "$(under strict acme 435)" "ENOSYS exit 0" "absent in strict"
}

# T34: by other ways into the kernel, whatever the profile.
foreign() {
        local profile
        for profile in strict no-network default; do
                t_eq "$(under "$profile" acme i386 20)" "seccomp (i386 getpid)" "$profile, int 0x80"
                t_eq "$(under "$profile" acme $((0x40000000 | 39)))" "seccomp (x32 getpid)" "$profile, x32"
        done
        t_eq "$(under default globex i386 20)" "seccomp (i386 getpid)" "under audit"
        d_status 159 ctl run -w --profile strict -t acme -- "$D/payload/call" 101
}

# A profile that the tenant has no more when the job starts (T19).
lowered_meanwhile() {
        local gate job
        d_tenant_file acme profile=debug '[limits]' concurrency=1
        ctl reload
        gate=$(d_gate_make lowered)
        ctl run -t acme -- sh -c "read x <$gate" >/dev/null
        job=$(ctl run --profile debug -t acme -- true)
        d_tenant_file acme
        ctl reload
        d_gate_open lowered
        t_eq "$(verdict "$job")" "spawn (seccomp: Operation not permitted)"
        d_status 3 ctl run --profile debug -t acme -- true
        d_status 3 ctl run --profile nosuch -t acme -- true
        t_eq "$(verdict "$(ctl run -t acme -- true)")" "exit 0" "its own"
}

# A file of the administrator's; errors name file and line, and change nothing.
own_profile() {
        mkdir -p "$D/etc/profiles"
        ctl profile show default | sed 's/^rank.*/rank = no-network/; s/^otherwise.*/otherwise = kill/' >"$D/etc/profiles/mine"
        echo junk >"$D/etc/profiles/mine.dpkg-old"
        d_tenant_file acme profile=mine
        ctl reload
        t_eq "$(verdict "$(ctl run -t acme -- "$D/payload/call" 1000)")" "seccomp (number 1000)"
        t_eq "$(under strict acme 1000)" "seccomp (number 1000)" "a stricter one"
        d_status 3 ctl run --profile no-network -t acme -- true
        echo '@fils' >"$D/etc/profiles/mine.new"
        t_match "$(ctl profile check "$D/etc/profiles/mine.new" 2>&1 || true)" 'mine.new:1: expected .*not "@fils"'
        rm "$D/etc/profiles/mine.new"
        echo frobnicate >>"$D/etc/profiles/mine"
        t_match "$(ctl reload 2>&1 || true)" 'profiles/mine:[0-9]+: there is no system call frobnicate.*old configuration stays'
        t_match "$("$D/bin/tenantqd" --check --config "$D/etc" 2>&1 || true)" 'profiles/mine:[0-9]+: there is no system call frobnicate'
        t_eq "$(verdict "$(ctl run -t acme -- "$D/payload/call" 1000)")" "seccomp (number 1000)" "the old one"
        chmod g+w "$D/etc/profiles/mine"
        chgrp 61001 "$D/etc/profiles/mine"
        t_match "$(ctl reload 2>&1 || true)" 'profiles/mine: the file can be written by others than root'
        rm "$D/etc/profiles/mine"
        ctl reload
        t_match "$(ctl tenants)" 'there is no profiles/mine'
        d_tenant_file acme
        ctl reload
        t_wait 5 d_tenant_is acme ready
}

# What is offered is what is taken.
refusals() {
        local profile asked want
        while IFS=: read -r profile asked want; do
                d_tenant_file acme "profile=$profile"
                ctl reload
                t_match "$(ctl run --profile "$asked" -t acme -- true 2>&1 || true)" "Profile: expected $profile, which is tenant acme's$want\$"
        done <<'END'
debug:permissive:, or a stricter one: strict, no-network, default
default:debug:, or a stricter one: strict, no-network
no-network:default:, or a stricter one: strict
strict:default:; nothing stricter is left
END
        d_tenant_file acme
        ctl reload
        printf '%s\n' '[Job]' 'ExecStart=/bin/true' '[Sandbox]' 'Profile=strickt' >"$D/stage/job"
        t_eq "$(ctl validate "$D/stage/job")" \
                "$D/stage/job:4: note: Profile: there is no profile strickt on this host; did you mean strict?"
        sed -i 's/strickt/strict/' "$D/stage/job"
        t_eq "$(ctl validate "$D/stage/job")" ""
}

# What holds is shown.
is_shown() {
        local gate job
        gate=$(d_gate_make shown)
        d_tenant_file acme profile=no-network
        ctl reload
        t_eq "$(ctl tenants --noheadings -o tenant,profile | grep acme | xargs)" "acme no-network"
        t_match "$(ctl status acme)" $'\nProfile: no-network; tenants.d/acme.conf'
        job=$(ctl run -t acme -- sh -c "read x <$gate")
        t_match "$(ctl status "$job")" $'\nProfile: no-network, its tenant\'s\n'
        ctl run --profile strict -t acme -- true >"$D/stage/job"
        t_match "$(ctl status "$(cat "$D/stage/job")")" $'\nProfile: strict, by its file\n|State: done'
        d_gate_open shown
        verdict "$job" >/dev/null
        ! ctl status "$job" | grep '^Profile' || t_fail "of a job that has ended"
        d_tenant_file acme
        ctl reload
}

# tenantq's own are no job's, whoever asks for them.
own_of_tenantq() {
        local profile
        for profile in engine watch groups; do
                d_tenant_file acme "profile=$profile"
                ctl reload >/dev/null 2>&1 || :
                t_wait 5 d_tenant_is acme disabled
                t_match "$(ctl tenants)" "there is no profiles/$profile"
                t_eq "$(verdict "$(ctl run -t globex -- true)")" "exit 0" "another tenant's job"
        done
        d_tenant_file acme
        ctl reload
        t_wait 5 d_tenant_is acme ready
}

# What is over one of the five stands over it.
own_default() {
        ctl profile show default | grep -v '@ipc' >"$D/etc/profiles/default"
        ctl reload
        t_eq "$(verdict "$(ctl run -t acme -- "$D/payload/call" 29)") $(under default acme 29)" "exit 0 ENOSYS exit 0" "shmget"
        rm "$D/etc/profiles/default"
        ctl reload
        t_eq "$(under default acme 29)" "EINVAL exit 0" "shmget again"
}

# A file that one tenant uses keeps nobody else from having a daemon; what is no profile is left alone.
broken_at_start() {
        echo garbage >"$D/etc/profiles/etl"
        echo words >"$D/etc/profiles/README"
        d_tenant_file acme profile=etl
        t_match "$("$D/bin/tenantqd" --config "$D/etc" --check 2>&1 || true)" 'profiles/etl:1: '
        d_status 3 ctl reload
        d_restart
        t_wait 5 d_tenant_is acme disabled
        t_match "$(cat "$D/log")" 'profiles/etl:1: [^;]*; until that is mended, tenants with profile=etl are disabled'
        t_match "$(cat "$D/log")" 'profiles: README is no profile'
        t_eq "$(ctl run -w -t globex -- echo served 2>/dev/null)" served "another tenant's job"
        rm "$D/etc/profiles/etl" "$D/etc/profiles/README"
        d_tenant_file acme
        ctl reload
        t_wait 5 d_tenant_is acme ready
}

learns() {
        local python='import socket; socket.socket(socket.AF_UNIX).bind("/tmp/x"); print("bound")' job learned
        ctl profile learn -t globex -- "$D_PYTHON" -c "$python" >"$D/etc/profiles/learned" 2>"$D/stage/said"
        t_match "$(cat "$D/stage/said")" 'job [0-9]+: exit 0'
        learned=$(cat "$D/etc/profiles/learned")
        t_eq "$(ctl profile check "$D/etc/profiles/learned" 2>&1)" "" "nothing of it is dangerous"
        t_match "$learned" $'\nbind$' "what it did"
        t_match "$learned" $'\nsocket  arg0 = AF_UNIX\n' "sockets, as default has them"
        ! grep -q 'no sockets' <<<"$learned" || t_fail "what strict says of itself is not true of it"
        d_tenant_file acme profile=learned
        ctl reload
        t_eq "$(ctl run -w -t acme -- "$D_PYTHON" -c "$python" 2>/dev/null)" bound "what was learned suffices"
        job=$(ctl run -t acme -- "$D/payload/call" 101)
        t_eq "$(verdict "$job")" "seccomp (ptrace)" "and no more than that"
        t_match "$(ctl events)" 'audit +globex .*bind'
        d_tenant_file acme
        ctl reload
        # Audited, what the profile ends a job for is noted.
        job=$(ctl run --profile strict -t globex -- "$D/payload/call" 101)
        t_eq "$(verdict "$job")" "exit 0"
        t_match "$(ctl events)" "audit +globex +$job .*ptrace"
}

# What an audit sees is a name: the same one for a thread and for a new user namespace.
learns_no_danger() {
        local call
        cat >"$D/payload/threads" <<END
#!$D_PYTHON
import threading
t = threading.Thread(target=print)
t.start()
t.join()
END
        chmod 755 "$D/payload/threads"
        ctl profile learn -t globex -- "$D/payload/threads" >"$D/stage/learned"
        t_match "$(cat "$D/stage/learned")" '# clone3: not allowed: '
        for call in unshare:272 ptrace:101 bpf:321 mount:165; do
                ctl profile learn -t globex -- "$D/payload/call" "${call#*:}" >"$D/stage/learned" 2>"$D/stage/said"
                t_match "$(cat "$D/stage/learned")" "# ${call%:*}: not allowed: "
                t_match "$(cat "$D/stage/said")" '1 calls of it are not allowed'
                t_eq "$(grep -c "^${call%:*}" "$D/stage/learned" || true)" 0 "${call%:*} is allowed"
        done
}

# nothing_learned STATUS REGEX COMMAND…
nothing_learned() {
        d_status "$1" "${@:3}" >"$D/stage/learned" 2>"$D/stage/said"
        t_match "$(cat "$D/stage/said")" "$2"
        t_eq "$(cat "$D/stage/learned")" "" "a profile"
}

# Nothing of a tenant that is not audited, nor by who may not see events: and the command does not run in vain. Nor of
# one that fails.
learns_nothing() {
        local profile
        for profile in strict default; do
                nothing_learned 4 'acme has not audit=yes: put it into tenants.d/acme.conf, systemctl reload tenantq' \
                        ctl profile learn --profile "$profile" -t acme -- /usr/bin/touch "$D/witness/ran"
        done
        nothing_learned 6 'only root and the group' \
                ctl_as 61002 61002 profile learn -- /usr/bin/touch "$D/witness/ran"
        [ ! -e "$D/witness/ran" ] || t_fail "the command has run"
        nothing_learned 1 'job [0-9]+: exit 3.*nothing is learned of a command that fails' \
                ctl profile learn -t globex -- /bin/sh -c 'exit 3'
        nothing_learned 1 'spawn .exec: ' ctl profile learn -t globex -- /etc/passwd
}

# What a profile allows that it should not is said, and allowed.
warns() {
        printf '%s\n' 'rank = default' 'otherwise = absent' '[allow]' unshare setns 'mount  arg0 = 0' clone >"$D/stage/loose"
        t_eq "$(ctl profile check "$D/stage/loose" 2>&1 | sed 's/.*loose:\([0-9]*: warning: it allows [a-z0-9]*\),.*/\1/')" \
                $'4: warning: it allows unshare\n5: warning: it allows setns\n7: warning: it allows clone'
        d_status 0 ctl profile check "$D/stage/loose"
}

shows() {
        local profile
        t_eq "$(ctl profile list | awk 'NR > 1 { print $1, $2 }' | head -n 5 | xargs)" \
                "strict strict no-network no-network default default debug debug permissive permissive"
        t_eq "$(ctl profile list --json | d_json 'j["profiles"][3]["otherwise"]')" absent
        for profile in strict no-network default debug permissive groups engine watch; do
                t_eq "$(ctl profile show "$profile")" "$(cat "$D_TOP/conf/profiles/$profile")" "$profile"
        done
        for profile in strict no-network default debug permissive; do
                ctl profile check "$D_TOP/conf/profiles/$profile"
        done
        d_status 5 ctl profile show nosuch
        d_status 5 ctl profile show ../passwd
        d_status 3 ctl profile check /etc/passwd
        # Its name is the profile's; but for a draft, and for what has none.
        cp "$D_TOP/conf/profiles/default" "$D/stage/UPPER"
        d_status 3 ctl profile check "$D/stage/UPPER" 2>"$D/stage/said"
        t_match "$(cat "$D/stage/said")" "UPPER can't be its name in /etc/tenantq/profiles"
        cp "$D/stage/UPPER" "$D/stage/etl.new"
        cp "$D/stage/UPPER" "$D/stage/strict"
        d_status 3 ctl profile check "$D/stage/strict" 2>"$D/stage/said"
        t_match "$(cat "$D/stage/said")" 'stage/strict: expected rank = strict, as its name says'
        d_status 0 ctl profile check "$D/stage/etl.new" 2>/dev/null
        d_status 0 ctl profile check - <"$D/stage/UPPER"
        d_status 1 ctl profile check /no/such
        d_status 2 ctl profile
        d_status 2 ctl profile show
}

# Who may not read root's profiles is not shown another one in its place.
unread() {
        local verb
        # An /etc of our own.
        cat >"$D/stage/unread" <<'END'
mount -t tmpfs none /etc && mkdir -p /etc/tenantq/profiles && chmod 0700 /etc/tenantq/profiles || exit 77
exec setpriv --reuid 61001 --regid 61001 --clear-groups "$@"
END
        for verb in 'show default' list; do
                # shellcheck disable=SC2086 # words
                d_status 1 unshare -m sh "$D/stage/unread" "$D/bin/tenantqctl" profile $verb >"$D/stage/shown" 2>"$D/stage/said"
                t_eq "$(cat "$D/stage/shown")" "" "$verb"
                t_eq "$(cat "$D/stage/said")" "tenantqctl: /etc/tenantq/profiles: Permission denied" "$verb"
        done
        # Root's own, with an error: which file it is.
        # shellcheck disable=SC2016 # expanded by the inner shell
        t_match "$(unshare -m sh -c 'mount -t tmpfs none /etc && mkdir -p /etc/tenantq/profiles &&
                echo Read >/etc/tenantq/profiles/broken; exec "$0" profile list' "$D/bin/tenantqctl" 2>&1 || true)" \
                'tenantqctl: /etc/tenantq/profiles/broken:1: expected .*, not "Read"'
}

d_case "what becomes of a call (T33)" decisions
d_case "other ways into the kernel (T34)" foreign
d_case "a profile that was lowered meanwhile (T19)" lowered_meanwhile
d_case "a profile of the administrator's" own_profile
d_case "a profile that a job may not have" refusals
d_case "which one holds is shown" is_shown
d_case "profiles of tenantq itself" own_of_tenantq
d_case "one that stands over default" own_default
d_case "one that is wrong when the daemon starts" broken_at_start
d_case "profile learn" learns
d_case "profile learn: what nobody may have" learns_no_danger
d_case "profile learn: who learns nothing" learns_nothing
d_case "profile check warns" warns
d_case "profile list, show and check" shows
d_case "profiles that may not be read" unread
d_case "nothing is left over" no_leftovers
d_report
t_summary
