/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/policy.h"

#include <assert.h>
#include <string.h>

#include "core/ids.h"

static const char *const policies[_TQ_POLICY_MAX] = {
        [TQ_POLICY_FAIR] = "fair",
        [TQ_POLICY_ROUND_ROBIN] = "round-robin",
        [TQ_POLICY_FIFO] = "fifo",
};

const char *tq_policy_to_string(TqPolicy p) {
        assert(p >= 0 && p < _TQ_POLICY_MAX);
        return policies[p];
}

TqPolicy tq_policy_from_string(const char *s) {
        for (int i = 0; i < _TQ_POLICY_MAX; i++)
                if (strcmp(policies[i], s) == 0)
                        return (TqPolicy)i;
        return _TQ_POLICY_INVALID;
}

void tq_policy_init(TqHostPolicy *p) {
        *p = (TqHostPolicy){
                .max_jobs = TQ_LIMIT_MAX,
                .memory_bytes = TQ_LIMIT_MAX,
                .cpus = TQ_LIMIT_MAX,
                .io_bytes_per_sec = TQ_LIMIT_MAX,
                .lane_runtime_usec = 60 * TQ_USEC_PER_SEC,
                .half_life_usec = 3600 * TQ_USEC_PER_SEC,
                .debt_usec = 3600 * TQ_USEC_PER_SEC,
                .memory_patience_usec = 60 * TQ_USEC_PER_SEC,
                .rollback_percent = 200,
        };
}

bool tq_policy_is_sane(const TqHostPolicy *p) {
        uint64_t shared;

        if (p->policy >= _TQ_POLICY_MAX || p->n_pools >= TQ_POOLS_MAX || p->half_life_usec == 0 ||
            p->cpus == 0 || p->io_bytes_per_sec == 0)
                return false;
        for (uint32_t i = 0; i < p->n_pools; i++) {
                if (strnlen(p->pools[i].name, sizeof(p->pools[i].name)) ==
                            sizeof(p->pools[i].name) ||
                    !tq_ids_queue_is_valid(p->pools[i].name) ||
                    strcmp(p->pools[i].name, TQ_POOL_SHARED) == 0)
                        return false;
                for (uint32_t k = 0; k < i; k++)
                        if (strcmp(p->pools[i].name, p->pools[k].name) == 0)
                                return false;
        }
        return tq_policy_shared_slots(p, &shared) == 0;
}

int tq_policy_shared_slots(const TqHostPolicy *p, uint64_t *ret) {
        uint64_t taken = 0;

        for (uint32_t i = 0; i < p->n_pools; i++)
                taken = tq_add_u64(taken, tq_limits_slots(p->pools[i].slots, p->max_jobs));
        if (p->n_pools > 0 && taken >= p->max_jobs)
                return -ERANGE;
        *ret = p->max_jobs == TQ_LIMIT_MAX ? TQ_LIMIT_MAX : p->max_jobs - taken;
        return 0;
}

uint64_t *tq_policy_queue_field(TqQueueLimit *q, TqKey key) {
        switch (key) {
        case TQ_KEY_CONCURRENCY:
                return &q->concurrency;
        case TQ_KEY_ENQUEUE_RATE:
                return &q->enqueue_rate;
        case TQ_KEY_QUEUE_DEPTH:
                return &q->queue_depth;
        default:
                return NULL;
        }
}

uint64_t tq_policy_queue_get(const TqQueueLimit *q, TqKey key, uint64_t fallback) {
        return q->set >> key & 1 ? *tq_policy_queue_field((TqQueueLimit *)q, key) : fallback;
}

int tq_policy_queue_set(TqQueueLimit *q, const char *key, const char *value, unsigned line,
                        TqError *err) {
        TqLimits one = {};
        int r;

        r = tq_limits_set(&one, key, value, TQ_SCOPE_QUEUE, false, line, err);
        if (r < 0)
                return r;
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                if (!tq_limits_has(&one, (TqKey)i))
                        continue;
                *tq_policy_queue_field(q, (TqKey)i) = one.value[i];
                q->set |= UINT64_C(1) << i;
        }
        return 0;
}

void tq_policy_queue_overlay(TqQueueLimit *q, const TqQueueLimit *over) {
        for (int i = 0; i < _TQ_KEY_MAX; i++)
                if (over->set >> i & 1)
                        *tq_policy_queue_field(q, (TqKey)i) =
                                tq_policy_queue_get(over, (TqKey)i, 0);
        q->set |= over->set;
}
