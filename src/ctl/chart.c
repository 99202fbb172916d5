/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/format.h"
#include "ctl/simulate.h"

/* Two panels of horizontal bars, a row for each tenant (those that used the most, if there are
 * many): the 95th percentile of the wait, and the share of the host with a mark at what the tenant
 * was entitled to. Plain SVG 1.1 without scripts or fonts of its own. */

#define ROWS_MAX     40
#define ROW_HEIGHT   34
#define TOP          70
#define NAME_WIDTH   150
#define PANEL_WIDTH  330
#define PANEL_GAP    70
#define COLOR_BEFORE "#b8b8b8"
#define COLOR_AFTER  "#2b6cb0"
#define COLOR_MARK   "#c05621"

typedef struct Chart {
        FILE *f;
        const TqWorkload *w;
        const TqSimReport *before, *after;
        size_t rows[ROWS_MAX];
        size_t n;
        double longest_wait, largest_share;
} Chart;

static void text(const Chart *c, double x, double y, const char *anchor, const char *s) {
        (void)fprintf(c->f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
        for (; *s; s++) {
                if (*s == '<' || *s == '>' || *s == '&')
                        (void)fprintf(c->f, "&#%d;", *s);
                else
                        (void)fputc((unsigned char)*s < 0x20 ? '?' : *s, c->f);
        }
        (void)fputs("</text>\n", c->f);
}

static void bar(const Chart *c, double x, double y, double width, double height,
                const char *color) {
        (void)fprintf(c->f,
                      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n",
                      x, y, TQ_MAX(width, 0.5), height, color);
}

/* The tenants to show: those with the largest use, in the workload's order. */
static void choose(Chart *c) {
        for (size_t i = 0; i < c->after->n_tenants; i++) {
                size_t larger = 0;

                for (size_t k = 0; k < c->after->n_tenants && larger < ROWS_MAX; k++)
                        larger += c->after->tenants[k].use > c->after->tenants[i].use ||
                                  (k < i && c->after->tenants[k].use >= c->after->tenants[i].use);
                if (larger < ROWS_MAX && c->n < ROWS_MAX)
                        c->rows[c->n++] = i;
        }
        c->longest_wait = 1e-6;
        c->largest_share = 1e-6;
        for (size_t i = 0; i < c->n; i++) {
                const TqSimResult *t = &c->after->tenants[c->rows[i]];
                const TqSimResult *b = c->before ? &c->before->tenants[c->rows[i]] : t;

                c->longest_wait = TQ_MAX(c->longest_wait, TQ_MAX(t->wait_p95_s, b->wait_p95_s));
                c->largest_share = TQ_MAX(TQ_MAX(c->largest_share, TQ_MAX(t->share, b->share)),
                                          TQ_MAX(t->entitlement, b->entitlement));
        }
}

static void draw_result(const Chart *c, const TqSimResult *t, double y, double height,
                        const char *color) {
        double left = NAME_WIDTH, right = NAME_WIDTH + PANEL_WIDTH + PANEL_GAP;
        double wait = t->wait_p95_s / c->longest_wait * PANEL_WIDTH;
        double share = t->share / c->largest_share * PANEL_WIDTH;
        double mark = right + t->entitlement / c->largest_share * PANEL_WIDTH;
        char label[TQ_FORMAT_MAX];

        bar(c, left, y, wait, height, color);
        text(c, left + wait + 4, y + height - 2, "start",
             tq_format_span_short((uint64_t)(t->wait_p95_s * 1e6), label, sizeof(label)));
        bar(c, right, y, share, height, color);
        bar(c, mark - 1, y - 1, 2, height + 2, COLOR_MARK);
        (void)snprintf(label, sizeof(label), "%.1f%%", t->share * 100);
        text(c, TQ_MAX(right + share, mark) + 5, y + height - 2, "start", label);
}

static void draw_row(const Chart *c, size_t i) {
        double y = TOP + (double)i * ROW_HEIGHT, height = c->before ? 12 : 20;
        size_t tenant = c->rows[i];

        text(c, NAME_WIDTH - 8, y + 17, "end", c->w->tenants[tenant].name);
        if (c->before)
                draw_result(c, &c->before->tenants[tenant], y + 1, height, COLOR_BEFORE);
        draw_result(c, &c->after->tenants[tenant], y + (c->before ? 14 : 3), height, COLOR_AFTER);
}

static void draw(const Chart *c) {
        double width = NAME_WIDTH + 2 * PANEL_WIDTH + 2 * PANEL_GAP;
        double height = TOP + (double)c->n * ROW_HEIGHT + 20;

        (void)fprintf(c->f,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%.0f\" "
                      "height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
                      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                      width, height);
        text(c, NAME_WIDTH, 24, "start", "wait, 95th percentile");
        text(c, NAME_WIDTH + PANEL_WIDTH + PANEL_GAP, 24, "start",
             "share of the host; the mark is what the weight entitles to");
        if (c->before) {
                bar(c, NAME_WIDTH, 38, 12, 12, COLOR_BEFORE);
                text(c, NAME_WIDTH + 18, 49, "start", "before");
                bar(c, NAME_WIDTH + 80, 38, 12, 12, COLOR_AFTER);
                text(c, NAME_WIDTH + 98, 49, "start", "after");
        }
        for (size_t i = 0; i < c->n; i++)
                draw_row(c, i);
        (void)fputs("</svg>\n", c->f);
}

int chart_write(const char *file, const TqWorkload *w, const Run *before, const Run *after) {
        Chart c = { .w = w, .before = before ? &before->report : NULL, .after = &after->report };
        bool has_failed;

        c.f = fopen(file, "we");
        if (!c.f)
                return fail(TQ_EXIT_FAILURE, "%s: %s", file, strerror(errno));
        choose(&c);
        draw(&c);
        has_failed = ferror(c.f) != 0;
        has_failed |= fclose(c.f) != 0;
        return has_failed ? fail(TQ_EXIT_FAILURE, "%s: can't be written", file) : 0;
}
