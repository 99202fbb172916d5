#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Key=: the same submission is one job, however often and by whatever way it comes, and whoever dies meanwhile.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init

keyed() {
        job Key="$1" "${@:2}"
}

with_key() {
        ctl --json ps -a -n 10000 | d_json "len([r for r in j['jobs'] if r['key'] == '$1'])"
}

twice() {
        local first again other
        first=$(keyed a Name=first | ctl submit -t acme -)
        again=$(keyed a Name=again | ctl submit -t acme - 2>"$D/stage/said")
        t_eq "$again" "$first" "the second one"
        t_match "$(cat "$D/stage/said")" "the same Key= was handed in before: this is job $first"
        t_eq "$(ctl --json submit -t acme - < <(keyed a) 2>/dev/null | d_json 'j["job"]')" "$first" json
        keyed a | drop acme a
        t_wait 5 none_left acme
        ! test -e "$D/spool/acme/rejected/a.reason" || t_fail "a file was rejected"
        t_eq "$(with_key a)" 1 "jobs with the key"
        # Another tenant's is another one, and so is another key.
        other=$(keyed a | ctl submit -t globex -)
        [ "$other" != "$first" ] || t_fail "another tenant's job"
        [ "$(keyed b | ctl submit -t acme -)" != "$first" ] || t_fail "another key"
        t_eq "$(verdict "$first")" "exit 0"
        t_eq "$(keyed a | ctl submit -t acme - 2>/dev/null)" "$first" "after it has ended"
        d_restart
        t_eq "$(keyed a | ctl submit -t acme - 2>/dev/null)" "$first" "after a restart"
        # A copy is a job of its own, and not what the key stands for.
        other=$(ctl rerun "$first")
        [ "$other" != "$first" ] || t_fail "rerun gave the same job"
        t_eq "$(verdict "$other")" "exit 0"
        t_eq "$(keyed a | ctl submit -t acme - 2>/dev/null)" "$first" "after a copy"
}

# One that a limit refuses does not keep its key.
refused() {
        local job
        limit acme queue_depth=1
        ctl pause acme
        put acme >/dev/null
        d_status 8 ctl submit -t acme - < <(keyed refused) 2>/dev/null
        unlimit acme queue_depth
        job=$(keyed refused | ctl submit -t acme -)
        ctl resume acme
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(keyed refused | ctl submit -t acme - 2>/dev/null)" "$job"
        d_status 3 ctl submit -t acme - < <(job Key= ) 2>/dev/null
}

# The window is over: another one.
window() {
        local first
        D_SCHEDULER=$(printf 'max_jobs=500\n[history]\nkey_window=2s') d_config
        ctl reload
        first=$(keyed w "$(waits 0)" | ctl submit -t acme -)
        sleep 2.5
        t_eq "$(keyed w | ctl submit -t acme - 2>/dev/null)" "$first" "as long as it has not ended"
        d_gate_open window
        t_eq "$(verdict "$first")" "exit 0"
        [ "$(keyed w | ctl submit -t acme -)" != "$first" ] || t_fail "the same"
        D_SCHEDULER=max_jobs=500 d_config
        ctl reload
}

window_with_gate() {
        gate=$(d_gate_make window) window
}

# A thousand, by both ways at once, over a restart and a SIGKILL of both.
thousand() {
        local script
        script=$(payload once <<END
#!/bin/sh
echo ran >>$D/witness/acme
END
)
        : >"$D/witness/acme"
        (for _ in {1..100}; do keyed thousand ExecStart="$script" | ctl submit -t acme - || true; done >"$D/stage/numbers" 2>/dev/null) &
        (for _ in {1..100}; do keyed thousand ExecStart="$script" | ctl submit -t acme - || true; done >"$D/stage/numbers2" 2>/dev/null) &
        files acme k 1 400 "$(keyed thousand ExecStart="$script")
"
        d_restart
        files acme l 1 400 "$(keyed thousand ExecStart="$script")
"
        sleep 0.3
        d_kill9 both
        d_start
        wait
        t_wait 20 none_left acme
        t_wait 20 is_at_door 0 acme
        t_eq "$(with_key thousand)" 1 "jobs with the key"
        t_eq "$(sort -u "$D"/stage/numbers{,2} | wc -l)" 1 "numbers that were told"
        t_wait 10 d_is_idle
        t_eq "$(wc -l <"$D/witness/acme")" 1 "runs"
        ! ls "$D"/spool/acme/rejected/* >/dev/null 2>&1 || t_fail "rejected: $(cat "$D"/spool/acme/rejected/*.reason | head -n 3)"
}

q_case "handed in twice" twice
q_case "refused the first time" refused
q_case "the window" window_with_gate
q_case "a thousand at once" thousand
d_report
t_summary
