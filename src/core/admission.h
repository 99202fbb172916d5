/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/world.h"

/* Whether a submission is taken. */

/* -EDQUOT with *ret. Changes nothing. */
int tq_admission_check(const TqScheduler *s, const TqEvent *e, uint64_t now, TqRefusal *ret);
/* It was taken: tokens are spent, and *ret says if a limit is near. */
void tq_admission_take(TqJob *job, uint64_t now, TqRefusal *ret);
