/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf_jobfile.h"

/* Whole files: which are taken, and what is said of the others. */

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
        { "[Sandbox]\nExecStart=/bin/true\n", 2, "ExecStart",
          "belongs in [Job], not in [Sandbox]" },
        { "[Job]\nMaxAttempts=3\n", 2, "MaxAttempts", "belongs in [Retry], not in [Job]" },
        { "[Job]\nMemoryMax=1G\n", 2, "MemoryMax", "belongs in [Limits], not in [Job]" },
        { "[Job]\nweight=3\n", 2, "weight", "unknown key in [Job]" },
        { "[Job]\nio_read@/dev/vda=5M\n", 2, "io_read@/dev/vda",
          "belongs in [Limits], not in [Job]" },
        { "[Limits]\nMaxAttempts=3\n", 2, "MaxAttempts", "belongs in [Retry], not in [Limits]" },
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

static void fill(Suite *s) {
        TCase *files = unit_case(s, "files");

        unit_add_rows(files, bad, bad_rows);
        unit_add_rows(files, good, good_texts);
}

int main(void) {
        return unit_main("conf/jobfile texts", fill);
}
