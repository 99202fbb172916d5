/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <tenantq/types.h>

#include "sim.h"

/* All that is not the engine: tenants that hand in files, tenantqd as far as the engine sees it
 * (how it claims, launches, takes stock: src/supervisor, and tests/models in few lines), and the
 * kernel, which knows what truly runs. Whoever has something to do has his turn at random. */

typedef enum Stage { STAGE_WAITS, STAGE_RUNS, STAGE_GONE } Stage;

/* A launch, until nobody needs to know of it any more. */
typedef struct Attempt {
        File *file;
        uint64_t job;
        unsigned attempt;
        Stage stage;
        bool has_byte; /* in the pipe of its barrier */
        bool is_mine;  /* this supervisor has launched it */
        bool was_released, is_killed, is_termed, is_orphan, has_ended;
        TqEnd end;     /* its record */
        size_t active; /* where it stands in host.active, while it has not ended */
} Attempt;

static struct {
        TqMap attempts, claims; /* by job; by number: File */
        Attempt **active;
        size_t n_active, allocated_active;
        size_t n_orphans;
        File **dirty; /* what the disk may have elsewhere */
        size_t n_dirty, allocated_dirty;
        TqList spool[TENANTS_MOST], kept[TENANTS_MOST]; /* of File.link */
        uint64_t next, n_open[TENANTS_MOST], credit[TENANTS_MOST];
        bool has_greeted, is_told, is_open;
} host;

World world;

static uint64_t index_of(const File *f) {
        return (uint64_t)(f - world.files);
}

/* Files
 * ---------------------------------------------------------------------------------------------- */

static void move(File *f, Place place, uint64_t number) {
        if (!f->is_dirty) {
                if (tq_make_room((void **)&host.dirty, host.n_dirty, &host.allocated_dirty,
                                 sizeof(File *)) < 0)
                        abort();
                host.dirty[host.n_dirty++] = f;
                f->is_dirty = true;
        }
        f->place = place;
        f->number = number;
}

void host_sync_claims(void) {
        while (host.n_dirty > 0) {
                File *f = host.dirty[--host.n_dirty];

                f->place_on_disk = f->place;
                f->number_on_disk = f->number;
                f->is_dirty = false;
        }
}

/* Each rename and each removal is on the disk, or is not. */
static void cut_claims(void) {
        for (size_t i = 0; i < host.n_dirty; i++)
                if (sim_one_in(2)) {
                        host.dirty[i]->place = host.dirty[i]->place_on_disk;
                        host.dirty[i]->number = host.dirty[i]->number_on_disk;
                }
        host_sync_claims();
}

static void set_state(File *f, ClaimState state) {
        tq_list_unlink(&f->link);
        f->state = state;
        if (state == CLAIM_KEPT)
                tq_list_append(&host.kept[f->tenant], &f->link);
}

static void open_claim(File *f, ClaimState state) {
        if (tq_map_put(&host.claims, f->number, f) < 0)
                sim_fail("two files are claimed as %llu", (unsigned long long)f->number);
        host.n_open[f->tenant]++;
        set_state(f, state);
}

static void close_claim(File *f, Place place) {
        (void)tq_map_remove(&host.claims, f->number);
        host.n_open[f->tenant]--;
        set_state(f, CLAIM_NONE);
        move(f, place, 0);
}

File *host_claim(uint64_t number) {
        return tq_map_get(&host.claims, number);
}

static void hand_in(void) {
        File *f = &world.files[world.n_handed_in++];

        f->place = f->place_on_disk = PLACE_SPOOL;
        tq_list_append(&host.spool[f->tenant], &f->link);
}

static void hand_over(const File *f) {
        TqMessage m = {
                .claim = { .claim = f->number, .tenant = f->tenant + 1, .uid = 1000 + f->tenant }
        };
        char text[160];
        int n = snprintf(text, sizeof(text), "[Job]\nExecStart=/sim/run %llu\nQueue=q%u\n%s",
                         (unsigned long long)index_of(f), f->queue,
                         f->is_endless ? "RuntimeMaxSec=5\nTimeoutStopSec=1\n" : "");

        (void)snprintf(m.claim.name, sizeof(m.claim.name), "%llu.job",
                       (unsigned long long)index_of(f));
        engine_tell(TQ_MESSAGE_CLAIM, &m, text, (size_t)n);
}

static bool may_claim(uint32_t t) {
        return tq_list_first(&host.kept[t]) ||
               (tq_list_first(&host.spool[t]) && host.n_open[t] < host.credit[t]);
}

static void claim(uint32_t t) {
        TqList *node = tq_list_first(&host.kept[t]);
        bool is_kept = node;
        File *f = TQ_LIST_ENTRY(is_kept ? node : tq_list_first(&host.spool[t]), File, link);

        if (is_kept)
                set_state(f, CLAIM_FLYING);
        else {
                move(f, PLACE_CLAIMS, host.next++);
                open_claim(f, CLAIM_FLYING);
        }
        sim_note("supervisor: hands over", f->number, index_of(f));
        hand_over(f);
        if (sim.mutant == MUTANT_FILE_GOES_EARLY)
                close_claim(f, PLACE_NOWHERE);
}

/* Attempts
 * --------------------------------------------------------------------------------------------- */

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

static void tell_attempt(TqMessageType type, const Attempt *a) {
        TqMessage m = {
                .attempt = { .job = a->job, .attempt = a->attempt, .tenant = a->file->tenant + 1 }
        };

        engine_tell(type, &m, NULL, 0);
}

static void tell_end(const Attempt *a) {
        TqMessage m = { .ended = { .job = a->job,
                                   .attempt = a->attempt,
                                   .tenant = a->file->tenant + 1,
                                   .end = a->end } };

        engine_tell(TQ_MESSAGE_ENDED, &m, NULL, 0);
}

static void tell_all(void) {
        size_t position = 0;
        TqMessage m = {};
        const Attempt *a;
        const File *f;

        if (!host.has_greeted || host.is_told || host.n_orphans > 0)
                return;
        host.is_told = true;
        while ((a = tq_map_next(&host.attempts, &position)))
                if (a->has_ended)
                        tell_end(a);
                else
                        tell_attempt(TQ_MESSAGE_ADOPTED, a);
        position = 0;
        while ((f = tq_map_next(&host.claims, &position))) {
                m.number.cookie = f->number;
                engine_tell(TQ_MESSAGE_CLAIM_KEPT, &m, NULL, 0);
        }
        m.number.cookie = 0;
        engine_tell(TQ_MESSAGE_STOCK_TAKEN, &m, NULL, 0);
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
                tell_all();
        } else if (host.is_told) {
                tell_end(a);
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
                tell_end(&early);
        } else if (a->stage == STAGE_RUNS)
                run_on(a);
        else if (world.is_on)
                reap(a);
}

/* From the engine
 * ----------------------------------------------------------------------------------------- */

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

static void on_start(const Letter *l) {
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
        tell_attempt(TQ_MESSAGE_SPAWNED, a);
}

static void on_claim_done(const Letter *l) {
        File *f = host_claim(l->message.claim_done.claim);

        if (!f)
                return;
        if (l->message.claim_done.outcome == TQ_CLAIM_WAITS)
                set_state(f, CLAIM_AT_DOOR);
        else if (l->message.claim_done.outcome == TQ_CLAIM_ACCEPTED)
                close_claim(f, PLACE_NOWHERE);
        else if (l->message.header.blob_size == 0)
                sim_fail("file %llu is refused without a reason", (unsigned long long)index_of(f));
        else
                sim_fail("file %llu is refused: %s", (unsigned long long)index_of(f), l->blob);
}

static void answer(const Letter *l) {
        TqMessage m = { .number = { .cookie = l->message.number.cookie } };

        engine_tell(TQ_MESSAGE_ANSWER, &m, NULL, 0);
}

static void sample(const Attempt *a) {
        TqMessage m = {
                .used = { .job = a->job, .attempt = a->attempt, .use = { .cpu_usec = 1000 } }
        };

        engine_tell(TQ_MESSAGE_USED, &m, NULL, 0);
}

static void hear_attempt(TqMessageType type, const TqAttemptMessage *m) {
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

static void hear(const Letter *l) {
        TqMessageType type = (TqMessageType)l->message.header.type;
        const TqMessage *m = &l->message;
        File *f;

        sim_note("supervisor: hears", (uint64_t)type,
                 tq_message_body_size(type) >= sizeof(m->number.cookie) ? m->number.cookie : 0);
        switch (type) {
        case TQ_MESSAGE_NEXT_CLAIM:
                if (sim.mutant != MUTANT_NUMBERS_OF_DIRECTORY)
                        host.next = TQ_MAX(host.next, m->number.cookie);
                host.has_greeted = true;
                tell_all();
                break;
        case TQ_MESSAGE_READY:
                host.is_open = true;
                break;
        case TQ_MESSAGE_CLAIM_DONE:
                on_claim_done(l);
                break;
        case TQ_MESSAGE_CLAIM_AGAIN:
                f = host_claim(m->number.cookie);
                if (f && f->state == CLAIM_AT_DOOR)
                        set_state(f, CLAIM_KEPT);
                break;
        case TQ_MESSAGE_CREDIT:
                host.credit[m->credit.tenant - 1] = m->credit.credit;
                break;
        case TQ_MESSAGE_START:
                on_start(l);
                break;
        case TQ_MESSAGE_APPLY:
        case TQ_MESSAGE_ORDER:
                answer(l);
                break;
        case TQ_MESSAGE_STATUS:
        case TQ_MESSAGE_PONG:
                break;
        default:
                hear_attempt(type, &m->attempt);
        }
}

/* Lives
 * ------------------------------------------------------------------------------------------------------
 */

static void greet(void) {
        TqMessage m = {};

        tq_policy_init(&m.hello.policy);
        m.hello.policy.max_jobs = world.host_limit;
        m.hello.admin_gid = (uint32_t)-1;
        tq_retention_init(&m.hello.retention);
        memcpy(m.hello.boot_id, sim.boot_id, sizeof(sim.boot_id));
        engine_tell(TQ_MESSAGE_HELLO, &m, NULL, 0);
        for (uint32_t t = 0; t < world.n_tenants; t++) {
                m = (TqMessage){ .tenant = { .tenant = t + 1,
                                             .owner = 1,
                                             .uid = 1000 + t,
                                             .gid = 1000 + t,
                                             .is_enabled = 1,
                                             .waits_when_full = 1,
                                             .profile = "default",
                                             .n_queues = QUEUES } };
                m.tenant.limits.set =
                        UINT64_C(1) << TQ_KEY_CONCURRENCY | UINT64_C(1) << TQ_KEY_QUEUE_DEPTH;
                m.tenant.limits.value[TQ_KEY_CONCURRENCY] = world.limit[t];
                m.tenant.limits.value[TQ_KEY_QUEUE_DEPTH] = 1000;
                (void)snprintf(m.tenant.name, sizeof(m.tenant.name), "tenant%u", t + 1);
                (void)snprintf(m.tenant.user, sizeof(m.tenant.user), "user%u", t + 1);
                for (uint32_t q = 0; q < QUEUES; q++) {
                        TqQueueLimit *limit = &m.tenant.queues[q];

                        (void)snprintf(limit->name, sizeof(limit->name), "q%u", q);
                        limit->set = UINT64_C(1) << TQ_KEY_CONCURRENCY;
                        limit->concurrency = world.queue_limit;
                }
                engine_tell(TQ_MESSAGE_TENANT, &m, NULL, 0);
        }
}

/* What it had said may have been read, or not. What is at its barrier will not be released. */
void host_engine_is_gone(void) {
        size_t position = 0;
        Letter *l;
        File *f;

        for (bool hears = world.is_on; (l = engine_said()); free(l)) {
                hears = hears && !sim_one_in(8);
                if (hears)
                        hear(l);
        }
        host.has_greeted = host.is_told = host.is_open = false;
        for (size_t i = 0; world.is_on && i < host.n_active; i++) {
                Attempt *a = host.active[i];

                if (!a->is_mine || a->was_released || a->is_orphan)
                        continue;
                a->is_orphan = a->is_killed = true;
                host.n_orphans++;
        }
        while ((f = tq_map_next(&host.claims, &position)))
                set_state(f, CLAIM_KEPT);
        for (uint32_t t = 0; t < world.n_tenants; t++)
                host.credit[t] = FLYING_MOST;
}

/* What ran is gone, and of records those that were not on the disk. */
static void cut_attempts(void) {
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

void host_crash(bool is_power_cut) {
        size_t position = 0;
        Attempt *a;

        sim_note(is_power_cut ? "power cut" : "supervisor: crashes", 0, 0);
        world.is_on = false;
        if (engine_lives() && (is_power_cut || sim_one_in(2)))
                engine_kill();
        else if (engine_lives())
                engine_close();
        while ((a = tq_map_next(&host.attempts, &position)))
                a->is_mine = a->is_orphan = false;
        host.n_orphans = 0;
        tq_map_done(&host.claims);
        if (!is_power_cut)
                return;
        sim.n_cuts++;
        disk_cut_power();
        cut_claims();
        cut_attempts();
        sim.realtime += sim.boottime - TQ_USEC_PER_SEC + sim_draw(100) * TQ_USEC_PER_SEC;
        sim.boottime = TQ_USEC_PER_SEC;
        sim.boot_id[0]++;
}

static int by_number(const void *a, const void *b) {
        const File *x = *(File *const *)a, *y = *(File *const *)b;

        return (x->number > y->number) - (x->number < y->number);
}

/* It finds files, claims, cgroups and records. */
void host_boot(void) {
        File **claimed = calloc(world.n_files, sizeof(File *));
        size_t n = 0;

        if (!claimed)
                abort();
        sim_note("supervisor: starts", 0, 0);
        world.is_on = true;
        host.next = 1;
        for (uint32_t t = 0; t < world.n_tenants; t++) {
                tq_list_init(&host.spool[t]);
                tq_list_init(&host.kept[t]);
                host.n_open[t] = 0;
                host.credit[t] = FLYING_MOST;
        }
        for (size_t i = 0; i < world.n_handed_in; i++) {
                File *f = &world.files[i];

                tq_list_init(&f->link);
                if (f->place == PLACE_SPOOL)
                        tq_list_append(&host.spool[f->tenant], &f->link);
                else if (f->place == PLACE_CLAIMS)
                        claimed[n++] = f;
        }
        qsort((void *)claimed, n, sizeof(File *), by_number);
        for (size_t i = 0; i < n; i++) {
                open_claim(claimed[i], CLAIM_KEPT);
                host.next = claimed[i]->number + 1;
        }
        free((void *)claimed);
}

/* Turns
 * --------------------------------------------------------------------------------------------------------
 */

static bool try_to_start(void) {
        if (!world.is_on || engine_lives())
                return false;
        greet();
        engine_start();
        return true;
}

static bool try_to_hear(void) {
        Letter *l = world.is_on && engine_lives() ? engine_said() : NULL;

        for (uint64_t n = sim_draw(16); l; n--) {
                hear(l);
                free(l);
                l = n > 0 ? engine_said() : NULL;
                if (!l)
                        return true;
        }
        return false;
}

static bool try_to_claim(void) {
        uint32_t first = (uint32_t)sim_draw(world.n_tenants);
        bool did = false;

        for (uint32_t i = 0; i < world.n_tenants && host.is_open && world.is_on; i++) {
                uint32_t t = (first + i) % world.n_tenants;

                for (uint64_t n = 1 + sim_draw(8); n > 0 && may_claim(t); n--) {
                        claim(t);
                        did = true;
                }
        }
        return did;
}

static bool hand_in_some(void) {
        for (uint64_t n = 1 + sim_draw(world.pace > 1 ? 4 : 64); n > 0; n--) {
                if (world.n_handed_in == world.n_files || !world.is_on)
                        return false;
                hand_in();
        }
        return true;
}

static bool try_to_hand_in(void) {
        return sim_one_in(world.pace) && hand_in_some();
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
static bool try_to_run(void) {
        size_t first = host.n_active > 0 ? sim_draw(host.n_active) : 0;
        uint64_t left = 1 + sim_draw(8);
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

static bool try_to_boot(void) {
        if (world.is_on || engine_lives())
                return false;
        host_boot();
        return true;
}

static bool try_engine(void) {
        if (!engine_has_work())
                return false;
        engine_turn();
        return true;
}

static bool try_worker(void) {
        if (!engine_lives() || !engine_worker_has_work())
                return false;
        engine_worker_turn();
        return true;
}

bool host_act(void) {
        static bool (*const all[])(void) = {
                try_engine,   try_engine,     try_engine, try_worker,   try_to_hear,
                try_to_claim, try_to_hand_in, try_to_run, try_to_start, try_to_boot,
        };
        size_t first = sim_draw(TQ_ELEMENTSOF(all));

        for (size_t i = 0; i < TQ_ELEMENTSOF(all); i++)
                if (all[(first + i) % TQ_ELEMENTSOF(all)]())
                        return true;
        return hand_in_some();
}

bool host_is_settled(void) {
        return world.n_done == world.n_files && host.attempts.size == 0 && host.claims.size == 0 &&
               world.running == 0 && world.is_on && host.is_open;
}

const char *host_unsettled(void) {
        static char text[200];

        (void)snprintf(
                text, sizeof(text),
                "of %zu files %zu were handed in and %zu have a verdict; %zu launches and %zu "
                "claims are left, %llu run; tenantqd is %s, the engine %s",
                world.n_files, world.n_handed_in, world.n_done, host.attempts.size,
                host.claims.size, (unsigned long long)world.running, world.is_on ? "on" : "off",
                host.is_open ? "ready" : "not ready");
        return text;
}

void host_begin(void) {
        for (size_t i = 0; i < world.n_files; i++)
                tq_list_init(&world.files[i].link);
        host_boot();
}

void host_end(void) {
        size_t position = 0;
        Attempt *a;

        while ((a = tq_map_next(&host.attempts, &position)))
                free(a);
        tq_map_done(&host.attempts);
        tq_map_done(&host.claims);
        free((void *)host.active);
        free((void *)host.dirty);
        memset(&host, 0, sizeof(host));
}
