/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/retry.h"

#include <signal.h>
#include <stdio.h>

#include "unit.h"

/* Which ends are repeated, and when. */

#define SEC  UINT64_C(1000000)
#define HOUR (3600 * SEC)

/* Words ---------------------------------------------------------------------------------------- */

static const struct {
        const char *text;
        const char *want; /* as it is written again; NULL: refused */
} word_rows[] = {
        { "exit", "exit" },
        { "signal", "signal" },
        { "oom timeout stalled seccomp spawn lost", "oom,timeout,stalled,seccomp,spawn,lost" },
        { "lost,exit", "exit,lost" },
        { "1", "1" },
        { "255", "255" },
        { "1-255", "1-255" },
        { "7-7", "7" },
        { "3 1 2", "1-3" },
        { "1,3", "1,3" },
        { "63-64 65", "63-65" }, /* from one word of the set into the next */
        { "127-128,191-192", "127-128,191-192" },
        { "TERM", "TERM" },
        { "SIGTERM", "TERM" },
        { "KILL HUP", "HUP,KILL" },
        { "  oom ,, 75\tSEGV, ", "oom,SEGV,75" },
        { "exit exit 1 1-2", "exit,1-2" },
        { "", NULL },
        { " ,\t", NULL },
        { "0", NULL }, /* that is no failure */
        { "0-3", NULL },
        { "256", NULL },
        { "250-256", NULL },
        { "3-1", NULL },
        { "1-", NULL },
        { "-1", NULL },
        { "1-2-3", NULL },
        { "1.5", NULL },
        { "0x10", NULL },
        { "18446744073709551617", NULL },
        { "00000001", NULL },
        { "cancelled", NULL },
        { "deadline", NULL },
        { "dependency", NULL },
        { "interrupted", NULL }, /* to a job it is the same as lost */
        { "none", NULL },
        { "Exit", NULL },
        { "term", NULL },
        { "SIG", NULL },
        { "SIGSIGTERM", NULL },
        { "SIGRTMIN", NULL },
        { "SIG9", NULL },
        { "exit;signal", NULL },
        { "exit nonsense", NULL },
};

static char *as_text(const TqEndSet *set, char *text, size_t size) {
        TQ_BUFFER_CLEANUP TqBuffer buffer = {};
        TqRetry r;
        char *on;

        tq_retry_init(&r);
        r.on = *set;
        tq_retry_format(&r, &buffer);
        on = strstr(tq_buffer_string(&buffer), " on=");
        (void)snprintf(text, size, "%s", on ? on + 4 : "");
        return text;
}

START_TEST(words) {
        TqEndSet before = { .outcomes = UINT32_C(1) << TQ_OUTCOME_OOM, .codes = { 2 } };
        TqEndSet set = {}, kept = before;
        char text[TQ_RETRY_TEXT_MAX];

        if (word_rows[_i].want) {
                ck_assert_int_eq(tq_retry_parse_ends(word_rows[_i].text, &set), 0);
                ck_assert_str_eq(as_text(&set, text, sizeof(text)), word_rows[_i].want);
                ck_assert(!tq_retry_is_empty(&set));
                return;
        }
        ck_assert_int_eq(tq_retry_parse_ends(word_rows[_i].text, &kept), -EINVAL);
        ck_assert_mem_eq(&kept, &before, sizeof(kept));
}
END_TEST

/* They are added to what the set has. */
START_TEST(words_add_up) {
        char text[TQ_RETRY_TEXT_MAX];
        TqEndSet set = {};

        ck_assert(tq_retry_is_empty(&set));
        ck_assert_int_eq(tq_retry_parse_ends("1 oom", &set), 0);
        ck_assert_int_eq(tq_retry_parse_ends("2 KILL", &set), 0);
        ck_assert_str_eq(as_text(&set, text, sizeof(text)), "oom,KILL,1-2");
        set = (TqEndSet){};
        tq_retry_set_failures(&set);
        ck_assert_str_eq(as_text(&set, text, sizeof(text)),
                         "exit,signal,oom,timeout,stalled,seccomp,spawn");
}
END_TEST

START_TEST(long_words) {
        char text[TQ_RETRY_TEXT_MAX + 1];
        TqEndSet set = {};

        memset(text, ' ', sizeof(text));
        memcpy(text, "exit", 4);
        text[TQ_RETRY_TEXT_MAX - 1] = '\0';
        ck_assert_int_eq(tq_retry_parse_ends(text, &set), 0);
        text[TQ_RETRY_TEXT_MAX - 1] = ' ';
        text[TQ_RETRY_TEXT_MAX] = '\0';
        ck_assert_int_eq(tq_retry_parse_ends(text, &set), -EINVAL);
}
END_TEST

/* A policy as a text --------------------------------------------------------------------------- */

static const char *const policies[] = {
        "attempts=1 backoff=exponential delay_usec=30000000 max_usec=3600000000",
        "attempts=3 backoff=fixed delay_usec=0 max_usec=0 on=exit,signal never=75",
        "attempts=1000 backoff=exponential delay_usec=18446744073709551615 "
        "max_usec=18446744073709551615 on=oom,KILL,1-3 never=HUP,255",
        "attempts=5 backoff=fixed delay_usec=1 max_usec=2 never=lost",
};

START_TEST(text) {
        TQ_BUFFER_CLEANUP TqBuffer again = {};
        TqRetry r;

        ck_assert_int_eq(tq_retry_parse(policies[_i], &r), 0);
        tq_retry_format(&r, &again);
        ck_assert_str_eq(tq_buffer_string(&again), policies[_i]);
}
END_TEST

/* As long as it can be: all words, all signals, every second code. */
START_TEST(longest_text) {
        TQ_BUFFER_CLEANUP TqBuffer written = {}, again = {};
        TqRetry r, same = {};

        tq_retry_init(&r);
        r.max_attempts = TQ_RETRY_ATTEMPTS_MAX;
        r.delay_usec = r.max_delay_usec = UINT64_MAX;
        tq_retry_set_failures(&r.on);
        r.on.outcomes |= UINT32_C(1) << TQ_OUTCOME_LOST;
        for (int i = 1; i < NSIG; i++)
                if (sigabbrev_np(i))
                        r.on.signals |= UINT64_C(1) << (i - 1);
        for (int i = 0; i < 4; i++)
                r.on.codes[i] = UINT64_C(0xAAAAAAAAAAAAAAAA);
        r.never = r.on;
        tq_retry_format(&r, &written);
        ck_assert_int_eq(tq_retry_parse(tq_buffer_string(&written), &same), 0);
        ck_assert_int_eq(memcmp(&same.on, &r.on, sizeof(r.on)), 0);
        ck_assert_int_eq(memcmp(&same.never, &r.never, sizeof(r.never)), 0);
        tq_retry_format(&same, &again);
        ck_assert_str_eq(tq_buffer_string(&again), tq_buffer_string(&written));
}
END_TEST

static const char *const no_policies[] = {
        "",
        "attempts",
        "attempts=0",
        "attempts=1001",
        "attempts=x",
        "attempts=3 ",
        "attempts=3  on=exit",
        "backoff=linear",
        "delay_usec=-1",
        "max_usec=1s",
        "on=",
        "on=nothing",
        "never=0",
        "colour=red",
};

START_TEST(no_text) {
        TqRetry r = { .max_attempts = 77 };

        ck_assert_int_eq(tq_retry_parse(no_policies[_i], &r), -EINVAL);
        ck_assert_uint_eq(r.max_attempts, 77);
}
END_TEST

START_TEST(text_too_long) {
        static char long_text[4 * TQ_RETRY_TEXT_MAX];
        TqRetry r;

        memset(long_text, 'x', sizeof(long_text) - 1);
        ck_assert_int_eq(tq_retry_parse(long_text, &r), -EINVAL);
}
END_TEST

/* Which ends ----------------------------------------------------------------------------------- */

#define EXIT(n)                                                                                    \
        { .outcome = TQ_OUTCOME_EXIT, .code = (n) }
#define SIGNAL(n)                                                                                  \
        { .outcome = TQ_OUTCOME_SIGNAL, .code = (n) }
#define OTHER(x)                                                                                   \
        { .outcome = TQ_OUTCOME_##x }

static const struct {
        const char *on, *never; /* NULL: none */
        TqVerdict verdict;
        bool applies;
} end_rows[] = {
        { "exit", NULL, EXIT(0), false },
        { "exit", NULL, EXIT(1), true },
        { "exit", NULL, EXIT(255), true },
        { "exit", "75", EXIT(75), false },
        { "exit", "75", EXIT(74), true },
        { "exit", "exit", EXIT(1), false },
        { "1-3 64", NULL, EXIT(1), true },
        { "1-3 64", NULL, EXIT(3), true },
        { "1-3 64", NULL, EXIT(4), false },
        { "1-3 64", NULL, EXIT(63), false },
        { "1-3 64", NULL, EXIT(64), true },
        { "1-255", NULL, EXIT(0), false },
        { "9", NULL, SIGNAL(9), false }, /* a code, no signal */
        { "KILL", NULL, EXIT(9), false },
        { "KILL", NULL, SIGNAL(9), true },
        { "KILL", NULL, SIGNAL(15), false },
        { "signal", "KILL", SIGNAL(9), false },
        { "signal", "KILL", SIGNAL(15), true },
        { "signal", NULL, SIGNAL(64), true },
        { "exit", NULL, SIGNAL(9), false },
        { "exit signal", NULL, OTHER(OOM), false },
        { "oom", NULL, OTHER(OOM), true },
        { "timeout", NULL, OTHER(TIMEOUT), true },
        { "stalled", NULL, OTHER(STALLED), true },
        { "seccomp", NULL, OTHER(SECCOMP), true },
        { "spawn", NULL, OTHER(SPAWN), true },
        { "lost", NULL, OTHER(LOST), true },
        { "lost", NULL, OTHER(INTERRUPTED), true },
        { "lost", "lost", OTHER(INTERRUPTED), false },
        { "exit signal oom timeout stalled seccomp spawn", NULL, OTHER(LOST), false },
        { "exit signal oom timeout stalled seccomp spawn", NULL, OTHER(INTERRUPTED), false },
        { "exit signal oom timeout stalled seccomp spawn lost", NULL, OTHER(CANCELLED), false },
        { "exit signal oom timeout stalled seccomp spawn lost", NULL, OTHER(DEADLINE), false },
        { "exit signal oom timeout stalled seccomp spawn lost", NULL, OTHER(DEPENDENCY), false },
        { "exit signal oom timeout stalled seccomp spawn lost", NULL, OTHER(NONE), false },
};

START_TEST(ends) {
        const TqVerdict *v = &end_rows[_i].verdict;
        TqRetry r;

        tq_retry_init(&r);
        if (end_rows[_i].on)
                ck_assert_int_eq(tq_retry_parse_ends(end_rows[_i].on, &r.on), 0);
        if (end_rows[_i].never)
                ck_assert_int_eq(tq_retry_parse_ends(end_rows[_i].never, &r.never), 0);
        ck_assert(!tq_retry_applies(&r, v, 1)); /* one attempt unless more are given */
        r.max_attempts = 3;
        ck_assert_int_eq(tq_retry_applies(&r, v, 1), end_rows[_i].applies);
        ck_assert_int_eq(tq_retry_applies(&r, v, 2), end_rows[_i].applies);
        ck_assert(!tq_retry_applies(&r, v, 3));
        ck_assert(!tq_retry_applies(&r, v, UINT32_MAX));
}
END_TEST

static const struct {
        TqVerdict verdict;
        bool with, without; /* [Retry] */
} dead_rows[] = {
        { EXIT(0), false, false },           { EXIT(1), true, false },
        { SIGNAL(9), true, false },          { OTHER(OOM), true, false },
        { OTHER(TIMEOUT), true, false },     { OTHER(STALLED), true, false },
        { OTHER(SECCOMP), true, false },     { OTHER(SPAWN), true, false },
        { OTHER(LOST), true, true },         { OTHER(INTERRUPTED), true, true },
        { OTHER(CANCELLED), false, false },  { OTHER(DEADLINE), false, false },
        { OTHER(DEPENDENCY), false, false },
};

START_TEST(dead) {
        TqRetry r;

        tq_retry_init(&r); /* what is not repeated is dead all the same */
        ck_assert_int_eq(tq_retry_is_dead(&r, &dead_rows[_i].verdict), dead_rows[_i].with);
        ck_assert_int_eq(tq_retry_is_dead(NULL, &dead_rows[_i].verdict), dead_rows[_i].without);
}
END_TEST

/* When ----------------------------------------------------------------------------------------- */

static const struct {
        bool is_exponential;
        uint64_t delay, most;
        unsigned failures;
        uint64_t want; /* within a tenth */
} delay_rows[] = {
        { false, 30 * SEC, HOUR, 1, 30 * SEC },
        { false, 30 * SEC, HOUR, 999, 30 * SEC },
        { false, 30 * SEC, SEC, 2, 30 * SEC }, /* the bound is of the exponential one */
        { true, 30 * SEC, HOUR, 1, 30 * SEC },
        { true, 30 * SEC, HOUR, 2, 60 * SEC },
        { true, 30 * SEC, HOUR, 3, 120 * SEC },
        { true, 30 * SEC, HOUR, 7, 1920 * SEC },
        { true, 30 * SEC, HOUR, 8, HOUR },
        { true, 30 * SEC, HOUR, 9, HOUR },
        { true, 30 * SEC, HOUR, 999, HOUR },
        { true, 30 * SEC, 60 * SEC, 2, 60 * SEC },
        { true, 30 * SEC, 60 * SEC, 3, 60 * SEC },
        { true, 30 * SEC, 59 * SEC, 2, 59 * SEC },
        { true, HOUR, HOUR, 1, HOUR },
        { true, 0, HOUR, 5, 0 },
        { true, 1, UINT64_MAX, 4, 8 },
        { true, 1, UINT64_MAX, 64, UINT64_C(1) << 63 },
};

START_TEST(delays) {
        uint64_t want = delay_rows[_i].want, least = UINT64_MAX, most = 0;
        TqRetry r;

        tq_retry_init(&r);
        r.is_exponential = delay_rows[_i].is_exponential;
        r.delay_usec = delay_rows[_i].delay;
        r.max_delay_usec = delay_rows[_i].most;
        for (uint64_t job = 1; job <= 1000; job++) {
                uint64_t got = tq_retry_delay(&r, delay_rows[_i].failures, job);

                ck_assert_uint_eq(got, tq_retry_delay(&r, delay_rows[_i].failures, job));
                ck_assert_uint_ge(got, want - want / 10);
                ck_assert_uint_le(got - want / 10, want);
                least = TQ_MIN(least, got);
                most = TQ_MAX(most, got);
        }
        /* All of the width is used. */
        if (want >= SEC) {
                ck_assert_uint_lt(least, want - want / 10 + want / 100);
                ck_assert_uint_gt(most, want + want / 10 - want / 100);
        }
}
END_TEST

/* Exact numbers: those of a job are the same for ever, also after a restart. */
START_TEST(jitter) {
        TqRetry r;

        tq_retry_init(&r);
        ck_assert_uint_eq(tq_retry_delay(&r, 1, 1), 32716244);
        ck_assert_uint_eq(tq_retry_delay(&r, 2, 1), 64613364);
        ck_assert_uint_eq(tq_retry_delay(&r, 1, 2), 31608821);
        /* Nothing to vary. */
        r.delay_usec = r.max_delay_usec = 9;
        ck_assert_uint_eq(tq_retry_delay(&r, 1, 1), 9);
        r.delay_usec = r.max_delay_usec = UINT64_MAX;
        ck_assert_uint_ge(tq_retry_delay(&r, 1, 1), UINT64_MAX - UINT64_MAX / 10);
        ck_assert_uint_ge(tq_retry_delay(&r, 1000, UINT64_MAX), UINT64_MAX - UINT64_MAX / 10);
}
END_TEST

static void fill(Suite *s) {
        TCase *texts = unit_case(s, "texts"), *ends_case = unit_case(s, "ends"),
              *times = unit_case(s, "times");

        unit_add_rows(texts, words, word_rows);
        tcase_add_test(texts, words_add_up);
        tcase_add_test(texts, long_words);
        unit_add_rows(texts, text, policies);
        tcase_add_test(texts, longest_text);
        unit_add_rows(texts, no_text, no_policies);
        tcase_add_test(texts, text_too_long);
        unit_add_rows(ends_case, ends, end_rows);
        unit_add_rows(ends_case, dead, dead_rows);
        unit_add_rows(times, delays, delay_rows);
        tcase_add_test(times, jitter);
}

int main(void) {
        return unit_main("core/retry", fill);
}
