/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "ctl/ctl.h"

/* A job that reads what we read. It is handed in on a connection of its own, which becomes the
 * job's input when it starts: what is written there from then on, it reads, until we end it. */

typedef struct Feed {
        const Options *options;
        Call call;
        sd_bus_message *said; /* the first thing about the job: a signal or the answer */
        bool is_answered;     /* it starts, or never will */
        bool is_refused;
} Feed;

static Feed feeding;
static atomic_bool has_failed;

bool feed_has_failed(void) {
        return has_failed;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Feed *f = userdata;

        (void)error;
        if (!f->said && sd_bus_message_is_signal(m, TQ_CONTROL_INTERFACE, "Accepted") > 0)
                f->said = sd_bus_message_ref(m);
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Feed *f = userdata;

        (void)error;
        f->is_answered = true;
        f->is_refused = sd_bus_message_get_error(m) != NULL;
        if (!f->said)
                f->said = sd_bus_message_ref(m);
        return 0;
}

/* Until the condition holds, or the connection ends. */
static int await(Feed *f, const bool *is_answered) {
        int r = 0;

        while (r >= 0 && (is_answered ? !*is_answered : !f->said)) {
                r = sd_bus_process(f->call.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(f->call.bus, UINT64_MAX);
        }
        return r;
}

/* A piece of our input; 0: its end; -1: it can't be read. */
static ssize_t read_piece(char *data, size_t size) {
        for (;;) {
                ssize_t n = read(STDIN_FILENO, data, size);

                if (n >= 0)
                        return n;
                /* Somebody has made it so that nobody waits. */
                if (errno == EAGAIN)
                        (void)poll(&(struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN }, 1, -1);
                else if (errno != EINTR)
                        return -1;
        }
}

/* Whole, though the socket be one that does not wait. 0; negative: nobody reads there. */
static int write_piece(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

                if (n < 0 && errno == EAGAIN)
                        (void)poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
                else if (n < 0 && errno != EINTR)
                        return tq_errno();
                data += n > 0 ? n : 0;
                size -= n > 0 ? (size_t)n : 0;
        }
        return 0;
}

/* A thread, since reading a file can't be waited for. */
static void *feed(void *data) {
        static char piece[65536];
        Feed *f = data;
        ssize_t n = 0;
        int fd;

        if (await(f, &f->is_answered) < 0 || f->is_refused)
                return NULL; /* whoever waits for the job hears of it */
        fd = sd_bus_get_fd(f->call.bus);
        while (fd >= 0 && (n = read_piece(piece, sizeof(piece))) > 0)
                if (write_piece(fd, piece, (size_t)n) < 0)
                        return NULL; /* the job reads no more, or has ended */
        if (n < 0) {
                has_failed = true;
                (void)fail(TQ_EXIT_FAILURE, "standard input: %s: the job has got only a part",
                           strerror(errno));
        }
        (void)shutdown(fd, SHUT_WR);
        return NULL;
}

static int ask(Feed *f, const char *data, size_t size) {
        Call *c = &f->call;
        int r = call_open(f->options, c, "SubmitInput");

        if (r != 0)
                return r;
        r = sd_bus_message_append(c->request, "s", f->options->tenant ? f->options->tenant : "");
        if (r >= 0)
                r = sd_bus_message_append_array(c->request, 'y', data, size);
        if (r >= 0)
                r = sd_bus_add_filter(c->bus, NULL, on_message, f);
        if (r >= 0)
                r = sd_bus_call_async(c->bus, NULL, c->request, on_answer, f, UINT64_MAX);
        if (r >= 0)
                r = await(f, NULL);
        return r < 0 ? fail(TQ_EXIT_UNAVAILABLE,
                            "the daemon went away before it answered: whether the job was "
                            "accepted is not known (tenantqctl ps -a)")
                     : 0;
}

int feed_submit(const Options *o, const char *data, size_t size, uint64_t *ret_job) {
        Feed *f = &feeding;
        int r;

        *f = (Feed){ .options = o, .call = { .about = "" } };
        r = ask(f, data, size);
        if (r != 0)
                return r;
        if (f->is_refused)
                return call_fail(&f->call, sd_bus_message_get_error(f->said));
        r = submit_read(o, &f->call, f->said, ret_job);
        return r != 0 ? r : thread_start(feed, f);
}
