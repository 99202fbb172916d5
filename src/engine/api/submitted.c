/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/submitted.h"

#include <inttypes.h>
#include <stdio.h>

/* Answer: job (0: refused by a limit, or, without a code, a trial of one that would not be), code,
 * sentence, limit, current, maximum, seconds until it may be tried again (0: not by itself). With a
 * job, code and the rest say what it comes near to.
 */
static int reply(const Call *c, const Tenant *t, uint64_t job, const TqRefusal *refusal) {
        bool says_something = refusal->kind != TQ_REFUSAL_NONE;
        char text[512] = "";
        int r;

        if (says_something)
                (void)tq_admit_format(refusal, t->name, text, sizeof(text));
        r = sd_bus_reply_method_return(c->message, "tsssttt", job,
                                       says_something ? tq_admit_code(refusal) : "", text,
                                       says_something ? tq_admit_limit(refusal) : "",
                                       tq_admit_number(refusal, refusal->current),
                                       tq_admit_number(refusal, refusal->maximum),
                                       says_something ? tq_admit_retry_after(refusal) : 0);
        return r < 0 ? r : 1;
}

/* It was handed in before. */
static int reply_known(const Call *c, uint64_t job) {
        char text[160];

        (void)snprintf(text, sizeof(text),
                       "the same Key= was handed in before: this is job %" PRIu64 "", job);
        return sd_bus_reply_method_return(c->message, "tsssttt", job, "DUPLICATE_KEY", text, "",
                                          UINT64_C(0), UINT64_C(0), UINT64_C(0));
}

typedef struct Submitted {
        Call *call;
        const Tenant *tenant;
        TqKind kind;    /* what it is recorded as; _TQ_KIND_INVALID: as nothing */
        uint64_t about; /* the job that is handed in again */
        uint64_t job;
        TqRefusal near;
} Submitted;

static void on_recorded(void *data, int result) {
        Submitted *s = *(Submitted **)data;
        char why[160];

        if (result >= 0)
                (void)reply(s->call, s->tenant, s->job, &s->near);
        else if (result != -ECANCELED)
                (void)call_error(s->call, TQ_CONTROL_REFUSED, "nothing was accepted: %s",
                                 commit_explain(s->call->api->commit, why, sizeof(why)));
        (void)call_free(s->call);
        free(s);
}

static int refuse(const Call *c, const Tenant *t, const Answer *a) {
        char text[1024];

        if (a->refusal.kind != TQ_REFUSAL_NONE)
                return reply(c, t, 0, &a->refusal);
        return call_error(c, a->error, "%s", tq_error_format(&a->err, text, sizeof(text)));
}

static Submitted *submitted_free(Submitted *s) {
        if (!s)
                return NULL;
        (void)call_free(s->call);
        free(s);
        return NULL;
}

static void record(const Submitted *s, uint64_t job) {
        char what[64];

        (void)snprintf(what, sizeof(what), "as job %" PRIu64, job);
        (void)call_record(s->call, s->kind, s->tenant->id, s->about, what);
}

static void on_answer(void *data, Answer *a) {
        Submitted *s = data;
        void *then = a && a->job > 0 && !a->is_known
                             ? commit_then(s->call->api->commit, on_recorded, sizeof(s))
                             : NULL;

        if (then && s->kind >= 0)
                record(s, a->job);
        if (then) {
                s->job = a->job;
                s->near = a->refusal;
                *(Submitted **)then = s;
                return;
        }
        if (a && a->is_permitted)
                (void)reply(s->call, s->tenant, 0, &a->refusal);
        else if (a && a->job == 0)
                (void)refuse(s->call, s->tenant, a);
        else if (a && a->is_known)
                (void)reply_known(s->call, a->job);
        (void)submitted_free(s);
}

int submitted_take(const Call *c, const Submission *submission, TqKind kind) {
        char text[TQ_MESSAGE_TEXT_MAX];
        const Tenant *t = submission->tenant;
        Submitted *s;

        if (t->is_gone || t->is_user_gone || t->is_former)
                return call_error(c, TQ_CONTROL_REFUSED, "tenant %s: %s", t->name,
                                  settings_fault(c->api->settings, t, text, sizeof(text)));
        s = calloc(1, sizeof(*s));
        if (!s || !(s->call = call_keep(c))) {
                free(s);
                return -ENOMEM;
        }
        s->tenant = t;
        s->kind = kind;
        s->about = c->job;
        intake_submit(c->api->intake, submission, on_answer, s);
        return 1;
}
