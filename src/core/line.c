/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/line.h"

static void level_init(TqLineLevel *level, int priority) {
        *level = (TqLineLevel){ .priority = priority };
        for (int i = 0; i < _TQ_LANE_MAX; i++) {
                tq_list_init(&level->jobs[i]);
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
        return tq_list_is_empty(&level->jobs[TQ_LANE_LONG]) &&
               tq_list_is_empty(&level->jobs[TQ_LANE_SHORT]);
}

void tq_line_done(TqLine *l) {
        TQ_LIST_FOREACH(node, &l->levels) {
                TqLineLevel *level = TQ_LIST_ENTRY(node, TqLineLevel, link);

                tq_list_unlink(&level->link);
                if (level != &l->usual)
                        free(level);
        }
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

static const TqJob *job_of(const TqList *node) {
        return TQ_LIST_ENTRY((TqList *)node, TqJob, waiting);
}

static void note_first(TqLineLevel *level, TqLane lane) {
        const TqList *first = tq_list_first(&level->jobs[lane]);

        level->sequence[lane] = first ? job_of(first)->sequence : UINT64_MAX;
}

/* Before which node of the ring a job of this sequence stands, looked for from both ends. */
static TqList *place_of(TqList *ring, uint64_t sequence) {
        TqList *front = ring->next, *back = ring->previous;

        for (;;) {
                if (back == ring || job_of(back)->sequence < sequence)
                        return back->next;
                if (job_of(front)->sequence > sequence)
                        return front;
                front = front->next;
                back = back->previous;
        }
}

int tq_line_insert(TqLine *l, TqJob *job) {
        TqLineLevel *level;
        int r;

        r = level_ensure(l, job->priority, &level);
        if (r < 0)
                return r;
        tq_list_append(place_of(&level->jobs[lane_of(job)], job->sequence), &job->waiting);
        level->sequence[lane_of(job)] = TQ_MIN(level->sequence[lane_of(job)], job->sequence);
        job->level = level;
        l->size++;
        return 0;
}

void tq_line_remove(TqLine *l, TqJob *job) {
        TqLineLevel *level = job->level;
        TqLane lane = lane_of(job);

        if (!level)
                return;
        tq_list_unlink(&job->waiting);
        job->level = NULL;
        l->size--;
        if (job->sequence == level->sequence[lane])
                note_first(level, lane);
        if (level != &l->usual && is_empty(level)) {
                tq_list_unlink(&level->link);
                free(level);
        }
}

/* The first of a level, by sequence. */
static TqJob *first_of(const TqLineLevel *level, bool short_only) {
        TqLane lane = TQ_LANE_SHORT;

        if (!short_only && level->sequence[TQ_LANE_LONG] < level->sequence[TQ_LANE_SHORT])
                lane = TQ_LANE_LONG;
        return tq_list_is_empty(&level->jobs[lane])
                       ? NULL
                       : TQ_LIST_ENTRY(level->jobs[lane].next, TqJob, waiting);
}

TqJob *tq_line_first(const TqLine *l, bool short_only) {
        TQ_LIST_FOREACH(node, &l->levels) {
                TqJob *job = first_of(TQ_LIST_ENTRY(node, TqLineLevel, link), short_only);

                if (job)
                        return job;
        }
        return NULL;
}

/* Takes a level's two rings apart in the order of sequence and puts them together anew. */
static void sort_level(TqLineLevel *level) {
        TqList jobs[_TQ_LANE_MAX], *node;

        for (int i = 0; i < _TQ_LANE_MAX; i++)
                tq_list_init(&jobs[i]);
        for (;;) {
                TqJob *job = first_of(level, false);

                if (!job)
                        break;
                tq_list_unlink(&job->waiting);
                for (int i = 0; i < _TQ_LANE_MAX; i++)
                        note_first(level, (TqLane)i);
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

uint64_t tq_line_position(const TqLine *l, const TqJob *job, uint64_t max) {
        uint64_t n = 0;

        TQ_LIST_FOREACH(node, &l->levels) {
                const TqLineLevel *level = TQ_LIST_ENTRY(node, TqLineLevel, link);
                uint64_t sequence = level == job->level ? job->sequence : UINT64_MAX;

                for (int i = 0; i < _TQ_LANE_MAX; i++)
                        n += count_before(&level->jobs[i], sequence, max - n);
                if (level == job->level)
                        break;
        }
        return n;
}
