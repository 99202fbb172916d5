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

typedef struct Job {
        uint64_t id;
        Specs *specs;
        size_t *n_of_tenant; /* of specs->n: those of its tenant */
        TqJobSpec *spec;     /* NULL: in the ledger only */
        bool had_input;      /* it had one, of this process */
        char *after;         /* After=, as it was written; NULL: none */
        char *trail;         /* what its lines in the journal carry: core/trail.h; NULL: nothing */
        bool is_sent;        /* START is with the supervisor */
        bool is_held_by_admin;
        /* StartAfter= and Deadline=, CLOCK_REALTIME: the scheduler has them by CLOCK_BOOTTIME. */
        bool has_deadline;
        uint64_t start_after_usec, deadline_usec; /* start_after_usec 0: at once */
        char *failed_why; /* of the last launch that failed for now; NULL: none did */
        char *quarantine; /* why an administrator holds it, as it were; NULL: that is not why */
        uint64_t claim;   /* of its file, and */
        uid_t caller;     /* who handed it in, if that was in this process; 0 and nobody */
        char *failed_as;  /* the verdict of the last attempt that failed; NULL: none did */
} Job;

/* n_of_tenant: its tenant's count, or NULL. NULL: out of memory. */
Job *job_new(uint64_t id, Specs *specs, size_t *n_of_tenant);
Job *job_free(Job *job);

/* Moves the spec into the job, which has none. must: also if there is no room. 0 and the spec is
 * the job's or, unless it must, still the caller's; -ENOMEM. */
int job_keep_spec(Job *job, TqJobSpec *spec, bool must);
void job_drop_spec(Job *job);

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
