#!/bin/bash
# Whose is what: a name that comes to another owner, limits that can't hold, changes that meet, and the clock.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61071 "[limits]" "weight=7"
d_tenant globex 61072

# A tenant's directory goes to another user, as an administrator would do it: away, and made anew.
# hand_over TENANT UID
hand_over() {
        rm -rf "${D:?}/spool/$1"
        t_wait 5 d_tenant_is "$1" gone
        install -d -m 0700 -o "$2" -g "$2" "$D/stage/$1"
        echo "$2" >"$D/uids/$1"
        mv "$D/stage/$1" "$D/spool/$1"
        t_wait 5 has_owner "$1" "$2"
}

has_owner() {
        [ "$(ctl tenants | awk -v t="$1" '$1 == t { print $2 }')" = "$2" ]
}

as() {
        ctl_as "$1" "$1" "${@:2}"
}

another_owner_sees_nothing() {
        local job waits out network
        ctl limits set acme concurrency=3 >/dev/null
        network=$(ctl run -w -t acme -- readlink /proc/self/ns/net 2>/dev/null)
        t_eq "$(ctl run -w -t acme -- readlink /proc/self/ns/net 2>/dev/null)" "$network" "the network of its jobs"
        ctl limits set acme/etl concurrency=1 >/dev/null
        job=$(ctl run -t acme -- echo secret-of-acme)
        t_eq "$(verdict "$job")" "exit 0"
        ctl pause acme/later
        waits=$(ctl run -t acme -q later -- echo later)
        hand_over acme 61073
        t_wait 5 d_tenant_is acme ready
        out=$(as 61073 status acme; as 61073 ps -a; as 61073 queue; as 61073 export)
        [[ "$out" != *secret* && "$out" != *etl* && "$out" != *concurrency\ =* ]] || t_fail "seen by the new owner: $out"
        d_status 5 as 61073 logs "$job"
        d_status 5 as 61073 status "$job"
        d_status 5 as 61073 cancel "$waits"
        t_match "$(ctl limits get acme)" 'concurrency +- +- +unset' "the live limit of the former owner"
        t_match "$(ctl limits get acme)" 'weight +- +7 +file' "the file's limit"
        t_match "$(as 61073 run -w -- readlink /proc/self/ns/net 2>/dev/null)" '^net:' "the new owner's network"
        [ "$(as 61073 run -w -- readlink /proc/self/ns/net 2>/dev/null)" != "$network" ] || t_fail "it is the former owner's"
        # The administrator sees all of it; the former owner's waiting job waits, and says why.
        t_eq "$(ctl logs "$job")" secret-of-acme
        t_match "$(ctl explain "$waits")" 'another user' "explain"
        ! setpriv --reuid 61073 --regid 61073 --clear-groups cat "$D"/logs/acme*/"$job".1.out 2>/dev/null ||
                t_fail "the new owner reads the former one's output"
        # Its own work goes on, numbers and output too, over a restart as well.
        t_eq "$(as 61073 run -w -- echo mine 2>/dev/null)" mine
        d_restart
        t_wait 5 d_tenant_is acme ready
        d_status 5 as 61073 logs "$job"
        t_eq "$(ctl logs "$job")" secret-of-acme
        t_eq "$(as 61073 run -w -- echo mine 2>/dev/null)" mine
        # Who comes back finds his own.
        hand_over acme 61071
        t_wait 5 d_tenant_is acme ready
        t_eq "$(as 61071 logs "$job")" secret-of-acme
        t_match "$(ctl limits get acme)" 'concurrency +- +3 +set' "the live limit of the owner"
        ctl resume acme/later
        t_eq "$(verdict "$waits")" "exit 0"
        ctl limits unset acme concurrency >/dev/null
        ctl limits unset acme/etl concurrency >/dev/null
}

# As long as jobs of the former owner run in its slice, nobody else's start there.
former_jobs_come_first() {
        local gate job mine
        gate=$(d_gate_make former)
        job=$(ctl run -t globex -- sh -c "read x <$gate; exit 0")
        t_wait 5 d_state_is "$job" running
        hand_over globex 61074
        t_match "$(ctl tenants)" 'former owner still run' "the fault"
        mine=$(as 61074 run -- true)
        sleep 0.3
        t_eq "$(d_field "$mine" State)" queued
        t_match "$(ctl explain "$mine")" 'former owner' "explain"
        d_gate_open former
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(verdict "$mine")" "exit 0"
        no_leftovers
}

# The administrator's words for a former owner: as a target, in lists, and to end what waits.
former_by_name() {
        local former waits
        waits=$(ctl run -t globex -q old -- echo waits)
        ctl pause globex
        ctl run -t globex -q old -- echo waits >/dev/null
        ctl run -t globex -- echo waits >/dev/null
        hand_over globex 61076
        former=$(ctl tenants | awk '$1 ~ /^globex.former-/ && $4 == "former" { print $1 }')
        t_match "$former" '^globex.former-[0-9]+$' "what tenants calls it"
        t_eq "$(ctl ps "$former" | awk 'NR > 1 { print $2 }' | sort | uniq -c | tr -s ' ')" " 2 $former" "its jobs"
        t_eq "$(ctl --json ps "$former" | d_json 'len({x["tenant_id"] for x in j["jobs"]})')" 1 "owners of its jobs"
        t_match "$(ctl queue "$former")" "$former +old"
        t_match "$(ctl status "$former")" "former"
        t_match "$(ctl explain "$(ctl --json ps "$former" | d_json 'j["jobs"][0]["job"]')")" 'change: +tenantqctl cancel [0-9]+'
        ctl limits get "$former" >/dev/null
        d_status 4 ctl limits set "$former" cpu=1 2>/dev/null
        d_status 4 ctl run -t "$former" -- true 2>/dev/null
        d_status 5 as 61076 ps "$former" 2>/dev/null
        d_status 6 as 61076 cancel "$former" 2>/dev/null
        t_eq "$(ctl cancel "$former/old")" "$former/old: 1 job cancelled"
        t_eq "$(ctl cancel "$former")" "$former: 1 job cancelled"
        t_match "$(ctl events -n 5)" "cancel +$former .* done: 1 job by root"
        t_none former "former ones that have jobs" ctl tenants
        for former in globex.former- globex.former-0 globex.former-99 globex.former-1x .former-1 acme.former-1; do
                d_status 5 ctl ps "$former" 2>/dev/null
        done
        t_eq "$(verdict "$waits")" "exit 0"
        hand_over globex 61074
        t_wait 5 d_tenant_is globex paused
        ctl resume globex
}

# A directory that is out of order, or gone, is still whose it was, over a restart too.
owner_over_a_restart() {
        local how waits
        hand_over initech 61082
        hand_over initech 61081
        t_wait 5 d_tenant_is initech ready
        ctl limits set initech weight=300 >/dev/null
        waits=$(as 61081 run -q later -- true)
        for how in "chmod 0755" "mv -T $D/stage/gone"; do
                case $how in
                chmod*) chmod 0755 "$D/spool/initech" ;;
                *) mv "$D/spool/initech" "$D/stage/gone" ;;
                esac
                d_restart
                t_eq "$(ctl tenants | awk '$1 == "initech" { print $2 }')" 61081 "whose it is after $how"
                t_none initech.former "former owners with jobs after $how" ctl tenants
                t_match "$(ctl limits get initech)" 'weight +- +300 +set'
                case $how in
                chmod*) chmod 0700 "$D/spool/initech" ;;
                *) mv "$D/stage/gone" "$D/spool/initech" ;;
                esac
                t_wait 8 d_tenant_is initech ready
        done
        t_eq "$(verdict "$waits")" "exit 0"
        ctl limits unset initech weight >/dev/null
}

# What a ceiling says does not let a tenant run more, and does not forbid what has nothing to do with it.
ceilings() {
        local before
        before=$(cat "$D/etc/tenantq.conf")
        ctl limits set acme queue_depth=50 runtime=1h >/dev/null
        printf '[ceilings]\nconcurrency=4\nqueue_depth=10\nruntime=10min\n' >>"$D/etc/tenantq.conf"
        ctl reload
        t_match "$(ctl tenants)" 'globex .* 1 per queue '
        t_match "$(ctl limits get acme)" 'queue_depth +- +10 +ceiling'
        ctl limits set acme weight=3 >/dev/null
        d_status 3 ctl limits set acme runtime=20min 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" '^tenantqctl: runtime: asks for 20min, above the 10min of'
        ctl limits unset acme queue_depth runtime weight >/dev/null
        printf '%s\n[ceilings]\nweight=5\n' "$before" >"$D/etc/tenantq.conf"
        d_status 3 ctl reload 2>"$D/stage/err"
        t_match "$(cat "$D/stage/err")" "weight: can't be capped"
        printf '%s\n' "$before" >"$D/etc/tenantq.conf"
        ctl reload
}

# Who changed a limit, why, and what holds then.
changes_are_told() {
        d_tenant_file acme "$(printf '[limits]\nweight=7\n')"
        ctl reload
        t_match "$(ctl limits set -m 'month end' acme weight=9)" '^acme: weight 7 -> 9 \(revision [0-9]+\)$'
        t_match "$(ctl limits set acme weight=9)" '^acme: weight 9 -> 9 \(as it was\)$'
        t_match "$(ctl limits unset acme weight)" '^acme: weight 9 -> unset, so 7 holds \(revision [0-9]+\)$'
        t_match "$(ctl events -n 2)" 'limits +acme +- +0 +weight 9 -> unset by root'
        t_match "$(ctl events -n 2)" 'limits +acme +- +0 +weight 7 -> 9 by root: month end'
        d_tenant_file acme
        ctl reload
}

# The administrator says that it is the same tenant.
kept_on_purpose() {
        local job
        job=$(as 61074 run -- echo kept)
        t_eq "$(verdict "$job")" "exit 0"
        ctl limits set globex concurrency=5 >/dev/null
        d_tenant_file globex "$(printf '[tenant]\nformer_owner=61074\n')"
        hand_over globex 61075
        t_wait 5 d_tenant_is globex ready
        t_eq "$(as 61075 logs "$job")" kept
        t_match "$(ctl limits get globex)" 'concurrency +- +5 +set'
        d_tenant_file globex
        ctl reload
        d_restart
        t_wait 5 d_tenant_is globex ready
        t_eq "$(as 61075 logs "$job")" kept
}

# Nobody is let in where it can't be told whose output lies there.
owner_file_says_nothing() {
        local said text
        d_tenant erlich 61094
        t_eq "$(verdict "$(ctl run -t erlich -- echo mine)")" "exit 0"
        said=$(cat "$D/logs/erlich/.owner")
        t_eq "$said" "61094 $(ctl tenants | awk '$1 == "erlich" && $3 != "-" { print $3 }')" "what it says"
        d_stop
        for text in "" nonsense "61094" "-1 x" "4294967295 x" "99999999999999999999 x"; do
                printf '%s' "$text" >"$D/logs/erlich/.owner"
                d_start
                t_wait 5 d_tenant_is erlich disabled
                t_match "$(ctl tenants)" 'erlich/[.]owner does not say whose output it is: write' "the fault for '$text'"
                d_status 4 ctl run -t erlich -- true 2>/dev/null
                d_stop
        done
        printf '%s\n' "$said" >"$D/logs/erlich/.owner"
        d_start
        t_wait 5 d_tenant_is erlich ready
        t_eq "$(ctl logs "$(ctl --json ps --state 'done' -n 1 erlich | d_json 'j["jobs"][0]["job"]')")" mine
}

# The directory changes hands while its jobs are on their way to a start: each runs as who submitted it, or waits.
starts_are_their_owners() {
        local uid=61081 other=61082 round job who
        d_tenant initech 61081
        ctl limits set initech concurrency=8 >/dev/null
        for round in {1..8}; do
                setpriv --reuid "$uid" --regid "$uid" --clear-groups "$D_PYTHON" -c 'import os, sys
for i in range(80):
    name = "%s/%s-%d" % (sys.argv[1], sys.argv[2], i)
    with open(name + ".tmp", "w") as f:
        f.write("[Job]\nExecStart=/usr/bin/id -u\n")
    os.rename(name + ".tmp", name + ".job")' "$D/spool/initech" "$round"
                sleep "0.${round}5"
                chown "$other:$other" "$D/spool/initech"
                rm -f "$D"/spool/initech/*.job
                t_wait 10 has_owner initech "$other"
                read -r uid other <<<"$other $uid"
        done
        t_wait 20 nothing_runs
        ctl --json ps -a -n 10000 initech |
                d_json '"\n".join("%d %d" % (x["job"], x["submitter_uid"]) for x in j["jobs"] if x["verdict"] == "exit 0")' >"$D/stage/ran"
        [ "$(wc -l <"$D/stage/ran")" -ge 20 ] || t_fail "too few ran: $(wc -l <"$D/stage/ran")"
        while read -r job who; do
                t_eq "$(cat "$D"/logs/initech*/"$job".*.out)" "$who" "whom job $job ran as"
        done <"$D/stage/ran"
        # A gap among what was put aside hides nothing.
        job=$(head -n 1 "$D/stage/ran" | cut -d' ' -f1)
        mv "$D/logs/initech.former-1" "$D/stage/aside"
        ctl logs "$(tail -n 1 "$D/stage/ran" | cut -d' ' -f1)" >/dev/null || ctl logs "$job" >/dev/null
        t_eq "$(ctl export | grep -c '^.tenant initech.$')" 1 "sections of export"
        # What waits for a former owner would wait for ever.
        ctl tenants | awk '$4 == "former" { print $1 }' | while read -r who; do
                ctl cancel "$who" >/dev/null
        done
}

# What the former owner had at the door, or could not drop at all, keeps nothing of the next one's back.
door_is_the_next_owners() {
        local uid=61083 other=61084
        d_tenant_file hooli "$(printf '[tenant]\non_full=wait\n[limits]\nqueue_depth=1\n')"
        d_tenant hooli "$uid"
        ctl reload
        ctl pause hooli
        for i in {1..70}; do
                say_hello "theirs$i" | drop hooli "theirs$i"
        done
        t_wait 5 has_claims hooli
        chown "$other:$other" "$D/spool/hooli"
        rm -f "$D"/spool/hooli/*.job
        t_wait 10 has_owner hooli "$other"
        ctl resume hooli
        echo "$other" >"$D/uids/hooli"
        say_hello mine | drop hooli mine
        t_wait 10 has_ended hooli mine
        # And by a drain that was meant for another one.
        ctl drain hooli
        chown "$uid:$uid" "$D/spool/hooli"
        t_wait 10 has_owner hooli "$uid"
        ctl resume hooli
        ctl cancel -t hooli >/dev/null 2>&1 || true
        echo "$uid" >"$D/uids/hooli"
        say_hello back | drop hooli back
        t_wait 10 is_taken hooli back
}

# The directory changes hands, and the next owner does not wait for that to be noticed.
first_file_of_the_next_owner() {
        local uid=61085 other=61086 i
        d_tenant aviato "$uid"
        for i in {1..6}; do
                say_hello "first$i" >"$D/stage/first"
                chown "$other" "$D/stage/first"
                chown "$other:$other" "$D/spool/aviato"
                mv "$D/stage/first" "$D/spool/aviato/first$i.job"
                t_wait 10 has_ended aviato "first$i"
                read -r uid other <<<"$other $uid"
        done
        [ ! -e "$D/spool/aviato/rejected" ] || t_fail "refused: $(cat "$D"/spool/aviato/rejected/*.reason)"
}

# What root had put there for the former owner is not the next one's, over a restart too.
root_dropped_for_the_former() {
        local uid=61087 other=61088 how
        for how in running restarted; do
                d_tenant_file "$how" "$(printf '[tenant]\non_full=wait\n[limits]\nqueue_depth=1\n')"
                d_tenant "$how" "$uid"
                ctl reload
                ctl pause "$how"
                for i in 1 2; do
                        printf '[Job]\nName=root%s\nExecStart=/bin/true\n' "$i" >"$D/stage/root$i"
                        chmod 0644 "$D/stage/root$i"
                        mv "$D/stage/root$i" "$D/spool/$how/root$i.job"
                        t_wait 5 is_taken "$how" "root$i"
                done
                [ "$how" = running ] || d_stop
                chown "$other:$other" "$D/spool/$how"
                [ "$how" = running ] || d_start
                t_wait 10 has_owner "$how" "$other"
                ctl resume "$how"
                say_hello theirs >"$D/stage/theirs"
                chown "$other" "$D/stage/theirs"
                mv "$D/stage/theirs" "$D/spool/$how/theirs.job"
                t_wait 10 has_ended "$how" theirs
                t_none root "jobs of root's files that the next owner sees" as "$other" ps -a
                has_claims "$how" || t_fail "the file of the former owner is not in .claims"
                rm -f "$D"/spool/.claims/*."$how"
                read -r uid other <<<"61089 61090"
        done
}

# Limits of a queue hold for the one who comes back, also when tenantqd has been away.
limits_of_who_comes_back() {
        d_tenant_file bachman "$(printf '[tenant]\non_full=wait\n[queue q]\nqueue_depth=2\n')"
        d_tenant bachman 61091
        ctl reload
        ctl pause bachman
        for i in {1..6}; do
                printf '[Job]\nName=b%s\nQueue=q\nExecStart=/bin/true\n' "$i" | drop bachman "b$i"
                t_wait 5 is_taken bachman "b$i"
        done
        chown 61092:61092 "$D/spool/bachman"
        t_wait 10 has_owner bachman 61092
        d_restart
        chown 61091:61091 "$D/spool/bachman"
        t_wait 10 has_owner bachman 61091
        sleep 1
        t_eq "$(ctl --json tenants | d_json "[t['waiting'] for t in j['tenants'] if t['tenant'] == 'bachman'][0]")" 2 \
                "jobs that wait in a queue of two"
}

is_taken() {
        [ ! -e "$D/spool/$1/$2.job" ]
}

has_claims() {
        compgen -G "$D/spool/.claims/*.$1" >/dev/null
}

nothing_runs() {
        [ "$(ctl status | awk '$1 == "Running:" { print $2 }')" = 0 ] ||
                [ -z "$(ctl ps -n 10000 | awk '$5 == "running" || $5 == "starting"')" ]
}

# A file that was taken before the name changed hands, and not accepted: nobody else gets it.
claims_are_their_owners() {
        local kept
        d_kill9 both
        echo '[Job]' >"$D/stage/claim"
        chown 61099 "$D/stage/claim"
        mv "$D/stage/claim" "$D/spool/.claims/987654.globex"
        d_start
        t_wait 5 d_tenant_is globex ready
        t_eq "$(find "$D/spool/globex" -name '*987654*')" "" "files of somebody else's with the tenant"
        kept=$(stat -c %u "$D/spool/.claims/987654.globex")
        t_eq "$kept" 61099
        rm "$D/spool/.claims/987654.globex"
}

# What is relied on -------------------------------------------------------------------------------

another_configuration() {
        printf '[ceilings]\nconcurrency=6\n' >>"$D/etc/tenantq.conf"
        ctl reload
        d_status 3 ctl limits set acme concurrency=7
        mv "$D/etc" "$D/etc.old"
        cp -a "$D/etc.old" "$D/etc"
        rm -rf "$D/etc.old"
        ctl reload
        d_status 3 ctl limits set acme concurrency=7
        sed -i 's/^concurrency=6$/concurrency=8/' "$D/etc/tenantq.conf"
        ctl reload
        ctl limits set acme concurrency=7 >/dev/null
        ctl limits unset acme concurrency >/dev/null
}

no_cgroup_root() {
        local job
        t_wait 10 nothing_runs
        find "$D_CGROUP" -depth -mindepth 1 -type d -exec rmdir {} +
        rmdir "$D_CGROUP"
        job=$(ctl run -t acme -- echo again)
        sleep 0.5
        t_match "$(d_field "$job" State)" '^(queued|scheduled)$'
        mkdir "$D_CGROUP"
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl run -w -t globex -- echo too 2>/dev/null)" too
}

a_key_once() {
        d_status 3 ctl limits set acme pids=50 pids=60
        d_status 3 ctl limits set acme pids=50 TasksMax=60
        d_status 3 ctl limits set acme/default concurrency=2 concurrency=3
        d_status 3 ctl limits unset acme pids pids
        t_match "$(ctl limits get acme)" 'pids +- +[^ ]+ +(unset|default)' "nothing was set"
}

# Limits that can't hold --------------------------------------------------------------------------

# What an older version, or a hand, has left in the ledger concerns one tenant.
revise() {
        "$D_PYTHON" - "$D/state/ledger/ledger.db" "$@" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
t = c.execute("SELECT min(id) FROM tenants WHERE name = ?", (sys.argv[2],)).fetchone()[0]
c.execute("INSERT INTO limits(tenant, queue, name, value, revision) VALUES(?, '', ?, ?, 1)", (t, sys.argv[3], sys.argv[4]))
c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
PY
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
}

# A row that this program would not have written.
stray_job() {
        "$D_PYTHON" - "$D/state/ledger/ledger.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("INSERT INTO jobs(id, tenant, queue, name, state, priority, submitted_usec, submitter_uid, spec, held) "
          "VALUES(4000000, 4242, 'default', 'stray', 'odd', 0, 1, 1, x'5B', 7)")
c.close()
PY
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
}

unreadable_revisions() {
        local waits
        d_stop
        revise acme no_such_limit 5
        revise acme pids many
        stray_job
        d_start
        t_match "$(tail -n 20 "$D/log")" "job 4000000 of the ledger can't be taken up .*it is left there"
        t_match "$(ctl tenants)" 'acme .* disabled .*no_such_limit=5' "the fault"
        t_wait 5 d_tenant_is globex ready
        waits=$(ctl run -t acme -- true)
        t_match "$(ctl explain "$waits")" "no_such_limit" "explain"
        t_eq "$(ctl run -w -t globex -- echo fine 2>/dev/null)" fine "another tenant's job"
        ctl limits unset acme no_such_limit >/dev/null
        t_match "$(ctl tenants)" 'acme .* disabled .*pids=many' "the next fault"
        ctl limits unset acme pids >/dev/null
        t_eq "$(verdict "$waits")" "exit 0"
        d_restart
        t_wait 5 d_tenant_is acme ready
}

# Queues with limits: counted over the file and what was set.
too_many_queues() {
        local i before
        {
                for i in {1..20}; do printf '[queue f%d]\nconcurrency=2\n' "$i"; done
        } >"$D/etc/tenants.d/acme.conf"
        ctl reload
        for i in {1..12}; do ctl limits set "acme/s$i" concurrency=3 >/dev/null; done
        d_status 3 ctl limits set acme/one-more concurrency=3
        ctl limits set acme/f3 concurrency=4 >/dev/null
        before=$(ctl export)
        d_restart
        t_wait 5 d_tenant_is acme ready
        t_eq "$(ctl export)" "$before" "the settings after a restart"
        # The file grows: the tenant is disabled, not half limited.
        printf '[queue another]\nconcurrency=2\n' >>"$D/etc/tenants.d/acme.conf"
        ctl reload
        t_wait 5 d_tenant_is acme disabled
        t_match "$(ctl tenants)" 'more than 32 queues'
        d_tenant_file acme
        ctl reload
        t_wait 5 d_tenant_is acme ready
        for i in {1..12}; do ctl limits unset "acme/s$i" concurrency >/dev/null; done
        ctl limits unset acme/f3 concurrency >/dev/null
}

revisions() {
        d_stop
        "$D_PYTHON" -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT max(revision) FROM audit").fetchone()[0])' "$D/state/ledger/ledger.db"
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
        d_start
}

unchanged_makes_no_revision() {
        local before
        ctl limits set acme weight=9 concurrency=4 >/dev/null
        before=$(revisions)
        t_wait 5 d_tenant_is acme ready
        ctl limits set acme weight=9 concurrency=4 >/dev/null
        ctl limits set acme weight=9 >/dev/null
        ctl limits unset acme cpu >/dev/null
        ctl limits set acme weight=10 concurrency=4 >/dev/null
        t_eq "$(revisions)" $((before + 1)) "revisions"
        t_wait 5 d_tenant_is acme ready
        ctl limits unset acme weight concurrency >/dev/null
}

# set and reload at the same time, forty times: what is said is what holds (18).
set_meets_reload() {
        local i got
        for i in {1..40}; do
                touch "$D/etc/tenants.d/acme.conf"
                d_tenant_file acme "$(printf '[limits]\nqueue_depth=%d\n' "$i")"
                ctl reload &
                ctl limits set acme weight=$((i + 1)) >/dev/null
                wait
                got=$(ctl --json limits get acme | d_json '[r["value"] for r in j["limits"] if r["limit"] in ("weight", "queue_depth")]')
                t_eq "$got" "[\"$i\", \"$((i + 1))\"]" "queue_depth and weight, round $i"
        done
        d_tenant_file acme
        ctl reload
        ctl limits unset acme weight >/dev/null
}

# What run composes -------------------------------------------------------------------------------

# Random words, directories and queues: exact at the program, or refused by name before anything is sent (T112).
round_trip() {
        local dump
        dump=$(payload dump <<END
#!$D_PYTHON
import os, sys
out = sys.stdout.buffer
out.write(b"\\0".join([os.getcwdb()] + [os.fsencode(a) for a in sys.argv[1:]]) + b"\\0end")
END
)
        "$D_PYTHON" - "$D/bin/tenantqctl" "$dump" "$D/stage" <<'PY' || t_fail "see above"
import os, random, subprocess, sys
ctl, dump, stage = sys.argv[1:]
r = random.Random(int(os.environ.get("TENANTQ_SEED", "1")))
pieces = [b"a", b" ", b"\t", b"\n", b"\r", b'"', b"'", b"\\", b"\\x41", b"%", b"$HOME", b"${x}", b";", b"#", b"=", b"[", b"]", b":",
          b"\xef\xbb\xbf", b"\xff", b"\xc3\xa4", b"\xc2\x9b", b"\x1b[31m", b"\x01", b"\x7f", b"-", b"--", b"-w", b"@", b"\xe2\x82\xac", b"\xed\xa0\x80"]
def word(n):
    return b"".join(r.choice(pieces) for _ in range(r.randrange(n)))
exact = refused = 0
for i in range(150):
    args = [word(12) for _ in range(r.randrange(6))]
    if i % 10 == 0:
        args.append(b"x" * r.choice([199, 200, 201, 4095, 20000]))
    extra = []
    directory = b"/"
    if r.random() < 0.3:
        directory = os.fsencode(stage) + b"/" + word(5).replace(b"/", b"").strip(b"\0") if r.random() < 0.8 else word(4)
        if directory.startswith(b"/"):
            try:
                os.makedirs(directory, exist_ok=True)
                os.chmod(directory, 0o755)
            except OSError:
                continue
        extra += [b"-C", directory]
    if r.random() < 0.2:
        extra += [b"-q", r.choice([b"q", b"q.1", word(4)])]
    p = subprocess.run([os.fsencode(ctl), b"run", b"-w", b"-t", b"acme"] + extra + [b"--", os.fsencode(dump)] + args, capture_output=True)
    if p.returncode == 0:
        want = b"\0".join([os.path.realpath(directory) if extra[:1] == [b"-C"] else b"/"] + args) + b"\0end"
        if p.stdout != want:
            sys.exit(f"{extra} {args}: got {p.stdout}, want {want}")
        exact += 1
    elif p.returncode in (2, 3):
        if b"job" == p.stderr[:3] or not extra:
            sys.exit(f"{extra} {args}: refused: {p.stderr}")
        refused += 1
    else:
        sys.exit(f"{extra} {args}: {p.returncode} {p.stderr}")
print(exact, refused)
if exact < 80 or refused < 3:
    sys.exit("too few of one kind")
PY
}

options_end_at_the_command() {
        t_eq "$(ctl run -t acme -w printf '%s ' -t globex --json -w 2>/dev/null)" "-t globex --json -w "
        t_eq "$(d_field "$(d_find acme printf)" Tenant)" acme
        d_status 2 ctl run -t acme --no-such-option true
}

limits_of_run() {
        d_status 2 ctl run -t acme -- ''
        mkdir -p "$D/payload/bin/directory"
        t_match "$(PATH=$D/payload/bin:$PATH ctl run -t acme -- directory 2>&1 || true)" 'no such program'
        d_status 3 ctl run -t acme -l '#x' -- true
        d_status 3 ctl run -t acme -l '[Job]' -- true
        d_status 3 ctl run -t acme -l $'cpu=1\n[Job]' -- true
        t_match "$(ctl run -t acme -- echo $(seq 4096) 2>&1 || true)" 'at most 4096 words'
        t_match "$(ctl run -t acme -- echo "$(head -c 70000 /dev/zero | tr '\0' x)" 2>&1 || true)" 'which may have 65536'
}

# Time spans mean what systemd says; what is no time span there is none here.
spans_of_systemd() {
        local span here
        command -v systemd-analyze >/dev/null || t_skip "no systemd-analyze"
        for span in 90 1.5 "1h 30min" 1h30min "1.25 h" 5us $'5\u00b5s' $'7\u03bcs' 3msec 2m 2min 3hr 1d 2w 1month 2M 1y "1y 2months" \
                "0.5y" "1d 2h 3min 4s 5ms 6us" 30sec 4seconds 5minutes 2hours 6days 1week 1year; do
                here=$(ctl --json limits set acme "RuntimeMaxSec=$span" >/dev/null && ctl limits get acme | awk '$1 == "runtime" { sub(/^runtime +[^ ]+ +/, ""); sub(/  .*/, ""); print }')
                t_eq "$(systemd-analyze timespan "$here" | sed -n 2p)" "$(systemd-analyze timespan "$span" | sed -n 2p)" "RuntimeMaxSec=$span is $here"
        done
        for span in "" " " s 5S 5Y 1.h "1h," 5%; do
                ! systemd-analyze timespan "$span" >/dev/null 2>&1 || t_fail "systemd takes \"$span\""
                d_status 3 ctl limits set acme "RuntimeMaxSec=$span" 2>/dev/null
        done
        ctl limits unset acme runtime >/dev/null
}

# Tenants' bytes on a terminal (22): as \xHH, whatever way they come.
terminal_is_safe() {
        local job how shown
        job=$(ctl run -t acme -- printf 'a\302\233b\033[31mc\377d\303\244e\302\n')
        verdict "$job" >/dev/null
        t_eq "$(script -qec "$D/bin/tenantqctl logs $job" /dev/null | tr -d '\r')" 'a\xc2\x9bb\x1b[31mc\xffd'$'\303\244''e\xc2'
        # A name that turns what is around it (U+202E), and one that is escaped once.
        printf '[Job]\nName=x\u202ey\u0085\\z\nExecStart=/bin/true\nQueue=turned\n' | ctl submit -t acme /dev/stdin >/dev/null
        for how in "ps -a -n 1 acme" "status $((job + 1))" "--json ps -a -n 1 acme"; do
                shown=$(script -qec "$D/bin/tenantqctl $how" /dev/null)
                t_lacks "$shown" $'\342\200\256' "the terminal: $how"
                t_lacks "$shown" $'\302\205' "the terminal: $how"
        done
        t_match "$(ctl ps -a -n 1 acme)" ' x.xe2.x80.xaey.xc2.x85.z '
        t_match "$(ctl --json ps -a -n 1 acme)" '"x.u202ey.u0085..z"'
        t_eq "$(ctl logs "$job" | od -An -c | tr -d ' \n')" 'a302233b033[31mc377d303244e302\n' "not a terminal"
}

t_case "another owner sees nothing of before (T109)" another_owner_sees_nothing
t_case "jobs of the former owner come first (T109)" former_jobs_come_first
t_case "starts are their owner's (T109)" starts_are_their_owners
t_case "a former owner has a name" former_by_name
t_case "whose a directory is over a restart" owner_over_a_restart
t_case "a file of owners that says nothing" owner_file_says_nothing
t_case "ceilings" ceilings
t_case "changes of limits are told" changes_are_told
t_case "former_owner= keeps it on purpose" kept_on_purpose
t_case "a claim is its owner's (T109)" claims_are_their_owners
t_case "revisions that are not understood (T102)" unreadable_revisions
t_case "too many queues (T102)" too_many_queues
t_case "an unchanged value makes no revision" unchanged_makes_no_revision
t_case "a key is set once" a_key_once
t_case "set meets reload" set_meets_reload
t_case "the configuration's directory is another one (T111)" another_configuration
t_case "the root of all cgroups goes (T111)" no_cgroup_root
t_case "run: exact, or refused (T112)" round_trip
t_case "run: options end at the command" options_end_at_the_command
t_case "run: limits and sizes" limits_of_run
t_case "time spans are systemd's" spans_of_systemd
t_case "a terminal is safe from output (T44)" terminal_is_safe
t_case "the door is the next owner's too (T109)" door_is_the_next_owners
t_case "the next owner's first file (T109)" first_file_of_the_next_owner
t_case "files of root's for the former owner (T109)" root_dropped_for_the_former
t_case "limits of an owner who comes back (T109)" limits_of_who_comes_back
d_report
t_summary
