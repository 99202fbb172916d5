/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/result.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/parse.h"

/* Result records live in slots: files that are made once, hold 192 bytes each and are used again
 * and again, as many as jobs have ever run at the same time. A start therefore makes no file, an
 * end needs no disk space, and recovery reads what ran, not what ever was.
 *
 *    0 … 127   the record: PREPARED by the supervisor, the end by tenantq-exec
 *  128 … 191   the counters, by the supervisor, before it removes the cgroup
 *
 * A slot is free when its record's magic is 0. It is released only when the verdict is committed,
 * and taken only when the cgroup of its last user is gone, so two writers never share one.
 *
 * Records are not synced: they must outlive the daemon, which the page cache does. When the host
 * loses power the job it describes ended with it or within the seconds before; its outcome is then
 * `lost`, which the ledger says of a job that ran under another boot id and left no record. */

typedef struct CounterRecord {
        TqCounters counters;
        uint32_t oom_level;
        uint32_t crc;
} CounterRecord;

_Static_assert(sizeof(CounterRecord) == 64, "counters take the rest of a slot");

typedef struct Slot {
        int fd;
        bool is_used;
} Slot;

struct TqResultSlots {
        int dir_fd;
        Slot *slots;
        size_t n, allocated;
        size_t *free_list; /* a stack: the slot used last is the one still in the cache */
        size_t n_free;
};

static int grow(TqResultSlots *s) {
        size_t n = TQ_MAX(s->allocated * 2, (size_t)16);
        size_t *free_list;
        Slot *slots;

        slots = realloc(s->slots, n * sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        s->slots = slots;
        free_list = realloc(s->free_list, n * sizeof(*free_list));
        if (!free_list)
                return -ENOMEM;
        s->free_list = free_list;
        s->allocated = n;
        return 0;
}

static int write_whole(int fd, const void *bytes, size_t size, off_t at) {
        ssize_t n = pwrite(fd, bytes, size, at);

        if (n < 0)
                return tq_errno();
        return n == (ssize_t)size ? 0 : -ENOSPC; /* there was room for a part, and errno is old */
}

/* The disk has lost the record, or it was never whole. A shortage passes: whoever takes it for the
 * absence of a record makes a job of exit 0 a lost one. */
static bool is_gone_for_good(int error) {
        return error == -EIO || !tq_errno_is_shortage(error);
}

static int open_slot(TqResultSlots *s) {
        static const char zeros[sizeof(TqResult) + sizeof(CounterRecord)];
        TQ_CLOSE int fd = -EBADF;
        TqResult record = {};
        char name[24];
        bool is_free;
        int r;

        if (s->n == s->allocated) {
                r = grow(s);
                if (r < 0)
                        return r;
        }
        (void)snprintf(name, sizeof(name), "%zu", s->n);
        fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return tq_errno();
        r = tq_result_read(fd, &record);
        if (r < 0 && !is_gone_for_good(r))
                return r;
        is_free = r == -ENODATA;
        if (is_free) {
                /* Written, not only allocated: the space exists from here on. */
                r = write_whole(fd, zeros, sizeof(zeros), 0);
                if (r < 0)
                        return r;
                s->free_list[s->n_free++] = s->n;
        }
        s->slots[s->n] = (Slot){ .fd = tq_take_fd(&fd), .is_used = !is_free };
        s->n++;
        return 0;
}

static int count_slots(int dir_fd, size_t *ret) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        size_t n = 0;
        int r = tq_fs_opendir(dir_fd, ".", &dir);

        if (r < 0)
                return r;
        while ((r = tq_fs_readdir(dir, &e)) > 0) {
                uint64_t v;

                if (tq_parse_u64_in(e->d_name, 0, 1000000, &v) >= 0)
                        n = TQ_MAX(n, (size_t)v + 1);
        }
        *ret = n;
        return r;
}

int tq_result_slots_new(int dir_fd, TqResultSlots **ret) {
        TqResultSlots *s = calloc(1, sizeof(*s));
        size_t n = 0;
        int r;

        if (!s)
                return -ENOMEM;
        s->dir_fd = dir_fd;
        r = count_slots(dir_fd, &n);
        while (r >= 0 && s->n < n)
                r = open_slot(s);
        if (r < 0) {
                (void)tq_result_slots_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

TqResultSlots *tq_result_slots_free(TqResultSlots *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n; i++)
                (void)tq_close(s->slots[i].fd);
        free(s->slots);
        free(s->free_list);
        free(s);
        return NULL;
}

void tq_result_slots_move(TqResultSlots *s, int dir_fd) {
        s->dir_fd = dir_fd;
}

/* A file that was removed under us, or whose directory was, would be found by nobody after a
 * restart. */
static int renew(TqResultSlots *s, size_t slot) {
        static const char zeros[sizeof(TqResult) + sizeof(CounterRecord)];
        TQ_CLOSE int fd = -EBADF;
        struct stat st, now;
        char name[24];
        int r;

        (void)snprintf(name, sizeof(name), "%zu", slot);
        if (fstat(s->slots[slot].fd, &st) >= 0 &&
            fstatat(s->dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) >= 0 && st.st_dev == now.st_dev &&
            st.st_ino == now.st_ino)
                return 0;
        fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return tq_errno();
        r = write_whole(fd, zeros, sizeof(zeros), 0);
        if (r < 0)
                return r;
        (void)tq_close(s->slots[slot].fd);
        s->slots[slot].fd = tq_take_fd(&fd);
        return 0;
}

int tq_result_slots_take(TqResultSlots *s, uint64_t job, unsigned attempt, const uint8_t boot[8],
                         int *ret_fd) {
        TqResult record = { .kind = TQ_RESULT_PREPARED, .job = job, .attempt = attempt };
        CounterRecord counters = { .counters = {} };
        size_t slot;
        int r;

        /* One that was there, and is in use, is not a new one. */
        while (s->n_free == 0) {
                r = open_slot(s);
                if (r < 0)
                        return r;
        }
        slot = s->free_list[s->n_free - 1];
        r = renew(s, slot);
        if (r < 0)
                return r;
        memcpy(record.boot, boot, sizeof(record.boot));
        r = write_whole(s->slots[slot].fd, &counters, sizeof(counters), sizeof(TqResult));
        if (r >= 0)
                r = tq_result_write(s->slots[slot].fd, &record);
        if (r < 0)
                return r;
        s->n_free--;
        s->slots[slot].is_used = true;
        *ret_fd = s->slots[slot].fd;
        return (int)slot;
}

int tq_result_slots_set_counters(TqResultSlots *s, size_t slot, const TqCounters *counters,
                                 TqLevel oom_level) {
        CounterRecord record = { .counters = *counters, .oom_level = (uint32_t)oom_level };

        record.crc = tq_crc32c(&record, offsetof(CounterRecord, crc));
        return write_whole(s->slots[slot].fd, &record, sizeof(record), sizeof(TqResult));
}

int tq_result_slots_end(TqResultSlots *s, size_t slot, TqEnd *ret) {
        CounterRecord counters;
        TqEnd end = { .kind = TQ_END_UNKNOWN };
        TqResult record = {};
        ssize_t n;
        int r;

        memset(&end.counters, 0xFF, sizeof(end.counters));
        n = pread(s->slots[slot].fd, &counters, sizeof(counters), sizeof(TqResult));
        if (n < 0 && !is_gone_for_good(-errno))
                return tq_errno();
        r = tq_result_read(s->slots[slot].fd, &record);
        if (r < 0 && !is_gone_for_good(r))
                return r;
        if (n == (ssize_t)sizeof(counters) &&
            counters.crc == tq_crc32c(&counters, offsetof(CounterRecord, crc)) &&
            counters.oom_level < _TQ_LEVEL_MAX) {
                end.counters = counters.counters;
                end.oom_level = counters.oom_level;
        }
        if (r >= 0 && record.kind != TQ_RESULT_PREPARED) {
                end.kind = record.kind;
                end.stage = record.stage;
                end.code = record.code;
                end.started_usec = record.started_usec;
                end.run_usec = record.run_usec;
                end.ended_usec = record.started_usec > 0
                                         ? tq_add_u64(record.started_usec, record.run_usec)
                                         : 0;
                end.dropped_bytes = record.dropped_bytes;
                end.calls = record.calls;
                end.output_lost = record.flags & TQ_RESULT_OUTPUT_FAILED  ? TQ_LOSS_FAILED
                                  : record.flags & TQ_RESULT_OUTPUT_FLOOR ? TQ_LOSS_FLOOR
                                  : record.flags & TQ_RESULT_OUTPUT_BOUND ? TQ_LOSS_BOUND
                                                                          : TQ_LOSS_NONE;
                end.unreachable = (record.flags & TQ_RESULT_UNREACHABLE) != 0;
                end.path = record.path;
                end.is_silent = (record.flags & TQ_RESULT_SILENT) != 0;
        }
        *ret = end;
        return 0;
}

void tq_result_slots_release(TqResultSlots *s, size_t slot) {
        static const char zeros[sizeof(TqResult)];

        if (!s->slots[slot].is_used)
                return;
        /* Should this fail, the slot is reported once more after a restart and released again. */
        (void)!pwrite(s->slots[slot].fd, zeros, sizeof(zeros), 0);
        s->slots[slot].is_used = false;
        s->free_list[s->n_free++] = slot;
}

int tq_result_slots_next(TqResultSlots *s, size_t *position, TqResult *ret_record) {
        while (*position < s->n) {
                size_t i = (*position)++;
                int r;

                if (!s->slots[i].is_used)
                        continue;
                r = tq_result_read(s->slots[i].fd, ret_record);
                if (r < 0) {
                        if (!is_gone_for_good(r))
                                return r;
                        /* Torn: there is no telling whose it was. Its job is found by its absence.
                         * What the disk did not give is left as it is. */
                        if (r == -EBADMSG || r == -ENODATA)
                                tq_result_slots_release(s, i);
                        continue;
                }
                return (int)i;
        }
        return -ENOENT;
}
