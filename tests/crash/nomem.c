/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* For ld.so(8), LD_PRELOAD: of the allocations of a process, the N-th from now on fails. N is the
 * number in the file that $NOMEM names, which whoever tries it writes; it is counted down there. */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static volatile uint64_t *fuse;

__attribute__((constructor)) static void look(void) {
        const char *path = getenv("NOMEM");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *p = fd >= 0 ? mmap(NULL, sizeof(*fuse), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                          : MAP_FAILED;

        if (p == MAP_FAILED)
                _exit(71); /* else all would be tried, and nothing found */
        (void)close(fd);
        fuse = p;
}

static int is_there(void) {
        if (fuse && *fuse > 0 && --*fuse == 0) {
                errno = ENOMEM;
                return 0;
        }
        return 1;
}

void *malloc(size_t size) {
        return is_there() ? __libc_malloc(size) : NULL;
}

void *calloc(size_t n, size_t size) {
        return is_there() ? __libc_calloc(n, size) : NULL;
}

void *realloc(void *p, size_t size) {
        return is_there() ? __libc_realloc(p, size) : NULL;
}
