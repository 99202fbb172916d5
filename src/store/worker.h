/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/list.h"

/* One thread that does what may wait for a disk, so that an event loop never does: urgent tasks
 * first, otherwise in the order in which it was asked. */
typedef struct TqWorker TqWorker;
typedef struct TqTask TqTask;

/* Embedded in its user's struct. */
struct TqTask {
        void (*run)(TqTask *task);                  /* on the worker's thread */
        void (*done)(TqTask *task, void *userdata); /* on the caller's thread; may free the task */
        TqList link;
};

/* userdata is what `done` gets. 0 or negative errno. */
int tq_worker_new(void *userdata, TqWorker **ret);

/* Waits for the tasks under way, calls the `done` of all that have run, and ends the thread. */
TqWorker *tq_worker_free(TqWorker *w);

/* Readable (EPOLLIN) when tasks have been done; then call tq_worker_collect. */
int tq_worker_fd(const TqWorker *w);

void tq_worker_submit(TqWorker *w, TqTask *task, bool is_urgent);

/* Calls `done` for each task that has run. */
void tq_worker_collect(TqWorker *w);
