/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/jobspec.h"
#include "core/scheduler.h"
#include "ipc/crumb.h"

/* A job's part that only the engine needs; TqJob.userdata. */

/* Parsed jobs that are kept in memory, at most SPECS_MAX; others are read from the ledger when they
 * are started. A tenant keeps no more than there is still room for: one keeps half of all, two that
 * are greedy a third each, and whoever comes then finds room (Choudhury and Hahne, "Dynamic queue
 * length thresholds", 1998). */
#define SPECS_MAX 4096
typedef struct Specs {
        size_t n;
        size_t n_strangers; /* of them: of tenants that the ledger does not know */
} Specs;

/* StartAfter= and Deadline=, CLOCK_REALTIME: the scheduler has them by CLOCK_BOOTTIME. */
typedef struct JobTimes {
        uint64_t start_after_usec; /* 0: at once */
        bool has_deadline;
        uint64_t deadline_usec;
} JobTimes;

/* What few jobs have. */
typedef struct JobCold {
        JobTimes times;
        char *after;      /* After=, as it was written; NULL: none */
        char *trail;      /* what its lines in the journal carry: core/trail.h; NULL: nothing */
        char *failed_why; /* of the last launch that failed for now; NULL: none did */
        char *failed_as;  /* the verdict of the last attempt that failed; NULL: none did */
        char *quarantine; /* why an administrator holds it, as it were; NULL: that is not why */
} JobCold;

/* As small as it can be: there may be a million. */
typedef struct Job {
        uint64_t id;
        TqJobSpec *spec; /* NULL: in the ledger only */
        JobCold *cold;   /* owned; NULL: it has nothing of it */
        uint64_t claim;  /* of its file, and */
        uid_t caller;    /* who handed it in, if that was in this process; 0 and nobody */
        bool had_input;  /* it had one, of this process */
        bool is_sent;    /* START is with the supervisor */
        bool is_held_by_admin;
} Job;

/* NULL: out of memory. */
Job *job_new(uint64_t id);
Job *job_free(Job *job);

/* Moves the spec into the job, which has none, and counts it in specs and *n_of_tenant (NULL: its
 * tenant is none that is known), which outlive it. must: also if there is no room. 0 and the spec
 * is the job's or, unless it must, still the caller's; -ENOMEM. */
int job_keep_spec(Job *job, Specs *specs, size_t *n_of_tenant, TqJobSpec *spec, bool must);
void job_drop_spec(Job *job);

/* To look at, and to change (NULL: out of memory). */
const JobCold *job_cold(const Job *job);
JobCold *job_ensure_cold(Job *job);
/* 0 or -ENOMEM: then the trail, which is taken and may be NULL, is freed. */
int job_set_times(Job *job, const JobTimes *times);
int job_take_trail(Job *job, char *trail);

/* Somebody releases it, or holds it. */
void job_set_hold(Job *job, bool hold, bool is_admin);

/* That it is worked on. Before it is committed, the next process meets it as its claim again, or
 * not at all. */
static inline TqCrumb job_crumb(const Job *job) {
        return (TqCrumb){
                .kind = TQ_CRUMB_JOB, .number = job->id, .claim = job->claim, .uid = job->caller
        };
}

/* Of a live job. */
static inline Job *job_of(const TqJob *live) {
        return live ? live->userdata : NULL;
}
