/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "sim.h"

/* The two ways to the disk: SQLite's (a VFS that does what its own for unix does, as far as it can
 * be seen on a disk: the directory is synced with the first sync of a log or journal that was
 * made), and system calls of src/store, which the linker sends here (ld(1), --wrap). */

/* SQLite --------------------------------------------------------------------------------------- */

typedef struct SimFile {
        sqlite3_file base;
        Inode *inode;
        bool syncs_directory;
} SimFile;

static int code_of(int r) {
        return r == -ENOSPC ? SQLITE_FULL : r < 0 ? SQLITE_IOERR : SQLITE_OK;
}

static int file_close(sqlite3_file *f) {
        (void)f;
        return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *data, int size, sqlite3_int64 at) {
        size_t n;

        if (!disk_gives())
                return SQLITE_IOERR_READ;
        n = disk_read(((SimFile *)f)->inode, data, (size_t)size, (uint64_t)at);
        if (n == (size_t)size)
                return SQLITE_OK;
        memset((char *)data + n, 0, (size_t)size - n);
        return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 at) {
        return code_of(disk_write(((SimFile *)f)->inode, data, (size_t)size, (uint64_t)at));
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
        return code_of(disk_truncate(((SimFile *)f)->inode, (uint64_t)size));
}

static int file_sync(sqlite3_file *f, int flags) {
        SimFile *s = (SimFile *)f;
        int r = disk_sync(s->inode);

        (void)flags;
        if (r < 0 && sim.mutant == MUTANT_SYNCS_AGAIN)
                r = disk_sync(s->inode);
        if (r >= 0 && s->syncs_directory)
                r = disk_sync_directory();
        s->syncs_directory &= r < 0;
        return code_of(r);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *ret) {
        *ret = (sqlite3_int64)disk_size(((SimFile *)f)->inode);
        return SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int how) {
        (void)f;
        (void)how;
        return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *f, int *ret) {
        (void)f;
        *ret = 0;
        return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *argument) {
        (void)f;
        (void)op;
        (void)argument;
        return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *f) {
        (void)f;
        return 4096;
}

static int file_characteristics(sqlite3_file *f) {
        (void)f;
        return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
        .iVersion = 1,
        .xClose = file_close,
        .xRead = file_read,
        .xWrite = file_write,
        .xTruncate = file_truncate,
        .xSync = file_sync,
        .xFileSize = file_size,
        .xLock = file_lock,
        .xUnlock = file_lock,
        .xCheckReservedLock = file_check_lock,
        .xFileControl = file_control,
        .xSectorSize = file_sector_size,
        .xDeviceCharacteristics = file_characteristics,
};

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags) {
        SimFile *s = (SimFile *)f;

        (void)v;
        *s = (SimFile){};
        s->inode = name ? disk_find(name) : NULL;
        if (!s->inode && name && flags & SQLITE_OPEN_CREATE) {
                s->inode = disk_create(name);
                s->syncs_directory = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
        }
        if (!s->inode)
                return SQLITE_CANTOPEN;
        s->base.pMethods = &methods;
        if (ret_flags)
                *ret_flags = flags;
        return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync_directory) {
        int r = disk_unlink(name);

        (void)v;
        if (r == -ENOENT)
                return SQLITE_IOERR_DELETE_NOENT;
        if (r >= 0 && sync_directory)
                r = disk_sync_directory();
        return code_of(r);
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *ret) {
        Inode *i = disk_find(name);

        (void)v;
        *ret = i && (flags != SQLITE_ACCESS_EXISTS || disk_size(i) > 0);
        return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *v, const char *name, int size, char *ret) {
        (void)v;
        (void)snprintf(ret, (size_t)size, "%s", name);
        return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *v, int size, char *ret) {
        (void)v;
        for (int i = 0; i < size; i++)
                ret[i] = (char)sim_draw(256);
        return size;
}

static int vfs_sleep(sqlite3_vfs *v, int usec) {
        (void)v;
        return usec;
}

static int vfs_time(sqlite3_vfs *v, sqlite3_int64 *ret) {
        (void)v;
        *ret = INT64_C(210866760000000) + (sqlite3_int64)((sim.realtime + sim.boottime) / 1000);
        return SQLITE_OK;
}

void vfs_register(void) {
        static sqlite3_vfs vfs = {
                .iVersion = 2,
                .szOsFile = sizeof(SimFile),
                .mxPathname = 512,
                .zName = "sim",
                .xOpen = vfs_open,
                .xDelete = vfs_delete,
                .xAccess = vfs_access,
                .xFullPathname = vfs_path,
                .xRandomness = vfs_random,
                .xSleep = vfs_sleep,
                .xCurrentTimeInt64 = vfs_time,
        };

        if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
                abort();
}

/* System calls -----------------------------------------------------------------------------------
 */

#define FD_CLAIMS    5
#define FD_FIRST     2000000 /* of files; the directory's is the one before */
#define FD_DIRECTORY (FD_FIRST - 1)

static struct {
        Inode *inode;
        uint64_t at;
} opened[64];

#define WRAP(result, name, ...)                                                                    \
        result __real_##name(__VA_ARGS__);                                                         \
        result __wrap_##name(__VA_ARGS__);                                                         \
        result __wrap_##name(__VA_ARGS__)

static bool is_ours(const char *path) {
        return strncmp(path, DISK_DIRECTORY, strlen(DISK_DIRECTORY)) == 0;
}

static int fail(int error) {
        errno = error;
        return -1;
}

static int open_ours(const char *path, int flags) {
        Inode *i = disk_find(path);

        if (strcmp(path, DISK_DIRECTORY) == 0)
                return FD_DIRECTORY;
        if (!i && flags & O_CREAT)
                i = disk_create(path);
        else if (i && flags & O_EXCL)
                return fail(EEXIST);
        else if (!i)
                return fail(ENOENT);
        if (!i)
                return fail(EIO);
        if (flags & O_TRUNC && disk_truncate(i, 0) < 0)
                return fail(EIO);
        for (int k = 0; k < (int)TQ_ELEMENTSOF(opened); k++)
                if (!opened[k].inode) {
                        opened[k].inode = i;
                        opened[k].at = 0;
                        return FD_FIRST + k;
                }
        return fail(EMFILE);
}

WRAP(int, open, const char *path, int flags, mode_t mode) {
        return is_ours(path) ? open_ours(path, flags) : __real_open(path, flags, mode);
}

WRAP(int, openat, int fd, const char *path, int flags, mode_t mode) {
        return is_ours(path) ? open_ours(path, flags) : __real_openat(fd, path, flags, mode);
}

WRAP(int, close, int fd) {
        if (fd < FD_DIRECTORY)
                return __real_close(fd);
        if (fd >= FD_FIRST)
                opened[fd - FD_FIRST].inode = NULL;
        return 0;
}

WRAP(ssize_t, read, int fd, void *data, size_t size) {
        size_t n;

        if (fd < FD_FIRST)
                return __real_read(fd, data, size);
        if (!disk_gives())
                return fail(EIO);
        n = disk_read(opened[fd - FD_FIRST].inode, data, size, opened[fd - FD_FIRST].at);
        opened[fd - FD_FIRST].at += n;
        return (ssize_t)n;
}

WRAP(ssize_t, pread, int fd, void *data, size_t size, off_t at) {
        if (fd < FD_FIRST)
                return __real_pread(fd, data, size, at);
        if (!disk_gives())
                return fail(EIO);
        return (ssize_t)disk_read(opened[fd - FD_FIRST].inode, data, size, (uint64_t)at);
}

WRAP(ssize_t, write, int fd, const void *data, size_t size) {
        int r;

        if (fd < FD_FIRST)
                return __real_write(fd, data, size);
        r = disk_write(opened[fd - FD_FIRST].inode, data, size, opened[fd - FD_FIRST].at);
        if (r < 0)
                return fail(-r);
        opened[fd - FD_FIRST].at += size;
        return (ssize_t)size;
}

WRAP(ssize_t, pwrite, int fd, const void *data, size_t size, off_t at) {
        int r;

        if (fd < FD_FIRST)
                return __real_pwrite(fd, data, size, at);
        if (sim.mutant == MUTANT_LOG_SYNCED_ONLY)
                return (ssize_t)size;
        r = disk_write(opened[fd - FD_FIRST].inode, data, size, (uint64_t)at);
        return r < 0 ? fail(-r) : (ssize_t)size;
}

/* Which file it is; nothing else is asked of it. */
static int describe(const Inode *i, struct stat *ret) {
        if (!i)
                return fail(ENOENT);
        *ret = (struct stat){ .st_dev = 1,
                              .st_ino = disk_number(i),
                              .st_mode = S_IFREG | 0600,
                              .st_size = (off_t)disk_size(i) };
        return 0;
}

WRAP(int, stat, const char *path, struct stat *ret) {
        return is_ours(path) ? describe(disk_find(path), ret) : __real_stat(path, ret);
}

WRAP(int, lstat, const char *path, struct stat *ret) {
        return is_ours(path) ? describe(disk_find(path), ret) : __real_lstat(path, ret);
}

WRAP(int, fstat, int fd, struct stat *ret) {
        return fd < FD_FIRST ? __real_fstat(fd, ret) : describe(opened[fd - FD_FIRST].inode, ret);
}

WRAP(int, statx, int fd, const char *path, int flags, unsigned mask, struct statx *ret) {
        if (!is_ours(path))
                return __real_statx(fd, path, flags, mask, ret);
        if (!disk_find(path))
                return fail(ENOENT);
        *ret = (struct statx){ .stx_ino = disk_number(disk_find(path)) };
        return 0;
}

WRAP(int, unlink, const char *path) {
        int r = is_ours(path) ? disk_unlink(path) : __real_unlink(path);

        return is_ours(path) && r < 0 ? fail(-r) : r;
}

/* Of the reserve, which nobody reads. */
WRAP(int, fallocate, int fd, int mode, off_t at, off_t size) {
        int r;

        if (fd < FD_FIRST)
                return __real_fallocate(fd, mode, at, size);
        r = disk_reserve(opened[fd - FD_FIRST].inode, (uint64_t)size);
        return r < 0 ? fail(-r) : 0;
}

WRAP(int, ftruncate, int fd, off_t size) {
        int r;

        if (fd < FD_FIRST)
                return __real_ftruncate(fd, size);
        r = disk_truncate(opened[fd - FD_FIRST].inode, (uint64_t)size);
        return r < 0 ? fail(-r) : 0;
}

WRAP(int, fsync, int fd) {
        if (fd == FD_CLAIMS) {
                WORLD;

                if (!sim_engine_acts())
                        return fail(EIO);
                if (sim.mutant != MUTANT_NO_CLAIMS_SYNC)
                        host_sync_claims();
                return 0;
        }
        if (fd < FD_DIRECTORY)
                return __real_fsync(fd);
        if (sim.mutant == MUTANT_NO_LOG_SYNC && fd >= FD_FIRST &&
            opened[fd - FD_FIRST].inode == disk_find(DISK_LEDGER "-wal"))
                return 0;
        if ((fd == FD_DIRECTORY ? disk_sync_directory() : disk_sync(opened[fd - FD_FIRST].inode)) <
            0)
                return fail(EIO);
        return 0;
}
