/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/parse.h"
#include "core/limits.h"

/* A limit's value, from text and to it: what is echoed can be typed back. */

static const char *const type_words[] = {
        [TQ_TYPE_CORES] = "a number of cores from 0.01, such as 2 or 0.5",
        [TQ_TYPE_WEIGHT] = "a whole number from 1 to 10000",
        [TQ_TYPE_BYTES] = "a number of bytes with K, M, G, T, P or E (1024), like 512M or 1.5G",
        [TQ_TYPE_BANDWIDTH] = "a number of bytes per second with K, M, G or T (1000), like 10M",
        [TQ_TYPE_IOPS] = "a number of operations per second, such as 500 or 2K",
        [TQ_TYPE_COUNT] = "a whole number",
        [TQ_TYPE_SPAN] = "a time span such as 90, 30min or 1h 30min",
        [TQ_TYPE_RATE] = "a rate such as 10/s, 100/min or 5/h",
        [TQ_TYPE_SLOTS] = "a whole number up to 1000000 or a share such as 25%",
        [TQ_TYPE_CPUSET] = "a list of CPUs such as 0-3,8",
};

const char *tq_limits_expected(TqKeyType type) {
        return type_words[type];
}

/* From text ----------------------------------------------------------------------------------- */

int tq_limits_parse_percent(const char *s, uint64_t *ret) {
        char digits[32];
        size_t n = strlen(s);

        if (n < 2 || n > sizeof(digits) || s[n - 1] != '%')
                return -EINVAL;
        memcpy(digits, s, n - 1);
        digits[n - 1] = '\0';
        /* 1 % is 0.01 cores: four decimals of a percent are millionths of a core. */
        return tq_parse_decimal(digits, 4, ret);
}

/* The unit is kept, since it says how many may come at once. */
static const struct {
        const char *unit;
        uint64_t per_hour;
} rate_units[] = { { "h", 1 }, { "min", 60 }, { "s", 3600 } };

#define RATE_UNIT_BITS 2

static int parse_rate(const char *s, uint64_t *ret) {
        const char *slash = strchr(s, '/');
        char digits[32];
        uint64_t v;
        int r;

        if (!slash || (size_t)(slash - s) >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, s, (size_t)(slash - s));
        digits[slash - s] = '\0';
        r = tq_parse_u64(digits, &v);
        if (r < 0)
                return r;
        for (size_t i = 0; i < TQ_ELEMENTSOF(rate_units); i++) {
                if (strcmp(slash + 1, rate_units[i].unit) != 0)
                        continue;
                if (__builtin_mul_overflow(v, rate_units[i].per_hour << RATE_UNIT_BITS, ret))
                        return -ERANGE;
                *ret |= i;
                return 0;
        }
        return -EINVAL;
}

static size_t rate_unit(uint64_t value) {
        return TQ_MIN(value & ((1 << RATE_UNIT_BITS) - 1), TQ_ELEMENTSOF(rate_units) - 1);
}

uint64_t tq_limits_rate(uint64_t value, uint64_t *ret_period_usec) {
        uint64_t per_hour = rate_units[rate_unit(value)].per_hour;

        *ret_period_usec = 3600 / per_hour * TQ_USEC_PER_SEC;
        return (value >> RATE_UNIT_BITS) / per_hour;
}

uint64_t tq_limits_rate_with(uint64_t value, uint64_t n) {
        uint64_t unit = rate_unit(value);

        return (n * rate_units[unit].per_hour << RATE_UNIT_BITS) | unit;
}

int tq_limits_parse_slots(const char *s, uint64_t *ret) {
        char digits[32];
        size_t n = strlen(s);
        uint64_t v;
        int r;

        if (n == 0 || n > sizeof(digits) || s[n - 1] != '%')
                return tq_parse_u64_in(s, 0, 1000000, ret);
        memcpy(digits, s, n - 1);
        digits[n - 1] = '\0';
        r = tq_parse_decimal(digits, 2, &v);
        if (r < 0)
                return r;
        if (v > 10000)
                return -ERANGE;
        *ret = TQ_SHARE | v;
        return 0;
}

uint64_t tq_limits_slots(uint64_t value, uint64_t total) {
        uint64_t share = value & (TQ_SHARE - 1);

        if (!(value & TQ_SHARE))
                return value;
        /* A share of what has no bound is none. */
        if (total == TQ_LIMIT_MAX)
                return 0;
        return (uint64_t)(((unsigned __int128)total * share + 9999) / 10000);
}

int tq_limits_parse_value(TqKeyType type, const char *s, uint64_t *ret) {
        switch (type) {
        case TQ_TYPE_CORES:
                return tq_parse_decimal(s, 6, ret);
        case TQ_TYPE_BYTES:
                return tq_parse_size(s, 1024, ret);
        case TQ_TYPE_BANDWIDTH:
        case TQ_TYPE_IOPS:
                return tq_parse_size(s, 1000, ret);
        case TQ_TYPE_WEIGHT:
        case TQ_TYPE_COUNT:
                return tq_parse_u64(s, ret);
        case TQ_TYPE_SPAN:
                return tq_parse_span(s, ret);
        case TQ_TYPE_RATE:
                return parse_rate(s, ret);
        case TQ_TYPE_SLOTS:
                return tq_limits_parse_slots(s, ret);
        case TQ_TYPE_CPUSET:
                break;
        }
        return -EINVAL;
}

/* "0-3,8": ascending ranges, each CPU below TQ_CPUS_MAX, at least one. */
int tq_limits_parse_cpus(const char *s, uint64_t ret_bits[TQ_CPUS_MAX / 64]) {
        uint64_t bits[TQ_CPUS_MAX / 64] = {};
        char piece[32];

        do {
                size_t n = strcspn(s, ",");
                uint64_t first, last;
                char *dash;

                if (n == 0 || n >= sizeof(piece))
                        return -EINVAL;
                memcpy(piece, s, n);
                piece[n] = '\0';
                dash = strchr(piece, '-');
                if (dash)
                        *dash = '\0';
                if (tq_parse_u64_in(piece, 0, TQ_CPUS_MAX - 1, &first) < 0)
                        return -EINVAL;
                last = first;
                if (dash && tq_parse_u64_in(dash + 1, first, TQ_CPUS_MAX - 1, &last) < 0)
                        return -EINVAL;
                for (uint64_t i = first; i <= last; i++)
                        bits[i / 64] |= UINT64_C(1) << (i % 64);
                s += n;
                if (*s == ',' && *++s == '\0')
                        return -EINVAL;
        } while (*s != '\0');
        memcpy(ret_bits, bits, sizeof(bits));
        return 0;
}

/* To text ------------------------------------------------------------------------------------- */

const char *tq_limits_format_slots(uint64_t value, char *buf, size_t size) {
        char percent[TQ_FORMAT_MAX];

        if (value & TQ_SHARE)
                (void)snprintf(
                        buf, size, "%s%%",
                        tq_format_decimal(value & (TQ_SHARE - 1), 2, percent, sizeof(percent)));
        else
                (void)snprintf(buf, size, "%" PRIu64, value);
        return buf;
}

static const char *format_rate(uint64_t value, char *buf, size_t size) {
        uint64_t period, n = tq_limits_rate(value, &period);

        (void)snprintf(buf, size, "%" PRIu64 "/%s", n, rate_units[rate_unit(value)].unit);
        return buf;
}

const char *tq_limits_format_value(TqKey key, uint64_t value, char *buf, size_t size) {
        if (tq_limits_keys[key].has_max && value == TQ_LIMIT_MAX) {
                (void)snprintf(buf, size, "max");
                return buf;
        }
        switch (tq_limits_keys[key].type) {
        case TQ_TYPE_CORES:
                return tq_format_decimal(value, 6, buf, size);
        case TQ_TYPE_BYTES:
                return tq_format_size(value, 1024, buf, size);
        case TQ_TYPE_BANDWIDTH:
        case TQ_TYPE_IOPS:
                return tq_format_size(value, 1000, buf, size);
        case TQ_TYPE_SPAN:
                return tq_format_span(value, buf, size);
        case TQ_TYPE_RATE:
                return format_rate(value, buf, size);
        case TQ_TYPE_SLOTS:
                return tq_limits_format_slots(value, buf, size);
        case TQ_TYPE_WEIGHT:
        case TQ_TYPE_COUNT:
        case TQ_TYPE_CPUSET:
                break;
        }
        (void)snprintf(buf, size, "%" PRIu64, value);
        return buf;
}

const char *tq_limits_format_cpus(const uint64_t bits[TQ_CPUS_MAX / 64], char *buf, size_t size) {
        size_t at = 0;

        buf[0] = '\0';
        for (unsigned i = 0; i < TQ_CPUS_MAX && at < size; i++) {
                unsigned first = i;

                if (!(bits[i / 64] >> (i % 64) & 1))
                        continue;
                while (i + 1 < TQ_CPUS_MAX && (bits[(i + 1) / 64] >> ((i + 1) % 64) & 1))
                        i++;
                at += (size_t)snprintf(buf + at, size - at, "%s%u", at > 0 ? "," : "", first);
                if (i > first && at < size)
                        at += (size_t)snprintf(buf + at, size - at, "-%u", i);
        }
        return buf;
}
