/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>

#include "store/logpage.h"
#include "supervisor/output/floor.h"
#include "supervisor/output/look.h"
#include "supervisor/output/output.h"

/* What the files of this room share. */

/* Why a tenant's output is dropped, as it was said. */
typedef enum Said { SAID_NOTHING, SAID_BYTES, SAID_FILES, SAID_FLOOR, SAID_ERROR } Said;

/* The output of a tenant. */
struct Store {
        Output *output;
        Tenant *tenant;
        uint32_t owner;      /* tenant->owner, whose it is */
        uint64_t generation; /* of what is known: another owner's, directory's or page's is another
                              */
        TqList queue;        /* it is to be looked at: in Output.urgent or .queue */
        TqList later;        /* the same, but not before then (CLOCK_MONOTONIC) */
        TqList active;       /* somebody writes */
        unsigned writers;    /* attempts that may write */
        uint64_t not_before;
        TqLogPage *page; /* NULL: nothing was launched yet */
        int page_fd;
        unsigned n_spares; /* pairs of empty files, for the next launches: store/joblog.h */
        bool is_known;     /* what is there */
        bool was_tried;    /* to know it at once */
        bool is_stuck;     /* it has more than it may, and nothing may go until an attempt ends */
        OutputSum sum;     /* of what is there, */
        uint64_t written;  /* when so much had been written by its page */
        Said said;
        bool has_told_bytes; /* so it was, and some of those who wrote then may not have ended */
        bool has_said_keep;
        uint64_t floor_until; /* a loss that is over is shown until then (CLOCK_MONOTONIC) */
};

struct Output {
        sd_event *event;
        const Host *host;
        Own *own;
        Tenants *tenants;
        OutputIsLive is_live;
        void *data;
        TqRetention bounds; /* that hold: the host's */
        TqMap stores;       /* Tenant.handle → Store */
        TqList urgent, queue, later, active;
        size_t n_active;
        /* Bytes above the floor, for those who begin before it is looked at again: what is left,
         * and what there was. */
        uint64_t spare, shared;
        uint64_t written;                   /* by all who may write, when it was shared out */
        bool is_quiet;                      /* nothing was, since the time before */
        uint64_t allowance, allowance_usec; /* of bytes, by output_total; when it was found */
        FloorSpace space;
        bool is_low;
        bool must_tell;   /* all pages that this has changed */
        uint64_t tell_at; /* the same then; 0: need not be */
        /* prune.c */
        Look look;
        uint64_t step_usec; /* since when it is worked on */
        DIR *names;         /* of all directories: those that are nobody's are looked for */
        sd_event_source *idle_source, *hurry_source;
        /* tick.c */
        sd_event_source *timer;
        uint64_t timer_usec, all_usec; /* CLOCK_MONOTONIC; 0: none */
};

/* output.c */
/* Of an attempt: numbers that are counted up don't meet. */
static inline uint64_t output_key(uint64_t job, unsigned attempt) {
        return job * UINT64_C(0x9E3779B97F4A7C15) + attempt;
}
uint64_t output_used(const Store *s);
bool output_is_over(const Store *s);
/* Tells the page what is known. */
void output_set_room(Store *s);
/* NULL: out of memory. */
Store *output_store(Output *o, Tenant *t);

/* say.c: once, until it is over */
void say_dropped(Store *s, Said why, int error);
void say_works(Store *s, Said what);
void say_floor(Output *o);

/* It may still be known by those who write since before a restart. */
void output_take_up(Store *s);

/* prune.c */
int prune_new(Output *o);
void prune_done(Output *o);
/* As soon as it is not too often, before those who are only looked at in turn. */
void prune_want(Store *s);
void prune_now(Store *s);
void prune_nobodys(Output *o);
/* Its directory is being read; it is looked at in some way: read, or what goes is being removed. */
bool prune_is_looking(const Output *o, const Store *s);
bool prune_is_on(const Output *o, const Store *s);

/* tick.c */
int tick_new(Output *o);
/* At the latest then. */
void tick_at(Output *o, uint64_t usec);
/* All are told then, if not before. */
void tick_tell_at(Output *o, uint64_t usec);
/* When the room of one that writes is to be looked at. */
uint64_t tick_room_usec(const Store *s);
/* When what is free is to be looked at, while somebody writes. */
uint64_t tick_floor_usec(const Output *o);
/* How much is free. */
void tick_look(Output *o);
/* One that begins to write has something of what is above the floor. */
void tick_lend(Store *s);
/* One that writes no more gives back what is left of it. */
void tick_give_back(Store *s);
