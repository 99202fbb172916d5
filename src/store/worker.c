/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

struct TqWorker {
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t wanted;
        TqList urgent;   /* guarded by mutex */
        TqList todo;     /* guarded by mutex */
        TqList finished; /* guarded by mutex */
        bool stop;       /* guarded by mutex */
        int event_fd;
        void *userdata;
};

/* Without the mutex: who is woken wants it, and would wait until we have run again. */
static void tell(TqWorker *w) {
        uint64_t one = 1;

        (void)!write(w->event_fd, &one, sizeof(one));
}

static void *work(void *argument) {
        TqWorker *w = argument;

        (void)pthread_mutex_lock(&w->mutex);
        for (;;) {
                TqList *node;
                TqTask *task;

                while (!(node = tq_list_first(&w->urgent)) && !(node = tq_list_first(&w->todo)) &&
                       !w->stop)
                        (void)pthread_cond_wait(&w->wanted, &w->mutex);
                if (!node)
                        break;
                tq_list_unlink(node);
                (void)pthread_mutex_unlock(&w->mutex);
                task = TQ_LIST_ENTRY(node, TqTask, link);
                task->run(task);
                (void)pthread_mutex_lock(&w->mutex);
                tq_list_append(&w->finished, &task->link);
                (void)pthread_mutex_unlock(&w->mutex);
                tell(w);
                (void)pthread_mutex_lock(&w->mutex);
        }
        (void)pthread_mutex_unlock(&w->mutex);
        return NULL;
}

int tq_worker_new(void *userdata, TqWorker **ret) {
        TqWorker *w = calloc(1, sizeof(*w));
        sigset_t all, old;
        int r;

        if (!w)
                return -ENOMEM;
        w->userdata = userdata;
        tq_list_init(&w->urgent);
        tq_list_init(&w->todo);
        tq_list_init(&w->finished);
        w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->event_fd < 0) {
                r = tq_errno();
                free(w);
                return r;
        }
        (void)pthread_mutex_init(&w->mutex, NULL);
        (void)pthread_cond_init(&w->wanted, NULL);
        /* Signals are the event loop's. */
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        r = pthread_create(&w->thread, NULL, work, w);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r != 0) {
                (void)tq_close(w->event_fd);
                free(w);
                return -r;
        }
        *ret = w;
        return 0;
}

TqWorker *tq_worker_free(TqWorker *w) {
        if (!w)
                return NULL;
        (void)pthread_mutex_lock(&w->mutex);
        w->stop = true;
        (void)pthread_cond_signal(&w->wanted);
        (void)pthread_mutex_unlock(&w->mutex);
        (void)pthread_join(w->thread, NULL);
        tq_worker_collect(w);
        (void)pthread_mutex_destroy(&w->mutex);
        (void)pthread_cond_destroy(&w->wanted);
        (void)tq_close(w->event_fd);
        free(w);
        return NULL;
}

int tq_worker_fd(const TqWorker *w) {
        return w->event_fd;
}

void tq_worker_submit(TqWorker *w, TqTask *task, bool is_urgent) {
        (void)pthread_mutex_lock(&w->mutex);
        tq_list_append(is_urgent ? &w->urgent : &w->todo, &task->link);
        (void)pthread_mutex_unlock(&w->mutex);
        (void)pthread_cond_signal(&w->wanted);
}

void tq_worker_collect(TqWorker *w) {
        uint64_t count;

        (void)!read(w->event_fd, &count, sizeof(count));
        for (;;) {
                TqList *node;
                TqTask *task;

                (void)pthread_mutex_lock(&w->mutex);
                node = tq_list_first(&w->finished);
                if (node)
                        tq_list_unlink(node);
                (void)pthread_mutex_unlock(&w->mutex);
                if (!node)
                        return;
                task = TQ_LIST_ENTRY(node, TqTask, link);
                task->done(task, w->userdata);
        }
}
