/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <string.h>

#include "core/standing.h"
#include "store/ledger_private.h"

/* What each change becomes in the tables. Many share one commit (tq_ledger_apply); so an accepted
 * job costs a fraction of an fsync when there are many, and one when it is alone. */

static const char *const endings[_TQ_ENDING_MAX] = {
        [TQ_ENDING_NONE] = "",           [TQ_ENDING_REMOVE] = "remove",
        [TQ_ENDING_CANCEL] = "cancel",   [TQ_ENDING_DELETE] = "delete",
        [TQ_ENDING_RENAME] = "rename",   [TQ_ENDING_CHOWN] = "chown",
        [TQ_ENDING_REMOVED] = "removed",
};

const char *tq_ledger_ending_to_string(TqLedgerEnding e) {
        return endings[e];
}

TqLedgerEnding tq_ledger_ending_from_string(const char *word) {
        for (int i = 0; word && i < _TQ_ENDING_MAX; i++)
                if (strcmp(word, endings[i]) == 0)
                        return (TqLedgerEnding)i;
        return TQ_ENDING_NONE;
}

void tq_ledger_op_done(TqLedgerOp *op) {
        free(op->text);
        free(op->user);
        if (op->type == TQ_LEDGER_ACCEPT) {
                free(op->accept.name);
                free(op->accept.correlation_id);
                free(op->accept.labels);
                free(op->accept.trace_parent);
                free(op->accept.ties);
                free(op->accept.after);
                free(op->accept.retry);
                free(op->accept.key);
                free(op->accept.spec);
        } else if (op->type == TQ_LEDGER_LIMIT) {
                free(op->limit.name);
                free(op->limit.value);
                free(op->limit.back);
        } else if (op->type == TQ_LEDGER_POLICY) {
                free(op->policy.about);
                free(op->policy.spec);
        } else if (op->type == TQ_LEDGER_AUDIT) {
                free(op->audit.tenant_name);
                free(op->audit.session);
                free(op->audit.sudo_user);
                free(op->audit.name);
                free(op->audit.old_value);
                free(op->audit.old_set);
                free(op->audit.new_value);
                free(op->audit.kernel);
                free(op->audit.about);
        } else if (op->type == TQ_LEDGER_STANDING)
                free(op->standing.averages);
        *op = (TqLedgerOp){};
}
/* Counters nobody could read are NULL; beyond 2^63 they are cut. */
static void bind_counter(sqlite3_stmt *s, int i, uint64_t v) {
        if (v != TQ_UNKNOWN)
                (void)sqlite3_bind_int64(s, i, (int64_t)TQ_MIN(v, (uint64_t)INT64_MAX));
}

static int insert_ties(TqLedger *l, const TqLedgerOp *op) {
        int r = 0;

        for (const char *tie = op->accept.ties; r >= 0 && *tie; tie += strlen(tie) + 1) {
                sqlite3_stmt *s = tq_ledger_statement(l, Q_TIE);

                tq_ledger_bind_u64(s, 1, op->job);
                tq_ledger_bind_text(s, 2, tq_ledger_tie_to_string((TqJobTie)tie[0]));
                tq_ledger_bind_text(s, 3, tie + 1);
                tq_ledger_bind_u64(s, 4, op->tenant);
                r = tq_ledger_run(s);
        }
        return r;
}

static int apply_accept(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_ACCEPT);
        int r;

        tq_ledger_bind_u64(s, 1, op->job);
        if (op->accept.claim > 0)
                tq_ledger_bind_u64(s, 2, op->accept.claim);
        tq_ledger_bind_u64(s, 3, op->tenant);
        tq_ledger_bind_text(s, 4, op->accept.queue);
        tq_ledger_bind_text(s, 5, op->accept.name);
        (void)sqlite3_bind_int(s, 6, op->accept.priority);
        tq_ledger_bind_u64(s, 7, op->time_usec);
        tq_ledger_bind_u64(s, 8, op->uid);
        if (op->accept.start_after_usec > 0)
                tq_ledger_bind_u64(s, 9, op->accept.start_after_usec);
        tq_ledger_bind_text(s, 10, op->accept.correlation_id);
        tq_ledger_bind_text(s, 11, op->accept.labels);
        (void)sqlite3_bind_blob64(s, 12, op->accept.spec, op->accept.spec_size, SQLITE_STATIC);
        if (op->accept.has_deadline)
                tq_ledger_bind_u64(s, 13, op->accept.deadline_usec);
        tq_ledger_bind_text(s, 14, op->accept.after);
        tq_ledger_bind_u64(s, 15, op->accept.runtime_usec);
        tq_ledger_bind_u64(s, 16, op->accept.stop_usec);
        tq_ledger_bind_u64(s, 17, op->accept.memory_bytes);
        tq_ledger_bind_text(s, 18, op->accept.retry);
        if (op->accept.keep_usec > 0)
                tq_ledger_bind_u64(s, 19, op->accept.keep_usec);
        tq_ledger_bind_text(s, 20, op->accept.key);
        tq_ledger_bind_text(s, 21, op->accept.trace_parent);
        r = tq_ledger_run(s);
        /* A claim that is there already is no job of this number. */
        return r >= 0 && op->accept.ties && sqlite3_changes(l->db) > 0 ? insert_ties(l, op) : r;
}

/* The boot, and the time in it. */
static int insert_attempt(TqLedger *l, TqLedgerQuery q, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, q);

        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_u64(s, 2, op->attempt);
        tq_ledger_bind_boot(s, 3, l, op->boottime_usec);
        tq_ledger_bind_u64(s, 4, op->time_usec);
        return tq_ledger_run(s);
}

static int apply_running(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s;
        int r = insert_attempt(l, Q_RUNNING_ATTEMPT, op);

        if (r < 0)
                return r;
        s = tq_ledger_statement(l, Q_RUNNING_JOB);
        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_u64(s, 2, op->attempt);
        return tq_ledger_run(s);
}

/* When it ended, by its record or else by us. */
static uint64_t ended_at(const TqLedgerOp *op) {
        return op->verdict.end.ended_usec > 0 ? op->verdict.end.ended_usec : op->time_usec;
}

static int end_attempt(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_DONE_ATTEMPT);
        const TqEnd *e = &op->verdict.end;
        char text[160];

        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_u64(s, 2, op->attempt);
        if (e->started_usec > 0) {
                tq_ledger_bind_u64(s, 3, e->started_usec);
                tq_ledger_bind_u64(s, 5, e->run_usec);
        }
        tq_ledger_bind_u64(s, 4, ended_at(op));
        tq_ledger_bind_text(s, 6, tq_verdict_format(&op->verdict, text, sizeof(text)));
        bind_counter(s, 7, e->counters.cpu_usec);
        bind_counter(s, 8, e->counters.memory_peak_bytes);
        bind_counter(s, 9, e->counters.oom_kills);
        bind_counter(s, 10, e->counters.io_read_bytes);
        bind_counter(s, 11, e->counters.io_write_bytes);
        bind_counter(s, 12, e->counters.pids_peak);
        bind_counter(s, 13, e->counters.pids_denied);
        tq_ledger_bind_u64(s, 14, e->dropped_bytes);
        tq_ledger_bind_u64(s, 15, e->is_silent);
        return tq_ledger_run(s);
}

static int apply_due(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_DUE);

        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_u64(s, 2, op->again_usec);
        return tq_ledger_run(s);
}

static int apply_retry(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_RETRY_JOB);
        int r;

        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_u64(s, 2, op->attempt);
        tq_ledger_bind_u64(s, 3, op->failures);
        tq_ledger_bind_u64(s, 4, op->again_usec);
        r = tq_ledger_run(s);
        if (r >= 0)
                r = insert_attempt(l, Q_RETRY_ATTEMPT, op);
        return r < 0 ? r : end_attempt(l, op);
}

static int apply_done(TqLedger *l, const TqLedgerOp *op) {
        const TqVerdict *v = &op->verdict;
        sqlite3_stmt *s = tq_ledger_statement(l, Q_DONE_JOB);
        char text[160];
        int r;

        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_text(s, 2, tq_verdict_outcome_to_string(v->outcome));
        if (v->level != TQ_LEVEL_NONE)
                tq_ledger_bind_text(s, 3, tq_verdict_level_to_string(v->level));
        if (v->stage != TQ_STAGE_NONE)
                tq_ledger_bind_text(s, 4, tq_verdict_stage_to_string(v->stage));
        (void)sqlite3_bind_int(s, 5, v->code);
        tq_ledger_bind_text(s, 6, tq_verdict_format(v, text, sizeof(text)));
        tq_ledger_bind_u64(s, 7, ended_at(op));
        if (op->stop != TQ_STOP_NONE)
                tq_ledger_bind_text(s, 8, tq_verdict_stop_to_string(op->stop));
        (void)sqlite3_bind_int(s, 9, op->is_dead);
        r = tq_ledger_run(s);
        return r < 0 ? r : end_attempt(l, op);
}

static int apply_event(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_EVENT);

        tq_ledger_bind_u64(s, 1, op->time_usec);
        tq_ledger_bind_text(s, 2, op->kind);
        tq_ledger_bind_u64(s, 3, op->tenant);
        tq_ledger_bind_u64(s, 4, op->job);
        tq_ledger_bind_u64(s, 5, op->uid);
        tq_ledger_bind_text(s, 6, op->text ? op->text : "");
        return tq_ledger_run(s);
}

static int apply_hold(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_HOLD);

        tq_ledger_bind_u64(s, 1, op->job);
        (void)sqlite3_bind_int(s, 2, op->hold.level);
        return tq_ledger_run(s);
}

static int apply_crash(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_CRASH);

        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_text(s, 2, op->text);
        (void)sqlite3_bind_int(s, 3, TQ_CRASHES_MOST);
        (void)sqlite3_bind_int(s, 4, TQ_HOLD_ADMIN);
        return tq_ledger_run(s);
}

static int apply_quarantine(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_QUARANTINE);

        tq_ledger_bind_u64(s, 1, op->job);
        tq_ledger_bind_text(s, 2, op->text);
        (void)sqlite3_bind_int(s, 3, TQ_HOLD_ADMIN);
        return tq_ledger_run(s);
}

static int apply_files(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_FILES);

        tq_ledger_bind_u64(s, 1, op->tenant);
        tq_ledger_bind_text(s, 2, op->text);
        return tq_ledger_run(s);
}

static int apply_rollout(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_ROLLOUT);

        tq_ledger_bind_u64(s, 1, op->tenant);
        tq_ledger_bind_u64(s, 2, op->rollout.revision);
        tq_ledger_bind_u64(s, 3, op->rollout.begun_usec);
        tq_ledger_bind_u64(s, 4, op->rollout.span_usec);
        tq_ledger_bind_u64(s, 5, op->rollout.percent);
        if (op->rollout.has_cpu) {
                tq_ledger_bind_u64(s, 6, op->rollout.cpu_usec);
                tq_ledger_bind_u64(s, 7, op->rollout.throttled_usec);
        }
        if (op->rollout.has_before) {
                tq_ledger_bind_u64(s, 8, op->rollout.before_cpu_usec);
                tq_ledger_bind_u64(s, 9, op->rollout.before_throttled_usec);
        }
        if (op->rollout.has_boottime)
                tq_ledger_bind_boot(s, 10, l, op->rollout.begun_boottime_usec);
        return tq_ledger_run(s);
}

static int apply_switch(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_SWITCH);

        tq_ledger_bind_u64(s, 1, op->tenant);
        tq_ledger_bind_text(s, 2, op->hold.queue);
        (void)sqlite3_bind_int(s, 3, op->hold.switches.is_paused);
        (void)sqlite3_bind_int(s, 4, op->hold.switches.is_draining);
        tq_ledger_bind_u64(s, 5, op->time_usec);
        tq_ledger_bind_u64(s, 6, op->uid);
        tq_ledger_bind_text(s, 7, op->text);
        return tq_ledger_run(s);
}

static int apply_ending(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_ENDING);

        tq_ledger_bind_u64(s, 1, op->tenant);
        if (op->ending.what == TQ_ENDING_NONE)
                return tq_ledger_run(s);
        tq_ledger_bind_text(s, 2, tq_ledger_ending_to_string(op->ending.what));
        if (op->ending.to[0] != '\0')
                tq_ledger_bind_text(s, 3, op->ending.to);
        tq_ledger_bind_u64(s, 4, op->uid);
        tq_ledger_bind_text(s, 5, op->text);
        return tq_ledger_run(s);
}

static int apply_rename(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_RENAME);

        tq_ledger_bind_u64(s, 1, op->tenant);
        tq_ledger_bind_text(s, 2, op->text);
        return tq_ledger_run(s);
}

static int apply_standing(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_STANDING);

        tq_ledger_bind_u64(s, 1, op->tenant);
        tq_ledger_bind_u64(s, 2, op->time_usec);
        tq_ledger_bind_boot(s, 3, l, op->boottime_usec);
        tq_ledger_bind_text(s, 4, op->standing.pool);
        tq_ledger_bind_text(s, 5, tq_presence_to_string(op->standing.presence));
        tq_ledger_bind_u64(s, 6, op->standing.tag);
        tq_ledger_bind_u64(s, 7, op->standing.largest_advance);
        tq_ledger_bind_u64(s, 8, op->standing.turn);
        if (op->standing.usage > TQ_HISTORY_NONE)
                (void)sqlite3_bind_double(s, 9, op->standing.usage);
        if (op->standing.averages)
                (void)sqlite3_bind_blob64(s, 10, op->standing.averages, op->standing.averages_size,
                                          SQLITE_STATIC);
        return tq_ledger_run(s);
}

static int apply_pool(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, Q_POOL);

        tq_ledger_bind_text(s, 1, op->pool.name);
        tq_ledger_bind_u64(s, 2, op->time_usec);
        tq_ledger_bind_boot(s, 3, l, op->boottime_usec);
        tq_ledger_bind_u64(s, 4, op->pool.vtime);
        tq_ledger_bind_u64(s, 5, op->pool.largest_charge);
        if (op->pool.is_contended)
                tq_ledger_bind_u64(s, 6, op->pool.contended_usec);
        return tq_ledger_run(s);
}

/* What needs no more than the job's number. */
static int apply_to_job(TqLedger *l, TqLedgerQuery q, const TqLedgerOp *op) {
        sqlite3_stmt *s = tq_ledger_statement(l, q);

        tq_ledger_bind_u64(s, 1, op->job);
        return tq_ledger_run(s);
}

static int apply_one(TqLedger *l, const TqLedgerOp *op) {
        sqlite3_stmt *s;

        switch (op->type) {
        case TQ_LEDGER_TENANT:
                s = tq_ledger_statement(l, Q_TENANT);
                tq_ledger_bind_u64(s, 1, op->tenant);
                tq_ledger_bind_text(s, 2, op->text);
                tq_ledger_bind_u64(s, 3, op->uid);
                tq_ledger_bind_u64(s, 4, op->time_usec);
                tq_ledger_bind_text(s, 5, op->user ? op->user : "");
                return tq_ledger_run(s);
        case TQ_LEDGER_ENDING:
                return apply_ending(l, op);
        case TQ_LEDGER_RENAME:
                return apply_rename(l, op);
        case TQ_LEDGER_ERASE:
                return tq_ledger_apply_erase(l, op);
        case TQ_LEDGER_ERASED:
                return tq_ledger_apply_erased(l, op);
        case TQ_LEDGER_ACCEPT:
                return apply_accept(l, op);
        case TQ_LEDGER_RUNNING:
                return apply_running(l, op);
        case TQ_LEDGER_STOP:
                s = tq_ledger_statement(l, Q_STOP);
                tq_ledger_bind_u64(s, 1, op->job);
                tq_ledger_bind_text(s, 2, tq_verdict_stop_to_string(op->stop));
                return tq_ledger_run(s);
        case TQ_LEDGER_REQUEUE:
                return apply_to_job(l, Q_REQUEUE, op);
        case TQ_LEDGER_DUE:
                return apply_due(l, op);
        case TQ_LEDGER_RETRY:
                return apply_retry(l, op);
        case TQ_LEDGER_REVIVE:
                return apply_to_job(l, Q_REVIVE, op);
        case TQ_LEDGER_PURGE:
                return apply_to_job(l, Q_PURGE, op);
        case TQ_LEDGER_KEEP:
                return apply_to_job(l, Q_KEEP, op);
        case TQ_LEDGER_FORGET:
                return tq_ledger_apply_forget(l, op);
        case TQ_LEDGER_FORGET_EVENTS:
                return tq_ledger_apply_forget_events(l, op);
        case TQ_LEDGER_FORGET_AUDIT:
                return tq_ledger_apply_forget_audit(l, op);
        case TQ_LEDGER_DONE:
                return apply_done(l, op);
        case TQ_LEDGER_EVENT:
                return apply_event(l, op);
        case TQ_LEDGER_LIMIT:
                return tq_ledger_apply_limit(l, op);
        case TQ_LEDGER_POLICY:
                return tq_ledger_apply_policy(l, op);
        case TQ_LEDGER_AUDIT:
                return tq_ledger_apply_audit(l, op);
        case TQ_LEDGER_HOLD:
                return apply_hold(l, op);
        case TQ_LEDGER_CRASH:
                return apply_crash(l, op);
        case TQ_LEDGER_QUARANTINE:
                return apply_quarantine(l, op);
        case TQ_LEDGER_ROLLOUT:
                return apply_rollout(l, op);
        case TQ_LEDGER_ROLLED_OUT:
                s = tq_ledger_statement(l, Q_ERASE_ROLLOUT);
                tq_ledger_bind_u64(s, 1, op->tenant);
                return tq_ledger_run(s);
        case TQ_LEDGER_FILES:
                return apply_files(l, op);
        case TQ_LEDGER_SWITCH:
                return apply_switch(l, op);
        case TQ_LEDGER_STANDING:
                return apply_standing(l, op);
        case TQ_LEDGER_POOL:
                return apply_pool(l, op);
        default:
                return -EINVAL;
        }
}

int tq_ledger_apply(TqLedger *l, const TqLedgerOp *ops, size_t n) {
        TqChain chain = l->chain;
        int r;

        r = tq_ledger_run(tq_ledger_statement(l, Q_BEGIN));
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = apply_one(l, &ops[i]);
        if (r >= 0)
                r = tq_ledger_run(tq_ledger_statement(l, Q_COMMIT));
        if (r < 0 && !sqlite3_get_autocommit(l->db))
                (void)tq_ledger_run(tq_ledger_statement(l, Q_ROLLBACK));
        if (r < 0)
                l->chain = chain;
        return r;
}
