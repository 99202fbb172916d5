/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/output/choose.h"

#include "unit.h"

/* Bounds -------------------------------------------------------------------------------------- */

static const struct {
        uint64_t bytes, files, allowance;
        OutputSum high, low;
} bounds[] = {
        { 1600, 160, UINT64_MAX, { 1500, 150 }, { 1200, 120 } },
        { 1600, 160, 1400, { 1400, 150 }, { 1200, 120 } },
        { 1600, 160, 1000, { 1000, 150 }, { 1000, 120 } },
        { 1600, 160, 0, { 0, 150 }, { 0, 120 } },
        /* There is room for two files more. */
        { 65536, 10, UINT64_MAX, { 61440, 8 }, { 49152, 8 } },
        { 65536, 16, UINT64_MAX, { 61440, 14 }, { 49152, 12 } },
        { 65536, 1, UINT64_MAX, { 61440, 0 }, { 49152, 0 } },
        { UINT64_MAX,
          UINT64_MAX,
          UINT64_MAX,
          { UINT64_MAX, UINT64_MAX },
          { UINT64_MAX, UINT64_MAX } },
        { UINT64_MAX, UINT64_MAX, 7, { 7, UINT64_MAX }, { 7, UINT64_MAX } },
};

START_TEST(high_and_low) {
        const TqRetention h = { .output_bytes = bounds[_i].bytes,
                                .output_files = bounds[_i].files,
                                .output_age_usec = 5 };
        OutputBounds b = choose_bounds(&h, bounds[_i].allowance, 9);

        ck_assert_uint_eq(b.high.bytes, bounds[_i].high.bytes);
        ck_assert_uint_eq(b.high.files, bounds[_i].high.files);
        ck_assert_uint_eq(b.low.bytes, bounds[_i].low.bytes);
        ck_assert_uint_eq(b.low.files, bounds[_i].low.files);
        ck_assert_uint_eq(b.age_usec, 5);
        ck_assert_uint_eq(b.now_usec, 9);
        ck_assert(!choose_is_over(&b, &b.high));
        if (b.high.bytes < UINT64_MAX)
                ck_assert(choose_is_over(&b, &(OutputSum){ b.high.bytes + 1, 0 }));
        if (b.high.files < UINT64_MAX)
                ck_assert(choose_is_over(&b, &(OutputSum){ 0, b.high.files + 1 }));
}
END_TEST

/* Which goes ----------------------------------------------------------------------------------
 * Job N is the Nth row of items; `goes` is a bit for each, from job 1 on. Now is 1000. */

#define NONE                                                                                       \
        { UINT64_MAX, UINT64_MAX }
#define ITEM(n, when, size)                                                                        \
        { .job = (n), .attempt = 1, .files = 2, .written_usec = (when), .bytes = (size) }
#define LIVE(n, when, size)                                                                        \
        {                                                                                          \
                .job = (n), .attempt = 1, .files = 2, .written_usec = (when), .bytes = (size),     \
                .is_live = true                                                                    \
        }
#define KEPT(n, when, size, until)                                                                 \
        {                                                                                          \
                .job = (n), .attempt = 1, .files = 2, .written_usec = (when), .bytes = (size),     \
                .keep_until_usec = (until)                                                         \
        }

static const struct {
        OutputItem items[5];
        OutputSum have; /* 0: what the items come to */
        uint64_t age;
        OutputSum high, low;
        unsigned goes;
        OutputSum left;
} rows[] = {
        { { ITEM(1, 1, 10) }, {}, UINT64_MAX, NONE, NONE, 0, { 10, 2 } },
        /* By age: at the boundary not yet. */
        { { ITEM(1, 899, 10), ITEM(2, 900, 10), ITEM(3, 901, 10) },
          {},
          100,
          NONE,
          NONE,
          1,
          { 20, 4 } },
        { { ITEM(1, 0, 10), ITEM(2, 999, 10) }, {}, 0, NONE, NONE, 3, { 0, 0 } },
        { { ITEM(1, UINT64_MAX, 10) }, {}, 100, NONE, NONE, 0, { 10, 2 } },
        /* By bytes: not at the high mark, beyond it to the low one, and no more. */
        { { ITEM(1, 1, 10), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { 30, UINT64_MAX },
          { 5, UINT64_MAX },
          0,
          { 30, 6 } },
        { { ITEM(1, 1, 10), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { 29, UINT64_MAX },
          { 20, UINT64_MAX },
          1,
          { 20, 4 } },
        { { ITEM(1, 1, 10), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { 29, UINT64_MAX },
          { 19, UINT64_MAX },
          3,
          { 10, 2 } },
        { { ITEM(1, 1, 10), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { 0, UINT64_MAX },
          { 0, UINT64_MAX },
          7,
          { 0, 0 } },
        /* In whatever order they come. */
        { { ITEM(1, 3, 10), ITEM(2, 1, 10), ITEM(3, 2, 10) },
          {},
          UINT64_MAX,
          { 29, UINT64_MAX },
          { 19, UINT64_MAX },
          6,
          { 10, 2 } },
        /* By files. */
        { { ITEM(1, 1, 10), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { UINT64_MAX, 6 },
          { UINT64_MAX, 2 },
          0,
          { 30, 6 } },
        { { ITEM(1, 1, 10), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { UINT64_MAX, 5 },
          { UINT64_MAX, 3 },
          3,
          { 10, 2 } },
        /* Too many does not mean too large. */
        { { ITEM(1, 1, 10), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { 30, 5 },
          { 0, 4 },
          1,
          { 20, 4 } },
        /* Who writes, or is kept, is passed over, and counts. */
        { { LIVE(1, 1, 10), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          100,
          { 29, UINT64_MAX },
          { 20, UINT64_MAX },
          6,
          { 10, 2 } },
        { { LIVE(1, 999, 10), ITEM(2, 999, 10), ITEM(3, 999, 10) },
          {},
          100,
          { 29, UINT64_MAX },
          { 20, UINT64_MAX },
          2,
          { 20, 4 } },
        { { KEPT(1, 1, 10, 1001), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { 29, UINT64_MAX },
          { 0, UINT64_MAX },
          6,
          { 10, 2 } },
        { { KEPT(1, 1, 10, 1000), ITEM(2, 2, 10), ITEM(3, 3, 10) },
          {},
          UINT64_MAX,
          { 29, UINT64_MAX },
          { 20, UINT64_MAX },
          1,
          { 20, 4 } },
        { { KEPT(1, 1, 10, 1001), KEPT(2, 1, 10, UINT64_MAX) },
          {},
          100,
          { 1, 1 },
          { 0, 0 },
          0,
          { 20, 4 } },
        /* More is there than the items: it counts. */
        { { ITEM(1, 1, 10), ITEM(2, 2, 10) },
          { 100, 50 },
          UINT64_MAX,
          { 99, 99 },
          { 85, 40 },
          3,
          { 80, 46 } },
        /* A size that is more than the sum: somebody has cut it meanwhile. */
        { { ITEM(1, 1, UINT64_MAX) }, { 100, 1 }, UINT64_MAX, { 99, 99 }, { 85, 40 }, 1, { 0, 0 } },
        /* Of the same instant the lesser number. */
        { { ITEM(2, 5, 10), ITEM(1, 5, 10) },
          {},
          UINT64_MAX,
          { 19, UINT64_MAX },
          { 15, UINT64_MAX },
          1,
          { 10, 2 } },
};

START_TEST(which) {
        const OutputBounds b = { .now_usec = 1000,
                                 .age_usec = rows[_i].age,
                                 .high = rows[_i].high,
                                 .low = rows[_i].low };
        OutputSum have = rows[_i].have, left;
        OutputItem items[5];
        unsigned goes = 0;
        size_t n = 0;

        memcpy(items, rows[_i].items, sizeof(items));
        for (; n < 5 && items[n].job > 0; n++)
                if (rows[_i].have.files == 0) {
                        have.bytes += items[n].bytes;
                        have.files += items[n].files;
                }
        left = choose(items, n, have, &b);
        for (size_t i = 0; i < n; i++)
                goes |= items[i].goes ? 1U << (items[i].job - 1) : 0;
        ck_assert_uint_eq(goes, rows[_i].goes);
        ck_assert_uint_eq(left.bytes, rows[_i].left.bytes);
        ck_assert_uint_eq(left.files, rows[_i].left.files);
}
END_TEST

START_TEST(nothing) {
        const OutputBounds b = { .high = { 1, 1 } };
        OutputSum left = choose(NULL, 0, (OutputSum){ 5, 5 }, &b);

        ck_assert_uint_eq(left.bytes, 5);
}
END_TEST

/* Whatever there is: only what may go goes, the oldest first, and it is enough if it can be. */
START_TEST(any) {
        uint64_t seed = (uint64_t)_i + 1;

        for (int turn = 0; turn < 200; turn++) {
                OutputItem items[40] = {};
                OutputBounds b = { .now_usec = 1000,
                                   .age_usec = unit_random(&seed) % 1200,
                                   .high = { unit_random(&seed) % 500, unit_random(&seed) % 80 } };
                OutputSum have = {}, left;
                bool has_rest = false;

                b.low = (OutputSum){ b.high.bytes / 2, b.high.files / 2 };
                for (size_t i = 0; i < 40; i++) {
                        items[i] = (OutputItem){ .job = i + 1,
                                                 .attempt = 1,
                                                 .files = 1 + unit_random(&seed) % 2,
                                                 .is_live = unit_random(&seed) % 8 == 0,
                                                 .bytes = unit_random(&seed) % 30,
                                                 .written_usec = unit_random(&seed) % 1000,
                                                 .keep_until_usec = unit_random(&seed) % 1100 };
                        have.bytes += items[i].bytes;
                        have.files += items[i].files;
                }
                left = choose(items, 40, have, &b);
                for (size_t i = 0; i < 40; i++) {
                        bool may = choose_may_go(&items[i], 1000);

                        unit_must(!items[i].goes || may, "turn %d", turn);
                        /* None is left that is older than one that went for its place alone. */
                        unit_must(!items[i].goes || !has_rest ||
                                          items[i].written_usec + b.age_usec < 1000,
                                  "turn %d", turn);
                        has_rest |= may && !items[i].goes;
                }
                unit_must(!has_rest || !choose_is_over(&b, &left), "turn %d", turn);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "choose");

        unit_add_rows(c, high_and_low, bounds);
        unit_add_rows(c, which, rows);
        tcase_add_test(c, nothing);
        tcase_add_loop_test(c, any, 0, 8);
}

int main(void) {
        return unit_main("supervisor/output/choose", fill);
}
