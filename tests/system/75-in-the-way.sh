#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What gets in the way of a job, and never ends: files that stay open, that can't be read or leased, programs that can't
# be executed, locks that anybody may take, and watches that are used up. Nobody else notices, nothing is burnt, and
# whoever can mend it is told how.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61001 '[limits]' concurrency=64
d_tenant globex 61002

# Files (3, 8, 10) ----------------------------------------------------------------------------

# Each file must have gone within a second of its close. Some are emptied and written again: on ext4 such a close
# takes its time, and whoever looks at once still finds a writer.
write_in_place() {
        as_user "$(d_uid "$1")" "$D_PYTHON" - "$D/spool/$1" "$2" <<'END'
import os, sys, time
directory, name = sys.argv[1:]
text = f"[Job]\nName={name}\nExecStart=/bin/true\n".encode()
for n in range(200):
    path = f"{directory}/{name}{n}.job"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, text)
    if n % 2:
        os.ftruncate(fd, 0)
        os.pwrite(fd, text + b"#" * 30000, 0)
    os.close(fd)
    closed = time.monotonic()
    while os.path.exists(path):
        if time.monotonic() - closed > 1:
            sys.exit(f"{path} is there a second after it was closed")
        time.sleep(0.002)
END
}

open_for_ever() {
        local pid
        setpriv --reuid 61001 --regid 61001 --clear-groups "$D_PYTHON" -c 'import sys, time
f = open(sys.argv[1], "w")
f.write("[Job]\nName=held\nExecStart=/bin/true\n")
f.flush()
time.sleep(60)' "$D/spool/acme/held.job" &
        pid=$!
        # shellcheck disable=SC2064 # this very process
        trap "kill $pid; rm -f '$D/spool/acme/held.job'" EXIT
        # Long enough that whoever asks less and less often now waits for seconds.
        sleep 4
        [ -e "$D/spool/acme/held.job" ] || t_fail "a file with a writer was taken"
        write_in_place "$1" beside-"$1"
        [ -e "$D/spool/acme/held.job" ] || t_fail "a file with a writer was taken"
        t_wait 20 none_waits "$1"
        t_eq "$(ctl --json ps -a -n 10000 "$1" | d_json "sum(r['name'] == 'beside-$1' and r['verdict'] == 'exit 0' for r in j['jobs'])")" \
                200 "jobs of files that were written in place"
}

# How many events, of the newest 1000, say that.
events_of() {
        ctl --json events -n 1000 | d_json "sum('$1' in e['text'] for e in j['events'])"
}

# is_named TENANT WHAT: status of the tenant names the file. is_unnamed: it doesn't.
is_named() {
        ctl status "$1" | grep -qF "$2"
}

is_unnamed() {
        local shown
        shown=$(ctl status "$1") && [[ $shown != *"$2"* ]]
}

# Told once, however often it is looked at, and no longer than it lasts.
not_for_the_tenant() {
        local how text
        trap 'rm -f "$D"/spool/acme/unreadable-*' EXIT
        for how in mended removed; do
                say_hello "was-$how" >"$D/stage/unreadable"
                chmod 0600 "$D/stage/unreadable"
                mv "$D/stage/unreadable" "$D/spool/acme/unreadable-$how.job"
                t_wait 8 is_named acme "unreadable-$how.job"
                text=$(ctl status acme | grep -F "unreadable-$how.job")
                t_match "$text" 'chmod|chown' "what mends unreadable-$how.job"
                # All that makes it be looked at again.
                chmod 0600 "$D/spool/acme/unreadable-$how.job"
                say_hello beside | drop acme "beside-$how"
                job_of acme beside >/dev/null
                sleep 1.5
                chown 0:0 "$D/spool/acme/unreadable-$how.job"
                sleep 0.5
                t_eq "$(events_of "unreadable-$how.job")" 1 "events about unreadable-$how.job"
                case $how in
                mended)
                        chmod 0644 "$D/spool/acme/unreadable-$how.job"
                        t_eq "$(verdict "$(job_of acme was-mended)")" "exit 0"
                        ;;
                removed) rm "$D/spool/acme/unreadable-$how.job" ;;
                esac
                t_wait 10 is_unnamed acme "unreadable-$how.job"
        done
        t_eq "$(events_of unreadable-)" 2 "events in the end"
        # Several at the same time: each is told, once.
        for how in 1 2 3; do
                # The text of all of them is longer than there is room for, and cut at no character's middle.
                say_hello "was-$how" >"$D/stage/unreadable"
                chmod 0600 "$D/stage/unreadable"
                mv "$D/stage/unreadable" "$D/spool/acme/unreadable-$how.job"
                t_wait 8 is_named acme "unreadable-$how.job"
        done
        printf '' >"$D/spool/acme/.$(printf 'é%.0s' {1..100})"
        install -m 0600 "$D/spool/acme/unreadable-1.job" "$D/spool/acme/x$(printf 'é%.0s' {1..110}).job"
        sleep 1
        ctl tenants >/dev/null
        ctl events >/dev/null
        rm "$D"/spool/acme/x*.job "$D"/spool/acme/.?*
        for how in 1 2 3; do
                t_wait 10 is_named acme "unreadable-$how.job"
                chmod 0644 "$D/spool/acme/unreadable-$how.job"
                t_eq "$(verdict "$(job_of acme "was-$how")")" "exit 0"
                t_wait 10 is_unnamed acme "unreadable-$how.job"
        done
        [ "$(events_of unreadable-)" -ge 5 ] || t_fail "only $(events_of unreadable-) events"
}

# A file system without leases, of which one file is enough: fcntl(2) of tenantqd fails for it.
no_lease() {
        local pid
        command -v strace >/dev/null || t_skip "no strace, which makes fcntl(2) fail as on a file system without leases"
        strace -qq -o "$D/stage/strace" -p "$(d_pid)" -P "$D/spool/acme/leaseless.job" -e trace=fcntl -e inject=fcntl:error=EINVAL &
        pid=$!
        # shellcheck disable=SC2064 # this very process
        trap "kill $pid 2>/dev/null || true; wait; rm -f '$D/spool/acme/leaseless.job'" EXIT
        sleep 0.5
        kill -0 "$pid" 2>/dev/null || t_skip "strace can't attach here"
        say_hello was-leaseless | drop acme leaseless
        say_hello with-lease | drop acme with-lease
        t_eq "$(verdict "$(job_of acme with-lease)")" "exit 0"
        t_wait 8 is_named acme leaseless.job
        t_match "$(ctl status acme | grep -F leaseless.job)" 'lease' "why leaseless.job is not taken"
        sleep 2
        t_eq "$(events_of leaseless.job)" 1 "events about leaseless.job"
        grep -q INJECTED "$D/stage/strace" || t_skip "strace had no effect"
        kill "$pid"
        wait "$pid" || true
        touch "$D/spool/acme/leaseless.job"
        t_wait 10 has_ended acme was-leaseless
        t_wait 10 is_unnamed acme leaseless.job
}

count_rejected() {
        [ "$(find "$D/spool/$1/rejected" -name "*$2*.job" | wc -l)" -eq "$3" ]
}

# Each stays, with its own reason beside it.
same_name_again() {
        local key n=0 file found
        for key in FirstKey SecondKey ThirdKey; do
                n=$((n + 1))
                printf '[Job]\n%s=1\n' "$key" | drop acme same
                t_wait 5 none_left acme
                refused acme same .
                t_wait 2 count_rejected acme same "$n"
        done
        [ -e "$D/spool/acme/rejected/same.job" ] || t_fail "none has its own name"
        for key in FirstKey SecondKey ThirdKey; do
                found=$(grep -lr --include='*.job' "^$key=" "$D/spool/acme/rejected")
                [ -f "$found" ] || t_fail "files with $key: '$found'"
                file=$(basename "$found" .job)
                t_match "$file" '^same$|^same.*[0-9]|^[0-9].*same' "the name of the file with $key"
                t_match "$(reason acme "$file")" "$key" "the reason beside $file.job"
        done
        rm -rf "$D/spool/acme/rejected"
}

# Programs (12) -------------------------------------------------------------------------------

# verdict_of COMMAND: as `status` shows it.
verdict_of() {
        local job
        job=$(ctl run -t acme -- "$1")
        verdict "$job" >/dev/null
        d_field "$job" Verdict
}

what_can_not_be_executed() {
        local interpreter cr format missing
        printf '#!/no/such/interpreter\n' | payload no-interpreter >/dev/null
        printf '#!/bin/sh\r\nexit 0\r\n' | payload carriage-return >/dev/null
        printf 'echo no interpreter line\n' | payload no-format >/dev/null
        interpreter=$(verdict_of "$D/payload/no-interpreter")
        cr=$(verdict_of "$D/payload/carriage-return")
        format=$(verdict_of "$D/payload/no-format")
        missing=$(verdict_of "$D/payload/missing")
        printf '%s\n' "$interpreter" "$cr" "$format" "$missing"
        t_eq "$(printf '%s\n' "$interpreter" "$cr" "$format" "$missing" | sort -u | wc -l)" 4 "different verdicts"
        t_match "$interpreter" '^spawn .*[Ii]nterpreter' "a missing interpreter"
        t_match "$cr" '^spawn .*([Cc]arriage return|CR|\\r)' "a carriage return behind #!"
        t_match "$format" '^spawn .*[Ff]ormat' "no format"
        t_match "$missing" '^spawn .*No such file' "a missing program"
        # They exist. Of an interpreter it may be said, if it is said of the interpreter.
        [[ "$cr$format" != *"No such file"* ]] || t_fail "\"No such file\" of a file that exists"
}

# A program that is being written: it is tried again, and runs once that is done.
text_file_busy() {
        local job
        cp /bin/true "$D/payload/busy"
        exec {busy}>>"$D/payload/busy"
        job=$(ctl run -t acme -- "$D/payload/busy")
        sleep 0.5
        t_match "$(d_field "$job" State)" '^(scheduled|queued)$' "its state while the program is busy"
        t_match "$(ctl explain "$job")" 'launch' "explain"
        exec {busy}>&-
        t_eq "$(verdict "$job")" "exit 0"
}

# Locks (1) -----------------------------------------------------------------------------------

# Somebody who is no tenant locks whatever can be opened, and is first when the daemon lets go.
locks_of_others() {
        local pid status=0
        setpriv --reuid 65534 --regid 65534 --clear-groups "$D_PYTHON" - "$D" >"$D/stage/locks" <<'END' &
import fcntl, os, sys, time
open_files = []
for directory, _, names in os.walk(sys.argv[1]):
    for name in [""] + names:
        try:
            open_files.append(os.open(os.path.join(directory, name), os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            pass
left = open_files
while True:
    again = []
    for fd in left:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            again.append(fd)
        try:
            fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            pass
    left = again
    print(f"{len(left)} of {len(open_files)} are left", flush=True)
    time.sleep(0.02 if left else 60)
END
        pid=$!
        # shellcheck disable=SC2064 # this very process
        trap "kill $pid" EXIT
        t_wait 5 grep -q 'are left' "$D/stage/locks"
        d_stop
        t_wait 3 grep -q '^0 of' "$D/stage/locks"
        (d_start) || t_fail "it does not start: $(tail -n 1 "$D/log")"
        timeout 10 "$D/bin/tenantqd" --config "$D/etc" --helpers "$D/bin" >"$D/stage/second" 2>&1 </dev/null || status=$?
        t_eq "$status" 75 "exit status of a second tenantqd"
        t_match "$(cat "$D/stage/second")" 'another tenantqd' "what it says"
        t_eq "$(ctl run -w -t acme -- echo fine)" fine output
}

# Watches (9) ---------------------------------------------------------------------------------

# A user namespace has a limit of its own, so nobody else is concerned. There tenantqd has no lease on tenants' files,
# only on root's.
start_with_watches() {
        cat >"$D/stage/userns.py" <<'END'
import ctypes, os, sys
me = os.getpid()
ready, go = os.pipe()
child = os.fork()
if child == 0:
    os.close(go)
    os.read(ready, 1)
    for name in "uid_map", "gid_map":
        with open(f"/proc/{me}/{name}", "w") as f:
            f.write("0 0 4294967295")
    os._exit(0)
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) != 0:  # CLONE_NEWUSER
    sys.exit("unshare: " + os.strerror(ctypes.get_errno()))
os.close(go)
if os.waitpid(child, 0)[1] != 0:
    sys.exit("the namespace's users can't be mapped")
with open("/proc/sys/user/max_inotify_watches", "w") as f:
    f.write(sys.argv[1])
os.execv(sys.argv[2], sys.argv[2:])
END
        "$D_PYTHON" "$D/stage/userns.py" "$1" /bin/true 2>"$D/stage/userns" ||
                t_skip "no user namespace with fewer watches here: $(tail -n 1 "$D/stage/userns")"
        d_stop
        setsid "$D_PYTHON" "$D/stage/userns.py" "$1" "$D/bin/tenantqd" --config "$D/etc" --helpers "$D/bin" >>"$D/log" 2>&1 </dev/null 10>&- 11>&- 12>&- &
        echo $! >"$D/pid"
        t_wait 5 d_answers
}

# few_watches N
few_watches() {
        local t name
        # Back to the daemon that the other cases know.
        trap '(d_stop) || true; (d_start)' EXIT
        start_with_watches "$1"
        for name in first second; do
                for t in acme globex; do
                        say_hello "$name-$1" >"$D/stage/roots"
                        mv "$D/stage/roots" "$D/spool/$t/$name-$1.job"
                done
                for t in acme globex; do
                        t_wait 8 has_ended "$t" "$name-$1"
                        t_eq "$(verdict "$(d_find "$t" "$name-$1")")" "exit 0"
                done
        done
        grep -qE 'max_user_watches|max_inotify_watches' <<<"$(ctl status; ctl tenants; ctl status acme; ctl status globex)" ||
                t_fail "status names no sysctl"
}

# A directory above the ledger is closed to everybody for a moment, as tar does to what it extracts into: the engine
# has its ledger open.
closed_above() {
        local job
        trap 'chmod 0755 "$D"' EXIT
        chmod 0700 "$D"
        job=$(ctl submit -t acme - <<<$'[Job]\nName=above\nExecStart=/bin/true')
        chmod 0755 "$D"
        t_eq "$(verdict "$job")" "exit 0"
}

d_case "a directory above the ledger is closed" closed_above
d_case "a job file that is open for ever delays no other tenant's" open_for_ever globex
d_case "a job file that is open for ever delays no other of its tenant" open_for_ever acme
d_case "a refused name a second time" same_name_again
d_case "a file that the tenant can't read" not_for_the_tenant
d_case "a file without leases (T15)" no_lease
d_case "programs that can't be executed, each for its own reason" what_can_not_be_executed
d_case "everything is locked by somebody else" locks_of_others
d_case "all inotify watches but two are taken" few_watches 2
d_case "all inotify watches are taken (T68)" few_watches 0
d_case "a program that is being written" text_file_busy
d_report
t_summary
