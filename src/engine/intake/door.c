/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/door.h"

#include <string.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/map.h"

/* The supervisor keeps the file of a claim that waits; here is only its number and what the
 * scheduler must know to say whether it would be answered: taken, or refused for good. When it
 * would, it is asked for again, one of a tenant at a time, since the next one is judged by what the
 * one before has filled; of each queue the oldest first. So nothing is handed over in vain, and a
 * full queue keeps none of another queue from being taken, as long as there is credit.
 *
 * Credit is the number of claims that a tenant may have open, those at the door included. It is
 * TQ_CREDIT_MOST, or nothing while everything of the tenant would have to wait: its files stay
 * where they are then. The supervisor keeps it with the directory, whoever owns that. */

#define SAID_USEC      (60 * TQ_USEC_PER_SEC) /* that files wait, to the events */
#define DUE_USEC       TQ_USEC_PER_MSEC /* behind the step that makes a scheduled job a waiting one */
#define CREDIT_UNKNOWN UINT32_MAX

typedef struct Waiting {
        TqList link; /* in its tenant's line, the oldest first */
        DoorClaim claim;
        TqRefusal why;
        bool is_late; /* it was asked for, and comes by itself */
} Waiting;

typedef struct Line {
        const Tenant *tenant;
        TqList waiting; /* of Waiting.link */
        size_t n;
        uint64_t asked; /* the claim that was asked for and has not come yet; 0: none */
        uint32_t credit;
        bool is_shut; /* a limit of the tenant as a whole refuses them */

        uint64_t said_usec; /* when it was last said that files wait; 0: never */
        TqHeapNode retry;   /* while there is a time to ask again */
        uint64_t retry_at;  /* CLOCK_BOOTTIME usec */
} Line;

struct Door {
        TqLink *link;
        Commit *commit;
        Events *events;
        Tenants *tenants;
        const Settings *settings;
        const TqScheduler *scheduler;
        TqMap lines;    /* Tenant.id → Line */
        TqHeap retries; /* of Line.retry */
        sd_event_source *timer;
};

static bool is_sooner(const TqHeapNode *a, const TqHeapNode *b) {
        return TQ_CONTAINER_OF(a, Line, retry)->retry_at <
               TQ_CONTAINER_OF(b, Line, retry)->retry_at;
}

static Line *find(const Door *d, uint32_t tenant) {
        return tq_map_get(&d->lines, tenant);
}

static Line *ensure(Door *d, const Tenant *t) {
        Line *line = find(d, t->id);

        if (line)
                return line;
        line = calloc(1, sizeof(*line));
        if (!line)
                return NULL;
        line->tenant = t;
        /* Whoever had the name before may have lost it. */
        line->credit = tq_list_is_empty(&t->same_name) ? TQ_CREDIT_MOST : CREDIT_UNKNOWN;
        tq_list_init(&line->waiting);
        if (tq_map_put(&d->lines, t->id, line) < 0) {
                free(line);
                return NULL;
        }
        return line;
}

static Waiting *find_waiting(const Line *line, uint64_t claim) {
        TQ_LIST_FOREACH(node, &line->waiting) {
                Waiting *w = TQ_LIST_ENTRY(node, Waiting, link);

                if (w->claim.claim == claim)
                        return w;
        }
        return NULL;
}

static void drop(Line *line, Waiting *w) {
        tq_list_unlink(&w->link);
        free(w);
        line->n--;
}

/* Time ------------------------------------------------------------------------------------------
 */

static void arm(Door *d) {
        const TqHeapNode *top = tq_heap_top(&d->retries);

        if (top)
                (void)sd_event_source_set_time(d->timer,
                                               TQ_CONTAINER_OF(top, Line, retry)->retry_at);
        (void)sd_event_source_set_enabled(d->timer, top ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* UINT64_MAX: not by itself. */
static void set_retry(Door *d, Line *line, uint64_t in_usec) {
        tq_heap_remove(&d->retries, &line->retry);
        if (in_usec != UINT64_MAX) {
                line->retry_at = tq_add_u64(tq_clock_boottime_usec(), TQ_MAX(in_usec, 1U));
                if (tq_heap_insert(&d->retries, &line->retry) < 0)
                        commit_degrade(d->commit, -ENOMEM);
        }
        arm(d);
}

/* Credit ----------------------------------------------------------------------------------------
 */

static bool is_draining(const Door *d, const Tenant *t) {
        const TqTenant *view = tq_scheduler_tenant(d->scheduler, t->id);

        return commit_fault(d->commit) || tq_scheduler_host_switches(d->scheduler).is_draining ||
               (view && view->is_draining);
}

static void tell_credit(Door *d, Line *line, uint32_t credit) {
        TqMessage m = { .credit = { .tenant = line->tenant->handle, .credit = credit } };

        if (credit == line->credit || line->tenant->handle == 0)
                return;
        line->credit = credit;
        (void)tq_link_send(d->link, TQ_MESSAGE_CREDIT, &m, NULL, 0, -EBADF);
}

static void reckon_credit(Door *d, Line *line) {
        tell_credit(d, line, line->is_shut || is_draining(d, line->tenant) ? 0 : TQ_CREDIT_MOST);
}

/* Asking again ----------------------------------------------------------------------------------
 */

/* Whatever else the tenant has would be refused as well. */
static bool is_of_all(const TqRefusal *r) {
        return r->kind == TQ_REFUSAL_LIMIT && r->queue[0] == '\0' &&
               (r->key == TQ_KEY_QUEUE_DEPTH || r->key == TQ_KEY_ENQUEUE_RATE);
}

/* What is being drained takes it later, whatever on_full= says. What is larger than the bound by
 * itself never fits. */
bool door_may_wait(const Door *d, const Tenant *t, const DoorClaim *claim,
                   const TqRefusal *refusal) {
        if (!claim || commit_fault(d->commit) || refusal->kind == TQ_REFUSAL_DRAINING)
                return true;
        if (refusal->kind == TQ_REFUSAL_LIMIT && refusal->key == TQ_KEY_SPOOL_BYTES &&
            claim->spool_bytes > refusal->maximum)
                return false;
        return settings_waits_when_full(d->settings, t->id) &&
               (refusal->kind == TQ_REFUSAL_LIMIT || refusal->kind == TQ_REFUSAL_QUEUES ||
                refusal->kind == TQ_REFUSAL_AFTER);
}

/* Whether it would be taken now, or refused for good; else *ret is why it waits. */
static bool would_be_answered(const Door *d, const Line *line, const DoorClaim *c, TqRefusal *ret) {
        TqEvent event = { .type = TQ_EVENT_SUBMIT,
                          .tenant = line->tenant->id,
                          .j = { .queue = c->queue,
                                 .spool_bytes = c->spool_bytes,
                                 .memory_bytes = c->memory_bytes,
                                 .not_before = c->not_before,
                                 .n_after = c->n_after } };

        *ret = (TqRefusal){};
        return tq_scheduler_would_admit(d->scheduler, &event, tq_clock_boottime_usec(), ret) == 0 ||
               !door_may_wait(d, line->tenant, c, ret);
}

/* When to look again without being told: only of what passes with time, and in no decision. */
static uint64_t look_in(const Door *d, const TqRefusal *r) {
        uint64_t next = tq_scheduler_next_deadline(d->scheduler);

        if (r->kind == TQ_REFUSAL_LIMIT && r->key == TQ_KEY_ENQUEUE_RATE)
                return r->retry_usec;
        /* When the scheduler wakes up for that, or for something else. */
        if (r->kind == TQ_REFUSAL_LIMIT && r->key == TQ_KEY_SCHEDULED_JOBS && next != TQ_NEVER)
                return tq_add_u64(tq_sub_u64(next, tq_clock_boottime_usec()), DUE_USEC);
        return UINT64_MAX;
}

static void ask_for(Door *d, const Waiting *w) {
        TqMessage m = { .number.cookie = w->claim.claim };

        (void)tq_link_send(d->link, TQ_MESSAGE_CLAIM_AGAIN, &m, NULL, 0, -EBADF);
}

/* An older one of the same queue waits. */
static bool is_behind(const Line *line, const Waiting *w) {
        for (const TqList *node = line->waiting.next; node != &w->link; node = node->next)
                if (strcmp(TQ_LIST_ENTRY(node, Waiting, link)->claim.queue, w->claim.queue) == 0)
                        return true;
        return false;
}

static void ask_for_one(Door *d, Line *line) {
        uint64_t soonest = UINT64_MAX;
        bool is_shut = false;

        TQ_LIST_FOREACH(node, &line->waiting) {
                Waiting *w = TQ_LIST_ENTRY(node, Waiting, link);
                TqRefusal refusal;

                if (w->is_late || is_behind(line, w))
                        continue;
                if (would_be_answered(d, line, &w->claim, &refusal)) {
                        line->asked = w->claim.claim;
                        ask_for(d, w);
                        return;
                }
                w->why = refusal;
                is_shut |= is_of_all(&refusal);
                soonest = TQ_MIN(soonest, look_in(d, &refusal));
        }
        line->is_shut = is_shut;
        set_retry(d, line, soonest);
}

/* The name has another owner now: whose each file is, is looked at anew. */
static void send_away(Door *d, Line *line) {
        while (line->n > 0) {
                Waiting *w = TQ_LIST_ENTRY(line->waiting.next, Waiting, link);

                ask_for(d, w);
                drop(line, w);
        }
        line->asked = 0;
        line->credit = CREDIT_UNKNOWN;
}

static void look_again(Door *d, Line *line) {
        if (line->tenant->is_former)
                send_away(d, line);
        line->is_shut &= line->n > 0;
        if (line->asked == 0 && line->n > 0 && !commit_fault(d->commit))
                ask_for_one(d, line);
        reckon_credit(d, line);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        uint64_t now = tq_clock_boottime_usec();
        Door *d = userdata;
        TqHeapNode *top;

        (void)source;
        (void)usec;
        while ((top = tq_heap_top(&d->retries)) &&
               TQ_CONTAINER_OF(top, Line, retry)->retry_at <= now) {
                tq_heap_remove(&d->retries, top);
                look_again(d, TQ_CONTAINER_OF(top, Line, retry));
        }
        arm(d);
        return 0;
}

void door_room_made(Door *d, uint32_t tenant) {
        const Tenant *t = tenants_get(d->tenants, tenant);
        bool has_to_know = t && (is_draining(d, t) || !tq_list_is_empty(&t->same_name));
        Line *line = has_to_know ? ensure(d, t) : find(d, tenant);

        if (line)
                look_again(d, line);
}

void door_room_made_all(Door *d) {
        size_t position = 0;
        const Tenant *t;

        while ((t = tenants_next(d->tenants, &position)))
                door_room_made(d, t->id);
}

void door_forget(Door *d, uint32_t tenant) {
        Line *line = find(d, tenant);

        while (line && line->n > 0)
                drop(line, TQ_LIST_ENTRY(line->waiting.next, Waiting, link));
        if (!line)
                return;
        line->asked = 0;
        set_retry(d, line, UINT64_MAX);
        /* Whoever has the name next begins with all of it. */
        tell_credit(d, line, TQ_CREDIT_MOST);
}

size_t door_count(const Door *d, uint32_t tenant) {
        const Line *line = find(d, tenant);

        return line ? line->n : 0;
}

/* Coming and going ------------------------------------------------------------------------------
 */

static void say(Door *d, Line *line, const TqRefusal *refusal) {
        uint64_t now = tq_clock_boottime_usec();
        char text[512];

        if (commit_fault(d->commit) || refusal->kind == TQ_REFUSAL_NONE ||
            (line->said_usec > 0 && now - line->said_usec < SAID_USEC))
                return;
        line->said_usec = now;
        events_add_within(d->events, tenants_budget(d->tenants, line->tenant->id),
                          TQ_KIND_FILES_WAIT, 0, EVENTS_NOBODY, "%s",
                          tq_admit_format(refusal, line->tenant->name, text, sizeof(text)));
}

bool door_must_wait(const Door *d, const Tenant *t, const DoorClaim *claim, TqRefusal *ret) {
        const Line *line = find(d, t->id);

        if (!line)
                return false;
        TQ_LIST_FOREACH(node, &line->waiting) {
                const DoorClaim *older = &TQ_LIST_ENTRY(node, Waiting, link)->claim;

                if (older->claim == claim->claim)
                        return false; /* it was asked for: the first of its queue */
                if (strcmp(older->queue, claim->queue) == 0) {
                        *ret = TQ_LIST_ENTRY(node, Waiting, link)->why;
                        return true;
                }
        }
        return false;
}

void door_wait(Door *d, const Tenant *t, const DoorClaim *claim, const TqRefusal *refusal) {
        TqMessage m = { .claim_done = { .claim = claim->claim, .outcome = TQ_CLAIM_WAITS } };
        Line *line = ensure(d, t);
        Waiting *w;

        (void)tq_link_send(d->link, TQ_MESSAGE_CLAIM_DONE, &m, NULL, 0, -EBADF);
        w = !line ? NULL : find_waiting(line, claim->claim);
        if (line && !w) {
                w = calloc(1, sizeof(*w));
                if (w) {
                        tq_list_append(&line->waiting, &w->link);
                        line->n++;
                }
        }
        if (!w) {
                commit_degrade(d->commit, -ENOMEM);
                return;
        }
        w->claim = *claim;
        w->why = *refusal;
        w->is_late = false;
        if (line->asked == claim->claim)
                line->asked = 0;
        line->is_shut |= is_of_all(refusal);
        say(d, line, refusal);
        look_again(d, line);
}

void door_is_late(Door *d, const Tenant *t, uint64_t claim) {
        Line *line = find(d, t->id);
        Waiting *w = line ? find_waiting(line, claim) : NULL;

        if (!w)
                return;
        w->is_late = true;
        if (line->asked == claim)
                line->asked = 0;
        look_again(d, line);
}

void door_leave(Door *d, const Tenant *t, uint64_t claim) {
        Line *line = find(d, t->id);
        Waiting *w = line ? find_waiting(line, claim) : NULL;

        if (!line)
                return;
        if (w)
                drop(line, w);
        if (line->asked == claim)
                line->asked = 0;
        look_again(d, line);
}

/* Life ------------------------------------------------------------------------------------------
 */

int door_new(sd_event *event, TqLink *link, Commit *commit, Events *events, Tenants *tenants,
             const Settings *settings, const TqScheduler *scheduler, Door **ret) {
        Door *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        *d = (Door){ .link = link,
                     .commit = commit,
                     .events = events,
                     .tenants = tenants,
                     .settings = settings,
                     .scheduler = scheduler,
                     .retries = { .before = is_sooner } };
        r = sd_event_add_time(event, &d->timer, CLOCK_BOOTTIME, 0, 10000, on_timer, d);
        if (r >= 0)
                r = sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void)door_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

Door *door_free(Door *d) {
        size_t position = 0;
        Line *line;

        if (!d)
                return NULL;
        while ((line = tq_map_next(&d->lines, &position))) {
                while (line->n > 0)
                        drop(line, TQ_LIST_ENTRY(line->waiting.next, Waiting, link));
                free(line);
        }
        tq_map_done(&d->lines);
        tq_heap_done(&d->retries);
        (void)sd_event_source_disable_unref(d->timer);
        free(d);
        return NULL;
}
