/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/job.h"

_Static_assert(sizeof(Job) <= 40, "a job that waits has become larger");

typedef struct KeptSpec {
        TqJobSpec spec;
        Specs *specs;
        size_t *n_of_tenant; /* of specs->n: those of its tenant */
} KeptSpec;

Job *job_new(uint64_t id) {
        Job *job = calloc(1, sizeof(*job));

        if (job) {
                job->id = id;
                job->caller = TQ_CRUMB_NOBODY;
        }
        return job;
}

void job_drop_spec(Job *job) {
        KeptSpec *kept;

        if (!job->spec)
                return;
        kept = TQ_CONTAINER_OF(job->spec, KeptSpec, spec);
        tq_jobspec_done(job->spec);
        job->spec = NULL;
        kept->specs->n--;
        (*kept->n_of_tenant)--;
        free(kept);
}

static void cold_free(JobCold *cold) {
        if (!cold)
                return;
        free(cold->after);
        free(cold->trail);
        free(cold->failed_why);
        free(cold->failed_as);
        free(cold->quarantine);
        free(cold);
}

Job *job_free(Job *job) {
        if (!job)
                return NULL;
        job_drop_spec(job);
        cold_free(job->cold);
        free(job);
        return NULL;
}

int job_keep_spec(Job *job, Specs *specs, size_t *n_of_tenant, TqJobSpec *spec, bool must) {
        KeptSpec *kept;

        if (!n_of_tenant)
                n_of_tenant = &specs->n_strangers;
        if (!must && *n_of_tenant >= tq_sub_u64(SPECS_MAX, specs->n))
                return 0;
        kept = malloc(sizeof(*kept));
        if (!kept)
                return -ENOMEM;
        *kept = (KeptSpec){ .spec = *spec, .specs = specs, .n_of_tenant = n_of_tenant };
        *spec = (TqJobSpec){};
        job->spec = &kept->spec;
        specs->n++;
        (*n_of_tenant)++;
        return 0;
}

const JobCold *job_cold(const Job *job) {
        static const JobCold none;

        return job->cold ? job->cold : &none;
}

JobCold *job_ensure_cold(Job *job) {
        if (!job->cold)
                job->cold = calloc(1, sizeof(*job->cold));
        return job->cold;
}

int job_set_times(Job *job, const JobTimes *times) {
        if (times->start_after_usec == 0 && !times->has_deadline)
                return 0;
        if (!job_ensure_cold(job))
                return -ENOMEM;
        job->cold->times = *times;
        return 0;
}

int job_take_trail(Job *job, char *trail) {
        if (!trail)
                return 0;
        if (!job_ensure_cold(job)) {
                free(trail);
                return -ENOMEM;
        }
        job->cold->trail = trail;
        return 0;
}

void job_set_hold(Job *job, bool hold, bool is_admin) {
        job->is_held_by_admin = hold && is_admin;
        if (hold || !job->cold)
                return;
        free(job->cold->quarantine);
        job->cold->quarantine = NULL;
}
