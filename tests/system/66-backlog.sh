#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A tenant with tens of thousands of jobs, or a hundred thousand files, spoils nothing (T10, T88): questions are
# answered, and others start at once.
#
# TENANTQ_TEST_BACKLOG: how many jobs (default 40000; 91-million.sh has more, without a door)

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

# For the last case, meanwhile.
nice -n 19 "$D_PYTHON" - "$D/stage/flooded" <<'PY' &
import os, sys
os.mkdir(sys.argv[1], 0o700)
os.chdir(sys.argv[1])
for i in range(100000):
    fd = os.open("f%d.job" % i, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, b"[Job]\nExecStart=/bin/true\nStartAfter=2038-01-01 00:00\n")
    os.fchown(fd, 61604, 61604)
    os.close(fd)
os.chown(".", 61604, 61604)
open("../flood.made", "w").close()
PY

# Many jobs of one tenant: questions are answered, everything can be held, released and cancelled.
backlog() {
        local last
        ctl pause acme
        t_eq "$(client submit acme "$N_BACKLOG" $'[Job]\nName=b@\nExecStart=/bin/true\n')" "$N_BACKLOG" "jobs taken"
        # Its turn comes first.
        last=$(ctl --json ps -n 1 acme | d_json 'j["jobs"][0]["job"]')
        last=$((last + N_BACKLOG - 1))
        within 1000 ctl explain "$last"
        t_match "$(cat "$D/stage/within")" "position $N_BACKLOG in its queue" explain
        within 1000 ctl ps acme
        within 1000 ctl queue
        within 1000 ctl tenants
        d_restart
        within 1000 ctl run -w -t globex -- true
        t_eq "$(waiting acme)" "$N_BACKLOG" "jobs after a restart"
        # Each is answered when it is recorded: as fast as the disk, one after the other.
        within 10000 client cancel $((last - N_BACKLOG / 2 + 1)) $((last - N_BACKLOG / 2 + 10000))
        t_eq "$(cat "$D/stage/within")" 10000 "jobs cancelled"
        meanwhile within 10000 ctl hold acme
        meanwhile within 10000 ctl release acme
        t_match "$(cat "$D/stage/within")" "$((N_BACKLOG - 10000)) jobs released" release
        t_eq "$(client cancel $((last - N_BACKLOG + 1)) "$last")" $((N_BACKLOG - 10000)) "jobs cancelled"
        ctl resume acme
        t_wait 5 d_is_idle
}

# meanwhile COMMAND…: and another tenant's calls are answered; the bound is some commits of a part each.
meanwhile() {
        local other asking
        other=$(put globex "StartAfter=$(at 600)")
        rm -f "$D/stage/enough"
        client longest "$other" "$D/stage/enough" >"$D/stage/longest" &
        asking=$!
        "$@"
        touch "$D/stage/enough"
        wait "$asking"
        in_range "$(cat "$D/stage/longest")" 0 300 "ms for another's call during: $*"
        ctl cancel "$other"
}

waits_for_nobody() {
        t_wait 30 holds_none acme
}

holds_none() {
        [ "$(waiting "$1")" -eq 0 ]
}

# All of a crowd wait for one job, and end with it.
crowd_behind_one() {
        local head n=30000
        head=$(put acme "StartAfter=$(at 600)")
        t_eq "$(client submit acme "$n" $'[Job]\nAfter='"$head"$'\nExecStart=/bin/true\n')" "$n" "jobs taken"
        t_eq "$(waiting acme)" "$((n + 1))" "jobs that wait"
        ctl cancel "$head"
        meanwhile waits_for_nobody
        t_eq "$(verdict $((head + n - 1)))" dependency "verdict of one of them"
        end_all
}

# A directory with 100,000 files appears at once (a million take too long to make here).
flooded_directory() {
        t_wait 30 test -e "$D/stage/flood.made"
        mv "$D/stage/flooded" "$D/spool/flooded"
        sleep 0.2
        within 2000 ctl run -w -t globex -- true
        job Name=beside-flood | drop globex beside-flood
        within 2000 verdict "$(job_of globex beside-flood)"
        within 1000 ctl explain "$(put globex "StartAfter=$(at 60)")"
        [ "$(waiting flooded)" -gt 100 ] || t_fail "no flood: $(waiting flooded) jobs"
        [ "$(awk '/^VmRSS/ { print $2 }' "/proc/$(d_pid)/status")" -lt 16384 ] || d_is_sanitized || t_fail "memory of tenantqd"
        mv "$D/spool/flooded" "$D/stage/flooded"
}

N_BACKLOG=${TENANTQ_TEST_BACKLOG:-40000}
q_case "$N_BACKLOG jobs (T88)" backlog
q_case "30,000 jobs that wait for one" crowd_behind_one
q_case "a directory of 100,000 files (T10)" flooded_directory
d_report
t_summary
