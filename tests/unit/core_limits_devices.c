/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "core_limits.h"

/* Limits of one device: NAME@DEVICE, and as unit files have them. */

static const struct {
        const char *name, *value;
        TqKey key;
        const char *device;
        uint64_t stored;
        const char *formatted;
} device_rows[] = {
        { "io_read@/dev/vda", "10M", TQ_KEY_IO_READ, "/dev/vda", 10000000, "io_read@/dev/vda" },
        { "io_write@8:0", "max", TQ_KEY_IO_WRITE, "8:0", TQ_LIMIT_MAX, "io_write@8:0" },
        { "io_riops@/dev/disk/by-id/x-1.2:3", "5", TQ_KEY_IO_RIOPS, "/dev/disk/by-id/x-1.2:3", 5,
          "io_riops@/dev/disk/by-id/x-1.2:3" },
        { "io_wiops@4294967295:4294967295", "2K", TQ_KEY_IO_WIOPS, "4294967295:4294967295", 2000,
          "io_wiops@4294967295:4294967295" },
        { "IOReadBandwidthMax", "/dev/vda 5M", TQ_KEY_IO_READ, "/dev/vda", 5000000,
          "io_read@/dev/vda" },
        { "IOWriteBandwidthMax", "/dev/vda \t 5M", TQ_KEY_IO_WRITE, "/dev/vda", 5000000,
          "io_write@/dev/vda" },
        { "IOReadIOPSMax", "8:0 100", TQ_KEY_IO_RIOPS, "8:0", 100, "io_riops@8:0" },
        { "IOWriteIOPSMax", "8:0 1K", TQ_KEY_IO_WIOPS, "8:0", 1000, "io_wiops@8:0" },
};

START_TEST(devices) {
        TqLimits l = {}, empty = {};
        TqError err = {};
        char text[TQ_VALUE_MAX];

        ck_assert_msg(tq_limits_set(&l, device_rows[_i].name, device_rows[_i].value, TENANT, false,
                                    0, &err) == 0,
                      "%s", err.text);
        ck_assert_uint_eq(l.set, 0);
        ck_assert_uint_eq(l.n_io, 1);
        ck_assert_uint_eq(l.io[0].key, device_rows[_i].key);
        ck_assert_uint_eq(l.io[0].value, device_rows[_i].stored);
        ck_assert_str_eq(l.io[0].device, device_rows[_i].device);
        ck_assert_str_eq(tq_limits_io_name(&l.io[0], text, sizeof(text)),
                         device_rows[_i].formatted);
        ck_assert(tq_limits_is_sane(&l));
        /* A second value of the same name takes its place. */
        ck_assert_int_eq(tq_limits_set(&l, device_rows[_i].formatted, "77", TENANT, false, 0, NULL),
                         0);
        ck_assert_uint_eq(l.n_io, 1);
        ck_assert_uint_eq(l.io[0].value, 77);
        ck_assert_int_eq(tq_limits_unset(&l, device_rows[_i].formatted, NULL), 0);
        ck_assert_mem_eq(&l, &empty, sizeof(l));
}
END_TEST

START_TEST(devices_full) {
        TqError err = {};
        TqLimits l = {}, before;
        char name[64];

        for (int i = 0; i < TQ_IO_DEVICES; i++) {
                (void)snprintf(name, sizeof(name), "io_read@8:%d", i);
                ck_assert_int_eq(tq_limits_set(&l, name, "1M", TENANT, false, 0, NULL), 0);
        }
        before = l;
        ck_assert_int_eq(tq_limits_set(&l, "io_read@8:8", "1M", TENANT, false, 9, &err), -EBADMSG);
        ck_assert_str_eq(err.text, "at most 8 limits with @device");
        ck_assert_mem_eq(&l, &before, sizeof(l));
        ck_assert_int_eq(tq_limits_set(&l, "io_read@8:7", "2M", TENANT, false, 0, NULL), 0);
        ck_assert_uint_eq(l.io[7].value, 2000000);
        /* One out of the middle. */
        ck_assert_int_eq(tq_limits_unset(&l, "io_read@8:3", NULL), 0);
        ck_assert_uint_eq(l.n_io, 7);
        for (uint32_t i = 0; i < l.n_io; i++)
                ck_assert_str_ne(l.io[i].device, "8:3");
        ck_assert_int_eq(tq_limits_unset(&l, "io_read@8:3", NULL), 0);
        ck_assert_uint_eq(l.n_io, 7);
        ck_assert(tq_limits_is_sane(&l));
}
END_TEST

START_TEST(device_too_long) {
        char name[128] = "io_read@/dev/";
        TqLimits l = {};

        memset(name + strlen(name), 'x', TQ_DEVICE_MAX - 1 - strlen("/dev/"));
        ck_assert_int_eq(tq_limits_set(&l, name, "1M", TENANT, false, 0, NULL), 0);
        ck_assert_uint_eq(strlen(l.io[0].device), TQ_DEVICE_MAX - 1);
        (void)strcat(name, "x");
        ck_assert_int_eq(tq_limits_set(&l, name, "1M", TENANT, false, 0, NULL), -EBADMSG);
        ck_assert_uint_eq(l.n_io, 1);
}
END_TEST

static void fill(Suite *s) {
        TCase *of_devices = unit_case(s, "devices");

        unit_add_rows(of_devices, devices, device_rows);
        tcase_add_test(of_devices, devices_full);
        tcase_add_test(of_devices, device_too_long);
}

int main(void) {
        return unit_main("core/limits devices", fill);
}
