/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "ctl/doctor.h"

/* Root's configuration: what tenantqd itself says of it, by the one program that checks all of it,
 * and what is allowed by it for a time only. */

#define CHECK_USEC    (10 * TQ_USEC_PER_SEC) /* a granted path may lie where nobody answers */
#define WARNING       "warning: "
#define AUDITED_NAMED 8

/* Beside this program, or where `make install` has it. */
static int find_tenantqd(char *ret, size_t size) {
        static const char *const places[] = { "tenantqd", "../sbin/tenantqd" };
        char own[PATH_MAX], *slash;
        ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

        if (n < 0)
                return tq_errno();
        own[n] = '\0';
        slash = strrchr(own, '/');
        if (slash)
                slash[1] = '\0';
        for (size_t i = 0; i < TQ_ELEMENTSOF(places); i++)
                if ((size_t)snprintf(ret, size, "%s%s", own, places[i]) < size &&
                    access(ret, X_OK) == 0)
                        return 0;
        return -ENOENT;
}

/* What it says on standard error, to be read; or negative errno. */
static int start(const char *program, const char *config_dir, pid_t *ret_pid) {
        char check[] = "--check", config[] = "--config", *no_environment[] = { NULL };
        char *argv[] = { (char *)program, check, config, (char *)config_dir, NULL };
        TQ_CLOSE int reader = -EBADF, writer = -EBADF;
        posix_spawn_file_actions_t actions;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return tq_errno();
        reader = fds[0];
        writer = fds[1];
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_adddup2(&actions, writer, STDERR_FILENO);
        if (r == 0)
                r = posix_spawn(ret_pid, program, &actions, NULL, argv, no_environment);
        (void)posix_spawn_file_actions_destroy(&actions);
        return r != 0 ? -r : tq_take_fd(&reader);
}

/* All that is written until the other end is closed: false, if it is not within the time. */
static bool read_all(int fd, TqBuffer *ret) {
        uint64_t end = tq_clock_monotonic_usec() + CHECK_USEC;
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char piece[4096];
        ssize_t n = 1;

        while (n > 0) {
                uint64_t left = tq_sub_u64(end, tq_clock_monotonic_usec());

                if (left == 0 || poll(&p, 1, (int)(left / 1000) + 1) <= 0)
                        return false;
                n = read(fd, piece, sizeof(piece));
                if (n > 0 && ret->size < 65536)
                        tq_buffer_append(ret, piece, (size_t)n);
        }
        return true;
}

/* `tenantqd: [warning: ]TEXT` a line; what it is and whether something is wrong. */
static void take_lines(const char *said, ConfigCheck *ret) {
        for (size_t n; *said; said += n + (said[n] == '\n')) {
                const char *text = said, *colon = strstr(said, ": ");
                bool is_warning;
                char *first;

                n = strcspn(said, "\n");
                if (colon && colon < said + n)
                        text = colon + 2;
                is_warning = strncmp(text, WARNING, strlen(WARNING)) == 0;
                if (is_warning)
                        text += strlen(WARNING);
                first = is_warning ? ret->warning : ret->error;
                if (first[0] == '\0')
                        (void)snprintf(first, sizeof(ret->error), "%.*s",
                                       (int)(n - (size_t)(text - said)), text);
                if (is_warning)
                        ret->n_warnings++;
                else
                        ret->n_errors++;
        }
}

void doctor_check_config(const char *config_dir, ConfigCheck *ret) {
        TQ_BUFFER_CLEANUP TqBuffer said = {};
        char program[PATH_MAX + 32];
        TQ_CLOSE int reader = -EBADF;
        int status = 0;
        pid_t pid = -1;

        if (find_tenantqd(program, sizeof(program)) < 0)
                return;
        reader = start(program, config_dir, &pid);
        if (reader < 0)
                return;
        assert(pid > 0);
        ret->was_run = true;
        ret->has_ended = read_all(reader, &said);
        if (!ret->has_ended) {
                /* Not waited for: it may hang in the kernel. */
                (void)kill(pid, SIGKILL);
                return;
        }
        (void)waitpid(pid, &status, 0);
        take_lines(tq_buffer_string(&said) ? said.data : "", ret);
        if (status != 0 && ret->n_errors == 0) {
                (void)snprintf(ret->error, sizeof(ret->error), "tenantqd --check has failed");
                ret->n_errors = 1;
        }
}

/* What one may not read, one can't judge. */
static bool is_of_rights(const char *error) {
        return geteuid() != 0 && strstr(error, strerror(EACCES)) != NULL;
}

static void say_first(Finding *f, DoctorGrade grade, const char *first, size_t n) {
        if (n > 1)
                doctor_say(f, grade, "%s; and %zu more", first, n - 1);
        else
                doctor_say(f, grade, "%s", first);
        doctor_mend(f, is_of_rights(first) ? "look again as root"
                       : n > 1             ? "tenantqd --check says all that is wrong"
                                           : "then again: tenantqd --check");
}

static void look_at_config(const Host *h, Finding *f) {
        const ConfigCheck *c = &h->check;

        if (c->n_errors > 0)
                say_first(f, is_of_rights(c->error) ? DOCTOR_WARN : DOCTOR_FAIL, c->error,
                          c->n_errors);
        else if (h->config_error[0]) {
                doctor_say(f, is_of_rights(h->config_error) ? DOCTOR_WARN : DOCTOR_FAIL, "%s",
                           h->config_error);
                doctor_mend(f, "tenantqd --check says all that is wrong");
        } else if (!c->was_run) {
                doctor_say(f, DOCTOR_WARN, "there is no tenantqd: of %s only tenantq.conf was read",
                           h->config_dir);
                doctor_mend(f, "tenantqd beside tenantqctl or in ../sbin");
        } else if (!c->has_ended) {
                doctor_say(f, DOCTOR_WARN, "tenantqd --check does not come to an end");
                doctor_mend(f, "a path that is granted to a tenant lies on a file system that "
                               "does not answer");
        } else if (c->n_warnings > 0)
                say_first(f, DOCTOR_WARN, c->warning, c->n_warnings);
        else
                doctor_say(f, DOCTOR_OK, "tenantqd --check finds nothing wrong in %s",
                           h->config_dir);
}

static bool is_audited(const TqTenantConfig *c) {
        return c->audit;
}

/* For learning, and forgotten. */
static void look_at_audit(const Host *h, Finding *f) {
        char who[288];
        int n = doctor_tenants_with(h, is_audited, AUDITED_NAMED, who, sizeof(who));

        if (n > 0) {
                doctor_say(f, DOCTOR_WARN, "%s: audit=yes lets all system calls through", who);
                doctor_mend(f, "take it out of tenants.d when tenantqctl profile learn is done; "
                               "systemctl reload tenantq");
        } else if (n < 0)
                doctor_say_unread(f, who, n, "audit=yes");
        else
                doctor_say(f, DOCTOR_OK, "no tenant has audit=yes");
}

const DoctorCheck doctor_config[] = {
        { "configuration", look_at_config },
        { "audit", look_at_audit },
};
const size_t n_doctor_config = TQ_ELEMENTSOF(doctor_config);
