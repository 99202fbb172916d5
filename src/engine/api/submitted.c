/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/submitted.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/api/explain.h"

typedef struct Submitted {
        Call *call;
        const Tenant *tenant;
        TqKind kind;      /* what it is recorded as; _TQ_KIND_INVALID: as nothing */
        uint64_t about;   /* the job that is handed in again */
        bool has_reasons; /* what it would wait for is asked, too */
        uint64_t job;
        TqRefusal near;
} Submitted;

/* Job (0: refused by a limit, or, without a code, a trial of one that would not be), code,
 * sentence, limit, current, maximum, seconds until it may be tried again (0: not by itself). With a
 * job, code and the rest say what it comes near to. */
typedef struct Reply {
        uint64_t job;
        const char *code, *text, *limit;
        uint64_t current, maximum, retry_after;
        TqTable reasons;
} Reply;

static int append(sd_bus_message *m, const Reply *r) {
        return sd_bus_message_append(m, "tsssttt", r->job, r->code, r->text, r->limit, r->current,
                                     r->maximum, r->retry_after);
}

/* Takes m. */
static int send(sd_bus_message *m, int r) {
        if (r >= 0)
                r = sd_bus_send(NULL, m, NULL);
        (void)sd_bus_message_unref(m);
        return r;
}

static void reply_with(const Call *c, bool has_reasons, const Reply *reply) {
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_return(c->message, &m);

        if (r >= 0)
                r = append(m, reply);
        if (r >= 0 && has_reasons)
                r = tq_control_append_table(m, &reply->reasons);
        r = send(m, r);
        /* Else it would never be answered. */
        if (r < 0)
                (void)call_error(c, TQ_CONTROL_FAILED,
                                 "the answer (job %" PRIu64 ") can't be given: %s", reply->job,
                                 strerror(-r));
}

/* text: room for its sentence. */
static Reply describe(const Tenant *t, uint64_t job, const TqRefusal *refusal, char *text,
                      size_t size) {
        if (refusal->kind == TQ_REFUSAL_NONE)
                return (Reply){ .job = job, .code = "", .text = "", .limit = "" };
        (void)tq_admit_format(refusal, t->name, text, size);
        return (Reply){ .job = job,
                        .code = tq_admit_code(refusal),
                        .text = text,
                        .limit = tq_admit_limit(refusal),
                        .current = tq_admit_number(refusal, refusal->current),
                        .maximum = tq_admit_number(refusal, refusal->maximum),
                        .retry_after = tq_admit_retry_after(refusal) };
}

int submitted_send(sd_bus_message *m, const Tenant *t, uint64_t job, const TqRefusal *refusal) {
        char text[512] = "";
        const Reply r = describe(t, job, refusal, text, sizeof(text));

        return send(m, append(m, &r));
}

static void reply(const Submitted *s, uint64_t job, const TqRefusal *refusal) {
        char text[512] = "";
        const Reply r = describe(s->tenant, job, refusal, text, sizeof(text));

        reply_with(s->call, s->has_reasons, &r);
}

/* A trial that is permitted. */
static void reply_would(const Submitted *s, const TqEvent *would) {
        Reply r = { .code = "", .text = "", .limit = "" };

        if (!s->has_reasons || explain_would(s->call, would, &r.reasons) >= 0)
                reply_with(s->call, s->has_reasons, &r);
        else
                (void)call_error(s->call, TQ_CONTROL_FAILED, "out of memory");
        tq_table_done(&r.reasons);
}

static void on_recorded(void *data, int result) {
        Submitted *s = *(Submitted **)data;
        char why[160];

        if (result >= 0)
                reply(s, s->job, &s->near);
        else if (result != -ECANCELED)
                (void)call_error(s->call, TQ_CONTROL_REFUSED, "nothing was accepted: %s",
                                 commit_explain(s->call->api->commit, why, sizeof(why)));
        (void)call_free(s->call);
        free(s);
}

void submitted_reply_answer(const Call *c, const Tenant *t, const Answer *a, bool has_reasons) {
        char text[1024] = "";
        Reply r;

        if (a->job > 0) {
                (void)snprintf(text, sizeof(text),
                               "the same Key= was handed in before: this is job %" PRIu64 "",
                               a->job);
                r = (Reply){ .job = a->job, .code = "DUPLICATE_KEY", .text = text, .limit = "" };
        } else if (a->refusal.kind != TQ_REFUSAL_NONE)
                r = describe(t, 0, &a->refusal, text, sizeof(text));
        else {
                (void)call_error(c, a->error, "%s", tq_error_format(&a->err, text, sizeof(text)));
                return;
        }
        reply_with(c, has_reasons, &r);
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
                reply_would(s, &a->would);
        else if (a && (a->job == 0 || a->is_known))
                submitted_reply_answer(s->call, s->tenant, a, s->has_reasons);
        else if (a)
                (void)call_error(s->call, TQ_CONTROL_FAILED,
                                 "out of memory: whether it was accepted is not known");
        (void)submitted_free(s);
}

int submitted_check(const Call *c, const Tenant *t) {
        char text[TQ_MESSAGE_TEXT_MAX];

        return !t->is_gone && !t->is_user_gone && !t->is_former
                       ? 0
                       : call_error(c, TQ_CONTROL_REFUSED, "tenant %s: %s", t->name,
                                    settings_fault(c->api->settings, t, text, sizeof(text)));
}

int submitted_take(const Call *c, const Submission *submission, TqKind kind) {
        const Tenant *t = submission->tenant;
        int r = submitted_check(c, t);
        Submitted *s;

        if (r != 0)
                return r;
        s = calloc(1, sizeof(*s));
        if (!s || !(s->call = call_keep(c))) {
                free(s);
                return -ENOMEM;
        }
        s->tenant = t;
        s->kind = kind;
        s->about = c->job;
        s->has_reasons = submission->is_trial && c->job == 0;
        intake_submit(c->api->intake, submission, on_answer, s);
        return 1;
}
