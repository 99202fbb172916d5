/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fs.h"
#include "kernel/cgroup.h"
#include "supervisor/jobs/jobs_private.h"

/* memory.high slows who is above it down, without an end and without a kill: a job that needs more
 * can crawl for hours. The kernel tells when nobody in the job's cgroup got anywhere for most of
 * ten seconds for want of memory (Documentation/accounting/psi.rst); a minute of that, without a
 * pause, is told to the engine, which ends the job. Only jobs that have such a limit above them are
 * watched, at the cost of a descriptor each; where the kernel keeps no such figures, none is
 * (doctor says so). */

#define TRIGGER    "full 8000000 10000000" /* usec of usec */
#define PAUSE_USEC (15 * TQ_USEC_PER_SEC)  /* it tells once a window, at most */
#define LASTS_USEC (50 * TQ_USEC_PER_SEC)  /* from the end of the first window */

/* 1: there is one; 0: none, or none any more; negative errno: that can't be known now. */
static int has_high(int dir_fd) {
        char text[32];
        ssize_t n = tq_fs_read_at(dir_fd, "memory.high", text, sizeof(text));

        return n == -ENOENT || n == -ENODEV ? 0 : n < 0 ? (int)n : strncmp(text, "max", 3) != 0;
}

/* By the files, where it is not known otherwise. */
static int is_slowed(const Attempt *a) {
        int job = has_high(a->leaf_fd), tenant = job > 0 ? 0 : has_high(a->tenant->slice_fd);

        return job > 0 || tenant > 0 ? 1 : TQ_MIN(job, tenant);
}

/* Whose limit it is: the job's own if that was met, else its tenant's; or negative errno. */
static int level_of(const Attempt *a) {
        char text[256];
        const char *high;
        ssize_t n = tq_fs_read_at(a->leaf_fd, "memory.events.local", text, sizeof(text));

        if (n < 0)
                return (int)n;
        high = strstr(text, "high ");
        return high && strtoull(high + 5, NULL, 10) > 0 ? TQ_LEVEL_JOB : TQ_LEVEL_TENANT;
}

static int on_pressure(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        uint64_t now = tq_clock_boottime_usec();
        int slowed, level = TQ_LEVEL_NONE;
        Attempt *a = userdata;
        TqMessage m;

        (void)source;
        (void)fd;
        /* Its cgroup is gone, or the limit: what it still lacks memory for is not memory.high. */
        slowed = is_slowed(a);
        if (revents & EPOLLERR || a->has_ended || slowed == 0) {
                stall_unwatch(a);
                return 0;
        }
        if (a->stalled_last == 0 || now - a->stalled_last > PAUSE_USEC)
                a->stalled_since = now;
        a->stalled_last = now;
        if (now - a->stalled_since >= LASTS_USEC)
                level = level_of(a);
        /* What can't be read is asked for when the kernel tells next. */
        if (slowed < 0 || level <= TQ_LEVEL_NONE)
                return 0;
        /* There is nobody to hear it: the next engine is told. */
        if (!a->jobs->is_told)
                return 0;
        m = (TqMessage){ .attempt = { .job = a->job,
                                      .attempt = a->attempt,
                                      .tenant = a->tenant->handle,
                                      .level = (TqLevel)level } };
        (void)tq_link_send(a->jobs->link, TQ_MESSAGE_STALLED, &m, NULL, 0, -EBADF);
        stall_unwatch(a);
        return 0;
}

void stall_unwatch(Attempt *a) {
        a->stall_source = sd_event_source_disable_unref(a->stall_source);
}

void stall_watch(Attempt *a, bool is_known) {
        TQ_CLOSE int fd = -EBADF;

        if (a->stall_source || !(slices_controllers(a->jobs->slices) & TQ_CONTROLLER_MEMORY) ||
            (!is_known && is_slowed(a) == 0))
                return;
        fd = openat(a->leaf_fd, "memory.pressure", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || write(fd, TRIGGER, sizeof(TRIGGER)) < 0 ||
            sd_event_add_io(a->jobs->event, &a->stall_source, fd, EPOLLPRI, on_pressure, a) < 0)
                return;
        (void)tq_take_fd(&fd);
        a->stalled_since = a->stalled_last = 0;
        (void)sd_event_source_set_io_fd_own(a->stall_source, true);
}

void jobs_hear_limits(Jobs *j, const Tenant *t) {
        size_t position = 0;
        Attempt *a;

        while (t->has_memory_high && (a = tq_map_next(&j->attempts, &position)))
                if (a->tenant == t && a->leaf_fd >= 0 && !a->has_ended)
                        stall_watch(a, true);
}
