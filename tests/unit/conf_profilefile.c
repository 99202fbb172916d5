/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf_profilefile.h"

#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>

/* Sizes -----------------------------------------------------------------------------------------
 */

/* A rule of so many bytes, on line 3, with what does not count around it. */
static void fill_line(char *buf, size_t size, size_t bytes) {
        static const char first[] = "read", last[] = "arg0 = 1";
        int blanks = (int)(bytes - strlen(first) - strlen(last));

        ck_assert_int_lt(snprintf(buf, size, ALLOW "\t  %s%*s%s  # %0600d\nwrite\n", first, blanks,
                                  "", last, 0),
                         (int)size);
}

START_TEST(long_lines) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        char text[2048];

        fill_line(text, sizeof(text), 511);
        PROFILE p = parse(text);
        tell(&p, &got);
        ck_assert_str_eq(tq_buffer_string(&got), "read allow 0=1; write allow");

        fill_line(text, sizeof(text), 512);
        expect_bad(text, 3, "lines of less than 512 bytes");
        fill_line(text, sizeof(text), 1200);
        expect_bad(text, 3, "lines of less than 512 bytes");
}
END_TEST

static void fill_rules(TqBuffer *b, unsigned n) {
        tq_buffer_printf(b, ALLOW);
        for (unsigned i = 0; i < n; i++)
                tq_buffer_printf(b, "ioctl arg1 = %u\n", i);
}

START_TEST(many_rules) {
        TQ_BUFFER_CLEANUP TqBuffer most = {}, more = {};

        fill_rules(&most, TQ_PROFILEFILE_RULES);
        PROFILE p = parse(tq_buffer_string(&most));
        ck_assert_uint_eq(p.n_rules, TQ_PROFILEFILE_RULES);
        for (unsigned i = 0; i < p.n_rules; i++)
                unit_must(p.rules[i].conditions[0].value == i && p.rules[i].line == i + 3, "%u", i);

        fill_rules(&more, TQ_PROFILEFILE_RULES + 1);
        expect_bad(tq_buffer_string(&more), 2 + TQ_PROFILEFILE_RULES + 1, "at most 2048 rules");
}
END_TEST

/* Names of numbers ------------------------------------------------------------------------------
 */

#define CONSTANT(name)                                                                             \
        { #name, (uint32_t)(name) }

static const struct {
        const char *name;
        uint32_t value;
} constants[] = {
        CONSTANT(AF_UNIX),
        CONSTANT(AF_INET),
        CONSTANT(AF_INET6),
        CONSTANT(AF_NETLINK),
        CONSTANT(NETLINK_ROUTE),
        CONSTANT(SOCK_STREAM),
        CONSTANT(SOCK_DGRAM),
        CONSTANT(SOCK_SEQPACKET),
        CONSTANT(SOCK_CLOEXEC),
        CONSTANT(SOCK_NONBLOCK),
        { "NEW_NAMESPACES", 0x7E020000 },
        CONSTANT(CLONE_THREAD),
        CONSTANT(ADDR_NO_RANDOMIZE),
        CONSTANT(TCGETS),
        CONSTANT(TIOCGPGRP),
        CONSTANT(TIOCGWINSZ),
        CONSTANT(FIONREAD),
        CONSTANT(FIONBIO),
        CONSTANT(FIOCLEX),
        CONSTANT(FIONCLEX),
        CONSTANT(FICLONE),
        CONSTANT(FICLONERANGE),
        CONSTANT(FS_IOC_GETFLAGS),
        CONSTANT(SECCOMP_IOCTL_NOTIF_RECV),
        CONSTANT(SECCOMP_IOCTL_NOTIF_SEND),
};

START_TEST(constant) {
        char text[128];

        (void)snprintf(text, sizeof(text), ALLOW "read arg0 = %s\n", constants[_i].name);
        PROFILE p = parse(text);
        ck_assert_uint_eq(p.rules[0].conditions[0].value, constants[_i].value);
}
END_TEST

/* @launch ---------------------------------------------------------------------------------------
 */

static void tell_call(const TqProfile *p, const char *name, TqBuffer *ret) {
        TqCallRule rules[8];
        TqProfile only = { .rules = rules };

        for (size_t i = 0; i < p->n_rules; i++)
                if (strcmp(p->rules[i].name, name) == 0) {
                        ck_assert_uint_lt(only.n_rules, TQ_ELEMENTSOF(rules));
                        rules[only.n_rules++] = p->rules[i];
                }
        tell(&only, ret);
}

/* A profile with a rank, which says nothing else, is @launch. */
START_TEST(launch_of_rank) {
        const char *rank = tq_profile_rank_to_string((TqProfileRank)_i);
        PROFILE launch = parse(ALLOW "@launch\n");
        char text[128];

        (void)snprintf(text, sizeof(text), "rank = %s\notherwise = kill\n", rank);
        PROFILE p = parse(text);
        ck_assert_int_eq(p.rank, _i);
        ck_assert_int_eq(p.otherwise, TQ_CALL_KILL);
        ck_assert_uint_gt(launch.n_rules, 30);
        ck_assert_uint_eq(p.n_rules, launch.n_rules);
        for (size_t i = 0; i < launch.n_rules; i++) {
                TQ_BUFFER_CLEANUP TqBuffer got = {}, want = {};

                tell_call(&p, launch.rules[i].name, &got);
                tell_call(&launch, launch.rules[i].name, &want);
                ck_assert_str_eq(tq_buffer_string(&got), tq_buffer_string(&want));
        }
}
END_TEST

START_TEST(no_launch_without_rank) {
        PROFILE p = parse("otherwise = kill\n[deny]\nexecve\n");

        ck_assert_int_eq(p.rank, _TQ_RANK_INVALID);
        ck_assert_uint_eq(p.n_rules, 1);
}
END_TEST

/* Whoever watches over a payload is under its filter too, whatever that one says. */
START_TEST(launch_has_what_watch_needs) {
        PROFILE watch = parse(tq_profilefile_builtin("watch"));
        PROFILE p = parse("rank = strict\notherwise = kill\n");

        for (size_t i = 0; i < watch.n_rules; i++) {
                TQ_BUFFER_CLEANUP TqBuffer got = {}, want = {};
                const char *name = watch.rules[i].name;

                tell_call(&p, name, &got);
                tell_call(&watch, name, &want);
                ck_assert_msg(strcmp(tq_buffer_string(&got), tq_buffer_string(&want)) == 0,
                              "%s: in watch \"%s\", in @launch \"%s\"", name,
                              tq_buffer_string(&want), tq_buffer_string(&got));
        }
}
END_TEST

#define RANK "rank = strict\notherwise = kill\n[allow]\n"

static const struct {
        const char *text, *call, *want;
} launch_rows[] = {
        /* Beside the profile's own conditions, and nothing beside none. */
        { RANK "clone arg0 = 17\n", "clone", "clone allow 0=11; clone allow 0&7e020000=0" },
        { RANK "ioctl arg1 = TCGETS\n", "ioctl",
          "ioctl allow 1=5401; ioctl allow 1=c0502100; ioctl allow 1=c0182101" },
        { RANK "ioctl\n", "ioctl", "ioctl allow" },
        { RANK "clone\nread arg0 = 0\n", "clone", "clone allow" },
        { RANK "clone\nread arg0 = 0\n", "read", "read allow 0=0; read allow" },
        { RANK "@files\n", "ioctl", "ioctl allow" },
        { RANK "[deny]\nsocket\n", "socket", "socket deny" },
        /* Named as a group, and with another that has all of a call: in any order. */
        { ALLOW "@launch\n@files\n", "ioctl", "ioctl allow" },
        { ALLOW "@files\n@launch\n", "ioctl", "ioctl allow" },
        { ALLOW "@launch\n@files\nioctl arg1 = 1\n", "ioctl", "ioctl allow 1=1" },
};

START_TEST(launch) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        PROFILE p = parse(launch_rows[_i].text);

        tell_call(&p, launch_rows[_i].call, &got);
        ck_assert_str_eq(tq_buffer_string(&got), launch_rows[_i].want);
}
END_TEST

/* Those that are part of the program ------------------------------------------------------------
 */

static const struct {
        const char *name;
        TqProfileRank rank;
        TqCallAction otherwise;
} builtins[] = {
        { "strict", TQ_RANK_STRICT, TQ_CALL_KILL },
        { "no-network", TQ_RANK_NO_NETWORK, TQ_CALL_ABSENT },
        { "default", TQ_RANK_DEFAULT, TQ_CALL_ABSENT },
        { "debug", TQ_RANK_DEBUG, TQ_CALL_ABSENT },
        { "permissive", TQ_RANK_PERMISSIVE, TQ_CALL_ABSENT },
        { "engine", _TQ_RANK_INVALID, TQ_CALL_ABSENT },
        { "watch", _TQ_RANK_INVALID, TQ_CALL_KILL },
};

START_TEST(builtin) {
        const char *text = tq_profilefile_builtin(builtins[_i].name);

        ck_assert_ptr_nonnull(text);
        ck_assert_uint_le(strlen(text), TQ_PROFILEFILE_MAX);
        PROFILE p = parse(text);
        ck_assert_int_eq(p.rank, builtins[_i].rank);
        ck_assert_int_eq(p.otherwise, builtins[_i].otherwise);
        ck_assert_uint_gt(p.n_rules, 0);
}
END_TEST

START_TEST(no_builtin) {
        ck_assert_ptr_null(tq_profilefile_builtin(""));
        ck_assert_ptr_null(tq_profilefile_builtin("Default"));
        ck_assert_ptr_null(tq_profilefile_builtin("defaul"));
        ck_assert_ptr_null(tq_profilefile_builtin("../profiles/default"));
}
END_TEST

/* Each group is one that can be named, and has calls. */
START_TEST(groups) {
        const char *text = tq_profilefile_builtin("groups");
        unsigned n = 0;

        ck_assert_ptr_nonnull(text);
        for (const char *at = text; (at = strstr(at, "\n[@")); at++, n++) {
                char profile[64];

                (void)snprintf(profile, sizeof(profile), ALLOW "%.*s\n", (int)strcspn(at + 2, "]"),
                               at + 2);
                PROFILE p = parse(profile);
                ck_assert_msg(p.n_rules > 0, "%s", profile);
        }
        ck_assert_uint_ge(n, 10);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "sizes");

        tcase_add_test(t, long_lines);
        tcase_add_test(t, many_rules);
        unit_add_rows(unit_case(s, "constants"), constant, constants);
        t = unit_case(s, "launch");
        tcase_add_loop_test(t, launch_of_rank, 0, _TQ_RANK_MAX);
        tcase_add_test(t, no_launch_without_rank);
        tcase_add_test(t, launch_has_what_watch_needs);
        unit_add_rows(t, launch, launch_rows);
        t = unit_case(s, "builtin");
        unit_add_rows(t, builtin, builtins);
        tcase_add_test(t, no_builtin);
        tcase_add_test(t, groups);
}

int main(void) {
        return unit_main("conf/profilefile", fill);
}
