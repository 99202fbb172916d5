/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/ctl.h"

/* How far many jobs are, as a line of the terminal that standard error is. */
typedef struct Progress Progress;

/* NULL: there is no terminal, or no memory; all below do nothing then. The jobs are borrowed. */
Progress *progress_new(const Options *o, const uint64_t jobs[], size_t n);
Progress *progress_free(Progress *p);
/* Looks and draws, unless that was done just now; as Call.meanwhile. */
void progress_look(void *progress);
/* Before something else is printed. */
void progress_erase(Progress *p);
/* That one has ended, and how. */
void progress_note(Progress *p, size_t i, bool has_failed);
