/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"
#include "core/sandbox.h"

/* What tenantq-exec is told: a sealed memory file, written by the supervisor and mapped read-only.
 * The header and the groups come from root's configuration, the filter from libseccomp; the body is
 * the tenant's (jobspec.h) and is only looked at by a process that has become the tenant. Offsets
 * count from the file's start. A new field goes to the end, with a new version. */

#define TQ_PLAN_MAGIC     UINT32_C(0x54715031) /* "TqP1" */
#define TQ_PLAN_VERSION   6
#define TQ_PLAN_RLIMITS   16
#define TQ_PLAN_KEEP_MAX  8
#define TQ_PLAN_SIZE_MAX  (512 * 1024)
#define TQ_PLAN_PATHS_MAX 256

typedef enum TqPlanMode {
        TQ_PLAN_JOB,      /* PID 1 of a namespace: supervises the payload and pumps its output */
        TQ_PLAN_LAUNCHER, /* forks others: kernel/launcher.h, whose socket is in `keep` */
        TQ_PLAN_SERVICE, /* becomes the program itself; keeps descriptors 0–2 and `keep` from 3 on
                          */
} TqPlanMode;

enum {
        TQ_PLAN_RESET_OOM_SCORE = 1 << 0, /* the supervisor's own protection is not the job's */
        TQ_PLAN_PRIVATE_NETWORK = 1 << 1, /* a loopback of the job's own */
        TQ_PLAN_AUDIT = 1 << 2,           /* calls that the filter tells of go on */
        TQ_PLAN_HAS_PATHS = 1 << 3,       /* the body has */
};

/* What becomes of a path of root's configuration. In the plan each is its kind, as one byte, and
 * the path, terminated. */
typedef enum TqPathKind {
        TQ_PATH_HIDDEN = 1, /* an empty directory, if it is one */
        TQ_PATH_HOME,       /* may be written, if it is there and is the payload's user's */
        TQ_PATH_READ_WRITE, /* as its modes say */
        TQ_PATH_READ_ONLY,  /* to be seen, though its surroundings are hidden */
        TQ_PATH_OPTIONAL,   /* the same, if it is there */
        TQ_PATH_DEVICE,     /* a node of /dev */
        TQ_PATH_RESOLV,     /* a file to be seen as /etc/resolv.conf, if there is one */
        _TQ_PATH_MAX,
} TqPathKind;

/* Said by tenantq-exec to its supervisor with a descriptor, of a mount namespace: what the tenant's
 * next job may join. */
typedef struct TqPlanTemplate {
        uint32_t tenant;
        uint32_t generation;
        uint32_t is_instead; /* of the one that the plan brought, which was out of date */
} TqPlanTemplate;

typedef struct TqPlanRlimit {
        uint32_t resource;
        uint32_t reserved;
        uint64_t soft, hard;
} TqPlanRlimit;

typedef struct TqPlan {
        uint32_t magic;
        uint32_t version;
        uint32_t size; /* of the whole file */
        uint32_t flags;
        uint32_t mode; /* TqPlanMode */
        uint32_t attempt;
        uint64_t job;
        uint32_t uid, gid;           /* the payload's */
        uint32_t exec_uid, exec_gid; /* of the process that watches over it */
        /* Descriptors that the helper inherits; -1: none. */
        int32_t result_fd, barrier_fd, out_fd, err_fd;
        uint32_t n_keep;
        int32_t keep[TQ_PLAN_KEEP_MAX];
        uint32_t n_rlimits;
        uint64_t log_max_bytes;
        uint8_t boot_id[16];
        TqPlanRlimit rlimits[TQ_PLAN_RLIMITS];
        uint32_t groups_offset, n_groups; /* gid_t each */
        uint32_t filter_offset, n_filter; /* struct sock_filter each */
        uint32_t body_offset, body_size;
        /* The sandbox of a job. Descriptors as above; mounts that are not there are made, and so is
         * the way out of a network. */
        int32_t mount_fd, network_fd;
        int32_t report_fd; /* to be told of what was made, with both numbers below */
        uint32_t tenant, generation;
        uint32_t network;                  /* TqNetwork */
        uint64_t tmp_bytes;                /* /tmp, /var/tmp and /dev/shm together */
        uint32_t paths_offset, paths_size; /* TqPathKind and path each */
        uint32_t watch_offset, n_watch;    /* the watching process's own filter */
        TqOutbound outbound;               /* of TQ_NETWORK_OUTBOUND */
        int32_t page_fd;                   /* store/logpage.h; -1: with no files, as above */
        int32_t in_fd; /* a socket that brings standard input; -1: there is none */
} TqPlan;

typedef struct TqPlanParts {
        const gid_t *groups;
        size_t n_groups;
        const struct sock_filter *filter;
        size_t n_filter;
        const void *body;
        size_t body_size;
        const char *paths;
        size_t paths_size;
        const struct sock_filter *watch;
        size_t n_watch;
} TqPlanParts;

/* Fills in the offsets of *plan, writes it and its parts into a sealed memory file and returns its
 * descriptor (O_CLOEXEC), or negative errno. */
int tq_plan_seal(TqPlan *plan, const TqPlanParts *parts);

/* Adds a path to those of a plan. It is absolute. */
void tq_plan_add_path(TqBuffer *paths, TqPathKind kind, const char *fmt, ...) TQ_PRINTF(3, 4);

/* Maps a plan and checks that it is sealed, of this version, and that every part lies inside.
 * 0 or negative errno; the mapping lives as long as the process. */
int tq_plan_map(int fd, const TqPlan **ret);

static inline const void *tq_plan_part(const TqPlan *plan, uint32_t offset) {
        return (const char *)plan + offset;
}

/* Takes the body apart: cuts it into working directory, argv, envp and paths inside `storage`, an
 * array of tq_plan_body_slots() pointers that the caller provides room for. -EBADMSG if it is not
 * well-formed. */
typedef struct TqPlanBody {
        const char *directory;
        char **argv;
        char **envp;
        char **paths; /* TqJobPath and path each */
} TqPlanBody;

/* How many, or 0: it is not well-formed. */
size_t tq_plan_body_slots(const void *body, size_t size);

int tq_plan_body(const void *body, size_t size, char **storage, size_t n_storage, TqPlanBody *ret);
