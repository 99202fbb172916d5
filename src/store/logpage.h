/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdatomic.h>

#include "core/verdict.h"

/* How much output a tenant may still write: a page that tenantqd and all who write for that tenant
 * share (see the essay in logpage.c). */
typedef struct TqLogPage {
        _Atomic uint64_t limit;   /* of `taken`; UINT64_MAX: none. tenantqd alone writes it */
        _Atomic uint64_t taken;   /* bytes, ever, but for what was given back */
        _Atomic uint64_t written; /* of these, what is in the files */
        _Atomic uint64_t floor;   /* the same, by what the disk has above its floor */
        uint32_t version;
        uint32_t owner; /* a user */
} TqLogPage;

/* That of an owner, which a file of that name in dir_fd is: who wrote by it goes on doing so over a
 * restart of tenantqd. Another owner's, or what is none, goes. may_make: else there is a new one,
 * of which nothing may be taken yet. Its descriptor (O_CLOEXEC), or negative errno; -ENOENT. */
int tq_logpage_open(int dir_fd, const char *name, uid_t owner, bool may_make, TqLogPage **ret);
/* Maps one for as long as this process lives; not into its children. 0 or negative errno. */
int tq_logpage_map(int fd, TqLogPage **ret);
void tq_logpage_unmap(TqLogPage *p); /* NULL: nothing */

/* Before a write: how many of want bytes may be written, and if not all, why not. */
uint64_t tq_logpage_take(TqLogPage *p, uint64_t want, TqLoss *ret_loss);
/* After it: of the bytes that were taken, so many are in the file. */
void tq_logpage_wrote(TqLogPage *p, uint64_t taken, uint64_t wrote);

/* For tenantqd. Bytes that are in files since the page was made. */
uint64_t tq_logpage_written(const TqLogPage *p);
/* The tenant may have `bound` bytes, and its files had `used` when `written` was that. Those who
 * write are at most n, each in the middle of one write. */
void tq_logpage_bound(TqLogPage *p, uint64_t bound, uint64_t used, uint64_t written, uint64_t n);
/* So much more for now, by the disk; UINT64_MAX: without bound. */
void tq_logpage_floor(TqLogPage *p, uint64_t room);
/* What may be written from here on; the same by the bound alone, and by the disk alone. */
uint64_t tq_logpage_room(const TqLogPage *p);
uint64_t tq_logpage_room_of_bound(const TqLogPage *p);
uint64_t tq_logpage_room_of_disk(const TqLogPage *p);

#define TQ_LOGPAGE_WRITE_MOST UINT64_C(65536) /* bytes of one write */
