/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/engine/culprits.h"

#include "base/clock.h"

void culprits_note_job(Culprits *c, uint64_t job, int sig) {
        c->job = job;
        c->sig = sig;
}

static Culprit *ensure(Culprits *c, uid_t uid) {
        Culprit *oldest = c->callers;

        for (size_t i = 0; i < c->n_callers; i++) {
                if (c->callers[i].uid == uid)
                        return &c->callers[i];
                if (c->callers[i].last_usec < oldest->last_usec)
                        oldest = &c->callers[i];
        }
        if (c->n_callers < TQ_ELEMENTSOF(c->callers))
                oldest = &c->callers[c->n_callers++];
        *oldest = (Culprit){ .uid = uid };
        return oldest;
}

/* Not told of a user's first time: it may have been something else. Once barred, each further time
 * within the hour bars it again. */
void culprits_note_caller(Culprits *c, uid_t uid, int sig) {
        uint64_t now = tq_clock_boottime_usec();
        Culprit *of = ensure(c, uid);

        if (tq_sub_u64(now, of->last_usec) > CULPRITS_FORGOTTEN_USEC)
                of->crashes = 0;
        of->crashes = TQ_MIN(of->crashes + 1, (unsigned)TQ_CRASHES_MOST);
        of->last_usec = now;
        of->sig = sig;
        if (of->crashes < TQ_CRASHES_MOST)
                return;
        of->until_usec = tq_add_u64(now, CULPRITS_BARRED_USEC);
        of->is_new = true;
}

void culprits_tell(Culprits *c, TqLink *link) {
        uint64_t now = tq_clock_boottime_usec();

        if (c->job > 0) {
                TqMessage m = { .crashed = { .job = c->job, .sig = c->sig } };

                (void)tq_link_send(link, TQ_MESSAGE_CRASHED, &m, NULL, 0, -EBADF);
                c->job = 0;
        }
        for (size_t i = 0; i < c->n_callers; i++) {
                Culprit *of = &c->callers[i];
                TqMessage m = { .crashed = { .uid = of->uid,
                                             .sig = of->sig,
                                             .until_usec = of->until_usec,
                                             .is_new = of->is_new } };

                if (of->until_usec <= now)
                        continue;
                (void)tq_link_send(link, TQ_MESSAGE_CRASHED, &m, NULL, 0, -EBADF);
                of->is_new = false;
        }
}
