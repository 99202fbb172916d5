/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/reserve.h"

#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#define SIZE (UINT64_C(1) << 20)

/* How many bytes it takes of the disk. */
static uint64_t taken(const TqReserve *r) {
        struct stat st;

        return stat(r->path, &st) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

START_TEST(made_and_released) {
        char path[PATH_MAX];
        TqReserve r;

        (void)snprintf(path, sizeof(path), "%s/reserve", unit_dir());
        ck_assert_int_eq(tq_reserve_init(&r, path, SIZE), 0);
        ck_assert(!tq_reserve_release(&r)); /* there was none */
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(tq_reserve_make(&r), 0);
                ck_assert_int_eq(tq_reserve_make(&r), 0);
                ck_assert_uint_ge(taken(&r), SIZE);
                ck_assert(tq_reserve_release(&r));
                ck_assert_uint_eq(taken(&r), 0);
                ck_assert(!tq_reserve_release(&r));
        }
        tq_reserve_done(&r);
        /* One of a process before is taken over. */
        ck_assert_int_eq(tq_reserve_init(&r, path, SIZE), 0);
        ck_assert_int_eq(tq_reserve_make(&r), 0);
        ck_assert_uint_ge(taken(&r), SIZE);
        tq_reserve_done(&r);
}
END_TEST

START_TEST(refused) {
        char path[PATH_MAX], link[PATH_MAX];
        TqReserve r;

        (void)snprintf(path, sizeof(path), "%s/none/reserve", unit_dir());
        ck_assert_int_eq(tq_reserve_init(&r, path, SIZE), 0);
        ck_assert_int_eq(tq_reserve_make(&r), -ENOENT);
        tq_reserve_done(&r);
        (void)snprintf(link, sizeof(link), "%s/link", unit_dir());
        ck_assert_int_eq(symlink("/dev/null", link), 0);
        ck_assert_int_eq(tq_reserve_init(&r, link, SIZE), 0);
        ck_assert_int_eq(tq_reserve_make(&r), -ELOOP);
        tq_reserve_done(&r);
}
END_TEST

/* All or nothing. */
START_TEST(full) {
        char path[PATH_MAX], mount_point[PATH_MAX];
        TqReserve r;

        (void)snprintf(mount_point, sizeof(mount_point), "%s/mnt", unit_dir());
        ck_assert_int_eq(mkdir(mount_point, 0700), 0);
        if (mount("tmpfs", mount_point, "tmpfs", 0, "size=512k") < 0)
                unit_skip("can't mount a tmpfs");
        (void)snprintf(path, sizeof(path), "%s/reserve", mount_point);
        ck_assert_int_eq(tq_reserve_init(&r, path, SIZE), 0);
        ck_assert_int_eq(tq_reserve_make(&r), -ENOSPC);
        ck_assert_uint_eq(taken(&r), 0);
        ck_assert(!tq_reserve_release(&r));
        tq_reserve_done(&r);
        (void)umount(mount_point);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "reserve");

        tcase_add_test(tcase, made_and_released);
        tcase_add_test(tcase, refused);
        tcase_add_test(tcase, full);
}

int main(void) {
        return unit_main("store/reserve", fill);
}
