/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "unit.h"

extern char **environ;

/* This program is its own helper: started as `tenantq-exec N`, it writes what it finds to
 * descriptor N, the "plan", and ends with code 42. */
static int helper(const char *number) {
        TQ_BUFFER_CLEANUP TqBuffer said = {};
        int plan = atoi(number);
        DIR *dir = opendir("/proc/self/fd");
        struct dirent *e;
        sigset_t blocked;

        tq_buffer_printf(&said, "pid %d env %d", getpid() == 1, environ[0] != NULL);
        (void)sigprocmask(SIG_SETMASK, NULL, &blocked);
        tq_buffer_printf(&said, " blocked %d", sigismember(&blocked, SIGTERM));
        tq_buffer_printf(&said, " usr1 %d fds", signal(SIGUSR1, SIG_DFL) == SIG_DFL);
        while (dir && (e = readdir(dir)))
                if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir))
                        tq_buffer_printf(&said, " %s", e->d_name);
        if (dir)
                (void)closedir(dir);
        return write(plan, said.data, said.size) == (ssize_t)said.size ? 42 : 1;
}

static int open_self(void) {
        int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* A helper with a pipe as its plan; what it said is read into text. */
static int spawn_self(const int *keep, size_t n_keep, char *text, size_t size) {
        TqSpawn spawn = { .helper_fd = open_self(), .keep = keep, .n_keep = n_keep };
        int fds[2], pidfd = -1, status;
        struct pollfd p;
        pid_t pid = -1;
        ssize_t n;
        int r;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        spawn.plan_fd = fds[1];
        r = tq_spawn(&spawn, &pid, &pidfd);
        ck_assert_int_eq(r, 0);
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
        (void)close(fds[1]);
        n = read(fds[0], text, size - 1);
        ck_assert_int_ge(n, 0);
        text[n] = '\0';
        p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
        ck_assert_int_eq(poll(&p, 1, 10000), 1);
        status = unit_wait(pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %d", status);
        return fds[1];
}

static void on_signal(int sig) {
        (void)sig;
}

/* No environment, no signal state, no descriptor but those meant for it. */
START_TEST(clean) {
        char text[512], want[128];
        sigset_t set;
        int plan;

        ck_assert_int_eq(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), 0);
        (void)signal(SIGUSR1, on_signal);
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        plan = spawn_self(NULL, 0, text, sizeof(text));
        (void)snprintf(want, sizeof(want), "pid 0 env 0 blocked 0 usr1 1 fds 0 1 2 %d", plan);
        ck_assert_str_eq(text, want);
        /* Ours are as before. */
        ck_assert_int_eq(sigprocmask(SIG_SETMASK, NULL, &set), 0);
        ck_assert(sigismember(&set, SIGTERM));
        ck_assert(!sigismember(&set, SIGINT));
        ck_assert_ptr_eq(signal(SIGUSR1, SIG_DFL), on_signal);
}
END_TEST

START_TEST(keeps) {
        int keep[2] = { open("/dev/null", O_RDONLY | O_CLOEXEC), open("/", O_PATH | O_CLOEXEC) };
        char text[512], want[128];
        int plan;

        ck_assert_int_eq(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), 0);
        plan = spawn_self(keep, 2, text, sizeof(text));
        (void)snprintf(want, sizeof(want), "fds 0 1 2 %d %d %d", keep[0], keep[1], plan);
        ck_assert_msg(strstr(text, want) != NULL, "\"%s\" lacks \"%s\"", text, want);
        /* Only in the child. */
        ck_assert_int_eq(fcntl(keep[0], F_GETFD), FD_CLOEXEC);
}
END_TEST

/* Again and again: no descriptor and no child is left over. */
START_TEST(many) {
        int first = dup(0);

        for (int i = 0; i < 50; i++) {
                TqSpawn spawn = { .helper_fd = open_self(), .plan_fd = 1 };
                int pidfd = -1;
                pid_t pid;

                spawn.plan_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
                ck_assert_int_eq(tq_spawn(&spawn, &pid, &pidfd), 0);
                ck_assert_int_eq(WEXITSTATUS(unit_wait(pid)), 42);
                (void)close(pidfd);
                (void)close(spawn.plan_fd);
                (void)close(spawn.helper_fd);
        }
        (void)close(first);
        ck_assert_int_eq(dup(0), first);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* A helper that can't be executed: its errno, and no zombie. */
START_TEST(exec_fails) {
        int dir_fd = unit_dir_open(), pidfd = -77;
        TqSpawn spawn = { .plan_fd = 0 };
        pid_t pid = -77;

        spawn.helper_fd = openat(dir_fd, "not-a-program", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        ck_assert_int_eq(tq_spawn(&spawn, &pid, &pidfd), -EACCES);
        ck_assert_int_eq(fchmod(spawn.helper_fd, 0755), 0);
        ck_assert_int_eq(write(spawn.helper_fd,
                               "\x7F"
                               "ELF",
                               4),
                         4);
        (void)close(spawn.helper_fd);
        spawn.helper_fd = openat(dir_fd, "not-a-program", O_PATH | O_CLOEXEC);
        ck_assert_int_eq(tq_spawn(&spawn, &pid, &pidfd), -ENOEXEC);
        ck_assert_int_eq(pid, -77);
        ck_assert_int_eq(pidfd, -77);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "spawn");

        tcase_add_test(tcase, clean);
        tcase_add_test(tcase, keeps);
        tcase_add_test(tcase, many);
        tcase_add_test(tcase, exec_fails);
}

int main(int argc, char *argv[]) {
        if (argc == 2 && strcmp(argv[0], "tenantq-exec") == 0)
                return helper(argv[1]);
        return unit_main("kernel/spawn", fill);
}
