/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/explain.h"
#include "engine/api/sentence.h"
#include "engine/api/verbs.h"
#include "engine/dispatch/daytime.h"

/* Why a job waits, or would wait, were it handed in: a row for each reason. */

/* What is otherwise known of a job that is there. */
static bool say_would(const TqJob *job, const TqReason *r, Sentence *s) {
        const char *text = NULL;

        if (r->wait == TQ_WAIT_NONE)
                text = tq_model_cold(job)->start_by <= tq_clock_boottime_usec()
                               ? "its Deadline= has passed: it would end unrun"
                               : "it would start at once";
        else if (r->wait == TQ_WAIT_AFTER)
                text = "whether the jobs of its After= have ended well is looked up when it is "
                       "handed in";
        if (text)
                (void)snprintf(s->text, sizeof(s->text), "%s", text);
        return text;
}

static int add_reason(const Call *c, TqTable *t, const TqJob *job, const TqReason *r,
                      uint64_t ahead) {
        bool has_position = job->id > 0 && job->state == TQ_JOB_QUEUED;
        Sentence s = { .api = c->api,
                       .scheduler = dispatch_scheduler(c->api->dispatch),
                       .is_admin = c->viewer.is_admin };
        int error;

        if (job->id > 0 || !say_would(job, r, &s))
                sentence_say(job, r, &s);
        error = tq_table_add_row(t);
        if (error < 0)
                return error;
        if (job->id > 0)
                tq_table_set_integer(t, 0, (int64_t)job->id);
        error = tq_table_set_text(t, 1, job->queue->tenant->name);
        if (error >= 0)
                error = tq_table_set_text(t, 2, job->queue->name);
        if (error >= 0)
                error = tq_table_set_text(t, 3, tq_scheduler_state_of(job));
        if (has_position)
                tq_table_set_integer(t, 4, (int64_t)ahead + 1);
        if (error >= 0)
                error = tq_table_set_text(t, 5, tq_reason_to_string(r->wait));
        if (error >= 0)
                error = tq_table_set_text(t, 6, s.text);
        if (tq_reason_waits[r->wait].has_current)
                tq_table_set_integer(t, 7, (int64_t)TQ_MIN(r->current, (uint64_t)INT64_MAX));
        if (tq_reason_waits[r->wait].has_maximum)
                tq_table_set_integer(t, 8, (int64_t)TQ_MIN(r->maximum, (uint64_t)INT64_MAX));
        if (error >= 0)
                error = tq_table_set_text(t, 9, s.blocker[0] ? s.blocker : NULL);
        if (r->until_usec > 0)
                tq_table_set_integer(t, 11, (int64_t)daytime_of(r->until_usec));
        return error < 0 ? error : tq_table_set_text(t, 10, s.change[0] ? s.change : NULL);
}

static int fill(const Call *c, TqTable *table, const TqJob *job) {
        static const char *const columns[] = { "job",      "tenant",  "queue",  "state",
                                               "position", "reason",  "text",   "current",
                                               "maximum",  "blocker", "change", "until_usec" };
        TqReason reasons[_TQ_WAIT_MAX];
        uint64_t ahead = 0;
        size_t n;
        int r;

        r = tq_table_add_columns(table, columns, TQ_ELEMENTSOF(columns));
        n = tq_scheduler_explain(dispatch_scheduler(c->api->dispatch), job,
                                 tq_clock_boottime_usec(), reasons);
        for (size_t i = 0; i < n; i++)
                if (reasons[i].wait == TQ_WAIT_BEHIND)
                        ahead = reasons[i].current;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_reason(c, table, job, &reasons[i], ahead);
        if (r >= 0 && n == 0)
                r = add_reason(c, table, job, &(TqReason){ .wait = TQ_WAIT_NONE }, 0);
        return r;
}

int verb_explain(Call *c) {
        TQ_TABLE_CLEANUP TqTable table = {};
        int r = fill(c, &table, c->live);

        return r < 0 ? r : call_reply_table(c, &table);
}

int explain_would(const Call *c, const TqEvent *submit, TqTable *ret) {
        TqImagined would;

        return tq_scheduler_imagine(dispatch_scheduler(c->api->dispatch), submit,
                                    tq_clock_boottime_usec(), &would)
                       ? fill(c, ret, &would.job)
                       : 0;
}
