# shellcheck shell=bash
# tests/vm/machine.sh - tenantq as it is installed, under systemd; to be sourced by the scripts beside it.
#
#       #!/bin/bash
#       . "$(dirname "$0")/machine.sh"
#       v_start
#       v_tenant acme
#       t_case … ; t_summary
#
# Each script begins with an empty tenantq, whatever the one before left. The processor is emulated: times are
# bounded generously, and what is measured is compared with what was measured beside it.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

V_JOBS=/sys/fs/cgroup/tenantq.slice/tenantq-jobs.service
V_SPOOL=/var/spool/tenantq
V_CONF=/etc/tenantq
V_ATTRS=(cpu.max cpu.weight cpuset.cpus memory.max memory.high memory.low memory.swap.max pids.max io.max)
# As root writes it: what the job's user must be able to use.
umask 022

if [ "${TENANTQ_VM-}" != 1 ]; then
        echo "$0: only in the virtual machine: scripts/vm -- tests/vm/run" >&2
        exit 2
fi
[ -e "$V_CONF/tenantq.conf.shipped" ] || cp "$V_CONF/tenantq.conf" "$V_CONF/tenantq.conf.shipped"

# Stops tenantq with all jobs and takes away what it knows.
v_clean() {
        systemctl stop tenantq.service tenantq-jobs.service
        rm -rf /run/systemd/system/tenantq.service.d /run/systemd/system/tenantq-jobs.service.d
        rm -rf "${V_SPOOL:?}"/* /var/lib/tenantq/* /var/log/tenantq/*
        rm -f "$V_CONF"/tenants.d/*.conf
        cp "$V_CONF/tenantq.conf.shipped" "$V_CONF/tenantq.conf"
        systemctl daemon-reload
        systemctl reset-failed tenantq.service tenantq-jobs.service 2>/dev/null || true
}

# An empty tenantq that runs.
v_start() {
        v_clean
        systemctl start tenantq
}

v_is_ready() {
        tenantqctl tenants | awk -v name="$1" '$1 == name && $4 == "ready" { found = 1 } END { exit !found }'
}

# v_tenant NAME [KEY=VALUE…]: a tenant whose user has its name.
v_tenant() {
        local name=$1
        shift
        id -u "$name" >/dev/null 2>&1 || useradd --create-home --shell /usr/sbin/nologin "$name"
        install -d -o "$name" -m 0700 "$V_SPOOL/$name"
        t_wait 10 v_is_ready "$name"
        [ $# -eq 0 ] || tenantqctl limits set "$name" "$@" >/dev/null
}

# A drop-in for a unit, gone with the next v_clean: v_drop_in UNIT LINE…
v_drop_in() {
        local unit=$1
        shift
        mkdir -p "/run/systemd/system/$unit.d"
        printf '%s\n' "$@" >"/run/systemd/system/$unit.d/test.conf"
        systemctl daemon-reload
}

v_main_pid() {
        systemctl show --value --property=MainPID tenantq
}

v_engine_pid() {
        local pids
        # The only child of tenantqd that isn't an init of a job's namespace.
        pids=$(pgrep --parent "$(v_main_pid)" --full '/tenantq-engine ') || return 1
        [[ "$pids" =~ ^[0-9]+$ ]] && printf '%s\n' "$pids"
}

# Whether the daemon answers, with all that it has to recover.
v_answers() {
        tenantqctl tenants >/dev/null 2>&1
}

v_state() {
        tenantqctl status "$1" | sed -n 's/^ *State: //p'
}

v_is_running() {
        [ "$(v_state "$1")" = running ]
}

# v_run TENANT [OPTION…] -- COMMAND…: prints the job's number when the job runs.
v_run() {
        local job
        job=$(tenantqctl run -t "$@")
        t_wait 20 v_is_running "$job"
        printf '%s\n' "$job"
}

# "exit 0", when the job has ended.
v_verdict() {
        { timeout 240 tenantqctl wait "$1" || true; } | sed 's/^[0-9]*: //'
}

v_slice() {
        printf '%s/%s.slice\n' "$V_JOBS" "$1"
}

v_leaf() {
        printf '%s/%s.slice/%s.1.job\n' "$V_JOBS" "$1" "$2"
}

# The limits in the files of a cgroup, a line each.
v_attrs() {
        (cd "$1" && grep -H '' "${V_ATTRS[@]}" | LC_ALL=C sort)
}

# Job cgroups there are.
v_leaves() {
        find "$V_JOBS" -mindepth 2 -maxdepth 2 -name '*.job' | LC_ALL=C sort
}

# v_now NAME: the time in microseconds, without a process.
v_now() {
        printf -v "$1" %s "${EPOCHREALTIME/[.,]/}"
}

# v_cpu_usec NAME CGROUP: CPU time used so far, without a process.
v_cpu_usec() {
        local key value
        while read -r key value; do
                [ "$key" != usage_usec ] || break
        done <"$2/cpu.stat"
        printf -v "$1" %s "$value"
}

# v_wakeups NAME PID: "NAME COUNT" of the context switches of each thread so far; of threads other than the main one
# with "worker" for the name.
v_wakeups() {
        local status tid name
        for status in /proc/"$2"/task/*/status; do
                tid=${status%/status}
                name=$1
                [ "${tid##*/}" = "$2" ] || name=worker
                awk -v name="$name" '/^(non)?voluntary_ctxt_switches:/ { n += $2 } END { print name, n }' "$status"
        done
}

# v_sum NAME LINES: of the counts of that name.
v_sum() {
        awk -v name="$1" '$1 == name { n += $2 } END { print n + 0 }' <<<"$2"
}

# v_share CGROUP SECONDS: prints the CPU share over that time, in thousandths of a core.
v_share() {
        local t0 t1 u0 u1
        v_now t0
        v_cpu_usec u0 "$1"
        sleep "$2"
        v_now t1
        v_cpu_usec u1 "$1"
        echo $(((u1 - u0) * 1000 / (t1 - t0)))
}

# v_near GOT WANT PERCENT WHAT
v_near() {
        echo "# $4: $1, wanted $2 within $3 %"
        if [ $((100 * $1)) -lt $(((100 - $3) * $2)) ] || [ $((100 * $1)) -gt $(((100 + $3) * $2)) ]; then
                t_fail "$4: got $1, want $2 within $3 %"
        fi
}

# Measured numbers, shown also when all is well: v_note TEXT; v_notes prints and forgets them.
V_NOTES=$(mktemp)
v_note() {
        printf '# %s\n' "$*" >>"$V_NOTES"
}

# v_case: t_case, and the notes that it made.
v_case() {
        t_case "$@"
        cat "$V_NOTES"
        : >"$V_NOTES"
}

# v_log PATTERN: whether the journal of tenantq's units holds a line with this text.
v_log() {
        journalctl --sync
        journalctl --boot --unit=tenantq.service --unit=tenantq-jobs.service --output=cat --no-pager | grep -F -- "$1"
}
