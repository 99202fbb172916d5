/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "engine/api/verbs.h"
#include "store/ledger_backup.h"

/* A copy of the ledger: the worker makes it in steps, each of which waits behind the commits and
 * the questions that are there by then. The caller gets the descriptor. It is no question of a
 * user's of which there is one at a time: it may take a while, and he may want to know something
 * meanwhile. Of copies there is one at a time. */

typedef struct Copying {
        TqTask task;
        Call *call;
        TqLedger *ledger;
        TqLedgerBackup *backup; /* the worker's, while it has the task */
        bool is_unwanted;       /* who asked has gone */
        int result;             /* 1: there is more */
        int fd;
} Copying;

static void on_run(TqTask *task) {
        Copying *c = TQ_CONTAINER_OF(task, Copying, task);

        c->result = c->is_unwanted ? -ECANCELED : 0;
        if (c->result >= 0 && !c->backup)
                c->result = tq_ledger_backup_new(c->ledger, &c->backup);
        if (c->result >= 0)
                c->result = tq_ledger_backup_step(c->backup);
        if (c->result == 0)
                c->fd = tq_ledger_backup_take_fd(c->backup);
        if (c->result <= 0)
                c->backup = tq_ledger_backup_free(c->backup);
}

static void answer(const Copying *c) {
        int r;

        if (c->result == -EBUSY)
                (void)call_error(c->call, TQ_CONTROL_BUSY,
                                 "another backup is being made; try again when it is done");
        else if (c->result == -ENOSPC)
                (void)call_error(c->call, TQ_CONTROL_REFUSED,
                                 "there is no room for a copy beside the ledger, where as much as "
                                 "the ledger's own size and %d MiB must be free",
                                 (int)(TQ_LEDGER_BACKUP_RESERVE >> 20));
        else if (c->result < 0 || c->fd < 0)
                (void)call_error(c->call, TQ_CONTROL_FAILED, "the ledger can't be copied: %s",
                                 tq_ledger_why(c->result));
        else {
                r = sd_bus_reply_method_return(c->call->message, "h", c->fd);
                if (r < 0)
                        (void)call_error(c->call, TQ_CONTROL_BUSY,
                                         "the copy can't be handed over now: %s", strerror(-r));
                else
                        (void)call_record(c->call, TQ_KIND_BACKUP, 0, 0,
                                          "a copy of the ledger was handed out");
        }
}

static void on_done(TqTask *task, void *userdata) {
        Copying *c = TQ_CONTAINER_OF(task, Copying, task);

        (void)userdata;
        if (c->result > 0 && !commit_is_leaving(c->call->api->commit)) {
                c->is_unwanted = sd_bus_is_open(sd_bus_message_get_bus(c->call->message)) <= 0;
                commit_ask(c->call->api->commit, &c->task);
                return;
        }
        /* When all leaves, the worker has: what is under way is ours again. */
        c->backup = tq_ledger_backup_free(c->backup);
        if (c->result <= 0 && c->result != -ECANCELED)
                answer(c);
        (void)tq_close(c->fd);
        (void)call_free(c->call);
        free(c);
}

int verb_backup(Call *c) {
        Copying *copying;
        Call *kept;

        /* What is not read holds descriptors, which are counted against all callers together. */
        if (connection_has_unread(c->connection))
                return call_error(c, TQ_CONTROL_BUSY,
                                  "answers to earlier calls have not been read");
        copying = calloc(1, sizeof(*copying));
        kept = copying ? call_keep(c) : NULL;
        if (!kept) {
                free(copying);
                return -ENOMEM;
        }
        *copying = (Copying){ .task = { .run = on_run, .done = on_done },
                              .call = kept,
                              .ledger = commit_ledger(c->api->commit),
                              .fd = -EBADF };
        tq_list_init(&copying->task.link);
        commit_ask(c->api->commit, &copying->task);
        return 1;
}
