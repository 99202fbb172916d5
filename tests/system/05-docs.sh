#!/bin/bash
# The documentation against the program, in both directions: every key, verb, option, column, exit code and word is in
# its page, and no page has one that does not exist. Needs a build and no root.
#
# In a page, the items of the list between `.\" table: NAME` and `.\" end table` are compared; an item's word is the
# first one behind `.It Cm`. A display that follows `.\" example: NAME.job`, and each ```ini block of README.md, is a
# job file that must be valid. The words of the program come from the program: its archives are linked to a few lines
# that print the tables, tenantqctl prints its verbs, and only what neither can say is read from the sources.

. "$(dirname "$0")/../lib.sh"

cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# --- what the program has ---------------------------------------------------------------------------------------------

# One line for each entry: "TABLE WORD".
build_tables() {
        local -a flags libs
        read -ra flags <<<"$(pkg-config --cflags libsystemd inih sqlite3) ${SAN:+-fsanitize=$SAN}"
        read -ra libs <<<"$(pkg-config --libs inih sqlite3) -lpthread"
        cat >"$tmp/tables.c" <<'END'
#include <stdio.h>
#include <string.h>
#include "conf/hostfile.h"
#include "conf/jobfile.h"
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
        (void)tq_ledger_close(l);
}

int main(int argc, char *argv[]) {
        const TqJobfileKey *keys;
        size_t n;

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
        keys = tq_jobfile_keys(&n);
        for (size_t i = 0; i < n; i++) {
                printf("job-keys-%s %s\n", keys[i].section, keys[i].key);
                if (!keys[i].has_effect)
                        printf("inert-job-keys-%s %s\n", keys[i].section, keys[i].key);
                if (keys[i].is_repeatable)
                        printf("repeatable-job-keys-%s %s\n", keys[i].section, keys[i].key);
        }
        for (size_t i = 0; i < tq_hostfile_n_keys; i++)
                printf("host-keys-%s %s\n", tq_hostfile_keys[i].section, tq_hostfile_keys[i].key);
        WORDS("outcomes", _TQ_OUTCOME_MAX, tq_verdict_outcome_to_string);
        WORDS("levels", _TQ_LEVEL_MAX, tq_verdict_level_to_string);
        WORDS("stages", _TQ_STAGE_MAX, tq_verdict_stage_to_string);
        WORDS("stops", _TQ_STOP_MAX, tq_verdict_stop_to_string);
        WORDS("waits", _TQ_WAIT_MAX, tq_scheduler_wait_to_string);
        for (int i = 0; i < _TQ_JOB_STATE_MAX; i++)
                printf("states %s\n", tq_scheduler_state_to_string(i));
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

in_program() {
        case "$1" in
        verbs) "$build/tenantqctl" --help | sed -n '/^Options:/q; s/^  \([a-z][a-z]*\).*/\1/p' ;;
        options) "$build/tenantqctl" --help | sed -n '/^Options:/,$p' | grep -o -e '--[a-z]*' && echo --help ;;
        exit-codes) sed -n 's/^#define TQ_EXIT_[A-Z_]* *\([0-9]*\).*/\1/p' include/tenantq/types.h ;;
        synonyms) sed -n 's/^ *{ "\([A-Za-z]*\)", TQ_KEY_[A-Z_]*, [A-Z_]* },$/\1/p' src/core/limits.c ;;
        tenant-columns) strings_of src/engine/verbs.c 'columns\[\] = ' ;;
        limit-columns) strings_of src/engine/limits.c 'columns\[\] = ' 1 ;;
        change-columns) strings_of src/engine/limits.c 'columns\[\] = ' 2 ;;
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
                sed -n 's/^\.It .*Fl -\([a-z]*\).*/--\1/p'
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
                mentions tenantq.job.5 "job-keys $section" "inert-job-keys-$section" "No effect in this version"
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
}

# What the installed file shows commented out is what the page lists.
installed_file_is_complete() {
        t_eq "$(sed -n '/^\[host\]/,/^\[defaults\]/s/^#\([a-z_]*\)=.*/\1/p' conf/tenantq.conf | LC_ALL=C sort)" \
                "$(words_of tenantq.conf.5 "host-keys host")" "keys of conf/tenantq.conf"
}

words_are_listed() {
        local table
        for table in states waits outcomes levels stages stops; do
                compare tenantq.7 "$table"
        done
}

verbs_and_options_are_listed() {
        compare tenantqctl.1 verbs
        compare tenantqctl.1 options
}

verbs_have_examples() {
        local verb
        while read -r verb; do
                table_of tenantqctl.1 verbs | grep -q "^\\.Dl [#\$] tenantqctl $verb\( \|\$\)" ||
                        t_fail "tenantqctl.1: no example of $verb"
        done < <(in_program verbs)
}

exit_codes_are_listed() {
        compare tenantqctl.1 exit-codes
}

columns_are_listed() {
        local table
        for table in job-columns tenant-columns limit-columns change-columns; do
                compare tenantqctl.1 "$table"
        done
}

# Every marked table is compared above: a misspelt mark would hide one.
marks_are_known() {
        t_eq "$(sed -n 's/^\.\\" table: //p' src/man/* | LC_ALL=C sort | tr '\n' ';')" \
                "$(printf '%s;' change-columns exit-codes "host-keys host" "host-keys tenant" job-columns \
                        "job-keys Job" "job-keys Retry" "job-keys Sandbox" job-limits levels limit-columns limits \
                        options outcomes stages states stops synonyms tenant-columns verbs waits)" "marked tables"
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

examples_are_valid() {
        local page dir="$tmp/examples" job said n=0
        mkdir "$dir"
        for page in src/man/*; do
                extract_examples "$page" "$dir"
        done
        extract_readme "$dir"
        for job in "$dir"/*.job; do
                said=$("$build/tenantqctl" validate "$job") || t_fail "$said"
                # A note means that the example shows a key without effect.
                t_eq "$said" "" "validate $job"
                n=$((n + 1))
        done
        t_eq "$n" "$(($(cat src/man/* | grep -c '^\.\\" example: ') + $(grep -c '^```ini$' README.md)))" "examples"
        [ -e "$dir/README-1.job" ] || t_fail "README.md has no job file in an ini block"
}

# `tenantqctl VERB` anywhere in the documents, behind options that stand before it.
used_verbs_exist() {
        local verb known
        known=$(in_program verbs)
        while read -r verb; do
                grep -qx -- "$verb" <<<"$known" || t_fail "\"tenantqctl $verb\" is no verb"
        done < <(grep -ohE 'tenantqctl( --json)* [a-z]+' README.md src/ARCHITECTURE.md src/man/* conf/*.conf |
                awk '{ print $NF }' | LC_ALL=C sort -u)
}

# A file or directory that README.md or ARCHITECTURE.md names in backquotes is there.
named_files_exist() {
        local path
        # shellcheck disable=SC2016 # backquotes of Markdown
        while read -r path; do
                compgen -G "$path" >/dev/null || compgen -G "src/$path" >/dev/null || t_fail "there is no $path"
        done < <(grep -ohE '`(\./)?(src|include|units|conf|tests|scripts|base|core|kernel|store|ipc|supervisor|engine|exec|ctl|man)/[A-Za-z0-9_./*-]*`' \
                README.md src/ARCHITECTURE.md | tr -d '`' | sed 's#^\./##' | LC_ALL=C sort -u)
}

# Functions that ARCHITECTURE.md names are in the sources.
named_functions_exist() {
        local name
        # shellcheck disable=SC2016 # backquotes of Markdown
        while read -r name; do
                grep -rqw -- "$name" src --include='*.[ch]' || t_fail "src/ARCHITECTURE.md: there is no $name()"
        done < <(grep -ohE '`[a-z_]+\(\)`' src/ARCHITECTURE.md | tr -d '`()' | LC_ALL=C sort -u)
}

[ -x "$build/tenantqctl" ] || { echo "no $build/tenantqctl: run make first" >&2 && exit 1; }

t_case "the program's tables can be read" build_tables
t_case "tenantq.conf(5): limits and their synonyms" limits_are_listed
t_case "tenantq.conf(5): attributes of limits" attributes_are_named
t_case "tenantq.conf(5): scopes of limits" scopes_are_named
t_case "tenantq.conf(5): keys of the two files" host_keys_are_listed
t_case "conf/tenantq.conf shows every host key" installed_file_is_complete
t_case "tenantq.job(5): keys" job_keys_are_listed
t_case "tenantq(7): states, reasons, verdicts, stages" words_are_listed
t_case "tenantqctl(1): verbs and options" verbs_and_options_are_listed
t_case "tenantqctl(1): an example for every verb" verbs_have_examples
t_case "tenantqctl(1): exit codes" exit_codes_are_listed
t_case "tenantqctl(1): columns of JSON" columns_are_listed
t_case "every marked table is compared" marks_are_known
t_case "examples are valid job files" examples_are_valid
t_case "verbs that the documents use exist" used_verbs_exist
t_case "files that the documents name exist" named_files_exist
t_case "functions that ARCHITECTURE.md names exist" named_functions_exist
t_summary
