/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "supervisor/output/output_private.h"

/* What is looked at from time to time: how much of the file system is free, while somebody writes
 * to it; whether a tenant nears its bound; whose share of output_total is too large; and each hour,
 * all. One timer, set to what is next; when nothing runs, that is the hour. */

#define HOUR_USEC  (3600 * TQ_USEC_PER_SEC)
#define LOW_USEC   (10 * TQ_USEC_PER_SEC) /* when nothing runs, until there is room again */
#define TOTAL_USEC (10 * TQ_USEC_PER_SEC)
#define PART       2                      /* of what is to spare, to one that begins */
#define LITTLE     64                     /* of what was to spare: it is shared out anew */
#define ROOM_USEC  (10 * TQ_USEC_PER_SEC) /* for as long as a whole bound is left; less for less */

/* The floor -------------------------------------------------------------------------------------
 */

void tick_look(Output *o) {
        struct statvfs st;
        bool was_low = o->is_low;

        if (fstatvfs(own_fd(o->own, OWN_LOGS), &st) < 0)
                return;
        o->space = (FloorSpace){ .size = (uint64_t)st.f_blocks * st.f_frsize,
                                 .available = (uint64_t)st.f_bavail * st.f_frsize };
        o->is_low = floor_is_low(&o->space, o->bounds.output_floor, was_low);
        if (o->is_low == was_low)
                return;
        say_floor(o);
        o->must_tell = true;
        tick_at(o, tq_clock_monotonic_usec());
}

static uint64_t above(const Output *o) {
        return o->is_low ? 0 : floor_above(&o->space, o->bounds.output_floor);
}

uint64_t tick_floor_usec(const Output *o) {
        return o->is_low ? TQ_USEC_PER_SEC
                         : floor_look_usec(&o->space, o->bounds.output_floor,
                                           o->is_quiet ? 0 : o->n_active);
}

/* Half of it is for those who write, until it is looked at again, and half for those who begin: so
 * however fast they are, together they don't come below the floor. */
static void share(Output *o) {
        uint64_t half = above(o) == UINT64_MAX ? UINT64_MAX : above(o) / 2;
        uint64_t each = half == UINT64_MAX ? half : half / TQ_MAX(o->n_active, (size_t)1);
        uint64_t written = 0;

        o->spare = o->shared = half;
        TQ_LIST_FOREACH(node, &o->active) {
                const Store *s = TQ_LIST_ENTRY(node, Store, active);

                if (!s->page)
                        continue;
                tq_logpage_floor(s->page, each);
                written += tq_logpage_written(s->page);
        }
        o->is_quiet = written == o->written;
        o->written = written;
}

void tick_lend(Store *s) {
        Output *o = s->output;
        uint64_t room;

        if (o->n_active == 0 || (!o->is_low && o->spare <= o->shared / LITTLE))
                share(o);
        room = o->is_low ? 0 : o->spare == UINT64_MAX ? UINT64_MAX : o->spare / PART;
        if (o->spare != UINT64_MAX)
                o->spare -= room;
        tq_logpage_floor(s->page, room);
}

void tick_give_back(Store *s) {
        Output *o = s->output;
        uint64_t room = s->page ? tq_logpage_room_of_disk(s->page) : 0;

        if (!s->page || room == UINT64_MAX || o->spare == UINT64_MAX)
                return;
        tq_logpage_floor(s->page, 0);
        o->spare += room;
}

static void tell_all(Output *o) {
        size_t position = 0;
        Store *s;

        o->must_tell = false;
        if (tq_clock_monotonic_usec() >= o->tell_at)
                o->tell_at = 0;
        while (!o->is_low && (s = tq_map_next(&o->stores, &position)))
                say_works(s, SAID_FLOOR);
}

/* Those who write -------------------------------------------------------------------------------
 */

static void look_at_active(Output *o) {
        TQ_LIST_FOREACH(node, &o->active) {
                Store *s = TQ_LIST_ENTRY(node, Store, active);

                output_take_up(s);
                if (s->page && tq_logpage_room_of_bound(s->page) == 0)
                        say_dropped(s, SAID_BYTES, 0);
                if (output_is_over(s))
                        prune_want(s);
        }
}

static void look_at_later(Output *o, uint64_t now) {
        TQ_LIST_FOREACH(node, &o->later) {
                Store *s = TQ_LIST_ENTRY(node, Store, later);

                if (now >= s->not_before && !prune_is_on(o, s))
                        prune_want(s);
        }
}

/* Who has most gives first. */
static void find_allowance(Output *o) {
        uint64_t total = o->bounds.output_total_bytes, sum = 0;
        TQ_FREE uint64_t *counts = NULL;
        size_t position = 0, n = 0;
        Store *s;

        o->allowance = UINT64_MAX;
        if (total == UINT64_MAX || o->stores.size == 0)
                return;
        counts = calloc(o->stores.size, sizeof(*counts));
        if (!counts)
                return;
        while ((s = tq_map_next(&o->stores, &position))) {
                /* What one had that was removed, or is another's by now, is nobody's. */
                (void)output_store(o, s->tenant);
                if (s->tenant->is_gone)
                        continue;
                counts[n++] = output_used(s);
                sum = tq_add_u64(sum, output_used(s));
        }
        if (sum > total)
                o->allowance = tq_retention_allowance(counts, n, total - total / 16);
        for (position = 0; (s = tq_map_next(&o->stores, &position));)
                if (!s->tenant->is_gone && output_is_over(s))
                        prune_want(s);
}

/* The timer -------------------------------------------------------------------------------------
 */

void tick_at(Output *o, uint64_t usec) {
        if (o->timer_usec != 0 && o->timer_usec <= usec)
                return;
        o->timer_usec = usec;
        (void)sd_event_source_set_time(o->timer, usec);
        (void)sd_event_source_set_enabled(o->timer, SD_EVENT_ONESHOT);
}

uint64_t tick_room_usec(const Store *s) {
        uint64_t bound = s->output->bounds.output_bytes;
        uint64_t room = s->page ? tq_logpage_room_of_bound(s->page) : UINT64_MAX;

        if (bound == UINT64_MAX || room >= bound)
                return ROOM_USEC;
        return TQ_MAX(room / (bound / 10 + 1) * TQ_USEC_PER_SEC, TQ_USEC_PER_SEC);
}

static void set_timer(Output *o, uint64_t now) {
        tick_at(o, o->all_usec);
        if (o->must_tell)
                tick_at(o, now);
        if (o->tell_at > 0)
                tick_at(o, o->tell_at);
        if (!tq_list_is_empty(&o->active))
                tick_at(o, now + tick_floor_usec(o));
        else if (o->is_low)
                tick_at(o, now + LOW_USEC);
        TQ_LIST_FOREACH(node, &o->active)
        tick_at(o, now + tick_room_usec(TQ_LIST_ENTRY(node, Store, active)));
        TQ_LIST_FOREACH(node, &o->later) {
                const Store *s = TQ_LIST_ENTRY(node, Store, later);

                /* The end of a look sets the timer itself. */
                if (!prune_is_on(o, s))
                        tick_at(o, TQ_MAX(s->not_before, now + 1));
        }
        if (o->bounds.output_total_bytes != UINT64_MAX && !tq_list_is_empty(&o->active))
                tick_at(o, o->allowance_usec);
}

void tick_tell_at(Output *o, uint64_t usec) {
        o->tell_at = usec;
        tick_at(o, usec);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        uint64_t now = tq_clock_monotonic_usec();
        Output *o = userdata;

        (void)source;
        (void)usec;
        o->timer_usec = 0;
        if (o->is_low || !tq_list_is_empty(&o->active))
                tick_look(o);
        if (o->must_tell || (o->tell_at > 0 && now >= o->tell_at))
                tell_all(o);
        look_at_active(o);
        share(o);
        look_at_later(o, now);
        if (now >= o->allowance_usec) {
                find_allowance(o);
                o->allowance_usec = now + TOTAL_USEC;
        }
        if (now >= o->all_usec) {
                o->all_usec = now + HOUR_USEC;
                output_look(o);
        }
        set_timer(o, now);
        return 0;
}

int tick_new(Output *o) {
        o->all_usec = tq_clock_monotonic_usec() + HOUR_USEC;
        o->timer_usec = o->all_usec;
        /* What may be written until it is looked again is reckoned with the time that is asked for.
         */
        return sd_event_add_time(o->event, &o->timer, CLOCK_MONOTONIC, o->all_usec,
                                 10 * TQ_USEC_PER_MSEC, on_timer, o);
}
