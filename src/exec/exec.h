/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/verdict.h"
#include "kernel/plan.h"

/* What the files of tenantq-exec share. Each function returns 0 or negative errno. */

/* What the payload's process tells its parent when it fails; end of file without it means that the
 * payload runs. */
typedef struct Failure {
        uint32_t stage; /* TqStage */
        int32_t error;
} Failure;

/* launcher.c: returns in a process that was forked for a job, with its plan. NULL: it is over. */
const TqPlan *launcher_run(const TqPlan *own);

/* surroundings.c: what a process has, and gives up, all who are forked from it with it: what only
 * root may do, or needs to have done before. Nothing here depends on a tenant's bytes. */
int give_up_chances(void); /* to become more than it is by executing something */
int surroundings_reset(void);
/* And what each has to do for itself. */
int give_up_protection(const TqPlan *plan); /* the supervisor's own */
int surroundings_of_job(const TqPlan *plan);
int leave_hurry(void);
int set_rlimits(const TqPlan *plan);
int join_keyring(void);
int become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups);
/* Returns the descriptor to listen at, if flags ask for one. */
int install_filter(const TqPlan *plan, uint32_t offset, uint32_t n, unsigned flags);
void default_signals(void);
void unblock_signals(void);

/* sandbox.c, template.c: what a process sees */
int sandbox_enter(const TqPlan *plan, int *ret_tmp_fd); /* O_PATH: of the file system of /tmp */
int sandbox_enter_service(const TqPlan *plan);
int template_build(const TqPlan *plan);
/* Which of the plan's paths it failed for, from 1; 0: none. */
unsigned template_failed_path(void);
/* Where a template has what the plan names so. */
const char *template_place(TqPathKind kind, const char *path) TQ_PURE;

/* network.c: whom a process reaches */
int network_enter(const TqPlan *plan); /* the tenant's, joined or made */
int network_new(void);                 /* one with nothing but a loopback */
/* How often "unreachable" was met there, by whomever: for want of a route, or since somebody on the
 * way said so, as the own loopback does to who asks for a name where there is no name server. fd:
 * its /proc/PID/net/snmp; negative: 0. */
uint64_t network_unreachable(int fd);

/* dev.c. The host's pseudo devices, before they are out of sight, for who may not make nodes; the
 * caller closes. Then a directory "dev" below covers, bound to /dev. */
#define DEV_NODES 6
void dev_find(int ret[DEV_NODES]);
int dev_make(const char *covers, const int borrowed[DEV_NODES]);
/* mount_setattr(2): sets some. */
int mount_attributes(int fd, const char *path, unsigned flags, uint64_t set);

/* paths.c: what the job itself changes of that. tmp_fd: of sandbox_enter() */
int paths_apply(const TqPlan *plan, int tmp_fd);

/* payload.c. The body is the tenant's: only for a process that has become the tenant. */
int payload_parse(const TqPlan *plan, char ***ret_storage, TqPlanBody *ret); /* the caller frees */
int payload_execute(const TqPlan *plan, TqStage *ret_stage); /* returns on failure only */
_Noreturn void payload_run(const TqPlan *plan, const int stdio[3], int status_fd);

/* watch.c: as PID 1, from the fork to the record. Returns the exit status. */
int watch_job(const TqPlan *plan);
