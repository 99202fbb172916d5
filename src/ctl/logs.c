/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/inotify.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/fs.h"
#include "core/table.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* A job's output, from descriptors that the daemon opens. On a terminal control characters are
 * shown as \xHH: the output is a tenant's, the terminal the administrator's. */

/* One of the two, and what of it is the beginning of a character whose end has not come. */
typedef struct Stream {
        int fd;
        FILE *to;
        char held[4];
        size_t n_held;
} Stream;

static int open_stream(const Options *o, Call *c, uint64_t job, const char *name, Stream *ret) {
        int fd, r;

        r = call_about_job(o, c, "OpenLog", job, name);
        if (r != 0)
                return r;
        r = sd_bus_message_read(c->reply, "h", &fd);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer has no descriptor");
        ret->fd = dup(fd);
        return ret->fd < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(errno)) : 0;
}

/* Returns how many bytes at the end are kept for later. */
static size_t print_safe(FILE *to, const char *data, size_t size) {
        size_t i = 0;

        while (i < size) {
                ssize_t n = data[i] == '\n' || data[i] == '\t'
                                    ? 1
                                    : tq_format_printable(data + i, size - i);

                if (n == -EAGAIN)
                        break;
                if (n > 0)
                        (void)fwrite(data + i, 1, (size_t)n, to);
                else
                        (void)fprintf(to, "\\x%02x", (unsigned char)data[i]);
                i += n > 0 ? (size_t)n : 1;
        }
        return size - i;
}

/* What there is now. 0, or an exit code, and it is said. */
static int copy(Stream *s) {
        bool is_terminal = isatty(fileno(s->to));
        char data[65536];
        ssize_t n;

        memcpy(data, s->held, s->n_held);
        while ((n = read(s->fd, data + s->n_held, sizeof(data) - s->n_held)) > 0) {
                size_t size = s->n_held + (size_t)n;

                if (!is_terminal) {
                        (void)fwrite(data, 1, size, s->to);
                        continue;
                }
                s->n_held = print_safe(s->to, data, size);
                memmove(data, data + size - s->n_held, s->n_held);
        }
        if (n < 0)
                n = tq_errno();
        memcpy(s->held, data, s->n_held);
        (void)fflush(s->to);
        return n < 0 ? fail(TQ_EXIT_FAILURE, "the output can't be read: %s", strerror((int)-n)) : 0;
}

/* Nothing more comes. */
static int finish(Stream *s) {
        int r = copy(s);

        for (size_t i = 0; i < s->n_held; i++)
                (void)fprintf(s->to, "\\x%02x", (unsigned char)s->held[i]);
        s->n_held = 0;
        (void)fflush(s->to);
        return r;
}

/* Both of a job. */
typedef struct Streams {
        Stream out, err;
} Streams;

static int open_streams(const Options *o, Call *c, uint64_t job, Streams *s) {
        int r;

        *s = (Streams){ { .fd = -EBADF, .to = stdout }, { .fd = -EBADF, .to = stderr } };
        r = open_stream(o, c, job, "out", &s->out);
        return r != 0 ? r : open_stream(o, c, job, "err", &s->err);
}

static int finish_both(Streams *s) {
        int r = finish(&s->out), other = finish(&s->err);

        return r != 0 ? r : other;
}

static void close_streams(Streams *s) {
        s->out.fd = tq_close(s->out.fd);
        s->err.fd = tq_close(s->err.fd);
}

int logs_copy(const Options *o, uint64_t job, bool was_there) {
        CALL_CLEANUP Call c = { .options = was_there ? o : NULL };
        Streams s;
        int r;

        r = open_streams(o, &c, job, &s);
        if (r == 0)
                r = finish_both(&s);
        close_streams(&s);
        return r;
}

/* Following: the output is watched by its descriptors, which outlive the daemon; its end is asked
 * of the daemon, and of the next one when that goes away. */
typedef struct Follow {
        const Options *options;
        uint64_t job;
        Streams streams;
        Call call;
        sd_event *event;
        sd_event_source *retry;
        uint64_t since, delay; /* without a daemon: since when; until the next attempt */
} Follow;

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        Follow *f = userdata;
        int r;

        (void)source;
        (void)event;
        r = copy(&f->streams.out);
        if (r == 0)
                r = copy(&f->streams.err);
        /* Nobody reads any more: main() says whether that is a fault. */
        return r != 0 || ferror(stdout) ? sd_event_exit(f->event, r) : 0;
}

static int ask(Follow *f);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Follow *f = userdata;

        (void)source;
        (void)usec;
        return ask(f);
}

static int try_later(Follow *f) {
        uint64_t now = tq_clock_monotonic_usec();

        if (f->since == 0) {
                f->since = now;
                f->delay = CALL_RETRY_USEC;
        }
        if (now - f->since > CALL_PATIENCE_USEC)
                return sd_event_exit(f->event, fail(TQ_EXIT_UNAVAILABLE,
                                                    "the daemon went away and did not come back"));
        f->retry = sd_event_source_disable_unref(f->retry);
        f->delay = TQ_MIN(f->delay * 2, TQ_USEC_PER_SEC);
        return sd_event_add_time_relative(f->event, &f->retry, CLOCK_MONOTONIC, f->delay, 0,
                                          on_retry, f);
}

static int on_ended(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *said = sd_bus_message_get_error(reply);
        Follow *f = userdata;
        int r;

        (void)error;
        if (said && strncmp(said->name, "org.tenantq.", 12) != 0)
                return try_later(f); /* the connection's end, not an answer */
        r = finish_both(&f->streams);
        return sd_event_exit(
                f->event, said ? fail(tq_control_exit_code(said->name), "%s", said->message) : r);
}

static int ask(Follow *f) {
        int r;

        if (f->call.bus)
                (void)sd_bus_detach_event(f->call.bus);
        call_done(&f->call);
        r = tq_control_connect(f->options->socket, &f->call.bus);
        if (r < 0)
                return try_later(f);
        r = call_again(&f->call, "Wait");
        if (r != 0)
                return sd_event_exit(f->event, r);
        (void)sd_bus_message_append(f->call.request, "t", f->job);
        r = sd_bus_call_async(f->call.bus, NULL, f->call.request, on_ended, f, UINT64_MAX);
        if (r >= 0)
                r = sd_bus_attach_event(f->call.bus, f->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0) {
                f->since = 0;
                return 0;
        }
        return try_later(f);
}

static int follow(Follow *f) {
        int r;

        r = sd_event_default(&f->event);
        if (r >= 0)
                r = sd_event_add_inotify_fd(f->event, NULL, f->streams.out.fd, IN_MODIFY, on_change,
                                            f);
        if (r >= 0)
                r = sd_event_add_inotify_fd(f->event, NULL, f->streams.err.fd, IN_MODIFY, on_change,
                                            f);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "can't watch the output: %s", strerror(-r));
        (void)on_change(NULL, NULL, f);
        r = ask(f);
        if (r >= 0)
                r = sd_event_loop(f->event);
        if (f->call.bus)
                (void)sd_bus_detach_event(f->call.bus);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : r;
}

int verb_logs(const Options *o, int argc, char *argv[]) {
        Follow f = { .options = o };
        uint64_t job;
        int r;

        (void)argc;
        r = parse_job(argv[0], &job);
        if (r != 0)
                return r;
        if (!o->follow)
                return logs_copy(o, job, false);
        f.job = job;
        /* A job that waits has no output yet. */
        r = call_about_job(o, &f.call, "WaitStart", job, NULL);
        if (r == 0)
                r = open_streams(o, &f.call, job, &f.streams);
        if (r == 0) {
                r = follow(&f);
                close_streams(&f.streams);
        }
        (void)sd_event_source_disable_unref(f.retry);
        call_done(&f.call);
        (void)sd_event_unref(f.event);
        return r;
}
