/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* cancel, hold and release take numbers of jobs, or like pause, resume and drain a target: host,
 * TENANT or TENANT/QUEUE. */

static int hold_job(const Options *o, uint64_t job, bool hold) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "Hold");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "tbs", job, (int)hold, o->why ? o->why : "");
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_send(&c);
}

static int about_job(const Options *o, uint64_t job, const char *method) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, method);
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "t", job);
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_send(&c);
}

/* What is said of all jobs of a target, and how many there were. */
static const struct {
        const char *word, *done;
} masses[] = { { "hold", "held" }, { "release", "released" }, { "cancel", "cancelled" } };

static int switch_target(const Options *o, const char *target, const char *word) {
        CALL_CLEANUP Call c = {};
        uint64_t n = 0;
        int r;

        r = call_open(o, &c, "Switch");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "sss", target, word, o->why ? o->why : "");
        r = r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_send(&c);
        if (r != 0)
                return r;
        if (sd_bus_message_read(c.reply, "t", &n) < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
        for (size_t i = 0; i < TQ_ELEMENTSOF(masses); i++)
                if (strcmp(masses[i].word, word) == 0)
                        (void)printf("%s: %" PRIu64 " job%s %s\n", target, n, n == 1 ? "" : "s",
                                     masses[i].done);
        return 0;
}

static int one_job(const Options *o, const char *number, const char *word) {
        uint64_t job;
        int r = parse_job(number, &job);

        if (r != 0)
                return r;
        if (strcmp(word, "cancel") == 0)
                return about_job(o, job, "Cancel");
        if (strcmp(word, "abandon") == 0)
                return about_job(o, job, "Abandon");
        return hold_job(o, job, strcmp(word, "hold") == 0);
}

typedef enum Takes { JOBS = 1, TARGETS = 2 } Takes;

static int each(const Options *o, int argc, char *argv[], const char *word, unsigned takes) {
        int result = 0;

        for (int i = 0; i < argc; i++) {
                /* No tenant is called by digits alone, or begins with a sign. */
                bool is_number =
                        argv[i][strspn(argv[i], "0123456789")] == '\0' || strchr("-+", argv[i][0]);
                int r = takes == JOBS || (is_number && takes & JOBS)
                                ? one_job(o, argv[i], word)
                                : switch_target(o, argv[i], word);

                if (r != 0)
                        result = r;
        }
        return result;
}

int verb_cancel(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "cancel", JOBS | TARGETS);
}

int verb_abandon(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "abandon", JOBS);
}

int verb_hold(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "hold", JOBS | TARGETS);
}

int verb_release(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "release", JOBS | TARGETS);
}

int verb_pause(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "pause", TARGETS);
}

int verb_resume(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "resume", TARGETS);
}

int verb_drain(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "drain", TARGETS);
}
