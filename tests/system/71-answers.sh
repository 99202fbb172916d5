#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Long answers on the control socket: they come in pages, and nobody is harmed by those that are never read, read all
# the time, or not fit to be cut.

# shellcheck source=socket.sh
. "$(dirname "$0")/socket.sh"

s_init
n_many=2000 # jobs of the tenant `many`

# Much to ask for -----------------------------------------------------------------------------

# many_files TENANT N TEXT: N job files at once.
many_files() {
        "$D_PYTHON" - "$D" "$1" "${uid[$1]}" "$2" "$3" <<'END'
import os, sys
d, tenant, uid, n, text = sys.argv[1:]
for i in range(int(n)):
    path = "%s/stage/m%d.job" % (d, i)
    with open(path, "w") as f:
        f.write(text)
    os.chown(path, int(uid), -1)
    os.rename(path, "%s/spool/%s/m%d.job" % (d, tenant, i))
END
}

spool_is_empty() {
        [ -z "$(find "$D/spool/$1" -maxdepth 1 -name '*.job' -print -quit)" ] &&
                [ -z "$(find "$D/spool/.claims" -type f -print -quit)" ]
}

shows_all_rows() {
        local n
        n=$(D_TIMEOUT=10 ctl ps -n 10000 many | grep -c '^ *[0-9]') || true
        [ "$n" -eq "$n_many" ] || {
                echo "$n rows of $n_many"
                return 1
        }
}

prepare() {
        many_files many "$n_many" "$(printf '[Job]\nName=long\nExecStart=/bin/true\n%s\nLabels=l=%01000d' "$later" 0)"
        many_files t2 550 "no job"
        t_wait 30 spool_is_empty many
        t_wait 30 spool_is_empty t2
        t_wait 10 shows_all_rows
        # What root does is all in the audit.
        ctl ps -n 300 many | awk '$1 ~ /^[0-9]+$/ { print $1 }' >"$D/stage/held"
        xargs -a "$D/stage/held" "$D/bin/tenantqctl" hold >/dev/null
        xargs -a "$D/stage/held" "$D/bin/tenantqctl" release >/dev/null
}

# Pages ---------------------------------------------------------------------------------------

# A list comes in pages of at most 500 rows and 128 KiB, and each says where the next one begins.
pages() {
        local n_audit script='
import json
b = Bus()
def pages(limit, method, signature, *question):
    sizes, rows, before = [], [], 0
    while not sizes or before:
        m = b.ask(method, signature, *question, before, limit)
        sizes.append(len(m.table()))
        m.at = 0
        rows += m.table()
        before = m.next()
    return sizes, rows
method, signature, key, *question = json.loads(sys.argv[1])
sizes, rows = pages(10000, method, signature, *question)
few, some = pages(300, method, signature, *question)
say(max(sizes), max(few))
say(len(rows), len({json.dumps(r) for r in rows}), len(some))
keys = [r[key] for r in rows]
say(keys == sorted(keys, reverse=True))'
        n_audit=$(ctl --json audit list -n 10000 | d_json 'len(j["audit"])')
        [ "$n_audit" -gt 500 ] || t_fail "too few rows: $n_audit"
        t_eq "$(abuse "${uid[many]}" "$script" '["ListJobs", "sbtu", "job", "", 0]' | paste -sd' ')" \
                "99 99 $n_many $n_many $n_many True" "pages of jobs of 1.2 KB"
        t_eq "$(abuse 0 "$script" '["ListAudit", "sbtu", "audit", "", false]' | paste -sd' ')" \
                "500 300 $n_audit $n_audit $n_audit True" "pages of the audit"
        # The client puts them together again, and takes no more than it was asked for.
        t_eq "$(as many ps -n 10000 | grep -c '^ *[0-9]')" "$n_many" "rows of ps"
        t_eq "$(as many --json ps -n 1234 | d_json 'len(j["jobs"])')" 1234 "rows of ps -n 1234"
        t_eq "$(ctl --json audit list -n 10000 | d_json 'len(j["audit"])')" "$n_audit" "the audit"
}

# A text that is cut is cut at a character's end: what a tenant writes spoils no list.
texts_that_are_cut() {
        local job i
        ctl pause t4/cut
        job=$(as t4 run -q cut -- true)
        for i in "" x xy; do
                as t4 hold -m "$i$(printf 'é%.0s' {1..300})" "$job"
                as t4 release -m "$i$(printf 'é%.0s' {1..300})" "$job"
                ctl hold -m "$i$(printf '€%.0s' {1..300})" t4/cut >/dev/null
                ctl release t4/cut >/dev/null
                ctl limits set -m "$i$(printf 'é%.0s' {1..300})" t4 concurrency=7 >/dev/null
                ctl limits unset t4 concurrency >/dev/null
                ctl events -n 10000 >/dev/null
                ctl --json events -n 10000 | "$D_PYTHON" -m json.tool >/dev/null
        done
        printf '[Job]\nExecStart=/bin/true\nQueue=cut\nAfter=%s\n' "$(for i in {1..9}; do printf 'x%s%d ' "$(printf 'é%.0s' {1..40})" "$i"; done)" |
                ctl submit -t t4 /dev/stdin >"$D/stage/after"
        within 1000 ctl explain "$(cat "$D/stage/after")"
        ctl cancel "$job" "$(cat "$D/stage/after")"
        ctl resume t4/cut
}

# Readers -------------------------------------------------------------------------------------

# Large answers to all the connections that one may have, and none of them read.
unread_answers() {
        local unloaded
        no_trail
        within 2000 as quiet run -w -q load -- true
        unloaded=$(cat "$D/stage/took")
        mark_memory
        start_abuse unread "${uid[many]}" '
pid = sys.argv[1]
before = memory(pid)
question = b"".join(call("ListJobs", "sbtu", "", 0, 0, 10000, serial=i) for i in range(1, 21))
greedy = [Bus().socket for i in range(64)]
for s in greedy:
    s.setblocking(False)
    s.send(question)
say(len(greedy), "ask")
end = time.monotonic() + 9
while time.monotonic() < end:
    # Enough is enough: the case has failed by then.
    if memory(pid) > before + (100 << 10) and sys.argv[2] == "plain":
        sys.exit("the engine has %d MiB more" % ((memory(pid) - before) >> 10))
    time.sleep(0.1)
say(len(closed(greedy)), "ended")
until_released()' "$engine" "$(d_is_sanitized && echo sanitized || echo plain)"
        t_eq "$(said unread)" "64 ask"
        within 5000 shows_all_rows
        note "ps of $n_many rows meanwhile: $(cat "$D/stage/took") ms"
        within 2000 as quiet run -w -q load -- true
        note "a job of another tenant: $unloaded ms without load, $(cat "$D/stage/took") ms with it"
        others_are_served 2000
        t_wait 15 has_said_or_ended unread ended
        memory_grew_less_than 32
        note "of 64 connections that read nothing: $(said unread | tail -n 1)"
        [ "$(said unread | awk '/ended/ { print $1 }')" -gt 0 ] || t_fail "nobody minds that answers are not read"
        end_abuse unread
        t_wait 10 serves as many ps
}

# An answer with a descriptor that is not read counts against what all callers may have in flight (unix(7)).
unread_descriptors() {
        local job
        no_trail
        job=$(as quiet run -w -q out -- echo output >/dev/null && ctl --json ps --state 'done' -n 1 quiet | d_json 'j["jobs"][0]["job"]')
        start_abuse unread 0 '
greedy = [Bus() for i in range(16)]
for b in greedy:
    for i in range(20):
        b.send("OpenLog", "ts", int(sys.argv[1]), "out")
time.sleep(2)
opened, refused = 0, set()
for b in greedy:
    for i in range(20):
        try:
            b.read()
            opened += 1
        except Error as e:
            refused.add(str(e))
say(opened, "opened", *refused)
say("then:", type(greedy[0].ask("OpenLog", "ts", int(sys.argv[1]), "out")).__name__)
until_released()' "$job"
        t_wait 15 has_said_or_ended unread then:
        t_eq "$(said unread)" $'16 opened org.tenantq.Error.Busy\nthen: Message' "what 16 connections got that read nothing"
        end_abuse unread
        t_eq "$(as quiet logs "$job")" output "the log"
}

# Sixteen who ask for everything, read it and ask again.
readers_in_a_loop() {
        local i slowest=0
        no_trail
        start_abuse loop "${uid[many]}" '
def ask(b, before):
    b.send("ListJobs", "sbtu", "", 0, before, 10000)
poll, readers, pages = select.poll(), {}, 0
for i in range(16):
    b = Bus()
    readers[b.socket.fileno()] = b
    poll.register(b.socket, select.POLLIN)
    ask(b, 0)
say("ask")
end = time.monotonic() + 40
while time.monotonic() < end and not os.path.exists(os.environ["RELEASE"]):
    for fd, events in poll.poll(100):
        b = readers[fd]
        b.receive(5)
        while m := b.take():
            if m.is_error:
                raise Error(m.error)
            pages += 1
            ask(b, m.next())
say(pages, "answers")'
        sleep 1
        for i in {1..10}; do
                within 1000 as quiet run -w -q loop -- true
                [ "$(cat "$D/stage/took")" -le "$slowest" ] || slowest=$(cat "$D/stage/took")
        done
        note "the slowest of 10 jobs of another tenant: $slowest ms"
        others_are_served 1000
        end_abuse loop
        note "$(said loop | tail -n 1)"
}

t_case "much to ask for" prepare
s_case "lists come in pages" pages
s_case "answers that nobody reads" unread_answers
s_case "descriptors that nobody takes" unread_descriptors
s_case "texts that are cut" texts_that_are_cut
s_case "readers in a loop" readers_in_a_loop
s_report
t_summary
