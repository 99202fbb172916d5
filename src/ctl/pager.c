/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/pager.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

/* It has the caller's rights, which may be root's, and shows what tenants wrote: less(1) is told
 * not to run commands nor to open or write files (LESSSECURE, as systemd does). Another one is
 * whoever sets it responsible for; its words are split at blanks, no shell is asked. */

#define WORDS_MAX 16

static const char *command(void) {
        const char *said = getenv("TENANTQ_PAGER");

        if (!said)
                said = getenv("PAGER");
        return said ? said : "less";
}

static bool is_wanted(const char *pager) {
        const char *term = getenv("TERM");

        return pager[0] != '\0' && strcmp(pager, "cat") != 0 && term && strcmp(term, "dumb") != 0;
}

_Noreturn static void show(int input, const char *pager, pid_t parent) {
        char *copy = strdup(pager), *words[WORDS_MAX + 1] = {}, *save = NULL;
        size_t n = 0;

        (void)signal(SIGPIPE, SIG_DFL);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent || dup2(input, STDIN_FILENO) < 0)
                _exit(127);
        /* Quit if it fits, colours as they are, chop lines, ^C quits, don't clear the screen. */
        (void)setenv("LESS", "FRSXMK", true);
        (void)setenv("LESSCHARSET", "utf-8", true);
        (void)setenv("LESSSECURE", "1", true);
        for (char *word = copy ? strtok_r(copy, " \t", &save) : NULL; word && n < WORDS_MAX;
             word = strtok_r(NULL, " \t", &save))
                words[n++] = word;
        if (n > 0)
                (void)execvp(words[0], words);
        (void)execlp("less", "less", (char *)NULL);
        (void)execlp("cat", "cat", (char *)NULL);
        _exit(127);
}

void pager_open(Pager *ret) {
        TQ_CLOSE int from = -EBADF, to = -EBADF, terminal = -EBADF;
        const char *pager = command();
        pid_t parent = getpid(), pid;
        int fds[2];

        *ret = (Pager){ .terminal = -EBADF };
        if (!is_wanted(pager) || fflush(stdout) != 0 || pipe2(fds, O_CLOEXEC) < 0)
                return;
        from = fds[0];
        to = fds[1];
        terminal = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        pid = terminal < 0 ? -1 : fork();
        if (pid == 0)
                show(from, pager, parent);
        if (pid < 0 || dup2(to, STDOUT_FILENO) < 0)
                return;
        *ret = (Pager){ .pid = pid, .terminal = tq_take_fd(&terminal) };
}

void pager_close(Pager *p) {
        void (*before)(int);

        if (p->pid == 0)
                return;
        (void)fflush(stdout);
        __fpurge(stdout);
        clearerr(stdout);
        /* By ^C the pager ends, and we with it. */
        before = signal(SIGINT, SIG_IGN);
        (void)dup2(p->terminal, STDOUT_FILENO);
        p->terminal = tq_close(p->terminal);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        (void)signal(SIGINT, before);
        p->pid = 0;
}
