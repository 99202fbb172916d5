/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/fleetfile.h"

#include "base/buffer.h"
#include "unit.h"

/* Limits of many tenants in one text: what is in it, in its order; what is wrong, with its line. */

static void tell(const TqFleet *f, TqBuffer *got) {
        for (size_t i = 0; i < f->n; i++) {
                const TqFleetTenant *t = &f->tenants[i];

                tq_buffer_printf(got, "%s%s:%u", i > 0 ? " " : "", t->name, t->line);
                for (size_t k = 0; k < t->n; k++)
                        tq_buffer_printf(got, " %s%s%s=%s:%u", t->limits[k].queue,
                                         t->limits[k].queue[0] ? "/" : "", t->limits[k].name,
                                         t->limits[k].value, t->limits[k].line);
        }
}

static const struct {
        const char *text, *want;
} good[] = {
        { "", "" },
        { "# nothing\n", "" },
        { "[tenant acme]\n", "acme:1" },
        { "[tenant acme]\ncpu=2\n\n[queue acme/etl]\nconcurrency=3\nqueue_depth=max\n"
          "[tenant globex]\nCPUQuota=150%\n",
          "acme:1 cpu=2:2 etl/concurrency=3:5 etl/queue_depth=max:6 globex:7 CPUQuota=150%:8" },
        { "[tenant acme]\nio_read@/dev/vda = 10M\n", "acme:1 io_read@/dev/vda=10M:2" },
        /* The longest names that there may be. */
        { "[tenant a23456789012345678901234567890123456789012345678]\n"
          "[queue a23456789012345678901234567890123456789012345678/"
          "b23456789012345678901234567890123456789012345678]\nconcurrency=1\n",
          "a23456789012345678901234567890123456789012345678:1 "
          "b23456789012345678901234567890123456789012345678/concurrency=1:3" },
};

START_TEST(understood) {
        TQ_BUFFER_CLEANUP TqBuffer got = {};
        TQ_FLEET_CLEANUP TqFleet f = {};
        TqError err = {};

        ck_assert_msg(tq_fleetfile_parse(good[_i].text, strlen(good[_i].text), &f, &err) == 0, "%s",
                      err.text);
        tell(&f, &got);
        ck_assert_str_eq(tq_buffer_string(&got), good[_i].want);
}
END_TEST

static const struct {
        const char *text;
        unsigned line;
        const char *says;
} bad[] = {
        { "cpu=2\n", 1, "before the first [section]" },
        { "[scheduler]\nmax_jobs=3\n", 1, "what is the host's stands in tenantq.conf" },
        { "[tenant ]\n", 1, "expected [tenant NAME]" },
        { "[tenant a/b]\n", 1, "not a tenant's name" },
        { "[queue acme/etl]\n", 1, "expected TENANT/QUEUE behind that tenant's section" },
        { "[tenant acme]\n[queue acme]\n", 2, "expected TENANT/QUEUE" },
        { "[tenant acme]\n[queue acm/etl]\n", 2, "expected TENANT/QUEUE" },
        { "[tenant acme]\n[queue acmee/etl]\n", 2, "expected TENANT/QUEUE" },
        { "[tenant acme]\n[queue acme/e t]\n", 2, "expected TENANT/QUEUE" },
        { "[tenant acme]\n[queue acme/etl]\ncpu=2\n", 3, "is not a limit of a queue" },
        { "[tenant acme]\nCPU=2\n", 2, "unknown" },
        { "[tenant acme]\ncpu=lots\n", 2, "expected" },
        { "[tenant acme]\npool=big\n", 2, "tenants.d/acme.conf" },
        { "[tenant b]\n[tenant a]\n[tenant b]\n", 3, "has a section already, in line 1" },
        { "[tenant acme]\nno words\n", 2, "" },
        { "[flag b/c]\n", 1, "not a flag's name" },
        { "[flag x]\n", 1, "expected tenants=NAME" },
        { "[tenant a]\n[flag x]\ntenants=a b\n", 3, "no [tenant b] in this text" },
        { "[tenant a]\n[flag x]\ntenants=a /\n", 3, "is not a tenant's name" },
        { "[tenant a]\n[flag x]\ntenants=a\non=maybe\n", 4, "expected yes or no" },
        { "[tenant a]\n[flag x]\ntenants=a\ncpu=lots\n", 4, "expected" },
        { "[tenant a]\n[flag x]\ntenants=a\ncpu=1\nCPUQuota=200%\n", 5, "given twice" },
        { "[tenant a]\n[flag x]\ntenants=a\netl/cpu=1\n", 4, "is not a limit of a queue" },
        { "[flag x]\ntenants=a\n[flag x]\n", 3, "has a section already, in line 1" },
        { "[tenant a]\n[flag x]\n[queue a/etl]\n", 3, "expected TENANT/QUEUE" },
};

START_TEST(not_understood) {
        TQ_FLEET_CLEANUP TqFleet f = {};
        TqError err = {};

        ck_assert_int_eq(tq_fleetfile_parse(bad[_i].text, strlen(bad[_i].text), &f, &err),
                         -EBADMSG);
        ck_assert_uint_eq(err.line, bad[_i].line);
        ck_assert_msg(strstr(err.text, bad[_i].says), "%s", err.text);
}
END_TEST

/* As many tenants as there may be, and one more. */
START_TEST(bounds) {
        for (unsigned more = 0; more < 2; more++) {
                TQ_BUFFER_CLEANUP TqBuffer text = {};
                TQ_FLEET_CLEANUP TqFleet f = {};
                TqError err = {};

                for (unsigned i = 0; i < TQ_FLEET_TENANTS + more; i++)
                        tq_buffer_printf(&text, "[tenant t%u]\n", i);
                ck_assert_int_eq(tq_fleetfile_parse(text.data, text.size, &f, &err),
                                 more ? -EBADMSG : 0);
                ck_assert_uint_eq(err.line, more ? TQ_FLEET_TENANTS + 1 : 0);
        }
}
END_TEST

START_TEST(found) {
        static const char text[] = "[tenant acme]\n[tenant globex]\n";
        TQ_FLEET_CLEANUP TqFleet f = {};
        TqError err = {};

        ck_assert_int_eq(tq_fleetfile_parse(text, strlen(text), &f, &err), 0);
        ck_assert_str_eq(tq_fleet_find(&f, "globex")->name, "globex");
        ck_assert_ptr_null(tq_fleet_find(&f, "glob"));
}
END_TEST

static const struct {
        const char *flags, *want;
} flagged[] = {
        { "[flag burst]\ntenants=acme\ncpu=8\n", "acme:1 cpu=2:2 globex:3" },
        { "[flag burst]\non=yes\ntenants=acme, globex\ncpu=8\netl/concurrency=4\n",
          "acme:1 cpu=8:7 etl/concurrency=4:8 globex:3 cpu=8:7 etl/concurrency=4:8" },
        /* By another name; the last one that is on holds. */
        { "[flag a]\non=yes\ntenants=acme\nCPUQuota=300%\n[flag b]\non=yes\ntenants=acme\ncpu=5\n",
          "acme:1 cpu=5:11 globex:3" },
        { "[flag none]\non=no\ntenants=globex\n", "acme:1 cpu=2:2 globex:3" },
};

START_TEST(flags) {
        TQ_BUFFER_CLEANUP TqBuffer text = {}, got = {};
        TQ_FLEET_CLEANUP TqFleet f = {};
        TqError err = {};

        tq_buffer_printf(&text, "[tenant acme]\ncpu=2\n[tenant globex]\n%s", flagged[_i].flags);
        ck_assert_msg(tq_fleetfile_parse(text.data, text.size, &f, &err) == 0, "%u: %s", err.line,
                      err.text);
        tell(&f, &got);
        ck_assert_str_eq(tq_buffer_string(&got), flagged[_i].want);
}
END_TEST

static const struct {
        const char *text;
        bool on;
        const char *want; /* NULL: there is no such flag */
} turned[] = {
        { "[flag x]\ntenants=a\n", true, "[flag x]\non=yes\ntenants=a\n" },
        { "[flag x]\non=yes\ntenants=a\n", false, "[flag x]\non=no\ntenants=a\n" },
        { "[flag y]\non=yes\n[flag x]\ntenants=a\n  on = no\n[tenant a]\n", true,
          "[flag y]\non=yes\n[flag x]\non=yes\ntenants=a\n[tenant a]\n" },
        { "# [flag x]\n[flag x] ", true, "# [flag x]\n[flag x] \non=yes\n" },
        { "[ flag x ]\n", true, "[ flag x ]\non=yes\n" },
        { "[flag xx]\n", true, NULL },
        { "", true, NULL },
};

START_TEST(turns) {
        TQ_BUFFER_CLEANUP TqBuffer out = {};
        int r = tq_fleetfile_turn(turned[_i].text, "x", turned[_i].on, &out);

        ck_assert_int_eq(r, turned[_i].want ? 0 : -ENOENT);
        if (turned[_i].want)
                ck_assert_str_eq(tq_buffer_string(&out), turned[_i].want);
}
END_TEST

#define OTHER                                                                                      \
        "[tenant b]\nweight=1\n[tenant a]\n# of old\nweight=2\n[queue a/q]\nconcurrency=3\n[flag " \
        "f]\n"

static const struct {
        const char *text, *tenant, *want; /* NULL: the other one says nothing of it */
} spliced[] = {
        { "# top\n[tenant a]\nweight=9\n[queue a/z]\nconcurrency=9\n[tenant b]\nweight=8\n", "a",
          "# top\n[tenant a]\n# of old\nweight=2\n[queue a/q]\nconcurrency=3\n[tenant "
          "b]\nweight=8\n" },
        { "[tenant b]\nweight=8\n[queue b/q]\nconcurrency=7\n[flag g]\nweight=3", "b",
          "[tenant b]\nweight=1\n[flag g]\nweight=3\n" },
        { "[tenant aa]\nweight=8\n", "a",
          "[tenant aa]\nweight=8\n[tenant a]\n# of old\nweight=2\n[queue a/q]\nconcurrency=3\n" },
        { "[tenant c]\nweight=8\n", "c", NULL },
        { "", "c", NULL },
};

START_TEST(splices) {
        TQ_BUFFER_CLEANUP TqBuffer out = {};
        int r = tq_fleetfile_splice(spliced[_i].text, OTHER, spliced[_i].tenant, &out);

        ck_assert_int_eq(r, spliced[_i].want ? 0 : -ENOENT);
        if (spliced[_i].want)
                ck_assert_str_eq(tq_buffer_string(&out), spliced[_i].want);
}
END_TEST

static void fill(Suite *s) {
        TCase *t = unit_case(s, "fleet");

        unit_add_rows(t, understood, good);
        unit_add_rows(t, not_understood, bad);
        tcase_add_test(t, bounds);
        tcase_add_test(t, found);
        unit_add_rows(t, flags, flagged);
        unit_add_rows(t, turns, turned);
        unit_add_rows(t, splices, spliced);
}

int main(void) {
        return unit_main("conf/fleetfile", fill);
}
