/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include "store/ledger_private.h"

/* What has ended is forgotten in small pieces: read by the number of a tenant's jobs, in the order
 * in which they came, so that no index is kept for it; and removed within commits that others wait
 * for, a few rows each. What a job has used goes to the sums of its day.
 *
 * Two rows stay whatever their age: the newest job's and that of the highest claim, from which the
 * numbers go on that are given out after a restart. */

int tq_ledger_apply_forget(TqLedger *l, const TqLedgerOp *op) {
        static const TqLedgerQuery queries[] = { Q_FORGET_SUM, Q_FORGET_ATTEMPTS, Q_FORGET_JOB };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(queries); i++) {
                sqlite3_stmt *s = tq_ledger_statement(l, queries[i]);

                tq_ledger_bind_u64(s, 1, op->job);
                tq_ledger_bind_u64(s, 2, op->forget.ended_usec);
                r = tq_ledger_run(s);
        }
        return r;
}

int tq_ledger_apply_forget_events(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_FORGET_EVENTS);

        tq_ledger_bind_u64(s, 1, op->forget.before_usec);
        tq_ledger_bind_u64(s, 2, op->forget.most);
        tq_ledger_bind_u64(s, 3, TQ_LEDGER_EVENTS_AT_ONCE);
        return tq_ledger_run(s);
}

/* A whole tenant --------------------------------------------------------------------------------
 */

static int run_with_tenant(TqLedger *l, TqLedgerQuery q, const TqLedgerOp *op, uint64_t most) {
        sqlite3_stmt *s = tq_ledger_statement(l, q);

        if (op)
                tq_ledger_bind_u64(s, 1, op->tenant);
        if (most > 0)
                tq_ledger_bind_u64(s, 2, most);
        return tq_ledger_run(s);
}

int tq_ledger_apply_erase(TqLedger *l, const TqLedgerOp *op) {
        int r = run_with_tenant(l, Q_FLOOR_JOB, NULL, 0);

        if (r >= 0)
                r = run_with_tenant(l, Q_FLOOR_CLAIM, NULL, 0);
        if (r >= 0)
                r = run_with_tenant(l, Q_ERASE_ATTEMPTS, op, op->forget.most);
        return r < 0 ? r : run_with_tenant(l, Q_ERASE_JOBS, op, op->forget.most);
}

int tq_ledger_apply_erased(TqLedger *l, const TqLedgerOp *op) {
        static const TqLedgerQuery queries[] = { Q_ERASE_DAYS,     Q_ERASE_LIMITS,
                                                 Q_ERASE_FILES,    Q_ERASE_SWITCHES,
                                                 Q_ERASE_STANDING, Q_ERASE_ROLLOUT,
                                                 Q_ERASED };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(queries); i++)
                r = run_with_tenant(l, queries[i], op, 0);
        return r;
}

static int count(TqLedger *l, TqLedgerQuery q, uint32_t tenant, uint64_t *ret) {
        sqlite3_stmt *s = tq_ledger_statement(l, q);
        int rc;

        tq_ledger_bind_u64(s, 1, tenant);
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
                *ret = tq_ledger_u64(s, 0);
        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

int tq_ledger_count_others(TqLedger *l, uint32_t tenant, uint64_t *ret_dead, uint64_t *ret_limits) {
        int r = count(l, Q_COUNT_DEAD, tenant, ret_dead);

        return r < 0 ? r : count(l, Q_COUNT_LIMITS, tenant, ret_limits);
}

/* What is old -----------------------------------------------------------------------------------
 */

int tq_ledger_count_jobs(TqLedger *l, uint32_t tenant, uint64_t after, size_t most, size_t *ret_n,
                         uint64_t *ret_last) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_COUNT_JOBS);
        int rc;

        tq_ledger_bind_u64(s, 1, tenant);
        tq_ledger_bind_u64(s, 2, after);
        tq_ledger_bind_u64(s, 3, most);
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
                *ret_n = tq_ledger_u64(s, 0);
                *ret_last = tq_ledger_u64(s, 1);
        }
        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

static sqlite3_stmt *ask_old(TqLedger *l, TqLedgerQuery q, const TqLedgerOld *o, size_t most) {
        sqlite3_stmt *s = tq_ledger_statement(l, q);

        tq_ledger_bind_u64(s, 1, o->tenant);
        tq_ledger_bind_u64(s, 2, o->after);
        tq_ledger_bind_u64(s, 3, most);
        tq_ledger_bind_u64(s, 4, o->now_usec);
        tq_ledger_bind_u64(s, 5, o->keep_usec);
        tq_ledger_bind_u64(s, 6, o->dead_before_usec);
        tq_ledger_bind_u64(s, 7, o->key_before_usec);
        return s;
}

int tq_ledger_count_old(TqLedger *l, const TqLedgerOld *o, size_t most, TqLedgerOldCount *ret) {
        sqlite3_stmt *s = ask_old(l, Q_COUNT_OLD, o, most);
        int rc = sqlite3_step(s);

        if (rc == SQLITE_ROW)
                *ret = (TqLedgerOldCount){
                        .rows = tq_ledger_u64(s, 0),
                        .last = tq_ledger_u64(s, 1),
                        .may = { { tq_ledger_u64(s, 2), tq_ledger_u64(s, 3) },
                                 { tq_ledger_u64(s, 4), tq_ledger_u64(s, 5) } },
                };
        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

int tq_ledger_old_jobs(TqLedger *l, const TqLedgerOld *o, TqLedgerOldJob *ret, size_t *ret_n) {
        sqlite3_stmt *s = ask_old(l, Q_OLD_JOBS, o, TQ_LEDGER_OLD_MOST);
        size_t n = 0;
        int rc;

        while ((rc = sqlite3_step(s)) == SQLITE_ROW)
                ret[n++] = (TqLedgerOldJob){
                        .job = tq_ledger_u64(s, 0),
                        .submitted_usec = tq_ledger_u64(s, 1),
                        .ended_usec = tq_ledger_u64(s, 2),
                        .may_go = sqlite3_column_int(s, 3) != 0,
                        .is_kept = sqlite3_column_int(s, 4) != 0,
                        .bytes = tq_ledger_u64(s, 5),
                        .attempts = (unsigned)sqlite3_column_int(s, 6),
                };
        (void)sqlite3_reset(s);
        *ret_n = n;
        return tq_ledger_errno(rc);
}

int tq_ledger_has_old_audit(TqLedger *l, uint64_t before_usec) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_OLD_AUDIT);
        int rc;

        tq_ledger_bind_u64(s, 1, before_usec);
        tq_ledger_bind_u64(s, 2, 1);
        rc = sqlite3_step(s);
        (void)sqlite3_reset(s);
        return rc == SQLITE_ROW ? 1 : tq_ledger_errno(rc);
}

int tq_ledger_has_old_events(TqLedger *l, uint64_t before_usec, uint64_t most) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_OLD_EVENTS);
        int rc;

        tq_ledger_bind_u64(s, 1, before_usec);
        tq_ledger_bind_u64(s, 2, most);
        rc = sqlite3_step(s);
        (void)sqlite3_reset(s);
        return rc == SQLITE_ROW ? 1 : tq_ledger_errno(rc);
}
