/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/spool/spool.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/map.h"
#include "supervisor/spool/later.h"
#include "supervisor/spool/watch.h"
#include "supervisor/tenants/notes.h"

/* watch.c hints which names to try, and loses them when there are too many. So each tenant keeps a
 * few names (NAMES_MOST) and beyond that only the knowledge that its directory must be read; memory
 * stays bounded however many files there are. Tenants with something to do stand in
 * a ring, and each turn takes one file of the first, then the next: a tenant with a million files
 * delays another one's single file by one file. A turn of the event loop handles a budget of files
 * and of directory entries, so that the ends of jobs are never kept waiting.
 *
 * What can't be taken now is looked at again when later.c says. */

#define FILES_PER_TURN   32
#define ENTRIES_PER_FILE 256
#define KEPT             ".claims" /* to look at later: no job's name */
#define NAMES_MOST       64        /* hints kept for a tenant; more than that is a scan */

/* A tenant's directory. */
typedef struct Source {
        Tenant *tenant;
        TqList turn; /* in the ring of those whose files are to be taken */
        char *names[NAMES_MOST];
        size_t n_names;
        DIR *scan;
        bool needs_scan;
} Source;

struct Spool {
        Tenants *tenants;
        Claims *claims;
        Laters *laters;
        Watches *watches;
        TqMap sources; /* Tenant.handle → Source */
        TqList turns;  /* of Source.turn */
        bool is_open;
        sd_event_source *turn_source;
};

static bool is_job_name(const char *name) {
        size_t n = strlen(name), suffix = strlen(TQ_JOB_SUFFIX);

        /* A leading dot is how people and rsync(1) name what is not finished. */
        return name[0] != '.' && n > suffix && strcmp(name + n - suffix, TQ_JOB_SUFFIX) == 0;
}

static Source *find(const Spool *s, const Tenant *t) {
        return tq_map_get(&s->sources, t->handle);
}

static Source *get(Spool *s, Tenant *t) {
        Source *of = find(s, t);

        if (of)
                return of;
        of = calloc(1, sizeof(*of));
        if (!of)
                return NULL;
        of->tenant = t;
        tq_list_init(&of->turn);
        if (tq_map_put(&s->sources, t->handle, of) < 0) {
                free(of);
                return NULL;
        }
        return of;
}

static void drop_names(Source *of) {
        while (of->n_names > 0)
                free(of->names[--of->n_names]);
}

static void end_scan(Source *of) {
        if (of->scan)
                (void)closedir(of->scan);
        of->scan = NULL;
}

/* Turns -----------------------------------------------------------------------------------------
 */

static void schedule(Spool *s) {
        bool can = s->is_open && claims_have_room(s->claims) && !tq_list_is_empty(&s->turns);

        (void)sd_event_source_set_enabled(s->turn_source, can ? SD_EVENT_ON : SD_EVENT_OFF);
}

static bool has_anything(const Spool *s, const Source *of) {
        return claims_has_kept(s->claims, of->tenant) ||
               ((of->needs_scan || of->n_names > 0 || of->scan) &&
                claims_have_credit(s->claims, of->tenant));
}

static void join_ring(Spool *s, Source *of) {
        const Tenant *t = of->tenant;

        if (t->is_enabled && t->is_applied && tq_list_is_empty(&of->turn) && has_anything(s, of))
                tq_list_append(&s->turns, &of->turn);
}

static void wake(Spool *s, Source *of) {
        join_ring(s, of);
        schedule(s);
}

void spool_wake(Spool *s, Tenant *t) {
        Source *of = get(s, t);

        /* Before its time that changes nothing, and each time in vain the delay is twice as long.
         */
        if (claims_are_late(s->claims, t))
                laters_file(s->laters, t, KEPT);
        else
                laters_forget(s->laters, t, KEPT);
        if (of)
                wake(s, of);
}

void spool_set_open(Spool *s, bool is_open) {
        size_t position = 0;
        Source *of;

        s->is_open = is_open;
        while (is_open && (of = tq_map_next(&s->sources, &position)))
                join_ring(s, of);
        schedule(s);
}

/* A name that may be taken. */
static void note(Spool *s, Source *of, const char *name) {
        if (!is_job_name(name))
                return;
        if (of->n_names == NAMES_MOST || !(of->names[of->n_names] = strdup(name)))
                of->needs_scan = true;
        else
                of->n_names++;
        wake(s, of);
}

static bool begin_scan(Spool *s, Source *of) {
        if (!of->needs_scan)
                return false;
        of->needs_scan = false;
        if (tq_fs_opendir(of->tenant->spool_fd, ".", &of->scan) >= 0)
                return true;
        laters_scan(s->laters, of->tenant);
        return false;
}

/* The next job name of the directory, or NULL when the budget or the directory is at its end. */
static const char *scan_next(Spool *s, Source *of) {
        if (!of->scan && !begin_scan(s, of))
                return NULL;
        for (int i = 0; i < ENTRIES_PER_FILE; i++) {
                const struct dirent *e;
                int r = tq_fs_readdir(of->scan, &e);

                /* Some may not have been seen: it is read again, after a while. */
                if (r < 0) {
                        end_scan(of);
                        laters_scan(s->laters, of->tenant);
                        return NULL;
                }
                if (r == 0) {
                        end_scan(of);
                        laters_scanned(s->laters, of->tenant);
                        notes_clear_gone(s->tenants, of->tenant);
                        return NULL;
                }
                if (is_job_name(e->d_name) && !laters_has(s->laters, of->tenant, e->d_name))
                        return e->d_name;
        }
        return NULL;
}

static void try_one(Spool *s, Source *of, const char *name) {
        if (claims_claim(s->claims, of->tenant, name) == CLAIM_LATER)
                laters_file(s->laters, of->tenant, name);
        else
                laters_forget(s->laters, of->tenant, name);
}

/* One file of one tenant. */
static void claim_one(Spool *s, Source *of) {
        TQ_FREE char *name = NULL;
        const char *scanned;

        if (claims_has_kept(s->claims, of->tenant)) {
                (void)claims_hand_over(s->claims, of->tenant);
                return;
        }
        if (of->n_names > 0) {
                name = of->names[0];
                memmove(&of->names[0], &of->names[1], (--of->n_names) * sizeof(of->names[0]));
                try_one(s, of, name);
                return;
        }
        scanned = scan_next(s, of);
        if (scanned)
                try_one(s, of, scanned);
}

static int on_turn(sd_event_source *source, void *userdata) {
        Spool *s = userdata;

        (void)source;
        for (int i = 0; i < FILES_PER_TURN && claims_have_room(s->claims); i++) {
                TqList *node = tq_list_first(&s->turns);
                Source *of;

                if (!node)
                        break;
                of = TQ_LIST_ENTRY(node, Source, turn);
                tq_list_unlink(&of->turn);
                if (!of->tenant->is_enabled || !has_anything(s, of))
                        continue;
                claim_one(s, of);
                if (claims_are_late(s->claims, of->tenant))
                        laters_file(s->laters, of->tenant, KEPT);
                join_ring(s, of);
        }
        schedule(s);
        return 0;
}

/* Hints ------------------------------------------------------------------------------------------
 */

static void on_hint(void *data, Tenant *t, const char *name) {
        Spool *s = data;
        Source *of = find(s, t);

        if (of && t->is_enabled)
                note(s, of, name);
}

static void on_touched(void *data, Tenant *t) {
        Spool *s = data;

        laters_check(s->laters, t);
}

static void on_lost(void *data) {
        Spool *s = data;
        size_t position = 0;
        Source *of;

        while ((of = tq_map_next(&s->sources, &position))) {
                of->needs_scan = true;
                join_ring(s, of);
        }
        schedule(s);
        (void)tenants_scan(s->tenants);
}

int spool_watch_top(Spool *s) {
        return watches_top(s->watches);
}

/* What is known of a directory that is not the tenant's any more. */
static void start_again(Spool *s, Source *of) {
        claims_try_again(s->claims, of->tenant);
        end_scan(of);
        laters_scanned(s->laters, of->tenant);
        drop_names(of);
        laters_drop(s->laters, of->tenant);
        /* It is told again if it is so. */
        notes_drop_files(of->tenant);
        tq_list_unlink(&of->turn);
}

void spool_unwatch(Spool *s, Tenant *t) {
        Source *of = find(s, t);

        if (!of)
                return;
        watches_remove(s->watches, t);
        start_again(s, of);
}

int spool_watch(Spool *s, Tenant *t) {
        Source *of = get(s, t);
        int r = of ? watches_add(s->watches, t) : -ENOMEM;

        if (r < 0)
                return r;
        if (r > 0)
                start_again(s, of);
        if (watches_lack(s->watches, t))
                laters_scan(s->laters, t);
        /* What was there before the watch. */
        of->needs_scan = true;
        wake(s, of);
        return 0;
}

/* Later -----------------------------------------------------------------------------------------
 */

static void on_check(void *data, Tenant *t) {
        Spool *s = data;

        tenants_check(s->tenants, t->name);
        notes_clear_gone(s->tenants, t);
}

static void on_file(void *data, Tenant *t, const char *name) {
        Spool *s = data;
        Source *of = find(s, t);

        if (!of)
                return;
        if (strcmp(name, KEPT) == 0)
                claims_try_again(s->claims, t);
        note(s, of, name);
        wake(s, of);
}

static void on_scan(void *data, Tenant *t) {
        Spool *s = data;
        Source *of = find(s, t);

        if (!of)
                return;
        claims_try_again(s->claims, t);
        of->needs_scan = true;
        wake(s, of);
        if (watches_lack(s->watches, t))
                laters_scan(s->laters, t);
}

void spool_check(Spool *s, Tenant *t) {
        laters_check(s->laters, t);
}

void spool_recheck(Spool *s, Tenant *t) {
        laters_recheck(s->laters, t);
}

/* Life ------------------------------------------------------------------------------------------
 */

int spool_new(sd_event *event, Own *own, Tenants *tenants, Claims *claims, Spool **ret) {
        Spool *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (Spool){ .tenants = tenants, .claims = claims };
        tq_list_init(&s->turns);
        r = laters_new(event, &(LatersHooks){ s, on_check, on_file, on_scan }, &s->laters);
        if (r >= 0)
                r = watches_new(event, own, tenants,
                                &(WatchesHooks){ s, on_hint, on_touched, on_lost }, &s->watches);
        if (r >= 0)
                r = sd_event_add_defer(event, &s->turn_source, on_turn, s);
        /* After the ends of jobs and the engine's messages. */
        if (r >= 0)
                r = sd_event_source_set_priority(s->turn_source, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->turn_source, SD_EVENT_OFF);
        if (r < 0) {
                (void)spool_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

Spool *spool_free(Spool *s) {
        size_t position = 0;
        Source *of;

        if (!s)
                return NULL;
        while ((of = tq_map_next(&s->sources, &position))) {
                end_scan(of);
                drop_names(of);
                free(of);
        }
        (void)laters_free(s->laters);
        (void)watches_free(s->watches);
        (void)sd_event_source_disable_unref(s->turn_source);
        tq_map_done(&s->sources);
        free(s);
        return NULL;
}
