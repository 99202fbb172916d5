/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ends/say.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/ends/end.h"

const char *ends_state(const Tenant *t) {
        switch (t->ending) {
        case TQ_ENDING_REMOVE:
        case TQ_ENDING_CANCEL:
        case TQ_ENDING_DELETE:
                return "removing";
        case TQ_ENDING_RENAME:
                return "renaming";
        case TQ_ENDING_CHOWN:
                return "changing owner";
        default:
                return NULL;
        }
}

static void describe_wait(const Ends *e, const Tenant *t, char *buf, size_t size) {
        EndsLeft left = ends_left(e, t);
        char former[96] = "";

        if (left.running + left.waiting == 0) {
                (void)snprintf(buf, size, "it is being removed: what there is of it is counted");
                return;
        }

        if (left.of_former > 0)
                (void)snprintf(former, sizeof(former),
                               " (%" PRIu64 " of them former owners', which end when cancelled)",
                               left.of_former);
        (void)snprintf(buf, size,
                       "it is being removed and takes nothing; waits for its jobs: %" PRIu64
                       " running, %" PRIu64 " waiting%s; tenant remove --cancel ends them, tenant "
                       "keep takes it back",
                       left.running, left.waiting, former);
}

const char *ends_describe(const Ends *e, const Tenant *t, char *buf, size_t size) {
        const End *end = end_find(e, t);

        if (!end || (t->ending == TQ_ENDING_NONE && end->change == TQ_ENDING_NONE))
                return NULL;
        if (end->fault[0] != '\0')
                (void)snprintf(buf, size, "it is being %s: %s",
                               end->change == TQ_ENDING_NONE ? "removed" : "changed", end->fault);
        else if (t->ending == TQ_ENDING_DELETE)
                (void)snprintf(buf, size, "%s",
                               end->files_are_gone ? "it is being removed: its history goes"
                                                   : "it is being removed: its files go");
        else if (end_is_removal(t->ending))
                describe_wait(e, t, buf, size);
        else
                (void)snprintf(buf, size, "it becomes %s%s",
                               end->change == TQ_ENDING_CHOWN ? "user " : "", end->to);
        return buf;
}
