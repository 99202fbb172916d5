/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What can have happened: the kinds of rows among the events and in the audit, one table of both
 * (tenantqctl(1) is compared with it). */
typedef enum TqKind {
        TQ_KIND_ABANDON,
        TQ_KIND_AUDIT,
        TQ_KIND_BACKUP,
        TQ_KIND_CANCEL,
        TQ_KIND_DEAD_PURGE,
        TQ_KIND_DEAD_RETRY,
        TQ_KIND_DRAIN,
        TQ_KIND_DRIFT,
        TQ_KIND_FILES,
        TQ_KIND_FILES_WAIT,
        TQ_KIND_HOLD,
        TQ_KIND_LAUNCH_FAILED,
        TQ_KIND_LEDGER_ROOM,
        TQ_KIND_LIMIT_NEAR,
        TQ_KIND_LIMITS,
        TQ_KIND_NEW_OWNER,
        TQ_KIND_NOTE,
        TQ_KIND_OUTPUT_LOST,
        TQ_KIND_PAUSE,
        TQ_KIND_QUARANTINE,
        TQ_KIND_REFUSED,
        TQ_KIND_RELEASE,
        TQ_KIND_RELOAD,
        TQ_KIND_REPEATED,
        TQ_KIND_REQUEUE,
        TQ_KIND_RERUN,
        TQ_KIND_RESUME,
        TQ_KIND_ROLLOUT,
        TQ_KIND_TENANT_CHOWN,
        TQ_KIND_TENANT_DELETE,
        TQ_KIND_TENANT_KEEP,
        TQ_KIND_TENANT_ORDER,
        TQ_KIND_TENANT_REFUSED,
        TQ_KIND_TENANT_REMOVED,
        TQ_KIND_TENANT_RENAMED,
        _TQ_KIND_MAX,
        _TQ_KIND_INVALID = -22,
} TqKind;

typedef struct TqKindRow {
        const char *name;
        const char *help;
} TqKindRow;

extern const TqKindRow tq_kinds[_TQ_KIND_MAX];

/* _TQ_KIND_INVALID: there is none of that name. */
TqKind tq_kinds_find(const char *name);
/* The name nearest to an unknown one, or NULL. */
const char *tq_kinds_nearest(const char *name);
