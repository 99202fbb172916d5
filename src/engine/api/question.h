/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"

/* What the ledger is asked for a caller: by the worker, so that nothing waits for the disk. */
typedef enum QuestionAbout {
        ABOUT_JOBS,
        ABOUT_DEAD, /* letters */
        ABOUT_ATTEMPTS,
        ABOUT_EVENTS,
        ABOUT_AUDIT,
        ABOUT_LIMITS_AT, /* revisions */
        ABOUT_POLICIES,
        ABOUT_LINEAGE,
} QuestionAbout;

typedef struct Question {
        TqLedgerFilter filter;
        QuestionAbout about;
        bool is_about_one; /* none is an error */
        bool is_paged;     /* the answer ends with where the next page begins */
        uint64_t *ids;     /* these jobs only; owned */
        size_t n_ids;
        bool is_by_place; /* where the next page begins is no number of a job, but a place: */
        uint64_t place;   /* of the first of them */
        /* Instead of the reply; returns as a verb. number: as it was asked with. */
        int (*then)(const Call *c, const TqTable *t, uint32_t number);
        uint32_t number;
} Question;

/* Takes q->ids. As a verb returns. */
int question_ask(Call *c, const Question *q);
/* About the job that the call is about, with all that the ledger has of it. */
int question_ask_about_job(Call *c);
/* The same, with a reply of its own if there is one. */
int question_whether_job(Call *c, int (*then)(const Call *c, const TqTable *t, uint32_t number));
/* To one whose turn it is again: the caller keeps `kept`. */
int question_ask_later(const Call *kept, Connection *connection);
