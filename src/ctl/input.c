/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/ctl.h"

/* What the caller names: a file, a link, a pipe, or - for standard input. It is read with the
 * caller's own rights, so it may be anything. */

static int read_all(FILE *f, size_t max, TqBuffer *ret) {
        char piece[65536];
        size_t n;

        while (ret->size <= max && (n = fread(piece, 1, sizeof(piece), f)) > 0)
                tq_buffer_append(ret, piece, n);
        if (ferror(f))
                return tq_errno();
        return ret->size > max ? -E2BIG : tq_buffer_error(ret);
}

int input_read(const char *name, size_t max, TqBuffer *ret) {
        FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
        int r;

        if (!f)
                return tq_errno();
        r = read_all(f, max, ret);
        if (f != stdin)
                (void)fclose(f);
        return r;
}
