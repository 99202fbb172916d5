#!/bin/bash
# The documentation against the program, in both directions: every key, verb, option, column, exit code and word is in
# its page, and no page has one that does not exist. Needs a build and no root.
#
# In a page, the items of the list between `.\" table: NAME` and `.\" end table` are compared; an item's word is the
# first one behind `.It Cm`. A display that follows `.\" example: NAME.job`, and each ```ini block of README.md, is a
# job file that must be valid; one that follows NAME.conf is a configuration (tenant-NAME.conf: a tenant's), and
# NAME.workload and NAME.tenants are simulated. The words of the program come from the program: its archives are linked
# to a few lines that print the tables and read configurations, tenantqctl prints its verbs, and only what neither can
# say is read from the sources.

. "$(dirname "$0")/../lib.sh"

cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# --- what the program has ---------------------------------------------------------------------------------------------

# "$tmp/tables LEDGER" prints one line for each entry: "TABLE WORD". "$tmp/tables host DIR" and "$tmp/tables tenant DIR
# NAME" read DIR/tenantq.conf and DIR/tenants.d/NAME.conf as tenantqd does.
build_tables() {
        local -a flags libs
        read -ra flags <<<"$(pkg-config --cflags libsystemd inih sqlite3) ${SAN:+-fsanitize=$SAN}"
        read -ra libs <<<"$(make -s --no-print-directory libs)"
        cat >"$tmp/tables.c" <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "conf/hostfile.h"
#include "conf/jobkeys.h"
#include "conf/policyfile.h"
#include "conf/retentionfile.h"
#include "core/kinds.h"
#include "store/ledger.h"

/* Index 0 of each is "none", which is never shown. */
#define WORDS(table, max, to_string)                                                               \
        for (int i = 1; i < (max); i++)                                                            \
                printf("%s %s\n", table, to_string(i))

static void print_columns(const char *path) {
        TqTable t = {};
        TqLedger *l;

        if (tq_ledger_open(path, (const uint8_t[16]){}, &l, NULL) < 0 ||
            tq_ledger_jobs(l, &(TqLedgerFilter){ .tenant = -1, .limit = 1 }, &t) < 0)
                exit(1);
        for (size_t i = 0; i < t.n_columns; i++)
                printf("job-columns %s\n", t.columns[i]);
        tq_table_done(&t);
        if (tq_ledger_events(l, &(TqLedgerFilter){ .tenant = -1, .limit = 1 }, &t) < 0)
                exit(1);
        for (size_t i = 0; i < t.n_columns; i++)
                printf("event-columns %s\n", t.columns[i]);
        tq_table_done(&t);
        if (tq_ledger_audit(l, &(TqLedgerFilter){ .tenant = -1, .limit = 1 }, &t) < 0)
                exit(1);
        for (size_t i = 0; i < t.n_columns; i++)
                printf("audit-columns %s\n", t.columns[i]);
        tq_table_done(&t);
        (void)tq_ledger_close(l);
}

static int read_configuration(int argc, char *argv[]) {
        static TqTenantConfig tenant;
        static TqHostConfig host;
        int fd = open(argv[2], O_DIRECTORY | O_CLOEXEC), r;
        TqError err = {};
        char text[1024];

        r = fd < 0       ? -errno
            : argc == 3  ? tq_hostfile_load(fd, &host, &err)
                         : tq_hostfile_load_tenant(fd, argv[3], &tenant, &err);
        if (r < 0)
                printf("%s\n", tq_error_format(&err, text, sizeof(text)));
        return r < 0;
}

int main(int argc, char *argv[]) {
        if (argc > 2)
                return read_configuration(argc, argv);
        if (argc != 2)
                return 2;
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];

                printf("limits %s\n", row->name);
                if (!row->has_effect)
                        printf("inert-limits %s\n", row->name);
                if (row->scopes & TQ_SCOPE_JOB)
                        printf("job-limits %s\n", row->name);
                if (row->scopes & TQ_SCOPE_JOB && !row->has_effect)
                        printf("inert-job-limits %s\n", row->name);
                if (row->has_device)
                        printf("device-limits %s\n", row->name);
                if (row->attribute)
                        printf("attributes %s:%s\n", row->name, row->attribute);
                printf("scopes %s:%s%s%s\n", row->name, row->scopes & TQ_SCOPE_TENANT ? "tenant" : "",
                       row->scopes & TQ_SCOPE_QUEUE ? ",queue" : "",
                       row->scopes & TQ_SCOPE_JOB ? ",job" : "");
        }
        for (size_t i = 0; i < tq_jobfile_n_keys; i++) {
                const TqJobfileKey *row = &tq_jobfile_keys[i];

                printf("job-keys-%s %s\n", row->section, row->key);
                if (row->is_repeatable)
                        printf("repeatable-job-keys-%s %s\n", row->section, row->key);
        }
        for (size_t i = 0; i < tq_hostfile_n_keys; i++)
                printf("host-keys-%s %s\n", tq_hostfile_keys[i].section, tq_hostfile_keys[i].key);
        WORDS("message-ids", _TQ_LOG_ID_MAX, tq_log_id_to_string);
        for (int i = 0; i < _TQ_KIND_MAX; i++)
                printf("kinds %s\n", tq_kinds[i].name);
        WORDS("outcomes", _TQ_OUTCOME_MAX, tq_verdict_outcome_to_string);
        WORDS("levels", _TQ_LEVEL_MAX, tq_verdict_level_to_string);
        WORDS("stages", _TQ_STAGE_MAX, tq_verdict_stage_to_string);
        WORDS("stops", _TQ_STOP_MAX, tq_verdict_stop_to_string);
        for (size_t i = 0; i < tq_policyfile_n_keys; i++)
                printf("policy-keys-%s %s\n", tq_policyfile_keys[i].section, tq_policyfile_keys[i].key);
        for (size_t i = 0; i < tq_retentionfile_n_keys; i++)
                printf("retention-keys %s\n", tq_retentionfile_keys[i].key);
        for (int i = 0; i < _TQ_WAIT_MAX; i++) {
                printf("waits %s\n", tq_reason_waits[i].word);
                printf("wait-helps %s: %s\n", tq_reason_waits[i].word, tq_reason_waits[i].help);
        }
        for (int i = 0; i < _TQ_JOB_STATE_MAX; i++)
                printf("states %s\n", tq_scheduler_state_to_string(i));
        printf("states %s\n", tq_scheduler_state_of(&(TqJob){ .again = TQ_AGAIN_RETRY }));
        puts("states ending");
        print_columns(argv[1]);
        return fflush(stdout);
}
END
        "${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -Isrc -Iinclude "${flags[@]}" "$tmp/tables.c" \
                "$build"/libtq-{store,conf,core,base}.a "${libs[@]}" -o "$tmp/tables"
        "$tmp/tables" "$tmp/ledger.db" >"$tmp/program"
        [ -s "$tmp/program" ]
}

# The strings between the first line that matches $2 and the next "};" in the file $1, from the N-th such block.
strings_of() {
        awk -v start="$2" -v want="${3:-1}" '
                $0 ~ start && ++seen == want { on = 1 }
                on { print }
                on && /};/ { exit }' "$1" | grep -o '"[^"]*"' | tr -d '"'
}

# A simulation before and after a change.
simulated() {
        "$build/tenantqctl" --json simulate --workload tests/sim/mixed.workload --set web.weight=200
}

# The names of members in JSON.
json_names() {
        grep -o '"[a-z_0-9]*":' | tr -d '":'
}

in_program() {
        case "$1" in
        verbs) "$build/tenantqctl" --help | sed -n '/^Options:/,$d; s/^  \([a-z][a-z]*\).*/\1/p' ;;
        options) "$build/tenantqctl" --help | sed -n '/^Options:/,$p' | grep -o -e '--[a-z][a-z-]*' && echo --help ;;
        exit-codes) sed -n 's/^#define TQ_EXIT_[A-Z_]* *\([0-9]*\).*/\1/p' include/tenantq/types.h ;;
        synonyms) sed -n 's/^ *{ "\([A-Za-z]*\)", TQ_KEY_[A-Z_]*, [A-Z_]* },$/\1/p' src/core/limits.c ;;
        tenant-columns) strings_of src/engine/api/list_tenants.c 'columns\[\] = ' ;;
        # Bars are for a screen.
        top-columns) strings_of src/ctl/top_read.c 'columns\[N_COLUMNS\] = ' | grep -v '_bar$' ;;
        pool-columns) strings_of src/engine/api/list_pools.c 'columns\[\] = ' ;;
        limit-columns) strings_of src/engine/api/get_limits.c 'columns\[\] = ' ;;
        change-columns) strings_of src/engine/api/change_rows.c 'columns\[\] = ' ;;
        explain-columns) strings_of src/engine/api/explain.c 'columns\[\] = ' ;;
        lineage-columns) strings_of src/store/ledger_lineage.c 'columns\[\] = ' ;;
        queue-columns) strings_of src/engine/api/queue.c 'columns\[\] = ' ;;
        # The first line has the members of the object, the rows those of a tenant.
        simulate-fields) simulated | grep -v '^{"tenant"' | json_names ;;
        simulate-columns) simulated | grep '^{"tenant"' | json_names ;;
        refusal-fields)
                sed -n '/^static void print_refusal/,/^}/p' src/ctl/submit.c | tr -d "\\\\" | json_names |
                        grep -vx -e schema -e error
                ;;
        refusal-codes) sed -n 's/^ *\[TQ_REFUSAL_[A-Z_]*\] = { "\([A-Z_]\{1,\}\)".*/\1/p' src/core/admit.c ;;
        workload-keys) sed -n 's/^ *{ "\([a-z_]*\)", set_[a-z_]*,.*/\1/p' src/sim/workload_file.c ;;
        workload-shapes)
                grep -o '{ "[a-z]*", [A-Z]*, [0-9] }' src/sim/workload_file.c | cut -d'"' -f2
                ;;
        *) sed -n "s/^$1 //p" "$tmp/program" ;;
        esac | LC_ALL=C sort -u
}

# --- what the pages have ----------------------------------------------------------------------------------------------

# The source of the table $2 of the page $1.
table_of() {
        sed -n "/^\\.\\\\\" table: $2\$/,/^\\.\\\\\" end table\$/p" "src/man/$1"
}

# Its words. An item of options has one or two flags; the long one counts.
words_of() {
        table_of "$1" "$2" | if [ "$2" = options ]; then
                sed -n 's/^\.It .*Fl -\([a-z][a-z-]*\).*/--\1/p'
        else
                sed -n 's/^\.It Cm \([^ ]*\).*/\1/p'
        fi | LC_ALL=C sort -u
}

# The words of those items whose text has $3.
words_with() {
        table_of "$1" "$2" | awk -v text="$3" '
                /^\.It Cm / { word = $3 }
                index($0, text) { print word }' | LC_ALL=C sort -u
}

same() {
        [ -n "$1" ] || t_fail "$3: the program has none"
        [ "$1" != "$2" ] || return 0
        diff <(printf '%s\n' "$1") <(printf '%s\n' "$2") || true
        t_fail "$3: < only in the program, > only in the page"
}

# "WORD: " and its text without macros, up to the first blank line or full stop at the end of a line.
texts_of() {
        table_of "$1" "$2" | awk '
                /^\.It Cm / { if (word) print word ":" text; word = $3; text = ""; ended = 0; next }
                /^\.(El|Bl|\\")/ || ended { next }
                {
                        sub(/^\.[A-Z][a-z] /, "")
                        ended = sub(/ ?[.;]$/, "")
                        text = text " " $0
                }
                END { print word ":" text }' | LC_ALL=C sort
}

# compare PAGE TABLE [PROGRAM'S TABLE]
compare() {
        same "$(in_program "${3:-$2}")" "$(words_of "$1" "$2")" "$1, $2"
}

# mentions PAGE TABLE PROGRAM'S-TABLE TEXT: the items with this text are those of the program's table.
mentions() {
        local program page
        program=$(in_program "$3")
        page=$(words_with "$1" "$2" "$4")
        [ "$program" = "$page" ] || same "${program:-(none)}" "${page:-(none)}" "$1, $2 with \"$4\""
}

# --- cases ------------------------------------------------------------------------------------------------------------

limits_are_listed() {
        compare tenantq.conf.5 limits
        compare tenantq.conf.5 synonyms
        mentions tenantq.conf.5 limits inert-limits "Not enforced by this version"
        mentions tenantq.conf.5 limits device-limits "takes"
}

attributes_are_named() {
        local page
        page=$(table_of tenantq.conf.5 limits | awk '
                /^\.It Cm / { word = $3 }
                /^\.Pa / && $2 != "io.max" { print word ":" $2 }' | LC_ALL=C sort)
        same "$(in_program attributes)" "$page" "tenantq.conf.5, attributes"
}

scopes_are_named() {
        local page
        page=$(table_of tenantq.conf.5 limits | awk '
                /^\.It Cm / { word = $3 }
                /^Scope: / {
                        sub(/^Scope: /, "")
                        sub(/[.;].*/, "")
                        gsub(/ /, "")
                        print word ":" $0
                }' | LC_ALL=C sort)
        same "$(in_program scopes)" "$page" "tenantq.conf.5, scopes"
}

job_keys_are_listed() {
        local section
        for section in Job Sandbox Retry; do
                compare tenantq.job.5 "job-keys $section" "job-keys-$section"
                mentions tenantq.job.5 "job-keys $section" "repeatable-job-keys-$section" "Repeatable"
        done
        # No section is left out.
        t_eq "$(sed -n 's/^job-keys-\([A-Za-z]*\) .*/\1/p' "$tmp/program" | LC_ALL=C sort -u | tr '\n' ' ')" \
                "Job Retry Sandbox " "sections of a job file"
        compare tenantq.job.5 job-limits
        mentions tenantq.job.5 job-limits inert-job-limits "No effect in this version"
}

host_keys_are_listed() {
        compare tenantq.conf.5 "host-keys host" host-keys-host
        compare tenantq.conf.5 "host-keys tenant" host-keys-tenant
        compare tenantq.conf.5 "policy-keys scheduler" policy-keys-scheduler
        compare tenantq.conf.5 "policy-keys pool" policy-keys-pool
        compare tenantq.conf.5 retention-keys
}

# shown_in FILE SECTION: the keys of a section, commented out or not, which itself may be.
shown_in() {
        awk -v section="$2" '
                /^#?\[/ { on = index($0, "[" section) > 0 }
                on && match($0, /^#?[a-z_]+(@[^=]*)?=/) { sub(/^#/, ""); sub(/[@=].*/, ""); print }' "$1" |
                LC_ALL=C sort -u
}

# What a reload takes of [host]: the function that takes it, the page and the comment of the installed file.
reloaded_keys_are_listed() {
        local taken
        taken=$(sed -n '/^void host_replace(/,/^}/p' src/supervisor/host/host.c | grep -o 'h->config\.[a-z_]*' |
                sed 's/.*\.//; s/_bytes$//' | LC_ALL=C sort -u | grep -xFf <(in_program host-keys-host))
        same "$taken" "$(sed -n '/^it takes$/,/^the other keys/p' src/man/tenantq.conf.5 | grep -o '[a-z]*_[a-z_]*' | LC_ALL=C sort -u)" \
                "tenantq.conf.5, reloaded keys"
        same "$taken" "$(sed -n '/Of \[host\]/,/follow/p' conf/tenantq.conf | grep -o '[a-z]*_[a-z_]*' | LC_ALL=C sort -u)" \
                "conf/tenantq.conf, reloaded keys"
}

# What the installed files show is what the page lists; but not every limit, of which many are alike.
installed_files_are_complete() {
        t_eq "$(shown_in conf/tenantq.conf host)" "$(words_of tenantq.conf.5 "host-keys host")" "[host]"
        t_eq "$(shown_in conf/tenantq.conf scheduler)" "$(words_of tenantq.conf.5 "policy-keys scheduler")" \
                "[scheduler]"
        t_eq "$(shown_in conf/tenantq.conf pool)" "$(words_of tenantq.conf.5 "policy-keys pool")" "[pool]"
        t_eq "$(shown_in conf/tenants.d/example.conf.sample tenant)" \
                "$(words_of tenantq.conf.5 "host-keys tenant")" "[tenant]"
}

# as_host FILE, as_tenant FILE: reads it as that configuration; with everything that is commented out too, if $2 says so.
as_host() {
        rm -rf "${tmp:?}/etc" && mkdir -p "$tmp/etc/tenants.d"
        sed "${2:+s/^#\\([a-z_@\\/]*=\\|\\[\\)/\\1/}" "$1" >"$tmp/etc/tenantq.conf"
        "$tmp/tables" host "$tmp/etc"
}

as_tenant() {
        rm -rf "${tmp:?}/etc" && mkdir -p "$tmp/etc/tenants.d"
        sed "${2:+s/^#\\([a-z_@\\/]*=\\|\\[\\)/\\1/}" "$1" >"$tmp/etc/tenants.d/x.conf"
        "$tmp/tables" tenant "$tmp/etc" x
}

installed_files_are_valid() {
        as_host conf/tenantq.conf
        as_host conf/tenantq.conf all
        grep -q '^lane_slots=' "$tmp/etc/tenantq.conf" || t_fail "nothing was uncommented"
        as_tenant conf/tenants.d/example.conf.sample
        as_tenant conf/tenants.d/example.conf.sample all
        grep -q '^io_read@' "$tmp/etc/tenants.d/x.conf" || t_fail "nothing was uncommented"
}

words_are_listed() {
        local table
        for table in states waits outcomes levels stages stops; do
                compare tenantq.7 "$table"
        done
}

# What `tenantqctl queue` says of a reason is how the page's text begins.
waits_are_explained() {
        local word help text
        n=0
        while IFS= read -r help; do
                n=$((n + 1))
                word=${help%%:*}
                text=$(texts_of tenantq.7 waits | grep "^$word:")
                [[ "${text,,}" = "${help,,}"* ]] || t_fail "tenantq.7, $word: the program says '$help', the page '$text'"
        done < <(in_program wait-helps)
        [ "$n" -gt 0 ] || t_fail "nothing to compare"
}

workload_keys_are_listed() {
        compare tenantq-workload.5 workload-keys
        compare tenantq-workload.5 workload-shapes
}

verbs_and_options_are_listed() {
        compare tenantqctl.1 verbs
        compare tenantqctl.1 options
        compare tenantqctl.1 kinds
}

verbs_have_examples() {
        local verb examples
        examples=$(table_of tenantqctl.1 verbs | grep '^\.Dl ')
        n=0
        while read -r verb; do
                n=$((n + 1))
                grep -q "^\.Dl [#\$] tenantqctl $verb\( \|\$\)" <<<"$examples" ||
                        t_fail "tenantqctl.1: no example of $verb"
        done < <(in_program verbs)
        [ "$n" -gt 0 ] || t_fail "nothing to compare"
}

exit_codes_are_listed() {
        compare tenantqctl.1 exit-codes
}

# The verdicts without an exit code are those of its own code; no job ends as requeued, only an attempt does.
verdicts_have_exit_codes() {
        same "$(in_program outcomes | grep -vx -e exit -e signal -e seccomp -e requeued)" \
                "$(table_of tenantqctl.1 exit-codes | awk '
                        /^\.It Cm / { on = $3 == 99 }
                        on && /^\.Ql / { print $2 }' | LC_ALL=C sort -u)" "tenantqctl.1, exit code 99"
}

message_ids_are_listed() {
        compare tenantqd.8 message-ids
        same "$(in_program message-ids)" "$(sed -n 's/^-- //p' units/tenantq.catalog | LC_ALL=C sort)" units/tenantq.catalog
}

columns_are_listed() {
        local table
        for table in job-columns event-columns audit-columns pool-columns tenant-columns top-columns limit-columns change-columns explain-columns \
                lineage-columns queue-columns simulate-fields simulate-columns refusal-fields refusal-codes; do
                compare tenantqctl.1 "$table"
        done
}

# Every marked table is compared above: a misspelt mark would hide one.
marks_are_known() {
        t_eq "$(sed -n 's/^\.\\" table: //p' src/man/* | LC_ALL=C sort | tr '\n' ';')" \
                "$(printf '%s;' audit-columns change-columns event-columns exit-codes explain-columns "host-keys host" "host-keys tenant" \
                        job-columns "job-keys Job" "job-keys Retry" "job-keys Sandbox" job-limits kinds levels \
                        limit-columns limits lineage-columns message-ids options outcomes "policy-keys pool" "policy-keys scheduler" pool-columns \
                        queue-columns refusal-codes refusal-fields retention-keys simulate-columns simulate-fields stages states \
                        stops synonyms tenant-columns top-columns verbs waits workload-keys workload-shapes)" "marked tables"
        t_eq "$(grep -c '^\.\\" end table$' src/man/* | awk -F: '{ n += $2 } END { print n }')" \
                "$(cat src/man/* | grep -c '^\.\\" table: ')" "ends of tables"
}

# Writes each example of the page $1 into the directory $2.
extract_examples() {
        awk -v dir="$2" '
                /^\.\\" example: / { file = dir "/" $3; next }
                file && /^\.Bd / { on = 1; next }
                /^\.Ed/ { if (on) file = ""; on = 0 }
                on { gsub(/\\e/, "\\"); gsub(/\\&/, ""); print >file }' "$1"
}

# The ```ini blocks of README.md.
extract_readme() {
        awk -v dir="$1" '
                /^```ini$/ { file = dir "/README-" ++n ".job"; next }
                /^```/ { file = "" }
                file { print >file }' README.md
}

# Nothing is printed of one that is valid. A note means that it shows a key without effect.
check_example() {
        local file=$1
        case "$file" in
        *.job) "$build/tenantqctl" validate "$file" ;;
        */tenant-*.conf) as_tenant "$file" ;;
        *.conf) as_host "$file" ;;
        *.workload) "$build/tenantqctl" simulate --workload "$file" >"$tmp/simulated" ;;
        *.tenants)
                echo "1 0 -1 60 4 -1 -1 4 100 -1 1 1 1 1 1 1 -1 -1" >"$tmp/trace.swf"
                "$build/tenantqctl" simulate --swf "$tmp/trace.swf" --tenants "$file" >"$tmp/simulated"
                ;;
        *) t_fail "$file: what is it?" ;;
        esac
}

examples_are_valid() {
        local page file said dir="$tmp/examples" n=0
        mkdir "$dir"
        for page in src/man/*; do
                extract_examples "$page" "$dir"
        done
        extract_readme "$dir"
        for file in "$dir"/*; do
                said=$(check_example "$file" 2>&1) || t_fail "$file: $said"
                t_eq "$said" "" "$file"
                n=$((n + 1))
        done
        t_eq "$n" "$(($(cat src/man/* | grep -c '^\.\\" example: ') + $(grep -c '^```ini$' README.md)))" "examples"
        [ -e "$dir/README-1.job" ] || t_fail "README.md has no job file in an ini block"
}

# In a line of macros `No` is one: it would be gone, and the word behind it plain.
no_words_are_eaten() {
        ! grep -nE '^\.([^"]*[ (])?No (such|space|route|effect|job|child)\b' src/man/* ||
                t_fail "a macro: \\&No"
        t_match "$(mandoc -Tascii src/man/tenantq.job.5 | col -b)" $'\n *No such file or directory\n' "a heading"
}

# A tenant is made with a home, and what its jobs write in the examples lies there.
examples_can_write() {
        local file
        for file in README.md src/man/tenantq.7; do
                t_eq "$(grep -h '^useradd ' "$file")" "useradd --system --create-home acme" "$file"
        done
        ! grep -n '/srv/acme' README.md src/man/* || t_fail "jobs can't write there"
}

# Virtual time: the same numbers each time.
readme_is_simulated() {
        local shown
        shown=$(sed -n '/^<!-- tests\/sim\/table\.sh -->$/,/^<!-- end -->$/{/^<!--/d;p}' README.md)
        [ -n "$shown" ] || t_fail "README.md has no table"
        diff <(printf '%s\n' "$shown") <(BUILD=$build tests/sim/table.sh) ||
                t_fail "README.md: > is what is simulated now; tests/sim/table.sh --update writes it there"
}

# `tenantqctl VERB` anywhere in the documents, behind options that stand before it.
used_verbs_exist() {
        local verb known
        known=$(in_program verbs)
        n=0
        while read -r verb; do
                n=$((n + 1))
                grep -qx -- "$verb" <<<"$known" || t_fail "\"tenantqctl $verb\" is no verb"
        done < <(grep -ohE 'tenantqctl( --json)* [a-z]+' README.md src/ARCHITECTURE.md src/man/* conf/*.conf conf/*/* |
                awk '{ print $NF }' | LC_ALL=C sort -u)
        [ "$n" -gt 0 ] || t_fail "nothing to compare"
}

# A file or directory that README.md or ARCHITECTURE.md names in backquotes is there.
named_files_exist() {
        local path
        n=0
        # shellcheck disable=SC2016 # backquotes of Markdown
        while read -r path; do
                n=$((n + 1))
                compgen -G "$path" >/dev/null || compgen -G "src/$path" >/dev/null || t_fail "there is no $path"
        done < <(grep -ohE '`(\./)?(src|include|units|conf|tests|scripts|base|core|kernel|store|sim|ipc|supervisor|engine|exec|ctl|man)/[A-Za-z0-9_./*-]*`' \
                README.md src/ARCHITECTURE.md src/HACKING.md | tr -d '`' | sed 's#^\./##' | LC_ALL=C sort -u)
        [ "$n" -gt 0 ] || t_fail "nothing to compare"
}

# The example of HACKING.md applies to the tree, compiles, and is in the manual that it changes.
example_change_is_true() {
        local tree="$tmp/tree"
        local -a flags
        mkdir "$tree"
        cp -r src include tests Makefile "$tree/"
        # shellcheck disable=SC2016 # backquotes of Markdown
        sed -n '/^```diff$/,/^```$/{/^```/d;p}' src/HACKING.md >"$tmp/example.diff"
        [ -s "$tmp/example.diff" ] || t_fail "src/HACKING.md has no diff"
        # Somebody may be trying it.
        (cd "$tree" && { git apply -R --check "$tmp/example.diff" 2>/dev/null ||
                git apply --whitespace=nowarn "$tmp/example.diff"; }) || t_fail "it does not apply any more"
        read -ra flags <<<"$(pkg-config --cflags libsystemd inih sqlite3 libmd)"
        # All of it: who else calls what it changes?
        find "$tree/src" "$tree/tests/unit" -name '*.c' -print0 |
                xargs -0 -P "$(nproc)" -n 16 "${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -DTQ_VERSION='"0"' \
                        -DTQ_LIBEXECDIR='"/"' -Wall -Wextra -Werror -fsyntax-only -I"$tree/src" -I"$tree/include" \
                        -I"$tree/tests/unit" "${flags[@]}"
        grep -q '^\.It Cm runtime_high$' "$tree/src/man/tenantq.conf.5" || t_fail "the manual has no runtime_high"
}

# Functions that ARCHITECTURE.md names are in the sources.
named_functions_exist() {
        local name
        n=0
        # shellcheck disable=SC2016 # backquotes of Markdown
        while read -r name; do
                n=$((n + 1))
                grep -rqw --include='*.[ch]' -- "$name" src tests/unit || t_fail "src/ARCHITECTURE.md: there is no $name()"
        done < <(grep -ohE '`[a-z_]+\(\)`' src/ARCHITECTURE.md src/HACKING.md | tr -d '`()' | LC_ALL=C sort -u)
        [ "$n" -gt 0 ] || t_fail "nothing to compare"
}

# What is installed elsewhere is looked for there, by whoever names the place.
placed_where_installed() {
        local commands source
        n=0
        commands=$(env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -n BUILD="$tmp/elsewhere" SYSCONFDIR=/opt/x all)
        while read -r source; do
                n=$((n + 1))
                t_match "$commands" "[^"$'\n'"]*TQ_CONFIG_DIR='\"/opt/x\"'[^"$'\n'"]* -c $source " "how $source is compiled"
        done < <(grep -rl --include='*.c' TQ_CONFIG_DIR src)
        [ "$n" -gt 0 ] || t_fail "nothing to compare"
}

[ -x "$build/tenantqctl" ] || { echo "no $build/tenantqctl: run make first" >&2 && exit 1; }

t_case "the program's tables can be read" build_tables
t_case "tenantq.conf(5): limits and their synonyms" limits_are_listed
t_case "tenantq.conf(5): attributes of limits" attributes_are_named
t_case "tenantq.conf(5): scopes of limits" scopes_are_named
t_case "tenantq.conf(5): keys of the two files" host_keys_are_listed
t_case "tenantq.conf(5): keys of [host] that a reload takes" reloaded_keys_are_listed
t_case "the installed files show every key" installed_files_are_complete
t_case "the installed files are valid, also with all that is commented out" installed_files_are_valid
t_case "tenantq.job(5): keys" job_keys_are_listed
t_case "tenantq(7): states, reasons, verdicts, stages" words_are_listed
t_case "tenantq(7): reasons in the program's words" waits_are_explained
t_case "tenantq-workload(5): keys and distributions" workload_keys_are_listed
t_case "tenantqctl(1): verbs and options" verbs_and_options_are_listed
t_case "tenantqctl(1): an example for every verb" verbs_have_examples
t_case "tenantqctl(1): exit codes" exit_codes_are_listed
t_case "tenantqctl(1): verdicts of exit code 99" verdicts_have_exit_codes
t_case "tenantqctl(1): columns of JSON" columns_are_listed
t_case "tenantqd(8): MESSAGE_ID" message_ids_are_listed
t_case "every marked table is compared" marks_are_known
t_case "examples are valid" examples_are_valid
t_case "what examples write can be written" examples_can_write
t_case "no word is taken for a macro" no_words_are_eaten
t_case "the table of README.md is what is simulated" readme_is_simulated
t_case "verbs that the documents use exist" used_verbs_exist
t_case "files that the documents name exist" named_files_exist
t_case "functions that ARCHITECTURE.md names exist" named_functions_exist
t_case "SYSCONFDIR= is where the programs look" placed_where_installed
t_case "the example of HACKING.md is true" example_change_is_true
t_summary
