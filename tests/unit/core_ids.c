/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/ids.h"

#include "unit.h"

#define X48 "123456789012345678901234567890123456789012345678"

static const struct {
        const char *name;
        bool tenant, queue;
} rows[] = {
        { "a", true, true },
        { "Z", true, true },
        { "0", false, true },
        { "acme", true, true },
        { "acme-2_x", true, true },
        { X48, false, true },
        { X48 "9", false, false },
        { "a.b", false, true },
        { "a..", false, true },
        { "", false, false },
        { ".", false, false },
        { "..", false, false },
        { ".a", false, false },
        { "-a", false, false },
        { "_a", false, false },
        { "a/b", false, false },
        { "/", false, false },
        { "a b", false, false },
        { " a", false, false },
        { "a\n", false, false },
        { "a\x1B", false, false },
        { "a\xC3\xA9", false, false },
        { "\xFF", false, false },
        { "a*", false, false },
        { "a$(x)", false, false },
        { "a:b", false, false },
        { "a@b", false, false },
        { "a=b", false, false },
        { "host", false, true },
        { "hosts", true, true },
        { "12345678901234567890123456789012345678901234567a", true, true },
};

START_TEST(names) {
        ck_assert_int_eq(tq_ids_tenant_is_valid(rows[_i].name), rows[_i].tenant);
        ck_assert_int_eq(tq_ids_queue_is_valid(rows[_i].name), rows[_i].queue);
}
END_TEST

static void fill(Suite *s) {
        unit_add_rows(unit_case(s, "ids"), names, rows);
}

int main(void) {
        return unit_main("core/ids", fill);
}
