#!/bin/bash
# tests/vm/20-limits.sh - every limit that the kernel enforces: as a number in the cgroup, and as an effect.

. "$(dirname "$0")/machine.sh"

DISK=$(mountpoint --fs-devno /)
OTHER=$(lsblk --noheadings --nodeps --output MAJ:MIN /dev/vdc | tr -d ' ')
SLICE=$V_JOBS/acme.slice

# KEY VALUE FILE ATTRIBUTE [OLD]: what `limits set` must bring about, one after the other.
VALUES="
cpu 0.5 cpu.max 50000_100000 1
cpu_weight 50 cpu.weight 50
memory 200M memory.max 209715200 1G
memory_high 150M memory.high 157286400
memory_low 10M memory.low 10485760
swap 0 memory.swap.max 0
pids 100 pids.max 100 512
cpus 0 cpuset.cpus 0
io_read 10M io.max ${DISK}_rbps=10000000_wbps=max_riops=max_wiops=max
io_write 5M io.max ${DISK}_rbps=10000000_wbps=5000000_riops=max_wiops=max
io_riops 100 io.max ${DISK}_rbps=10000000_wbps=5000000_riops=100_wiops=max
io_wiops 2K io.max ${DISK}_rbps=10000000_wbps=5000000_riops=100_wiops=2000
io_write@/dev/vdc 1M io.max ${OTHER}_rbps=max_wbps=1000000_riops=max_wiops=max
io_riops@$OTHER 70 io.max ${OTHER}_rbps=max_wbps=1000000_riops=70_wiops=max
"

sets_each_key() {
        local key value file attribute old out
        while read -r key value file attribute old; do
                [ -n "$key" ] || continue
                attribute=${attribute//_/ }
                out=$(tenantqctl limits set acme "$key=$value")
                t_match "$out" "^acme: $key ${old:-unset} -> $value \(revision [0-9]+\); kernel: .*${attribute}" "limits set $key"
                grep -Fqx "$attribute" "$SLICE/$file" || t_fail "$file is: $(cat "$SLICE/$file"), want: $attribute"
        done <<<"$VALUES"
        # Old is what was set before, also for a second change.
        t_match "$(tenantqctl limits set acme cpu=0.75)" '^acme: cpu 0.5 -> 0.75 \(.*kernel: 75000 100000$'
        t_match "$(tenantqctl limits set acme cpu=max)" '^acme: cpu 0.75 -> max \(.*kernel: max 100000$'
        tenantqctl limits set acme cpu=0.5 >/dev/null
}

keeps_them() {
        local before
        before=$(v_attrs "$SLICE" && tenantqctl limits get acme)
        systemctl restart tenantq
        t_eq "$(v_attrs "$SLICE" && tenantqctl limits get acme)" "$before" "after a restart"
        # And where the slice is made anew.
        systemctl stop tenantq tenantq-jobs
        [ ! -e "$SLICE" ] || t_fail "$SLICE still exists"
        systemctl start tenantq
        t_wait 10 v_is_ready acme
        t_eq "$(v_attrs "$SLICE" && tenantqctl limits get acme)" "$before" "in a new slice"
}

unsets_each_key() {
        local key value file attribute old
        while read -r key value file attribute old; do
                [ -n "$key" ] || continue
                t_match "$(tenantqctl limits unset acme "$key")" "^acme: $key $value -> unset" "limits unset $key"
        done <<<"$VALUES"
        t_eq "$(v_attrs "$SLICE")" "$DEFAULTS" "the slice with nothing set"
}

job_limits() {
        local job leaf
        job=$(v_run acme -l cpu=0.25 -l cpu_weight=30 -l memory=64M -l memory_high=48M -l memory_low=1M -l swap=0 \
                -l pids=20 -l cpus=1 -l io_read=3M -l io_wiops=40 -l io_write@/dev/vdc=2M -- /bin/sleep 1000)
        leaf=$(v_leaf acme "$job")
        t_eq "$(cd "$leaf" && grep -H '' cpu.max cpu.weight memory.max memory.high memory.low memory.swap.max \
                memory.oom.group pids.max cpuset.cpus | tr '\n' ' ')" \
                "cpu.max:25000 100000 cpu.weight:30 memory.max:68157440 memory.high:51380224 memory.low:1048576 \
memory.swap.max:0 memory.oom.group:1 pids.max:21 cpuset.cpus:1 " "the leaf"
        t_eq "$(sort "$leaf/io.max")" "$DISK rbps=3000000 wbps=max riops=max wiops=40
$OTHER rbps=max wbps=2000000 riops=max wiops=max" io.max
        # One of its processes sees only that CPU.
        t_match "$(cat /proc/"$(tail -n 1 "$leaf/cgroup.procs")"/status)" 'Cpus_allowed_list:[[:space:]]1' affinity
        tenantqctl cancel "$job"
        v_verdict "$job"
        # Above the tenant's own: refused.
        ! tenantqctl run -t acme -l memory=2G -- /bin/true 2>/tmp/refusal || t_fail "memory=2G was accepted"
        grep -F 'memory: asks for 2G, above the 1G of' /tmp/refusal
}

hog() {
        v_run "$1" -- /bin/sh -c 'while :; do :; done'
}

cpu_share() {
        local a b share
        tenantqctl limits set acme cpu=0.5 concurrency=4
        a=$(hog acme)
        b=$(hog acme)
        sleep 1
        share=$(v_share "$SLICE" 15)
        v_note "CPU share of a cpu=0.5 tenant with two hogs over 15 s: $share thousandths of a core"
        v_near "$share" 500 10 "CPU share in thousandths"
        printf '%s %s\n' "$a" "$b" >/tmp/hogs
}

# settles TIME-OF-THE-CHANGE WANT: prints the milliseconds from the change to the end of the first
# fifth of a second (two periods of cpu.max) whose share is within 20 % of what is wanted.
settles() {
        local since=$1 want=$2 t0 t1 u0 u1 share
        v_now t0
        v_cpu_usec u0 "$SLICE"
        while :; do
                sleep 0.2
                v_now t1
                v_cpu_usec u1 "$SLICE"
                share=$(((u1 - u0) * 1000 / (t1 - t0)))
                echo "# share $share" >&2
                if [ $((share * 100)) -ge $((want * 80)) ] && [ $((share * 100)) -le $((want * 120)) ]; then
                        echo $(((t1 - since) / 1000))
                        return
                fi
                [ $((t1 - since)) -lt 10000000 ] || t_fail "no share near $want within 10 s"
                t0=$t1
                u0=$u1
        done
}

changes_at_once() {
        local step asked answered took
        for step in 1.2:1200 0.3:300 0.9:900; do
                v_now asked
                tenantqctl limits set acme "cpu=${step%:*}"
                v_now answered
                # From the answer on: starting tenantqctl is what emulation makes slow.
                took=$(settles "$answered" "${step#*:}")
                v_note "cpu=${step%:*} on running hogs: answered after $(((answered - asked) / 1000)) ms, and $took ms later the share was there"
                [ "$took" -le 1000 ] || t_fail "it took $took ms until the share was at ${step%:*}"
        done
        # shellcheck disable=SC2046 # numbers
        tenantqctl cancel $(cat /tmp/hogs)
}

v_wbytes() {
        sed -n "s/^$DISK .*wbytes=\([0-9]*\).*/\1/p" "$1/io.stat"
}

# Prints bytes per second written to the disk over so many seconds.
write_rate() {
        local t0 t1 w0 w1
        v_now t0
        w0=$(v_wbytes "$SLICE")
        sleep "$1"
        v_now t1
        w1=$(v_wbytes "$SLICE")
        echo $(((w1 - w0) * 1000 / ((t1 - t0) / 1000)))
}

io_write() {
        local job free limited
        tenantqctl limits unset acme cpu
        install -d -o acme /home/acme/disk
        job=$(v_run acme -- /bin/sh -c 'while :; do dd if=/dev/zero of=/home/acme/disk/file bs=256k count=400 oflag=direct conv=notrunc status=none; done')
        free=$(write_rate 2)
        tenantqctl limits set acme io_write=4M
        sleep 1
        limited=$(write_rate 10)
        v_note "io_write=4M, direct writes over 10 s: $limited B/s (without the limit: $free B/s)"
        [ "$free" -gt 8000000 ] || t_fail "too slow without a limit to tell anything: $free B/s"
        v_near "$limited" 4000000 15 "bytes written per second"
        # Changed while it runs.
        tenantqctl limits set acme io_write=8M
        sleep 0.5
        limited=$(write_rate 5)
        v_note "raised to 8M while it writes, over 5 s: $limited B/s"
        v_near "$limited" 8000000 15 "bytes written per second"
        tenantqctl limits unset acme io_write
        tenantqctl cancel "$job"
        v_verdict "$job"
        rm -r /home/acme/disk
}

# A program that touches so many MiB.
eat() {
        printf 'b = bytearray(%s << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\n' "$1"
}

oom_in_a_job() {
        local survivor pids
        survivor=$(v_run acme -- /bin/sleep 1000)
        pids=$(cat "$(v_leaf acme "$survivor")/cgroup.procs")
        # A shell around it: all of the job's processes go, not only the greedy one.
        job=$(tenantqctl run -t acme -l memory=64M -- /bin/sh -c "sleep 500 & /usr/bin/python3 -c '$(eat 200)'; exit 5")
        t_eq "$(v_verdict "$job")" "oom (job)" verdict
        tenantqctl status "$job" | grep -E 'OOM kills: [1-9]'
        t_eq "$(cat "$(v_leaf acme "$survivor")/cgroup.procs")" "$pids" "the other job's processes"
        echo "$survivor" >/tmp/survivor
}

oom_in_a_tenant() {
        local survivor job other
        survivor=$(cat /tmp/survivor)
        v_tenant globex
        other=$(v_run globex -- /bin/sleep 1000)
        tenantqctl limits set acme memory=96M
        job=$(tenantqctl run -t acme -- /usr/bin/python3 -c "$(eat 300)")
        t_eq "$(v_verdict "$job")" "oom (tenant)" verdict
        t_eq "$(v_state "$survivor") $(v_state "$other")" "running running" "the other jobs"
        tenantqctl limits unset acme memory
        tenantqctl cancel "$survivor" "$other"
}

peak_of() {
        local peak=0 n i
        for ((i = 0; i < $2; i++)); do
                read -r n <"$1"
                [ "$n" -le "$peak" ] || peak=$n
                sleep 0.05
        done
        echo "$peak"
}

fork_bomb() {
        local job peak t0 t1
        job=$(v_run acme -l pids=40 -l cpu=0.5 -- /usr/bin/python3 -c 'import os, time
while True:
        try:
                os.fork()
        except OSError:
                time.sleep(0.2)')
        t_wait 20 grep -q '^max [1-9]' "$(v_leaf acme "$job")/pids.events"
        peak=$(peak_of "$(v_leaf acme "$job")/pids.current" 40)
        v_note "fork bomb under pids=40: at most $peak processes seen"
        if [ "$peak" -gt 41 ] || [ "$peak" -lt 30 ]; then
                t_fail "processes: $peak"
        fi
        # The neighbour works.
        t_eq "$(timeout 20 tenantqctl run -t globex --wait -- /bin/echo hello)" hello "another tenant's job"
        v_now t0
        tenantqctl cancel "$job"
        t_eq "$(v_verdict "$job")" cancelled verdict
        v_now t1
        v_note "its end took $(((t1 - t0) / 1000)) ms"
        tenantqctl status "$job" | grep -E 'Forks refused: [1-9]'
        # The tenant's own limit, over all of its jobs.
        tenantqctl limits set acme pids=10
        # shellcheck disable=SC2016 # the job's shell expands it
        job=$(tenantqctl run -t acme -- /bin/sh -c 'i=0; while [ $i -lt 30 ]; do sleep 100 & i=$((i+1)); done; exit 0')
        t_match "$(v_verdict "$job")" '^exit [12]$' "verdict of a job whose fork failed"
        tenantqctl limits unset acme pids
}

runtime() {
        local job
        job=$(tenantqctl run -t acme -l runtime=1s -- /bin/sleep 1000)
        t_eq "$(v_verdict "$job")" "timeout (job)" verdict
        tenantqctl limits set acme runtime=2s
        job=$(tenantqctl run -t acme -- /bin/sleep 1000)
        t_eq "$(v_verdict "$job")" "timeout (tenant)" verdict
        tenantqctl limits unset acme runtime
        t_eq "$(v_verdict "$(tenantqctl run -t acme -- /bin/sleep 3)")" "exit 0" "verdict after the limit was unset"
}

# KEY FILE VALUE: what systemd's own manager writes for it into a slice of its own is what is written here.
SYSTEMD="
MemoryMax memory.max 1.5G
MemoryMax memory.max 268435456
MemoryMax memory.max 300M
MemoryMax memory.max infinity
MemoryHigh memory.high 200.5M
MemoryLow memory.low 10M
MemorySwapMax memory.swap.max 0
TasksMax pids.max 77
TasksMax pids.max infinity
CPUQuota cpu.max 50%
CPUQuota cpu.max 12.5%
CPUQuota cpu.max 150%
CPUWeight cpu.weight 33
AllowedCPUs cpuset.cpus 0-1
AllowedCPUs cpuset.cpus 0 1
AllowedCPUs cpuset.cpus 1,0
AllowedCPUs cpuset.cpus 0
IOReadBandwidthMax io.max /dev/vdc 1.5M
IOWriteBandwidthMax io.max /dev/vdc 3000000
IOReadIOPSMax io.max /dev/vdc 2K
IOWriteIOPSMax io.max /dev/vdc 99
"

means_what_systemd_means() {
        local key file value oracle=/sys/fs/cgroup/oracle.slice
        systemd-run --quiet --unit=oracle --slice=oracle.slice sleep 300
        while read -r key file value; do
                [ -n "$key" ] || continue
                systemctl set-property --runtime oracle.slice "$key=$value"
                t_wait 5 test -e "$oracle/$file"
                tenantqctl limits set acme "$key=$value" >/dev/null
                t_eq "$(cat "$SLICE/$file")" "$(cat "$oracle/$file")" "$file after $key=$value"
        done <<<"$SYSTEMD"
        systemctl stop oracle.slice
        while read -r key _; do
                [ -z "$key" ] || tenantqctl limits unset acme "${key}" >/dev/null 2>&1 || true
        done <<<"$SYSTEMD"
        for key in io_read io_write io_riops io_wiops; do
                tenantqctl limits unset acme "$key@/dev/vdc" >/dev/null
        done
        t_eq "$(v_attrs "$SLICE")" "$DEFAULTS" "the slice afterwards"
}

v_start
v_tenant acme
DEFAULTS=$(v_attrs "$SLICE")
t_case "limits set: each key, as the kernel holds it" sets_each_key
t_case "they outlast a restart and the slice" keeps_them
t_case "limits unset: each key, back to the default" unsets_each_key
t_case "names of systemd: what its manager makes of them" means_what_systemd_means
t_case "a job's own limits are in its leaf" job_limits
v_case "cpu: the measured share" cpu_share
v_case "limits set changes the share of running hogs within a second" changes_at_once
v_case "io_write: the measured rate" io_write
t_case "out of memory: the job alone" oom_in_a_job
t_case "out of memory: the tenant's limit" oom_in_a_tenant
v_case "pids: a fork bomb is contained" fork_bomb
t_case "runtime: of a job and of a tenant" runtime
v_clean
t_summary
