/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "supervisor/host/host.h"

/* What is ours in the file system: directories, the lock, the control socket. Opened once, by path;
 * afterwards everything goes by descriptor. What of it has gone is made again. */
typedef struct Own Own;

typedef enum OwnThing {
        OWN_SPOOL,
        OWN_CLAIMS, /* below the spool */
        OWN_LOGS,
        OWN_STATE,
        OWN_RESULTS, /* below the state */
        OWN_LOCK,    /* the same */
        OWN_ORDERS,  /* the same */
        OWN_RUN,
        OWN_PAGES,  /* below run: one for each tenant's output */
        OWN_SOCKET, /* listens; below run */
        _OWN_MAX,
} OwnThing;

/* Makes and opens all of it. -EALREADY with err: another tenantqd has the lock. */
int own_new(const Host *host, Own **ret, TqError *err);
Own *own_free(Own *o);
/* Borrowed, until it is mended. */
int own_fd(const Own *o, OwnThing thing);

/* What hangs on one that was made again: 0 or negative errno, then it is called again later. */
void own_on_mended(Own *o, OwnThing thing, int (*mended)(void *data), void *data);
/* Something was mounted or unmounted, over a directory of ours perhaps. */
void own_on_mounts(Own *o, void (*changed)(void *data), void *data);

/* Watches from now on. */
void own_watch(Own *o, sd_event *event);
/* What of it has gone is made again. Returns how many; negative errno. */
int own_mend(Own *o);
/* In a moment: whoever removes a whole tree is not to meet what we have made again. */
void own_mend_soon(Own *o);

/* What the descriptor holds was removed or renamed, or something else has its name. */
bool own_has_vanished(int fd, int dir_fd, const char *name);
