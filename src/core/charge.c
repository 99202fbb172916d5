/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/charge.h"

#include "core/tag.h"

/* What a tenant is charged for its jobs: by estimate when one starts, by what it is seen to use
 * while it runs, and what it really was in the end. tenant.tag is moved by the difference each
 * time, so a wrong estimate costs nothing that is not given back.
 *
 * A running job is looked at while somebody competes for its slot, and charged up to the next look.
 * What it used before the competition began is nobody's loss: it is left out (TqJob.base), so that
 * neither a look at the wrong moment nor the job's end charges it after all. */

#define LOOK_MIN_USEC TQ_USEC_PER_SEC
#define LOOK_MAX_USEC (60 * TQ_USEC_PER_SEC)
#define LOOK_MAX_PART 1024 /* of a job's age, if that is longer */

static void set_advance(TqTenant *t, TqJob *job, uint64_t advance) {
        tq_tag_set(t, tq_add_u64(tq_sub_u64(t->tag, job->cold->charge.advance), advance));
        job->cold->charge.advance = advance;
}

/* A job that is said to have used more than this is charged that: counters that somebody made up
 * must not bring all tags to their end, where nobody is before anybody. */
#define CHARGE_MAX (UINT64_C(1) << 52) /* ns of the whole host: 52 days */

static uint64_t advance_of(const TqTenant *t, const TqUse *use) {
        uint64_t charge = TQ_MIN(tq_fair_charge(use, &t->pool->capacity), CHARGE_MAX);

        return TQ_MIN(tq_fair_advance(charge, t->weight), CHARGE_MAX);
}

static uint64_t age_of(const TqJob *job, uint64_t now) {
        return tq_sub_u64(now, job->cold->charge.slot_since);
}

void tq_charge_job_init(TqCharge *c) {
        tq_list_init(&c->minute);
        tq_list_init(&c->looked);
}

/* Looks --------------------------------------------------------------------------------------- */

static bool is_looked_at_before(const TqJobCold *a, const TqJobCold *b) {
        return a->charge.look_at != b->charge.look_at ? a->charge.look_at < b->charge.look_at
                                                      : a->job->id < b->job->id;
}

static bool look_before(const TqHeapNode *a, const TqHeapNode *b) {
        return is_looked_at_before(TQ_CONTAINER_OF(a, TqJobCold, charge.look),
                                   TQ_CONTAINER_OF(b, TqJobCold, charge.look));
}

void tq_charge_init(TqPool *p) {
        p->looks.before = look_before;
        tq_list_init(&p->minutes);
}

/* After a second, and again whenever it has become a quarter older, but each minute at the latest,
 * or after a thousandth of its age: short jobs closely, and the longest one costs few looks. What
 * is charged ahead is no more than the time between two. One that is adopted is new to us. */
static uint64_t next_look(const TqJob *job, uint64_t now) {
        bool is_new = job->cold->charge.is_adopted && job->cold->charge.look_at == 0;
        uint64_t age = is_new ? 0 : age_of(job, now);
        uint64_t most = TQ_MAX(LOOK_MAX_USEC, age / LOOK_MAX_PART);

        return tq_add_u64(now, TQ_MIN(TQ_MAX(age / 4, LOOK_MIN_USEC), most));
}

static const TqJobCold *of_minute(const TqList *node) {
        return TQ_LIST_ENTRY((TqList *)node, TqJobCold, charge.minute);
}

static bool is_watched(const TqJob *job) {
        return tq_heap_contains(&job->cold->charge.look) ||
               !tq_list_is_empty(&job->cold->charge.minute);
}

/* Most jobs that run are looked at each minute, so that their next look comes after all that are
 * planned: it goes to the end of a list, and only the others into the heap. */
static bool is_last(const TqPool *p, const TqJob *job, uint64_t now) {
        return job->cold->charge.look_at == tq_add_u64(now, LOOK_MAX_USEC) &&
               (tq_list_is_empty(&p->minutes) ||
                is_looked_at_before(of_minute(p->minutes.previous), job->cold));
}

/* 0, or -ENOMEM: it is looked at no more, and charged at its end. */
static int plan_look(TqJob *job, uint64_t now) {
        TqPool *p = job->queue->tenant->pool;

        job->cold->charge.look_at = next_look(job, now);
        tq_list_unlink(&job->cold->charge.minute);
        if (is_last(p, job, now)) {
                tq_heap_remove(&p->looks, &job->cold->charge.look);
                tq_list_append(&p->minutes, &job->cold->charge.minute);
                return 0;
        }
        if (!tq_heap_contains(&job->cold->charge.look))
                return tq_heap_insert(&p->looks, &job->cold->charge.look);
        tq_heap_update(&p->looks, &job->cold->charge.look);
        return 0;
}

/* The job that is looked at next, or NULL. */
static TqJob *first_look(const TqPool *p) {
        const TqHeapNode *node = tq_heap_top(&p->looks);
        const TqList *minute = tq_list_first(&p->minutes);
        const TqJobCold *first = node ? TQ_CONTAINER_OF(node, TqJobCold, charge.look) : NULL;

        if (minute && (!first || is_looked_at_before(of_minute(minute), first)))
                first = of_minute(minute);
        return first ? first->job : NULL;
}

int tq_charge_watch(TqJob *job, uint64_t now) {
        return plan_look(job, now);
}

void tq_charge_unwatch(TqJob *job) {
        tq_heap_remove(&job->queue->tenant->pool->looks, &job->cold->charge.look);
        tq_list_unlink(&job->cold->charge.minute);
}

void tq_charge_move(TqTenant *t, TqPool *to) {
        TQ_LIST_FOREACH(node, &t->active) {
                TqJob *job = TQ_LIST_ENTRY(node, TqJobCold, active)->job;

                job->cold->charge.advance = 0; /* it was of the tag that is left behind */
                if (!is_watched(job))
                        continue;
                tq_charge_unwatch(job);
                /* Without memory it is charged at its end. */
                (void)tq_heap_insert(&to->looks, &job->cold->charge.look);
        }
}

uint64_t tq_charge_next_look(const TqPool *p) {
        const TqJob *job = tq_world_is_contended(p) ? first_look(p) : NULL;

        return job ? job->cold->charge.look_at : TQ_NEVER;
}

/* Charges ------------------------------------------------------------------------------------- */

/* Saturating: a counter that somebody made up must not wrap around. */
static uint64_t scaled(uint64_t v, double factor) {
        double product = (double)v * factor;

        return product >= 1e19 ? UINT64_MAX : (uint64_t)product;
}

/* What is used in such a time, if it goes on as that was used. */
static TqUse in_time(const TqUse *use, uint64_t slot_usec) {
        double factor = (double)slot_usec / (double)TQ_MAX(use->slot_usec, UINT64_C(1));

        return (TqUse){
                .slot_usec = slot_usec,
                .cpu_usec = scaled(use->cpu_usec, factor),
                .memory_bytes = use->memory_bytes,
                .io_bytes = scaled(use->io_bytes, factor),
        };
}

static TqUse plus(const TqUse *a, const TqUse *b) {
        return (TqUse){
                .slot_usec = tq_add_u64(a->slot_usec, b->slot_usec),
                .cpu_usec = tq_add_u64(a->cpu_usec, b->cpu_usec),
                .memory_bytes = TQ_MAX(a->memory_bytes, b->memory_bytes),
                .io_bytes = tq_add_u64(a->io_bytes, b->io_bytes),
        };
}

static TqUse minus(const TqUse *a, const TqUse *b) {
        return (TqUse){
                .slot_usec = tq_sub_u64(a->slot_usec, b->slot_usec),
                .cpu_usec = tq_sub_u64(a->cpu_usec, b->cpu_usec),
                .memory_bytes = a->memory_bytes,
                .io_bytes = tq_sub_u64(a->io_bytes, b->io_bytes),
        };
}

/* The age from which on the job is charged. */
static uint64_t charged_from(const TqJob *job) {
        return TQ_MAX(job->cold->charge.base.slot_usec,
                      age_of(job, job->queue->tenant->pool->contended_since));
}

/* What it will use in such a time. */
static TqUse foresee(const TqJob *job, uint64_t slot_usec) {
        TqUse of_late = minus(&job->cold->charge.seen, &job->cold->charge.base), use;
        const TqUse *rate = of_late.slot_usec > 0                  ? &of_late
                            : job->cold->charge.seen.slot_usec > 0 ? &job->cold->charge.seen
                                                                   : &job->cold->charge.expected;

        use = in_time(rate, slot_usec);
        use.memory_bytes = TQ_MAX(use.memory_bytes, job->memory_bytes);
        return use;
}

/* Up to the next look, but not beyond where it is expected to end. */
static uint64_t age_charged(const TqJob *job, uint64_t now, uint64_t next) {
        uint64_t age = age_of(job, now), end = job->cold->charge.expected.slot_usec;

        return age < end ? TQ_MIN(age_of(job, next), end) : age_of(job, next);
}

/* Leaves out what was used when the competition began, by what is known of it now: a guess, until
 * the job has been seen since. What had been charged beyond that stays charged. */
static void leave_out(TqJob *job, const TqUse *use) {
        uint64_t from = TQ_MIN(charged_from(job), use->slot_usec);
        TqUse grown = minus(use, &job->cold->charge.seen), until, left_out;

        until = in_time(&grown, tq_sub_u64(from, job->cold->charge.seen.slot_usec));
        until = plus(&job->cold->charge.seen, &until);
        if (from > job->cold->charge.base.slot_usec) {
                left_out = minus(&until, &job->cold->charge.base);
                job->cold->charge.advance = tq_sub_u64(job->cold->charge.advance,
                                                       advance_of(job->queue->tenant, &left_out));
        } else if (job->cold->charge.seen.slot_usec >= job->cold->charge.base.slot_usec)
                return;
        job->cold->charge.base = until;
}

/* What its tenant's tag is to be moved by, up to the next look. */
static uint64_t advance_at(const TqJob *job, uint64_t now, uint64_t next) {
        TqUse use = foresee(job, tq_sub_u64(age_charged(job, now, next), charged_from(job)));

        return advance_of(job->queue->tenant, &use);
}

/* Charges what it will have used at the next look. When nobody competes any more there is none, and
 * what was charged ahead stays: it is due when somebody comes. */
static void charge_ahead(TqScheduler *s, TqJob *job, uint64_t now) {
        bool is_looked_at = tq_world_is_contended(job->queue->tenant->pool);
        uint64_t advance =
                advance_at(job, now, is_looked_at ? TQ_MAX(job->cold->charge.look_at, now) : now);

        set_advance(job->queue->tenant, job,
                    is_looked_at ? advance : TQ_MAX(advance, job->cold->charge.advance));
        tq_world_touch(s, job->queue->tenant);
}

/* What it has used by now, by estimate. */
static TqUse estimate(const TqJob *job, uint64_t now) {
        TqUse since = foresee(job, tq_sub_u64(age_of(job, now), job->cold->charge.seen.slot_usec));

        return plus(&job->cold->charge.seen, &since);
}

void tq_charge_settle(TqTenant *t, uint64_t now) {
        TQ_LIST_FOREACH(node, &t->active) {
                TqJob *job = TQ_LIST_ENTRY(node, TqJobCold, active)->job;
                TqUse use = estimate(job, now), charged;
                uint64_t advance;

                leave_out(job, &use);
                charged = minus(&use, &job->cold->charge.base);
                advance = advance_of(t, &charged);
                /* What was charged ahead stays so: others may have begun at this tag. */
                set_advance(t, job, TQ_MAX(advance, job->cold->charge.advance));
                job->cold->charge.advance -= advance;
                job->cold->charge.base = use;
        }
}

uint64_t tq_charge_tag(const TqTenant *t, uint64_t now) {
        bool is_exact = tq_world_is_contended(t->pool);
        uint64_t tag = t->tag;

        TQ_LIST_FOREACH(node, &t->active) {
                const TqJob *job = TQ_LIST_ENTRY(node, TqJobCold, active)->job;
                uint64_t charged = advance_at(job, now, now);

                /* What it uses while nobody competes is not charged. */
                if (!is_exact)
                        charged = TQ_MIN(charged, job->cold->charge.advance);
                tag = tq_add_u64(tq_sub_u64(tag, job->cold->charge.advance), charged);
        }
        return tag;
}

TqJob *tq_charge_look(TqScheduler *s, TqPool *p, uint64_t now) {
        TqUse use;
        TqJob *job;

        if (tq_charge_next_look(p) > now)
                return NULL;
        job = first_look(p);
        (void)plan_look(job, now);
        /* By estimate until the answer comes. */
        use = estimate(job, now);
        leave_out(job, &use);
        charge_ahead(s, job, now);
        return job;
}

void tq_charge_seen(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now) {
        leave_out(job, use);
        job->cold->charge.seen = *use;
        charge_ahead(s, job, now);
}

/* Many looks ---------------------------------------------------------------------------------- */

/* Between two events nobody reads a tag, however many looks there are. So a tenant is charged once,
 * for the last look of each of its jobs: by what that was, the ones before no longer count.
 *
 * That is so as long as charges only grow, and tags with them. Looks at other jobs are left to
 * TICK: where it is not decided yet what is left out; where a job has been seen for less long than
 * it is charged ahead (or never), so that its charge may fall, from what was expected to what is;
 * and where `debt` has cut so much off the tag that it holds less than the charge, which can't be
 * taken back any more before it is made anew. */
static bool is_steady(const TqJob *job) {
        uint64_t seen_for =
                tq_sub_u64(job->cold->charge.seen.slot_usec, job->cold->charge.base.slot_usec);

        return seen_for >= next_look(job, job->cold->charge.look_at) - job->cold->charge.look_at &&
               charged_from(job) <= job->cold->charge.base.slot_usec &&
               job->queue->tenant->tag >= job->cold->charge.advance;
}

static TqJob *next_look_before(const TqScheduler *s, uint64_t until) {
        TqJob *next = NULL;

        for (size_t i = 0; i < s->n_pools; i++) {
                if (tq_charge_next_look(&s->pools[i]) >= until)
                        continue;
                next = first_look(&s->pools[i]);
                until = next->cold->charge.look_at;
        }
        return next;
}

static void see(TqJob *job, TqUse use, uint64_t now, TqList *looked) {
        (void)plan_look(job, now);
        job->cold->charge.seen = use;
        job->cold->charge.seen.slot_usec = age_of(job, now);
        if (tq_list_is_empty(&job->cold->charge.looked))
                tq_list_append(looked, &job->cold->charge.looked);
}

static void charge_looked(TqScheduler *s, TqJob *job) {
        TqTenant *t = job->queue->tenant;
        uint64_t seen_at =
                tq_add_u64(job->cold->charge.slot_since, job->cold->charge.seen.slot_usec);

        set_advance(t, job, advance_at(job, seen_at, job->cold->charge.look_at));
        if (t->stand != TQ_STAND_OUT)
                tq_tag_cap_debt(s, t);
        tq_world_touch(s, t);
}

void tq_charge_look_until(TqScheduler *s, uint64_t until, TqMeter meter, void *userdata) {
        TqList looked;
        TqJob *job;

        tq_list_init(&looked);
        /* What is due by now is the next TICK's. */
        while ((job = next_look_before(s, until)) && job->cold->charge.look_at > s->now &&
               is_steady(job))
                see(job, meter(userdata, job, job->cold->charge.look_at), job->cold->charge.look_at,
                    &looked);
        TQ_LIST_FOREACH(node, &looked) {
                charge_looked(s, TQ_LIST_ENTRY(node, TqJobCold, charge.looked)->job);
                tq_list_unlink(node);
        }
}

static void note_usage(const TqScheduler *s, TqTenant *t, uint64_t charge, uint64_t now) {
        t->usage = tq_fair_history_add(t->usage, charge, t->weight, now, s->policy.half_life_usec);
}

static void expect(const TqScheduler *s, TqJob *job) {
        static const TqUse unknown = { .slot_usec = 10 * TQ_USEC_PER_SEC };
        TqTenant *t = job->queue->tenant;
        const TqUse *known = tq_fair_predict(t->averages, job->name);

        if (!known)
                known = tq_fair_predict(s->averages, 0);
        job->cold->charge.expected = known ? *known : unknown;
        job->cold->charge.expected.slot_usec =
                TQ_MIN(job->cold->charge.expected.slot_usec, TQ_MIN(job->runtime_usec, t->runtime));
}

/* What it is expected to have used after its first while, on top of so long a time. */
static TqUse first_of(const TqJob *job, uint64_t slot_usec) {
        uint64_t ahead = TQ_MIN(job->cold->charge.expected.slot_usec, LOOK_MIN_USEC);
        TqUse use = in_time(&job->cold->charge.expected, tq_add_u64(slot_usec, ahead));

        use.memory_bytes = TQ_MAX(use.memory_bytes, job->memory_bytes);
        return use;
}

static void charge_first(TqScheduler *s, TqJob *job, uint64_t now) {
        TqTenant *t = job->queue->tenant;
        TqUse use = first_of(job, 0);

        set_advance(t, job, advance_of(t, &use));
        job->cold->charge.noted = tq_fair_charge(&use, &t->pool->capacity);
        note_usage(s, t, job->cold->charge.noted, now);
}

void tq_charge_start(TqScheduler *s, TqJob *job, uint64_t now) {
        TqTenant *t = job->queue->tenant;

        job->cold->charge.slot_since = now;
        job->cold->charge.is_adopted = false;
        expect(s, job);
        tq_tag_pass_time(t);
        charge_first(s, job, now);
        t->turn = ++s->turns;
}

/* From when on what its adopted jobs use is not in the tag of a tenant yet, and is to be. */
static uint64_t charged_since(const TqTenant *t, uint64_t now) {
        if (t->kept_at == 0 || !t->pool->was_contended)
                return now;
        return TQ_MIN(TQ_MAX(t->kept_at, t->pool->contended_since), now);
}

void tq_charge_adopt(TqScheduler *s, TqJob *job, uint64_t now) {
        TqTenant *t = job->queue->tenant;
        TqUse use;

        job->cold->charge.slot_since = job->cold->running_since;
        job->cold->charge.is_adopted = true;
        expect(s, job);
        /* An age only: what it had used by then is a guess until it is seen. */
        job->cold->charge.base.slot_usec = age_of(job, charged_since(t, now));
        use = first_of(job, tq_sub_u64(age_of(job, now), job->cold->charge.base.slot_usec));
        set_advance(t, job, advance_of(t, &use));
        use = first_of(job, 0);
        job->cold->charge.noted = tq_fair_charge(&use, &t->pool->capacity);
        /* Else it was when the job started, and is in what the tenant got back. */
        if (job->cold->running_since >= t->kept_at)
                note_usage(s, t, job->cold->charge.noted, now);
}

void tq_charge_end(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now, bool is_typical) {
        TqTenant *t = job->queue->tenant;
        TqUse charged;
        uint64_t charge;

        leave_out(job, use);
        charged = minus(use, &job->cold->charge.base);
        set_advance(t, job, advance_of(t, &charged));
        t->largest_advance =
                TQ_MAX(job->cold->charge.advance, t->largest_advance - t->largest_advance / 8);
        /* What others waited for at most. It fades with what is served since, not with how many
         * jobs that was. */
        charge = TQ_MIN(tq_fair_charge(&charged, &t->pool->capacity), CHARGE_MAX);
        t->pool->largest_charge = TQ_MAX(charge, tq_sub_u64(t->pool->largest_charge, charge / 64));
        charge = tq_fair_charge(use, &t->pool->capacity);
        if (charge > job->cold->charge.noted)
                note_usage(s, t, charge - job->cold->charge.noted, now);
        if (is_typical) {
                tq_fair_learn(&t->averages, job->name, use);
                tq_fair_learn(&s->averages, 0, use);
        }
        job->cold->charge.advance = 0;
        job->cold->charge.seen = job->cold->charge.base = (TqUse){};
}
