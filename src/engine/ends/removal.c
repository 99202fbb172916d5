/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/removal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "engine/ends/look.h"
#include "engine/ends/record.h"
#include "engine/tenants/ending.h"

/* Its jobs end; from then on there is no way back: directory, output and claims go by the
 * supervisor, then history in pieces, then the rest and its name in one. */

/* All jobs of a name are cancelled, in parts; it may be kept meanwhile. */
typedef struct Mass {
        Ends *ends;
        uint32_t tenant;
        uint64_t serial; /* of its end */
} Mass;

static bool is_meant(const TqJob *job, const void *data) {
        const Mass *m = data;
        const Tenant *t = tenants_get(m->ends->rooms.tenants, job->queue->tenant->id);
        const End *end = t ? end_find(m->ends, t) : NULL;

        return end && end->serial == m->serial && end->tenant->ending == TQ_ENDING_CANCEL;
}

static void cancel_one(void *data, const TqJob *job) {
        const Mass *m = data;

        /* It may have been kept since. */
        if (!is_meant(job, m))
                return;
        dispatch_must(m->ends->rooms.dispatch,
                      &(TqEvent){ .type = TQ_EVENT_CANCEL, .job = job->id });
}

static void on_cancelled(void *data) {
        Mass *m = data;
        End *end = tq_map_get(&m->ends->all, m->tenant);

        if (end && end->serial != m->serial)
                end = NULL;
        free(m);
        if (!end)
                return;
        end->is_cancelling = false;
        end->cancelled_usec = tq_clock_boottime_usec();
        end_go_on(end);
}

static void cancel_all(End *end) {
        Mass *m = end->is_cancelling ? NULL : malloc(sizeof(*m));

        if (!m)
                return;
        *m = (Mass){ .ends = end->ends, .tenant = end->tenant->id, .serial = end->serial };
        end->is_cancelling = walks_start(dispatch_walks(end->ends->rooms.dispatch), is_meant,
                                         cancel_one, on_cancelled, m) >= 0;
        if (!end->is_cancelling) {
                free(m);
                end_again_in(end, END_RETRY_USEC);
        }
}

/* Once is enough for what runs: it ends in its time. */
static void cancel_rest(End *end, const EndsLeft *left) {
        if (end->cancelled_usec == 0 ||
            (left->waiting > 0 && tq_clock_boottime_usec() >= end->cancelled_usec + END_RETRY_USEC))
                cancel_all(end);
        else if (left->waiting > 0)
                end_again_in(end, END_RETRY_USEC);
}

/* Its history ------------------------------------------------------------------------------------
 */

static void on_finished(void *data, int result) {
        End *end = *(End **)data;
        Ends *e = end->ends;

        if (!end_is_recorded(end, result))
                return; /* a new engine goes on */
        for (size_t i = 0; i < end->n_owners; i++) {
                const Tenant *owner = tenants_get(e->rooms.tenants, end->owners[i]);

                settings_forget(e->rooms.settings, owner);
                files_forget(e->rooms.files, owner->id);
                intake_forget(e->rooms.intake, owner->id);
        }
        ending_forget(e->rooms.tenants, end->tenant);
        end_drop_and_tell(end);
}

static void finish(End *end) {
        Ends *e = end->ends;
        const Tenant *t = end->tenant;
        End **data;

        for (size_t i = 0; i < end->n_owners; i++) {
                TqLedgerOp *op = commit_op(e->rooms.commit, TQ_LEDGER_ERASED);

                if (!op)
                        return;
                op->tenant = end->owners[i];
        }
        if (end_record_step(e->rooms.commit, t, TQ_KIND_TENANT_REMOVED, "%s", "") < 0)
                return;
        data = commit_then(e->rooms.commit, on_finished, sizeof(End *));
        if (!data)
                return;
        end->is_busy = true;
        *data = end;
}

static void on_erased(void *data, int result) {
        End *end = *(End **)data;

        if (end_is_recorded(end, result))
                end_again_in(end, COMMIT_PACE_USEC);
}

static void on_count_run(TqTask *task) {
        End *end = TQ_CONTAINER_OF(task, End, task);
        uint64_t last;

        end->result = tq_ledger_count_jobs(commit_ledger(end->ends->rooms.commit),
                                           end->owners[end->next_owner], 0, 1, &end->n_left, &last);
}

/* Whether there is anything left of one who had the name; then some of it goes. */
static void on_counted(TqTask *task, void *userdata) {
        End *end = TQ_CONTAINER_OF(task, End, task);
        Commit *commit = end->ends->rooms.commit;
        TqLedgerOp *op;
        size_t most;
        End **data;

        (void)userdata;
        end->is_busy = false;
        if (commit_is_leaving(commit))
                return;
        if (end->result < 0 || commit_fault(commit)) {
                end_again_in(end, END_RETRY_USEC);
                return;
        }
        if (end->n_left == 0) {
                end->next_owner++;
                end_go_on(end);
                return;
        }
        most = commit_piece(commit);
        op = commit_op(commit, TQ_LEDGER_ERASE);
        data = op ? commit_then(commit, on_erased, sizeof(End *)) : NULL;
        if (!data)
                return;
        op->tenant = end->owners[end->next_owner];
        op->forget.most = most;
        end->is_busy = true;
        *data = end;
}

static void erase(End *end) {
        if (!end->owners)
                end->owners = tally_owners(end->tenant, &end->n_owners);
        if (!end->owners) {
                end_again_in(end, END_RETRY_USEC);
                return;
        }
        if (end->next_owner == end->n_owners) {
                finish(end);
                return;
        }
        end->is_busy = true;
        end->task = (TqTask){ .run = on_count_run, .done = on_counted };
        tq_list_init(&end->task.link);
        commit_ask(end->ends->rooms.commit, &end->task);
}

static void on_files_gone(void *data, int result, const char *blob, size_t size, int *fd) {
        End *end = data;

        (void)fd;
        if (!end_is_answered(end, result, blob, size))
                return;
        if (result < 0) {
                end_again_in(end, END_RETRY_USEC);
                return;
        }
        end->files_are_gone = true;
        end_go_on(end);
}

void removal_delete(End *end) {
        if (end->files_are_gone) {
                erase(end);
                return;
        }
        end->is_busy =
                end_ask(end->ends, TQ_ORDER_REMOVE, end->tenant->name, "", on_files_gone, end) >= 0;
        if (!end->is_busy)
                end_again_in(end, END_RETRY_USEC);
}

/* The point of no return ------------------------------------------------------------------------
 */

static void on_delete_recorded(void *data, int result) {
        End *end = *(End **)data;

        if (end_is_recorded(end, result))
                end_go_on(end);
}

/* What was found is of before: it was kept, and something else may be intended since. */
static void go_on_after_keep(End *end) {
        end->was_kept = false;
        if (end->tenant->ending != TQ_ENDING_NONE) {
                end_go_on(end);
                return;
        }
        end_tell(end, -EBUSY, "it was taken back");
        end_free(end);
}

/* Who waits for nothing else gives root's order now, or has to know. But not who came while it was
 * looked for: it may have been given first. True: somebody has. */
static bool tell_those_who_were_there(End *end) {
        TQ_LIST_FOREACH(node, &end->waiters) {
                Waiter *w = TQ_LIST_ENTRY(node, Waiter, link);

                if (!w->was_there)
                        continue;
                tq_list_unlink(&w->link);
                w->done(w->data, -ENODATA, end->fault);
                free(w);
        }
        return !tq_list_is_empty(&end->waiters);
}

static void on_tally(void *data, int result, const char *text, const TqOrderFound *found,
                     const Tally *tally) {
        End *end = data;
        Ends *e = end->ends;
        const Tenant *t = end->tenant;
        EndsLeft left = ends_left(e, t);
        End **then;

        if (result == -ECONNRESET || result == -ECANCELED)
                return;
        end->is_busy = false;
        if (end->was_kept) {
                go_on_after_keep(end);
                return;
        }
        (void)snprintf(end->fault, sizeof(end->fault), "%s", result < 0 ? text : "");
        if (result >= 0 && !found->has_order)
                (void)snprintf(end->fault, sizeof(end->fault),
                               "root's order is not there, and nothing of it was deleted: give it "
                               "again (tenant remove, with --archive if it is to be archived), or "
                               "take it back (tenant keep)");
        /* Who has come since is about to give it, or has. */
        if (result >= 0 && !found->has_order && found->n_attempts == 0 &&
            left.running + left.waiting == 0 && tell_those_who_were_there(end)) {
                end->tries = 0;
                end->fault[0] = '\0';
        }
        if (result < 0 || !found->has_order || found->n_attempts > 0 ||
            left.running + left.waiting > 0 || commit_fault(e->rooms.commit)) {
                end_try_again(end);
                return;
        }
        if (end_record_step(e->rooms.commit, t, TQ_KIND_TENANT_DELETE,
                            "%" PRIu64 " jobs, %" PRIu64 " of them dead letters, %" PRIu64
                            " limits set live, %" PRIu64 " files of output (%" PRIu64
                            " bytes), %" PRIu64 " files in its directory",
                            tally->jobs, tally->dead, tally->limits, found->output_files,
                            found->output_bytes, found->spool_files) < 0)
                return;
        if (ending_intend(e->rooms.tenants, t, TQ_ENDING_DELETE, NULL, t->ending_uid,
                          t->ending_why) < 0)
                return;
        end_switch_off(end);
        then = commit_then(e->rooms.commit, on_delete_recorded, sizeof(End *));
        if (!then)
                return;
        end->is_busy = true;
        *then = end;
}

void removal_wait(End *end) {
        EndsLeft left = ends_left(end->ends, end->tenant);

        if (left.running + left.waiting > 0) {
                if (end->tenant->ending == TQ_ENDING_CANCEL)
                        cancel_rest(end, &left);
                return;
        }
        TQ_LIST_FOREACH(node, &end->waiters)
        TQ_LIST_ENTRY(node, Waiter, link)->was_there = true;
        end->fault[0] = '\0'; /* what was in the way may be no more */
        end->is_busy = ends_look(end->ends, end->tenant, "", on_tally, end) >= 0;
        if (!end->is_busy)
                end_again_in(end, END_RETRY_USEC);
}
