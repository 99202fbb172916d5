/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What is to stay free of the file system of the output: of numbers only. */

typedef struct FloorSpace {
        uint64_t size, available; /* bytes; to those who are not root */
} FloorSpace;

/* Whether there is less than the floor (hundredths of a percent of the size). Once there is, it is
 * so until there is somewhat more: a tenth of the floor, or a tenth of a percent. */
bool floor_is_low(const FloorSpace *s, uint64_t floor, bool was_low);
/* What may still be written; UINT64_MAX: there is no floor. */
uint64_t floor_above(const FloorSpace *s, uint64_t floor);
/* When it is to be looked at again, while n write; 0: nobody does, who may. */
uint64_t floor_look_usec(const FloorSpace *s, uint64_t floor, size_t n);
