/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "supervisor/host/host.h"
#include "supervisor/host/own.h"

/* The engine's process: what it may see and open (src/ARCHITECTURE.md). */

/* Starts it. channel_fd: its end of the socket pair; crumb_fd: ipc/crumb.h. The caller keeps both,
 * and reaps and closes what is returned. 0 or negative errno. */
int engine_launch(const Host *h, const Own *own, int channel_fd, int crumb_fd, pid_t *ret_pid,
                  int *ret_pidfd);

/* It has read its ledger: from now on it has to be there. */
void engine_launch_note_ledger(const Host *h, const Own *own);
