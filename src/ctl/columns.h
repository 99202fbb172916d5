/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/table.h"

/* How the data of an answer is shown to people: by column, wherever it appears. */
typedef enum Format {
        FORMAT_TEXT,  /* words of ours: never cut */
        FORMAT_NAME,  /* what somebody chose: cut where there is no room for it */
        FORMAT_PROSE, /* broken between words, never cut */
        FORMAT_COUNT,
        FORMAT_TIME,
        FORMAT_SPAN,
        FORMAT_SIZE,
        FORMAT_SHARE, /* thousandths, as per cent */
        FORMAT_CORES, /* thousandths of a processor */
} Format;

typedef struct Column {
        const char *name; /* in JSON */
        const char *title;
        Format format;
} Column;

#define CELL_MAX 512

/* One that is not known here is shown as it is, under its name. */
Column columns_get(const char *name);

/* At most CELL_MAX bytes, safe for a terminal; "-" of what is unknown. Returns buf. */
const char *columns_format(Format format, const TqCell *cell, char *buf);
