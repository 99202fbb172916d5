/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_ledger.h"

#include "store/ledger_private.h"

/* What came from what: jobs of two tenants, and what is told of them as a tree. */

typedef struct Row {
        uint64_t job;
        uint32_t tenant;
        const char *name, *ties;
} Row;

static void accept_rows(Fixture *f, const Row *rows, size_t n) {
        ck_assert_int_eq(APPLY(f->l, op_tenant(1, "acme"), op_tenant(2, "globex")), 0);
        for (size_t i = 0; i < n; i++) {
                TqLedgerOp op = op_accept(rows[i].job, rows[i].tenant, rows[i].job);

                op.accept.name = (char *)rows[i].name;
                op.accept.ties = (char *)rows[i].ties;
                ck_assert_int_eq(tq_ledger_apply(f->l, &op, 1), 0);
        }
}

/* A row each: direction and depth, how it belongs, what it is, what is left out. */
static char *told(Fixture *f, const TqLedgerFilter *filter) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = tq_ledger_lineage(f->l, filter, &t);

        if (r == -ENOENT)
                return strdup("none");
        ck_assert_int_eq(r, 0);
        for (size_t i = 0; i < t.n_rows; i++) {
                const char *direction = tq_table_text(&t, i, "direction");
                const char *kind = tq_table_text(&t, i, "kind"), *more;
                int64_t job = tq_table_integer(&t, i, "job", 0);

                more = tq_table_text(&t, i, "more");
                tq_buffer_printf(&got, "%s%d%.1s %.0jd%s%s%s|", direction ? direction : "",
                                 (int)tq_table_integer(&t, i, "depth", -1), kind ? kind : "",
                                 (intmax_t)job, tq_table_text(&t, i, "name"), more ? " " : "",
                                 more ? more : "");
        }
        return strdup(tq_buffer_string(&got));
}

static void expect_lineage(Fixture *f, TqLedgerFilter filter, const char *want) {
        TQ_FREE char *got = told(f, &filter);

        ck_assert_str_eq(got, want);
}

#define OF_JOB(n)     ((TqLedgerFilter){ .tenant = -1, .job = (n) })
#define OF_NAME(t, n) ((TqLedgerFilter){ .tenant = (t), .name = (n) })

static const Row pipeline[] = {
        { 1, 1, "extract", "osales\0" },
        { 2, 1, "load", "pextract\0isales\0irates\0oreport\0" },
        { 3, 2, "load", "isales\0oreport\0" }, /* another tenant's */
        { 4, 1, "mail", "p2\0ireport\0" },
        { 5, 1, "audit", "pticket 17\0p99\0" },
        { 6, 1, "plain", NULL },
};

static const struct {
        uint64_t job; /* 0: a name */
        int64_t tenant;
        const char *name, *want;
} asked[] = {
        { 1, -1, NULL,
          "0 1extract|to1o sales|to2i 2load|to3o report|to4i 4mail|to3p 4mail above|"
          "to1p 2load above|" },
        { 2, 1, NULL,
          "0 2load|from1p 1extract|from1i rates|from1i sales|from2o 1extract above|"
          "to1o report|to2i 4mail|to1p 4mail above|" },
        { 2, 2, NULL, "none" },
        { 3, 2, NULL, "0 3load|from1i sales|to1o report|" },
        { 4, -1, NULL,
          "0 4mail|from1p 2load|from2p 1extract|from2i rates|from2i sales|from3o 1extract above|"
          "from1i report|from2o 2load above|" },
        { 5, -1, NULL, "0 5audit|from1p 99|from1p ticket 17|" },
        { 6, -1, NULL, "0 6plain|" },
        { 7, -1, NULL, "none" },
        { 0, 1, "sales",
          "0 sales|from1o 1extract|to1i 2load|to2o report|to3i 4mail|to2p 4mail above|" },
        { 0, 2, "sales", "0 sales|to1i 3load|to2o report|" },
        { 0, 1, "rates", "0 rates|to1i 2load|to2o report|to3i 4mail|to2p 4mail above|" },
        { 0, 2, "rates", "none" },
        { 0, 1, "plain", "0 6plain|" },
        { 0, 1, "ticket 17", "0 ticket 17|to1p 5audit|" },
        { 0, 2, "ticket 17", "none" },
        { 0, 1, "sale", "none" },
};

START_TEST(a_pipeline) {
        FIXTURE f = fixture_new();

        accept_rows(&f, pipeline, TQ_ELEMENTSOF(pipeline));
        expect_lineage(&f,
                       (TqLedgerFilter){ .job = asked[_i].job,
                                         .tenant = asked[_i].tenant,
                                         .name = asked[_i].name },
                       asked[_i].want);
}
END_TEST

/* The same each night: a name means the latest before, in both directions. */
static const Row nights[] = {
        { 1, 1, "night", "pnight\0istate\0ostate\0" },
        { 2, 1, "day", "istate\0" },
        { 3, 1, "night", "pnight\0istate\0ostate\0" },
        { 4, 1, "day", "istate\0pnight\0" },
        { 5, 1, "night", "istate\0ostate\0" },
        { 6, 1, "first", "ilate\0pafterwards\0" },
        { 7, 1, "afterwards", "olate\0" },
};

START_TEST(again_and_again) {
        FIXTURE f = fixture_new();

        accept_rows(&f, nights, TQ_ELEMENTSOF(nights));
        expect_lineage(&f, OF_JOB(1),
                       "0 1night|from1p 3night|from2p 1night above|from2i state|"
                       "from3o 1night above|from1i state|to1o state|to2i 2day|to2i 3night|"
                       "to3o state|to4i 4day|to4i 5night|to5o state|to3p 4day above|"
                       "to1p 3night above|");
        expect_lineage(&f, OF_JOB(4),
                       "0 4day|from1p 3night|from2p 1night|from3p 3night above|from3i state|"
                       "from2i state|from3o 1night above|from1i state|from2o 3night above|");
        expect_lineage(&f, OF_JOB(5),
                       "0 5night|from1i state|from2o 3night|from3p 1night|from4p 3night above|"
                       "from4i state|from3i state|from4o 1night above|to1o state|");
        /* None before: the first to come, as After= has it. */
        expect_lineage(&f, OF_JOB(6),
                       "0 6first|from1p 7afterwards|from1i late|from2o 7afterwards above|");
        expect_lineage(&f, OF_JOB(7), "0 7afterwards|to1o late|to2i 6first|to1p 6first above|");
}
END_TEST

/* Circles end. */
static const Row circle[] = {
        { 1, 1, "a", "p3\0ix\0ox\0" },
        { 2, 1, "b", "p1\0p2\0" },
        { 3, 1, "c", "p2\0" },
};

START_TEST(circles) {
        FIXTURE f = fixture_new();

        accept_rows(&f, circle, TQ_ELEMENTSOF(circle));
        expect_lineage(&f, OF_JOB(1),
                       "0 1a|from1p 3c|from2p 2b|from3p 1a above|from3p 2b above|from1i x|"
                       "to1o x|to1p 2b|to2p 3c|to3p 1a above|");
}
END_TEST

static size_t count(const char *text, const char *what) {
        size_t n = 0;

        for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
                n++;
        return n;
}

/* Of more than there is room for, it is said what is left out. */
START_TEST(bounded) {
        TQ_FREE char *deep = NULL, *many = NULL, *one_less = NULL, *full = NULL;
        FIXTURE f = fixture_new();

        ck_assert_int_eq(APPLY(f.l, op_tenant(1, "acme")), 0);
        for (uint64_t job = 1; job <= 600; job++) {
                TqLedgerOp op = op_accept(job, 1, job);
                char ties[64] = {};

                op.accept.name = (char *)"j";
                /* A chain; many that come of one; one less than is too many; a tree. */
                if (job <= 20)
                        (void)snprintf(ties, sizeof(ties) - 1, "p%d", (int)job + 1);
                else if (job < 40)
                        (void)snprintf(ties, sizeof(ties) - 1, "pmany");
                else if (job < 56)
                        (void)snprintf(ties, sizeof(ties) - 1, "pfew");
                else
                        (void)snprintf(ties, sizeof(ties) - 1, "p%d", 100 + ((int)job - 100) / 3);
                op.accept.ties = ties;
                ck_assert_int_eq(tq_ledger_apply(f.l, &op, 1), 0);
        }
        deep = told(&f, &OF_JOB(1));
        ck_assert_uint_eq(count(deep, "from"), 16);
        ck_assert_uint_eq(count(deep, " deep|"), 1);
        many = told(&f, &OF_NAME(1, "many"));
        ck_assert_uint_eq(count(many, "to1p"), 16);
        ck_assert_msg(strncmp(many, "0 many many|", 12) == 0, "%s", many);
        one_less = told(&f, &OF_NAME(1, "few"));
        ck_assert_uint_eq(count(one_less, "to1p"), 16);
        ck_assert_msg(strncmp(one_less, "0 few|", 6) == 0, "%s", one_less);
        full = told(&f, &OF_JOB(100));
        ck_assert_uint_eq(count(full, "|to"), 256);
        ck_assert_uint_eq(count(full, " full|"), 1);
}
END_TEST

/* Jobs that say nothing have no row, and rows go with their jobs: history and whole tenants. */
START_TEST(forgotten) {
        TqLedgerOp forget = { .type = TQ_LEDGER_FORGET, .job = 2, .forget = { .ended_usec = 7 } };
        TqLedgerOp erase = { .type = TQ_LEDGER_ERASE, .tenant = 1, .forget = { .most = 100 } };
        TqLedgerOp again = op_accept(8, 1, 4);
        FIXTURE f = fixture_new();

        accept_rows(&f, pipeline, TQ_ELEMENTSOF(pipeline));
        /* The claim of job 4 once more makes no job, and no row. */
        again.accept.ties = (char *)"isales\0";
        ck_assert_int_eq(APPLY(f.l, again), 0);
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM lineage"), 11);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM lineage WHERE job IN (6, 8)"),
                         0);
        execute(f.path,
                "UPDATE jobs SET state = 'done', ended_usec = 7, outcome = 'exit', code = 0,"
                " verdict = 'exit 0' WHERE id = 2");
        reopen(&f);
        ck_assert_int_eq(APPLY(f.l, forget), 0);
        expect_lineage(&f, OF_JOB(4), "0 4mail|from1p 2|from1i report|");
        expect_lineage(&f, OF_NAME(1, "rates"), "none");
        ck_assert_int_eq(APPLY(f.l, erase), 0);
        expect_lineage(&f, OF_NAME(2, "sales"), "0 sales|to1i 3load|to2o report|");
        f.l = tq_ledger_close(f.l);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM lineage"), 2);
        ck_assert_int_eq(query_number(f.path, "SELECT count(*) FROM lineage WHERE job = 3"), 2);
}
END_TEST

/* Whatever else there is: by indices, in their order. */
START_TEST(no_scan) {
        static const TqLedgerQuery queries[] = { Q_TIES,       Q_TIED_JOB,   Q_TIED_BEFORE,
                                                 Q_TIED_AFTER, Q_AFTER_NAME, Q_AFTER_NEXT };
        FIXTURE f = fixture_new();

        accept_rows(&f, nights, TQ_ELEMENTSOF(nights));
        for (uint64_t job = 1; job <= TQ_ELEMENTSOF(nights); job++)
                free(told(&f, &OF_JOB(job)));
        free(told(&f, &OF_NAME(1, "state")));
        for (size_t i = 0; i < TQ_ELEMENTSOF(queries); i++) {
                sqlite3_stmt *s = f.l->statements[queries[i]];

                ck_assert_int_gt(sqlite3_stmt_status(s, SQLITE_STMTSTATUS_RUN, 0), 0);
                ck_assert_int_eq(sqlite3_stmt_status(s, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0), 0);
                ck_assert_int_eq(sqlite3_stmt_status(s, SQLITE_STMTSTATUS_SORT, 0), 0);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "lineage");

        unit_add_rows(c, a_pipeline, asked);
        tcase_add_test(c, again_and_again);
        tcase_add_test(c, circles);
        tcase_add_test(c, bounded);
        tcase_add_test(c, forgotten);
        tcase_add_test(c, no_scan);
}

int main(void) {
        return unit_main("store/ledger lineage", fill);
}
