/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/claims/claim_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/fs.h"
#include "kernel/creds.h"
#include "supervisor/tenants/notes.h"

/* As root, in a directory where the tenant can change everything at any time:
 *
 * - open O_PATH, no link followed: pins one inode; nothing is opened, so nothing can block.
 * - fstat: regular, one link, bounded, of an owner that may submit.
 * - open again, as the tenant, through /proc/self/fd: the kernel checks the tenant's own right to
 *   read exactly that inode; a hard link to /etc/shadow is EACCES.
 * - a lease: fails while anybody has it open for writing; then it is left alone.
 * - rename into .claims, where only root can enter, under a number, not the tenant's name.
 * - compare: what was renamed is what was opened, or the claim is refused.
 * - read once: these bytes are the job; what the tenant still holds is nothing.
 *
 * The bytes are handed to the engine and never looked at here. */

#define SHOWN_MAX 200

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

static ClaimOutcome refuse(ClaimedFile *ret, const char *why) {
        ret->why = why;
        return CLAIM_REFUSED;
}

static ClaimOutcome later(ClaimedFile *ret, int error) {
        ret->why = strerror(-error);
        return CLAIM_LATER;
}

/* Reads at most as much as a job file may have and one more; it may shrink or grow meanwhile. */
static ClaimOutcome read_bytes(int fd, ClaimedFile *ret) {
        ret->size = 0;
        while (ret->size < sizeof(ret->bytes)) {
                ssize_t n = pread(fd, ret->bytes + ret->size, sizeof(ret->bytes) - ret->size,
                                  (off_t)ret->size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return tq_errno_is_shortage(-errno) ? later(ret, tq_errno())
                                                            : refuse(ret, strerror(errno));
                if (n == 0)
                        break;
                ret->size += (size_t)n;
        }
        return ret->size > TQ_JOB_FILE_MAX ? refuse(ret, "is larger than 65536 bytes")
                                           : CLAIM_TAKEN;
}

/* Under its name, or under one that says where it comes from when the tenant has meanwhile used the
 * name again. The directory is the tenant's; nothing in it is replaced. */
static void give_back(int claims_fd, const Tenant *t, const char *claimed, const char *name) {
        char other[NAME_MAX + 1];

        if (renameat2(claims_fd, claimed, t->spool_fd, name, RENAME_NOREPLACE) >= 0)
                return;
        /* "17.1001.acme": no number is given twice. */
        (void)snprintf(other, sizeof(other), "returned-%.*s-%.200s", (int)strcspn(claimed, "."),
                       claimed, name);
        (void)renameat2(claims_fd, claimed, t->spool_fd, other, RENAME_NOREPLACE);
}

/* It is tried again, and until then it is said why. */
static ClaimOutcome cant_claim(Tenants *ts, Tenant *t, const char *name, int error) {
        char shown[SHOWN_MAX];

        (void)notes_set(ts, t, name, "file %s can't be taken: %s",
                        tq_format_escape(name, shown, sizeof(shown)), strerror(-error));
        return CLAIM_LATER;
}

/* It was taken back, or the directory of claims has gone. */
static ClaimOutcome why_gone(Own *own, Tenants *ts, Tenant *t, const char *name) {
        if (!tq_fs_is_within(t->spool_fd, name))
                return CLAIM_GONE;
        own_mend_soon(own);
        return cant_claim(ts, t, name, -EAGAIN);
}

/* Takes the file away from the tenant. TAKEN: it is below .claims. */
static ClaimOutcome move(Own *own, Tenants *ts, Tenant *t, const char *name, const char *as, int fd,
                         ClaimedFile *ret) {
        int claims_fd = own_fd(own, OWN_CLAIMS);
        struct stat before, after;

        /* Both directories are held; the old name is only looked up in the tenant's own. */
        if (renameat2(t->spool_fd, name, claims_fd, as, RENAME_NOREPLACE) < 0)
                return errno == ENOENT ? why_gone(own, ts, t, name)
                                       : cant_claim(ts, t, name, tq_errno());
        ret->is_claimed = true;
        if (fstat(fd, &before) < 0 || fstatat(claims_fd, as, &after, AT_SYMLINK_NOFOLLOW) < 0)
                return cant_claim(ts, t, name, tq_errno());
        if (before.st_ino == after.st_ino && before.st_dev == after.st_dev)
                return CLAIM_TAKEN;
        /* A tree is not ours to keep. */
        if (S_ISDIR(after.st_mode)) {
                give_back(claims_fd, t, as, name);
                return CLAIM_GONE;
        }
        return refuse(ret, "was replaced while it was being claimed");
}

/* Held only for an instant; a writer who comes then waits until we close. */
static ClaimOutcome check_writers(Tenants *ts, Tenant *t, const char *name, int fd) {
        char shown[SHOWN_MAX];

        if (fcntl(fd, F_SETLEASE, F_RDLCK) >= 0)
                return CLAIM_TAKEN;
        if (errno != EAGAIN)
                (void)notes_set(
                        ts, t, name,
                        "file %s can't be taken: its file system has no leases (%s), so that "
                        "nobody can tell whether it is still being written; put the spool on a "
                        "local file system",
                        tq_format_escape(name, shown, sizeof(shown)), strerror(errno));
        return CLAIM_LATER;
}

/* Opened as the tenant: *ret_fd. */
static ClaimOutcome open_file(Tenants *ts, Tenant *t, const char *name, int path_fd,
                              const struct stat *st, int *ret_fd, ClaimedFile *ret) {
        char shown[SHOWN_MAX];
        int fd = open_as_tenant(t, path_fd);

        *ret_fd = fd;
        /* Root may be about to chown or chmod what it has just copied (install(1) does): the change
         * of attributes brings us here again. Until then it is said what is missing. */
        if (fd == -EACCES && st->st_uid == 0) {
                (void)notes_set(ts, t, name,
                                "file %s is root's and not readable for the tenant: chown or chmod "
                                "it",
                                tq_format_escape(name, shown, sizeof(shown)));
                return CLAIM_LATER;
        }
        if (fd == -EACCES)
                return refuse(ret, "can't be read by the tenant's user: chmod or chown it");
        if (fd == -EPERM || fd == -ELOOP || fd == -ENXIO)
                return refuse(ret, strerror(-fd));
        /* Our trouble, not the file's. */
        return fd < 0 ? cant_claim(ts, t, name, fd) : CLAIM_TAKEN;
}

ClaimOutcome claim_file(Own *own, Tenants *tenants, Tenant *t, const char *name, const char *as,
                        ClaimedFile *ret) {
        TQ_CLOSE int path_fd = -EBADF, fd = -EBADF;
        ClaimOutcome outcome;
        struct stat st;

        ret->is_claimed = false;
        path_fd = tq_fs_open_within(t->spool_fd, name, O_PATH);
        if (path_fd == -ENOENT) {
                notes_clear(tenants, t, name);
                return CLAIM_GONE;
        }
        if (path_fd < 0 || fstat(path_fd, &st) < 0)
                return cant_claim(tenants, t, name, path_fd < 0 ? path_fd : tq_errno());
        if (is_just_made(&st))
                return CLAIM_LATER;
        ret->why = objection(t, &st);
        /* Judged by who had the directory before, it would be refused to the wrong one; and in one
         * that its tenant may not write any more it could not be kept. */
        if (ret->why)
                return tenants_has_moved_on(t) ? CLAIM_LATER : CLAIM_REFUSED;
        ret->owner = st.st_uid;
        outcome = open_file(tenants, t, name, path_fd, &st, &fd, ret);
        if (outcome == CLAIM_TAKEN)
                outcome = check_writers(tenants, t, name, fd);
        if (outcome == CLAIM_TAKEN)
                outcome = move(own, tenants, t, name, as, fd, ret);
        if (outcome == CLAIM_TAKEN)
                outcome = read_bytes(fd, ret);
        if (outcome == CLAIM_TAKEN || ret->is_claimed)
                notes_clear(tenants, t, name);
        return outcome;
}

ClaimOutcome claim_file_again(const Own *own, const Tenant *t, const char *file, ClaimedFile *ret) {
        TQ_CLOSE int path_fd = -EBADF, fd = -EBADF;
        struct stat st;

        path_fd = openat(own_fd(own, OWN_CLAIMS), file, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (path_fd < 0 || fstat(path_fd, &st) < 0)
                return errno == ENOENT ? CLAIM_GONE : later(ret, tq_errno());
        ret->is_claimed = true;
        /* The name was somebody else's when it was taken: not this one's to see. */
        ret->owner = st.st_uid;
        if (S_ISREG(st.st_mode) && !tenants_may_submit(t, st.st_uid))
                return CLAIM_FOREIGN;
        fd = objection(t, &st) ? -EPERM : open_as_tenant(t, path_fd);
        if (tq_errno_is_shortage(fd))
                return later(ret, fd);
        return fd < 0 ? refuse(ret, "is not a readable file of the tenant") : read_bytes(fd, ret);
}
