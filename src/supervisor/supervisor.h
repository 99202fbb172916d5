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
#include "store/joblog.h"
#include "store/result.h"

/* tenantqd's state, shared by its files. Each field is changed by the file named beside it. */

#define PENDING_NAMES 64 /* file names kept from inotify for a tenant; more than that is a scan */
#define PARKED_NAMES                                                                               \
        64             /* files of full queues that are passed over; with more the tenant is full */
#define WATCHERS   1   /* processes of ours in a job's cgroup */
#define CLAIMS_MAX 256 /* claims that the engine has not answered yet */

/* Who jobs run as: identity.c. */
typedef struct Identity {
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t n_groups;
        char user[64]; /* empty: the number has no name */
        char home[256];
} Identity;

/* A file that is tried again: later.c. */
typedef struct LaterFile {
        char *name;
        uint64_t at; /* CLOCK_BOOTTIME usec */
        uint64_t delay;
        bool is_due; /* it is on its way to be tried */
} LaterFile;
#define LATER_FILES 16 /* of a tenant; with more its directory is read again */

#define NOTES_MAX  8
#define NOTES_OURS "/" /* begins what a note is about when that is no file of the tenant's */
typedef struct Note Note;

typedef struct Tenant {
        uint32_t handle;
        uint32_t owner; /* counts those that `who` has been */
        char name[TQ_TENANT_NAME_MAX + 1];
        TqTenantConfig config;
        Identity who;
        uint64_t identity_seen, identity_usec; /* when the system was asked for it */
        uid_t submitters[TQ_SUBMITTERS_MAX];
        size_t n_submitters;
        struct stat seen; /* its directory at the last check */
        bool is_enabled;  /* its directory is in order: tenants.c */
        bool is_gone;
        bool is_configured;   /* config is that of the last start or reload */
        bool is_surroundings; /* its fault may pass without a change of its directory */
        bool is_unwatched;    /* nothing tells of new files: the directory is read each time */
        bool is_applied;      /* its slice has its limits */
        char fault[TQ_MESSAGE_TEXT_MAX];
        char note[TQ_MESSAGE_TEXT_MAX]; /* what waits for a hand, though it is in order: notes.c */
        Note *notes;                    /* each of it; NULL: there were none yet */
        size_t n_notes;
        uint64_t announced; /* a hash of what the engine was told last; 0: nothing */
        int spool_fd, log_fd, slice_fd;
        int watch;                    /* inotify's, -1: none */
        char device[TQ_IODEVICE_MAX]; /* of its directory; empty: none */
        TqList all;
        /* later.c */
        TqHeapNode due;
        uint64_t due_at, check_at, scan_at, scan_delay, checked; /* UINT64_MAX: not at all */
        LaterFile later[LATER_FILES];
        size_t n_later;
        /* spool.c */
        TqList turn; /* in the ring of tenants whose files are to be taken */
        char *pending[PENDING_NAMES];
        size_t n_pending;
        DIR *scan;
        char *parked[PARKED_NAMES]; /* files that are left where they are until TAKE */
        size_t n_parked;
        bool needs_scan;
        bool is_full;     /* a limit refuses its files: they stay until the engine has room */
        bool has_claim;   /* with on_full=hold one claim at a time: each may have to go back */
        unsigned n_lines; /* of the journal about it, since then */
        uint64_t lines_since;
        bool is_told;             /* that refused files can't be kept; the journal has been told */
        unsigned n_rejected;      /* files in rejected/, as far as we know */
        unsigned rejected_serial; /* of the last one whose name was taken */
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
        int barrier_fd;          /* closing it ends a launch that was not released */
        int slot;                /* of its result record; -1: none */
        bool is_of_earlier_boot; /* its record is */
        bool is_orphan;          /* at the barrier when its engine died: on its way out */
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
        sd_event_source *remove_source; /* its cgroup could not be removed: tried again */
        uint64_t remove_delay;
        bool is_stuck;     /* and that was said */
        bool has_counters; /* they were read once */
        bool is_aborted;   /* nothing of it was to run, or nobody knows it: it has no slot */
} Attempt;

typedef struct Claim {
        uint64_t number;
        Tenant *tenant;
        uint32_t owner; /* of the tenant when it was taken */
        char name[NAME_MAX + 1];
} Claim;

struct Supervisor {
        sd_event *event;
        /* main.c, setup.c */
        const char *config_dir;
        uint64_t overflow_said; /* boottime; 0: never */
        int config_fd;
        unsigned must_follow; /* by bit: was made again, and what hangs on it was not mended yet */
        TqHostConfig config;
        char helpers[PATH_MAX];
        uint8_t boot_id[16];
        int cgroup_fd, spool_fd, claims_fd, logs_fd, state_fd, results_fd, null_fd, helper_fd;
        int listen_fd, lock_fd, lock_dir_fd, run_fd;
        sd_event_source *own_sources[8], *mounts_source, *mend_source; /* watch what is ours */
        dev_t socket_device; /* of the control socket's name */
        ino_t socket_inode;
        unsigned controllers;
        uid_t engine_uid, exec_uid;
        gid_t engine_gid, exec_gid, admin_gid;
        TqFilter job_filter, engine_filter;
        TqResultSlots *slots;
        uint64_t nofile_hard; /* of jobs: what we were given ourselves */
        bool reset_oom_score;
        bool is_stopping;
        bool is_ready;
        bool mounts_have_changed, must_watch; /* setup.c */
        /* tenants.c */
        TqList tenants;
        TqMap handles; /* Tenant.handle → Tenant */
        TqMap names;   /* a hash of the name → the first Tenant that has it */
        /* identity.c */
        TqMap owners;        /* uid → Tenant */
        uint64_t identities; /* how often the user database has changed */
        /* later.c */
        TqHeap due;
        sd_event_source *due_source;
        uint32_t next_handle;
        /* spool.c */
        int inotify_fd;
        int top_watch;
        bool needs_top_scan;
        TqMap watches; /* inotify's number → Tenant */
        TqList turns;
        sd_event_source *inotify_source, *turn_source;
        bool is_told_watches;        /* that inotify is used up */
        sd_event_source *top_source; /* the directory of all is read again and again instead */
        TqMap claims;                /* number → Claim */
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
/* Those that are required are known, and among these bits. */
int setup_check_controllers(const TqHostConfig *config, unsigned available, TqError *err);
/* Whether the host can give pools their CPUs: -EBADMSG with err. */
int setup_check_pools(const Supervisor *s, const TqHostConfig *config, TqError *err);
/* What the configuration leaves open about the scheduler follows from the host. */
void setup_policy(const TqHostConfig *config, TqHostPolicy *ret);
/* What of our own directories has gone is made again. Returns how many; negative errno. */
int setup_mend(Supervisor *s);
/* The same of the cgroup below which all slices are: 1: it is another one now, without slices. */
int setup_mend_cgroup(Supervisor *s);
void setup_watch(Supervisor *s);
/* What the descriptor holds was removed or renamed, or something else has its name. */
bool setup_has_vanished(int fd, int dir_fd, const char *name);
void setup_mend_soon(Supervisor *s);
int setup_lookup_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);
int setup_lookup_users(Supervisor *s, TqError *err); /* those of tenantq.conf */

/* tenants.c */
int tenants_scan(Supervisor *s);                          /* the top directory against the table */
void tenants_check(Supervisor *s, const char *name);      /* one directory */
Tenant *tenants_by_name(Supervisor *s, const char *name); /* NULL */
int tenants_fault(Tenant *t, const char *fmt, ...) TQ_PRINTF(2, 3); /* notes it; -EPERM */
/* former_owner= of its file means that user. */
bool tenants_is_former(const Tenant *t, uid_t uid, const char *user);
void tenants_announce_one(Supervisor *s, Tenant *t); /* if there is anything new to say */
int tenants_reload(Supervisor *s, TqError *err); /* all files of root; nothing changes on failure */
void tenants_announce(Supervisor *s);            /* tells a new engine of all */
Tenant *tenants_find(Supervisor *s, uint32_t handle);
Tenant *tenants_get(Supervisor *s,
                    const char *name); /* makes one that has no directory, if need be */
int tenants_apply(Supervisor *s, Tenant *t, const TqLimits *limits, TqBuffer *ret_values,
                  TqError *err);
/* What it relies on has gone: noticed, made again or told as a fault. */
void tenants_lose_slice(Supervisor *s, Tenant *t);
int tenants_mend_logs(Supervisor *s, Tenant *t);
bool tenants_verify(Supervisor *s, Tenant *t); /* asks the system who it is; false: that changed */
bool tenants_may_submit(const Tenant *t, uid_t uid);

/* check.c: all files of tenants.d; those without a tenant are warned of. -EBADMSG with err: the
 * first that is wrong. spool_fd: -EBADF if there is none. */
typedef void (*CheckWarn)(const char *fmt, ...) TQ_PRINTF(1, 2);
/* check.c: what tenantq.conf says that a start would fail for. */
int check_host(const TqHostConfig *config, TqError *err);
int check_tenant_files(int config_fd, int spool_fd, const TqHostConfig *host, CheckWarn warn,
                       CheckWarn fault, TqError *err);
int check_main(const char *config); /* tenantqd --check: an exit code */

/* identity.c */
void identity_done(Identity *i);
int identity_find(Supervisor *s, Tenant *t, const struct stat *st); /* -EPERM with a fault */
void identity_release(Supervisor *s, Tenant *t); /* its user may be another tenant's */
bool identity_is_fresh(const Supervisor *s, const Tenant *t);
void identity_watch(Supervisor *s);

/* logs.c: the directory of a tenant's output */
int logs_open(Supervisor *s, Tenant *t); /* t->log_fd; negative errno, or -EPERM with a fault */
/* Who owns the output, as it was recorded; false: nobody. */
void logs_close(const Supervisor *s, const Tenant *t); /* to its user too */
bool logs_read_owner(const Supervisor *s, const Tenant *t, uid_t *ret_uid, char *ret_user,
                     size_t size);
/* Who owns the output, if that user is the same as then; TQ_UID_UNKNOWN and "": nobody known. */
uid_t logs_find_owner(const Supervisor *s, const Tenant *t, char *ret_user, size_t size);
int logs_open_output(Supervisor *s, Tenant *t, uint64_t job, unsigned attempt, TqStream stream);

/* later.c */
bool later_before(const TqHeapNode *a, const TqHeapNode *b);
void later_init(Tenant *t);
void later_drop(Supervisor *s, Tenant *t); /* what is due of its files */
void later_file(Supervisor *s, Tenant *t, const char *name);
void later_forget(Supervisor *s, Tenant *t, const char *name);
bool later_holds(Tenant *t, const char *name); /* it is not due yet */
void later_scan(Supervisor *s, Tenant *t);
void later_check(Supervisor *s, Tenant *t);
void later_recheck(Supervisor *s, Tenant *t); /* its surroundings, in some seconds */

/* notes.c: what a person must mend, said once: to the engine, which shows and records it */
/* Whether it stands, or stood before; false: there is no room for now. */
bool notes_set(Supervisor *s, Tenant *t, const char *file, const char *fmt, ...) TQ_PRINTF(4, 5);
void notes_clear(Supervisor *s, Tenant *t, const char *file);
void notes_clear_gone(Supervisor *s, Tenant *t); /* those of files that are not there any more */
void notes_drop_files(Tenant *t);                /* those of files; nobody is told yet */

/* spool.c */
int spool_start(Supervisor *s);
int spool_watch_top(Supervisor *s);
int spool_watch(Supervisor *s, Tenant *t);
void spool_unwatch(Supervisor *s, Tenant *t);
void spool_wake(Supervisor *s, Tenant *t, bool scan);
void spool_note(Supervisor *s, Tenant *t, const char *name); /* a file that may be taken */
void spool_continue(Supervisor *s);                          /* the engine takes claims (again) */
void spool_take(Supervisor *s, Tenant *t);                   /* a full tenant has room again */
void spool_park(Tenant *t, const char *name);                /* left where it is until then */

/* claim.c: one file. Returns 1: a claim is with the engine; 0: nothing more to do (gone, refused,
 * or somebody has to mend it); negative errno: later (-EAGAIN: it is being written). */
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
/* Keeps what running jobs have used, in case they and their cgroups are gone before the next
 * tenantqd comes: when the host is shut down they are. */
void reap_leave(Supervisor *s);
void reap_abandon(Supervisor *s, uint64_t job, unsigned attempt);
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
/* Gives the engine what was made again: TQ_DESCRIPTOR_*. */
void link_hand_over(Supervisor *s, uint64_t which, int fd);
void link_send(Supervisor *s, TqMessageType type, TqMessage *m, const void *blob, size_t size,
               int fd);
void link_take_stock(Supervisor *s); /* tells the engine everything, once no orphan is left */

/* report.c */
void report_error(const char *fmt, ...) TQ_PRINTF(1, 2);
void report_info(const char *fmt, ...) TQ_PRINTF(1, 2);
void report_tenant(Tenant *t, const char *fmt, ...) TQ_PRINTF(2, 3);
