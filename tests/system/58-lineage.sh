#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What follows a job: its correlation, labels and trace; and what it came from and became.

# shellcheck source=queue.sh
. "$(dirname "$0")/queue.sh"

q_init
trace=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
shown="$D/payload/shown"
payload shown <<'END' >/dev/null
#!/bin/sh
env | grep -E '^(TENANTQ_(CORR|LABEL)|TRACEPARENT)' | LC_ALL=C sort
END

# ended JOB: its output, once it has ended well.
ended() {
        t_eq "$(verdict "$1")" "exit 0" "job $1"
        ctl logs "$1"
}

trail() {
        printf '%s\n' CorrelationId=req-7 "Labels=team=billing \"kind=a b\"" Labels=e= "TraceParent=$trace"
}

surroundings() {
        local want job again lines=()
        mapfile -t lines < <(trail)
        want="TENANTQ_CORRELATION_ID=req-7
TENANTQ_LABEL_e=
TENANTQ_LABEL_kind=a b
TENANTQ_LABEL_team=billing
TRACEPARENT=$trace"
        job=$(put acme "ExecStart=$shown" "${lines[@]}")
        t_eq "$(ended "$job")" "$want" "by submit"
        job "ExecStart=$shown" Name=dropped "${lines[@]}" | drop acme dropped
        t_wait 5 d_exists acme dropped
        t_eq "$(ended "$(d_find acme dropped)")" "$want" "by a file"
        again=$(ctl rerun "$job")
        t_eq "$(ended "$again")" "$want" "of a copy"
        t_eq "$(ended "$(put acme "ExecStart=$shown")")" "" "of a job that says nothing"
        t_eq "$(ended "$(put acme "ExecStart=$shown" "TraceParent=$trace" Environment=TRACEPARENT=own)")" TRACEPARENT=own "Environment="
}

# Who runs a command starts it, and hands on his span; a file is what it is.
by_run() {
        local job
        job=$(TRACEPARENT=$trace ctl run -t acme --label team=billing --label "kind=a b" -- "$shown")
        t_eq "$(ended "$job")" "TENANTQ_LABEL_kind=a b
TENANTQ_LABEL_team=billing
TRACEPARENT=$trace"
        t_eq "$(ctl ps -a -n 1 --noheadings -o labels,trace_parent acme | tr -s ' ')" "team=billing \"kind=a b\" $trace"
        t_eq "$(ended "$(TRACEPARENT=${trace}x ctl run -t acme -- "$shown")")" "" "no trace"
        t_eq "$(TRACEPARENT=$trace put acme "ExecStart=$shown" >"$D/number" && ended "$(cat "$D/number")")" "" "submit"
        d_status 3 ctl run -t acme --label a-b=c -- /bin/true 2>"$D/said"
        t_match "$(cat "$D/said")" 'Labels: expected KEY=VALUE words, with a KEY of A-Z a-z 0-9 _'
        d_status 3 ctl run -t acme --label $'a=b\nc' -- /bin/true 2>"$D/said"
        t_match "$(cat "$D/said")" 'Labels: .* VALUE without control characters'
        d_status 3 ctl run -t acme --label a=1 --label a=2 -- /bin/true 2>"$D/said"
        t_match "$(cat "$D/said")" 'Labels: expected each KEY once'
}

rows() {
        local job lines=()
        mapfile -t lines < <(trail)
        job=$(put acme Name=followed "${lines[@]}")
        t_eq "$(verdict "$job")" "exit 0"
        d_restart
        t_eq "$(ctl --json ps -a -n 1 acme | d_json '[j["jobs"][0][k] for k in ("job", "correlation_id", "labels", "trace_parent")]')" \
                "[$job, \"req-7\", \"team=billing \\\"kind=a b\\\" e=\", \"$trace\"]"
        t_eq "$(d_field "$job" Trace)" "$trace"
        t_eq "$(d_field "$job" Correlation)" req-7
        t_eq "$(ctl --json status "$job" | d_json 'j["jobs"][0]["trace_parent"]')" "$trace"
}

# Wrong files say what was expected.
refused() {
        local line
        while read -r line; do
                d_status 3 put acme "${line%%|*}" 2>"$D/said"
                t_match "$(cat "$D/said")" "${line#*|}"
        done <<'END'
CorrelationId=two words|CorrelationId: expected a word of 1 to 128 characters of ASCII
TraceParent=00-1-1-1|TraceParent: expected a traceparent of W3C Trace Context
Labels=a=1 a=2|Labels: expected each KEY once
Inputs=a\x1b[2J|Inputs: expected names of 1 to 255 bytes without control characters, at most 32
Parent=|Parent: expected a job's number or name, or another text
END
}

# Jobs of acme: the pipeline of the manual, and a job of globex with the same names.
pipeline() {
        local a b c other tree want
        a=$(put acme Name=extract Outputs=sales)
        b=$(put acme Name=load Parent=extract 'Inputs=sales "other rates"' Outputs=report.pdf)
        c=$(put acme Name=mail Inputs=report.pdf "Parent=ticket 17" "ExecStart=/bin/false")
        other=$(put globex Name=load Inputs=sales Outputs=theirs)
        for want in "$a" "$b" "$other"; do t_eq "$(verdict "$want")" "exit 0"; done
        t_eq "$(verdict "$c")" "exit 1"
        tree=$(ctl lineage "$b")
        t_eq "$tree" "job $b load (exit 0)
came from
├─parent: job $a extract (exit 0)
├─input: other rates
└─input: sales
  └─output of job $a extract (exit 0) (see above)
became
└─output: report.pdf
  └─input of job $c mail (exit 1)"
        t_eq "$(ctl lineage -t acme sales)" "sales
came from
└─output of job $a extract (exit 0)
became
└─input of job $b load (exit 0)
  └─output: report.pdf
    └─input of job $c mail (exit 1)"
        t_eq "$(ctl lineage -t acme load)" "$tree" "by its name"
        t_eq "$(ctl lineage -t acme 'ticket 17' | tail -n 1)" "└─parent of job $c mail (exit 1)" "by a text"
        t_eq "$(ctl lineage -t globex sales)" "sales
came from nothing that is known
became
└─input of job $other load (exit 0)
  └─output: theirs" "another tenant's"
        t_eq "$(ctl --json lineage "$c" | d_json '[[r[k] for k in ("direction", "depth", "kind", "job", "name", "more")] for r in j["lineage"]][:4]')" \
                "[[null, 0, null, $c, \"mail\", null], [\"from\", 1, \"parent\", null, \"ticket 17\", null], [\"from\", 1, \"input\", null, \"report.pdf\", null], [\"from\", 2, \"output\", $b, \"load\", null]]"
        d_restart
        t_eq "$(ctl lineage "$b")" "$tree" "after a restart"
}

# What waits says so.
waiting() {
        local first second
        first=$(put acme Name=made-later "StartAfter=$(at 600)" Outputs=later)
        second=$(put acme Name=needs Inputs=later After=made-later)
        t_eq "$(ctl lineage "$second" | sed -n 3,4p)" "└─input: later
  └─output of job $first made-later (scheduled)"
        ctl cancel "$first"
        t_match "$(verdict "$second")" dependency
}

own_only() {
        local theirs
        theirs=$(put globex Name=secret Inputs=hidden)
        put acme Name=open Inputs=visible "Parent=$theirs" >"$D/number"
        t_eq "$(ctl_as 61601 61601 lineage visible | tail -n 1)" "└─input of job $(cat "$D/number") open (exit 0)" "its own"
        t_eq "$(ctl_as 61601 61601 lineage "$(cat "$D/number")" | sed -n 3p)" "├─parent: $theirs" "somebody else's number is a text"
        d_status 5 ctl_as 61601 61601 lineage "$theirs" 2>"$D/said"
        t_match "$(cat "$D/said")" "no job $theirs\$"
        d_status 5 ctl_as 61601 61601 lineage hidden 2>"$D/said"
        t_match "$(cat "$D/said")" 'hidden: no job of acme is called that, or has that in Parent=, Inputs= or Outputs='
        d_status 5 ctl_as 61601 61601 lineage -t globex hidden 2>"$D/said"
        t_match "$(cat "$D/said")" 'no tenant "globex"'
        d_status 5 ctl_as 61999 61999 lineage "$theirs" 2>/dev/null
        d_status 5 ctl lineage 99999999 2>/dev/null
        d_status 5 ctl lineage hidden 2>"$D/said"
        t_match "$(cat "$D/said")" 'say which tenant with -t'
        d_status 2 ctl lineage -t acme 1 2>"$D/said"
        t_match "$(cat "$D/said")" "a job's number says whose it is"
}

# As much as a file may say, in circles, from many jobs: bounded, whole, escaped, and the rest is told.
hostile() {
        local i job before after names=() out
        for ((i = 0; i < 32; i++)); do names+=("$(printf 'n%0254d' "$i")"); done
        for ((i = 0; i < 40; i++)); do
                job "Name=loop" "Inputs=${names[*]}" "Outputs=${names[*]}" Parent=loop >"$D/stage/loop.job"
                job=$(ctl submit -t acme "$D/stage/loop.job")
        done
        t_eq "$(verdict "$job")" "exit 0"
        before=$(date +%s%N)
        out=$(ctl lineage "$job")
        after=$(date +%s%N)
        in_range "$(((after - before) / 1000000))" 0 1500 "ms"
        t_eq "$(sed -n '/^came/,/^became/p' <<<"$out" | grep -c '─')" 256 "rows of a direction"
        t_match "$out" 'only 256 rows of a direction are shown'
        for ((i = 0; i < 17; i++)); do put acme "Parent=a text" >/dev/null; done
        out=$(ctl lineage -t acme "a text")
        t_eq "$(grep -c '^[├└]─parent of' <<<"$out")" 16 "branches"
        t_match "$out" 'of what has more than 16 branches of a kind, 16 are shown'
        # What would turn the text of a terminal is no name; of a text it is not shown so.
        for out in 'Inputs="‮x"' $'Outputs=\xc2\x9b1m'; do
                printf '[Job]\nExecStart=/bin/true\n%s\n' "$out" | d_status 3 ctl submit -t acme - 2>"$D/said"
                t_match "$(cat "$D/said")" "-:3: ${out%%=*}: expected .* without control characters"
        done
        job=$(put acme Name=odd 'Inputs="a\\b"' $'Parent=\xc2\x9b1m')
        ctl lineage "$job" >"$D/said"
        ! grep -q $'\xc2\x9b' "$D/said" || t_fail "a control character went to the terminal"
        ctl --json lineage "$job" | d_json 'len(j["lineage"])' >/dev/null
}

rows_of() {
        ctl ledger export | d_lines "$1"
}

# d_lines TENANT-NUMBER: how many rows of lineage.
d_lines() {
        grep -c "^{\"table\":\"lineage\",.*\"tenant\":$1}\$" || true
}

# A tenant's rows go with it, and no other's. One by another name has its own.
tenant_ends() {
        local number job
        job=$(put initech Name=it Inputs=in Outputs=out)
        t_eq "$(verdict "$job")" "exit 0"
        number=$(ctl --json ps -a -n 1 initech | d_json 'j["jobs"][0]["tenant_id"]')
        t_eq "$(rows_of "$number")" 2 "rows"
        rm "$D/etc/tenants.d/initech.conf"
        ctl tenant rename --config "$D/etc" initech umbrella >/dev/null
        t_match "$(ctl lineage -t umbrella out)" "output of job $job it"
        mkdir -m 700 "$D/archives"
        ctl tenant remove --config "$D/etc" --archive "$D/archives/umbrella" umbrella >/dev/null
        t_eq "$(d_lines "$number" <"$D/archives/umbrella/ledger.jsonl")" 2 "rows of the archive"
        t_eq "$(rows_of "$number")" 0 "rows that are left"
        t_eq "$([ "$(ctl ledger export | grep -c '"table":"lineage"')" -gt 0 ] && echo some)" some "others' rows"
        d_status 5 ctl lineage -t umbrella out 2>/dev/null
        t_match "$(ctl ledger check)" 'in order'
}

q_case "in the environment" surroundings
q_case "tenantqctl run" by_run
q_case "in the rows" rows
q_case "what is refused" refused
q_case "a pipeline" pipeline
q_case "of jobs that wait" waiting
q_case "only one's own" own_only
q_case "as much as may be" hostile
q_case "with its tenant" tenant_ends
d_report
t_summary
