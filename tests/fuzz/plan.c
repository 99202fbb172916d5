/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/plan.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "fuzz.h"

/* A sealed plan, and the body of one, which is the tenant's: the first byte says which. */

static void body(const uint8_t *data, size_t size) {
        size_t slots = tq_plan_body_slots(data, size);
        TQ_FREE char **storage = NULL;
        TqPlanBody b;

        if (slots == 0)
                return;
        FUZZ_ASSERT(slots <= size + 4);
        storage = calloc(slots, sizeof(*storage));
        FUZZ_ASSERT(storage != NULL);
        if (tq_plan_body(data, size, storage, slots, &b) < 0)
                return;
        FUZZ_ASSERT(b.directory != NULL);
        for (char **p = b.argv; *p; p++)
                FUZZ_ASSERT(*p > (const char *)data && *p < (const char *)data + size);
        for (char **p = b.envp; *p; p++)
                FUZZ_ASSERT(strlen(*p) < size);
}

static void whole(const uint8_t *data, size_t size) {
        int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        const TqPlan *plan;

        FUZZ_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        FUZZ_ASSERT(fcntl(fd, F_ADD_SEALS,
                          F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
        if (tq_plan_map(fd, &plan) >= 0) {
                FUZZ_ASSERT(plan->size == size);
                FUZZ_ASSERT(plan->body_offset + (uint64_t)plan->body_size <= size);
                FUZZ_ASSERT(plan->filter_offset + UINT64_C(8) * plan->n_filter <= size);
                FUZZ_ASSERT(plan->watch_offset + UINT64_C(8) * plan->n_watch <= size);
                FUZZ_ASSERT(plan->groups_offset + sizeof(gid_t) * (uint64_t)plan->n_groups <= size);
                FUZZ_ASSERT(plan->paths_offset + (uint64_t)plan->paths_size <= size);
                FUZZ_ASSERT(plan->n_keep <= TQ_PLAN_KEEP_MAX && plan->n_rlimits <= TQ_PLAN_RLIMITS);
                (void)munmap((void *)plan, size);
        }
        (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size < 1)
                return 0;
        (data[0] == 'b' ? body : whole)(data + 1, size - 1);
        return 0;
}
