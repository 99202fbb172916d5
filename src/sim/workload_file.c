/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "conf/policyfile.h"
#include "conf/reader.h"
#include "core/ids.h"
#include "sim/workload.h"

/* The simulator's own files. A tenant's section holds its limits, by the names of limits, and what
 * it submits: `jobs` jobs in bursts that come as a Poisson process, each as long as is drawn from a
 * distribution. What is drawn depends on the seed and on the tenant's place in the file only. */

typedef enum Shape { FIXED, UNIFORM, EXPONENTIAL, LOGNORMAL, PARETO } Shape;

typedef struct Source {
        uint32_t tenant;
        uint64_t jobs, burst;
        uint64_t rate; /* TQ_TYPE_RATE of bursts; TQ_LIMIT_MAX: all at once */
        uint64_t start_usec;
        Shape shape;
        double a_usec, b; /* of the shape */
        uint64_t cores;   /* millionths */
        uint64_t memory_bytes, bound_usec;
        uint32_t queue;
        int priority;
        uint64_t name;
} Source;

typedef struct Parser {
        TqWorkload *w;
        bool may_submit;
        Source *sources;
        size_t n_sources, allocated_sources;
        TqSimTenant *tenant; /* of the section */
        TqQueueLimit *queue;
        Source *source;
} Parser;

/* What is drawn ------------------------------------------------------------------------------- */

/* xorshift64* (Vigna, 2016), in (0, 1]. */
static double draw(uint64_t *state) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return (double)((*state * UINT64_C(0x2545F4914F6CDD1D) >> 11) + 1) / 9007199254740992.0;
}

static double draw_exponential(uint64_t *state, double mean) {
        return -log(draw(state)) * mean;
}

/* Box and Muller, 1958. */
static double draw_normal(uint64_t *state) {
        double r = sqrt(-2.0 * log(draw(state)));

        return r * cos(6.283185307179586 * draw(state));
}

static double draw_length(uint64_t *state, const Source *s) {
        switch (s->shape) {
        case UNIFORM:
                return s->a_usec + draw(state) * (s->b - s->a_usec);
        case EXPONENTIAL:
                return draw_exponential(state, s->a_usec);
        case LOGNORMAL:
                return s->a_usec * exp(s->b * draw_normal(state));
        case PARETO:
                return s->a_usec / pow(draw(state), 1.0 / s->b);
        default:
                return s->a_usec;
        }
}

#define LENGTH_MAX 1e15 /* usec: thirty years */

static int submit(TqWorkload *w, const Source *s, uint64_t *state) {
        uint64_t period = 0, n = s->rate == TQ_LIMIT_MAX ? 0 : tq_limits_rate(s->rate, &period);
        double at = (double)s->start_usec;

        for (uint64_t i = 0; i < s->jobs; i++) {
                double drawn = draw_length(state, s),
                       length = TQ_MIN(TQ_MAX(drawn, 1.0), LENGTH_MAX);
                TqSimJob job = {
                        .run_usec = (uint64_t)length,
                        .bound_usec = s->bound_usec,
                        .memory_bytes = s->memory_bytes,
                        .name = s->name,
                        .tenant = s->tenant,
                        .queue = s->queue,
                        .priority = s->priority,
                };
                int r;

                if (i > 0 && i % s->burst == 0 && n > 0)
                        at += draw_exponential(state, (double)period / (double)n);
                job.submit_usec = (uint64_t)TQ_MIN(at, LENGTH_MAX);
                job.cpu_usec = (uint64_t)TQ_MIN(length * (double)s->cores / 1e6, 9e18);
                r = tq_workload_add(w, &job);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Keys ---------------------------------------------------------------------------------------- */

static int bad(TqError *err, unsigned line, const char *key, const char *expected) {
        return tq_error_at(err, -EBADMSG, line, key, "expected %s", expected);
}

static int set_jobs(Parser *p, const char *v) {
        return tq_parse_u64_in(v, 0, 10000000, &p->source->jobs);
}

static int set_burst(Parser *p, const char *v) {
        return tq_parse_u64_in(v, 1, 10000000, &p->source->burst);
}

static int set_rate(Parser *p, const char *v) {
        TqLimits l = {};
        uint64_t period;

        if (tq_limits_set(&l, "enqueue_rate", v, TQ_SCOPE_TENANT, true, 0, NULL) < 0 ||
            tq_limits_rate(l.value[TQ_KEY_ENQUEUE_RATE], &period) == 0)
                return -EINVAL;
        p->source->rate = l.value[TQ_KEY_ENQUEUE_RATE];
        return 0;
}

static int set_start(Parser *p, const char *v) {
        return tq_parse_span(v, &p->source->start_usec);
}

static const struct {
        const char *word;
        Shape shape;
        size_t arguments;
} shapes[] = {
        { "fixed", FIXED, 1 },         { "uniform", UNIFORM, 2 }, { "exponential", EXPONENTIAL, 1 },
        { "lognormal", LOGNORMAL, 2 }, { "pareto", PARETO, 2 },
};

static int set_shape(Source *s, char **words, size_t n) {
        uint64_t a, b = 0;

        for (size_t i = 0; i < TQ_ELEMENTSOF(shapes); i++) {
                bool is_span = shapes[i].shape == UNIFORM;

                if (strcmp(shapes[i].word, words[0]) != 0)
                        continue;
                if (n != 1 + shapes[i].arguments || tq_parse_span(words[1], &a) < 0 || a == 0 ||
                    (n > 2 && (is_span ? tq_parse_span(words[2], &b)
                                       : tq_parse_decimal(words[2], 6, &b)) < 0) ||
                    (n > 2 && b == 0))
                        return -EINVAL;
                s->shape = shapes[i].shape;
                s->a_usec = (double)a;
                s->b = is_span ? (double)b : (double)b / 1e6;
                return 0;
        }
        return -EINVAL;
}

static int set_length(Parser *p, const char *v) {
        TQ_FREE char **words = NULL;
        uint64_t span;
        size_t n;
        int r;

        if (tq_parse_span(v, &span) >= 0 && span > 0) {
                p->source->shape = FIXED;
                p->source->a_usec = (double)span;
                return 0;
        }
        r = tq_parse_words(v, 3, &words, &n);
        return r < 0 || n == 0 ? -EINVAL : set_shape(p->source, words, n);
}

static int set_cores(Parser *p, const char *v) {
        return tq_parse_decimal(v, 6, &p->source->cores);
}

static int set_job_memory(Parser *p, const char *v) {
        return tq_parse_size(v, 1024, &p->source->memory_bytes);
}

static int set_bound(Parser *p, const char *v) {
        int r = tq_parse_span(v, &p->source->bound_usec);

        return r >= 0 && p->source->bound_usec == 0 ? -EINVAL : r;
}

static int set_job_queue(Parser *p, const char *v) {
        return tq_ids_queue_is_valid(v) ? tq_workload_queue(p->w, v, &p->source->queue) : -EINVAL;
}

static int set_priority(Parser *p, const char *v) {
        int64_t n;

        if (tq_parse_i64_in(v, -100, 100, &n) < 0)
                return -EINVAL;
        p->source->priority = (int)n;
        return 0;
}

static const struct {
        const char *key;
        int (*set)(Parser *p, const char *value);
        const char *expected;
} submission_keys[] = {
        { "jobs", set_jobs, "a number of jobs up to 10000000" },
        { "burst", set_burst, "a number of jobs from 1: so many come at once" },
        { "rate", set_rate, "bursts per time such as 10/s, 100/min or 5/h" },
        { "start", set_start, "a time span such as 10min: when the first burst comes" },
        { "length", set_length,
          "30s, fixed 30s, uniform 1s 60s, exponential 30s (mean), lognormal 30s 1.5 (median, "
          "sigma) or pareto 1s 1.2 (least, alpha); spans in one word" },
        { "cores", set_cores, "a number of cores such as 1 or 0.5" },
        { "job_memory", set_job_memory, "a size such as 512M" },
        { "bound", set_bound, "a time span: RuntimeMaxSec= of the jobs" },
        { "queue", set_job_queue, "a queue's name" },
        { "priority", set_priority, "a whole number from -100 to 100" },
};

static int unknown_key(const Parser *p, const char *key, unsigned line, TqError *err) {
        const char *names[TQ_ELEMENTSOF(submission_keys)], *nearest;
        size_t n = 0;

        for (size_t i = 0; i < TQ_ELEMENTSOF(submission_keys); i++) {
                if (!p->source && strcmp(submission_keys[i].key, key) == 0)
                        return tq_error_at(err, -EBADMSG, line, key,
                                           "belongs into a --workload file: here are limits only");
                names[n++] = submission_keys[i].key;
        }
        nearest = p->source ? tq_parse_nearest(key, names, n) : NULL;
        nearest = nearest ? nearest : tq_limits_nearest(key);
        return tq_error_at(err, -EBADMSG, line, key, "unknown key%s%s%s",
                           nearest ? "; did you mean " : "", nearest ? nearest : "",
                           nearest ? "?" : "");
}

static int set_tenant_key(Parser *p, const char *key, const char *value, unsigned line,
                          TqError *err) {
        for (size_t i = 0; p->source && i < TQ_ELEMENTSOF(submission_keys); i++) {
                int r;

                if (strcmp(submission_keys[i].key, key) != 0)
                        continue;
                r = submission_keys[i].set(p, value);
                return r == -ENOMEM ? r
                       : r < 0      ? bad(err, line, key, submission_keys[i].expected)
                                    : 0;
        }
        if (strcmp(key, "pool") == 0) {
                if (!tq_ids_queue_is_valid(value))
                        return bad(err, line, key, "a pool's name");
                (void)snprintf(p->tenant->pool, sizeof(p->tenant->pool), "%s", value);
                return 0;
        }
        if (tq_limits_find(key) < 0 && !strchr(key, '@'))
                return unknown_key(p, key, line, err);
        return tq_limits_set(&p->tenant->limits, key, value, TQ_SCOPE_TENANT, false, line, err);
}

/* Sections ------------------------------------------------------------------------------------ */

static Source *source_new(Parser *p, uint32_t tenant, const char *name) {
        if (p->n_sources == p->allocated_sources) {
                size_t n = TQ_MAX(p->allocated_sources * 2, (size_t)16);
                Source *bigger = realloc(p->sources, n * sizeof(*bigger));

                if (!bigger)
                        return NULL;
                p->sources = bigger;
                p->allocated_sources = n;
        }
        p->sources[p->n_sources] = (Source){
                .tenant = tenant,
                .burst = 1,
                .rate = TQ_LIMIT_MAX,
                .a_usec = 1e6,
                .cores = 1000000,
                .bound_usec = TQ_LIMIT_MAX,
                .name = tq_scheduler_name(name),
        };
        return &p->sources[p->n_sources++];
}

static int open_tenant(Parser *p, const char *name, unsigned line, TqError *err) {
        uint32_t i;
        int r;

        if (!tq_ids_tenant_is_valid(name))
                return bad(err, line, NULL, "[tenant NAME] with a tenant's name");
        r = tq_workload_tenant(p->w, name, &i);
        if (r < 0)
                return r;
        p->tenant = &p->w->tenants[i];
        p->source = NULL;
        if (!p->may_submit)
                return 0;
        p->source = source_new(p, i, name);
        return p->source ? tq_workload_queue(p->w, TQ_QUEUE_DEFAULT, &p->source->queue) : -ENOMEM;
}

static TqQueueLimit *queue_limit(TqSimTenant *t, const char *queue) {
        TqQueueLimit *bigger;

        for (size_t i = 0; i < t->n_queues; i++)
                if (strcmp(t->queues[i].name, queue) == 0)
                        return &t->queues[i];
        bigger = realloc(t->queues, (t->n_queues + 1) * sizeof(*bigger));
        if (!bigger)
                return NULL;
        t->queues = bigger;
        t->queues[t->n_queues] = (TqQueueLimit){};
        (void)snprintf(t->queues[t->n_queues].name, sizeof(t->queues[0].name), "%s", queue);
        return &t->queues[t->n_queues++];
}

/* "acme/etl" */
static int find_queue(TqWorkload *w, const char *target, unsigned line, TqQueueLimit **ret,
                      TqError *err) {
        char tenant[TQ_TENANT_NAME_MAX + 1];
        const char *slash = strchr(target, '/');
        TqSimTenant *t = NULL;

        if (slash && (size_t)(slash - target) < sizeof(tenant)) {
                (void)snprintf(tenant, sizeof(tenant), "%.*s", (int)(slash - target), target);
                t = tq_workload_find(w, tenant);
        }
        if (!t || !tq_ids_queue_is_valid(slash + 1))
                return tq_error_at(err, -EBADMSG, line, target,
                                   "expected TENANT/QUEUE with a tenant of the workload");
        *ret = queue_limit(t, slash + 1);
        if (*ret && t->n_queues > TQ_QUEUE_LIMITS) {
                t->n_queues--;
                return tq_error_at(err, -EBADMSG, line, target, "more than %d queues",
                                   TQ_QUEUE_LIMITS);
        }
        return *ret ? 0 : -ENOMEM;
}

static int open_section(Parser *p, const char *section, unsigned line, TqError *err) {
        p->tenant = NULL;
        p->source = NULL;
        p->queue = NULL;
        if (strcmp(section, "scheduler") == 0)
                return 0;
        if (strncmp(section, "pool ", 5) == 0)
                return tq_policyfile_open_pool(&p->w->host, section + 5, line, err);
        if (strncmp(section, "queue ", 6) == 0)
                return find_queue(p->w, section + 6, line, &p->queue, err);
        if (strncmp(section, "tenant ", 7) == 0)
                return open_tenant(p, section + 7, line, err);
        return tq_error_at(err, -EBADMSG, line, NULL,
                           "unknown section [%s]; expected [scheduler], [pool NAME], [tenant NAME] "
                           "or [queue TENANT/NAME]",
                           section);
}

static int on_line(void *userdata, const char *section, const char *key, const char *value,
                   unsigned line, TqError *err) {
        Parser *p = userdata;

        if (!key)
                return open_section(p, section, line, err);
        if (p->tenant)
                return set_tenant_key(p, key, value, line, err);
        if (p->queue)
                return tq_policy_queue_set(p->queue, key, value, line, err);
        if (strncmp(section, "pool ", 5) == 0)
                return tq_policyfile_set_pool(&p->w->host, key, value, line, err);
        return tq_policyfile_set(&p->w->host, key, value, line, err);
}

static uint64_t seed_of(uint64_t seed, size_t i) {
        uint64_t x = seed + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);

        x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        return TQ_MAX(x ^ (x >> 27), UINT64_C(1));
}

int tq_workload_parse(TqWorkload *w, const char *data, size_t size, bool may_submit, uint64_t seed,
                      TqError *err) {
        Parser p = { .w = w, .may_submit = may_submit };
        int r;

        r = tq_reader_parse(data, size, on_line, &p, err);
        for (size_t i = 0; r >= 0 && i < p.n_sources; i++) {
                uint64_t state = seed_of(seed, i);

                r = submit(w, &p.sources[i], &state);
        }
        free(p.sources);
        if (r == -ENOMEM)
                return tq_error_errno(err, r, "can't keep the workload");
        if (r >= 0)
                tq_workload_sort(w);
        return r;
}

int tq_workload_set(TqWorkload *w, const char *assignment, TqError *err) {
        const char *equals = strchr(assignment, '='), *dot = NULL;
        char target[128], key[64];
        TqQueueLimit *queue = NULL;
        TqSimTenant *t;
        int r;

        /* The last one before the value: a queue's name may hold dots, a key does not. */
        for (const char *s = assignment; equals && s < equals; s++)
                if (*s == '.')
                        dot = s;
        if (!dot || (size_t)(dot - assignment) >= sizeof(target) ||
            (size_t)(equals - dot) > sizeof(key))
                return tq_error(err, -EBADMSG,
                                "\"%s\": expected TENANT.KEY=VALUE, TENANT/QUEUE.KEY=VALUE or "
                                "host.KEY=VALUE",
                                assignment);
        (void)snprintf(target, sizeof(target), "%.*s", (int)(dot - assignment), assignment);
        (void)snprintf(key, sizeof(key), "%.*s", (int)(equals - dot - 1), dot + 1);
        if (strcmp(target, "host") == 0)
                return tq_policyfile_set(&w->host, key, equals + 1, 0, err);
        if (strchr(target, '/')) {
                r = find_queue(w, target, 0, &queue, err);
                return r < 0 ? r : tq_policy_queue_set(queue, key, equals + 1, 0, err);
        }
        t = tq_workload_find(w, target);
        if (!t)
                return tq_error(err, -EBADMSG, "\"%s\": the workload has no such tenant", target);
        if (strcmp(key, "pool") == 0 && tq_ids_queue_is_valid(equals + 1)) {
                (void)snprintf(t->pool, sizeof(t->pool), "%s", equals + 1);
                return 0;
        }
        return tq_limits_set(&t->limits, key, equals + 1, TQ_SCOPE_TENANT, false, 0, err);
}
