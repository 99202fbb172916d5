/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/engine/engine_launch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "kernel/plan.h"
#include "kernel/spawn.h"
#include "supervisor/host/profiles.h"

/* Whether there was a ledger here before: what is not there any more then, be it that its disk is
 * not mounted, is never begun anew as an empty one. Kept beside the ledger's directory, where only
 * root writes. */
#define MADE "ledger.made"

static bool was_made(const Own *own) {
        struct stat st;

        /* What can't be asked may well be there. */
        return fstatat(own_fd(own, OWN_STATE), MADE, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
               errno != ENOENT;
}

void engine_launch_note_ledger(const Host *h, const Own *own) {
        int state_fd = own_fd(own, OWN_STATE);
        TQ_CLOSE int fd =
                openat(state_fd, MADE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0 && errno == EEXIST)
                return;
        if (fd < 0 || fsync(state_fd) < 0)
                tq_log(LOG_WARNING,
                       "%s/" MADE " can't be made (%s): if the ledger is ever lost, the next start "
                       "will not notice",
                       h->config.state, strerror(errno));
}

/* A body by hand: of its environment it has only where stderr leads (systemd.exec(5)). */
static void write_body(const Host *h, bool may_make_ledger, TqBuffer *ret) {
        const char *stream = getenv("JOURNAL_STREAM"); /* NOLINT(concurrency-mt-unsafe) */
        uint32_t counts[3] = { may_make_ledger ? 3 : 2, stream ? 1 : 0, 0 };

        tq_buffer_append(ret, counts, sizeof(counts));
        tq_buffer_append(ret, "/", 2);
        tq_buffer_printf(ret, "%s/tenantq-engine", h->helpers);
        tq_buffer_append(ret, "", 1);
        tq_buffer_printf(ret, "%s/ledger/ledger.db", h->config.state);
        tq_buffer_append(ret, "", 1);
        if (may_make_ledger)
                tq_buffer_append(ret, "new", 4);
        if (stream) {
                tq_buffer_printf(ret, "JOURNAL_STREAM=%s", stream);
                tq_buffer_append(ret, "", 1);
        }
}

/* What it opens by name: its ledger, and where the journal listens. It is shown the programs of the
 * host, and nothing of anybody's. */
static void write_paths(const Host *h, TqBuffer *ret) {
        const struct {
                TqPathKind kind;
                const char *path;
        } paths[] = {
                { TQ_PATH_HIDDEN, "/home" },
                { TQ_PATH_HIDDEN, "/root" },
                { TQ_PATH_HIDDEN, "/run" },
                { TQ_PATH_HIDDEN, h->config.spool },
                { TQ_PATH_HIDDEN, h->config.state },
                { TQ_PATH_HIDDEN, h->config.logs },
                { TQ_PATH_HIDDEN, h->config.run },
                { TQ_PATH_OPTIONAL, "/run/systemd/journal/socket" },
                { TQ_PATH_READ_ONLY, h->helpers }, /* wherever somebody has built it */
        };

        for (size_t i = 0; i < TQ_ELEMENTSOF(paths); i++)
                tq_plan_add_path(ret, paths[i].kind, "%s", paths[i].path);
        tq_plan_add_path(ret, TQ_PATH_READ_WRITE, "%s/ledger", h->config.state);
}

/* It is started by tenantq-exec like a job, with another plan. */
int engine_launch(const Host *h, const Own *own, int channel_fd, int crumb_fd, pid_t *ret_pid,
                  int *ret_pidfd) {
        /* If memory runs out, the engine can be started again; whoever watches over the jobs can't.
         */
        TqPlan plan = {
                .flags = h->reset_oom_score ? TQ_PLAN_RESET_OOM_SCORE : 0,
                .mode = TQ_PLAN_SERVICE,
                .tmp_bytes = h->memory_bytes / 8,
                .uid = h->users.engine_uid,
                .gid = h->users.engine_gid,
                .n_keep = 4,
                .keep = { channel_fd, own_fd(own, OWN_SOCKET), own_fd(own, OWN_CLAIMS), crumb_fd },
        };
        TQ_BUFFER_CLEANUP TqBuffer body = {}, paths = {};
        TQ_CLOSE int plan_fd = -EBADF;
        const TqFilter *filter;
        TqError err = {};
        int r;

        r = profiles_filter(h->profiles, "engine", TQ_FILTER_ALONE, &filter, &err);
        if (r < 0)
                return r;
        write_body(h, !was_made(own), &body);
        write_paths(h, &paths);
        if (tq_buffer_error(&body) < 0 || tq_buffer_error(&paths) < 0)
                return -ENOMEM;
        plan_fd = tq_plan_seal(&plan, &(TqPlanParts){
                                              .filter = filter->code,
                                              .n_filter = filter->n,
                                              .body = body.data,
                                              .body_size = body.size,
                                              .paths = paths.data,
                                              .paths_size = paths.size,
                                      });
        if (plan_fd < 0)
                return plan_fd;
        return tq_spawn(&(TqSpawn){ .helper_fd = h->helper_fd,
                                    .plan_fd = plan_fd,
                                    .keep = plan.keep,
                                    .n_keep = plan.n_keep },
                        ret_pid, ret_pidfd);
}
