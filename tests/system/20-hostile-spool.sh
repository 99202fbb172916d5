#!/bin/bash
# What a hostile tenant can put into its spool directory (T1-T9, T14, T17-T20), and what must come of it: one
# defined outcome each, nothing of anybody else's seen, the daemon alive, the other tenants served.

# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

d_init "log_max=64K"
d_start
d_tenant acme 61021
d_tenant globex 61022

# Two secrets, both job files, so that reading one would show as a job: root's, and the other tenant's.
token=canary-$RANDOM$RANDOM$RANDOM
mkdir "$D/vault"
for owner in 0 61022; do
        printf '[Job]\nName=%s\nExecStart=/bin/echo %s\n' "$token" "$token" >"$D/vault/$owner"
        chown "$owner:$owner" "$D/vault/$owner"
        chmod 0600 "$D/vault/$owner"
done
cp "$D/pid" "$D/stage/pid"
d_engine >"$D/stage/engine"

as_acme() {
        setpriv --reuid 61021 --regid 61021 --clear-groups "$@"
}

# The token is nowhere but in the files that hold it: a hard link in rejected/ is the file itself.
not_leaked() {
        local where
        where=$(grep -rlaF "$token" "$D/logs" "$D/log" "$D/state" || true)
        t_eq "$where" "" "files that the secret got into"
        where=$(find "$D/spool" -name '*.reason' -exec grep -laF "$token" {} + || true)
        t_eq "$where" "" "reasons that the secret got into"
        ! ctl ps -a -n 10000 | grep -qF "$token" || t_fail "the secret is in ps"
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

# rejected/ itself is the tenant's.
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

# rename_all DIRECTORY TENANT: mv(1) would look at each file again where it has put it, and not find it.
rename_all() {
        "$D_PYTHON" -c 'import os, sys
for name in os.listdir(sys.argv[1]):
    os.rename(sys.argv[1] + "/" + name, sys.argv[2] + "/" + name)' "$1" "$D/spool/$2"
}

none_left() {
        [ -z "$(find "$D/spool/$1" -maxdepth 1 -name '*.job')" ]
}

# Races (T4, T5) ------------------------------------------------------------------------------

names_that_change() {
        local script cpu before
        script=$(payload rename-race <<END
#!$D_PYTHON
import os, sys, time
os.chdir("$D/spool/acme")
end = time.time() + 4
n = 0
good = b"[Job]\\nName=raced\\nExecStart=/bin/true\\n"
def regular():
    fd = os.open("t", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, good)
    os.close(fd)
makers = [
    regular,
    lambda: os.symlink("$D/vault/61022", "t"),
    lambda: os.symlink("$D/vault/0", "t"),
    lambda: os.mkfifo("t"),
    lambda: os.mkdir("t"),
    lambda: os.symlink("race0.job", "t"),
]
while time.time() < end:
    n += 1
    for name in "race0.job", "race1.job", "race2.job":
        try:
            makers[n % len(makers)]()
            os.rename("t", name)
        except OSError:
            for remove in os.unlink, os.rmdir:
                try:
                    remove("t")
                except OSError:
                    pass
            try:
                os.rmdir(name)
            except OSError:
                pass
        if n % 3 == 0:
            try:
                os.rename(name, "away")
                os.rename("away", "race1.job")
            except OSError:
                pass
print(n)
END
)
        before=$(awk '{ print $14 + $15 }' "/proc/$(d_pid)/stat")
        as_acme "$script" >"$D/stage/rounds" &
        while kill -0 $! 2>/dev/null; do
                others_are_served
                sleep 0.3
        done
        wait $!
        [ "$(cat "$D/stage/rounds")" -gt 100 ] || t_fail "only $(cat "$D/stage/rounds") rounds"
        cpu=$(($(awk '{ print $14 + $15 }' "/proc/$(d_pid)/stat") - before))
        [ "$cpu" -lt 600 ] || t_fail "tenantqd used $cpu ticks in 4 seconds"
        t_wait 20 none_of_it_waits
        others_are_served
        t_eq "$(ctl ps -a -n 10000 acme | awk '$4 == "raced" { print $NF }' | sort -u | grep -v '^0$' || true)" "" "bad verdicts"
        rm -rf "$D"/spool/acme/{rejected,t,away,race*}
}

none_of_it_waits() {
        [ "$(ctl --json ps acme | d_json 'len(j["jobs"])')" = 0 ]
}

# A job is one state of its file: all A or all B, never a mix; a file with a writer waits for its close.
contents_that_change() {
        local script bad
        script=$(payload rewrite-race <<END
#!$D_PYTHON
import mmap, os, random, sys, time
os.chdir("$D/spool/acme")
def text(c):
    return b"[Job]\\nName=mixed\\nExecStart=/bin/true\\nEnvironment=V=" + c * 30000 + b"\\n"
random.seed(1)
for n in range(60):
    name = f"mix{n}.job"
    with open("tmp", "wb") as f:
        f.write(text(b"a"))
    os.rename("tmp", name)
    time.sleep(random.random() / 500)
    try:
        fd = os.open(name, os.O_RDWR)
    except OSError:
        continue
    how = n % 4
    if how == 0:                        # in place, in pieces
        new = text(b"b")
        for i in range(0, len(new), 1000):
            os.pwrite(fd, new[i:i + 1000], i)
    elif how == 1:                      # truncated and longer
        os.ftruncate(fd, 0)
        time.sleep(0.002)
        os.write(fd, text(b"c"))
    elif how == 2:                      # mapped, without a descriptor
        m = mmap.mmap(fd, 0)
        os.close(fd)
        new = text(b"d")
        for i in range(0, len(new), 500):
            m[i:i + 500] = new[i:i + 500]
        m.close()
        continue
    else:                               # shorter
        os.pwrite(fd, text(b"e"), 0)
        os.ftruncate(fd, len(text(b"e")))
    os.close(fd)
END
)
        as_acme "$script"
        t_wait 10 none_left acme
        t_wait 10 none_of_it_waits
        ctl --json ps -a -n 10000 acme | d_json '"\n".join(str(r["job"]) for r in j["jobs"] if r["name"] == "mixed")' >"$D/stage/mixed"
        [ "$(wc -l <"$D/stage/mixed")" -ge 30 ] || t_fail "only $(wc -l <"$D/stage/mixed") jobs"
        # shellcheck disable=SC2046 # words
        bad=$(ctl --json wait $(cat "$D/stage/mixed") | "$D_PYTHON" -c 'import json, sys
d, text = json.JSONDecoder(), sys.stdin.read().strip()
while text:
    j, n = d.raw_decode(text)
    text = text[n:].strip()
    r = j["jobs"][0]
    v = r["spec"].split("V=")[1].strip()
    if len(set(v)) != 1 or len(v) != 30000 or r["verdict"] != "exit 0":
        print(r["job"], r["verdict"], len(v), set(v))')
        t_eq "$bad" "" "jobs of a mixed file"
        others_are_served
}

# Written on while the job runs: the writer came too late.
writer_after_claim() {
        local fd gate job
        gate=$(d_gate_make late)
        printf '[Job]\nName=late\nExecStart=/bin/sh -c "read x <%s; exit 3"\n' "$gate" >"$D/spool/acme/late.tmp"
        chown 61021 "$D/spool/acme/late.tmp"
        # Open for reading only is no writer; the open for writing comes through it.
        exec {fd}<"$D/spool/acme/late.tmp"
        mv "$D/spool/acme/late.tmp" "$D/spool/acme/late.job"
        job=$(job_of acme late)
        echo '[Job]' >"/proc/$BASHPID/fd/$fd" 2>/dev/null || true
        exec {fd}<&-
        d_gate_open late
        t_eq "$(verdict "$job")" "exit 3"
}

# Sizes (T6) ----------------------------------------------------------------------------------

sizes() {
        local rss size
        rss=$(rss_kib)
        drop acme size0 </dev/null
        refused acme size0 'ExecStart: missing'
        printf 'x' | drop acme size1
        refused acme size1 'line 1'
        for size in 65536 65537; do
                printf '[Job]\nName=size%s\nExecStart=/bin/true\n#' "$size" >"$D/stage/size"
                truncate -s "$size" "$D/stage/size"
                tr '\0' '#' <"$D/stage/size" | drop acme "size$size"
        done
        t_eq "$(verdict "$(job_of acme size65536)")" "exit 0"
        refused acme size65537 'larger than 65536 bytes'
        truncate -s 1T "$D/stage/sparse"
        drop_file acme sparse
        refused acme sparse 'larger than 65536 bytes'
        # Growing: left alone while it does, refused afterwards.
        as_acme sh -c "i=0; while [ \$i -lt 40 ]; do head -c 4096 /dev/zero; sleep 0.02; i=\$((i + 1)); done >$D/spool/acme/growing.job" &
        sleep 0.3
        [ -e "$D/spool/acme/growing.job" ] || t_fail "a growing file was taken"
        wait $!
        refused acme growing 'larger than 65536 bytes'
        rss=$(($(rss_kib) - rss))
        # A sanitizer keeps what is freed.
        [ "$rss" -lt "2048${SAN:+0}" ] || t_fail "the daemon grew by $rss KiB"
        others_are_served
}

rss_kib() {
        cat "/proc/$(d_pid)/status" "/proc/$(d_engine)/status" | awk '$1 == "VmRSS:" { n += $2 } END { print n }'
}

# drop_file TENANT NAME: as drop, but the file of that name in the stage, as it is.
drop_file() {
        chown "$(d_uid "$1")" "$D/stage/$2"
        mv "$D/stage/$2" "$D/spool/$1/$2.job"
}

# Contents (T7) -------------------------------------------------------------------------------

# The table: a file's name, what becomes of it (ok, or a pattern for the reason), its bytes.
contents() {
        local name want script
        mkdir "$D/stage/ini"
        script=$D/stage/ini.py
        cat >"$script" <<'END'
import sys
job = b"[Job]\nExecStart=/bin/true\n"
cases = {
    "nul": (b"[Job]\nExecStart=/bin/true\0User=root\n", "line 2.*NUL"),
    "nul-first": (b"\0" + job, "line 1.*NUL"),
    "cr": (b"[Job]\rExecStart=/bin/true\r", "line 1.*carriage return"),
    "crlf": (job.replace(b"\n", b"\r\n"), "line 1.*carriage return"),
    "escape": (job + b"Name=\x1b[31mred\n", "line 3.*control character"),
    "del": (job + b"Name=a\x7fb\n", "line 3.*control character"),
    "mark": (job + b"Name=\x01a\x01\n", "line 3.*control character"),
    "bom": (b"\xef\xbb\xbf" + job, "line 1.*byte order mark"),
    "bom-within": (job + b"Name=a\xef\xbb\xbfb\n", "line 3.*byte order mark"),
    "overlong": (job + b"Name=\xc0\xaf\n", "line 3.*UTF-8"),
    "surrogate": (job + b"Name=\xed\xa0\x80\n", "line 3.*UTF-8"),
    "cut-off": (job + b"Name=\xe2\x82\n", "line 3.*UTF-8"),
    "utf-8": (job + "Name=naïve-☃-𝄞\n".encode(), "ok"),
    "twice": (job + b"Name=a\nName=b\n", "line 4.*Name.*given twice"),
    "exec-twice": (job + b"ExecStart=/bin/false\n", "line 3.*ExecStart.*given twice"),
    "section-twice": (job + b"[Retry]\n[Job]\nName=x\n", r"line 4.*\[Job\] a second time"),
    "continued": (job + b"Environment=A=b\n C=d\n", "line 4.*indented"),
    "continued-tab": (job + b"Name=a\n\tUser=root\n", "line 4.*indented"),
    "no-equals": (job + b"Name\n", "line 3.*expected key=value"),
    "colon": (job + b"Name: x\n", "line 3.*expected key=value"),
    "empty-value": (job + b"Name=\n", "line 3.*Name.*1 to 128"),
    "empty-key": (job + b"=x\n", "line 3.*key of 1 to 96"),
    "no-section": (b"ExecStart=/bin/true\n", "line 1.*before the first"),
    "unclosed": (b"[Job\nExecStart=/bin/true\n", "line 1.*closing bracket"),
    "unclosed-later": (job + b"[Limits\ncpu=1\n", "line 3.*closing bracket"),
    "no-name": (b"[]\nExecStart=/bin/true\n", "line 1"),
    "nested": (b"[[Job]]\nExecStart=/bin/true\n", "line 1"),
    "behind-bracket": (b"[Job] x\nExecStart=/bin/true\n", "line 1.*bracket"),
    "long-section": (job + b"[" + b"s" * 200 + b"]\n", "line 3"),
    "cut-section": (job + b"[Limits" + b"\n", "line 3"),
    "long-key": (job + b"k" * 200 + b"=1\n", "line 3.*key of 1 to 96"),
    "unknown": (job + b"User=root\n", r"line 3.*User.*unknown key in \[Job\]"),
    "unknown-section": (job + b"[Service]\nUser=root\n", r"line 3.*unknown section \[Service\]"),
    "case": (job + b"name=x\n", "line 3.*did you mean Name"),
    "comment-only": (b"# nothing\n; here\n\n", "ExecStart: missing"),
    "quote-open": (b"[Job]\nExecStart=/bin/sh -c \"a\n", "line 2.*balanced quotes"),
    "comment": (b"# c\n[Job]\n; c\n\nExecStart=/bin/true\n", "ok"),
    "no-newline": (job[:-1], "ok"),
    "blanks": (b"[Job] \nExecStart = /bin/true \nName =  x\n", "ok"),
    "extension": (job + b"X-anything=goes\n[X-Mine]\nkey=value\n", "ok"),
    "many-keys": (job + b"X-a=b\n" * 10000, "ok"),
    "many-bad": (job + b"a=b\n" * 10000, "line 3.*unknown key"),
    "many-args": (b"[Job]\nExecStart=/bin/true" + b" a" * 30000 + b"\n", "."),
    "backslash": (b"[Job]\nExecStart=/bin/true \\\n", "line 2"),
    "one-line": (b"a" * 65536, "line 1"),
    "newlines": (b"\n" * 65000, "ExecStart: missing"),
}
for name, (text, want) in cases.items():
    with open(f"{sys.argv[1]}/{name}.job", "wb") as f:
        f.write(text)
    print(name, want)
END
        "$D_PYTHON" "$script" "$D/stage/ini" >"$D/stage/table"
        chown -R 61021 "$D/stage/ini"
        ctl limits set acme concurrency=4 >/dev/null
        rename_all "$D/stage/ini" acme
        t_wait 10 none_left acme
        t_wait 10 none_of_it_waits
        ctl limits unset acme concurrency >/dev/null
        while read -r name want; do
                if [ "$want" = ok ]; then
                        ! was_refused acme "$name" || t_fail "$name was refused: $(reason acme "$name")"
                elif [ "$want" = . ]; then
                        : # either, but nothing else breaks
                else
                        refused acme "$name" "$want"
                fi
        done <"$D/stage/table"
        t_eq "$(verdict "$(d_find acme naïve-☃-𝄞)")" "exit 0" "verdict of the one with UTF-8"
        others_are_served
}

# libinih reads 200 bytes of a line and takes the rest for a line of its own.
long_lines_are_not_split() {
        local i job script
        script=$(payload show-env <<'END'
#!/bin/sh
env | grep '^V[0-9]' | sort
END
)
        for i in 150 185 199 200 201 1000 20000; do
                printf '[Job]\nName=line%s\nExecStart=%s\nEnvironment=V1=%0*d\n' "$i" "$script" $((i - 15)) 0 | drop acme "line$i"
                job=$(job_of acme "line$i")
                t_eq "$(verdict "$job")" "exit 0"
                t_eq "$(ctl logs "$job" | tr -d '\n' | wc -c)" $((i - 12)) "what arrived of a line of $i bytes"
        done
        {
                printf '[Job]\nName=split\nExecStart=%s\n' "$script"
                for i in {170..215}; do
                        printf 'Environment=V%s=%0*dQueue=evil\n' "$i" "$i" 0
                        printf 'Environment=V9%s="%0*d\tQueue=evil ; # x"\n' "$i" "$i" 0
                done
        } | drop acme split
        job=$(job_of acme split)
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(d_field "$job" Queue)" default queue
        t_eq "$(ctl logs "$job" | grep -c 'Queue=evil$')" 46 "values that arrived whole"
        t_eq "$(ctl logs "$job" | grep -c 'Queue=evil ; # x$')" 46 "values with ; and #"
        # The file of which this was found.
        {
                printf '[Job]\nName=found\nExecStart=/bin/true\nX-Description=%0*d' 185 0
                printf 'User=root\n'
        } | drop acme found
        t_eq "$(verdict "$(job_of acme found)")" "exit 0"
}

values_are_kept() {
        local job
        printf '[Job]\nName=a ; b # c: d = e\nExecStart=/bin/echo a;b #c "x ; y" ;z\n' >"$D/stage/kept"
        job=$(ctl submit -t acme "$D/stage/kept")
        t_eq "$(verdict "$job")" "exit 0"
        t_eq "$(ctl logs "$job")" "a;b #c x ; y ;z" output
        t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["name"]')" "a ; b # c: d = e" name
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
        ln -s "$D/vault" "$D/spool/linked"
        mkdir -m 0700 "$D/spool/a b" "$D/spool/-x" "$D/spool/$(printf '%0100d' 0)"
        echo x >"$D/spool/file"
        chown 61023 "$D/spool/a b" "$D/spool/-x"
        others_are_served
        ! ctl tenants | grep -qE 'linked|a b|file|00000' || t_fail "a tenant: $(ctl tenants)"
        rm -rf "$D/spool/linked" "$D/spool/a b" "$D/spool/-x" "$D/spool/$(printf '%0100d' 0)" "$D/spool/file"
}

# Numbers (T9) --------------------------------------------------------------------------------

numbers() {
        local line want section text status
        while read -r want section text; do
                case $section in
                Job) printf '[Job]\nExecStart=/bin/true\n%s\n' "$text" ;;
                *) printf '[Job]\nExecStart=/bin/true\n[%s]\n%s\n' "$section" "$text" ;;
                esac >"$D/stage/number"
                status=0
                line=$(ctl validate "$D/stage/number") || status=$?
                case $want in
                ok) t_eq "$status" 0 "exit status for $text ($line)" ;;
                *) t_eq "$status" 3 "exit status for $text ($line)" ;;
                esac
        done <<'END'
ok Job Priority=0
ok Job Priority=-1
ok Job Priority=100
ok Job Priority=-100
no Job Priority=101
no Job Priority=-101
no Job Priority=--1
no Job Priority=+1
no Job Priority=- 1
no Job Priority=1 1
no Job Priority=0x10
no Job Priority=1e1
no Job Priority=1.0
no Job Priority=5%
no Job Priority=٣
no Job Priority=２
no Job Priority=2147483648
no Job Priority=4294967296
no Job Priority=9223372036854775808
no Job Priority=18446744073709551616
no Job Priority=99999999999999999999999999999999999999
no Job Priority=
ok Job RuntimeMaxSec=1
ok Job RuntimeMaxSec=1h 30min
ok Job RuntimeMaxSec=infinity
no Job RuntimeMaxSec=0
no Job RuntimeMaxSec=-1
no Job RuntimeMaxSec=1e9
no Job RuntimeMaxSec=0x10
no Job RuntimeMaxSec=5%
no Job RuntimeMaxSec=1 fortnight
no Job RuntimeMaxSec=18446744073709551615
no Job RuntimeMaxSec=999999999999999999999h
no Job RuntimeMaxSec=٣
no Job TimeoutStopSec=2h
no Job TimeoutStopSec=-1
no Job StartAfter=2026-02-31 00:00
no Job StartAfter=2026-13-01 00:00
no Job StartAfter=tomorrow
no Job StartAfter=1
no Job StartAfter=99999-01-01 00:00
ok Limits memory=4096
ok Limits memory=512M
ok Limits memory=max
no Limits memory=4095
no Limits memory=-1
no Limits memory=0
no Limits memory=1.5
no Limits memory=0x1000
no Limits memory=1e9
no Limits memory=512m
no Limits memory=512MB
no Limits memory=512 M
no Limits memory=50%
no Limits memory=16777216T
no Limits memory=17E
no Limits memory=18446744073709551615
no Limits memory=18446744073709551616
no Limits memory=٣G
ok Limits cpu=0.5
ok Limits cpu=2
no Limits cpu=0
no Limits cpu=0.001
no Limits cpu=-1
no Limits cpu=1e1
no Limits cpu=.5
no Limits cpu=1.
no Limits cpu=1,5
no Limits cpu=nan
no Limits cpu=inf
no Limits cpu=18446744073709551615
ok Limits CPUQuota=50%
no Limits CPUQuota=50
no Limits CPUQuota=-50%
no Limits CPUQuota=%
no Limits cpu_weight=0
no Limits cpu_weight=10001
ok Limits pids=1
no Limits pids=0
no Limits pids=-1
no Limits pids=4194305
ok Limits cpus=0-3,8
no Limits cpus=3-1
no Limits cpus=-1
no Limits cpus=0-99999999999
no Limits cpus=
ok Limits io_read=10M
ok Limits io_read@/dev/sda=10M
no Limits io_read=-1
no Limits io_read@=10M
no Limits io_read@/dev/../etc/shadow=10M
no Limits io_read@relative=10M
ok Limits io_riops@8:0=100
no Limits io_riops@8:0:0=100
no Limits io_riops@-1:0=100
no Limits concurrency=5
ok Retry MaxAttempts=3
no Retry MaxAttempts=0
no Retry MaxAttempts=-1
no Retry MaxAttempts=1001
END
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

# Commands (T17) ------------------------------------------------------------------------------

commands() {
        local files=$D/payload
        # gives COMMAND VERDICT
        gives() {
                t_eq "$(verdict "$(ctl run -t acme -- "$1")")" "$2" "verdict of $1"
        }
        # An ELF of another machine: 183 is EM_AARCH64.
        "$D_PYTHON" -c 'import struct, sys
sys.stdout.buffer.write(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 4096))' | payload foreign-elf >/dev/null
        head -c 30 /bin/true | payload cut-elf >/dev/null
        echo 'echo no interpreter line' | payload plain-text >/dev/null
        printf '#!/no/such/interpreter\n' | payload no-interpreter >/dev/null
        payload empty </dev/null >/dev/null
        mkdir -p "$files/directory"
        ln -sf loop "$files/loop"
        install -m 0755 -o 61022 /bin/true "$D/spool/globex/hidden-program"
        gives "$files/foreign-elf" "spawn (exec: Exec format error)"
        gives "$files/cut-elf" "spawn (exec: Exec format error)"
        gives "$files/plain-text" "spawn (exec: Exec format error)"
        gives "$files/empty" "spawn (exec: Exec format error)"
        gives "$files/no-interpreter" "spawn (interpreter: the program is there, its interpreter is not)"
        gives "$files/directory" "spawn (exec: Permission denied)"
        gives "$files/loop" "spawn (exec: Too many levels of symbolic links)"
        gives "$D/spool/globex/hidden-program" "spawn (exec: Permission denied)"
        gives "$D/vault/0" "spawn (exec: Permission denied)"
        gives "/$(printf '%0300d' 0)" "spawn (exec: File name too long)"
        rm "$D/spool/globex/hidden-program"
        no_leftovers
        others_are_served
}

# Neither what a file's mode says nor where it lies gives a payload more than its tenant has.
setuid_has_no_effect() {
        local job
        install -m 4755 "$(readlink -f "$(command -v id)")" "$D/payload/setuid-id"
        install -m 2755 "$(readlink -f "$(command -v id)")" "$D/payload/setgid-id"
        job=$(ctl run -t acme -- "$D/payload/setuid-id" -u)
        t_eq "$(verdict "$job") $(ctl logs "$job")" "exit 0 61021" "setuid"
        job=$(ctl run -t acme -- "$D/payload/setgid-id" -g)
        t_eq "$(verdict "$job") $(ctl logs "$job")" "exit 0 61021" "setgid"
        if command -v setcap >/dev/null; then
                install -m 0755 /bin/cat "$D/payload/capable"
                if setcap cap_dac_override+ep "$D/payload/capable" 2>/dev/null; then
                        ! ctl run -w -t acme -- "$D/payload/capable" "$D/vault/0" || t_fail "a file's capability had an effect"
                fi
        fi
        d_status 1 ctl run -w -t acme -- cat "$D/vault/0"
        d_status 1 ctl run -w -t acme -- cat "$D/vault/61022"
        not_leaked
}

noexec_mount() {
        mkdir -p "$D/mnt"
        mount -t tmpfs -o noexec,mode=0755 tmpfs "$D/mnt" 2>/dev/null || t_skip "can't mount a tmpfs here"
        install -m 0755 /bin/true "$D/mnt/true"
        t_eq "$(verdict "$(ctl run -t acme -- "$D/mnt/true")")" "spawn (exec: Permission denied)"
        umount "$D/mnt"
}

# Environment (T18) ---------------------------------------------------------------------------

environment() {
        local name job gate pid
        for name in NOTIFY_SOCKET LISTEN_FDS LISTEN_PID INVOCATION_ID JOURNAL_STREAM WATCHDOG_USEC MAINPID TENANTQ_JOB TENANTQ_ANYTHING; do
                printf '[Job]\nExecStart=/bin/true\nEnvironment=%s=1\n' "$name" >"$D/stage/reserved"
                d_status 3 ctl submit -t acme "$D/stage/reserved"
        done
        for name in '=1' '1A=1' 'A B=1' 'A' '"A B=1"' 'A-B=1' 'Ä=1' '"A=1'; do
                printf '[Job]\nExecStart=/bin/true\nEnvironment=%s\n' "$name" >"$D/stage/malformed"
                d_status 3 ctl submit -t acme "$D/stage/malformed"
        done
        # What it may set reaches its own program and nobody else.
        gate=$(d_gate_make env)
        printf '[Job]\nName=injects\nExecStart=/bin/sh -c "read x <%s; exit 0"\nEnvironment=LD_PRELOAD=/tmp/evil.so LD_AUDIT=/tmp/evil.so GLIBC_TUNABLES=glibc.malloc.check=3 PATH=/evil BASH_ENV=/evil ENV=/evil\n' "$gate" | drop acme injects
        job=$(job_of acme injects)
        t_wait 5 d_state_is "$job" running
        for pid in $(d_pids "$job"); do
                if [[ "$(readlink "/proc/$pid/exe")" = "$D/bin/tenantq-exec" ]]; then
                        t_eq "$(tr -d '\0' <"/proc/$pid/environ")" "" "environment of tenantq-exec"
                else
                        tr '\0' '\n' <"/proc/$pid/environ" | grep -qx PATH=/evil || t_fail "the job's own environment"
                fi
        done
        t_eq "$(tr -d '\0' <"/proc/$(d_engine)/environ")" "" "environment of the engine"
        ! tr '\0' '\n' <"/proc/$(d_pid)/environ" | grep -q evil || t_fail "the daemon's environment"
        d_gate_open env
        t_eq "$(verdict "$job")" "exit 0"
}

# More than is its due (T19, T20) -------------------------------------------------------------

more_than_its_due() {
        local line gate job
        gate=
        for line in User=root Group=root DynamicUser=no Slice=x.slice Delegate=yes Nice=-5 CPUSchedulingPolicy=fifo IOSchedulingClass=realtime \
                OOMScoreAdjust=-1000 LimitNOFILE=1000000 AmbientCapabilities=CAP_SYS_ADMIN RootDirectory=/ NoNewPrivileges=no PAMName=login; do
                printf '[Job]\nExecStart=/bin/true\n%s\n' "$line" >"$D/stage/more"
                d_status 3 ctl submit -t acme "$D/stage/more"
        done
        ctl limits set acme runtime=10min >/dev/null
        printf '[Job]\nName=long\nExecStart=/bin/true\nRuntimeMaxSec=1h\n' >"$D/stage/long"
        d_status 3 ctl submit -t acme "$D/stage/long"
        drop acme long <"$D/stage/long"
        refused acme long 'RuntimeMaxSec|runtime: asks for 1h, above the 10min of tenant acme'
        ctl limits unset acme runtime >/dev/null
        # Accepted, and only then lowered: what counts is what is in force when it runs.
        gate=$(d_gate_make due)
        ctl run -t acme -- sh -c "read x <$gate" >/dev/null
        printf '[Job]\nExecStart=/bin/sleep 30\nRuntimeMaxSec=1h\n' >"$D/stage/long"
        job=$(ctl submit -t acme "$D/stage/long")
        ctl limits set acme runtime=400ms >/dev/null
        d_gate_open due
        t_eq "$(verdict "$job")" "timeout (tenant)"
        ctl limits unset acme runtime >/dev/null
        # A limit that can't be enforced here is never silently none.
        if ! grep -qw memory "$D_CGROUP/cgroup.controllers"; then
                printf '[Job]\nName=limited\nExecStart=/bin/true\n[Limits]\nmemory=64M\n' >"$D/stage/limited"
                job=$(ctl submit -t acme "$D/stage/limited" 2>"$D/stage/why") || job=
                if [ -n "$job" ]; then
                        t_match "$(verdict "$job")" '^spawn \((limits|cgroup)' "verdict of a job with a limit that is none"
                else
                        t_match "$(cat "$D/stage/why")" 'memory' "why it was refused"
                fi
        fi
        others_are_served
}

profiles() {
        local profile
        for profile in permissive debug strict no-network none unconfined '' 'default ' '../default' DEFAULT; do
                printf '[Job]\nExecStart=/bin/true\n[Sandbox]\nProfile=%s\n' "$profile" >"$D/stage/profile"
                if [ "$profile" = 'default ' ]; then
                        d_status 0 ctl submit -t acme "$D/stage/profile" # blanks at the end of a line are none
                else
                        d_status 3 ctl submit -t acme "$D/stage/profile"
                fi
        done
        printf '[Job]\nExecStart=/bin/true\n[Sandbox]\nProfile=permissive\n' | drop acme permissive
        refused acme permissive "can't weaken it"
}

# Afterwards ----------------------------------------------------------------------------------

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

nothing_is_left_open() {
        local now
        now=$(fd_count "$(cat "$D/stage/pid")")
        [ "$now" -le $(($(cat "$D/stage/fds") + 8)) ] || t_fail "descriptors of tenantqd: $(cat "$D/stage/fds"), now $now"
        t_eq "$(strings "$D/state/ledger/ledger.db" "$D/state/ledger/ledger.db-wal" 2>/dev/null | grep -cF "$token" || true)" 0 "the secret in the ledger"
        not_leaked
        no_leftovers
}

fd_count "$(d_pid)" >"$D/stage/fds"
d_case "symbolic links (T1)" symbolic_links
d_case "hard links and other people's files (T2)" hard_links
d_case "FIFO, socket, directories, device (T3)" other_kinds
d_case "what appears by link(2)" appears_by_link
d_case "a hostile rejected/" rejected_is_hostile
d_case "names that change between the looks (T4)" names_that_change
d_case "contents that change under the reader (T5)" contents_that_change
d_case "a writer after the claim (T5)" writer_after_claim
d_case "sizes (T6)" sizes
d_case "contents (T7)" contents
d_case "long lines are not split (T7)" long_lines_are_not_split
d_case "values are kept as they are (T7)" values_are_kept
d_case "names of files (T8)" names
d_case "directories that are no tenants (T8, T13)" directories_that_are_no_tenants
d_case "numbers (T9)" numbers
d_case "times of files (T14)" times_of_files
d_case "commands that can't be executed (T17)" commands
d_case "setuid has no effect (T17)" setuid_has_no_effect
d_case "a noexec mount (T17)" noexec_mount
d_case "environment (T18)" environment
d_case "more than is its due (T19)" more_than_its_due
d_case "profiles (T20)" profiles
d_case "nothing is left open or over" nothing_is_left_open
d_case "a refusal is one event" refusals_are_counted_once
cp "$D/pid" "$D/stage/pid"
d_engine >"$D/stage/engine"
d_case "rejected/ is bounded" rejected_is_bounded
d_report
t_summary
