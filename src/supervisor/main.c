/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tenantqd: the supervisor. Root's hands: it claims files, makes cgroups, launches, kills and
 * reaps, as the engine decides. It parses nothing that a tenant wrote.
 *
 * Here the rooms are put together, and whoever has to hear of something is told whom to call. Each
 * room knows those below it only:
 *
 *   engine > ends > spool > claims | jobs > output > tenants > slices > host > link > log */

#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/engine/engine_process.h"
#include "supervisor/host/check.h"

#define EXIT_LOCKED 75 /* EX_TEMPFAIL */

static const char *arg_config = TQ_CONFIG_DIR;
static const char *arg_helpers = TQ_LIBEXECDIR;

typedef struct Supervisor {
        sd_event *event;
        Host *host;
        Own *own;
        Slices *slices;
        TqLink *link;
        Tenants *tenants;
        Rejects *rejects;
        Claims *claims;
        Output *output;
        Jobs *jobs;
        Spool *spool;
        Ends *ends;
        EngineProcess *engine;
} Supervisor;

/* sigaction(2) as the kernel has it: the C library lets nobody touch the two signals that it keeps
 * for itself, and its posix_spawn(3) leaves them ignored, in us and in each of our children. */
static void default_signal(int sig) {
        static const struct {
                void (*handler)(int);
                unsigned long flags;
                void (*restorer)(void);
                uint64_t mask;
        } by_default = { .handler = SIG_DFL };

        (void)syscall(SYS_rt_sigaction, sig, &by_default, NULL, sizeof(by_default.mask));
}

/* Descriptors 0 to 2 are somebody's, so that none of ours becomes one of them. */
static int fill_stdio(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= 2);
        if (fd < 0)
                return tq_errno();
        (void)close(fd);
        return 0;
}

/* Starts from a known state, whoever started us. */
static int prepare_process(void) {
        struct rlimit files;
        sigset_t mask;
        int r = fill_stdio();

        if (r < 0)
                return r;

        for (int sig = 1; sig < NSIG; sig++)
                default_signal(sig);
        /* SIGIO: a writer who comes while we hold a lease must not end us. */
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGIO, SIG_IGN);
        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGTERM);
        (void)sigaddset(&mask, SIGINT);
        (void)sigaddset(&mask, SIGHUP);
        (void)sigprocmask(SIG_SETMASK, &mask, NULL);
        (void)umask(022);
        /* With SECBIT_NO_SETUID_FIXUP we would keep our capabilities when we act as a tenant. */
        if (prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) < 0 && prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != 0)
                return -EPERM;
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

/* Who hears of what -----------------------------------------------------------------------------
 */

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info,
                        void *userdata) {
        (void)source;
        (void)info;
        engine_process_stop(((Supervisor *)userdata)->engine);
        return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        TqError err = {};

        (void)source;
        (void)info;
        (void)engine_process_reload(((Supervisor *)userdata)->engine, &err);
        return 0;
}

static void on_link_closed(void *userdata, int error) {
        engine_process_closed(((Supervisor *)userdata)->engine, error);
}

static int on_opened(void *data, Tenant *t) {
        Supervisor *s = data;

        claims_look_again(s->claims, t);
        return spool_watch(s->spool, t);
}

static void on_tenant_closed(void *data, Tenant *t) {
        spool_unwatch(((Supervisor *)data)->spool, t);
}

static void on_room(void *data, Tenant *t) {
        spool_wake(((Supervisor *)data)->spool, t);
}

static void on_enabled(void *data, Tenant *t) {
        Supervisor *s = data;

        jobs_hear_limits(s->jobs, t);
        spool_wake(s->spool, t);
}

static void on_check_in(void *data, Tenant *t) {
        spool_check(((Supervisor *)data)->spool, t);
}

static void on_recheck(void *data, Tenant *t) {
        spool_recheck(((Supervisor *)data)->spool, t);
}

static void on_rescan(void *data) {
        const Supervisor *s = data;

        if (s->engine)
                engine_process_scan_later(s->engine);
}

static bool is_live(void *data, uint64_t job, unsigned attempt) {
        return jobs_is_live(((Supervisor *)data)->jobs, job, attempt);
}

static void on_orphans_gone(void *data) {
        engine_process_take_stock(((Supervisor *)data)->engine);
}

static void hand_over(Supervisor *s, uint64_t which, OwnThing thing) {
        TqMessage m = { .number = { .cookie = which } };

        (void)tq_link_send(s->link, TQ_MESSAGE_DESCRIPTOR, &m, NULL, 0, own_fd(s->own, thing));
}

static int on_spool_mended(void *data) {
        Supervisor *s = data;

        return spool_watch_top(s->spool) < 0 ? -EIO : tenants_scan(s->tenants);
}

static int on_claims_mended(void *data) {
        hand_over(data, TQ_DESCRIPTOR_CLAIMS, OWN_CLAIMS);
        return 0;
}

static int on_results_mended(void *data) {
        return jobs_move_results(((Supervisor *)data)->jobs);
}

static int on_socket_mended(void *data) {
        hand_over(data, TQ_DESCRIPTOR_LISTEN, OWN_SOCKET);
        return 0;
}

static void on_mounts(void *data) {
        tenants_check_all(((Supervisor *)data)->tenants);
}

/* Start -----------------------------------------------------------------------------------------
 */

static int add_signals(Supervisor *s) {
        int r;

        r = sd_event_add_signal(s->event, NULL, SIGTERM, on_terminate, s);
        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGINT, on_terminate, s);
        if (r >= 0)
                r = sd_event_add_signal(s->event, NULL, SIGHUP, on_hangup, s);
        return r;
}

static int make_rooms(Supervisor *s) {
        const TenantsHooks hooks = { s,           on_opened,  on_tenant_closed, on_enabled,
                                     on_check_in, on_recheck, on_rescan };
        int r;

        r = sd_event_default(&s->event);
        if (r >= 0)
                r = add_signals(s);
        if (r >= 0)
                r = tq_link_new(s->event, on_link_closed, s, &s->link);
        if (r >= 0)
                r = tenants_new(s->host, s->own, s->slices, s->link, &hooks, &s->tenants);
        if (r >= 0)
                r = rejects_new(s->link, &s->rejects);
        if (r >= 0)
                r = claims_new(s->own, s->tenants, s->rejects, s->link, on_room, s, &s->claims);
        if (r >= 0)
                r = output_new(s->event, s->host, s->own, s->tenants, is_live, s, &s->output);
        if (r >= 0)
                r = jobs_new(s->event, s->host, s->own, s->tenants, s->slices, s->output, s->link,
                             on_orphans_gone, s, &s->jobs);
        if (r >= 0)
                r = spool_new(s->event, s->own, s->tenants, s->claims, &s->spool);
        if (r >= 0)
                r = ends_new(s->event, s->host, s->own, s->tenants, s->slices, s->claims, s->link,
                             &s->ends);
        return r < 0 ? r
                     : engine_process_new(&(EngineRooms){ .event = s->event,
                                                          .host = s->host,
                                                          .own = s->own,
                                                          .slices = s->slices,
                                                          .tenants = s->tenants,
                                                          .output = s->output,
                                                          .jobs = s->jobs,
                                                          .claims = s->claims,
                                                          .spool = s->spool,
                                                          .ends = s->ends,
                                                          .link = s->link },
                                          &s->engine);
}

static void listen_to_own(Supervisor *s) {
        own_on_mended(s->own, OWN_SPOOL, on_spool_mended, s);
        own_on_mended(s->own, OWN_CLAIMS, on_claims_mended, s);
        own_on_mended(s->own, OWN_RESULTS, on_results_mended, s);
        own_on_mended(s->own, OWN_SOCKET, on_socket_mended, s);
        own_on_mounts(s->own, on_mounts, s);
        own_watch(s->own, s->event);
}

/* An error in a tenant's file disables that tenant, and it is told so by itself. */
static void warn_of_files(const Supervisor *s) {
        TqError ignored = {};

        (void)check_tenant_files(&(CheckFiles){ s->host->config_fd, own_fd(s->own, OWN_SPOOL),
                                                &s->host->config, s->host->profiles, check_log,
                                                check_mute, false },
                                 &ignored);
}

static int start(Supervisor *s, TqError *err) {
        int r;

        s->host = calloc(1, sizeof(*s->host));
        r = s->host ? host_open(s->host, arg_config, arg_helpers, err) : -ENOMEM;
        /* Nothing of ours is where we were started from, which /proc/PID/cwd leads to. */
        if (r >= 0 && arg_config[0] == '/' && chdir("/") < 0)
                r = tq_error_errno(err, tq_errno(), "/");
        if (r >= 0)
                r = own_new(s->host, &s->own, err);
        if (r >= 0)
                r = slices_new(s->host, &s->slices, err);
        if (r >= 0) {
                warn_of_files(s);
                r = make_rooms(s);
        }
        if (r >= 0)
                r = spool_watch_top(s->spool);
        if (r >= 0) {
                listen_to_own(s);
                tenants_watch(s->tenants, s->event);
                r = ends_resume(s->ends);
        }
        if (r >= 0) {
                r = tenants_scan(s->tenants);
        }
        if (r >= 0)
                r = jobs_take_stock(s->jobs);
        if (r >= 0) {
                output_look(s->output);
                r = claims_find(s->claims);
        }
        if (r >= 0)
                r = engine_process_start(s->engine);
        return r < 0 && err->text[0] == '\0' ? tq_error_errno(err, r, "starting") : r;
}

static int run(void) {
        static Supervisor s;
        TqError err = {};
        char text[768];
        int r;

        r = start(&s, &err);
        if (r < 0) {
                tq_log(LOG_ERR, "%s", tq_error_format(&err, text, sizeof(text)));
                return r == -EALREADY ? EXIT_LOCKED : EXIT_FAILURE;
        }
        r = sd_event_loop(s.event);
        if (r < 0)
                tq_log(LOG_ERR, "event loop: %s", strerror(-r));
        jobs_leave(s.jobs);
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
        tq_log_open("");
        r = prepare_process();
        if (r < 0) {
                (void)fprintf(stderr, "tenantqd: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        return run();
}
