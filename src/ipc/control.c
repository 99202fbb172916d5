/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc/control.h"

#include <stdio.h>
#include <string.h>
#include <tenantq/types.h>
#include <time.h>

#include "base/format.h"
#include "base/parse.h"

static const struct {
        const char *name;
        int exit_code;
} errors[_TQ_CONTROL_ERROR_MAX] = {
        [TQ_CONTROL_FAILED] = { "org.tenantq.Error.Failed", TQ_EXIT_FAILURE },
        [TQ_CONTROL_INVALID] = { "org.tenantq.Error.Invalid", TQ_EXIT_INVALID },
        [TQ_CONTROL_REFUSED] = { "org.tenantq.Error.Refused", TQ_EXIT_REFUSED },
        [TQ_CONTROL_LIMIT] = { "org.tenantq.Error.Limit", TQ_EXIT_LIMIT },
        [TQ_CONTROL_NOT_FOUND] = { "org.tenantq.Error.NotFound", TQ_EXIT_NOT_FOUND },
        [TQ_CONTROL_DENIED] = { "org.tenantq.Error.Denied", TQ_EXIT_DENIED },
        [TQ_CONTROL_NO_ORDER] = { "org.tenantq.Error.NoOrder", TQ_EXIT_REFUSED },
        [TQ_CONTROL_CHANGED] = { "org.tenantq.Error.Changed", TQ_EXIT_CHANGED },
        [TQ_CONTROL_BUSY] = { "org.tenantq.Error.Busy", TQ_EXIT_BUSY },
};

const char *tq_control_error_name(TqControlError e) {
        return errors[e].name;
}

int tq_control_exit_code(const char *error_name) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(errors); i++)
                if (error_name && strcmp(errors[i].name, error_name) == 0)
                        return errors[i].exit_code;
        return TQ_EXIT_FAILURE;
}

/* Whatever is in the ledger, no cell spoils the answer that it stands in: D-Bus takes UTF-8 only.
 */
static int append_text(sd_bus_message *m, const char *text) {
        TQ_FREE char *whole = NULL;
        size_t n = strlen(text);

        if (tq_parse_is_utf8(text, n))
                return sd_bus_message_append(m, "v", "s", text);
        whole = malloc(n * 4 + 1);
        if (!whole)
                return -ENOMEM;
        return sd_bus_message_append(m, "v", "s", tq_format_utf8(text, whole, n * 4 + 1));
}

static int append_cell(sd_bus_message *m, const TqCell *cell) {
        switch (cell->type) {
        case TQ_CELL_INTEGER:
                return sd_bus_message_append(m, "v", "x", cell->integer);
        case TQ_CELL_TEXT:
                return append_text(m, cell->text);
        default:
                /* D-Bus has no null: an empty array of nothing in particular. */
                return sd_bus_message_append(m, "v", "ay", 0);
        }
}

int tq_control_append_table(sd_bus_message *m, const TqTable *t) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < t->n_columns; i++)
                r = sd_bus_message_append(m, "s", t->columns[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "av");
        for (size_t row = 0; r >= 0 && row < t->n_rows; row++) {
                r = sd_bus_message_open_container(m, 'a', "v");
                for (size_t i = 0; r >= 0 && i < t->n_columns; i++)
                        r = append_cell(m, tq_table_cell(t, row, i));
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int tq_control_reply_table(sd_bus_message *call, const TqTable *t) {
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = tq_control_append_table(reply, t);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int tq_control_reply_page(sd_bus_message *call, const TqTable *t, uint64_t next) {
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = tq_control_append_table(reply, t);
        if (r >= 0)
                r = sd_bus_message_append(reply, "t", next);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int read_cell(sd_bus_message *m, TqTable *t, size_t column) {
        const char *contents, *text;
        int64_t integer;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0 || type != 'v' || column >= t->n_columns)
                return -EBADMSG;
        if (strcmp(contents, "x") == 0) {
                r = sd_bus_message_read(m, "v", "x", &integer);
                if (r >= 0)
                        tq_table_set_integer(t, column, integer);
                return r;
        }
        if (strcmp(contents, "s") == 0) {
                r = sd_bus_message_read(m, "v", "s", &text);
                return r < 0 ? r : tq_table_set_text(t, column, text);
        }
        return sd_bus_message_skip(m, "v");
}

static int read_rows(sd_bus_message *m, TqTable *t) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "av");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'a', "v")) > 0) {
                r = tq_table_add_row(t);
                for (size_t i = 0; r >= 0 && i < t->n_columns; i++)
                        r = read_cell(m, t, i);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int tq_control_read_table(sd_bus_message *m, TqTable *ret) {
        TQ_TABLE_CLEANUP TqTable t = {};
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "s", &name)) > 0) {
                r = tq_table_add_column(&t, name);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = read_rows(m, &t);
        if (r < 0)
                return r;
        *ret = t;
        t = (TqTable){};
        return 0;
}

/* How long, and how often, a place in the backlog is waited for: others may fill it (connect(2),
 * EAGAIN), and it is emptied fast. */
#define BACKLOG_MSEC      5000
#define BACKLOG_STEP_MSEC 5

int tq_control_connect(const char *path, sd_bus **ret) {
        __attribute__((cleanup(sd_bus_unrefp))) sd_bus *bus = NULL;
        TQ_FREE char *address = NULL;
        int r, left = BACKLOG_MSEC / BACKLOG_STEP_MSEC;

        if (asprintf(&address, "unix:path=%s", path) < 0)
                return -ENOMEM;
        do {
                bus = sd_bus_unref(bus);
                r = sd_bus_new(&bus);
                if (r >= 0)
                        r = sd_bus_set_address(bus, address);
                if (r >= 0)
                        r = sd_bus_negotiate_fds(bus, true);
                if (r >= 0)
                        r = sd_bus_start(bus);
        } while (r == -EAGAIN && left-- > 0 &&
                 nanosleep(&(struct timespec){ .tv_nsec = BACKLOG_STEP_MSEC * 1000000 }, NULL) ==
                         0);
        if (r < 0)
                return r;
        *ret = TQ_TAKE_PTR(bus);
        return 0;
}
