/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* For a tenantq-engine of the tests: a disk that fails, or is slow, as the file `disk` beside the
 * ledger says. SQLite's library finds these calls here, before the C library's. */

enum { READ, WRITE, FLUSH };

typedef struct Disk {
        int32_t call, error; /* 0: only slow */
        int32_t left;        /* so often */
        int32_t delay_ms;    /* below 0: busy for so long */
        int32_t done;        /* so often it was */
} Disk;

static Disk *disk;

__attribute__((constructor)) static void find(void) {
        char path[PATH_MAX] = "";
        int fd;

        if (readlink("/proc/self/exe", path, sizeof(path) - 32) < 0)
                return;
        *strrchr(path, '/') = '\0';
        strcat(path, "/../state/ledger/disk");
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return;
        disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void)close(fd);
        if (disk == MAP_FAILED)
                disk = NULL;
}

static int fails(int call) {
        if (!disk || disk->left == 0 || disk->call != call)
                return 0;
        __atomic_sub_fetch(&disk->left, 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&disk->done, 1, __ATOMIC_SEQ_CST);
        if (disk->delay_ms > 0)
                (void)nanosleep(&(struct timespec){ disk->delay_ms / 1000,
                                                    disk->delay_ms % 1000 * 1000000L },
                                NULL);
        for (time_t until = time(NULL) - disk->delay_ms / 1000; time(NULL) < until;)
                ;
        errno = disk->error;
        return disk->error;
}

int fdatasync(int fd) {
        return fails(FLUSH) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
        return fails(WRITE) ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
        return fails(READ) ? -1 : syscall(SYS_pread64, fd, data, size, at);
}
