/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/connections.h"
#include "engine/dispatch/dispatch.h"
#include "ipc/link.h"

typedef struct Drift Drift;
typedef struct Ends Ends;
typedef struct Files Files;
typedef struct Givers Givers;
typedef struct History History;
typedef struct Intake Intake;
typedef struct Rollouts Rollouts;
typedef struct Waiters Waiters;

/* What the verbs have to do with. */
typedef struct ApiContext {
        TqLink *link;
        Commit *commit;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        Drift *drift;
        Rollouts *rollouts;
        Files *files;
        Dispatch *dispatch;
        Intake *intake;
        Ends *ends;
        const History *history;
        Connections *connections;
        Waiters *waiters;
        Givers *givers;
} ApiContext;
