/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kernel/filter.h"

#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "conf/profilefile.h"
#include "unit.h"

/* Asks the filter of a profile what becomes of a call, without the call being made.
 *
 * A child installs two filters: a marker, which answers whatever it is asked with an error that no
 * kernel gives, and then the profile's. Of their answers the kernel takes the strictest, and of two
 * errors that of the filter that was installed last (seccomp(2)). So where the profile allows a
 * call, the marker's error is seen; where it denies one, the profile's; and a call that ends the
 * process does.
 *
 * The child itself needs two calls: seccomp(2), for the second filter, and exit_group(2). The
 * marker lets a call through if there is a certain word in its sixth argument, which neither of the
 * two has and no question asks with. So they are asked about like all others. A profile may even
 * refuse exit_group(2): the answers lie in shared memory, and it is of no importance how the child
 * ends after the last of them.
 *
 * Is each question asked of a fresh child? An answer follows from the call's number, architecture
 * and arguments alone: a filter is a classic BPF program, whose memory is cleared for each call,
 * and nothing it can load depends on earlier calls. So a child that has got an answer is as good as
 * a fresh one for the next question, and only an answer that ends it costs another child. */

static const char *const profile_names[] = {
        "strict", "no-network", "default", "debug", "permissive", "engine", "watch",
};

enum { N_PROFILES = TQ_ELEMENTSOF(profile_names), N_RANKS = _TQ_RANK_MAX };

enum {
        MARKED = 1000, /* errno: the profile allows it */
        TOLD = 1001,   /* whoever listens would hear of it */
        LETS_THROUGH = 0x74717471,
};

typedef struct Question {
        uint32_t number;
        bool is_i386; /* by int 0x80 */
        uint64_t arguments[6];
} Question;

typedef struct Answers {
        size_t n; /* so many; the one that the child is at */
        int errors[];
} Answers;

static inline TqProfile parse_builtin(int profile) {
        const char *name = profile_names[profile];
        TqProfile p;
        TqError err = {};

        ck_assert_msg(tq_profilefile_parse(name, tq_profilefile_builtin(name), &p, &err) == 0,
                      "%s:%u: %s", name, err.line, err.text);
        return p;
}

/* A listener's answer would be weaker than the marker's, so it is made an error. */
static inline TqFilter compile_builtin(int profile, TqFilterMode mode) {
        TqProfile p = parse_builtin(profile);
        TqFilter f;
        TqError err = {};

        ck_assert_msg(tq_filter_compile(&p, mode, &f, &err) == 0, "%s: %s", p.name, err.text);
        tq_profile_done(&p);
        for (size_t i = 0; i < f.n; i++)
                if (f.code[i].code == (BPF_RET | BPF_K) && f.code[i].k == SECCOMP_RET_USER_NOTIF)
                        f.code[i].k = SECCOMP_RET_ERRNO | TOLD;
        return f;
}

/* In the child. */
static inline void install_asked(const TqFilter *f) {
        struct sock_filter code[] = {
                /* The low half (little endian). */
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LETS_THROUGH, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | MARKED),
        };
        struct sock_fprog marker = { .len = TQ_ELEMENTSOF(code), .filter = code };
        struct sock_fprog asked = { .len = (unsigned short)f->n, .filter = f->code };

        /* Not dumpable: those that end would leave cores. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                _exit(201);
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &marker) < 0)
                _exit(202);
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &asked, 0, 0, LETS_THROUGH) < 0)
                _exit(203);
}

/* Its errno, or 0. */
static inline int call_asked(const Question *q) {
        const uint64_t *a = q->arguments;
        long r;

#ifdef __x86_64__
        if (q->is_i386) {
                __asm__ volatile("int $0x80"
                                 : "=a"(r)
                                 : "a"((uint64_t)q->number), "b"(a[0]), "c"(a[1]), "d"(a[2]),
                                   "S"(a[3]), "D"(a[4])
                                 : "memory", "r8", "r9", "r10", "r11");
                return r < 0 ? (int)-r : 0;
        }
#endif
        r = syscall((int32_t)q->number, a[0], a[1], a[2], a[3], a[4], a[5]);
        return r < 0 ? errno : 0;
}

static inline void answer_in_child(const TqFilter *f, const Question *q, size_t n, Answers *a) {
        install_asked(f);
        for (; a->n < n; a->n++)
                a->errors[a->n] = call_asked(&q[a->n]);
        (void)syscall(SYS_exit_group, 0, 0, 0, 0, 0, LETS_THROUGH);
        __builtin_trap();
}

static inline TqCallAction action_of_error(int error, const Question *q) {
        switch (error) {
        case MARKED:
                return TQ_CALL_ALLOW;
        case EPERM:
                return TQ_CALL_DENY;
        case ENOSYS:
                return TQ_CALL_ABSENT;
        case TOLD:
                return TQ_CALL_KILL;
        default:
                ck_abort_msg("number %u: neither filter answers with %d", q->number, error);
        }
}

/* Fills ret[n]. Where somebody listens, a call ends nobody by itself. */
static inline void ask(const TqFilter *f, TqFilterMode mode, const Question *questions, size_t n,
                       TqCallAction *ret) {
        size_t size = sizeof(Answers) + n * sizeof(int);
        Answers *a = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        ck_assert_ptr_ne(a, MAP_FAILED);
        while (a->n < n) {
                size_t began = a->n;
                pid_t pid = fork();
                int status;

                unit_must(pid >= 0, "fork");
                if (pid == 0)
                        answer_in_child(f, questions, n, a);
                unit_must(waitpid(pid, &status, 0) == pid, "waitpid");
                for (size_t i = began; i < a->n; i++)
                        ret[i] = action_of_error(a->errors[i], &questions[i]);
                if (a->n < n) {
                        unit_must(mode == TQ_FILTER_ALONE && WIFSIGNALED(status) &&
                                          WTERMSIG(status) == SIGSYS,
                                  "number %u: the child ended with status %#x",
                                  questions[a->n].number, (unsigned)status);
                        ret[a->n++] = TQ_CALL_KILL;
                }
        }
        (void)munmap(a, size);
}
