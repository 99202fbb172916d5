/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>

#include "host.h"

/* Launches: what truly waits at its barrier, runs, and has left which record; and what the
 * supervisor does with them when the engine says so. */

static void activate(Attempt *a) {
        if (tq_make_room((void **)&host.active, host.n_active, &host.allocated_active,
                         sizeof(Attempt *)) < 0)
                abort();
        a->active = host.n_active;
        host.active[host.n_active++] = a;
}

static void deactivate(Attempt *a) {
        host.active[a->active] = host.active[--host.n_active];
        host.active[a->active]->active = a->active;
}

static void forget(Attempt *a) {
        (void)tq_map_remove(&host.attempts, a->job);
        free(a);
}

void kernel_tell_attempt(TqMessageType type, const Attempt *a) {
        TqMessage m = {
                .attempt = { .job = a->job, .attempt = a->attempt, .tenant = a->file->tenant + 1 }
        };

        engine_tell(type, &m, NULL, 0);
}

void kernel_tell_end(const Attempt *a) {
        TqMessage m = { .ended = { .job = a->job,
                                   .attempt = a->attempt,
                                   .tenant = a->file->tenant + 1,
                                   .end = a->end } };

        engine_tell(TQ_MESSAGE_ENDED, &m, NULL, 0);
}

static void record(Attempt *a, TqEndKind kind, int code) {
        a->stage = STAGE_GONE;
        a->file->may_be_lost |= kind == TQ_END_UNKNOWN;
        a->end = (TqEnd){ .kind = kind, .code = code };
        memset(&a->end.counters, 0xFF, sizeof(a->end.counters));
}

static void count(const File *f, int by) {
        world.running += (uint64_t)by;
        world.running_of[f->tenant] += (uint64_t)by;
        world.running_in[f->tenant][f->queue] += (uint64_t)by;
}

static void stop_running(Attempt *a) {
        a->file->runs = false;
        count(a->file, -1);
}

static void run_on(Attempt *a) {
        File *f = a->file;

        if (a->is_killed || (a->is_termed && sim_one_in(2))) {
                f->was_killed = true;
                stop_running(a);
                /* Killed with who would have written a record. */
                if (a->is_killed)
                        record(a, a->is_mine ? TQ_END_SIGNALED : TQ_END_UNKNOWN,
                               a->is_mine ? SIGKILL : 0);
                else
                        record(a, TQ_END_SIGNALED, SIGTERM);
        } else if (!f->is_endless) {
                stop_running(a);
                record(a, TQ_END_EXITED, f->exit_code);
        }
}

static void wait_on(Attempt *a) {
        if (a->is_killed)
                record(a, a->is_mine && !a->was_released ? TQ_END_NEVER_STARTED : TQ_END_UNKNOWN,
                       0);
        else if (a->has_byte || sim.mutant == MUTANT_BARRIER_OPEN) {
                a->stage = STAGE_RUNS;
                count(a->file, 1);
                oracle_executes(a->file, a->job, a->attempt);
        } else if (!a->is_mine)
                record(a, TQ_END_NEVER_STARTED, 0);
}

/* Its cgroup is empty, and the supervisor sees it. */
static void reap(Attempt *a) {
        sim_note("supervisor: sees the end", a->job, a->end.kind);
        a->has_ended = true;
        deactivate(a);
        if (a->is_orphan) {
                a->is_orphan = false;
                host.n_orphans--;
                host_tell_all();
        } else if (host.is_told) {
                kernel_tell_end(a);
                if (sim.mutant == MUTANT_RECORD_GOES_EARLY)
                        forget(a);
        }
}

static void go_on(Attempt *a) {
        if (a->stage == STAGE_WAITS)
                wait_on(a);
        else if (a->stage == STAGE_RUNS && sim.mutant == MUTANT_SLOT_GOES_EARLY && host.is_told &&
                 !a->has_ended) {
                Attempt early = *a;

                record(&early, TQ_END_EXITED, a->file->exit_code);
                a->has_ended = true;
                kernel_tell_end(&early);
        } else if (a->stage == STAGE_RUNS)
                run_on(a);
        else if (world.is_on)
                reap(a);
}

static void start_failed(const TqStartMessage *s, TqStage stage, int error, bool is_temporary) {
        TqMessage m = { .attempt = { .job = s->job,
                                     .attempt = s->attempt,
                                     .tenant = s->tenant,
                                     .stage = stage,
                                     .error = error,
                                     .is_temporary = is_temporary } };

        engine_tell(TQ_MESSAGE_START_FAILED, &m, NULL, 0);
}

/* What was handed in is what is to be started, for who handed it in, and he may know of it. */
static File *started(const TqStartMessage *s, const char *body, size_t size) {
        static const char before[] = "/sim/run";
        const char *at = memmem(body, size, before, sizeof(before));
        size_t number = at ? strtoul(at + sizeof(before), NULL, 10) : SIZE_MAX;
        char name[64];

        if (number >= world.n_handed_in || world.files[number].tenant + 1 != s->tenant)
                sim_fail("job %llu is started for tenant %u, who did not hand it in",
                         (unsigned long long)s->job, s->tenant);
        (void)snprintf(name, sizeof(name), "TENANTQ_TENANT=tenant%u", s->tenant);
        if (!memmem(body, size, name, strlen(name) + 1))
                sim_fail("job %llu has another tenant's name", (unsigned long long)s->job);
        for (uint32_t t = 0; engine_lives() && t < world.n_tenants; t++)
                if (engine_may_see(1000 + t, s->tenant) != (t + 1 == s->tenant))
                        sim_fail("tenant %u may see the jobs of tenant %u, or its own not", t + 1,
                                 s->tenant);
        return &world.files[number];
}

void kernel_hear_start(const Letter *l) {
        const TqStartMessage *s = &l->message.start;
        File *f = started(s, l->blob, l->message.header.blob_size);
        Attempt *a;

        if (tq_map_get(&host.attempts, s->job))
                return start_failed(s, TQ_STAGE_TENANT, EBUSY, true);
        if (f->fails_to_launch)
                return start_failed(s, TQ_STAGE_EXEC, ENOENT, false);
        if (sim_one_in(64))
                return start_failed(s, TQ_STAGE_CLONE, EAGAIN, true);
        a = calloc(1, sizeof(*a));
        if (!a || tq_map_put(&host.attempts, s->job, a) < 0)
                abort();
        *a = (Attempt){ .file = f, .job = s->job, .attempt = s->attempt, .is_mine = true };
        activate(a);
        kernel_tell_attempt(TQ_MESSAGE_SPAWNED, a);
}

static void sample(const Attempt *a) {
        TqMessage m = {
                .used = { .job = a->job, .attempt = a->attempt, .use = { .cpu_usec = 1000 } }
        };

        engine_tell(TQ_MESSAGE_USED, &m, NULL, 0);
}

void kernel_hear_attempt(TqMessageType type, const TqAttemptMessage *m) {
        Attempt *a = tq_map_get(&host.attempts, m->job);

        if (!a || a->attempt != m->attempt)
                return;
        if (type == TQ_MESSAGE_ACK && a->has_ended && a->stage == STAGE_GONE)
                forget(a);
        if (a->has_ended)
                return;
        if (type == TQ_MESSAGE_RELEASE && a->is_mine && !a->is_killed)
                a->has_byte = a->was_released = true;
        else if (type == TQ_MESSAGE_ABORT || type == TQ_MESSAGE_KILL)
                a->is_killed = true;
        else if (type == TQ_MESSAGE_TERM)
                a->is_termed = true;
        else if (type == TQ_MESSAGE_SAMPLE)
                sample(a);
}

/* What ran is gone, and of records those that were not on the disk. */
void kernel_cut_power(void) {
        Attempt **all = calloc(host.attempts.size + 1, sizeof(Attempt *)), *a;
        size_t position = 0, n = 0;

        if (!all)
                abort();
        while ((a = tq_map_next(&host.attempts, &position)))
                all[n++] = a;
        for (size_t i = 0; i < n; i++) {
                a = all[i];
                if (a->stage == STAGE_RUNS)
                        stop_running(a);
                if (a->stage != STAGE_GONE)
                        record(a, TQ_END_UNKNOWN, 0);
                if (!a->has_ended)
                        deactivate(a);
                a->has_ended = true;
                if (sim_one_in(2))
                        forget(a);
        }
        free((void *)all);
        for (size_t i = 0; i < world.n_handed_in; i++)
                world.files[i].may_be_lost |= world.files[i].row.state != ROW_DONE;
}

static bool may_go_on(const Attempt *a) {
        if (a->stage == STAGE_WAITS)
                return a->is_killed || a->has_byte || !a->is_mine ||
                       sim.mutant == MUTANT_BARRIER_OPEN;
        if (a->stage == STAGE_RUNS)
                return !a->file->is_endless || a->is_killed || a->is_termed;
        return world.is_on;
}

/* From any of them on, the first that can. */
bool kernel_try(void) {
        size_t first = host.n_active > 0 ? sim_draw(host.n_active) : 0;
        uint64_t left = 1 + sim_draw(1 + host.n_active / 2);
        bool did = false;

        for (size_t i = 0; i < host.n_active && left > 0; i++) {
                Attempt *a = host.active[(first + i) % host.n_active];

                if (!may_go_on(a))
                        continue;
                go_on(a);
                did = true;
                left--;
        }
        return did;
}
