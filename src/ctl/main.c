/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/ctl.h"
#include "ctl/pager.h"
#include "ctl/verbs.h"

static int check_text(const Options *o, const Verb *v, int argc, char *argv[]) {
        if (o->why && !tq_parse_is_utf8(o->why, strlen(o->why)))
                return fail(TQ_EXIT_USAGE, "--why: not valid UTF-8");
        for (int i = 0; v->encoding == UTF8 && i < argc; i++)
                if (!tq_parse_is_utf8(argv[i], strlen(argv[i])))
                        return fail(TQ_EXIT_USAGE, "%s: argument %d is not valid UTF-8", v->name,
                                    i + 1);
        return 0;
}

static int check_options(const Options *o, const Verb *v) {
        OptionSet extra = o->used & ~(v->options | OPTIONS_GENERAL);
        char usage[512];

        usage_format(v, usage, sizeof(usage));
        if (extra & WITH(JSON))
                return fail(TQ_EXIT_USAGE, "%s prints no data that could be JSON", v->name);
        for (size_t i = 0; i < _OPTION_MAX; i++)
                if (extra & UINT64_C(1) << i)
                        return fail(TQ_EXIT_USAGE, "%s takes no --%s; usage: tenantqctl %s",
                                    v->name, options_rows[i].name, usage);
        if (o->rows == 0 && !o->follow)
                return fail(TQ_EXIT_USAGE,
                            "--lines \"0\": expected a number from 1 to 10000 (0 with -f only)");
        if (o->json && o->used & (OPTIONS_TABLE & ~(WITH(JSON) | WITH(NO_PAGER))))
                return fail(TQ_EXIT_USAGE, "--json prints the data as it is, all of it: --output, "
                                           "--sort and --noheadings are for the table");
        return 0;
}

static int check(const Options *o, const Verb *v, int argc, char *argv[]) {
        char usage[512];
        int r = check_options(o, v);

        if (r != 0)
                return r;
        usage_format(v, usage, sizeof(usage));
        if (argc < v->min_args || (v->max_args >= 0 && argc > v->max_args))
                return fail(TQ_EXIT_USAGE, "usage: tenantqctl %s", usage);
        if (o->tenant && argc == 1 && strcmp(v->args, "[TENANT]") == 0)
                return fail(TQ_EXIT_USAGE, "%s: the tenant is given twice: -t %s and %s", v->name,
                            o->tenant, argv[0]);
        return check_text(o, v, argc, argv);
}

/* What is followed goes on by itself: it has no pager. */
static int run_verb(Options *o, const Verb *v, int argc, char *argv[]) {
        Pager pager = {};
        int r;

        output_look(o);
        if (o->width > 0 && v->options & WITH(NO_PAGER) && !o->no_pager && !o->follow)
                pager_open(&pager);
        r = v->run(o, argc, argv);
        pager_close(&pager);
        return r;
}

/* Options may stand before and after the verb; what is behind `--` is the verb's, and so is what
 * follows the first word of a command: it has options of its own. */
static int run(Options *o, int argc, char *argv[]) {
        const Verb *v;
        int r = options_parse(o, argc, argv, false);

        if (r != 0)
                return r;
        if (o->version)
                return puts("tenantqctl " TQ_VERSION) < 0;
        if (optind >= argc || o->help) {
                usage_print(o->help ? stdout : stderr);
                return o->help ? 0 : TQ_EXIT_USAGE;
        }
        argc -= optind;
        argv += optind;
        r = options_parse(o, argc, argv, strcmp(argv[0], "run") != 0);
        if (r != 0)
                return r;
        if (o->help && usage_print_verbs(argv[0], optind < argc ? argv[optind] : NULL))
                return 0;
        v = verbs_find(argv[0], optind < argc ? argv[optind] : NULL);
        if (!v)
                return TQ_EXIT_USAGE;
        if (strchr(v->name, ' '))
                optind++;
        argc -= optind;
        argv += optind;
        r = check(o, v, argc, argv);
        return r != 0 ? r : run_verb(o, v, argc, argv);
}

int main(int argc, char *argv[]) {
        Options o = {
                .rows = 100, .seed = 1, .config = TQ_CONFIG_DIR, .socket = getenv("TENANTQ_SOCKET")
        };
        int r;

        (void)setlocale(LC_CTYPE, "C.UTF-8");
        (void)signal(SIGPIPE, SIG_IGN);
        if (!o.socket)
                o.socket = TQ_CONTROL_SOCKET;
        r = run(&o, argc, argv);
        options_done(&o);
        return r == 0 ? output_finish() : r;
}
