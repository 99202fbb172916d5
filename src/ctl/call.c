/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include "base/format.h"
#include "base/parse.h"
#include "ctl/ctl.h"
#include "ipc/control.h"

int fail(int code, const char *fmt, ...) {
        char text[2048], shown[4096];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        (void)fprintf(stderr, "tenantqctl: %s\n", tq_format_escape(text, shown, sizeof(shown)));
        return code;
}

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

static int unavailable(const Options *o, int r) {
        if (r == -ENOENT || r == -ECONNREFUSED)
                return fail(
                        TQ_EXIT_UNAVAILABLE,
                        "no daemon answers at %s; is tenantq running? (systemctl status tenantq)",
                        o->socket);
        return fail(TQ_EXIT_UNAVAILABLE, "%s: %s", o->socket, strerror(-r));
}

int call_again(Call *c, const char *method) {
        int r;

        c->request = sd_bus_message_unref(c->request);
        c->reply = sd_bus_message_unref(c->reply);
        sd_bus_error_free(&c->error);
        r = sd_bus_message_new_method_call(c->bus, &c->request, NULL, TQ_CONTROL_PATH,
                                           TQ_CONTROL_INTERFACE, method);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s: %s", method, strerror(-r)) : 0;
}

int call_open(const Options *o, Call *c, const char *method) {
        int r;

        r = tq_control_connect(o->socket, &c->bus);
        return r < 0 ? unavailable(o, r) : call_again(c, method);
}

int call_send(Call *c) {
        int r;

        r = sd_bus_call(c->bus, c->request, UINT64_MAX, &c->error, &c->reply);
        if (r >= 0)
                return 0;
        if (sd_bus_error_is_set(&c->error) && strncmp(c->error.name, "org.tenantq.", 12) == 0)
                return fail(tq_control_exit_code(c->error.name), "%s", c->error.message);
        if (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE)
                return fail(TQ_EXIT_UNAVAILABLE,
                            "the daemon went away before it answered; try again");
        return fail(TQ_EXIT_FAILURE, "%s", c->error.message ? c->error.message : strerror(-r));
}

int call_table(Call *c, TqTable *ret) {
        int r = call_send(c);

        if (r != 0)
                return r;
        r = tq_control_read_table(c->reply, ret);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read: %s", strerror(-r))
                     : 0;
}
