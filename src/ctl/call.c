/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/parse.h"
#include "ctl/ctl.h"
#include "ipc/control.h"

int parse_job(const char *text, uint64_t *ret) {
        if (tq_parse_u64_in(text, 1, INT64_MAX, ret) < 0)
                return fail(TQ_EXIT_USAGE, "\"%s\": expected a job's number", text);
        return 0;
}

void call_done(Call *c) {
        sd_bus_error_free(&c->error);
        c->request = sd_bus_message_unref(c->request);
        c->reply = sd_bus_message_unref(c->reply);
        c->bus = sd_bus_flush_close_unref(c->bus);
}

/* Of a connection that could not be made, or that ended: nobody has said anything. */
static int unavailable(const Options *o, int r) {
        switch (-r) {
        case ENOENT:
        case ECONNREFUSED:
                return fail(
                        TQ_EXIT_UNAVAILABLE,
                        "no daemon answers at %s; is tenantq running? (systemctl status tenantq)",
                        o->socket);
        case EAGAIN: /* connect(2): its backlog is full */
                return fail(TQ_EXIT_BUSY, "the daemon has too many callers; try again");
        case ENOTCONN:
        case ECONNRESET:
        case EPIPE:
                return fail(TQ_EXIT_UNAVAILABLE,
                            "the daemon went away before it answered: whether it did what you "
                            "asked for is not known (tenantqctl ps -a, limits get)");
        default:
                return fail(TQ_EXIT_UNAVAILABLE, "%s: %s", o->socket, strerror(-r));
        }
}

static int renew(Call *c, const char *method) {
        c->request = sd_bus_message_unref(c->request);
        c->reply = sd_bus_message_unref(c->reply);
        sd_bus_error_free(&c->error);
        return sd_bus_message_new_method_call(c->bus, &c->request, NULL, TQ_CONTROL_PATH,
                                              TQ_CONTROL_INTERFACE, method);
}

int call_again(Call *c, const char *method) {
        int r = renew(c, method);

        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s: %s", method, strerror(-r)) : 0;
}

int call_open(const Options *o, Call *c, const char *method) {
        int r;

        c->options = o;
        r = tq_control_connect(o->socket, &c->bus);
        return r < 0 ? unavailable(o, r) : call_again(c, method);
}

/* What is wrong with a text begins with its line, if it is known: of a file it is told with the
 * file's name, as compilers do; of a text that nobody has seen, without. */
static int fail_about(const Call *c, int code, const char *message) {
        unsigned line = 0;
        int n = 0;

        if (!c->about || code != TQ_EXIT_INVALID)
                return fail(code, "%s", message);
        if (sscanf(message, "line %u: %n", &line, &n) != 1 || n == 0) /* NOLINT(cert-err34-c) */
                n = 0;
        if (c->about[0] == '\0')
                return fail(code, "%s", message + n);
        return n > 0 ? fail(code, "%s:%u: %s", c->about, line, message + n)
                     : fail(code, "%s: %s", c->about, message);
}

/* 0; an exit code, and it is said; negative: there is no daemon, or no more. */
static int try(Call *c) {
        int r;

        r = sd_bus_call(c->bus, c->request, UINT64_MAX, &c->error, &c->reply);
        if (r >= 0)
                return 0;
        if (sd_bus_error_is_set(&c->error) && strncmp(c->error.name, "org.tenantq.", 12) == 0)
                return fail_about(c, tq_control_exit_code(c->error.name), c->error.message);
        if (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE)
                return -ECONNRESET;
        return fail(TQ_EXIT_FAILURE, "%s", c->error.message ? c->error.message : strerror(-r));
}

int call_send(Call *c) {
        int r = try(c);

        return r < 0 ? unavailable(c->options, r) : r;
}

static int try_about_job(const Options *o, Call *c, const char *method, uint64_t job,
                         const char *stream) {
        int r = 0;

        c->options = o;
        if (!c->bus)
                r = tq_control_connect(o->socket, &c->bus);
        if (r >= 0)
                r = renew(c, method);
        if (r >= 0)
                r = sd_bus_message_append(c->request, "t", job);
        if (r >= 0 && stream)
                r = sd_bus_message_append(c->request, "s", stream);
        if (r >= 0)
                r = try(c);
        if (r < 0)
                c->bus = sd_bus_close_unref(c->bus);
        return r;
}

int call_about_job(const Options *o, Call *c, const char *method, uint64_t job,
                   const char *stream) {
        uint64_t delay = CALL_RETRY_USEC, since = 0;

        for (bool was_there = c->options;;) {
                int r = try_about_job(o, c, method, job, stream);

                if (r >= 0)
                        return r;
                /* It was there till now: patience begins anew. */
                if (r == -ECONNRESET) {
                        was_there = true;
                        since = 0;
                        delay = CALL_RETRY_USEC;
                }
                if (since == 0)
                        since = tq_clock_monotonic_usec();
                if (!was_there || tq_clock_monotonic_usec() - since > CALL_PATIENCE_USEC)
                        return unavailable(o, r);
                (void)usleep((useconds_t)delay);
                delay = TQ_MIN(delay * 2, TQ_USEC_PER_SEC);
        }
}

int call_table(Call *c, TqTable *ret) {
        int r = call_send(c);

        return r != 0 ? r : call_read_table(c, ret);
}

int call_read_table(Call *c, TqTable *ret) {
        int r = tq_control_read_table(c->reply, ret);

        return r < 0 ? fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read: %s", strerror(-r))
                     : 0;
}

int call_pages(const Options *o, const char *method, CallAsk ask, void *userdata, uint64_t rows,
               TqTable *ret) {
        CALL_CLEANUP Call c = {};
        uint64_t next = 0;
        int r;

        r = call_open(o, &c, method);
        if (r != 0)
                return r;
        do {
                TQ_TABLE_CLEANUP TqTable page = {};

                r = ask(&c, userdata, next, (uint32_t)(rows - ret->n_rows));
                if (r < 0)
                        return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
                r = call_table(&c, &page);
                if (r != 0)
                        return r;
                if (sd_bus_message_read(c.reply, "t", &next) < 0)
                        return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
                if (tq_table_merge(ret, &page, NULL, rows) < 0)
                        return fail(TQ_EXIT_FAILURE, "out of memory");
                if (next > 0 && ret->n_rows < rows)
                        r = call_again(&c, method);
        } while (r == 0 && next > 0 && ret->n_rows < rows);
        return r;
}
