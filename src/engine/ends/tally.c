/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/tally.h"

#define PIECE 4096 /* jobs at once */

typedef struct Counting {
        TqTask task;
        Commit *commit;
        uint32_t *owners;
        size_t n_owners, next;
        uint64_t cursor;
        Tally tally;
        int result;
        TallyDone done;
        void *data;
} Counting;

uint32_t *tally_owners(const Tenant *t, size_t *ret_n) {
        uint32_t *owners;
        size_t n = 1;

        TQ_LIST_FOREACH(node, &t->same_name)
        n++;
        owners = calloc(n, sizeof(*owners));
        if (!owners)
                return NULL;
        owners[0] = t->id;
        n = 1;
        TQ_LIST_FOREACH(node, &t->same_name)
        owners[n++] = TQ_LIST_ENTRY(node, Tenant, same_name)->id;
        *ret_n = n;
        return owners;
}

static void on_run(TqTask *task) {
        Counting *c = TQ_CONTAINER_OF(task, Counting, task);
        TqLedger *l = commit_ledger(c->commit);
        uint32_t owner = c->owners[c->next];
        uint64_t dead, limits;
        size_t n;

        if (c->cursor == 0) {
                c->result = tq_ledger_count_others(l, owner, &dead, &limits);
                if (c->result < 0)
                        return;
                c->tally.dead += dead;
                c->tally.limits += limits;
        }
        c->result = tq_ledger_count_jobs(l, owner, c->cursor, PIECE, &n, &c->cursor);
        if (c->result < 0)
                return;
        c->tally.jobs += n;
        if (n == PIECE)
                return;
        c->next++;
        c->cursor = 0;
}

static void ask(Counting *c);

static void on_done(TqTask *task, void *userdata) {
        Counting *c = TQ_CONTAINER_OF(task, Counting, task);

        (void)userdata;
        if (c->result >= 0 && c->next < c->n_owners && !commit_is_leaving(c->commit)) {
                ask(c);
                return;
        }
        c->done(c->data, commit_is_leaving(c->commit) ? -ECANCELED : c->result, &c->tally);
        free(c->owners);
        free(c);
}

static void ask(Counting *c) {
        c->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&c->task.link);
        commit_ask(c->commit, &c->task);
}

int tally_start(Commit *commit, const Tenant *t, TallyDone done, void *data) {
        Counting *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        *c = (Counting){ .commit = commit, .done = done, .data = data };
        c->owners = tally_owners(t, &c->n_owners);
        if (!c->owners) {
                free(c);
                return -ENOMEM;
        }
        ask(c);
        return 0;
}
