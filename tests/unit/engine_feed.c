/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/dispatch/feed.h"

#include "fake/fake.h"
#include "world.h"

/* What was asked for, in order. */
typedef struct Log {
        Feed *feed;
        TqActionType types[16];
        uint64_t jobs[16];
        size_t n, n_decided;
        bool answers; /* each START is answered at once, from within */
} Log;

static void on_action(void *data, const TqAction *a) {
        Log *l = data;
        TqEvent spawned = { .type = TQ_EVENT_SPAWNED, .job = a->job, .attempt = a->attempt };

        ck_assert_uint_lt(l->n, TQ_ELEMENTSOF(l->types));
        l->types[l->n] = a->type;
        l->jobs[l->n++] = a->job;
        if (l->answers && a->type == TQ_ACTION_START)
                ck_assert_int_eq(feed_step(l->feed, &spawned), 0);
}

static void on_decision(void *data) {
        ((Log *)data)->n_decided++;
}

static void must_feed(Feed *f, TqEvent e) {
        ck_assert_int_eq(feed_step(f, &e), 0);
}

static Feed *open_feed(Log *l, const char *text) {
        TqLimits limit = limits(text);
        Feed *f;

        ck_assert_int_eq(feed_new(&f), 0);
        l->feed = f;
        for (int type = 0; type < _TQ_ACTION_MAX; type++)
                feed_on(f, (TqActionType)type, on_action, l);
        feed_on_decision(f, on_decision, l);
        must_feed(f, (TqEvent){ .type = TQ_EVENT_OPEN });
        must_feed(f, (TqEvent){ .type = TQ_EVENT_TENANT,
                                .tenant = 1,
                                .t = { .name = "t1", .limits = &limit, .enabled = true } });
        return f;
}

/* An event that an action causes is carried out before the next action of the first. */
START_TEST(from_within) {
        Log l = { .answers = true };
        Feed *f = open_feed(&l, "concurrency=2");
        TqEvent two = submission(1, 2);

        two.more = false;
        must_feed(f, (TqEvent){ .type = TQ_EVENT_CLOSE });
        must_feed(f, submission(1, 1));
        must_feed(f, two);
        ck_assert_uint_eq(l.n, 0);
        ck_assert_uint_eq(l.n_decided, 0);
        must_feed(f, (TqEvent){ .type = TQ_EVENT_OPEN });
        ck_assert_uint_eq(l.n, 4);
        ck_assert(l.types[0] == TQ_ACTION_START && l.jobs[0] == 1);
        ck_assert(l.types[1] == TQ_ACTION_RUN && l.jobs[1] == 1);
        ck_assert(l.types[2] == TQ_ACTION_START && l.jobs[2] == 2);
        ck_assert(l.types[3] == TQ_ACTION_RUN && l.jobs[3] == 2);
        ck_assert_uint_eq(l.n_decided, 3);
        ck_assert_ptr_null(feed_free(f));
}
END_TEST

/* What is switched is seen, though nothing follows from it. */
START_TEST(switched) {
        Log l = {};
        Feed *f = open_feed(&l, "concurrency=1");

        must_feed(f, (TqEvent){ .type = TQ_EVENT_SWITCH, .switches = { .is_paused = true } });
        ck_assert_uint_eq(l.n, 0);
        ck_assert_uint_eq(l.n_decided, 1);
        must_feed(f, (TqEvent){ .type = TQ_EVENT_TICK });
        ck_assert_uint_eq(l.n_decided, 1);
        ck_assert_ptr_null(feed_free(f));
}
END_TEST

/* Why a submission was refused can be read behind it. */
START_TEST(refusal) {
        Log l = {};
        Feed *f = open_feed(&l, "concurrency=0 queue_depth=1");
        TqEvent e = submission(1, 2);

        must_feed(f, submission(1, 1));
        ck_assert_int_eq(feed_step(f, &e), -EDQUOT);
        ck_assert_int_eq(feed_refusal(f)->kind, TQ_REFUSAL_LIMIT);
        ck_assert_int_eq(feed_refusal(f)->key, TQ_KEY_QUEUE_DEPTH);
        ck_assert_uint_eq(l.n, 0);
        ck_assert_ptr_nonnull(tq_scheduler_job(feed_scheduler(f), 1));
        ck_assert_ptr_null(tq_scheduler_job(feed_scheduler(f), 2));
        ck_assert_ptr_null(feed_free(f));
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "feed");

        tcase_add_test(t, from_within);
        tcase_add_test(t, switched);
        tcase_add_test(t, refusal);
}

int main(void) {
        return unit_main("engine_feed", fill);
}
