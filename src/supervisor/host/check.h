/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/host/host.h"

/* The files of root, looked at without anything taking effect: before a reload, and by tenantqd
 * --check. */

typedef void (*CheckWarn)(const char *fmt, ...) TQ_PRINTF(1, 2);

void check_log(const char *fmt, ...) TQ_PRINTF(1, 2);  /* to the log, as an error */
void check_mute(const char *fmt, ...) TQ_PRINTF(1, 2); /* to nobody */

/* What tenantq.conf says that a start would fail for. */
int check_host(const TqHostConfig *config, TqError *err);

/* Against what, and who is told. */
typedef struct CheckFiles {
        int config_fd;
        int spool_fd; /* -EBADF: there is none */
        const TqHostConfig *host;
        const Profiles *profiles;
        CheckWarn warn, fault;
        /* Granted paths are looked for too. On a file system that does not answer, that takes for
         * ever: nothing for a daemon, whose jobs say it when they meet it. */
        bool has_time;
} CheckFiles;

/* All files of tenants.d; those without a tenant are warned of, those that disable theirs are
 * faults. Returns how many faults, or -EBADMSG with err: the first that is wrong. */
int check_tenant_files(const CheckFiles *c, TqError *err);
/* tenantqd --check: an exit code. */
int check_main(const char *config_dir);
