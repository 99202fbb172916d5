/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/retry.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/parse.h"

/* An attempt that failed is repeated if its file says so of such an end, and there are attempts
 * left. The words are those of the verdicts, and the numbers and names those that systemd has in
 * RestartForceExitStatus= (systemd.service(5)). Nobody's clock and nobody's dice are asked: the
 * jitter comes from the job's number, so that a test knows it. */

/* What may be repeated; the others are somebody's will, or no attempt. */
static const TqOutcome repeatable[] = {
        TQ_OUTCOME_EXIT,    TQ_OUTCOME_SIGNAL,  TQ_OUTCOME_OOM,   TQ_OUTCOME_TIMEOUT,
        TQ_OUTCOME_STALLED, TQ_OUTCOME_SECCOMP, TQ_OUTCOME_SPAWN, TQ_OUTCOME_LOST,
};

void tq_retry_init(TqRetry *r) {
        *r = (TqRetry){
                .max_attempts = 1,
                .is_exponential = true,
                .delay_usec = TQ_RETRY_USEC,
                .max_delay_usec = TQ_RETRY_MAX_USEC,
        };
}

/* Sets ------------------------------------------------------------------------------------------
 */

static void add_code(TqEndSet *set, unsigned code) {
        set->codes[code / 64] |= UINT64_C(1) << code % 64;
}

static bool has_code(const TqEndSet *set, int code) {
        return code >= 0 && code < 256 && set->codes[code / 64] >> code % 64 & 1;
}

static bool has_signal(const TqEndSet *set, int signal) {
        return signal > 0 && signal <= 64 && set->signals >> (signal - 1) & 1;
}

static int signal_from_string(const char *s) {
        if (strncmp(s, "SIG", 3) == 0)
                s += 3;
        for (int i = 1; i < NSIG; i++) {
                const char *name = sigabbrev_np(i);

                if (name && strcmp(name, s) == 0)
                        return i;
        }
        return -EINVAL;
}

static int add_codes(TqEndSet *set, const char *word) {
        char first[8];
        const char *dash = strchr(word, '-');
        uint64_t from, to;
        size_t n = dash ? (size_t)(dash - word) : strlen(word);

        if (n >= sizeof(first))
                return -EINVAL;
        memcpy(first, word, n);
        first[n] = '\0';
        if (tq_parse_u64_in(first, 1, 255, &from) < 0)
                return -EINVAL;
        to = from;
        if (dash && tq_parse_u64_in(dash + 1, from, 255, &to) < 0)
                return -EINVAL;
        for (uint64_t code = from; code <= to; code++)
                add_code(set, (unsigned)code);
        return 0;
}

static int add_word(TqEndSet *set, const char *word) {
        int signal = signal_from_string(word);

        for (size_t i = 0; i < TQ_ELEMENTSOF(repeatable); i++)
                if (strcmp(word, tq_verdict_outcome_to_string(repeatable[i])) == 0) {
                        set->outcomes |= UINT32_C(1) << repeatable[i];
                        return 0;
                }
        if (signal <= 0)
                return add_codes(set, word);
        set->signals |= UINT64_C(1) << (signal - 1);
        return 0;
}

int tq_retry_parse_ends(const char *text, TqEndSet *set) {
        char copy[TQ_RETRY_TEXT_MAX], *rest = copy, *word;
        TqEndSet grown = *set;
        int r = -EINVAL; /* no word at all is none either */

        if (strlen(text) >= sizeof(copy))
                return -EINVAL;
        memcpy(copy, text, strlen(text) + 1);
        while ((word = strsep(&rest, " \t,"))) {
                if (word[0] == '\0')
                        continue;
                r = add_word(&grown, word);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                *set = grown;
        return r;
}

void tq_retry_set_failures(TqEndSet *set) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(repeatable); i++)
                if (repeatable[i] != TQ_OUTCOME_LOST)
                        set->outcomes |= UINT32_C(1) << repeatable[i];
}

static bool has(const TqEndSet *set, const TqVerdict *v) {
        /* To a job it is all one why nobody knows what became of it. */
        TqOutcome o = v->outcome == TQ_OUTCOME_INTERRUPTED ? TQ_OUTCOME_LOST : v->outcome;

        return set->outcomes >> o & 1 || (o == TQ_OUTCOME_EXIT && has_code(set, v->code)) ||
               (o == TQ_OUTCOME_SIGNAL && has_signal(set, v->code));
}

/* Decisions -------------------------------------------------------------------------------------
 */

bool tq_retry_applies(const TqRetry *r, const TqVerdict *v, unsigned failures) {
        if (failures >= r->max_attempts || tq_verdict_is_well(v))
                return false;
        return has(&r->on, v) && !has(&r->never, v);
}

bool tq_retry_is_dead(const TqRetry *r, const TqVerdict *v) {
        if (v->outcome == TQ_OUTCOME_LOST || v->outcome == TQ_OUTCOME_INTERRUPTED)
                return true;
        for (size_t i = 0; r && i < TQ_ELEMENTSOF(repeatable); i++)
                if (v->outcome == repeatable[i])
                        return !tq_verdict_is_well(v);
        return false;
}

uint64_t tq_retry_delay(const TqRetry *r, unsigned failures, uint64_t job) {
        uint64_t delay = r->delay_usec, part;

        for (unsigned i = 1; r->is_exponential && i < failures && delay < r->max_delay_usec; i++)
                delay = tq_add_u64(delay, delay);
        if (r->is_exponential)
                delay = TQ_MIN(delay, r->max_delay_usec);
        part = delay / 10;
        if (part == 0)
                return delay;
        return tq_add_u64(delay - part, tq_mix64(job * UINT64_C(0x9E3779B97F4A7C15) + failures) %
                                                tq_add_u64(2 * part, 1));
}

/* As a text -------------------------------------------------------------------------------------
 */

static void put(TqBuffer *out, bool *is_first, const char *key, const char *word) {
        tq_buffer_printf(out, "%s%s%s", *is_first ? key : "", *is_first ? "" : ",", word);
        *is_first = false;
}

static void format_ends(const TqEndSet *set, const char *key, TqBuffer *out) {
        bool is_first = true;
        char range[16];

        for (size_t i = 0; i < TQ_ELEMENTSOF(repeatable); i++)
                if (set->outcomes >> repeatable[i] & 1)
                        put(out, &is_first, key, tq_verdict_outcome_to_string(repeatable[i]));
        for (int i = 1; i < NSIG; i++)
                if (has_signal(set, i) && sigabbrev_np(i))
                        put(out, &is_first, key, sigabbrev_np(i));
        for (int i = 1; i < 256; i++) {
                int to = i;

                if (!has_code(set, i))
                        continue;
                while (has_code(set, to + 1))
                        to++;
                (void)snprintf(range, sizeof(range), to > i ? "%d-%d" : "%d", i, to);
                put(out, &is_first, key, range);
                i = to;
        }
}

void tq_retry_format(const TqRetry *r, TqBuffer *out) {
        tq_buffer_printf(out, "attempts=%u backoff=%s delay_usec=%" PRIu64 " max_usec=%" PRIu64,
                         r->max_attempts, r->is_exponential ? "exponential" : "fixed",
                         r->delay_usec, r->max_delay_usec);
        format_ends(&r->on, " on=", out);
        format_ends(&r->never, " never=", out);
}

static int parse_field(const char *key, const char *value, TqRetry *r) {
        uint64_t v;

        if (strcmp(key, "on") == 0)
                return tq_retry_parse_ends(value, &r->on);
        if (strcmp(key, "never") == 0)
                return tq_retry_parse_ends(value, &r->never);
        if (strcmp(key, "delay_usec") == 0)
                return tq_parse_u64(value, &r->delay_usec);
        if (strcmp(key, "max_usec") == 0)
                return tq_parse_u64(value, &r->max_delay_usec);
        if (strcmp(key, "backoff") == 0) {
                r->is_exponential = strcmp(value, "exponential") == 0;
                return r->is_exponential || strcmp(value, "fixed") == 0 ? 0 : -EINVAL;
        }
        if (strcmp(key, "attempts") != 0 ||
            tq_parse_u64_in(value, 1, TQ_RETRY_ATTEMPTS_MAX, &v) < 0)
                return -EINVAL;
        r->max_attempts = (unsigned)v;
        return 0;
}

int tq_retry_parse(const char *text, TqRetry *ret) {
        char copy[3 * TQ_RETRY_TEXT_MAX], *rest = copy, *word;
        TqRetry retry;
        int r = 0;

        tq_retry_init(&retry);
        if (strlen(text) >= sizeof(copy))
                return -EINVAL;
        memcpy(copy, text, strlen(text) + 1);
        while (r >= 0 && (word = strsep(&rest, " "))) {
                char *value = strchr(word, '=');

                if (!value)
                        return -EINVAL;
                *value++ = '\0';
                r = parse_field(word, value, &retry);
        }
        if (r >= 0)
                *ret = retry;
        return r;
}
