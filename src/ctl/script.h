/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

/* A script as a job: a file that begins with #! and says what the job needs in comments. */
typedef struct Script {
        TqBuffer text;   /* the job file */
        unsigned *lines; /* of its lines from 1 on, n_lines with the 0th: the script's line, or 0 */
        size_t n_lines;
} Script;

bool script_is(const TqBuffer *data);
/* Keys and values are the parser's to judge. -EBADMSG with the script's line, -E2BIG, -ENOMEM. */
int script_compose(const char *file, TqBuffer *data, Script *ret, TqError *err);
void script_done(Script *s);
#define SCRIPT_CLEANUP TQ_CLEANUP(script_done)
