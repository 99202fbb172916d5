/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/logpage.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/error.h"

/* A bound on what a tenant's jobs write together, that holds at each instant and asks nobody.
 *
 * Each writer takes from the page what it is about to write, no more: `taken` never passes `limit`,
 * since it is moved by compare and exchange. So nothing has to be given back but what a write did
 * not do. One atomic operation for each piece that comes out of a pipe is nothing beside the
 * write(2) that follows.
 *
 * tenantqd knows what the files had at some instant (used) and what `written` was just before.
 * What the files have now is at most used + written now - written then, and what is on its way is
 * taken - written; so with
 *
 *     limit = bound - used + written then
 *
 * files and what is on its way never have more than the bound, whatever is written while they are
 * counted: that can be counted twice, until the next time, but is never missed.
 *
 * A writer that is killed between taking and having written leaves a difference between the two
 * that nobody will write. Whatever of it is more than the writers that live can have on their way
 * is known to be such, and is let go when the limit is set.
 *
 * The page is a file of tenantqd's below its run directory, root's alone, so that the next tenantqd
 * has the same one: what is bounded, or dropped for the floor, is so for those who began before,
 * too. Whoever watches over a job closes its descriptor before anything of the job's runs, and can
 * then write any number there: it could let its own tenant write without bound, or not at all. It
 * holds the page of no other. The job itself has neither the descriptor nor the mapping
 * (MADV_DONTFORK).
 */

#define VERSION 1

static size_t page_size(void) {
        return (size_t)sysconf(_SC_PAGESIZE);
}

static int map(int fd, TqLogPage **ret) {
        void *p = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (p == MAP_FAILED)
                return tq_errno();
        *ret = p;
        return 0;
}

static int open_old(int dir_fd, const char *name, uid_t owner, TqLogPage **ret) {
        TQ_CLOSE int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        TqLogPage *p = NULL;
        struct stat st;
        int r;

        if (fd < 0)
                return tq_errno();
        /* Beyond its end there is nothing to be read. */
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
            (size_t)st.st_size != page_size())
                return -ENOENT;
        r = map(fd, &p);
        if (r < 0 || !p)
                return r < 0 ? r : -ENOENT;
        if (p->version != VERSION || p->owner != owner) {
                tq_logpage_unmap(p);
                return -ENOENT;
        }
        *ret = p;
        return tq_take_fd(&fd);
}

static int make(int dir_fd, const char *name, uid_t owner, TqLogPage **ret) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
                return tq_errno();
        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tq_errno();
        /* Of a full file system there is an error here, and no SIGBUS later. */
        r = -posix_fallocate(fd, 0, (off_t)page_size());
        if (r >= 0)
                r = map(fd, ret);
        if (r < 0) {
                (void)unlinkat(dir_fd, name, 0);
                return r;
        }
        atomic_store(&(*ret)->floor, UINT64_MAX);
        (*ret)->owner = owner;
        (*ret)->version = VERSION;
        return tq_take_fd(&fd);
}

int tq_logpage_open(int dir_fd, const char *name, uid_t owner, bool may_make, TqLogPage **ret) {
        int fd = open_old(dir_fd, name, owner, ret);

        /* One that can't be opened for now has writers, perhaps. */
        return fd >= 0 || tq_errno_is_shortage(fd) || !may_make ? fd
                                                                : make(dir_fd, name, owner, ret);
}

int tq_logpage_map(int fd, TqLogPage **ret) {
        int r = map(fd, ret);

        if (r >= 0 && madvise(*ret, page_size(), MADV_DONTFORK) < 0)
                r = tq_errno();
        return r;
}

void tq_logpage_unmap(TqLogPage *p) {
        if (p)
                (void)munmap(p, page_size());
}

uint64_t tq_logpage_take(TqLogPage *p, uint64_t want, TqLoss *ret_loss) {
        uint64_t taken = atomic_load(&p->taken), n;

        do {
                uint64_t own = tq_sub_u64(atomic_load(&p->limit), taken);
                uint64_t disk = tq_sub_u64(atomic_load(&p->floor), taken);

                n = TQ_MIN(want, TQ_MIN(own, disk));
                if (n < want)
                        *ret_loss = disk < own ? TQ_LOSS_FLOOR : TQ_LOSS_BOUND;
        } while (n > 0 && !atomic_compare_exchange_weak(&p->taken, &taken, taken + n));
        return n;
}

void tq_logpage_wrote(TqLogPage *p, uint64_t taken, uint64_t wrote) {
        atomic_fetch_add(&p->written, wrote);
        if (taken > wrote)
                atomic_fetch_sub(&p->taken, taken - wrote);
}

uint64_t tq_logpage_written(const TqLogPage *p) {
        return atomic_load(&p->written);
}

/* What nobody will write any more. A writer may be between its two steps, so that what is on its
 * way looks like more than it is, but never by more than one write of each. */
static uint64_t lost(const TqLogPage *p, uint64_t n) {
        uint64_t written = atomic_load(&p->written);

        return tq_sub_u64(tq_sub_u64(atomic_load(&p->taken), written),
                          tq_mul_u64(n, TQ_LOGPAGE_WRITE_MOST));
}

void tq_logpage_bound(TqLogPage *p, uint64_t bound, uint64_t used, uint64_t written, uint64_t n) {
        uint64_t limit = UINT64_MAX;

        if (bound != UINT64_MAX)
                limit = tq_sub_u64(tq_add_u64(tq_add_u64(bound, written), lost(p, n)), used);
        atomic_store(&p->limit, limit);
}

void tq_logpage_floor(TqLogPage *p, uint64_t room) {
        atomic_store(&p->floor, tq_add_u64(atomic_load(&p->taken), room));
}

static uint64_t room(const TqLogPage *p, uint64_t limit) {
        return limit == UINT64_MAX ? UINT64_MAX : tq_sub_u64(limit, atomic_load(&p->taken));
}

uint64_t tq_logpage_room_of_bound(const TqLogPage *p) {
        return room(p, atomic_load(&p->limit));
}

uint64_t tq_logpage_room_of_disk(const TqLogPage *p) {
        return room(p, atomic_load(&p->floor));
}

uint64_t tq_logpage_room(const TqLogPage *p) {
        return TQ_MIN(tq_logpage_room_of_bound(p), tq_logpage_room_of_disk(p));
}
