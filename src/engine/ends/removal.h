/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/ends/end.h"

/* The next step, not while it is busy: its jobs are waited for, or cancelled; */
void removal_wait(End *end);
/* no way back is left, and it goes. */
void removal_delete(End *end);
