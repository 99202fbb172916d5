# shellcheck shell=bash
# tests/system/ends.sh - a tenant's end, another name, another owner; to be sourced. A daemon, with a tenant globex beside.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant globex 61502

tenant() {
        ctl tenant "$1" --config "$D/etc" "${@:2}"
}

# again NAME UID: a new tenant of that name, without a file in tenants.d; what a case before has left goes.
again() {
        is_unknown "$1" || tenant remove "$1" --cancel >/dev/null
        d_tenant "$1" "$2"
        rm -f "$D/etc/tenants.d/$1.conf"
}

state_is() {
        [ "$(ctl --json tenants | d_json "''.join(t['state'] for t in j['tenants'] if t['tenant'] == '$1')")" = "$2" ]
}

is_unknown() {
        local names
        names=$(ctl tenants --noheadings -o tenant 2>/dev/null) && ! grep -qx "$1" <<<"$names"
}

# Nothing of it is left anywhere.
nothing_of() {
        t_eq "$(find "$D/spool" "$D/logs" "$D/state/orders" -mindepth 1 -maxdepth 1 \( -name "$1" -o -name "$1.*" -o -name ".*$1*" \))" "" \
                "directories of $1"
        t_eq "$(find "$D/spool/.claims" -name "*.$1")" "" "claims of $1"
        [ ! -d "$D_CGROUP/$1.slice" ] || t_fail "its cgroup is there"
        d_status 5 ctl ps "$1" 2>/dev/null
}
