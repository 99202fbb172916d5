/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/format.h"
#include "base/parse.h"
#include "conf/jobfile.h"
#include "ctl/ctl.h"
#include "ctl/jobtext.h"
#include "ctl/verbs.h"
#include "ctl/wait.h"

/* A command line becomes a job file: there is one format and one way in. */

static bool is_program(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The program as an absolute path: a job has no PATH to be looked up in. */
static int find_program(const char *name, TqBuffer *ret) {
        const char *searched = getenv("PATH");
        TQ_FREE char *path = strdup(searched ? searched : "/usr/local/bin:/usr/bin:/bin");
        char *save = NULL;

        if (name[0] == '/') {
                tq_buffer_append_string(ret, name);
                return 0;
        }
        if (name[0] == '\0')
                return fail(TQ_EXIT_USAGE, "the command is empty: expected a program");
        if (strchr(name, '/') || !path)
                return fail(TQ_EXIT_USAGE, "%s: expected an absolute path or a name in PATH", name);
        for (char *dir = strtok_r(path, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
                tq_buffer_reset(ret);
                tq_buffer_printf(ret, "%s/%s", dir, name);
                if (dir[0] == '/' && tq_buffer_string(ret) && is_program(ret->data))
                        return 0;
        }
        return fail(TQ_EXIT_USAGE, "%s: no such program in PATH", name);
}

static int check_limit(const char *assignment) {
        const char *equals = strchr(assignment, '=');
        int r = jobtext_check_plain("-l", assignment);

        if (r != 0)
                return r;
        return !equals || equals == assignment || strchr("[#;", assignment[0])
                       ? fail(TQ_EXIT_INVALID, "-l \"%s\": expected KEY=VALUE", assignment)
                       : 0;
}

/* The caller's span (W3C Trace Context, "traceparent" as a variable), so that the job is seen as
 * its child; what is not well-formed is nobody's. */
static void append_trace(TqBuffer *b) {
        const char *trace = getenv("TRACEPARENT");

        if (trace && tq_jobspec_trace_is_valid(trace))
                tq_buffer_printf(b, "TraceParent=%s\n", trace);
}

/* NAME=VALUE; of NAME alone the caller's value. */
static int append_variable(const char *word, TqBuffer *b) {
        TQ_BUFFER_CLEANUP TqBuffer whole = {};
        const char *value = strchr(word, '=') ? NULL : getenv(word);

        if (!value && !strchr(word, '='))
                return fail(TQ_EXIT_USAGE,
                            "--env %s: the caller has no such variable: expected "
                            "NAME=VALUE",
                            word);
        tq_buffer_printf(&whole, "%s%s%s", word, value ? "=" : "", value ? value : "");
        if (tq_buffer_error(&whole) < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        tq_buffer_append_string(b, "Environment=");
        jobtext_append_quoted(b, tq_buffer_string(&whole));
        tq_buffer_append_string(b, "\n");
        return 0;
}

/* As it is, as far as it can be: so it is shown. What else is wrong with it, the parser says. */
static void append_label(const char *word, TqBuffer *b) {
        bool is_plain = true;

        for (const char *c = word; *c; c++)
                is_plain &= (unsigned char)*c > ' ' && !strchr("\"'\\\x7f", *c);
        tq_buffer_append_string(b, "Labels=");
        if (is_plain)
                tq_buffer_append_string(b, word);
        else
                jobtext_append_quoted(b, word);
        tq_buffer_append_string(b, "\n");
}

/* All of standard input, as far as a job file can have it. */
static int read_input(TqBuffer *ret) {
        int r = input_read("-", TQ_JOB_FILE_MAX, ret);

        if (r == -E2BIG)
                return fail(TQ_EXIT_INVALID, "standard input: expected at most %d bytes",
                            TQ_JOB_FILE_MAX);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "standard input: %s", strerror(-r));
        if (ret->size > 0 && memchr(ret->data, '\0', ret->size))
                return fail(TQ_EXIT_INVALID, "standard input: expected text, without bytes of 0");
        return tq_buffer_string(ret) ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");
}

/* While we wait for the job, it reads what we read; else it gets a copy with its command. */
static bool streams_input(const Options *o) {
        return o->input && o->wait;
}

static bool copies_input(const Options *o) {
        return o->input && !o->wait;
}

/* The command as one that gets our standard input; else the shell would be what it is called. */
static int append_input(const Options *o, const char *program, TqBuffer *ret) {
        TQ_BUFFER_CLEANUP TqBuffer input = {};
        int r = read_input(&input);

        if (r == 0 && !o->name)
                r = jobtext_check_plain("the command", strrchr(program, '/') + 1);
        if (r != 0)
                return r;
        if (!o->name)
                tq_buffer_printf(ret, "Name=%s\n", strrchr(program, '/') + 1);
        tq_buffer_append_string(ret, "ExecStart=");
        jobtext_append_input(ret, input.data);
        return 0;
}

static int build(const Options *o, int argc, char *argv[], TqBuffer *ret) {
        TQ_BUFFER_CLEANUP TqBuffer program = {};
        int r;

        r = find_program(argv[0], &program);
        if (r == 0 && o->queue)
                r = jobtext_check_plain("-q", o->queue);
        if (r == 0 && o->name)
                r = jobtext_check_plain("--name", o->name);
        if (r == 0 && o->directory)
                r = jobtext_check_plain("-C", o->directory);
        if (r == 0 && o->profile)
                r = jobtext_check_plain("--profile", o->profile);
        for (size_t i = 0; r == 0 && i < o->limits.n; i++)
                r = check_limit(o->limits.items[i]);
        if (r != 0)
                return r;
        if (!tq_buffer_string(&program))
                return fail(TQ_EXIT_FAILURE, "out of memory");
        tq_buffer_append_string(ret, copies_input(o) ? "[Job]\n" : "[Job]\nExecStart=");
        r = copies_input(o) ? append_input(o, program.data, ret) : 0;
        if (r != 0)
                return r;
        jobtext_append_quoted(ret, program.data);
        for (int i = 1; i < argc; i++) {
                tq_buffer_append_string(ret, " ");
                jobtext_append_quoted(ret, argv[i]);
        }
        tq_buffer_append_string(ret, "\n");
        /* A trial has nobody who would give it. */
        if (streams_input(o) && !o->dry_run)
                tq_buffer_append_string(ret, "StandardInput=client\n");
        if (o->queue)
                tq_buffer_printf(ret, "Queue=%s\n", o->queue);
        if (o->directory)
                tq_buffer_printf(ret, "WorkingDirectory=%s\n", o->directory);
        if (o->name)
                tq_buffer_printf(ret, "Name=%s\n", o->name);
        append_trace(ret);
        for (size_t i = 0; i < o->labels.n; i++)
                append_label(o->labels.items[i], ret);
        for (size_t i = 0; r == 0 && i < o->environment.n; i++)
                r = append_variable(o->environment.items[i], ret);
        if (r != 0)
                return r;
        if (o->profile)
                tq_buffer_printf(ret, "[Sandbox]\nProfile=%s\n", o->profile);
        if (o->limits.n > 0)
                tq_buffer_append_string(ret, "[Limits]\n");
        for (size_t i = 0; i < o->limits.n; i++)
                tq_buffer_printf(ret, "%s\n", o->limits.items[i]);
        return tq_buffer_error(ret) < 0 ? fail(TQ_EXIT_FAILURE, "out of memory") : 0;
}

static bool has_variable(const TqJobSpec *spec, const char *word) {
        size_t n = strcspn(word, "=");
        const char *value = word[n] ? word + n + 1 : getenv(word);

        for (size_t i = 0; i < spec->n_environment; i++)
                if (strncmp(spec->environment[i], word, n) == 0 && spec->environment[i][n] == '=' &&
                    value && strcmp(spec->environment[i] + n + 1, value) == 0)
                        return true;
        return false;
}

static const char *first_difference(const TqJobSpec *spec, const Options *o, int argc,
                                    char *argv[]) {
        size_t before = copies_input(o) ? 5 : 0; /* the shell's words */

        if (spec->argc != (size_t)argc + before)
                return "the command";
        for (int i = 1; i < argc; i++)
                if (strcmp(spec->argv[before + (size_t)i], argv[i]) != 0)
                        return argv[i];
        if (o->queue && strcmp(spec->queue, o->queue) != 0)
                return o->queue;
        if (o->name && strcmp(spec->name, o->name) != 0)
                return o->name;
        for (size_t i = 0; i < o->environment.n; i++)
                if (!has_variable(spec, o->environment.items[i]))
                        return o->environment.items[i];
        if (o->directory && strcmp(spec->working_directory, o->directory) != 0)
                return o->directory;
        if (o->profile && strcmp(spec->profile, o->profile) != 0)
                return o->profile;
        return NULL;
}

/* The daemon's own parser reads back what was composed: a job is just what was asked for, or it is
 * none. */
static int check_back(const Options *o, int argc, char *argv[], const TqBuffer *text) {
        const char *differs;
        TqJobSpec spec = {};
        char message[1024], shown[256];
        TqError err = {};
        int r;

        if (text->size > TQ_JOB_FILE_MAX)
                return fail(TQ_EXIT_INVALID,
                            "the command takes %zu bytes as a job file, which may have %d",
                            text->size, TQ_JOB_FILE_MAX);
        r = tq_jobfile_parse(text->data, text->size, &spec, NULL, NULL, &err);
        err.line = 0; /* of a text that nobody has seen */
        if (r < 0)
                return fail(TQ_EXIT_INVALID, "%s", tq_error_format(&err, message, sizeof(message)));
        differs = first_difference(&spec, o, argc, argv);
        r = differs ? fail(TQ_EXIT_INVALID, "\"%s\" can't be said in a job file",
                           tq_format_utf8(differs, shown, sizeof(shown)))
                    : 0;
        tq_jobspec_done(&spec);
        return r;
}

static int hand_in(const Options *o, int argc, char *argv[], bool is_fed, uint64_t *ret_job) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        int r;

        r = build(o, argc, argv, &text);
        if (r == 0)
                r = check_back(o, argc, argv, &text);
        if (r != 0)
                return r;
        return is_fed ? feed_submit(o, text.data, text.size, ret_job)
                      : submit_bytes(o, "", text.data, text.size, ret_job);
}

int run_submit(const Options *o, int argc, char *argv[], uint64_t *ret_job) {
        return hand_in(o, argc, argv, false, ret_job);
}

/* All but `exit N`, which the exit code says by itself. */
static void say_verdict(uint64_t job, const TqTable *ended, int code) {
        const char *verdict = tq_table_text(ended, 0, "verdict");
        char plain[32], shown[256];

        (void)snprintf(plain, sizeof(plain), "exit %d", code);
        if (verdict && strcmp(verdict, plain) != 0)
                (void)fprintf(stderr, "job %" PRIu64 ": %s\n", job,
                              tq_format_shown(verdict, shown, sizeof(shown)));
}

int verb_run(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable ended = {};
        uint64_t job = 0;
        int r, code;

        r = hand_in(o, argc, argv, streams_input(o) && !o->dry_run, &job);
        if (r != 0 || o->dry_run)
                return r;
        if (!o->wait)
                return submit_print(o, job);
        /* The number first: whatever happens to us, the job can be found. */
        if (!o->quiet)
                (void)fprintf(stderr, "job %" PRIu64 "\n", job);
        r = logs_attend(o, job, &ended);
        /* We left: nobody reads the output, or waits, any more. */
        if (ended.n_rows == 0)
                return r != 0 ? r : output_finish();
        if (o->json)
                output_json(&ended, "tenantq.jobs.v1", "jobs");
        code = wait_exit_code(&ended);
        say_verdict(job, &ended, code);
        if (code == 0)
                code = r != 0 ? r : feed_has_failed() ? TQ_EXIT_FAILURE : 0;
        r = output_finish();
        return r != 0 ? r : code;
}
