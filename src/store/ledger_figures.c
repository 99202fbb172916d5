/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "store/ledger_private.h"

/* How a tenant's jobs fared: from its last jobs, so that it costs the same however many there are.
 *
 * A wait is from when a job could start to its first attempt; one that still waits counts with what
 * it has waited. What waits for its own sake (held, After=) is left out. An end is an attempt's. */

#define LIVE_MOST  200 /* of those that wait or run, from the first */
#define WAITS_MOST (2 * TQ_LEDGER_FIGURES)

typedef struct Windows {
        uint64_t from, at, now;
        TqFigures *figures;
        uint64_t waits[2][WAITS_MOST];
        size_t n_waits[2];
} Windows;

/* The window that a time is in; -1: none. */
static int window_of(const Windows *w, uint64_t usec) {
        if (usec < w->from || usec > w->now)
                return -1;
        return usec < w->at ? 0 : 1;
}

static void add_wait(Windows *w, int window, uint64_t since, uint64_t until) {
        if (window >= 0 && since <= until && w->n_waits[window] < WAITS_MOST)
                w->waits[window][w->n_waits[window]++] = until - since;
}

/* Somebody wanted it to end, or the host did. */
static bool is_no_end_of_its_own(const char *stop, const char *verdict) {
        static const TqOutcome others[] = { TQ_OUTCOME_REQUEUED, TQ_OUTCOME_LOST,
                                            TQ_OUTCOME_INTERRUPTED };

        if (stop && strcmp(stop, tq_verdict_stop_to_string(TQ_STOP_CANCELLED)) == 0)
                return true;
        for (size_t i = 0; i < TQ_ELEMENTSOF(others); i++)
                if (strcmp(verdict, tq_verdict_outcome_to_string(others[i])) == 0)
                        return true;
        return false;
}

static void add_end(Windows *w, sqlite3_stmt *s) {
        const char *stop = tq_ledger_text(s, 5), *verdict = tq_ledger_text(s, 9);
        int window = window_of(w, tq_ledger_u64(s, 8));

        if (window < 0 || !verdict || is_no_end_of_its_own(stop, verdict))
                return;
        w->figures[window].ended++;
        w->figures[window].failed += strcmp(verdict, "exit 0") != 0;
        w->figures[window].killed += tq_ledger_u64(s, 10) > 0;
}

/* A row is an attempt, or a job that has none. */
static void add_row(Windows *w, sqlite3_stmt *s) {
        uint64_t since = TQ_MAX(tq_ledger_u64(s, 0), tq_ledger_u64(s, 1));
        bool has_attempt = sqlite3_column_type(s, 6) != SQLITE_NULL;
        bool is_free = sqlite3_column_int(s, 3) == 0 && sqlite3_column_int(s, 4) == 0;
        uint64_t released = has_attempt ? tq_ledger_u64(s, 7) : UINT64_MAX;

        if (has_attempt && sqlite3_column_type(s, 8) != SQLITE_NULL)
                add_end(w, s);
        if (!is_free || (has_attempt && sqlite3_column_int(s, 6) != 1) ||
            (!has_attempt && strcmp(tq_ledger_text(s, 2), "queued") != 0))
                return;
        add_wait(w, window_of(w, released), since, released);
        /* At the end of a window it waited still. */
        if (released >= w->at)
                add_wait(w, 0, since, w->at);
        if (released > w->now)
                add_wait(w, 1, since, w->now);
}

static int by_size(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

static void rank(const Windows *w, int window) {
        size_t n = w->n_waits[window];
        uint64_t *waits = (uint64_t *)w->waits[window];

        w->figures[window].waits = n;
        if (n == 0)
                return;
        qsort(waits, n, sizeof(*waits), by_size);
        /* The nearest rank: the least that 95 of 100 do not exceed. */
        w->figures[window].wait_p95_usec = waits[(95 * n + 99) / 100 - 1];
}

int tq_ledger_figures(TqLedger *l, uint32_t tenant, uint64_t from, uint64_t at, uint64_t now,
                      TqFigures ret[2]) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_FIGURES);
        TQ_FREE Windows *w = calloc(1, sizeof(*w));
        int rc;

        if (!w)
                return -ENOMEM;
        memset(ret, 0, 2 * sizeof(*ret));
        *w = (Windows){ .from = from, .at = at, .now = now, .figures = ret };
        tq_ledger_bind_u64(s, 1, tenant);
        tq_ledger_bind_u64(s, 2, TQ_LEDGER_FIGURES);
        tq_ledger_bind_u64(s, 3, LIVE_MOST);
        while ((rc = sqlite3_step(s)) == SQLITE_ROW)
                add_row(w, s);
        (void)sqlite3_reset(s);
        rank(w, 0);
        rank(w, 1);
        return tq_ledger_errno(rc);
}
