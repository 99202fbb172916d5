/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/fs.h"
#include "base/parse.h"
#include "core/ids.h"
#include "kernel/creds.h"
#include "supervisor/supervisor.h"

/* From a name in a tenant's directory to bytes in memory, as root, in a directory where the tenant
 * can change everything at any time.
 *
 *   open O_PATH, no link followed     pins one inode; nothing is opened, so nothing can block
 *   fstat                             regular, one link, bounded, of an owner that may submit
 *   open again, as the tenant         through /proc/self/fd: the kernel checks the tenant's own
 * right to read exactly that inode; a hard link to /etc/shadow is EACCES lease fails while anybody
 * has it open for writing: left alone rename into .claims               where only root can enter;
 * under a number, not the tenant's name compare                           what was renamed is what
 * was opened, or the claim is refused read once                         these bytes are the job;
 * what the tenant still holds is nothing
 *
 * The bytes are handed to the engine and never looked at here. The claimed file is removed when the
 * engine has committed the job; a crash between the two is settled by the number, which is unique
 * in the ledger. */

#define CLAIM_NAME_MAX (24 + TQ_TENANT_NAME_MAX)
#define SHOWN_MAX      200

Claim *claim_free(Claim *c) {
        free(c);
        return NULL;
}

static const char *claim_name(uint64_t number, const Tenant *t, char *buf) {
        (void)snprintf(buf, CLAIM_NAME_MAX, "%" PRIu64 ".%s", number, t->name);
        return buf;
}

/* open(2) makes a file before it counts as open for writing: in between the lease would be granted
 * on an empty file that somebody is about to fill. An empty file is therefore believed only when it
 * has been so for a second. */
static bool is_just_made(const struct stat *st) {
        uint64_t now = tq_clock_realtime_usec();
        uint64_t changed = (uint64_t)TQ_MAX(st->st_ctim.tv_sec, (time_t)0) * TQ_USEC_PER_SEC;

        return S_ISREG(st->st_mode) && st->st_size == 0 && changed <= now &&
               now - changed < 2 * TQ_USEC_PER_SEC;
}

/* Why a file of this kind is refused, or NULL. */
static const char *objection(const Tenant *t, const struct stat *st) {
        if (!S_ISREG(st->st_mode))
                return S_ISLNK(st->st_mode)   ? "is a symbolic link; expected a regular file"
                       : S_ISDIR(st->st_mode) ? "is a directory; expected a regular file"
                                              : "is not a regular file";
        if (st->st_nlink != 1)
                return "has more than one hard link; expected a file of its own";
        if (!tenants_may_submit(t, st->st_uid))
                return "belongs to a user who may not submit for this tenant";
        if (st->st_size > TQ_JOB_FILE_MAX)
                return "is larger than 65536 bytes";
        return NULL;
}

/* Opens for reading with the tenant's rights, non-blocking and without side effects. */
static int open_as_tenant(const Tenant *t, int path_fd) {
        char path[48];
        int fd, r;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
        r = tq_creds_become(t->who.uid, t->who.gid);
        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        r = fd < 0 ? tq_errno() : fd;
        tq_creds_return();
        return r;
}

/* Reads at most size bytes; the file may shrink or grow meanwhile. */
static ssize_t read_bytes(int fd, char *buf, size_t size) {
        size_t got = 0;

        while (got < size) {
                ssize_t n = pread(fd, buf + got, size - got, (off_t)got);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return tq_errno();
                if (n == 0)
                        break;
                got += (size_t)n;
        }
        return (ssize_t)got;
}

static int deliver(Supervisor *s, Tenant *t, uint64_t number, const char *name, uid_t owner, int fd,
                   bool is_recovered) {
        static char bytes[TQ_JOB_FILE_MAX + 1];
        char claimed[CLAIM_NAME_MAX];
        TqMessage m = {
                .claim = { .claim = number,
                           .tenant = t->handle,
                           .uid = owner,
                           .is_recovered = is_recovered },
        };
        Claim *c;
        ssize_t n;
        int r;

        n = read_bytes(fd, bytes, sizeof(bytes));
        if (n < 0 || n > TQ_JOB_FILE_MAX) {
                reject_file(s, t, s->claims_fd, claim_name(number, t, claimed), name,
                            n < 0 ? strerror((int)-n) : "is larger than 65536 bytes");
                return 0;
        }
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->number = number;
        c->tenant = t;
        c->owner = t->owner;
        (void)snprintf(c->name, sizeof(c->name), "%s", name);
        r = tq_map_put(&s->claims, number, c);
        if (r < 0) {
                (void)claim_free(c);
                return r;
        }
        t->has_claim = true;
        (void)snprintf(m.claim.name, sizeof(m.claim.name), "%s", name);
        link_send(s, TQ_MESSAGE_CLAIM, &m, bytes, (size_t)n, -EBADF);
        return 1;
}

/* It was taken back, or the directory of claims has gone. */
static int why_gone(Supervisor *s, const Tenant *t, const char *name) {
        if (faccessat(t->spool_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        setup_mend_soon(s);
        return -EAGAIN;
}

/* Takes the file away from the tenant. 1: it is below .claims; 0: it has gone or changed. */
/* Under its name, or under one that says where it comes from when the tenant has meanwhile used the
 * name again. The directory is the tenant's; nothing in it is replaced. */
static int give_back(Supervisor *s, Tenant *t, const char *claimed, const char *name,
                     uint64_t number) {
        char other[NAME_MAX + 1];

        if (renameat2(s->claims_fd, claimed, t->spool_fd, name, RENAME_NOREPLACE) >= 0)
                return 0;
        if (errno != EEXIST)
                return tq_errno();
        /* A long name loses its suffix, and would be no job file any more. */
        if (strlen(name) > 200)
                (void)snprintf(other, sizeof(other), "held-%" PRIu64 TQ_JOB_SUFFIX, number);
        else
                (void)snprintf(other, sizeof(other), "held-%" PRIu64 "-%.200s", number, name);
        return renameat2(s->claims_fd, claimed, t->spool_fd, other, RENAME_NOREPLACE) < 0
                       ? tq_errno()
                       : 0;
}

static int take(Supervisor *s, Tenant *t, const char *name, int fd, uint64_t number) {
        char claimed[CLAIM_NAME_MAX];
        struct stat before, after;

        (void)claim_name(number, t, claimed);
        /* Both directories are held; the old name is only looked up in the tenant's own. */
        if (renameat2(t->spool_fd, name, s->claims_fd, claimed, RENAME_NOREPLACE) < 0)
                return errno == ENOENT ? why_gone(s, t, name) : tq_errno();
        if (fstat(fd, &before) < 0 ||
            fstatat(s->claims_fd, claimed, &after, AT_SYMLINK_NOFOLLOW) < 0)
                return tq_errno();
        if (before.st_ino == after.st_ino && before.st_dev == after.st_dev)
                return 1;
        /* A tree is not ours to keep. */
        if (S_ISDIR(after.st_mode)) {
                give_back(s, t, claimed, name, number);
                return 0;
        }
        reject_file(s, t, s->claims_fd, claimed, name, "was replaced while it was being claimed");
        return 0;
}

static const char *shown_name(const char *name, char *buf) {
        return tq_format_escape(name, buf, SHOWN_MAX);
}

/* It is tried again, and until then it is said why. */
static int cant_take(Supervisor *s, Tenant *t, const char *name, int error) {
        char shown[SHOWN_MAX];

        notes_set(s, t, name, "file %s can't be taken: %s", shown_name(name, shown),
                  strerror(-error));
        return error;
}

int claim_file(Supervisor *s, Tenant *t, const char *name) {
        TQ_CLOSE int path_fd = -EBADF, fd = -EBADF;
        char shown[SHOWN_MAX];
        uint64_t number;
        const char *why;
        struct stat st;
        int r;

        path_fd = openat(t->spool_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (path_fd < 0 || fstat(path_fd, &st) < 0) {
                if (errno != ENOENT)
                        return cant_take(s, t, name, tq_errno());
                notes_clear(s, t, name);
                return 0;
        }
        if (is_just_made(&st))
                return -EAGAIN;
        why = objection(t, &st);
        if (why) {
                reject_file(s, t, t->spool_fd, name, name, why);
                return 0;
        }
        fd = open_as_tenant(t, path_fd);
        /* Root may be about to chown or chmod what it has just copied (install(1) does): the change
         * of attributes brings us here again. Until then it is said what is missing. */
        if (fd == -EACCES && st.st_uid == 0) {
                notes_set(s, t, name,
                          "file %s is root's and not readable for the tenant: chown or "
                          "chmod it",
                          shown_name(name, shown));
                return fd;
        }
        if (fd < 0 && fd != -EACCES && fd != -EPERM && fd != -ELOOP && fd != -ENXIO)
                return cant_take(s, t, name, fd); /* our trouble, not the file's */
        if (fd < 0) {
                reject_file(s, t, t->spool_fd, name, name,
                            fd == -EACCES ? "can't be read by the tenant's user: chmod or chown it"
                                          : strerror(-fd));
                return 0;
        }
        /* Held only for an instant; a writer who comes then waits until we close. */
        if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
                if (errno == EAGAIN)
                        return -EAGAIN;
                r = tq_errno();
                notes_set(s, t, name,
                          "file %s can't be taken: its file system has no leases (%s), so that "
                          "nobody can tell whether it is still being written; put the spool on a "
                          "local file system",
                          shown_name(name, shown), strerror(-r));
                return r;
        }
        number = s->next_claim++;
        r = take(s, t, name, fd, number);
        if (r < 0)
                return cant_take(s, t, name, r);
        notes_clear(s, t, name);
        return r == 0 ? r : deliver(s, t, number, name, st.st_uid, fd, false);
}

static void answered(Supervisor *s, Claim *c) {
        Tenant *t = c->tenant;

        t->has_claim = false;
        (void)claim_free(c);
        spool_wake(s, t, false);
        spool_continue(s);
}

/* The directory belongs to somebody else by now: what the former owner left stays among the claims.
 */
static bool is_of_former(const Claim *c) {
        return c->owner != c->tenant->owner;
}

void claim_put_back(Supervisor *s, uint64_t number, bool only_this) {
        Claim *c = tq_map_remove(&s->claims, number);
        char claimed[CLAIM_NAME_MAX];
        int r;

        if (!c)
                return;
        if (is_of_former(c)) {
                answered(s, c);
                return;
        }
        (void)claim_name(number, c->tenant, claimed);
        c->tenant->is_full |= !only_this;
        c->tenant->needs_scan |= !only_this;
        spool_park(c->tenant, c->name);
        r = give_back(s, c->tenant, claimed, c->name, number);
        /* It stays a claim, and is handed over again when the tenant's directory is in order. */
        if (r < 0)
                report_tenant(c->tenant,
                              "tenant %s: a file can't be put back (%s); it is claim %" PRIu64,
                              c->tenant->name, strerror(-r), number);
        answered(s, c);
}

void claim_done(Supervisor *s, uint64_t number, bool is_accepted, const char *reason) {
        Claim *c = tq_map_remove(&s->claims, number);
        char claimed[CLAIM_NAME_MAX];

        if (!c)
                return;
        (void)claim_name(number, c->tenant, claimed);
        if (is_accepted)
                (void)unlinkat(s->claims_fd, claimed, 0);
        else if (!is_of_former(c))
                reject_move(c->tenant, s->claims_fd, claimed, c->name, reason);
        answered(s, c);
}

/* Recovery ------------------------------------------------------------------------------------ */

static int redeliver_one(Supervisor *s, const Tenant *only, const char *entry) {
        TQ_CLOSE int path_fd = -EBADF, fd = -EBADF;
        char digits[24], name[64];
        const char *dot = strchr(entry, '.');
        uint64_t number;
        struct stat st;
        Tenant *t;

        if (!dot || (size_t)(dot - entry) >= sizeof(digits))
                return 0;
        memcpy(digits, entry, (size_t)(dot - entry));
        digits[dot - entry] = '\0';
        if (tq_parse_u64_in(digits, 1, INT64_MAX, &number) < 0 || !tq_ids_tenant_is_valid(dot + 1))
                return 0;
        s->next_claim = TQ_MAX(s->next_claim, number + 1);
        t = tenants_get(s, dot + 1);
        if (!t || !t->is_enabled || (only && t != only) || tq_map_get(&s->claims, number))
                return 0; /* stays until the tenant is in order */
        /* Its own name was lost with the process that knew it. */
        (void)snprintf(name, sizeof(name), "claim-%s" TQ_JOB_SUFFIX, digits);
        path_fd = openat(s->claims_fd, entry, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (path_fd < 0 || fstat(path_fd, &st) < 0)
                return 0;
        /* The name was somebody else's when it was taken: not this one's to see. */
        if (S_ISREG(st.st_mode) && !tenants_may_submit(t, st.st_uid)) {
                report_tenant(
                        t,
                        "claim %s belongs to user %u, tenant %s to another: it stays where it is",
                        entry, st.st_uid, t->name);
                return 0;
        }
        fd = objection(t, &st) ? -EPERM : open_as_tenant(t, path_fd);
        if (fd < 0) {
                reject_file(s, t, s->claims_fd, entry, name,
                            "is not a readable file of the tenant");
                return 0;
        }
        return deliver(s, t, number, name, st.st_uid, fd, true);
}

int claim_redeliver(Supervisor *s, const Tenant *only) {
        TQ_CLOSE int fd = -EBADF;
        struct dirent *e;
        DIR *dir;

        fd = tq_fs_open_dir(s->claims_fd, ".");
        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir)
                return tq_errno();
        (void)tq_take_fd(&fd);
        while ((e = readdir(dir)))
                if (redeliver_one(s, only, e->d_name) < 0)
                        report_error("claim %s can't be handed over now", e->d_name);
        (void)closedir(dir);
        return 0;
}
