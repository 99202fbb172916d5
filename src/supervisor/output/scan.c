/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/output/scan.h"

#include <dirent.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "store/joblog.h"
#include "supervisor/tenants/logs.h"

/* Only what has a name that we give is output: anything else in the directory (a file that
 * logrotate has renamed or compressed) is somebody's who knows what to do with it.
 *
 * An attempt's two files are looked at together, at the one that comes first in the order of
 * streams, as both go together. Of those that may go the oldest are kept in a heap with the
 * youngest of them on top, so that memory is bounded, however many files there are; what is beyond
 * that is found by the next scan, when these have gone. */

#define ENTRIES_A_LOOK 16 /* at the clock */

struct Scan {
        ScanAsk ask;
        DIR *dir;
        ScanFound found;
        TqHeap oldest;
};

static bool is_younger(const TqHeapNode *a, const TqHeapNode *b) {
        const OutputItem *x = TQ_CONTAINER_OF(a, OutputItem, node);
        const OutputItem *y = TQ_CONTAINER_OF(b, OutputItem, node);

        return choose_is_older(y, x);
}

int scan_new(const ScanAsk *ask, Scan **ret) {
        Scan *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->ask = *ask;
        s->oldest.before = is_younger;
        s->found.items = calloc(SCAN_OLDEST, sizeof(*s->found.items));
        r = s->found.items ? tq_fs_opendir(ask->dir_fd, ".", &s->dir) : -ENOMEM;
        if (r < 0) {
                (void)scan_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

Scan *scan_free(Scan *s) {
        if (!s)
                return NULL;
        if (s->dir)
                (void)closedir(s->dir);
        tq_heap_done(&s->oldest);
        free(s->found.items);
        free(s);
        return NULL;
}

/* Takes the place of the youngest, if it is older. */
static int remember(Scan *s, const OutputItem *item) {
        OutputItem *place;

        if (s->found.n < SCAN_OLDEST) {
                place = &s->found.items[s->found.n++];
                *place = *item;
                return tq_heap_insert(&s->oldest, &place->node);
        }
        place = TQ_CONTAINER_OF(tq_heap_top(&s->oldest), OutputItem, node);
        if (!choose_is_older(item, place))
                return 0;
        tq_heap_remove(&s->oldest, &place->node);
        *place = *item;
        return tq_heap_insert(&s->oldest, &place->node);
}

static void add_file(const Scan *s, OutputItem *item, const TqJoblogStat *st) {
        uint64_t keep = TQ_MIN(st->keep_usec, s->ask.keep_most_usec);

        item->files++;
        item->bytes = tq_add_u64(item->bytes, st->bytes);
        item->written_usec = TQ_MAX(item->written_usec, st->written_usec);
        if (keep > 0)
                item->keep_until_usec =
                        TQ_MAX(item->keep_until_usec, tq_add_u64(st->written_usec, keep));
}

/* Of the attempt that the name is of: all of it, or nothing if another name comes for that. */
static int look_at(Scan *s, const char *name) {
        OutputItem item = {};
        TqStream stream;
        TqJoblogStat st;

        if (!tq_joblog_parse(name, &item.job, &item.attempt, &stream)) {
                s->found.others += strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
                                   !logs_is_mark(name) && !tq_joblog_is_spare(name);
                return 0;
        }
        if (s->ask.is_new(s->ask.data, item.job, item.attempt))
                return 0;
        for (int i = 0; i < _TQ_STREAM_MAX; i++) {
                int r = tq_joblog_stat(s->ask.dir_fd, item.job, item.attempt, (TqStream)i, &st);

                /* One that the disk does not tell of keeps nobody else from going. */
                if (r < 0 && r != -ENOENT) {
                        s->found.error = r;
                        s->found.others++;
                        return 0;
                }
                if (r >= 0 && i < (int)stream)
                        return 0;
                if (r >= 0)
                        add_file(s, &item, &st);
                else if (i == (int)stream) { /* no file, or gone by now */
                        s->found.others++;
                        return 0;
                }
        }
        s->found.sum.bytes = tq_add_u64(s->found.sum.bytes, item.bytes);
        s->found.sum.files += item.files;
        item.is_live = s->ask.is_live(s->ask.data, item.job, item.attempt);
        return choose_may_go(&item, s->ask.now_usec) ? remember(s, &item) : 0;
}

int scan_step(Scan *s, uint64_t deadline_usec) {
        const struct dirent *e;
        int r = 0;

        for (unsigned n = 1;; n++) {
                r = tq_fs_readdir(s->dir, &e);
                if (r <= 0)
                        return r < 0 ? r : 1;
                r = look_at(s, e->d_name);
                if (r < 0)
                        return r;
                if (n % ENTRIES_A_LOOK == 0 && tq_clock_monotonic_usec() >= deadline_usec)
                        return 0;
        }
}

ScanFound scan_found(Scan *s) {
        return s->found;
}
