/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Strict text → value. Every function takes a whole C string, allows no blank around it unless
 * said, knows ASCII only, writes its result only on success, and returns 0, -EINVAL (not of this
 * form) or -ERANGE (of this form but too large). */

/* Decimal digits only: no sign, no prefix, no leading blank. */
int tq_parse_u64(const char *s, uint64_t *ret);

/* The same within [min, max], else -ERANGE. */
int tq_parse_u64_in(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* An optional '-' and digits, within [min, max]. */
int tq_parse_i64_in(const char *s, int64_t min, int64_t max, int64_t *ret);

/* Digits, optionally one of K M G T P E: multiples of base (1024 for memory, 1000 for bandwidth;
 * systemd.syntax(7)). With such a unit also a fraction ("1.5G"), cut to whole bytes as systemd
 * does. B is the unit of one. */
int tq_parse_size(const char *s, uint64_t base, uint64_t *ret_bytes);

/* A non-negative decimal fraction such as "0.5", scaled by 10^digits ("0.5", 6 → 500000); more
 * decimals than that are -EINVAL, not rounded. */
int tq_parse_decimal(const char *s, unsigned digits, uint64_t *ret);

/* A time span of systemd.time(7): "1h 30min", "90", "2.5s". A bare number is seconds; what is below
 * a microsecond is cut. Units: us ms s sec min m h hr d w (and their long forms). */
int tq_parse_span(const char *s, uint64_t *ret_usec);

/* "YYYY-MM-DD", "YYYY-MM-DD HH:MM" or "YYYY-MM-DD HH:MM:SS", optionally followed by " UTC";
 * otherwise local time. Microseconds since the epoch. */
int tq_parse_timestamp(const char *s, uint64_t *ret_usec);

/* 1 yes y true t on / 0 no n false f off, as in systemd. */
int tq_parse_bool(const char *s, bool *ret);

/* Whether s is well-formed UTF-8 (no overlong form, no surrogate; RFC 3629) of n bytes. */
bool tq_parse_is_utf8(const char *s, size_t n) TQ_PURE;

/* Splits into words as systemd does for ExecStart= and Environment=: blanks separate; '…' and "…"
 * group; \n \t \r \\ \" \' \s \xHH \NNN are escapes outside '…' too. No specifier, no variable.
 * *ret_words: a NULL-terminated array, one allocation, to be freed with free(). -EINVAL: an open
 * quote or an unknown escape; -ERANGE: more than max words. */
int tq_parse_words(const char *s, size_t max, char ***ret_words, size_t *ret_n);

/* The entry of words (n of them) nearest to s by edit distance, or NULL if none is near enough to
 * be what was meant (distance above 1 + length/4). Case does not count. */
const char *tq_parse_nearest(const char *s, const char *const *words, size_t n);
