/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "core/figures.h"
#include "core/scheduler.h"
#include "core/table.h"

/* The ledger: what was promised, in SQLite. One connection, used by one thread at a time. See the
 * essay in ledger.c and the schema in ledger_schema.c. */
typedef struct TqLedger TqLedger;

/* Who holds a job: its own tenant may not release what an administrator holds. */
typedef enum TqHoldLevel { TQ_HOLD_NONE, TQ_HOLD_OWN, TQ_HOLD_ADMIN } TqHoldLevel;

typedef enum TqLedgerOpType {
        TQ_LEDGER_TENANT,  /* tenant, text: name, uid, user: it has the name from now on */
        TQ_LEDGER_ENDING,  /* tenant, uid, ending.*, text: why. What is intended with it */
        TQ_LEDGER_RENAME,  /* tenant, text: its name from now on; nothing is intended any more */
        TQ_LEDGER_ERASE,   /* tenant: its first forget.most jobs, with their attempts */
        TQ_LEDGER_ERASED,  /* tenant: all that is left; but for its row, and its events */
        TQ_LEDGER_ACCEPT,  /* job, claim, tenant, accept.*, time */
        TQ_LEDGER_RUNNING, /* job, attempt, time: about to be released */
        TQ_LEDGER_STOP,    /* job, stop */
        TQ_LEDGER_REQUEUE, /* job: it provably never ran */
        TQ_LEDGER_DUE,     /* job, again_usec: when its next attempt is due, if it waits for that */
        TQ_LEDGER_RETRY,   /* job, attempt, failures, again_usec, verdict of the attempt, time */
        TQ_LEDGER_DONE,    /* job, attempt, verdict, is_dead, time */
        TQ_LEDGER_REVIVE,  /* job: a dead letter waits again, with all its attempts before it */
        TQ_LEDGER_PURGE,   /* job: it is no dead letter any more */
        TQ_LEDGER_KEEP,    /* job: here a claim, whose job is never forgotten */
        TQ_LEDGER_FORGET,  /* job, forget.ended_usec: its numbers go to the sums of its day */
        TQ_LEDGER_FORGET_EVENTS, /* forget.*: some of the oldest */
        TQ_LEDGER_FORGET_AUDIT,  /* forget.before_usec: some of the oldest */
        TQ_LEDGER_EVENT,         /* kind, tenant, job, uid, text, time */
        TQ_LEDGER_AUDIT,         /* kind, tenant, job, uid, audit.*, text: why, time */
        TQ_LEDGER_POLICY,        /* policy.*, uid, text: why, time; the oldest goes */
        TQ_LEDGER_LIMIT,         /* tenant, limit.*: what is set of it from now on */
        TQ_LEDGER_HOLD,          /* job, while it waits; NONE: and its crashes are forgotten */
        TQ_LEDGER_CRASH,      /* job, text: the engine did, over it; the last time that it may, the
                                 job is in quarantine, for that reason */
        TQ_LEDGER_QUARANTINE, /* job, while it waits, text: why */
        TQ_LEDGER_ROLLOUT,    /* tenant, rollout.*: a change of its limits is looked after; the one
                                 before is not any more */
        TQ_LEDGER_ROLLED_OUT, /* tenant: nor is that */
        TQ_LEDGER_FILES,      /* tenant (0: the host), text: what its file says now */
        TQ_LEDGER_SWITCH,     /* tenant (0: the host), hold.queue, hold.switches, uid, text, time */
        TQ_LEDGER_STANDING,   /* tenant (0: the host), standing.*, time */
        TQ_LEDGER_POOL,       /* pool.*, time */
        _TQ_LEDGER_OP_MAX,
} TqLedgerOpType;

/* What is intended with a tenant, and not done yet. Each is a word in the ledger. */
typedef enum TqLedgerEnding {
        TQ_ENDING_NONE,
        TQ_ENDING_REMOVE, /* once its jobs have ended */
        TQ_ENDING_CANCEL, /* the same; they are cancelled */
        TQ_ENDING_DELETE, /* no way back */
        TQ_ENDING_RENAME,
        TQ_ENDING_CHOWN,
        TQ_ENDING_REMOVED, /* done */
        _TQ_ENDING_MAX,
} TqLedgerEnding;

const char *tq_ledger_ending_to_string(TqLedgerEnding e); /* NONE: "" */
/* NULL, or what is none of the words: NONE. */
TqLedgerEnding tq_ledger_ending_from_string(const char *word);

/* A change of a tenant's limits that is looked after, and by how much it may make things worse. */
typedef struct TqLedgerRollout {
        uint64_t revision;
        uint64_t begun_usec; /* CLOCK_REALTIME */
        uint64_t span_usec;
        uint64_t percent;
        bool has_cpu, has_before, has_boottime;
        uint64_t begun_boottime_usec;      /* the same instant, if it was in this boot */
        uint64_t cpu_usec, throttled_usec; /* of its slice, when it began */
        uint64_t before_cpu_usec, before_throttled_usec; /* in the time before that */
} TqLedgerRollout;

/* One change. Owns text, spec and the other pointers (tq_ledger_op_done). */
typedef struct TqLedgerOp {
        TqLedgerOpType type;
        uint64_t job;
        uint64_t time_usec;     /* CLOCK_REALTIME */
        uint64_t boottime_usec; /* the same instant by CLOCK_BOOTTIME, for durations */
        uint32_t tenant;
        uint32_t uid; /* who */
        unsigned attempt;
        TqStopReason stop;
        char *text;
        char *user;
        const char *kind; /* EVENT, AUDIT: a static word */
        bool is_dead;
        unsigned failures;
        uint64_t again_usec; /* CLOCK_REALTIME */
        union {
                struct {
                        uint64_t claim; /* 0: not from the spool */
                        char queue[TQ_QUEUE_NAME_MAX + 1];
                        char *name, *correlation_id, *labels, *trace_parent;
                        int priority;
                        uint64_t start_after_usec; /* 0: at once */
                        bool has_deadline;
                        uint64_t deadline_usec;
                        uint64_t runtime_usec, stop_usec, memory_bytes;
                        char *after;
                        uint64_t keep_usec; /* 0: as all */
                        char *key;          /* NULL: none */
                        char *ties;         /* TqJobTie and a name each, terminated; an empty one
                                               behind the last. NULL: none */
                        char *retry;        /* as tq_retry_format() writes it; NULL: one attempt */
                        char *spec;
                        size_t spec_size;
                } accept;
                struct {
                        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: all, or the tenant itself */
                        TqHoldLevel level;
                        TqSwitches switches;
                } hold;
                struct {
                        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: the tenant's own */
                        char *name;                        /* KEY or KEY@DEVICE */
                        char *value;                       /* NULL: unset */
                        uint64_t revision;
                        uint64_t until_usec; /* CLOCK_REALTIME; 0: for good */
                        uint64_t until_boottime_usec;
                        char *back; /* then; NULL: unset */
                } limit;
                TqLedgerRollout rollout;
                struct {
                        uint64_t version, tenants;
                        char *about, *spec;
                } policy;
                struct {
                        char queue[TQ_QUEUE_NAME_MAX + 1]; /* empty: none */
                        char *tenant_name;                 /* as it is called now */
                        uint32_t login_uid;                /* UINT32_MAX: not known, or nobody */
                        char *session, *sudo_user;         /* NULL: none; so all texts here */
                        uint64_t revision, policy;         /* 0: none */
                        char *name;                        /* of a limit: KEY or KEY@DEVICE */
                        char *old_value, *old_set, *new_value, *kernel;
                        uint64_t until_usec; /* CLOCK_REALTIME; 0: for good */
                        char *about;
                } audit;
                struct {
                        uint64_t before_usec, most;
                        uint64_t ended_usec; /* of the job, when it was looked at */
                } forget;
                struct {
                        TqLedgerEnding what;
                        char to[64]; /* RENAME, CHOWN: the name or user; empty: none */
                } ending;
                struct {
                        char pool[TQ_POOL_NAME_MAX + 1];
                        TqPresence presence;
                        uint64_t tag, largest_advance, turn;
                        double usage;
                        uint8_t *averages; /* NULL: none */
                        size_t averages_size;
                } standing;
                struct {
                        char name[TQ_POOL_NAME_MAX + 1];
                        uint64_t vtime, largest_charge, contended_usec;
                        bool is_contended;
                } pool;
                TqVerdict verdict;
        };
} TqLedgerOp;

void tq_ledger_op_done(TqLedgerOp *op);

/* Opens or makes the database at path, checks application id and version, and fixes the boot id of
 * attempts that follow. -EBADMSG with err: not ours, of a later version, or damaged. */
int tq_ledger_open(const char *path, const uint8_t boot_id[16], TqLedger **ret, TqError *err);
/* The version that it had before it was opened, if that was an earlier one; else 0. */
int tq_ledger_brought_from(const TqLedger *l);
/* Before: of one that was made already. -EBADMSG: it is missing, or empty. */
int tq_ledger_must_exist(const char *path, TqError *err);
TqLedger *tq_ledger_close(TqLedger *l);

/* Whether the file at its path is still the one that was opened: 0, or -ESTALE: what is written is
 * promised to nobody. 1: its log had gone; nothing of it is lost, and there is a new one. No reader
 * may be under way. */
int tq_ledger_check(TqLedger *l);

/* All changes in one transaction, in order; -EIO (-ENOSPC when the disk is full) and none of them
 * on failure. A claim that is in the ledger already is not inserted a second time: that op is
 * skipped. */
int tq_ledger_apply(TqLedger *l, const TqLedgerOp *ops, size_t n);

/* Start-up ------------------------------------------------------------------------------------ */

typedef struct TqLedgerNumbers {
        uint64_t next_job, next_claim;
        uint64_t next_revision; /* of limits: one for each change */
        uint64_t next_policy;
        uint32_t next_tenant;
} TqLedgerNumbers;

int tq_ledger_numbers(TqLedger *l, TqLedgerNumbers *ret);

typedef struct TqLedgerTenant {
        uint32_t id;
        const char *name;
        uid_t uid;
        const char *user; /* empty: the number had no name, or an older version did not note it */
        TqLedgerEnding ending;
        const char *ending_to, *ending_why; /* empty: none */
        uid_t ending_uid;
        uint64_t revision; /* of its limits' last change; 0: none */
} TqLedgerTenant;

/* A job that has not ended. */
typedef struct TqLedgerLive {
        uint64_t id;
        const char *queue;
        const char *name;
        const char *after;                                  /* as written; NULL: none */
        const char *retry;                                  /* NULL: one attempt */
        const char *correlation_id, *labels, *trace_parent; /* NULL: none */
        const char *spec; /* NULL with has_bounds: it need not be read */
        size_t spec_size;
        uint32_t tenant;
        int priority;
        TqHoldLevel hold;
        TqStopReason stop;
        unsigned attempt;  /* the last one, 0: none */
        bool was_running;  /* which was released or was about to be */
        bool has_boottime; /* in this boot */
        bool has_deadline;
        bool has_bounds;           /* else they are in the spec only */
        uint64_t start_after_usec; /* 0: at once */
        uint64_t deadline_usec;
        uint64_t runtime_usec, stop_usec, memory_bytes;
        const char *verdict;    /* of the last attempt; NULL: it has none */
        const char *quarantine; /* why it is in quarantine; NULL: it is not */
        unsigned crashes;       /* of the engine, over it */
        unsigned failures;      /* attempts that count against those that it may have */
        uint64_t retry_usec;    /* CLOCK_REALTIME: the next one is not due before; 0: none was */
        uint64_t released_usec; /* of the last attempt, CLOCK_REALTIME */
        uint64_t released_boottime_usec;
} TqLedgerLive;

/* What is switched off. */
typedef struct TqLedgerSwitch {
        uint32_t tenant; /* 0: the host */
        const char *queue;
        TqSwitches switches;
} TqLedgerSwitch;

typedef struct TqLedgerLimit {
        uint32_t tenant;
        const char *queue;
        const char *name;
        const char *value; /* NULL: unset until then */
        uint64_t revision;
        uint64_t until_usec; /* CLOCK_REALTIME; 0: for good */
        bool has_boottime;   /* in this boot */
        uint64_t until_boottime_usec;
        const char *back; /* NULL: unset */
} TqLedgerLimit;

/* Where a tenant stood, and a pool. In this boot its age is exact; of another one it is as the
 * clock of the day tells. */
typedef struct TqLedgerStanding {
        uint32_t tenant;     /* 0: the host */
        TqStanding standing; /* without averages */
        const void *averages;
        size_t averages_size;
} TqLedgerStanding;

/* Each calls back for every row (of tenants: that was not removed), in order of id; a negative
 * return ends it and is passed on. */
int tq_ledger_each_tenant(TqLedger *l, int (*row)(void *, const TqLedgerTenant *), void *userdata);
int tq_ledger_each_live(TqLedger *l, int (*row)(void *, const TqLedgerLive *), void *userdata);
/* The limits in force over the files, in the order in which they were set. */
int tq_ledger_each_limit(TqLedger *l, int (*row)(void *, const TqLedgerLimit *), void *userdata);
/* text: borrowed. tenant 0: the host's. */
int tq_ledger_each_file(TqLedger *l, int (*row)(void *, uint32_t tenant, const char *text),
                        void *userdata);
int tq_ledger_each_rollout(TqLedger *l,
                           int (*row)(void *, uint32_t tenant, const TqLedgerRollout *),
                           void *userdata);
int tq_ledger_each_switch(TqLedger *l, int (*row)(void *, const TqLedgerSwitch *), void *userdata);

/* now_usec and boottime_usec: the present, by both clocks. */
int tq_ledger_each_standing(TqLedger *l, uint64_t now_usec, uint64_t boottime_usec,
                            int (*row)(void *, const TqLedgerStanding *), void *userdata);
int tq_ledger_each_pool(TqLedger *l, uint64_t now_usec, uint64_t boottime_usec,
                        int (*row)(void *, const TqPoolStanding *), void *userdata);

/* What became of a job that After= names: by its number, or (job 0) by name: the latest that was
 * accepted before the job `before`, or if there is none the first after it. *ret_job is 0 if the
 * tenant has none. */
typedef enum TqLedgerFate { TQ_FATE_LIVE, TQ_FATE_WELL, TQ_FATE_FAILED } TqLedgerFate;
int tq_ledger_fate(TqLedger *l, uint32_t tenant, uint64_t job, const char *name, uint64_t before,
                   uint64_t *ret_job, TqLedgerFate *ret);

/* How a tenant's jobs fared from `from` to `at` ([0]) and from there until now ([1]), as far as its
 * last jobs tell (TQ_LEDGER_FIGURES of them): CPU is not known here. Times: CLOCK_REALTIME, in
 * microseconds. */
#define TQ_LEDGER_FIGURES 1000
int tq_ledger_figures(TqLedger *l, uint32_t tenant, uint64_t from, uint64_t at, uint64_t now,
                      TqFigures ret[2]);
/* What the limits that were set at that revision were before: columns queue, limit, then (NULL:
 * unset). */
int tq_ledger_before_revision(TqLedger *l, uint32_t tenant, uint64_t revision, TqTable *ret);

/* The claim numbers in the ledger among the given ones: is it there? */
int tq_ledger_has_claim(TqLedger *l, uint64_t claim);

/* The newest job of the tenant with that Key= that has not ended or was submitted since; 0: none.
 */
int tq_ledger_find_key(TqLedger *l, uint32_t tenant, const char *key, uint64_t since_usec,
                       uint64_t *ret_job);

/* What is to be forgotten -----------------------------------------------------------------------
 */

#define TQ_LEDGER_EVENTS_AT_ONCE 64
#define TQ_LEDGER_OLD_MOST       256

/* So many attempts weigh, when they go, as much as a job does. */
#define TQ_LEDGER_ATTEMPTS_A_JOB 4

/* How many jobs of a tenant there are with a higher number than `after`, up to `most`, and the last
 * of them. */
int tq_ledger_count_jobs(TqLedger *l, uint32_t tenant, uint64_t after, size_t most, size_t *ret_n,
                         uint64_t *ret_last);

/* Of a tenant: how many jobs are dead letters, and how often its limits were changed. */
int tq_ledger_count_others(TqLedger *l, uint32_t tenant, uint64_t *ret_dead, uint64_t *ret_limits);

typedef struct TqLedgerOld {
        uint32_t tenant;
        uint64_t after;            /* only those with a higher number */
        uint64_t now_usec;         /* CLOCK_REALTIME */
        uint64_t keep_usec;        /* the most that a Keep= holds */
        uint64_t dead_before_usec; /* dead letters that ended later stay */
        uint64_t key_before_usec;  /* jobs with a Key= that came later stay */
} TqLedgerOld;

typedef struct TqLedgerOldJob {
        uint64_t job, submitted_usec;
        uint64_t ended_usec; /* 0: has not */
        bool may_go;         /* as far as it is about that job alone, */
        bool is_kept;        /* but for this: a dead letter, one with Keep=, or a recent Key= */
        uint64_t bytes;      /* of its job file, and of rows of its attempts */
        unsigned attempts;
} TqLedgerOldJob;

typedef struct TqLedgerAmount {
        uint64_t jobs, bytes; /* as of TqLedgerOldJob */
} TqLedgerAmount;

typedef struct TqLedgerOldCount {
        size_t rows;           /* jobs that were looked at, whatever their state */
        TqLedgerAmount may[2]; /* of these, may_go: [0] others, [1] is_kept */
        uint64_t last;
} TqLedgerOldCount;

/* Of a tenant's next `most` jobs. */
int tq_ledger_count_old(TqLedger *l, const TqLedgerOld *o, size_t most, TqLedgerOldCount *ret);

/* A tenant's next TQ_LEDGER_OLD_MOST jobs, in the order in which they came. */
int tq_ledger_old_jobs(TqLedger *l, const TqLedgerOld *o, TqLedgerOldJob *ret, size_t *ret_n);

/* 1: there are events from before, or more than so many; 0: none. */
int tq_ledger_has_old_events(TqLedger *l, uint64_t before_usec, uint64_t most);
/* The same of the audit, by age alone. */
int tq_ledger_has_old_audit(TqLedger *l, uint64_t before_usec);

/* Questions ----------------------------------------------------------------------------------- */

/* What their negative errno means here, in words; static or strerror(3)'s. */
const char *tq_ledger_why(int error);

typedef struct TqLedgerFilter {
        uint64_t job;   /* 0: any */
        int64_t tenant; /* -1: any */
        bool live_only;
        const char *queue; /* NULL or empty: any */
        uint64_t before;   /* only jobs below this id; 0: all */
        uint64_t limit;    /* rows; the newest first */
        size_t max_bytes;  /* of texts, about; then the table is cut. 0: without bound */
        bool with_spec;    /* adds the column `spec` */
        bool revision_only;
        const char *name; /* of what lineage is asked; with a job of its own it is not */
        uint64_t other;   /* a revision, TQ_LEDGER_NOW: what is set now */
} TqLedgerFilter;

int tq_ledger_jobs(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);
/* The same columns of just these jobs, in their order; those that are not there are left out. *n
 * becomes how many of them were looked for until there were max_bytes. */
int tq_ledger_jobs_of(TqLedger *l, const uint64_t *ids, size_t *n, size_t max_bytes, TqTable *ret);
/* The same columns of dead letters: the newest first. */
int tq_ledger_dead(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);
/* Where the job comes from and what came of it, or what `name` stands for, of the tenant: first
 * that itself, then each direction (`from`, `to`) as a tree, row by row, with its depth. `kind`
 * says by which key a row belongs to the one above; `more`, what is left out there: `above` (it was
 * followed already), `deep`, `many` (branches), `full` (all that would come behind). -ENOENT. */
int tq_ledger_lineage(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);
/* The attempts of a job, in their order, at most `limit` of the last ones. */
int tq_ledger_attempts(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);
/* What was done, by whom and why: the newest `limit` events below `before`. */
int tq_ledger_events(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);
/* Who changed what: the newest `limit` rows below `before`. With revision_only: changes of limits
 * alone. */
int tq_ledger_audit(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);
/* Policies: the newest `limit` below `before`; with_spec: the text of `job`, a version here, or of
 * the last one (0). */
#define TQ_LEDGER_POLICIES 100 /* that are kept */
int tq_ledger_policies(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);
/* What was set live of a tenant when the revision `before` was its last, and at `other`: columns
 * queue, limit, then, now (NULL: unset), where they differ. -ENOENT: one of them is no revision of
 * it; -ESTALE: what came after it is not known any more. */
#define TQ_LEDGER_NOW UINT64_MAX
int tq_ledger_limits_at(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);

/* The stored job file. The caller frees. -ENOENT. */
int tq_ledger_spec(TqLedger *l, uint64_t job, char **ret, size_t *ret_size);
