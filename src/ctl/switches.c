/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"

/* hold and release take numbers of jobs, or like pause, resume and drain a target: host, TENANT or
 * TENANT/QUEUE. */

static int hold_job(const Options *o, uint64_t job, bool hold) {
        CALL_CLEANUP Call c = {};
        int r;

        r = call_open(o, &c, "Hold");
        if (r != 0)
                return r;
        r = sd_bus_message_append(c.request, "tbs", job, (int)hold, o->why ? o->why : "");
        return r < 0 ? fail(TQ_EXIT_FAILURE, "%s", strerror(-r)) : call_send(&c);
}

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
        if (strcmp(word, "hold") == 0 || strcmp(word, "release") == 0)
                (void)printf("%s: %" PRIu64 " jobs %s\n", target, n,
                             word[0] == 'h' ? "held" : "released");
        return 0;
}

static int each(const Options *o, int argc, char *argv[], const char *word, bool takes_jobs) {
        bool is_hold = strcmp(word, "hold") == 0;
        int result = 0;

        for (int i = 0; i < argc; i++) {
                uint64_t job;
                int r;

                if (takes_jobs && tq_parse_u64_in(argv[i], 1, INT64_MAX, &job) >= 0)
                        r = hold_job(o, job, is_hold);
                else
                        r = switch_target(o, argv[i], word);
                if (r != 0)
                        result = r;
        }
        return result;
}

int verb_hold(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "hold", true);
}

int verb_release(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "release", true);
}

int verb_pause(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "pause", false);
}

int verb_resume(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "resume", false);
}

int verb_drain(const Options *o, int argc, char *argv[]) {
        return each(o, argc, argv, "drain", false);
}
