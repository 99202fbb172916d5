/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/output/floor.h"

#include "unit.h"

#define SEC TQ_USEC_PER_SEC

static const struct {
        uint64_t size, available, floor;
        bool was_low, want;
} rows[] = {
        { 1000, 50, 500, false, false },
        { 1000, 49, 500, false, true },
        /* Once it is low: a tenth of the floor more. */
        { 10000, 549, 500, true, true },
        { 10000, 550, 500, true, false },
        { 10000, 500, 500, false, false },
        /* Or a tenth of a percent. */
        { 100000, 199, 10, true, true },
        { 100000, 200, 10, true, false },
        { 100000, 100, 10, false, false },
        { 100000, 99, 10, false, true },
        /* Never more than all. */
        { 100, 100, 10000, true, false },
        { 100, 99, 10000, true, true },
        { 100, 0, 0, false, false },
        { 100, 0, 0, true, false },
        { 0, 0, 500, false, false },
        { UINT64_MAX, UINT64_MAX / 2, 5000, false, false },
        { UINT64_MAX, UINT64_MAX / 2 - 20000, 5000, false, true },
        { UINT64_MAX, UINT64_MAX, 10000, true, false },
};

START_TEST(low) {
        const FloorSpace s = { rows[_i].size, rows[_i].available };

        ck_assert_int_eq(floor_is_low(&s, rows[_i].floor, rows[_i].was_low), rows[_i].want);
}
END_TEST

/* 256 bytes a microsecond, of half of what is there. */
static const struct {
        uint64_t size, available, floor;
        size_t n;
        uint64_t want;
} looks[] = {
        { UINT64_C(1) << 40, 0, 500, 1, SEC / 10 },
        { 0, 0, 0, 0, 60 * SEC },
        { 10000, 10000, 500, 0, SEC },
        { 10000, 10000, 500, 2, SEC / 10 },
        { UINT64_C(1000000000000), UINT64_C(50000000000) + 2560000000, 500, 0, 10 * SEC },
        { UINT64_C(1000000000000), UINT64_C(50000000000), 500, 1, SEC / 10 },
        { UINT64_C(1000000000000), UINT64_C(50000000000) + 512000000, 500, 1, SEC },
        { UINT64_C(1000000000000), UINT64_C(50000000000) + 5120000000, 500, 1, 10 * SEC },
        { UINT64_C(1000000000000), UINT64_C(50000000000) + 5120000000, 500, 5, 2 * SEC },
        { UINT64_C(1000000000000), UINT64_C(50000000000) + 30720000000, 500, 1, 60 * SEC },
        { UINT64_C(1000000000000), UINT64_C(500000000000), 500, 1, 60 * SEC },
        { UINT64_MAX, UINT64_MAX, 0, 9, 60 * SEC },
};

START_TEST(when) {
        const FloorSpace s = { looks[_i].size, looks[_i].available };

        ck_assert_uint_eq(floor_look_usec(&s, looks[_i].floor, looks[_i].n), looks[_i].want);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "floor");

        unit_add_rows(c, low, rows);
        unit_add_rows(c, when, looks);
}

int main(void) {
        return unit_main("supervisor/output/floor", fill);
}
