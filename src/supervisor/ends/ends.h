/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "supervisor/claims/claims.h"

/* The end of a tenant, another name, another owner: what root has ordered, done with what lies in
 * the file system. The engine says when; whether, it is not asked. */
typedef struct Ends Ends;

int ends_new(sd_event *event, Host *host, Own *own, Tenants *tenants, Slices *slices,
             Claims *claims, TqLink *link, Ends **ret);
Ends *ends_free(Ends *e);

/* At start, before any directory is looked at: what had begun. Negative errno. */
int ends_resume(Ends *e);
/* The engine is gone: its questions are. */
void ends_forget_questions(Ends *e);
