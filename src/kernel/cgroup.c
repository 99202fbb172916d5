/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fs.h"
#include "base/parse.h"
#include "kernel/iodevice.h"

static const struct {
        const char *name;
        unsigned bit;
} controllers_table[] = {
        { "cpu", TQ_CONTROLLER_CPU },   { "cpuset", TQ_CONTROLLER_CPUSET },
        { "io", TQ_CONTROLLER_IO },     { "memory", TQ_CONTROLLER_MEMORY },
        { "pids", TQ_CONTROLLER_PIDS },
};

unsigned tq_cgroup_controller_bit(const char *name) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(controllers_table); i++)
                if (strcmp(controllers_table[i].name, name) == 0)
                        return controllers_table[i].bit;
        return 0;
}

const char *tq_cgroup_controllers_format(unsigned mask, char *buf, size_t size) {
        size_t at = 0;

        buf[0] = '\0';
        for (size_t i = 0; i < TQ_ELEMENTSOF(controllers_table) && at < size; i++)
                if (mask & controllers_table[i].bit)
                        at += (size_t)snprintf(buf + at, size - at, "%s%s", at > 0 ? " " : "",
                                               controllers_table[i].name);
        return buf;
}

int tq_cgroup_open(const char *path, TqError *err) {
        TQ_CLOSE int fd = -EBADF;
        struct statfs fs;

        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        if (fstatfs(fd, &fs) < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        if (fs.f_type != CGROUP2_SUPER_MAGIC)
                return tq_error(
                        err, -EMEDIUMTYPE,
                        "%s is not on cgroup v2: boot with systemd.unified_cgroup_hierarchy=1",
                        path);
        return tq_take_fd(&fd);
}

int tq_cgroup_controllers(int fd, unsigned *ret_mask) {
        char text[512], *save = NULL;
        unsigned mask = 0;
        ssize_t n;

        n = tq_fs_read_at(fd, "cgroup.controllers", text, sizeof(text));
        if (n < 0)
                return (int)n;
        for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
                mask |= tq_cgroup_controller_bit(word);
        *ret_mask = mask;
        return 0;
}

int tq_cgroup_enable(int fd, unsigned mask) {
        char text[128];
        size_t at = 0;

        for (size_t i = 0; i < TQ_ELEMENTSOF(controllers_table); i++)
                if (mask & controllers_table[i].bit)
                        at += (size_t)snprintf(text + at, sizeof(text) - at, "+%s ",
                                               controllers_table[i].name);
        return at > 0 ? tq_fs_write_attr(fd, "cgroup.subtree_control", text) : 0;
}

/* Limits → attributes ------------------------------------------------------------------------- */

/* One line of io.max for a disk: the four numbers that the limits name for it. */
typedef struct IoLine {
        char device[TQ_IODEVICE_MAX];
        TqKey first;       /* that named it */
        uint64_t value[4]; /* by key - TQ_KEY_IO_READ; 0: not named */
} IoLine;

static const char *const io_words[] = { "rbps", "wbps", "riops", "wiops" };

static int io_add(IoLine *lines, size_t *n, const char *device, uint32_t key, uint64_t value) {
        size_t i = 0;

        while (i < *n && strcmp(lines[i].device, device) != 0)
                i++;
        if (i == *n) {
                lines[i] = (IoLine){ .first = (TqKey)key };
                (void)snprintf(lines[i].device, sizeof(lines[i].device), "%s", device);
                (*n)++;
        }
        lines[i].value[key - TQ_KEY_IO_READ] = value;
        return 0;
}

static int need_device(const char *device, TqKey key, TqError *err) {
        if (device)
                return 0;
        return tq_error_at(err, -EOPNOTSUPP, 0, tq_limits_keys[key].name,
                           "the tenant's directory is not on a disk; name one as %s@/dev/NAME",
                           tq_limits_keys[key].name);
}

static int io_attrs(const TqLimits *l, const char *device, TqAttr *attrs, size_t *n, TqError *err) {
        IoLine lines[TQ_IO_DEVICES + 1];
        size_t n_lines = 0;
        int r;

        for (uint32_t key = TQ_KEY_IO_READ; key <= TQ_KEY_IO_WIOPS; key++) {
                if (!tq_limits_has(l, (TqKey)key))
                        continue;
                r = need_device(device, (TqKey)key, err);
                if (r < 0)
                        return r;
                (void)io_add(lines, &n_lines, device, key, l->value[key]);
        }
        for (uint32_t i = 0; i < l->n_io; i++) {
                char resolved[TQ_IODEVICE_MAX];
                TqError why = {};

                r = tq_iodevice_resolve(l->io[i].device, resolved, sizeof(resolved), &why);
                if (r < 0)
                        return tq_error_at(err, r, 0, tq_limits_keys[l->io[i].key].name, "%s",
                                           why.text);
                (void)io_add(lines, &n_lines, resolved, l->io[i].key, l->io[i].value);
        }
        for (size_t i = 0; i < n_lines; i++) {
                TqAttr *a = &attrs[(*n)++];
                size_t at;

                *a = (TqAttr){ .controller = "io", .file = "io.max", .key = lines[i].first };
                at = (size_t)snprintf(a->value, sizeof(a->value), "%s", lines[i].device);
                for (size_t k = 0; k < TQ_ELEMENTSOF(io_words); k++) {
                        uint64_t v = lines[i].value[k];

                        if (v == 0 || v == TQ_LIMIT_MAX)
                                at += (size_t)snprintf(a->value + at, sizeof(a->value) - at,
                                                       " %s=max", io_words[k]);
                        else
                                at += (size_t)snprintf(a->value + at, sizeof(a->value) - at,
                                                       " %s=%" PRIu64, io_words[k], v);
                }
        }
        return 0;
}

static int check_available(const TqKeyRow *row, unsigned controllers, TqError *err) {
        if (controllers & tq_cgroup_controller_bit(row->controller))
                return 0;
        return tq_error_at(
                err, -EOPNOTSUPP, 0, row->name,
                "can't be enforced here: the cgroup v2 controller \"%s\" is not available",
                row->controller);
}

int tq_cgroup_check(const TqLimits *l, unsigned controllers, TqError *err) {
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];
                int r;

                if (!row->controller || !row->has_effect || !tq_limits_has(l, (TqKey)i))
                        continue;
                r = check_available(row, controllers, err);
                if (r < 0)
                        return r;
        }
        return l->n_io > 0 ? check_available(&tq_limits_keys[l->io[0].key], controllers, err) : 0;
}

static int check_weight(const char *device, TqError *err) {
        int r = need_device(device, TQ_KEY_IO_WEIGHT, err);

        if (r < 0)
                return r;
        if (tq_iodevice_has_weights(device))
                return 0;
        return tq_error_at(err, -EOPNOTSUPP, 0, "io_weight",
                           "has no effect on disk %s: enable it with `echo \"%s enable=1\" "
                           "> /sys/fs/cgroup/io.cost.qos` or use the bfq scheduler",
                           device, device);
}

int tq_cgroup_attrs(const TqLimits *l, unsigned controllers, const char *device, bool with_defaults,
                    TqAttr *ret_attrs, size_t *ret_n, TqError *err) {
        size_t n = 0;
        int r;

        r = tq_cgroup_check(l, controllers, err);
        if (r >= 0 && tq_limits_has(l, TQ_KEY_IO_WEIGHT))
                r = check_weight(device, err);
        if (r < 0)
                return r;
        for (int i = 0; i < _TQ_KEY_MAX; i++) {
                const TqKeyRow *row = &tq_limits_keys[i];
                bool is_set = tq_limits_has(l, (TqKey)i);

                if (!row->controller || !row->attribute || !row->has_effect)
                        continue;
                if (!is_set &&
                    !(with_defaults && controllers & tq_cgroup_controller_bit(row->controller)))
                        continue;
                ret_attrs[n] = (TqAttr){ .controller = row->controller,
                                         .file = row->attribute,
                                         .key = (TqKey)i,
                                         .is_default = !is_set };
                (void)tq_limits_attribute(l, (TqKey)i, ret_attrs[n].value,
                                          sizeof(ret_attrs[n].value));
                n++;
        }
        r = io_attrs(l, device, ret_attrs, &n, err);
        if (r < 0)
                return r;
        *ret_n = n;
        return 0;
}

/* Leaves -------------------------------------------------------------------------------------- */

const char *tq_cgroup_leaf_name(uint64_t job, unsigned attempt, char *buf, size_t size) {
        (void)snprintf(buf, size, "%" PRIu64 ".%u" TQ_LEAF_SUFFIX, job, attempt);
        return buf;
}

int tq_cgroup_leaf_new(int slice_fd, const char *name, unsigned controllers, const TqAttr *attrs,
                       size_t n_attrs, int *ret_fd, TqStage *ret_stage, TqError *err) {
        TQ_CLOSE int fd = -EBADF;
        int r = 0;

        *ret_stage = TQ_STAGE_CGROUP;
        if (mkdirat(slice_fd, name, 0755) < 0)
                return tq_error_errno(err, tq_errno(), "mkdir %s", name);
        fd = tq_fs_open_dir(slice_fd, name);
        if (fd < 0) {
                (void)unlinkat(slice_fd, name, AT_REMOVEDIR);
                return tq_error_errno(err, fd, "%s", name);
        }
        *ret_stage = TQ_STAGE_LIMITS;
        if (controllers & TQ_CONTROLLER_MEMORY)
                r = tq_fs_write_attr(fd, "memory.oom.group", "1");
        for (size_t i = 0; i < n_attrs && r >= 0; i++) {
                r = tq_fs_write_attr(fd, attrs[i].file, attrs[i].value);
                if (r < 0)
                        (void)tq_error_errno(err, r, "writing \"%s\" to %s", attrs[i].value,
                                             attrs[i].file);
        }
        if (r < 0) {
                (void)unlinkat(slice_fd, name, AT_REMOVEDIR);
                return r;
        }
        *ret_fd = tq_take_fd(&fd);
        return 0;
}

#define DEPTH_MAX 128 /* of descriptors that are open at the same time */

static bool is_same_device(int a, int b) {
        struct stat x, y;

        return fstat(a, &x) >= 0 && fstat(b, &y) >= 0 && x.st_dev == y.st_dev;
}

static int remove_below(int parent_fd, const char *name, unsigned depth, unsigned *left) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r;

        if (unlinkat(parent_fd, name, AT_REMOVEDIR) >= 0)
                return 0;
        if (errno != EBUSY && errno != ENOTEMPTY)
                return tq_errno();
        if (depth == 0)
                return -ELOOP;
        r = tq_fs_opendir(parent_fd, name, &dir);
        if (r < 0)
                return r;
        /* What somebody has mounted there is not ours. */
        r = is_same_device(parent_fd, dirfd(dir)) ? 0 : -EBUSY;
        while (r >= 0 && (e = readdir(dir))) {
                if (e->d_type != DT_DIR || e->d_name[0] == '.')
                        continue;
                r = *left == 0 ? -EAGAIN : remove_below(dirfd(dir), e->d_name, depth - 1, left);
                *left -= *left > 0;
        }
        if (r < 0)
                return r;
        return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? tq_errno() : 0;
}

int tq_cgroup_remove(int slice_fd, const char *name) {
        unsigned left = TQ_CGROUP_REMOVE_MAX;

        return remove_below(slice_fd, name, DEPTH_MAX, &left);
}

bool tq_cgroup_find(const char *text, const char *word, uint64_t *ret) {
        size_t n = strlen(word);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                if (*line == '\n')
                        line++;
                if (strncmp(line, word, n) == 0 && line[n] == ' ') {
                        *ret = strtoull(line + n + 1, NULL, 10);
                        return true;
                }
        }
        return false;
}

int tq_cgroup_is_populated(int fd) {
        char text[256];
        uint64_t v;
        ssize_t n;

        n = tq_fs_read_at(fd, "cgroup.events", text, sizeof(text));
        if (n < 0)
                return (int)n;
        return tq_cgroup_find(text, "populated", &v) ? v != 0 : -EBADMSG;
}

int tq_cgroup_kill(int fd) {
        return tq_fs_write_attr(fd, "cgroup.kill", "1");
}

/* Counters ------------------------------------------------------------------------------------ */

static uint64_t read_flat(int fd, const char *file, const char *word) {
        char text[4096];
        uint64_t v;

        if (tq_fs_read_at(fd, file, text, sizeof(text)) < 0 || !tq_cgroup_find(text, word, &v))
                return TQ_UNKNOWN;
        return v;
}

uint64_t tq_cgroup_read_number(int fd, const char *file) {
        char text[64];
        uint64_t v;

        if (tq_fs_read_at(fd, file, text, sizeof(text)) < 0)
                return TQ_UNKNOWN;
        text[strcspn(text, "\n")] = '\0';
        return tq_parse_u64(text, &v) < 0 ? TQ_UNKNOWN : v;
}

uint64_t tq_cgroup_sum_io(const char *text, const char *word) {
        uint64_t sum = 0;

        for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
                sum = tq_add_u64(sum, strtoull(p + strlen(word), NULL, 10));
        return sum;
}

void tq_cgroup_cpu(int fd, TqCgroupCpu *ret) {
        ret->usage_usec = read_flat(fd, "cpu.stat", "usage_usec");
        ret->throttled_usec = read_flat(fd, "cpu.stat", "throttled_usec");
}

int tq_cgroup_counters(int fd, unsigned controllers, TqCounters *ret) {
        char text[8192];
        ssize_t r = tq_fs_read_at(fd, "cpu.stat", text, sizeof(text));

        memset(ret, 0xFF, sizeof(*ret));
        if (r < 0 && tq_errno_is_shortage((int)r))
                return (int)r;
        if (r >= 0)
                (void)tq_cgroup_find(text, "usage_usec", &ret->cpu_usec);
        if (controllers & TQ_CONTROLLER_MEMORY) {
                ret->memory_peak_bytes = tq_cgroup_read_number(fd, "memory.peak");
                ret->oom_kills = read_flat(fd, "memory.events", "oom_kill");
        }
        if (controllers & TQ_CONTROLLER_IO &&
            tq_fs_read_at(fd, "io.stat", text, sizeof(text)) >= 0) {
                ret->io_read_bytes = tq_cgroup_sum_io(text, "rbytes=");
                ret->io_write_bytes = tq_cgroup_sum_io(text, "wbytes=");
        }
        if (controllers & TQ_CONTROLLER_PIDS) {
                ret->pids_peak = tq_cgroup_read_number(fd, "pids.peak");
                ret->pids_denied = read_flat(fd, "pids.events", "max");
        }
        return 0;
}

uint64_t tq_cgroup_memory_held(int fd) {
        static const char *const reclaimable[] = { "active_file", "inactive_file",
                                                   "slab_reclaimable" };
        uint64_t held = tq_cgroup_read_number(fd, "memory.current");

        if (held == TQ_UNKNOWN)
                return TQ_UNKNOWN;
        for (size_t i = 0; i < TQ_ELEMENTSOF(reclaimable); i++) {
                uint64_t v = read_flat(fd, "memory.stat", reclaimable[i]);

                /* They are read one after the other. */
                held = v == TQ_UNKNOWN ? held : v < held ? held - v : 0;
        }
        return held;
}

uint64_t tq_cgroup_oom_events(int fd) {
        uint64_t v = read_flat(fd, "memory.events.local", "oom");

        return v == TQ_UNKNOWN ? 0 : v;
}
