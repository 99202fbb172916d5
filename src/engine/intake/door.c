/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/door.h"

#include "base/clock.h"
#include "base/map.h"

#define RETRY_LEAST_USEC (100 * TQ_USEC_PER_MSEC)
#define RETRY_MOST_USEC  (60 * TQ_USEC_PER_SEC)

typedef struct Full {
        const Tenant *tenant;
        bool is_full;
        uint64_t retry_at;   /* is_full: when it is looked at again, CLOCK_BOOTTIME usec */
        uint64_t hold_delay; /* doubles while files are held again; 0: there was room */
        uint64_t took_usec;  /* when the supervisor was last told to take them */
        uint64_t told_usec;  /* when the ledger was last told that files are held */
} Full;

struct Door {
        TqLink *link;
        Commit *commit;
        Events *events;
        Tenants *tenants;
        TqMap all; /* Tenant.id → Full */
        size_t n_full;
        sd_event_source *timer;
};

static void take_again(Door *d, Full *f) {
        TqMessage m = { .attempt = { .tenant = f->tenant->handle } };

        f->is_full = false;
        f->took_usec = tq_clock_boottime_usec();
        d->n_full--;
        (void)tq_link_send(d->link, TQ_MESSAGE_TAKE, &m, NULL, 0, -EBADF);
}

/* To the first tenant that is to be looked at again. */
static void arm(Door *d) {
        uint64_t next = TQ_NEVER;
        size_t position = 0;
        const Full *f;

        while (d->n_full > 0 && (f = tq_map_next(&d->all, &position)))
                if (f->is_full)
                        next = TQ_MIN(next, f->retry_at);
        if (next != TQ_NEVER)
                (void)sd_event_source_set_time(d->timer, next);
        (void)sd_event_source_set_enabled(d->timer,
                                          next == TQ_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        uint64_t now = tq_clock_boottime_usec();
        Door *d = userdata;
        size_t position = 0;
        Full *f;

        (void)source;
        (void)usec;
        while ((f = tq_map_next(&d->all, &position)))
                if (f->is_full && f->retry_at <= now)
                        take_again(d, f);
        arm(d);
        return 0;
}

int door_new(sd_event *event, TqLink *link, Commit *commit, Events *events, Tenants *tenants,
             Door **ret) {
        Door *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        *d = (Door){ .link = link, .commit = commit, .events = events, .tenants = tenants };
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
        Full *f;

        if (!d)
                return NULL;
        while ((f = tq_map_next(&d->all, &position)))
                free(f);
        tq_map_done(&d->all);
        (void)sd_event_source_disable_unref(d->timer);
        free(d);
        return NULL;
}

static Full *get(Door *d, const Tenant *t) {
        Full *f = tq_map_get(&d->all, t->id);

        if (f)
                return f;
        f = calloc(1, sizeof(*f));
        if (!f)
                return NULL;
        f->tenant = t;
        if (tq_map_put(&d->all, t->id, f) < 0) {
                free(f);
                return NULL;
        }
        return f;
}

void door_hold(Door *d, uint64_t claim, const Tenant *t, const TqRefusal *refusal) {
        uint64_t delay = TQ_MAX(refusal->retry_usec, RETRY_LEAST_USEC);
        bool is_degraded = commit_fault(d->commit);
        uint64_t now = tq_clock_boottime_usec();
        TqMessage m = {
                .claim_done = { .claim = claim,
                                .is_held = 1,
                                .is_queues = refusal->queue[0] != '\0' && !is_degraded },
        };
        Full *f = get(d, t);
        char text[512];

        (void)tq_link_send(d->link, TQ_MESSAGE_CLAIM_DONE, &m, NULL, 0, -EBADF);
        if (!f) {
                commit_degrade(d->commit, -ENOMEM);
                return;
        }
        if (!is_degraded && (f->told_usec == 0 || now - f->told_usec > RETRY_MOST_USEC)) {
                events_add_within(d->events, tenants_budget(d->tenants, t->id), "files-held", 0,
                                  EVENTS_NOBODY, "%s",
                                  tq_admit_format(refusal, t->name, text, sizeof(text)));
                f->told_usec = now;
        }
        /* Files of one look that are held together count once. */
        if (!f->is_full) {
                f->hold_delay = TQ_MIN(TQ_MAX(delay, f->hold_delay * 2), RETRY_MOST_USEC);
                f->retry_at = TQ_NEVER;
                d->n_full++;
        }
        f->is_full = true;
        /* What is being drained says itself when it takes jobs again; a broken disk needs a
         * restart. */
        if (refusal->kind != TQ_REFUSAL_DRAINING && !is_degraded)
                f->retry_at = TQ_MIN(f->retry_at, tq_add_u64(now, f->hold_delay));
        arm(d);
}

/* Many ends at once are one reason to look again. */
static void look_again(Door *d, Full *f) {
        uint64_t next;

        if (!f || !f->is_full)
                return;
        f->hold_delay = 0;
        next = tq_add_u64(f->took_usec, RETRY_LEAST_USEC);
        if (f->took_usec > 0 && tq_clock_boottime_usec() < next) {
                f->retry_at = TQ_MIN(f->retry_at, next);
                arm(d);
        } else
                take_again(d, f);
}

void door_has_room(Door *d, uint32_t tenant) {
        look_again(d, tq_map_get(&d->all, tenant));
}

void door_has_room_all(Door *d) {
        size_t position = 0;
        Full *f;

        while ((f = tq_map_next(&d->all, &position)))
                look_again(d, f);
}

bool door_is_full(const Door *d, uint32_t tenant) {
        const Full *f = tq_map_get(&d->all, tenant);

        return f && f->is_full;
}
