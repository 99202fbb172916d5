#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The whole path beside a bare loop that makes the same sandbox: that a change has not made it slow. How slow it is,
# `make bench` says.
#
# BUILD: the build directory, from the top of the tree (default build).

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=tests/lib.sh
. tests/lib.sh
# shellcheck source=tests/bench/table.sh
. tests/bench/table.sh

build=${BUILD:-build}
said=$(mktemp)

# lines RATIO…: as bench prints them.
lines() {
        printf 'bench: tenantq=100/s bare=100/s ratio=%s\n' "$@"
}

# refuses INPUT WHAT
refuses() {
        ! bench_judge 0.4 <<<"$1" || t_fail "$2 was accepted"
}

judged() {
        t_match "$(lines 0.40 | bench_judge 0.4)" 'ratio=0.40$'
        t_match "$(lines 0.39 1.02 0.5 | bench_judge 0.4)" 'ratio=1.02$' "the best of three"
        refuses "$(lines 0.39)" 0.39
        refuses "$(lines 0.1 0.39 0.2)" "0.39, the best of three"
        refuses "" nothing
        refuses "bench: tenantq=-nan/s bare=0/s ratio=-nan" "what is no number"
}

measured() {
        [ "$(id -u)" -eq 0 ] || t_skip "must be root"
        findmnt -rn -t cgroup2 >/dev/null || t_skip "no cgroup v2 hierarchy is mounted"
        [ -z "${SAN-}" ] || t_skip "sanitizers are slow"
        make -s BUILD="$build" bench-programs
        scripts/bench --short "$build" >"$said" || t_fail "$(cat "$said"): below 0.4"
}

t_case "what is refused" judged
t_case "beside a bare loop" measured
sed 's/^/# /' "$said"
rm -f "$said"
t_summary
