/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/logs.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "supervisor/tenants/table_private.h"

/* The directory of a tenant's output. It is root's, readable by the tenant's user alone, and
 * belongs to one owner: who that is stands in its file `.owner`. When the tenant's name comes to
 * another user, what is there is put aside under NAME.former-N, for root only, and the new owner
 * begins with an empty one; unless the administrator says with former_owner= that it is the same
 * tenant. A user that had a name and has none any more was deleted: nothing is done for that number
 * until somebody says whose it is. */

#define OWNER_FILE ".owner"
#define FORMERS    64

static const char *owner_text(const Tenant *t, char *buf, size_t size) {
        (void)snprintf(buf, size, "%u %s\n", t->who.uid, t->who.user);
        return buf;
}

static int write_owner(int dir_fd, const Tenant *t) {
        TQ_CLOSE int fd = -EBADF;
        char text[128];
        int r;

        /* Aside and renamed: a crash leaves the old one. */
        (void)unlinkat(dir_fd, OWNER_FILE ".new", 0);
        fd = openat(dir_fd, OWNER_FILE ".new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
        if (fd < 0)
                return tq_errno();
        (void)owner_text(t, text, sizeof(text));
        r = tq_fs_write_all(fd, text, strlen(text));
        if (r >= 0 &&
            (fchmod(fd, 0600) < 0 || renameat(dir_fd, OWNER_FILE ".new", dir_fd, OWNER_FILE) < 0))
                r = tq_errno();
        return r;
}

/* "UID NAME\n", by root's hand only. */
static bool read_owner(int dir_fd, uid_t *ret_uid, char *ret_user, size_t size) {
        char text[128], *space;
        ssize_t n = tq_fs_read_at(dir_fd, OWNER_FILE, text, sizeof(text));

        if (n <= 0)
                return false;
        text[strcspn(text, "\n")] = '\0';
        space = strchr(text, ' ');
        if (!space)
                return false;
        *ret_uid = (uid_t)strtoul(text, NULL, 10);
        (void)snprintf(ret_user, size, "%s", space + 1);
        return true;
}

static int put_aside(Tenants *ts, const Tenant *t, int dir_fd) {
        char name[TQ_TENANT_NAME_MAX + 16];

        for (unsigned i = 1; i <= FORMERS; i++) {
                (void)snprintf(name, sizeof(name), "%s.former-%u", t->name, i);
                if (renameat2(own_fd(ts->own, OWN_LOGS), t->name, own_fd(ts->own, OWN_LOGS), name,
                              RENAME_NOREPLACE) >= 0)
                        return tq_joblog_close_dir(dir_fd);
                if (errno != EEXIST)
                        return tq_errno();
        }
        return -EDQUOT;
}

/* What is there under the tenant's name: another owner's is put aside before anybody is let in. */
static int settle_owner(Tenants *ts, Tenant *t) {
        TQ_CLOSE int fd = tq_fs_open_dir(own_fd(ts->own, OWN_LOGS), t->name);
        char user[64];
        uid_t uid;
        int r;

        /* None, or nobody's yet; or a number that nobody had named is named now. */
        if (fd < 0 || !read_owner(fd, &uid, user, sizeof(user)) ||
            (uid == t->who.uid && (strcmp(user, t->who.user) == 0 || user[0] == '\0')) ||
            tenants_is_former(t, uid, user))
                return 0;
        /* Renamed, or deleted and its number given away: in the directory lies what was the other
         * one's. */
        if (uid == t->who.uid) {
                (void)tq_joblog_close_dir(fd);
                return tenants_fault(
                        t,
                        "user %u was %s and is %s now: say former_owner=%s in tenants.d/%s.conf if "
                        "it is the same user, or else give the tenant a user with another number",
                        uid, user, t->who.user, user, t->name);
        }
        r = put_aside(ts, t, fd);
        if (r < 0)
                return tenants_fault(
                        t,
                        "the output of its former owner %s (%u) can't be put aside: %s; remove "
                        "what is not needed of %s/%s.former-1 to -%d",
                        user, uid, strerror(-r), ts->host->config.logs, t->name, FORMERS);
        tenants_report(
                t, TQ_LOG_PLAIN,
                "tenant %s: belongs to user %u now; the output of its former owner %u is put aside",
                t->name, t->who.uid, uid);
        return 0;
}

static bool has_owner(int dir_fd, const Tenant *t) {
        char user[64];
        uid_t uid;

        return read_owner(dir_fd, &uid, user, sizeof(user)) && uid == t->who.uid &&
               strcmp(user, t->who.user) == 0;
}

void logs_close(const Tenants *ts, const Tenant *t) {
        TQ_CLOSE int fd = tq_fs_open_dir(own_fd(ts->own, OWN_LOGS), t->name);

        if (fd >= 0)
                (void)tq_joblog_close_dir(fd);
}

bool logs_read_owner(const Tenants *ts, const Tenant *t, uid_t *ret_uid, char *ret_user,
                     size_t size) {
        TQ_CLOSE int fd = tq_fs_open_dir(own_fd(ts->own, OWN_LOGS), t->name);

        return fd >= 0 && read_owner(fd, ret_uid, ret_user, size);
}

uid_t logs_find_owner(const Tenants *ts, const Tenant *t, char *ret_user, size_t size) {
        const struct passwd *pw;
        uid_t uid;

        if (logs_read_owner(ts, t, &uid, ret_user, size)) {
                pw = getpwuid(uid);
                if (strcmp(pw ? pw->pw_name : "", ret_user) == 0)
                        return uid;
        }
        ret_user[0] = '\0';
        return TQ_UID_UNKNOWN;
}

int logs_open(Tenants *ts, Tenant *t) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        t->log_fd = tq_close(t->log_fd);
        r = settle_owner(ts, t);
        if (r < 0)
                return r;
        fd = tq_joblog_open_dir(own_fd(ts->own, OWN_LOGS), t->name, t->who.uid);
        /* The directory above has gone: made again. */
        if (fd == -ENOENT && own_mend(ts->own) > 0)
                fd = tq_joblog_open_dir(own_fd(ts->own, OWN_LOGS), t->name, t->who.uid);
        r = fd < 0 ? fd : has_owner(fd, t) ? 0 : write_owner(fd, t);
        if (r < 0)
                return tenants_fault(t, "log directory: %s", strerror(-r));
        t->log_fd = tq_take_fd(&fd);
        return 0;
}

/* What a former owner's jobs wrote is where it was put; which of them the caller may see, the
 * engine has decided by the job. */
int logs_open_output(const Tenants *ts, const Tenant *t, uint64_t job, unsigned attempt,
                     TqStream stream) {
        char name[TQ_TENANT_NAME_MAX + 16];
        int fd = t->log_fd < 0 ? -ENOENT : tq_joblog_open(t->log_fd, job, attempt, stream);

        for (unsigned i = 1; fd == -ENOENT && i <= FORMERS; i++) {
                TQ_CLOSE int dir_fd = -EBADF;

                (void)snprintf(name, sizeof(name), "%s.former-%u", t->name, i);
                dir_fd = tq_fs_open_dir(own_fd(ts->own, OWN_LOGS), name);
                if (dir_fd >= 0)
                        fd = tq_joblog_open(dir_fd, job, attempt, stream);
        }
        return fd;
}
