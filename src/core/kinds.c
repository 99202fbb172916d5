/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/kinds.h"

#include <string.h>

#include "base/parse.h"

const TqKindRow tq_kinds[_TQ_KIND_MAX] = {
        [TQ_KIND_ABANDON] = { "abandon", "the slot of a job was given back by hand" },
        [TQ_KIND_AUDIT] = { "audit",
                            "what a job called that its profile does not have (audit=yes)" },
        [TQ_KIND_BACKUP] = { "backup", "the ledger was copied" },
        [TQ_KIND_CANCEL] = { "cancel", "jobs were ended" },
        [TQ_KIND_DEAD_PURGE] = { "dead-purge", "a job was taken out of the dead letters" },
        [TQ_KIND_DEAD_RETRY] = { "dead-retry", "a dead letter is tried again" },
        [TQ_KIND_DRAIN] = { "drain", "no new jobs are taken there" },
        [TQ_KIND_DRIFT] = { "drift", "somebody else has written into a cgroup of ours" },
        [TQ_KIND_FILES] = { "files", "a file of root's says something else than before" },
        [TQ_KIND_FILES_WAIT] = { "files-wait", "job files wait where they are (on_full=wait)" },
        [TQ_KIND_HOLD] = { "hold", "jobs were kept from starting" },
        [TQ_KIND_LAUNCH_FAILED] = { "launch-failed", "a job could not be started" },
        [TQ_KIND_LEDGER_ROOM] = { "ledger-room",
                                  "the disk of the ledger was full, and has room again" },
        [TQ_KIND_LIMIT_NEAR] = { "limit-near", "a tenant comes near to a limit of its queues" },
        [TQ_KIND_LIMITS] = { "limits", "a limit was changed live" },
        [TQ_KIND_NEW_OWNER] = { "new-owner", "a tenant's directory belongs to another user" },
        [TQ_KIND_NOTE] = { "note", "something about a tenant's directories" },
        [TQ_KIND_OUTPUT_LOST] = { "output-lost", "output of a job could not be written" },
        [TQ_KIND_PAUSE] = { "pause", "nothing is started there" },
        [TQ_KIND_QUARANTINE] = { "quarantine",
                                 "a job or a file that was met at crashes is put aside" },
        [TQ_KIND_REFUSED] = { "refused", "a job file was not taken" },
        [TQ_KIND_RELEASE] = { "release", "held jobs may start" },
        [TQ_KIND_RELOAD] = { "reload", "the configuration files were read again" },
        [TQ_KIND_REPEATED] = { "repeated", "how many more events of a tenant there were" },
        [TQ_KIND_REQUEUE] = { "requeue", "a job begins anew, or its next attempt is due at once" },
        [TQ_KIND_RERUN] = { "rerun", "a job that has ended was handed in again" },
        [TQ_KIND_RESUME] = { "resume", "a pause and a drain are over" },
        [TQ_KIND_ROLLOUT] = { "rollout", "a change of limits is looked after, or that is over" },
        [TQ_KIND_TENANT_CHOWN] = { "tenant-chown", "a tenant has another owner" },
        [TQ_KIND_TENANT_DELETE] = { "tenant-delete", "what there is of a tenant is being deleted" },
        [TQ_KIND_TENANT_KEEP] = { "tenant-keep", "a removal was taken back" },
        [TQ_KIND_TENANT_ORDER] = { "tenant-order",
                                   "a tenant is to be removed, renamed or given away" },
        [TQ_KIND_TENANT_REFUSED] = { "tenant-refused", "such an order can't be carried out" },
        [TQ_KIND_TENANT_REMOVED] = { "tenant-removed", "a tenant was removed" },
        [TQ_KIND_TENANT_RENAMED] = { "tenant-renamed", "a tenant has another name" },
};

TqKind tq_kinds_find(const char *name) {
        for (int k = 0; k < _TQ_KIND_MAX; k++)
                if (strcmp(tq_kinds[k].name, name) == 0)
                        return (TqKind)k;
        return _TQ_KIND_INVALID;
}

const char *tq_kinds_nearest(const char *name) {
        const char *names[_TQ_KIND_MAX];

        for (int k = 0; k < _TQ_KIND_MAX; k++)
                names[k] = tq_kinds[k].name;
        return tq_parse_nearest(name, names, _TQ_KIND_MAX);
}
