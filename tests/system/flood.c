/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* flood zombies|orphans N - that many children that nobody waits for; or that many whose parent has
 * gone, so that init has to. Says how many processes it sees at the end, beside itself (init is not
 * shown). */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void make(int is_orphan) {
        pid_t pid = fork();

        if (pid < 0) {
                perror("fork");
                exit(1);
        }
        if (pid == 0) {
                if (is_orphan)
                        (void)fork();
                _exit(0);
        }
        if (is_orphan)
                (void)waitpid(pid, NULL, 0);
}

static int others(void) {
        DIR *dir = opendir("/proc");
        const struct dirent *e;
        int n = -1;

        while (dir && (e = readdir(dir)))
                n += e->d_name[0] >= '1' && e->d_name[0] <= '9';
        if (dir)
                (void)closedir(dir);
        return n;
}

int main(int argc, char *argv[]) {
        int is_orphan = argc > 1 && strcmp(argv[1], "orphans") == 0;

        for (int i = argc > 2 ? atoi(argv[2]) : 0; i > 0; i--)
                make(is_orphan);
        for (int i = 0; is_orphan && others() > 0 && i < 1000; i++)
                (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        (void)printf("%d\n", others());
        return 0;
}
