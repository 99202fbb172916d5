/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/keys.h"

#include <string.h>

#include "core/scheduler.h"

/* An entry for each key that is being asked about or taken; of keys that fall together by their
 * hash one waits for the other, which is no harm. */

typedef struct Asker {
        TqList link;
        uint32_t tenant;
        char *key;
        uint64_t since_usec;
        KeysAnswer answer;
        void *data;
        bool is_answered; /* it takes its job now, and settles */
} Asker;

typedef struct Entry {
        Keys *keys;
        uint64_t hash;
        Asker *owner;   /* whose key it is now */
        TqList waiting; /* of Asker.link */
        TqTask task;
        uint64_t job;
        int result;
} Entry;

struct Keys {
        Commit *commit;
        TqMap entries; /* hash → Entry */
};

int keys_new(Commit *commit, Keys **ret) {
        Keys *k = calloc(1, sizeof(*k));

        if (!k)
                return -ENOMEM;
        k->commit = commit;
        *ret = k;
        return 0;
}

static uint64_t hash_of(uint32_t tenant, const char *key) {
        return tq_scheduler_name(key) ^ (uint64_t)tenant * UINT64_C(0x9E3779B97F4A7C15);
}

static void answer(Asker *a, uint64_t job, int error) {
        KeysAnswer fn = a->answer;
        void *data = a->data;

        free(a->key);
        free(a);
        fn(data, job, error);
}

static void on_run(TqTask *task) {
        Entry *e = TQ_CONTAINER_OF(task, Entry, task);
        const Asker *a = e->owner;

        e->result = tq_ledger_find_key(commit_ledger(e->keys->commit), a->tenant, a->key,
                                       a->since_usec, &e->job);
}

static void ask_next(Entry *e);

static void on_done(TqTask *task, void *userdata) {
        Entry *e = TQ_CONTAINER_OF(task, Entry, task);
        Asker *a = e->owner;

        (void)userdata;
        if (commit_is_leaving(e->keys->commit))
                return; /* keys_free() answers */
        if (e->result >= 0 && e->job == 0) {
                /* It stays the owner until it settles, which it may do at once. */
                a->is_answered = true;
                a->answer(a->data, 0, 0);
                return;
        }
        e->owner = NULL;
        answer(a, e->job, e->result);
        ask_next(e);
}

/* The next one of those who wait; without any the entry goes. */
static void ask_next(Entry *e) {
        TqList *first = tq_list_first(&e->waiting);

        if (commit_is_leaving(e->keys->commit))
                return;
        if (!first) {
                (void)tq_map_remove(&e->keys->entries, e->hash);
                free(e);
                return;
        }
        tq_list_unlink(first);
        e->owner = TQ_LIST_ENTRY(first, Asker, link);
        e->job = 0;
        e->task = (TqTask){ .run = on_run, .done = on_done };
        tq_list_init(&e->task.link);
        commit_ask(e->keys->commit, &e->task);
}

int keys_ask(Keys *k, uint32_t tenant, const char *key, uint64_t since_usec, KeysAnswer fn,
             void *data) {
        uint64_t hash = hash_of(tenant, key);
        Entry *e = tq_map_get(&k->entries, hash);
        Asker *a = calloc(1, sizeof(*a));
        bool is_first = !e;

        if (a)
                a->key = strdup(key);
        if (a && a->key && !e) {
                e = calloc(1, sizeof(*e));
                if (e && tq_map_put(&k->entries, hash, e) < 0) {
                        free(e);
                        e = NULL;
                }
        }
        if (!a || !a->key || !e) {
                free(a ? a->key : NULL);
                free(a);
                return -ENOMEM;
        }
        a->tenant = tenant;
        a->since_usec = since_usec;
        a->answer = fn;
        a->data = data;
        if (is_first) {
                *e = (Entry){ .keys = k, .hash = hash };
                tq_list_init(&e->waiting);
        }
        tq_list_append(&e->waiting, &a->link);
        if (is_first)
                ask_next(e);
        return 0;
}

static bool is_same(const Asker *a, uint32_t tenant, const char *key) {
        return a->tenant == tenant && strcmp(a->key, key) == 0;
}

void keys_settle(Keys *k, uint32_t tenant, const char *key, uint64_t job) {
        Entry *e = tq_map_get(&k->entries, hash_of(tenant, key));
        Asker *a = e ? e->owner : NULL;

        if (!a || !is_same(a, tenant, key))
                return;
        e->owner = NULL;
        if (job > 0)
                TQ_LIST_FOREACH(node, &e->waiting) {
                        Asker *other = TQ_LIST_ENTRY(node, Asker, link);

                        if (!is_same(other, tenant, key))
                                continue;
                        tq_list_unlink(node);
                        answer(other, job, 0);
                }
        free(a->key);
        free(a);
        ask_next(e);
}

Keys *keys_free(Keys *k) {
        size_t position = 0;
        Entry *e;

        if (!k)
                return NULL;
        while ((e = tq_map_next(&k->entries, &position))) {
                if (e->owner && !e->owner->is_answered)
                        answer(e->owner, 0, -ECANCELED);
                else if (e->owner) {
                        free(e->owner->key);
                        free(e->owner);
                }
                TQ_LIST_FOREACH(node, &e->waiting)
                answer(TQ_LIST_ENTRY(node, Asker, link), 0, -ECANCELED);
                free(e);
        }
        tq_map_done(&k->entries);
        free(k);
        return NULL;
}
