/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/api/call.h"

/* The verbs, one file each. methods.c has decided that the caller may, and has read and found what
 * the call is about; what is left of the message is the verb's. Each returns 1 once the call is
 * answered or will be, or a negative errno, which is answered as such. */

int verb_abandon(Call *c);
int verb_backup(Call *c);
int verb_cancel(Call *c);
int verb_end_tenant(Call *c);
int verb_explain(Call *c);
int verb_export(Call *c);
int verb_get_job(Call *c);
int verb_get_limits(Call *c);
int verb_hold(Call *c);
int verb_keep_tenant(Call *c);
int verb_list_active(Call *c);
int verb_list_attempts(Call *c);
int verb_list_dead(Call *c);
int verb_list_events(Call *c);
int verb_list_audit(Call *c);
int verb_diff_limits(Call *c);
int verb_introduce(Call *c);
int verb_apply_policy(Call *c);
int verb_export_policy(Call *c);
int verb_list_policies(Call *c);
int verb_show_policy(Call *c);
int verb_stage_policy(Call *c);
int verb_rollback_limits(Call *c);
int verb_verify_limits(Call *c);
int verb_lineage_of_job(Call *c);
int verb_lineage_of_name(Call *c);
int verb_list_jobs(Call *c);
int verb_list_queued(Call *c);
int verb_list_pools(Call *c);
int verb_list_tenants(Call *c);
int verb_look_tenant(Call *c);
int verb_open_log(Call *c);
int verb_purge(Call *c);
int verb_queue(Call *c);
int verb_reload(Call *c);
int verb_requeue(Call *c);
int verb_rerun(Call *c);
int verb_revive(Call *c);
int verb_set_limits(Call *c);
int verb_submit(Call *c);
int verb_try_submit(Call *c);
int verb_switch(Call *c);
int verb_wait(Call *c);
int verb_wait_start(Call *c);
int verb_wait_news(Call *c);
int verb_wait_tenant(Call *c);
