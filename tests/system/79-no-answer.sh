#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who does not answer is not absent: an error of the user database, or of reading, is no fact about a tenant or its file.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""

d_is_sanitized && d_skip_all "needs a library that is linked before all others"
# Calls fail while there is a file of their name in the directory "$D/fails".
mkdir "$D/fails"
"${CC:-cc}" -shared -fPIC -D_GNU_SOURCE -DTOP="\"$D\"" -o "$D/fails.so" -x c - <<'END' || d_skip_all "can't build that library"
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct passwd *getpwuid(uid_t uid) {
        struct passwd *(*real)(uid_t) = (struct passwd *(*)(uid_t))dlsym(RTLD_NEXT, "getpwuid");

        /* Of tenants: who tenantq itself is was asked before. */
        if (uid < 61000 || uid > 61999 || access(TOP "/fails/getpwuid", F_OK) < 0) {
                errno = 0;
                return real(uid);
        }
        errno = EIO;
        return NULL;
}

/* Of a job file that was claimed. */
ssize_t pread(int fd, void *buf, size_t size, off_t at) {
        ssize_t (*real)(int, void *, size_t, off_t) =
                (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
        char link[64], path[4096] = "";

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (access(TOP "/fails/pread", F_OK) < 0 || readlink(link, path, sizeof(path) - 1) < 0 ||
            strncmp(path, TOP "/spool/.claims/", strlen(TOP "/spool/.claims/")) != 0)
                return real(fd, buf, size, at);
        errno = EIO;
        return -1;
}
END
printf '#!/bin/sh\nLD_PRELOAD=%s exec "$@"\n' "$D/fails.so" >"$D/wrap"
chmod 0755 "$D/wrap"
D_WRAP=$D/wrap
d_start
d_tenant acme 61001
d_tenant globex 61002

fault_of() {
        ctl --json tenants | d_json "[t['fault'] or '' for t in j['tenants'] if t['tenant'] == '$1'][0]"
}

# The tenant waits; nothing of it is closed, and nobody else is taken for it.
user_database() {
        local job network
        network=$(ctl run -w -t acme -- readlink /proc/self/ns/net 2>/dev/null)
        job=$(ctl run -t acme -- echo kept)
        t_eq "$(verdict "$job")" "exit 0"
        touch "$D/fails/getpwuid"
        ctl reload
        t_wait 5 d_tenant_is acme disabled
        t_match "$(fault_of acme)" '^the user database does not answer: Input/output error$'
        t_lacks "$(cat "$D/log")" "does not exist any more"
        t_eq "$(ctl logs "$job")" kept "output of before"
        job=$(ctl run -t acme -- readlink /proc/self/ns/net)
        rm "$D/fails/getpwuid"
        t_wait 15 d_tenant_is acme ready
        t_eq "$(verdict "$job")" "exit 0" "what came meanwhile"
        t_eq "$(ctl logs "$job")" "$network" "the tenant's network"
}

# The file is kept, and taken when it can be read.
job_file() {
        touch "$D/fails/pread"
        say_hello unread | drop acme unread
        sleep 1
        [ ! -e "$D/spool/acme/rejected/unread.job" ] || t_fail "it was refused: $(cat "$D"/spool/acme/rejected/*.reason)"
        say_hello other | drop globex other
        rm "$D/fails/pread"
        t_wait 20 is_done unread
        t_wait 20 is_done other
}

is_done() {
        ctl ps -a -n 20 | grep -E " $1 .*exit 0" >/dev/null
}

d_case "the user database does not answer" user_database
d_case "a job file can't be read" job_file
d_report
t_summary
