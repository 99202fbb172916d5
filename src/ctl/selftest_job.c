/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/selftest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"

/* The jobs of a self-test. None outlives it: neither an interruption nor a host on which nothing
 * starts leaves one that waits. */

#define END_USEC  (2 * 60 * TQ_USEC_PER_SEC) /* a probe takes seconds, on a busy host more */
#define LOOK_USEC TQ_USEC_PER_SEC            /* a signal that came just before a wait */

static volatile sig_atomic_t is_interrupted;

static void on_signal(int sig) {
        (void)sig;
        is_interrupted = 1;
}

void selftest_listen(void) {
        (void)signal(SIGINT, on_signal);
        (void)signal(SIGTERM, on_signal);
        (void)signal(SIGHUP, on_signal);
}

bool selftest_is_interrupted(void) {
        return is_interrupted;
}

void selftest_ended_done(Ended *e) {
        tq_table_done(&e->row);
}

int selftest_submit(Selftest *s, const char *script, const char *more, uint64_t *ret_job) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};

        tq_buffer_printf(&text,
                         "[Job]\nName=probe\nExecStart=/bin/sh -c \"%s\"\nTimeoutStopSec=1\n%s\n",
                         script, more);
        if (!tq_buffer_string(&text))
                return fail(TQ_EXIT_FAILURE, "out of memory");
        return submit_bytes(&s->options, NULL, text.data, text.size, ret_job);
}

int selftest_cancel(const Selftest *s, uint64_t job) {
        CALL_CLEANUP Call c = {};
        int r = call_open(&s->options, &c, "Cancel");

        if (r != 0)
                return r;
        (void)sd_bus_message_append(c.request, "tsu", job, "", 0U);
        return call_send(&c);
}

static void read_output(const Selftest *s, uint64_t job, char *ret, size_t size) {
        char path[PATH_MAX + 64];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/" SELFTEST_TENANT "/%" PRIu64 ".1.out",
                       s->config->logs, job);
        n = tq_fs_read_at(AT_FDCWD, path, ret, size);
        if (n < 0)
                n = 0;
        ret[n] = '\0';
        for (; n > 0 && ret[n - 1] == '\n'; n--)
                ret[n - 1] = '\0';
        for (char *p = ret; (p = strchr(p, '\n')); p++)
                *p = ' ';
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Call *c = userdata;

        (void)error;
        c->reply = sd_bus_message_ref(reply);
        return 0;
}

/* 0: answered; 1: interrupted, or not in time. */
static int await(Call *c) {
        uint64_t end = tq_clock_monotonic_usec() + END_USEC;

        while (!c->reply) {
                uint64_t left = tq_sub_u64(end, tq_clock_monotonic_usec());
                int r = sd_bus_process(c->bus, NULL);

                if (r < 0)
                        return r;
                if (c->reply || r > 0)
                        continue;
                if (is_interrupted || left == 0)
                        return 1;
                (void)sd_bus_wait(c->bus, TQ_MIN(left, LOOK_USEC));
        }
        return 0;
}

/* It may have ended just now: that is not a fault. */
static void give_up(const Selftest *s, uint64_t job) {
        CALL_CLEANUP Call c = {};

        if (call_open(&s->options, &c, "Cancel") == 0 &&
            sd_bus_message_append(c.request, "tsu", job, "", 0U) >= 0)
                (void)sd_bus_call(c.bus, c.request, UINT64_MAX, &c.error, &c.reply);
}

int selftest_wait(Selftest *s, uint64_t job, Ended *ret) {
        CALL_CLEANUP Call c = {};
        int r = call_open(&s->options, &c, "Wait");

        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "t", job);
        if (r >= 0)
                r = sd_bus_call_async(c.bus, NULL, c.request, on_answer, &c, UINT64_MAX);
        if (r >= 0)
                r = await(&c);
        if (r < 0)
                return fail(TQ_EXIT_UNAVAILABLE, "waiting for job %" PRIu64 ": %s", job,
                            strerror(-r));
        if (r > 0) {
                give_up(s, job);
                return fail(TQ_EXIT_FAILURE,
                            is_interrupted ? "interrupted: job %" PRIu64 " is cancelled"
                                           : "job %" PRIu64 " has not ended within 2min, and is "
                                             "cancelled: a host that is busy?",
                            job);
        }
        if (sd_bus_message_is_method_error(c.reply, NULL))
                return fail(TQ_EXIT_FAILURE, "job %" PRIu64 ": %s", job,
                            sd_bus_message_get_error(c.reply)->message);
        r = call_read_table(&c, &ret->row);
        if (r == 0)
                read_output(s, job, ret->output, sizeof(ret->output));
        return r;
}

int selftest_run(Selftest *s, const char *script, const char *more, Ended *ret) {
        uint64_t job = 0;
        int r = selftest_submit(s, script, more, &job);

        return r == 0 ? selftest_wait(s, job, ret) : r;
}
