/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kernel/slice.h"

/* What slice.c (making and changing) and slice_look.c (looking) share. */

/* A file of the slice, without its last line feeds. */
int slice_read(int fd, const char *file, char *text, size_t size);
/* Ignoring blanks and the kernel's rounding of memory down to pages. */
bool slice_is_same(const TqAttr *a, const char *held);
/* The line of a device (MAJ:MIN, as `line` begins with) in what io.max holds; NULL: none. */
const char *slice_io_line(const char *held, const char *line);
/* Whether the kernel's io.max says what a line asks: it leaves out lines that limit nothing. */
bool slice_io_is_same(const char *held, const char *line);
