/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/trail.h"

#include <string.h>

#include "base/buffer.h"
#include "base/format.h"
#include "base/parse.h"
#include "core/jobspec.h"

static void put(TqBuffer *b, const char *name, const char *value) {
        char shown[4 * 1024 + 1];

        tq_buffer_printf(b, "%s=%s", name, tq_format_shown(value, shown, sizeof(shown)));
        tq_buffer_append(b, "", 1);
}

/* Several fields of one name, so that journalctl TENANTQ_LABEL=team=billing finds it. */
static int put_labels(TqBuffer *b, const char *labels) {
        TQ_FREE char **words = NULL;
        size_t n = 0;
        int r = tq_parse_words(labels, TQ_JOB_LABELS_MAX, &words, &n);

        for (size_t i = 0; r >= 0 && i < n; i++)
                put(b, "TENANTQ_LABEL", words[i]);
        return r == -ENOMEM ? r : 0;
}

char *tq_trail_copy(const char *trail) {
        const char *end = trail;
        char *copy;

        if (!trail)
                return NULL;
        while (*end)
                end += strlen(end) + 1;
        copy = malloc((size_t)(end - trail) + 1);
        return copy ? memcpy(copy, trail, (size_t)(end - trail) + 1) : NULL;
}

int tq_trail_new(const char *correlation_id, const char *labels, const char *trace_parent,
                 char **ret) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        int r = 0;

        if (correlation_id)
                put(&b, "TENANTQ_CORRELATION_ID", correlation_id);
        if (trace_parent && tq_jobspec_trace_is_valid(trace_parent)) {
                tq_buffer_printf(&b, "TENANTQ_TRACE_ID=%.32s", trace_parent + strlen("00-"));
                tq_buffer_append(&b, "", 1);
        }
        if (labels)
                r = put_labels(&b, labels);
        if (r >= 0)
                r = tq_buffer_error(&b);
        *ret = NULL;
        if (r < 0 || b.size == 0)
                return r;
        tq_buffer_append(&b, "", 1);
        if (tq_buffer_error(&b) < 0)
                return -ENOMEM;
        /* There may be many that wait: no more than it needs. */
        *ret = tq_trail_copy(tq_buffer_string(&b));
        return *ret ? 0 : -ENOMEM;
}
