/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "conf/hostfile.h"
#include "conf/jobkeys.h"
#include "conf/policyfile.h"
#include "conf/retentionfile.h"
#include "core/kinds.h"
#include "core/reason.h"
#include "ctl/ctl.h"

/* What a word means that stands in a file, on the command line or in a list: from the tables that
 * the words are read by. */

static void print_limit(const TqKeyRow *row) {
        (void)printf("%s: %s\n  a limit of%s%s%s; expected %s%s\n", row->name, row->help,
                     row->scopes & TQ_SCOPE_TENANT ? " a tenant" : "",
                     row->scopes & TQ_SCOPE_QUEUE ? ", a queue" : "",
                     row->scopes & TQ_SCOPE_JOB ? ", a job" : "", tq_limits_expected(row->type),
                     row->has_max ? ", or max: no limit" : "");
        if (row->controller)
                (void)printf("  the kernel holds it: %s of the cgroup, controller %s\n",
                             row->attribute ? row->attribute : "io.max", row->controller);
        else
                (void)puts("  the scheduler holds it");
        (void)printf("  tenantqctl limits set TENANT %s%s=VALUE; tenantq.conf(5)\n", row->name,
                     row->has_device ? "[@DEVICE]" : "");
}

static bool explain_files(const char *word) {
        bool found = false;

        for (size_t i = 0; i < tq_jobfile_n_keys; i++) {
                const TqJobfileKey *k = &tq_jobfile_keys[i];

                if (strcasecmp(k->key, word) != 0)
                        continue;
                (void)printf("%s: %s\n  a key of [%s] of a job file%s; tenantq.job(5)\n", k->key,
                             k->help, k->section,
                             k->is_repeatable ? ", more than once if need be" : "");
                found = true;
        }
        for (size_t i = 0; i < tq_hostfile_n_keys; i++) {
                const TqHostKey *k = &tq_hostfile_keys[i];

                if (strcmp(k->key, word) != 0)
                        continue;
                (void)printf("%s: %s\n  a key of [%s] of %s; tenantq.conf(5)\n", k->key, k->help,
                             k->section,
                             strcmp(k->section, "tenant") == 0 ? "tenants.d/TENANT.conf"
                                                               : "tenantq.conf");
                found = true;
        }
        for (size_t i = 0; i < tq_policyfile_n_keys; i++)
                if (strcmp(tq_policyfile_keys[i].key, word) == 0) {
                        (void)printf("%s: %s\n  a key of [%s] of tenantq.conf; tenantq.conf(5)\n",
                                     word, tq_policyfile_keys[i].help,
                                     tq_policyfile_keys[i].section);
                        found = true;
                }
        for (size_t i = 0; i < tq_retentionfile_n_keys; i++)
                if (strcmp(tq_retentionfile_keys[i].key, word) == 0) {
                        (void)printf("%s: %s\n  a key of [history] of tenantq.conf; "
                                     "tenantq.conf(5)\n",
                                     word, tq_retentionfile_keys[i].help);
                        found = true;
                }
        return found;
}

static bool explain_lists(const char *word) {
        TqKind kind = tq_kinds_find(word);
        bool found = kind >= 0;

        if (found)
                (void)printf("%s: %s\n  a kind of tenantqctl events\n", word, tq_kinds[kind].help);
        for (int i = 0; i < _TQ_WAIT_MAX; i++)
                if (strcmp(tq_reason_waits[i].word, word) == 0) {
                        (void)printf("%s: %s\n  a reason for which a job waits; tenantq(7)\n", word,
                                     tq_reason_waits[i].help);
                        found = true;
                }
        return found;
}

int explain_key(const char *word) {
        char bare[TQ_DEVICE_MAX];
        TqKey key;
        const char *nearest;
        bool found;

        (void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(word, "@="), word);
        key = tq_limits_find(bare);
        if (key >= 0)
                print_limit(&tq_limits_keys[key]);
        found = explain_files(bare);
        found = explain_lists(bare) || found || key >= 0;
        if (found)
                return 0;
        nearest = tq_limits_nearest(bare);
        return fail(TQ_EXIT_NOT_FOUND,
                    "\"%s\" is neither a job's number nor a key, a reason or a kind of event%s%s%s",
                    word, nearest ? "; did you mean " : "", nearest ? nearest : "",
                    nearest ? "?" : "");
}
