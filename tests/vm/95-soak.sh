#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/vm/95-soak.sh - tenants of all kinds for a while, with a fault every few seconds: nothing is lost, nothing runs
# twice, and nothing grows (T80, T87).
#
# A round: files are dropped, a fault happens while they run, all comes to rest, what could grow is counted. In the first
# half of the rounds faults kill our processes; in the second half they live, so that they could grow.
#
# TENANTQ_TEST_MINUTES: how long (default 2); TENANTQ_SEED: of an earlier run, for the same jobs and faults.

. "$(dirname "$0")/machine.sh"

MINUTES=${TENANTQ_TEST_MINUTES:-2}
SEED=${TENANTQ_SEED:-$RANDOM}
TENANTS=6
STATE=$(mktemp -d) # dropped: "TENANT NAME CODE" each; samples: "ROUND WHAT NUMBER"
WITNESS=/srv/witness

RANDOM=$SEED

# Not in a subshell: each has its own numbers.
pick() {
        printf -v "$1" %d $((RANDOM % $2))
}

begin() {
        local i
        install -m 0666 /dev/null "$WITNESS"
        # Output is kept of few, so that its files have a bound that is reached.
        sed -i -e '/^\[history\]/a output_files=20' -e '/^\[scheduler\]/a max_jobs=12' "$V_CONF/tenantq.conf"
        for ((i = 1; i <= TENANTS; i++)); do
                printf '%s\n' '[tenant]' "read_write_paths=$WITNESS" >"$V_CONF/tenants.d/s$i.conf"
        done
        systemctl restart tenantq
        for ((i = 1; i <= TENANTS; i++)); do
                v_tenant "s$i" concurrency=2 memory=128M pids=64 cpu=1
        done
}

# drop TENANT NAME VERDICT COMMAND [LINE…]: a file; the job's first act is a line in the witness.
drop() {
        local file=$V_SPOOL/$1/$2.job
        printf '%s\n' '[Job]' "Name=$2" "ExecStart=/bin/sh -c \"echo start $2 >>$WITNESS; $4\"" "${@:5}" >"$file.tmp"
        chown "$1" "$file.tmp"
        echo "$1 $2 $3" >>"$STATE/dropped"
        mv "$file.tmp" "$file"
}

# One job of some kind; its number is its name. What it must end with is an extended regular expression.
drop_one() {
        local tenant=0 kind=0 name
        pick tenant $TENANTS
        pick kind 10
        tenant=s$((tenant + 1))
        name=j$((++dropped))
        case $kind in
        0 | 1 | 2) drop "$tenant" "$name" 'exit 0' 'exit 0' ;;
        3) drop "$tenant" "$name" 'exit 7' 'exit 7' ;;
        4) drop "$tenant" "$name" 'exit 0' 'yes | head -c 20000' ;;
        5) drop "$tenant" "$name" 'exit 0' 'setsid sleep 1000 & exit 0' ;;
        6) drop "$tenant" "$name" 'exit 0' 'sleep 1' ;;
        7) drop "$tenant" "$name" 'oom \(job\)' 'head -c 100M /dev/zero | tail -c 90M >/dev/null' '[Limits]' MemoryMax=32M ;;
        8) drop "$tenant" "$name" 'signal 9 \(KILL\)' 'kill -9 $$' ;;
        9) drop "$tenant" "$name" refused 'exit 0' Unknown=key ;;
        esac
}

# The child of tenantqd that is in no job's cgroup.
launcher_pid() {
        local pid
        for pid in $(pgrep --parent "$1" --exact tenantq-exec); do
                grep -qs '\.job$' "/proc/$pid/cgroup" || echo "$pid"
        done
}

# What ends our processes.
kill_something() {
        local which=0 main
        pick which 6
        main=$(v_main_pid)
        case $which in
        0) kill -KILL "$(v_engine_pid)" ;;
        1) kill -KILL "$main" ;;
        2) kill -KILL "$main" "$(v_engine_pid)" ;;
        3) systemctl restart tenantq ;;
        4) systemctl daemon-reexec && systemctl restart tenantq ;;
        5) kill -KILL "$(launcher_pid "$main")" ;;
        esac || true # it may be on its way already
        fault="kill $which"
        echo "$fault"
}

# What they live through.
disturb() {
        local which=0 tenant=0
        pick which 6
        pick tenant $TENANTS
        tenant=s$((tenant + 1))
        case $which in
        0) kill -STOP "$(v_engine_pid)" && sleep 2 && kill -CONT "$(v_engine_pid)" ;;
        1) tenantqctl limits set $tenant concurrency=1 && tenantqctl limits set $tenant concurrency=2 ;;
        2) tenantqctl reload ;;
        3) systemctl restart systemd-journald ;;
        4) systemctl daemon-reload ;;
        5) tenantqctl pause $tenant && sleep 1 && tenantqctl resume $tenant ;;
        esac >/dev/null || true # as above
        fault="disturb $which $tenant"
        echo "$fault"
}

no_job_waits() {
        local jobs
        jobs=$(tenantqctl ps) && ! grep -Eq ' (queued|starting|running|ending) ' <<<"$jobs"
}

at_rest() {
        v_answers && v_engine_pid >/dev/null && [ -z "$(v_leaves)" ] &&
                [ -z "$(find "$V_SPOOL" -type f -not -path '*/rejected/*')" ] && no_job_waits
}

sample() {
        local main engine
        main=$(v_main_pid)
        engine=$(v_engine_pid)
        # What a dead cgroup's page cache keeps is the kernel's to give back.
        sync
        echo 3 >/proc/sys/vm/drop_caches
        {
                echo "$1 pids $main-$engine"
                echo "$1 tenantqd-rss-KiB $(awk '$1 == "VmRSS:" { print $2 }' "/proc/$main/status")"
                echo "$1 engine-rss-KiB $(awk '$1 == "VmRSS:" { print $2 }' "/proc/$engine/status")"
                echo "$1 tenantqd-fds $(find "/proc/$main/fd" -type l | wc -l)"
                echo "$1 engine-fds $(find "/proc/$engine/fd" -type l | wc -l)"
                echo "$1 engine-threads $(find "/proc/$engine/task" -mindepth 1 -maxdepth 1 | wc -l)"
                echo "$1 dying-cgroups $(awk '$1 == "nr_dying_descendants" { print $2 }' "$V_JOBS/cgroup.stat")"
                echo "$1 state-files $(find /var/lib/tenantq /run/tenantq | wc -l)"
                echo "$1 log-files $(find /var/log/tenantq -type f | wc -l)"
                echo "$1 processes $(pgrep -c tenantq-exec || true)"
        } >>"$STATE/samples"
}

soak() {
        local end=$((SECONDS + MINUTES * 60)) half=$((SECONDS + MINUTES * 30)) round=0 i n=0 since longest=0 after=
        dropped=0
        while [ $SECONDS -lt $end ]; do
                pick n 12
                for ((i = 0; i < n + 6; i++)); do
                        drop_one
                done
                since=$SECONDS
                if [ $SECONDS -lt $half ]; then
                        kill_something
                else
                        disturb
                fi
                t_wait 120 at_rest
                if [ $((SECONDS - since)) -gt $longest ]; then
                        longest=$((SECONDS - since)) after=$fault
                fi
                sample $((++round))
        done
        v_note "seed $SEED: $round rounds, $dropped files, at rest after $longest s at most ($after)"
}

# Each file is one job with the verdict that it must have, or was refused; no program ran twice.
all_is_told() {
        tenantqctl ledger export >"$STATE/export"
        python3 - "$STATE" "$WITNESS" "$V_SPOOL" <<'END'
import collections, json, os, re, sys
state, witness, spool = sys.argv[1:]
jobs = collections.defaultdict(list)
for line in open(f"{state}/export"):
    row = json.loads(line)
    if row.get("table") == "jobs":
        jobs[row["name"]].append(row)
starts = collections.Counter(line.split()[1] for line in open(witness))
verdicts, wrong = collections.Counter(), []
for line in open(f"{state}/dropped"):
    tenant, name, want = line.rstrip("\n").split(" ", 2)
    of_it = jobs.get(name, [])
    if want == "refused":
        if of_it or not os.path.exists(f"{spool}/{tenant}/rejected/{name}.reason"):
            wrong.append(f"{name}: should be refused")
        verdicts["refused"] += 1
        continue
    if len(of_it) != 1:
        wrong.append(f"{name}: {len(of_it)} jobs")
        continue
    verdict = of_it[0]["verdict"]
    verdicts[verdict] += 1
    if not re.fullmatch(want, verdict or ""):
        wrong.append(f"{name}: {verdict}, not {want}")
    if starts[name] != 1:
        wrong.append(f"{name}: started {starts[name]} times, {verdict}")
print(dict(verdicts))
sys.exit("\n".join(wrong[:20]) if wrong else 0)
END
}

# From the first third of the rounds since the last kill to the end: by no more than so much, or to a bound (=).
nothing_grows() {
        local what allowed
        while read -r what allowed; do
                awk -v what="$what" -v allowed="$allowed" '
                        $2 == "pids" { if ($3 != pids) n = 0; pids = $3 }
                        $2 == what { of[++n] = $3 }
                        END {
                                if (n < 3) {
                                        printf "%s: %d rounds without a kill are too few to say\n", what, n
                                        exit 1
                                }
                                third = int((n + 2) / 3)
                                for (i = 1; i <= third; i++)
                                        if (of[i] > before)
                                                before = of[i]
                                printf "%s: %d at most in the first %d rounds without a kill, %d after %d\n",
                                        what, before, third, of[n], n
                                exit of[n] > (allowed ~ /^=/ ? substr(allowed, 2) + 0 : before + allowed)
                        }' "$STATE/samples" >"$STATE/line" || t_fail "$(cat "$STATE/line")"
                v_note "$(cat "$STATE/line")"
        done <<'END'
tenantqd-rss-KiB 1024
engine-rss-KiB 2048
tenantqd-fds 8
engine-fds 2
engine-threads 0
dying-cgroups 10
state-files 40
log-files =150
processes 0
END
}

v_start
begin
v_case "tenants of all kinds, with faults, for $MINUTES minutes (seed $SEED)" soak
v_case "each file is one job with its verdict, or refused; none ran twice" all_is_told
v_case "nothing grows" nothing_grows

t_summary
