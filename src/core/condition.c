/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/condition.h"

#include <assert.h>

/* After=: a job waits until other jobs of its tenant have ended well. What is waited for is found
 * when it ends, by its number, so that an end costs the number of jobs that wait for just that. A
 * name is bound to a number first: to the latest job that had it before, which the ledger knows, or
 * if there is none to the next one that comes. A condition that fails dooms its job. Those that
 * waited are settled, and the doomed ended, one after the other by the step in which that happened
 * and those after it: a chain of any length needs no recursion, and a crowd no long step. */

typedef struct TqAwaited {
        TqList ring; /* of TqCondition.link */
        TqList settling;
        uint32_t tenant; /* settling: whose job it was, and how it ended */
        bool is_well;
} TqAwaited;

static TqMap *map_of(TqScheduler *s, const TqAfter *after) {
        return after->job > 0 ? &s->awaited_jobs : &s->awaited_names;
}

/* A name is its tenant's. Where the scheduler lies in memory is not known to tenants, so that none
 * can find names that fall together with another's. */
static uint64_t key_of(const TqScheduler *s, const TqAfter *after, const TqTenant *t) {
        return after->job > 0 ? after->job
                              : after->name * UINT64_C(0x9E3779B97F4A7C15) +
                                        tq_mix64(t->id ^ (uint64_t)(uintptr_t)s);
}

/* Those who wait for that: an entry that is there, or a new one. NULL: out of memory. */
static TqAwaited *awaited(TqScheduler *s, const TqAfter *after, const TqTenant *t) {
        TqMap *map = map_of(s, after);
        TqAwaited *a = tq_map_get(map, key_of(s, after, t));

        if (a)
                return a;
        a = malloc(sizeof(*a));
        if (!a)
                return NULL;
        tq_list_init(&a->ring);
        tq_list_init(&a->settling);
        if (tq_map_put(map, key_of(s, after, t), a) < 0) {
                free(a);
                return NULL;
        }
        return a;
}

static int await(TqScheduler *s, TqCondition *c) {
        TqAwaited *a = awaited(s, &c->after, c->owner->queue->tenant);

        if (!a)
                return -ENOMEM;
        tq_list_append(&a->ring, &c->link);
        return 0;
}

/* What a waiting job was told of another one is asked for again after a restart: that one is to be
 * known as long. Without memory it may be forgotten before. */
static void refer(TqScheduler *s, uint64_t job, intptr_t more) {
        intptr_t n = (intptr_t)tq_map_remove(&s->named, job) + more;

        if (job > 0 && n > 0)
                (void)tq_map_put(&s->named, job, (void *)n); /* NOLINT(performance-no-int-to-ptr) */
}

/* The condition means that job from now on. */
static void bind(TqScheduler *s, TqCondition *c, uint64_t job) {
        refer(s, c->after.job, -1);
        refer(s, job, 1);
        c->after = (TqAfter){ .job = job };
}

static void drop_if_empty(TqScheduler *s, const TqAfter *after, const TqTenant *t) {
        TqMap *map = map_of(s, after);
        TqAwaited *a = tq_map_get(map, key_of(s, after, t));

        if (a && tq_list_is_empty(&a->ring))
                free(tq_map_remove(map, key_of(s, after, t)));
}

static void forget(TqScheduler *s, TqCondition *c) {
        if (tq_list_is_empty(&c->link))
                return;
        tq_list_unlink(&c->link);
        drop_if_empty(s, &c->after, c->owner->queue->tenant);
}

int tq_condition_add(TqScheduler *s, TqJob *job, const TqAfter *after, size_t n) {
        TqConditions *all;
        int r = 0;

        if (n == 0)
                return 0;
        all = &job->cold->after;
        all->items = calloc(n, sizeof(*all->items));
        if (!all->items)
                return -ENOMEM;
        all->n = n;
        job->queue->tenant->n_conditions += n;
        for (size_t i = 0; i < n; i++) {
                all->items[i] = (TqCondition){ .owner = job, .after = after[i] };
                refer(s, after[i].job, 1);
                tq_list_init(&all->items[i].link);
        }
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = await(s, &all->items[i]);
                all->n_unmet += r >= 0;
        }
        if (r < 0)
                tq_condition_drop(s, job);
        return r;
}

void tq_condition_drop(TqScheduler *s, TqJob *job) {
        TqConditions *all;

        if (s->awaited_jobs.size > 0)
                drop_if_empty(s, &(TqAfter){ .job = job->id }, job->queue->tenant);
        if (!job->cold)
                return;
        all = &job->cold->after;
        for (size_t i = 0; i < all->n; i++) {
                forget(s, &all->items[i]);
                refer(s, all->items[i].after.job, -1);
        }
        free(all->items);
        job->queue->tenant->n_conditions -= all->n;
        all->items = NULL;
        all->n = all->n_unmet = 0;
        tq_list_unlink(&all->doomed);
}

static bool settle(TqScheduler *s, TqCondition *c, bool is_met) {
        TqJob *owner = c->owner;

        forget(s, c);
        c->is_met = is_met;
        if (is_met)
                return --owner->cold->after.n_unmet == 0;
        tq_list_unlink(&owner->cold->after.doomed);
        tq_list_append(&s->doomed, &owner->cold->after.doomed);
        return false;
}

/* By name, only one that came after the waiting job is meant: which of those before it is the
 * ledger's to say (TQ_EVENT_AFTER). */
void tq_condition_ended(TqScheduler *s, const TqJob *job, bool is_well) {
        TqAwaited *a = s->awaited_jobs.size > 0 ? tq_map_remove(&s->awaited_jobs, job->id) : NULL;

        if (!a)
                return;
        a->tenant = job->queue->tenant->id;
        a->is_well = is_well;
        tq_list_append(&s->settling, &a->settling);
}

bool tq_condition_next(TqScheduler *s, TqJob **ret) {
        TqList *first;

        while ((first = tq_list_first(&s->settling))) {
                TqAwaited *a = TQ_LIST_ENTRY(first, TqAwaited, settling);
                TqList *node = tq_list_first(&a->ring);
                TqCondition *c;

                if (!node) {
                        tq_list_unlink(first);
                        free(a);
                        continue;
                }
                c = TQ_LIST_ENTRY(node, TqCondition, link);
                tq_list_unlink(node);
                /* Another tenant's number says nothing, and fails when it is looked up. */
                *ret = settle(s, c, a->is_well && c->owner->queue->tenant->id == a->tenant)
                               ? c->owner
                               : NULL;
                return true;
        }
        return false;
}

void tq_condition_done(TqScheduler *s) {
        TqJob *none;

        while (tq_condition_next(s, &none))
                assert(false);
}

static TqAwaited *awaits_name_of(const TqScheduler *s, const TqJob *job) {
        return s->awaited_names.size > 0 && job->name != 0
                       ? tq_map_get(&s->awaited_names,
                                    key_of(s, &(TqAfter){ .name = job->name }, job->queue->tenant))
                       : NULL;
}

int tq_condition_expect(TqScheduler *s, const TqJob *job) {
        if (!awaits_name_of(s, job))
                return 0;
        return awaited(s, &(TqAfter){ .job = job->id }, job->queue->tenant) ? 0 : -ENOMEM;
}

void tq_condition_named(TqScheduler *s, const TqJob *job) {
        const TqAfter by_number = { .job = job->id };
        TqAwaited *a = awaits_name_of(s, job), *of_job;

        if (!a)
                return;
        of_job = tq_map_get(&s->awaited_jobs, job->id);
        assert(of_job);
        TQ_LIST_FOREACH(node, &a->ring) {
                TqCondition *c = TQ_LIST_ENTRY(node, TqCondition, link);

                if (c->owner->queue->tenant != job->queue->tenant || c->owner == job)
                        continue;
                c->was_named = true;
                if (!c->is_open)
                        continue;
                tq_list_unlink(node);
                tq_list_append(&of_job->ring, node);
                bind(s, c, job->id);
        }
        drop_if_empty(s, &(TqAfter){ .name = job->name }, job->queue->tenant);
        drop_if_empty(s, &by_number, job->queue->tenant);
}

static TqCondition *find(const TqJob *job, const TqAfter *after) {
        const TqConditions *all = &tq_model_cold(job)->after;

        for (size_t i = 0; i < all->n; i++) {
                TqCondition *c = &all->items[i];

                if (!tq_list_is_empty(&c->link) && c->after.job == after->job &&
                    c->after.name == after->name)
                        return c;
        }
        return NULL;
}

int tq_condition_settle(TqScheduler *s, TqJob *job, const TqAfter *after, bool is_met,
                        uint64_t by) {
        TqCondition *c = find(job, after);

        if (!c)
                return -ENOENT;
        (void)settle(s, c, is_met);
        if (by > 0)
                bind(s, c, by);
        return 0;
}

bool tq_condition_names(const TqScheduler *s, uint64_t job) {
        return tq_map_get(&s->named, job);
}

int tq_condition_name_is(TqScheduler *s, TqJob *job, const TqAfter *after, uint64_t job_id) {
        const TqAfter by_number = { .job = job_id };
        TqCondition *c = find(job, after);
        TqAwaited *a;

        if (!c)
                return -ENOENT;
        a = awaited(s, &by_number, job->queue->tenant);
        if (!a)
                return -ENOMEM;
        forget(s, c);
        bind(s, c, job_id);
        tq_list_append(&a->ring, &c->link);
        return 0;
}

int tq_condition_name_is_free(const TqJob *job, const TqAfter *after) {
        const TqConditions *all = &tq_model_cold(job)->after;
        int r = -ENOENT;

        /* A name may be written more than once. */
        for (size_t i = 0; i < all->n; i++) {
                TqCondition *c = &all->items[i];

                if (tq_list_is_empty(&c->link) || c->after.job > 0 || c->after.name != after->name)
                        continue;
                if (c->was_named)
                        r = -EAGAIN;
                else if (r == -ENOENT)
                        r = 0;
                c->is_open = !c->was_named;
                c->was_named = false;
        }
        return r;
}
