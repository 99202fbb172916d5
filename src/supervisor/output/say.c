/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "supervisor/output/output_private.h"
#include "supervisor/tenants/notes.h"

/* That output is dropped is said where an operator looks: in the journal and in a note of the
 * tenant (which is an event, too), once, until it is over. What else is in the way meanwhile waits
 * for its turn: the same full disk would be told as two things, in turn. A write that failed is
 * told by the engine, at the end of the job. */

#define ABOUT      NOTES_OURS "output"
#define SHOWN_USEC (10 * TQ_USEC_PER_SEC) /* a loss that is over */

static void describe(const Store *s, Said why, int error, char *buf, size_t size) {
        const Output *o = s->output;
        char bytes[TQ_FORMAT_MAX];

        switch (why) {
        case SAID_BYTES:
                (void)snprintf(buf, size,
                               "output of jobs is dropped: the tenant has as much as it may (%s), "
                               "until some of it may go",
                               tq_format_size(o->bounds.output_bytes, 1024, bytes, sizeof(bytes)));
                break;
        case SAID_FILES:
                (void)snprintf(buf, size,
                               "output of jobs is dropped: the tenant has as many files as it may "
                               "(%" PRIu64 "), until some of them may go",
                               o->bounds.output_files);
                break;
        case SAID_FLOOR:
                (void)snprintf(buf, size,
                               o->is_low ? "output of jobs is dropped: make room on the file "
                                           "system of %.256s"
                                         : "output of a job was dropped: the file system of %.256s "
                                           "has little room above output_floor, and it was written "
                                           "faster than that was looked at",
                               o->host->config.logs);
                break;
        default:
                (void)snprintf(
                        buf, size,
                        "output of jobs is dropped: its files can't be made in %.256s/%s: %s",
                        o->host->config.logs, s->tenant->name, strerror(-error));
        }
}

void say_dropped(Store *s, Said why, int error) {
        char text[TQ_MESSAGE_TEXT_MAX];

        if (s->said != SAID_NOTHING)
                return;
        s->said = why;
        s->has_told_bytes |= why == SAID_BYTES;
        if (why == SAID_FLOOR && !s->output->is_low) {
                s->floor_until = tq_clock_monotonic_usec() + SHOWN_USEC;
                tick_tell_at(s->output, s->floor_until);
        }
        describe(s, why, error, text, sizeof(text));
        /* Of the floor there is one line for all. */
        if (why != SAID_FLOOR || !s->output->is_low)
                tenants_report(s->tenant, TQ_LOG_OUTPUT_LOST, "tenant %s: %s", s->tenant->name,
                               text);
        (void)notes_set(s->output->tenants, s->tenant, ABOUT, "%s", text);
}

void say_works(Store *s, Said what) {
        if (s->said != what || (what == SAID_FLOOR && tq_clock_monotonic_usec() < s->floor_until))
                return;
        s->said = SAID_NOTHING;
        notes_clear(s->output->tenants, s->tenant, ABOUT);
}

void say_floor(Output *o) {
        char available[TQ_FORMAT_MAX], size[TQ_FORMAT_MAX];

        (void)tq_format_size(o->space.available, 1024, available, sizeof(available));
        (void)tq_format_size(o->space.size, 1024, size, sizeof(size));
        if (o->is_low)
                tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_OUTPUT_LOST },
                             "%s has %s free of %s, less than output_floor: the output of jobs is "
                             "dropped until there is room",
                             o->host->config.logs, available, size);
        else
                tq_log(LOG_NOTICE, "%s has %s free of %s: the output of jobs is kept again",
                       o->host->config.logs, available, size);
}
