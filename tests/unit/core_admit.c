/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/admit.h"

#include "unit.h"

#define SEC UINT64_C(1000000)
#define NOW (1000000 * SEC)

static uint64_t rate(const char *text) {
        TqLimits l = {};

        ck_assert_int_eq(tq_limits_set(&l, "enqueue_rate", text, TQ_SCOPE_TENANT, false, 0, NULL),
                         0);
        return l.value[TQ_KEY_ENQUEUE_RATE];
}

/* So many at once, then one each `each`. */
static const struct {
        const char *rate;
        uint64_t burst, each;
} bucket_rows[] = {
        { "1/s", 1, SEC },           { "10/s", 10, SEC / 10 },   { "3/s", 3, 333333 },
        { "1/min", 1, 60 * SEC },    { "100/min", 100, 600000 }, { "60/min", 60, SEC },
        { "1/h", 1, 3600 * SEC },    { "7/h", 7, 514285714 },    { "3600/h", 3600, SEC },
        { "1000000/s", 1000000, 1 },
};

START_TEST(bucket) {
        uint64_t burst = bucket_rows[_i].burst, each = bucket_rows[_i].each;
        TqBucket b = { .rate = rate(bucket_rows[_i].rate) };
        uint64_t now = NOW;

        ck_assert_uint_eq(tq_admit_tokens(&b, now), burst);
        ck_assert_uint_eq(tq_admit_delay(&b, now), 0);
        for (uint64_t i = 0; i < burst; i++) {
                unit_must(tq_admit_tokens(&b, now) == burst - i, "tokens");
                tq_admit_take(&b, now);
        }
        ck_assert_uint_eq(tq_admit_tokens(&b, now), 0);
        ck_assert_uint_eq(tq_admit_delay(&b, now), each);
        ck_assert_uint_eq(tq_admit_tokens(&b, now + each - 1), 0);
        ck_assert_uint_eq(tq_admit_delay(&b, now + each - 1), 1);
        ck_assert_uint_eq(tq_admit_tokens(&b, now + each), 1);
        ck_assert_uint_eq(tq_admit_delay(&b, now + each), 0);
        ck_assert_uint_eq(tq_admit_tokens(&b, now + each * burst - 1), burst - 1);
        /* Full again, and no fuller. */
        ck_assert_uint_eq(tq_admit_tokens(&b, now + each * burst), burst);
        ck_assert_uint_eq(tq_admit_tokens(&b, now + 1000 * each * burst), burst);
        ck_assert_uint_eq(tq_admit_tokens(&b, UINT64_MAX / 2), burst);
        /* In step with it each finds one. */
        for (int i = 0; i < 100; i++) {
                now += each;
                unit_must(tq_admit_tokens(&b, now) == 1, "tokens");
                tq_admit_take(&b, now);
                unit_must(tq_admit_tokens(&b, now) == 0, "tokens");
        }
}
END_TEST

/* In any window of one period at most twice the number pass: a full bucket and what runs in; over a
 * long time, the rate. */
START_TEST(over_time) {
        TqBucket b = { .rate = rate("100/min") };
        uint64_t random = 99, taken = 0, start = NOW, now = start;

        while (now < start + 3600 * SEC) {
                now += unit_random(&random) % (SEC / 5);
                if (tq_admit_tokens(&b, now) == 0)
                        continue;
                tq_admit_take(&b, now);
                taken++;
        }
        ck_assert_uint_le(taken, 6000 + 100);
        ck_assert_uint_ge(taken, 6000);
}
END_TEST

START_TEST(zero_and_max) {
        TqBucket none = { .rate = rate("0/s") }, all = { .rate = rate("max") };

        ck_assert_uint_eq(tq_admit_tokens(&none, NOW), 0);
        ck_assert_uint_eq(tq_admit_delay(&none, NOW), UINT64_MAX);
        ck_assert_uint_eq(tq_admit_tokens(&none, UINT64_MAX / 2), 0);
        ck_assert_uint_eq(tq_admit_tokens(&all, 0), UINT64_MAX);
        ck_assert_uint_eq(tq_admit_delay(&all, 0), 0);
        for (int i = 0; i < 100; i++)
                tq_admit_take(&all, NOW);
        ck_assert_uint_eq(tq_admit_tokens(&all, NOW), UINT64_MAX);
        ck_assert_uint_eq(all.empty_at, 0);
}
END_TEST

/* A minute after the boot an hour's bucket is as full as at any other time. */
START_TEST(just_booted) {
        TqBucket b = { .rate = rate("100/h") };

        ck_assert_uint_eq(tq_admit_tokens(&b, 60 * SEC), 100);
        ck_assert_uint_eq(tq_admit_tokens(&b, 0), 100);
        for (int i = 0; i < 100; i++)
                tq_admit_take(&b, 60 * SEC);
        ck_assert_uint_eq(tq_admit_tokens(&b, 60 * SEC), 0);
        ck_assert_uint_eq(tq_admit_delay(&b, 60 * SEC), 36 * SEC);
        ck_assert_uint_eq(tq_admit_tokens(&b, 96 * SEC), 1);
}
END_TEST

static void drain(TqBucket *b, uint64_t now) {
        while (tq_admit_tokens(b, now) > 0)
                tq_admit_take(b, now);
}

START_TEST(change_of_rate) {
        TqBucket b = { .rate = TQ_LIMIT_MAX };

        /* What was without bound is full. */
        tq_admit_set_rate(&b, rate("5/min"), NOW);
        ck_assert_uint_eq(tq_admit_tokens(&b, NOW), 5);
        tq_admit_take(&b, NOW);
        /* The same said again changes nothing. */
        tq_admit_set_rate(&b, rate("5/min"), NOW);
        ck_assert_uint_eq(tq_admit_tokens(&b, NOW), 4);
        drain(&b, NOW);
        tq_admit_set_rate(&b, rate("5/min"), NOW + SEC);
        ck_assert_uint_eq(tq_admit_tokens(&b, NOW + SEC), 0);
        ck_assert_uint_eq(tq_admit_delay(&b, NOW + SEC), 11 * SEC);
        /* Drained stays drained. */
        tq_admit_set_rate(&b, rate("1000/h"), NOW);
        ck_assert_uint_eq(tq_admit_tokens(&b, NOW), 0);
        ck_assert_uint_eq(tq_admit_delay(&b, NOW), 3600000);
        tq_admit_set_rate(&b, rate("2/s"), NOW);
        ck_assert_uint_eq(tq_admit_delay(&b, NOW), SEC / 2);
        tq_admit_set_rate(&b, rate("0/s"), NOW);
        ck_assert_uint_eq(tq_admit_delay(&b, NOW), UINT64_MAX);
        tq_admit_set_rate(&b, TQ_LIMIT_MAX, NOW);
        ck_assert_uint_eq(tq_admit_tokens(&b, NOW), UINT64_MAX);
        tq_admit_set_rate(&b, rate("3/h"), NOW);
        ck_assert_uint_eq(tq_admit_tokens(&b, NOW), 3);
}
END_TEST

/* What is said ------------------------------------------------------------------------------- */

#define LIMIT(k, c, m, r)                                                                          \
        { .kind = TQ_REFUSAL_LIMIT, .key = k, .current = c, .maximum = m, .retry_usec = r }

static const struct {
        TqRefusal refusal;
        const char *code, *limit;
        uint64_t retry_after;
        const char *text;
} text_rows[] = {
        { LIMIT(TQ_KEY_QUEUE_DEPTH, 100, 100, 2500000), "TENANT_LIMIT_EXCEEDED", "queue_depth", 3,
          "TENANT_LIMIT_EXCEEDED: tenant acme has reached its queue_depth: current 100, maximum "
          "100; retry_after 3 s" },
        { { .kind = TQ_REFUSAL_LIMIT,
            .key = TQ_KEY_QUEUE_DEPTH,
            .queue = "etl",
            .current = 7,
            .maximum = 5,
            .retry_usec = 0 },
          "TENANT_LIMIT_EXCEEDED",
          "queue_depth",
          1,
          "TENANT_LIMIT_EXCEEDED: queue acme/etl has reached its queue_depth: current 7, maximum "
          "5; retry_after 1 s" },
        { LIMIT(TQ_KEY_SPOOL_BYTES, 1023, 1 << 20, UINT64_MAX), "TENANT_LIMIT_EXCEEDED",
          "spool_bytes", 0,
          "TENANT_LIMIT_EXCEEDED: tenant acme has reached its spool_bytes: current 1023, maximum "
          "1M" },
        { LIMIT(TQ_KEY_ENQUEUE_RATE, 100 * 60 * 4 + 1, 100 * 60 * 4 + 1, 600000),
          "TENANT_LIMIT_EXCEEDED", "enqueue_rate", 1,
          "TENANT_LIMIT_EXCEEDED: tenant acme has reached its enqueue_rate: current 100/min, "
          "maximum 100/min; retry_after 1 s" },
        { LIMIT(TQ_KEY_SCHEDULED_JOBS, 0, 0, SEC), "TENANT_LIMIT_EXCEEDED", "scheduled_jobs", 1,
          "TENANT_LIMIT_EXCEEDED: tenant acme has reached its scheduled_jobs: current 0, maximum "
          "0; retry_after 1 s" },
        { { .kind = TQ_REFUSAL_QUEUES, .current = 64, .maximum = 64, .retry_usec = SEC + 1 },
          "TENANT_LIMIT_EXCEEDED",
          "queues",
          2,
          "TENANT_LIMIT_EXCEEDED: tenant acme has reached its queues: current 64, maximum 64; "
          "retry_after 2 s" },
        { { .kind = TQ_REFUSAL_NEAR,
            .key = TQ_KEY_QUEUE_DEPTH,
            .queue = "etl",
            .current = 80,
            .maximum = 100,
            .retry_usec = UINT64_MAX },
          "TENANT_LIMIT_NEAR",
          "queue_depth",
          0,
          "TENANT_LIMIT_NEAR: queue acme/etl is near its queue_depth: current 80, maximum 100" },
        { { .kind = TQ_REFUSAL_TOO_BIG,
            .current = UINT64_C(3) << 30,
            .maximum = UINT64_C(2) << 30,
            .retry_usec = UINT64_MAX },
          "HOST_LIMIT_EXCEEDED",
          "memory",
          0,
          "HOST_LIMIT_EXCEEDED: it asks for 3G of memory, and the host has 2G for jobs" },
        { { .kind = TQ_REFUSAL_DRAINING, .is_host = true, .retry_usec = UINT64_MAX },
          "DRAINING",
          "drain",
          0,
          "DRAINING: the host is being drained: it takes no new jobs until it is resumed" },
        { { .kind = TQ_REFUSAL_DRAINING, .retry_usec = UINT64_MAX },
          "DRAINING",
          "drain",
          0,
          "DRAINING: tenant acme is being drained: it takes no new jobs until it is resumed" },
        { { .kind = TQ_REFUSAL_DRAINING, .queue = "etl", .retry_usec = UINT64_MAX },
          "DRAINING",
          "drain",
          0,
          "DRAINING: queue acme/etl is being drained: it takes no new jobs until it is resumed" },
};

START_TEST(text) {
        const TqRefusal *r = &text_rows[_i].refusal;
        char buf[512];

        ck_assert_str_eq(tq_admit_code(r), text_rows[_i].code);
        ck_assert_str_eq(tq_admit_limit(r), text_rows[_i].limit);
        ck_assert_uint_eq(tq_admit_retry_after(r), text_rows[_i].retry_after);
        ck_assert_str_eq(tq_admit_format(r, "acme", buf, sizeof(buf)), text_rows[_i].text);
}
END_TEST

START_TEST(text_cut) {
        char buf[20];

        ck_assert_str_eq(tq_admit_format(&text_rows[0].refusal, "acme", buf, sizeof(buf)),
                         "TENANT_LIMIT_EXCEED");
}
END_TEST

static const struct {
        uint64_t retry_usec, seconds;
} retry_rows[] = {
        { 0, 1 }, { 1, 1 }, { SEC, 1 }, { SEC + 1, 2 }, { 2 * SEC, 2 }, { UINT64_MAX, 0 },
};

START_TEST(retry) {
        TqRefusal r = { .kind = TQ_REFUSAL_LIMIT, .retry_usec = retry_rows[_i].retry_usec };

        ck_assert_uint_eq(tq_admit_retry_after(&r), retry_rows[_i].seconds);
}
END_TEST

static const struct {
        uint64_t current, maximum;
        bool is_near;
} near_rows[] = {
        { 79, 100, false },
        { 80, 100, true },
        { 100, 100, true },
        { 101, 100, true },
        { 3, 5, false },
        { 4, 5, true },
        { 4, 4, false },
        { 0, 0, false },
        { 5, 6, true },
        { 4, 6, false },
        { 8, 9, true },
        { 7, 9, false },
        { UINT64_MAX, TQ_LIMIT_MAX, false },
        { UINT64_MAX - 2, UINT64_MAX - 1, true },
};

START_TEST(near) {
        ck_assert_int_eq(tq_admit_is_near(near_rows[_i].current, near_rows[_i].maximum),
                         near_rows[_i].is_near);
}
END_TEST

static void fill(Suite *s) {
        TCase *buckets = unit_case(s, "buckets"), *words = unit_case(s, "words");

        unit_add_rows(buckets, bucket, bucket_rows);
        tcase_add_test(buckets, over_time);
        tcase_add_test(buckets, zero_and_max);
        tcase_add_test(buckets, just_booted);
        tcase_add_test(buckets, change_of_rate);
        unit_add_rows(words, text, text_rows);
        tcase_add_test(words, text_cut);
        unit_add_rows(words, retry, retry_rows);
        unit_add_rows(words, near, near_rows);
}

int main(void) {
        return unit_main("core/admit", fill);
}
