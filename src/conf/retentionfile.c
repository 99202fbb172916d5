/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/retentionfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/parse.h"

const TqRetentionKey tq_retentionfile_keys[] = {
        { "jobs_age", "how long ended jobs are kept" },
        { "jobs", "ended jobs that are kept of each tenant" },
        { "jobs_total", "ended jobs that are kept of all tenants" },
        { "jobs_kept",
          "dead letters, jobs with Keep= or a recent Key=, that are kept of each tenant" },
        { "jobs_bytes", "bytes of their job files and attempts that are kept of each tenant" },
        { "dead_age", "how long dead letters stay in their list" },
        { "events_age", "how long events are kept" },
        { "events", "events that are kept" },
        { "audit_age", "how long it is kept who changed what" },
        { "output_age", "how long output is kept" },
        { "output", "bytes of output that each tenant may have" },
        { "output_files", "files of output that each tenant may have" },
        { "output_total", "bytes of output that all tenants may have" },
        { "output_floor", "of the file system of the output, what stays free" },
        { "keep_max", "the most that a job's Keep= may ask for" },
        { "key_window", "how long a job's Key= stands for the same submission" },
};
const size_t tq_retentionfile_n_keys = TQ_ELEMENTSOF(tq_retentionfile_keys);

typedef enum Type { COUNT, SIZE, SPAN, PERCENT } Type;

static const struct {
        size_t offset;
        Type type;
        uint64_t min;
} fields[] = {
        { offsetof(TqRetention, jobs_age_usec), SPAN, 3600 * TQ_USEC_PER_SEC },
        { offsetof(TqRetention, jobs), COUNT, 0 },
        { offsetof(TqRetention, jobs_total), COUNT, 0 },
        { offsetof(TqRetention, jobs_kept), COUNT, 0 },
        { offsetof(TqRetention, jobs_bytes), SIZE, UINT64_C(1) << 20 },
        { offsetof(TqRetention, dead_age_usec), SPAN, 3600 * TQ_USEC_PER_SEC },
        { offsetof(TqRetention, events_age_usec), SPAN, 3600 * TQ_USEC_PER_SEC },
        { offsetof(TqRetention, events), COUNT, 100 },
        { offsetof(TqRetention, audit_age_usec), SPAN, 3600 * TQ_USEC_PER_SEC },
        { offsetof(TqRetention, output_age_usec), SPAN, 60 * TQ_USEC_PER_SEC },
        { offsetof(TqRetention, output_bytes), SIZE, UINT64_C(65536) },
        { offsetof(TqRetention, output_files), COUNT, 10 },
        { offsetof(TqRetention, output_total_bytes), SIZE, UINT64_C(1) << 20 },
        { offsetof(TqRetention, output_floor), PERCENT, 0 },
        { offsetof(TqRetention, keep_usec), SPAN, 0 },
        { offsetof(TqRetention, key_window_usec), SPAN, TQ_USEC_PER_SEC },
};
_Static_assert(TQ_ELEMENTSOF(fields) == TQ_ELEMENTSOF(tq_retentionfile_keys),
               "a field for each key");

static int parse(Type type, const char *value, uint64_t *ret) {
        char digits[16];
        size_t n = strlen(value);

        if (type != PERCENT && strcmp(value, "max") == 0) {
                *ret = UINT64_MAX;
                return 0;
        }
        if (type == COUNT)
                return tq_parse_u64_in(value, 0, UINT64_C(1) << 40, ret);
        if (type == SIZE)
                return tq_parse_size(value, 1024, ret);
        if (type == SPAN)
                return tq_parse_span(value, ret);
        if (n < 2 || n > sizeof(digits) || value[n - 1] != '%')
                return -EINVAL;
        memcpy(digits, value, n - 1);
        digits[n - 1] = '\0';
        return tq_parse_decimal(digits, 2, ret) < 0 || *ret > 10000 ? -EINVAL : 0;
}

static const char *expected(size_t i) {
        switch (fields[i].type) {
        case COUNT:
                return fields[i].min == 0     ? "a whole number, or max"
                       : fields[i].min == 100 ? "a whole number from 100, or max"
                                              : "a whole number from 10, or max";
        case SIZE:
                return fields[i].min == 65536 ? "a size from 64K, such as 1G, or max"
                                              : "a size from 1M, such as 50G, or max";
        case SPAN:
                return fields[i].min >= 3600 * TQ_USEC_PER_SEC
                               ? "a time span from 1h, such as 90d, or max"
                       : fields[i].min > TQ_USEC_PER_SEC
                               ? "a time span from 1min, such as 30d, or max"
                       : fields[i].min > 0 ? "a time span from 1s, such as 1d, or max"
                                           : "a time span such as 365d, or max";
        default:
                return "a share from 0% to 100%, such as 5%";
        }
}

static int unknown(const char *key, unsigned line, TqError *err) {
        const char *names[TQ_ELEMENTSOF(tq_retentionfile_keys)], *nearest;

        for (size_t i = 0; i < tq_retentionfile_n_keys; i++)
                names[i] = tq_retentionfile_keys[i].key;
        nearest = tq_parse_nearest(key, names, tq_retentionfile_n_keys);
        return tq_error_at(err, -EBADMSG, line, key, "unknown key in [history]%s%s%s",
                           nearest ? "; did you mean " : "", nearest ? nearest : "",
                           nearest ? "?" : "");
}

int tq_retentionfile_set(TqRetention *h, const char *key, const char *value, unsigned line,
                         TqError *err) {
        for (size_t i = 0; i < tq_retentionfile_n_keys; i++) {
                uint64_t v = 0;

                if (strcmp(tq_retentionfile_keys[i].key, key) != 0)
                        continue;
                if (parse(fields[i].type, value, &v) < 0 || v < fields[i].min)
                        return tq_error_at(err, -EBADMSG, line, key, "expected %s", expected(i));
                *(uint64_t *)(void *)((char *)h + fields[i].offset) = v;
                return 0;
        }
        return unknown(key, line, err);
}

static const char *format(Type type, uint64_t v, char *buf, size_t size) {
        if (type != PERCENT && v == UINT64_MAX)
                return "max";
        if (type == SPAN)
                return tq_format_span(v, buf, size);
        if (type == PERCENT)
                (void)snprintf(buf, size, "%" PRIu64 ".%02" PRIu64 "%%", v / 100, v % 100);
        else
                (void)snprintf(buf, size, "%" PRIu64, v);
        return buf;
}

void tq_retentionfile_print(const TqRetention *h, TqBuffer *out) {
        char text[TQ_FORMAT_MAX];
        uint64_t v;

        tq_buffer_append_string(out, "[history]\n");
        for (size_t i = 0; i < TQ_ELEMENTSOF(fields); i++) {
                memcpy(&v, (const char *)h + fields[i].offset, sizeof(v));
                tq_buffer_printf(out, "%s = %s\n", tq_retentionfile_keys[i].key,
                                 format(fields[i].type, v, text, sizeof(text)));
        }
}
