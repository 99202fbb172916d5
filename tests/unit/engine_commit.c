/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/commit/commit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fake/fake.h"
#include "store/reserve.h"

#include "unit.h"

/* With a real ledger and the real worker. */
typedef struct Place {
        sd_event *loop;
        Commit *commit;
        char path[PATH_MAX];
        int degraded;
        int results[64];
        size_t n_results;
} Place;

static void on_change(void *data) {
        Place *p = data;

        p->degraded += commit_is_degraded(p->commit);
}

static void on_effect(void *data, int result) {
        Place *p = *(Place **)data;

        p->results[p->n_results++] = result;
}

static Place *place_in(const char *dir) {
        static const uint8_t boot[16] = { 1 };
        static Place p;
        TqError err = {};
        int fd;

        (void)snprintf(p.path, sizeof(p.path), "%s/ledger.db", dir);
        fd = unit_dir_open();
        ck_assert_int_ge(sd_event_new(&p.loop), 0);
        ck_assert_int_eq(commit_new(p.loop, p.path, fd, &p.commit), 0);
        commit_on_change(p.commit, on_change, &p);
        ck_assert_int_eq(commit_open(p.commit, boot, &err), 0);
        ck_assert_int_eq(commit_start(p.commit), 0);
        return &p;
}

static Place *place(void) {
        return place_in(unit_dir());
}

static void leave(Place *p) {
        p->commit = commit_free(p->commit);
        ck_assert_ptr_null(p->commit);
        p->loop = sd_event_unref(p->loop);
}

static void then(Place *p) {
        Place **data = commit_then(p->commit, on_effect, sizeof(p));

        ck_assert_ptr_nonnull(data);
        *data = p;
}

static void change(Place *p, const char *text) {
        TqLedgerOp *op = commit_op(p->commit, TQ_LEDGER_EVENT);

        ck_assert_ptr_nonnull(op);
        op->kind = "test";
        op->text = strdup(text);
}

/* Runs the loop until that many effects were performed. */
static void wait_for(Place *p, size_t n) {
        for (int turns = 0; turns < 1000 && p->n_results < n; turns++)
                ck_assert_int_ge(sd_event_run(p->loop, 10000), 0);
        ck_assert_uint_eq(p->n_results, n);
}

/* Rows of events in a ledger that nobody has open. */
static size_t n_rows(const Place *p) {
        static const uint8_t boot[16] = { 1 };
        TqLedgerFilter all = { .tenant = -1, .limit = 1000 };
        TqTable t = {};
        TqLedger *l;
        size_t n;

        ck_assert_int_eq(tq_ledger_open(p->path, boot, &l, NULL), 0);
        ck_assert_int_eq(tq_ledger_events(l, &all, &t), 0);
        n = t.n_rows;
        tq_table_done(&t);
        (void)tq_ledger_close(l);
        return n;
}

static int on_once(sd_event_source *source, void *userdata) {
        (void)source;
        (void)userdata;
        return 0;
}

/* A turn of the loop in which something happens: behind it the batch is sent. */
static void turn(Place *p) {
        sd_event_source *s = NULL;

        ck_assert_int_ge(sd_event_add_defer(p->loop, &s, on_once, NULL), 0);
        ck_assert_int_ge(sd_event_run(p->loop, 0), 0);
        ck_assert_int_ge(sd_event_run(p->loop, 0), 0);
        (void)sd_event_source_disable_unref(s);
}

static bool is_coming(void *data) {
        (*(int *)data)++;
        return true;
}

static void patient_change(Place *p) {
        TqLedgerOp *op = commit_op_patient(p->commit, TQ_LEDGER_EVENT);

        ck_assert_ptr_nonnull(op);
        op->kind = "test";
        op->text = strdup("patient");
}

/* What is patient goes with what comes next; alone, after some moments; and at once if nothing is
 * to come. */
START_TEST(patience) {
        Place *p = place();
        int asked = 0;

        patient_change(p);
        then(p);
        turn(p);
        wait_for(p, 1);
        commit_on_patience(p->commit, is_coming, &asked);
        patient_change(p);
        then(p);
        turn(p);
        turn(p);
        ck_assert_int_gt(asked, 0);
        ck_assert_uint_eq(commit_mark(p->commit), 1); /* it is still there */
        change(p, "pressing");
        then(p);
        turn(p);
        ck_assert_uint_eq(commit_mark(p->commit), 0);
        wait_for(p, 3);
        patient_change(p);
        then(p);
        turn(p);
        ck_assert_uint_eq(commit_mark(p->commit), 1);
        fake_now += 2000;
        wait_for(p, 4);
        /* Those who leave wait for nobody. */
        patient_change(p);
        then(p);
        turn(p);
        leave(p);
        ck_assert_uint_eq(p->n_results, 5);
        ck_assert_int_eq(p->results[4], -ECANCELED);
        ck_assert_uint_eq(n_rows(p), 5);
}
END_TEST

/* Nothing is performed before it is written. */
START_TEST(record_before_effect) {
        Place *p = place();

        change(p, "one");
        then(p);
        change(p, "two");
        then(p);
        ck_assert_uint_eq(p->n_results, 0);
        turn(p);
        wait_for(p, 2);
        ck_assert(p->results[0] == 0 && p->results[1] == 0);
        leave(p);
        ck_assert_uint_eq(n_rows(p), 2);
}
END_TEST

/* An effect without a change still comes behind those before it. */
START_TEST(in_order) {
        Place *p = place();

        then(p);
        turn(p);
        change(p, "one");
        then(p);
        then(p);
        turn(p);
        wait_for(p, 3);
        leave(p);
        ck_assert_uint_eq(p->n_results, 3);
        ck_assert_uint_eq(n_rows(p), 1);
}
END_TEST

/* What turns out to change nothing is taken back. */
START_TEST(rewound) {
        Place *p = place();
        size_t mark;

        change(p, "stays");
        mark = commit_mark(p->commit);
        change(p, "goes");
        change(p, "goes too");
        commit_rewind(p->commit, mark);
        then(p);
        turn(p);
        wait_for(p, 1);
        ck_assert_uint_eq(commit_mark(p->commit), 0);
        commit_rewind(p->commit, 0); /* there is nothing */
        leave(p);
        ck_assert_uint_eq(n_rows(p), 1);
}
END_TEST

/* A failure is told to all effects of the batch, once to whoever has to know, and nothing is
 * written any more. */
START_TEST(failure) {
        Place *p = place();
        TqLedgerOp *op;
        char text[200];

        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        ck_assert_ptr_null(commit_fault(p->commit));
        change(p, "with it");
        /* A job of a tenant that there is not: the foreign key refuses it. */
        op = commit_op(p->commit, TQ_LEDGER_ACCEPT);
        op->job = 1;
        op->tenant = 99;
        (void)snprintf(op->accept.queue, sizeof(op->accept.queue), "q");
        then(p);
        then(p);
        turn(p);
        wait_for(p, 2);
        ck_assert(p->results[0] < 0 && p->results[1] < 0);
        ck_assert_int_eq(p->degraded, 1);
        ck_assert_ptr_nonnull(commit_fault(p->commit));
        ck_assert_ptr_nonnull(strstr(commit_explain(p->commit, text, sizeof(text)), "restart"));
        change(p, "later");
        then(p);
        turn(p);
        wait_for(p, 3);
        ck_assert_int_lt(p->results[2], 0);
        commit_degrade(p->commit, -ENOMEM);
        ck_assert_int_eq(p->degraded, 1);
        leave(p);
        ck_assert_uint_eq(n_rows(p), 0);
}
END_TEST

/* A ledger that was removed is not written to: what is recorded there nobody would find. */
START_TEST(removed) {
        Place *p = place();

        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        ck_assert_int_eq(unlink(p->path), 0);
        change(p, "nowhere");
        then(p);
        turn(p);
        wait_for(p, 1);
        ck_assert_int_eq(p->results[0], -ESTALE);
        ck_assert_ptr_nonnull(strstr(commit_fault(p->commit), "removed"));
        leave(p);
}
END_TEST

/* Who leaves writes what there is; nobody is told whether it was. */
START_TEST(leaving) {
        Place *p = place();

        change(p, "the last");
        then(p);
        ck_assert(!commit_is_leaving(p->commit));
        commit_leave(p->commit);
        ck_assert(commit_is_leaving(p->commit));
        ck_assert_uint_eq(p->n_results, 1);
        ck_assert_int_eq(p->results[0], -ECANCELED);
        leave(p);
        ck_assert_uint_eq(n_rows(p), 1);
}
END_TEST

/* While a batch is on its way the next one fills; it is large from 1024 changes. */
START_TEST(large) {
        Place *p = place();

        change(p, "on its way");
        then(p);
        turn(p);
        if (p->n_results > 0)
                unit_skip("the disk was faster than a turn of the loop");
        for (int i = 0; i < 1023; i++)
                change(p, "x");
        ck_assert(!commit_is_large(p->commit));
        change(p, "x");
        ck_assert(commit_is_large(p->commit));
        then(p);
        wait_for(p, 2);
        ck_assert(!commit_is_large(p->commit));
        leave(p);
}
END_TEST

/* A full disk: a file system of its own, larger than the reserve by what a ledger needs. */
static char mounted[PATH_MAX], filler[PATH_MAX + 8];

/* NULL: none can be mounted. */
static Place *full_place(void) {
        static const char zeros[65536];
        Place *p;
        int fd;

        (void)snprintf(mounted, sizeof(mounted), "%s/small", unit_dir());
        ck_assert_int_eq(mkdir(mounted, 0700), 0);
        /* Gone with this process. */
        if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", mounted, "tmpfs", 0, "size=96m") < 0)
                return NULL;
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        p = place_in(mounted);
        (void)snprintf(filler, sizeof(filler), "%s/filler", mounted);
        fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        while (write(fd, zeros, sizeof(zeros)) > 0 || write(fd, zeros, 1) > 0)
                ;
        (void)close(fd);
        return p;
}

/* More than the reserve, too, makes room for. */
static void change_much(Place *p, size_t size) {
        char *text = malloc(size + 1);

        ck_assert_ptr_nonnull(text);
        memset(text, 'x', size);
        text[size] = '\0';
        change(p, text);
        free(text);
        then(p);
}

/* Seconds of the real clock. */
static void run_while_full(Place *p, time_t seconds) {
        struct timespec now;
        time_t end;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        for (end = now.tv_sec + seconds; commit_fault(p->commit) && now.tv_sec < end;) {
                ck_assert_int_ge(sd_event_run(p->loop, 10000), 0);
                (void)clock_gettime(CLOCK_MONOTONIC, &now);
        }
}

static void slow(TqTask *task) {
        (void)task;
        (void)usleep(2500000);
}

static void is_answered(TqTask *task, void *userdata) {
        (void)task;
        (void)userdata;
}

/* A probe that waits behind slow questions when the next one is due is not put down a second time:
 * all goes on when there is room. */
START_TEST(probes_behind_slow_questions) {
        Place *p = full_place();
        static TqTask questions[2];

        if (!p)
                unit_skip("can't mount a tmpfs");

        change(p, "the disk is full");
        turn(p);
        for (int turns = 0; turns < 100 && !commit_fault(p->commit); turns++)
                ck_assert_int_ge(sd_event_run(p->loop, 10000), 0);
        ck_assert_ptr_nonnull(commit_fault(p->commit));
        for (int i = 0; i < 2; i++) {
                questions[i] = (TqTask){ .run = slow, .done = is_answered };
                tq_list_init(&questions[i].link);
                commit_ask(p->commit, &questions[i]);
        }
        change_much(p, TQ_RESERVE_BYTES);
        turn(p);
        run_while_full(p, 5);
        ck_assert_ptr_nonnull(commit_fault(p->commit));
        ck_assert_int_eq(unlink(filler), 0);
        run_while_full(p, 6);
        ck_assert_ptr_null(commit_fault(p->commit));
        leave(p);
}
END_TEST

/* Left at the moment when the disk becomes full: that is no fault that a person must mend, and what
 * comes after what is not recorded is not recorded either. */
START_TEST(leaving_a_full_disk) {
        Place *p = full_place();

        if (!p)
                unit_skip("can't mount a tmpfs");
        change_much(p, TQ_RESERVE_BYTES + 4 * 1024 * 1024);
        turn(p);
        change_much(p, 10);
        commit_leave(p->commit);
        ck_assert(!commit_is_degraded(p->commit));
        ck_assert_int_eq(p->degraded, 0);
        ck_assert_int_eq(unlink(filler), 0);
        leave(p);
        ck_assert_uint_eq(n_rows(p), 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "commit");

        tcase_add_test(t, patience);
        tcase_add_test(t, record_before_effect);
        tcase_add_test(t, in_order);
        tcase_add_test(t, rewound);
        tcase_add_test(t, failure);
        tcase_add_test(t, removed);
        tcase_add_test(t, leaving);
        tcase_add_test(t, large);
        tcase_add_test(t, leaving_a_full_disk);
        t = unit_case(s, "full");
        tcase_set_timeout(t, 30);
        tcase_add_test(t, probes_behind_slow_questions);
}

int main(void) {
        return unit_main("engine_commit", fill);
}
