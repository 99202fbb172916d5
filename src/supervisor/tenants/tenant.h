/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "base/list.h"
#include "conf/hostfile.h"
#include "ipc/message.h"
#include "kernel/iodevice.h"

/* A tenant, as the supervisor knows it. Read by all above; changed by the files of this room. */

/* Who jobs run as. */
typedef struct Identity {
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t n_groups;
        char user[64]; /* empty: the number has no name */
        char home[256];
} Identity;

typedef struct Note Note; /* notes.c */

typedef struct Tenant {
        uint32_t handle;
        uint32_t owner; /* counts those that `who` has been */
        char name[TQ_TENANT_NAME_MAX + 1];
        TqList all;
        TqTenantConfig config;
        bool is_configured; /* config is that of the last start or reload */
        TqProfileRank rank; /* of its profile */
        /* identity.c */
        Identity who;
        uint64_t identity_seen, identity_usec; /* when the system was asked for it */
        uid_t submitters[TQ_SUBMITTERS_MAX];
        size_t n_submitters;
        /* tenants.c */
        struct stat seen; /* its directory at the last check */
        bool is_enabled;  /* its directory is in order */
        bool is_gone;
        bool is_ending;       /* what root ordered has begun: it is no tenant meanwhile */
        bool is_silent;       /* nothing is said of it: it was removed, or renamed over */
        bool is_surroundings; /* its fault may pass without a change of its directory */
        bool is_applied;      /* its slice has its limits */
        bool has_memory_high; /* among them */
        char fault[TQ_MESSAGE_TEXT_MAX];
        uint64_t announced; /* a hash of what the engine was told last; 0: nothing */
        int spool_fd, slice_fd;
        char device[TQ_IODEVICE_MAX]; /* of its directory; empty: none */
        unsigned n_lines;             /* of the journal about it, since then */
        uint64_t lines_since;
        int log_fd;          /* logs.c */
        unsigned n_attempts; /* jobs/attempt.c */
        /* notes.c */
        char note[TQ_MESSAGE_TEXT_MAX]; /* what waits for a hand, though it is in order */
        Note *notes;                    /* each of it; NULL: there were none yet */
        size_t n_notes;
} Tenant;
