/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>
#include <stdbool.h>

/* Programs of the system, as cp(1) and rm(1), run by root: nothing of our environment, no shell. */

/* Blocks what would end us, but for what is ignored (nohup(1)): *ret_ends. Whoever works on then
 * asks program_is_interrupted(), and in the end program_unblock(). */
void program_block(sigset_t *ret_ends, sigset_t *ret_before);
/* One of them has come since. */
bool program_is_interrupted(const sigset_t *ends);
/* What has come is forgotten: it was heard of. */
void program_unblock(const sigset_t *ends, const sigset_t *before);

/* Runs argv, of up to 8 words, in a directory. ends: one of these ends it, too; NULL: none. The
 * first thing that it says of what went wrong is told behind `about`; an exit code. */
int program_run(const char *const argv[], int dir_fd, const sigset_t *ends, const char *about);
