/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>

#include "fuzz.h"

/* Without a fuzzer: each file of a directory, then pieces of it and it with bytes changed, always
 * the same ones. The last line is the sum. */

static unsigned long tried;

static void try(const uint8_t *data, size_t size) {
        uint8_t *copy = malloc(size ? size : 1);

        FUZZ_ASSERT(copy != NULL);
        if (size)
                memcpy(copy, data, size);
        (void)LLVMFuzzerTestOneInput(copy, size);
        free(copy);
        tried++;
}

#define CUTS 64

static void vary(uint8_t *data, size_t size) {
        static const uint8_t bytes[] = { 0x00, 0x01, 0x7F, 0x80, 0xFF, '\n', '=', '[' };
        size_t step = size / CUTS + 1;

        for (size_t i = 0; i < size; i += step) {
                uint8_t was = data[i];

                try(data, i);
                data[i] = bytes[(i / step) % sizeof(bytes)];
                try(data, size);
                data[i] = was ^ (uint8_t)(1 << i % 8);
                try(data, size);
                data[i] = was;
        }
}

static void replay(int dir_fd, const char *name) {
        TQ_FREE char *data = NULL;
        size_t size;

        FUZZ_ASSERT(tq_fs_read_file(dir_fd, name, 16 << 20, &data, &size) == 0);
        try((uint8_t *)data, size);
        vary((uint8_t *)data, size);
}

int main(int argc, char *argv[]) {
        const char *name = strrchr(argv[0], '/');
        struct dirent **entries;
        unsigned files = 0;
        char path[256];
        int dir_fd, n;

        /* build/fuzz/fuzz_NAME: tests/corpus/NAME */
        (void)snprintf(path, sizeof(path), "tests/corpus/%s", name ? name + strlen("/fuzz_") : "");
        dir_fd = open(argc > 1 ? argv[1] : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        FUZZ_ASSERT(dir_fd >= 0);
        n = scandirat(dir_fd, ".", &entries, NULL, alphasort);
        FUZZ_ASSERT(n >= 0);
        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.') {
                        replay(dir_fd, entries[i]->d_name);
                        files++;
                }
                free(entries[i]);
        }
        free(entries);
        try((const uint8_t *)"", 0);
        (void)printf("%lu inputs of %u files\n%d passed, %d failed, 0 skipped\n", tried, files,
                     files > 0, files == 0);
        return files == 0;
}
