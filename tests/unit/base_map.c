/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/map.h"

#include "unit.h"

START_TEST(empty) {
        TqMap m = {};
        size_t position = 0;

        ck_assert_ptr_null(tq_map_get(&m, 0));
        ck_assert_ptr_null(tq_map_remove(&m, 0));
        ck_assert_ptr_null(tq_map_next(&m, &position));
        tq_map_done(&m);
        tq_map_done(&m);
}
END_TEST

static const uint64_t keys[] = { 0, 1, 2, 16, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63 };

START_TEST(put_get_remove) {
        TqMap m = {};
        int a, b;

        ck_assert_int_eq(tq_map_put(&m, keys[_i], &a), 0);
        ck_assert_int_eq(tq_map_put(&m, keys[_i], &b), -EEXIST);
        ck_assert_ptr_eq(tq_map_get(&m, keys[_i]), &a);
        ck_assert_ptr_null(tq_map_get(&m, keys[_i] + 1));
        ck_assert_uint_eq(m.size, 1);
        ck_assert_ptr_null(tq_map_remove(&m, keys[_i] + 1));
        ck_assert_ptr_eq(tq_map_remove(&m, keys[_i]), &a);
        ck_assert_ptr_null(tq_map_remove(&m, keys[_i]));
        ck_assert_uint_eq(m.size, 0);
        ck_assert_int_eq(tq_map_put(&m, keys[_i], &b), 0);
        ck_assert_ptr_eq(tq_map_get(&m, keys[_i]), &b);
        tq_map_done(&m);
}
END_TEST

#define KEYS 512

/* Against an array, with keys that come and go: what was deleted must not hide what lies behind it.
 */
START_TEST(against_an_array) {
        static char values[KEYS];
        bool there[KEYS] = {};
        uint64_t state = 12345;
        size_t n = 0;
        TqMap m = {};

        for (int round = 0; round < 200000; round++) {
                uint64_t key = unit_random(&state) % KEYS;
                void *want = there[key] ? &values[key] : NULL;
                bool ok;

                switch (unit_random(&state) % 3) {
                case 0:
                        ok = tq_map_put(&m, key, &values[key]) == (want ? -EEXIST : 0);
                        n += !there[key];
                        there[key] = true;
                        break;
                case 1:
                        ok = tq_map_remove(&m, key) == want;
                        n -= there[key];
                        there[key] = false;
                        break;
                default:
                        ok = tq_map_get(&m, key) == want;
                }
                if (!ok || m.size != n)
                        ck_abort_msg("round %d, key %ju", round, (uintmax_t)key);
        }
        for (size_t i = 0; i < KEYS; i++)
                ck_assert_ptr_eq(tq_map_get(&m, i), there[i] ? &values[i] : NULL);
        tq_map_done(&m);
}
END_TEST

START_TEST(walk) {
        static char values[1000];
        bool seen[1000] = {};
        size_t position = 0, n = 0;
        TqMap m = {};
        char *v;

        for (size_t i = 0; i < 1000; i++)
                ck_assert_int_eq(tq_map_put(&m, i * 4096, &values[i]), 0);
        while ((v = tq_map_next(&m, &position))) {
                ck_assert(!seen[v - values]);
                seen[v - values] = true;
                n++;
        }
        ck_assert_uint_eq(n, 1000);
        ck_assert_uint_lt(m.allocated, 4096);
        tq_map_done(&m);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "map");

        tcase_add_test(tcase, empty);
        unit_add_rows(tcase, put_get_remove, keys);
        tcase_add_test(tcase, against_an_array);
        tcase_add_test(tcase, walk);
}

int main(void) {
        return unit_main("base/map", fill);
}
