/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/format.h"
#include "base/parse.h"
#include "conf/jobfile.h"
#include "ctl/ctl.h"
#include "ctl/profile.h"
#include "ctl/script.h"
#include "ctl/verbs.h"

/* The engine's own parser, without an engine. `file:line: message`, as compilers say it. */

typedef struct Report {
        const char *file;
        bool json;
        size_t n;             /* findings so far, of all files */
        const Script *script; /* that the job file is made of; or NULL */
} Report;

static void say(Report *r, unsigned line, const char *severity, const char *text) {
        char shown[2048], file[2048];

        if (r->script)
                line = TQ_MAX(line < r->script->n_lines ? r->script->lines[line] : 0, 1U);
        r->n++;
        if (!r->json) {
                (void)printf("%s:%u: %s%s\n", tq_format_shown(r->file, file, sizeof(file)), line,
                             severity[0] == 'n' ? "note: " : "",
                             tq_format_shown(text, shown, sizeof(shown)));
                return;
        }
        (void)fputs(r->n > 1 ? ",\n{\"file\":" : "\n{\"file\":", stdout);
        output_json_string(r->file);
        (void)printf(",\"line\":%u,\"severity\":\"%s\",\"message\":", line, severity);
        output_json_string(text);
        (void)putchar('}');
}

static void on_note(void *userdata, unsigned line, const char *key, const char *text) {
        char message[512];

        (void)snprintf(message, sizeof(message), "%s %s", key, text);
        say(userdata, line, "note", message);
}

/* Which one the tenant may have is the daemon's to know; one that nobody has is a slip. */
static void note_profile(Report *r, const TqJobSpec *spec) {
        const char *names[_TQ_RANK_MAX], *nearest;
        char text[256];

        if (!spec->profile[0] || profile_exists(spec->profile))
                return;
        for (int i = 0; i < _TQ_RANK_MAX; i++)
                names[i] = tq_profile_rank_to_string((TqProfileRank)i);
        nearest = tq_parse_nearest(spec->profile, names, _TQ_RANK_MAX);
        (void)snprintf(text, sizeof(text), "there is no profile %s on this host%s%s%s",
                       spec->profile, nearest ? "; did you mean " : "", nearest ? nearest : "",
                       nearest ? "?" : "");
        on_note(r, spec->profile_line, "Profile:", text);
}

/* Positive: it can't be read, and it is said. */
static int parse(Report *report, Script *script, TqJobSpec *ret, TqError *err) {
        TQ_BUFFER_CLEANUP TqBuffer data = {};
        TqBuffer *text = &data;
        int r;

        r = input_read(report->file, TQ_JOB_FILE_MAX, &data);
        if (r == -E2BIG)
                return tq_error(err, r, "larger than %d bytes", TQ_JOB_FILE_MAX);
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s", report->file, strerror(-r));
        if (script_is(&data)) {
                r = script_compose(report->file, &data, script, err);
                if (r < 0)
                        return r;
                report->script = script;
                text = &script->text;
        }
        return tq_jobfile_parse(tq_buffer_string(text), text->size, ret, on_note, report, err);
}

static int validate(Report *report) {
        SCRIPT_CLEANUP Script script = {};
        char text[1024];
        TqJobSpec spec = {};
        TqError err = {};
        unsigned line;
        int r;

        report->script = NULL;
        r = parse(report, &script, &spec, &err);
        if (r > 0)
                return r;
        if (r == 0) {
                note_profile(report, &spec);
                tq_jobspec_done(&spec);
                return 0;
        }
        /* The place stands in front, so the text is without it. */
        line = TQ_MAX(err.line, 1U);
        err.line = 0;
        say(report, line, "error", tq_error_format(&err, text, sizeof(text)));
        return TQ_EXIT_INVALID;
}

int verb_validate(const Options *o, int argc, char *argv[]) {
        Report report = { .json = o->json };
        int worst = 0;

        if (o->json)
                (void)fputs("{\"schema\":\"tenantq.validate.v1\",\"findings\":[", stdout);
        for (int i = 0; i < argc; i++) {
                int r;

                report.file = argv[i];
                r = validate(&report);
                if (r != 0)
                        worst = r;
        }
        if (o->json)
                (void)puts(report.n > 0 ? "\n]}" : "]}");
        return worst;
}
