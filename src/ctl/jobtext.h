/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"

/* Job files that are composed here. */

/* One word as ExecStart= reads it. */
void jobtext_append_quoted(TqBuffer *b, const char *word);
/* What goes into a line as it is: it must be a line's worth. The second: 0, or an exit code, and it
 * is said. */
bool jobtext_is_plain(const char *value);
int jobtext_check_plain(const char *what, const char *value);
/* The words before a command that has a text of ours as a file in the job's own /tmp: as its
 * standard input, or at `path`. */
void jobtext_append_input(TqBuffer *b, const char *text);
void jobtext_append_file(TqBuffer *b, const char *text, const char *path);
