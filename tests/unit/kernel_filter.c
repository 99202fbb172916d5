/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/filter.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "conf/profilefile.h"
#include "store/ledger.h"
#include "unit.h"

/* Compiled once, before the tests. */
enum { JOB, ENGINE, N_FILTERS };

static TqFilter filters[N_FILTERS];

static void compile_one(const char *name, TqFilter *ret) {
        TqProfile profile;
        TqError err = {};

        ck_assert_msg(tq_profilefile_parse(name, tq_profilefile_builtin(name), &profile, &err) == 0,
                      "%s:%u: %s", name, err.line, err.text);
        ck_assert_msg(tq_filter_compile(&profile, TQ_FILTER_ALONE, ret, &err) == 0, "%s", err.text);
        ck_assert_uint_gt(ret->n, 0);
        ck_assert_uint_le(ret->n, BPF_MAXINSNS);
        tq_profile_done(&profile);
}

static void compile(void) {
        compile_one("default", &filters[JOB]);
        compile_one("engine", &filters[ENGINE]);
}

static void release(void) {
        for (int i = 0; i < N_FILTERS; i++)
                tq_filter_done(&filters[i]);
}

/* In a child. */
static void install(int profile) {
        struct sock_fprog program = { .len = (unsigned short)filters[profile].n,
                                      .filter = filters[profile].code };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                _exit(201);
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
                _exit(202);
}

typedef struct CallRow {
        const char *name;
        long number;
        long args[6];
        int error; /* 0: succeeds; -1: whatever the kernel says, but not the filter's ENOSYS */
} CallRow;

/* Makes the call in a child under the filter: 0, or its errno. */
static int call_under(int profile, const CallRow *row) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                const long *a = row->args;
                long r;

                install(profile);
                r = syscall(row->number, a[0], a[1], a[2], a[3], a[4], a[5]);
                _exit(r < 0 ? errno : 0);
        }
        status = unit_wait(pid);
        ck_assert_msg(WIFEXITED(status), "%s: ended by signal %d", row->name, WTERMSIG(status));
        ck_assert_msg(WEXITSTATUS(status) < 200, "the filter can't be installed (%d)",
                      WEXITSTATUS(status));
        return WEXITSTATUS(status);
}

#define HIGH    (1L << 40)
#define CALL(n) #n, SYS_##n
#define NEW(flag)                                                                                  \
        { CALL(clone), { (flag) | SIGCHLD }, ENOSYS }

static const CallRow job_rows[] = {
        { CALL(getpid), {}, 0 },
        { CALL(getuid), {}, 0 },
        { CALL(sched_yield), {}, 0 },
        { CALL(umask), { 022 }, 0 },
        { CALL(dup), { 1 }, 0 },
        { CALL(brk), { 0 }, 0 },
        { CALL(memfd_create), { 0 }, EFAULT }, /* the kernel's answer */
        { CALL(openat), { AT_FDCWD, 0, 0 }, EFAULT },
        { CALL(kill), { 0, 0 }, 0 },
        { CALL(getrandom), { 0, 0, 0 }, 0 },
        { CALL(socketpair), { AF_UNIX, SOCK_STREAM, 0, 0 }, EFAULT },
        /* Refused with a clean error. */
        { CALL(mount), {}, EPERM },
        { CALL(umount2), {}, EPERM },
        { CALL(pivot_root), {}, EPERM },
        { CALL(chroot), {}, EPERM },
        { CALL(fsopen), {}, EPERM },
        { CALL(fsmount), {}, EPERM },
        { CALL(open_tree), {}, EPERM },
        { CALL(move_mount), {}, EPERM },
        { CALL(mount_setattr), {}, EPERM },
        { CALL(unshare), { CLONE_NEWUSER }, EPERM },
        { CALL(unshare), { 0 }, EPERM },
        { CALL(setns), {}, EPERM },
        { CALL(ptrace), {}, EPERM },
        { CALL(process_vm_readv), {}, EPERM },
        { CALL(process_vm_writev), {}, EPERM },
        { CALL(pidfd_getfd), {}, EPERM },
        { CALL(kcmp), {}, EPERM },
        { CALL(bpf), {}, EPERM },
        { CALL(perf_event_open), {}, EPERM },
        { CALL(userfaultfd), {}, EPERM },
        { CALL(io_uring_setup), {}, EPERM },
        { CALL(io_uring_enter), {}, EPERM },
        { CALL(io_uring_register), {}, EPERM },
        { CALL(keyctl), {}, EPERM },
        { CALL(add_key), {}, EPERM },
        { CALL(request_key), {}, EPERM },
        { CALL(kexec_load), {}, EPERM },
        { CALL(init_module), {}, EPERM },
        { CALL(finit_module), {}, EPERM },
        { CALL(delete_module), {}, EPERM },
        { CALL(reboot), {}, EPERM },
        { CALL(acct), {}, EPERM },
        { CALL(quotactl), {}, EPERM },
        { CALL(swapon), {}, EPERM },
        { CALL(swapoff), {}, EPERM },
        { CALL(name_to_handle_at), {}, EPERM },
        { CALL(open_by_handle_at), {}, EPERM },
        { CALL(settimeofday), {}, EPERM },
        { CALL(clock_settime), {}, EPERM },
        { CALL(sethostname), {}, EPERM },
        { CALL(setdomainname), {}, EPERM },
        { CALL(syslog), {}, EPERM },
#ifdef __x86_64__
        { CALL(iopl), {}, EPERM },
        { CALL(ioperm), {}, EPERM },
        { CALL(modify_ldt), {}, EPERM },
#endif
        /* Not there. */
        { CALL(clone3), {}, ENOSYS },
        { "number 100000", 100000, {}, ENOSYS },
        { "number 1023", 1023, {}, ENOSYS },
        { "number INT_MAX / 2", INT_MAX / 2, {}, ENOSYS },
        { CALL(seccomp), { SECCOMP_GET_ACTION_AVAIL, 0, 0 }, -1 },
        /* Sockets by family; the kernel looks at 32 bits of it, and so does the filter. */
        { CALL(socket), { AF_UNIX, SOCK_STREAM, 0 }, 0 },
        { CALL(socket), { AF_UNIX | HIGH, SOCK_STREAM, 0 }, 0 },
        { CALL(socket), { AF_INET, SOCK_STREAM, 0 }, 0 },
        { CALL(socket), { AF_PACKET, SOCK_RAW, 0 }, ENOSYS },
        { CALL(socket), { AF_PACKET | HIGH, SOCK_RAW, 0 }, ENOSYS },
        { CALL(socket), { AF_PACKET | (1L << 63), SOCK_RAW, 0 }, ENOSYS },
        { CALL(socket), { AF_VSOCK, SOCK_STREAM, 0 }, ENOSYS },
        { CALL(socket), { AF_ALG, SOCK_SEQPACKET, 0 }, ENOSYS },
        { CALL(socket), { AF_BLUETOOTH, SOCK_RAW, 0 }, ENOSYS },
        { CALL(socket), { AF_KEY, SOCK_RAW, 0 }, ENOSYS },
        { CALL(socket), { -1, SOCK_RAW, 0 }, ENOSYS },
        /* Namespaces by clone, also hidden among harmless flags and high bits. */
        NEW(CLONE_NEWUSER),
        NEW(CLONE_NEWNS),
        NEW(CLONE_NEWPID),
        NEW(CLONE_NEWNET),
        NEW(CLONE_NEWIPC),
        NEW(CLONE_NEWUTS),
        NEW(CLONE_NEWCGROUP),
        NEW(CLONE_NEWUSER | CLONE_VM | CLONE_VFORK),
        NEW(CLONE_NEWUSER | HIGH),
        NEW(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET),
        { CALL(personality), { 0xFFFFFFFF }, -1 },
        { CALL(personality), { 0 }, -1 },
        { CALL(personality), { READ_IMPLIES_EXEC }, ENOSYS },
        { CALL(personality), { ADDR_NO_RANDOMIZE }, ENOSYS },
        { CALL(personality), { READ_IMPLIES_EXEC | HIGH }, ENOSYS },
};

START_TEST(job) {
        const CallRow *row = &job_rows[_i];
        int error = call_under(JOB, row);

        if (row->error >= 0)
                ck_assert_msg(error == row->error, "%s: %s, expected %s", row->name,
                              strerror(error), strerror(row->error));
        else if (row->number != SYS_seccomp)
                ck_assert_msg(error != ENOSYS && error != EPERM, "%s: %s", row->name,
                              strerror(error));
}
END_TEST

/* Programs must be able to start programs and threads. */
static void *thread_main(void *argument) {
        *(int *)argument = 17;
        return NULL;
}

START_TEST(job_forks_and_threads) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                pthread_t thread;
                int seen = 0, inner;
                pid_t child;

                install(JOB);
                child = fork();
                if (child == 0) {
                        execl("/bin/sh", "sh", "-c", "exit 23", (char *)NULL);
                        _exit(127);
                }
                if (child < 0 || waitpid(child, &inner, 0) != child || !WIFEXITED(inner) ||
                    WEXITSTATUS(inner) != 23)
                        _exit(1);
                if (pthread_create(&thread, NULL, thread_main, &seen) != 0 ||
                    pthread_join(thread, NULL) != 0 || seen != 17)
                        _exit(2);
                _exit(0);
        }
        status = unit_wait(pid);
        ck_assert_int_eq(status, 0);
}
END_TEST

/* Another architecture's way into the kernel ends the process. */
START_TEST(foreign_architecture) {
#ifndef __x86_64__
        unit_skip("there is no other architecture to be tried on this one");
#else
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                install(JOB);
                if (_i == 0)
                        __asm__ volatile("int $0x80" ::"a"(20) : "memory"); /* getpid of i386 */
                else
                        (void)syscall(0x40000000 | SYS_getpid); /* x32 */
                _exit(0);
        }
        status = unit_wait(pid);
        ck_assert_msg(WIFSIGNALED(status), "went on, status %d", status);
        ck_assert_int_eq(WTERMSIG(status), SIGSYS);
#endif
}
END_TEST

static const CallRow engine_rows[] = {
        { CALL(getpid), {}, 0 },
        { CALL(fsync), { -1 }, EBADF },
        { CALL(clone), { SIGCHLD }, ENOSYS }, /* no process */
        { CALL(clone), { CLONE_VM | CLONE_VFORK | SIGCHLD }, ENOSYS },
        { CALL(clone), { CLONE_THREAD | CLONE_NEWUSER }, ENOSYS },
        { CALL(clone), { CLONE_NEWUSER }, ENOSYS },
        { CALL(clone3), {}, ENOSYS },
        { CALL(socket), { AF_UNIX, SOCK_STREAM, 0 }, ENOSYS },
        { CALL(socket), { AF_INET, SOCK_STREAM, 0 }, ENOSYS },
        { CALL(socket), { AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0 }, 0 }, /* the journal's */
        { CALL(socket), { AF_UNIX, SOCK_DGRAM, 0 }, ENOSYS },
        { CALL(socket), { AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0 }, ENOSYS },
        { CALL(socket), { AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0 }, ENOSYS },
        { CALL(socket), { AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, 0 }, ENOSYS },
        { CALL(connect), { -1, 0, 0 }, ENOSYS },
        { CALL(bind), { -1, 0, 0 }, ENOSYS },
        { CALL(kill), { 0, 0 }, ENOSYS },
        { CALL(setuid), { 0 }, ENOSYS },
        { CALL(setgid), { 0 }, ENOSYS },
        { CALL(mkdirat), { AT_FDCWD, 0, 0 }, ENOSYS },
        { CALL(symlinkat), {}, ENOSYS },
        { CALL(ioctl), { 0, 0, 0 }, ENOSYS },
        { CALL(ioctl), { 0, TIOCSTI, 0 }, ENOSYS },
        { CALL(ioctl), { -1, FIONREAD, 0 }, EBADF }, /* the kernel's answer */
        { CALL(ioctl), { -1, FIONREAD | HIGH, 0 }, EBADF },
        { CALL(socketpair), { AF_UNIX, SOCK_STREAM, 0, 0 }, EFAULT },
        { CALL(socketpair), { AF_INET, SOCK_STREAM, 0, 0 }, ENOSYS },
        { CALL(socketpair), { AF_TIPC, SOCK_STREAM, 0, 0 }, ENOSYS },
        { CALL(memfd_create), {}, EFAULT },
        { CALL(mount), {}, EPERM },
        { CALL(ptrace), {}, EPERM },
        { CALL(bpf), {}, EPERM },
        { CALL(keyctl), {}, EPERM },
        { CALL(unshare), { CLONE_NEWUSER }, EPERM },
        { CALL(setns), {}, EPERM },
        { "number 100000", 100000, {}, ENOSYS },
};

START_TEST(engine) {
        const CallRow *row = &engine_rows[_i];
        int error = call_under(ENGINE, row);

        ck_assert_msg(error == row->error, "%s: %s, expected %s", row->name, strerror(error),
                      strerror(row->error));
}
END_TEST

/* The engine's own work goes on under its filter: the ledger, and a thread. */
START_TEST(engine_works) {
        static const uint8_t boot[16];
        char path[PATH_MAX];
        pid_t pid;

        (void)snprintf(path, sizeof(path), "%s/ledger.db", unit_dir());
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                TqLedgerOp op = { .type = TQ_LEDGER_TENANT, .tenant = 1, .text = (char *)"acme" };
                pthread_t thread;
                TqLedger *l = NULL;
                int seen = 0;

                install(ENGINE);
                if (tq_ledger_open(path, boot, &l, NULL) < 0)
                        _exit(1);
                if (tq_ledger_apply(l, &op, 1) < 0)
                        _exit(2);
                (void)tq_ledger_close(l);
                if (pthread_create(&thread, NULL, thread_main, &seen) != 0 ||
                    pthread_join(thread, NULL) != 0 || seen != 17)
                        _exit(3);
                _exit(0);
        }
        ck_assert_int_eq(unit_wait(pid), 0);
}
END_TEST

/* In no profile, under no condition. */
START_TEST(never) {
        static const char *const calls[] = {
                "acct",           "add_key",         "bpf",
                "chroot",         "clock_settime",   "clone3",
                "delete_module",  "fanotify_init",   "finit_module",
                "fsmount",        "fsopen",          "init_module",
                "io_uring_enter", "io_uring_setup",  "iopl",
                "kexec_load",     "keyctl",          "mount",
                "mount_setattr",  "move_mount",      "open_by_handle_at",
                "open_tree",      "perf_event_open", "pivot_root",
                "quotactl",       "reboot",          "request_key",
                "setns",          "settimeofday",    "swapon",
                "syslog",         "umount2",         "unshare",
                "userfaultfd",
        };
        static const char *const profiles[] = { "strict", "no-network", "default",
                                                "debug",  "permissive", "engine" };
        TqProfile p;

        ck_assert_int_eq(
                tq_profilefile_parse(profiles[_i], tq_profilefile_builtin(profiles[_i]), &p, NULL),
                0);
        for (size_t i = 0; i < p.n_rules; i++)
                for (size_t k = 0; k < TQ_ELEMENTSOF(calls); k++)
                        ck_assert_msg(strcmp(p.rules[i].name, calls[k]) != 0 ||
                                              p.rules[i].action != TQ_CALL_ALLOW,
                                      "%s allows %s", profiles[_i], calls[k]);
        tq_profile_done(&p);
}
END_TEST

static void fill(Suite *s) {
        TCase *jobs = unit_case(s, "job"), *engines = unit_case(s, "engine");

        tcase_add_unchecked_fixture(jobs, compile, release);
        tcase_add_unchecked_fixture(engines, compile, release);
        unit_add_rows(jobs, job, job_rows);
        tcase_add_test(jobs, job_forks_and_threads);
        tcase_add_loop_test(jobs, foreign_architecture, 0, 2);
        unit_add_rows(engines, engine, engine_rows);
        tcase_add_test(engines, engine_works);
        tcase_add_loop_test(engines, never, 0, 6);
}

int main(void) {
        return unit_main("kernel/filter", fill);
}
