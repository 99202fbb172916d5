/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/spool/later.h"

#include <stdio.h>

#include "base/buffer.h"
#include "fake/fake.h"
#include "unit.h"

#define MSEC TQ_USEC_PER_MSEC
#define SEC  TQ_USEC_PER_SEC

typedef struct Place {
        sd_event *loop;
        Laters *laters;
        Tenant tenants[3];
        TqBuffer said;
} Place;

static void on_check(void *data, Tenant *t) {
        tq_buffer_printf(&((Place *)data)->said, "check %s;", t->name);
}

static void on_file(void *data, Tenant *t, const char *name) {
        tq_buffer_printf(&((Place *)data)->said, "file %s/%s;", t->name, name);
}

static void on_scan(void *data, Tenant *t) {
        tq_buffer_printf(&((Place *)data)->said, "scan %s;", t->name);
}

static Place *place(void) {
        static Place p;
        LatersHooks hooks = { &p, on_check, on_file, on_scan };

        for (size_t i = 0; i < TQ_ELEMENTSOF(p.tenants); i++) {
                p.tenants[i].handle = (uint32_t)i + 1;
                (void)snprintf(p.tenants[i].name, sizeof(p.tenants[i].name), "t%zu", i);
        }
        ck_assert_int_ge(sd_event_new(&p.loop), 0);
        ck_assert_int_eq(laters_new(p.loop, &hooks, &p.laters), 0);
        return &p;
}

static void leave(Place *p) {
        ck_assert_ptr_null(laters_free(p->laters));
        (void)sd_event_unref(p->loop);
        tq_buffer_done(&p->said);
}

/* Time passes; then that, and nothing else, is looked at. */
static void after(Place *p, uint64_t usec, const char *want) {
        fake_now += usec;
        tq_buffer_reset(&p->said);
        fake_run(p->loop);
        ck_assert_str_eq(tq_buffer_string(&p->said), want);
}

/* First after milliseconds, then twice as late each time, up to 64 s. */
START_TEST(delays_double) {
        Place *p = place();
        Tenant *t = &p->tenants[0];

        for (uint64_t delay = 2 * MSEC; delay < 64 * SEC; delay *= 2) {
                laters_file(p->laters, t, "a");
                ck_assert(laters_has(p->laters, t, "a"));
                after(p, delay - 1, "");
                after(p, 1, "file t0/a;");
                ck_assert(!laters_has(p->laters, t, "a"));
        }
        for (int i = 0; i < 3; i++) {
                laters_file(p->laters, t, "a");
                after(p, 64 * SEC - 1, "");
                after(p, 1, "file t0/a;");
        }
        leave(p);
}
END_TEST

/* What is met before its time says nothing about how long it takes. */
START_TEST(met_early) {
        Place *p = place();
        Tenant *t = &p->tenants[0];

        laters_file(p->laters, t, "a");
        for (int i = 0; i < 20; i++)
                laters_file(p->laters, t, "a");
        after(p, 2 * MSEC, "file t0/a;");
        laters_forget(p->laters, t, "a"); /* it was taken */
        after(p, 100 * SEC, "");
        /* Another one of that name begins anew. */
        laters_file(p->laters, t, "a");
        after(p, 2 * MSEC, "file t0/a;");
        leave(p);
}
END_TEST

/* More files than there is room for: the directory is read again. */
START_TEST(many_files) {
        Place *p = place();
        Tenant *t = &p->tenants[0];
        char name[16];

        for (int i = 0; i < 17; i++) {
                (void)snprintf(name, sizeof(name), "f%d", i);
                laters_file(p->laters, t, name);
        }
        ck_assert(laters_has(p->laters, t, "f15"));
        ck_assert(!laters_has(p->laters, t, "f16"));
        after(p, 2 * MSEC,
              "file t0/f0;file t0/f1;file t0/f2;file t0/f3;file t0/f4;file t0/f5;file t0/f6;"
              "file t0/f7;file t0/f8;file t0/f9;file t0/f10;file t0/f11;file t0/f12;file t0/f13;"
              "file t0/f14;file t0/f15;");
        after(p, SEC, "scan t0;");
        laters_drop(p->laters, t);
        after(p, 1000 * SEC, "");
        leave(p);
}
END_TEST

/* The delay of a directory doubles until it could be read. */
START_TEST(scans) {
        Place *p = place();
        Tenant *t = &p->tenants[0];

        laters_scan(p->laters, t);
        laters_scan(p->laters, t); /* one is planned */
        after(p, SEC - 1, "");
        after(p, 1, "scan t0;");
        laters_scan(p->laters, t); /* it failed */
        after(p, 2 * SEC - 1, "");
        after(p, 1, "scan t0;");
        laters_scanned(p->laters, t);
        laters_scan(p->laters, t);
        after(p, SEC, "scan t0;");
        leave(p);
}
END_TEST

/* The directory itself: once in 100 ms, however often it changes; a check that is planned for later
 * comes forward. */
START_TEST(checks) {
        Place *p = place();
        Tenant *t = &p->tenants[0];

        laters_check(p->laters, t);
        after(p, 0, "check t0;");
        for (int i = 0; i < 5; i++)
                laters_check(p->laters, t);
        after(p, 100 * MSEC - 1, "");
        after(p, 1, "check t0;");
        laters_recheck(p->laters, t);
        after(p, 5 * SEC - 1, "");
        after(p, 1, "check t0;");
        laters_recheck(p->laters, t);
        fake_now += SEC;
        laters_check(p->laters, t);
        after(p, 0, "check t0;");
        leave(p);
}
END_TEST

/* Each tenant has its own: what one does keeps no other waiting. */
START_TEST(each_its_own) {
        Place *p = place();

        for (int i = 0; i < 40; i++) {
                laters_file(p->laters, &p->tenants[0], "a");
                fake_now += 2 * MSEC;
                tq_buffer_reset(&p->said);
                fake_run(p->loop);
        }
        laters_file(p->laters, &p->tenants[1], "b");
        after(p, 2 * MSEC, "file t1/b;");
        laters_drop(p->laters, &p->tenants[2]); /* nothing was due */
        ck_assert(!laters_has(p->laters, &p->tenants[2], "a"));
        leave(p);
}
END_TEST

static void fill(Suite *s) {
        TCase *c = unit_case(s, "later");

        tcase_add_test(c, delays_double);
        tcase_add_test(c, met_early);
        tcase_add_test(c, many_files);
        tcase_add_test(c, scans);
        tcase_add_test(c, checks);
        tcase_add_test(c, each_its_own);
}

int main(void) {
        return unit_main("supervisor_later", fill);
}
