#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How a job ends: by itself, by a signal, by its time, by cancel, or because it can't be executed; every verdict is
# right, and nothing of it is left over.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61001
d_tenant globex 61002

# By time, by cancel --------------------------------------------------------------------------

runtime_is_bounded() {
        local start job
        start=$(now_ms)
        printf '[Job]\nExecStart=/bin/sleep 300\nRuntimeMaxSec=500ms\n' >"$D/stage/runtime"
        job=$(ctl submit -t acme "$D/stage/runtime")
        t_eq "$(verdict "$job")" "timeout (job)"
        start=$(($(now_ms) - start))
        in_range "$start" 500 1500 "milliseconds until the end"
        ctl limits set acme runtime=300ms >/dev/null
        t_eq "$(verdict "$(ctl run -t acme -- sleep 300)")" "timeout (tenant)"
        ctl limits unset acme runtime >/dev/null
}

term_is_ignored() {
        local start job script
        script=$(payload stubborn <<<'#!/bin/sh
trap "" TERM INT HUP
echo ready
while :; do sleep 1; done')
        printf '[Job]\nExecStart=%s\nTimeoutStopSec=700ms\n' "$script" >"$D/stage/stubborn"
        job=$(ctl submit -t acme "$D/stage/stubborn")
        t_wait 5 test -s "$D/logs/acme/$job.1.out"
        start=$(now_ms)
        ctl cancel "$job"
        d_state_is "$job" stopping || t_fail "not stopping: $(d_field "$job" State)"
        t_eq "$(verdict "$job")" cancelled
        start=$(($(now_ms) - start))
        in_range "$start" 700 1700 "milliseconds until the end"
        # One that cleans up on SIGTERM gets the time to, and its exit code counts.
        printf '[Job]\nExecStart=/bin/sh -c "trap '\''echo cleaned; exit 0'\'' TERM; echo ready; while :; do sleep 0.05; done"\n' >"$D/stage/tidy"
        job=$(ctl submit -t acme "$D/stage/tidy")
        t_wait 5 test -s "$D/logs/acme/$job.1.out"
        ctl cancel "$job"
        t_eq "$(verdict "$job")" "exit 0"
        t_match "$(ctl logs "$job")" cleaned output
}

# By itself -----------------------------------------------------------------------------------

exit_codes() {
        local code job
        for code in 0 1 2 42 99 126 127 128 200 255; do
                job=$(ctl run -t acme -- sh -c "exit $code")
                t_eq "$(verdict "$job")" "exit $code"
                t_eq "$(ctl --json status "$job" | d_json '[j["jobs"][0]["outcome"], j["jobs"][0]["code"]]')" "[\"exit\", $code]" json
        done
}

signals() {
        local name number
        for name in HUP INT QUIT ABRT KILL SEGV PIPE TERM USR1 XCPU; do
                number=$(kill -l "$name")
                t_eq "$(verdict "$(ctl run -t acme -- sh -c "kill -$name \$\$; sleep 5")")" "signal $number ($name)"
        done
        d_status 143 ctl run -w -t acme -- sh -c 'kill -TERM $$; sleep 5'
}

stopped_and_continued() {
        local job
        job=$(ctl run -t acme -- sh -c '(sleep 0.3; kill -CONT $$) & kill -STOP $$; exit 6')
        t_eq "$(verdict "$job")" "exit 6"
}

children_end_with_main() {
        local script pids pid job
        script=$(payload brood <<END
#!/bin/sh
for i in 1 2 3; do setsid sh -c 'trap "" TERM HUP; while :; do sleep 0.1; echo x >>$D/witness/acme; done' & done
nohup sleep 300 >/dev/null 2>&1 &
sleep 0.3
exit 9
END
)
        job=$(ctl run -t acme -- "$script")
        t_wait 5 d_state_is "$job" running
        sleep 0.15
        pids=$(d_pids "$job" 2>/dev/null || true)
        [ "$(wc -w <<<"$pids")" -ge 4 ] || t_fail "no children: $pids"
        t_eq "$(verdict "$job")" "exit 9"
        for pid in $pids; do
                [ ! -e "/proc/$pid" ] || t_fail "process $pid outlived its job"
        done
        [ ! -e "$D_CGROUP/acme.slice/$job.1.job" ] || t_fail "the cgroup outlived its job"
        : >"$D/witness/acme"
        sleep 0.3
        [ ! -s "$D/witness/acme" ] || t_fail "something of the job still runs"
}

not_executed() {
        echo not-a-program | payload plain >/dev/null
        chmod 644 "$D/payload/plain"
        t_eq "$(verdict "$(ctl run -t acme -- /no/such/program)")" "spawn (exec: No such file or directory)"
        t_eq "$(verdict "$(ctl run -t acme -- "$D/payload/plain")")" "spawn (exec: Permission denied)"
        t_eq "$(verdict "$(ctl run -t acme -C /no/such/dir -- true)")" "spawn (chdir: No such file or directory)"
        t_eq "$(verdict "$(ctl run -t acme -C "$D/spool/globex" -- true)")" "spawn (chdir: No such file or directory)" # hidden
        install -d -m 0700 "$D/closed"
        t_eq "$(verdict "$(ctl run -t acme -C "$D/closed" -- true)")" "spawn (chdir: Permission denied)"
        t_eq "$(verdict "$(ctl run -t acme -- true)")" "exit 0" "verdict of the next one"
}

d_case "RuntimeMaxSec=" runtime_is_bounded
d_case "TimeoutStopSec= and a job that ignores SIGTERM" term_is_ignored
d_case "exit codes of jobs (T48)" exit_codes
d_case "signals (T48)" signals
d_case "stopped and continued (T48)" stopped_and_continued
d_case "children end with the main process (T48)" children_end_with_main
d_case "what can't be executed (T48)" not_executed
d_case "nothing is left over" no_leftovers
d_report
t_summary
