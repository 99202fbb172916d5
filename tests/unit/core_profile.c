/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/profile.h"

#include "unit.h"

START_TEST(ranks) {
        static const char *const names[] = {
                "strict", "no-network", "default", "debug", "permissive",
        };
        TqProfileRank r = (TqProfileRank)_i;

        ck_assert_uint_eq(TQ_ELEMENTSOF(names), _TQ_RANK_MAX);
        ck_assert_str_eq(tq_profile_rank_to_string(r), names[_i]);
        ck_assert_int_eq(tq_profile_rank_from_string(names[_i]), r);
        ck_assert(tq_profile_name_is_valid(names[_i]));
}
END_TEST

START_TEST(actions) {
        static const char *const names[] = { "allow", "deny", "absent", "kill" };
        TqCallAction a = (TqCallAction)_i;

        ck_assert_uint_eq(TQ_ELEMENTSOF(names), _TQ_CALL_MAX);
        ck_assert_str_eq(tq_profile_action_to_string(a), names[_i]);
        ck_assert_int_eq(tq_profile_action_from_string(names[_i]), a);
}
END_TEST

START_TEST(neither) {
        static const char *const words[] = {
                "",      " ",    "Strict", "stric",   "strict ",
                "ALLOW", "allo", "allow,", "invalid", "engine",
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(words); i++) {
                ck_assert_int_eq(tq_profile_rank_from_string(words[i]), _TQ_RANK_INVALID);
                ck_assert_int_eq(tq_profile_action_from_string(words[i]), _TQ_CALL_INVALID);
        }
        ck_assert_str_eq(tq_profile_rank_to_string(_TQ_RANK_MAX), "invalid");
        ck_assert_str_eq(tq_profile_rank_to_string(_TQ_RANK_INVALID), "invalid");
        ck_assert_str_eq(tq_profile_action_to_string(_TQ_CALL_MAX), "invalid");
        ck_assert_str_eq(tq_profile_action_to_string(_TQ_CALL_INVALID), "invalid");
        ck_assert_int_eq(tq_profile_rank_from_string(TQ_PROFILE_DEFAULT), TQ_RANK_DEFAULT);
}
END_TEST

#define N31 "a234567890b234567890c234567890d"

static const struct {
        const char *name;
        bool is_valid;
} name_rows[] = {
        { "a", true },       { "z", true },       { "default", true },    { "no-network", true },
        { "a_b-c_9", true }, { "a-", true },      { "a_", true },         { N31, true },
        { N31 "2", true },   { N31 "23", false }, { N31 N31 N31, false }, { "", false },
        { "9a", false },     { "-a", false },     { "_a", false },        { "A", false },
        { "aB", false },     { "a b", false },    { " a", false },        { "a ", false },
        { "a\n", false },    { "a.b", false },    { "a/b", false },       { "../a", false },
        { ".", false },      { "@files", false }, { "a\xc3\xa9", false },
};

START_TEST(name) {
        ck_assert_msg(tq_profile_name_is_valid(name_rows[_i].name) == name_rows[_i].is_valid, "%s",
                      name_rows[_i].name);
}
END_TEST

/* For each of the five as the tenant's: which of the five a job may ask for. */
static const char *const permits[_TQ_RANK_MAX] = {
        [TQ_RANK_STRICT] = "y----", [TQ_RANK_NO_NETWORK] = "yy---", [TQ_RANK_DEFAULT] = "yyy--",
        [TQ_RANK_DEBUG] = "yyyy-",  [TQ_RANK_PERMISSIVE] = "yyyyy",
};

START_TEST(permits_its_own_and_stricter) {
        const char *tenants = tq_profile_rank_to_string((TqProfileRank)_i);

        for (int asked = 0; asked < _TQ_RANK_MAX; asked++)
                ck_assert_msg(tq_profile_permits(tenants, (TqProfileRank)_i,
                                                 tq_profile_rank_to_string((TqProfileRank)asked)) ==
                                      (permits[_i][asked] == 'y'),
                              "%s, %s", tenants, tq_profile_rank_to_string((TqProfileRank)asked));
}
END_TEST

static const struct {
        const char *tenants;
        TqProfileRank rank;
        const char *asked;
        bool is_permitted;
} permit_rows[] = {
        /* One of the administrator's: itself, and what is below its rank, not what is at it. */
        { "etl", TQ_RANK_DEFAULT, "etl", true },
        { "etl", TQ_RANK_DEFAULT, "strict", true },
        { "etl", TQ_RANK_DEFAULT, "no-network", true },
        { "etl", TQ_RANK_DEFAULT, "default", false },
        { "etl", TQ_RANK_DEFAULT, "debug", false },
        { "etl", TQ_RANK_DEFAULT, "permissive", false },
        { "etl", TQ_RANK_STRICT, "etl", true },
        { "etl", TQ_RANK_STRICT, "strict", false },
        { "etl", TQ_RANK_PERMISSIVE, "debug", true },
        { "etl", TQ_RANK_PERMISSIVE, "permissive", false },
        /* Another of the administrator's has no place in the order. */
        { "etl", TQ_RANK_PERMISSIVE, "web", false },
        { "permissive", TQ_RANK_PERMISSIVE, "web", false },
        /* No job's. */
        { "permissive", TQ_RANK_PERMISSIVE, "engine", false },
        { "permissive", TQ_RANK_PERMISSIVE, "watch", false },
        { "permissive", TQ_RANK_PERMISSIVE, "groups", false },
        { "permissive", TQ_RANK_PERMISSIVE, "", false },
        { "permissive", TQ_RANK_PERMISSIVE, "Strict", false },
        { "engine", _TQ_RANK_INVALID, "strict", false },
};

START_TEST(permit) {
        ck_assert_int_eq(tq_profile_permits(permit_rows[_i].tenants, permit_rows[_i].rank,
                                            permit_rows[_i].asked),
                         permit_rows[_i].is_permitted);
}
END_TEST

START_TEST(done) {
        TqProfile p = { .name = "x", .n_rules = 2, .rules = calloc(2, sizeof(*p.rules)) };

        tq_profile_done(&p);
        ck_assert_ptr_null(p.rules);
        ck_assert_uint_eq(p.n_rules, 0);
        tq_profile_done(&p); /* again */
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "words");

        tcase_add_loop_test(t, ranks, 0, _TQ_RANK_MAX);
        tcase_add_loop_test(t, actions, 0, _TQ_CALL_MAX);
        tcase_add_test(t, neither);
        unit_add_rows(t, name, name_rows);
        t = unit_case(s, "permits");
        tcase_add_loop_test(t, permits_its_own_and_stricter, 0, _TQ_RANK_MAX);
        unit_add_rows(t, permit, permit_rows);
        tcase_add_test(unit_case(s, "done"), done);
}

int main(void) {
        return unit_main("core/profile", fill);
}
