/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "ctl/options.h"

/* Of the arguments: what goes to the daemon as text, or names of files and words of a command. */
typedef enum Encoding { UTF8, BYTES } Encoding;

/* What tenantqctl can be told to do: a row, and a small file with its function, which returns an
 * exit code. */
typedef struct Verb {
        const char *name;       /* one word or two */
        int min_args, max_args; /* max -1: any number */
        Encoding encoding;
        OptionSet options;
        const char *args; /* as the usage says them; also what is completed */
        const char *help;
        int (*run)(const Options *o, int argc, char *argv[]);
} Verb;

extern const Verb verbs[];
extern const size_t n_verbs;

/* The verb of a first word, with the first of its arguments if there are several such; NULL: none,
 * and it is said. */
const Verb *verbs_find(const char *word, const char *argument);

/* usage.c: "[-t TENANT] FILE"; of a verb, of all; a script for bash(1). */
void usage_format(const Verb *v, char *buf, size_t size);
/* Of those that begin with these words; false: there are none. */
bool usage_print_verbs(const char *word, const char *argument);
void usage_print(FILE *f);

int verb_submit(const Options *o, int argc, char *argv[]);
int verb_run(const Options *o, int argc, char *argv[]);
int verb_ps(const Options *o, int argc, char *argv[]);
int verb_status(const Options *o, int argc, char *argv[]);
int verb_logs(const Options *o, int argc, char *argv[]);
int verb_abandon(const Options *o, int argc, char *argv[]);
int verb_cancel(const Options *o, int argc, char *argv[]);
int verb_wait(const Options *o, int argc, char *argv[]);
int verb_lineage(const Options *o, int argc, char *argv[]);
int verb_dead_list(const Options *o, int argc, char *argv[]);
int verb_dead_show(const Options *o, int argc, char *argv[]);
int verb_dead_retry(const Options *o, int argc, char *argv[]);
int verb_dead_purge(const Options *o, int argc, char *argv[]);
int verb_requeue(const Options *o, int argc, char *argv[]);
int verb_rerun(const Options *o, int argc, char *argv[]);
int verb_events(const Options *o, int argc, char *argv[]);
int verb_export(const Options *o, int argc, char *argv[]);
int verb_tenant_chown(const Options *o, int argc, char *argv[]);
int verb_tenant_keep(const Options *o, int argc, char *argv[]);
int verb_tenant_remove(const Options *o, int argc, char *argv[]);
int verb_tenant_rename(const Options *o, int argc, char *argv[]);
int verb_ledger_backup(const Options *o, int argc, char *argv[]);
int verb_ledger_check(const Options *o, int argc, char *argv[]);
int verb_ledger_export(const Options *o, int argc, char *argv[]);
int verb_top(const Options *o, int argc, char *argv[]);
int verb_tenants(const Options *o, int argc, char *argv[]);
int verb_limits_get(const Options *o, int argc, char *argv[]);
int verb_limits_set(const Options *o, int argc, char *argv[]);
int verb_limits_unset(const Options *o, int argc, char *argv[]);
int verb_limits_copy(const Options *o, int argc, char *argv[]);
int verb_limits_diff(const Options *o, int argc, char *argv[]);
int verb_limits_history(const Options *o, int argc, char *argv[]);
int verb_limits_rollback(const Options *o, int argc, char *argv[]);
int verb_limits_verify(const Options *o, int argc, char *argv[]);
int verb_audit_list(const Options *o, int argc, char *argv[]);
int verb_audit_verify(const Options *o, int argc, char *argv[]);
int verb_validate(const Options *o, int argc, char *argv[]);
int verb_explain(const Options *o, int argc, char *argv[]);
int verb_queue(const Options *o, int argc, char *argv[]);
int verb_hold(const Options *o, int argc, char *argv[]);
int verb_release(const Options *o, int argc, char *argv[]);
int verb_pause(const Options *o, int argc, char *argv[]);
int verb_resume(const Options *o, int argc, char *argv[]);
int verb_drain(const Options *o, int argc, char *argv[]);
int verb_policy_apply(const Options *o, int argc, char *argv[]);
int verb_policy_check(const Options *o, int argc, char *argv[]);
int verb_policy_flag(const Options *o, int argc, char *argv[]);
int verb_policy_export(const Options *o, int argc, char *argv[]);
int verb_policy_history(const Options *o, int argc, char *argv[]);
int verb_policy_plan(const Options *o, int argc, char *argv[]);
int verb_policy_rollback(const Options *o, int argc, char *argv[]);
int verb_policy_show(const Options *o, int argc, char *argv[]);
int verb_simulate(const Options *o, int argc, char *argv[]);
int verb_profile_list(const Options *o, int argc, char *argv[]);
int verb_profile_show(const Options *o, int argc, char *argv[]);
int verb_profile_check(const Options *o, int argc, char *argv[]);
int verb_profile_learn(const Options *o, int argc, char *argv[]);
int verb_doctor(const Options *o, int argc, char *argv[]);
int verb_selftest(const Options *o, int argc, char *argv[]);
int verb_reload(const Options *o, int argc, char *argv[]);
int verb_completion(const Options *o, int argc, char *argv[]);
