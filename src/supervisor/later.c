/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/clock.h"
#include "supervisor/supervisor.h"

/* What a tenant's directory is looked at again for, and when. Each tenant has delays of its own, so
 * that none waits for what another does:
 *
 *   a file that could not be taken yet (somebody has it open for writing): by its name, first after
 *   milliseconds, since the event of a close may come before the kernel counts the writer out, then
 *   twice as late each time;
 *   the whole directory: when there are more such files, when it could not be read, or when nothing
 *   tells of new files (inotify(7) is used up);
 *   the directory itself, whose owner or mode has changed: once in CHECK_USEC, however often it
 * does.
 *
 * The tenants with anything due stand in one heap by time; one timer is set to its top. */

#define FIRST_USEC   (2 * TQ_USEC_PER_MSEC)
#define MOST_USEC    (64 * TQ_USEC_PER_SEC)
#define SCAN_USEC    TQ_USEC_PER_SEC
#define CHECK_USEC   (100 * TQ_USEC_PER_MSEC)
#define RECHECK_USEC (5 * TQ_USEC_PER_SEC)
#define DUE_PER_TURN 16

bool later_before(const TqHeapNode *a, const TqHeapNode *b) {
        return TQ_CONTAINER_OF(a, Tenant, due)->due_at < TQ_CONTAINER_OF(b, Tenant, due)->due_at;
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata);

/* The timer follows the top of the heap. */
static void arm(Supervisor *s) {
        const TqHeapNode *top = tq_heap_top(&s->due);
        uint64_t at = top ? TQ_CONTAINER_OF(top, Tenant, due)->due_at : 0;

        if (!top) {
                if (s->due_source)
                        (void)sd_event_source_set_enabled(s->due_source, SD_EVENT_OFF);
                return;
        }
        if (!s->due_source) {
                if (sd_event_add_time(s->event, &s->due_source, CLOCK_BOOTTIME, at, 1000, on_due,
                                      s) >= 0)
                        (void)sd_event_source_set_priority(s->due_source, SD_EVENT_PRIORITY_IDLE);
                return;
        }
        (void)sd_event_source_set_time(s->due_source, at);
        (void)sd_event_source_set_enabled(s->due_source, SD_EVENT_ONESHOT);
}

static void reckon(Supervisor *s, Tenant *t) {
        uint64_t at = TQ_MIN(t->check_at, t->scan_at);

        for (size_t i = 0; i < t->n_later; i++)
                at = TQ_MIN(at, t->later[i].at);
        t->due_at = at;
        if (at == UINT64_MAX)
                tq_heap_remove(&s->due, &t->due);
        else if (tq_heap_contains(&t->due))
                tq_heap_update(&s->due, &t->due);
        else if (tq_heap_insert(&s->due, &t->due) < 0)
                report_error("tenant %s: out of memory; its files wait for the next one", t->name);
        arm(s);
}

void later_init(Tenant *t) {
        t->check_at = t->scan_at = UINT64_MAX;
}

static LaterFile *find(Tenant *t, const char *name) {
        for (size_t i = 0; i < t->n_later; i++)
                if (strcmp(t->later[i].name, name) == 0)
                        return &t->later[i];
        return NULL;
}

static void drop(Tenant *t, LaterFile *f) {
        free(f->name);
        *f = t->later[--t->n_later];
}

void later_drop(Supervisor *s, Tenant *t) {
        while (t->n_later > 0)
                drop(t, &t->later[0]);
        t->scan_at = UINT64_MAX;
        reckon(s, t);
        /* It is told again if it is so. */
        notes_drop_files(t);
}

void later_forget(Supervisor *s, Tenant *t, const char *name) {
        LaterFile *f = find(t, name);

        if (!f)
                return;
        drop(t, f);
        reckon(s, t);
}

bool later_holds(Tenant *t, const char *name) {
        const LaterFile *f = find(t, name);

        return f && !f->is_due && f->at > tq_clock_boottime_usec();
}

void later_file(Supervisor *s, Tenant *t, const char *name) {
        uint64_t now = tq_clock_boottime_usec();
        LaterFile *f = find(t, name);

        if (!f && t->n_later < LATER_FILES && (t->later[t->n_later].name = strdup(name))) {
                f = &t->later[t->n_later++];
                f->delay = FIRST_USEC / 2;
                f->at = 0;
                f->is_due = false;
        }
        if (!f) {
                later_scan(s, t);
                return;
        }
        /* Met before its time, by an event or a scan: that says nothing about how long it takes. */
        if (f->at > now && !f->is_due)
                return;
        f->is_due = false;
        f->delay = TQ_MIN(f->delay * 2, MOST_USEC);
        f->at = now + f->delay;
        reckon(s, t);
}

void later_scan(Supervisor *s, Tenant *t) {
        if (t->scan_at != UINT64_MAX)
                return;
        t->scan_delay = TQ_MIN(TQ_MAX(t->scan_delay * 2, SCAN_USEC), MOST_USEC);
        t->scan_at = tq_clock_boottime_usec() + t->scan_delay;
        reckon(s, t);
}

void later_check(Supervisor *s, Tenant *t) {
        uint64_t at = TQ_MAX(tq_clock_boottime_usec(), t->checked + CHECK_USEC);

        /* Sooner than a recheck that is planned. */
        if (t->check_at <= at)
                return;
        t->check_at = at;
        reckon(s, t);
}

void later_recheck(Supervisor *s, Tenant *t) {
        t->check_at = TQ_MIN(t->check_at, tq_clock_boottime_usec() + RECHECK_USEC);
        reckon(s, t);
}

static void look(Supervisor *s, Tenant *t, uint64_t now) {
        if (t->check_at <= now) {
                t->check_at = UINT64_MAX;
                t->checked = now;
                tenants_check(s, t->name);
                notes_clear_gone(s, t);
        }
        for (size_t i = 0; i < t->n_later; i++)
                if (t->later[i].at <= now) {
                        /* Until it has been tried; again, should it have gone before anybody did.
                         */
                        t->later[i].at = now + MOST_USEC;
                        t->later[i].is_due = true;
                        spool_note(s, t, t->later[i].name);
                }
        if (t->scan_at <= now) {
                t->scan_at = UINT64_MAX;
                spool_wake(s, t, true);
                if (t->is_unwatched)
                        later_scan(s, t);
        }
        reckon(s, t);
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata) {
        uint64_t now = tq_clock_boottime_usec();
        Supervisor *s = userdata;

        (void)source;
        (void)usec;
        for (int i = 0; i < DUE_PER_TURN; i++) {
                TqHeapNode *top = tq_heap_top(&s->due);
                Tenant *t = top ? TQ_CONTAINER_OF(top, Tenant, due) : NULL;

                if (!t || t->due_at > now)
                        break;
                look(s, t, now);
        }
        arm(s);
        return 0;
}
