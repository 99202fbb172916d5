/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "supervisor/tenants/tenants.h"

/* What a tenant's directory is looked at again for, and when. */
typedef struct Laters Laters;

/* Called when it is due. Each is set. */
typedef struct LatersHooks {
        void *data;
        void (*check)(void *data, Tenant *t);                  /* the directory itself */
        void (*file)(void *data, Tenant *t, const char *name); /* one file */
        void (*scan)(void *data, Tenant *t);                   /* all files */
} LatersHooks;

int laters_new(sd_event *event, const LatersHooks *hooks, Laters **ret);
Laters *laters_free(Laters *l);

/* A file that could not be taken yet; with each time the delay is twice as long. */
void laters_file(Laters *l, Tenant *t, const char *name);
void laters_forget(Laters *l, const Tenant *t, const char *name);
/* It is not due yet. */
bool laters_has(const Laters *l, const Tenant *t, const char *name);
/* The whole directory; scanned(): that went well. */
void laters_scan(Laters *l, Tenant *t);
void laters_scanned(Laters *l, const Tenant *t);
/* The directory itself: soon, and in some seconds. */
void laters_check(Laters *l, Tenant *t);
void laters_recheck(Laters *l, Tenant *t);
/* What is due of its files. */
void laters_drop(Laters *l, Tenant *t);
