/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/jobspec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

void tq_jobspec_done(TqJobSpec *spec) {
        free(spec->name);
        free((void *)spec->argv);
        for (size_t i = 0; i < spec->n_environment; i++)
                free(spec->environment[i]);
        free((void *)spec->environment);
        for (size_t i = 0; i < spec->n_paths; i++)
                free(spec->paths[i]);
        free((void *)spec->paths);
        free(spec->working_directory);
        free(spec->correlation_id);
        free(spec->key);
        free(spec->labels);
        free(spec->trace_parent);
        for (size_t i = 0; i < spec->n_ties; i++)
                free(spec->ties[i]);
        free((void *)spec->ties);
        free(spec->after);
        *spec = (TqJobSpec){};
}

bool tq_jobspec_env_is_reserved(const char *name, size_t n) {
        static const char *const reserved[] = {
                "NOTIFY_SOCKET", "LISTEN_FDS",     "LISTEN_PID",   "LISTEN_FDNAMES",
                "INVOCATION_ID", "JOURNAL_STREAM", "WATCHDOG_PID", "WATCHDOG_USEC",
                "MAINPID",       "MANAGERPID",
        };

        if (n >= 8 && strncmp(name, "TENANTQ_", 8) == 0)
                return true;
        for (size_t i = 0; i < TQ_ELEMENTSOF(reserved); i++)
                if (strlen(reserved[i]) == n && strncmp(name, reserved[i], n) == 0)
                        return true;
        return false;
}

bool tq_jobspec_env_name_is_valid(const char *name, size_t n) {
        for (size_t i = 0; i < n; i++) {
                char c = name[i];
                bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

                if (!letter && !(i > 0 && c >= '0' && c <= '9'))
                        return false;
        }
        return n > 0;
}

/* n digits, not all of them 0. */
static bool is_number(const char *text, size_t n) {
        return strspn(text, "0123456789abcdef") == n && strspn(text, "0") < n;
}

bool tq_jobspec_trace_is_valid(const char *text) {
        return strlen(text) == TQ_JOB_TRACE_SIZE && strncmp(text, "00-", 3) == 0 &&
               is_number(text + 3, 32) && text[35] == '-' && is_number(text + 36, 16) &&
               text[52] == '-' && strspn(text + 53, "0123456789abcdef") == 2;
}

static bool is_overridden(const TqJobSpec *spec, const char *assignment) {
        size_t n = strcspn(assignment, "=") + 1;

        for (size_t i = 0; i < spec->n_environment; i++)
                if (strncmp(spec->environment[i], assignment, n) == 0)
                        return true;
        return false;
}

static void add_default(const TqJobSpec *spec, TqBuffer *strings, uint32_t *count, const char *name,
                        const char *value) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        const char *assignment;

        tq_buffer_printf(&text, "%s=%s", name, value);
        assignment = tq_buffer_string(&text);
        if (!assignment) {
                strings->error = -ENOMEM;
                return;
        }
        if (is_overridden(spec, assignment))
                return;
        tq_buffer_append(strings, assignment, text.size + 1);
        (*count)++;
}

/* What follows the job wherever it goes. */
static void add_trail(const TqJobSpec *spec, TqBuffer *strings, uint32_t *count) {
        TQ_FREE char **words = NULL;
        size_t n = 0;
        int r;

        if (spec->correlation_id)
                add_default(spec, strings, count, "TENANTQ_CORRELATION_ID", spec->correlation_id);
        if (spec->trace_parent)
                add_default(spec, strings, count, "TRACEPARENT", spec->trace_parent);
        if (!spec->labels)
                return;
        r = tq_parse_words(spec->labels, TQ_JOB_LABELS_MAX, &words, &n);
        if (r < 0)
                strings->error = r;
        for (size_t i = 0; i < n; i++) {
                tq_buffer_append_string(strings, "TENANTQ_LABEL_");
                tq_buffer_append(strings, words[i], strlen(words[i]) + 1);
                (*count)++;
        }
}

static void encode_paths(const TqJobSpec *spec, TqBuffer *strings) {
        static const char order[] = { TQ_JOB_PATH_BIND, TQ_JOB_PATH_READ_WRITE,
                                      TQ_JOB_PATH_READ_ONLY, TQ_JOB_PATH_INACCESSIBLE };

        for (size_t k = 0; k < sizeof(order); k++)
                for (size_t i = 0; i < spec->n_paths; i++)
                        if (spec->paths[i][0] == order[k])
                                tq_buffer_append(strings, spec->paths[i],
                                                 strlen(spec->paths[i]) + 1);
}

int tq_jobspec_encode(const TqJobSpec *spec, const TqJobIdentity *who, TqBuffer *ret) {
        TQ_BUFFER_CLEANUP TqBuffer strings = {};
        uint32_t counts[3] = { (uint32_t)spec->argc, 0, (uint32_t)spec->n_paths };
        char number[24];

        if (spec->working_directory)
                tq_buffer_append_string(&strings, spec->working_directory);
        else
                tq_buffer_printf(&strings, "-%s", who->home ? who->home : "/");
        tq_buffer_append(&strings, "", 1);
        for (size_t i = 0; i < spec->argc; i++)
                tq_buffer_append(&strings, spec->argv[i], strlen(spec->argv[i]) + 1);

        add_default(spec, &strings, &counts[1], "PATH",
                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        add_default(spec, &strings, &counts[1], "HOME", who->home ? who->home : "/");
        if (who->user) {
                add_default(spec, &strings, &counts[1], "USER", who->user);
                add_default(spec, &strings, &counts[1], "LOGNAME", who->user);
        }
        add_default(spec, &strings, &counts[1], "SHELL", "/bin/sh");
        add_default(spec, &strings, &counts[1], "LANG", "C.UTF-8");
        (void)snprintf(number, sizeof(number), "%" PRIu64, who->id);
        add_default(spec, &strings, &counts[1], "TENANTQ_JOB", number);
        (void)snprintf(number, sizeof(number), "%u", who->attempt);
        add_default(spec, &strings, &counts[1], "TENANTQ_ATTEMPT", number);
        add_default(spec, &strings, &counts[1], "TENANTQ_TENANT", who->tenant);
        add_default(spec, &strings, &counts[1], "TENANTQ_QUEUE", spec->queue);
        add_trail(spec, &strings, &counts[1]);
        for (size_t i = 0; i < spec->n_environment; i++, counts[1]++)
                tq_buffer_append(&strings, spec->environment[i], strlen(spec->environment[i]) + 1);

        encode_paths(spec, &strings);

        tq_buffer_append(ret, counts, sizeof(counts));
        tq_buffer_append(ret, strings.data, strings.size);
        return strings.error < 0 ? strings.error : tq_buffer_error(ret);
}
