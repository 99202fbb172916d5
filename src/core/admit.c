/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/admit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/format.h"

/* A bucket's level is kept as a time: the moment at which it would have run empty had it been
 * filled evenly. A token is one interval of that; a full bucket ran empty one period ago or
 * earlier, and nothing has to be done as time passes. */

static uint64_t interval(const TqBucket *b) {
        uint64_t period, n = tq_limits_rate(b->rate, &period);

        return n == 0 ? UINT64_MAX : TQ_MAX(period / n, UINT64_C(1));
}

/* When the bucket ran empty; never longer ago than a whole bucket. */
/* Just after boot a bucket is full as well: time begins an hour, the longest period, before it. */
#define EPOCH (UINT64_C(3600) * TQ_USEC_PER_SEC)

static uint64_t level(const TqBucket *b, uint64_t now) {
        uint64_t period, n = tq_limits_rate(b->rate, &period);

        return TQ_MAX(b->empty_at, tq_sub_u64(now, TQ_MAX(n, UINT64_C(1)) * interval(b)));
}

uint64_t tq_admit_tokens(const TqBucket *b, uint64_t now_usec) {
        now_usec = tq_add_u64(now_usec, EPOCH);
        if (b->rate == TQ_LIMIT_MAX)
                return UINT64_MAX;
        if (interval(b) == UINT64_MAX)
                return 0;
        return tq_sub_u64(now_usec, level(b, now_usec)) / interval(b);
}

uint64_t tq_admit_delay(const TqBucket *b, uint64_t now_usec) {
        uint64_t at;

        now_usec = tq_add_u64(now_usec, EPOCH);
        if (b->rate == TQ_LIMIT_MAX)
                return 0;
        if (interval(b) == UINT64_MAX)
                return UINT64_MAX;
        at = tq_add_u64(level(b, now_usec), interval(b));
        return tq_sub_u64(at, now_usec);
}

void tq_admit_take(TqBucket *b, uint64_t now_usec) {
        if (b->rate == TQ_LIMIT_MAX)
                return;
        assert(tq_admit_tokens(b, now_usec) > 0);
        now_usec = tq_add_u64(now_usec, EPOCH);
        b->empty_at = level(b, now_usec) + interval(b);
}

void tq_admit_set_rate(TqBucket *b, uint64_t rate, uint64_t now_usec) {
        bool was_full = b->rate == TQ_LIMIT_MAX || b->empty_at == 0;

        now_usec = tq_add_u64(now_usec, EPOCH);
        b->rate = rate;
        if (was_full)
                b->empty_at = 0;
        else
                b->empty_at = TQ_MIN(b->empty_at, now_usec);
}

/* What is said ------------------------------------------------------------------------------- */

static const struct {
        const char *code, *limit;
} words[_TQ_REFUSAL_MAX] = {
        [TQ_REFUSAL_NONE] = { "", "" },
        [TQ_REFUSAL_NEAR] = { "TENANT_LIMIT_NEAR", NULL },
        [TQ_REFUSAL_LIMIT] = { "TENANT_LIMIT_EXCEEDED", NULL },
        [TQ_REFUSAL_QUEUES] = { "TENANT_LIMIT_EXCEEDED", "queues" },
        [TQ_REFUSAL_AFTER] = { "TENANT_LIMIT_EXCEEDED", "words of After=" },
        [TQ_REFUSAL_DRAINING] = { "DRAINING", "drain" },
        [TQ_REFUSAL_TOO_BIG] = { "HOST_LIMIT_EXCEEDED", "memory" },
};

const char *tq_admit_code(const TqRefusal *r) {
        return words[r->kind].code;
}

const char *tq_admit_limit(const TqRefusal *r) {
        return words[r->kind].limit ? words[r->kind].limit : tq_limits_keys[r->key].name;
}

uint64_t tq_admit_retry_after(const TqRefusal *r) {
        if (r->retry_usec == UINT64_MAX || r->kind == TQ_REFUSAL_TOO_BIG)
                return 0;
        return TQ_MAX((r->retry_usec + TQ_USEC_PER_SEC - 1) / TQ_USEC_PER_SEC, UINT64_C(1));
}

bool tq_admit_is_near(uint64_t current, uint64_t maximum) {
        return maximum != TQ_LIMIT_MAX && maximum >= 5 && current >= maximum - maximum / 5;
}

uint64_t tq_admit_number(const TqRefusal *r, uint64_t v) {
        uint64_t period;
        bool has_key = r->kind == TQ_REFUSAL_LIMIT || r->kind == TQ_REFUSAL_NEAR;

        return has_key && tq_limits_keys[r->key].type == TQ_TYPE_RATE ? tq_limits_rate(v, &period)
                                                                      : v;
}

static const char *format_amount(const TqRefusal *r, uint64_t v, char *buf, size_t size) {
        if (r->kind == TQ_REFUSAL_TOO_BIG)
                return tq_format_size(v, 1024, buf, size);
        if (r->kind != TQ_REFUSAL_LIMIT && r->kind != TQ_REFUSAL_NEAR) {
                (void)snprintf(buf, size, "%" PRIu64, v);
                return buf;
        }
        return tq_limits_format_value(r->key, v, buf, size);
}

const char *tq_admit_format(const TqRefusal *r, const char *tenant, char *buf, size_t size) {
        char current[TQ_FORMAT_MAX], maximum[TQ_FORMAT_MAX], retry[64] = "", of[128];

        (void)snprintf(of, sizeof(of), r->queue[0] ? "queue %s/%s" : "tenant %s", tenant, r->queue);
        if (tq_admit_retry_after(r) > 0)
                (void)snprintf(retry, sizeof(retry), "; retry_after %" PRIu64 " s",
                               tq_admit_retry_after(r));
        if (r->kind == TQ_REFUSAL_DRAINING) {
                (void)snprintf(buf, size,
                               "%s: %s is being drained: it takes no new jobs until it is resumed",
                               tq_admit_code(r), r->is_host ? "the host" : of);
                return buf;
        }
        (void)format_amount(r, r->current, current, sizeof(current));
        (void)format_amount(r, r->maximum, maximum, sizeof(maximum));
        if (r->kind == TQ_REFUSAL_TOO_BIG)
                (void)snprintf(buf, size,
                               "%s: it asks for %s of memory, and the host has %s for jobs",
                               tq_admit_code(r), current, maximum);
        else
                (void)snprintf(buf, size, "%s: %s %s %s: current %s, maximum %s%s",
                               tq_admit_code(r), of,
                               r->kind == TQ_REFUSAL_NEAR ? "is near its" : "has reached its",
                               tq_admit_limit(r), current, maximum, retry);
        return buf;
}
