/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

/* Memory that runs out: the program's own functions come before the C library's (malloc(3),
 * "replacing malloc"), for the engine, SQLite and the library's own strdup() and asprintf(). What
 * the world takes is always there. With AddressSanitizer, which has its own, all of it is. */

static bool is_engine;

bool sim_is_engine(bool is) {
        bool was = is_engine;

        is_engine = is;
        return was;
}

void sim_was_engine(const bool *was) {
        is_engine = *was;
}

#ifndef __SANITIZE_ADDRESS__

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool is_there(void) {
        if (!is_engine || sim.engine_is_dead || sim.memory_fuse == 0)
                return true;
        if (sim.memory_fuse > 1) {
                sim.memory_fuse--;
                return true;
        }
        /* The next ones fail as well, or some. */
        if (sim_one_in(3))
                sim.memory_fuse = sim_one_in(2) ? 0 : 1 + sim_draw(100);
        sim.was_hit = true;
        sim_note("memory: none", sim.memory_fuse, 0);
        return false;
}

void *malloc(size_t size) {
        return is_there() ? __libc_malloc(size) : (errno = ENOMEM, NULL);
}

void *calloc(size_t n, size_t size) {
        return is_there() ? __libc_calloc(n, size) : (errno = ENOMEM, NULL);
}

void *realloc(void *p, size_t size) {
        return is_there() ? __libc_realloc(p, size) : (errno = ENOMEM, NULL);
}

void *aligned_alloc(size_t alignment, size_t size) {
        return is_there() ? __libc_memalign(alignment, size) : (errno = ENOMEM, NULL);
}

#endif
