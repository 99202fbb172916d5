/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "base/heap.h"
#include "world.h"

/* Whose turn it is, in virtual time: jobs start, hold their slot for as long as they are made to
 * last, and end with the counters that they would have. */

#define SIM_TENANTS 128

typedef struct SimTenant {
        uint64_t length_usec;  /* of a job */
        uint64_t spread_usec;  /* and up to so much more, at random */
        uint64_t cpu_permille; /* of one CPU while it runs */
        uint64_t memory_bytes;
        uint64_t backlog; /* jobs that are kept waiting: each start brings another */
        const char *queue;
        uint64_t runtime_usec; /* RuntimeMaxSec=; 0: none */
        uint64_t name;
        uint64_t used_usec; /* slot time of jobs that have ended */
        uint64_t running, running_since_sum;
        uint64_t started, ended;
        uint64_t first_start, worst_wait;
        uint64_t most_running;
} SimTenant;

typedef struct SimJob {
        uint64_t id;
        uint32_t tenant;
        unsigned attempt;
        uint64_t submitted, start, end, cpu_permille;
        TqHeapNode node;
        struct SimJob *next; /* of the free ones */
} SimJob;

typedef struct Sim {
        World w;
        SimTenant tenants[SIM_TENANTS + 1]; /* [0] is nobody */
        TqHeap ends;
        SimJob *free;
        uint64_t next_id, random;
        uint64_t samples;
} Sim;

static bool ends_before(const TqHeapNode *a, const TqHeapNode *b) {
        const SimJob *x = TQ_CONTAINER_OF(a, SimJob, node), *y = TQ_CONTAINER_OF(b, SimJob, node);

        return x->end != y->end ? x->end < y->end : x->id < y->id;
}

static Sim *sim_new(void) {
        Sim *s = calloc(1, sizeof(*s));

        ck_assert_ptr_nonnull(s);
        s->w = world_new();
        s->ends.before = ends_before;
        s->random = 88172645463325252;
        return s;
}

static void sim_free(Sim **s) {
        size_t position = 0;
        const TqJob *job;
        SimJob *j;

        while ((job = tq_scheduler_next_job((*s)->w.s, &position)))
                free(job->userdata);
        world_done(&(*s)->w);
        while ((j = (*s)->free)) {
                (*s)->free = j->next;
                free(j);
        }
        tq_heap_done(&(*s)->ends);
        free(*s);
        *s = NULL;
}

#define SIM TQ_CLEANUP(sim_free) Sim

static uint64_t sim_submit(Sim *s, uint32_t id) {
        SimTenant *t = &s->tenants[id];
        TqEvent e = submission(id, ++s->next_id);
        SimJob *j = s->free;

        if (j)
                s->free = j->next;
        else
                j = calloc(1, sizeof(*j));
        *j = (SimJob){ .id = e.job, .tenant = id, .submitted = s->w.now };
        e.j.queue = t->queue ? t->queue : "q";
        e.j.name = t->name;
        e.j.memory_bytes = t->memory_bytes;
        e.j.runtime_usec = t->runtime_usec ? t->runtime_usec : TQ_LIMIT_MAX;
        e.j.is_promised = true;
        e.j.userdata = j;
        e.more = s->w.actions.n > 0;
        must_step(&s->w, e);
        return e.job;
}

static void sim_started(Sim *s, SimJob *j) {
        SimTenant *t = &s->tenants[j->tenant];
        uint64_t wait = s->w.now - j->submitted;

        j->start = s->w.now;
        j->cpu_permille = t->cpu_permille;
        j->end = s->w.now + t->length_usec +
                 (t->spread_usec > 0 ? unit_random(&s->random) % t->spread_usec : 0);
        if (t->started++ == 0)
                t->first_start = s->w.now;
        t->worst_wait = TQ_MAX(t->worst_wait, wait);
        t->running++;
        t->most_running = TQ_MAX(t->most_running, t->running);
        t->running_since_sum += s->w.now;
        unit_must(tq_heap_insert(&s->ends, &j->node) == 0, "no memory");
        if (t->backlog > 0)
                sim_submit(s, j->tenant);
}

static void sim_ended(Sim *s, SimJob *j) {
        SimTenant *t = &s->tenants[j->tenant];

        t->running--;
        t->running_since_sum -= j->start;
        t->used_usec += s->w.now - j->start;
        t->ended++;
        j->next = s->free;
        s->free = j;
}

/* Does what was asked for; what follows from that is appended and done too. */
static void sim_settle(Sim *s) {
        for (size_t i = 0; i < s->w.actions.n; i++) {
                TqAction a = s->w.actions.items[i];
                SimJob *j = a.userdata;
                TqUse use;

                switch (a.type) {
                case TQ_ACTION_START:
                        j->attempt = a.attempt;
                        must_step(&s->w, (TqEvent){ .type = TQ_EVENT_SPAWNED,
                                                    .more = true,
                                                    .job = a.job,
                                                    .attempt = a.attempt });
                        sim_started(s, j);
                        break;
                case TQ_ACTION_SAMPLE:
                        s->samples++;
                        use = (TqUse){ .cpu_usec = (s->w.now - j->start) * j->cpu_permille / 1000 };
                        must_step(&s->w, (TqEvent){ .type = TQ_EVENT_USED,
                                                    .more = true,
                                                    .job = a.job,
                                                    .attempt = a.attempt,
                                                    .use = &use });
                        break;
                case TQ_ACTION_FINISH:
                        sim_ended(s, j);
                        break;
                default:
                        break;
                }
        }
        s->w.actions.n = 0;
        must_step(&s->w, (TqEvent){ .type = TQ_EVENT_TICK });
        if (s->w.actions.n > 0)
                sim_settle(s);
}

static void sim_end(Sim *s, SimJob *j) {
        TqEnd e = { .kind = TQ_END_EXITED };

        tq_heap_remove(&s->ends, &j->node);
        e.counters.cpu_usec = (s->w.now - j->start) * j->cpu_permille / 1000;
        e.counters.memory_peak_bytes = s->tenants[j->tenant].memory_bytes;
        must_step(&s->w, (TqEvent){ .type = TQ_EVENT_ENDED,
                                    .more = true,
                                    .job = j->id,
                                    .attempt = j->attempt,
                                    .end = &e });
}

/* Lets the time pass. */
static void sim_run(Sim *s, uint64_t for_usec) {
        uint64_t until = s->w.now + for_usec;

        sim_settle(s);
        for (;;) {
                TqHeapNode *node = tq_heap_top(&s->ends);
                uint64_t at = tq_scheduler_next_deadline(s->w.s);

                if (node)
                        at = TQ_MIN(at, TQ_CONTAINER_OF(node, SimJob, node)->end);
                if (at > until)
                        break;
                s->w.now = at;
                while ((node = tq_heap_top(&s->ends)) &&
                       TQ_CONTAINER_OF(node, SimJob, node)->end <= at)
                        sim_end(s, TQ_CONTAINER_OF(node, SimJob, node));
                sim_settle(s);
        }
        s->w.now = until;
}

static void sim_backlog(Sim *s, uint32_t id, uint64_t n) {
        s->tenants[id].backlog = n;
        for (uint64_t i = 0; i < n; i++)
                sim_submit(s, id);
        sim_settle(s);
}

/* Slot time so far, of jobs that run too. */
static double sim_use(const Sim *s, uint32_t id) {
        const SimTenant *t = &s->tenants[id];

        return (double)(t->used_usec + t->running * s->w.now - t->running_since_sum);
}

typedef struct Marks {
        double use[SIM_TENANTS + 1];
} Marks;

static Marks sim_marks(const Sim *s) {
        Marks m;

        for (uint32_t i = 0; i <= SIM_TENANTS; i++)
                m.use[i] = sim_use(s, i);
        return m;
}

/* The tenant's part of what tenants 1 … n have used since. */
static double sim_share(const Sim *s, const Marks *since, uint32_t id, uint32_t n) {
        double all = 0;

        for (uint32_t i = 1; i <= n; i++)
                all += sim_use(s, i) - since->use[i];
        return (sim_use(s, id) - since->use[id]) / all;
}

/* (Jain, Chiu, Hawe 1984) */
static double sim_jain(const Sim *s, const Marks *since, uint32_t n) {
        double sum = 0, squares = 0;

        for (uint32_t i = 1; i <= n; i++) {
                double x = sim_use(s, i) - since->use[i];

                sum += x;
                squares += x * x;
        }
        return sum * sum / (n * squares);
}

static void sim_open(Sim *s, uint64_t slots) {
        s->w.host.max_jobs = slots;
        host(&s->w);
        open_world(&s->w);
}

static uint64_t tag_of(const World *w, uint32_t id) {
        return tq_scheduler_tenant(w->s, id)->tag;
}

/* Shares -------------------------------------------------------------------------------------- */

#define BACKLOG 40 /* more than there are slots: nobody runs out of jobs when many end at once */

/* Two tenants with backlogs, of which the first wants so much. Ten jobs of the second one fit a
 * window; in a window it may be ahead by the jobs that it has under way. */
static const struct {
        const char *limits[2];
        uint64_t length[2], spread_percent, slots;
        double want, window;
} share_rows[] = {
        { { "weight=100", "weight=100" }, { 2, 200 }, 0, 4, 0.5, 0.03 },
        { { "weight=100", "weight=300" }, { 2, 200 }, 0, 4, 0.25, 0.03 },
        { { "weight=300", "weight=100" }, { 2, 200 }, 0, 4, 0.75, 0.03 },
        { { "weight=100", "weight=300" }, { 200, 2 }, 0, 4, 0.25, 0.03 },
        { { "weight=1", "weight=10000" }, { 10, 10 }, 0, 4, 1 / 10001.0, 0.001 },
        { { "weight=100", "weight=100" }, { 2, 200 }, 0, 1, 0.5, 0.001 },
        { { "weight=100", "weight=100" }, { 2, 200 }, 0, 5, 0.5, 0.03 },
        { { "weight=100", "weight=100" }, { 2, 200 }, 0, 16, 0.5, 0.06 },
        { { "weight=100", "weight=300" }, { 2, 200 }, 50, 4, 0.25, 0.06 },
        { { "weight=100", "weight=100" }, { 2, 200 }, 100, 4, 0.5, 0.09 },
        { { "weight=200", "weight=100" }, { 1, 1 }, 100, 3, 2 / 3.0, 0.06 },
};

START_TEST(shares) {
        uint64_t longer = TQ_MAX(share_rows[_i].length[0], share_rows[_i].length[1]) * SEC;
        SIM *s = sim_new();
        Marks start;

        sim_open(s, share_rows[_i].slots);
        for (uint32_t id = 1; id <= 2; id++) {
                SimTenant *t = &s->tenants[id];
                char text[64];

                (void)snprintf(text, sizeof(text), "concurrency=max %s",
                               share_rows[_i].limits[id - 1]);
                tenant(&s->w, id, text);
                t->length_usec = share_rows[_i].length[id - 1] * SEC;
                t->spread_usec = t->length_usec * share_rows[_i].spread_percent / 100;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 10 * longer);
        start = sim_marks(s);
        for (int i = 0; i < 40; i++) {
                Marks m = sim_marks(s);

                sim_run(s, 10 * longer);
                ck_assert_double_eq_tol(sim_share(s, &m, 1, 2), share_rows[_i].want,
                                        share_rows[_i].window);
        }
        ck_assert_double_eq_tol(sim_share(s, &start, 1, 2), share_rows[_i].want, 0.003);
}
END_TEST

/* A hundred of equal weight whose jobs last from one second to ten minutes. */
static const char *const crowds[] = { "concurrency=max", "", "concurrency=2", "weight=7" };

START_TEST(crowd) {
        static const uint64_t lengths[] = { 1, 3, 10, 30, 100, 300 };
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 16);
        for (uint32_t id = 1; id <= 100; id++) {
                tenant(&s->w, id, crowds[_i]);
                s->tenants[id].length_usec = lengths[id % TQ_ELEMENTSOF(lengths)] * SEC;
                s->tenants[id].spread_usec = s->tenants[id].length_usec;
                sim_backlog(s, id, 3);
        }
        sim_run(s, 1000 * SEC);
        m = sim_marks(s);
        sim_run(s, 60000 * SEC);
        ck_assert_double_ge(sim_jain(s, &m, 100), 0.99);
        for (uint32_t id = 1; id <= 100; id++)
                ck_assert_double_eq_tol(sim_share(s, &m, id, 100), 0.01, 0.001);
}
END_TEST

/* A tenant that runs one job at a time leaves the competition with each start and comes back with
 * each end: that neither costs nor gains anything. */
static const struct {
        const char *limits[3];
        uint64_t length[3], slots;
        double want[3];
} one_by_one_rows[] = {
        { { "", "" }, { 2, 200 }, 1, { 0.5, 0.5 } },
        { { "", "concurrency=max" }, { 2, 200 }, 1, { 0.5, 0.5 } },
        { { "concurrency=max", "" }, { 2, 200 }, 1, { 0.5, 0.5 } },
        { { "", "", "concurrency=max" }, { 2, 50, 10 }, 2, { 1 / 3.0, 1 / 3.0, 1 / 3.0 } },
        { { "weight=300", "" }, { 2, 200 }, 1, { 0.75, 0.25 } },
        { { "", "", "" }, { 1000, 1, 1 }, 2, { 1 / 3.0, 1 / 3.0, 1 / 3.0 } },
        { { "concurrency=2", "" }, { 300, 3 }, 2, { 0.5, 0.5 } },
        { { "concurrency=2", "weight=300" }, { 300, 1 }, 2, { 0.5, 0.5 } },
        { { "concurrency=4", "concurrency=3" }, { 300, 3 }, 4, { 0.5, 0.5 } },
        { { "concurrency=2", "concurrency=2" }, { 300, 3 }, 3, { 0.5, 0.5 } },
        { { "concurrency=2", "concurrency=2", "concurrency=2" },
          { 300, 30, 3 },
          5,
          { 1 / 3.0, 1 / 3.0, 1 / 3.0 } },
};

START_TEST(one_by_one) {
        uint32_t n = one_by_one_rows[_i].limits[2] ? 3 : 2;
        SIM *s = sim_new();
        Marks m;

        sim_open(s, one_by_one_rows[_i].slots);
        for (uint32_t id = 1; id <= n; id++) {
                tenant(&s->w, id, one_by_one_rows[_i].limits[id - 1]);
                s->tenants[id].length_usec = one_by_one_rows[_i].length[id - 1] * SEC;
                sim_backlog(s, id, 5);
        }
        sim_run(s, 2000 * SEC);
        m = sim_marks(s);
        sim_run(s, 100000 * SEC);
        for (uint32_t id = 1; id <= n; id++)
                ck_assert_double_eq_tol(sim_share(s, &m, id, n), one_by_one_rows[_i].want[id - 1],
                                        0.015);
}
END_TEST

/* What each should have of the slots: in proportion to the weights, but to nobody more than its
 * limit, and what that leaves again by weight (max-min fairness). */
static void fill_by_weight(const double *weight, const double *limit, uint32_t n, double slots,
                           double *ret) {
        bool is_full[SIM_TENANTS] = {};
        double left = slots, weights;

        for (bool again = true; again;) {
                weights = 0;
                again = false;
                for (uint32_t i = 0; i < n; i++)
                        weights += is_full[i] ? 0 : weight[i];
                for (uint32_t i = 0; i < n && !again; i++)
                        if (!is_full[i] && left * weight[i] / weights >= limit[i]) {
                                is_full[i] = again = true;
                                ret[i] = limit[i];
                                left -= limit[i];
                        }
        }
        for (uint32_t i = 0; i < n; i++)
                if (!is_full[i])
                        ret[i] = left * weight[i] / weights;
}

#define WORLDS 32

/* Any weights, any limits of their own, any lengths: over a day each gets what it should. */
START_TEST(any_world) {
        static const uint64_t lengths[] = { 1, 3, 10, 30, 100, 300, 1000 };
        static const unsigned weights[] = { 50, 100, 100, 200, 400 };
        uint64_t random = 0x9E3779B97F4A7C15 * (uint64_t)(_i + 1);
        uint64_t slots = 1 + unit_random(&random) % 8;
        uint32_t n = 2 + (uint32_t)(unit_random(&random) % 5);
        double weight[8], limit[8], want[8], all = 0;
        SIM *s = sim_new();
        Marks m;

        sim_open(s, slots);
        for (uint32_t i = 0; i < n; i++) {
                unsigned w = weights[unit_random(&random) % TQ_ELEMENTSOF(weights)];
                uint64_t most = 1 + unit_random(&random) % (slots + 1);
                char text[64];

                weight[i] = w;
                limit[i] = (double)TQ_MIN(most, slots);
                (void)snprintf(text, sizeof(text), "weight=%u concurrency=%ju", w, (uintmax_t)most);
                tenant(&s->w, i + 1, text);
                s->tenants[i + 1].length_usec =
                        lengths[unit_random(&random) % TQ_ELEMENTSOF(lengths)] * SEC;
                s->tenants[i + 1].spread_usec = s->tenants[i + 1].length_usec / 2 + 1;
                sim_backlog(s, i + 1, 12);
        }
        fill_by_weight(weight, limit, n, (double)slots, want);
        for (uint32_t i = 0; i < n; i++)
                all += want[i];
        sim_run(s, 5000 * SEC);
        m = sim_marks(s);
        sim_run(s, 100000 * SEC);
        for (uint32_t i = 0; i < n; i++)
                ck_assert_double_eq_tol(sim_share(s, &m, i + 1, n), want[i] / all, 0.02);
}
END_TEST

/* Pools stay while a tenant is in them: when there is no place for more, a reload changes nothing,
 * not even what was charged. */
START_TEST(no_place_for_pools) {
        WORLD w = world_new();
        uint64_t tag;
        char name[16];

        w.host.max_jobs = 1000;
        for (uint32_t round = 0; round < 3; round++) {
                w.host.n_pools = 0;
                for (uint32_t i = 0; i < TQ_POOLS_MAX - 1; i++) {
                        (void)snprintf(name, sizeof(name), "p%u-%u", round, i);
                        pool(&w, name, "1");
                }
                if (round == 2)
                        break;
                host(&w);
                for (uint32_t i = 0; i < TQ_POOLS_MAX - 1; i++)
                        tenant_with(&w, 1 + round * 100 + i, "", w.host.pools[i].name, NULL, 0);
        }
        open_world(&w);
        submit(&w, 101, 1);
        ck_assert_int_eq(say(&w, TQ_EVENT_SPAWNED, 1), 0);
        w.now += 100 * SEC;
        tag = tag_of(&w, 101);
        w.host.max_jobs = 2000;
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_HOST, .host = &w.host }), -ENOSPC);
        ck_assert_uint_eq(tag_of(&w, 101), tag);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->slots, 1000 - (TQ_POOLS_MAX - 1));
        /* The places of pools that nobody is in are taken again. */
        for (uint32_t i = 0; i < TQ_POOLS_MAX - 1; i++)
                tenant(&w, 1 + i, "");
        host(&w);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->slots, 2000 - (TQ_POOLS_MAX - 1));
}
END_TEST

/* The first tenant hands in some long jobs, waits until all have ended, and does so again: while
 * it has none waiting its debt stays. The others keep short ones waiting. */
static const struct {
        uint64_t slots, jobs, others;
        const char *limits; /* of the others */
        double want;
} loop_rows[] = {
        { 1, 1, 1, "", 0.5 },
        { 2, 2, 1, "", 0.5 },
        { 2, 2, 2, "", 1 / 3.0 },
        { 4, 4, 4, "", 0.2 },
        { 4, 4, 2, "concurrency=2", 1 / 3.0 },
        { 4, 4, 2, "concurrency=max", 1 / 3.0 },
};

START_TEST(submits_and_waits) {
        uint32_t n = 1 + (uint32_t)loop_rows[_i].others;
        SIM *s = sim_new();
        Marks m;

        sim_open(s, loop_rows[_i].slots);
        for (uint32_t id = 1; id <= n; id++) {
                tenant(&s->w, id, id == 1 ? "concurrency=max" : loop_rows[_i].limits);
                s->tenants[id].length_usec = (id == 1 ? 200 : 2) * SEC;
                if (id > 1)
                        sim_backlog(s, id, 5);
        }
        m = sim_marks(s);
        for (int seconds = 0; seconds < 100000; seconds++) {
                const TqTenant *t = tq_scheduler_tenant(s->w.s, 1);

                for (uint64_t i = 0; t->running + t->waiting.jobs == 0 || i > 0; i++) {
                        if (i == loop_rows[_i].jobs)
                                break;
                        sim_submit(s, 1);
                }
                sim_run(s, SEC);
        }
        ck_assert_double_eq_tol(sim_share(s, &m, 1, n), loop_rows[_i].want, 0.03);
}
END_TEST

/* A tenant with a job that sleeps is not idle, and has saved up nothing for all that. */
START_TEST(sleeper_saves_nothing) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=3");
        s->tenants[1].length_usec = 200000 * SEC;
        sim_submit(s, 1);
        s->tenants[2].length_usec = 10 * SEC;
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 43201 * SEC);
        s->tenants[1].length_usec = 10 * SEC;
        sim_backlog(s, 1, BACKLOG);
        m = sim_marks(s);
        sim_run(s, 200 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.06);
        m = sim_marks(s);
        sim_run(s, 2000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.01);
}
END_TEST

/* However many one tenant has waiting, another's first job starts when the next slot is free. */
START_TEST(flood) {
        const uint64_t slots = 8, length = 100 * SEC;
        SIM *s = sim_new();

        sim_open(s, slots);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        s->tenants[1].length_usec = length;
        s->tenants[2].length_usec = length;
        for (int i = 0; i < 100000; i++)
                sim_submit(s, 1);
        sim_run(s, 1000 * length + length / 2);
        ck_assert_uint_eq(s->tenants[1].running, slots);
        sim_submit(s, 2);
        sim_run(s, length);
        ck_assert_uint_eq(s->tenants[2].started, 1);
        ck_assert_uint_le(s->tenants[2].worst_wait, length);
        ck_assert_uint_eq(s->tenants[1].running, slots - 1);
}
END_TEST

/* Who was idle has saved nothing: it gets its share from now on, at once, and no more. */
START_TEST(idle_returns) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        for (uint32_t id = 1; id <= 2; id++) {
                tenant(&s->w, id, "concurrency=max");
                s->tenants[id].length_usec = 4 * SEC;
                s->tenants[id].spread_usec = SEC;
        }
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 100 * SEC);
        s->tenants[2].backlog = 0;
        sim_backlog(s, 1, BACKLOG);
        sim_run(s, 100000 * SEC); /* a day alone */
        ck_assert_uint_eq(s->tenants[2].running, 0);
        m = sim_marks(s);
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 60 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.07);
        ck_assert_uint_le(s->tenants[2].most_running, 4);
        m = sim_marks(s);
        sim_run(s, 1000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.01);
}
END_TEST

/* What a job used before others came is not held against its tenant, and what it uses since is:
 * nobody who comes finds the slots paid for in advance. */
START_TEST(long_job_alone) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 3);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        s->tenants[1].length_usec = 40000 * SEC;
        sim_submit(s, 1);
        sim_run(s, 10000 * SEC);
        s->tenants[1].length_usec = s->tenants[2].length_usec = 10 * SEC;
        sim_backlog(s, 1, BACKLOG);
        sim_backlog(s, 2, BACKLOG);
        m = sim_marks(s);
        sim_run(s, 200 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.05);
        m = sim_marks(s);
        sim_run(s, 2000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.01);
}
END_TEST

/* Nor has who did not want more than its own limit lets it have. */
START_TEST(own_limit_saves_nothing) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=1");
        for (uint32_t id = 1; id <= 2; id++) {
                s->tenants[id].length_usec = 4 * SEC;
                s->tenants[id].spread_usec = SEC;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 100 * SEC);
        m = sim_marks(s);
        sim_run(s, 20000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.25, 0.005);
        tenant(&s->w, 2, "concurrency=max");
        m = sim_marks(s);
        sim_run(s, 100 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.5, 0.07);
}
END_TEST

/* With as many CPUs as slots, who sleeps and who burns one CPU hold as many slots; who burns two at
 * once holds half as many. */
static const struct {
        uint64_t cpu_permille, cpus;
        double want;
} burner_rows[] = {
        { 0, 4, 0.5 },    { 1000, 4, 0.5 },     { 500, 4, 0.5 },      { 2000, 4, 1 / 3.0 },
        { 1000, 8, 0.5 }, { 4000, 8, 1 / 3.0 }, { 1000, 2, 1 / 3.0 }, { 8000, TQ_LIMIT_MAX, 0.5 },
};

START_TEST(burner) {
        SIM *s = sim_new();
        Marks m;

        s->w.host.cpus = burner_rows[_i].cpus;
        sim_open(s, 4);
        for (uint32_t id = 1; id <= 2; id++) {
                tenant(&s->w, id, "concurrency=max");
                s->tenants[id].length_usec = 20 * SEC;
                s->tenants[id].spread_usec = 5 * SEC;
                s->tenants[id].cpu_permille = id == 2 ? burner_rows[_i].cpu_permille : 0;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 500 * SEC);
        m = sim_marks(s);
        sim_run(s, 20000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), burner_rows[_i].want, 0.01);
}
END_TEST

/* A new weight counts from now on. */
/* What a job has used so far was charged by what held then: a new weight, more slots or another
 * pool don't price ten hours anew. */
static const struct {
        const char *before, *after;
        uint64_t slots;
        bool moves;
        double want; /* of the tenant that changes, in the hour after it */
} reprice_rows[] = {
        { "concurrency=max", "concurrency=max weight=200", 4, false, 2 / 3.0 },
        { "concurrency=max weight=1", "concurrency=max", 4, false, 0.5 },
        { "concurrency=max weight=200", "concurrency=max", 4, false, 0.5 },
        { "concurrency=max", "concurrency=max", 8, false, 0.5 },
        { "concurrency=max", "concurrency=max", 4, true, 0.5 },
};

START_TEST(nothing_is_priced_anew) {
        SIM *s = sim_new();
        Marks m;

        pool(&s->w, "x", "2");
        sim_open(s, 6);
        tenant_with(&s->w, 1, reprice_rows[_i].before, reprice_rows[_i].moves ? "x" : NULL, NULL,
                    0);
        tenant(&s->w, 2, "concurrency=max");
        s->tenants[1].length_usec = 38000 * SEC;
        s->tenants[2].length_usec = 10 * SEC;
        sim_submit(s, 1);
        sim_submit(s, 1);
        s->tenants[1].length_usec = 10 * SEC;
        sim_settle(s);
        sim_backlog(s, 2, BACKLOG);
        sim_backlog(s, 1, BACKLOG);
        sim_run(s, 36000 * SEC);
        if (reprice_rows[_i].slots != 4) {
                s->w.host.max_jobs = 2 + reprice_rows[_i].slots;
                host(&s->w);
        }
        tenant(&s->w, 1, reprice_rows[_i].after);
        sim_run(s, 10 * SEC);
        m = sim_marks(s);
        sim_run(s, 3600 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 1, 2), reprice_rows[_i].want, 0.03);
}
END_TEST

START_TEST(weight_changes) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        for (uint32_t id = 1; id <= 2; id++) {
                tenant(&s->w, id, "concurrency=max");
                s->tenants[id].length_usec = 5 * SEC;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 5000 * SEC);
        tenant(&s->w, 2, "concurrency=max weight=300");
        m = sim_marks(s);
        sim_run(s, 1000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 2), 0.75, 0.01);
        tenant(&s->w, 1, "concurrency=max weight=900");
        m = sim_marks(s);
        sim_run(s, 1000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 1, 2), 0.75, 0.01);
}
END_TEST

/* Who uses its reservation is far ahead of the others' virtual time; that must not become the time
 * of those that come back. */
START_TEST(reservation_of_another) {
        SIM *s = sim_new();
        Marks m;

        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max reserved=3");
        tenant(&s->w, 2, "concurrency=max");
        tenant(&s->w, 3, "concurrency=1");
        for (uint32_t id = 1; id <= 3; id++) {
                s->tenants[id].length_usec = 10 * SEC;
                s->tenants[id].spread_usec = SEC;
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 1000 * SEC);
        m = sim_marks(s);
        sim_run(s, 10000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 1, 3), 0.75, 0.005);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 3), 0.125, 0.01);
        ck_assert_double_eq_tol(sim_share(s, &m, 3, 3), 0.125, 0.01);
}
END_TEST

/* The same with the lane: short jobs pass others there, whose time it is not. */
START_TEST(lane_of_another) {
        SIM *s = sim_new();
        Marks m;

        s->w.host.lane_slots = 2;
        s->w.host.lane_runtime_usec = 5 * SEC;
        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        tenant(&s->w, 3, "concurrency=1");
        s->tenants[1].length_usec = SEC;
        s->tenants[1].runtime_usec = 2 * SEC;
        s->tenants[2].length_usec = s->tenants[3].length_usec = 10 * SEC;
        sim_backlog(s, 1, BACKLOG);
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 1000 * SEC);
        sim_backlog(s, 3, BACKLOG);
        m = sim_marks(s);
        sim_run(s, 10000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 3), 0.25, 0.02);
        ck_assert_double_eq_tol(sim_share(s, &m, 3, 3), 0.25, 0.02);
}
END_TEST

/* And with memory: small jobs pass big ones. */
START_TEST(memory_of_another) {
        SIM *s = sim_new();
        Marks m;

        s->w.host.memory_bytes = 8 * MIB;
        sim_open(s, 8);
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        tenant(&s->w, 3, "concurrency=1");
        s->tenants[1].length_usec = 3 * SEC;
        s->tenants[1].memory_bytes = MIB / 4;
        for (uint32_t id = 2; id <= 3; id++) {
                s->tenants[id].length_usec = 10 * SEC;
                s->tenants[id].memory_bytes = 6 * MIB;
        }
        sim_backlog(s, 1, BACKLOG);
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 1000 * SEC);
        sim_backlog(s, 3, BACKLOG);
        m = sim_marks(s);
        sim_run(s, 10000 * SEC);
        ck_assert_double_eq_tol(sim_share(s, &m, 2, 3), sim_share(s, &m, 3, 3), 0.01);
        ck_assert_double_ge(sim_share(s, &m, 3, 3), 0.05);
}
END_TEST

/* Debt ---------------------------------------------------------------------------------------- */

/* Who has far more than its share because nobody else was there is not made to pay for all of it.
 */
START_TEST(debt_is_capped) {
        const uint64_t debt = 100 * SEC;
        SIM *s = sim_new();
        Marks m;

        s->w.host.debt_usec = debt;
        sim_open(s, 4);
        tenant(&s->w, 1, "concurrency=max weight=1");
        tenant(&s->w, 2, "concurrency=max weight=10000");
        s->tenants[1].length_usec = s->tenants[2].length_usec = 5 * SEC;
        sim_backlog(s, 1, BACKLOG);
        sim_backlog(s, 2, BACKLOG);
        sim_run(s, 1000 * SEC);
        /* From now on both count the same: what tenant 1's few jobs cost by its weight stays. */
        tenant(&s->w, 1, "concurrency=max");
        tenant(&s->w, 2, "concurrency=max");
        switches(&s->w, 1, NULL, true, false);
        sim_run(s, 10 * SEC);
        switches(&s->w, 1, NULL, false, false);
        sim_settle(s);
        ck_assert_uint_le(tag_of(&s->w, 1),
                          tq_scheduler_pool(s->w.s, 0)->vtime + debt * 1000 +
                                  tq_scheduler_tenant(s->w.s, 1)->largest_advance);
        m = sim_marks(s);
        sim_run(s, 5000 * SEC);
        ck_assert_double_gt(sim_share(s, &m, 1, 2), 0.3);
}
END_TEST

/* A debt without bound is one. */
START_TEST(debt_without_bound) {
        WORLD w = world_new();

        w.host.max_jobs = 1;
        w.host.debt_usec = UINT64_MAX / 4;
        host(&w);
        tenant(&w, 1, "concurrency=max weight=1");
        tenant(&w, 2, "concurrency=max");
        open_world(&w);
        submit(&w, 2, 1);
        submit(&w, 1, 2); /* competes while tenant 2 runs */
        submit(&w, 2, 3);
        w.now += 10 * SEC;
        end(&w, 1, 0);
        w.now += 1000 * SEC;
        end(&w, 2, 0);
        expect(&w, "start 1, finish 1 (exit 0), start 2, finish 2 (exit 0), start 3");
        submit(&w, 1, 4);
        ck_assert_uint_ge(tag_of(&w, 1), 1000 * SEC * 100 * 1000);
}
END_TEST

/* Reservations -------------------------------------------------------------------------------- */

/* The host is full of another's jobs: each end gives a slot to who has one reserved. */
START_TEST(reservation_is_met) {
        WORLD w = world_new();

        w.host.max_jobs = 4;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max reserved=2 weight=1");
        open_world(&w);
        for (uint64_t job = 1; job <= 8; job++)
                submit(&w, 1, job);
        expect(&w, "start 1, start 2, start 3, start 4");
        for (uint64_t job = 11; job <= 15; job++)
                submit(&w, 2, job);
        expect(&w, "");
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 11");
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0), start 12");
        end(&w, 3, 0); /* it has what was reserved: by weight again */
        expect(&w, "finish 3 (exit 0), start 5");
        end(&w, 11, 0);
        expect(&w, "finish 11 (exit 0), start 13");
}
END_TEST

/* What is reserved but not wanted is used by others, and who lacks most is first. */
START_TEST(reservations_in_order) {
        WORLD w = world_new();

        w.host.max_jobs = 10;
        host(&w);
        tenant(&w, 1, "concurrency=max reserved=10%");
        tenant(&w, 2, "concurrency=max reserved=3");
        tenant(&w, 3, "concurrency=max reserved=21%"); /* rounded up: 3 */
        tenant(&w, 4, "concurrency=max");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->reserved, 1);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 3)->reserved, 3);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->reserved, 7);
        open_world(&w);
        for (uint64_t job = 1; job <= 10; job++)
                submit(&w, 4, job);
        expect(&w, "start 1, start 2, start 3, start 4, start 5, start 6, start 7, start 8, "
                   "start 9, start 10");
        for (uint64_t job = 1; job <= 4; job++) {
                submit(&w, 1, 10 + job);
                submit(&w, 2, 20 + job);
        }
        for (uint64_t job = 1; job <= 5; job++)
                end(&w, job, 0);
        expect(&w, "finish 1 (exit 0), start 21, finish 2 (exit 0), start 22, finish 3 (exit 0), "
                   "start 11, finish 4 (exit 0), start 23, finish 5 (exit 0), start 12");
        /* Its own limits hold all the same. */
        tenant(&w, 2, "concurrency=3 reserved=5");
        end(&w, 6, 0);
        w.actions.n = 0;
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 2)->running, 3);
        ck_assert_int_eq(state_of(&w, 24), TQ_JOB_QUEUED);
}
END_TEST

START_TEST(reserved_is_checked) {
        WORLD w = world_new();
        uint64_t left = 0;

        w.host.max_jobs = 10;
        pool(&w, "gpu", "4");
        host(&w);
        tenant(&w, 1, "reserved=4");
        tenant_with(&w, 2, "reserved=50%", "gpu", NULL, 0);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 3, NULL, slots_of("2"), &left), 0);
        ck_assert_uint_eq(left, 2);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 3, "", slots_of("3"), &left), -EDQUOT);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, "shared", slots_of("6"), &left), 0);
        ck_assert_uint_eq(left, 6);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, NULL, slots_of("7"), &left), -EDQUOT);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, "gpu", slots_of("50%"), &left), 0);
        ck_assert_uint_eq(left, 2);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, "gpu", slots_of("51%"), &left),
                         -EDQUOT);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 1, "nowhere", 1, &left), -ENOENT);
        w.host = (TqHostPolicy){};
        tq_policy_init(&w.host);
        host(&w);
        ck_assert_int_eq(tq_scheduler_check_reserved(w.s, 3, NULL, 1000000, &left), 0);
        ck_assert_uint_eq(left, TQ_LIMIT_MAX);
}
END_TEST

/* Lanes --------------------------------------------------------------------------------------- */

static TqEvent bounded(uint32_t id, uint64_t job, uint64_t runtime_sec) {
        TqEvent e = submission(id, job);

        e.j.runtime_usec = runtime_sec * SEC;
        return e;
}

START_TEST(lane) {
        WORLD w = world_new();

        w.host.max_jobs = 4;
        w.host.lane_slots = 2;
        w.host.lane_runtime_usec = 60 * SEC;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max runtime=60s"); /* all of its jobs are short */
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++)
                submit(&w, 1, job);
        must_step(&w, bounded(1, 4, 61));
        expect(&w, "start 1, start 2"); /* the others would be for long ones */
        expect_reasons(&w, 3, "lane");
        expect_reasons(&w, 4, "behind, lane");
        ck_assert_uint_eq(reason_of(&w, 3, TQ_WAIT_LANE).current, 2);
        ck_assert_uint_eq(reason_of(&w, 3, TQ_WAIT_LANE).maximum, 2);
        must_step(&w, bounded(1, 5, 60)); /* passes those before it */
        submit(&w, 2, 6);
        expect(&w, "start 5, start 6");
        expect_reasons(&w, 3, "slots, lane");
        must_step(&w, bounded(1, 7, 1));
        end(&w, 5, 0);
        expect(&w, "finish 5 (exit 0), start 7");
        end(&w, 1, 0); /* a slot for long ones: in the line's order */
        expect(&w, "finish 1 (exit 0), start 3");
        end(&w, 7, 0);
        expect(&w, "finish 7 (exit 0)");
        expect_reasons(&w, 4, "lane");
}
END_TEST

/* Short ones may have every slot. */
START_TEST(lane_is_no_limit_for_short) {
        WORLD w = world_new();

        w.host.max_jobs = 3;
        w.host.lane_slots = slots_of("34%"); /* rounded up: 2 */
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->lane_slots, 2);
        for (uint64_t job = 1; job <= 4; job++)
                must_step(&w, bounded(1, job, 10));
        expect(&w, "start 1, start 2, start 3");
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->running_long, 0);
        expect_reasons(&w, 4, "slots");
}
END_TEST

/* In a queue of long jobs only, each says so, and all of them are counted. */
START_TEST(lane_counts) {
        uint64_t counts[_TQ_WAIT_MAX] = {};
        WORLD w = world_new();

        w.host.max_jobs = 2;
        w.host.lane_slots = 2;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++)
                submit(&w, 1, job);
        expect(&w, "");
        expect_reasons(&w, 1, "lane");
        expect_reasons(&w, 3, "behind, lane");
        tq_scheduler_count(w.s, tq_scheduler_job(w.s, 1)->queue, w.now, counts);
        ck_assert_uint_eq(counts[TQ_WAIT_LANE], 1);
        ck_assert_uint_eq(counts[TQ_WAIT_BEHIND], 2);
}
END_TEST

/* What is short changes on a backlog, and the line keeps its order. */
START_TEST(lane_changes) {
        enum { N = 20000 };
        WORLD w = world_new();

        w.host.max_jobs = 1;
        w.host.lane_slots = 1;
        w.host.lane_runtime_usec = 10 * SEC;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        for (uint64_t job = 1; job <= N; job++)
                must_step(&w, bounded(1, job, 20 + job % 40));
        expect(&w, "");
        w.host.lane_runtime_usec = 40 * SEC;
        host(&w);
        for (uint64_t job = 1; job <= 100; job++) {
                if (20 + job % 40 > 40)
                        continue;
                ck_assert_uint_eq(w.actions.items[w.actions.n - 1].job, job);
                end(&w, job, 0);
        }
        w.host.lane_slots = 0;
        w.host.max_jobs = 2;
        w.actions.n = 0;
        host(&w);
        expect(&w, "start 21");
}
END_TEST

/* Memory -------------------------------------------------------------------------------------- */

static TqEvent sized(uint32_t id, uint64_t job, uint64_t memory) {
        TqEvent e = submission(id, job);

        e.j.memory_bytes = memory;
        return e;
}

START_TEST(memory) {
        WORLD w = world_new();

        w.host.max_jobs = 8;
        w.host.memory_bytes = 10;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max");
        open_world(&w);
        must_step(&w, sized(1, 1, 6));
        must_step(&w, sized(1, 2, 5));
        must_step(&w, sized(1, 3, 1)); /* of the same queue: it stays behind */
        expect(&w, "start 1");
        ck_assert_uint_eq(tq_scheduler_memory_promised(w.s), 6);
        expect_reasons(&w, 2, "memory");
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_MEMORY).current, 5);
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_MEMORY).maximum, 4);
        expect_reasons(&w, 3, "behind");
        must_step(&w, sized(2, 4, 4)); /* another's fits */
        must_step(&w, sized(2, 5, 1));
        must_step(&w, sized(2, 6, 0));
        expect(&w, "start 4");
        expect_reasons(&w, 5, "memory");
        end(&w, 4, 0);
        expect(&w, "finish 4 (exit 0), start 5, start 6");
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 2, start 3");
        w.host.memory_bytes = 1; /* less than runs: nothing ends */
        host(&w);
        must_step(&w, sized(2, 7, 1));
        expect(&w, "");
        expect_reasons(&w, 7, "memory");
        w.host.memory_bytes = TQ_LIMIT_MAX;
        host(&w);
        expect(&w, "start 7");
}
END_TEST

/* After the host's patience memory is left free for who has waited, though others would fit. */
START_TEST(memory_is_kept) {
        WORLD w = world_new();

        w.host.max_jobs = 8;
        w.host.memory_bytes = 10;
        w.host.memory_patience_usec = 5 * SEC;
        host(&w);
        for (uint32_t id = 1; id <= 3; id++)
                tenant(&w, id, "concurrency=max");
        open_world(&w);
        must_step(&w, sized(1, 1, 4));
        must_step(&w, sized(1, 2, 4));
        must_step(&w, sized(2, 3, 9));
        expect(&w, "start 1, start 2");
        w.now += 5 * SEC - 1;
        must_step(&w, sized(3, 4, 1));
        expect(&w, "start 4");
        w.now++;
        must_step(&w, sized(3, 5, 1));
        must_step(&w, sized(3, 6, 0));
        expect(&w, "");
        expect_reasons(&w, 5, "memory-kept");
        ck_assert_uint_eq(reason_of(&w, 5, TQ_WAIT_MEMORY_KEPT).job, 3);
        ck_assert_uint_eq(reason_of(&w, 5, TQ_WAIT_MEMORY_KEPT).tenant, 2);
        expect_reasons(&w, 3, "memory");
        end(&w, 1, 0);
        end(&w, 4, 0);
        expect(&w, "finish 1 (exit 0), finish 4 (exit 0)");
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0), start 3, start 5, start 6");
}
END_TEST

/* Why it is kept may end by itself; then others start in that step. */
static const char *const kept_ends[] = { "pause", "cancel", "hold", "limit", "host" };

START_TEST(memory_is_kept_no_longer) {
        WORLD w = world_new();

        w.host.max_jobs = 8;
        w.host.memory_bytes = 10;
        w.host.memory_patience_usec = 5 * SEC;
        host(&w);
        for (uint32_t id = 1; id <= 3; id++)
                tenant(&w, id, "concurrency=max");
        open_world(&w);
        must_step(&w, sized(3, 1, 8));
        must_step(&w, sized(1, 2, 5));
        tick(&w, 6 * SEC);
        must_step(&w, sized(2, 3, 2));
        expect(&w, "start 1");
        expect_reasons(&w, 3, "memory-kept");
        switch (_i) {
        case 0:
                switches(&w, 1, NULL, true, false);
                break;
        case 1:
                ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 2), 0);
                w.actions.items[0] = w.actions.items[w.actions.n - 1];
                w.actions.n = 1;
                break;
        case 2:
                ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 2), 0);
                break;
        case 3:
                tenant(&w, 1, "concurrency=0");
                break;
        default:
                w.host.memory_bytes = TQ_LIMIT_MAX;
                host(&w);
                ck_assert_int_eq(w.actions.items[0].job, 2);
                w.actions.items[0] = w.actions.items[1];
                w.actions.n--;
        }
        expect(&w, "start 3");
}
END_TEST

/* A big job is not starved by small ones, even if these take every slot that becomes free. */
static const uint64_t small_bytes[] = { MIB / 8, MIB / 2, MIB };

START_TEST(big_is_not_starved) {
        SIM *s = sim_new();

        s->w.host.memory_bytes = 8 * MIB;
        s->w.host.memory_patience_usec = 60 * SEC;
        sim_open(s, 8);
        for (uint32_t id = 1; id <= 3; id++)
                tenant(&s->w, id, "concurrency=max");
        for (uint32_t id = 1; id <= 2; id++) {
                s->tenants[id].length_usec = 10 * SEC;
                s->tenants[id].spread_usec = 10 * SEC;
                s->tenants[id].memory_bytes = small_bytes[_i];
                sim_backlog(s, id, BACKLOG);
        }
        sim_run(s, 500 * SEC);
        s->tenants[3].length_usec = 10 * SEC;
        s->tenants[3].memory_bytes = 7 * MIB + MIB / 2;
        sim_submit(s, 3);
        /* Its turn, its patience, and the longest job that holds what it needs. */
        sim_run(s, (20 + 60 + 20) * SEC);
        ck_assert_uint_eq(s->tenants[3].started, 1);
}
END_TEST

/* A job of another pool than the one that memory is kept for does not wait for nothing. */
START_TEST(memory_and_pools) {
        WORLD w = world_new();

        w.host.max_jobs = 8;
        w.host.memory_bytes = 10;
        w.host.memory_patience_usec = 5 * SEC;
        pool(&w, "p", "4");
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant_with(&w, 2, "concurrency=max", "p", NULL, 0);
        open_world(&w);
        must_step(&w, sized(1, 1, 8));
        must_step(&w, sized(2, 2, 5));
        tick(&w, 6 * SEC);
        must_step(&w, sized(1, 3, 2));
        expect(&w, "start 1");
        expect_reasons(&w, 3, "memory-kept");
        end(&w, 1, 0);
        w.actions.n = 0;
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_STARTING);
        ck_assert_int_eq(state_of(&w, 3), TQ_JOB_STARTING);
}
END_TEST

/* Pools --------------------------------------------------------------------------------------- */

START_TEST(pools_are_apart) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        pool(&w, "gpu", "2");
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant_with(&w, 2, "concurrency=max", "gpu", NULL, 0);
        open_world(&w);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->slots, 4);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 1)->slots, 2);
        ck_assert_ptr_null(tq_scheduler_pool(w.s, 2));
        for (uint64_t job = 1; job <= 5; job++) {
                submit(&w, 1, job);
                submit(&w, 2, 10 + job);
        }
        w.actions.n = 0;
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->running, 4);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 2)->running, 2);
        expect_reasons(&w, 5, "slots");
        ck_assert_uint_eq(reason_of(&w, 5, TQ_WAIT_SLOTS).maximum, 4);
        ck_assert_uint_eq(reason_of(&w, 13, TQ_WAIT_SLOTS).maximum, 2);
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 5");
        end(&w, 2, 0);
        expect(&w, "finish 2 (exit 0)"); /* nothing for the other pool */
        end(&w, 11, 0);
        expect(&w, "finish 11 (exit 0), start 13");
}
END_TEST

/* A tenant takes its running jobs along. */
START_TEST(tenant_moves) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        pool(&w, "gpu", "2");
        host(&w);
        tenant(&w, 1, "concurrency=max reserved=1");
        open_world(&w);
        for (uint64_t job = 1; job <= 6; job++)
                submit(&w, 1, job);
        expect(&w, "start 1, start 2, start 3, start 4");
        tenant_with(&w, 1, "concurrency=max reserved=50%", "gpu", NULL, 0);
        expect(&w, "");
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->running, 0);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->reserved, 0);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 1)->running, 4);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 1)->reserved, 1);
        for (uint64_t job = 1; job <= 2; job++)
                end(&w, job, 0);
        expect(&w, "finish 1 (exit 0), finish 2 (exit 0)");
        end(&w, 3, 0);
        expect(&w, "finish 3 (exit 0), start 5");
        tenant(&w, 1, "concurrency=max");
        expect(&w, "start 6");
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->running, 3);
}
END_TEST

/* Who is in a pool that is configured no longer waits until it is moved. */
START_TEST(pool_goes) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        pool(&w, "gpu", "2");
        host(&w);
        tenant_with(&w, 1, "concurrency=max reserved=50%", "gpu", NULL, 0);
        open_world(&w);
        for (uint64_t job = 1; job <= 3; job++)
                submit(&w, 1, job);
        expect(&w, "start 1, start 2");
        w.host.n_pools = 0;
        host(&w);
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0)");
        expect_reasons(&w, 3, "slots");
        ck_assert_uint_eq(reason_of(&w, 3, TQ_WAIT_SLOTS).maximum, 0);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->reserved, 0);
        tenant(&w, 1, "concurrency=max");
        expect(&w, "start 3");
}
END_TEST

/* Pools without slots and without tenants are pools. */
START_TEST(pools_without_slots) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        pool(&w, "x", "0");
        host(&w);
        pool(&w, "y", "2");
        host(&w);
        host(&w);
        ck_assert_str_eq(tq_scheduler_pool(w.s, 1)->name, "x");
        ck_assert_str_eq(tq_scheduler_pool(w.s, 2)->name, "y");
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 1)->slots, 0);
        ck_assert_uint_eq(tq_scheduler_pool(w.s, 2)->slots, 2);
}
END_TEST

/* However often the pools are others, there is room; and too many at once change nothing. */
START_TEST(pools_come_and_go) {
        WORLD w = world_new();

        w.host.max_jobs = 100;
        open_world(&w);
        for (int i = 0; i < 100; i++) {
                w.host.n_pools = 0;
                for (int k = 0; k < TQ_POOLS_MAX - 1; k++) {
                        char name[16];

                        (void)snprintf(name, sizeof(name), "p%d", (i * 7 + k) % 90);
                        pool(&w, name, "2");
                }
                host(&w);
                tenant_with(&w, 1, "concurrency=max", w.host.pools[i % 15].name, NULL, 0);
                ck_assert_uint_eq(tq_scheduler_pool(w.s, 0)->slots, 70);
                submit(&w, 1, (uint64_t)i + 1);
                ck_assert_int_eq(state_of(&w, (uint64_t)i + 1), TQ_JOB_STARTING);
                end(&w, (uint64_t)i + 1, 0);
        }
}
END_TEST

START_TEST(too_many_pools) {
        char name[16];
        WORLD w = world_new();

        w.host.max_jobs = 100;
        for (int k = 0; k < 31; k++) {
                w.host.n_pools = 0;
                (void)snprintf(name, sizeof(name), "p%d", k);
                pool(&w, name, "1");
                host(&w);
                tenant_with(&w, (uint32_t)k + 1, "concurrency=max", name, NULL, 0);
        }
        w.host.n_pools = 0;
        pool(&w, "p0", "1");
        host(&w);
        (void)strcpy(w.host.pools[0].name, "one-more");
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_HOST, .host = &w.host }), -ENOSPC);
        open_world(&w);
        submit(&w, 1, 1);
        submit(&w, 1, 2);
        expect(&w, "start 1");
        submit(&w, 2, 3);
        expect(&w, "");
}
END_TEST

/* Switches and changes ------------------------------------------------------------------------ */

START_TEST(max_jobs_changes) {
        WORLD w = world_new();

        w.host.max_jobs = 2;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        for (uint64_t job = 1; job <= 9; job++)
                submit(&w, 1, job);
        expect(&w, "start 1, start 2");
        w.host.max_jobs = 4;
        host(&w);
        expect(&w, "start 3, start 4");
        w.host.max_jobs = 1;
        host(&w);
        for (uint64_t job = 1; job <= 3; job++)
                end(&w, job, 0);
        expect(&w, "finish 1 (exit 0), finish 2 (exit 0), finish 3 (exit 0)");
        w.host.max_jobs = 0;
        host(&w);
        end(&w, 4, 0);
        expect(&w, "finish 4 (exit 0)");
        expect_reasons(&w, 5, "slots");
        w.host.max_jobs = TQ_LIMIT_MAX;
        host(&w);
        expect(&w, "start 5, start 6, start 7, start 8, start 9");
}
END_TEST

START_TEST(pauses) {
        static const struct {
                uint32_t tenant;
                const char *queue, *reason;
        } rows[] = { { 0, NULL, "host-paused" },
                     { 1, NULL, "tenant-paused" },
                     { 1, "q", "queue-paused" } };
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        expect(&w, "start 1");
        for (uint64_t i = 0; i < TQ_ELEMENTSOF(rows); i++) {
                switches(&w, rows[i].tenant, rows[i].queue, true, false);
                submit(&w, 1, i + 2); /* it takes jobs */
                end(&w, i + 1, 0);    /* what runs goes on */
                w.actions.n = 0;
                expect_reasons(&w, i + 2, rows[i].reason);
                tick(&w, 1000 * SEC);
                expect(&w, "");
                switches(&w, rows[i].tenant, rows[i].queue, false, false);
                ck_assert_int_eq(state_of(&w, i + 2), TQ_JOB_STARTING);
        }
        switches(&w, 0, NULL, true, true);
        ck_assert(tq_scheduler_host_switches(w.s).is_paused);
        ck_assert(tq_scheduler_host_switches(w.s).is_draining);
        ck_assert_int_eq(step(&w, (TqEvent){ .type = TQ_EVENT_SWITCH, .tenant = 9 }), -ENOENT);
}
END_TEST

/* A queue that is switched stays without jobs; one that is switched back goes. */
START_TEST(pause_of_an_empty_queue) {
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        switches(&w, 1, "etl", true, false);
        ck_assert_ptr_nonnull(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "etl"));
        tenant(&w, 1, "concurrency=max");
        ck_assert(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "etl")->is_paused);
        switches(&w, 1, "etl", false, false);
        ck_assert_ptr_null(tq_scheduler_queue(tq_scheduler_tenant(w.s, 1), "etl"));
        switches(&w, 1, "etl", false, false);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->n_queues, 0);
}
END_TEST

/* Held jobs keep their places, and those behind them do not wait. */
START_TEST(hold) {
        TqEvent e = submission(1, 5);
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        for (uint64_t job = 1; job <= 4; job++)
                submit(&w, 1, job);
        expect(&w, "start 1");
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 1), -EBUSY);
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 1), -EBUSY);
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 2), -EALREADY);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 2), 0);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 2), -EALREADY);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 99), -ENOENT);
        ck_assert_int_eq(state_of(&w, 2), TQ_JOB_HELD);
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.held, 1);
        expect_reasons(&w, 2, "held, tenant-concurrency");
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), start 3");
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 2), 0);
        expect_reasons(&w, 4, "tenant-concurrency, behind");
        end(&w, 3, 0);
        expect(&w, "finish 3 (exit 0), start 2"); /* before 4 */
        e.j.is_held = true;
        must_step(&w, e);
        submit(&w, 1, 6);
        end(&w, 2, 0);
        end(&w, 4, 0);
        expect(&w, "finish 2 (exit 0), start 4, finish 4 (exit 0), start 6");
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 5), 0);
        expect(&w, "finish 5 (cancelled)");
        ck_assert_uint_eq(tq_scheduler_tenant(w.s, 1)->waiting.held, 0);
}
END_TEST

START_TEST(hold_of_a_scheduled_job) {
        TqEvent e = submission(1, 1);
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=max");
        open_world(&w);
        e.j.not_before = w.now + 5 * SEC;
        must_step(&w, e);
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 1), 0);
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_SCHEDULED);
        expect_reasons(&w, 1, "held, start-after");
        tick(&w, 5 * SEC);
        expect(&w, "");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_HELD);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        ck_assert_int_eq(say(&w, TQ_EVENT_RELEASE, 1), 0);
        expect(&w, "start 1");
}
END_TEST

/* Deadlines ----------------------------------------------------------------------------------- */

static TqEvent due_by(uint32_t id, uint64_t job, uint64_t start_by) {
        TqEvent e = submission(id, job);

        e.j.has_start_by = true;
        e.j.start_by = start_by;
        return e;
}

START_TEST(deadline) {
        TqEvent e = submission(1, 3);
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        must_step(&w, due_by(1, 1, w.now + 5 * SEC)); /* starts at once */
        must_step(&w, due_by(1, 2, w.now + 5 * SEC));
        e.j.has_start_by = true;
        e.j.start_by = w.now + 6 * SEC; /* before it may start at all */
        e.j.not_before = w.now + 7 * SEC;
        must_step(&w, e);
        must_step(&w, due_by(1, 4, w.now + 8 * SEC));
        ck_assert_int_eq(say(&w, TQ_EVENT_HOLD, 4), 0);
        expect(&w, "start 1");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 5 * SEC);
        tick(&w, 5 * SEC - 1);
        expect(&w, "");
        tick(&w, 1);
        expect(&w, "finish 2 (deadline)");
        tick(&w, SEC);
        expect(&w, "finish 3 (deadline)");
        tick(&w, 2 * SEC);
        expect(&w, "finish 4 (deadline)");
        ck_assert_int_eq(state_of(&w, 1), TQ_JOB_STARTING); /* what has started is not asked */
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
}
END_TEST

/* Between both its start must lie, and the timer asks for the first, then for the other. */
START_TEST(deadline_after_start) {
        TqEvent e = due_by(1, 2, 0);
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        e.j.not_before = w.now + 2 * SEC;
        e.j.has_start_by = true;
        e.j.start_by = w.now + 4 * SEC;
        must_step(&w, e);
        expect(&w, "start 1");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 2 * SEC);
        tick(&w, 2 * SEC);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + 2 * SEC);
        expect_reasons(&w, 2, "tenant-concurrency");
        tick(&w, 2 * SEC);
        expect(&w, "finish 2 (deadline)");
}
END_TEST

/* A slot that becomes free when the deadline is past, before anybody asked for the time. */
START_TEST(deadline_without_tick) {
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        must_step(&w, due_by(1, 2, w.now + 5 * SEC));
        submit(&w, 1, 3);
        expect(&w, "start 1");
        w.now += 6 * SEC;
        end(&w, 1, 0);
        expect(&w, "finish 1 (exit 0), finish 2 (deadline), start 3");
}
END_TEST

/* Who is put back after a launch that did not come off is asked again. */
START_TEST(deadline_after_requeue) {
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        must_step(&w, due_by(1, 1, w.now + 5 * SEC));
        expect(&w, "start 1");
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), TQ_NEVER);
        ck_assert_int_eq(say(&w, TQ_EVENT_REFUSED, 1), 0);
        ck_assert_uint_eq(tq_scheduler_next_deadline(w.s), w.now + SEC);
        w.now += 5 * SEC;
        tick(&w, 0);
        expect(&w, "finish 1 (deadline)");
}
END_TEST

/* Order --------------------------------------------------------------------------------------- */

/* Scheduled jobs join at the end when they are due; who has waited keeps its place. */
START_TEST(sequence) {
        TqEvent e = submission(1, 2);
        TqEnd never = { .kind = TQ_END_NEVER_STARTED };
        WORLD w = world_new();

        tenant(&w, 1, "concurrency=1");
        open_world(&w);
        submit(&w, 1, 1);
        e.j.not_before = w.now + SEC;
        must_step(&w, e);
        submit(&w, 1, 3);
        tick(&w, SEC);
        submit(&w, 1, 4);
        ck_assert_int_eq(end_with(&w, 1, &never), 0);
        expect(&w, "start 1, requeue 1, start 1"); /* before all that came later */
        ck_assert_int_eq(say(&w, TQ_EVENT_REFUSED, 1), 0);
        expect(&w, "start 3");
        tick(&w, SEC);
        end(&w, 3, 0);
        expect(&w, "finish 3 (exit 0), start 1");
        end(&w, 1, 0);
        end(&w, 2, 0);
        expect(&w, "finish 1 (exit 0), start 2, finish 2 (exit 0), start 4");
}
END_TEST

/* What the simulator compares with. */
static const struct {
        TqPolicy policy;
        const char *want;
} policy_rows[] = {
        { TQ_POLICY_FAIR, "start 1, start 11, start 2, start 12, start 3, start 13" },
        { TQ_POLICY_ROUND_ROBIN, "start 1, start 11, start 2, start 12, start 3, start 13" },
        { TQ_POLICY_FIFO, "start 1, start 2, start 3, start 11, start 12, start 13" },
};

START_TEST(policies) {
        WORLD w = world_new();

        w.host.max_jobs = 6;
        w.host.policy = policy_rows[_i].policy;
        host(&w);
        tenant(&w, 1, "concurrency=max");
        tenant(&w, 2, "concurrency=max");
        for (uint64_t job = 1; job <= 4; job++)
                submit(&w, 1, job);
        for (uint64_t job = 11; job <= 14; job++)
                submit(&w, 2, job);
        ck_assert_int_eq(say(&w, TQ_EVENT_CANCEL, 4), 0);
        w.actions.n = 0;
        open_world(&w);
        expect(&w, policy_rows[_i].want);
}
END_TEST

/* Who comes later is told who is before, and how many. */
START_TEST(share_reason) {
        WORLD w = world_new();

        w.host.max_jobs = 1;
        host(&w);
        for (uint32_t id = 1; id <= 3; id++)
                tenant(&w, id, "concurrency=max");
        open_world(&w);
        submit(&w, 1, 1);
        submit(&w, 1, 2);
        submit(&w, 2, 3);
        submit(&w, 3, 4);
        submit(&w, 3, 5);
        expect(&w, "start 1");
        expect_reasons(&w, 3, "slots"); /* it is the next one */
        expect_reasons(&w, 4, "slots, share");
        expect_reasons(&w, 5, "behind, slots, share");
        expect_reasons(&w, 2, "slots, share");
        ck_assert_uint_eq(reason_of(&w, 4, TQ_WAIT_SHARE).tenant, 2);
        ck_assert_uint_eq(reason_of(&w, 4, TQ_WAIT_SHARE).job, 3);
        ck_assert_uint_eq(reason_of(&w, 4, TQ_WAIT_SHARE).current, 1);
        ck_assert_uint_eq(reason_of(&w, 2, TQ_WAIT_SHARE).current, 2);
        ck_assert_uint_eq(reason_of(&w, 5, TQ_WAIT_BEHIND).current, 1);
}
END_TEST

static void fill_shares(Suite *s) {
        TCase *of_two = unit_case(s, "shares"), *returns = unit_case(s, "returns");
        TCase *debts = unit_case(s, "debt");

        unit_add_rows(of_two, shares, share_rows);
        unit_add_rows(of_two, crowd, crowds);
        unit_add_rows(of_two, one_by_one, one_by_one_rows);
        tcase_add_test(of_two, flood);
        unit_add_rows(of_two, burner, burner_rows);
        tcase_add_test(of_two, weight_changes);
        unit_add_rows(of_two, nothing_is_priced_anew, reprice_rows);
        tcase_add_loop_test(of_two, any_world, 0, WORLDS);
        tcase_add_test(of_two, no_place_for_pools);
        unit_add_rows(returns, submits_and_waits, loop_rows);
        tcase_add_test(returns, sleeper_saves_nothing);
        tcase_add_test(returns, idle_returns);
        tcase_add_test(returns, long_job_alone);
        tcase_add_test(returns, own_limit_saves_nothing);
        tcase_add_test(returns, reservation_of_another);
        tcase_add_test(returns, lane_of_another);
        tcase_add_test(returns, memory_of_another);
        tcase_add_test(debts, debt_is_capped);
        tcase_add_test(debts, debt_without_bound);
}

static void fill_rooms(Suite *s) {
        TCase *reserved = unit_case(s, "reserved"), *lanes = unit_case(s, "lanes");
        TCase *memories = unit_case(s, "memory"), *pools = unit_case(s, "pools");

        tcase_add_test(reserved, reservation_is_met);
        tcase_add_test(reserved, reservations_in_order);
        tcase_add_test(reserved, reserved_is_checked);
        tcase_add_test(lanes, lane);
        tcase_add_test(lanes, lane_is_no_limit_for_short);
        tcase_add_test(lanes, lane_counts);
        tcase_add_test(lanes, lane_changes);
        tcase_add_test(memories, memory);
        tcase_add_test(memories, memory_is_kept);
        unit_add_rows(memories, memory_is_kept_no_longer, kept_ends);
        unit_add_rows(memories, big_is_not_starved, small_bytes);
        tcase_add_test(memories, memory_and_pools);
        tcase_add_test(pools, pools_are_apart);
        tcase_add_test(pools, tenant_moves);
        tcase_add_test(pools, pool_goes);
        tcase_add_test(pools, pools_without_slots);
        tcase_add_test(pools, pools_come_and_go);
        tcase_add_test(pools, too_many_pools);
}

static void fill(Suite *s) {
        TCase *changes = unit_case(s, "changes"), *order = unit_case(s, "order");

        fill_shares(s);
        fill_rooms(s);
        tcase_add_test(changes, max_jobs_changes);
        tcase_add_test(changes, pauses);
        tcase_add_test(changes, pause_of_an_empty_queue);
        tcase_add_test(changes, hold);
        tcase_add_test(changes, hold_of_a_scheduled_job);
        tcase_add_test(changes, deadline);
        tcase_add_test(changes, deadline_after_start);
        tcase_add_test(changes, deadline_without_tick);
        tcase_add_test(changes, deadline_after_requeue);
        tcase_add_test(order, sequence);
        unit_add_rows(order, policies, policy_rows);
        tcase_add_test(order, share_reason);
}

int main(void) {
        return unit_main("core/turn", fill);
}
