/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/api/callers.h"

#include "unit.h"

/* A connection that has something to be served, as the module sees it. */
typedef struct Ready {
        TqList link;
        int name;
} Ready;

static Ready *ready_new(int name) {
        static Ready all[256];
        static size_t n;
        Ready *r = &all[n++];

        ck_assert_uint_le(n, TQ_ELEMENTSOF(all));
        tq_list_init(&r->link);
        r->name = name;
        return r;
}

static Caller *user(Callers *c, uid_t uid) {
        Caller *u = callers_ensure(c, uid);

        ck_assert_ptr_nonnull(u);
        ck_assert_ptr_eq(callers_ensure(c, uid), u);
        ck_assert_uint_eq(u->uid, uid);
        u->n_connections = TQ_MAX(u->n_connections, (size_t)1);
        return u;
}

/* The name of the next one; 0: nobody. */
static int next(Callers *c) {
        TqList *ready = callers_next(c);

        return ready ? TQ_LIST_ENTRY(ready, Ready, link)->name : 0;
}

/* One of each user in turn, however many the first one has. */
START_TEST(turns) {
        static Callers c;
        Caller *a, *b;

        callers_init(&c, 1000);
        a = user(&c, 1);
        b = user(&c, 2);
        for (int i = 11; i < 15; i++)
                callers_ready(&c, a, &ready_new(i)->link);
        callers_ready(&c, b, &ready_new(21)->link);
        ck_assert_int_eq(next(&c), 11);
        ck_assert_int_eq(next(&c), 21);
        ck_assert_int_eq(next(&c), 12);
        ck_assert_int_eq(next(&c), 13);
        callers_ready(&c, b, &ready_new(22)->link);
        ck_assert_int_eq(next(&c), 14);
        ck_assert_int_eq(next(&c), 22);
        ck_assert_int_eq(next(&c), 0);
        /* Twice the same is once. */
        Ready *again = ready_new(15);

        callers_ready(&c, a, &again->link);
        callers_ready(&c, a, &again->link);
        ck_assert_int_eq(next(&c), 15);
        ck_assert_int_eq(next(&c), 0);
}
END_TEST

/* Whose question is under way has no turn; the others have theirs. */
START_TEST(one_question_each) {
        static Callers c;
        Caller *a, *b;

        callers_init(&c, 1000);
        a = user(&c, 1);
        b = user(&c, 2);
        callers_ready(&c, a, &ready_new(11)->link);
        callers_ready(&c, a, &ready_new(12)->link);
        callers_ready(&c, b, &ready_new(21)->link);
        a->is_asking = true;
        ck_assert_int_eq(next(&c), 11); /* it stood there before it asked */
        ck_assert_int_eq(next(&c), 21);
        ck_assert_int_eq(next(&c), 0);
        callers_ready(&c, a, &ready_new(13)->link);
        ck_assert_int_eq(next(&c), 0);
        callers_has_asked(&c, a);
        ck_assert_int_eq(next(&c), 12);
        ck_assert_int_eq(next(&c), 13);
        /* Who has left meanwhile is forgotten with his answer. */
        a->is_asking = true;
        a->n_connections = 0;
        callers_release(&c, a);
        ck_assert_uint_eq(c.users.size, 2);
        callers_has_asked(&c, a);
        ck_assert_uint_eq(c.users.size, 1);
}
END_TEST

typedef struct PlaceRow {
        const char *what;
        size_t all, room, strangers, own, waiting;
        bool is_stranger;
        const char *objection; /* NULL: none */
} PlaceRow;

static const PlaceRow place_rows[] = {
        { "the first", 0, 1000, 0, 0, 0, false, NULL },
        { "the 64th", 63, 1000, 0, 63, 0, false, NULL },
        { "the 65th", 64, 1000, 0, 64, 0, false, "you have too many connections" },
        { "besides those that wait", 264, 1000, 0, 264, 201, false, NULL },
        { "none besides those that wait", 265, 1000, 0, 265, 201, false, "you have too many" },
        { "the last of all", 511, 1000, 0, 10, 0, false, NULL },
        { "of all too many", 512, 1000, 0, 10, 0, false, "all users together" },
        { "but somebody's fourth", 512, 1000, 0, 3, 0, false, NULL },
        { "and his fifth", 512, 1000, 0, 4, 0, false, "all users together" },
        { "for want of descriptors", 20, 20, 0, 4, 0, false, "all users together" },
        { "a stranger", 0, 1000, 15, 0, 0, true, NULL },
        { "the 17th stranger", 0, 1000, 16, 0, 0, true, "no tenant's" },
        { "a stranger in a full house", 512, 1000, 0, 0, 0, true, "all users together" },
};

START_TEST(places) {
        const PlaceRow *row = &place_rows[_i];
        const char *objection;
        static Callers c;
        Caller *u;

        callers_init(&c, row->room);
        u = user(&c, 7);
        u->n_connections = row->own;
        u->n_waiting = row->waiting;
        c.n_connections = row->all;
        c.n_strangers = row->strangers;
        objection = callers_objection(&c, u, row->is_stranger);
        if (!row->objection)
                ck_assert_msg(!objection, "%s: %s", row->what, objection);
        else
                ck_assert_msg(objection && strstr(objection, row->objection), "%s: %s", row->what,
                              objection ? objection : "no objection");
}
END_TEST

START_TEST(told) {
        static Callers c;
        Caller *u;

        callers_init(&c, 1000);
        u = user(&c, 7);
        u->n_refused = CALLERS_REFUSED_UID - 1;
        ck_assert(callers_may_be_told(&c, u));
        u->n_refused++;
        ck_assert(!callers_may_be_told(&c, u));
        u->n_refused = 0;
        c.n_refused = CALLERS_REFUSED;
        ck_assert(!callers_may_be_told(&c, u));
        c.n_refused--;
        ck_assert(callers_may_be_told(&c, u));
}
END_TEST

static void fill(Suite *s) {
        TCase *tc = unit_case(s, "callers");

        tcase_add_test(tc, turns);
        tcase_add_test(tc, one_question_each);
        unit_add_rows(tc, places, place_rows);
        tcase_add_test(tc, told);
}

int main(void) {
        return unit_main("engine/callers", fill);
}
