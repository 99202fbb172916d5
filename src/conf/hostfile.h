/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "core/profile.h"
#include "conf/resolv.h"
#include "core/retention.h"
#include "core/scheduler.h"

/* What only root can write: /etc/tenantq/tenantq.conf and tenants.d/NAME.conf (tenantq.conf(5)). */

#define TQ_USER_MAX       32
#define TQ_SUBMITTERS_MAX 16
#define TQ_PATHS_MAX      1024 /* bytes of the paths of a key, each terminated, then an empty one */

typedef struct TqHostConfig {
        char cgroup_root[PATH_MAX];
        char required_controllers[128]; /* blank-separated */
        char spool[PATH_MAX];
        char state[PATH_MAX];
        char logs[PATH_MAX];
        char run[PATH_MAX];
        char engine_user[TQ_USER_MAX + 1]; /* name or number */
        char exec_user[TQ_USER_MAX + 1];
        char admin_group[TQ_USER_MAX + 1];
        char hidden_paths[TQ_PATHS_MAX]; /* from jobs; words as below */
        uint64_t log_max_bytes;          /* of each of a job's two outputs */
        char outbound_addresses[32];
        TqOutbound outbound;                       /* what that says */
        uint64_t outbound_connections;             /* of a tenant, at a time */
        char outbound_dns[TQ_RESOLV_SERVERS_SIZE]; /* blank-separated IPv4 addresses; empty: the
                                                      host's */
        TqLimits defaults;
        TqLimits ceilings;
        TqRetention retention;
        TqHostPolicy policy; /* max_jobs, memory and cpus: TQ_LIMIT_MAX unless they are said */
        bool has_max_jobs, has_memory;
} TqHostConfig;

typedef struct TqTenantConfig {
        char user[TQ_USER_MAX + 1];         /* empty: the directory's owner */
        char former_owner[TQ_USER_MAX + 1]; /* whose jobs and output go on as its own; or empty */
        char submitters[TQ_SUBMITTERS_MAX][TQ_USER_MAX + 1];
        size_t n_submitters;
        bool allow_root;
        bool waits_when_full; /* on_full=wait */
        char profile[TQ_PROFILE_NAME_MAX + 1];
        bool audit; /* of what the profile refuses, nothing is */
        TqNetwork network;
        char read_write_paths[TQ_PATHS_MAX]; /* beside the home */
        char read_only_paths[TQ_PATHS_MAX];  /* though they lie where jobs see nothing */
        char device_allow[TQ_PATHS_MAX];     /* PATH or PATH:r, :w, :rw each */
        char pool[TQ_POOL_NAME_MAX + 1];
        TqLimits limits;
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
        size_t n_queues;
} TqTenantConfig;

typedef struct TqHostKey {
        const char *section;
        const char *key;
        const char *help;
} TqHostKey;

/* Every key of the two files but the limits, for the man page's test. */
extern const TqHostKey tq_hostfile_keys[];
extern const size_t tq_hostfile_n_keys;

/* What holds without a file. */
void tq_hostfile_defaults(TqHostConfig *ret);

/* Reads dir_fd/tenantq.conf; a missing file is all defaults. -EBADMSG with err (file, line, key);
 * *ret is written only on success. */
int tq_hostfile_load(int dir_fd, TqHostConfig *ret, TqError *err);

/* Reads dir_fd/tenants.d/NAME.conf; a missing file is an empty one. */
int tq_hostfile_load_tenant(int dir_fd, const char *tenant, TqTenantConfig *ret, TqError *err);
