#!/bin/bash
# A tenant's end, another name, another owner (T59, T109): whole or not at all, by root's order only, whatever is killed
# meanwhile and whatever lies in its directory; and nobody else waits.

# shellcheck source=ends.sh
. "$(dirname "$0")/ends.sh"

# By root ------------------------------------------------------------------------------------------

# Of those that were removed none is counted.
are_counted() {
        local i before
        before=$(ctl --json status | d_json "[p['tenants'] for p in j['pools'] if p['pool'] == 'host'][0]")
        for i in 1 2 3; do
                again "brief$i" $((61540 + i))
                ctl run -w -t "brief$i" -- true
                tenant remove "brief$i" >/dev/null
        done
        t_eq "$(ctl --json status | d_json "sorted({p['tenants'] for p in j['pools']})")" "[$before]" "tenants"
}

only_root_may() {
        local who verb
        again acme 61501
        for verb in "remove acme" "remove acme --dry-run" "remove acme --cancel" "keep acme" "rename acme other" "chown acme 61509"; do
                for who in "61099 61099,$D_ADMIN_GID" "61501 61501" "65534 65534"; do
                        # shellcheck disable=SC2086 # words
                        d_status 6 ctl_as $who tenant $verb 2>/dev/null
                done
        done
        d_status 5 tenant remove nobody-there 2>/dev/null
        d_status 5 tenant rename nobody-there other 2>/dev/null
        d_status 2 tenant rename acme .other 2>/dev/null
        d_status 3 ctl tenant keep acme 2>/dev/null
        t_eq "$(ls "$D/state/orders")" "" "orders"
        d_tenant_is acme ready || t_fail "acme: $(ctl tenants)"
}

# Without root's file nothing is removed, whatever the engine believes.
needs_the_order() {
        local gate job
        again acme 61501
        gate=$(d_gate_make order)
        job=$(ctl run -t acme -- sh -c "read x <$gate; exit 0")
        t_wait 5 d_state_is "$job" running
        tenant remove acme >/dev/null 2>&1 &
        t_wait 5 state_is acme removing
        t_eq "$(cat "$D/state/orders/acme") $(stat -c '%u %a' "$D/state/orders" "$D/state/orders/acme" | tr '\n' ' ')" \
                "remove 0 700 0 600 " "the order"
        rm "$D/state/orders/acme"
        d_gate_open order
        t_wait 5 says_no_order acme
        [ -d "$D/spool/acme" ] || t_fail "its directory has gone"
        echo "rename other" >"$D/state/orders/acme"
        d_restart
        t_wait 5 says_no_order acme
        { [ -d "$D/spool/acme" ] && [ -d "$D/logs/acme" ]; } || t_fail "its directories have gone after a restart"
        # Given now, it goes on.
        tenant remove acme >/dev/null
        nothing_of acme
}

says_no_order() {
        [[ "$(ctl tenants acme)" == *"order is not there"* ]]
}

# Removing -----------------------------------------------------------------------------------------

says_what_would_go() {
        local job out
        again acme 61501
        job=$(ctl run -t acme -- echo 12345)
        verdict "$job" >/dev/null
        printf '[Job]\nExecStart=/bin/false\n[Retry]\nMaxAttempts=1\n' >"$D/stage/dies"
        job=$(ctl --json submit -t acme "$D/stage/dies" | d_json 'j["job"]')
        verdict "$job" >/dev/null
        ctl limits set acme weight=3 >/dev/null
        ctl pause acme
        ctl run -t acme -- true >/dev/null
        install -o 61501 /dev/null "$D/spool/acme/file"
        touch "$D/logs/acme/.spare-7.out"
        out=$(tenant remove acme --dry-run)
        [ -e "$D/logs/acme/.spare-7.out" ] || t_fail "a trial has removed something"
        t_match "$out" '^0 jobs that run' running
        t_match "$out" '(^|
)1 jobs that wait' waiting
        t_match "$out" '(^|
)2 jobs that have ended' ended
        t_match "$out" '(^|
)1 of them dead letters' dead
        t_match "$out" '(^|
)1 limits set live' revisions
        t_match "$out" '(^|
)2 files of output' output
        t_match "$out" '(^|
)6 bytes' bytes
        t_match "$out" '(^|
)1 files in its directory' spool
        t_eq "$(tenant --json remove acme --dry-run | d_json 'j["tenants"][0]["output_bytes"]')" 6 json
        d_tenant_is acme paused || t_fail "it was not only said"
        d_tenant_file acme
        t_match "$(tenant remove acme --cancel -m 'month end')" 'tenants.d/acme.conf is yours and stays' "its file"
        nothing_of acme
        t_match "$(ctl events -n 10)" 'tenant-delete +acme .* 3 jobs, [12] of them dead letters.* by root: month end' event
        t_match "$(ctl events -n 10)" 'tenant-removed +acme .* 0 +by root: month end' event
        rm "$D/etc/tenants.d/acme.conf"
}

# What its jobs still do is waited for; nothing more is taken; it can be taken back; and whoever waits may leave.
waits_and_is_kept() {
        local gate job waits pid
        again acme 61501
        ctl limits set acme concurrency=1 >/dev/null
        gate=$(d_gate_make keep)
        job=$(ctl run -t acme -- sh -c "read x <$gate; exit 0")
        waits=$(ctl run -t acme -- echo waits)
        t_wait 5 d_state_is "$job" running
        tenant remove acme >/dev/null 2>&1 &
        pid=$!
        t_wait 5 state_is acme removing
        kill "$pid"
        wait "$pid" || true
        t_match "$(ctl tenants acme)" 'waits for its jobs: 1 running, 1 waiting' "what it waits for"
        t_match "$(ctl status acme)" removing status
        d_status 4 ctl run -t acme -- true 2>/dev/null
        d_status 4 ctl resume acme 2>/dev/null
        say_hello late | drop acme late
        d_restart
        state_is acme removing || t_fail "after a restart: $(ctl tenants)"
        d_kill9 engine
        t_wait 10 state_is acme removing
        d_status 4 ctl run -t acme -- true 2>/dev/null
        t_eq "$(ctl tenant keep acme -m 'a mistake')" "acme: kept"
        t_wait 5 has_no_orders
        t_wait 5 has_ended_not acme late
        d_gate_open keep
        t_eq "$(verdict "$job") $(verdict "$waits")" "exit 0 exit 0" verdicts
        t_wait 10 has_ended acme late
        t_match "$(ctl limits get acme)" 'concurrency +- +1 +set' "its limit"
        d_restart
        d_tenant_is acme ready || t_fail "it was kept: $(ctl tenants)"
        tenant remove acme >/dev/null
        nothing_of acme
}

has_no_orders() {
        [ -z "$(ls "$D/state/orders")" ]
}

has_ended_not() {
        d_exists "$1" "$2" || [ -e "$D/spool/$1/$2.job" ] || compgen -G "$D/spool/.claims/*.$1" >/dev/null
}

waits_for_the_last_job() {
        local gate job pid
        again acme 61501
        gate=$(d_gate_make last)
        job=$(ctl run -t acme -- sh -c "read x <$gate; exit 0")
        t_wait 5 d_state_is "$job" running
        tenant remove acme >"$D/stage/removed" 2>"$D/stage/said" &
        pid=$!
        t_wait 5 state_is acme removing
        [ -d "$D/logs/acme" ] || t_fail "its output has gone while a job runs"
        t_wait 5 grep -q "waits for its jobs: 1 running, 0 waiting" "$D/stage/said"
        d_gate_open last
        wait "$pid"
        t_eq "$(cat "$D/stage/removed")" "acme: removed"
        nothing_of acme
}

cancels() {
        local gate job i pid
        again acme 61501
        gate=$(d_gate_make cancels)
        job=$(ctl run -t acme -- sh -c "trap '' TERM; read x <$gate; exit 0")
        t_wait 5 d_state_is "$job" running
        for i in {1..30}; do
                ctl run -t acme -- true >/dev/null
        done
        tenant remove acme >/dev/null 2>&1 &
        t_wait 5 state_is acme removing
        # One that is only waited for can be hurried; one that ignores it costs nothing meanwhile.
        D_TIMEOUT=60 tenant remove acme --cancel >/dev/null &
        pid=$!
        t_wait 5 d_waits acme
        i=$(d_ticks "$(d_engine)")
        sleep 2
        in_range $(($(d_ticks "$(d_engine)") - i)) 0 40 "ticks of the engine in 2 s"
        wait "$pid"
        nothing_of acme
        d_gate_open cancels
        no_leftovers
}

# d_ticks PID: of CPU time.
d_ticks() {
        awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# d_waits TENANT: only for one that runs.
d_waits() {
        [[ "$(ctl tenants "$1")" == *"waits for its jobs: 1 running, 0 waiting"* ]]
}

# Kept, none of its jobs is cancelled any more, however many were to be; and an order that is refused takes no other's
# place.
kept_in_time() {
        local gate job i n
        again acme 61501
        gate=$(d_gate_make kept)
        # One that does not end for it: the removal waits.
        job=$(ctl run -t acme -- sh -c "trap '' TERM; read x <$gate")
        t_wait 5 d_state_is "$job" running
        ctl pause acme
        for i in {1..600}; do
                printf '[Job]\nExecStart=/bin/true\n' >"$D/stage/k$i.job"
        done
        chown 61501 "$D"/stage/k*.job
        chmod 600 "$D"/stage/k*.job
        # rename(2) and no more: what is taken at once is not there to be looked at.
        "$D_PYTHON" -c 'import os, sys
for i in range(1, 601):
    os.rename(f"{sys.argv[1]}/k{i}.job", f"{sys.argv[2]}/k{i}.job")' "$D/stage" "$D/spool/acme"
        t_wait 20 has_waiting 601
        tenant remove acme --cancel >/dev/null 2>&1 &
        t_wait 5 state_is acme removing
        ctl tenant keep acme >/dev/null
        n=$(ctl --json ps -n 1000 acme | d_json 'len(j["jobs"])')
        sleep 1
        t_eq "$(ctl --json ps -n 1000 acme | d_json 'len(j["jobs"])')" "$n" "jobs that wait, a second after it was kept"
        ctl cancel acme >/dev/null
        d_gate_open kept
        verdict "$job" >/dev/null
        ctl resume acme
        gate=$(d_gate_make kept-2)
        job=$(ctl run -t acme -- sh -c "read x <$gate")
        t_wait 5 d_state_is "$job" running
        tenant remove acme >/dev/null 2>&1 &
        t_wait 5 state_is acme removing
        d_status 4 tenant rename acme other 2>/dev/null
        d_gate_open kept-2
        t_wait 10 is_unknown acme
        nothing_of acme
}

has_waiting() {
        [ "$(ctl --json ps -n 1000 acme | d_json 'len(j["jobs"])')" = "$1" ]
}

# Who has the name next has nothing of it: not even with the same user.
nothing_is_inherited() {
        local job dead key uid
        again acme 61501
        job=$(ctl run -t acme -- echo secret)
        t_eq "$(verdict "$job")" "exit 0"
        dead=$(ctl run -t acme -- false)
        verdict "$dead" >/dev/null
        printf '[Job]\nExecStart=/bin/true\nKey=once\n' >"$D/stage/keyed"
        chmod 644 "$D/stage/keyed"
        key=$(ctl --json submit -t acme "$D/stage/keyed" | d_json 'j["job"]')
        verdict "$key" >/dev/null
        ctl limits set acme weight=77 concurrency=3 >/dev/null
        ctl limits set acme/etl concurrency=1 >/dev/null
        ctl pause acme/etl
        ctl drain acme
        # And what a former owner has left.
        chown 61511:61511 "$D/spool/acme"
        t_wait 5 d_tenant_is acme ready
        verdict "$(ctl run -t acme -- echo other)" >/dev/null
        tenant remove acme >/dev/null
        nothing_of acme
        for uid in 61501 61511; do
                again acme "$uid"
                t_eq "$(ctl --json ps -a acme | d_json 'len(j["jobs"])')" 0 "jobs"
                d_status 5 ctl status "$job" 2>/dev/null
                d_status 5 ctl_as "$uid" "$uid" logs "$job" 2>/dev/null
                t_eq "$(ctl --json dead list acme | d_json 'len(j["jobs"])')" 0 "dead letters"
                t_match "$(ctl limits get acme)" 'weight +- +- +unset' weight
                t_match "$(ctl limits get acme)" 'concurrency +- +- +unset' concurrency
                [ "$(ctl --json submit -t acme "$D/stage/keyed" | d_json 'j["job"]')" -gt "$key" ] || t_fail "the key is known"
                [ "$(ctl run -t acme -q etl -- true)" -gt "$key" ] || t_fail "a number was given out again"
                say_hello again | drop acme again
                t_wait 5 has_ended acme again
                ctl cancel acme >/dev/null
                tenant remove acme >/dev/null
                d_restart
                is_unknown acme || t_fail "known after a restart: $(ctl tenants)"
                nothing_of acme
        done
        [ "$(ctl run -t globex -- true)" -gt "$key" ] || t_fail "a number was given out again after a restart"
        t_match "$(ctl limits set globex weight=8)" 'revision ([3-9]|[0-9]{2,})' "numbers of revisions go on"
        ctl limits unset globex weight >/dev/null
}

# The directory is gone already, and only the ledger knows of it.
gone_already() {
        local job
        again acme 61501
        job=$(ctl run -t acme -- true)
        verdict "$job" >/dev/null
        rm -rf "$D/spool/acme"
        t_wait 5 d_tenant_is acme gone
        d_restart
        tenant remove acme >/dev/null
        nothing_of acme
        d_status 5 ctl status "$job" 2>/dev/null
}

# What a tenant's user may have put there, and root: nothing outside is touched.
hostile_directory() {
        local i worst=0 from took deep
        again acme 61501
        mkdir "$D/victim"
        echo keep >"$D/victim/file"
        chown -R 61501:61501 "$D/victim"
        # shellcheck disable=SC2016 # the inner shell's
        as_user 61501 bash -c 'cd "$1" && ln -s ../../victim link && ln -s ../../victim/file "link2.job" && ln "$2" hard 2>/dev/null
                mkfifo fifo; mkdir -p rejected "a b"; touch -- "-rf" $'"'new\nline'"' "a b/x"; chmod 000 "a b"; mkdir many; cd many
                for i in {1..20000}; do : >"$i"; done' _ "$D/spool/acme" "$D/victim/file" || true
        as_user 61501 "$D_PYTHON" -c 'import os, sys
os.chdir(sys.argv[1])
for i in range(3000):
    os.mkdir("d"); os.chdir("d")
    if i % 100 == 0: open("f", "w").close()' "$D/spool/acme"
        # Somebody who still has it open goes on making files.
        setpriv --reuid 61501 --regid 61501 --clear-groups "$D_PYTHON" -c 'import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
end = time.time() + 8
i = 0
while time.time() < end:
    try: os.close(os.open("again%d" % i, os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    except OSError: time.sleep(0.01)
    i += 1
    time.sleep(0.0005)' "$D/spool/acme" &
        tenant remove acme >"$D/stage/removed" 2>&1 &
        for ((i = 0; i < 20; i++)); do
                from=$(now_ms)
                ctl run -w -t globex -- true 2>/dev/null
                took=$(($(now_ms) - from))
                [ "$took" -le "$worst" ] || worst=$took
        done
        t_wait 30 is_unknown acme
        nothing_of acme
        t_eq "$(cat "$D/victim/file")" keep "what was linked to"
        t_eq "$(stat -c %u "$D/victim/file")" 61501 "its owner"
        in_range "$worst" 0 2000 "another tenant's job, in ms"
        deep=$(find "$D/spool" -name '.removed*')
        t_eq "$deep" "" "what is left"
        rm -rf "$D/victim"
}

# A mount in it, or a file that nobody may remove: said, and waited for; all else goes.
left_in_it() {
        again acme 61501
        mkdir -p "$D/spool/acme/x/mnt"
        chown 61501:61501 "$D/spool/acme/x"
        mount -t tmpfs none "$D/spool/acme/x/mnt" || t_skip "no mounts here"
        echo keep >"$D/spool/acme/x/mnt/file"
        touch "$D/spool/acme/x/other"
        tenant remove acme >"$D/stage/removed" 2>&1 &
        t_wait 10 says_what_is_left mounted
        t_wait 5 grep -q "acme: it is being removed: .*mounted there" "$D/stage/removed"
        [ -n "$(find "$D/spool" -path '*/mnt/file')" ] || t_fail "what is mounted was removed"
        t_eq "$(find "$D/spool" -name other)" "" "what else was there"
        d_status 4 ctl tenant keep acme 2>/dev/null
        umount "$D"/spool/.removed-acme/*/mnt
        t_wait 10 is_unknown acme
        nothing_of acme
        again acme 61501
        touch "$D/spool/acme/fixed"
        chattr +i "$D/spool/acme/fixed" 2>/dev/null || return 0
        tenant remove acme >"$D/stage/removed" 2>&1 &
        t_wait 10 says_what_is_left immutable
        t_wait 5 grep -q "acme: it is being removed: .*immutable" "$D/stage/removed"
        chattr -i "$D"/spool/.removed-acme/*/fixed
        t_wait 10 is_unknown acme
        nothing_of acme
}

says_what_is_left() {
        [[ "$(ctl tenants acme)" == *"$1"* ]]
}

# Whatever dies at whatever instant: in the end it is gone, as a whole, by itself.
removed_through_kills() {
        local i what delay job first pid
        for ((i = 0; i < 18; i++)); do
                what=$(cut -d' ' -f$((i % 3 + 1)) <<<"engine daemon both")
                delay=$(printf '0.%03d' $((i * 12)))
                again acme 61501
                ctl limits set acme weight=5 >/dev/null
                for first in {1..4}; do
                        job=$(ctl run -t acme -- echo "$first")
                done
                verdict "$job" >/dev/null
                # shellcheck disable=SC2016 # the inner shell's
                as_user 61501 bash -c 'cd "$1" && mkdir -p a/b/c && touch a/{1..40} a/b/{1..40}' _ "$D/spool/acme"
                tenant remove acme --cancel >"$D/stage/removed" 2>&1 &
                pid=$!
                sleep "$delay"
                d_kill9 "$what"
                [ "$what" = engine ] || d_start
                # Whoever waits goes on doing so; it may not have come to the order yet.
                wait "$pid" || { t_wait 5 is_unknown_or_ready acme && ! is_unknown acme && tenant remove acme --cancel >/dev/null; } || true
                is_unknown acme || t_fail "$what after $delay: $(ctl tenants; cat "$D/stage/removed")"
                nothing_of acme
                d_status 5 ctl status "$job" 2>/dev/null
        done
        t_eq "$(ctl run -w -t globex -- echo well 2>/dev/null)" well
}

is_unknown_or_ready() {
        is_unknown "$1" || d_tenant_is "$1" ready
}

# Another name -------------------------------------------------------------------------------------

renames() {
        local gate job waits old
        again acme 61501
        old=$(ctl run -t acme -- echo mine)
        verdict "$old" >/dev/null
        ctl limits set acme weight=12 >/dev/null
        gate=$(d_gate_make rename)
        job=$(ctl run -t acme -- sh -c "read x <$gate; exit 0")
        t_wait 5 d_state_is "$job" running
        d_status 4 tenant rename acme other 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" '1 of its jobs run' "why not"
        d_status 4 tenant rename acme other --dry-run 2>/dev/null
        d_gate_open rename
        verdict "$job" >/dev/null
        ctl pause acme
        waits=$(ctl run -t acme -- echo waits)
        t_eq "$(ls "$D/state/orders")" "" orders
        d_status 4 tenant rename acme globex 2>/dev/null
        mkdir "$D/logs/other"
        d_status 4 tenant rename acme other 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "there is $D/logs/other already"
        rmdir "$D/logs/other"
        d_tenant_file acme
        d_status 4 tenant rename acme other 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" 'rename the file tenants.d/acme.conf to other.conf first'
        mv "$D/etc/tenants.d/acme.conf" "$D/etc/tenants.d/other.conf"
        t_eq "$(tenant rename acme other --dry-run)" "acme can be called other"
        d_tenant_is acme paused || t_fail "it was not only said"
        t_eq "$(tenant rename acme other -m 'new brand')" "acme: called other now"
        d_tenant_is other paused || t_fail "other: $(ctl tenants)"
        d_status 5 ctl ps acme 2>/dev/null
        t_eq "$(ctl_as 61501 61501 logs "$old")" mine output
        t_match "$(ctl limits get other)" 'weight +- +12 +set' limits
        t_eq "$(ctl --json ps -a other | d_json 'len(j["jobs"])')" 3 jobs
        ctl resume other
        t_eq "$(verdict "$waits") $(ctl logs "$waits")" "exit 0 waits"
        d_restart
        d_tenant_is other ready || t_fail "after a restart: $(ctl tenants)"
        t_eq "$(ctl logs "$old")" mine "output after a restart"
        echo 61501 >"$D/uids/other"
        say_hello here | drop other here
        t_wait 5 has_ended other here
        # The old name is anybody's.
        again acme 61503
        t_eq "$(ctl --json ps -a acme | d_json 'len(j["jobs"])')" 0 "jobs of the next acme"
        tenant remove acme >/dev/null
        tenant remove other >/dev/null
        rm "$D/etc/tenants.d/other.conf"
}

# Files that wait at the door go along.
renames_with_claims() {
        again acme 61501
        ctl drain acme
        say_hello door | drop acme door
        say_hello spool | drop acme spool
        tenant rename acme other >/dev/null
        [ -z "$(find "$D/spool/.claims" -name '*.acme')" ] || t_fail "claims by the old name"
        ctl resume other
        t_wait 10 has_ended other door
        t_wait 10 has_ended other spool
        tenant remove other >/dev/null
}

renamed_through_kills() {
        local i what delay job pid name=acme next=other
        again acme 61501
        for ((i = 0; i < 12; i++)); do
                what=$(cut -d' ' -f$((i % 3 + 1)) <<<"engine daemon both")
                delay=$(printf '0.%03d' $((i * 6)))
                job=$(ctl run -t "$name" -- echo "$i")
                verdict "$job" >/dev/null
                ctl limits set "$name" weight=$((i + 2)) >/dev/null
                tenant rename "$name" "$next" >"$D/stage/renamed" 2>&1 &
                pid=$!
                sleep "$delay"
                d_kill9 "$what"
                [ "$what" = engine ] || d_start
                wait "$pid" || true
                t_wait 10 is_either "$name" "$next"
                # Whole: one of the two, with all that there is of it.
                [ -d "$D/spool/$name" ] || read -r name next <<<"$next $name"
                t_wait 10 d_tenant_is "$name" ready
                is_unknown "$next" || t_fail "$what after $delay: both names: $(ctl tenants)"
                { [ ! -e "$D/spool/$next" ] && [ ! -e "$D/logs/$next" ]; } || t_fail "$what after $delay: directories of $next"
                t_eq "$(ctl logs "$job")" "$i" "output, $what after $delay"
                t_match "$(ctl limits get "$name")" "weight +- +$((i + 2)) +set" "limits, $what after $delay"
                t_eq "$(ctl --json ps -a -n 1000 "$name" | d_json 'len(j["jobs"])')" $((i + 1)) "jobs, $what after $delay"
                t_wait 5 has_no_orders
        done
        tenant remove "$name" >/dev/null
}

is_either() {
        d_tenant_is "$1" ready || d_tenant_is "$2" ready
}

# Another owner ------------------------------------------------------------------------------------

changes_owner() {
        local gate job old waits
        again acme 61501
        # shellcheck disable=SC2016 # the job's
        old=$(ctl run -t acme -- sh -c 'echo mine; id -u')
        verdict "$old" >/dev/null
        ctl limits set acme weight=12 >/dev/null
        gate=$(d_gate_make chown)
        job=$(ctl run -t acme -- sh -c "read x <$gate; exit 0")
        t_wait 5 d_state_is "$job" running
        d_status 4 tenant chown acme 61505 2>/dev/null
        d_gate_open chown
        verdict "$job" >/dev/null
        d_status 4 tenant chown acme 61502 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "already is tenant globex's"
        d_status 4 tenant chown acme 0 2>/dev/null
        d_status 4 tenant chown acme "$D_ENGINE_UID" 2>/dev/null
        tenant chown acme no-such-user 2>/dev/null && t_fail "a user that is not there"
        t_eq "$(ls "$D/state/orders")" "" orders
        d_tenant_is acme ready || t_fail "after what was refused: $(ctl tenants)"
        ctl drain acme
        waits=$(ctl --json ps -a acme | d_json 'len(j["jobs"])')
        say_hello door | drop acme door
        as_user 61501 mkdir -p "$D/spool/acme/sub"
        as_user 61501 touch "$D/spool/acme/sub/file"
        t_eq "$(tenant chown acme 61505)" "acme: user 61505's now"
        t_eq "$(stat -c '%u %a' "$D/spool/acme") $(stat -c %u "$D/spool/acme/sub/file")" "61505 700 61505" "the directory"
        d_has_owner acme 61505 || t_fail "$(ctl tenants)"
        t_none former "former owners" ctl tenants
        t_eq "$(as_user 61505 cat "$D/logs/acme/$old.1.out" | tail -n 1)" 61501 "output, by the new user"
        ! as_user 61501 cat "$D/logs/acme/$old.1.out" 2>/dev/null || t_fail "the former user reads the output"
        t_eq "$(ctl_as 61505 61505 logs "$old" | head -n 1)" mine logs
        d_status 5 ctl_as 61501 61501 logs "$old" 2>/dev/null
        t_match "$(ctl limits get acme)" 'weight +- +12 +set' limits
        ctl resume acme
        t_wait 10 has_ended acme door
        t_eq "$(ctl run -w -t acme -- id -u 2>/dev/null)" 61505 "whom it runs as"
        [ "$(ctl --json ps -a acme | d_json 'len(j["jobs"])')" -ge $((waits + 2)) ] || t_fail "jobs: $(ctl ps -a acme)"
        d_restart
        d_has_owner acme 61505 || t_fail "after a restart: $(ctl tenants)"
        tenant remove acme >/dev/null
        nothing_of acme
}

d_has_owner() {
        [ "$(ctl tenants | awk -v t="$1" '$1 == t { print $2 }')" = "$2" ]
}

# What waits runs as the new one.
waiting_jobs_are_the_new_owners() {
        local job
        again acme 61501
        ctl pause acme
        job=$(ctl run -t acme -- id -u)
        tenant chown acme 61505 >/dev/null
        d_tenant_is acme paused || t_fail "its switch: $(ctl tenants)"
        ctl resume acme
        t_eq "$(verdict "$job") $(ctl logs "$job")" "exit 0 61505"
        tenant remove acme >/dev/null
}

# To one who had the name before, and is another tenant with its own jobs and limits: this one it is not.
owner_who_was_there() {
        local job
        again acme 61501
        verdict "$(ctl run -t acme -- true)" >/dev/null
        chown 61505:61505 "$D/spool/acme"
        t_wait 5 d_has_owner acme 61505
        t_wait 5 d_tenant_is acme ready
        ctl limits set acme weight=12 >/dev/null
        ctl pause acme
        job=$(ctl run -t acme -- id -u)
        tenant chown acme 61501 >/dev/null
        d_tenant_is acme paused || t_fail "its switch: $(ctl tenants)"
        t_match "$(ctl limits get acme)" 'weight +- +12 +set' limits
        ctl resume acme
        t_eq "$(verdict "$job") $(ctl logs "$job")" "exit 0 61501"
        tenant remove acme >/dev/null
        nothing_of acme
}

# However deep; and whom an access list admitted, it admits no more.
owner_of_a_deep_tree() {
        local p i
        again acme 61501
        p=$D/spool/acme
        for i in {1..40}; do
                p=$p/d
                mkdir "$p"
        done
        echo "$i" >"$p/file"
        chown -R 61501 "$D/spool/acme/d"
        # acl(5), as linux/posix_acl_xattr.h has it: the owner, user 61501, the group, the mask, others.
        "$D_PYTHON" -c 'import os, struct, sys
entries = (1, 7, -1), (2, 7, 61501), (4, 0, -1), (16, 7, -1), (32, 0, -1)
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *e) for e in entries))' "$D/spool/acme/d"
        as_user 61501 ls "$D/spool/acme/d" >/dev/null
        tenant chown acme 61505 >/dev/null
        t_eq "$(find "$D/spool/acme" ! -uid 61505)" "" "what is not given"
        ! as_user 61501 ls "$D/spool/acme/d" 2>/dev/null || t_fail "the former user reads it"
        tenant remove acme >/dev/null
        nothing_of acme
}

# What is in the way once it has begun is waited for: half of it is nobody's.
owner_meets_a_full_disk() {
        d_stop
        mkdir "$D/small"
        mount -t tmpfs -o mode=755,size=256k tmpfs "$D/small" || t_skip "no mounts here"
        # shellcheck disable=SC2064 # these very directories
        trap "umount -l '$D/logs' '$D/small' 2>/dev/null; rmdir '$D/small'; (d_restart)" EXIT
        mount --bind "$D/small" "$D/logs"
        d_start
        again acme 61501
        as_user 61501 mkdir "$D/spool/acme/work"
        ctl pause acme
        dd if=/dev/zero of="$D/logs/fill" bs=4k 2>/dev/null || true
        tenant chown acme 61505 >"$D/stage/owner" 2>&1 &
        t_wait 10 says_what_is_left 'No space left on device'
        t_eq "$(stat -c %u "$D/spool/acme")" 0 "whose the directory is meanwhile"
        say_hello early | as_root_drop acme early
        d_restart || { tail -20 "$D/log"; t_fail "no restart"; }
        t_wait 10 says_what_is_left 'No space left on device'
        [ -e "$D/spool/acme/early.job" ] || t_fail "a file was taken"
        rm "$D/logs/fill"
        t_wait 15 d_has_owner acme 61505
        t_eq "$(stat -c %u "$D/spool/acme" "$D/spool/acme/work" | xargs)" "61505 61505" "whose all is"
        t_wait 5 has_no_orders
        t_wait 5 d_tenant_is acme paused
        tenant remove acme --cancel >/dev/null
        nothing_of acme
}

as_root_drop() {
        cat >"$D/stage/$2"
        mv "$D/stage/$2" "$D/spool/$1/$2.job"
}

owner_through_kills() {
        local i what delay pid uid=61501 next=61505 job
        again acme 61501
        for ((i = 0; i < 12; i++)); do
                what=$(cut -d' ' -f$((i % 3 + 1)) <<<"engine daemon both")
                delay=$(printf '0.%03d' $((i * 6)))
                job=$(ctl run -t acme -- echo "$i")
                verdict "$job" >/dev/null
                tenant chown acme "$next" >"$D/stage/owner" 2>&1 &
                pid=$!
                sleep "$delay"
                d_kill9 "$what"
                [ "$what" = engine ] || d_start
                wait "$pid" || true
                t_wait 10 d_tenant_is acme ready
                [ "$(stat -c %u "$D/spool/acme")" = "$uid" ] || read -r uid next <<<"$next $uid"
                t_wait 5 d_has_owner acme "$uid"
                t_none former "former owners, $what after $delay" ctl tenants
                t_eq "$(ctl_as "$uid" "$uid" logs "$job")" "$i" "output, $what after $delay"
                t_eq "$(find "$D/logs" -name 'acme.former*')" "" "what was put aside, $what after $delay"
                t_wait 5 has_no_orders
                t_eq "$(ctl run -w -t acme -- id -u 2>/dev/null)" "$uid" "whom it runs as, $what after $delay"
        done
        tenant remove acme >/dev/null
        nothing_of acme
}

d_case "only root may" only_root_may
d_case "how many there are" are_counted
d_case "nothing without root's order" needs_the_order
d_case "what would go" says_what_would_go
d_case "it waits, and is kept" waits_and_is_kept
d_case "it waits for the last job" waits_for_the_last_job
d_case "its jobs are cancelled" cancels
d_case "it is kept in time" kept_in_time
d_case "nothing is inherited" nothing_is_inherited
d_case "one that has no directory" gone_already
d_case "a hostile directory" hostile_directory
d_case "what can't be removed" left_in_it
d_case "removed, whatever is killed" removed_through_kills
d_case "another name" renames
d_case "another name: files at the door" renames_with_claims
d_case "another name, whatever is killed" renamed_through_kills
d_case "another owner" changes_owner
d_case "another owner: jobs that wait" waiting_jobs_are_the_new_owners
d_case "another owner, who had the name before" owner_who_was_there
d_case "another owner of a deep tree" owner_of_a_deep_tree
d_case "another owner, on a full disk" owner_meets_a_full_disk
d_case "another owner, whatever is killed" owner_through_kills

d_report
t_summary
