#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Some of the points at which our processes may be killed, or their calls fail: other ones each time, which are printed,
# or those of TENANTQ_SEED. All of them: make crash.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=tests/lib.sh
. tests/lib.sh
# shellcheck source=tests/system/mutant.sh
. tests/system/mutant.sh

said=$(mktemp)
work=$(mktemp -d /srv/tqmutant.XXXXXX)

# points EVERY OPTION…
points() {
        local every=$1 seed=$((${TENANTQ_SEED:-$RANDOM} % $1))
        [ "$(id -u)" -eq 0 ] || t_skip "must be root"
        findmnt -rn -t cgroup2 >/dev/null || t_skip "no cgroup v2 hierarchy is mounted"
        [ -z "${SAN-}" ] || t_skip "sanitizers look for leaks by ptrace(2), as strace does"
        shift
        tests/crash/crash -e "$every" -s "$seed" "$@" >"$said" 2>&1 ||
                t_fail "$(grep '^# .* points' "$said"): $(grep -A 3 '^not ok' "$said")"
        t_match "$(tail -n 1 "$said")" '^[1-9][0-9]* passed, 0 failed, 0 skipped$'
        grep '^# .* points' "$said"
}

# The harness can fail: a fault that nothing survives is seen.
can_fail() {
        [ "$(id -u)" -eq 0 ] || t_skip "must be root"
        findmnt -rn -t cgroup2 >/dev/null || t_skip "no cgroup v2 hierarchy is mounted"
        [ -z "${SAN-}" ] || t_skip "as above"
        CRASH_LOSES=1 tests/crash/crash supervisor openat2:1 >"$said" 2>&1 &&
                t_fail "a file that was taken away was not missed: $(cat "$said")"
        t_match "$(cat "$said")" 'not ok openat2:1'
}

# found_out TARGET POINT…: what the mutant does wrong is seen at one of these.
found_out() {
        tests/crash/crash -b "$work/bin" "$@" >"$said" 2>&1 && t_fail "nothing was wrong: $(cat "$said")"
        t_match "$(grep -A 1 '^not ok' "$said")" 'has run 2 times|got|not within'
}

# Effects before they are recorded: what was accepted is lost, or runs again.
effect_first() {
        may_build
        mutant tenantq-engine engine/commit/commit.c "        commit_submit(c, b);" "        batch_perform(b, 0, false); commit_submit(c, b);"
        found_out engine pwrite64:{1..8}
}

# The end of whoever launches it lets a job go.
end_is_go() {
        may_build
        mutant tenantq-exec exec/payload.c "n == 0 ? -ECANCELED" "n == 0 ? 0"
        found_out supervisor sendmsg:{2..9}
}

t_case "effects before their record are found out" effect_first
t_case "a barrier that opens by itself is found out" end_is_go
t_case "tenantqd is killed" points 20 supervisor
t_case "the engine is killed" points 25 engine
t_case "the launcher or a job's PID 1 is killed" points 35 launcher
t_case "the engine's calls fail" points 40 -f EIO engine
t_case "tenantqd's calls fail" points 40 -f ENOMEM supervisor
t_case "tenantqd's allocations fail" points 3 -f NOMEM supervisor
t_case "what is lost is missed" can_fail
rm -rf "$said" "$work"
t_summary
