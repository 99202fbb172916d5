/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/filter.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kernel/filter_table.h"

/* Arguments of 32 bits are compared under a mask of 32 bits: the kernel ignores the high half, a
 * plain comparison does not, and so could be passed by setting a high bit. */
#define MASK32 UINT64_C(0xFFFFFFFF)

#define NEW_NAMESPACES                                                                             \
        (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
         CLONE_NEWCGROUP)

static void release(void **filter) {
        if (*filter)
                seccomp_release(*filter);
}

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names,
                     TqError *err) {
        for (; *names; names++) {
                int number = seccomp_syscall_resolve_name(*names), r;

                /* A name that is newer than the library: unlisted, hence ENOSYS. */
                if (number == __NR_SCMP_ERROR)
                        continue;
                r = seccomp_rule_add(filter, action, number, 0);
                if (r < 0)
                        return tq_error_errno(err, r, "seccomp: %s", *names);
        }
        return 0;
}

static int add_job_conditions(scmp_filter_ctx filter) {
        static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
        int r;

        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0));
        for (size_t i = 0; i < TQ_ELEMENTSOF(families) && r >= 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, MASK32, (uint64_t)families[i]));
        /* Asking for the personality, or for Linux's own, is harmless; READ_IMPLIES_EXEC and the
         * like are not on offer. */
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, MASK32, 0));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, MASK32, MASK32));
        return r;
}

static int add_engine_conditions(scmp_filter_ctx filter) {
        int r;

        /* Threads of its own, no process and no namespace. */
        r = seccomp_rule_add(
                filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_NAMESPACES | CLONE_THREAD, CLONE_THREAD));
        /* A pair leads nowhere but to itself; FIONREAD only counts. */
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, MASK32, AF_UNIX));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, MASK32, FIONREAD));
        /* What sd_journal_sendv(3) speaks through. Whoever is sent to sees whose it is, and can
         * answer (SO_PASSCRED binds it by itself); who would do so can also come to the control
         * socket. */
        if (r >= 0)
                r = seccomp_rule_add(
                        filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                        SCMP_A0(SCMP_CMP_MASKED_EQ, MASK32, AF_UNIX),
                        SCMP_A1(SCMP_CMP_MASKED_EQ, MASK32, SOCK_DGRAM | SOCK_CLOEXEC));
        return r;
}

/* libseccomp 2.5 exports to a descriptor only. */
static int export_code(scmp_filter_ctx filter, TqFilter *ret, TqError *err) {
        TQ_FREE struct sock_filter *code = NULL;
        TQ_CLOSE int fd = -EBADF;
        struct stat st;
        int r;

        fd = memfd_create("tenantq-filter", MFD_CLOEXEC);
        if (fd < 0)
                return tq_error_errno(err, tq_errno(), "memfd_create");
        r = seccomp_export_bpf(filter, fd);
        if (r < 0)
                return tq_error_errno(err, r, "seccomp_export_bpf");
        if (fstat(fd, &st) < 0)
                return tq_error_errno(err, tq_errno(), "fstat");
        code = malloc((size_t)st.st_size);
        if (!code)
                return tq_error(err, -ENOMEM, "out of memory");
        if (pread(fd, code, (size_t)st.st_size, 0) != st.st_size)
                return tq_error(err, -EIO, "short read of a filter");
        ret->n = (size_t)st.st_size / sizeof(*code);
        ret->code = TQ_TAKE_PTR(code);
        return 0;
}

int tq_filter_compile(TqProfile profile, TqFilter *ret, TqError *err) {
        TQ_CLEANUP(release) scmp_filter_ctx filter = NULL;
        bool is_job = profile == TQ_PROFILE_DEFAULT;
        int r;

        filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
        if (!filter)
                return tq_error(err, -ENOMEM, "seccomp_init");
        /* A binary tree: installing it costs the kernel a third of what the linear form costs. */
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r >= 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r < 0)
                return tq_error_errno(err, r, "seccomp_attr_set");
        r = add_names(filter, SCMP_ACT_ALLOW,
                      is_job ? tq_filter_job_allowed : tq_filter_engine_allowed, err);
        if (r >= 0)
                r = add_names(filter, SCMP_ACT_ERRNO(EPERM), tq_filter_job_denied, err);
        if (r < 0)
                return r;
        r = is_job ? add_job_conditions(filter) : add_engine_conditions(filter);
        if (r < 0)
                return tq_error_errno(err, r, "seccomp_rule_add");
        return export_code(filter, ret, err);
}

void tq_filter_done(TqFilter *f) {
        free(f->code);
        *f = (TqFilter){};
}
