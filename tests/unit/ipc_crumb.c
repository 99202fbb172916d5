/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/crumb.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <tenantq/types.h>

#include "unit.h"

/* What a process leaves that dies, and what of it is believed. */

static const struct {
        TqCrumb crumb;
        int want;
} rows[] = {
        { { .kind = TQ_CRUMB_NONE }, 0 },
        { { .kind = TQ_CRUMB_NONE, .number = 5 }, 0 },
        { { .kind = _TQ_CRUMB_MAX, .number = 5 }, 0 },
        { { .kind = UINT32_MAX, .number = 5 }, 0 },
        { { .kind = TQ_CRUMB_CLAIM, .number = 0 }, 0 },
        { { .kind = TQ_CRUMB_CLAIM, .number = 1 }, 1 },
        { { .kind = TQ_CRUMB_CLAIM, .number = INT64_MAX }, 1 },
        { { .kind = TQ_CRUMB_CLAIM, .number = (uint64_t)INT64_MAX + 1 }, 0 },
        { { .kind = TQ_CRUMB_JOB, .number = 0 }, 0 },
        { { .kind = TQ_CRUMB_JOB, .number = 1 }, 1 },
        { { .kind = TQ_CRUMB_JOB, .number = TQ_JOB_MAX }, 1 },
        { { .kind = TQ_CRUMB_JOB, .number = (uint64_t)TQ_JOB_MAX + 1 }, 0 },
        { { .kind = TQ_CRUMB_JOB, .number = 1, .claim = INT64_MAX }, 1 },
        { { .kind = TQ_CRUMB_JOB, .number = 1, .claim = UINT64_MAX }, 0 },
        { { .kind = TQ_CRUMB_CALLER, .uid = 0 }, 1 },
        { { .kind = TQ_CRUMB_CALLER, .uid = 1001 }, 1 },
        { { .kind = TQ_CRUMB_CALLER, .uid = TQ_CRUMB_NOBODY }, 0 },
};

START_TEST(believed) {
        TqCrumb got = { .kind = 77 }, *c;
        int fd = tq_crumb_new();

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_crumb_map(fd, &c), 0);
        (void)tq_crumb_leave(c, rows[_i].crumb);
        ck_assert_int_eq(tq_crumb_take(fd, &got), rows[_i].want);
        if (rows[_i].want) {
                ck_assert_uint_eq(got.kind, rows[_i].crumb.kind);
                ck_assert_uint_eq(got.number, rows[_i].crumb.number);
                ck_assert_uint_eq(got.claim, rows[_i].crumb.claim);
                ck_assert_uint_eq(got.uid, rows[_i].crumb.uid);
        } else
                ck_assert_uint_eq(got.kind, 77);
        /* Once. */
        ck_assert_int_eq(tq_crumb_take(fd, &got), 0);
        (void)close(fd);
}
END_TEST

/* Work within work: the outer is what is worked on again afterwards. */
START_TEST(nested) {
        TqCrumb got, *c, none;
        int fd = tq_crumb_new();

        ck_assert_int_eq(tq_crumb_map(fd, &c), 0);
        none = tq_crumb_leave(c, (TqCrumb){ .kind = TQ_CRUMB_CLAIM, .number = 3 });
        ck_assert_uint_eq(none.kind, TQ_CRUMB_NONE);
        for (int i = 0; i < 2; i++) {
                TqCrumb outer = tq_crumb_leave(
                        c, (TqCrumb){ .kind = TQ_CRUMB_JOB, .number = 9, .claim = 2 });

                ck_assert_uint_eq(c->number, 9);
                tq_crumb_put_back(c, outer);
                ck_assert_uint_eq(c->kind, TQ_CRUMB_CLAIM);
                ck_assert_uint_eq(c->number, 3);
                ck_assert_uint_eq(c->claim, 0);
        }
        tq_crumb_put_back(c, none);
        ck_assert_int_eq(tq_crumb_take(fd, &got), 0);
        /* Where there is no page, nothing is left. */
        tq_crumb_put_back(NULL, tq_crumb_leave(NULL, (TqCrumb){ .kind = TQ_CRUMB_CLAIM }));
        (void)close(fd);
}
END_TEST

/* Whatever ends the process, the page is there; and it can't be made smaller under who reads it. */
START_TEST(outlives) {
        int fd = tq_crumb_new(), status;
        TqCrumb got, *c;
        pid_t pid;

        ck_assert_int_lt(ftruncate(fd, 0), 0);
        ck_assert_int_lt(ftruncate(fd, 1 << 20), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void)signal(SIGSEGV, SIG_DFL);
                if (tq_crumb_map(fd, &c) >= 0)
                        (void)tq_crumb_leave(c, (TqCrumb){ .kind = TQ_CRUMB_JOB, .number = 4 });
                (void)raise(SIGSEGV);
                _exit(1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(tq_crumb_take(fd, &got), 1);
        ck_assert_uint_eq(got.kind, TQ_CRUMB_JOB);
        ck_assert_uint_eq(got.number, 4);
        (void)close(fd);
        ck_assert_int_eq(tq_crumb_take(fd, &got), -EBADF);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "crumb");

        unit_add_rows(c, believed, rows);
        tcase_add_test(c, nested);
        tcase_add_test(c, outlives);
}

int main(void) {
        return unit_main("ipc_crumb", fill);
}
