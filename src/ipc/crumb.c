/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/crumb.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <tenantq/types.h>

int tq_crumb_new(void) {
        TQ_CLOSE int fd = memfd_create("tenantq-crumb", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return tq_errno();
        if (ftruncate(fd, sizeof(TqCrumb)) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return tq_errno();
        return tq_take_fd(&fd);
}

int tq_crumb_map(int fd, TqCrumb **ret) {
        void *p = mmap(NULL, sizeof(TqCrumb), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (p == MAP_FAILED)
                return tq_errno();
        *ret = p;
        return 0;
}

/* The kind last, and none meanwhile: whenever the process dies, what is there is one crumb or
 * none. */
static void write_crumb(volatile TqCrumb *c, const TqCrumb *crumb) {
        c->kind = TQ_CRUMB_NONE;
        c->uid = crumb->uid;
        c->number = crumb->number;
        c->claim = crumb->claim;
        c->kind = crumb->kind;
        /* Before and after the work, not within it. */
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

TqCrumb tq_crumb_leave(TqCrumb *c, TqCrumb crumb) {
        TqCrumb before = {};

        if (!c)
                return before;
        before = *c;
        write_crumb(c, &crumb);
        return before;
}

void tq_crumb_put_back(TqCrumb *c, TqCrumb before) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        if (c)
                write_crumb(c, &before);
}

static bool is_sane(const TqCrumb *c) {
        switch (c->kind) {
        case TQ_CRUMB_CLAIM:
                return c->number > 0 && c->number <= INT64_MAX;
        case TQ_CRUMB_JOB:
                return c->number > 0 && c->number <= TQ_JOB_MAX && c->claim <= INT64_MAX;
        case TQ_CRUMB_CALLER:
                return c->uid != TQ_CRUMB_NOBODY;
        default:
                return false;
        }
}

int tq_crumb_take(int fd, TqCrumb *ret) {
        TqCrumb none = {}, c;
        ssize_t n;

        /* Read, not mapped: the page is the other's as well. */
        n = pread(fd, &c, sizeof(c), 0);
        if (n >= 0 && n != sizeof(c))
                return -EIO;
        if (n < 0 || pwrite(fd, &none, sizeof(none), 0) < 0)
                return tq_errno();
        if (!is_sane(&c))
                return 0;
        *ret = c;
        return 1;
}
