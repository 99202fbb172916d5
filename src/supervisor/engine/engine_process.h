/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/ends/ends.h"
#include "supervisor/jobs/jobs.h"
#include "supervisor/spool/spool.h"

/* The engine: a process of ours without privilege, which may fail. */
typedef struct EngineProcess EngineProcess;

/* What it speaks with. */
typedef struct EngineRooms {
        sd_event *event;
        Host *host;
        Own *own;
        const Slices *slices;
        Tenants *tenants;
        Output *output;
        Jobs *jobs;
        Claims *claims;
        Spool *spool;
        Ends *ends;
        TqLink *link;
} EngineRooms;

int engine_process_new(const EngineRooms *rooms, EngineProcess **ret);
EngineProcess *engine_process_free(EngineProcess *e);
int engine_process_start(EngineProcess *e);
/* The engine sees the end of the channel, commits what it has and leaves; then the loop ends. */
void engine_process_stop(EngineProcess *e);
/* The channel is closed: by the peer (error 0), or because it broke the protocol. */
void engine_process_closed(EngineProcess *e, int error);
/* The last launch that nobody knew has left. */
void engine_process_take_stock(EngineProcess *e);

/* All files of root are read again and take effect, or none does: negative errno with err. */
int engine_process_reload(EngineProcess *e, TqError *err);
/* Directories of tenants are looked for again in some seconds. */
void engine_process_scan_later(EngineProcess *e);
