/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel/plan.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/buffer.h"
#include "core/jobspec.h"
#include "unit.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static const gid_t groups[] = { 10, 20, 30 };
static const struct sock_filter filter[] = { { 6, 0, 0, 0x7FFF0000 }, { 6, 1, 2, 3 } };
static const char body[] = "a body of some bytes";

static TqPlan sample(void) {
        return (TqPlan){ .job = 10482,
                         .attempt = 3,
                         .uid = 1001,
                         .gid = 1002,
                         .exec_uid = 900,
                         .exec_gid = 901,
                         .result_fd = 5,
                         .barrier_fd = 6,
                         .out_fd = 7,
                         .err_fd = 8,
                         .n_keep = 2,
                         .keep = { 11, 12 },
                         .n_rlimits = 1,
                         .rlimits = { { .resource = 7, .soft = 1024, .hard = 4096 } },
                         .log_max_bytes = 1 << 24 };
}

static const TqPlanParts all_parts = { .groups = groups,
                                       .n_groups = TQ_ELEMENTSOF(groups),
                                       .filter = filter,
                                       .n_filter = TQ_ELEMENTSOF(filter),
                                       .body = body,
                                       .body_size = sizeof(body) };

/* Each combination of parts: bit 0 groups, 1 filter, 2 body. */
START_TEST(round_trip) {
        TqPlan plan = sample();
        TqPlanParts parts = {};
        const TqPlan *p = NULL;
        int fd;

        if (_i & 1) {
                parts.groups = groups;
                parts.n_groups = TQ_ELEMENTSOF(groups);
        }
        if (_i & 2) {
                parts.filter = filter;
                parts.n_filter = TQ_ELEMENTSOF(filter);
        }
        if (_i & 4) {
                parts.body = body;
                parts.body_size = sizeof(body);
        }
        fd = tq_plan_seal(&plan, &parts);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
        ck_assert_int_eq(tq_plan_map(fd, &p), 0);
        ck_assert_mem_eq(p, &plan, sizeof(plan));
        ck_assert_uint_eq(p->job, 10482);
        ck_assert_int_eq(p->keep[1], 12);
        ck_assert_uint_eq(p->rlimits[0].hard, 4096);
        ck_assert_uint_eq(p->n_groups, parts.n_groups);
        ck_assert_uint_eq(p->n_filter, parts.n_filter);
        ck_assert_uint_eq(p->body_size, parts.body_size);
        if (parts.n_groups > 0)
                ck_assert_mem_eq(tq_plan_part(p, p->groups_offset), groups, sizeof(groups));
        if (parts.n_filter > 0)
                ck_assert_mem_eq(tq_plan_part(p, p->filter_offset), filter, sizeof(filter));
        if (parts.body_size > 0)
                ck_assert_mem_eq(tq_plan_part(p, p->body_offset), body, sizeof(body));
        ck_assert_uint_eq(p->groups_offset % sizeof(gid_t), 0);
        ck_assert_uint_eq(p->filter_offset % sizeof(struct sock_filter), 0);
        /* Sealed: nobody changes it any more. */
        ck_assert_int_eq(write(fd, "x", 1), -1);
        ck_assert_int_eq(ftruncate(fd, 0), -1);
        ck_assert_ptr_eq(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}
END_TEST

static const struct {
        size_t n_groups, n_filter, body_size;
        int r;
} size_rows[] = {
        { 65536, 0, 0, 0 },
        { 65537, 0, 0, -E2BIG },
        { 0, BPF_MAXINSNS, 0, 0 },
        { 0, BPF_MAXINSNS + 1, 0, -E2BIG },
        { 0, 0, TQ_PLAN_SIZE_MAX / 2, 0 },
        { 0, 0, TQ_PLAN_SIZE_MAX / 2 + 1, -E2BIG },
        { 0, 0, SIZE_MAX, -E2BIG },
        { 65536, BPF_MAXINSNS, TQ_PLAN_SIZE_MAX / 2,
          -E2BIG }, /* each small enough, but not the sum */
        { 1000, BPF_MAXINSNS, TQ_PLAN_SIZE_MAX / 2, 0 },
};

/* What can be sealed can be read. */
START_TEST(sizes) {
        void *zeros = calloc(1, TQ_PLAN_SIZE_MAX);
        TqPlan plan = sample();
        const TqPlan *p = NULL;
        int fd = tq_plan_seal(&plan, &(TqPlanParts){ .groups = zeros,
                                                     .n_groups = size_rows[_i].n_groups,
                                                     .filter = zeros,
                                                     .n_filter = size_rows[_i].n_filter,
                                                     .body = zeros,
                                                     .body_size = size_rows[_i].body_size });

        if (fd < 0)
                ck_assert_int_eq(fd, size_rows[_i].r);
        else {
                ck_assert_int_eq(size_rows[_i].r, 0);
                ck_assert_int_eq(tq_plan_map(fd, &p), 0);
                ck_assert_uint_eq(p->body_size, size_rows[_i].body_size);
        }
        free(zeros);
}
END_TEST

/* A plan that somebody else made: written as it is, with the given seals. */
static int forge(const TqPlan *plan, size_t size, int seals) {
        int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
        ck_assert_int_eq(pwrite(fd, plan, TQ_MIN(size, sizeof(*plan)), 0),
                         (ssize_t)TQ_MIN(size, sizeof(*plan)));
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

START_TEST(unsealed) {
        static const int missing[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_SEAL };
        TqPlan plan = sample();
        const TqPlan *p = NULL;
        TQ_CLOSE int fd = -1, null_fd = -1;

        fd = tq_plan_seal(&plan, &all_parts);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_plan_map(forge(&plan, plan.size, SEALS), &p), 0);
        p = NULL;
        for (size_t i = 0; i < TQ_ELEMENTSOF(missing); i++)
                ck_assert_int_eq(tq_plan_map(forge(&plan, plan.size, SEALS & ~missing[i]), &p),
                                 -EPERM);
        null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_lt(tq_plan_map(null_fd, &p), 0);
        ck_assert_int_eq(tq_plan_map(-1, &p), -EBADF);
        ck_assert_ptr_null(p);
}
END_TEST

#define FIELD(member, change)                                                                      \
        { offsetof(TqPlan, member), sizeof(((TqPlan *)NULL)->member), (change), 0 }

static const struct {
        size_t offset, size;
        uint32_t value;
        int r; /* 0: -EBADMSG */
} forged_rows[] = {
        FIELD(magic, 0),
        FIELD(magic, TQ_PLAN_MAGIC + 1),
        { offsetof(TqPlan, version), 4, TQ_PLAN_VERSION + 1, -EPROTONOSUPPORT },
        { offsetof(TqPlan, version), 4, 0, -EPROTONOSUPPORT },
        FIELD(size, 0),
        FIELD(size, UINT32_MAX),
        FIELD(n_rlimits, TQ_PLAN_RLIMITS + 1),
        FIELD(n_rlimits, UINT32_MAX),
        FIELD(n_keep, TQ_PLAN_KEEP_MAX + 1),
        FIELD(n_keep, UINT32_MAX),
        FIELD(groups_offset, 0),
        FIELD(groups_offset, sizeof(TqPlan) - 4),
        FIELD(groups_offset, UINT32_MAX),
        FIELD(n_groups, 1000000),
        FIELD(n_groups, UINT32_MAX),
        FIELD(n_groups, 0x40000001),
        FIELD(filter_offset, 0),
        FIELD(filter_offset, UINT32_MAX),
        FIELD(n_filter, 1000000),
        FIELD(n_filter, 0x20000001),
        FIELD(n_filter, UINT32_MAX),
        FIELD(body_offset, 0),
        FIELD(body_offset, UINT32_MAX),
        FIELD(body_size, sizeof(body) + 1),
        FIELD(body_size, UINT32_MAX),
};

START_TEST(forged) {
        TqPlan plan = sample();
        const TqPlan *p = NULL;
        TQ_CLOSE int fd = tq_plan_seal(&plan, &all_parts);

        ck_assert_int_ge(fd, 0);
        ck_assert_uint_eq(forged_rows[_i].size, 4);
        memcpy((char *)&plan + forged_rows[_i].offset, &forged_rows[_i].value, 4);
        ck_assert_int_eq(
                tq_plan_map(forge(&plan,
                                  lseek(fd, 0, SEEK_END) > 0 ? (size_t)lseek(fd, 0, SEEK_END) : 0,
                                  SEALS),
                            &p),
                forged_rows[_i].r ? forged_rows[_i].r : -EBADMSG);
        ck_assert_ptr_null(p);
}
END_TEST

START_TEST(file_sizes) {
        TqPlan plan = sample();
        const TqPlan *p = NULL;
        TQ_CLOSE int fd = tq_plan_seal(&plan, &all_parts);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(tq_plan_map(forge(&plan, 0, SEALS), &p), -EBADMSG);
        ck_assert_int_eq(tq_plan_map(forge(&plan, sizeof(plan) - 1, SEALS), &p), -EBADMSG);
        ck_assert_int_eq(tq_plan_map(forge(&plan, plan.size - 1, SEALS), &p), -EBADMSG);
        ck_assert_int_eq(tq_plan_map(forge(&plan, plan.size + 1, SEALS), &p), -EBADMSG);
        plan.size = TQ_PLAN_SIZE_MAX + 1;
        ck_assert_int_eq(tq_plan_map(forge(&plan, plan.size, SEALS), &p), -EBADMSG);
        ck_assert_ptr_null(p);
}
END_TEST

/* The body ------------------------------------------------------------------------------------ */

#define B(argc, envc, paths, strings)                                                              \
        { argc, envc, paths, strings, sizeof(strings) - 1 }

static const struct {
        struct {
                uint32_t argc, envc, paths;
                const char *strings;
                size_t size;
        } b;
        size_t storage;
        int r;
} body_rows[] = {
        { B(1, 0, 0, "/\0/bin/true\0"), 4, 0 },
        { B(1, 0, 0, "/\0/bin/true\0"), 3, -EBADMSG },
        { B(2, 1, 0, "/srv\0/bin/a\0b\0C=d\0"), 6, 0 },
        { B(2, 1, 0, "/srv\0/bin/a\0b\0C=d\0"), 5, -EBADMSG },
        { B(2, 1, 0, "/srv\0/bin/a\0b\0C=d"), 6, -EBADMSG },   /* the last one is not terminated */
        { B(2, 1, 0, "/srv\0/bin/a\0b\0"), 6, -EBADMSG },      /* one too few */
        { B(1, 1, 0, "/srv\0/bin/a\0b\0C=d\0"), 6, -EBADMSG }, /* one too many */
        { B(0, 0, 0, "/\0"), 6, -EBADMSG },                    /* no program */
        { B(1, 0, 0, ""), 6, -EBADMSG },
        { B(1, 0, 0, "/"), 6, -EBADMSG },
        { B(1, 0, 0, "/\0"), 6, -EBADMSG },
        { B(1, 0, 0, "\0\0"), 4, 0 }, /* empty strings are strings */
        { B(1, 0, 1, "/\0/bin/true\0r/a\0"), 5, 0 },
        { B(1, 0, 1, "/\0/bin/true\0r/a\0"), 4, -EBADMSG },
        { B(1, 0, 2, "/\0/bin/true\0r/a\0"), 6, -EBADMSG },
        { B(1, 0, UINT32_MAX, "/\0/bin/true\0r/a\0"), 6, -EBADMSG },
        { B(UINT32_MAX, UINT32_MAX, 0, "/\0/bin/true\0"), 6, -EBADMSG },
        { B(UINT32_MAX, 2, 0, "/\0/bin/true\0"), 6, -EBADMSG },
        { B(1, UINT32_MAX, 0, "/\0/bin/true\0"), 6, -EBADMSG },
};

START_TEST(bodies) {
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        uint32_t counts[3] = { body_rows[_i].b.argc, body_rows[_i].b.envc, body_rows[_i].b.paths };
        char **storage = calloc(body_rows[_i].storage, sizeof(char *));
        char *exact;
        TqPlanBody got;
        int r;

        tq_buffer_append(&b, counts, sizeof(counts));
        tq_buffer_append(&b, body_rows[_i].b.strings, body_rows[_i].b.size);
        exact = malloc(b.size);
        memcpy(exact, b.data, b.size);
        r = tq_plan_body(exact, b.size, storage, body_rows[_i].storage, &got);
        ck_assert_int_eq(r, body_rows[_i].r);
        if (r == 0) {
                ck_assert_str_eq(got.directory, body_rows[_i].b.strings);
                ck_assert_ptr_null(got.argv[counts[0]]);
                ck_assert_ptr_null(got.envp[counts[1]]);
                ck_assert_ptr_null(got.paths[counts[2]]);
                ck_assert_ptr_nonnull(got.argv[0]);
        }
        for (size_t size = 0; r == 0 && size < b.size; size++)
                ck_assert_int_eq(tq_plan_body(exact, size, storage, body_rows[_i].storage, &got),
                                 -EBADMSG);
        free(exact);
        free((void *)storage);
}
END_TEST

/* What core writes, kernel reads. */
START_TEST(jobspec) {
        char *argv[] = { (char *)"/bin/echo", (char *)"two words", (char *)"", NULL };
        char *environment[] = { (char *)"PATH=/mine", (char *)"X=y" };
        TqJobSpec spec = { .argv = argv,
                           .argc = 3,
                           .environment = environment,
                           .n_environment = 2,
                           .working_directory = (char *)"/srv/acme" };
        TqJobIdentity who = {
                .id = 7, .attempt = 2, .tenant = "acme", .user = "u", .home = "/home/u"
        };
        static const char *const want[] = {
                "HOME=/home/u",
                "USER=u",
                "LOGNAME=u",
                "SHELL=/bin/sh",
                "LANG=C.UTF-8",
                "TENANTQ_JOB=7",
                "TENANTQ_ATTEMPT=2",
                "TENANTQ_TENANT=acme",
                "TENANTQ_QUEUE=",
                "PATH=/mine",
                "X=y",
        };
        TQ_BUFFER_CLEANUP TqBuffer b = {};
        char *storage[64];
        TqPlanBody got;
        size_t i;

        ck_assert_int_eq(tq_jobspec_encode(&spec, &who, &b), 0);
        ck_assert_int_eq(tq_plan_body(b.data, b.size, storage, TQ_ELEMENTSOF(storage), &got), 0);
        ck_assert_str_eq(got.directory, "/srv/acme");
        ck_assert_str_eq(got.argv[0], "/bin/echo");
        ck_assert_str_eq(got.argv[1], "two words");
        ck_assert_str_eq(got.argv[2], "");
        ck_assert_ptr_null(got.argv[3]);
        for (i = 0; i < TQ_ELEMENTSOF(want); i++)
                ck_assert_str_eq(got.envp[i], want[i]);
        ck_assert_ptr_null(got.envp[i]);
}
END_TEST

static void fill(Suite *s) {
        TCase *file = unit_case(s, "file"), *content = unit_case(s, "body");

        tcase_add_loop_test(file, round_trip, 0, 8);
        unit_add_rows(file, sizes, size_rows);
        tcase_add_test(file, unsealed);
        unit_add_rows(file, forged, forged_rows);
        tcase_add_test(file, file_sizes);
        unit_add_rows(content, bodies, body_rows);
        tcase_add_test(content, jobspec);
}

int main(void) {
        return unit_main("kernel/plan", fill);
}
