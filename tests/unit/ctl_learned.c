/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/learned.h"

#include "conf/profilefile.h"
#include "unit.h"

#define BASE                                                                                       \
        "# No sockets, and more that is not true any more.\n# Of two lines.\n\nrank = strict\n"    \
        "otherwise = kill\n\n[allow]\nread\nsocketpair  arg0 = AF_UNIX\n-cachestat\n"              \
        "# stays: clone3\n@files\n[deny]\nsocket\n[absent]\nclone3\n"

#define HEAD                                                                                       \
        "# strict, and what /bin/x needed beyond it (tenantqctl profile learn): look at it "       \
        "before "                                                                                  \
        "it is used.\n\nrank = strict\notherwise = kill\n\n[allow]\n"

static char *learn(const char *calls, int want) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};

        ck_assert_int_eq(learned_format("strict", BASE, calls, "/bin/x", &b), want);
        return strdup(tq_buffer_string(&b));
}

static const struct {
        const char *calls, *want;
        int left_out;
} text_rows[] = {
        { "",
          HEAD "read\nsocketpair  arg0 = AF_UNIX\n-cachestat\n# stays: clone3\n@files\n"
               "[deny]\nsocket\n[absent]\nclone3\n\n[allow]\n",
          0 },
        { "bind cachestat",
          HEAD "read\nsocketpair  arg0 = AF_UNIX\n# stays: clone3\n@files\n"
               "[deny]\nsocket\n[absent]\nclone3\n\n[allow]\nbind\ncachestat\n",
          0 },
        { "socket",
          HEAD "read\nsocketpair  arg0 = AF_UNIX\n-cachestat\n# stays: clone3\n@files\n"
               "[deny]\n[absent]\nclone3\n\n[allow]\nsocket  arg0 = AF_UNIX\n"
               "socket  arg0 = AF_INET\nsocket  arg0 = AF_INET6\n"
               "socket  arg0 = AF_NETLINK, arg2 = NETLINK_ROUTE\n",
          0 },
        { "clone3 unshare ptrace number 999 listen",
          HEAD "read\nsocketpair  arg0 = AF_UNIX\n-cachestat\n# stays: clone3\n@files\n"
               "[deny]\nsocket\n[absent]\nclone3\n\n[allow]\n"
               "# clone3: not allowed: its flags, new namespaces too, are behind a pointer; "
               "without it programs take clone\n"
               "# unshare: not allowed: no profile of tenantq has it\n"
               "# ptrace: not allowed: default refuses it, debug has it\n"
               "# number 999: not allowed: it has no name\nlisten\n",
          4 },
};

/* What is allowed stands in one section only, and what is refused stays refused. */
START_TEST(texts) {
        TQ_FREE char *text = learn(text_rows[_i].calls, text_rows[_i].left_out);
        TqProfile p = {};
        TqError err = {};

        ck_assert_str_eq(text, text_rows[_i].want);
        ck_assert_msg(tq_profilefile_parse("x", text, &p, &err) == 0, "%s", err.text);
        tq_profile_done(&p);
}
END_TEST

/* Whatever it is that a program was seen to do: nothing of it is more than `default`. */
START_TEST(everything) {
        TQ_BUFFER_CLEANUP TqBuffer calls = {}, b = {};
        TqProfile p = {}, permissive = {};
        LearnedDanger d;

        ck_assert_int_eq(tq_profilefile_parse("permissive", tq_profilefile_builtin("permissive"),
                                              &permissive, NULL),
                         0);
        tq_buffer_append_string(&calls, "clone3 fsopen");
        for (size_t i = 0; i < permissive.n_rules; i++)
                tq_buffer_printf(&calls, " %s", permissive.rules[i].name);
        ck_assert_int_gt(learned_format("strict", tq_profilefile_builtin("strict"),
                                        tq_buffer_string(&calls), "/bin/x", &b),
                         50);
        ck_assert_int_eq(tq_profilefile_parse("x", tq_buffer_string(&b), &p, NULL), 0);
        ck_assert_int_eq(learned_danger(&p, 0, &d), 0);
        for (size_t i = 0; i < p.n_rules; i++)
                if (strcmp(p.rules[i].name, "socket") == 0 || strcmp(p.rules[i].name, "clone") == 0)
                        ck_assert_uint_gt(p.rules[i].n_conditions, 0);
        tq_profile_done(&p);
        tq_profile_done(&permissive);
}
END_TEST

START_TEST(no_danger_of_ours) {
        const char *name = tq_profile_rank_to_string((TqProfileRank)_i);
        TqProfile p = {};
        LearnedDanger d;

        ck_assert_int_eq(tq_profilefile_parse(name, tq_profilefile_builtin(name), &p, NULL), 0);
        ck_assert_int_eq(learned_danger(&p, 0, &d), 0);
        tq_profile_done(&p);
}
END_TEST

START_TEST(dangers) {
        static const char text[] = "rank = default\notherwise = absent\n[allow]\nunshare\nread\n"
                                   "clone3\n@dangerous\nclone\nsetns arg1 = 0\n";
        static const struct {
                const char *name;
                unsigned line;
        } want[] = { { "unshare", 4 }, { "clone3", 6 }, { "acct", 7 }, { "clone", 8 } };
        TqProfile p = {};
        LearnedDanger d;

        ck_assert_int_eq(tq_profilefile_parse("x", text, &p, NULL), 0);
        for (size_t i = 0; i < TQ_ELEMENTSOF(want); i++) {
                ck_assert_int_eq(learned_danger(&p, i, &d), 1);
                ck_assert_str_eq(d.name, want[i].name);
                ck_assert_uint_eq(d.line, want[i].line);
                if (want[i].line == 7)
                        ck_assert_uint_gt(d.more, 40);
                else
                        ck_assert_uint_eq(d.more, 0);
        }
        ck_assert_int_eq(learned_danger(&p, TQ_ELEMENTSOF(want), &d), 0);
        tq_profile_done(&p);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "learned");

        unit_add_rows(c, texts, text_rows);
        tcase_add_test(c, everything);
        tcase_add_loop_test(c, no_danger_of_ours, 0, _TQ_RANK_MAX);
        tcase_add_test(c, dangers);
}

int main(void) {
        return unit_main("ctl_learned", fill);
}
