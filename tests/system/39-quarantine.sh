#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A job file that crashes the engine, and a job whose launch crashes, do so twice: then they are put in quarantine, and
# nobody else's are. The faults are planted: an engine whose parser has one, and a program in tenantq-exec's place.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

d_init ""
build=${BUILD:-build}
[[ $build = /* ]] || build=$D_TOP/$build

build_programs() {
        local -a flags libs
        read -ra flags <<<"-std=gnu17 -D_GNU_SOURCE -O1 -I$D_TOP/src -I$D_TOP/include"
        read -ra libs <<<"$(make -s --no-print-directory -C "$D_TOP" libs)"
        # shellcheck disable=SC2046 # words
        gcc "${flags[@]}" $(pkg-config --cflags libsystemd inih sqlite3) ${SAN:+-fsanitize="$SAN"} \
                -Wl,--wrap=tq_jobfile_parse -Wl,--wrap=tq_jobspec_encode "$(dirname "$0")/crash_engine.c" \
                $(find "$build/engine" -name '*.o') "$build"/libtq-{ipc,sim,store,kernel,conf,core,base}.a "${libs[@]}" \
                -o "$D/engine.faulty" || return 1
        mv "$D/bin/tenantq-exec" "$D/bin/tenantq-exec.real"
        cp "$D/bin/tenantq-engine" "$D/engine.sound"
        # shellcheck disable=SC2046 # words
        gcc "${flags[@]}" -fno-pie -static -no-pie -DDIR="\"$D\"" -DREAL="\"$D/bin/tenantq-exec.real\"" \
                "$(dirname "$0")/crash_exec.c" \
                $(find "$build/static" -name '*.o' ! -name main.o ! -name holder.o) -o "$D/bin/tenantq-exec"
}

# The one that is started next is that one.
with_engine() {
        d_stop
        cp "$D/engine.$1" "$D/bin/tenantq-engine"
        d_start
}

command -v gcc >/dev/null || d_skip_all "no compiler"
build_programs || exit 1
d_start
d_tenant acme 61701
d_tenant globex 61702
d_tenant initech 61703
with_engine faulty

# How often the engine has died.
deaths() {
        grep -c 'the engine ended (signal' "$D/log" || true
}

died() {
        [ "$(deaths)" -ge "$1" ]
}

bad() {
        job "Name=bad" "X-Crash=yes" "$@"
}

crashes() {
        wc -l 2>/dev/null <"$D/crashes" || echo 0
}

crashed() {
        [ "$(crashes)" -ge "$1" ]
}

has_event() {
        ctl events -n 5 | grep -Eq "$1"
}

# Nothing more happens: no engine dies, and none is about to.
is_quiet() {
        local before
        before=$(deaths)
        sleep 1.5
        t_eq "$(deaths)" "$before" "deaths of the engine"
        d_answers
}

a_file() {
        local before i
        before=$(deaths)
        for i in 1 2 3; do
                say_hello "before-$i" | drop acme "before-$i"
                say_hello "other-$i" | drop globex "other-$i"
        done
        bad | drop acme bad
        for i in 1 2 3; do
                say_hello "after-$i" | drop acme "after-$i"
        done
        refused acme bad "crashed twice while it read this one \(signal 11\); it is kept for whoever mends that"
        [ -s "$D/spool/acme/rejected/bad.job" ] || t_fail "the file is gone"
        t_eq "$(($(deaths) - before))" 2 "deaths of the engine"
        for i in 1 2 3; do
                t_eq "$(verdict "$(job_of acme "before-$i")")" "exit 0" "a file before it"
                t_eq "$(verdict "$(job_of acme "after-$i")")" "exit 0" "a file behind it"
                t_eq "$(verdict "$(job_of globex "other-$i")")" "exit 0" "another's file"
        done
        t_wait 5 has_event 'quarantine +acme .*bad.job: .*crashed twice'
        t_match "$(grep -c 'claim [0-9.a-z]*: the program that reads job files crashed twice' "$D/log")" '^1$'
        is_quiet
}

# A tenant has many of them, at once. They are gone through, one after the other, up to a number; then its files wait,
# and the engine lives, for everybody else and for what the tenant hands in otherwise.
many_files() {
        local before i
        with_engine faulty
        before=$(deaths)
        for i in 1 2 3 4 5 6; do
                bad "X-N=$i" | drop initech "many-$i"
        done
        say_hello other | drop globex other
        t_wait 20 rests initech
        t_eq "$(find "$D/spool/initech/rejected" -name 'many-*.reason' | wc -l)" 3 "refused files"
        t_eq "$(($(deaths) - before))" 6 "deaths of the engine"
        t_eq "$(verdict "$(job_of globex other)")" "exit 0" "another's file"
        say_hello waits | drop initech waits
        is_quiet
        [ -e "$D/spool/initech/waits.job" ] || t_fail "its files do not wait"
        t_eq "$(verdict "$(put initech)")" "exit 0"
        t_match "$(ctl --json tenants)" "further ones wait for some minutes"
}

rests() {
        grep -q "tenant $1: the engine crashed over 3 of its files within an hour: further ones wait" "$D/log"
}

# What the tenantqd before has counted is in the name.
over_a_restart() {
        local before
        d_stop
        bad >"$D/spool/.claims/900000.61701.acme.1"
        chown 61701:61701 "$D/spool/.claims/900000.61701.acme.1"
        before=$(deaths)
        d_start
        refused acme claim-900000 "crashed twice"
        t_eq "$(($(deaths) - before))" 1 "deaths of the engine"
        is_quiet
}

# Taken, and started in the same breath: it is not recorded yet, so it is the file that is rejected.
before_it_is_recorded() {
        local before
        before=$(deaths)
        job Name=crash-start | drop acme at-once
        refused acme at-once "crashed twice"
        t_eq "$(($(deaths) - before))" 2 "deaths of the engine"
        t_eq "$(d_find acme crash-start)" "" "jobs of it"
        is_quiet
}

by_socket() {
        local before out
        before=$(deaths)
        bad >"$D/stage/bad.job"
        chmod 644 "$D/stage/bad.job"
        ! ctl_as 61701 61701 submit "$D/stage/bad.job" || t_fail "it was taken"
        t_wait 5 died $((before + 1))
        t_wait 5 d_answers
        # Once is not enough.
        t_eq "$(verdict "$(ctl_as 61701 61701 run -- /bin/true)")" "exit 0"
        ! ctl_as 61701 61701 submit "$D/stage/bad.job" || t_fail "it was taken"
        t_wait 5 died $((before + 2))
        t_wait 5 d_answers
        out=$(ctl_as 61701 61701 submit "$D/stage/bad.job" 2>&1) && t_fail "it was taken"
        t_match "$out" "crashed twice while it read what user 61701 handed in"
        t_eq "$(($(deaths) - before))" 2 "deaths of the engine"
        t_wait 5 has_event 'quarantine .*what user 61701 handed in'
        # Others are served, and so are his files.
        t_eq "$(verdict "$(put globex)")" "exit 0"
        t_eq "$(verdict "$(put acme)")" "exit 0"
        say_hello by-file | drop acme by-file
        t_eq "$(verdict "$(job_of acme by-file)")" "exit 0"
        is_quiet
}

is_held() {
        d_state_is "$1" held
}

# It was taken by an engine that could read it.
of_the_ledger() {
        local job other before
        with_engine sound
        ctl pause acme
        job=$(bad | ctl submit -t acme -)
        other=$(put acme)
        with_engine faulty
        before=$(deaths)
        t_eq "$(d_field "$job" State)" queued
        ctl resume acme || true # committed, though the answer may die with the engine
        t_wait 10 is_held "$job"
        t_eq "$(($(deaths) - before))" 2 "deaths of the engine"
        t_eq "$(verdict "$other")" "exit 0" "the job behind it"
        t_match "$(ctl explain "$job")" "held in quarantine: the engine crashed twice .*signal 11, SEGV"
        t_match "$(ctl explain "$job")" "tenantqctl release $job"
        t_wait 5 has_event "quarantine +acme +$job .*release $job"
        t_match "$(grep -c "job $job of acme is held in quarantine" "$D/log")" '^1$'
        # Only an administrator may try it again.
        ! ctl_as 61701 61701 release "$job" || t_fail "its owner released it"
        d_restart
        is_held "$job"
        t_match "$(ctl explain "$job")" "held in quarantine: the engine crashed twice"
        is_quiet
        # The count begins anew: it may again, twice.
        ctl release "$job" || true
        t_wait 10 died $((before + 4))
        t_wait 10 is_held "$job"
        is_quiet
        t_eq "$(($(deaths) - before))" 4 "deaths of the engine"
        # Mended.
        with_engine sound
        is_held "$job"
        ctl release "$job"
        t_eq "$(verdict "$job")" "exit 0"
}

a_launch() {
        local job
        : >"$D/crashes"
        touch "$D/crash-launch"
        job=$(put acme 'ExecStart=/bin/echo crash-launch')
        t_wait 5 crashed 1
        t_wait 5 why_is "$job" launch-retry
        t_match "$(ctl explain "$job")" "tenantq-exec ended by signal 11 \(SEGV\) before it had begun the program"
        t_eq "$(verdict "$(put globex)")" "exit 0" "another's job"
        t_wait 10 is_held "$job"
        t_eq "$(crashes)" 2 "crashes"
        t_match "$(ctl explain "$job")" "held in quarantine: its launch crashed again .*signal 11, SEGV"
        t_match "$(ctl explain "$job")" "tenantqctl release $job"
        t_wait 5 has_event "quarantine +acme +$job "
        t_eq "$(verdict "$(put acme)")" "exit 0" "another job of the tenant"
        d_restart
        is_held "$job"
        rm "$D/crash-launch"
        ctl release "$job"
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job")" crash-launch "output"
}

why_is() {
        [ "$(why "$1")" = "$2" ]
}

# It is not the jobs': they wait, none is held, and no turn is spent on launching them again at once.
all_launches() {
        local jobs=() i held
        held=$(grep -c 'is held in quarantine' "$D/log")
        : >"$D/crashes"
        touch "$D/crash-all"
        for i in 1 2 3; do
                jobs+=("$(put acme)" "$(put globex)")
        done
        t_wait 20 crashed 18
        [ "$(crashes)" -le 30 ] || t_fail "$(crashes) launches"
        for i in "${jobs[@]}"; do
                t_eq "$(why "$i")" launch-retry "what job $i waits for"
        done
        t_match "$(ctl explain "${jobs[0]}")" "tenantq-exec ended by signal 11"
        t_match "$(ctl tenants)" "signal 11"
        rm "$D/crash-all"
        for i in "${jobs[@]}"; do
                t_eq "$(D_TIMEOUT=30 verdict "$i")" "exit 0"
        done
        t_eq "$(grep -c 'is held in quarantine' "$D/log")" "$held" "jobs that were held"
}

q_case "a file" a_file
q_case "a file, and tenantqd ends" over_a_restart
q_case "a file, and the job is started" before_it_is_recorded
q_case "by the control socket" by_socket
q_case "a job of the ledger" of_the_ledger
q_case "a launch" a_launch
q_case "all launches" all_launches
q_case "many files" many_files
d_report
t_summary
