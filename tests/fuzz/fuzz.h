/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"

/* What targets share. Each has LLVMFuzzerTestOneInput() as libFuzzer calls it; what must hold of
 * any bytes, beside that nothing is read or written that is not there, is said by FUZZ_ASSERT. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ASSERT(x)                                                                             \
        do {                                                                                       \
                if (!(x)) {                                                                        \
                        (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);              \
                        abort();                                                                   \
                }                                                                                  \
        } while (0)

/* As a file that can be read by its descriptor, from its beginning: it is the same each time. */
int fuzz_file(const uint8_t *data, size_t size);
/* A copy that ends with a NUL, of exactly that size: what reads beyond it is seen. */
char *fuzz_text(const uint8_t *data, size_t size);
/* A directory with nothing in it but that file, or none (data NULL). */
int fuzz_directory(const char *name, const uint8_t *data, size_t size);
/* An error has words, and they end. */
void fuzz_error(const TqError *err);
