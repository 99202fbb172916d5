#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a hostile tenant can drop instead of a job file, beside it, and under which names (T1-T3, T8, T13, T14): links,
# other people's files, no files at all, a rejected/ of its own making. Each is refused, and nothing stays open.

# shellcheck source=hostile.sh
. "$(dirname "$0")/hostile.sh"

h_init

fd_count() {
        find "/proc/$1/fd" -mindepth 1 | wc -l
}

# What may not be opened (T1, T2, T3) ---------------------------------------------------------

symbolic_links() {
        local target n=0
        printf '[Job]\nName=of-globex\nExecStart=/bin/true\n' >"$D/stage/held"
        for target in "$D/vault/0" "$D/vault/61022" link.job /no/such/file . /dev/zero /etc/shadow; do
                n=$((n + 1))
                ln -s "$target" "$D/stage/link"
                # link.job: to itself, under the name that it has in the end.
                if [ "$target" = link.job ]; then
                        mv "$D/stage/link" "$D/spool/acme/link.job"
                        refused acme link 'symbolic link'
                else
                        mv "$D/stage/link" "$D/spool/acme/l$n.job"
                        refused acme "l$n" 'symbolic link'
                fi
        done
        others_are_served
}

hard_links() {
        local owner
        for owner in 0 61022; do
                ln "$D/vault/$owner" "$D/stage/hard"
                mv "$D/stage/hard" "$D/spool/acme/hard$owner.job"
                refused acme "hard$owner" 'hard link|may not submit'
                t_eq "$(stat -c '%u %a' "$D/vault/$owner")" "$owner 600" "owner and mode of what was linked to"
        done
        rm "$D"/spool/acme/rejected/hard*
        # Links to one's own file: two names, no job.
        printf '[Job]\nName=own\nExecStart=/bin/true\n' >"$D/stage/own"
        chown 61021 "$D/stage/own"
        ln "$D/stage/own" "$D/stage/own.2"
        mv "$D/stage/own.2" "$D/spool/acme/own.job"
        refused acme own 'hard link'
        # Somebody else's file, one link.
        printf '[Job]\nName=foreign\nExecStart=/bin/true\n' >"$D/stage/foreign"
        chown 61022 "$D/stage/foreign"
        mv "$D/stage/foreign" "$D/spool/acme/foreign.job"
        refused acme foreign 'may not submit'
        # Nobody can link to another tenant's files to have them refused.
        ! as_acme ln "$D/spool/globex/x.job" "$D/spool/acme/x.job" 2>/dev/null || t_fail "linked"
        ! as_acme ls "$D/spool/globex" 2>/dev/null || t_fail "another tenant's directory can be read"
        ! as_acme ls "$D/spool/.claims" 2>/dev/null || t_fail ".claims can be read"
        # A file of root's that the tenant can't read stays; root is about to change that.
        printf '[Job]\nName=root-only\nExecStart=/bin/true\n' >"$D/stage/root-only"
        chmod 0600 "$D/stage/root-only"
        mv "$D/stage/root-only" "$D/spool/acme/root-only.job"
        others_are_served
        [ -z "$(d_find acme root-only)" ] || t_fail "a file that the tenant can't read was accepted"
        chmod 0644 "$D/spool/acme/root-only.job"
        t_eq "$(verdict "$(job_of acme root-only)")" "exit 0"
        # One's own, unreadable.
        printf '[Job]\nName=mode0\nExecStart=/bin/true\n' >"$D/stage/mode0"
        chown 61021 "$D/stage/mode0"
        chmod 0 "$D/stage/mode0"
        mv "$D/stage/mode0" "$D/spool/acme/mode0.job"
        refused acme mode0 "can't be read by the tenant's user"
}

other_kinds() {
        local kind kinds="fifo socket dir tree"
        mkfifo "$D/stage/fifo"
        "$D_PYTHON" -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$D/stage/socket"
        mkdir "$D/stage/dir"
        # A directory within a directory, and so on.
        "$D_PYTHON" -c 'import os, sys
os.mkdir(sys.argv[1])
os.chdir(sys.argv[1])
for i in range(10000):
    os.mkdir("d")
    os.chdir("d")' "$D/stage/tree"
        if mknod "$D/stage/chr" c 1 5 2>/dev/null; then
                kinds="$kinds chr"
        fi
        for kind in $kinds; do
                chown 61021 "$D/stage/$kind"
                mv "$D/stage/$kind" "$D/spool/acme/$kind.job"
        done
        others_are_served
        for kind in $kinds; do
                case $kind in
                dir | tree) refused acme "$kind" 'is a directory' ;;
                *) refused acme "$kind" 'not a regular file' ;;
                esac
        done
        # A tree with jobs in it is not walked.
        mkdir -p "$D/spool/acme/sub"
        printf '[Job]\nName=in-sub\nExecStart=/bin/true\n' >"$D/spool/acme/sub/in-sub.job"
        others_are_served
        [ -z "$(d_find acme in-sub)" ] || t_fail "a directory was walked"
        rm -rf "$D/spool/acme/sub" "$D"/spool/acme/rejected
}

# What appears in the directory by link(2), not by rename(2) or by closing it: all sorts are met all the same.
appears_by_link() {
        trap 'rm -rf "$D"/spool/acme/{made-,tmpfile}*' EXIT
        as_acme ln -s "$D/vault/0" "$D/spool/acme/made-link.job"
        as_acme mkfifo "$D/spool/acme/made-fifo.job"
        as_acme mkdir "$D/spool/acme/made-dir.job"
        ln "$D/vault/0" "$D/spool/acme/made-hard.job"
        refused acme made-link 'symbolic link'
        refused acme made-fifo 'not a regular file'
        refused acme made-dir 'is a directory'
        refused acme made-hard 'hard link'
        # The way of open(2): a file without a name, which gets one when it is complete.
        as_acme "$D_PYTHON" -c 'import ctypes, os, sys
fd = os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b"[Job]\nName=tmpfile\nExecStart=/bin/true\n")
at_fdcwd, follow = -100, 0x400
sys.exit(-ctypes.CDLL(None).linkat(at_fdcwd, b"/proc/self/fd/%d" % fd, at_fdcwd, sys.argv[1].encode() + b"/tmpfile.job", follow))' "$D/spool/acme"
        t_eq "$(verdict "$(job_of acme tmpfile)")" "exit 0"
}

# rejected/, which is the tenant's itself -----------------------------------------------------

rejected_is_hostile() {
        local what
        for what in "$D/spool/globex" "$D/vault" /no/such/dir rejected; do
                rm -rf "$D/spool/acme/rejected"
                as_acme ln -s "$what" "$D/spool/acme/rejected"
                echo nonsense | drop acme hostile
                t_wait 5 test ! -e "$D/spool/acme/hostile.job"
                [ "$what" = rejected ] || [ -z "$(find "$what" -name 'hostile*' 2>/dev/null)" ] || t_fail "followed rejected -> $what"
        done
        rm -rf "$D/spool/acme/rejected"
        echo a-file >"$D/spool/acme/rejected"
        echo nonsense | drop acme hostile
        t_wait 5 test ! -e "$D/spool/acme/hostile.job"
        t_eq "$(cat "$D/spool/acme/rejected")" a-file "a file called rejected"
        rm "$D/spool/acme/rejected"
        # A reason that is a link already.
        as_acme mkdir -m 0700 "$D/spool/acme/rejected"
        as_acme ln -s "$D/vault/61022" "$D/spool/acme/rejected/linked.reason"
        echo nonsense | drop acme linked
        t_wait 5 test ! -L "$D/spool/acme/rejected/linked.reason"
        refused acme linked 'expected'
        grep -qF "$token" "$D/vault/61022" || t_fail "written through a link"
        others_are_served
        rm -rf "$D/spool/acme/rejected"
}

# At most 1000 refused files are kept; when the tenant has tidied up, they are kept again.
rejected_is_bounded() {
        local i
        mkdir "$D/stage/many"
        for ((i = 0; i < 1050; i++)); do
                echo nonsense >"$D/stage/many/m$i.job"
        done
        chown -R 61021 "$D/stage/many"
        rename_all "$D/stage/many" acme
        t_wait 10 none_left acme
        # Those that are on their way yet are in .claims.
        t_wait 10 refused_are_kept 900 1000
        others_are_served
        refused_are_kept 900 1000
        rm -rf "$D/spool/acme/rejected"
        echo nonsense | drop acme tidied
        refused acme tidied expected
}

# refused_are_kept LEAST MOST
refused_are_kept() {
        local n
        n=$(find "$D/spool/acme/rejected" -name '*.job' | wc -l)
        echo "$n refused files are kept"
        [ "$n" -ge "$1" ] && [ "$n" -le "$2" ]
}

# Names (T8) ----------------------------------------------------------------------------------

names() {
        local before
        cat >"$D/stage/names.py" <<'END'
import os, sys
stage, spool, mode = sys.argv[1:]
names = [b"a" * 251, b"new\nline", b"esc\x1b[31m\x1b]0;title\x07", b"-rf", b"--help", b"\xff\xfe", b"$(touch pwned)", b"`id`",
         b"; rm -rf x", b"*", b"a b\tc", b"'\"", b"%s%n%d", b"..a", b"a.job", "ü☃".encode(), b"\\x41", b"{}", b"~", b"x" * 200]
names = [n for n in names if not n.startswith(b".")]
if mode == "count":
    print(len(names))
    sys.exit()
if mode == "check":
    bad = []
    for n in names:
        n = b"bad" + n[:248]
        r = os.fsencode(spool) + b"/rejected/" + n[:248] + b".reason"
        j = os.fsencode(spool) + b"/rejected/" + n + b".job"
        if not os.path.exists(r) or not os.path.exists(j):
            bad.append(n)
            continue
        text = open(r, "rb").read()
        if text.count(b"\n") != 1 or any(c < 32 and c != 10 or c == 127 for c in text) or b"\xff" in text:
            bad.append(text)
    print(bad)
    sys.exit()
for n in names:
    for prefix, text in (b"", b"[Job]\nName=named\nExecStart=/bin/true\n"), (b"bad", b"nonsense\n"):
        with open(stage + "/named", "wb") as f:
            f.write(text)
        os.chown(stage + "/named", 61021, 61021)
        os.rename(stage + "/named", os.fsencode(spool) + b"/" + (prefix + n)[:251] + b".job")
END
        before=$(ctl ps -a -n 10000 acme | awk '$4 == "named"' | wc -l)
        "$D_PYTHON" "$D/stage/names.py" "$D/stage" "$D/spool/acme" make
        t_wait 10 none_left acme
        t_wait 10 none_of_it_waits
        t_eq "$("$D_PYTHON" "$D/stage/names.py" "$D/stage" "$D/spool/acme" check)" "[]" "refused files without a proper reason"
        t_eq $(($(ctl ps -a -n 10000 acme | awk '$4 == "named"' | wc -l) - before)) \
                "$("$D_PYTHON" "$D/stage/names.py" "$D/stage" "$D/spool/acme" count)" jobs
        ! grep -q $'[\x1b\x07]' "$D/log" || t_fail "control characters in the daemon's log"
        [ -z "$(find "$D" -name 'pwned*')" ] || t_fail "a name was executed"
        # A job's own name may be odd too; it is shown escaped.
        printf '[Job]\nName=x\\x1b[31m\nExecStart=/bin/true\n' >"$D/stage/odd"
        ctl submit -t acme "$D/stage/odd" >/dev/null
        t_wait 5 none_of_it_waits
        [[ "$(ctl ps -a acme; ctl tenants; ctl status)" != *$'\e'* ]] || t_fail "an escape sequence in ps"
        others_are_served
        rm -rf "$D/spool/acme/rejected"
}

# Directories of the spool that are no tenant's, and names that can't be one.
directories_that_are_no_tenants() {
        local tenants name
        ln -s "$D/vault" "$D/spool/linked"
        mkdir -m 0700 "$D/spool/a b" "$D/spool/-x" "$D/spool/$(printf '%0100d' 0)"
        echo x >"$D/spool/file"
        chown 61023 "$D/spool/a b" "$D/spool/-x"
        others_are_served
        tenants=$(ctl tenants)
        for name in linked "a b" file 00000; do
                t_lacks "$tenants" "$name" tenants
        done
        rm -rf "$D/spool/linked" "$D/spool/a b" "$D/spool/-x" "$D/spool/$(printf '%0100d' 0)" "$D/spool/file"
}

# Times (T14) ---------------------------------------------------------------------------------

times_of_files() {
        local i name order=()
        for i in "2099-01-01" "1970-01-02" "@-86400" "2026-01-01" "@0"; do
                name=time${#order[@]}
                printf '[Job]\nName=%s\nExecStart=/bin/true\n' "$name" >"$D/stage/$name"
                chown 61021 "$D/stage/$name"
                touch -d "$i" "$D/stage/$name"
                mv "$D/stage/$name" "$D/spool/acme/$name.job"
                order+=("$(job_of acme "$name")")
        done
        t_eq "${order[*]}" "$(printf '%s\n' "${order[@]}" | sort -n | paste -sd' ')" "numbers in the order of arrival"
        for i in "${order[@]}"; do
                t_eq "$(verdict "$i")" "exit 0"
        done
}

# Afterwards ----------------------------------------------------------------------------------

nothing_is_left_open() {
        local now
        now=$(fd_count "$(cat "$D/stage/pid")")
        # Two more are the launcher's, who came with the first job.
        [ "$now" -le $(($(cat "$D/stage/fds") + 10)) ] || t_fail "descriptors of tenantqd: $(cat "$D/stage/fds"), now $now"
        t_eq "$(strings "$D/state/ledger/ledger.db" "$D/state/ledger/ledger.db-wal" 2>/dev/null | grep -cF "$token" || true)" 0 "the secret in the ledger"
        not_leaked
        no_leftovers
}

# One refusal is one event, whatever way it took.
refusals_are_counted_once() {
        local rows
        echo nonsense | drop acme counted-parse
        refused acme counted-parse expected
        ln -s /etc/passwd "$D/stage/counted-link"
        mv "$D/stage/counted-link" "$D/spool/acme/counted-link.job"
        refused acme counted-link link
        d_stop
        rows=$("$D_PYTHON" -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
print([c.execute("SELECT count(*) FROM events WHERE kind = ? AND text LIKE ?", ("refused", n + "%")).fetchone()[0]
       for n in ("counted-parse", "counted-link")])' "$D/state/ledger/ledger.db")
        chown "$D_ENGINE_UID:$D_ENGINE_UID" "$D"/state/ledger/*
        d_start
        t_eq "$rows" "[1, 1]" "events of one refusal by the engine, one by the supervisor"
}

# What is refused can't be kept in a directory that the tenant has just closed: it stays, and is refused when the
# directory is in order again.
closed_behind_a_file() {
        kill -STOP "$(d_pid)"
        printf '[Job]\nExecStart=/bin/true\n' >"$D/stage/behind"
        chown 61021 "$D/stage/behind"
        chmod 0 "$D/stage/behind"
        mv "$D/stage/behind" "$D/spool/acme/behind.job"
        chmod 0500 "$D/spool/acme"
        rm -rf "$D/spool/acme/rejected"
        kill -CONT "$(d_pid)"
        t_wait 5 tenants_say 'acme .*mode 0500'
        [ -e "$D/spool/acme/behind.job" ] || t_fail "it was removed"
        chmod 0700 "$D/spool/acme"
        refused acme behind "can't be read by the tenant's user"
}

# What is mounted there, and never answers, is not asked: a file system whose other end doesn't read (T16). As a file, as
# a directory, and in place of a whole tenant's.
hanging_mounts() {
        local where
        [ -w /dev/fuse ] || t_skip "no /dev/fuse"
        d_stop
        install -o 61021 /dev/null "$D/spool/acme/file.job"
        install -d -o 61021 "$D/spool/acme/directory.job"
        install -d -m 0700 -o 61023 "$D/spool/hung"
        "$D_PYTHON" - "$D/spool/acme/file.job:100644" "$D/spool/acme/directory.job:40755" "$D/spool/hung:40700" <<'PY' >"$D/stage/mounted" &
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
for word in sys.argv[1:]:
    path, mode = word.rsplit(":", 1)
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = "fd=%d,rootmode=%s,user_id=0,group_id=0" % (fd, mode)
    if libc.mount(b"hangs", path.encode(), b"fuse", 0, options.encode()) < 0:
        print(os.strerror(ctypes.get_errno()), flush=True)
        sys.exit()
print("mounted", flush=True)
time.sleep(1000)
PY
        mounts=$!
        trap unmount EXIT
        t_wait 5 test -s "$D/stage/mounted"
        [ "$(cat "$D/stage/mounted")" = mounted ] || t_skip "no FUSE here: $(cat "$D/stage/mounted")"
        d_start
        say_hello beside-it | drop acme beside-it
        t_eq "$(verdict "$(job_of acme beside-it)")" "exit 0" "another file of the tenant"
        within_ms 2000 ctl run -w -t globex -- echo served
        within_ms 1000 ctl reload
        within_ms 1000 ctl tenants
        within_ms 2000 ctl run -w -t globex -- echo served
        t_match "$(ctl tenants)" 'hung +.*(disabled|mount)' "the tenant whose directory it is"
        d_restart
        within_ms 2000 ctl run -w -t globex -- echo served
        unmount
        d_restart
        h_same_daemon
        others_are_served
}

unmount() {
        for where in "$D/spool/acme/file.job" "$D/spool/acme/directory.job" "$D/spool/hung"; do
                umount -l "$where" 2>/dev/null || true
        done
        kill "$mounts" 2>/dev/null || true
        rmdir "$D/spool/acme/directory.job" "$D/spool/hung" 2>/dev/null || true
        rm -f "$D/spool/acme/file.job"
}

within_ms() {
        local start
        start=$(now_ms)
        "${@:2}" >/dev/null
        start=$(($(now_ms) - start))
        [ "$start" -le "$1" ] || t_fail "took $start ms: ${*:2}"
}

fd_count "$(d_pid)" >"$D/stage/fds"
d_case "symbolic links (T1)" symbolic_links
d_case "hard links and other people's files (T2)" hard_links
d_case "FIFO, socket, directories, device (T3)" other_kinds
d_case "what appears by link(2)" appears_by_link
d_case "a hostile rejected/" rejected_is_hostile
d_case "names of files (T8)" names
d_case "directories that are no tenants (T8, T13)" directories_that_are_no_tenants
d_case "times of files (T14)" times_of_files
d_case "a directory that is closed behind a file" closed_behind_a_file
d_case "nothing is left open or over" nothing_is_left_open
d_case "a refusal is one event" refusals_are_counted_once
h_same_daemon
d_case "rejected/ is bounded" rejected_is_bounded
d_case "mounts that never answer (T16)" hanging_mounts
d_report
t_summary
