/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/jobfile.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "conf/reader.h"
#include "core/ids.h"

/* A job file → TqJobSpec. One row a key says how its value is checked and where it goes; a key
 * given twice, an unknown key and an unknown section are errors, since a silent winner is a
 * surprise. Keys without effect in this version are checked all the same, so that a file that is
 * accepted today will not be refused when they get their effect. */

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

static const char timestamp_form[] = "a time as YYYY-MM-DD HH:MM[:SS] [UTC]";

static int set_start_after(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = timestamp_form;
        return tq_parse_timestamp(value, &spec->start_after_usec) < 0 ? -EINVAL : 0;
}

static int set_stop_timeout(TqJobSpec *spec, const char *value, const char **ret_expected) {
        uint64_t v;

        *ret_expected = "a time span of at most 1h, such as 10s";
        if (tq_parse_span(value, &v) < 0 || v > 3600 * TQ_USEC_PER_SEC)
                return -EINVAL;
        spec->stop_timeout_usec = v;
        return 0;
}

static int set_correlation(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = "1 to 128 bytes";
        if (value[0] == '\0' || strlen(value) > 128)
                return -EINVAL;
        return set_string(&spec->correlation_id, value);
}

static int set_labels(TqJobSpec *spec, const char *value, const char **ret_expected) {
        TQ_FREE char **words = NULL;
        size_t n;
        int r;

        *ret_expected = "KEY=VALUE words, at most 64 of them and 1024 bytes";
        r = tq_parse_words(value, 64, &words, &n);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || strlen(value) > 1024)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (words[i][strcspn(words[i], "=")] != '=' || words[i][0] == '=')
                        return -EINVAL;
        return set_string(&spec->labels, value);
}

static int set_deadline(TqJobSpec *spec, const char *value, const char **ret_expected) {
        *ret_expected = timestamp_form;
        if (tq_parse_timestamp(value, &spec->deadline_usec) < 0)
                return -EINVAL;
        spec->has_deadline = true;
        return 0;
}

/* Numbers and names; each line adds some. */
static int set_after(TqJobSpec *spec, const char *value, const char **ret_expected) {
        TQ_BUFFER_CLEANUP TqBuffer all = {};
        TQ_FREE char **words = NULL;
        const char *text;
        size_t n;
        int r;

        *ret_expected = "numbers or names of jobs, at most 64 in all";
        tq_buffer_printf(&all, "%s%s%s", spec->after ? spec->after : "", spec->after ? " " : "",
                         value);
        text = tq_buffer_string(&all);
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
        free(spec->after);
        spec->after = NULL;
        return set_string(&spec->after, text);
}

/* Keys that have no effect yet: checked, kept in the stored file. */

static int check_one_of(const char *value, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(value, words[i]) == 0)
                        return 0;
        return -EINVAL;
}

static int check_on_lost(TqJobSpec *spec, const char *value, const char **ret_expected) {
        static const char *const words[] = { "fail", "requeue" };

        (void)spec;
        *ret_expected = "fail or requeue";
        return check_one_of(value, words, TQ_ELEMENTSOF(words));
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

static int check_attempts(TqJobSpec *spec, const char *value, const char **ret_expected) {
        uint64_t v;

        (void)spec;
        *ret_expected = "a whole number from 1 to 1000";
        return tq_parse_u64_in(value, 1, 1000, &v) < 0 ? -EINVAL : 0;
}

static int check_backoff(TqJobSpec *spec, const char *value, const char **ret_expected) {
        static const char *const words[] = { "fixed", "exponential" };

        (void)spec;
        *ret_expected = "fixed or exponential";
        return check_one_of(value, words, TQ_ELEMENTSOF(words));
}

static int check_span(TqJobSpec *spec, const char *value, const char **ret_expected) {
        uint64_t v;

        (void)spec;
        *ret_expected = "a time span such as 30s";
        return tq_parse_span(value, &v) < 0 ? -EINVAL : 0;
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

static const TqJobfileKey keys[] = {
        { "Job", "Name", false, true, set_name },
        { "Job", "ExecStart", false, true, set_exec },
        { "Job", "Queue", false, true, set_queue },
        { "Job", "WorkingDirectory", false, true, set_directory },
        { "Job", "Environment", true, true, set_environment },
        { "Job", "Priority", false, true, set_priority },
        { "Job", "StartAfter", false, true, set_start_after },
        { "Job", "Deadline", false, true, set_deadline },
        { "Job", "After", true, true, set_after },
        { "Job", "RuntimeMaxSec", false, true, set_runtime },
        { "Job", "TimeoutStopSec", false, true, set_stop_timeout },
        { "Job", "CorrelationId", false, true, set_correlation },
        { "Job", "Labels", false, true, set_labels },
        { "Job", "OnLost", false, false, check_on_lost },
        { "Sandbox", "Profile", false, true, set_profile },
        { "Sandbox", "PrivateNetwork", false, true, set_private_network },
        { "Sandbox", "PrivateTmp", false, true, set_private_tmp },
        { "Sandbox", "ReadWritePaths", true, true, set_read_write },
        { "Sandbox", "ReadOnlyPaths", true, true, set_read_only },
        { "Sandbox", "InaccessiblePaths", true, true, set_inaccessible },
        { "Sandbox", "BindPaths", true, true, set_bind },
        { "Retry", "MaxAttempts", false, false, check_attempts },
        { "Retry", "Backoff", false, false, check_backoff },
        { "Retry", "RestartSec", false, false, check_span },
        { "Retry", "RestartMaxSec", false, false, check_span },
};

static const char *const sections[] = { "Job", "Limits", "Sandbox", "Retry" };

typedef struct Parser {
        TqJobSpec spec;
        unsigned section_line[TQ_ELEMENTSOF(sections)];
        unsigned key_line[TQ_ELEMENTSOF(keys)];
        TqJobfileNote note;
        void *userdata;
} Parser;

const TqJobfileKey *tq_jobfile_keys(size_t *ret_n) {
        *ret_n = TQ_ELEMENTSOF(keys);
        return keys;
}

static void note(Parser *p, unsigned line, const char *key, const char *text) {
        if (p->note)
                p->note(p->userdata, line, key, text);
}

static int open_section(Parser *p, const char *section, unsigned line, TqError *err) {
        const char *nearest;

        for (size_t i = 0; i < TQ_ELEMENTSOF(sections); i++) {
                if (strcmp(sections[i], section) != 0)
                        continue;
                if (p->section_line[i] > 0)
                        return tq_error_at(err, -EBADMSG, line, NULL,
                                           "section [%s] a second time; it began on line %u",
                                           section, p->section_line[i]);
                p->section_line[i] = line;
                return 0;
        }
        if (strncmp(section, "X-", 2) == 0)
                return 0;
        nearest = tq_parse_nearest(section, sections, TQ_ELEMENTSOF(sections));
        return tq_error_at(err, -EBADMSG, line, NULL, "unknown section [%s]%s%s%s", section,
                           nearest ? "; did you mean [" : "", nearest ? nearest : "",
                           nearest ? "]?" : "; expected [Job], [Limits], [Sandbox] or [Retry]");
}

/* Whether two sets of limits speak of the same thing, by whatever names it was given. */
static bool overlap(const TqLimits *a, const TqLimits *b) {
        if (a->set & b->set)
                return true;
        for (uint32_t i = 0; i < a->n_io; i++)
                for (uint32_t k = 0; k < b->n_io; k++)
                        if (a->io[i].key == b->io[k].key &&
                            strcmp(a->io[i].device, b->io[k].device) == 0)
                                return true;
        return false;
}

static int set_limit(Parser *p, const char *key, const char *value, unsigned line, TqError *err) {
        TqKey k = tq_limits_find(key);
        bool is_synonym = k >= 0 && strcmp(tq_limits_keys[k].name, key) != 0;
        TqLimits one = {};
        int r;

        r = tq_limits_set(&one, key, value, TQ_SCOPE_JOB, true, line, err);
        if (r < 0)
                return r;
        if (overlap(&one, &p->spec.limits))
                return tq_error_at(
                        err, -EBADMSG, line, key, "given twice%s%s%s", is_synonym ? " (as " : "",
                        is_synonym ? tq_limits_keys[k].name : "", is_synonym ? " before)" : "");
        if (p->spec.limits.n_io + one.n_io > TQ_IO_DEVICES)
                return tq_error_at(err, -EBADMSG, line, key, "at most %d limits with @device",
                                   TQ_IO_DEVICES);
        (void)tq_limits_overlay(&p->spec.limits, &one);
        if (k >= 0)
                p->spec.limit_lines[k] = line;
        if (k >= 0 && !tq_limits_keys[k].has_effect)
                note(p, line, key, "has no effect in this version");
        return 0;
}

static int unknown_key(const char *section, const char *key, unsigned line, TqError *err) {
        const char *names[TQ_ELEMENTSOF(keys)], *nearest;
        size_t n = 0;

        for (size_t i = 0; i < TQ_ELEMENTSOF(keys); i++)
                if (strcmp(keys[i].section, section) == 0)
                        names[n++] = keys[i].key;
        nearest = tq_parse_nearest(key, names, n);
        return tq_error_at(err, -EBADMSG, line, key, "unknown key in [%s]%s%s%s", section,
                           nearest ? "; did you mean " : "", nearest ? nearest : "",
                           nearest ? "?" : "");
}

static int set_key(Parser *p, size_t i, const char *value, unsigned line, TqError *err) {
        const TqJobfileKey *row = &keys[i];
        const char *expected = "something else";
        int r;

        if (p->key_line[i] > 0 && !row->is_repeatable)
                return tq_error_at(err, -EBADMSG, line, row->key, "given twice; first on line %u",
                                   p->key_line[i]);
        p->key_line[i] = line;
        r = row->set(&p->spec, value, &expected);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return tq_error_at(err, -EBADMSG, line, row->key, "expected %s", expected);
        if (row->set == set_profile)
                p->spec.profile_line = line;
        if (row->set == set_runtime)
                p->spec.limit_lines[TQ_KEY_RUNTIME] = line;
        if (!row->has_effect)
                note(p, line, row->key, "has no effect in this version");
        return 0;
}

static int on_line(void *userdata, const char *section, const char *key, const char *value,
                   unsigned line, TqError *err) {
        Parser *p = userdata;

        if (!key)
                return open_section(p, section, line, err);
        if (strncmp(key, "X-", 2) == 0 || strncmp(section, "X-", 2) == 0)
                return 0;
        if (strcmp(section, "Limits") == 0)
                return set_limit(p, key, value, line, err);
        for (size_t i = 0; i < TQ_ELEMENTSOF(keys); i++)
                if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].key, key) == 0)
                        return set_key(p, i, value, line, err);
        return unknown_key(section, key, line, err);
}

/* The program's name, as far as it is UTF-8: the name goes into answers that must be. */
static int name_after_program(TqJobSpec *spec) {
        const char *slash = strrchr(spec->argv[0], '/');
        size_t n;
        char name[TQ_JOB_NAME_MAX + 1];

        (void)snprintf(name, sizeof(name), "%s", slash[1] ? slash + 1 : spec->argv[0]);
        n = strlen(name);
        while (n > 0 && !tq_parse_is_utf8(name, n))
                n--;
        name[n] = '\0';
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F)
                        name[i] = '?';
        return set_string(&spec->name, n > 0 ? name : "job");
}

static int complete(TqJobSpec *spec, TqError *err) {
        if (!spec->argv)
                return tq_error_at(err, -EBADMSG, 0, "ExecStart",
                                   "missing: expected ExecStart=/path/to/program in [Job]");
        if (spec->queue[0] == '\0')
                (void)snprintf(spec->queue, sizeof(spec->queue), "%s", TQ_QUEUE_DEFAULT);
        return spec->name ? 0 : name_after_program(spec);
}

int tq_jobfile_parse(const char *data, size_t size, TqJobSpec *ret, TqJobfileNote note_handler,
                     void *userdata, TqError *err) {
        Parser p = {
                .spec.stop_timeout_usec = TQ_JOB_STOP_USEC,
                .note = note_handler,
                .userdata = userdata,
        };
        int r;

        if (size > TQ_JOB_FILE_MAX)
                return tq_error(err, -E2BIG, "larger than %d bytes", TQ_JOB_FILE_MAX);
        r = tq_reader_parse(data, size, on_line, &p, err);
        if (r >= 0)
                r = complete(&p.spec, err);
        if (r < 0) {
                tq_jobspec_done(&p.spec);
                return r == -ENOMEM ? tq_error(err, r, "out of memory") : r;
        }
        *ret = p.spec;
        return 0;
}
