#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What gets in the way, never ends, comes without end, or goes away under the daemon: locks that anybody may take,
# modes that flip, files that stay open, crowds of processes and of events, and directories, sockets and ledgers
# that are removed while it runs. Nobody else must notice; nothing is burnt; whoever can mend it is told how.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # none are wanted
d_init
printf '%s\n' '[limits]' concurrency=64 >"$D/etc/tenants.d/acme.conf"
d_start
d_tenant acme 61001
d_tenant globex 61002
witness=$(witness_payload)

# as_user UID COMMAND [ARG…]: not in the background, where its number would be a shell's.
as_user() {
        setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

# good NAME [LINE…]: a job file.
good() {
        printf '[Job]\nName=%s\nExecStart=/bin/echo alive\n' "$1"
        shift
        [ $# -eq 0 ] || printf '%s\n' "$@"
}

# The job of that name has come to its end.
has_ended() {
        local job
        job=$(d_find "$1" "$2")
        [ -n "$job" ] && d_state_is "$job" "done"
}

fault_of() {
        d_answers || t_fail "no daemon answers"
        ctl --json tenants | d_json "[t['fault'] or '' for t in j['tenants'] if t['tenant'] == '$1'][0]"
}

# How many events, of the newest 1000, say that.
events_of() {
        ctl --json events -n 1000 | d_json "sum('$1' in e['text'] for e in j['events'])"
}

# The number of the newest event.
last_event() {
        ctl --json events -n 1 | d_json 'max([e["event"] for e in j["events"]] or [0])'
}

ms_since() {
        echo $((($(date +%s%N) - $1) / 1000000))
}

# Files (3, 8, 10, 12) ------------------------------------------------------------------------

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

none_waits() {
        [ "$(ctl --json ps "$1" | d_json 'len(j["jobs"])')" = 0 ]
}

# is_named TENANT WHAT: status of the tenant names the file. is_unnamed: it doesn't.
is_named() {
        ctl status "$1" | grep -qF "$2"
}

is_unnamed() {
        ! is_named "$@"
}

# Told once, however often it is looked at, and no longer than it lasts.
not_for_the_tenant() {
        local how text
        trap 'rm -f "$D"/spool/acme/unreadable-*' EXIT
        for how in mended removed; do
                good "was-$how" >"$D/stage/unreadable"
                chmod 0600 "$D/stage/unreadable"
                mv "$D/stage/unreadable" "$D/spool/acme/unreadable-$how.job"
                t_wait 8 is_named acme "unreadable-$how.job"
                text=$(ctl status acme | grep -F "unreadable-$how.job")
                t_match "$text" 'chmod|chown' "what mends unreadable-$how.job"
                # All that makes it be looked at again.
                chmod 0600 "$D/spool/acme/unreadable-$how.job"
                good beside | drop acme "beside-$how"
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
                good "was-$how" >"$D/stage/unreadable"
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
                is_named acme "unreadable-$how.job" || t_fail "unreadable-$how.job is not named any more"
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
        good was-leaseless | drop acme leaseless
        good with-lease | drop acme with-lease
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

# Configuration (11) --------------------------------------------------------------------------

# Prints the exit status; the output is in the file.
check_config() {
        local status=0
        timeout 10 "$D/bin/tenantqd" --check --config "$D/etc" >"$D/stage/check" 2>&1 </dev/null || status=$?
        echo "$status"
}

is_logged() {
        tail -n "+$(($1 + 1))" "$D/log" | grep -qE "$2"
}

config_is_checked() {
        local status lines
        # shellcheck disable=SC2064 # these very bytes
        trap "chmod 0644 '$D/etc/tenants.d/acme.conf'; printf '%s\n' '[limits]' concurrency=64 >'$D/etc/tenants.d/acme.conf'; rm -f '$D/etc/tenants.d/nobody.conf'" EXIT
        # Beside the daemon that runs: nothing is locked, made or taken over.
        t_eq "$(check_config)" 0 "exit status for good files ($(cat "$D/stage/check"))"
        t_match "$(cat "$D/stage/check")" '^(ok)?$' "output for good files"
        d_answers || t_fail "the daemon does not answer any more"

        printf '%s\n' '[limits]' concurrency=64 memroy=1G >"$D/etc/tenants.d/acme.conf"
        status=$(check_config)
        [ "$status" -ne 0 ] || t_fail "a file with an error is good"
        t_match "$(cat "$D/stage/check")" 'tenants\.d/acme\.conf(:| line |, line )3' "output for a file with an error"
        status=0
        ctl reload >"$D/stage/reload" 2>&1 || status=$?
        [ "$status" -ne 0 ] || t_fail "a file with an error is loaded"
        t_match "$(cat "$D/stage/reload")" 'acme\.conf(:| line |, line )3' "what reload says"
        lines=$(wc -l <"$D/log")
        kill -HUP "$(d_pid)"
        t_wait 5 is_logged "$lines" 'acme\.conf(:| line |, line )3'

        printf '%s\n' '[limits]' concurrency=64 >"$D/etc/tenants.d/acme.conf"
        printf '%s\n' '[limits]' concurrency=2 >"$D/etc/tenants.d/nobody.conf"
        check_config
        t_match "$(cat "$D/stage/check")" 'nobody' "output for a file of no tenant"
        lines=$(wc -l <"$D/log")
        ctl reload >"$D/stage/reload" 2>&1 || t_fail "a file of no tenant refuses the reload: $(cat "$D/stage/reload")"
        grep -q nobody "$D/stage/reload" || t_wait 5 is_logged "$lines" nobody
        # It may be the next tenant's; an error in it is one all the same.
        printf '%s\n' '[limits]' '' 'concurrency=-2' >"$D/etc/tenants.d/nobody.conf"
        status=$(check_config)
        [ "$status" -ne 0 ] || t_fail "a file of no tenant with an error is good"
        t_match "$(cat "$D/stage/check")" 'nobody\.conf(:| line |, line )3' "output for it"
        rm "$D/etc/tenants.d/nobody.conf"

        cp "$D/etc/tenantq.conf" "$D/stage/tenantq.conf"
        sed -i '1a spol=/nowhere' "$D/etc/tenantq.conf"
        status=$(check_config)
        mv "$D/stage/tenantq.conf" "$D/etc/tenantq.conf"
        [ "$status" -ne 0 ] || t_fail "tenantq.conf with an error is good"
        t_match "$(cat "$D/stage/check")" 'tenantq\.conf(:| line |, line )2' "output for tenantq.conf with an error"
        t_eq "$(check_config)" 0 "exit status in the end"

        # Who could write there could have root do anything.
        chmod 0666 "$D/etc/tenants.d/acme.conf"
        status=$(check_config)
        [ "$status" -ne 0 ] || t_fail "a file that all can write is good"
        t_match "$(cat "$D/stage/check")" 'acme\.conf: the file can be written by others than root .mode 0666.: chmod go-w'
        d_status 3 ctl reload 2>"$D/stage/reload"
        t_match "$(cat "$D/stage/reload")" 'can be written by others'
        t_match "$(ctl events -n 1)" 'reload .* by user 0: refused: .*can be written by others'
        chmod 0644 "$D/etc/tenants.d/acme.conf"
        ctl reload
        t_match "$(ctl events -n 1)" 'reload .* by user 0$'
        # What only a restart brings is said, and not done.
        cp "$D/etc/tenantq.conf" "$D/stage/tenantq.conf"
        sed -i 's|^spool=.*|spool=/nowhere|' "$D/etc/tenantq.conf"
        lines=$(wc -l <"$D/log")
        ctl reload
        t_wait 5 is_logged "$lines" 'spool=/nowhere takes effect when tenantq is restarted'
        mv "$D/stage/tenantq.conf" "$D/etc/tenantq.conf"
        ctl reload
        mkdir "$D/spool/12345" "$D/spool/host"
        check_config
        t_match "$(cat "$D/stage/check")" '/12345 is no tenant: expected .*not only digits, not "host"'
        t_match "$(cat "$D/stage/check")" '/host is no tenant'
        rmdir "$D/spool/12345" "$D/spool/host"
        cp "$D/etc/tenantq.conf" "$D/stage/tenantq.conf"
        sed -i 's/^required_controllers=.*/required_controllers=cpu memroy/' "$D/etc/tenantq.conf"
        status=$(check_config)
        mv "$D/stage/tenantq.conf" "$D/etc/tenantq.conf"
        [ "$status" -ne 0 ] || t_fail "an unknown controller is good"
        t_match "$(cat "$D/stage/check")" 'required_controllers: "memroy" is not one of'
        t_eq "$(check_config)" 0 "exit status in the end"
}

# Times (6) -----------------------------------------------------------------------------------

# deadline_ends DEADLINE [LINE…]: prints the job's number if it ended so.
deadline_ends() {
        local job deadline=$1
        shift
        {
                printf '[Job]\nName=late\nExecStart=%s 0\nDeadline=%s\n' "$witness" "$deadline"
                [ $# -eq 0 ] || printf '%s\n' "$@"
        } >"$D/stage/late"
        job=$(ctl submit -t globex "$D/stage/late")
        t_eq "$(verdict "$job")" deadline "verdict of a job with Deadline=$deadline $*"
}

deadlines_that_have_passed() {
        local engine i just
        engine=$(d_engine)
        t_eq "$(ctl run -w -t globex -- echo before)" before output
        : >"$D/witness/globex"
        for ((i = 0; i < 50; i++)); do
                just=$(date -u -d '-1 second' '+%F %T UTC')
                case $((i % 5)) in
                0) deadline_ends "2001-01-01" ;;
                1) deadline_ends "$just" ;;
                2) deadline_ends "$just" After=never-comes ;;
                3) deadline_ends "2001-01-01 00:00" After=echo ;;
                4) deadline_ends "$just" "StartAfter=2001-01-01" ;;
                esac
        done
        t_eq "$(witness_count start)" 0 "jobs that ran"
        t_eq "$(d_engine)" "$engine" "pid of the engine"
}

# 0 is a time too.
deadline_at_the_epoch() {
        local text
        : >"$D/witness/globex"
        for text in "1970-01-01 UTC" "1970-01-01 00:00 UTC" "1970-01-01 00:00:00 UTC"; do
                deadline_ends "$text"
        done
        t_eq "$(witness_count start)" 0 "jobs that ran"
}

# Crowds (4, 5) -------------------------------------------------------------------------------

# crowd N FORKS: N processes with sessions of their own that end at SIGTERM, and say so; the youngest of them brings
# more into the world, one each FORKS microseconds. The eldest waits for all, and says how many were born and how many
# were told. Whoever gets no SIGTERM keeps it waiting.
crowd_program() {
        [ ! -x "$D/payload/crowd" ] || return 0
        command -v cc >/dev/null || t_skip "no C compiler"
        cat >"$D/stage/crowd.c" <<'END'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int told;

static void on_term(int sig) {
        (void)sig;
        _exit(write(told, "t", 1) != 1);
}

static void ignore(int sig) {
        (void)sig;
}

/* SIGTERM is blocked from before the birth, so that none comes too early to be noticed. */
static pid_t bear(const sigset_t *unblocked) {
        pid_t pid;

        if (write(told, "b", 1) != 1)
                exit(1);
        pid = fork();
        if (pid != 0)
                return pid;
        (void)setsid();
        (void)signal(SIGTERM, on_term);
        (void)sigprocmask(SIG_SETMASK, unblocked, NULL);
        return 0;
}

static void rest(useconds_t forks) {
        sigset_t term, before;

        (void)sigemptyset(&term);
        (void)sigaddset(&term, SIGTERM);
        while (forks > 0) {
                (void)usleep(forks);
                (void)sigprocmask(SIG_BLOCK, &term, &before);
                if (bear(&before) == 0)
                        break;
                (void)sigprocmask(SIG_SETMASK, &before, NULL);
        }
        for (;;)
                (void)pause();
}

int main(int argc, char *argv[]) {
        int n = argc > 2 ? atoi(argv[1]) : 0, fds[2], born = 0, heard = 0;
        sigset_t term, before;
        char text[4096];
        ssize_t got;

        if (pipe(fds) < 0)
                return 1;
        told = fds[1];
        (void)sigemptyset(&term);
        (void)sigaddset(&term, SIGTERM);
        (void)sigprocmask(SIG_BLOCK, &term, &before);
        for (int i = 0; i < n; i++)
                switch (bear(&before)) {
                case -1:
                        perror("fork");
                        return 1;
                case 0:
                        (void)close(fds[0]);
                        rest(i == n - 1 ? (useconds_t)atoi(argv[2]) : 0);
                }
        (void)close(fds[1]);
        (void)signal(SIGTERM, ignore);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        (void)printf("all are there\n");
        (void)fflush(stdout);
        while ((got = read(fds[0], text, sizeof(text))) != 0)
                for (ssize_t i = 0; i < got; i++) {
                        born += text[i] == 'b';
                        heard += text[i] == 't';
                }
        (void)printf("born %d told %d\n", born, heard);
        return 0;
}
END
        cc -O2 -static -o "$D/payload/crowd" "$D/stage/crowd.c"
        chmod 755 "$D/payload/crowd"
}

# crowd_is_told N FORKS
crowd_is_told() {
        local job start waited born told
        crowd_program
        printf '[Job]\nName=crowd\nExecStart=%s %s %s\nTimeoutStopSec=30s\n' "$D/payload/crowd" "$1" "$2" >"$D/stage/crowd"
        job=$(ctl submit -t acme "$D/stage/crowd")
        t_wait 20 grep -q 'all are there' "$D/logs/acme/$job.1.out"
        [ "$(d_pids "$job" | wc -l)" -ge "$1" ] || t_fail "only $(d_pids "$job" | wc -l) processes"
        start=$(date +%s%N)
        ctl cancel "$job"
        t_eq "$(ctl run -w -t globex -- echo meanwhile)" meanwhile "output of another tenant's job"
        waited=$(ms_since "$start")
        echo "answered after $waited ms"
        [ "$waited" -lt 1000 ] || t_fail "the other tenant waited $waited ms"
        t_wait 6 d_state_is "$job" "done"
        # Whoever had to be killed would have made it `cancelled`.
        t_eq "$(d_field "$job" Verdict)" "exit 0"
        read -r _ born _ told <<<"$(ctl logs "$job" | tail -n 1)"
        echo "born $born, told $told"
        [ "$born" -ge "$1" ] || t_fail "only $born were born"
        t_eq "$told" "$born" "processes that got SIGTERM, of all that were born"
}

# refuse_many N PREFIX: drops so many bad files, with names that have no digit in them.
refuse_many() {
        "$D_PYTHON" - "$D/stage" "$D/spool/acme" "$(d_uid acme)" "$1" "$2" <<'END'
import os, sys
stage, spool, uid, n, prefix = sys.argv[1:]
for i in range(int(n)):
    name = prefix + "".join(chr(97 + i // 26 ** k % 26) for k in range(3))
    with open(stage + "/bad", "w") as f:
        f.write("nonsense\n")
    os.chown(stage + "/bad", int(uid), int(uid))
    os.rename(stage + "/bad", f"{spool}/{name}.job")
END
}

# Until all are dealt with, at most so many seconds; where they end up is not the question here.
until_none_left() {
        local i
        for ((i = 0; i < 10 * $1; i++)); do
                sleep 0.1
                ! none_left acme || [ -n "$(find "$D/spool/.claims" -type f)" ] || return 0
        done
}

events_without_end() {
        local first lines stubborn held rows summaries told rejected=$D/spool/acme/rejected
        first=$(last_event)
        lines=$(wc -l <"$D/log")

        refuse_many 3000 many-
        until_none_left 30
        none_left acme || t_fail "bad files are left"
        rm -rf "$rejected"

        payload stubborn >/dev/null <<<'#!/bin/sh
trap "" TERM
echo ready
while :; do sleep 1; done'
        printf '[Job]\nName=stubborn\nExecStart=%s\nTimeoutStopSec=2min\n' "$D/payload/stubborn" >"$D/stage/stubborn"
        stubborn=$(ctl submit -t acme "$D/stage/stubborn")
        t_wait 5 grep -q ready "$D/logs/acme/$stubborn.1.out"
        held=$(good held StartAfter=2099-01-01 | ctl submit -t acme /dev/stdin)
        # shellcheck disable=SC2016 # for the inner shell
        as_user 61001 bash -c 'ctl=$1 stubborn=$2 held=$3
for ((i = 0; i < 500; i++)); do
        again[i]=$stubborn
        "$ctl" hold "$held" && "$ctl" release "$held" || exit 1
done
"$ctl" cancel "${again[@]}" 2>/dev/null || true' _ "$D/bin/tenantqctl" "$stubborn" "$held"
        ctl cancel "$held"

        # Where refused files can't be kept.
        install -d -m 0000 -o 61001 -g 61001 "$rejected"
        refuse_many 150 shut-
        until_none_left 5
        rm -rf "$rejected"
        echo a-file >"$rejected"
        refuse_many 150 file-
        until_none_left 5
        rm -f "$rejected"

        echo 1 >"$D_CGROUP/acme.slice/$stubborn.1.job/cgroup.kill"
        t_wait 10 d_state_is "$stubborn" "done"
        lines=$(($(wc -l <"$D/log") - lines))
        d_stop
        # A number with one of these words behind it is a count; neither names nor reasons have one.
        "$D_PYTHON" - "$D/state/ledger/ledger.db" "$first" >"$D/stage/events" <<'END'
import re, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("SELECT kind, text FROM events WHERE id > ?", (sys.argv[2],)).fetchall()
counts = [sum(int(n) for n in re.findall(r"\b(\d+) (?:times|more|further|other|others|files|refused)\b", text))
          for kind, text in rows if "nonsense" in text or "refus" in kind or "refus" in text]
print(len(rows), sum(n > 1 for n in counts), sum(max(n, 1) for n in counts))
END
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
        d_start
        read -r rows summaries told <"$D/stage/events"
        echo "$rows events, $summaries of them count refused files, they tell of $told; $lines lines"
        [ "$rows" -lt 400 ] || t_fail "$rows events"
        [ "$summaries" -ge 1 ] || t_fail "no event says how many files were refused"
        [ "$told" -ge 3000 ] || t_fail "the events tell of $told files only"
        [ "$lines" -lt 100 ] || t_fail "$lines lines in the log"
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

# What goes away (7) --------------------------------------------------------------------------

# lives_on NAME BACK: a job of acme's runs, and its output can be read. Or what has gone can't be mended: then the
# tenant has a fault, the job waits, and runs when BACK has put it back.
lives_on() {
        local job
        good "$1" | drop acme "$1"
        if ! (t_wait 6 has_ended acme "$1"); then
                t_match "$(fault_of acme)" . "the tenant's fault"
                echo "fault: $(fault_of acme)"
                "$2"
                t_wait 10 has_ended acme "$1"
        fi
        job=$(d_find acme "$1")
        t_eq "$(d_field "$job" Verdict)" "exit 0" "verdict"
        t_eq "$(ctl logs "$job")" alive output
}

# vanishes NAME FUNCTION [ARG…]: a case, after which a new daemon makes good what this one could not.
vanishes() {
        local failed=$t_failed
        t_case "$@"
        [ "$t_failed" -eq "$failed" ] || {
                (d_restart) >/dev/null 2>&1
                d_sweep
        }
}

log_directory_back() {
        install -d -m 2750 -o 0 -g 61001 "$D/logs/acme"
}

log_directory() {
        rm -rf "$D/logs/acme"
        lives_on without-log log_directory_back
}

all_logs_back() {
        install -d -m 0755 "$D/logs"
}

all_logs() {
        rm -rf "$D/logs"
        lives_on without-logs all_logs_back
        t_eq "$(ctl run -w -t globex -- echo too)" too "output of the other tenant"
}

control_socket() {
        rm "$D/run/control.sock"
        lives_on without-socket true
        t_eq "$(stat -c %a "$D/run/control.sock")" 666 "mode of the socket"
        # As anybody.
        t_match "$(ctl_as 61001 61001 ps -a)" without-socket "what the tenant's user sees"
}

run_directory() {
        rm -rf "$D/run"
        lives_on without-run true
        t_eq "$(stat -c '%u %a' "$D/run")" "0 755" "owner and mode of the directory"
}

claims_directory_back() {
        install -d -m 0700 "$D/spool/.claims"
}

claims_directory() {
        rm -rf "$D/spool/.claims"
        lives_on without-claims claims_directory_back
        t_eq "$(stat -c '%u %a' "$D/spool/.claims")" "0 700" "owner and mode of the directory"
        # It is what a new daemon looks into.
        d_restart
        lives_on after-claims claims_directory_back
}

# More jobs at the same time than there have been, so that new records are needed.
# A file system is mounted over the spool, and goes again: what is seen by its path counts.
spool_is_hidden() {
        mount -t tmpfs tmpfs "$D/spool"
        mkdir -m 0700 "$D/spool/globex"
        chown 61002:61002 "$D/spool/globex"
        t_wait 5 test -d "$D/spool/.claims"
        good hidden | drop globex hidden
        t_wait 5 taken globex hidden
        t_eq "$(stat -c '%u %a' "$D/spool/.claims")" "0 700" "owner and mode of .claims there"
        umount -l "$D/spool"
        good seen | drop globex seen
        t_wait 5 taken globex seen
        lives_on after-mount true
}

taken() {
        [ ! -e "$D/spool/$1/$2.job" ] && ctl ps -a -n 20 "$1" | grep -qw "$2"
}

results_directory_back() {
        install -d -m 0700 "$D/state/results"
}

results_directory() {
        local gate jobs=() n i
        n=$(find "$D/state/results" -type f | wc -l)
        rm -rf "$D/state/results"
        gate=$(d_gate_make results)
        for ((i = 0; i <= n; i++)); do
                jobs+=("$(printf '[Job]\nQueue=q%s\nName=gated\nExecStart=/bin/sh -c "read x <%s; exit 0"\n' "$i" "$gate" | ctl submit -t acme /dev/stdin)")
        done
        lives_on without-results results_directory_back
        d_gate_open results
        for i in "${jobs[@]}"; do
                t_eq "$(verdict "$i")" "exit 0" "a job that ran with a new record, or with an old one"
        done
        # Records that a new daemon finds.
        gate=$(d_gate_make again)
        i=$(ctl run -t acme -- sh -c "read x <$gate; exit 7")
        t_wait 5 d_state_is "$i" running
        d_stop
        d_gate_open again
        t_wait 5 nothing_runs
        d_start
        t_eq "$(verdict "$i")" "exit 7" "what ended between two daemons"
}

nothing_runs() {
        ! grep -q "populated 1" "$D_CGROUP"/*.slice/*.job/cgroup.events 2>/dev/null
}

cgroup_slice_back() {
        mkdir -p "$D_CGROUP/acme.slice"
}

cgroup_slice() {
        t_wait 5 d_has_leaves 0
        rmdir "$D_CGROUP/acme.slice"
        lives_on without-slice cgroup_slice_back
        [ -d "$D_CGROUP/acme.slice" ] || t_fail "there is no slice"
}

refuses() {
        ! ctl run -t globex -- /bin/true >/dev/null 2>"$D/stage/refusal"
}

ledger() {
        local gate job status=0
        gate=$(d_gate_make ledger)
        job=$(ctl run -t acme -- sh -c "read x <$gate; exit 0")
        t_wait 5 d_state_is "$job" running
        rm "$D"/state/ledger/ledger.db*
        sleep 1
        ctl run -t globex -- /bin/true >"$D/stage/refusal" 2>&1 || status=$?
        t_eq "$status" 4 "exit status of a submission without a ledger ($(cat "$D/stage/refusal"))"
        t_match "$(ctl status; cat "$D/stage/refusal")" 'ledger.*(gone|removed|missing|written)|degraded' "what is said"
        good unledgered | drop globex unledgered
        sleep 1
        [ -e "$D/spool/globex/unledgered.job" ] || t_fail "a file was taken without a ledger"
        # What runs is supervised to its end.
        t_eq "$(d_leaves)" 1 "running jobs"
        d_gate_open ledger
        t_wait 5 d_has_leaves 0
}

# Its log alone: what is in it is not in the database yet.
ledger_log() {
        local before after
        before=$(ctl run -t acme -- /bin/true)
        rm "$D/state/ledger/ledger.db-wal"
        after=$(ctl run -w -t acme -- /bin/true && ctl --json ps -a -n 1 acme | d_json 'j["jobs"][0]["job"]')
        t_match "$(tail -n 5 "$D/log")" "the ledger's log .*ledger.db-wal. had gone; nothing of it is lost"
        [ -s "$D/state/ledger/ledger.db-wal" ] || t_fail "there is no log"
        # As after a power cut: no clean close.
        d_kill9 both
        d_start
        t_eq "$(d_field "$before" Verdict) $(d_field "$after" Verdict)" "exit 0 exit 0" "verdicts after a crash"
}

# What a reload has not brought is not in force, whoever has the directory looked at; and what is away for a moment
# stays in force.
only_a_reload_configures() {
        trap 'rm -rf "$D/etc/tenants.d.away"; printf "[limits]\nconcurrency=64\n" >"$D/etc/tenants.d/acme.conf"; ctl reload' EXIT
        printf '[limits]\nconcurrency=9\n' >"$D/etc/tenants.d/acme.conf"
        ctl reload
        printf '[limits]\nconcurrency=7\nbogus=1\n' >"$D/etc/tenants.d/acme.conf"
        looked_at acme
        t_match "$(ctl limits get acme)" 'concurrency +- +9 +file' "the limit after an edit with an error"
        mv "$D/etc/tenants.d" "$D/etc/tenants.d.away"
        looked_at acme
        t_match "$(ctl limits get acme)" 'concurrency +- +9 +file' "the limit without a file"
        mv "$D/etc/tenants.d.away" "$D/etc/tenants.d"
}

looked_at() {
        chmod 0755 "$D/spool/$1"
        t_wait 5 d_tenant_is "$1" disabled
        chmod 0700 "$D/spool/$1"
        t_wait 5 d_tenant_is "$1" ready
}

# A file system over a tenant's directory.
tenant_is_hidden() {
        mount -t tmpfs -o mode=0700,uid=61002,gid=61002 tmpfs "$D/spool/globex"
        t_wait 5 d_tenant_is globex disabled
        t_match "$(fault_of globex)" 'file system'
        umount -l "$D/spool/globex"
        t_wait 5 d_tenant_is globex ready
}

# Its log directory gets another name: what is written from then on is where it is looked for.
logs_move() {
        mv "$D/logs/acme" "$D/logs/acme.bak"
        lives_on moved-logs true
        rm -rf "$D/logs/acme.bak"
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
                        good "$name-$1" >"$D/stage/roots"
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

# Modes (2) -----------------------------------------------------------------------------------

ready_are() {
        [ "$(ctl --json tenants | d_json 'sum(t["state"] == "ready" for t in j["tenants"])')" -ge "$1" ]
}

has_begun() {
        grep -q "^start .* $2$" "$D/witness/$1"
}

modes_that_flip() {
        local i start waited
        "$D_PYTHON" - "$D/stage" "$D/spool" <<'END'
import os, sys
stage, spool = sys.argv[1:]
for i in range(1000):
    os.mkdir(f"{stage}/crowd{i}", 0o700)
    os.chown(f"{stage}/crowd{i}", 62000 + i, 62000 + i)
    os.rename(f"{stage}/crowd{i}", f"{spool}/crowd{i}")
END
        t_wait 30 ready_are 1002
        : >"$D/witness/globex"
        for i in 0 1; do
                setpriv --reuid $((62000 + i)) --regid $((62000 + i)) --clear-groups "$D_PYTHON" -c 'import os, sys
while True:
    os.chmod(sys.argv[1], 0o755)
    os.chmod(sys.argv[1], 0o700)' "$D/spool/crowd$i" &
        done
        # shellcheck disable=SC2046,SC2064 # these very processes
        trap "kill $(jobs -p | paste -sd' ')" EXIT
        sleep 1
        for ((i = 1; i <= 10; i++)); do
                start=$(date +%s%N)
                printf '[Job]\nName=among-flips\nExecStart=%s %s\n' "$witness" "$i" | drop globex "flip$i"
                t_wait 2 has_begun globex "$i"
                waited=$(ms_since "$start")
                echo "file $i: $waited ms"
                [ "$waited" -lt 2000 ] || t_fail "file $i started after $waited ms"
        done
}

d_case "a job file that is open for ever delays no other tenant's" open_for_ever globex
d_case "a job file that is open for ever delays no other of its tenant" open_for_ever acme
d_case "a refused name a second time" same_name_again
d_case "a file that the tenant can't read" not_for_the_tenant
d_case "a file without leases" no_lease
d_case "programs that can't be executed, each for its own reason" what_can_not_be_executed
d_case "tenantqd --check, and files with errors" config_is_checked
d_case "deadlines that have passed" deadlines_that_have_passed
d_case "a deadline at the epoch" deadline_at_the_epoch
d_case "3000 processes are told to stop" crowd_is_told 3000 0
d_case "3000 processes are told to stop, and those that are born meanwhile" crowd_is_told 3000 1000
d_case "events without end" events_without_end
d_case "everything is locked by somebody else" locks_of_others
vanishes "a tenant's log directory goes" log_directory
vanishes "the directory of all logs goes" all_logs
vanishes "the control socket goes" control_socket
vanishes "the run directory goes" run_directory
vanishes ".claims goes" claims_directory
vanishes "a file system over the spool" spool_is_hidden
umount -l "$D/spool" 2>/dev/null || true # the case may have failed in the middle
vanishes "the directory of result records goes" results_directory
vanishes "a tenant's slice goes" cgroup_slice
d_case "all inotify watches but two are taken" few_watches 2
d_case "all inotify watches are taken" few_watches 0
d_case "only a reload configures" only_a_reload_configures
d_case "a file system over a tenant's directory" tenant_is_hidden
umount -l "$D/spool/globex" 2>/dev/null || true
vanishes "a log directory gets another name" logs_move
d_case "a program that is being written" text_file_busy
d_case "the ledger's log goes" ledger_log
d_case "the ledger goes" ledger
(d_stop)
rm -rf "$D/state" "$D"/spool/globex/*.job
(d_start)
d_case "modes that flip among 1000 tenants" modes_that_flip
d_report
t_summary
