/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/kinds.h"
#include "engine/commit/commit.h"

/* Who changed what, when and why: a row of the ledger's chain, and a line of the journal once it is
 * recorded. For what administrators do, and what follows from it: it is not bounded, as events are.
 */

#define AUDIT_WHY_MAX 1000 /* bytes of a reason */

/* What is known of somebody beside his uid, which is the kernel's word: root's own client says
 * under which login it was called. */
typedef struct Origin {
        uid_t login_uid;    /* (uid_t)-1: none. proc_pid_loginuid(5) */
        char session[32];   /* of systemd-logind; empty: none */
        char sudo_user[33]; /* sudo(8); empty: none */
} Origin;

#define ORIGIN_UNKNOWN ((Origin){ .login_uid = (uid_t)-1 })

/* Whoever asks, as the kernel knows him. */
typedef struct Viewer {
        uid_t uid;
        bool is_admin; /* root, or of the group of administrators */
        Origin origin; /* what root's own client has said */
} Viewer;

/* Texts are copied; NULL or empty: none. */
typedef struct AuditRow {
        TqKind kind;
        uid_t uid; /* EVENTS_NOBODY: tenantq itself */
        const Origin *origin;
        uint32_t tenant; /* 0: the host */
        const char *tenant_name, *queue;
        uint64_t job;
        const char *trail; /* of that: core/trail.h. For the journal alone */
        const char *name;  /* of a limit */
        const char *old_value, *old_set, *new_value, *kernel;
        uint64_t until_usec;       /* CLOCK_REALTIME; 0: for good */
        uint64_t revision, policy; /* 0: none */
        const char *about;         /* in words, if name does not say it */
        const char *why;
} AuditRow;

/* -ENOMEM: it is not recorded, and nothing is any more. */
int audit_add(Commit *c, const AuditRow *row);
