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
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "base/format.h"
#include "base/fs.h"
#include "core/ids.h"
#include "ctl/ctl.h"
#include "ctl/doctor.h"
#include "kernel/iodevice.h"
#include "store/reserve.h"

/* The directories that root's configuration names, and who works in them. */

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

/* Bytes that those who are not root have, and all. */
static bool get_space(const char *path, uint64_t *ret_free, uint64_t *ret_size) {
        struct statvfs st;

        if (statvfs(path, &st) < 0)
                return false;
        *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
        *ret_size = (uint64_t)st.f_blocks * st.f_frsize;
        return true;
}

static void look_at_ledger(const Host *h, Finding *f) {
        const char *state = h->config->state;
        char made[PATH_MAX + 16], ledger[PATH_MAX + 32], text[TQ_FORMAT_MAX];
        uint64_t available, size;

        look_at_place(state, true, f);
        if (f->grade != DOCTOR_OK)
                return;
        (void)snprintf(made, sizeof(made), "%s/ledger.made", state);
        (void)snprintf(ledger, sizeof(ledger), "%s/ledger/ledger.db", state);
        if (access(made, F_OK) == 0 && access(ledger, F_OK) < 0 && errno == ENOENT) {
                doctor_say(f, DOCTOR_FAIL, "%s is gone", ledger);
                doctor_mend(f, "mount its disk, or bring back a backup: tenantqd(8), A damaged "
                               "ledger");
        } else if (get_space(state, &available, &size) && available < TQ_RESERVE_BYTES) {
                doctor_say(f, DOCTOR_FAIL, "the disk of %s has %s left", state,
                           tq_format_size_short(available, text, sizeof(text)));
                doctor_mend(f, "make room: without it nothing is taken or started");
        }
}

static void look_at_logs(const Host *h, Finding *f) {
        const char *logs = h->config->logs;
        uint64_t available, size, floor = h->config->retention.output_floor;
        char text[TQ_FORMAT_MAX];

        look_at_place(logs, false, f);
        if (f->grade != DOCTOR_OK || !get_space(logs, &available, &size) ||
            available >= tq_retention_floor(size, floor))
                return;
        doctor_say(f, DOCTOR_WARN,
                   "the disk of %s has %s left, less than output_floor: the output "
                   "of jobs is dropped",
                   logs, tq_format_size_short(available, text, sizeof(text)));
        doctor_mend(f, "make room, or keep less: [history] in tenantq.conf");
}

/* OK: root's alone; FAIL; WARN: it is not there, or can't be seen. */
static DoctorGrade judge_modes(const char *path, Finding *f) {
        struct stat st;

        if (lstat(path, &st) < 0) {
                doctor_say(f, DOCTOR_WARN, "%s: %s", path, strerror(errno));
                doctor_mend(f, errno == ENOENT
                                       ? "systemd-tmpfiles --create; systemctl start tenantq"
                                       : "look again as root");
                return DOCTOR_WARN;
        }
        if (st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
                return DOCTOR_OK;
        doctor_say(f, DOCTOR_FAIL,
                   "%s belongs to user %u and has mode %04o: others could put something in its "
                   "place",
                   path, st.st_uid, st.st_mode & 07777);
        doctor_mend(f, "chown root: %s; chmod 0755 %s", path, path);
        return DOCTOR_FAIL;
}

static void look_at_modes(const Host *h, Finding *f) {
        const TqHostConfig *c = h->config;
        const char *const paths[] = { c->spool, c->state, c->logs, c->run, h->config_dir };

        doctor_say(f, DOCTOR_OK, "tenantq's own directories are root's alone");
        for (size_t i = 0; i < TQ_ELEMENTSOF(paths); i++) {
                Finding one = {};

                if (judge_modes(paths[i], &one) > f->grade)
                        *f = one;
        }
}

typedef struct Census {
        size_t n, n_disabled;
        char names[200];             /* of those that are disabled */
        char first[128], fault[300]; /* of the first of them */
} Census;

static void count_disabled(Census *c, const char *name, const char *fault) {
        size_t used = strlen(c->names);

        if (c->n_disabled++ == 0) {
                (void)snprintf(c->first, sizeof(c->first), "%s", name);
                (void)snprintf(c->fault, sizeof(c->fault), "%s", fault);
        }
        if (used + strlen(name) + strlen(", ") < sizeof(c->names))
                (void)snprintf(c->names + used, sizeof(c->names) - used, "%s%s",
                               used > 0 ? ", " : "", name);
}

/* What of it can be seen without a daemon. */
static int count_directories(const char *spool, Census *ret) {
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        int r = tq_fs_opendir(AT_FDCWD, spool, &dir);

        while (r >= 0 && (e = readdir(dir))) {
                char fault[128];
                struct stat st;

                if (!tq_ids_tenant_is_valid(e->d_name) ||
                    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !S_ISDIR(st.st_mode))
                        continue;
                ret->n++;
                (void)snprintf(fault, sizeof(fault), "its directory has mode %04o: chmod 0700",
                               st.st_mode & 07777);
                if ((st.st_mode & 0777) != 0700 && (st.st_mode & 0777) != 0730)
                        count_disabled(ret, e->d_name, fault);
        }
        return r;
}

static void get_socket(const Host *h, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        (void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%.90s/control.sock", h->config->run);
}

static bool is_listening(const struct sockaddr_un *address) {
        TQ_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) >= 0;
}

/* The daemon knows of all faults. false: it does not run, or does not tell. */
static bool ask_daemon(const Host *h, Census *ret) {
        TQ_TABLE_CLEANUP TqTable t = {};
        struct sockaddr_un address;
        Options o = *h->options;

        get_socket(h, &address);
        o.socket = address.sun_path;
        if (geteuid() != 0 || !is_listening(&address) || tenants_list(&o, &t) != 0)
                return false;
        for (size_t i = 0; i < t.n_rows; i++) {
                const char *state = tq_table_text(&t, i, "state"),
                           *fault = tq_table_text(&t, i, "fault");

                ret->n += strcmp(state, "gone") != 0 && strcmp(state, "former") != 0;
                if (strcmp(state, "disabled") == 0)
                        count_disabled(ret, tq_table_text(&t, i, "tenant"), fault ? fault : "");
        }
        return true;
}

static void look_at_tenants(const Host *h, Finding *f) {
        const char *spool = h->config->spool;
        Census c = {};
        int r = ask_daemon(h, &c) ? 0 : count_directories(spool, &c);

        if (r < 0) {
                doctor_say(f, DOCTOR_WARN, "%s: %s", spool, strerror(-r));
                doctor_mend(f, r == -ENOENT ? "systemd-tmpfiles --create" : "look again as root");
        } else if (c.n_disabled > 0) {
                doctor_say(f, DOCTOR_WARN, "%zu of %zu disabled: %s", c.n_disabled, c.n, c.names);
                doctor_mend(f, "%.120s: %.200s; tenantqctl tenants says all", c.first, c.fault);
        } else if (c.n == 0) {
                doctor_say(f, DOCTOR_WARN, "there are none");
                doctor_mend(f, "install -d -m 0700 -o USER -g GROUP %.200s/NAME", spool);
        } else
                doctor_say(f, DOCTOR_OK, "%zu, none of them disabled", c.n);
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

/* Whether it takes and starts jobs: administrators are told. */
static void look_at_host(const Host *h, const struct sockaddr_un *address, Finding *f) {
        TQ_TABLE_CLEANUP TqTable t = {};
        Options o = *h->options;
        const char *fault;

        o.socket = address->sun_path;
        if (geteuid() != 0 || pools_list(&o, &t) != 0 || t.n_rows == 0)
                return;
        fault = tq_table_text(&t, 0, "fault");
        if (!fault)
                return;
        doctor_say(f, DOCTOR_FAIL, "it is %s: nothing is taken or started",
                   tq_table_text(&t, 0, "state"));
        doctor_mend(f, "%s", fault);
}

static void look_at_daemon(const Host *h, Finding *f) {
        bool is_wrong = h->config_error[0] || h->check.n_errors > 0;
        struct sockaddr_un address;

        get_socket(h, &address);
        if (is_listening(&address)) {
                doctor_say(f, DOCTOR_OK, "it listens at %s", address.sun_path);
                look_at_host(h, &address, f);
        } else if (is_wrong) {
                doctor_say(f, DOCTOR_FAIL, "nobody listens at %s, and the configuration is wrong",
                           address.sun_path);
                doctor_mend(f, "mend the configuration, as above; systemctl start tenantq");
        } else {
                doctor_say(f, DOCTOR_WARN, "nobody listens at %s", address.sun_path);
                doctor_mend(f, "systemctl start tenantq; journalctl -u tenantq says why not");
        }
}

const DoctorCheck doctor_files[] = {
        { "users", look_at_users },   { "spool", look_at_spool },   { "ledger", look_at_ledger },
        { "logs", look_at_logs },     { "modes", look_at_modes },   { "tenants", look_at_tenants },
        { "io", look_at_io },         { "sqlite", look_at_sqlite }, { "journal", look_at_journal },
        { "daemon", look_at_daemon },
};
const size_t n_doctor_files = TQ_ELEMENTSOF(doctor_files);
