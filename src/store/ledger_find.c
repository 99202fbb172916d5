/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <string.h>

#include "store/ledger_private.h"

/* What is looked up of one job, while others run: statements that are prepared. */

static int look_up(TqLedger *l, TqLedgerQuery q, uint32_t tenant, uint64_t job, const char *name,
                   uint64_t before, uint64_t *ret_job, TqLedgerFate *ret) {
        sqlite3_stmt *s = tq_ledger_statement(l, q);
        int rc;

        tq_ledger_bind_u64(s, 1, tenant);
        if (q == Q_AFTER_JOB)
                tq_ledger_bind_u64(s, 2, job);
        else {
                (void)sqlite3_bind_text(s, 3, name, -1, SQLITE_STATIC);
                tq_ledger_bind_u64(s, 4, before);
        }
        rc = sqlite3_step(s);
        *ret_job = 0;
        *ret = TQ_FATE_FAILED;
        if (rc == SQLITE_ROW) {
                const char *outcome = tq_ledger_text(s, 2);

                *ret_job = tq_ledger_u64(s, 0);
                if (strcmp(tq_ledger_text(s, 1), "done") != 0)
                        *ret = TQ_FATE_LIVE;
                else if (outcome && strcmp(outcome, "exit") == 0 && sqlite3_column_int(s, 3) == 0)
                        *ret = TQ_FATE_WELL;
        }
        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

int tq_ledger_fate(TqLedger *l, uint32_t tenant, uint64_t job, const char *name, uint64_t before,
                   uint64_t *ret_job, TqLedgerFate *ret) {
        int r;

        if (job > 0)
                return look_up(l, Q_AFTER_JOB, tenant, job, name, before, ret_job, ret);
        r = look_up(l, Q_AFTER_NAME, tenant, job, name, before, ret_job, ret);
        if (r >= 0 && *ret_job == 0)
                r = look_up(l, Q_AFTER_NEXT, tenant, job, name, before, ret_job, ret);
        return r;
}

int tq_ledger_has_claim(TqLedger *l, uint64_t claim) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_HAS_CLAIM);
        int rc;

        tq_ledger_bind_u64(s, 1, claim);
        rc = sqlite3_step(s);
        (void)sqlite3_reset(s);
        return rc == SQLITE_ROW ? 1 : tq_ledger_errno(rc);
}

int tq_ledger_find_key(TqLedger *l, uint32_t tenant, const char *key, uint64_t since_usec,
                       uint64_t *ret_job) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_FIND_KEY);
        int rc;

        tq_ledger_bind_u64(s, 1, tenant);
        (void)sqlite3_bind_text(s, 2, key, -1, SQLITE_STATIC);
        tq_ledger_bind_u64(s, 3, since_usec);
        rc = sqlite3_step(s);
        *ret_job = rc == SQLITE_ROW ? tq_ledger_u64(s, 0) : 0;
        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

int tq_ledger_spec(TqLedger *l, uint64_t job, char **ret, size_t *ret_size) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_SPEC);
        TQ_FREE char *copy = NULL;
        size_t size;
        int rc;

        tq_ledger_bind_u64(s, 1, job);
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW) {
                (void)sqlite3_reset(s);
                return rc == SQLITE_DONE ? -ENOENT : tq_ledger_errno(rc);
        }
        size = (size_t)sqlite3_column_bytes(s, 0);
        copy = malloc(size + 1);
        if (copy && size > 0)
                memcpy(copy, sqlite3_column_blob(s, 0), size);
        (void)sqlite3_reset(s);
        if (!copy)
                return -ENOMEM;
        copy[size] = '\0';
        *ret_size = size;
        *ret = TQ_TAKE_PTR(copy);
        return 0;
}
