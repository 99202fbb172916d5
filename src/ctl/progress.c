/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/format.h"

/* The jobs are looked up in the list that the daemon has of all, between the oldest and the newest
 * of them that have not ended. What that takes says when it is done again: it is by the way. */

#define PAUSE_USEC (250 * TQ_USEC_PER_MSEC)
#define PAUSE_COST 20 /* times what a look took */
#define BAR        20

typedef enum JobState { WAITS, RUNS, SUCCEEDED, FAILED } JobState;

struct Progress {
        const Options *options;
        const uint64_t *jobs;
        size_t n;
        JobState *states;
        char running[256]; /* those that run, by number and name */
        uint64_t next_usec;
        bool is_drawn;
};

Progress *progress_new(const Options *o, const uint64_t jobs[], size_t n) {
        const char *term = getenv("TERM");
        Progress *p;

        if (n < 2 || !isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0)
                return NULL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return NULL;
        *p = (Progress){ .options = o, .jobs = jobs, .n = n };
        p->states = calloc(n, sizeof(*p->states));
        return p->states ? p : progress_free(p);
}

Progress *progress_free(Progress *p) {
        if (!p)
                return NULL;
        progress_erase(p);
        free(p->states);
        free(p);
        return NULL;
}

static size_t count(const Progress *p, JobState state) {
        size_t n = 0;

        for (size_t i = 0; i < p->n; i++)
                n += p->states[i] == state;
        return n;
}

static void put(char *buf, size_t size, const char *fmt, ...) TQ_PRINTF(3, 4);
static void put(char *buf, size_t size, const char *fmt, ...) {
        size_t at = strlen(buf);
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(buf + at, size - at, fmt, ap);
        va_end(ap);
}

/* In the middle of a character nothing ends. */
static void cut(char *text, size_t bytes) {
        if (strlen(text) <= bytes)
                return;
        while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80)
                bytes--;
        text[bytes] = '\0';
}

static void draw(Progress *p) {
        size_t failed = count(p, FAILED), done = failed + count(p, SUCCEEDED),
               full = done * BAR / p->n, runs = count(p, RUNS);
        struct winsize size = {};
        char line[512] = "[";

        for (size_t i = 0; i < BAR; i++)
                put(line, sizeof(line), "%c", i < full ? '#' : '.');
        put(line, sizeof(line), "] %zu/%zu", done, p->n);
        if (failed > 0)
                put(line, sizeof(line), ", %zu failed", failed);
        if (runs > 0)
                put(line, sizeof(line), ", %zu run%s: %s", runs, runs == 1 ? "s" : "", p->running);
        (void)ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
        cut(line, size.ws_col > 1 ? size.ws_col - 1U : 79);
        (void)fprintf(stderr, "\r%s\033[K", line);
        p->is_drawn = true;
}

void progress_erase(Progress *p) {
        if (p && p->is_drawn)
                (void)fputs("\r\033[K", stderr);
        if (p)
                p->is_drawn = false;
}

void progress_note(Progress *p, size_t i, bool has_failed) {
        if (p)
                p->states[i] = has_failed ? FAILED : SUCCEEDED;
}

static void take_row(Progress *p, const TqTable *t, size_t row) {
        uint64_t job = (uint64_t)tq_table_integer(t, row, "job", 0);
        const char *state = tq_table_text(t, row, "state"), *name = tq_table_text(t, row, "name");
        const char *verdict = tq_table_text(t, row, "verdict");
        char shown[160];

        for (size_t i = 0; i < p->n; i++) {
                if (p->jobs[i] != job || p->states[i] >= SUCCEEDED)
                        continue;
                if (state && strcmp(state, "done") == 0)
                        progress_note(p, i, !verdict || strcmp(verdict, "exit 0") != 0);
                else if (state && strcmp(state, "running") == 0) {
                        p->states[i] = RUNS;
                        put(p->running, sizeof(p->running), "%s%" PRIu64 " %s",
                            p->running[0] ? ", " : "", job,
                            tq_format_shown(name ? name : "", shown, sizeof(shown)));
                } else
                        p->states[i] = WAITS;
        }
}

/* A page of those before *before; false: it is the last. */
static bool look_at_page(Progress *p, sd_bus *bus, uint64_t oldest, uint64_t *before) {
        TQ_TABLE_CLEANUP TqTable t = {};
        sd_bus_message *reply = NULL;
        uint64_t next = 0;
        int r;

        r = sd_bus_call_method(bus, NULL, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, "ListJobs", NULL,
                               &reply, "sbtu", "", 1, *before, TQ_PAGE_ROWS);
        if (r >= 0)
                r = tq_control_read_table(reply, &t);
        if (r >= 0)
                r = sd_bus_message_read(reply, "t", &next);
        (void)sd_bus_message_unref(reply);
        if (r < 0)
                return false; /* whoever waits for the jobs will hear why */
        for (size_t row = 0; row < t.n_rows; row++)
                take_row(p, &t, row);
        *before = next;
        return next > oldest;
}

static void look(Progress *p) {
        uint64_t oldest = UINT64_MAX, before = 0;
        sd_bus *bus = NULL;

        for (size_t i = 0; i < p->n; i++)
                if (p->states[i] < SUCCEEDED) {
                        oldest = TQ_MIN(oldest, p->jobs[i]);
                        before = TQ_MAX(before, p->jobs[i] + 1);
                }
        if (before == 0 || tq_control_connect(p->options->socket, &bus) < 0)
                return;
        p->running[0] = '\0';
        while (look_at_page(p, bus, oldest, &before))
                ;
        (void)sd_bus_flush_close_unref(bus);
}

void progress_look(void *progress) {
        uint64_t now = tq_clock_monotonic_usec();
        Progress *p = progress;

        if (now < p->next_usec)
                return;
        look(p);
        draw(p);
        p->next_usec = tq_clock_monotonic_usec();
        p->next_usec += TQ_MAX(PAUSE_USEC, PAUSE_COST * (p->next_usec - now));
}
