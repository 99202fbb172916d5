/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/tenants/logs.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/parse.h"
#include "supervisor/tenants/table_private.h"

/* The directory of a tenant's output. It is root's, readable by the tenant's user alone, and
 * belongs to one owner: who that is stands in its file `.owner`. When the tenant's name comes to
 * another user, what is there is put aside under NAME.former-N, for root only, and the new owner
 * begins with an empty one; unless the administrator says with former_owner= that it is the same
 * tenant. A user that had a name and has none any more was deleted: nothing is done for that number
 * until somebody says whose it is. */

static int write_owner(int dir_fd, uid_t uid, const char *user, bool is_durable) {
        TQ_CLOSE int fd = -EBADF;
        char text[128];
        int r;

        /* Aside, synced and renamed: a crash leaves the old one. */
        (void)unlinkat(dir_fd, LOGS_OWNER ".new", 0);
        fd = openat(dir_fd, LOGS_OWNER ".new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
        if (fd < 0)
                return tq_errno();
        (void)snprintf(text, sizeof(text), "%u %s\n", uid, user);
        r = tq_fs_write_all(fd, text, strlen(text));
        if (r >= 0 && fsync(fd) < 0)
                r = tq_errno();
        if (r >= 0 &&
            (fchmod(fd, 0600) < 0 || renameat(dir_fd, LOGS_OWNER ".new", dir_fd, LOGS_OWNER) < 0))
                r = tq_errno();
        if (r >= 0 && is_durable && fsync(dir_fd) < 0)
                r = tq_errno();
        return r;
}

/* "UID NAME\n", by root's hand only. -ENOENT: nobody's yet; -EBADMSG: it says nothing. */
static int read_owner(int dir_fd, uid_t *ret_uid, char *ret_user, size_t size) {
        char text[128], *space;
        ssize_t n = tq_fs_read_at(dir_fd, LOGS_OWNER, text, sizeof(text));
        uint64_t uid;

        if (n < 0)
                return (int)n;
        text[strcspn(text, "\n")] = '\0';
        space = strchr(text, ' ');
        if (!space)
                return -EBADMSG;
        *space = '\0';
        if (tq_parse_u64_in(text, 0, TQ_UID_UNKNOWN - 1, &uid) < 0)
                return -EBADMSG;
        *ret_uid = (uid_t)uid;
        (void)snprintf(ret_user, size, "%s", space + 1);
        return 0;
}

static int put_aside(Tenants *ts, const Tenant *t, int dir_fd) {
        char name[TQ_TENANT_NAME_MAX + 16];

        for (unsigned i = 1; i <= LOGS_FORMERS; i++) {
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
        int r = fd < 0 ? fd : read_owner(fd, &uid, user, sizeof(user));

        if (r == -EBADMSG)
                return tenants_fault(t,
                                     "%s/%s/" LOGS_OWNER " does not say whose output it is: write "
                                     "\"UID USER\" into it, or remove it to begin anew",
                                     ts->host->config.logs, t->name);
        /* Whose it is can't be told: nobody is let in. */
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        /* Or a number that nobody had named is named now. */
        if ((uid == t->who.uid && (strcmp(user, t->who.user) == 0 || user[0] == '\0')) ||
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
                        user, uid, strerror(-r), ts->host->config.logs, t->name, LOGS_FORMERS);
        tenants_report(
                t, TQ_LOG_PLAIN,
                "tenant %s: belongs to user %u now; the output of its former owner %u is put aside",
                t->name, t->who.uid, uid);
        return 0;
}

static bool has_owner(int dir_fd, const Tenant *t) {
        char user[64];
        uid_t uid;

        return read_owner(dir_fd, &uid, user, sizeof(user)) >= 0 && uid == t->who.uid &&
               strcmp(user, t->who.user) == 0;
}

void logs_close(const Tenants *ts, const Tenant *t) {
        TQ_CLOSE int fd = tq_fs_open_dir(own_fd(ts->own, OWN_LOGS), t->name);

        if (fd >= 0)
                (void)tq_joblog_close_dir(fd);
}

int logs_give(const Tenants *ts, const Tenant *t, uid_t uid, const char *user) {
        TQ_CLOSE int fd = tq_joblog_open_dir(own_fd(ts->own, OWN_LOGS), t->name, uid);

        /* On the disk before the order that it is about is forgotten. */
        return fd < 0 ? fd : write_owner(fd, uid, user, true);
}

bool logs_is_mark(const char *name) {
        return strcmp(name, LOGS_OWNER) == 0 || strcmp(name, LOGS_OWNER ".new") == 0;
}

int logs_remove(const Tenants *ts, int dir_fd, const char *name) {
        /* Without it, it is none that we have made. */
        if (unlinkat(dir_fd, LOGS_OWNER, 0) < 0)
                return tq_errno();
        (void)unlinkat(dir_fd, LOGS_OWNER ".new", 0);
        tq_joblog_remove_spares(dir_fd);
        return unlinkat(own_fd(ts->own, OWN_LOGS), name, AT_REMOVEDIR) < 0 ? tq_errno() : 0;
}

bool logs_read_owner(const Tenants *ts, const Tenant *t, uid_t *ret_uid, char *ret_user,
                     size_t size) {
        TQ_CLOSE int fd = tq_fs_open_dir(own_fd(ts->own, OWN_LOGS), t->name);

        return fd >= 0 && read_owner(fd, ret_uid, ret_user, size) >= 0;
}

uid_t logs_find_owner(const Tenants *ts, const Tenant *t, char *ret_user, size_t size) {
        const struct passwd *pw;
        uid_t uid;

        if (logs_read_owner(ts, t, &uid, ret_user, size)) {
                pw = users_by_uid(uid);
                /* Who it is can't be asked now: as it was. */
                if ((!pw && errno != 0) || strcmp(pw ? pw->pw_name : "", ret_user) == 0)
                        return uid;
        }
        ret_user[0] = '\0';
        return TQ_UID_UNKNOWN;
}

static int open_directory(Tenants *ts, const Tenant *t) {
        int fd = tq_joblog_open_dir(own_fd(ts->own, OWN_LOGS), t->name, t->who.uid);

        /* The directory above has gone: made again. */
        if (fd == -ENOENT && own_mend(ts->own) > 0)
                fd = tq_joblog_open_dir(own_fd(ts->own, OWN_LOGS), t->name, t->who.uid);
        if (fd != -EROFS)
                return fd;
        /* As it was left, if it was this owner's: nobody has changed it since. */
        fd = tq_fs_open_dir(own_fd(ts->own, OWN_LOGS), t->name);
        if (fd >= 0 && has_owner(fd, t))
                return fd;
        (void)tq_close(fd);
        return -EROFS;
}

/* What a disk says that is full, broken or not to be written. */
static bool is_of_the_disk(int error) {
        static const int of_it[] = { ENOSPC, EDQUOT, EROFS, EIO, EMLINK, ESTALE };

        for (size_t i = 0; i < TQ_ELEMENTSOF(of_it); i++)
                if (error == -of_it[i])
                        return true;
        return false;
}

int logs_open(Tenants *ts, Tenant *t) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        t->log_fd = tq_close(t->log_fd);
        r = settle_owner(ts, t);
        if (is_of_the_disk(r))
                return 0;
        if (r < 0)
                return r == -EPERM ? r : tenants_fault(t, "log directory: %s", strerror(-r));
        fd = open_directory(ts, t);
        r = fd < 0 ? fd : has_owner(fd, t) ? 0 : write_owner(fd, t->who.uid, t->who.user, false);
        /* That costs output, not the tenant: each launch asks again (supervisor/output/). */
        if (is_of_the_disk(r))
                return 0;
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

        for (unsigned i = 1; fd == -ENOENT && i <= LOGS_FORMERS; i++) {
                TQ_CLOSE int dir_fd = -EBADF;

                (void)snprintf(name, sizeof(name), "%s.former-%u", t->name, i);
                dir_fd = tq_fs_open_dir(own_fd(ts->own, OWN_LOGS), name);
                if (dir_fd >= 0)
                        fd = tq_joblog_open(dir_fd, job, attempt, stream);
        }
        return fd;
}
