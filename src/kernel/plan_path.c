/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <limits.h>
#include <stdio.h>

#include "kernel/plan.h"

/* Apart from the rest, since tenantq-exec links that and reads only. */

void tq_plan_add_path(TqBuffer *paths, TqPathKind kind, const char *fmt, ...) {
        char byte = (char)kind, path[PATH_MAX];
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(path, sizeof(path), fmt, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= sizeof(path)) {
                paths->error = -ENOMEM; /* no path of a host is so long */
                return;
        }
        tq_buffer_append(paths, &byte, 1);
        tq_buffer_append(paths, path, (size_t)n + 1);
}
