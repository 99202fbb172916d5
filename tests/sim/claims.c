/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "host.h"

/* Files, from whoever hands them in to the supervisor's claims: where they are, and where the disk
 * has them. Renames and removals are durable with host_sync_claims(); when the power is cut before,
 * each has happened, or has not. */

static uint64_t index_of(const File *f) {
        return (uint64_t)(f - world.files);
}

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
void claims_cut_power(void) {
        for (size_t i = 0; i < host.n_dirty; i++)
                if (sim_one_in(2)) {
                        host.dirty[i]->place = host.dirty[i]->place_on_disk;
                        host.dirty[i]->number = host.dirty[i]->number_on_disk;
                }
        host_sync_claims();
}

void claims_set_state(File *f, ClaimState state) {
        tq_list_unlink(&f->link);
        f->state = state;
        if (state == CLAIM_KEPT)
                tq_list_append(&host.kept[f->tenant], &f->link);
}

static void open_claim(File *f, ClaimState state) {
        if (tq_map_put(&host.claims, f->number, f) < 0)
                sim_fail("two files are claimed as %llu", (unsigned long long)f->number);
        host.n_open[f->tenant]++;
        claims_set_state(f, state);
}

static void close_claim(File *f, Place place) {
        (void)tq_map_remove(&host.claims, f->number);
        host.n_open[f->tenant]--;
        claims_set_state(f, CLAIM_NONE);
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

static void hand_over(File *f) {
        TqMessage m = {
                .claim = { .claim = f->number, .tenant = f->tenant + 1, .uid = 1000 + f->tenant }
        };
        char text[320], after[32] = "", delay[32] = "", retry[64] = "";
        unsigned long long index = index_of(f);
        int n;

        if (f->after)
                (void)snprintf(after, sizeof(after), "After=f%llu\n",
                               (unsigned long long)index_of(f->after));
        if (f->delay > 0)
                (void)snprintf(delay, sizeof(delay), "StartAfter=+%llus\n",
                               (unsigned long long)(f->delay / TQ_USEC_PER_SEC));
        if (f->max_attempts > 0)
                (void)snprintf(retry, sizeof(retry), "[Retry]\nMaxAttempts=%u\nRestartSec=1\n",
                               f->max_attempts);
        n = snprintf(text, sizeof(text),
                     "[Job]\nExecStart=/sim/run %llu\nName=f%llu\nQueue=q%u\n%s%s%s%s", index,
                     index, f->queue, f->is_endless ? "RuntimeMaxSec=5\nTimeoutStopSec=1\n" : "",
                     after, delay, retry);
        if (f->handed_over == 0)
                f->handed_over = sim.realtime + sim.boottime;
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
                claims_set_state(f, CLAIM_FLYING);
        else {
                move(f, PLACE_CLAIMS, host.next++);
                open_claim(f, CLAIM_FLYING);
        }
        sim_note("supervisor: hands over", f->number, index_of(f));
        hand_over(f);
        if (sim.mutant == MUTANT_FILE_GOES_EARLY)
                close_claim(f, PLACE_NOWHERE);
}

void claims_hear_done(const Letter *l) {
        File *f = host_claim(l->message.claim_done.claim);

        if (!f)
                return;
        if (l->message.claim_done.outcome == TQ_CLAIM_WAITS)
                claims_set_state(f, CLAIM_AT_DOOR);
        else if (l->message.claim_done.outcome == TQ_CLAIM_ACCEPTED)
                close_claim(f, PLACE_NOWHERE);
        else if (l->message.header.blob_size == 0)
                sim_fail("file %llu is refused without a reason", (unsigned long long)index_of(f));
        else
                sim_fail("file %llu is refused: %s", (unsigned long long)index_of(f), l->blob);
}

bool claims_try(void) {
        uint32_t first = (uint32_t)sim_draw(world.n_tenants);
        bool did = false;

        for (uint32_t i = 0; i < world.n_tenants && host.is_open && world.is_on; i++) {
                uint32_t t = (first + i) % world.n_tenants;

                for (uint64_t n = 1 + sim_draw(FLYING_MOST); n > 0 && may_claim(t); n--) {
                        claim(t);
                        did = true;
                }
        }
        return did;
}

bool claims_hand_in(void) {
        for (uint64_t n = 1 + sim_draw(world.pace > 1 ? 4 : 64); n > 0; n--) {
                if (world.n_handed_in == world.n_files || !world.is_on)
                        return false;
                hand_in();
        }
        return true;
}

bool claims_try_to_hand_in(void) {
        return sim_one_in(world.pace) && claims_hand_in();
}

static int by_number(const void *a, const void *b) {
        const File *x = *(File *const *)a, *y = *(File *const *)b;

        return (x->number > y->number) - (x->number < y->number);
}

void claims_find(void) {
        File **claimed = calloc(world.n_files, sizeof(File *));
        size_t n = 0;

        if (!claimed)
                abort();
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
