/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/feed.h"

#include "base/clock.h"
#include "base/log.h"

struct Feed {
        TqScheduler *scheduler;
        TqActions actions;
        struct {
                FeedAction action;
                void *data;
        } handlers[_TQ_ACTION_MAX];
        void (*decided)(void *data), (*lost)(void *data);
        void *decided_data, *lost_data;
};

int feed_new(Feed **ret) {
        Feed *f = calloc(1, sizeof(*f));

        if (f)
                f->scheduler = tq_scheduler_new();
        if (!f || !f->scheduler) {
                free(f);
                return -ENOMEM;
        }
        *ret = f;
        return 0;
}

Feed *feed_free(Feed *f) {
        if (!f)
                return NULL;
        (void)tq_scheduler_free(f->scheduler);
        tq_scheduler_actions_done(&f->actions);
        free(f);
        return NULL;
}

void feed_on(Feed *f, TqActionType type, FeedAction action, void *data) {
        f->handlers[type].action = action;
        f->handlers[type].data = data;
}

void feed_on_decision(Feed *f, void (*decided)(void *data), void *data) {
        f->decided = decided;
        f->decided_data = data;
}

void feed_on_lost(Feed *f, void (*lost)(void *data), void *data) {
        f->lost = lost;
        f->lost_data = data;
}

int feed_step(Feed *f, const TqEvent *event) {
        /* An action may cause the next event, so each call has its own list. */
        TqActions actions = f->actions;
        int r;

        f->actions = (TqActions){};
        actions.n = 0;
        r = tq_scheduler_step(f->scheduler, event, tq_clock_boottime_usec(), &actions);
        for (size_t i = 0; i < actions.n; i++) {
                const TqAction *a = &actions.items[i];

                if (f->handlers[a->type].action)
                        f->handlers[a->type].action(f->handlers[a->type].data, a);
        }
        tq_scheduler_actions_done(&f->actions);
        f->actions = actions;
        if ((actions.n > 0 || event->type == TQ_EVENT_SWITCH) && f->decided)
                f->decided(f->decided_data);
        if (r == -ENOMEM)
                tq_log(LOG_ERR, "out of memory; an event waits for the next one");
        return r;
}

void feed_must(Feed *f, const TqEvent *event) {
        if (feed_step(f, event) == -ENOMEM && f->lost)
                f->lost(f->lost_data);
}

const TqRefusal *feed_refusal(const Feed *f) {
        return &f->actions.refusal;
}

const TqTenant *feed_next_changed(Feed *f) {
        return tq_scheduler_next_changed(f->scheduler);
}

const TqScheduler *feed_scheduler(const Feed *f) {
        return f->scheduler;
}
