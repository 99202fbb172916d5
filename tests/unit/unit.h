/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"

/* What the unit tests share. A program has one suite; its last line is `N passed, N failed, N
 * skipped` and its exit status 0 if nothing failed. Each test runs in a process of its own. */

/* Fills the suite by unit_case() and runs it: the whole of main(). */
int unit_main(const char *name, void (*fill)(Suite *s));

/* A group of tests, with a time limit that holds under sanitizers too. */
TCase *unit_case(Suite *s, const char *name);

/* One run of the test for each row; the test finds its row by _i. */
#define unit_add_rows(tcase, test, rows)                                                           \
        tcase_add_loop_test(tcase, test, 0, (int)TQ_ELEMENTSOF(rows))

/* Ends the test, which can't be tried here: it counts as skipped, not as passed. Only in the body
 * of a START_TEST. */
#define unit_skip(reason)                                                                          \
        do {                                                                                       \
                unit_skipped(__func__, reason);                                                    \
                return;                                                                            \
        } while (0)

/* A ck_assert_msg for inner loops: libcheck's makes a system call for each one that holds. */
#define unit_must(condition, ...)                                                                  \
        do {                                                                                       \
                if (!(condition))                                                                  \
                        ck_abort_msg(#condition ": " __VA_ARGS__);                                 \
        } while (0)

void unit_skipped(const char *function, const char *reason);

bool unit_is_root(void);

/* A new, empty directory, removed when the program ends. Returns its path, valid until the next
 * call. */
const char *unit_dir(void);
/* The same, opened (O_DIRECTORY). */
int unit_dir_open(void);

/* Where a cgroup2 hierarchy is mounted that we may write to; NULL: nowhere. */
const char *unit_cgroup_mount(void);

/* Waits for a child: its wait status. */
int unit_wait(int pid);

/* Reproducible pseudo-random numbers (xorshift64*). */
uint64_t unit_random(uint64_t *state);
