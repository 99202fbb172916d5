/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/turn.h"

#include "core/facts.h"
#include "core/tag.h"
#include "core/line.h"

/* Whose turn it is: start-time fair queueing over the slots of a pool (Goyal, Vin, Cheng 1996; with
 * D servers: Jin, Chase, Kaur, "Interposed proportional sharing", 2004).
 *
 * A tenant has one tag: where it stands in virtual time. Starting a job moves the tag on by the
 * job's charge over the tenant's weight, and of all tenants that could start a job the one with the
 * smallest tag does. The charge is the dominant share of what the job uses: by estimate when it
 * starts, by what it is seen to use while it runs, and what it really was in the end; a wrong
 * estimate is put right, it does not buy anything. A running job is charged up to its next look,
 * and not up to its end: so tenants of short and of long jobs hold their shares of the slots at
 * each moment, and not one after the other.
 *
 * Virtual time is the tag of the latest start by share, or the smallest tag of those that compete
 * or hold a slot if that has moved on. It is not the tag of whoever happens to compete alone for a
 * moment: a tenant that was far ahead would pull up the others, whom only their own limits keep out
 * until their short jobs end, and its debt would be forgotten. Who was idle begins at virtual time:
 * what it did not use meanwhile is gone, so it gets its share and no more. Who was kept out by its
 * own running jobs may be behind by the largest charge of late for each slot that it has and the
 * one that it wants. While the pool is empty there is nothing to be fair about, and all begin anew.
 * Who is ahead by more than the host's `debt` (and one of its own jobs) is not held back for longer
 * than that.
 *
 * So two tenants that compete throughout an interval get use in proportion to their weights, to
 * within (D + 1) (l₁/w₁ + l₂/w₂), where l is a tenant's largest charge of one job: the bound of
 * SFQ(D). Estimates only move service about within it.
 *
 * While a tenant could start a job but for a slot and memory it takes part in its pool's
 * tournament; who has fewer slots than were reserved for it comes before all others, and who lacks
 * most is first. The winner is who is next. If its job does not fit the memory that is left, or the
 * lane, the tenant is parked: in a tree of the same order, in which each node knows the least
 * memory that some job below it needs, so that the first that fits now is found in O(log tenants)
 * too, however many do not. It comes back to the tournament when something about it changes. A
 * tenant is parked at most once for each time that it came, so a decision costs O(log tenants),
 * amortised. settle() is the one place that decides who stands where, from the facts alone. */

enum { ANY, SHORT }; /* indices of TqTenant.need */

static TqTenant *tenant_of(const TqTreeNode *node) {
        return TQ_CONTAINER_OF(node, TqTenant, order);
}

/* Order --------------------------------------------------------------------------------------- */

/* The order: who is below its reservation first, and who lacks most; then by rank, then who has
 * used less. */
static TqTournamentKey key_of(const TqTenant *t) {
        const uint64_t above = UINT64_C(1) << 33, most = UINT64_MAX / 2;

        return (TqTournamentKey){
                .first = t->shortfall > 0 ? above - TQ_MIN(t->shortfall, above)
                                          : above + TQ_MIN(t->rank, most),
                .second = t->shortfall > 0 ? t->rank : tq_tournament_order(t->history),
        };
}

bool tq_turn_before(const TqTenant *a, const TqTenant *b) {
        TqTournamentKey x = key_of(a), y = key_of(b);

        if (x.first != y.first || x.second != y.second)
                return tq_tournament_before(&x, &y);
        return a->player < b->player;
}

static bool node_before(const TqTreeNode *a, const TqTreeNode *b) {
        return tq_turn_before(tenant_of(a), tenant_of(b));
}

static void summarise(TqTreeNode *node) {
        TqTenant *t = tenant_of(node);

        for (int i = 0; i < 2; i++) {
                uint64_t least = t->need[i];

                if (node->left)
                        least = TQ_MIN(least, tenant_of(node->left)->least[i]);
                if (node->right)
                        least = TQ_MIN(least, tenant_of(node->right)->least[i]);
                t->least[i] = least;
        }
}

typedef struct Need {
        int kind;      /* ANY, SHORT */
        uint64_t free; /* memory */
} Need;

static bool need_fits(uint64_t need, uint64_t free) {
        return need != TQ_NEVER && need <= free;
}

static bool subtree_may_hold(const TqTreeNode *node, const void *data) {
        const Need *n = data;

        return need_fits(tenant_of(node)->least[n->kind], n->free);
}

static bool tenant_fits(const TqTreeNode *node, const void *data) {
        const Need *n = data;

        return need_fits(tenant_of(node)->need[n->kind], n->free);
}

/* To the second-level cache, which takes more at a time than the first. */
static void prefetch(const void *object, size_t size) {
        const char *from = (const char *)object - (uintptr_t)object % 64;

        for (const char *at = from; object && at < (const char *)object + size; at += 64)
                __builtin_prefetch(at, 0, 2);
}

/* With ten thousand tenants and a million jobs nothing of who is next is in a cache: tenant, queue
 * and job would be waited for one after the other. They are asked for now, all at once, and are
 * there when the event that makes room has been applied, or what starts before has. No more than
 * is looked at: so many lines are as many as can be asked for at a time. */
void tq_turn_prefetch(const TqPool *p, bool is_next_but_one) {
        uint32_t i = is_next_but_one ? tq_tournament_runner_up(&p->ready)
                                     : tq_tournament_winner(&p->ready);
        const TqPlayer *next;

        if (i == TQ_TOURNAMENT_NONE)
                return;
        next = &p->players[i];
        tq_tournament_prefetch(&p->ready, i);
        prefetch(next->tenant, offsetof(TqTenant, was));
        prefetch(next->queue, offsetof(TqQueue, line.usual.returned[TQ_LANE_SHORT]));
        prefetch(next->job, sizeof(TqJob));
        prefetch(next->after, offsetof(TqJob, memory_bytes));
        prefetch(next->average, TQ_FAIR_PLACE_BYTES);
}

/* Hints only: they may be out of date. */
static void hint(TqTenant *t) {
        TqPlayer *player = &t->pool->players[t->player];
        const TqList *first = tq_list_first(&t->ready_queues);

        player->queue = first ? TQ_LIST_ENTRY((TqList *)first, TqQueue, ready) : NULL;
        player->job = player->queue ? tq_line_first(&player->queue->line, false) : NULL;
        if (!player->job)
                return;
        player->after = TQ_LIST_ENTRY(player->job->waiting.next, TqJob, waiting);
        player->average = tq_fair_place(t->averages, player->job->name);
}

/* A tenant's job that starts, were it its turn: its queues take turns. */
static TqJob *job_of(const TqScheduler *s, const TqTenant *t, const Need *n) {
        TqJob *best = NULL;

        TQ_LIST_FOREACH(node, &t->ready_queues) {
                TqJob *job =
                        tq_facts_head_of(s, TQ_LIST_ENTRY(node, TqQueue, ready), n->kind == ANY);

                if (!job || !need_fits(job->memory_bytes, n->free))
                        continue;
                if (s->policy.policy != TQ_POLICY_FIFO)
                        return job;
                if (!best || job->sequence < best->sequence)
                        best = job;
        }
        return best;
}

/* The first of those who take part, and of those who are parked, whose job fits. */
static TqTenant *first_ready(const TqPool *p) {
        uint32_t winner = tq_tournament_winner(&p->ready);

        return winner == TQ_TOURNAMENT_NONE ? NULL : p->players[winner].tenant;
}

static TqTenant *first_parked(const TqPool *p, const Need *need) {
        TqTreeQuery query = { .may_contain = subtree_may_hold, .fits = tenant_fits, .data = need };
        const TqTreeNode *node = tq_tree_find(&p->parked, &query);

        return node ? tenant_of(node) : NULL;
}

static uint64_t need_of(const TqJob *job) {
        return job ? job->memory_bytes : TQ_NEVER;
}

static void needs_of(const TqScheduler *s, const TqTenant *t, uint64_t ret[2]) {
        ret[ANY] = ret[SHORT] = TQ_NEVER;
        TQ_LIST_FOREACH(node, &t->ready_queues) {
                const TqQueue *q = TQ_LIST_ENTRY(node, TqQueue, ready);

                ret[ANY] = TQ_MIN(ret[ANY], need_of(tq_facts_head_of(s, q, true)));
                ret[SHORT] = TQ_MIN(ret[SHORT], need_of(tq_facts_head_of(s, q, false)));
        }
}

static void park(const TqScheduler *s, TqTenant *t) {
        tq_turn_leave(t);
        needs_of(s, t, t->need);
        t->stand = TQ_STAND_PARKED;
        t->pool->n_competing++;
        t->was_parked = true;
        tq_tree_insert(&t->pool->parked, &t->order);
}

static TqJob *next_with(const TqScheduler *s, TqPool *p, uint64_t free) {
        Need need = { .kind = tq_facts_allows_long(p) ? ANY : SHORT, .free = free };
        TqTenant *ready, *parked;
        TqJob *job = NULL;

        while ((ready = first_ready(p)) && !(job = job_of(s, ready, &need)))
                park(s, ready);
        parked = first_parked(p, &need);
        if (!parked || (ready && tq_turn_before(ready, parked)))
                return job;
        return job_of(s, parked, &need);
}

/* The one that memory is kept for, once there is as much. */
static TqJob *kept_job(const TqScheduler *s, const TqPool *p, uint64_t now) {
        return tq_facts_memory_is_kept(s, now) && s->kept_for->queue->tenant->pool == p &&
                               s->kept_for->memory_bytes <= tq_facts_free_memory(s)
                       ? s->kept_for
                       : NULL;
}

TqJob *tq_turn_next(TqScheduler *s, TqPool *p, uint64_t now) {
        TqJob *kept = kept_job(s, p, now);

        return kept ? kept : next_with(s, p, tq_facts_memory_for_others(s, now));
}

const TqJob *tq_turn_peek(const TqScheduler *s, const TqPool *p, uint64_t now) {
        Need need = { .kind = tq_facts_allows_long(p) ? ANY : SHORT,
                      .free = tq_facts_memory_for_others(s, now) };
        const TqTenant *best = first_ready(p), *parked = first_parked(p, &need);
        const TqJob *job = kept_job(s, p, now);

        if (job)
                return job;
        job = best ? job_of(s, best, &need) : NULL;
        /* The winner does not fit, and is not parked yet: who comes after it is looked for among
         * all. */
        for (uint32_t i = 0; best && !job_of(s, best, &need) && i < p->n_players; i++) {
                const TqTenant *t = p->players[i].tenant;
                const TqJob *other = t && t->stand == TQ_STAND_READY ? job_of(s, t, &need) : NULL;

                if (other && (!job || tq_turn_before(t, job->queue->tenant)))
                        job = other;
        }
        if (!parked || (job && tq_turn_before(job->queue->tenant, parked)))
                return job;
        return job_of(s, parked, &need);
}

void tq_turn_give_up_memory(TqScheduler *s) {
        const TqJob *job = s->kept_for;
        TqUse use = { .slot_usec = tq_sub_u64(s->now, s->kept_from) };
        TqTenant *t = job->queue->tenant;

        s->kept_for = NULL;
        if (use.slot_usec == 0)
                return;
        use.memory_bytes = job->memory_bytes;
        tq_tag_set(t, tq_add_u64(t->tag, tq_fair_advance(tq_fair_charge(&use, &t->pool->capacity),
                                                         t->weight)));
        tq_world_touch(s, t);
}

/* Who would be next but for memory, whether there is a slot now or not: others that need less would
 * take every slot that becomes free. */
void tq_turn_keep_memory(TqScheduler *s, uint64_t now) {
        uint64_t free = tq_facts_free_memory(s);

        if (s->kept_for && (!tq_facts_is_kept_for_reason(s) || (s->kept_for->memory_bytes <= free &&
                                                                !tq_facts_memory_is_kept(s, now))))
                tq_turn_give_up_memory(s);
        if (s->kept_for || s->policy.memory_bytes == TQ_LIMIT_MAX)
                return;
        for (size_t i = 0; i < s->n_pools; i++) {
                TqJob *job = next_with(s, &s->pools[i], s->policy.memory_bytes);

                if (!job || job->memory_bytes <= free)
                        continue;
                s->kept_for = job;
                s->kept_from = tq_add_u64(now, s->policy.memory_patience_usec);
                return;
        }
}

/* Where a tenant stands ----------------------------------------------------------------------- */

void tq_turn_leave(TqTenant *t) {
        if (t->stand == TQ_STAND_READY)
                tq_tournament_set(&t->pool->ready, t->player, TQ_TOURNAMENT_OUT);
        tq_tree_remove(&t->pool->parked, &t->order);
        t->pool->n_competing -= t->stand != TQ_STAND_OUT;
        t->stand = TQ_STAND_OUT;
}

static void take_part(TqTenant *t) {
        t->pool->n_competing += t->stand == TQ_STAND_OUT;
        t->stand = TQ_STAND_READY;
        hint(t);
        tq_tournament_set(&t->pool->ready, t->player, key_of(t));
}

void tq_turn_init(TqPool *p) {
        p->parked = (TqTree){ .before = node_before, .summarise = summarise };
}

/* That nobody can compete while the scheduler is closed, and who is not ready yet after a start,
 * says nothing about him. */
static void stop_competing(const TqScheduler *s, TqTenant *t) {
        tq_turn_leave(t);
        tq_tag_rest(t);
        if (!s->is_open || (t->was != TQ_PRESENCE_IDLE && !t->enabled && tq_world_is_returning(s)))
                return;
        t->is_idle |= t->running == 0;
        t->was = TQ_PRESENCE_IDLE;
}

static uint64_t rank_of(const TqScheduler *s, const TqTenant *t) {
        uint64_t rank = TQ_NEVER;

        if (s->policy.policy == TQ_POLICY_FAIR)
                return t->tag;
        if (s->policy.policy == TQ_POLICY_ROUND_ROBIN)
                return t->turn;
        TQ_LIST_FOREACH(node, &t->ready_queues)
        rank = TQ_MIN(rank,
                      tq_line_first(&TQ_LIST_ENTRY(node, TqQueue, ready)->line, false)->sequence);
        return rank;
}

static void settle(const TqScheduler *s, TqTenant *t) {
        bool is_in = t->stand != TQ_STAND_OUT;
        bool want = s->is_open && t->enabled && !s->switches.is_paused && !t->is_paused &&
                    tq_facts_tenant_has_room(t) && !tq_list_is_empty(&t->ready_queues);
        uint64_t shortfall = tq_sub_u64(t->reserved, t->running), rank, need[2] = {};

        if (!want) {
                stop_competing(s, t);
                return;
        }
        if (!is_in)
                tq_tag_catch_up(s, t);
        tq_tag_cap_debt(s, t);
        rank = rank_of(s, t);
        if (t->stand == TQ_STAND_PARKED)
                needs_of(s, t, need);
        if (is_in && rank == t->rank && shortfall == t->shortfall &&
            (t->stand == TQ_STAND_READY ||
             (need[ANY] == t->need[ANY] && need[SHORT] == t->need[SHORT])))
                return;
        /* A node's key must not change while it is in the tree. */
        if (t->stand == TQ_STAND_PARKED)
                tq_turn_leave(t);
        t->rank = rank;
        t->shortfall = shortfall;
        t->history = t->usage;
        take_part(t);
}

void tq_turn_settle(TqScheduler *s) {
        TQ_LIST_FOREACH(node, &s->dirty) {
                TqTenant *t = TQ_LIST_ENTRY(node, TqTenant, dirty);

                tq_list_unlink(node);
                settle(s, t);
                if (tq_list_is_empty(&t->changed))
                        tq_list_append(&s->changed, &t->changed);
        }
}
