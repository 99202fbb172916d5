/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "base/error.h"
#include "core/table.h"

/* Flags of what changes something. */
#define TQ_CHANGE_TRIAL        1U /* only whether it could be done */
#define TQ_CHANGE_FORCE        2U /* also if it takes from what runs */
#define TQ_CHANGE_KEEP         4U /* a policy that changes nothing becomes a version all the same */
#define TQ_CHANGE_WATCH        8U /* the time that is given is one to look after it */
#define TQ_CHANGE_ALL          15U
#define TQ_CHANGE_ANY_REVISION (-1)

/* The control socket: peer-to-peer D-Bus, one object, one interface. Everything that is data
 * travels as a table (TqTable): names of columns, then rows of variants. */
#define TQ_CONTROL_PATH      "/org/tenantq"
#define TQ_CONTROL_INTERFACE "org.tenantq.Manager1"

#define TQ_TABLE_SIGNATURE "asaav"
#define TQ_PAGE_SIGNATURE  TQ_TABLE_SIGNATURE "t"
#define TQ_PAGE_ROWS       500  /* of one answer, at most */
#define TQ_PLACE_MAX       2000 /* in the order of those that wait, what lies behind is not told */
#define TQ_PAGE_BYTES      (128 * 1024) /* of their texts, about */

/* Errors that a method answers with, and tenantqctl's exit code for each. */
typedef enum TqControlError {
        TQ_CONTROL_FAILED,
        TQ_CONTROL_INVALID,   /* the job file or limit is wrong; the text says where */
        TQ_CONTROL_REFUSED,   /* not now: the ledger can't be written, or too many questions */
        TQ_CONTROL_LIMIT,     /* a limit refuses it for now */
        TQ_CONTROL_NOT_FOUND, /* no such job or tenant, or not the caller's */
        TQ_CONTROL_DENIED,
        TQ_CONTROL_NO_ORDER, /* root's word lacks, and nothing else */
        TQ_CONTROL_CHANGED,  /* by somebody else, since the caller looked */
        TQ_CONTROL_BUSY,     /* connections, waits or descriptors are used up */
        _TQ_CONTROL_ERROR_MAX,
} TqControlError;

const char *tq_control_error_name(TqControlError e);
/* TQ_EXIT_* for an error's name; TQ_EXIT_FAILURE for one that is not ours. */
int tq_control_exit_code(const char *error_name);

/* Append to, or read from, a message. Negative errno. */
int tq_control_append_table(sd_bus_message *m, const TqTable *t);
int tq_control_read_table(sd_bus_message *m, TqTable *ret);

/* Answers a method call with a table; or with a page of one, and where the next begins (0:
 * nowhere). */
int tq_control_reply_table(sd_bus_message *call, const TqTable *t);
int tq_control_reply_page(sd_bus_message *call, const TqTable *t, uint64_t next);

/* Connects to the socket at path. -ECONNREFUSED or -ENOENT when nobody listens. */
int tq_control_connect(const char *path, sd_bus **ret);
