#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A file is dropped into the spool: however it gets there, it is taken when it is complete, once, and its job runs;
# or it is set aside with its reason. And which directories are tenants, whose files these may be.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init ""
d_start
d_tenant acme 61001

ran_well() {
        t_eq "$(verdict "$(job_of "$1" "$2")")" "exit 0" "verdict of $2"
}

# Files ---------------------------------------------------------------------------------------

by_mv() {
        local job
        say_hello by-mv | drop acme by-mv
        job=$(job_of acme by-mv)
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job")" hello output
        [ ! -e "$D/spool/acme/by-mv.job" ] || t_fail "an accepted file is still in the spool"
}

by_cp() {
        say_hello by-cp >"$D/stage/by-cp"
        cp "$D/stage/by-cp" "$D/spool/acme/by-cp.job"
        ran_well acme by-cp
        say_hello by-tenant >"$D/stage/by-tenant"
        setpriv --reuid 61001 --regid 61001 --clear-groups cp "$D/stage/by-tenant" "$D/spool/acme/by-tenant.job"
        ran_well acme by-tenant
        # Made with root's owner and mode first, and only then the tenant's. It may be taken between its chown and
        # its chmod, which install(1) then complains about.
        say_hello by-install >"$D/stage/by-install"
        install -m 0600 -o 61001 -g 61001 "$D/stage/by-install" "$D/spool/acme/by-install.job" || true
        ran_well acme by-install
        t_eq "$(ctl ps -a acme | grep -cw by-install)" 1 "jobs of one file"
}

written_slowly() {
        local fd
        exec {fd}>"$D/spool/acme/slow.job"
        printf '[Job]\nName=slow\n' >&"$fd"
        sleep 0.3
        # Everything that may wake it up: a rename of it, another file, a restart.
        mv "$D/spool/acme/slow.job" "$D/spool/acme/slower.job"
        say_hello beside-slow | drop acme beside-slow
        ran_well acme beside-slow
        [ -e "$D/spool/acme/slower.job" ] || t_fail "a file that is being written was taken"
        [ -z "$(d_find acme slow)" ] || t_fail "half a job was accepted"
        d_restart
        sleep 0.3
        [ -e "$D/spool/acme/slower.job" ] || t_fail "a file that is being written was taken after a restart"
        printf 'ExecStart=/bin/echo complete\n' >&"$fd"
        exec {fd}>&-
        ran_well acme slow
        t_eq "$(ctl logs "$(d_find acme slow)")" complete output
}

not_job_files() {
        say_hello hidden >"$D/stage/hidden"
        cp "$D/stage/hidden" "$D/spool/acme/.hidden.job"
        cp "$D/stage/hidden" "$D/spool/acme/hidden.tmp"
        say_hello beside-hidden | drop acme beside-hidden
        ran_well acme beside-hidden
        [ -z "$(d_find acme hidden)" ] || t_fail "a file that is no job file was accepted"
        rm "$D/spool/acme/.hidden.job" "$D/spool/acme/hidden.tmp"
}

bad_file_is_explained() {
        printf '[Job]\nName=bad\nExecStat=/bin/true\n' | drop acme bad
        refused acme bad 'bad\.job: .*3.*ExecStat.*did you mean ExecStart'
        t_eq "$(stat -c %u "$D/spool/acme/rejected/bad.reason")" 61001 "owner of the reason"
        [ -e "$D/spool/acme/rejected/bad.job" ] || t_fail "the refused file is not kept"
}

# Directories ---------------------------------------------------------------------------------

new_tenant_works_at_once() {
        mkdir -m 0700 "$D/spool/fresh"
        echo 61003 >"$D/uids/fresh"
        t_wait 5 d_tenant_is fresh disabled
        t_match "$(ctl tenants)" 'fresh .*belongs to root; chown it' "the fault and its mend"
        say_hello early >"$D/spool/fresh/early.job"
        chown 61003:61003 "$D/spool/fresh"
        ran_well fresh early
        say_hello late | drop fresh late
        ran_well fresh late
        t_eq "$(ctl run -t fresh -w -- id -u)" 61003 "who it runs as"
}

# Between mkdir(2) and chown(2) it is root's.
open_directory_is_refused() {
        local job
        install -d -m 0755 -o 61004 -g 61004 "$D/spool/open"
        echo 61004 >"$D/uids/open"
        t_wait 5 tenants_say 'open .*mode 0755.*chmod 0700'
        say_hello open | drop open open
        say_hello beside-open | drop acme beside-open
        ran_well acme beside-open
        [ -e "$D/spool/open/open.job" ] || t_fail "a file of a disabled tenant was taken"
        chmod 0700 "$D/spool/open"
        ran_well open open
        # And back again, while it works.
        chmod 0777 "$D/spool/open"
        t_wait 5 d_tenant_is open disabled
        # What comes by the socket waits until that is mended.
        job=$(ctl run -t open -- true)
        t_eq "$(d_field "$job" "Waits for")" tenant-disabled reason
        chmod 0700 "$D/spool/open"
        t_eq "$(verdict "$job")" "exit 0"
}

same_user_is_refused() {
        install -d -m 0700 -o 61001 -g 61001 "$D/spool/twin"
        t_wait 5 tenants_say 'twin .*already is another tenant'
        rmdir "$D/spool/twin"
        t_wait 5 d_tenant_is twin gone
        d_tenant_is acme ready
}

d_case "a file moved into the spool runs" by_mv
d_case "a file copied into the spool runs, whoever copies" by_cp
d_case "a file that is being written is left alone" written_slowly
d_case "other names are no job files" not_job_files
d_case "a bad file is set aside with its reason" bad_file_is_explained
d_case "a new tenant works at once, a root-owned directory does not" new_tenant_works_at_once
d_case "a directory that others may enter is refused" open_directory_is_refused
d_case "a second tenant with the same user is refused" same_user_is_refused
d_case "nothing is left over" no_leftovers
d_report
t_summary
