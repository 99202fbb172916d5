/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "sim_workload.h"

/* Texts that are no workload: what is said, and of which line and key. */

#define JOBS   "expected a number of jobs up to 10000000"
#define BURST  "expected a number of jobs from 1: so many come at once"
#define RATE   "expected bursts per time such as 10/s, 100/min or 5/h"
#define LENGTH "expected 30s, fixed 30s, uniform 1s 60s, "
#define CORES  "expected a number of cores such as 1 or 0.5"
#define MEMORY "expected a size such as 512M"
#define BOUND  "expected a time span: RuntimeMaxSec= of the jobs"
#define START  "expected a time span such as 10min: when the first burst comes"

/* In a tenant's section: the key's value. */
static const struct {
        const char *key, *value, *error;
} value_rows[] = {
        { "jobs", "10000001", JOBS },
        { "jobs", "-1", JOBS },
        { "jobs", "", JOBS },
        { "jobs", "max", JOBS },
        { "burst", "0", BURST },
        { "burst", "10000001", BURST },
        { "rate", "0/s", RATE },
        { "rate", "10", RATE },
        { "rate", "10/d", RATE },
        { "rate", "0.5/s", RATE },
        { "rate", "99999999999999999999/s", RATE },
        { "start", "soon", START },
        { "start", "-1s", START },
        { "length", "", LENGTH },
        { "length", "0", LENGTH },
        { "length", "0s", LENGTH },
        { "length", "fixed", LENGTH },
        { "length", "fixed 0", LENGTH },
        { "length", "fixed 1s 2s", LENGTH },
        { "length", "fixed 1s 2s 3s", LENGTH },
        { "length", "uniform 1s", LENGTH },
        { "length", "uniform 0 1s", LENGTH },
        { "length", "uniform 1s 0", LENGTH },
        { "length", "uniform 1s 2s 3s", LENGTH },
        { "length", "exponential", LENGTH },
        { "length", "exponential 30s 1", LENGTH },
        { "length", "exponential x", LENGTH },
        { "length", "lognormal 30s", LENGTH },
        { "length", "lognormal 30s 0", LENGTH },
        { "length", "lognormal 30s -1", LENGTH },
        { "length", "lognormal 30s 1s", LENGTH },
        { "length", "lognormal 30s 0.0000001", LENGTH },
        { "length", "pareto 1s", LENGTH },
        { "length", "pareto 1s 0.0", LENGTH },
        { "length", "pareto 0s 1", LENGTH },
        { "length", "Fixed 1s", LENGTH },
        { "length", "normal 1s 1", LENGTH },
        { "length", "\"fixed 1s", LENGTH },
        { "cores", "-1", CORES },
        { "cores", "1e3", CORES },
        { "cores", "0.0000001", CORES },
        { "cores", "max", CORES },
        { "job_memory", "max", MEMORY },
        { "job_memory", "-1", MEMORY },
        { "job_memory", "1.5", MEMORY },
        { "bound", "max", BOUND },
        { "bound", "", BOUND },
        { "queue", "", "expected a queue's name" },
        { "queue", "a/b", "expected a queue's name" },
        { "priority", "101", "expected a whole number from -100 to 100" },
        { "priority", "-101", "expected a whole number from -100 to 100" },
        { "priority", "+1", "expected a whole number from -100 to 100" },
        { "pool", "", "expected a pool's name" },
        { "pool", "a b", "expected a pool's name" },
        { "job", "1", "unknown key; did you mean jobs?" },
        { "lenght", "1s", "unknown key; did you mean length?" },
        { "wieght", "1", "unknown key; did you mean weight?" },
        { "nothing_like_it", "1", "unknown key" },
        { "weight", "0", "out of range: expected 1 to 10000" },
        { "weight", "10001", "out of range: expected 1 to 10000" },
        { "max_jobs", "4", "unknown key" },
};

START_TEST(bad_values) {
        WORKLOAD w = workload_new();
        TqError err = {};
        char text[128];

        (void)snprintf(text, sizeof(text), "[tenant a]\njobs=5\n\n%s=%s\n", value_rows[_i].key,
                       value_rows[_i].value);
        ck_assert_int_eq(tq_workload_parse(&w, text, strlen(text), true, 1, &err), -EBADMSG);
        ck_assert_msg(strncmp(err.text, value_rows[_i].error, strlen(value_rows[_i].error)) == 0 ||
                              strstr(err.text, value_rows[_i].error) != NULL,
                      "says: %s", err.text);
        ck_assert_str_ne(err.text, "");
        ck_assert_uint_eq(err.line, 4);
        ck_assert_str_eq(err.key, value_rows[_i].key);
        ck_assert_uint_eq(w.n_jobs, 0);
}
END_TEST

static const struct {
        const char *text;
        unsigned line;
        const char *key, *error;
} section_rows[] = {
        { "[tenants]\n", 1, "",
          "unknown section [tenants]; expected [scheduler], [pool NAME], [tenant NAME] or [queue "
          "TENANT/NAME]" },
        { "[host]\n", 1, "", "unknown section [host]" },
        { "[Scheduler]\n", 1, "", "unknown section [Scheduler]" },
        { "[tenant]\n", 1, "", "unknown section [tenant]" },
        { "jobs=1\n", 1, "", "key before the first [section]" },
        { "[tenant a.b]\n", 1, "", "expected [tenant NAME] with a tenant's name" },
        { "[tenant a b]\n", 1, "", "expected [tenant NAME] with a tenant's name" },
        { "[queue a/q]\n[tenant a]\n", 1, "a/q", TARGET },
        { "[tenant a]\n[queue a]\n", 2, "a", TARGET },
        { "[tenant a]\n[queue a/]\n", 2, "a/", TARGET },
        { "[tenant a]\n[queue /q]\n", 2, "/q", TARGET },
        { "[tenant a]\n[queue a/b/c]\n", 2, "a/b/c", TARGET },
        { "[tenant a]\n[queue b/q]\n", 2, "b/q", TARGET },
        { "[tenant a]\n[queue 12345678901234567890123456789012345678901234567890/q]\n", 2,
          "12345678901234567890123456789012345678901234567890/q", TARGET },
        { "[tenant a]\n[queue a/q]\nweight=1\n", 3, "weight", "is not a limit of a queue" },
        { "[tenant a]\n[queue a/q]\nqueue_depth=x\n", 3, "queue_depth", "expected" },
        { "[tenant a]\n[queue a/q]\njobs=1\n", 3, "jobs", "unknown" },
        { "[pool a]\n[pool a]\n", 2, "", "[pool a] a second time" },
        { "[pool a]\nslots=0\n", 2, "slots", "expected a number of slots" },
        { "[scheduler]\njobs=0\n", 2, "jobs", "unknown key in [scheduler]" },
        { "[tenant a]\njobs=1\n[scheduler]\nweight=1\n", 4, "weight", "unknown key in" },
};

START_TEST(bad_sections) {
        const char *text = section_rows[_i].text;
        WORKLOAD w = workload_new();
        TqError err = {};

        ck_assert_int_eq(tq_workload_parse(&w, text, strlen(text), true, 1, &err), -EBADMSG);
        ck_assert_msg(strstr(err.text, section_rows[_i].error) != NULL, "says: %s", err.text);
        ck_assert_uint_eq(err.line, section_rows[_i].line);
        ck_assert_str_eq(err.key, section_rows[_i].key);
        ck_assert_uint_eq(w.n_jobs, 0);
}
END_TEST

static void fill(Suite *s) {
        TCase *errors = unit_case(s, "errors");

        unit_add_rows(errors, bad_values, value_rows);
        unit_add_rows(errors, bad_sections, section_rows);
}

int main(void) {
        return unit_main("sim/workload errors", fill);
}
