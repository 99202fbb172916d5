/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/map.h"
#include "conf/hostfile.h"
#include "ipc/channel.h"
#include "kernel/filter.h"
#include "kernel/iodevice.h"
#include "kernel/procs.h"
#include "store/result.h"

/* tenantqd's state, shared by its files. Each field is changed by the file named beside it. */

#define PENDING_NAMES 64 /* file names kept from inotify for a tenant; more than that is a scan */
#define PARKED_NAMES                                                                               \
        64             /* files of full queues that are passed over; with more the tenant is full */
#define CLAIMS_MAX 256 /* claims that the engine has not answered yet */

typedef struct Tenant {
        uint32_t handle;
        char name[TQ_TENANT_NAME_MAX + 1];
        TqTenantConfig config;
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t n_groups;
        uid_t submitters[TQ_SUBMITTERS_MAX];
        size_t n_submitters;
        char user[64];
        char home[256];
        bool is_enabled; /* its directory is in order: tenants.c */
        bool is_gone;
        struct stat seen; /* its directory at the last check */
        char fault[TQ_MESSAGE_TEXT_MAX];
        int spool_fd, log_fd, slice_fd;
        int watch;                    /* inotify's, -1: none */
        bool is_applied;              /* its slice has its limits */
        char device[TQ_IODEVICE_MAX]; /* of its directory; empty: none */
        TqList all;
        /* spool.c */
        TqList turn; /* in the ring of tenants whose files are to be taken */
        char *pending[PENDING_NAMES];
        size_t n_pending;
        DIR *scan;
        char *parked[PARKED_NAMES]; /* files that are left where they are until TAKE */
        size_t n_parked;
        bool needs_scan;
        bool is_busy;        /* has a file that was still being written */
        bool is_full;        /* a limit refuses its files: they stay until the engine has room */
        bool has_claim;      /* with on_full=hold one claim at a time: each may have to go back */
        bool is_told_full;   /* rejected/ is full, and the journal has been told */
        unsigned n_rejected; /* files in rejected/, as far as we know */
} Tenant;

typedef struct Supervisor Supervisor;

typedef struct Attempt {
        Supervisor *supervisor;
        uint64_t job;
        unsigned attempt;
        Tenant *tenant;
        pid_t pid;
        int pidfd; /* -EBADF: adopted */
        int leaf_fd;
        int barrier_fd; /* closing it ends a launch that was not released */
        int slot;       /* of its result record; -1: none */
        bool is_orphan; /* at the barrier when its engine died: on its way out */
        bool has_status, was_released;
        int status_code, status; /* si_code and si_status of tenantq-exec */
        uint64_t released;       /* CLOCK_BOOTTIME usec */
        uint64_t slice_oom;      /* of the tenant's slice at the start */
        bool has_ended;          /* waits for the engine's ACK only */
        TqEnd end;
        sd_event_source *exit_source;   /* pidfd */
        sd_event_source *events_source; /* cgroup.events, where there is nothing to wait for */
        int events_fd;
        sd_event_source *term_source; /* SIGTERM is being sent to its processes */
        TqProcs *term_procs;
} Attempt;

typedef struct Claim {
        uint64_t number;
        Tenant *tenant;
        char name[NAME_MAX + 1];
} Claim;

struct Supervisor {
        sd_event *event;
        /* main.c, setup.c */
        int config_fd;
        TqHostConfig config;
        char helpers[PATH_MAX];
        uint8_t boot_id[16];
        int cgroup_fd, spool_fd, claims_fd, logs_fd, state_fd, results_fd, null_fd, helper_fd;
        int listen_fd, lock_fd;
        unsigned controllers;
        uid_t engine_uid, exec_uid;
        gid_t engine_gid, exec_gid, admin_gid;
        TqFilter job_filter, engine_filter;
        TqResultSlots *slots;
        uint64_t nofile_hard; /* of jobs: what we were given ourselves */
        bool reset_oom_score;
        bool is_stopping;
        bool is_ready;
        /* tenants.c */
        TqList tenants;
        TqMap handles; /* Tenant.handle → Tenant */
        uint32_t next_handle;
        /* spool.c */
        int inotify_fd;
        int top_watch;
        bool needs_top_scan;
        TqMap watches; /* inotify's number → Tenant */
        TqList turns;
        sd_event_source *inotify_source, *turn_source, *retry_source;
        uint64_t retry_usec, last_retry; /* delay; CLOCK_BOOTTIME */
        TqMap claims;                    /* number → Claim */
        uint64_t next_claim;
        /* launch.c, reap.c */
        TqMap attempts; /* job → Attempt */
        /* link.c */
        TqChannel *channel;
        pid_t engine_pid;
        int engine_pidfd;
        bool engine_has_greeted; /* it has read its ledger */
        bool stock_is_told;      /* from here on ends are told as they come */
        bool engine_is_ready;
        uint64_t engine_started;
        unsigned engine_failures;
        sd_event_source *engine_exit_source, *restart_source, *watchdog_source, *stop_source;
        uint64_t watchdog_usec;
        uint64_t ping, pong;
};

/* setup.c: opens everything; -errno with err. */
int setup_open(Supervisor *s, TqError *err);
/* What the configuration leaves open about the scheduler follows from the host. */
/* Whether the host can give pools their CPUs: -EBADMSG with err. */
int setup_check_pools(const Supervisor *s, const TqHostConfig *config, TqError *err);
void setup_policy(const TqHostConfig *config, TqHostPolicy *ret);
int setup_lookup_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);

/* tenants.c */
int tenants_scan(Supervisor *s);                     /* the top directory against the table */
void tenants_check(Supervisor *s, const char *name); /* one directory */
int tenants_reload(Supervisor *s, TqError *err); /* all files of root; nothing changes on failure */
void tenants_announce(Supervisor *s);            /* tells a new engine of all */
Tenant *tenants_find(Supervisor *s, uint32_t handle);
Tenant *tenants_get(Supervisor *s,
                    const char *name); /* makes one that has no directory, if need be */
int tenants_apply(Supervisor *s, Tenant *t, const TqLimits *limits, TqBuffer *ret_values,
                  TqError *err);
bool tenants_may_submit(const Tenant *t, uid_t uid);

/* spool.c */
int spool_start(Supervisor *s);
int spool_watch(Supervisor *s, Tenant *t);
void spool_unwatch(Supervisor *s, Tenant *t);
void spool_wake(Supervisor *s, Tenant *t, bool scan);
void spool_retry(Supervisor *s, Tenant *t);   /* a file of it is still being written */
void spool_continue(Supervisor *s);           /* the engine takes claims (again) */
void spool_take(Supervisor *s, Tenant *t);    /* a full tenant has room again */
void spool_park(Tenant *t, const char *name); /* left where it is until then */

/* claim.c: one file. Returns 1: a claim is with the engine; 0: nothing to do now (being written,
 * gone, refused); negative errno: the tenant's directory is not usable. */
int claim_file(Supervisor *s, Tenant *t, const char *name);
/* What an earlier engine did not answer: of all tenants, or of one that is in order again. */
int claim_redeliver(Supervisor *s, const Tenant *only);
void claim_done(Supervisor *s, uint64_t number, bool is_accepted, const char *reason);
void claim_put_back(Supervisor *s, uint64_t number, bool only_this); /* a limit refuses it */
Claim *claim_free(Claim *c);

/* reject.c: moves FROM/NAME below the tenant's rejected/ as `as` with a reason beside it.
 * reject_file tells the engine too, for refusals that are not its own. */
void reject_move(Tenant *t, int from_fd, const char *name, const char *as, const char *reason);
void reject_file(Supervisor *s, Tenant *t, int from_fd, const char *name, const char *as,
                 const char *reason);

/* launch.c */
void launch_start(Supervisor *s, const TqStartMessage *m, const char *body, size_t body_size);
void launch_release(Supervisor *s, uint64_t job, unsigned attempt);
int launch_engine(Supervisor *s, int channel_fd);

/* reap.c */
int reap_watch_exit(Supervisor *s, Attempt *a);
int reap_adopt(Supervisor *s, Attempt *a);
void reap_abort(Supervisor *s, uint64_t job, unsigned attempt);
void reap_term(Supervisor *s, uint64_t job, unsigned attempt);
void reap_kill(Supervisor *s, uint64_t job, unsigned attempt);
void reap_sample(Supervisor *s, uint64_t job, unsigned attempt);
void reap_acknowledge(Supervisor *s, uint64_t job, unsigned attempt);
Attempt *reap_free(Supervisor *s, Attempt *a);

/* inventory.c */
int inventory_take(Supervisor *s); /* at start: leaves and result records → attempts */
void inventory_tell(Supervisor *s);
void inventory_orphan(Supervisor *s); /* the engine is gone: nothing unreleased will be */
bool inventory_has_orphans(Supervisor *s);

/* link.c */
int link_start(Supervisor *s);
void link_stop(Supervisor *s);
void link_send(Supervisor *s, TqMessageType type, TqMessage *m, const void *blob, size_t size,
               int fd);
void link_take_stock(Supervisor *s); /* tells the engine everything, once no orphan is left */

/* report.c */
void report_error(const char *fmt, ...) TQ_PRINTF(1, 2);
void report_info(const char *fmt, ...) TQ_PRINTF(1, 2);
