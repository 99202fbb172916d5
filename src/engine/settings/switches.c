/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/settings/switches.h"

#include <stdio.h>
#include <string.h>

/* Each stands until it is taken back, over restarts too. */

static const struct {
        const char *word;
        bool pauses, drains, resumes;
} words[] = {
        { "pause", true, false, false },
        { "drain", false, true, false },
        { "resume", false, false, true },
};

int switches_turn(const char *word, TqSwitches *switches) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(words); i++) {
                if (strcmp(words[i].word, word) != 0)
                        continue;
                switches->is_paused = (switches->is_paused || words[i].pauses) && !words[i].resumes;
                switches->is_draining =
                        (switches->is_draining || words[i].drains) && !words[i].resumes;
                return 0;
        }
        return -EINVAL;
}

const char *switches_to_string(TqSwitches switches) {
        static const char *const words_of[2][2] = { { "open", "draining" },
                                                    { "paused", "paused, draining" } };

        return words_of[switches.is_paused][switches.is_draining];
}

int switches_record(Commit *commit, uint32_t tenant, const char *queue, TqSwitches switches,
                    uid_t uid, const char *why) {
        TqLedgerOp *op = commit_op(commit, TQ_LEDGER_SWITCH);

        if (!op)
                return -ENOMEM;
        op->tenant = tenant;
        (void)snprintf(op->hold.queue, sizeof(op->hold.queue), "%s", queue);
        op->uid = uid;
        op->hold.switches = switches;
        return commit_copy(commit, why[0] != '\0' ? why : NULL, &op->text);
}

TqSwitches switches_of(const TqScheduler *scheduler, const TqTenant *t, const char *queue) {
        const TqQueue *q;

        if (!t)
                return tq_scheduler_host_switches(scheduler);
        if (queue[0] == '\0')
                return (TqSwitches){ .is_paused = t->is_paused, .is_draining = t->is_draining };
        q = tq_scheduler_queue(t, queue);
        return q ? (TqSwitches){ .is_paused = q->is_paused, .is_draining = q->is_draining }
                 : (TqSwitches){};
}
