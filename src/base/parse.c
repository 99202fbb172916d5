/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parse.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* Reads digits from *s on and moves it behind them. */
static int take_u64(const char **s, uint64_t *ret) {
        const char *p = *s;
        uint64_t v = 0;

        if (!is_digit(*p))
                return -EINVAL;
        for (; is_digit(*p); p++)
                if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
                        return -ERANGE;
        *s = p;
        *ret = v;
        return 0;
}

/* ".25" from *s on, as 25 of 100; digits beyond the eighteenth change nothing and are passed over.
 */
static int take_fraction(const char **s, uint64_t *ret, uint64_t *ret_scale) {
        const char *p = *s + 1;
        uint64_t v = 0, scale = 1;

        if (!is_digit(*p))
                return -EINVAL;
        for (; is_digit(*p); p++)
                if (scale < UINT64_C(1000000000000000000)) {
                        v = v * 10 + (uint64_t)(*p - '0');
                        scale *= 10;
                }
        *s = p;
        *ret = v;
        *ret_scale = scale;
        return 0;
}

int tq_parse_u64(const char *s, uint64_t *ret) {
        uint64_t v;
        int r;

        r = take_u64(&s, &v);
        if (r < 0)
                return r;
        if (*s != '\0')
                return -EINVAL;
        *ret = v;
        return 0;
}

int tq_parse_u64_in(const char *s, uint64_t min, uint64_t max, uint64_t *ret) {
        uint64_t v;
        int r;

        r = tq_parse_u64(s, &v);
        if (r < 0)
                return r;
        if (v < min || v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

int tq_parse_i64_in(const char *s, int64_t min, int64_t max, int64_t *ret) {
        bool negative = *s == '-';
        uint64_t v;
        int64_t n;
        int r;

        r = tq_parse_u64_in(s + negative, 0, INT64_MAX, &v);
        if (r < 0)
                return r;
        n = negative ? -(int64_t)v : (int64_t)v;
        if (n < min || n > max)
                return -ERANGE;
        *ret = n;
        return 0;
}

int tq_parse_size(const char *s, uint64_t base, uint64_t *ret_bytes) {
        static const char suffixes[] = "KMGTPE";
        uint64_t v, fraction = 0, scale = 1, unit = 1;
        const char *suffix;
        int r;

        r = take_u64(&s, &v);
        if (r < 0)
                return r;
        if (*s == '.') {
                r = take_fraction(&s, &fraction, &scale);
                if (r < 0 || *s == '\0' || *s == 'B')
                        return -EINVAL; /* of a byte there is no part */
        }
        suffix = *s != '\0' ? strchr(suffixes, *s) : NULL;
        for (ptrdiff_t i = 0; suffix && i <= suffix - suffixes; i++)
                unit *= base;
        s += suffix != NULL || *s == 'B';
        if (*s != '\0')
                return -EINVAL;
        if (__builtin_mul_overflow(v, unit, &v) ||
            __builtin_add_overflow(v, (uint64_t)((unsigned __int128)fraction * unit / scale), &v))
                return -ERANGE;
        *ret_bytes = v;
        return 0;
}

int tq_parse_decimal(const char *s, unsigned digits, uint64_t *ret) {
        uint64_t v;
        int r;

        r = take_u64(&s, &v);
        if (r < 0)
                return r;
        if (*s == '.') {
                s++;
                if (!is_digit(*s))
                        return -EINVAL;
        } else if (*s != '\0')
                return -EINVAL;
        for (unsigned i = 0; i < digits; i++) {
                uint64_t digit = is_digit(*s) ? (uint64_t)(*s++ - '0') : 0;

                if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                    __builtin_add_overflow(v, digit, &v))
                        return -ERANGE;
        }
        if (*s != '\0')
                return -EINVAL;
        *ret = v;
        return 0;
}

static const struct {
        const char *name;
        uint64_t usec;
} span_units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "ms", 1000 },
        { "msec", 1000 },
        { "s", TQ_USEC_PER_SEC },
        { "sec", TQ_USEC_PER_SEC },
        { "second", TQ_USEC_PER_SEC },
        { "seconds", TQ_USEC_PER_SEC },
        { "m", 60 * TQ_USEC_PER_SEC },
        { "min", 60 * TQ_USEC_PER_SEC },
        { "minute", 60 * TQ_USEC_PER_SEC },
        { "minutes", 60 * TQ_USEC_PER_SEC },
        { "h", 3600 * TQ_USEC_PER_SEC },
        { "hr", 3600 * TQ_USEC_PER_SEC },
        { "hour", 3600 * TQ_USEC_PER_SEC },
        { "hours", 3600 * TQ_USEC_PER_SEC },
        { "d", 86400 * TQ_USEC_PER_SEC },
        { "day", 86400 * TQ_USEC_PER_SEC },
        { "days", 86400 * TQ_USEC_PER_SEC },
        { "w", 7 * 86400 * TQ_USEC_PER_SEC },
        { "week", 7 * 86400 * TQ_USEC_PER_SEC },
        { "weeks", 7 * 86400 * TQ_USEC_PER_SEC },
        { "M", 2629800 * TQ_USEC_PER_SEC }, /* a twelfth of a year, as in systemd.time(7) */
        { "month", 2629800 * TQ_USEC_PER_SEC },
        { "months", 2629800 * TQ_USEC_PER_SEC },
        { "y", 31557600 * TQ_USEC_PER_SEC },
        { "year", 31557600 * TQ_USEC_PER_SEC },
        { "years", 31557600 * TQ_USEC_PER_SEC },
        { "\xC2\xB5s", 1 }, /* U+00B5 and U+03BC look alike */
        { "\xCE\xBCs", 1 },
};

static bool is_of_unit(char c) {
        return (c >= 'a' && c <= 'z') || c == 'M' || (unsigned char)c >= 0x80;
}

static uint64_t take_span_unit(const char **s) {
        const char *p = *s;
        size_t n = 0;

        while (is_of_unit(p[n]))
                n++;
        if (n == 0)
                return TQ_USEC_PER_SEC;
        for (size_t i = 0; i < TQ_ELEMENTSOF(span_units); i++)
                if (strlen(span_units[i].name) == n && strncmp(span_units[i].name, p, n) == 0) {
                        *s = p + n;
                        return span_units[i].usec;
                }
        return 0;
}

int tq_parse_span(const char *s, uint64_t *ret_usec) {
        uint64_t sum = 0;

        do {
                uint64_t v, unit, fraction = 0, scale = 1;
                int r;

                r = take_u64(&s, &v);
                if (r >= 0 && *s == '.')
                        r = take_fraction(&s, &fraction, &scale);
                if (r < 0)
                        return r;
                while (is_blank(*s) && is_of_unit(s[1]))
                        s++;
                unit = take_span_unit(&s);
                if (unit == 0)
                        return -EINVAL;
                fraction = (uint64_t)((unsigned __int128)fraction * unit / scale);
                if (__builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(sum, v, &sum) ||
                    __builtin_add_overflow(sum, fraction, &sum))
                        return -ERANGE;
                while (is_blank(*s) && s[1] != '\0')
                        s++;
        } while (*s != '\0');
        *ret_usec = sum;
        return 0;
}

/* Digits exactly where the pattern has 0, anything else as it stands. Returns what follows, or
 * NULL. */
static const char *match(const char *s, const char *pattern) {
        for (; *pattern; pattern++, s++)
                if (*pattern == '0' ? !is_digit(*s) : *s != *pattern)
                        return NULL;
        return s;
}

int tq_parse_timestamp(const char *s, uint64_t *ret_usec) {
        static const struct {
                const char *pattern, *format;
        } forms[] = {
                { "0000-00-00 00:00:00", "%Y-%m-%d %H:%M:%S" },
                { "0000-00-00 00:00", "%Y-%m-%d %H:%M" },
                { "0000-00-00", "%Y-%m-%d" },
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(forms); i++) {
                /* strptime(3) alone takes blanks, signs and short numbers that nobody meant. */
                const char *end = match(s, forms[i].pattern);
                struct tm tm = { .tm_isdst = -1 };
                struct tm asked;
                bool utc;
                time_t t;

                if (!end)
                        continue;
                utc = strcmp(end, " UTC") == 0;
                if (*end != '\0' && !utc)
                        continue;
                if (strptime(s, forms[i].format, &tm) != end)
                        return -EINVAL;
                asked = tm;
                t = utc ? timegm(&tm) : mktime(&tm);
                /* mktime(3) turns 31 February into 3 March; refuse instead. */
                if (tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon)
                        return -EINVAL;
                if (t < 0)
                        return -ERANGE;
                *ret_usec = (uint64_t)t * TQ_USEC_PER_SEC;
                return 0;
        }
        return -EINVAL;
}

int tq_parse_bool(const char *s, bool *ret) {
        static const char *const yes[] = { "1", "yes", "y", "true", "t", "on" };
        static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

        for (size_t i = 0; i < TQ_ELEMENTSOF(yes); i++) {
                if (strcasecmp(s, yes[i]) == 0) {
                        *ret = true;
                        return 0;
                }
                if (strcasecmp(s, no[i]) == 0) {
                        *ret = false;
                        return 0;
                }
        }
        return -EINVAL;
}

bool tq_parse_is_utf8(const char *s, size_t n) {
        const unsigned char *p = (const unsigned char *)s, *end = p + n;

        while (p < end) {
                unsigned char c = *p++;
                unsigned char low = 0x80, high = 0xBF;
                int more;

                if (c < 0x80)
                        continue;
                if (c >= 0xC2 && c <= 0xDF)
                        more = 1;
                else if (c >= 0xE0 && c <= 0xEF) {
                        more = 2;
                        low = c == 0xE0 ? 0xA0 : 0x80;
                        high = c == 0xED ? 0x9F : 0xBF;
                } else if (c >= 0xF0 && c <= 0xF4) {
                        more = 3;
                        low = c == 0xF0 ? 0x90 : 0x80;
                        high = c == 0xF4 ? 0x8F : 0xBF;
                } else
                        return false;
                for (; more > 0; more--, low = 0x80, high = 0xBF) {
                        if (p >= end || *p < low || *p > high)
                                return false;
                        p++;
                }
        }
        return true;
}

static int digit_value(char c, int base) {
        int v = -1;

        if (c >= '0' && c <= '9')
                v = c - '0';
        else if (c >= 'a' && c <= 'f')
                v = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
                v = c - 'A' + 10;
        return v < base ? v : -1;
}

static int take_digits(const char **s, int base, int count, char *ret) {
        int v = 0;

        for (int i = 0; i < count; i++) {
                int d = digit_value(**s, base);

                if (d < 0)
                        return -EINVAL;
                v = v * base + d;
                (*s)++;
        }
        /* A NUL would end the argument early; more than a byte isn't one. */
        if (v == 0 || v > 0xFF)
                return -EINVAL;
        *ret = (char)v;
        return 0;
}

/* *s stands behind the backslash. */
static int take_escape(const char **s, char *ret) {
        static const char from[] = "abfnrtv\\\"'s", to[] = "\a\b\f\n\r\t\v\\\"' ";
        const char *found;

        if (**s == 'x') {
                (*s)++;
                return take_digits(s, 16, 2, ret);
        }
        if (**s >= '0' && **s <= '7')
                return take_digits(s, 8, 3, ret);
        found = **s ? strchr(from, **s) : NULL;
        if (!found)
                return -EINVAL;
        *ret = to[found - from];
        (*s)++;
        return 0;
}

/* Copies one word from *s to *out, terminated, and moves both behind it. */
static int take_word(const char **s, char **out) {
        char quote = '\0';

        for (; **s != '\0';) {
                char c = *(*s)++;

                if (quote == '\0' && is_blank(c))
                        break;
                if (quote == '\0' && (c == '"' || c == '\'')) {
                        quote = c;
                        continue;
                }
                if (quote != '\0' && c == quote) {
                        quote = '\0';
                        continue;
                }
                if (c == '\\') {
                        int r = take_escape(s, &c);

                        if (r < 0)
                                return r;
                }
                *(*out)++ = c;
        }
        *(*out)++ = '\0';
        return quote == '\0' ? 0 : -EINVAL;
}

int tq_parse_words(const char *s, size_t max, char ***ret_words, size_t *ret_n) {
        size_t length = strlen(s), room = TQ_MIN(max, length / 2 + 1);
        TQ_FREE char **words = NULL;
        size_t n = 0;
        char *out;

        /* A word takes at most its source and its separator, the last one a terminator more. */
        words = malloc((room + 1) * sizeof(char *) + length + 2);
        if (!words)
                return -ENOMEM;
        out = (char *)(words + room + 1);
        for (;;) {
                int r;

                while (is_blank(*s))
                        s++;
                if (*s == '\0')
                        break;
                if (n >= room)
                        return -ERANGE;
                words[n++] = out;
                r = take_word(&s, &out);
                if (r < 0)
                        return r;
        }
        words[n] = NULL;
        *ret_n = n;
        *ret_words = TQ_TAKE_PTR(words);
        return 0;
}

#define NEAREST_MAX 48

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edits, two swapped neighbours being one (optimal string alignment; Damerau 1964). Both are at
 * most NEAREST_MAX long. */
static size_t distance(const char *a, const char *b) {
        size_t rows[3][NEAREST_MAX + 1], n = strlen(b);
        size_t *older = rows[0], *old = rows[1], *row = rows[2];

        for (size_t j = 0; j <= n; j++)
                old[j] = older[j] = j;
        for (size_t i = 0; a[i]; i++) {
                size_t *recycled = older;

                row[0] = i + 1;
                for (size_t j = 0; j < n; j++) {
                        size_t d = old[j] + (lower(a[i]) != lower(b[j]));

                        d = TQ_MIN(d, TQ_MIN(old[j + 1], row[j]) + 1);
                        if (i > 0 && j > 0 && lower(a[i]) == lower(b[j - 1]) &&
                            lower(a[i - 1]) == lower(b[j]))
                                d = TQ_MIN(d, older[j - 1] + 1);
                        row[j + 1] = d;
                }
                older = old;
                old = row;
                row = recycled;
        }
        return old[n];
}

const char *tq_parse_nearest(const char *s, const char *const *words, size_t n) {
        size_t length = strlen(s), best = 1 + length / 4 + 1;
        const char *nearest = NULL;

        if (length == 0 || length > NEAREST_MAX)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                size_t d;

                if (strlen(words[i]) > NEAREST_MAX)
                        continue;
                d = distance(s, words[i]);
                if (d < best) {
                        best = d;
                        nearest = words[i];
                }
        }
        return nearest;
}
