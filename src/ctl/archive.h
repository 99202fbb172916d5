/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/hostfile.h"
#include "ctl/options.h"

/* What there is of a tenant, as files that outlive it. */
typedef struct Archive Archive;

/* A directory that is not there can be made, where nothing of it would be removed. Nothing of it
 * is left then. Says what fails; an exit code. The caller frees. */
int archive_new(const char *to, const TqHostConfig *config, Archive **ret);
Archive *archive_free(Archive *a);

/* Its history, limits and output, whole or not at all: nothing of the tenant lives or comes in any
 * more. check says in the end whether that is so still: 0, or an exit code, and why not. Says what
 * fails; an exit code. */
int archive_make(Archive *a, const Options *o, const char *tenant, int (*check)(void *data),
                 void *data);
