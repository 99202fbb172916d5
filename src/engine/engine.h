/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/buffer.h"
#include "core/jobspec.h"
#include "core/scheduler.h"
#include "engine/callers.h"
#include "engine/control.h"
#include "ipc/channel.h"
#include "ipc/control.h"
#include "kernel/slice.h"
#include "store/ledger.h"
#include "store/worker.h"

/* tenantq-engine's state, shared by its files. Each field is changed by the file named beside it.
 */

/* Callers come after the ends of jobs and what the supervisor says. */
#define CONTROL_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* A revision of the ledger that this version does not understand, or that is not possible any more.
 */
typedef struct LimitFault {
        TqList link;
        char *queue, *name; /* as they were recorded */
        char text[256];
} LimitFault;

/* Rows of events that a tenant may still cause, and those that it has caused beyond that. */
#define BUDGET_KINDS 12
typedef struct EventBudget {
        TqBucket tokens;
        struct {
                const char *kind;
                uint64_t n;
        } beyond[BUDGET_KINDS];
} EventBudget;

/* A tenant is a name and an owner: the same name with another owner is another tenant. */
typedef struct EngineTenant {
        uint32_t id;     /* the ledger's */
        uint32_t handle; /* the supervisor's, 0: not known to it in this run, or not any more */
        char name[TQ_TENANT_NAME_MAX + 1];
        uid_t uid; /* TQ_UID_UNKNOWN: its directory never was in order */
        char user[64];
        TqList same_name;   /* in the ring of all owners that the name has had */
        uint32_t owner;     /* as the supervisor counts them */
        bool is_former;     /* the name belongs to another owner now */
        bool is_user_gone;  /* the number is nobody's now, or not known to be the owner's */
        bool is_blocked;    /* jobs of a former owner still run in its slice */
        TqList faults;      /* of LimitFault */
        EventBudget budget; /* batch.c */
        char supervisor_fault[TQ_MESSAGE_TEXT_MAX];
        char apply_fault[TQ_MESSAGE_TEXT_MAX]; /* its limits can't be applied */
        char said_fault[TQ_MESSAGE_TEXT_MAX];  /* the one that was logged: it is tried again */
        char share_fault[TQ_MESSAGE_TEXT_MAX]; /* its pool or reservation can't be had */
        char note[TQ_MESSAGE_TEXT_MAX]; /* what somebody should mend, though it is in order */
        bool output_fails;              /* of the latest job that ended */
        uint64_t output_says_from;      /* when the journal may be told again */
        char launch_note[256];          /* why launches fail for now; empty: they don't */
        char home[256];
        char pool[TQ_POOL_NAME_MAX + 1];
        bool holds_when_full;
        bool is_full;         /* the supervisor leaves its files where they are */
        uint64_t retry_at;    /* is_full: when it is looked at again, CLOCK_BOOTTIME usec */
        uint64_t hold_delay;  /* doubles while files are held again; 0: there was room */
        uint64_t took_usec;   /* when the supervisor was last told to take them */
        uint64_t told_usec;   /* when the ledger was last told that files are held */
        uint64_t warned_usec; /* when the journal was last told that a limit is near */
        bool is_ready;        /* its directory is in order, says the supervisor */
        bool is_gone;
        bool is_applied;  /* its slice has its limits */
        bool is_applying; /* an APPLY has not been answered: at most one at a time */
        bool must_apply;  /* what is to be applied has changed since */
        bool is_changing; /* a change of its limits is under way */
        void *parked;     /* a change that waits for an APPLY: limits.c */
        TqList inquiries; /* after.c: one at a time, so that others' questions have their turn */
        bool is_inquiring;
        /* From the lowest to the highest: [defaults], the file, the live revisions. */
        TqLimits file, live, effective;
        TqQueueLimit file_queues[TQ_QUEUE_LIMITS], live_queues[TQ_QUEUE_LIMITS];
        size_t n_file_queues, n_live_queues;
        TqSliceValue kernel[TQ_ATTRS_MAX]; /* what the slice holds */
        size_t n_kernel;
} EngineTenant;

/* A job's part that only the engine needs; TqJob.userdata. */
typedef struct EngineJob {
        uint64_t id;
        TqJobSpec *spec; /* NULL: in the ledger only */
        char *after;     /* After=, as it was written; NULL: none */
        bool is_sent;    /* START is with the supervisor */
        bool is_held_by_admin;
        /* StartAfter= and Deadline=, CLOCK_REALTIME: the scheduler has them by CLOCK_BOOTTIME. */
        bool has_deadline;
        uint64_t start_after_usec, deadline_usec; /* start_after_usec 0: at once */
        TqStage failed_stage; /* of the last launch that failed for now; NONE: none did */
        int failed_error;
} EngineJob;

/* What is done when the changes of a turn are committed. */
typedef enum EffectType {
        EFFECT_CLAIM,     /* tell the supervisor that claim `number` is accepted */
        EFFECT_ATTEMPT,   /* send `message` about job and attempt */
        EFFECT_SUBMITTED, /* answer `call` with the job's id */
        EFFECT_CALLBACK,  /* call `callback` */
        EFFECT_ENDED,     /* answer those who wait for the job */
} EffectType;

typedef struct Effect {
        EffectType type;
        TqMessageType message;
        uint64_t job;
        unsigned attempt;
        uint32_t handle;
        sd_bus_message *call;
        TqRefusal refusal; /* SUBMITTED: what it comes near to */
        uint32_t tenant;
        void (*callback)(Engine *e, void *data, int result);
        void *data;
} Effect;

typedef struct Batch {
        TqTask task;
        Engine *engine;
        TqLedgerOp *ops;
        size_t n_ops, allocated_ops;
        Effect *effects;
        size_t n_effects, allocated_effects;
        bool has_claims;  /* their renames must be durable first */
        bool has_new_log; /* somebody had removed the ledger's */
        int result;
} Batch;

/* A question to the supervisor that has not been answered. */
typedef struct Request {
        uint64_t cookie;
        void (*answered)(Engine *e, struct Request *r, int result, const char *blob, size_t size,
                         int *fd);
        EngineTenant *tenant;
        sd_bus_message *call;
        void *data;
        uid_t uid;   /* who asked */
        bool is_end; /* OPEN_LOG: of a job that has ended */
} Request;

struct Engine {
        sd_event *event;
        TqChannel *channel;
        const char *ledger_path;
        int claims_fd;
        int exit_code;
        /* main.c */
        bool has_greeted, is_open, is_degraded, is_leaving;
        int degraded_by;   /* negative errno */
        bool is_reserving; /* a change of a reservation is under way: limits.c */
        bool has_switches; /* they were read: switches.c */
        uint8_t boot_id[16];
        unsigned controllers;
        gid_t admin_gid;
        TqLimits defaults, ceilings;
        TqHostPolicy policy;
        sd_event_source *timer, *status_timer;
        bool status_is_due;
        /* batch.c */
        TqLedger *ledger;
        TqWorker *worker;
        Batch *batch; /* of this turn */
        bool is_committing;
        EventBudget budget; /* of events that concern no tenant */
        sd_event_source *budget_timer;
        /* tenants.c */
        TqMap tenants; /* EngineTenant.id → */
        TqMap handles; /* EngineTenant.handle → */
        TqMap names;   /* a hash of the name → the EngineTenant that has it now */
        TqMap uids;    /* uid → the EngineTenant that it owns now */
        TqLedgerNumbers numbers;
        /* requests.c */
        TqMap requests;
        uint64_t next_cookie;
        /* dispatch.c */
        TqScheduler *scheduler;
        TqActions actions;
        TqMap ending; /* job → itself: judged, but its verdict is not committed yet */
        size_t n_cached_specs;
        uint64_t submitting; /* a job that is being taken; 0 once it has ended (intake.c) */
        TqList walks;        /* of Walk: walk.c */
        bool is_retelling, must_retell; /* daytime.c */
        uint64_t armed;                 /* what the timer is set to */
        /* intake.c */
        sd_event_source *full_timer;
        size_t n_full;
        /* recover.c */
        TqMap stock;    /* job → StockItem, until stock is taken */
        TqMap aborting; /* job → Held: queued, but an old launch of it is still going away */
        /* control.c */
        int listen_fd, spare_fd;
        Callers callers;
        TqMap connections; /* Connection.id → */
        TqMap waits;       /* job → one of the ring of Connections that wait for it */
        TqList all_connections, gone;
        sd_event_source *listen_source, *turn_source, *gone_source;
        uint64_t next_connection;
};

/* batch.c */
#define BATCH_NOBODY ((uid_t)-1)                      /* as uid of an event: tenantq itself */
TqLedgerOp *batch_op(Engine *e, TqLedgerOpType type); /* NULL: out of memory */
Effect *batch_effect(Engine *e, EffectType type);
/* kind: a constant. What an administrator does is always recorded. */
void batch_event(Engine *e, const char *kind, uint32_t tenant, uint64_t job, uid_t uid,
                 const char *fmt, ...) TQ_PRINTF(6, 7);
/* What a tenant can bring about as often as it likes (t NULL: of none): within its budget of rows;
 * beyond it they are counted, and the sum is a row. */
void batch_event_of(Engine *e, EngineTenant *t, const char *kind, uint64_t job, uid_t uid,
                    const char *fmt, ...) TQ_PRINTF(6, 7);
void batch_flush_budgets(Engine *e); /* what was counted so far becomes rows */
/* A commit is under way, and the next one will be long already. */
bool batch_is_large(const Engine *e);
int batch_start(Engine *e);
void batch_flush(Engine *e);

/* tenants.c */
EngineTenant *tenants_by_name(Engine *e, const char *name);
EngineTenant *tenants_by_uid(Engine *e, uid_t uid);
/* What it is called: its name, or NAME.former-NUMBER when that is another owner's now. Returns buf.
 */
const char *tenants_title(const EngineTenant *t, char buf[TQ_TENANT_TITLE_MAX]);
EngineTenant *tenants_by_title(Engine *e, const char *title);
int tenants_on_message(Engine *e, const TqTenantMessage *m);
int tenants_load(Engine *e);
/* What holds with these live limits. -E2BIG with err: more limits with @device than there is room
 * for. */
int tenants_resolve(Engine *e, const EngineTenant *t, const TqLimits *live, TqLimits *ret,
                    TqError *err);
/* Whether anything but a ceiling says how many of its jobs may run. */
bool tenants_has_concurrency(const Engine *e, const EngineTenant *t);
void tenants_tell_scheduler(Engine *e, EngineTenant *t);
void tenants_apply(Engine *e, EngineTenant *t); /* now, or when what is under way has ended */
/* Why nothing of it starts, or NULL. */
const char *tenants_fault(const EngineTenant *t, char *buf, size_t size);
void tenants_job_ended(Engine *e, EngineTenant *t);
/* A launch failed for the host's or the tenant's sake (text), or worked (NULL). */
void tenants_note_launch(Engine *e, EngineTenant *t, const char *text);
/* A revision that replaces one which was not understood. NULL in name: is there one of that name?
 */
bool tenants_has_limit_fault(const EngineTenant *t, const char *queue, const char *name);
void tenants_mend_limit(EngineTenant *t, const char *queue, const char *name);
void tenants_set_kernel(EngineTenant *t, const char *blob, size_t size);
/* Whether its pool exists and has room for its reservation: -EBADMSG with err. */
int tenants_check_share(Engine *e, const EngineTenant *t, const TqLimits *limits, TqError *err);
/* Those of its file and the live ones together: how many; -E2BIG: more than TQ_QUEUE_LIMITS. */
int tenants_queues(const EngineTenant *t, TqQueueLimit ret[TQ_QUEUE_LIMITS]);
/* Sets (value: TqKey's) or unsets a queue's own limit among the live ones. -E2BIG. */
int tenants_set_live_queue(EngineTenant *t, const char *queue, const TqQueueLimit *set);
void tenants_unset_live_queue(EngineTenant *t, const char *queue, TqKey key);
const TqQueueLimit *tenants_find_queue(const TqQueueLimit *queues, size_t n, const char *queue);

/* requests.c */
Request *requests_new(Engine *e);
void requests_answer(Engine *e, const TqNumberMessage *m, const char *blob, size_t size, int *fd);
void requests_apply(Engine *e, Request *r, EngineTenant *t, const TqLimits *limits);

/* intake.c */
typedef struct Submission {
        EngineTenant *tenant;
        uid_t uid;
        uint64_t claim; /* 0: by the control socket */
        const char *data;
        size_t size;
        sd_bus_message *call;
} Submission;
/* What becomes of a submission: *ret_job once the batch is committed; or else error and err say why
 * not, and refusal, if a limit refuses it. refusal also says of an accepted one that it is near. */
typedef struct Answer {
        uint64_t job;
        TqControlError error;
        TqError err;
        TqRefusal refusal;
} Answer;
int intake_submit(Engine *e, const Submission *s, Answer *ret);
/* One of its jobs waits no more, or another reason to look at files that were left. */
void intake_has_room(Engine *e, EngineTenant *t);
void intake_claim(Engine *e, const TqClaimMessage *m, const char *data, size_t size);
void intake_refused(Engine *e, const TqClaimMessage *m, const char *reason);

/* dispatch.c */
int dispatch_step(Engine *e, const TqEvent *event);
void dispatch_arm(Engine *e);
EngineJob *dispatch_job_new(uint64_t id);
EngineJob *dispatch_job_free(Engine *e, EngineJob *job);
void dispatch_send(Engine *e, TqMessageType type, uint32_t handle, uint64_t job, unsigned attempt);

/* daytime.c: StartAfter= and Deadline= follow the clock of the day */
void daytime_fill(const EngineJob *job, TqEvent *event);
int daytime_start(Engine *e);

/* after.c: what became of the jobs that After= names */
/* Parses After= (NULL: none) into ret (TQ_JOB_AFTER_MAX) and keeps its text in the job. 0, -EINVAL,
 * -ENOMEM. */
int after_keep(EngineJob *job, const char *after, TqAfter *ret, size_t *ret_n);
void after_ask(Engine *e, uint64_t job, uint32_t tenant, const char *after);
int after_settle_now(Engine *e, uint64_t job, uint32_t tenant, const char *after);

/* switches.c: hold, release, pause, resume, drain */
int switches_load(Engine *e);
int switches_on_set(sd_bus_message *m, void *userdata, sd_bus_error *error);
int switches_on_hold(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* explain.c */
int explain_on_job(sd_bus_message *m, void *userdata, sd_bus_error *error);
int explain_on_queue(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* recover.c */
int recover_note(Engine *e, uint64_t job, unsigned attempt, uint32_t handle, const TqEnd *end);
int recover_settle(Engine *e);
bool recover_on_ended(Engine *e, const TqEndedMessage *m);

/* question.c: what the ledger is asked for a caller. 1, or a negative errno */
typedef struct Question {
        TqTask task;
        Engine *engine;
        uint64_t connection; /* its id: it may have gone when the answer comes */
        uid_t uid;
        sd_bus_message *call;
        TqLedgerFilter filter;
        bool wants_one;                  /* none is an error */
        bool wants_events;               /* instead of jobs */
        bool wants_page;                 /* the answer ends with where the next page begins */
        uint64_t *ids;                   /* these jobs only; owned */
        size_t n_ids, n_looked;          /* n_looked: those that the answer is about */
        int (*then)(struct Question *q); /* instead of the reply */
        uint32_t stream;
        TqTable table;
        int result;
} Question;
int question_ask(Connection *c, sd_bus_message *call, const Question *template);
int question_ask_about_job(Connection *c, sd_bus_message *call, uint64_t job, int64_t tenant);
int question_reply_job(Connection *c, sd_bus_message *call, uint64_t job, int64_t tenant);

/* verbs.c, limits.c: the methods */
extern const sd_bus_vtable verbs_vtable[];
int verbs_scope(const Connection *c, int64_t *ret_tenant); /* -1: everything; -EPERM: nothing */
int verbs_no_job(sd_bus_message *call, uint64_t job);
/* Those that the caller may know of, by name. The caller frees the array. */
int verbs_visible_tenants(const Connection *c, const EngineTenant ***ret, size_t *ret_n);
/* A job that has not ended. NULL, and the call is answered, with *ret of that: ended, never there
 * and somebody else's get one answer. */
const TqJob *verbs_live_job(const Connection *c, sd_bus_message *call, uint64_t id, int *ret);
int verbs_find_target(Connection *c, const char *target, EngineTenant **ret_tenant,
                      char *ret_queue); /* "acme" or "acme/etl"; -ENOENT, -EINVAL */
int verbs_reply_target(sd_bus_message *call, int r, const char *target);
int verbs_add_columns(TqTable *table, const char *const *columns, size_t n);
int verbs_reply_error(sd_bus_message *call, TqControlError error, const char *fmt, ...)
        TQ_PRINTF(3, 4);
int verbs_reply_submitted(sd_bus_message *call, const char *tenant, uint64_t job,
                          const TqRefusal *refusal);
int pools_on_list(sd_bus_message *m, void *userdata, sd_bus_error *error);
int export_on_get(sd_bus_message *m, void *userdata, sd_bus_error *error);
int limits_on_get(sd_bus_message *m, void *userdata, sd_bus_error *error);
int limits_on_set(sd_bus_message *m, void *userdata, sd_bus_error *error);
void limits_go_on(Engine *e,
                  EngineTenant *t); /* the APPLY that a change has waited for is answered */

/* main.c */
void engine_degrade(Engine *e, int error);
/* Of a degraded engine: why nothing is recorded any more, and what to do. Returns buf. */
const char *engine_unrecorded(const Engine *e, char *buf, size_t size);
void engine_say(const char *level, const char *fmt, ...) TQ_PRINTF(2, 3);
void engine_touch_status(Engine *e);
