/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/retentionfile.h"

#include "unit.h"

#define DAY (86400 * TQ_USEC_PER_SEC)

static const struct {
        const char *key, *value;
        size_t offset;
        uint64_t want;
        const char *error; /* or this */
} rows[] = {
        { "jobs_age", "30d", offsetof(TqRetention, jobs_age_usec), 30 * DAY, NULL },
        { "jobs_age", "max", offsetof(TqRetention, jobs_age_usec), UINT64_MAX, NULL },
        { "jobs_age", "1h", offsetof(TqRetention, jobs_age_usec), DAY / 24, NULL },
        { "jobs_age", "59min", 0, 0, "expected a time span from 1h, such as 90d, or max" },
        { "jobs", "0", offsetof(TqRetention, jobs), 0, NULL },
        { "jobs", "max", offsetof(TqRetention, jobs), UINT64_MAX, NULL },
        { "jobs", "-1", 0, 0, "expected a whole number, or max" },
        { "jobs_total", "5", offsetof(TqRetention, jobs_total), 5, NULL },
        { "jobs_kept", "7", offsetof(TqRetention, jobs_kept), 7, NULL },
        { "jobs_bytes", "2M", offsetof(TqRetention, jobs_bytes), 2097152, NULL },
        { "jobs_bytes", "1023K", 0, 0, "expected a size from 1M, such as 50G, or max" },
        { "dead_age", "7d", offsetof(TqRetention, dead_age_usec), 7 * DAY, NULL },
        { "events_age", "7d", offsetof(TqRetention, events_age_usec), 7 * DAY, NULL },
        { "audit_age", "9d", offsetof(TqRetention, audit_age_usec), 9 * DAY, NULL },
        { "events", "100", offsetof(TqRetention, events), 100, NULL },
        { "events", "99", 0, 0, "expected a whole number from 100, or max" },
        { "output_age", "1min", offsetof(TqRetention, output_age_usec), 60 * TQ_USEC_PER_SEC,
          NULL },
        { "output_age", "59s", 0, 0, "expected a time span from 1min, such as 30d, or max" },
        { "output", "64K", offsetof(TqRetention, output_bytes), 65536, NULL },
        { "output", "65535", 0, 0, "expected a size from 64K, such as 1G, or max" },
        { "output_files", "10", offsetof(TqRetention, output_files), 10, NULL },
        { "output_files", "9", 0, 0, "expected a whole number from 10, or max" },
        { "output_total", "1M", offsetof(TqRetention, output_total_bytes), 1048576, NULL },
        { "output_total", "1K", 0, 0, "expected a size from 1M, such as 50G, or max" },
        { "output_floor", "12.5%", offsetof(TqRetention, output_floor), 1250, NULL },
        { "output_floor", "100%", offsetof(TqRetention, output_floor), 10000, NULL },
        { "output_floor", "101%", 0, 0, "expected a share from 0% to 100%, such as 5%" },
        { "output_floor", "max", 0, 0, "expected a share from 0% to 100%, such as 5%" },
        { "output_floor", "5", 0, 0, "expected a share from 0% to 100%, such as 5%" },
        { "keep_max", "0", offsetof(TqRetention, keep_usec), 0, NULL },
        { "keep_max", "x", 0, 0, "expected a time span such as 365d, or max" },
        { "key_window", "1s", offsetof(TqRetention, key_window_usec), TQ_USEC_PER_SEC, NULL },
        { "key_window", "0", 0, 0, "expected a time span from 1s, such as 1d, or max" },
        { "job", "5", 0, 0, "unknown key in [history]; did you mean jobs?" },
};

START_TEST(row) {
        TqRetention r, before;
        TqError err = {};
        int error;

        tq_retention_init(&r);
        before = r;
        error = tq_retentionfile_set(&r, rows[_i].key, rows[_i].value, 7, &err);
        if (rows[_i].error) {
                ck_assert_int_eq(error, -EBADMSG);
                ck_assert_uint_eq(err.line, 7);
                ck_assert_str_eq(err.key, rows[_i].key);
                ck_assert_str_eq(err.text, rows[_i].error);
                ck_assert_mem_eq(&r, &before, sizeof(r));
                return;
        }
        ck_assert_int_eq(error, 0);
        *(uint64_t *)(void *)((char *)&before + rows[_i].offset) = rows[_i].want;
        ck_assert_mem_eq(&r, &before, sizeof(r));
        ck_assert(tq_retention_is_sane(&r));
}
END_TEST

/* Of each key there is a good and a bad value above. */
START_TEST(every_key_has_rows) {
        for (size_t k = 0; k < tq_retentionfile_n_keys; k++) {
                bool good = false;

                for (size_t i = 0; i < TQ_ELEMENTSOF(rows); i++)
                        good |= !rows[i].error &&
                                strcmp(rows[i].key, tq_retentionfile_keys[k].key) == 0;
                ck_assert_msg(good, "%s lacks a row", tq_retentionfile_keys[k].key);
        }
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "retentionfile");

        unit_add_rows(t, row, rows);
        tcase_add_test(t, every_key_has_rows);
}

int main(void) {
        return unit_main("conf/retentionfile", fill);
}
