/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/control.h"

#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <tenantq/types.h>

#include "unit.h"

/* A connection to nobody, to make messages of. */
static sd_bus *bus_new(void) {
        sd_bus *bus = NULL;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(bus, fds[0], fds[0]), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        return bus;
}

static sd_bus_message *message_new(sd_bus *bus) {
        sd_bus_message *m = NULL;

        ck_assert_int_ge(
                sd_bus_message_new_signal(bus, &m, TQ_CONTROL_PATH, TQ_CONTROL_INTERFACE, "X"), 0);
        return m;
}

static void seal(sd_bus_message *m) {
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
}

static void add_column(TqTable *t, const char *name) {
        ck_assert_int_eq(tq_table_add_column(t, name), 0);
}

static void check_same(const TqTable *a, const TqTable *b) {
        ck_assert_uint_eq(a->n_columns, b->n_columns);
        ck_assert_uint_eq(a->n_rows, b->n_rows);
        for (size_t i = 0; i < a->n_columns; i++)
                ck_assert_str_eq(a->columns[i], b->columns[i]);
        for (size_t row = 0; row < a->n_rows; row++)
                for (size_t i = 0; i < a->n_columns; i++) {
                        const TqCell *x = tq_table_cell(a, row, i), *y = tq_table_cell(b, row, i);

                        ck_assert_int_eq(x->type, y->type);
                        if (x->type == TQ_CELL_INTEGER)
                                ck_assert_int_eq(x->integer, y->integer);
                        if (x->type == TQ_CELL_TEXT)
                                ck_assert_str_eq(x->text, y->text);
                }
}

/* So many columns and rows, with every kind of cell. */
static const struct {
        size_t columns, rows;
} table_rows[] = { { 0, 0 }, { 1, 0 }, { 3, 1 }, { 4, 100 }, { 30, 50 } };

START_TEST(tables) {
        static const char *const texts[] = { "", "text", "caf\xC3\xA9 \xE2\x82\xAC", "a\nb\t\x1B" };
        static const int64_t integers[] = { 0, -1, INT64_MAX, INT64_MIN };
        TQ_TABLE_CLEANUP TqTable t = {}, got = {};
        sd_bus *bus = bus_new();
        sd_bus_message *m = message_new(bus);

        for (size_t i = 0; i < table_rows[_i].columns; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "c%zu", i);
                add_column(&t, name);
        }
        for (size_t row = 0; row < table_rows[_i].rows; row++) {
                ck_assert_int_eq(tq_table_add_row(&t), 0);
                for (size_t i = 0; i < table_rows[_i].columns; i++)
                        if ((row + i) % 3 == 0)
                                tq_table_set_integer(&t, i, integers[(row * i) % 4]);
                        else if ((row + i) % 3 == 1)
                                ck_assert_int_eq(tq_table_set_text(&t, i, texts[(row * i) % 4]), 0);
        }
        ck_assert_int_ge(tq_control_append_table(m, &t), 0);
        ck_assert_str_eq(sd_bus_message_get_signature(m, true), TQ_TABLE_SIGNATURE);
        seal(m);
        ck_assert_int_ge(tq_control_read_table(m, &got), 0);
        check_same(&t, &got);
        (void)sd_bus_message_unref(m);
        (void)sd_bus_close_unref(bus);
}
END_TEST

/* What follows a table can still be read. */
START_TEST(two_tables) {
        TQ_TABLE_CLEANUP TqTable a = {}, b = {}, got_a = {}, got_b = {};
        sd_bus *bus = bus_new();
        sd_bus_message *m = message_new(bus);
        uint32_t number = 0;

        add_column(&a, "x");
        add_column(&b, "y");
        ck_assert_int_eq(tq_table_add_row(&a), 0);
        tq_table_set_integer(&a, 0, 1);
        ck_assert_int_ge(tq_control_append_table(m, &a), 0);
        ck_assert_int_ge(tq_control_append_table(m, &b), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "u", 7), 0);
        seal(m);
        ck_assert_int_ge(tq_control_read_table(m, &got_a), 0);
        ck_assert_int_ge(tq_control_read_table(m, &got_b), 0);
        ck_assert_int_gt(sd_bus_message_read(m, "u", &number), 0);
        ck_assert_uint_eq(number, 7);
        check_same(&a, &got_a);
        check_same(&b, &got_b);
        (void)sd_bus_message_unref(m);
        (void)sd_bus_close_unref(bus);
}
END_TEST

/* A row with more cells than columns, and messages that hold something else. */
START_TEST(malformed) {
        TQ_TABLE_CLEANUP TqTable got = {};
        sd_bus *bus = bus_new();
        sd_bus_message *m = message_new(bus);

        ck_assert_int_ge(sd_bus_message_append(m, "as", 1, "one"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "aav", 1, 2, "x", INT64_C(1), "x", INT64_C(2)),
                         0);
        seal(m);
        ck_assert_int_lt(tq_control_read_table(m, &got), 0);
        (void)sd_bus_message_unref(m);

        m = message_new(bus);
        ck_assert_int_ge(sd_bus_message_append(m, "s", "no table"), 0);
        seal(m);
        ck_assert_int_lt(tq_control_read_table(m, &got), 0);
        (void)sd_bus_message_unref(m);

        m = message_new(bus);
        ck_assert_int_ge(sd_bus_message_append(m, "as", 1, "one"), 0);
        seal(m);
        ck_assert_int_lt(tq_control_read_table(m, &got), 0);
        (void)sd_bus_message_unref(m);
        ck_assert_uint_eq(got.n_columns, 0);

        m = message_new(bus);
        ck_assert_int_ge(sd_bus_message_append(m, "as", 2, "one", "two"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "aav", 1, 1, "x", INT64_C(1)), 0);
        seal(m);
        ck_assert_int_lt(tq_control_read_table(m, &got), 0);
        (void)sd_bus_message_unref(m);
        ck_assert_uint_eq(got.n_columns, 0);

        /* A cell of a type that is not ours is NULL. */
        m = message_new(bus);
        ck_assert_int_ge(sd_bus_message_append(m, "as", 2, "a", "b"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "aav", 2, 2, "x", INT64_C(5), "b", 1, 2, "d", 1.5,
                                               "s", "t"),
                         0);
        seal(m);
        ck_assert_int_ge(tq_control_read_table(m, &got), 0);
        ck_assert_uint_eq(got.n_rows, 2);
        ck_assert_int_eq(tq_table_integer(&got, 0, "a", -1), 5);
        ck_assert_int_eq(tq_table_cell(&got, 0, 1)->type, TQ_CELL_NULL);
        ck_assert_int_eq(tq_table_cell(&got, 1, 0)->type, TQ_CELL_NULL);
        ck_assert_str_eq(tq_table_text(&got, 1, "b"), "t");
        (void)sd_bus_message_unref(m);
        (void)sd_bus_close_unref(bus);
}
END_TEST

static const struct {
        TqControlError error;
        const char *name;
        int exit_code;
} error_rows[] = {
        { TQ_CONTROL_FAILED, "org.tenantq.Error.Failed", TQ_EXIT_FAILURE },
        { TQ_CONTROL_INVALID, "org.tenantq.Error.Invalid", TQ_EXIT_INVALID },
        { TQ_CONTROL_REFUSED, "org.tenantq.Error.Refused", TQ_EXIT_REFUSED },
        { TQ_CONTROL_LIMIT, "org.tenantq.Error.Limit", TQ_EXIT_LIMIT },
        { TQ_CONTROL_NOT_FOUND, "org.tenantq.Error.NotFound", TQ_EXIT_NOT_FOUND },
        { TQ_CONTROL_DENIED, "org.tenantq.Error.Denied", TQ_EXIT_DENIED },
        { TQ_CONTROL_NO_ORDER, "org.tenantq.Error.NoOrder", TQ_EXIT_REFUSED },
        { TQ_CONTROL_CHANGED, "org.tenantq.Error.Changed", TQ_EXIT_CHANGED },
        { TQ_CONTROL_BUSY, "org.tenantq.Error.Busy", TQ_EXIT_BUSY },
};

START_TEST(errors) {
        ck_assert_uint_eq(TQ_ELEMENTSOF(error_rows), _TQ_CONTROL_ERROR_MAX);
        for (size_t i = 0; i < TQ_ELEMENTSOF(error_rows); i++) {
                ck_assert_str_eq(tq_control_error_name(error_rows[i].error), error_rows[i].name);
                ck_assert_int_eq(tq_control_exit_code(error_rows[i].name), error_rows[i].exit_code);
        }
        ck_assert_int_eq(tq_control_exit_code("org.freedesktop.DBus.Error.NoReply"),
                         TQ_EXIT_FAILURE);
        ck_assert_int_eq(tq_control_exit_code(NULL), TQ_EXIT_FAILURE);
}
END_TEST

START_TEST(connect_to_nobody) {
        char path[PATH_MAX];
        sd_bus *bus = NULL;

        (void)snprintf(path, sizeof(path), "%.4000s/control.sock", unit_dir());
        ck_assert_int_eq(tq_control_connect(path, &bus), -ENOENT);
        ck_assert_ptr_null(bus);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "control");

        unit_add_rows(tcase, tables, table_rows);
        tcase_add_test(tcase, two_tables);
        tcase_add_test(tcase, malformed);
        tcase_add_test(tcase, errors);
        tcase_add_test(tcase, connect_to_nobody);
}

int main(void) {
        return unit_main("ipc/control", fill);
}
