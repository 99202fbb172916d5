/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/end.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

/* What all kinds of ends need: who waits for one, its timer, what is switched off meanwhile, and
 * questions to the supervisor. */

const TqScheduler *ends_scheduler(const Ends *e) {
        return dispatch_scheduler(e->rooms.dispatch);
}

/* Who has the name now, of one who had it. */
End *end_find(const Ends *e, const Tenant *t) {
        End *end = tq_map_get(&e->all, t->id);

        TQ_LIST_FOREACH(node, &t->same_name)
        if (!end)
                end = tq_map_get(&e->all, TQ_LIST_ENTRY(node, Tenant, same_name)->id);
        return end;
}

End *end_new(Ends *e, const Tenant *t) {
        End *end = calloc(1, sizeof(*end));

        if (!end)
                return NULL;
        end->ends = e;
        end->serial = ++e->serial;
        end->tenant = t;
        tq_list_init(&end->waiters);
        if (tq_map_put(&e->all, t->id, end) < 0) {
                free(end);
                return NULL;
        }
        return end;
}

void end_free(End *end) {
        (void)tq_map_remove(&end->ends->all, end->tenant->id);
        (void)sd_event_source_disable_unref(end->timer);
        free(end->owners);
        free(end);
}

/* Whoever waits is told once. */
void end_tell(End *end, int result, const char *text) {
        TQ_LIST_FOREACH(node, &end->waiters) {
                Waiter *w = TQ_LIST_ENTRY(node, Waiter, link);

                tq_list_unlink(&w->link);
                w->done(w->data, result, text);
                free(w);
        }
}

bool end_is_recorded(End *end, int result) {
        end->is_busy = false;
        if (result >= 0)
                return true;
        (void)snprintf(end->fault, sizeof(end->fault), "the ledger can't be written");
        if (result != -ECANCELED) /* we leave, and the next engine is asked */
                end_tell(end, -EIO,
                         "it can't be recorded; it goes on when the ledger can be written again");
        return false;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        End *end = userdata;

        (void)source;
        (void)usec;
        end_go_on(end);
        return 0;
}

void end_again_in(End *end, uint64_t usec) {
        int r = 0;

        if (!end->timer)
                r = sd_event_add_time(end->ends->rooms.event, &end->timer, CLOCK_BOOTTIME, 0, 1000,
                                      on_timer, end);
        if (r >= 0)
                r = sd_event_source_set_time(end->timer, tq_clock_boottime_usec() + usec);
        /* Behind what others wait for. */
        if (r >= 0)
                r = sd_event_source_set_priority(end->timer, DISPATCH_PRIORITY_LATE);
        if (r >= 0)
                r = sd_event_source_set_enabled(end->timer, SD_EVENT_ONESHOT);
        if (r < 0)
                tq_log(LOG_ERR, "tenant %s: its end goes on at the next start: %s",
                       end->tenant->name, strerror(-r));
}

bool end_is_removal(TqLedgerEnding what) {
        return what == TQ_ENDING_REMOVE || what == TQ_ENDING_CANCEL || what == TQ_ENDING_DELETE;
}

void end_switch_to(const End *end, TqSwitches s) {
        const Ends *e = end->ends;

        dispatch_must(
                e->rooms.dispatch,
                &(TqEvent){ .type = TQ_EVENT_SWITCH, .tenant = end->tenant->id, .switches = s });
        intake_room_made(e->rooms.intake, end->tenant->id);
}

void end_switch_off(const End *end) {
        TqLedgerEnding what = end->tenant->ending;

        end_switch_to(
                end, (TqSwitches){ .is_paused = end->before.is_paused || (what != TQ_ENDING_REMOVE),
                                   .is_draining = true });
}

static void count_left(const Ends *e, const Tenant *t, bool is_former, EndsLeft *ret) {
        const TqTenant *view = tq_scheduler_tenant(ends_scheduler(e), t->id);

        if (!view)
                return;
        ret->running += view->running;
        ret->waiting += view->waiting.jobs;
        ret->of_former += is_former ? view->waiting.jobs : 0;
}

EndsLeft ends_left(const Ends *e, const Tenant *t) {
        EndsLeft left = {};

        count_left(e, t, false, &left);
        TQ_LIST_FOREACH(node, &t->same_name)
        count_left(e, TQ_LIST_ENTRY(node, Tenant, same_name), true, &left);
        return left;
}

int end_ask(const Ends *e, TqOrderStep step, const char *name, const char *to,
            TqLinkAnswered answered, void *data) {
        TqMessage m = { .order = { .step = step } };

        (void)snprintf(m.order.name, sizeof(m.order.name), "%s", name);
        (void)snprintf(m.order.to, sizeof(m.order.to), "%s", to);
        return tq_link_ask(e->rooms.link, TQ_MESSAGE_ORDER, &m, answered, data);
}

/* All is done, and root's word is taken away: then the name is free, and who waits is told. */
static void on_dropped(void *data, int result, const char *blob, size_t size, int *fd) {
        End *end = data;

        (void)blob;
        (void)size;
        (void)fd;
        if (result == -ECONNRESET)
                return; /* we leave */
        end_tell(end, end->fault[0] ? -EBUSY : 0, end->fault);
        end_free(end);
}

void end_drop_and_tell(End *end) {
        end->is_busy = end_ask(end->ends, TQ_ORDER_DROP, end->name, "", on_dropped, end) >= 0;
}

/* What is asked for an end is answered to it, if it is there still; false: we leave. */
bool end_is_answered(End *end, int result, const char *blob, size_t size) {
        end->is_busy = false;
        end->fault[0] = '\0';
        if (result == -ECONNRESET)
                return false;
        if (result < 0)
                (void)snprintf(end->fault, sizeof(end->fault), "%.*s", (int)size, blob);
        return true;
}

void end_go_on(End *end) {
        end->ends->go_on(end);
}

void end_try_again(End *end) {
        end_again_in(end, end->tries++ < END_TRIES ? END_SOON_USEC : END_LATE_USEC);
}
