/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/question.h"
#include "engine/api/verbs.h"
#include "engine/api/waiters.h"

int verb_wait(Call *c) {
        return c->live || dispatch_is_ending(c->api->dispatch, c->job)
                       ? waiters_wait(c->api->waiters, c, WAIT_END)
                       : question_ask_about_job(c);
}

/* Until the job has a process, or never will have: its output can be followed from then on. */
int verb_wait_start(Call *c) {
        return c->live && c->live->state < TQ_JOB_RUNNING
                       ? waiters_wait(c->api->waiters, c, WAIT_START)
                       : call_reply_empty(c);
}
