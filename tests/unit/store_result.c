/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/result.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "ipc/message.h"
#include "unit.h"

static const uint8_t boot[8] = { 8, 7, 6, 5, 4, 3, 2, 1 };

static int open_record(void) {
        int fd = openat(unit_dir_open(), "record", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        return fd;
}

static TqResult sample(void) {
        TqResult r = { .kind = TQ_END_EXITED,
                       .stage = TQ_STAGE_NONE,
                       .job = 10482,
                       .attempt = 3,
                       .code = 42,
                       .started_usec = 1000000,
                       .run_usec = 2500,
                       .dropped_bytes = 9 };

        memcpy(r.boot, boot, sizeof(r.boot));
        return r;
}

START_TEST(round_trip) {
        int fd = open_record();
        TqResult r = sample(), got;

        ck_assert_int_eq(tq_result_read(fd, &got), -ENODATA);
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        ck_assert_int_eq(tq_result_read(fd, &got), 0);
        ck_assert_mem_eq(&got, &r, sizeof(r));
        ck_assert_uint_eq(got.magic, TQ_RESULT_MAGIC);
        ck_assert_uint_eq(got.version, TQ_RESULT_VERSION);
        ck_assert_uint_eq(got.job, 10482);
        ck_assert_int_eq(got.code, 42);
        /* Always at the start, wherever the descriptor stands. */
        ck_assert_int_eq(lseek(fd, 10, SEEK_SET), 10);
        r.code = 43;
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        ck_assert_int_eq(tq_result_read(fd, &got), 0);
        ck_assert_int_eq(got.code, 43);
        ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)sizeof(r));
}
END_TEST

/* T74: each bit of the record. */
START_TEST(torn) {
        int fd = open_record();
        TqResult good = sample(), got = { .job = 1 };

        ck_assert_int_eq(tq_result_write(fd, &good), 0);
        for (size_t i = 0; i < sizeof(good); i++)
                for (int bit = 0; bit < 8; bit++) {
                        unsigned char bytes[sizeof(good)];

                        memcpy(bytes, &good, sizeof(good));
                        bytes[i] = (unsigned char)(bytes[i] ^ (1U << bit));
                        ck_assert_int_eq(pwrite(fd, bytes, sizeof(bytes), 0),
                                         (ssize_t)sizeof(bytes));
                        ck_assert_int_eq(tq_result_read(fd, &got), -EBADMSG);
                }
        ck_assert_uint_eq(got.job, 1);
}
END_TEST

/* Half of a new record over an old one; a record that is cut off. */
START_TEST(half_written) {
        int fd = open_record();
        TqResult old = sample(), new = sample(), got;

        new.job++;
        new.code = 0;
        ck_assert_int_eq(tq_result_write(fd, &old), 0);
        ck_assert_int_eq(tq_result_write(fd, &new), 0);
        for (size_t n = 1; n < sizeof(new); n++) {
                bool differs = memcmp(&old, &new, n) != 0 &&
                               memcmp((char *)&old + n, (char *)&new + n, sizeof(new) - n) != 0;

                ck_assert_int_eq(tq_result_write(fd, &old), 0);
                ck_assert_int_eq(pwrite(fd, &new, n, 0), (ssize_t)n);
                ck_assert_int_eq(tq_result_read(fd, &got), differs ? -EBADMSG : 0);
        }
        for (off_t n = 0; n < (off_t)sizeof(new); n++) {
                ck_assert_int_eq(tq_result_write(fd, &new), 0);
                ck_assert_int_eq(ftruncate(fd, n), 0);
                ck_assert_int_eq(tq_result_read(fd, &got), -ENODATA);
        }
}
END_TEST

START_TEST(other_version) {
        int fd = open_record();
        TqResult r = sample(), got;

        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        r.version = TQ_RESULT_VERSION + 1;
        ck_assert_int_eq(pwrite(fd, &r, sizeof(r), 0), (ssize_t)sizeof(r));
        ck_assert_int_eq(tq_result_read(fd, &got), -EBADMSG);
        ck_assert_int_eq(tq_result_read(-1, &got), -EBADF);
        ck_assert_int_eq(tq_result_write(-1, &r), -EBADF);
}
END_TEST

/* Slots --------------------------------------------------------------------------------------- */

static size_t count_files(int dir_fd) {
        char name[16];
        size_t n = 0;

        for (;; n++) {
                (void)snprintf(name, sizeof(name), "%zu", n);
                if (faccessat(dir_fd, name, F_OK, 0) < 0)
                        return n;
        }
}

START_TEST(slots_are_reused) {
        TqResultSlots *s = NULL;
        int dir_fd = unit_dir_open(), fd;

        ck_assert_int_eq(tq_result_slots_new(dir_fd, &s), 0);
        ck_assert_uint_eq(count_files(dir_fd), 0);
        for (int i = 0; i < 40; i++)
                ck_assert_int_eq(tq_result_slots_take(s, (uint64_t)i + 1, 1, boot, &fd), i);
        ck_assert_uint_eq(count_files(dir_fd), 40);
        tq_result_slots_release(s, 7);
        tq_result_slots_release(s, 3);
        tq_result_slots_release(s, 3); /* once is enough */
        ck_assert_int_eq(tq_result_slots_take(s, 100, 1, boot, &fd), 3);
        ck_assert_int_eq(tq_result_slots_take(s, 101, 1, boot, &fd), 7);
        ck_assert_int_eq(tq_result_slots_take(s, 102, 1, boot, &fd), 40);
        for (int round = 0; round < 1000; round++) {
                int slot = tq_result_slots_take(s, 200 + (uint64_t)round, 1, boot, &fd);

                ck_assert_int_eq(slot, 41);
                tq_result_slots_release(s, (size_t)slot);
        }
        ck_assert_uint_eq(count_files(dir_fd), 42);
        ck_assert_ptr_null(tq_result_slots_free(s));
        ck_assert_ptr_null(tq_result_slots_free(NULL));
}
END_TEST

START_TEST(end_of_a_slot) {
        TqCounters counters = { .cpu_usec = 1,
                                .memory_peak_bytes = 2,
                                .oom_kills = 3,
                                .io_read_bytes = 4,
                                .io_write_bytes = TQ_UNKNOWN,
                                .pids_peak = 6,
                                .pids_denied = 7 };
        TqResultSlots *s = NULL;
        TqResult r = sample();
        struct stat st;
        TqEnd end;
        int fd;

        ck_assert_int_eq(tq_result_slots_new(unit_dir_open(), &s), 0);
        ck_assert_int_eq(tq_result_slots_take(s, r.job, r.attempt, boot, &fd), 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(st.st_size, 192);
        /* Prepared only. */
        ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
        ck_assert_uint_eq(end.kind, TQ_END_UNKNOWN);
        ck_assert_uint_eq(end.counters.cpu_usec, TQ_UNKNOWN);
        ck_assert_uint_eq(end.counters.pids_denied, TQ_UNKNOWN);
        /* Ended, but nobody has counted yet. */
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
        ck_assert_uint_eq(end.kind, TQ_END_EXITED);
        ck_assert_int_eq(end.code, 42);
        ck_assert_uint_eq(end.started_usec, 1000000);
        ck_assert_uint_eq(end.ended_usec, 1002500);
        ck_assert_uint_eq(end.run_usec, 2500);
        ck_assert_uint_eq(end.dropped_bytes, 9);
        ck_assert_uint_eq(end.oom_level, TQ_LEVEL_NONE);
        ck_assert_uint_eq(end.counters.memory_peak_bytes, TQ_UNKNOWN);
        ck_assert_int_eq(tq_result_slots_set_counters(s, 0, &counters, TQ_LEVEL_TENANT), 0);
        ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
        ck_assert_mem_eq(&end.counters, &counters, sizeof(counters));
        ck_assert_uint_eq(end.oom_level, TQ_LEVEL_TENANT);
        /* Never started: no end in time either. */
        r.kind = TQ_END_NEVER_STARTED;
        r.started_usec = 0;
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
        ck_assert_uint_eq(end.kind, TQ_END_NEVER_STARTED);
        ck_assert_uint_eq(end.ended_usec, 0);
        /* The next user of the slot sees nothing of this one. */
        tq_result_slots_release(s, 0);
        ck_assert_int_eq(tq_result_slots_take(s, 5, 1, boot, &fd), 0);
        ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
        ck_assert_uint_eq(end.kind, TQ_END_UNKNOWN);
        ck_assert_uint_eq(end.counters.cpu_usec, TQ_UNKNOWN);
        ck_assert_uint_eq(end.code, 0);
        (void)tq_result_slots_free(s);
}
END_TEST

/* What a helper that went mad could write, with a checksum that is right: each number beyond its
 * last value, and at it. Such a record is as good as a torn one. */
static const struct {
        TqResult record;
        bool is_sane;
} bounds_rows[] = {
        { { .kind = TQ_END_EXITED, .code = 255 }, true },
        { { .kind = TQ_END_EXITED, .code = 256 }, false },
        { { .kind = TQ_END_EXITED, .code = -1 }, false },
        { { .kind = TQ_END_SIGNALED, .code = 64 }, true },
        { { .kind = TQ_END_SIGNALED, .code = 1000 }, false },
        { { .kind = TQ_END_NEVER_STARTED, .code = ECANCELED }, true },
        { { .kind = TQ_END_SPAWN_FAILED, .stage = _TQ_STAGE_MAX - 1, .code = 4095 }, true },
        { { .kind = TQ_END_SPAWN_FAILED, .stage = _TQ_STAGE_MAX - 1, .code = 4096 }, false },
        { { .kind = TQ_END_SPAWN_FAILED, .code = INT32_MIN }, false },
        { { .kind = TQ_END_SPAWN_FAILED, .stage = _TQ_STAGE_MAX, .code = 1 }, false },
        { { .kind = TQ_END_CALL, .code = TQ_CALL_X32 | TQ_CALL_NUMBER }, true },
        { { .kind = TQ_END_CALL, .code = TQ_CALL_X32 * 2 }, false },
        { { .kind = TQ_END_UNKNOWN }, true },
        { { .kind = _TQ_END_MAX }, false },
        { { .kind = TQ_RESULT_PREPARED - 1 }, false },
        { { .kind = TQ_RESULT_PREPARED }, true },
        { { .kind = UINT8_MAX }, false },
        { { .kind = TQ_RESULT_PREPARED, .stage = _TQ_STAGE_MAX }, false },
        { { .kind = TQ_END_EXITED, .job = TQ_JOB_MAX }, true },
        { { .kind = TQ_END_EXITED, .job = TQ_JOB_MAX + UINT64_C(1) }, false },
        { { .kind = TQ_END_EXITED, .attempt = UINT32_MAX }, true },
};

START_TEST(bounds) {
        TqResult r = bounds_rows[_i].record, got;
        int fd = open_record();

        r.job = r.job > 0 ? r.job : 1;
        r.attempt = r.attempt > 0 ? r.attempt : 1;
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        ck_assert_int_eq(tq_result_read(fd, &got), bounds_rows[_i].is_sane ? 0 : -EBADMSG);
        /* Nobody's. */
        r = bounds_rows[_i].record;
        r.job = _i % 2;
        r.attempt = 1 - _i % 2;
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        ck_assert_int_eq(tq_result_read(fd, &got), -EBADMSG);
        (void)close(fd);
}
END_TEST

static void check_end(TqResultSlots *s, TqEndKind want) {
        TqMessage m = { .header = { .version = TQ_MESSAGE_VERSION, .type = TQ_MESSAGE_ENDED },
                        .ended = { .job = 1, .attempt = 1 } };

        ck_assert_int_eq(tq_result_slots_end(s, 0, &m.ended.end), 0);
        ck_assert_uint_eq(m.ended.end.kind, want);
        /* The engine is told of it. */
        ck_assert_int_eq(tq_message_check(&m, sizeof(m.header) + sizeof(m.ended)), 0);
}

START_TEST(end_of_a_bad_record) {
        TqCounters counters = { .oom_kills = 1 };
        TqResultSlots *s = NULL;
        TqResult r = sample();
        TqEnd end;
        int fd;

        ck_assert_int_eq(tq_result_slots_new(unit_dir_open(), &s), 0);
        ck_assert_int_eq(tq_result_slots_take(s, r.job, r.attempt, boot, &fd), 0);
        r.kind = _TQ_END_MAX;
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        check_end(s, TQ_END_UNKNOWN);
        r.kind = TQ_END_SPAWN_FAILED;
        r.stage = TQ_STAGE_EXEC;
        r.started_usec = UINT64_MAX;
        r.run_usec = UINT64_MAX;
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        check_end(s, TQ_END_SPAWN_FAILED);
        ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
        ck_assert_uint_eq(end.ended_usec, UINT64_MAX);
        /* A level that there is not: nothing of what stands beside it is believed. */
        ck_assert_int_eq(tq_result_slots_set_counters(s, 0, &counters, _TQ_LEVEL_MAX), 0);
        check_end(s, TQ_END_SPAWN_FAILED);
        ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
        ck_assert_uint_eq(end.counters.oom_kills, TQ_UNKNOWN);
        ck_assert_uint_eq(end.oom_level, TQ_LEVEL_NONE);
        ck_assert_int_eq(tq_result_slots_set_counters(s, 0, &counters, _TQ_LEVEL_MAX - 1), 0);
        check_end(s, TQ_END_SPAWN_FAILED);
        ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
        ck_assert_uint_eq(end.counters.oom_kills, 1);
        (void)tq_result_slots_free(s);
}
END_TEST

/* Each byte of the counters. */
START_TEST(torn_counters) {
        TqCounters counters = { .cpu_usec = 77, .memory_peak_bytes = 88 };
        unsigned char bytes[64], bad[64];
        TqResultSlots *s = NULL;
        TqResult r = sample();
        TqEnd end;
        int fd;

        ck_assert_int_eq(tq_result_slots_new(unit_dir_open(), &s), 0);
        ck_assert_int_eq(tq_result_slots_take(s, r.job, r.attempt, boot, &fd), 0);
        ck_assert_int_eq(tq_result_write(fd, &r), 0);
        ck_assert_int_eq(tq_result_slots_set_counters(s, 0, &counters, TQ_LEVEL_JOB), 0);
        ck_assert_int_eq(pread(fd, bytes, sizeof(bytes), sizeof(TqResult)), (ssize_t)sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++) {
                memcpy(bad, bytes, sizeof(bytes));
                bad[i] ^= 0x40;
                ck_assert_int_eq(pwrite(fd, bad, sizeof(bad), sizeof(TqResult)),
                                 (ssize_t)sizeof(bad));
                ck_assert_int_eq(tq_result_slots_end(s, 0, &end), 0);
                ck_assert_uint_eq(end.counters.cpu_usec, TQ_UNKNOWN);
                ck_assert_uint_eq(end.counters.memory_peak_bytes, TQ_UNKNOWN);
                ck_assert_uint_eq(end.oom_level, TQ_LEVEL_NONE);
                ck_assert_uint_eq(end.kind, TQ_END_EXITED);
        }
        (void)tq_result_slots_free(s);
}
END_TEST

START_TEST(reopened) {
        int dir_fd = unit_dir_open(), fd;
        TqResultSlots *s = NULL;
        TqResult got = sample();
        size_t position = 0;
        TqEnd end;

        ck_assert_int_eq(tq_result_slots_new(dir_fd, &s), 0);
        for (uint64_t job = 1; job <= 5; job++)
                ck_assert_int_eq(tq_result_slots_take(s, job, (unsigned)job + 10, boot, &fd),
                                 (int)job - 1);
        got.job = 5;
        ck_assert_int_eq(tq_result_write(fd, &got), 0); /* job 5 ended */
        tq_result_slots_release(s, 1);
        s = tq_result_slots_free(s);

        ck_assert_int_eq(tq_result_slots_new(dir_fd, &s), 0);
        ck_assert_int_eq(tq_result_slots_next(s, &position, &got), 0);
        ck_assert_uint_eq(got.job, 1);
        ck_assert_uint_eq(got.attempt, 11);
        ck_assert_uint_eq(got.kind, TQ_RESULT_PREPARED);
        ck_assert_mem_eq(got.boot, boot, sizeof(boot));
        ck_assert_int_eq(tq_result_slots_next(s, &position, &got), 2);
        ck_assert_uint_eq(got.job, 3);
        ck_assert_int_eq(tq_result_slots_next(s, &position, &got), 3);
        ck_assert_int_eq(tq_result_slots_next(s, &position, &got), 4);
        ck_assert_uint_eq(got.job, 5);
        ck_assert_uint_eq(got.kind, TQ_END_EXITED);
        ck_assert_int_eq(tq_result_slots_next(s, &position, &got), -ENOENT);
        ck_assert_int_eq(tq_result_slots_end(s, 4, &end), 0);
        ck_assert_uint_eq(end.kind, TQ_END_EXITED);
        ck_assert_int_eq(tq_result_slots_take(s, 9, 1, boot, &fd), 1);
        ck_assert_int_eq(tq_result_slots_take(s, 10, 1, boot, &fd), 5);
        (void)tq_result_slots_free(s);
}
END_TEST

/* A torn record is nobody's: its slot is free again, and the others are not disturbed. */
START_TEST(reopened_torn) {
        int dir_fd = unit_dir_open(), fd;
        TqResultSlots *s = NULL;
        size_t position = 0;
        TqResult got;

        ck_assert_int_eq(tq_result_slots_new(dir_fd, &s), 0);
        for (uint64_t job = 1; job <= 3; job++)
                ck_assert_int_eq(tq_result_slots_take(s, job, 1, boot, &fd), (int)job - 1);
        s = tq_result_slots_free(s);
        fd = openat(dir_fd, "1", O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(pwrite(fd, "?", 1, 20), 1);

        ck_assert_int_eq(tq_result_slots_new(dir_fd, &s), 0);
        ck_assert_int_eq(tq_result_slots_next(s, &position, &got), 0);
        ck_assert_int_eq(tq_result_slots_next(s, &position, &got), 2);
        ck_assert_uint_eq(got.job, 3);
        ck_assert_int_eq(tq_result_slots_next(s, &position, &got), -ENOENT);
        ck_assert_int_eq(tq_result_slots_take(s, 9, 1, boot, &fd), 1);
        ck_assert_int_eq(tq_result_slots_take(s, 10, 1, boot, &fd), 3);
        (void)tq_result_slots_free(s);
}
END_TEST

/* The limit is the whole process's, and so is what Check writes down at each assertion. */
static int take_with_room(TqResultSlots *s, uint64_t job, rlim_t room) {
        struct rlimit old, limit;
        int fd, r;

        if (getrlimit(RLIMIT_FSIZE, &old) < 0)
                return tq_errno();
        limit = (struct rlimit){ room, old.rlim_max };
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                return tq_errno();
        errno = EEXIST; /* of something else, long ago */
        r = tq_result_slots_take(s, job, 1, boot, &fd);
        (void)setrlimit(RLIMIT_FSIZE, &old);
        return r;
}

/* There is room for a part of it only: that is said, and not what errno had been before. */
START_TEST(no_room) {
        int dir_fd = unit_dir_open(), fd;
        TqResultSlots *s = NULL;

        ck_assert_int_eq(tq_result_slots_new(dir_fd, &s), 0);
        ck_assert_int_eq(tq_result_slots_take(s, 1, 1, boot, &fd), 0);
        ck_assert_int_eq(take_with_room(s, 2, 100), -ENOSPC);
        tq_result_slots_release(s, 0);
        ck_assert_int_eq(take_with_room(s, 3, sizeof(TqResult) + 10), -ENOSPC);
        ck_assert_int_eq(unlinkat(dir_fd, "0", 0), 0); /* is made again */
        ck_assert_int_eq(take_with_room(s, 4, 100), -ENOSPC);
        ck_assert_int_eq(take_with_room(s, 5, 192), 0);
        (void)tq_result_slots_free(s);
}
END_TEST

/* What a tenantq-exec of the version before this one writes, byte by byte: an upgrade finds it in
 * the slots of jobs that run. Another layout needs another version, and both are read. */
static const uint8_t version_2[] = {
        /* clang-format off */
        0x31, 0x52, 0x71, 0x54, 0x02, 0x00, 0x01, 0x00, 0xf2, 0x28, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
        0x00, 0x40, 0x1e, 0x18, 0x24, 0x0a, 0x06, 0x00, 0x87, 0xd6, 0x12, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x59, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x01, 0x00, 0x00, 0x00, 0x5c, 0x23, 0xd7, 0xc4,
        /* clang-format on */
};

START_TEST(as_before) {
        TqResult r = {};
        int fd = openat(unit_dir_open(), "record", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_uint_eq(sizeof(version_2), sizeof(TqResult));
        ck_assert_int_eq(pwrite(fd, version_2, sizeof(version_2), 0), sizeof(version_2));
        ck_assert_int_eq(tq_result_read(fd, &r), 0);
        ck_assert_uint_eq(r.kind, TQ_END_EXITED);
        ck_assert_uint_eq(r.job, 10482);
        ck_assert_uint_eq(r.attempt, 3);
        ck_assert_int_eq(r.code, 7);
        ck_assert_uint_eq(r.started_usec, UINT64_C(1700000000000000));
        ck_assert_uint_eq(r.run_usec, 1234567);
        ck_assert_uint_eq(r.dropped_bytes, 89);
        ck_assert_uint_eq(r.boot[7], 8);
        ck_assert(tq_call_set_has(&r.calls, 41));
        ck_assert_uint_eq(r.flags, TQ_RESULT_OUTPUT_FAILED);
        (void)close(fd);
}
END_TEST

/* A link in a slot's place is not followed. */
START_TEST(link_in_the_way) {
        int dir_fd = unit_dir_open(), fd;
        TqResultSlots *s = NULL;

        ck_assert_int_eq(symlinkat("/etc/passwd", dir_fd, "0"), 0);
        ck_assert_int_eq(tq_result_slots_new(dir_fd, &s), -ELOOP);
        ck_assert_ptr_null(s);
        ck_assert_int_eq(unlinkat(dir_fd, "0", 0), 0);
        ck_assert_int_eq(tq_result_slots_new(dir_fd, &s), 0);
        ck_assert_int_eq(symlinkat("/etc/passwd", dir_fd, "0"), 0);
        ck_assert_int_eq(tq_result_slots_take(s, 1, 1, boot, &fd), -ELOOP);
        (void)tq_result_slots_free(s);
}
END_TEST

static void fill(Suite *s) {
        TCase *record = unit_case(s, "record"), *slots = unit_case(s, "slots");

        tcase_add_test(record, round_trip);
        tcase_add_test(record, torn);
        tcase_add_test(record, half_written);
        tcase_add_test(record, other_version);
        tcase_add_test(record, as_before);
        tcase_add_loop_test(record, bounds, 0, (int)TQ_ELEMENTSOF(bounds_rows));
        tcase_add_test(slots, slots_are_reused);
        tcase_add_test(slots, end_of_a_slot);
        tcase_add_test(slots, end_of_a_bad_record);
        tcase_add_test(slots, torn_counters);
        tcase_add_test(slots, reopened);
        tcase_add_test(slots, reopened_torn);
        tcase_add_test(slots, no_room);
        tcase_add_test(slots, link_in_the_way);
}

int main(void) {
        return unit_main("store/result", fill);
}
