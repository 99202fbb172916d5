/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/verbs.h"

#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"

const Verb verbs[] = {
        { "submit", 1, 1, BYTES, WITH(TENANT) | WITH(JSON), "FILE",
          "hand in a job file (- for standard input)", verb_submit },
        { "run", 1, -1, BYTES,
          WITH(TENANT) | WITH(WAIT) | WITH(QUEUE) | WITH(DIRECTORY) | WITH(LIMIT) | WITH(PROFILE) |
                  WITH(JSON),
          "-- CMD [ARG…]", "run a command as a job; --wait for its end and output", verb_run },
        { "ps", 0, 1, UTF8, WITH(ALL) | WITH(LINES) | WITH(TENANT) | OPTIONS_TABLE, "[TENANT]",
          "list jobs that wait or run; -a: ended ones too", verb_ps },
        { "status", 0, 1, UTF8, WITH(LINES) | WITH(JSON), "[JOB|TENANT]",
          "show a job, a tenant, or everything in short", verb_status },
        { "logs", 1, 1, UTF8, WITH(FOLLOW), "JOB", "print a job's output; -f: follow it to the end",
          verb_logs },
        { "cancel", 1, -1, UTF8, 0, "JOB|TARGET…",
          "end jobs: SIGTERM, then SIGKILL after TimeoutStopSec=; of a target all that wait or run",
          verb_cancel },
        { "abandon", 1, -1, UTF8, 0, "JOB…",
          "give back the slot of a job that was told to stop and can't be removed", verb_abandon },
        { "wait", 1, -1, UTF8, WITH(JSON), "JOB…",
          "wait until jobs have ended; of one, exit with its code", verb_wait },
        { "explain", 1, 1, UTF8, WITH(JSON), "JOB",
          "say all that a job waits for, who stands in the way and what would help", verb_explain },
        { "queue", 0, 1, UTF8, WITH(TENANT) | OPTIONS_TABLE, "[TENANT]",
          "count the jobs that wait, by reason", verb_queue },
        { "hold", 1, -1, UTF8, WITH(WHY), "JOB|TARGET…",
          "keep jobs from starting; of a target (host, TENANT, TENANT/QUEUE) all that wait now",
          verb_hold },
        { "release", 1, -1, UTF8, WITH(WHY), "JOB|TARGET…", "let held jobs start", verb_release },
        { "pause", 1, -1, UTF8, WITH(WHY), "TARGET…", "start nothing there until it is resumed",
          verb_pause },
        { "drain", 1, -1, UTF8, WITH(WHY), "TARGET…",
          "take no new jobs there until it is resumed; those that wait still run", verb_drain },
        { "resume", 1, -1, UTF8, WITH(WHY), "TARGET…", "end a pause and a drain", verb_resume },
        { "tenants", 0, 1, UTF8, WITH(TENANT) | OPTIONS_TABLE, "[TENANT]",
          "list tenants and what is wrong with them", verb_tenants },
        { "limits get", 1, 1, UTF8, OPTIONS_TABLE, "TENANT[/QUEUE]",
          "show the limits that hold, and where each comes from", verb_limits_get },
        { "limits set", 2, -1, UTF8, WITH(WHY) | WITH(JSON), "TENANT[/QUEUE] KEY=VALUE…",
          "change limits, live", verb_limits_set },
        { "limits unset", 2, -1, UTF8, WITH(WHY) | WITH(JSON), "TENANT[/QUEUE] KEY…",
          "take changes back: the file's value or the default holds", verb_limits_unset },
        { "simulate", 0, 0, BYTES,
          WITH(SWF) | WITH(WORKLOAD) | WITH(SINCE) | WITH(TENANT) | WITH(SLOTS) | WITH(POLICY) |
                  WITH(SET) | WITH(TENANTS) | WITH(SEED) | WITH(SVG) | WITH(JSON),
          "", "run a workload through the scheduler by a virtual clock; no daemon needed",
          verb_simulate },
        { "validate", 1, -1, BYTES, WITH(JSON), "FILE…", "check job files without a daemon",
          verb_validate },
        { "profile list", 0, 0, UTF8, OPTIONS_TABLE, "", "list the profiles that there are",
          verb_profile_list },
        { "profile show", 1, 1, UTF8, 0, "NAME",
          "print the text of a profile, or of the groups that they are made of",
          verb_profile_show },
        { "profile check", 1, 1, BYTES, 0, "FILE", "check the text of a profile",
          verb_profile_check },
        { "profile learn", 1, -1, BYTES, WITH(TENANT) | WITH(DIRECTORY) | WITH(PROFILE),
          "-- CMD [ARG…]",
          "run a command as a job of a tenant with audit=yes; print the profile that it needs",
          verb_profile_learn },
        { "events", 0, 0, UTF8, WITH(LINES) | OPTIONS_TABLE, "",
          "list what was done, by whom and why, the newest first", verb_events },
        { "export", 0, 0, UTF8, 0, "",
          "print all settings that hold now, in the form that simulate --tenants reads",
          verb_export },
        { "doctor", 0, 0, UTF8, WITH(CONFIG) | WITH(JSON), "",
          "say whether this host is fit, and what to mend", verb_doctor },
        { "selftest", 0, 0, UTF8, WITH(CONFIG), "",
          "run small jobs of a throw-away tenant that try to break out, and say what held",
          verb_selftest },
        { "reload", 0, 0, UTF8, 0, "", "read the configuration files again", verb_reload },
        { "completion", 1, 1, UTF8, 0, "bash", "print what completes this command line in a shell",
          verb_completion },
};
const size_t n_verbs = TQ_ELEMENTSOF(verbs);

/* The words that a verb may go on with, or NULL if it is whole: "get, set, unset". */
static const char *seconds(const char *word, char *buf, size_t size) {
        size_t n = strlen(word), used = 0;

        for (size_t i = 0; i < n_verbs; i++)
                if (strncmp(verbs[i].name, word, n) == 0 && verbs[i].name[n] == ' ' && used < size)
                        used += (size_t)snprintf(buf + used, size - used, "%s%s",
                                                 used > 0 ? ", " : "", verbs[i].name + n + 1);
        return used > 0 ? buf : NULL;
}

/* The first word of the nearest verb. */
static const char *nearest_of(const char *word, char *buf, size_t size) {
        char firsts[TQ_ELEMENTSOF(verbs)][32];
        const char *names[TQ_ELEMENTSOF(verbs)], *nearest;

        for (size_t i = 0; i < n_verbs; i++) {
                (void)snprintf(firsts[i], sizeof(firsts[i]), "%.*s",
                               (int)strcspn(verbs[i].name, " "), verbs[i].name);
                names[i] = firsts[i];
        }
        nearest = tq_parse_nearest(word, names, n_verbs);
        if (nearest)
                (void)snprintf(buf, size, "%s", nearest);
        return nearest ? buf : NULL;
}

static const Verb *find_second(const char *word, const char *argument, const char *expected) {
        char name[64];

        (void)snprintf(name, sizeof(name), "%s %s", word, argument ? argument : "");
        for (size_t i = 0; i < n_verbs; i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];
        (void)fail(TQ_EXIT_USAGE,
                   argument ? "%s %s: expected one of %s" : "%s%s: expected one of %s", word,
                   argument ? argument : "", expected);
        return NULL;
}

const Verb *verbs_find(const char *word, const char *argument) {
        const char *nearest, *expected;
        char buf[128];

        for (size_t i = 0; i < n_verbs; i++)
                if (strcmp(verbs[i].name, word) == 0)
                        return &verbs[i];
        expected = seconds(word, buf, sizeof(buf));
        if (expected)
                return find_second(word, argument, expected);
        nearest = nearest_of(word, buf, sizeof(buf));
        (void)fail(TQ_EXIT_USAGE, "unknown verb \"%s\"%s%s%s; see tenantqctl --help", word,
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
        return NULL;
}
