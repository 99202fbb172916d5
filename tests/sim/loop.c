/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <systemd/sd-event.h>

#include "loop.h"

/* sd-event(3) as far as the engine uses it, under the simulated clock: sources of the same priority
 * have their turn in any order, where the real one prefers who was ready first. A descriptor is
 * ready when the simulator says so. */

typedef enum Kind { KIND_IO, KIND_TIME, KIND_DEFER, KIND_POST } Kind;

struct sd_event_source {
        TqList link;
        sd_event *loop;
        Kind kind;
        int fd;
        bool owns_fd, is_pending; /* a post source: something happened */
        uint64_t usec;
        int64_t priority;
        int enabled;
        union {
                sd_event_io_handler_t io;
                sd_event_time_handler_t time;
                sd_event_handler_t plain;
        } handler;
        void *userdata;
};

struct sd_event {
        TqList sources;
        sd_event_source *current; /* NULL: none, or it has been freed meanwhile */
        bool must_exit;
        int exit_code;
};

bool loop_channel_is_ready, loop_worker_is_ready;

int sd_event_default(sd_event **ret) {
        *ret = calloc(1, sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        tq_list_init(&(*ret)->sources);
        return 0;
}

sd_event *sd_event_unref(sd_event *e) {
        free(e);
        return NULL;
}

int sd_event_exit(sd_event *e, int code) {
        e->must_exit = true;
        e->exit_code = code;
        return 0;
}

bool loop_must_exit(const sd_event *e, int *ret_code) {
        *ret_code = e->exit_code;
        return e->must_exit;
}

static int add(sd_event *e, Kind kind, int enabled, void *userdata, sd_event_source **ret) {
        sd_event_source *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        *s = (sd_event_source){
                .loop = e, .kind = kind, .fd = -EBADF, .enabled = enabled, .userdata = userdata
        };
        tq_list_append(&e->sources, &s->link);
        *ret = s;
        return 0;
}

int sd_event_add_io(sd_event *e, sd_event_source **ret, int fd, uint32_t events,
                    sd_event_io_handler_t handler, void *userdata) {
        int r = add(e, KIND_IO, SD_EVENT_ON, userdata, ret);

        (void)events;
        if (r >= 0) {
                (*ret)->fd = fd;
                (*ret)->handler.io = handler;
        }
        return r;
}

/* All clocks but that of the day are the same one. */
int sd_event_add_time(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec,
                      uint64_t accuracy, sd_event_time_handler_t handler, void *userdata) {
        int r = add(e, KIND_TIME, SD_EVENT_ONESHOT, userdata, ret);

        (void)clock;
        (void)accuracy;
        if (r >= 0) {
                (*ret)->usec = usec;
                (*ret)->handler.time = handler;
        }
        return r;
}

int sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec,
                               uint64_t accuracy, sd_event_time_handler_t handler, void *userdata) {
        return sd_event_add_time(e, ret, clock, tq_add_u64(sim.boottime, usec), accuracy, handler,
                                 userdata);
}

int sd_event_add_defer(sd_event *e, sd_event_source **ret, sd_event_handler_t handler,
                       void *userdata) {
        int r = add(e, KIND_DEFER, SD_EVENT_ONESHOT, userdata, ret);

        if (r >= 0)
                (*ret)->handler.plain = handler;
        return r;
}

int sd_event_add_post(sd_event *e, sd_event_source **ret, sd_event_handler_t handler,
                      void *userdata) {
        int r = add(e, KIND_POST, SD_EVENT_ON, userdata, ret);

        if (r >= 0)
                (*ret)->handler.plain = handler;
        return r;
}

int sd_event_source_set_enabled(sd_event_source *s, int enabled) {
        if (!s)
                return 0;
        s->enabled = enabled;
        s->is_pending &= enabled != SD_EVENT_OFF;
        return 0;
}

int sd_event_source_set_priority(sd_event_source *s, int64_t priority) {
        s->priority = priority;
        return 0;
}

int sd_event_source_set_time(sd_event_source *s, uint64_t usec) {
        s->usec = usec;
        return 0;
}

int sd_event_source_set_time_relative(sd_event_source *s, uint64_t usec) {
        return sd_event_source_set_time(s, tq_add_u64(sim.boottime, usec));
}

int sd_event_source_set_io_events(sd_event_source *s, uint32_t events) {
        (void)s;
        (void)events;
        return 0;
}

int sd_event_source_set_io_fd_own(sd_event_source *s, int own) {
        s->owns_fd = own;
        return 0;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *s) {
        if (!s)
                return NULL;
        if (s->loop->current == s)
                s->loop->current = NULL;
        tq_list_unlink(&s->link);
        if (s->owns_fd)
                (void)tq_close(s->fd);
        free(s);
        return NULL;
}

static bool is_due(const sd_event_source *s) {
        if (s->enabled == SD_EVENT_OFF)
                return false;
        switch (s->kind) {
        case KIND_IO:
                return (s->fd == LOOP_FD_CHANNEL && loop_channel_is_ready) ||
                       (s->fd == LOOP_FD_WORKER && loop_worker_is_ready);
        case KIND_TIME:
                return s->usec <= sim.boottime;
        case KIND_DEFER:
                return true;
        default:
                return s->is_pending;
        }
}

/* Of those that are due and come before all others, any. NULL: none is. */
static sd_event_source *choose(sd_event *e) {
        sd_event_source *chosen = NULL;
        uint64_t n = 0;

        TQ_LIST_FOREACH(node, &e->sources) {
                sd_event_source *s = TQ_LIST_ENTRY(node, sd_event_source, link);

                if (!is_due(s) || (chosen && s->priority > chosen->priority))
                        continue;
                n = chosen && s->priority == chosen->priority ? n + 1 : 1;
                if (n == 1 || sim_one_in(n))
                        chosen = s;
        }
        return chosen;
}

void loop_happened(sd_event *e) {
        TQ_LIST_FOREACH(node, &e->sources) {
                sd_event_source *s = TQ_LIST_ENTRY(node, sd_event_source, link);

                if (s->kind == KIND_POST && s->enabled != SD_EVENT_OFF)
                        s->is_pending = true;
        }
}

void loop_turn(sd_event *e) {
        sd_event_source *s = choose(e);
        int r;

        if (!s)
                return;
        if (s->enabled == SD_EVENT_ONESHOT)
                s->enabled = SD_EVENT_OFF;
        s->is_pending = false;
        if (s->kind != KIND_POST)
                loop_happened(e);
        e->current = s;
        r = s->kind == KIND_IO     ? s->handler.io(s, s->fd, 1, s->userdata)
            : s->kind == KIND_TIME ? s->handler.time(s, s->usec, s->userdata)
                                   : s->handler.plain(s, s->userdata);
        if (r < 0 && e->current)
                e->current->enabled = SD_EVENT_OFF;
        e->current = NULL;
}

bool loop_is_due(sd_event *e) {
        TQ_LIST_FOREACH(node, &e->sources)
        if (is_due(TQ_LIST_ENTRY(node, sd_event_source, link)))
                return true;
        return false;
}

uint64_t loop_next(const sd_event *e) {
        uint64_t next = UINT64_MAX;

        TQ_LIST_FOREACH(node, &e->sources) {
                const sd_event_source *s = TQ_LIST_ENTRY(node, sd_event_source, link);

                if (s->kind == KIND_TIME && s->enabled != SD_EVENT_OFF)
                        next = TQ_MIN(next, s->usec);
        }
        return next;
}

int sd_event_loop(sd_event *e) {
        (void)e;
        return -ENOSYS; /* of main() in engine/main.c, which nobody calls here */
}
