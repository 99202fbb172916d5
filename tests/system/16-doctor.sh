#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# doctor: what is broken is not called ok.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # it has no lines of its own
d_init
d_start
d_tenant acme 61001
d_tenant globex 61002
d_tenant third 61003

# doctor ROW [ARG…]: that row and the line below it.
doctor() {
        ctl doctor --config "$D/etc" "${@:2}" | grep -A1 "^[a-zA-Z]* *$1 " || true
}

healthy() {
        local row
        for row in configuration audit modes tenants leaves daemon; do
                t_match "$(doctor $row)" "^ok +$row " $row
        done
        t_match "$(doctor tenants)" '3, none of them disabled'
}

# What tenantqd --check looks at, all of it.
configuration() {
        mkdir -p "$D/etc/profiles"
        echo frobnicate >"$D/etc/profiles/mine"
        t_match "$(doctor configuration)" '^FAIL .*profiles/mine:1: ' "a profile"
        d_status 1 ctl doctor --config "$D/etc" >/dev/null
        t_match "$(doctor daemon)" '^ok ' "a daemon that runs"
        rm "$D/etc/profiles/mine"
        d_tenant_file acme user=nosuchuser
        d_tenant_file globex pool=nosuchpool
        t_match "$(doctor configuration)" '^FAIL .*; the tenant is disabled; and 1 more.*tenantqd --check says all' "tenants' files"
        d_tenant_file acme "read_only_paths=$D/gone"
        d_tenant_file globex
        t_match "$(doctor configuration)" "^warn .*acme.conf: read_only_paths: $D/gone: No such file" "a granted path"
        d_tenant_file acme
        t_match "$(doctor configuration)" '^ok '
}

audit() {
        d_tenant_file acme audit=yes
        t_match "$(doctor audit)" '^warn .*acme: audit=yes lets'
        d_tenant_file globex audit=yes
        t_match "$(doctor audit)" '^warn .*(acme, globex|globex, acme): '
        d_tenant_file globex audit=perhaps
        t_match "$(doctor audit)" '^warn .*acme: ' "beside one that can't be read"
        d_tenant_file acme
        t_match "$(doctor audit)" '^warn .*globex.conf: it has an error: it may have audit=yes.*tenantqd --check'
        d_tenant_file globex
        t_match "$(ctl_as 61001 61001 doctor --config "$D/etc" || true)" 'ok +audit|warn +audit .*Permission'
}

disabled() {
        d_tenant_file acme profile=nosuch
        chmod 0755 "$D/spool/globex"
        ctl reload
        t_wait 5 d_tenant_is acme disabled
        t_wait 5 d_tenant_is globex disabled
        t_match "$(doctor tenants)" '^warn .*2 of 3 disabled: (acme, globex|globex, acme).*→ (acme|globex): .*tenantqctl tenants'
        d_tenant_file acme
        ctl reload
        t_wait 5 d_tenant_is acme ready
        d_stop
        t_match "$(doctor tenants)" '^warn .*1 of 3 disabled: globex.*chmod 0700' "without a daemon"
        t_match "$(doctor daemon)" '^warn .*nobody listens'
        d_tenant_file acme user=nosuchuser
        t_match "$(doctor daemon)" '^FAIL .*nobody listens.*the configuration is wrong'
        d_tenant_file acme
        chmod 0700 "$D/spool/globex"
        d_start
}

# What keeps it from working: a disk, or a ledger that is gone.
disks() {
        [ "$(stat -c %a "$D"/state/ledger/ledger.db "$D"/state/ledger/ledger.db-wal | sort -u)" = 600 ] ||
                t_fail "modes of the ledger: $(ls -l "$D/state/ledger")"
        mv "$D/state/ledger/ledger.db" "$D/stage/ledger.db"
        t_match "$(doctor ledger)" "^FAIL .*ledger.db is gone.*tenantqd.8., A damaged ledger"
        ctl run -t acme -- /bin/true 2>/dev/null || true
        t_match "$(doctor daemon)" "^FAIL .*it is degraded: nothing is taken or started.*file was removed or replaced: bring it back"
        t_match "$(ctl status)" "Nothing is taken or started: the ledger's file was removed"
        mv "$D/stage/ledger.db" "$D/state/ledger/ledger.db"
        d_restart
        t_match "$(doctor ledger)" '^ok '
        t_match "$(doctor daemon)" '^ok '
        mount -t tmpfs -o mode=755,size=1m tmpfs "$D/logs" || t_skip "no mounts here"
        # shellcheck disable=SC2064 # this very directory
        trap "umount '$D/logs'" EXIT
        dd if=/dev/zero of="$D/logs/fill" bs=1k count=1000 status=none
        t_match "$(doctor logs)" '^warn .*(tmpfs|less than output_floor)'
}

# Where nothing is, nothing is in order.
nothing_there() {
        mkdir -p "$D/stage/etc"
        sed "s#$D/\\(spool\\|state\\|logs\\|run\\)#$D/none/\\1#; s#^cgroup_root=.*#cgroup_root=$D_CGROUP/none#" \
                "$D/etc/tenantq.conf" >"$D/stage/etc/tenantq.conf"
        ctl doctor --config "$D/stage/etc" >"$D/stage/said" || true
        t_match "$(grep ' modes ' "$D/stage/said")" "^warn +modes .*$D/none/spool: No such file"
        t_match "$(grep ' leaves ' "$D/stage/said")" "^warn +leaves .*none: No such file"
        t_match "$(grep ' tenants ' "$D/stage/said")" "^warn +tenants .*: No such file"
}

# A terminal of 80 columns.
is_wrapped() {
        COLUMNS=80 script -qec "$D/bin/tenantqctl doctor --config $D/stage/etc" /dev/null </dev/null >"$D/stage/said" || true
        t_match "$(cat "$D/stage/said")" ' modes '
        # But for a path that is longer than a line.
        t_eq "$(sed 's/→/>/; s/\r$//' "$D/stage/said" | awk 'length($0) > 80 && !/\/[^ ]{40}/')" "" "lines"
        t_match "$(ctl doctor --config "$D/stage/etc" | awk '{ if (length($0) > n) n = length($0) } END { print n }' || true)" \
                '^[0-9]{3}' "in a pipe nothing is broken"
}

d_case "a host in order" healthy
d_case "the configuration is all that tenantqd --check looks at" configuration
d_case "tenants with audit=yes" audit
d_case "tenants that are disabled; a daemon that can't start" disabled
d_case "a ledger that is gone, a full disk" disks
d_case "directories that are not there" nothing_there
d_case "lines are broken on a terminal" is_wrapped
d_case "nothing is left over" no_leftovers
d_report
t_summary
