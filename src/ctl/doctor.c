/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/doctor.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/fs.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
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

int doctor_tenants_with(const Host *h, bool (*has)(const TqTenantConfig *c), int most, char *ret,
                        size_t size) {
        TQ_FREE TqTenantConfig *c = malloc(sizeof(*c));
        TQ_CLOSE int fd = tq_fs_open_dir(AT_FDCWD, h->config_dir);
        TQ_CLOSEDIR DIR *dir = NULL;
        const struct dirent *e;
        char unread[NAME_MAX + 16] = "tenants.d";
        int r, n = 0, worst = 0;
        size_t used = 0;

        (void)snprintf(ret, size, "%s", unread);
        if (!c)
                return -ENOMEM;
        r = fd < 0 ? fd : tq_fs_opendir(fd, "tenants.d", &dir);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((e = readdir(dir))) {
                char name[NAME_MAX + 1], *dot;

                (void)snprintf(name, sizeof(name), "%s", e->d_name);
                dot = strrchr(name, '.');
                if (!dot || dot == name || strcmp(dot, ".conf") != 0)
                        continue;
                *dot = '\0';
                r = tq_hostfile_load_tenant(fd, name, c, &(TqError){});
                if (r < 0) {
                        worst = r;
                        (void)snprintf(unread, sizeof(unread), "tenants.d/%.250s", e->d_name);
                } else if (has(c) && n++ < most && used < size)
                        used += (size_t)snprintf(ret + used, size - used, "%s%s", n > 1 ? ", " : "",
                                                 name);
        }
        if (n > most && used < size)
                (void)snprintf(ret + used, size - used, " and %d more", n - most);
        if (n == 0 && worst < 0)
                (void)snprintf(ret, size, "%s", unread);
        return n > 0 ? n : worst;
}

void doctor_say_unread(Finding *f, const char *file, int error, const char *what) {
        doctor_say(f, DOCTOR_WARN, "%s: %s: it may have %s", file,
                   error == -EBADMSG ? "it has an error" : strerror(-error), what);
        doctor_mend(f, geteuid() == 0 ? "tenantqd --check says all that is wrong"
                                      : "look again as root");
}

/* On a terminal a sentence goes on in the next line, below its beginning. */
static void print_text(const char *before, const char *text) {
        int indent = output_width(before), width = output_terminal_width() - indent;
        char shown[1024];

        (void)tq_format_shown(text, shown, sizeof(shown));
        if (width >= 20)
                table_fold(shown, width);
        (void)fputs(before, stdout);
        for (const char *p = shown; *p; p++)
                if (*p == '\n')
                        (void)printf("\n%*s", indent, "");
                else
                        (void)putchar(*p);
        (void)putchar('\n');
}

static void print(const Options *o, const char *name, const Finding *f, bool is_first) {
        char head[64], mend[64];

        if (!o->json) {
                (void)snprintf(head, sizeof(head), "%-5s %-20s ", grades[f->grade], name);
                (void)snprintf(mend, sizeof(mend), "%-5s %-20s → ", "", "");
                print_text(head, f->text);
                if (f->mend[0])
                        print_text(mend, f->mend);
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
        doctor_check_config(h->config_dir, &h->check);
}

int verb_doctor(const Options *o, int argc, char *argv[]) {
        TQ_FREE TqHostConfig *config = malloc(sizeof(*config));
        Host h = { .options = o, .config_dir = o->config, .config = config };
        size_t counts[_DOCTOR_GRADE_MAX] = { 0 };

        (void)argc;
        (void)argv;
        if (!config)
                return fail(TQ_EXIT_FAILURE, "out of memory");
        load(&h);
        if (o->json)
                (void)fputs("{\"schema\":\"tenantq.doctor.v1\",\"checks\":[", stdout);
        look(&h, doctor_host, n_doctor_host, counts);
        look(&h, doctor_config, n_doctor_config, counts);
        look(&h, doctor_files, n_doctor_files, counts);
        look(&h, doctor_network, n_doctor_network, counts);
        if (o->json)
                (void)puts("\n]}");
        else
                (void)printf("%zu ok, %zu to look at, %zu to mend\n", counts[DOCTOR_OK],
                             counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
        return counts[DOCTOR_FAIL] > 0 ? TQ_EXIT_FAILURE : TQ_EXIT_OK;
}
