/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/fs.h"
#include "supervisor/supervisor.h"

/* Which file is looked at next.
 *
 * inotify is a hint: it says which names to try, and loses them when there are too many. So each
 * tenant keeps a few names (PENDING_NAMES) and beyond that only the knowledge that its directory
 * must be read; memory stays bounded however many files there are. Tenants with something to do
 * stand in a ring, and each turn takes one file of the first, then the next: a tenant with a
 * million files delays another one's single file by one file. A turn of the event loop handles a
 * budget of files and of directory entries, so that the ends of jobs are never kept waiting.
 *
 * What can't be taken now is looked at again when later.c says. */

#define FILES_PER_TURN   32
#define ENTRIES_PER_FILE 256

static bool is_job_name(const char *name) {
        size_t n = strlen(name), suffix = strlen(TQ_JOB_SUFFIX);

        /* A leading dot is how people and rsync(1) name what is not finished. */
        return name[0] != '.' && n > suffix && strcmp(name + n - suffix, TQ_JOB_SUFFIX) == 0;
}

static void drop_pending(Tenant *t) {
        for (size_t i = 0; i < t->n_pending; i++)
                free(t->pending[i]);
        t->n_pending = 0;
}

static void end_scan(Tenant *t) {
        if (t->scan)
                (void)closedir(t->scan);
        t->scan = NULL;
        /* It went well, unless somebody has asked for another one meanwhile. */
        if (t->scan_at == UINT64_MAX)
                t->scan_delay = 0;
}

static void schedule(Supervisor *s) {
        bool can =
                s->engine_is_ready && s->claims.size < CLAIMS_MAX && !tq_list_is_empty(&s->turns);

        (void)sd_event_source_set_enabled(s->turn_source, can ? SD_EVENT_ON : SD_EVENT_OFF);
}

void spool_continue(Supervisor *s) {
        schedule(s);
}

static void drop_parked(Tenant *t) {
        for (size_t i = 0; i < t->n_parked; i++)
                free(t->parked[i]);
        t->n_parked = 0;
}

void spool_take(Supervisor *s, Tenant *t) {
        t->is_full = false;
        drop_parked(t);
        spool_wake(s, t, true);
}

void spool_park(Tenant *t, const char *name) {
        if (t->n_parked < PARKED_NAMES && (t->parked[t->n_parked] = strdup(name)))
                t->n_parked++;
        else
                t->is_full = true;
}

static bool is_parked(const Tenant *t, const char *name) {
        for (size_t i = 0; i < t->n_parked; i++)
                if (strcmp(t->parked[i], name) == 0)
                        return true;
        return false;
}

/* Whether a file of the tenant may be handed to the engine now. */
static bool may_claim(const Tenant *t) {
        return !t->is_full && !(t->config.holds_when_full && t->has_claim);
}

void spool_wake(Supervisor *s, Tenant *t, bool scan) {
        if (scan)
                t->needs_scan = true;
        if (!t->is_enabled || !t->is_applied)
                return;
        if ((t->needs_scan || t->n_pending > 0 || t->scan) && may_claim(t) &&
            tq_list_is_empty(&t->turn))
                tq_list_append(&s->turns, &t->turn);
        schedule(s);
}

void spool_note(Supervisor *s, Tenant *t, const char *name) {
        if (!is_job_name(name) || is_parked(t, name))
                return;
        /* Of a full tenant this is mostly what was just put back: the directory is read on from
         * where one was, so that the files behind it have their turn. */
        if (t->is_full) {
                t->needs_scan = true;
                return;
        }
        if (t->n_pending == PENDING_NAMES || !(t->pending[t->n_pending] = strdup(name)))
                t->needs_scan = true;
        else
                t->n_pending++;
        spool_wake(s, t, false);
}

/* The next job name of the directory, or NULL when the budget or the directory is at its end. */
static const char *scan_next(Supervisor *s, Tenant *t) {
        if (!t->scan) {
                TQ_CLOSE int fd = -EBADF;

                if (!t->needs_scan)
                        return NULL;
                t->needs_scan = false;
                fd = tq_fs_open_dir(t->spool_fd, ".");
                t->scan = fd >= 0 ? fdopendir(fd) : NULL;
                if (!t->scan) {
                        later_scan(s, t);
                        return NULL;
                }
                (void)tq_take_fd(&fd);
        }
        for (int i = 0; i < ENTRIES_PER_FILE; i++) {
                struct dirent *e = readdir(t->scan);

                if (!e) {
                        end_scan(t);
                        notes_clear_gone(s, t);
                        return NULL;
                }
                if (is_job_name(e->d_name) && !is_parked(t, e->d_name) &&
                    !later_holds(t, e->d_name))
                        return e->d_name;
        }
        return NULL;
}

static void try_one(Supervisor *s, Tenant *t, const char *name) {
        if (claim_file(s, t, name) < 0)
                later_file(s, t, name);
        else
                later_forget(s, t, name);
}

/* One file of one tenant. */
static void take_one(Supervisor *s, Tenant *t) {
        TQ_FREE char *name = NULL;
        const char *scanned;

        if (t->n_pending > 0) {
                name = t->pending[0];
                memmove(&t->pending[0], &t->pending[1], (--t->n_pending) * sizeof(t->pending[0]));
                try_one(s, t, name);
                return;
        }
        scanned = scan_next(s, t);
        if (scanned)
                try_one(s, t, scanned);
}

static int on_turn(sd_event_source *source, void *userdata) {
        Supervisor *s = userdata;

        (void)source;
        for (int i = 0; i < FILES_PER_TURN && s->claims.size < CLAIMS_MAX; i++) {
                TqList *node = tq_list_first(&s->turns);
                Tenant *t;

                if (!node)
                        break;
                t = TQ_LIST_ENTRY(node, Tenant, turn);
                tq_list_unlink(&t->turn);
                if (!t->is_enabled || !may_claim(t))
                        continue;
                take_one(s, t);
                if ((t->needs_scan || t->n_pending > 0 || t->scan) && may_claim(t))
                        tq_list_append(&s->turns, &t->turn);
        }
        schedule(s);
        return 0;
}

/* inotify ------------------------------------------------------------------------------------- */

static bool is_used_up(int error) {
        return error == -ENOSPC || error == -ENOMEM ||
               error == -EBADF; /* EBADF: no inotify at all */
}

static int add_watch(Supervisor *s, int dir_fd, uint32_t mask) {
        char path[48];
        int watch;

        /* inotify takes paths; this one leads to what the descriptor is, whatever is renamed. */
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
        watch = inotify_add_watch(s->inotify_fd, path, mask | IN_ONLYDIR);
        return watch < 0 ? tq_errno() : watch;
}

void spool_unwatch(Supervisor *s, Tenant *t) {
        if (t->watch >= 0) {
                (void)inotify_rm_watch(s->inotify_fd, t->watch);
                (void)tq_map_remove(&s->watches, (uint64_t)t->watch);
                t->watch = -1;
        }
        end_scan(t);
        drop_pending(t);
        drop_parked(t);
        later_drop(s, t);
        tq_list_unlink(&t->turn);
}

static void tell_watches(Supervisor *s) {
        if (!s->is_told_watches)
                report_error(
                        "inotify is used up: raise sysctl fs.inotify.max_user_watches (or "
                        "max_user_instances); until then directories are read again and again");
        s->is_told_watches = true;
}

/* The host's watches are used up: who has none is read again and again instead. */
static void go_unwatched(Supervisor *s, Tenant *t) {
        t->is_unwatched = true;
        later_scan(s, t);
        notes_set(s, t, "",
                  "inotify's watches are used up (sysctl fs.inotify.max_user_watches): "
                  "files are found by reading the directory, up to a minute later");
        tell_watches(s);
}

int spool_watch(Supervisor *s, Tenant *t) {
        int watch, r;

        /* IN_CREATE: links, fifos and the like are never closed; what is still being written is
         * left alone and met again when it is. */
        watch = add_watch(s, t->spool_fd, IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ATTRIB);
        if (is_used_up(watch))
                go_unwatched(s, t);
        else if (watch < 0)
                return watch;
        else if (t->is_unwatched) {
                t->is_unwatched = false;
                notes_clear(s, t, "");
        }
        if (watch >= 0 && watch != t->watch) {
                spool_unwatch(s, t);
                (void)tq_map_remove(&s->watches, (uint64_t)watch);
                r = tq_map_put(&s->watches, (uint64_t)watch, t);
                if (r < 0)
                        return r;
                t->watch = watch;
        }
        /* What was there before the watch. */
        t->needs_scan = true;
        spool_wake(s, t, false);
        return 0;
}

#define OVERFLOW_SAID_USEC (60 * TQ_USEC_PER_SEC)

static void on_overflow(Supervisor *s) {
        uint64_t now = tq_clock_boottime_usec();

        /* Whoever touches files often enough brings this about. */
        if (s->overflow_said == 0 || now - s->overflow_said > OVERFLOW_SAID_USEC) {
                report_info("inotify lost events; reading all directories (said once a minute)");
                s->overflow_said = now;
        }
        s->needs_top_scan = true;
        TQ_LIST_FOREACH(node, &s->tenants)
        spool_wake(s, TQ_LIST_ENTRY(node, Tenant, all), true);
}

static void on_one(Supervisor *s, const struct inotify_event *e) {
        Tenant *t;

        if (e->mask & IN_Q_OVERFLOW) {
                on_overflow(s);
                return;
        }
        /* Of a directory that is known, its owner makes as many of these as he likes. */
        if (e->wd == s->top_watch) {
                t = e->len > 0 ? tenants_by_name(s, e->name) : NULL;
                if (t)
                        later_check(s, t);
                else if (e->len > 0 && strcmp(e->name, ".claims") == 0)
                        setup_mend_soon(s);
                else if (e->len > 0 && e->mask & IN_ISDIR && e->mask & (IN_CREATE | IN_MOVED_TO))
                        tenants_check(s, e->name);
                return;
        }
        t = tq_map_get(&s->watches, (uint64_t)e->wd);
        if (t && e->len > 0 && t->is_enabled)
                spool_note(s, t, e->name);
}

static int on_inotify(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
        Supervisor *s = userdata;
        ssize_t n;

        (void)source;
        (void)revents;
        n = read(fd, buffer, sizeof(buffer));
        for (char *p = buffer; n > 0 && p < buffer + n;) {
                const struct inotify_event *e = (const struct inotify_event *)(const void *)p;

                on_one(s, e);
                p += sizeof(*e) + e->len;
        }
        if (s->needs_top_scan) {
                s->needs_top_scan = false;
                (void)tenants_scan(s);
        }
        return 0;
}

/* It is a convenience: without it everything is found by reading. */
static int start_inotify(Supervisor *s) {
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

#define TOP_USEC (5 * TQ_USEC_PER_SEC)

static int on_top(sd_event_source *source, uint64_t usec, void *userdata) {
        Supervisor *s = userdata;

        (void)usec;
        (void)tenants_scan(s);
        if (spool_watch_top(s) >= 0 && s->top_watch >= 0) {
                s->top_source = sd_event_source_disable_unref(s->top_source);
                return 0;
        }
        (void)sd_event_source_set_time_relative(source, TOP_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int spool_start(Supervisor *s) {
        int r;

        r = start_inotify(s);
        if (r >= 0)
                r = sd_event_add_defer(s->event, &s->turn_source, on_turn, s);
        /* After the ends of jobs and the engine's messages. */
        if (r >= 0)
                r = sd_event_source_set_priority(s->turn_source, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->turn_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        return spool_watch_top(s);
}

int spool_watch_top(Supervisor *s) {
        s->top_watch = add_watch(s, s->spool_fd,
                                 IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB);
        if (s->top_watch >= 0)
                return 0;
        if (!is_used_up(s->top_watch))
                return s->top_watch;
        tell_watches(s);
        return s->top_source ? 0
                             : sd_event_add_time_relative(s->event, &s->top_source, CLOCK_MONOTONIC,
                                                          TOP_USEC, TQ_USEC_PER_SEC, on_top, s);
}
