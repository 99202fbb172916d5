/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_asked.h"

#include <seccomp.h>

/* Each profile × each number of a system call, by each way into the kernel: what its filter does,
 * beside the table golden/calls.txt. A changed profile is seen there line by line:
 *
 *       GOLDEN_UPDATE=1 build/unit/kernel_golden && git diff tests/unit/golden
 *
 * Which names there are is the library's knowledge. A number that it has no name for is what is not
 * named in a profile; a name that it has learned since the table was written is so too, unless the
 * profile waits for it ("-name"). Calls with conditions stand in the table as with arguments of
 * nothing but 0: kernel_conditions.c tries the others.
 *
 * Filters of jobs are asked as they are for a job that nobody listens to (ALONE), and as they are
 * used (WATCHED, AUDIT). */

#ifdef __x86_64__

#define GOLDEN  "tests/unit/golden/calls.txt"
#define NUMBERS 600 /* 512 … 547 are x32's */
#define I386    461
#define X32     0x40000000U
#define HIGH    (UINT64_C(1) << 40)

/* uretprobe and uprobe, which Linux 6.13 and later asks no filter about: they end whoever comes
 * from anywhere but a probe. */
#define UNASKED_FIRST 335
#define UNASKED       2

static const uint32_t far_off[] = { 1023, 4096, 65535, 100000, 0x3FFFFFFF };

enum { N_NEAR = NUMBERS - UNASKED, N_ASKED = N_NEAR + TQ_ELEMENTSOF(far_off) };

typedef struct Line {
        char name[TQ_CALL_NAME_MAX + 1]; /* "": there is no such line */
        TqCallAction actions[N_PROFILES];
} Line;

typedef struct Golden {
        Line lines[NUMBERS];
        uint32_t last;
} Golden;

typedef char Name[64];

static uint32_t asked_number(size_t i) {
        if (i >= N_NEAR)
                return far_off[i - N_NEAR];
        return (uint32_t)(i < UNASKED_FIRST ? i : i + UNASKED);
}

/* false: the library has none. */
static bool name_of(uint32_t number, Name ret) {
        TQ_FREE char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, (int)number);

        (void)snprintf(ret, sizeof(Name), "%s", name ? name : "without a name");
        return name != NULL;
}

static void fill_questions(Question ret[N_ASKED], uint32_t bits, uint64_t argument) {
        for (size_t i = 0; i < N_ASKED; i++) {
                ret[i] = (Question){ .number = asked_number(i) | bits };
                for (int k = 0; k < 6; k++)
                        ret[i].arguments[k] = argument;
        }
}

/* "NUMBER NAME ACTION…", an action for each profile; by number, so that no line is there twice. */
static void read_line(Golden *g, char *text, unsigned n) {
        const char *number, *name;
        char *save = NULL;
        unsigned long value;
        Line *line;

        number = strtok_r(text, " \n", &save);
        if (!number || number[0] == '#')
                return;
        name = strtok_r(NULL, " \n", &save);
        value = strtoul(number, NULL, 10);
        unit_must(name && value < NUMBERS && (value > g->last || g->last == 0), "%s:%u", GOLDEN, n);
        line = &g->lines[value];
        (void)snprintf(line->name, sizeof(line->name), "%s", name);
        for (int p = 0; p < N_PROFILES; p++) {
                const char *word = strtok_r(NULL, " \n", &save);

                line->actions[p] = word ? tq_profile_action_from_string(word) : _TQ_CALL_INVALID;
                unit_must(line->actions[p] >= 0, "%s:%u: %s", GOLDEN, n, profile_names[p]);
        }
        g->last = (uint32_t)value;
}

static void read_golden(Golden *ret) {
        FILE *f = fopen(GOLDEN, "re");
        char text[512];

        ck_assert_msg(f != NULL, "%s: %s", GOLDEN, strerror(errno));
        *ret = (Golden){};
        for (unsigned n = 1; fgets(text, sizeof(text), f); n++)
                read_line(ret, text, n);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_uint_gt(ret->last, 0);
}

/* As wide as its longest word. */
#define COLUMN(profile) (int)TQ_MAX(strlen(profile_names[profile]), strlen("absent"))

static void write_golden(TqCallAction actions[N_PROFILES][N_ASKED]) {
        FILE *f = fopen(GOLDEN, "we");

        ck_assert_msg(f != NULL, "%s: %s", GOLDEN, strerror(errno));
        (void)fprintf(f,
                      "# What becomes of each system call of x86_64 under each profile, its "
                      "arguments being 0\n"
                      "# (tests/unit/kernel_golden.c, which also writes this file).\n"
                      "# %-25s",
                      "");
        for (int p = 0; p < N_PROFILES; p++)
                (void)fprintf(f, " %*s", COLUMN(p), profile_names[p]);
        (void)fprintf(f, "\n");
        for (size_t i = 0; i < N_NEAR; i++) {
                Name name;

                if (!name_of(asked_number(i), name))
                        continue;
                (void)fprintf(f, "%3u %-23s", asked_number(i), name);
                for (int p = 0; p < N_PROFILES; p++)
                        (void)fprintf(f, " %*s", COLUMN(p),
                                      tq_profile_action_to_string(actions[p][i]));
                (void)fprintf(f, "\n");
        }
        ck_assert_int_eq(fclose(f), 0);
}

/* What the profile itself says of a number that has no line. */
static TqCallAction action_without_line(const TqProfile *p, const char *name) {
        for (size_t i = 0; i < p->n_rules; i++)
                if (p->rules[i].may_be_unknown && strcmp(p->rules[i].name, name) == 0)
                        return p->rules[i].action;
        return p->otherwise;
}

static TqCallAction wanted(const Golden *g, int profile, const TqProfile *p, uint32_t number) {
        const Line *line =
                number < NUMBERS && g->lines[number].name[0] != '\0' ? &g->lines[number] : NULL;
        Name name;

        if (!name_of(number, name))
                return p->otherwise;
        if (line)
                return strcmp(line->name, name) == 0 ? line->actions[profile] : _TQ_CALL_INVALID;
        return number > g->last ? action_without_line(p, name) : _TQ_CALL_INVALID;
}

/* Prints each difference; returns how many there are. */
static unsigned compare(int profile, TqFilterMode mode, const TqCallAction got[N_ASKED]) {
        TqProfile p = parse_builtin(profile);
        unsigned n = 0;
        Golden g;

        read_golden(&g);
        for (size_t i = 0; i < N_ASKED; i++) {
                uint32_t number = asked_number(i);
                TqCallAction want = wanted(&g, profile, &p, number);
                Name name;

                /* All that is not allowed is told of. */
                if (mode == TQ_FILTER_AUDIT && want > TQ_CALL_ALLOW)
                        want = TQ_CALL_KILL;
                if (got[i] == want)
                        continue;
                (void)name_of(number, name);
                (void)printf("%s (%u): %s: got %s, wanted %s\n", name, number,
                             profile_names[profile], tq_profile_action_to_string(got[i]),
                             want < 0 ? "a line of its own" : tq_profile_action_to_string(want));
                n++;
        }
        (void)fflush(stdout);
        tq_profile_done(&p);
        return n;
}

static void ask_and_compare(int profile, TqFilterMode mode, uint64_t argument) {
        TqFilter filter = compile_builtin(profile, mode);
        Question questions[N_ASKED];
        TqCallAction got[N_ASKED];
        unsigned n;

        fill_questions(questions, 0, argument);
        ask(&filter, mode, questions, N_ASKED, got);
        n = compare(profile, mode, got);
        tq_filter_done(&filter);
        ck_assert_msg(n == 0, "%u differences to %s", n, GOLDEN);
}

START_TEST(update) {
        static TqCallAction actions[N_PROFILES][N_ASKED];
        Question questions[N_ASKED];

        fill_questions(questions, 0, 0);
        for (int p = 0; p < N_PROFILES; p++) {
                TqFilter filter = compile_builtin(p, TQ_FILTER_ALONE);

                ask(&filter, TQ_FILTER_ALONE, questions, N_ASKED, actions[p]);
                tq_filter_done(&filter);
        }
        write_golden(actions);
}
END_TEST

START_TEST(alone) {
        ask_and_compare(_i, TQ_FILTER_ALONE, 0);
}
END_TEST

/* The kernel sees nothing of them in the arguments that profiles look at, and so neither may the
 * filter. */
START_TEST(high_bits) {
        ask_and_compare(_i, TQ_FILTER_ALONE, HIGH);
}
END_TEST

START_TEST(watched) {
        ask_and_compare(_i, TQ_FILTER_WATCHED, 0);
}
END_TEST

START_TEST(audit) {
        ask_and_compare(_i, TQ_FILTER_AUDIT, 0);
}
END_TEST

/* A job may ask for a stricter profile than its tenant's: it must not win anything by that. */
START_TEST(stricter_allows_less) {
        Golden g;

        for (int p = 0; p < N_RANKS; p++)
                ck_assert_str_eq(profile_names[p], tq_profile_rank_to_string((TqProfileRank)p));
        read_golden(&g);
        for (uint32_t i = 0; i <= g.last; i++)
                for (int p = 0; p + 1 < N_RANKS; p++)
                        ck_assert_msg(g.lines[i].name[0] == '\0' ||
                                              g.lines[i].actions[p] != TQ_CALL_ALLOW ||
                                              g.lines[i].actions[p + 1] == TQ_CALL_ALLOW,
                                      "%s: %s allows it, %s does not", g.lines[i].name,
                                      profile_names[p], profile_names[p + 1]);
}
END_TEST

/* ALONE takes a child for each of them, which is ten times as dear with the sanitizers. */
static const TqFilterMode foreign_modes[] = {
        TQ_FILTER_WATCHED,
#ifndef __SANITIZE_ADDRESS__
        TQ_FILTER_ALONE,
#endif
};

/* All of them end the job, under each profile. _i: profile and mode. */
static void ask_foreign(int i, const Question *questions, size_t n) {
        int profile = i / (int)TQ_ELEMENTSOF(foreign_modes);
        TqFilterMode mode = foreign_modes[i % (int)TQ_ELEMENTSOF(foreign_modes)];
        TqFilter filter = compile_builtin(profile, mode);
        TQ_FREE TqCallAction *got = calloc(n, sizeof(*got));

        ck_assert_ptr_nonnull(got);
        ask(&filter, mode, questions, n, got);
        tq_filter_done(&filter);
        for (size_t k = 0; k < n; k++)
                unit_must(got[k] == TQ_CALL_KILL, "number %#x: %s: got %s, wanted kill",
                          questions[k].number, profile_names[profile],
                          tq_profile_action_to_string(got[k]));
}

START_TEST(x32) {
        Question questions[N_ASKED];

        fill_questions(questions, X32, 0);
        ask_foreign(_i, questions, N_ASKED);
}
END_TEST

static bool has_i386(void) {
        static const Question getpid_of_i386 = { .number = 20, .is_i386 = true };
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
                _exit(call_asked(&getpid_of_i386));
        }
        status = unit_wait(pid);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

START_TEST(i386) {
        Question questions[I386];

        if (!has_i386())
                unit_skip("this kernel has no int 0x80");
        for (uint32_t i = 0; i < I386; i++)
                questions[i] = (Question){ .number = i, .is_i386 = true };
        ask_foreign(_i, questions, I386);
}
END_TEST

static void fill(Suite *s) {
        int foreign = N_PROFILES * (int)TQ_ELEMENTSOF(foreign_modes);
        TCase *t;

        if (getenv("GOLDEN_UPDATE")) {
                tcase_add_test(unit_case(s, "update"), update);
                return;
        }
        t = unit_case(s, "calls");
        tcase_add_loop_test(t, alone, 0, N_PROFILES);
        tcase_add_loop_test(t, high_bits, 0, N_PROFILES);
        tcase_add_loop_test(t, watched, 0, N_PROFILES);
        tcase_add_loop_test(t, audit, 0, N_PROFILES);
        tcase_add_test(t, stricter_allows_less);
        t = unit_case(s, "foreign");
        tcase_add_loop_test(t, x32, 0, foreign);
        tcase_add_loop_test(t, i386, 0, foreign);
}

#else

START_TEST(elsewhere) {
        unit_skip("golden/calls.txt is of x86_64");
}
END_TEST

static void fill(Suite *s) {
        tcase_add_test(unit_case(s, "elsewhere"), elsewhere);
}

#endif

int main(void) {
        return unit_main("kernel/golden", fill);
}
