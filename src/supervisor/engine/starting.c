/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/engine/starting.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/fs.h"

#define USER_TIME 14 /* the field; behind it is the system's */
#define LOOK_USEC (5 * TQ_USEC_PER_SEC)
#define MORE      "60000000" /* microseconds, from then */

/* What it has used of CPUs, user and system (proc(5), /proc/PID/stat); 0: that can't be read. */
static uint64_t ticks_of(pid_t pid) {
        char path[32], text[1024], *rest;
        uint64_t user;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        if (tq_fs_read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
                return 0;
        /* Behind its name, which may have anything in it. */
        rest = strrchr(text, ')');
        for (int field = 2; rest && field < USER_TIME; field++)
                rest = strchr(rest + 1, ' ');
        if (!rest)
                return 0;
        user = strtoull(rest, &rest, 10);
        return user + strtoull(rest, NULL, 10);
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata) {
        Starting *s = userdata;
        uint64_t ticks = ticks_of(s->pid);

        (void)usec;
        if (ticks > s->ticks)
                (void)sd_notifyf(0,
                                 "EXTEND_TIMEOUT_USEC=" MORE "\nSTATUS=The ledger is being read, "
                                 "or brought to this version: %llu s till now.",
                                 (unsigned long long)((tq_clock_boottime_usec() - s->since) /
                                                      TQ_USEC_PER_SEC));
        s->ticks = ticks;
        (void)sd_event_source_set_time_relative(source, LOOK_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int starting_begin(Starting *s, sd_event *event, pid_t pid) {
        starting_end(s);
        s->pid = pid;
        s->since = tq_clock_boottime_usec();
        return sd_event_add_time_relative(event, &s->timer, CLOCK_BOOTTIME, LOOK_USEC,
                                          100 * TQ_USEC_PER_MSEC, on_look, s);
}

void starting_end(Starting *s) {
        s->timer = sd_event_source_disable_unref(s->timer);
        s->ticks = 0;
}
