/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/verdict.h"

/* How an attempt ended, written by tenantq-exec (see the essay in result.c). */

#define TQ_RESULT_MAGIC   UINT32_C(0x54715231) /* "TqR1" */
#define TQ_RESULT_VERSION 2

enum { TQ_RESULT_PREPARED = 0x7F }; /* kind: launched, not ended yet */

/* flags */
enum {
        TQ_RESULT_OUTPUT_FAILED = 1 << 0, /* a disk was full, or failed */
        TQ_RESULT_UNREACHABLE = 1 << 1,   /* somebody could not be reached (TqEnd.unreachable) */
        TQ_RESULT_OUTPUT_BOUND = 1 << 2,  /* dropped: its tenant may have no more */
        TQ_RESULT_OUTPUT_FLOOR = 1 << 3,  /* dropped: the rest of the disk stays free */
        TQ_RESULT_SILENT = 1 << 4,        /* there was no output (TqEnd.is_silent) */
};

typedef struct TqResult {
        uint32_t magic;
        uint16_t version;
        uint8_t kind; /* TqEndKind or TQ_RESULT_PREPARED */
        uint8_t stage;
        uint64_t job;
        uint32_t attempt;
        int32_t code;
        uint64_t started_usec; /* CLOCK_REALTIME; 0: never */
        uint64_t run_usec;
        uint64_t dropped_bytes;
        uint8_t boot[8]; /* first half of the boot id */
        TqCallSet calls; /* of an audited job: those that its profile does not allow */
        uint16_t flags;  /* TQ_RESULT_* */
        uint16_t path;   /* TqEnd.path */
        uint32_t crc;    /* CRC-32C of what precedes */
} TqResult;

_Static_assert(sizeof(TqResult) == 128, "a result record is 128 bytes");

/* Completes magic, version and crc and writes the record at the start of the file with one pwrite.
 */
int tq_result_write(int fd, TqResult *record);

/* -ENODATA if the file holds no record, -EBADMSG if it is torn, of another version or says what no
 * record can say: each number of *ret is within its bounds. */
int tq_result_read(int fd, TqResult *ret);

/* Slots --------------------------------------------------------------------------------------- */

typedef struct TqResultSlots TqResultSlots;

/* Opens every slot below dir_fd (which stays the caller's). */
int tq_result_slots_new(int dir_fd, TqResultSlots **ret);
TqResultSlots *tq_result_slots_free(TqResultSlots *s);

/* Takes a free slot and writes the PREPARED record of an attempt. *ret_fd is borrowed. Returns the
 * slot's number, or negative errno. */
int tq_result_slots_take(TqResultSlots *s, uint64_t job, unsigned attempt, const uint8_t boot[8],
                         int *ret_fd);

/* Keeps what the supervisor measured beside the record, so that it outlives the cgroup. */
int tq_result_slots_set_counters(TqResultSlots *s, size_t slot, const TqCounters *counters,
                                 TqLevel oom_level);

/* What a slot knows. A PREPARED or torn record, or one that the disk has lost (EIO), is
 * TQ_END_UNKNOWN, such counters are TQ_UNKNOWN. A shortage (tq_errno_is_shortage()) is returned: it
 * may be read later. */
int tq_result_slots_end(TqResultSlots *s, size_t slot, TqEnd *ret);

/* Empties a slot: its verdict is in the ledger. */
void tq_result_slots_release(TqResultSlots *s, size_t slot);

/* The directory was lost, and made again: slots taken from now on are files of this one. */
void tq_result_slots_move(TqResultSlots *s, int dir_fd);

/* Steps through the slots in use, from *position = 0: the slot's number, -ENOENT at the end, or
 * a shortage where one can't be read for now. */
int tq_result_slots_next(TqResultSlots *s, size_t *position, TqResult *ret_record);
