/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "base/fs.h"
#include "core/ids.h"
#include "ctl/doctor.h"
#include "kernel/iodevice.h"

/* Root's configuration, the directories that it names, and who works in them. */

static void look_at_config(const Host *h, Finding *f) {
        if (h->config_error[0]) {
                doctor_say(f, DOCTOR_FAIL, "%s", h->config_error);
                doctor_mend(f, "tenantqd --check says all that is wrong");
        } else
                doctor_say(f, DOCTOR_OK, "%s can be read", h->config_dir);
}

static bool is_number(const char *s) {
        return s[0] != '\0' && s[strspn(s, "0123456789")] == '\0';
}

static void look_at_users(const Host *h, Finding *f) {
        const TqHostConfig *c = h->config;
        const char *missing =
                !is_number(c->engine_user) && !getpwnam(c->engine_user)   ? c->engine_user
                : !is_number(c->exec_user) && !getpwnam(c->exec_user)     ? c->exec_user
                : !is_number(c->admin_group) && !getgrnam(c->admin_group) ? c->admin_group
                                                                          : NULL;

        if (missing) {
                doctor_say(f, DOCTOR_FAIL, "there is no %s", missing);
                doctor_mend(f, "systemd-sysusers");
        } else if (strcmp(c->engine_user, c->exec_user) == 0) {
                doctor_say(f, DOCTOR_FAIL, "engine_user and exec_user are the same");
                doctor_mend(f, "two users, or one that is taken over can act as the other");
        } else
                doctor_say(f, DOCTOR_OK, "%s, %s, %s", c->engine_user, c->exec_user,
                           c->admin_group);
}

/* Where it lies: in a file system that keeps what was synced, and whose locks are the host's. */
static void look_at_place(const char *path, bool must_last, Finding *f) {
        struct statfs st;
        const char *what = NULL;

        if (statfs(path, &st) < 0) {
                doctor_say(f, DOCTOR_FAIL, "%s: %s", path, strerror(errno));
                doctor_mend(f, "systemd-tmpfiles --create");
                return;
        }
        if (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC)
                what = "tmpfs: what is in it is gone after a reboot";
        else if (st.f_type == NFS_SUPER_MAGIC || st.f_type == SMB2_SUPER_MAGIC ||
                 st.f_type == CIFS_SUPER_MAGIC)
                what = "a network file system: locks and syncs are not the host's alone";
        else if (st.f_type == OVERLAYFS_SUPER_MAGIC)
                what = "overlay: I/O limits do not hold, and it goes with its container";
        if (what) {
                doctor_say(f, must_last ? DOCTOR_FAIL : DOCTOR_WARN, "%s is on %s", path, what);
                doctor_mend(f, "a directory on ext4 or xfs, of its own disk if there is one");
        } else
                doctor_say(f, DOCTOR_OK, "%s", path);
}

static void look_at_spool(const Host *h, Finding *f) {
        look_at_place(h->config->spool, false, f);
}

static void look_at_ledger(const Host *h, Finding *f) {
        look_at_place(h->config->state, true, f);
}

static void look_at_logs(const Host *h, Finding *f) {
        look_at_place(h->config->logs, false, f);
}

static bool is_unsafe(const char *path, char *ret, size_t size) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return false; /* that is told by others */
        if (st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
                return false;
        (void)snprintf(ret, size, "%s belongs to user %u and has mode %04o", path, st.st_uid,
                       st.st_mode & 07777);
        return true;
}

static void look_at_modes(const Host *h, Finding *f) {
        const TqHostConfig *c = h->config;
        const char *const paths[] = { c->spool, c->state, c->logs, c->run, h->config_dir };
        char what[256];

        doctor_say(f, DOCTOR_OK, "tenantq's own directories are root's alone");
        for (size_t i = 0; i < TQ_ELEMENTSOF(paths); i++)
                if (is_unsafe(paths[i], what, sizeof(what))) {
                        doctor_say(f, DOCTOR_FAIL, "%s: others could put something in its place",
                                   what);
                        doctor_mend(f, "chown root: %s; chmod 0755 %s", paths[i], paths[i]);
                        return;
                }
}

static void look_at_tenants(const Host *h, Finding *f) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        size_t n = 0;

        if (tq_fs_opendir(AT_FDCWD, h->config->spool, &dir) < 0) {
                doctor_say(f, DOCTOR_WARN, "%s can't be read", h->config->spool);
                return;
        }
        while ((e = readdir(dir))) {
                struct stat st;

                if (!tq_ids_tenant_is_valid(e->d_name) ||
                    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !S_ISDIR(st.st_mode))
                        continue;
                n++;
                if ((st.st_mode & 0777) == 0700 || (st.st_mode & 0777) == 0730)
                        continue;
                doctor_say(f, DOCTOR_WARN, "%s/%s has mode %04o: the tenant is disabled",
                           h->config->spool, e->d_name, st.st_mode & 07777);
                doctor_mend(f, "chmod 0700 %s/%s; tenantqctl tenants says what else is wrong",
                            h->config->spool, e->d_name);
                return;
        }
        doctor_say(f, n > 0 ? DOCTOR_OK : DOCTOR_WARN, "%zu of them", n);
        if (n == 0)
                doctor_mend(f, "install -d -m 0700 -o USER -g GROUP %s/NAME", h->config->spool);
}

static void look_at_io(const Host *h, Finding *f) {
        TQ_CLOSE int fd = open(h->config->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char device[TQ_IODEVICE_MAX];
        TqError err = {};

        if (fd < 0 || tq_iodevice_of_file(fd, device, sizeof(device), &err) < 0) {
                doctor_say(f, DOCTOR_WARN, "no disk below %s: io_read and io_write are refused",
                           h->config->spool);
                doctor_mend(f, "a directory on a disk (no tmpfs, overlay, btrfs or network)");
        } else if (!tq_iodevice_has_weights(device)) {
                doctor_say(f, DOCTOR_WARN,
                           "disk %s can be limited (io_read, io_write), but has no weights: "
                           "io_weight is refused, and who writes most has most of it",
                           device);
                doctor_mend(f, "echo '%s enable=1' > /sys/fs/cgroup/io.cost.qos", device);
        } else
                doctor_say(f, DOCTOR_OK, "disk %s has limits and weights", device);
}

#define SQLITE_LEAST 3037000 /* STRICT tables */

static void look_at_sqlite(const Host *h, Finding *f) {
        (void)h;
        if (sqlite3_libversion_number() >= SQLITE_LEAST && sqlite3_threadsafe()) {
                doctor_say(f, DOCTOR_OK, "SQLite %s", sqlite3_libversion());
                return;
        }
        doctor_say(f, DOCTOR_FAIL, "SQLite %s is too old, or without threads",
                   sqlite3_libversion());
        doctor_mend(f, "SQLite 3.37 or later");
}

/* Of the main file and its drop-ins only the main one is looked at: it is what people edit. */
static void look_at_journal(const Host *h, Finding *f) {
        TQ_FREE char *text = NULL;
        size_t size;
        const char *p;

        (void)h;
        doctor_say(f, DOCTOR_OK, "journald takes what tenantq says");
        if (tq_fs_read_file(AT_FDCWD, "/etc/systemd/journald.conf", 65536, &text, &size) < 0)
                return;
        p = strstr(text, "\nStorage=");
        if (!p || (strncmp(p + 9, "none", 4) != 0 && strncmp(p + 9, "volatile", 8) != 0))
                return;
        doctor_say(f, DOCTOR_WARN, "journald keeps nothing over a reboot (Storage=%.*s)",
                   (int)strcspn(p + 9, "\n"), p + 9);
        doctor_mend(f, "Storage=persistent in /etc/systemd/journald.conf");
}

static void look_at_daemon(const Host *h, Finding *f) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        TQ_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/control.sock",
                       h->config->run);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) >= 0)
                doctor_say(f, DOCTOR_OK, "it listens at %s", address.sun_path);
        else {
                doctor_say(f, DOCTOR_WARN, "nobody listens at %s", address.sun_path);
                doctor_mend(f, "systemctl start tenantq; journalctl -u tenantq says why not");
        }
}

const DoctorCheck doctor_files[] = {
        { "configuration", look_at_config },
        { "users", look_at_users },
        { "spool", look_at_spool },
        { "ledger", look_at_ledger },
        { "logs", look_at_logs },
        { "modes", look_at_modes },
        { "tenants", look_at_tenants },
        { "io", look_at_io },
        { "sqlite", look_at_sqlite },
        { "journal", look_at_journal },
        { "daemon", look_at_daemon },
};
const size_t n_doctor_files = TQ_ELEMENTSOF(doctor_files);
