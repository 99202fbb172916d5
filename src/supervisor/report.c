/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "supervisor/supervisor.h"

/* stderr with sd-daemon(3)'s level prefixes: the journal's under systemd, readable without. Texts
 * with a tenant's bytes are escaped by the caller. */

static void say(const char *level, const char *fmt, va_list ap) {
        char text[1024];

        (void)vsnprintf(text, sizeof(text), fmt, ap);
        (void)fprintf(stderr, "%s%s\n", level, text);
}

void report_error(const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        say(SD_ERR, fmt, ap);
        va_end(ap);
}

void report_info(const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        say(SD_INFO, fmt, ap);
        va_end(ap);
}

#define TENANT_LINES      20 /* in TENANT_LINES_USEC */
#define TENANT_LINES_USEC (60 * TQ_USEC_PER_SEC)

/* What a tenant can bring about: within a budget of lines, and what was left out is counted. */
void report_tenant(Tenant *t, const char *fmt, ...) {
        uint64_t now = tq_clock_monotonic_usec();
        va_list ap;

        if (now - t->lines_since > TENANT_LINES_USEC) {
                if (t->n_lines > TENANT_LINES)
                        report_error("tenant %s: %u more such lines were left out", t->name,
                                     t->n_lines - TENANT_LINES);
                t->lines_since = now;
                t->n_lines = 0;
        }
        if (++t->n_lines > TENANT_LINES)
                return;
        va_start(ap, fmt);
        say(SD_NOTICE, fmt, ap);
        va_end(ap);
}
