/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/format.h"
#include "ctl/ctl.h"
#include "ctl/script.h"
#include "ctl/verbs.h"
#include "ctl/wait.h"

/* What the daemon says to a submission. */
typedef struct Reply {
        uint64_t job; /* 0: a limit refuses it */
        const char *code, *message, *limit;
        uint64_t current, maximum, retry_after;
} Reply;

static void print_refusal(const Reply *r) {
        (void)fputs("{\"schema\":\"tenantq.submit.v1\",\"error\":{\"code\":", stdout);
        output_json_string(r->code);
        (void)fputs(",\"message\":", stdout);
        output_json_string(r->message);
        (void)fputs(",\"limit\":", stdout);
        output_json_string(r->limit);
        (void)printf(",\"current\":%" PRIu64 ",\"maximum\":%" PRIu64 ",\"retry_after\":",
                     r->current, r->maximum);
        if (r->retry_after > 0)
                (void)printf("%" PRIu64 "}}\n", r->retry_after);
        else
                (void)puts("null}}");
}

int submit_send(const Options *o, Call *c, uint64_t *ret_job) {
        int r = call_send(c);

        return r != 0 ? r : submit_read(o, c, c->reply, ret_job);
}

int submit_read(const Options *o, const Call *c, sd_bus_message *m, uint64_t *ret_job) {
        Reply reply = {};
        int r;

        r = sd_bus_message_read(m, "tsssttt", &reply.job, &reply.code, &reply.message, &reply.limit,
                                &reply.current, &reply.maximum, &reply.retry_after);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
        if (reply.job == 0 && (!o->dry_run || reply.code[0] != '\0')) {
                if (o->json)
                        print_refusal(&reply);
                return c->subject ? fail(TQ_EXIT_LIMIT, "%s: %s", c->subject, reply.message)
                                  : fail(TQ_EXIT_LIMIT, "%s", reply.message);
        }
        if (reply.message[0] != '\0')
                (void)fail(0, "warning: %s", reply.message);
        *ret_job = reply.job;
        return 0;
}

int submit_print(const Options *o, uint64_t job) {
        (void)printf(o->json ? "{\"schema\":\"tenantq.submit.v1\",\"job\":%" PRIu64 "}\n"
                             : "%" PRIu64 "\n",
                     job);
        return 0;
}

/* What the job would wait for, behind the answer to a trial that is permitted; of a daemon that is
 * older, or a job that was handed in before, there is none. */
static void print_reasons(const Options *o, const Call *c) {
        TQ_TABLE_CLEANUP TqTable t = {};
        char word[64], text[1024];

        if (tq_control_read_table(c->reply, &t) < 0)
                return;
        if (o->json) {
                (void)putchar(',');
                output_json_rows(&t, "reasons");
                return;
        }
        for (size_t row = 0; row < t.n_rows; row++) {
                const char *reason = tq_table_text(&t, row, "reason"),
                           *said = tq_table_text(&t, row, "text");

                (void)tq_format_shown(reason ? reason : "", word, sizeof(word));
                (void)tq_format_shown(said ? said : "", text, sizeof(text));
                if (strcmp(word, "none") == 0)
                        (void)puts(text);
                else
                        (void)printf("%s  %s: %s\n", row == 0 ? "it would wait:\n" : "", word,
                                     text);
        }
}

static void print_trial(const Options *o, const Call *c) {
        if (o->json)
                (void)fputs("{\"schema\":\"tenantq.submit.v1\",\"job\":null", stdout);
        else
                (void)printf("%s%sit would be accepted\n", c->subject ? c->subject : "",
                             c->subject ? ": " : "");
        if (o->test_only)
                print_reasons(o, c);
        if (o->json)
                (void)puts("}");
}

/* c: what errors are about. */
static int send_bytes(const Options *o, Call *c, const char *data, size_t size, uint64_t *ret_job) {
        int r;

        r = call_open(o, c, o->dry_run ? "TrySubmit" : "Submit");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c->request, "s", o->tenant ? o->tenant : "");
        if (r >= 0)
                r = sd_bus_message_append_array(c->request, 'y', data, size);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        r = submit_send(o, c, ret_job);
        if (r == 0 && o->dry_run)
                print_trial(o, c);
        return r;
}

int submit_bytes(const Options *o, const char *file, const char *data, size_t size,
                 uint64_t *ret_job) {
        CALL_CLEANUP Call c = { .about = file };

        return send_bytes(o, &c, data, size, ret_job);
}

/* A script becomes a job file first. */
static int submit_script(const Options *o, Call *c, TqBuffer *data, uint64_t *ret_job) {
        SCRIPT_CLEANUP Script script = {};
        char message[1024];
        TqError err = {};
        int r = script_compose(c->about, data, &script, &err);

        if (r == -ENOMEM)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        if (r < 0) {
                tq_error_set_file(&err, c->about);
                return fail(TQ_EXIT_INVALID, "%s", tq_error_format(&err, message, sizeof(message)));
        }
        c->lines = script.lines;
        c->n_lines = script.n_lines;
        return send_bytes(o, c, script.text.data, script.text.size, ret_job);
}

static int submit_file(const Options *o, const char *file, bool is_one, uint64_t *ret_job) {
        CALL_CLEANUP Call c = { .about = file, .subject = is_one ? NULL : file };
        TQ_BUFFER_CLEANUP TqBuffer data = {};
        int r;

        r = input_read(file, TQ_JOB_FILE_MAX, &data);
        if (r == -E2BIG)
                return fail(TQ_EXIT_INVALID, "%s: larger than %d bytes", file, TQ_JOB_FILE_MAX);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s", file, strerror(-r));
        return script_is(&data) ? submit_script(o, &c, &data, ret_job)
                                : send_bytes(o, &c, data.data ? data.data : "", data.size, ret_job);
}

int verb_submit(const Options *o, int argc, char *argv[]) {
        TQ_FREE uint64_t *jobs = calloc((size_t)argc, sizeof(*jobs));
        int worst = jobs ? 0 : fail(TQ_EXIT_FAILURE, "out of memory"), r;
        size_t n = 0;

        for (int i = 0; jobs && i < argc; i++) {
                r = submit_file(o, argv[i], argc == 1, &jobs[n]);
                if (r == 0 && !o->dry_run)
                        (void)submit_print(o, jobs[n++]);
                else if (r != 0)
                        worst = r;
        }
        if (!o->wait || n == 0)
                return worst;
        (void)fflush(stdout);
        r = wait_for_jobs(o, jobs, n, true);
        return worst != 0 ? worst : r;
}
