#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tenantqctl top: as plain text, and in a terminal (tmux) with its keys. What cgroup v2 without controllers counts is CPU
# time and pressure; figures of the rest are tried in the virtual machine (tests/vm/26-top.sh).

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61043
d_tenant globex 61044

hog() {
        ctl run -t "$1" --name "${2:-hog}" -- sh -c 'while :; do :; done'
}

# Plain text ----------------------------------------------------------------------------------

prints_tables() {
        local job out
        job=$(hog acme)
        echo "$job" >"$D/hog"
        ctl run -t acme -- true >/dev/null
        t_wait 5 d_state_is "$job" running
        out=$(ctl top -b -n 2 -d 1)
        t_eq "$(grep -c '^TENANT ' <<<"$out")" 2 "tables"
        # Who uses most comes first.
        t_eq "$(awk '{ print $1 }' <<<"$out" | tr '\n' ' ')" "TENANT acme globex  TENANT acme globex " "tenants"
        t_match "$out" 'acme +1 +1 +[01]\.[0-9][0-9] .*globex +0 +0 +0\.0[0-9] ' "figures"
        t_match "$out" '^TENANT +RUNNING +WAITING +CPU +OF +THR +MEMORY +OF +TASKS +P-CPU +P-MEM +P-IO +I/O /S +OOM KILLS' headings
        out=$(ctl top --noheadings -o tenant,waiting --sort -tenant)
        t_eq "$(tr -s ' ' <<<"$out" | tr '\n' ';')" "globex 0;acme 1;" "columns and order; one table where there is no terminal"
}

# A line is an object; the first has figures as the others have.
prints_json() {
        local out
        out=$(ctl top --json -n 3 -d 0.5)
        t_eq "$(wc -l <<<"$out")" 6 lines
        t_eq "$(sed -n 1p <<<"$out" | d_json '[j["tenant"], j["running"], j["waiting"], 200 < j["cpu_permille"] < 1300]')" \
                '["acme", 1, 1, true]' "the first"
        t_eq "$(tail -n 1 <<<"$out" | d_json '[j["tenant"], j["running"], j["cpu_permille"], j["cpu_usec"]]')" \
                '["globex", 0, 0, 0]' "the last"
        # What is not counted here is unknown, not nothing.
        grep -qw memory "$D_CGROUP/cgroup.controllers" ||
                t_eq "$(head -n 1 <<<"$out" | d_json '[j["memory_bytes"], j["pids"], j["throttled_permille"]]')" '[null, null, null]' unknown
}

sees_its_own() {
        t_eq "$(ctl_as 61043 61043 top --noheadings -o tenant)" acme "tenants"
        # A slice that there is not.
        d_tenant leaving 61045
        rmdir "$D/spool/leaving" "$D_CGROUP/leaving.slice"
        t_match "$(ctl top -o tenant,cpu_permille)" 'leaving +-' "of no slice"
}

says_what_is_wrong() {
        local wrong
        for wrong in nonsense 0 99ms 61min -1; do
                d_status 2 ctl top -b -d "$wrong" 2>"$D/said"
                t_match "$(cat "$D/said")" "--delay \"$wrong\": expected a time span from 100ms to 1h"
        done
        d_status 2 ctl top -b -n 0 2>"$D/said"
        t_match "$(cat "$D/said")" '--lines "0": expected a number from 1'
        d_status 2 ctl top -o no_such 2>"$D/said"
        t_match "$(cat "$D/said")" 'there is no column "no_such"'
        d_status 2 ctl top acme 2>/dev/null
        d_status 7 ctl top --socket "$D/nowhere" 2>"$D/said"
        t_match "$(cat "$D/said")" "no daemon answers at $D/nowhere"
        # Who reads has enough.
        t_eq "$({ ctl top -b -n 50 -d 0.1 || true; } 2>&1 | head -n 1 | cut -c 1-6)" TENANT "head"
}

# The daemon goes, and comes again: one waits for it.
outlives_a_restart() {
        local pid status=0
        "$D/bin/tenantqctl" top -b --json -n 5 -d 0.5 >"$D/lines" 2>"$D/said" &
        pid=$!
        t_wait 5 test -s "$D/lines"
        d_restart
        wait "$pid" || status=$?
        t_eq "$status: $(cat "$D/said")" "0: " "exit status, and what it said"
        t_eq "$(grep -c '"tenant":"acme"' "$D/lines")" 5 readings
}

# A terminal ----------------------------------------------------------------------------------

# A server of tmux's own each time: the one before may be about to end.
SCREEN=$D/screen
screen() {
        TERM=xterm LC_ALL=C.UTF-8 TMUX='' tmux -u -f /dev/null -S "$SCREEN" "$@"
}

end_screens() {
        local socket
        for socket in "$D"/screen.*; do
                [ ! -S "$socket" ] || tmux -S "$socket" kill-server 2>/dev/null || true
        done
}
trap 'end_screens; d_cleanup' EXIT

keys() {
        screen send-keys "$@"
}

# What is seen is REGEX.
shows() {
        [[ "$(screen capture-pane -p)" =~ $1 ]]
}

t_shows() {
        local i
        for ((i = 0; i < 100; i++)); do
                ! shows "$1" || return 0
                sleep 0.05
        done
        screen capture-pane -p
        t_fail "the screen does not show: $1"
}

# screen_start WIDTH HEIGHT [ARG…]: what the terminal was and is goes to files beside.
screen_start() {
        local width=$1 height=$2
        shift 2
        rm -f "$D/after"
        SCREEN=$(mktemp -u "$D/screen.XXXXXX")
        screen new-session -d -x "$width" -y "$height" \
                "stty -a | tail -n +2 >$D/before; $D/bin/tenantqctl $*; echo \"status \$?\"; stty -a | tail -n +2 >$D/after; sleep 100"
}

# It has ended with that status, and the terminal is as it was.
screen_ended() {
        t_shows "status $1"
        t_wait 5 test -s "$D/after"
        t_eq "$(cat "$D/after")" "$(cat "$D/before")" "the terminal's state"
        # Also the page: what top had shown is not there any more.
        ! shows 'Tenants: ' || t_fail "the screen was not given back"
        screen kill-server
}

has_tmux() {
        command -v tmux >/dev/null || t_skip "tmux is not installed"
}

takes_keys() {
        local job
        has_tmux
        job=$(cat "$D/hog")
        screen_start 130 20 top -d 0.5
        t_shows 'Tenants: 3; 1 running, 1 waiting, CPU [01]\.[0-9]+ of [0-9]+; every 500ms, by CPU; h: help'
        t_shows 'TENANT +RUNNING +WAITING .*
acme +1 +1 [|.]{10} [01]\.[0-9]+ .*
(globex|leaving) '
        keys p
        t_shows 'by Tenant; '
        t_shows 'acme .*
globex .*
leaving '
        keys m
        t_shows 'by Memory; '
        keys i
        t_shows 'by I/O /s; '
        keys t
        t_shows 'by Tasks; '
        keys c
        t_shows 'by CPU; '
        keys %
        t_shows 'CPU TIME'
        keys %
        t_shows ' CPU +OF'
        keys +
        t_shows 'every 750ms'
        keys -
        keys -
        t_shows 'every 250ms'
        keys h
        t_shows 'the jobs of the tenant;  Escape, Backspace: back'
        keys h
        t_shows 'TENANT +RUNNING'
        keys Enter
        t_shows 'Jobs of acme: 2; Escape: back'
        t_shows "JOB +NAME .*
$job +hog +default +running +- .*[0-9.]+m?s +[0-9.]+m?s.*
[0-9]+ +true +default +queued +queue-concurrency"
        keys Escape
        t_shows 'Tenants: 3'
        # Another one, which has no jobs.
        keys p Down Enter
        t_shows 'Jobs of globex: 0'
        keys BSpace
        t_shows 'Tenants: 3'
        keys q
        screen_ended 0
}

# What is read again and again goes on being what is selected.
keeps_the_selection() {
        local other
        has_tmux
        screen_start 130 20 top -d 0.3 --sort tenant
        t_shows 'by Tenant'
        keys Down
        other=$(hog globex greedy)
        t_shows 'globex +1 '
        keys c
        keys p Down Enter
        t_shows "Jobs of globex: 1.*
.*
JOB.*
$other +greedy "
        ctl cancel "$other"
        t_eq "$(verdict "$other")" cancelled
        t_shows 'Jobs of globex: 0'
        keys q
        screen_ended 0
}

# The name of a job is its tenant's to choose, the terminal is not: no text from right to left, no C1 controls.
shows_names_escaped() {
        local job
        has_tmux
        job=$(printf '[Job]\nName=x\xe2\x80\xaey\xc2\x85z\nExecStart=/bin/sleep 100\n' | ctl submit -t globex -)
        t_wait 5 d_state_is "$job" running
        screen_start 130 20 top -d 0.3 --sort tenant
        t_shows 'globex +1 '
        keys Down Enter
        t_shows 'x\\xe2\\x80\\xaey\\xc2\\x85z'
        keys q
        screen_ended 0
        ctl cancel "$job"
        t_eq "$(verdict "$job")" cancelled
}

is_resized() {
        has_tmux
        screen_start 130 20 top -d 0.3
        t_shows 'OOM KILLS'
        screen resize-window -x 80 -y 24
        t_shows 'TENANT +RUNNING +WAITING +CPU +THR '
        screen resize-window -x 20 -y 4
        t_shows '^Tenants: 3; 1 run[a-z]*…'
        for size in '1 1' '3 2' '5 3' '200 60'; do
                screen resize-window -x "${size% *}" -y "${size#* }"
                sleep 0.4
        done
        t_shows 'OOM KILLS'
        keys q
        screen_ended 0
}

shows_that_the_daemon_is_away() {
        has_tmux
        screen_start 130 20 top -d 0.3
        t_shows 'acme +1 +1 '
        d_stop
        # What was read last stays.
        t_shows 'Tenants: 3;.*
no daemon answers at .*
TENANT.*
acme +1 +1 '
        d_start
        t_shows 'Tenants: 3;[^
]*

TENANT.*'
        keys q
        screen_ended 0
}

# With whichever signal it is ended.
restores_the_terminal() {
        local signal
        has_tmux
        for signal in INT TERM HUP QUIT; do
                screen_start 100 20 top -d 0.3
                t_shows 'acme +1 +1 '
                pkill "-$signal" -P "$(screen display -p '#{pane_pid}')" -x tenantqctl
                screen_ended 1
        done
        screen_start 100 20 top -d 0.3
        t_shows 'acme +1 +1 '
        keys C-c
        screen_ended '(1|130)'
}

# One whose description there is not, or that can show nothing in place.
needs_a_terminal() {
        has_tmux
        SCREEN=$(mktemp -u "$D/screen.XXXXXX")
        screen new-session -d -x 100 -y 20 "TERM=no-such-terminal $D/bin/tenantqctl top; echo \"status \$?\"; sleep 100"
        t_shows 'TERM=no-such-terminal: there is no such terminal; top -b prints plain text
status 1'
        screen kill-server
        SCREEN=$(mktemp -u "$D/screen.XXXXXX")
        screen new-session -d -x 100 -y 20 "TERM=dumb $D/bin/tenantqctl top -n 2 -d 0.1; echo \"status \$?\"; sleep 100"
        t_shows 'TENANT .*TENANT .*status 0'
        screen kill-server
}

d_case "plain text" prints_tables
d_case "JSON" prints_json
d_case "whose tenants" sees_its_own
d_case "errors" says_what_is_wrong
d_case "the daemon is restarted" outlives_a_restart
d_case "keys" takes_keys
d_case "what is selected" keeps_the_selection
d_case "names" shows_names_escaped
d_case "sizes" is_resized
d_case "without a daemon" shows_that_the_daemon_is_away
d_case "signals" restores_the_terminal
d_case "terminals" needs_a_terminal
ctl cancel "$(cat "$D/hog")"
d_report
t_summary
