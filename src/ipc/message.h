/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "core/retention.h"
#include "core/profile.h"
#include "core/scheduler.h"
#include "core/verdict.h"

/* What supervisor and engine say to each other: one datagram a message, a header, a body whose size
 * is fixed by the type, and for some types a blob of bytes. Each end checks everything
 * (tq_message_check): it does not trust the other. `tenant` is the supervisor's handle of a tenant.
 */

#define TQ_MESSAGE_VERSION  17
#define TQ_MESSAGE_BLOB_MAX (512 * 1024)
#define TQ_MESSAGE_TEXT_MAX 512  /* with its terminator */
#define TQ_NOTES_BETWEEN    "\n" /* TqTenantMessage.note is one text; escaped, none has it */
#define TQ_UID_UNKNOWN      ((uid_t)-1)

typedef enum TqMessageType {
        /* supervisor → engine */
        TQ_MESSAGE_HELLO,
        TQ_MESSAGE_TENANT,
        TQ_MESSAGE_CLAIM,   /* blob: the job file */
        TQ_MESSAGE_REFUSED, /* a file that never became a claim; blob: why */
        TQ_MESSAGE_SPAWNED,
        TQ_MESSAGE_START_FAILED, /* blob: why; empty: stage and error say it all */
        TQ_MESSAGE_ENDED,        /* blob: what was in the way of its launch, if that is known */
        TQ_MESSAGE_STALLED,      /* it gets nowhere above memory_high; level: whose */
        TQ_MESSAGE_USED,         /* the answer to SAMPLE, if the job still runs */
        TQ_MESSAGE_ADOPTED,      /* taking stock: this attempt lives */
        TQ_MESSAGE_CLAIM_STUCK,  /* an accepted one whose file can't be removed; number */
        TQ_MESSAGE_CLAIM_KEPT,   /* taking stock: a claim that was not answered; number */
        TQ_MESSAGE_CRASHED,      /* taking stock: what the engine before has died over */
        TQ_MESSAGE_STOCK_TAKEN,  /* everything has been told */
        TQ_MESSAGE_ANSWER,       /* to APPLY, OPEN_LOG, RELOAD, ORDER; blob: error text or values;
                                    descriptor */
        TQ_MESSAGE_PING,
        TQ_MESSAGE_DESCRIPTOR, /* what was made again; cookie: TQ_DESCRIPTOR_*; descriptor */
        /* engine → supervisor */
        TQ_MESSAGE_READY,
        TQ_MESSAGE_NEXT_CLAIM,
        TQ_MESSAGE_CLAIM_DONE,  /* blob: the reason of a refusal */
        TQ_MESSAGE_CLAIM_AGAIN, /* one that waits at the door is to be handed over again; number */
        TQ_MESSAGE_CLAIM_LATE,  /* that can't be done for now: it comes by itself */
        TQ_MESSAGE_CREDIT,      /* how many claims of a tenant may be open */
        TQ_MESSAGE_START,       /* blob: the plan's body; descriptor: a socket, its input */
        TQ_MESSAGE_RELEASE,
        TQ_MESSAGE_ABORT,
        TQ_MESSAGE_TERM,
        TQ_MESSAGE_KILL,
        TQ_MESSAGE_ABANDON, /* its cgroup can't be removed: the slot is given back all the same */
        TQ_MESSAGE_SAMPLE,  /* what has this attempt used so far? */
        TQ_MESSAGE_ACK,     /* the verdict is committed */
        TQ_MESSAGE_APPLY,
        TQ_MESSAGE_OPEN_LOG,
        TQ_MESSAGE_RELOAD,
        TQ_MESSAGE_ORDER, /* what root has ordered about a tenant is to be done */
        TQ_MESSAGE_PONG,
        TQ_MESSAGE_STATUS, /* blob: a line for the service manager */
        _TQ_MESSAGE_MAX,
} TqMessageType;

typedef struct TqMessageHeader {
        uint16_t version;
        uint16_t type;
        uint32_t blob_size;
} TqMessageHeader;

typedef struct TqHello {
        uint8_t boot_id[16];
        uint32_t controllers;
        uint32_t admin_gid;
        uint32_t host_sum;     /* CRC-32C of what else [host] says: paths, users, outbound, … */
        uint32_t profiles_sum; /* profiles_sum() of the administrator's; 0: there are none */
        char cgroup_root[256]; /* below which the slices are; empty: its path is longer */
        TqLimits defaults;
        TqLimits ceilings;
        TqHostPolicy policy;
        TqRetention retention;
} TqHello;

typedef struct TqTenantMessage {
        uint32_t tenant;
        uint32_t owner; /* counts those that it has had */
        uint32_t uid, gid;
        uint8_t is_enabled;
        uint8_t is_gone; /* its directory is */
        uint8_t waits_when_full;
        uint32_t grants; /* CRC-32C of what else its file says: paths, network, submitters, … */
        uint32_t rank;   /* TqProfileRank, of its profile */
        char profile[TQ_PROFILE_NAME_MAX + 1];
        char pool[TQ_POOL_NAME_MAX + 1];
        char name[TQ_TENANT_NAME_MAX + 1];
        char user[64];
        char home[256];
        char former_owner[64];           /* who the administrator says it was, too; empty: nobody */
        char fault[TQ_MESSAGE_TEXT_MAX]; /* why it is not enabled */
        char note[TQ_MESSAGE_TEXT_MAX];  /* what somebody should mend all the same; escaped */
        TqLimits limits;                 /* of its file */
        uint32_t n_queues;
        TqQueueLimit queues[TQ_QUEUE_LIMITS];
} TqTenantMessage;

typedef struct TqClaimMessage {
        uint64_t claim;
        uint32_t tenant;
        uint32_t uid;           /* the file's owner */
        uint8_t is_quarantined; /* REFUSED: the engine crashed over it again */
        char name[NAME_MAX + 1];
} TqClaimMessage;

/* A job, or (job 0) what a user handed in by the control socket. */
typedef struct TqCrashedMessage {
        uint64_t job;
        uint32_t uid;
        int32_t sig;
        uint64_t until_usec; /* of a user: nothing more is taken so until then, CLOCK_BOOTTIME */
        uint8_t is_new;      /* it was now, and is to be among the events */
} TqCrashedMessage;

/* SPAWNED, START_FAILED, STALLED, ADOPTED, RELEASE, ABORT, TERM, KILL, ABANDON, SAMPLE, ACK */
typedef struct TqAttemptMessage {
        uint64_t job;
        uint32_t attempt;
        uint32_t tenant;
        uint32_t stage; /* START_FAILED */
        uint32_t level; /* STALLED: TqLevel */
        int32_t error;
        uint8_t is_temporary;
} TqAttemptMessage;

typedef struct TqEndedMessage {
        uint64_t job;
        uint32_t attempt;
        uint32_t tenant;
        TqEnd end;
} TqEndedMessage;

typedef struct TqUsedMessage {
        uint64_t job;
        uint32_t attempt;
        TqUse use; /* but for slot_usec */
} TqUsedMessage;

typedef struct TqStartMessage {
        uint64_t job;
        uint32_t attempt;
        uint32_t tenant;
        uint32_t owner; /* as the tenant's message had it: it may be another's by now */
        uint8_t private_network;
        uint8_t has_paths;                     /* its body has */
        uint8_t has_input;                     /* the message brings it */
        char profile[TQ_PROFILE_NAME_MAX + 1]; /* that it asks for; empty: its tenant's */
        uint64_t keep_usec;                    /* its output, after its end; 0: as all */
        TqLimits limits;
} TqStartMessage;

/* What became of a claim. One that waits is still open: a limit refuses it for now. */
typedef enum TqClaimOutcome {
        TQ_CLAIM_ACCEPTED,
        TQ_CLAIM_REFUSED,
        TQ_CLAIM_WAITS,
        _TQ_CLAIM_OUTCOME_MAX,
} TqClaimOutcome;

typedef struct TqClaimDoneMessage {
        uint64_t claim;
        uint32_t outcome; /* TqClaimOutcome */
} TqClaimDoneMessage;

/* Claims of a tenant that are open at the same time, unless the engine has said less. */
#define TQ_CREDIT_MOST 64

typedef struct TqClaimLateMessage {
        uint64_t claim;
        uint32_t tenant;
} TqClaimLateMessage;

typedef struct TqCreditMessage {
        uint32_t tenant;
        uint32_t credit; /* at most TQ_CREDIT_MOST */
} TqCreditMessage;

/* What is to be done about a tenant's limits. */
typedef enum TqApplyHow {
        TQ_APPLY_NOW,
        TQ_APPLY_GENTLY, /* unless less would be left than what its jobs have: -EBUSY */
        TQ_APPLY_TRY,    /* nothing but whether that could be done gently */
        TQ_APPLY_LOOK, /* nothing but whether its slice holds them; -ESTALE: what differs, behind a
                          TqCgroupCpu */
        _TQ_APPLY_MAX,
} TqApplyHow;

typedef struct TqApplyMessage {
        uint64_t cookie;
        uint32_t tenant;
        uint32_t how;    /* TqApplyHow */
        TqLimits limits; /* effective */
} TqApplyMessage;

typedef struct TqOpenLogMessage {
        uint64_t cookie;
        uint64_t job;
        uint32_t attempt;
        uint32_t tenant;
        uint32_t stream;
} TqOpenLogMessage;

/* What is to be done with a name. All but LOOK and the two that take back need root's own word,
 * which the supervisor finds where only root can write. */
typedef enum TqOrderStep {
        TQ_ORDER_LOOK,   /* what there is, and whether `to` is free; blob: TqOrderFound */
        TQ_ORDER_REMOVE, /* directory, output, claims, cgroup; answered when they are gone */
        TQ_ORDER_RENAME,
        TQ_ORDER_CHOWN,
        TQ_ORDER_DROP,   /* the order is done, or not wanted any more */
        TQ_ORDER_SETTLE, /* a new engine: orders that it has not spoken of are nobody's */
        _TQ_ORDER_STEP_MAX,
} TqOrderStep;

typedef struct TqOrderMessage {
        uint64_t cookie;
        uint32_t step;
        char name[TQ_TENANT_NAME_MAX + 1];
        char to[64];
} TqOrderMessage;

typedef struct TqOrderFound {
        uint64_t spool_files, output_files, output_bytes;
        uint32_t n_attempts; /* of its jobs that are there */
        uint8_t has_file;    /* tenants.d/NAME.conf */
        uint8_t has_order;   /* root's, to remove it */
        uint8_t is_at_least; /* there is more than was counted */
} TqOrderFound;

/* What a DESCRIPTOR is. */
enum { TQ_DESCRIPTOR_LISTEN, TQ_DESCRIPTOR_CLAIMS };

/* ANSWER, RELOAD, PING, PONG, NEXT_CLAIM, DESCRIPTOR, CLAIM_KEPT, CLAIM_STUCK, CLAIM_AGAIN */
typedef struct TqNumberMessage {
        uint64_t cookie;
        int32_t result; /* 0 or negative errno */
} TqNumberMessage;

typedef struct TqMessage {
        TqMessageHeader header;
        union {
                TqHello hello;
                TqTenantMessage tenant;
                TqClaimMessage claim;
                TqCrashedMessage crashed;
                TqAttemptMessage attempt;
                TqEndedMessage ended;
                TqUsedMessage used;
                TqStartMessage start;
                TqClaimDoneMessage claim_done;
                TqCreditMessage credit;
                TqClaimLateMessage claim_late;
                TqApplyMessage apply;
                TqOpenLogMessage open_log;
                TqOrderMessage order;
                TqNumberMessage number;
        };
} TqMessage;

/* Bytes of a type's body, and whether it may carry a blob. */
size_t tq_message_body_size(TqMessageType type);
bool tq_message_has_blob(TqMessageType type);

/* Whether a message that came in is well-formed: version, type, sizes, terminated strings, bounded
 * counts, limits in range. size: of the whole datagram. 0, -EPROTONOSUPPORT or -EBADMSG. */
int tq_message_check(const TqMessage *m, size_t size);
