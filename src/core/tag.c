/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/tag.h"

static TqTournamentKey key_of(const TqTenant *t) {
        return t->is_resting ? (TqTournamentKey){ t->tag, 0 } : TQ_TOURNAMENT_OUT;
}

static void set_resting(TqTenant *t, bool is_resting) {
        if (t->is_resting == is_resting)
                return;
        t->is_resting = is_resting;
        tq_tournament_set(&t->pool->resting, t->player, key_of(t));
}

void tq_tag_set(TqTenant *t, uint64_t tag) {
        t->tag = tag;
        t->pool->max_tag = TQ_MAX(t->pool->max_tag, tag);
        if (t->is_resting)
                tq_tournament_set(&t->pool->resting, t->player, key_of(t));
}

void tq_tag_rest(TqTenant *t) {
        set_resting(t, t->stand == TQ_STAND_OUT && t->running > 0);
}

void tq_tag_leave(TqTenant *t) {
        set_resting(t, false);
}

static const TqTenant *first_of(const TqPool *p, const TqTournament *of) {
        uint32_t winner = tq_tournament_winner(of);

        return winner == TQ_TOURNAMENT_NONE ? NULL : p->players[winner].tenant;
}

/* Where virtual time stands: nobody who competes or holds a slot is behind that, but for those whom
 * a limit of their own or a reservation of others held back. */
static uint64_t virtual_time(const TqPool *p) {
        const TqTenant *first = first_of(p, &p->ready), *rests = first_of(p, &p->resting);
        uint64_t least = TQ_NEVER;

        /* Of these the first one is not the one with the smallest tag. */
        if (p->parked.size > 0 || (first && first->shortfall > 0))
                return p->vtime;
        if (first)
                least = first->tag;
        if (rests)
                least = TQ_MIN(least, rests->tag);
        return least == TQ_NEVER ? p->vtime : TQ_MAX(p->vtime, least);
}

/* It competed before a restart, and is there again in time. Later it is as idle as it looks. */
static bool goes_on(const TqScheduler *s, TqTenant *t) {
        TqPresence was = t->was;

        t->was = TQ_PRESENCE_IDLE;
        if (was != TQ_PRESENCE_IDLE && !tq_world_is_returning(s)) {
                t->is_idle |= t->running == 0;
                return false;
        }
        return was == TQ_PRESENCE_COMPETING;
}

/* The tenant begins to compete, or does so again. Who was idle begins where virtual time is. Who
 * was kept out by its own running jobs was owed a job for each of its slots at most: what the
 * others used beyond that was theirs to use. */
void tq_tag_catch_up(const TqScheduler *s, TqTenant *t) {
        /* Those that it has, and the one that it has just given back or is about to take. */
        uint64_t slots = t->running + 1, owed;
        TqPool *p = t->pool;
        bool is_first;

        /* It has never stopped, but for the restart. */
        if (goes_on(s, t)) {
                set_resting(t, false);
                t->is_idle = false;
                return;
        }
        is_first = !tq_world_is_contended(p) && !(p->was_contended && tq_world_is_returning(s));
        if (is_first)
                p->contended_since = s->now;
        /* Nobody is there, so there is nothing to be fair about: all begin anew. */
        if (t->is_idle && p->running == 0 && is_first)
                p->vtime = TQ_MAX(p->vtime, p->max_tag);
        p->vtime = virtual_time(p);
        set_resting(t, false);
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
