/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "engine/settings/change_private.h"

/* Whether a change may be: its limits against the files, the host and what others have reserved;
 * and whether what runs would lose by it. */

bool change_reserves_anew(const Change *c) {
        return tq_limits_get(&c->after, TQ_KEY_RESERVED, 0) !=
               tq_limits_get(&c->before, TQ_KEY_RESERVED, 0);
}

/* What others of its unit are to have of its pool; 0: it is none. */
static int64_t slots_ahead(const Change *c, int64_t more) {
        const ChangeUnit *u = c->request.unit;

        return u ? u->slots(u->data, c->ts->layers.pool, more) : 0;
}

/* Against the files and the host, as they are now. */
int change_check(Change *c, TqError *err) {
        const TqHello *host = &c->ts->settings->host;
        int r = 0;

        /* Only what is asked for now: what stands so already is lowered, and is no reason to refuse
         * another change. So is what comes back. */
        if (!c->request.is_return)
                r = tq_limits_check_within(&c->asked, &host->ceilings, "[ceilings] in tenantq.conf",
                                           err);
        if (r >= 0)
                r = layers_resolve(&c->ts->layers, host, &c->layers.live, &c->after, err);
        return r < 0 || !change_reserves_anew(c)
                       ? r
                       : settings_check_share(c->ts, &c->after, slots_ahead(c, 0) - c->more_slots,
                                              err);
}

/* What holds of a limit of the queue, or of the tenant itself, without the change and with it. */
static uint64_t held(const Change *c, const char *queue, TqKey key, bool after) {
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        const TqQueueLimit *q;
        int n;

        if (queue[0] == '\0')
                return tq_limits_get(after ? &c->after : &c->before, key, TQ_LIMIT_MAX);
        n = layers_queues(after ? &c->layers : &c->ts->layers, queues);
        q = layers_find_queue(queues, (size_t)TQ_MAX(n, 0), queue);
        return q && q->set >> key & 1 ? tq_policy_queue_get(q, key, TQ_LIMIT_MAX) : TQ_LIMIT_MAX;
}

/* More run than may: those that run go on, and nothing starts until as many have ended. */
static int check_concurrency(const Change *c, const TqTenant *view, const char *queue,
                             TqError *err) {
        const TqQueue *q = queue[0] != '\0' ? tq_scheduler_queue(view, queue) : NULL;
        uint64_t running = queue[0] == '\0' ? view->running : q ? q->running : 0;
        uint64_t may = held(c, queue, TQ_KEY_CONCURRENCY, true);

        if (may >= running || may >= held(c, queue, TQ_KEY_CONCURRENCY, false))
                return 0;
        return tq_error_at(err, -EBUSY, 0, "concurrency",
                           "%" PRIu64 " is less than the %" PRIu64 " of its jobs that run: nothing "
                           "of it starts until %" PRIu64 " of them have ended; --force does it "
                           "nevertheless",
                           may, running, TQ_MIN(running - may + 1, running));
}

/* Who has run for longer already is stopped at once. */
static int check_runtime(const Change *c, const TqTenant *view, TqError *err) {
        uint64_t may = held(c, "", TQ_KEY_RUNTIME, true), now = tq_clock_boottime_usec(), n = 0;
        char text[TQ_VALUE_MAX];

        if (may >= held(c, "", TQ_KEY_RUNTIME, false))
                return 0;
        TQ_LIST_FOREACH(node, &view->active) {
                const TqJob *job = TQ_LIST_ENTRY(node, TqJobCold, active)->job;

                n += job->state == TQ_JOB_RUNNING &&
                     tq_sub_u64(now, job->cold->running_since) > may;
        }
        if (n == 0)
                return 0;
        return tq_error_at(err, -EBUSY, 0, "runtime",
                           "%s is less than what %" PRIu64 " of its jobs have run: they would be "
                           "stopped at once; --force does it nevertheless",
                           tq_limits_format_value(TQ_KEY_RUNTIME, may, text, sizeof(text)), n);
}

int change_check_running(const Change *c, TqError *err) {
        const Settings *s = c->ts->settings;
        const TqTenant *view = tq_scheduler_tenant(s->scheduler, c->ts->tenant->id);
        int r = 0;

        for (size_t i = 0; view && r >= 0 && i < c->n; i++) {
                const Assignment *a = &c->items[i];

                if (a->is_unchanged)
                        continue;
                if (strcmp(a->name, "concurrency") == 0)
                        r = check_concurrency(c, view, a->queue, err);
                else if (strcmp(a->name, "runtime") == 0)
                        r = check_runtime(c, view, err);
        }
        return r;
}

static int64_t slots_of(const Change *c, const TqLimits *limits) {
        return (int64_t)TQ_MIN(tq_scheduler_slots(c->ts->settings->scheduler, c->ts->layers.pool,
                                                  tq_limits_get(limits, TQ_KEY_RESERVED, 0)),
                               (uint64_t)INT32_MAX);
}

int64_t change_wants_slots(const Change *c) {
        TqLimits after;

        /* What is wrong with it is found when it is started. */
        if (layers_resolve(&c->ts->layers, &c->ts->settings->host, &c->layers.live, &after, NULL) <
            0)
                return 0;
        return slots_of(c, &after) - slots_of(c, &c->before);
}

void change_reserve(Change *c) {
        c->more_slots = slots_of(c, &c->after) - slots_of(c, &c->before);
        (void)slots_ahead(c, c->more_slots);
}
