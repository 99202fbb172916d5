/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/supervisor.h"

/* What only a person can mend, while the tenant is otherwise in order: a file that can't be taken,
 * watches that are used up. One at a time for each tenant; it is told to the engine, which shows it
 * in `tenants` and records one event, and it goes away with its cause. Tenants' bytes in it are
 * escaped by the caller. */

void notes_set(Supervisor *s, Tenant *t, const char *file, const char *fmt, ...) {
        va_list ap;

        /* The one that stands is mended first; this one is met again. */
        if (t->note[0] != '\0')
                return;
        va_start(ap, fmt);
        (void)vsnprintf(t->note, sizeof(t->note), fmt, ap);
        va_end(ap);
        (void)snprintf(t->note_file, sizeof(t->note_file), "%s", file);
        tenants_announce_one(s, t);
}

void notes_clear(Supervisor *s, Tenant *t, const char *file) {
        if (t->note[0] == '\0' || strcmp(t->note_file, file) != 0)
                return;
        t->note[0] = '\0';
        tenants_announce_one(s, t);
}
