/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/parse.h"
#include "core/ids.h"
#include "kernel/cgroup.h"
#include "supervisor/jobs/jobs_private.h"

/* Taking stock. What runs is what the kernel says: the job cgroups below the tenants' slices. What
 * ended while nobody looked is in the result records. Both become attempts, as if this process had
 * launched them, and the engine compares them with its ledger. The work is proportional to what
 * runs. */

/* Cuts a suffix off; false if it isn't there. */
static bool cut_suffix(const char *name, const char *suffix, char *ret, size_t size) {
        size_t n = strlen(name), m = strlen(suffix);

        if (n <= m || n - m >= size || strcmp(name + n - m, suffix) != 0)
                return false;
        memcpy(ret, name, n - m);
        ret[n - m] = '\0';
        return true;
}

/* "10482.1.job" */
static bool parse_leaf(const char *name, uint64_t *ret_job, unsigned *ret_attempt) {
        char text[64], *dot;
        uint64_t attempt;

        if (!cut_suffix(name, TQ_LEAF_SUFFIX, text, sizeof(text)) || !(dot = strchr(text, '.')))
                return false;
        *dot = '\0';
        if (tq_parse_u64_in(text, 1, TQ_JOB_MAX, ret_job) < 0 ||
            tq_parse_u64_in(dot + 1, 1, UINT32_MAX, &attempt) < 0)
                return false;
        *ret_attempt = (unsigned)attempt;
        return true;
}

static Attempt *attempt_ensure(Jobs *j, Tenant *t, uint64_t job, unsigned attempt) {
        Attempt *a = attempt_find(j, job);

        if (a)
                return a;
        a = attempt_new(j, t, job, attempt);
        if (a && tq_map_put(&j->attempts, job, a) < 0)
                a = attempt_free(a);
        return a;
}

typedef int (*EntryHandler)(Jobs *j, Tenant *t, int dir_fd, const char *name);

static int each_entry(Jobs *j, Tenant *t, int dir_fd, EntryHandler handler) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r = tq_fs_opendir(dir_fd, ".", &dir);

        while (r >= 0 && (r = tq_fs_readdir(dir, &e)) > 0)
                r = handler(j, t, dir_fd, e->d_name);
        return r;
}

static int list_leaf(Jobs *j, Tenant *t, int dir_fd, const char *name) {
        unsigned attempt;
        uint64_t job;
        Attempt *a;

        if (!parse_leaf(name, &job, &attempt))
                return 0;
        a = attempt_ensure(j, t, job, attempt);
        if (!a)
                return -ENOMEM;
        if (a->leaf_fd >= 0 || a->attempt != attempt)
                return 0;
        a->leaf_fd = tq_fs_open_dir(dir_fd, name);
        /* Gone since it was listed: it has ended. */
        return a->leaf_fd < 0 && a->leaf_fd != -ENOENT ? a->leaf_fd : 0;
}

static int list_slice(Jobs *j, Tenant *ignored, int dir_fd, const char *name) {
        char tenant[TQ_TENANT_NAME_MAX + 1];
        Tenant *t;

        (void)ignored;
        if (!cut_suffix(name, TQ_SLICE_SUFFIX, tenant, sizeof(tenant)) ||
            !tq_ids_tenant_is_valid(tenant))
                return 0;
        t = tenants_ensure(j->tenants, tenant);
        if (!t)
                return -ENOMEM;
        if (t->slice_fd < 0)
                t->slice_fd = tq_fs_open_dir(dir_fd, name);
        /* Not looked into, its jobs would be taken for ended. */
        if (t->slice_fd < 0)
                return t->slice_fd == -ENOENT || t->slice_fd == -ENOTDIR ? 0 : t->slice_fd;
        return each_entry(j, t, t->slice_fd, list_leaf);
}

/* Records: of a leaf that lives, or of a job whose leaf has gone. */
static int list_records(Jobs *j) {
        size_t position = 0;
        TqResult record;
        int slot;

        while ((slot = tq_result_slots_next(j->slots, &position, &record)) >= 0) {
                bool is_sane = record.job > 0 && record.job <= TQ_JOB_MAX && record.attempt > 0;
                Attempt *a = is_sane ? attempt_ensure(j, NULL, record.job, record.attempt) : NULL;

                if (!is_sane) {
                        tq_result_slots_release(j->slots, (size_t)slot);
                        continue;
                }
                if (!a)
                        return -ENOMEM;
                if (a->attempt == record.attempt && a->slot < 0) {
                        a->slot = slot;
                        a->is_of_earlier_boot =
                                memcmp(record.boot, j->host->boot_id, sizeof(record.boot)) != 0;
                } else
                        tq_result_slots_release(j->slots, (size_t)slot);
        }
        return slot == -ENOENT ? 0 : slot;
}

static int settle(Jobs *j, Attempt *a) {
        int r;

        if (a->leaf_fd >= 0) {
                /* What ran out before is not this process's to tell. */
                a->slice_oom = tq_cgroup_oom_events(a->tenant->slice_fd);
                stall_watch(a, false);
                output_adopted(j->output, a->tenant);
                a->has_output = true;
                reap_adopt(a);
                return 0;
        }
        r = a->slot >= 0 ? tq_result_slots_end(j->slots, (size_t)a->slot, &a->end) : 0;
        if (r < 0)
                return r;
        /* When the host is shut down, tenantqd is stopped before the jobs are: what they were sent
         * then says nothing about them. Those that were killed with who watches over them have no
         * record, but what they had used by then was kept when tenantqd left (jobs_leave()). */
        if (a->is_of_earlier_boot &&
            ((a->end.kind == TQ_END_SIGNALED &&
              (a->end.code == SIGTERM || a->end.code == SIGKILL)) ||
             (a->end.kind == TQ_END_UNKNOWN && a->end.counters.cpu_usec != TQ_UNKNOWN)))
                a->end.kind = TQ_END_INTERRUPTED;
        a->has_ended = true;
        return 0;
}

int jobs_take_stock(Jobs *j) {
        size_t position = 0;
        Attempt *a;
        int r;

        r = each_entry(j, NULL, slices_fd(j->slices), list_slice);
        if (r >= 0)
                r = list_records(j);
        /* What ends here is told by jobs_tell(). */
        while (r >= 0 && (a = tq_map_next(&j->attempts, &position)))
                r = settle(j, a);
        return r < 0 ? r : 0;
}

static void tell_one(Jobs *j, Attempt *a) {
        uint32_t tenant = a->tenant ? a->tenant->handle : 0;
        TqMessage m;

        if (a->has_ended) {
                m = (TqMessage){
                        .ended = { .job = a->job,
                                   .attempt = a->attempt,
                                   .tenant = tenant,
                                   .end = a->end },
                };
                (void)tq_link_send(j->link, TQ_MESSAGE_ENDED, &m, NULL, 0, -EBADF);
                return;
        }
        (void)tq_link_send_attempt(j->link, TQ_MESSAGE_ADOPTED, tenant, a->job, a->attempt);
        /* What the last one was told of it may not have been recorded. */
        if (a->leaf_fd >= 0 && a->tenant)
                stall_watch(a, false);
}

void jobs_tell(Jobs *j) {
        size_t position = 0;
        Attempt *a;

        j->is_told = true;
        while ((a = tq_map_next(&j->attempts, &position)))
                tell_one(j, a);
}

/* Launches at the barrier: whether they were recorded, only the engine that is gone knew. They end
 * as never started, which the next one can settle in either case. They are killed too, which is
 * safe: nothing of the tenant's has run yet. */
void jobs_orphan(Jobs *j) {
        size_t position = 0;
        Attempt *a;

        j->is_told = false;
        while ((a = tq_map_next(&j->attempts, &position)))
                if (a->barrier_fd >= 0) {
                        a->is_orphan = true;
                        reap_abort(a);
                }
}

bool jobs_have_orphans(const Jobs *j) {
        size_t position = 0;
        const Attempt *a;

        while ((a = tq_map_next(&j->attempts, &position)))
                if (a->is_orphan)
                        return true;
        return false;
}

void jobs_leave(Jobs *j) {
        size_t position = 0;
        Attempt *a;

        while ((a = tq_map_next(&j->attempts, &position)))
                if (!a->has_ended && a->leaf_fd >= 0 && a->tenant)
                        (void)reap_keep_counters(a);
}

int jobs_move_results(Jobs *j) {
        tq_result_slots_move(j->slots, own_fd(j->own, OWN_RESULTS));
        return 0;
}

/* Life ------------------------------------------------------------------------------------------
 */

bool jobs_is_live(const Jobs *j, uint64_t job, unsigned attempt) {
        const Attempt *a = attempt_find(j, job);

        /* One that has ended writes no more, though the engine may not have recorded it yet. */
        return a && a->attempt == attempt && !a->has_ended;
}

int jobs_new(sd_event *event, const Host *host, Own *own, Tenants *tenants, const Slices *slices,
             Output *output, TqLink *link, void (*gone)(void *data), void *data, Jobs **ret) {
        Jobs *j = calloc(1, sizeof(*j));
        int r;

        if (!j)
                return -ENOMEM;
        *j = (Jobs){ .event = event,
                     .host = host,
                     .own = own,
                     .tenants = tenants,
                     .slices = slices,
                     .output = output,
                     .link = link,
                     .gone = gone,
                     .data = data };
        r = tq_result_slots_new(own_fd(own, OWN_RESULTS), &j->slots);
        if (r >= 0)
                r = templates_new(event, host, tenants, &j->templates);
        if (r >= 0)
                r = tq_launcher_new(host->helper_fd, &j->launcher);
        if (r < 0) {
                (void)jobs_free(j);
                return r;
        }
        launch_listen(j);
        reap_listen(j);
        *ret = j;
        return 0;
}

Jobs *jobs_free(Jobs *j) {
        size_t position = 0;
        Attempt *a;

        if (!j)
                return NULL;
        while ((a = tq_map_next(&j->attempts, &position))) {
                (void)attempt_free(a);
                position = 0;
        }
        tq_map_done(&j->attempts);
        (void)tq_result_slots_free(j->slots);
        (void)templates_free(j->templates);
        (void)tq_launcher_free(j->launcher);
        free(j);
        return NULL;
}
