/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/map.h"
#include "kernel/launcher.h"
#include "kernel/procs.h"
#include "store/result.h"
#include "supervisor/jobs/jobs.h"
#include "supervisor/jobs/templates.h"

/* What the files of this room share. */

#define WATCHERS 1 /* processes of ours in a job's cgroup */

struct Jobs {
        sd_event *event;
        const Host *host;
        Own *own;
        Tenants *tenants;
        const Slices *slices;
        Output *output;
        TqLink *link;
        void (*gone)(void *data);
        void *data;
        TqMap attempts; /* job → Attempt */
        TqResultSlots *slots;
        Templates *templates;
        TqLauncher *launcher;
        bool is_told; /* stock is, and from here on ends are told as they come */
};

typedef struct Attempt {
        Jobs *jobs;
        uint64_t job;
        unsigned attempt;
        Tenant *tenant;
        pid_t pid;
        int pidfd; /* -EBADF: adopted */
        int leaf_fd;
        int barrier_fd;          /* closing it ends a launch that was not released */
        int slot;                /* of its result record; -1: none */
        bool is_of_earlier_boot; /* its record is */
        bool is_orphan;          /* at the barrier when its engine died: on its way out */
        bool has_status, was_released;
        int status_code, status; /* si_code and si_status of tenantq-exec */
        uint64_t released;       /* CLOCK_BOOTTIME usec */
        uint64_t slice_oom;      /* of the tenant's slice at the start */
        bool has_ended;          /* waits for the engine's ACK only */
        bool has_output;         /* that it may still write: output_ended() is to follow */
        TqEnd end;
        sd_event_source *exit_source;   /* pidfd */
        sd_event_source *events_source; /* cgroup.events, where there is nothing to wait for */
        int events_fd;
        int released_fd;              /* the barrier's, once it was let go: whether that was read */
        sd_event_source *term_source; /* SIGTERM is being sent to its processes */
        TqProcs *term_procs;
        sd_event_source *remove_source; /* its cgroup could not be removed: tried again */
        sd_event_source *look_source;   /* it could not be looked into */
        uint64_t remove_delay;
        bool is_stuck;                        /* and that was said */
        bool has_counters;                    /* they were read once */
        sd_event_source *stall_source;        /* memory.pressure */
        uint64_t stalled_since, stalled_last; /* boottime usec; 0: never */
        bool is_aborted; /* nothing of it was to run, or nobody knows it: it has no slot */
} Attempt;

/* attempt.c. NULL: out of memory. A new one is in no table. */
Attempt *attempt_new(Jobs *j, Tenant *t, uint64_t job, unsigned attempt);
/* Takes it out of the table, if it is there. Returns NULL. */
Attempt *attempt_free(Attempt *a);
Attempt *attempt_find(const Jobs *j, uint64_t job); /* NULL: none */

/* reap.c */
void reap_listen(Jobs *j);
int reap_watch_exit(Attempt *a);
void reap_adopt(Attempt *a);
void reap_abort(Attempt *a);
int reap_keep_counters(Attempt *a); /* a shortage: they could not be read for now */

/* stall.c. is_known: that memory_high concerns it; else that is looked at. */
void stall_watch(Attempt *a, bool is_known);
void stall_unwatch(Attempt *a);

/* launch.c */
void launch_listen(Jobs *j);
