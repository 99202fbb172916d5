/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "core/scheduler.h"
#include "core/table.h"

/* The ledger: what was promised, in SQLite. One connection, used by one thread at a time. See the
 * essay in ledger.c and the schema in ledger_schema.c. */
typedef struct TqLedger TqLedger;

/* Who holds a job: its own tenant may not release what an administrator holds. */
typedef enum TqHoldLevel { TQ_HOLD_NONE, TQ_HOLD_OWN, TQ_HOLD_ADMIN } TqHoldLevel;

typedef enum TqLedgerOpType {
        TQ_LEDGER_TENANT,  /* tenant, text: name, uid, user: it has the name from now on */
        TQ_LEDGER_ACCEPT,  /* job, claim, tenant, accept.*, time */
        TQ_LEDGER_RUNNING, /* job, attempt, time: about to be released */
        TQ_LEDGER_STOP,    /* job, stop */
        TQ_LEDGER_REQUEUE, /* job: it provably never ran */
        TQ_LEDGER_DONE,    /* job, attempt, verdict, time */
        TQ_LEDGER_EVENT,   /* kind, tenant, job, uid, text, time */
        TQ_LEDGER_LIMIT,   /* tenant, limit.*, uid, time */
        TQ_LEDGER_HOLD,    /* job, while it waits */
        TQ_LEDGER_SWITCH,  /* tenant (0: the host), hold.queue, hold.switches, uid, text, time */
        _TQ_LEDGER_OP_MAX,
} TqLedgerOpType;

/* One change. Owns text, spec and the other pointers (tq_ledger_op_done). */
typedef struct TqLedgerOp {
        TqLedgerOpType type;
        uint64_t job;
        uint64_t time_usec;     /* CLOCK_REALTIME */
        uint64_t boottime_usec; /* RUNNING: the same instant by CLOCK_BOOTTIME, for durations */
        uint32_t tenant;
        uint32_t uid; /* who */
        unsigned attempt;
        TqStopReason stop;
        char *text;
        char *user;
        const char *kind; /* EVENT: a static word */
        union {
                struct {
                        uint64_t claim; /* 0: not from the spool */
                        char queue[TQ_QUEUE_NAME_MAX + 1];
                        char *name, *correlation_id, *labels;
                        int priority;
                        uint64_t start_after_usec; /* 0: at once */
                        bool has_deadline;
                        uint64_t deadline_usec;
                        uint64_t runtime_usec, stop_usec, memory_bytes;
                        char *after;
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
                        char *old_value, *new_value;       /* NULL: unset */
                        char *kernel;
                } limit;
                TqVerdict verdict;
        };
} TqLedgerOp;

void tq_ledger_op_done(TqLedgerOp *op);

/* Opens or makes the database at path, checks application id and version, and fixes the boot id of
 * attempts that follow. -EBADMSG with err: not ours, of a later version, or damaged. */
int tq_ledger_open(const char *path, const uint8_t boot_id[16], TqLedger **ret, TqError *err);
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
        uint64_t next_job, next_claim, next_revision;
        uint32_t next_tenant;
} TqLedgerNumbers;

int tq_ledger_numbers(TqLedger *l, TqLedgerNumbers *ret);

typedef struct TqLedgerTenant {
        uint32_t id;
        const char *name;
        uid_t uid;
        const char *user; /* empty: the number had no name, or an older version did not note it */
} TqLedgerTenant;

/* A job that has not ended. */
typedef struct TqLedgerLive {
        uint64_t id;
        const char *queue;
        const char *name;
        const char *after; /* as written; NULL: none */
        const char *spec;  /* NULL with has_bounds: it need not be read */
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
        const char *value;
        uint64_t revision;
} TqLedgerLimit;

/* Each calls back for every row, in order of id; a negative return ends it and is passed on. */
int tq_ledger_each_tenant(TqLedger *l, int (*row)(void *, const TqLedgerTenant *), void *userdata);
int tq_ledger_each_live(TqLedger *l, int (*row)(void *, const TqLedgerLive *), void *userdata);
/* The limits in force over the files: the last revision of each name that was not an unset. */
int tq_ledger_each_limit(TqLedger *l, int (*row)(void *, const TqLedgerLimit *), void *userdata);
int tq_ledger_each_switch(TqLedger *l, int (*row)(void *, const TqLedgerSwitch *), void *userdata);

/* What became of a job that After= names: by its number, or (job 0) by name: the latest that was
 * accepted before the job `before`, or if there is none the first after it. *ret_job is 0 if the
 * tenant has none. */
typedef enum TqLedgerFate { TQ_FATE_LIVE, TQ_FATE_WELL, TQ_FATE_FAILED } TqLedgerFate;
int tq_ledger_fate(TqLedger *l, uint32_t tenant, uint64_t job, const char *name, uint64_t before,
                   uint64_t *ret_job, TqLedgerFate *ret);

/* The claim numbers in the ledger among the given ones: is it there? */
int tq_ledger_has_claim(TqLedger *l, uint64_t claim);

/* Questions ----------------------------------------------------------------------------------- */

typedef struct TqLedgerFilter {
        uint64_t job;   /* 0: any */
        int64_t tenant; /* -1: any */
        bool live_only;
        uint64_t before;  /* only jobs below this id; 0: all */
        uint64_t limit;   /* rows; the newest first */
        size_t max_bytes; /* of texts, about; then the table is cut. 0: without bound */
        bool with_spec;   /* adds the column `spec` */
} TqLedgerFilter;

int tq_ledger_jobs(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);
/* The same columns of just these jobs, in their order; those that are not there are left out. *n
 * becomes how many of them were looked for until there were max_bytes. */
int tq_ledger_jobs_of(TqLedger *l, const uint64_t *ids, size_t *n, size_t max_bytes, TqTable *ret);
/* What was done, by whom and why: the newest `limit` events below `before`. */
int tq_ledger_events(TqLedger *l, const TqLedgerFilter *filter, TqTable *ret);

/* The stored job file. The caller frees. -ENOENT. */
int tq_ledger_spec(TqLedger *l, uint64_t job, char **ret, size_t *ret_size);
