/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/notes.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/format.h"
#include "fake/fake.h"
#include "supervisor/tenants/tenants.h"
#include "unit.h"

static Tenants *tenants(void) {
        static const TenantsHooks none;
        Tenants *ts;
        TqLink *link;

        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_eq(tenants_new(NULL, NULL, NULL, link, &none, &ts), 0);
        return ts;
}

/* One that is in order, of which the engine knows. */
static Tenant *ready(Tenants *ts, const char *name) {
        Tenant *t = tenants_ensure(ts, name);

        ck_assert_ptr_nonnull(t);
        t->is_enabled = true;
        t->is_gone = false;
        t->fault[0] = '\0';
        t->who.uid = 1001;
        tenants_announce(ts, t);
        (void)fake_said_type(TQ_MESSAGE_TENANT);
        return t;
}

static void announced(const char *note) {
        ck_assert_str_eq(fake_said_type(TQ_MESSAGE_TENANT)->tenant.note, note);
        fake_said_nothing();
}

/* Each goes away with its cause; the engine is told each time, and nothing twice. */
START_TEST(come_and_go) {
        Tenants *ts = tenants();
        Tenant *t = ready(ts, "acme");

        ck_assert(notes_set(ts, t, "a.job", "file %s is root's", "a.job"));
        announced("file a.job is root's");
        ck_assert(notes_set(ts, t, "a.job", "in other words"));
        fake_said_nothing();
        ck_assert(notes_set(ts, t, "", "no more watches"));
        announced("file a.job is root's" TQ_NOTES_BETWEEN "no more watches");
        notes_clear(ts, t, "b.job");
        fake_said_nothing();
        notes_clear(ts, t, "a.job");
        announced("no more watches");
        notes_clear(ts, t, "");
        announced("");
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

/* There is room for few; of files a tenant makes, some is left for the rest. */
START_TEST(bounded) {
        Tenants *ts = tenants();
        Tenant *t = ready(ts, "acme");
        char file[16];

        for (int i = 0; i < NOTES_MAX / 2; i++) {
                (void)snprintf(file, sizeof(file), "f%d.job", i);
                ck_assert(notes_set(ts, t, file, "file %s", file));
        }
        ck_assert(!notes_set(ts, t, "one-more.job", "file"));
        ck_assert(notes_set(ts, t, "f0.job", "it stands"));
        for (int i = 0; i < NOTES_MAX / 2; i++) {
                (void)snprintf(file, sizeof(file), NOTES_OURS "%d", i);
                ck_assert(notes_set(ts, t, file, "ours %d", i));
        }
        ck_assert(!notes_set(ts, t, NOTES_OURS "x", "ours"));
        ck_assert_uint_eq(t->n_notes, NOTES_MAX);
        notes_drop_files(t);
        ck_assert_uint_eq(t->n_notes, NOTES_MAX / 2);
        ck_assert_str_eq(t->note, "ours 0" TQ_NOTES_BETWEEN "ours 1" TQ_NOTES_BETWEEN
                                  "ours 2" TQ_NOTES_BETWEEN "ours 3");
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

/* One sentence stays one, whatever name a tenant gives its file. */
START_TEST(hostile_names) {
        static const char *const names[] = { "a | b.job", "a\nb.job", "a\n\nb.job", "\n.job" };
        char shown[64], want[TQ_MESSAGE_TEXT_MAX];
        Tenants *ts = tenants();
        Tenant *t = ready(ts, "acme");

        (void)tq_format_escape(names[_i], shown, sizeof(shown));
        ck_assert_ptr_null(strstr(shown, TQ_NOTES_BETWEEN));
        (void)snprintf(want, sizeof(want), "file %s" TQ_NOTES_BETWEEN "two", shown);
        ck_assert(notes_set(ts, t, names[_i], "file %s", shown));
        ck_assert(notes_set(ts, t, "", "two"));
        ck_assert_str_eq(t->note, want);
        notes_clear(ts, t, names[_i]);
        /* Also if somebody forgot to escape it. */
        ck_assert(notes_set(ts, t, names[_i], "%s", names[_i]));
        ck_assert_ptr_null(strstr(t->note + strlen("two" TQ_NOTES_BETWEEN), TQ_NOTES_BETWEEN));
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

/* What does not fit into the message is left out as a whole, not cut. */
START_TEST(too_long) {
        char text[TQ_MESSAGE_TEXT_MAX];
        Tenants *ts = tenants();
        Tenant *t = ready(ts, "acme");

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 4] = '\0';
        ck_assert(notes_set(ts, t, NOTES_OURS "a", "%s", text));
        ck_assert(notes_set(ts, t, NOTES_OURS "b", "short"));
        ck_assert_str_eq(t->note, text);
        notes_clear(ts, t, NOTES_OURS "a");
        ck_assert_str_eq(t->note, "short");
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

/* Those of files that the tenant has removed. */
START_TEST(of_files_that_are_gone) {
        Tenants *ts = tenants();
        Tenant *t = ready(ts, "acme");

        t->spool_fd = unit_dir_open();
        ck_assert_int_ge(mkdirat(t->spool_fd, "stays.job", 0700), 0);
        ck_assert(notes_set(ts, t, "stays.job", "stays"));
        ck_assert(notes_set(ts, t, "gone.job", "gone"));
        ck_assert(notes_set(ts, t, "", "of the tenant"));
        notes_clear_gone(ts, t);
        ck_assert_str_eq(t->note, "stays" TQ_NOTES_BETWEEN "of the tenant");
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

/* The table: by handle and by name; the engine is told everything anew when it is another one. */
START_TEST(table) {
        Tenants *ts = tenants();
        Tenant *a = ready(ts, "acme"), *b = ready(ts, "globex");

        ck_assert_ptr_eq(tenants_ensure(ts, "acme"), a);
        ck_assert_ptr_eq(tenants_by_name(ts, "globex"), b);
        ck_assert_ptr_null(tenants_by_name(ts, "glob"));
        ck_assert_ptr_eq(tenants_find(ts, b->handle), b);
        ck_assert_ptr_null(tenants_find(ts, 0));
        ck_assert_ptr_eq(tenants_next(ts, NULL), a);
        ck_assert_ptr_eq(tenants_next(ts, a), b);
        ck_assert_ptr_null(tenants_next(ts, b));
        tenants_announce(ts, a);
        fake_said_nothing();
        tenants_announce_all(ts);
        ck_assert_str_eq(fake_said_type(TQ_MESSAGE_TENANT)->tenant.name, "acme");
        ck_assert_str_eq(fake_said_type(TQ_MESSAGE_TENANT)->tenant.name, "globex");
        fake_said_nothing();
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

static const struct {
        uid_t owner, submitter, asks;
        bool want;
} submits[] = {
        { 1001, 1002, 1001, true },
        { 1001, 1002, 1002, true },
        { 1001, 1002, 1003, false },
        { 1001, 1002, 0, true },
};

START_TEST(submitters) {
        Tenant t = { .who.uid = submits[_i].owner,
                     .submitters = { submits[_i].submitter },
                     .n_submitters = 1 };

        ck_assert_int_eq(tenants_may_submit(&t, submits[_i].asks), submits[_i].want);
        t.n_submitters = 0;
        ck_assert_int_eq(tenants_may_submit(&t, submits[_i].asks),
                         submits[_i].want && submits[_i].asks != submits[_i].submitter);
}
END_TEST

/* Lines about a tenant are within a budget; what was left out is counted. */
START_TEST(lines) {
        Tenants *ts = tenants();
        Tenant *t = ready(ts, "acme");

        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        for (int i = 0; i < 25; i++)
                tenants_report(t, TQ_LOG_PLAIN, "line %d", i);
        ck_assert_uint_eq(t->n_lines, 25);
        fake_now += 61 * TQ_USEC_PER_SEC;
        tenants_report(t, TQ_LOG_PLAIN, "anew");
        ck_assert_uint_eq(t->n_lines, 1);
        ck_assert_ptr_null(tenants_free(ts));
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "notes"), *d = unit_case(s, "table");

        tcase_add_test(c, come_and_go);
        tcase_add_test(c, bounded);
        tcase_add_loop_test(c, hostile_names, 0, 4);
        tcase_add_test(c, too_long);
        tcase_add_test(c, of_files_that_are_gone);
        tcase_add_test(d, table);
        unit_add_rows(d, submitters, submits);
        tcase_add_test(d, lines);
}

int main(void) {
        return unit_main("supervisor_notes", fill);
}
