/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "supervisor/tenants/tenants.h"

/* What tells of new files: inotify(7). It is a convenience: when the host has no more of it,
 * directories are read again and again instead, and the log and a note of the tenant say so. */
typedef struct Watches Watches;

/* Each is set. */
typedef struct WatchesHooks {
        void *data;
        /* A name in the directory of a tenant that may have become a file to take. */
        void (*file)(void *data, Tenant *t, const char *name);
        /* Something about the directory of a tenant; its owner does that as often as he likes. */
        void (*touched)(void *data, Tenant *t);
        /* Events were lost, of whichever directory; at most once a second. */
        void (*lost)(void *data);
} WatchesHooks;

int watches_new(sd_event *event, Own *own, Tenants *tenants, const WatchesHooks *hooks,
                Watches **ret);
Watches *watches_free(Watches *w);

/* The directory of all, in which tenants appear: what is met there is handed to `tenants`. Also
 * once more, when that is another directory. */
int watches_top(Watches *w);
/* The directory of a tenant; also once more. 1: it is another one than before, whose events come
 * from now on. Nothing is told of what was in it before. */
int watches_add(Watches *w, Tenant *t);
void watches_remove(Watches *w, const Tenant *t);
/* It has none for want of any: nobody tells. */
bool watches_lack(const Watches *w, const Tenant *t);
