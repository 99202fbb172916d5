/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* A tenant's tree of files, looked through, given away or removed by root, whatever its owner has
 * put there and does meanwhile. Blocks: for a process of its own. */

typedef struct TreeFound {
        uint64_t files, bytes; /* that were counted, given or removed; directories too */
        uint64_t left;         /* that could not be */
        bool empties;  /* asked: files are emptied before they go, so that nobody who holds one
                          open holds what it took of the disk */
        int error;     /* what should be tried again as a whole; 0: nothing */
        bool is_cut;   /* there is more, or it is deeper, than is looked at */
        char why[384]; /* of the first that is left: escaped */
} TreeFound;

/* One that has the name below parent_fd; none is well. Negative errno only of the name itself.
 * is_ours: names that do not count; NULL: none. */
typedef bool (*TreeIsOurs)(const char *name);
int tree_count(int parent_fd, const char *name, TreeIsOurs is_ours, TreeFound *f);

/* Directories and plain files of `from` become those of `to`. */
int tree_give(int parent_fd, const char *name, uid_t from, uid_t to, gid_t gid, TreeFound *f);

/* Moves it out of its owner's way: into `trash`, a directory of root's below parent_fd, which is
 * made. What can't be is counted as left. where: what parent_fd is called, for f->why. */
void tree_take(int parent_fd, const char *where, const char *name, const char *trash, TreeFound *f);
/* Removes all that was taken, and `trash` if nothing is left there. */
void tree_empty(int parent_fd, const char *where, const char *trash, TreeFound *f);
