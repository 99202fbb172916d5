/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/spool/later.h"

#include <string.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/map.h"

/* Each tenant has delays of its own, so that none waits for what another does:
 *
 * - a file that could not be taken yet (somebody has it open for writing): by its name, first after
 *   milliseconds, since the event of a close may come before the kernel counts the writer out, then
 *   twice as late each time;
 * - the whole directory: when there are more such files, when it could not be read, or when nothing
 *   tells of new files (inotify(7) is used up);
 * - the directory itself, whose owner or mode has changed: once in CHECK_USEC, however often it
 *   does.
 *
 * The tenants with anything due stand in one heap by time; one timer is set to its top. */

#define FIRST_USEC   (2 * TQ_USEC_PER_MSEC)
#define MOST_USEC    (64 * TQ_USEC_PER_SEC)
#define SCAN_USEC    TQ_USEC_PER_SEC
#define CHECK_USEC   (100 * TQ_USEC_PER_MSEC)
#define RECHECK_USEC (5 * TQ_USEC_PER_SEC)
#define DUE_PER_TURN 16
#define FILES_MOST   16 /* of a tenant; with more its directory is read again */

typedef struct LaterFile {
        char *name;
        uint64_t at; /* CLOCK_BOOTTIME usec */
        uint64_t delay;
        bool is_due; /* it is on its way to be tried */
} LaterFile;

typedef struct Later {
        Tenant *tenant;
        TqHeapNode due;
        uint64_t due_at, check_at, scan_at; /* UINT64_MAX: not at all */
        uint64_t scan_delay, checked;
        LaterFile files[FILES_MOST];
        size_t n_files;
} Later;

struct Laters {
        sd_event *event;
        LatersHooks hooks;
        TqMap all; /* Tenant.handle → Later */
        TqHeap due;
        sd_event_source *timer;
};

static bool is_before(const TqHeapNode *a, const TqHeapNode *b) {
        return TQ_CONTAINER_OF(a, Later, due)->due_at < TQ_CONTAINER_OF(b, Later, due)->due_at;
}

static Later *find(const Laters *l, const Tenant *t) {
        return tq_map_get(&l->all, t->handle);
}

static Later *ensure(Laters *l, Tenant *t) {
        Later *of = find(l, t);

        if (of)
                return of;
        of = calloc(1, sizeof(*of));
        if (of && tq_map_put(&l->all, t->handle, of) < 0) {
                free(of);
                of = NULL;
        }
        if (!of) {
                tq_log(LOG_ERR, "tenant %s: out of memory; its files wait for the next one",
                       t->name);
                return NULL;
        }
        of->tenant = t;
        of->check_at = of->scan_at = UINT64_MAX;
        return of;
}

/* The timer follows the top of the heap. */
static void arm(Laters *l) {
        const TqHeapNode *top = tq_heap_top(&l->due);

        if (top)
                (void)sd_event_source_set_time(l->timer, TQ_CONTAINER_OF(top, Later, due)->due_at);
        (void)sd_event_source_set_enabled(l->timer, top ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void reckon(Laters *l, Later *of) {
        uint64_t at = TQ_MIN(of->check_at, of->scan_at);

        for (size_t i = 0; i < of->n_files; i++)
                at = TQ_MIN(at, of->files[i].at);
        of->due_at = at;
        if (at == UINT64_MAX)
                tq_heap_remove(&l->due, &of->due);
        else if (tq_heap_contains(&of->due))
                tq_heap_update(&l->due, &of->due);
        else if (tq_heap_insert(&l->due, &of->due) < 0)
                tq_log(LOG_ERR, "tenant %s: out of memory; its files wait for the next one",
                       of->tenant->name);
        arm(l);
}

/* Files -----------------------------------------------------------------------------------------
 */

static LaterFile *find_file(Later *of, const char *name) {
        for (size_t i = 0; of && i < of->n_files; i++)
                if (strcmp(of->files[i].name, name) == 0)
                        return &of->files[i];
        return NULL;
}

static void drop(Later *of, LaterFile *f) {
        free(f->name);
        *f = of->files[--of->n_files];
}

void laters_drop(Laters *l, Tenant *t) {
        Later *of = find(l, t);

        if (!of)
                return;
        while (of->n_files > 0)
                drop(of, &of->files[0]);
        of->scan_at = UINT64_MAX;
        reckon(l, of);
}

void laters_forget(Laters *l, const Tenant *t, const char *name) {
        Later *of = find(l, t);
        LaterFile *f = find_file(of, name);

        if (!f)
                return;
        drop(of, f);
        reckon(l, of);
}

bool laters_has(const Laters *l, const Tenant *t, const char *name) {
        const LaterFile *f = find_file(find(l, t), name);

        return f && !f->is_due && f->at > tq_clock_boottime_usec();
}

void laters_file(Laters *l, Tenant *t, const char *name) {
        uint64_t now = tq_clock_boottime_usec();
        Later *of = ensure(l, t);
        LaterFile *f = find_file(of, name);

        if (!of)
                return;
        if (!f && of->n_files < FILES_MOST && (of->files[of->n_files].name = strdup(name))) {
                f = &of->files[of->n_files++];
                f->delay = FIRST_USEC / 2;
                f->at = 0;
                f->is_due = false;
        }
        if (!f) {
                laters_scan(l, t);
                return;
        }
        /* Met before its time, by an event or a scan: that says nothing about how long it takes. */
        if (f->at > now && !f->is_due)
                return;
        f->is_due = false;
        f->delay = TQ_MIN(f->delay * 2, MOST_USEC);
        f->at = now + f->delay;
        reckon(l, of);
}

/* Directories -----------------------------------------------------------------------------------
 */

void laters_scan(Laters *l, Tenant *t) {
        Later *of = ensure(l, t);

        if (!of || of->scan_at != UINT64_MAX)
                return;
        of->scan_delay = TQ_MIN(TQ_MAX(of->scan_delay * 2, SCAN_USEC), MOST_USEC);
        of->scan_at = tq_clock_boottime_usec() + of->scan_delay;
        reckon(l, of);
}

/* Unless somebody has asked for another one meanwhile. */
void laters_scanned(Laters *l, const Tenant *t) {
        Later *of = find(l, t);

        if (of && of->scan_at == UINT64_MAX)
                of->scan_delay = 0;
}

void laters_check(Laters *l, Tenant *t) {
        Later *of = ensure(l, t);
        uint64_t at;

        if (!of)
                return;
        at = TQ_MAX(tq_clock_boottime_usec(), of->checked + CHECK_USEC);
        /* Sooner than a recheck that is planned. */
        if (of->check_at <= at)
                return;
        of->check_at = at;
        reckon(l, of);
}

void laters_recheck(Laters *l, Tenant *t) {
        Later *of = ensure(l, t);

        if (!of)
                return;
        of->check_at = TQ_MIN(of->check_at, tq_clock_boottime_usec() + RECHECK_USEC);
        reckon(l, of);
}

static void look(Laters *l, Later *of, uint64_t now) {
        if (of->check_at <= now) {
                of->check_at = UINT64_MAX;
                of->checked = now;
                l->hooks.check(l->hooks.data, of->tenant);
        }
        for (size_t i = 0; i < of->n_files; i++)
                if (of->files[i].at <= now) {
                        /* Until it has been tried; again, should it have gone before anybody did.
                         */
                        of->files[i].at = now + MOST_USEC;
                        of->files[i].is_due = true;
                        l->hooks.file(l->hooks.data, of->tenant, of->files[i].name);
                }
        if (of->scan_at <= now) {
                of->scan_at = UINT64_MAX;
                l->hooks.scan(l->hooks.data, of->tenant);
        }
        reckon(l, of);
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata) {
        uint64_t now = tq_clock_boottime_usec();
        Laters *l = userdata;

        (void)source;
        (void)usec;
        for (int i = 0; i < DUE_PER_TURN; i++) {
                TqHeapNode *top = tq_heap_top(&l->due);
                Later *of = top ? TQ_CONTAINER_OF(top, Later, due) : NULL;

                if (!of || of->due_at > now)
                        break;
                look(l, of, now);
        }
        arm(l);
        return 0;
}

/* Life ------------------------------------------------------------------------------------------
 */

int laters_new(sd_event *event, const LatersHooks *hooks, Laters **ret) {
        Laters *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Laters){ .event = event, .hooks = *hooks, .due = { .before = is_before } };
        r = sd_event_add_time(event, &l->timer, CLOCK_BOOTTIME, 0, 1000, on_due, l);
        if (r >= 0)
                r = sd_event_source_set_priority(l->timer, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void)laters_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

Laters *laters_free(Laters *l) {
        size_t position = 0;
        Later *of;

        if (!l)
                return NULL;
        while ((of = tq_map_next(&l->all, &position))) {
                while (of->n_files > 0)
                        drop(of, &of->files[0]);
                free(of);
        }
        (void)sd_event_source_disable_unref(l->timer);
        tq_map_done(&l->all);
        tq_heap_done(&l->due);
        free(l);
        return NULL;
}
