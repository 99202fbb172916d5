/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/host/profiles.h"
#include "supervisor/host/users.h"

/* Root's configuration, and what the process was given at its start. Read by all; changed by this
 * room, and by a reload. */
typedef struct Host {
        const char *config_dir;
        int config_fd;
        TqHostConfig config;
        Users users;
        char helpers[PATH_MAX]; /* where the other programs are: absolute */
        uint8_t boot_id[16];
        Profiles *profiles;
        int helper_fd;
        uint64_t memory_bytes; /* that the host has */
        bool reset_oom_score;
} Host;

/* Reads the configuration (config_dir: borrowed), then opens what is needed: negative errno with
 * err. A host is never closed: it ends with the process. */
int host_open(Host *h, const char *config_dir, const char *helpers, TqError *err);

/* What the configuration leaves open about the scheduler follows from the host. */
void host_policy(const TqHostConfig *config, TqHostPolicy *ret);

/* CRC-32C of what [host] says beside the administrators' group and what the scheduler has to know.
 */
uint32_t host_sum(const TqHostConfig *config);

/* Those that are required are known, and among these bits. */
int host_check_controllers(const TqHostConfig *config, unsigned available, TqError *err);
/* Whether the host can give pools their CPUs with these controllers: -EBADMSG with err. */
int host_check_pools(const TqHostConfig *config, unsigned controllers, TqError *err);

/* Takes over what may change while we run; says what of the rest differs, and waits for a restart.
 * Takes *config_fd and *profiles. */
void host_replace(Host *h, int *config_fd, const TqHostConfig *config, Profiles **profiles);
