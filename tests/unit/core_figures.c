/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/figures.h"

#include "unit.h"

#define SEC   UINT64_C(1000000)
#define ENDED .ended = 20
#define WAITS .waits = 20
#define CPU   .has_cpu = true

/* When what has become worse: the bounds on both sides. */

static const struct {
        TqFigures before, after;
        uint64_t percent;
        const char *want; /* NULL: nothing */
} rows[] = {
        { {}, {}, 200, NULL },
        /* Failures: 10 % and 20 % are twice as many, and no more. */
        { { ENDED, .failed = 2 }, { ENDED, .failed = 4 }, 200, NULL },
        { { ENDED, .failed = 2 },
          { ENDED, .failed = 4 },
          199,
          "4 of 20 failed, before that 2 of 20" },
        { { ENDED, .failed = 2 },
          { ENDED, .failed = 5 },
          200,
          "5 of 20 failed, before that 2 of 20" },
        /* From nothing: five hundredths are the least. */
        { { ENDED }, { ENDED, .failed = 1 }, 200, "1 of 20 failed, before that 0 of 20" },
        { { ENDED }, { .ended = 21, .failed = 1 }, 200, NULL },
        /* Five are the least, before and after. */
        { { .ended = 4 }, { .ended = 5, .failed = 5 }, 200, NULL },
        { { .ended = 5 }, { .ended = 4, .failed = 4 }, 200, NULL },
        { { .ended = 5 }, { .ended = 5, .failed = 5 }, 200, "5 of 5 failed, before that 0 of 5" },
        { { ENDED, .failed = 20 }, { ENDED }, 200, NULL },
        /* One that was killed has failed, too. */
        { { ENDED },
          { ENDED, .failed = 9, .killed = 9 },
          200,
          "9 of 20 were killed for want of memory, before that 0 of 20" },
        { { WAITS, .wait_p95_usec = SEC }, { WAITS, .wait_p95_usec = 2 * SEC }, 200, NULL },
        { { WAITS, .wait_p95_usec = SEC },
          { WAITS, .wait_p95_usec = 2 * SEC + 1 },
          200,
          "95 % of the waits are up to 2.00s, before that up to 1.00s" },
        /* Ten times as long, but a second is the least. */
        { { WAITS, .wait_p95_usec = SEC / 20 }, { WAITS, .wait_p95_usec = SEC / 2 }, 200, NULL },
        { { WAITS }, { WAITS, .wait_p95_usec = SEC - 1 }, 200, NULL },
        { { WAITS },
          { WAITS, .wait_p95_usec = SEC },
          200,
          "95 % of the waits are up to 1.00s, before that up to 0us" },
        { { .waits = 4 }, { WAITS, .wait_p95_usec = UINT64_MAX }, 200, NULL },
        { { WAITS }, { .waits = 4, .wait_p95_usec = UINT64_MAX }, 200, NULL },
        { { CPU, .cpu_usec = 9 * SEC, .throttled_usec = SEC },
          { CPU, .cpu_usec = 8 * SEC, .throttled_usec = 2 * SEC },
          200,
          NULL },
        { { CPU, .cpu_usec = 9 * SEC, .throttled_usec = SEC },
          { CPU, .cpu_usec = 7 * SEC, .throttled_usec = 3 * SEC },
          200,
          "throttled for 30 % of the time that it wanted CPU, before that 10 %" },
        /* It is not known, or it did next to nothing. */
        { { .cpu_usec = SEC }, { CPU, .throttled_usec = SEC }, 200, NULL },
        { { CPU, .cpu_usec = SEC }, { .throttled_usec = SEC }, 200, NULL },
        { { CPU, .cpu_usec = SEC / 10 - 1 }, { CPU, .throttled_usec = SEC }, 200, NULL },
        { { CPU, .cpu_usec = SEC / 10 }, { CPU, .throttled_usec = SEC / 10 - 1 }, 200, NULL },
        { { CPU, .cpu_usec = SEC / 10 },
          { CPU, .throttled_usec = SEC / 10 },
          200,
          "throttled for 100 % of the time that it wanted CPU, before that 0 %" },
        { { ENDED, .failed = UINT64_MAX }, { ENDED, .failed = UINT64_MAX }, UINT64_MAX, NULL },
};

START_TEST(worse) {
        char text[TQ_FIGURES_TEXT];
        const char *got =
                tq_figures_worse(&rows[_i].before, &rows[_i].after, rows[_i].percent, text);

        ck_assert_pstr_eq(got, rows[_i].want);
}
END_TEST

START_TEST(in_words) {
        TqFigures f = { .waits = 7,
                        .wait_p95_usec = 1500000,
                        .ended = 6,
                        .failed = 2,
                        .killed = 1,
                        .has_cpu = true,
                        .cpu_usec = 3 * SEC,
                        .throttled_usec = SEC };
        char text[TQ_FIGURES_TEXT];

        ck_assert_str_eq(tq_figures_format(&f, text),
                         "7 waited, 95 % of them up to 1.50s; of 6 that ended 2 failed, 1 for want "
                         "of memory; throttled: 25 %");
        f = (TqFigures){ .waits = UINT64_MAX,
                         .wait_p95_usec = UINT64_MAX,
                         .ended = UINT64_MAX,
                         .failed = UINT64_MAX,
                         .killed = UINT64_MAX };
        ck_assert_uint_lt(strlen(tq_figures_format(&f, text)), TQ_FIGURES_TEXT - 1);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "figures");

        unit_add_rows(t, worse, rows);
        tcase_add_test(t, in_words);
}

int main(void) {
        return unit_main("core/figures", fill);
}
