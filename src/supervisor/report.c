/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

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
