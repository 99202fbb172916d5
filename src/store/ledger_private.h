/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include "store/ledger.h"

/* What ledger.c (opening and changing) and ledger_read.c share. */

typedef enum TqLedgerQuery {
        Q_BEGIN,
        Q_COMMIT,
        Q_ROLLBACK,
        Q_TENANT,
        Q_ACCEPT,
        Q_RUNNING_ATTEMPT,
        Q_RUNNING_JOB,
        Q_STOP,
        Q_REQUEUE,
        Q_DONE_JOB,
        Q_DONE_ATTEMPT,
        Q_EVENT,
        Q_LIMIT,
        Q_HOLD,
        Q_SWITCH,
        Q_HAS_CLAIM,
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
        dev_t device; /* when it was opened */
        ino_t inode;
} TqLedgerFile;

struct TqLedger {
        sqlite3 *db;
        sqlite3_stmt *statements[_Q_MAX];
        uint8_t boot_id[16];
        TqLedgerFile file, log;
};

/* An SQLite result code as negative errno; 0 for SQLITE_OK, _ROW and _DONE. */
int tq_ledger_errno(int rc);

/* A prepared statement, reset and without bindings. */
sqlite3_stmt *tq_ledger_statement(TqLedger *l, TqLedgerQuery q);

/* The number in the first row of a query; an SQLite result code. */
int tq_ledger_number(TqLedger *l, const char *sql, int64_t *ret);

/* Beyond 2^63 it is cut: SQLite's integers are signed. */
void tq_ledger_bind_u64(sqlite3_stmt *s, int i, uint64_t v);
