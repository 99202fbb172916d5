/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/standing.h"

#include <assert.h>
#include <string.h>

#include "core/charge.h"
#include "core/pool.h"
#include "core/tag.h"

/* What a restart must not take from anybody, nor give.
 *
 * Tags and virtual time are kept as the numbers that they are, and not as the distance between
 * them: standings are written at different times, and who only waits is not written again, while
 * virtual time passes it by. From a tag only that is taken out which running jobs were charged
 * ahead of their use; so the tag of a standing is exact up to its instant, and jobs that still run
 * after the restart are charged from there on (tq_charge_adopt()), if somebody competed: what a
 * long job uses while nothing is written is not lost.
 *
 * While the scheduler is closed nobody can compete. When it opens, those that did and still could
 * go on first, with no catching up: virtual time has not moved without them, and nobody begins anew
 * as if the pool had been empty. So does who is made ready a moment later (TQ_RETURN_USEC). All
 * others come as they would on any other day, and who was idle brings no credit. Usage is kept as
 * what was left of it, since its scale begins with the host's clock: meanwhile it has faded, and
 * tags have not moved. */

static const char *const presences[_TQ_PRESENCE_MAX] = {
        [TQ_PRESENCE_IDLE] = "idle",
        [TQ_PRESENCE_RUNNING] = "running",
        [TQ_PRESENCE_COMPETING] = "competing",
};

const char *tq_presence_to_string(TqPresence p) {
        assert(p >= 0 && p < _TQ_PRESENCE_MAX);
        return presences[p];
}

TqPresence tq_presence_from_string(const char *s) {
        for (int i = 0; i < _TQ_PRESENCE_MAX; i++)
                if (strcmp(s, presences[i]) == 0)
                        return (TqPresence)i;
        return _TQ_PRESENCE_INVALID;
}

TqStanding tq_standing_of(const TqScheduler *s, const TqTenant *t, uint64_t now_usec) {
        return (TqStanding){
                .pool = t->pool->name,
                .presence = t->stand != TQ_STAND_OUT     ? TQ_PRESENCE_COMPETING
                            : t->was != TQ_PRESENCE_IDLE ? t->was
                            : t->is_idle                 ? TQ_PRESENCE_IDLE
                                                         : TQ_PRESENCE_RUNNING,
                .tag = tq_charge_tag(t, now_usec),
                .largest_advance = t->largest_advance,
                .turn = t->turn,
                .usage = tq_fair_history_at(t->usage, now_usec, s->policy.half_life_usec),
                .averages = t->averages,
        };
}

TqStanding tq_standing_of_host(const TqScheduler *s) {
        return (TqStanding){ .usage = TQ_HISTORY_NONE, .averages = s->averages };
}

TqPoolStanding tq_standing_of_pool(const TqPool *p, uint64_t now_usec) {
        return (TqPoolStanding){
                .name = p->name,
                .vtime = p->vtime,
                .largest_charge = p->largest_charge,
                .is_contended = tq_world_is_contended(p),
                .contended_usec = tq_sub_u64(now_usec, p->contended_since),
        };
}

static int set_averages(TqAverages **to, const TqAverages *from) {
        TqAverages *copy;

        if (!from)
                return 0;
        copy = tq_fair_copy(from);
        if (!copy)
                return -ENOMEM;
        (void)tq_fair_averages_free(*to);
        *to = copy;
        return 0;
}

static int set_pool(TqScheduler *s, const TqPoolStanding *from, uint64_t now) {
        TqPool *p = tq_pool_by_name(s, from->name);

        if (!p)
                return -ENOENT;
        p->vtime = p->max_tag = from->vtime;
        p->largest_charge = from->largest_charge;
        p->was_contended = from->is_contended;
        p->contended_since = tq_sub_u64(now, tq_add_u64(from->age_usec, from->contended_usec));
        /* Of whom nothing is known begins there, also while its jobs that ran go on. */
        TQ_LIST_FOREACH(node, &s->all) {
                TqTenant *t = TQ_LIST_ENTRY(node, TqTenant, all);

                if (t->pool == p)
                        tq_tag_set(t, p->vtime);
        }
        return 0;
}

static int set_tenant(TqScheduler *s, TqTenant *t, const TqStanding *from, uint64_t now) {
        int r = set_averages(&t->averages, from->averages);

        if (r < 0)
                return r;
        t->usage = t->history =
                tq_fair_history_of(from->usage, from->age_usec, now, s->policy.half_life_usec);
        t->largest_advance = from->largest_advance;
        t->turn = from->turn;
        s->turns = TQ_MAX(s->turns, from->turn);
        /* Tags of different pools have nothing to do with each other. */
        if (t->pool == tq_pool_by_name(s, from->pool)) {
                tq_tag_set(t, from->tag);
                t->is_idle = from->presence == TQ_PRESENCE_IDLE;
                t->was = from->presence;
                t->kept_at = tq_sub_u64(now, from->age_usec);
        }
        tq_world_touch(s, t);
        return 0;
}

int tq_standing_on_event(TqScheduler *s, const TqEvent *e, uint64_t now) {
        TqTenant *t = tq_map_get(&s->tenants, e->tenant);

        if (s->opened_at > 0)
                return -EBUSY;
        if (e->pool_standing)
                return set_pool(s, e->pool_standing, now);
        if (e->tenant == 0)
                return set_averages(&s->averages, e->standing->averages);
        return t ? set_tenant(s, t, e->standing, now) : -ENOENT;
}

/* Then those who were not idle either: the pool is not empty. */
void tq_standing_touch_first(TqScheduler *s) {
        for (int pass = 0; pass < 2; pass++)
                TQ_LIST_FOREACH(node, &s->all) {
                        TqTenant *t = TQ_LIST_ENTRY(node, TqTenant, all);

                        if (t->was == TQ_PRESENCE_COMPETING || (pass > 0 && !t->is_idle))
                                tq_world_touch(s, t);
                }
}
