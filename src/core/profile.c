/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/profile.h"

#include <string.h>

static const char *const ranks[_TQ_RANK_MAX] = {
        [TQ_RANK_STRICT] = "strict",         [TQ_RANK_NO_NETWORK] = "no-network",
        [TQ_RANK_DEFAULT] = "default",       [TQ_RANK_DEBUG] = "debug",
        [TQ_RANK_PERMISSIVE] = "permissive",
};

static const char *const actions[_TQ_CALL_MAX] = {
        [TQ_CALL_ALLOW] = "allow",
        [TQ_CALL_DENY] = "deny",
        [TQ_CALL_ABSENT] = "absent",
        [TQ_CALL_KILL] = "kill",
};

static int find(const char *const *words, size_t n, const char *s) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(words[i], s) == 0)
                        return (int)i;
        return -EINVAL;
}

const char *tq_profile_rank_to_string(TqProfileRank r) {
        return r >= 0 && r < _TQ_RANK_MAX ? ranks[r] : "invalid";
}

TqProfileRank tq_profile_rank_from_string(const char *s) {
        return (TqProfileRank)find(ranks, TQ_ELEMENTSOF(ranks), s);
}

const char *tq_profile_action_to_string(TqCallAction a) {
        return a >= 0 && a < _TQ_CALL_MAX ? actions[a] : "invalid";
}

TqCallAction tq_profile_action_from_string(const char *s) {
        return (TqCallAction)find(actions, TQ_ELEMENTSOF(actions), s);
}

void tq_profile_done(TqProfile *p) {
        free(p->rules);
        *p = (TqProfile){};
}

bool tq_profile_name_is_valid(const char *name) {
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

        return n > 0 && n <= TQ_PROFILE_NAME_MAX && name[n] == '\0' && name[0] >= 'a' &&
               name[0] <= 'z';
}

int tq_profile_check_rank(const TqProfile *p, TqError *err) {
        TqProfileRank own = tq_profile_rank_from_string(p->name);

        if (p->rank < 0)
                return tq_error(err, -EBADMSG,
                                "expected rank = strict, no-network, default, debug or permissive");
        return own >= 0 && own != p->rank
                       ? tq_error(err, -EBADMSG, "expected rank = %s, as its name says", p->name)
                       : 0;
}

bool tq_profile_permits(const char *tenants, TqProfileRank rank, const char *asked) {
        TqProfileRank wanted = tq_profile_rank_from_string(asked);

        return strcmp(tenants, asked) == 0 || (wanted >= 0 && wanted < rank);
}
