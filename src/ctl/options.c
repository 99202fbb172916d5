/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/when.h"
#include "ctl/fail.h"

#define DAY_USEC (24 * 3600 * TQ_USEC_PER_SEC)

#define FLAG(letter, field) letter, TYPE_FLAG, offsetof(Options, field), 0, 0
#define TEXT(letter, field) letter, TYPE_TEXT, offsetof(Options, field), 0, 0
#define LIST(letter, field) letter, TYPE_LIST, offsetof(Options, field), 0, 0
#define NUMBER(letter, field, least, most)                                                         \
        letter, TYPE_NUMBER, offsetof(Options, field), least, most

const OptionRow options_rows[_OPTION_MAX] = {
        [OPTION_TENANT] = { TEXT('t', tenant), "tenant", "TENANT",
                            "whose job it is, or only that tenant's" },
        [OPTION_QUEUE] = { TEXT('q', queue), "queue", "QUEUE", "the job's queue" },
        [OPTION_NAME] = { TEXT('\0', name), "name", "NAME", "what the job is called" },
        [OPTION_ENV] = { LIST('e', environment), "env", "NAME[=VALUE]",
                         "a variable of the job; without a value, the caller's" },
        [OPTION_LABEL] = { LIST('\0', labels), "label", "KEY=VALUE", "a label of the job" },
        [OPTION_LIMIT] = { LIST('l', limits), "limit", "KEY=VALUE", "a limit of the job" },
        [OPTION_DIRECTORY] = { TEXT('C', directory), "directory", "DIR",
                               "the job's working directory" },
        [OPTION_PROFILE] = { TEXT('\0', profile), "profile", "NAME",
                             "what system calls the job may make" },
        [OPTION_WAIT] = { FLAG('w', wait), "wait", NULL,
                          "wait for the end; of one job, exit with its code" },
        [OPTION_QUIET] = { FLAG('\0', quiet), "quiet", NULL, "with --wait: not the job's number" },
        [OPTION_STDIN] = { FLAG('i', input), "stdin", NULL,
                           "give it our standard input, which is read first" },
        [OPTION_ALL] = { FLAG('a', all), "all", NULL, "jobs that have ended too" },
        [OPTION_FILTER] = { LIST('\0', filters), "filter", "FIELD=VALUE",
                            "only such jobs: failed, label, name, queue, since or state" },
        [OPTION_STATE] = { TEXT('\0', state), "state", "STATE,…", "only jobs in such a state" },
        [OPTION_FAILED] = { FLAG('\0', failed), "failed", NULL,
                            "only jobs that have failed, and were not cancelled" },
        [OPTION_SPEC] = { FLAG('\0', spec), "spec", NULL,
                          "only the job file, as it was handed in" },
        [OPTION_LINES] = { NUMBER('n', rows, 0, 10000), "lines", "N",
                           "at most so many rows (default 100); of top readings, of output its "
                           "last lines" },
        [OPTION_FOLLOW] = { FLAG('f', follow), "follow", NULL,
                            "go on until the job has ended, or with what happens" },
        [OPTION_BATCH] = { FLAG('b', batch), "batch", NULL, "plain text, and no keys" },
        [OPTION_DELAY] = { TEXT('d', delay), "delay", "SPAN",
                           "from one reading to the next (default 1s)" },
        [OPTION_WHY] = { TEXT('m', why), "why", "TEXT", "why, kept with the change" },
        [OPTION_DRY_RUN] = { FLAG('\0', dry_run), "dry-run", NULL, "only say what would be done" },
        [OPTION_TEST_ONLY] = { FLAG('\0', test_only), "test-only", NULL,
                               "--dry-run, and what the job would wait for" },
        [OPTION_FORCE] = { FLAG('\0', force), "force", NULL,
                           "also if it takes from jobs what they have" },
        [OPTION_FOR] = { TEXT('\0', span), "for", "SPAN",
                         "how long; then what stood before holds again" },
        [OPTION_WATCH] = { TEXT('\0', watch), "watch", "SPAN",
                           "look after it for so long: what makes it worse is taken back" },
        [OPTION_IF_REVISION] = { NUMBER('\0', if_revision, 0, INT64_MAX), "if-revision", "N",
                                 "only if that is the tenant's last change" },
        [OPTION_TO] = { NUMBER('\0', to, 0, INT64_MAX), "to", "N", "the revision" },
        [OPTION_MARK] = { TEXT('\0', mark), "mark", "HASH",
                          "a row's hash that was noted before: it must be there still" },
        [OPTION_KIND] = { TEXT('\0', kind), "kind", "KIND", "only events of that kind" },
        [OPTION_CANCEL] = { FLAG('\0', cancel), "cancel", NULL,
                            "cancel its jobs instead of waiting for their end" },
        [OPTION_ARCHIVE] = { TEXT('\0', archive), "archive", "DIR",
                             "keep its history, limits and output there" },
        [OPTION_SWF] = { TEXT('\0', swf), "swf", "FILE",
                         "a trace in the Standard Workload Format" },
        [OPTION_WORKLOAD] = { TEXT('\0', workload), "workload", "FILE",
                              "a synthetic workload (tenantq-workload(5))" },
        [OPTION_SINCE] = { TEXT('\0', since), "since", "TIME",
                           "only what is not older: a time, or how long ago (2h)" },
        [OPTION_SLOTS] = { NUMBER('\0', slots, 1, 1000000), "slots", "N",
                           "jobs at the same time (default 16)" },
        [OPTION_POLICY] = { TEXT('\0', policy), "policy", "POLICY",
                            "fair (default), round-robin or fifo" },
        [OPTION_SET] = { LIST('\0', assignments), "set", "TENANT.KEY=VALUE",
                         "a limit to try; the results before and after are shown" },
        [OPTION_TENANTS] = { TEXT('\0', tenants), "tenants", "FILE",
                             "limits, weights and pools of the tenants" },
        [OPTION_SEED] = { NUMBER('\0', seed, 0, UINT64_MAX), "seed", "N",
                          "what a synthetic workload draws (default 1)" },
        [OPTION_SVG] = { TEXT('\0', svg), "svg", "FILE", "write a chart" },
        [OPTION_OUTPUT] = { TEXT('o', columns), "output", "COLUMN,…",
                            "the table's columns, by their names in JSON" },
        [OPTION_SORT] = { TEXT('\0', sort), "sort", "COLUMN",
                          "sort the table; -COLUMN: the largest first" },
        [OPTION_NOHEADINGS] = { FLAG('\0', no_headings), "noheadings", NULL,
                                "print the table's rows only" },
        [OPTION_NO_PAGER] = { FLAG('\0', no_pager), "no-pager", NULL,
                              "print on the terminal what is longer than it, too" },
        [OPTION_JSON] = { FLAG('\0', json), "json", NULL, "print data as JSON" },
        [OPTION_CONFIG] = { TEXT('\0', config), "config", "DIR",
                            "the daemon's configuration (default " TQ_CONFIG_DIR ")" },
        [OPTION_SOCKET] = { TEXT('\0', socket), "socket", "PATH",
                            "the daemon's socket (default $TENANTQ_SOCKET, "
                            "or " TQ_CONTROL_SOCKET ")" },
        [OPTION_HELP] = { FLAG('h', help), "help", NULL, "print the usage, behind a verb its own" },
        [OPTION_VERSION] = { FLAG('\0', version), "version", NULL, "print the version" },
};

/* What getopt_long(3) returns for an option. */
#define VALUE_OF(id) (256 + (int)(id))

static void fill(char *letters, struct option *names, bool permute) {
        *letters = '+';
        letters += !permute;
        *letters++ = ':'; /* a value that is missing is told from an option that is unknown */
        for (size_t i = 0; i < _OPTION_MAX; i++) {
                const OptionRow *row = &options_rows[i];

                names[i] = (struct option){ row->name, row->value != NULL, NULL, VALUE_OF(i) };
                if (row->letter == '\0')
                        continue;
                *letters++ = row->letter;
                *letters = ':';
                letters += row->value != NULL;
        }
        *letters = '\0';
        names[_OPTION_MAX] = (struct option){};
}

static int add(List *list, const char *value) {
        const char **items = reallocarray((void *)list->items, list->n + 1, sizeof(*items));

        if (!items)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        list->items = items;
        list->items[list->n++] = value;
        return 0;
}

static int set_number(const OptionRow *row, const char *value, uint64_t *ret) {
        if (tq_parse_u64_in(value, row->min, row->max, ret) >= 0)
                return 0;
        if (row->max == UINT64_MAX)
                return fail(TQ_EXIT_USAGE, "--%s \"%s\": expected a whole number", row->name,
                            value);
        return fail(TQ_EXIT_USAGE, "--%s \"%s\": expected a number from %llu to %llu", row->name,
                    value, (unsigned long long)row->min, (unsigned long long)row->max);
}

static int set(Options *o, OptionId id, const char *value) {
        const OptionRow *row = &options_rows[id];
        void *field = (char *)o + row->field;

        o->used |= UINT64_C(1) << id;
        switch (row->type) {
        case TYPE_FLAG:
                *(bool *)field = true;
                return 0;
        case TYPE_TEXT:
                *(const char **)field = value;
                return 0;
        case TYPE_NUMBER:
                return set_number(row, value, field);
        case TYPE_LIST:
                return add(field, value);
        }
        return TQ_EXIT_USAGE;
}

/* What getopt_long(3) doesn't know: it has just gone past it. */
static int unknown_option(int c, char *argv[]) {
        const char *names[_OPTION_MAX], *nearest = NULL, *given = argv[optind - 1];
        int id = optopt - VALUE_OF(0);

        if (c == ':' && id >= 0 && id < _OPTION_MAX)
                return fail(TQ_EXIT_USAGE, "--%s: expected %s", options_rows[id].name,
                            options_rows[id].value);
        if (c == ':')
                return fail(TQ_EXIT_USAGE, "-%c: expected a value", optopt);
        if (optopt != 0 && id < 0 && optopt < ' ')
                return fail(TQ_EXIT_USAGE, "an option that is no letter; see tenantqctl --help");
        if (optopt != 0 && id < 0)
                return fail(TQ_EXIT_USAGE, "unknown option -%c; see tenantqctl --help", optopt);
        if (optopt != 0)
                return fail(TQ_EXIT_USAGE, "--%s takes no value", options_rows[id].name);
        for (size_t i = 0; i < _OPTION_MAX; i++)
                names[i] = options_rows[i].name;
        nearest = tq_parse_nearest(given + strspn(given, "-"), names, _OPTION_MAX);
        return fail(TQ_EXIT_USAGE, "unknown option %s%s%s%s; see tenantqctl --help", given,
                    nearest ? " (did you mean --" : "", nearest ? nearest : "",
                    nearest ? "?)" : "");
}

int options_parse(Options *o, int argc, char *argv[], bool permute) {
        char letters[2 * _OPTION_MAX + 3];
        struct option names[_OPTION_MAX + 1];
        int c, r = 0;

        fill(letters, names, permute);
        optind = 0; /* also its state of permuting is begun anew */
        opterr = 0;
        while (r == 0 && (c = getopt_long(argc, argv, letters, names, NULL)) >= 0) {
                int id = c - VALUE_OF(0);

                for (int i = 0; c < VALUE_OF(0) && i < _OPTION_MAX; i++)
                        if (options_rows[i].letter == c)
                                id = i;
                r = id < 0 ? unknown_option(c, argv) : set(o, (OptionId)id, optarg);
        }
        o->dry_run |= o->test_only; /* by the name that other schedulers have for it */
        return r;
}

int options_since(const char *text, uint64_t *ret_usec) {
        uint64_t now = tq_clock_realtime_usec(), span;

        /* A clock time that is to come is the last one: at 3 in the morning 23:00 was yesterday. */
        if (tq_when_parse(text, now, false, ret_usec) >= 0)
                return *ret_usec <= now || text[strspn(text, "0123456789:")] != '\0' ||
                                       tq_when_parse(text, now - DAY_USEC, false, ret_usec) >= 0
                               ? 0
                               : fail(TQ_EXIT_USAGE, "--since \"%s\": expected %s", text,
                                      TQ_WHEN_FORM);
        if (tq_parse_span(text, &span) < 0)
                return fail(TQ_EXIT_USAGE, "--since \"%s\": expected a time span such as 2h, or %s",
                            text, TQ_WHEN_FORM);
        *ret_usec = tq_sub_u64(now, span);
        return 0;
}

void options_done(Options *o) {
        free((void *)o->limits.items);
        free((void *)o->environment.items);
        free((void *)o->labels.items);
        free((void *)o->assignments.items);
        free((void *)o->filters.items);
}
