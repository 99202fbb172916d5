/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/ends/give.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "supervisor/claims/claim_name.h"
#include "supervisor/tenants/identity.h"
#include "supervisor/tenants/logs.h"

/* While it goes on, the tenant is closed and its directory is root's: its former user adds nothing
 * to it, and moves nothing out of it to a place of his own that is the next one's by then. Whose it
 * was stands beside the order. Whatever is in the way once it has begun is waited for. */

static int open_dir(const Ends *e, const char *name, struct stat *ret) {
        TQ_CLOSE int fd =
                tq_fs_open_within(own_fd(e->own, OWN_SPOOL), name, O_RDONLY | O_DIRECTORY);

        if (fd < 0)
                return fd;
        return fstat(fd, ret) < 0 ? tq_errno() : tq_take_fd(&fd);
}

/* The directory itself comes last: whose it is, is whose the tenant is. */
static int hand_over(Work *w) {
        Ends *e = w->ends;
        const Tenant *t = tenants_by_name(e->tenants, w->name);
        const struct passwd *pw = users_by_uid(w->uid);
        TQ_CLOSE int fd = -EBADF;
        struct stat st;
        int r;

        if (!t)
                return -ENOENT;
        r = logs_give(e->tenants, t, w->uid, pw ? pw->pw_name : "");
        if (r >= 0)
                r = claim_name_move_files(e->own, w->name, w->name, w->from, w->uid);
        if (r < 0)
                return r;
        claims_give(e->claims, t, w->from, w->uid);
        fd = open_dir(e, w->name, &st);
        if (fd < 0)
                return fd;
        return fchown(fd, w->uid, w->gid) < 0 || fsync(fd) < 0 ? tq_errno() : 0;
}

static void tell_left(const Work *w, const SweepFound *f, char *buf, size_t size) {
        uint64_t left = f->spool.left + f->logs.left;

        buf[0] = '\0';
        if (left == 0 && !f->spool.is_cut)
                return;
        (void)snprintf(buf, size,
                       "%s%" PRIu64 " of its files are still user %u's, which is not its user any "
                       "more",
                       f->spool.is_cut ? "at least " : "", left + f->spool.is_cut, w->from);
        tq_log_about(LOG_WARNING, (TqLogAbout){ .tenant = w->name }, "tenant %s: %s", w->name, buf);
}

static void on_given(void *data, int error, const SweepFound *f) {
        Work *w = data;
        Ends *e = w->ends;
        Tenant *t = tenants_by_name(e->tenants, w->name);
        char text[TQ_MESSAGE_TEXT_MAX];
        int r = error >= 0 ? hand_over(w) : error;

        w->sweep = NULL;
        if (r < 0) {
                /* It stays closed, and is asked for again. */
                if (w->cookie == 0)
                        tq_log(LOG_ERR, "tenant %s: can't be handed over to user %s: %s", w->name,
                               w->to, strerror(-r));
                work_answer_text(e, w->cookie, -EAGAIN, "can't be handed over to user %s: %s",
                                 w->to, strerror(-r));
                (void)work_free(w);
                return;
        }
        tell_left(w, f, text, sizeof(text));
        if (w->is_nobodys)
                order_drop(e->own, w->name);
        /* What the engine then hears of it comes before our answer. */
        if (t)
                tenants_end_end(e->tenants, t, false);
        work_answer_text(e, w->cookie, 0, "%s", text);
        (void)work_free(w);
}

/* The order has begun, and whatever happens is tried again. */
static int start(Ends *e, Tenant *t, Work *w, int dir_fd, uid_t owner) {
        int r = order_from(e->own, w->name, owner, &w->from);

        tenants_begin_end(e->tenants, t);
        if (r >= 0 && fchown(dir_fd, 0, 0) < 0)
                r = tq_errno();
        return r < 0 ? r : work_sweep(w, SWEEP_GIVE, on_given);
}

static int find_to(Ends *e, const Tenant *t, Work *w, char *why, size_t size) {
        int r = users_find(w->to, &w->uid, &w->gid);

        if (r >= 0)
                return identity_may_become(e->tenants, t, w->uid, w->gid, why, size);
        (void)snprintf(why, size, "no user \"%.40s\"", w->to);
        return r;
}

static int try(Ends *e, Work *w, char *why, size_t size) {
        TQ_CLOSE int fd = -EBADF;
        struct stat st;
        Tenant *t;
        int r;

        r = order_is_there(e->own, TQ_ORDER_CHOWN, w->name, w->to);
        if (r <= 0) {
                (void)snprintf(why, size,
                               r == 0 ? "root's order is not there: give it again"
                                      : "root's order can't be read");
                return r == 0 ? -ENOENT : r;
        }
        t = tenants_ensure(e->tenants, w->name);
        if (!t)
                return -ENOMEM;
        r = find_to(e, t, w, why, size);
        if (r < 0)
                return r;
        fd = open_dir(e, w->name, &st);
        if (fd < 0) {
                (void)snprintf(why, size, "its directory can't be opened: %s", strerror(-fd));
                return fd;
        }
        r = order_begin(e->own, TQ_ORDER_CHOWN, w->name, w->to);
        if (r >= 0)
                r = start(e, t, w, fd, st.st_uid);
        if (r < 0)
                (void)snprintf(why, size, "can't be handed over to user %.40s: %s", w->to,
                               strerror(-r));
        return r;
}

static int begin(Ends *e, const char *name, const char *to, uint64_t cookie, bool is_nobodys,
                 char *why, size_t size) {
        Work *w = work_new(e, TQ_ORDER_CHOWN, name, to, cookie);
        Tenant *t;
        int r;

        why[0] = '\0';
        if (!w)
                return -ENOMEM;
        w->is_nobodys = is_nobodys;
        r = try(e, w, why, size);
        if (r >= 0)
                return 0;
        (void)work_free(w);
        /* What can't be told may have begun. */
        if (order_has_begun(e->own, TQ_ORDER_CHOWN, name, to) == 0)
                return r;
        t = tenants_ensure(e->tenants, name);
        if (t)
                tenants_begin_end(e->tenants, t);
        return -EAGAIN;
}

int give_resume(Ends *e, const char *name, const char *to, bool is_nobodys, char *why,
                size_t size) {
        return begin(e, name, to, 0, is_nobodys, why, size);
}

void give_order(Ends *e, const TqOrderMessage *m) {
        const Tenant *t = tenants_by_name(e->tenants, m->name);
        char why[TQ_MESSAGE_TEXT_MAX];
        int r;

        if (t && t->n_attempts > 0) {
                work_answer_text(e, m->cookie, -EBUSY, "%u of its jobs are still there",
                                 t->n_attempts);
                return;
        }
        r = begin(e, m->name, m->to, m->cookie, false, why, sizeof(why));
        if (r < 0)
                work_answer_text(e, m->cookie, r, "%s", why[0] ? why : strerror(-r));
}
