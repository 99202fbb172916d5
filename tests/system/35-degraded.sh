#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The ledger's disk is full (T66, in part): nothing is accepted, nothing is lost, what runs is supervised
# to its end, and its exit code is recorded by the next start on a disk that has room.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # none are wanted
d_init
mkdir "$D/mnt"
mount -t tmpfs -o size=1500k tmpfs "$D/mnt" || d_skip_all "can't mount a tmpfs"
sed -i "s|^state=.*|state=$D/mnt|" "$D/etc/tenantq.conf"
d_start
d_tenant acme 61001
d_tenant globex 61002

full_disk() {
        local job
        job=$(ctl run -t acme -- /bin/sh -c 'sleep 3; exit 5')
        echo "$job" >"$D/job"
        t_wait 5 grep -q running <<<"$(ctl ps)"
        dd if=/dev/zero of="$D/mnt/fill" bs=4k 2>/dev/null || true
        # The log of the ledger has some room left; each job takes of it.
        t_wait 20 refuses
}

refuses() {
        ! ctl run -t globex -- /bin/true >/dev/null 2>"$D/refusal"
}

says_so() {
        t_match "$(cat "$D/refusal")" "ledger"
        t_match "$(cat "$D/log")" "DEGRADED: the ledger could not be written"
        local status=0
        ctl run -t globex -- /bin/true 2>/dev/null || status=$?
        t_eq "$status" 4 "exit code of a refusal"
}

spool_file_is_left_where_it_is() {
        printf '[Job]\nExecStart=/bin/true\n' >"$D/stage/x.job"
        chown 61002:61002 "$D/stage/x.job"
        mv "$D/stage/x.job" "$D/spool/globex/x.job"
        sleep 1
        test -e "$D/spool/globex/x.job"
        ! test -e "$D/spool/globex/rejected/x.reason"
}

is_taken() {
        ! test -e "$D/spool/globex/x.job"
}

limits_can_not_be_set() {
        local status=0
        ctl limits set acme concurrency=3 2>/dev/null || status=$?
        t_eq "$status" 4 "exit code"
}

exit_code_survives() {
        sleep 3.5
        rm "$D/mnt/fill"
        d_restart
        t_eq "$(ctl ps -a --json | "$D_PYTHON" -c '
import json, sys
rows = json.load(sys.stdin)["jobs"]
print([r["verdict"] for r in rows if r["job"] == int(sys.argv[1])][0])' "$(cat "$D/job")")" "exit 5"
        t_eq "$(ctl run -t globex -w -- /bin/echo again)" again
        t_wait 5 is_taken
}

t_case "a full disk refuses new jobs" full_disk
t_case "it says so, everywhere" says_so
t_case "a dropped file is left where it is" spool_file_is_left_where_it_is
t_case "limits stay as they are" limits_can_not_be_set
t_case "the exit code of what ran is recorded later" exit_code_survives
(d_stop)
umount "$D/mnt"
d_report
t_summary
