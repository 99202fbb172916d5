/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What can be said on the command line beside the verb and its arguments: one table, from which
 * come the letters for getopt_long(3), the usage, the help and the completion. */

/* Given several times, in order; the words are argv's. */
typedef struct List {
        const char **items;
        size_t n;
} List;

typedef struct Options {
        const char *socket, *config, *tenant, *queue, *directory, *profile, *why, *archive;
        const char *columns, *sort; /* of a table */
        const char *span, *watch, *mark, *kind, *delay;
        uint64_t if_revision, to;
        bool force;
        const char *swf, *workload, *since, *tenants, *svg, *policy;
        const char *name;
        const char *state;
        List limits, environment, labels, assignments, filters;
        uint64_t slots, seed, rows;
        bool failed, spec, no_pager;
        bool json, no_headings, all, wait, quiet, input, follow, batch, dry_run, test_only, cancel,
                help, version;
        uint64_t used; /* OptionSet: what was given */
        /* output_look(): of standard output, before a pager has it. */
        int width; /* columns of the terminal; 0: it is none */
        bool has_color;
} Options;

typedef enum OptionId {
        OPTION_TENANT,
        OPTION_QUEUE,
        OPTION_NAME,
        OPTION_ENV,
        OPTION_LABEL,
        OPTION_LIMIT,
        OPTION_DIRECTORY,
        OPTION_PROFILE,
        OPTION_WAIT,
        OPTION_QUIET,
        OPTION_STDIN,
        OPTION_ALL,
        OPTION_FILTER,
        OPTION_STATE,
        OPTION_FAILED,
        OPTION_SPEC,
        OPTION_LINES,
        OPTION_FOLLOW,
        OPTION_BATCH,
        OPTION_DELAY,
        OPTION_WHY,
        OPTION_DRY_RUN,
        OPTION_TEST_ONLY,
        OPTION_FORCE,
        OPTION_FOR,
        OPTION_WATCH,
        OPTION_IF_REVISION,
        OPTION_TO,
        OPTION_MARK,
        OPTION_KIND,
        OPTION_CANCEL,
        OPTION_ARCHIVE,
        OPTION_SWF,
        OPTION_WORKLOAD,
        OPTION_SINCE,
        OPTION_SLOTS,
        OPTION_POLICY,
        OPTION_SET,
        OPTION_TENANTS,
        OPTION_SEED,
        OPTION_SVG,
        OPTION_OUTPUT,
        OPTION_SORT,
        OPTION_NOHEADINGS,
        OPTION_NO_PAGER,
        OPTION_JSON,
        OPTION_CONFIG,
        OPTION_SOCKET,
        OPTION_HELP,
        OPTION_VERSION,
        _OPTION_MAX,
} OptionId;

typedef uint64_t OptionSet;
#define WITH(name) (UINT64_C(1) << OPTION_##name)

typedef enum OptionType { TYPE_FLAG, TYPE_TEXT, TYPE_NUMBER, TYPE_LIST } OptionType;

typedef struct OptionRow {
        char letter; /* '\0': none */
        OptionType type;
        size_t field; /* of Options */
        uint64_t min, max;
        const char *name;
        const char *value; /* as the usage says it; NULL: a flag */
        const char *help;
} OptionRow;

extern const OptionRow options_rows[_OPTION_MAX];

/* Those that every verb takes, and that no usage repeats. */
#define OPTIONS_GENERAL (WITH(SOCKET) | WITH(HELP) | WITH(VERSION))
/* Those of a verb that prints a table. */
#define OPTIONS_TABLE (WITH(JSON) | WITH(OUTPUT) | WITH(SORT) | WITH(NOHEADINGS) | WITH(NO_PAGER))

#define OPTIONS_CHANGE                                                                             \
        (WITH(WHY) | WITH(DRY_RUN) | WITH(FORCE) | WITH(IF_REVISION) | WITH(WATCH) | WITH(JSON))

/* Reads what stands before the first word that is no option, or (permute) everywhere, from argv[1];
 * leaves getopt's optind at the first word left. 0, or an exit code, and it is said. */
int options_parse(Options *o, int argc, char *argv[], bool permute);
void options_done(Options *o);

/* What --since says, as a time of the past (CLOCK_REALTIME, microseconds). The same. */
int options_since(const char *text, uint64_t *ret_usec);
