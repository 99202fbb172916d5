/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "ipc/message.h"
#include "store/ledger.h"

/* A host in one process, without time, threads or files: what is real in it and what is not is said
 * in simulator.c. There is one at a time, since those who call what is replaced here (sd-event, the
 * clocks, system calls) say nothing of whose it is. */

/* Rules that the simulated world, or what lies between it and the engine, breaks on purpose. */
typedef enum Mutant {
        MUTANT_NONE,
        MUTANT_LYING_DISK,
        MUTANT_SYNCHRONOUS_NORMAL,
        MUTANT_NO_DIRECTORY_SYNC,
        MUTANT_NO_LOG_SYNC,
        MUTANT_LOG_SYNCED_ONLY,
        MUTANT_NO_CLAIMS_SYNC,
        MUTANT_EFFECTS_FIRST,
        MUTANT_BARRIER_OPEN,
        MUTANT_RECORD_GOES_EARLY,
        MUTANT_FILE_GOES_EARLY,
        MUTANT_SLOT_GOES_EARLY,
        MUTANT_BLIND_RECOVERY,
        MUTANT_FORGETS_RUNNING,
        MUTANT_NUMBERS_OF_DIRECTORY,
        MUTANT_SYNCS_AGAIN,
        MUTANT_FULL_IS_WELL,
        _MUTANT_MAX,
} Mutant;

typedef struct Sim {
        uint64_t seed, step, random;
        Mutant mutant;
        uint64_t boottime, realtime; /* usec */
        uint8_t boot_id[16];
        uint64_t
                fuse; /* until it dies: the engine's steps that can be seen from outside; 0: none */
        bool engine_is_dead;  /* nothing of what it does has an effect any more */
        uint64_t error_fuse;  /* until what is asked of the disk fails (EIO): 0: it does not */
        uint64_t n_errors;    /* that are left, one after the other */
        uint64_t room;        /* bytes that the disk has left; UINT64_MAX: as many as it takes */
        uint64_t memory_fuse; /* until an allocation of the engine fails; 0: none does */
        bool was_hit;         /* by one of these: this engine may leave, or record no more */
        uint64_t digest;
        uint64_t n_starts, n_cuts, n_commits, n_ops; /* for the sum */
} Sim;

extern Sim sim;

/* simulator.c ---------------------------------------------------------------------------------- */

uint64_t sim_draw(uint64_t n); /* 0 … n-1 */
bool sim_one_in(uint64_t n);
/* What happened, for the digest, and for whoever reads of a failure. `what` is a static text. */
void sim_note(const char *what, uint64_t a, uint64_t b);
/* An invariant does not hold: ends this seed. */
_Noreturn void sim_fail(const char *fmt, ...) TQ_PRINTF(1, 2);
/* The engine is about to do what can be seen from outside: whether it lives on to do it. */
bool sim_engine_acts(void);

/* memory.c: whether it is the engine that runs (its allocations may fail); returns whether it was.
 * WORLD in a function that it calls: not until that returns. */
bool sim_is_engine(bool is);
void sim_was_engine(const bool *was);
#define WORLD                                                                                      \
        __attribute__((cleanup(sim_was_engine), unused)) const bool was_engine =                   \
                sim_is_engine(false)

/* disk.c: the directory of the ledger ---------------------------------------------------------- */

#define DISK_DIRECTORY "/sim"
#define DISK_LEDGER    DISK_DIRECTORY "/ledger.db"

typedef struct Inode Inode;

void disk_begin(void); /* an empty one */
void disk_end(void);
/* Of what was not made durable some is lost, and some is torn. */
void disk_cut_power(void);
Inode *disk_find(const char *path); /* NULL: there is none */
/* Those that change something are the engine's; -EIO: it has died, or the disk fails; -ENOSPC. */
Inode *disk_create(const char *path);
int disk_unlink(const char *path);
int disk_write(Inode *i, const void *data, size_t size, uint64_t at);
int disk_truncate(Inode *i, uint64_t size);
int disk_sync(Inode *i);
int disk_sync_directory(void);
int disk_reserve(Inode *i, uint64_t size); /* room for so many bytes, of which none is written */
bool disk_gives(void);                     /* what is read next */
size_t disk_read(const Inode *i, void *data, size_t size, uint64_t at);
uint64_t disk_size(const Inode *i);
unsigned disk_number(const Inode *i);

/* vfs.c */
void vfs_register(void);

/* engine.c: the engine, and what is around it in its process ----------------------------------- */

bool engine_lives(void);
void engine_start(void);
bool engine_has_work(void); /* a source of its loop is due */
void engine_turn(void);     /* one source */
uint64_t engine_next(void); /* when the next timer is due, CLOCK_BOOTTIME; UINT64_MAX: none */
bool engine_worker_has_work(void);
void engine_worker_turn(void);
/* The supervisor does: it leaves in order, or dies of its fuse meanwhile. */
void engine_close(void);
void engine_kill(void);
bool engine_records(void); /* it has not given up */
void engine_cancel(uint64_t job);
bool engine_may_see(uint32_t uid, uint32_t tenant);

/* What is on its way. The first one is taken; the caller frees. */
typedef struct Letter {
        TqList link;
        const char *blob; /* terminated */
        TqMessage message;
} Letter;

void engine_tell(TqMessageType type, TqMessage *m, const void *blob, size_t size);
Letter *engine_said(void); /* NULL: nothing */

/* loop.c */
extern bool loop_channel_is_ready, loop_worker_is_ready;
#define LOOP_FD_CHANNEL 3
#define LOOP_FD_WORKER  1000000

/* host.c: the supervisor, the kernel and those who hand in jobs -------------------------------- */

#define TENANTS_MOST 5
#define QUEUES       3
#define FLYING_MOST  64 /* claims of a tenant that are open */

typedef enum Place {
        PLACE_NOT_YET,
        PLACE_SPOOL,
        PLACE_CLAIMS,
        PLACE_REJECTED,
        PLACE_NOWHERE
} Place;
typedef enum ClaimState { CLAIM_NONE, CLAIM_FLYING, CLAIM_KEPT, CLAIM_AT_DOOR } ClaimState;
typedef enum RowState { ROW_NONE, ROW_QUEUED, ROW_RUNNING, ROW_DONE } RowState;

/* What the ledger says of a job, or is to say. */
typedef struct Row {
        RowState state;
        unsigned attempt;
        TqOutcome outcome;
        uint64_t job, claim;
} Row;

/* A file that somebody hands in, and all that is true of it. Its number in the array is written in
 * it. */
typedef struct File {
        TqList link; /* in its tenant's spool, or among its claims that are handed over again */
        uint32_t tenant, queue;
        Place place, place_on_disk;
        uint64_t number, number_on_disk; /* as a claim; on the disk 0: none */
        ClaimState state;                /* what the supervisor knows */
        bool is_dirty;                   /* the disk may have it in another place */
        bool is_endless;                 /* it ends only if it is asked to */
        bool fails_to_launch, is_cancelled;
        uint8_t exit_code, max_attempts; /* of [Retry]; 0: none */
        uint64_t delay;                  /* StartAfter=, usec */
        uint64_t handed_over;            /* at first: CLOCK_REALTIME usec; 0: not yet */
        struct File *after;              /* After=; NULL: none */
        Row row;
        /* What has been executed: the kernel's truth. */
        unsigned executed; /* the last attempt that was */
        unsigned n_executed, n_retried;
        bool is_open;          /* and the ledger has no end of it yet */
        bool runs, was_killed; /* that one */
        bool may_be_lost;      /* an attempt has left no record, or the power was cut meanwhile */
} File;

typedef struct World {
        File *files;
        size_t n_files, n_handed_in, n_done;
        uint32_t n_tenants;
        uint64_t limit[TENANTS_MOST], queue_limit, host_limit;
        uint64_t pace; /* files are handed in with one turn of so many */
        uint64_t running, running_of[TENANTS_MOST], running_in[TENANTS_MOST][QUEUES];
        bool is_on; /* the supervisor is */
} World;

extern World world;

void host_begin(void);
void host_end(void);
void host_boot(void); /* a supervisor starts, and will start an engine */
void host_crash(bool is_power_cut);
void host_engine_is_gone(void);
void host_sync_claims(void);       /* renames and removals of claims are durable */
bool host_act(void);               /* a step of somebody; false: there is nothing to be done now */
bool host_is_settled(void);        /* nothing of any job is left but its row */
const char *host_unsettled(void);  /* what, in words */
File *host_claim(uint64_t number); /* NULL: of no file that is claimed */
bool host_launch_is_over(uint64_t job, unsigned attempt);

/* oracle.c: what must hold --------------------------------------------------------------------- */

void oracle_begin(void);
void oracle_end(void);
File *oracle_job(uint64_t job); /* NULL: of no committed job */
void oracle_said(const TqMessage *m);
void oracle_executes(File *f, uint64_t job, unsigned attempt);
void oracle_perform_early(void); /* of MUTANT_EFFECTS_FIRST */
