/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/verbs.h"

#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"

const Verb verbs[] = {
        { "submit", 1, -1, BYTES,
          WITH(TENANT) | WITH(WAIT) | WITH(DRY_RUN) | WITH(TEST_ONLY) | WITH(JSON), "FILE…",
          "hand in job files or scripts (- for standard input)", verb_submit },
        { "run", 1, -1, BYTES,
          WITH(TENANT) | WITH(WAIT) | WITH(QUIET) | WITH(STDIN) | WITH(QUEUE) | WITH(NAME) |
                  WITH(ENV) | WITH(LABEL) | WITH(DIRECTORY) | WITH(LIMIT) | WITH(PROFILE) |
                  WITH(DRY_RUN) | WITH(TEST_ONLY) | WITH(JSON),
          "-- CMD [ARG…]", "run a command as a job; --wait: print its output until it ends",
          verb_run },
        { "ps", 0, 1, UTF8,
          WITH(ALL) | WITH(LINES) | WITH(TENANT) | WITH(STATE) | WITH(FAILED) | WITH(NAME) |
                  WITH(SINCE) | WITH(FILTER) | OPTIONS_TABLE,
          "[TENANT]", "list jobs that run or wait; -a: ended ones too", verb_ps },
        { "status", 0, 1, UTF8, WITH(LINES) | WITH(SPEC) | WITH(JSON) | WITH(NO_PAGER),
          "[JOB|TENANT]", "show a job, a tenant, or everything in short", verb_status },
        { "logs", 1, 1, UTF8, WITH(LINES) | WITH(FOLLOW), "JOB",
          "print a job's output, or its last lines; -f: follow it to the end", verb_logs },
        { "cancel", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "JOB|TARGET…",
          "end jobs: SIGTERM, then SIGKILL after TimeoutStopSec=; of a target all that wait or run",
          verb_cancel },
        { "abandon", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "JOB…",
          "give back the slot of a job that was told to stop and can't be removed", verb_abandon },
        { "wait", 1, -1, UTF8, WITH(JSON), "JOB…",
          "wait until jobs have ended; of one, exit with its code", verb_wait },
        { "requeue", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "JOB…",
          "stop a job that runs and begin it anew; of one that waits for a retry: at once",
          verb_requeue },
        { "rerun", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN) | WITH(JSON), "JOB…",
          "hand a job that has ended in again, byte for byte, as a new one", verb_rerun },
        { "lineage", 1, 1, UTF8, WITH(TENANT) | WITH(JSON), "JOB|NAME",
          "show what a job or a name came from and what came of it, as job files say",
          verb_lineage },
        { "dead list", 0, 1, UTF8, WITH(LINES) | WITH(TENANT) | OPTIONS_TABLE, "[TENANT[/QUEUE]]",
          "list dead letters: jobs that failed for good, the newest first", verb_dead_list },
        { "dead show", 1, 1, UTF8, WITH(JSON) | WITH(NO_PAGER), "JOB",
          "show a dead letter and its attempts", verb_dead_show },
        { "dead retry", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "JOB|TENANT[/QUEUE]…",
          "try dead letters again: the same jobs, with all their attempts anew", verb_dead_retry },
        { "dead purge", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "JOB|TENANT[/QUEUE]…",
          "take jobs out of the list; their history stays", verb_dead_purge },
        { "explain", 1, 1, UTF8, WITH(JSON), "JOB|KEY",
          "say all that a job waits for, and what would help; or what a key or reason means",
          verb_explain },
        { "queue", 0, 1, UTF8, WITH(TENANT) | OPTIONS_TABLE, "[TENANT]",
          "count the jobs that wait, by reason", verb_queue },
        { "hold", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "JOB|TARGET…",
          "keep jobs from starting; of a target (host, TENANT, TENANT/QUEUE) all that wait now",
          verb_hold },
        { "release", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "JOB|TARGET…", "let held jobs start",
          verb_release },
        { "pause", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "TARGET…",
          "start nothing there until it is resumed", verb_pause },
        { "drain", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "TARGET…",
          "take no new jobs there until it is resumed; those that wait still run", verb_drain },
        { "resume", 1, -1, UTF8, WITH(WHY) | WITH(DRY_RUN), "TARGET…", "end a pause and a drain",
          verb_resume },
        { "top", 0, 0, UTF8, WITH(BATCH) | WITH(LINES) | WITH(DELAY) | OPTIONS_TABLE, "",
          "show what tenants use of the host, again and again; h: its keys", verb_top },
        { "tenants", 0, 1, UTF8, WITH(TENANT) | OPTIONS_TABLE, "[TENANT]",
          "list tenants and what is wrong with them", verb_tenants },
        { "tenant remove", 1, 1, UTF8,
          WITH(DRY_RUN) | WITH(CANCEL) | WITH(ARCHIVE) | WITH(WHY) | WITH(CONFIG) | WITH(JSON),
          "TENANT",
          "remove a tenant with all that there is of it, once its jobs have ended; root only",
          verb_tenant_remove },
        { "tenant keep", 1, 1, UTF8, WITH(WHY) | WITH(DRY_RUN), "TENANT",
          "take a removal back, as long as nothing has been deleted", verb_tenant_keep },
        { "tenant rename", 2, 2, UTF8, WITH(DRY_RUN) | WITH(WHY) | WITH(CONFIG), "TENANT NEW",
          "give a tenant another name, with all that there is of it; root only",
          verb_tenant_rename },
        { "tenant chown", 2, 2, UTF8, WITH(DRY_RUN) | WITH(WHY) | WITH(CONFIG), "TENANT USER",
          "give a tenant another owner: the same tenant, with all that there is of it; root only",
          verb_tenant_chown },
        { "limits get", 1, 1, UTF8, OPTIONS_TABLE, "TENANT[/QUEUE]",
          "show the limits that hold, and where each comes from", verb_limits_get },
        { "limits set", 2, -1, UTF8, OPTIONS_CHANGE | WITH(FOR), "TENANT[/QUEUE]… KEY=VALUE…",
          "change limits, live", verb_limits_set },
        { "limits unset", 2, -1, UTF8, OPTIONS_CHANGE | WITH(FOR), "TENANT[/QUEUE] KEY…",
          "take changes back: the file's value or the default holds", verb_limits_unset },
        { "limits copy", 2, -1, UTF8, WITH(WHY) | WITH(DRY_RUN) | WITH(FORCE) | WITH(JSON),
          "TENANT TENANT…", "give other tenants the limits that the first one has",
          verb_limits_copy },
        { "limits history", 0, 1, UTF8, WITH(LINES) | OPTIONS_TABLE, "[TENANT]",
          "list changes of limits, by whom and why, the newest first", verb_limits_history },
        { "limits log", 0, 1, UTF8, WITH(LINES) | OPTIONS_TABLE, "[TENANT]",
          "the same as limits history", verb_limits_history },
        { "limits diff", 2, 3, UTF8, OPTIONS_TABLE, "TENANT REVISION [REVISION]",
          "say what was set at one revision and at another, or is now; exits with 1 if they differ",
          verb_limits_diff },
        { "limits rollback", 1, 1, UTF8, OPTIONS_CHANGE | WITH(TO), "TENANT",
          "set what was set at the revision --to, as a new one", verb_limits_rollback },
        { "limits verify", 0, 1, UTF8, OPTIONS_TABLE, "[TENANT]",
          "say where the kernel does not hold what it should; exits with 1 then",
          verb_limits_verify },
        { "policy export", 0, 1, UTF8, 0, "[TENANT]",
          "print the limits that hold of tenants, in the form that policy apply reads",
          verb_policy_export },
        { "policy check", 1, -1, BYTES, 0, "FILE…", "check such files without a daemon",
          verb_policy_check },
        { "policy plan", 1, 1, BYTES, WITH(FORCE) | WITH(JSON), "FILE",
          "say what such a file would change: exit 0: nothing, 1: that, 2: it is not valid",
          verb_policy_plan },
        { "policy apply", 1, 1, BYTES,
          WITH(WHY) | WITH(DRY_RUN) | WITH(FORCE) | WITH(WATCH) | WITH(JSON), "FILE",
          "make what it says of tenants hold, all of it or nothing", verb_policy_apply },
        { "policy history", 0, 0, UTF8, WITH(LINES) | OPTIONS_TABLE, "",
          "list what was applied, the newest first", verb_policy_history },
        { "policy show", 0, 1, UTF8, 0, "[VERSION]", "print what was applied", verb_policy_show },
        { "policy rollback", 0, 1, UTF8,
          WITH(TO) | WITH(WHY) | WITH(DRY_RUN) | WITH(FORCE) | WITH(JSON), "[TENANT]",
          "apply the version --to again, or what it says of one tenant", verb_policy_rollback },
        { "policy flag", 0, 2, UTF8, WITH(WHY) | WITH(DRY_RUN) | WITH(FORCE) | OPTIONS_TABLE,
          "[FLAG on|off]",
          "list the flags of the policy, or apply the changes of one and take them back",
          verb_policy_flag },
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
        { "events", 0, 0, UTF8,
          WITH(LINES) | WITH(FOLLOW) | WITH(SINCE) | WITH(TENANT) | WITH(KIND) | OPTIONS_TABLE, "",
          "list what was done, by whom and why, the newest first", verb_events },
        { "audit list", 0, 1, UTF8, WITH(LINES) | OPTIONS_TABLE, "[TENANT]",
          "list who changed what and why, the newest first", verb_audit_list },
        { "audit verify", 0, 1, BYTES, WITH(MARK) | WITH(JSON), "[FILE]",
          "say whether a row of that, in the ledger or such a file, was changed or removed",
          verb_audit_verify },
        { "export", 0, 0, UTF8, 0, "",
          "print all settings that hold now, in the form that simulate --tenants reads",
          verb_export },
        { "ledger backup", 1, 1, BYTES, 0, "FILE",
          "write a copy of the running daemon's ledger to a new file", verb_ledger_backup },
        { "ledger check", 0, 1, BYTES, WITH(JSON), "[FILE]",
          "say what is wrong with the ledger, a backup, or the ledger of a stopped daemon",
          verb_ledger_check },
        { "ledger export", 0, 1, BYTES, 0, "[FILE]",
          "print all that is in the ledger, or in such a file, as lines of JSON",
          verb_ledger_export },
        { "doctor", 0, 0, UTF8, WITH(CONFIG) | WITH(JSON), "",
          "say whether this host is fit, and what to mend", verb_doctor },
        { "selftest", 0, 0, UTF8, WITH(CONFIG), "",
          "run small jobs of a throw-away tenant that try to break out, and say what held",
          verb_selftest },
        { "reload", 0, 0, UTF8, WITH(WHY), "", "read the configuration files again", verb_reload },
        { "completion", 1, 1, UTF8, 0, "bash|zsh",
          "print what completes this command line in a shell", verb_completion },
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
