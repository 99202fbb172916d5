/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/logpage.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static TqLogPage *page(int *ret_fd) {
        TQ_CLOSE int dir_fd = unit_dir_open();
        TqLogPage *p;
        int fd = tq_logpage_open(dir_fd, "acme", 1001, true, &p);

        ck_assert_int_ge(fd, 0);
        *ret_fd = fd;
        return p;
}

static uint64_t take(TqLogPage *p, uint64_t want, TqLoss loss) {
        TqLoss got = TQ_LOSS_NONE;
        uint64_t n = tq_logpage_take(p, want, &got);

        ck_assert_int_eq(got, loss);
        return n;
}

/* At first nothing; then to the last byte, and no further. */
START_TEST(taking) {
        int fd;
        TqLogPage *p = page(&fd);

        ck_assert_uint_eq(take(p, 1, TQ_LOSS_BOUND), 0);
        tq_logpage_bound(p, 100, 0, 0, 2);
        ck_assert_uint_eq(tq_logpage_room(p), 100);
        ck_assert_uint_eq(take(p, 60, TQ_LOSS_NONE), 60);
        ck_assert_uint_eq(take(p, 60, TQ_LOSS_BOUND), 40);
        ck_assert_uint_eq(take(p, 1, TQ_LOSS_BOUND), 0);
        ck_assert_uint_eq(take(p, 0, TQ_LOSS_NONE), 0);
        tq_logpage_wrote(p, 60, 60);
        tq_logpage_wrote(p, 40, 10);
        ck_assert_uint_eq(tq_logpage_written(p), 70);
        ck_assert_uint_eq(tq_logpage_room(p), 30);
        ck_assert_uint_eq(take(p, 31, TQ_LOSS_BOUND), 30);
        (void)close(fd);
        tq_logpage_unmap(p);
        tq_logpage_unmap(NULL);
}
END_TEST

START_TEST(closed) {
        int fd;
        TqLogPage *p = page(&fd);

        tq_logpage_bound(p, 100, 0, 0, 2);
        tq_logpage_floor(p, 0);
        ck_assert_uint_eq(tq_logpage_room(p), 0);
        ck_assert_uint_eq(take(p, 10, TQ_LOSS_FLOOR), 0);
        tq_logpage_floor(p, UINT64_MAX);
        ck_assert_uint_eq(take(p, 10, TQ_LOSS_NONE), 10);
}
END_TEST

/* What was found when so much had been written; what came since is not lost sight of. */
static const struct {
        uint64_t taken, written, bound, used, then, n, room;
} rows[] = {
        { 0, 0, 100, 30, 0, 0, 70 },
        { 0, 0, 100, 100, 0, 0, 0 },
        { 0, 0, 100, 500, 0, 0, 0 },
        /* 50 were there and 20 have come since, of which 10 are on their way. */
        { 70, 60, 100, 50, 50, 2, 30 },
        /* A hundred thousand were taken and never written, and nobody lives who could. */
        { 100000, 0, 1000, 0, 0, 0, 1000 },
        /* One could be in the middle of a write. */
        { 100000, 0, 65636, 0, 0, 1, 100 },
        { 100000, 0, 100000, 0, 0, 2, 0 },
        { 100000, 0, 100001, 0, 0, 2, 1 },
        { 5, 5, UINT64_MAX, 50, 0, 2, UINT64_MAX },
        { 5, 5, UINT64_MAX - 1, 0, 5, 2, UINT64_MAX },
        { UINT64_MAX, UINT64_MAX, 100, 0, UINT64_MAX, 0, UINT64_MAX },
};

START_TEST(bound) {
        int fd;
        TqLogPage *p = page(&fd);

        atomic_store(&p->taken, rows[_i].taken);
        atomic_store(&p->written, rows[_i].written);
        tq_logpage_bound(p, rows[_i].bound, rows[_i].used, rows[_i].then, rows[_i].n);
        ck_assert_uint_eq(tq_logpage_room(p), rows[_i].room);
}
END_TEST

/* Four processes that write what they can: together it is the bound, to the byte. */
START_TEST(together) {
        enum { BOUND = 1000003 };
        int fd, out[2];
        TqLogPage *p = page(&fd);
        uint64_t sum = 0, n;

        tq_logpage_bound(p, BOUND, 0, 0, 4);
        ck_assert_int_eq(pipe(out), 0);
        for (int i = 0; i < 4; i++)
                if (fork() == 0) {
                        uint64_t seed = (uint64_t)i + 1, mine = 0;
                        TqLoss loss = TQ_LOSS_NONE;
                        TqLogPage *q;

                        if (tq_logpage_map(fd, &q) < 0)
                                _exit(1);
                        while (loss == TQ_LOSS_NONE) {
                                uint64_t took =
                                        tq_logpage_take(q, 1 + unit_random(&seed) % 100, &loss);
                                uint64_t less = took > 0 ? unit_random(&seed) % took : 0;

                                tq_logpage_wrote(q, took, took - less);
                                mine += took - less;
                        }
                        _exit(write(out[1], &mine, sizeof(mine)) != sizeof(mine));
                }
        for (int i = 0; i < 4; i++) {
                ck_assert_int_eq(read(out[0], &n, sizeof(n)), sizeof(n));
                sum += n;
        }
        while (wait(NULL) > 0)
                ;
        ck_assert_uint_eq(tq_logpage_written(p), sum);
        ck_assert_uint_eq(tq_logpage_room(p), BOUND - sum);
        ck_assert_uint_le(BOUND - sum,
                          400); /* what the others had taken when the last one gave up */
}
END_TEST

/* A writer's child does not have it. */
START_TEST(not_in_children) {
        TqLogPage *mine, *theirs;
        int fd, status;
        pid_t pid;

        mine = page(&fd);
        tq_logpage_bound(mine, 100, 0, 0, 1);
        ck_assert_int_eq(tq_logpage_map(fd, &theirs), 0);
        ck_assert_uint_eq(tq_logpage_room(theirs), 100);
        pid = fork();
        if (pid == 0) {
                (void)signal(SIGSEGV, SIG_DFL);
                atomic_store(&theirs->limit, 7);
                _exit(0);
        }
        status = unit_wait(pid);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
        ck_assert_uint_eq(tq_logpage_room(mine), 100);
}
END_TEST

/* The next tenantqd has the same one; another owner, or whoever finds there what is none, a new
 * one. */
START_TEST(opened_again) {
        TQ_CLOSE int dir_fd = unit_dir_open();
        TqLogPage *p, *q;
        struct stat st;
        int fd;

        ck_assert_int_eq(tq_logpage_open(dir_fd, "acme", 1001, false, &q), -ENOENT);
        fd = tq_logpage_open(dir_fd, "acme", 1001, true, &p);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
        tq_logpage_bound(p, 100, 0, 0, 1);
        ck_assert_uint_eq(take(p, 60, TQ_LOSS_NONE), 60);
        ck_assert_int_ge(tq_logpage_open(dir_fd, "acme", 1001, false, &q), 0);
        ck_assert_uint_eq(tq_logpage_room(q), 40);
        tq_logpage_floor(q, 0);
        ck_assert_uint_eq(take(p, 1, TQ_LOSS_FLOOR), 0);
        ck_assert_int_eq(tq_logpage_open(dir_fd, "acme", 1002, false, &q), -ENOENT);
        ck_assert_int_ge(tq_logpage_open(dir_fd, "acme", 1002, true, &q), 0);
        ck_assert_uint_eq(tq_logpage_room(q), 0);
        ck_assert_uint_eq(atomic_load(&q->taken), 0);
        /* Who has the one before keeps it. */
        ck_assert_uint_eq(atomic_load(&p->taken), 60);
}
END_TEST

START_TEST(opened_what_is_none) {
        static const char *const kinds[] = { "short", "link", "other" };
        TQ_CLOSE int dir_fd = unit_dir_open();
        int fd;

        for (size_t i = 0; i < TQ_ELEMENTSOF(kinds); i++) {
                TqLogPage *p;

                if (strcmp(kinds[i], "link") == 0) {
                        ck_assert_int_eq(symlinkat("/etc/passwd", dir_fd, "acme"), 0);
                } else {
                        fd = openat(dir_fd, "acme", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                        ck_assert_int_eq(ftruncate(fd, strcmp(kinds[i], "short") == 0 ? 10 : 4096),
                                         0);
                        (void)close(fd);
                }
                ck_assert_int_lt(tq_logpage_open(dir_fd, "acme", 1001, false, &p), 0);
                ck_assert_int_ge(tq_logpage_open(dir_fd, "acme", 1001, true, &p), 0);
                ck_assert_uint_eq(tq_logpage_room(p), 0);
                ck_assert_int_eq(unlinkat(dir_fd, "acme", 0), 0);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "logpage");

        tcase_add_test(c, taking);
        tcase_add_test(c, closed);
        unit_add_rows(c, bound, rows);
        tcase_add_test(c, together);
        tcase_add_test(c, not_in_children);
        tcase_add_test(c, opened_again);
        tcase_add_test(c, opened_what_is_none);
}

int main(void) {
        return unit_main("store/logpage", fill);
}
