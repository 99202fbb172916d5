# shellcheck shell=bash
# tests/system/queue.sh - jobs that wait, and what is asked about them; to be sourced.
#
#       #!/bin/bash
#       . "$(dirname "$0")/queue.sh"
#       q_init
#       q_case … ; d_report ; t_summary
#
# Three tenants, acme, globex and initech, on a host of 500 slots. A case leaves no job, no switch and no limit behind.
# Memory needs a controller: the virtual machine has it.

# shellcheck source=daemon.sh
. "$(dirname "${BASH_SOURCE[0]}")/daemon.sh"

q_init() {
        d_init ""
        payload says <<END >/dev/null
#!/bin/sh
echo "\$1" >>$D/witness/\$TENANTQ_TENANT
END
        d_start
        d_tenant acme 61601
        d_tenant globex 61602
        d_tenant initech 61603
}

# Job files -----------------------------------------------------------------------------------

# job LINE…: a job file. Without ExecStart= it does nothing, well.
job() {
        printf '[Job]\n'
        printf '%s\n' "$@"
        [[ "$*" = *ExecStart=* ]] || echo ExecStart=/bin/true
}

# put TENANT LINE…: submits it; prints its number.
put() {
        local tenant=$1
        shift
        job "$@" | ctl submit -t "$tenant" -
}

# Waits at gate $gate, then exits with $1.
# shellcheck disable=SC2154 # gate: the case's
waits() {
        echo "ExecStart=/bin/sh -c \"read x <$gate; exit ${1:-0}\""
}

# Writes its word to the file $D/witness/TENANT.
says() {
        echo "ExecStart=$D/payload/says $1"
}

said() {
        tr -d '\n' <"$D/witness/$1"
}

# at SECONDS: a time of day so far ahead.
at() {
        date -u -d "@$(($(date +%s) + $1))" '+%Y-%m-%d %H:%M:%S UTC'
}

# A file of a tenant's, for each of FROM … TO: @ stands for the number.
files() {
        "$D_PYTHON" - "$D" "$(d_uid "$1")" "$@" <<'PY'
import os, sys
d, uid, tenant, prefix, first, last, text = sys.argv[1:]
for i in range(int(first), int(last) + 1):
    path = "%s/stage/%s%d" % (d, prefix, i)
    with open(path, "w") as f:
        f.write(text.replace("@", str(i)))
    os.chown(path, int(uid), -1)
    os.rename(path, "%s/spool/%s/%s%d.job" % (d, tenant, prefix, i))
PY
}

# client VERB ARG…: many calls on one connection; client.py has the verbs.
client() {
        "$D_PYTHON" "$D_TOP/tests/system/client.py" "$@"
}

# What is said of them ------------------------------------------------------------------------

why() {
        ctl --json explain "$1" | d_json '" ".join(r["reason"] for r in j["reasons"])'
}

# explains JOB REASON FIELD: what explain says.
explains() {
        ctl --json explain "$1" | d_json "[r['$3'] for r in j['reasons'] if r['reason'] == '$2'][0]"
}

running() {
        ctl --json tenants | d_json "[t['running'] for t in j['tenants'] if t['tenant'] == '$1'][0]"
}

waiting() {
        ctl --json tenants | d_json "[t['waiting'] for t in j['tenants'] if t['tenant'] == '$1'][0]"
}

runs() {
        [ "$(running "$1")" = "$2" ]
}

holds() {
        [ "$(waiting "$1")" = "$2" ]
}

# Files of a tenant's that were taken aside, and wait for room.
at_door() {
        find "$D/spool/.claims" -name "*.$1" | wc -l
}

is_at_door() {
        [ "$(at_door "$2")" = "$1" ]
}

# within MILLISECONDS COMMAND…: it succeeds, in that time.
within() {
        local limit=$1${SAN:+0} start
        shift
        start=$(now_ms)
        "$@" >"$D/stage/within" || t_fail "exit status $? of: $*"
        start=$(($(now_ms) - start))
        [ "$start" -le "$limit" ] || t_fail "took $start ms, more than $limit: $*"
}

# Limits and configuration --------------------------------------------------------------------

limit() {
        ctl limits set "$@" >/dev/null
}

unlimit() {
        ctl limits unset "$@" >/dev/null
}

# scheduler LINE…: the lines of [scheduler], and of what follows it, at once.
scheduler() {
        D_SCHEDULER=$(printf '%s\n' "$@") d_config
        ctl reload
}

# Ends all jobs and takes all limits back.
end_all() {
        local tenant
        ctl pause host
        ctl cancel host >/dev/null
        ctl resume host
        t_wait 10 d_is_idle
        for tenant in acme globex initech; do
                unlimit $tenant concurrency weight reserved queue_depth scheduled_jobs
        done
        scheduler max_jobs=500
}

# After a case that failed: nothing is switched off or limited for the next one.
reset() {
        local target
        d_tenant_file initech
        scheduler max_jobs=500
        for target in acme globex initech; do
                ctl resume $target $target/p $target/full
                unlimit $target concurrency weight reserved queue_depth scheduled_jobs spool_bytes enqueue_rate
                unlimit $target/q concurrency
                unlimit $target/own queue_depth
        done
        ctl resume host
        end_all
        rm -f "$D"/spool/{acme,globex,initech}/*.job
}

# q_case NAME FUNCTION [ARG…]: d_case, and order among the switches and limits.
# shellcheck disable=SC2154 # t_failed: lib.sh
q_case() {
        local failed=$t_failed
        d_case "$@"
        [ "$t_failed" -eq "$failed" ] || reset >/dev/null 2>&1
}
