/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/output/output_private.h"

#include <string.h>

#include "base/clock.h"
#include "store/joblog.h"
#include "supervisor/tenants/logs.h"

/* Output costs disk, which tenants share. Three things bound it, and none of them ever keeps a job
 * from running: what can't be kept is dropped, counted and told of.
 *
 * - While jobs write: a page of each tenant (store/logpage.c), from which tenantq-exec takes room
 *   before it writes. It outlives tenantqd, so that it is exact over restarts, too. Until a
 * directory with many files was read for the first time, an eighth of the bound may be written.
 * - The floor: what is to stay free of the file system (tick.c).
 * - Pruning: what is old, or what is oldest when there is too much, goes (prune.c), so that there
 *   is room most of the time.
 *
 * How much a tenant has is known from a look at its directory, and since then from what its page
 * says was written and from what was made and removed here. Nothing on a launch's way depends on
 * how many tenants or files there are: an attempt costs two files, and one fstatvfs(2). */

#define EIGHTH(n)    ((n) / 8)
#define AT_ONCE_USEC 250

uint64_t output_used(const Store *s) {
        uint64_t since = s->page ? tq_sub_u64(tq_logpage_written(s->page), s->written) : 0;

        return tq_add_u64(s->sum.bytes, since);
}

bool output_is_over(const Store *s) {
        OutputBounds b = choose_bounds(&s->output->bounds, s->output->allowance, 0);

        return choose_is_over(&b, &(OutputSum){ output_used(s), s->sum.files });
}

void output_set_room(Store *s) {
        uint64_t bound = s->output->bounds.output_bytes;

        if (!s->page)
                return;
        if (!s->is_known && bound != UINT64_MAX)
                bound = EIGHTH(bound);
        tq_logpage_bound(s->page, bound, s->sum.bytes, s->written,
                         (uint64_t)s->writers * _TQ_STREAM_MAX);
}

/* Tenants' outputs ------------------------------------------------------------------------------
 */

static void drop_page(Store *s) {
        tq_logpage_unmap(s->page);
        s->page = NULL;
        s->page_fd = tq_close(s->page_fd);
}

/* Of another owner there is an empty directory; those who write to the one that was put aside have
 * a page of their own. */
static void forget(Store *s) {
        drop_page(s);
        s->owner = s->tenant->owner;
        s->generation++;
        s->n_spares = 0;
        s->is_known = s->was_tried = s->is_stuck = false;
        s->sum = (OutputSum){};
        s->written = 0;
}

Store *output_store(Output *o, Tenant *t) {
        Store *s = tq_map_get(&o->stores, t->handle);

        if (!s) {
                s = calloc(1, sizeof(*s));
                if (!s)
                        return NULL;
                *s = (Store){ .output = o, .tenant = t, .owner = t->owner, .page_fd = -EBADF };
                tq_list_init(&s->queue);
                tq_list_init(&s->later);
                tq_list_init(&s->active);
                if (tq_map_put(&o->stores, t->handle, s) < 0) {
                        free(s);
                        return NULL;
                }
        }
        if (s->owner != t->owner)
                forget(s);
        return s;
}

static Store *store_free(Store *s) {
        drop_page(s);
        free(s);
        return NULL;
}

static bool none_is_new(void *data, uint64_t job, unsigned attempt) {
        (void)data;
        (void)job;
        (void)attempt;
        return false;
}

/* A directory with few files is read at once; else all that is known is that there may be much. */
static void read_at_once(Store *s) {
        const Output *o = s->output;
        const ScanAsk ask = { .dir_fd = s->tenant->log_fd,
                              .now_usec = tq_clock_realtime_usec(),
                              .keep_most_usec = o->bounds.keep_usec,
                              .is_live = o->is_live,
                              .is_new = none_is_new,
                              .data = o->data };
        Scan *scan;

        s->was_tried = true;
        s->written = tq_logpage_written(s->page);
        if (scan_new(&ask, &scan) < 0)
                return;
        if (scan_step(scan, tq_clock_monotonic_usec() + AT_ONCE_USEC) > 0) {
                s->sum = scan_found(scan).sum;
                s->is_known = true;
        }
        (void)scan_free(scan);
}

static int make_page(Store *s, bool may_make) {
        const Tenant *t = s->tenant;

        if (!s->page) {
                s->page_fd = tq_logpage_open(own_fd(s->output->own, OWN_PAGES), t->name, t->who.uid,
                                             may_make, &s->page);
                if (s->page_fd < 0)
                        return s->page_fd;
                s->generation++;
                s->written = tq_logpage_written(s->page);
                output_set_room(s);
                /* Who writes since before we were started has what the one before had lent. */
                if (s->writers > 0)
                        tick_lend(s);
        }
        if (s->is_known || s->was_tried)
                return 0;
        read_at_once(s);
        output_set_room(s);
        if (!s->is_known)
                prune_now(s);
        return 0;
}

void output_take_up(Store *s) {
        if (!s->page && s->tenant->is_enabled && s->owner == s->tenant->owner &&
            s->tenant->log_fd >= 0)
                (void)make_page(s, false);
}

/* A launch --------------------------------------------------------------------------------------
 */

/* What is of the disk costs output; of what the host is short of now, the launch itself has need.
 */
static bool is_of_the_disk(int error) {
        return error != -EMFILE && error != -ENFILE && error != -ENOMEM;
}

static void close_files(OutputFiles *f) {
        f->out = tq_close(f->out);
        f->err = tq_close(f->err);
        f->page_fd = -EBADF;
}

static void keep(Store *s, const OutputFiles *f, uint64_t usec) {
        int r = tq_joblog_keep(f->out, usec);

        if (r >= 0)
                r = tq_joblog_keep(f->err, usec);
        if (r >= 0 || s->has_said_keep)
                return;
        s->has_said_keep = true;
        tenants_report(s->tenant, TQ_LOG_PLAIN,
                       "tenant %s: Keep= of its jobs has no effect: extended attributes of the "
                       "file system of %s: %s",
                       s->tenant->name, s->output->host->config.logs, strerror(-r));
}

/* Nothing was written to them. */
static int remove_files(int dir_fd, uint64_t job, unsigned attempt) {
        int large[_TQ_STREAM_MAX], n = tq_joblog_remove(dir_fd, job, attempt, large);

        for (int i = 0; i < _TQ_STREAM_MAX; i++)
                (void)tq_close(large[i]);
        return n;
}

static bool take_spare(Store *s, const TqStartMessage *m, OutputFiles *f) {
        int fds[_TQ_STREAM_MAX];

        if (s->n_spares == 0 || m->keep_usec > 0 ||
            tq_joblog_take_spare(s->tenant->log_fd, --s->n_spares, m->job, m->attempt, fds) < 0)
                return false;
        f->out = fds[TQ_STREAM_OUT];
        f->err = fds[TQ_STREAM_ERR];
        return true;
}

static int create(Store *s, const TqStartMessage *m, OutputFiles *f) {
        const bool is_kept = m->keep_usec > 0;
        int dir_fd = s->tenant->log_fd, r = 0;

        f->out = tq_joblog_create(dir_fd, m->job, m->attempt, TQ_STREAM_OUT, is_kept);
        f->err = f->out < 0 ? f->out
                            : tq_joblog_create(dir_fd, m->job, m->attempt, TQ_STREAM_ERR, is_kept);
        if (f->err < 0) {
                r = f->err;
                if (f->out >= 0)
                        (void)remove_files(dir_fd, m->job, m->attempt);
                close_files(f);
                return r;
        }
        if (is_kept)
                keep(s, f, m->keep_usec);
        return 0;
}

static void note_files(Store *s, const TqStartMessage *m) {
        s->sum.files += _TQ_STREAM_MAX;
        if (prune_is_looking(s->output, s))
                (void)tq_map_put(&s->output->look.fresh, output_key(m->job, m->attempt), s);
}

static void note_removed(Store *s, uint64_t job, unsigned attempt, uint64_t n) {
        s->sum.files = tq_sub_u64(s->sum.files, n);
        if (prune_is_looking(s->output, s))
                (void)tq_map_remove(&s->output->look.fresh, output_key(job, attempt));
}

/* The directory is another one, or will be: what is in it is nothing. */
static void lose(Store *s) {
        s->generation++;
        s->n_spares = 0;
        s->is_known = s->was_tried = s->is_stuck = false;
        s->sum = (OutputSum){};
        s->written = s->page ? tq_logpage_written(s->page) : 0;
        output_set_room(s);
}

static int make_files(Store *s, const TqStartMessage *m, OutputFiles *f) {
        const Tenant *t = s->tenant;
        int r;

        /* Renamed, it would go on being written to, where nobody looks. */
        if (t->log_fd < 0 || own_has_vanished(t->log_fd, own_fd(s->output->own, OWN_LOGS), t->name))
                return -ENOENT;
        r = make_page(s, true);
        if (r < 0)
                return r;
        if (tq_add_u64(s->sum.files, _TQ_STREAM_MAX) > s->output->bounds.output_files)
                return -EDQUOT;
        r = take_spare(s, m, f) ? 0 : create(s, m, f);
        if (r < 0)
                return r;
        note_files(s, m);
        f->page_fd = s->page_fd;
        return 0;
}

/* Why there are none, and whether there is no launch either. */
static int do_without(Store *s, int error, bool is_again) {
        const TqRetention *b = &s->output->bounds;

        if (error == -ENOENT && !is_again) {
                lose(s);
                return error;
        }
        if (!is_of_the_disk(error))
                return error;
        if (error == -EDQUOT && tq_add_u64(s->sum.files, _TQ_STREAM_MAX) > b->output_files) {
                say_dropped(s, SAID_FILES, 0);
                prune_want(s);
        } else
                say_dropped(s, SAID_ERROR, error);
        return 0;
}

static void begin(Store *s) {
        Output *o = s->output;

        if (s->writers++ == 0) {
                tq_list_append(&o->active, &s->active);
                o->n_active++;
                o->is_quiet = false;
        }
        tick_at(o, tq_clock_monotonic_usec() + TQ_MIN(tick_floor_usec(o), tick_room_usec(s)));
}

int output_make(Output *o, Tenant *t, const TqStartMessage *m, bool is_again, OutputFiles *ret) {
        Store *s = output_store(o, t);
        int r;

        *ret = (OutputFiles){ -EBADF, -EBADF, -EBADF };
        if (!s)
                return -ENOMEM;
        tick_look(o);
        r = make_files(s, m, ret);
        if (r < 0) {
                r = do_without(s, r, is_again);
                if (r < 0)
                        return r;
        } else {
                say_works(s, SAID_ERROR);
                say_works(s, SAID_FILES);
                if (s->writers == 0)
                        tick_lend(s);
                if (o->is_low)
                        say_dropped(s, SAID_FLOOR, 0);
                else
                        say_works(s, SAID_FLOOR);
        }
        begin(s);
        if (output_is_over(s))
                prune_want(s);
        return 0;
}

void output_adopted(Output *o, Tenant *t) {
        Store *s = output_store(o, t);

        if (s)
                begin(s);
}

void output_remove(Output *o, Tenant *t, uint64_t job, unsigned attempt) {
        Store *s = tq_map_get(&o->stores, t->handle);
        int n = t->log_fd < 0 ? 0 : remove_files(t->log_fd, job, attempt);

        if (s && n > 0)
                note_removed(s, job, attempt, (uint64_t)n);
}

void output_put_by(Output *o, Tenant *t, uint64_t job, unsigned attempt) {
        Store *s = tq_map_get(&o->stores, t->handle);
        TqJoblogRest rest = TQ_JOBLOG_KEPT;

        if (s && t->log_fd >= 0)
                rest = tq_joblog_put_by(t->log_fd, job, attempt, s->n_spares);
        if (rest == TQ_JOBLOG_KEPT)
                return;
        s->n_spares += rest == TQ_JOBLOG_SPARE;
        note_removed(s, job, attempt, _TQ_STREAM_MAX);
}

/* What an attempt lost may have been long ago: that there has been room again since is not taken
 * back by its end. */
static bool is_news(const Store *s) {
        return !s->has_told_bytes || !s->page || tq_logpage_room_of_bound(s->page) == 0;
}

void output_ended(Output *o, Tenant *t, TqLoss loss) {
        Store *s = tq_map_get(&o->stores, t->handle);

        if (!s)
                return;
        if (loss == TQ_LOSS_BOUND && is_news(s))
                say_dropped(s, SAID_BYTES, 0);
        if (s->writers > 0 && --s->writers == 0) {
                tq_list_unlink(&s->active);
                o->n_active--;
                tick_give_back(s);
                s->has_told_bytes = false;
        }
        s->is_stuck = false;
        if (loss == TQ_LOSS_FLOOR)
                say_dropped(s, SAID_FLOOR, 0);
        if (loss == TQ_LOSS_BOUND || output_is_over(s))
                prune_want(s);
}

/* Life ------------------------------------------------------------------------------------------
 */

void output_look(Output *o) {
        for (Tenant *t = tenants_next(o->tenants, NULL); t; t = tenants_next(o->tenants, t)) {
                Store *s = t->is_gone ? NULL : output_store(o, t);

                if (s)
                        prune_now(s);
        }
        prune_nobodys(o);
}

/* Whether more goes than before. */
static bool is_less(const TqRetention *now, const TqRetention *before) {
        return now->output_age_usec < before->output_age_usec ||
               now->output_bytes < before->output_bytes ||
               now->output_files < before->output_files ||
               now->output_total_bytes < before->output_total_bytes ||
               now->keep_usec < before->keep_usec;
}

void output_reconfigure(Output *o) {
        const TqRetention before = o->bounds;
        size_t position = 0;
        Store *s;

        o->bounds = o->host->config.retention;
        while ((s = tq_map_next(&o->stores, &position))) {
                s->is_stuck = false;
                output_set_room(s);
        }
        o->allowance_usec = 0;
        if (is_less(&o->bounds, &before))
                output_look(o);
        tick_at(o, tq_clock_monotonic_usec());
}

int output_new(sd_event *event, const Host *host, Own *own, Tenants *tenants, OutputIsLive is_live,
               void *data, Output **ret) {
        Output *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;
        *o = (Output){ .event = event,
                       .host = host,
                       .own = own,
                       .tenants = tenants,
                       .is_live = is_live,
                       .data = data,
                       .bounds = host->config.retention,
                       .allowance = UINT64_MAX };
        tq_list_init(&o->urgent);
        tq_list_init(&o->queue);
        tq_list_init(&o->later);
        tq_list_init(&o->active);
        r = prune_new(o);
        if (r >= 0)
                r = tick_new(o);
        if (r < 0) {
                (void)output_free(o);
                return r;
        }
        *ret = o;
        return 0;
}

Output *output_free(Output *o) {
        size_t position = 0;
        Store *s;

        if (!o)
                return NULL;
        prune_done(o);
        (void)sd_event_source_disable_unref(o->timer);
        while ((s = tq_map_next(&o->stores, &position)))
                (void)store_free(s);
        tq_map_done(&o->stores);
        free(o);
        return NULL;
}
