#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Crowds, which cost nobody else anything: of processes, of events, and of tenants whose modes flip.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61001 '[limits]' concurrency=64
d_tenant globex 61002
witness=$(witness_payload)

ms_since() {
        echo $((($(date +%s%N) - $1) / 1000000))
}

# Processes (4) -------------------------------------------------------------------------------

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

# Events (5) ----------------------------------------------------------------------------------

# The number of the newest event.
last_event() {
        ctl --json events -n 1000 | d_json 'max([e["event"] or 0 for e in j["events"]] or [0])'
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
        held=$(say_hello held StartAfter=2099-01-01 | ctl submit -t acme /dev/stdin)
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

d_case "3000 processes are told to stop" crowd_is_told 3000 0
d_case "3000 processes are told to stop, and those that are born meanwhile" crowd_is_told 3000 1000
d_case "events without end" events_without_end
d_case "modes that flip among 1000 tenants" modes_that_flip
d_report
t_summary
