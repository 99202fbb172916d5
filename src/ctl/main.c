/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"

const Verb verbs[] = {
        { "submit", 1, 1, "t", "submit [-t TENANT] FILE",
          "hand in a job file (- for standard input)", verb_submit },
        { "run", 1, -1, "t:q:l:C:w",
          "run -t TENANT [-w] [-q QUEUE] [-C DIR] [-l KEY=VALUE] -- CMD [ARG…]",
          "run a command as a job; --wait for its end and output", verb_run },
        { "ps", 0, 1, "ant", "ps [-a] [-n ROWS] [TENANT]",
          "list jobs that wait or run; -a: ended ones too", verb_ps },
        { "status", 0, 1, "n", "status [JOB|TENANT]",
          "show a job, a tenant, or everything in short", verb_status },
        { "logs", 1, 1, "f", "logs [-f] JOB", "print a job's output; -f: follow it to the end",
          verb_logs },
        { "cancel", 1, -1, "", "cancel JOB…",
          "end jobs: SIGTERM, then SIGKILL after TimeoutStopSec=", verb_cancel },
        { "wait", 1, -1, "", "wait JOB…", "wait until jobs have ended; of one, exit with its code",
          verb_wait },
        { "tenants", 0, 0, "", "tenants", "list tenants and what is wrong with them",
          verb_tenants },
        { "limits", 2, -1, "m", "limits get|set|unset TENANT[/QUEUE] [KEY=VALUE…]",
          "show or change limits, live", verb_limits },
        { "validate", 1, -1, "", "validate FILE…", "check job files without a daemon",
          verb_validate },
        { "reload", 0, 0, "", "reload", "read the configuration files again", verb_reload },
};
const size_t n_verbs = TQ_ELEMENTSOF(verbs);

static void usage(FILE *f) {
        (void)fprintf(f, "Usage: tenantqctl [--json] [--socket PATH] VERB …\n\n");
        for (size_t i = 0; i < n_verbs; i++)
                (void)fprintf(f, "  %s\n        %s\n", verbs[i].usage, verbs[i].help);
        (void)fprintf(
                f,
                "\nOptions:\n"
                "  -t, --tenant NAME     whose job it is\n"
                "  -q, --queue NAME      the job's queue\n"
                "  -l, --limit KEY=VALUE a limit of the job\n"
                "  -C, --directory DIR   the job's working directory\n"
                "  -w, --wait            wait for the end; print the output, exit with its code\n"
                "  -a, --all             jobs that have ended too\n"
                "  -n, --lines ROWS      at most so many (default 100)\n"
                "  -f, --follow          go on until the job has ended\n"
                "  -m, --why TEXT        why a limit is changed, kept with the revision\n"
                "      --json            print data as JSON\n"
                "      --socket PATH     the daemon's socket (default $TENANTQ_SOCKET or\n"
                "                        " TQ_CONTROL_SOCKET ")\n"
                "      --version         print the version\n"
                "tenantqctl(1) lists the exit codes.\n");
}

static const Verb *find_verb(const char *name) {
        const char *names[TQ_ELEMENTSOF(verbs)], *nearest;

        for (size_t i = 0; i < n_verbs; i++) {
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];
                names[i] = verbs[i].name;
        }
        nearest = tq_parse_nearest(name, names, n_verbs);
        (void)fail(TQ_EXIT_USAGE, "unknown verb \"%s\"%s%s%s; see tenantqctl --help", name,
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
        return NULL;
}

static int add_limit(Options *o, const char *assignment) {
        const char **limits = realloc((void *)o->limits, (o->n_limits + 1) * sizeof(*limits));

        if (!limits)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        o->limits = limits;
        o->limits[o->n_limits++] = assignment;
        return 0;
}

enum { OPTION_JSON = 256, OPTION_SOCKET, OPTION_VERSION };

static int set_option(Options *o, int c) {
        if (c < 256)
                o->used[c] = true;
        switch (c) {
        case 't':
                o->tenant = optarg;
                return 0;
        case 'q':
                o->queue = optarg;
                return 0;
        case 'C':
                o->directory = optarg;
                return 0;
        case 'm':
                o->why = optarg;
                return 0;
        case 'l':
                return add_limit(o, optarg);
        case 'n':
                return tq_parse_u64_in(optarg, 1, 10000, &o->rows) < 0
                               ? fail(TQ_EXIT_USAGE, "-n: expected a number from 1 to 10000")
                               : 0;
        case 'a':
                o->all = true;
                return 0;
        case 'w':
                o->wait = true;
                return 0;
        case 'f':
                o->follow = true;
                return 0;
        case OPTION_JSON:
                o->json = true;
                return 0;
        case OPTION_SOCKET:
                o->socket = optarg;
                return 0;
        default:
                return TQ_EXIT_USAGE;
        }
}

/* Options may stand before and after the verb; what is behind `--` is the verb's. */
static int parse_options(Options *o, int argc, char *argv[]) {
        static const struct option options[] = {
                { "tenant", required_argument, NULL, 't' },
                { "queue", required_argument, NULL, 'q' },
                { "limit", required_argument, NULL, 'l' },
                { "directory", required_argument, NULL, 'C' },
                { "wait", no_argument, NULL, 'w' },
                { "all", no_argument, NULL, 'a' },
                { "lines", required_argument, NULL, 'n' },
                { "follow", no_argument, NULL, 'f' },
                { "why", required_argument, NULL, 'm' },
                { "json", no_argument, NULL, OPTION_JSON },
                { "socket", required_argument, NULL, OPTION_SOCKET },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, OPTION_VERSION },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "t:q:l:C:wan:fm:h", options, NULL)) >= 0) {
                int r;

                if (c == 'h' || c == OPTION_VERSION) {
                        if (c == 'h')
                                usage(stdout);
                        else
                                (void)puts("tenantqctl " TQ_VERSION);
                        exit(output_finish());
                }
                r = set_option(o, c);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int check_options(const Options *o, const Verb *verb) {
        for (int c = 0; c < 256; c++)
                if (o->used[c] && !strchr(verb->options, c))
                        return fail(TQ_EXIT_USAGE, "%s takes no -%c; usage: tenantqctl %s",
                                    verb->name, c, verb->usage);
        return 0;
}

int main(int argc, char *argv[]) {
        Options o = { .rows = 100, .socket = getenv("TENANTQ_SOCKET") };
        const Verb *verb;
        int n, r;

        (void)setlocale(LC_CTYPE, "C.UTF-8");
        (void)signal(SIGPIPE, SIG_IGN);
        if (!o.socket)
                o.socket = TQ_CONTROL_SOCKET;
        r = parse_options(&o, argc, argv);
        if (r != 0)
                return r;
        if (optind >= argc) {
                usage(stderr);
                return TQ_EXIT_USAGE;
        }
        verb = find_verb(argv[optind]);
        if (!verb)
                return TQ_EXIT_USAGE;
        r = check_options(&o, verb);
        if (r != 0)
                return r;
        n = argc - optind - 1;
        if (n < verb->min_args || (verb->max_args >= 0 && n > verb->max_args))
                r = fail(TQ_EXIT_USAGE, "usage: tenantqctl %s", verb->usage);
        else
                r = verb->run(&o, n, argv + optind + 1);
        free((void *)o.limits);
        return r == 0 ? output_finish() : r;
}
