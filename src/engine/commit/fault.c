/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/kinds.h"
#include "engine/commit/commit_private.h"

/* What keeps changes from being recorded, and what is said of it: a full disk, which passes and is
 * probed, and all other faults, which don't pass. */

#define PROBE_USEC (2 * TQ_USEC_PER_SEC)

/* Full ------------------------------------------------------------------------------------------
 */

static void set_state(Commit *c, State state) {
        c->state = state;
        if (c->changed)
                c->changed(c->changed_data);
}

void fault_probe_later(Commit *c) {
        if (c->is_leaving)
                return;
        if (sd_event_source_set_time_relative(c->probe_source, PROBE_USEC) < 0 ||
            sd_event_source_set_enabled(c->probe_source, SD_EVENT_ONESHOT) < 0)
                commit_degrade(c, -EIO);
}

void fault_full(Commit *c) {
        if (c->state != STATE_WELL)
                return;
        tq_log_about(LOG_CRIT, (TqLogAbout){ .id = TQ_LOG_FULL },
                     "FULL: the ledger's disk is full (%s). Nothing is accepted or started until "
                     "it has %" PRIu64 " MiB left; running jobs go on, and so does all by itself "
                     "then",
                     c->path, c->reserve.bytes >> 20);
        c->full_since = tq_clock_boottime_usec();
        set_state(c, STATE_FULL);
        fault_probe_later(c);
}

void fault_room(Commit *c) {
        if (c->state != STATE_FULL)
                return;
        tq_log_about(LOG_NOTICE, (TqLogAbout){ .id = TQ_LOG_ROOM },
                     "the ledger's disk has room again: jobs are accepted and started");
        set_state(c, STATE_WELL);
}

static void on_probe_run(TqTask *task) {
        Commit *c = TQ_CONTAINER_OF(task, Commit, probe);

        c->probe_result = tq_reserve_make(&c->reserve);
}

/* A row that says how long there was none: with it committed, all is well. */
static void put_probe(Commit *c) {
        uint64_t seconds = (tq_clock_boottime_usec() - c->full_since) / TQ_USEC_PER_SEC;
        TqLedgerOp *op;

        if (c->batch && c->batch->is_probe)
                return;
        op = commit_op(c, TQ_LEDGER_EVENT);
        if (!op)
                return;
        op->kind = tq_kinds[TQ_KIND_LEDGER_ROOM].name;
        op->uid = (uid_t)-1;
        if (asprintf(&op->text, "the ledger's disk was full for %" PRIu64 " s", seconds) < 0)
                op->text = NULL;
        c->batch->is_probe = true;
}

static void on_probed(TqTask *task, void *userdata) {
        Commit *c = TQ_CONTAINER_OF(task, Commit, probe);
        Batch *b = c->stalled;

        (void)userdata;
        c->is_probing = false;
        if (c->is_leaving || c->state != STATE_FULL)
                return;
        if (c->probe_result < 0) {
                fault_probe_later(c);
                return;
        }
        c->stalled = NULL;
        if (b)
                commit_submit(c, b);
        if (!b || !b->is_probe)
                put_probe(c);
        commit_flush(c);
}

int fault_on_probe(sd_event_source *source, uint64_t usec, void *userdata) {
        Commit *c = userdata;

        (void)source;
        (void)usec;
        if (c->is_probing) {
                fault_probe_later(c);
                return 0;
        }
        c->is_probing = true;
        c->probe = (TqTask){ .run = on_probe_run, .done = on_probed };
        tq_list_init(&c->probe.link);
        tq_worker_submit(c->worker, &c->probe, false);
        return 0;
}

/* Degraded ------------------------------------------------------------------------------------ */

/* What ended the recording, and what somebody can do. */
typedef struct Degradation {
        int error; /* 0: any other */
        const char *what, *mend;
} Degradation;

static const Degradation *degradation_of(const Commit *c) {
        static const Degradation full = { 0, "the ledger's disk is full",
                                          "make room there, and it goes on by itself" };
        static const Degradation all[] = {
                { -ENOMEM, "memory ran out", "give tenantq memory, then restart it" },
                { -ESTALE, "the ledger's file was removed or replaced",
                  "bring it back, from a backup if need be, then restart tenantq" },
                { -EBADMSG, "the ledger is damaged",
                  "tenantqctl ledger check says where; bring back a backup, as tenantqd(8) says" },
                { 0, "the ledger could not be written", "mend the disk, then restart tenantq" },
        };
        const Degradation *d = all;

        if (c->state == STATE_FULL)
                return &full;
        while (d->error != 0 && d->error != c->error)
                d++;
        return d;
}

void commit_on_change(Commit *c, void (*changed)(void *data), void *data) {
        c->changed = changed;
        c->changed_data = data;
}

void commit_degrade(Commit *c, int error) {
        const Degradation *d;

        if (c->state == STATE_DEGRADED)
                return;
        c->error = error;
        c->state = STATE_DEGRADED;
        d = degradation_of(c);
        tq_log_about(LOG_CRIT, (TqLogAbout){ .id = TQ_LOG_DEGRADED },
                     "DEGRADED: %s (%s). Nothing is accepted or started any more; running jobs go "
                     "on. %c%s",
                     d->what, strerror(-error), toupper(d->mend[0]), d->mend + 1);
        set_state(c, STATE_DEGRADED);
        /* What waited for room is not recorded either. */
        if (c->stalled) {
                Batch *b = c->stalled;

                c->stalled = NULL;
                batch_perform(b, error, false);
                (void)batch_free(b);
        }
}

void commit_begin_anew(Commit *c, int error) {
        tq_log(LOG_ERR, "what has happened can't be taken in (%s): beginning anew",
               strerror(-error));
        (void)sd_event_exit(c->event, EXIT_FAILURE);
}

bool commit_is_degraded(const Commit *c) {
        return c->state == STATE_DEGRADED;
}

const char *commit_fault(const Commit *c) {
        return c->state != STATE_WELL ? degradation_of(c)->what : NULL;
}

const char *commit_mend(const Commit *c) {
        return degradation_of(c)->mend;
}

const char *commit_explain(const Commit *c, char *buf, size_t size) {
        const Degradation *d = degradation_of(c);

        (void)snprintf(buf, size, "%s: %s", d->what, d->mend);
        return buf;
}
