/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/parse.h"
#include "core/ids.h"
#include "store/joblog.h"
#include "supervisor/output/output_private.h"
#include "supervisor/tenants/logs.h"

/* Removing what goes. One directory at a time is read, it is chosen (choose.c), and that is
 * removed; all of it in steps of STEP_USEC, when the loop has nothing else to do, and when it
 * always has, once in HURRY_USEC: so a launch meets at most one step, and a host that is never idle
 * is pruned all the same, faster than it can launch.
 *
 * A tenant's directory is looked at when it has more than it may, but so seldom that it takes no
 * more than a fiftieth of a CPU: if nothing may go (it is all kept, or being written), looking
 * again does not help until an attempt has ended. All are looked at in turn each hour, for what has
 * become too old; then also those that belong to no tenant: of one that is gone, and what was put
 * aside when a name came to another owner. These only grow old, and go when nothing is in them.
 *
 * Why removing by root is safe: the directory of logs and those in it are root's, and nobody else
 * may write in them (own.c, logs.c), so no name in there is anybody else's doing. Each is opened
 * below the one that is held, without following a link, and a file is removed by its name in that
 * descriptor: an entry of this directory, whatever it leads to, and never a directory. The names
 * are those that two numbers make. That an attempt is not live is asked once more just before, in
 * the same turn of the loop, which alone makes such files. */

#define STEP_USEC   250
#define HURRY_USEC  (10 * TQ_USEC_PER_MSEC)
#define LEAST_USEC  (10 * TQ_USEC_PER_MSEC) /* between two looks */
#define PAUSE(took) ((took)*50)
#define FORMER      ".former-"
#define LOOK_NONE                                                                                  \
        {                                                                                          \
                .dir_fd = -EBADF, .large = { -EBADF, -EBADF }                                      \
        }

/* What there is to do ---------------------------------------------------------------------------
 */

static void wake(Output *o) {
        (void)sd_event_source_set_enabled(o->idle_source, SD_EVENT_ON);
        (void)sd_event_source_set_time_relative(o->hurry_source, HURRY_USEC);
        (void)sd_event_source_set_enabled(o->hurry_source, SD_EVENT_ONESHOT);
}

static bool is_idle(const Output *o) {
        return !o->look.is_on && tq_list_is_empty(&o->urgent) && tq_list_is_empty(&o->queue) &&
               !o->names;
}

bool prune_is_on(const Output *o, const Store *s) {
        return o->look.is_on && o->look.store == s;
}

bool prune_is_looking(const Output *o, const Store *s) {
        return prune_is_on(o, s) && !o->look.is_scanned;
}

static void put(Store *s, TqList *line) {
        Output *o = s->output;
        bool was_idle = is_idle(o);

        tq_list_unlink(&s->later);
        tq_list_unlink(&s->queue);
        tq_list_append(line, &s->queue);
        if (was_idle)
                wake(o);
}

/* What is being read is not read again for that; a wish for later stays. */
void prune_now(Store *s) {
        if (tq_list_is_empty(&s->queue) && !prune_is_looking(s->output, s))
                put(s, &s->output->queue);
}

void prune_want(Store *s) {
        Output *o = s->output;
        bool is_on = prune_is_on(o, s);

        if (s->is_stuck)
                return;
        if (!is_on && tq_clock_monotonic_usec() >= s->not_before) {
                put(s, &o->urgent);
                return;
        }
        if (!tq_list_is_empty(&s->later))
                return;
        tq_list_append(&o->later, &s->later);
        if (!is_on)
                tick_at(o, s->not_before);
}

void prune_nobodys(Output *o) {
        bool was_idle = is_idle(o);

        if (!o->names && tq_fs_opendir(own_fd(o->own, OWN_LOGS), ".", &o->names) >= 0 && was_idle)
                wake(o);
}

/* One directory ---------------------------------------------------------------------------------
 */

static bool is_new(void *data, uint64_t job, unsigned attempt) {
        const Output *o = data;

        return tq_map_get(&o->look.fresh, output_key(job, attempt));
}

static bool is_live(void *data, uint64_t job, unsigned attempt) {
        const Output *o = data;

        return o->is_live(o->data, job, attempt);
}

static void end_look(Output *o) {
        for (int i = 0; i < _TQ_STREAM_MAX; i++)
                (void)tq_close(o->look.large[i]);
        o->look.scan = scan_free(o->look.scan);
        o->look.dir_fd = tq_close(o->look.dir_fd);
        tq_map_done(&o->look.fresh);
        o->look = (Look)LOOK_NONE;
}

static void begin_look(Output *o, Store *s, const char *name) {
        Look *l = &o->look;
        ScanAsk ask = { .now_usec = tq_clock_realtime_usec(),
                        .keep_most_usec = o->bounds.keep_usec,
                        .is_live = is_live,
                        .is_new = is_new,
                        .data = o };

        *l = (Look)LOOK_NONE;
        l->is_on = true;
        l->store = s;
        o->step_usec = tq_clock_monotonic_usec();
        (void)snprintf(l->name, sizeof(l->name), "%s", name);
        if (s && s->page)
                l->written = tq_logpage_written(s->page);
        l->generation = s ? s->generation : 0;
        ask.dir_fd = l->dir_fd = tq_fs_open_dir(own_fd(o->own, OWN_LOGS), name);
        if (l->dir_fd < 0 || scan_new(&ask, &l->scan) < 0)
                end_look(o);
}

/* It has a page since, or belongs to another owner by now. */
static bool is_about(const Look *l, const Store *s) {
        return l->generation == s->generation;
}

/* What was launched meanwhile was passed over: it is known. */
static void note_found(Output *o) {
        Look *l = &o->look;
        Store *s = l->store;
        OutputBounds b = choose_bounds(&o->bounds, o->allowance, tq_clock_realtime_usec());

        l->is_scanned = true;
        l->found = scan_found(l->scan);
        l->left = l->found.sum;
        if (!s)
                b.high = b.low = (OutputSum){ UINT64_MAX, UINT64_MAX };
        (void)choose(l->found.items, l->found.n, l->found.sum, &b);
        if (s && !is_about(l, s))
                prune_now(s);
        if (!s || !is_about(l, s))
                return;
        s->sum = l->found.sum;
        s->sum.files += _TQ_STREAM_MAX * l->fresh.size;
        s->written = l->written;
        s->is_known = true;
        output_set_room(s);
}

static int remove_item(Output *o, const OutputItem *item) {
        Look *l = &o->look;
        Store *s = l->store;
        int n;

        if (is_live(o, item->job, item->attempt))
                return 0;
        n = tq_joblog_remove(l->dir_fd, item->job, item->attempt, l->large);
        if (n < 0)
                return n;
        l->gone++;
        l->left.files = tq_sub_u64(l->left.files, item->files);
        if (!s || !is_about(l, s))
                return 0;
        s->sum.bytes = tq_sub_u64(s->sum.bytes, item->bytes);
        s->sum.files = tq_sub_u64(s->sum.files, item->files);
        return 0;
}

static bool has_large(const Look *l) {
        return l->large[0] >= 0 || l->large[1] >= 0;
}

/* In pieces: the blocks of a large file are many. */
static void shrink_large(Look *l) {
        int *fd = l->large[0] >= 0 ? &l->large[0] : &l->large[1];

        if (tq_joblog_shrink(*fd) != 0)
                *fd = tq_close(*fd);
}

/* One that can't be removed keeps no other from going. 1: all that goes has gone. */
static int remove_some(Output *o, uint64_t deadline_usec) {
        Look *l = &o->look;

        while (l->next < l->found.n && !has_large(l)) {
                const OutputItem *item = &l->found.items[l->next++];
                int r = item->goes ? remove_item(o, item) : 0;

                if (r < 0 && l->n_stuck++ == 0)
                        l->error = r;
                if (item->goes && tq_clock_monotonic_usec() >= deadline_usec)
                        break;
        }
        if (l->store)
                output_set_room(l->store);
        return l->next == l->found.n && !has_large(l);
}

/* The end of a look -----------------------------------------------------------------------------
 */

/* "NAME.former-N" */
static bool is_former(const char *name) {
        const char *at = strstr(name, FORMER);
        char base[NAME_MAX + 1];
        uint64_t n;

        if (!at || tq_parse_u64(at + strlen(FORMER), &n) < 0)
                return false;
        (void)snprintf(base, sizeof(base), "%.*s", (int)(at - name), name);
        return tq_ids_tenant_is_valid(base);
}

static bool is_of_gone_tenant(const Output *o, const char *name) {
        const Tenant *t = tenants_by_name(o->tenants, name);

        return tq_ids_tenant_is_valid(name) && (!t || (t->is_gone && !t->is_ending));
}

/* Whose name it was stays known for as long as output would be, should the tenant come back. */
static bool was_left_long_ago(const Output *o) {
        const Tenant *t = tenants_by_name(o->tenants, o->look.name);
        struct stat st;

        if (t && t->n_attempts > 0)
                return false;
        return fstat(o->look.dir_fd, &st) >= 0 &&
               tq_add_u64((uint64_t)TQ_MAX(st.st_mtim.tv_sec, 0) * TQ_USEC_PER_SEC,
                          o->bounds.output_age_usec) < tq_clock_realtime_usec();
}

static void end_nobodys(Output *o) {
        const Look *l = &o->look;

        if (l->left.files > 0 || l->found.others > 0)
                return;
        if (is_former(l->name) || (is_of_gone_tenant(o, l->name) && was_left_long_ago(o)))
                (void)logs_remove(o->tenants, l->dir_fd, l->name);
}

static void end_store(Output *o, Store *s) {
        const Look *l = &o->look;
        uint64_t now = tq_clock_monotonic_usec(), took = l->took + now - o->step_usec;

        s->not_before = now + TQ_MAX(PAUSE(took), LEAST_USEC);
        /* Whoever has none to launch has no need of them. */
        if (s->writers == 0 && is_about(l, s)) {
                tq_joblog_remove_spares(l->dir_fd);
                s->n_spares = 0;
        }
        /* Unless somebody has asked for another look meanwhile: an attempt may have ended. */
        s->is_stuck = l->gone == 0 && output_is_over(s) && tq_list_is_empty(&s->later);
        if (output_is_over(s))
                return;
        say_works(s, SAID_BYTES);
        say_works(s, SAID_FILES);
}

static void finish(Output *o, int error) {
        Look *l = &o->look;
        Store *s = l->store;
        char name[NAME_MAX + 1];
        /* Of so many the rest is not known yet. */
        bool is_more = error >= 0 && l->gone == SCAN_OLDEST;

        if (error < 0)
                tq_log(LOG_WARNING, "old output in %s/%s can't be looked for: %s",
                       o->host->config.logs, l->name, strerror(-error));
        else if (l->found.error < 0)
                tq_log(LOG_WARNING, "output in %s/%s can't be looked at: %s", o->host->config.logs,
                       l->name, strerror(-l->found.error));
        if (l->n_stuck > 0)
                tq_log(LOG_WARNING,
                       "old output of %" PRIu64 " attempts can't be removed in %s/%s: %s%s",
                       l->n_stuck, o->host->config.logs, l->name, strerror(-l->error),
                       l->error == -EPERM ? " (immutable? chattr -i)" : "");
        if (s)
                end_store(o, s);
        else if (error >= 0)
                end_nobodys(o);
        (void)snprintf(name, sizeof(name), "%s", l->name);
        end_look(o);
        if (is_more && s)
                prune_now(s);
        else if (is_more)
                begin_look(o, NULL, name);
        if (s && !tq_list_is_empty(&s->later))
                tick_at(o, s->not_before);
        if (o->bounds.output_total_bytes != UINT64_MAX)
                tick_at(o, TQ_MAX(o->allowance_usec, tq_clock_monotonic_usec()));
}

/* Steps -----------------------------------------------------------------------------------------
 */

/* The next name that is no tenant's. */
static void next_name(Output *o) {
        const struct dirent *e = readdir(o->names);

        if (!e) {
                (void)closedir(o->names);
                o->names = NULL;
        } else if (is_former(e->d_name) || is_of_gone_tenant(o, e->d_name))
                begin_look(o, NULL, e->d_name);
}

static void next_look(Output *o) {
        TqList *first = tq_list_first(&o->urgent);

        if (!first)
                first = tq_list_first(&o->queue);
        if (first) {
                Store *s = TQ_LIST_ENTRY(first, Store, queue);

                tq_list_unlink(first);
                begin_look(o, s, s->tenant->name);
        } else if (o->names)
                next_name(o);
}

static void work(Output *o, uint64_t deadline_usec) {
        Look *l = &o->look;
        int r;

        if (!l->is_on) {
                next_look(o);
                return;
        }
        if (has_large(l)) {
                shrink_large(l);
                return;
        }
        r = l->is_scanned ? remove_some(o, deadline_usec) : scan_step(l->scan, deadline_usec);
        if (r > 0 && !l->is_scanned)
                note_found(o);
        else if (r != 0)
                finish(o, r);
}

static void step(Output *o) {
        uint64_t started = tq_clock_monotonic_usec(), now = started;

        o->step_usec = started;
        while (!is_idle(o) && now < started + STEP_USEC) {
                work(o, started + STEP_USEC);
                now = tq_clock_monotonic_usec();
        }
        o->look.took += now - o->step_usec;
        if (!is_idle(o)) {
                wake(o);
                return;
        }
        (void)sd_event_source_set_enabled(o->idle_source, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(o->hurry_source, SD_EVENT_OFF);
}

static int on_idle(sd_event_source *source, void *userdata) {
        (void)source;
        step(userdata);
        return 0;
}

static int on_hurry(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        step(userdata);
        return 0;
}

int prune_new(Output *o) {
        int r;

        o->look = (Look)LOOK_NONE;
        r = sd_event_add_defer(o->event, &o->idle_source, on_idle, o);
        if (r >= 0)
                r = sd_event_source_set_priority(o->idle_source, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(o->idle_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(o->event, &o->hurry_source, CLOCK_MONOTONIC,
                                               HURRY_USEC, 1, on_hurry, o);
        return r < 0 ? r : sd_event_source_set_enabled(o->hurry_source, SD_EVENT_OFF);
}

void prune_done(Output *o) {
        end_look(o);
        if (o->names)
                (void)closedir(o->names);
        (void)sd_event_source_disable_unref(o->idle_source);
        (void)sd_event_source_disable_unref(o->hurry_source);
}
