/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* What is longer than the screen is shown by a pager, as systemctl(1) does. */

typedef struct Pager {
        pid_t pid;    /* 0: there is none */
        int terminal; /* standard output as it was */
} Pager;

/* Standard output, which is a terminal, becomes the input of a pager: $TENANTQ_PAGER, $PAGER or
 * less(1). It stays as it is if the first of them that is set is empty or "cat", the terminal is
 * dumb, or something fails. */
void pager_open(Pager *ret);
/* All is printed: waits until the pager has ended, and gives standard output back. Who left it
 * early has seen enough. */
void pager_close(Pager *p);
