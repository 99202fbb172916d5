/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "sim/workload.h"

/* https://www.cs.huji.ac.il/labs/parallel/workload/swf.html: fields are integers (some traces have
 * decimals in the sixth), -1 where nothing is known; lines that begin with ; are comments. */
enum {
        JOB = 0,
        SUBMIT = 1,
        RUN = 3,
        PROCESSORS = 4,
        REQUESTED_PROCESSORS = 7,
        REQUESTED_TIME = 8,
        USER = 11,
        EXECUTABLE = 13,
        FIELDS = 18,
};

#define SECONDS_MAX INT64_C(100000000000) /* three thousand years */

/* One number; a fraction is cut off. Returns what follows it, or NULL. */
static const char *read_number(const char *s, const char *end, int64_t *ret) {
        char digits[24];
        size_t n = 0;

        while (s < end && isblank((unsigned char)*s))
                s++;
        while (s < end && n < sizeof(digits) - 1 &&
               (isdigit((unsigned char)*s) || (n == 0 && *s == '-')))
                digits[n++] = *s++;
        digits[n] = '\0';
        if (s < end && *s == '.')
                for (s++; s < end && isdigit((unsigned char)*s); s++)
                        ;
        if (s < end && !isspace((unsigned char)*s))
                return NULL;
        return tq_parse_i64_in(digits, INT64_MIN / 2, INT64_MAX / 2, ret) < 0 ? NULL : s;
}

static int add_job(TqWorkload *w, const int64_t *f, size_t *skipped) {
        char name[32];
        TqSimJob job = { .bound_usec = TQ_LIMIT_MAX };
        int64_t processors = f[PROCESSORS] > 0             ? f[PROCESSORS]
                             : f[REQUESTED_PROCESSORS] > 0 ? f[REQUESTED_PROCESSORS]
                                                           : 1;
        int r;

        if (f[RUN] < 0) {
                (*skipped)++;
                return 0;
        }
        if (f[EXECUTABLE] > 0) {
                (void)snprintf(name, sizeof(name), "%" PRIi64, f[EXECUTABLE]);
                job.name = tq_scheduler_name(name);
        }
        job.submit_usec = (uint64_t)TQ_MAX(f[SUBMIT], INT64_C(0)) * TQ_USEC_PER_SEC;
        job.run_usec = (uint64_t)f[RUN] * TQ_USEC_PER_SEC;
        if (__builtin_mul_overflow(job.run_usec, (uint64_t)processors, &job.cpu_usec))
                job.cpu_usec = UINT64_MAX / 2;
        /* Batch systems end a job at its request; a trace that says that it ran longer is right. */
        if (f[REQUESTED_TIME] > 0)
                job.bound_usec = (uint64_t)TQ_MAX(f[REQUESTED_TIME], f[RUN]) * TQ_USEC_PER_SEC + 1;
        (void)snprintf(name, sizeof(name), "u%" PRIi64, f[USER]);
        r = tq_workload_tenant(w, name, &job.tenant);
        if (r >= 0)
                r = tq_workload_queue(w, TQ_QUEUE_DEFAULT, &job.queue);
        return r < 0 ? r : tq_workload_add(w, &job);
}

static int read_line(TqWorkload *w, const char *line, const char *end, unsigned number,
                     size_t *skipped, TqError *err) {
        int64_t fields[FIELDS];
        const char *s = line;

        while (s < end && isspace((unsigned char)*s))
                s++;
        if (s == end || *s == ';' || *s == '#')
                return 0;
        for (int i = 0; i < FIELDS; i++) {
                s = read_number(s, end, &fields[i]);
                if (!s)
                        return tq_error_at(err, -EBADMSG, number, NULL,
                                           "field %d: expected 18 numbers in a line (Standard "
                                           "Workload Format)",
                                           i + 1);
        }
        if (fields[RUN] > SECONDS_MAX || fields[SUBMIT] > SECONDS_MAX ||
            fields[REQUESTED_TIME] > SECONDS_MAX)
                return tq_error_at(err, -EBADMSG, number, NULL,
                                   "expected submission, run and requested time below 1e11 "
                                   "seconds");
        return add_job(w, fields, skipped);
}

int tq_workload_parse_swf(TqWorkload *w, const char *data, size_t size, size_t *ret_skipped,
                          TqError *err) {
        const char *end = data + size;
        unsigned number = 0;

        *ret_skipped = 0;
        while (data < end) {
                const char *newline = memchr(data, '\n', (size_t)(end - data));
                const char *stop = newline ? newline : end;
                int r = read_line(w, data, stop, ++number, ret_skipped, err);

                if (r < 0)
                        return r == -ENOMEM ? tq_error_errno(err, r, "can't keep the trace") : r;
                data = stop + 1;
        }
        tq_workload_sort(w);
        return 0;
}
