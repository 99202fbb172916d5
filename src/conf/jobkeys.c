/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/jobkeys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/parse.h"
#include "base/when.h"
#include "core/ids.h"

/* A setter returns 0, -EINVAL (with what it expected) or -ENOMEM. */

static int set_string(char **field, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

static int set_name(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a name of 1 to 128 bytes";
        if (value[0] == '\0' || strlen(value) > TQ_JOB_NAME_MAX)
                return -EINVAL;
        return set_string(&spec->name, value);
}

static int set_exec(TqJobSpec *spec, const char *value, const char **ret_expected) {
        TQ_FREE char **argv = NULL;
        size_t argc;
        int r;

        *ret_expected = "words with balanced quotes and known escapes";
        r = tq_parse_words(value, TQ_JOB_ARGS_MAX, &argv, &argc);
        if (r == -ERANGE)
                *ret_expected = "at most 4096 words";
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        *ret_expected = "an absolute path and its arguments (no shell is involved)";
        if (argc == 0 || argv[0][0] != '/')
                return -EINVAL;
        spec->argv = TQ_TAKE_PTR(argv);
        spec->argc = argc;
        return 0;
}

static int set_queue(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a queue's name: 1 to 48 of A-Z a-z 0-9 _ - .";
        if (!tq_ids_queue_is_valid(value))
                return -EINVAL;
        (void)snprintf(spec->queue, sizeof(spec->queue), "%s", value);
        return 0;
}

static int set_directory(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "an absolute path";
        if (value[0] != '/' || strlen(value) >= 4096)
                return -EINVAL;
        return set_string(&spec->working_directory, value);
}

static int add_environment(TqJobSpec *spec, const char *assignment) {
        char **list, *copy;

        list = (char **)realloc((void *)spec->environment,
                                (spec->n_environment + 1) * sizeof(*spec->environment));
        if (!list)
                return -ENOMEM;
        spec->environment = list;
        copy = strdup(assignment);
        if (!copy)
                return -ENOMEM;
        /* A later assignment stands over an earlier one, as in systemd. */
        for (size_t i = 0; i < spec->n_environment; i++)
                if (strncmp(list[i], copy, strcspn(copy, "=") + 1) == 0) {
                        free(list[i]);
                        list[i] = copy;
                        return 0;
                }
        list[spec->n_environment++] = copy;
        return 0;
}

static int set_environment(TqJobSpec *spec, const char *value, const char **ret_expected) {
        TQ_FREE char **words = NULL;
        size_t n;
        int r;

        *ret_expected = "NAME=VALUE, quoted if it has blanks";
        r = tq_parse_words(value, TQ_JOB_ENV_MAX, &words, &n);
        if (r == -ERANGE)
                *ret_expected = "at most 1024 variables";
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        for (size_t i = 0; i < n; i++) {
                size_t length = strcspn(words[i], "=");

                if (words[i][length] != '=' || !tq_jobspec_env_name_is_valid(words[i], length))
                        return -EINVAL;
                if (tq_jobspec_env_is_reserved(words[i], length)) {
                        *ret_expected = "a name that is not reserved (TENANTQ_*, NOTIFY_SOCKET, "
                                        "LISTEN_*, …)";
                        return -EINVAL;
                }
                if (spec->n_environment >= TQ_JOB_ENV_MAX) {
                        *ret_expected = "at most 1024 variables";
                        return -EINVAL;
                }
                r = add_environment(spec, words[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int set_priority(TqJobSpec *spec, const char *value, const char **ret_expected) {
        int64_t v;

        *ret_expected = "a whole number from -100 to 100";
        if (tq_parse_i64_in(value, -TQ_JOB_PRIORITY_MAX, TQ_JOB_PRIORITY_MAX, &v) < 0)
                return -EINVAL;
        spec->priority = (int)v;
        return 0;
}

/* From when on the file is read: of a job that is taken, its submission. What counts later is the
 * ledger's. */
static int set_time(const char *value, uint64_t *ret, const char **ret_expected) {
        *ret_expected = TQ_WHEN_FORM;
        return tq_when_parse(value, tq_clock_realtime_usec(), true, ret) < 0 ? -EINVAL : 0;
}

static int set_start_after(TqJobSpec *spec, const char *value, const char **ret_expected) {
        return set_time(value, &spec->start_after_usec, ret_expected);
}

static int set_stop_timeout(TqJobSpec *spec, const char *value, const char **ret_expected) {
        uint64_t v;

        *ret_expected = "a time span of at most 1h, such as 10s";
        if (tq_parse_span(value, &v) < 0 || v > 3600 * TQ_USEC_PER_SEC)
                return -EINVAL;
        spec->stop_timeout_usec = v;
        return 0;
}

/* What it goes into has words only: a line of a log, a header, a query. */
static int set_correlation(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a word of 1 to 128 characters of ASCII, without blanks";
        if (value[0] == '\0' || strlen(value) > 128)
                return -EINVAL;
        for (const char *c = value; *c; c++)
                if (*c <= ' ' || *c > '~')
                        return -EINVAL;
        return set_string(&spec->correlation_id, value);
}

static int set_trace(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a traceparent of W3C Trace Context: 00-, 32, 16 and 2 hexadecimal digits";
        return tq_jobspec_trace_is_valid(value) ? set_string(&spec->trace_parent, value) : -EINVAL;
}

static int set_submission_key(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "1 to 128 bytes";
        if (value[0] == '\0' || strlen(value) > 128)
                return -EINVAL;
        return set_string(&spec->key, value);
}

/* What can be shown: escapes of a quoted word may say anything. */
static bool is_shown(const char *text) {
        size_t n = strlen(text);

        while (n > 0) {
                ssize_t step = tq_format_printable(text, n);

                if (step <= 0)
                        return false;
                text += step;
                n -= (size_t)step;
        }
        return true;
}

/* Of keys that can be repeated: what the lines before have said, too. NULL: out of memory. */
static const char *join(TqBuffer *all, const char *before, const char *value) {
        tq_buffer_printf(all, "%s%s%s", before ? before : "", before ? " " : "", value);
        return tq_buffer_string(all);
}

/* Keys as Prometheus takes them (Data model, "Metric names and labels"), those of its own left out.
 */
static int check_labels(char *const words[], size_t n, const char **ret_expected) {
        for (size_t i = 0; i < n; i++) {
                size_t length = strcspn(words[i], "=");

                if (words[i][length] != '=')
                        return -EINVAL;
                *ret_expected = "KEY=VALUE words, with a KEY of A-Z a-z 0-9 _ that does not begin "
                                "with a digit or __, and a VALUE without control characters";
                if (!tq_jobspec_env_name_is_valid(words[i], length) ||
                    strncmp(words[i], "__", 2) == 0 || !is_shown(words[i]))
                        return -EINVAL;
                *ret_expected = "each KEY once";
                for (size_t j = 0; j < i; j++)
                        if (strncmp(words[j], words[i], length + 1) == 0)
                                return -EINVAL;
                *ret_expected = "KEY=VALUE words";
        }
        return 0;
}

static int set_labels(TqJobSpec *spec, const char *value, const char **ret_expected) {
        TQ_BUFFER_CLEANUP TqBuffer all = {};
        const char *text = join(&all, spec->labels, value);
        TQ_FREE char **words = NULL;
        size_t n;
        int r;

        if (!text)
                return -ENOMEM;
        *ret_expected = "KEY=VALUE words, at most 64 of them and 1024 bytes";
        r = tq_parse_words(text, TQ_JOB_LABELS_MAX, &words, &n);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || strlen(text) > 1024)
                return -EINVAL;
        r = check_labels(words, n, ret_expected);
        return r < 0 ? r : set_string(&spec->labels, text);
}

static int add_tie(TqJobSpec *spec, TqJobTie kind, const char *name) {
        char **list = (char **)reallocarray((void *)spec->ties, spec->n_ties + 1, sizeof(*list));

        if (!list)
                return -ENOMEM;
        spec->ties = list;
        if (asprintf(&list[spec->n_ties], "%c%s", kind, name) < 0)
                return -ENOMEM;
        spec->n_ties++;
        return 0;
}

static int set_parent(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a job's number or name, or another text of 1 to 255 bytes";
        if (value[0] == '\0' || strlen(value) > TQ_JOB_TIE_NAME_MAX)
                return -EINVAL;
        return add_tie(spec, TQ_JOB_TIE_PARENT, value);
}

static bool has_tie(const TqJobSpec *spec, TqJobTie kind, const char *name) {
        for (size_t i = 0; i < spec->n_ties; i++)
                if (spec->ties[i][0] == (char)kind && strcmp(spec->ties[i] + 1, name) == 0)
                        return true;
        return false;
}

static int add_ties(TqJobSpec *spec, TqJobTie kind, const char *value, const char **ret_expected) {
        TQ_FREE char **words = NULL;
        size_t n, before = 0;
        int r;

        *ret_expected = "names of 1 to 255 bytes without control characters, at most 32 in all";
        r = tq_parse_words(value, TQ_JOB_TIES_MAX, &words, &n);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || n == 0)
                return -EINVAL;
        for (size_t i = 0; i < spec->n_ties; i++)
                before += spec->ties[i][0] == (char)kind;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (words[i][0] == '\0' || strlen(words[i]) > TQ_JOB_TIE_NAME_MAX ||
                    !is_shown(words[i]))
                        return -EINVAL;
                if (has_tie(spec, kind, words[i]))
                        continue;
                r = before++ < TQ_JOB_TIES_MAX ? add_tie(spec, kind, words[i]) : -EINVAL;
        }
        return r;
}

static int set_inputs(TqJobSpec *spec, const char *value, const char **ret_expected) {
        return add_ties(spec, TQ_JOB_TIE_INPUT, value, ret_expected);
}

static int set_outputs(TqJobSpec *spec, const char *value, const char **ret_expected) {
        return add_ties(spec, TQ_JOB_TIE_OUTPUT, value, ret_expected);
}

static int set_deadline(TqJobSpec *spec, const char *value, const char **ret_expected) {
        spec->has_deadline = true;
        return set_time(value, &spec->deadline_usec, ret_expected);
}

/* Numbers and names; each line adds some. */
static int set_after(TqJobSpec *spec, const char *value, const char **ret_expected) {
        TQ_BUFFER_CLEANUP TqBuffer all = {};
        TQ_FREE char **words = NULL;
        const char *text;
        uint64_t number;
        size_t n;
        int r;

        *ret_expected = "numbers or names of jobs, at most 64 in all";
        text = join(&all, spec->after, value);
        if (!text)
                return -ENOMEM;
        r = tq_parse_words(text, TQ_JOB_AFTER_MAX, &words, &n);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || n == 0 || strpbrk(value, "\"'\\"))
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (words[i][0] == '\0' || strlen(words[i]) > TQ_JOB_NAME_MAX)
                        return -EINVAL;
        /* No job's number is meant, and none's name could be. */
        *ret_expected = "a job's number to be one from 1";
        for (size_t i = 0; i < n; i++)
                if (words[i][strspn(words[i], "0123456789")] == '\0' &&
                    tq_parse_u64_in(words[i], 1, INT64_MAX, &number) < 0)
                        return -EINVAL;
        free(spec->after);
        spec->after = NULL;
        return set_string(&spec->after, text);
}

/* Whether its tenant may have it is known where the tenant is. */
static int set_profile(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a profile's name, such as strict or no-network";
        if (!tq_profile_name_is_valid(value))
                return -EINVAL;
        (void)snprintf(spec->profile, sizeof(spec->profile), "%s", value);
        return 0;
}

static int set_private_network(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "yes or no";
        return tq_parse_bool(value, &spec->private_network);
}

static int set_private_tmp(TqJobSpec *spec, const char *value, const char **ret_expected) {
        bool v = false;

        (void)spec;
        *ret_expected = "yes: each job has a /tmp of its own";
        return tq_parse_bool(value, &v) < 0 || !v ? -EINVAL : 0;
}

/* "/a", or "/a:/b" where both are to be said. */
static bool is_path(const char *word, bool is_pair) {
        const char *colon = strchr(word, ':');

        if (word[0] != '/' || strlen(word) >= 4096)
                return false;
        return !is_pair || !colon || (colon[1] == '/' && !strchr(colon + 1, ':'));
}

static int add_paths(TqJobSpec *spec, TqJobPath kind, const char *value,
                     const char **ret_expected) {
        TQ_FREE char **words = NULL;
        size_t n;
        int r;

        *ret_expected = kind == TQ_JOB_PATH_BIND ? "absolute paths, or PATH:PATH, at most 64 in all"
                                                 : "absolute paths, at most 64 in all";
        r = tq_parse_words(value, TQ_JOB_PATHS_MAX, &words, &n);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || n == 0 || spec->n_paths + n > TQ_JOB_PATHS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (!is_path(words[i], kind == TQ_JOB_PATH_BIND))
                        return -EINVAL;
        /* Over its own root nothing can be mounted. */
        for (size_t i = 0; i < n && kind != TQ_JOB_PATH_BIND; i++)
                if (words[i][strspn(words[i], "/.")] == '\0') {
                        *ret_expected = "paths below /, such as /srv: / itself can't be changed";
                        return -EINVAL;
                }
        for (size_t i = 0; i < n; i++) {
                char **list = (char **)reallocarray((void *)spec->paths, spec->n_paths + 1,
                                                    sizeof(*list));

                if (!list)
                        return -ENOMEM;
                spec->paths = list;
                if (asprintf(&list[spec->n_paths], "%c%s", kind, words[i]) < 0)
                        return -ENOMEM;
                spec->n_paths++;
        }
        return 0;
}

static int set_read_write(TqJobSpec *spec, const char *value, const char **ret_expected) {
        return add_paths(spec, TQ_JOB_PATH_READ_WRITE, value, ret_expected);
}

static int set_read_only(TqJobSpec *spec, const char *value, const char **ret_expected) {
        return add_paths(spec, TQ_JOB_PATH_READ_ONLY, value, ret_expected);
}

static int set_inaccessible(TqJobSpec *spec, const char *value, const char **ret_expected) {
        return add_paths(spec, TQ_JOB_PATH_INACCESSIBLE, value, ret_expected);
}

static int set_bind(TqJobSpec *spec, const char *value, const char **ret_expected) {
        return add_paths(spec, TQ_JOB_PATH_BIND, value, ret_expected);
}

static int set_attempts(TqJobSpec *spec, const char *value, const char **ret_expected) {
        uint64_t v;

        *ret_expected = "a whole number from 1 to 1000";
        if (tq_parse_u64_in(value, 1, TQ_RETRY_ATTEMPTS_MAX, &v) < 0)
                return -EINVAL;
        spec->retry.max_attempts = (unsigned)v;
        return 0;
}

static int set_backoff(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "fixed or exponential";
        spec->retry.is_exponential = strcmp(value, "exponential") == 0;
        return spec->retry.is_exponential || strcmp(value, "fixed") == 0 ? 0 : -EINVAL;
}

static int set_delay(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a time span such as 30s";
        return tq_parse_span(value, &spec->retry.delay_usec) < 0 ? -EINVAL : 0;
}

static int set_max_delay(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a time span such as 1h";
        return tq_parse_span(value, &spec->retry.max_delay_usec) < 0 ? -EINVAL : 0;
}

static const char ends_form[] = "exit, signal, oom, timeout, stalled, seccomp, spawn, lost, exit "
                                "codes such as 75 or 1-3, or signals such as TERM";

static int set_retry_on(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = ends_form;
        return tq_retry_parse_ends(value, &spec->retry.on);
}

static int set_no_retry_on(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = ends_form;
        return tq_retry_parse_ends(value, &spec->retry.never);
}

static int set_keep(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "a time span such as 90d";
        return tq_parse_span(value, &spec->keep_usec) < 0 || spec->keep_usec == 0 ? -EINVAL : 0;
}

static int set_on_lost(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "fail or requeue";
        if (strcmp(value, "requeue") == 0)
                spec->repeats_lost = true;
        return spec->repeats_lost || strcmp(value, "fail") == 0 ? 0 : -EINVAL;
}

static int set_input(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "null or client";
        spec->has_input = strcmp(value, "client") == 0;
        return spec->has_input || strcmp(value, "null") == 0 ? 0 : -EINVAL;
}

static int set_runtime(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "it only once: [Limits] has set it already";
        if (tq_limits_has(&spec->limits, TQ_KEY_RUNTIME))
                return -EINVAL;
        *ret_expected = "a time span such as 90, 30min or 1h 30min, or infinity";
        return tq_limits_set(&spec->limits, "RuntimeMaxSec", value, TQ_SCOPE_JOB, false, 0, NULL) <
                               0
                       ? -EINVAL
                       : 0;
}

const TqJobfileKey tq_jobfile_keys[] = {
        { "Job", "Name", false, set_name, "what it is called in lists; After= waits for names" },
        { "Job", "ExecStart", false, set_exec,
          "the program, by its absolute path, and its arguments; no shell" },
        { "Job", "Queue", false, set_queue, "the queue of its tenant that it waits in" },
        { "Job", "WorkingDirectory", false, set_directory, "where it starts" },
        { "Job", "StandardInput", false, set_input,
          "what it reads: nothing, or what its client gives it while it runs" },
        { "Job", "Environment", true, set_environment, "variables NAME=VALUE" },
        { "Job", "Priority", false, set_priority,
          "before others of its queue: -100 to 100, larger is sooner" },
        { "Job", "StartAfter", false, set_start_after,
          "not before that time, or so long after it was accepted" },
        { "Job", "Deadline", false, set_deadline, "it ends unrun if it has not started by then" },
        { "Job", "After", true, set_after,
          "jobs that have to have ended before: names or numbers" },
        { "Job", "RuntimeMaxSec", false, set_runtime, "how long each attempt may run" },
        { "Job", "TimeoutStopSec", false, set_stop_timeout, "from SIGTERM to SIGKILL" },
        { "Job", "CorrelationId", false, set_correlation, "a word that stays with the job" },
        { "Job", "Labels", true, set_labels, "words KEY=VALUE that stay with the job" },
        { "Job", "TraceParent", false, set_trace, "the span of a trace that it is a part of" },
        { "Job", "Parent", false, set_parent,
          "a note of what it comes of: a job's number or name, or another text" },
        { "Job", "Inputs", true, set_inputs, "a note of what it takes: names" },
        { "Job", "Outputs", true, set_outputs, "a note of what it makes: names" },
        { "Job", "Key", false, set_submission_key, "the same submission twice is one job" },
        { "Job", "OnLost", false, set_on_lost, "what becomes of an attempt whose end nobody saw" },
        { "Job", "Keep", false, set_keep, "how long it is kept in the history at least" },
        { "Sandbox", "Profile", false, set_profile, "what system calls it may make" },
        { "Sandbox", "PrivateNetwork", false, set_private_network,
          "nothing of its network but a loopback" },
        { "Sandbox", "PrivateTmp", false, set_private_tmp, "a /tmp of its own" },
        { "Sandbox", "ReadWritePaths", true, set_read_write,
          "what it may write, of what its tenant may" },
        { "Sandbox", "ReadOnlyPaths", true, set_read_only, "what it may only read" },
        { "Sandbox", "InaccessiblePaths", true, set_inaccessible, "what it finds empty" },
        { "Sandbox", "BindPaths", true, set_bind, "a path of the host at another place" },
        { "Retry", "MaxAttempts", false, set_attempts, "how often it is started at most" },
        { "Retry", "Backoff", false, set_backoff,
          "whether the delay between attempts grows: fixed or exponential" },
        { "Retry", "RestartSec", false, set_delay, "the delay before the second attempt" },
        { "Retry", "RestartMaxSec", false, set_max_delay, "the longest delay that grows" },
        { "Retry", "RetryOn", false, set_retry_on, "which failures are tried again" },
        { "Retry", "NoRetryOn", false, set_no_retry_on, "which of these are not" },
};

const size_t tq_jobfile_n_keys = TQ_ELEMENTSOF(tq_jobfile_keys);
static_assert(TQ_ELEMENTSOF(tq_jobfile_keys) <= TQ_JOBFILE_KEYS_MAX);
