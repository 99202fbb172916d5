/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/job.h"

#include <fcntl.h>

#include "base/fs.h"

Job *job_new(uint64_t id, Specs *specs, Shares *tenants) {
        Job *job = calloc(1, sizeof(*job));

        if (job) {
                job->id = id;
                job->specs = specs;
                job->caller = TQ_CRUMB_NOBODY;
                job->tenants = tenants ? tenants : &specs->strangers;
                job->input_fd = -EBADF;
        }
        return job;
}

void job_drop_spec(Job *job) {
        if (!job->spec)
                return;
        tq_jobspec_done(job->spec);
        free(job->spec);
        job->spec = NULL;
        job->specs->all.specs--;
        job->tenants->specs--;
}

/* Whoever has little finds room: job.h. */
static bool may_keep(size_t tenants, size_t all, size_t max) {
        return tenants < tq_sub_u64(max, all);
}

int job_keep_input(Job *job, int fd) {
        if (!may_keep(job->tenants->inputs, job->specs->all.inputs, INPUTS_MAX))
                return -EBUSY;
        job->input_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (job->input_fd < 0)
                return tq_errno();
        job->had_input = true;
        job->specs->all.inputs++;
        job->tenants->inputs++;
        return 0;
}

void job_drop_input(Job *job) {
        if (job->input_fd < 0)
                return;
        job->input_fd = tq_close(job->input_fd);
        job->specs->all.inputs--;
        job->tenants->inputs--;
}

Job *job_free(Job *job) {
        if (!job)
                return NULL;
        job_drop_spec(job);
        job_drop_input(job);
        free(job->after);
        free(job->trail);
        free(job->failed_why);
        free(job->failed_as);
        free(job->quarantine);
        free(job);
        return NULL;
}

int job_keep_spec(Job *job, TqJobSpec *spec, bool must) {
        if (!must && !may_keep(job->tenants->specs, job->specs->all.specs, SPECS_MAX))
                return 0;
        job->spec = malloc(sizeof(*spec));
        if (!job->spec)
                return -ENOMEM;
        *job->spec = *spec;
        *spec = (TqJobSpec){};
        job->specs->all.specs++;
        job->tenants->specs++;
        return 0;
}

void job_set_hold(Job *job, bool hold, bool is_admin) {
        job->is_held_by_admin = hold && is_admin;
        if (hold)
                return;
        free(job->quarantine);
        job->quarantine = NULL;
}
