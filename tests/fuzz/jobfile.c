/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/jobfile.h"

#include "fuzz.h"
#include "kernel/plan.h"

/* A job file, as a tenant drops it: what is accepted can be handed to the job. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const TqJobIdentity who = { .user = "acme", .home = "/home/acme", .tenant = "acme" };
        TQ_BUFFER_CLEANUP TqBuffer body = {};
        TQ_FREE char **storage = NULL;
        TqPlanBody taken_apart;
        TqJobSpec spec = {};
        TqError err = {};
        size_t slots;
        int r;

        if (size > TQ_JOB_FILE_MAX + 1)
                return 0;
        r = tq_jobfile_parse((const char *)data, size, &spec, NULL, NULL, &err);
        if (r < 0) {
                fuzz_error(&err);
                return 0;
        }
        FUZZ_ASSERT(size <= TQ_JOB_FILE_MAX);
        if (tq_jobspec_encode(&spec, &who, &body) >= 0) {
                slots = tq_plan_body_slots(body.data, body.size);
                FUZZ_ASSERT(slots > 0);
                storage = calloc(slots, sizeof(*storage));
                FUZZ_ASSERT(storage != NULL);
                FUZZ_ASSERT(tq_plan_body(body.data, body.size, storage, slots, &taken_apart) == 0);
                FUZZ_ASSERT(taken_apart.argv[0] != NULL && taken_apart.argv[0][0] == '/');
        }
        tq_jobspec_done(&spec);
        return 0;
}
