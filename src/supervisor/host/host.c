/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/host/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/fs.h"
#include "base/log.h"
#include "kernel/cgroup.h"

#define JOBS_PER_CPU 8
#define JOBS_LEAST   32

static uint64_t memory_of_host(void) {
        return (uint64_t)TQ_MAX(sysconf(_SC_PHYS_PAGES), 1L) *
               (uint64_t)TQ_MAX(sysconf(_SC_PAGESIZE), 1L);
}

void host_policy(const TqHostConfig *config, TqHostPolicy *ret) {
        uint64_t cpus = (uint64_t)TQ_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
        uint64_t memory = memory_of_host();

        *ret = config->policy;
        ret->cpus = cpus;
        if (!config->has_max_jobs)
                ret->max_jobs = TQ_MAX(cpus * JOBS_PER_CPU, (uint64_t)JOBS_LEAST);
        /* A tenth is for everything that is not a job. */
        if (!config->has_memory)
                ret->memory_bytes = memory - memory / 10;
}

uint32_t host_sum(const TqHostConfig *c) {
        const char *texts[] = { c->cgroup_root,
                                c->required_controllers,
                                c->spool,
                                c->state,
                                c->logs,
                                c->run,
                                c->engine_user,
                                c->exec_user,
                                c->outbound_addresses,
                                c->outbound_dns };
        TQ_BUFFER_CLEANUP TqBuffer text = {};

        for (size_t i = 0; i < TQ_ELEMENTSOF(texts); i++)
                tq_buffer_printf(&text, "%s\n", texts[i]);
        for (const char *path = c->hidden_paths; *path; path += strlen(path) + 1)
                tq_buffer_printf(&text, "%s\n", path);
        tq_buffer_printf(&text, "%llu %llu\n", (unsigned long long)c->log_max_bytes,
                         (unsigned long long)c->outbound_connections);
        return tq_buffer_error(&text) < 0 ? 0 : tq_crc32c(text.data, text.size);
}

int host_check_pools(const TqHostConfig *config, unsigned controllers, TqError *err) {
        for (uint32_t i = 0; i < config->policy.n_pools; i++) {
                TqLimits cpus = { .set = UINT64_C(1) << TQ_KEY_CPUS };

                if (!config->policy.pools[i].has_cpus)
                        continue;
                memcpy(cpus.cpus, config->policy.pools[i].cpus, sizeof(cpus.cpus));
                if (tq_cgroup_check(&cpus, controllers, err) < 0) {
                        tq_error_set_file(err, "tenantq.conf");
                        return -EBADMSG;
                }
        }
        return 0;
}

int host_check_controllers(const TqHostConfig *config, unsigned available, TqError *err) {
        char wanted[sizeof(config->required_controllers)], *save = NULL;

        (void)snprintf(wanted, sizeof(wanted), "%s", config->required_controllers);
        for (char *word = strtok_r(wanted, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                unsigned bit = tq_cgroup_controller_bit(word);

                if (bit == 0)
                        return tq_error(
                                err, -EINVAL,
                                "tenantq.conf: required_controllers: \"%s\" is not one of cpu, "
                                "cpuset, io, memory, pids",
                                word);
                if (!(available & bit))
                        return tq_error(
                                err, -EOPNOTSUPP,
                                "controller \"%s\" is not available in %s; on cgroup v2 give it "
                                "with Delegate=yes, or take it out of required_controllers= in "
                                "tenantq.conf",
                                word, config->cgroup_root);
        }
        return 0;
}

/* What is opened or looked up once, at the start. */
static void tell_what_waits(const TqHostConfig *is, const TqHostConfig *said) {
#define KEY(name)                                                                                  \
        { #name, offsetof(TqHostConfig, name) }
        static const struct {
                const char *key;
                size_t offset;
        } keys[] = { KEY(cgroup_root), KEY(required_controllers),
                     KEY(spool),       KEY(state),
                     KEY(logs),        KEY(run),
                     KEY(engine_user), KEY(exec_user),
                     KEY(admin_group), KEY(outbound_addresses) };
#undef KEY

        for (size_t i = 0; i < TQ_ELEMENTSOF(keys); i++) {
                const char *old_value = (const char *)is + keys[i].offset;
                const char *new_value = (const char *)said + keys[i].offset;

                if (strcmp(old_value, new_value) != 0)
                        tq_log(LOG_WARNING,
                               "tenantq.conf: %s=%s takes effect when tenantq is restarted; until "
                               "then it is %s",
                               keys[i].key, new_value, old_value);
        }
}

void host_replace(Host *h, int *config_fd, const TqHostConfig *config, Profiles **profiles) {
        tell_what_waits(&h->config, config);
        (void)profiles_free(h->profiles);
        h->profiles = TQ_TAKE_PTR(*profiles);
        (void)tq_close(h->config_fd);
        h->config_fd = tq_take_fd(config_fd);
        h->config.defaults = config->defaults;
        h->config.ceilings = config->ceilings;
        h->config.log_max_bytes = config->log_max_bytes;
        memcpy(h->config.hidden_paths, config->hidden_paths, sizeof(h->config.hidden_paths));
        h->config.outbound_connections = config->outbound_connections;
        memcpy(h->config.outbound_dns, config->outbound_dns, sizeof(h->config.outbound_dns));
        h->config.policy = config->policy;
        h->config.retention = config->retention;
        h->config.has_max_jobs = config->has_max_jobs;
        h->config.has_memory = config->has_memory;
}

/* Start ---------------------------------------------------------------------------------------- */

static int read_boot_id(Host *h, TqError *err) {
        sd_id128_t id;
        int r = sd_id128_get_boot(&id);

        if (r < 0)
                return tq_error_errno(err, r, "boot id");
        memcpy(h->boot_id, id.bytes, sizeof(h->boot_id));
        return 0;
}

/* Each launch runs through the pages of this file. As long as they are mapped nobody can have them
 * dropped (posix_fadvise(2)), and no job whose reads are slowed down by io_read= holds the lock of
 * one while all others need it. For good; without the right to lock, it is only mapped. */
static void keep_in_memory(const char *path) {
        TQ_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        void *p;

        if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
                return;
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (p != MAP_FAILED)
                (void)mlock(p, (size_t)st.st_size);
}

static int open_files(Host *h, TqError *err) {
        char path[PATH_MAX + 32], text[32];

        (void)snprintf(path, sizeof(path), "%s/tenantq-exec", h->helpers);
        h->helper_fd = open(path, O_PATH | O_CLOEXEC);
        if (h->helper_fd < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        keep_in_memory(path);
        h->memory_bytes = memory_of_host();
        h->reset_oom_score =
                tq_fs_read_at(AT_FDCWD, "/proc/self/oom_score_adj", text, sizeof(text)) > 0 &&
                strcmp(text, "0\n") != 0;
        return 0;
}

int host_open(Host *h, const char *config_dir, const char *helpers, TqError *err) {
        int r;

        *h = (Host){ .config_dir = config_dir, .config_fd = -EBADF, .helper_fd = -EBADF };
        /* Absolute: what is started from there begins in the root directory. */
        if (!realpath(helpers, h->helpers))
                return tq_error_errno(err, tq_errno(), "%s", helpers);
        h->config_fd = tq_fs_open_dir(AT_FDCWD, config_dir);
        if (h->config_fd < 0)
                return tq_error_errno(err, h->config_fd, "%s", config_dir);
        r = tq_hostfile_load(h->config_fd, &h->config, err);
        if (r >= 0)
                r = users_resolve(&h->config, &h->users, err);
        if (r >= 0)
                r = read_boot_id(h, err);
        if (r >= 0)
                r = open_files(h, err);
        return r < 0 ? r : profiles_load(h->config_fd, true, &h->profiles, err);
}
