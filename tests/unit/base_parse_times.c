/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base_parse.h"

/* Time spans, and times of the calendar. */

#define SEC  UINT64_C(1000000)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)

static const NumberRow span_rows[] = {
        { "0", 0, 0 },
        { "90", 0, 90 * SEC },
        { "1us", 0, 1 },
        { "1usec", 0, 1 },
        { "5ms", 0, 5000 },
        { "5msec", 0, 5000 },
        { "10s", 0, 10 * SEC },
        { "10sec", 0, 10 * SEC },
        { "1second", 0, SEC },
        { "2seconds", 0, 2 * SEC },
        { "3m", 0, 3 * MIN },
        { "3min", 0, 3 * MIN },
        { "1minute", 0, MIN },
        { "2minutes", 0, 2 * MIN },
        { "1h", 0, HOUR },
        { "1hr", 0, HOUR },
        { "1hour", 0, HOUR },
        { "2hours", 0, 2 * HOUR },
        { "1d", 0, DAY },
        { "1day", 0, DAY },
        { "2days", 0, 2 * DAY },
        { "1w", 0, 7 * DAY },
        { "1week", 0, 7 * DAY },
        { "2weeks", 0, 14 * DAY },
        { "1h 30min", 0, 90 * MIN },
        { "1h30min", 0, 90 * MIN },
        { "1h  30min", 0, 90 * MIN },
        { "30 min", 0, 30 * MIN },
        { "1 h 30 min", 0, 90 * MIN },
        { "1min 30", 0, 90 * SEC },
        { "1d 2h 3min 4s 5ms 6us", 0, DAY + 2 * HOUR + 3 * MIN + 4 * SEC + 5006 },
        { "18446744073709551615us", 0, UINT64_MAX },
        { "18446744073709551616us", -ERANGE, 0 },
        { "18446744073709551615us 1us", -ERANGE, 0 },
        { "18446744073709", 0, UINT64_C(18446744073709000000) },
        { "18446744073710", -ERANGE, 0 },
        { "30500568w", 0, UINT64_C(30500568) * 7 * DAY },
        { "30500569w", -ERANGE, 0 },
        { "", -EINVAL, 0 },
        { " ", -EINVAL, 0 },
        { " 5", -EINVAL, 0 },
        { "5 ", -EINVAL, 0 },
        { "5s ", -EINVAL, 0 },
        { "s", -EINVAL, 0 },
        { "-1", -EINVAL, 0 },
        { "-1s", -EINVAL, 0 },
        { "2.5s", 0, 2500000 },
        { "1.5", 0, 1500000 },
        { "0.5h 1.25min", 0, UINT64_C(1875000000) },
        { "0.0000009", 0, 0 },
        { "1.", -EINVAL, 0 },
        { ".5", -EINVAL, 0 },
        { "1.5.5", -EINVAL, 0 },
        { "1e3", -EINVAL, 0 },
        { "0x10", -EINVAL, 0 },
        { "5S", -EINVAL, 0 },
        { "5month", 0, UINT64_C(13149000) * SEC },
        { "5M", 0, UINT64_C(13149000) * SEC },
        { "2months", 0, UINT64_C(5259600) * SEC },
        { "1y", 0, UINT64_C(31557600) * SEC },
        { "1year", 0, UINT64_C(31557600) * SEC },
        { "2years", 0, UINT64_C(63115200) * SEC },
        { "5\xC2\xB5s", 0, 5 },
        { "5 \xCE\xBCs", 0, 5 },
        { "5Y", -EINVAL, 0 },
        { "5MM", -EINVAL, 0 },
        { "5\xC2s", -EINVAL, 0 },
        { "5\xC2\xB5", -EINVAL, 0 },
        { "5%", -EINVAL, 0 },
        { "1h, 30min", -EINVAL, 0 },
        { "1h\n30min", -EINVAL, 0 },
        { "infinity", -EINVAL, 0 },
        { "\xD9\xA3s", -EINVAL, 0 },
};

START_TEST(span) {
        uint64_t v = UNTOUCHED;
        int r = tq_parse_span(span_rows[_i].text, &v);

        check_number(&span_rows[_i], r, v);
}
END_TEST

/* Local time is UTC+1 here (POSIX signs are inverted). */
static const NumberRow timestamp_rows[] = {
        { "1970-01-01 00:00:00 UTC", 0, 0 },
        { "1970-01-01 00:00:01 UTC", 0, SEC },
        { "1970-01-01 UTC", 0, 0 },
        { "2026-11-20 14:03:07 UTC", 0, UINT64_C(1795183387) * SEC },
        { "2026-11-20 14:03 UTC", 0, UINT64_C(1795183380) * SEC },
        { "2026-11-20 UTC", 0, UINT64_C(1795132800) * SEC },
        { "2026-11-20 14:03:07", 0, UINT64_C(1795179787) * SEC },
        { "2026-11-20", 0, UINT64_C(1795129200) * SEC },
        { "2028-02-29 UTC", 0, UINT64_C(1835395200) * SEC },
        { "2000-02-29 00:00 UTC", 0, UINT64_C(951782400) * SEC },
        { "2026-12-31 23:59:59 UTC", 0, UINT64_C(1798761599) * SEC },
        { "1969-12-31 23:59:59 UTC", -ERANGE, 0 },
        { "1970-01-01 00:59:59", -ERANGE, 0 },
        { "2026-02-31", -EINVAL, 0 },
        { "2026-02-29 UTC", -EINVAL, 0 },
        { "2100-02-29 UTC", -EINVAL, 0 },
        { "2026-04-31 12:00", -EINVAL, 0 },
        { "2026-13-01", -EINVAL, 0 },
        { "2026-00-01", -EINVAL, 0 },
        { "2026-01-00", -EINVAL, 0 },
        { "2026-01-32", -EINVAL, 0 },
        { "2026-01-01 24:00", -EINVAL, 0 },
        { "2026-01-01 23:60", -EINVAL, 0 },
        { "2026-01-01 23:59:61", -EINVAL, 0 },
        { "", -EINVAL, 0 },
        { "now", -EINVAL, 0 },
        { "tomorrow", -EINVAL, 0 },
        { "2026-11", -EINVAL, 0 },
        { "20261120", -EINVAL, 0 },
        { "26-11-20", -EINVAL, 0 },
        { "2026/11/20", -EINVAL, 0 },
        { "2026-11-20T14:03:07", -EINVAL, 0 },
        { "2026-11-20 14:03:07Z", -EINVAL, 0 },
        { "2026-11-20 14:03:07 CET", -EINVAL, 0 },
        { "2026-11-20 14:03:07 utc", -EINVAL, 0 },
        { "2026-11-20 14:03:07.5", -EINVAL, 0 },
        { "2026-11-20 14:03:07 ", -EINVAL, 0 },
        { " 2026-11-20", -EINVAL, 0 },
        { "-2026-11-20", -EINVAL, 0 },
        { "+026-11-20", -EINVAL, 0 },
        { "2026-11-20 14", -EINVAL, 0 },
        /* Forms that strptime(3) takes and the manual does not name. */
        { "2026- 1- 2", -EINVAL, 0 },
        { "2026-1-2 00:00", -EINVAL, 0 },
        { "2026-11-2002:00", -EINVAL, 0 },
        { "2026-11-20  02:00", -EINVAL, 0 },
        { "2026-11-20\t02:00", -EINVAL, 0 },
        { "2026-11-20 2:00", -EINVAL, 0 },
};

START_TEST(timestamp) {
        uint64_t v = UNTOUCHED;
        int r;

        ck_assert_int_eq(setenv("TZ", "XXX-1", 1), 0);
        r = tq_parse_timestamp(timestamp_rows[_i].text, &v);
        check_number(&timestamp_rows[_i], r, v);
}
END_TEST

static void fill(Suite *s) {
        TCase *times = unit_case(s, "times");

        unit_add_rows(times, span, span_rows);
        unit_add_rows(times, timestamp, timestamp_rows);
}

int main(void) {
        return unit_main("base/parse times", fill);
}
