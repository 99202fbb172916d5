#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tenantqctl simulate: traces and synthetic workloads through the daemon's own scheduler. Neither a daemon nor root is
# needed. What can be calculated otherwise is: by Python, from the workload alone.

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-build}
[[ $build = /* ]] || build=$top/$build
[ -x "$build/tenantqctl" ] || {
        echo "$build/tenantqctl is missing: run make first" >&2
        exit 1
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export TENANTQ_SOCKET=$dir/none # nobody is asked

# sim ARG…
sim() {
        timeout 60 "$build/tenantqctl" simulate "$@"
}

# status WANT ARG…: simulate exits so; what it says is in $dir/err.
status() {
        local want=$1 status=0
        shift
        sim "$@" >"$dir/out" 2>"$dir/err" || status=$?
        t_eq "$status" "$want" "exit status of simulate $* ($(cat "$dir/err"))"
}

# report ARG…: as JSON into $dir/report. No slot is ever idle while a job could run.
report() {
        sim --json "$@" >"$dir/report" 2>"$dir/err" || t_fail "exit status $?: simulate $*: $(cat "$dir/err")"
        is '[j["schema"], j["idle_while_eligible_s"]]' "['tenantq.simulate.v1', 0.0]"
}

# value EXPRESSION: over the report j, its tenants t by name, and near(GOT, WANT, TOLERANCE).
value() {
        python3 - "$dir/report" "$1" <<'PY'
import json, sys
j = json.load(open(sys.argv[1]))
t = {r["tenant"]: r for r in j["tenants"]}
def near(got, want, tolerance):
    return True if abs(got - want) <= tolerance else "%s, want %s" % (got, want)
print(eval(sys.argv[2]))
PY
}

# is EXPRESSION [WANT]
is() {
        t_eq "$(value "$1")" "${2:-True}" "$1"
}

# workload: standard input becomes $dir/w.
workload() {
        cat >"$dir/w"
}

# swf LINE…: JOB SUBMIT RUN PROCESSORS REQUESTED USER as a line of the trace $dir/swf.
swf() {
        local line f
        for line in "$@"; do
                read -r -a f <<<"$line"
                echo "${f[0]} ${f[1]} 0 ${f[2]} ${f[3]} -1 -1 ${f[3]} ${f[4]} -1 1 ${f[5]} 1 -1 1 -1 -1 -1"
        done >"$dir/swf"
}

# The contract --------------------------------------------------------------------------------

has_its_fields() {
        swf "1 0 10 1 -1 1" "2 0 10 1 -1 2"
        report --swf "$dir/swf" --slots 1
        is '" ".join(k for k in j if k != "schema")' \
                "policy slots jobs makespan_s jain jain_weighted share_error_max share_error_tenant idle_while_eligible_s decisions decision_ns_median tenants"
        is '" ".join(j["tenants"][0])' "tenant jobs refused wait_p50_s wait_p95_s wait_p99_s slowdown_mean slowdown_p99 use share entitlement"
        is '[j["policy"], j["slots"], j["jobs"], j["decisions"], j["makespan_s"]]' "['fair', 1, 2, 2, 20.0]"
        is 'j["decision_ns_median"] > 0'
        is '[j["jain"], j["jain_weighted"], j["share_error_max"], j["share_error_tenant"]]' "[1.0, 1.0, None, None]"
        report --swf "$dir/swf"
        is 'j["slots"]' 16
        for policy in fair round-robin fifo; do
                report --swf "$dir/swf" --slots 1 --policy $policy
                is 'j["policy"]' $policy
        done
}

shows_a_table() {
        swf "1 0 10 1 -1 1" "2 0 10 1 -1 2" "3 0 10 1 -1 3"
        sim --swf "$dir/swf" --slots 2 >"$dir/out"
        t_match "$(head -n 1 "$dir/out")" '^3 jobs of 3 tenants on 2 slots, policy fair: done in 20' "first line"
        t_match "$(cat "$dir/out")" 'TENANT +JOBS +REFUSED +WAIT P50 +P95 +P99 +SLOWDOWN +P99 +SHARE +ENTITLED' head
        t_match "$(cat "$dir/out")" $'\nu3 +1 +0 +10' "a row"
        sim --swf "$dir/swf" --slots 2 --set host.max_jobs=3 >"$dir/out"
        t_match "$(cat "$dir/out")" '^before: 3 jobs .* on 2 slots' before
        t_match "$(cat "$dir/out")" $'\nafter: 3 jobs .* on 3 slots' after
}

same_seed_same_output() {
        workload <<'END'
[tenant a]
jobs=500
rate=2/s
length=lognormal 3s 1.5
[tenant b]
jobs=500
rate=2/s
length=pareto 1s 1.2
burst=5
END
        # How long a decision took is the only thing that is measured.
        for n in 7 8 9; do
                report --workload "$dir/w" --seed $((n == 9 ? 7 : n))
                value '[v for k, v in sorted(j.items()) if k != "decision_ns_median"]' >"$dir/seed.$n"
        done
        cmp "$dir/seed.7" "$dir/seed.9"
        ! cmp -s "$dir/seed.7" "$dir/seed.8" || t_fail "another seed, the same workload"
        # What is drawn depends on no limit.
        report --workload "$dir/w" --seed 7 --set a.weight=900
        value 'sorted(j["before"]["tenants"], key=str)' >"$dir/before"
        report --workload "$dir/w" --seed 7
        t_eq "$(value 'sorted(j["tenants"], key=str)')" "$(cat "$dir/before")" "what was before a change"
}

bad_arguments() {
        swf "1 0 10 1 -1 1"
        printf '[tenant a]\njobs=1\n' >"$dir/w"
        status 2
        status 2 --swf "$dir/swf" --workload "$dir/w"
        status 2 --swf "$dir/swf" --since 1h
        status 2 --swf "$dir/swf" --policy lottery
        for slots in 0 -1 x 1000001 1.5; do
                status 2 --swf "$dir/swf" --slots $slots
        done
        status 2 --swf "$dir/swf" --seed -1
        status 2 --swf "$dir/swf" extra
        t_eq "$(grep -c 'x0a' "$dir/err" || true)" 0 "line ends that were escaped in the usage"
        status 2 --swf "$dir/swf" -t a
        status 2 --no-such-option
        status 7 --since 1h
        status 1 --swf "$dir/not-there"
        t_match "$(cat "$dir/err")" 'not-there: No such file' "what is said"
        status 1 --swf "$dir"
        status 1 --workload "$dir/not-there"
        status 1 --swf "$dir/swf" --tenants "$dir/not-there"
        status 1 --swf "$dir/swf" --svg "$dir/not/there.svg"
        for set in u1 u1.weight u1.weight=0 u1.wieght=1 u9.weight=1 host.max_jobs=0 host.slots=1 u1/a=1 u1.pool=gold u1.reserved=17 =; do
                status 3 --swf "$dir/swf" --set "$set"
        done
        t_match "$(sim --swf "$dir/swf" --set u1.wieght=1 2>&1 || true)" 'did you mean weight' hint
}

# Traces --------------------------------------------------------------------------------------

reads_traces() {
        # Blanks and tabs, decimals, -1 where nothing is known, a line end of DOS, more fields, no line end.
        {
                printf '; Version: 2.2\n;\n\n   \n# also\n'
                printf ' 1\t0  0 10.9 1 5.5 -1 1 20 -1 1 1 -1 -1 -1 -1 -1 -1\n'
                printf '2 0 -1 30 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1\r\n'
                printf '3 5 0 -1 1 -1 -1 1 -1 -1 1 1 -1 -1 -1 -1 -1 -1\n'
                printf '4 -1 0 5 1 -1 -1 1 -1 -1 1 2 -1 -1 -1 -1 -1 -1 99 99\n5 100 0 0 1 -1 -1 1 -1 -1 1 2 -1 -1 -1 -1 -1 -1'
        } >"$dir/t"
        report --swf "$dir/t" --slots 8
        t_match "$(cat "$dir/err")" '1 jobs without a run time are left out' "what is left out"
        is '[j["jobs"], sorted((r["tenant"], r["jobs"]) for r in j["tenants"])]' "[4, [('u-1', 1), ('u1', 1), ('u2', 2)]]"
        is 'near(j["makespan_s"], 100, 0.001)'
}

# A line that is none says which.
refuses_traces() {
        local line good='1 0 0 10 1 -1 -1 1 10 -1 1 1 -1 -1 -1 -1 -1 -1'
        for line in "1 2 3" "${good/ 10 1 / ten 1 }" "${good/ 10 1 / 1e3 1 }" "${good/ 10 1 / nan 1 }" "${good/ 10 1 / 0x10 1 }" \
                "${good/ 10 1 / 99999999999999999999999 1 }" "${good/ 10 1 / 100000000001 1 }" "${good% -1}" "${good/ 10 1 / - 1 }" \
                "${good/ 10 1 / 1-1 1 }" "$(printf '\1\2\3')" '[tenant a]'; do
                printf '; one\n%s\n%s\n%s\n' "$good" "$line" "$good" >"$dir/bad"
                status 3 --swf "$dir/bad"
                t_match "$(cat "$dir/err")" 'bad:3: ' "what is said of: $line"
        done
        for line in '' '; only' "${good/ 10 1 / -1 1 }"; do
                echo "$line" >"$dir/bad"
                status 3 --swf "$dir/bad"
        done
        : >"$dir/bad"
        status 3 --swf "$dir/bad"
}

refuses_workloads() {
        local n=0 text
        for text in 'jobs=x' 'jobs=10000001' 'burst=0' 'rate=0/s' 'rate=1' 'length=0' 'length=uniform 1s' 'length=normal 1s' 'foo=1' \
                'priority=101' 'queue=a b' 'reserved=17' 'pool=gold' 'weight=0' 'jobs=-1' 'length=pareto 1s 0'; do
                printf '[tenant a]\njobs=1\n%s\n' "$text" >"$dir/bad"
                status 3 --workload "$dir/bad"
                n=$((n + 1))
        done
        for text in '[tenant]' '[tenant a b]' '[foo]' 'jobs=1' '[queue a/b]' $'[pool x]\n[tenant a]\njobs=1' \
                $'[pool x]\nslots=16\n[tenant a]\njobs=1' $'[scheduler]\nlane_slots=16\n[tenant a]\njobs=1'; do
                printf '%s\n' "$text" >"$dir/bad"
                status 3 --workload "$dir/bad"
        done
        printf '[tenant a]\njobs=1\n' >"$dir/w"
        printf '[tenant a]\njobs=1\n' >"$dir/bad"
        status 3 --workload "$dir/w" --tenants "$dir/bad"
        t_match "$(cat "$dir/err")" 'bad:2: .*jobs' "a file of tenants submits nothing"
}

# Numbers that can be calculated --------------------------------------------------------------

# A hundred jobs in the order in which they come, on four slots: each wait, by Python.
fifo_by_hand() {
        python3 - "$dir/swf" "$dir/want" <<'PY'
import heapq, json, math, random, sys
random.seed(5)
rows, at = [], 0
for i in range(400):
    at += random.choice((0, 0, 1, 2, 7))
    rows.append((at, random.randrange(1, 40), random.randrange(1, 5)))
with open(sys.argv[1], "w") as f:
    for i, (submit, run, user) in enumerate(rows):
        f.write("%d %d 0 %d 1 -1 -1 1 -1 -1 1 %d 1 -1 1 -1 -1 -1\n" % (i + 1, submit, run, user))
free, waits, slow, end = [0] * 4, {}, {}, 0
for submit, run, user in rows:
    start = max(submit, heapq.heappop(free))
    heapq.heappush(free, start + run)
    end = max(end, start + run)
    waits.setdefault(user, []).append(start - submit)
    slow.setdefault(user, []).append((start - submit + run) / run)
def rank(v, p):
    return sorted(v)[max(math.ceil(p * len(v)), 1) - 1]
json.dump({"end": end - rows[0][0], "tenants": {"u%d" % u: [len(w), rank(w, .5), rank(w, .95), rank(w, .99),
    sum(slow[u]) / len(w), rank(slow[u], .99)] for u, w in waits.items()}}, open(sys.argv[2], "w"))
PY
        report --swf "$dir/swf" --slots 4 --policy fifo
        python3 - "$dir/report" "$dir/want" <<'PY'
import json, sys
got, want = (json.load(open(f)) for f in sys.argv[1:])
assert abs(got["makespan_s"] - want["end"]) < 1e-3, (got["makespan_s"], want["end"])
for t in got["tenants"]:
    g = [t[k] for k in ("jobs", "wait_p50_s", "wait_p95_s", "wait_p99_s", "slowdown_mean", "slowdown_p99")]
    w = want["tenants"][t["tenant"]]
    assert all(abs(a - b) < 1e-3 for a, b in zip(g, w)), (t["tenant"], g, w)
assert len(got["tenants"]) == len(want["tenants"]) == 4
PY
}

# One slot: a, b and c have ten, five and one job of ten seconds, all at once.
round_robin_by_hand() {
        local i lines=()
        for ((i = 0; i < 16; i++)); do
                lines+=("$i 0 10 1 -1 $((i < 10 ? 1 : i < 15 ? 2 : 3))")
        done
        swf "${lines[@]}"
        report --swf "$dir/swf" --slots 1 --policy round-robin
        is '[t[u]["wait_p99_s"] for u in ("u1", "u2", "u3")]' "[150.0, 100.0, 20.0]"
        report --swf "$dir/swf" --slots 1 --policy fifo
        is '[t[u]["wait_p99_s"] for u in ("u1", "u2", "u3")]' "[90.0, 140.0, 150.0]"
        report --swf "$dir/swf" --slots 1
        is '[t[u]["wait_p99_s"] for u in ("u1", "u2", "u3")]' "[150.0, 100.0, 20.0]"
}

# Fairness ------------------------------------------------------------------------------------

flood() {
        workload <<'END'
[scheduler]
max_jobs=4
[tenant flood]
jobs=5000
length=10s
[tenant quiet]
jobs=20
start=10min
rate=1/min
length=10s
END
        report --workload "$dir/w"
        is 't["quiet"]["wait_p99_s"] <= 10'
        report --workload "$dir/w" --policy fifo
        is 't["quiet"]["wait_p99_s"] > 5000'
}

# Jobs of 2 s against jobs of 200 s: slots by weight, whatever the lengths.
uneven_lengths() {
        cat >"$dir/w" <<END
[scheduler]
max_jobs=8
[tenant short]
jobs=20000
length=2s
weight=$1
[tenant long]
jobs=400
length=200s
weight=$2
END
        report --workload "$dir/w"
        is "near(t['short']['share'], t['short']['entitlement'], 0.02)"
        is "near(t['long']['share'], t['long']['entitlement'], 0.02)"
        is "near(t['short']['share'], $1 / ($1 + $2), 0.02)"
        is "near(t['long']['share'], $2 / ($1 + $2), 0.02)"
        is 'j["jain"] >= 0.99'
        # By turns, one job each, the long ones would have nearly all.
        report --workload "$dir/w" --policy round-robin
        is 't["short"]["share"] < 0.1'
}

# Who competes for moments only, and has nothing then, says little about how the others share.
moments() {
        python3 - >"$dir/w" <<'PY'
print("[scheduler]\nmax_jobs=4\n[tenant large]\njobs=4000\nlength=10s\n[tenant other]\nweight=300\njobs=4000\nlength=10s")
for i in range(30):
    print("[tenant brief%d]\njobs=1\nlength=10s\nstart=%ds" % (i, 101 + 97 * i))
PY
        report --workload "$dir/w"
        # Two ratios of 1 and thirty of 0.
        is 'near(j["jain"], 2 / 32, 0.01)'
        is 'j["jain_weighted"] > 0.99'
        is 'j["share_error_tenant"] in ("large", "other") and j["share_error_max"] < 0.02'
        t_match "$(sim --workload "$dir/w" | sed -n 2p)" \
                "^Jain's index weighted by entitlement 0\\.99[0-9]+, largest share error [01]\\.[0-9]% \\((large|other)\\)$" "second line"
        # The oldest first: with its job of 2 s u2 waits for 50 s, and has nothing of its half of them.
        swf "1 0 25 1 -1 1" "2 0 25 1 -1 1" "3 0 25 1 -1 1" "4 0 2 1 -1 2"
        report --swf "$dir/swf" --slots 1 --policy fifo
        is '[j["jain_weighted"], j["share_error_max"], j["share_error_tenant"]]' "[0.5, 1.0, 'u2']"
}

hundred_tenants() {
        python3 - >"$dir/w" <<'PY'
print("[scheduler]\nmax_jobs=32")
shapes = ["fixed 5s", "uniform 1s 60s", "exponential 20s", "lognormal 10s 1.0", "fixed 2min"]
means = [5, 30.5, 20, 16.5, 120]
for i in range(100):
    print("[tenant t%d]\njobs=%d\nlength=%s" % (i, 20000 / means[i % 5], shapes[i % 5]))
PY
        report --workload "$dir/w"
        is 'j["jain"] >= 0.99'
        is 'j["jobs"] == j["decisions"] and len(t) == 100'
        is 'near(sum(r["share"] for r in j["tenants"]), 1, 0.001)'
        is 'near(sum(r["entitlement"] for r in j["tenants"]), 1, 0.001)'
        is 'max(abs(r["share"] / r["entitlement"] - 1) for r in j["tenants"]) < 0.1'
}

# Who sleeps for an hour has saved nothing up, and who comes back is not punished.
sleeper_and_returning() {
        workload <<'END'
[scheduler]
max_jobs=4
[tenant always]
jobs=6000
length=5s
[tenant sleeper]
jobs=1000
start=1h
length=5s
END
        report --workload "$dir/w"
        # From the hour on half of the slots: 1000 jobs of 5 s on two of them, neither sooner nor later.
        is 'near(t["sleeper"]["wait_p99_s"], 990 / 2 * 5, 60)'
        is 'near(t["sleeper"]["share"], 0.5, 0.02)'
        workload <<'END'
[scheduler]
max_jobs=4
[tenant always]
jobs=6000
length=5s
[tenant back]
jobs=200
length=5s
[tenant back2]
jobs=1
[tenant back]
jobs=200
start=1h
length=5s
END
        report --workload "$dir/w"
        is 'near(t["back"]["share"], 0.5, 0.03)'
        is 'near(t["back"]["wait_p99_s"], 500, 25)'
}

reservations() {
        workload <<'END'
[scheduler]
max_jobs=8
[tenant greedy]
jobs=3000
length=10s
weight=10000
[tenant sure]
jobs=300
start=1min
length=10s
weight=1
reserved=2
END
        report --workload "$dir/w"
        # 300 jobs of 10 s on two slots, and the first of them as soon as two are free.
        is 't["sure"]["wait_p99_s"] <= 1500 and t["sure"]["wait_p50_s"] <= 760'
        report --workload "$dir/w" --set sure.reserved=0
        is 't["sure"]["wait_p50_s"] > 2500'
        is 'j["before"]["tenants"][1]["wait_p50_s"] <= 760'
        report --workload "$dir/w" --set sure.reserved=25%
        is 't["sure"]["wait_p50_s"] <= 760'
        status 3 --workload "$dir/w" --set greedy.reserved=7
}

# Jobs of a second under a flood of jobs of three hours.
lanes() {
        workload <<'END'
[scheduler]
max_jobs=10
lane_slots=2
lane_runtime=1min
[tenant batch]
jobs=200
length=3h
[tenant interactive]
jobs=2000
rate=20/min
length=1s
bound=30s
END
        report --workload "$dir/w"
        is 't["interactive"]["wait_p99_s"] <= 1'
        report --workload "$dir/w" --set host.lane_slots=0
        is 't["interactive"]["wait_p99_s"] > 60'
}

pools() {
        workload <<'END'
[scheduler]
max_jobs=10
[pool gold]
slots=3
[tenant crowd]
jobs=1000
length=10s
[tenant gold]
jobs=30
length=10s
pool=gold
END
        report --workload "$dir/w"
        # 30 jobs on three slots: the last waits for nine. 1000 jobs on seven.
        is '[t["gold"]["wait_p99_s"], t["crowd"]["wait_p99_s"] > 1400, j["makespan_s"]]' "[90.0, True, 1430.0]"
        report --workload "$dir/w" --set gold.pool=shared
        is 't["gold"]["wait_p99_s"] < 90'
        status 3 --workload "$dir/w" --set gold.pool=golf
        t_match "$(cat "$dir/err")" 'gold: there is no pool "golf"' "what is said"
}

refusals() {
        workload <<'END'
[scheduler]
max_jobs=2
[tenant a]
jobs=100
length=10s
queue_depth=10
[tenant b]
jobs=10
length=10s
[queue b/default]
queue_depth=3
END
        report --workload "$dir/w"
        # All come at once, before anything starts: so many as may wait are taken.
        is '[t["a"]["jobs"], t["a"]["refused"], t["b"]["refused"], j["decisions"]]' "[100, 90, 7, 13]"
        report --workload "$dir/w" --set a.queue_depth=max --set b/default.queue_depth=5
        is '[t["a"]["refused"], t["b"]["refused"], j["decisions"]]' "[0, 5, 105]"
        is '[r["refused"] for r in j["before"]["tenants"]]' "[90, 7]"
        report --workload "$dir/w" --set a.enqueue_rate=5/s
        is 't["a"]["refused"]' 95
}

# What can never start is not shown as what never waits.
never_started() {
        swf "1 0 10 1 -1 1" "2 0 10 1 -1 2"
        sim --swf "$dir/swf" --set u1.concurrency=0 >"$dir/out" 2>&1
        t_match "$(cat "$dir/out")" '(never|not) start' "what is said of jobs that never started"
}

changes() {
        local table
        swf "1 0 100 1 -1 1" "2 0 100 1 -1 1" "3 0 100 1 -1 1" "4 0 10 1 -1 2"
        report --swf "$dir/swf" --slots 3 --set u1.concurrency=1
        is '[j["makespan_s"], j["before"]["makespan_s"]]' "[300.0, 110.0]"
        is '[t["u2"]["wait_p99_s"], t["u1"]["wait_p99_s"]]' "[0.0, 200.0]"
        report --swf "$dir/swf" --slots 3 --set u1.concurrency=1 --set u1.concurrency=2 --set host.max_jobs=2
        is '[j["slots"], j["before"]["slots"], j["makespan_s"]]' "[2, 3, 200.0]"
        table=$(sim --swf "$dir/swf" --slots 3 --set u1.concurrency=1)
        t_eq "$(grep -cE '^(before|after): ' <<<"$table")" 2 "reports in the table"
        # A file says the same.
        printf '[tenant u1]\nconcurrency=1\n[scheduler]\nmax_jobs=5\n' >"$dir/tenants"
        report --swf "$dir/swf" --slots 3 --tenants "$dir/tenants"
        is '[j["slots"], j["makespan_s"], "before" in j]' "[3, 300.0, False]"
}

draws_a_chart() {
        python3 - >"$dir/w" <<'PY'
for i in range(60):
    print("[tenant t%d]\njobs=%d\nlength=exponential 5s" % (i, 10 + i))
PY
        for set in "" "--set t59.weight=900"; do
                # shellcheck disable=SC2086 # words
                report --workload "$dir/w" --svg "$dir/chart.svg" $set
                python3 - "$dir/chart.svg" <<'PY'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
ns = "{http://www.w3.org/2000/svg}"
assert root.tag == ns + "svg", root.tag
texts = [e.text for e in root.iter(ns + "text")]
assert "t59" in texts and "t0" not in texts, "the forty that used the most"
for e in root.iter(ns + "rect"):
    assert "%" in e.get("width") or 0 <= float(e.get("width")) <= 400, e.get("width")
assert all(e.tag in (ns + "svg", ns + "text", ns + "rect") for e in root.iter())
PY
        done
}

# Jobs that run for hours are looked at each minute while somebody waits: sixteen million times here.
looks_are_cheap() {
        local start=$SECONDS
        python3 - >"$dir/w" <<'PY'
print("[scheduler]\nmax_jobs=100")
for i in range(20):
    print("[tenant t%d]\njobs=800\nlength=uniform 12h 24h" % i)
PY
        report --workload "$dir/w"
        is 'j["decisions"]' 16000
        [ $((SECONDS - start)) -le 5 ] || t_fail "took $((SECONDS - start)) s"
}

# 100,000 jobs of 200 tenants in seconds.
is_fast() {
        local start=$SECONDS
        python3 - >"$dir/w" <<'PY'
print("[scheduler]\nmax_jobs=64")
for i in range(200):
    print("[tenant t%d]\njobs=500\nrate=30/min\nlength=lognormal 20s 1.0" % i)
PY
        report --workload "$dir/w"
        is '[j["jobs"], j["decisions"]]' "[100000, 100000]"
        [ $((SECONDS - start)) -le 10 ] || t_fail "took $((SECONDS - start)) s"
}

t_case "fields and policies" has_its_fields
t_case "the table" shows_a_table
t_case "same seed, same output" same_seed_same_output
t_case "bad arguments" bad_arguments
t_case "traces (SWF)" reads_traces
t_case "bad traces" refuses_traces
t_case "bad workloads" refuses_workloads
t_case "fifo, by hand" fifo_by_hand
t_case "round-robin, by hand" round_robin_by_hand
t_case "a flood" flood
t_case "uneven lengths, equal weights" uneven_lengths 100 100
t_case "uneven lengths, weights 1:3" uneven_lengths 100 300
t_case "uneven lengths, weights 3:1" uneven_lengths 300 100
t_case "who competes for moments" moments
t_case "a hundred equal tenants" hundred_tenants
t_case "a sleeper and one who returns" sleeper_and_returning
t_case "reservations" reservations
t_case "lanes" lanes
t_case "pools" pools
t_case "refusals" refusals
t_case "jobs that never start" never_started
t_case "--set and --tenants" changes
t_case "--svg" draws_a_chart
t_case "long jobs" looks_are_cheap
t_case "100,000 jobs" is_fast
t_summary
