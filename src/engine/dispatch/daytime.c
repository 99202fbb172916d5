/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/daytime.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/log.h"

/* Times of day. StartAfter= and Deadline= follow CLOCK_REALTIME, while the scheduler counts from
 * boot, so that durations know nothing of a clock that is set. The kernel tells when it is set
 * (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET): then each waiting job that names a time is told by
 * what that time is now. Slewing needs no care: both clocks are slewed alike. */

#define END_OF_TIME INT64_C(9223372035) /* seconds; the kernel's own is in 2262 */

struct Daytime {
        Feed *feed;
        Walks *walks;
        sd_event_source *source;
        bool is_retelling, must_retell;
};

int daytime_new(Feed *feed, Walks *walks, Daytime **ret) {
        Daytime *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->feed = feed;
        d->walks = walks;
        *ret = d;
        return 0;
}

Daytime *daytime_free(Daytime *d) {
        if (!d)
                return NULL;
        (void)sd_event_source_disable_unref(d->source);
        free(d);
        return NULL;
}

uint64_t daytime_to_boottime(uint64_t realtime) {
        uint64_t now = realtime > 0 ? tq_clock_realtime_usec() : 0;

        return realtime <= now ? 0 : tq_add_u64(tq_clock_boottime_usec(), realtime - now);
}

uint64_t daytime_of(uint64_t boottime) {
        return tq_add_u64(tq_clock_realtime_usec(), tq_sub_u64(boottime, tq_clock_boottime_usec()));
}

void daytime_fill(const JobTimes *times, TqEvent *event) {
        event->j.not_before = daytime_to_boottime(times->start_after_usec);
        event->j.has_start_by = times->has_deadline;
        event->j.start_by = daytime_to_boottime(times->deadline_usec);
}

static bool names_a_time(const TqJob *job, const void *data) {
        const JobTimes *times = &job_cold(job_of(job))->times;

        (void)data;
        return job->state <= TQ_JOB_QUEUED && (times->start_after_usec > 0 || times->has_deadline);
}

static void retell(void *data, const TqJob *job) {
        TqEvent event = { .type = TQ_EVENT_TIMES, .job = job->id };
        Daytime *d = data;

        daytime_fill(&job_cold(job_of(job))->times, &event);
        feed_must(d->feed, &event);
}

static void on_retold(void *data);

/* One walk at a time, however often the clock is set: it ends with another if it was set since. */
static void retell_all(Daytime *d) {
        if (d->is_retelling) {
                d->must_retell = true;
                return;
        }
        d->is_retelling = walks_start(d->walks, names_a_time, retell, on_retold, d) >= 0;
        if (!d->is_retelling)
                tq_log(LOG_ERR, "out of memory; StartAfter= and Deadline= keep the old clock");
}

static void on_retold(void *data) {
        Daytime *d = data;

        d->is_retelling = false;
        if (d->must_retell) {
                d->must_retell = false;
                retell_all(d);
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
        Daytime *d = userdata;
        uint64_t expirations;

        (void)source;
        (void)revents;
        (void)!read(fd, &expirations, sizeof(expirations));
        if (arm(fd) < 0)
                tq_log(LOG_ERR, "the clock of the day can't be watched");
        tq_log(LOG_INFO, "the clock of the day was set");
        retell_all(d);
        return 0;
}

int daytime_start(Daytime *d, sd_event *event) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (fd < 0)
                return tq_errno();
        r = arm(fd);
        if (r >= 0)
                r = sd_event_add_io(event, &d->source, fd, EPOLLIN, on_clock, d);
        if (r < 0)
                return r;
        (void)tq_take_fd(&fd);
        return sd_event_source_set_io_fd_own(d->source, true);
}
