/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/hostfile.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/parse.h"
#include "conf/retentionfile.h"
#include "conf/policyfile.h"
#include "conf/reader.h"
#include "conf/resolv.h"
#include "conf/rootfile.h"
#include "core/ids.h"

#define FILE_MAX (1024 * 1024)

const TqHostKey tq_hostfile_keys[] = {
        { "host", "cgroup_root", "the delegated cgroup below which tenants' slices are made" },
        { "host", "required_controllers", "controllers without which tenantqd refuses to start" },
        { "host", "spool", "where the tenants' directories are" },
        { "host", "state", "ledger and result records" },
        { "host", "logs", "output of jobs" },
        { "host", "run", "control socket" },
        { "host", "engine_user", "who tenantq-engine runs as" },
        { "host", "exec_user", "who watches over a running job" },
        { "host", "admin_group", "who besides root may change things" },
        { "host", "log_max", "cap of each of a job's two outputs" },
        { "host", "hidden_paths", "directories that jobs find empty, beside those of tenantq" },
        { "host", "outbound_addresses", "IPv4 addresses of the networks of network=outbound" },
        { "host", "outbound_connections", "how many connections out each of them may have" },
        { "host", "outbound_dns", "name servers of those networks, instead of the host's" },
        { "tenant", "user", "who the jobs run as, instead of the directory's owner" },
        { "tenant", "former_owner", "the user that it belonged to before, whose jobs go on" },
        { "tenant", "submitters", "other users whose files are taken" },
        { "tenant", "allow_root", "whether the jobs may run as root" },
        { "tenant", "pool", "whose slots its jobs use" },
        { "tenant", "on_full", "what becomes of a file that a limit refuses: reject or wait" },
        { "tenant", "profile", "what system calls the jobs may make at most" },
        { "tenant", "audit", "whether calls that the profile refuses are noted and let through" },
        { "tenant", "network", "what of it the jobs reach: none, outbound or host" },
        { "tenant", "read_write_paths", "what the jobs may write, beside the home" },
        { "tenant", "device_allow", "devices that the jobs may open beside the pseudo devices" },
        { "tenant", "read_only_paths", "what the jobs see, though it lies in a hidden directory" },
};
const size_t tq_hostfile_n_keys = TQ_ELEMENTSOF(tq_hostfile_keys);

static int bad(TqError *err, unsigned line, const char *key, const char *expected) {
        return tq_error_at(err, -EBADMSG, line, key, "expected %s", expected);
}

static int unknown(const char *section, const char *key, unsigned line, TqError *err) {
        const char *names[TQ_ELEMENTSOF(tq_hostfile_keys)], *nearest;
        size_t n = 0;

        for (size_t i = 0; i < tq_hostfile_n_keys; i++)
                if (strcmp(tq_hostfile_keys[i].section, section) == 0)
                        names[n++] = tq_hostfile_keys[i].key;
        nearest = tq_parse_nearest(key, names, n);
        return tq_error_at(err, -EBADMSG, line, key, "unknown key in [%s]%s%s%s", section,
                           nearest ? "; did you mean " : "", nearest ? nearest : "",
                           nearest ? "?" : "");
}

static int copy_text(char *field, size_t size, const char *value) {
        if (strlen(value) >= size)
                return -EINVAL;
        (void)snprintf(field, size, "%s", value);
        return 0;
}

/* tenantq.conf -------------------------------------------------------------------------------- */

static const struct {
        const char *key;
        size_t offset, size;
        bool is_path;
} texts[] = {
        { "cgroup_root", offsetof(TqHostConfig, cgroup_root), PATH_MAX, true },
        { "required_controllers", offsetof(TqHostConfig, required_controllers), 128, false },
        { "spool", offsetof(TqHostConfig, spool), PATH_MAX, true },
        { "state", offsetof(TqHostConfig, state), PATH_MAX, true },
        { "logs", offsetof(TqHostConfig, logs), PATH_MAX, true },
        { "run", offsetof(TqHostConfig, run), PATH_MAX, true },
        { "engine_user", offsetof(TqHostConfig, engine_user), TQ_USER_MAX + 1, false },
        { "exec_user", offsetof(TqHostConfig, exec_user), TQ_USER_MAX + 1, false },
        { "admin_group", offsetof(TqHostConfig, admin_group), TQ_USER_MAX + 1, false },
};

/* Each as it is, and none a way back up: they are compared with each other. */
static bool is_plain_path(const char *path) {
        const char *p = path;

        if (path[0] != '/' || path[1] == '\0' || strlen(path) >= PATH_MAX)
                return false;
        while (*p == '/') {
                size_t n = strcspn(++p, "/");

                if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += n;
        }
        return true;
}

static int set_paths(char field[TQ_PATHS_MAX], const char *key, const char *value, unsigned line,
                     TqError *err) {
        TQ_FREE char **words = NULL;
        size_t n, used = 0;

        if (tq_parse_words(value, TQ_PATHS_MAX / 2, &words, &n) < 0)
                return bad(err, line, key, "absolute paths, separated by blanks");
        for (size_t i = 0; i < n; i++) {
                size_t length = strlen(words[i]) + 1;

                if (!is_plain_path(words[i]))
                        return bad(err, line, key,
                                   "absolute paths without \"..\", \".\" and empty parts, other "
                                   "than \"/\"");
                if (used + length + 1 > TQ_PATHS_MAX)
                        return bad(err, line, key, "less: at most 1023 bytes in all");
                memcpy(field + used, words[i], length);
                used += length;
        }
        field[used] = '\0';
        return 0;
}

/* What is there is looked at when it takes effect. */
static int set_devices(char field[TQ_PATHS_MAX], const char *key, const char *value, unsigned line,
                       TqError *err) {
        int r = set_paths(field, key, value, line, err);

        for (const char *p = field; r >= 0 && *p; p += strlen(p) + 1) {
                const char *colon = strchr(p, ':');

                if (strncmp(p, "/dev/", 5) != 0 ||
                    (colon && strcmp(colon, ":r") != 0 && strcmp(colon, ":w") != 0 &&
                     strcmp(colon, ":rw") != 0))
                        r = bad(err, line, key,
                                "devices below /dev/, each with :r, :w or :rw, such as "
                                "/dev/nvidia0:rw");
        }
        return r;
}

/* Without the quotes that words may have: one blank between two of them. */
static bool set_servers(char field[TQ_RESOLV_SERVERS_SIZE], const char *value) {
        TQ_FREE char **words = NULL;
        struct in_addr in;
        size_t n, used = 0;

        if (tq_parse_words(value, TQ_RESOLV_SERVERS, &words, &n) < 0)
                return false;
        field[0] = '\0';
        for (size_t i = 0; i < n; i++) {
                if (inet_pton(AF_INET, words[i], &in) != 1)
                        return false;
                used += (size_t)snprintf(field + used, TQ_RESOLV_SERVERS_SIZE - used, "%s%s",
                                         i > 0 ? " " : "", words[i]);
        }
        return true;
}

static int set_outbound(TqHostConfig *c, const char *key, const char *value, unsigned line,
                        TqError *err) {
        if (strcmp(key, "outbound_addresses") == 0) {
                if (tq_sandbox_outbound_from_string(value, &c->outbound) < 0 ||
                    copy_text(c->outbound_addresses, sizeof(c->outbound_addresses), value) < 0)
                        return bad(err, line, key,
                                   "an IPv4 network of 8 to 30 bits that nobody else has, "
                                   "without loopback, link-local and multicast addresses, such "
                                   "as " TQ_OUTBOUND_DEFAULT);
                return 0;
        }
        if (strcmp(key, "outbound_connections") == 0)
                return tq_parse_u64_in(value, 1, 1000000, &c->outbound_connections) < 0
                               ? bad(err, line, key, "a number from 1 to 1000000")
                               : 0;
        if (strcmp(key, "outbound_dns") == 0)
                return set_servers(c->outbound_dns, value)
                               ? 0
                               : bad(err, line, key, "at most 3 IPv4 addresses");
        return unknown("host", key, line, err);
}

/* Judged when the range is known, wherever that stands. */
static int check_servers(const TqHostConfig *c, TqError *err) {
        TQ_BUFFER_CLEANUP TqBuffer ignored = {};

        if (tq_resolv_translate(&c->outbound, c->outbound_dns, "", &ignored).n_others == 0)
                return 0;
        return tq_error(err, -EBADMSG,
                        "outbound_dns: \"%s\": expected addresses that are neither loopback, "
                        "link-local or multicast ones nor in outbound_addresses",
                        c->outbound_dns);
}

static int set_host_key(TqHostConfig *c, const char *key, const char *value, unsigned line,
                        TqError *err) {
        if (strcmp(key, "log_max") == 0) {
                uint64_t v;

                if (tq_parse_size(value, 1024, &v) < 0 || v < 4096 || v > (UINT64_C(1) << 40))
                        return bad(err, line, key, "a size from 4K to 1T, such as 16M");
                c->log_max_bytes = v;
                return 0;
        }
        if (strncmp(key, "outbound_", 9) == 0)
                return set_outbound(c, key, value, line, err);
        if (strcmp(key, "hidden_paths") == 0)
                return set_paths(c->hidden_paths, key, value, line, err);
        for (size_t i = 0; i < TQ_ELEMENTSOF(texts); i++) {
                if (strcmp(texts[i].key, key) != 0)
                        continue;
                if (texts[i].is_path && value[0] != '/')
                        return bad(err, line, key, "an absolute path");
                if (copy_text((char *)c + texts[i].offset, texts[i].size, value) < 0)
                        return bad(err, line, key, "a shorter value");
                return 0;
        }
        return unknown("host", key, line, err);
}

/* Only what is more when it is larger can be capped. */
static int set_ceiling(TqHostConfig *c, const char *key, const char *value, unsigned line,
                       TqError *err) {
        TqLimits one = {};
        int r;

        r = tq_limits_set(&one, key, value, TQ_SCOPE_TENANT, false, line, err);
        if (r < 0)
                return r;
        for (int i = 0; i < _TQ_KEY_MAX; i++)
                if (one.set >> i & 1 && i != TQ_KEY_CPUS && !tq_limits_keys[i].is_cap)
                        return tq_error_at(err, -EBADMSG, line, key,
                                           "can't be capped; take it out of [ceilings]");
        return tq_limits_set(&c->ceilings, key, value, TQ_SCOPE_TENANT, false, line, err);
}

static int on_host_line(void *userdata, const char *section, const char *key, const char *value,
                        unsigned line, TqError *err) {
        TqHostConfig *c = userdata;

        if (strcmp(section, "host") == 0)
                return key ? set_host_key(c, key, value, line, err) : 0;
        if (strcmp(section, "defaults") == 0)
                return key ? tq_limits_set(&c->defaults, key, value, TQ_SCOPE_TENANT, false, line,
                                           err)
                           : 0;
        if (strcmp(section, "ceilings") == 0)
                return key ? set_ceiling(c, key, value, line, err) : 0;
        if (strcmp(section, "scheduler") == 0) {
                c->has_max_jobs |= key && strcmp(key, "max_jobs") == 0;
                c->has_memory |= key && strcmp(key, "memory") == 0;
                return key ? tq_policyfile_set(&c->policy, key, value, line, err) : 0;
        }
        if (strcmp(section, "history") == 0)
                return key ? tq_retentionfile_set(&c->retention, key, value, line, err) : 0;
        if (strncmp(section, "pool ", 5) == 0)
                return key ? tq_policyfile_set_pool(&c->policy, key, value, line, err)
                           : tq_policyfile_open_pool(&c->policy, section + 5, line, err);
        return tq_error_at(err, -EBADMSG, line, NULL,
                           "unknown section [%s]; expected [host], [defaults], [ceilings], "
                           "[scheduler], [history] or [pool NAME]",
                           section);
}

void tq_hostfile_defaults(TqHostConfig *ret) {
        *ret = (TqHostConfig){
                .cgroup_root = "/sys/fs/cgroup/tenantq.slice/tenantq-jobs.service",
                .required_controllers = "cpu memory io pids",
                .spool = "/var/spool/tenantq",
                .state = "/var/lib/tenantq",
                .logs = "/var/log/tenantq",
                .run = "/run/tenantq",
                .engine_user = "tenantq",
                .exec_user = "tenantq-exec",
                .admin_group = "tenantq-admin",
                .log_max_bytes = UINT64_C(16) << 20,
                .outbound_addresses = TQ_OUTBOUND_DEFAULT,
                .outbound_connections = 8192,
        };
        (void)tq_sandbox_outbound_from_string(ret->outbound_addresses, &ret->outbound);
        tq_retention_init(&ret->retention);
        tq_policy_init(&ret->policy);
}

/* What a file has said so far: a key given twice has no winner, as in a job file. */
typedef struct Once {
        TqReaderHandler handler;
        void *config;
        TqBuffer seen; /* "section\nkey\n" after each other, each behind a NUL */
} Once;

/* A limit has two names. Those of I/O say by their value, too, what they are about. */
static const char *one_name(const char *key) {
        TqKey k = tq_limits_find(key);

        return k < 0 || tq_limits_keys[k].type == TQ_TYPE_BANDWIDTH ||
                               tq_limits_keys[k].type == TQ_TYPE_IOPS
                       ? key
                       : tq_limits_keys[k].name;
}

static int on_line_once(void *userdata, const char *section, const char *key, const char *value,
                        unsigned line, TqError *err) {
        TQ_BUFFER_CLEANUP TqBuffer entry = {};
        Once *o = userdata;

        if (key) {
                tq_buffer_append(&entry, "", 1);
                tq_buffer_printf(&entry, "%s\n%s\n", section, one_name(key));
                if (tq_buffer_error(&entry) < 0)
                        return -ENOMEM;
                if (o->seen.size > 0 && memmem(o->seen.data, o->seen.size, entry.data, entry.size))
                        return tq_error_at(err, -EBADMSG, line, key,
                                           strcmp(one_name(key), key) == 0
                                                   ? "given twice in [%s]"
                                                   : "given twice in [%s] (as %s, too)",
                                           section, one_name(key));
                tq_buffer_append(&o->seen, entry.data, entry.size);
        }
        return o->handler(o->config, section, key, value, line, err);
}

static int load(int dir_fd, const char *name, TqReaderHandler handler, void *config, TqError *err) {
        Once once = { .handler = handler, .config = config };
        TQ_FREE char *data = NULL;
        size_t size;
        int r;

        r = tq_rootfile_read(dir_fd, name, FILE_MAX, &data, &size, err);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = tq_reader_parse(data, size, on_line_once, &once, err);
        tq_buffer_done(&once.seen);
        if (r < 0)
                tq_error_set_file(err, name);
        return r;
}

int tq_hostfile_load(int dir_fd, TqHostConfig *ret, TqError *err) {
        TQ_FREE TqHostConfig *c = malloc(sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        tq_hostfile_defaults(c);
        r = load(dir_fd, "tenantq.conf", on_host_line, c, err);
        if (r < 0)
                return r;
        if ((c->policy.n_pools > 0 || c->policy.lane_slots > 0) && !c->has_max_jobs)
                r = tq_error(err, -EBADMSG,
                             "[scheduler]: expected max_jobs=: the slots of pools and the lane are "
                             "part of them");
        else
                r = tq_policyfile_complete(&c->policy, err);
        if (r >= 0)
                r = check_servers(c, err);
        if (r < 0) {
                tq_error_set_file(err, "tenantq.conf");
                return r;
        }
        r = tq_limits_check_within(&c->defaults, &c->ceilings, "[ceilings]", err);
        if (r < 0) {
                tq_error_set_file(err, "tenantq.conf");
                return r;
        }
        *ret = *c;
        return 0;
}

/* tenants.d/NAME.conf ------------------------------------------------------------------------- */

static int set_submitters(TqTenantConfig *c, const char *value, unsigned line, TqError *err) {
        TQ_FREE char **words = NULL;
        size_t n;

        if (tq_parse_words(value, TQ_SUBMITTERS_MAX, &words, &n) < 0)
                return bad(err, line, "submitters", "at most 16 users, separated by blanks");
        for (size_t i = 0; i < n; i++)
                if (copy_text(c->submitters[i], sizeof(c->submitters[i]), words[i]) < 0)
                        return bad(err, line, "submitters", "users' names or numbers");
        c->n_submitters = n;
        return 0;
}

static int set_tenant_key(TqTenantConfig *c, const char *key, const char *value, unsigned line,
                          TqError *err) {
        if (strcmp(key, "user") == 0) {
                if (value[0] == '\0' || copy_text(c->user, sizeof(c->user), value) < 0)
                        return bad(err, line, key, "a user's name or number");
                return 0;
        }
        if (strcmp(key, "former_owner") == 0) {
                if (value[0] == '\0' ||
                    copy_text(c->former_owner, sizeof(c->former_owner), value) < 0)
                        return bad(err, line, key, "a user's name or number");
                return 0;
        }
        if (strcmp(key, "submitters") == 0)
                return set_submitters(c, value, line, err);
        if (strcmp(key, "allow_root") == 0)
                return tq_parse_bool(value, &c->allow_root) < 0 ? bad(err, line, key, "yes or no")
                                                                : 0;
        if (strcmp(key, "pool") == 0) {
                if (!tq_ids_queue_is_valid(value))
                        return bad(err, line, key, "the name of a [pool NAME] of tenantq.conf");
                return copy_text(c->pool, sizeof(c->pool), value);
        }
        if (strcmp(key, "on_full") == 0) {
                /* hold: as 0.1 called it. */
                c->waits_when_full = strcmp(value, "wait") == 0 || strcmp(value, "hold") == 0;
                return c->waits_when_full || strcmp(value, "reject") == 0
                               ? 0
                               : bad(err, line, key, "reject or wait");
        }
        if (strcmp(key, "profile") == 0) {
                if (!tq_profile_name_is_valid(value))
                        return bad(err, line, key,
                                   "strict, no-network, default, debug, permissive, or the name of "
                                   "a file in profiles/");
                return copy_text(c->profile, sizeof(c->profile), value);
        }
        if (strcmp(key, "audit") == 0)
                return tq_parse_bool(value, &c->audit) < 0 ? bad(err, line, key, "yes or no") : 0;
        if (strcmp(key, "network") == 0) {
                c->network = tq_sandbox_network_from_string(value);
                return c->network < 0 ? bad(err, line, key, "none, outbound or host") : 0;
        }
        if (strcmp(key, "read_write_paths") == 0)
                return set_paths(c->read_write_paths, key, value, line, err);
        if (strcmp(key, "read_only_paths") == 0)
                return set_paths(c->read_only_paths, key, value, line, err);
        if (strcmp(key, "device_allow") == 0)
                return set_devices(c->device_allow, key, value, line, err);
        return unknown("tenant", key, line, err);
}

static int open_queue(TqTenantConfig *c, const char *name, unsigned line, TqError *err) {
        if (!tq_ids_queue_is_valid(name))
                return bad(err, line, NULL, "[queue NAME] with 1 to 48 of A-Z a-z 0-9 _ - .");
        for (size_t i = 0; i < c->n_queues; i++)
                if (strcmp(c->queues[i].name, name) == 0)
                        return tq_error_at(err, -EBADMSG, line, NULL, "[queue %s] a second time",
                                           name);
        if (c->n_queues >= TQ_QUEUE_LIMITS)
                return tq_error_at(err, -EBADMSG, line, NULL, "more than %d queues",
                                   TQ_QUEUE_LIMITS);
        c->queues[c->n_queues] = (TqQueueLimit){};
        (void)snprintf(c->queues[c->n_queues++].name, sizeof(c->queues[0].name), "%s", name);
        return 0;
}

/* The keys of a queue's section follow its head, so they belong to the queue opened last. */
static int set_queue_key(TqTenantConfig *c, const char *key, const char *value, unsigned line,
                         TqError *err) {
        return tq_policy_queue_set(&c->queues[c->n_queues - 1], key, value, line, err);
}

static int on_tenant_line(void *userdata, const char *section, const char *key, const char *value,
                          unsigned line, TqError *err) {
        TqTenantConfig *c = userdata;

        if (strcmp(section, "tenant") == 0)
                return key ? set_tenant_key(c, key, value, line, err) : 0;
        if (strcmp(section, "limits") == 0)
                return key ? tq_limits_set(&c->limits, key, value, TQ_SCOPE_TENANT, false, line,
                                           err)
                           : 0;
        if (strncmp(section, "queue ", 6) == 0)
                return key ? set_queue_key(c, key, value, line, err)
                           : open_queue(c, section + 6, line, err);
        return tq_error_at(err, -EBADMSG, line, NULL,
                           "unknown section [%s]; expected [tenant], [limits] or [queue NAME]",
                           section);
}

int tq_hostfile_load_tenant(int dir_fd, const char *tenant, TqTenantConfig *ret, TqError *err) {
        TQ_FREE TqTenantConfig *c = calloc(1, sizeof(*c));
        char name[TQ_TENANT_NAME_MAX + sizeof("tenants.d/.conf")];
        int r;

        if (!c)
                return -ENOMEM;
        (void)snprintf(name, sizeof(name), "tenants.d/%s.conf", tenant);
        r = load(dir_fd, name, on_tenant_line, c, err);
        if (r < 0)
                return r;
        if (c->profile[0] == '\0')
                (void)snprintf(c->profile, sizeof(c->profile), TQ_PROFILE_DEFAULT);
        *ret = *c;
        return 0;
}
