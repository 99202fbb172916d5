/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/fs.h"
#include "core/table.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
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

/* To where the last n lines begin, as tail(1) counts them: what follows the last line feed is one
 * too. */
static int seek_lines(int fd, uint64_t n) {
        off_t end = lseek(fd, 0, SEEK_END), at = end;
        char block[65536];

        while (n > 0 && at > 0) {
                size_t size = TQ_MIN((size_t)at, sizeof(block));

                at -= (off_t)size;
                if (pread(fd, block, size, at) != (ssize_t)size)
                        return -EIO;
                for (size_t i = size; i > 0; i--)
                        if (block[i - 1] == '\n' && at + (off_t)i != end && --n == 0)
                                return lseek(fd, at + (off_t)i, SEEK_SET) < 0 ? tq_errno() : 0;
        }
        if (at < 0 || lseek(fd, at, SEEK_SET) < 0)
                return tq_errno();
        return 0;
}

static int open_stream(const Options *o, Call *c, uint64_t job, const char *name, Stream *ret) {
        int fd, r;

        r = call_about_job(o, c, "OpenLog", job, name);
        if (r != 0)
                return r;
        r = sd_bus_message_read(c->reply, "h", &fd);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer has no descriptor");
        ret->fd = dup(fd);
        if (ret->fd < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(errno));
        r = o->used & WITH(LINES) ? seek_lines(ret->fd, o->rows) : 0;
        return r < 0 ? fail(TQ_EXIT_FAILURE, "the output can't be read: %s", strerror(-r)) : 0;
}

/* What there is now, in pieces. 1: there may be more; 0; a negative exit code, and it is said. */
static int copy(Stream *s) {
        bool is_terminal = isatty(fileno(s->to));
        char data[65536];
        ssize_t n;

        if (s->fd < 0)
                return 0;
        memcpy(data, s->held, s->n_held);
        n = read(s->fd, data + s->n_held, sizeof(data) - s->n_held);
        if (n < 0)
                return -fail(TQ_EXIT_FAILURE, "the output can't be read: %s", strerror(errno));
        if (is_terminal) {
                size_t size = s->n_held + (size_t)n;

                s->n_held = output_safe(s->to, data, size);
                memcpy(s->held, data + size - s->n_held, s->n_held);
        } else
                (void)fwrite(data, 1, (size_t)n, s->to);
        (void)fflush(s->to);
        return n > 0;
}

/* Nothing more comes. */
static int finish(Stream *s) {
        int r;

        while ((r = copy(s)) > 0)
                ;
        for (size_t i = 0; i < s->n_held; i++)
                (void)fprintf(s->to, "\\x%02x", (unsigned char)s->held[i]);
        s->n_held = 0;
        (void)fflush(s->to);
        return -r;
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

#define LOOK_USEC (200 * TQ_USEC_PER_MSEC)

/* Following: the output is watched by its descriptors, which outlive the daemon; its start and its
 * end are asked of the daemon, and of the next one when that goes away. */
typedef struct Follow {
        const Options *options;
        uint64_t job;
        bool is_own;    /* we have handed it in: it has not to have output, and ^C is about it */
        bool was_there; /* a daemon: then the next one is waited for */
        bool has_started, has_output, has_ended;
        TqTable *ended; /* the job's row then */
        Streams streams;
        Call call;
        sd_event *event;
        sd_event_source *retry, *more, *look;
        uint64_t since, delay; /* without a daemon: since when; until the next attempt */
} Follow;

/* A piece of each at a time: there are other things to be listened to. */
static int pump(Follow *f) {
        int out = copy(&f->streams.out), err = copy(&f->streams.err);

        /* Nobody reads any more: main() says whether that is a fault. */
        if (out < 0 || err < 0 || ferror(stdout))
                return sd_event_exit(f->event, out < 0 ? -out : err < 0 ? -err : 0);
        if (out > 0 || err > 0)
                return sd_event_source_set_enabled(f->more, SD_EVENT_ONESHOT);
        return f->has_ended ? sd_event_exit(f->event, finish_both(&f->streams)) : 0;
}

static int on_more(sd_event_source *source, void *userdata) {
        (void)source;
        return pump(userdata);
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        (void)source;
        (void)event;
        return pump(userdata);
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

static int on_look(sd_event_source *source, uint64_t usec, void *userdata) {
        int r;

        (void)usec;
        r = sd_event_source_set_time_relative(source, LOOK_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return r < 0 ? r : pump(userdata);
}

static int watch(Follow *f) {
        int r;

        r = sd_event_add_inotify_fd(f->event, NULL, f->streams.out.fd, IN_MODIFY, on_change, f);
        if (r >= 0)
                r = sd_event_add_inotify_fd(f->event, NULL, f->streams.err.fd, IN_MODIFY, on_change,
                                            f);
        /* An administrator who is not root may not open the files, and who may not open a file may
         * not watch it either, whatever descriptor of it he has. */
        return r == -EACCES ? sd_event_add_time_relative(f->event, &f->look, CLOCK_MONOTONIC,
                                                         LOOK_USEC, 0, on_look, f)
                            : r;
}

/* A job that waits has no output yet, and one that never ran none at all. */
static int on_started(Follow *f) {
        CALL_CLEANUP Call c = { .options = f->options,
                                .silent = f->is_own ? 1U << TQ_CONTROL_NOT_FOUND : 0 };
        int r = open_streams(f->options, &c, f->job, &f->streams);

        f->has_started = true;
        if (r == TQ_EXIT_NOT_FOUND && f->is_own)
                return ask(f);
        if (r != 0)
                return sd_event_exit(f->event, r);
        r = watch(f);
        if (r < 0)
                return sd_event_exit(f->event, fail(TQ_EXIT_FAILURE, "can't watch the output: %s",
                                                    strerror(-r)));
        f->has_output = true;
        r = ask(f);
        return r < 0 ? r : pump(f);
}

static bool is_same(const Stream *a, const Stream *b) {
        struct stat x, y;

        return fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 && x.st_dev == y.st_dev &&
               x.st_ino == y.st_ino;
}

/* Each attempt has output of its own: when the job has ended, that of its last one is due, if it
 * is not the one that was followed. 0, or an exit code. */
static int turn_to_the_last(Follow *f) {
        CALL_CLEANUP Call c = { .options = f->options, .silent = 1U << TQ_CONTROL_NOT_FOUND };
        Streams last;
        int r = open_streams(f->options, &c, f->job, &last);

        if (r == 0 && (!f->has_output || !is_same(&last.out, &f->streams.out))) {
                r = finish_both(&f->streams);
                close_streams(&f->streams);
                f->streams = last;
                return r;
        }
        close_streams(&last);
        return r == TQ_EXIT_NOT_FOUND ? 0 : r;
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *said = sd_bus_message_get_error(reply);
        Follow *f = userdata;
        int r;

        (void)error;
        if (said && strncmp(said->name, "org.tenantq.", 12) != 0)
                return try_later(f); /* the connection's end, not an answer */
        if (said) {
                (void)finish_both(&f->streams);
                return sd_event_exit(f->event,
                                     fail(tq_control_exit_code(said->name), "%s", said->message));
        }
        if (!f->has_started)
                return on_started(f);
        if (f->ended && tq_control_read_table(reply, f->ended) < 0)
                return sd_event_exit(f->event,
                                     fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read"));
        f->has_ended = true;
        r = f->options->json ? 0 : turn_to_the_last(f);
        return r != 0 ? sd_event_exit(f->event, r) : pump(f);
}

static int ask(Follow *f) {
        const char *method = f->has_started ? "Wait" : "WaitStart";
        int r;

        if (f->call.bus)
                (void)sd_bus_detach_event(f->call.bus);
        call_done(&f->call);
        if (f->was_there) {
                r = tq_control_connect(f->options->socket, &f->call.bus);
                if (r < 0)
                        return try_later(f);
                r = call_again(&f->call, method);
        } else
                r = call_open(f->options, &f->call, method);
        if (r != 0)
                return sd_event_exit(f->event, r);
        f->was_there = true;
        (void)sd_bus_message_append(f->call.request, "t", f->job);
        r = sd_bus_call_async(f->call.bus, NULL, f->call.request, on_answer, f, UINT64_MAX);
        if (r >= 0)
                r = sd_bus_attach_event(f->call.bus, f->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0) {
                f->since = 0;
                return 0;
        }
        return try_later(f);
}

static int follow(Follow *f) {
        Interrupt *interrupt = NULL;
        int r;

        f->streams = (Streams){ { .fd = -EBADF, .to = stdout }, { .fd = -EBADF, .to = stderr } };
        r = sd_event_default(&f->event);
        if (r >= 0)
                r = sd_event_add_defer(f->event, &f->more, on_more, f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->more, SD_EVENT_OFF);
        if (r >= 0 && f->is_own)
                r = interrupt_new(f->options, f->job, f->event, &interrupt);
        if (r >= 0)
                r = ask(f);
        if (r >= 0)
                r = sd_event_loop(f->event);
        if (f->call.bus)
                (void)sd_bus_detach_event(f->call.bus);
        close_streams(&f->streams);
        (void)interrupt_free(interrupt);
        (void)sd_event_source_disable_unref(f->retry);
        (void)sd_event_source_disable_unref(f->more);
        (void)sd_event_source_disable_unref(f->look);
        call_done(&f->call);
        (void)sd_event_unref(f->event);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : r;
}

int logs_attend(const Options *o, uint64_t job, TqTable *ret) {
        Follow f = { .options = o,
                     .job = job,
                     .is_own = true,
                     .was_there = true,
                     .has_started = o->json,
                     .ended = ret };
        int r = follow(&f);

        /* It ran, and there was nothing to open: why is said, but it did what it was to do. */
        if (r == 0 && !o->json && !f.has_output && ret->n_rows > 0 &&
            tq_table_integer(ret, 0, "started_usec", 0) > 0)
                (void)logs_copy(o, job, true);
        return r;
}

int verb_logs(const Options *o, int argc, char *argv[]) {
        Follow f = { .options = o };
        int r;

        (void)argc;
        r = parse_job(argv[0], &f.job);
        if (r == 0 && o->follow)
                r = output_end_with_reader();
        if (r != 0)
                return r;
        return o->follow ? follow(&f) : logs_copy(o, f.job, false);
}
