/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/learned.h"
#include "ctl/profile.h"
#include "ctl/verbs.h"
#include "ctl/wait.h"

/* Two jobs: one that shows whether the tenant is audited, since without that nothing would be seen
 * and the profile would be wrong; then the command. Both of them run under the profile that is to
 * be completed. */

/* unshare(1) without options: a call that no profile allows, with flags that ask for nothing. */
#define PROBE "/usr/bin/unshare"

static int ask_events(Call *c, void *userdata, uint64_t from, uint32_t rows) {
        (void)userdata;
        return sd_bus_message_append(c->request, "tu", from, rows);
}

/* Who may not see what was noted is told so before anything runs. */
static int check_rights(const Options *o) {
        TQ_TABLE_CLEANUP TqTable t = {};

        return call_pages(o, "ListEvents", ask_events, NULL, 1, &t);
}

/* What the daemon noted of the job: names, separated by blanks; NULL: it made no other call. */
static int find_calls(const Options *o, uint64_t job, char **ret) {
        TQ_TABLE_CLEANUP TqTable t = {};
        int r = call_pages(o, "ListEvents", ask_events, NULL, 1000, &t);

        for (size_t i = 0; r == 0 && i < t.n_rows; i++) {
                const char *kind = tq_table_text(&t, i, "kind");

                if ((uint64_t)tq_table_integer(&t, i, "job", 0) != job || !kind ||
                    strcmp(kind, "audit") != 0)
                        continue;
                *ret = strdup(tq_table_text(&t, i, "text"));
                return *ret ? 0 : fail(TQ_EXIT_FAILURE, "out of memory");
        }
        return r;
}

static int run(const Options *o, int argc, char *argv[], uint64_t *ret_job, TqTable *ret) {
        int r = run_submit(o, argc, argv, ret_job);

        if (r != 0)
                return r;
        (void)fprintf(stderr, "job %" PRIu64 "\n", *ret_job);
        return wait_for_job(o, *ret_job, true, ret);
}

static int check_audit(const Options *o) {
        char probe[] = PROBE, payload[] = "/bin/true", *argv[] = { probe, payload, NULL };
        TQ_TABLE_CLEANUP TqTable ended = {};
        const char *verdict, *tenant, *outcome;
        uint64_t job;
        int r = run(o, 2, argv, &job, &ended);

        if (r != 0)
                return r;
        verdict = tq_table_text(&ended, 0, "verdict");
        outcome = tq_table_text(&ended, 0, "outcome");
        tenant = tq_table_text(&ended, 0, "tenant");
        if (strcmp(verdict, "exit 0") == 0)
                return 0;
        if (strcmp(outcome, "seccomp") != 0 && strcmp(verdict, "exit 1") != 0)
                return fail(TQ_EXIT_FAILURE,
                            "job %" PRIu64 ", which tries whether %s is audited: %s", job, tenant,
                            verdict);
        return fail(TQ_EXIT_REFUSED,
                    "%s has not audit=yes: put it into tenants.d/%s.conf, systemctl reload tenantq",
                    tenant, tenant);
}

/* The job has ended well: what came of it. */
static int print_learned(const Options *o, const char *base, uint64_t job, const char *command) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TQ_FREE char *calls = NULL;
        int r = find_calls(o, job, &calls), left_out;

        if (r != 0)
                return r;
        left_out = learned_format(o->profile, base, calls ? calls : "", command, &text);
        if (left_out < 0 || !tq_buffer_string(&text))
                return fail(TQ_EXIT_FAILURE, "out of memory");
        (void)fputs(text.data, stdout);
        if (left_out > 0)
                (void)fail(0, "%d calls of it are not allowed: see the comments", left_out);
        return 0;
}

int verb_profile_learn(const Options *o, int argc, char *argv[]) {
        TQ_TABLE_CLEANUP TqTable ended = {};
        TQ_BUFFER_CLEANUP TqBuffer base = {};
        const char *dir, *verdict;
        Options with = *o;
        uint64_t job;
        int r;

        if (!with.profile)
                with.profile = tq_profile_rank_to_string(TQ_RANK_STRICT);
        r = profile_read(with.profile, &base, &dir);
        if (r == 0)
                r = check_rights(&with);
        if (r == 0)
                r = check_audit(&with);
        if (r == 0)
                r = run(&with, argc, argv, &job, &ended);
        if (r != 0)
                return r;
        verdict = tq_table_text(&ended, 0, "verdict");
        (void)fprintf(stderr, "job %" PRIu64 ": %s\n", job, verdict);
        if (strcmp(verdict, "exit 0") != 0)
                return fail(TQ_EXIT_FAILURE,
                            "nothing is learned of a command that fails: it did not come to all "
                            "that it does");
        return print_learned(&with, base.data, job, argv[0]);
}
