/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor/jobs/paths.h"

#include <stdio.h>
#include <string.h>

#include "kernel/plan.h"
#include "supervisor/host/outbound.h"

/* Hidden are: what is tenantq's own, the places where services listen, root's home, and the homes
 * of the others. The homes by the directories that they lie in, of which there are few however many
 * tenants there are; a home that lies among the system's own directories by itself. */

#define PLACES_MOST 128

/* Everybody's, however few of these a host needs. */
static const char *const always[] = { "/home", "/root", "/run" };

/* What programs need: never hidden as the place of somebody's home. */
static const char *const system_dirs[] = {
        "",           "/bin",     "/boot",      "/dev",           "/etc",
        "/lib",       "/lib32",   "/lib64",     "/libx32",        "/opt",
        "/proc",      "/sbin",    "/sys",       "/tmp",           "/usr",
        "/usr/bin",   "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/sbin",
        "/usr/share", "/var",     "/var/lib",   "/var/tmp",       "/nonexistent",
};

static bool is_system(const char *path, size_t n) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(system_dirs); i++)
                if (strlen(system_dirs[i]) == n && memcmp(system_dirs[i], path, n) == 0)
                        return true;
        return false;
}

void homes_done(Homes *h) {
        tq_buffer_done(&h->places);
        *h = (Homes){};
}

static bool has_place(const TqBuffer *places, const char *path, size_t n) {
        for (const char *p = places->data; p && p < places->data + places->size; p += strlen(p) + 1)
                if (strlen(p) == n && memcmp(p, path, n) == 0)
                        return true;
        return false;
}

static void look_at_homes(Homes *h, const Tenants *ts) {
        size_t count = 0;

        tq_buffer_reset(&h->places);
        h->is_full = false;
        for (const Tenant *t = tenants_next(ts, NULL); t; t = tenants_next(ts, t)) {
                /* Of one that is gone, and has nothing that runs, nobody's job may see anything. */
                const char *home = t->is_gone && t->n_attempts == 0 ? "" : t->who.home;
                size_t length = strlen(home), n;

                while (length > 0 && home[length - 1] == '/')
                        length--;
                if (home[0] != '/' || is_system(home, length))
                        continue;
                for (n = length; home[n - 1] != '/'; n--)
                        ;
                n--;
                if (is_system(home, n))
                        n = length;
                if (has_place(&h->places, home, n))
                        continue;
                if (++count > PLACES_MOST) {
                        h->is_full = true;
                        return;
                }
                tq_buffer_append(&h->places, home, n);
                tq_buffer_append(&h->places, "", 1);
        }
}

static bool is_inside(const char *path, const char *dir) {
        size_t n = strlen(dir);

        return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Hidden with what it lies in: nobody looks for it there, where its tenant may be able to put
 * something else in its way. */
static bool is_hidden(const Homes *h, const char *path) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(always); i++)
                if (is_inside(path, always[i]))
                        return true;
        for (const char *p = h->places.data; p && p < h->places.data + h->places.size;
             p += strlen(p) + 1)
                if (is_inside(path, p))
                        return true;
        return false;
}

/* Of a user who has none, the home is empty. */
static void write_path(TqBuffer *b, TqPathKind kind, const char *path) {
        if (path[0] == '/')
                tq_plan_add_path(b, kind, "%s", path);
}

static void write_paths(TqBuffer *b, TqPathKind kind, const char *paths) {
        for (; *paths; paths += strlen(paths) + 1)
                write_path(b, kind, paths);
}

static void write_devices(TqBuffer *b, const char *devices) {
        for (; *devices; devices += strlen(devices) + 1)
                tq_plan_add_path(b, TQ_PATH_DEVICE, "%.*s", (int)strcspn(devices, ":"), devices);
}

static size_t count(const TqBuffer *b) {
        size_t n = 0;

        for (size_t i = 0; i < b->size; i++)
                n += b->data[i] == '\0';
        return n;
}

int paths_write(Homes *homes, const Host *host, const Tenants *tenants, const Tenant *t,
                TqBuffer *ret) {
        const TqHostConfig *c = &host->config;
        const char *const own[] = { c->spool, c->state, c->logs, c->run, host->config_dir };

        if (homes->seen != tenants_changes(tenants)) {
                look_at_homes(homes, tenants);
                if (tq_buffer_error(&homes->places) < 0)
                        return tq_buffer_error(&homes->places);
                homes->seen = tenants_changes(tenants);
        }
        if (homes->is_full)
                return -E2BIG;
        for (size_t i = 0; i < TQ_ELEMENTSOF(always); i++)
                write_path(ret, TQ_PATH_HIDDEN, always[i]);
        for (size_t i = 0; i < TQ_ELEMENTSOF(own); i++)
                write_path(ret, TQ_PATH_HIDDEN, own[i]);
        write_paths(ret, TQ_PATH_HIDDEN, c->hidden_paths);
        for (const char *p = homes->places.data; p && p < homes->places.data + homes->places.size;
             p += strlen(p) + 1)
                if (!is_hidden(homes, p))
                        write_path(ret, TQ_PATH_HIDDEN, p);
        /* It often leads into /run. */
        if (t->config.network == TQ_NETWORK_HOST)
                write_path(ret, TQ_PATH_OPTIONAL, "/etc/resolv.conf");
        if (t->config.network == TQ_NETWORK_OUTBOUND)
                tq_plan_add_path(ret, TQ_PATH_RESOLV, "%s/" OUTBOUND_RESOLV, c->run);
        write_path(ret, TQ_PATH_HOME, t->who.home);
        write_paths(ret, TQ_PATH_READ_WRITE, t->config.read_write_paths);
        write_paths(ret, TQ_PATH_READ_ONLY, t->config.read_only_paths);
        write_devices(ret, t->config.device_allow);
        if (count(ret) > TQ_PLAN_PATHS_MAX)
                return -E2BIG;
        return tq_buffer_error(ret) < 0 || tq_buffer_error(&homes->places) < 0 ? -ENOMEM : 0;
}
