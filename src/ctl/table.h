/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/table.h"
#include "ctl/options.h"

/* A table for people, by libsmartcols. */

/* Prints the columns that -o names, or those of `columns` ("job,tenant,…"; NULL: all), in the order
 * that
 * --sort asks for. On a terminal it is as wide as that: names are cut and end in `…`, sentences
 * are broken into lines, and if that is not enough columns are left out: those that are empty, then
 * those with a mark before their name ("?cpu_usec"), then those with two. An exit code. */
int table_print(const Options *o, const TqTable *t, const char *columns);

/* The same as text for a screen of that width: a line for the headings and one for each row, so
 * sentences are cut, too. The caller frees *ret. */
int table_format(const Options *o, const TqTable *t, const char *columns, int width, char **ret);

/* Sorts the rows as --sort says it ("COLUMN", "-COLUMN"); those that are equal stay as they stand.
 * 0, -ENOENT: there is no such column, or -ENOMEM. */
int table_sort(TqTable *t, const char *by);

/* "…" behind as much of s as takes `width` columns of a terminal with it, in place; nothing if all
 * of it does. buf has room for two bytes more than s is long. */
void table_cut(char *s, int width);

/* Line feeds for those blanks of s, in place, at which lines of `width` columns end. A word that is
 * longer than a line stays whole. */
void table_fold(char *s, int width);
