/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/admission.h"

#include <stdio.h>
#include <string.h>

#include "core/queue.h"

/* Whether a job is taken: from what is switched off to what is used up. Nothing here depends on
 * when it is asked but the token buckets, and a refusal changes nothing, not even these. */

static int refuse(TqRefusal *ret, TqRefusal refusal, const char *queue) {
        *ret = refusal;
        (void)snprintf(ret->queue, sizeof(ret->queue), "%s", queue ? queue : "");
        return -EDQUOT;
}

static int refuse_limit(TqRefusal *ret, TqKey key, const char *queue, uint64_t current,
                        uint64_t maximum, uint64_t retry) {
        /* Where nothing is that could go, time does not help. */
        if (current == 0)
                retry = UINT64_MAX;
        return refuse(ret,
                      (TqRefusal){ .kind = TQ_REFUSAL_LIMIT,
                                   .key = key,
                                   .current = current,
                                   .maximum = maximum,
                                   .retry_usec = retry },
                      queue);
}

/* When a place among those that wait will probably be free: when the next of its running jobs
 * ends. */
static uint64_t retry_of(const TqScheduler *s, const TqTenant *t) {
        const TqUse *usual = tq_fair_predict(t->averages, 0);

        if (!usual)
                usual = tq_fair_predict(s->averages, 0);
        return (usual ? usual->slot_usec : 10 * TQ_USEC_PER_SEC) / TQ_MAX(t->running, UINT64_C(1));
}

static int check_switches(const TqScheduler *s, const TqTenant *t, const TqQueue *q,
                          TqRefusal *ret) {
        TqRefusal refusal = { .kind = TQ_REFUSAL_DRAINING, .retry_usec = UINT64_MAX };

        if (s->switches.is_draining) {
                refusal.is_host = true;
                return refuse(ret, refusal, NULL);
        }
        if (t->is_draining)
                return refuse(ret, refusal, NULL);
        return q && q->is_draining ? refuse(ret, refusal, q->name) : 0;
}

static uint64_t count_live_queues(const TqTenant *t) {
        uint64_t n = 0;

        TQ_LIST_FOREACH(node, &t->queues)
        n += TQ_LIST_ENTRY(node, TqQueue, all)->jobs > 0;
        return n;
}

static int check_counts(const TqScheduler *s, const TqTenant *t, const TqQueue *q, const TqEvent *e,
                        uint64_t now, TqRefusal *ret) {
        const TqLimits *l = &t->limits;
        uint64_t depth = tq_limits_get(l, TQ_KEY_QUEUE_DEPTH, TQ_LIMIT_MAX);
        uint64_t scheduled = tq_limits_get(l, TQ_KEY_SCHEDULED_JOBS, TQ_LIMIT_MAX);
        uint64_t bytes = tq_limits_get(l, TQ_KEY_SPOOL_BYTES, TQ_LIMIT_MAX);
        uint64_t retry = retry_of(s, t);

        /* Bounds the walks over a tenant's queues, and the jobs that it runs at once by inventing
         * some. */
        if ((!q || q->jobs == 0) && t->n_queues >= TQ_QUEUES_MAX &&
            count_live_queues(t) >= TQ_QUEUES_MAX)
                return refuse(ret,
                              (TqRefusal){ .kind = TQ_REFUSAL_QUEUES,
                                           .current = TQ_QUEUES_MAX,
                                           .maximum = TQ_QUEUES_MAX,
                                           .retry_usec = retry },
                              NULL);
        if (t->n_conditions + e->j.n_after > TQ_CONDITIONS_MAX)
                return refuse(ret,
                              (TqRefusal){ .kind = TQ_REFUSAL_AFTER,
                                           .current = t->n_conditions,
                                           .maximum = TQ_CONDITIONS_MAX,
                                           .retry_usec = retry },
                              NULL);
        if (q && q->jobs - q->running >= q->depth)
                return refuse_limit(ret, TQ_KEY_QUEUE_DEPTH, q->name, q->jobs - q->running,
                                    q->depth, retry);
        if (t->waiting.jobs >= depth)
                return refuse_limit(ret, TQ_KEY_QUEUE_DEPTH, NULL, t->waiting.jobs, depth, retry);
        if ((e->j.not_before > now || e->j.n_after > 0) && t->waiting.scheduled >= scheduled)
                return refuse_limit(ret, TQ_KEY_SCHEDULED_JOBS, NULL, t->waiting.scheduled,
                                    scheduled, retry);
        if (tq_add_u64(t->waiting.bytes, e->j.spool_bytes) > bytes)
                return refuse_limit(ret, TQ_KEY_SPOOL_BYTES, NULL, t->waiting.bytes, bytes, retry);
        return 0;
}

static int check_rate(const TqBucket *b, const char *queue, uint64_t now, TqRefusal *ret) {
        if (tq_admit_tokens(b, now) > 0)
                return 0;
        return refuse_limit(ret, TQ_KEY_ENQUEUE_RATE, queue, b->rate, b->rate,
                            tq_admit_delay(b, now));
}

int tq_admission_check(const TqScheduler *s, const TqEvent *e, uint64_t now, TqRefusal *ret) {
        const TqTenant *t = tq_map_get(&s->tenants, e->tenant);
        const TqQueue *q = t ? tq_queue_find(t, e->j.queue) : NULL;
        int r;

        if (!t || e->j.is_promised)
                return 0;
        r = check_switches(s, t, q, ret);
        if (r < 0)
                return r;
        if (e->j.memory_bytes > s->policy.memory_bytes)
                return refuse(ret,
                              (TqRefusal){ .kind = TQ_REFUSAL_TOO_BIG,
                                           .current = e->j.memory_bytes,
                                           .maximum = s->policy.memory_bytes,
                                           .retry_usec = UINT64_MAX },
                              NULL);
        r = check_counts(s, t, q, e, now, ret);
        if (r >= 0 && q)
                r = check_rate(&q->rate, q->name, now, ret);
        return r < 0 ? r : check_rate(&t->rate, NULL, now, ret);
}

static bool note(TqRefusal *ret, TqKey key, const char *queue, uint64_t current, uint64_t maximum) {
        *ret = (TqRefusal){ .kind = TQ_REFUSAL_NEAR,
                            .key = key,
                            .current = current,
                            .maximum = maximum,
                            .retry_usec = UINT64_MAX };
        (void)snprintf(ret->queue, sizeof(ret->queue), "%s", queue);
        return true;
}

static bool note_near(TqRefusal *ret, TqKey key, const char *queue, uint64_t current,
                      uint64_t maximum) {
        return tq_admit_is_near(current, maximum) && note(ret, key, queue, current, maximum);
}

/* Of a rate, the tokens that are gone. */
static bool note_rate(TqRefusal *ret, const TqBucket *b, const char *queue, uint64_t now) {
        uint64_t period, n = b->rate == TQ_LIMIT_MAX ? 0 : tq_limits_rate(b->rate, &period);
        uint64_t gone = tq_sub_u64(n, tq_admit_tokens(b, now));

        return tq_admit_is_near(gone, n) &&
               note(ret, TQ_KEY_ENQUEUE_RATE, queue, tq_limits_rate_with(b->rate, gone), b->rate);
}

void tq_admission_take(TqJob *job, uint64_t now, TqRefusal *ret) {
        TqTenant *t = job->queue->tenant;
        TqQueue *q = job->queue;

        tq_admit_take(&t->rate, now);
        tq_admit_take(&q->rate, now);
        if (note_near(ret, TQ_KEY_QUEUE_DEPTH, q->name, q->jobs - q->running, q->depth) ||
            note_near(ret, TQ_KEY_QUEUE_DEPTH, "", t->waiting.jobs,
                      tq_limits_get(&t->limits, TQ_KEY_QUEUE_DEPTH, TQ_LIMIT_MAX)) ||
            note_near(ret, TQ_KEY_SCHEDULED_JOBS, "", t->waiting.scheduled,
                      tq_limits_get(&t->limits, TQ_KEY_SCHEDULED_JOBS, TQ_LIMIT_MAX)) ||
            note_near(ret, TQ_KEY_SPOOL_BYTES, "", t->waiting.bytes,
                      tq_limits_get(&t->limits, TQ_KEY_SPOOL_BYTES, TQ_LIMIT_MAX)) ||
            note_rate(ret, &q->rate, q->name, now))
                return;
        (void)note_rate(ret, &t->rate, "", now);
}
