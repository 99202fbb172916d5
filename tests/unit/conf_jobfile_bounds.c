/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "conf_jobfile.h"

/* How much a file may hold: at each bound, and beyond it. */

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

/* The bounds of a key whose lines add up, and of a name. */
START_TEST(names_full) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqJobSpec spec = {};
        TqError err = {};
        char name[TQ_JOB_TIE_NAME_MAX + 2];

        tq_buffer_append_string(&text, "[Job]\nExecStart=/bin/true\n");
        memset(name, 'n', sizeof(name));
        name[TQ_JOB_TIE_NAME_MAX] = '\0';
        tq_buffer_printf(&text, "Inputs=%s\n", name);
        for (int i = 1; i < TQ_JOB_TIES_MAX; i++)
                tq_buffer_printf(&text, "Inputs=x%d\n", i);
        /* Others, and the same once more, are not counted. */
        tq_buffer_printf(&text, "Outputs=%s\nParent=%s\nInputs=%s x1\n", name, name, name);
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, NULL), 0);
        ck_assert_uint_eq(spec.n_ties, TQ_JOB_TIES_MAX + 2);
        tq_jobspec_done(&spec);
        tq_buffer_append_string(&text, "Inputs=y\n");
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, &err), -EBADMSG);
        ck_assert_str_eq(err.key, "Inputs");
        ck_assert_uint_eq(err.line, 3 + TQ_JOB_TIES_MAX + 3);
        for (int i = 0; i < 3; i++) {
                static const char *const keys[] = { "Inputs", "Outputs", "Parent" };

                name[TQ_JOB_TIE_NAME_MAX] = 'n';
                name[TQ_JOB_TIE_NAME_MAX + 1] = '\0';
                tq_buffer_reset(&text);
                tq_buffer_printf(&text, "[Job]\nExecStart=/bin/true\n%s=%s\n", keys[i], name);
                err = (TqError){};
                ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, &err), -EBADMSG);
                ck_assert_str_eq(err.key, keys[i]);
        }
}
END_TEST

START_TEST(labels_full) {
        TQ_BUFFER_CLEANUP TqBuffer text = {};
        TqJobSpec spec = {};
        TqError err = {};

        tq_buffer_append_string(&text, "[Job]\nExecStart=/bin/true\n");
        for (int i = 0; i < TQ_JOB_LABELS_MAX; i++)
                tq_buffer_printf(&text, "Labels=l%d=\n", i);
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, NULL), 0);
        tq_jobspec_done(&spec);
        tq_buffer_append_string(&text, "Labels=x=\n");
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, &err), -EBADMSG);
        ck_assert_uint_eq(err.line, 3 + TQ_JOB_LABELS_MAX);
        tq_buffer_reset(&text);
        tq_buffer_printf(&text, "[Job]\nExecStart=/bin/true\nLabels=a=%01022d\n", 0);
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, NULL), 0);
        tq_jobspec_done(&spec);
        tq_buffer_append_string(&text, "Labels=b=\n");
        ck_assert_int_eq(parse_text(tq_buffer_string(&text), &spec, &err), -EBADMSG);
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

static void fill(Suite *s) {
        TCase *bounds = unit_case(s, "bounds");

        tcase_add_test(bounds, environment_full);
        tcase_add_test(bounds, names_full);
        tcase_add_test(bounds, labels_full);
        tcase_add_test(bounds, arguments_full);
        tcase_add_test(bounds, sizes);
        tcase_add_test(bounds, long_value_sets_nothing_else);
}

int main(void) {
        return unit_main("conf/jobfile bounds", fill);
}
