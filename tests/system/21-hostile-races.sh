#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a hostile tenant can change while the daemon looks at it (T4, T5): names, contents, and who writes. A job is one
# state of one file.

# shellcheck source=hostile.sh
. "$(dirname "$0")/hostile.sh"

h_init

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

d_case "names that change between the looks (T4)" names_that_change
d_case "contents that change under the reader (T5)" contents_that_change
d_case "a writer after the claim (T5)" writer_after_claim
d_case "nothing is left over" no_leftovers
d_report
t_summary
