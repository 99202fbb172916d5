#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Files of configuration with errors (11): tenantqd --check and a reload say where, and nothing but a reload changes what
# is in force.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""

# A program that is linked before the C library: the spool can't be listed while there is a file "$D/unreadable", which
# gets a byte for each attempt.
if ! d_is_sanitized && "${CC:-cc}" -shared -fPIC -D_GNU_SOURCE -DTOP="\"$D\"" -o "$D/unreadable.so" -x c - <<'END'; then
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

DIR *fdopendir(int fd) {
        DIR *(*real)(int) = (DIR *(*)(int))dlsym(RTLD_NEXT, "fdopendir");
        char link[64], path[4096] = "";

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        int tried = readlink(link, path, sizeof(path) - 1) > 0 && strcmp(path, TOP "/spool") == 0
                            ? open(TOP "/unreadable", O_WRONLY | O_APPEND)
                            : -1;

        if (tried >= 0) {
                (void)!write(tried, ".", 1);
                close(tried);
                errno = EIO;
                return NULL;
        }
        return real(fd);
}
END
        printf '#!/bin/sh\nLD_PRELOAD=%s exec "$@"\n' "$D/unreadable.so" >"$D/wrap"
        chmod 0755 "$D/wrap"
        D_WRAP=$D/wrap
fi
d_start
d_tenant acme 61001 '[limits]' concurrency=64
d_tenant globex 61002

# Prints the exit status; the output is in the file.
check_config() {
        local status=0
        timeout 10 "$D/bin/tenantqd" --check --config "$D/etc" >"$D/stage/check" 2>&1 </dev/null || status=$?
        echo "$status"
}

is_logged() {
        tail -n "+$(($1 + 1))" "$D/log" | grep -qE "$2"
}

config_is_checked() {
        local status lines
        # shellcheck disable=SC2064 # these very bytes
        trap "chmod 0644 '$D/etc/tenants.d/acme.conf'; printf '%s\n' '[limits]' concurrency=64 >'$D/etc/tenants.d/acme.conf'; rm -f '$D/etc/tenants.d/nobody.conf'" EXIT
        # Beside the daemon that runs: nothing is locked, made or taken over.
        t_eq "$(check_config)" 0 "exit status for good files ($(cat "$D/stage/check"))"
        t_match "$(cat "$D/stage/check")" '^(ok)?$' "output for good files"
        d_answers || t_fail "the daemon does not answer any more"

        printf '%s\n' '[limits]' concurrency=64 memroy=1G >"$D/etc/tenants.d/acme.conf"
        status=$(check_config)
        [ "$status" -ne 0 ] || t_fail "a file with an error is good"
        t_match "$(cat "$D/stage/check")" 'tenants\.d/acme\.conf(:| line |, line )3' "output for a file with an error"
        status=0
        ctl reload >"$D/stage/reload" 2>&1 || status=$?
        [ "$status" -ne 0 ] || t_fail "a file with an error is loaded"
        t_match "$(cat "$D/stage/reload")" 'acme\.conf(:| line |, line )3' "what reload says"
        lines=$(wc -l <"$D/log")
        kill -HUP "$(d_pid)"
        t_wait 5 is_logged "$lines" 'acme\.conf(:| line |, line )3'

        printf '%s\n' '[limits]' concurrency=64 >"$D/etc/tenants.d/acme.conf"
        printf '%s\n' '[limits]' concurrency=2 >"$D/etc/tenants.d/nobody.conf"
        check_config
        t_match "$(cat "$D/stage/check")" 'nobody' "output for a file of no tenant"
        lines=$(wc -l <"$D/log")
        ctl reload >"$D/stage/reload" 2>&1 || t_fail "a file of no tenant refuses the reload: $(cat "$D/stage/reload")"
        grep -q nobody "$D/stage/reload" || t_wait 5 is_logged "$lines" nobody
        # It may be the next tenant's; an error in it is one all the same.
        printf '%s\n' '[limits]' '' 'concurrency=-2' >"$D/etc/tenants.d/nobody.conf"
        status=$(check_config)
        [ "$status" -ne 0 ] || t_fail "a file of no tenant with an error is good"
        t_match "$(cat "$D/stage/check")" 'nobody\.conf(:| line |, line )3' "output for it"
        rm "$D/etc/tenants.d/nobody.conf"

        cp "$D/etc/tenantq.conf" "$D/stage/tenantq.conf"
        sed -i '1a spol=/nowhere' "$D/etc/tenantq.conf"
        status=$(check_config)
        mv "$D/stage/tenantq.conf" "$D/etc/tenantq.conf"
        [ "$status" -ne 0 ] || t_fail "tenantq.conf with an error is good"
        t_match "$(cat "$D/stage/check")" 'tenantq\.conf(:| line |, line )2' "output for tenantq.conf with an error"
        t_eq "$(check_config)" 0 "exit status in the end"

        # Who could write there could have root do anything.
        chmod 0666 "$D/etc/tenants.d/acme.conf"
        status=$(check_config)
        [ "$status" -ne 0 ] || t_fail "a file that all can write is good"
        t_match "$(cat "$D/stage/check")" 'acme\.conf: the file can be written by others than root .mode 0666.: chmod go-w'
        d_status 3 ctl reload 2>"$D/stage/reload"
        t_match "$(cat "$D/stage/reload")" 'can be written by others'
        t_match "$(ctl events -n 1)" 'reload .* refused: .*can be written by others.* by root'
        chmod 0644 "$D/etc/tenants.d/acme.conf"
        ctl reload
        t_match "$(ctl events -n 1)" 'reload .* by root'
        # What only a restart brings is said, and not done.
        cp "$D/etc/tenantq.conf" "$D/stage/tenantq.conf"
        sed -i 's|^spool=.*|spool=/nowhere|' "$D/etc/tenantq.conf"
        lines=$(wc -l <"$D/log")
        ctl reload
        t_wait 5 is_logged "$lines" 'spool=/nowhere takes effect when tenantq is restarted'
        mv "$D/stage/tenantq.conf" "$D/etc/tenantq.conf"
        ctl reload
        mkdir "$D/spool/12345" "$D/spool/host"
        check_config
        t_match "$(cat "$D/stage/check")" '/12345 is no tenant: expected .*not only digits, not "host"'
        t_match "$(cat "$D/stage/check")" '/host is no tenant'
        rmdir "$D/spool/12345" "$D/spool/host"
        cp "$D/etc/tenantq.conf" "$D/stage/tenantq.conf"
        sed -i 's/^required_controllers=.*/required_controllers=cpu memroy/' "$D/etc/tenantq.conf"
        status=$(check_config)
        mv "$D/stage/tenantq.conf" "$D/etc/tenantq.conf"
        [ "$status" -ne 0 ] || t_fail "an unknown controller is good"
        t_match "$(cat "$D/stage/check")" 'required_controllers: "memroy" is not one of'
        t_eq "$(check_config)" 0 "exit status in the end"
}

looked_at() {
        chmod 0755 "$D/spool/$1"
        t_wait 5 d_tenant_is "$1" disabled
        chmod 0700 "$D/spool/$1"
        t_wait 5 d_tenant_is "$1" ready
}

# What a reload has not brought is not in force, whoever has the directory looked at; and what is away for a moment
# stays in force.
only_a_reload_configures() {
        trap 'rm -rf "$D/etc/tenants.d.away"; printf "[limits]\nconcurrency=64\n" >"$D/etc/tenants.d/acme.conf"; ctl reload' EXIT
        printf '[limits]\nconcurrency=9\n' >"$D/etc/tenants.d/acme.conf"
        ctl reload
        printf '[limits]\nconcurrency=7\nbogus=1\n' >"$D/etc/tenants.d/acme.conf"
        looked_at acme
        t_match "$(ctl limits get acme)" 'concurrency +- +9 +file' "the limit after an edit with an error"
        mv "$D/etc/tenants.d" "$D/etc/tenants.d.away"
        looked_at acme
        t_match "$(ctl limits get acme)" 'concurrency +- +9 +file' "the limit without a file"
        mv "$D/etc/tenants.d.away" "$D/etc/tenants.d"
}

is_tried() {
        [ "$(stat -c %s "$D/unreadable")" -ge "$1" ]
}

# What was read is in force, whatever happens to the spool then.
reloaded_but_the_spool() {
        local lines
        [ -n "${D_WRAP:-}" ] || t_skip "nothing is linked before a sanitizer, or there is no compiler"
        trap 'rm -f "$D/unreadable"; printf "[limits]\nconcurrency=64\n" >"$D/etc/tenants.d/acme.conf"; ctl reload' EXIT
        printf '[limits]\nconcurrency=8\n' >"$D/etc/tenants.d/acme.conf"
        lines=$(wc -l <"$D/log")
        touch "$D/unreadable"
        ctl reload
        is_logged "$lines" '^<4>the spool can.t be read .*: tenants that are new are found later'
        is_logged "$lines" 'configuration reloaded'
        t_match "$(ctl limits get acme)" 'concurrency +- +8 +file' "what is in force"
        # Once for the reload, and again.
        t_wait 5 is_tried 3
}

# A directory that comes back while its file can't be read: there is no profile to judge by, and none is invented.
back_with_a_bad_file() {
        printf '[Job]\nExecStart=/bin/true\n[Sandbox]\nProfile=default\n' >"$D/stage/job"
        d_tenant_file acme nonsense
        mv "$D/spool/acme" "$D/stage/away"
        t_wait 5 d_tenant_is acme gone
        mv "$D/stage/away" "$D/spool/acme"
        t_wait 5 d_tenant_is acme disabled
        d_status 4 ctl submit -t acme "$D/stage/job" 2>"$D/stage/said"
        t_match "$(cat "$D/stage/said")" "the tenant's profile is not known yet \(tenantqctl tenants says why\)"
        d_tenant_file acme
        ctl reload
        t_wait 5 d_tenant_is acme ready
        ctl submit -t acme "$D/stage/job" >/dev/null
}

d_case "tenantqd --check, and files with errors" config_is_checked
d_case "only a reload configures" only_a_reload_configures
d_case "a reload while the spool can't be read" reloaded_but_the_spool
d_case "a directory that comes back with a bad file" back_with_a_bad_file
d_report
t_summary
