/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/intake/door.h"

#include "fake/fake.h"
#include "world.h"

/* The door of the tenant t1, with a real scheduler of which some jobs fill the queues. */

#define HANDLE 7

typedef struct Place {
        World w;
        sd_event *loop;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        Door *door;
        const Tenant *t;
} Place;

/* The supervisor says whose the directory is; what is asked of it then is not looked at. */
static const Tenant *owned_by(Place *p, uint32_t owner, uid_t uid, const char *user, bool waits) {
        TqTenantMessage m = { .tenant = HANDLE,
                              .uid = uid,
                              .owner = owner,
                              .is_enabled = 1,
                              .name = "t1",
                              .waits_when_full = waits };
        const Tenant *t;

        (void)snprintf(m.user, sizeof(m.user), "%s", user);
        ck_assert_int_eq(tenants_hear(p->tenants, &m, &t), 0);
        ck_assert_int_eq(settings_hear(p->settings, t, &m), 0);
        return t;
}

static void on_former(void *data, const Tenant *former) {
        door_room_made(*(Door **)data, former->id);
}

static Place place(const char *limits_text) {
        Place p = { .w = world_new() };
        TqLink *link;

        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        p.w.now = fake_now;
        open_world(&p.w);
        tenant(&p.w, 1, limits_text);
        ck_assert_int_ge(sd_event_new(&p.loop), 0);
        ck_assert_int_eq(events_new(p.loop, fake_commit(), &p.events), 0);
        ck_assert_int_eq(tenants_new(fake_commit(), p.events, &p.tenants), 0);
        ck_assert_int_eq(settings_new(link, fake_commit(), p.tenants, p.w.s, &p.settings), 0);
        p.t = owned_by(&p, 1, 1001, "alice", true);
        ck_assert_uint_eq(p.t->id, 1);
        ck_assert_int_eq(door_new(p.loop, link, fake_commit(), p.events, p.tenants, p.settings,
                                  p.w.s, &p.door),
                         0);
        fake_commit_all(0);
        while (fake_said())
                ;
        return p;
}

/* Of each queue one job may wait. */
static void set_depths(Place *p, const char *limits_text) {
        TqQueueLimit depths[] = { { .name = "a" }, { .name = "b" }, { .name = "q" } };
        TqLimits l = limits(limits_text);

        for (size_t i = 0; i < TQ_ELEMENTSOF(depths); i++) {
                depths[i].set = UINT64_C(1) << TQ_KEY_QUEUE_DEPTH;
                depths[i].queue_depth = 1;
        }
        must_step(&p->w, (TqEvent){ .type = TQ_EVENT_TENANT,
                                    .tenant = 1,
                                    .t = { .name = "t1",
                                           .limits = &l,
                                           .queue_limits = depths,
                                           .n_queue_limits = TQ_ELEMENTSOF(depths),
                                           .enabled = true } });
}

static Place place_of_queues(void) {
        Place p = place("concurrency=0");

        set_depths(&p, "concurrency=0");
        return p;
}

static void leave(Place *p) {
        ck_assert_ptr_null(door_free(p->door));
        ck_assert_ptr_null(settings_free(p->settings));
        ck_assert_ptr_null(tenants_free(p->tenants));
        ck_assert_ptr_null(events_free(p->events));
        (void)sd_event_unref(p->loop);
        world_done(&p->w);
}

static DoorClaim claim(uint64_t number, const char *queue) {
        DoorClaim c = { .claim = number };

        (void)snprintf(c.queue, sizeof(c.queue), "%s", queue);
        return c;
}

static TqRefusal full(TqKey key, uint64_t maximum) {
        return (TqRefusal){ .kind = TQ_REFUSAL_LIMIT,
                            .key = key,
                            .current = maximum,
                            .maximum = maximum,
                            .retry_usec = UINT64_MAX };
}

/* A claim that the queue's depth refuses. */
static void refused(Place *p, uint64_t number, const char *queue) {
        DoorClaim c = claim(number, queue);
        TqRefusal r = full(TQ_KEY_QUEUE_DEPTH, 1);

        (void)snprintf(r.queue, sizeof(r.queue), "%s", queue);
        door_wait(p->door, p->t, &c, &r);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_DONE)->claim_done.claim, number);
}

static void asks_again(uint64_t number) {
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_AGAIN)->number.cookie, number);
        fake_said_nothing();
}

static void fill_queue(Place *p, uint64_t job, const char *queue) {
        TqEvent e = submission(1, job);

        e.j.queue = queue;
        must_step(&p->w, e);
}

static void is_run(Place *p, uint64_t job) {
        ck_assert_int_eq(say(&p->w, TQ_EVENT_CANCEL, job), 0);
        p->w.actions.n = 0;
}

/* A claim waits until its queue has room, and is asked for once. */
START_TEST(waits_for_room) {
        Place p = place_of_queues();

        fill_queue(&p, 1, "q");
        refused(&p, 10, "q");
        fake_said_nothing();
        ck_assert_uint_eq(door_count(p.door, 1), 1);
        door_room_made(p.door, 1);
        fake_said_nothing(); /* there is none */
        is_run(&p, 1);
        door_room_made(p.door, 1);
        asks_again(10);
        door_room_made(p.door, 1);
        fake_said_nothing(); /* it is on its way */
        door_leave(p.door, p.t, 10);
        ck_assert_uint_eq(door_count(p.door, 1), 0);
        fake_said_nothing();
        leave(&p);
}
END_TEST

/* Of a queue the oldest comes first, and a full queue keeps none of another from being taken. */
START_TEST(order) {
        Place p = place_of_queues();
        DoorClaim younger = claim(12, "a"), other = claim(13, "b"), same = claim(10, "a");
        TqRefusal why;

        fill_queue(&p, 1, "a");
        refused(&p, 10, "a");
        refused(&p, 11, "a");
        ck_assert(door_must_wait(p.door, p.t, &younger, &why));
        ck_assert_int_eq(why.key, TQ_KEY_QUEUE_DEPTH);
        ck_assert(!door_must_wait(p.door, p.t, &other, &why));
        ck_assert(!door_must_wait(p.door, p.t, &same, &why)); /* the first of its queue */
        is_run(&p, 1);
        door_room_made(p.door, 1);
        asks_again(10);
        /* It fills the queue again: the next one stays. */
        fill_queue(&p, 2, "a");
        door_leave(p.door, p.t, 10);
        fake_said_nothing();
        is_run(&p, 2);
        door_room_made(p.door, 1);
        asks_again(11);
        leave(&p);
}
END_TEST

/* One that was asked for and is refused again keeps its place. */
START_TEST(keeps_its_place) {
        Place p = place_of_queues();
        DoorClaim younger = claim(11, "a");
        TqRefusal why;

        fill_queue(&p, 1, "a");
        refused(&p, 10, "a");
        refused(&p, 11, "a");
        is_run(&p, 1);
        door_room_made(p.door, 1);
        asks_again(10);
        fill_queue(&p, 2, "a"); /* by the socket, meanwhile */
        refused(&p, 10, "a");
        fake_said_nothing();
        ck_assert_uint_eq(door_count(p.door, 1), 2);
        ck_assert(door_must_wait(p.door, p.t, &younger, &why));
        leave(&p);
}
END_TEST

static void credits(unsigned credit) {
        const TqMessage *m = fake_said_type(TQ_MESSAGE_CREDIT);

        ck_assert_uint_eq(m->credit.tenant, HANDLE);
        ck_assert_uint_eq(m->credit.credit, credit);
}

/* A claim that the depth of all queues together refuses. */
static void refused_of_all(Place *p, uint64_t number, const char *queue) {
        DoorClaim c = claim(number, queue);
        TqRefusal r = full(TQ_KEY_QUEUE_DEPTH, 1);

        door_wait(p->door, p->t, &c, &r);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_DONE)->claim_done.claim, number);
}

/* While everything of a tenant would have to wait it has no credit, and gets it back. */
START_TEST(credit) {
        Place p = place("queue_depth=1 concurrency=0");

        fill_queue(&p, 1, "a");
        refused_of_all(&p, 10, "b");
        credits(0);
        is_run(&p, 1);
        door_room_made(p.door, 1);
        asks_again(10);
        door_leave(p.door, p.t, 10);
        credits(TQ_CREDIT_MOST);
        fake_said_nothing();
        leave(&p);
}
END_TEST

/* As soon as nothing that waits is refused for the sake of all. */
START_TEST(credit_beside_a_full_queue) {
        Place p = place_of_queues();

        set_depths(&p, "queue_depth=2 concurrency=0");
        fill_queue(&p, 1, "a");
        refused(&p, 10, "a");
        fill_queue(&p, 2, "c");
        refused_of_all(&p, 11, "c");
        credits(0);
        is_run(&p, 2);
        door_room_made(p.door, 1);
        asks_again(11);
        door_leave(p.door, p.t, 11);
        credits(TQ_CREDIT_MOST); /* 10 waits for its own queue */
        fake_said_nothing();
        ck_assert_uint_eq(door_count(p.door, 1), 1);
        leave(&p);
}
END_TEST

/* Smaller ones may still fit. */
START_TEST(credit_of_bytes) {
        Place p = place("spool_bytes=100 concurrency=0");
        TqRefusal r = full(TQ_KEY_SPOOL_BYTES, 100);
        DoorClaim c = claim(10, "a");
        TqEvent big = submission(1, 1);

        big.j.spool_bytes = 80;
        must_step(&p.w, big);
        c.spool_bytes = 50;
        ck_assert(door_may_wait(p.door, p.t, &c, &r));
        door_wait(p.door, p.t, &c, &r);
        (void)fake_said_type(TQ_MESSAGE_CLAIM_DONE);
        fake_said_nothing();
        is_run(&p, 1);
        door_room_made(p.door, 1);
        asks_again(10);
        leave(&p);
}
END_TEST

static const struct {
        TqRefusal refusal;
        uint64_t bytes;
        bool waits, refuses; /* by on_full= */
} may_wait_rows[] = {
        { { .kind = TQ_REFUSAL_LIMIT, .key = TQ_KEY_QUEUE_DEPTH }, 1, true, false },
        { { .kind = TQ_REFUSAL_LIMIT, .key = TQ_KEY_SPOOL_BYTES, .maximum = 100 },
          100,
          true,
          false },
        { { .kind = TQ_REFUSAL_LIMIT, .key = TQ_KEY_SPOOL_BYTES, .maximum = 100 },
          101,
          false,
          false },
        { { .kind = TQ_REFUSAL_QUEUES }, 1, true, false },
        { { .kind = TQ_REFUSAL_AFTER }, 1, true, false },
        { { .kind = TQ_REFUSAL_TOO_BIG }, 1, false, false },
        { { .kind = TQ_REFUSAL_DRAINING }, 1, true, true },
};

START_TEST(may_wait) {
        Place p = place("concurrency=0");
        DoorClaim c = claim(10, "a");

        c.spool_bytes = may_wait_rows[_i].bytes;
        ck_assert_int_eq(door_may_wait(p.door, p.t, &c, &may_wait_rows[_i].refusal),
                         may_wait_rows[_i].waits);
        (void)owned_by(&p, 1, 1001, "alice", false);
        ck_assert_int_eq(door_may_wait(p.door, p.t, &c, &may_wait_rows[_i].refusal),
                         may_wait_rows[_i].refuses);
        commit_degrade(fake_commit(), -EIO);
        ck_assert(door_may_wait(p.door, p.t, &c, &may_wait_rows[_i].refusal));
        leave(&p);
}
END_TEST

/* What will not be taken any more is asked for too, to be refused: nothing waits for ever. */
START_TEST(asked_to_be_refused) {
        Place p = place("queue_depth=1 concurrency=0");
        DoorClaim c = claim(10, "q");
        TqRefusal r = full(TQ_KEY_QUEUE_DEPTH, 1);

        fill_queue(&p, 1, "q");
        c.memory_bytes = UINT64_C(4) << 30;
        door_wait(p.door, p.t, &c, &r);
        (void)fake_said_type(TQ_MESSAGE_CLAIM_DONE);
        credits(0);
        p.w.host.memory_bytes = UINT64_C(2) << 30;
        must_step(&p.w, (TqEvent){ .type = TQ_EVENT_HOST, .host = &p.w.host });
        door_room_made(p.door, 1);
        asks_again(10);
        door_leave(p.door, p.t, 10);
        credits(TQ_CREDIT_MOST);
        leave(&p);
}
END_TEST

START_TEST(asked_when_none_waits_any_more) {
        Place p = place_of_queues();

        fill_queue(&p, 1, "q");
        refused(&p, 10, "q");
        (void)owned_by(&p, 1, 1001, "alice", false);
        while (fake_said())
                ;
        door_room_made(p.door, 1);
        asks_again(10);
        leave(&p);
}
END_TEST

/* Nothing is looked at again and again: of room it is told, tokens come at their time. */
START_TEST(looks_only_when_due) {
        Place p = place("queue_depth=1 concurrency=0 enqueue_rate=6/min");
        TqRefusal rate = full(TQ_KEY_ENQUEUE_RATE, 6);
        DoorClaim c = claim(11, "q");

        fill_queue(&p, 1, "q");
        refused_of_all(&p, 10, "q");
        credits(0);
        is_run(&p, 1);
        fake_run(p.loop); /* every timer that is set goes off */
        fake_said_nothing();
        door_room_made(p.door, 1);
        asks_again(10);
        door_leave(p.door, p.t, 10);
        credits(TQ_CREDIT_MOST);
        for (uint64_t i = 2; i < 7; i++) {
                fill_queue(&p, i, "q");
                is_run(&p, i);
        }
        door_wait(p.door, p.t, &c, &rate);
        (void)fake_said_type(TQ_MESSAGE_CLAIM_DONE);
        credits(0);
        fake_now += 10 * SEC;
        fake_run(p.loop);
        asks_again(11);
        leave(&p);
}
END_TEST

/* One that can't be handed over for now keeps none of another queue, and comes by itself. */
START_TEST(late) {
        Place p = place_of_queues();

        fill_queue(&p, 1, "a");
        fill_queue(&p, 2, "b");
        refused(&p, 10, "a");
        refused(&p, 11, "b");
        refused(&p, 12, "a");
        is_run(&p, 1);
        is_run(&p, 2);
        door_room_made(p.door, 1);
        asks_again(10);
        door_is_late(p.door, p.t, 10);
        asks_again(11);
        door_leave(p.door, p.t, 11);
        door_room_made(p.door, 1);
        fake_said_nothing(); /* 12 is behind it */
        door_leave(p.door, p.t, 10);
        asks_again(12);
        door_is_late(p.door, p.t, 4711); /* harmless */
        leave(&p);
}
END_TEST

/* What is behind another one waits for that, whatever it asks for itself; and for that one's reason
 * of now. */
START_TEST(behind) {
        Place p = place_of_queues();
        DoorClaim large = claim(11, "a");
        TqRefusal stale = full(TQ_KEY_SPOOL_BYTES, 100), why;
        DoorClaim first = claim(10, "a");

        fill_queue(&p, 1, "a");
        door_wait(p.door, p.t, &first, &stale);
        (void)fake_said_type(TQ_MESSAGE_CLAIM_DONE);
        large.spool_bytes = 1000;
        ck_assert(door_must_wait(p.door, p.t, &large, &why));
        ck_assert_int_eq(why.key, TQ_KEY_QUEUE_DEPTH);
        why = stale;
        ck_assert(door_may_wait(p.door, p.t, NULL, &why));
        ck_assert(!door_may_wait(p.door, p.t, &large, &why));
        why = (TqRefusal){};
        ck_assert(door_may_wait(p.door, p.t, NULL, &why));
        ck_assert(!door_may_wait(p.door, p.t, &large, &why));
        leave(&p);
}
END_TEST

/* Whoever had the directory before: his claims are looked at anew, and his credit is not the next
 * one's. */
START_TEST(another_owner) {
        Place p = place("queue_depth=1 concurrency=0");
        const Tenant *next;

        tenants_on_former(p.tenants, on_former, &p.door);
        fill_queue(&p, 1, "q");
        refused_of_all(&p, 10, "q");
        credits(0);
        next = owned_by(&p, 2, 1002, "bob", true);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_AGAIN)->number.cookie, 10);
        ck_assert_uint_eq(door_count(p.door, 1), 0);
        (void)fake_said_type(TQ_MESSAGE_APPLY);
        tenant(&p.w, next->id, "queue_depth=1 concurrency=0");
        door_room_made(p.door, next->id);
        credits(TQ_CREDIT_MOST);
        door_leave(p.door, next, 10); /* it is none of his, says the supervisor */
        fake_said_nothing();
        /* And back. */
        ck_assert_ptr_eq(owned_by(&p, 3, 1001, "alice", true), p.t);
        while (fake_said())
                ;
        door_room_made(p.door, 1);
        credits(TQ_CREDIT_MOST);
        refused_of_all(&p, 20, "q");
        credits(0);
        is_run(&p, 1);
        door_room_made(p.door, 1);
        asks_again(20);
        leave(&p);
}
END_TEST

/* One that was asked for when the owner changed keeps nothing from being asked for later. */
START_TEST(another_owner_while_asked) {
        Place p = place_of_queues();
        const Tenant *next;

        tenants_on_former(p.tenants, on_former, &p.door);
        fill_queue(&p, 1, "q");
        refused(&p, 10, "q");
        is_run(&p, 1);
        door_room_made(p.door, 1);
        asks_again(10);
        next = owned_by(&p, 2, 1002, "bob", true);
        door_leave(p.door, next, 10);
        ck_assert_ptr_eq(owned_by(&p, 3, 1001, "alice", true), p.t);
        fill_queue(&p, 2, "q");
        while (fake_said())
                ;
        refused(&p, 20, "q");
        is_run(&p, 2);
        while (fake_said())
                ;
        door_room_made(p.door, 1);
        asks_again(20);
        leave(&p);
}
END_TEST

/* Nothing of what is drained is claimed; what waits at the door stays there. */
START_TEST(drained) {
        Place p = place_of_queues();

        fill_queue(&p, 1, "q");
        refused(&p, 10, "q");
        switches(&p.w, 1, NULL, false, true);
        door_room_made_all(p.door);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CREDIT)->credit.credit, 0);
        is_run(&p, 1);
        door_room_made(p.door, 1);
        fake_said_nothing();
        switches(&p.w, 1, NULL, false, false);
        door_room_made_all(p.door);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CLAIM_AGAIN)->number.cookie, 10);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CREDIT)->credit.credit, TQ_CREDIT_MOST);
        fake_said_nothing();
        leave(&p);
}
END_TEST

/* It is said that files wait, but not of each. */
START_TEST(said_once) {
        Place p = place_of_queues();
        size_t n = 0;

        fill_queue(&p, 1, "q");
        for (uint64_t i = 0; i < 5; i++)
                refused(&p, 10 + i, "q");
        for (size_t i = 0; i < fake_n_ops(); i++)
                n += fake_op(i)->type == TQ_LEDGER_EVENT;
        ck_assert_uint_eq(n, 1);
        fake_now += 61 * SEC;
        refused(&p, 20, "q");
        n = 0;
        for (size_t i = 0; i < fake_n_ops(); i++)
                n += fake_op(i)->type == TQ_LEDGER_EVENT;
        ck_assert_uint_eq(n, 2);
        leave(&p);
}
END_TEST

/* After a fault nothing is asked for, and nothing claimed. */
START_TEST(degraded) {
        Place p = place_of_queues();

        fill_queue(&p, 1, "q");
        refused(&p, 10, "q");
        commit_degrade(fake_commit(), -EIO);
        is_run(&p, 1);
        door_room_made_all(p.door);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CREDIT)->credit.credit, 0);
        fake_said_nothing();
        leave(&p);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "door");

        tcase_add_test(t, waits_for_room);
        tcase_add_test(t, order);
        tcase_add_test(t, keeps_its_place);
        tcase_add_test(t, credit);
        tcase_add_test(t, credit_beside_a_full_queue);
        tcase_add_test(t, credit_of_bytes);
        tcase_add_loop_test(t, may_wait, 0, TQ_ELEMENTSOF(may_wait_rows));
        tcase_add_test(t, asked_to_be_refused);
        tcase_add_test(t, asked_when_none_waits_any_more);
        tcase_add_test(t, looks_only_when_due);
        tcase_add_test(t, late);
        tcase_add_test(t, behind);
        tcase_add_test(t, another_owner);
        tcase_add_test(t, another_owner_while_asked);
        tcase_add_test(t, drained);
        tcase_add_test(t, said_once);
        tcase_add_test(t, degraded);
}

int main(void) {
        return unit_main("engine_door", fill);
}
