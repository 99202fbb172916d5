/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"

const char *tq_format_size(uint64_t bytes, uint64_t base, char *buf, size_t size) {
        static const char suffixes[] = "KMGTPE";
        size_t unit = 0;

        while (bytes > 0 && bytes % base == 0 && unit < strlen(suffixes)) {
                bytes /= base;
                unit++;
        }
        (void)snprintf(buf, size, "%" PRIu64 "%.*s", bytes, unit > 0 ? 1 : 0,
                       unit > 0 ? &suffixes[unit - 1] : "");
        return buf;
}

const char *tq_format_size_short(uint64_t bytes, char *buf, size_t size) {
        static const char suffixes[] = "BKMGTPE";
        double v = (double)bytes;
        size_t unit = 0;

        while (v >= 1024 && unit + 1 < strlen(suffixes)) {
                v /= 1024;
                unit++;
        }
        (void)snprintf(buf, size,
                       unit == 0 || v >= 100 ? "%.0f%c"
                       : v >= 10             ? "%.1f%c"
                                             : "%.2f%c",
                       v, suffixes[unit]);
        return buf;
}

const char *tq_format_span(uint64_t usec, char *buf, size_t size) {
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = { { "d", 86400 * TQ_USEC_PER_SEC },
                      { "h", 3600 * TQ_USEC_PER_SEC },
                      { "min", 60 * TQ_USEC_PER_SEC },
                      { "s", TQ_USEC_PER_SEC },
                      { "ms", 1000 },
                      { "us", 1 } };
        size_t at = 0;

        (void)snprintf(buf, size, "0");
        for (size_t i = 0; i < TQ_ELEMENTSOF(units) && at < size; i++) {
                uint64_t n = usec / units[i].usec;

                usec %= units[i].usec;
                if (n > 0)
                        at += (size_t)snprintf(buf + at, size - at, "%s%" PRIu64 "%s",
                                               at > 0 ? " " : "", n, units[i].name);
        }
        return buf;
}

const char *tq_format_span_short(uint64_t usec, char *buf, size_t size) {
        if (usec < 1000)
                (void)snprintf(buf, size, "%" PRIu64 "us", usec);
        else if (usec < 999500) /* from here on three digits would be 1000 */
                (void)snprintf(buf, size, "%.3gms", (double)usec / 1000);
        else if (usec < 60 * TQ_USEC_PER_SEC)
                (void)snprintf(buf, size, "%.2fs", (double)usec / TQ_USEC_PER_SEC);
        else
                (void)tq_format_span(usec / TQ_USEC_PER_SEC * TQ_USEC_PER_SEC, buf, size);
        return buf;
}

const char *tq_format_decimal(uint64_t v, unsigned digits, char *buf, size_t size) {
        uint64_t scale = 1;
        size_t n;

        for (unsigned i = 0; i < digits; i++)
                scale *= 10;
        (void)snprintf(buf, size, "%" PRIu64 ".%0*" PRIu64, v / scale, (int)digits, v % scale);
        n = strlen(buf);
        while (n > 0 && buf[n - 1] == '0')
                buf[--n] = '\0';
        if (n > 0 && buf[n - 1] == '.')
                buf[n - 1] = '\0';
        return buf;
}

const char *tq_format_timestamp(uint64_t usec, char *buf, size_t size) {
        time_t t = (time_t)(usec / TQ_USEC_PER_SEC);
        struct tm tm;

        if (usec == 0 || !localtime_r(&t, &tm) ||
            strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                (void)snprintf(buf, size, "-");
        return buf;
}

/* Bytes of a well-formed character at s, 0 if it is none, -EAGAIN if it may become one. */
static ssize_t well_formed(const char *s, size_t n) {
        static const char rest[] =
                "\x80\xA0\x90"; /* continues any start byte, with or without a bound */
        unsigned char c = (unsigned char)*s;
        size_t wanted = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        char whole[4];

        if (n >= wanted)
                return tq_parse_is_utf8(s, wanted) ? (ssize_t)wanted : 0;
        /* Cut off: would anything make it whole? The bounds are on the second byte only. */
        for (size_t i = 0; i + 1 < sizeof(rest); i++) {
                memcpy(whole, s, n);
                memset(whole + n, 0x80, wanted - n);
                if (n == 1)
                        whole[1] = rest[i];
                if (tq_parse_is_utf8(whole, wanted))
                        return -EAGAIN;
        }
        return 0;
}

/* What turns the order of the text around it, or is no text: U+061C, U+200E, U+200F, U+2028…U+202E,
 * U+2066…U+2069 (Unicode Standard Annex 9), and the byte order mark. */
static bool is_format_control(const char *s, ssize_t r) {
        unsigned char second, third;

        if (r == 2)
                return memcmp(s, "\xD8\x9C", 2) == 0; /* U+061C */
        if (r != 3 || memcmp(s, "\xEF\xBB\xBF", 3) == 0)
                return r == 3;
        second = (unsigned char)s[1];
        third = (unsigned char)s[2];
        return (unsigned char)s[0] == 0xE2 &&
               ((second == 0x80 &&
                 (third == 0x8E || third == 0x8F || (third >= 0xA8 && third <= 0xAE))) ||
                (second == 0x81 && third >= 0xA6 && third <= 0xA9));
}

ssize_t tq_format_printable(const char *s, size_t n) {
        unsigned char c = (unsigned char)*s;
        ssize_t r = well_formed(s, n);

        if (c < 0x20 || c == 0x7F || (r > 1 && is_format_control(s, r)))
                return 0;
        /* U+0080…U+009F are control characters too (C1). */
        return r == 2 && c == 0xC2 && (unsigned char)s[1] < 0xA0 ? 0 : r;
}

const char *tq_format_utf8(const char *s, char *buf, size_t size) {
        size_t left = strlen(s), at = 0;

        while (left > 0) {
                ssize_t step = well_formed(s, left);
                char piece[5];
                size_t n = step > 0 ? (size_t)step : 4;

                if (step > 0)
                        memcpy(piece, s, n);
                else
                        (void)snprintf(piece, sizeof(piece), "\\x%02x", (unsigned char)*s);
                if (at + n + 1 > size)
                        break;
                memcpy(buf + at, piece, n);
                at += n;
                s += step > 0 ? step : 1;
                left -= step > 0 ? (size_t)step : 1;
        }
        buf[at] = '\0';
        return buf;
}

static const char *escape(const char *s, bool is_exact, char *buf, size_t size) {
        size_t at = 0, cut = 0; /* cut: where "..." still fits */

        while (*s) {
                char piece[5];
                ssize_t whole = tq_format_printable(s, strnlen(s, 4));
                size_t n = whole > 0 ? (size_t)whole : 0, step = n > 0 ? n : 1;

                if (*s == '\\' && is_exact)
                        n = (size_t)snprintf(piece, sizeof(piece), "\\\\");
                else if (n > 0)
                        memcpy(piece, s, n);
                else
                        n = (size_t)snprintf(piece, sizeof(piece), "\\x%02x", (unsigned char)*s);
                if (at + 4 <= size)
                        cut = at;
                if (at + n + 1 > size) {
                        (void)snprintf(buf + cut, size - cut, "...");
                        return buf;
                }
                memcpy(buf + at, piece, n);
                at += n;
                s += step;
        }
        buf[at] = '\0';
        return buf;
}

const char *tq_format_escape(const char *s, char *buf, size_t size) {
        return escape(s, true, buf, size);
}

const char *tq_format_shown(const char *s, char *buf, size_t size) {
        return escape(s, false, buf, size);
}
