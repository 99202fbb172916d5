/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"

/* What would hold a job that is not there: the rows of an explanation, without a number and a place
 * in its queue. -ENOMEM. */
int explain_would(const Call *c, const TqEvent *submit, TqTable *ret);
