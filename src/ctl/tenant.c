/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/fs.h"
#include "conf/hostfile.h"
#include "core/ids.h"
#include "ctl/archive.h"
#include "ctl/ctl.h"
#include "ctl/order.h"
#include "ctl/verbs.h"

/* The end of a tenant, another name, another owner. The daemon that answers us has no say in what
 * root's files are: so root's word is put where only root can write (STATE/orders/NAME), and the
 * daemon's other half looks for it there. It is there before the daemon is asked, since that goes
 * on by itself then; and goes again if the daemon refuses. */

#define TEXT_MAX 160

typedef struct Order {
        const char *tenant;
        const char *what; /* as EndTenant() has it */
        const char *word; /* as the file has it */
        const char *to;   /* empty: none */
} Order;

/* What the daemon would have to do with. */
static int look(const Options *o, const char *tenant, const char *to, TqTable *ret) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "LookTenant");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "ss", tenant, to);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_table(&c, ret);
}

/* The daemon -------------------------------------------------------------------------------------
 */

/* It may be asked twice, and over restarts: the second time it is so already. It can be done by
 * then: *ret_gone. */
static int end(const Options *o, const Order *order, bool *ret_gone) {
        const char *const texts[] = { order->tenant, order->what, order->to };
        CALL_CLEANUP Call c = { .options = o, .silent = 1U << TQ_CONTROL_NOT_FOUND };
        int r = call_with_texts(o, &c, "EndTenant", texts, TQ_ELEMENTSOF(texts), true);

        *ret_gone = r == TQ_EXIT_NOT_FOUND;
        return *ret_gone ? 0 : r;
}

/* Who has it, or has had it. */
static bool is_of(const char *title, const char *tenant) {
        size_t n = strlen(tenant);

        return strncmp(title, tenant, n) == 0 && (title[n] == '\0' || title[n] == '.');
}

/* Of all who have had the name: that run or wait. */
static int64_t count_jobs(const TqTable *t, const char *tenant) {
        int64_t n = 0;

        for (size_t row = 0; row < t->n_rows; row++)
                if (is_of(tq_table_text(t, row, "tenant"), tenant))
                        n += tq_table_integer(t, row, "running", 0) +
                             tq_table_integer(t, row, "waiting", 0);
        return n;
}

/* What is so now, whoever has answered meanwhile: a tenant's row, or none; and its jobs. */
static int find(const Options *o, const char *tenant, TqTable *ret, int64_t *ret_jobs) {
        CALL_CLEANUP Call c = { .options = o };
        int r = call_with_texts(o, &c, "ListTenants", NULL, 0, false);

        if (r == 0)
                r = call_read_table(&c, ret);
        *ret_jobs = count_jobs(ret, tenant);
        tenants_keep(ret, tenant);
        return r;
}

static bool is_removing(const TqTable *t) {
        const char *state = t->n_rows > 0 ? tq_table_text(t, 0, "state") : NULL;

        return state && strcmp(state, "removing") == 0;
}

static bool is_owned_by(const TqTable *t, const char *user) {
        const char *name = t->n_rows > 0 ? tq_table_text(t, 0, "user") : NULL;
        char number[24];

        if (t->n_rows == 0)
                return false;
        (void)snprintf(number, sizeof(number), "%" PRId64, tq_table_integer(t, 0, "uid", -1));
        return strcmp(number, user) == 0 || (name && strcmp(name, user) == 0);
}

static int check(const Options *o, const Order *order) {
        TQ_TABLE_CLEANUP TqTable t = {};
        bool is_done;
        int64_t jobs;
        int r;

        r = find(o, strcmp(order->word, "rename") == 0 ? order->to : order->tenant, &t, &jobs);
        if (r != 0)
                return r;
        is_done = strcmp(order->word, "remove") == 0   ? t.n_rows == 0
                  : strcmp(order->word, "rename") == 0 ? t.n_rows > 0
                                                       : is_owned_by(&t, order->to);
        return is_done ? 0
                       : fail(TQ_EXIT_REFUSED, "%s: it was not done (tenantqctl events says why)",
                              order->tenant);
}

/* What a removal waits for is told as often as it changes. */
typedef struct Told {
        const Options *options;
        const char *tenant;
        char text[1024];
} Told;

static void tell(void *data) {
        TQ_TABLE_CLEANUP TqTable t = {};
        char text[sizeof(((Told *)NULL)->text)];
        const char *fault;
        Told *told = data;

        if (!call_quietly(told->options, "ListTenants", &t))
                return;
        tenants_keep(&t, told->tenant);
        if (!is_removing(&t))
                return;
        fault = tq_table_text(&t, 0, "fault");
        (void)tq_format_shown(fault ? fault : "", text, sizeof(text));
        if (text[0] == '\0' || strcmp(text, told->text) == 0)
                return;
        (void)fprintf(stderr, "%s: %s\n", told->tenant, text);
        (void)snprintf(told->text, sizeof(told->text), "%s", text);
}

/* Over restarts of the daemon. An exit code of what is not silent. */
static int wait_for(const Options *o, const char *tenant, unsigned silent, bool *ret_no_order) {
        Told told = { .options = o, .tenant = tenant };
        CALL_CLEANUP Call c = { .options = o,
                                .subject = tenant,
                                .meanwhile = tell,
                                .meanwhile_data = &told,
                                .silent = silent };
        int r = call_with_texts(o, &c, "WaitTenant", &tenant, 1, false);

        *ret_no_order = call_failed_as(&c, TQ_CONTROL_NO_ORDER);
        return r;
}

static int wait_for_end(const Options *o, const Order *order) {
        bool no_order;
        int r = wait_for(o, order->tenant, 1U << TQ_CONTROL_NOT_FOUND, &no_order);

        return r != 0 && r != TQ_EXIT_NOT_FOUND ? r : check(o, order);
}

/* An archive -------------------------------------------------------------------------------------
 */

static void archive_done(Archive **a) {
        *a = archive_free(*a);
}

typedef struct Emptied {
        const Options *options;
        const char *tenant;
        int orders_fd;
} Emptied;

/* It is being removed, nothing of it lives, and nobody has given the word: it stands there until
 * all is gone. */
static int check_untouched(void *data) {
        const Emptied *e = data;
        TQ_TABLE_CLEANUP TqTable t = {};
        int64_t jobs;
        int r;

        r = find(e->options, e->tenant, &t, &jobs);
        if (r != 0)
                return r;
        if (order_is_given(e->orders_fd, e->tenant) || !is_removing(&t) || jobs > 0)
                return fail(TQ_EXIT_REFUSED, "%s: somebody else has removed or kept it meanwhile",
                            e->tenant);
        return 0;
}

static int archive_emptied(const Options *o, const char *tenant, Archive *archive, int fd) {
        Emptied emptied = { .options = o, .tenant = tenant, .orders_fd = fd };
        bool no_order;
        int r = wait_for(o, tenant, 1U << TQ_CONTROL_NO_ORDER, &no_order);

        if (r == 0 || no_order)
                r = check_untouched(&emptied);
        return r != 0 ? r : archive_make(archive, o, tenant, check_untouched, &emptied);
}

/* Without root's word nothing of it is deleted: it is emptied first, and archived, and that is
 * given only then. */
static int make_archive(const Options *o, const Order *order, const TqHostConfig *config, int fd) {
        TQ_CLEANUP(archive_done) Archive *archive = NULL;
        TQ_TABLE_CLEANUP TqTable t = {};
        bool is_gone = false;
        int64_t jobs;
        int r;

        if (order_is_given(fd, order->tenant))
                return fail(TQ_EXIT_REFUSED, "%s: what there is of it goes already", order->tenant);
        r = archive_new(o->archive, config, &archive);
        if (r != 0)
                return r;
        r = end(o, order, &is_gone);
        if (is_gone)
                return fail(TQ_EXIT_NOT_FOUND, "%s is gone", order->tenant);
        if (r != 0)
                return r;
        r = archive_emptied(o, order->tenant, archive, fd);
        if (r != 0 && !order_is_given(fd, order->tenant) &&
            (r == TQ_EXIT_UNAVAILABLE ||
             (find(o, order->tenant, &t, &jobs) == 0 && is_removing(&t))))
                (void)fprintf(
                        stderr,
                        "%s: takes nothing, and nothing of it was deleted: remove it again, or "
                        "tenantqctl tenant keep %s\n",
                        order->tenant, order->tenant);
        return r;
}

/* Orders -----------------------------------------------------------------------------------------
 */

/* What is under way by another word of root's needs that: it is not replaced for a moment either.
 */
static int check_others(const Options *o, const Order *order, const char *text,
                        const char *before) {
        static const struct {
                const char *word, *state;
        } all[] = { { "remove", "removing" },
                    { "rename", "renaming" },
                    { "chown", "changing owner" } };
        TQ_TABLE_CLEANUP TqTable t = {};
        const char *state, *fault;
        int64_t jobs;
        int r;

        if (before[0] == '\0' || strcmp(before, text) == 0)
                return 0;
        r = find(o, order->tenant, &t, &jobs);
        if (r != 0 || t.n_rows == 0)
                return r;
        state = tq_table_text(&t, 0, "state");
        fault = tq_table_text(&t, 0, "fault");
        for (size_t i = 0; i < TQ_ELEMENTSOF(all) && state && fault; i++)
                if (strncmp(before, all[i].word, strlen(all[i].word)) == 0 &&
                    strcmp(state, all[i].state) == 0)
                        return fail(TQ_EXIT_REFUSED, "%s: %s", order->tenant, fault);
        return 0;
}

/* Root's word, then the daemon is asked. */
static int give_order(const Options *o, const Order *order, int fd) {
        char text[TEXT_MAX], before[TEXT_MAX];
        bool is_gone;
        int r;

        if (tq_fs_read_at(fd, order->tenant, before, sizeof(before)) < 0)
                before[0] = '\0';
        (void)snprintf(text, sizeof(text), "%s%s%s\n", order->word, order->to[0] ? " " : "",
                       order->to);
        r = check_others(o, order, text, before);
        if (r != 0)
                return r;
        r = order_write(fd, order->tenant, text);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "the order can't be written: %s", strerror(-r));
        r = end(o, order, &is_gone);
        /* If nobody has answered it may be recorded, and goes on when the daemon is there. */
        if ((r != 0 && r != TQ_EXIT_UNAVAILABLE) || is_gone)
                order_take_back(fd, order->tenant, is_gone ? "" : before);
        return r;
}

/* Root's word for what was asked for before the archive was made: asked once more, one that was
 * kept since, and has jobs again that nobody has archived, would go. */
static int end_archived(const Options *o, const Order *order, int fd) {
        int r = order_write(fd, order->tenant, "remove\n");

        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "the order can't be written: %s", strerror(-r));
        r = wait_for_end(o, order);
        if (r != TQ_EXIT_UNAVAILABLE)
                order_take_back(fd, order->tenant, "");
        if (r != 0)
                (void)fprintf(stderr, "%s: its archive is whole: %s\n", order->tenant, o->archive);
        return r;
}

static int carry_out_locked(const Options *o, const Order *order, const TqHostConfig *config,
                            int fd) {
        int r;

        if (!o->archive)
                return give_order(o, order, fd);
        r = make_archive(o, order, config, fd);
        return r != 0 ? r : end_archived(o, order, fd);
}

static int load_config(const Options *o, TqHostConfig **ret) {
        TQ_CLOSE int config_fd = tq_fs_open_dir(AT_FDCWD, o->config);
        TQ_FREE TqHostConfig *config = malloc(sizeof(*config));
        TqError err = {};
        char text[512];

        if (!config)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        if (config_fd < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s", o->config, strerror(-config_fd));
        if (tq_hostfile_load(config_fd, config, &err) < 0)
                return fail(TQ_EXIT_INVALID, "%s", tq_error_format(&err, text, sizeof(text)));
        *ret = TQ_TAKE_PTR(config);
        return 0;
}

static int carry_out(const Options *o, const Order *order) {
        TQ_FREE TqHostConfig *config = NULL;
        TQ_CLOSE int fd = -EBADF;
        int lock = -EBADF, r;

        /* A name of a file, from here on. */
        if (!tq_ids_tenant_is_valid(order->tenant))
                return fail(TQ_EXIT_USAGE, "\"%s\": expected a tenant's name", order->tenant);
        r = load_config(o, &config);
        if (r == 0)
                r = order_open(config, &fd);
        if (r == 0)
                r = order_lock(fd, order->tenant, &lock);
        if (r == 0)
                r = carry_out_locked(o, order, config, fd);
        lock = order_unlock(fd, order->tenant, lock);
        return r != 0 || o->archive ? r : wait_for_end(o, order);
}

static int check_archive(const Options *o) {
        TQ_CLEANUP(archive_done) Archive *archive = NULL;
        TQ_FREE TqHostConfig *config = NULL;
        int r = load_config(o, &config);

        return r != 0 ? r : archive_new(o->archive, config, &archive);
}

/* Verbs ------------------------------------------------------------------------------------------
 */

static void print_numbers(const TqTable *t) {
        static const struct {
                const char *column, *text;
        } rows[] = {
                { "running", "jobs that run" },      { "waiting", "jobs that wait" },
                { "ended", "jobs that have ended" }, { "dead", "of them dead letters" },
                { "limits", "limits set live" },     { "output_files", "files of output" },
                { "output_bytes", "bytes in them" }, { "spool_files", "files in its directory" },
        };
        const char *least = tq_table_integer(t, 0, "is_at_least", 0) ? "at least " : "";

        for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++)
                (void)printf("%s%" PRId64 " %s\n", i >= 5 ? least : "",
                             tq_table_integer(t, 0, rows[i].column, 0), rows[i].text);
}

static void print_file(const TqTable *t, const char *tenant) {
        if (tq_table_integer(t, 0, "has_file", 0))
                (void)printf(
                        "tenants.d/%s.conf is yours and stays; whoever has the name next finds "
                        "it\n",
                        tenant);
}

int verb_tenant_remove(const Options *o, int argc, char *argv[]) {
        const Order order = { argv[0], o->cancel ? "cancel" : "remove", "remove", "" };
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        (void)argc;
        r = look(o, argv[0], "", &t);
        if (r != 0)
                return r;
        if (o->dry_run && o->archive) {
                r = check_archive(o);
                if (r != 0)
                        return r;
        }
        if (o->dry_run) {
                if (o->json)
                        output_json(&t, "tenantq.removal.v1", "tenants");
                else {
                        print_numbers(&t);
                        print_file(&t, argv[0]);
                }
                return 0;
        }
        r = carry_out(o, &order);
        if (r != 0)
                return r;
        (void)printf("%s: removed\n", argv[0]);
        if (o->archive)
                (void)printf("what there was of it is in %s\n", o->archive);
        print_file(&t, argv[0]);
        return 0;
}

int verb_tenant_keep(const Options *o, int argc, char *argv[]) {
        CALL_CLEANUP Call c = {};
        int r;

        (void)argc;
        r = call_open(o, &c, "KeepTenant");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "s", argv[0]);
        if (r >= 0)
                r = call_append_intent(&c);
        r = r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_send(&c);
        if (r == 0)
                (void)printf("%s: %skept\n", argv[0], o->dry_run ? "would be " : "");
        return r;
}

int verb_tenant_rename(const Options *o, int argc, char *argv[]) {
        const Order order = { argv[0], "rename", "rename", argv[1] };
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        (void)argc;
        if (!tq_ids_tenant_is_valid(argv[1]))
                return fail(TQ_EXIT_USAGE, "\"%s\": " TQ_IDS_TENANT_RULE, argv[1],
                            TQ_TENANT_NAME_MAX);
        r = look(o, argv[0], argv[1], &t);
        if (r == 0 && o->dry_run && tq_table_integer(&t, 0, "running", 0) > 0)
                r = fail(TQ_EXIT_REFUSED, "%s: %" PRId64 " of its jobs run (tenantqctl ps %s)",
                         argv[0], tq_table_integer(&t, 0, "running", 0), argv[0]);
        if (r != 0)
                return r;
        if (o->dry_run) {
                (void)printf("%s can be called %s\n", argv[0], argv[1]);
                return 0;
        }
        r = carry_out(o, &order);
        if (r == 0)
                (void)printf("%s: called %s now\n", argv[0], argv[1]);
        return r;
}

static int try_chown(const Options *o, const Order *order) {
        bool is_gone;
        int r;

        if (order->to[strspn(order->to, "0123456789")] != '\0' &&
            !getpwnam(order->to)) /* NOLINT(concurrency-mt-unsafe) */
                return fail(TQ_EXIT_REFUSED, "there is no user \"%s\"", order->to);
        r = end(o, order, &is_gone);
        if (r == 0)
                (void)printf("%s: would be user %s's\n", order->tenant, order->to);
        return r;
}

int verb_tenant_chown(const Options *o, int argc, char *argv[]) {
        const Order order = { argv[0], "chown", "chown", argv[1] };
        TQ_TABLE_CLEANUP TqTable t = {};
        int r;

        (void)argc;
        if (strlen(argv[1]) >= 64 || strpbrk(argv[1], " \n") || argv[1][0] == '\0')
                return fail(TQ_EXIT_USAGE, "\"%s\": expected a user", argv[1]);
        r = look(o, argv[0], "", &t);
        if (r == 0 && o->dry_run)
                return try_chown(o, &order);
        if (r == 0)
                r = carry_out(o, &order);
        if (r == 0)
                (void)printf("%s: user %s's now\n", argv[0], argv[1]);
        return r;
}
