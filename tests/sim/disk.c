/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "sim.h"

/* The directory of the ledger, in memory. Of each file there is what processes see and what is
 * durable, with the writes that lie between the two. When the power is cut, each sector of each of
 * these writes is on the disk or is not, or its beginning is; of changes of the directory the disk
 * has the first so many. Sectors keep what was not written of them (SQLite, "powersafe overwrite").
 * After a sync that failed the kernel may have dropped what was to be written, and not say so again
 * (fsync(2), NOTES): what processes see of it then is not what the disk will ever have. */

#define SECTOR 512
#define NAMES  8 /* files at the same time */

typedef struct Bytes {
        char *data;
        size_t size, allocated;
} Bytes;

typedef struct Span {
        uint64_t at, end;
} Span;

struct Inode {
        unsigned number, links; /* in the directory as it is seen, and in the durable one */
        Bytes seen, durable;
        Span *written; /* and not durable */
        size_t n_written, allocated;
        uint64_t reserved;
        bool is_cut; /* it was made shorter since */
};

typedef struct Directory {
        struct {
                char path[64];
                Inode *inode; /* NULL: none of that path */
        } names[NAMES];
} Directory;

/* What was done to the directory, as it was after each step: seldom more than a few. */
static struct {
        Directory *states;
        size_t n, allocated;
        Inode *inodes[4096];
        size_t n_inodes;
} disk;

static Directory *now(void) {
        return &disk.states[disk.n - 1];
}

static void make_room(Bytes *b, size_t size) {
        size_t more;

        if (size <= b->allocated)
                return;
        more = TQ_MAX(size, b->allocated * 2);
        b->data = realloc(b->data, more);
        if (!b->data)
                abort();
        memset(b->data + b->allocated, 0, more - b->allocated);
        b->allocated = more;
}

static void resize(Bytes *b, size_t size) {
        make_room(b, size);
        if (size < b->size)
                memset(b->data + size, 0, b->size - size);
        b->size = size;
}

/* What is there of a span in `from`, or zeros. */
static void copy(Bytes *to, const Bytes *from, uint64_t at, uint64_t end) {
        end = TQ_MIN(end, from->size);
        if (end <= at)
                return;
        if (end > to->size)
                resize(to, end);
        memcpy(to->data + at, from->data + at, end - at);
}

/* Whether a change comes to be that takes so many bytes more. */
static int change_of(uint64_t more) {
        if (!sim_engine_acts())
                return -EIO;
        if (sim.error_fuse > 0 && --sim.error_fuse == 0)
                sim.n_errors = sim_one_in(2) ? 1 : 1 + sim_draw(4);
        if (sim.n_errors > 0) {
                sim.n_errors--;
                sim.was_hit = true;
                sim_note("disk: fails", sim.n_errors, 0);
                return -EIO;
        }
        if (more > sim.room) {
                sim.was_hit = true;
                sim_note("disk: is full", sim.room, more);
                return -ENOSPC;
        }
        if (sim.room != UINT64_MAX)
                sim.room -= more;
        return 0;
}

static void give_room(uint64_t bytes) {
        sim.room = tq_add_u64(sim.room, bytes);
}

bool disk_gives(void) {
        if (sim.engine_is_dead || sim.n_errors == 0)
                return true;
        sim.n_errors--;
        sim.was_hit = true;
        sim_note("disk: fails to read", sim.n_errors, 0);
        return false;
}

void disk_begin(void) {
        disk.n = 1;
        if (disk.allocated == 0) {
                disk.allocated = 64;
                disk.states = calloc(disk.allocated, sizeof(*disk.states));
        }
        disk.states[0] = (Directory){};
        disk.n_inodes = 0;
}

void disk_end(void) {
        for (size_t k = 0; k < disk.n_inodes; k++) {
                free(disk.inodes[k]->seen.data);
                free(disk.inodes[k]->durable.data);
                free(disk.inodes[k]->written);
                free(disk.inodes[k]);
        }
        disk.n_inodes = 0;
}

/* A new state of the directory, to be changed. */
static Directory *change(void) {
        if (tq_make_room((void **)&disk.states, disk.n, &disk.allocated, sizeof(*disk.states)) < 0)
                abort();
        disk.states[disk.n] = *now();
        disk.n++;
        return now();
}

static int slot_of(const Directory *d, const char *path) {
        for (int k = 0; k < NAMES; k++)
                if (d->names[k].inode && strcmp(d->names[k].path, path) == 0)
                        return k;
        return -1;
}

Inode *disk_find(const char *path) {
        int k = slot_of(now(), path);

        return k < 0 ? NULL : now()->names[k].inode;
}

Inode *disk_create(const char *path) {
        WORLD;
        Directory *d;
        Inode *i;

        if (change_of(0) < 0)
                return NULL;
        if (disk.n_inodes == TQ_ELEMENTSOF(disk.inodes))
                sim_fail("the simulated disk has too many files");
        i = calloc(1, sizeof(*i));
        if (!i)
                abort();
        disk.inodes[disk.n_inodes++] = i;
        i->number = (unsigned)disk.n_inodes;
        d = change();
        for (int k = 0; k < NAMES; k++)
                if (!d->names[k].inode) {
                        (void)snprintf(d->names[k].path, sizeof(d->names[k].path), "%s", path);
                        d->names[k].inode = i;
                        sim_note("disk: create", i->number, 0);
                        return i;
                }
        sim_fail("the simulated directory is full");
}

int disk_unlink(const char *path) {
        WORLD;
        int k = slot_of(now(), path), r;

        if (k < 0)
                return -ENOENT;
        r = change_of(0);
        if (r < 0)
                return r;
        sim_note("disk: unlink", now()->names[k].inode->number, 0);
        give_room(now()->names[k].inode->seen.size + now()->names[k].inode->reserved);
        change()->names[k].inode = NULL;
        return 0;
}

int disk_write(Inode *i, const void *data, size_t size, uint64_t at) {
        WORLD;
        int r = change_of(at + size > i->seen.size ? at + size - i->seen.size : 0);

        if (r < 0)
                return r;
        if (at + size > i->seen.size)
                resize(&i->seen, at + size);
        memcpy(i->seen.data + at, data, size);
        if (tq_make_room((void **)&i->written, i->n_written, &i->allocated, sizeof(Span)) < 0)
                abort();
        i->written[i->n_written++] = (Span){ at, at + size };
        return 0;
}

int disk_truncate(Inode *i, uint64_t size) {
        WORLD;
        int r = change_of(size > i->seen.size ? size - i->seen.size : 0);

        if (r < 0)
                return r;
        if (size < i->seen.size)
                give_room(i->seen.size - size);
        if (size == 0)
                give_room(i->reserved);
        if (size == 0)
                i->reserved = 0;
        i->is_cut |= size < i->seen.size;
        resize(&i->seen, size);
        return 0;
}

int disk_reserve(Inode *i, uint64_t size) {
        int r = change_of(size);

        if (r >= 0)
                i->reserved = size;
        return r;
}

static void make_durable(Inode *i) {
        if (i->is_cut)
                resize(&i->durable, TQ_MIN(i->durable.size, i->seen.size));
        for (size_t k = 0; k < i->n_written; k++)
                copy(&i->durable, &i->seen, i->written[k].at, i->written[k].end);
        resize(&i->durable, i->seen.size);
        i->n_written = 0;
        i->is_cut = false;
}

int disk_sync(Inode *i) {
        WORLD;
        int r;

        /* Of all that may fail it is the worst. */
        if (sim.error_fuse > 0 && sim_one_in(8))
                sim.error_fuse = 1;
        r = change_of(0);
        sim_note("disk: sync", i->number, i->seen.size);
        if (r < 0) {
                if (!sim.engine_is_dead && sim_one_in(2))
                        i->n_written = 0;
                return r;
        }
        if (sim.mutant != MUTANT_LYING_DISK)
                make_durable(i);
        return 0;
}

int disk_sync_directory(void) {
        WORLD;
        int r = change_of(0);

        if (r < 0)
                return r;
        if (sim.mutant != MUTANT_NO_DIRECTORY_SYNC && sim.mutant != MUTANT_LYING_DISK) {
                disk.states[0] = *now();
                disk.n = 1;
        }
        return 0;
}

size_t disk_read(const Inode *i, void *data, size_t size, uint64_t at) {
        size_t n = at >= i->seen.size ? 0 : TQ_MIN(size, i->seen.size - at);

        if (n > 0)
                memcpy(data, i->seen.data + at, n);
        return n;
}

uint64_t disk_size(const Inode *i) {
        return i->seen.size;
}

unsigned disk_number(const Inode *i) {
        return i->number;
}

static void cut(Inode *i) {
        bool keeps_none = sim_one_in(4), keeps_all = sim_one_in(4);

        if (i->is_cut && sim_one_in(2))
                resize(&i->durable, TQ_MIN(i->durable.size, i->seen.size));
        for (size_t k = 0; k < i->n_written; k++)
                for (uint64_t at = i->written[k].at, end; at < i->written[k].end; at = end) {
                        end = TQ_MIN((at / SECTOR + 1) * SECTOR, i->written[k].end);
                        if (keeps_none || (!keeps_all && sim_one_in(2)))
                                continue;
                        /* A torn one. */
                        copy(&i->durable, &i->seen, at,
                             !keeps_all && sim_one_in(16) ? at + sim_draw(end - at) : end);
                }
        resize(&i->seen, 0);
        copy(&i->seen, &i->durable, 0, i->durable.size);
        i->n_written = 0;
        i->is_cut = false;
}

void disk_cut_power(void) {
        disk.states[0] = disk.states[sim_draw(disk.n)];
        disk.n = 1;
        for (int k = 0; k < NAMES; k++)
                if (now()->names[k].inode)
                        cut(now()->names[k].inode);
}
