/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/joblog.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "core/ids.h"
#include "unit.h"

START_TEST(create_and_open) {
        int dir_fd = unit_dir_open(), fd;
        int large[_TQ_STREAM_MAX];
        char text[32];
        struct stat st;

        (void)umask(0);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_OUT), -ENOENT);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT, false);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_ne(fcntl(fd, F_GETFL) & O_APPEND, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0640); /* not the world's */
        ck_assert_int_eq(tq_fs_write_all(fd, "out", 3), 0);
        (void)close(fd);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_ERR, false);
        ck_assert_int_eq(tq_fs_write_all(fd, "err", 3), 0);
        (void)close(fd);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "7.1.out", text, sizeof(text)), 3);
        ck_assert_str_eq(text, "out");
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "7.1.err", text, sizeof(text)), 3);
        ck_assert_str_eq(text, "err");
        fd = tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_ERR);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(read(fd, text, sizeof(text)), 3);
        ck_assert_int_eq(write(fd, "x", 1), -1);
        (void)close(fd);
        /* Of a launch that never ran there is nothing left; another attempt is not touched. */
        (void)close(tq_joblog_create(dir_fd, 7, 2, TQ_STREAM_OUT, false));
        ck_assert_int_eq(tq_joblog_remove(dir_fd, 7, 1, large), 2);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_OUT), -ENOENT);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_ERR), -ENOENT);
        ck_assert_int_ge(tq_joblog_open(dir_fd, 7, 2, TQ_STREAM_OUT), 0);
        ck_assert_int_eq(tq_joblog_remove(dir_fd, 7, 1, large), 0);
}
END_TEST

/* Who holds one open holds nothing of the disk; but what has another name is somebody's. */
START_TEST(removed_while_open) {
        int dir_fd = unit_dir_open(), large[_TQ_STREAM_MAX], fd, held, linked, steps = 1;
        static const char bytes[100000];
        struct stat st;

        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT, false);
        ck_assert_int_eq(tq_fs_write_all(fd, bytes, sizeof(bytes)), 0);
        held = tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_OUT);
        (void)close(fd);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_ERR, false);
        ck_assert_int_eq(tq_fs_write_all(fd, bytes, sizeof(bytes)), 0);
        (void)close(fd);
        ck_assert_int_eq(linkat(dir_fd, "7.1.err", dir_fd, "mine", 0), 0);
        ck_assert_int_eq(tq_joblog_remove(dir_fd, 7, 1, large), 2);
        ck_assert(large[0] < 0 && large[1] < 0);
        ck_assert_int_eq(fstat(held, &st), 0);
        ck_assert_int_eq(st.st_size, 0);
        linked = openat(dir_fd, "mine", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(fstat(linked, &st), 0);
        ck_assert_int_eq(st.st_size, sizeof(bytes));
        /* In pieces of 4 MiB. */
        fd = tq_joblog_create(dir_fd, 8, 1, TQ_STREAM_ERR, false);
        ck_assert_int_eq(ftruncate(fd, 10 << 20), 0);
        ck_assert_int_eq(tq_joblog_remove(dir_fd, 8, 1, large), 1);
        ck_assert(large[0] < 0 && large[1] >= 0);
        ck_assert_int_eq(faccessat(dir_fd, "8.1.err", F_OK, 0), -1);
        while (tq_joblog_shrink(large[1]) == 0)
                steps++;
        ck_assert_int_eq(steps, 3);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(st.st_size, 0);
}
END_TEST

/* What an earlier launch left is replaced, not added to. */
START_TEST(create_again) {
        int dir_fd = unit_dir_open(), old, fd;
        char text[32];

        old = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT, false);
        ck_assert_int_eq(tq_fs_write_all(old, "old", 3), 0);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT, false);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(old, "late", 4), 0);
        ck_assert_int_eq(tq_fs_write_all(fd, "new", 3), 0);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "7.1.out", text, sizeof(text)), 3);
        ck_assert_str_eq(text, "new");
}
END_TEST

/* A link in its place is neither written nor read through. */
START_TEST(links) {
        int dir_fd = unit_dir_open(), fd;
        char text[32];

        fd = openat(dir_fd, "target", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(tq_fs_write_all(fd, "secret", 6), 0);
        ck_assert_int_eq(symlinkat("target", dir_fd, "7.1.out"), 0);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_OUT), -ELOOP);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT, false);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_fs_write_all(fd, "x", 1), 0);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "target", text, sizeof(text)), 6);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "7.1.out", text, sizeof(text)), 1);
        ck_assert_int_eq(mkdirat(dir_fd, "8.1.out", 0700), 0);
        ck_assert_int_lt(tq_joblog_create(dir_fd, 8, 1, TQ_STREAM_OUT, false), 0);
}
END_TEST

START_TEST(largest_numbers) {
        int dir_fd = unit_dir_open();

        ck_assert_int_ge(tq_joblog_create(dir_fd, UINT64_MAX, UINT32_MAX, TQ_STREAM_ERR, false), 0);
        ck_assert_int_eq(faccessat(dir_fd, "18446744073709551615.4294967295.err", F_OK, 0), 0);
}
END_TEST

/* 0, or why that user can't open the output of job 1 in the directory. */
static int can_open(int dir_fd, uid_t uid, gid_t gid, int how) {
        char path[64];
        pid_t pid;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), dir_fd);
        pid = fork();
        if (pid == 0) {
                int here = open(path, O_PATH | O_DIRECTORY);

                if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
                    setresuid(uid, uid, uid) < 0)
                        _exit(99);
                _exit(openat(here, "1.1.out", how) < 0 ? errno : 0);
        }
        return WEXITSTATUS(unit_wait(pid));
}

START_TEST(directory) {
        int logs_fd, dir_fd, fd;
        struct stat st;

        if (!unit_is_root())
                unit_skip("only root can give a directory to root");
        logs_fd = unit_dir_open();
        fd = tq_joblog_open_dir(logs_fd, "acme", 54321);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07007, 0);
        ck_assert_uint_eq(st.st_uid, 0);
        ck_assert_uint_eq(st.st_gid, 0);
        /* Repaired. */
        ck_assert_int_eq(fchmod(fd, 0777), 0);
        ck_assert_int_eq(fchown(fd, 54321, 1), 0);
        (void)close(fd);
        fd = tq_joblog_open_dir(logs_fd, "acme", 54321);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07007, 0);
        ck_assert_uint_eq(st.st_uid, 0);
        ck_assert_uint_eq(st.st_gid, 0);
        (void)close(fd);
        /* What is made inside is the user's to read, and nobody else's, of his group neither; and
         * only root writes it. */
        dir_fd = tq_joblog_open_dir(logs_fd, "acme", 54321);
        fd = tq_joblog_create(dir_fd, 1, 1, TQ_STREAM_OUT, false);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_uint_eq(st.st_uid, 0);
        ck_assert_int_eq(can_open(dir_fd, 54321, 99, O_RDONLY), 0);
        ck_assert_int_eq(can_open(dir_fd, 54321, 99, O_WRONLY), EACCES);
        ck_assert_int_eq(can_open(dir_fd, 54322, 54321, O_RDONLY), EACCES);
        ck_assert_int_eq(can_open(dir_fd, 54322, 0, O_RDONLY), EACCES);
        /* When it is put aside, his neither. */
        ck_assert_int_eq(tq_joblog_close_dir(dir_fd), 0);
        ck_assert_int_eq(can_open(dir_fd, 54321, 99, O_RDONLY), EACCES);
        ck_assert_int_eq(symlinkat("/tmp", logs_fd, "globex"), 0);
        ck_assert_int_lt(tq_joblog_open_dir(logs_fd, "globex", 54321), 0);
}
END_TEST

/* Only the names that are made here, written the one way that they are. */
static const struct {
        const char *name;
        uint64_t job;
        unsigned attempt;
        int stream;
} names[] = {
        { "7.1.out", 7, 1, TQ_STREAM_OUT },
        { "7.1.err", 7, 1, TQ_STREAM_ERR },
        { "4611686018427387903.4294967295.err", TQ_JOB_MAX, UINT32_MAX, TQ_STREAM_ERR },
        { "4611686018427387904.1.err", 0, 0, -1 },
        { "7.4294967296.err", 0, 0, -1 },
        { "0.1.out", 0, 0, -1 },
        { "7.0.out", 0, 0, -1 },
        { "07.1.out", 0, 0, -1 },
        { "7.01.out", 0, 0, -1 },
        { "+7.1.out", 0, 0, -1 },
        { " 7.1.out", 0, 0, -1 },
        { "7.1.out.1", 0, 0, -1 },
        { "7.1.out.gz", 0, 0, -1 },
        { "7.1.out-20260101", 0, 0, -1 },
        { "7.1.log", 0, 0, -1 },
        { "7.1.", 0, 0, -1 },
        { "7.1", 0, 0, -1 },
        { "7.out", 0, 0, -1 },
        { "7..out", 0, 0, -1 },
        { ".7.out", 0, 0, -1 },
        { "7.1.OUT", 0, 0, -1 },
        { "7.1.out\n", 0, 0, -1 },
        { "", 0, 0, -1 },
        { ".owner", 0, 0, -1 },
        { "1111111111111111111111111111111111111111111111111111111111111111.1.out", 0, 0, -1 },
};

START_TEST(parse) {
        uint64_t job = 0;
        unsigned attempt = 0;
        TqStream stream = _TQ_STREAM_MAX;
        bool is = tq_joblog_parse(names[_i].name, &job, &attempt, &stream);

        ck_assert_int_eq(is, names[_i].stream >= 0);
        ck_assert_uint_eq(job, names[_i].job);
        ck_assert_uint_eq(attempt, names[_i].attempt);
        if (is)
                ck_assert_int_eq((int)stream, names[_i].stream);
}
END_TEST

START_TEST(looked_at) {
        const struct timespec times[2] = { { 5, 0 }, { 7, 2000 } };
        int dir_fd = unit_dir_open(), fd;
        int large[_TQ_STREAM_MAX];
        TqJoblogStat st;

        ck_assert_int_eq(tq_joblog_stat(dir_fd, 7, 1, TQ_STREAM_OUT, &st), -ENOENT);
        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT, false);
        ck_assert_int_eq(tq_fs_write_all(fd, "output", 6), 0);
        ck_assert_int_eq(futimens(fd, times), 0);
        ck_assert_int_eq(tq_joblog_stat(dir_fd, 7, 1, TQ_STREAM_OUT, &st), 0);
        ck_assert_uint_eq(st.bytes, 6);
        ck_assert_uint_eq(st.written_usec, 7000002);
        ck_assert_uint_eq(st.keep_usec, 0);
        ck_assert_int_eq(mkdirat(dir_fd, "8.1.out", 0700), 0);
        ck_assert_int_eq(symlinkat("7.1.out", dir_fd, "9.1.out"), 0);
        ck_assert_int_eq(tq_joblog_stat(dir_fd, 8, 1, TQ_STREAM_OUT, &st), -ENOENT);
        ck_assert_int_eq(tq_joblog_stat(dir_fd, 9, 1, TQ_STREAM_OUT, &st), -ENOENT);
        (void)close(tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_ERR, false));
        ck_assert_int_eq(tq_joblog_remove(dir_fd, 7, 1, large), 2);
        ck_assert_int_eq(tq_joblog_remove(dir_fd, 7, 1, large), 0);
        ck_assert_int_lt(tq_joblog_remove(dir_fd, 8, 1, large), 0);
}
END_TEST

/* How long, where only root can write it; what is longer than there are seconds is as long as can
 * be. */
static const struct {
        uint64_t usec, want;
} keeps[] = {
        { 30 * TQ_USEC_PER_SEC, 30 * TQ_USEC_PER_SEC },
        { 1500000, TQ_USEC_PER_SEC },
        { UINT64_MAX, UINT64_MAX / TQ_USEC_PER_SEC *TQ_USEC_PER_SEC },
};

START_TEST(keep) {
        int dir_fd = unit_dir_open(), fd, r;
        TqJoblogStat st;
        struct stat plain;

        fd = tq_joblog_create(dir_fd, 7, 1, TQ_STREAM_OUT, true);
        ck_assert_int_eq(fstat(fd, &plain), 0);
        ck_assert_uint_eq(plain.st_mode & 06137, 0);
        /* Only marked: as all. */
        ck_assert_int_eq(tq_joblog_stat(dir_fd, 7, 1, TQ_STREAM_OUT, &st), 0);
        ck_assert_uint_eq(st.keep_usec, 0);
        r = tq_joblog_keep(fd, keeps[_i].usec);
        if (r == -EPERM || r == -EOPNOTSUPP)
                unit_skip("only root of the host can write trusted attributes");
        ck_assert_int_eq(r, 0);
        ck_assert_int_eq(tq_joblog_stat(dir_fd, 7, 1, TQ_STREAM_OUT, &st), 0);
        ck_assert_uint_eq(st.keep_usec, keeps[_i].want);
        /* What is no number keeps nothing. */
        ck_assert_int_eq(fsetxattr(fd, "trusted.tenantq.keep", "1 year", 6, 0), 0);
        ck_assert_int_eq(tq_joblog_stat(dir_fd, 7, 1, TQ_STREAM_OUT, &st), 0);
        ck_assert_uint_eq(st.keep_usec, 0);
}
END_TEST

static ino_t inode_of(int dir_fd, const char *name) {
        struct stat st;

        return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_ino;
}

static void make_pair(int dir_fd, uint64_t job, bool is_kept, int ret[_TQ_STREAM_MAX]) {
        for (int i = 0; i < _TQ_STREAM_MAX; i++)
                ck_assert_int_ge(ret[i] = tq_joblog_create(dir_fd, job, 1, (TqStream)i, is_kept),
                                 0);
}

static void make_closed_pair(int dir_fd, uint64_t job) {
        int fds[_TQ_STREAM_MAX];

        make_pair(dir_fd, job, false, fds);
        (void)close(fds[0]);
        (void)close(fds[1]);
}

START_TEST(spare) {
        int dir_fd = unit_dir_open(), fds[_TQ_STREAM_MAX];
        ino_t out, err;
        struct stat st;
        char text[8];

        make_closed_pair(dir_fd, 7);
        out = inode_of(dir_fd, "7.1.out");
        err = inode_of(dir_fd, "7.1.err");
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, 0), TQ_JOBLOG_SPARE);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_OUT), -ENOENT);
        ck_assert_int_eq(tq_joblog_open(dir_fd, 7, 1, TQ_STREAM_ERR), -ENOENT);
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 1, 8, 2, fds), -ENODATA);
        /* What a launch that was never recorded has left goes, as with a new file. */
        (void)close(tq_joblog_create(dir_fd, 8, 2, TQ_STREAM_OUT, false));
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 0, 8, 2, fds), 0);
        ck_assert(inode_of(dir_fd, "8.2.out") == out && inode_of(dir_fd, "8.2.err") == err);
        for (int i = 0; i < _TQ_STREAM_MAX; i++) {
                ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
                ck_assert_int_eq(fcntl(fds[i], F_GETFL) & (O_APPEND | O_ACCMODE | O_NONBLOCK),
                                 O_APPEND | O_WRONLY);
        }
        ck_assert_int_eq(tq_fs_write_all(fds[0], "out", 3), 0);
        ck_assert_int_eq(tq_fs_write_all(fds[0], "er", 2), 0);
        ck_assert_int_eq(tq_fs_read_at(dir_fd, "8.2.out", text, sizeof(text)), 5);
        ck_assert_int_eq(fstat(fds[1], &st), 0);
        ck_assert_int_eq(st.st_size, 0);
        (void)close(fds[0]);
        (void)close(fds[1]);
        /* One of the two has a word. */
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 8, 2, 0), TQ_JOBLOG_KEPT);
        ck_assert_uint_eq(inode_of(dir_fd, "8.2.err"), err);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 9, 1, 0), TQ_JOBLOG_KEPT); /* there are none */
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 0, 9, 1, fds), -ENODATA);
}
END_TEST

/* What somebody else may read, as the job of a former owner, or has open since, is not for the
 * next. */
START_TEST(spare_of_another) {
        int root_fd = unit_dir_open(), dir_fd, fds[_TQ_STREAM_MAX], open_fd;

        if (geteuid() != 0)
                unit_skip("not root");
        dir_fd = tq_joblog_open_dir(root_fd, "acme", 2001);
        ck_assert_int_ge(dir_fd, 0);
        make_closed_pair(dir_fd, 7);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, 0), TQ_JOBLOG_SPARE);
        open_fd = openat(dir_fd, ".spare-0.out", O_RDONLY);
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 0, 8, 1, fds), -ENODATA);
        (void)close(open_fd);
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 0, 8, 1, fds), 0);
        (void)close(fds[0]);
        (void)close(fds[1]);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 8, 1, 0), TQ_JOBLOG_SPARE);
        make_closed_pair(dir_fd, 9);
        (void)close(dir_fd);
        dir_fd = tq_joblog_open_dir(root_fd, "acme", 2002);
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 0, 10, 1, fds), -ENODATA);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 9, 1, 1), TQ_JOBLOG_KEPT);
        (void)close(dir_fd);
}
END_TEST

/* One that was put by long ago is as old as a new file when it is taken. */
START_TEST(spare_is_new) {
        int dir_fd = unit_dir_open(), fds[_TQ_STREAM_MAX];
        struct stat st;

        make_closed_pair(dir_fd, 7);
        ck_assert_int_eq(
                utimensat(dir_fd, "7.1.out", (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0), 0);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, 0), TQ_JOBLOG_SPARE);
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 0, 8, 1, fds), 0);
        ck_assert_int_eq(fstat(fds[0], &st), 0);
        ck_assert_int_gt(st.st_mtim.tv_sec, 1);
        (void)close(fds[0]);
        (void)close(fds[1]);
}
END_TEST

/* Half a pair is none, and a spare that is not empty, whoever wrote it, is none. */
START_TEST(spare_spoilt) {
        int dir_fd = unit_dir_open(), fds[_TQ_STREAM_MAX], fd;

        make_closed_pair(dir_fd, 7);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, 3), TQ_JOBLOG_SPARE);
        ck_assert_int_eq(unlinkat(dir_fd, ".spare-3.err", 0), 0);
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 3, 8, 1, fds), -ENODATA);
        ck_assert_uint_eq(inode_of(dir_fd, "8.1.out"), 0);
        make_closed_pair(dir_fd, 7);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, 3), TQ_JOBLOG_SPARE);
        fd = openat(dir_fd, ".spare-3.out", O_WRONLY);
        ck_assert_int_eq(tq_fs_write_all(fd, "x", 1), 0);
        (void)close(fd);
        ck_assert_int_eq(tq_joblog_take_spare(dir_fd, 3, 8, 1, fds), -ENODATA);
        ck_assert_uint_eq(inode_of(dir_fd, "8.1.out"), 0);
        tq_joblog_remove_spares(dir_fd);
        ck_assert_uint_eq(inode_of(dir_fd, ".spare-3.out"), 0);
        ck_assert_uint_eq(inode_of(dir_fd, ".spare-3.err"), 0);
}
END_TEST

/* Whoever reads one would read another job's; how long a marked one is kept is beside it. */
START_TEST(spare_no_more) {
        int dir_fd = unit_dir_open(), fds[_TQ_STREAM_MAX], reader;

        for (int i = 0; i < _TQ_STREAM_MAX; i++) {
                make_closed_pair(dir_fd, 7);
                reader = tq_joblog_open(dir_fd, 7, 1, (TqStream)i);
                ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, 0), TQ_JOBLOG_SILENT);
                ck_assert_uint_eq(inode_of(dir_fd, "7.1.out"), 0);
                ck_assert_uint_eq(inode_of(dir_fd, "7.1.err"), 0);
                ck_assert_uint_eq(inode_of(dir_fd, ".spare-0.out"), 0);
                ck_assert_uint_eq(inode_of(dir_fd, ".spare-0.err"), 0);
                (void)close(reader);
        }
        make_closed_pair(dir_fd, 7);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, TQ_JOBLOG_SPARES), TQ_JOBLOG_SILENT);
        ck_assert_uint_eq(inode_of(dir_fd, "7.1.out"), 0);
        make_pair(dir_fd, 7, true, fds);
        (void)close(fds[0]);
        (void)close(fds[1]);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, 0), TQ_JOBLOG_KEPT);
        ck_assert_int_eq(linkat(dir_fd, "7.1.out", dir_fd, "mine", 0), 0);
        ck_assert_int_eq(tq_joblog_put_by(dir_fd, 7, 1, 0), TQ_JOBLOG_KEPT);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "joblog");

        tcase_add_test(tcase, create_and_open);
        tcase_add_test(tcase, removed_while_open);
        tcase_add_test(tcase, create_again);
        tcase_add_test(tcase, links);
        tcase_add_test(tcase, largest_numbers);
        tcase_add_test(tcase, directory);
        unit_add_rows(tcase, parse, names);
        tcase_add_test(tcase, looked_at);
        unit_add_rows(tcase, keep, keeps);
        tcase_add_test(tcase, spare);
        tcase_add_test(tcase, spare_of_another);
        tcase_add_test(tcase, spare_is_new);
        tcase_add_test(tcase, spare_spoilt);
        tcase_add_test(tcase, spare_no_more);
}

int main(void) {
        return unit_main("store/joblog", fill);
}
