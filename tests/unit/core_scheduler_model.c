/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core_scheduler_model_check.h"
#include "core_scheduler_model_events.h"

/* The scheduler against the model: after each of many random steps the two must agree: on every
 * state and timer, on every reason why a job waits, and on this, that no job waits that could
 * start. */

static void model_any(Model *m) {
        uint64_t x = dice(m, 200);

        m->now += dice(m, 3) ? dice(m, SEC / 4) : 0;
        if (x < 60)
                model_submit(m);
        else if (x < 140)
                model_progress(m);
        else if (x < 148)
                model_cancel(m);
        else if (x < 152)
                model_requeue(m);
        else if (x < 178)
                model_step(m, (TqEvent){ .type = TQ_EVENT_TICK }, 0);
        else if (x < 184)
                model_hold(m);
        else if (x < 186)
                model_after(m);
        else if (x < 189)
                model_noise(m);
        else if (x < 193)
                model_switch(m);
        else if (x < 198)
                model_tenant(m, (unsigned)dice(m, MODEL_TENANTS));
        else
                model_host(m);
}

/* Ends everything: no slot, no queue, no timer may be left. */
static void model_drain(Model *m) {
        for (ModelJob *j; (j = any_job(m, false));) {
                if (holds_slot(j))
                        model_end(m, j, (TqEnd){ .kind = TQ_END_EXITED });
                else
                        model_cancel(m);
        }
        model_check(m);
        for (uint32_t t = 1; t <= MODEL_TENANTS; t++) {
                const TqTenant *real = tq_scheduler_tenant(m->s, t);
                TqLimits none = {};

                unit_must(real->running == 0 && real->waiting.jobs == 0, "differs");
                unit_must(tq_list_is_empty(&real->active), "not so");
                unit_must(tq_list_is_empty(&real->ready_queues), "not so");
                unit_must(!tq_tree_contains(&real->order), "not so");
                /* Queues that something is said about stay. */
                model_step(m,
                           (TqEvent){ .type = TQ_EVENT_TENANT,
                                      .tenant = t,
                                      .t = { .name = "t", .limits = &none, .enabled = true } },
                           0);
                for (unsigned q = 0; q < MODEL_QUEUES; q++)
                        model_step(m,
                                   (TqEvent){ .type = TQ_EVENT_SWITCH,
                                              .tenant = t,
                                              .j.queue = model_queues[q] },
                                   0);
                unit_must(real->n_queues == 0 && tq_list_is_empty(&real->queues), "not so");
        }
        unit_must(tq_scheduler_next_deadline(m->s) == TQ_NEVER, "differs");
        unit_must(tq_scheduler_memory_promised(m->s) == 0, "differs");
}

#define MODEL_STEPS 1000000

static const uint64_t seeds[] = { 1, 0xDEADBEEF,        20261120, 0x123456789ABCDEF,
                                  7, 0xFEDCBA987654321, 42,       0xA5A5A5A55A5A5A5A };

START_TEST(model) {
        Model *m = calloc(1, sizeof(*m));

        ck_assert_ptr_nonnull(m);
        m->s = tq_scheduler_new();
        ck_assert_ptr_nonnull(m->s);
        m->now = 1000 * SEC;
        m->random = seeds[_i];
        m->next_id = 1;
        m->patience = (uint64_t)_i % 3 * SEC;
        m->has_pool[0] = true;
        model_host(m);
        for (unsigned t = 0; t < MODEL_TENANTS; t++)
                model_tenant(m, t);
        for (int i = 0; i < MODEL_STEPS / (int)TQ_ELEMENTSOF(seeds); i++) {
                if (i == 200) {
                        m->is_open = true;
                        model_step(m, (TqEvent){ .type = TQ_EVENT_OPEN }, 0);
                }
                model_any(m);
                model_check(m);
        }
        model_drain(m);
        /* It was no idle walk. */
        ck_assert_uint_gt(m->starts, 5000);
        ck_assert_uint_gt(m->finishes, 5000);
        ck_assert_uint_gt(m->requeues, 100);
        ck_assert_uint_gt(m->retries, 500);
        ck_assert_uint_gt(m->restarts, 20);
        ck_assert_uint_gt(m->dead, 500);
        ck_assert_uint_gt(m->kills, 20);
        ck_assert_uint_gt(m->samples, 100);
        ck_assert_uint_gt(m->deadlines, 100);
        ck_assert_uint_gt(m->dependencies, 100);
        for (int w = TQ_WAIT_NONE + 1; w < _TQ_WAIT_MAX; w++)
                ck_assert_msg(m->waited[w] > 10, "%s was seen %ju times",
                              tq_reason_to_string((TqWait)w), (uintmax_t)m->waited[w]);
        m->s = tq_scheduler_free(m->s);
        tq_scheduler_actions_done(&m->actions);
        free(m);
}
END_TEST

static void fill(Suite *s) {
        unit_add_rows(unit_case(s, "model"), model, seeds);
}

int main(void) {
        return unit_main("core/scheduler model", fill);
}
