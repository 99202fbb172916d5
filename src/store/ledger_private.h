/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include "core/jobspec.h"
#include "store/chain.h"
#include "store/ledger.h"

/* What the files of the ledger share: ledger.c (opening), ledger_query.c (statements),
 * ledger_apply.c and ledger_audit.c (changes), ledger_start.c (what a start takes up),
 * ledger_find.c (lookups), ledger_read.c (tables), ledger_lineage.c (what came from what),
 * ledger_history.c (forgetting). */

typedef enum TqLedgerQuery {
        Q_BEGIN,
        Q_COMMIT,
        Q_ROLLBACK,
        Q_TENANT,
        Q_ENDING,
        Q_RENAME,
        Q_FLOOR_JOB,
        Q_FLOOR_CLAIM,
        Q_ERASE_ATTEMPTS,
        Q_ERASE_JOBS,
        Q_ERASE_DAYS,
        Q_ERASE_LIMITS,
        Q_ERASE_FILES,
        Q_ERASE_SWITCHES,
        Q_ERASE_STANDING,
        Q_ERASE_ROLLOUT,
        Q_ERASED,
        Q_COUNT_DEAD,
        Q_COUNT_LIMITS,
        Q_ACCEPT,
        Q_TIE,
        Q_TIES,
        Q_TIED_JOB,
        Q_TIED_BEFORE,
        Q_TIED_AFTER,
        Q_RUNNING_ATTEMPT,
        Q_RUNNING_JOB,
        Q_STOP,
        Q_REQUEUE,
        Q_DUE,
        Q_RETRY_JOB,
        Q_RETRY_ATTEMPT,
        Q_REVIVE,
        Q_PURGE,
        Q_KEEP,
        Q_FORGET_SUM,
        Q_FORGET_ATTEMPTS,
        Q_FORGET_JOB,
        Q_FORGET_EVENTS,
        Q_FORGET_AUDIT_TO,
        Q_FORGET_AUDIT,
        Q_COUNT_JOBS,
        Q_COUNT_OLD,
        Q_OLD_JOBS,
        Q_OLD_EVENTS,
        Q_OLD_AUDIT,
        Q_DONE_JOB,
        Q_DONE_ATTEMPT,
        Q_EVENT,
        Q_AUDIT,
        Q_AUDIT_HASH,
        Q_CHAIN,
        Q_LIMIT,
        Q_LIMIT_GONE,
        Q_POLICY,
        Q_POLICY_GONE,
        Q_REVISION,
        Q_HOLD,
        Q_CRASH,
        Q_QUARANTINE,
        Q_FILES,
        Q_ROLLOUT,
        Q_FIGURES,
        Q_SWITCH,
        Q_STANDING,
        Q_POOL,
        Q_HAS_CLAIM,
        Q_FIND_KEY,
        Q_AFTER_JOB,
        Q_AFTER_NAME,
        Q_AFTER_NEXT,
        Q_SPEC,
        _Q_MAX,
} TqLedgerQuery;

#define TQ_LEDGER_BOOT_SIZE (16 + sizeof(uint64_t)) /* of attempts.boot: ledger_schema.c */

/* A file that somebody could remove while it is open. */
typedef struct TqLedgerFile {
        char *path;
        int fd;
        dev_t device; /* when it was opened */
        ino_t inode;
} TqLedgerFile;

struct TqLedger {
        sqlite3 *db;
        bool has_backup; /* under way */
        bool is_whole;   /* it was opened, and what it needs is known */
        int brought_from;
        TqChain chain; /* the last row of the audit, with those of a transaction under way */
        sqlite3_stmt *statements[_Q_MAX];
        uint8_t boot_id[16];
        TqLedgerFile file, log;
};

/* ledger_query.c. All statements; an SQLite result code, and the words of the one that failed. */
int tq_ledger_prepare(TqLedger *l, const char **ret_query);

/* An SQLite result code as negative errno; 0 for SQLITE_OK, _ROW and _DONE. */
int tq_ledger_errno(int rc);

/* Steps and resets one that gives no rows. */
int tq_ledger_run(sqlite3_stmt *s);

/* A prepared statement, reset and without bindings. */
sqlite3_stmt *tq_ledger_statement(TqLedger *l, TqLedgerQuery q);

/* The number in the first row of a query; an SQLite result code. */
int tq_ledger_number(TqLedger *l, const char *sql, int64_t *ret);

/* How much of the file is kept in memory, at most: 16 MiB. */
#define TQ_LEDGER_CACHE "PRAGMA cache_size=-16384;"

static inline const char *tq_ledger_text(sqlite3_stmt *s, int i) {
        return (const char *)sqlite3_column_text(s, i);
}

/* Beyond 2^63 a number is cut: SQLite's integers are signed. Read, that is without bound again. */
static inline uint64_t tq_ledger_u64(sqlite3_stmt *s, int i) {
        int64_t v = sqlite3_column_int64(s, i);

        return v == INT64_MAX ? UINT64_MAX : (uint64_t)TQ_MAX(v, INT64_C(0));
}

void tq_ledger_bind_u64(sqlite3_stmt *s, int i, uint64_t v);

/* NULL stays NULL; the text must stay until the statement is reset. */
static inline void tq_ledger_bind_text(sqlite3_stmt *s, int i, const char *text) {
        if (text)
                (void)sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

/* This boot, and a time of its CLOCK_BOOTTIME. */
void tq_ledger_bind_boot(sqlite3_stmt *s, int i, const TqLedger *l, uint64_t boottime_usec);
/* The time in such a column, if it is of this boot. */
bool tq_ledger_boottime(const TqLedger *l, sqlite3_stmt *s, int i, uint64_t *ret);

/* ledger_audit.c */
int tq_ledger_apply_audit(TqLedger *l, const TqLedgerOp *op);
int tq_ledger_apply_policy(TqLedger *l, const TqLedgerOp *op);
int tq_ledger_apply_limit(TqLedger *l, const TqLedgerOp *op);
int tq_ledger_apply_forget_audit(TqLedger *l, const TqLedgerOp *op);

/* ledger_lineage.c: the word of a kind. */
const char *tq_ledger_tie_to_string(TqJobTie kind);

/* ledger_history.c */
int tq_ledger_apply_forget(TqLedger *l, const TqLedgerOp *op);
int tq_ledger_apply_forget_events(TqLedger *l, const TqLedgerOp *op);
int tq_ledger_apply_erase(TqLedger *l, const TqLedgerOp *op);
int tq_ledger_apply_erased(TqLedger *l, const TqLedgerOp *op);

/* ledger_place.c: what lies at a ledger's path. */
#define TQ_LEDGER_MARK_SUFFIX   "-open"   /* while it is */
#define TQ_LEDGER_BACKUP_SUFFIX "-backup" /* a copy that is being opened */

typedef struct TqLedgerPlace {
        bool was_closed; /* by us, as it lies there */
} TqLedgerPlace;

/* The path with a suffix; the caller frees. NULL: out of memory. */
char *tq_ledger_place_beside(const char *path, const char *suffix);
/* Before it is opened. -EBADMSG: what is there does not belong together, or is not all. */
int tq_ledger_place_check(const char *path, TqLedgerPlace *ret, TqError *err);
int tq_ledger_place_mark(const char *path);
int tq_ledger_place_unmark(const char *path);
void tq_ledger_place_clear(const char *path);
/* The error of a ledger that is not to be used as it is, and what to do; returns code. */
int tq_ledger_advise(TqError *err, int code, const char *path, const char *what);
