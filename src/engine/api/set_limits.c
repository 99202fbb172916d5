/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/ids.h"
#include "engine/api/change_rows.h"
#include "engine/api/question.h"
#include "engine/api/verbs.h"
#include "engine/settings/change.h"

/* What changes live limits: by assignments, or back to what they were at a revision. */

static int reply(const Call *c, const Change *change) {
        TQ_TABLE_CLEANUP TqTable table = {};
        int r = change_rows_begin(&table);

        if (r >= 0)
                r = change_rows_add(&table, c->tenant, change);
        return r < 0 ? r : call_reply_table(c, &table);
}

static void on_done(void *data, const Change *change, TqControlError error, const char *text) {
        Call *c = data;
        int r = text ? call_error(c, error, "%s", text) : reply(c, change);

        if (r < 0)
                (void)call_error(c, TQ_CONTROL_FAILED, "it holds, but can't be shown");
        (void)call_free(c);
}

/* As a verb returns. `fill` says what is to be changed. */
static int change(const Call *c, ChangeRequest *request,
                  int (*fill)(Change *change, const Call *c, void *data, TqError *err),
                  void *data) {
        Call *kept = call_keep(c);
        TqError err = {};
        char text[512];
        Change *new = NULL;
        int r = -ENOMEM;

        request->uid = c->viewer.uid;
        request->origin = &c->viewer.origin;
        if (kept)
                r = change_new(c->api->settings, c->tenant, request, on_done, kept, &new);
        if (r == -EBUSY) {
                (void)call_free(kept);
                return call_error(c, TQ_CONTROL_REFUSED,
                                  "another change of %s is under way; try again", c->tenant->name);
        }
        if (r >= 0)
                r = fill(new, c, data, &err);
        if (r >= 0)
                r = change_start(new, &err);
        if (r >= 0)
                return 1;
        (void)change_free(new);
        (void)call_free(kept);
        return r == -ENOMEM ? r
                            : call_error(c, change_error_of(r), "%s; nothing was changed",
                                         tq_error_format(&err, text, sizeof(text)));
}

/* 0, or it is answered. */
static int check_tenant(const Call *c) {
        char title[TQ_TENANT_TITLE_MAX];

        if (!c->tenant)
                return call_error(c, TQ_CONTROL_NOT_FOUND, "expected a tenant");
        if (c->tenant->is_former)
                return call_error(c, TQ_CONTROL_REFUSED,
                                  "%s: the name has another owner now; none of its jobs starts any "
                                  "more",
                                  tenants_title(c->tenant, title));
        if (c->tenant->is_removed || c->tenant->ending == TQ_ENDING_DELETE)
                return call_error(c, TQ_CONTROL_REFUSED, "%s is being removed", c->tenant->name);
        return 0;
}

/* The end of what changes limits: why, for how long it holds or is looked after, if at what
 * revision, flags. */
static int read_request(sd_bus_message *m, ChangeRequest *ret) {
        int64_t revision;
        uint32_t flags;
        int r = sd_bus_message_read(m, "stxu", &ret->why, &ret->for_usec, &revision, &flags);

        if (r < 0)
                return r;
        if (revision < TQ_CHANGE_ANY_REVISION || flags & ~TQ_CHANGE_ALL ||
            ret->for_usec > INT64_MAX / 4)
                return -EINVAL;
        ret->is_conditional = revision != TQ_CHANGE_ANY_REVISION;
        ret->if_revision = ret->is_conditional ? (uint64_t)revision : 0;
        ret->is_trial = flags & TQ_CHANGE_TRIAL;
        ret->is_forced = flags & TQ_CHANGE_FORCE;
        if (flags & TQ_CHANGE_WATCH && ret->for_usec == 0)
                return -EINVAL;
        if (flags & TQ_CHANGE_WATCH) {
                ret->watch_usec = ret->for_usec;
                ret->for_usec = 0;
        }
        return 0;
}

/* Assignments --------------------------------------------------------------------------------- */

typedef int (*Add)(Change *change, const char *queue, const char *word, TqError *err);

/* [QUEUE/]KEY[@DEVICE][=VALUE]: a slash behind the key is part of a device or a value. */
static int add_word(Change *change, const char *queue, const char *word, Add add, TqError *err) {
        size_t n = strcspn(word, "/@=");
        char name[TQ_QUEUE_NAME_MAX + 1];

        if (word[n] != '/')
                return add(change, queue, word, err);
        if (queue[0] != '\0')
                return tq_error(err, -EBADMSG, "%.80s: that it is about queue %s was said already",
                                word, queue);
        if (n >= sizeof(name))
                return tq_error(err, -EBADMSG, "%.80s: not a queue's name", word);
        memcpy(name, word, n);
        name[n] = '\0';
        if (!tq_ids_queue_is_valid(name))
                return tq_error(err, -EBADMSG, "%s: not a queue's name", name);
        return add(change, name, word + n + 1, err);
}

/* change NULL: they are passed over. */
static int read_words(sd_bus_message *m, Change *change, const char *queue, Add add, TqError *err) {
        const char *item;
        int r, failed = 0;

        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &item)) > 0)
                if (change && failed == 0)
                        failed = add_word(change, queue, item, add, err);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return failed < 0 ? failed : r;
}

/* What is unset makes room for what is set: of limits with @device, and of queues. */
static int read_lists(const Call *c, Change *change, bool sets, TqError *err) {
        int r = read_words(c->message, sets ? change : NULL, c->queue, change_assign, err);

        return r < 0 ? r
                     : read_words(c->message, sets ? NULL : change, c->queue, change_unassign, err);
}

static int fill_assignments(Change *change, const Call *c, void *data, TqError *err) {
        const char *target;
        int r;

        (void)data;
        for (int sets = 0; sets < 2; sets++) {
                r = sd_bus_message_rewind(c->message, true);
                if (r >= 0)
                        r = sd_bus_message_read(c->message, "s", &target);
                if (r >= 0)
                        r = read_lists(c, change, sets, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* SetLimits(target, assignments, names to unset, why, for how long, if at which revision, flags) */
int verb_set_limits(Call *c) {
        ChangeRequest request = {};
        int r = check_tenant(c);

        if (r != 0)
                return r;
        r = read_lists(c, NULL, false, NULL);
        if (r >= 0)
                r = read_request(c->message, &request);
        return r < 0 ? r : change(c, &request, fill_assignments, NULL);
}

/* Rollback ------------------------------------------------------------------------------------ */

static int fill_rows(Change *change, const Call *c, void *data, TqError *err) {
        (void)c;
        return change_put_rows(change, data, err);
}

static int reply_nothing(const Call *c) {
        static const char *const columns[] = { "tenant" };
        TQ_TABLE_CLEANUP TqTable table = {};
        int r = tq_table_add_columns(&table, columns, 1);

        return r < 0 ? r : call_reply_table(c, &table);
}

/* The ledger has said what was set then. */
static int roll_back(const Call *c, const TqTable *t, uint32_t number) {
        ChangeRequest request = {};
        char about[64];
        const char *tenant;
        uint64_t to;
        int r;

        (void)number;
        r = sd_bus_message_rewind(c->message, true);
        if (r >= 0)
                r = sd_bus_message_read(c->message, "st", &tenant, &to);
        if (r >= 0)
                r = read_request(c->message, &request);
        if (r < 0)
                return r;
        if (t->n_rows == 0)
                return reply_nothing(c);
        (void)snprintf(about, sizeof(about), "back to revision %" PRIu64, to);
        request.about = about;
        return change(c, &request, fill_rows, (void *)t);
}

/* RollbackLimits(tenant, revision, as SetLimits) */
int verb_rollback_limits(Call *c) {
        Question q = { .about = ABOUT_LIMITS_AT, .then = roll_back };
        ChangeRequest request = {};
        int r = check_tenant(c);

        if (r != 0)
                return r;
        r = sd_bus_message_read(c->message, "t", &q.filter.before);
        if (r >= 0)
                r = read_request(c->message, &request);
        if (r < 0)
                return r;
        q.filter.tenant = call_scope(c);
        q.filter.other = TQ_LEDGER_NOW;
        return question_ask(c, &q);
}
