/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/verbs.h"
#include "engine/intake/intake.h"

/* Answer: job (0: refused by a limit), code, sentence, limit, current, maximum, seconds until it
 * may be tried again (0: not by itself). With a job, code and the rest say what it comes near to.
 */
static int reply(const Call *c, uint64_t job, const TqRefusal *refusal) {
        bool says_something = refusal->kind != TQ_REFUSAL_NONE;
        char text[512] = "";
        int r;

        if (says_something)
                (void)tq_admit_format(refusal, c->tenant->name, text, sizeof(text));
        r = sd_bus_reply_method_return(c->message, "tsssttt", job,
                                       says_something ? tq_admit_code(refusal) : "", text,
                                       says_something ? tq_admit_limit(refusal) : "",
                                       tq_admit_number(refusal, refusal->current),
                                       tq_admit_number(refusal, refusal->maximum),
                                       says_something ? tq_admit_retry_after(refusal) : 0);
        return r < 0 ? r : 1;
}

typedef struct Submitted {
        Call *call;
        uint64_t job;
        TqRefusal near;
} Submitted;

static void on_recorded(void *data, int result) {
        Submitted *s = *(Submitted **)data;
        char why[160];

        if (result >= 0)
                (void)reply(s->call, s->job, &s->near);
        else if (result != -ECANCELED)
                (void)call_error(s->call, TQ_CONTROL_REFUSED, "nothing was accepted: %s",
                                 commit_explain(s->call->api->commit, why, sizeof(why)));
        (void)call_free(s->call);
        free(s);
}

static int refuse(const Call *c, const Answer *a) {
        char text[1024];

        if (a->refusal.kind != TQ_REFUSAL_NONE)
                return reply(c, 0, &a->refusal);
        return call_error(c, a->error, "%s", tq_error_format(&a->err, text, sizeof(text)));
}

int verb_submit(Call *c) {
        Submission s = { .tenant = c->tenant, .uid = c->viewer.uid };
        char text[TQ_MESSAGE_TEXT_MAX];
        const Tenant *t = c->tenant;
        Submitted *submitted;
        Answer answer = {};
        const void *bytes;
        void *data;
        int r;

        r = sd_bus_message_read_array(c->message, 'y', &bytes, &s.size);
        if (r < 0)
                return r;
        s.data = bytes;
        if (t->is_gone || t->is_user_gone || t->is_former)
                return call_error(c, TQ_CONTROL_REFUSED, "tenant %s: %s", t->name,
                                  settings_fault(c->api->settings, t, text, sizeof(text)));
        submitted = calloc(1, sizeof(*submitted));
        if (!submitted || !(submitted->call = call_keep(c))) {
                free(submitted);
                return -ENOMEM;
        }
        r = intake_submit(c->api->intake, &s, &answer);
        data = r >= 0 ? commit_then(c->api->commit, on_recorded, sizeof(submitted)) : NULL;
        if (data) {
                submitted->job = answer.job;
                submitted->near = answer.refusal;
                *(Submitted **)data = submitted;
                return 1;
        }
        (void)call_free(submitted->call);
        free(submitted);
        return r < 0 ? refuse(c, &answer) : -ENOMEM;
}
