/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/format.h"
#include "engine/api/question.h"
#include "engine/api/verbs.h"

/* Who changed what. */

/* ListAudit(tenant or empty, of limits only, before, rows): the newest first. */
int verb_list_audit(Call *c) {
        Question q = { .filter = { .tenant = call_scope(c), .max_bytes = TQ_PAGE_BYTES },
                       .about = ABOUT_AUDIT,
                       .is_paged = true };
        int limits_only, r;
        uint32_t rows;

        r = sd_bus_message_read(c->message, "btu", &limits_only, &q.filter.before, &rows);
        if (r < 0)
                return r;
        q.filter.limit = TQ_MIN(rows, (uint32_t)TQ_PAGE_ROWS);
        q.filter.revision_only = limits_only;
        return question_ask(c, &q);
}

/* DiffLimits(tenant, revision, another one or -1: as they are now) */
int verb_diff_limits(Call *c) {
        Question q = { .about = ABOUT_LIMITS_AT };
        int64_t other;
        int r;

        q.filter.tenant = call_scope(c);
        r = sd_bus_message_read(c->message, "tx", &q.filter.before, &other);
        if (r < 0)
                return r;
        q.filter.other = other < 0 ? TQ_LEDGER_NOW : (uint64_t)other;
        return question_ask(c, &q);
}

/* Introduce(login uid, session, who called sudo): under which login this is done. Only root's word
 * for it is taken; everybody else is who the kernel says. */
int verb_introduce(Call *c) {
        Origin origin = ORIGIN_UNKNOWN;
        const char *session, *sudo_user;
        uint32_t login;
        int r;

        r = sd_bus_message_read(c->message, "uss", &login, &session, &sudo_user);
        if (r < 0)
                return r;
        if (c->viewer.uid == 0 && c->connection) {
                origin.login_uid = login;
                (void)tq_format_shown(session, origin.session, sizeof(origin.session));
                (void)tq_format_shown(sudo_user, origin.sudo_user, sizeof(origin.sudo_user));
                connection_set_origin(c->connection, &origin);
        }
        return call_reply_empty(c);
}
