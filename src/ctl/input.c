/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/fs.h"
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

/* A thread, since reading a file can't be waited for, and of a terminal only one may read that is
 * not stopped for it. */
static void *feed(void *data) {
        TQ_CLOSE int fd = (int)(intptr_t)data;
        char piece[65536];
        ssize_t n;

        do {
                n = read(STDIN_FILENO, piece, sizeof(piece));
                if (n > 0 && tq_fs_write_all(fd, piece, (size_t)n) < 0)
                        break; /* the job reads no more, or has ended */
        } while (n > 0 || (n < 0 && errno == EINTR));
        return NULL;
}

int input_feed(int fd) {
        int r = thread_start(feed, (void *)(intptr_t)fd);

        if (r != 0)
                (void)tq_close(fd);
        return r;
}
