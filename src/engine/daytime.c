/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/walk.h"

/* Times of day. StartAfter= and Deadline= follow CLOCK_REALTIME, while the scheduler counts from
 * boot, so that durations know nothing of a clock that is set. The kernel tells when it is set
 * (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET): then each waiting job that names a time is told by
 * what that time is now. Slewing needs no care: both clocks are slewed alike. */

#define END_OF_TIME INT64_C(9223372035) /* seconds; the kernel's own is in 2262 */

static uint64_t to_boottime(uint64_t realtime) {
        uint64_t now = tq_clock_realtime_usec();

        return realtime <= now ? 0 : tq_add_u64(tq_clock_boottime_usec(), realtime - now);
}

/* j.not_before, j.has_start_by and j.start_by of an event about the job. */
void daytime_fill(const EngineJob *job, TqEvent *event) {
        event->j.not_before = to_boottime(job->start_after_usec);
        event->j.has_start_by = job->has_deadline;
        event->j.start_by = to_boottime(job->deadline_usec);
}

static bool names_a_time(const TqJob *job, const void *data) {
        const EngineJob *ej = job->userdata;

        (void)data;
        return job->state <= TQ_JOB_QUEUED && (ej->start_after_usec > 0 || ej->has_deadline);
}

static void retell(Engine *e, const TqJob *job, void *data) {
        TqEvent event = { .type = TQ_EVENT_TIMES, .job = job->id };

        (void)data;
        daytime_fill(job->userdata, &event);
        (void)dispatch_step(e, &event);
}

static void on_retold(Engine *e, void *data);

/* One walk at a time, however often the clock is set: it ends with another if it was set since. */
static void retell_all(Engine *e) {
        if (e->is_retelling) {
                e->must_retell = true;
                return;
        }
        e->is_retelling = walk_start(e, names_a_time, retell, on_retold, NULL) >= 0;
        if (!e->is_retelling)
                engine_say(SD_ERR, "out of memory; StartAfter= and Deadline= keep the old clock");
}

static void on_retold(Engine *e, void *data) {
        (void)data;
        e->is_retelling = false;
        if (e->must_retell) {
                e->must_retell = false;
                retell_all(e);
        }
}

/* Never expires; it is there to be cancelled. */
static int arm(int fd) {
        const struct itimerspec never = { .it_value.tv_sec = END_OF_TIME };

        return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0
                       ? tq_errno()
                       : 0;
}

static int on_clock(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Engine *e = userdata;
        uint64_t expirations;

        (void)source;
        (void)revents;
        (void)!read(fd, &expirations, sizeof(expirations));
        if (arm(fd) < 0)
                engine_say(SD_ERR, "the clock of the day can't be watched");
        engine_say(SD_INFO, "the clock of the day was set");
        retell_all(e);
        return 0;
}

int daytime_start(Engine *e) {
        TQ_CLOSE int fd = -EBADF;
        sd_event_source *source;
        int r;

        fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (fd < 0)
                return tq_errno();
        r = arm(fd);
        if (r >= 0)
                r = sd_event_add_io(e->event, &source, fd, EPOLLIN, on_clock, e);
        if (r < 0)
                return r;
        (void)sd_event_source_set_io_fd_own(source, true);
        (void)tq_take_fd(&fd);
        return sd_event_source_set_floating(source, true);
}
