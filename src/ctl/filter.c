/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/filter.h"

#include <fnmatch.h>
#include <string.h>

#include "base/buffer.h"
#include "base/parse.h"
#include "core/scheduler.h"
#include "ctl/ctl.h"

/* A filter is a row of the table below with a value. All of them must hold; a value that is a list
 * holds if one of it does. The daemon is asked page by page until there are as many rows as are
 * wanted, so that what is left out makes no room for itself. */

typedef struct Value {
        const char *text;
        uint64_t usec;  /* of since */
        uint32_t words; /* of state: bits; of failed: 0 or 1 */
} Value;

typedef struct FilterRow {
        const char *key;
        int (*read)(Value *v); /* 0, or an exit code; NULL: any text will do */
        bool (*holds)(const Value *v, const TqTable *t, size_t row);
} FilterRow;

struct Filter {
        const FilterRow *row;
        Value value;
};

/* State --------------------------------------------------------------------------------------- */

/* As the column has them: those of the scheduler, and two that are told apart when it is shown. */
#define N_STATES ((size_t)_TQ_JOB_STATE_MAX + 2)
#define DONE     (UINT32_C(1) << TQ_JOB_DONE)
#define ENDED    (DONE | UINT32_C(1) << (_TQ_JOB_STATE_MAX + 1))

const char *filters_state(size_t i) {
        static const char *const others[] = { "retrying", "ending" };

        if (i < _TQ_JOB_STATE_MAX)
                return tq_scheduler_state_to_string((TqJobState)i);
        return i < N_STATES ? others[i - _TQ_JOB_STATE_MAX] : NULL;
}

static int unknown_word(const char *what, const char *word, const char *(*at)(size_t i)) {
        TQ_BUFFER_CLEANUP TqBuffer all = {};
        const char *words[N_STATES], *nearest;
        size_t n = 0;

        for (; n < TQ_ELEMENTSOF(words) && at(n); n++) {
                words[n] = at(n);
                tq_buffer_printf(&all, "%s%s", n > 0 ? ", " : "", words[n]);
        }
        nearest = tq_parse_nearest(word, words, n);
        return fail(TQ_EXIT_USAGE, "%s \"%s\": there is no such one%s%s%s; there are %s", what,
                    word, nearest ? "; did you mean " : "", nearest ? nearest : "",
                    nearest ? "?" : "", tq_buffer_string(&all));
}

static int read_state(Value *v) {
        char word[64];

        for (const char *s = v->text;; s++) {
                size_t n = strcspn(s, ","), i = 0;

                (void)snprintf(word, sizeof(word), "%.*s", (int)n, s);
                while (i < N_STATES && strcmp(filters_state(i), word) != 0)
                        i++;
                if (i == N_STATES)
                        return unknown_word("state", word, filters_state);
                v->words |= UINT32_C(1) << i;
                s += n;
                if (*s == '\0')
                        return 0;
        }
}

static bool has_state(const Value *v, const TqTable *t, size_t row) {
        const char *state = tq_table_text(t, row, "state");

        for (size_t i = 0; state && i < N_STATES; i++)
                if (strcmp(filters_state(i), state) == 0)
                        return v->words >> i & 1;
        return false;
}

/* The others ---------------------------------------------------------------------------------- */

static int read_failed(Value *v) {
        if (strcmp(v->text, "yes") != 0 && strcmp(v->text, "no") != 0)
                return fail(TQ_EXIT_USAGE, "failed \"%s\": expected yes or no", v->text);
        v->words = strcmp(v->text, "yes") == 0;
        return 0;
}

/* Of those that have ended; what somebody has cancelled is neither. */
static bool has_failed(const Value *v, const TqTable *t, size_t row) {
        const char *verdict = tq_table_text(t, row, "verdict");
        const char *outcome = tq_table_text(t, row, "outcome");

        if (!verdict || strcmp(verdict, "exit 0") == 0)
                return verdict && v->words == 0;
        return v->words != 0 && (!outcome || strcmp(outcome, "cancelled") != 0);
}

static int read_since(Value *v) {
        return options_since(v->text, &v->usec);
}

/* Not those that had ended before. */
static bool is_since(const Value *v, const TqTable *t, size_t row) {
        return (uint64_t)tq_table_integer(t, row, "ended_usec", INT64_MAX) >= v->usec;
}

static bool is_like(const char *pattern, const char *text) {
        return text && fnmatch(pattern, text, 0) == 0;
}

static bool has_name(const Value *v, const TqTable *t, size_t row) {
        return is_like(v->text, tq_table_text(t, row, "name"));
}

static bool has_queue(const Value *v, const TqTable *t, size_t row) {
        return is_like(v->text, tq_table_text(t, row, "queue"));
}

/* KEY, or KEY=VALUE. */
static bool has_label(const Value *v, const TqTable *t, size_t row) {
        const char *labels = tq_table_text(t, row, "labels");
        TQ_FREE char **words = NULL;
        bool with_value = strchr(v->text, '=');
        size_t n = 0;

        if (!labels || tq_parse_words(labels, 64, &words, &n) < 0)
                return false;
        for (size_t i = 0; i < n; i++) {
                if (!with_value)
                        words[i][strcspn(words[i], "=")] = '\0';
                if (is_like(v->text, words[i]))
                        return true;
        }
        return false;
}

static const FilterRow rows[] = {
        { "failed", read_failed, has_failed },
        { "label", NULL, has_label },
        { "name", NULL, has_name },
        { "queue", NULL, has_queue },
        { "since", read_since, is_since },
        { "state", read_state, has_state },
};

_Static_assert(TQ_ELEMENTSOF(rows) <= N_STATES, "their words fit where those of states do");

const char *filters_field(size_t i) {
        return i < TQ_ELEMENTSOF(rows) ? rows[i].key : NULL;
}

/* From the options ---------------------------------------------------------------------------- */

static int add(Filters *f, const char *key, const char *value) {
        Filter *items = reallocarray(f->items, f->n + 1, sizeof(*items));
        size_t i = 0;
        Value *v;
        int r;

        if (!items)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        f->items = items;
        while (i < TQ_ELEMENTSOF(rows) && strcmp(rows[i].key, key) != 0)
                i++;
        if (i == TQ_ELEMENTSOF(rows))
                return unknown_word("--filter", key, filters_field);
        f->items[f->n] = (Filter){ .row = &rows[i], .value.text = value };
        v = &f->items[f->n].value;
        r = rows[i].read ? rows[i].read(v) : 0;
        if (r != 0)
                return r;
        f->n++;
        f->skip_live |=
                rows[i].read == read_failed || (rows[i].read == read_state && !(v->words & ~ENDED));
        f->ask_ended |= f->skip_live || rows[i].read == read_since ||
                        (rows[i].read == read_state && v->words & ENDED);
        return 0;
}

static int add_assignment(Filters *f, const char *text) {
        size_t n = strcspn(text, "=");
        char key[64];

        (void)snprintf(key, sizeof(key), "%.*s", (int)n, text);
        if (text[n] == '\0')
                return fail(TQ_EXIT_USAGE, "--filter \"%s\": expected FIELD=VALUE", text);
        return add(f, key, text + n + 1);
}

int filters_read(const Options *o, Filters *ret) {
        const struct {
                const char *key, *value;
        } given[] = {
                { "state", o->state },
                { "failed", o->failed ? "yes" : NULL },
                { "name", o->name },
                { "since", o->since },
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < TQ_ELEMENTSOF(given); i++)
                if (given[i].value)
                        r = add(ret, given[i].key, given[i].value);
        for (size_t i = 0; r == 0 && i < o->filters.n; i++)
                r = add_assignment(ret, o->filters.items[i]);
        return r;
}

void filters_done(Filters *f) {
        free(f->items);
        *f = (Filters){};
}

bool filters_keep(const Filters *f, const TqTable *t, size_t row) {
        for (size_t i = 0; i < f->n; i++)
                if (!f->items[i].row->holds(&f->items[i].value, t, row))
                        return false;
        return true;
}
