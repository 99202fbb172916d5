# shellcheck shell=bash
# tests/system/hostile.sh - a hostile tenant, acme, and what it must not get at; to be sourced.
#
#       #!/bin/bash
#       . "$(dirname "$0")/hostile.sh"
#       h_init
#       d_case … ; d_report ; t_summary
#
# Whatever acme puts into its spool directory has one defined outcome. After it, others_are_served: nothing of anybody
# else's was seen, the daemon is alive, and the other tenant, globex, doesn't notice.

# shellcheck source=daemon.sh
. "$(dirname "${BASH_SOURCE[0]}")/daemon.sh"

# A daemon, the two tenants, and two secrets, both job files, so that reading one would show as a job: root's, and
# the other tenant's.
h_init() {
        local owner
        d_init "log_max=64K"
        d_start
        d_tenant acme 61021
        d_tenant globex 61022
        token=canary-$RANDOM$RANDOM$RANDOM
        mkdir "$D/vault"
        for owner in 0 61022; do
                printf '[Job]\nName=%s\nExecStart=/bin/echo %s\n' "$token" "$token" >"$D/vault/$owner"
                chown "$owner:$owner" "$D/vault/$owner"
                chmod 0600 "$D/vault/$owner"
        done
        h_same_daemon
}

# From now on it is this one, until its end.
h_same_daemon() {
        cp "$D/pid" "$D/stage/pid"
        d_engine >"$D/stage/engine"
}

as_acme() {
        as_user 61021 "$@"
}

# The token is nowhere but in the files that hold it: a hard link in rejected/ is the file itself.
not_leaked() {
        local where
        where=$(grep -rlaF "$token" "$D/logs" "$D/log" "$D/state" || true)
        t_eq "$where" "" "files that the secret got into"
        where=$(find "$D/spool" -name '*.reason' -exec grep -laF "$token" {} + || true)
        t_eq "$where" "" "reasons that the secret got into"
        where=$(ctl ps -a -n 10000)
        t_lacks "$where" "$token" "ps"
}

# The other tenant's job runs, soon, and both processes are the same as ever.
others_are_served() {
        local start
        start=$(date +%s%N)
        t_eq "$(ctl run -w -t globex -- echo served)" served "the other tenant's job"
        start=$((($(date +%s%N) - start) / 1000000))
        [ "$start" -lt 2000 ] || t_fail "the other tenant waited $start ms"
        t_eq "$(d_pid) $(d_engine)" "$(cat "$D/stage/pid") $(cat "$D/stage/engine")" "pids of the daemon"
        not_leaked
}

# rename_all DIRECTORY TENANT: mv(1) would look at each file again where it has put it, and not find it.
rename_all() {
        "$D_PYTHON" -c 'import os, sys
for name in os.listdir(sys.argv[1]):
    os.rename(sys.argv[1] + "/" + name, sys.argv[2] + "/" + name)' "$1" "$D/spool/$2"
}

none_of_it_waits() {
        none_waits acme
}
