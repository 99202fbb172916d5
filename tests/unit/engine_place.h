/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/intake/intake.h"
#include "fake/fake.h"
#include "world.h"

/* Intake and dispatch with one tenant, acme, and stand-ins for what is below them. */

#define HANDLE 7

typedef struct Place {
        sd_event *loop;
        Events *events;
        Tenants *tenants;
        Settings *settings;
        Recovery *recovery;
        Feed *feed;
        Dispatch *dispatch;
        Intake *intake;
        const Tenant *t;
        uint64_t started, ended, quarantined;
} Place;

static inline void place_started(void *data, uint64_t job) {
        ((Place *)data)->started = job;
}

static inline void place_ended(void *data, uint64_t job, uint32_t tenant) {
        (void)tenant;
        ((Place *)data)->ended = job;
}

static inline void place_room(void *data, uint32_t id) {
        intake_room_made(((Place *)data)->intake, id);
}

static inline void place_quarantined(void *data, uint32_t tenant, const Job *job, const char *why) {
        ck_assert_uint_eq(tenant, 1);
        ck_assert_str_ne(why, "");
        ((Place *)data)->quarantined = job->id;
}

static inline int place_input(void *data, uint64_t job) {
        (void)data;
        (void)job;
        return -EBADF;
}

static inline void place_changed(void *data, const Tenant *t) {
        dispatch_tell_tenant(((Place *)data)->dispatch, t);
}

static inline void place_applied(void) {
        fake_answer(fake_said_type(TQ_MESSAGE_APPLY)->apply.cookie, 0, NULL, 0);
}

/* Nothing is taken up or started yet. */
static inline Place *place_closed(const char *limits_text, bool waits_when_full) {
        static Place p;
        DispatchHooks hooks = { &p,         place_started,     place_ended,
                                place_room, place_quarantined, place_input };
        TqTenantMessage m = { .tenant = HANDLE,
                              .uid = 1001,
                              .owner = 3,
                              .is_enabled = 1,
                              .waits_when_full = waits_when_full,
                              .profile = "default",
                              .name = "acme" };
        TqHello host = {};
        TqLink *link;

        m.limits = limits(limits_text);
        m.queues[m.n_queues++] = queue_limits("small", "queue_depth=1");
        tq_policy_init(&host.policy);
        ck_assert_int_eq(tq_link_new(NULL, NULL, NULL, &link), 0);
        ck_assert_int_ge(sd_event_new(&p.loop), 0);
        ck_assert_int_eq(events_new(p.loop, fake_commit(), &p.events), 0);
        ck_assert_int_eq(tenants_new(fake_commit(), p.events, &p.tenants), 0);
        ck_assert_int_eq(feed_new(&p.feed), 0);
        ck_assert_int_eq(
                settings_new(link, fake_commit(), p.tenants, feed_scheduler(p.feed), &p.settings),
                0);
        ck_assert_int_eq(recovery_new(&p.recovery), 0);
        ck_assert_int_eq(dispatch_new(p.loop, link, fake_commit(), p.tenants, p.settings,
                                      p.recovery, p.feed, &hooks, &p.dispatch),
                         0);
        ck_assert_int_eq(intake_new(p.loop, link, fake_commit(), p.events, p.tenants, p.settings,
                                    p.dispatch, &p.intake),
                         0);
        settings_on_change(p.settings, place_changed, &p);
        settings_hear_host(p.settings, &host);
        ck_assert_int_eq(dispatch_tell_host(p.dispatch), 0);
        ck_assert_int_eq(tenants_hear(p.tenants, &m, &p.t), 0);
        ck_assert_int_eq(settings_hear(p.settings, p.t, &m), 0);
        place_applied();
        fake_commit_all(0);
        return &p;
}
