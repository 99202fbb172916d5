/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/ends/rooms.h"
#include "engine/ends/tally.h"

/* What there is of it, and whether it may be called `to` (empty: that is not asked). */
typedef void (*EndsLooked)(void *data, int result, const char *text, const TqOrderFound *found,
                           const Tally *tally);
int ends_look(Ends *e, const Tenant *t, const char *to, EndsLooked looked, void *data);
