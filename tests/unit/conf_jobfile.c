/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/jobfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "base/parse.h"
#include "unit.h"

#define SEC UINT64_C(1000000)

static int parse_text(const char *text, TqJobSpec *spec, TqError *err) {
        return tq_jobfile_parse(text, strlen(text), spec, NULL, NULL, err);
}

/* The notes, one line each: `LINE KEY TEXT`. */
static void take_note(void *userdata, unsigned line, const char *key, const char *text) {
        tq_buffer_printf(userdata, "%u %s %s\n", line, key, text);
}

/* Every key ---------------------------------------------------------------------------------- */

/* Behind `[Job]\nExecStart=/bin/true\n`; so that what follows begins on line 3 (a key of [Job]) or
 * on line 4 (of another section). error NULL: accepted. */
typedef struct KeyRow {
        const char *section, *key, *value, *error;
} KeyRow;

#define TIME_FORM "expected a time as YYYY-MM-DD HH:MM[:SS] [UTC]"

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
        { "Job", "StartAfter", "tomorrow", TIME_FORM },
        { "Job", "StartAfter", "", TIME_FORM },
        { "Job", "Deadline", "2026-11-21 02:00", NULL },
        { "Job", "Deadline", "soon", TIME_FORM },
        { "Job", "After", "17 nightly", NULL },
        { "Job", "After", "", "expected numbers or names of jobs, at most 64 in all" },
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
        { "Job", "CorrelationId", "", "expected 1 to 128 bytes" },
        { "Job", "Labels", "team=billing kind=export", NULL },
        { "Job", "Labels", "team", "expected KEY=VALUE words" },
        { "Job", "Labels", "=x", "expected KEY=VALUE words" },
        { "Job", "OnLost", "fail", NULL },
        { "Job", "OnLost", "requeue", NULL },
        { "Job", "OnLost", "Requeue", "expected fail or requeue" },
        { "Job", "OnLost", "", "expected fail or requeue" },
        { "Sandbox", "Profile", "default", NULL },
        { "Sandbox", "Profile", "debug", "a job can't weaken it" },
        { "Sandbox", "Profile", "permissive", "a job can't weaken it" },
        { "Sandbox", "Profile", "strict", "this version has no stricter profile" },
        { "Sandbox", "Profile", "no-network", "this version has no stricter profile" },
        { "Sandbox", "Profile", "engine", "expected default (the only profile of this version)" },
        { "Sandbox", "Profile", "none", "expected default" },
        { "Sandbox", "Profile", "", "expected default" },
        { "Sandbox", "PrivateNetwork", "yes", NULL },
        { "Sandbox", "PrivateNetwork", "maybe", "expected yes or no" },
        { "Sandbox", "PrivateTmp", "no", NULL },
        { "Sandbox", "PrivateTmp", "", "expected yes or no" },
        { "Sandbox", "ReadWritePaths", "/srv/acme/out /tmp", NULL },
        { "Sandbox", "ReadWritePaths", "out", "expected absolute paths" },
        { "Sandbox", "ReadOnlyPaths", "/srv", NULL },
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
        { "Retry", "RestartMaxSec", "x", "expected a time span such as 30s" },
};

static unsigned compose(TqBuffer *text, const KeyRow *row) {
        tq_buffer_append_string(text, "[Job]\nExecStart=/bin/true\n");
        if (strcmp(row->section, "Job") != 0)
                tq_buffer_printf(text, "[%s]\n", row->section);
        tq_buffer_printf(text, "%s=%s\n", row->key, row->value);
        return strcmp(row->section, "Job") != 0 ? 4 : 3;
}

static const TqJobfileKey *find_key(const char *section, const char *key) {
        size_t n;
        const TqJobfileKey *keys = tq_jobfile_keys(&n);

        for (size_t i = 0; i < n; i++)
                if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].key, key) == 0)
                        return &keys[i];
        return NULL;
}

START_TEST(key) {
        TQ_BUFFER_CLEANUP TqBuffer text = {}, notes = {};
        const KeyRow *row = &key_rows[_i];
        const TqJobfileKey *known = find_key(row->section, row->key);
        TqJobSpec spec = { .argc = 77 };
        char note[128] = "";
        TqError err = {};
        unsigned line;
        int r;

        ck_assert_ptr_nonnull(known);
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
        if (!known->has_effect)
                (void)snprintf(note, sizeof(note), "%u %s has no effect in this version\n", line,
                               row->key);
        ck_assert_str_eq(tq_buffer_string(&notes), note);
        tq_jobspec_done(&spec);
}
END_TEST

/* Of each key of the table there is a good and a bad value above. */
START_TEST(every_key_has_rows) {
        size_t n;
        const TqJobfileKey *keys = tq_jobfile_keys(&n);

        ck_assert_uint_gt(n, 0);
        for (size_t i = 0; i < n; i++) {
                bool good = strcmp(keys[i].key, "ExecStart") == 0, bad = false;

                for (size_t k = 0; k < TQ_ELEMENTSOF(key_rows); k++)
                        if (strcmp(key_rows[k].section, keys[i].section) == 0 &&
                            strcmp(key_rows[k].key, keys[i].key) == 0) {
                                good = good || !key_rows[k].error;
                                bad = bad || key_rows[k].error;
                        }
                ck_assert_msg(good && bad, "[%s] %s lacks a row", keys[i].section, keys[i].key);
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

/* Whole files --------------------------------------------------------------------------------- */

static const struct {
        const char *text;
        unsigned line;
        const char *key, *error;
} bad_rows[] = {
        { "", 0, "ExecStart", "missing: expected ExecStart=/path/to/program in [Job]" },
        { "[Job]\n", 0, "ExecStart", "missing" },
        { "[Job]\nName=x\n", 0, "ExecStart", "missing" },
        { "[Job]\nExecStart=\n", 2, "ExecStart", "an absolute path and its arguments" },
        { "[Job]\nExecStart=true\n", 2, "ExecStart", "an absolute path and its arguments" },
        { "[Job]\nExecStart=./true\n", 2, "ExecStart", "an absolute path and its arguments" },
        { "[Job]\nExecStart=\"\"\n", 2, "ExecStart", "an absolute path and its arguments" },
        { "[Job]\nExecStart=-/bin/true\n", 2, "ExecStart", "an absolute path and its arguments" },
        { "[Job]\nExecStart=/bin/echo \"x\n", 2, "ExecStart", "balanced quotes and known escapes" },
        { "[Job]\nExecStart=/bin/echo \\q\n", 2, "ExecStart", "balanced quotes and known escapes" },
        { "[Job]\nExecStart=/bin/echo \\x00\n", 2, "ExecStart",
          "balanced quotes and known escapes" },
        { "[Jobs]\nExecStart=/bin/true\n", 1, "", "unknown section [Jobs]; did you mean [Job]?" },
        { "[Service]\n", 1, "", "expected [Job], [Limits], [Sandbox] or [Retry]" },
        { "[job]\n", 1, "", "unknown section [job]; did you mean [Job]?" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\n[Job]\n", 4, "",
          "section [Job] a second time; it began on line 1" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\ncpu=1\n[Limits]\n", 5, "",
          "section [Limits] a second time; it began on line 3" },
        { "[Job]\nExeStart=/bin/true\n", 2, "ExeStart",
          "unknown key in [Job]; did you mean ExecStart?" },
        { "[Job]\nexecstart=/bin/true\n", 2, "execstart",
          "unknown key in [Job]; did you mean ExecStart?" },
        { "[Job]\nEnviroment=A=b\n", 2, "Enviroment", "did you mean Environment?" },
        { "[Job]\nQuue=x\n", 2, "Quue", "did you mean Queue?" },
        { "[Job]\nType=simple\n", 2, "Type", "unknown key in [Job]" },
        { "[Sandbox]\nExecStart=/bin/true\n", 2, "ExecStart", "unknown key in [Sandbox]" },
        { "[Retry]\nMaxAttempt=3\n", 2, "MaxAttempt", "did you mean MaxAttempts?" },
        /* T19: what a job may not ask for. */
        { "[Job]\nExecStart=/bin/true\nUser=root\n", 3, "User", "unknown key in [Job]" },
        { "[Job]\nExecStart=/bin/true\nGroup=0\n", 3, "Group", "unknown key in [Job]" },
        { "[Job]\nExecStart=/bin/true\nUID=0\n", 3, "UID", "unknown key in [Job]" },
        { "[Job]\nExecStart=/bin/true\nSlice=system.slice\n", 3, "Slice", "unknown key in [Job]" },
        { "[Job]\nExecStart=/bin/true\nNice=-20\n", 3, "Nice", "unknown key in [Job]" },
        { "[Job]\nExecStart=/bin/true\nCPUSchedulingPolicy=rr\n", 3, "CPUSchedulingPolicy",
          "unknown key in [Job]" },
        { "[Job]\nExecStart=/bin/true\nCPUAffinity=0\n", 3, "CPUAffinity", "unknown key in [Job]" },
        { "[Job]\nExecStart=/bin/true\nTenant=globex\n", 3, "Tenant", "unknown key in [Job]" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nconcurrency=100\n", 4, "concurrency",
          "is not a limit of a job" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nweight=10000\n", 4, "weight",
          "is not a limit of a job" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nreserved=4\n", 4, "reserved",
          "is not a limit of a job" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nqueue_depth=max\n", 4, "queue_depth",
          "is not a limit of a job" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nmemroy=1G\n", 4, "memroy",
          "unknown limit; did you mean memory?" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nmemory=1X\n", 4, "memory", "number of bytes" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\ncpu=2\ncpu=3\n", 5, "cpu", "given twice" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nMemoryMax=1G\nmemory=2G\n", 5, "memory",
          "given twice" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nmemory=1G\nMemoryMax=2G\n", 5, "MemoryMax",
          "given twice" },
        { "[Job]\nExecStart=/bin/true\nRuntimeMaxSec=5\n[Limits]\nruntime=6\n", 5, "runtime",
          "given twice" },
        { "[Limits]\nruntime=6\n[Job]\nExecStart=/bin/true\nRuntimeMaxSec=5\n", 5, "RuntimeMaxSec",
          "only once" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nio_write@8:0=1M\nio_write@8:0=2M\n", 5,
          "io_write@8:0", "given twice" },
        { "[Job]\nExecStart=/bin/true\n[Limits]\nio_write@8:0=1M\nIOWriteBandwidthMax=8:0 2M\n", 5,
          "IOWriteBandwidthMax", "given twice" },
};

START_TEST(bad) {
        TqJobSpec spec;
        TqError err = {};
        int r = parse_text(bad_rows[_i].text, &spec, &err);

        ck_assert_msg(r == -EBADMSG, "%d for %s", r, bad_rows[_i].text);
        ck_assert_msg(strstr(err.text, bad_rows[_i].error) != NULL, "says: %s", err.text);
        ck_assert_uint_eq(err.line, bad_rows[_i].line);
        ck_assert_str_eq(err.key, bad_rows[_i].key);
}
END_TEST

static const char *const good_texts[] = {
        "[Job]\nExecStart=/bin/true",
        "[Limits]\n[Job]\nExecStart=/bin/true\n",
        "[Job]\nExecStart=/bin/true\nX-Ticket=17\nX-Ticket=18\n",
        "[X-Notes]\nanything=goes\nanything=twice\n[Job]\nExecStart=/bin/true\n[X-Notes]\n",
        "[Job]\nExecStart=/bin/true\n[Limits]\nX-y=1\n",
        "; comment\n[Job]\n# comment\nExecStart=/bin/true\n",
        "[Job]\nExecStart=/bin/true\n[Limits]\nio_write@8:0=1M\nio_write@8:16=2M\nio_write=3M\n",
        "[Job]\nExecStart=/bin/true\n[Limits]\nIOWriteBandwidthMax=8:0 1M\n"
        "IOWriteBandwidthMax=8:16 1M\n", /* another device, as in a unit file */
};

START_TEST(good) {
        TqJobSpec spec = {};
        TqError err = {};

        ck_assert_msg(parse_text(good_texts[_i], &spec, &err) == 0, "line %u: %s: %s", err.line,
                      err.key, err.text);
        ck_assert_uint_eq(spec.argc, 1);
        ck_assert_str_eq(spec.argv[0], "/bin/true");
        ck_assert_ptr_null(spec.argv[1]);
        tq_jobspec_done(&spec);
}
END_TEST

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
        ck_assert_str_eq(tq_buffer_string(&notes),
                         "19 PrivateNetwork has no effect in this version\n"
                         "20 ReadWritePaths has no effect in this version\n"
                         "23 MaxAttempts has no effect in this version\n"
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

START_TEST(environment_full) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqJobSpec spec = {};
        TqError err = {};

        tq_buffer_append_string(&text, "[Job]\nExecStart=/bin/true\n");
        for (int i = 0; i < TQ_JOB_ENV_MAX; i++)
                tq_buffer_printf(&text, "Environment=V%d=%d\n", i, i);
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, NULL), 0);
        ck_assert_uint_eq(spec.n_environment, TQ_JOB_ENV_MAX);
        tq_jobspec_done(&spec);
        tq_buffer_append_string(&text, "Environment=X=1\n");
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, &err), -EBADMSG);
        ck_assert_str_eq(err.text, "expected at most 1024 variables");
        ck_assert_uint_eq(err.line, 3 + TQ_JOB_ENV_MAX);
}
END_TEST

START_TEST(arguments_full) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqJobSpec spec = {};
        TqError err = {};

        tq_buffer_append_string(&text, "[Job]\nExecStart=/a");
        for (int i = 1; i < TQ_JOB_ARGS_MAX; i++)
                tq_buffer_append_string(&text, " x");
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, NULL), 0);
        ck_assert_uint_eq(spec.argc, TQ_JOB_ARGS_MAX);
        tq_jobspec_done(&spec);
        tq_buffer_append_string(&text, " x");
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, &err), -EBADMSG);
        ck_assert_uint_eq(err.line, 2);
}
END_TEST

/* T6: the boundary of the size. */
START_TEST(sizes) {
        static const char head[] = "[Job]\nExecStart=/bin/true\n#";
        char *text = malloc(TQ_JOB_FILE_MAX + 1);
        TqJobSpec spec = {};
        TqError err = {};

        ck_assert_ptr_nonnull(text);
        memset(text, 'x', TQ_JOB_FILE_MAX + 1);
        memcpy(text, head, sizeof(head) - 1);
        ck_assert_int_eq(tq_jobfile_parse(text, TQ_JOB_FILE_MAX, &spec, NULL, NULL, &err), 0);
        tq_jobspec_done(&spec);
        ck_assert_int_eq(tq_jobfile_parse(text, TQ_JOB_FILE_MAX + 1, &spec, NULL, NULL, &err),
                         -E2BIG);
        ck_assert_str_eq(err.text, "larger than 65536 bytes");
        free(text);
        err = (TqError){};
        ck_assert_int_eq(tq_jobfile_parse("", 0, &spec, NULL, NULL, &err), -EBADMSG);
        ck_assert_str_eq(err.key, "ExecStart");
        ck_assert_int_eq(tq_jobfile_parse("x", 1, &spec, NULL, NULL, NULL), -EBADMSG);
}
END_TEST

/* The hole of libinih that would have let a long description set a key. */
START_TEST(long_value_sets_nothing_else) {
        char text[512];
        TqJobSpec spec = {};
        TqError err = {};
        char name[TQ_JOB_NAME_MAX + 2] = "";

        (void)snprintf(text, sizeof(text),
                       "[Job]\nX-Description=%0190dPriority=100\nExecStart=/bin/a\n", 0);
        ck_assert_msg(parse_text(text, &spec, &err) == 0, "%s", err.text);
        ck_assert_int_eq(spec.priority, 0);
        ck_assert_str_eq(spec.argv[0], "/bin/a");
        tq_jobspec_done(&spec);
        memset(name, 'n', TQ_JOB_NAME_MAX);
        (void)snprintf(text, sizeof(text), "[Job]\nExecStart=/bin/a\nName=%s\n", name);
        ck_assert_int_eq(parse_text(text, &spec, NULL), 0);
        ck_assert_str_eq(spec.name, name);
        tq_jobspec_done(&spec);
        name[TQ_JOB_NAME_MAX] = 'n';
        (void)snprintf(text, sizeof(text), "[Job]\nExecStart=/bin/a\nName=%s\n", name);
        ck_assert_int_eq(parse_text(text, &spec, NULL), -EBADMSG);
}
END_TEST

/* The corpus ---------------------------------------------------------------------------------- */

static const char *corpus_path(void) {
        const char *path = getenv("TQ_CORPUS");

        return path ? path : "tests/corpus/jobfile";
}

static int is_job(const struct dirent *e) {
        size_t n = strlen(e->d_name);

        return n > 4 && strcmp(e->d_name + n - 4, ".job") == 0;
}

static void replay(int dir_fd, const char *name) {
        TQ_FREE char *data = NULL, *expected = NULL;
        char expect_name[300], shown[1024];
        TqJobSpec spec = {};
        TqError err = {};
        size_t size;
        int r;

        ck_assert_int_eq(tq_fs_read_file(dir_fd, name, 1024 * 1024, &data, &size), 0);
        r = tq_jobfile_parse(data, size, &spec, NULL, NULL, &err);
        if (r < 0)
                tq_error_set_file(&err, name);
        (void)tq_error_format(&err, shown, sizeof(shown));
        if (strncmp(name, "good-", 5) == 0) {
                ck_assert_msg(r == 0, "%s", shown);
                tq_jobspec_done(&spec);
                return;
        }
        ck_assert_msg(strncmp(name, "bad-", 4) == 0, "%s is neither good nor bad", name);
        ck_assert_msg(r < 0, "%s was accepted", name);
        (void)snprintf(expect_name, sizeof(expect_name), "%.*s.expect", (int)strlen(name) - 4,
                       name);
        ck_assert_msg(tq_fs_read_file(dir_fd, expect_name, 4096, &expected, &size) == 0, "no %s",
                      expect_name);
        expected[strcspn(expected, "\n")] = '\0';
        ck_assert_str_eq(shown, expected);
}

START_TEST(corpus) {
        struct dirent **entries = NULL;
        int dir_fd = open(corpus_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int n;

        ck_assert_msg(dir_fd >= 0, "%s: %s", corpus_path(), strerror(errno));
        n = scandirat(dir_fd, ".", &entries, is_job, alphasort);
        ck_assert_int_gt(n, 1);
        for (int i = 0; i < n; i++) {
                replay(dir_fd, entries[i]->d_name);
                free(entries[i]);
        }
        free((void *)entries);
        (void)close(dir_fd);
}
END_TEST

static void fill(Suite *s) {
        TCase *keys = unit_case(s, "keys"), *files = unit_case(s, "files");

        unit_add_rows(keys, key, key_rows);
        tcase_add_test(keys, every_key_has_rows);
        tcase_add_test(keys, twice);
        unit_add_rows(files, bad, bad_rows);
        unit_add_rows(files, good, good_texts);
        tcase_add_test(files, example);
        tcase_add_test(files, defaults);
        unit_add_rows(files, name_of_program, name_rows);
        tcase_add_test(files, environment);
        tcase_add_test(files, environment_full);
        tcase_add_test(files, arguments_full);
        tcase_add_test(files, sizes);
        tcase_add_test(files, long_value_sets_nothing_else);
        tcase_add_test(files, corpus);
}

int main(void) {
        return unit_main("conf/jobfile", fill);
}
