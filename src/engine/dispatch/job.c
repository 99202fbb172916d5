/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/job.h"

Job *job_new(uint64_t id, Specs *specs, size_t *n_of_tenant) {
        Job *job = calloc(1, sizeof(*job));

        if (job) {
                job->id = id;
                job->specs = specs;
                job->caller = TQ_CRUMB_NOBODY;
                job->n_of_tenant = n_of_tenant ? n_of_tenant : &specs->n_strangers;
        }
        return job;
}

void job_drop_spec(Job *job) {
        if (!job->spec)
                return;
        tq_jobspec_done(job->spec);
        free(job->spec);
        job->spec = NULL;
        job->specs->n--;
        (*job->n_of_tenant)--;
}

Job *job_free(Job *job) {
        if (!job)
                return NULL;
        job_drop_spec(job);
        free(job->after);
        free(job->trail);
        free(job->failed_why);
        free(job->failed_as);
        free(job->quarantine);
        free(job);
        return NULL;
}

int job_keep_spec(Job *job, TqJobSpec *spec, bool must) {
        if (!must && *job->n_of_tenant >= tq_sub_u64(SPECS_MAX, job->specs->n))
                return 0;
        job->spec = malloc(sizeof(*spec));
        if (!job->spec)
                return -ENOMEM;
        *job->spec = *spec;
        *spec = (TqJobSpec){};
        job->specs->n++;
        (*job->n_of_tenant)++;
        return 0;
}

void job_set_hold(Job *job, bool hold, bool is_admin) {
        job->is_held_by_admin = hold && is_admin;
        if (hold)
                return;
        free(job->quarantine);
        job->quarantine = NULL;
}
