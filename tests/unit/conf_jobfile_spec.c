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
                                   "Labels=\"a=b c\"\n"
                                   "TraceParent=" TRACE "\n"
                                   "Inputs=x \"y z\" x\n"
                                   "Parent=the first\n"
                                   "Inputs=w\n"
                                   "Outputs=x\n"
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
        static const char *const ties[] = { "ix", "iy z", "pthe first", "iw", "ox" };
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
        ck_assert_str_eq(spec.labels, "team=billing kind=export \"a=b c\"");
        ck_assert_str_eq(spec.trace_parent, TRACE);
        ck_assert_uint_eq(spec.n_ties, TQ_ELEMENTSOF(ties));
        for (size_t i = 0; i < TQ_ELEMENTSOF(ties); i++)
                ck_assert_str_eq(spec.ties[i], ties[i]);
        ck_assert_uint_eq(spec.limits.set, UINT64_C(1) << TQ_KEY_CPU |
                                                   UINT64_C(1) << TQ_KEY_MEMORY |
                                                   UINT64_C(1) << TQ_KEY_RUNTIME);
        ck_assert_uint_eq(spec.limits.value[TQ_KEY_CPU], 2 * SEC);
        ck_assert_uint_eq(spec.limits.value[TQ_KEY_MEMORY], UINT64_C(4) << 30);
        ck_assert_uint_eq(spec.limits.value[TQ_KEY_RUNTIME], 5400 * SEC);
        ck_assert_str_eq(tq_buffer_string(&notes), "");
        ck_assert(spec.has_retry && spec.retry.is_exponential);
        ck_assert_uint_eq(spec.retry.max_attempts, 3);
        ck_assert_uint_eq(spec.retry.delay_usec, 30 * SEC);
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
        ck_assert_ptr_null(spec.trace_parent);
        ck_assert_uint_eq(spec.n_ties, 0);
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

#define RETRY(lines) "[Job]\nExecStart=/bin/true\n[Retry]\n" lines
#define JOB(lines)   "[Job]\nExecStart=/bin/true\n" lines
#define FAILURES     "exit,signal,oom,timeout,stalled,seccomp,spawn"

/* What the keys come to together. */
static const struct {
        const char *text;
        const char *want; /* as in the ledger; NULL: the file says nothing of it */
        const char *note;
} retry_rows[] = {
        { JOB(""), NULL, "" },
        { JOB("OnLost=fail\n"), NULL, "" },
        { RETRY(""), "attempts=1 backoff=exponential delay_usec=30000000 max_usec=3600000000", "" },
        { RETRY("MaxAttempts=3\n"),
          "attempts=3 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=" FAILURES,
          "" },
        { RETRY("MaxAttempts=1\n"),
          "attempts=1 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=" FAILURES,
          "" },
        { RETRY("MaxAttempts=1000\nBackoff=fixed\nRestartSec=0\n"),
          "attempts=1000 backoff=fixed delay_usec=0 max_usec=3600000000 on=" FAILURES, "" },
        /* What is given takes the place of all failures. */
        { RETRY("MaxAttempts=3\nRetryOn=75 KILL\n"),
          "attempts=3 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=KILL,75", "" },
        { RETRY("RetryOn=lost\nMaxAttempts=3\n"),
          "attempts=3 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=lost", "" },
        { RETRY("MaxAttempts=3\nNoRetryOn=64-78, oom\n"),
          "attempts=3 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=" FAILURES
          " never=oom,64-78",
          "" },
        /* OnLost=requeue is `lost` in RetryOn=. */
        { JOB("OnLost=requeue\n"),
          "attempts=5 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=lost", "" },
        { JOB("OnLost=requeue\n[Retry]\nMaxAttempts=2\n"),
          "attempts=2 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=" FAILURES
          ",lost",
          "" },
        { JOB("OnLost=requeue\n[Retry]\nMaxAttempts=2\nRetryOn=1\n"),
          "attempts=2 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=lost,1", "" },
        { JOB("OnLost=fail\n[Retry]\nMaxAttempts=2\nRetryOn=lost\n"),
          "attempts=2 backoff=exponential delay_usec=30000000 max_usec=3600000000 on=lost", "" },
        { JOB("OnLost=requeue\n[Retry]\nRestartSec=1s\n"),
          "attempts=5 backoff=exponential delay_usec=1000000 max_usec=3600000000 on=lost", "" },
        /* The bound follows a longer delay, unless it is given. */
        { RETRY("MaxAttempts=2\nRestartSec=2h\n"),
          "attempts=2 backoff=exponential delay_usec=7200000000 max_usec=7200000000 on=" FAILURES,
          "" },
        { RETRY("MaxAttempts=2\nRestartMaxSec=30s\n"),
          "attempts=2 backoff=exponential delay_usec=30000000 max_usec=30000000 on=" FAILURES, "" },
        { RETRY("RestartSec=5s\n"),
          "attempts=1 backoff=exponential delay_usec=5000000 max_usec=3600000000",
          "4 RestartSec has no effect without MaxAttempts=\n" },
};

START_TEST(retry) {
        TQ_BUFFER_CLEANUP TqBuffer notes = {}, got = {};
        const char *text = retry_rows[_i].text, *want = retry_rows[_i].want;
        TqJobSpec spec = {};
        TqError err = {};

        ck_assert_msg(tq_jobfile_parse(text, strlen(text), &spec, take_note, &notes, &err) == 0,
                      "line %u: %s: %s", err.line, err.key, err.text);
        ck_assert_int_eq(spec.has_retry, want != NULL);
        tq_retry_format(&spec.retry, &got);
        if (want)
                ck_assert_str_eq(tq_buffer_string(&got), want);
        ck_assert_str_eq(tq_buffer_string(&notes), retry_rows[_i].note);
        tq_jobspec_done(&spec);
}
END_TEST

static const struct {
        const char *text;
        unsigned line;
        const char *key, *error;
} retry_errors[] = {
        { RETRY("RetryOn=1\n"), 4, "RetryOn", "expected MaxAttempts= too" },
        { RETRY("NoRetryOn=1\n"), 4, "NoRetryOn", "expected MaxAttempts= too" },
        { JOB("OnLost=requeue\n[Retry]\nNoRetryOn=1\n"), 5, "NoRetryOn",
          "expected MaxAttempts= too" },
        { RETRY("MaxAttempts=2\nRestartSec=10s\nRestartMaxSec=9s\n"), 6, "RestartMaxSec",
          "expected no less than RestartSec=" },
        { RETRY("MaxAttempts=2\nRetryOn=1\nRetryOn=2\n"), 6, "RetryOn", "" },
        { RETRY("OnLost=requeue\n"), 4, "OnLost", "" },
        { JOB("StandardInput=client\n[Retry]\nMaxAttempts=2\n"), 3, "StandardInput",
          "expected no [Retry]" },
        { JOB("OnLost=requeue\nStandardInput=client\n"), 4, "StandardInput",
          "or OnLost=requeue beside client" },
};

START_TEST(retry_refused) {
        TqJobSpec spec = {};
        TqError err = {};

        ck_assert_int_lt(parse_text(retry_errors[_i].text, &spec, &err), 0);
        ck_assert_uint_eq(err.line, retry_errors[_i].line);
        ck_assert_str_eq(err.key, retry_errors[_i].key);
        ck_assert_msg(strstr(err.text, retry_errors[_i].error) != NULL, "%s", err.text);
}
END_TEST

static void fill(Suite *s) {
        TCase *fields = unit_case(s, "fields");

        tcase_add_test(fields, example);
        tcase_add_test(fields, defaults);
        unit_add_rows(fields, name_of_program, name_rows);
        tcase_add_test(fields, environment);
        unit_add_rows(fields, retry, retry_rows);
        unit_add_rows(fields, retry_refused, retry_errors);
}

int main(void) {
        return unit_main("conf/jobfile spec", fill);
}
