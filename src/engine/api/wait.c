/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/question.h"
#include "engine/api/verbs.h"
#include "engine/api/waiters.h"

int verb_wait(Call *c) {
        return c->live || dispatch_is_ending(c->api->dispatch, c->job)
                       ? waiters_wait(c->api->waiters, c, WAIT_END)
                       : question_ask_about_job(c);
}

static int is_there(const Call *c, const TqTable *t, uint32_t number) {
        (void)t;
        (void)number;
        return call_reply_empty(c);
}

/* Until the job has a process, or never will have: its output can be followed from then on. */
int verb_wait_start(Call *c) {
        if (!c->live)
                return question_whether_job(c, is_there);
        return c->live->state < TQ_JOB_RUNNING ? waiters_wait(c->api->waiters, c, WAIT_START)
                                               : call_reply_empty(c);
}

/* WaitNews(serial): at once, unless that is the present one. */
int verb_wait_news(Call *c) {
        uint64_t serial;
        int r = sd_bus_message_read(c->message, "t", &serial);

        if (r < 0)
                return r;
        return serial != waiters_serial(c->api->waiters)
                       ? call_reply_number(c, waiters_serial(c->api->waiters))
                       : waiters_wait(c->api->waiters, c, WAIT_NEWS);
}
