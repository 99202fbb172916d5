/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/jobs/templates.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/format.h"
#include "base/map.h"
#include "kernel/netns.h"
#include "kernel/plan.h"
#include "supervisor/host/outbound.h"
#include "supervisor/jobs/paths.h"

/* The work of a launch does not depend on the number of tenants; what is kept does, so that only of
 * those that ran a job last, or run one, is it kept. A template is what its paths were when it was
 * built: whatever changes them, or the host's mounts, makes another generation. */

#define LOOKS         8 /* for one to drop, at each launch */
#define KEPT_LEAST    64
#define KEPT_SHARE    64 /* so much of the memory, at most, is for what is kept */
#define NETWORK_BYTES (UINT64_C(256) << 10) /* of the kernel's; 160 to 200 KiB were measured */
#define FILES_SHARE   8 /* of the descriptors that we may have: so many are for launches */

struct Templates {
        const Host *host;
        const Tenants *tenants;
        Outbound *outbound;
        TqMap entries; /* Tenant.handle → Entry */
        TqList kept;   /* those with descriptors; who was used last stands last */
        size_t n_kept;
        uint64_t files_most; /* descriptors in use: beyond it nothing is kept that is not used */
        Homes homes;
        int mountinfo_fd;  /* says when the host's are others */
        uint64_t mounts;   /* how often they were */
        int report_fds[2]; /* where launches say what they made, and where we hear it */
        sd_event_source *report_source;
};

typedef struct Entry {
        TqList kept;
        const Tenant *tenant;
        uint32_t generation;
        int mount_fd, network_fd;
        TqNetwork network;
        uint32_t owner; /* Tenant.owner */
        TqBuffer paths;
        uint64_t tenants, mounts; /* what was in force when they were written */
} Entry;

static void drop_mounts(Entry *e) {
        e->mount_fd = tq_close(e->mount_fd);
        e->generation++;
}

static void drop(Templates *ts, Entry *e) {
        drop_mounts(e);
        e->network_fd = tq_close(e->network_fd);
        if (!tq_list_is_empty(&e->kept)) {
                tq_list_unlink(&e->kept);
                ts->n_kept--;
        }
}

/* A network has an address, though nothing runs there: half of them are for others, since the
 * kernel takes its time to take a network down. */
static size_t kept_most(const Templates *ts) {
        uint64_t networks = tq_outbound_networks(&ts->host->config.outbound);
        uint64_t fit =
                TQ_MAX(ts->host->memory_bytes / KEPT_SHARE / NETWORK_BYTES, (uint64_t)KEPT_LEAST);

        return (size_t)TQ_MIN(fit, TQ_MAX(networks / 2, (uint64_t)1));
}

static void use(Templates *ts, Entry *e) {
        if (tq_list_is_empty(&e->kept))
                ts->n_kept++;
        else
                tq_list_unlink(&e->kept);
        tq_list_append(&ts->kept, &e->kept);
}

/* The lowest number that is free is about how many are in use. */
static bool are_files_scarce(const Templates *ts) {
        TQ_CLOSE int fd = fcntl(ts->mountinfo_fd, F_DUPFD_CLOEXEC, 0);

        return fd < 0 || (uint64_t)fd >= ts->files_most;
}

/* Not of a tenant that has jobs: they keep what they are in, and the next would be in another; nor
 * of the one that is about to. Some are looked at; they are not looked at again soon. */
static void drop_idle(Templates *ts, const Entry *used) {
        bool are_scarce = are_files_scarce(ts);

        for (int i = 0; i < LOOKS && (are_scarce || ts->n_kept > kept_most(ts)); i++) {
                Entry *e = TQ_LIST_ENTRY(tq_list_first(&ts->kept), Entry, kept);

                if (e == used || e->tenant->n_attempts > 0)
                        use(ts, e);
                else
                        drop(ts, e);
        }
}

static Entry *entry_of(Templates *ts, const Tenant *t) {
        Entry *e = tq_map_get(&ts->entries, t->handle);

        if (e)
                return e;
        e = calloc(1, sizeof(*e));
        if (!e)
                return NULL;
        e->tenant = t;
        e->mount_fd = e->network_fd = -EBADF;
        tq_list_init(&e->kept);
        if (tq_map_put(&ts->entries, t->handle, e) < 0) {
                free(e);
                return NULL;
        }
        return e;
}

bool templates_describe(const Templates *ts, const Tenant *t, uint32_t path, char *buf,
                        size_t size) {
        static const char *const keys[_TQ_PATH_MAX] = {
                [TQ_PATH_HIDDEN] = "what is hidden",       [TQ_PATH_HOME] = "the home",
                [TQ_PATH_READ_WRITE] = "read_write_paths", [TQ_PATH_READ_ONLY] = "read_only_paths",
                [TQ_PATH_OPTIONAL] = "read only",          [TQ_PATH_DEVICE] = "device_allow",
                [TQ_PATH_RESOLV] = "name servers",
        };
        const Entry *e = tq_map_get(&ts->entries, t->handle);
        const char *p = e ? e->paths.data : NULL, *end = p ? p + e->paths.size : NULL;
        char shown[384];

        for (; path > 1 && p < end; path--)
                p += strlen(p) + 1;
        if (path == 0 || !p || p >= end || *p <= 0 || *p >= _TQ_PATH_MAX)
                return false;
        (void)snprintf(buf, size, "%s: %s", keys[(int)*p],
                       tq_format_shown(p + 1, shown, sizeof(shown)));
        return true;
}

/* What the entries follow from has changed: the same as before, perhaps. */
static int write_again(Templates *ts, const Tenant *t, Entry *e, TqError *err) {
        TqBuffer paths = {};
        int r = paths_write(&ts->homes, ts->host, ts->tenants, t, &paths);

        if (r < 0) {
                tq_buffer_done(&paths);
                return r == -E2BIG
                               ? tq_error(err, r,
                                          "too many paths to hide and to grant: homes of tenants "
                                          "lie in more than 128 directories (name what is above "
                                          "them in hidden_paths= of tenantq.conf), or there are "
                                          "more than 256 paths in all")
                               : tq_error_errno(err, r, "paths");
        }
        if (e->network != t->config.network)
                drop(ts, e);
        else if (paths.size != e->paths.size || memcmp(paths.data, e->paths.data, paths.size) != 0)
                drop_mounts(e);
        tq_buffer_done(&e->paths);
        e->paths = paths;
        e->network = t->config.network;
        e->tenants = tenants_changes(ts->tenants);
        return 0;
}

/* poll(2) tells once of each change (proc(5), /proc/PID/mountinfo). Asked at each launch: an event
 * of the loop might come after the job that needs the new mount. */
static void look_at_mounts(Templates *ts) {
        struct pollfd p = { .fd = ts->mountinfo_fd, .events = POLLPRI };

        if (poll(&p, 1, 0) != 0)
                ts->mounts++;
}

/* Here, and not by the first job as the mounts are: jobs that start together would each have one of
 * their own, with as many addresses, and connections, for the tenant. It is empty: interfaces are
 * made by who enters it. */
static int make_network(Entry *e) {
        int fd = tq_netns_new();

        if (fd < 0)
                return fd;
        e->network_fd = fd;
        return 0;
}

int templates_get(Templates *ts, const Tenant *t, Template *ret, TqStage *ret_stage, TqError *err) {
        Entry *e = entry_of(ts, t);
        int r = e ? 0 : -ENOMEM;

        *ret_stage = TQ_STAGE_SANDBOX;
        /* What sockets of the former one's jobs have left behind is not for the next. */
        if (r >= 0 && e->owner != t->owner) {
                drop(ts, e);
                e->owner = t->owner;
        }
        if (r >= 0 && e->tenants != tenants_changes(ts->tenants))
                r = write_again(ts, t, e, err);
        if (r < 0)
                return r;
        use(ts, e);
        drop_idle(ts, e);
        *ret_stage = TQ_STAGE_NETWORK;
        if (t->config.network == TQ_NETWORK_OUTBOUND)
                r = outbound_ready(ts->outbound, err);
        if (r >= 0 && e->network_fd < 0 && t->config.network != TQ_NETWORK_HOST)
                r = make_network(e);
        if (r < 0)
                return r;
        look_at_mounts(ts);
        if (e->mounts != ts->mounts) {
                e->mounts = ts->mounts;
                drop_mounts(e);
        }
        *ret = (Template){
                .mount_fd = e->mount_fd,
                .network_fd = e->network_fd,
                .report_fd = ts->report_fds[1],
                .generation = e->generation,
                .paths = e->paths.data,
                .paths_size = e->paths.size,
        };
        return 0;
}

/* Of several that were made at the same time the first is kept. */
static void keep(Templates *ts, const TqPlanTemplate *said, int *fd) {
        Entry *e = tq_map_get(&ts->entries, said->tenant);

        if (!e || e->generation != said->generation || tq_list_is_empty(&e->kept) ||
            e->mounts != ts->mounts || (e->mount_fd >= 0 && !said->is_instead))
                return;
        (void)tq_close(e->mount_fd);
        e->mount_fd = tq_take_fd(fd);
}

static int on_report(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        TqPlanTemplate said = {};
        int made = -EBADF;
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(made))];
        } control;
        struct msghdr m = {
                .msg_iov = &(struct iovec){ &said, sizeof(said) },
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);

        (void)source;
        (void)revents;
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(sizeof(made)))
                memcpy(&made, CMSG_DATA(c), sizeof(made));
        if (n == sizeof(said) && made >= 0)
                keep(userdata, &said, &made);
        (void)tq_close(made);
        return 0;
}

int templates_new(sd_event *event, const Host *host, const Tenants *tenants, Templates **ret) {
        Templates *ts = calloc(1, sizeof(*ts));
        struct rlimit files = { .rlim_cur = RLIM_INFINITY };
        int r;

        if (!ts)
                return -ENOMEM;
        (void)getrlimit(RLIMIT_NOFILE, &files); /* main.c has raised it */
        *ts = (Templates){ .host = host,
                           .files_most = files.rlim_cur - files.rlim_cur / FILES_SHARE,
                           .tenants = tenants,
                           .mountinfo_fd = -EBADF,
                           .report_fds = { -EBADF, -EBADF } };
        tq_list_init(&ts->kept);
        ts->mountinfo_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        r = ts->mountinfo_fd < 0 ? tq_errno() : outbound_new(event, host, &ts->outbound);
        if (r >= 0)
                r = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ts->report_fds) < 0
                            ? tq_errno()
                            : sd_event_add_io(event, &ts->report_source, ts->report_fds[0], EPOLLIN,
                                              on_report, ts);
        if (r < 0) {
                (void)templates_free(ts);
                return r;
        }
        *ret = ts;
        return 0;
}

Templates *templates_free(Templates *ts) {
        size_t position = 0;
        Entry *e;

        if (!ts)
                return NULL;
        while ((e = tq_map_next(&ts->entries, &position))) {
                drop(ts, e);
                tq_buffer_done(&e->paths);
                free(e);
        }
        tq_map_done(&ts->entries);
        homes_done(&ts->homes);
        (void)outbound_free(ts->outbound);
        (void)sd_event_source_disable_unref(ts->report_source);
        (void)tq_close(ts->mountinfo_fd);
        (void)tq_close(ts->report_fds[0]);
        (void)tq_close(ts->report_fds[1]);
        free(ts);
        return NULL;
}
