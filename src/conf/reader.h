/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

#define TQ_READER_KEY_MAX     96
#define TQ_READER_SECTION_MAX 112 /* "queue TENANT/NAME" */

/* Called for each section's head (key and value NULL) and for each key, in the file's order. The
 * strings live until it returns. A negative return ends the reading and is passed on. */
typedef int (*TqReaderHandler)(void *userdata, const char *section, const char *key,
                               const char *value, unsigned line, TqError *err);

/* Reads an INI text of size bytes through libinih, without the surprises that it has for hostile
 * input (the essay in reader.c says which). Each line is blank, a comment (# or ; first), [section]
 * or key=value; anything else is -EBADMSG with the line in err. */
int tq_reader_parse(const char *data, size_t size, TqReaderHandler handler, void *userdata,
                    TqError *err);
