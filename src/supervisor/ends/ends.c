/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/ends/ends.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "core/ids.h"
#include "supervisor/claims/claim_name.h"
#include "supervisor/ends/give.h"
#include "supervisor/ends/look.h"
#include "supervisor/tenants/logs.h"

/* Each step may be done twice, and an order that has begun is finished whatever happens:
 *
 *   remove: the tenant is closed; claims, cgroup; directory and output by a sweep
 *   rename: output, directory, claims; at once
 *   chown:  the tenant is closed; what lies in its directory and its output by a sweep; then whose
 *           the output is, the claims, the directory itself, and it is looked at again (give.c)
 *
 * While one has begun and is not over, the name is no tenant: nobody claims from a directory that
 * is half another's. */

static void drop(Ends *e, const char *name) {
        Tenant *t = tenants_by_name(e->tenants, name);

        order_drop(e->own, name);
        if (t && t->is_ending)
                tenants_end_end(e->tenants, t, true);
}

/* Removing ---------------------------------------------------------------------------------------
 */

static void on_removed(void *data, int error, const SweepFound *f) {
        Work *w = data;
        Ends *e = w->ends;
        const char *why = f->spool.why[0] ? f->spool.why : f->logs.why;
        uint64_t left = f->spool.left + f->logs.left;

        w->sweep = NULL;
        if (error < 0)
                work_answer_text(e, w->cookie, -EAGAIN, "its files can't be removed: %s",
                                 strerror(-error));
        else if (left > 0)
                work_answer_text(e, w->cookie, -EAGAIN,
                                 "%" PRIu64 " of its files can't be removed: %s", left, why);
        else
                work_answer(e, w->cookie, 0, NULL, 0);
        if (w->is_nobodys && error >= 0 && left == 0)
                drop(e, w->name);
        (void)work_free(w);
}

/* What is quick; the rest follows. */
static int begin_remove(Ends *e, const char *name) {
        Tenant *t = tenants_ensure(e->tenants, name);
        int r;

        if (!t)
                return -ENOMEM;
        tenants_begin_end(e->tenants, t);
        claims_forget(e->claims, t);
        (void)unlinkat(own_fd(e->own, OWN_PAGES), name, 0);
        r = claim_name_move_files(e->own, name, NULL, 0, 0);
        t->slice_fd = tq_close(t->slice_fd);
        return r < 0 ? r : slices_remove(e->slices, name);
}

static void tell_no_order(Ends *e, uint64_t cookie, int error) {
        if (error == -ENOENT)
                work_answer_text(e, cookie, error, "root's order is not there: give it again");
        else
                work_answer_text(e, cookie, error, "root's order can't be taken up: %s",
                                 strerror(-error));
}

static void do_remove(Ends *e, const TqOrderMessage *m) {
        const Tenant *t = tenants_by_name(e->tenants, m->name);
        Work *w = NULL;
        int r;

        if (t && t->n_attempts > 0) {
                work_answer_text(e, m->cookie, -EBUSY, "%u of its jobs are still there",
                                 t->n_attempts);
                return;
        }
        r = order_begin(e->own, TQ_ORDER_REMOVE, m->name, "");
        if (r < 0) {
                tell_no_order(e, m->cookie, r);
                return;
        }
        r = begin_remove(e, m->name);
        w = r < 0 ? NULL : work_new(e, TQ_ORDER_REMOVE, m->name, "", m->cookie);
        if (r >= 0)
                r = w ? work_sweep(w, SWEEP_REMOVE, on_removed) : -ENOMEM;
        if (r >= 0)
                return;
        work_answer_text(e, m->cookie, -EAGAIN, "its claims and cgroup can't be removed: %s",
                         strerror(-r));
        if (w)
                (void)work_free(w);
}

/* Another name -----------------------------------------------------------------------------------
 */

/* 0 also if it was done before. */
static int move(int fd, const char *from, const char *to) {
        if (renameat2(fd, from, fd, to, RENAME_NOREPLACE) >= 0)
                return 0;
        return errno == ENOENT ? 0 : tq_errno();
}

static int move_logs(const Ends *e, const char *name, const char *to) {
        char from[TQ_TENANT_NAME_MAX + 16], as[TQ_TENANT_NAME_MAX + 16];
        int fd = own_fd(e->own, OWN_LOGS), r;

        r = move(fd, name, to);
        for (unsigned i = 1; r >= 0 && i <= LOGS_FORMERS; i++) {
                (void)snprintf(from, sizeof(from), "%s.former-%u", name, i);
                (void)snprintf(as, sizeof(as), "%s.former-%u", to, i);
                r = move(fd, from, as);
        }
        return r < 0 ? r : fsync(fd) < 0 ? tq_errno() : 0;
}

/* The directory comes last: until it has moved, the old name is the one that is there. */
static int move_all(const Ends *e, const char *name, const char *to) {
        int fd = own_fd(e->own, OWN_SPOOL), r;

        r = move_logs(e, name, to);
        if (r >= 0)
                r = claim_name_move_files(e->own, name, to, 0, TQ_UID_UNKNOWN);
        if (r >= 0)
                r = move(fd, name, to);
        return r < 0 ? r : fsync(fd) < 0 ? tq_errno() : 0;
}

static void do_rename(Ends *e, const TqOrderMessage *m) {
        Tenant *t = tenants_by_name(e->tenants, m->name);
        char why[TQ_MESSAGE_TEXT_MAX];
        int r;

        r = order_has_begun(e->own, TQ_ORDER_RENAME, m->name, m->to);
        if (r < 0) {
                work_answer_text(e, m->cookie, -EAGAIN, "root's order can't be read: %s",
                                 strerror(-r));
                return;
        }
        if (r == 0 && look_rename_refused(e, m->name, m->to, why, sizeof(why))) {
                work_answer_text(e, m->cookie, -EEXIST, "%s", why);
                return;
        }
        if (t && t->n_attempts > 0) {
                work_answer_text(e, m->cookie, -EBUSY, "%u of its jobs are still there",
                                 t->n_attempts);
                return;
        }
        r = order_begin(e->own, TQ_ORDER_RENAME, m->name, m->to);
        if (r < 0) {
                tell_no_order(e, m->cookie, r);
                return;
        }
        r = move_all(e, m->name, m->to);
        if (r < 0) {
                /* As it was: somebody has mounted something over it. */
                (void)move_all(e, m->to, m->name);
                work_answer_text(e, m->cookie, r, "its directories can't be renamed: %s",
                                 strerror(-r));
                return;
        }
        (void)slices_remove(e->slices, m->name);
        (void)unlinkat(own_fd(e->own, OWN_PAGES), m->name, 0);
        if (t)
                r = tenants_rename(e->tenants, t, m->to);
        work_answer_text(e, m->cookie, r, "%s", r < 0 ? strerror(-r) : "");
}

/* What the engine asks ---------------------------------------------------------------------------
 */

static bool was_spoken_of(const Ends *e, const char *name) {
        TQ_LIST_FOREACH(node, &e->spoken)
        if (strcmp(TQ_LIST_ENTRY(node, Spoken, link)->name, name) == 0)
                return true;
        return false;
}

static void note_spoken(Ends *e, const char *name) {
        Spoken *s = was_spoken_of(e, name) ? NULL : calloc(1, sizeof(*s));

        if (!s)
                return;
        (void)snprintf(s->name, sizeof(s->name), "%s", name);
        tq_list_append(&e->spoken, &s->link);
}

static void settle_one(void *data, const char *name, TqOrderStep step, const char *to) {
        char why[TQ_MESSAGE_TEXT_MAX];
        Ends *e = data;

        if (was_spoken_of(e, name) || order_is_young(e->own, name))
                return;
        if (work_find(e, name))
                work_find(e, name)->is_nobodys = true;
        else if (step == TQ_ORDER_LOOK)
                return; /* what it says can't be told */
        else if (step != TQ_ORDER_CHOWN || order_has_begun(e->own, step, name, to) == 0)
                drop(e, name);
        /* Never half of it. */
        else if (give_resume(e, name, to, true, why, sizeof(why)) < 0)
                tq_log(LOG_ERR, "tenant %s: %s", name, why);
}

static void forget_spoken(Ends *e) {
        TQ_LIST_FOREACH(node, &e->spoken) {
                tq_list_unlink(node);
                free(TQ_LIST_ENTRY(node, Spoken, link));
        }
}

static int on_order(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        const TqOrderMessage *m = &message->order;
        Ends *e = userdata;
        Work *w;

        (void)blob;
        (void)fd;
        if (m->step == TQ_ORDER_SETTLE) {
                (void)order_each(e->own, true, settle_one, e);
                work_answer(e, m->cookie, 0, NULL, 0);
                return 0;
        }
        if (!tq_ids_tenant_is_valid(m->name)) {
                work_answer_text(e, m->cookie, -EINVAL, "no name of a tenant");
                return 0;
        }
        /* As many as root has written, whatever the engine speaks of. */
        if (order_is_about(e->own, m->name))
                note_spoken(e, m->name);
        w = work_find(e, m->name);
        /* Under way: whoever asked last is answered. */
        if (w && w->step == (TqOrderStep)m->step && strcmp(w->to, m->to) == 0) {
                work_answer_text(e, w->cookie, -EAGAIN, "asked once more");
                w->cookie = m->cookie;
                return 0;
        }
        if (w && m->step != TQ_ORDER_LOOK) {
                work_answer_text(e, m->cookie, -EBUSY,
                                 "another order about it is being carried out");
                return 0;
        }
        switch ((TqOrderStep)m->step) {
        case TQ_ORDER_LOOK:
                look_count(e, m);
                break;
        case TQ_ORDER_REMOVE:
                do_remove(e, m);
                break;
        case TQ_ORDER_RENAME:
                do_rename(e, m);
                break;
        case TQ_ORDER_CHOWN:
                give_order(e, m);
                break;
        default:
                drop(e, m->name);
                work_answer(e, m->cookie, 0, NULL, 0);
        }
        return 0;
}

void ends_forget_questions(Ends *e) {
        TQ_LIST_FOREACH(node, &e->works)
        TQ_LIST_ENTRY(node, Work, link)->cookie = 0;
        forget_spoken(e);
}

/* At start ---------------------------------------------------------------------------------------
 */

static void close_tenant(Ends *e, const char *name) {
        Tenant *t = tenants_ensure(e->tenants, name);

        if (t)
                tenants_begin_end(e->tenants, t);
}

/* What can't be finished stays closed. Of a removal the engine asks for the rest, in its time. */
static void resume_one(void *data, const char *name, TqOrderStep step, const char *to) {
        char why[TQ_MESSAGE_TEXT_MAX] = "the order can't be read";
        Ends *e = data;
        int r = 0;

        if (step == TQ_ORDER_RENAME)
                r = move_all(e, name, to);
        else if (step == TQ_ORDER_CHOWN)
                r = give_resume(e, name, to, false, why, sizeof(why));
        if (r < 0 || step == TQ_ORDER_LOOK)
                tq_log(LOG_ERR, "tenant %s: what root had ordered can't be finished: %s", name,
                       step == TQ_ORDER_RENAME ? strerror(-r) : why);
        if (r < 0 || step == TQ_ORDER_LOOK || step == TQ_ORDER_REMOVE)
                close_tenant(e, name);
}

int ends_resume(Ends *e) {
        return order_each(e->own, false, resume_one, e);
}

/* Life ------------------------------------------------------------------------------------------
 */

int ends_new(sd_event *event, Host *host, Own *own, Tenants *tenants, Slices *slices,
             Claims *claims, TqLink *link, Ends **ret) {
        Ends *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        *e = (Ends){ .event = event,
                     .host = host,
                     .own = own,
                     .tenants = tenants,
                     .slices = slices,
                     .claims = claims,
                     .link = link };
        tq_list_init(&e->works);
        tq_list_init(&e->spoken);
        tq_link_on(link, TQ_MESSAGE_ORDER, on_order, e);
        *ret = e;
        return 0;
}

Ends *ends_free(Ends *e) {
        if (!e)
                return NULL;
        TQ_LIST_FOREACH(node, &e->works)
        (void)work_free(TQ_LIST_ENTRY(node, Work, link));
        forget_spoken(e);
        free(e);
        return NULL;
}
