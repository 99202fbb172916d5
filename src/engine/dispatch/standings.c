/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/standings.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/standing.h"

/* A restart is to give nobody a fresh start, and remembering is to cost nothing: no fsync of its
 * own, and no wake-up. So a tenant about which something has changed is written with a commit that
 * happens anyway, a few of them with each, and each only once in a while.
 *
 * What a crash can lose is what ended in the last while before it (or, with many tenants at work,
 * since as many commits as they need). What still runs is charged from the tenant's row on, however
 * old that is; for this a pool's row says whether somebody competed, and is written as soon as that
 * is different at a commit: jobs come and end by commits, so it is right until the next one.
 *
 * All that is done here for a commit is bounded, and a change of a tenant costs the same however
 * many tenants there are. */

#define HEAR_MOST 256 /* changes that are taken note of before one commit */

/* Tags grow for as long as the ledger lives, and end where they can't be told apart any more: after
 * some decades of the whole host, or months of a tenant of weight 1 alone on it. Beyond the first
 * of these all begin again at the second, which leaves room for whoever is behind. */
#define REBASE_FROM (UINT64_C(1) << 60)
#define REBASE_TO   (UINT64_C(1) << 56)

/* A tenant, as it was written last. */
typedef struct Kept {
        TqList link; /* in `due` or in `recent`, or in neither: written long ago, not changed since
                      */
        uint32_t tenant;
        bool is_changed;
        uint64_t written_at; /* CLOCK_BOOTTIME; 0: never */
        TqPresence presence;
        uint64_t tag, turn;
        TqHistory usage;
} Kept;

typedef struct KeptPool {
        char name[TQ_POOL_NAME_MAX + 1];
        bool is_contended; /* as it was written */
        bool is_due;
        uint64_t shift; /* what was taken off its tags when they were read */
} KeptPool;

struct Standings {
        Commit *commit;
        Feed *feed;
        TqMap kept;                       /* tenant → Kept */
        TqList due;                       /* changed, and may be written */
        TqList recent;                    /* by written_at: may not yet */
        KeptPool pools[2 * TQ_POOLS_MAX]; /* by their place in the scheduler */
        uint64_t host_written_at;
        bool is_loaded, is_rebased;
};

static Kept *keep(Standings *s, const TqTenant *t) {
        Kept *k = tq_map_get(&s->kept, t->id);

        if (k)
                return k;
        k = malloc(sizeof(*k));
        if (!k)
                return NULL;
        /* One that never used anything needs no row. */
        *k = (Kept){ .tenant = t->id, .tag = t->tag, .usage = TQ_HISTORY_NONE };
        tq_list_init(&k->link);
        if (tq_map_put(&s->kept, t->id, k) < 0) {
                free(k);
                return NULL;
        }
        return k;
}

/* It competes, and its row does not say so. With that row it would be late after a crash: it would
 * begin where others have got to by then, and that may be hours. Once written the row says so until
 * the next one, so that this is one more row in that time at most. */
static bool has_come(const Kept *k, const TqTenant *t) {
        return t->stand != TQ_STAND_OUT && k->presence != TQ_PRESENCE_COMPETING;
}

/* Of a tenant that there is no memory for the next change is noted. */
static void hear(Standings *s, size_t most) {
        const TqTenant *t;

        for (; most > 0 && (t = feed_next_changed(s->feed)); most--) {
                Kept *k = keep(s, t);

                if (!k || (k->is_changed && !has_come(k, t)))
                        continue;
                /* From `recent`, too. */
                if (has_come(k, t))
                        tq_list_unlink(&k->link);
                k->is_changed = true;
                if (tq_list_is_empty(&k->link))
                        tq_list_append(&s->due, &k->link);
        }
}

/* Those whose last row is old enough. */
static void let_go(Standings *s, uint64_t now) {
        TqList *first;

        while ((first = tq_list_first(&s->recent))) {
                Kept *k = TQ_LIST_ENTRY(first, Kept, link);

                if (tq_add_u64(k->written_at, STANDINGS_EVERY_USEC) > now)
                        return;
                tq_list_unlink(first);
                if (k->is_changed)
                        tq_list_append(&s->due, &k->link);
        }
}

/* Writing ------------------------------------------------------------------------------------- */

static KeptPool *pool_at(Standings *s, size_t i, const TqPool *p) {
        KeptPool *k = &s->pools[i];

        if (strcmp(k->name, p->name) != 0) {
                *k = (KeptPool){};
                (void)snprintf(k->name, sizeof(k->name), "%s", p->name);
        }
        return k;
}

static void mark_pool(Standings *s, const TqPool *of) {
        const TqScheduler *scheduler = feed_scheduler(s->feed);
        const TqPool *p;

        for (size_t i = 0; (p = tq_scheduler_pool(scheduler, i)); i++)
                if (p == of)
                        pool_at(s, i, p)->is_due = true;
}

static void write_pool(Standings *s, KeptPool *k, const TqPoolStanding *from) {
        TqLedgerOp *op = commit_op(s->commit, TQ_LEDGER_POOL);

        if (!op)
                return;
        (void)snprintf(op->pool.name, sizeof(op->pool.name), "%s", from->name);
        op->pool.vtime = from->vtime;
        op->pool.largest_charge = from->largest_charge;
        op->pool.is_contended = k->is_contended = from->is_contended;
        op->pool.contended_usec = from->contended_usec;
        k->is_due = false;
}

static void write_pools(Standings *s, uint64_t now) {
        const TqScheduler *scheduler = feed_scheduler(s->feed);
        const TqPool *p;

        for (size_t i = 0; (p = tq_scheduler_pool(scheduler, i)); i++) {
                TqPoolStanding standing = tq_standing_of_pool(p, now);
                KeptPool *k = pool_at(s, i, p);

                if (k->is_due || k->is_contended != standing.is_contended)
                        write_pool(s, k, &standing);
        }
}

/* Without memory for its averages it is written without them. */
static bool write_standing(Standings *s, uint32_t tenant, const TqStanding *from) {
        TqLedgerOp *op = commit_op(s->commit, TQ_LEDGER_STANDING);
        uint8_t averages[TQ_FAIR_AVERAGES_MAX];
        size_t size = tq_fair_write(from->averages, averages);

        if (!op)
                return false;
        op->tenant = tenant;
        (void)snprintf(op->standing.pool, sizeof(op->standing.pool), "%s",
                       from->pool ? from->pool : "");
        op->standing.presence = from->presence;
        op->standing.tag = from->tag;
        op->standing.largest_advance = from->largest_advance;
        op->standing.turn = from->turn;
        op->standing.usage = from->usage;
        op->standing.averages = size > 0 ? malloc(size) : NULL;
        if (op->standing.averages)
                memcpy(op->standing.averages, averages, op->standing.averages_size = size);
        return true;
}

static void write_host(Standings *s, uint64_t now) {
        TqStanding standing = tq_standing_of_host(feed_scheduler(s->feed));

        if (standing.averages && write_standing(s, 0, &standing))
                s->host_written_at = now;
}

static void note(Kept *k, const TqTenant *t, TqPresence presence) {
        k->presence = presence;
        k->tag = t->tag;
        k->turn = t->turn;
        k->usage = t->usage;
}

/* Whether its row would say something else. What runs uses something all the time. */
static bool has_news(const Kept *k, const TqTenant *t, TqPresence presence) {
        return t->running > 0 || presence != k->presence || t->tag != k->tag ||
               t->turn != k->turn || t->usage > k->usage || t->usage < k->usage;
}

/* Whether there was something to write. */
static bool write_tenant(Standings *s, Kept *k, uint64_t now) {
        const TqScheduler *scheduler = feed_scheduler(s->feed);
        const TqTenant *t = tq_scheduler_tenant(scheduler, k->tenant);
        TqStanding standing;

        tq_list_unlink(&k->link);
        k->is_changed = false;
        if (!t)
                return false;
        standing = tq_standing_of(scheduler, t, now);
        if (!s->is_rebased && !has_news(k, t, standing.presence))
                return false;
        if (!write_standing(s, k->tenant, &standing))
                return false;
        note(k, t, standing.presence);
        k->written_at = now;
        tq_list_append(&s->recent, &k->link);
        mark_pool(s, t->pool);
        return true;
}

static void write_due(Standings *s, size_t looks, size_t most, uint64_t now) {
        size_t written = 0;
        TqList *first;

        for (; looks > 0 && written < most && (first = tq_list_first(&s->due)); looks--)
                written += write_tenant(s, TQ_LIST_ENTRY(first, Kept, link), now);
        write_pools(s, now);
        if (written > 0 && (most == SIZE_MAX || s->host_written_at == 0 ||
                            tq_add_u64(s->host_written_at, STANDINGS_EVERY_USEC) <= now))
                write_host(s, now);
}

static void on_flush(void *data) {
        uint64_t now = tq_clock_boottime_usec();
        Standings *s = data;

        if (!s->is_loaded)
                return;
        hear(s, HEAR_MOST);
        let_go(s, now);
        write_due(s, HEAR_MOST, STANDINGS_MOST, now);
}

void standings_leave(Standings *s) {
        /* Of a full disk what is left is for the ends of jobs. */
        if (!s->is_loaded || commit_fault(s->commit))
                return;
        hear(s, SIZE_MAX);
        let_go(s, TQ_NEVER);
        write_due(s, SIZE_MAX, SIZE_MAX, tq_clock_boottime_usec());
}

/* Reading ------------------------------------------------------------------------------------- */

/* What the scheduler knows nothing of is no fault. */
static int give(Standings *s, TqEvent event) {
        int r;

        event.type = TQ_EVENT_STANDING;
        r = feed_step(s->feed, &event);
        return r == -ENOENT ? 0 : r;
}

static int on_pool(void *data, const TqPoolStanding *row) {
        TqPoolStanding standing = *row;
        Standings *s = data;
        const TqPool *p;
        uint64_t shift = 0;

        if (row->vtime > REBASE_FROM) {
                shift = row->vtime - REBASE_TO;
                standing.vtime = REBASE_TO;
                s->is_rebased = true;
        }
        for (size_t i = 0; (p = tq_scheduler_pool(feed_scheduler(s->feed), i)); i++)
                if (strcmp(p->name, row->name) == 0) {
                        KeptPool *k = pool_at(s, i, p);

                        k->is_contended = row->is_contended;
                        k->shift = shift;
                }
        return give(s, (TqEvent){ .pool_standing = &standing });
}

static uint64_t shift_of(const Standings *s, const char *pool) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(s->pools); i++)
                if (strcmp(s->pools[i].name, pool) == 0)
                        return s->pools[i].shift;
        return 0;
}

static int on_standing(void *data, const TqLedgerStanding *row) {
        TqStanding standing = row->standing;
        TqAverages *averages = NULL;
        Standings *s = data;
        const TqTenant *t;
        Kept *k;
        int r;

        /* What a later version wrote is learned anew. */
        if (tq_fair_read(row->averages, row->averages_size, &averages) == -ENOMEM)
                return -ENOMEM;
        if (standing.presence < 0)
                standing.presence = TQ_PRESENCE_IDLE;
        standing.averages = averages;
        standing.tag = tq_sub_u64(standing.tag, shift_of(s, standing.pool));
        r = give(s, (TqEvent){ .tenant = row->tenant, .standing = &standing });
        (void)tq_fair_averages_free(averages);
        t = tq_scheduler_tenant(feed_scheduler(s->feed), row->tenant);
        if (r < 0 || !t)
                return r;
        k = keep(s, t);
        if (!k)
                return -ENOMEM;
        note(k, t, standing.presence);
        return 0;
}

/* All of them in one commit: the numbers of two bases don't go together. */
static void rebase(Standings *s) {
        size_t position = 0;
        const TqPool *p;
        Kept *k;

        while ((k = tq_map_next(&s->kept, &position)))
                (void)write_tenant(s, k, tq_clock_boottime_usec());
        for (size_t i = 0; (p = tq_scheduler_pool(feed_scheduler(s->feed), i)); i++)
                pool_at(s, i, p)->is_due |= s->pools[i].shift > 0;
        write_pools(s, tq_clock_boottime_usec());
        s->is_rebased = false;
}

int standings_load(Standings *s) {
        uint64_t now = tq_clock_realtime_usec(), boottime = tq_clock_boottime_usec();
        int r;

        r = tq_ledger_each_pool(commit_ledger(s->commit), now, boottime, on_pool, s);
        if (r >= 0)
                r = tq_ledger_each_standing(commit_ledger(s->commit), now, boottime, on_standing,
                                            s);
        if (r < 0)
                return r;
        if (s->is_rebased)
                rebase(s);
        s->is_loaded = true;
        return 0;
}

/* Life ---------------------------------------------------------------------------------------- */

int standings_new(Commit *commit, Feed *feed, Standings **ret) {
        Standings *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->commit = commit;
        s->feed = feed;
        tq_list_init(&s->due);
        tq_list_init(&s->recent);
        commit_on_flush(commit, on_flush, s);
        *ret = s;
        return 0;
}

Standings *standings_free(Standings *s) {
        size_t position = 0;
        Kept *k;

        if (!s)
                return NULL;
        commit_on_flush(s->commit, NULL, NULL);
        while ((k = tq_map_next(&s->kept, &position)))
                free(k);
        tq_map_done(&s->kept);
        free(s);
        return NULL;
}
