/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "conf/fleetfile.h"
#include "ctl/audit.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* Limits of many tenants as a text that is kept in a file, looked at before, and applied as a unit.
 */

#define PIECE (64 * 1024) /* of a call, which is bounded */

static int read_text(const char *file, char **ret) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        int r = input_read(file, TQ_FLEET_FILE_MAX, &text);

        if (r == -E2BIG)
                return fail(TQ_EXIT_INVALID, "%s: larger than %llu MiB", file,
                            (unsigned long long)(TQ_FLEET_FILE_MAX >> 20));
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s", file, strerror(-r));
        if (text.size > 0 &&
            (memchr(text.data, '\0', text.size) || !tq_parse_is_utf8(text.data, text.size)))
                return fail(TQ_EXIT_INVALID, "%s: expected text in UTF-8", file);
        *ret = strdup(text.size > 0 ? tq_buffer_string(&text) : "");
        return *ret ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");
}

/* What can be said without a daemon. */
static int check_text(const char *file, const char *text) {
        TQ_FLEET_CLEANUP TqFleet fleet = {};
        char message[768];
        TqError err = {};
        int r = tq_fleetfile_parse(text, strlen(text), &fleet, &err);
        unsigned line = err.line;

        if (r >= 0)
                return 0;
        if (r == -ENOMEM)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        err.line = 0;
        (void)tq_error_format(&err, message, sizeof(message));
        return line > 0 ? fail(TQ_EXIT_INVALID, "%s:%u: %s", file, line, message)
                        : fail(TQ_EXIT_INVALID, "%s: %s", file, message);
}

int verb_policy_check(const Options *o, int argc, char *argv[]) {
        int worst = 0;

        (void)o;
        for (int i = 0; i < argc; i++) {
                TQ_FREE char *text = NULL;
                int r = read_text(argv[i], &text);

                if (r == 0 && text)
                        r = check_text(argv[i], text);
                worst = TQ_MAX(worst, r);
        }
        return worst;
}

/* Never within a character: what is sent is text. */
static size_t piece_of(const char *text) {
        size_t n = strnlen(text, PIECE);

        if (n == PIECE)
                while (n > PIECE - 4 && ((unsigned char)text[n] & 0xC0) == 0x80)
                        n--;
        return n;
}

static int stage(const Options *o, Call *c, const char *text) {
        int r = call_open(o, c, "StagePolicy");

        for (bool is_first = true; r == 0 && (is_first || *text); is_first = false) {
                TQ_FREE char *piece = strndup(text, piece_of(text));

                if (!piece || sd_bus_message_append(c->request, "bs", is_first, piece) < 0)
                        return fail(TQ_EXIT_FAILURE, "out of memory");
                text += strlen(piece);
                r = call_send(c);
                if (r == 0)
                        r = call_again(c, *text ? "StagePolicy" : "ApplyPolicy");
        }
        return r;
}

typedef struct Wanted {
        const char *file; /* what an error is about; NULL: none */
        const char *text, *tenant, *about;
        const char *flag; /* NULL: all of it */
        bool has_last;
        uint64_t last; /* the version that it is a change of */
        bool is_trial;
        bool is_kept; /* as a version, though nothing changes by it */
} Wanted;

static int apply(const Options *o, const Wanted *w, TqTable *ret, uint64_t *ret_version) {
        uint32_t flags = (w->is_trial ? TQ_CHANGE_TRIAL : 0) | (o->force ? TQ_CHANGE_FORCE : 0) |
                         (w->is_kept ? TQ_CHANGE_KEEP : 0);
        CALL_CLEANUP Call c = {};
        uint64_t watch = 0;
        int r = limits_read_span("watch", o->watch, &watch);

        if (r == 0)
                r = stage(o, &c, w->text);
        if (r != 0)
                return r;
        c.about = w->file;
        if (sd_bus_message_append(c.request, "ssxsstu", w->tenant, w->flag ? w->flag : "",
                                  w->has_last ? (int64_t)w->last : INT64_C(-1), w->about,
                                  o->why ? o->why : "", watch, flags) < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        r = call_table(&c, ret);
        if (r == 0 && sd_bus_message_read(c.reply, "t", ret_version) < 0)
                r = fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
        return r;
}

static int show(const Options *o, const Wanted *w, const TqTable *t, uint64_t version) {
        if (t->n_rows == 0 && !o->json) {
                output_remark(o, "all of it holds: nothing to change");
                return 0;
        }
        limits_print_change(o, t, w->is_trial);
        if (version > 0 && !w->is_trial && !o->json)
                output_remark(o, "policy %" PRIu64 ": %zu changes", version, t->n_rows);
        if (version > 0 && o->watch && !w->is_trial && !o->json)
                output_remark(o, LIMITS_WATCHED, o->watch);
        return 0;
}

/* silent: that there is none is not said. */
static int get_version(const Options *o, uint64_t version, bool silent, uint64_t *ret_version,
                       char **ret) {
        CALL_CLEANUP Call c = { .silent = silent ? 1U << TQ_CONTROL_NOT_FOUND : 0 };
        const char *text;
        int r = call_open(o, &c, "ShowPolicy");

        if (r != 0)
                return r;
        if (sd_bus_message_append(c.request, "t", version) < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        r = call_send(&c);
        if (r != 0)
                return r;
        if (sd_bus_message_read(c.reply, "ts", ret_version, &text) < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
        *ret = strdup(text);
        return *ret ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");
}

/* Its flags are known by the version: one that changes no limit is kept if it is not the last one.
 */
static int keep_flags(const Options *o, Wanted *w) {
        TQ_FLEET_CLEANUP TqFleet fleet = {};
        TQ_FREE char *last = NULL;
        uint64_t version = 0;
        int r = 0;

        if (tq_fleetfile_parse(w->text, strlen(w->text), &fleet, NULL) < 0 || fleet.n_flags == 0)
                return 0; /* the daemon says what is wrong */
        r = get_version(o, 0, true, &version, &last);
        w->is_kept = r == TQ_EXIT_NOT_FOUND || (last && strcmp(last, w->text) != 0);
        return r == TQ_EXIT_NOT_FOUND ? 0 : r;
}

int verb_policy_plan(const Options *o, int argc, char *argv[]) {
        Wanted w = { .file = argv[0], .tenant = "", .about = "", .is_trial = true };
        TQ_TABLE_CLEANUP TqTable t = {};
        TQ_FREE char *text = NULL;
        uint64_t version = 0;
        int r = read_text(argv[0], &text);

        (void)argc;
        if (r == 0 && text)
                r = check_text(argv[0], text);
        w.text = text;
        if (r == 0 && text)
                r = apply(o, &w, &t, &version);
        if (r == TQ_EXIT_INVALID)
                return 2;
        if (r == 0)
                r = show(o, &w, &t, version);
        /* As diff(1): there are differences. */
        return r != 0 ? r : t.n_rows > 0;
}

int verb_policy_apply(const Options *o, int argc, char *argv[]) {
        Wanted w = { .file = argv[0], .tenant = "", .about = "", .is_trial = o->dry_run };
        TQ_TABLE_CLEANUP TqTable t = {};
        TQ_FREE char *text = NULL;
        uint64_t version = 0;
        int r;

        (void)argc;
        if (!o->why && !o->dry_run)
                return fail(TQ_EXIT_USAGE, "-m: expected why it is applied");
        r = read_text(argv[0], &text);
        if (r == 0 && text)
                r = check_text(argv[0], text);
        w.text = text;
        if (r == 0 && text)
                r = keep_flags(o, &w);
        if (r == 0 && text)
                r = apply(o, &w, &t, &version);
        return r != 0 ? r : show(o, &w, &t, version);
}

/* Versions ------------------------------------------------------------------------------------ */

static int ask(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        (void)userdata;
        return sd_bus_message_append(c->request, "tu", from, rows);
}

int verb_policy_history(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = call_pages(o, "ListPolicies", ask, NULL, o->rows, &t);

        (void)argc;
        (void)argv;
        if (r == 0 && t.n_rows > 0 && audit_add_who(&t) < 0)
                r = fail(TQ_EXIT_FAILURE, "out of memory");
        if (r != 0)
                return r;
        if (o->json)
                output_json(&t, "tenantq.policies.v1", "policies");
        else if (t.n_rows > 0)
                r = table_print(o, &t, "policy,time_usec,tenants,by,text,why");
        else
                output_remark(o, "no policy was applied");
        return r;
}

int verb_policy_show(const Options *o, int argc, char *argv[]) {
        TQ_FREE char *text = NULL;
        uint64_t version = 0;
        int r;

        if (argc > 0 && tq_parse_u64_in(argv[0], 1, INT64_MAX, &version) < 0)
                return fail(TQ_EXIT_USAGE, "\"%s\": expected the number of a version", argv[0]);
        r = get_version(o, version, false, &version, &text);
        if (r == 0)
                (void)fputs(text, stdout);
        return r;
}

/* Of one tenant: what the last version says of the others is said by the new one, too. */
static int keep_others(const Options *o, const char *tenant, Wanted *w, char **text) {
        TQ_BUFFER_CLEANUP TqBuffer both = {};
        TQ_FREE char *last = NULL;
        int r = get_version(o, 0, false, &w->last, &last);

        w->has_last = true;

        if (r != 0 || !last)
                return r;
        r = tq_fleetfile_splice(last, *text, tenant, &both);
        if (r == -ENOENT)
                return fail(TQ_EXIT_NOT_FOUND, "version %" PRIu64 " says nothing of %s", o->to,
                            tenant);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        free(*text);
        *text = strdup(tq_buffer_string(&both));
        return *text ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");
}

int verb_policy_rollback(const Options *o, int argc, char *argv[]) {
        Wanted w = { .tenant = argc > 0 ? argv[0] : "", .is_trial = o->dry_run };
        TQ_TABLE_CLEANUP TqTable t = {};
        TQ_FREE char *text = NULL;
        uint64_t version = 0;
        char about[64];
        int r;

        if (!(o->used & WITH(TO)))
                return fail(TQ_EXIT_USAGE,
                            "--to: expected the version to go back to (policy history)");
        r = get_version(o, o->to, false, &version, &text);
        if (r == 0 && text && argc > 0)
                r = keep_others(o, argv[0], &w, &text);
        if (r != 0 || !text)
                return r;
        (void)snprintf(about, sizeof(about), "back to policy %" PRIu64, o->to);
        w.text = text;
        w.about = about;
        r = apply(o, &w, &t, &version);
        return r != 0 ? r : show(o, &w, &t, version);
}

/* Flags --------------------------------------------------------------------------------------- */

static int add_flag(TqTable *t, const TqFleetFlag *f) {
        TQ_BUFFER_CLEANUP TqBuffer tenants = {}, limits = {};
        int r = tq_table_add_row(t);

        for (size_t i = 0; i < f->n_tenants; i++)
                tq_buffer_printf(&tenants, "%s%s", i > 0 ? "," : "", f->tenants[i].name);
        for (size_t i = 0; i < f->what.n; i++)
                tq_buffer_printf(&limits, "%s%s%s%s=%s", i > 0 ? " " : "", f->what.limits[i].queue,
                                 f->what.limits[i].queue[0] ? "/" : "", f->what.limits[i].name,
                                 f->what.limits[i].value);
        if (tq_buffer_error(&tenants) < 0 || tq_buffer_error(&limits) < 0)
                return -ENOMEM;
        if (r >= 0)
                r = tq_table_set_text(t, 0, f->what.name);
        if (r >= 0)
                r = tq_table_set_text(t, 1, f->is_on ? "on" : "off");
        if (r >= 0)
                r = tq_table_set_text(t, 2, tq_buffer_string(&tenants));
        return r >= 0 && f->what.n > 0 ? tq_table_set_text(t, 3, tq_buffer_string(&limits)) : r;
}

static int list_flags(const Options *o, const char *text) {
        static const char *const columns[] = { "flag", "state", "tenants", "limits" };
        TQ_FLEET_CLEANUP TqFleet fleet = {};
        TQ_TABLE_CLEANUP TqTable t = {};
        char message[768];
        TqError err = {};

        if (tq_fleetfile_parse(text, strlen(text), &fleet, &err) < 0)
                return fail(TQ_EXIT_FAILURE, "%s", tq_error_format(&err, message, sizeof(message)));
        if (tq_table_add_columns(&t, columns, TQ_ELEMENTSOF(columns)) < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        for (size_t i = 0; i < fleet.n_flags; i++)
                if (add_flag(&t, &fleet.flags[i]) < 0)
                        return fail(TQ_EXIT_FAILURE, "out of memory");
        if (o->json)
                output_json(&t, "tenantq.flags.v1", "flags");
        else if (t.n_rows == 0)
                output_remark(o, "the policy has no flags");
        else
                return table_print(o, &t, "flag,state,tenants,limits");
        return 0;
}

int verb_policy_flag(const Options *o, int argc, char *argv[]) {
        Wanted w = { .tenant = "", .flag = argc > 0 ? argv[0] : NULL, .is_trial = o->dry_run };
        TQ_BUFFER_CLEANUP TqBuffer turned = {};
        TQ_TABLE_CLEANUP TqTable t = {};
        TQ_FREE char *text = NULL;
        uint64_t version = 0;
        char about[128];
        bool on = false;
        int r;

        if (argc == 1 || (argc > 1 && tq_parse_bool(argv[1], &on) < 0))
                return fail(TQ_EXIT_USAGE, "expected on or off behind the flag's name");
        w.has_last = true;
        r = get_version(o, 0, false, &w.last, &text);
        if (r != 0 || !text)
                return r;
        if (argc == 0)
                return list_flags(o, text);
        r = tq_fleetfile_turn(text, argv[0], on, &turned);
        if (r == -ENOENT)
                return fail(TQ_EXIT_NOT_FOUND, "the policy has no [flag %s] (policy show)",
                            argv[0]);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        (void)snprintf(about, sizeof(about), "flag %.64s %s", argv[0], on ? "on" : "off");
        w.text = tq_buffer_string(&turned);
        w.about = about;
        r = apply(o, &w, &t, &version);
        return r != 0 ? r : show(o, &w, &t, version);
}

int verb_policy_export(const Options *o, int argc, char *argv[]) {
        CALL_CLEANUP Call c = {};
        const char *text;
        int r = call_open(o, &c, "ExportPolicy");

        if (r == 0 && sd_bus_message_append(c.request, "s", argc > 0 ? argv[0] : "") < 0)
                r = fail(TQ_EXIT_FAILURE, "out of memory");
        if (r == 0)
                r = call_send(&c);
        if (r != 0)
                return r;
        if (sd_bus_message_read(c.reply, "s", &text) < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
        (void)fputs(text + strspn(text, "\n"), stdout);
        return 0;
}
