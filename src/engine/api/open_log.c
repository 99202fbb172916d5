/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* Output: the supervisor opens the file, the caller gets the descriptor. */

typedef struct Opening {
        Call *call;
        bool has_ended; /* the job */
        bool is_silent; /* nothing was written, of which no files are kept */
} Opening;

/* Nothing can be written to it, as to an output. */
static int open_nothing(void) {
        TQ_CLOSE int fd = memfd_create("no-output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return tq_errno();
        return tq_take_fd(&fd);
}

static void on_opened(void *userdata, int result, const char *blob, size_t size, int *fd) {
        TQ_CLOSE int nothing = -EBADF;
        Opening *o = userdata;
        int r;

        (void)blob;
        (void)size;
        if (result == -ENOENT && o->is_silent) {
                nothing = open_nothing();
                result = TQ_MIN(nothing, 0);
                fd = &nothing;
        }
        if (result == -ENOENT)
                (void)call_error(o->call, TQ_CONTROL_NOT_FOUND, "%s",
                                 o->has_ended ? "the job has no output: it never ran, or its "
                                                "output was dropped, or removed"
                                              : "the job has no output yet, or it is dropped");
        else if (result < 0 || *fd < 0)
                (void)call_error(o->call, TQ_CONTROL_FAILED, "can't open the output: %s",
                                 strerror(result < 0 ? -result : EBADF));
        else {
                r = sd_bus_reply_method_return(o->call->message, "h", *fd);
                /* Without a descriptor to spare the call would never be answered. */
                if (r < 0)
                        (void)call_error(o->call, TQ_CONTROL_BUSY,
                                         "the output can't be handed over now: %s", strerror(-r));
        }
        (void)call_free(o->call);
        free(o);
}

/* The ledger has the job: whose it is, and which attempt ran. */
static int open_log(const Call *c, const TqTable *row, uint32_t stream) {
        const Tenant *t = tenants_by_name(c->api->tenants, tq_table_text(row, 0, "tenant"));
        uint32_t attempt = (uint32_t)tq_table_integer(row, 0, "attempt", 0);
        const TqJob *live = tq_scheduler_job(dispatch_scheduler(c->api->dispatch), c->job);
        TqMessage m = { .open_log = { .job = c->job, .stream = stream } };
        Opening *o = calloc(1, sizeof(*o));
        int r;

        if (!o || !(o->call = call_keep(c))) {
                free(o);
                return -ENOMEM;
        }
        o->has_ended = !live;
        o->is_silent = tq_table_integer(row, 0, "silent", 0) == 1;
        m.open_log.attempt = attempt == 0 && live ? live->attempt : attempt;
        m.open_log.tenant = t ? t->handle : 0;
        r = tq_link_ask(c->api->link, TQ_MESSAGE_OPEN_LOG, &m, on_opened, o);
        if (r < 0) {
                (void)call_free(o->call);
                free(o);
        }
        return r;
}

int verb_open_log(Call *c) {
        Question q = { .filter = { .job = c->job, .tenant = call_scope(c), .limit = 1 },
                       .is_about_one = true,
                       .then = open_log };
        const char *stream;
        int r;

        r = sd_bus_message_read(c->message, "s", &stream);
        if (r < 0)
                return r;
        if (c->job == 0)
                return call_no_job(c);
        /* What is not read holds descriptors, which are counted against all callers together. */
        if (connection_has_unread(c->connection))
                return call_error(c, TQ_CONTROL_BUSY,
                                  "answers to earlier calls have not been read");
        q.number = strcmp(stream, "err") == 0;
        return question_ask(c, &q);
}
