/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tenantqd: the supervisor. Root's hands: it claims files, makes cgroups, launches, kills and
 * reaps, as the engine decides. It parses nothing that a tenant wrote. */

#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/fs.h"
#include "supervisor/supervisor.h"

#define EXIT_LOCKED 75 /* EX_TEMPFAIL */

static const char *arg_config = TQ_CONFIG_DIR;
static const char *arg_helpers = TQ_LIBEXECDIR;

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info,
                        void *userdata) {
        (void)source;
        (void)info;
        link_stop(userdata);
        return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Supervisor *s = userdata;
        TqError err = {};
        char text[768];

        (void)source;
        (void)info;
        if (tenants_reload(s, &err) < 0)
                report_error("reload refused, the old configuration stays: %s",
                             tq_error_format(&err, text, sizeof(text)));
        else
                report_info("configuration reloaded");
        return 0;
}

/* Starts from a known state, whoever started us. */
static int prepare_process(void) {
        struct rlimit files;
        sigset_t mask;

        for (int sig = 1; sig < NSIG; sig++)
                (void)signal(sig, SIG_DFL);
        /* SIGIO: a writer who comes while we hold a lease must not end us. */
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGIO, SIG_IGN);
        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGTERM);
        (void)sigaddset(&mask, SIGINT);
        (void)sigaddset(&mask, SIGHUP);
        (void)sigprocmask(SIG_SETMASK, &mask, NULL);
        (void)umask(022);
        /* No supplementary group may help when a tenant's file is opened as the tenant. */
        if (setgroups(0, NULL) < 0)
                return tq_errno();
        /* Some descriptors a tenant and a running job. */
        if (getrlimit(RLIMIT_NOFILE, &files) >= 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
        return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? tq_errno() : 0;
}

static int add_signals(Supervisor *s) {
        int r;

        r = sd_event_add_signal(s->event, NULL, SIGTERM, on_terminate, s);
        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGINT, on_terminate, s);
        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGHUP, on_hangup, s);
        return r;
}

/* An error in a tenant's file disables that tenant, and it is told so by itself. */
static void ignore(const char *fmt, ...) TQ_PRINTF(1, 2);

static void ignore(const char *fmt, ...) {
        (void)fmt;
}

static void warn_of_files(Supervisor *s) {
        TqError ignored = {};

        (void)check_tenant_files(s->config_fd, s->spool_fd, &s->config, report_error, ignore,
                                 &ignored);
}

static int start(Supervisor *s, TqError *err) {
        int r;

        s->config_dir = arg_config;
        s->config_fd = tq_fs_open_dir(AT_FDCWD, arg_config);
        if (s->config_fd < 0)
                return tq_error_errno(err, s->config_fd, "%s", arg_config);
        r = tq_hostfile_load(s->config_fd, &s->config, err);
        if (r < 0)
                return r;
        r = setup_open(s, err);
        if (r < 0)
                return r;
        warn_of_files(s);
        r = sd_event_default(&s->event);
        if (r >= 0)
                r = add_signals(s);
        if (r >= 0)
                r = spool_start(s);
        if (r >= 0) {
                setup_watch(s);
                identity_watch(s);
        }
        if (r >= 0)
                r = tenants_scan(s);
        if (r >= 0)
                r = inventory_take(s);
        if (r >= 0)
                r = link_start(s);
        return r < 0 ? tq_error_errno(err, r, "starting") : 0;
}

static int run(void) {
        static Supervisor s = {
                .config_fd = -EBADF,
                .cgroup_fd = -EBADF,
                .spool_fd = -EBADF,
                .claims_fd = -EBADF,
                .logs_fd = -EBADF,
                .state_fd = -EBADF,
                .results_fd = -EBADF,
                .null_fd = -EBADF,
                .helper_fd = -EBADF,
                .listen_fd = -EBADF,
                .lock_fd = -EBADF,
                .lock_dir_fd = -EBADF,
                .run_fd = -EBADF,
                .due = { .before = later_before },
                .inotify_fd = -EBADF,
                .engine_pidfd = -EBADF,
                .next_claim = 1,
        };
        TqError err = {};
        char text[768];
        int r;

        tq_list_init(&s.tenants);
        tq_list_init(&s.turns);
        /* Absolute: what is started from there begins in the root directory. */
        r = realpath(arg_helpers, s.helpers) ? start(&s, &err)
                                             : tq_error_errno(&err, tq_errno(), "%s", arg_helpers);
        if (r < 0) {
                report_error("%s", tq_error_format(&err, text, sizeof(text)));
                return r == -EALREADY ? EXIT_LOCKED : EXIT_FAILURE;
        }
        r = sd_event_loop(s.event);
        if (r < 0)
                report_error("event loop: %s", strerror(-r));
        reap_leave(&s);
        return r < 0 ? EXIT_FAILURE : r;
}

static void usage(FILE *f) {
        (void)fprintf(f,
                      "Usage: tenantqd [--config DIR] [--helpers DIR]\n"
                      "       tenantqd --check [--config DIR]\n"
                      "Supervises the jobs of many tenants; see tenantqd(8).\n\n"
                      "  --config DIR   read tenantq.conf and tenants.d/ there (default %s)\n"
                      "  --helpers DIR  where tenantq-exec and tenantq-engine are (default %s)\n"
                      "  --check        only say what is wrong with the files there, if anything\n"
                      "  --version      print the version\n",
                      TQ_CONFIG_DIR, TQ_LIBEXECDIR);
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "helpers", required_argument, NULL, 'H' },
                { "check", no_argument, NULL, 'k' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                {},
        };
        bool only_check = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'c':
                        arg_config = optarg;
                        break;
                case 'H':
                        arg_helpers = optarg;
                        break;
                case 'k':
                        only_check = true;
                        break;
                case 'h':
                        usage(stdout);
                        return EXIT_SUCCESS;
                case 'v':
                        (void)puts("tenantqd " TQ_VERSION);
                        return EXIT_SUCCESS;
                default:
                        usage(stderr);
                        return 2;
                }
        if (optind < argc) {
                usage(stderr);
                return 2;
        }
        if (only_check)
                return check_main(arg_config);
        if (geteuid() != 0) {
                (void)fprintf(stderr, "tenantqd: must be started by root\n");
                return EXIT_FAILURE;
        }
        r = prepare_process();
        if (r < 0) {
                (void)fprintf(stderr, "tenantqd: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        return run();
}
