/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "base/buffer.h"
#include "core/scheduler.h"
#include "unit.h"

/* A scheduler and a clock, for the tests of its parts: events in few words, and the actions as one
 * string. Limits are given as the administrator writes them. */

#define SEC UINT64_C(1000000)
#define MIB (UINT64_C(1) << 20)

typedef struct World {
        TqScheduler *s;
        TqActions actions;
        TqHostPolicy host;
        uint64_t now;
} World;

static inline World world_new(void) {
        World w = { .s = tq_scheduler_new(), .now = 100000 * SEC };

        ck_assert_ptr_nonnull(w.s);
        tq_policy_init(&w.host);
        return w;
}

static inline void world_done(World *w) {
        w->s = tq_scheduler_free(w->s);
        tq_scheduler_actions_done(&w->actions);
}

#define WORLD TQ_CLEANUP(world_done) World

static inline int step(World *w, TqEvent event) {
        return tq_scheduler_step(w->s, &event, w->now, &w->actions);
}

static inline void must_step(World *w, TqEvent event) {
        int r = step(w, event);

        unit_must(r == 0, "event %d: %d", (int)event.type, r);
}

static inline void open_world(World *w) {
        must_step(w, (TqEvent){ .type = TQ_EVENT_OPEN });
}

/* Says what stands in w->host. */
static inline void host(World *w) {
        must_step(w, (TqEvent){ .type = TQ_EVENT_HOST, .host = &w->host });
}

static inline uint64_t slots_of(const char *text) {
        uint64_t v = 0;

        ck_assert_int_eq(tq_limits_parse_slots(text, &v), 0);
        return v;
}

static inline void pool(World *w, const char *name, const char *slots) {
        TqPoolPolicy *p = &w->host.pools[w->host.n_pools++];

        *p = (TqPoolPolicy){ .slots = slots_of(slots) };
        (void)snprintf(p->name, sizeof(p->name), "%s", name);
}

/* "key=value key=value" */
static inline TqLimits limits(const char *text) {
        char copy[256], *rest = copy, *word;
        TqLimits l = {};

        (void)snprintf(copy, sizeof(copy), "%s", text);
        while ((word = strsep(&rest, " "))) {
                char *value = strchr(word, '=');
                TqError err = {};

                if (!value)
                        continue;
                *value++ = '\0';
                ck_assert_msg(tq_limits_set(&l, word, value, TQ_SCOPE_TENANT, false, 0, &err) == 0,
                              "%s=%s: %s", word, value, err.text);
        }
        return l;
}

static inline TqQueueLimit queue_limits(const char *name, const char *text) {
        char copy[256], *rest = copy, *word;
        TqQueueLimit q = {};

        (void)snprintf(q.name, sizeof(q.name), "%s", name);
        (void)snprintf(copy, sizeof(copy), "%s", text);
        while ((word = strsep(&rest, " "))) {
                char *value = strchr(word, '=');

                if (!value)
                        continue;
                *value++ = '\0';
                ck_assert_int_eq(tq_policy_queue_set(&q, word, value, 0, NULL), 0);
        }
        return q;
}

static inline void tenant_with(World *w, uint32_t id, const char *text, const char *in_pool,
                               const TqQueueLimit *queues, size_t n_queues) {
        TqLimits l = limits(text);
        char name[16];

        (void)snprintf(name, sizeof(name), "t%u", id);
        must_step(w, (TqEvent){ .type = TQ_EVENT_TENANT,
                                .tenant = id,
                                .t = { .name = name,
                                       .limits = &l,
                                       .queue_limits = queues,
                                       .n_queue_limits = n_queues,
                                       .pool = in_pool,
                                       .enabled = true } });
}

static inline void tenant(World *w, uint32_t id, const char *text) {
        tenant_with(w, id, text, NULL, NULL, 0);
}

static inline TqEvent submission(uint32_t id, uint64_t job) {
        return (TqEvent){
                .type = TQ_EVENT_SUBMIT,
                .tenant = id,
                .job = job,
                .j = { .queue = "q", .runtime_usec = TQ_LIMIT_MAX, .stop_usec = 10 * SEC }
        };
}

static inline void submit(World *w, uint32_t id, uint64_t job) {
        must_step(w, submission(id, job));
}

static inline int say(World *w, TqEventType type, uint64_t job) {
        const TqJob *j = tq_scheduler_job(w->s, job);

        return step(w, (TqEvent){ .type = type, .job = job, .attempt = j ? j->attempt : 1 });
}

static inline int end_with(World *w, uint64_t job, const TqEnd *end) {
        const TqJob *j = tq_scheduler_job(w->s, job);

        return step(w, (TqEvent){ .type = TQ_EVENT_ENDED,
                                  .job = job,
                                  .attempt = j ? j->attempt : 1,
                                  .end = end });
}

static inline void end(World *w, uint64_t job, int code) {
        TqEnd e = { .kind = TQ_END_EXITED, .code = code };

        ck_assert_int_eq(end_with(w, job, &e), 0);
}

static inline void tick(World *w, uint64_t later) {
        w->now += later;
        must_step(w, (TqEvent){ .type = TQ_EVENT_TICK });
}

static inline void switches(World *w, uint32_t id, const char *queue, bool paused, bool draining) {
        must_step(w, (TqEvent){ .type = TQ_EVENT_SWITCH,
                                .tenant = id,
                                .j = { .queue = queue },
                                .switches = { .is_paused = paused, .is_draining = draining } });
}

static inline const char *world_action(TqActionType type) {
        static const char *const words[_TQ_ACTION_MAX] = {
                [TQ_ACTION_START] = "start",   [TQ_ACTION_RUN] = "run",
                [TQ_ACTION_ABORT] = "abort",   [TQ_ACTION_TERM] = "term",
                [TQ_ACTION_KILL] = "kill",     [TQ_ACTION_REQUEUE] = "requeue",
                [TQ_ACTION_SAMPLE] = "sample", [TQ_ACTION_FINISH] = "finish",
                [TQ_ACTION_RETRY] = "retry",
        };

        return words[type];
}

/* Compares what was asked for since the last call: "start 1, run 1, term 3, finish 4 (exit 0)". */
static inline void expect_at(World *w, int line, bool attempts, const char *want) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        for (size_t i = 0; i < w->actions.n; i++) {
                const TqAction *a = &w->actions.items[i];
                char verdict[128];

                tq_buffer_printf(&got, "%s%s %ju", i > 0 ? ", " : "", world_action(a->type),
                                 (uintmax_t)a->job);
                if (attempts)
                        tq_buffer_printf(&got, ".%u", a->attempt);
                if (attempts && a->type == TQ_ACTION_TERM)
                        tq_buffer_printf(&got, " (%s)", tq_verdict_stop_to_string(a->stop));
                if (a->type == TQ_ACTION_FINISH || a->type == TQ_ACTION_RETRY)
                        tq_buffer_printf(&got, " (%s)",
                                         tq_verdict_format(&a->verdict, verdict, sizeof(verdict)));
        }
        ck_assert_msg(strcmp(tq_buffer_string(&got), want) == 0, "line %d: \"%s\", expected \"%s\"",
                      line, got.data, want);
        w->actions.n = 0;
}

#define expect(w, want) expect_at(w, __LINE__, false, want)

static inline TqJobState state_of(const World *w, uint64_t job) {
        const TqJob *j = tq_scheduler_job(w->s, job);

        return j ? j->state : _TQ_JOB_STATE_MAX;
}

static inline uint64_t tag_of(const World *w, uint32_t id) {
        return tq_scheduler_tenant(w->s, id)->tag;
}

/* All reasons in their words: "behind, slots". */
static inline void expect_reasons_at(const World *w, int line, uint64_t job, const char *want) {
        const TqJob *j = tq_scheduler_job(w->s, job);
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TqReason reasons[_TQ_WAIT_MAX];
        size_t n;

        ck_assert_ptr_nonnull(j);
        n = tq_scheduler_explain(w->s, j, w->now, reasons);
        for (size_t i = 0; i < n; i++)
                tq_buffer_printf(&got, "%s%s", i > 0 ? ", " : "",
                                 tq_reason_to_string(reasons[i].wait));
        ck_assert_msg(strcmp(tq_buffer_string(&got), want) == 0, "line %d: \"%s\", expected \"%s\"",
                      line, got.data, want);
        ck_assert_int_eq(tq_scheduler_why(w->s, j, w->now), n > 0 ? reasons[0].wait : TQ_WAIT_NONE);
}

#define expect_reasons(w, job, want) expect_reasons_at(w, __LINE__, job, want)

/* One reason with its numbers; it must be among them. */
static inline TqReason reason_of(const World *w, uint64_t job, TqWait wait) {
        const TqJob *j = tq_scheduler_job(w->s, job);
        TqReason reasons[_TQ_WAIT_MAX];
        size_t n;

        ck_assert_ptr_nonnull(j);
        n = tq_scheduler_explain(w->s, j, w->now, reasons);
        for (size_t i = 0; i < n; i++)
                if (reasons[i].wait == wait)
                        return reasons[i];
        ck_abort_msg("job %ju does not wait for %s", (uintmax_t)job, tq_reason_to_string(wait));
}
