/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* cancel, hold and release take numbers of jobs, or like pause, resume and drain a target: host,
 * TENANT or TENANT/QUEUE. */

static const struct {
        const char *word;
        const char *method; /* about one job; NULL: there is none */
        const char *done;   /* what is said of jobs */
} words[] = {
        { "cancel", "Cancel", "cancelled" },  { "abandon", "Abandon", "given up" },
        { "hold", "Hold", "held" },           { "release", "Hold", "released" },
        { "requeue", "Requeue", "requeued" }, { "pause", NULL, "paused" },
        { "resume", NULL, "resumed" },        { "drain", NULL, "drained" },
};

static int one_job(const Options *o, const char *number, size_t word) {
        const char *method = words[word].method;
        CALL_CLEANUP Call c = {};
        uint64_t job;
        int r = parse_job(number, &job);

        if (r == 0)
                r = call_open(o, &c, method);
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "t", job);
        if (r >= 0 && strcmp(method, "Hold") == 0)
                r = sd_bus_message_append(c.request, "b",
                                          (int)(strcmp(words[word].word, "hold") == 0));
        if (r >= 0)
                r = call_append_intent(&c);
        r = r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_send(&c);
        if (r == 0 && o->dry_run)
                (void)printf("job %" PRIu64 ": would be %s\n", job, words[word].done);
        return r;
}

static void say(const Options *o, const char *target, size_t word, uint64_t n) {
        bool is_mass = words[word].method;

        if (is_mass)
                (void)printf("%s: %" PRIu64 " job%s %s%s\n", target, n, n == 1 ? "" : "s",
                             o->dry_run ? "would be " : "", words[word].done);
        else if (o->dry_run)
                (void)printf("%s: would be %s; %" PRIu64 " job%s there now\n", target,
                             words[word].done, n, n == 1 ? " waits" : "s wait");
}

static int switch_target(const Options *o, const char *target, size_t word) {
        CALL_CLEANUP Call c = {};
        uint64_t n = 0;
        int r;

        r = call_open(o, &c, "Switch");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "ss", target, words[word].word);
        if (r >= 0)
                r = call_append_intent(&c);
        r = r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_send(&c);
        if (r != 0)
                return r;
        if (sd_bus_message_read(c.reply, "t", &n) < 0)
                return fail(TQ_EXIT_FAILURE, "the daemon's answer can't be read");
        say(o, target, word, n);
        return 0;
}

typedef enum Takes { JOBS = 1, TARGETS = 2 } Takes;

static int each(const Options *o, int argc, char *argv[], const char *name, unsigned takes) {
        size_t word = 0;
        int result = 0;

        while (strcmp(words[word].word, name) != 0)
                word++;
        for (int i = 0; i < argc; i++) {
                int r = takes == JOBS || (is_job(argv[i]) && takes & JOBS)
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

int verb_requeue(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "requeue", JOBS);
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
