/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "base/parse.h"
#include "conf/hostfile.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* What changes limits. Several tenants are several changes: each is tried before the first is made,
 * so that what can't be is found while nothing has changed. */

typedef struct Words {
        char **items;
        int n;
} Words;

static void print_row(const TqTable *t, size_t row, bool is_trial) {
        const char *queue = tq_table_text(t, row, "queue"), *old = tq_table_text(t, row, "old");
        const char *new_value = tq_table_text(t, row, "new"), *then = tq_table_text(t, row, "then");
        const char *kernel = tq_table_text(t, row, "kernel");
        const char *now = tq_table_text(t, row, "effective");
        int64_t revision = tq_table_integer(t, row, "revision", 0);
        int64_t until = tq_table_integer(t, row, "until_usec", 0);
        char text[TQ_FORMAT_MAX];

        (void)printf("%s%s%s: %s %s -> %s", tq_table_text(t, row, "tenant"), queue ? "/" : "",
                     queue ? queue : "", tq_table_text(t, row, "limit"), old ? old : "unset",
                     new_value ? new_value : "unset");
        if (!new_value && now)
                (void)printf(", so %s %s", now, is_trial ? "would hold" : "holds");
        if (new_value && now && strcmp(new_value, now) != 0)
                (void)printf(", and %s %s by [ceilings] or its pool", now,
                             is_trial ? "would hold" : "holds");
        if (until > 0)
                (void)printf(", until %s, then %s",
                             tq_format_timestamp((uint64_t)until, text, sizeof(text)),
                             then ? then : "unset");
        if (revision > 0)
                (void)printf(" (revision %" PRIi64 ")", revision);
        else if (tq_table_integer(t, row, "unchanged", 0) != 0)
                (void)fputs(" (as it was)", stdout);
        else
                (void)fputs(" (not done: --dry-run)", stdout);
        if (kernel)
                (void)printf("; kernel: %s", kernel);
        (void)putchar('\n');
}

void limits_print_change(const Options *o, const TqTable *t, bool is_trial) {
        if (o->json)
                output_json(t, "tenantq.change.v1", "changes");
        else
                for (size_t row = 0; row < t->n_rows; row++)
                        print_row(t, row, is_trial);
}

static int append_list(sd_bus_message *m, const Words *words) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (int i = 0; r >= 0 && i < words->n; i++)
                r = sd_bus_message_append(m, "s", words->items[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int limits_read_span(const char *option, const char *text, uint64_t *ret) {
        *ret = 0;
        if (!text)
                return 0;
        if (tq_parse_span(text, ret) < 0 || *ret < TQ_USEC_PER_SEC || *ret > INT64_MAX / 4)
                return fail(TQ_EXIT_USAGE, "--%s \"%s\": expected a time span from 1s, such as 2h",
                            option, text);
        return 0;
}

/* How long it is to hold, or to be looked after. */
static int read_span(const Options *o, uint64_t *ret) {
        if (o->span && o->watch)
                return fail(TQ_EXIT_USAGE,
                            "--for and --watch: what ends by itself needs nobody to take it back");
        return o->watch ? limits_read_span("watch", o->watch, ret)
                        : limits_read_span("for", o->span, ret);
}

static int append_request(const Options *o, sd_bus_message *m, uint64_t span, bool is_trial) {
        uint32_t flags = (is_trial ? TQ_CHANGE_TRIAL : 0) | (o->force ? TQ_CHANGE_FORCE : 0) |
                         (o->watch ? TQ_CHANGE_WATCH : 0);
        int64_t revision =
                o->used & WITH(IF_REVISION) ? (int64_t)o->if_revision : TQ_CHANGE_ANY_REVISION;

        return sd_bus_message_append(m, "stxu", o->why ? o->why : "", span, revision, flags);
}

static int ask_change(const Options *o, const char *target, const Words *set, const Words *unset,
                      bool is_trial, bool is_one_of_several, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        uint64_t span = 0;
        int r = read_span(o, &span);

        if (r == 0)
                r = call_open(o, &c, "SetLimits");
        if (r != 0)
                return r;
        c.subject = is_one_of_several ? target : NULL;
        r = sd_bus_message_append(c.request, "s", target);
        if (r >= 0)
                r = append_list(c.request, set);
        if (r >= 0)
                r = append_list(c.request, unset);
        if (r >= 0)
                r = append_request(o, c.request, span, is_trial);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_table(&c, ret);
}

/* What is a key of root's files and no limit is said so: a daemon does not change them. */
static int check_keys(const char *target, const Words *words) {
        char key[64];

        for (int i = 0; i < words->n; i++) {
                (void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(words->items[i], "=@"),
                               words->items[i]);
                for (size_t k = 0; tq_limits_find(key) < 0 && k < tq_hostfile_n_keys; k++)
                        if (strcmp(tq_hostfile_keys[k].key, key) == 0 &&
                            strcmp(tq_hostfile_keys[k].section, "tenant") == 0)
                                return fail(TQ_EXIT_INVALID,
                                            "%s: no limit, but a key of [tenant] in "
                                            "tenants.d/%.*s.conf; then systemctl reload tenantq",
                                            key, (int)strcspn(target, "/"), target);
        }
        return 0;
}

/* What changed nothing is not looked after. */
static void remark_watched(const Options *o, const TqTable *t) {
        bool is_any = false;

        for (size_t row = 0; row < t->n_rows; row++)
                is_any |= tq_table_integer(t, row, "revision", 0) > 0;
        if (is_any && o->watch && !o->dry_run && !o->json)
                output_remark(o, LIMITS_WATCHED, o->watch);
}

/* The same of each target. */
static int change_all(const Options *o, const Words *targets, const Words *set,
                      const Words *unset) {
        TQ_TABLE_CLEANUP TqTable all = {};
        int r = check_keys(targets->items[0], set->n > 0 ? set : unset);

        for (int i = 0; r == 0 && targets->n > 1 && !o->dry_run && i < targets->n; i++) {
                TQ_TABLE_CLEANUP TqTable ignored = {};

                r = ask_change(o, targets->items[i], set, unset, true, true, &ignored);
        }
        for (int i = 0; r == 0 && i < targets->n; i++) {
                TQ_TABLE_CLEANUP TqTable t = {};

                r = ask_change(o, targets->items[i], set, unset, o->dry_run, targets->n > 1, &t);
                if (r == 0 && tq_table_merge(&all, &t, NULL, SIZE_MAX) < 0)
                        r = fail(TQ_EXIT_FAILURE, "out of memory");
        }
        /* Also what was changed before one could not be. */
        if (r == 0 || all.n_rows > 0)
                limits_print_change(o, &all, o->dry_run);
        if (r == 0)
                remark_watched(o, &all);
        return r;
}

int verb_limits_set(const Options *o, int argc, char *argv[]) {
        Words none = {}, targets = { argv, 0 }, set;

        while (targets.n < argc && !strchr(argv[targets.n], '='))
                targets.n++;
        set = (Words){ argv + targets.n, argc - targets.n };
        if (targets.n == 0)
                return fail(TQ_EXIT_USAGE, "\"%s\": expected TENANT[/QUEUE] before KEY=VALUE",
                            argv[0]);
        if (set.n == 0)
                return fail(TQ_EXIT_USAGE, "nothing to change: expected KEY=VALUE");
        if (targets.n > 1 && o->used & WITH(IF_REVISION))
                return fail(TQ_EXIT_USAGE, "--if-revision: each tenant has revisions of its own");
        return change_all(o, &targets, &set, &none);
}

int verb_limits_unset(const Options *o, int argc, char *argv[]) {
        Words none = {}, targets = { argv, 1 }, unset = { argv + 1, argc - 1 };

        return change_all(o, &targets, &none, &unset);
}

int limits_change(const Options *o, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable ignored = {};

        return ask_change(o, argv[0], &(Words){ argv + 1, 1 }, &(Words){}, false, false, &ignored);
}

int limits_take_back(const Options *o, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable ignored = {};
        Words unset = { argv + 1, 0 };

        while (unset.items[unset.n])
                unset.n++;
        return ask_change(o, argv[0], &(Words){}, &unset, false, false, &ignored);
}

/* Rollback ------------------------------------------------------------------------------------ */

int verb_limits_rollback(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        CALL_CLEANUP Call c = {};
        uint64_t span = 0;
        int r = read_span(o, &span);

        (void)argc;
        if (r != 0)
                return r;
        if (!(o->used & WITH(TO)))
                return fail(TQ_EXIT_USAGE,
                            "--to: expected the revision to go back to (limits history %s)",
                            argv[0]);
        r = call_open(o, &c, "RollbackLimits");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "st", argv[0], o->to);
        if (r >= 0)
                r = append_request(o, c.request, span, o->dry_run);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        r = call_table(&c, &t);
        if (r != 0)
                return r;
        if (t.n_rows == 0 && !o->json)
                output_remark(o, "%s: what was set at revision %" PRIu64 " is set now", argv[0],
                              o->to);
        else
                limits_print_change(o, &t, o->dry_run);
        remark_watched(o, &t);
        return 0;
}

/* Copy ---------------------------------------------------------------------------------------- */

/* KEY=VALUE, or KEY, with the queue before it. NULL: out of memory. */
static char *word_of(const TqTable *t, size_t row, const char *value) {
        const char *queue = tq_table_text(t, row, "queue");
        char *word = NULL;

        if (asprintf(&word, "%s%s%s%s%s", queue ? queue : "", queue ? "/" : "",
                     tq_table_text(t, row, "limit"), value ? "=" : "", value ? value : "") < 0)
                return NULL;
        return word;
}

/* What is said of it for good, live or by its file; NULL: nothing. */
static const char *own_value(const TqTable *t, size_t row) {
        return tq_table_text(t, row, "for_good");
}

static bool has(const TqTable *t, const char *queue, const char *limit) {
        for (size_t row = 0; row < t->n_rows; row++) {
                const char *q = tq_table_text(t, row, "queue");

                if (own_value(t, row) && strcmp(tq_table_text(t, row, "limit"), limit) == 0 &&
                    strcmp(q ? q : "", queue ? queue : "") == 0)
                        return true;
        }
        return false;
}

static void words_done(Words *w) {
        for (int i = 0; i < w->n; i++)
                free(w->items[i]);
        free(w->items);
}

static int add_word(Words *w, char *word) {
        char **items = word ? reallocarray(w->items, (size_t)w->n + 1, sizeof(*items)) : NULL;

        if (!items) {
                free(word);
                return fail(TQ_EXIT_FAILURE, "out of memory");
        }
        w->items = items;
        w->items[w->n++] = word;
        return 0;
}

/* What `to` has set live and `from` has not, is unset; so they have the same, but for their files.
 */
static int copy_one(const Options *o, const TqTable *from, const char *to, bool is_trial,
                    TqTable *ret) {
        TQ_CLEANUP(words_done) Words set = {}, unset = {};
        TQ_TABLE_CLEANUP TqTable theirs = {};
        int r = limits_list(o, to, &theirs);

        for (size_t row = 0; r == 0 && row < from->n_rows; row++)
                if (own_value(from, row))
                        r = add_word(&set, word_of(from, row, own_value(from, row)));
        for (size_t row = 0; r == 0 && row < theirs.n_rows; row++) {
                if (tq_table_integer(&theirs, row, "revision", 0) > 0 &&
                    !has(from, tq_table_text(&theirs, row, "queue"),
                         tq_table_text(&theirs, row, "limit")))
                        r = add_word(&unset, word_of(&theirs, row, NULL));
        }
        if (r == 0 && set.n + unset.n == 0)
                return 0;
        return r != 0 ? r : ask_change(o, to, &set, &unset, is_trial, true, ret);
}

int verb_limits_copy(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable from = {}, all = {};
        int r = limits_list(o, argv[0], &from);

        for (int i = 1; r == 0 && !o->dry_run && i < argc; i++) {
                TQ_TABLE_CLEANUP TqTable ignored = {};

                r = copy_one(o, &from, argv[i], true, &ignored);
        }
        for (int i = 1; r == 0 && i < argc; i++) {
                TQ_TABLE_CLEANUP TqTable t = {};

                r = copy_one(o, &from, argv[i], o->dry_run, &t);
                if (r == 0 && tq_table_merge(&all, &t, NULL, SIZE_MAX) < 0)
                        r = fail(TQ_EXIT_FAILURE, "out of memory");
        }
        if (r == 0 && all.n_rows == 0 && !o->json)
                output_remark(o, "%s has no limits of its own", argv[0]);
        else if (r == 0 || all.n_rows > 0)
                limits_print_change(o, &all, o->dry_run);
        return r;
}
