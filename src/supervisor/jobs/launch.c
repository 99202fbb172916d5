/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/parse.h"
#include "kernel/cgroup.h"
#include "kernel/launcher.h"
#include "kernel/plan.h"
#include "supervisor/jobs/jobs_private.h"

/* From the engine's START to a process at its barrier. Who the job runs as, in which slice, under
 * which filter and with how much output comes from root's configuration; the engine names the
 * tenant, brings limits (which stand below the slice's) and the body, which is not looked at.
 *
 * A failure undoes what was done, in reverse, and is told with its stage. */

#define WATCHER_BYTES (UINT64_C(1) << 20) /* tenantq-exec, its stacks and page tables */

/* As systemd has them, whatever the host's are; what a cgroup bounds is not bounded here again
 * (tenantq.job(5)). */
static const TqPlanRlimit rlimits[] = {
        { RLIMIT_CPU, 0, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_FSIZE, 0, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_DATA, 0, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_STACK, 0, UINT64_C(8) << 20, RLIM_INFINITY },
        { RLIMIT_CORE, 0, 0, 0 },
        { RLIMIT_RSS, 0, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_NPROC, 0, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_NOFILE, 0, 1024, 524288 }, /* select(2) knows no more than 1024 */
        { RLIMIT_MEMLOCK, 0, UINT64_C(8) << 20, UINT64_C(8) << 20 },
        { RLIMIT_AS, 0, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_LOCKS, 0, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_SIGPENDING, 0, 65536, 65536 },
        { RLIMIT_MSGQUEUE, 0, 819200, 819200 },
        { RLIMIT_NICE, 0, 0, 0 },
        { RLIMIT_RTPRIO, 0, 0, 0 },
        { RLIMIT_RTTIME, 0, RLIM_INFINITY, RLIM_INFINITY },
};
_Static_assert(TQ_ELEMENTSOF(rlimits) <= TQ_PLAN_RLIMITS, "a plan has room for each");

/* Whether the job asks for what can't be had, now or later: a verdict. Everything else is the
 * host's trouble, and no job is burnt for that: it waits. */
static bool is_of_the_job(TqStage stage, int error) {
        static const int others[] = { ENOSPC, EBUSY, ENOENT };

        for (size_t i = 0; i < TQ_ELEMENTSOF(others); i++)
                if (error == -others[i])
                        return false;
        if (tq_errno_is_shortage(error))
                return false;
        return stage == TQ_STAGE_LIMITS || stage == TQ_STAGE_PLAN ||
               (stage == TQ_STAGE_SECCOMP && error == -EPERM);
}

/* What there is to say beyond stage and errno: empty if nothing. */
typedef struct Why {
        char text[TQ_MESSAGE_TEXT_MAX];
} Why;

static void say_why(TqError *err, int error, Tenant *t, const TqStartMessage *m, Why *ret) {
        (void)tq_error(err, error, "%s", strerror(-error)); /* if nothing else was said */
        (void)tq_error_format(err, ret->text, sizeof(ret->text));
        tenants_report(t, TQ_LOG_LAUNCH_FAILED, "job %" PRIu64 " of %s: %s", m->job, t->name,
                       ret->text);
}

static void start_failed(Jobs *j, const TqStartMessage *m, TqStage stage, int error,
                         const char *why) {
        TqMessage answer = {
                .attempt = { .job = m->job,
                             .attempt = m->attempt,
                             .tenant = m->tenant,
                             .stage = stage,
                             .error = -error,
                             .is_temporary = !is_of_the_job(stage, error) },
        };

        (void)tq_link_send(j->link, TQ_MESSAGE_START_FAILED, &answer, why, strlen(why), -EBADF);
}

/* A limit is the payload's; tenantq-exec is in the same cgroup, and gets what it needs besides. */
static void add_watcher(TqLimits *l, TqKey key, uint64_t needs) {
        if (tq_limits_has(l, key) && l->value[key] != TQ_LIMIT_MAX)
                l->value[key] = TQ_MIN(l->value[key] + needs, tq_limits_keys[key].max);
}

static int make_leaf(Jobs *j, Tenant *t, const TqStartMessage *m, int *ret_fd, TqStage *ret_stage,
                     Why *why) {
        TqAttr attrs[TQ_ATTRS_MAX];
        TqError err = {};
        char name[48];
        size_t n;
        int r;
        TqLimits limits = m->limits;

        *ret_stage = TQ_STAGE_LIMITS;
        add_watcher(&limits, TQ_KEY_PIDS, WATCHERS);
        add_watcher(&limits, TQ_KEY_MEMORY, WATCHER_BYTES);
        add_watcher(&limits, TQ_KEY_MEMORY_HIGH, WATCHER_BYTES);
        r = tq_cgroup_attrs(&limits, slices_controllers(j->slices), t->device[0] ? t->device : NULL,
                            false, attrs, &n, &err);
        if (r >= 0) {
                (void)tq_cgroup_leaf_name(m->job, m->attempt, name, sizeof(name));
                r = tq_cgroup_leaf_new(t->slice_fd, name, slices_controllers(j->slices), attrs, n,
                                       ret_fd, ret_stage, &err);
        }
        if (r < 0)
                say_why(&err, r, t, m, why);
        return r;
}

static void remove_leaf(Tenant *t, const TqStartMessage *m) {
        char name[48];

        (void)unlinkat(t->slice_fd, tq_cgroup_leaf_name(m->job, m->attempt, name, sizeof(name)),
                       AT_REMOVEDIR);
}

typedef struct Files {
        int result, barrier_read, barrier_write;
        int input; /* borrowed; negative: none */
        OutputFiles output;
} Files;

static void close_files(Files *f) {
        f->output.out = tq_close(f->output.out);
        f->output.err = tq_close(f->output.err);
        f->barrier_read = tq_close(f->barrier_read);
        f->barrier_write = tq_close(f->barrier_write);
}

/* The connection of who gives the job its input: only tenantq-exec reads there, and nothing is done
 * to it here. What else the engine might have open is not handed on. */
static int check_input(int fd) {
        int domain = 0, type = 0;
        socklen_t size = sizeof(int);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
                return tq_errno();
        return domain == AF_UNIX && type == SOCK_STREAM ? 0 : -EBADF;
}

static int open_files(Jobs *j, Attempt *a, const TqStartMessage *m, Files *f, TqStage *ret_stage) {
        int fds[2], r;

        *ret_stage = TQ_STAGE_PIPES;
        r = f->input >= 0 ? check_input(f->input) : 0;
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_LOG;
        r = output_make(j->output, a->tenant, m, false, &f->output);
        if (r == -ENOENT && tenants_mend_logs(j->tenants, a->tenant) >= 0)
                r = output_make(j->output, a->tenant, m, true, &f->output);
        if (r < 0)
                return r;
        a->has_output = true;
        *ret_stage = TQ_STAGE_PIPES;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return tq_errno();
        f->barrier_read = fds[0];
        f->barrier_write = fds[1];
        return 0;
}

/* Its pages are the job's memory: never all of it, nor of its tenant's. */
static uint64_t tmp_bytes(const Host *h, const Tenant *t, const TqLimits *limits) {
        uint64_t memory = tq_limits_get(limits, TQ_KEY_MEMORY, TQ_LIMIT_MAX);
        uint64_t tenants = TQ_LIMIT_MAX;
        char text[32];

        /* "max", and no such file, are no limit. */
        if (tq_fs_read_at(t->slice_fd, "memory.max", text, sizeof(text)) > 0) {
                text[strcspn(text, "\n")] = '\0';
                (void)tq_parse_u64(text, &tenants);
        }
        return TQ_MIN(TQ_MIN(memory, tenants), h->memory_bytes) / 2;
}

typedef struct Filters {
        const TqFilter *job, *watch;
} Filters;

/* The tenant's, or what the job asks for, as far as the tenant may: the engine has checked that
 * when the job came, and the configuration may be another one since. */
static int find_filters(const Host *h, const Tenant *t, const TqStartMessage *m, Filters *ret,
                        TqError *err) {
        const char *name = m->profile[0] ? m->profile : t->config.profile;
        const TqProfile *tenants = profiles_find(h->profiles, t->config.profile);
        int r;

        if (!tenants)
                return tq_error(err, -ENOENT, "there is no profile %s any more", t->config.profile);
        if (!tq_profile_permits(tenants->name, tenants->rank, name))
                return tq_error(err, -EPERM, "profile %s is more than the tenant's %s", name,
                                tenants->name);
        r = profiles_filter(h->profiles, name,
                            t->config.audit ? TQ_FILTER_AUDIT : TQ_FILTER_WATCHED, &ret->job, err);
        return r < 0 ? r : profiles_filter(h->profiles, "watch", TQ_FILTER_ALONE, &ret->watch, err);
}

/* With the numbers that descriptors have where it is read. */
static int seal_plan(const Host *h, const Tenant *t, const TqStartMessage *m, const Files *f,
                     const Template *template, const Filters *filters, const char *body,
                     size_t body_size, TqLaunch *launch) {
        TqPlan plan = {
                .flags = (h->reset_oom_score ? TQ_PLAN_RESET_OOM_SCORE : 0U) |
                         (m->private_network ? TQ_PLAN_PRIVATE_NETWORK : 0U) |
                         (m->has_paths ? TQ_PLAN_HAS_PATHS : 0U) |
                         (t->config.audit ? TQ_PLAN_AUDIT : 0U),
                .mode = TQ_PLAN_JOB,
                .attempt = m->attempt,
                .job = m->job,
                .uid = t->who.uid,
                .gid = t->who.gid,
                .exec_uid = h->users.exec_uid,
                .exec_gid = h->users.exec_gid,
                .result_fd = tq_launch_add(launch, f->result),
                .barrier_fd = tq_launch_add(launch, f->barrier_read),
                .out_fd = tq_launch_add(launch, f->output.out),
                .err_fd = tq_launch_add(launch, f->output.err),
                .page_fd = tq_launch_add(launch, f->output.page_fd),
                .in_fd = tq_launch_add(launch, f->input),
                .log_max_bytes = h->config.log_max_bytes,
                .n_rlimits = TQ_ELEMENTSOF(rlimits),
                .mount_fd = tq_launch_add(launch, template->mount_fd),
                .network_fd = tq_launch_add(launch, template->network_fd),
                .report_fd = tq_launch_add(launch, template->report_fd),
                .tenant = t->handle,
                .generation = template->generation,
                .network = (uint32_t)t->config.network,
                .outbound = h->config.outbound,
                .tmp_bytes = tmp_bytes(h, t, &m->limits),
        };

        memcpy(plan.rlimits, rlimits, sizeof(rlimits));

        memcpy(plan.boot_id, h->boot_id, sizeof(plan.boot_id));
        return tq_plan_seal(&plan, &(TqPlanParts){
                                           .groups = t->who.groups,
                                           .n_groups = t->who.n_groups,
                                           .filter = filters->job->code,
                                           .n_filter = filters->job->n,
                                           .watch = filters->watch->code,
                                           .n_watch = filters->watch->n,
                                           .body = body,
                                           .body_size = body_size,
                                           .paths = template->paths,
                                           .paths_size = template->paths_size,
                                   });
}

/* Everything from the result record to the process. On failure the caller undoes by attempt_free
 * and remove_leaf what *a and *f tell of. */
static int launch(Jobs *j, Tenant *t, const TqStartMessage *m, const char *body, size_t body_size,
                  Attempt *a, Files *f, TqStage *ret_stage, Why *why) {
        TQ_CLOSE int plan_fd = -EBADF;
        TqLaunch launch = { .flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS };
        bool is_fork;
        Template template;
        Filters filters;
        TqError err = {};
        int r;

        r = templates_get(j->templates, t, &template, ret_stage, &err);
        if (r >= 0) {
                *ret_stage = TQ_STAGE_SECCOMP;
                r = find_filters(j->host, t, m, &filters, &err);
        }
        if (r < 0) {
                say_why(&err, r, t, m, why);
                return r;
        }
        r = make_leaf(j, t, m, &a->leaf_fd, ret_stage, why);
        /* The slice itself has gone: its limits are written anew before anything starts there. */
        if (*ret_stage == TQ_STAGE_CGROUP && (r == -ENOENT || r == -ENODEV))
                tenants_lose_slice(j->tenants, t);
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_RESULT;
        a->slot = tq_result_slots_take(j->slots, m->job, m->attempt, j->host->boot_id, &f->result);
        if (a->slot == -ENOENT && own_mend(j->own) > 0)
                a->slot = tq_result_slots_take(j->slots, m->job, m->attempt, j->host->boot_id,
                                               &f->result);
        if (a->slot < 0)
                return a->slot;
        r = open_files(j, a, m, f, ret_stage);
        if (r < 0)
                return r;
        *ret_stage = TQ_STAGE_PLAN;
        plan_fd = seal_plan(j->host, t, m, f, &template, &filters, body, body_size, &launch);
        if (plan_fd < 0)
                return plan_fd;
        /* All that memory is needed for, while nothing runs yet. */
        r = tq_map_put(&j->attempts, a->job, a);
        if (r < 0)
                return r;
        launch.plan_fd = plan_fd;
        launch.cgroup_fd = a->leaf_fd;
        r = tq_launcher_launch(j->launcher, &launch, &a->pid, &a->pidfd, &is_fork);
        if (r < 0) {
                *ret_stage = is_fork ? TQ_STAGE_CLONE : TQ_STAGE_HELPER;
                return r;
        }
        a->barrier_fd = tq_take_fd(&f->barrier_write);
        *ret_stage = TQ_STAGE_HELPER;
        if (t->has_memory_high ||
            tq_limits_get(&m->limits, TQ_KEY_MEMORY_HIGH, TQ_LIMIT_MAX) != TQ_LIMIT_MAX)
                stall_watch(a, true);
        return reap_watch_exit(a);
}

static int check(const Jobs *j, const TqStartMessage *m, Tenant *t) {
        if (!t || !t->is_enabled || !t->is_applied || t->slice_fd < 0)
                return -EAGAIN;
        /* Decided for who it was before; the engine is told on the same way. */
        if (m->owner != t->owner)
                return -EAGAIN;
        /* Who it runs as may have changed since. What becomes of that, the engine is told first. */
        if (!tenants_verify(j->tenants, t) || m->owner != t->owner)
                return -EAGAIN;
        /* The previous attempt still has its cgroup or its record. */
        return attempt_find(j, m->job) ? -EBUSY : 0;
}

static void undo(Attempt *a, const TqStartMessage *m) {
        Tenant *t = a->tenant;
        bool had_leaf = a->leaf_fd >= 0;

        /* It ends when the tenant's limits let it: that is not waited for. */
        if (a->pidfd >= 0) {
                (void)pidfd_send_signal(a->pidfd, SIGKILL, NULL, 0); /* needs no descriptor */
                reap_abort(a);
                return;
        }
        if (a->slot >= 0)
                tq_result_slots_release(a->jobs->slots, (size_t)a->slot);
        if (a->has_output) {
                output_remove(a->jobs->output, t, m->job, m->attempt);
                output_ended(a->jobs->output, t, TQ_LOSS_NONE);
        }
        if (had_leaf)
                remove_leaf(t, m);
        (void)attempt_free(a);
}

static int on_start(void *userdata, const TqMessage *message, const char *blob, int *fd) {
        Files f = { -EBADF, -EBADF, -EBADF, *fd, { -EBADF, -EBADF, -EBADF } };
        const TqStartMessage *m = &message->start;
        TqStage stage = TQ_STAGE_TENANT;
        Jobs *j = userdata;
        Tenant *t = tenants_find(j->tenants, m->tenant);
        Attempt *a = NULL;
        Why why = {};
        int r;

        r = check(j, m, t);
        /* One that we had no descriptor free for: a job is not started with an empty input. */
        if (r >= 0 && m->has_input != (*fd >= 0))
                r = m->has_input ? -EMFILE : -EBADF;
        if (r >= 0) {
                stage = TQ_STAGE_RESULT;
                a = attempt_new(j, t, m->job, m->attempt);
                r = a ? 0 : -ENOMEM;
        }
        if (r < 0) {
                start_failed(j, m, stage, r, why.text);
                return 0;
        }
        if (slices_controllers(j->slices) & TQ_CONTROLLER_MEMORY)
                a->slice_oom = tq_cgroup_oom_events(t->slice_fd);
        r = launch(j, t, m, blob, message->header.blob_size, a, &f, &stage, &why);
        close_files(&f);
        if (r < 0) {
                undo(a, m);
                start_failed(j, m, stage, r, why.text);
                return 0;
        }
        (void)tq_link_send_attempt(j->link, TQ_MESSAGE_SPAWNED, m->tenant, m->job, m->attempt);
        return 0;
}

static int on_release(void *userdata, const TqMessage *m, const char *blob, int *fd) {
        Attempt *a = attempt_find(userdata, m->attempt.job);

        (void)blob;
        (void)fd;
        if (!a || a->attempt != m->attempt.attempt || a->barrier_fd < 0)
                return 0;
        a->released = tq_clock_boottime_usec();
        /* Without a reader it has ended already. Whether one has read this, its end asks. */
        a->was_released = write(a->barrier_fd, "", 1) == 1;
        if (a->was_released)
                a->released_fd = tq_take_fd(&a->barrier_fd);
        else
                a->barrier_fd =
                        tq_close(a->barrier_fd); /* whoever waits for it leaves, not begun */
        return 0;
}

void launch_listen(Jobs *j) {
        tq_link_on(j->link, TQ_MESSAGE_START, on_start, j);
        tq_link_on(j->link, TQ_MESSAGE_RELEASE, on_release, j);
}
