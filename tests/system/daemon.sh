# shellcheck shell=bash
# tests/system/daemon.sh - a tenantqd of the script's own, without systemd; to be sourced.
#
#       #!/bin/bash
#       . "$(dirname "$0")/daemon.sh"
#       d_init
#       d_start
#       d_tenant acme 61001
#       t_case … ; d_report ; t_summary
#
# Everything is below one directory ($D) and one cgroup ($D_CGROUP) with names of their own, so that two scripts,
# or a script and a daemon that somebody uses, don't meet. What a case needs of another one is in files below $D,
# since cases are subshells. The EXIT trap ends what was started, also after a failure.
#
# BUILD: the build directory, from the top of the tree (default build).

# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

D_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
D_ENGINE_UID=64990
D_EXEC_UID=64991
D_ADMIN_GID=64992
D_PYTHON=/usr/bin/python3 # other users must be able to run it too
D=
D_CGROUP=

# Ends the script as one skipped case.
d_skip_all() {
        t_case "$(basename "$0" .sh)" t_skip "$1"
        t_summary
        exit 0
}

# d_init [LINE…]: makes the directory and the configuration; LINEs are added to [host]. D_AT: that very directory, which
# what is written down of an earlier one speaks of.
d_init() {
        local mount build=${BUILD:-build} program
        [ "$(id -u)" -eq 0 ] || d_skip_all "must be root"
        [ -x "$D_PYTHON" ] || d_skip_all "no $D_PYTHON"
        for mount in /sys/fs/cgroup/unified /sys/fs/cgroup; do
                [ "$(stat -f -c %T "$mount" 2>/dev/null)" != cgroup2fs ] || break
                mount=
        done
        [ -n "$mount" ] || d_skip_all "no cgroup v2 hierarchy is mounted"
        [[ $build = /* ]] || build=$D_TOP/$build
        for program in tenantqd tenantq-engine tenantq-exec tenantqctl; do
                [ -x "$build/$program" ] || {
                        echo "$build/$program is missing: run make first" >&2
                        exit 1
                }
        done

        # Jobs have a /tmp of their own.
        if [ -n "${D_AT-}" ]; then mkdir "$D_AT" && D=$D_AT; else D=$(mktemp -d /srv/tqtest.XXXXXX); fi || exit 1
        D_CGROUP=$mount/tqtest-$$
        trap d_cleanup EXIT
        trap 'exit 143' TERM INT HUP
        chmod 755 "$D"
        mkdir "$D_CGROUP" "$D"/{bin,etc,etc/tenants.d,spool,stage,payload,witness,uids} || exit 1
        # A copy: other users reach it, and whoever builds meanwhile changes nothing under us.
        cp "$build"/{tenantqd,tenantq-engine,tenantq-exec,tenantqctl} "$D/bin/" || exit 1
        d_config "$@"
        export TENANTQ_SOCKET=$D/run/control.sock
        export TENANTQ_PAGER= # a test's terminal has nobody who would leave it
}

# d_config [LINE…]: writes tenantq.conf; D_SCHEDULER are the lines of [scheduler].
d_config() {
        cat >"$D/etc/tenantq.conf" <<END
[host]
cgroup_root=$D_CGROUP
required_controllers=
spool=$D/spool
state=$D/state
logs=$D/logs
run=$D/run
engine_user=$D_ENGINE_UID
exec_user=$D_EXEC_UID
admin_group=$D_ADMIN_GID
$(printf '%s\n' "$@")
[scheduler]
${D_SCHEDULER-max_jobs=500}
END
}

d_cleanup() {
        local i
        trap '' TERM INT HUP
        d_sampler_kill
        for i in "$D"/gate.*.pid; do
                [ ! -s "$i" ] || kill "$(cat "$i")" 2>/dev/null
        done
        # shellcheck disable=SC2046 # words
        kill $(jobs -p) 2>/dev/null
        d_is_ours "$(d_pid)" && kill -KILL "$(d_pid)" 2>/dev/null
        echo 1 >"$D_CGROUP/cgroup.kill" 2>/dev/null
        for ((i = 0; i < 100; i++)); do
                find "$D_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null
                [ -d "$D_CGROUP" ] || break
                sleep 0.05
        done
        [ ! -d "$D_CGROUP" ] || echo "$D_CGROUP can't be removed" >&2
        while umount "$D/mnt" 2>/dev/null; do :; done
        if [ -n "${TENANTQ_TEST_KEEP:-}" ]; then
                echo "kept: $D" >&2
        else
                rm -rf "$D"
        fi
}

# Before t_summary: what the daemon said, if a case failed.
# Of a daemon that was built with sanitizers (SAN): an engine that it ended would only be started anew.
d_sanitizers_are_silent() {
        ! d_is_ours "$(d_pid)" || d_stop # tenantqd says at its end what leaked; the engine's filter forbids to look
        ! grep -E 'ERROR: [A-Za-z]*Sanitizer|runtime error: |SUMMARY: [A-Za-z]*Sanitizer' "$D"/log* || return 1
}

d_report() {
        [ -z "${SAN-}" ] || t_case "sanitizers have nothing to say" d_sanitizers_are_silent
        [ "$t_failed" -gt 0 ] || return 0
        echo "# the daemon's last words:"
        tail -n 25 "$D/log" | sed 's/^/# /'
}

# The daemon ----------------------------------------------------------------------------------

d_pid() {
        cat "$D/pid" 2>/dev/null || true
}

# Process $1 runs a program of ours. Never signal one that does not: its number may be somebody else's by now.
d_is_ours() {
        [ -n "$1" ] && [[ "$(readlink "/proc/$1/exe" 2>/dev/null)" = "$D/bin/"* ]]
}

# Not one that was killed and that nobody has reaped yet.
d_engine() {
        local pid
        for pid in $(pgrep -P "$(d_pid)" -x tenantq-engine || true); do
                ! d_is_ours "$pid" || echo "$pid"
        done
}

# Ended, and all its descriptors closed: gone, or a zombie that nobody has reaped yet.
d_is_gone() {
        [[ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null || true)" =~ ^(Z.*|X.*|)$ ]]
}

# A sanitizer keeps what is freed: its memory says nothing.
d_is_sanitized() {
        grep -q __asan_init "$D/bin/tenantq-engine"
}

d_answers() {
        ctl tenants >/dev/null 2>&1
}

# D_WRAP: a program that executes its arguments, to start the daemon through.
d_start() {
        d_launch
        t_wait 10 d_answers
}

d_launch() {
        # Not the descriptors that bash opened for the case ({fd}>…).
        # shellcheck disable=SC2016 # expanded by the inner shell: its number stays, also where setsid(1) has to fork
        setsid bash -c 'echo $$ >"$0" && exec "$@"' "$D/pid" ${D_WRAP:+"$D_WRAP"} "$D/bin/tenantqd" --config "$D/etc" --helpers "$D/bin" \
                >>"$D/log" 2>&1 </dev/null 10>&- 11>&- 12>&- &
        disown # or bash may say last that it was killed
}

d_stop() {
        local pid
        pid=$(d_pid)
        d_is_ours "$pid" || t_fail "the daemon does not run"
        kill -TERM "$pid"
        t_wait 15 d_is_gone "$pid"
}

d_restart() {
        d_stop
        d_start
}

# d_kill9 daemon|engine|both: and waits until it has gone; restarts nothing.
d_kill9() {
        local daemon engine
        daemon=$(d_pid)
        engine=$(d_engine)
        [ "$1" = engine ] || d_is_ours "$daemon" || t_fail "the daemon does not run"
        [ "$1" = daemon ] || d_is_ours "$engine" || t_fail "the engine does not run"
        case $1 in
        daemon) kill -KILL "$daemon" ;;
        engine) kill -KILL "$engine" ;;
        both) kill -KILL "$engine" "$daemon" ;;
        esac
        [ "$1" = daemon ] || t_wait 10 d_is_gone "$engine"
        [ "$1" = engine ] || t_wait 10 d_is_gone "$daemon"
}

ctl() {
        timeout -k 1 "${D_TIMEOUT:-20}" "$D/bin/tenantqctl" "$@"
}

# tenants_say REGEX: of a tenant's state.
tenants_say() {
        [[ "$(ctl tenants)" =~ $1 ]]
}

# ctl_as UID GID[,GROUP…] ARG…: as another user.
ctl_as() {
        local uid=$1 gid=${2%%,*} groups=(--clear-groups)
        [[ $2 != *,* ]] || groups=(--groups "${2#*,}")
        shift 2
        timeout -k 1 "${D_TIMEOUT:-20}" setpriv --reuid "$uid" --regid "$gid" "${groups[@]}" "$D/bin/tenantqctl" "$@"
}

# as_user UID COMMAND [ARG…]: not in the background, where its number would be a shell's.
as_user() {
        setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

# d_status WANT COMMAND [ARG…]: the command's exit status is WANT.
d_status() {
        local want=$1 status=0
        shift
        "$@" || status=$?
        t_eq "$status" "$want" "exit status of: $*"
}

# d_json EXPRESSION: the value of a Python expression over j, the JSON on standard input.
d_json() {
        "$D_PYTHON" -c 'import json, sys
j = json.load(sys.stdin)
v = eval(sys.argv[1])
print(v if isinstance(v, str) else json.dumps(v))' "$1"
}

now_ms() {
        echo $(($(date +%s%N) / 1000000))
}

# in_range VALUE LOW HIGH WHAT
in_range() {
        [ "$2" -le "$1" ] && [ "$1" -le "$3" ] && return
        t_fail "$4: got $1, want $2 to $3"
}

# Tenants -------------------------------------------------------------------------------------

d_tenant_is() {
        [ "$(ctl tenants | awk -v t="$1" '$1 == t { print $4 }')" = "$2" ]
}

# d_tenant_file NAME [LINE…]: its file in tenants.d, with the grants that the tests need; D_GRANTS are more directories
# that its jobs may write.
d_tenant_file() {
        local name=$1
        shift
        printf '%s\n' '[tenant]' "read_write_paths=$D/witness${D_GRANTS:+ $D_GRANTS}" "$@" >"$D/etc/tenants.d/$name.conf"
}

# d_tenant NAME UID [LINE…]: LINEs are its file in tenants.d. Returns when it is ready.
d_tenant() {
        local name=$1 uid=$2
        shift 2
        if [ $# -gt 0 ] || [ ! -e "$D/etc/tenants.d/$name.conf" ]; then d_tenant_file "$name" "$@"; fi
        echo "$uid" >"$D/uids/$name"
        install -m 0620 -o 0 -g "$uid" /dev/null "$D/witness/$name"
        install -d -m 0700 -o "$uid" -g "$uid" "$D/stage/$name"
        mv "$D/stage/$name" "$D/spool/$name"
        t_wait 5 d_tenant_is "$name" ready
}

d_uid() {
        cat "$D/uids/$1"
}

# Jobs ----------------------------------------------------------------------------------------

# drop TENANT NAME: standard input becomes the tenant's NAME.job, complete at once.
drop() {
        local stage
        stage=$(mktemp "$D/stage/XXXXXX")
        cat >"$stage"
        chown "$(d_uid "$1")" "$stage"
        mv "$stage" "$D/spool/$1/$2.job"
}

# say_hello NAME [LINE…]: a job file; the plainest one that there is.
say_hello() {
        printf '[Job]\nName=%s\nExecStart=/bin/echo hello\n' "$1"
        shift
        [ $# -eq 0 ] || printf '%s\n' "$@"
}

# No job file of the tenant's is left.
none_left() {
        [ -z "$(find "$D/spool/$1" -maxdepth 1 -name '*.job')" ]
}

# payload NAME: standard input becomes a script that jobs may execute; prints its path.
payload() {
        cat >"$D/payload/$1"
        chmod 755 "$D/payload/$1"
        echo "$D/payload/$1"
}

# The number of the newest job of that name, or nothing.
d_find() {
        ctl ps -a -n 10000 "$1" 2>/dev/null | awk -v n="$2" '$4 == n && !found { print $1; found = 1 }'
}

d_exists() {
        [ -n "$(d_find "$1" "$2")" ]
}

# job_of TENANT NAME: waits until there is such a job; prints its number.
job_of() {
        t_wait 5 d_exists "$1" "$2"
        d_find "$1" "$2"
}

# verdict JOB: waits for it.
verdict() {
        local line
        line=$(ctl wait "$1") || true
        echo "${line#*: }"
}

# d_field JOB HEAD: a line of `status JOB`.
d_field() {
        ctl status "$1" | sed -n "s/^ *$2: //p" | head -n 1
}

d_state_is() {
        [ "$(d_field "$1" State)" = "$2" ]
}

# The job of that name has come to its end.
has_ended() {
        local job
        job=$(d_find "$1" "$2")
        [ -n "$job" ] && d_state_is "$job" "done"
}

# The reason of a refused file.
reason() {
        cat "$D/spool/$1/rejected/$2.reason"
}

was_refused() {
        [ -s "$D/spool/$1/rejected/$2.reason" ]
}

# refused TENANT NAME REGEX: waits until NAME.job was refused, with a reason that matches.
refused() {
        t_wait 5 was_refused "$1" "$2"
        t_match "$(reason "$1" "$2")" "$3" "reason for $2.job"
        [ ! -e "$D/spool/$1/$2.job" ] || t_fail "$2.job was refused and still is in the spool"
}

d_live() {
        ctl ps -n 10000 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 }'
}

none_waits() {
        [ "$(ctl --json ps "$1" | d_json 'len(j["jobs"])')" = 0 ]
}

# A daemon that does not answer isn't idle.
d_is_idle() {
        local out
        out=$(ctl --json ps 2>/dev/null) && [ "$(d_json 'len(j["jobs"])' <<<"$out")" = 0 ]
}

# After a case that failed: whatever it left must not disturb the next one.
d_sweep() {
        local leaf
        d_answers || d_is_ours "$(d_pid)" || (d_start) || return 0
        d_live | xargs -r "$D/bin/tenantqctl" cancel >/dev/null 2>&1
        for leaf in "$D_CGROUP"/*.slice/*.job; do
                [ ! -d "$leaf" ] || echo 1 >"$leaf/cgroup.kill"
        done
        (t_wait 5 d_is_idle) >/dev/null 2>&1
}

# d_case NAME FUNCTION [ARG…]: t_case, and order afterwards.
d_case() {
        local failed=$t_failed
        t_case "$@"
        [ "$t_failed" -eq "$failed" ] || d_sweep
}

# Kernel's view -------------------------------------------------------------------------------

d_leaves() {
        find "$D_CGROUP" -name '*.job' -type d | wc -l
}

# The processes of a job, as the host numbers them.
d_pids() {
        cat "$D_CGROUP"/*.slice/"$1".*.job/cgroup.procs
}

d_has_leaves() {
        [ "$(d_leaves)" -eq "$1" ]
}

d_watches_none() {
        local pid
        # Of whatever daemon: those of one that is gone have another parent.
        for pid in $(pgrep -u "$D_EXEC_UID" -x tenantq-exec); do
                [[ "$(readlink "/proc/$pid/exe")" != "$D"/* ]] || return 1
        done
}

# Nothing is left of any job: no cgroup, no process that watches, no claim.
no_leftovers() {
        t_wait 5 d_has_leaves 0
        t_wait 5 d_watches_none
        t_eq "$(find "$D/spool/.claims" -type f | wc -l)" 0 "claimed files"
}

# Gates: jobs that read from one wait until it is opened. We hold it open for writing, so that they
# block in read(2) wherever they have got to; a job that comes later finds no gate.
d_gate_make() {
        mkfifo -m 0644 "$D/gate.$1"
        # shellcheck disable=SC2016 # expanded by the inner shell
        setsid bash -c 'exec 9<>"$1"; echo $$ >"$1.pid"; exec sleep 300' _ "$D/gate.$1" </dev/null >/dev/null 2>&1 &
        t_wait 5 test -s "$D/gate.$1.pid"
        echo "$D/gate.$1"
}

d_gate_open() {
        local pid
        pid=$(cat "$D/gate.$1.pid")
        rm -f "$D/gate.$1" "$D/gate.$1.pid"
        kill "$pid"
}

# Witness: a file of root's for each tenant that its jobs append to; what really ran, whatever the daemon says.
# witness_payload: prints the path of a script: CODE [GATE [SECONDS]].
witness_payload() {
        payload witness <<END
#!/bin/sh
w=$D/witness/\$TENANTQ_TENANT
echo "start \$TENANTQ_JOB \$TENANTQ_ATTEMPT \$1" >>"\$w"
[ ! -p "\${2:-/}" ] || read -r _ <"\$2"
[ -z "\${3:-}" ] || sleep "\$3"
echo "end \$TENANTQ_JOB \$TENANTQ_ATTEMPT \$1" >>"\$w"
exit "\$1"
END
}

# witness_count start|end [JOB]
witness_count() {
        cat "$D"/witness/* | awk -v k="$1" -v j="${2:-}" '$1 == k && (j == "" || $2 == j) { n++ } END { print n + 0 }'
}

witness_has() {
        [ "$(witness_count "$1")" -ge "$2" ]
}

# Sampler: the most jobs that a tenant, and all together ("*"), had in populated cgroups, looked at each 10 ms.
d_sampler_start() {
        rm -f "$D/peaks" "$D/sampler.stop"
        "$D_PYTHON" - "$D_CGROUP" "$D/peaks" "$D/sampler.stop" <<'END' &
import os, sys, time

root, out, stop = sys.argv[1:]
peaks, samples = {}, 0

def populated(leaf):
    try:
        with open(leaf + "/cgroup.events") as f:
            return "populated 1" in f.read()
    except OSError:
        return False

def leaves():
    for slice in os.scandir(root):
        if slice.name.endswith(".slice"):
            try:
                for e in os.scandir(slice.path):
                    if e.name.endswith(".job") and populated(e.path):
                        yield slice.name[:-6], e.path
            except OSError:
                pass

while not os.path.exists(stop):
    # A job that is there in both passes was there at the instant between them, however long each took.
    counts = {"*": 0}
    for name, leaf in list(leaves()):
        if populated(leaf):
            counts[name] = counts.get(name, 0) + 1
            counts["*"] += 1
    for name, n in counts.items():
        peaks[name] = max(peaks.get(name, 0), n)
    samples += 1
    time.sleep(0.01)
with open(out + ".new", "w") as f:
    f.write("".join(f"{k} {v}\n" for k, v in peaks.items()) + f"samples {samples}\n")
os.rename(out + ".new", out)
END
        echo $! >"$D/sampler.pid"
}

d_sampler_kill() {
        [ ! -s "$D/sampler.pid" ] || kill "$(cat "$D/sampler.pid")" 2>/dev/null
        rm -f "$D/sampler.pid"
}

# Ends the sampling; then d_peak TENANT prints.
d_sampler_stop() {
        touch "$D/sampler.stop"
        t_wait 5 test -s "$D/peaks"
        rm -f "$D/sampler.pid"
        [ "$(d_peak samples)" -ge 10 ] || t_fail "too few samples: $(d_peak samples)"
}

d_peak() {
        awk -v t="$1" '$1 == t { print $2 }' "$D/peaks"
}
