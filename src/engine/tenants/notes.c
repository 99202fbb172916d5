/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/tenants/tenants_private.h"
#include "kernel/filter.h"

/* What somebody should mend about a tenant: said once, and again only when it is new. */

#define SAYS_USEC (60 * TQ_USEC_PER_SEC)   /* the same of a tenant, to the journal */
#define SAME_USEC (3600 * TQ_USEC_PER_SEC) /* in the same words, though it got further */

size_t tenants_next_note(const char **note, const char **ret) {
        const size_t between = strlen(TQ_NOTES_BETWEEN);
        const char *end;

        if (!(*note)[0])
                return 0;
        *ret = *note;
        end = strstr(*note, TQ_NOTES_BETWEEN);
        *note = end ? end + between : *note + strlen(*note);
        return (size_t)((end ? end : *note) - *ret);
}

/* Whether one of the sentences of a note is just this one. */
static bool has_sentence(const char *note, const char *sentence, size_t n) {
        const char *other;
        size_t m;

        while ((m = tenants_next_note(&note, &other)) > 0)
                if (m == n && memcmp(other, sentence, n) == 0)
                        return true;
        return false;
}

void tenants_tell_notes(Tenants *ts, Tenant *t, const char *note) {
        const char *sentence;
        size_t n;

        while ((n = tenants_next_note(&note, &sentence)) > 0)
                if (!has_sentence(t->note, sentence, n))
                        events_add_within(ts->events, &t->budget, TQ_KIND_NOTE, 0, EVENTS_NOBODY,
                                          "%.*s", (int)n, sentence);
}

void tenants_note_launch(Tenants *ts, uint32_t id, const char *text) {
        uint64_t now = tq_clock_boottime_usec();
        Tenant *t = tq_map_get(&ts->ids, id);
        bool is_same;

        if (!t)
                return;
        if (!text) {
                t->launch_note[0] = '\0';
                return;
        }
        /* Each launch that gets further makes it new: also one that fails a moment later, each
         * minute for as long as nobody mends it. */
        is_same = strncmp(t->launch_said, text, sizeof(t->launch_said) - 1) == 0;
        if (t->launch_note[0] == '\0' &&
            now >= t->launch_says_from + (is_same ? SAME_USEC - SAYS_USEC : 0)) {
                t->launch_says_from = now + SAYS_USEC;
                (void)snprintf(t->launch_said, sizeof(t->launch_said), "%s", text);
                tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_LAUNCH_FAILED, .tenant = t->name },
                             "tenant %s: jobs can't be launched for now: %s", t->name, text);
                events_add_within(ts->events, &t->budget, TQ_KIND_LAUNCH_FAILED, 0, EVENTS_NOBODY,
                                  "%s", text);
        }
        (void)snprintf(t->launch_note, sizeof(t->launch_note), "%s", text);
}

/* As many rows as there are such jobs: their tenant's file says audit. */
void tenants_note_calls(Tenants *ts, uint32_t handle, uint64_t job, const TqEnd *end) {
        const Tenant *t = tenants_by_handle(ts, handle);
        TQ_BUFFER_CLEANUP TqBuffer names = {};
        const char *text;
        char name[40];

        for (uint32_t i = 0; i < TQ_CALLS; i++)
                if (tq_call_set_has(&end->calls, i))
                        tq_buffer_printf(&names, " %s",
                                         tq_filter_call_name((int32_t)i, name, sizeof(name)));
        text = tq_buffer_string(&names);
        if (t && text && text[0] == ' ')
                events_add(ts->events, TQ_KIND_AUDIT, t->id, job, EVENTS_NOBODY, "%s", text + 1);
}

/* Only the job's row would tell of it: said where an operator looks. Of what is dropped by a bound
 * the supervisor tells, which knows when that is over. */
void tenants_note_output(Tenants *ts, uint32_t handle, uint64_t job, const char *trail,
                         const TqEnd *end) {
        Tenant *t = tq_map_get(&ts->handles, handle);
        uint64_t now = tq_clock_boottime_usec();
        bool fails = end->output_lost == TQ_LOSS_FAILED;

        if (!t)
                return;
        if (fails && !t->output_fails) {
                /* Once a minute: a job without output in between makes it new. */
                if (now >= t->output_says_from) {
                        tq_log_about(LOG_ERR,
                                     (TqLogAbout){ .id = TQ_LOG_OUTPUT_LOST,
                                                   .tenant = t->name,
                                                   .job = job,
                                                   .trail = trail },
                                     "tenant %s: output of job %" PRIu64
                                     " could not be written: is the disk of the logs full?",
                                     t->name, job);
                        t->output_says_from = now + SAYS_USEC;
                }
                events_add_within(ts->events, &t->budget, TQ_KIND_OUTPUT_LOST, job, EVENTS_NOBODY,
                                  "%" PRIu64
                                  " bytes could not be written: is the disk of the logs full?",
                                  end->dropped_bytes);
        }
        t->output_fails = fails;
}
