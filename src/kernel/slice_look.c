/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/fs.h"
#include "base/parse.h"
#include "kernel/slice_private.h"

/* What a slice holds and uses, compared with what it should hold: reading only, without libcgroup.
 */

/* Compares ignoring blanks and the kernel's rounding of memory down to pages. */
bool slice_is_same(const TqAttr *a, const char *held) {
        unsigned long long want, got;
        char *end_want, *end_got;

        if (strcmp(a->value, held) == 0)
                return true;
        want = strtoull(a->value, &end_want, 10);
        got = strtoull(held, &end_got, 10);
        return strcmp(a->controller, "memory") == 0 && isdigit((unsigned char)a->value[0]) &&
               isdigit((unsigned char)held[0]) && *end_want == '\0' && *end_got == '\0' &&
               got <= want && want - got < (unsigned long long)sysconf(_SC_PAGESIZE);
}

int slice_read(int fd, const char *file, char *text, size_t size) {
        ssize_t n = tq_fs_read_at(fd, file, text, size);

        if (n < 0)
                return (int)n;
        while (n > 0 && text[n - 1] == '\n')
                text[--n] = '\0';
        return 0;
}

/* The line of a device (MAJ:MIN, as `line` begins with) in what io.max holds; NULL: none. */
const char *slice_io_line(const char *held, const char *line) {
        size_t n = strcspn(line, " ") + 1;

        while (*held) {
                if (strncmp(held, line, n) == 0)
                        return held;
                held += strcspn(held, "\n");
                held += *held == '\n';
        }
        return NULL;
}

/* Whether the kernel's io.max says what a line asks: it leaves out lines that limit nothing. */
bool slice_io_is_same(const char *held, const char *line) {
        const char *found = slice_io_line(held, line);
        size_t n = found ? strcspn(found, "\n") : 0;

        if (!found)
                return strstr(line, "rbps=max wbps=max riops=max wiops=max") != NULL;
        return strlen(line) == n && strncmp(found, line, n) == 0;
}

/* What is used of what a limit bounds; without file: tq_cgroup_memory_held(). */
static const struct {
        TqKey key;
        const char *file;
        const char *consequence;
} uses[] = {
        { TQ_KEY_MEMORY, NULL, "the kernel would take it back at once, and kill for it" },
        { TQ_KEY_MEMORY_HIGH, NULL, "they would be slowed down until it is given back" },
        { TQ_KEY_SWAP, "memory.swap.current", "it would have to be taken back into memory" },
        { TQ_KEY_PIDS, "pids.current", "they could start no more" },
};

static int check_use(int fd, const TqAttr *attr, size_t use, TqError *err) {
        uint64_t held = tq_cgroup_read_number(fd, attr->file), wanted;
        uint64_t used = uses[use].file ? tq_cgroup_read_number(fd, uses[use].file)
                                       : tq_cgroup_memory_held(fd);
        char text[2][TQ_VALUE_MAX];
        TqKey key = uses[use].key;

        /* No number: none, as "max" is for what may be used. */
        if (tq_parse_u64(attr->value, &wanted) < 0 || used == TQ_UNKNOWN || wanted >= held ||
            wanted >= used)
                return 0;
        return tq_error_at(err, -EBUSY, 0, tq_limits_keys[key].name,
                           "%s is less than the %s that its jobs use now: %s; --force does it "
                           "nevertheless",
                           tq_limits_format_value(key, wanted, text[0], sizeof(text[0])),
                           key == TQ_KEY_PIDS
                                   ? tq_limits_format_value(key, used, text[1], sizeof(text[1]))
                                   : tq_format_size_short(used, text[1], sizeof(text[1])),
                           uses[use].consequence);
}

int tq_slice_check_use(int root_fd, const char *name, const TqLimits *limits, unsigned controllers,
                       const char *device, TqError *err) {
        TQ_CLOSE int fd = -EBADF;
        TqAttr all[TQ_ATTRS_MAX];
        size_t n;
        int r;

        r = tq_cgroup_attrs(limits, controllers, device, true, all, &n, err);
        if (r < 0)
                return r;
        fd = tq_fs_open_dir(root_fd, name);
        if (fd == -ENOENT)
                return 0;
        if (fd < 0)
                return tq_error_errno(err, fd, "%s", name);
        for (size_t i = 0; r >= 0 && i < n; i++)
                for (size_t k = 0; r >= 0 && k < TQ_ELEMENTSOF(uses); k++)
                        if (all[i].key == uses[k].key)
                                r = check_use(fd, &all[i], k, err);
        return r;
}

typedef struct Differences {
        char *text;
        size_t size, at, n;
} Differences;

static void add_line(Differences *d, const char *file, const char *held, const char *wanted) {
        size_t left = d->size - d->at, n;

        d->n++;
        n = (size_t)snprintf(d->text + d->at, left, "%s\t%.80s\t%.80s\n", file, held, wanted);
        /* A line is there whole or not at all. */
        if (n < left)
                d->at += n;
        else
                d->text[d->at] = '\0';
}

/* All of the parent's CPUs are said by nothing, or by their numbers (name_all_cpus()). */
static bool cpus_are_same(int root_fd, const TqAttr *attr, const char *held) {
        char all[sizeof(attr->value)];

        return slice_is_same(attr, held) ||
               (attr->value[0] == '\0' &&
                slice_read(root_fd, "cpuset.cpus.effective", all, sizeof(all)) >= 0 &&
                strcmp(held, all) == 0);
}

static void look_at(int root_fd, int fd, const TqAttr *attr, Differences *d) {
        bool is_io = strcmp(attr->file, "io.max") == 0;
        char held[4096];
        int r = slice_read(fd, attr->file, held, sizeof(held));

        if (r < 0 && attr->is_default)
                return;
        if (r < 0)
                add_line(d, attr->file, strerror(-r), attr->value);
        else if (is_io ? !slice_io_is_same(held, attr->value) : !cpus_are_same(root_fd, attr, held))
                add_line(d, attr->file, is_io ? "other numbers" : held, attr->value);
}

/* Disks of which no limit is wanted. */
static void look_for_more(int fd, const TqAttr *all, size_t n, Differences *d) {
        char held[4096], *save = NULL;

        if (slice_read(fd, "io.max", held, sizeof(held)) < 0)
                return;
        for (char *line = strtok_r(held, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                bool wanted = false;

                for (size_t i = 0; i < n; i++)
                        wanted |= strcmp(all[i].file, "io.max") == 0 &&
                                  slice_io_line(all[i].value, line) != NULL;
                if (!wanted)
                        add_line(d, "io.max", line, "nothing of that disk");
        }
}

int tq_slice_look(int root_fd, const char *name, const TqLimits *limits, unsigned controllers,
                  const char *device, TqCgroupCpu *ret_cpu, char *ret, size_t size, TqError *err) {
        Differences d = { .text = ret, .size = size };
        TQ_CLOSE int fd = -EBADF;
        TqAttr all[TQ_ATTRS_MAX];
        size_t n;
        int r;

        ret[0] = '\0';
        *ret_cpu = TQ_CGROUP_CPU_UNKNOWN;
        r = tq_cgroup_attrs(limits, controllers, device, true, all, &n, err);
        if (r < 0)
                return r;
        fd = tq_fs_open_dir(root_fd, name);
        if (fd == -ENOENT) {
                add_line(&d, name, "nothing", "the tenant's slice");
                return -ESTALE;
        }
        if (fd < 0)
                return tq_error_errno(err, fd, "%s", name);
        tq_cgroup_cpu(fd, ret_cpu);
        for (size_t i = 0; i < n; i++)
                look_at(root_fd, fd, &all[i], &d);
        look_for_more(fd, all, n, &d);
        return d.n > 0 ? -ESTALE : 0;
}
