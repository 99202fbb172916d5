/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int fuzz_file(const uint8_t *data, size_t size) {
        static int fd = -1;

        if (fd < 0)
                fd = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_ASSERT(fd >= 0 && ftruncate(fd, 0) == 0 &&
                    pwrite(fd, data, size, 0) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
        return fd;
}

char *fuzz_text(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);

        FUZZ_ASSERT(text != NULL);
        memcpy(text, data, size);
        text[size] = '\0';
        return text;
}

int fuzz_directory(const char *name, const uint8_t *data, size_t size) {
        static int dir_fd = -1;
        int fd;

        if (dir_fd < 0) {
                char path[] = "/dev/shm/tenantq-fuzz.XXXXXX";

                FUZZ_ASSERT(mkdtemp(path) != NULL && chmod(path, 0755) == 0);
                dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                FUZZ_ASSERT(dir_fd >= 0 && mkdirat(dir_fd, "tenants.d", 0755) == 0);
        }
        (void)unlinkat(dir_fd, name, 0);
        if (!data)
                return dir_fd;
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        FUZZ_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
        return dir_fd;
}

void fuzz_error(const TqError *err) {
        char text[4096];

        FUZZ_ASSERT(tq_error_format(err, text, sizeof(text)) == text);
        FUZZ_ASSERT(text[0] != '\0' && memchr(text, '\0', sizeof(text)) != NULL);
}
