/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/profilefile.h"

#include "base/buffer.h"
#include "unit.h"

/* Profiles from their text, and what they became as text. */

#define PROFILE TQ_CLEANUP(tq_profile_done) TqProfile

/* Line 1; lines 1 and 2. */
#define HEAD  "otherwise = absent\n"
#define ALLOW HEAD "[allow]\n"
/* "-NAME ACTION ARGUMENT&MASK=VALUE…; …", the numbers in hex; no mask: of all bits. */
static inline void tell(const TqProfile *p, TqBuffer *ret) {
        for (size_t i = 0; i < p->n_rules; i++) {
                const TqCallRule *rule = &p->rules[i];

                tq_buffer_printf(ret, "%s%s%s %s", i > 0 ? "; " : "",
                                 rule->may_be_unknown ? "-" : "", rule->name,
                                 tq_profile_action_to_string(rule->action));
                for (size_t k = 0; k < rule->n_conditions; k++) {
                        const TqCallCondition *c = &rule->conditions[k];

                        tq_buffer_printf(ret, " %u", c->argument);
                        if (c->mask != UINT32_MAX)
                                tq_buffer_printf(ret, "&%x", c->mask);
                        tq_buffer_printf(ret, "=%x", c->value);
                }
        }
}

static inline TqProfile parse(const char *text) {
        TqProfile p;
        TqError err = {};

        ck_assert_msg(tq_profilefile_parse("mine", text, &p, &err) == 0, "%u: %s: of: %.200s",
                      err.line, err.text, text);
        ck_assert_str_eq(p.name, "mine");
        return p;
}

static inline void expect_bad(const char *text, unsigned line, const char *piece) {
        TqProfile p = { .n_rules = 77 };
        TqError err = {};

        ck_assert_msg(tq_profilefile_parse("mine", text, &p, &err) == -EBADMSG, "went: %.200s",
                      text);
        ck_assert_msg(err.line == line && strstr(err.text, piece), "%u: %s: of: %.200s", err.line,
                      err.text, text);
        ck_assert_uint_eq(p.n_rules, 77); /* only written on success */
}
