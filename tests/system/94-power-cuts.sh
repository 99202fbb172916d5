#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Some of the states that a power cut may leave on the disk: other ones each time, whose seed is printed. All of them:
# make power. And what does not survive one is found out: three programs with a line changed, and a disk without
# flushes.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=tests/lib.sh
. tests/lib.sh
# shellcheck source=tests/system/mutant.sh
. tests/system/mutant.sh

work=$(mktemp -d /srv/tqmutant.XXXXXX)

power() {
        tests/power/power -d "$work/recording" "$@" >"$work/said" 2>&1
}

survives() {
        may_build
        power -e 100 -n 15 -s "$((${TENANTQ_SEED:-$RANDOM} + 1))" ||
                t_fail "$(grep '^# .* states' "$work/said"): $(grep -A 5 '^not ok' "$work/said")"
        t_match "$(tail -n 1 "$work/said")" '^[1-9][0-9]* passed, 0 failed, 0 skipped$'
}

# found_out WORDS OPTION…: it is seen in one of these states, and is what the words say.
found_out() {
        may_build
        ! power -x "${@:2}" || t_fail "nothing was wrong: $(tail -n 4 "$work/said")"
        t_match "$(grep -A 3 '^not ok' "$work/said")" "$1"
}

# What was renamed into the claims is a job already, and may be in the spool again.
unsynced_claims() {
        may_build
        mutant tenantq-engine engine/commit/commit.c "b->has_claims && fsync(c->claims_fd) < 0" "false"
        found_out 'is there 2 times|has run 2 times' -b "$work/bin" -e 4 -n 100
}

# What was answered is in no log that was synced.
unsynced_commits() {
        may_build
        mutant tenantq-engine store/ledger.c "PRAGMA synchronous=FULL;" "PRAGMA synchronous=NORMAL;"
        found_out 'is lost|has run 2 times|was told' -b "$work/bin" -e 20 -n 0
}

# The effects before they are recorded, that a program runs among them.
effects_first() {
        may_build
        mutant tenantq-engine engine/commit/commit.c "        commit_submit(c, b);" \
                "        batch_perform(b, 0, false); commit_submit(c, b);"
        found_out 'is lost|has run 2 times|was told' -b "$work/bin" -e 4 -n 100
}

t_case "what the power leaves is enough" survives
t_case "claims that are not synced are found out" unsynced_claims
t_case "commits that are not synced are found out" unsynced_commits
t_case "effects before their record are found out" effects_first
t_case "a disk without flushes is found out" found_out 'not ok' -u -n 50
rm -rf "$work"
t_summary
