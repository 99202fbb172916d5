/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"
#include "store/snapshot.h"

/* All rows of all tables, one line of JSON each, in the order of their keys: nothing is kept but
 * the row at hand. What is no text is base64 in an object of its own, so that no text is taken for
 * it. */

typedef struct Export {
        const TqSnapshot *snapshot;
        const char *table, *key; /* the one at hand */
        const char *tenant;      /* NULL: all */
        TqError *err;
} Export;

static void print_base64(const unsigned char *data, size_t size) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        (void)fputs("{\"base64\":\"", stdout);
        for (size_t i = 0; i < size; i += 3) {
                unsigned three = (unsigned)data[i] << 16;

                three |= i + 1 < size ? (unsigned)data[i + 1] << 8 : 0;
                three |= i + 2 < size ? data[i + 2] : 0;
                (void)putchar(digits[three >> 18]);
                (void)putchar(digits[three >> 12 & 63]);
                (void)putchar(i + 1 < size ? digits[three >> 6 & 63] : '=');
                (void)putchar(i + 2 < size ? digits[three & 63] : '=');
        }
        (void)fputs("\"}", stdout);
}

static bool is_text(sqlite3_stmt *s, int i, const char *data, size_t size) {
        /* Of the bytes, only a job file is meant to be text. */
        if (sqlite3_column_type(s, i) == SQLITE_BLOB &&
            strcmp(sqlite3_column_name(s, i), "spec") != 0)
                return false;
        return memchr(data, '\0', size) == NULL && tq_parse_is_utf8(data, size);
}

static void print_bytes(sqlite3_stmt *s, int i) {
        bool is_blob = sqlite3_column_type(s, i) == SQLITE_BLOB;
        const void *data = is_blob ? sqlite3_column_blob(s, i) : sqlite3_column_text(s, i);
        size_t size = (size_t)sqlite3_column_bytes(s, i);

        /* Of none there is no address. As text, SQLite puts a NUL behind it. */
        if (!data || size == 0)
                (void)fputs("\"\"", stdout);
        else if (is_text(s, i, data, size))
                output_json_string((const char *)sqlite3_column_text(s, i));
        else
                print_base64(data, size);
}

static int print_row(void *userdata, sqlite3_stmt *s) {
        const Export *e = userdata;

        (void)fputs("{\"table\":", stdout);
        output_json_string(e->table);
        for (int i = 0; i < sqlite3_column_count(s); i++) {
                (void)putchar(',');
                output_json_string(sqlite3_column_name(s, i));
                (void)putchar(':');
                switch (sqlite3_column_type(s, i)) {
                case SQLITE_NULL:
                        (void)fputs("null", stdout);
                        break;
                case SQLITE_INTEGER:
                        (void)printf("%" PRId64, (int64_t)sqlite3_column_int64(s, i));
                        break;
                default:
                        print_bytes(s, i);
                }
        }
        (void)fputs("}\n", stdout);
        /* Nobody reads any more, or the disk is full: main() says it. */
        return ferror(stdout) ? -ECANCELED : 0;
}

/* Each table, with the column that says whose a row is: of a tenant, or of a job of one. */
#define TABLES                                                                                     \
        "SELECT name, CASE WHEN name = 'tenants' THEN 'id'"                                        \
        " WHEN EXISTS (SELECT 1 FROM pragma_table_info(s.name) WHERE name = 'tenant')"             \
        " THEN 'tenant'"                                                                           \
        " WHEN EXISTS (SELECT 1 FROM pragma_table_info(s.name) WHERE name = 'job') THEN 'job' END" \
        " FROM sqlite_schema s WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"

/* In the order of the tables' keys, whose first column that is. */
static int export_of_owner(void *userdata, sqlite3_stmt *s) {
        Export *e = userdata;
        int64_t owner = sqlite3_column_int64(s, 0);
        char sql[512];

        (void)sqlite3_snprintf(sizeof(sql), sql,
                               strcmp(e->key, "job") == 0
                                       ? "SELECT * FROM \"%w\" WHERE \"%w\" IN"
                                         " (SELECT id FROM jobs WHERE tenant = %lld) ORDER BY 1"
                                       : "SELECT * FROM \"%w\" WHERE \"%w\" = %lld ORDER BY 1",
                               e->table, e->key, (long long)owner);
        return tq_snapshot_each(e->snapshot, sql, print_row, e, e->err);
}

static int export_table(void *userdata, sqlite3_stmt *s) {
        Export *e = userdata;
        char sql[512];

        e->table = (const char *)sqlite3_column_text(s, 0);
        e->key = (const char *)sqlite3_column_text(s, 1);
        if (!e->tenant)
                (void)sqlite3_snprintf(sizeof(sql), sql, "SELECT * FROM \"%w\"", e->table);
        else if (e->key)
                (void)sqlite3_snprintf(sizeof(sql), sql,
                                       "SELECT id FROM tenants WHERE name = %Q AND ending IS NOT"
                                       " 'removed' ORDER BY id",
                                       e->tenant);
        else
                return 0;
        return tq_snapshot_each(e->snapshot, sql, e->tenant ? export_of_owner : print_row, e,
                                e->err);
}

int verb_ledger_export(const Options *o, int argc, char *argv[]) {
        return ledger_export(o, argc > 0 ? argv[0] : NULL, NULL);
}

int ledger_export(const Options *o, const char *file, const char *tenant) {
        TqSnapshot *snapshot = NULL;
        TqError err = {};
        int64_t version;
        char text[768], name[4096];
        Export e;
        int r;

        r = ledger_open(o, file, &snapshot);
        if (r != 0)
                return r;
        e = (Export){ .snapshot = snapshot, .tenant = tenant, .err = &err };
        r = tq_snapshot_number(snapshot, "PRAGMA user_version", &version, &err);
        if (r >= 0) {
                (void)printf("{\"schema\":\"tenantq.export.v1\",\"table\":\"ledger\",\"version\":"
                             "%" PRId64 "}\n",
                             version);
                r = tq_snapshot_each(snapshot, TABLES, export_table, &e, &err);
        }
        if (r >= 0 && tq_snapshot_is_torn(snapshot))
                r = tq_error(&err, -EBUSY, "its daemon was started meanwhile: export it again");
        snapshot = tq_snapshot_close(snapshot);
        return r < 0 && err.text[0] != '\0'
                       ? fail(TQ_EXIT_FAILURE, "%s: %s", ledger_name(file, name, sizeof(name)),
                              tq_error_format(&err, text, sizeof(text)))
                       : 0;
}
