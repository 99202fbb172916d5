/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"

const Verb verbs[] = {
        { "submit", 1, 1, "jt", "submit [-t TENANT] FILE",
          "hand in a job file (- for standard input)", verb_submit },
        { "run", 1, -1, "jt:q:l:C:w",
          "run -t TENANT [-w] [-q QUEUE] [-C DIR] [-l KEY=VALUE] -- CMD [ARG…]",
          "run a command as a job; --wait for its end and output", verb_run },
        { "ps", 0, 1, "jant", "ps [-a] [-n ROWS] [TENANT]",
          "list jobs that wait or run; -a: ended ones too", verb_ps },
        { "status", 0, 1, "jn", "status [JOB|TENANT]",
          "show a job, a tenant, or everything in short", verb_status },
        { "logs", 1, 1, "f", "logs [-f] JOB", "print a job's output; -f: follow it to the end",
          verb_logs },
        { "cancel", 1, -1, "", "cancel JOB|TARGET…",
          "end jobs: SIGTERM, then SIGKILL after TimeoutStopSec=; of a target all that wait or run",
          verb_cancel },
        { "abandon", 1, -1, "", "abandon JOB…",
          "give back the slot of a job that was told to stop and can't be removed", verb_abandon },
        { "wait", 1, -1, "j", "wait JOB…", "wait until jobs have ended; of one, exit with its code",
          verb_wait },
        { "explain", 1, 1, "j", "explain JOB",
          "say all that a job waits for, who stands in the way and what would help", verb_explain },
        { "queue", 0, 1, "jt", "queue [TENANT]", "count the jobs that wait, by reason",
          verb_queue },
        { "hold", 1, -1, "m", "hold JOB|TARGET…",
          "keep jobs from starting; of a target (host, TENANT, TENANT/QUEUE) all that wait now",
          verb_hold },
        { "release", 1, -1, "m", "release JOB|TARGET…", "let held jobs start", verb_release },
        { "pause", 1, -1, "m", "pause TARGET…", "start nothing there until it is resumed",
          verb_pause },
        { "drain", 1, -1, "m", "drain TARGET…",
          "take no new jobs there until it is resumed; those that wait still run", verb_drain },
        { "resume", 1, -1, "m", "resume TARGET…", "end a pause and a drain", verb_resume },
        { "tenants", 0, 0, "j", "tenants", "list tenants and what is wrong with them",
          verb_tenants },
        { "limits", 2, -1, "jm", "limits get|set|unset TENANT[/QUEUE] [KEY=VALUE…]",
          "show or change limits, live", verb_limits },
        { "simulate", 0, 0, "jtSWINPEKRV",
          "simulate [--swf FILE|--workload FILE|--since SPAN] [--slots N] [--policy POLICY] "
          "[--set TENANT.KEY=VALUE]… [--tenants FILE] [--seed N] [--svg FILE]",
          "run a workload through the scheduler by a virtual clock; no daemon needed",
          verb_simulate },
        { "validate", 1, -1, "j", "validate FILE…", "check job files without a daemon",
          verb_validate },
        { "events", 0, 0, "jn", "events [-n ROWS]",
          "list what was done, by whom and why, the newest first", verb_events },
        { "export", 0, 0, "", "export",
          "print all settings that hold now, in the form that simulate --tenants reads",
          verb_export },
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
                "  -m, --why TEXT        why, kept with the change\n"
                "      --swf FILE        a trace in the Standard Workload Format\n"
                "      --workload FILE   a synthetic workload (tenantq-workload(5))\n"
                "      --since SPAN      what the daemon's ledger knows of so long ago\n"
                "      --slots N         jobs at the same time (default 16)\n"
                "      --policy POLICY   fair (default), round-robin or fifo\n"
                "      --set T.KEY=VALUE a limit to try; the results before and after are shown\n"
                "      --tenants FILE    limits, weights and pools of the tenants\n"
                "      --seed N          what a synthetic workload draws (default 1)\n"
                "      --svg FILE        write a chart\n"
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

/* Long options only; the letters are those of Verb.options. */
enum {
        OPTION_SWF = 'S',
        OPTION_WORKLOAD = 'W',
        OPTION_SINCE = 'I',
        OPTION_SLOTS = 'N',
        OPTION_POLICY = 'P',
        OPTION_SET = 'E',
        OPTION_TENANTS = 'K',
        OPTION_SEED = 'R',
        OPTION_SVG = 'V',
        OPTION_JSON = 256,
        OPTION_SOCKET,
        OPTION_VERSION,
};

/* Those of simulate. */
static int set_simulation(Options *o, int c) {
        switch (c) {
        case OPTION_SWF:
                o->swf = optarg;
                return 0;
        case OPTION_WORKLOAD:
                o->workload = optarg;
                return 0;
        case OPTION_SINCE:
                o->since = optarg;
                return 0;
        case OPTION_TENANTS:
                o->tenants = optarg;
                return 0;
        case OPTION_POLICY:
                o->policy = optarg;
                return 0;
        case OPTION_SVG:
                o->svg = optarg;
                return 0;
        case OPTION_SLOTS:
                return tq_parse_u64_in(optarg, 1, 1000000, &o->slots) < 0
                               ? fail(TQ_EXIT_USAGE, "--slots: expected a number from 1 to 1000000")
                               : 0;
        case OPTION_SEED:
                return tq_parse_u64(optarg, &o->seed) < 0
                               ? fail(TQ_EXIT_USAGE, "--seed: expected a whole number")
                               : 0;
        case OPTION_SET:
                if (o->n_assignments == MAX_ASSIGNMENTS)
                        return fail(TQ_EXIT_USAGE, "--set: at most %d of them", MAX_ASSIGNMENTS);
                o->assignments[o->n_assignments++] = optarg;
                return 0;
        default:
                return TQ_EXIT_USAGE;
        }
}

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
                return set_simulation(o, c);
        }
}

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
        { "swf", required_argument, NULL, OPTION_SWF },
        { "workload", required_argument, NULL, OPTION_WORKLOAD },
        { "since", required_argument, NULL, OPTION_SINCE },
        { "slots", required_argument, NULL, OPTION_SLOTS },
        { "policy", required_argument, NULL, OPTION_POLICY },
        { "set", required_argument, NULL, OPTION_SET },
        { "tenants", required_argument, NULL, OPTION_TENANTS },
        { "seed", required_argument, NULL, OPTION_SEED },
        { "svg", required_argument, NULL, OPTION_SVG },
        { "json", no_argument, NULL, OPTION_JSON },
        { "socket", required_argument, NULL, OPTION_SOCKET },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPTION_VERSION },
        {},
};

#define LETTERS "t:q:l:C:wan:fm:h"

/* Options may stand before and after the verb; what is behind `--` is the verb's. `letters` begins
 * with "+" to end at the first word that is no option: whatever follows is not ours to read. */
static int parse_options(Options *o, int argc, char *argv[], const char *letters) {
        int c;

        while ((c = getopt_long(argc, argv, letters, options, NULL)) >= 0) {
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

/* What goes to the daemon as text must be UTF-8; a command and the name of a file need not. */
static int check_text(const Options *o, const Verb *verb, int argc, char *argv[]) {
        bool is_free = verb->run == verb_run || verb->run == verb_submit ||
                       verb->run == verb_validate || verb->run == verb_simulate;

        if (o->why && !tq_parse_is_utf8(o->why, strlen(o->why)))
                return fail(TQ_EXIT_USAGE, "--why: not valid UTF-8");
        for (int i = 0; !is_free && i < argc; i++)
                if (!tq_parse_is_utf8(argv[i], strlen(argv[i])))
                        return fail(TQ_EXIT_USAGE, "%s: argument %d is not valid UTF-8", verb->name,
                                    i + 1);
        return 0;
}

static int check_options(const Options *o, const Verb *verb) {
        if (o->json && !strchr(verb->options, 'j'))
                return fail(TQ_EXIT_USAGE, "%s prints no data that could be JSON", verb->name);
        for (size_t i = 0; options[i].name; i++)
                if (options[i].val < 256 && o->used[options[i].val] &&
                    !strchr(verb->options, options[i].val))
                        return fail(TQ_EXIT_USAGE, "%s takes no --%s; usage: tenantqctl %s",
                                    verb->name, options[i].name, verb->usage);
        return 0;
}

int main(int argc, char *argv[]) {
        Options o = { .rows = 100, .seed = 1, .socket = getenv("TENANTQ_SOCKET") };
        const Verb *verb;
        int at, n, r;

        (void)setlocale(LC_CTYPE, "C.UTF-8");
        (void)signal(SIGPIPE, SIG_IGN);
        if (!o.socket)
                o.socket = TQ_CONTROL_SOCKET;
        r = parse_options(&o, argc, argv, "+" LETTERS);
        if (r != 0)
                return r;
        if (optind >= argc) {
                usage(stderr);
                return TQ_EXIT_USAGE;
        }
        verb = find_verb(argv[optind++]);
        if (!verb)
                return TQ_EXIT_USAGE;
        /* The words of a command have options of their own. */
        at = optind - 1;
        argv[at] = argv[0];
        optind = 0;
        r = parse_options(&o, argc - at, argv + at, verb->run == verb_run ? "+" LETTERS : LETTERS);
        if (r == 0)
                r = check_options(&o, verb);
        if (r != 0)
                return r;
        argv += at + optind;
        n = argc - at - optind;
        if (n < verb->min_args || (verb->max_args >= 0 && n > verb->max_args))
                r = fail(TQ_EXIT_USAGE, "usage: tenantqctl %s", verb->usage);
        else if (o.tenant && verb->max_args == 1 && n == 1 && verb->run != verb_submit)
                r = fail(TQ_EXIT_USAGE, "%s: the tenant is given twice: -t %s and %s", verb->name,
                         o.tenant, argv[0]);
        else
                r = check_text(&o, verb, n, argv);
        if (r == 0)
                r = verb->run(&o, n, argv);
        free((void *)o.limits);
        return r == 0 ? output_finish() : r;
}
