/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/ends/end.h"

/* The next step of another name or owner; not while it is busy. */
void change_go_on(End *end);
