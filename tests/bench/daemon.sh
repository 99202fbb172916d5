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
# The tenants bench0 … bench3 exist, with 8 jobs at a time each. $bench_work is the directory, $bench_cgroup an empty
# cgroup beside the daemon's. TMPDIR: where it is.

bench_uid=64800
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
        local i uid
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
        for i in 0 1 2 3; do
                uid=$((bench_uid + i))
                install -d -m 0700 -o "$uid" -g "$uid" "$bench_work/spool/bench$i"
                printf '[limits]\nconcurrency=8\n' >"$bench_work/etc/tenants.d/bench$i.conf"
        done
}

bench_start() {
        local build=$1 mount
        shift
        [ "$(id -u)" = 0 ] || bench_die "must be run as root"
        mount=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1)
        [ -n "$mount" ] || bench_die "there is no cgroup2 mount"
        bench_build=$(realpath "$build")
        bench_work=$(mktemp -d "${TMPDIR:-/srv}/tenantq-bench.XXXXXX")
        bench_top=$mount/tenantq-bench.$$
        bench_cgroup=$bench_top/bare
        trap bench_cleanup EXIT
        chmod 0755 "$bench_work"
        mkdir "$bench_top" "$bench_top/tenantq" "$bench_cgroup"
        cp "$bench_build/bench/noop" "$bench_work/noop"
        bench_configure "$@"
        bench_run
}

bench_run() {
        : >"$bench_work/log" # the one before was ready too
        "$bench_build/tenantqd" --config "$bench_work/etc" --helpers "$bench_build" 2>"$bench_work/log" &
        bench_daemon=$!
        for _ in $(seq 1000); do
                grep -q ready "$bench_work/log" && break
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
