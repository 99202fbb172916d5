/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/doctor.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/fs.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

/* Each row is a question with an answer that anybody can check by hand, and a mend that can be
 * typed. Nothing is changed. */

static const char *const grades[_DOCTOR_GRADE_MAX] = { "ok", "warn", "FAIL" };

void doctor_say(Finding *f, DoctorGrade grade, const char *fmt, ...) {
        va_list ap;

        f->grade = grade;
        va_start(ap, fmt);
        (void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
        va_end(ap);
}

void doctor_mend(Finding *f, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(f->mend, sizeof(f->mend), fmt, ap);
        va_end(ap);
}

static void print(const Options *o, const char *name, const Finding *f, bool is_first) {
        char text[1024], mend[1024];

        if (!o->json) {
                (void)printf("%-5s %-20s %s\n", grades[f->grade], name,
                             tq_format_shown(f->text, text, sizeof(text)));
                if (f->mend[0])
                        (void)printf("%-5s %-20s → %s\n", "", "",
                                     tq_format_shown(f->mend, mend, sizeof(mend)));
                return;
        }
        (void)printf("%s\n{\"check\":\"%s\",\"grade\":\"%s\",\"text\":", is_first ? "" : ",", name,
                     grades[f->grade]);
        output_json_string(f->text);
        (void)fputs(",\"mend\":", stdout);
        output_json_string(f->mend);
        (void)putchar('}');
}

static void look(const Host *h, const DoctorCheck *checks, size_t n, size_t counts[]) {
        for (size_t i = 0; i < n; i++) {
                Finding f = {};

                checks[i].look(h, &f);
                print(h->options, checks[i].name, &f, counts[0] + counts[1] + counts[2] == 0);
                counts[f.grade]++;
        }
}

/* Without it, what holds by default: the other questions still have an answer. */
static void load(Host *h) {
        TQ_CLOSE int fd = tq_fs_open_dir(AT_FDCWD, h->config_dir);
        TqError err = {};
        int r;

        tq_hostfile_defaults(h->config);
        r = fd < 0 ? tq_error_errno(&err, fd, "%s", h->config_dir)
                   : tq_hostfile_load(fd, h->config, &err);
        if (r < 0)
                (void)tq_error_format(&err, h->config_error, sizeof(h->config_error));
}

int verb_doctor(const Options *o, int argc, char *argv[]) {
        TQ_FREE TqHostConfig *config = malloc(sizeof(*config));
        Host h = { .options = o,
                   .config_dir = o->config ? o->config : TQ_CONFIG_DIR,
                   .config = config };
        size_t counts[_DOCTOR_GRADE_MAX] = { 0 };

        (void)argc;
        (void)argv;
        if (!config)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        load(&h);
        if (o->json)
                (void)fputs("{\"schema\":\"tenantq.doctor.v1\",\"checks\":[", stdout);
        look(&h, doctor_host, n_doctor_host, counts);
        look(&h, doctor_files, n_doctor_files, counts);
        look(&h, doctor_network, n_doctor_network, counts);
        if (o->json)
                (void)puts("\n]}");
        else
                (void)printf("%zu ok, %zu to look at, %zu to mend\n", counts[DOCTOR_OK],
                             counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
        return counts[DOCTOR_FAIL] > 0 ? TQ_EXIT_FAILURE : TQ_EXIT_OK;
}
