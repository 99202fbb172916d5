/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim.h"

/* What the files of the host share: host.c (lives, messages, turns), claims.c, kernel.c. */

typedef enum Stage { STAGE_WAITS, STAGE_RUNS, STAGE_GONE } Stage;

/* A launch, until nobody needs to know of it any more. */
typedef struct Attempt {
        File *file;
        uint64_t job;
        unsigned attempt;
        Stage stage;
        bool has_byte; /* in the pipe of its barrier */
        bool is_mine;  /* this supervisor has launched it */
        bool was_released, is_killed, is_termed, is_orphan, has_ended;
        TqEnd end;     /* its record */
        size_t active; /* where it stands in host.active, while it has not ended */
} Attempt;

typedef struct Host {
        TqMap attempts, claims; /* by job; by number: File */
        Attempt **active;
        size_t n_active, allocated_active;
        size_t n_orphans;
        File **dirty; /* what the disk may have elsewhere */
        size_t n_dirty, allocated_dirty;
        TqList spool[TENANTS_MOST], kept[TENANTS_MOST]; /* of File.link */
        uint64_t next, n_open[TENANTS_MOST], credit[TENANTS_MOST];
        bool has_greeted, is_told, is_open;
} Host;

extern Host host;

void host_tell_all(void); /* the stock, if it is time */

/* claims.c */
void claims_cut_power(void);
void claims_set_state(File *f, ClaimState state);
void claims_find(void); /* what a supervisor finds that starts */
void claims_hear_done(const Letter *l);
bool claims_hand_in(
        void); /* somebody does, some files; these return false if there was nothing to do */
bool claims_try_to_hand_in(void);
bool claims_try(void);

/* kernel.c */
void kernel_tell_attempt(TqMessageType type, const Attempt *a);
void kernel_tell_end(const Attempt *a);
void kernel_hear_start(const Letter *l);
void kernel_hear_attempt(TqMessageType type, const TqAttemptMessage *m);
void kernel_cut_power(void);
bool kernel_try(void);
