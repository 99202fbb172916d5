/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/worker.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "unit.h"

typedef struct Job {
        TqTask task;
        int number;
        pthread_t ran_on;
        pthread_mutex_t *gate; /* waits for it */
} Job;

/* What the callbacks see. Guarded by nothing: `ran` belongs to the worker's thread, `done` to ours.
 */
typedef struct Log {
        int ran, done, last_done;
        pthread_t done_on;
} Log;

static Log seen;

static void run(TqTask *task) {
        Job *job = TQ_CONTAINER_OF(task, Job, task);

        if (job->gate) {
                (void)pthread_mutex_lock(job->gate);
                (void)pthread_mutex_unlock(job->gate);
        }
        job->ran_on = pthread_self();
        job->number *= 10;
        seen.ran++;
}

static void done(TqTask *task, void *userdata) {
        Job *job = TQ_CONTAINER_OF(task, Job, task);
        Log *l = userdata;

        l->done++;
        /* In the order in which they were asked, and after they ran. */
        ck_assert_int_eq(job->number, (l->last_done + 1) * 10);
        ck_assert(!pthread_equal(job->ran_on, pthread_self()));
        l->last_done++;
        l->done_on = pthread_self();
        free(job);
}

static void submit(TqWorker *w, int number, pthread_mutex_t *gate, bool is_urgent) {
        Job *job = calloc(1, sizeof(*job));

        ck_assert_ptr_nonnull(job);
        job->task = (TqTask){ .run = run, .done = done };
        job->number = number;
        job->gate = gate;
        tq_worker_submit(w, &job->task, is_urgent);
}

static bool is_readable(const TqWorker *w, int milliseconds) {
        struct pollfd p = { .fd = tq_worker_fd(w), .events = POLLIN };

        return poll(&p, 1, milliseconds) == 1;
}

START_TEST(in_order) {
        TqWorker *w = NULL;

        ck_assert_int_eq(tq_worker_new(&seen, &w), 0);
        ck_assert(!is_readable(w, 0));
        for (int i = 1; i <= 1000; i++)
                submit(w, i, NULL, false);
        while (seen.done < 1000) {
                ck_assert(is_readable(w, 10000));
                tq_worker_collect(w);
        }
        ck_assert_int_eq(seen.last_done, 1000);
        ck_assert(pthread_equal(seen.done_on, pthread_self()));
        ck_assert_ptr_null(tq_worker_free(w));
        ck_assert_ptr_null(tq_worker_free(NULL));
}
END_TEST

/* While one waits for its disk, asking costs nothing and nothing is said to be done. */
START_TEST(never_blocks) {
        pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        TqWorker *w = NULL;

        ck_assert_int_eq(pthread_mutex_lock(&gate), 0);
        ck_assert_int_eq(tq_worker_new(&seen, &w), 0);
        submit(w, 1, &gate, false);
        submit(w, 2, NULL, false);
        tq_worker_collect(w);
        ck_assert(!is_readable(w, 20));
        ck_assert_int_eq(seen.done, 0);
        ck_assert_int_eq(pthread_mutex_unlock(&gate), 0);
        while (seen.done < 2) {
                ck_assert(is_readable(w, 10000));
                tq_worker_collect(w);
        }
        /* The second may have been collected with the first: then one wake-up too many is left. */
        tq_worker_collect(w);
        ck_assert(!is_readable(w, 0));
        (void)tq_worker_free(w);
}
END_TEST

/* What is urgent overtakes what waits, not what is under way. */
START_TEST(urgent_first) {
        pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        TqWorker *w = NULL;

        ck_assert_int_eq(pthread_mutex_lock(&gate), 0);
        ck_assert_int_eq(tq_worker_new(&seen, &w), 0);
        submit(w, 1, &gate, true);
        ck_assert(!is_readable(w, 50)); /* time for it to begin */
        submit(w, 3, NULL, false);
        submit(w, 2, NULL, true);
        ck_assert_int_eq(pthread_mutex_unlock(&gate), 0);
        (void)tq_worker_free(w); /* done() checks the order */
        ck_assert_int_eq(seen.last_done, 3);
}
END_TEST

/* What was asked before the end is done. */
START_TEST(free_finishes) {
        TqWorker *w = NULL;

        ck_assert_int_eq(tq_worker_new(&seen, &w), 0);
        for (int i = 1; i <= 100; i++)
                submit(w, i, NULL, false);
        ck_assert_ptr_null(tq_worker_free(w));
        ck_assert_int_eq(seen.ran, 100);
        ck_assert_int_eq(seen.done, 100);
}
END_TEST

static void block_check(TqTask *task) {
        sigset_t set;

        (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
        TQ_CONTAINER_OF(task, Job, task)->number =
                sigismember(&set, SIGTERM) && sigismember(&set, SIGCHLD);
}

static void block_done(TqTask *task, void *userdata) {
        *(int *)userdata = TQ_CONTAINER_OF(task, Job, task)->number;
}

/* Signals are the loop's: the thread takes none, and ours are as before. */
START_TEST(signals) {
        Job job = { .task = { .run = block_check, .done = block_done } };
        TqWorker *w = NULL;
        int blocked = -1;
        sigset_t set;

        ck_assert_int_eq(tq_worker_new(&blocked, &w), 0);
        ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &set), 0);
        ck_assert(!sigismember(&set, SIGTERM));
        tq_worker_submit(w, &job.task, false);
        (void)tq_worker_free(w);
        ck_assert_int_eq(blocked, 1);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "worker");

        tcase_add_test(tcase, in_order);
        tcase_add_test(tcase, never_blocks);
        tcase_add_test(tcase, urgent_first);
        tcase_add_test(tcase, free_finishes);
        tcase_add_test(tcase, signals);
}

int main(void) {
        return unit_main("store/worker", fill);
}
