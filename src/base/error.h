/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* What went wrong, in words for a person: where (file, line, key) and what was expected.
 * Plain data without ownership; a zeroed one means "no error". Every part may be empty. */
typedef struct TqError {
        char file[128];
        unsigned line; /* from 1; 0: no line */
        char key[64];
        char text[512];
} TqError;

/* Fills *err (which may be NULL) unless it already tells of an earlier failure, and returns code,
 * so that `return tq_error(err, -EBADMSG, "...")` is one statement. Long texts are cut. */
int tq_error(TqError *err, int code, const char *fmt, ...) TQ_PRINTF(3, 4);

/* The same with a place. key may be NULL. */
int tq_error_at(TqError *err, int code, unsigned line, const char *key, const char *fmt, ...)
        TQ_PRINTF(5, 6);

/* Whether a system call failed for want of something that may come back, or for a disk's sake: it
 * says nothing of what was asked for. error: negative errno. */
bool tq_errno_is_shortage(int error);

/* For a failed system call: appends the text of the errno in code (negative errno). */
int tq_error_errno(TqError *err, int code, const char *fmt, ...) TQ_PRINTF(3, 4);

/* Names the file of an error that so far only has a line; keeps a file already named. */
void tq_error_set_file(TqError *err, const char *file);

/* `file:line: key: text`, leaving out what is empty. Always terminated; returns buf. */
const char *tq_error_format(const TqError *err, char *buf, size_t size);
