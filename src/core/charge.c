/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/scheduler_private.h"

/* What a tenant is charged for its jobs: by estimate when one starts, by what it is seen to use
 * while it runs, and what it really was in the end. tenant.tag is moved by the difference each
 * time, so a wrong estimate costs nothing that is not given back. */

static void set_advance(TqTenant *t, TqJob *job, uint64_t advance) {
        t->tag = tq_add_u64(tq_sub_u64(t->tag, job->advance), advance);
        job->advance = advance;
        t->pool->max_tag = TQ_MAX(t->pool->max_tag, t->tag);
}

static uint64_t advance_of(const TqTenant *t, const TqUse *use) {
        return tq_fair_advance(tq_fair_charge(use, &t->pool->capacity), t->weight);
}

/* Saturating: a counter that somebody made up must not wrap around. */
static uint64_t scaled(uint64_t v, double factor) {
        double product = (double)v * factor;

        return product >= 1e19 ? UINT64_MAX : (uint64_t)product;
}

/* What a job will have used at that age, if it goes on as it was seen or is expected to. */
static TqUse foresee(const TqJob *job, uint64_t age) {
        const TqUse *base = job->seen.slot_usec > 0 ? &job->seen : &job->expected;
        double factor = (double)age / (double)TQ_MAX(base->slot_usec, UINT64_C(1));

        return (TqUse){
                .slot_usec = age,
                .cpu_usec = scaled(base->cpu_usec, factor),
                .memory_bytes = TQ_MAX(base->memory_bytes, job->memory_bytes),
                .io_bytes = scaled(base->io_bytes, factor),
        };
}

/* A running job is looked at while others may compete for its slot: after a second, and again
 * whenever it has become a quarter older, so that a long job costs few looks. */
uint64_t tq_charge_next_look(const TqJob *job, uint64_t now) {
        uint64_t age = tq_sub_u64(now, job->slot_since);

        if (job->tenant->pool->slots == TQ_LIMIT_MAX)
                return TQ_NEVER;
        return tq_add_u64(now, TQ_MAX(age / 4, TQ_USEC_PER_SEC));
}

/* Up to the next look, but not beyond where it is expected to end. */
static uint64_t age_charged(const TqJob *job, uint64_t now) {
        uint64_t age = tq_sub_u64(now, job->slot_since);
        uint64_t next = tq_sub_u64(tq_charge_next_look(job, now), job->slot_since);
        uint64_t end = job->expected.slot_usec;

        return TQ_MAX(age < end ? TQ_MIN(next, end) : next, UINT64_C(1));
}

void tq_charge_running(TqScheduler *s, TqJob *job, uint64_t now) {
        TqUse use = foresee(job, age_charged(job, now));

        set_advance(job->tenant, job, advance_of(job->tenant, &use));
        tq_turn_refresh_tenant(s, job->tenant);
}

static void note_usage(const TqScheduler *s, TqTenant *t, uint64_t charge, uint64_t now) {
        t->usage = tq_fair_history_add(t->usage, charge, t->weight, now, s->policy.half_life_usec);
}

void tq_charge_start(TqScheduler *s, TqJob *job, uint64_t now) {
        static const TqUse unknown = { .slot_usec = 10 * TQ_USEC_PER_SEC };
        TqTenant *t = job->tenant;
        const TqUse *known = tq_fair_predict(t->averages, job->name);
        TqUse use;

        if (!known)
                known = tq_fair_predict(s->averages, 0);
        job->expected = known ? *known : unknown;
        job->expected.slot_usec =
                TQ_MIN(job->expected.slot_usec, TQ_MIN(job->runtime_usec, t->runtime));
        job->slot_since = now;
        job->seen = (TqUse){};
        job->advance = 0;
        use = foresee(job, age_charged(job, now));
        tq_turn_pass_time(t);
        set_advance(t, job, advance_of(t, &use));
        t->last_advance = job->advance;
        job->noted = tq_fair_charge(&use, &t->pool->capacity);
        note_usage(s, t, job->noted, now);
        t->turn = ++s->turns;
}

void tq_charge_end(TqScheduler *s, TqJob *job, const TqUse *use, uint64_t now, bool is_typical) {
        TqTenant *t = job->tenant;
        uint64_t charge;

        set_advance(t, job, advance_of(t, use));
        t->largest_advance = TQ_MAX(job->advance, t->largest_advance - t->largest_advance / 8);
        charge = tq_fair_charge(use, &t->pool->capacity);
        /* It fades with what is served since, not with how many jobs that was. */
        t->pool->largest_charge = TQ_MAX(charge, tq_sub_u64(t->pool->largest_charge, charge / 64));
        if (charge > job->noted)
                note_usage(s, t, charge - job->noted, now);
        if (is_typical) {
                tq_fair_learn(&t->averages, job->name, use);
                tq_fair_learn(&s->averages, 0, use);
        }
        job->advance = 0;
}
