/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/interrupt.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>

#include "base/fs.h"
#include "ctl/ctl.h"

/* Whoever has started a job by hand and types ^C may mean the job, or only the waiting: it is asked
 * for, by the terminal and not by standard input, which is somebody else's. Output goes on
 * meanwhile. */

struct Interrupt {
        const Options *options;
        uint64_t job;
        sd_event *event;
        int tty;           /* ours to ask on; -EBADF: none is */
        bool is_cancelled; /* asked for: its end is awaited */
        sd_event_source *signals[2];
        sd_event_source *answer; /* while we ask */
};

static int leave(Interrupt *i, int number) {
        (void)fprintf(stderr, "%sjob %" PRIu64 " %s: tenantqctl logs -f %" PRIu64 "\n",
                      i->answer ? "\n" : "", i->job, i->is_cancelled ? "is being ended" : "goes on",
                      i->job);
        i->answer = sd_event_source_disable_unref(i->answer);
        return sd_event_exit(i->event, 128 + number);
}

/* While an answer is waited for without a time, a signal ends us as it ends anybody. */
static void let_through(const Interrupt *i, int how) {
        sigset_t set;

        (void)sigemptyset(&set);
        if (i->signals[0])
                (void)sigaddset(&set, SIGINT);
        if (i->signals[1])
                (void)sigaddset(&set, SIGTERM);
        (void)sigprocmask(how, &set, NULL);
}

static int cancel(Interrupt *i) {
        CALL_CLEANUP Call c = { .silent = 1U << TQ_CONTROL_NOT_FOUND };
        int r = call_open(i->options, &c, "Cancel");

        if (r != 0)
                return 0;
        r = sd_bus_message_append(c.request, "t", i->job);
        if (r >= 0)
                r = call_append_intent(&c);
        if (r < 0)
                return r;
        let_through(i, SIG_UNBLOCK);
        i->is_cancelled = call_send(&c) == 0;
        let_through(i, SIG_BLOCK);
        return 0;
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        char line[64] = "";
        Interrupt *i = userdata;
        ssize_t n = read(fd, line, sizeof(line) - 1);

        (void)source;
        (void)events;
        if (n < 0 && errno == EINTR)
                return 0;
        i->answer = sd_event_source_disable_unref(i->answer);
        if (n <= 0 || line[0] == 'd' || line[0] == 'D')
                return leave(i, SIGINT);
        return line[0] == 'y' || line[0] == 'Y' ? cancel(i) : 0;
}

/* In the background nobody would see the question, and reading stops a process; what is typed for
 * the job would be taken for the answer, or the answer for that. */
static bool may_ask(const Interrupt *i) {
        return !(i->options->input && isatty(STDIN_FILENO)) && i->tty >= 0 &&
               isatty(STDERR_FILENO) && tcgetpgrp(i->tty) == getpgrp();
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Interrupt *i = userdata;

        (void)source;
        if (info->ssi_signo != SIGINT || i->answer || i->is_cancelled || !may_ask(i))
                return leave(i, (int)info->ssi_signo);
        (void)fprintf(stderr, "\nCancel job %" PRIu64 "? [y/N, d: leave it running, as ^C does] ",
                      i->job);
        return sd_event_add_io(i->event, &i->answer, i->tty, EPOLLIN, on_answer, i);
}

/* One that is ignored (nohup(1), a shell's background) stays so. */
static int listen_to(Interrupt *i, int number, sd_event_source **ret) {
        struct sigaction before;
        sigset_t set;
        int r;

        if (sigaction(number, NULL, &before) < 0)
                return tq_errno();
        if (before.sa_handler == SIG_IGN)
                return 0;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, number);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return tq_errno();
        r = sd_event_add_signal(i->event, ret, number, on_signal, i);
        return r < 0 ? r : sd_event_source_set_priority(*ret, SD_EVENT_PRIORITY_IMPORTANT);
}

int interrupt_new(const Options *o, uint64_t job, sd_event *event, Interrupt **ret) {
        Interrupt *i = calloc(1, sizeof(*i));
        int r;

        if (!i)
                return -ENOMEM;
        *i = (Interrupt){ .options = o, .job = job, .event = event };
        i->tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        r = listen_to(i, SIGINT, &i->signals[0]);
        if (r >= 0)
                r = listen_to(i, SIGTERM, &i->signals[1]);
        if (r < 0) {
                (void)interrupt_free(i);
                return r;
        }
        *ret = i;
        return 0;
}

Interrupt *interrupt_free(Interrupt *i) {
        if (!i)
                return NULL;
        if (i->answer)
                (void)fputc('\n', stderr);
        (void)sd_event_source_disable_unref(i->answer);
        let_through(i, SIG_UNBLOCK);
        for (size_t k = 0; k < TQ_ELEMENTSOF(i->signals); k++)
                (void)sd_event_source_disable_unref(i->signals[k]);
        (void)tq_close(i->tty);
        free(i);
        return NULL;
}
