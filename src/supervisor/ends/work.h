/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/list.h"
#include "supervisor/claims/claims.h"
#include "supervisor/ends/order.h"
#include "supervisor/ends/sweep.h"

/* What is being done about a tenant's end, seen by the files of this room only. */
typedef struct Ends Ends;

typedef struct Work {
        Ends *ends;
        TqList link;
        Sweep *sweep;
        uint64_t cookie; /* 0: whoever asked has gone */
        TqOrderStep step;
        char name[TQ_TENANT_NAME_MAX + 1], to[64];
        uid_t from, uid; /* CHOWN */
        gid_t gid;
        bool is_nobodys; /* its order goes with it */
} Work;

/* A name that the engine has spoken of. */
typedef struct Spoken {
        TqList link;
        char name[TQ_TENANT_NAME_MAX + 1];
} Spoken;

struct Ends {
        sd_event *event;
        Host *host;
        Own *own;
        Tenants *tenants;
        Slices *slices;
        Claims *claims;
        TqLink *link;
        TqList works, spoken;
};

/* cookie 0: nobody asked, nothing is said. */
void work_answer(Ends *e, uint64_t cookie, int result, const void *blob, size_t size);
void work_answer_text(Ends *e, uint64_t cookie, int result, const char *fmt, ...) TQ_PRINTF(4, 5);
/* What is being done with a name; looking at it is not. NULL: nothing. */
Work *work_find(const Ends *e, const char *name);
Work *work_new(Ends *e, TqOrderStep step, const char *name, const char *to, uint64_t cookie);
Work *work_free(Work *w);
int work_sweep(Work *w, SweepKind kind, SweepDone done);
/* tenants.d/NAME.conf is there. */
bool work_has_file(const Ends *e, const char *name);
