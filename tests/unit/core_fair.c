/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/fair.h"

#include <math.h>
#include <string.h>

#include "unit.h"

#define SEC UINT64_C(1000000)
#define GIB (UINT64_C(1) << 30)
#define MAX UINT64_MAX

/* Charges: nanoseconds of the whole host. */
static const struct {
        TqUse use;
        TqCapacity capacity;
        uint64_t charge;
} charge_rows[] = {
        /* Nothing is counted, or nothing was used: one, so that every job costs something. */
        { { 0, 0, 0, 0 }, { 4, 4, GIB, 1000 }, 1 },
        { { SEC, SEC, GIB, GIB }, { MAX, MAX, MAX, MAX }, 1 },
        { { SEC, SEC, GIB, GIB }, { 0, 0, 0, 0 }, 1 },
        /* Slots. */
        { { SEC, 0, 0, 0 }, { 1, 0, 0, 0 }, 1000 * SEC },
        { { SEC, 0, 0, 0 }, { 4, 0, 0, 0 }, 250 * SEC },
        { { 1, 0, 0, 0 }, { 1, 0, 0, 0 }, 1000 },
        { { 1, 0, 0, 0 }, { 1000, 0, 0, 0 }, 1 },
        { { 1, 0, 0, 0 }, { 1001, 0, 0, 0 }, 1 }, /* rounded down, but at least 1 */
        { { 2, 0, 0, 0 }, { 1001, 0, 0, 0 }, 1 },
        { { 3, 0, 0, 0 }, { 1000, 0, 0, 0 }, 3 },
        /* CPU, of which one slot may use several. */
        { { SEC, 8 * SEC, 0, 0 }, { 4, 4, 0, 0 }, 2000 * SEC },
        { { SEC, SEC, 0, 0 }, { 4, 4, 0, 0 }, 250 * SEC },
        { { SEC, SEC + 4, 0, 0 }, { 4, 4, 0, 0 }, 250 * SEC + 1000 },
        { { SEC, SEC - 1, 0, 0 }, { 4, 4, 0, 0 }, 250 * SEC },
        /* Memory for as long as the slot was held. */
        { { 8 * SEC, 0, GIB / 2, 0 }, { 16, 0, GIB, 0 }, 4000 * SEC },
        { { 8 * SEC, 0, GIB / 2, 0 }, { 1, 0, GIB, 0 }, 8000 * SEC },
        { { 1, 0, 1, 0 }, { 0, 0, 2, 0 }, 1 },
        /* I/O. */
        { { SEC, 0, 0, 1000 }, { 4, 0, 0, 1000 }, 1000 * SEC },
        { { SEC, 0, 0, 1 }, { 0, 0, 0, 1000000000 }, 1 },
        { { SEC, 0, 0, 2 }, { 0, 0, 0, 1000000000 }, 2 },
        /* The largest of all counts. */
        { { 4 * SEC, 2 * SEC, GIB / 4, 3000 }, { 4, 4, GIB, 1000 }, 3000 * SEC },
        { { 4 * SEC, 20 * SEC, GIB / 4, 3000 }, { 4, 4, GIB, 1000 }, 5000 * SEC },
        { { 16 * SEC, 20 * SEC, GIB / 2, 3000 }, { 4, 4, GIB, 1000 }, 8000 * SEC },
        { { 36 * SEC, 20 * SEC, GIB / 8, 3000 }, { 4, 4, GIB, 1000 }, 9000 * SEC },
        /* Saturation. */
        { { MAX, 0, 0, 0 }, { 1, 0, 0, 0 }, MAX },
        { { MAX / 1000, 0, 0, 0 }, { 1, 0, 0, 0 }, MAX / 1000 * 1000 },
        { { MAX / 1000 + 1, 0, 0, 0 }, { 1, 0, 0, 0 }, MAX },
        { { 0, MAX, 0, 0 }, { 0, 1, 0, 0 }, MAX },
        { { 0, 0, 0, MAX }, { 0, 0, 0, 1 }, MAX },
        { { MAX, 0, MAX, 0 }, { 0, 0, GIB, 0 }, MAX },
        { { MAX, MAX, MAX, MAX }, { MAX - 1, MAX - 1, MAX - 1, MAX - 1 }, MAX },
};

START_TEST(charge) {
        ck_assert_uint_eq(tq_fair_charge(&charge_rows[_i].use, &charge_rows[_i].capacity),
                          charge_rows[_i].charge);
}
END_TEST

static const struct {
        uint64_t charge, weight, advance;
} advance_rows[] = {
        { 1000, 100, 1000 },       { 1000, 1, 100000 },   { 1000, 10000, 10 },
        { 1000, 300, 333 },        { 0, 100, 1 },         { 1, 10000, 1 },
        { 99, 10000, 1 },          { 200, 10000, 2 },     { MAX, 100, MAX },
        { MAX, 1, MAX },           { MAX, 200, MAX / 2 }, { MAX / 100, 1, MAX / 100 * 100 },
        { MAX / 100 + 1, 1, MAX }, { 1000, 0, 100000 }, /* as 1 */
};

START_TEST(advance) {
        ck_assert_uint_eq(tq_fair_advance(advance_rows[_i].charge, advance_rows[_i].weight),
                          advance_rows[_i].advance);
}
END_TEST

/* History: log2 of a sum whose terms lose half their worth per half-life. */
START_TEST(history) {
        const uint64_t half = 3600 * SEC;
        TqHistory h = tq_fair_history_add(TQ_HISTORY_NONE, 1024, 100, 0, half);

        ck_assert_double_eq_tol(h, 10, 1e-9);
        h = tq_fair_history_add(h, 1024, 100, 0, half);
        ck_assert_double_eq_tol(h, 11, 1e-9);
        /* One half-life later 2048 are worth 1024, on a scale that has doubled. */
        h = tq_fair_history_add(h, 1024, 100, half, half);
        ck_assert_double_eq_tol(h, 12, 1e-9);
        ck_assert_double_eq_tol(tq_fair_history_add(TQ_HISTORY_NONE, 1024, 400, 0, half), 8, 1e-9);
        ck_assert_double_eq_tol(tq_fair_history_add(TQ_HISTORY_NONE, 1, 100, 0, 0), 0, 1e-9);
        ck_assert(TQ_HISTORY_NONE < tq_fair_history_add(TQ_HISTORY_NONE, 0, 10000, 0, half));
        ck_assert(!isnan(tq_fair_history_add(TQ_HISTORY_NONE, MAX, 1, MAX, 1)));
}
END_TEST

/* Who used more keeps having used more, however much time passes; new use counts for more. */
START_TEST(history_order) {
        const uint64_t half = 60 * SEC;
        TqHistory a = TQ_HISTORY_NONE, b = TQ_HISTORY_NONE, c;

        a = tq_fair_history_add(a, 1000, 100, 0, half);
        b = tq_fair_history_add(b, 999, 100, 0, half);
        ck_assert(a > b);
        /* The same to both, at any time: the order stays, until it drowns in rounding. */
        for (uint64_t now = 0; now < 20 * half; now += half) {
                a = tq_fair_history_add(a, 500, 100, now, half);
                b = tq_fair_history_add(b, 500, 100, now, half);
                ck_assert(a >= b);
        }
        /* Half as much one half-life later is the same as half as much now. */
        a = tq_fair_history_add(TQ_HISTORY_NONE, 1000, 100, 0, half);
        c = tq_fair_history_add(TQ_HISTORY_NONE, 501, 100, half, half);
        ck_assert(c > a);
        c = tq_fair_history_add(TQ_HISTORY_NONE, 499, 100, half, half);
        ck_assert(c < a);
        /* A year of it. */
        for (uint64_t now = 0; now < 365 * 24 * 3600 * SEC; now += 3600 * SEC)
                a = tq_fair_history_add(a, 1000, 100, now, half);
        ck_assert(isfinite(a));
        ck_assert_double_eq_tol(a, log2(1000) + (365 * 24 - 1) * 60.0, 1e-6);
}
END_TEST

static TqUse use_of(uint64_t slot, uint64_t cpu, uint64_t memory, uint64_t io) {
        return (TqUse){
                .slot_usec = slot, .cpu_usec = cpu, .memory_bytes = memory, .io_bytes = io
        };
}

static void check_use(const TqUse *got, TqUse want) {
        ck_assert_ptr_nonnull(got);
        ck_assert_uint_eq(got->slot_usec, want.slot_usec);
        ck_assert_uint_eq(got->cpu_usec, want.cpu_usec);
        ck_assert_uint_eq(got->memory_bytes, want.memory_bytes);
        ck_assert_uint_eq(got->io_bytes, want.io_bytes);
}

static void learn(TqAverages **a, uint64_t name, TqUse use) {
        tq_fair_learn(a, name, &use);
}

START_TEST(averages) {
        TqAverages *a = NULL;

        ck_assert_ptr_null(tq_fair_predict(a, 1));
        ck_assert_ptr_null(tq_fair_averages_free(NULL));
        learn(&a, 1, use_of(1000, 400, 80, 8));
        check_use(tq_fair_predict(a, 1), use_of(1000, 400, 80, 8));
        check_use(tq_fair_predict(a, 2), use_of(1000, 400, 80, 8)); /* that of all */
        check_use(tq_fair_predict(a, 17), use_of(1000, 400, 80, 8));
        /* A quarter of the way, up and down. */
        learn(&a, 1, use_of(2000, 0, 84, 4));
        check_use(tq_fair_predict(a, 1), use_of(1250, 300, 81, 7));
        learn(&a, 2, use_of(250, 0, 1, 3));
        check_use(tq_fair_predict(a, 2), use_of(250, 0, 1, 3));
        check_use(tq_fair_predict(a, 1), use_of(1250, 300, 81, 7));
        check_use(tq_fair_predict(a, 3), use_of(1000, 225, 61, 6));
        a = tq_fair_averages_free(a);
        ck_assert_ptr_null(a);
}
END_TEST

/* Of two names with one place in the table the later one stays, and begins anew. */
START_TEST(averages_of_few_names) {
        TqAverages *a = NULL;

        learn(&a, 5, use_of(1000, 0, 0, 0));
        learn(&a, 5 + 16, use_of(5000, 0, 0, 0));
        check_use(tq_fair_predict(a, 21), use_of(5000, 0, 0, 0));
        check_use(tq_fair_predict(a, 5), use_of(2000, 0, 0, 0)); /* of all */
        learn(&a, 5, use_of(3000, 0, 0, 0));
        check_use(tq_fair_predict(a, 5), use_of(3000, 0, 0, 0));
        for (uint64_t name = 0; name < 1000; name++)
                learn(&a, name, use_of(name + 1, 0, 0, 0));
        for (uint64_t name = 984; name < 1000; name++)
                check_use(tq_fair_predict(a, name), use_of(name + 1, 0, 0, 0));
        a = tq_fair_averages_free(a);
}
END_TEST

/* Jobs without a name (0) have their average too, and no time at all is some. */
START_TEST(averages_boundaries) {
        TqAverages *a = NULL;

        learn(&a, 0, use_of(0, 0, 0, 0));
        check_use(tq_fair_predict(a, 0), use_of(1, 0, 0, 0));
        learn(&a, 0, use_of(MAX, MAX, MAX, MAX));
        check_use(tq_fair_predict(a, 0), use_of(1 + (MAX - 1) / 4, MAX / 4, MAX / 4, MAX / 4));
        for (int i = 0; i < 300; i++)
                learn(&a, 0, use_of(MAX, 0, MAX, 0));
        ck_assert_uint_ge(tq_fair_predict(a, 0)->slot_usec, MAX - 3);
        ck_assert_uint_le(tq_fair_predict(a, 0)->cpu_usec, 3);
        a = tq_fair_averages_free(a);
}
END_TEST

/* As bytes and back: all names, one, and the greatest numbers. */
START_TEST(averages_as_bytes) {
        static const unsigned names[] = { 1, 16, 100 };
        uint8_t bytes[TQ_FAIR_AVERAGES_MAX], again[TQ_FAIR_AVERAGES_MAX];
        size_t n = TQ_MIN(names[_i], 16U), size;
        TqAverages *a = NULL, *b = NULL;

        ck_assert_uint_eq(tq_fair_write(NULL, bytes), 0);
        for (unsigned i = 0; i < names[_i]; i++)
                learn(&a, MAX - i, use_of(i + 1, MAX, 3, i));
        size = tq_fair_write(a, bytes);
        ck_assert_uint_eq(size, 34 + 40 * n);
        ck_assert_int_eq(tq_fair_read(bytes, size, &b), 0);
        ck_assert_uint_eq(tq_fair_write(b, again), size);
        ck_assert_mem_eq(bytes, again, size);
        check_use(tq_fair_predict(b, MAX - names[_i] + 1),
                  use_of(names[_i], MAX, 3, names[_i] - 1));
        b = tq_fair_averages_free(b);
        /* One byte more or less, another version or number of names: somebody else's. */
        ck_assert_int_eq(tq_fair_read(bytes, size - 1, &b), -EBADMSG);
        ck_assert_int_eq(tq_fair_read(bytes, size + 1, &b), -EBADMSG);
        ck_assert_int_eq(tq_fair_read(bytes, 0, &b), -EBADMSG);
        ck_assert_int_eq(tq_fair_read(NULL, 0, &b), -EBADMSG);
        ck_assert_int_eq(tq_fair_read(bytes, 1, &b), -EBADMSG);
        for (size_t i = 0; i < 2; i++) {
                bytes[i]++;
                ck_assert_int_eq(tq_fair_read(bytes, size, &b), -EBADMSG);
                bytes[i]--;
        }
        /* No average, and two of one place. */
        memset(bytes + 2, 0, 8);
        ck_assert_int_eq(tq_fair_read(bytes, size, &b), -EBADMSG);
        bytes[2] = 1;
        ck_assert_int_eq(tq_fair_read(bytes, size, &b), 0);
        b = tq_fair_averages_free(b);
        memset(bytes + 42, 0, 8);
        ck_assert_int_eq(tq_fair_read(bytes, size, &b), -EBADMSG);
        bytes[42] = 1;
        if (n > 1) {
                memcpy(bytes + 34 + 40, bytes + 34, 8);
                ck_assert_int_eq(tq_fair_read(bytes, size, &b), -EBADMSG);
        }
        a = tq_fair_averages_free(a);
}
END_TEST

/* A history on a scale that does not grow: after a half-life the half is left. */
START_TEST(history_at) {
        const uint64_t half = 3600 * SEC, now = 1000000 * SEC;
        TqHistory h = tq_fair_history_add(TQ_HISTORY_NONE, 1024, 100, now, half);

        ck_assert_double_eq_tol(tq_fair_history_at(h, now, half), 10, 1e-9);
        ck_assert_double_eq_tol(tq_fair_history_at(h, now + half, half), 9, 1e-9);
        ck_assert_double_eq_tol(tq_fair_history_of(10, 0, now, half), h, 1e-9);
        /* With another clock, and later: also before that began to run. */
        ck_assert_double_eq_tol(
                tq_fair_history_at(tq_fair_history_of(10, 2 * half, 5, half), 5, half), 8, 1e-9);
        ck_assert(tq_fair_history_at(TQ_HISTORY_NONE, now, half) == TQ_HISTORY_NONE);
        ck_assert(tq_fair_history_of(TQ_HISTORY_NONE, 0, now, half) == TQ_HISTORY_NONE);
        ck_assert(tq_fair_history_of(INFINITY, 0, now, half) == TQ_HISTORY_NONE);
        ck_assert(tq_fair_history_of(NAN, 0, now, half) == TQ_HISTORY_NONE);
}
END_TEST

static void fill(Suite *s) {
        TCase *charges = unit_case(s, "charges"), *past = unit_case(s, "past");

        unit_add_rows(charges, charge, charge_rows);
        unit_add_rows(charges, advance, advance_rows);
        tcase_add_test(past, history);
        tcase_add_test(past, history_order);
        tcase_add_test(past, averages);
        tcase_add_test(past, averages_of_few_names);
        tcase_add_test(past, averages_boundaries);
        tcase_add_loop_test(past, averages_as_bytes, 0, 3);
        tcase_add_test(past, history_at);
}

int main(void) {
        return unit_main("core/fair", fill);
}
