/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_asked.h"

#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>

/* Calls that a profile allows for some arguments. The kernel looks at 32 bits of each of these:
 * what is refused must stay so, and what is allowed too, whatever stands in the high half. */

#define CALL(n) #n, SYS_##n
#define HIGH    (UINT64_C(1) << 40)
#define TOP     (UINT64_C(1) << 63)
#define BIT31   (UINT64_C(1) << 31)
#define ONES    UINT64_MAX

/* A character for each profile in the order of profile_names: strict, no-network, default, debug,
 * permissive; engine; watch. */
static const char letters[] = {
        [TQ_CALL_ALLOW] = 'a',
        [TQ_CALL_DENY] = 'd',
        [TQ_CALL_ABSENT] = '-',
        [TQ_CALL_KILL] = 'k',
};

typedef struct Row {
        const char *name;
        uint32_t number;
        uint64_t arguments[6];
        const char *want;
} Row;

#define NS_ALONE(flag)                                                                             \
        { CALL(clone), { (flag) | SIGCHLD }, "k-----k" }

static const Row rows[] = {
        { CALL(clone), { 0 }, "aaaaa-k" },
        { CALL(clone), { SIGCHLD }, "aaaaa-k" },
        { CALL(clone), { SIGCHLD | HIGH }, "aaaaa-k" },
        { CALL(clone), { SIGCHLD | HIGH | TOP }, "aaaaa-k" },
        { CALL(clone), { CLONE_VM | CLONE_VFORK | SIGCHLD }, "aaaaa-k" },
        { CALL(clone), { SIGCHLD, CLONE_NEWUSER, CLONE_NEWUSER }, "aaaaa-k" }, /* no flags */
        { CALL(clone), { CLONE_NEWTIME }, "aaaaa-k" }, /* of clone3(2) only: here a signal */
        { CALL(clone), { CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD }, "aaaaaak" },
        { CALL(clone), { CLONE_THREAD | HIGH }, "aaaaaak" },
        NS_ALONE(CLONE_NEWNS),
        NS_ALONE(CLONE_NEWUTS),
        NS_ALONE(CLONE_NEWIPC),
        NS_ALONE(CLONE_NEWUSER),
        NS_ALONE(CLONE_NEWPID),
        NS_ALONE(CLONE_NEWNET),
        NS_ALONE(CLONE_NEWCGROUP),
        NS_ALONE(CLONE_NEWUSER | HIGH),
        NS_ALONE(CLONE_NEWUSER | TOP),
        NS_ALONE(CLONE_NEWUSER | CLONE_VM | CLONE_VFORK),
        NS_ALONE(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET),
        NS_ALONE(CLONE_NEWNET | CLONE_THREAD),
        NS_ALONE(CLONE_NEWUSER | CLONE_THREAD | HIGH),
        NS_ALONE(ONES),

        { CALL(socket), { AF_UNSPEC, SOCK_STREAM }, "d---a-k" },
        { CALL(socket), { AF_UNIX, SOCK_STREAM }, "daaaa-k" },
        { CALL(socket), { AF_UNIX | HIGH, SOCK_STREAM }, "daaaa-k" },
        { CALL(socket), { AF_UNIX, SOCK_DGRAM }, "daaaa-k" },
        { CALL(socket), { AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC }, "daaaaak" },
        { CALL(socket), { AF_UNIX | HIGH, SOCK_DGRAM | SOCK_CLOEXEC | TOP }, "daaaaak" },
        { CALL(socket), { AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK }, "daaaa-k" },
        { CALL(socket), { AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC }, "daaaa-k" },
        { CALL(socket), { AF_INET, SOCK_STREAM }, "d-aaa-k" },
        { CALL(socket), { AF_INET | HIGH, SOCK_STREAM }, "d-aaa-k" },
        { CALL(socket), { AF_INET, SOCK_DGRAM | SOCK_CLOEXEC }, "d-aaa-k" },
        { CALL(socket), { AF_INET | BIT31, SOCK_STREAM }, "d---a-k" },
        { CALL(socket), { AF_INET6, SOCK_STREAM }, "d-aaa-k" },
        { CALL(socket), { AF_INET6 | TOP, SOCK_STREAM }, "d-aaa-k" },
        { CALL(socket), { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE }, "d-aaa-k" },
        { CALL(socket), { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE | HIGH }, "d-aaa-k" },
        { CALL(socket), { AF_NETLINK, SOCK_RAW, NETLINK_AUDIT }, "d---a-k" },
        { CALL(socket), { AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER | HIGH }, "d---a-k" },
        { CALL(socket), { AF_NETLINK | HIGH, SOCK_RAW, NETLINK_KOBJECT_UEVENT }, "d---a-k" },
        { CALL(socket), { AF_PACKET, SOCK_RAW }, "d---a-k" },
        { CALL(socket), { AF_PACKET | HIGH, SOCK_RAW }, "d---a-k" },
        { CALL(socket), { AF_PACKET | TOP, SOCK_RAW }, "d---a-k" },
        { CALL(socket), { AF_ALG, SOCK_SEQPACKET }, "d---a-k" },
        { CALL(socket), { AF_VSOCK | HIGH, SOCK_STREAM }, "d---a-k" },
        { CALL(socket), { ONES, SOCK_RAW }, "d---a-k" },

        { CALL(socketpair), { AF_UNIX, SOCK_STREAM }, "aaaaaak" },
        { CALL(socketpair), { AF_UNIX | HIGH, SOCK_STREAM }, "aaaaaak" },
        { CALL(socketpair), { AF_INET, SOCK_STREAM }, "k---a-k" },
        { CALL(socketpair), { AF_TIPC | HIGH, SOCK_STREAM }, "k---a-k" },

        { CALL(sendto), { 0, 0, 0, 0, 0, 0 }, "aaaaaak" },
        { CALL(sendto), { 0, 0, 0, 0, ONES, HIGH }, "aaaaaak" },
        { CALL(sendto), { 0, 0, 0, 0, 0, 16 }, "kaaaaak" },
        { CALL(sendto), { 0, 0, 0, 0, 0, 16 | HIGH }, "kaaaaak" },

        { CALL(ioctl), { 0, TCGETS }, "aaaaa-k" },
        { CALL(ioctl), { ONES, TCGETS | HIGH, ONES }, "aaaaa-k" },
        { CALL(ioctl), { 0, TIOCGPGRP }, "aaaaa-k" },
        { CALL(ioctl), { 0, TIOCGWINSZ }, "aaaaa-k" },
        { CALL(ioctl), { 0, FIONREAD }, "aaaaaak" },
        { CALL(ioctl), { 0, FIONREAD | HIGH | TOP }, "aaaaaak" },
        { CALL(ioctl), { 0, FIONBIO }, "aaaaa-k" },
        { CALL(ioctl), { 0, FIOCLEX }, "aaaaa-k" },
        { CALL(ioctl), { 0, FIONCLEX }, "aaaaa-k" },
        { CALL(ioctl), { 0, FICLONE }, "aaaaa-k" },
        { CALL(ioctl), { 0, FICLONERANGE }, "aaaaa-k" },
        { CALL(ioctl), { 0, FS_IOC_GETFLAGS }, "aaaaa-k" },
        { CALL(ioctl), { 0, SECCOMP_IOCTL_NOTIF_RECV }, "aaaaa-a" },
        { CALL(ioctl), { 0, SECCOMP_IOCTL_NOTIF_RECV | HIGH }, "aaaaa-a" },
        { CALL(ioctl), { 0, SECCOMP_IOCTL_NOTIF_SEND }, "aaaaa-a" },
        { CALL(ioctl), { 0, SECCOMP_IOCTL_NOTIF_ADDFD }, "kaaaa-k" },
        { CALL(ioctl), { 0, TIOCSTI }, "kaaaa-k" },
        { CALL(ioctl), { 0, TIOCSTI | HIGH }, "kaaaa-k" },
        { CALL(ioctl), { 0, FIONREAD | BIT31 }, "kaaaa-k" },
        { CALL(ioctl), { FIONREAD, 0, FIONREAD }, "kaaaa-k" }, /* no requests */
        { CALL(ioctl), { 0, FS_IOC_SETFLAGS }, "kaaaa-k" },
        { CALL(ioctl), { 0, ONES }, "kaaaa-k" },

        { CALL(personality), { PER_LINUX }, "kaaaa-k" },
        { CALL(personality), { PER_LINUX | HIGH }, "kaaaa-k" },
        { CALL(personality), { 0xFFFFFFFF }, "kaaaa-k" },
        { CALL(personality), { ONES }, "kaaaa-k" },
        { CALL(personality), { 0xFFFFFFFE }, "k---a-k" },
        { CALL(personality), { ADDR_NO_RANDOMIZE }, "k--aa-k" },
        { CALL(personality), { ADDR_NO_RANDOMIZE | HIGH }, "k--aa-k" },
        { CALL(personality), { ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC }, "k---a-k" },
        { CALL(personality), { READ_IMPLIES_EXEC | HIGH }, "k---a-k" },
        { CALL(personality), { PER_LINUX32 }, "k---a-k" },
};

enum { N_ROWS = TQ_ELEMENTSOF(rows) };

/* Each difference is printed. */
START_TEST(by_arguments) {
        static const TqFilterMode modes[] = { TQ_FILTER_ALONE, TQ_FILTER_WATCHED };
        int profile = _i / 2;
        TqFilterMode mode = modes[_i % 2];
        TqFilter filter = compile_builtin(profile, mode);
        Question questions[N_ROWS];
        TqCallAction got[N_ROWS];
        unsigned n = 0;

        for (int i = 0; i < N_ROWS; i++) {
                questions[i] = (Question){ .number = rows[i].number };
                memcpy(questions[i].arguments, rows[i].arguments, sizeof(rows[i].arguments));
        }
        ask(&filter, mode, questions, N_ROWS, got);
        tq_filter_done(&filter);
        for (int i = 0; i < N_ROWS; i++) {
                const uint64_t *a = rows[i].arguments;

                ck_assert_uint_eq(strlen(rows[i].want), N_PROFILES);
                if (letters[got[i]] == rows[i].want[profile])
                        continue;
                (void)printf("%s(%#jx, %#jx, %#jx): %s: got %c, wanted %c\n", rows[i].name,
                             (uintmax_t)a[0], (uintmax_t)a[1], (uintmax_t)a[2],
                             profile_names[profile], letters[got[i]], rows[i].want[profile]);
                n++;
        }
        ck_assert_msg(n == 0, "%u differences", n);
}
END_TEST

/* What a rule says, without a filter: kernel/filter.c does it by 64 bits. */
static bool holds(const TqCallRule *rule, const uint64_t arguments[6]) {
        for (size_t i = 0; i < rule->n_conditions; i++) {
                const TqCallCondition *c = &rule->conditions[i];

                if (((uint32_t)arguments[c->argument] & c->mask) != c->value)
                        return false;
        }
        return true;
}

static bool a_row_meets(const TqCallRule *rule, bool is_met) {
        for (int i = 0; i < N_ROWS; i++)
                if (strcmp(rows[i].name, rule->name) == 0 &&
                    holds(rule, rows[i].arguments) == is_met)
                        return true;
        return false;
}

/* A condition that is added to a profile wants rows above. */
START_TEST(none_is_forgotten) {
        TqProfile p = parse_builtin(_i);

        for (size_t i = 0; i < p.n_rules; i++)
                if (p.rules[i].n_conditions > 0)
                        ck_assert_msg(a_row_meets(&p.rules[i], true) &&
                                              a_row_meets(&p.rules[i], false),
                                      "%s: no rows for %s of line %u", p.name, p.rules[i].name,
                                      p.rules[i].line);
        tq_profile_done(&p);
}
END_TEST

static TqCallAction action_by_rules(const TqProfile *p, const char *name,
                                    const uint64_t arguments[6]) {
        for (size_t i = 0; i < p->n_rules; i++)
                if (strcmp(p->rules[i].name, name) == 0 && holds(&p->rules[i], arguments))
                        return p->rules[i].action;
        return p->otherwise;
}

/* Near what a condition wants: it, a bit away from it, or anything; with a high half or none. */
static uint64_t draw(const TqCallCondition *c, uint64_t *random) {
        uint64_t r = unit_random(random), v = c->value;

        if (r % 4 == 1)
                v ^= UINT64_C(1) << (r >> 8) % 32;
        else if (r % 4 == 2)
                v |= (r >> 32) & ~c->mask;
        else if (r % 4 == 3)
                v = (uint32_t)(r >> 32);
        return r & 64 ? v | unit_random(random) << 32 : v;
}

/* The filter does what the rules say, for arguments that nobody thought of. */
START_TEST(as_the_rules_say) {
        enum { ROUNDS = 200 };
        TqProfile p = parse_builtin(_i);
        TqFilter filter = compile_builtin(_i, TQ_FILTER_WATCHED);
        uint64_t random = 1 + (uint64_t)_i;
        Question questions[ROUNDS] = {};
        TqCallAction got[ROUNDS];

        for (size_t i = 0; i < p.n_rules; i++) {
                const TqCallRule *rule = &p.rules[i];

                if (rule->n_conditions == 0)
                        continue;
                for (int k = 0; k < ROUNDS; k++) {
                        questions[k].number = (uint32_t)seccomp_syscall_resolve_name(rule->name);
                        for (size_t c = 0; c < rule->n_conditions; c++)
                                questions[k].arguments[rule->conditions[c].argument] =
                                        draw(&rule->conditions[c], &random);
                }
                ask(&filter, TQ_FILTER_WATCHED, questions, ROUNDS, got);
                for (int k = 0; k < ROUNDS; k++) {
                        const uint64_t *a = questions[k].arguments;
                        TqCallAction want = action_by_rules(&p, rule->name, a);

                        unit_must(got[k] == want, "%s: %s(%#jx, %#jx, %#jx): got %s, wanted %s",
                                  p.name, rule->name, (uintmax_t)a[0], (uintmax_t)a[1],
                                  (uintmax_t)a[2], tq_profile_action_to_string(got[k]),
                                  tq_profile_action_to_string(want));
                }
        }
        tq_filter_done(&filter);
        tq_profile_done(&p);
}
END_TEST

/* What the kernel would refuse when a job starts is refused when the profile is read. */
START_TEST(too_many) {
        TQ_FREE TqCallRule *rules = calloc(512, sizeof(*rules));
        TqProfile p = { .name = "big", .otherwise = TQ_CALL_ABSENT, .rules = rules };
        TqFilter filter = {};
        TqError err = {};

        ck_assert_ptr_nonnull(rules);
        for (uint32_t i = 0; i < 512; i++) {
                rules[i] = (TqCallRule){ .name = "ioctl", .n_conditions = 3 };
                for (uint8_t k = 0; k < 3; k++)
                        rules[i].conditions[k] = (TqCallCondition){ .argument = k,
                                                                    .mask = UINT32_MAX,
                                                                    .value = i * (k + 1) };
        }
        p.n_rules = 256;
        ck_assert_int_eq(tq_filter_compile(&p, TQ_FILTER_WATCHED, &filter, NULL), 0);
        ck_assert_uint_le(filter.n, BPF_MAXINSNS);
        tq_filter_done(&filter);
        p.n_rules = 512;
        ck_assert_int_eq(tq_filter_compile(&p, TQ_FILTER_WATCHED, &filter, &err), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(err.text, "the kernel takes 4096"));
        ck_assert_ptr_null(filter.code);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "conditions");

        tcase_add_loop_test(t, by_arguments, 0, 2 * N_PROFILES);
        tcase_add_loop_test(t, none_is_forgotten, 0, N_PROFILES);
        tcase_add_loop_test(t, as_the_rules_say, 0, N_PROFILES);
        tcase_add_test(unit_case(s, "size"), too_many);
}

int main(void) {
        return unit_main("kernel/filter conditions", fill);
}
