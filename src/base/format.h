/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Value → text for people. All write at most size bytes, terminated, and return buf. */

#define TQ_FORMAT_MAX 64

/* "512M", "4G", "1000" – the largest unit of base that divides the value, so that it parses back to
 * the same number. */
const char *tq_format_size(uint64_t bytes, uint64_t base, char *buf, size_t size);

/* The same for people, rounded to three digits: "1.53G". */
const char *tq_format_size_short(uint64_t bytes, char *buf, size_t size);

/* "1h 30min", "250ms", "0": exact, parses back. */
const char *tq_format_span(uint64_t usec, char *buf, size_t size);

/* Rounded for people: "1.24s", "3min 20s", "870us". */
const char *tq_format_span_short(uint64_t usec, char *buf, size_t size);

/* Scaled by 10^digits, without trailing zeros: 500000, 6 → "0.5". */
const char *tq_format_decimal(uint64_t v, unsigned digits, char *buf, size_t size);

/* Local time "2026-11-20 14:03:07"; "-" for 0. */
const char *tq_format_timestamp(uint64_t usec, char *buf, size_t size);

/* Makes bytes that a tenant chose safe for a terminal, a log line or a reason file: control bytes
 * and malformed UTF-8 become \xHH, a backslash \\. A result that does not fit ends in "...". */
const char *tq_format_escape(const char *s, char *buf, size_t size);
