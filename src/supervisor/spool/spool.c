/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/spool/spool.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "supervisor/spool/later.h"
#include "supervisor/tenants/notes.h"

/* inotify is a hint: it says which names to try, and loses them when there are too many. So each
 * tenant keeps a few names (NAMES_MOST) and beyond that only the knowledge that its directory must
 * be read; memory stays bounded however many files there are. Tenants with something to do stand in
 * a ring, and each turn takes one file of the first, then the next: a tenant with a million files
 * delays another one's single file by one file. A turn of the event loop handles a budget of files
 * and of directory entries, so that the ends of jobs are never kept waiting.
 *
 * What can't be taken now is looked at again when later.c says. */

#define FILES_PER_TURN   32
#define ENTRIES_PER_FILE 256
#define KEPT             ".claims" /* to look at later: no job's name */
#define NAMES_MOST       64        /* kept from inotify for a tenant; more than that is a scan */
#define TOP_USEC         (5 * TQ_USEC_PER_SEC)
#define OVERFLOW_USEC    (60 * TQ_USEC_PER_SEC) /* it is said once in that time */

/* A tenant's directory. */
typedef struct Source {
        Tenant *tenant;
        TqList turn; /* in the ring of those whose files are to be taken */
        char *names[NAMES_MOST];
        size_t n_names;
        DIR *scan;
        bool needs_scan;
        int watch;         /* inotify's, -1: none */
        bool is_unwatched; /* nothing tells of new files: the directory is read each time */
} Source;

struct Spool {
        sd_event *event;
        Own *own;
        Tenants *tenants;
        Claims *claims;
        Laters *laters;
        TqMap sources; /* Tenant.handle → Source */
        TqMap watches; /* inotify's number → Source */
        TqList turns;  /* of Source.turn */
        int inotify_fd, top_watch;
        bool is_open;
        bool is_told;                     /* that inotify is used up */
        uint64_t overflow_said, all_read; /* boottime; 0: never */
        sd_event_source *inotify_source, *turn_source;
        sd_event_source *all_timer;
        sd_event_source *top_timer; /* the directory of all is read again and again instead */
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
        of->watch = -1;
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
                const struct dirent *e = readdir(of->scan);

                if (!e) {
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

/* inotify ---------------------------------------------------------------------------------------
 */

static bool is_used_up(int error) {
        return error == -ENOSPC || error == -ENOMEM ||
               error == -EBADF; /* EBADF: no inotify at all */
}

static int add_watch(Spool *s, int dir_fd, uint32_t mask) {
        char path[48];
        int watch;

        /* inotify takes paths; this one leads to what the descriptor is, whatever is renamed. */
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
        watch = inotify_add_watch(s->inotify_fd, path, mask | IN_ONLYDIR);
        return watch < 0 ? tq_errno() : watch;
}

void spool_unwatch(Spool *s, Tenant *t) {
        Source *of = find(s, t);

        if (!of)
                return;
        /* The same directory under another name has the same watch, which is that one's then. */
        if (of->watch >= 0 && tq_map_get(&s->watches, (uint64_t)of->watch) == of) {
                (void)inotify_rm_watch(s->inotify_fd, of->watch);
                (void)tq_map_remove(&s->watches, (uint64_t)of->watch);
        }
        of->watch = -1;
        claims_try_again(s->claims, t);
        end_scan(of);
        laters_scanned(s->laters, t);
        drop_names(of);
        laters_drop(s->laters, t);
        /* It is told again if it is so. */
        notes_drop_files(t);
        tq_list_unlink(&of->turn);
}

static void tell_watches(Spool *s) {
        if (!s->is_told)
                tq_log(LOG_ERR,
                       "inotify is used up: raise sysctl fs.inotify.max_user_watches (or "
                       "max_user_instances); until then directories are read again and again");
        s->is_told = true;
}

/* The host's watches are used up: who has none is read again and again instead. */
static void go_unwatched(Spool *s, Source *of) {
        of->is_unwatched = true;
        laters_scan(s->laters, of->tenant);
        (void)notes_set(s->tenants, of->tenant, "",
                        "inotify's watches are used up (sysctl fs.inotify.max_user_watches): "
                        "files are found by reading the directory, up to a minute later");
        tell_watches(s);
}

int spool_watch(Spool *s, Tenant *t) {
        Source *of = get(s, t);
        int watch, r;

        if (!of)
                return -ENOMEM;
        /* IN_CREATE: links, fifos and the like are never closed; what is still being written is
         * left alone and met again when it is. */
        watch = add_watch(s, t->spool_fd, IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ATTRIB);
        if (is_used_up(watch))
                go_unwatched(s, of);
        else if (watch < 0)
                return watch;
        else if (of->is_unwatched) {
                of->is_unwatched = false;
                notes_clear(s->tenants, t, "");
        }
        if (watch >= 0 && watch != of->watch) {
                spool_unwatch(s, t);
                (void)tq_map_remove(&s->watches, (uint64_t)watch);
                r = tq_map_put(&s->watches, (uint64_t)watch, of);
                if (r < 0)
                        return r;
                of->watch = watch;
        }
        /* What was there before the watch. */
        of->needs_scan = true;
        wake(s, of);
        return 0;
}

static int read_all(sd_event_source *source, uint64_t usec, void *userdata) {
        Spool *s = userdata;
        size_t position = 0;
        Source *of;

        (void)source;
        (void)usec;
        s->all_timer = sd_event_source_disable_unref(s->all_timer);
        s->all_read = tq_clock_boottime_usec();
        while ((of = tq_map_next(&s->sources, &position))) {
                of->needs_scan = true;
                join_ring(s, of);
        }
        schedule(s);
        (void)tenants_scan(s->tenants);
        return 0;
}

/* Whoever touches files often enough brings this about: it costs the others one look a second. */
static void on_overflow(Spool *s) {
        uint64_t now = tq_clock_boottime_usec(), next = s->all_read + TQ_USEC_PER_SEC;

        if (s->overflow_said == 0 || now - s->overflow_said > OVERFLOW_USEC) {
                tq_log(LOG_INFO,
                       "inotify lost events; reading all directories (said once a minute)");
                s->overflow_said = now;
        }
        if (s->all_timer)
                return;
        next = s->all_read == 0 || next < now ? now : next;
        if (sd_event_add_time(s->event, &s->all_timer, CLOCK_BOOTTIME, next, 0, read_all, s) < 0)
                (void)read_all(NULL, 0, s);
}

/* Of a directory that is known, its owner makes as many of these as he likes. */
static void on_top_event(Spool *s, const struct inotify_event *e) {
        Tenant *t = e->len > 0 ? tenants_by_name(s->tenants, e->name) : NULL;

        if (t)
                laters_check(s->laters, t);
        else if (e->len > 0 && strcmp(e->name, ".claims") == 0)
                own_mend_soon(s->own);
        else if (e->len > 0 && e->mask & IN_ISDIR && e->mask & (IN_CREATE | IN_MOVED_TO))
                tenants_check(s->tenants, e->name);
}

static void on_one(Spool *s, const struct inotify_event *e) {
        Source *of;

        if (e->mask & IN_Q_OVERFLOW) {
                on_overflow(s);
                return;
        }
        if (e->wd == s->top_watch) {
                on_top_event(s, e);
                return;
        }
        of = tq_map_get(&s->watches, (uint64_t)e->wd);
        if (of && e->len > 0 && of->tenant->is_enabled)
                note(s, of, e->name);
}

static int on_inotify(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
        Spool *s = userdata;
        ssize_t n;

        (void)source;
        (void)revents;
        n = read(fd, buffer, sizeof(buffer));
        for (char *p = buffer; n > 0 && p < buffer + n;) {
                const struct inotify_event *e = (const struct inotify_event *)(const void *)p;

                on_one(s, e);
                p += sizeof(*e) + e->len;
        }
        return 0;
}

static int on_top(sd_event_source *source, uint64_t usec, void *userdata) {
        Spool *s = userdata;

        (void)usec;
        (void)tenants_scan(s->tenants);
        if (spool_watch_top(s) >= 0 && s->top_watch >= 0) {
                s->top_timer = sd_event_source_disable_unref(s->top_timer);
                return 0;
        }
        (void)sd_event_source_set_time_relative(source, TOP_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int spool_watch_top(Spool *s) {
        s->top_watch = add_watch(s, own_fd(s->own, OWN_SPOOL),
                                 IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB);
        if (s->top_watch >= 0)
                return 0;
        if (!is_used_up(s->top_watch))
                return s->top_watch;
        tell_watches(s);
        return s->top_timer ? 0
                            : sd_event_add_time_relative(s->event, &s->top_timer, CLOCK_MONOTONIC,
                                                         TOP_USEC, TQ_USEC_PER_SEC, on_top, s);
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
        if (of->is_unwatched)
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

/* It is a convenience: without it everything is found by reading. */
static int start_inotify(Spool *s) {
        int r;

        s->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (s->inotify_fd < 0) {
                tell_watches(s);
                return 0;
        }
        r = sd_event_add_io(s->event, &s->inotify_source, s->inotify_fd, EPOLLIN, on_inotify, s);
        /* A tenant that makes events without end gets this share of the loop and no more; what it
         * is about is merged meanwhile. */
        return r < 0 ? r
                     : sd_event_source_set_ratelimit(s->inotify_source, 100 * TQ_USEC_PER_MSEC, 20);
}

int spool_new(sd_event *event, Own *own, Tenants *tenants, Claims *claims, Spool **ret) {
        Spool *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (Spool){ .event = event,
                      .own = own,
                      .tenants = tenants,
                      .claims = claims,
                      .inotify_fd = -EBADF,
                      .top_watch = -1 };
        tq_list_init(&s->turns);
        r = laters_new(event, &(LatersHooks){ s, on_check, on_file, on_scan }, &s->laters);
        if (r >= 0)
                r = start_inotify(s);
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
        (void)sd_event_source_disable_unref(s->inotify_source);
        (void)sd_event_source_disable_unref(s->turn_source);
        (void)sd_event_source_disable_unref(s->top_timer);
        (void)sd_event_source_disable_unref(s->all_timer);
        (void)tq_close(s->inotify_fd);
        tq_map_done(&s->sources);
        tq_map_done(&s->watches);
        free(s);
        return NULL;
}
