/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_limits.h"

/* Limits that come from another process: what is believed. */

START_TEST(sane_values) {
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];
                TqLimits l = { .set = UINT64_C(1) << i };

                if (row->type == TQ_TYPE_CPUSET)
                        continue; /* not in value */
                l.value[i] = row->min;
                ck_assert(tq_limits_is_sane(&l));
                l.value[i] = row->max;
                ck_assert(tq_limits_is_sane(&l));
                l.value[i] = row->max + 1;
                ck_assert(!tq_limits_is_sane(&l));
                l.value[i] = TQ_LIMIT_MAX;
                ck_assert_int_eq(tq_limits_is_sane(&l), row->has_max);
                l.value[i] = row->min - 1; /* of 0: max */
                ck_assert_int_eq(tq_limits_is_sane(&l), row->min == 0 && row->has_max);
                l.set = 0;
                ck_assert(tq_limits_is_sane(&l)); /* what is not set does not count */
        }
}
END_TEST

START_TEST(sane_shape) {
        TqLimits l = LIMITS("io_read@/dev/vda", "1M"), good = l;

        l.set = UINT64_C(1) << _TQ_KEY_MAX;
        ck_assert(!tq_limits_is_sane(&l));
        l.set = UINT64_C(1) << 63;
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        l.n_io = TQ_IO_DEVICES + 1;
        ck_assert(!tq_limits_is_sane(&l));
        l.n_io = UINT32_MAX;
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        l.io[0].key = TQ_KEY_MEMORY;
        ck_assert(!tq_limits_is_sane(&l));
        l.io[0].key = _TQ_KEY_MAX;
        ck_assert(!tq_limits_is_sane(&l));
        l.io[0].key = UINT32_MAX;
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        memset(l.io[0].device, 'a', sizeof(l.io[0].device));
        memcpy(l.io[0].device, "/dev/", 5);
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        (void)strcpy(l.io[0].device, "/etc/passwd");
        ck_assert(!tq_limits_is_sane(&l));
        l = good;
        l.io[0].value = 0;
        ck_assert(!tq_limits_is_sane(&l));
        l.io[0].value = EIB + 1;
        ck_assert(!tq_limits_is_sane(&l));
        l.io[0].value = TQ_LIMIT_MAX;
        ck_assert(tq_limits_is_sane(&l));
}
END_TEST

static void fill(Suite *s) {
        TCase *sane = unit_case(s, "sane");

        tcase_add_test(sane, sane_values);
        tcase_add_test(sane, sane_shape);
}

int main(void) {
        return unit_main("core/limits sane", fill);
}
