/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/identity.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/tenants/logs.h"
#include "supervisor/tenants/table_private.h"

/* Who a tenant's jobs run as: what the system says at the launch, not what it said once.
 *
 * The user, home and groups come from the system's user database. Asking it may cost a file, or a
 * network, so it is asked again only when that can have changed: when /etc/passwd or /etc/group is
 * replaced (inotify(7) tells), and for other sources (nsswitch.conf(5)) after MAX_AGE_USEC. */

#define MAX_AGE_USEC (60 * TQ_USEC_PER_SEC)
#define GROUPS_MAX   65536 /* NGROUPS_MAX of the kernel */

/* Supplementary groups, as login would have them. */
static int find_groups(const struct passwd *pw, gid_t gid, Identity *ret) {
        int n = 64, room;

        for (;;) {
                gid_t *bigger = realloc(ret->groups, (size_t)n * sizeof(gid_t));

                if (!bigger)
                        return -ENOMEM;
                ret->groups = bigger;
                room = n;
                if (getgrouplist(pw->pw_name, gid, ret->groups, &n) >= 0)
                        break;
                if (n <= room || n > GROUPS_MAX)
                        return -E2BIG;
        }
        ret->n_groups = (size_t)n;
        return 0;
}

void identity_done(Identity *i) {
        free(i->groups);
        *i = (Identity){};
}

/* That somebody can't be asked for is not that he is not there: nothing is concluded from it, and
 * it is asked again. */
static int no_answer(Tenant *t, int error) {
        return tenants_fault(t, "the user database does not answer: %s", strerror(error));
}

/* The user that the tenant's file names, or the directory's owner. */
static int find_user(const Tenants *ts, Tenant *t, const struct stat *st, Identity *ret) {
        char user[sizeof(ret->user)];
        struct passwd *pw;
        uid_t uid;

        if (t->config.user[0] != '\0') {
                int r = users_find(t->config.user, &ret->uid, &ret->gid);

                if (r == -ENOENT)
                        return tenants_fault(t, "tenants.d/%s.conf: user=%s: no such user", t->name,
                                             t->config.user);
                if (r < 0)
                        return no_answer(t, -r);
                pw = users_by_uid(ret->uid);
        } else {
                ret->uid = st->st_uid;
                pw = users_by_uid(st->st_uid);
                ret->gid = pw ? pw->pw_gid : st->st_gid;
        }
        if (!pw && errno != 0)
                return no_answer(t, errno);
        /* Whoever gets the number next would be the tenant. */
        if (!pw && logs_read_owner(ts, t, &uid, user, sizeof(user)) && uid == ret->uid &&
            user[0] != '\0') {
                logs_close(ts, t);
                return tenants_fault(t,
                                     "user %s (%u) does not exist any more: chown the directory to "
                                     "the tenant's user, or make the user again",
                                     user, uid);
        }
        (void)snprintf(ret->user, sizeof(ret->user), "%s", pw ? pw->pw_name : "");
        (void)snprintf(ret->home, sizeof(ret->home), "%s", pw ? pw->pw_dir : "");
        if (pw)
                return find_groups(pw, ret->gid, ret);
        ret->groups = malloc(sizeof(gid_t));
        if (!ret->groups)
                return -ENOMEM;
        ret->groups[0] = ret->gid;
        ret->n_groups = 1;
        return 0;
}

static int check_root(Tenant *t, const Identity *i) {
        if (t->config.allow_root)
                return 0;
        if (i->uid == 0 && t->config.user[0] != '\0')
                return tenants_fault(t,
                                     "tenants.d/%s.conf: user=%s: jobs of root need allow_root=yes",
                                     t->name, t->config.user);
        if (i->uid == 0)
                return tenants_fault(
                        t,
                        "the directory belongs to root; chown it to the tenant's user, or name "
                        "one with user= in tenants.d/%s.conf",
                        t->name);
        if (i->gid == 0)
                return tenants_fault(
                        t,
                        "the tenant's group is root's; chgrp the directory to the tenant's group");
        for (size_t k = 0; k < i->n_groups; k++)
                if (i->groups[k] == 0)
                        return tenants_fault(t, "user %s is in root's group", i->user);
        return 0;
}

static int find_submitters(Tenant *t) {
        t->n_submitters = 0;
        for (size_t i = 0; i < t->config.n_submitters; i++) {
                gid_t ignored;
                int r = users_find(t->config.submitters[i], &t->submitters[t->n_submitters],
                                   &ignored);

                if (r < 0 && r != -ENOENT)
                        return no_answer(t, -r);
                if (r < 0)
                        return tenants_fault(t, "tenants.d/%s.conf: submitters: no user %s",
                                             t->name, t->config.submitters[i]);
                t->n_submitters++;
        }
        return 0;
}

static Tenant *owner_of(Tenants *ts, uid_t uid) {
        return tq_map_get(&ts->owners, uid);
}

void identity_release(Tenants *ts, const Tenant *t) {
        if (owner_of(ts, t->who.uid) == t)
                (void)tq_map_remove(&ts->owners, t->who.uid);
}

/* One user, one tenant: whose files and processes are whose would not be known otherwise. */
static int claim_user(Tenants *ts, Tenant *t, uid_t uid) {
        const Tenant *other = owner_of(ts, uid);

        if (uid == ts->host->users.engine_uid || uid == ts->host->users.exec_uid)
                return tenants_fault(t, "user %u is one of tenantq's own", uid);
        if (other && other != t)
                return tenants_fault(
                        t,
                        "user %u already is another tenant's; give each tenant a user of its own",
                        uid);
        return other ? 0 : tq_map_put(&ts->owners, uid, t);
}

int identity_may_become(Tenants *ts, const Tenant *t, uid_t uid, gid_t gid, char *why,
                        size_t size) {
        const Tenant *other = owner_of(ts, uid);

        why[0] = '\0';
        if (t->config.user[0] != '\0')
                (void)snprintf(why, size,
                               "tenants.d/%s.conf says user=%s: say there who it is, with "
                               "former_owner=%s, and reload",
                               t->name, t->config.user, t->config.user);
        else if ((uid == 0 || gid == 0) && !t->config.allow_root)
                (void)snprintf(why, size, "jobs of root need allow_root=yes in tenants.d/%s.conf",
                               t->name);
        else if (uid == ts->host->users.engine_uid || uid == ts->host->users.exec_uid)
                (void)snprintf(why, size, "user %u is one of tenantq's own", uid);
        else if (other && other != t)
                (void)snprintf(why, size, "user %u already is tenant %s's", uid, other->name);
        return why[0] != '\0' ? -EPERM : 0;
}

int identity_find(Tenants *ts, Tenant *t, const struct stat *st) {
        TQ_CLEANUP(identity_done) Identity found = {};
        int r;

        r = find_user(ts, t, st, &found);
        if (r == -E2BIG)
                return tenants_fault(t, "user %s is in more than %d groups", found.user,
                                     GROUPS_MAX);
        if (r >= 0)
                r = check_root(t, &found);
        if (r >= 0)
                r = find_submitters(t);
        if (r < 0)
                return r;
        identity_release(ts, t);
        r = claim_user(ts, t, found.uid);
        if (r < 0)
                return r;
        ts->changes += found.uid != t->who.uid || strcmp(found.home, t->who.home) != 0;
        t->owner += found.uid != t->who.uid || strcmp(found.user, t->who.user) != 0;
        identity_done(&t->who);
        t->who = found;
        found = (Identity){};
        t->identity_seen = ts->identities;
        t->identity_usec = tq_clock_boottime_usec();
        return 0;
}

bool identity_is_fresh(const Tenants *ts, const Tenant *t) {
        return t->identity_seen == ts->identities &&
               tq_clock_boottime_usec() - t->identity_usec < MAX_AGE_USEC;
}

/* All tenants are looked at, each in its turn. */
static int on_etc(sd_event_source *source, const struct inotify_event *e, void *userdata) {
        Tenants *ts = userdata;

        (void)source;
        if (e->len == 0 || (strcmp(e->name, "passwd") != 0 && strcmp(e->name, "group") != 0))
                return 0;
        ts->identities++;
        tenants_check_all(ts);
        return 0;
}

/* Without it, age alone says when to ask again. */
void identity_watch(Tenants *ts, sd_event *event) {
        int r = sd_event_add_inotify(event, &ts->users_source, "/etc",
                                     IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR, on_etc, ts);

        if (r < 0)
                tq_log(LOG_ERR,
                       "/etc can't be watched (%s): a user who is deleted is noticed up to a "
                       "minute later",
                       strerror(-r));
}
