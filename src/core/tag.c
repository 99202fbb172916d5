/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/tag.h"

/* Tenants that do not compete but hold slots, by their tags. */
static bool tag_before(const TqHeapNode *a, const TqHeapNode *b) {
        const TqTenant *x = TQ_CONTAINER_OF(a, TqTenant, resting);
        const TqTenant *y = TQ_CONTAINER_OF(b, TqTenant, resting);

        return x->tag != y->tag ? x->tag < y->tag : x->id < y->id;
}

void tq_tag_init(TqPool *p) {
        p->resting = (TqHeap){ .before = tag_before };
}

void tq_tag_set(TqTenant *t, uint64_t tag) {
        t->tag = tag;
        t->pool->max_tag = TQ_MAX(t->pool->max_tag, tag);
        if (tq_heap_contains(&t->resting))
                tq_heap_update(&t->pool->resting, &t->resting);
}

/* Without memory the tenant is not counted among those. */
void tq_tag_rest(TqTenant *t) {
        TqHeap *resting = &t->pool->resting;
        bool want = t->stand == TQ_STAND_OUT && t->running > 0;

        if (want && !tq_heap_contains(&t->resting))
                (void)tq_heap_insert(resting, &t->resting);
        else if (!want)
                tq_heap_remove(resting, &t->resting);
}

static const TqTenant *first_ready(const TqPool *p) {
        uint32_t winner = tq_tournament_winner(&p->ready);

        return winner == TQ_TOURNAMENT_NONE ? NULL : p->players[winner].tenant;
}

/* Where virtual time stands: nobody who competes or holds a slot is behind that, but for those whom
 * a limit of their own or a reservation of others held back. */
static uint64_t virtual_time(const TqPool *p) {
        const TqTenant *first = first_ready(p);
        const TqHeapNode *node = tq_heap_top(&p->resting);
        uint64_t least = TQ_NEVER;

        /* Of these the first one is not the one with the smallest tag. */
        if (p->parked.size > 0 || (first && first->shortfall > 0))
                return p->vtime;
        if (first)
                least = first->tag;
        if (node)
                least = TQ_MIN(least, TQ_CONTAINER_OF(node, TqTenant, resting)->tag);
        return least == TQ_NEVER ? p->vtime : TQ_MAX(p->vtime, least);
}

/* The tenant begins to compete, or does so again. Who was idle begins where virtual time is. Who
 * was kept out by its own running jobs was owed a job for each of its slots at most: what the
 * others used beyond that was theirs to use. */
void tq_tag_catch_up(const TqScheduler *s, TqTenant *t) {
        /* Those that it has, and those that it has just given back or is about to take. */
        uint64_t slots = t->running + TQ_MAX(t->gave, UINT64_C(1)), owed;
        TqPool *p = t->pool;

        if (!tq_world_is_contended(p))
                p->contended_since = s->now;
        /* Nobody is there, so there is nothing to be fair about: all begin anew. */
        if (t->is_idle && p->running == 0 && !tq_world_is_contended(p))
                p->vtime = TQ_MAX(p->vtime, p->max_tag);
        p->vtime = virtual_time(p);
        tq_heap_remove(&p->resting, &t->resting);
        owed = t->is_idle ? 0 : tq_fair_advance(tq_mul_u64(p->largest_charge, slots), t->weight);
        t->tag = TQ_MAX(t->tag, tq_sub_u64(p->vtime, owed));
        t->is_idle = false;
}

/* Use beyond that is not held against a tenant: it would wait for what nobody remembers. */
void tq_tag_cap_debt(const TqScheduler *s, TqTenant *t) {
        uint64_t debt =
                s->policy.debt_usec > UINT64_MAX / 1000 ? UINT64_MAX : s->policy.debt_usec * 1000;

        t->tag = TQ_MIN(t->tag, tq_add_u64(t->pool->vtime, tq_add_u64(debt, t->largest_advance)));
}

void tq_tag_pass_time(TqTenant *t) {
        TqPool *p = t->pool;

        /* Who starts by a reservation is ahead of the others, and they need not follow. */
        if (t->shortfall == 0)
                p->vtime = TQ_MAX(p->vtime, t->tag);
        /* Who was passed over for want of memory or of the lane has not saved up for more than the
         * largest job of late. */
        if (t->was_parked)
                t->tag = TQ_MAX(t->tag, tq_sub_u64(p->vtime,
                                                   tq_fair_advance(p->largest_charge, t->weight)));
        t->was_parked = false;
}
