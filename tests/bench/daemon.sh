# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/bench/daemon.sh - a daemon of its own, in a scratch directory and a scratch cgroup, that is measured; to be
# sourced with `set -euo pipefail`. Root; a cgroup2 mount without controllers is enough.
#
#       . tests/bench/daemon.sh
#       bench_start BUILD [SCHEDULER-LINE…]
#       bench [ARG…]                    build/bench/bench, with what it needs to know
#       bench_stop; bench_run           ends it, and starts it anew with what it has recorded
#
# The tenants bench0 … bench3 exist ($bench_tenants: how many), with 8 jobs at a time each. $bench_work is the directory,
# $bench_cgroup an empty cgroup beside the daemon's. TMPDIR: where it is.

bench_uid=70000
bench_tenants=4
bench_daemon=

bench_die() {
        echo "bench: $*" >&2
        exit 1
}

bench_cleanup() {
        if [ -n "$bench_daemon" ]; then
                kill "$bench_daemon" 2>/dev/null || true
                wait "$bench_daemon" 2>/dev/null || true
        fi
        if [ -d "${bench_top:-}" ]; then
                echo 1 >"$bench_top/cgroup.kill" 2>/dev/null || true
                sleep 0.2
                find "$bench_top" -depth -type d -exec rmdir {} + 2>/dev/null || true
        fi
        rm -rf "${bench_work:?}"
}

bench_configure() {
        mkdir -p "$bench_work/etc/tenants.d" "$bench_work/spool/.stage"
        cat >"$bench_work/etc/tenantq.conf" <<END
[host]
cgroup_root=$bench_top/tenantq
required_controllers=
spool=$bench_work/spool
state=$bench_work/state
logs=$bench_work/logs
run=$bench_work/run
engine_user=64990
exec_user=64991
admin_group=64992
END
        [ $# -eq 0 ] || printf '%s\n' '[scheduler]' "$@" >>"$bench_work/etc/tenantq.conf"
        # Ten thousand of them would take a shell a minute.
        python3 - "$bench_work" "$bench_uid" "$bench_tenants" <<'END'
import os, sys
work, uid, tenants = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(tenants):
    spool = "%s/spool/bench%d" % (work, i)
    os.mkdir(spool, 0o700)
    os.chown(spool, uid + i, uid + i)
    with open("%s/etc/tenants.d/bench%d.conf" % (work, i), "w") as f:
        f.write("[limits]\nconcurrency=8\n")
END
}

bench_start() {
        local build=$1 mount
        shift
        [ "$(id -u)" = 0 ] || bench_die "must be run as root"
        mount=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1)
        [ -n "$mount" ] || bench_die "there is no cgroup2 mount"
        bench_build=$(realpath "$build")
        bench_work=$(mktemp -d "${TMPDIR:-/srv}/tenantq-bench.XXXXXX")
        bench_top=$mount/tenantq-bench.$BASHPID
        bench_cgroup=$bench_top/bare
        trap bench_cleanup EXIT
        chmod 0755 "$bench_work"
        mkdir "$bench_top" "$bench_top/tenantq" "$bench_cgroup"
        cp "$bench_build/bench/noop" "$bench_work/noop"
        bench_configure "$@"
        bench_run
}

bench_run() {
        ulimit -n 524288 2>/dev/null || ulimit -n "$(ulimit -H -n)" # the first as the unit has it: some for each tenant
        : >"$bench_work/log" # the one before was ready too
        "$bench_build/tenantqd" --config "$bench_work/etc" --helpers "$bench_build" 2>"$bench_work/log" &
        bench_daemon=$!
        for _ in $(seq 6000); do
                grep -q ready "$bench_work/log" && break
                kill -0 "$bench_daemon" 2>/dev/null || break
                sleep 0.01
        done
        grep -q ready "$bench_work/log" || bench_die "$(cat "$bench_work/log")"
        bench_engine=$(pgrep -P "$bench_daemon" -x tenantq-engine)
}

bench_stop() {
        kill "$bench_daemon"
        wait "$bench_daemon" || true
        bench_daemon=
}

bench() {
        "$bench_build/bench/bench" "$@" "$bench_work/spool" "$bench_work/logs" "$bench_work/run/control.sock" \
                "$bench_cgroup" "$bench_work/noop" "$bench_daemon" "$bench_engine" "$bench_uid"
}
