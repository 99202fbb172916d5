/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/claims/reject.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/format.h"
#include "base/fs.h"
#include "base/map.h"
#include "kernel/creds.h"

/* Refused files go to rejected/ in the tenant's own directory, with the reason beside them. That
 * directory is the tenant's: it may be a link, full, or gone. So it is made and written with the
 * tenant's rights, opened without following a link, and only the rename out of .claims is root's
 * own, into a directory that is held open and which the tenant could have filled anyway. At most
 * REJECTED_MAX files are kept; beyond that a refused file is removed, and the event says why. */

#define REJECTED_MAX 1000
#define REASON       ".reason"
#define MOVE_TRIES   16

typedef struct Rejected {
        bool is_told;    /* that they can't be kept; the journal has been */
        unsigned n;      /* files in rejected/, as far as we know */
        unsigned serial; /* of the last one whose name was taken */
} Rejected;

struct Rejects {
        TqLink *link;
        TqMap all; /* Tenant.handle → Rejected */
};

int rejects_new(TqLink *link, Rejects **ret) {
        Rejects *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->link = link;
        *ret = r;
        return 0;
}

Rejects *rejects_free(Rejects *r) {
        size_t position = 0;
        Rejected *of;

        if (!r)
                return NULL;
        while ((of = tq_map_next(&r->all, &position)))
                free(of);
        tq_map_done(&r->all);
        free(r);
        return NULL;
}

static Rejected *ensure(Rejects *r, const Tenant *t) {
        Rejected *of = tq_map_get(&r->all, t->handle);

        if (of)
                return of;
        of = calloc(1, sizeof(*of));
        if (of && tq_map_put(&r->all, t->handle, of) < 0) {
                free(of);
                of = NULL;
        }
        return of;
}

/* Each has its reason beside it. */
static unsigned count_files(int dir_fd) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        unsigned n = 0;

        if (tq_fs_opendir(dir_fd, ".", &dir) < 0)
                return 0;
        while (n <= REJECTED_MAX * 2 && (e = readdir(dir)))
                n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        return n / 2;
}

/* With the tenant's rights: they are in force when this is called. */
static int write_reason(int dir_fd, const char *name, const char *reason) {
        TQ_CLOSE int fd = -EBADF;
        char file[NAME_MAX + 1], text[1200];
        int n;

        /* NAME.reason for NAME.job; a name at the limit loses its last letters. */
        n = (int)strlen(name) - (int)strlen(TQ_JOB_SUFFIX);
        n = TQ_MIN(TQ_MAX(n, 0), NAME_MAX - (int)strlen(REASON));
        (void)snprintf(file, sizeof(file), "%.*s%s", n, name, REASON);
        (void)unlinkat(dir_fd, file, 0);
        fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tq_errno();
        n = snprintf(text, sizeof(text), "%s\n", reason);
        return tq_fs_write_all(fd, text, TQ_MIN((size_t)n, sizeof(text) - 1));
}

/* Under its own name, or with a number where one of that name is kept already: nothing is replaced.
 */
static int move_apart(Rejected *of, int from_fd, const char *name, int dir_fd, const char *as,
                      char kept[NAME_MAX + 1]) {
        int n = (int)strlen(as) - (int)strlen(TQ_JOB_SUFFIX);

        n = TQ_MIN(TQ_MAX(n, 0), NAME_MAX - 24);
        (void)snprintf(kept, NAME_MAX + 1, "%s", as);
        for (int tries = 0; tries < MOVE_TRIES; tries++) {
                if (renameat2(from_fd, name, dir_fd, kept, RENAME_NOREPLACE) >= 0)
                        return 0;
                if (errno != EEXIST)
                        return tq_errno();
                of->serial = TQ_MAX(of->serial, of->n) + 1;
                (void)snprintf(kept, NAME_MAX + 1, "%.*s-%u" TQ_JOB_SUFFIX, n, as, of->serial);
        }
        return -EEXIST;
}

static int move_and_explain(Rejected *of, const Tenant *t, int from_fd, const char *name,
                            const char *as, const char *reason) {
        TQ_CLOSE int dir_fd = -EBADF;
        char kept[NAME_MAX + 1];
        int r;

        r = tq_creds_become(t->who.uid, t->who.gid);
        if (r < 0)
                return r;
        r = mkdirat(t->spool_fd, "rejected", 0700) < 0 && errno != EEXIST ? tq_errno() : 0;
        if (r >= 0)
                r = dir_fd = tq_fs_open_within(t->spool_fd, "rejected", O_RDONLY | O_DIRECTORY);
        tq_creds_return();
        if (r < 0)
                return r;
        /* Also at the limit: the tenant may have tidied up. */
        if (of->n == 0 || of->n >= REJECTED_MAX)
                of->n = count_files(dir_fd);
        if (of->n >= REJECTED_MAX)
                return -EDQUOT;
        r = move_apart(of, from_fd, name, dir_fd, as, kept);
        if (r < 0)
                return r;
        of->n++;
        /* Where it is now it may be without its reason, which is in the journal, too. */
        if (tq_creds_become(t->who.uid, t->who.gid) < 0)
                return 0;
        (void)write_reason(dir_fd, kept, reason);
        tq_creds_return();
        return 0;
}

bool reject_move(Rejects *rejects, Tenant *t, int from_fd, const char *name, const char *as,
                 const char *reason) {
        char shown[NAME_MAX * 4 + 1], why[600], text[1200];
        Rejected *of = ensure(rejects, t);
        int r;

        if (!t->is_enabled || !of || tenants_has_moved_on(t))
                return false;
        (void)tq_format_escape(as, shown, sizeof(shown));
        (void)tq_format_escape(reason, why, sizeof(why));
        (void)snprintf(text, sizeof(text), "%.600s: %.500s", shown, why);
        r = move_and_explain(of, t, from_fd, name, as, text);
        if (r >= 0)
                of->is_told = false;
        if (r >= 0 || (r == -ENOENT && !tq_fs_is_within(from_fd, name)))
                return true; /* kept, or the tenant took it back */
        if (r == -ENOENT || tq_errno_is_shortage(r)) {
                tenants_report(t, TQ_LOG_PLAIN,
                               "tenant %s: a refused file can't be kept for now (%s) and stays "
                               "where it is: %s",
                               t->name, strerror(-r), text);
                return false;
        }
        /* One line, not one for each file that a tenant cares to send. */
        if (!of->is_told && r == -EDQUOT)
                tenants_report(
                        t, TQ_LOG_PLAIN,
                        "tenant %s: rejected/ holds %d files; further refused ones are removed",
                        t->name, REJECTED_MAX);
        else if (!of->is_told)
                tenants_report(t, TQ_LOG_PLAIN,
                               "tenant %s: refused files can't be kept (%s) and are removed: %s",
                               t->name, strerror(-r), text);
        of->is_told = true;
        /* Never a directory: a tenant's tree is not ours to walk. It is then met again only when
         * the directory is read again. */
        (void)unlinkat(from_fd, name, 0);
        return true;
}

static void tell(const Rejects *rejects, const Tenant *t, uint64_t claim, const char *as,
                 const char *reason, bool is_quarantined) {
        /* Whose file it was is not known of each. */
        TqMessage m = { .claim = { .claim = claim,
                                   .tenant = t->handle,
                                   .uid = TQ_UID_UNKNOWN,
                                   .is_quarantined = is_quarantined } };

        (void)snprintf(m.claim.name, sizeof(m.claim.name), "%s", as);
        (void)tq_link_send(rejects->link, TQ_MESSAGE_REFUSED, &m, reason, strlen(reason), -EBADF);
}

void reject_tell(const Rejects *rejects, const Tenant *t, uint64_t claim, const char *as,
                 const char *reason) {
        tell(rejects, t, claim, as, reason, false);
}

void reject_tell_quarantine(const Rejects *rejects, const Tenant *t, uint64_t claim, const char *as,
                            const char *reason) {
        tell(rejects, t, claim, as, reason, true);
}

bool reject_file(Rejects *rejects, Tenant *t, uint64_t claim, int from_fd, const char *name,
                 const char *as, const char *reason) {
        bool is_moved = reject_move(rejects, t, from_fd, name, as, reason);

        reject_tell(rejects, t, claim, as, reason);
        return is_moved;
}
