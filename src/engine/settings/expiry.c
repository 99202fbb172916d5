/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/expiry.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/settings/change.h"
#include "engine/settings/settings_private.h"

/* One timer, for the first of them. All limits of a tenant that are due go back in one change, made
 * like anybody's; while it is under way they are in no heap. One that could not be made is tried
 * again, later each time, and keeps nobody else's from going back. */

#define FIRST_RETRY_USEC (200 * TQ_USEC_PER_MSEC)
#define LAST_RETRY_USEC  (60 * TQ_USEC_PER_SEC)

struct Expiry {
        Settings *settings;
        Commit *commit;
        sd_event_source *timer;
        bool is_started;
};

static void arm(void *data) {
        Expiry *e = data;
        TqHeapNode *top = tq_heap_top(&e->settings->due.heap);
        uint64_t at;

        if (!e->is_started || !top) {
                (void)sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
                return;
        }
        at = TQ_CONTAINER_OF(top, LiveLimit, due)->until_boottime_usec;
        (void)sd_event_source_set_time(e->timer, at);
        (void)sd_event_source_set_enabled(e->timer, SD_EVENT_ONESHOT);
}

/* Those that were to go back and have not. */
static void postpone(Expiry *e, TenantSettings *ts) {
        uint64_t now = tq_clock_boottime_usec();

        TQ_LIST_FOREACH(node, &ts->live.all) {
                LiveLimit *l = TQ_LIST_ENTRY(node, LiveLimit, link);

                if (l->until_usec == 0 || tq_heap_contains(&l->due))
                        continue;
                l->delay_usec = l->delay_usec == 0 ? FIRST_RETRY_USEC
                                                   : TQ_MIN(2 * l->delay_usec, LAST_RETRY_USEC);
                l->until_boottime_usec = now + l->delay_usec;
                if (tq_heap_insert(&e->settings->due.heap, &l->due) < 0)
                        commit_degrade(e->commit, -ENOMEM);
        }
        arm(e);
}

static void say(const TenantSettings *ts, const char *text) {
        const LiveLimit *l = NULL;

        /* Not each time again. */
        TQ_LIST_FOREACH(node, &ts->live.all)
        if (!l && TQ_LIST_ENTRY(node, LiveLimit, link)->delay_usec == 2 * FIRST_RETRY_USEC)
                l = TQ_LIST_ENTRY(node, LiveLimit, link);
        if (!l)
                return;
        tq_log_about(LOG_WARNING, (TqLogAbout){ .tenant = ts->tenant->name },
                     "tenant %s: the time of %s=%s is over, and it can't be taken back yet: %s; it "
                     "is tried again",
                     ts->tenant->name, l->name, l->value ? l->value : "unset", text);
}

typedef struct Going {
        Expiry *expiry;
        TenantSettings *ts;
} Going;

static void on_done(void *data, const Change *c, TqControlError error, const char *text) {
        Going *g = data;

        (void)c;
        (void)error;
        /* When we leave, the next engine finds it as it is. */
        if (text && !commit_is_leaving(g->expiry->commit)) {
                postpone(g->expiry, g->ts);
                say(g->ts, text);
        }
        free(g);
}

/* All of the tenant's at once; but one that could not go back by itself, so that it keeps no other.
 */
static bool is_meant(const LiveLimit *l, const LiveLimit *first, uint64_t now) {
        if (l->until_usec == 0 || l->until_boottime_usec > now)
                return false;
        return first->delay_usec > 0 ? l == first : l->delay_usec == 0;
}

/* First what is unset: it makes room. */
static int fill(Change *c, TenantSettings *ts, const LiveLimit *first, uint64_t now, TqError *err) {
        int r = 0;

        for (int sets = 0; sets < 2; sets++)
                TQ_LIST_FOREACH(node, &ts->live.all) {
                        const LiveLimit *l = TQ_LIST_ENTRY(node, LiveLimit, link);

                        if (r >= 0 && is_meant(l, first, now) && sets == (l->back != NULL))
                                r = change_put(c, l->queue, l->name, l->back, err);
                }
        return r;
}

static void take_out(Expiry *e, TenantSettings *ts, const LiveLimit *first, uint64_t now) {
        TQ_LIST_FOREACH(node, &ts->live.all) {
                LiveLimit *l = TQ_LIST_ENTRY(node, LiveLimit, link);

                if (is_meant(l, first, now))
                        tq_heap_remove(&e->settings->due.heap, &l->due);
        }
}

static int begin(Expiry *e, TenantSettings *ts, const LiveLimit *first, uint64_t now,
                 TqError *err) {
        ChangeRequest request = { .uid = EVENTS_NOBODY,
                                  .about = "its time is over",
                                  .is_forced = true,
                                  .is_return = true };
        Going *g = malloc(sizeof(*g));
        Change *c = NULL;
        int r = -ENOMEM;

        if (!g)
                return r;
        *g = (Going){ .expiry = e, .ts = ts };
        /* The kernel is not told what can't be recorded. */
        if (commit_fault(e->commit))
                r = tq_error(err, -EIO, "the ledger can't be written");
        else
                r = change_new(e->settings, ts->tenant, &request, on_done, g, &c);
        if (r >= 0)
                r = fill(c, ts, first, now, err);
        if (r >= 0)
                r = change_start(c, err);
        if (r < 0) {
                (void)change_free(c);
                free(g);
        }
        return r;
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata) {
        Expiry *e = userdata;
        TqHeapNode *top;

        (void)source;
        (void)usec;
        while ((top = tq_heap_top(&e->settings->due.heap))) {
                LiveLimit *l = TQ_CONTAINER_OF(top, LiveLimit, due);
                uint64_t now = tq_clock_boottime_usec();
                TenantSettings *ts = l->of->owner;
                TqError err = {};
                int r;

                if (l->until_boottime_usec > now)
                        break;
                take_out(e, ts, l, now);
                r = begin(e, ts, l, now, &err);
                if (r < 0) {
                        postpone(e, ts);
                        say(ts, err.text[0] ? err.text : strerror(-r));
                }
        }
        arm(e);
        return 0;
}

int expiry_new(sd_event *event, Settings *settings, Commit *commit, Expiry **ret) {
        Expiry *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        *e = (Expiry){ .settings = settings, .commit = commit };
        r = sd_event_add_time(event, &e->timer, CLOCK_BOOTTIME, 0, TQ_USEC_PER_MSEC, on_due, e);
        if (r >= 0)
                r = sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void)expiry_free(e);
                return r;
        }
        settings->due.changed = arm;
        settings->due.data = e;
        *ret = e;
        return 0;
}

Expiry *expiry_free(Expiry *e) {
        if (!e)
                return NULL;
        e->settings->due.changed = NULL;
        (void)sd_event_source_disable_unref(e->timer);
        free(e);
        return NULL;
}

void expiry_start(Expiry *e) {
        e->is_started = true;
        arm(e);
}
