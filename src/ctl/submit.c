/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

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
        Reply reply = {};
        int r;

        r = call_send(c);
        if (r != 0)
                return r;
        r = sd_bus_message_read(c->reply, "tsssttt", &reply.job, &reply.code, &reply.message,
                                &reply.limit, &reply.current, &reply.maximum, &reply.retry_after);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
        if (reply.job == 0 && (!o->dry_run || reply.code[0] != '\0')) {
                if (o->json)
                        print_refusal(&reply);
                return fail(TQ_EXIT_LIMIT, "%s", reply.message);
        }
        if (reply.message[0] != '\0')
                (void)fail(0, "warning: %s", reply.message);
        *ret_job = reply.job;
        return 0;
}

int submit_print(const Options *o, uint64_t job) {
        if (o->dry_run)
                (void)puts(o->json ? "{\"schema\":\"tenantq.submit.v1\",\"job\":null}"
                                   : "it would be accepted");
        else
                (void)printf(o->json ? "{\"schema\":\"tenantq.submit.v1\",\"job\":%" PRIu64 "}\n"
                                     : "%" PRIu64 "\n",
                             job);
        return 0;
}

int submit_bytes(const Options *o, const char *file, const char *data, size_t size,
                 uint64_t *ret_job) {
        CALL_CLEANUP Call c = { .about = file };
        int r;

        r = call_open(o, &c, o->dry_run ? "TrySubmit" : "Submit");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "s", o->tenant ? o->tenant : "");
        if (r >= 0)
                r = sd_bus_message_append_array(c.request, 'y', data, size);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        return submit_send(o, &c, ret_job);
}

int verb_submit(const Options *o, int argc, char *argv[]) {
        TQ_BUFFER_CLEANUP TqBuffer data = {};
        uint64_t job = 0;
        int r;

        (void)argc;
        r = input_read(argv[0], TQ_JOB_FILE_MAX, &data);
        if (r == -E2BIG)
                return fail(TQ_EXIT_INVALID, "%s: larger than %d bytes", argv[0], TQ_JOB_FILE_MAX);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s", argv[0], strerror(-r));
        r = submit_bytes(o, argv[0], data.data ? data.data : "", data.size, &job);
        return r != 0 ? r : submit_print(o, job);
}
