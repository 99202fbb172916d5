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
 * and malformed UTF-8 become \xHH, a backslash \\. A result that does not fit ends in "...". It is
 * called once, where the text leaves tenantq: called twice, it doubles the backslashes. */
const char *tq_format_escape(const char *s, char *buf, size_t size);
/* The same but for backslashes, which stay as they are: for people, also what was escaped before.
 * Another text may look the same. */
const char *tq_format_shown(const char *s, char *buf, size_t size);

/* Only what can't travel as text: malformed UTF-8 becomes \xHH. For what is stored or sent and
 * escaped where it is shown. Changes nothing the second time; cut at a character's end. */
const char *tq_format_utf8(const char *s, char *buf, size_t size);

/* Bytes of the character at s that may go to a terminal as it is; 0: a control character (C0, DEL,
 * C1) or malformed; -EAGAIN: the n bytes end within what may become one. */
ssize_t tq_format_printable(const char *s, size_t n);
