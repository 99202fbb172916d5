/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/tenants/tenants.h"

#include <stdio.h>

#include "fake/fake.h"
#include "unit.h"

static const Tenant *became_former;

static void on_former(void *data, const Tenant *former) {
        (void)data;
        became_former = former;
}

static Tenants *tenants(void) {
        static sd_event *loop;
        static Events *events;
        static Tenants *ts;

        ck_assert_int_ge(sd_event_new(&loop), 0);
        ck_assert_int_eq(events_new(loop, fake_commit(), &events), 0);
        ck_assert_int_eq(tenants_new(fake_commit(), events, &ts), 0);
        tenants_on_former(ts, on_former, NULL);
        return ts;
}

static TqTenantMessage message(uint32_t handle, const char *name, uid_t uid, const char *user) {
        TqTenantMessage m = { .tenant = handle, .uid = uid, .is_enabled = 1 };

        (void)snprintf(m.name, sizeof(m.name), "%s", name);
        (void)snprintf(m.user, sizeof(m.user), "%s", user);
        return m;
}

static const Tenant *hear(Tenants *ts, const TqTenantMessage *m) {
        const Tenant *t = NULL;

        ck_assert_int_eq(tenants_hear(ts, m, &t), 0);
        ck_assert_ptr_nonnull(t);
        return t;
}

static const Tenant *comes(Tenants *ts, uint32_t handle, const char *name, uid_t uid,
                           const char *user) {
        TqTenantMessage m = message(handle, name, uid, user);

        return hear(ts, &m);
}

START_TEST(a_new_one) {
        Tenants *ts = tenants();
        const Tenant *t = comes(ts, 7, "acme", 1001, "anna");
        char title[TQ_TENANT_TITLE_MAX];

        ck_assert_uint_eq(t->id, 1);
        ck_assert_ptr_eq(tenants_get(ts, 1), t);
        ck_assert_ptr_eq(tenants_by_handle(ts, 7), t);
        ck_assert_ptr_eq(tenants_by_name(ts, "acme"), t);
        ck_assert_ptr_eq(tenants_by_uid(ts, 1001), t);
        ck_assert_ptr_null(tenants_by_name(ts, "acm"));
        ck_assert_ptr_null(tenants_by_uid(ts, 1002));
        ck_assert_str_eq(tenants_title(t, title), "acme");
        ck_assert_uint_eq(tenants_count(ts), 1);
        /* Its number, and then whose it is. */
        ck_assert_uint_eq(fake_n_ops(), 2);
        ck_assert_int_eq(fake_op(1)->type, TQ_LEDGER_TENANT);
        ck_assert_uint_eq(fake_op(1)->uid, 1001);
        ck_assert_str_eq(fake_op(1)->user, "anna");
        /* The same again is nothing new. */
        ck_assert_ptr_eq(comes(ts, 7, "acme", 1001, "anna"), t);
        ck_assert_uint_eq(fake_n_ops(), 2);
}
END_TEST

/* The same name with another owner is another tenant; the one before is a former one. */
START_TEST(another_owner) {
        Tenants *ts = tenants();
        const Tenant *first = comes(ts, 7, "acme", 1001, "anna"), *second;
        char title[TQ_TENANT_TITLE_MAX], fault[256];

        second = comes(ts, 7, "acme", 1002, "bert");
        ck_assert_ptr_ne(first, second);
        ck_assert_ptr_eq(became_former, first);
        ck_assert(first->is_former && !second->is_former);
        ck_assert_ptr_eq(tenants_by_name(ts, "acme"), second);
        ck_assert_ptr_eq(tenants_by_handle(ts, 7), second);
        ck_assert_ptr_null(tenants_by_uid(ts, 1001));
        ck_assert_str_eq(tenants_title(first, title), "acme.former-1");
        ck_assert_ptr_eq(tenants_by_title(ts, "acme.former-1"), first);
        ck_assert_ptr_null(tenants_by_title(ts, "acme.former-2"));
        ck_assert_ptr_null(tenants_by_title(ts, "other.former-1"));
        ck_assert_ptr_eq(tenants_by_title(ts, "acme"), second);
        ck_assert_ptr_nonnull(
                strstr(tenants_fault(first, fault, sizeof(fault)), "belongs to another user now"));
        /* And back. */
        ck_assert_ptr_eq(comes(ts, 7, "acme", 1001, "anna"), first);
        ck_assert(!first->is_former && second->is_former);
}
END_TEST

static const struct {
        uid_t uid;
        const char *user, *former_owner;
        bool is_same;
} owners[] = {
        { 1001, "anna", "", true },      { 1001, "bert", "", false },
        { 1002, "anna", "", false },     { 1001, "", "", true }, /* its user was deleted */
        { 1002, "anna", "1001", true },  { 1002, "anna", "anna", true },
        { 1002, "bert", "carl", false }, { 1002, "bert", "100", false },
};

START_TEST(who_is_the_same) {
        Tenants *ts = tenants();
        const Tenant *first = comes(ts, 7, "acme", 1001, "anna");
        TqTenantMessage m = message(7, "acme", owners[_i].uid, owners[_i].user);

        (void)snprintf(m.former_owner, sizeof(m.former_owner), "%s", owners[_i].former_owner);
        ck_assert_int_eq(hear(ts, &m) == first, owners[_i].is_same);
}
END_TEST

/* A number without a name keeps its tenant, but nothing is done for it until somebody says whose it
 * is. */
START_TEST(nameless) {
        Tenants *ts = tenants();
        const Tenant *t = comes(ts, 7, "acme", 1001, "anna");
        char fault[256];

        ck_assert_ptr_null(tenants_fault(t, fault, sizeof(fault)));
        (void)comes(ts, 7, "acme", 1001, "");
        ck_assert(t->is_user_gone);
        ck_assert_ptr_nonnull(strstr(tenants_fault(t, fault, sizeof(fault)), "does not exist"));
        ck_assert_ptr_null(tenants_by_uid(ts, 1001));
        ck_assert_str_eq(t->user, "anna");
}
END_TEST

/* A directory that is not in order says nothing about whose it is. */
START_TEST(not_in_order) {
        Tenants *ts = tenants();
        const Tenant *t = comes(ts, 7, "acme", 1001, "anna");
        TqTenantMessage m = message(7, "acme", 1002, "bert");
        char fault[256];

        m.is_enabled = 0;
        (void)snprintf(m.fault, sizeof(m.fault), "mode 0777");
        ck_assert_ptr_eq(hear(ts, &m), t);
        ck_assert_uint_eq(t->uid, 1001);
        ck_assert_str_eq(tenants_fault(t, fault, sizeof(fault)), "mode 0777");
}
END_TEST

START_TEST(who_may_see) {
        Tenants *ts = tenants();
        const Tenant *a = comes(ts, 7, "acme", 1001, "anna"),
                     *b = comes(ts, 8, "bolt", 1002, "bert");
        Viewer anna = { .uid = 1001 }, root = { .uid = 0, .is_admin = true };
        Viewer nobody = { .uid = 1003 }, unprivileged_root = { .uid = 0 };

        ck_assert(tenants_may_see(ts, &anna, a));
        ck_assert(!tenants_may_see(ts, &anna, b));
        ck_assert(!tenants_may_see(ts, &anna, NULL));
        ck_assert(tenants_may_see(ts, &root, a) && tenants_may_see(ts, &root, NULL));
        ck_assert(!tenants_may_see(ts, &nobody, a) && !tenants_may_see(ts, &nobody, NULL));
        ck_assert(!tenants_may_see(ts, &unprivileged_root, a));
        /* What was the user's before is not any more. */
        (void)comes(ts, 7, "acme", 1004, "dora");
        ck_assert(!tenants_may_see(ts, &anna, a));
        ck_assert(!tenants_may_see(ts, &anna, tenants_by_name(ts, "acme")));
}
END_TEST

/* An event for each sentence that was not there before. */
START_TEST(notes) {
        Tenants *ts = tenants();
        TqTenantMessage m = message(7, "acme", 1001, "anna");
        size_t n;

        (void)hear(ts, &m);
        n = fake_n_ops();
        (void)snprintf(m.note, sizeof(m.note), "one" TQ_NOTES_BETWEEN "two");
        (void)hear(ts, &m);
        ck_assert_uint_eq(fake_n_ops(), n + 2);
        ck_assert_str_eq(fake_op(n)->text, "one");
        ck_assert_str_eq(fake_op(n + 1)->text, "two");
        (void)snprintf(m.note, sizeof(m.note), "two" TQ_NOTES_BETWEEN "on");
        (void)hear(ts, &m);
        ck_assert_uint_eq(fake_n_ops(), n + 3);
        ck_assert_str_eq(fake_op(n + 2)->text, "on");
}
END_TEST

/* Nothing that a sentence may say makes two of it: it has names of a tenant's files. */
START_TEST(forged_notes) {
        static const char *const names[] = { "a | job 1 of globex was killed | b.job", "a; b, c. D",
                                             "a\\nb", "a\\x0ab" };
        Tenants *ts = tenants();
        TqTenantMessage m = message(7, "acme", 1001, "anna");
        const char *name = names[_i], *note = m.note, *sentence = NULL;
        size_t n;

        (void)hear(ts, &m);
        n = fake_n_ops();
        (void)snprintf(m.note, sizeof(m.note), "file %s can't be taken" TQ_NOTES_BETWEEN "two",
                       name);
        (void)hear(ts, &m);
        ck_assert_uint_eq(fake_n_ops(), n + 2);
        ck_assert_str_eq(fake_op(n + 1)->text, "two");
        ck_assert_uint_eq(tenants_next_note(&note, &sentence), strlen(fake_op(n)->text));
        ck_assert_ptr_eq(sentence, m.note);
        ck_assert_uint_eq(tenants_next_note(&note, &sentence), 3);
        ck_assert_str_eq(sentence, "two");
        ck_assert_uint_eq(tenants_next_note(&note, &sentence), 0);
}
END_TEST

/* Launches that fail for now are told once, until one works. */
START_TEST(launches) {
        Tenants *ts = tenants();
        const Tenant *t = comes(ts, 7, "acme", 1001, "anna");
        size_t n = fake_n_ops();

        tenants_note_launch(ts, t->id, "clone: ENOMEM");
        tenants_note_launch(ts, t->id, "clone: EAGAIN");
        ck_assert_uint_eq(fake_n_ops(), n + 1);
        ck_assert_str_eq(t->launch_note, "clone: EAGAIN");
        tenants_note_launch(ts, t->id, NULL);
        ck_assert_str_eq(t->launch_note, "");
        tenants_note_launch(ts, t->id, "clone: ENOMEM");
        ck_assert_uint_eq(fake_n_ops(), n + 1); /* once a minute, whatever works in between */
        ck_assert_str_eq(t->launch_note, "clone: ENOMEM");
        tenants_note_launch(ts, t->id, NULL);
        /* Others once a minute, the same once an hour: it is tried each minute. */
        fake_now += 61 * TQ_USEC_PER_SEC;
        tenants_note_launch(ts, t->id, "clone: ENOMEM");
        ck_assert_uint_eq(fake_n_ops(), n + 1);
        tenants_note_launch(ts, t->id, NULL);
        tenants_note_launch(ts, t->id, "sandbox: ENOENT");
        ck_assert_uint_eq(fake_n_ops(), n + 2);
        ck_assert_str_eq(fake_op(n + 1)->text, "sandbox: ENOENT");
        tenants_note_launch(ts, t->id, NULL);
        fake_now += 3601 * TQ_USEC_PER_SEC;
        tenants_note_launch(ts, t->id, "sandbox: ENOENT");
        ck_assert_uint_eq(fake_n_ops(), n + 3);
        tenants_note_launch(ts, 99, "nobody's"); /* harmless */
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "tenants");

        tcase_add_test(t, a_new_one);
        tcase_add_test(t, another_owner);
        unit_add_rows(t, who_is_the_same, owners);
        tcase_add_test(t, nameless);
        tcase_add_test(t, not_in_order);
        tcase_add_test(t, who_may_see);
        tcase_add_test(t, notes);
        tcase_add_loop_test(t, forged_notes, 0, 4);
        tcase_add_test(t, launches);
}

int main(void) {
        return unit_main("engine_tenants", fill);
}
