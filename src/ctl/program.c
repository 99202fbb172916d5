/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/program.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/util.h"
#include "ctl/fail.h"

/* What a program says of its troubles is bounded: it can be a line for each of a tenant's files. */
#define ERRORS_MAX 4096
#define WORDS_MAX  8

void program_block(sigset_t *ret_ends, sigset_t *ret_before) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

        (void)sigemptyset(ret_ends);
        for (size_t i = 0; i < TQ_ELEMENTSOF(signals); i++) {
                struct sigaction now;

                if (sigaction(signals[i], NULL, &now) >= 0 && now.sa_handler != SIG_IGN)
                        (void)sigaddset(ret_ends, signals[i]);
        }
        (void)sigprocmask(SIG_BLOCK, ret_ends, ret_before);
}

bool program_is_interrupted(const sigset_t *ends) {
        sigset_t pending, both;

        return sigpending(&pending) >= 0 && sigandset(&both, &pending, ends) >= 0 &&
               !sigisemptyset(&both);
}

void program_unblock(const sigset_t *ends, const sigset_t *before) {
        while (sigtimedwait(ends, NULL, &(struct timespec){}) >= 0)
                ;
        (void)sigprocmask(SIG_SETMASK, before, NULL);
}

/* It must not go on without us; ended so, it is waited for. */
static int wait_for(pid_t pid, const sigset_t *ends, int *ret_status) {
        TQ_CLOSE int pid_fd = pidfd_open(pid, 0), ends_fd = -EBADF;
        struct pollfd fds[2];

        if (ends)
                ends_fd = signalfd(-1, ends, SFD_CLOEXEC);
        fds[0] = (struct pollfd){ .fd = pid_fd, .events = POLLIN };
        fds[1] = (struct pollfd){ .fd = ends_fd, .events = POLLIN };
        while (pid_fd >= 0 && poll(fds, 2, -1) < 0 && errno == EINTR)
                ;
        if (pid_fd < 0 || (ends && (ends_fd < 0 || fds[1].revents != 0)))
                (void)kill(pid, SIGTERM);
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return tq_errno();
        return 0;
}

static int tell(int status, int errors_fd, const char *program, const char *about) {
        char text[ERRORS_MAX + 1] = "", *end;

        if (pread(errors_fd, text, ERRORS_MAX, 0) < 0)
                text[0] = '\0';
        end = text + strcspn(text, "\n");
        if (*end != '\0')
                *end++ = '\0';
        if (text[0] != '\0')
                return fail(TQ_EXIT_FAILURE, "%s: %s%s", about, text,
                            *end != '\0' ? " (and more)" : "");
        if (WIFSIGNALED(status))
                return fail(TQ_EXIT_FAILURE, "%s: %s was killed by signal %d", about, program,
                            WTERMSIG(status));
        return fail(TQ_EXIT_FAILURE, "%s: %s failed", about, program);
}

/* is_ended: by what would end us, too; else it is as deaf to that as we are. */
static int spawn(const char *const argv[], int dir_fd, int errors_fd, bool is_ended, pid_t *ret) {
        static char path[] = "PATH=/usr/bin:/bin";
        char *const environment[] = { path, NULL };
        posix_spawn_file_actions_t actions;
        char *args[WORDS_MAX + 1] = {};
        posix_spawnattr_t attributes;
        sigset_t none;
        int r;

        for (size_t i = 0; i < WORDS_MAX && argv[i]; i++)
                args[i] = (char *)argv[i];
        (void)sigemptyset(&none);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0) {
                r = posix_spawnattr_setsigmask(&attributes, &none);
                if (r == 0)
                        r = posix_spawnattr_setflags(&attributes,
                                                     is_ended ? POSIX_SPAWN_SETSIGMASK : 0);
                if (r == 0)
                        r = posix_spawn_file_actions_addfchdir_np(&actions, dir_fd);
                if (r == 0)
                        r = posix_spawn_file_actions_adddup2(&actions, errors_fd, STDERR_FILENO);
                if (r == 0)
                        r = posix_spawn(ret, argv[0], &actions, &attributes, args, environment);
                (void)posix_spawnattr_destroy(&attributes);
        }
        (void)posix_spawn_file_actions_destroy(&actions);
        return -r;
}

int program_run(const char *const argv[], int dir_fd, const sigset_t *ends, const char *about) {
        TQ_CLOSE int errors_fd = memfd_create("errors", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int status = 0, r = 0;
        pid_t pid = -1;

        assert(argv[0]);
        if (errors_fd < 0 || ftruncate(errors_fd, ERRORS_MAX) < 0 ||
            fcntl(errors_fd, F_ADD_SEALS, F_SEAL_GROW) < 0)
                r = tq_errno();
        if (r >= 0)
                r = spawn(argv, dir_fd, errors_fd, ends != NULL, &pid);
        if (r >= 0)
                r = wait_for(pid, ends, &status);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s: %s", about, argv[0], strerror(-r));
        if (ends && program_is_interrupted(ends))
                return fail(TQ_EXIT_FAILURE, "interrupted");
        return WIFEXITED(status) && WEXITSTATUS(status) == 0
                       ? 0
                       : tell(status, errors_fd, argv[0], about);
}
