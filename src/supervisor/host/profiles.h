/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kernel/filter.h"

/* What jobs may call: the profiles that are part of the program, and those of the administrator in
 * profiles/ of the configuration, which stand over them. */
typedef struct Profiles Profiles;

/* Reads and checks all that there are. -EBADMSG with err (file, line); *ret is written only on
 * success. Leniently, what is wrong is logged, and there is no profile of that name. */
int profiles_load(int config_fd, bool is_lenient, Profiles **ret, TqError *err);
Profiles *profiles_free(Profiles *p);

/* From the SHA-256 of the administrator's names and texts, in whatever order they lie there; 0:
 * none. */
uint32_t profiles_sum(const Profiles *p);

/* A profile for jobs. NULL: none of that name. */
const TqProfile *profiles_find(const Profiles *p, const char *name);

/* The filter of a profile that is there: compiled at its first use. Borrowed. */
int profiles_filter(Profiles *p, const char *name, TqFilterMode mode, const TqFilter **ret,
                    TqError *err);
