/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/when.h"

#include <stdlib.h>
#include <time.h>

#include "base_parse.h"

/* Points in time, from a given one. Berlin: UTC+1, in summer UTC+2. */

#define SEC  UINT64_C(1000000)
#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
/* 2026-11-28 12:00 CET */
#define NOON (UINT64_C(1795863600) * SEC)
/* The nights in which the clocks are set: at 02:00 CET on 2026-03-29, at 03:00 CEST on 2026-10-25.
 */
#define SPRING (UINT64_C(1774746000) * SEC)
#define AUTUMN (UINT64_C(1792890000) * SEC)
#define END    (UINT64_C(253402300800) * SEC)

static const struct {
        const char *zone;
        uint64_t now;
        bool is_ahead;
        NumberRow row;
} rows[] = {
        { BERLIN, NOON, false, { "now", 0, NOON } },
        { BERLIN, NOON, false, { "today", 0, NOON - 12 * HOUR } },
        { BERLIN, NOON, true, { "today", 0, NOON - 12 * HOUR } },
        { BERLIN, NOON, false, { "yesterday", 0, NOON - 36 * HOUR } },
        { BERLIN, NOON, false, { "tomorrow", 0, NOON + 12 * HOUR } },
        { BERLIN, NOON, false, { "+2h", 0, NOON + 2 * HOUR } },
        { BERLIN, NOON, false, { "+1h 30min", 0, NOON + 3 * HOUR / 2 } },
        { BERLIN, NOON, false, { "+90", 0, NOON + 90 * SEC } },
        { BERLIN, NOON, false, { "+0", 0, NOON } },
        { BERLIN, NOON, false, { "-2h", 0, NOON - 2 * HOUR } },
        { BERLIN, NOON, false, { "2h ago", 0, NOON - 2 * HOUR } },
        { BERLIN, NOON, false, { "1h 30min ago", 0, NOON - 3 * HOUR / 2 } },
        { BERLIN, NOON, false, { "2h left", 0, NOON + 2 * HOUR } },
        { BERLIN, NOON, false, { "@0", 0, 0 } },
        { BERLIN, NOON, false, { "@1795183387", 0, UINT64_C(1795183387) * SEC } },
        { BERLIN, NOON, false, { "@1795183387.25", 0, UINT64_C(1795183387250000) } },
        { BERLIN, NOON, false, { "2026-11-28 12:00", 0, NOON } },
        { BERLIN, NOON, true, { "2026-11-28 11:00:00 UTC", 0, NOON } },
        { BERLIN, NOON, true, { "2026-11-28", 0, NOON - 12 * HOUR } },
        /* Clock times: today's, or the next one. */
        { BERLIN, NOON, false, { "23:00", 0, NOON + 11 * HOUR } },
        { BERLIN, NOON, true, { "23:00", 0, NOON + 11 * HOUR } },
        { BERLIN, NOON, false, { "11:59:59", 0, NOON - SEC } },
        { BERLIN, NOON, true, { "11:59:59", 0, NOON + DAY - SEC } },
        { BERLIN, NOON, true, { "12:00", 0, NOON } },
        { BERLIN, NOON + 1, true, { "12:00", 0, NOON + DAY } },
        { BERLIN, NOON + 1, false, { "12:00", 0, NOON } },
        { BERLIN, NOON, false, { "11:00 UTC", 0, NOON } },
        { BERLIN, NOON + SEC, true, { "11:00:00 UTC", 0, NOON + DAY } },
        { BERLIN, NOON, false, { "00:00", 0, NOON - 12 * HOUR } },
        { BERLIN, NOON, true, { "00:00", 0, NOON + 12 * HOUR } },
        { BERLIN, NOON, false, { "23:59:59", 0, NOON + 12 * HOUR - SEC } },
        /* Around midnight. */
        { BERLIN, NOON + 12 * HOUR - 1, false, { "today", 0, NOON - 12 * HOUR } },
        { BERLIN, NOON + 12 * HOUR - 1, false, { "tomorrow", 0, NOON + 12 * HOUR } },
        { BERLIN, NOON + 12 * HOUR, false, { "today", 0, NOON + 12 * HOUR } },
        { BERLIN, NOON + 12 * HOUR, false, { "yesterday", 0, NOON - 12 * HOUR } },
        { BERLIN, NOON + 12 * HOUR - 1, true, { "00:00", 0, NOON + 12 * HOUR } },
        { BERLIN, NOON + 12 * HOUR, true, { "00:00", 0, NOON + 12 * HOUR } },
        /* The day in Berlin, where in UTC it is still the one before. */
        { BERLIN, NOON - 12 * HOUR, false, { "00:00 UTC", 0, NOON - 35 * HOUR } },
        /* A day of 23 hours, and one of 25. */
        { BERLIN, SPRING - SEC, false, { "today", 0, SPRING - 2 * HOUR } },
        { BERLIN, SPRING - SEC, false, { "tomorrow", 0, SPRING + 21 * HOUR } },
        { BERLIN, SPRING - SEC, false, { "03:00", 0, SPRING } },
        { BERLIN, SPRING - SEC, true, { "01:00", 0, SPRING + 22 * HOUR } },
        { BERLIN, AUTUMN - SEC, false, { "today", 0, AUTUMN - 3 * HOUR } },
        { BERLIN, AUTUMN - SEC, false, { "tomorrow", 0, AUTUMN + 22 * HOUR } },
        { BERLIN, AUTUMN - SEC, false, { "03:00", 0, AUTUMN + HOUR } },
        { BERLIN, AUTUMN - SEC, true, { "01:00", 0, AUTUMN + 23 * HOUR } },
        { BERLIN, AUTUMN - SEC, false, { "+1d", 0, AUTUMN - SEC + DAY } },
        /* The ends of time. */
        { "UTC", NOON, false, { "@253402300799", 0, END - SEC } },
        { "UTC", NOON, false, { "@253402300800", -ERANGE, 0 } },
        { "UTC", NOON, false, { "@18446744073709551616", -ERANGE, 0 } },
        { "UTC", END - SEC, false, { "+999ms", 0, END - 1000 } },
        { "UTC", END - SEC, false, { "+1s", -ERANGE, 0 } },
        { "UTC", END - SEC, false, { "tomorrow", -ERANGE, 0 } },
        { "UTC", NOON, false, { "+18446744073709551615us", -ERANGE, 0 } },
        { "UTC", NOON, false, { "+18446744073709551616us", -ERANGE, 0 } },
        { "UTC", SEC, false, { "1s ago", 0, 0 } },
        { "UTC", SEC, false, { "-1s 1us", -ERANGE, 0 } },
        { "UTC", 0, false, { "yesterday", -ERANGE, 0 } },
        { "UTC", 0, false, { "00:00", 0, 0 } },
        /* What is none. */
        { "UTC", NOON, false, { "", -EINVAL, 0 } },
        { "UTC", NOON, false, { "2h", -EINVAL, 0 } },
        { "UTC", NOON, false, { "+", -EINVAL, 0 } },
        { "UTC", NOON, false, { "+-2h", -EINVAL, 0 } },
        { "UTC", NOON, false, { "+ 2h", -EINVAL, 0 } },
        { "UTC", NOON, false, { "+2h ago", -EINVAL, 0 } },
        { "UTC", NOON, false, { " ago", -EINVAL, 0 } },
        { "UTC", NOON, false, { "ago", -EINVAL, 0 } },
        { "UTC", NOON, false, { "2h  ago", -EINVAL, 0 } },
        { "UTC", NOON, false, { "@", -EINVAL, 0 } },
        { "UTC", NOON, false, { "@-1", -EINVAL, 0 } },
        { "UTC", NOON, false, { "@1.0000001", -EINVAL, 0 } },
        { "UTC", NOON, false, { "24:00", -EINVAL, 0 } },
        { "UTC", NOON, false, { "23:60", -EINVAL, 0 } },
        { "UTC", NOON, false, { "23:59:60", -EINVAL, 0 } },
        { "UTC", NOON, false, { "9:00", -EINVAL, 0 } },
        { "UTC", NOON, false, { "09", -EINVAL, 0 } },
        { "UTC", NOON, false, { "09:0", -EINVAL, 0 } },
        { "UTC", NOON, false, { "09:00:", -EINVAL, 0 } },
        { "UTC", NOON, false, { "09:00 CET", -EINVAL, 0 } },
        { "UTC", NOON, false, { "09:00 ", -EINVAL, 0 } },
        { "UTC", NOON, false, { "Tomorrow", -EINVAL, 0 } },
        { "UTC", NOON, false, { "tomorrow 12:00", -EINVAL, 0 } },
        { "UTC", NOON, false, { "2026-02-31", -EINVAL, 0 } },
        { "UTC", NOON, false, { "infinity", -EINVAL, 0 } },
};

START_TEST(when) {
        uint64_t v = UNTOUCHED;
        int r;

        ck_assert_int_eq(setenv("TZ", rows[_i].zone, 1), 0);
        tzset();
        r = tq_when_parse(rows[_i].row.text, rows[_i].now, rows[_i].is_ahead, &v);
        check_number(&rows[_i].row, r, v);
}
END_TEST

static void fill(Suite *s) {
        unit_add_rows(unit_case(s, "when"), when, rows);
}

int main(void) {
        return unit_main("base/when", fill);
}
