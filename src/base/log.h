/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdarg.h>
#include <syslog.h> /* LOG_ERR and its like: syslog(3) */

#include "base/util.h"

/* What the programs say to an operator: the journal's entries with fields of their own when stderr
 * is the journal's (systemd.exec(5), $JOURNAL_STREAM), else lines on stderr. Only programs speak;
 * the layers below them return errors. A tenant's bytes are escaped by the caller. */

/* What can be looked for with journalctl MESSAGE_ID=. The numbers are in tenantqd(8). */
typedef enum TqLogId {
        TQ_LOG_PLAIN, /* nothing that one would look for */
        TQ_LOG_READY,
        TQ_LOG_DEGRADED,
        TQ_LOG_FULL,
        TQ_LOG_ROOM,
        TQ_LOG_ENGINE_ENDED,
        TQ_LOG_RELOADED,
        TQ_LOG_RELOAD_REFUSED,
        TQ_LOG_TENANT_DISABLED,
        TQ_LOG_LAUNCH_FAILED,
        TQ_LOG_OUTPUT_LOST,
        TQ_LOG_CGROUP_STUCK,
        TQ_LOG_MADE_AGAIN,
        TQ_LOG_QUARANTINED,
        TQ_LOG_CHANGED,
        TQ_LOG_DRIFT,
        _TQ_LOG_ID_MAX,
} TqLogId;

/* As sd-id128(3) writes it, 32 digits; NULL of TQ_LOG_PLAIN. */
const char *tq_log_id_to_string(TqLogId id);

/* What the line is about: TENANTQ_TENANT=, TENANTQ_JOB=, and more. */
typedef struct TqLogAbout {
        TqLogId id;
        const char *tenant;        /* NULL: none */
        uint64_t job;              /* 0: none */
        const char *const *fields; /* others: "TENANTQ_NAME=value" */
        size_t n_fields;           /* at most TQ_LOG_FIELDS */
        const char *trail;         /* others, one behind the other: core/trail.h. NULL: none */
} TqLogAbout;
#define TQ_LOG_FIELDS 10
#define TQ_LOG_TRAIL  66

/* prefix stands before each line on stderr ("engine: "); borrowed. Looks once where stderr leads.
 */
void tq_log_open(const char *prefix);

void tq_log(int priority, const char *fmt, ...) TQ_PRINTF(2, 3);
void tq_log_about(int priority, TqLogAbout about, const char *fmt, ...) TQ_PRINTF(3, 4);
void tq_log_va(int priority, TqLogAbout about, const char *fmt, va_list ap);
