/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/audit.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "store/chain.h"
#include "store/snapshot.h"

/* Who changed what. */

typedef struct Asked {
        const char *tenant;
        bool limits_only;
} Asked;

static int ask(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        const Asked *a = userdata;

        return sd_bus_message_append(c->request, "sbtu", a->tenant, a->limits_only, from, rows);
}

static const char *user_name(int64_t uid, char *buf, size_t size) {
        const struct passwd *pw = getpwuid((uid_t)uid); /* NOLINT(concurrency-mt-unsafe) */

        if (pw)
                (void)snprintf(buf, size, "%s", pw->pw_name);
        else
                (void)snprintf(buf, size, "%" PRIi64, uid);
        return buf;
}

/* The person behind it, as far as that is known. */
static const char *who(const TqTable *t, size_t row, char *buf, size_t size) {
        int64_t uid = tq_table_integer(t, row, "uid", -1);
        int64_t login = tq_table_integer(t, row, "login_uid", -1);
        const char *sudo_user = tq_table_text(t, row, "sudo_user");
        char name[256], behind[256];

        if (uid < 0)
                (void)snprintf(buf, size, "tenantq");
        else if (sudo_user)
                (void)snprintf(buf, size, "%s (sudo)", sudo_user);
        else if (login >= 0 && login != uid)
                (void)snprintf(buf, size, "%s (%s)", user_name(login, behind, sizeof(behind)),
                               user_name(uid, name, sizeof(name)));
        else
                (void)user_name(uid, buf, size);
        return buf;
}

int audit_add_who(TqTable *t) {
        TQ_TABLE_CLEANUP TqTable whole = {};
        size_t n = t->n_columns;
        char text[600];
        int r = tq_table_add_columns(&whole, (const char *const *)t->columns, n);

        if (r >= 0)
                r = tq_table_add_column(&whole, "by");
        for (size_t row = 0; r >= 0 && row < t->n_rows; row++) {
                r = tq_table_copy_row(&whole, t, row);
                if (r >= 0)
                        r = tq_table_set_text(&whole, n, who(t, row, text, sizeof(text)));
        }
        if (r < 0)
                return r;
        tq_table_done(t);
        *t = whole;
        whole = (TqTable){};
        return 0;
}

static int get(const Options *o, const char *tenant, bool limits_only, TqTable *ret) {
        Asked asked = { .tenant = tenant, .limits_only = limits_only };
        int r = call_pages(o, "ListAudit", ask, &asked, o->rows, ret);

        if (r == 0 && ret->n_rows > 0 && audit_add_who(ret) < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        return r;
}

const char *audit_sentence(const TqTable *t, size_t row, char *buf, size_t size) {
        const char *tenant = tq_table_text(t, row, "tenant"),
                   *queue = tq_table_text(t, row, "queue");
        const char *limit = tq_table_text(t, row, "limit"), *text = tq_table_text(t, row, "text");
        const char *old = tq_table_text(t, row, "old"), *new_value = tq_table_text(t, row, "new");
        const char *why = tq_table_text(t, row, "why");
        int64_t until = tq_table_integer(t, row, "until_usec", 0);
        char time[TQ_FORMAT_MAX];
        size_t at = 0;

#define ADD(...)                                                                                   \
        do {                                                                                       \
                if (at < size)                                                                     \
                        at += (size_t)snprintf(buf + at, size - at, __VA_ARGS__);                  \
        } while (0)
        buf[0] = '\0';
        if (queue)
                ADD("%s/%s: ", tenant ? tenant : "?", queue);
        if (limit)
                ADD("%s %s -> %s ", limit, old ? old : "unset", new_value ? new_value : "unset");
        if (until > 0)
                ADD("until %s ", tq_format_timestamp((uint64_t)until, time, sizeof(time)));
        if (text)
                ADD("%s ", text);
        ADD("by %s%s%s", tq_table_text(t, row, "by"), why ? ": " : "", why ? why : "");
#undef ADD
        return buf;
}

/* Where the columns of all kinds of changes don't fit, each is a sentence. */
#define WIDE 120

static int make_sentences(TqTable *t) {
        ssize_t column = tq_table_find(t, "text");
        char text[4096];
        int r = 0;

        for (size_t row = 0; r >= 0 && column >= 0 && row < t->n_rows; row++)
                r = tq_table_put_text(t, row, (size_t)column,
                                      audit_sentence(t, row, text, sizeof(text)));
        return r < 0 ? fail(TQ_EXIT_FAILURE, "out of memory") : 0;
}

static int print(const Options *o, TqTable *t, bool limits_only) {
        /* What may be long stands last: nothing is beside it. */
        static const char *const columns[2][2] = {
                { "audit,time_usec,kind,tenant,queue,job,limit,old,new,until_usec,by,why,text",
                  "?audit,time_usec,kind,tenant,?job,text" },
                { "revision,time_usec,tenant,queue,limit,old,new,until_usec,by,why,text",
                  "revision,time_usec,?tenant,text" },
        };
        bool is_narrow = o->width > 0 && o->width < WIDE && !o->columns;
        int r = is_narrow ? make_sentences(t) : 0;

        if (r == 0)
                r = table_print(o, t, columns[limits_only][is_narrow]);
        if (r == 0 && t->n_rows == o->rows)
                output_remark(o, "(the newest %zu; more with -n)", t->n_rows);
        return r;
}

int audit_show(const Options *o, const char *tenant, bool limits_only) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = get(o, tenant, limits_only, &t);

        if (r != 0)
                return r;
        if (!o->json && t.n_rows > 0)
                return print(o, &t, limits_only);
        if (o->json)
                output_json(&t, "tenantq.audit.v1", "audit");
        else
                output_remark(o, limits_only ? "no changes" : "no rows");
        return 0;
}

int verb_audit_list(const Options *o, int argc, char *argv[]) {
        return audit_show(o, argc > 0 ? argv[0] : "", false);
}

/* Verification -------------------------------------------------------------------------------- */

typedef struct Report {
        bool json;
        size_t n;
} Report;

static void on_problem(void *userdata, const char *text) {
        Report *r = userdata;

        if (!r->json)
                (void)printf("%s\n", text);
        else {
                (void)printf("%s\n", r->n > 0 ? "," : "");
                output_json_string(text);
        }
        r->n++;
}

static void print_end(const Report *r, const char *name, const TqChainFound *found) {
        char hash[TQ_CHAIN_HEX];

        (void)tq_chain_format(found->last.hash, hash);
        if (r->json)
                (void)printf("%s],\"rows\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64
                             ",\"hash\":\"%s\"}\n",
                             r->n > 0 ? "\n" : "", found->rows, found->first, found->last.id, hash);
        else if (found->problems == 0 && found->rows == 0)
                (void)printf("%s: nobody has changed anything\n", name);
        else if (found->problems == 0)
                (void)printf("%s: rows %" PRIu64 " to %" PRIu64 " are as they were written\n"
                             "hash of the last: %s\n",
                             name, found->first, found->last.id, hash);
}

/* The table came with a version: an older one has none, and nothing to verify. */
static int verify(const Options *o, const TqSnapshot *s, const uint8_t *mark, const char *name) {
        Report report = { .json = o->json };
        TqChainFound found;
        char text[768];
        TqError err = {};
        int rc;

        if (o->json)
                (void)fputs("{\"schema\":\"tenantq.chain.v1\",\"problems\":[", stdout);
        rc = tq_chain_verify(tq_snapshot_db(s), mark, on_problem, &report, &found);
        if (rc != SQLITE_OK) {
                (void)tq_snapshot_fail(s, "the audit", &err);
                return fail(TQ_EXIT_FAILURE, "%s: %s", name,
                            tq_error_format(&err, text, sizeof(text)));
        }
        if (mark && !found.has_mark) {
                found.problems++;
                on_problem(&report, "no row has the hash of --mark: it was changed, or forgotten "
                                    "by age (audit_age= of [history])");
        }
        print_end(&report, name, &found);
        return found.problems == 0 ? 0
                                   : fail(TQ_EXIT_FAILURE, "%s: %zu problem%s", name,
                                          found.problems, found.problems == 1 ? "" : "s");
}

int verb_audit_verify(const Options *o, int argc, char *argv[]) {
        const char *file = argc > 0 ? argv[0] : NULL;
        uint8_t mark[TQ_CHAIN_HASH];
        TqSnapshot *snapshot = NULL;
        char name[4096];
        int r;

        if (o->mark && tq_chain_parse(o->mark, mark) < 0)
                return fail(TQ_EXIT_USAGE,
                            "--mark \"%s\": expected 64 hexadecimal digits, as "
                            "audit verify and audit list --json print them",
                            o->mark);
        r = ledger_open(o, file, &snapshot);
        if (r != 0)
                return r;
        r = verify(o, snapshot, o->mark ? mark : NULL, ledger_name(file, name, sizeof(name)));
        snapshot = tq_snapshot_close(snapshot);
        return r;
}
