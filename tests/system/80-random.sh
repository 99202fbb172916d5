#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Ten thousand random steps over all verbs and the spool, by everybody, with a restart or a SIGKILL every hundred
# (T57, T59, T90, T102): whatever is done, the daemon answers, and what it has said holds.
#
# TENANTQ_SEED: of an earlier run, to have its steps again (default: another one each time)
# TENANTQ_STEPS: how many (default 10000)
# TENANTQ_RSS_MIB: what engine and tenantqd may use (default 64)
#
# random.py makes the steps. TENANTQ_TEST_KEEP=1 keeps the directory; random/trace in it has all of them.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

seed=${TENANTQ_SEED:-$RANDOM$RANDOM}
steps=${TENANTQ_STEPS:-10000}

D_SCHEDULER='max_jobs=12
memory=1G
lane_slots=1
[pool small]
slots=3' d_init log_max=64K '[ceilings]' queue_depth=100000
mkdir "$D/random"
echo "$D_CGROUP" >"$D/cgroup"
witness_payload >/dev/null
payload stubborn >/dev/null <<'END'
#!/bin/sh
trap "" TERM
while :; do sleep 0.2; done
END
if grep -q __asan_init "$D/bin/tenantq-engine"; then
        export TENANTQ_SLOWER=5 TENANTQ_RSS_MIB=${TENANTQ_RSS_MIB:-512}
fi
d_start
d_tenant r1 61801 '[limits]' concurrency=4
d_tenant r2 61802
d_tenant r3 61803 '[limits]' concurrency=4 '[queue etl]' concurrency=2
for tenant in x1:61804 x2:61805; do
        install -m 0620 -o 0 -g "${tenant#*:}" /dev/null "$D/witness/${tenant%:*}"
        d_tenant_file "${tenant%:*}"
done

echo "seed $seed, $steps steps"
# In the background, so that we can be interrupted.
"$D_PYTHON" -I "$(dirname "$0")/random.py" "$D" "$seed" "$steps" &
wait $!

# holds CHECK: random.py found nothing of that kind.
holds() {
        [ ! -s "$D/random/$1" ] || t_fail "$(cat "$D/random/$1")"
}

ran_to_its_end() {
        holds test
        grep -q '^ended yes' "$D/random/figures" || t_fail "it stopped early"
}

ledger_is_sound() {
        d_stop
        t_eq "$("$D_PYTHON" -c 'import sqlite3, sys
print(sqlite3.connect(f"file:{sys.argv[1]}?immutable=0&mode=rw", uri=True).execute("PRAGMA quick_check").fetchone()[0])' \
                "$D/state/ledger/ledger.db")" ok quick_check
}

t_case "$steps steps to their end" ran_to_its_end
t_case "each call is answered within 1 s" holds answers
t_case "engine and tenantqd end when they are told to" holds alive
t_case "their memory is bounded" holds memory
t_case "nobody does what is not his to do" holds authority
t_case "refusals have a name of ours" holds errors
t_case "tenantqctl's exit status" holds ctl
t_case "job files: the good ones are taken, the bad ones not" holds jobfiles
t_case "limits: bad ones are refused" holds refusals
t_case "limits that the kernel can't enforce are refused" holds kernel
t_case "limits: what was set is shown, no more, no less" holds limits
t_case "reload: all or nothing" holds reload
t_case "directories that come, go and change are noticed" holds directories
t_case "export is the same after a restart (T102)" holds export
t_case "export has the same order, too" holds order
t_case "a tenant without a directory is shown the same after a restart" holds gone
t_case "a tenant's user stays its user after a restart" holds users
t_case "accepted jobs and their verdicts stay" holds jobs
t_case "pauses and drains stay" holds switches
t_case "holds stay" holds holds
t_case "each dropped file is one job, or refused" holds files
t_case "jobs ran at most once" holds once
t_case "all ends well" holds end
t_case "nothing is left over" no_leftovers
t_case "the ledger is sound" ledger_is_sound
cat "$D/random/figures"
d_report
t_summary
