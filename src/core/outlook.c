/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/outlook.h"

#include <stdlib.h>

#include "core/line.h"
#include "core/turn.h"

/* What comes next, as far as it can be said: each start moves its tenant's tag by what the job is
 * charged, which nobody knows before. So it is told in rounds: the next job of each tenant in the
 * order of turn.c, then the second of each; those whose own jobs fill them come behind, and then
 * those that are paused. Within a tenant its queues take turns, those that are in turn first;
 * within a queue it is the line's own order. */

typedef struct Share {
        const TqJob **jobs; /* of a tenant, the first ones in order */
        size_t n;
} Share;

/* Up to how many of each it takes to have that many of all together. */
static size_t depth(const uint64_t sizes[], size_t n, uint64_t want) {
        size_t low = 0, high = want;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                uint64_t all = 0;

                for (size_t i = 0; i < n && all < want; i++)
                        all += TQ_MIN(sizes[i], (uint64_t)middle);
                if (all >= want)
                        high = middle;
                else
                        low = middle + 1;
        }
        return low;
}

/* Who competes; who does as soon as a job of its own ends; who is kept out. */
typedef enum Group { COMPETES, IS_FULL, IS_OFF, _GROUP_MAX } Group;

static Group group_of(const TqTenant *t) {
        return t->stand != TQ_STAND_OUT ? COMPETES : t->enabled && !t->is_paused ? IS_FULL : IS_OFF;
}

static int by_turn(const void *x, const void *y) {
        const TqTenant *a = *(const TqTenant *const *)x, *b = *(const TqTenant *const *)y;
        Group in = group_of(a);

        if (in != group_of(b))
                return in < group_of(b) ? -1 : 1;
        /* Across pools, too, so that it is one order for all. */
        if (in == COMPETES && (tq_turn_before(a, b) || tq_turn_before(b, a)))
                return tq_turn_before(a, b) ? -1 : 1;
        if (in != COMPETES && a->tag != b->tag)
                return a->tag < b->tag ? -1 : 1;
        return a->id < b->id ? -1 : a->id > b->id;
}

static uint64_t jobs_of(const TqTenant *t) {
        uint64_t n = 0;

        TQ_LIST_FOREACH(node, &t->queues)
        n += TQ_LIST_ENTRY(node, TqQueue, all)->line.size;
        return n;
}

/* Its queues with jobs in line; those that are in turn first. */
static size_t queues_of(const TqTenant *t, const TqQueue *ret[]) {
        size_t n = 0;

        TQ_LIST_FOREACH(node, &t->ready_queues)
        ret[n++] = TQ_LIST_ENTRY(node, TqQueue, ready);
        TQ_LIST_FOREACH(node, &t->queues) {
                const TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, all);

                if (tq_list_is_empty(&q->ready) && q->line.size > 0)
                        ret[n++] = q;
        }
        return n;
}

/* The first jobs of a tenant, each queue's in turn. */
static int share_of(const TqTenant *t, size_t most, Share *ret) {
        TQ_FREE const TqQueue **queues =
                (const TqQueue **)calloc(TQ_MAX(t->n_queues, (size_t)1), sizeof(TqQueue *));
        TQ_FREE uint64_t *sizes = calloc(TQ_MAX(t->n_queues, (size_t)1), sizeof(*sizes));
        TQ_FREE const TqJob **heads = NULL;
        size_t n, each, all = 0;

        if (!queues || !sizes)
                return -ENOMEM;
        n = queues_of(t, queues);
        for (size_t i = 0; i < n; i++)
                all += sizes[i] = queues[i]->line.size;
        most = TQ_MIN(most, all);
        each = depth(sizes, n, most);
        heads = (const TqJob **)calloc(n * each + 1, sizeof(TqJob *));
        ret->jobs = (const TqJob **)calloc(most + 1, sizeof(TqJob *));
        if (!heads || !ret->jobs)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                sizes[i] = tq_line_head(&queues[i]->line, each, &heads[i * each]);
        for (size_t round = 0; round < each; round++)
                for (size_t i = 0; i < n && ret->n < most; i++)
                        if (round < sizes[i])
                                ret->jobs[ret->n++] = heads[i * each + round];
        return 0;
}

/* From *at of all on, what lies within. */
static void deal(const Share shares[], size_t n, size_t skip, size_t max, size_t *at,
                 uint64_t ret[]) {
        bool is_dealt = true;

        for (size_t round = 0; is_dealt && *at < skip + max; round++) {
                is_dealt = false;
                for (size_t i = 0; i < n && *at < skip + max; i++) {
                        if (round >= shares[i].n)
                                continue;
                        is_dealt = true;
                        if (*at >= skip)
                                ret[*at - skip] = shares[i].jobs[round]->id;
                        (*at)++;
                }
        }
}

static int deal_all(const TqTenant *const tenants[], size_t n, size_t skip, size_t max, size_t *at,
                    uint64_t ret[]) {
        TQ_FREE uint64_t *sizes = calloc(n + 1, sizeof(*sizes));
        TQ_FREE Share *shares = calloc(n + 1, sizeof(*shares));
        size_t each;
        int r = sizes && shares ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < n; i++)
                sizes[i] = jobs_of(tenants[i]);
        each = r >= 0 ? depth(sizes, n, skip + max - *at) : 0;
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (sizes[i] > 0)
                        r = share_of(tenants[i], each, &shares[i]);
        if (r >= 0)
                deal(shares, n, skip, max, at, ret);
        for (size_t i = 0; shares && i < n; i++)
                free((void *)shares[i].jobs);
        return r;
}

ssize_t tq_outlook(const TqTenant *tenants[], size_t n, size_t skip, size_t max, uint64_t ret[]) {
        size_t from = 0, to = 0, at = 0;
        int r = 0;

        if (n > 0)
                qsort((void *)tenants, n, sizeof(*tenants), by_turn);
        for (int group = 0; r >= 0 && group < _GROUP_MAX && at < skip + max; group++, from = to) {
                while (to < n && group_of(tenants[to]) == (Group)group)
                        to++;
                r = deal_all(tenants + from, to - from, skip, max, &at, ret);
        }
        return r < 0 ? r : (ssize_t)(at > skip ? at - skip : 0);
}
