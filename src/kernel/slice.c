/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <libcgroup.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "kernel/slice_private.h"

/* libcgroup makes and changes tenants' slices: rare, administrative, one at a time. Jobs' leaves
 * are made without it (it costs 10 to 16 times the raw calls), and nothing is removed by it (it
 * moves survivors out of their limits and reports success).
 *
 * What it does wrong, and what is done about it:
 *
 * - It binds to v1 paths on a hybrid host and succeeds: the mount that it found is compared.
 * - It makes nothing of a struct without controllers and returns 0: such a slice is a mkdir.
 * - It reports success for a value that the kernel changed: each value is read back.
 * - It prints to stdout: a logger that drops is set first. */

static struct {
        char prefix[PATH_MAX]; /* of slices, relative to libcgroup's mount, with trailing slash */
} library;                     /* libcgroup is one per process, and so is this */

static void drop_log(void *userdata, int level, const char *fmt, va_list ap) {
        (void)userdata;
        (void)level;
        (void)fmt;
        (void)ap;
}

static int library_error(TqError *err, const char *what, int r) {
        const char *text = r == ECGOTHER ? strerror(cgroup_get_last_errno()) : cgroup_strerror(r);
        int code = r == ECGOTHER && cgroup_get_last_errno() > 0 ? -cgroup_get_last_errno() : -EIO;

        return tq_error(err, code, "libcgroup: %s: %s", what, text);
}

int tq_slice_init(const char *root_path, unsigned controllers, TqError *err) {
        TQ_FREE char *mount_point = NULL;
        char names[64];
        size_t n;
        int r;

        if (controllers == 0)
                return 0;
        cgroup_set_logger(drop_log, CGROUP_LOG_ERROR, NULL);
        r = cgroup_init();
        if (r != 0)
                return library_error(err, "init", r);
        (void)tq_cgroup_controllers_format(controllers, names, sizeof(names));
        names[strcspn(names, " ")] = '\0';
        r = cgroup_get_subsys_mount_point(names, &mount_point);
        if (r != 0)
                return library_error(err, names, r);
        n = strlen(mount_point);
        if (strncmp(root_path, mount_point, n) != 0 || root_path[n] != '/')
                return tq_error(
                        err, -EOPNOTSUPP,
                        "controller \"%s\" is mounted at %s, not above %s: this host is not on "
                        "cgroup v2 alone",
                        names, mount_point, root_path);
        (void)snprintf(library.prefix, sizeof(library.prefix), "%s/", root_path + n + 1);
        return 0;
}

/* Adds a value; io.max's lines are joined, since libcgroup refuses the same name twice and writes
 * the lines of one value one by one. */
static int add_values(struct cgroup *group, const TqAttr *attrs, size_t n, const char *io_lines,
                      TqError *err) {
        for (size_t i = 0; i < n; i++) {
                struct cgroup_controller *controller;
                int r;

                controller = cgroup_get_controller(group, attrs[i].controller);
                if (!controller)
                        controller = cgroup_add_controller(group, attrs[i].controller);
                if (!controller)
                        return tq_error(err, -ENOMEM, "libcgroup: %s", attrs[i].controller);
                if (strcmp(attrs[i].file, "io.max") == 0)
                        continue;
                r = cgroup_add_value_string(controller, attrs[i].file, attrs[i].value);
                if (r != 0)
                        return library_error(err, attrs[i].file, r);
        }
        if (io_lines[0] != '\0') {
                int r = cgroup_add_value_string(cgroup_get_controller(group, "io"), "io.max",
                                                io_lines);

                if (r != 0)
                        return library_error(err, "io.max", r);
        }
        return 0;
}

static void free_group(struct cgroup **group) {
        if (*group)
                cgroup_free(group);
}

/* The attributes whose value differs from what the kernel holds: often none or one. A default whose
 * file this kernel doesn't have needs no writing; a wanted value does, and fails with the reason.
 */
static size_t pick_changes(int fd, const TqAttr *all, size_t n, TqAttr *ret) {
        size_t n_ret = 0;

        for (size_t i = 0; i < n; i++) {
                char held[TQ_VALUE_MAX * 2] = "";
                int r = strcmp(all[i].file, "io.max") == 0
                                ? 0
                                : slice_read(fd, all[i].file, held, sizeof(held));

                if (r < 0 && all[i].is_default)
                        continue;
                if (strcmp(all[i].file, "io.max") != 0 && r >= 0 && slice_is_same(&all[i], held))
                        continue;
                ret[n_ret++] = all[i];
        }
        return n_ret;
}

/* The lines of io.max to write: those wanted, and "max" for disks that no longer have a limit. What
 * can't be told whole would leave one that nobody wants, or leave one out: negative errno. */
static int io_lines(int fd, const TqAttr *all, size_t n, char *ret, size_t size) {
        char held[4096], *save = NULL;
        size_t at = 0;
        int r;

        ret[0] = '\0';
        for (size_t i = 0; i < n; i++)
                if (strcmp(all[i].file, "io.max") == 0 && at < size)
                        at += (size_t)snprintf(ret + at, size - at, "%s%s", at > 0 ? "\n" : "",
                                               all[i].value);
        r = slice_read(fd, "io.max", held, sizeof(held));
        if (r < 0 && r != -ENOENT)
                return r;
        for (char *line = strtok_r(held, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                bool wanted = false;

                line[strcspn(line, " ")] = '\0';
                for (size_t i = 0; i < n; i++)
                        if (strcmp(all[i].file, "io.max") == 0 &&
                            strncmp(all[i].value, line, strlen(line)) == 0 &&
                            all[i].value[strlen(line)] == ' ')
                                wanted = true;
                if (!wanted && at < size)
                        at += (size_t)snprintf(ret + at, size - at,
                                               "%s%s rbps=max wbps=max riops=max wiops=max",
                                               at > 0 ? "\n" : "", line);
        }
        return at < size ? 0 : -E2BIG;
}

/* libcgroup doesn't say which file it failed to write: the first that doesn't hold its value. */
static void name_culprit(int fd, const TqAttr *attrs, size_t n, int r, TqError *err) {
        int code = r == ECGOTHER && cgroup_get_last_errno() > 0 ? -cgroup_get_last_errno() : -EIO;

        for (size_t i = 0; i < n; i++) {
                bool is_io = strcmp(attrs[i].file, "io.max") == 0;
                char held[4096];

                if (slice_read(fd, attrs[i].file, held, sizeof(held)) >= 0 &&
                    (is_io ? slice_io_is_same(held, attrs[i].value)
                           : slice_is_same(&attrs[i], held)))
                        continue;
                (void)tq_error_at(err, code, 0, tq_limits_keys[attrs[i].key].name,
                                  "the kernel refuses \"%s\" in %s: %s", attrs[i].value,
                                  attrs[i].file, strerror(-code));
                return;
        }
}

/* fd: of the slice, to be changed; negative: it is to be made. */
static int write_values(int fd, const char *name, const TqAttr *attrs, size_t n,
                        const char *io_lines, TqError *err) {
        TQ_CLEANUP(free_group) struct cgroup *group = NULL;
        char path[PATH_MAX + TQ_VALUE_MAX];
        int r;

        if (n == 0)
                return 0;
        (void)snprintf(path, sizeof(path), "%s%s", library.prefix, name);
        group = cgroup_new_cgroup(path);
        if (!group)
                return tq_error(err, -ENOMEM, "libcgroup: %s", path);
        r = add_values(group, attrs, n, io_lines, err);
        if (r < 0)
                return r;
        r = fd >= 0 ? cgroup_modify_cgroup(group) : cgroup_create_cgroup(group, 1);
        if (r != 0 && fd >= 0)
                name_culprit(fd, attrs, n, r, err);
        return r != 0 ? library_error(err, name, r) : 0;
}

static int read_back(int fd, const TqAttr *all, size_t n, TqSliceState *state, TqError *err) {
        state->n = 0;
        for (size_t i = 0; i < n; i++) {
                char held[4096];
                int r = slice_read(fd, all[i].file, held, sizeof(held));

                if (r < 0 && all[i].is_default)
                        continue;
                if (r < 0)
                        return tq_error_errno(err, r, "reading %s back", all[i].file);
                if (strcmp(all[i].file, "io.max") == 0 ? !slice_io_is_same(held, all[i].value)
                                                       : !slice_is_same(&all[i], held))
                        return tq_error(err, -EIO, "%s: wrote \"%s\" but the kernel holds \"%s\"",
                                        all[i].file, all[i].value, held);
                state->values[state->n].key = all[i].key;
                (void)snprintf(state->values[state->n].text, sizeof(state->values[0].text),
                               "%.200s", strcmp(all[i].file, "io.max") == 0 ? all[i].value : held);
                state->n++;
        }
        return 0;
}

/* An empty cpuset.cpus ("all of the parent's") can't be said through libcgroup: it skips empty
 * values. */
static int write_empty_cpus(int fd, TqAttr *changes, size_t *n) {
        for (size_t i = 0; i < *n; i++) {
                int r;

                if (changes[i].key != TQ_KEY_CPUS || changes[i].value[0] != '\0')
                        continue;
                r = tq_fs_write_attr(fd, changes[i].file, "\n");
                if (r < 0)
                        return r;
                changes[i] = changes[--*n];
                return 0;
        }
        return 0;
}

static int change(int fd, const char *name, const TqAttr *all, size_t n, TqSliceState *state,
                  TqError *err) {
        TqAttr changes[TQ_ATTRS_MAX];
        char lines[4096] = "";
        size_t n_changes;
        int r;

        n_changes = pick_changes(fd, all, n, changes);
        r = io_lines(fd, all, n, lines, sizeof(lines));
        if (r < 0)
                return tq_error_errno(err, r, "io.max");
        /* Lines to take back may stand there though no io limit is wanted any more. */
        if (lines[0] != '\0' && n_changes < TQ_ATTRS_MAX)
                changes[n_changes++] =
                        (TqAttr){ .controller = "io", .file = "io.max", .key = TQ_KEY_IO_READ };
        r = write_empty_cpus(fd, changes, &n_changes);
        if (r < 0)
                return tq_error_errno(err, r, "cpuset.cpus");
        r = write_values(fd, name, changes, n_changes, lines, err);
        if (r < 0)
                return r;
        return read_back(fd, all, n, state, err);
}

/* What the slice holds now, as attributes to write back should the change fail half-way. */
static size_t snapshot(int fd, const TqAttr *all, size_t n, TqAttr *ret) {
        char held[4096], *save = NULL;
        size_t n_ret = 0;

        for (size_t i = 0; i < n; i++) {
                if (strcmp(all[i].file, "io.max") == 0)
                        continue;
                ret[n_ret] = all[i];
                if (slice_read(fd, all[i].file, ret[n_ret].value, sizeof(ret[n_ret].value)) >= 0)
                        n_ret++;
        }
        (void)slice_read(fd, "io.max", held, sizeof(held));
        for (char *line = strtok_r(held, "\n", &save); line && n_ret < TQ_ATTRS_MAX;
             line = strtok_r(NULL, "\n", &save)) {
                ret[n_ret] =
                        (TqAttr){ .controller = "io", .file = "io.max", .key = TQ_KEY_IO_READ };
                (void)snprintf(ret[n_ret].value, sizeof(ret[n_ret].value), "%s", line);
                n_ret++;
        }
        return n_ret;
}

static int make(int root_fd, const char *name, unsigned controllers, TqError *err) {
        TqAttr first[8];
        size_t n = 0;
        char names[64], *save = NULL;

        if (controllers == 0)
                return mkdirat(root_fd, name, 0755) < 0 && errno != EEXIST
                               ? tq_error_errno(err, tq_errno(), "mkdir %s", name)
                               : 0;
        (void)tq_cgroup_controllers_format(controllers, names, sizeof(names));
        for (char *word = strtok_r(names, " ", &save); word; word = strtok_r(NULL, " ", &save))
                /* "io.max" is the one file that add_values() leaves out: controllers, no values. */
                first[n++] = (TqAttr){ .controller = word, .file = "io.max" };
        return write_values(-EBADF, name, first, n, "", err);
}

/* A cpuset in which something runs can't be emptied again (validate_change() in
 * kernel/cgroup/cpuset.c says ENOSPC): all of the parent's CPUs are said by their numbers instead.
 */
static void name_all_cpus(int root_fd, int fd, TqAttr *all, size_t n) {
        char held[sizeof(all->value)];

        for (size_t i = 0; i < n; i++) {
                if (all[i].key != TQ_KEY_CPUS || all[i].value[0] != '\0' ||
                    slice_read(fd, all[i].file, held, sizeof(held)) < 0 || held[0] == '\0' ||
                    tq_cgroup_is_populated(fd) == 0)
                        continue;
                if (slice_read(root_fd, "cpuset.cpus.effective", held, sizeof(held)) >= 0)
                        (void)snprintf(all[i].value, sizeof(all[i].value), "%s", held);
        }
}

int tq_slice_apply(int root_fd, const char *name, const TqLimits *limits, unsigned controllers,
                   const char *device, int *ret_fd, TqSliceState *ret_state, TqError *err) {
        TqAttr all[TQ_ATTRS_MAX], before[TQ_ATTRS_MAX];
        TQ_CLOSE int fd = -EBADF;
        size_t n, n_before;
        int r;

        r = tq_cgroup_attrs(limits, controllers, device, true, all, &n, err);
        if (r < 0)
                return r;
        fd = tq_fs_open_dir(root_fd, name);
        if (fd == -ENOENT) {
                r = make(root_fd, name, controllers, err);
                if (r < 0)
                        return r;
                fd = tq_fs_open_dir(root_fd, name);
        }
        if (fd < 0)
                return tq_error_errno(err, fd, "%s", name);
        name_all_cpus(root_fd, fd, all, n);
        n_before = snapshot(fd, all, n, before);
        r = change(fd, name, all, n, ret_state, err);
        if (r < 0) {
                TqSliceState ignored;

                (void)change(fd, name, before, n_before, &ignored, NULL);
                return r;
        }
        r = tq_cgroup_enable(fd, controllers);
        if (r < 0)
                return tq_error_errno(err, r, "%s/cgroup.subtree_control", name);
        if (ret_fd)
                *ret_fd = tq_take_fd(&fd);
        return 0;
}
