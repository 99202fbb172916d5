/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/fs.h"
#include "base/parse.h"
#include "ctl/ctl.h"

int parse_job(const char *text, uint64_t *ret) {
        if (tq_parse_u64_in(text, 1, INT64_MAX, ret) < 0)
                return fail(TQ_EXIT_USAGE, "\"%s\": expected a job's number", text);
        return 0;
}

bool is_job(const char *text) {
        /* No tenant begins with a sign either. */
        return text[strspn(text, "0123456789")] == '\0' || strchr("-+", text[0]);
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

/* What is wrong with a text begins with its line, if it is known: of a file it is told with the
 * file's name, as compilers do; of a text that nobody has seen, without. */
static int fail_about(const Call *c, int code, const char *message) {
        unsigned line = 0;
        int n = 0;

        if (!c->about || code != TQ_EXIT_INVALID)
                return c->subject && !strstr(message, c->subject)
                               ? fail(code, "%s: %s", c->subject, message)
                               : fail(code, "%s", message);
        if (sscanf(message, "line %u: %n", &line, &n) != 1 || n == 0) /* NOLINT(cert-err34-c) */
                n = 0;
        if (c->about[0] == '\0')
                return fail(code, "%s", message + n);
        if (n > 0 && c->lines)
                line = line < c->n_lines ? c->lines[line] : 0;
        return n > 0 && line == 0 ? fail(code, "%s: %s", c->about, message + n)
               : n > 0            ? fail(code, "%s:%u: %s", c->about, line, message + n)
                                  : fail(code, "%s: %s", c->about, message);
}

bool call_failed_as(const Call *c, TqControlError e) {
        return sd_bus_error_has_name(&c->error, tq_control_error_name(e));
}

/* Root says who called it; for the rest the daemon knows. What can't be told is left out, and what
 * a daemon of before does not understand. */
static int introduce(Call *c) {
        const char *sudo_user = getenv("SUDO_USER"), *session = getenv("XDG_SESSION_ID");
        uint64_t login = UINT32_MAX;
        char text[32];

        if (geteuid() != 0)
                return 0;
        if (tq_fs_read_at(AT_FDCWD, "/proc/self/loginuid", text, sizeof(text)) > 0) {
                text[strcspn(text, "\n")] = '\0';
                if (tq_parse_u64_in(text, 0, UINT32_MAX, &login) < 0)
                        login = UINT32_MAX;
        }
        if (login == UINT32_MAX && !sudo_user && !session)
                return 0;
        (void)sd_bus_call_method(c->bus, NULL, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, "Introduce",
                                 &c->error, NULL, "uss", (uint32_t)login, session ? session : "",
                                 sudo_user ? sudo_user : "");
        /* A connection that is refused has one answer, whatever is asked. */
        if (call_failed_as(c, TQ_CONTROL_BUSY))
                return fail_about(c, TQ_EXIT_BUSY, c->error.message);
        sd_bus_error_free(&c->error);
        return 0;
}

int call_open(const Options *o, Call *c, const char *method) {
        int r;

        c->options = o;
        r = tq_control_connect(o->socket, &c->bus);
        if (r < 0)
                return unavailable(o, r);
        r = introduce(c);
        return r != 0 ? r : call_again(c, method);
}

int call_append_intent(Call *c) {
        const Options *o = c->options;

        return sd_bus_message_append(c->request, "su", o->why ? o->why : "",
                                     o->dry_run ? TQ_CHANGE_TRIAL : 0);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Call *c = userdata;

        (void)error;
        c->reply = sd_bus_message_ref(m);
        return 0;
}

/* As sd_bus_call(), but that something else is done meanwhile. */
static int call_slowly(Call *c) {
        uint64_t pause = CALL_MEANWHILE_USEC / 16;
        const sd_bus_error *e;
        int r;

        r = sd_bus_call_async(c->bus, NULL, c->request, on_reply, c, UINT64_MAX);
        while (r >= 0 && !c->reply) {
                r = sd_bus_process(c->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(c->bus, pause);
                if (r != 0 || c->reply)
                        continue;
                c->meanwhile(c->meanwhile_data);
                pause = TQ_MIN(pause * 2, CALL_MEANWHILE_USEC);
        }
        e = r >= 0 ? sd_bus_message_get_error(c->reply) : NULL;
        if (!e)
                return r;
        /* Its own answer for ours when the connection ends. */
        if (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY))
                return -ECONNRESET;
        return sd_bus_error_copy(&c->error, e);
}

/* 0; an exit code, and it is said; negative: there is no daemon, or no more. */
static int try(Call *c) {
        int r;

        r = c->meanwhile ? call_slowly(c)
                         : sd_bus_call(c->bus, c->request, UINT64_MAX, &c->error, &c->reply);
        if (r >= 0)
                return 0;
        for (int e = 0; e < _TQ_CONTROL_ERROR_MAX; e++)
                if (c->silent & 1U << e && call_failed_as(c, (TqControlError)e))
                        return tq_control_exit_code(c->error.name);
        if (sd_bus_error_is_set(&c->error) && strncmp(c->error.name, "org.tenantq.", 12) == 0)
                return fail_about(c, tq_control_exit_code(c->error.name), c->error.message);
        if (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE)
                return -ECONNRESET;
        return fail(TQ_EXIT_FAILURE, "%s", c->error.message ? c->error.message : strerror(-r));
}

int call_fail(const Call *c, const sd_bus_error *e) {
        if (strncmp(e->name, "org.tenantq.", 12) == 0)
                return fail_about(c, tq_control_exit_code(e->name), e->message);
        return sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY)
                       ? unavailable(c->options, -ECONNRESET)
                       : fail(TQ_EXIT_FAILURE, "%s", e->message ? e->message : e->name);
}

int call_send(Call *c) {
        int r = try(c);

        return r < 0 ? unavailable(c->options, r) : r;
}

/* What can be asked twice is about: a job, perhaps a stream of it; or texts, if any. */
typedef struct About {
        uint64_t job; /* 0: texts instead */
        const char *stream;
        const char *const *texts;
        size_t n_texts;
        bool has_intent; /* it changes something: why, and whether only to try, follow */
} About;

static int append(Call *c, const About *about) {
        sd_bus_message *m = c->request;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < about->n_texts; i++)
                r = sd_bus_message_append(m, "s", about->texts[i]);
        if (r >= 0 && about->job > 0)
                r = sd_bus_message_append(m, "t", about->job);
        if (r >= 0 && about->has_intent)
                r = call_append_intent(c);
        return r >= 0 && about->stream ? sd_bus_message_append(m, "s", about->stream) : r;
}

static int try_about(const Options *o, Call *c, const char *method, const About *about) {
        int r = 0;

        c->options = o;
        if (!c->bus) {
                r = tq_control_connect(o->socket, &c->bus);
                if (r >= 0)
                        r = introduce(c);
        }
        if (r == 0)
                r = renew(c, method);
        if (r >= 0)
                r = append(c, about);
        if (r >= 0)
                r = try(c);
        if (r < 0)
                c->bus = sd_bus_close_unref(c->bus);
        return r;
}

static int again_and_again(const Options *o, Call *c, const char *method, const About *about) {
        uint64_t delay = CALL_RETRY_USEC, since = 0;

        for (bool was_there = c->options;;) {
                int r = try_about(o, c, method, about);

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

int call_about_job(const Options *o, Call *c, const char *method, uint64_t job,
                   const char *stream) {
        return again_and_again(o, c, method, &(About){ .job = job, .stream = stream });
}

int call_with_texts(const Options *o, Call *c, const char *method, const char *const texts[],
                    size_t n, bool has_intent) {
        return again_and_again(o, c, method,
                               &(About){ .texts = texts, .n_texts = n, .has_intent = has_intent });
}

bool call_quietly(const Options *o, const char *method, TqTable *ret) {
        CALL_CLEANUP Call c = { .options = o };

        return tq_control_connect(o->socket, &c.bus) >= 0 && renew(&c, method) >= 0 &&
               sd_bus_call(c.bus, c.request, CALL_QUIET_USEC, &c.error, &c.reply) >= 0 &&
               tq_control_read_table(c.reply, ret) >= 0;
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

/* What is wanted of a page goes behind what is there already, up to `rows` in all. */
static int take(CallKeep keep, void *userdata, TqTable *page, uint64_t rows, TqTable *ret) {
        int r;

        if (!keep)
                return tq_table_merge(ret, page, NULL, rows);
        r = ret->n_columns > 0 ? 0
                               : tq_table_add_columns(ret, (const char *const *)page->columns,
                                                      page->n_columns);
        for (size_t i = 0; r >= 0 && i < page->n_rows && ret->n_rows < rows; i++)
                if (keep(userdata, page, i))
                        r = tq_table_copy_row(ret, page, i);
        return r;
}

int call_pages_of(const Options *o, const char *method, CallAsk ask, CallKeep keep, void *userdata,
                  uint64_t rows, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        uint64_t next = 0;
        int r;

        r = call_open(o, &c, method);
        if (r != 0)
                return r;
        do {
                TQ_TABLE_CLEANUP TqTable page = {};

                r = ask(&c, userdata, next, keep ? UINT32_MAX : (uint32_t)(rows - ret->n_rows));
                if (r < 0)
                        return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
                r = call_table(&c, &page);
                if (r != 0)
                        return r;
                if (sd_bus_message_read(c.reply, "t", &next) < 0)
                        return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
                if (take(keep, userdata, &page, rows, ret) < 0)
                        return fail(TQ_EXIT_FAILURE, "out of memory");
                if (next > 0 && ret->n_rows < rows)
                        r = call_again(&c, method);
        } while (r == 0 && next > 0 && ret->n_rows < rows);
        return r;
}

int call_pages(const Options *o, const char *method, CallAsk ask, void *userdata, uint64_t rows,
               TqTable *ret) {
        return call_pages_of(o, method, ask, NULL, userdata, rows, ret);
}
