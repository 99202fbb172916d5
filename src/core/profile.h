/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

/* What system calls a job may make, as a profile says it (tenantq.conf(5)): data, before it becomes
 * a filter of the kernel (kernel/filter.h). */

#define TQ_PROFILE_NAME_MAX   32
#define TQ_PROFILE_DEFAULT    "default"
#define TQ_PROFILE_CONDITIONS 3
#define TQ_CALL_NAME_MAX      31
#define TQ_CALL_GROUP         '@'

/* From the strictest to the most permissive. A profile of the administrator's own has the rank that
 * it names. */
typedef enum TqProfileRank {
        TQ_RANK_STRICT,
        TQ_RANK_NO_NETWORK,
        TQ_RANK_DEFAULT,
        TQ_RANK_DEBUG,
        TQ_RANK_PERMISSIVE,
        _TQ_RANK_MAX,
        _TQ_RANK_INVALID = -EINVAL,
} TqProfileRank;

/* The five that are there in any case have the name of their rank. */
const char *tq_profile_rank_to_string(TqProfileRank r);
TqProfileRank tq_profile_rank_from_string(const char *s);

/* What becomes of a call. */
typedef enum TqCallAction {
        TQ_CALL_ALLOW,
        TQ_CALL_DENY,   /* EPERM: as without the right to it */
        TQ_CALL_ABSENT, /* ENOSYS: as on a kernel without it */
        TQ_CALL_KILL,   /* the job ends, and its verdict names the call */
        _TQ_CALL_MAX,
        _TQ_CALL_INVALID = -EINVAL,
} TqCallAction;

const char *tq_profile_action_to_string(TqCallAction a);
TqCallAction tq_profile_action_from_string(const char *s);

/* The argument, as the 32 bits that the kernel looks at: (argument & mask) = value. */
typedef struct TqCallCondition {
        uint8_t argument; /* 0 … 5 */
        uint32_t mask;
        uint32_t value;
} TqCallCondition;

/* Several of the same call are alternatives; conditions of one must all hold. */
typedef struct TqCallRule {
        char name[TQ_CALL_NAME_MAX + 1];
        TqCallAction action;
        bool may_be_unknown; /* to the library */
        bool is_of_group;    /* named by its group, and so less than by itself */
        unsigned line;       /* of the profile's file */
        size_t n_conditions;
        TqCallCondition conditions[TQ_PROFILE_CONDITIONS];
} TqCallRule;

typedef struct TqProfile {
        char name[TQ_PROFILE_NAME_MAX + 1];
        TqProfileRank rank;     /* _TQ_RANK_INVALID: no job's */
        TqCallAction otherwise; /* what is not named */
        TqCallRule *rules;
        size_t n_rules;
} TqProfile;

void tq_profile_done(TqProfile *p);

/* 1 to 32 of a-z 0-9 _ -, beginning with a letter. */
bool tq_profile_name_is_valid(const char *name);

/* A job's profile has a rank, and one of the five its own: whoever asks for it by its name is told
 * by that what it allows. -EBADMSG with err. */
int tq_profile_check_rank(const TqProfile *p, TqError *err);

/* Whether a job of a tenant with this profile may ask for that one: its own, or one of the five
 * with a lower rank. */
bool tq_profile_permits(const char *tenants, TqProfileRank rank, const char *asked);
