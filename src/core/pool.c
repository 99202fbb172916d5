/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/pool.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/charge.h"
#include "core/facts.h"
#include "core/tag.h"
#include "core/turn.h"

/* Pools: how many slots there are, who may use them, and who does. The host's policy says which
 * pools there are; a tenant is in one of them, and its jobs hold slots of that one. */

static void pool_init(TqPool *p, const char *name) {
        *p = (TqPool){};
        tq_turn_init(p);
        tq_charge_init(p);
        (void)snprintf(p->name, sizeof(p->name), "%s", name);
}

static void pool_done(TqPool *p) {
        tq_tournament_done(&p->ready);
        tq_heap_done(&p->looks);
        tq_tournament_done(&p->resting);
        free(p->players);
}

void tq_pool_done_all(TqScheduler *s) {
        for (size_t i = 0; i < s->n_pools; i++)
                pool_done(&s->pools[i]);
}

/* Slots --------------------------------------------------------------------------------------- */

void tq_pool_take_slot(TqScheduler *s, TqJob *job) {
        TqTenant *t = job->queue->tenant;

        job->counts_as_long = !tq_facts_is_short(s, job);
        tq_list_append(&t->active, &job->cold->active);
        t->running++;
        t->running_long += job->counts_as_long;
        t->pool->running++;
        t->pool->running_long += job->counts_as_long;
        job->queue->running++;
        s->memory_promised += job->memory_bytes;
}

void tq_pool_give_slot(TqScheduler *s, TqJob *job) {
        TqTenant *t = job->queue->tenant;

        tq_list_unlink(&job->cold->active);
        tq_charge_unwatch(job);
        t->running--;
        t->running_long -= job->counts_as_long;
        t->pool->running--;
        t->pool->running_long -= job->counts_as_long;
        job->queue->running--;
        s->memory_promised -= job->memory_bytes;
}

/* Who is in it --------------------------------------------------------------------------------- */

/* A number in the pool's tournament. */
static int join(TqPool *p, TqTenant *t, uint32_t *ret) {
        TqPlayer *bigger;
        uint32_t i = 0;
        int r;

        while (p->n_tenants < p->n_players && p->players[i].tenant)
                i++;
        if (p->n_tenants == p->n_players) {
                i = p->n_players;
                r = tq_tournament_reserve(&p->ready, i + 1);
                if (r >= 0)
                        r = tq_tournament_reserve(&p->resting, i + 1);
                if (r < 0)
                        return r;
                bigger = realloc(p->players, p->ready.allocated * sizeof(*bigger));
                if (!bigger)
                        return -ENOMEM;
                p->players = bigger;
                p->n_players++;
        }
        p->players[i] = (TqPlayer){ .tenant = t };
        *ret = i;
        p->n_tenants++;
        return 0;
}

static void leave(TqTenant *t, TqPool *to, uint64_t now) {
        TqPool *from = t->pool;

        tq_charge_settle(t, now);
        tq_charge_move(t, to);
        tq_tag_leave(t);
        from->running -= t->running;
        from->running_long -= t->running_long;
        from->reserved -= t->reserved;
        from->players[t->player] = (TqPlayer){};
        from->n_tenants--;
}

int tq_pool_move(TqTenant *t, TqPool *pool, uint64_t now) {
        uint32_t number;
        int r;

        if (t->pool == pool)
                return 0;
        if (t->pool)
                tq_turn_leave(t);
        r = join(pool, t, &number);
        if (r < 0)
                return r;
        if (t->pool)
                leave(t, pool, now);
        t->pool = pool;
        t->player = number;
        /* Tags of different pools have nothing to do with each other. */
        t->tag = pool->vtime;
        pool->running += t->running;
        pool->running_long += t->running_long;
        pool->reserved += t->reserved;
        return 0;
}

void tq_pool_set_reserved(TqTenant *t, uint64_t reserved) {
        t->pool->reserved -= t->reserved;
        t->reserved = tq_limits_slots(reserved, t->pool->slots);
        t->pool->reserved += t->reserved;
}

/* What the host has ---------------------------------------------------------------------------- */

static bool is_named(const TqHostPolicy *policy, const char *name) {
        for (uint32_t i = 0; i < policy->n_pools; i++)
                if (strcmp(policy->pools[i].name, name) == 0)
                        return true;
        return false;
}

static TqPool *find_pool(const TqScheduler *s, const char *name) {
        for (size_t i = 0; i < s->n_pools; i++)
                if (strcmp(s->pools[i].name, name) == 0)
                        return (TqPool *)&s->pools[i];
        return NULL;
}

TqPool *tq_pool_by_name(const TqScheduler *s, const char *name) {
        if (!name || name[0] == '\0' || strcmp(name, TQ_POOL_SHARED) == 0)
                return (TqPool *)&s->pools[0];
        return is_named(&s->policy, name) ? find_pool(s, name) : NULL;
}

static uint64_t count_cpus(const uint64_t *bits) {
        uint64_t n = 0;

        for (size_t i = 0; i < TQ_CPUS_MAX / 64; i++)
                n += (uint64_t)__builtin_popcountll(bits[i]);
        return n;
}

/* A pool whose name is no longer configured keeps its place while a tenant is in it, without slots.
 */
static TqPool *place_for(TqScheduler *s, const TqHostPolicy *policy, const char *name) {
        TqPool *p = find_pool(s, name);

        for (size_t i = 1; !p && i < s->n_pools; i++)
                if (s->pools[i].n_tenants == 0 && !is_named(policy, s->pools[i].name)) {
                        p = &s->pools[i];
                        pool_done(p);
                        pool_init(p, name);
                }
        if (!p && s->n_pools < TQ_ELEMENTSOF(s->pools))
                pool_init(p = &s->pools[s->n_pools++], name);
        return p;
}

int tq_pool_set_host(TqScheduler *s, const TqHostPolicy *policy) {
        TqPool *shared;
        int r;

        if (s->n_pools == 0)
                pool_init(&s->pools[s->n_pools++], TQ_POOL_SHARED);
        for (uint32_t i = 0; i < policy->n_pools; i++)
                if (!place_for(s, policy, policy->pools[i].name))
                        return -ENOSPC;
        TQ_LIST_FOREACH(node, &s->all)
        tq_charge_settle(TQ_LIST_ENTRY(node, TqTenant, all), s->now);
        s->policy = *policy;
        for (size_t i = 1; i < s->n_pools; i++)
                s->pools[i].slots = 0;
        for (size_t i = 0; i < s->n_pools; i++)
                s->pools[i].capacity = (TqCapacity){
                        .cpus = policy->cpus,
                        .memory_bytes = policy->memory_bytes,
                        .io_bytes_per_sec = policy->io_bytes_per_sec,
                };
        shared = &s->pools[0];
        r = tq_policy_shared_slots(policy, &shared->slots);
        assert(r == 0);
        shared->lane_slots = tq_limits_slots(policy->lane_slots, shared->slots);
        for (uint32_t i = 0; i < policy->n_pools; i++) {
                const TqPoolPolicy *from = &policy->pools[i];
                TqPool *p = tq_pool_by_name(s, from->name);

                p->slots = tq_limits_slots(from->slots, policy->max_jobs);
                p->capacity = shared->capacity;
                if (from->has_cpus)
                        p->capacity.cpus = count_cpus(from->cpus);
        }
        for (size_t i = 0; i < s->n_pools; i++)
                s->pools[i].capacity.slots = s->pools[i].slots;
        return 0;
}
