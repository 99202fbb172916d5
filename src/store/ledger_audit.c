/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include "store/ledger_private.h"

/* What was changed, by whom and why, and what is set since. The rows of the audit are the history
 * of the limits, too: what was set at a revision is what is set now, but for the names that were
 * changed since, each as its first change after that revision found it. So it can be told as long
 * as the rows behind it are there, however many before it were forgotten. What is set for some time
 * counts as what stands behind it. */

/* The row's own hash is made of what the table has of it: RETURNING. */
static int insert_row(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_AUDIT);
        int rc;

        tq_ledger_bind_u64(s, 1, l->chain.id + 1);
        tq_ledger_bind_u64(s, 2, op->time_usec);
        tq_ledger_bind_text(s, 3, op->kind);
        tq_ledger_bind_u64(s, 4, op->tenant);
        tq_ledger_bind_text(s, 5, op->audit.tenant_name);
        tq_ledger_bind_text(s, 6, op->audit.queue);
        tq_ledger_bind_u64(s, 7, op->job);
        tq_ledger_bind_u64(s, 8, op->uid);
        tq_ledger_bind_u64(s, 9, op->audit.login_uid);
        tq_ledger_bind_text(s, 10, op->audit.session);
        tq_ledger_bind_text(s, 11, op->audit.sudo_user);
        tq_ledger_bind_u64(s, 12, op->audit.revision);
        tq_ledger_bind_u64(s, 13, op->audit.policy);
        tq_ledger_bind_text(s, 14, op->audit.name);
        tq_ledger_bind_text(s, 15, op->audit.old_value);
        tq_ledger_bind_text(s, 16, op->audit.old_set);
        tq_ledger_bind_text(s, 17, op->audit.new_value);
        tq_ledger_bind_u64(s, 18, op->audit.until_usec);
        tq_ledger_bind_text(s, 19, op->audit.kernel);
        tq_ledger_bind_text(s, 20, op->audit.about);
        tq_ledger_bind_text(s, 21, op->text);
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
                tq_chain_link(&l->chain, s);
                rc = sqlite3_step(s);
        }
        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

static int put_hash(TqLedger *l, TqLedgerQuery q) {
        sqlite3_stmt *s = tq_ledger_statement(l, q);

        tq_ledger_bind_u64(s, 1, l->chain.id);
        (void)sqlite3_bind_blob(s, 2, l->chain.hash, TQ_CHAIN_HASH, SQLITE_STATIC);
        return tq_ledger_run(s);
}

int tq_ledger_apply_audit(TqLedger *l, const TqLedgerOp *op) {
        int r = insert_row(l, op);

        if (r >= 0)
                r = put_hash(l, Q_AUDIT_HASH);
        return r < 0 ? r : put_hash(l, Q_CHAIN);
}

int tq_ledger_apply_limit(TqLedger *l, const TqLedgerOp *op) {
        bool stays = op->limit.value || op->limit.until_usec > 0;
        sqlite3_stmt *s = tq_ledger_statement(l, stays ? Q_LIMIT : Q_LIMIT_GONE);
        int r;

        tq_ledger_bind_u64(s, 1, op->tenant);
        tq_ledger_bind_text(s, 2, op->limit.queue);
        tq_ledger_bind_text(s, 3, op->limit.name);
        if (stays) {
                tq_ledger_bind_text(s, 4, op->limit.value);
                tq_ledger_bind_u64(s, 5, op->limit.revision);
        }
        if (op->limit.until_usec > 0) {
                tq_ledger_bind_u64(s, 6, op->limit.until_usec);
                tq_ledger_bind_boot(s, 7, l, op->limit.until_boottime_usec);
                tq_ledger_bind_text(s, 8, op->limit.back);
        }
        r = tq_ledger_run(s);
        if (r < 0)
                return r;
        s = tq_ledger_statement(l, Q_REVISION);
        tq_ledger_bind_u64(s, 1, op->tenant);
        tq_ledger_bind_u64(s, 2, op->limit.revision);
        return tq_ledger_run(s);
}

int tq_ledger_apply_forget_audit(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_FORGET_AUDIT_TO);
        int r;

        tq_ledger_bind_u64(s, 1, op->forget.before_usec);
        tq_ledger_bind_u64(s, 2, TQ_LEDGER_EVENTS_AT_ONCE);
        r = tq_ledger_run(s);
        return r < 0 ? r : tq_ledger_run(tq_ledger_statement(l, Q_FORGET_AUDIT));
}

int tq_ledger_apply_policy(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_POLICY);
        int r;

        tq_ledger_bind_u64(s, 1, op->policy.version);
        tq_ledger_bind_u64(s, 2, op->time_usec);
        tq_ledger_bind_u64(s, 3, op->uid);
        tq_ledger_bind_u64(s, 4, op->policy.tenants);
        tq_ledger_bind_text(s, 5, op->policy.about);
        tq_ledger_bind_text(s, 6, op->text);
        tq_ledger_bind_text(s, 7, op->policy.spec);
        r = tq_ledger_run(s);
        if (r < 0)
                return r;
        s = tq_ledger_statement(l, Q_POLICY_GONE);
        tq_ledger_bind_u64(s, 1, tq_sub_u64(op->policy.version, TQ_LEDGER_POLICIES));
        return tq_ledger_run(s);
}

/* What was set -------------------------------------------------------------------------------- */

/* 0: the tenant's limits were at that revision, and all that came after it is there. */
static int check_revision(TqLedger *l, uint32_t tenant, uint64_t revision) {
        static const char sql[] =
                "SELECT EXISTS(SELECT 1 FROM audit WHERE tenant = ?1 AND revision = ?2),"
                " EXISTS(SELECT 1 FROM chain WHERE what = 'before'),"
                " (SELECT revision FROM tenants WHERE id = ?1)";
        bool is_there = false, is_pruned = false;
        uint64_t last = 0;
        sqlite3_stmt *s;
        int rc;

        rc = sqlite3_prepare_v2(l->db, sql, -1, &s, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        tq_ledger_bind_u64(s, 1, tenant);
        tq_ledger_bind_u64(s, 2, revision);
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
                is_there = sqlite3_column_int(s, 0) != 0;
                is_pruned = sqlite3_column_int(s, 1) != 0;
                last = tq_ledger_u64(s, 2);
        }
        (void)sqlite3_finalize(s);
        if (rc != SQLITE_ROW)
                return tq_ledger_errno(rc);
        if (is_there || revision == last || (revision == 0 && !is_pruned))
                return 0;
        return is_pruned && revision < last ? -ESTALE : -ENOENT;
}

/* Of all rows the columns of the table, as texts. Finalizes s. */
static int take_rows(sqlite3_stmt *s, TqTable *table, TqTable *ret) {
        int rc = SQLITE_DONE, r = 0;

        while (r >= 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                r = tq_table_add_row(table);
                for (size_t i = 0; r >= 0 && i < table->n_columns; i++)
                        r = tq_table_set_text(table, i, tq_ledger_text(s, (int)i));
        }
        (void)sqlite3_finalize(s);
        if (r >= 0)
                r = tq_ledger_errno(rc);
        if (r < 0)
                return r;
        *ret = *table;
        *table = (TqTable){};
        return 0;
}

/* TQ_LEDGER_NOW, as it is bound. */
#define NOW "9223372036854775807"
/* What was set at a revision, without an end: as the first change behind it found it, else as it is
 * set now; or now, be it for some time. */
#define SET_AT(n)                                                                                  \
        "(SELECT iif(c.id IS NULL, iif(l.until_usec IS NULL OR " n " = " NOW ", l.value, "         \
        "l.back_value), c.old_set) "                                                               \
        "FROM (SELECT 1) LEFT JOIN audit c ON c.id "                                               \
        "="                                                                                        \
        " (SELECT b.id FROM audit b WHERE b.tenant = ?1 AND b.revision > " n                       \
        " AND b.name = a.name"                                                                     \
        " AND coalesce(b.queue, '') = a.queue ORDER BY b.revision LIMIT 1))"

int tq_ledger_before_revision(TqLedger *l, uint32_t tenant, uint64_t revision, TqTable *ret) {
        static const char sql[] = "SELECT queue, name, old_set FROM audit "
                                  "WHERE tenant = ?1 AND revision = ?2 ORDER BY id";
        static const char *const columns[] = { "queue", "limit", "then" };
        TQ_TABLE_CLEANUP TqTable table = {};
        sqlite3_stmt *s;
        int rc, r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));

        if (r < 0)
                return r;
        rc = sqlite3_prepare_v2(l->db, sql, -1, &s, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        tq_ledger_bind_u64(s, 1, tenant);
        tq_ledger_bind_u64(s, 2, revision);
        return take_rows(s, &table, ret);
}

int tq_ledger_limits_at(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        static const char sql[] =
                "SELECT nullif(queue, ''), name, a_set, b_set FROM (SELECT a.queue AS queue, "
                "a.name AS name, " SET_AT("?2") " AS a_set, " SET_AT(
                        "?3") " AS b_set FROM"
                              " (SELECT coalesce(queue, '') AS queue, name FROM audit WHERE"
                              " tenant = ?1 AND revision > min(?2, ?3) UNION SELECT queue, name"
                              " FROM limits WHERE tenant = ?1 AND until_usec IS NOT NULL) a"
                              " LEFT JOIN limits l"
                              " ON l.tenant = ?1 AND l.queue = a.queue AND l.name = a.name)"
                              " WHERE a_set IS NOT b_set ORDER BY 1, 2";
        static const char *const columns[] = { "queue", "limit", "then", "now" };
        TQ_TABLE_CLEANUP TqTable table = {};
        uint32_t tenant = (uint32_t)TQ_MAX(f->tenant, INT64_C(0));
        sqlite3_stmt *s;
        int rc, r = check_revision(l, tenant, f->before);

        if (r >= 0 && f->other != TQ_LEDGER_NOW)
                r = check_revision(l, tenant, f->other);
        if (r >= 0)
                r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        if (r < 0)
                return r;
        rc = sqlite3_prepare_v2(l->db, sql, -1, &s, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        tq_ledger_bind_u64(s, 1, tenant);
        tq_ledger_bind_u64(s, 2, f->before);
        tq_ledger_bind_u64(s, 3, f->other);
        return take_rows(s, &table, ret);
}
