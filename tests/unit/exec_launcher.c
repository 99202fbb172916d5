/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/launcher.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "exec/exec.h"
#include "unit.h"

/* This program is its own helper: started as `tenantq-exec N`, it is the launcher that is tested,
 * and what is forked writes what it finds to the descriptor that its plan names, and ends with code
 * 42. */

static int forked(const TqPlan *plan) {
        TQ_BUFFER_CLEANUP TqBuffer said = {};
        DIR *dir = opendir("/proc/self/fd");
        const struct dirent *e;

        tq_buffer_printf(&said, "job %u pid %d", (unsigned)plan->job, getpid() == 1);
        tq_buffer_printf(&said, " chances %d",
                         prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 0 ||
                                 !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        tq_buffer_printf(&said, " fifo %d fds", sched_getscheduler(0) == SCHED_FIFO);
        while (dir && (e = readdir(dir)))
                if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir))
                        tq_buffer_printf(&said, " %s", e->d_name);
        if (dir)
                (void)closedir(dir);
        return tq_fs_write_all(plan->out_fd, said.data, said.size) < 0 ? 1 : 42;
}

static int helper(const char *number) {
        const TqPlan *plan;

        if (tq_plan_map(atoi(number), &plan) < 0)
                return 1;
        plan = launcher_run(plan);
        return plan ? forked(plan) : 0;
}

static TqLauncher *launcher;

static void begin(void) {
        int self = open("/proc/self/exe", O_PATH | O_CLOEXEC);

        ck_assert_int_ge(self, 0);
        ck_assert_int_eq(tq_launcher_new(self, &launcher), 0);
}

static bool has_cgroups(void) {
        return unit_cgroup_mount() && unit_is_root();
}

/* One of the test's own. */
static int make_cgroup(char *ret_path, size_t size) {
        int fd;

        (void)snprintf(ret_path, size, "%s/tq-unit-%d", unit_cgroup_mount(), (int)getpid());
        ck_assert_int_eq(mkdir(ret_path, 0755), 0);
        fd = open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        return fd;
}

/* A plan with that job's number, whose process writes to fd. */
static int launch(int cgroup_fd, uint64_t flags, unsigned job, int fd, pid_t *ret_pid,
                  int *ret_pidfd) {
        TqPlan plan = { .mode = TQ_PLAN_JOB, .job = job };
        TqLaunch launch = { .flags = flags, .cgroup_fd = cgroup_fd };
        bool is_fork = false;
        int r;

        ck_assert_int_eq(tq_launch_add(&launch, -1), -1);
        plan.out_fd = tq_launch_add(&launch, fd);
        launch.plan_fd = tq_plan_seal(&plan, &(TqPlanParts){});
        ck_assert_int_ge(launch.plan_fd, 0);
        r = tq_launcher_launch(launcher, &launch, ret_pid, ret_pidfd, &is_fork);
        (void)close(launch.plan_fd);
        ck_assert_int_eq(is_fork, 1);
        return r;
}

static int end_of(pid_t pid, int pidfd) {
        int status = unit_wait(pid);

        ck_assert_int_eq(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
        (void)close(pidfd);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* Our first child. */
static pid_t find_launcher(void) {
        char path[64], text[64] = "";

        (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
        ck_assert_int_gt(tq_fs_read_at(AT_FDCWD, path, text, sizeof(text)), 0);
        return (pid_t)atoi(text);
}

/* What is forked: where, with which descriptors, and as whose child. */
START_TEST(forks) {
        int fds[2], cgroup_fd, pidfd, before;
        char path[256], text[512];
        pid_t pid;

        if (!has_cgroups())
                unit_skip("needs root and a cgroup2 mount");
        begin();
        cgroup_fd = make_cgroup(path, sizeof(path));
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        for (unsigned i = 1; i <= 3; i++) {
                ssize_t n;

                before = dup(0);
                (void)close(before);
                ck_assert_int_eq(launch(cgroup_fd, CLONE_NEWPID, i, fds[1], &pid, &pidfd), 0);
                ck_assert_int_eq(end_of(pid, pidfd), 42);
                n = read(fds[0], text, sizeof(text) - 1);
                ck_assert_int_gt(n, 0);
                text[n] = '\0';
                ck_assert_msg(strstr(text, " pid 1 ") != NULL, "%s", text);
                ck_assert_msg(strstr(text, " chances 0 ") != NULL, "%s", text);
                ck_assert_int_eq(atoi(text + 4), (int)i);
                /* The plan's, and the pipe's: neither the launcher's socket nor the cgroup's. */
                ck_assert_msg(strstr(text, " fds 0 1 2 4 6") != NULL, "%s", text);
                ck_assert_ptr_null(strstr(text, " 6 "));
                if (i > 1) {
                        int after = dup(0);

                        (void)close(after);
                        ck_assert_int_eq(after, before);
                }
        }
        ck_assert_ptr_null(launcher = tq_launcher_free(launcher));
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
        ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

#define STUCK 20

/* Who can't run in its cgroup keeps nobody: neither those that come after it there, nor others. */
START_TEST(not_waited_for) {
        int cgroup_fd, pidfds[STUCK], null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        pid_t pids[STUCK];
        char path[256];

        if (!has_cgroups())
                unit_skip("needs root and a cgroup2 mount");
        begin();
        cgroup_fd = make_cgroup(path, sizeof(path));
        ck_assert_int_eq(tq_fs_write_attr(cgroup_fd, "cgroup.freeze", "1"), 0);
        for (unsigned i = 0; i < STUCK; i++)
                ck_assert_int_eq(launch(cgroup_fd, 0, i, null_fd, &pids[i], &pidfds[i]), 0);
        for (int i = 0; i < STUCK; i++)
                ck_assert_int_eq(waitpid(pids[i], NULL, WNOHANG), 0);
        ck_assert_int_eq(tq_fs_write_attr(cgroup_fd, "cgroup.freeze", "0"), 0);
        for (int i = 0; i < STUCK; i++)
                ck_assert_int_eq(end_of(pids[i], pidfds[i]), 42);
        (void)tq_launcher_free(launcher);
        ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* The launcher is killed: another one comes, and who was forked by the first lives on. */
START_TEST(launcher_goes) {
        int cgroup_fd, pidfds[2], null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        pid_t pids[2], gone;
        siginfo_t info;
        char path[256];

        if (!has_cgroups())
                unit_skip("needs root and a cgroup2 mount");
        begin();
        cgroup_fd = make_cgroup(path, sizeof(path));
        ck_assert_int_eq(launch(cgroup_fd, 0, 1, null_fd, &pids[0], &pidfds[0]), 0);
        ck_assert_int_eq(end_of(pids[0], pidfds[0]), 42);
        ck_assert_int_eq(tq_fs_write_attr(cgroup_fd, "cgroup.freeze", "1"), 0);
        ck_assert_int_eq(launch(cgroup_fd, 0, 2, null_fd, &pids[0], &pidfds[0]), 0);
        gone = find_launcher();
        ck_assert_int_eq(kill(gone, SIGKILL), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t)gone, &info, WEXITED | WNOWAIT), 0);
        ck_assert_int_eq(launch(cgroup_fd, 0, 3, null_fd, &pids[1], &pidfds[1]), 0);
        ck_assert_int_eq(tq_fs_write_attr(cgroup_fd, "cgroup.freeze", "0"), 0);
        for (int i = 0; i < 2; i++)
                ck_assert_int_eq(end_of(pids[i], pidfds[i]), 42);
        (void)tq_launcher_free(launcher);
        ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(fails) {
        TqLaunch launch = { .plan_fd = 0, .cgroup_fd = open("/", O_PATH | O_CLOEXEC) };
        int pidfd = -77, dir_fd = unit_dir_open();
        bool is_fork = false;
        pid_t pid = -77;

        begin();
        ck_assert_int_eq(tq_launcher_launch(launcher, &launch, &pid, &pidfd, &is_fork), -EBADF);
        ck_assert(is_fork);
        ck_assert_int_eq(pidfd, -77);
        (void)tq_launcher_free(launcher);

        /* There is no helper to be had. */
        ck_assert_int_eq(tq_launcher_new(openat(dir_fd, "none", O_RDWR | O_CREAT | O_CLOEXEC, 0644),
                                         &launcher),
                         0);
        ck_assert_int_eq(tq_launcher_launch(launcher, &launch, &pid, &pidfd, &is_fork), -EACCES);
        ck_assert(!is_fork);
        (void)tq_launcher_free(launcher);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

/* What it can't do for any job it says when it begins: with its errno, and not as a fork's. */
START_TEST(can_t_begin) {
        int cgroup_fd, plan_fd, pidfd = -EBADF;
        TqPlan plan = { .mode = TQ_PLAN_JOB, .job = 1 };
        TqLaunch l = {};
        bool is_fork = true;
        char path[256];
        pid_t pid = 0;

        if (!has_cgroups())
                unit_skip("must be root, with a cgroup v2 hierarchy");
        cgroup_fd = make_cgroup(path, sizeof(path));
        begin();
        /* Whoever is executed by us may not empty its bounding set. */
        ck_assert_int_eq(prctl(PR_CAPBSET_DROP, CAP_SETPCAP, 0, 0, 0), 0);
        plan_fd = tq_plan_seal(&plan, &(TqPlanParts){});
        ck_assert_int_ge(plan_fd, 0);
        l = (TqLaunch){ .plan_fd = plan_fd, .cgroup_fd = cgroup_fd };
        ck_assert_int_eq(tq_launcher_launch(launcher, &l, &pid, &pidfd, &is_fork), -EPERM);
        ck_assert(!is_fork && pidfd < 0 && pid == 0);
        ck_assert_ptr_null(tq_launcher_free(launcher));
        ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "launcher");

        tcase_add_test(t, forks);
        tcase_add_test(t, not_waited_for);
        tcase_add_test(t, launcher_goes);
        tcase_add_test(t, fails);
        tcase_add_test(t, can_t_begin);
}

int main(int argc, char *argv[]) {
        if (argc == 2 && strcmp(argv[0], "tenantq-exec") == 0)
                return helper(argv[1]);
        return unit_main("exec/launcher", fill);
}
