/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/plan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

#define LISTS 3 /* of a body: arguments, environment, paths */

static uint32_t align8(uint32_t v) {
        return (v + 7) & ~UINT32_C(7);
}

int tq_plan_seal(TqPlan *plan, const TqPlanParts *parts) {
        static const char padding[8];
        uint32_t groups_size = (uint32_t)(parts->n_groups * sizeof(gid_t));
        uint32_t filter_size = (uint32_t)(parts->n_filter * sizeof(struct sock_filter));
        uint32_t watch_size = (uint32_t)(parts->n_watch * sizeof(struct sock_filter));
        TQ_CLOSE int fd = -EBADF;
        ssize_t n;

        if (parts->n_groups > 65536 || parts->n_filter > BPF_MAXINSNS ||
            parts->n_watch > BPF_MAXINSNS || parts->paths_size > TQ_PLAN_SIZE_MAX / 8 ||
            parts->body_size > TQ_PLAN_SIZE_MAX / 2)
                return -E2BIG;
        plan->magic = TQ_PLAN_MAGIC;
        plan->version = TQ_PLAN_VERSION;
        plan->filter_offset = align8(sizeof(*plan));
        plan->n_filter = (uint32_t)parts->n_filter;
        plan->watch_offset = plan->filter_offset + filter_size; /* a multiple of 8, as the next */
        plan->n_watch = (uint32_t)parts->n_watch;
        plan->groups_offset = plan->watch_offset + watch_size;
        plan->n_groups = (uint32_t)parts->n_groups;
        plan->body_offset = align8(plan->groups_offset + groups_size);
        plan->body_size = (uint32_t)parts->body_size;
        plan->paths_offset = plan->body_offset + plan->body_size;
        plan->paths_size = (uint32_t)parts->paths_size;
        plan->size = plan->paths_offset + plan->paths_size;
        if (plan->size > TQ_PLAN_SIZE_MAX)
                return -E2BIG;

        fd = memfd_create("tenantq-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return tq_errno();
        n = writev(
                fd,
                (struct iovec[]){
                        { plan, sizeof(*plan) },
                        { (void *)padding, plan->filter_offset - sizeof(*plan) },
                        { (void *)parts->filter, filter_size },
                        { (void *)parts->watch, watch_size },
                        { (void *)parts->groups, groups_size },
                        { (void *)padding, plan->body_offset - plan->groups_offset - groups_size },
                        { (void *)parts->body, parts->body_size },
                        { (void *)parts->paths, parts->paths_size },
                },
                8);
        if (n < 0)
                return tq_errno();
        if ((size_t)n != plan->size)
                return -EIO;
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return tq_errno();
        return tq_take_fd(&fd);
}

static bool lies_inside(const TqPlan *p, uint32_t offset, uint64_t size) {
        return offset >= sizeof(*p) && offset <= p->size && size <= p->size - offset;
}

static int check(const TqPlan *p, uint64_t size) {
        if (p->magic != TQ_PLAN_MAGIC)
                return -EBADMSG;
        if (p->version != TQ_PLAN_VERSION)
                return -EPROTONOSUPPORT;
        if (p->size != size || p->n_rlimits > TQ_PLAN_RLIMITS || p->n_keep > TQ_PLAN_KEEP_MAX ||
            !lies_inside(p, p->filter_offset, (uint64_t)p->n_filter * sizeof(struct sock_filter)) ||
            !lies_inside(p, p->watch_offset, (uint64_t)p->n_watch * sizeof(struct sock_filter)) ||
            !lies_inside(p, p->groups_offset, (uint64_t)p->n_groups * sizeof(gid_t)) ||
            !lies_inside(p, p->body_offset, p->body_size) ||
            !lies_inside(p, p->paths_offset, p->paths_size) || p->network >= _TQ_NETWORK_MAX ||
            (p->network == TQ_NETWORK_OUTBOUND && (p->outbound.bits < 8 || p->outbound.bits > 30)))
                return -EBADMSG;
        return 0;
}

int tq_plan_map(int fd, const TqPlan **ret) {
        const TqPlan *p;
        struct stat st;
        int seals, r;

        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0)
                return tq_errno();
        if ((seals & SEALS) != SEALS)
                return -EPERM;
        if (fstat(fd, &st) < 0)
                return tq_errno();
        if (st.st_size < (off_t)sizeof(*p) || st.st_size > TQ_PLAN_SIZE_MAX)
                return -EBADMSG;
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
                return tq_errno();
        r = check(p, (uint64_t)st.st_size);
        if (r < 0)
                (void)munmap((void *)p, (size_t)st.st_size);
        else
                *ret = p;
        return r;
}

/* The terminated string at *p, which moves behind it; NULL if there is no terminator before end. */
static char *take_string(char **p, const char *end) {
        char *s = *p, *nul = memchr(s, '\0', (size_t)(end - s));

        if (nul)
                *p = nul + 1;
        return nul ? s : NULL;
}

size_t tq_plan_body_slots(const void *body, size_t size) {
        uint32_t counts[LISTS];
        uint64_t n = LISTS;

        if (size < sizeof(counts))
                return 0;
        memcpy(counts, body, sizeof(counts));
        for (size_t i = 0; i < LISTS; i++)
                n += counts[i];
        return n > size ? 0 : (size_t)n; /* each takes a byte at least */
}

int tq_plan_body(const void *body, size_t size, char **storage, size_t n_storage, TqPlanBody *ret) {
        uint32_t counts[LISTS];
        char *p = (char *)body + sizeof(counts);
        const char *end = (const char *)body + size;
        char **slot = storage, ***heads[LISTS] = { &ret->argv, &ret->envp, &ret->paths };
        size_t n = tq_plan_body_slots(body, size);

        if (n == 0 || n > n_storage)
                return -EBADMSG;
        memcpy(counts, body, sizeof(counts));
        ret->directory = take_string(&p, end);
        if (!ret->directory || counts[0] == 0)
                return -EBADMSG;
        for (size_t k = 0; k < LISTS; k++) {
                *heads[k] = slot;
                for (uint32_t i = 0; i < counts[k]; i++) {
                        *slot = take_string(&p, end);
                        if (!*slot++)
                                return -EBADMSG;
                }
                *slot++ = NULL;
        }
        return p == end ? 0 : -EBADMSG;
}
