/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/jobspec.h"

#include "unit.h"

static const struct {
        const char *name;
        bool is_valid, is_reserved;
} name_rows[] = {
        { "A", true, false },
        { "_", true, false },
        { "a1_B2", true, false },
        { "PATH", true, false },
        { "LD_PRELOAD", true, false },
        { "", false, false },
        { "1A", false, false },
        { "A-B", false, false },
        { "A B", false, false },
        { "A\xC3\xA9", false, false },
        { "NOTIFY_SOCKET", true, true },
        { "NOTIFY_SOCKETS", true, false },
        { "NOTIFY_SOCKE", true, false },
        { "LISTEN_FDS", true, true },
        { "LISTEN_PID", true, true },
        { "LISTEN_FDNAMES", true, true },
        { "INVOCATION_ID", true, true },
        { "WATCHDOG_USEC", true, true },
        { "WATCHDOG_PID", true, true },
        { "TENANTQ_", true, true },
        { "TENANTQ_JOB", true, true },
        { "TENANTQ", true, false },
        { "tenantq_job", true, false },
};

START_TEST(names) {
        size_t n = strlen(name_rows[_i].name);

        ck_assert_int_eq(tq_jobspec_env_name_is_valid(name_rows[_i].name, n),
                         name_rows[_i].is_valid);
        ck_assert_int_eq(tq_jobspec_env_is_reserved(name_rows[_i].name, n),
                         name_rows[_i].is_reserved);
}
END_TEST

/* The encoded strings, one after another. */
static void check_encoded(const TqJobSpec *spec, const TqJobIdentity *who, const char *const *want,
                          size_t n_environment) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        uint32_t counts[3];
        const char *p, *end;

        ck_assert_int_eq(tq_jobspec_encode(spec, who, &b), 0);
        memcpy(counts, b.data, sizeof(counts));
        ck_assert_uint_eq(counts[0], spec->argc);
        ck_assert_uint_eq(counts[1], n_environment);
        ck_assert_uint_eq(counts[2], spec->n_paths);
        p = b.data + sizeof(counts);
        end = b.data + b.size;
        for (; *want; want++) {
                ck_assert_ptr_nonnull(memchr(p, '\0', (size_t)(end - p)));
                ck_assert_str_eq(p, *want);
                p += strlen(p) + 1;
        }
        ck_assert_ptr_eq(p, end);
}

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

START_TEST(encode) {
        char *argv[] = { (char *)"/bin/true", NULL };
        TqJobSpec spec = { .argv = argv, .argc = 1 };
        TqJobIdentity who = { .id = UINT64_MAX, .attempt = UINT32_MAX, .tenant = "acme" };

        check_encoded(&spec, &who,
                      (const char *[]){ "-/", "/bin/true", DEFAULT_PATH, "HOME=/", "SHELL=/bin/sh",
                                        "LANG=C.UTF-8", "TENANTQ_JOB=18446744073709551615",
                                        "TENANTQ_ATTEMPT=4294967295", "TENANTQ_TENANT=acme",
                                        "TENANTQ_QUEUE=", NULL },
                      8);
        who = (TqJobIdentity){
                .id = 7, .attempt = 1, .tenant = "acme", .user = "joe", .home = "/home/joe"
        };
        spec.working_directory = (char *)"/srv";
        check_encoded(&spec, &who,
                      (const char *[]){ "/srv", "/bin/true", DEFAULT_PATH, "HOME=/home/joe",
                                        "USER=joe", "LOGNAME=joe", "SHELL=/bin/sh", "LANG=C.UTF-8",
                                        "TENANTQ_JOB=7", "TENANTQ_ATTEMPT=1", "TENANTQ_TENANT=acme",
                                        "TENANTQ_QUEUE=", NULL },
                      10);
}
END_TEST

/* The job's own stand over the first six, and over nothing else. */
START_TEST(encode_overrides) {
        char *argv[] = { (char *)"/bin/a", (char *)"", (char *)"x y", NULL };
        char *environment[] = { (char *)"PATH=/p",   (char *)"HOME=",    (char *)"USER=u",
                                (char *)"LOGNAME=l", (char *)"SHELL=/s", (char *)"LANG=x",
                                (char *)"PAT=1" };
        TqJobSpec spec = {
                .argv = argv, .argc = 3, .environment = environment, .n_environment = 7
        };
        TqJobIdentity who = {
                .id = 7, .attempt = 1, .tenant = "acme", .user = "joe", .home = "/h"
        };

        check_encoded(&spec, &who,
                      (const char *[]){ "-/h", "/bin/a", "", "x y", "TENANTQ_JOB=7",
                                        "TENANTQ_ATTEMPT=1", "TENANTQ_TENANT=acme",
                                        "TENANTQ_QUEUE=", "PATH=/p", "HOME=", "USER=u", "LOGNAME=l",
                                        "SHELL=/s", "LANG=x", "PAT=1", NULL },
                      11);
}
END_TEST

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* What follows the job: TRACEPARENT may be another by Environment=, the rest may not. */
START_TEST(encode_trail) {
        char *argv[] = { (char *)"/bin/a", NULL }, *environment[] = { (char *)"TRACEPARENT=x" };
        TqJobSpec spec = { .argv = argv,
                           .argc = 1,
                           .correlation_id = (char *)"req-7",
                           .labels = (char *)"team=billing \"Kind=a b\"  e=",
                           .trace_parent = (char *)TRACE };
        TqJobIdentity who = { .id = 7, .attempt = 1, .tenant = "acme" };

#define BEFORE                                                                                     \
        "-/", "/bin/a", DEFAULT_PATH, "HOME=/", "SHELL=/bin/sh", "LANG=C.UTF-8", "TENANTQ_JOB=7",  \
                "TENANTQ_ATTEMPT=1", "TENANTQ_TENANT=acme",                                        \
                "TENANTQ_QUEUE=", "TENANTQ_CORRELATION_ID=req-7"
#define LABELS "TENANTQ_LABEL_team=billing", "TENANTQ_LABEL_Kind=a b", "TENANTQ_LABEL_e="
        check_encoded(&spec, &who, (const char *[]){ BEFORE, "TRACEPARENT=" TRACE, LABELS, NULL },
                      13);
        spec.environment = environment;
        spec.n_environment = 1;
        check_encoded(&spec, &who, (const char *[]){ BEFORE, LABELS, "TRACEPARENT=x", NULL }, 13);
}
END_TEST

static const struct {
        const char *text;
        bool is_valid;
} traces[] = {
        { TRACE, true },
        { "00-00000000000000000000000000000001-1000000000000000-00", true },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", true },
        { "", false },
        { "00", false },
        { TRACE "-00", false },
        { "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false },
        { "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e47360-0f067aa0ba902b7-01", false },
        { "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7 01", false },
};

START_TEST(trace) {
        ck_assert_int_eq(tq_jobspec_trace_is_valid(traces[_i].text), traces[_i].is_valid);
}
END_TEST

START_TEST(done) {
        TqJobSpec spec = {}, empty = {};

        tq_jobspec_done(&spec);
        spec.name = strdup("x");
        spec.working_directory = strdup("x");
        spec.environment = calloc(1, sizeof(char *));
        spec.environment[0] = strdup("A=b");
        spec.n_environment = 1;
        spec.trace_parent = strdup("x");
        spec.ties = calloc(1, sizeof(char *));
        spec.ties[0] = strdup("ix");
        spec.n_ties = 1;
        tq_jobspec_done(&spec);
        ck_assert_mem_eq(&spec, &empty, sizeof(spec));
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "jobspec");

        unit_add_rows(tcase, names, name_rows);
        tcase_add_test(tcase, encode);
        tcase_add_test(tcase, encode_overrides);
        tcase_add_test(tcase, encode_trail);
        unit_add_rows(tcase, trace, traces);
        tcase_add_test(tcase, done);
}

int main(void) {
        return unit_main("core/jobspec", fill);
}
