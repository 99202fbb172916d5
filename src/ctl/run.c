/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"

/* A command line becomes a job file: there is one format and one way in. */

/* The program as an absolute path: a job has no PATH to be looked up in. */
static int find_program(const char *name, TqBuffer *ret) {
        const char *searched = getenv("PATH");
        TQ_FREE char *path = strdup(searched ? searched : "/usr/local/bin:/usr/bin:/bin");
        char *save = NULL;

        if (name[0] == '/') {
                tq_buffer_append_string(ret, name);
                return 0;
        }
        if (strchr(name, '/') || !path)
                return fail(TQ_EXIT_USAGE, "%s: expected an absolute path or a name in PATH", name);
        for (char *dir = strtok_r(path, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
                tq_buffer_reset(ret);
                tq_buffer_printf(ret, "%s/%s", dir, name);
                if (dir[0] == '/' && tq_buffer_string(ret) && access(ret->data, X_OK) == 0)
                        return 0;
        }
        return fail(TQ_EXIT_USAGE, "%s: no such program in PATH", name);
}

/* One word as ExecStart= reads it. */
static void append_quoted(TqBuffer *b, const char *word) {
        bool is_utf8 = tq_parse_is_utf8(word, strlen(word));

        tq_buffer_append_string(b, " \"");
        for (; *word; word++) {
                unsigned char c = (unsigned char)*word;

                if (c == '"' || c == '\\')
                        tq_buffer_printf(b, "\\%c", c);
                else if (c < 0x20 || c == 0x7F || (c >= 0x80 && !is_utf8))
                        tq_buffer_printf(b, "\\x%02x", c);
                else
                        tq_buffer_append(b, word, 1);
        }
        tq_buffer_append_string(b, "\"");
}

static int build(const Options *o, int argc, char *argv[], TqBuffer *ret) {
        TQ_BUFFER_CLEANUP TqBuffer program = {};
        int r;

        r = find_program(argv[0], &program);
        if (r != 0)
                return r;
        tq_buffer_append_string(ret, "[Job]\nExecStart=");
        append_quoted(ret, tq_buffer_string(&program) ? program.data : "");
        for (int i = 1; i < argc; i++)
                append_quoted(ret, argv[i]);
        tq_buffer_append_string(ret, "\n");
        if (o->queue)
                tq_buffer_printf(ret, "Queue=%s\n", o->queue);
        if (o->directory)
                tq_buffer_printf(ret, "WorkingDirectory=%s\n", o->directory);
        if (o->n_limits > 0)
                tq_buffer_append_string(ret, "[Limits]\n");
        for (size_t i = 0; i < o->n_limits; i++)
                tq_buffer_printf(ret, "%s\n", o->limits[i]);
        return tq_buffer_error(ret) < 0 ? fail(TQ_EXIT_FAILURE, "out of memory") : 0;
}

int verb_run(const Options *o, int argc, char *argv[]) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TQ_TABLE_CLEANUP TqTable ended = {};
        uint64_t job;
        int r;

        r = build(o, argc, argv, &text);
        if (r == 0)
                r = submit_bytes(o, text.data, text.size, &job);
        if (r != 0)
                return r;
        if (!o->wait) {
                (void)printf(o->json ? "{\"schema\":\"tenantq.submit.v1\",\"job\":%" PRIu64 "}\n"
                                     : "%" PRIu64 "\n",
                             job);
                return 0;
        }
        /* The number first: whatever happens to us, the job can be found. */
        (void)fprintf(stderr, "job %" PRIu64 "\n", job);
        r = wait_for_job(o, job, &ended);
        if (r != 0)
                return r;
        if (o->json)
                output_json(&ended, "tenantq.jobs.v1", "jobs");
        else
                (void)logs_copy(o, job);
        r = output_finish();
        return r != 0 ? r : wait_exit_code(&ended);
}
