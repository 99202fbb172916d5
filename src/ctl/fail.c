/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/fail.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/format.h"

int fail(int code, const char *fmt, ...) {
        char text[2048], shown[4096];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        (void)fprintf(stderr, "tenantqctl: %s\n", tq_format_shown(text, shown, sizeof(shown)));
        return code;
}
