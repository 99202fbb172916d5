/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/engine/culprits.h"

#include <signal.h>

#include "fake/fake.h"
#include "unit.h"

#define SEC TQ_USEC_PER_SEC

static TqLink *link_of(void) {
        TqLink *link;

        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        return link;
}

static void told_caller(uid_t uid, bool is_new, uint64_t until) {
        const TqMessage *m = fake_said_type(TQ_MESSAGE_CRASHED);

        ck_assert_uint_eq(m->crashed.job, 0);
        ck_assert_uint_eq(m->crashed.uid, uid);
        ck_assert_uint_eq(m->crashed.is_new, is_new);
        ck_assert_uint_eq(m->crashed.until_usec, until);
}

/* Each time once: the engine counts. */
START_TEST(job) {
        TqLink *link = link_of();
        Culprits c = {};
        const TqMessage *m;

        culprits_tell(&c, link);
        fake_said_nothing();
        for (int i = 0; i < 2; i++) {
                culprits_note_job(&c, 7, SIGSEGV);
                culprits_tell(&c, link);
                m = fake_said_type(TQ_MESSAGE_CRASHED);
                ck_assert_uint_eq(m->crashed.job, 7);
                ck_assert_int_eq(m->crashed.sig, SIGSEGV);
                culprits_tell(&c, link);
                fake_said_nothing();
        }
}
END_TEST

/* A user is barred after the second time, for ten minutes; each engine of them is told, and it is
 * an event once. */
START_TEST(caller) {
        TqLink *link = link_of();
        Culprits c = {};
        uint64_t until;

        culprits_note_caller(&c, 0, SIGABRT);
        culprits_tell(&c, link);
        fake_said_nothing();
        culprits_note_caller(&c, 0, SIGABRT);
        until = fake_now + CULPRITS_BARRED_USEC;
        culprits_tell(&c, link);
        told_caller(0, true, until);
        culprits_tell(&c, link);
        told_caller(0, false, until);
        fake_now = until - 1;
        culprits_tell(&c, link);
        told_caller(0, false, until);
        fake_now = until;
        culprits_tell(&c, link);
        fake_said_nothing();
        /* Again within the hour: at once. */
        culprits_note_caller(&c, 0, SIGABRT);
        culprits_tell(&c, link);
        told_caller(0, true, fake_now + CULPRITS_BARRED_USEC);
        /* Later it begins anew. */
        fake_now += CULPRITS_FORGOTTEN_USEC + 1;
        culprits_note_caller(&c, 0, SIGABRT);
        culprits_tell(&c, link);
        fake_said_nothing();
}
END_TEST

/* There are no more of them than there is room for. */
START_TEST(many_callers) {
        TqLink *link = link_of();
        Culprits c = {};

        for (uid_t uid = 1; uid <= 3 * CULPRITS_CALLERS; uid++, fake_now += SEC)
                culprits_note_caller(&c, uid, SIGSEGV);
        ck_assert_uint_eq(c.n_callers, CULPRITS_CALLERS);
        /* The first of them is forgotten, the last one is not. */
        culprits_note_caller(&c, 3 * CULPRITS_CALLERS, SIGSEGV);
        culprits_note_caller(&c, 1, SIGSEGV);
        culprits_tell(&c, link);
        told_caller(3 * CULPRITS_CALLERS, true, fake_now + CULPRITS_BARRED_USEC);
        fake_said_nothing();
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "culprits");

        tcase_add_test(c, job);
        tcase_add_test(c, caller);
        tcase_add_test(c, many_callers);
}

int main(void) {
        return unit_main("supervisor_culprits", fill);
}
