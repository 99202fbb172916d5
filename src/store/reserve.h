/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Room on a disk that is kept for what must be written when it is full. */
typedef struct TqReserve {
        char *path;
        uint64_t bytes;
        bool is_made;
} TqReserve;

#define TQ_RESERVE_BYTES (UINT64_C(16) << 20)

/* path: of the file that takes the room; copied. Makes nothing yet. -ENOMEM. */
int tq_reserve_init(TqReserve *r, const char *path, uint64_t bytes);
void tq_reserve_done(TqReserve *r);

/* Takes the room, if it has not: 0, -ENOSPC, or another negative errno. */
int tq_reserve_make(TqReserve *r);
/* Gives it back to the disk: true, if there was any. */
bool tq_reserve_release(TqReserve *r);
