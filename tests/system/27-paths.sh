#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What of the host's files a job sees and may write: its tenant's grants, and what its own file takes away or puts
# elsewhere.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

# shellcheck disable=SC2119 # it has no lines of its own
d_init
d_start
d_tenant acme 61001
d_tenant globex 61002
grant=$D/witness # what d_tenant grants to each
install -d -m 0755 -o 61001 "$grant/in" "$grant/out"
echo data >"$grant/in/f"
chmod 644 "$grant/in/f"

# has LINE… -- COMMAND: runs it with these lines in [Sandbox]; prints what it said, then its verdict.
has() {
        local lines=() job
        while [ "$1" != -- ]; do
                lines+=("$1")
                shift
        done
        {
                printf '[Job]\nExecStart=/bin/sh -c "%s"\n[Sandbox]\n' "$2"
                printf '%s\n' "${lines[@]}"
        } >"$D/stage/has"
        job=$(ctl submit -t acme "$D/stage/has")
        verdict "$job" >"$D/stage/verdict"
        ctl logs "$job" 2>&1 | tr '\n' '|'
        cat "$D/stage/verdict"
}

# The host -------------------------------------------------------------------------------------

grants() {
        t_eq "$(has -- "cd $grant/out && echo x >y && cat y")" "x|exit 0" "a granted directory"
        t_match "$(has -- "echo x >$D/payload/y")" 'Read-only file system\|exit 2' "another one"
        t_match "$(has -- 'echo x >/etc/y')" 'Read-only file system\|exit 2' /etc
        t_eq "$(has -- 'ls -A /home /root /run')" "/home:||/root:||/run:|exit 0" "hidden directories"
        t_eq "$(has -- "ls -A $D/spool $D/logs $D/state $D/etc $D/run" | tr -d '|')" \
                "$D/etc:$D/logs:$D/run:$D/spool:$D/state:exit 0" "tenantq's own"
        t_eq "$(has -- 'ls /dev | xargs')" "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero|exit 0" /dev
        t_eq "$(has -- 'cat /proc/self/cgroup | tail -n 1; ls -d /sys/fs/cgroup/cgroup.procs')" \
                "0::/|/sys/fs/cgroup/cgroup.procs|exit 0" "its cgroup"
}

temporary() {
        t_eq "$(has -- 'echo x >/tmp/a; echo x >/var/tmp/b; echo x >/dev/shm/c; ls /tmp /var/tmp /dev/shm' | tr -d '|')" \
                "/dev/shm:c/tmp:a/var/tmp:bexit 0" "what it has"
        t_eq "$(has -- 'ls /tmp /var/tmp /dev/shm' | tr -d '|')" "/dev/shm:/tmp:/var/tmp:exit 0" "what is left of it"
        for i in /tmp/a /var/tmp/b /dev/shm/c; do [ ! -e "$i" ] || t_fail "$i is the host's"; done
}

# A mount that comes while the daemon runs is there for the next job, and not to be written.
mounts_of_the_host() {
        mkdir -p "$D/mnt"
        t_eq "$(has -- "ls $D/mnt")" "exit 0" before
        mount -t tmpfs -o mode=1777 tmpfs "$D/mnt" 2>/dev/null || t_skip "can't mount a tmpfs here"
        echo new >"$D/mnt/f"
        t_eq "$(has -- "cat $D/mnt/f")" "new|exit 0" after
        t_match "$(has -- "echo x >$D/mnt/g")" 'Read-only file system' "its mode says that all may"
        umount "$D/mnt"
        t_eq "$(has -- "ls $D/mnt")" "exit 0" "after it has gone"
}

has_no_output() {
        [ -z "$(find "$D/logs/$1" -name "$2.*")" ]
}

explains() {
        ctl explain "$1" | grep -F -- "$2" >/dev/null
}

# waits_for TENANT WHY: what can't be had is no job's verdict. WAITS: its number.
waits_for() {
        WAITS=$(ctl run -t "$1" -- true)
        t_wait 5 explains "$WAITS" "$2"
        ctl --json tenants | grep -F -- "$2" >/dev/null || t_fail "its tenant does not say so"
}

# The directory is made anew under its name: jobs get the one that is there now.
grant_made_anew() {
        t_eq "$(has -- "cat $grant/in/f")" "data|exit 0" before
        mv "$grant" "$grant.old"
        install -d -m 0755 -o 61001 "$grant"
        echo new >"$grant/f"
        t_eq "$(has -- "cat $grant/f; echo x >$grant/g")" "new|exit 0" "the new one"
        [ -e "$grant/g" ] || t_fail "it wrote elsewhere"
        rm -r "$grant"
        waits_for acme "sandbox: read_write_paths: $grant: No such file or directory"
        t_wait 5 has_no_output acme "$WAITS"
        mv "$grant.old" "$grant"
        t_eq "$(verdict "$WAITS")" "exit 0" "what waited for it"
        t_eq "$(has -- "cat $grant/in/f")" "data|exit 0" "the old one again"
}

# Only root's links lead to what is granted.
links() {
        mkdir -p "$D/real" "$D/loot"
        install -d -m 0755 -o 61002 "$D/mine"
        chown 61002 "$D/real"
        ln -s "$D/real" "$D/by-root"
        ln -s "$D/loot" "$D/mine/by-tenant"
        chown -h 61002 "$D/mine/by-tenant"
        printf '[tenant]\nread_write_paths=%s\n' "$D/by-root" >"$D/etc/tenants.d/globex.conf"
        ctl reload
        t_eq "$(ctl run -w -t globex -- sh -c "echo x >$D/real/f; cat $D/by-root/f" 2>/dev/null)" x "root's link"
        printf '[tenant]\nread_write_paths=%s\n' "$D/mine/by-tenant" >"$D/etc/tenants.d/globex.conf"
        ctl reload
        waits_for globex "sandbox: read_write_paths: $D/mine/by-tenant: Too many levels of symbolic links"
        t_match "$("$D/bin/tenantqd" --config "$D/etc" --check 2>&1 || true)" 'read_write_paths: .*/mine/by-tenant: there is a symbolic link on the way'
        ctl cancel "$WAITS"
        printf '[tenant]\nread_write_paths=%s\n' "$D/none" >"$D/etc/tenants.d/globex.conf"
        ctl reload
        waits_for globex "sandbox: read_write_paths: $D/none: No such file or directory"
        d_tenant_file globex
        ctl reload
        t_eq "$(verdict "$WAITS")" "exit 0" "what waited for it"
        t_eq "$(verdict "$(ctl run -t globex -- true)")" "exit 0" "in order again"
}

hidden_paths() {
        mkdir -p "$D/secret/shown"
        echo x >"$D/secret/f"
        echo y >"$D/secret/shown/f"
        d_config "hidden_paths=$D/secret"
        d_tenant_file acme "read_only_paths=$D/secret/shown"
        ctl reload
        t_eq "$(has -- "ls $D/secret; cat $D/secret/shown/f")" "shown|y|exit 0"
        t_match "$(has -- "echo z >$D/secret/shown/f")" 'Read-only|Permission'
        d_config
        d_tenant_file acme
        ctl reload
        t_eq "$(has -- "cat $D/secret/f")" "x|exit 0" "not hidden any more"
}

# The job's own file ---------------------------------------------------------------------------

own_paths() {
        t_match "$(has "ReadOnlyPaths=$grant/in" -- "touch $grant/out/a; touch $grant/in/a")" \
                '^touch: [^|]*/in/a.: Read-only file system\|exit 1' ReadOnlyPaths
        t_match "$(has "InaccessiblePaths=$grant/in /etc/passwd" -- "ls $grant/in; cat /etc/passwd; touch $grant/in/a; chmod 777 $grant/in")" \
                '^ls: [^|]*denied\|cat: [^|]*denied\|touch: [^|]*denied\|chmod: [^|]*(Read-only|not permitted)[^|]*\|exit 1' InaccessiblePaths
        t_eq "$(has "BindPaths=$grant/in:$grant/out" -- "cat $grant/out/f; touch $grant/out/b && rm $grant/in/b")" "data|exit 0" BindPaths
        t_match "$(has "BindPaths=/etc:$grant/out" -- "ls $grant/out/passwd; touch $grant/out/new")" \
                "out/passwd\\|touch: [^|]*Read-only file system\\|exit 1" "BindPaths of what is read-only"
        t_match "$(has "ReadWritePaths=$grant/out" -- "touch $grant/out/c /tmp/c; touch $grant/in/c")" \
                '^touch: [^|]*/in/c.: Read-only file system\|exit 1' ReadWritePaths
        t_match "$(has "ReadWritePaths=$grant/in $grant/out" "ReadOnlyPaths=$grant/in" "InaccessiblePaths=$grant/out" -- \
                "touch $grant/in/d; ls $grant/out")" \
                '^touch: [^|]*/in/d.: Read-only[^|]*\|ls: [^|]*denied\|exit 2' "all of them"
        for i in "$grant/in" "$grant/out"; do [ "$(find "$i" -maxdepth 0 -perm 0755)" ] || t_fail "mode of $i"; done
}

# What takes nothing away, and what can't be had, is told with its name.
own_paths_refused() {
        t_eq "$(has "ReadWritePaths=/etc" -- true)" "[tenantq: /etc: Read-only file system]|spawn (paths: Read-only file system)"
        t_eq "$(has "BindPaths=$grant/in:/etc" -- true)" "[tenantq: $grant/in:/etc: Read-only file system]|spawn (paths: Read-only file system)"
        t_eq "$(has "ReadOnlyPaths=/no/such" -- true)" "[tenantq: /no/such: No such file or directory]|spawn (paths: No such file or directory)"
        t_eq "$(has "BindPaths=$D/vault:$grant/out" -- true)" "[tenantq: $D/vault: No such file or directory]|spawn (paths: No such file or directory)"
        install -d -m 0700 "$D/vault"
        echo secret >"$D/vault/f"
        t_eq "$(has "BindPaths=$D/vault/f:$grant/in/f" -- "cat $grant/in/f")" \
                "[tenantq: $D/vault/f: Permission denied]|spawn (paths: Permission denied)" "what is root's"
}

# A copy of a directory has all that covers parts of it.
copies_uncover_nothing() {
        t_eq "$(has "BindPaths=$D:$grant/out" -- "ls -A $grant/out/spool $grant/out/logs $grant/out/state" | tr -d '|')" \
                "$grant/out/logs:$grant/out/spool:$grant/out/state:exit 0"
        t_eq "$(has "BindPaths=/:$grant/out" -- "ls -A $grant/out/home $grant/out/run | xargs")" \
                "$grant/out/home: $grant/out/run:|exit 0"
        t_match "$(has "BindPaths=/proc/1:$grant/out" -- "ls $grant/out/root/")" '(denied|not permitted|No such file)[^|]*\|exit 2' "the watcher's root"
}

# Each copy of all has the copies before it: that ends at a number, not with the host's memory.
copies_of_copies() {
        local i binds=
        mkdir -p "$grant"/copies/{1..12}
        for i in {1..12}; do binds+=" /:$grant/copies/$i"; done
        chmod 0777 "$grant"/copies/*
        t_match "$(has "BindPaths=$binds" -- true)" '\[tenantq: /:[^|]*: Argument list too long\]\|spawn \(paths: Argument list too long\)'
        rm -r "$grant/copies"
}

# What would be put over the root would be of no effect; over /proc it would be what root reads there.
places_of_roots() {
        local key
        for key in ReadOnlyPaths InaccessiblePaths ReadWritePaths; do
                t_match "$(has "$key=/proc/self/root" -- true)" '^\[tenantq: /proc/self/root: [^|]*\]\|spawn \(paths: ' "$key"
        done
        mkfifo "$grant/in/snmp"
        t_eq "$(has "BindPaths=$grant/in:/proc" -- true)" "[tenantq: $grant/in:/proc: Read-only file system]|spawn (paths: Read-only file system)"
        t_eq "$(has "BindPaths=$grant/in/snmp:/proc/self/net/snmp" -- true)" \
                "[tenantq: $grant/in/snmp:/proc/self/net/snmp: Read-only file system]|spawn (paths: Read-only file system)"
        t_eq "$(has InaccessiblePaths=/proc -- 'ls /proc')" "ls: cannot open directory '/proc': Permission denied|exit 2"
        rm "$grant/in/snmp"
        t_match "$(has -- 'echo some 150000 1000000 >/proc/pressure/cpu')" 'Read-only file system\|exit 2' "triggers of pressure"
}

# Who owns a directory above what is hidden from all puts a link in its place: it stays hidden, with all of that
# directory, and others' jobs run.
hidden_in_a_tenants() {
        install -d -m 0755 "$D/shared"
        install -d -m 0755 -o 61002 "$D/shared/own" "$D/shared/own/private"
        echo secret >"$D/shared/own/private/f"
        d_config "hidden_paths=$D/shared/own/private"
        ctl reload
        t_eq "$(has -- "cat $D/shared/own/private/f 2>&1" | sed 's/.*://')" " No such file or directory|exit 1"
        (cd "$D/shared/own" && mv private other && ln -s /etc private && chown -h 61002 private)
        d_config "hidden_paths=$D/shared/own/private $D/shared/none" # templates are made anew
        ctl reload
        t_match "$("$D/bin/tenantqd" --config "$D/etc" --check 2>&1 || true)" \
                "warning: tenantq.conf: hidden_paths: $D/shared/none: No such file or directory; nothing of it is hidden"
        t_eq "$(has -- "ls -A $D/shared/own")" "exit 0"
        d_config
        ctl reload
        rm -r "$D/shared"
}

under_strict() {
        t_eq "$(has Profile=strict "BindPaths=$grant/in:$grant/out" "InaccessiblePaths=/etc/passwd" -- "cat $grant/out/f")" "data|exit 0"
}

d_case "what a job sees and may write (T37)" grants
d_case "its /tmp, and nobody's after it (T38)" temporary
d_case "mounts of the host that come and go" mounts_of_the_host
d_case "a granted directory that is made anew" grant_made_anew
d_case "links to what is granted" links
d_case "hidden_paths and read_only_paths" hidden_paths
d_case "paths of the job's own file" own_paths
d_case "paths that can't be had" own_paths_refused
d_case "copies uncover nothing" copies_uncover_nothing
d_case "copies of copies are bounded" copies_of_copies
d_case "paths under the strict profile" under_strict
d_case "places that are root's" places_of_roots
d_case "what is hidden in a tenant's directory" hidden_in_a_tenants
d_case "nothing is left over" no_leftovers
d_report
t_summary
