/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/jobfile.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "conf/jobkeys.h"
#include "conf/reader.h"

/* A job file → TqJobSpec: what stands where, and what all of it comes to. A key given twice, an
 * unknown key and an unknown section are errors, since a silent winner is a surprise. */

static const char *const sections[] = { "Job", "Limits", "Sandbox", "Retry" };
enum { SECTION_RETRY = 3 };

typedef struct Parser {
        TqJobSpec spec;
        unsigned section_line[TQ_ELEMENTSOF(sections)];
        unsigned key_line[TQ_JOBFILE_KEYS_MAX];
        TqJobfileNote note;
        void *userdata;
} Parser;

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

const char *tq_jobfile_section(const char *key) {
        char name[32];
        TqKey limit;

        /* io_write@/dev/vda */
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(key, "@"), key);
        for (size_t i = 0; i < tq_jobfile_n_keys; i++)
                if (strcmp(tq_jobfile_keys[i].key, key) == 0)
                        return tq_jobfile_keys[i].section;
        limit = tq_limits_find(name);
        return limit >= 0 && tq_limits_keys[limit].scopes & TQ_SCOPE_JOB ? "Limits" : NULL;
}

static bool is_of_another(const char *key) {
        const char *section = tq_jobfile_section(key);

        return section && strcmp(section, "Limits") != 0;
}

static int unknown_key(const char *section, const char *key, unsigned line, TqError *err) {
        const char *names[TQ_JOBFILE_KEYS_MAX], *nearest, *place = tq_jobfile_section(key);
        size_t n = 0;

        if (place)
                return tq_error_at(err, -EBADMSG, line, key, "belongs in [%s], not in [%s]", place,
                                   section);
        for (size_t i = 0; i < tq_jobfile_n_keys; i++)
                if (strcmp(tq_jobfile_keys[i].section, section) == 0)
                        names[n++] = tq_jobfile_keys[i].key;
        nearest = tq_parse_nearest(key, names, n);
        return tq_error_at(err, -EBADMSG, line, key, "unknown key in [%s]%s%s%s", section,
                           nearest ? "; did you mean " : "", nearest ? nearest : "",
                           nearest ? "?" : "");
}

static int set_key(Parser *p, size_t i, const char *value, unsigned line, TqError *err) {
        const TqJobfileKey *row = &tq_jobfile_keys[i];
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
        return 0;
}

static int on_line(void *userdata, const char *section, const char *key, const char *value,
                   unsigned line, TqError *err) {
        Parser *p = userdata;

        if (!key)
                return open_section(p, section, line, err);
        if (strncmp(key, "X-", 2) == 0 || strncmp(section, "X-", 2) == 0)
                return 0;
        if (strcmp(section, "Limits") == 0 && (tq_limits_find(key) >= 0 || !is_of_another(key)))
                return set_limit(p, key, value, line, err);
        for (size_t i = 0; i < tq_jobfile_n_keys; i++)
                if (strcmp(tq_jobfile_keys[i].section, section) == 0 &&
                    strcmp(tq_jobfile_keys[i].key, key) == 0)
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
        spec->name = strdup(n > 0 ? name : "job");
        return spec->name ? 0 : -ENOMEM;
}

/* 0: it is not given. */
static unsigned line_of(const Parser *p, const char *key) {
        for (size_t i = 0; i < tq_jobfile_n_keys; i++)
                if (strcmp(tq_jobfile_keys[i].key, key) == 0)
                        return p->key_line[i];
        assert(false);
        return 0;
}

/* What the file says of repeating becomes one policy. */
static int complete_retry(Parser *p, TqError *err) {
        unsigned attempts = line_of(p, "MaxAttempts"), on = line_of(p, "RetryOn"),
                 never = line_of(p, "NoRetryOn");
        TqJobSpec *spec = &p->spec;
        TqRetry *r = &spec->retry;

        if (attempts == 0 && (on > 0 || never > 0))
                return tq_error_at(err, -EBADMSG, on > 0 ? on : never,
                                   on > 0 ? "RetryOn" : "NoRetryOn",
                                   "expected MaxAttempts= too: without it nothing is repeated");
        if (line_of(p, "RestartMaxSec") > 0 && r->max_delay_usec < r->delay_usec)
                return tq_error_at(err, -EBADMSG, line_of(p, "RestartMaxSec"), "RestartMaxSec",
                                   "expected no less than RestartSec=");
        r->max_delay_usec = TQ_MAX(r->max_delay_usec, r->delay_usec);
        if (attempts == 0 && !spec->repeats_lost && line_of(p, "RestartSec") > 0)
                note(p, line_of(p, "RestartSec"), "RestartSec",
                     "has no effect without MaxAttempts=");
        spec->has_retry = p->section_line[SECTION_RETRY] > 0 || spec->repeats_lost;
        if (attempts > 0 && on == 0)
                tq_retry_set_failures(&r->on);
        if (spec->repeats_lost)
                r->on.outcomes |= UINT32_C(1) << TQ_OUTCOME_LOST;
        if (spec->repeats_lost && attempts == 0)
                r->max_attempts = TQ_RETRY_LOST_ATTEMPTS;
        return 0;
}

static int complete(Parser *p, TqError *err) {
        TqJobSpec *spec = &p->spec;

        if (!spec->argv)
                return tq_error_at(err, -EBADMSG, 0, "ExecStart",
                                   "missing: expected ExecStart=/path/to/program in [Job]");
        if (spec->queue[0] == '\0')
                (void)snprintf(spec->queue, sizeof(spec->queue), "%s", TQ_QUEUE_DEFAULT);
        spec->profile_line = line_of(p, "Profile");
        if (line_of(p, "RuntimeMaxSec") > 0)
                spec->limit_lines[TQ_KEY_RUNTIME] = line_of(p, "RuntimeMaxSec");
        spec->input_line = line_of(p, "StandardInput");
        /* A second attempt would find what the first has left of it. */
        if (spec->has_input && spec->has_retry && spec->retry.max_attempts != 1)
                return tq_error_at(err, -EBADMSG, spec->input_line, "StandardInput",
                                   "expected no [Retry] or OnLost=requeue beside client: input is "
                                   "read once");
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
        tq_retry_init(&p.spec.retry);
        r = tq_reader_parse(data, size, on_line, &p, err);
        if (r >= 0)
                r = complete_retry(&p, err);
        if (r >= 0)
                r = complete(&p, err);
        if (r < 0) {
                tq_jobspec_done(&p.spec);
                return r == -ENOMEM ? tq_error(err, r, "out of memory") : r;
        }
        *ret = p.spec;
        return 0;
}
