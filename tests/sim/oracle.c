/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sqlite3.h>
#include <stdio.h>

#include "engine/commit/commit.h"
#include "engine/recovery/recovery.h"
#include "sim.h"
#include "store/ledger_private.h"

/* What must hold. The ledger is followed change by change, at the moment at which the engine is
 * told that a transaction is committed; what is opened after a crash must be exactly that, but for
 * the transaction that was under way, which may be there as a whole. And nothing may be said or
 * executed that is not committed by then. */

typedef struct Change {
        TqLedgerOpType type;
        File *file;
        unsigned attempt;
        uint64_t job, claim;
        TqVerdict verdict;
} Change;

static Change *in_doubt; /* of the transaction that was under way when the engine died */
static size_t n_in_doubt;
static TqMap by_job; /* File */
static Row *found;   /* in the ledger that was opened */

void oracle_begin(void) {
        found = calloc(world.n_files, sizeof(*found));
}

void oracle_end(void) {
        free(in_doubt);
        free(found);
        in_doubt = NULL;
        n_in_doubt = 0;
        tq_map_done(&by_job);
}

File *oracle_job(uint64_t job) {
        return tq_map_get(&by_job, job);
}

static size_t index_of(const File *f) {
        return (size_t)(f - world.files);
}

/* The file that a job file's text is of. */
static File *file_of(const char *spec, size_t size) {
        static const char before[] = "/sim/run ";
        const char *at = spec ? memmem(spec, size, before, strlen(before)) : NULL;
        size_t number = at ? strtoul(at + strlen(before), NULL, 10) : SIZE_MAX;

        if (number >= world.n_handed_in)
                sim_fail("a job of the ledger is of no file that was handed in");
        return &world.files[number];
}

static bool is_well(const File *f) {
        return f->row.outcome == TQ_OUTCOME_EXIT && f->exit_code == 0;
}

static void judge(const File *f, const TqVerdict *v) {
        bool is_true = false;

        switch (v->outcome) {
        case TQ_OUTCOME_EXIT:
                is_true = f->executed > 0 && v->code == f->exit_code &&
                          (v->code == 0 || f->is_cancelled || f->n_executed >= f->max_attempts);
                break;
        case TQ_OUTCOME_DEPENDENCY:
                is_true = f->after && f->after->row.state == ROW_DONE && !is_well(f->after) &&
                          f->n_executed == 0;
                break;
        case TQ_OUTCOME_SIGNAL:
                is_true = f->was_killed;
                break;
        case TQ_OUTCOME_CANCELLED:
                is_true = f->is_cancelled;
                break;
        case TQ_OUTCOME_TIMEOUT:
                is_true = f->is_endless;
                break;
        case TQ_OUTCOME_LOST:
                is_true = f->may_be_lost;
                break;
        case TQ_OUTCOME_SPAWN:
                is_true = f->fails_to_launch;
                break;
        default:
                break;
        }
        if (!is_true)
                sim_fail("file %zu has the verdict %s, which is not what happened", index_of(f),
                         tq_verdict_outcome_to_string(v->outcome));
        if (f->runs)
                sim_fail("file %zu has a verdict, and still runs", index_of(f));
}

/* One change of one row; of `row` only. */
static void change(Row *row, const Change *c) {
        switch (c->type) {
        case TQ_LEDGER_ACCEPT:
                if (row->state == ROW_NONE)
                        *row = (Row){ .state = ROW_QUEUED, .job = c->job, .claim = c->claim };
                break;
        case TQ_LEDGER_RUNNING:
                row->state = ROW_RUNNING;
                row->attempt = c->attempt;
                break;
        case TQ_LEDGER_RETRY:
                row->attempt = c->attempt;
                row->state = ROW_QUEUED;
                break;
        case TQ_LEDGER_REQUEUE:
                row->state = ROW_QUEUED;
                break;
        default:
                row->state = ROW_DONE;
                row->outcome = c->verdict.outcome;
        }
}

static void commit(const Change *c) {
        File *f = c->file;

        sim_note(c->type == TQ_LEDGER_ACCEPT    ? "ledger: accepted"
                 : c->type == TQ_LEDGER_RUNNING ? "ledger: running"
                 : c->type == TQ_LEDGER_DONE    ? "ledger: done"
                                                : "ledger: queued again",
                 c->job, index_of(f));
        if (c->type == TQ_LEDGER_ACCEPT && f->row.state != ROW_NONE && f->row.claim != c->claim)
                sim_fail("file %zu became two jobs: %llu and %llu", index_of(f),
                         (unsigned long long)f->row.job, (unsigned long long)c->job);
        if (c->type == TQ_LEDGER_ACCEPT && f->row.state == ROW_NONE &&
            tq_map_put(&by_job, c->job, f) < 0)
                sim_fail("job %llu is given away twice", (unsigned long long)c->job);
        if (c->type != TQ_LEDGER_ACCEPT && f->row.state == ROW_DONE)
                sim_fail("file %zu has ended, and something follows", index_of(f));
        if (c->type == TQ_LEDGER_REQUEUE && f->is_open && f->executed == c->attempt)
                sim_fail("attempt %u of file %zu was executed, and is to be again", c->attempt,
                         index_of(f));
        if (c->type == TQ_LEDGER_RETRY || c->type == TQ_LEDGER_DONE)
                f->is_open = false;
        if (c->type == TQ_LEDGER_RETRY && ++f->n_retried >= f->max_attempts)
                sim_fail("file %zu is tried again for the time %u, of %u", index_of(f),
                         f->n_retried, f->max_attempts);
        if (c->type == TQ_LEDGER_DONE) {
                judge(f, &c->verdict);
                world.n_done++;
        }
        change(&f->row, c);
}

/* Those changes that are about a job; the caller frees. */
static Change *pick(const TqLedgerOp *ops, size_t n, size_t *ret_n) {
        Change *picked = calloc(n, sizeof(*picked));

        if (!picked)
                abort();
        *ret_n = 0;
        for (size_t i = 0; i < n; i++) {
                Change *c = &picked[*ret_n];

                if (ops[i].type != TQ_LEDGER_ACCEPT && ops[i].type != TQ_LEDGER_RUNNING &&
                    ops[i].type != TQ_LEDGER_REQUEUE && ops[i].type != TQ_LEDGER_RETRY &&
                    ops[i].type != TQ_LEDGER_DONE)
                        continue;
                *c = (Change){ .type = ops[i].type, .attempt = ops[i].attempt, .job = ops[i].job };
                if (c->type == TQ_LEDGER_ACCEPT) {
                        c->claim = ops[i].accept.claim;
                        c->file = file_of(ops[i].accept.spec, ops[i].accept.spec_size);
                } else
                        c->file = oracle_job(c->job);
                /* Taken and started, or ended, within one transaction. */
                for (size_t k = *ret_n; !c->file && k-- > 0;)
                        if (picked[k].job == c->job)
                                c->file = picked[k].file;
                if (!c->file)
                        sim_fail("job %llu is nobody's", (unsigned long long)c->job);
                if (c->type == TQ_LEDGER_DONE)
                        c->verdict = ops[i].verdict;
                (*ret_n)++;
        }
        return picked;
}

int __real_tq_ledger_apply(TqLedger *l, const TqLedgerOp *ops, size_t n);
int __wrap_tq_ledger_apply(TqLedger *l, const TqLedgerOp *ops, size_t n);
int __wrap_tq_ledger_apply(TqLedger *l, const TqLedgerOp *ops, size_t n) {
        bool was_dead = sim.engine_is_dead;
        Change *changes;
        size_t n_changes;
        int r = __real_tq_ledger_apply(l, ops, n);
        WORLD;

        if (was_dead)
                return r;
        if (r == -ENOSPC && sim.mutant == MUTANT_FULL_IS_WELL)
                r = 0;
        if (r < 0 && !sim.engine_is_dead && !sim.was_hit)
                sim_fail("a transaction failed: %s", strerror(-r));
        if (r == -ENOSPC && !sim.engine_is_dead)
                return r; /* rolled back */
        if (n_in_doubt > 0)
                sim_fail(
                        "a transaction follows one of which it is not known whether it came to be");
        changes = pick(ops, n, &n_changes);
        if (r < 0) {
                free(in_doubt);
                in_doubt = changes;
                n_in_doubt = n_changes;
                return r;
        }
        sim.n_commits++;
        sim.n_ops += n_changes;
        for (size_t i = 0; i < n_changes; i++)
                commit(&changes[i]);
        free(changes);
        return r;
}

/* After a crash -------------------------------------------------------------------------------- */

static RowState state_of(const char *word) {
        return strcmp(word, "done") == 0     ? ROW_DONE
               : strcmp(word, "queued") == 0 ? ROW_QUEUED
                                             : ROW_RUNNING;
}

static void read_rows(TqLedger *l) {
        sqlite3_stmt *s;
        int rc;

        memset(found, 0, world.n_files * sizeof(*found));
        rc = sqlite3_prepare_v2(l->db, "SELECT id, claim, state, attempt, outcome, spec FROM jobs",
                                -1, &s, NULL);
        while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                const char *word = tq_ledger_text(s, 4);
                Row row = { .job = tq_ledger_u64(s, 0),
                            .claim = tq_ledger_u64(s, 1),
                            .state = state_of(tq_ledger_text(s, 2)),
                            .attempt = (unsigned)sqlite3_column_int(s, 3) };

                while (word && row.outcome < _TQ_OUTCOME_MAX &&
                       strcmp(word, tq_verdict_outcome_to_string(row.outcome)) != 0)
                        row.outcome++;
                found[index_of(file_of(sqlite3_column_blob(s, 5),
                                       (size_t)sqlite3_column_bytes(s, 5)))] = row;
                rc = SQLITE_OK;
        }
        (void)sqlite3_finalize(s);
        if (rc != SQLITE_DONE)
                sim_fail("the ledger can't be read");
}

static bool is_same(const Row *a, const Row *b) {
        return a->state == b->state && a->attempt == b->attempt && a->outcome == b->outcome &&
               a->job == b->job && a->claim == b->claim;
}

/* The first file whose row is another one than is expected; NULL: none. */
static const File *first_difference(bool with_doubt) {
        Row *rows = calloc(world.n_files, sizeof(*rows));
        const File *f = NULL;

        if (!rows)
                abort();
        for (size_t i = 0; i < world.n_files; i++)
                rows[i] = world.files[i].row;
        for (size_t i = 0; with_doubt && i < n_in_doubt; i++)
                change(&rows[index_of(in_doubt[i].file)], &in_doubt[i]);
        for (size_t i = 0; !f && i < world.n_files; i++)
                if (!is_same(&rows[i], &found[i]))
                        f = &world.files[i];
        free(rows);
        return f;
}

static void compare(TqLedger *l) {
        const File *f;

        read_rows(l);
        f = first_difference(false);
        if (f && (n_in_doubt == 0 || first_difference(true)))
                sim_fail("the ledger is not what was committed: of file %zu the state is %d "
                         "(attempt "
                         "%u), not %d (%u)",
                         index_of(f), (int)found[index_of(f)].state, found[index_of(f)].attempt,
                         (int)f->row.state, f->row.attempt);
        for (size_t i = 0; f && i < n_in_doubt; i++)
                commit(&in_doubt[i]);
        n_in_doubt = 0;
}

int __real_tq_ledger_open(const char *path, const uint8_t boot_id[16], TqLedger **ret,
                          TqError *err);
int __wrap_tq_ledger_open(const char *path, const uint8_t boot_id[16], TqLedger **ret,
                          TqError *err);
int __wrap_tq_ledger_open(const char *path, const uint8_t boot_id[16], TqLedger **ret,
                          TqError *err) {
        char text[512];
        int r = __real_tq_ledger_open(path, boot_id, ret, err);
        WORLD;

        if (sim.engine_is_dead)
                return r;
        if (r < 0 && sim.was_hit)
                return r;
        if (r < 0)
                sim_fail("%s", tq_error_format(err, text, sizeof(text)));
        compare(*ret);
        return r;
}

/* What is said and done ------------------------------------------------------------------------ */

void oracle_said(const TqMessage *m) {
        const File *f;

        switch ((TqMessageType)m->header.type) {
        case TQ_MESSAGE_CLAIM_DONE:
                f = host_claim(m->claim_done.claim);
                if (f && m->claim_done.outcome == TQ_CLAIM_ACCEPTED &&
                    (f->row.state == ROW_NONE || f->row.claim != m->claim_done.claim))
                        sim_fail("claim %llu is called accepted, and is not in the ledger",
                                 (unsigned long long)m->claim_done.claim);
                break;
        case TQ_MESSAGE_RELEASE:
                f = oracle_job(m->attempt.job);
                /* Of one that was cancelled at its barrier, and recorded with its end when the disk
                 * had room again, nobody is left to hear it. */
                if (f && host_launch_is_over(m->attempt.job, m->attempt.attempt))
                        break;
                if (!f || f->row.state != ROW_RUNNING || f->row.attempt != m->attempt.attempt)
                        sim_fail("job %llu is released, and the ledger does not say that it runs",
                                 (unsigned long long)m->attempt.job);
                break;
        case TQ_MESSAGE_ACK:
                f = oracle_job(m->attempt.job);
                if (f && f->row.state == ROW_RUNNING && f->row.attempt == m->attempt.attempt)
                        sim_fail("the end of job %llu is acknowledged, and is not in the ledger",
                                 (unsigned long long)m->attempt.job);
                break;
        default:
                break;
        }
}

static void check_limits(const File *f) {
        if (world.running > world.host_limit)
                sim_fail("%llu jobs run, and the host has %llu slots",
                         (unsigned long long)world.running, (unsigned long long)world.host_limit);
        if (world.running_of[f->tenant] > world.limit[f->tenant])
                sim_fail("%llu jobs of tenant %u run, and it may have %llu",
                         (unsigned long long)world.running_of[f->tenant], f->tenant,
                         (unsigned long long)world.limit[f->tenant]);
        if (world.running_in[f->tenant][f->queue] > world.queue_limit)
                sim_fail("%llu jobs of queue %u of tenant %u run, and it may have %llu",
                         (unsigned long long)world.running_in[f->tenant][f->queue], f->queue,
                         f->tenant, (unsigned long long)world.queue_limit);
}

void oracle_executes(File *f, uint64_t job, unsigned attempt) {
        sim_note("kernel: executes", job, attempt);
        if (f->runs)
                sim_fail("file %zu runs twice at once", index_of(f));
        if (f->row.job != job || f->row.state != ROW_RUNNING || f->row.attempt != attempt)
                sim_fail("attempt %u of file %zu is executed, and the ledger does not know",
                         attempt, index_of(f));
        if (attempt <= f->executed)
                sim_fail("attempt %u of file %zu is executed twice", attempt, index_of(f));
        if (sim.realtime + sim.boottime < f->handed_over + f->delay)
                sim_fail("file %zu is executed before its time", index_of(f));
        if (f->after && (f->after->row.state != ROW_DONE || !is_well(f->after)))
                sim_fail(
                        "file %zu is executed, and that after which it is to be has not ended well",
                        index_of(f));
        if (f->is_open)
                sim_fail("file %zu is executed again, and the end of the last time is not recorded",
                         index_of(f));
        f->executed = attempt;
        f->n_executed++;
        f->runs = f->is_open = true;
        check_limits(f);
}

/* Mutants of what lies between the rooms ------------------------------------------------------- */

RecoveryFate __real_recovery_decide(bool was_running, unsigned attempt, const StockItem *item);
RecoveryFate __wrap_recovery_decide(bool was_running, unsigned attempt, const StockItem *item);
RecoveryFate __wrap_recovery_decide(bool was_running, unsigned attempt, const StockItem *item) {
        RecoveryFate fate = __real_recovery_decide(was_running, attempt, item);

        return sim.mutant == MUTANT_BLIND_RECOVERY && fate == RECOVERY_LOST ? RECOVERY_QUEUE : fate;
}

typedef struct Filter {
        int (*row)(void *, const TqLedgerLive *);
        void *userdata;
} Filter;

static int skip_running(void *userdata, const TqLedgerLive *row) {
        const Filter *f = userdata;

        return row->was_running ? 0 : f->row(f->userdata, row);
}

int __real_tq_ledger_each_live(TqLedger *l, int (*row)(void *, const TqLedgerLive *), void *data);
int __wrap_tq_ledger_each_live(TqLedger *l, int (*row)(void *, const TqLedgerLive *), void *data);
int __wrap_tq_ledger_each_live(TqLedger *l, int (*row)(void *, const TqLedgerLive *), void *data) {
        Filter f = { row, data };

        return sim.mutant == MUTANT_FORGETS_RUNNING
                       ? __real_tq_ledger_each_live(l, skip_running, &f)
                       : __real_tq_ledger_each_live(l, row, data);
}

int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
                        void *data, char **err);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
                        void *data, char **err);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
                        void *data, char **err) {
        int rc = __real_sqlite3_exec(db, sql, row, data, err);

        if (rc == SQLITE_OK && sim.mutant == MUTANT_SYNCHRONOUS_NORMAL &&
            strstr(sql, "synchronous=FULL"))
                rc = __real_sqlite3_exec(db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL);
        return rc;
}

static struct {
        CommitEffect effect;
        _Alignas(max_align_t) char data[COMMIT_DATA_MAX];
} early[256];
static size_t n_early;

void *__real_commit_then(Commit *c, CommitEffect effect, size_t size);
void *__wrap_commit_then(Commit *c, CommitEffect effect, size_t size);
void *__wrap_commit_then(Commit *c, CommitEffect effect, size_t size) {
        if (sim.mutant != MUTANT_EFFECTS_FIRST || n_early == TQ_ELEMENTSOF(early))
                return __real_commit_then(c, effect, size);
        early[n_early].effect = effect;
        memset(early[n_early].data, 0, COMMIT_DATA_MAX);
        return early[n_early++].data;
}

void oracle_perform_early(void) {
        size_t n = n_early;

        n_early = 0;
        for (size_t i = 0; i < n; i++)
                early[i].effect(early[i].data, 0);
}
