/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_limits.h"

/* What is written into the kernel's files. */

static const struct {
        const char *key, *value, *text; /* NULL value: unset */
} attribute_rows[] = {
        { "cpu", NULL, "max 100000" },
        { "cpu", "max", "max 100000" },
        { "cpu", "2", "200000 100000" },
        { "cpu", "0.5", "50000 100000" },
        { "cpu", "0.01", "1000 100000" },
        { "cpu", "0.333333", "33333 100000" },
        { "cpu", "100000", "10000000000 100000" },
        { "cpu_weight", NULL, "100" },
        { "cpu_weight", "250", "250" },
        { "cpu_burst", "5ms", "5000" },
        { "cpu_burst", NULL, "0" },
        { "cpus", NULL, "" },
        { "cpus", "0,2-3", "0,2-3" },
        { "memory", NULL, "max" },
        { "memory", "max", "max" },
        { "memory", "512M", "536870912" },
        { "memory_high", "1G", "1073741824" },
        { "memory_high", NULL, "max" },
        { "memory_low", NULL, "0" },
        { "memory_low", "1G", "1073741824" },
        { "swap", NULL, "max" },
        { "swap", "0", "0" },
        { "pids", NULL, "max" },
        { "pids", "max", "max" },
        { "pids", "4194304", "4194304" },
        { "io_weight", NULL, "default 100" },
        { "io_weight", "50", "default 50" },
};

START_TEST(attribute) {
        TqKey key = tq_limits_find(attribute_rows[_i].key);
        char text[TQ_VALUE_MAX];
        TqLimits l = {};

        if (attribute_rows[_i].value)
                l = LIMITS(attribute_rows[_i].key, attribute_rows[_i].value);
        ck_assert_str_eq(tq_limits_attribute(&l, key, text, sizeof(text)), attribute_rows[_i].text);
}
END_TEST

static void fill(Suite *s) {
        unit_add_rows(unit_case(s, "kernel"), attribute, attribute_rows);
}

int main(void) {
        return unit_main("core/limits attributes", fill);
}
