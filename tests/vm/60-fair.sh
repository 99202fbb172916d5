#!/bin/bash
# tests/vm/60-fair.sh - shares, reservations, the lane, pools and memory, with real jobs on a real kernel.
#
# What the simulator shows for many tenants and long times is tried here for a few and for seconds: the scheduler is
# the same, but here jobs take time to start, the CPU is the kernel's to divide, and use is what cgroups have counted.
#
# A job's slot is its own from the moment at which another job left it, so the time that a start takes is the
# tenant's who starts; that, or what the ledger says of CPU time, is compared. A burner runs until it has used so much
# CPU time, whatever the emulation makes of a second. Where tenants compete for a time T, their use may differ by the
# few jobs that began or will end outside of it: the bounds below are that, and are said beside each.

. "$(dirname "$0")/machine.sh"

WORK=$(mktemp -d)
declare -A SLOT CPU STARTS # of each tenant: milliseconds, and how many

# Jobs, as ExecStart= has them.
nap() {
        echo "/bin/sleep $1"
}

burn() {
        # shellcheck disable=SC2016 # perl's variables
        printf '/usr/bin/perl -e "do { ($u, $s) = times } until $u + $s >= %s"\n' "$1"
}

# fresh LINE…: an empty tenantq whose tenants have no limits, with these lines in [scheduler] and behind it.
fresh() {
        systemctl stop tenantq.service tenantq-jobs.service
        rm -rf "${V_SPOOL:?}"/* /var/lib/tenantq/* /var/log/tenantq/*
        rm -f "$V_CONF"/tenants.d/*.conf
        conf "$@"
        systemctl start tenantq
}

conf() {
        printf '%s\n' '[defaults]' concurrency=16 '[scheduler]' "$@" >"$V_CONF/tenantq.conf"
}

# drop TENANT N NAME COMMAND [LINE…]: so many job files, with more lines behind ExecStart=.
drop() {
        local tenant=$1 n=$2 name=$3 i
        local -a lines=('[Job]' "Name=$name" "ExecStart=$4" "${@:5}")
        for ((i = 0; i < n; i++)); do
                printf '%s\n' "${lines[@]}" >"$V_SPOOL/$tenant/$name.$i.job"
        done
}

# submit TENANT NAME COMMAND [LINE…]: prints the job's number.
submit() {
        printf '%s\n' '[Job]' "Name=$2" "ExecStart=$3" "${@:4}" | tenantqctl submit -t "$1" -
}

# counts TENANT RUNNING WAITING; "-": any number.
counts() {
        tenantqctl tenants | awk -v name="$1" -v running="$2" -v waiting="$3" '
                $1 != name { next }
                (running == "-" || $5 == running) && (waiting == "-" || $6 == waiting) { found = 1 }
                END { exit !found }'
}

runs_any() {
        ! counts "$1" 0 -
}

nothing_runs() {
        [ "$(tenantqctl tenants | awk 'NR > 1 { n += $5 } END { print n + 0 }')" = 0 ]
}

# All that runs may end, and nothing starts: then all that was used is in the ledger.
settle() {
        tenantqctl pause host
        t_wait 30 nothing_runs
        tenantqctl --json ps -a -n 10000 >"$WORK/jobs.json"
}

# What the ledger knows.
ask() {
        python3 - "$WORK/jobs.json" "$@" <<'EOF'
import json, sys

LAUNCH = 1500000  # a start takes less, so an end longer ago has nothing to do with it

jobs = [j for j in json.load(open(sys.argv[1]))["jobs"] if j["started_usec"] and j["ended_usec"]]
jobs.sort(key=lambda j: j["started_usec"])
ends = sorted(j["ended_usec"] for j in jobs)
for j in jobs:
    while ends and ends[0] < j["started_usec"] - LAUNCH:
        ends.pop(0)
    j["granted"] = ends.pop(0) if ends and ends[0] <= j["started_usec"] else j["started_usec"]
    j["length"] = j["ended_usec"] - j["started_usec"]


# TENANT STARTS SLOT_MSEC CPU_MSEC, between two moments.
def use(begin, end):
    def overlap(a, b):
        return max(0, min(b, end) - max(a, begin))

    for tenant in sorted(set(j["tenant"] for j in jobs)):
        own = [j for j in jobs if j["tenant"] == tenant]
        print(tenant,
              sum(begin <= j["granted"] < end for j in own),
              sum(overlap(j["granted"], j["ended_usec"]) for j in own) // 1000,
              sum(j["cpu_usec"] * overlap(j["started_usec"], j["ended_usec"]) // max(j["length"], 1)
                  for j in own) // 1000)


# Of a tenant's jobs: longest wait, most jobs of others that got a slot during such a wait, the others' longest job.
def waits(tenant):
    own = [j for j in jobs if j["tenant"] == tenant]
    others = [j for j in jobs if j["tenant"] != tenant]
    print(max(j["started_usec"] - j["submitted_usec"] for j in own) // 1000,
          max(sum(j["submitted_usec"] < o["granted"] < j["granted"] for o in others) for j in own),
          max(o["length"] for o in others) // 1000)


# SUBMITTED STARTED ENDED of a job.
def times(number):
    print(*[(j["submitted_usec"], j["started_usec"], j["ended_usec"]) for j in jobs if j["job"] == number][0])


{"use": use, "waits": waits, "times": times}[sys.argv[2]](*[int(a) if a.isdigit() else a for a in sys.argv[3:]])
EOF
}

# read_use BEGIN END: SLOT, CPU and STARTS between these moments.
read_use() {
        local tenant starts slot cpu
        while read -r tenant starts slot cpu; do
                STARTS[$tenant]=$starts
                SLOT[$tenant]=$slot
                CPU[$tenant]=$cpu
        done < <(ask use "$1" "$2")
}

# permille A B: of A in A + B.
permille() {
        echo $((1000 * $1 / ($1 + $2)))
}

# within GOT WANT PLUS-MINUS WHAT
within() {
        v_note "$4: $1 ‰, wanted $2 ± $3"
        if [ "$1" -lt $(($2 - $3)) ] || [ "$1" -gt $(($2 + $3)) ]; then
                t_fail "$4: $1 ‰, want $2 ± $3"
        fi
}

tenants() {
        local name
        for name; do
                v_tenant "$name"
        done
}

flood() {
        local wait passed longest
        fresh max_jobs=2
        tenants acme globex
        tenantqctl pause host
        drop acme 300 nap "$(nap 1)"
        t_wait 60 counts acme - 300
        tenantqctl resume host
        sleep 2
        # Each comes back after it was idle.
        for _ in 1 2 3; do
                t_eq "$(v_verdict "$(submit globex one "$(nap 0.1)")")" "exit 0" verdict
        done
        settle
        read -r wait passed longest < <(ask waits globex)
        v_note "one job against 300: waited at most $wait ms, passed by $passed; the others' took up to $longest ms"
        # Till one ends, and its own start. Of two that start together either may have been second.
        [ "$wait" -le $((longest + 1000)) ] || t_fail "waited $wait ms for jobs of $longest ms"
        [ "$passed" -le 1 ] || t_fail "passed by $passed"
}

# Two tenants, jobs of 0.4 s and of 2.5 s, two slots. While both compete their use differs by the jobs at the ends of
# the time that is looked at: one of the long ones of about twenty in the slots of equals, of about thirteen when the
# weights are 1:3. Of a slot's time a start uses some, but no CPU time that the ledger has seen; short jobs start more
# often: an eighth to a quarter of theirs goes to starts, of the long ones' a twentieth, which is up to 50 thousandths.
uneven() {
        local begin middle end i
        local -a long=()
        fresh max_jobs=2
        tenants acme globex
        tenantqctl pause host
        drop acme 150 short "$(burn 0.4)"
        for i in {1..24}; do
                long+=("$(submit globex long "$(burn 2.5)")")
        done
        t_wait 60 counts acme - 150
        tenantqctl resume host
        v_now begin
        tenantqctl wait "${long[9]}"
        v_now middle
        tenantqctl limits set globex weight=300
        tenantqctl wait "${long[19]}"
        v_now end
        settle
        # One long job more or less in a window is 26 ‰.
        compare "$begin" "$middle" "equal weights" 500 75
        compare "$middle" "$end" "weights 1:3" 250 75
}

# compare BEGIN END WEIGHTS WANT PLUS-MINUS: acme's short jobs with globex's long ones.
compare() {
        read_use "$1" "$2"
        v_note "$3, $((($2 - $1) / 1000)) ms: short ${STARTS[acme]} jobs, slots ${SLOT[acme]} ms," \
                "CPU ${CPU[acme]} ms;" \
                "long ${STARTS[globex]} jobs, slots ${SLOT[globex]} ms, CPU ${CPU[globex]} ms"
        within "$(permille "${SLOT[acme]}" "${SLOT[globex]}")" "$4" "$5" "$3, slots of the short ones"
        within "$(permille "${CPU[acme]}" "${CPU[globex]}")" "$4" $(($5 + 50)) "$3, CPU time of the short ones"
}

# Six tenants, burners and sleepers, of six lengths. The dominant share is compared: of 4 slots or of 2 CPUs.
six() {
        local begin end jain
        local -A length=([acme]=0.3 [globex]=0.5 [initech]=0.8 [umbrella]=1.2 [hooli]=1.8 [soylent]=2.5)
        fresh max_jobs=4
        tenants "${!length[@]}"
        tenantqctl pause host
        for tenant in acme initech hooli; do
                drop "$tenant" 60 burn "$(burn "${length[$tenant]}")"
        done
        for tenant in globex umbrella soylent; do
                drop "$tenant" 60 nap "$(nap "${length[$tenant]}")"
        done
        for tenant in "${!length[@]}"; do
                t_wait 30 counts "$tenant" - 60
        done
        tenantqctl resume host
        sleep 1
        v_now begin
        sleep 12
        v_now end
        settle
        jain=$(ask use "$begin" "$end" | awk -v all=$(((end - begin) / 1000)) '
                {
                        slots = $3 / (4 * all)
                        cpu = $4 / (2 * all)
                        share = slots > cpu ? slots : cpu
                        printf "%s: %d jobs, %.3f of the slots, %.3f of the CPUs\n", $1, $2, slots, cpu >"/dev/stderr"
                        sum += share
                        squares += share * share
                        n++
                }
                END { printf "%d\n", 1000 * sum * sum / (n * squares) }' 2>"$WORK/shares")
        while read -r line; do
                v_note "$line"
        done <"$WORK/shares"
        v_note "Jain's index of the dominant shares of six tenants: $jain ‰"
        [ "$jain" -ge 970 ] || t_fail "Jain's index is $jain ‰, want at least 970"
}

sleeper() {
        local begin middle end
        fresh max_jobs=2
        tenants acme globex initech
        tenantqctl pause host
        drop acme 60 nap "$(nap 0.8)"
        drop globex 12 burn "$(burn 0.8)"
        drop initech 1 burn "$(burn 0.2)"
        t_wait 30 counts acme - 60
        t_wait 30 counts globex - 12
        tenantqctl resume host
        v_now begin
        t_wait 60 counts globex - 0
        v_now middle
        # One of 24 jobs more or less at the ends.
        tenantqctl --json ps -a -n 1000 >"$WORK/jobs.json"
        read_use "$begin" "$middle"
        v_note "sleeper ${STARTS[acme]} jobs, slots ${SLOT[acme]} ms; burner ${STARTS[globex]} jobs," \
                "slots ${SLOT[globex]} ms"
        within "$(permille "${SLOT[acme]}" "${SLOT[globex]}")" 500 60 "slots of the sleeper"
}

returns() {
        local begin end
        # The burner has gone, the sleeper had the host for itself, and then somebody returns.
        sleep 4
        drop initech 40 nap "$(nap 0.6)"
        t_wait 30 runs_any initech
        v_now begin
        sleep 10
        v_now end
        settle
        read_use "$begin" "$end"
        v_note "who returns: ${STARTS[initech]} jobs, slots ${SLOT[initech]} ms; who was there: ${STARTS[acme]} jobs," \
                "slots ${SLOT[acme]} ms"
        ! counts acme - 0 || t_fail "too few jobs to compete with"
        within "$(permille "${SLOT[initech]}" "${SLOT[acme]}")" 500 60 "slots of who returns"
}

reservation() {
        local wait passed longest
        fresh max_jobs=4
        tenants acme initech
        v_tenant globex reserved=2
        drop acme 12 nap "$(nap 3)"
        t_wait 30 counts acme 4 8
        # Who has used nothing at all, and comes first.
        drop initech 4 nap "$(nap 3)"
        t_wait 30 counts initech 0 4
        drop globex 2 nap "$(nap 1)"
        t_wait 30 counts globex 2 0
        t_wait 30 counts globex 0 0
        settle
        read -r wait passed longest < <(ask waits globex)
        v_note "two reserved slots of a borrowed host: waited at most $wait ms, passed by $passed;" \
                "the borrower's took up to $longest ms"
        # All four end and are followed at about the same time.
        [ "$passed" -le 2 ] || t_fail "passed by $passed"
        [ "$wait" -le $((longest + 1000)) ] || t_fail "waited $wait ms for jobs of $longest ms"
}

lane() {
        local wait passed longest first
        fresh max_jobs=3 lane_slots=1 lane_runtime=10s
        tenants acme globex
        drop acme 6 long "$(nap 30)"
        t_wait 30 counts acme 2 4
        first=$(tenantqctl ps acme | awk '$5 == "queued" && $6 == "lane" { print $1 }')
        drop globex 4 short "$(nap 1)" RuntimeMaxSec=5s
        # Of who has the long ones too, behind them in the same queue.
        drop acme 1 short "$(nap 1)" RuntimeMaxSec=5s
        t_wait 30 counts globex 0 0
        t_wait 30 counts acme 2 4
        t_eq "$(v_state "$first")" queued "the long job that is next"
        t_match "$(tenantqctl explain "$first")" 'long jobs have 2 of their 2 slots'
        tenantqctl --json ps -a -n 100 >"$WORK/jobs.json"
        read -r wait passed longest < <(ask waits globex)
        v_note "four jobs of 1 s by a lane of one slot, with another's: the last waited $wait ms"
        # Four times a job of about a second and its start.
        [ "$wait" -le 8000 ] || t_fail "waited $wait ms"
}

effective() {
        cat "$(v_slice "$1")/cpuset.cpus.effective"
}

cpus_are() {
        [ "$(effective acme) $(effective globex)" = "$1 $2" ]
}

pools() {
        fresh max_jobs=6 '[pool fast]' slots=2 cpus=1
        printf '%s\n' '[tenant]' pool=fast >"$V_CONF/tenants.d/acme.conf"
        tenants acme globex
        drop acme 5 nap "$(nap 1000)"
        drop globex 6 nap "$(nap 1000)"
        t_wait 30 counts acme 2 3
        t_wait 30 counts globex 4 2
        t_eq "$(effective acme) $(effective globex)" "1 0" "the CPUs of the pool and the others"
        t_eq "$(cat "$(v_slice acme)"/*.job/cpuset.cpus.effective | sort -u)" 1 "the CPUs of the pool's running jobs"
        # The other CPU, and another slot, while they run.
        conf max_jobs=6 '[pool fast]' slots=3 cpus=0
        tenantqctl reload
        t_wait 10 cpus_are 0 1
        t_wait 10 counts acme 3 2
        v_note "cpuset.cpus.effective, live: acme $(effective acme), globex $(effective globex)"
        t_eq "$(cat "$(v_slice acme)"/*.job/cpuset.cpus.effective | sort -u)" 0 "the CPUs of the pool's running jobs"
}

# No CPUs of its own any more, under running jobs: all have all again.
gives_back() {
        conf max_jobs=6 '[pool fast]' slots=3
        tenantqctl reload
        if ! (t_wait 5 cpus_are 0-1 0-1); then
                tenantqctl tenants
                t_fail "cpuset.cpus.effective: acme $(effective acme), globex $(effective globex)"
        fi
        t_eq "$(tenantqctl tenants | awk 'NR > 1 { print $4 }' | sort -u)" ready "the tenants"
}

# waits_for TENANT QUEUE REASON N: so many jobs of that queue wait for that.
waits_for() {
        tenantqctl queue "$1" | awk -v queue="$2" -v reason="$3" -v n="$4" '
                $2 == queue && $3 == reason && $4 == n { found = 1 }
                END { exit !found }'
}

memory() {
        local third
        fresh memory=200M
        tenants acme
        drop acme 2 nap "$(nap 4)" '[Limits]' memory=80M
        t_wait 20 counts acme 2 0
        third=$(submit acme nap "$(nap 0.1)" '[Limits]' memory=80M)
        t_wait 10 waits_for acme default memory 1
        t_match "$(tenantqctl explain "$third")" "promised 80.0M of memory, and of the host.s 200M only 40.0M are left"
        # One that needs less passes.
        t_eq "$(v_verdict "$(submit acme small "$(nap 0.1)" 'Queue=other' '[Limits]' memory=40M)")" "exit 0" verdict
        t_eq "$(v_state "$third")" queued "the third"
        t_eq "$(v_verdict "$third")" "exit 0" verdict
        # More than there ever is.
        ! submit acme big "$(nap 1)" '[Limits]' memory=201M 2>"$WORK/refusal" || t_fail "taken: 201M"
        grep -F HOST_LIMIT_EXCEEDED "$WORK/refusal"
}

patience() {
        local job submitted started _
        fresh memory=200M memory_patience=3s
        tenants acme globex
        drop acme 60 small "$(nap 1)" '[Limits]' memory=60M
        t_wait 20 counts acme 3 -
        job=$(submit globex big "$(nap 0.5)" '[Limits]' memory=190M)
        t_eq "$(v_verdict "$job")" "exit 0" verdict
        t_wait 20 counts acme 3 -
        settle
        read -r submitted started _ < <(ask times "$job")
        v_note "190M of 200M against a stream of 60M: started after $(((started - submitted) / 1000)) ms, patience 3 s"
        # The patience, and the longest of the small ones.
        [ $((started - submitted)) -le 6000000 ] || t_fail "waited $(((started - submitted) / 1000)) ms"
        [ $((started - submitted)) -ge 2500000 ] || t_fail "it did not wait: not the stream that it should be"
}

# Three slots. A job with two burners that does not end takes about the whole of the CPUs, so its tenant has its
# share with one slot of three. By slots alone it would get every fourth of the others' starts.
measured() {
        local begin end share
        fresh max_jobs=3
        tenants acme globex
        drop acme 1 hog '/usr/bin/perl -e "fork; 1 while 1"'
        t_wait 20 counts acme 1 0
        sleep 3
        tenantqctl pause host
        drop acme 60 nap "$(nap 0.8)"
        drop globex 60 nap "$(nap 0.8)"
        t_wait 20 counts acme - 60
        t_wait 20 counts globex - 60
        tenantqctl resume host
        # What it is charged ahead of its next look, it has had before the others came.
        sleep 3
        v_now begin
        share=$(v_share "$(v_slice acme)" 12)
        v_now end
        tenantqctl --json ps -a -n 1000 >"$WORK/jobs.json"
        read_use "$begin" "$end"
        v_note "two burners in a slot, $share thousandths of a core: their tenant started ${STARTS[acme]} more jobs," \
                "the other ${STARTS[globex]}"
        [ "${STARTS[globex]}" -ge 10 ] || t_fail "too few jobs to tell: ${STARTS[globex]}"
        within "$(permille "${STARTS[acme]}" "${STARTS[globex]}")" 0 150 "starts of the burners' tenant"
}

switches() {
        local held queue
        fresh max_jobs=8
        tenants acme globex initech
        tenantqctl pause acme -m "over the restart"
        tenantqctl drain globex
        tenantqctl pause initech/slow
        submit acme one "$(nap 0.1)"
        held=$(submit initech one "$(nap 0.1)" StartAfter=2099-01-01)
        tenantqctl hold "$held"
        queue=$(submit initech two "$(nap 0.1)" Queue=slow)
        systemctl restart tenantq
        t_wait 30 v_answers
        t_match "$(tenantqctl tenants)" 'acme +[0-9]+ +acme +paused ' "the paused tenant"
        t_match "$(tenantqctl tenants)" 'globex +[0-9]+ +globex +draining ' "the draining tenant"
        t_match "$(tenantqctl tenants)" 'initech +[0-9]+ +initech +ready ' "the third tenant"
        waits_for acme default tenant-paused 1
        waits_for initech slow queue-paused 1
        waits_for initech default held 1
        ! submit globex one "$(nap 0.1)" 2>"$WORK/refusal" || t_fail "a draining tenant took a job"
        grep -F DRAINING "$WORK/refusal"
        t_match "$(tenantqctl explain "$held")" 'tenantqctl release'
        # They are open to whom they don't concern, and can be taken back.
        t_eq "$(v_verdict "$(submit initech one "$(nap 0.1)")")" "exit 0" verdict
        t_eq "$(v_state "$queue")" queued "the job of the paused queue"
        tenantqctl resume acme globex initech/slow
        t_eq "$(v_verdict "$queue")" "exit 0" verdict
        t_wait 20 counts acme 0 0
        t_eq "$(v_verdict "$(submit globex one "$(nap 0.1)")")" "exit 0" verdict
}

# Jobs that may not start need no clock: the watchdog's pings (see 50-idle.sh) and nothing else. A tick of 1 Hz would be
# 17.
idle() {
        local main engine before after name bound n
        local -A bounds=([tenantqd]=6 [engine]=4 [worker]=0)
        tenants acme globex
        tenantqctl pause host
        drop acme 20 one "$(nap 0.1)"
        drop globex 1 two "$(nap 0.1)" 'After=three'
        tenantqctl hold "$(submit globex three "$(nap 0.1)")"
        t_wait 20 counts acme 0 20
        t_wait 20 counts globex 0 2
        main=$(v_main_pid)
        engine=$(v_engine_pid)
        sleep 3 # the status line may lag a second
        before=$(v_wakeups tenantqd "$main" && v_wakeups engine "$engine")
        sleep 17
        after=$(v_wakeups tenantqd "$main" && v_wakeups engine "$engine")
        for name in "${!bounds[@]}"; do
                bound=${bounds[$name]}
                n=$(($(v_sum "$name" "$after") - $(v_sum "$name" "$before")))
                v_note "22 jobs wait under a pause, $name: $n wake-ups in 17 s (bound $bound)"
                [ "$n" -le "$bound" ] || t_fail "$name woke up $n times, more than $bound"
                # Else the wrong thing was counted.
                [ "$bound" -eq 0 ] || [ "$n" -ge 1 ] || t_fail "$name: no ping was seen"
        done
}

v_case "a flood of 300 jobs does not delay another's one" flood
v_case "jobs of uneven lengths: CPU time by weight" uneven
v_case "six tenants: Jain's index" six
v_case "a sleeper gets no more than its share of the slots" sleeper
v_case "who returns from idle gets its share, no more" returns
v_case "a reservation is met within one job's end" reservation
v_case "the lane: short jobs find a slot" lane
v_case "a pool's CPUs are its own, live" pools
v_case "its CPUs are given back, live" gives_back
v_case "memory: jobs wait till it fits" memory
v_case "memory: a big job is not starved" patience
v_case "CPU time is charged while a job runs" measured
v_case "pause, drain and hold survive a restart" switches
v_case "nobody wakes up for jobs that are paused" idle
rm -rf "$WORK"
v_clean
t_summary
