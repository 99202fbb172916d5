/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/parse.h"
#include "unit.h"

/* A text and the number that it is, for the tests of what parses numbers. */

/* What a result holds before a call that fails, and must hold behind it. */
#define UNTOUCHED UINT64_C(0xA5A5A5A5A5A5A5A5)

typedef struct NumberRow {
        const char *text;
        int r;
        uint64_t value;
} NumberRow;

static inline void check_number(const NumberRow *row, int r, uint64_t value) {
        ck_assert_msg(r == row->r, "\"%s\": returned %d, expected %d", row->text, r, row->r);
        ck_assert_msg(value == (r < 0 ? UNTOUCHED : row->value), "\"%s\": value %ju", row->text,
                      (uintmax_t)value);
}
