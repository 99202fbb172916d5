/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>

#include "base/format.h"
#include "base/fs.h"
#include "conf/jobfile.h"
#include "ctl/ctl.h"

/* The engine's own parser, without an engine. `file:line: message`, as compilers say it. */

static void print_note(void *userdata, unsigned line, const char *key, const char *text) {
        char shown[256];

        (void)printf("%s:%u: note: %s %s\n", (const char *)userdata, line,
                     tq_format_escape(key, shown, sizeof(shown)), text);
}

static int validate(const char *file) {
        TQ_FREE char *data = NULL;
        char text[1024], shown[2048];
        TqJobSpec spec;
        TqError err = {};
        size_t size;
        int r;

        r = tq_fs_read_file(AT_FDCWD, file, TQ_JOB_FILE_MAX, &data, &size);
        if (r == -E2BIG) {
                (void)printf("%s:1: larger than %d bytes\n", file, TQ_JOB_FILE_MAX);
                return TQ_EXIT_INVALID;
        }
        if (r < 0)
                return fail(TQ_EXIT_FAILURE, "%s: %s", file, strerror(-r));
        r = tq_jobfile_parse(data, size, &spec, print_note, (void *)file, &err);
        if (r < 0) {
                unsigned line = TQ_MAX(err.line, 1U);

                /* The place stands in front, so the text is without it. */
                err.line = 0;
                (void)tq_error_format(&err, text, sizeof(text));
                (void)printf("%s:%u: %s\n", file, line,
                             tq_format_escape(text, shown, sizeof(shown)));
                return TQ_EXIT_INVALID;
        }
        tq_jobspec_done(&spec);
        return 0;
}

int verb_validate(const Options *o, int argc, char *argv[]) {
        int worst = 0;

        (void)o;
        for (int i = 0; i < argc; i++) {
                int r = validate(argv[i]);

                if (r != 0)
                        worst = r;
        }
        return worst;
}
