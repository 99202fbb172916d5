/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/line.h"

/* Nearly every job comes last, and leaves as the first: a ring does that in O(1), and what it looks
 * at lies side by side. Those that come back to a place between others (a hundred thousand that
 * were held, while others came) would be a walk each, so they stand beside the ring in a heap, and
 * the first of both is the first. A heap and not a tree that weights or colours keep in shape: its
 * depth depends on nothing that a tenant chooses, and it takes a word of a job. */

static bool returned_before(const TqHeapNode *a, const TqHeapNode *b);

static void level_init(TqLineLevel *level, int priority) {
        *level = (TqLineLevel){ .priority = priority };
        for (int i = 0; i < _TQ_LANE_MAX; i++) {
                tq_list_init(&level->jobs[i]);
                level->returned[i].before = returned_before;
                level->sequence[i] = UINT64_MAX;
        }
}

void tq_line_init(TqLine *l) {
        *l = (TqLine){};
        tq_list_init(&l->levels);
        level_init(&l->usual, 0);
        tq_list_append(&l->levels, &l->usual.link);
}

static TqLane lane_of(const TqJob *job) {
        return job->is_short ? TQ_LANE_SHORT : TQ_LANE_LONG;
}

static bool is_empty(const TqLineLevel *level) {
        return !level->first[TQ_LANE_LONG] && !level->first[TQ_LANE_SHORT];
}

static void level_free(const TqLine *l, TqLineLevel *level) {
        tq_list_unlink(&level->link);
        for (int i = 0; i < _TQ_LANE_MAX; i++)
                tq_heap_done(&level->returned[i]);
        if (level != &l->usual)
                free(level);
}

void tq_line_done(TqLine *l) {
        TQ_LIST_FOREACH(node, &l->levels)
        level_free(l, TQ_LIST_ENTRY(node, TqLineLevel, link));
}

/* There are at most as many levels as priorities, and mostly one. */
static int level_ensure(TqLine *l, int priority, TqLineLevel **ret) {
        TqList *before = &l->levels;
        TqLineLevel *level;

        TQ_LIST_FOREACH(node, &l->levels) {
                level = TQ_LIST_ENTRY(node, TqLineLevel, link);
                if (level->priority == priority) {
                        *ret = level;
                        return 0;
                }
                if (level->priority < priority) {
                        before = node;
                        break;
                }
        }
        level = calloc(1, sizeof(*level));
        if (!level)
                return -ENOMEM;
        level_init(level, priority);
        tq_list_append(before, &level->link); /* a ring: appending to a node puts it before that */
        *ret = level;
        return 0;
}

static TqJob *job_of(const TqList *node) {
        return TQ_LIST_ENTRY((TqList *)node, TqJob, waiting);
}

static TqJob *returned_of(const TqHeapNode *node) {
        return TQ_CONTAINER_OF((TqHeapNode *)node, TqJob, returned);
}

static bool returned_before(const TqHeapNode *a, const TqHeapNode *b) {
        return returned_of(a)->sequence < returned_of(b)->sequence;
}

static void note_first(TqLineLevel *level, TqLane lane) {
        const TqList *node = tq_list_first(&level->jobs[lane]);
        const TqHeapNode *top = tq_heap_top(&level->returned[lane]);
        TqJob *first = node ? job_of(node) : NULL;

        if (top && (!first || returned_of(top)->sequence < first->sequence))
                first = returned_of(top);
        level->first[lane] = first;
        level->sequence[lane] = first ? first->sequence : UINT64_MAX;
}

/* A level that was made for the job is not left empty: what may fail needs others in the ring. */
static int put(TqLineLevel *level, TqJob *job) {
        TqLane lane = lane_of(job);
        TqList *ring = &level->jobs[lane];
        int r;

        if (tq_list_is_empty(ring) || job_of(ring->previous)->sequence < job->sequence)
                tq_list_append(ring, &job->waiting);
        else if (job_of(ring->next)->sequence > job->sequence)
                tq_list_append(ring->next, &job->waiting); /* before that one */
        else {
                job->returned = (TqHeapNode){};
                r = tq_heap_insert(&level->returned[lane], &job->returned);
                if (r < 0) {
                        tq_list_init(&job->waiting);
                        return r;
                }
                job->is_returned = true;
        }
        if (job->sequence < level->sequence[lane]) {
                level->sequence[lane] = job->sequence;
                level->first[lane] = job;
        }
        return 0;
}

static void take(TqLineLevel *level, TqLane lane, TqJob *job) {
        TqHeap *returned = &level->returned[lane];

        if (job->is_returned) {
                job->is_returned = false;
                tq_heap_remove(returned, &job->returned);
                tq_list_init(&job->waiting);
                if (returned->size == 0)
                        tq_heap_done(returned);
        } else
                tq_list_unlink(&job->waiting);
        if (level->first[lane] == job)
                note_first(level, lane);
}

/* The level that a job is in. */
static TqLineLevel *level_of(TqLine *l, int priority) {
        TQ_LIST_FOREACH(node, &l->levels) {
                TqLineLevel *level = TQ_LIST_ENTRY(node, TqLineLevel, link);

                if (level->priority == priority)
                        return level;
        }
        return NULL;
}

int tq_line_insert(TqLine *l, TqJob *job) {
        TqLineLevel *level;
        int r;

        r = level_ensure(l, job->priority, &level);
        if (r >= 0)
                r = put(level, job);
        if (r < 0)
                return r;
        job->is_in_line = true;
        l->size++;
        return 0;
}

void tq_line_remove(TqLine *l, TqJob *job) {
        TqLineLevel *level;

        if (!job->is_in_line)
                return;
        level = level_of(l, job->priority);
        take(level, lane_of(job), job);
        job->is_in_line = false;
        l->size--;
        if (level != &l->usual && is_empty(level))
                level_free(l, level);
}

/* Where the first of a level stands, by sequence. */
static TqLane first_lane(const TqLineLevel *level) {
        return level->sequence[TQ_LANE_LONG] < level->sequence[TQ_LANE_SHORT] ? TQ_LANE_LONG
                                                                              : TQ_LANE_SHORT;
}

TqJob *tq_line_first(const TqLine *l, bool short_only) {
        TQ_LIST_FOREACH(node, &l->levels) {
                const TqLineLevel *level = TQ_LIST_ENTRY(node, TqLineLevel, link);
                TqJob *job = level->first[short_only ? TQ_LANE_SHORT : first_lane(level)];

                if (job)
                        return job;
        }
        return NULL;
}

/* Takes a level apart in the order of sequence and puts it together anew: all in the rings. */
static void sort_level(TqLineLevel *level) {
        TqList jobs[_TQ_LANE_MAX], *node;

        for (int i = 0; i < _TQ_LANE_MAX; i++)
                tq_list_init(&jobs[i]);
        for (;;) {
                TqLane lane = first_lane(level);
                TqJob *job = level->first[lane];

                if (!job)
                        break;
                take(level, lane, job);
                tq_list_append(&jobs[lane_of(job)], &job->waiting);
        }
        for (int i = 0; i < _TQ_LANE_MAX; i++) {
                while ((node = tq_list_first(&jobs[i]))) {
                        tq_list_unlink(node);
                        tq_list_append(&level->jobs[i], node);
                }
                note_first(level, (TqLane)i);
        }
}

void tq_line_sort_lanes(TqLine *l) {
        TQ_LIST_FOREACH(node, &l->levels)
        sort_level(TQ_LIST_ENTRY(node, TqLineLevel, link));
}

/* Those of a ring that come before the sequence. */
static uint64_t count_before(const TqList *ring, uint64_t sequence, uint64_t max) {
        uint64_t n = 0;

        for (const TqList *node = ring->next;
             node != ring && n < max && job_of(node)->sequence < sequence; node = node->next)
                n++;
        return n;
}

/* The same of a heap, from its node i on: below one that does not come before nobody does. */
static uint64_t count_returned(const TqHeap *h, size_t i, uint64_t sequence, uint64_t max) {
        uint64_t n = 1;

        if (i >= h->size || max == 0 || returned_of(h->nodes[i])->sequence >= sequence)
                return 0;
        n += count_returned(h, 2 * i + 1, sequence, max - n);
        n += count_returned(h, 2 * i + 2, sequence, max - n);
        return n;
}

uint64_t tq_line_position(const TqLine *l, const TqJob *job, uint64_t max) {
        uint64_t n = 0;

        TQ_LIST_FOREACH(node, &l->levels) {
                const TqLineLevel *level = TQ_LIST_ENTRY(node, TqLineLevel, link);
                uint64_t sequence = level->priority == job->priority ? job->sequence : UINT64_MAX;

                if (level->priority < job->priority)
                        break;
                for (int i = 0; i < _TQ_LANE_MAX; i++) {
                        n += count_before(&level->jobs[i], sequence, max - n);
                        n += count_returned(&level->returned[i], 0, sequence, max - n);
                }
        }
        return n;
}

/* The first of a level: a heap with the last of them on top, so that it costs a logarithm to take
 * in one more, in whatever order they come. */
typedef struct Head {
        const TqJob **jobs;
        size_t n, max;
} Head;

static bool head_wants(const Head *h, const TqJob *job) {
        return h->n < h->max || (h->n > 0 && job->sequence < h->jobs[0]->sequence);
}

static void head_sink(const Head *h, size_t n, const TqJob *job) {
        size_t i = 0, k;

        for (; (k = 2 * i + 1) < n; i = k) {
                if (k + 1 < n && h->jobs[k + 1]->sequence > h->jobs[k]->sequence)
                        k++;
                if (h->jobs[k]->sequence < job->sequence)
                        break;
                h->jobs[i] = h->jobs[k];
        }
        h->jobs[i] = job;
}

static void head_add(Head *h, const TqJob *job) {
        size_t i = h->n;

        if (h->n == h->max) {
                head_sink(h, h->n, job);
                return;
        }
        for (h->n++; i > 0 && h->jobs[(i - 1) / 2]->sequence < job->sequence; i = (i - 1) / 2)
                h->jobs[i] = h->jobs[(i - 1) / 2];
        h->jobs[i] = job;
}

static void head_sort(const Head *h) {
        for (size_t n = h->n; n > 1; n--) {
                const TqJob *last = h->jobs[n - 1];

                h->jobs[n - 1] = h->jobs[0];
                head_sink(h, n - 1, last);
        }
}

static void head_add_returned(Head *h, const TqHeap *returned, size_t i) {
        if (i >= returned->size || !head_wants(h, returned_of(returned->nodes[i])))
                return;
        head_add(h, returned_of(returned->nodes[i]));
        head_add_returned(h, returned, 2 * i + 1);
        head_add_returned(h, returned, 2 * i + 2);
}

size_t tq_line_head(const TqLine *l, size_t max, const TqJob *ret[]) {
        size_t n = 0;

        TQ_LIST_FOREACH(level_node, &l->levels) {
                const TqLineLevel *level = TQ_LIST_ENTRY(level_node, TqLineLevel, link);
                Head h = { .jobs = ret + n, .max = max - n };

                for (int i = 0; i < _TQ_LANE_MAX; i++) {
                        TQ_LIST_FOREACH(node, &level->jobs[i]) {
                                if (!head_wants(&h, job_of(node)))
                                        break;
                                head_add(&h, job_of(node));
                        }
                        head_add_returned(&h, &level->returned[i], 0);
                }
                head_sort(&h);
                n += h.n;
        }
        return n;
}
