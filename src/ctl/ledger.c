/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/format.h"
#include "base/fs.h"
#include "ctl/ctl.h"
#include "ctl/program.h"
#include "ctl/verbs.h"
#include "store/snapshot.h"

/* The daemon holds its ledger alone, so it makes the copy and hands out a descriptor of it. A
 * backup is published by its name: written aside, synced, given the name, the directory synced. */

int ledger_ask(const Options *o, int *ret_fd) {
        CALL_CLEANUP Call c = {};
        int fd, r;

        r = call_open(o, &c, "Backup");
        if (r == 0)
                r = call_send(&c);
        if (r != 0)
                return r;
        if (sd_bus_message_read(c.reply, "h", &fd) < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer has no descriptor");
        *ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return *ret_fd < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(errno)) : 0;
}

int ledger_open(const Options *o, const char *file, TqSnapshot **ret) {
        TQ_CLOSE int fd = -EBADF;
        sigset_t ends, before;
        TqError err = {};
        char text[768];
        int r = file ? 0 : ledger_ask(o, &fd);

        if (r != 0)
                return r;
        /* Its copies are gone when this returns, and would stay if we were ended meanwhile. */
        program_block(&ends, &before);
        r = file ? tq_snapshot_open(file, ret, &err) : tq_snapshot_open_fd(fd, ret, &err);
        if (program_is_interrupted(&ends)) {
                if (r >= 0)
                        *ret = tq_snapshot_close(*ret);
                r = tq_error(&err, -EINTR, "interrupted");
        }
        program_unblock(&ends, &before);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", tq_error_format(&err, text, sizeof(text))) : 0;
}

const char *ledger_name(const char *file, char *buf, size_t size) {
        return file ? tq_format_escape(file, buf, size) : "the ledger";
}

/* Backup -------------------------------------------------------------------------------------- */

/* Where it goes. */
typedef struct Target {
        const char *file;
        char aside[PATH_MAX + 16]; /* empty: there is none */
        int dir_fd, fd;
} Target;

static void target_done(Target *t) {
        if (t->aside[0] != '\0')
                (void)unlink(t->aside);
        (void)tq_close(t->dir_fd);
        (void)tq_close(t->fd);
}

static int failed(const char *file, int error) {
        return fail(TQ_EXIT_FAILURE, "%s: %s", file, strerror(-error));
}

static int exists(const char *file) {
        return fail(TQ_EXIT_FAILURE, "%s is there already, and is not replaced", file);
}

static int target_open(Target *t) {
        char path[PATH_MAX];
        struct stat st;

        if (lstat(t->file, &st) == 0)
                return exists(t->file);
        if (errno != ENOENT || strlen(t->file) >= sizeof(path))
                return failed(t->file, errno != ENOENT ? tq_errno() : -ENAMETOOLONG);
        (void)snprintf(path, sizeof(path), "%s", t->file);
        t->dir_fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (t->dir_fd < 0)
                return failed(t->file, tq_errno());
        (void)snprintf(t->aside, sizeof(t->aside), "%s.XXXXXX", t->file);
        t->fd = mkostemp(t->aside, O_CLOEXEC);
        if (t->fd >= 0)
                return 0;
        t->aside[0] = '\0';
        return failed(t->file, tq_errno());
}

static int target_publish(Target *t) {
        if (fsync(t->fd) < 0)
                return failed(t->file, tq_errno());
        /* link(2), as it replaces nothing; not every file system has it. */
        if (link(t->aside, t->file) < 0) {
                if (errno == EEXIST)
                        return exists(t->file);
                if (renameat2(AT_FDCWD, t->aside, AT_FDCWD, t->file, RENAME_NOREPLACE) < 0)
                        return errno == EEXIST ? exists(t->file) : failed(t->file, tq_errno());
        } else
                (void)unlink(t->aside);
        t->aside[0] = '\0';
        return fsync(t->dir_fd) < 0 ? failed(t->file, tq_errno()) : 0;
}

/* All of it, or no file: whoever ends us waits for that. */
static int write_backup(Target *t, int from, uint64_t *ret_size) {
        sigset_t ends, before;
        int r, error;

        program_block(&ends, &before);
        r = target_open(t);
        error = r == 0 ? tq_fs_copy(from, t->fd, ret_size) : 0;
        if (error < 0)
                r = failed(t->file, error);
        if (r == 0 && program_is_interrupted(&ends))
                r = fail(TQ_EXIT_FAILURE, "interrupted");
        if (r == 0)
                r = target_publish(t);
        target_done(t);
        program_unblock(&ends, &before);
        return r;
}

int verb_ledger_backup(const Options *o, int argc, char *argv[]) {
        Target t = { .file = argv[0], .dir_fd = -EBADF, .fd = -EBADF };
        TQ_CLOSE int fd = -EBADF;
        char text[TQ_FORMAT_MAX], shown[PATH_MAX];
        struct stat st;
        uint64_t size = 0;
        int r;

        (void)argc;
        if (lstat(t.file, &st) == 0)
                return exists(t.file);
        r = ledger_ask(o, &fd);
        if (r == 0)
                r = write_backup(&t, fd, &size);
        if (r == 0)
                (void)printf("%s: %s\n", tq_format_escape(t.file, shown, sizeof(shown)),
                             tq_format_size_short(size, text, sizeof(text)));
        return r;
}
