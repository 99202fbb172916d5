/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "conf/jobfile.h"
#include "unit.h"

/* Job files out of texts, for the tests of what they say. */

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static inline int parse_text(const char *text, TqJobSpec *spec, TqError *err) {
        return tq_jobfile_parse(text, strlen(text), spec, NULL, NULL, err);
}

/* The notes, one line each: `LINE KEY TEXT`. */
static inline void take_note(void *userdata, unsigned line, const char *key, const char *text) {
        tq_buffer_printf(userdata, "%u %s %s\n", line, key, text);
}
