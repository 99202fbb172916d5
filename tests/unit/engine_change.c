/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/change.h"

#include <stdio.h>

#include "engine/settings/change_row.h"
#include "engine/settings/expiry.h"
#include "engine/settings/unit.h"
#include "fake/fake.h"
#include "kernel/slice.h"
#include "world.h"

/* Limits on their way: the supervisor is asked to apply them, and the ledger to record them, in
 * that order. */

#define HANDLE 7

typedef struct Place {
        World w;
        sd_event *loop;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        const Tenant *t;
        size_t n_told;
        /* Of the last change that ended. */
        size_t n_done;
        TqControlError error;
        char text[256], rows[512];
} Place;

static void on_change(void *data, const Tenant *t) {
        Place *p = data;
        TenantEvent e;

        p->n_told++;
        settings_describe(p->settings, t, &e);
        must_step(&p->w, e.event);
}

static void on_done(void *data, const Change *c, TqControlError error, const char *text) {
        Place *p = data;

        p->n_done++;
        p->error = error;
        (void)snprintf(p->text, sizeof(p->text), "%s", text ? text : "");
        p->rows[0] = '\0';
        for (size_t i = 0; i < change_count(c); i++) {
                size_t n = strlen(p->rows);
                ChangeRow row;

                change_row(c, i, &row);
                (void)snprintf(p->rows + n, sizeof(p->rows) - n, "%s%s: %s -> %s #%ju, %s, %s",
                               n > 0 ? "; " : "", row.name, row.old_value ? row.old_value : "unset",
                               row.new_value ? row.new_value : "unset", (uintmax_t)row.revision,
                               row.effective ? row.effective : "unset",
                               row.kernel ? row.kernel : "no kernel");
        }
}

static Place *place(void) {
        static Place p;
        TqHello host = {};
        TqTenantMessage m = { .tenant = HANDLE, .uid = 1001, .is_enabled = 1, .name = "acme" };
        TqLink *link;

        p.w = world_new();
        p.w.now = fake_now;
        tq_policy_init(&host.policy);
        host.policy.max_jobs = 10;
        host.defaults = limits("cpu=1 memory=1G");
        host.ceilings = limits("cpu=4");
        p.w.host = host.policy;
        must_step(&p.w, (TqEvent){ .type = TQ_EVENT_HOST, .host = &p.w.host });
        m.limits = limits("memory=2G concurrency=3");
        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_ge(sd_event_new(&p.loop), 0);
        ck_assert_int_eq(events_new(p.loop, fake_commit(), &p.events), 0);
        ck_assert_int_eq(tenants_new(fake_commit(), p.events, &p.tenants), 0);
        ck_assert_int_eq(settings_new(link, fake_commit(), p.tenants, p.w.s, &p.settings), 0);
        settings_on_change(p.settings, on_change, &p);
        settings_hear_host(p.settings, &host);
        ck_assert_int_eq(tenants_hear(p.tenants, &m, &p.t), 0);
        ck_assert_int_eq(settings_hear(p.settings, p.t, &m), 0);
        return &p;
}

/* The supervisor has applied what it was asked to: it says what the slice holds. Of the texts that
 * are copied then, that one can't be. */
static void applies_but(const char *key, const char *value, unsigned no_copy) {
        const TqMessage *m = fake_said_type(TQ_MESSAGE_APPLY);
        TqLimits one = {};
        TqSliceValue held = {};
        char text[TQ_VALUE_MAX];
        TqError err = {};

        ck_assert_uint_eq(m->apply.tenant, HANDLE);
        held.key = tq_limits_find(key);
        ck_assert_int_eq(tq_limits_set(&one, key, value, TQ_SCOPE_TENANT, false, 0, &err), 0);
        ck_assert_str_eq(tq_limits_format(&m->apply.limits, held.key, text, sizeof(text)), value);
        (void)snprintf(held.text, sizeof(held.text), "%s",
                       tq_limits_attribute(&one, held.key, text, sizeof(text)));
        fake_no_copy = no_copy;
        fake_answer(m->apply.cookie, 0, &held, sizeof(held));
}

static void applies(const char *key, const char *value) {
        applies_but(key, value, 0);
}

static void refuses(const char *why) {
        const TqMessage *m = fake_said_type(TQ_MESSAGE_APPLY);

        fake_answer(m->apply.cookie, -EINVAL, why, strlen(why) + 1);
}

static Change *request(Place *p, ChangeRequest r) {
        Change *c = NULL;

        r.uid = 42;
        ck_assert_int_eq(change_new(p->settings, p->t, &r, on_done, p, &c), 0);
        return c;
}

static Change *change(Place *p) {
        return request(p, (ChangeRequest){});
}

static Change *assign(Place *p, const char *assignment) {
        Change *c = change(p);
        TqError err = {};

        ck_assert_int_eq(change_assign(c, "", assignment, &err), 0);
        return c;
}

static void start(Change *c) {
        TqError err = {};

        ck_assert_msg(change_start(c, &err) == 0, "%s", err.text);
}

static bool starts(const Place *p) {
        char fault[256];

        return !settings_fault(p->settings, p->t, fault, sizeof(fault));
}

/* A tenant starts when the kernel has what its file and the defaults say. */
START_TEST(applied_first) {
        Place *p = place();
        char fault[256];

        ck_assert_uint_eq(p->n_told, 1); /* known at once, as one that can't start */
        ck_assert_str_eq(settings_fault(p->settings, p->t, fault, sizeof(fault)),
                         "its limits are being applied");
        applies("memory", "2G");
        ck_assert(starts(p));
        ck_assert_uint_eq(p->n_told, 2);
        ck_assert_uint_eq(tq_scheduler_tenant(p->w.s, 1)->concurrency, 3);
        fake_said_nothing();
}
END_TEST

/* What can't be applied disables it, with the reason; the next try may mend that. */
START_TEST(not_applied) {
        Place *p = place();
        char fault[256];

        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        refuses("memory: no such controller");
        ck_assert_str_eq(settings_fault(p->settings, p->t, fault, sizeof(fault)),
                         "its limits can't be applied: memory: no such controller");
        settings_apply(p->settings, p->t);
        applies("memory", "2G");
        ck_assert(starts(p));
}
END_TEST

/* Kernel, ledger, and only then it is told. */
START_TEST(order) {
        Place *p = place();
        char text[TQ_VALUE_MAX];

        applies("memory", "2G");
        fake_commit_all(0);
        start(assign(p, "cpu=2"));
        ck_assert_uint_eq(fake_n_ops(), 0);
        applies("cpu", "2");
        ck_assert_uint_eq(p->n_done, 0);
        ck_assert_uint_eq(fake_n_ops(), 2);
        ck_assert_int_eq(fake_op(0)->type, TQ_LEDGER_LIMIT);
        ck_assert_str_eq(fake_op(0)->limit.name, "cpu");
        ck_assert_str_eq(fake_op(0)->limit.value, "2");
        ck_assert_uint_eq(fake_op(0)->limit.revision, 1);
        ck_assert_int_eq(fake_op(1)->type, TQ_LEDGER_AUDIT);
        ck_assert_str_eq(fake_op(1)->audit.old_value, "1");
        ck_assert_ptr_null(fake_op(1)->audit.old_set); /* it came of [defaults] */
        ck_assert_str_eq(fake_op(1)->audit.new_value, "2");
        ck_assert_uint_eq(fake_op(1)->audit.revision, 1);
        ck_assert_uint_eq(fake_op(1)->uid, 42);
        ck_assert_str_eq(layers_value(&settings_layers(p->settings, 1)->effective, "cpu", text,
                                      sizeof(text)),
                         "1"); /* not yet */
        fake_commit_all(0);
        ck_assert_uint_eq(p->n_done, 1);
        ck_assert_str_eq(p->text, "");
        ck_assert_str_eq(p->rows, "cpu: 1 -> 2 #1, 2, 200000 100000");
        ck_assert_str_eq(layers_value(&settings_layers(p->settings, 1)->effective, "cpu", text,
                                      sizeof(text)),
                         "2");
        fake_said_nothing();
}
END_TEST

/* What the kernel refuses leaves no trace. */
START_TEST(kernel_refuses) {
        Place *p = place();

        applies("memory", "2G");
        fake_commit_all(0);
        start(assign(p, "cpu=2"));
        refuses("cpu: no");
        ck_assert_uint_eq(p->n_done, 1);
        ck_assert_int_eq(p->error, TQ_CONTROL_INVALID);
        ck_assert_str_eq(p->text, "cpu: no; nothing was changed");
        ck_assert_uint_eq(fake_n_ops(), 0);
        ck_assert(starts(p));      /* what held before still does */
        start(assign(p, "cpu=3")); /* another one can be made */
        applies("cpu", "3");
        fake_commit_all(0);
        ck_assert_str_eq(p->rows, "cpu: 1 -> 3 #1, 3, 300000 100000");
}
END_TEST

/* What can't be recorded is taken back. */
START_TEST(not_recorded) {
        Place *p = place();

        applies("memory", "2G");
        fake_commit_all(0);
        start(assign(p, "cpu=2"));
        applies("cpu", "2");
        fake_commit_all(-EIO);
        ck_assert_uint_eq(p->n_done, 1);
        ck_assert_int_eq(p->error, TQ_CONTROL_REFUSED);
        ck_assert_ptr_nonnull(strstr(p->text, "the limits are as they were"));
        applies("cpu", "1");
        fake_said_nothing();
}
END_TEST

/* Each text that is to be recorded can't be copied once: without its new value it would be recorded
 * as unset. */
START_TEST(copies_fail) {
        Place *p = place();

        applies("memory", "2G");
        fake_commit_all(0);
        start(assign(p, "cpu=2"));
        applies_but("cpu", "2", (unsigned)_i + 1); /* name, value; name, old, new, the kernel's */
        ck_assert_uint_eq(fake_no_copy, 0);
        ck_assert_ptr_nonnull(commit_fault(fake_commit()));
        fake_commit_all(-EIO);
        ck_assert_uint_eq(p->n_done, 1);
        ck_assert_int_eq(p->error, TQ_CONTROL_REFUSED);
        applies("cpu", "1");
        fake_said_nothing();
}
END_TEST

/* One change of a tenant at a time; one that comes while its limits are applied waits for that. */
START_TEST(one_at_a_time) {
        Place *p = place();
        Change *c = assign(p, "cpu=2"), *other;

        ck_assert_int_eq(change_new(p->settings, p->t, &(ChangeRequest){}, on_done, p, &other),
                         -EBUSY);
        start(c);
        applies("memory", "2G"); /* the first message's */
        applies("cpu", "2");
        fake_commit_all(0);
        ck_assert_uint_eq(p->n_done, 1);
        /* A reload that comes meanwhile is applied behind it, once. */
        start(assign(p, "cpu=3"));
        settings_apply(p->settings, p->t);
        settings_apply(p->settings, p->t);
        applies("cpu", "3");
        fake_said_nothing();
        fake_commit_all(0);
        ck_assert_uint_eq(p->n_done, 2);
        applies("cpu", "3");
        fake_said_nothing();
}
END_TEST

/* What stands so already makes no revision, and asks nobody. */
START_TEST(as_it_was) {
        Place *p = place();
        Change *c;
        TqError err = {};

        applies("memory", "2G");
        start(assign(p, "cpu=2"));
        applies("cpu", "2");
        fake_commit_all(0);
        start(assign(p, "cpu=2"));
        fake_said_nothing();
        ck_assert_uint_eq(fake_n_ops(), 0);
        ck_assert_uint_eq(p->n_done, 2);
        ck_assert_str_eq(p->rows, "cpu: 2 -> 2 #0, 2, 200000 100000");
        /* Unset: the default holds again. */
        c = change(p);
        ck_assert_int_eq(change_unassign(c, "", "cpu", &err), 0);
        start(c);
        applies("cpu", "1");
        fake_commit_all(0);
        ck_assert_str_eq(p->rows, "cpu: 2 -> unset #2, 1, 100000 100000");
}
END_TEST

static const struct {
        const char *queue, *first, *second, *says;
} wrong[] = {
        { "", "cpu", NULL, "expected KEY=VALUE" },
        { "", "cpu=x", NULL, NULL },
        { "", "nothing=1", NULL, "unknown" },
        { "", "cpu=1", "cpu=2", "given twice" },
        { "", "CPUQuota=200%", "cpu=2", "given twice" },
        { "q", "cpu=1", NULL, "is not a limit of a queue" },
        { "", "", NULL, "expected KEY=VALUE" },
};

START_TEST(not_understood) {
        Place *p = place();
        Change *c = change(p);
        const char *queue = wrong[_i].queue;
        TqError err = {};
        int r;

        r = change_assign(c, queue, wrong[_i].first, &err);
        if (wrong[_i].second) {
                ck_assert_int_eq(r, 0);
                r = change_assign(c, queue, wrong[_i].second, &err);
        }
        ck_assert_int_eq(r, -EBADMSG);
        if (wrong[_i].says)
                ck_assert_msg(strstr(err.text, wrong[_i].says), "%s", err.text);
        ck_assert_ptr_null(change_free(c));
        ck_assert_uint_eq(p->n_done, 0);
        c = assign(p, "cpu=1"); /* it doesn't block the next one */
        ck_assert_ptr_null(change_free(c));
}
END_TEST

static const struct {
        const char *assignment, *says;
} impossible[] = {
        { "cpu=5", "[ceilings]" },
        { "reserved=11", "only 10 of the pool's slots" },
};

START_TEST(not_possible) {
        Place *p = place();
        TqError err = {};
        Change *c;

        applies("memory", "2G");
        c = assign(p, impossible[_i].assignment);
        ck_assert_int_eq(change_start(c, &err), -EBADMSG);
        ck_assert_msg(strstr(err.text, impossible[_i].says), "%s", err.text);
        ck_assert_ptr_null(change_free(c));
        fake_said_nothing();
        ck_assert_uint_eq(p->n_done, 0);
}
END_TEST

/* A queue's limits are the scheduler's alone: no kernel, but a record. */
START_TEST(of_a_queue) {
        Place *p = place();
        TqError err = {};
        Change *c;

        applies("memory", "2G");
        fake_commit_all(0);
        c = change(p);
        ck_assert_int_eq(change_assign(c, "etl", "concurrency=2", &err), 0);
        ck_assert_int_eq(change_assign(c, "etl", "queue_depth=5", &err), 0);
        start(c);
        fake_said_nothing();
        ck_assert_uint_eq(fake_n_ops(), 4);
        ck_assert_str_eq(fake_op(0)->limit.queue, "etl");
        fake_commit_all(0);
        ck_assert_str_eq(p->rows, "concurrency: unset -> 2 #1, 2, no kernel; "
                                  "queue_depth: unset -> 5 #1, 5, no kernel");
}
END_TEST

/* Two reservations at once would each see the slots that the other takes. */
START_TEST(reservations) {
        TqTenantMessage m = { .tenant = 8, .uid = 1002, .is_enabled = 1, .name = "globex" };
        Place *p = place();
        const Tenant *other;
        TqError err = {};
        Change *c, *d = NULL;

        applies("memory", "2G");
        ck_assert_int_eq(tenants_hear(p->tenants, &m, &other), 0);
        ck_assert_int_eq(settings_hear(p->settings, other, &m), 0);
        (void)fake_said_type(TQ_MESSAGE_APPLY);
        c = assign(p, "reserved=6");
        start(c);
        (void)fake_said_type(TQ_MESSAGE_APPLY);
        ck_assert_int_eq(change_new(p->settings, other, &(ChangeRequest){}, on_done, p, &d), 0);
        ck_assert_int_eq(change_assign(d, "", "reserved=6", &err), 0);
        ck_assert_int_eq(change_start(d, &err), -EBUSY);
        ck_assert_ptr_null(change_free(d));
}
END_TEST

/* A pool that many have waited for is there: each is told once, one after the other. */
START_TEST(wanted_by_many) {
        enum { MANY = 2000 };
        Place *p = place();
        TqHello with = *settings_host(p->settings);

        for (uint32_t i = 0; i < MANY; i++) {
                TqTenantMessage m = { .tenant = 100 + i, .uid = 5000 + i, .pool = "batch" };
                const Tenant *t;

                (void)snprintf(m.name, sizeof(m.name), "t%u", i);
                ck_assert_int_eq(tenants_hear(p->tenants, &m, &t), 0);
                ck_assert_int_eq(settings_hear(p->settings, t, &m), 0);
                if (i % 100 == 0)
                        fake_commit_all(0);
        }
        with.policy.n_pools = 1;
        (void)snprintf(with.policy.pools[0].name, sizeof(with.policy.pools[0].name), "batch");
        with.policy.pools[0].slots = 2;
        settings_hear_host(p->settings, &with);
        p->w.host = with.policy;
        must_step(&p->w, (TqEvent){ .type = TQ_EVENT_HOST, .host = &p->w.host });
        p->n_told = 0;
        settings_tell(p->settings, p->t);
        ck_assert_uint_eq(p->n_told, 1 + MANY);
}
END_TEST

/* Its own limits and those of its queues at once: one revision. */
START_TEST(several_at_once) {
        Place *p = place();
        TqError err = {};
        Change *c;

        applies("memory", "2G");
        fake_commit_all(0);
        c = assign(p, "cpu=2");
        ck_assert_int_eq(change_assign(c, "etl", "concurrency=2", &err), 0);
        start(c);
        applies("cpu", "2");
        fake_commit_all(0);
        ck_assert_str_eq(p->rows, "cpu: 1 -> 2 #1, 2, 200000 100000; "
                                  "concurrency: unset -> 2 #1, 2, no kernel");
        ck_assert_uint_eq(settings_revision(p->settings, 1), 1);
        c = change(p);
        ck_assert_int_eq(change_put(c, "", "cpu", NULL, &err), 0);
        ck_assert_int_eq(change_put(c, "etl", "concurrency", NULL, &err), 0);
        start(c);
        applies("cpu", "1");
        fake_commit_all(0);
        ck_assert_uint_eq(settings_revision(p->settings, 1), 2);
        ck_assert_uint_eq(settings_layers(p->settings, 1)->n_live_queues, 0);
}
END_TEST

/* Compare and set. */
START_TEST(if_revision) {
        Place *p = place();
        TqError err = {};
        Change *c;

        applies("memory", "2G");
        c = request(p, (ChangeRequest){ .is_conditional = true, .if_revision = 1 });
        ck_assert_int_eq(change_assign(c, "", "cpu=2", &err), 0);
        ck_assert_int_eq(change_start(c, &err), -ESTALE);
        ck_assert_str_eq(err.text, "acme is at revision 0, not 1");
        ck_assert_int_eq(change_error_of(-ESTALE), TQ_CONTROL_CHANGED);
        (void)change_free(c);
        c = request(p, (ChangeRequest){ .is_conditional = true });
        ck_assert_int_eq(change_assign(c, "", "cpu=2", &err), 0);
        start(c);
        applies("cpu", "2");
        fake_commit_all(0);
        ck_assert_uint_eq(settings_revision(p->settings, 1), 1);
}
END_TEST

/* A trial says what would be, asks the supervisor whether it can be, and changes nothing. */
START_TEST(trial) {
        Place *p = place();
        const TqMessage *m;
        TqError err = {};
        Change *c;

        applies("memory", "2G");
        fake_commit_all(0);
        c = request(p, (ChangeRequest){ .is_trial = true });
        ck_assert_int_eq(change_assign(c, "", "cpu=2", &err), 0);
        start(c);
        m = fake_said_type(TQ_MESSAGE_APPLY);
        ck_assert_uint_eq(m->apply.how, TQ_APPLY_TRY);
        fake_answer(m->apply.cookie, 0, NULL, 0);
        ck_assert_str_eq(p->text, "");
        ck_assert_str_eq(p->rows, "cpu: 1 -> 2 #0, 2, no kernel");
        ck_assert_uint_eq(fake_n_ops(), 0);
        ck_assert(!settings_live(p->settings, 1, "", "cpu", &(LiveFacts){}));
        c = request(p, (ChangeRequest){ .is_trial = true });
        ck_assert_int_eq(change_assign(c, "", "cpu=2", &err), 0);
        start(c);
        fake_answer(fake_said_type(TQ_MESSAGE_APPLY)->apply.cookie, -EBUSY, "less", 5);
        ck_assert_str_eq(p->text, "less; nothing was changed");
        ck_assert_int_eq(p->error, TQ_CONTROL_REFUSED);
}
END_TEST

/* What would take from what runs: as the supervisor says, unless it is forced. */
START_TEST(gently) {
        Place *p = place();
        const TqMessage *m;
        TqError err = {};
        Change *c;

        applies("memory", "2G");
        fake_commit_all(0);
        start(assign(p, "memory=1G"));
        m = fake_said_type(TQ_MESSAGE_APPLY);
        ck_assert_uint_eq(m->apply.how, TQ_APPLY_GENTLY);
        fake_answer(m->apply.cookie, -EBUSY, "less", 5);
        ck_assert_int_eq(p->error, TQ_CONTROL_REFUSED);
        c = request(p, (ChangeRequest){ .is_forced = true });
        ck_assert_int_eq(change_assign(c, "", "memory=1G", &err), 0);
        start(c);
        m = fake_said_type(TQ_MESSAGE_APPLY);
        ck_assert_uint_eq(m->apply.how, TQ_APPLY_NOW);
        fake_answer(m->apply.cookie, 0, NULL, 0);
        fake_commit_all(0);
        ck_assert_str_eq(p->text, "");
}
END_TEST

#define HOUR (3600 * TQ_USEC_PER_SEC)

static void set_for(Place *p, const char *assignment, uint64_t usec) {
        Change *c = request(p, (ChangeRequest){ .for_usec = usec });
        TqError err = {};

        ck_assert_int_eq(change_assign(c, "", assignment, &err), 0);
        start(c);
}

static void expect_live(const Place *p, const char *name, bool ends, const char *back) {
        LiveFacts live;

        ck_assert(settings_live(p->settings, 1, "", name, &live));
        ck_assert_uint_eq(live.until_usec > 0, ends);
        ck_assert_str_eq(live.back ? live.back : "unset", back);
}

/* Behind what is set for some time is what was set for good, however often it is set again. */
START_TEST(for_some_time) {
        Place *p = place();

        applies("memory", "2G");
        set_for(p, "cpu=2", HOUR);
        applies("cpu", "2");
        fake_commit_all(0);
        expect_live(p, "cpu", true, "unset");
        set_for(p, "cpu=3", HOUR);
        applies("cpu", "3");
        ck_assert_str_eq(fake_op(0)->limit.value, "3");
        ck_assert_uint_gt(fake_op(0)->limit.until_usec, 0);
        ck_assert_ptr_null(fake_op(0)->limit.back);
        fake_commit_all(0);
        expect_live(p, "cpu", true, "unset");
        /* The same for good is another thing. */
        start(assign(p, "cpu=3"));
        applies("cpu", "3");
        fake_commit_all(0);
        expect_live(p, "cpu", false, "unset");
        ck_assert_str_eq(p->rows, "cpu: 3 -> 3 #3, 3, 300000 100000");
        set_for(p, "cpu=1", HOUR);
        applies("cpu", "1");
        fake_commit_all(0);
        expect_live(p, "cpu", true, "3");
}
END_TEST

static void pass(Place *p, uint64_t usec) {
        fake_now += usec;
        for (int i = 0; i < 5; i++)
                ck_assert_int_ge(sd_event_run(p->loop, 0), 0);
}

/* The timer is the kernel's, the tests' clock is not: what is due is long over. */
START_TEST(time_is_over) {
        Place *p = place();
        const TqMessage *m;
        Expiry *e;

        ck_assert_int_eq(expiry_new(p->loop, p->settings, fake_commit(), &e), 0);
        applies("memory", "2G");
        set_for(p, "cpu=2", 1);
        applies("cpu", "2");
        fake_commit_all(0);
        pass(p, HOUR);
        fake_said_nothing(); /* not before it may */
        expiry_start(e);
        pass(p, 1);
        m = fake_said_type(TQ_MESSAGE_APPLY);
        ck_assert_uint_eq(m->apply.how, TQ_APPLY_NOW);
        fake_answer(m->apply.cookie, 0, NULL, 0);
        ck_assert_str_eq(fake_op(1)->audit.about, "its time is over");
        ck_assert_uint_eq(fake_op(1)->uid, EVENTS_NOBODY);
        fake_commit_all(0);
        ck_assert(!settings_live(p->settings, 1, "", "cpu", &(LiveFacts){}));
        pass(p, HOUR);
        fake_said_nothing();
        (void)expiry_free(e);
}
END_TEST

/* Units --------------------------------------------------------------------------------------- */

typedef struct Told {
        size_t n_records, n_rows, n_done;
        char text[512];
} Told;

static int on_unit_record(void *data) {
        ((Told *)data)->n_records++;
        return 0;
}

static void on_unit_row(void *data, const Tenant *t, const Change *c) {
        (void)t;
        ((Told *)data)->n_rows += change_count(c);
}

static void on_unit_done(void *data, TqControlError error, const char *text) {
        Told *told = data;

        (void)error;
        told->n_done++;
        (void)snprintf(told->text, sizeof(told->text), "%s", text ? text : "");
}

static const Tenant *another(Place *p) {
        TqTenantMessage m = { .tenant = 8, .uid = 1002, .is_enabled = 1, .name = "globex" };
        const Tenant *t;

        ck_assert_int_eq(tenants_hear(p->tenants, &m, &t), 0);
        ck_assert_int_eq(settings_hear(p->settings, t, &m), 0);
        fake_answer(fake_said_type(TQ_MESSAGE_APPLY)->apply.cookie, 0, NULL, 0);
        fake_commit_all(0);
        return t;
}

static Unit *unit_of(Place *p, Told *told, const Tenant *other, const char *limit,
                     const char *other_limit) {
        UnitHooks hooks = { told, on_unit_record, on_unit_row, on_unit_done };
        TqError err = {};
        Unit *u = NULL;
        Change *c;

        ck_assert_int_eq(unit_new(p->settings, &(ChangeRequest){ .policy = 3 }, &hooks, &u), 0);
        ck_assert_int_eq(unit_add(u, p->t, &c), 0);
        ck_assert_int_eq(change_assign(c, "", limit, &err), 0);
        ck_assert_int_eq(unit_add(u, other, &c), 0);
        ck_assert_int_eq(change_assign(c, "", other_limit, &err), 0);
        return u;
}

static uint64_t applied_cookie(TqApplyHow how) {
        const TqMessage *m = fake_said_type(TQ_MESSAGE_APPLY);

        ck_assert_uint_eq(m->apply.how, how);
        return m->apply.cookie;
}

/* Nothing is recorded before the last one is in the kernel; then all is, at once. */
START_TEST(unit_is_one) {
        Place *p = place();
        const Tenant *other;
        uint64_t first, second;
        Told told = {};

        applies("memory", "2G");
        other = another(p);
        unit_start(unit_of(p, &told, other, "cpu=2", "cpu=3"));
        first = applied_cookie(TQ_APPLY_GENTLY);
        second = applied_cookie(TQ_APPLY_GENTLY);
        fake_answer(second, 0, NULL, 0);
        ck_assert_uint_eq(fake_n_ops(), 0);
        fake_answer(first, 0, NULL, 0);
        ck_assert_uint_eq(fake_n_ops(), 4);
        ck_assert_uint_eq(told.n_records, 1);
        ck_assert_uint_eq(fake_op(1)->audit.policy, 3);
        ck_assert_uint_eq(told.n_done, 0);
        fake_commit_all(0);
        ck_assert(told.n_done == 1 && told.n_rows == 2);
        ck_assert_str_eq(told.text, "");
        ck_assert_uint_eq(settings_revision(p->settings, other->id), 2);
        fake_said_nothing();
}
END_TEST

/* One that the kernel refuses: the other is taken back, whichever of them comes first. */
START_TEST(unit_is_taken_back) {
        Place *p = place();
        uint64_t cookies[2];
        Told told = {};

        applies("memory", "2G");
        unit_start(unit_of(p, &told, another(p), "cpu=2", "cpu=3"));
        cookies[0] = applied_cookie(TQ_APPLY_GENTLY);
        cookies[1] = applied_cookie(TQ_APPLY_GENTLY);
        if (_i == 0) {
                fake_answer(cookies[0], 0, NULL, 0);
                fake_answer(cookies[1], -EINVAL, "no", 3);
        } else {
                fake_answer(cookies[1], -EINVAL, "no", 3);
                fake_answer(cookies[0], 0, NULL, 0);
        }
        ck_assert_uint_eq(told.n_done, 1);
        ck_assert_str_eq(told.text, "globex: no; nothing was changed");
        ck_assert(told.n_records == 0 && told.n_rows == 0);
        ck_assert_uint_eq(fake_n_ops(), 0);
        applies("cpu", "1"); /* as before */
        fake_said_nothing();
        start(assign(p, "cpu=3"));
        applies("cpu", "3");
}
END_TEST

/* One that is not possible is found before anything is asked of the kernel, or its answer comes. */
START_TEST(unit_is_impossible) {
        Place *p = place();
        Told told = {};

        applies("memory", "2G");
        unit_start(unit_of(p, &told, another(p), "cpu=2", "cpu=5"));
        ck_assert_uint_eq(told.n_done, 0);
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        ck_assert_uint_eq(told.n_done, 1);
        ck_assert_msg(strstr(told.text, "globex: cpu: asks for 5") != NULL, "%s", told.text);
        applies("cpu", "1");
        fake_said_nothing();
}
END_TEST

/* What can't be recorded is taken back. */
START_TEST(unit_is_not_recorded) {
        Place *p = place();
        Told told = {};

        applies("memory", "2G");
        unit_start(unit_of(p, &told, another(p), "cpu=2", "cpu=3"));
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        fake_commit_all(-EIO);
        ck_assert_uint_eq(told.n_done, 1);
        ck_assert_msg(strstr(told.text, "acme: the limits are as they were") != NULL, "%s",
                      told.text);
        applies("cpu", "1");
        applied_cookie(TQ_APPLY_NOW);
        fake_said_nothing();
}
END_TEST

/* Two reservations of a unit know of each other. */
START_TEST(unit_reserves) {
        Place *p = place();
        const Tenant *other;
        Told told = {};

        applies("memory", "2G");
        other = another(p);
        unit_start(unit_of(p, &told, other, "reserved=6", "reserved=5"));
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        ck_assert_msg(strstr(told.text, "globex: reserved: asks for 5, but only 4 of") != NULL,
                      "%s", told.text);
        fake_answer(applied_cookie(TQ_APPLY_NOW), 0, NULL, 0);
        told = (Told){};
        /* Slots move from one to the other. */
        unit_start(unit_of(p, &told, other, "reserved=6", "reserved=4"));
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        fake_commit_all(0);
        ck_assert_str_eq(told.text, "");
        unit_start(unit_of(p, &told, other, "reserved=2", "reserved=8"));
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        fake_commit_all(0);
        ck_assert_str_eq(told.text, "");
        ck_assert_uint_eq(told.n_done, 2);
}
END_TEST

/* What holds already is no change; what is set and not wanted goes. */
START_TEST(wanted) {
        Place *p = place();
        TqError err = {};
        Change *c;

        applies("memory", "2G");
        fake_commit_all(0);
        start(assign(p, "weight=7"));
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        fake_commit_all(0);
        c = change(p);
        ck_assert_int_eq(change_note_wanted(c, "", "MemoryMax", "2G", &err), 0);
        ck_assert_int_eq(change_note_wanted(c, "", "memory", "2G", &err), -EBADMSG);
        ck_assert_int_eq(change_note_wanted(c, "", "weight", "7", &err), 0);
        ck_assert_int_eq(change_drop_others(c, &err), 0);
        ck_assert_int_eq(change_want(c, "", "MemoryMax", "2G", &err), 0); /* its file's */
        ck_assert_int_eq(change_want(c, "", "weight", "7", &err), 0);
        ck_assert(!change_is_any(c));
        (void)change_free(c);
        c = change(p);
        ck_assert_int_eq(change_note_wanted(c, "", "cpu", "1", &err), 0);
        ck_assert_int_eq(change_drop_others(c, &err), 0);
        ck_assert_int_eq(change_want(c, "", "cpu", "1", &err), 0); /* the default's */
        ck_assert_uint_eq(change_count(c), 1);                     /* weight */
        (void)change_free(c);
        set_for(p, "cpu=1", HOUR);
        fake_answer(applied_cookie(TQ_APPLY_GENTLY), 0, NULL, 0);
        fake_commit_all(0);
        c = change(p);
        ck_assert_int_eq(change_want(c, "", "cpu", "1", &err), 0); /* but only for some time */
        ck_assert_uint_eq(change_count(c), 1);
        (void)change_free(c);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "settings"), *c = unit_case(s, "change");
        TCase *u = unit_case(s, "unit");

        tcase_add_test(t, applied_first);
        tcase_add_test(t, wanted_by_many);
        tcase_add_test(t, not_applied);
        tcase_add_test(c, order);
        tcase_add_test(c, kernel_refuses);
        tcase_add_test(c, not_recorded);
        tcase_add_loop_test(c, copies_fail, 0, 6);
        tcase_add_test(c, one_at_a_time);
        tcase_add_test(c, as_it_was);
        unit_add_rows(c, not_understood, wrong);
        unit_add_rows(c, not_possible, impossible);
        tcase_add_test(c, of_a_queue);
        tcase_add_test(c, reservations);
        tcase_add_test(c, several_at_once);
        tcase_add_test(c, if_revision);
        tcase_add_test(c, trial);
        tcase_add_test(c, gently);
        tcase_add_test(c, for_some_time);
        tcase_add_test(c, time_is_over);
        tcase_add_test(c, wanted);
        tcase_add_test(u, unit_is_one);
        tcase_add_loop_test(u, unit_is_taken_back, 0, 2);
        tcase_add_test(u, unit_is_impossible);
        tcase_add_test(u, unit_is_not_recorded);
        tcase_add_test(u, unit_reserves);
}

int main(void) {
        return unit_main("engine_change", fill);
}
