/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ledger_backup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "store/ledger_private.h"

/* The ledger has one connection, so a copy is made by that one, some pages at a time (SQLite,
 * "Using the SQLite Online Backup API"): between two steps commits go on, and what they write to a
 * page that was copied already SQLite writes to the copy as well. So it is consistent, and as of
 * its last step. A copy that can't be written is given up; SQLite keeps that from the commit that
 * met it.
 *
 * It is made in a file beside the ledger, since nowhere else may the engine write. The file loses
 * its name as soon as it is open, so that a crash leaves nothing; one that comes just between is
 * removed by the next start. Nobody waits for it to be on the disk: it is handed out as a
 * descriptor, and who keeps it syncs what he keeps.
 *
 * What SQLite copies says that there is a write-ahead log beside it (bytes 18 and 19, "Database
 * File Format", 1.3.3). There is none: the file is whole, and it says so (as sqlite3_deserialize()
 * asks for it). A start also knows a copy by that (ledger_place.c). */

#define PAGE 4096 /* SQLite's default, which no ledger departs from */

struct TqLedgerBackup {
        TqLedger *ledger;
        int write_fd, read_fd;
        sqlite3 *db;
        sqlite3_backup *backup;
        bool is_whole;
};

static int has_room(const TqLedgerBackup *b, uint64_t pages) {
        struct statvfs st;

        if (fstatvfs(b->write_fd, &st) < 0)
                return tq_errno();
        return (uint64_t)st.f_bavail * st.f_frsize < pages * PAGE + TQ_LEDGER_BACKUP_RESERVE
                       ? -ENOSPC
                       : 0;
}

/* The file has a name only from here to the end of this function. */
static int open_file(TqLedgerBackup *b) {
        TQ_FREE char *path = tq_ledger_place_beside(b->ledger->file.path, TQ_LEDGER_BACKUP_SUFFIX);
        int rc, r = 0;

        if (!path)
                return -ENOMEM;
        (void)unlink(path);
        b->write_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (b->write_fd < 0)
                return tq_errno();
        b->read_fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (b->read_fd < 0)
                r = tq_errno();
        if (r >= 0) {
                /* Without locks: nobody else has it, and they would go with one of our
                 * descriptors. */
                rc = sqlite3_open_v2(path, &b->db,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX |
                                             SQLITE_OPEN_NOFOLLOW,
                                     "unix-none");
                r = tq_ledger_errno(rc);
        }
        (void)unlink(path);
        return r;
}

static int begin(TqLedgerBackup *b) {
        /* Whatever fails, the file is thrown away: nothing of it needs a journal. */
        static const char setting_up[] = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                                         "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-2048;";
        int64_t pages = 0;
        int rc, r;

        r = open_file(b);
        if (r < 0)
                return r;
        rc = tq_ledger_number(b->ledger, "PRAGMA page_count", &pages);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        r = has_room(b, (uint64_t)pages);
        if (r < 0)
                return r;
        rc = sqlite3_exec(b->db, setting_up, NULL, NULL, NULL);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        b->backup = sqlite3_backup_init(b->db, "main", b->ledger->db, "main");
        return b->backup ? 0 : tq_ledger_errno(sqlite3_errcode(b->db));
}

int tq_ledger_backup_new(TqLedger *l, TqLedgerBackup **ret) {
        TqLedgerBackup *b;
        int r;

        if (l->has_backup)
                return -EBUSY;
        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        *b = (TqLedgerBackup){ .ledger = l, .write_fd = -EBADF, .read_fd = -EBADF };
        l->has_backup = true;
        r = begin(b);
        if (r < 0) {
                (void)tq_ledger_backup_free(b);
                return r;
        }
        *ret = b;
        return 0;
}

static int finish(TqLedgerBackup *b) {
        static const char no_log[] = { 1, 1 };
        int rc = sqlite3_backup_finish(b->backup);

        b->backup = NULL;
        if (rc == SQLITE_OK)
                rc = sqlite3_close(b->db);
        if (rc != SQLITE_OK)
                return tq_ledger_errno(rc);
        b->db = NULL;
        if (pwrite(b->write_fd, no_log, sizeof(no_log), 18) != (ssize_t)sizeof(no_log))
                return errno != 0 ? tq_errno() : -EIO;
        b->is_whole = true;
        return 0;
}

int tq_ledger_backup_step(TqLedgerBackup *b) {
        int remaining = sqlite3_backup_remaining(b->backup), r, rc;

        /* Somebody else may be filling the disk. */
        r = has_room(b, (uint64_t)TQ_MAX(remaining, TQ_LEDGER_BACKUP_PAGES));
        if (r < 0)
                return r;
        rc = sqlite3_backup_step(b->backup, TQ_LEDGER_BACKUP_PAGES);
        if (rc == SQLITE_DONE)
                return finish(b);
        return rc == SQLITE_OK ? 1 : tq_ledger_errno(rc);
}

int tq_ledger_backup_take_fd(TqLedgerBackup *b) {
        return b->is_whole ? tq_take_fd(&b->read_fd) : -EBADF;
}

TqLedgerBackup *tq_ledger_backup_free(TqLedgerBackup *b) {
        if (!b)
                return NULL;
        (void)sqlite3_backup_finish(b->backup);
        (void)sqlite3_close(b->db);
        (void)tq_close(b->write_fd);
        (void)tq_close(b->read_fd);
        b->ledger->has_backup = false;
        free(b);
        return NULL;
}
