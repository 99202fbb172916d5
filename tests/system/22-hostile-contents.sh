#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a hostile tenant can write into a job file (T6, T7, T9): of any size, of any bytes, lines, values and numbers. It
# is taken as it is, or refused at its line.

# shellcheck source=hostile.sh
. "$(dirname "$0")/hostile.sh"

h_init

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
no Job StartAfter=someday
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

d_case "sizes (T6)" sizes
d_case "contents (T7)" contents
d_case "long lines are not split (T7)" long_lines_are_not_split
d_case "values are kept as they are (T7)" values_are_kept
d_case "numbers (T9)" numbers
d_case "nothing is left over" no_leftovers
d_report
t_summary
