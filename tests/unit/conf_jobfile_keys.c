/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "conf/jobkeys.h"
#include "conf_jobfile.h"

/* Every key of a job file: values that are taken, values that are refused, and the key twice. */

/* Behind `[Job]\nExecStart=/bin/true\n`; so that what follows begins on line 3 (a key of [Job]) or
 * on line 4 (of another section). error NULL: accepted. */
typedef struct KeyRow {
        const char *section, *key, *value, *error;
} KeyRow;

#define TIME_FORM "expected a time such as \"2026-11-28 12:00\", 23:00, tomorrow, +2h"

static const KeyRow key_rows[] = {
        { "Job", "Name", "nightly-export", NULL },
        { "Job", "Name", "with blanks; and = signs", NULL },
        { "Job", "Name", "", "expected a name of 1 to 128 bytes" },
        { "Job", "ExecStart", "/bin/false", "given twice; first on line 2" },
        { "Job", "Queue", "etl", NULL },
        { "Job", "Queue", "a.b-c_9", NULL },
        { "Job", "Queue", "123456789012345678901234567890123456789012345678", NULL },
        { "Job", "Queue", "1234567890123456789012345678901234567890123456789",
          "expected a queue's name: 1 to 48 of A-Z a-z 0-9 _ - ." },
        { "Job", "Queue", "", "expected a queue's name" },
        { "Job", "Queue", "../x", "expected a queue's name" },
        { "Job", "Queue", "a b", "expected a queue's name" },
        { "Job", "Queue", "-x", "expected a queue's name" },
        { "Job", "WorkingDirectory", "/srv/acme", NULL },
        { "Job", "WorkingDirectory", "srv", "expected an absolute path" },
        { "Job", "WorkingDirectory", "", "expected an absolute path" },
        { "Job", "WorkingDirectory", "~", "expected an absolute path" },
        { "Job", "Environment", "STAGE=prod", NULL },
        { "Job", "Environment", "A=1 \"B=two words\" C=", NULL },
        { "Job", "Environment", "NOVALUE", "expected NAME=VALUE, quoted if it has blanks" },
        { "Job", "Environment", "=x", "expected NAME=VALUE" },
        { "Job", "Environment", "1A=x", "expected NAME=VALUE" },
        { "Job", "Environment", "A-B=x", "expected NAME=VALUE" },
        { "Job", "Environment", "A=\"x", "expected NAME=VALUE" },
        { "Job", "Environment", "OK=1 NOTIFY_SOCKET=@x", "expected a name that is not reserved" },
        { "Job", "Environment", "LISTEN_FDS=3", "expected a name that is not reserved" },
        { "Job", "Environment", "LISTEN_PID=1", "expected a name that is not reserved" },
        { "Job", "Environment", "INVOCATION_ID=1", "expected a name that is not reserved" },
        { "Job", "Environment", "TENANTQ_JOB=1", "expected a name that is not reserved" },
        { "Job", "Environment", "TENANTQ_ANYTHING=1", "expected a name that is not reserved" },
        { "Job", "Priority", "0", NULL },
        { "Job", "Priority", "-100", NULL },
        { "Job", "Priority", "100", NULL },
        { "Job", "Priority", "101", "expected a whole number from -100 to 100" },
        { "Job", "Priority", "-101", "expected a whole number from -100 to 100" },
        { "Job", "Priority", "+1", "expected a whole number from -100 to 100" },
        { "Job", "Priority", "1e1", "expected a whole number from -100 to 100" },
        { "Job", "Priority", "", "expected a whole number from -100 to 100" },
        { "Job", "StartAfter", "2026-11-21 02:00", NULL },
        { "Job", "StartAfter", "2026-11-21 02:00:00 UTC", NULL },
        { "Job", "StartAfter", "2026-02-31", TIME_FORM },
        { "Job", "StartAfter", "tomorrow", NULL },
        { "Job", "StartAfter", "+2h", NULL },
        { "Job", "StartAfter", "23:00", NULL },
        { "Job", "StartAfter", "2h", TIME_FORM },
        { "Job", "StartAfter", "", TIME_FORM },
        { "Job", "Deadline", "2026-11-21 02:00", NULL },
        { "Job", "Deadline", "+90", NULL },
        { "Job", "Deadline", "24:00", TIME_FORM },
        { "Job", "Deadline", "soon", TIME_FORM },
        { "Job", "After", "17 nightly", NULL },
        { "Job", "After", "", "expected numbers or names of jobs, at most 64 in all" },
        { "Job", "After", "0", "expected a job's number to be one from 1" },
        { "Job", "After", "nightly 99999999999999999999",
          "expected a job's number to be one from 1" },
        { "Job", "After", "\"x", "expected numbers or names of jobs, at most 64 in all" },
        { "Job", "RuntimeMaxSec", "1h 30min", NULL },
        { "Job", "RuntimeMaxSec", "infinity", NULL },
        { "Job", "RuntimeMaxSec", "0", "expected a time span" },
        { "Job", "RuntimeMaxSec", "-1", "expected a time span" },
        { "Job", "RuntimeMaxSec", "1.5.h", "expected a time span" },
        { "Job", "RuntimeMaxSec", "", "expected a time span" },
        { "Job", "TimeoutStopSec", "0", NULL },
        { "Job", "TimeoutStopSec", "1h", NULL },
        { "Job", "TimeoutStopSec", "1h 1us", "expected a time span of at most 1h, such as 10s" },
        { "Job", "TimeoutStopSec", "infinity", "expected a time span of at most 1h" },
        { "Job", "CorrelationId", "req-7f3a", NULL },
        { "Job", "CorrelationId", "!~", NULL },
        { "Job", "CorrelationId", "", "expected a word of 1 to 128 characters of ASCII" },
        { "Job", "CorrelationId", "req 7", "expected a word of 1 to 128 characters of ASCII" },
        { "Job", "CorrelationId", "caf\xC3\xA9",
          "expected a word of 1 to 128 characters of ASCII" },
        { "Job", "TraceParent", TRACE, NULL },
        { "Job", "TraceParent", "", "expected a traceparent of W3C Trace Context" },
        { "Job", "TraceParent", TRACE "-0", "expected a traceparent of W3C Trace Context" },
        { "Job", "Parent", "17", NULL },
        { "Job", "Parent", "the nightly run's", NULL },
        { "Job", "Parent", "", "expected a job's number or name, or another text of 1 to 255" },
        { "Job", "Inputs", "sales.csv \"my table\"", NULL },
        { "Job", "Inputs", "", "expected names of 1 to 255 bytes without control characters" },
        { "Job", "Inputs", "a \"\"", "expected names of 1 to 255 bytes without control" },
        { "Job", "Inputs", "a\\x1bb", "expected names of 1 to 255 bytes without control" },
        { "Job", "Inputs", "a\\xff", "expected names of 1 to 255 bytes without control" },
        { "Job", "Outputs", "s3://bucket/x", NULL },
        { "Job", "Outputs", "'", "expected names of 1 to 255 bytes without control characters" },
        { "Job", "Labels", "team=billing kind=export", NULL },
        { "Job", "Labels", "team", "expected KEY=VALUE words" },
        { "Job", "Labels", "=x", "expected KEY=VALUE words" },
        { "Job", "Labels", "_a1=\"b c=\" B=", NULL },
        { "Job", "Labels", "cost-center=x", "with a KEY of A-Z a-z 0-9 _" },
        { "Job", "Labels", "1a=x", "with a KEY of A-Z a-z 0-9 _" },
        { "Job", "Labels", "__a=x", "with a KEY of A-Z a-z 0-9 _" },
        { "Job", "Labels", "a=\\n", "a VALUE without control characters" },
        { "Job", "Labels", "a=\\xff", "a VALUE without control characters" },
        { "Job", "Labels", "a=1 b=2 a=3", "expected each KEY once" },
        { "Job", "Labels", "a=1 ab=2", NULL },
        { "Job", "StandardInput", "null", NULL },
        { "Job", "StandardInput", "client", NULL },
        { "Job", "StandardInput", "", "expected null or client" },
        { "Job", "StandardInput", "tty", "expected null or client" },
        { "Job", "OnLost", "fail", NULL },
        { "Job", "OnLost", "requeue", NULL },
        { "Job", "OnLost", "Requeue", "expected fail or requeue" },
        { "Job", "OnLost", "", "expected fail or requeue" },
        { "Job", "Key", "order-17", NULL },
        { "Job", "Key", "", "expected 1 to 128 bytes" },
        { "Job", "Keep", "90d", NULL },
        { "Job", "Keep", "0", "expected a time span such as 90d" },
        { "Job", "Keep", "long", "expected a time span such as 90d" },
        { "Sandbox", "Profile", "default", NULL },
        { "Sandbox", "Profile", "debug", NULL }, /* whether the tenant may is seen at submission */
        { "Sandbox", "Profile", "my-own_2", NULL },
        { "Sandbox", "Profile", "2nd", "expected a profile's name, such as strict" },
        { "Sandbox", "Profile", "../strict", "expected a profile's name, such as strict" },
        { "Sandbox", "Profile", "Strict", "expected a profile's name, such as strict" },
        { "Sandbox", "Profile", "", "expected a profile's name, such as strict" },
        { "Sandbox", "PrivateNetwork", "yes", NULL },
        { "Sandbox", "PrivateNetwork", "maybe", "expected yes or no" },
        { "Sandbox", "PrivateTmp", "yes", NULL },
        { "Sandbox", "PrivateTmp", "no", "expected yes: each job has a /tmp of its own" },
        { "Sandbox", "PrivateTmp", "", "expected yes" },
        { "Sandbox", "ReadWritePaths", "/srv/acme/out /tmp", NULL },
        { "Sandbox", "ReadWritePaths", "out", "expected absolute paths" },
        { "Sandbox", "ReadOnlyPaths", "/a \"/b c\"", NULL },
        { "Sandbox", "InaccessiblePaths", "/a", NULL },
        { "Sandbox", "InaccessiblePaths", "", "expected absolute paths" },
        { "Sandbox", "BindPaths", "/a:/b /c", NULL },
        { "Sandbox", "BindPaths", "/a:b", "expected absolute paths" },
        { "Sandbox", "BindPaths", "/a:", "expected absolute paths" },
        { "Sandbox", "BindPaths", "/a:/b:/c", "expected absolute paths" },
        { "Sandbox", "ReadOnlyPaths", "/srv", NULL },
        { "Sandbox", "ReadOnlyPaths", "/", "expected paths below /" },
        { "Sandbox", "InaccessiblePaths", "/srv //..", "expected paths below /" },
        { "Sandbox", "ReadOnlyPaths", "", "expected absolute paths" },
        { "Sandbox", "InaccessiblePaths", "/home", NULL },
        { "Sandbox", "InaccessiblePaths", "/home -/x", "expected absolute paths" },
        { "Retry", "MaxAttempts", "1", NULL },
        { "Retry", "MaxAttempts", "1000", NULL },
        { "Retry", "MaxAttempts", "0", "expected a whole number from 1 to 1000" },
        { "Retry", "MaxAttempts", "1001", "expected a whole number from 1 to 1000" },
        { "Retry", "Backoff", "exponential", NULL },
        { "Retry", "Backoff", "fixed", NULL },
        { "Retry", "Backoff", "random", "expected fixed or exponential" },
        { "Retry", "RestartSec", "30s", NULL },
        { "Retry", "RestartSec", "-1s", "expected a time span such as 30s" },
        { "Retry", "RestartMaxSec", "1h", NULL },
        { "Retry", "RestartMaxSec", "x", "expected a time span such as 1h" },
        { "Retry", "RestartMaxSec", "29s", "expected no less than RestartSec=" },
        { "Retry", "RetryOn", "oom, 1-3 SIGTERM", NULL },
        { "Retry", "RetryOn", "cancelled", "expected exit, signal, oom, timeout" },
        { "Retry", "RetryOn", "", "expected exit, signal, oom, timeout" },
        { "Retry", "NoRetryOn", "255", NULL },
        { "Retry", "NoRetryOn", "256", "expected exit, signal, oom, timeout" },
};

static unsigned compose(TqBuffer *text, const KeyRow *row) {
        unsigned lines = 0;

        tq_buffer_append_string(text, "[Job]\nExecStart=/bin/true\n");
        if (strcmp(row->section, "Job") != 0)
                tq_buffer_printf(text, "[%s]\n", row->section);
        /* What the others are about. */
        if (strcmp(row->section, "Retry") == 0 && strcmp(row->key, "MaxAttempts") != 0)
                tq_buffer_append_string(text, "MaxAttempts=3\n");
        tq_buffer_printf(text, "%s=%s\n", row->key, row->value);
        for (size_t i = 0; i < text->size; i++)
                lines += text->data[i] == '\n';
        return lines;
}

static const TqJobfileKey *find_key(const char *section, const char *key) {
        for (size_t i = 0; i < tq_jobfile_n_keys; i++)
                if (strcmp(tq_jobfile_keys[i].section, section) == 0 &&
                    strcmp(tq_jobfile_keys[i].key, key) == 0)
                        return &tq_jobfile_keys[i];
        return NULL;
}

START_TEST(key) {
        TQ_BUFFER_CLEANUP TqBuffer text = {}, notes = {};
        const KeyRow *row = &key_rows[_i];
        TqJobSpec spec = { .argc = 77 };
        TqError err = {};
        unsigned line;
        int r;

        ck_assert_ptr_nonnull(find_key(row->section, row->key));
        line = compose(&text, row);
        r = tq_jobfile_parse(text.data, text.size, &spec, take_note, &notes, &err);
        if (row->error) {
                ck_assert_msg(r == -EBADMSG, "%s=%s: %d", row->key, row->value, r);
                ck_assert_uint_eq(spec.argc, 77);
                ck_assert_uint_eq(err.line, line);
                ck_assert_str_eq(err.key, row->key);
                ck_assert_msg(strstr(err.text, row->error) != NULL, "%s=%s says: %s", row->key,
                              row->value, err.text);
                return;
        }
        ck_assert_msg(r == 0, "%s=%s: %s", row->key, row->value, err.text);
        ck_assert_str_eq(tq_buffer_string(&notes), "");
        tq_jobspec_done(&spec);
}
END_TEST

/* Of each key of the table there is a good and a bad value above. */
START_TEST(every_key_has_rows) {
        ck_assert_uint_gt(tq_jobfile_n_keys, 0);
        for (size_t i = 0; i < tq_jobfile_n_keys; i++) {
                const TqJobfileKey *known = &tq_jobfile_keys[i];
                bool good = strcmp(known->key, "ExecStart") == 0, bad = false;

                for (size_t k = 0; k < TQ_ELEMENTSOF(key_rows); k++)
                        if (strcmp(key_rows[k].section, known->section) == 0 &&
                            strcmp(key_rows[k].key, known->key) == 0) {
                                good = good || !key_rows[k].error;
                                bad = bad || key_rows[k].error;
                        }
                ck_assert_msg(good && bad, "[%s] %s lacks a row", known->section, known->key);
        }
}
END_TEST

static void check_twice(const KeyRow *row) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqJobSpec spec;
        char want[64];
        TqError err = {};
        unsigned line;
        int r;

        line = compose(&text, row);
        tq_buffer_printf(&text, "%s=%s\n", row->key, row->value);
        r = tq_jobfile_parse(text.data, text.size, &spec, NULL, NULL, &err);
        /* The same labels once more are none. */
        if (strcmp(row->key, "Labels") == 0) {
                ck_assert_int_eq(r, -EBADMSG);
                ck_assert_str_eq(err.text, "expected each KEY once");
                return;
        }
        if (find_key(row->section, row->key)->is_repeatable) {
                ck_assert_msg(r == 0, "%s: %s", row->key, err.text);
                tq_jobspec_done(&spec);
                return;
        }
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_uint_eq(err.line, line + 1);
        (void)snprintf(want, sizeof(want), "given twice; first on line %u", line);
        ck_assert_str_eq(err.text, want);
        ck_assert_str_eq(err.key, row->key);
}

/* Given twice: refused with the first one's line, unless the key may be repeated. */
START_TEST(twice) {
        for (size_t i = 0; i < TQ_ELEMENTSOF(key_rows); i++)
                if (!key_rows[i].error)
                        check_twice(&key_rows[i]);
}
END_TEST

static void fill(Suite *s) {
        TCase *keys = unit_case(s, "keys");

        unit_add_rows(keys, key, key_rows);
        tcase_add_test(keys, every_key_has_rows);
        tcase_add_test(keys, twice);
}

int main(void) {
        return unit_main("conf/jobfile keys", fill);
}
