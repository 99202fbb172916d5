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
        Door *door;
        const Tenant *t;
} Place;

static Place place(const char *limits_text) {
        TqTenantMessage m = { .tenant = HANDLE, .uid = 1001, .is_enabled = 1, .name = "t1" };
        Place p = { .w = world_new() };
        TqLink *link;

        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        p.w.now = fake_now;
        open_world(&p.w);
        tenant(&p.w, 1, limits_text);
        ck_assert_int_ge(sd_event_new(&p.loop), 0);
        ck_assert_int_eq(events_new(p.loop, fake_commit(), &p.events), 0);
        ck_assert_int_eq(tenants_new(fake_commit(), p.events, &p.tenants), 0);
        ck_assert_int_eq(tenants_hear(p.tenants, &m, &p.t), 0);
        ck_assert_uint_eq(p.t->id, 1);
        ck_assert_int_eq(door_new(p.loop, link, fake_commit(), p.events, p.tenants, p.w.s, &p.door),
                         0);
        fake_commit_all(0);
        return p;
}

static void leave(Place *p) {
        ck_assert_ptr_null(door_free(p->door));
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

/* A claim that the queue's depth refuses. */
static void refused(Place *p, uint64_t number, const char *queue) {
        DoorClaim c = claim(number, queue);
        TqRefusal r = { .kind = TQ_REFUSAL_LIMIT,
                        .key = TQ_KEY_QUEUE_DEPTH,
                        .current = 1,
                        .maximum = 1,
                        .retry_usec = UINT64_MAX };

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
        Place p = place("queue_depth=1 concurrency=0");

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
        Place p = place("queue_depth=1 concurrency=0");
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
        Place p = place("queue_depth=1 concurrency=0");
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

/* While everything of a tenant would have to wait it has no credit, and gets it back. */
START_TEST(credit) {
        Place p = place("spool_bytes=100 concurrency=0");
        TqRefusal r = { .kind = TQ_REFUSAL_LIMIT,
                        .key = TQ_KEY_SPOOL_BYTES,
                        .current = 100,
                        .maximum = 100,
                        .retry_usec = UINT64_MAX };
        DoorClaim c = claim(10, "a");
        TqEvent big = submission(1, 1);
        const TqMessage *m;

        big.j.spool_bytes = 100;
        must_step(&p.w, big);
        c.spool_bytes = 50;
        door_wait(p.door, p.t, &c, &r);
        (void)fake_said_type(TQ_MESSAGE_CLAIM_DONE);
        m = fake_said_type(TQ_MESSAGE_CREDIT);
        ck_assert_uint_eq(m->credit.tenant, HANDLE);
        ck_assert_uint_eq(m->credit.credit, 0);
        is_run(&p, 1);
        door_room_made(p.door, 1);
        asks_again(10);
        door_leave(p.door, p.t, 10);
        ck_assert_uint_eq(fake_said_type(TQ_MESSAGE_CREDIT)->credit.credit, TQ_CREDIT_MOST);
        fake_said_nothing();
        leave(&p);
}
END_TEST

/* Nothing of what is drained is claimed; what waits at the door stays there. */
START_TEST(drained) {
        Place p = place("queue_depth=1 concurrency=0");

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
        Place p = place("queue_depth=1 concurrency=0");
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
        Place p = place("queue_depth=1 concurrency=0");

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
        tcase_add_test(t, drained);
        tcase_add_test(t, said_once);
        tcase_add_test(t, degraded);
}

int main(void) {
        return unit_main("engine_door", fill);
}
