/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/verbs.h"

#include "unit.h"

static const struct {
        const char *word, *argument, *want; /* NULL: there is none */
} finds[] = {
        { "ps", NULL, "ps" },
        { "ps", "get", "ps" },
        { "limits", "get", "limits get" },
        { "limits", "unset", "limits unset" },
        { "limits", "unse", NULL },
        { "limits", NULL, NULL },
        { "limits get", NULL, "limits get" },
        { "limit", "get", NULL },
        { "", NULL, NULL },
        { " ", NULL, NULL },
};

START_TEST(found) {
        const Verb *v;

        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        v = verbs_find(finds[_i].word, finds[_i].argument);
        if (finds[_i].want) {
                ck_assert_ptr_nonnull(v);
                ck_assert_str_eq(v->name, finds[_i].want);
        } else
                ck_assert_ptr_null(v);
}
END_TEST

static const struct {
        const char *verb, *want;
} usages[] = {
        { "submit", "submit [-t TENANT] [-w] [--dry-run] [--test-only] FILE…" },
        { "run", "run [-t TENANT] [-q QUEUE] [--name NAME] [-e NAME[=VALUE]]… [--label KEY=VALUE]… "
                 "[-l KEY=VALUE]… [-C DIR] [--profile NAME] [-w] [--quiet] [-i] "
                 "[--dry-run] [--test-only] -- CMD "
                 "[ARG…]" },
        { "lineage", "lineage [-t TENANT] JOB|NAME" },
        { "ps", "ps [-t TENANT] [--name NAME] [-a] [--filter FIELD=VALUE]… [--state STATE,…] "
                "[--failed] [-n N] [--since TIME] [TENANT]" },
        { "requeue", "requeue [-m TEXT] [--dry-run] JOB…" },
        { "logs", "logs [-n N] [-f] JOB" },
        { "limits set", "limits set [-m TEXT] [--dry-run] [--force] [--for SPAN] [--watch SPAN] "
                        "[--if-revision N] "
                        "TENANT[/QUEUE]… KEY=VALUE…" },
        { "top", "top [-n N] [-b] [-d SPAN]" },
        { "tenants", "tenants [-t TENANT] [TENANT]" },
        { "reload", "reload [-m TEXT]" },
};

START_TEST(usage) {
        char text[512];

        usage_format(verbs_find(usages[_i].verb, NULL), text, sizeof(text));
        ck_assert_str_eq(text, usages[_i].want);
}
END_TEST

/* What does not fit is cut, and nothing is written behind. */
START_TEST(usage_cut) {
        const Verb *v = verbs_find("run", NULL);
        char whole[512], text[512];

        usage_format(v, whole, sizeof(whole));
        for (size_t size = 1; size < strlen(whole); size++) {
                memset(text, 'x', sizeof(text));
                usage_format(v, text, size);
                ck_assert_uint_eq(strlen(text), size - 1);
                ck_assert(memcmp(text, whole, size - 1) == 0);
                ck_assert_int_eq(text[size], 'x');
        }
}
END_TEST

/* Each row is whole, and its usage fits where it is shown. */
START_TEST(rows) {
        char text[512];

        for (size_t i = 0; i < n_verbs; i++) {
                const Verb *v = &verbs[i];

                ck_assert_ptr_nonnull(v->run);
                ck_assert(v->max_args < 0 || v->max_args >= v->min_args);
                ck_assert_int_eq(v->args[0] == '\0', v->max_args == 0);
                ck_assert_ptr_eq(verbs_find(v->name, NULL), v);
                memset(text, 0, sizeof(text));
                usage_format(v, text, sizeof(text));
                ck_assert_uint_lt(strlen(text), sizeof(text) - 1);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "verbs");

        unit_add_rows(c, found, finds);
        unit_add_rows(c, usage, usages);
        tcase_add_test(c, usage_cut);
        tcase_add_test(c, rows);
}

int main(void) {
        return unit_main("ctl_verbs", fill);
}
