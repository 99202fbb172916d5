/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The payload of the benchmark: does nothing, or with an argument says when it began
 * (CLOCK_MONOTONIC, ns), and repeats it. */

#include <stdio.h>
#include <time.h>

int main(int argc, char *argv[]) {
        struct timespec now;

        if (argc < 2)
                return 0;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        (void)printf("%lld %s\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec, argv[1]);
        return 0;
}
