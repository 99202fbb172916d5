/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/context.h"

/* One reason why a job waits, in sentences. */
typedef struct Sentence {
        const ApiContext *api;
        const TqScheduler *scheduler;
        bool is_admin;     /* else what is others' is counted, not named */
        char text[512];    /* what holds it */
        char blocker[512]; /* who */
        char change[512];  /* the smallest thing that would help */
} Sentence;

/* Fills the texts, which are empty. */
void sentence_say(const TqJob *job, const TqReason *r, Sentence *s);
