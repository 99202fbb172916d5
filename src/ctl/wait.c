/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "ctl/progress.h"
#include "ctl/verbs.h"
#include "ctl/wait.h"

/* As a shell says it: the code, 128 + signal, or TQ_EXIT_NOT_RUN when the job has none of its own.
 */
int wait_exit_code(const TqTable *t) {
        const char *outcome = tq_table_text(t, 0, "outcome");
        int code = (int)tq_table_integer(t, 0, "code", 0);

        if (outcome && strcmp(outcome, "exit") == 0)
                return code;
        if (outcome && (strcmp(outcome, "signal") == 0 || strcmp(outcome, "seccomp") == 0))
                return 128 + code;
        return TQ_EXIT_NOT_RUN;
}

/* p: where it is seen meanwhile; or NULL. */
static int wait_for(const Options *o, uint64_t job, bool was_there, Progress *p, TqTable *ret) {
        CALL_CLEANUP Call c = { .options = was_there ? o : NULL,
                                .meanwhile = p ? progress_look : NULL,
                                .meanwhile_data = p };
        int r = call_about_job(o, &c, "Wait", job, NULL);

        return r != 0 ? r : call_read_table(&c, ret);
}

int wait_for_job(const Options *o, uint64_t job, bool was_there, TqTable *ret) {
        return wait_for(o, job, was_there, NULL, ret);
}

static int wait_for_each(const Options *o, const uint64_t jobs[], size_t n, bool was_there,
                         Progress *p) {
        int worst = 0;

        for (size_t i = 0; i < n; i++) {
                TQ_TABLE_CLEANUP TqTable t = {};
                int r = wait_for(o, jobs[i], was_there || i > 0, p, &t);

                progress_erase(p);
                if (r != 0)
                        return r;
                if (o->json)
                        output_json(&t, "tenantq.jobs.v1", "jobs");
                else
                        (void)printf("%" PRIu64 ": %s\n", jobs[i], tq_table_text(&t, 0, "verdict"));
                (void)fflush(stdout);
                r = wait_exit_code(&t);
                progress_note(p, i, r != 0);
                if (r != 0)
                        worst = n == 1 ? r : TQ_EXIT_FAILURE;
        }
        return worst;
}

int wait_for_jobs(const Options *o, const uint64_t jobs[], size_t n, bool was_there) {
        Progress *p = progress_new(o, jobs, n);
        int r = wait_for_each(o, jobs, n, was_there, p);

        (void)progress_free(p);
        return r;
}

int verb_wait(const Options *o, int argc, char *argv[]) {
        TQ_FREE uint64_t *jobs = calloc((size_t)argc, sizeof(*jobs));
        int r = 0;

        if (!jobs)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        for (int i = 0; r == 0 && i < argc; i++)
                r = parse_job(argv[i], &jobs[i]);
        return r == 0 ? wait_for_jobs(o, jobs, (size_t)argc, false) : r;
}
