/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "store/ledger_private.h"

/* What came from what. Jobs are tied to names: to what they take and what they make, and to what
 * they say they come of, which is another job by its number or name, or just a text. A name means
 * what it means to After=: the latest job before that has made it (or is called so), or if there is
 * none the first after. So a job that takes each night what it made the night before is a chain and
 * no circle, and both directions agree.
 *
 * A tree is walked from its root, each time with a stack of what is still to be shown. No job is
 * followed twice, and steps, branches and rows are bounded, whatever somebody has written. */

#define MOST_STEPS    16
#define MOST_BRANCHES 16  /* of a name, or jobs that come of one; a job's own names are bounded */
#define MOST_ROWS     256 /* of a direction */

enum {
        COLUMN_DIRECTION,
        COLUMN_DEPTH,
        COLUMN_KIND,
        COLUMN_JOB,
        COLUMN_NAME,
        COLUMN_TENANT,
        COLUMN_STATE,
        COLUMN_REASON,
        COLUMN_VERDICT,
        COLUMN_SUBMITTED,
        COLUMN_MORE,
        COLUMN_TENANT_ID,
};

static const char *const columns[] = {
        [COLUMN_DIRECTION] = "direction", [COLUMN_DEPTH] = "depth",
        [COLUMN_KIND] = "kind",           [COLUMN_JOB] = "job",
        [COLUMN_NAME] = "name",           [COLUMN_TENANT] = "tenant",
        [COLUMN_STATE] = "state",         [COLUMN_REASON] = "wait_reason",
        [COLUMN_VERDICT] = "verdict",     [COLUMN_SUBMITTED] = "submitted_usec",
        [COLUMN_MORE] = "more",           [COLUMN_TENANT_ID] = "tenant_id",
};

typedef struct Node {
        TqJobTie kind; /* how it belongs to the one above */
        uint64_t job;  /* 0: a name, or */
        bool is_text;  /* what is nobody's name */
        char *name;    /* NULL of a job */
        uint64_t via;  /* of a name: the job that has it; 0: it is the root */
        int64_t depth;
} Node;

typedef struct Walk {
        TqLedger *ledger;
        uint32_t tenant;
        bool is_up;
        TqTable *table;
        size_t n_rows; /* of this direction */
        uint64_t seen[MOST_ROWS + 1];
        size_t n_seen;
        Node *stack;
        size_t n, allocated;
        bool has_more; /* branches of the node that is being followed */
} Walk;

const char *tq_ledger_tie_to_string(TqJobTie kind) {
        return kind == TQ_JOB_TIE_PARENT ? "parent" : kind == TQ_JOB_TIE_INPUT ? "input" : "output";
}

static void walk_done(Walk *w) {
        while (w->n > 0)
                free(w->stack[--w->n].name);
        free(w->stack);
}

static int push(Walk *w, Node node, const char *name) {
        if (w->n == w->allocated) {
                size_t more = TQ_MAX(w->allocated * 2, (size_t)64);
                Node *stack = reallocarray(w->stack, more, sizeof(*stack));

                if (!stack)
                        return -ENOMEM;
                w->stack = stack;
                w->allocated = more;
        }
        node.name = name ? strdup(name) : NULL;
        if (name && !node.name)
                return -ENOMEM;
        w->stack[w->n++] = node;
        return 0;
}

/* Questions -------------------------------------------------------------------------------------
 */

static sqlite3_stmt *about_name(const Walk *w, TqLedgerQuery q, TqJobTie kind, const char *name) {
        sqlite3_stmt *s = tq_ledger_statement(w->ledger, q);

        tq_ledger_bind_u64(s, 1, w->tenant);
        tq_ledger_bind_text(s, 2, name);
        tq_ledger_bind_text(s, 3, tq_ledger_tie_to_string(kind));
        return s;
}

static sqlite3_stmt *tied_before(const Walk *w, TqJobTie kind, const char *name, uint64_t job,
                                 size_t most) {
        sqlite3_stmt *s = about_name(w, Q_TIED_BEFORE, kind, name);

        tq_ledger_bind_u64(s, 4, job);
        tq_ledger_bind_u64(s, 5, most);
        return s;
}

static sqlite3_stmt *tied_after(const Walk *w, TqJobTie kind, const char *name, uint64_t after,
                                uint64_t to, size_t most) {
        sqlite3_stmt *s = about_name(w, Q_TIED_AFTER, kind, name);

        tq_ledger_bind_u64(s, 4, after);
        tq_ledger_bind_u64(s, 5, to);
        tq_ledger_bind_u64(s, 6, most);
        return s;
}

/* The job in the first row; *ret 0: there is none. */
static int first(sqlite3_stmt *s, uint64_t *ret) {
        int rc = sqlite3_step(s);

        *ret = rc == SQLITE_ROW ? tq_ledger_u64(s, 0) : 0;
        (void)sqlite3_reset(s);
        return tq_ledger_errno(rc);
}

/* The jobs of a query become nodes, but for one. */
static int push_jobs(Walk *w, sqlite3_stmt *s, TqJobTie kind, int64_t depth, uint64_t but) {
        size_t n = 0;
        int rc, r = 0;

        while (r >= 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                uint64_t job = tq_ledger_u64(s, 0);

                if (job == but)
                        continue;
                if (n++ == MOST_BRANCHES) {
                        w->has_more = true;
                        rc = SQLITE_DONE;
                        break;
                }
                r = push(w, (Node){ .kind = kind, .job = job, .depth = depth }, NULL);
        }
        (void)sqlite3_reset(s);
        return r < 0 ? r : tq_ledger_errno(rc);
}

/* Branches --------------------------------------------------------------------------------------
 */

static bool is_number(const char *name) {
        return name[strspn(name, "0123456789")] == '\0';
}

static int has_job(const Walk *w, uint64_t job) {
        sqlite3_stmt *s = tq_ledger_statement(w->ledger, Q_TIED_JOB);
        int rc;

        tq_ledger_bind_u64(s, 1, job);
        tq_ledger_bind_u64(s, 2, w->tenant);
        rc = sqlite3_step(s);
        (void)sqlite3_reset(s);
        return rc == SQLITE_ROW ? 1 : tq_ledger_errno(rc);
}

static int push_parent(Walk *w, const Node *of, const char *name) {
        Node node = { .kind = TQ_JOB_TIE_PARENT, .depth = of->depth + 1 };
        uint64_t job = 0;
        TqLedgerFate fate;
        int r;

        if (is_number(name)) {
                r = tq_parse_u64_in(name, 1, INT64_MAX, &job) >= 0 ? has_job(w, job) : 0;
                if (r == 0)
                        job = 0;
        } else
                r = tq_ledger_fate(w->ledger, w->tenant, 0, name, of->job, &job, &fate);
        if (r < 0)
                return r;
        node.job = job;
        node.is_text = job == 0;
        return push(w, node, job > 0 ? NULL : name);
}

static int push_ties(Walk *w, const Node *of, TqJobTie kind) {
        sqlite3_stmt *s = tq_ledger_statement(w->ledger, Q_TIES);
        int rc, r = 0;

        tq_ledger_bind_u64(s, 1, of->job);
        tq_ledger_bind_text(s, 2, tq_ledger_tie_to_string(kind));
        tq_ledger_bind_u64(s, 3, TQ_JOB_TIES_MAX);
        while (r >= 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                const char *name = tq_ledger_text(s, 0);

                r = kind == TQ_JOB_TIE_PARENT
                            ? push_parent(w, of, name)
                            : push(w,
                                   (Node){ .kind = kind, .via = of->job, .depth = of->depth + 1 },
                                   name);
        }
        (void)sqlite3_reset(s);
        return r < 0 ? r : tq_ledger_errno(rc);
}

/* Who has made it. */
static int push_makers(Walk *w, const Node *of) {
        uint64_t job;
        int r;

        if (of->via == 0)
                return push_jobs(
                        w,
                        tied_before(w, TQ_JOB_TIE_OUTPUT, of->name, INT64_MAX, MOST_BRANCHES + 1),
                        TQ_JOB_TIE_OUTPUT, of->depth + 1, 0);
        /* The first to make it has it of nobody. */
        r = first(tied_before(w, TQ_JOB_TIE_OUTPUT, of->name, of->via, 1), &job);
        if (r >= 0 && job == 0)
                r = first(tied_after(w, TQ_JOB_TIE_OUTPUT, of->name, of->via - 1, INT64_MAX, 1),
                          &job);
        if (r < 0 || job == 0 || job == of->via)
                return r;
        return push(w, (Node){ .kind = TQ_JOB_TIE_OUTPUT, .job = job, .depth = of->depth + 1 },
                    NULL);
}

/* Those after it, up to and with the next one of the kind, mean it; and if it was the first, also
 * those before. */
static int push_between(Walk *w, const Node *of, TqJobTie kind, const char *name, uint64_t job,
                        uint64_t before, uint64_t next) {
        return push_jobs(w,
                         tied_after(w, kind, name, before > 0 ? job : 0,
                                    next > 0 ? next : INT64_MAX, MOST_BRANCHES + 2),
                         kind, of->depth + 1, job);
}

/* Who takes it. */
static int push_takers(Walk *w, const Node *of) {
        uint64_t before = 0, next = 0;
        int r;

        if (of->via == 0) {
                r = push_jobs(
                        w, tied_before(w, TQ_JOB_TIE_INPUT, of->name, INT64_MAX, MOST_BRANCHES + 1),
                        TQ_JOB_TIE_INPUT, of->depth + 1, 0);
                return r < 0 ? r
                             : push_jobs(w,
                                         tied_before(w, TQ_JOB_TIE_PARENT, of->name, INT64_MAX,
                                                     MOST_BRANCHES + 1),
                                         TQ_JOB_TIE_PARENT, of->depth + 1, 0);
        }
        r = first(tied_before(w, TQ_JOB_TIE_OUTPUT, of->name, of->via, 1), &before);
        if (r >= 0)
                r = first(tied_after(w, TQ_JOB_TIE_OUTPUT, of->name, of->via, INT64_MAX, 1), &next);
        return r < 0 ? r : push_between(w, of, TQ_JOB_TIE_INPUT, of->name, of->via, before, next);
}

static int neighbour(const Walk *w, TqLedgerQuery q, const char *name, uint64_t job,
                     uint64_t *ret) {
        sqlite3_stmt *s = tq_ledger_statement(w->ledger, q);

        tq_ledger_bind_u64(s, 1, w->tenant);
        tq_ledger_bind_text(s, 3, name);
        tq_ledger_bind_u64(s, 4, job);
        return first(s, ret);
}

/* Jobs that say they come of this one, by its number and by its name. */
static int push_children(Walk *w, const Node *of, const char *name) {
        uint64_t before = 0, next = 0;
        char number[24];
        int r;

        (void)snprintf(number, sizeof(number), "%" PRIu64, of->job);
        r = push_jobs(w, tied_after(w, TQ_JOB_TIE_PARENT, number, 0, INT64_MAX, MOST_BRANCHES + 2),
                      TQ_JOB_TIE_PARENT, of->depth + 1, of->job);
        if (r < 0 || is_number(name))
                return r;
        r = neighbour(w, Q_AFTER_NAME, name, of->job, &before);
        if (r >= 0)
                r = neighbour(w, Q_AFTER_NEXT, name, of->job, &next);
        return r < 0 ? r : push_between(w, of, TQ_JOB_TIE_PARENT, name, of->job, before, next);
}

/* title: of a job, its name. */
static int push_branches(Walk *w, const Node *of, const char *title) {
        int r;

        if (of->job == 0)
                return w->is_up ? push_makers(w, of) : push_takers(w, of);
        r = push_ties(w, of, w->is_up ? TQ_JOB_TIE_PARENT : TQ_JOB_TIE_OUTPUT);
        if (r < 0)
                return r;
        return w->is_up ? push_ties(w, of, TQ_JOB_TIE_INPUT) : push_children(w, of, title);
}

/* The walk --------------------------------------------------------------------------------------
 */

static bool was_seen(const Walk *w, uint64_t job) {
        for (size_t i = 0; i < w->n_seen; i++)
                if (w->seen[i] == job)
                        return true;
        return false;
}

static int set_job(const Walk *w, uint64_t job) {
        sqlite3_stmt *s = tq_ledger_statement(w->ledger, Q_TIED_JOB);
        static const int texts[] = { COLUMN_NAME, COLUMN_STATE, COLUMN_VERDICT, COLUMN_TENANT };
        int rc, r = 0;

        tq_ledger_bind_u64(s, 1, job);
        tq_ledger_bind_u64(s, 2, w->tenant);
        rc = sqlite3_step(s);
        tq_table_set_integer(w->table, COLUMN_JOB, (int64_t)job);
        if (rc == SQLITE_ROW) {
                tq_table_set_integer(w->table, COLUMN_SUBMITTED, sqlite3_column_int64(s, 4));
                tq_table_set_integer(w->table, COLUMN_TENANT_ID, w->tenant);
                for (size_t i = 0; r >= 0 && i < TQ_ELEMENTSOF(texts); i++)
                        r = tq_table_set_text(w->table, (size_t)texts[i],
                                              tq_ledger_text(s, (int)i));
        }
        (void)sqlite3_reset(s);
        return r < 0 ? r : tq_ledger_errno(rc);
}

static int show(const Walk *w, const Node *node) {
        int r = tq_table_add_row(w->table);

        if (r < 0)
                return r;
        tq_table_set_integer(w->table, COLUMN_DEPTH, node->depth);
        if (node->depth > 0)
                r = tq_table_set_text(w->table, COLUMN_DIRECTION, w->is_up ? "from" : "to");
        if (r >= 0 && node->depth > 0)
                r = tq_table_set_text(w->table, COLUMN_KIND, tq_ledger_tie_to_string(node->kind));
        if (r < 0)
                return r;
        return node->job > 0 ? set_job(w, node->job)
                             : tq_table_set_text(w->table, COLUMN_NAME, node->name);
}

/* Its branches take its place on the stack, the first one on top. row: its own. */
static int follow(Walk *w, const Node *node, size_t row) {
        const char *title = tq_table_text(w->table, row, "name"), *more = NULL;
        size_t from = w->n;
        int r = 0;

        w->has_more = false;
        if (node->is_text)
                return 0;
        if (node->job > 0 && was_seen(w, node->job))
                more = "above";
        else if (node->depth == MOST_STEPS)
                more = "deep";
        else {
                if (node->job > 0)
                        w->seen[w->n_seen++] = node->job;
                r = push_branches(w, node, title ? title : "");
                more = w->has_more ? "many" : NULL;
        }
        for (size_t i = from, j = w->n; i + 1 < j; i++) {
                Node last = w->stack[--j];

                w->stack[j] = w->stack[i];
                w->stack[i] = last;
        }
        return r < 0 || !more ? r : tq_table_put_text(w->table, row, COLUMN_MORE, more);
}

/* One direction, below the root, which is the first row. */
static int walk(const Walk *of, bool is_up, const Node *root) {
        TQ_CLEANUP(walk_done) Walk w = *of;
        int r;

        w.is_up = is_up;
        r = follow(&w, root, 0);
        while (r >= 0 && w.n > 0) {
                Node node = w.stack[--w.n];

                if (w.n_rows++ == MOST_ROWS) {
                        free(node.name);
                        return tq_table_put_text(w.table, w.table->n_rows - 1, COLUMN_MORE, "full");
                }
                r = show(&w, &node);
                if (r >= 0)
                        r = follow(&w, &node, w.table->n_rows - 1);
                free(node.name);
        }
        return r;
}

/* Of a job: whose it is. */
static int find_job(Walk *w, const TqLedgerFilter *f, Node *ret) {
        sqlite3_stmt *s = tq_ledger_statement(w->ledger, Q_TIED_JOB);
        int rc;

        tq_ledger_bind_u64(s, 1, f->job);
        (void)sqlite3_bind_int64(s, 2, f->tenant);
        rc = sqlite3_step(s);
        w->tenant = rc == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(s, 5) : 0;
        (void)sqlite3_reset(s);
        ret->job = f->job;
        return rc == SQLITE_DONE ? -ENOENT : tq_ledger_errno(rc);
}

/* What a name stands for: what jobs make or take; else a job; else a text that they come of. */
static int find_name(Walk *w, const char *name, Node *ret) {
        static const TqJobTie kinds[] = { TQ_JOB_TIE_OUTPUT, TQ_JOB_TIE_INPUT, TQ_JOB_TIE_PARENT };
        TqLedgerFate fate;
        uint64_t tied = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && tied == 0 && i < TQ_ELEMENTSOF(kinds); i++) {
                if (kinds[i] == TQ_JOB_TIE_PARENT)
                        r = tq_ledger_fate(w->ledger, w->tenant, 0, name, INT64_MAX, &ret->job,
                                           &fate);
                if (r < 0 || ret->job > 0)
                        return r;
                r = first(tied_before(w, kinds[i], name, INT64_MAX, 1), &tied);
        }
        return r < 0 || tied > 0 ? r : -ENOENT;
}

int tq_ledger_lineage(TqLedger *l, const TqLedgerFilter *f, TqTable *ret) {
        TQ_TABLE_CLEANUP TqTable table = {};
        Walk w = { .ledger = l, .tenant = (uint32_t)f->tenant, .table = &table };
        Node root = { .name = (char *)f->name };
        int r;

        r = f->job > 0 ? find_job(&w, f, &root) : find_name(&w, f->name, &root);
        if (r >= 0)
                r = tq_table_add_columns(&table, columns, TQ_ELEMENTSOF(columns));
        if (r >= 0)
                r = show(&w, &root);
        if (r >= 0)
                r = walk(&w, true, &root);
        if (r >= 0)
                r = walk(&w, false, &root);
        if (r < 0)
                return r;
        *ret = table;
        table = (TqTable){};
        return 0;
}
