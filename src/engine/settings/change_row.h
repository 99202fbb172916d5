/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

typedef struct Change Change;

/* What became of one assignment. Texts are NULL where there is none. */
typedef struct ChangeRow {
        const char *queue; /* empty: the tenant's own */
        const char *name, *old_value, *new_value;
        const char *kernel;    /* what the slice holds */
        const char *effective; /* what was unset may still come of a file or a default */
        const char *back;      /* with until_usec: what is set then */
        uint64_t until_usec;   /* CLOCK_REALTIME; 0: for good */
        bool is_unchanged;     /* it stood so already */
        uint64_t revision;     /* 0: none, it is unchanged or was a trial */
        char texts[2][1024];
} ChangeRow;

size_t change_count(const Change *c);
void change_row(const Change *c, size_t i, ChangeRow *ret);
