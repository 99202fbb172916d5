/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "ctl/ctl.h"

int thread_start(void *(*fn)(void *data), void *data) {
        pthread_attr_t attr;
        sigset_t set, before;
        pthread_t thread;
        int r;

        (void)sigfillset(&set);
        (void)pthread_attr_init(&attr);
        (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        (void)pthread_sigmask(SIG_SETMASK, &set, &before);
        r = pthread_create(&thread, &attr, fn, data);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)pthread_attr_destroy(&attr);
        return r == 0 ? 0 : fail(TQ_EXIT_FAILURE, "no thread can be had: %s", strerror(r));
}
