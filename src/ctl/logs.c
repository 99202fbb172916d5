/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/inotify.h>
#include <systemd/sd-event.h>

#include "base/fs.h"
#include "core/table.h"
#include "ctl/ctl.h"
#include "ipc/control.h"

/* A job's output, from descriptors that the daemon opens. On a terminal control characters are
 * shown as \xHH: the output is a tenant's, the terminal the administrator's. */

static int open_stream(const Options *o, Call *c, uint64_t job, const char *stream, int *ret_fd) {
        int fd, r;

        r = c->bus ? call_again(c, "OpenLog") : call_open(o, c, "OpenLog");
        if (r != 0)
                return r;
        (void)sd_bus_message_append(c->request, "ts", job, stream);
        r = call_send(c);
        if (r != 0)
                return r;
        r = sd_bus_message_read(c->reply, "h", &fd);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer has no descriptor");
        *ret_fd = dup(fd);
        return *ret_fd < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(errno)) : 0;
}

static void print_safe(FILE *to, const char *data, size_t size) {
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)data[i];

                if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
                        (void)fprintf(to, "\\x%02x", c);
                else
                        (void)fputc(c, to);
        }
}

static void copy(int fd, FILE *to) {
        bool is_terminal = isatty(fileno(to));
        char data[65536];
        ssize_t n;

        while ((n = read(fd, data, sizeof(data))) > 0) {
                if (is_terminal)
                        print_safe(to, data, (size_t)n);
                else
                        (void)fwrite(data, 1, (size_t)n, to);
        }
        (void)fflush(to);
}

int logs_copy(const Options *o, uint64_t job) {
        CALL_CLEANUP Call c = {};
        TQ_CLOSE int out = -EBADF, err = -EBADF;
        int r;

        r = open_stream(o, &c, job, "out", &out);
        if (r == 0)
                r = open_stream(o, &c, job, "err", &err);
        if (r != 0)
                return r;
        copy(out, stdout);
        copy(err, stderr);
        return 0;
}

typedef struct Follow {
        int out, err;
        sd_event *event;
} Follow;

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        Follow *f = userdata;

        (void)source;
        (void)event;
        copy(f->out, stdout);
        copy(f->err, stderr);
        return 0;
}

static int on_ended(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Follow *f = userdata;

        (void)error;
        copy(f->out, stdout);
        copy(f->err, stderr);
        return sd_event_exit(f->event,
                             sd_bus_message_is_method_error(reply, NULL) ? TQ_EXIT_FAILURE : 0);
}

static int follow(Call *c, uint64_t job, Follow *f) {
        int r;

        r = sd_event_default(&f->event);
        if (r >= 0)
                r = sd_event_add_inotify_fd(f->event, NULL, f->out, IN_MODIFY, on_change, f);
        if (r >= 0)
                r = sd_event_add_inotify_fd(f->event, NULL, f->err, IN_MODIFY, on_change, f);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "can't watch the output: %s", strerror(-r));
        r = call_again(c, "Wait");
        if (r != 0)
                return r;
        (void)sd_bus_message_append(c->request, "t", job);
        r = sd_bus_call_async(c->bus, NULL, c->request, on_ended, f, UINT64_MAX);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, f->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s", strerror(-r));
        (void)on_change(NULL, NULL, f);
        r = sd_event_loop(f->event);
        (void)sd_bus_detach_event(c->bus);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : r;
}

int verb_logs(const Options *o, int argc, char *argv[]) {
        CALL_CLEANUP Call c = {};
        Follow f = { .out = -EBADF, .err = -EBADF };
        uint64_t job;
        int r;

        (void)argc;
        r = parse_job(argv[0], &job);
        if (r != 0)
                return r;
        if (!o->follow)
                return logs_copy(o, job);
        r = open_stream(o, &c, job, "out", &f.out);
        if (r == 0)
                r = open_stream(o, &c, job, "err", &f.err);
        if (r == 0)
                r = follow(&c, job, &f);
        (void)sd_event_unref(f.event);
        (void)tq_close(f.out);
        (void)tq_close(f.err);
        return r;
}
