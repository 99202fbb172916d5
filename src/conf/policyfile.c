/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/policyfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/parse.h"
#include "core/ids.h"

const TqPolicyKey tq_policyfile_keys[] = {
        { "scheduler", "max_jobs", "slots: jobs of all tenants that run at the same time" },
        { "scheduler", "memory", "memory that running jobs are promised, all together" },
        { "scheduler", "io", "bytes per second that the disks can move, for the charge" },
        { "scheduler", "lane_slots", "slots of the shared pool that only short jobs get" },
        { "scheduler", "lane_runtime", "the longest bound of a short job" },
        { "scheduler", "half_life", "of past use, which orders tenants that stand equal" },
        { "scheduler", "debt",
          "how far ahead of the others a tenant's use can be held against it" },
        { "scheduler", "memory_patience",
          "how long a job may be passed by smaller ones for want of memory" },
        { "scheduler", "rollback_percent",
          "when a change that is looked after (--watch) goes back: worse than so much of before" },
        { "pool", "slots", "slots that only the pool's tenants get: a number or a share" },
        { "pool", "cpus", "CPUs that only the pool's tenants run on" },
};
const size_t tq_policyfile_n_keys = TQ_ELEMENTSOF(tq_policyfile_keys);

enum { COUNT, SIZE, RATE, SLOTS, SPAN };

static const struct {
        const char *key;
        size_t offset;
        uint64_t min, max;
        const char *expected;
        int type;
        bool has_max;
} numbers[] = {
        { "max_jobs", offsetof(TqHostPolicy, max_jobs), 1, 1000000,
          "a whole number from 1 to 1000000, or max", COUNT, true },
        { "memory", offsetof(TqHostPolicy, memory_bytes), 4096, UINT64_C(1) << 60,
          "a size such as 64G, or max", SIZE, true },
        { "io", offsetof(TqHostPolicy, io_bytes_per_sec), 1, UINT64_C(1) << 60,
          "bytes per second such as 500M, or max", RATE, true },
        { "lane_slots", offsetof(TqHostPolicy, lane_slots), 0, UINT64_MAX,
          "a number of slots or a share such as 10%", SLOTS, false },
        { "lane_runtime", offsetof(TqHostPolicy, lane_runtime_usec), 1, UINT64_MAX / 4,
          "a time span such as 1min", SPAN, false },
        { "half_life", offsetof(TqHostPolicy, half_life_usec), 1000000, UINT64_MAX / 4,
          "a time span from 1s, such as 1h", SPAN, false },
        { "debt", offsetof(TqHostPolicy, debt_usec), 0, UINT64_C(1000000000000000),
          "a time span such as 1h", SPAN, false },
        { "memory_patience", offsetof(TqHostPolicy, memory_patience_usec), 0, UINT64_MAX / 4,
          "a time span such as 1min", SPAN, false },
        { "rollback_percent", offsetof(TqHostPolicy, rollback_percent), 101, 100000,
          "a whole number of percent from 101 to 100000", COUNT, false },
};

static int bad(TqError *err, unsigned line, const char *key, const char *expected) {
        return tq_error_at(err, -EBADMSG, line, key, "expected %s", expected);
}

static int unknown(const char *section, const char *key, unsigned line, TqError *err) {
        const char *names[TQ_ELEMENTSOF(tq_policyfile_keys)], *nearest;
        size_t n = 0;

        for (size_t i = 0; i < tq_policyfile_n_keys; i++)
                if (strcmp(tq_policyfile_keys[i].section, section) == 0)
                        names[n++] = tq_policyfile_keys[i].key;
        nearest = tq_parse_nearest(key, names, n);
        return tq_error_at(err, -EBADMSG, line, key, "unknown key in [%s]%s%s%s", section,
                           nearest ? "; did you mean " : "", nearest ? nearest : "",
                           nearest ? "?" : "");
}

static int parse(int type, const char *value, uint64_t *ret) {
        switch (type) {
        case SIZE:
                return tq_parse_size(value, 1024, ret);
        case RATE:
                return tq_parse_size(value, 1000, ret);
        case SLOTS:
                return tq_limits_parse_slots(value, ret);
        case SPAN:
                return tq_parse_span(value, ret);
        default:
                return tq_parse_u64(value, ret);
        }
}

int tq_policyfile_set(TqHostPolicy *p, const char *key, const char *value, unsigned line,
                      TqError *err) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(numbers); i++) {
                uint64_t *field = (uint64_t *)(void *)((char *)p + numbers[i].offset);
                uint64_t v = TQ_LIMIT_MAX;

                if (strcmp(numbers[i].key, key) != 0)
                        continue;
                if (!(numbers[i].has_max && strcmp(value, "max") == 0) &&
                    (parse(numbers[i].type, value, &v) < 0 || v < numbers[i].min ||
                     v > numbers[i].max))
                        return bad(err, line, key, numbers[i].expected);
                *field = v;
                return 0;
        }
        return unknown("scheduler", key, line, err);
}

int tq_policyfile_open_pool(TqHostPolicy *p, const char *name, unsigned line, TqError *err) {
        if (!tq_ids_queue_is_valid(name))
                return bad(err, line, NULL, "[pool NAME] with 1 to 48 of A-Z a-z 0-9 _ - .");
        if (strcmp(name, TQ_POOL_SHARED) == 0)
                return tq_error_at(err, -EBADMSG, line, NULL,
                                   "\"shared\" is the pool of all tenants that name none; its "
                                   "slots are what the others leave of max_jobs");
        for (uint32_t i = 0; i < p->n_pools; i++)
                if (strcmp(p->pools[i].name, name) == 0)
                        return tq_error_at(err, -EBADMSG, line, NULL, "[pool %s] a second time",
                                           name);
        if (p->n_pools == TQ_ELEMENTSOF(p->pools))
                return tq_error_at(err, -EBADMSG, line, NULL, "more than %zu pools",
                                   TQ_ELEMENTSOF(p->pools));
        p->pools[p->n_pools] = (TqPoolPolicy){};
        (void)snprintf(p->pools[p->n_pools++].name, sizeof(p->pools[0].name), "%s", name);
        return 0;
}

int tq_policyfile_set_pool(TqHostPolicy *p, const char *key, const char *value, unsigned line,
                           TqError *err) {
        TqPoolPolicy *pool = &p->pools[p->n_pools - 1];

        if (strcmp(key, "slots") == 0)
                return tq_limits_parse_slots(value, &pool->slots) < 0 || pool->slots == 0
                               ? bad(err, line, key,
                                     "a number of slots from 1 or a share such as 25%")
                               : 0;
        if (strcmp(key, "cpus") == 0) {
                pool->has_cpus = tq_limits_parse_cpus(value, pool->cpus) >= 0;
                return pool->has_cpus ? 0 : bad(err, line, key, "a list of CPUs such as 0-3,8");
        }
        return unknown("pool", key, line, err);
}

static bool overlap(const TqPoolPolicy *a, const TqPoolPolicy *b) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(a->cpus); i++)
                if (a->cpus[i] & b->cpus[i])
                        return true;
        return false;
}

int tq_policyfile_complete(TqHostPolicy *p, TqError *err) {
        uint64_t shared;

        for (uint32_t i = 0; i < p->n_pools; i++) {
                if (tq_limits_slots(p->pools[i].slots, p->max_jobs) == 0)
                        return tq_error(err, -EBADMSG,
                                        "[pool %s]: expected slots=: how many are its own",
                                        p->pools[i].name);
                for (uint32_t k = 0; k < i; k++)
                        if (overlap(&p->pools[i], &p->pools[k]))
                                return tq_error(err, -EBADMSG,
                                                "[pool %s] and [pool %s] have CPUs in common",
                                                p->pools[k].name, p->pools[i].name);
        }
        if (tq_policy_shared_slots(p, &shared) < 0)
                return tq_error(err, -EBADMSG,
                                "the pools have all of max_jobs=%" PRIu64
                                " slots: expected at least one to be left for the other tenants",
                                p->max_jobs);
        if (shared != TQ_LIMIT_MAX && tq_limits_slots(p->lane_slots, shared) >= shared)
                return tq_error(err, -EBADMSG,
                                "lane_slots: expected less than the %" PRIu64
                                " slots of the shared pool, or no long job could ever run",
                                shared);
        return 0;
}

static const char *format(int type, uint64_t v, char *buf, size_t size) {
        switch (type) {
        case SIZE:
                return tq_format_size(v, 1024, buf, size);
        case RATE:
                return tq_format_size(v, 1000, buf, size);
        case SLOTS:
                return tq_limits_format_slots(v, buf, size);
        case SPAN:
                return tq_format_span(v, buf, size);
        default:
                (void)snprintf(buf, size, "%" PRIu64, v);
                return buf;
        }
}

void tq_policyfile_print(const TqHostPolicy *p, TqBuffer *out) {
        char text[TQ_VALUE_MAX];

        tq_buffer_append_string(out, "[scheduler]\n");
        for (size_t i = 0; i < TQ_ELEMENTSOF(numbers); i++) {
                const char *field = (const char *)p + numbers[i].offset;
                uint64_t v = *(const uint64_t *)(const void *)field;

                tq_buffer_printf(out, "%s = %s\n", numbers[i].key,
                                 numbers[i].has_max && v == TQ_LIMIT_MAX
                                         ? "max"
                                         : format(numbers[i].type, v, text, sizeof(text)));
        }
        for (uint32_t i = 0; i < p->n_pools; i++) {
                const TqPoolPolicy *pool = &p->pools[i];

                tq_buffer_printf(out, "\n[pool %s]\nslots = %s\n", pool->name,
                                 tq_limits_format_slots(pool->slots, text, sizeof(text)));
                if (pool->has_cpus)
                        tq_buffer_printf(out, "cpus = %s\n",
                                         tq_limits_format_cpus(pool->cpus, text, sizeof(text)));
        }
}
