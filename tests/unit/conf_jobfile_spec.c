/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/parse.h"
#include "conf_jobfile.h"

/* The job that a file describes, field by field. */

#define SEC UINT64_C(1000000)

/* The file of the manual, field by field. */
START_TEST(example) {
        static const char text[] = "[Job]\n"
                                   "Name=nightly-export\n"
                                   "ExecStart=/srv/acme/bin/export --day \"2026-11-20\"\n"
                                   "Queue=etl\n"
                                   "WorkingDirectory=/srv/acme\n"
                                   "Environment=STAGE=prod\n"
                                   "Priority=0\n"
                                   "StartAfter=2026-11-21 02:00\n"
                                   "RuntimeMaxSec=1h 30min\n"
                                   "CorrelationId=req-7f3a\n"
                                   "Labels=team=billing kind=export\n"
                                   "\n"
                                   "[Limits]\n"
                                   "cpu=2\n"
                                   "MemoryMax=4G\n"
                                   "\n"
                                   "[Sandbox]\n"
                                   "Profile=default\n"
                                   "PrivateNetwork=yes\n"
                                   "ReadWritePaths=/srv/acme/out\n"
                                   "\n"
                                   "[Retry]\n"
                                   "MaxAttempts=3\n"
                                   "Backoff=exponential\n"
                                   "RestartSec=30s\n";
        TQ_BUFFER_CLEANUP TqBuffer notes = {};
        TqJobSpec spec = {};
        TqError err = {};

        ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
        ck_assert_msg(tq_jobfile_parse(text, sizeof(text) - 1, &spec, take_note, &notes, &err) == 0,
                      "line %u: %s: %s", err.line, err.key, err.text);
        ck_assert_str_eq(spec.name, "nightly-export");
        ck_assert_uint_eq(spec.argc, 3);
        ck_assert_str_eq(spec.argv[0], "/srv/acme/bin/export");
        ck_assert_str_eq(spec.argv[1], "--day");
        ck_assert_str_eq(spec.argv[2], "2026-11-20");
        ck_assert_ptr_null(spec.argv[3]);
        ck_assert_str_eq(spec.queue, "etl");
        ck_assert_str_eq(spec.working_directory, "/srv/acme");
        ck_assert_uint_eq(spec.n_environment, 1);
        ck_assert_str_eq(spec.environment[0], "STAGE=prod");
        ck_assert_int_eq(spec.priority, 0);
        ck_assert_uint_eq(spec.start_after_usec, UINT64_C(1795226400) * SEC);
        ck_assert_uint_eq(spec.stop_timeout_usec, 10 * SEC);
        ck_assert_str_eq(spec.correlation_id, "req-7f3a");
        ck_assert_str_eq(spec.labels, "team=billing kind=export");
        ck_assert_uint_eq(spec.limits.set, UINT64_C(1) << TQ_KEY_CPU |
                                                   UINT64_C(1) << TQ_KEY_MEMORY |
                                                   UINT64_C(1) << TQ_KEY_RUNTIME);
        ck_assert_uint_eq(spec.limits.value[TQ_KEY_CPU], 2 * SEC);
        ck_assert_uint_eq(spec.limits.value[TQ_KEY_MEMORY], UINT64_C(4) << 30);
        ck_assert_uint_eq(spec.limits.value[TQ_KEY_RUNTIME], 5400 * SEC);
        ck_assert_str_eq(tq_buffer_string(&notes), "23 MaxAttempts has no effect in this version\n"
                                                   "24 Backoff has no effect in this version\n"
                                                   "25 RestartSec has no effect in this version\n");
        tq_jobspec_done(&spec);
}
END_TEST

START_TEST(defaults) {
        TqJobSpec spec = {};

        ck_assert_int_eq(parse_text("[Job]\nExecStart=/usr/bin/sort -u\n", &spec, NULL), 0);
        ck_assert_str_eq(spec.name, "sort");
        ck_assert_str_eq(spec.queue, "default");
        ck_assert_ptr_null(spec.working_directory);
        ck_assert_ptr_null(spec.correlation_id);
        ck_assert_ptr_null(spec.labels);
        ck_assert_uint_eq(spec.n_environment, 0);
        ck_assert_uint_eq(spec.start_after_usec, 0);
        ck_assert_uint_eq(spec.stop_timeout_usec, TQ_JOB_STOP_USEC);
        ck_assert_uint_eq(spec.limits.set, 0);
        ck_assert_int_eq(spec.priority, 0);
        tq_jobspec_done(&spec);
}
END_TEST

static const struct {
        const char *exec, *name; /* NULL: any, but printable by what carries it */
} name_rows[] = {
        { "/bin/true", "true" },
        { "/a/b/c.sh x y", "c.sh" },
        { "/", "/" },
        { "/srv/", "/srv/" },
        { "\"/srv/my job\" x", "my job" },
        { "/bin/\\xff\\xfe", NULL }, /* not UTF-8 */
        { "/bin/caf\\xc3\\xa9", "caf\xC3\xA9" },
        { "/bin/"
          "\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\x"
          "ac"
          "\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\x"
          "ac"
          "\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\x"
          "ac"
          "\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\x"
          "ac"
          "\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\x"
          "ac"
          "\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\x"
          "ac"
          "\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\x"
          "ac"
          "\\xe2\\x82\\xac\\xe2\\x82\\xac\\xe2\\x82\\xac",
          NULL }, /* 135 bytes, cut within a character */
};

/* The name that a job gets from its program is carried by D-Bus and JSON, which take UTF-8 only; a
 * job that has none must be refused or get another one, or nobody could list jobs any more. */
START_TEST(name_of_program) {
        TqJobSpec spec = {};
        char text[1024];

        (void)snprintf(text, sizeof(text), "[Job]\nExecStart=%s\n", name_rows[_i].exec);
        if (parse_text(text, &spec, NULL) < 0) {
                ck_assert_ptr_null(name_rows[_i].name);
                return;
        }
        ck_assert_uint_le(strlen(spec.name), TQ_JOB_NAME_MAX);
        ck_assert_msg(tq_parse_is_utf8(spec.name, strlen(spec.name)), "name is not UTF-8");
        if (name_rows[_i].name)
                ck_assert_str_eq(spec.name, name_rows[_i].name);
        tq_jobspec_done(&spec);
}
END_TEST

START_TEST(environment) {
        TqJobSpec spec = {};

        ck_assert_int_eq(
                parse_text("[Job]\nExecStart=/bin/true\nEnvironment=A=1 B=2\n"
                           "Environment=\"A=3 and ; more\" AB=4\nEnvironment=LD_PRELOAD=x\n",
                           &spec, NULL),
                0);
        ck_assert_uint_eq(spec.n_environment, 4);
        ck_assert_str_eq(spec.environment[0], "A=3 and ; more");
        ck_assert_str_eq(spec.environment[1], "B=2");
        ck_assert_str_eq(spec.environment[2], "AB=4");
        ck_assert_str_eq(spec.environment[3], "LD_PRELOAD=x");
        tq_jobspec_done(&spec);
}
END_TEST

static void fill(Suite *s) {
        TCase *fields = unit_case(s, "fields");

        tcase_add_test(fields, example);
        tcase_add_test(fields, defaults);
        unit_add_rows(fields, name_of_program, name_rows);
        tcase_add_test(fields, environment);
}

int main(void) {
        return unit_main("conf/jobfile spec", fill);
}
