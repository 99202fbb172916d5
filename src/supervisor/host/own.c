/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/host/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fs.h"
#include "base/log.h"

/* Every directory here is root's alone, or made so. Each thing is a row: where it is, and how it is
 * opened; what hangs on it is told by whoever has that, in the order of the rows. */

#define MEND_USEC       (300 * TQ_USEC_PER_MSEC)
#define MEND_AGAIN_USEC (5 * TQ_USEC_PER_SEC)

/* Those with a path are readable for all: tenants' names are no secret, and what is below them is
 * the tenants' own or closed. */
typedef struct Row {
        const char *name; /* below its parent; NULL: it has a path */
        size_t path;      /* in TqHostConfig */
        int parent;       /* index; -1: none */
        mode_t mode;
} Row;

#define BY_PATH(key)                                                                               \
        { NULL, offsetof(TqHostConfig, key), -1, 0755 }
#define BELOW(parent, name)                                                                        \
        { name, 0, parent, 0700 }

static const Row rows[_OWN_MAX] = {
        [OWN_SPOOL] = BY_PATH(spool),
        [OWN_CLAIMS] = BELOW(OWN_SPOOL, ".claims"),
        [OWN_LOGS] = BY_PATH(logs),
        [OWN_STATE] = BY_PATH(state),
        [OWN_RESULTS] = BELOW(OWN_STATE, "results"),
        [OWN_LOCK] = BELOW(OWN_STATE, "lock"),
        [OWN_ORDERS] = BELOW(OWN_STATE, "orders"),
        [OWN_RUN] = BY_PATH(run),
        [OWN_PAGES] = BELOW(OWN_RUN, "output"),
        [OWN_SOCKET] = BELOW(OWN_RUN, "control.sock"),
};

struct Own {
        const Host *host;
        sd_event *event;
        int fds[_OWN_MAX];
        int lock_fd;
        dev_t socket_device; /* of the control socket's name */
        ino_t socket_inode;
        bool is_mending;
        unsigned must_follow; /* by bit: was made again, and what hangs on it was not mended yet */
        struct {
                int (*mended)(void *data);
                void *data;
        } hooks[_OWN_MAX];
        void (*mounts_changed)(void *data);
        void *mounts_data;
        bool mounts_have_changed, must_watch;
        sd_event_source *sources[_OWN_MAX], *mounts_source, *mend_source;
};

static const char *path_of(const Own *o, OwnThing thing) {
        return (const char *)&o->host->config + rows[thing].path;
}

static const char *name_of(const Own *o, OwnThing thing) {
        return rows[thing].name ? rows[thing].name : path_of(o, thing);
}

int own_fd(const Own *o, OwnThing thing) {
        return o->fds[thing];
}

/* Opening -------------------------------------------------------------------------------------- */

static int give(int fd, uid_t uid, gid_t gid, mode_t mode) {
        struct stat st;
        int r = fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0 ? tq_errno() : 0;

        /* The logs may be where nothing can be written for now, if they are as they should be. */
        if (r == -EROFS && fstat(fd, &st) >= 0 && st.st_uid == uid && st.st_gid == gid &&
            (st.st_mode & 07777) == mode)
                return 0;
        return r;
}

static int open_by_path(const char *path, mode_t mode, TqError *err) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        r = tq_fs_mkdir_parents(path, 0755);
        if (r < 0)
                return tq_error_errno(err, r, "mkdir %s", path);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = fd < 0 ? tq_errno() : give(fd, 0, 0, mode);
        return r < 0 ? tq_error_errno(err, r, "%s", path) : tq_take_fd(&fd);
}

static int open_child(int dir_fd, const char *name, uid_t uid, gid_t gid, mode_t mode,
                      TqError *err) {
        TQ_CLOSE int fd = tq_fs_mkdir_open(dir_fd, name, 0700);
        int r = fd < 0 ? fd : give(fd, uid, gid, mode);

        return r < 0 ? tq_error_errno(err, r, "%s", name) : tq_take_fd(&fd);
}

/* Reachable for everybody, since tenants ask about their own jobs; who may do what is decided by
 * the caller's credentials. Bound aside and renamed, so that it never has the wrong mode. */
static int open_socket(Own *o, TqError *err) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *run = path_of(o, OWN_RUN);
        TQ_CLOSE int fd = -EBADF;
        char path[PATH_MAX + 16];
        struct stat st;

        if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.control.sock", run) >=
            sizeof(address.sun_path))
                return tq_error(err, -ENAMETOOLONG, "tenantq.conf: run=%s is too long", run);
        (void)snprintf(path, sizeof(path), "%s/control.sock", run);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)unlink(address.sun_path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            chmod(address.sun_path, 0666) < 0 || listen(fd, 1024) < 0 ||
            stat(address.sun_path, &st) < 0 || rename(address.sun_path, path) < 0)
                return tq_error_errno(err, tq_errno(), "%s", path);
        o->socket_device = st.st_dev;
        o->socket_inode = st.st_ino;
        return tq_take_fd(&fd);
}

static int open_one(Own *o, OwnThing thing, TqError *err) {
        const Row *row = &rows[thing];
        int fd;

        if (thing == OWN_SOCKET)
                fd = open_socket(o, err);
        else if (row->parent < 0)
                fd = open_by_path(path_of(o, thing), row->mode, err);
        else
                fd = open_child(o->fds[row->parent], row->name, 0, 0, row->mode, err);
        if (fd < 0)
                return fd;
        (void)tq_close(o->fds[thing]);
        o->fds[thing] = fd;
        return 0;
}

/* One supervisor: two would launch the same job twice. The lock ends with the process: it is not
 * one of flock(2), which a child that has not come to its execve(2) would hold on. Whoever can open
 * a file can lock it, for reading too: so it is one that only root can reach. */
static int lock(Own *o, TqError *err) {
        const struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        struct flock other = all;
        const char *state = path_of(o, OWN_STATE);
        TQ_CLOSE int fd = -EBADF;

        fd = openat(o->fds[OWN_LOCK], "tenantqd", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return tq_error_errno(err, tq_errno(), "%s/lock/tenantqd", state);
        /* Before: closing any descriptor of a file ends all of the process's locks of it. */
        o->lock_fd = tq_close(o->lock_fd);
        if (fcntl(fd, F_SETLK, &all) < 0) {
                if (errno != EAGAIN && errno != EACCES)
                        return tq_error_errno(err, tq_errno(), "%s/lock/tenantqd", state);
                if (fcntl(fd, F_GETLK, &other) < 0 || other.l_type == F_UNLCK)
                        other.l_pid = 0;
                return tq_error(err, -EALREADY,
                                "another tenantqd is running, process %d (%s/lock/tenantqd is "
                                "locked)",
                                (int)other.l_pid, state);
        }
        o->lock_fd = tq_take_fd(&fd);
        return 0;
}

static int open_all(Own *o, TqError *err) {
        TQ_CLOSE int ledger_fd = -EBADF;
        const Users *users = &o->host->users;
        int r = 0;

        for (int i = 0; r >= 0 && i < OWN_SOCKET; i++)
                r = open_one(o, (OwnThing)i, err);
        if (r < 0)
                return r;
        ledger_fd = open_child(o->fds[OWN_STATE], "ledger", users->engine_uid, users->engine_gid,
                               0700, err);
        r = ledger_fd < 0 ? ledger_fd : lock(o, err);
        /* Only who has the lock replaces the socket. */
        return r < 0 ? r : open_one(o, OWN_SOCKET, err);
}

int own_new(const Host *host, Own **ret, TqError *err) {
        Own *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return tq_error_errno(err, -ENOMEM, "our own directories");
        o->host = host;
        o->lock_fd = -EBADF;
        for (int i = 0; i < _OWN_MAX; i++)
                o->fds[i] = -EBADF;
        r = open_all(o, err);
        if (r < 0) {
                (void)own_free(o);
                return r;
        }
        *ret = o;
        return 0;
}

Own *own_free(Own *o) {
        if (!o)
                return NULL;
        for (int i = 0; i < _OWN_MAX; i++) {
                (void)sd_event_source_disable_unref(o->sources[i]);
                (void)tq_close(o->fds[i]);
        }
        (void)sd_event_source_disable_unref(o->mounts_source);
        (void)sd_event_source_disable_unref(o->mend_source);
        (void)tq_close(o->lock_fd);
        free(o);
        return NULL;
}

/* Mending ---------------------------------------------------------------------------------------
 */

void own_on_mended(Own *o, OwnThing thing, int (*mended)(void *data), void *data) {
        o->hooks[thing].mended = mended;
        o->hooks[thing].data = data;
}

void own_on_mounts(Own *o, void (*changed)(void *data), void *data) {
        o->mounts_changed = changed;
        o->mounts_data = data;
}

bool own_has_vanished(int fd, int dir_fd, const char *name) {
        struct stat held, now;

        if (fstat(fd, &held) < 0 || fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
                return true;
        return held.st_dev != now.st_dev || held.st_ino != now.st_ino;
}

static bool has_vanished(const Own *o, OwnThing thing) {
        const Row *row = &rows[thing];
        int dir_fd = row->parent < 0 ? AT_FDCWD : o->fds[row->parent];
        struct stat st;

        /* A socket's descriptor is not its name's inode. */
        if (thing == OWN_SOCKET)
                return fstatat(dir_fd, row->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                       st.st_dev != o->socket_device || st.st_ino != o->socket_inode;
        return own_has_vanished(o->fds[thing], dir_fd, name_of(o, thing));
}

static int follow_up(Own *o, OwnThing thing, TqError *err) {
        int r = thing == OWN_LOCK ? lock(o, err) : 0;

        if (r >= 0 && o->hooks[thing].mended)
                r = o->hooks[thing].mended(o->hooks[thing].data);
        if (r < 0 && err->text[0] == '\0')
                (void)tq_error_errno(err, r, "%s", name_of(o, thing));
        return r;
}

static int open_again(Own *o, OwnThing thing, TqError *err) {
        int r;

        if (!has_vanished(o, thing))
                return 0;
        r = open_one(o, thing, err);
        if (r >= 0)
                o->must_follow |= 1U << thing;
        return r;
}

/* 1: it was made again. */
static int follow_one(Own *o, OwnThing thing, TqError *err) {
        int r;

        if (!(o->must_follow & (1U << thing)))
                return 0;
        r = follow_up(o, thing, err);
        if (r < 0)
                return r;
        o->must_follow &= ~(1U << thing);
        tq_log_about(LOG_ERR, (TqLogAbout){ .id = TQ_LOG_MADE_AGAIN },
                     "%s had gone or was hidden; there is one again", name_of(o, thing));
        return 1;
}

/* The first of them is told. */
static int note_error(int r, const TqError *one, int result, TqError *err) {
        if (r < 0 && result >= 0) {
                *err = *one;
                return r;
        }
        return result;
}

/* What can't be made keeps nothing else from it; but only who has the lock replaces the socket. */
int own_mend(Own *o) {
        bool has_lock = true;
        int n = 0, result = 0;
        TqError err = {};
        char text[512];

        /* Who follows up may meet what is missing, and ask for it again. */
        if (o->is_mending)
                return 0;
        o->is_mending = true;
        for (int i = 0; i < _OWN_MAX; i++) {
                TqError one = {};
                int r = i == OWN_SOCKET && !has_lock ? 0 : open_again(o, (OwnThing)i, &one);

                if (r >= 0 && i == OWN_LOCK)
                        r = follow_one(o, OWN_LOCK, &one);
                if (i == OWN_LOCK)
                        has_lock = r >= 0;
                n += r > 0;
                result = note_error(r, &one, result, &err);
        }
        for (int i = 0; i < _OWN_MAX; i++) {
                TqError one = {};
                int r = follow_one(o, (OwnThing)i, &one);

                n += r > 0;
                result = note_error(r, &one, result, &err);
        }
        o->is_mending = false;
        o->must_watch |= n > 0;
        if (o->must_watch && o->event)
                own_watch(o, o->event);
        if (result < 0) {
                tq_log(LOG_ERR, "can't be made again: %s",
                       tq_error_format(&err, text, sizeof(text)));
                return result;
        }
        return n;
}

static void mend_in(Own *o, uint64_t usec);

static int on_mend(sd_event_source *source, uint64_t usec, void *userdata) {
        Own *o = userdata;

        (void)source;
        (void)usec;
        o->mend_source = sd_event_source_disable_unref(o->mend_source);
        if (own_mend(o) < 0)
                mend_in(o, MEND_AGAIN_USEC);
        /* A tenant's may be hidden, or seen again. */
        if (o->mounts_have_changed && o->mounts_changed)
                o->mounts_changed(o->mounts_data);
        o->mounts_have_changed = false;
        return 0;
}

static void mend_in(Own *o, uint64_t usec) {
        if (!o->mend_source && o->event)
                (void)sd_event_add_time_relative(o->event, &o->mend_source, CLOCK_MONOTONIC, usec,
                                                 0, on_mend, o);
}

void own_mend_soon(Own *o) {
        mend_in(o, MEND_USEC);
}

/* Watching --------------------------------------------------------------------------------------
 */

static bool is_ours(const Own *o, const char *name) {
        for (int i = 0; i < _OWN_MAX; i++) {
                const char *own = rows[i].name;

                if (!own) {
                        own = strrchr(path_of(o, (OwnThing)i), '/');
                        own = own ? own + 1 : "";
                }
                if (strcmp(name, own) == 0)
                        return true;
        }
        return false;
}

static int on_vanished(sd_event_source *source, const struct inotify_event *e, void *userdata) {
        (void)source;
        if (e->len > 0 && is_ours(userdata, e->name))
                own_mend_soon(userdata);
        return 0;
}

/* What is mounted over a directory of ours hides it, and what is unmounted shows it again, without
 * an event of inotify(7) (proc(5), /proc/PID/mountinfo: poll(2)). */
static int on_mounts(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Own *o = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        o->mounts_have_changed = true;
        own_mend_soon(o);
        return 0;
}

static int watch_mounts(Own *o) {
        TQ_CLOSE int fd = -EBADF;
        int r;

        if (o->mounts_source)
                return 0;
        fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return tq_errno();
        r = sd_event_add_io(o->event, &o->mounts_source, fd, EPOLLPRI, on_mounts, o);
        if (r < 0)
                return r;
        (void)tq_take_fd(&fd);
        return sd_event_source_set_io_fd_own(o->mounts_source, true);
}

/* The directory above each: one that we hold open says nothing itself when it is removed. */
static int watch_above(Own *o, OwnThing thing) {
        const uint32_t mask = IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR;
        const Row *row = &rows[thing];
        char above[PATH_MAX];

        o->sources[thing] = sd_event_source_disable_unref(o->sources[thing]);
        if (row->parent >= 0)
                return sd_event_add_inotify_fd(o->event, &o->sources[thing], o->fds[row->parent],
                                               mask, on_vanished, o);
        (void)snprintf(above, sizeof(above), "%s/..", path_of(o, thing));
        return sd_event_add_inotify(o->event, &o->sources[thing], above, mask, on_vanished, o);
}

void own_watch(Own *o, sd_event *event) {
        int r = 0, mounts;

        o->event = event;
        o->must_watch = false;
        for (int i = 0; i < _OWN_MAX; i++) {
                int one = watch_above(o, (OwnThing)i);

                r = r < 0 ? r : one;
        }
        mounts = watch_mounts(o);
        r = r < 0 ? r : mounts;
        if (r < 0)
                tq_log(LOG_ERR,
                       "our own directories can't be watched (%s): one that is removed is noticed "
                       "when it is needed",
                       strerror(-r));
}
