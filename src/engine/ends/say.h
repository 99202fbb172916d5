/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/ends/rooms.h"

/* A word for its state, and what it waits for; NULL: nothing is intended. */
const char *ends_state(const Tenant *t);
const char *ends_describe(const Ends *e, const Tenant *t, char *buf, size_t size);
