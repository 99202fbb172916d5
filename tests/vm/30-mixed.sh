#!/bin/bash
# tests/vm/30-mixed.sh - three tenants, 200 jobs of real programs, and a verdict for each that is known beforehand.
#
# Meanwhile a sampler counts, for each tenant, the job cgroups that the kernel calls populated: the number of jobs that
# run at the same time is never above the tenant's concurrency.

. "$(dirname "$0")/machine.sh"

WORK=$(mktemp -d)
chmod 755 "$WORK"
LIMITS="acme=4 globex=3 initech=2"

# Writes 200 job files to $WORK/TENANT/ and the expected table to $WORK/expected.json.
write_jobs() {
        python3 - "$WORK" <<'EOF'
import json, os, random, sys

work = sys.argv[1]
random.seed(2)

def quoted(program, script):
    return '%s -c "%s"' % (program, script.replace("\\", "\\\\").replace('"', '\\"'))

def shell(script):
    return quoted("/bin/sh", script)

def python(script):
    return quoted("/usr/bin/python3", script)

PIPELINE = ("set -e; i=0; while [ $i -lt 200 ]; do echo $((i * 7919 % 200)); i=$((i+1)); done"
            " | sort -n | gzip | gzip -d | tail -n 1 | grep -qx 199")

# What a job does, and the verdict; CODE is another number for each job. Used in turn, so that every tenant has some of all.
KINDS = [
    ("sh", shell("exit 0"), "exit 0"),
    ("sh_fails", shell("exit CODE"), "exit CODE"),
    ("gzip", "/bin/gzip -c /bin/bash", "exit 0"),
    ("sort", "/usr/bin/sort /etc/passwd /etc/group", "exit 0"),
    ("pipeline", shell(PIPELINE), "exit 0"),
    ("sort_unsorted", shell("printf 'b\\na\\n' | sort -c"), "exit 1"),
    ("sort_missing", "/usr/bin/sort /nonexistent", "exit 2"),
    ("gzip_no_gzip", "/bin/gzip -t /etc/passwd", "exit 1"),
    ("python", python("print(sum(range(1000)))"), "exit 0"),
    ("python_fails", python("import sys; sys.exit(CODE)"), "exit CODE"),
    ("python_raises", python("raise SystemError('no')"), "exit 1"),
    ("segv", shell("kill -SEGV $$"), "signal 11 (SEGV)"),
    ("term", shell("kill -TERM $$"), "signal 15 (TERM)"),
    ("sleep", "/bin/sleep 0.5", "exit 0"),
    ("true", "/bin/true", "exit 0"),
    ("missing", "/usr/bin/no-such-program", "spawn (exec: No such file or directory)"),
    ("not_executable", "/etc/passwd", "spawn (exec: Permission denied)"),
]
ONCE = {
    "acme": ("over_memory", python("b = bytearray(200 << 20)"), "oom (job)", "[Limits]\nmemory=48M\n"),
    "globex": ("over_runtime", shell("sleep 1000 & sleep 1000"), "timeout (job)", "RuntimeMaxSec=2s\n"),
    "initech": ("ignores_term", shell("trap '' TERM; while :; do sleep 1; done"), "timeout (job)",
                "RuntimeMaxSec=1s\nTimeoutStopSec=1s\n"),
}
expected = {}
for tenant, n in (("acme", 100), ("globex", 60), ("initech", 40)):
    os.mkdir("%s/%s" % (work, tenant))
    jobs = [KINDS[i % len(KINDS)] + ("",) for i in range(n - 1)] + [ONCE[tenant]]
    random.shuffle(jobs)
    for i, (kind, command, verdict, more) in enumerate(jobs):
        name, code = "%s.%s.%d" % (tenant, kind, i), str(1 + i * 37 % 255)
        expected[name] = [tenant, verdict.replace("CODE", code)]
        with open("%s/%s/%s.job" % (work, tenant, name), "w") as f:
            f.write("[Job]\nName=%s\nExecStart=%s\n%s" % (name, command.replace("CODE", code), more))
json.dump(expected, open(work + "/expected.json", "w"))
EOF
        t_eq "$(find "$WORK" -name '*.job' | wc -l)" 200 "job files"
        tenantqctl validate "$WORK"/*/*.job
}

# Until $WORK/stop is there: each 50 ms, the populated job cgroups of each tenant; then the peaks.
sample() {
        exec python3 - "$V_JOBS" "$WORK" <<'EOF'
import os, sys, time

root, work = sys.argv[1:]
peaks, samples = {}, 0
while not os.path.exists(work + "/stop"):
    for tenant in (name for name in os.listdir(root) if name.endswith(".slice")):
        running = 0
        for leaf in (name for name in os.listdir(root + "/" + tenant) if name.endswith(".job")):
            try:
                with open("%s/%s/%s/cgroup.events" % (root, tenant, leaf)) as f:
                    running += "populated 1" in f.read()
            except OSError:
                pass  # it went meanwhile
        peaks[tenant[:-6]] = max(peaks.get(tenant[:-6], 0), running)
    samples += 1
    time.sleep(0.05)
print(samples, " ".join("%s=%d" % p for p in sorted(peaks.items())))
EOF
}

all_done() {
        [ "$(find "$V_SPOOL" -name '*.job' | wc -l)" = 0 ] &&
                [ "$(tenantqctl tenants | awk 'NR > 1 { n += $5 + $6 } END { print n + 0 }')" = 0 ]
}

runs_all() {
        local tenant started
        for tenant in $LIMITS; do
                v_tenant "${tenant%=*}" "concurrency=${tenant#*=}"
        done
        sample >"$WORK/peaks" 2>"$WORK/sampler.log" &
        sampler=$!
        # shellcheck disable=SC2064 # this very process
        trap "kill $sampler 2>/dev/null || true" EXIT
        started=$SECONDS
        for tenant in acme globex initech; do
                cp "$WORK/$tenant"/*.job "$V_SPOOL/$tenant/"
        done
        t_wait 240 all_done
        touch "$WORK/stop"
        wait "$sampler"
        v_note "200 jobs took $((SECONDS - started)) s; samples, and most jobs at the same time: $(cat "$WORK/peaks")"
}

verdicts() {
        tenantqctl --json ps -a -n 1000 >"$WORK/got.json"
        python3 - "$WORK" <<'EOF'
import json, sys

work = sys.argv[1]
expected = json.load(open(work + "/expected.json"))
jobs = json.load(open(work + "/got.json"))["jobs"]
wrong = 0
for job in jobs:
    want = expected.pop(job["name"], None)
    if want != [job["tenant"], job["verdict"]] or job["attempt"] != 1:
        print("job %(job)d %(name)s of %(tenant)s, attempt %(attempt)d: %(verdict)s" % job, "; expected", want)
        wrong += 1
for name in expected:
    print("no job", name)
print(len(jobs), "jobs,", wrong, "wrong,", len(expected), "missing")
sys.exit(wrong > 0 or len(expected) > 0 or len(jobs) != 200)
EOF
        t_eq "$(find "$V_SPOOL" -name '*.reason')" "" "rejected files"
}

# Counters of jobs whose consumption is known in its order of magnitude.
counters() {
        python3 - "$WORK/got.json" <<'EOF'
import json, sys

# The bound counts from the start that is recorded, a little before the program's; and a run is counted from
# when the job's watcher has noticed the program's start, which on a loaded, emulated machine may be late.
LEAST = {"over_runtime": 1000000, "sleep": 250000}
for job in json.load(open(sys.argv[1]))["jobs"]:
    kind = job["name"].split(".")[1]
    if job["verdict"].startswith("spawn"):
        continue
    assert job["cpu_usec"] > 0, job
    assert job["memory_peak_bytes"] > 0, job
    assert (job["oom_kills"] > 0) == (kind == "over_memory"), job
    if kind == "over_memory":
        assert 40 << 20 < job["memory_peak_bytes"] <= 49 << 20, job # its watcher's too
    assert job["run_usec"] >= LEAST.get(kind, 0), job
EOF
}

peaks_are_within() {
        local tenant peak
        for tenant in $LIMITS; do
                peak=$(grep -o "${tenant%=*}=[0-9]*" "$WORK/peaks")
                peak=${peak#*=}
                [ "$peak" -le "${tenant#*=}" ] || t_fail "${tenant%=*}: $peak jobs at the same time, ${tenant#*=} allowed"
                # Else the sampler has seen nothing.
                [ "$peak" -ge 2 ] || t_fail "${tenant%=*}: never more than $peak"
        done
        t_eq "$(v_leaves)" "" "job cgroups at the end"
        t_eq "$(cat "$WORK/sampler.log")" "" "the sampler's errors"
}

output_is_kept() {
        local job
        job=$(python3 -c '
import json, sys
print(next(j["job"] for j in json.load(open(sys.argv[1]))["jobs"] if ".python." in j["name"]))
' "$WORK/got.json")
        t_eq "$(tenantqctl logs "$job")" 499500 "output of job $job"
}

v_start
# The tenants' memory, as it is shipped, is more than this machine has; their concurrency is what is tried here.
printf '%s\n' '[scheduler]' memory=max >>"$V_CONF/tenantq.conf"
tenantqctl reload
t_case "200 job files are valid" write_jobs
v_case "they run" runs_all
t_case "every verdict is right" verdicts
t_case "counters" counters
t_case "never more at the same time than allowed, as the kernel sees it" peaks_are_within
t_case "output is kept" output_is_kept
rm -rf "$WORK"
v_clean
t_summary
