/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/spool/watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "supervisor/tenants/notes.h"

#define TOP_USEC  (5 * TQ_USEC_PER_SEC)
#define SAID_USEC (60 * TQ_USEC_PER_SEC) /* that events were lost is said once in that time */

/* A tenant's. */
typedef struct Watch {
        Tenant *tenant;
        int wd;          /* inotify's number, -1: none */
        bool is_lacking; /* there was none to be had */
} Watch;

struct Watches {
        sd_event *event;
        Own *own;
        Tenants *tenants;
        WatchesHooks hooks;
        TqMap all;   /* Tenant.handle → Watch */
        TqMap by_wd; /* inotify's number → Watch */
        int inotify_fd, top;
        bool is_told;                /* that inotify is used up */
        uint64_t lost_said, lost_at; /* boottime; 0: never */
        sd_event_source *source;
        sd_event_source *lost_timer;
        sd_event_source *top_timer; /* the directory of all is read again and again instead */
};

static Watch *find(const Watches *w, const Tenant *t) {
        return tq_map_get(&w->all, t->handle);
}

static Watch *get(Watches *w, Tenant *t) {
        Watch *of = find(w, t);

        if (of)
                return of;
        of = calloc(1, sizeof(*of));
        if (!of)
                return NULL;
        *of = (Watch){ .tenant = t, .wd = -1 };
        if (tq_map_put(&w->all, t->handle, of) < 0) {
                free(of);
                return NULL;
        }
        return of;
}

static bool is_used_up(int error) {
        return error == -ENOSPC || error == -ENOMEM ||
               error == -EBADF; /* EBADF: no inotify at all */
}

static int add(Watches *w, int dir_fd, uint32_t mask) {
        char path[48];
        int wd;

        /* inotify takes paths; this one leads to what the descriptor is, whatever is renamed. */
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
        wd = inotify_add_watch(w->inotify_fd, path, mask | IN_ONLYDIR);
        return wd < 0 ? tq_errno() : wd;
}

static void tell_used_up(Watches *w) {
        if (!w->is_told)
                tq_log(LOG_ERR,
                       "inotify is used up: raise sysctl fs.inotify.max_user_watches (or "
                       "max_user_instances); until then directories are read again and again");
        w->is_told = true;
}

/* Tenants' directories --------------------------------------------------------------------------
 */

static void lack(Watches *w, Watch *of) {
        of->is_lacking = true;
        (void)notes_set(w->tenants, of->tenant, "",
                        "inotify's watches are used up (sysctl fs.inotify.max_user_watches): "
                        "files are found by reading the directory, up to a minute later");
        tell_used_up(w);
}

static void drop(Watches *w, Watch *of) {
        /* The same directory under another name has the same watch, which is that one's then. */
        if (of->wd >= 0 && tq_map_get(&w->by_wd, (uint64_t)of->wd) == of) {
                (void)inotify_rm_watch(w->inotify_fd, of->wd);
                (void)tq_map_remove(&w->by_wd, (uint64_t)of->wd);
        }
        of->wd = -1;
}

int watches_add(Watches *w, Tenant *t) {
        Watch *of = get(w, t);
        int wd, r;

        if (!of)
                return -ENOMEM;
        /* IN_CREATE: links, fifos and the like are never closed; what is still being written is
         * left alone and met again when it is. */
        wd = add(w, t->spool_fd, IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ATTRIB);
        if (is_used_up(wd)) {
                lack(w, of);
                return 0;
        }
        if (wd < 0)
                return wd;
        if (of->is_lacking)
                notes_clear(w->tenants, t, "");
        of->is_lacking = false;
        if (wd == of->wd)
                return 0;
        drop(w, of);
        (void)tq_map_remove(&w->by_wd, (uint64_t)wd);
        r = tq_map_put(&w->by_wd, (uint64_t)wd, of);
        if (r < 0)
                return r;
        of->wd = wd;
        return 1;
}

void watches_remove(Watches *w, const Tenant *t) {
        Watch *of = find(w, t);

        if (of)
                drop(w, of);
}

bool watches_lack(const Watches *w, const Tenant *t) {
        const Watch *of = find(w, t);

        return of && of->is_lacking;
}

/* The directory of all --------------------------------------------------------------------------
 */

static int on_top_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Watches *w = userdata;

        (void)usec;
        (void)tenants_scan(w->tenants);
        if (watches_top(w) >= 0 && w->top >= 0) {
                w->top_timer = sd_event_source_disable_unref(w->top_timer);
                return 0;
        }
        (void)sd_event_source_set_time_relative(source, TOP_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int watches_top(Watches *w) {
        w->top = add(w, own_fd(w->own, OWN_SPOOL),
                     IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB);
        if (w->top >= 0)
                return 0;
        if (!is_used_up(w->top))
                return w->top;
        tell_used_up(w);
        return w->top_timer
                       ? 0
                       : sd_event_add_time_relative(w->event, &w->top_timer, CLOCK_MONOTONIC,
                                                    TOP_USEC, TQ_USEC_PER_SEC, on_top_timer, w);
}

/* Of a directory that is known, its owner makes as many of these as he likes. */
static void on_top_event(Watches *w, const struct inotify_event *e) {
        Tenant *t = e->len > 0 ? tenants_by_name(w->tenants, e->name) : NULL;

        if (t)
                w->hooks.touched(w->hooks.data, t);
        else if (e->len > 0 && strcmp(e->name, ".claims") == 0)
                own_mend_soon(w->own);
        else if (e->len > 0 && e->mask & IN_ISDIR && e->mask & (IN_CREATE | IN_MOVED_TO))
                tenants_check(w->tenants, e->name);
}

/* Events ----------------------------------------------------------------------------------------
 */

static int on_lost_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Watches *w = userdata;

        (void)source;
        (void)usec;
        w->lost_timer = sd_event_source_disable_unref(w->lost_timer);
        w->lost_at = tq_clock_boottime_usec();
        w->hooks.lost(w->hooks.data);
        return 0;
}

/* Whoever touches files often enough brings this about: it costs the others one look a second. */
static void on_overflow(Watches *w) {
        uint64_t now = tq_clock_boottime_usec(), next = w->lost_at + TQ_USEC_PER_SEC;

        if (w->lost_said == 0 || now - w->lost_said > SAID_USEC) {
                tq_log(LOG_INFO,
                       "inotify lost events; reading all directories (said once a minute)");
                w->lost_said = now;
        }
        if (w->lost_timer)
                return;
        next = w->lost_at == 0 || next < now ? now : next;
        if (sd_event_add_time(w->event, &w->lost_timer, CLOCK_BOOTTIME, next, 0, on_lost_timer, w) <
            0)
                (void)on_lost_timer(NULL, 0, w);
}

static void on_one(Watches *w, const struct inotify_event *e) {
        const Watch *of;

        if (e->mask & IN_Q_OVERFLOW) {
                on_overflow(w);
                return;
        }
        if (e->wd == w->top) {
                on_top_event(w, e);
                return;
        }
        of = tq_map_get(&w->by_wd, (uint64_t)e->wd);
        if (of && e->len > 0)
                w->hooks.file(w->hooks.data, of->tenant, e->name);
}

static int on_inotify(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
        Watches *w = userdata;
        ssize_t n;

        (void)source;
        (void)revents;
        n = read(fd, buffer, sizeof(buffer));
        for (char *p = buffer; n > 0 && p < buffer + n;) {
                const struct inotify_event *e = (const struct inotify_event *)(const void *)p;

                on_one(w, e);
                p += sizeof(*e) + e->len;
        }
        return 0;
}

/* Life ------------------------------------------------------------------------------------------
 */

int watches_new(sd_event *event, Own *own, Tenants *tenants, const WatchesHooks *hooks,
                Watches **ret) {
        Watches *w = calloc(1, sizeof(*w));
        int r = 0;

        if (!w)
                return -ENOMEM;
        *w = (Watches){ .event = event,
                        .own = own,
                        .tenants = tenants,
                        .hooks = *hooks,
                        .top = -1,
                        .inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK) };
        if (w->inotify_fd < 0)
                tell_used_up(w);
        else
                r = sd_event_add_io(event, &w->source, w->inotify_fd, EPOLLIN, on_inotify, w);
        /* A tenant that makes events without end gets this share of the loop and no more; what it
         * is about is merged meanwhile. */
        if (w->source && r >= 0)
                r = sd_event_source_set_ratelimit(w->source, 100 * TQ_USEC_PER_MSEC, 20);
        if (r < 0) {
                (void)watches_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

Watches *watches_free(Watches *w) {
        size_t position = 0;
        Watch *of;

        if (!w)
                return NULL;
        while ((of = tq_map_next(&w->all, &position)))
                free(of);
        (void)sd_event_source_disable_unref(w->source);
        (void)sd_event_source_disable_unref(w->top_timer);
        (void)sd_event_source_disable_unref(w->lost_timer);
        (void)tq_close(w->inotify_fd);
        tq_map_done(&w->all);
        tq_map_done(&w->by_wd);
        free(w);
        return NULL;
}
