/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"

/* Days and clock times are made of the broken-down time of now, and given back to mktime(3): a day
 * of 23 or 25 hours is one like any other. */

#define MAX_USEC (UINT64_C(253402300800) * TQ_USEC_PER_SEC) /* the end of the year 9999 */

static int check(uint64_t usec, uint64_t *ret) {
        if (usec >= MAX_USEC)
                return -ERANGE;
        *ret = usec;
        return 0;
}

/* Midnight, or a clock time, of the day of now and so many days later. */
static int on_day(uint64_t now, int days, const struct tm *clock, bool utc, uint64_t *ret) {
        time_t t = (time_t)(now / TQ_USEC_PER_SEC);
        struct tm tm;

        if (!(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)))
                return -ERANGE;
        tm.tm_mday += days;
        tm.tm_hour = clock->tm_hour;
        tm.tm_min = clock->tm_min;
        tm.tm_sec = clock->tm_sec;
        tm.tm_isdst = -1;
        t = utc ? timegm(&tm) : mktime(&tm);
        return t < 0 ? -ERANGE : check((uint64_t)t * TQ_USEC_PER_SEC, ret);
}

/* Two digits up to max, and what may follow. */
static const char *take_part(const char *s, int max, int *ret) {
        if (!s || s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
                return NULL;
        *ret = (s[0] - '0') * 10 + s[1] - '0';
        return *ret <= max ? s + 2 : NULL;
}

static int parse_clock(const char *s, uint64_t now, bool is_ahead, uint64_t *ret) {
        struct tm clock = {};
        uint64_t usec;
        bool utc;
        int r;

        s = take_part(s, 23, &clock.tm_hour);
        if (!s || *s != ':')
                return -EINVAL;
        s = take_part(s + 1, 59, &clock.tm_min);
        if (s && *s == ':')
                s = take_part(s + 1, 59, &clock.tm_sec);
        if (!s)
                return -EINVAL;
        utc = strcmp(s, " UTC") == 0;
        if (*s != '\0' && !utc)
                return -EINVAL;
        r = on_day(now, 0, &clock, utc, &usec);
        if (r >= 0 && is_ahead && usec < now)
                r = on_day(now, 1, &clock, utc, &usec);
        return r < 0 ? r : check(usec, ret);
}

static int apply_span(const char *span, bool is_back, uint64_t now, uint64_t *ret) {
        uint64_t usec;
        int r;

        r = tq_parse_span(span, &usec);
        if (r < 0)
                return r;
        if (is_back ? __builtin_sub_overflow(now, usec, &usec)
                    : __builtin_add_overflow(now, usec, &usec))
                return -ERANGE;
        return check(usec, ret);
}

/* "2h ago", "2h left" */
static int parse_distance(const char *s, uint64_t now, uint64_t *ret) {
        static const struct {
                const char *suffix;
                bool is_back;
        } rows[] = { { " ago", true }, { " left", false } };
        size_t n = strlen(s);
        char span[128];

        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++) {
                size_t suffix = strlen(rows[i].suffix);

                if (n <= suffix || n - suffix >= sizeof(span) ||
                    strcmp(s + n - suffix, rows[i].suffix) != 0)
                        continue;
                (void)snprintf(span, sizeof(span), "%.*s", (int)(n - suffix), s);
                return apply_span(span, rows[i].is_back, now, ret);
        }
        return -EINVAL;
}

static int parse_word(const char *s, uint64_t now, uint64_t *ret) {
        static const struct {
                const char *word;
                int days;
        } rows[] = { { "yesterday", -1 }, { "today", 0 }, { "tomorrow", 1 } };

        if (strcmp(s, "now") == 0)
                return check(now, ret);
        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++)
                if (strcmp(s, rows[i].word) == 0)
                        return on_day(now, rows[i].days, &(struct tm){}, false, ret);
        return -EINVAL;
}

int tq_when_parse(const char *s, uint64_t now_usec, bool is_ahead, uint64_t *ret_usec) {
        uint64_t usec;
        int r;

        if (s[0] == '+' || s[0] == '-')
                return apply_span(s + 1, s[0] == '-', now_usec, ret_usec);
        if (s[0] == '@') {
                r = tq_parse_decimal(s + 1, 6, &usec);
                return r < 0 ? r : check(usec, ret_usec);
        }
        r = tq_parse_timestamp(s, ret_usec);
        if (r == -EINVAL)
                r = parse_word(s, now_usec, ret_usec);
        if (r == -EINVAL)
                r = parse_clock(s, now_usec, is_ahead, ret_usec);
        return r == -EINVAL ? parse_distance(s, now_usec, ret_usec) : r;
}
