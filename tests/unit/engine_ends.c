/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/ends.h"

#include <stdio.h>

#include "engine_place.h"

/* The order of things: recorded before it is asked for, asked for before history goes, and the name
 * is free last of all. */

typedef struct Told {
        int n, result;
        char text[TQ_MESSAGE_TEXT_MAX];
} Told;

static Place *p;
static Ends *ends;
static Files *files;

static void tell(void *data, int result, const char *text) {
        Told *t = data;

        t->n++;
        t->result = result;
        (void)snprintf(t->text, sizeof(t->text), "%s", text);
}

/* The next ORDER; what else is said has its own tests. */
static const TqOrderMessage *asked(TqOrderStep step, const char *name, const char *to) {
        const FakeMessage *said;

        while ((said = fake_said()) && said->m.header.type != TQ_MESSAGE_ORDER)
                ;
        ck_assert_ptr_nonnull(said);
        ck_assert_uint_eq(said->m.order.step, step);
        ck_assert_str_eq(said->m.order.name, name);
        ck_assert_str_eq(said->m.order.to, to);
        return &said->m.order;
}

static void asked_nothing(void) {
        const FakeMessage *said;

        while ((said = fake_said()))
                ck_assert_uint_ne(said->m.header.type, TQ_MESSAGE_ORDER);
}

/* How many changes of that type the turn has so far. */
static size_t ops(TqLedgerOpType type) {
        size_t n = 0;

        for (size_t i = 0; i < fake_n_ops(); i++)
                n += fake_op(i)->type == type;
        return n;
}

static const TqLedgerOp *op(TqLedgerOpType type) {
        for (size_t i = 0; i < fake_n_ops(); i++)
                if (fake_op(i)->type == type)
                        return fake_op(i);
        ck_abort_msg("no change of type %d", (int)type);
        return NULL;
}

static void begin(void) {
        static const uint8_t boot[16];
        char path[PATH_MAX];
        TqError err = {};
        TqLink *link;

        p = place_closed("concurrency=1", false);
        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        ck_assert_msg(tq_ledger_open(path, boot, &fake_ledger, &err) == 0, "%s", err.text);
        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_eq(files_new(fake_commit(), p->tenants, &files), 0);
        ck_assert_int_eq(ends_new(&(EndsRooms){ .event = p->loop,
                                                .link = link,
                                                .commit = fake_commit(),
                                                .tenants = p->tenants,
                                                .settings = p->settings,
                                                .files = files,
                                                .dispatch = p->dispatch,
                                                .intake = p->intake },
                                  &ends),
                         0);
        ck_assert_int_eq(dispatch_open(p->dispatch), 0);
        ck_assert_int_eq(ends_load(ends), 0);
        ends_start(ends);
        (void)asked(TQ_ORDER_SETTLE, "", "");
        fake_commit_all(0);
}

static void order(TqLedgerEnding what, const char *to, Told *told) {
        ck_assert_int_eq(
                ends_order(ends, p->t,
                           &(EndOrder){ .what = what, .to = to, .why = "because", .uid = 0 }, tell,
                           told),
                0);
}

static void hear_tenant(const char *name, uid_t uid, const Tenant **ret) {
        TqTenantMessage m = { .tenant = HANDLE, .uid = uid, .owner = 3, .is_enabled = 1 };

        (void)snprintf(m.name, sizeof(m.name), "%s", name);
        ck_assert_int_eq(tenants_hear(p->tenants, &m, ret), 0);
}

static TqSwitches switched(void) {
        const TqTenant *view = tq_scheduler_tenant(feed_scheduler(p->feed), p->t->id);

        return (TqSwitches){ .is_paused = view->is_paused, .is_draining = view->is_draining };
}

START_TEST(removed) {
        TqOrderFound found = { .spool_files = 3, .n_attempts = 1, .has_order = 1 };
        Told told = {}, waited = {}, again = {}, late = {};
        char text[512];
        uint64_t cookie;

        begin();
        order(TQ_ENDING_REMOVE, "", &told);
        ck_assert_int_eq(op(TQ_LEDGER_ENDING)->ending.what, TQ_ENDING_REMOVE);
        ck_assert_str_eq(op(TQ_LEDGER_ENDING)->text, "because");
        ck_assert(switched().is_draining && !switched().is_paused);
        ck_assert_int_eq(told.n, 0);
        asked_nothing();
        fake_commit_all(0);
        ck_assert(told.n == 1 && told.result == 0);
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), 0);
        /* One of its jobs is still there, as the supervisor knows. */
        fake_answer(asked(TQ_ORDER_LOOK, "acme", "")->cookie, 0, &found, sizeof(found));
        fake_work(true);
        ck_assert_uint_eq(ops(TQ_LEDGER_ENDING), 0);
        fake_run(p->loop);
        found.n_attempts = 0;
        /* A ledger that was brought back may know of a removal that root does not want any more. */
        found.has_order = 0;
        fake_answer(asked(TQ_ORDER_LOOK, "acme", "")->cookie, 0, &found, sizeof(found));
        fake_work(true);
        ck_assert_uint_eq(ops(TQ_LEDGER_ENDING), 0);
        ck_assert_ptr_nonnull(
                strstr(ends_describe(ends, p->t, text, sizeof(text)), "root's order is not there"));
        /* Who waits is told that nothing else is missing; who waits again is not kept waiting. */
        ck_assert(waited.n == 1 && waited.result == -ENODATA);
        waited = (Told){};
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), 0);
        /* Who comes while it is looked for may have brought it: nobody is to give it again. */
        cookie = asked(TQ_ORDER_LOOK, "acme", "")->cookie;
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &late), 0);
        fake_answer(cookie, 0, &found, sizeof(found));
        fake_work(true);
        ck_assert(waited.n == 1 && waited.result == -ENODATA);
        ck_assert_int_eq(late.n, 0);
        ck_assert_ptr_null(strstr(ends_describe(ends, p->t, text, sizeof(text)), "order"));
        fake_run(p->loop);
        waited = (Told){};
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), 0);
        found.has_order = 1;
        fake_answer(asked(TQ_ORDER_LOOK, "acme", "")->cookie, 0, &found, sizeof(found));
        fake_work(true);
        /* No way back from here, and not before that is recorded. */
        ck_assert_int_eq(op(TQ_LEDGER_ENDING)->ending.what, TQ_ENDING_DELETE);
        ck_assert_str_eq(op(TQ_LEDGER_ENDING)->text, "because");
        asked_nothing();
        ck_assert_int_eq(ends_keep(ends, p->t, &(EndOrder){ .why = "" }, tell, &again), 0);
        ck_assert(again.n == 1 && again.result == -EBUSY);
        fake_commit_all(0);
        fake_answer(asked(TQ_ORDER_REMOVE, "acme", "")->cookie, -EAGAIN, "a mount", 7);
        ck_assert_str_eq(ends_describe(ends, p->t, text, sizeof(text)),
                         "it is being removed: a mount");
        asked_nothing();
        fake_run(p->loop);
        fake_answer(asked(TQ_ORDER_REMOVE, "acme", "")->cookie, 0, NULL, 0);
        fake_work(true);
        ck_assert_uint_eq(ops(TQ_LEDGER_ERASED), 1);
        asked_nothing();
        ck_assert_int_eq(waited.n, 0);
        fake_commit_all(0);
        ck_assert_int_eq(waited.n, 0);
        fake_answer(asked(TQ_ORDER_DROP, "acme", "")->cookie, 0, NULL, 0);
        ck_assert(waited.n == 1 && waited.result == 0);
        ck_assert(late.n == 1 && late.result == 0);
        ck_assert_ptr_null(tenants_by_name(p->tenants, "acme"));
        ck_assert_ptr_null(tenants_by_uid(p->tenants, 1001));
        ck_assert_ptr_null(ends_free(ends));
        ck_assert_ptr_null(files_free(files));
}
END_TEST

/* The next one of the name is another. */
START_TEST(removed_and_new) {
        TqOrderFound found = { .has_order = 1 };
        const Tenant *next;
        uint32_t id;
        Told told = {};

        begin();
        id = p->t->id;
        order(TQ_ENDING_CANCEL, "", &told);
        ck_assert(switched().is_paused);
        fake_commit_all(0);
        fake_answer(asked(TQ_ORDER_LOOK, "acme", "")->cookie, 0, &found, sizeof(found));
        fake_work(true);
        fake_commit_all(0);
        fake_answer(asked(TQ_ORDER_REMOVE, "acme", "")->cookie, 0, NULL, 0);
        fake_work(true);
        fake_commit_all(0);
        hear_tenant("acme", 1001, &next);
        ck_assert_uint_ne(next->id, id);
        ck_assert_ptr_eq(tenants_by_name(p->tenants, "acme"), next);
        ck_assert_ptr_eq(tenants_get(p->tenants, id), p->t);
        ck_assert_ptr_null(ends_free(ends));
        ck_assert_ptr_null(files_free(files));
}
END_TEST

START_TEST(kept) {
        TqOrderFound found = { .has_order = 1 };
        Told told = {}, waited = {}, done = {};
        const TqOrderMessage *m;

        begin();
        ck_assert_int_eq(
                dispatch_step(p->dispatch, &(TqEvent){ .type = TQ_EVENT_SWITCH,
                                                       .tenant = p->t->id,
                                                       .switches = { .is_paused = true } }),
                0);
        order(TQ_ENDING_REMOVE, "", &told);
        fake_commit_all(0);
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), 0);
        m = asked(TQ_ORDER_LOOK, "acme", "");
        ck_assert_int_eq(ends_keep(ends, p->t, &(EndOrder){ .why = "" }, tell, &done), 0);
        ck_assert_int_eq(op(TQ_LEDGER_ENDING)->ending.what, TQ_ENDING_NONE);
        ck_assert(switched().is_paused && !switched().is_draining);
        ck_assert(waited.n == 1 && waited.result < 0);
        /* Until that is recorded the order stands. */
        asked_nothing();
        fake_commit_all(0);
        (void)asked(TQ_ORDER_DROP, "acme", "");
        ck_assert(done.n == 1 && done.result == 0);
        /* What was asked before comes to nothing. */
        fake_answer(m->cookie, 0, &found, sizeof(found));
        fake_work(true);
        fake_run(p->loop);
        asked_nothing();
        ck_assert_uint_eq(ops(TQ_LEDGER_ENDING), 0);
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), -ENOENT);
        ck_assert_int_eq(ends_keep(ends, p->t, &(EndOrder){ .why = "" }, tell, &done), 0);
        ck_assert_int_eq(done.result, -EINVAL);
        ck_assert_ptr_null(ends_free(ends));
        ck_assert_ptr_null(files_free(files));
}
END_TEST

/* The supervisor speaks of the new name before it answers, as it does after a crash. */
START_TEST(renamed) {
        const TqOrderMessage *m;
        const Tenant *same;
        Told told = {}, waited = {};

        begin();
        order(TQ_ENDING_RENAME, "other", &told);
        ck_assert(switched().is_paused && switched().is_draining);
        asked_nothing();
        fake_commit_all(0);
        m = asked(TQ_ORDER_RENAME, "acme", "other");
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), 0);
        hear_tenant("other", 1001, &same);
        ck_assert_ptr_eq(same, p->t);
        ck_assert_str_eq(op(TQ_LEDGER_RENAME)->text, "other");
        ck_assert_ptr_null(tenants_by_name(p->tenants, "acme"));
        fake_answer(m->cookie, 0, NULL, 0);
        ck_assert_uint_eq(ops(TQ_LEDGER_RENAME), 1);
        asked_nothing();
        fake_commit_all(0);
        fake_answer(asked(TQ_ORDER_DROP, "acme", "")->cookie, 0, NULL, 0);
        ck_assert(waited.n == 1 && waited.result == 0);
        ck_assert(!switched().is_paused && !switched().is_draining);
        ck_assert_ptr_null(ends_free(ends));
        ck_assert_ptr_null(files_free(files));
}
END_TEST

START_TEST(not_renamed) {
        Told told = {}, waited = {};

        begin();
        order(TQ_ENDING_RENAME, "acme", &told);
        ck_assert_int_eq(told.result, -EEXIST);
        order(TQ_ENDING_RENAME, "other", &told);
        fake_commit_all(0);
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), 0);
        /* Another one meanwhile. */
        order(TQ_ENDING_REMOVE, "", &told);
        ck_assert_int_eq(told.result, -EBUSY);
        fake_answer(asked(TQ_ORDER_RENAME, "acme", "other")->cookie, -EEXIST, "is there", 8);
        ck_assert_int_eq(op(TQ_LEDGER_ENDING)->ending.what, TQ_ENDING_NONE);
        fake_commit_all(0);
        fake_answer(asked(TQ_ORDER_DROP, "acme", "")->cookie, 0, NULL, 0);
        ck_assert(waited.n == 1 && waited.result < 0);
        ck_assert_str_eq(waited.text, "is there");
        ck_assert_ptr_nonnull(tenants_by_name(p->tenants, "acme"));
        ck_assert(!switched().is_paused);
        ck_assert_ptr_null(ends_free(ends));
        ck_assert_ptr_null(files_free(files));
}
END_TEST

START_TEST(another_owner) {
        Told told = {}, waited = {};
        const Tenant *same, *other;
        const TqOrderMessage *m;

        begin();
        order(TQ_ENDING_CHOWN, "1005", &told);
        fake_commit_all(0);
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), 0);
        m = asked(TQ_ORDER_CHOWN, "acme", "1005");
        hear_tenant("acme", 1005, &same);
        ck_assert_ptr_eq(same, p->t);
        ck_assert_uint_eq(op(TQ_LEDGER_TENANT)->uid, 1005);
        fake_answer(m->cookie, 0, NULL, 0);
        fake_commit_all(0);
        fake_answer(asked(TQ_ORDER_DROP, "acme", "")->cookie, 0, NULL, 0);
        ck_assert(waited.n == 1 && waited.result == 0);
        /* From then on another one is another tenant, as ever. */
        hear_tenant("acme", 1006, &other);
        ck_assert_ptr_ne(other, p->t);
        /* By order it is the same, also if the user had the name before. */
        fake_commit_all(0);
        ck_assert_int_eq(
                ends_order(
                        ends, other,
                        &(EndOrder){ .what = TQ_ENDING_CHOWN, .to = "1005", .why = "", .uid = 0 },
                        tell, &told),
                0);
        fake_commit_all(0);
        (void)asked(TQ_ORDER_CHOWN, "acme", "1005");
        hear_tenant("acme", 1005, &same);
        ck_assert_ptr_eq(same, other);
        ck_assert_ptr_null(ends_free(ends));
        ck_assert_ptr_null(files_free(files));
}
END_TEST

/* One that has begun is finished, however long something is in the way. */
START_TEST(another_owner_at_last) {
        Told told = {};

        begin();
        order(TQ_ENDING_CHOWN, "1005", &told);
        fake_commit_all(0);
        for (int i = 0; i < 40; i++) {
                fake_answer(asked(TQ_ORDER_CHOWN, "acme", "1005")->cookie, -EAGAIN, "no room", 7);
                ck_assert_uint_eq(ops(TQ_LEDGER_ENDING), 0);
                fake_run(p->loop);
        }
        fake_answer(asked(TQ_ORDER_CHOWN, "acme", "1005")->cookie, 0, NULL, 0);
        ck_assert_int_eq(op(TQ_LEDGER_ENDING)->ending.what, TQ_ENDING_NONE);
        ck_assert_ptr_null(ends_free(ends));
        ck_assert_ptr_null(files_free(files));
}
END_TEST

/* What was asked for before is answered after: who waits has come since, and what is intended, too.
 */
START_TEST(kept_while_looked) {
        TqOrderFound found = { .has_order = 1 };
        Told told = {}, waited = {}, done = {};
        uint64_t cookie;

        begin();
        order(TQ_ENDING_REMOVE, "", &told);
        fake_commit_all(0);
        cookie = asked(TQ_ORDER_LOOK, "acme", "")->cookie;
        ck_assert_int_eq(ends_keep(ends, p->t, &(EndOrder){ .why = "" }, tell, &done), 0);
        fake_commit_all(0);
        (void)asked(TQ_ORDER_DROP, "acme", "");
        ck_assert_int_eq(ends_wait(ends, p->t, tell, &waited), 0);
        fake_answer(cookie, 0, &found, sizeof(found));
        fake_work(true);
        ck_assert(waited.n == 1 && waited.result == -EBUSY);
        /* The same, and it becomes another's. */
        order(TQ_ENDING_REMOVE, "", &told);
        fake_commit_all(0);
        cookie = asked(TQ_ORDER_LOOK, "acme", "")->cookie;
        ck_assert_int_eq(ends_keep(ends, p->t, &(EndOrder){ .why = "" }, tell, &done), 0);
        fake_commit_all(0);
        (void)asked(TQ_ORDER_DROP, "acme", "");
        order(TQ_ENDING_CHOWN, "1009", &told);
        fake_answer(cookie, 0, &found, sizeof(found));
        fake_work(true);
        asked_nothing(); /* before it is recorded */
        fake_commit_all(0);
        (void)asked(TQ_ORDER_CHOWN, "acme", "1009");
        ck_assert_ptr_null(ends_free(ends));
        ck_assert_ptr_null(files_free(files));
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "ends");

        tcase_add_test(c, removed);
        tcase_add_test(c, removed_and_new);
        tcase_add_test(c, kept);
        tcase_add_test(c, kept_while_looked);
        tcase_add_test(c, renamed);
        tcase_add_test(c, not_renamed);
        tcase_add_test(c, another_owner);
        tcase_add_test(c, another_owner_at_last);
}

int main(void) {
        return unit_main("engine_ends", fill);
}
