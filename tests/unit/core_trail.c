/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/trail.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "unit.h"

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const struct {
        const char *correlation, *labels, *trace, *want; /* fields, with a | behind each */
} rows[] = {
        { NULL, NULL, NULL, NULL },
        { "req-7", NULL, NULL, "TENANTQ_CORRELATION_ID=req-7|" },
        { NULL, NULL, TRACE, "TENANTQ_TRACE_ID=4bf92f3577b34da6a3ce929d0e0e4736|" },
        { NULL, "team=billing \"kind=a b\"", NULL,
          "TENANTQ_LABEL=team=billing|TENANTQ_LABEL=kind=a b|" },
        { "c", "a=1", TRACE,
          "TENANTQ_CORRELATION_ID=c|TENANTQ_TRACE_ID=4bf92f3577b34da6a3ce929d0e0e4736|"
          "TENANTQ_LABEL=a=1|" },
        /* What an older version took, or somebody has written into the ledger. */
        { "a b\n\x1b[2J", "x=\\n\\xff \"", "no trace", "TENANTQ_CORRELATION_ID=a b\\x0a\\x1b[2J|" },
        { NULL, "x=\\n\\xff", NULL, "TENANTQ_LABEL=x=\\x0a\\xff|" },
        { NULL, "", "", NULL },
};

START_TEST(fields) {
        TQ_FREE char *trail = NULL, *copy = NULL;
        TQ_BUFFER_CLEANUP TqBuffer got = {};

        ck_assert_int_eq(
                tq_trail_new(rows[_i].correlation, rows[_i].labels, rows[_i].trace, &trail), 0);
        copy = tq_trail_copy(trail);
        free(trail);
        trail = NULL;
        if (!rows[_i].want) {
                ck_assert_ptr_null(copy);
                return;
        }
        for (const char *f = copy; *f; f += strlen(f) + 1)
                tq_buffer_printf(&got, "%s|", f);
        ck_assert_str_eq(tq_buffer_string(&got), rows[_i].want);
}
END_TEST

/* As many labels as a job may have fit into a line of the journal. */
START_TEST(most) {
        TQ_BUFFER_CLEANUP TqBuffer labels = {};
        TQ_FREE char *trail = NULL;
        size_t n = 0;

        for (int i = 0; i < 64; i++)
                tq_buffer_printf(&labels, "l%d=%d ", i, i);
        ck_assert_int_eq(tq_trail_new("c", tq_buffer_string(&labels), TRACE, &trail), 0);
        for (const char *f = trail; *f; f += strlen(f) + 1)
                n++;
        ck_assert_uint_eq(n, TQ_LOG_TRAIL);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "trail");

        unit_add_rows(c, fields, rows);
        tcase_add_test(c, most);
}

int main(void) {
        return unit_main("core/trail", fill);
}
