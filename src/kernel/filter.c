/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/filter.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/verdict.h"

/* Arguments of 32 bits are compared under a mask of 32 bits: the kernel ignores the high half, a
 * plain comparison does not, and so could be passed by setting a high bit. Hence there is no
 * condition but equality under a mask: "not" and "less" can't be had that way. */

static void release(void **filter) {
        if (*filter)
                seccomp_release(*filter);
}

/* SIGSYS in place of a message that nobody hears. */
static uint32_t action_of(TqCallAction action, TqFilterMode mode) {
        if (action == TQ_CALL_ALLOW)
                return SCMP_ACT_ALLOW;
        if (mode == TQ_FILTER_AUDIT)
                return SCMP_ACT_NOTIFY;
        if (action == TQ_CALL_KILL)
                return mode == TQ_FILTER_ALONE ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_NOTIFY;
        return SCMP_ACT_ERRNO((uint16_t)(action == TQ_CALL_DENY ? EPERM : ENOSYS));
}

static int add_rule(scmp_filter_ctx filter, const TqCallRule *rule, uint32_t action, TqError *err) {
        struct scmp_arg_cmp conditions[TQ_PROFILE_CONDITIONS];
        int number = seccomp_syscall_resolve_name(rule->name), r;

        if (number == __NR_SCMP_ERROR)
                return rule->may_be_unknown
                               ? 0
                               : tq_error_at(err, -EBADMSG, rule->line, NULL,
                                             "there is no system call %s, as far as libseccomp "
                                             "knows",
                                             rule->name);
        for (size_t i = 0; i < rule->n_conditions; i++)
                conditions[i] = (struct scmp_arg_cmp){
                        .arg = rule->conditions[i].argument,
                        .op = SCMP_CMP_MASKED_EQ,
                        .datum_a = rule->conditions[i].mask,
                        .datum_b = rule->conditions[i].value,
                };
        r = seccomp_rule_add_array(filter, action, number, (unsigned)rule->n_conditions,
                                   conditions);
        return r < 0 ? tq_error_errno(err, r, "seccomp: %s", rule->name) : 0;
}

static int add_rules(scmp_filter_ctx filter, const TqProfile *p, TqFilterMode mode, TqError *err) {
        uint32_t otherwise = action_of(p->otherwise, mode);
        int r = 0;

        for (size_t i = 0; i < p->n_rules && r >= 0; i++) {
                uint32_t action = action_of(p->rules[i].action, mode);

                /* What happens anyway is no rule of its own to the library. */
                if (action != otherwise)
                        r = add_rule(filter, &p->rules[i], action, err);
        }
        return r;
}

/* Another architecture's way into the kernel: the library knows no such message for it. */
static void listen_to_foreign(TqFilter *f) {
        for (size_t i = 0; i < f->n; i++)
                if (f->code[i].code == (BPF_RET | BPF_K) &&
                    f->code[i].k == SECCOMP_RET_KILL_PROCESS)
                        f->code[i].k = SECCOMP_RET_USER_NOTIF;
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

int tq_filter_compile(const TqProfile *profile, TqFilterMode mode, TqFilter *ret, TqError *err) {
        TQ_CLEANUP(release) scmp_filter_ctx filter = NULL;
        int r;

        filter = seccomp_init(action_of(profile->otherwise, mode));
        if (!filter)
                return tq_error(err, -ENOMEM, "seccomp_init");
        /* A binary tree: installing it costs the kernel a third of what the linear form costs. */
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r >= 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r < 0)
                return tq_error_errno(err, r, "seccomp_attr_set");
        r = add_rules(filter, profile, mode, err);
        if (r >= 0)
                r = export_code(filter, ret, err);
        if (r < 0)
                return r;
        if (ret->n > BPF_MAXINSNS) {
                r = tq_error(err, -EBADMSG,
                             "its filter would have %zu instructions, and the kernel takes %d: "
                             "fewer conditions",
                             ret->n, BPF_MAXINSNS);
                tq_filter_done(ret);
                return r;
        }
        if (mode != TQ_FILTER_ALONE)
                listen_to_foreign(ret);
        return 0;
}

void tq_filter_done(TqFilter *f) {
        free(f->code);
        *f = (TqFilter){};
}

const char *tq_filter_call_name(int32_t call, char *buf, size_t size) {
        bool is_foreign = call & TQ_CALL_I386, is_x32 = call & TQ_CALL_X32;
        int number = call & TQ_CALL_NUMBER;
        TQ_FREE char *name = seccomp_syscall_resolve_num_arch(
                is_foreign ? SCMP_ARCH_X86 : SCMP_ARCH_NATIVE, number);
        const char *way = is_foreign ? "i386 " : is_x32 ? "x32 " : "";

        if (name)
                (void)snprintf(buf, size, "%s%s", way, name);
        else
                (void)snprintf(buf, size, "%snumber %d", way, number);
        return buf;
}
