/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "fake/fake.h"

uint64_t fake_now = 1000 * TQ_USEC_PER_SEC;

uint64_t fake_set;

uint64_t tq_clock_realtime_usec(void) {
        return FAKE_EPOCH + fake_now + fake_set;
}

uint64_t tq_clock_monotonic_usec(void) {
        return fake_now;
}

uint64_t tq_clock_boottime_usec(void) {
        return fake_now;
}

/* A timer goes off whenever the loop is run: what is due is what this clock says, and the kernel
 * knows another one. */
int sd_event_source_set_time(sd_event_source *source, uint64_t usec) {
        int (*real)(sd_event_source *, uint64_t);

        (void)usec;
        *(void **)&real = dlsym(RTLD_NEXT, "sd_event_source_set_time");
        return real(source, 0);
}

int sd_event_source_set_time_relative(sd_event_source *source, uint64_t usec) {
        return sd_event_source_set_time(source, usec);
}

static int on_once(sd_event_source *source, void *userdata) {
        (void)source;
        (void)userdata;
        return 0;
}

void fake_run(sd_event *loop) {
        sd_event_source *once = NULL;

        /* Behind something that happened: what follows a turn is done. */
        (void)sd_event_add_defer(loop, &once, on_once, NULL);
        for (int turns = 0; turns < 16 && sd_event_run(loop, 0) > 0; turns++)
                ;
        (void)sd_event_source_disable_unref(once);
}
