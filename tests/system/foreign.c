/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* foreign i386|x32|unknown - makes a system call as a program of another architecture would, and
 * says what came of it. */

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_BIT     0x40000000
#define I386_GETPID 20

int main(int argc, char *argv[]) {
        const char *way = argc > 1 ? argv[1] : "";
        long r = -1;

        if (strcmp(way, "i386") == 0)
                __asm__ volatile("int $0x80"
                                 : "=a"(r)
                                 : "a"(I386_GETPID)
                                 : "memory", "r8", "r9", "r10", "r11");
        else if (strcmp(way, "x32") == 0)
                r = syscall(X32_BIT | SYS_getpid);
        else if (strcmp(way, "unknown") == 0)
                r = syscall(X32_BIT | 1000);
        (void)printf("%s: %ld\n", way, r);
        return 0;
}
