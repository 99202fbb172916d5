/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <tenantq/types.h>

#include "host.h"

/* All that is not the engine: tenants that hand in files, tenantqd as far as the engine sees it
 * (how it claims, launches, takes stock: src/supervisor, and tests/models in few lines), and the
 * kernel, which knows what truly runs. Whoever has something to do has his turn at random. */

Host host;

World world;

void host_tell_all(void) {
        size_t position = 0;
        TqMessage m = {};
        const Attempt *a;
        const File *f;

        if (!host.has_greeted || host.is_told || host.n_orphans > 0)
                return;
        host.is_told = true;
        while ((a = tq_map_next(&host.attempts, &position)))
                if (a->has_ended)
                        kernel_tell_end(a);
                else
                        kernel_tell_attempt(TQ_MESSAGE_ADOPTED, a);
        position = 0;
        while ((f = tq_map_next(&host.claims, &position))) {
                m.number.cookie = f->number;
                engine_tell(TQ_MESSAGE_CLAIM_KEPT, &m, NULL, 0);
        }
        m.number.cookie = 0;
        engine_tell(TQ_MESSAGE_STOCK_TAKEN, &m, NULL, 0);
}

/* From the engine ------------------------------------------------------------------------------ */

static void answer(const Letter *l) {
        TqMessage m = { .number = { .cookie = l->message.number.cookie } };

        engine_tell(TQ_MESSAGE_ANSWER, &m, NULL, 0);
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
                host_tell_all();
                break;
        case TQ_MESSAGE_READY:
                host.is_open = true;
                break;
        case TQ_MESSAGE_CLAIM_DONE:
                claims_hear_done(l);
                break;
        case TQ_MESSAGE_CLAIM_AGAIN:
                f = host_claim(m->number.cookie);
                if (f && f->state == CLAIM_AT_DOOR)
                        claims_set_state(f, CLAIM_KEPT);
                break;
        case TQ_MESSAGE_CREDIT:
                host.credit[m->credit.tenant - 1] = m->credit.credit;
                break;
        case TQ_MESSAGE_START:
                kernel_hear_start(l);
                break;
        case TQ_MESSAGE_APPLY:
        case TQ_MESSAGE_ORDER:
                answer(l);
                break;
        case TQ_MESSAGE_STATUS:
        case TQ_MESSAGE_PONG:
                break;
        default:
                kernel_hear_attempt(type, &m->attempt);
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
                claims_set_state(f, CLAIM_KEPT);
        for (uint32_t t = 0; t < world.n_tenants; t++)
                host.credit[t] = FLYING_MOST;
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
        claims_cut_power();
        kernel_cut_power();
        sim.realtime += sim.boottime - TQ_USEC_PER_SEC + sim_draw(100) * TQ_USEC_PER_SEC;
        sim.boottime = TQ_USEC_PER_SEC;
        sim.boot_id[0]++;
}

/* It finds files, claims, cgroups and records. */
void host_boot(void) {
        sim_note("supervisor: starts", 0, 0);
        world.is_on = true;
        claims_find();
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

        for (uint64_t n = sim_draw(64); l; n--) {
                hear(l);
                free(l);
                l = n > 0 ? engine_said() : NULL;
                if (!l)
                        return true;
        }
        return false;
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
                try_engine,
                try_engine,
                try_engine,
                try_worker,
                try_to_hear,
                claims_try,
                claims_try_to_hand_in,
                kernel_try,
                try_to_start,
                try_to_boot,
        };
        size_t first = sim_draw(TQ_ELEMENTSOF(all));

        for (size_t i = 0; i < TQ_ELEMENTSOF(all); i++)
                if (all[(first + i) % TQ_ELEMENTSOF(all)]())
                        return true;
        return claims_hand_in();
}

bool host_launch_is_over(uint64_t job, unsigned attempt) {
        const Attempt *a = tq_map_get(&host.attempts, job);

        return !a || a->attempt != attempt || a->has_ended;
}

bool host_is_settled(void) {
        return world.n_done == world.n_files && host.attempts.size == 0 && host.claims.size == 0 &&
               world.running == 0 && world.is_on && host.is_open;
}

const char *host_unsettled(void) {
        static char text[300];
        size_t i = 0;

        while (i < world.n_files && world.files[i].row.state == ROW_DONE)
                i++;
        (void)snprintf(
                text, sizeof(text),
                "of %zu files %zu were handed in and %zu have a verdict; %zu launches and %zu "
                "claims are left, %llu run; tenantqd is %s, the engine %s; the first without one "
                "is file %zu (job %llu)",
                world.n_files, world.n_handed_in, world.n_done, host.attempts.size,
                host.claims.size, (unsigned long long)world.running, world.is_on ? "on" : "off",
                host.is_open ? "ready" : "not ready", i,
                (unsigned long long)(i < world.n_files ? world.files[i].row.job : 0));
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
