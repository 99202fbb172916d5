/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/intake.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "conf/jobfile.h"
#include "engine/intake/keys.h"

/* Parsing happens here, in the process that can do nothing else. What was parsed is taken (take.c);
 * a refusal that is for now may wait at the door (door.c). */

#define KEY_OF(uid) ((uint64_t)(uid) + 1) /* root is a user too */

struct Intake {
        Takes *takes;
        Keys *keys;
        TqLink *link;
        Commit *commit;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        Door *door;
        TqMap barred; /* KEY_OF(user) → uint64_t: until when, CLOCK_BOOTTIME */
};

/* A job that was parsed and may be taken. 0; -EBADMSG: refused. */
static int admit(Intake *in, const Submission *s, TqJobSpec *spec, Answer *ret) {
        char text[512];

        if (s->claim > 0 && door_must_wait(in->door, s->tenant, &ret->claim, &ret->refusal)) {
                ret->is_behind = true;
                (void)tq_error(&ret->err, -EDQUOT, "%s",
                               tq_admit_format(&ret->refusal, s->tenant->name, text, sizeof(text)));
                return take_refuse(ret, TQ_CONTROL_LIMIT);
        }
        return take_job(in->takes, s, spec, ret);
}

/* Should it be what ends us. */
static TqCrumb work_on(const Intake *in, const Submission *s) {
        return tq_crumb_leave(tq_link_crumb(in->link),
                              (TqCrumb){ .kind = s->claim > 0 ? TQ_CRUMB_CLAIM : TQ_CRUMB_CALLER,
                                         .number = s->claim,
                                         .uid = s->uid });
}

/* Submissions with a Key= ---------------------------------------------------------------------- */

/* One that waits until it is known whether it was handed in before. */
typedef struct Keyed {
        Intake *intake;
        Submission submission;
        TqJobSpec spec;
        char *bytes;
        char key[129];
        IntakeAnswer answer;
        void *data;
} Keyed;

static Keyed *keyed_free(Keyed *k) {
        if (!k)
                return NULL;
        tq_jobspec_done(&k->spec);
        free(k->bytes);
        free(k);
        return NULL;
}

/* What becomes of a key once the turn is committed in which its job was taken. */
typedef struct Taken {
        Intake *intake;
        Keyed *keyed;
        uint64_t job;
} Taken;

static void on_taken(void *data, int result) {
        const Taken *t = data;
        Keyed *k = t->keyed;

        keys_settle(t->intake->keys, k->submission.tenant->id, k->key, result < 0 ? 0 : t->job);
        (void)keyed_free(k);
}

static void know(Keyed *k, uint64_t job, int error) {
        Intake *in = k->intake;
        Answer a = { .job = job, .is_known = true };
        Taken *t;

        if (error == -ECANCELED) {
                k->answer(k->data, NULL);
                (void)keyed_free(k);
                return;
        }
        if (error < 0) {
                (void)tq_error_errno(&a.err, error, "the ledger can't be read");
                (void)take_fail(&a, error);
                a.job = 0;
        }
        if (job > 0 || error < 0) {
                k->answer(k->data, &a);
                (void)keyed_free(k);
                return;
        }
        a = (Answer){};
        take_describe(&k->submission, &k->spec, &a.claim);
        /* What was permitted when it came may not be any more. */
        if (take_check(in->takes, &k->submission, &k->spec, &a) < 0 ||
            admit(in, &k->submission, &k->spec, &a) < 0) {
                k->answer(k->data, &a);
                keys_settle(in->keys, k->submission.tenant->id, k->key, 0);
                (void)keyed_free(k);
                return;
        }
        k->answer(k->data, &a);
        t = commit_then(in->commit, on_taken, sizeof(*t));
        if (t)
                *t = (Taken){ .intake = in, .keyed = k, .job = a.job };
}

static void on_known(void *data, uint64_t job, int error) {
        Keyed *k = data;
        TqCrumb *crumb = tq_link_crumb(k->intake->link);
        TqCrumb before = work_on(k->intake, &k->submission);

        know(k, job, error);
        tq_crumb_put_back(crumb, before);
}

/* Moves the spec. */
static int ask_for_key(Intake *in, const Submission *s, TqJobSpec *spec, IntakeAnswer answer,
                       void *data) {
        const TqRetention *r = &settings_host(in->settings)->retention;
        Keyed *k = calloc(1, sizeof(*k));

        if (k)
                k->bytes = malloc(s->size + 1);
        if (!k || !k->bytes)
                return keyed_free(k), -ENOMEM;
        memcpy(k->bytes, s->data, s->size);
        (void)snprintf(k->key, sizeof(k->key), "%s", spec->key);
        k->intake = in;
        k->submission = *s;
        k->submission.data = k->bytes;
        k->spec = *spec;
        *spec = (TqJobSpec){};
        k->answer = answer;
        k->data = data;
        if (keys_ask(in->keys, s->tenant->id, k->key,
                     tq_sub_u64(tq_clock_realtime_usec(), r->key_window_usec), on_known, k) >= 0)
                return 0;
        return keyed_free(k), -ENOMEM;
}

static void submit(Intake *in, const Submission *s, IntakeAnswer answer, void *data) {
        TqJobSpec spec;
        Answer a = {};
        int r;

        r = tq_jobfile_parse(s->data, s->size, &spec, NULL, NULL, &a.err);
        if (r < 0) {
                (void)(r == -ENOMEM ? take_fail(&a, r) : take_refuse(&a, TQ_CONTROL_INVALID));
                answer(data, &a);
                return;
        }
        take_describe(s, &spec, &a.claim);
        r = take_check(in->takes, s, &spec, &a);
        if (r >= 0 && spec.key && !s->is_copy && s->again == 0) {
                r = ask_for_key(in, s, &spec, answer, data);
                if (r >= 0)
                        return;
                (void)tq_error_errno(&a.err, r, "can't take the job");
                (void)take_fail(&a, r);
        } else if (r >= 0)
                (void)admit(in, s, &spec, &a);
        answer(data, &a);
        tq_jobspec_done(&spec);
}

/* Who handed in twice what crashed us is not listened to for a while: nobody else would be, either.
 */
static bool is_barred(Intake *in, uid_t uid) {
        const uint64_t *until = tq_map_get(&in->barred, KEY_OF(uid));

        return until && tq_clock_boottime_usec() < *until;
}

int intake_bar(Intake *in, uid_t uid, uint64_t until_usec) {
        uint64_t *until = tq_map_get(&in->barred, KEY_OF(uid));
        int r = 0;

        if (!until) {
                until = malloc(sizeof(*until));
                r = until ? tq_map_put(&in->barred, KEY_OF(uid), until) : -ENOMEM;
        }
        if (r < 0) {
                free(until);
                return r;
        }
        *until = until_usec;
        return 0;
}

void intake_submit(Intake *in, const Submission *s, IntakeAnswer answer, void *data) {
        TqCrumb before;
        Answer a = {};

        if (s->claim == 0 && is_barred(in, s->uid)) {
                (void)tq_error(&a.err, -EAGAIN,
                               "the engine crashed twice while it read what user %u handed in: "
                               "nothing more is taken from it here for some minutes (see "
                               "tenantqctl events)",
                               s->uid);
                (void)take_refuse(&a, TQ_CONTROL_REFUSED);
                answer(data, &a);
                return;
        }
        before = work_on(in, s);
        submit(in, s, answer, data);
        tq_crumb_put_back(tq_link_crumb(in->link), before);
}

/* The spool ----------------------------------------------------------------------------------- */

static void answer_claim(Intake *in, uint64_t claim, TqClaimOutcome outcome, const char *reason) {
        TqMessage m = { .claim_done = { .claim = claim, .outcome = outcome } };

        (void)tq_link_send(in->link, TQ_MESSAGE_CLAIM_DONE, &m, reason, reason ? strlen(reason) : 0,
                           -EBADF);
}

/* An accepted claim: its file may go. */
typedef struct Accepted {
        Intake *intake;
        uint64_t claim;
} Accepted;

static void on_accepted(void *data, int result) {
        const Accepted *a = data;

        if (result >= 0)
                answer_claim(a->intake, a->claim, TQ_CLAIM_ACCEPTED, NULL);
}

static void note_refused(Intake *in, const TqClaimMessage *m, const char *reason) {
        const Tenant *t = tenants_by_handle(in->tenants, m->tenant);
        char name[512], text[1024];

        (void)tq_format_utf8(m->name, name, sizeof(name));
        (void)tq_format_utf8(reason, text, sizeof(text));
        events_add_within(in->events, t ? tenants_budget(in->tenants, t->id) : NULL,
                          m->is_quarantined ? TQ_KIND_QUARANTINE : TQ_KIND_REFUSED, 0, m->uid,
                          "%s: %s", name, text);
}

static void reject(Intake *in, const TqClaimMessage *m, const char *reason) {
        answer_claim(in, m->claim, TQ_CLAIM_REFUSED, reason);
        note_refused(in, m, reason);
}

static void accept(Intake *in, uint64_t claim) {
        Accepted *a = commit_then(in->commit, on_accepted, sizeof(*a));

        commit_sync_claims(in->commit);
        if (a)
                *a = (Accepted){ .intake = in, .claim = claim };
}

/* A claim that is being answered. */
typedef struct Claimed {
        Intake *intake;
        const Tenant *tenant;
        TqClaimMessage message;
} Claimed;

static void on_answer(void *data, Answer *a) {
        TQ_FREE Claimed *c = data;
        Intake *in = c->intake;
        uint64_t claim = c->message.claim;
        char text[1024];

        if (!a)
                return;
        if (a->job > 0)
                accept(in, claim);
        /* Nothing is known to be wrong with it. It stays where it is, for the next engine. */
        else if (a->error == TQ_CONTROL_FAILED) {
                commit_begin_anew(in->commit, a->failure);
                return;
        }
        /* What could not be parsed will not be when there is room. */
        else if (a->claim.claim > 0 &&
                 door_may_wait(in->door, c->tenant, a->is_behind ? NULL : &a->claim, &a->refusal)) {
                door_wait(in->door, c->tenant, &a->claim, &a->refusal);
                return;
        } else
                reject(in, &c->message, tq_error_format(&a->err, text, sizeof(text)));
        door_leave(in->door, c->tenant, claim);
}

static int on_claim(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        const TqClaimMessage *m = &message->claim;
        Intake *in = userdata;
        Submission s = {
                .tenant = tenants_by_handle(in->tenants, m->tenant),
                .uid = m->uid,
                .claim = m->claim,
                .data = blob,
                .size = message->header.blob_size,
        };
        Claimed *c;

        (void)fd;
        if (!s.tenant) {
                reject(in, m, "the tenant is not known");
                return 0;
        }
        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Claimed){ .intake = in, .tenant = s.tenant, .message = *m };
        intake_submit(in, &s, on_answer, c);
        return 0;
}

/* Handed over once already, and perhaps the answer was lost with the process that waited for it.
 * Asked while stock is taken, when the worker does not run yet. */
static int on_kept(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Intake *in = userdata;
        int r;

        (void)blob;
        (void)fd;
        /* What is not known is not new: it would run twice. */
        r = tq_ledger_has_claim(commit_ledger(in->commit), m->number.cookie);
        if (r > 0)
                answer_claim(in, m->number.cookie, TQ_CLAIM_ACCEPTED, NULL);
        return TQ_MIN(r, 0);
}

static int on_stuck(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        TqLedgerOp *op = commit_op(((Intake *)userdata)->commit, TQ_LEDGER_KEEP);

        (void)blob;
        (void)fd;
        if (op)
                op->job = m->number.cookie;
        return 0;
}

static int on_refused(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Intake *in = userdata;
        const Tenant *t = tenants_by_handle(in->tenants, m->claim.tenant);

        (void)fd;
        note_refused(in, &m->claim, blob);
        if (t && m->claim.claim > 0)
                door_leave(in->door, t, m->claim.claim);
        return 0;
}

static int on_late(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Intake *in = userdata;
        const Tenant *t = tenants_by_handle(in->tenants, m->claim_late.tenant);

        (void)blob;
        (void)fd;
        if (t)
                door_is_late(in->door, t, m->claim_late.claim);
        return 0;
}

void intake_room_made(Intake *in, uint32_t tenant) {
        door_room_made(in->door, tenant);
}

void intake_room_made_all(Intake *in) {
        door_room_made_all(in->door);
}

void intake_forget(Intake *in, uint32_t tenant) {
        door_forget(in->door, tenant);
}

size_t intake_waiting(const Intake *in, uint32_t tenant) {
        return door_count(in->door, tenant);
}

/* Life ----------------------------------------------------------------------------------------- */

int intake_new(sd_event *event, TqLink *link, Commit *commit, Events *events, Tenants *tenants,
               Settings *settings, Dispatch *dispatch, Intake **ret) {
        Intake *in = calloc(1, sizeof(*in));
        int r;

        if (!in)
                return -ENOMEM;
        *in = (Intake){ .link = link,
                        .commit = commit,
                        .events = events,
                        .tenants = tenants,
                        .settings = settings };
        r = door_new(event, link, commit, events, tenants, settings, dispatch_scheduler(dispatch),
                     &in->door);
        if (r >= 0)
                r = keys_new(commit, &in->keys);
        if (r >= 0)
                r = takes_new(commit, events, tenants, settings, dispatch, &in->takes);
        if (r < 0) {
                (void)intake_free(in);
                return r;
        }
        tq_link_on(link, TQ_MESSAGE_CLAIM, on_claim, in);
        tq_link_on(link, TQ_MESSAGE_CLAIM_KEPT, on_kept, in);
        tq_link_on(link, TQ_MESSAGE_CLAIM_STUCK, on_stuck, in);
        tq_link_on(link, TQ_MESSAGE_REFUSED, on_refused, in);
        tq_link_on(link, TQ_MESSAGE_CLAIM_LATE, on_late, in);
        *ret = in;
        return 0;
}

Intake *intake_free(Intake *in) {
        size_t position = 0;
        uint64_t *told;

        if (!in)
                return NULL;
        (void)keys_free(in->keys);
        (void)takes_free(in->takes);
        while ((told = tq_map_next(&in->barred, &position)))
                free(told);
        tq_map_done(&in->barred);
        (void)door_free(in->door);
        free(in);
        return NULL;
}
